//! What a file holds: pages that are shared and never changed in place, and what became of them since the last sync.
//!
//! A change keeps the pages it took the place of, so that a crash can take it back; what it wrote is then still to be read. So
//! writing costs one copy, and syncing nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::disk::Stretch;

/// The bytes of a file. What has no page is a hole.
#[derive(Clone, Debug, Default)]
pub(super) struct Contents {
    pages: BTreeMap<u64, Page>,
    length: u64,
    unsynced: Vec<Change>,
}

/// One change that is not durable yet.
#[derive(Clone, Debug)]
pub(super) struct Change {
    /// What it did.
    pub(super) what: What,
    pages_before: Vec<(u64, Option<Page>)>,
    length_before: u64,
}

/// What a change did.
#[derive(Clone, Copy, Debug)]
pub(super) enum What {
    /// Bytes were written.
    Wrote {
        /// Where they begin.
        offset: u64,
        /// How many there are.
        count: usize,
    },
    /// The length was set.
    Resized(u64),
}

type Page = Arc<[u8]>;

impl Contents {
    /// Contents that are durable.
    pub(super) fn of(bytes: &[u8]) -> Contents {
        let mut contents = Contents::default();
        contents.write(0, bytes, u64::MAX);
        contents.sync();
        contents
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Pages it takes.
    pub(super) fn pages(&self) -> u64 {
        self.pages.len() as u64
    }

    /// Writes as much as fits into `room` further pages, and says how much that is.
    pub(super) fn write(&mut self, offset: u64, bytes: &[u8], mut room: u64) -> usize {
        let length_before = self.length;
        let mut pages_before = Vec::with_capacity(bytes.len() / PAGE_BYTES + 2);
        let mut done = 0;
        while done < bytes.len() {
            let (index, within) = place(offset + done as u64);
            let count = (PAGE_BYTES - within).min(bytes.len() - done);
            let before = self.pages.get(&index).cloned();
            if before.is_none() {
                if room == 0 {
                    break;
                }
                room -= 1;
            }
            let written = &bytes[done..done + count];
            let page =
                if count == PAGE_BYTES { Arc::from(written) } else { with(before.as_ref(), within, written) };
            self.pages.insert(index, page);
            pages_before.push((index, before));
            done += count;
        }
        if done > 0 {
            self.length = self.length.max(offset + done as u64);
            self.unsynced.push(Change {
                what: What::Wrote { offset, count: done },
                pages_before,
                length_before,
            });
        }
        done
    }

    /// Cuts it, or lengthens it by a hole.
    pub(super) fn resize(&mut self, length: u64) {
        let length_before = self.length;
        let (first, within) = place(length);
        let cut = self.pages.split_off(&first);
        // The page the cut goes through stays, with zeros behind the cut.
        if let Some(page) = cut.get(&first).filter(|_| within > 0) {
            self.pages.insert(first, with(Some(page), within, &[0; PAGE_BYTES][within..]));
        }
        let pages_before = cut.into_iter().map(|(index, page)| (index, Some(page))).collect();
        self.length = length;
        self.unsynced.push(Change { what: What::Resized(length), pages_before, length_before });
    }

    /// Reads what there is, and says how much that was.
    pub(super) fn read(&self, buffer: &mut [u8], offset: u64) -> usize {
        let left = self.length.saturating_sub(offset);
        let count = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let mut done = 0;
        while done < count {
            let (index, within) = place(offset + done as u64);
            let step = (PAGE_BYTES - within).min(count - done);
            let target = &mut buffer[done..done + step];
            match self.pages.get(&index) {
                Some(page) => target.copy_from_slice(&page[within..within + step]),
                None => target.fill(0),
            }
            done += step;
        }
        count
    }

    /// All of it.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; usize::try_from(self.length).unwrap_or_default()];
        self.read(&mut bytes, 0);
        bytes
    }

    /// Data or hole from `offset` on, at most to `size`.
    pub(super) fn stretch(&self, offset: u64, size: u64) -> Stretch {
        let (first, _) = place(offset);
        let mut there = self.pages.range(first..).map(|(index, _)| *index);
        let is_hole = !self.pages.contains_key(&first);
        let end = if is_hole {
            there.next().unwrap_or(u64::MAX)
        } else {
            first + there.zip(first..).take_while(|(index, next)| index == next).count() as u64
        };
        Stretch { is_hole, end: end.saturating_mul(PAGE_BYTES as u64).min(size) }
    }

    /// Everything is durable from here on.
    pub(super) fn sync(&mut self) {
        self.unsynced.clear();
    }

    pub(super) fn is_synced(&self) -> bool {
        self.unsynced.is_empty()
    }

    /// Takes the last unsynced change back, and returns it with the bytes it wrote.
    pub(super) fn take_back(&mut self) -> Option<(What, Vec<u8>)> {
        let change = self.unsynced.pop()?;
        let mut wrote = Vec::new();
        if let What::Wrote { offset, count } = change.what {
            wrote.resize(count, 0);
            self.read(&mut wrote, offset);
        }
        for (index, page) in change.pages_before {
            match page {
                Some(page) => self.pages.insert(index, page),
                None => self.pages.remove(&index),
            };
        }
        self.length = change.length_before;
        Some((change.what, wrote))
    }
}

/// A page with some bytes of it changed.
fn with(page: Option<&Page>, at: usize, bytes: &[u8]) -> Page {
    let mut changed: Page =
        page.map_or_else(|| Arc::from([0; PAGE_BYTES].as_slice()), |page| Arc::from(&**page));
    if let Some(room) = Arc::get_mut(&mut changed) {
        room[at..at + bytes.len()].copy_from_slice(bytes);
    }
    changed
}

/// The page an offset is in, and where in it.
fn place(offset: u64) -> (u64, usize) {
    let size = PAGE_BYTES as u64;
    (offset / size, usize::try_from(offset % size).unwrap_or_default())
}

/// What memory and file systems are usually cut into: the unit of room and of holes.
pub(super) const PAGE_BYTES: usize = 4096;

//! Whether what is still to come fits on the disk, as far as the system tells.
//!
//! Told early, before hours of a transfer that cannot end well. It only ever asks now and then, and a disk
//! that fills all the same says so itself; and so does one that packs what it stores (Btrfs, ZFS), of which
//! nobody knows before what it will hold.

use crate::disk::Dir;
use crate::error::{Error, Kind};
use crate::proto::path::RelPath;
use crate::term::human;

use super::tree::Parent;
use super::{Attempt, Refusal, Sink};

/// What is still to come, on the file system of the output directory.
#[derive(Debug, Default)]
pub(super) struct Space {
    to_come: u64,
    /// What was free when it was last asked, less what was written since.
    free: Option<u64>,
    items: u32,
    bytes: u64,
}

impl Space {
    /// So much less is to come, because it was written.
    pub(super) fn written(&mut self, bytes: u64) {
        self.to_come = self.to_come.saturating_sub(bytes);
        self.free = self.free.map(|free| free.saturating_sub(bytes));
    }

    /// So much less is to come, because it will not.
    pub(super) fn forgone(&mut self, bytes: u64) {
        self.to_come = self.to_come.saturating_sub(bytes);
    }

    /// So much more is to come. True if it is time to ask.
    fn promised(&mut self, bytes: u64) -> bool {
        self.to_come = self.to_come.saturating_add(bytes);
        (self.items, self.bytes) = (self.items + 1, self.bytes.saturating_add(bytes));
        self.items >= ASK_ITEMS || self.bytes >= ASK_BYTES || self.free.is_none_or(|free| free < self.to_come)
    }
}

impl<D: Dir + 'static> Sink<D> {
    /// So many bytes of a file in `parent` are going to be written. Returns how many of them were counted.
    pub(super) fn promise(&mut self, parent: Parent, bytes: u64) -> Attempt<u64> {
        let root = RelPath::root();
        let mut system = |path: &RelPath| self.dirs.get(path).map(|dir| dir.file_system().id).ok();
        // What this session made is not opened before something comes for it.
        let is_here = bytes > 0 && system(&self.tree.stands_in(parent)) == system(&root);
        if !is_here || !self.space.promised(bytes) {
            return Ok(if is_here { bytes } else { 0 });
        }
        (self.space.items, self.space.bytes) = (0, 0);
        // A system that does not tell is not asked for nothing either: what cannot be known is no reason to
        // end.
        let free = self.dirs.get(&root).and_then(Dir::available).ok().flatten();
        self.space.free = Some(free.unwrap_or(u64::MAX));
        match free {
            Some(free) if free < self.space.to_come => Err(Refusal::Fatal(
                Error::new(
                    Kind::Disk,
                    format!(
                        "not enough room: {} are still to come and {} are free",
                        human::bytes(self.space.to_come),
                        human::bytes(free)
                    ),
                )
                .hint("Make room on that disk, or receive to another one with --out, and run it again."),
            )),
            _ => Ok(bytes),
        }
    }
}

/// After so many items it is asked again: once for a few milliseconds of small files.
const ASK_ITEMS: u32 = 256;

/// After so many bytes announced it is asked again.
const ASK_BYTES: u64 = 64 << 20;

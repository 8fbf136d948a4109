//! What a power loss leaves.
//!
//! What was synced is there. Of everything since, POSIX promises nothing, and neither does this disk:
//! - Any of the writes to a file may be there, not only the first ones. Any sectors of a write may, and not the others. The last
//!   thing written before the power went may end at any byte.
//! - The length of a file may have grown where its data did not come: it reads as zeros.
//! - Mode and time are the old ones or the new ones.
//! - Names may be there or not, whatever became of what they mean. A renaming is there as a whole or not at all; of two changes
//!   of the same name the later one is not there without the earlier: no file system that keeps a journal of its names
//!   forgets both files.
//! - What has lost all its names is gone.

use std::collections::BTreeSet;

use super::contents::{Contents, What};
use super::names::Names;
use super::world::{Node, World};

/// What becomes of everything of one sort that was not synced. Were each thing left to chance for itself, the two extremes would
/// nearly never come, and they are what careless programs fail on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Lost,
    Kept,
    Each,
}

impl Fate {
    fn of(dice: &mut impl FnMut(u64) -> u64) -> Fate {
        match dice(4) {
            0 => Fate::Lost,
            1 => Fate::Kept,
            _ => Fate::Each,
        }
    }

    fn keeps(self, dice: &mut impl FnMut(u64) -> u64) -> bool {
        match self {
            Fate::Lost => false,
            Fate::Kept => true,
            Fate::Each => dice(2) == 0,
        }
    }
}

impl World {
    /// The world after the power went.
    pub(super) fn after_crash(&self, dice: &mut impl FnMut(u64) -> u64) -> World {
        let (data, names, attributes) = (Fate::of(dice), Fate::of(dice), Fate::of(dice));
        let last = self.last_written();
        let nodes = self.nodes().iter().enumerate().map(|(id, node)| {
            let mut left = node.clone();
            left.lock = None;
            left.contents.lose(data, last == Some(id), dice);
            left.names.lose(names, dice);
            if left.attributes != left.durable && !attributes.keeps(dice) {
                left.attributes = left.durable;
            }
            left.durable = left.attributes;
            left
        });
        let nodes: Vec<Node> = nodes.collect();
        self.with_nodes(nodes)
    }
}

impl Names {
    fn lose(&mut self, fate: Fate, dice: &mut impl FnMut(u64) -> u64) {
        let mut changes: Vec<_> = std::iter::from_fn(|| self.take_back()).collect();
        let mut lost = BTreeSet::new();
        while let Some(change) = changes.pop() {
            if change.iter().all(|changed| !lost.contains(&changed.key)) && fate.keeps(dice) {
                self.redo(change);
            } else {
                lost.extend(change.into_iter().map(|changed| changed.key));
            }
        }
    }
}

impl Contents {
    /// `is_last`: the last write to this file was the last thing that happened.
    fn lose(&mut self, fate: Fate, is_last: bool, dice: &mut impl FnMut(u64) -> u64) {
        let mut changes: Vec<_> = std::iter::from_fn(|| self.take_back()).collect();
        while let Some((what, wrote)) = changes.pop() {
            match what {
                What::Resized(length) if fate.keeps(dice) => self.resize(length),
                What::Resized(_) => {}
                What::Wrote { offset, .. } => {
                    let unit = if is_last && changes.is_empty() { 1 } else { SECTOR_BYTES };
                    self.tear(offset, &wrote, fate, unit, dice);
                }
            }
        }
        self.sync();
    }

    /// Does as much of a write as the dice say, in whole units of the disk (the first and the last may be cut by the write).
    fn tear(&mut self, offset: u64, wrote: &[u8], fate: Fate, unit: u64, dice: &mut impl FnMut(u64) -> u64) {
        let end = offset + wrote.len() as u64;
        let torn = match fate {
            Fate::Lost => return,
            Fate::Kept => Torn::Within(offset, end),
            Fate::Each => match dice(4) {
                0 => Torn::Within(offset, offset),
                1 => Torn::Within(offset, end),
                way => {
                    let mut boundary = || {
                        let units = wrote.len() as u64 / unit + 2;
                        ((offset / unit + dice(units)) * unit).clamp(offset, end)
                    };
                    let (one, other) = (boundary(), boundary());
                    let (from, to) = (one.min(other), one.max(other));
                    if way == 2 { Torn::Within(from, to) } else { Torn::Around(from, to) }
                }
            },
        };
        let mut put = |from: u64, to: u64| {
            let range = usize::try_from(from - offset).ok().zip(usize::try_from(to - offset).ok());
            if let Some(bytes) = range.and_then(|(from, to)| wrote.get(from..to)) {
                self.write(from, bytes, u64::MAX);
            }
        };
        match torn {
            Torn::Within(from, to) => put(from, to),
            Torn::Around(from, to) => {
                put(offset, from);
                put(to, end);
            }
        }
        if fate == Fate::Each && end > self.length() && dice(2) == 0 {
            self.resize(end);
        }
    }
}

/// Which part of a write is there.
enum Torn {
    /// What lies between.
    Within(u64, u64),
    /// What does not.
    Around(u64, u64),
}

/// What a disk writes whole or not at all.
const SECTOR_BYTES: u64 = 512;

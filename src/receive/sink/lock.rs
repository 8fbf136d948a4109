//! Which part files are kept open, and so locked.
//!
//! All of them are, from the moment they are made until they have their names, as far as descriptors go: who
//! holds the lock is receiving the file, and another receiver of the same name ends before it touches
//! anything. Where there are too few descriptors, groups are committed earlier, and a file whose end is still
//! to come is closed. Nothing keeps others from that one: it is looked at again, down to the time of its last
//! change, before anything more is done with it, since its number alone may be that of another file by then.

use std::sync::Arc;

use crate::disk::{Access, Dir, Fault, File};
use crate::error::{Error, Kind};
use crate::proto::frame::{Failure, Reason};
use crate::proto::path::{Name, RelPath};

use super::commit::GROUP_ITEMS_MAX;
use super::{Refusal, Sink};

/// How many part files are locked, and may be.
#[derive(Debug)]
pub(super) struct Locks {
    each: Arc<()>,
    most: usize,
}

/// One that is locked. It counts until it is dropped.
#[derive(Debug)]
pub(super) struct Locked {
    _counted: Arc<()>,
}

impl Locks {
    /// For a sink that may keep so many files open.
    pub(super) fn new(most: usize) -> Locks {
        Locks { each: Arc::new(()), most: most.min(LOCKS_MAX) }
    }

    /// One more.
    pub(super) fn take(&self) -> Locked {
        Locked { _counted: Arc::clone(&self.each) }
    }

    fn count(&self) -> usize {
        Arc::strong_count(&self.each) - 1
    }

    /// Whether one that is not in use should be closed.
    pub(super) fn are_many(&self) -> bool {
        self.count() > self.most
    }

    /// How many of them files may have that only wait for their commit. The others are for those of which the
    /// end is still to come.
    pub(super) fn of_group(&self) -> usize {
        (self.most / 2).max(GROUP_LEAST)
    }

    /// There are fewer descriptors than was thought.
    pub(super) fn cut(&mut self) {
        self.most = self.most.min(self.count()) / 2;
    }
}

impl<D: Dir + 'static> Sink<D> {
    /// What it means that another file stands under the name of a part file of ours, or none.
    pub(super) fn lost_part(&mut self, path: &RelPath, dir: &RelPath, part: &Name) -> Refusal {
        let is_free = self.open_in(dir, |dir| dir.open_file(part, Access::Read)?.try_lock());
        let done = match is_free {
            Ok(false) => return locked(path),
            Err(error) if error.is_fatal() => return self.refuse(error, path),
            Err(error) if error.fault() == Fault::Missing => {
                // With everything else, maybe.
                if let fatal @ Refusal::Fatal(_) = self.refuse(error, path) {
                    return fatal;
                }
                "its part file was removed by another program"
            }
            Ok(true) | Err(_) => "its part file was replaced by another program",
        };
        Refusal::Entry(Failure::new(Reason::Unwritable, done))
    }
}

/// Two receivers of one file would write into each other's.
pub(super) fn locked(path: &RelPath) -> Refusal {
    Refusal::Fatal(
        Error::new(Kind::Disk, format!("another p2pc is receiving {path:?} here"))
            .hint("Wait until it is done, or choose another directory with --out."),
    )
}

/// Where hardly any descriptor is left, a group is made of so many all the same, and closed when none is.
const GROUP_LEAST: usize = 16;

/// A full group, and as many files again of which all has come but the end.
const LOCKS_MAX: usize = 2 * GROUP_ITEMS_MAX;

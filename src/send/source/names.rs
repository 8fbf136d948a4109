//! The names in a directory, sorted in runs, within a bound on memory.
//!
//! A directory of up to [`RUN_NAMES_MAX`] names is read at once, sorted, and needs no open handle while what
//! is in it is walked. A bigger one comes in several sorted runs and keeps its stream open. However big
//! directories are and however deep they lie within each other, only so many names are held.

use crate::disk::{Dir, Native, Result};

/// What is left of one directory's names.
pub(super) struct Names {
    run: std::vec::IntoIter<Box<[u8]>>,
    stream: Option<<Native as Dir>::Names>,
}

impl Names {
    /// Begins to read a directory. `held` is how many names others hold already.
    pub(super) fn open(dir: &Native, held: usize) -> Result<Names> {
        let mut names = Names { run: Vec::new().into_iter(), stream: Some(dir.names()?) };
        names.refill(held)?;
        Ok(names)
    }

    /// Names that are known, in order.
    pub(super) fn listed(names: Vec<Box<[u8]>>) -> Names {
        Names { run: names.into_iter(), stream: None }
    }

    /// The next name of the run at hand.
    pub(super) fn next(&mut self) -> Option<Box<[u8]>> {
        self.run.next()
    }

    /// How many names are held.
    pub(super) fn held(&self) -> usize {
        self.run.len()
    }

    /// Whether there may be another run.
    pub(super) fn has_more(&self) -> bool {
        self.stream.is_some()
    }

    /// Reads the next run. After an error nothing more comes.
    pub(super) fn refill(&mut self, held: usize) -> Result<()> {
        let Some(mut stream) = self.stream.take() else { return Ok(()) };
        let room = NAMES_HELD_MAX.saturating_sub(held).clamp(RUN_NAMES_MIN, RUN_NAMES_MAX);
        let mut run = Vec::new();
        while run.len() < room {
            match stream.next() {
                Some(name) => run.push(name?),
                None => break,
            }
        }
        if run.len() == room {
            self.stream = Some(stream);
        }
        run.sort_unstable();
        self.run = run.into_iter();
        Ok(())
    }
}

/// Names of one run: more than nearly every directory has, a megabyte at most.
pub(super) const RUN_NAMES_MAX: usize = 4096;

/// A run is never smaller, so that a deep tree of big directories still gets on.
const RUN_NAMES_MIN: usize = 16;

/// Names held in all, as long as runs need not be smaller than the smallest: some megabytes.
const NAMES_HELD_MAX: usize = 64 * 1024;

//! One file that is being received, and what is under way with it.

use crate::disk::{File, Stat};
use crate::proto::chunk::{ChunkSize, Root};
use crate::proto::manifest::Meta;
use crate::proto::path::{Name, RelPath};

use super::compare::Basis;
use super::coverage::Coverage;
use super::early::Early;
use super::part::PartFile;
use super::place::Place;
use super::sum::InOrder;
use super::tree::Parent;

/// A file of which not everything has come.
#[derive(Debug)]
pub(super) struct Incoming<F> {
    /// Where it belongs.
    pub(super) path: RelPath,
    /// The directory it belongs in.
    pub(super) dir: RelPath,
    pub(super) parent: Parent,
    /// What it will be called there: its own name, or that with a number behind it.
    pub(super) name: Name,
    pub(super) size: Option<u64>,
    pub(super) meta: Meta,
    pub(super) phase: Phase,
    /// What stands under its own name.
    pub(super) there: Option<Box<Stat>>,
    /// What it takes the place of, if that is still the same then.
    pub(super) replaces: Option<Box<Stat>>,
    /// A file on the disk that may have something in common with it.
    pub(super) basis: Option<Box<Basis<F>>>,
    /// What came, where that was the whole of a small file in one piece.
    pub(super) whole: Option<Root>,
    /// Made with the first piece: a manifest announces thousands of files ahead, and a hasher takes 2 KiB.
    pub(super) coverage: Option<Box<Coverage>>,
    /// Its checksum so far, where one is wanted that the hash is not.
    pub(super) sum: Option<Box<InOrder>>,
    /// Of a stream: what came too early.
    pub(super) early: Option<Box<Early>>,
    pub(super) part: Option<Box<PartFile<F>>>,
    /// How often something was asked for.
    pub(super) gets: u32,
    /// Bytes of it that are holes.
    pub(super) holes: u64,
    /// Bytes that are still counted as to come.
    pub(super) owed: u64,
}

/// What is under way with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// All of it comes.
    Fresh,
    /// What stands there is compared, and nothing is written.
    Comparing,
    /// What is missing comes; what is the same in the basis is copied.
    Building,
    /// What is missing comes; what the part file holds is compared.
    Resuming,
    /// A person is asked about it.
    Asking,
}

impl<F> Incoming<F> {
    pub(super) fn new(path: RelPath, place: Place, size: Option<u64>, meta: Meta) -> Incoming<F> {
        let Place { parent, dir, name } = place;
        Incoming {
            path,
            dir,
            parent,
            name,
            size,
            meta,
            phase: Phase::Fresh,
            there: None,
            replaces: None,
            basis: None,
            whole: None,
            coverage: None,
            sum: None,
            early: None,
            part: None,
            gets: 0,
            holes: 0,
            owed: 0,
        }
    }

    /// How it is cut; `session` is how the others are.
    pub(super) fn chunk(&self, session: ChunkSize) -> ChunkSize {
        match self.coverage.as_deref() {
            Some(Coverage::Chunks(chunks)) => chunks.chunk(),
            _ => session,
        }
    }

    pub(super) fn coverage(&mut self, session: ChunkSize) -> &mut Coverage {
        let size = self.size;
        self.coverage.get_or_insert_with(|| Box::new(Coverage::new(size, session)))
    }

    /// Whether it holds a descriptor.
    #[cfg(test)]
    pub(super) fn is_open(&self) -> bool {
        self.part.as_ref().is_some_and(|part| part.file.is_some())
    }
}

impl<F: File> Incoming<F> {
    /// Closes a completely received small file whose `FileEnd` is still to come. False if it is incomplete or
    /// cannot be finished; that error comes again in `complete`. Files with a journal stay open: unlocked,
    /// they would look abandoned.
    pub(super) fn seal(&mut self) -> bool {
        let (Phase::Fresh, Some(size), Some(part)) = (self.phase, self.size, &mut self.part) else {
            return false;
        };
        let is_whole = self.whole.is_some()
            || matches!(self.coverage.as_deref(), Some(Coverage::Chunks(chunks)) if chunks.root().is_some());
        is_whole && part.file.is_some() && !part.journal.is_wanted() && part.seal(size, &self.meta)
    }

    /// Closes whatever is open of it.
    pub(super) fn close(&mut self) {
        if let Some(part) = &mut self.part {
            part.close();
        }
        self.close_others();
    }

    /// Closes what is open beside its part file.
    pub(super) fn close_others(&mut self) {
        if let Some(part) = &mut self.part {
            part.journal.close();
        }
        if let Some(basis) = &mut self.basis {
            basis.close();
        }
    }
}

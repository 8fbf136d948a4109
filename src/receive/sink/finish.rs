//! The end of a file: what came is compared with what the sender says it sent. What is whole waits for its
//! group, what differs is asked for again, what will not come is given up.

use crate::defects::{self, Defect};
use crate::disk::{Dir, File};
use crate::error::Result;
use crate::proto::frame::{Failure, FileEnd, Get, Reason};
use crate::proto::limits::{GETS_MAX, LIST_MAX};
use crate::proto::runs::Runs;

use super::commit::Finished;
use super::coverage::Coverage;
use super::incoming::{Incoming, Phase};
use super::{Attempt, Refusal, Sink, SinkEvent, breach, fatal};

impl<D: Dir + 'static> Sink<D> {
    /// Compares what came with what the sender says it sent, and hands the file to the group or asks for what
    /// is missing.
    pub(super) fn finish(&mut self, end: &FileEnd, events: &mut Vec<SinkEvent>) -> Result<()> {
        if !self.files.contains_key(&end.entry) {
            return if end.entry < self.next {
                Ok(())
            } else {
                Err(breach("the end of a file that was not announced"))
            };
        }
        match fatal(self.settle(end))? {
            Ok(then) => {
                events.extend(then);
                Ok(())
            }
            Err(failure) => self.give_up(end.entry, failure, events),
        }
    }

    /// Ends a file that will not be delivered. What came of it is removed, unless the next session may go on
    /// with it.
    pub(super) fn give_up(
        &mut self,
        entry: u64,
        failure: Failure,
        events: &mut Vec<SinkEvent>,
    ) -> Result<()> {
        let Some(mut file) = self.forget(entry) else {
            return if entry < self.next {
                Ok(())
            } else {
                Err(breach("the end of a file that was not announced"))
            };
        };
        if let Some(early) = file.early.take().filter(|early| early.cost() > 0) {
            events.push(SinkEvent::Taken { cost: early.cost() });
        }
        let chunk = file.chunk(self.chunk);
        if let Some(mut part) = file.part.take() {
            // The file is there still, and most of it may be the same next time.
            let may_come_back = matches!(failure.reason, Reason::Changed | Reason::Unreadable);
            if !(may_come_back && self.preserve(&file.path, chunk, &mut part)) {
                self.remove_part(&file.dir, &part);
            }
        }
        self.release(&file.path, &file.dir, &file.name);
        self.tree.done(file.parent, &mut self.group.ready);
        events.push(SinkEvent::Resolved { entry, failure: Some(failure) });
        Ok(())
    }

    /// What follows from the end of what was asked for.
    fn settle(&mut self, end: &FileEnd) -> Attempt<Option<SinkEvent>> {
        let corrupt = |what: &str| Refusal::Entry(Failure::new(Reason::Corrupt, what));
        let Some(file) = self.files.get(&end.entry) else { return Ok(None) };
        let (size, phase) = (file.size, file.phase);
        let has_more = file.early.as_deref().is_some_and(|early| early.len() > 0);
        if let Some(root) = file.whole {
            return match size {
                Some(size) if size != end.size => Err(corrupt("its length differs")),
                _ if root.0 != end.root => Err(corrupt("its hash differs")),
                _ => self.complete(end).map(|()| None),
            };
        }
        // `None`: a stream of another length.
        let root = self.with_coverage(end.entry, |coverage| match coverage {
            Coverage::Stream(hasher) => {
                (hasher.length() == end.size && !has_more).then(|| Some(hasher.root()))
            }
            Coverage::Chunks(chunks) => {
                chunks.forget_open();
                Some(chunks.root())
            }
        });
        let Some(root) = root.flatten().filter(|_| size.is_none_or(|size| size == end.size)) else {
            return Err(corrupt("its length differs"));
        };
        match (root, phase) {
            (Some(root), _) if root.0 != end.root => Err(corrupt("its hash differs")),
            (None, Phase::Resuming) if defects::has(Defect::RenameBeforeVerify) => {
                self.complete(end).map(|()| None)
            }
            (Some(_), Phase::Comparing) => self.keep(end).map(|()| None),
            (Some(_), _) => self.complete(end).map(|()| None),
            (None, Phase::Comparing) => self.differs(end.entry),
            (None, Phase::Building | Phase::Resuming) => {
                let missing = self
                    .with_coverage(end.entry, |coverage| coverage.chunks().map(|chunks| chunks.missing()));
                self.ask(end.entry, missing.flatten().unwrap_or_default(), Runs::new())
                    .map(|get| Some(SinkEvent::Get(get)))
            }
            (None, Phase::Fresh | Phase::Asking) => Err(corrupt("its length differs")),
        }
    }

    /// Puts together what is wanted of a file now.
    pub(super) fn ask(&mut self, entry: u64, send: Runs, compare: Runs) -> Attempt<Get> {
        let session = self.chunk;
        let Some(file) = self.files.get_mut(&entry) else {
            return Err(Refusal::Fatal(breach("a wish for what is not coming")));
        };
        file.gets += 1;
        if file.gets > GETS_MAX || send.len() + compare.len() > LIST_MAX {
            return Err(Refusal::Entry(Failure::new(Reason::Corrupt, "what came was never what was sent")));
        }
        let chunk = file.chunk(session);
        let chunk_bytes = chunk.bytes();
        let missing = file.size.map_or(0, |size| send.bytes(size, chunk));
        // Which chunks the holes are in is not known, and what is written over needs no room again.
        let stored =
            file.part.as_ref().and_then(|part| part.handle().ok()?.stat().ok()?.allocated).unwrap_or(0);
        let whole = file.size.unwrap_or(0).saturating_sub(file.holes);
        self.owe(entry, missing.min(whole.saturating_sub(stored)))?;
        Ok(Get { entry, chunk_bytes, send: send.into_vec(), compare: compare.into_vec() })
    }

    /// Counts so much of a file as to come, beside what is counted already.
    pub(super) fn owe(&mut self, entry: u64, bytes: u64) -> Attempt<()> {
        let Some(file) = self.files.get(&entry) else { return Ok(()) };
        let more = bytes.saturating_sub(file.owed);
        // What it takes the place of makes room for it; not before, but the disk need not hold both for every
        // file.
        let freed = file.replaces.as_ref().and_then(|old| old.allocated).unwrap_or(0);
        let parent = file.parent;
        let counted = self.promise(parent, more.saturating_sub(freed))?;
        if let Some(file) = self.files.get_mut(&entry) {
            file.owed += counted;
        }
        Ok(())
    }

    /// Hands a file that is whole to the group.
    fn complete(&mut self, end: &FileEnd) -> Attempt<()> {
        let sum = self.sum_of(end.entry, end)?;
        let is_sealed = |file: &Incoming<D::File>| file.part.as_ref().is_some_and(|part| part.is_sealed);
        if !self.files.get(&end.entry).is_some_and(is_sealed) {
            // An empty file has had no piece, so its part file is made here.
            self.open_part(end.entry)?;
        }
        let Some(file) = self.files.get_mut(&end.entry) else { return Ok(()) };
        let Some(part) = &mut file.part else { return Ok(()) };
        let finished = if part.is_sealed { Ok(()) } else { part.finish(end.size, &file.meta) };
        let (path, dir, handle) = (file.path.clone(), file.dir.clone(), part.file.clone());
        match finished.and_then(|()| self.is_covered(&dir)) {
            Ok(is_covered) => {
                if let Some(file) = self.forget(end.entry) {
                    self.group.add_file(Finished {
                        entry: end.entry,
                        path: file.path,
                        dir: file.dir,
                        parent: file.parent,
                        name: file.name,
                        part: file.part,
                        replaces: file.replaces,
                        size: end.size,
                        is_covered,
                        file: handle,
                        sum,
                    });
                }
                Ok(())
            }
            Err(error) => Err(self.refuse(error, &path)),
        }
    }
}

//! Counts what is offered, what is done and what failed: the same on both sides, so that both say the same in the end.

use super::{EntryEnd, OFFER_NAMES_MAX, Offer, Progress, REPORT_FAILURES_MAX, Report};
use crate::proto::chunk::ChunkSize;
use crate::proto::frame::{Failure, Get, Reason, Run};
use crate::proto::manifest::{Entry, EntryKind, KindTag};
use crate::proto::path::RelPath;

/// The counts of one transfer. Its size does not depend on how many entries there are.
#[derive(Debug, Default)]
pub struct Tally {
    // Streams, whose size nobody knows before their end.
    open_ended: u64,
    manifest_ended: bool,
    // Bytes the receiver has taken, and those of them that it wants once more. The second may be known before the first.
    taken: u64,
    again: u64,
    offer: Offer,
    progress: Progress,
    report: Report,
    // The reasons that the report has an entry of: each once, of the few there are.
    named: Vec<Reason>,
}

/// What is kept of an entry until its outcome is known.
#[derive(Clone, Debug)]
pub struct Counted {
    /// Where it stands.
    pub path: RelPath,
    /// What it counts as; `None` for the beginning of a directory.
    pub tag: Option<KindTag>,
    /// Its size in bytes, as announced; 0 while only its end will tell.
    pub bytes: u64,
    /// Whether its end has yet to tell the size.
    pub is_open_ended: bool,
    /// How many of its bytes were compared and not sent, so far.
    pub held: u64,
}

impl Tally {
    /// Counts an entry of the manifest.
    pub fn offered(&mut self, entry: &Entry) -> Counted {
        let is_open_ended = matches!(entry.kind, EntryKind::File { size: None, .. });
        let counted = Counted {
            path: entry.path.clone(),
            tag: entry.tag(),
            bytes: entry.bytes(),
            is_open_ended,
            held: 0,
        };
        self.open_ended += u64::from(is_open_ended);
        self.offer.streams += u64::from(is_open_ended);
        match counted.tag {
            Some(KindTag::File | KindTag::Link | KindTag::Other) => self.offer.files += 1,
            Some(KindTag::Directory) => self.offer.directories += 1,
            None => {}
        }
        let is_end = matches!(entry.kind, EntryKind::DirectoryEnd { .. });
        if entry.path.depth() == 1 && !is_end && self.offer.names.len() < OFFER_NAMES_MAX {
            self.offer.names.push(entry.path.clone());
        }
        if counted.tag.is_some() {
            self.progress.entries_total += 1;
        }
        self.offer.bytes = self.offer.bytes.saturating_add(counted.bytes);
        self.progress.bytes_total = self.offer.bytes;
        counted
    }

    /// What is offered is one text.
    pub fn is_text(&mut self) {
        self.offer.text = true;
    }

    /// So many things were not to be offered at all.
    pub fn left_out(&mut self, things: u64) {
        self.report.excluded = things;
    }

    /// The manifest has ended: the totals are exact now, but for streams that go on.
    pub fn manifest_ended(&mut self) {
        self.manifest_ended = true;
        self.settle();
    }

    /// The end of a file has told its size.
    pub fn measured(&mut self, counted: &mut Counted, bytes: u64) {
        if std::mem::take(&mut counted.is_open_ended) {
            counted.bytes = bytes;
            self.offer.bytes = self.offer.bytes.saturating_add(bytes);
            self.progress.bytes_total = self.offer.bytes;
            self.open_ended -= 1;
            self.settle();
        }
    }

    /// Counts bytes of file contents, holes included, that the receiver has taken.
    pub fn taken(&mut self, bytes: u64) {
        self.taken = self.taken.saturating_add(bytes);
        self.progress.bytes_done = self.taken.saturating_sub(self.again);
    }

    /// Counts bytes of a file that are compared instead of sent.
    pub fn compared(&mut self, counted: &mut Counted, bytes: u64) {
        counted.held = counted.held.saturating_add(bytes);
        self.progress.bytes_held = self.progress.bytes_held.saturating_add(bytes);
    }

    /// Counts the contents of a data frame: how long they are in the files, and in the frame.
    pub fn carried(&mut self, content_bytes: usize, payload_bytes: usize) {
        self.report.sent = self.report.sent.saturating_add(content_bytes as u64);
        self.report.carried = self.report.carried.saturating_add(payload_bytes as u64);
    }

    /// The receiver asks for more of a file after its end: what it asks for was taken before, and is now on its way once more.
    pub fn again(&mut self, counted: &mut Counted, get: &Get) {
        let chunk = ChunkSize::new(u64::from(get.chunk_bytes)).unwrap_or_default();
        let bytes = |runs: &[Run]| -> u64 { runs.iter().map(|run| run.bytes(counted.bytes, chunk)).sum() };
        let is_all = get.send.is_empty() && get.compare.is_empty();
        let bytes = if is_all { counted.bytes } else { bytes(&get.send) + bytes(&get.compare) };
        counted.held = counted.held.saturating_sub(bytes);
        self.again = self.again.saturating_add(bytes);
        self.progress.bytes_done = self.taken.saturating_sub(self.again);
    }

    /// Counts the end of an entry. Returns what to tell, unless it is the beginning of a directory, which is told of with its end.
    pub fn resolved(&mut self, counted: Counted, failure: Option<Failure>) -> Option<EntryEnd> {
        self.open_ended -= u64::from(counted.is_open_ended);
        self.settle();
        let kind = counted.tag?;
        let end = EntryEnd { path: counted.path, kind, bytes: counted.bytes, failure };
        self.progress.entries_done += 1;
        if let Some(failure) = &end.failure {
            self.report.failed += 1;
            self.report.unwritten += u64::from(is_of_the_disk(failure.reason));
            self.name(&end, failure.reason);
        } else {
            self.report.delivered += 1;
            self.report.bytes = self.report.bytes.saturating_add(end.bytes);
            self.report.held = self.report.held.saturating_add(counted.held);
        }
        Some(end)
    }

    /// Has the report name an entry, while there is room; and the first of each reason in any case, in the place of one whose reason has another.
    fn name(&mut self, end: &EntryEnd, reason: Reason) {
        let failures = &mut self.report.failures;
        if failures.len() >= REPORT_FAILURES_MAX {
            if self.named.contains(&reason) {
                return;
            }
            let reason_of = |end: &EntryEnd| end.failure.as_ref().map(|failure| failure.reason);
            let is_one_of_many = |end: &EntryEnd| {
                failures.iter().filter(|other| reason_of(other) == reason_of(end)).nth(1).is_some()
            };
            let Some(spare) = failures.iter().rposition(is_one_of_many) else { return };
            failures.remove(spare);
        }
        failures.push(end.clone());
        if !self.named.contains(&reason) {
            self.named.push(reason);
        }
    }

    fn settle(&mut self) {
        let is_exact = self.manifest_ended && self.open_ended == 0;
        (self.offer.complete, self.progress.complete) = (is_exact, is_exact);
    }

    /// What is offered so far.
    #[must_use]
    pub fn offer(&self) -> &Offer {
        &self.offer
    }

    /// How far it is.
    #[must_use]
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// What came of it so far; the time is the driver's to add.
    #[must_use]
    pub fn report(&self) -> &Report {
        &self.report
    }
}

/// Whether an entry failed for what is wrong with the receiver's disk, rather than with the entry.
fn is_of_the_disk(reason: Reason) -> bool {
    matches!(reason, Reason::Unwritable | Reason::DirectoryThere)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;
    use crate::proto::role::Role;

    fn after(reasons: &[Reason]) -> Report {
        let mut tally = Tally::default();
        for reason in reasons {
            let counted = Counted {
                path: RelPath::root(),
                tag: Some(KindTag::File),
                bytes: 1,
                is_open_ended: false,
                held: 0,
            };
            tally.resolved(counted, Some(Failure::new(*reason, "")));
        }
        tally.report().clone()
    }

    #[test]
    fn the_disks_trouble_is_the_receivers() {
        assert_eq!(after(&[]).shortfall(Role::Receive), None);
        // More than a report names: the last one counts too.
        let mut reasons = vec![Reason::Exists; REPORT_FAILURES_MAX];
        assert_eq!(after(&reasons).shortfall(Role::Receive), Some(Kind::Incomplete));
        reasons.push(Reason::DirectoryThere);
        let report = after(&reasons);
        assert_eq!(report.shortfall(Role::Receive), Some(Kind::Disk));
        assert_eq!(report.shortfall(Role::Send), Some(Kind::Incomplete));
        assert_eq!(after(&[Reason::Unwritable]).shortfall(Role::Receive), Some(Kind::Disk));
        assert_eq!(after(&[Reason::Changed]).shortfall(Role::Receive), Some(Kind::Incomplete));
    }

    /// A directory that could not be made comes after everything that was to lie in it, and it alone says why.
    #[test]
    fn of_each_reason_the_first_is_named_whatever_came_before() {
        let mut reasons = vec![Reason::Vanished];
        reasons.resize(3 * REPORT_FAILURES_MAX, Reason::NoDirectory);
        reasons.extend([Reason::Unwritable, Reason::Unwritable, Reason::Special]);
        let report = after(&reasons);
        assert_eq!((report.failed, report.failures.len()), (reasons.len() as u64, REPORT_FAILURES_MAX));
        let named = |reason| {
            report.failures.iter().filter(|end| end.failure.as_ref().unwrap().reason == reason).count()
        };
        for reason in [Reason::Vanished, Reason::Unwritable, Reason::Special] {
            assert_eq!(named(reason), 1, "{reason:?}");
        }
    }
}

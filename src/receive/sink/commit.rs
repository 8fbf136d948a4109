//! Commits in bounded groups: data durable, renamed, directories finished and durable, told. In this order,
//! always.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::Arc;

use crate::defects::{self, Defect};
use crate::disk::{Dir, DiskError, Fault, File, Result as DiskResult, Stat};
use crate::error::Result;
use crate::proto::frame::{Failure, Reason};
use crate::proto::path::{Name, RelPath};

use super::part::PartFile;
use super::tree::{Parent, Ready};
use super::{Attempt, Refusal, Sink, SinkEvent, fatal};

/// What has come completely and is not told yet.
#[derive(Debug)]
pub(super) struct Group<F> {
    /// Files to be renamed.
    pub(super) files: VecDeque<Finished<F>>,
    /// Directories of which everything is done.
    pub(super) ready: Vec<Ready>,
    /// Directories and links that were made.
    made: Vec<Made>,
    bytes: u64,
    kept: usize,
    /// How many of the files are locked part files.
    locked: usize,
    /// How many of the files the system was told to write already.
    begun: usize,
}

/// A file that is whole: a part file to be renamed, or what stood there and is the same.
#[derive(Debug)]
pub(super) struct Finished<F> {
    pub(super) entry: u64,
    pub(super) path: RelPath,
    /// The directory it is in.
    pub(super) dir: RelPath,
    pub(super) parent: Parent,
    /// What it is called in the end.
    pub(super) name: Name,
    /// `None`: it stands there already.
    pub(super) part: Option<Box<PartFile<F>>>,
    /// What it takes the place of.
    pub(super) replaces: Option<Box<Stat>>,
    pub(super) size: u64,
    /// Whether syncing the output directory's file system covers it.
    pub(super) is_covered: bool,
    /// Kept open where it is to be synced for itself.
    pub(super) file: Option<Arc<F>>,
    /// Its checksum, where one is wanted.
    pub(super) sum: Option<[u8; 32]>,
}

impl<F: File> Finished<F> {
    /// Closes it, unless it cannot do without its lock: another receiver would go on with a part file that
    /// has a journal, and so write into what gets its final name meanwhile.
    fn close(&mut self) {
        self.file = None;
        if let Some(part) = self.part.as_mut().filter(|part| !part.journal.is_wanted()) {
            part.close();
        }
    }
}

/// A directory or link that stands, in a directory still to be synced.
#[derive(Debug)]
struct Made {
    entry: u64,
    parent: Parent,
    inside: RelPath,
}

/// What became of an item, and the directory that had to be synced for it.
struct Outcome {
    entry: u64,
    inside: RelPath,
    /// Whether syncing the output directory's file system covers that.
    is_covered: bool,
    failure: Option<Failure>,
    /// Its journal, which is to be removed.
    journal: Option<Name>,
    /// Its final name and its checksum, where one is wanted.
    sum: Option<(Name, [u8; 32])>,
    /// What is told before, where it got another name than its own.
    kept_both: Option<SinkEvent>,
}

impl Outcome {
    /// Of an item that is no file.
    fn new(entry: u64, inside: RelPath, failure: Option<Failure>) -> Outcome {
        Outcome { entry, inside, is_covered: false, failure, journal: None, sum: None, kept_both: None }
    }
}

impl<F> Default for Group<F> {
    fn default() -> Self {
        Group {
            files: VecDeque::new(),
            ready: Vec::new(),
            made: Vec::new(),
            bytes: 0,
            kept: 0,
            locked: 0,
            begun: 0,
        }
    }
}

impl<F: File> Group<F> {
    pub(super) fn is_empty(&self) -> bool {
        self.files.is_empty() && self.ready.is_empty() && self.made.is_empty()
    }

    /// Whether it is to be committed. `locked_max`: how many of the part files may be kept open in it.
    pub(super) fn is_full(&self, locked_max: usize) -> bool {
        self.files.len() + self.ready.len() + self.made.len() >= GROUP_ITEMS_MAX
            || self.bytes >= GROUP_BYTES_MAX
            || self.kept >= KEPT_MAX
            || self.locked >= locked_max
    }

    /// Whether enough has come, since the system was told to write it last, that it should be told again. It
    /// counts as that.
    pub(super) fn is_worth_writing(&mut self) -> bool {
        let is_worth = self.files.len() >= self.begun + AHEAD_ITEMS;
        if is_worth {
            self.begun = self.files.len();
        }
        is_worth
    }

    /// Takes a file out.
    fn take(&mut self, entry: u64) -> Option<Finished<F>> {
        let at = self.files.iter().position(|file| file.entry == entry)?;
        // Or the held file would keep the group full, and every later item would be committed alone.
        self.bytes = 0;
        self.files.remove(at)
    }

    /// Where a file belongs.
    pub(super) fn path_of(&self, entry: u64) -> Option<RelPath> {
        self.files.iter().find(|file| file.entry == entry).map(|file| file.path.clone())
    }

    /// A directory or link was made in the directory `inside`; `parent` waits for it.
    pub(super) fn add_made(&mut self, entry: u64, parent: Parent, inside: RelPath) {
        self.made.push(Made { entry, parent, inside });
    }

    /// Adds a file. Up to [`SYNC_EACH_MAX`] covered files stay open to be synced one by one; beyond that the
    /// file system is synced as a whole.
    pub(super) fn add_file(&mut self, mut finished: Finished<F>) {
        self.bytes = self.bytes.saturating_add(finished.size);
        if let Some(part) = &mut finished.part {
            part.journal.close();
        }
        self.kept += usize::from(!finished.is_covered);
        self.locked += usize::from(finished.part.as_ref().is_some_and(|part| part.file.is_some()));
        if self.files.len() == SYNC_EACH_MAX {
            self.files.iter_mut().filter(|file| file.is_covered).for_each(|file| file.file = None);
        }
        if finished.is_covered && self.files.len() >= SYNC_EACH_MAX {
            finished.file = None;
        }
        self.files.push_back(finished);
    }

    /// Closes those that the sync of the whole covers, for want of descriptors.
    pub(super) fn close(&mut self) {
        self.files.iter_mut().filter(|file| file.is_covered).for_each(Finished::close);
    }
}

impl<D: Dir + 'static> Sink<D> {
    /// Brings the group to its end, less a file of which a checkpoint is under way: what that finds out about
    /// its data has to be known first. If it fails, what was renamed stays, whole, and what was not stays a
    /// part file.
    pub(super) fn commit_group(&mut self, events: &mut Vec<SinkEvent>) -> Result<()> {
        if self.group.is_empty() {
            return Ok(());
        }
        let held = self.checkpointing.and_then(|entry| self.group.take(entry));
        let committed = self.commit_files(events);
        self.group.files.extend(held);
        committed
    }

    fn commit_files(&mut self, events: &mut Vec<SinkEvent>) -> Result<()> {
        if self.group.is_empty() {
            return Ok(());
        }
        if !defects::has(Defect::AckBeforeSync) {
            self.sync_files()?;
        }
        let mut outcomes = Vec::new();
        while let Some(file) = self.group.files.pop_front() {
            let stopped = self.stop.check();
            match stopped.and_then(|()| fatal(self.put_in_place(&file))) {
                Ok(placed) => outcomes.push(self.placed(file, placed.err())),
                Err(error) => {
                    // Back, so that its part file is kept or removed with the others.
                    self.group.files.push_front(file);
                    return Err(error);
                }
            }
        }
        self.remove_journals(&outcomes)?;
        for Made { entry, parent, inside } in std::mem::take(&mut self.group.made) {
            self.tree.done(parent, &mut self.group.ready);
            outcomes.push(Outcome::new(entry, inside, None));
        }
        let ready = std::mem::take(&mut self.group.ready);
        self.finish_directories(ready, &mut outcomes)?;
        self.group = Group::default();
        // Only now it is known of each whether it was delivered: its directory may have been swapped
        // meanwhile.
        for outcome in outcomes.iter_mut().filter(|outcome| outcome.failure.is_none()) {
            if let Some((name, sum)) = outcome.sum.take() {
                self.delivered(&outcome.inside, &name, sum);
            }
            events.extend(outcome.kept_both.take());
        }
        events.extend(
            outcomes.into_iter().map(|Outcome { entry, failure, .. }| SinkEvent::Resolved { entry, failure }),
        );
        Ok(())
    }

    /// A file got its final name, or did not: ends what was kept of it, and removes what is of no more use
    /// beside it.
    fn placed(&mut self, file: Finished<D::File>, failure: Option<Failure>) -> Outcome {
        self.release(&file.path, &file.dir, &file.name);
        self.tree.done(file.parent, &mut self.group.ready);
        let Finished { entry, path, dir, name, part, size, is_covered, sum, .. } = file;
        let is_placed = failure.is_none();
        let mut journal = None;
        match &part {
            Some(part) if !is_placed => self.remove_part(&dir, part),
            Some(part) if part.journal.is_made() => journal = part.journal.name().cloned(),
            Some(_) => {}
            // What an interrupted transfer left of a file that somebody else has put there since.
            None => self.remove_left(&path, &dir, &name, size),
        }
        let sum = sum.filter(|_| is_placed).map(|sum| (name.clone(), sum));
        let mut kept_both = None;
        if is_placed
            && !path.is_called(&name)
            && let Some(own) = path.name()
        {
            // What an interrupted transfer left under the name it would have had.
            self.remove_left(&path, &dir, &own, size);
            kept_both = Some(SinkEvent::KeptBoth { path, name });
        }
        Outcome { is_covered, journal, sum, kept_both, ..Outcome::new(entry, dir, failure) }
    }

    /// Makes the contents of every file in the group durable.
    fn sync_files(&mut self) -> Result<()> {
        // Whatever it was: data that could not be made durable is lost, and which file it hit cannot be told
        // for sure.
        let lost =
            |error: DiskError, path: &RelPath| error.into_error(format!("cannot make {path:?} durable"));
        if self.group.files.iter().any(|file| file.file.is_none()) {
            let root = RelPath::root();
            let synced = self.dirs.get(&root).and_then(Dir::sync_file_system);
            synced.map_err(|error| lost(error, &root))?;
        }
        // The files of other file systems, which the sync of the output directory's does not cover, are all
        // still open.
        for finished in &self.group.files {
            if let Some(file) = &finished.file {
                self.stop.check()?;
                file.sync().map_err(|error| lost(error, &finished.path))?;
            }
        }
        Ok(())
    }

    /// Gives a file its final name, if the part file is still the one that was written, and what it replaces
    /// what was decided about.
    fn put_in_place(&mut self, file: &Finished<D::File>) -> Attempt<()> {
        let Some(part) = &file.part else { return Ok(()) };
        let (parent, name) = (&file.dir, &file.name);
        match self.dirs.get(parent).map(|dir| dir.stat(&part.name)) {
            Ok(Ok(there)) if part.is(&there) && there.size == file.size => {}
            Ok(Err(error)) if error.fault() != Fault::Missing => return Err(self.refuse(error, &file.path)),
            Ok(_) => return Err(self.lost_part(&file.path, parent, &part.name)),
            Err(error) => return Err(self.refuse(error, &file.path)),
        }
        let renamed = self.dirs.get(parent).and_then(|dir| {
            let Some(old) = &file.replaces else { return dir.rename(&part.name, name).map(|()| true) };
            match dir.stat(name) {
                Ok(now) if old.is_unchanged(&now) => dir.replace(&part.name, name).map(|()| true),
                Err(error) if error.fault() == Fault::Missing => dir.rename(&part.name, name).map(|()| true),
                Ok(_) => Ok(false),
                Err(error) => Err(error),
            }
        });
        match renamed {
            Ok(true) => Ok(()),
            Ok(false) => {
                Err(Refusal::Entry(Failure::new(Reason::Exists, "what stands there changed meanwhile")))
            }
            Err(error) if error.fault() == Fault::Exists => {
                Err(Refusal::Entry(self.in_the_way(parent, name)))
            }
            // Removed between the two: its directory is open.
            Err(error) if error.fault() == Fault::Missing => {
                Err(self.lost_part(&file.path, parent, &part.name))
            }
            Err(error) => Err(self.refuse(error, &file.path)),
        }
    }

    /// Whether syncing the output directory's file system covers what is in this directory.
    pub(super) fn is_covered(&mut self, dir: &RelPath) -> DiskResult<bool> {
        let system = self.dirs.get(dir)?.file_system();
        Ok(system.syncs_whole && self.dirs.get(&RelPath::root())?.file_system() == system)
    }

    /// Removes the journals of files that have their names. Those names are made durable first, so that a
    /// crash leaves no part file that nobody knows anything of; and this comes before the directories get
    /// their times and maybe close.
    fn remove_journals(&mut self, outcomes: &[Outcome]) -> Result<()> {
        let mut synced: Option<&RelPath> = None;
        for Outcome { inside, journal, .. } in outcomes {
            let Some(journal) = journal else { continue };
            self.stop.check()?;
            let Ok(dir) = self.dirs.get(inside) else { continue };
            if synced != Some(inside)
                && let Err(error) = dir.sync()
            {
                // The system tells of what it has lost only once.
                if error.is_fatal() {
                    return Err(error.into_error(format!("cannot make {inside:?} durable")));
                }
                // If the directory is gone, its files fail in `finish_directories` below.
                continue;
            }
            if !defects::has(Defect::JournalLeftBehind) {
                let _ = dir.remove_file(journal);
            }
            synced = Some(inside);
        }
        Ok(())
    }

    /// Sets modes and times of the directories that were made and are done, inner ones first, and makes
    /// durable everything that changed: the names in the directories of `outcomes`, and the finished
    /// directories. Few are synced for themselves, many with their file system. Whatever was swapped for
    /// something else since it was opened fails, with what was put into it.
    fn finish_directories(&mut self, ready: Vec<Ready>, outcomes: &mut Vec<Outcome>) -> Result<()> {
        // In order, so that each one is opened from a neighbour and not from the top.
        let mut touched: BTreeMap<RelPath, bool> = BTreeMap::new();
        let mut last: Option<(&RelPath, bool)> = None;
        for Outcome { inside, is_covered, .. } in outcomes.iter().filter(|outcome| outcome.failure.is_none())
        {
            if last != Some((inside, *is_covered)) {
                *touched.entry(inside.clone()).or_insert(true) &= is_covered;
                last = Some((inside, *is_covered));
            }
        }
        let root = self.dirs.get(&RelPath::root()).map(Dir::file_system).ok();
        let is_many = touched.len() + ready.len() > SYNC_EACH_MAX;
        if defects::has(Defect::AckBeforeNames) {
            touched.clear();
        }
        let is_covered =
            |dir: &D| is_many && Some(dir.file_system()) == root && dir.file_system().syncs_whole;
        let mut sync_all = is_many && touched.values().any(|is_covered| *is_covered);
        let mut sync = |dir: &D| {
            if !is_covered(dir) {
                return dir.sync();
            }
            sync_all = true;
            Ok(())
        };
        let mut checked = HashSet::new();
        for (path, was_covered) in touched {
            self.stop.check()?;
            let synced = self.dirs.check(&path, &mut checked).and_then(|()| {
                // What was named through a handle on that file system need not be opened again to be synced
                // with it.
                if is_many && was_covered { Ok(()) } else { self.dirs.get(&path).and_then(&mut sync) }
            });
            let synced = synced.map_err(|error| self.refuse(error, &path));
            // It was moved away or swapped for a link since: what was put into it cannot be vouched for.
            if let Err(failure) = fatal(synced)? {
                let inside = outcomes.iter_mut().filter(|outcome| outcome.inside == path);
                inside.for_each(|outcome| {
                    outcome.failure.get_or_insert_with(|| failure.clone());
                });
            }
        }
        for Ready { entry, path, meta } in ready {
            self.stop.check()?;
            // One that was there keeps its own mode and time. They may be ours, of a session that was killed
            // before they were durable.
            let set = self.dirs.check(&path, &mut checked).and_then(|()| {
                let dir = self.dirs.get(&path)?;
                meta.map_or(Ok(()), |meta| dir.set_meta(&meta))?;
                sync(dir)
            });
            // Its mode may keep even us out from now on, and nobody needs it any more.
            self.dirs.forget(&path);
            let failure = fatal(set.map_err(|error| self.refuse(error, &path)))?.err();
            outcomes.push(Outcome::new(entry, path, failure));
        }
        if sync_all {
            let synced = self.dirs.get(&RelPath::root()).and_then(Dir::sync_file_system);
            synced.map_err(|error| error.into_error("cannot make the directories durable"))?;
        }
        Ok(())
    }
}

/// Items of one commit. A sync costs a few milliseconds on a good disk: shared by a thousand files it
/// vanishes.
pub const GROUP_ITEMS_MAX: usize = 1024;

/// File bytes of one commit: what a slow disk (64 MB/s) writes in a second, so that outcomes keep coming.
pub const GROUP_BYTES_MAX: u64 = 64 << 20;

/// Up to so many files or directories are synced one by one. Syncing a whole file system also writes what
/// other programs have left in memory, which on a busy machine takes longer than a few files.
const SYNC_EACH_MAX: usize = 16;

/// Complete files that are kept open because they must be synced one by one.
const KEPT_MAX: usize = 64;

/// So many files of a group make it worth to begin writing it before it is full: the more often that is done
/// the less is left for the commit to wait for, and the more often the system writes the same blocks of a
/// directory.
const AHEAD_ITEMS: usize = 256;

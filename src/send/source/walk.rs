//! The walk: finds what is in the arguments, depth first, while the transfer already runs.
//!
//! Entries come in the manifest's order, the names in a directory sorted (a directory of more than 4096
//! names: in sorted runs, so that memory does not grow with it). Links are read and never followed, so there
//! are no loops. What cannot be sent is not passed over but comes as an `Unsent` entry: devices, FIFOs and
//! sockets, what may not be read, what vanished since its directory was listed, and names that cannot travel,
//! p2pc's own part files among them. Those names are shown in a form that can. What is to be left out
//! ([`super::Exclude`]) does not come at all. Of a list of paths comes what is in it, and nothing else.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::disk::{Dir, DiskError, Fault, Kind, Stat};
use crate::error::{Error, Result};
use crate::proto::frame::{Failure, Reason};
use crate::proto::limits::{DEPTH_MAX, LINK_BYTES_MAX, PATH_BYTES_MAX};
use crate::proto::manifest::{Entry, Item, Meta, Nesting};
use crate::proto::path::{Name, NameError, RelPath};

use super::base::Base;
use super::exclude::{Above, RULES_BYTES_MAX, Rules};
use super::names::Names;
use super::roots::{Place, Roots};

/// An iterator over everything the arguments hold. Once it has failed it has ended.
pub struct Walk {
    roots: Roots,
    next_root: usize,
    at: PathBuf,
    base: Base,
    nesting: Nesting,
    levels: Vec<Level>,
    held: usize,
    streams: usize,
    /// What the directories above the argument say of what to leave out, and how long the files are that say
    /// it in those being walked.
    above: Above,
    rules_bytes: u64,
    /// The other side shows a text, and is told how long it is.
    is_shown: bool,
    /// What was not to be sent.
    left_out: u64,
}

/// A directory that is being walked.
struct Level {
    // Below the base of the argument, and at the other end.
    path: RelPath,
    sent_path_bytes: usize,
    meta: Meta,
    names: Names,
    rules: Rules,
    /// Of a list: its paths that lie in here.
    listed: Option<Range<usize>>,
}

/// What is seen of one thing without opening it.
struct Seen {
    stat: Stat,
    /// Of a link.
    target: Option<Box<[u8]>>,
}

/// What one thing turned out to be.
enum Found {
    File { size: Option<u64>, meta: Meta, holes: u64 },
    Link { target: Box<[u8]>, meta: Meta },
    Directory(Level),
    Unsent(Failure),
}

/// The next argument itself.
enum Root {
    /// There is none.
    End,
    /// It is not to be sent.
    LeftOut,
    Found(Result<Entry>),
}

impl Walk {
    /// Checks the arguments and prepares to walk them: the short way for tests. What ships checks them before
    /// it pairs.
    ///
    /// # Errors
    /// Kind `Usage`, as [`Roots::new`].
    #[doc(hidden)]
    pub fn new(paths: &[PathBuf]) -> Result<Walk> {
        Ok(Walk::of(Roots::new(paths)?))
    }

    /// Walks arguments that were checked already.
    #[must_use]
    pub fn of(roots: Roots) -> Walk {
        Walk {
            roots,
            next_root: 0,
            at: PathBuf::new(),
            base: Base::default(),
            nesting: Nesting::new(),
            levels: Vec::new(),
            held: 0,
            streams: 0,
            above: Above::default(),
            rules_bytes: 0,
            is_shown: false,
            left_out: 0,
        }
    }

    /// Walks to a text for somebody who will show it.
    #[must_use]
    pub fn showing(self) -> Walk {
        Walk { is_shown: true, ..self }
    }

    /// The arguments, for a reader of their files.
    #[must_use]
    pub fn roots(&self) -> &Roots {
        &self.roots
    }

    /// How much was passed over so far because it was to be left out. A directory counts once.
    #[must_use]
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// The next argument that is to be sent, itself.
    fn root(&mut self) -> Option<Result<Entry>> {
        loop {
            match self.look_at_root() {
                Root::Found(entry) => return Some(entry),
                Root::LeftOut => {}
                Root::End => return None,
            }
        }
    }

    /// Looks at the next argument, whether it is to be sent or not.
    fn look_at_root(&mut self) -> Root {
        let roots = self.roots.clone();
        let Some(root) = roots.get(self.next_root) else { return Root::End };
        self.next_root += 1;
        let length = root.name.as_bytes().len();
        let found = match &root.place {
            Place::Input => Found::File { size: None, meta: now(), holes: 0 },
            // As a file it is a stream: it is held by nobody, and nothing of it is gone on with.
            Place::Text(text) => {
                Found::File { size: self.is_shown.then_some(text.len() as u64), meta: now(), holes: 0 }
            }
            Place::Directory(base) => {
                base.clone_into(&mut self.at);
                self.look_above(base, false)
                    .map_or_else(Found::Unsent, |()| self.directory(RelPath::root(), length, None))
            }
            Place::Inside(base, name) => {
                base.clone_into(&mut self.at);
                match RelPath::root().join(name) {
                    Ok(path) => match self.look(&path, name) {
                        Ok(seen) => self.found(seen, path, length, None),
                        Err(failure) => Found::Unsent(failure),
                    },
                    Err(error) => Found::Unsent(unusable(name.as_bytes(), error)),
                }
            }
            Place::Listed(base) => {
                if self.next_root == 1 {
                    base.as_ref().clone_into(&mut self.at);
                    if let Err(failure) = self.look_above(&Arc::clone(base), true) {
                        self.next_root = usize::MAX;
                        return Root::Found(self.placed(root.name.as_bytes(), Found::Unsent(failure)));
                    }
                }
                let all = roots.list().map(super::list::PathList::all);
                let child = self.child_of(&RelPath::root(), root.name.as_bytes(), length, all);
                return child.map_or(Root::LeftOut, Root::Found);
            }
        };
        Root::Found(self.placed(root.name.as_bytes(), found))
    }

    /// Reads what the directories above an argument say of what to leave out; `with_own`: and that directory
    /// itself.
    fn look_above(&mut self, base: &Path, with_own: bool) -> Result<(), Failure> {
        let obeys = self.roots.exclude().obeys_files();
        self.above = if obeys { Above::of(base, with_own)? } else { Above::default() };
        Ok(())
    }

    /// The next thing in the innermost directory, or its end.
    fn step(&mut self) -> Option<Result<Entry>> {
        loop {
            let level = self.levels.last_mut()?;
            if let Some(name) = level.names.next() {
                self.held -= 1;
                let (path, bytes) = (level.path.clone(), level.sent_path_bytes + 1 + name.len());
                let listed = level.listed.clone();
                match self.child_of(&path, &name, bytes, listed) {
                    None => continue,
                    entry => return entry,
                }
            }
            if !level.names.has_more() {
                let meta = level.meta;
                self.rules_bytes = self.rules_bytes.saturating_sub(level.rules.bytes);
                self.levels.pop();
                return Some(self.nesting.place(&Item::DirectoryEnd { meta }).map_err(internal));
            }
            let refilled = level.names.refill(self.held);
            self.held += level.names.held();
            if !level.names.has_more() {
                self.streams -= 1;
            }
            if let Err(error) = refilled {
                let failure = Failure::new(Reason::Unreadable, format!("the rest of its directory: {error}"));
                return Some(self.placed(b"(more)", Found::Unsent(failure)));
            }
        }
    }

    /// What stands under a name in a directory below the base, `listed` where only those paths are sent;
    /// `None` if it is left out.
    fn child_of(
        &mut self,
        parent: &RelPath,
        bytes: &[u8],
        sent_path_bytes: usize,
        listed: Option<Range<usize>>,
    ) -> Option<Result<Entry>> {
        let place = Name::new(bytes).and_then(|name| {
            let path = parent.join(&name)?;
            if sent_path_bytes > PATH_BYTES_MAX { Err(NameError::TooLong) } else { Ok((path, name)) }
        });
        let (path, name) = match place {
            Ok(place) => place,
            Err(error) => {
                let whole = [parent.as_bytes(), bytes].join(&b'/');
                let whole = whole.strip_prefix(b"/").unwrap_or(&whole);
                return (!self.passes_over(whole, false))
                    .then(|| self.placed(&stand_in(bytes), Found::Unsent(unusable(bytes, error))));
            }
        };
        let seen = match self.look(&path, &name) {
            Ok(seen) => seen,
            Err(_) if listed.is_some() && self.passes_over(path.as_bytes(), false) => return None,
            // What a list names need never have been there.
            Err(Failure { reason: Reason::Vanished, text }) if listed.is_some() => {
                return Some(self.placed(bytes, Found::Unsent(Failure::new(Reason::Missing, text))));
            }
            Err(failure) => return Some(self.placed(bytes, Found::Unsent(failure))),
        };
        let is_directory = seen.stat.kind == Kind::Directory;
        if self.passes_over(path.as_bytes(), is_directory) {
            return None;
        }
        let listed = match (listed, self.roots.list()) {
            (Some(within), Some(list)) => {
                let below = list.below(path.as_bytes(), within);
                if !is_directory && list.goes_into(path.as_bytes(), below.clone()) {
                    let failure =
                        Failure::new(Reason::Missing, "the list goes on below it, and it is no directory");
                    return Some(self.placed(bytes, Found::Unsent(failure)));
                }
                Some(below)
            }
            _ => None,
        };
        let found = self.found(seen, path, sent_path_bytes, listed);
        Some(self.placed(bytes, found))
    }

    /// Whether what stands at this path below the argument is not to be sent; then it is counted.
    fn passes_over(&mut self, path: &[u8], is_directory: bool) -> bool {
        let levels = self.levels.iter().rev().map(|level| (level.path.as_bytes().len(), &level.rules));
        let is_left_out = self.roots.exclude().has(path, is_directory, levels, &self.above);
        self.left_out += u64::from(is_left_out);
        is_left_out
    }

    /// Looks at what stands at `path` below the base, without opening anything.
    fn look(&mut self, path: &RelPath, name: &Name) -> Result<Seen, Failure> {
        let parent = path.split().map(|(parent, _)| parent).unwrap_or_default();
        let looked = self.base.at(&self.at).and_then(|dirs| {
            let dir = dirs.get(&parent)?;
            let stat = dir.stat(name)?;
            let target = if stat.kind == Kind::Link { Some(dir.read_link(name)?) } else { None };
            Ok(Seen { stat, target })
        });
        looked.map_err(|error| unreadable(&error))
    }

    /// What becomes of what was seen. A directory is opened.
    fn found(
        &mut self,
        seen: Seen,
        path: RelPath,
        sent_path_bytes: usize,
        listed: Option<Range<usize>>,
    ) -> Found {
        match seen {
            Seen { stat: Stat { kind: Kind::File, size, meta, allocated, .. }, .. } => {
                let holes = allocated.map_or(0, |allocated| size.saturating_sub(allocated));
                Found::File { size: Some(size), meta, holes }
            }
            Seen { stat: Stat { kind: Kind::Directory, .. }, .. } => {
                self.directory(path, sent_path_bytes, listed)
            }
            Seen { stat: Stat { kind: Kind::Link, meta, .. }, target: Some(target) }
                if (1..=LINK_BYTES_MAX).contains(&target.len()) =>
            {
                Found::Link { target, meta }
            }
            Seen { stat: Stat { kind: Kind::Link, .. }, .. } => {
                Found::Unsent(Failure::new(Reason::Unreadable, "a link with nothing or too much in it"))
            }
            Seen { stat: Stat { kind: Kind::Other, .. }, .. } => {
                Found::Unsent(Failure::new(Reason::Special, ""))
            }
        }
    }

    /// Opens a directory and reads the first of its names.
    fn directory(&mut self, path: RelPath, sent_path_bytes: usize, listed: Option<Range<usize>>) -> Found {
        // Room for at least a stand-in for each name in it, so that everything in it can be reported.
        if sent_path_bytes + 1 + STAND_IN_BYTES_MAX > PATH_BYTES_MAX || self.levels.len() >= DEPTH_MAX {
            return Found::Unsent(Failure::new(Reason::NameUnusable, "its path is too long"));
        }
        let (held, room) = (self.held, RULES_BYTES_MAX.saturating_sub(self.rules_bytes));
        let obeys_files = self.roots.exclude().obeys_files();
        let known = self.roots.list().zip(listed.clone());
        let known = known.map(|(list, range)| list.names(range, path.as_bytes().len()));
        let opened = self.base.at(&self.at).and_then(|dirs| {
            let dir = dirs.get(&path)?;
            let names = match known {
                Some(names) => Names::listed(names),
                None => Names::open(dir, held)?,
            };
            let rules = if obeys_files { Rules::of(dir, room) } else { Ok(Rules::default()) };
            Ok((dir.stat_self()?.meta, names, rules))
        });
        match opened {
            Ok((_, names, _)) if names.has_more() && self.streams >= STREAMS_MAX => {
                Found::Unsent(Failure::new(Reason::Unreadable, "too many huge directories within each other"))
            }
            Ok((_, _, Err(failure))) => Found::Unsent(failure),
            Ok((meta, names, Ok(rules))) => {
                Found::Directory(Level { path, sent_path_bytes, meta, names, rules, listed })
            }
            Err(error) => Found::Unsent(unreadable(&error)),
        }
    }

    /// Makes an entry of what was found.
    fn placed(&mut self, name: &[u8], found: Found) -> Result<Entry> {
        let item = match &found {
            Found::File { size, meta, holes } => Item::File { name, size: *size, meta: *meta, holes: *holes },
            Found::Link { target, meta } => Item::Link { name, target, meta: *meta },
            Found::Directory(_) => Item::Directory { name },
            Found::Unsent(failure) => Item::Unsent { name, failure: failure.as_wire() },
        };
        let entry = self.nesting.place(&item).map_err(internal)?;
        if let Found::Directory(level) = found {
            self.held += level.names.held();
            self.streams += usize::from(level.names.has_more());
            self.rules_bytes = self.rules_bytes.saturating_add(level.rules.bytes);
            self.levels.push(level);
        }
        Ok(entry)
    }
}

impl Iterator for Walk {
    type Item = Result<Entry>;

    fn next(&mut self) -> Option<Result<Entry>> {
        let next = if self.levels.is_empty() { self.root() } else { self.step() };
        if let Some(Err(_)) = next {
            self.levels.clear();
            self.next_root = usize::MAX;
        }
        next
    }
}

impl std::fmt::Debug for Walk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Walk")
            .field("at", &self.at)
            .field("depth", &self.levels.len())
            .finish_non_exhaustive()
    }
}

/// Why something cannot be looked at or opened, for the one who gets the report.
pub(super) fn unreadable(error: &DiskError) -> Failure {
    let reason = if error.fault() == Fault::Missing { Reason::Vanished } else { Reason::Unreadable };
    let text = if reason == Reason::Vanished { String::new() } else { error.to_string() };
    Failure::new(reason, text)
}

fn unusable(name: &[u8], error: NameError) -> Failure {
    Failure::new(Reason::NameUnusable, format!("{:?} is {error}", String::from_utf8_lossy(name)))
}

/// A name to report something under whose own cannot travel: a mark and the beginning of it.
fn stand_in(bytes: &[u8]) -> Vec<u8> {
    let text: String = String::from_utf8_lossy(bytes).chars().filter(|c| !matches!(c, '/' | '\0')).collect();
    let cut = text.floor_char_boundary(STAND_IN_BYTES_MAX - 1);
    format!("~{}", &text[..cut]).into_bytes()
}

/// Standard input has no time and no mode of its own.
fn now() -> Meta {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Meta {
        mode: None,
        mtime_s: i64::try_from(since.as_secs()).unwrap_or_default(),
        mtime_ns: since.subsec_nanos(),
    }
}

fn internal(what: impl std::fmt::Display) -> Error {
    Error::new(crate::error::Kind::Internal, format!("the walk went wrong: {what}"))
}

/// Bytes of a name that stands for another one.
const STAND_IN_BYTES_MAX: usize = 48;

/// Directories of more than 4096 names that are read at once, because each lies in the one before. They keep
/// a descriptor each.
const STREAMS_MAX: usize = 64;

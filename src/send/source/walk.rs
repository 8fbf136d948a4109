//! The walk: finds what is in the arguments, depth first, while the transfer already runs.
//!
//! Entries come in the manifest's order, the names in a directory sorted (a directory of more than 4096 names: in sorted
//! runs, so that memory does not grow with it). Links are read and never followed, so there are no loops. What cannot be sent is not passed
//! over but comes as an `Unsent` entry: devices, FIFOs and sockets, what may not be read, what vanished since its directory was
//! listed, and names that cannot travel, p2pc's own part files among them. Those names are shown in a form that can.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::disk::{Dir, DiskError, Fault, Kind, Stat};
use crate::error::{Error, Result};
use crate::proto::frame::{Failure, Reason};
use crate::proto::limits::{DEPTH_MAX, LINK_BYTES_MAX, PATH_BYTES_MAX};
use crate::proto::manifest::{Entry, Item, Meta, Nesting};
use crate::proto::path::{Name, NameError, RelPath};

use super::base::Base;
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
}

/// A directory that is being walked.
struct Level {
    // Below the base of the argument, and at the other end.
    path: RelPath,
    sent_path_bytes: usize,
    meta: Meta,
    names: Names,
}

/// What one thing turned out to be.
enum Found {
    File { size: Option<u64>, meta: Meta, holes: u64 },
    Link { target: Box<[u8]>, meta: Meta },
    Directory(Level),
    Unsent(Failure),
}

impl Walk {
    /// Checks the arguments and prepares to walk them.
    ///
    /// # Errors
    /// Kind `Usage`, as [`Roots::new`].
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
        }
    }

    /// The arguments, for a reader of their files.
    #[must_use]
    pub fn roots(&self) -> &Roots {
        &self.roots
    }

    /// The next argument itself.
    fn root(&mut self) -> Option<Result<Entry>> {
        let roots = self.roots.clone();
        let root = roots.get(self.next_root)?;
        self.next_root += 1;
        let found = match &root.place {
            Place::Input => Found::File { size: None, meta: now(), holes: 0 },
            Place::Directory(base) => {
                base.clone_into(&mut self.at);
                self.directory(RelPath::root(), root.name.as_bytes().len())
            }
            Place::Inside(base, name) => {
                base.clone_into(&mut self.at);
                match RelPath::root().join(name) {
                    Ok(path) => self.look(&path, name, root.name.as_bytes().len()),
                    Err(error) => Found::Unsent(unusable(name.as_bytes(), error)),
                }
            }
        };
        Some(self.placed(root.name.as_bytes(), found))
    }

    /// The next thing in the innermost directory, or its end.
    fn step(&mut self) -> Option<Result<Entry>> {
        let level = self.levels.last_mut()?;
        if let Some(name) = level.names.next() {
            self.held -= 1;
            return Some(self.child(&name));
        }
        if level.names.has_more() {
            let refilled = level.names.refill(self.held);
            self.held += level.names.held();
            if !level.names.has_more() {
                self.streams -= 1;
            }
            if let Err(error) = refilled {
                let failure = Failure::new(Reason::Unreadable, format!("the rest of its directory: {error}"));
                return Some(self.placed(b"(more)", Found::Unsent(failure)));
            }
            return self.step();
        }
        let meta = level.meta;
        self.levels.pop();
        Some(self.nesting.place(&Item::DirectoryEnd { meta }).map_err(internal))
    }

    fn child(&mut self, bytes: &[u8]) -> Result<Entry> {
        let Some(level) = self.levels.last() else {
            return Err(internal("an entry outside of any directory"));
        };
        let sent_path_bytes = level.sent_path_bytes + 1 + bytes.len();
        let place = Name::new(bytes).and_then(|name| {
            let path = level.path.join(&name)?;
            if sent_path_bytes > PATH_BYTES_MAX { Err(NameError::TooLong) } else { Ok((path, name)) }
        });
        match place {
            Ok((path, name)) => {
                let found = self.look(&path, &name, sent_path_bytes);
                self.placed(bytes, found)
            }
            Err(error) => self.placed(&stand_in(bytes), Found::Unsent(unusable(bytes, error))),
        }
    }

    /// Looks at what stands at `path` below the base, without opening anything but a directory.
    fn look(&mut self, path: &RelPath, name: &Name, sent_path_bytes: usize) -> Found {
        let parent = path.split().map(|(parent, _)| parent).unwrap_or_default();
        let looked = self.base.at(&self.at).and_then(|dirs| {
            let dir = dirs.get(&parent)?;
            let there = dir.stat(name)?;
            let target = if there.kind == Kind::Link { Some(dir.read_link(name)?) } else { None };
            Ok((there, target))
        });
        match looked {
            Ok((Stat { kind: Kind::File, size, meta, allocated, .. }, _)) => {
                let holes = allocated.map_or(0, |allocated| size.saturating_sub(allocated));
                Found::File { size: Some(size), meta, holes }
            }
            Ok((Stat { kind: Kind::Directory, .. }, _)) => self.directory(path.clone(), sent_path_bytes),
            Ok((Stat { kind: Kind::Link, meta, .. }, Some(target)))
                if (1..=LINK_BYTES_MAX).contains(&target.len()) =>
            {
                Found::Link { target, meta }
            }
            Ok((Stat { kind: Kind::Link, .. }, _)) => {
                Found::Unsent(Failure::new(Reason::Unreadable, "a link with nothing or too much in it"))
            }
            Ok((Stat { kind: Kind::Other, .. }, _)) => Found::Unsent(Failure::new(Reason::Special, "")),
            Err(error) => Found::Unsent(unreadable(&error)),
        }
    }

    /// Opens a directory and reads the first of its names.
    fn directory(&mut self, path: RelPath, sent_path_bytes: usize) -> Found {
        // Room for at least a stand-in for each name in it, so that everything in it can be reported.
        if sent_path_bytes + 1 + STAND_IN_BYTES_MAX > PATH_BYTES_MAX || self.levels.len() >= DEPTH_MAX {
            return Found::Unsent(Failure::new(Reason::NameUnusable, "its path is too long"));
        }
        let held = self.held;
        let opened = self.base.at(&self.at).and_then(|dirs| {
            let dir = dirs.get(&path)?;
            Ok((dir.stat_self()?.meta, Names::open(dir, held)?))
        });
        match opened {
            Ok((_, names)) if names.has_more() && self.streams >= STREAMS_MAX => {
                Found::Unsent(Failure::new(Reason::Unreadable, "too many huge directories within each other"))
            }
            Ok((meta, names)) => Found::Directory(Level { path, sent_path_bytes, meta, names }),
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

/// Directories of more than 4096 names that are read at once, because each lies in the one before. They keep a descriptor each.
const STREAMS_MAX: usize = 64;

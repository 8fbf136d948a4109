//! The manifest: what is offered, streamed while the sender walks its directories.
//!
//! It is a sequence of items, numbered from 0 as they come. Directories nest: a `Directory` begins one,
//! `DirectoryEnd` ends the one begun last and carries its mode and times, which are set after everything in
//! it. An item names one component only; where it lies follows from the directories that are open. So there
//! is no path on the wire that could climb out.
//!
//! ```text
//! Directory "project"                 item 0
//!   File "a.txt" 5 bytes 0644         item 1   project/a.txt
//!   Directory "sub"                   item 2
//!     Link "l" -> "../a.txt"          item 3   project/sub/l
//!   DirectoryEnd 0755                 item 4   project/sub
//! DirectoryEnd 0755                   item 5   project
//! ```
//!
//! [`Item`] is the form on the wire, [`Entry`] the checked one, and [`Nesting`] the only way from one to the
//! other; both sides use it.

use serde::{Deserialize, Serialize};

use super::frame::Failure;
use super::limits::{DEPTH_MAX, ITEM_BYTES_OVERHEAD, LINK_BYTES_MAX};
use super::path::{Name, NameError, RelPath};

/// Permission bits and modification time of a file, directory or link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// The nine permission bits; higher bits are dropped by [`Meta::permissions`]. `None` from a system
    /// without them.
    pub mode: Option<u16>,
    /// Whole seconds since 1970, possibly negative.
    pub mtime_s: i64,
    /// Nanoseconds of the second, below 1,000,000,000.
    pub mtime_ns: u32,
}

impl Meta {
    /// The nine permission bits: set-id and sticky bits never travel.
    #[must_use]
    pub fn permissions(&self) -> Option<u16> {
        self.mode.map(|mode| mode & 0o777)
    }
}

/// One item as it stands on the wire. Only ever grows at its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Item<'a> {
    /// A regular file in the innermost open directory.
    File {
        /// Its name.
        #[serde(borrow)]
        name: &'a [u8],
        /// Its size in bytes when it was walked; `None` where only its end tells (standard input).
        size: Option<u64>,
        /// Mode and time.
        meta: Meta,
        /// Bytes of it that take no room on the sender's disk.
        holes: u64,
    },
    /// Begins a directory in the innermost open one.
    Directory {
        /// Its name.
        #[serde(borrow)]
        name: &'a [u8],
    },
    /// Ends the innermost open directory.
    DirectoryEnd {
        /// Mode and time, to be set now.
        meta: Meta,
    },
    /// A symbolic link.
    Link {
        /// Its name.
        #[serde(borrow)]
        name: &'a [u8],
        /// What it points to, as it stands in the link.
        #[serde(borrow)]
        target: &'a [u8],
        /// Time (the mode of a link means nothing).
        meta: Meta,
    },
    /// Something that stands there and is not sent: a device, a file that cannot be read.
    Unsent {
        /// Its name.
        #[serde(borrow)]
        name: &'a [u8],
        /// Why not.
        #[serde(borrow)]
        failure: super::frame::WireFailure<'a>,
    },
}

/// A checked item with its place in the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its number in the manifest.
    pub id: u64,
    /// Where it stands below the output directory. Of a `DirectoryEnd`: the directory.
    pub path: RelPath,
    /// What it is.
    pub kind: EntryKind,
}

/// What an [`Entry`] is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File {
        /// Size in bytes, where it is known before the end.
        size: Option<u64>,
        /// Mode and time.
        meta: Meta,
        /// Bytes of it that take no room on the sender's disk, so that they need not on the receiver's.
        holes: u64,
    },
    /// The beginning of a directory.
    Directory,
    /// The end of a directory.
    DirectoryEnd {
        /// Mode and time.
        meta: Meta,
    },
    /// A symbolic link.
    Link {
        /// What it points to, 1 to 4095 bytes without NUL.
        target: Box<[u8]>,
        /// Time.
        meta: Meta,
    },
    /// Not sent.
    Unsent {
        /// Why not.
        failure: Failure,
    },
}

/// What kind of thing an entry is, to show and to count. A directory counts once, with its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KindTag {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Link,
    /// Something that is never sent: a device, a socket, or what could not be looked at.
    Other,
}

/// Why an item does not fit where it stands. Always the sender's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ManifestError {
    /// The name is none.
    Name(NameError),
    /// A directory ends that was never begun.
    NothingOpen,
    /// Deeper than any path can be.
    TooDeep,
    /// A link to nothing, with a NUL, or too long.
    LinkTarget,
    /// A time that is none.
    Time,
}

/// Where in the tree the manifest stands: the open directories. Turns names into paths, on both sides alike.
#[derive(Debug, Default)]
pub struct Nesting {
    open: Vec<RelPath>,
    next: u64,
}

impl Nesting {
    /// At the beginning, in the output directory.
    #[must_use]
    pub fn new() -> Nesting {
        Nesting::default()
    }

    /// The number the next item will have.
    #[must_use]
    pub fn next_id(&self) -> u64 {
        self.next
    }

    /// Whether every directory that was begun has ended.
    #[must_use]
    pub fn is_balanced(&self) -> bool {
        self.open.is_empty()
    }

    /// Checks the next item and finds its place.
    ///
    /// # Errors
    /// [`ManifestError`], when no honest sender would have sent it here.
    pub fn place(&mut self, item: &Item<'_>) -> Result<Entry, ManifestError> {
        let (path, kind) = match *item {
            Item::File { name, size, meta, holes } => {
                (self.path_of(name)?, EntryKind::File { size, meta: checked(meta)?, holes })
            }
            Item::Directory { name } => {
                let path = self.path_of(name)?;
                if self.open.len() >= DEPTH_MAX {
                    return Err(ManifestError::TooDeep);
                }
                self.open.push(path.clone());
                (path, EntryKind::Directory)
            }
            Item::DirectoryEnd { meta } => {
                let meta = checked(meta)?;
                (self.open.pop().ok_or(ManifestError::NothingOpen)?, EntryKind::DirectoryEnd { meta })
            }
            Item::Link { name, target, meta } => {
                if target.is_empty() || target.len() > LINK_BYTES_MAX || target.contains(&0) {
                    return Err(ManifestError::LinkTarget);
                }
                (self.path_of(name)?, EntryKind::Link { target: target.into(), meta: checked(meta)? })
            }
            Item::Unsent { name, ref failure } => {
                (self.path_of(name)?, EntryKind::Unsent { failure: Failure::from(failure) })
            }
        };
        let id = self.next;
        self.next += 1;
        Ok(Entry { id, path, kind })
    }

    fn path_of(&self, name: &[u8]) -> Result<RelPath, ManifestError> {
        let name = Name::new(name).map_err(ManifestError::Name)?;
        match self.open.last() {
            Some(directory) => directory.join(&name),
            None => RelPath::root().join(&name),
        }
        .map_err(ManifestError::Name)
    }
}

impl Entry {
    /// What it counts for in the window of open items, in bytes.
    #[must_use]
    pub fn cost(&self) -> usize {
        let names = match &self.kind {
            EntryKind::Link { target, .. } => target.len(),
            EntryKind::Unsent { failure } => failure.text.len(),
            _ => 0,
        };
        ITEM_BYTES_OVERHEAD + self.path.as_bytes().len() + names
    }

    /// What to count it as; `None` for the beginning of a directory, which is counted with its end.
    #[must_use]
    pub fn tag(&self) -> Option<KindTag> {
        match self.kind {
            EntryKind::File { .. } => Some(KindTag::File),
            EntryKind::Directory => None,
            EntryKind::DirectoryEnd { .. } => Some(KindTag::Directory),
            EntryKind::Link { .. } => Some(KindTag::Link),
            EntryKind::Unsent { .. } => Some(KindTag::Other),
        }
    }

    /// The size in bytes of a file, as far as it is known; 0 otherwise.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        match self.kind {
            EntryKind::File { size, .. } => size.unwrap_or(0),
            _ => 0,
        }
    }

    /// The entry as it stands on the wire.
    #[must_use]
    pub fn item(&self) -> Item<'_> {
        let path = self.path.as_bytes();
        let name = path.rsplit(|&b| b == b'/').next().unwrap_or(path);
        match &self.kind {
            EntryKind::File { size, meta, holes } => {
                Item::File { name, size: *size, meta: *meta, holes: *holes }
            }
            EntryKind::Directory => Item::Directory { name },
            EntryKind::DirectoryEnd { meta } => Item::DirectoryEnd { meta: *meta },
            EntryKind::Link { target, meta } => Item::Link { name, target, meta: *meta },
            EntryKind::Unsent { failure } => Item::Unsent { name, failure: failure.as_wire() },
        }
    }
}

fn checked(meta: Meta) -> Result<Meta, ManifestError> {
    if meta.mtime_ns < 1_000_000_000 { Ok(meta) } else { Err(ManifestError::Time) }
}

impl std::fmt::Display for ManifestError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ManifestError::Name(name) => write!(f, "{name}"),
            ManifestError::NothingOpen => f.write_str("the end of a directory that was never begun"),
            ManifestError::TooDeep => f.write_str("directories nested deeper than any path"),
            ManifestError::LinkTarget => f.write_str("a link without a usable target"),
            ManifestError::Time => f.write_str("a time that is none"),
        }
    }
}

impl std::error::Error for ManifestError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::frame::Reason;

    const META: Meta = Meta { mode: Some(0o755), mtime_s: 1, mtime_ns: 2 };

    #[test]
    fn names_nest_into_paths_and_back() {
        let items = [
            Item::Directory { name: b"project" },
            Item::File { name: b"a.txt", size: Some(5), meta: META, holes: 0 },
            Item::Directory { name: b"sub" },
            Item::Link { name: b"l", target: b"../a.txt", meta: META },
            Item::DirectoryEnd { meta: META },
            Item::DirectoryEnd { meta: META },
        ];
        let mut nesting = Nesting::new();
        let entries: Vec<Entry> = items.iter().map(|item| nesting.place(item).unwrap()).collect();
        let paths: Vec<&[u8]> = entries.iter().map(|entry| entry.path.as_bytes()).collect();
        let expected =
            [&b"project"[..], b"project/a.txt", b"project/sub", b"project/sub/l", b"project/sub", b"project"];
        assert_eq!(paths, expected);
        assert!(entries.iter().enumerate().all(|(at, entry)| entry.id == at as u64));
        assert!(entries.iter().zip(&items).all(|(entry, item)| entry.item() == *item));
        assert!(nesting.is_balanced());
    }

    #[test]
    fn what_no_honest_sender_says_is_refused() {
        let place = |items: &[Item<'_>]| {
            let mut nesting = Nesting::new();
            items.iter().try_for_each(|item| nesting.place(item).map(drop))
        };
        let file = |name| Item::File { name, size: None, meta: META, holes: 0 };
        assert_eq!(place(&[file(b"..")]), Err(ManifestError::Name(NameError::Dots)));
        assert_eq!(place(&[file(b"/etc/passwd")]), Err(ManifestError::Name(NameError::Separator)));
        assert_eq!(place(&[file(b"a\0")]), Err(ManifestError::Name(NameError::Nul)));
        assert_eq!(place(&[Item::Directory { name: b"." }]), Err(ManifestError::Name(NameError::Dots)));
        assert_eq!(place(&[Item::DirectoryEnd { meta: META }]), Err(ManifestError::NothingOpen));
        let link = |target| Item::Link { name: b"l", target, meta: META };
        assert_eq!(place(&[link(b"")]), Err(ManifestError::LinkTarget));
        assert_eq!(place(&[link(b"a\0b")]), Err(ManifestError::LinkTarget));
        assert_eq!(place(&[link(&[b'a'; LINK_BYTES_MAX + 1])]), Err(ManifestError::LinkTarget));
        let late = Meta { mtime_ns: 1_000_000_000, ..META };
        assert_eq!(
            place(&[Item::File { name: b"f", size: None, meta: late, holes: 0 }]),
            Err(ManifestError::Time)
        );
        let deep: Vec<_> = std::iter::repeat_n(Item::Directory { name: b"d" }, DEPTH_MAX + 1).collect();
        assert_eq!(place(&deep), Err(ManifestError::Name(NameError::TooLong)));
        let failure = Failure::new(Reason::Special, "");
        let unsent = Item::Unsent { name: b"../pipe", failure: failure.as_wire() };
        assert!(place(&[unsent]).is_err());
    }

    #[test]
    fn set_id_and_sticky_bits_are_dropped() {
        assert_eq!(Meta { mode: Some(0o7755), ..META }.permissions(), Some(0o755));
        assert_eq!(Meta { mode: None, ..META }.permissions(), None);
    }
}

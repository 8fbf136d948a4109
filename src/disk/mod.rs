//! The file system behind a trait.
//!
//! A [`Dir`] is a handle to one directory, and the only way to reach anything: every operation takes exactly
//! one [`Name`], never a path, and follows no link. So whoever holds a handle to the output directory can
//! touch what lies below it and nothing else, also while somebody swaps directories for links. Nothing here
//! ever replaces a thing it did not make unless that is what was asked for ([`Dir::replace`]): creating is
//! exclusive, and so is renaming.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`unix`] | Linux, Apple, the BSDs: system calls relative to directory descriptors |
//! | `windows` | Windows, on cap-std; it has been compiled, and not yet run by us |
//! | `memory` | a disk in memory that fails on request and loses what was not synced, for tests and the simulator |
//! | [`descriptors`] | how many things may be open at once |
//! | [`dirs`] | a bounded cache of handles, so that a path costs no walk from the top and a deep tree no thousand descriptors |
//!
//! Permission bits are set as the sender's are (`cp -p`): the umask does not apply to them. Where the sender
//! has none (Windows), new files and directories get what the umask leaves of 0666 and 0777. Until a thing is
//! complete it is 0600 or
//! 01700. Everything belongs to whoever runs the receiver; owners, extended attributes and access lists do
//!        not travel.

mod claim;
pub mod descriptors;
pub mod dirs;
mod fault;
#[cfg(any(test, feature = "sim"))]
pub mod memory;
#[cfg(unix)]
pub mod unix;
#[cfg(windows)]
pub mod windows;

use std::path::Path;

pub(crate) use claim::Claim;
pub use fault::{DiskError, Fault};

use crate::proto::manifest::Meta;
use crate::proto::path::Name;

/// The file system of the machine this was built for.
#[cfg(unix)]
pub type Native = unix::UnixDir;
/// The file system of the machine this was built for.
#[cfg(windows)]
pub type Native = windows::WindowsDir;

/// The result of every operation here.
pub type Result<T, E = DiskError> = std::result::Result<T, E>;

/// A handle to one directory. Names are looked up in it and nowhere else, and links are never followed.
#[allow(clippy::missing_errors_doc, reason = "every one fails with a DiskError of whatever the system says")]
pub trait Dir: Sized + Send {
    /// Files of this disk.
    type File: File;
    /// What stands in a directory, one name at a time.
    type Names: Iterator<Item = Result<Box<[u8]>>> + Send;

    /// Opens a directory in this one. [`Fault::NotDirectory`] if it is a link or anything else.
    fn open_dir(&self, name: &Name) -> Result<Self>;

    /// Makes a directory that is not finished yet: for our eyes only, and marked as ours
    /// ([`Stat::is_unfinished`]) until its mode is set. [`Fault::Exists`] if anything stands there.
    fn create_dir(&self, name: &Name) -> Result<()>;

    /// Makes a file for writing and reading, for our eyes only (0600). [`Fault::Exists`] if anything stands
    /// there.
    fn create_file(&self, name: &Name) -> Result<Self::File>;

    /// Opens a regular file. Never waits for the other end of a FIFO; what was opened is to be checked with
    /// [`File::stat`], since the name may have come to mean something else since it was last looked at.
    fn open_file(&self, name: &Name, access: Access) -> Result<Self::File>;

    /// What stands under a name; of a link, the link itself.
    fn stat(&self, name: &Name) -> Result<Stat>;

    /// This directory itself.
    fn stat_self(&self) -> Result<Stat>;

    /// Which one this directory is, where the system tells.
    fn id(&self) -> Option<FileId> {
        self.stat_self().ok().and_then(|stat| stat.id)
    }

    /// What a link points to, as it stands there.
    fn read_link(&self, name: &Name) -> Result<Box<[u8]>>;

    /// Renames within this directory. [`Fault::Exists`] if anything stands under the new name: it never
    /// replaces.
    fn rename(&self, from: &Name, to: &Name) -> Result<()>;

    /// Renames within this directory, and what stands under the new name is gone: a file or a link, in one
    /// step, so that the name means the one or the other at every moment. A directory is never replaced, and
    /// never replaces: [`Fault::NotFile`].
    fn replace(&self, from: &Name, to: &Name) -> Result<()>;

    /// Makes a symbolic link and sets its time. The target is not looked at.
    fn symlink(&self, name: &Name, target: &[u8], meta: &Meta) -> Result<()>;

    /// Removes a file or a link, never a directory.
    fn remove_file(&self, name: &Name) -> Result<()>;

    /// Sets the mode and time of this directory itself.
    fn set_meta(&self, meta: &Meta) -> Result<()>;

    /// The names in this directory, in no order, without `.` and `..`. They are bytes, because not every name
    /// on a disk is one that may travel.
    fn names(&self) -> Result<Self::Names>;

    /// Makes durable which names stand in this directory, and its mode and time.
    fn sync(&self) -> Result<()>;

    /// The file system this directory is on.
    fn file_system(&self) -> FileSystem;

    /// Bytes that whoever runs this program may still use on the file system of this directory, where the
    /// system tells and a byte of a file takes a byte there. A quota may leave less.
    fn available(&self) -> Result<Option<u64>>;

    /// Makes durable everything on this directory's file system at once. To be called only where
    /// [`FileSystem::syncs_whole`] says that this reports errors.
    fn sync_file_system(&self) -> Result<()>;

    /// How many files may be kept open here beside those that are in use.
    fn files_max(&self) -> usize {
        descriptors::for_files()
    }

    /// What makes the file system begin to write what it keeps in memory, on another thread and while this
    /// one goes on; `None` where there is nothing to gain. Only a hint: nothing is durable by it, and an
    /// error it meets is reported by [`Dir::sync_file_system`] all the same.
    fn write_ahead(&self) -> Option<WriteAhead> {
        None
    }
}

/// See [`Dir::write_ahead`]. It waits for the disk.
pub type WriteAhead = Box<dyn FnOnce() + Send>;

/// An open file. Threads may share one: every operation says where in the file it works.
#[allow(clippy::missing_errors_doc, reason = "every one fails with a DiskError of whatever the system says")]
pub trait File: Send + Sync {
    /// What it is now.
    fn stat(&self) -> Result<Stat>;

    /// Reads at an offset into all of `buffer`, less only where the file ends. Returns the bytes read.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize>;

    /// Whether the bytes from `offset` on are data or a hole, and how far that goes, at most to `size`.
    fn stretch(&self, offset: u64, size: u64) -> Result<Stretch>;

    /// Says that the file will be read from one end to the other. Only a hint.
    fn will_read_all(&self);

    /// Writes all bytes at an offset. What lies between the end and the offset becomes a hole.
    fn write_at(&self, bytes: &[u8], offset: u64) -> Result<()>;

    /// Cuts it, or lengthens it by a hole.
    fn set_len(&self, length: u64) -> Result<()>;

    /// Sets its mode and time.
    fn set_meta(&self, meta: &Meta) -> Result<()>;

    /// Makes its contents, size, mode and time durable.
    fn sync(&self) -> Result<()>;

    /// Makes its contents and size durable. Mode and time may come later.
    fn sync_data(&self) -> Result<()>;

    /// Locks the whole file for this handle, without waiting; closing the handle unlocks it, and so does the
    /// end of the process. `false` if another handle holds it, of this process or any other. On file systems
    /// without locks everybody gets one. Only those who ask for a lock are kept out (on Windows all others).
    fn try_lock(&self) -> Result<bool>;
}

/// What a file is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// To read it.
    Read,
    /// To write on where it was left, and to read what is there already.
    ReadWrite,
}

/// What kind of thing stands under a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Link,
    /// A device, FIFO, socket or whatever else a system has.
    Other,
}

/// What is known of a file, directory or link without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// What it is.
    pub kind: Kind,
    /// Mode and modification time.
    pub meta: Meta,
    /// When anything about it last changed, where the system keeps that: seconds and nanoseconds.
    pub changed: Option<(i64, u32)>,
    /// Length in bytes.
    pub size: u64,
    /// Bytes of storage it takes, where that is known: less than its size if it has holes.
    pub allocated: Option<u64>,
    /// Which one it is, where the system tells.
    pub id: Option<FileId>,
    /// How many names it has, where the system tells; 0 once it was removed.
    pub links: Option<u64>,
    /// Whether it belongs to whoever runs this program.
    pub is_ours: bool,
    /// Whether it is a directory that [`Dir::create_dir`] made and whose mode was not set since. Its mark is
    /// the mode 01700: nobody else has a use for a sticky directory that is closed to all others. Never where
    /// the file system keeps no modes.
    pub is_unfinished: bool,
}

impl Stat {
    /// Whether what is there `now` is the same thing, and nobody has written it since.
    #[must_use]
    pub fn is_unchanged(&self, now: &Stat) -> bool {
        (self.kind, self.size, self.meta.mtime_s, self.meta.mtime_ns, self.changed, self.id)
            == (now.kind, now.size, now.meta.mtime_s, now.meta.mtime_ns, now.changed, now.id)
    }
}

/// The identity of a file on one machine, whatever its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileId {
    /// The file system.
    pub device: u64,
    /// The file on it.
    pub inode: u64,
}

/// A file system, as far as making things durable goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileSystem {
    /// Tells it from others.
    pub id: u64,
    /// Whether [`Dir::sync_file_system`] makes everything on it durable and reports what could not be
    /// written. Where not, every file is to be synced for itself.
    pub syncs_whole: bool,
}

/// A part of a file that is all data or all hole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// Whether it is a hole.
    pub is_hole: bool,
    /// Where it ends, in bytes from the beginning of the file.
    pub end: u64,
}

/// Makes the output directory if it is missing, with the directories above it, and opens it. Links on the way
/// are followed: the path is the person's own.
///
/// # Errors
/// An error of kind `Disk` that names the path.
pub fn create_output(path: &Path) -> crate::Result<Native> {
    Native::create_path(path).map_err(|error| {
        let shown = path.display();
        match error.fault() {
            Fault::NotDirectory | Fault::Exists => {
                crate::Error::new(crate::Kind::Disk, format!("the output directory {shown} is no directory"))
                    .hint("Choose another one with --out.")
            }
            _ => error.into_error(format!("cannot open the output directory {shown}")),
        }
    })
}

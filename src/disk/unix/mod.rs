//! The file systems of Unix: system calls relative to directory descriptors, one name at a time, links never followed.

mod file;
mod rename;
mod room;
#[cfg(test)]
mod tests;
mod whole;

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{AtFlags, Mode, OFlags, Timespec, Timestamps};

use super::{Access, Dir, DiskError, Fault, FileId, FileSystem, Kind, Result, Stat, WriteAhead};
use crate::proto::manifest::Meta;
use crate::proto::path::Name;

pub use file::UnixFile;

/// An open directory.
#[derive(Debug)]
pub struct UnixDir {
    fd: OwnedFd,
    system: FileSystem,
    inode: u64,
}

/// What stands in a directory, read a few KiB at a time.
#[derive(Debug)]
pub struct UnixNames(rustix::fs::Dir);

impl UnixDir {
    /// Opens a directory by its path, following links: for a path a person named.
    ///
    /// # Errors
    /// [`DiskError`], when there is none.
    pub fn open_path(path: &Path) -> Result<UnixDir> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        UnixDir::opened(rustix::fs::open(path, flags, Mode::empty())?, None)
    }

    /// Opens a directory by its path, and makes it first, durably, if it is missing, with those above it.
    ///
    /// # Errors
    /// [`DiskError`], when that cannot be done.
    pub fn create_path(path: &Path) -> Result<UnixDir> {
        // From the nearest one that exists downwards: each new name is synced in the directory it was made in.
        let mut missing: Vec<&Path> = path
            .ancestors()
            .filter(|path| !path.as_os_str().is_empty())
            .take_while(|path| !path.exists())
            .collect();
        while let Some(next) = missing.pop() {
            match std::fs::create_dir(next) {
                Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(error.into()),
                _ => {}
            }
            let above = next.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
            UnixDir::open_path(above)?.sync()?;
        }
        UnixDir::open_path(path)
    }

    fn opened(fd: OwnedFd, parent: Option<&UnixDir>) -> Result<UnixDir> {
        let stat = rustix::fs::fstat(&fd)?;
        let (id, inode) = (to(stat.st_dev), to(stat.st_ino));
        let system = match parent {
            Some(parent) if parent.system.id == id => parent.system,
            _ => FileSystem { id, syncs_whole: whole::reports_errors(&fd) },
        };
        Ok(UnixDir { fd, system, inode })
    }
}

impl Dir for UnixDir {
    type File = UnixFile;
    type Names = UnixNames;

    fn open_dir(&self, name: &Name) -> Result<UnixDir> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        UnixDir::opened(rustix::fs::openat(&self.fd, os(name), flags, Mode::empty())?, Some(self))
    }

    fn create_dir(&self, name: &Name) -> Result<()> {
        rustix::fs::mkdirat(&self.fd, os(name), UNFINISHED)?;
        if cfg!(any(target_os = "linux", target_os = "android")) {
            return Ok(());
        }
        // POSIX leaves open whether mkdir takes the sticky bit, and only Linux does. What fails here costs only the mark.
        let _ = self.open_dir(name).map(|made| rustix::fs::fchmod(&made.fd, UNFINISHED));
        Ok(())
    }

    fn create_file(&self, name: &Name) -> Result<UnixFile> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(UnixFile::new(rustix::fs::openat(&self.fd, os(name), flags, Mode::RUSR | Mode::WUSR)?))
    }

    fn open_file(&self, name: &Name, access: Access) -> Result<UnixFile> {
        let access = match access {
            Access::Read => OFlags::RDONLY,
            Access::ReadWrite => OFlags::RDWR,
        };
        // NONBLOCK and NOCTTY matter only where the name has come to mean a FIFO or a terminal: then it must neither hang nor
        // become ours.
        let flags = access | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        match rustix::fs::openat(&self.fd, os(name), flags, Mode::empty()) {
            Ok(fd) => Ok(UnixFile::new(fd)),
            Err(rustix::io::Errno::LOOP | rustix::io::Errno::MLINK) => {
                Err(DiskError::of(Fault::NotFile, "it is a link"))
            }
            // Elsewhere this means a device that is gone.
            Err(rustix::io::Errno::NXIO) => Err(DiskError::of(Fault::NotFile, "it is a socket or a device")),
            Err(errno) => Err(errno.into()),
        }
    }

    fn stat(&self, name: &Name) -> Result<Stat> {
        Ok(stat_of(&rustix::fs::statat(&self.fd, os(name), AtFlags::SYMLINK_NOFOLLOW)?))
    }

    fn stat_self(&self) -> Result<Stat> {
        Ok(stat_of(&rustix::fs::fstat(&self.fd)?))
    }

    fn id(&self) -> Option<FileId> {
        Some(FileId { device: self.system.id, inode: self.inode })
    }

    fn read_link(&self, name: &Name) -> Result<Box<[u8]>> {
        Ok(rustix::fs::readlinkat(&self.fd, os(name), Vec::new())?.into_bytes().into())
    }

    fn rename(&self, from: &Name, to: &Name) -> Result<()> {
        rename::without_replacing(&self.fd, os(from), os(to))
    }

    fn replace(&self, from: &Name, to: &Name) -> Result<()> {
        rename::replacing(&self.fd, os(from), os(to))
    }

    fn symlink(&self, name: &Name, target: &[u8], meta: &Meta) -> Result<()> {
        rustix::fs::symlinkat(OsStr::from_bytes(target), &self.fd, os(name))?;
        unless_impossible(rustix::fs::utimensat(&self.fd, os(name), &times(meta), AtFlags::SYMLINK_NOFOLLOW))
    }

    fn remove_file(&self, name: &Name) -> Result<()> {
        Ok(rustix::fs::unlinkat(&self.fd, os(name), AtFlags::empty())?)
    }

    fn set_meta(&self, meta: &Meta) -> Result<()> {
        set_meta(&self.fd, meta, 0o777)
    }

    fn names(&self) -> Result<UnixNames> {
        Ok(UnixNames(rustix::fs::Dir::read_from(&self.fd)?))
    }

    fn sync(&self) -> Result<()> {
        match rustix::io::retry_on_intr(|| rustix::fs::fsync(&self.fd)) {
            // Some network and user-space file systems cannot sync a directory: there is nothing more to be had there.
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => Ok(()),
            result => Ok(result?),
        }
    }

    fn file_system(&self) -> FileSystem {
        self.system
    }

    fn available(&self) -> Result<Option<u64>> {
        room::available(&self.fd)
    }

    fn sync_file_system(&self) -> Result<()> {
        whole::sync(&self.fd)
    }

    fn write_ahead(&self) -> Option<WriteAhead> {
        // Opened anew, because errors are told once to each opening: those that this one meets, the sync that counts meets again.
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let own = rustix::fs::openat(&self.fd, ".", flags, Mode::empty());
        let own = own.ok().filter(|_| self.system.syncs_whole)?;
        Some(Box::new(move || drop(whole::sync(&own))))
    }
}

impl Iterator for UnixNames {
    type Item = Result<Box<[u8]>>;

    fn next(&mut self) -> Option<Result<Box<[u8]>>> {
        loop {
            let entry = match self.0.read()? {
                Ok(entry) => entry,
                Err(errno) => return Some(Err(errno.into())),
            };
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                return Some(Ok(name.into()));
            }
        }
    }
}

fn os(name: &Name) -> &OsStr {
    OsStr::from_bytes(name.as_bytes())
}

/// Mode, then time: changing the mode changes no time but that of the change itself.
fn set_meta(fd: &OwnedFd, meta: &Meta, full_mode: u16) -> Result<()> {
    let mode = meta.permissions().unwrap_or_else(|| full_mode & !umask());
    match rustix::fs::fchmod(fd, Mode::from_bits_truncate(to(mode))) {
        // File systems without permission bits (FAT) refuse what they cannot express; the contents are what matters.
        Ok(()) | Err(rustix::io::Errno::PERM | rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => {}
        Err(errno) => return Err(errno.into()),
    }
    unless_impossible(rustix::fs::futimens(fd, &times(meta)))
}

/// What setting a time came to. That a time is beyond what the file system can hold, that it keeps none, or that it is somebody
/// else's to set, is no failure: what it belongs to is what matters, and that stands already.
fn unless_impossible(set: rustix::io::Result<()>) -> Result<()> {
    use rustix::io::Errno;
    match set {
        Err(Errno::PERM | Errno::INVAL | Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
        result => Ok(result?),
    }
}

fn times(meta: &Meta) -> Timestamps {
    let mtime = Timespec { tv_sec: to(meta.mtime_s), tv_nsec: to(meta.mtime_ns) };
    Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_OMIT },
        last_modification: mtime,
    }
}

/// The umask of this process. Reading it through the system call would change it for a moment, for all threads.
fn umask() -> u16 {
    std::fs::read_to_string("/proc/self/status")
        .ok()
        .and_then(|status| {
            let line = status.lines().find_map(|line| line.strip_prefix("Umask:"))?;
            u16::from_str_radix(line.trim(), 8).ok()
        })
        .unwrap_or(UMASK_USUAL)
}

fn stat_of(stat: &rustix::fs::Stat) -> Stat {
    let kind = match rustix::fs::FileType::from_raw_mode(stat.st_mode) {
        rustix::fs::FileType::RegularFile => Kind::File,
        rustix::fs::FileType::Directory => Kind::Directory,
        rustix::fs::FileType::Symlink => Kind::Link,
        _ => Kind::Other,
    };
    let mode: u16 = to(stat.st_mode & 0o777);
    let is_ours = stat.st_uid == effective_user();
    // Set-group-id is inherited from the directory above, so it says nothing.
    let is_marked = Mode::from_raw_mode(stat.st_mode).difference(Mode::SGID) == UNFINISHED;
    Stat {
        kind,
        meta: Meta { mode: Some(mode), mtime_s: to(stat.st_mtime), mtime_ns: to(stat.st_mtime_nsec) },
        changed: Some((to(stat.st_ctime), to(stat.st_ctime_nsec))),
        size: to(stat.st_size),
        // POSIX leaves the unit open; every system there is counts in 512 bytes.
        allocated: Some(to::<_, u64>(stat.st_blocks).saturating_mul(512)),
        id: Some(FileId { device: to(stat.st_dev), inode: to(stat.st_ino) }),
        links: Some(to(stat.st_nlink)),
        is_ours,
        is_unfinished: kind == Kind::Directory && is_ours && is_marked,
    }
}

/// Who runs this program; asked once, because everything that is looked at is compared with it.
fn effective_user() -> u32 {
    static USER: std::sync::OnceLock<u32> = std::sync::OnceLock::new();
    *USER.get_or_init(|| rustix::process::geteuid().as_raw())
}

/// Between the integers that systems disagree about. What does not fit (a negative size) becomes 0.
fn to<T, U: TryFrom<T> + Default>(value: T) -> U {
    U::try_from(value).unwrap_or_default()
}

/// The mode of a directory until it is finished: for our eyes only, and sticky.
const UNFINISHED: Mode = Mode::RWXU.union(Mode::SVTX);

/// Where the system does not tell: what nearly every system starts with.
const UMASK_USUAL: u16 = 0o022;

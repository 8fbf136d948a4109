//! The file systems of Windows, on cap-std, which lets no operation leave the directory it is relative to. So far it was run under Wine alone
//! (`make dist-test`).
//!
//! Links are not followed as far as the system's own calls allow: a name is looked at before it is opened, and if somebody swaps it for
//! a link in between, cap-std still keeps what is opened below the directory it started from. Windows has no permission
//! bits, so none travel from or to it.

use std::fs::TryLockError;
use std::os::windows::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use cap_std::ambient_authority;
use cap_std::fs::{Metadata, OpenOptions, OpenOptionsExt as _};

use super::{Access, Dir, DiskError, Fault, File, FileSystem, Kind, Result, Stat, Stretch};
use crate::proto::manifest::Meta;
use crate::proto::path::Name;

/// An open directory.
#[derive(Debug)]
pub struct WindowsDir(cap_std::fs::Dir);

/// An open file.
#[derive(Debug)]
pub struct WindowsFile(std::fs::File);

/// What stands in a directory.
pub struct WindowsNames(cap_std::fs::ReadDir);

impl WindowsDir {
    /// Opens a directory by its path, following links: for a path a person named.
    ///
    /// # Errors
    /// [`DiskError`], when there is none.
    pub fn open_path(path: &Path) -> Result<WindowsDir> {
        Ok(WindowsDir(cap_std::fs::Dir::open_ambient_dir(path, ambient_authority())?))
    }

    /// Opens a directory by its path, and makes it first if it is missing, with those above it.
    ///
    /// # Errors
    /// [`DiskError`], when that cannot be done.
    pub fn create_path(path: &Path) -> Result<WindowsDir> {
        cap_std::fs::Dir::create_ambient_dir_all(path, ambient_authority())?;
        WindowsDir::open_path(path)
    }
}

impl Dir for WindowsDir {
    type File = WindowsFile;
    type Names = WindowsNames;

    fn open_dir(&self, name: &Name) -> Result<WindowsDir> {
        if self.stat(name)?.kind != Kind::Directory {
            return Err(DiskError::of(Fault::NotDirectory, "it is no directory"));
        }
        let name = os(name)?;
        // The library opens directories for reading alone, and such a handle cannot set a time.
        let mut options = OpenOptions::new();
        options.access_mode(GENERIC_READ | FILE_WRITE_ATTRIBUTES);
        options.custom_flags(FILE_FLAG_BACKUP_SEMANTICS).share_mode(FILE_SHARE_READ | FILE_SHARE_WRITE);
        match self.0.open_with(&name, &options) {
            Ok(opened) if opened.metadata().is_ok_and(|there| there.is_dir()) => {
                Ok(WindowsDir(cap_std::fs::Dir::from_std_file(opened.into_std())))
            }
            // One whose time is not ours to set can still be read.
            _ => Ok(WindowsDir(self.0.open_dir(&name)?)),
        }
    }

    fn create_dir(&self, name: &Name) -> Result<()> {
        Ok(self.0.create_dir(os(name)?)?)
    }

    fn create_file(&self, name: &Name) -> Result<WindowsFile> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true);
        Ok(WindowsFile(self.0.open_with(os(name)?, &options)?.into_std()))
    }

    fn open_file(&self, name: &Name, access: Access) -> Result<WindowsFile> {
        if self.stat(name)?.kind != Kind::File {
            return Err(DiskError::of(Fault::NotFile, "it is no regular file"));
        }
        let mut options = OpenOptions::new();
        options.read(true).write(access == Access::ReadWrite);
        Ok(WindowsFile(self.0.open_with(os(name)?, &options)?.into_std()))
    }

    fn stat(&self, name: &Name) -> Result<Stat> {
        Ok(stat_of(&self.0.symlink_metadata(os(name)?)?))
    }

    fn stat_self(&self) -> Result<Stat> {
        Ok(stat_of(&self.0.dir_metadata()?))
    }

    fn read_link(&self, name: &Name) -> Result<Box<[u8]>> {
        // Separators travel in the form of the other systems.
        let target = self.0.read_link_contents(os(name)?)?;
        let bytes = target.into_os_string().into_encoded_bytes();
        Ok(bytes.into_iter().map(|byte| if byte == b'\\' { b'/' } else { byte }).collect())
    }

    fn rename(&self, from: &Name, to: &Name) -> Result<()> {
        // The system's rename replaces; a hard link never does. NTFS has them, FAT does not: there the name is taken by an empty
        // file first, and that file of ours is replaced.
        let (from, to) = (os(from)?, os(to)?);
        match self.0.hard_link(&from, &self.0, &to) {
            Ok(()) => {
                // The file is where it belongs, whether its first name could be taken away or not.
                let _ = self.0.remove_file(&from);
                Ok(())
            }
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Err(error.into()),
            Err(_) => {
                let mut options = OpenOptions::new();
                options.write(true).create_new(true);
                drop(self.0.open_with(&to, &options)?);
                let renamed = self.0.rename(&from, &self.0, &to);
                if renamed.is_err() && self.0.symlink_metadata(&to).is_ok_and(|there| there.len() == 0) {
                    // An empty file must not pass for the one that was sent.
                    let _ = self.0.remove_file(&to);
                }
                Ok(renamed?)
            }
        }
    }

    fn replace(&self, from: &Name, to: &Name) -> Result<()> {
        let is_directory = |name| Ok(self.stat(name)?.kind == Kind::Directory);
        let stands_there = match is_directory(to) {
            Err(error) if DiskError::fault(&error) == Fault::Missing => false,
            result => result?,
        };
        if stands_there || is_directory(from)? {
            return Err(DiskError::of(Fault::NotFile, "a directory neither replaces nor is replaced"));
        }
        Ok(self.0.rename(os(from)?, &self.0, os(to)?)?)
    }

    fn symlink(&self, name: &Name, target: &[u8], _meta: &Meta) -> Result<()> {
        let (name, text) = (os(name)?, text(target)?.replace('/', "\\"));
        // Windows keeps apart links to files and to directories: what stands there now decides, and nothing means a file.
        match self.0.metadata(&text) {
            Ok(there) if there.is_dir() => self.0.symlink_dir(&text, &name)?,
            _ => self.0.symlink_file(&text, &name)?,
        }
        // Wine says that it has made one, and has not.
        match self.0.symlink_metadata(&name) {
            Ok(_) => Ok(()),
            Err(_) => Err(DiskError::of(Fault::Unsupported, "this system makes no links")),
        }
    }

    fn remove_file(&self, name: &Name) -> Result<()> {
        Ok(self.0.remove_file(os(name)?)?)
    }

    fn set_meta(&self, meta: &Meta) -> Result<()> {
        let Some(time) = time_of(meta) else { return Ok(()) };
        match self.0.try_clone()?.into_std_file().set_modified(time) {
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => Ok(()),
            set => Ok(set?),
        }
    }

    fn names(&self) -> Result<WindowsNames> {
        Ok(WindowsNames(self.0.entries()?))
    }

    fn sync(&self) -> Result<()> {
        // NTFS journals its names; there is no call for a directory.
        Ok(())
    }

    fn file_system(&self) -> FileSystem {
        FileSystem { id: 0, syncs_whole: false }
    }

    fn available(&self) -> Result<Option<u64>> {
        // The library does not ask the system for it.
        Ok(None)
    }

    fn sync_file_system(&self) -> Result<()> {
        Err(DiskError::of(Fault::Unsupported, "this system cannot sync a whole file system"))
    }
}

impl Iterator for WindowsNames {
    type Item = Result<Box<[u8]>>;

    fn next(&mut self) -> Option<Result<Box<[u8]>>> {
        let entry = self.0.next()?;
        Some(entry.map(|entry| entry.file_name().into_encoded_bytes().into()).map_err(DiskError::new))
    }
}

impl File for WindowsFile {
    fn stat(&self) -> Result<Stat> {
        Ok(stat_of(&Metadata::from_file(&self.0)?))
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.0.seek_read(&mut buffer[filled..], offset + filled as u64)? {
                0 => break,
                count => filled += count,
            }
        }
        Ok(filled)
    }

    fn stretch(&self, _offset: u64, size: u64) -> Result<Stretch> {
        Ok(Stretch { is_hole: false, end: size })
    }

    fn will_read_all(&self) {}

    fn write_at(&self, mut bytes: &[u8], mut offset: u64) -> Result<()> {
        while !bytes.is_empty() {
            match self.0.seek_write(bytes, offset)? {
                0 => return Err(DiskError::of(Fault::Broken, "the system wrote nothing")),
                count => {
                    bytes = &bytes[count..];
                    offset += count as u64;
                }
            }
        }
        Ok(())
    }

    fn set_len(&self, length: u64) -> Result<()> {
        Ok(self.0.set_len(length)?)
    }

    fn set_meta(&self, meta: &Meta) -> Result<()> {
        match time_of(meta) {
            Some(time) => Ok(self.0.set_modified(time)?),
            None => Ok(()),
        }
    }

    fn sync(&self) -> Result<()> {
        unless_read_only(self.0.sync_all())
    }

    fn sync_data(&self) -> Result<()> {
        unless_read_only(self.0.sync_data())
    }

    fn try_lock(&self) -> Result<bool> {
        match self.0.try_lock() {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) if error.kind() == std::io::ErrorKind::Unsupported => Ok(true),
            Err(TryLockError::Error(error)) => Err(error.into()),
        }
    }
}

/// What syncing came to. The system refuses it for a handle that was opened to read: what is only read is left to whoever wrote it.
fn unless_read_only(synced: std::io::Result<()>) -> Result<()> {
    match synced {
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => Ok(()),
        synced => Ok(synced?),
    }
}

fn os(name: &Name) -> Result<PathBuf> {
    text(name.as_bytes()).map(PathBuf::from)
}

fn text(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes).map_err(|_| DiskError::of(Fault::BadName, "its name is not Unicode"))
}

fn stat_of(metadata: &Metadata) -> Stat {
    let kind = if metadata.file_type().is_symlink() {
        Kind::Link
    } else if metadata.is_dir() {
        Kind::Directory
    } else if metadata.is_file() {
        Kind::File
    } else {
        Kind::Other
    };
    let (mtime_s, mtime_ns) = metadata.modified().map_or((0, 0), |time| since_1970(time.into_std()));
    Stat {
        kind,
        meta: Meta { mode: None, mtime_s, mtime_ns },
        changed: None,
        size: metadata.len(),
        allocated: None,
        id: None,
        links: None,
        is_ours: true,
        // There are no modes that could carry the mark.
        is_unfinished: false,
    }
}

/// When something was changed last. One beyond what the system can express is left out.
fn time_of(meta: &Meta) -> Option<SystemTime> {
    let seconds = Duration::from_secs(meta.mtime_s.unsigned_abs());
    let whole = if meta.mtime_s < 0 {
        SystemTime::UNIX_EPOCH.checked_sub(seconds)
    } else {
        SystemTime::UNIX_EPOCH.checked_add(seconds)
    };
    whole?.checked_add(Duration::from_nanos(u64::from(meta.mtime_ns)))
}

/// Seconds (rounded down) and nanoseconds since 1970.
fn since_1970(time: SystemTime) -> (i64, u32) {
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => (i64::try_from(after.as_secs()).unwrap_or(i64::MAX), after.subsec_nanos()),
        Err(before) => {
            let before = before.duration();
            let seconds = i64::try_from(before.as_secs()).unwrap_or(i64::MAX);
            match before.subsec_nanos() {
                0 => (-seconds, 0),
                nanos => (-seconds - 1, 1_000_000_000 - nanos),
            }
        }
    }
}

/// What a handle may be used for, and how it is opened, by the names and numbers of the Windows interface (`winnt.h`, `winbase.h`).
const GENERIC_READ: u32 = 0x8000_0000;
const FILE_WRITE_ATTRIBUTES: u32 = 0x100;
const FILE_SHARE_READ: u32 = 1;
const FILE_SHARE_WRITE: u32 = 2;
/// Directories are opened with it.
const FILE_FLAG_BACKUP_SEMANTICS: u32 = 0x0200_0000;

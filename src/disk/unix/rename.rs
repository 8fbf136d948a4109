//! Renaming without ever replacing, also where the system call for it is missing; and renaming that replaces.
//!
//! Without replacing: first the call itself. Where the file system lacks it, a second name (a hard link never replaces) and then the first one
//! removed. Where there are no hard links either, the new name is taken exclusively by an empty file, and that file of ours is
//! replaced: still nothing of anybody else's is lost, at the price that a crash in that instant leaves an empty file. If it is not
//! replaced after all, it is removed again.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use crate::disk::{DiskError, Fault, Result};

/// Renames within one directory; [`Fault::Exists`] if anything stands under the new name.
pub(super) fn without_replacing(dir: &OwnedFd, from: &OsStr, to: &OsStr) -> Result<()> {
    match by_call(dir, from, to) {
        Err(errno) if is_lacking(errno) => {}
        result => return Ok(result?),
    }
    match by_link(dir, from, to, || rustix::fs::unlinkat(dir, from, AtFlags::empty())) {
        // EPERM is how a file system without hard links refuses one; EMLINK one that allows a single name.
        Err(errno) if is_lacking(errno) || errno == Errno::PERM || errno == Errno::MLINK => {}
        result => return Ok(result?),
    }
    by_placeholder(dir, from, to)
}

/// Renames within one directory, also over a file or a link; [`Fault::NotFile`] where either is a directory.
pub(super) fn replacing(dir: &OwnedFd, from: &OsStr, to: &OsStr) -> Result<()> {
    let moved = rustix::fs::statat(dir, from, AtFlags::SYMLINK_NOFOLLOW)?;
    if FileType::from_raw_mode(moved.st_mode) == FileType::Directory {
        // The system would let it replace an empty directory.
        return Err(DiskError::of(Fault::NotFile, "a directory must not replace anything"));
    }
    if moved.st_nlink > 1 && is_at(dir, to, &moved) == Ok(true) {
        // Both names mean the same file, and then the system's rename does nothing at all.
        return Ok(rustix::fs::unlinkat(dir, from, AtFlags::empty())?);
    }
    match rustix::fs::renameat(dir, from, dir, to) {
        // What stands there is a directory; Apple says EISDIR as well, the standard allows these for one that has entries.
        Err(Errno::ISDIR | Errno::EXIST | Errno::NOTEMPTY) => {
            Err(DiskError::of(Fault::NotFile, "a directory stands there"))
        }
        result => Ok(result?),
    }
}

fn is_at(dir: &OwnedFd, name: &OsStr, file: &Stat) -> Result<bool, Errno> {
    let there = rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok((file.st_dev, file.st_ino) == (there.st_dev, there.st_ino))
}

#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
fn by_call(dir: &OwnedFd, from: &OsStr, to: &OsStr) -> Result<(), Errno> {
    rustix::fs::renameat_with(dir, from, dir, to, rustix::fs::RenameFlags::NOREPLACE)
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
fn by_call(_dir: &OwnedFd, _from: &OsStr, _to: &OsStr) -> Result<(), Errno> {
    Err(Errno::NOSYS)
}

/// `remove` takes the first name away. Once the second one stands the file is where it belongs, so that is no failure if it does
/// not succeed (an append-only directory): to say that it is not there would be wrong, and to try another way would find it in
/// the way of itself.
pub(super) fn by_link(
    dir: &OwnedFd,
    from: &OsStr,
    to: &OsStr,
    remove: impl FnOnce() -> Result<(), Errno>,
) -> Result<(), Errno> {
    rustix::fs::linkat(dir, from, dir, to, AtFlags::empty())?;
    let _ = remove();
    Ok(())
}

pub(super) fn by_placeholder(dir: &OwnedFd, from: &OsStr, to: &OsStr) -> Result<()> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let placeholder = rustix::fs::openat(dir, to, flags, Mode::RUSR | Mode::WUSR)?;
    let ours = rustix::fs::fstat(&placeholder)?;
    if !is_at(dir, to, &ours)? {
        return Err(DiskError::of(Fault::Exists, "another file was put under that name"));
    }
    let renamed = rustix::fs::renameat(dir, from, dir, to);
    if renamed.is_err() && is_at(dir, to, &ours) == Ok(true) {
        // An empty file must not pass for the one that was sent. Where it cannot be removed the failure is told all the same.
        let _ = rustix::fs::unlinkat(dir, to, AtFlags::empty());
    }
    Ok(renamed?)
}

fn is_lacking(errno: Errno) -> bool {
    matches!(errno, Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP)
}

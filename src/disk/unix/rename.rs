//! Renaming without ever replacing, also where the system call for it is missing.
//!
//! First the call itself. Where the file system lacks it, a second name (a hard link never replaces) and then the first one
//! removed. Where there are no hard links either, the new name is taken exclusively by an empty file, and that file of ours is
//! replaced: still nothing of anybody else's is lost, at the price that a crash in that instant leaves an empty file.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

use crate::disk::{DiskError, Fault, Result};

/// Renames within one directory; [`Fault::Exists`] if anything stands under the new name.
pub(super) fn without_replacing(dir: &OwnedFd, from: &OsStr, to: &OsStr) -> Result<()> {
    match by_call(dir, from, to) {
        Err(errno) if is_lacking(errno) => {}
        result => return Ok(result?),
    }
    match by_link(dir, from, to) {
        // EPERM is how a file system without hard links refuses one; EMLINK one that allows a single name.
        Err(errno) if is_lacking(errno) || errno == Errno::PERM || errno == Errno::MLINK => {}
        result => return Ok(result?),
    }
    by_placeholder(dir, from, to)
}

#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
fn by_call(dir: &OwnedFd, from: &OsStr, to: &OsStr) -> Result<(), Errno> {
    rustix::fs::renameat_with(dir, from, dir, to, rustix::fs::RenameFlags::NOREPLACE)
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
fn by_call(_dir: &OwnedFd, _from: &OsStr, _to: &OsStr) -> Result<(), Errno> {
    Err(Errno::NOSYS)
}

pub(super) fn by_link(dir: &OwnedFd, from: &OsStr, to: &OsStr) -> Result<(), Errno> {
    rustix::fs::linkat(dir, from, dir, to, AtFlags::empty())?;
    rustix::fs::unlinkat(dir, from, AtFlags::empty())
}

pub(super) fn by_placeholder(dir: &OwnedFd, from: &OsStr, to: &OsStr) -> Result<()> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let placeholder = rustix::fs::openat(dir, to, flags, Mode::RUSR | Mode::WUSR)?;
    let (ours, there) =
        (rustix::fs::fstat(&placeholder)?, rustix::fs::statat(dir, to, AtFlags::SYMLINK_NOFOLLOW)?);
    if (ours.st_dev, ours.st_ino) != (there.st_dev, there.st_ino) {
        return Err(DiskError::of(Fault::Exists, "another file was put under that name"));
    }
    Ok(rustix::fs::renameat(dir, from, dir, to)?)
}

fn is_lacking(errno: Errno) -> bool {
    matches!(errno, Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP)
}

//! Renaming without ever replacing, also where the system call for it is missing.
//!
//! First the call itself. Where the file system lacks it, a second name (a hard link never replaces) and then the first one
//! removed. Where there are no hard links either, the new name is taken exclusively by an empty file, and that file of ours is
//! replaced: still nothing of anybody else's is lost, at the price that a crash in that instant leaves an empty file. If it is not
//! replaced after all, it is removed again.

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
    match by_link(dir, from, to, || rustix::fs::unlinkat(dir, from, AtFlags::empty())) {
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
    let is_ours = || {
        let there = rustix::fs::statat(dir, to, AtFlags::SYMLINK_NOFOLLOW)?;
        Ok::<_, Errno>((ours.st_dev, ours.st_ino) == (there.st_dev, there.st_ino))
    };
    if !is_ours()? {
        return Err(DiskError::of(Fault::Exists, "another file was put under that name"));
    }
    let renamed = rustix::fs::renameat(dir, from, dir, to);
    if renamed.is_err() && is_ours() == Ok(true) {
        // An empty file must not pass for the one that was sent. Where it cannot be removed the failure is told all the same.
        let _ = rustix::fs::unlinkat(dir, to, AtFlags::empty());
    }
    Ok(renamed?)
}

fn is_lacking(errno: Errno) -> bool {
    matches!(errno, Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP)
}

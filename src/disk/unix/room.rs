//! How much room there is, where that can be known.

use std::os::fd::OwnedFd;

use super::effective_user;
use crate::disk::Result;

/// Bytes that we may still use, where they hold as many bytes of files.
pub(super) fn available(fd: &OwnedFd) -> Result<Option<u64>> {
    if packs(fd) {
        return Ok(None);
    }
    let system = rustix::fs::fstatvfs(fd)?;
    // A file system that knows nothing of blocks (some in user space) says 0 for everything.
    // What is kept back for the superuser is there for it.
    let blocks = if effective_user() == 0 { system.f_bfree } else { system.f_bavail };
    Ok((system.f_blocks > 0).then(|| blocks.saturating_mul(system.f_frsize)))
}

/// Whether what is written may take less room than it is long, and nobody can say how much before it is there.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn packs(fd: &OwnedFd) -> bool {
    let magic = rustix::fs::fstatfs(fd).ok().and_then(|fs| u64::try_from(fs.f_type).ok());
    magic.is_some_and(|magic| PACKING_FILE_SYSTEMS.contains(&(magic & 0xffff_ffff)))
}

/// Elsewhere the file systems people use do not, or say what will fit.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn packs(_fd: &OwnedFd) -> bool {
    false
}

/// Btrfs, ZFS, bcachefs.
#[cfg(any(target_os = "linux", target_os = "android"))]
const PACKING_FILE_SYSTEMS: [u64; 3] = [0x9123_683e, 0x2fc1_2fc1, 0xca45_1a4e];

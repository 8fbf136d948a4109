//! Making a whole file system durable with one call, where that call tells what could not be written.

use std::os::fd::OwnedFd;

use crate::disk::Result;

/// Whether `syncfs` can be trusted here. Linux reports write errors through it since 5.8, and only file systems whose
/// storage is this machine's own put everything behind it: on user-space and network ones it may do nothing at all.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn reports_errors(fd: &OwnedFd) -> bool {
    let magic = rustix::fs::fstatfs(fd).ok().and_then(|fs| u64::try_from(fs.f_type).ok());
    magic.is_some_and(is_local) && is_linux_since(5, 8)
}

/// Syncs the file system the directory is on.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn sync(fd: &OwnedFd) -> Result<()> {
    Ok(rustix::io::retry_on_intr(|| rustix::fs::syncfs(fd))?)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn reports_errors(_fd: &OwnedFd) -> bool {
    false
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn sync(_fd: &OwnedFd) -> Result<()> {
    Err(crate::disk::DiskError::of(
        crate::disk::Fault::Unsupported,
        "this system cannot sync a whole file system",
    ))
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn is_local(magic: u64) -> bool {
    LOCAL_FILE_SYSTEMS.contains(&(magic & 0xffff_ffff))
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn is_linux_since(major: u32, minor: u32) -> bool {
    static RELEASE: std::sync::OnceLock<(u32, u32)> = std::sync::OnceLock::new();
    *RELEASE.get_or_init(|| {
        let name = rustix::system::uname();
        parse_release(name.release().to_str().unwrap_or_default()).unwrap_or_default()
    }) >= (major, minor)
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn parse_release(release: &str) -> Option<(u32, u32)> {
    let mut parts = release.split(|c: char| !c.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// ext2 to ext4, XFS, Btrfs, F2FS, ZFS, tmpfs (as statfs(2) lists them). Not overlayfs: it syncs what lies below it, but passes
/// on what could not be written there only on volatile mounts.
#[cfg(any(target_os = "linux", target_os = "android"))]
const LOCAL_FILE_SYSTEMS: [u64; 6] =
    [0xef53, 0x5846_5342, 0x9123_683e, 0xf2f5_2010, 0x2fc1_2fc1, 0x0102_1994];

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn only_file_systems_that_report_errors_are_synced_as_a_whole() {
        assert!(is_local(0xef53));
        for (magic, name) in [(0x794c_7630, "overlayfs"), (0x6969, "NFS"), (0x6573_5546, "FUSE")] {
            assert!(!is_local(magic), "{name}");
        }
    }

    #[test]
    fn kernel_releases_are_read() {
        assert_eq!(parse_release("6.18.44-generic"), Some((6, 18)));
        assert_eq!(parse_release("5.8"), Some((5, 8)));
        assert_eq!(parse_release("4.18.0-553.el8.x86_64"), Some((4, 18)));
        assert_eq!(parse_release("unknown"), None);
    }
}

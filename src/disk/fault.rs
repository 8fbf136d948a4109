//! What can go wrong with a disk, sorted by what follows from it.

use std::fmt;
use std::io;

use crate::proto::frame::{Failure, Reason};

/// One operation that failed.
#[derive(Debug)]
pub struct DiskError {
    fault: Fault,
    source: io::Error,
}

/// What went wrong, as far as anybody must tell it apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No room left, on the disk or in the quota. Ends the transfer.
    Full,
    /// Mounted read-only. Ends the transfer.
    ReadOnly,
    /// The device fails, or is gone. Ends the transfer.
    Broken,
    /// The process or the system is out of descriptors or memory. Ends the transfer.
    Exhausted,
    /// Something stands there already.
    Exists,
    /// Nothing stands there.
    Missing,
    /// A link or something else where a directory must be.
    NotDirectory,
    /// A link or something else where a regular file must be.
    NotFile,
    /// Not allowed.
    Denied,
    /// The file system cannot hold this name.
    BadName,
    /// The file system lacks the operation.
    Unsupported,
    /// Anything else.
    Other,
}

impl DiskError {
    /// An operation failed with `source`.
    #[must_use]
    pub fn new(source: io::Error) -> DiskError {
        DiskError { fault: fault_of(&source), source }
    }

    /// A failure that we found ourselves.
    #[must_use]
    pub fn of(fault: Fault, text: &'static str) -> DiskError {
        DiskError { fault, source: io::Error::other(text) }
    }

    /// What went wrong.
    #[must_use]
    pub fn fault(&self) -> Fault {
        self.fault
    }

    /// Whether it would hit every other entry as well, so that going on makes no sense.
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        matches!(self.fault, Fault::Full | Fault::ReadOnly | Fault::Broken | Fault::Exhausted)
    }

    /// The failure of the one entry it happened to, on the receiving side.
    #[must_use]
    pub fn failure(&self) -> Failure {
        let reason = match self.fault {
            Fault::Exists => Reason::Exists,
            Fault::BadName => Reason::NameUnfit,
            Fault::Missing | Fault::NotDirectory => Reason::NoDirectory,
            _ => Reason::Unwritable,
        };
        Failure::new(reason, self.source.to_string())
    }

    /// The end of the transfer. `what` is a clause: "cannot write x".
    #[must_use]
    pub fn into_error(self, what: impl Into<String>) -> crate::Error {
        let error = crate::Error::new(crate::Kind::Disk, what);
        let error = match self.fault {
            Fault::Full if self.source.kind() == io::ErrorKind::QuotaExceeded => {
                error.hint("Your share of that disk is used up. Remove something of yours there, or receive to another disk with --out, and run it again.")
            }
            Fault::Full => {
                error.hint("Make room on that disk, or receive to another one with --out, and run it again.")
            }
            Fault::ReadOnly => error.hint("Choose a directory on a disk that can be written with --out."),
            Fault::Broken => error.hint(
                "Check that disk, or the connection to it if it is a network one: the system log says more. Then run it again.",
            ),
            Fault::Exhausted => error.hint("Raise the limit of open files (ulimit -n) or free some memory."),
            Fault::Denied => error.hint("Check who may write there."),
            _ => error,
        };
        error.caused_by(self.source)
    }
}

impl From<io::Error> for DiskError {
    fn from(source: io::Error) -> DiskError {
        DiskError::new(source)
    }
}

#[cfg(unix)]
impl From<rustix::io::Errno> for DiskError {
    fn from(errno: rustix::io::Errno) -> DiskError {
        DiskError::new(errno.into())
    }
}

impl fmt::Display for DiskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt(f)
    }
}

impl std::error::Error for DiskError {}

#[cfg(unix)]
fn fault_of(error: &io::Error) -> Fault {
    use rustix::io::Errno;
    let Some(errno) = Errno::from_io_error(error) else {
        return fault_of_kind(error.kind());
    };
    match errno {
        Errno::NOSPC | Errno::DQUOT => Fault::Full,
        Errno::ROFS => Fault::ReadOnly,
        // Also a device that was pulled out, and a server that is gone.
        Errno::IO | Errno::NXIO | Errno::NODEV | Errno::STALE | Errno::NOTCONN | Errno::TIMEDOUT => {
            Fault::Broken
        }
        Errno::MFILE | Errno::NFILE | Errno::NOMEM => Fault::Exhausted,
        Errno::EXIST | Errno::NOTEMPTY => Fault::Exists,
        Errno::NOENT => Fault::Missing,
        // A link that is not followed is reported as a loop; FreeBSD says EMLINK.
        Errno::NOTDIR | Errno::LOOP | Errno::MLINK => Fault::NotDirectory,
        Errno::ISDIR => Fault::NotFile,
        Errno::ACCESS | Errno::PERM => Fault::Denied,
        Errno::NAMETOOLONG | Errno::ILSEQ | Errno::INVAL => Fault::BadName,
        Errno::NOSYS | Errno::OPNOTSUPP => Fault::Unsupported,
        _ => Fault::Other,
    }
}

#[cfg(not(unix))]
fn fault_of(error: &io::Error) -> Fault {
    fault_of_kind(error.kind())
}

fn fault_of_kind(kind: io::ErrorKind) -> Fault {
    match kind {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Fault::Full,
        io::ErrorKind::ReadOnlyFilesystem => Fault::ReadOnly,
        io::ErrorKind::StaleNetworkFileHandle | io::ErrorKind::NotConnected | io::ErrorKind::TimedOut => {
            Fault::Broken
        }
        io::ErrorKind::OutOfMemory => Fault::Exhausted,
        io::ErrorKind::AlreadyExists => Fault::Exists,
        io::ErrorKind::NotFound => Fault::Missing,
        io::ErrorKind::NotADirectory => Fault::NotDirectory,
        io::ErrorKind::IsADirectory => Fault::NotFile,
        io::ErrorKind::PermissionDenied => Fault::Denied,
        io::ErrorKind::InvalidFilename | io::ErrorKind::InvalidInput => Fault::BadName,
        io::ErrorKind::Unsupported => Fault::Unsupported,
        _ => Fault::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_hits_every_entry_is_fatal() {
        let error = |kind: io::ErrorKind| DiskError::new(kind.into());
        for kind in
            [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded, io::ErrorKind::ReadOnlyFilesystem]
        {
            assert!(error(kind).is_fatal(), "{kind:?}");
            let error = error(kind).into_error("cannot write");
            assert_eq!(error.kind(), crate::Kind::Disk);
            assert!(error.hint_text().is_some());
        }
        for kind in
            [io::ErrorKind::PermissionDenied, io::ErrorKind::InvalidFilename, io::ErrorKind::FileTooLarge]
        {
            assert!(!error(kind).is_fatal(), "{kind:?}");
        }
        assert_eq!(error(io::ErrorKind::InvalidFilename).failure().reason, Reason::NameUnfit);
        assert_eq!(error(io::ErrorKind::PermissionDenied).failure().reason, Reason::Unwritable);
    }

    #[cfg(unix)]
    #[test]
    fn system_errors_are_sorted() {
        use rustix::io::Errno;
        for (errno, fault) in [
            (Errno::NOSPC, Fault::Full),
            (Errno::DQUOT, Fault::Full),
            (Errno::ROFS, Fault::ReadOnly),
            (Errno::IO, Fault::Broken),
            (Errno::NXIO, Fault::Broken),
            (Errno::STALE, Fault::Broken),
            (Errno::MFILE, Fault::Exhausted),
            (Errno::LOOP, Fault::NotDirectory),
            (Errno::ILSEQ, Fault::BadName),
            (Errno::FBIG, Fault::Other),
        ] {
            assert_eq!(DiskError::from(errno).fault(), fault, "{errno:?}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn what_ends_a_transfer_says_what_to_do() {
        use rustix::io::Errno;
        for (errno, advice) in [
            (Errno::NOSPC, "Make room on that disk"),
            (Errno::DQUOT, "Your share of that disk is used up"),
            (Errno::ROFS, "--out"),
            (Errno::IO, "Check that disk"),
            (Errno::NXIO, "Check that disk"),
            (Errno::STALE, "a network one"),
        ] {
            let error = DiskError::from(errno);
            assert!(error.is_fatal(), "{errno:?}");
            let error = error.into_error("cannot write x");
            assert_eq!(error.kind(), crate::Kind::Disk);
            assert!(error.hint_text().is_some_and(|hint| hint.contains(advice)), "{errno:?}: {error}");
        }
    }
}

//! Open files on Unix.

use std::os::fd::OwnedFd;

use rustix::fs::{FlockOperation, SeekFrom};
use rustix::io::{Errno, retry_on_intr};

use super::{set_meta, stat_of};
use crate::disk::{DiskError, Fault, File, Result, Stat, Stretch};
use crate::proto::manifest::Meta;

/// An open file.
#[derive(Debug)]
pub struct UnixFile(OwnedFd);

impl UnixFile {
    pub(super) fn new(fd: OwnedFd) -> UnixFile {
        UnixFile(fd)
    }
}

impl File for UnixFile {
    fn stat(&self) -> Result<Stat> {
        Ok(stat_of(&rustix::fs::fstat(&self.0)?))
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match rustix::io::pread(&self.0, &mut buffer[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(filled)
    }

    fn stretch(&self, offset: u64, size: u64) -> Result<Stretch> {
        let data = match rustix::fs::seek(&self.0, SeekFrom::Data(offset)) {
            Ok(data) => data,
            // No data from here on: one hole to the end.
            Err(Errno::NXIO) => size,
            // The file system does not tell: it is all data.
            Err(Errno::INVAL | Errno::OPNOTSUPP | Errno::NOSYS) => {
                return Ok(Stretch { is_hole: false, end: size });
            }
            Err(errno) => return Err(errno.into()),
        };
        if data > offset {
            return Ok(Stretch { is_hole: true, end: data.min(size) });
        }
        match rustix::fs::seek(&self.0, SeekFrom::Hole(offset)) {
            // The end of a file counts as a hole; a file that was cut meanwhile is found by whoever reads it.
            Ok(hole) if hole > offset => Ok(Stretch { is_hole: false, end: hole.min(size) }),
            Ok(_) | Err(Errno::NXIO) => Ok(Stretch { is_hole: false, end: size }),
            Err(errno) => Err(errno.into()),
        }
    }

    fn will_read_all(&self) {
        #[cfg(not(target_vendor = "apple"))]
        {
            // Only a hint: whether it is taken makes no difference to what is read.
            let _ = rustix::fs::fadvise(&self.0, 0, None, rustix::fs::Advice::Sequential);
        }
    }

    fn write_at(&self, mut bytes: &[u8], mut offset: u64) -> Result<()> {
        while !bytes.is_empty() {
            match rustix::io::pwrite(&self.0, bytes, offset) {
                Ok(0) => return Err(DiskError::of(Fault::Broken, "the system wrote nothing")),
                Ok(count) => {
                    bytes = &bytes[count..];
                    offset += count as u64;
                }
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(())
    }

    fn set_len(&self, length: u64) -> Result<()> {
        Ok(retry_on_intr(|| rustix::fs::ftruncate(&self.0, length))?)
    }

    fn set_meta(&self, meta: &Meta) -> Result<()> {
        set_meta(&self.0, meta, 0o666)
    }

    fn sync(&self) -> Result<()> {
        Ok(retry_on_intr(|| rustix::fs::fsync(&self.0))?)
    }

    fn sync_data(&self) -> Result<()> {
        #[cfg(any(target_vendor = "apple", target_os = "dragonfly"))]
        return self.sync();
        #[cfg(not(any(target_vendor = "apple", target_os = "dragonfly")))]
        Ok(retry_on_intr(|| rustix::fs::fdatasync(&self.0))?)
    }

    fn try_lock(&self) -> Result<bool> {
        loop {
            match rustix::fs::flock(&self.0, FlockOperation::NonBlockingLockExclusive) {
                // A file system without locks, or one that has run out of them (NFS without its lock daemon).
                Ok(()) | Err(Errno::NOLCK | Errno::OPNOTSUPP | Errno::NOSYS) => return Ok(true),
                Err(Errno::WOULDBLOCK) => return Ok(false),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}

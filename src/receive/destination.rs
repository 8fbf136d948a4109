//! Where entries end: a directory, or a stream.

use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::sink::{Output, Rules, Sink, Stop, StreamSink};
use crate::disk::{Claim, create_output};
use crate::error::{Error, Kind, Result};
use crate::proto::chunk::ChunkSize;

/// A place that was looked at and not touched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// Below this directory; it is made when the person has accepted.
    Directory(PathBuf),
    /// The one file that is sent goes to this stream.
    Stream(Outlet),
    /// The one file that is sent is held in memory: a text to be shown.
    Memory(Held),
}

/// A stream to write to: standard output, or what a program takes it with. Clones share it.
#[derive(Clone)]
pub struct Outlet {
    stream: Arc<Mutex<dyn Write + Send>>,
    claim: Claim,
}

impl Outlet {
    /// This stream.
    pub fn new(writer: impl Write + Send + 'static) -> Outlet {
        Outlet { stream: Arc::new(Mutex::new(writer)), claim: Claim::default() }
    }

    /// Takes it for one transfer.
    ///
    /// # Errors
    /// Kind `Usage`: another one has it, or had it.
    pub(crate) fn claim(&self) -> Result<()> {
        self.claim.take()
    }

    fn lock(&self) -> MutexGuard<'_, dyn Write + Send + 'static> {
        self.stream.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Write for Outlet {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.lock().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.lock().flush()
    }
}

impl fmt::Debug for Outlet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Outlet")
    }
}

impl PartialEq for Outlet {
    fn eq(&self, other: &Outlet) -> bool {
        Arc::ptr_eq(&self.stream, &other.stream)
    }
}

impl Eq for Outlet {}

/// A text, while it comes. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Held(Arc<Mutex<Vec<u8>>>);

impl Held {
    /// What has come, whatever it is, as text.
    pub(super) fn take(&self) -> String {
        let bytes = std::mem::take(&mut *self.lock());
        String::from_utf8(bytes)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How much comes is bounded by who writes: no more than was announced.
impl Write for Held {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl PartialEq for Held {
    fn eq(&self, other: &Held) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Held {}

impl Destination {
    /// Looks whether entries could be put there; `-` is standard output. What can be known to fail fails now,
    /// before the other side is troubled.
    ///
    /// # Errors
    /// Kind `Disk`, when something that is no directory stands there.
    pub fn check(out: &Path) -> Result<Destination> {
        if out.as_os_str() == "-" {
            return Ok(Destination::Stream(Outlet::new(io::stdout())));
        }
        match std::fs::metadata(out) {
            Ok(found) if !found.is_dir() => {
                Err(Error::new(Kind::Disk, format!("{} is not a directory", out.display()))
                    .hint("Give the directory to put things in with --out."))
            }
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Error::new(Kind::Disk, format!("cannot use {}", out.display())).caused_by(error))
            }
            Ok(_) if !is_writable(out) => {
                Err(Error::new(Kind::Disk, format!("nothing can be written into {}", out.display()))
                    .hint("Change its permissions, or choose another directory with --out."))
            }
            _ => Ok(Destination::Directory(out.to_path_buf())),
        }
    }

    /// Opens it, making the directory and those above it where they are missing; `rules` say how what stands
    /// there is treated. Once `stop` is set the output does nothing more.
    ///
    /// # Errors
    /// Kind `Disk`, when that fails.
    pub fn open(self, chunk: ChunkSize, rules: Rules, stop: Stop) -> Result<Box<dyn Output>> {
        match self {
            Destination::Directory(path) => {
                Ok(Box::new(Sink::new(create_output(&path)?, chunk, rules, stop)))
            }
            Destination::Stream(outlet) => Ok(Box::new(StreamSink::new(outlet, chunk, stop))),
            Destination::Memory(held) => Ok(Box::new(StreamSink::new(held, chunk, stop))),
        }
    }
}

/// Whether this process may make things in a directory, as far as the system tells beforehand.
#[cfg(unix)]
pub(super) fn is_writable(directory: &Path) -> bool {
    use rustix::fs::{Access, access};
    access(directory, Access::WRITE_OK | Access::EXEC_OK).is_ok()
}

/// Windows tells only when it is tried.
#[cfg(not(unix))]
pub(super) fn is_writable(_: &Path) -> bool {
    true
}

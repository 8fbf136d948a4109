//! The small files that a relay reads, and reads again while it runs.

use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::path::Path;

use zeroize::Zeroizing;

/// What was in a file. It may be a secret, so it is wiped.
#[derive(Debug)]
pub struct Contents {
    /// All of it.
    pub bytes: Zeroizing<Vec<u8>>,
    /// Every user of this machine can read it.
    pub others_may_read: bool,
}

/// Opens a regular file, and nothing else.
///
/// # Errors
/// What the system says; or that it is no file.
pub fn open(path: &Path) -> io::Result<File> {
    // Looked at before it is opened: to open a pipe is to wait for its other end.
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
    }
    File::open(path)
}

/// Reads a file of `max` bytes at most.
///
/// # Errors
/// What the system says; or that it is longer, or no file: whoever reads a pipe again waits for ever.
pub fn read(path: &Path, max: u64) -> io::Result<Contents> {
    let file = open(path)?;
    let metadata = file.metadata()?;
    let too_long = || io::Error::new(io::ErrorKind::FileTooLarge, format!("it has more than {max} bytes"));
    let length = usize::try_from(metadata.len().min(max)).map_err(|_| too_long())?;
    // One buffer from the beginning: one that grows leaves copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(length + 1));
    file.take(max + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max {
        return Err(too_long());
    }
    Ok(Contents { bytes, others_may_read: others_may_read(&metadata) })
}

#[cfg(unix)]
fn others_may_read(metadata: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    metadata.mode() & 0o004 != 0
}

#[cfg(not(unix))]
fn others_may_read(_: &Metadata) -> bool {
    false
}

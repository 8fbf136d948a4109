//! The binaries that a relay hands out: its own, and those in a directory.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::sync::Arc;

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

use crate::relay::files;
use crate::{Error, Kind, Result};

/// What somebody can have, by target.
#[derive(Debug, Default)]
pub struct Shelf(BTreeMap<&'static str, Binary>);

/// One binary. The file is held open, so that one that is replaced while it is fetched stays what it was announced to be.
#[derive(Clone, Debug)]
pub struct Binary {
    /// To be read from any place, by several at once.
    pub file: Arc<File>,
    /// How long it is, in bytes.
    pub bytes: u64,
    /// SHA-256 of it, 64 hexadecimal digits.
    pub sum: Arc<str>,
}

impl Shelf {
    /// Reads what there is: the program that runs, if it is for one of [`TARGETS`], and what of them is in `dir`, which goes before. What cannot be read
    /// is left out, with a warning.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn fill(dir: Option<&Path>) -> Result<Shelf> {
        let mut shelf = Shelf::default();
        if let Some(target) = own_target() {
            match own_program().and_then(Binary::read) {
                Ok(binary) => shelf.put(target, binary),
                Err(error) => {
                    tracing::warn!(%error, target, "cannot read this program: it is not handed out");
                }
            }
        }
        let Some(dir) = dir else { return Ok(shelf) };
        std::fs::read_dir(dir).map_err(|error| {
            Error::new(Kind::Usage, format!("cannot read the directory of binaries {}", dir.display()))
                .hint("Give a directory with --dl-dir that holds a file for each target, such as aarch64-unknown-linux-musl.")
                .caused_by(error)
        })?;
        for target in TARGETS {
            match files::open(&dir.join(target)).and_then(Binary::read) {
                Ok(binary) => shelf.put(target, binary),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => tracing::warn!(%error, target, "cannot read a binary: it is not handed out"),
            }
        }
        Ok(shelf)
    }

    /// The binary for a target.
    #[must_use]
    pub fn get(&self, target: &str) -> Option<&Binary> {
        self.0.get(target)
    }

    /// Every target there is something for, with its SHA-256, in order.
    pub fn sums(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().map(|(target, binary)| (*target, &*binary.sum))
    }

    fn put(&mut self, target: &'static str, binary: Binary) {
        self.0.insert(target, binary);
    }
}

impl Binary {
    fn read(mut file: File) -> io::Result<Binary> {
        let (mut sum, mut bytes) = (Sha256::new(), 0);
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            let read = file.read(&mut piece)?;
            if read == 0 {
                break;
            }
            sum.update(piece.get(..read).unwrap_or_default());
            bytes += read as u64;
        }
        if bytes == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it is empty"));
        }
        Ok(Binary { file: Arc::new(file), bytes, sum: HEXLOWER.encode(&sum.finalize()).into() })
    }

    /// Reads from `offset` on, without moving any other reader. Blocks on the disk.
    ///
    /// # Errors
    /// What the system says; or that the file has become shorter.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        #[cfg(unix)]
        let read = std::os::unix::fs::FileExt::read_at(&*self.file, buffer, offset)?;
        #[cfg(windows)]
        let read = std::os::windows::fs::FileExt::seek_read(&*self.file, buffer, offset)?;
        if read == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(read) }
    }
}

/// The program that runs, even if its file has been replaced or removed since.
fn own_program() -> io::Result<File> {
    if cfg!(target_os = "linux") {
        return File::open("/proc/self/exe");
    }
    File::open(std::env::current_exe()?)
}

/// The target this program was built for, if others can have it as it is: one that needs a library of this very system is for nobody else.
fn own_target() -> Option<&'static str> {
    TARGETS.into_iter().find(|target| {
        let system = if cfg!(all(target_os = "linux", target_env = "musl")) {
            "unknown-linux-musl"
        } else if cfg!(target_os = "macos") {
            "apple-darwin"
        } else if cfg!(all(windows, target_env = "gnu")) {
            "pc-windows-gnu"
        } else {
            return false;
        };
        target.strip_prefix(std::env::consts::ARCH).and_then(|rest| rest.strip_prefix('-')) == Some(system)
    })
}

/// Everything that can be asked for. A closed list: what somebody asks for never becomes a path.
pub const TARGETS: [&str; 5] = [
    "aarch64-apple-darwin",
    "aarch64-unknown-linux-musl",
    "x86_64-apple-darwin",
    "x86_64-pc-windows-gnu",
    "x86_64-unknown-linux-musl",
];

/// What is read at a time.
const PIECE_BYTES: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_fills_the_shelf_and_only_with_what_is_known() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("aarch64-unknown-linux-musl"), b"abc").unwrap();
        std::fs::write(dir.path().join("x86_64-apple-darwin"), b"").unwrap();
        std::fs::create_dir(dir.path().join("x86_64-pc-windows-gnu")).unwrap();
        std::fs::write(dir.path().join("secret.txt"), b"no").unwrap();
        let shelf = Shelf::fill(Some(dir.path())).unwrap();
        let arm = shelf.get("aarch64-unknown-linux-musl").unwrap();
        // FIPS 180-2, appendix B.1.
        assert_eq!(&*arm.sum, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        let mut bytes = [0; 8];
        assert_eq!((arm.bytes, arm.read_at(&mut bytes, 1).unwrap(), &bytes[..2]), (3, 2, &b"bc"[..]));
        assert!(arm.read_at(&mut bytes, 3).is_err());
        for none in ["secret.txt", "../secret.txt", "", "x86_64-apple-darwin", "x86_64-pc-windows-gnu"] {
            assert!(shelf.get(none).is_none(), "{none}");
        }
    }

    #[test]
    fn what_is_announced_stays_what_is_handed_out() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("aarch64-unknown-linux-musl");
        std::fs::write(&path, b"old").unwrap();
        let shelf = Shelf::fill(Some(dir.path())).unwrap();
        std::fs::write(dir.path().join("new"), b"new").unwrap();
        std::fs::rename(dir.path().join("new"), &path).unwrap();
        let mut bytes = [0; 3];
        shelf.get("aarch64-unknown-linux-musl").unwrap().read_at(&mut bytes, 0).unwrap();
        assert_eq!(&bytes, b"old");
    }

    #[test]
    fn a_directory_that_is_not_there_is_said_at_once() {
        let error = Shelf::fill(Some(Path::new("/nowhere/at/all"))).unwrap_err();
        assert_eq!(error.kind(), Kind::Usage);
        assert!(error.hint_text().is_some());
    }

    #[test]
    fn this_very_program_is_handed_out_where_it_is_for_everybody() {
        let shelf = Shelf::fill(None).unwrap();
        let is_for_all = cfg!(target_env = "musl") || cfg!(target_os = "macos");
        assert_eq!(own_target().is_some(), is_for_all || cfg!(windows));
        assert_eq!(shelf.sums().count(), usize::from(own_target().is_some()));
    }
}

//! The file of `--checksums`: a line for each file that was delivered, as `sha256sum -c` and `b3sum --check` read them.
//!
//! It is written beside its place while files arrive, so that no list is kept, and takes its name when the transfer has ended in order.
//! Names are those below the output directory. One that has a backslash or a line's end in it is escaped as those tools do it: a backslash begins the line.

use std::fs::{self, File, Metadata};
use std::io::{self, BufWriter, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::destination::is_writable;
use super::sink::Summed;
use crate::error::{Error, Kind, Result};

/// How files are summed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Algorithm {
    /// SHA-256, for `sha256sum -c`.
    #[default]
    Sha256,
    /// BLAKE3, for `b3sum --check`; it costs nothing, since every file is hashed with it in any case.
    Blake3,
}

/// Where checksums of what is delivered go, once the transfer has ended in order; what stood there is replaced then.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Checksums {
    /// The file.
    pub file: PathBuf,
    /// What is in it.
    pub with: Algorithm,
}

/// A file that was looked at and not touched.
#[derive(Clone, Debug)]
pub struct SumFile {
    checksums: Checksums,
    /// What stood there before: what the transfer itself may put there is not replaced.
    stood: Option<Seen>,
}

/// Enough to tell one file from another that was put in its place.
type Seen = (u64, Option<SystemTime>, bool);

/// A file of checksums that is being written.
#[derive(Debug)]
pub(super) struct Writing {
    out: BufWriter<File>,
    unfinished: PathBuf,
    sums: SumFile,
}

impl SumFile {
    /// Looks whether it can be written; `out` will be there by then. What can be known to fail fails now, before the other side is troubled.
    ///
    /// # Errors
    /// Kind `Disk`.
    pub fn check(checksums: &Checksums, out: &Path) -> Result<SumFile> {
        let file = &checksums.file;
        let cannot = |what: &str| {
            Error::new(Kind::Disk, format!("cannot write checksums to {}: {what}", file.display()))
                .hint("Give another file with --checksums.")
        };
        let directory = directory_of(file);
        match fs::metadata(directory) {
            Ok(found) if !found.is_dir() => return Err(cannot("that is in no directory")),
            Ok(_) if !is_writable(directory) => return Err(cannot("nothing can be written there")),
            Err(_) if directory != out => return Err(cannot("its directory is not there")),
            _ => {}
        }
        if file.file_name().is_none() || fs::metadata(file).is_ok_and(|there| there.is_dir()) {
            return Err(cannot("that is a directory"));
        }
        Ok(SumFile { checksums: checksums.clone(), stood: seen(file) })
    }

    /// Begins to write, beside its place.
    pub(super) fn begin(self) -> Result<Writing> {
        let file = &self.checksums.file;
        let mut name = std::ffi::OsString::from(".");
        name.push(file.file_name().unwrap_or_default());
        name.push(format!(".{}.p2pc", std::process::id()));
        let unfinished = directory_of(file).join(name);
        let made = match fs::remove_file(&unfinished) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => File::options().write(true).create_new(true).open(&unfinished),
        };
        let out = made.map_err(|error| cannot_write(&unfinished, error))?;
        Ok(Writing { out: BufWriter::new(out), unfinished, sums: self })
    }
}

impl Writing {
    /// Adds a line.
    pub(super) fn add(&mut self, summed: &Summed) -> Result<()> {
        let line = line(summed);
        self.out.write_all(&line).map_err(|error| cannot_write(&self.unfinished, error))
    }

    /// Gives it its name, durably.
    pub(super) fn commit(mut self) -> Result<()> {
        let file = self.sums.checksums.file.clone();
        if seen(&file) != self.sums.stood {
            return Err(Error::new(
                Kind::Disk,
                format!("{} was written to during the transfer, so it has no checksums", file.display()),
            )
            .hint("Give a file with --checksums that is not among those that are received."));
        }
        let written = self
            .out
            .flush()
            .and_then(|()| self.out.get_ref().sync_all())
            .and_then(|()| fs::rename(&self.unfinished, &file))
            .and_then(|()| sync_directory(directory_of(&file)));
        written.map_err(|error| cannot_write(&file, error))
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        // Of one that has its name there is none any more.
        let _ = fs::remove_file(&self.unfinished);
    }
}

/// One line, with its end.
fn line(summed: &Summed) -> Vec<u8> {
    let name = summed.path.as_bytes();
    let is_escaped = name.iter().any(|byte| matches!(byte, b'\\' | b'\n' | b'\r'));
    let mut line = Vec::with_capacity(name.len() + 68);
    if is_escaped {
        line.push(b'\\');
    }
    line.extend(data_encoding::HEXLOWER.encode(&summed.sum).bytes());
    line.extend_from_slice(b"  ");
    for byte in name {
        match byte {
            b'\\' => line.extend_from_slice(b"\\\\"),
            b'\n' => line.extend_from_slice(b"\\n"),
            b'\r' => line.extend_from_slice(b"\\r"),
            _ => line.push(*byte),
        }
    }
    line.push(b'\n');
    line
}

fn directory_of(file: &Path) -> &Path {
    match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn seen(file: &Path) -> Option<Seen> {
    let about = |there: Metadata| (there.len(), there.modified().ok(), there.is_file());
    fs::symlink_metadata(file).ok().map(about)
}

#[cfg(unix)]
fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// Windows keeps names by itself.
#[cfg(not(unix))]
fn sync_directory(_: &Path) -> io::Result<()> {
    Ok(())
}

fn cannot_write(file: &Path, error: io::Error) -> Error {
    Error::new(Kind::Disk, format!("cannot write checksums to {}", file.display())).caused_by(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::path::{Name, RelPath};

    fn summed(name: &[u8]) -> Summed {
        Summed { path: RelPath::root().join(&Name::new(name).unwrap()).unwrap(), sum: [0xab; 32] }
    }

    fn checksums(file: PathBuf) -> Checksums {
        Checksums { file, with: Algorithm::Sha256 }
    }

    #[test]
    fn a_line_is_escaped_where_it_must_be() {
        let sum = "ab".repeat(32);
        for (name, end) in [(&b"a b"[..], "  a b\n"), (b"*x", "  *x\n")] {
            assert_eq!(line(&summed(name)), format!("{sum}{end}").into_bytes());
        }
        assert_eq!(line(&summed(b"a\\b\nc\r")), format!("\\{sum}  a\\\\b\\nc\\r\n").into_bytes());
    }

    #[test]
    fn it_appears_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("sums");
        fs::write(&file, "old").unwrap();
        let begin = || SumFile::check(&checksums(file.clone()), dir.path()).unwrap().begin().unwrap();
        let mut given_up = begin();
        given_up.add(&summed(b"x")).unwrap();
        drop(given_up);
        assert_eq!(fs::read(&file).unwrap(), b"old");
        let mut writing = begin();
        writing.add(&summed(b"x")).unwrap();
        writing.commit().unwrap();
        assert!(fs::read_to_string(&file).unwrap().ends_with("  x\n"));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_was_received_under_its_name_stays() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("sums");
        let writing = SumFile::check(&checksums(file.clone()), dir.path()).unwrap().begin().unwrap();
        fs::write(&file, "received").unwrap();
        assert_eq!(writing.commit().unwrap_err().kind(), Kind::Disk);
        assert_eq!(fs::read(&file).unwrap(), b"received");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_cannot_be_written_is_told_beforehand() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("out");
        let check = |file: &Path| SumFile::check(&checksums(file.to_path_buf()), &out).map(|_| ());
        assert!(check(&out.join("sums")).is_ok(), "the output directory will be made");
        for file in [dir.path().to_path_buf(), dir.path().join("nowhere/sums"), "/".into()] {
            assert_eq!(check(&file).unwrap_err().kind(), Kind::Disk);
        }
    }
}

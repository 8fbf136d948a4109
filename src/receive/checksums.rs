//! The file of `--checksums`: a line for each file that was delivered, as `sha256sum -c` and `b3sum --check` read them.
//!
//! It is written beside its place while files arrive, so that no list is kept, and takes its name when the transfer has ended in order. Until then it is
//! called as part files are, which no sender can call anything, after a number that nobody can foresee: two receivers with one file of checksums do not
//! meet, nor does anybody find a link in the way. What is written goes through the directory that was opened, and follows none.
//!
//! Names are those below the output directory. One that has a backslash or a line's end in it is escaped as those tools do it: a backslash begins the line.

use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::destination::is_writable;
use super::sink::Summed;
use crate::disk::{self, Dir as _, DiskError, File as _, Native};
use crate::error::{Error, Kind, Result};
use crate::net::pair::random;
use crate::proto::manifest::Meta;
use crate::proto::path::Name;

/// How files are summed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Algorithm {
    /// SHA-256, for `sha256sum -c`.
    #[default]
    Sha256,
    /// BLAKE3, for `b3sum --check`; it costs nothing, since every file is hashed with it in any case.
    Blake3,
}

/// Where checksums of what is delivered go, once the transfer has ended in order; what stood there is replaced then.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    name: Name,
    /// Where everything else is received.
    out: PathBuf,
    /// What stood there before: what the transfer itself may put there is not replaced.
    stood: Option<Seen>,
}

/// Enough to tell one file from another that was put in its place.
type Seen = (u64, Option<SystemTime>, fs::FileType);

/// A file of checksums that is being written.
#[derive(Debug)]
pub(super) struct Writing {
    /// Where it stands, and will.
    dir: Native,
    part: Name,
    /// `None`: it is complete.
    open: Option<<Native as disk::Dir>::File>,
    at: u64,
    /// What is not written yet.
    buffer: Vec<u8>,
    /// Where it is to stand, as a path below the output directory, if it is there.
    inside: Option<Vec<u8>>,
    /// Something was delivered under its name.
    is_received: bool,
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
            Err(_) if !is_same_path(directory, out) => return Err(cannot("its directory is not there")),
            _ => {}
        }
        let name = file.file_name().ok_or_else(|| cannot("that is a directory"))?;
        let name = Name::new(name.as_encoded_bytes()).map_err(|error| cannot(&error.to_string()))?;
        match fs::metadata(file) {
            Ok(there) if there.is_dir() => return Err(cannot("that is a directory")),
            // A device would be replaced by a file, and a pipe has nobody who writes into it then.
            Ok(there) if !there.is_file() => return Err(cannot("that is no file")),
            _ => {}
        }
        Ok(SumFile { checksums: checksums.clone(), name, out: out.to_owned(), stood: seen(file) })
    }

    /// Begins to write, beside its place.
    pub(super) fn begin(self) -> Result<Writing> {
        let unforeseen = data_encoding::HEXLOWER.encode(&*random()?);
        let beside = Name::new(unforeseen.as_bytes()).map(|name| name.part_file());
        let part =
            beside.map_err(|error| Error::new(Kind::Internal, format!("no name for checksums: {error}")))?;
        self.begin_as(part)
    }

    fn begin_as(self, part: Name) -> Result<Writing> {
        let file = &self.checksums.file;
        let opened = Native::open_path(directory_of(file)).and_then(|dir| {
            let open = dir.create_file(&part)?;
            Ok((dir, open))
        });
        let (dir, open) = opened.map_err(|error| cannot_write(file, error))?;
        let inside = self.inside();
        Ok(Writing {
            dir,
            part,
            open: Some(open),
            at: 0,
            buffer: Vec::with_capacity(BUFFER_BYTES),
            inside,
            is_received: false,
            sums: self,
        })
    }

    /// Where it is to stand, as what is delivered there would be called.
    fn inside(&self) -> Option<Vec<u8>> {
        let directory = fs::canonicalize(directory_of(&self.checksums.file)).ok()?;
        let below = directory.strip_prefix(fs::canonicalize(&self.out).ok()?).ok()?;
        let above = below.iter().map(std::ffi::OsStr::as_encoded_bytes);
        Some(above.chain([self.name.as_bytes()]).collect::<Vec<_>>().join(&b'/'))
    }
}

impl Writing {
    /// Adds a line.
    pub(super) fn add(&mut self, summed: &Summed) -> Result<()> {
        self.is_received |= self.inside.as_deref() == Some(summed.path.as_bytes());
        self.buffer.extend(line(summed));
        if self.buffer.len() < BUFFER_BYTES { Ok(()) } else { self.flush() }
    }

    fn flush(&mut self) -> Result<()> {
        let written = self.open.as_ref().map_or(Ok(()), |open| open.write_at(&self.buffer, self.at));
        self.at += self.buffer.len() as u64;
        self.buffer.clear();
        written.map_err(|error| cannot_write(&self.sums.checksums.file, error))
    }

    /// Gives it its name, durably, and the mode of any other new file.
    pub(super) fn commit(mut self) -> Result<()> {
        let file = self.sums.checksums.file.clone();
        if self.is_received || seen(&file) != self.sums.stood {
            return Err(Error::new(
                Kind::Disk,
                format!("{} was written to during the transfer, so it has no checksums", file.display()),
            )
            .hint("Give a file with --checksums that is not among those that are received."));
        }
        self.flush()?;
        self.rename().map_err(|error| cannot_write(&file, error))
    }

    fn rename(&mut self) -> disk::Result<()> {
        if let Some(open) = &self.open {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            let mtime_s = i64::try_from(now.as_secs()).unwrap_or_default();
            open.set_meta(&Meta { mode: None, mtime_s, mtime_ns: now.subsec_nanos() })?;
            open.sync()?;
        }
        // Windows renames nothing that is open.
        self.open = None;
        self.dir.replace(&self.part, &self.sums.name)?;
        self.dir.sync()
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        self.open = None;
        // Of one that has its name there is none any more. Where one stays it is in nobody's way, and is called as what is left of a transfer.
        let _ = self.dir.remove_file(&self.part);
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

/// Whether they are the same as they are written, but for what says nothing: `./in` is `in`.
fn is_same_path(one: &Path, other: &Path) -> bool {
    matches!((std::path::absolute(one), std::path::absolute(other)), (Ok(one), Ok(other)) if one == other)
}

fn seen(file: &Path) -> Option<Seen> {
    let about = |there: Metadata| (there.len(), there.modified().ok(), there.file_type());
    fs::symlink_metadata(file).ok().map(about)
}

fn cannot_write(file: &Path, error: DiskError) -> Error {
    error
        .into_error(format!("cannot write checksums to {}", file.display()))
        .hint("Make room there, or give another file with --checksums.")
}

/// Written at once: some hundred lines.
const BUFFER_BYTES: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::path::{NameError, RelPath};

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
        let (deep, file) = (dir.path().join("deep"), dir.path().join("deep/sums"));
        fs::create_dir(&deep).unwrap();
        let begin = || SumFile::check(&checksums(file.clone()), dir.path()).unwrap().begin().unwrap();
        let writing = begin();
        fs::write(&file, "received").unwrap();
        assert_eq!(writing.commit().unwrap_err().kind(), Kind::Disk);
        // It was there already, and the same: then nothing was written.
        let mut writing = begin();
        let path = ["deep", "sums"]
            .iter()
            .fold(RelPath::root(), |path, name| path.join(&Name::new(name.as_bytes()).unwrap()).unwrap());
        writing.add(&Summed { path, sum: [0; 32] }).unwrap();
        assert_eq!(writing.commit().unwrap_err().kind(), Kind::Disk);
        assert_eq!(fs::read(&file).unwrap(), b"received");
        assert_eq!(fs::read_dir(&deep).unwrap().count(), 1);
        // One of that name elsewhere is another one.
        let mut writing = begin();
        writing.add(&summed(b"sums")).unwrap();
        writing.commit().unwrap();
        assert_ne!(fs::read(&file).unwrap(), b"received");
    }

    /// No sender can call anything like that, and nobody knows beforehand what it is called.
    #[cfg(unix)]
    #[test]
    fn until_it_is_whole_it_is_a_part_file_for_our_eyes_only() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let (file, usual) = (dir.path().join("sums"), dir.path().join("usual"));
        let begin = || SumFile::check(&checksums(file.clone()), dir.path()).unwrap().begin().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        // Two at once do not meet.
        let (first, second) = (begin(), begin());
        let parts: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap()).collect();
        assert_eq!(parts.len(), 2);
        for part in parts {
            assert_eq!(Name::new(part.file_name().as_encoded_bytes()), Err(NameError::Reserved));
            assert_eq!(mode(&part.path()), 0o600);
        }
        drop(first);
        second.commit().unwrap();
        fs::write(&usual, "").unwrap();
        assert_eq!(mode(&file), mode(&usual), "as of any other new file");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }

    #[cfg(unix)]
    #[test]
    fn nothing_that_stands_there_is_written_into() {
        use std::os::unix::fs::symlink;
        let dir = tempfile::tempdir().unwrap();
        let (file, other) = (dir.path().join("sums"), dir.path().join("other"));
        fs::write(&other, "mine").unwrap();
        let check = || SumFile::check(&checksums(file.clone()), dir.path()).unwrap();
        let part = Name::new(b"x").unwrap().part_file();
        let there = dir.path().join(std::str::from_utf8(part.as_bytes()).unwrap());
        symlink(&other, &there).unwrap();
        assert_eq!(check().begin_as(part).unwrap_err().kind(), Kind::Disk);
        assert!(fs::symlink_metadata(&there).unwrap().is_symlink(), "it is not ours to remove");
        // A link under its own name is replaced, and what it leads to stays.
        symlink(&other, &file).unwrap();
        let mut writing = check().begin().unwrap();
        writing.add(&summed(b"x")).unwrap();
        writing.commit().unwrap();
        assert!(fs::symlink_metadata(&file).unwrap().is_file());
        assert_eq!(fs::read(&other).unwrap(), b"mine");
    }

    #[test]
    fn many_lines_are_all_written_in_their_order() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("sums");
        let mut writing = SumFile::check(&checksums(file.clone()), dir.path()).unwrap().begin().unwrap();
        let all: Vec<Summed> = (0..3000).map(|number| summed(number.to_string().as_bytes())).collect();
        for summed in &all {
            writing.add(summed).unwrap();
        }
        writing.commit().unwrap();
        assert_eq!(fs::read(&file).unwrap(), all.iter().flat_map(line).collect::<Vec<_>>());
    }

    #[test]
    fn what_cannot_be_written_is_told_beforehand() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("out");
        let check = |file: &Path| SumFile::check(&checksums(file.to_path_buf()), &out).map(|_| ());
        assert!(check(&out.join("sums")).is_ok(), "the output directory will be made");
        assert!(check(&dir.path().join("./out/sums")).is_ok(), "however it is written");
        fs::write(dir.path().join("file"), "").unwrap();
        for (file, what) in [
            (dir.path().to_path_buf(), "that is a directory"),
            (dir.path().join("nowhere/sums"), "its directory is not there"),
            (dir.path().join("file/sums"), "that is in no directory"),
            (dir.path().join(".p2pc-1.part"), "a name kept for part files"),
            ("/".into(), "that is a directory"),
            #[cfg(unix)]
            ("/dev/null".into(), "that is no file"),
        ] {
            let error = check(&file).unwrap_err();
            assert_eq!(error.kind(), Kind::Disk);
            assert!(error.to_string().ends_with(what), "{error}");
        }
    }
}

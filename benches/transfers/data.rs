//! The things that are carried, made once from what any machine has that builds p2pc, and used again while they are there.
//!
//! | name | what |
//! | --- | --- |
//! | `random.bin`, `random-64.bin` | BLAKE3's output for a fixed key: the same bytes everywhere, and nothing to compress |
//! | `text.rs`, `text-64.rs` | the sources of the packages that cargo has fetched |
//! | `binary.so` | the toolchain's libraries and programs, one behind the other |
//! | `mix/` | files of 8 MiB, of the three kinds in turn |
//! | `small/` | 10,000 files of 4 KiB of text |
//! | `files/`, `files-1000/` | files of cargo's packages, in their directories: 10,000 of any size, 1,000 of at least 1 KiB |
//! | `tiny` | 1 KiB of text |
//!
//! Every list of files is sorted, and what is taken of it is chosen by a hash of the name, so that a machine with the same toolchain and packages
//! makes the same sets. What is too short for its size is repeated: no tool here looks back further than some MiB.

use std::collections::BTreeMap;
use std::env;
use std::fs::{self, File};
use std::io::{self, BufReader, Error, Read};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The directory with the sets.
pub struct Data {
    directory: PathBuf,
    /// The size of the largest set; the others follow.
    mib: u64,
}

/// The sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Set {
    /// 1 GiB of random bytes, or as many MiB as were wanted.
    Random,
    /// 64 MiB of them.
    Random64,
    /// Half as much text.
    Text,
    /// 64 MiB of it.
    Text64,
    /// A quarter as much machine code.
    Binary,
    /// Half as much of all three.
    Mix,
    /// 10,000 files of 4 KiB.
    Small,
    /// 10,000 real files.
    Files,
    /// 1,000 of at least 1 KiB.
    Files1000,
    /// 1 KiB.
    Tiny,
}

impl Set {
    /// All of them.
    pub const ALL: [Set; 10] = [
        Set::Random,
        Set::Random64,
        Set::Text,
        Set::Text64,
        Set::Binary,
        Set::Mix,
        Set::Small,
        Set::Files,
        Set::Files1000,
        Set::Tiny,
    ];
}

impl Data {
    /// In that directory, made if it is missing.
    pub fn at(directory: PathBuf, mib: u64) -> io::Result<Data> {
        fs::create_dir_all(&directory)?;
        Ok(Data { directory: directory.canonicalize()?, mib })
    }

    /// Where that set is. Makes it if it is not there.
    pub fn get(&self, set: Set) -> io::Result<PathBuf> {
        let name = match set {
            Set::Random => format!("random-{}.bin", self.mib),
            Set::Random64 => "random-64.bin".to_owned(),
            Set::Text => format!("text-{}.rs", self.mib / 2),
            Set::Text64 => "text-64.rs".to_owned(),
            Set::Binary => format!("binary-{}.so", self.mib / 4),
            Set::Mix => format!("mix-{}", self.mib / 2),
            Set::Small => "small".to_owned(),
            Set::Files => "files".to_owned(),
            Set::Files1000 => "files-1000".to_owned(),
            Set::Tiny => "tiny".to_owned(),
        };
        let path = self.directory.join(name);
        if path.exists() {
            return Ok(path);
        }
        println!("making {}", path.display());
        // Under another name until it is whole: what was interrupted must not be taken for the set.
        let part = path.with_extension("part");
        remove(&part)?;
        self.make(set, &part)?;
        fs::rename(&part, &path)?;
        Ok(path)
    }

    fn make(&self, set: Set, at: &Path) -> io::Result<()> {
        match set {
            Set::Random => write(at, random(self.mib * MIB)),
            Set::Random64 => write(at, random(64 * MIB)),
            Set::Text => write(at, text()?.take(self.mib / 2 * MIB)),
            Set::Text64 => write(at, text()?.take(64 * MIB)),
            Set::Binary => write(at, machine_code()?.take(self.mib / 4 * MIB)),
            Set::Mix => self.mix(at),
            Set::Small => small(at),
            Set::Files => real_files(at, 10_000, 0),
            Set::Files1000 => real_files(at, 1000, 1024),
            Set::Tiny => write(at, text()?.take(1024)),
        }
    }

    fn mix(&self, at: &Path) -> io::Result<()> {
        let mut kinds: [(&str, Box<dyn Read>); 3] = [
            ("source.rs", Box::new(text()?)),
            ("library.so", Box::new(machine_code()?)),
            ("photo.raw", Box::new(random(self.mib * MIB))),
        ];
        fs::create_dir_all(at)?;
        for number in 0..self.mib / 2 / MIX_FILE_MIB {
            for (kind, (name, content)) in (0..).zip(&mut kinds) {
                if number % 3 == kind {
                    write(&at.join(format!("{number:03}-{name}")), content.take(MIX_FILE_MIB * MIB))?;
                }
            }
        }
        Ok(())
    }
}

/// A file or a directory, if it is there.
pub fn remove(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(kind) if kind.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// How many files, and how many bytes in them.
pub fn measure(path: &Path) -> io::Result<(u64, u64)> {
    let metadata = fs::symlink_metadata(path)?;
    if !metadata.is_dir() {
        return Ok((1, metadata.len()));
    }
    let mut sum = (0, 0);
    for entry in fs::read_dir(path)? {
        let (files, bytes) = measure(&entry?.path())?;
        sum = (sum.0 + files, sum.1 + bytes);
    }
    Ok(sum)
}

fn write(path: &Path, mut content: impl Read) -> io::Result<()> {
    io::copy(&mut content, &mut File::create(path)?).map(drop)
}

fn random(bytes: u64) -> impl Read {
    let output = blake3::Hasher::new().update(b"p2pc benchmarks: random bytes").finalize_xof();
    BufReader::with_capacity(1024 * 1024, output.take(bytes))
}

/// Sources rather than pages of documentation: those of a generator are ten times smaller when they are compressed, which no text of
/// people is.
fn text() -> io::Result<impl Read> {
    let is_text = |path: &Path| path.extension().is_some_and(|found| found == "rs" || found == "md");
    let files = list(&cargo_home()?.join("registry/src"), &is_text);
    if files.is_empty() {
        return Err(Error::other("no text: cargo has fetched no sources"));
    }
    Ok(endless(chosen(files)))
}

fn machine_code() -> io::Result<impl Read> {
    let is_library = |path: &Path| {
        path.extension().is_some_and(|extension| extension == "so" || extension == "rlib")
            && !path.is_symlink()
    };
    let files: BTreeMap<PathBuf, u64> =
        toolchains()?.iter().flat_map(|toolchain| list(&toolchain.join("lib"), &is_library)).collect();
    if files.is_empty() {
        return Err(Error::other(
            "no machine code: the toolchain's libraries are not where rustup puts them",
        ));
    }
    Ok(endless(files.into_keys().collect()))
}

/// What rustup has installed, that which builds p2pc first.
fn toolchains() -> io::Result<Vec<PathBuf>> {
    let output = Command::new("rustc").args(["--print", "sysroot"]).output()?;
    let mine = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    let mut others: Vec<PathBuf> = match mine.parent().map(fs::read_dir) {
        Some(Ok(entries)) => entries.filter_map(|entry| Some(entry.ok()?.path())).collect(),
        _ => Vec::new(),
    };
    others.retain(|path| *path != mine);
    others.sort();
    others.insert(0, mine);
    Ok(others)
}

fn cargo_home() -> io::Result<PathBuf> {
    let home = || Some(Path::new(&env::var_os("HOME")?).join(".cargo"));
    env::var_os("CARGO_HOME").map(PathBuf::from).or_else(home).ok_or_else(|| Error::other("HOME is not set"))
}

fn small(at: &Path) -> io::Result<()> {
    let mut content = text()?;
    for number in 0..SMALL_FILES {
        let directory = at.join(format!("{:02}", number / SMALL_FILES_A_DIRECTORY));
        fs::create_dir_all(&directory)?;
        write(&directory.join(format!("{number:05}.txt")), (&mut content).take(4096))?;
    }
    Ok(())
}

/// So many files of the packages that cargo has fetched, of at least that size, with their paths.
fn real_files(at: &Path, count: usize, bytes_min: u64) -> io::Result<()> {
    let root = cargo_home()?.join("registry/src");
    let files = list(&root, &|path| !path.is_symlink());
    let sizes = bytes_min..=REAL_FILE_BYTES_MAX;
    let fitting: BTreeMap<PathBuf, u64> =
        files.into_iter().filter(|(_, bytes)| sizes.contains(bytes)).collect();
    for path in chosen(fitting).into_iter().take(count) {
        let below = path.strip_prefix(&root).map_err(Error::other)?;
        let to = at.join(below);
        if let Some(directory) = to.parent() {
            fs::create_dir_all(directory)?;
        }
        fs::copy(&path, &to)?;
    }
    Ok(())
}

/// The files below a directory, with their sizes. What cannot be read is not there.
fn list(directory: &Path, wanted: &dyn Fn(&Path) -> bool) -> BTreeMap<PathBuf, u64> {
    let mut found = BTreeMap::new();
    let mut directories = vec![directory.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).into_iter().flatten().filter_map(Result::ok) {
            let path = entry.path();
            match entry.metadata() {
                Ok(metadata) if metadata.is_dir() => directories.push(path),
                Ok(metadata) if metadata.is_file() && wanted(&path) => {
                    found.insert(path, metadata.len());
                }
                _ => {}
            }
        }
    }
    found
}

/// In an order that has nothing to do with what is in them, and is the same every time.
fn chosen(files: BTreeMap<PathBuf, u64>) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = files.into_keys().collect();
    // The directories above differ from machine to machine; the last three names do not.
    let key = |path: &PathBuf| {
        let names: Vec<_> = path.iter().rev().take(3).map(|name| name.as_encoded_bytes().to_vec()).collect();
        *blake3::hash(&names.concat()).as_bytes()
    };
    files.sort_by_cached_key(key);
    files
}

/// The contents of all files, one behind the other, again and again.
fn endless(files: Vec<PathBuf>) -> impl Read {
    struct Endless {
        files: std::iter::Cycle<std::vec::IntoIter<PathBuf>>,
        current: io::Cursor<Vec<u8>>,
    }
    impl Read for Endless {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            loop {
                let read = self.current.read(buffer)?;
                if read > 0 || buffer.is_empty() {
                    return Ok(read);
                }
                let next = self.files.next().ok_or_else(|| Error::other("no files"))?;
                self.current = io::Cursor::new(fs::read(next)?);
            }
        }
    }
    Endless { files: files.into_iter().cycle(), current: io::Cursor::default() }
}

const MIB: u64 = 1024 * 1024;
const MIX_FILE_MIB: u64 = 8;
const SMALL_FILES: usize = 10_000;
const SMALL_FILES_A_DIRECTORY: usize = 100;
/// Packages hold a few tables of megabytes, which would make up a quarter of the set.
const REAL_FILE_BYTES_MAX: u64 = 1024 * 1024;

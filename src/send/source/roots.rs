//! What the arguments of `send` mean: which things on this machine, and under which names at the other end.
//!
//! | argument | name at the other end |
//! | --- | --- |
//! | `a/b`, `a/b/` | `b`: a trailing slash means nothing |
//! | `.`, `..`, `a/..` | the real name of that directory |
//! | a link | the link's own name, with the contents of what it points to |
//! | a second one of a name already taken | `b-2`, and `report-2.txt` for a file `report.txt` |
//! | the same thing under the same name again | sent once |
//! | `-` | `stdin` |
//! | the only one, or `-`, where a name is given | that name |
//! | `/` | none: refused |

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use crate::error::{Error, Kind, Result};
use crate::proto::limits::{NAME_BYTES_MAX, SHOWN_BYTES_MAX};
use crate::proto::path::{Name, RelPath};

use super::exclude::Exclude;
use super::list::PathList;

/// The arguments, checked and named. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Roots {
    inner: Arc<Inner>,
    exclude: Exclude,
}

/// An argument that got another name because its own was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renamed {
    /// The argument.
    pub path: PathBuf,
    /// What it is called at the other end.
    pub name: Name,
}

#[derive(Debug, Default)]
struct Inner {
    list: Vec<Root>,
    by_name: HashMap<Name, usize>,
    renamed: Vec<Renamed>,
    listed: Option<PathList>,
}

/// One argument.
#[derive(Debug)]
pub(super) struct Root {
    pub(super) name: Name,
    pub(super) place: Place,
}

/// Where an argument is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Place {
    /// Standard input.
    Input,
    /// A text that was given.
    Text(Arc<str>),
    /// A directory.
    Directory(PathBuf),
    /// Anything else, by its directory and name.
    Inside(PathBuf, Name),
    /// What a list has of that name in this directory.
    Listed(Arc<Path>),
}

/// Where an entry is.
#[derive(Debug)]
pub(super) enum Located<'a> {
    /// Standard input.
    Input,
    /// This text.
    Text(&'a str),
    /// At a path below a directory.
    Below(&'a Path, RelPath),
}

impl Roots {
    /// Checks the arguments and names them.
    ///
    /// # Errors
    /// Kind `Usage`, when there are none, or one is missing or has no name.
    pub fn new(paths: &[PathBuf]) -> Result<Roots> {
        Roots::named(paths, None)
    }

    /// The same; standard input, or else the only one, is called `name` at the other end.
    ///
    /// # Errors
    /// As [`Roots::new`], and when `name` is no name, or it is not clear whose.
    pub fn named(paths: &[PathBuf], name: Option<&OsStr>) -> Result<Roots> {
        if paths.is_empty() {
            return Err(Error::new(Kind::Usage, "nothing to send").hint("Name files or directories."));
        }
        let name = name.map(new_name).transpose()?;
        let is_meant = |path: &PathBuf| paths.len() == 1 || path.as_os_str() == "-";
        if name.is_some() && !paths.iter().any(is_meant) {
            return Err(Error::new(
                Kind::Usage,
                "a name is given, and it is not clear for which of the paths",
            )
            .hint("It is for standard input (`-`), or for the only path."));
        }
        let mut seen = HashSet::new();
        let mut found = Vec::new();
        for path in paths {
            let (own, place) = look_up(path)?;
            let name = name.clone().filter(|_| is_meant(path)).unwrap_or(own);
            if seen.insert((name.clone(), place.clone())) {
                found.push((path, name, place));
            }
        }
        let mut taken: HashSet<Name> = found.iter().map(|(_, name, _)| name.clone()).collect();
        let mut inner = Inner::default();
        for (path, wanted, place) in found {
            let name = if inner.by_name.contains_key(&wanted) {
                let name = another(&wanted, matches!(place, Place::Directory(_)), &taken);
                taken.insert(name.clone());
                inner.renamed.push(Renamed { path: path.clone(), name: name.clone() });
                name
            } else {
                wanted
            };
            inner.push(name, place);
        }
        Ok(Roots { inner: Arc::new(inner), exclude: Exclude::default() })
    }

    /// What stands in a list, relative to the working directory, or to `/` where its paths are absolute.
    ///
    /// # Errors
    /// Kind `Usage`, when that directory cannot be found, or something on its first level has a name that
    /// cannot be sent.
    pub fn listed(paths: &PathList) -> Result<Roots> {
        let base = Path::new(if paths.is_absolute() { "/" } else { "." });
        let base: Arc<Path> = std::fs::canonicalize(base).map_err(|error| cannot_look(base, error))?.into();
        let mut inner = Inner { listed: Some(paths.clone()), ..Inner::default() };
        for bytes in paths.top() {
            let name = Name::new(&bytes).map_err(|error| {
                let shown = String::from_utf8_lossy(&bytes).into_owned();
                Error::new(
                    Kind::Usage,
                    format!("{shown}, which is in the list, cannot be sent: it has {error}"),
                )
            })?;
            inner.push(name, Place::Listed(Arc::clone(&base)));
        }
        Ok(Roots { inner: Arc::new(inner), exclude: Exclude::default() })
    }

    /// A text, in place of anything else.
    ///
    /// # Errors
    /// Kind `Usage`, when it is empty or too long.
    pub fn text(text: &str) -> Result<Roots> {
        if text.is_empty() {
            return Err(Error::new(Kind::Usage, "the text to send is empty"));
        }
        if text.len() as u64 > SHOWN_BYTES_MAX {
            return Err(Error::new(Kind::Usage, "the text to send is longer than 64 KiB")
                .hint("Send it as a file: `p2pc send - --name text.txt` reads it from standard input."));
        }
        let name = Name::new(TEXT_NAME).map_err(|error| Error::new(Kind::Internal, error.to_string()))?;
        let mut inner = Inner::default();
        inner.push(name, Place::Text(text.into()));
        Ok(Roots { inner: Arc::new(inner), exclude: Exclude::default() })
    }

    /// Whether it is a text.
    #[must_use]
    pub fn is_text(&self) -> bool {
        self.inner.list.iter().any(|root| matches!(root.place, Place::Text(_)))
    }

    /// The same, less what is to be left out below them.
    #[must_use]
    pub fn without(self, exclude: Exclude) -> Roots {
        Roots { exclude, ..self }
    }

    pub(super) fn exclude(&self) -> &Exclude {
        &self.exclude
    }

    /// The list they come from, if they do.
    pub(super) fn list(&self) -> Option<&PathList> {
        self.inner.listed.as_ref()
    }

    /// The arguments that got another name, for the person to know.
    #[must_use]
    pub fn renamed(&self) -> &[Renamed] {
        &self.inner.renamed
    }

    pub(super) fn get(&self, index: usize) -> Option<&Root> {
        self.inner.list.get(index)
    }

    /// Whether standard input is among them: it can be read once only.
    #[must_use]
    pub fn has_input(&self) -> bool {
        self.inner.list.iter().any(|root| root.place == Place::Input)
    }

    /// Where an entry of this path is; `None` if it belongs to no argument.
    pub(super) fn locate(&self, path: &RelPath) -> Option<Located<'_>> {
        let (first, rest) = path.split_first()?;
        let root = self.inner.list.get(*self.inner.by_name.get(&first)?)?;
        match &root.place {
            Place::Input => Some(Located::Input),
            Place::Text(text) => Some(Located::Text(text)),
            Place::Directory(base) => Some(Located::Below(base, rest)),
            Place::Inside(base, name) => Some(Located::Below(base, RelPath::root().join(name).ok()?)),
            Place::Listed(base) => Some(Located::Below(base, path.clone())),
        }
    }
}

impl Inner {
    fn push(&mut self, name: Name, place: Place) {
        self.by_name.insert(name.clone(), self.list.len());
        self.list.push(Root { name, place });
    }
}

/// A name that was given for the other end.
fn new_name(name: &OsStr) -> Result<Name> {
    Name::new(name.as_encoded_bytes()).map_err(|error| {
        let shown = Path::new(name).display().to_string();
        Error::new(Kind::Usage, format!("\"{shown}\" is no name for the other end: it has {error}"))
            .hint("It is one name, without the directories it shall be in.")
    })
}

fn look_up(path: &Path) -> Result<(Name, Place)> {
    let shown = path.display();
    if path.as_os_str() == "-" {
        return Ok((name_of(OsStr::new("stdin"), path)?, Place::Input));
    }
    // Drops trailing slashes and single dots, and nothing else.
    let clean: PathBuf = path.components().collect();
    let there = match std::fs::metadata(&clean) {
        Ok(there) => there,
        Err(error) if error.kind() == ErrorKind::NotFound && std::fs::symlink_metadata(&clean).is_ok() => {
            return Err(Error::new(Kind::Usage, format!("{shown} is a link to something that is not there"))
                .hint("Name what is to be sent, or the directory the link is in to send the link itself."));
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(Error::new(Kind::Usage, format!("there is no {shown}"))
                .hint("Check the spelling; a path is relative to the directory you are in."));
        }
        Err(error) => return Err(cannot_look(path, error)),
    };
    let real = std::fs::canonicalize(&clean).map_err(|error| cannot_look(path, error))?;
    let name = match clean.components().next_back() {
        Some(Component::Normal(name)) => name_of(name, path)?,
        _ => match real.file_name() {
            Some(name) => name_of(name, path)?,
            None => {
                return Err(Error::new(Kind::Usage, format!("{shown} has no name to be sent under"))
                    .hint("Name the directories in it instead."));
            }
        },
    };
    if there.is_dir() {
        return Ok((name, Place::Directory(real)));
    }
    match (real.parent(), real.file_name()) {
        (Some(base), Some(real_name)) => {
            Ok((name, Place::Inside(base.to_owned(), name_of(real_name, path)?)))
        }
        _ => Err(Error::new(Kind::Usage, format!("{shown} has no name to be sent under"))),
    }
}

fn name_of(name: &OsStr, path: &Path) -> Result<Name> {
    Name::new(name.as_encoded_bytes()).map_err(|error| {
        Error::new(Kind::Usage, format!("{} cannot be sent: it has {error}", path.display()))
            .hint("Rename it, or name something else.")
    })
}

fn cannot_look(path: &Path, error: std::io::Error) -> Error {
    Error::new(Kind::Usage, format!("cannot look at {}", path.display()))
        .hint("Check who may read it and the directories above it.")
        .caused_by(error)
}

/// The first of `name-2`, `name-3`, … that is not taken; of a file, the number stands before the extension.
fn another(name: &Name, is_directory: bool, taken: &HashSet<Name>) -> Name {
    let bytes = name.as_bytes();
    let dot = bytes.iter().rposition(|&b| b == b'.').filter(|&at| {
        // What fills the whole name is no extension: the number must find room before it.
        at > 0 && !is_directory && bytes.len() - at <= EXTENSION_BYTES_MAX
    });
    let (stem, extension) = bytes.split_at(dot.unwrap_or(bytes.len()));
    let free = (2u64..).find_map(|number| {
        let tail = [format!("-{number}").as_bytes(), extension].concat();
        // Where the number makes it too long, the stem gives way, at a boundary of UTF-8.
        let mut room = NAME_BYTES_MAX.checked_sub(tail.len())?.min(stem.len());
        while room > 0 && stem.get(room).is_some_and(|byte| byte & 0xc0 == 0x80) {
            room -= 1;
        }
        let candidate = Name::new(&[&stem[..room], &tail].concat()).ok()?;
        (!taken.contains(&candidate)).then_some(candidate)
    });
    // There are more numbers than names taken.
    free.unwrap_or_else(|| name.clone())
}

/// What a text is called where it becomes a file.
const TEXT_NAME: &[u8] = b"text.txt";

/// The longest extension that is kept behind a number, in bytes. The longest number takes 21 of a name's 255.
const EXTENSION_BYTES_MAX: usize = 64;

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn names(dir: &Path, arguments: &[&str]) -> Vec<String> {
        let paths: Vec<PathBuf> = arguments.iter().map(|argument| dir.join(argument)).collect();
        shown(&Roots::new(&paths).unwrap())
    }

    fn shown(roots: &Roots) -> Vec<String> {
        let names = roots.inner.list.iter().map(|root| root.name.as_bytes());
        names.map(|name| String::from_utf8_lossy(name).into_owned()).collect()
    }

    #[test]
    fn arguments_have_defined_names() {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path();
        for sub in ["a/x", "b/x", "c", "c/x-2"] {
            std::fs::create_dir_all(dir.join(sub)).unwrap();
        }
        for file in ["a/report.txt", "b/report.txt", "c/.bashrc", "a/.bashrc"] {
            std::fs::write(dir.join(file), b"").unwrap();
        }
        symlink("a/report.txt", dir.join("link")).unwrap();
        symlink("a", dir.join("dir-link")).unwrap();
        assert_eq!(names(dir, &["a/", "b//", "./c/."]), ["a", "b", "c"]);
        assert_eq!(names(dir, &["a/x/..", "a/x/../../b"]), ["a", "b"]);
        assert_eq!(names(dir, &["a/x/."]), ["x"]);
        assert_eq!(names(dir, &["link", "dir-link", "dir-link/"]), ["link", "dir-link"]);
        assert_eq!(names(dir, &["a", "b/../a", "a/"]), ["a"]);
        assert_eq!(names(dir, &["a/report.txt", "b/report.txt"]), ["report.txt", "report-2.txt"]);
        assert_eq!(names(dir, &["a/.bashrc", "c/.bashrc"]), [".bashrc", ".bashrc-2"]);
        // A made-up name never takes that of another argument, wherever it stands.
        assert_eq!(names(dir, &["a/x", "b/x", "c/x-2"]), ["x", "x-3", "x-2"]);
        let named = |arguments: &[&str], name: &str| {
            let paths: Vec<PathBuf> = arguments.iter().map(PathBuf::from).collect();
            Roots::named(&paths, Some(name.as_ref())).map(|roots| shown(&roots))
        };
        let file = dir.join("a/report.txt");
        let file = file.to_str().unwrap();
        assert_eq!(named(&["-"], "x.tar").unwrap(), ["x.tar"]);
        assert_eq!(named(&[file], "new").unwrap(), ["new"]);
        assert_eq!(named(&[file, "-"], "x.tar").unwrap(), ["report.txt", "x.tar"]);
        assert_eq!(named(&["-", file], "report.txt").unwrap(), ["report.txt", "report-2.txt"]);
        for (arguments, name) in [(&[file, file][..], "x"), (&["-"], "a/b"), (&["-"], ".."), (&["-"], "")] {
            assert_eq!(named(arguments, name).unwrap_err().kind(), Kind::Usage);
        }
        let roots = Roots::new(&[dir.join("a/x"), dir.join("b/x"), "-".into(), "-".into()]).unwrap();
        assert_eq!(shown(&roots), ["x", "x-2", "stdin"]);
        let name = Name::new(b"x-2").unwrap();
        assert_eq!(roots.renamed(), [Renamed { path: dir.join("b/x"), name }]);
        // `.` and `..` are called as the directories are really called.
        let here = std::env::current_dir().unwrap();
        let real = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
        assert_eq!(shown(&Roots::new(&[".".into()]).unwrap()), [real(&here)]);
        assert_eq!(shown(&Roots::new(&["..".into()]).unwrap()), [real(here.parent().unwrap())]);
    }

    #[test]
    fn impossible_arguments_say_what_to_do() {
        let temp = tempfile::tempdir().unwrap();
        symlink("nowhere", temp.path().join("dangling")).unwrap();
        std::fs::write(temp.path().join("file"), b"").unwrap();
        std::fs::write(temp.path().join(".p2pc-1.part"), b"").unwrap();
        for (path, part) in [
            ("missing", "there is no"),
            ("dangling", "a link to something"),
            ("/", "no name"),
            ("file/x", "cannot look"),
            (".p2pc-1.part", "part files"),
        ] {
            let error = Roots::new(&[temp.path().join(path)]).unwrap_err();
            assert_eq!(error.kind(), Kind::Usage);
            assert!(error.to_string().contains(part), "{error}");
            assert!(error.hint_text().is_some(), "{error}");
        }
        assert_eq!(Roots::new(&[]).unwrap_err().kind(), Kind::Usage);
    }

    #[test]
    fn numbers_fit_into_long_names() {
        let long = Name::new(&[b'a'; 255]).unwrap();
        let second = another(&long, false, &HashSet::new());
        assert_eq!(second.as_bytes().len(), 255);
        assert!(second.as_bytes().ends_with(b"a-2"));
        let dotted = Name::new(&[&b"a."[..], &[b'b'; 253]].concat()).unwrap();
        assert!(another(&dotted, false, &HashSet::new()).as_bytes().ends_with(b"b-2"));
        let umlauts = Name::new("ä".repeat(127).as_bytes()).unwrap();
        assert!(std::str::from_utf8(another(&umlauts, false, &HashSet::new()).as_bytes()).is_ok());
    }
}

//! A list of paths: exactly those are sent, each with the directories it lies in.

use std::cmp::Ordering;
use std::ops::Range;
use std::sync::Arc;

use crate::error::{Error, Kind, Result};

/// Paths to send, read from a list. Cheap to clone.
///
/// They are relative to the working directory, or all absolute; then they are relative to `/`. A path keeps
/// its directories at the other end. A directory in the list is sent without what is in it, as far as that is
/// not in the list too: so what `find` prints is what is sent.
#[derive(Clone, Debug)]
pub struct PathList {
    /// In order, each once, so that what lies in one directory stands together.
    paths: Arc<[Box<[u8]>]>,
    is_absolute: bool,
}

impl PathList {
    /// Reads paths with `separator` behind each; behind the last it may be missing. Empty ones say nothing,
    /// and neither does `.`.
    ///
    /// # Errors
    /// Kind `Usage`: too long, none at all, one that climbs with `..`, or absolute ones among others.
    pub fn parse(text: &[u8], separator: u8) -> Result<PathList> {
        if text.len() as u64 > LIST_BYTES_MAX {
            return Err(Error::new(Kind::Usage, "the list of paths is too long")
                .hint("It can have 64 MiB. Name the directories that hold the files instead."));
        }
        let (mut paths, mut kinds) = (Vec::new(), [false; 2]);
        let lines = || text.split(|&byte| byte == separator).filter(|line| !line.is_empty());
        // As programs of Windows end lines.
        let has_returns = separator == b'\n' && lines().all(|line| line.last() == Some(&b'\r'));
        for line in lines() {
            let line = if has_returns { line.strip_suffix(b"\r").unwrap_or(line) } else { line };
            if line.is_empty() {
                continue;
            }
            if paths.len() == LIST_PATHS_MAX {
                return Err(Error::new(Kind::Usage, "the list has too many paths")
                    .hint("It can have a million. Name the directories that hold the files instead."));
            }
            kinds[usize::from(line.first() == Some(&b'/'))] = true;
            let names = || line.split(|&byte| byte == b'/').filter(|name| !matches!(*name, b"" | b"."));
            if names().any(|name| name == b"..") {
                let shown = String::from_utf8_lossy(line);
                return Err(Error::new(Kind::Usage, format!("the list has a path with `..` in it: {shown}"))
                    .hint("Run it in the directory that the paths are to be relative to."));
            }
            let path = names().collect::<Vec<_>>().join(&b'/');
            if !path.is_empty() {
                paths.push(path.into_boxed_slice());
            }
        }
        if kinds == [true; 2] {
            return Err(Error::new(Kind::Usage, "the list has absolute paths and others")
                .hint("Let all begin with a slash, or none."));
        }
        if paths.is_empty() {
            return Err(Error::new(Kind::Usage, "the list names nothing to send")
                .hint("What was to fill it may have found nothing, or failed."));
        }
        paths.sort_unstable_by(|one, other| compare(one, other));
        paths.dedup();
        Ok(PathList { paths: paths.into(), is_absolute: kinds[1] })
    }

    /// Whether the paths begin at the top of the file system.
    pub(super) fn is_absolute(&self) -> bool {
        self.is_absolute
    }

    /// Every path, in order, without the slash that absolute ones begin with.
    pub(super) fn paths(&self) -> impl Iterator<Item = &[u8]> {
        self.paths.iter().map(|path| &**path)
    }

    /// What stands on the first level.
    pub(super) fn top(&self) -> Vec<Box<[u8]>> {
        self.names(0..self.paths.len(), 0)
    }

    /// The names of one directory: of the paths in `range`, all of which lie in it, what follows the `length`
    /// bytes of its own path.
    pub(super) fn names(&self, range: Range<usize>, length: usize) -> Vec<Box<[u8]>> {
        let mut names: Vec<Box<[u8]>> = Vec::new();
        for path in self.paths.get(range).unwrap_or_default() {
            let Some(name) = component(path, length) else { continue };
            if names.last().is_none_or(|last| **last != *name) {
                names.push(name.into());
            }
        }
        names
    }

    /// The paths that begin with `path`, itself among them: those in `within`, which is all of them or those
    /// of its directory.
    pub(super) fn below(&self, path: &[u8], within: Range<usize>) -> Range<usize> {
        let all = self.paths.get(within.clone()).unwrap_or_default();
        let begin = all.partition_point(|other| compare(other, path) == Ordering::Less);
        let count = all.get(begin..).unwrap_or_default().partition_point(|other| is_below(other, path));
        within.start + begin..within.start + begin + count
    }

    /// All of them.
    pub(super) fn all(&self) -> Range<usize> {
        0..self.paths.len()
    }

    /// Whether something in `range` lies in the directory `path`, rather than being it.
    pub(super) fn goes_into(&self, path: &[u8], range: Range<usize>) -> bool {
        self.paths.get(range).unwrap_or_default().iter().any(|other| other.len() > path.len())
    }
}

/// Name by name: what lies in a directory comes right behind it.
fn compare(one: &[u8], other: &[u8]) -> Ordering {
    let names = |path| <[u8]>::split(path, |&byte: &u8| byte == b'/');
    names(one).cmp(names(other))
}

fn is_below(path: &[u8], above: &[u8]) -> bool {
    path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.first() == Some(&b'/'))
}

/// The name behind the first `length` bytes of a path, which are those of its directory.
fn component(path: &[u8], length: usize) -> Option<&[u8]> {
    let rest = path.get(length..)?;
    let rest = rest.strip_prefix(b"/").unwrap_or(rest);
    rest.split(|&byte| byte == b'/').next().filter(|name| !name.is_empty())
}

/// Some million paths: the whole list is held, since what lies in one directory is to be sent together.
pub const LIST_BYTES_MAX: u64 = 64 << 20;

/// How many paths a list can have: each takes some 300 bytes of memory, whatever its length.
const LIST_PATHS_MAX: usize = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &PathList, range: Range<usize>, length: usize) -> Vec<String> {
        list.names(range, length).iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect()
    }

    #[test]
    fn a_list_is_a_tree() {
        let list = PathList::parse(b"./b/y\na.x\nb\n\nb//x/1\na/z\n.\nb/x/2\nb/y", b'\n').unwrap();
        assert_eq!(names(&list, list.all(), 0), ["a", "a.x", "b"]);
        let b = list.below(b"b", list.all());
        assert_eq!(names(&list, b.clone(), 1), ["x", "y"]);
        let x = list.below(b"b/x", b.clone());
        assert_eq!(names(&list, x.clone(), 3), ["1", "2"]);
        assert!(list.goes_into(b"b/x", x));
        assert!(!list.goes_into(b"b/y", list.below(b"b/y", b)));
        let a = list.below(b"a", list.all());
        assert_eq!(names(&list, a, 1), ["z"], "and not a.x");
        assert!(list.below(b"c", list.all()).is_empty());
    }

    #[test]
    fn names_may_hold_lines() {
        let list = PathList::parse(b"a\nb\0c\0", 0).unwrap();
        assert_eq!(names(&list, list.all(), 0), ["a\nb", "c"]);
        assert!(!list.is_absolute());
        assert!(PathList::parse(b"/a/b\n/c\n", b'\n').unwrap().is_absolute());
        // A return belongs to a name, unless every line ends in one.
        for (text, separator, expected) in [
            (&b"a\r\nb\r\n"[..], b'\n', ["a", "b"]),
            (b"a\r\nb\n", b'\n', ["a\r", "b"]),
            (b"a\r\0b\r\0", 0, ["a\r", "b\r"]),
        ] {
            let list = PathList::parse(text, separator).unwrap();
            assert_eq!(names(&list, list.all(), 0), expected, "{text:?}");
        }
    }

    #[test]
    fn what_is_no_list_says_so() {
        for (text, part) in [
            (&b""[..], "names nothing"),
            (b"\n.\n./\n", "names nothing"),
            (b"a\n/b\n", "absolute"),
            (b"a/../b\n", "`..`"),
        ] {
            let error = PathList::parse(text, b'\n').unwrap_err();
            assert!(error.kind() == Kind::Usage && error.to_string().contains(part), "{error}");
        }
        let many = b"a\n".repeat(LIST_PATHS_MAX + 1);
        assert!(PathList::parse(&many[2..], b'\n').is_ok());
        let error = PathList::parse(&many, b'\n').unwrap_err();
        assert!(error.to_string().contains("too many paths"), "{error}");
    }
}

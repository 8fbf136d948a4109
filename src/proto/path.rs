//! Names and paths of entries, checked once at the edge and trusted from there on.
//!
//! A manifest never carries a path: it carries names, one for each directory, file or link, nested by begin
//! and end of the directories. [`Name`] proves that such a name is one component that stays where it is put;
//! [`RelPath`] is a sequence of them. What a name must be everywhere is checked by [`Name::new`]; what the
//! receiving system cannot hold besides is found by [`Name::unfit`].

use std::fmt;
use std::sync::Arc;

use super::limits::{NAME_BYTES_MAX, PATH_BYTES_MAX};

/// One component of a path: 1 to 255 bytes, without `/` and NUL, neither `.` nor `..`, and not the name of a
/// part file or journal.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(Box<[u8]>);

/// A path below the output directory: names joined by `/`, at most 4095 bytes. The empty path is the output
/// directory itself. Cheap to clone: what is under way with a file is found by its path in several places.
#[derive(Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RelPath(Arc<[u8]>);

/// Why a name or path is refused whatever the system. A sender that follows the protocol never sends one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NameError {
    /// Nothing at all.
    Empty,
    /// `.` or `..`.
    Dots,
    /// A `/` inside.
    Separator,
    /// A NUL byte inside.
    Nul,
    /// Longer than a name or a path may be.
    TooLong,
    /// The form of p2pc's own part files and journals.
    Reserved,
}

/// Why a good name cannot exist on a certain system. The entry is reported, the others go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// Not Unicode, on a system whose names are.
    NotUnicode,
    /// A character the system keeps for itself: `\`, `:` (drives, streams), `<>"|?*` or a control character
    /// on Windows.
    Character(char),
    /// The name of a device on Windows, with or without an extension: `AUX`, `com1.txt`.
    Device,
    /// Ends with a dot or a space, which Windows drops silently.
    TrailingDotOrSpace,
}

/// Systems that differ in what a name may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum System {
    /// Linux and the BSDs: every byte but `/` and NUL.
    Unix,
    /// Apple's file systems: Unicode.
    Apple,
    /// Windows: Unicode, without its device, drive and stream names.
    Windows,
}

impl System {
    /// The system this program was built for.
    pub const HERE: System = if cfg!(windows) {
        System::Windows
    } else if cfg!(target_vendor = "apple") {
        System::Apple
    } else {
        System::Unix
    };
}

impl Name {
    /// Checks one component as it came from the wire or from a directory.
    ///
    /// # Errors
    /// [`NameError`], when it is none.
    pub fn new(bytes: &[u8]) -> Result<Name, NameError> {
        match bytes {
            [] => Err(NameError::Empty),
            b"." | b".." => Err(NameError::Dots),
            _ if bytes.len() > NAME_BYTES_MAX => Err(NameError::TooLong),
            _ if bytes.contains(&b'/') => Err(NameError::Separator),
            _ if bytes.contains(&0) => Err(NameError::Nul),
            _ if is_reserved(bytes) => Err(NameError::Reserved),
            _ => Ok(Name(bytes.into())),
        }
    }

    /// The name, as bytes. On Windows they are WTF-8.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// What keeps this name from existing on `system`, if anything does.
    #[doc(hidden)]
    #[must_use]
    pub fn unfit(&self, system: System) -> Option<Unfit> {
        if system == System::Unix {
            return None;
        }
        let Ok(text) = std::str::from_utf8(&self.0) else {
            return Some(Unfit::NotUnicode);
        };
        if system == System::Apple {
            return None;
        }
        // Microsoft, "Naming Files, Paths, and Namespaces".
        if let Some(bad) = text.chars().find(|c| c.is_control() || "\\:<>\"|?*".contains(*c)) {
            return Some(Unfit::Character(bad));
        }
        if text.ends_with(['.', ' ']) {
            return Some(Unfit::TrailingDotOrSpace);
        }
        is_windows_device(text).then_some(Unfit::Device)
    }

    /// The name of the part file in which an entry of this name is received, in the same directory: a short hash, so that
    /// it fits wherever the name itself fits and a later session finds it again.
    #[doc(hidden)]
    #[must_use]
    pub fn part_file(&self) -> Name {
        self.beside(PART_SUFFIX)
    }

    /// The name of that part file in capitals: to a file system that does not tell cases apart it is the same.
    #[doc(hidden)]
    #[must_use]
    pub fn part_file_in_capitals(&self) -> Name {
        Name(self.part_file().0.to_ascii_uppercase().into())
    }

    /// The name of the journal of that part file.
    #[doc(hidden)]
    #[must_use]
    pub fn journal_file(&self) -> Name {
        self.beside(JOURNAL_SUFFIX)
    }

    fn beside(&self, suffix: &str) -> Name {
        let hash = blake3::hash(&self.0).to_hex();
        Name(format!("{PART_PREFIX}{}{suffix}", &hash[..24]).into_bytes().into())
    }
}

impl RelPath {
    /// The output directory itself.
    #[must_use]
    pub fn root() -> RelPath {
        RelPath::default()
    }

    /// The path of `name` in this directory.
    ///
    /// # Errors
    /// [`NameError::TooLong`], when the whole would be longer than 4095 bytes.
    pub fn join(&self, name: &Name) -> Result<RelPath, NameError> {
        let mut bytes = Vec::with_capacity(self.0.len() + 1 + name.0.len());
        bytes.extend_from_slice(&self.0);
        if !self.is_root() {
            bytes.push(b'/');
        }
        bytes.extend_from_slice(&name.0);
        if bytes.len() > PATH_BYTES_MAX { Err(NameError::TooLong) } else { Ok(RelPath(bytes.into())) }
    }

    /// The whole path, names joined by `/`, as bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether this is the output directory itself.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The directory this lies in and its name there; `None` for the output directory.
    #[must_use]
    pub fn split(&self) -> Option<(RelPath, Name)> {
        if self.is_root() {
            return None;
        }
        let cut = self.0.iter().rposition(|&b| b == b'/');
        let (parent, name) = match cut {
            Some(at) => (&self.0[..at], &self.0[at + 1..]),
            None => (&self.0[..0], &self.0[..]),
        };
        Some((RelPath(parent.into()), Name(name.into())))
    }

    /// Its last name; `None` for the output directory.
    #[must_use]
    pub fn name(&self) -> Option<Name> {
        self.last().map(|name| Name(name.into()))
    }

    /// Whether that is its last name.
    #[must_use]
    pub fn is_called(&self, name: &Name) -> bool {
        self.last() == Some(name.as_bytes())
    }

    fn last(&self) -> Option<&[u8]> {
        if self.is_root() { None } else { self.0.rsplit(|&b| b == b'/').next() }
    }

    /// Its first name and the path from there on; `None` for the output directory.
    #[must_use]
    pub fn split_first(&self) -> Option<(Name, RelPath)> {
        if self.is_root() {
            return None;
        }
        let mut parts = self.0.splitn(2, |&b| b == b'/');
        let name = parts.next().unwrap_or_default();
        Some((Name(name.into()), RelPath(parts.next().unwrap_or_default().into())))
    }

    /// The names from the output directory down.
    pub fn names(&self) -> impl Iterator<Item = Name> + '_ {
        self.0.split(|&b| b == b'/').filter(|part| !part.is_empty()).map(|part| Name(part.into()))
    }

    /// How many names it has.
    #[must_use]
    pub fn depth(&self) -> usize {
        if self.is_root() { 0 } else { 1 + self.0.iter().filter(|&&b| b == b'/').count() }
    }
}

/// Whether a link in the directory `parent` with this `target` certainly stays inside the output directory,
/// whatever other links that came the same way it passes through.
///
/// That holds when the target is relative and climbs only at its beginning, at most to the output directory:
/// the directory the link lies in is a real one, so climbing from it is exact, and from there on only links
/// are passed for which the same was shown. A `..` after a name could leave by the back door of another link
/// (`a -> b/c/d`, then `a/../../..`), so such a target is refused although it may be harmless.
///
/// Links that stood in the output directory before are not looked at: one of the receiver's own that leads
/// outside may be pointed through, and then the new link leads there too. Reading is all that anybody can do
/// by that; nothing is written through a link.
#[must_use]
pub fn link_stays_inside(parent: &RelPath, target: &[u8], system: System) -> bool {
    let is_separator = |b: &u8| *b == b'/' || (system == System::Windows && *b == b'\\');
    if target.is_empty() || target.contains(&0) || target.first().is_some_and(is_separator) {
        return false;
    }
    // A drive or a stream: `C:`, `C:\x`, `file:stream`.
    if system == System::Windows && target.contains(&b':') {
        return false;
    }
    let mut climbed = 0;
    let mut descended = false;
    for part in target.split(is_separator) {
        match part {
            b"" | b"." => {}
            b".." if descended => return false,
            b".." => climbed += 1,
            _ => descended = true,
        }
    }
    climbed <= parent.depth()
}

/// Whether the name has the form of p2pc's own part files, in any case: some file systems do not tell cases
/// apart.
fn is_reserved(name: &[u8]) -> bool {
    let lower = name.to_ascii_lowercase();
    lower.starts_with(PART_PREFIX.as_bytes())
        && (lower.ends_with(PART_SUFFIX.as_bytes()) || lower.ends_with(JOURNAL_SUFFIX.as_bytes()))
}

/// `CON`, `PRN`, `AUX`, `NUL`, `COM0` to `COM9`, `LPT0` to `LPT9` (superscript digits too), `CONIN$`,
/// `CONOUT$`, with any extension and with spaces before it.
fn is_windows_device(text: &str) -> bool {
    let stem = text.split('.').next().unwrap_or(text).trim_end_matches(' ').to_uppercase();
    if ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"].contains(&stem.as_str()) {
        return true;
    }
    let digit = stem.strip_prefix("COM").or_else(|| stem.strip_prefix("LPT"));
    digit
        .is_some_and(|d| d.chars().count() == 1 && d.chars().all(|c| c.is_ascii_digit() || "¹²³".contains(c)))
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(&self.0))
    }
}

impl fmt::Debug for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(&self.0))
    }
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NameError::Empty => "an empty name",
            NameError::Dots => "the name . or ..",
            NameError::Separator => "a name with / in it",
            NameError::Nul => "a name with a NUL byte in it",
            NameError::TooLong => "a name or path that is too long",
            NameError::Reserved => "a name kept for part files",
        })
    }
}

impl std::error::Error for NameError {}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unfit::NotUnicode => f.write_str("its name is not Unicode, as names on this system must be"),
            Unfit::Character(c) => write!(f, "its name has a {c:?} in it, which this system does not allow"),
            Unfit::Device => f.write_str("its name is that of a device on this system"),
            Unfit::TrailingDotOrSpace => {
                f.write_str("its name ends with a dot or a space, which this system drops")
            }
        }
    }
}

const PART_PREFIX: &str = ".p2pc-";
const PART_SUFFIX: &str = ".part";
const JOURNAL_SUFFIX: &str = ".journal";

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn path(text: &str) -> RelPath {
        text.split('/')
            .fold(RelPath::root(), |path, part| path.join(&Name::new(part.as_bytes()).unwrap()).unwrap())
    }

    #[test]
    fn hostile_names_are_no_names() {
        let long = [b'a'; 256];
        for (bytes, error) in [
            (&b""[..], NameError::Empty),
            (b".", NameError::Dots),
            (b"..", NameError::Dots),
            (b"/etc", NameError::Separator),
            (b"a/b", NameError::Separator),
            (b"../x", NameError::Separator),
            (b"a\0b", NameError::Nul),
            (&long, NameError::TooLong),
            (b".p2pc-0011.part", NameError::Reserved),
            (b".P2PC-0011.Part", NameError::Reserved),
            (b".p2pc-0011.journal", NameError::Reserved),
        ] {
            assert_eq!(Name::new(bytes), Err(error), "{bytes:?}");
        }
        for bytes in
            [&b"a:b"[..], b"aux.c", b"...", b"-rf", b"\xff\xfe", b"\x1b[2J", b" ", b"C:\\x", &[b'a'; 255]]
        {
            assert!(Name::new(bytes).is_ok_and(|name| name.unfit(System::Unix).is_none()), "{bytes:?}");
        }
    }

    #[test]
    fn windows_refuses_drives_devices_and_streams() {
        let unfit = |text: &[u8]| Name::new(text).unwrap().unfit(System::Windows);
        for device in ["aux", "AUX.c", "con", "nul.tar.gz", "Com1", "lpt9.txt", "COM¹", "conin$", "prn .txt"]
        {
            assert_eq!(unfit(device.as_bytes()), Some(Unfit::Device), "{device}");
        }
        assert_eq!(unfit(b"C:"), Some(Unfit::Character(':')));
        assert_eq!(unfit(b"a:b"), Some(Unfit::Character(':')));
        assert_eq!(unfit(b"..\\x"), Some(Unfit::Character('\\')));
        assert_eq!(unfit(b"x\x1b"), Some(Unfit::Character('\x1b')));
        assert_eq!(unfit(b"x."), Some(Unfit::TrailingDotOrSpace));
        assert_eq!(unfit(b"x "), Some(Unfit::TrailingDotOrSpace));
        assert_eq!(unfit(b"\xff"), Some(Unfit::NotUnicode));
        assert_eq!(Name::new(b"\xff").unwrap().unfit(System::Apple), Some(Unfit::NotUnicode));
        for fine in ["COM", "COM10", "auxiliary", "console", "über.txt"] {
            assert_eq!(unfit(fine.as_bytes()), None, "{fine}");
        }
    }

    #[test]
    fn links_that_leave_are_told_from_links_that_stay() {
        let inside = |parent: &str, target: &str| {
            let parent = if parent.is_empty() { RelPath::root() } else { path(parent) };
            link_stays_inside(&parent, target.as_bytes(), System::Unix)
        };
        for (parent, target) in [
            ("", "x"),
            ("", "./x//y"),
            ("a", "../x"),
            ("a/b", "../../x"),
            ("a", ".."),
            ("", "a:b"),
            ("", "."),
        ] {
            assert!(inside(parent, target), "{parent} -> {target}");
        }
        for (parent, target) in [
            ("", ".."),
            ("", "/"),
            ("", "/etc/passwd"),
            ("a", "../.."),
            ("a", "../../x"),
            ("a", "x/../../y"),
            ("a/b", "x/.."),
            ("", ""),
        ] {
            assert!(!inside(parent, target), "{parent} -> {target}");
        }
        assert!(!link_stays_inside(&RelPath::root(), b"C:x", System::Windows));
        assert!(!link_stays_inside(&path("a"), b"..\\..\\x", System::Windows));
        assert!(!link_stays_inside(&RelPath::root(), b"\\\\server\\share", System::Windows));
    }

    #[test]
    fn paths_split_where_they_were_joined() {
        let deep = path("a/b/c");
        assert_eq!(deep.split(), Some((path("a/b"), Name::new(b"c").unwrap())));
        assert_eq!(path("a").split(), Some((RelPath::root(), Name::new(b"a").unwrap())));
        assert_eq!(RelPath::root().split(), None);
        assert_eq!(deep.split_first(), Some((Name::new(b"a").unwrap(), path("b/c"))));
        assert_eq!(path("a").split_first(), Some((Name::new(b"a").unwrap(), RelPath::root())));
        assert_eq!(RelPath::root().split_first(), None);
        assert_eq!((deep.depth(), path("a").depth(), RelPath::root().depth()), (3, 1, 0));
        assert_eq!(deep.names().count(), 3);
    }

    #[test]
    fn a_path_ends_at_its_limit() {
        let name = Name::new(&[b'x'; 255]).unwrap();
        let mut path = RelPath::root();
        while let Ok(longer) = path.join(&name) {
            path = longer;
        }
        assert_eq!(path.as_bytes().len(), 15 * 256 + 255);
        assert_eq!(path.join(&name), Err(NameError::TooLong));
    }

    proptest! {
        #[test]
        fn no_name_changes_the_directory(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(name) = Name::new(&bytes) {
                let path = RelPath::root().join(&name).unwrap();
                prop_assert_eq!(path.depth(), 1);
                prop_assert_eq!(path.split().unwrap().1, name.clone());
                prop_assert!(Name::new(name.part_file().as_bytes()) == Err(NameError::Reserved));
            }
        }

        /// Resolves targets in a model tree in which every directory is real: what is said to stay inside
        /// never climbs out.
        #[test]
        fn links_said_to_stay_never_climb_out(depth in 0usize..4, parts in proptest::collection::vec("(\\.\\.|\\.|[a-c]|)", 0..8)) {
            let parent = (0..depth).fold(RelPath::root(), |path, _| path.join(&Name::new(b"d").unwrap()).unwrap());
            let target = parts.join("/");
            if link_stays_inside(&parent, target.as_bytes(), System::Unix) {
                let mut level = depth as i64;
                for part in target.split('/') {
                    level += match part { "" | "." => 0, ".." => -1, _ => 1 };
                    prop_assert!(level >= 0);
                }
            }
        }
    }
}

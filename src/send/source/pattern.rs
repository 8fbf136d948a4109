//! One line of a `.gitignore`, and what it matches.
//!
//! | pattern | matches |
//! | --- | --- |
//! | `*.o` | that name at any depth: there is no slash in it |
//! | `/build`, `doc/*.pdf` | below the directory the pattern belongs to, since a slash stands before its last character |
//! | `cache/` | directories only |
//! | `**/x`, `a/**/b`, `a/**` | in all directories; with any directories in between; everything inside |
//! | `*`, `?`, `[a-z]`, `[!a]` | any bytes of a name; one byte; one of these, or none of them; never a slash |
//! | `\*` | the character itself |
//! | `!keep.o` | takes back what an earlier pattern said |
//!
//! As git has it, byte by byte. Every match takes time in proportion to the lengths at most, whatever the
//! pattern.

/// A pattern, and whether what it matches is left out or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// What stands between slashes.
    segments: Vec<Box<[u8]>>,
    /// It belongs at one place, and not at any depth.
    is_anchored: bool,
    is_for_directories: bool,
    takes_back: bool,
}

impl Pattern {
    /// Reads a line without its end; `None` for what says nothing: an empty line or a comment.
    #[must_use]
    pub fn parse(line: &[u8]) -> Option<Pattern> {
        if line.first() == Some(&b'#') {
            return None;
        }
        let mut rest = without_blanks(line);
        let takes_back = rest.first() == Some(&b'!');
        if takes_back {
            rest = &rest[1..];
        }
        let is_for_directories = rest.last() == Some(&b'/');
        if is_for_directories {
            rest = &rest[..rest.len() - 1];
        }
        let is_anchored = rest.contains(&b'/');
        let rest = rest.strip_prefix(b"/").unwrap_or(rest);
        if rest.is_empty() {
            return None;
        }
        Some(Pattern { segments: segments(rest), is_anchored, is_for_directories, takes_back })
    }

    /// Every pattern of a file, in its order.
    #[must_use]
    pub fn parse_all(text: &[u8]) -> Vec<Pattern> {
        // A byte order mark is no part of the first pattern.
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        let lines = text.split(|&byte| byte == b'\n');
        lines.filter_map(|line| Pattern::parse(line.strip_suffix(b"\r").unwrap_or(line))).collect()
    }

    /// Whether it matches what stands at `path`, with slashes, below the directory it belongs to.
    #[must_use]
    pub fn matches(&self, path: &[u8], is_directory: bool) -> bool {
        if self.is_for_directories && !is_directory {
            return false;
        }
        if self.is_anchored {
            return matches_path(&self.segments, path);
        }
        let name = path.rsplit(|&byte| byte == b'/').next().unwrap_or(path);
        self.segments.first().is_some_and(|segment| matches_name(segment, name))
    }
}

/// What `patterns` say of a path: the last that matches decides. `None`: nothing.
#[must_use]
pub fn is_left_out(patterns: &[Pattern], path: &[u8], is_directory: bool) -> Option<bool> {
    let last = patterns.iter().rev().find(|pattern| pattern.matches(path, is_directory))?;
    Some(!last.takes_back)
}

/// Without the blanks at its end, unless a backslash stands before them.
fn without_blanks(line: &[u8]) -> &[u8] {
    let mut end = line.len();
    while end > 0 && line[end - 1] == b' ' {
        let slashes = line[..end - 1].iter().rev().take_while(|&&byte| byte == b'\\').count();
        if slashes % 2 == 1 {
            break;
        }
        end -= 1;
    }
    &line[..end]
}

/// Cut at slashes; a backslash before one is of no use.
fn segments(pattern: &[u8]) -> Vec<Box<[u8]>> {
    let mut all = Vec::new();
    let mut current = Vec::new();
    let mut is_escaped = false;
    for &byte in pattern {
        if byte == b'/' {
            if is_escaped {
                current.pop();
            }
            all.push(std::mem::take(&mut current).into_boxed_slice());
            is_escaped = false;
            continue;
        }
        is_escaped = byte == b'\\' && !is_escaped;
        current.push(byte);
    }
    all.push(current.into_boxed_slice());
    all
}

fn matches_path(pattern: &[Box<[u8]>], path: &[u8]) -> bool {
    let names: Vec<&[u8]> = path.split(|&byte| byte == b'/').collect();
    let (mut at, mut name) = (0, 0);
    // Where to go on if it comes to nothing: behind the last `**`, with one name more for that.
    let mut again: Option<(usize, usize)> = None;
    loop {
        match pattern.get(at) {
            // At the end it means everything inside, and so at least one name.
            Some(segment) if &**segment == b"**" && at + 1 == pattern.len() => return name < names.len(),
            Some(segment) if &**segment == b"**" => {
                at += 1;
                again = Some((at, name));
                continue;
            }
            None if name == names.len() => return true,
            Some(segment) if names.get(name).is_some_and(|name| matches_name(segment, name)) => {
                (at, name) = (at + 1, name + 1);
                continue;
            }
            _ => {}
        }
        match again {
            Some((after, from)) if from < names.len() => {
                (at, name) = (after, from + 1);
                again = Some((after, from + 1));
            }
            _ => return false,
        }
    }
}

/// Whether one name matches, by what stands between two slashes.
fn matches_name(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut byte) = (0, 0);
    // Where to go on if it comes to nothing: behind the last `*`, with one byte more for that.
    let mut again: Option<(usize, usize)> = None;
    loop {
        let step = match (pattern.get(at), name.get(byte)) {
            (None, None) => return true,
            (Some(b'*'), _) => {
                at += 1;
                again = Some((at, byte));
                continue;
            }
            (Some(b'?'), Some(_)) => Some(1),
            (Some(b'['), Some(&found)) => match Class::read(&pattern[at + 1..]) {
                Some((class, length)) => class.has(found).then_some(1 + length),
                // One that has no end matches nothing.
                None => return false,
            },
            (Some(b'\\'), Some(found)) => (pattern.get(at + 1) == Some(found)).then_some(2),
            (Some(wanted), Some(found)) => (wanted == found).then_some(1),
            (None, Some(_)) | (Some(_), None) => None,
        };
        match (step, again) {
            (Some(step), _) => (at, byte) = (at + step, byte + 1),
            (None, Some((after, from))) if from < name.len() => {
                (at, byte) = (after, from + 1);
                again = Some((after, from + 1));
            }
            (None, _) => return false,
        }
    }
}

/// What stands in brackets.
struct Class<'a> {
    items: &'a [u8],
    is_negated: bool,
}

impl Class<'_> {
    /// What stands behind an opening bracket, and how long it is with the closing one.
    fn read(pattern: &[u8]) -> Option<(Class<'_>, usize)> {
        let is_negated = matches!(pattern.first(), Some(b'!' | b'^'));
        let begin = usize::from(is_negated);
        // One that comes first stands for itself.
        let mut at = begin + usize::from(pattern.get(begin) == Some(&b']'));
        loop {
            match pattern.get(at)? {
                b']' => return Some((Class { items: &pattern[begin..at], is_negated }, at + 1)),
                b'[' if pattern.get(at + 1) == Some(&b':') => match class_end(&pattern[at + 2..]) {
                    Some(length) => at += length + 4,
                    None => at += 1,
                },
                b'\\' => at += 2,
                _ => at += 1,
            }
        }
    }

    fn has(&self, byte: u8) -> bool {
        let mut items = self.items;
        let mut is_in = false;
        while let Some((&first, rest)) = items.split_first() {
            if first == b'['
                && rest.first() == Some(&b':')
                && let Some(length) = class_end(&rest[1..])
            {
                is_in |= is_of(&rest[1..=length], byte);
                items = &rest[length + 3..];
                continue;
            }
            let (low, rest) = literal(first, rest);
            match rest {
                [b'-', last, rest @ ..] => {
                    let (high, rest) = literal(*last, rest);
                    is_in |= (low..=high).contains(&byte);
                    items = rest;
                }
                _ => {
                    is_in |= low == byte;
                    items = rest;
                }
            }
        }
        is_in != self.is_negated
    }
}

/// A byte, or the one behind a backslash; and what follows.
fn literal(first: u8, rest: &[u8]) -> (u8, &[u8]) {
    match (first, rest) {
        (b'\\', [escaped, rest @ ..]) => (*escaped, rest),
        _ => (first, rest),
    }
}

fn is_of(class: &[u8], byte: u8) -> bool {
    match class {
        b"alnum" => byte.is_ascii_alphanumeric(),
        b"alpha" => byte.is_ascii_alphabetic(),
        b"blank" => matches!(byte, b' ' | b'\t'),
        b"cntrl" => byte.is_ascii_control(),
        b"digit" => byte.is_ascii_digit(),
        b"graph" => byte.is_ascii_graphic(),
        b"lower" => byte.is_ascii_lowercase(),
        b"print" => byte.is_ascii_graphic() || byte == b' ',
        b"punct" => byte.is_ascii_punctuation(),
        b"space" => byte.is_ascii_whitespace() || byte == 0x0b,
        b"upper" => byte.is_ascii_uppercase(),
        b"xdigit" => byte.is_ascii_hexdigit(),
        _ => false,
    }
}

/// Where the name of a class ends. None is longer than this, and to look further at every `[:` would take
/// time by the square of the pattern.
fn class_end(text: &[u8]) -> Option<usize> {
    text.windows(2).take(CLASS_NAME_MAX + 1).position(|window| window == b":]")
}

/// `xdigit` has six letters; what is longer is no class that anybody knows.
const CLASS_NAME_MAX: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, path: &str) -> bool {
        Pattern::parse(pattern.as_bytes())
            .unwrap()
            .matches(path.trim_end_matches('/').as_bytes(), path.ends_with('/'))
    }

    #[test]
    fn what_patterns_match() {
        for (pattern, yes, no) in [
            ("*.o", &["a.o", "x/y/a.o", ".o", "a.o/"][..], &["a.oo", "a.o.c", "o"][..]),
            ("/build", &["build", "build/"], &["x/build", "builds"]),
            ("doc/*.pdf", &["doc/a.pdf"], &["a.pdf", "x/doc/a.pdf", "doc/x/a.pdf"]),
            ("cache/", &["cache/", "x/cache/"], &["cache", "x/cache"]),
            ("**/x", &["x", "a/x", "a/b/x"], &["xx", "a/xx", "x/a"]),
            ("a/**/b", &["a/b", "a/x/b", "a/x/y/b"], &["a/xb", "x/a/b", "ab"]),
            ("a/**", &["a/b", "a/b/c"], &["a", "a/", "x/a/b"]),
            ("**", &["a", "a/b"], &[]),
            ("/**", &["a", "a/b"], &[]),
            ("**/a/**/b/**/c", &["a/b/c", "x/a/y/b/z/z/c", "a/b/b/a/c"], &["a/c", "b/a/c"]),
            ("a**b", &["ab", "axxb", "x/axb"], &["a/b"]),
            ("a?c", &["abc", "a?c"], &["ac", "abbc", "a/c"]),
            ("a/?", &["a/b"], &["a/", "a"]),
            ("[a-c]x", &["ax", "bx", "cx"], &["dx", "-x", "x"]),
            ("[!a-c]x", &["dx"], &["ax", "x"]),
            ("[^a]x", &["bx"], &["ax"]),
            ("[]-]x", &["]x", "-x"], &["ax"]),
            ("[a-]x", &["ax", "-x"], &["bx"]),
            ("[[:digit:]_]x", &["1x", "_x"], &["ax", ":x"]),
            ("[[:nope:]]x", &[], &["nx", ":x"]),
            // What is longer than any class is none: the brackets end at the first one that closes.
            ("[[:aaaaaaaaaaaaaaaaaaaa:]]x", &["a]x", ":]x"], &["ax"]),
            ("[\\]a]x", &["]x", "ax"], &["\\x"]),
            ("a[b", &[], &["a[b", "ab"]),
            ("a[/]b", &[], &["a/b", "a[/]b"]),
            ("\\*", &["*"], &["a", "\\*"]),
            ("a\\", &[], &["a", "a\\"]),
            ("*\\", &[], &["a", "a\\"]),
            ("a\\/b", &["a/b"], &["a\\/b"]),
            ("a\\\\/b", &["a\\/b"], &["a/b"]),
            ("\\#x", &["#x"], &["x"]),
            ("\\!x", &["!x"], &["x"]),
            ("x ", &["x"], &["x "]),
            ("x\\ ", &["x "], &["x"]),
            ("x\\\\ ", &["x\\"], &["x\\ "]),
            ("a*b*c", &["abc", "axbxbxc", "abbc"], &["ab", "acb"]),
            ("*a*a*", &["aa", "xaxax"], &["a"]),
        ] {
            for path in yes {
                assert!(matches(pattern, path), "{pattern} {path}");
            }
            for path in no {
                assert!(!matches(pattern, path), "{pattern} {path}");
            }
        }
    }

    /// As many bytes as the C library's.
    #[test]
    fn classes_have_what_their_names_say() {
        for (class, count) in [
            ("alnum", 62),
            ("alpha", 52),
            ("blank", 2),
            ("cntrl", 33),
            ("digit", 10),
            ("graph", 94),
            ("lower", 26),
            ("print", 95),
            ("punct", 32),
            ("space", 6),
            ("upper", 26),
            ("xdigit", 22),
            ("other", 0),
        ] {
            let of = (0..=u8::MAX).filter(|byte| is_of(class.as_bytes(), *byte)).count();
            assert_eq!(of, count, "{class}");
        }
    }

    #[test]
    fn lines_that_say_nothing() {
        for line in ["", "   ", "# x", "/", "!", "!/"] {
            assert_eq!(Pattern::parse(line.as_bytes()), None, "{line}");
        }
        let all = Pattern::parse_all(b"\xef\xbb\xbfa\r\n\n#b\n!c");
        assert_eq!(all.iter().map(|pattern| pattern.takes_back).collect::<Vec<_>>(), [false, true]);
        assert!(all[0].matches(b"a", false));
    }

    #[test]
    fn the_last_that_matches_decides() {
        let all = Pattern::parse_all(b"*.log\n!keep.log\n/x/keep.log\n");
        let says = |path: &str| is_left_out(&all, path.as_bytes(), false);
        assert_eq!(says("a.log"), Some(true));
        assert_eq!(says("keep.log"), Some(false));
        assert_eq!(says("x/keep.log"), Some(true));
        assert_eq!(says("a.txt"), None);
    }

    #[test]
    fn no_pattern_takes_long() {
        let pattern = Pattern::parse("a*".repeat(60).as_bytes()).unwrap();
        assert!(!pattern.matches(&[b'a'; 255][..].iter().chain(b"b/c").copied().collect::<Vec<_>>(), false));
        let deep = Pattern::parse(format!("x/{}y", "**/a/".repeat(40)).as_bytes()).unwrap();
        assert!(!deep.matches(format!("x/{}z", "a/".repeat(400)).as_bytes(), false));
    }
}

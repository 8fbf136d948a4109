//! A word of the command line, in a form that argh can carry.
//!
//! argh knows only `&str`, and refuses a path that is not UTF-8. So the pass in front of it hands every value over
//! encoded, and [`Word`] decodes it again: nothing is lost, and no value can be mistaken for an option, because an
//! encoded word never begins with a dash.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// One value as it was typed. Its `Debug` is redacted: it may be a code.
#[derive(Clone, PartialEq, Eq)]
pub struct Word(OsString);

impl Word {
    /// The word as text, if it is UTF-8.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        self.0.to_str()
    }

    /// The word as a path.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        PathBuf::from(&self.0)
    }

    /// The word as the system gave it.
    #[must_use]
    pub fn os(&self) -> &OsStr {
        &self.0
    }

    /// What stands for `value` in the strings given to argh; [`Word::from_str`] is the way back.
    #[must_use]
    pub fn encode(value: &OsStr) -> String {
        match value.to_str() {
            Some(text) => format!("{TEXT}{text}"),
            None => units(value)
                .into_iter()
                .fold(String::from(UNITS), |coded, unit| coded + &format!("{unit:04x}")),
        }
    }
}

impl From<OsString> for Word {
    fn from(value: OsString) -> Word {
        Word(value)
    }
}

impl FromStr for Word {
    type Err = String;

    fn from_str(coded: &str) -> Result<Word, String> {
        if let Some(text) = coded.strip_prefix(TEXT) {
            return Ok(Word(text.into()));
        }
        let digits = coded.strip_prefix(UNITS).ok_or("not an encoded word")?.as_bytes();
        let units: Option<Vec<u16>> = digits
            .chunks(4)
            .map(|unit| u16::from_str_radix(std::str::from_utf8(unit).ok()?, 16).ok())
            .collect();
        Ok(Word(from_units(&units.ok_or("not an encoded word")?)))
    }
}

impl fmt::Debug for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Word(..)")
    }
}

const TEXT: char = '=';
const UNITS: char = '#';

#[cfg(unix)]
pub(crate) fn units(value: &OsStr) -> Vec<u16> {
    use std::os::unix::ffi::OsStrExt as _;
    value.as_bytes().iter().copied().map(u16::from).collect()
}

#[cfg(unix)]
pub(crate) fn from_units(units: &[u16]) -> OsString {
    use std::os::unix::ffi::OsStringExt as _;
    // Only `units` above makes them, from bytes: none is larger.
    OsString::from_vec(units.iter().map(|unit| unit.to_be_bytes()[1]).collect())
}

#[cfg(windows)]
pub(crate) fn units(value: &OsStr) -> Vec<u16> {
    use std::os::windows::ffi::OsStrExt as _;
    value.encode_wide().collect()
}

#[cfg(windows)]
pub(crate) fn from_units(units: &[u16]) -> OsString {
    use std::os::windows::ffi::OsStringExt as _;
    OsString::from_wide(units)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_goes_through_as_it_is() {
        for text in ["", "a", "--yes", "-", "#00ff", "=x", "köln"] {
            let coded = Word::encode(OsStr::new(text));
            assert!(!coded.starts_with('-'), "{coded} would be read as an option");
            assert_eq!(coded.parse::<Word>().unwrap().text(), Some(text));
        }
    }

    #[cfg(unix)]
    #[test]
    fn bytes_that_are_not_utf8_go_through() {
        use std::os::unix::ffi::OsStrExt as _;
        let name = OsStr::from_bytes(b"caf\xe9-\xff/\n");
        let word: Word = Word::encode(name).parse().unwrap();
        assert_eq!(word.os(), name);
        assert_eq!(word.text(), None);
    }

    #[test]
    fn other_strings_are_no_words() {
        for coded in ["", "x", "#zzzz", "#00é"] {
            assert!(coded.parse::<Word>().is_err());
        }
    }

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", Word::from(OsString::from("12345-a-b-c"))), "Word(..)");
    }
}

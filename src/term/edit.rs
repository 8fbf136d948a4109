//! One line that is being typed, key by key, where the terminal leaves the keys to us: so that Tab can complete.
//!
//! No key moves within the line: a code is short, and what is wrong is taken back from its end. Pure: bytes come in as they are read,
//! and what is to be written comes out as text.

use unicode_width::UnicodeWidthChar as _;
use zeroize::Zeroizing;

use super::clean::{clean, columns_of, cut};

/// What Tab knows: from the text so far to what may follow.
pub type Complete = fn(&str) -> Completion;

/// What may follow a text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Completion {
    /// What follows in any case.
    pub append: String,
    /// Where nothing does: what may follow.
    pub candidates: Vec<&'static str>,
}

/// A line that is being typed.
pub struct Editor {
    /// Never longer than at first: a string that grew would leave pieces of a code in freed memory.
    text: Zeroizing<String>,
    complete: Complete,
    /// The bytes of a character that has begun.
    begun: Vec<u8>,
    escape: Escape,
}

/// What a key came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Pressed {
    /// Nothing.
    Nothing,
    /// The line looks different.
    Changed,
    /// Tab, with more than one thing that may follow.
    Candidates(Vec<&'static str>),
    /// Enter.
    Entered,
    /// Ctrl-D in an empty line.
    Ended,
    /// A key that stands for a signal, which the terminal does not send now.
    Signal(Key),
}

/// A key that stands for a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// Ctrl-C
    Interrupt,
    /// Ctrl-\
    Quit,
    /// Ctrl-Z
    Suspend,
}

/// The keys that move about send sequences, which mean nothing here.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Escape {
    None,
    Began,
    Sequence,
}

impl Editor {
    /// A line that begins with `text`.
    #[must_use]
    pub fn new(text: &str, complete: Complete) -> Editor {
        let mut line = Zeroizing::new(String::with_capacity(TEXT_BYTES_MAX));
        line.push_str(cut(text, TEXT_BYTES_MAX / 4));
        Editor { text: line, complete, begun: Vec::with_capacity(4), escape: Escape::None }
    }

    /// The line so far.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Takes one byte as the terminal sent it.
    pub fn press(&mut self, byte: u8) -> Pressed {
        match (self.escape, byte) {
            // Ahead of everything else: half a sequence must not swallow Enter or Ctrl-C.
            (_, 0x1b) => {
                self.begun.clear();
                self.escape = Escape::Began;
            }
            (_, ..0x20 | 0x7f) => {
                self.escape = Escape::None;
                return self.control(byte);
            }
            (Escape::Began, b'[' | b'O') => self.escape = Escape::Sequence,
            (Escape::Began, _) | (Escape::Sequence, 0x40..=0x7e) => self.escape = Escape::None,
            (Escape::Sequence, _) => {}
            (Escape::None, _) => return self.letter(byte),
        }
        Pressed::Nothing
    }

    /// The line so far, as a terminal may see it.
    #[must_use]
    pub fn shown(&self) -> Zeroizing<String> {
        Zeroizing::new(clean(self.text.as_bytes()))
    }

    fn letter(&mut self, byte: u8) -> Pressed {
        self.begun.push(byte);
        match std::str::from_utf8(&self.begun) {
            Ok(letter) if self.text.len() + letter.len() <= TEXT_BYTES_MAX => {
                self.text.push_str(letter);
                self.begun.clear();
                Pressed::Changed
            }
            // More is to come, if the sender of the bytes knows UTF-8.
            Err(error) if error.error_len().is_none() => Pressed::Nothing,
            _ => {
                self.begun.clear();
                Pressed::Nothing
            }
        }
    }

    fn control(&mut self, byte: u8) -> Pressed {
        self.begun.clear();
        match byte {
            b'\r' | b'\n' => return Pressed::Entered,
            0x04 if self.text.is_empty() => return Pressed::Ended,
            0x03 => return Pressed::Signal(Key::Interrupt),
            0x1c => return Pressed::Signal(Key::Quit),
            0x1a => return Pressed::Signal(Key::Suspend),
            b'\t' => return self.tab(),
            0x08 | 0x7f => self.take_back(),
            // Ctrl-U and Ctrl-W, as the terminal itself has them; Ctrl-L paints anew.
            0x15 => self.text.clear(),
            0x17 => {
                let word = self.text.trim_end().rfind([' ', '-', '_', '@']).unwrap_or(0);
                self.text.truncate(word);
            }
            0x0c => {}
            _ => return Pressed::Nothing,
        }
        Pressed::Changed
    }

    /// Takes back what looks like one letter.
    fn take_back(&mut self) {
        while self.text.pop().is_some_and(|letter| letter.width() == Some(0)) {}
    }

    fn tab(&mut self) -> Pressed {
        let Completion { append, candidates } = (self.complete)(&self.text);
        if !append.is_empty() && self.text.len() + append.len() <= TEXT_BYTES_MAX {
            self.text.push_str(&append);
            return Pressed::Changed;
        }
        if candidates.is_empty() { Pressed::Nothing } else { Pressed::Candidates(candidates) }
    }
}

/// The end of a line that is too long for so many columns, behind a mark that says so.
#[must_use]
pub fn tail(shown: &str, columns: usize) -> Zeroizing<String> {
    let mut tail = shown;
    while columns_of(tail) > columns.saturating_sub(usize::from(tail.len() < shown.len())) {
        let mut letters = tail.chars();
        if letters.next().is_none() {
            break;
        }
        tail = letters.as_str();
    }
    let more = if tail.len() < shown.len() { "<" } else { "" };
    Zeroizing::new(format!("{more}{tail}"))
}

/// No sensible answer, and no code, is longer.
const TEXT_BYTES_MAX: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn complete(text: &str) -> Completion {
        match text {
            "ac" => Completion { append: "id-".into(), candidates: Vec::new() },
            "a" => Completion { append: String::new(), candidates: vec!["acid", "acorn"] },
            _ => Completion::default(),
        }
    }

    fn editor(keys: &[u8]) -> Editor {
        let mut editor = Editor::new("", complete);
        for key in keys {
            editor.press(*key);
        }
        editor
    }

    #[test]
    fn keys_make_a_line() {
        for (keys, text) in [
            ("abc", "abc"),
            ("abc\x7f\x08d", "ad"),
            ("abc\x15d", "d"),
            ("48213-acid-crane\x17", "48213-acid"),
            ("one\x17\x17", ""),
            ("a\x1b[A\x1b[3~\x1bOHb", "ab"),
            ("köln東\x7f", "köln"),
            ("e\u{301}x\x7f\x7f", ""),
            ("ac\t", "acid-"),
            ("x\t", "x"),
        ] {
            assert_eq!(editor(keys.as_bytes()).text(), text, "{keys:?}");
        }
        assert_eq!(editor(b"a\xffb\xe6\x9d").text(), "ab", "what is no text");
    }

    #[test]
    fn keys_that_end_a_line() {
        assert_eq!(editor(b"").press(b'\n'), Pressed::Entered);
        assert_eq!(editor(b"").press(4), Pressed::Ended);
        assert_eq!(editor(b"a").press(4), Pressed::Nothing);
        assert_eq!(editor(b"a").press(3), Pressed::Signal(Key::Interrupt));
        assert_eq!(editor(b"a").press(0x1a), Pressed::Signal(Key::Suspend));
        assert_eq!(editor(b"a").press(b'\t'), Pressed::Candidates(vec!["acid", "acorn"]));
    }

    #[test]
    fn half_a_sequence_swallows_no_key_that_does_something() {
        assert_eq!(editor(b"a\x1b[").press(3), Pressed::Signal(Key::Interrupt));
        assert_eq!(editor(b"a\x1b").press(3), Pressed::Signal(Key::Interrupt));
        assert_eq!(editor(b"a\x1b[").press(b'\n'), Pressed::Entered);
        assert_eq!(editor(b"a\x1b").press(b'\r'), Pressed::Entered);
        assert_eq!(editor(b"\x1b[3").press(4), Pressed::Ended);
        assert_eq!(editor(b"ab\x1b[\x7fc").text(), "ac", "and the sequence is over");
        assert_eq!(editor(b"a\x1b[\x1b[Ab").text(), "ab", "a sequence begins anew");
        assert_eq!(editor(b"a\x1b\x1bOHb").text(), "ab");
    }

    #[test]
    fn a_long_line_shows_its_end() {
        assert_eq!(*tail("0123456789", 10), "0123456789");
        assert_eq!(*tail("0123456789", 9), "<23456789");
        assert_eq!(*tail("東京東京", 6), "<東京");
        assert_eq!(*tail("0123", 0), "<");
    }

    #[test]
    fn a_text_to_begin_with_can_be_corrected() {
        let mut editor = Editor::new("48213-krane", complete);
        editor.press(0x7f);
        assert_eq!(editor.text(), "48213-kran");
    }

    proptest! {
        #[test]
        fn what_is_shown_fits_and_does_nothing(keys: Vec<u8>, columns in 1usize..100) {
            let shown = tail(&editor(&keys).shown(), columns).to_string();
            prop_assert!(columns_of(&shown) <= columns, "{shown:?}");
            prop_assert!(!shown.chars().any(char::is_control));
        }
    }
}

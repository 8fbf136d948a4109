//! From what a person typed to a code in its one normal form.

use std::fmt;

use unicode_normalization::UnicodeNormalization as _;
use zeroize::Zeroizing;

use super::strength::{self, Weakness};
use super::{Code, Form, ROOM_DIGITS, WORDS_IN_CODE};
use crate::error::{Error, Kind};
use crate::proto::words;

/// Why a text is no code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeError {
    /// Nothing was typed, or nothing before the `@`.
    Empty,
    /// Fewer than [`CHARS_MIN`] characters after the room of a generated code.
    TooShort,
    /// Fewer than [`CHARS_MIN`] characters, and no room: a code of one's own.
    OwnTooShort,
    /// Nothing but words of generated codes: the room got lost.
    NoRoom,
    /// The address of a relay, and no code before it.
    Address,
    /// More than [`CHARS_MAX`] characters, or [`RELAY_BYTES_MAX`] bytes of relay.
    TooLong,
    /// A control character: what was pasted is not what was meant.
    ControlCharacter,
    /// It ends in `@` with no relay behind.
    NoRelay,
    /// It is easily guessed.
    Weak(Weakness),
}

/// The fewest characters of a code's secret text.
pub const CHARS_MIN: usize = 8;

/// The most characters of a code. No person types more; a file pasted by mistake is seen.
pub const CHARS_MAX: usize = 256;

/// The most bytes of the relay's text: names have at most 253, a path and a scheme come on top.
pub const RELAY_BYTES_MAX: usize = 1024;

pub(super) fn parse(text: &str, allow_weak: bool) -> Result<(Code, Option<String>), CodeError> {
    if text.split('@').next().is_some_and(|first| first.contains("://")) {
        return Err(CodeError::Address);
    }
    let (text, relay) = split_relay(text)?;
    if text.is_empty() {
        return Err(CodeError::Empty);
    }
    // A character has at most four bytes; NFC may lengthen a text, so that its end is measured again below.
    if text.len() > CHARS_MAX * 4 {
        return Err(CodeError::TooLong);
    }
    let text = nfc(text.chars());
    let code = match split_room(&text) {
        Some((room, secret)) => generated(room, secret)?,
        None => own(text, allow_weak)?,
    };
    if code.text.chars().any(char::is_control) {
        return Err(CodeError::ControlCharacter);
    }
    Ok((code, relay))
}

/// What stands before the last `@`, and the relay behind it.
fn split_relay(text: &str) -> Result<(&str, Option<String>), CodeError> {
    let Some((code, relay)) = text.rsplit_once('@') else {
        return Ok((text.trim(), None));
    };
    match relay.trim() {
        "" => Err(CodeError::NoRelay),
        relay if relay.len() > RELAY_BYTES_MAX => Err(CodeError::TooLong),
        relay => Ok((code.trim(), Some(relay.to_owned()))),
    }
}

/// The five digits and what follows the dash, where a text is to be read as a generated code.
fn split_room(text: &str) -> Option<(&str, &str)> {
    let (room, rest) = text.split_at_checked(ROOM_DIGITS)?;
    (room.bytes().all(|byte| byte.is_ascii_digit()) && rest.starts_with(is_separator)).then_some((room, rest))
}

/// `ROOM-secret` with the secret in lower case, its words one dash apart.
fn generated(room: &str, secret: &str) -> Result<Code, CodeError> {
    let lower = nfc(secret.chars().flat_map(char::to_lowercase));
    let mut text = Zeroizing::new(String::with_capacity(ROOM_DIGITS + 1 + lower.len()));
    text.push_str(room);
    for word in lower.split(is_separator).filter(|word| !word.is_empty()) {
        text.push('-');
        text.push_str(word);
    }
    match text.chars().count() {
        count if count < ROOM_DIGITS + 1 + CHARS_MIN => Err(CodeError::TooShort),
        count if count > CHARS_MAX => Err(CodeError::TooLong),
        _ => Ok(Code { text, form: Form::Generated }),
    }
}

fn own(text: Zeroizing<String>, allow_weak: bool) -> Result<Code, CodeError> {
    match text.chars().count() {
        count if count < CHARS_MIN => return Err(CodeError::OwnTooShort),
        count if count > CHARS_MAX => return Err(CodeError::TooLong),
        _ => {}
    }
    if !allow_weak && lacks_room(&text) {
        return Err(CodeError::NoRoom);
    }
    match strength::weakness(&text) {
        Some(weakness) if !allow_weak => Err(CodeError::Weak(weakness)),
        _ => Ok(Code { text, form: Form::Own }),
    }
}

/// Whether a text looks like a generated code without its digits. One word more or less may have got lost or
/// doubled.
fn lacks_room(text: &str) -> bool {
    let lower = Zeroizing::new(text.to_lowercase());
    let count = lower.split(is_separator).filter(|word| !word.is_empty()).count();
    (WORDS_IN_CODE - 1..=WORDS_IN_CODE + 1).contains(&count)
        && lower.split(is_separator).filter(|word| !word.is_empty()).all(words::contains)
}

/// Spaces, the underscore, the dash, and the dashes that telephones and word processors make of it.
fn is_separator(char: char) -> bool {
    char.is_whitespace() || matches!(char, '-' | '_' | '\u{2010}'..='\u{2015}' | '\u{2212}')
}

/// The composed form of a text, so that two keyboards that spell é differently give one code.
fn nfc(chars: impl Iterator<Item = char> + Clone) -> Zeroizing<String> {
    // Sized first: a string that grew would leave pieces of the code in freed memory.
    let bytes = chars.clone().nfc().map(char::len_utf8).sum();
    let mut text = Zeroizing::new(String::with_capacity(bytes));
    text.extend(chars.nfc());
    text
}

impl fmt::Display for CodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CodeError::Empty => f.write_str("no code was given"),
            CodeError::NoRoom => write!(f, "the code lacks its {ROOM_DIGITS} digits"),
            CodeError::Address => f.write_str("that is the address of a relay, without a code"),
            CodeError::TooShort | CodeError::OwnTooShort => {
                write!(f, "the code is shorter than {CHARS_MIN} characters")
            }
            CodeError::TooLong => write!(f, "the code is longer than {CHARS_MAX} characters"),
            CodeError::ControlCharacter => f.write_str("the code contains a control character"),
            CodeError::NoRelay => f.write_str("the code ends in @ without a relay"),
            CodeError::Weak(weakness) => write!(f, "the code is easily guessed: {weakness}"),
        }
    }
}

impl std::error::Error for CodeError {}

impl From<CodeError> for Error {
    fn from(error: CodeError) -> Error {
        let hint = match error {
            CodeError::Empty => "A code looks like 48213-acid-crane-otter.",
            CodeError::TooShort => {
                "Check that the whole code was copied; it looks like 48213-acid-crane-otter."
            }
            CodeError::OwnTooShort => {
                "A code of your own needs several unrelated words. One that p2pc made looks like \
                 48213-acid-crane-otter."
            }
            CodeError::NoRoom => {
                "One that p2pc made looks like 48213-acid-crane-otter. If these words are a code of your own, insist \
                 with --allow-weak-code."
            }
            CodeError::Address => {
                "Write the code before it, as in CODE@RELAY, or name the relay with --relay."
            }
            CodeError::TooLong | CodeError::ControlCharacter => "Check that nothing but the code was pasted.",
            CodeError::NoRelay => "Write the relay's address after the @, or leave the @ out.",
            CodeError::Weak(_) => {
                "Take a longer phrase of several unrelated words, leave out --code to have one made, or insist with \
                 --allow-weak-code."
            }
        };
        Error::new(Kind::Usage, error.to_string()).hint(hint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn reads(text: &str) -> (String, Option<String>) {
        let (code, relay) = Code::parse(text, false).unwrap();
        (code.reveal().to_owned(), relay)
    }

    fn fails(text: &str) -> CodeError {
        Code::parse(text, false).unwrap_err()
    }

    #[test]
    fn a_generated_code_is_read_however_it_is_typed() {
        for text in [
            "48213-acid-crane-otter",
            "  48213 Acid Crane Otter\n",
            "48213 - ACID -- crane  otter -",
            "48213_acid_Crane _otter",
            "48213\u{2013}acid\u{2014}crane\u{a0}otter",
            "48213-acid-\r\ncrane-\totter",
        ] {
            assert_eq!(reads(text), ("48213-acid-crane-otter".to_owned(), None), "{text:?}");
        }
    }

    #[test]
    fn anything_after_five_digits_and_a_dash_is_the_secret() {
        assert_eq!(reads("12345-PASSWORD").0, "12345-password");
        assert!(Code::parse("12345-aaaaaaaa", false).unwrap().0.is_generated());
        assert!(Code::parse("00000-Übermut!", false).unwrap().0.is_generated());
        assert!(!Code::parse("123456-what comes then", false).unwrap().0.is_generated());
    }

    #[test]
    fn the_relay_stands_behind_the_last_at() {
        let code = "48213-acid-crane-otter".to_owned();
        for (text, relay) in [
            ("48213-acid-crane-otter@relay.example", "relay.example"),
            ("48213-acid-crane-otter @ ws://[::1]:80/x ", "ws://[::1]:80/x"),
        ] {
            assert_eq!(reads(text), (code.clone(), Some(relay.to_owned())));
        }
        assert_eq!(reads("seven@blue herons wade@host").0, "seven@blue herons wade");
        assert_eq!(fails("48213-acid-crane-otter@ "), CodeError::NoRelay);
        assert_eq!(fails("@relay.example"), CodeError::Empty);
    }

    #[test]
    fn too_little_and_too_much_are_refused() {
        assert_eq!(fails(" \n"), CodeError::Empty);
        assert_eq!(fails("48213-acid-cr"), CodeError::TooShort);
        assert_eq!(fails("48213-- -----------"), CodeError::TooShort);
        assert_eq!(fails("Übermut"), CodeError::OwnTooShort);
        assert_eq!(fails(&"x7! ".repeat(65)), CodeError::TooLong);
        assert_eq!(fails(&"x".repeat(1 << 20)), CodeError::TooLong);
        assert_eq!(fails(&format!("48213-{}", "x".repeat(256))), CodeError::TooLong);
        assert_eq!(fails(&format!("48213-acid-crane-otter@{}", "x".repeat(1025))), CodeError::TooLong);
        assert_eq!(fails("seven blue\u{1b}[2J herons"), CodeError::ControlCharacter);
        assert_eq!(fails("seven blue\nherons wade"), CodeError::ControlCharacter);
        assert_eq!(fails("48213-acid-crane\u{1b}-otter"), CodeError::ControlCharacter);
    }

    #[test]
    fn ones_own_code_keeps_its_case_and_is_composed() {
        assert_eq!(reads("Cafe\u{301} Über dem Fluss").0, "Caf\u{e9} Über dem Fluss");
        assert_ne!(reads("Cafe Uber dem Fluss").0, reads("cafe uber dem fluss").0);
    }

    #[test]
    fn a_generated_code_without_its_room_is_seen() {
        for text in ["acid-crane-otter@relay.example", "Acid crane otter", "acid-crane"] {
            assert_eq!(fails(text), CodeError::NoRoom, "{text}");
        }
        assert_eq!(Code::parse("acid-crane-otter", true).unwrap().0.reveal(), "acid-crane-otter");
        assert_eq!(reads("Acid crane otter Käsekuchen").0, "Acid crane otter Käsekuchen");
    }

    #[test]
    fn an_address_is_no_code() {
        assert_eq!(fails("http://127.0.0.1:8080"), CodeError::Address);
        assert_eq!(fails("wss://user@relay.example"), CodeError::Address);
    }

    #[test]
    fn a_weak_code_needs_insistence() {
        assert!(matches!(fails("aaaaaaaaaaaa"), CodeError::Weak(_)));
        assert_eq!(Code::parse("aaaaaaaaaaaa", true).unwrap().0.reveal(), "aaaaaaaaaaaa");
    }

    proptest! {
        #[test]
        fn reading_is_total_and_settles(text in "\\PC{0,40}") {
            if let Ok((code, _)) = Code::parse(&text, true) {
                let (again, relay) = Code::parse(&format!("{}@r", code.reveal()), true).unwrap();
                prop_assert_eq!(again.reveal(), code.reveal());
                prop_assert_eq!(relay.as_deref(), Some("r"));
            }
        }
    }
}

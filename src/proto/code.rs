//! The code two people share: how one is made, how one is read, and what follows from it.
//!
//! ```text
//! 48213-acid-crane-otter@relay.example     generated: room 48213, password "acid-crane-otter", relay after the @
//! my very own phrase@relay.example         one's own: room and password both follow from Argon2id of the text
//! ```
//!
//! The relay learns the room, so no bit of the password may follow from it more cheaply than by Argon2id.

mod derive;
mod parse;
mod strength;

use std::fmt;

use zeroize::Zeroizing;

use super::kdf::SeedStream;
use super::words;
pub use derive::Derived;
pub use parse::{CHARS_MAX, CHARS_MIN, CodeError, RELAY_BYTES_MAX};
pub use strength::Weakness;

/// A code without its relay, in its one normal form. Wiped from memory when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Code {
    text: Zeroizing<String>,
    form: Form,
}

/// How a code is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// Five digits, a dash, and the secret part.
    Generated,
    /// Any other text.
    Own,
}

impl Code {
    /// Draws a code, `ROOM-word-word-word`. `seed` must be fresh from the system's random source.
    ///
    /// The room is uniform in 10000..=99999: no leading zero, which people drop. The words carry 33 bits.
    #[doc(hidden)]
    #[must_use]
    pub fn generate(seed: &[u8; 32]) -> Code {
        let mut stream = SeedStream::new("p2pc v1 generated code", seed);
        let mut text = Zeroizing::new(String::with_capacity(ROOM_DIGITS + WORDS_IN_CODE * WORD_ROOM_BYTES));
        text.push_str(&draw_room(&mut stream));
        for _ in 0..WORDS_IN_CODE {
            text.push('-');
            text.push_str(words::word(u16::from_le_bytes(*stream.take())));
        }
        Code { text, form: Form::Generated }
    }

    /// Reads what a person typed: a code, and the text of a relay after its last `@`.
    ///
    /// A text that starts with five digits and a dash is read as a generated code, whatever follows: without
    /// regard to case, with spaces or underscores for dashes. Any other is a code of one's own and refused
    /// when it is easily guessed, unless `allow_weak`.
    ///
    /// # Errors
    /// Says why the text is no code, or why it is too weak a one.
    pub fn parse(text: &str, allow_weak: bool) -> Result<(Code, Option<String>), CodeError> {
        parse::parse(text, allow_weak)
    }

    /// The code as text, to be shown to the person who passes it on. Nothing else may print it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.text
    }

    /// Whether this is read as a generated code, whose room is in no way derived from its words.
    #[must_use]
    pub fn is_generated(&self) -> bool {
        self.form == Form::Generated
    }

    /// The words of a generated code that are not on the list: probably mistyped. Always empty for one's own
    /// code.
    #[must_use]
    pub fn unknown_words(&self) -> Vec<String> {
        match self.split() {
            Some((_, secret)) => {
                secret.split('-').filter(|word| !words::contains(word)).map(str::to_owned).collect()
            }
            None => Vec::new(),
        }
    }

    /// How many words a generated code has: those that p2pc makes have [`WORDS_IN_CODE`]. `None` for one's own code.
    #[must_use]
    pub fn word_count(&self) -> Option<usize> {
        self.split().map(|(_, secret)| secret.split('-').count())
    }

    /// The same words in another room, for when the relay says that the room is taken. `None` for a code of one's
    /// own, whose room follows from its text.
    #[doc(hidden)]
    #[must_use]
    pub fn with_new_room(&self, seed: &[u8; 32]) -> Option<Code> {
        let (_, secret) = self.split()?;
        let mut text = Zeroizing::new(String::with_capacity(self.text.len()));
        text.push_str(&draw_room(&mut SeedStream::new("p2pc v1 another room", seed)));
        text.push('-');
        text.push_str(secret);
        Some(Code { text, form: Form::Generated })
    }

    /// The room and the password of this code.
    ///
    /// At once for a generated code. For one's own it takes 64 MiB and about 150 ms of one core, on purpose:
    /// run it on a thread that may block.
    ///
    /// # Errors
    /// When there is no memory for it. Never for a generated code.
    #[doc(hidden)]
    pub fn derive(&self) -> crate::Result<Derived> {
        match self.split() {
            Some((room, secret)) => Ok(derive::generated(room, secret)),
            None => derive::own(&self.text),
        }
    }

    /// Room and secret part of a generated code.
    fn split(&self) -> Option<(&str, &str)> {
        match self.form {
            Form::Generated => self.text.split_once('-'),
            Form::Own => None,
        }
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Code(..)")
    }
}

/// A uniform room. Numbers past the last whole multiple of the range are drawn again, or the low rooms would
/// come up more often; one draw in 90,000 is.
fn draw_room(stream: &mut SeedStream) -> String {
    const FIRST: u32 = 10_000;
    const ROOMS: u32 = 90_000;
    const USABLE: u32 = u32::MAX - u32::MAX % ROOMS;
    loop {
        let drawn = u32::from_le_bytes(*stream.take());
        if drawn < USABLE {
            return (FIRST + drawn % ROOMS).to_string();
        }
    }
}

/// Digits of a generated code's room.
const ROOM_DIGITS: usize = 5;

/// Words of a generated code: 33 bits, of which an attacker may try three guesses.
pub const WORDS_IN_CODE: usize = 3;

/// Room for a word and its dash, so that the text never moves and leaves no copy behind.
const WORD_ROOM_BYTES: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_generated_code_follows_from_its_seed() {
        assert_eq!(Code::generate(&[7; 32]).reveal(), Code::generate(&[7; 32]).reveal());
        assert_ne!(Code::generate(&[7; 32]).reveal(), Code::generate(&[8; 32]).reveal());
    }

    #[test]
    fn rooms_spread_over_the_whole_range() {
        let mut stream = SeedStream::new("test", &[3; 32]);
        let mut tenths = [0_u32; 9];
        for _ in 0..9_000 {
            let room = draw_room(&mut stream);
            assert_eq!(room.len(), ROOM_DIGITS);
            tenths[usize::from(room.as_bytes()[0] - b'1')] += 1;
        }
        assert!(tenths.iter().all(|&count| (850..1150).contains(&count)), "{tenths:?}");
    }

    #[test]
    fn another_room_keeps_the_words() {
        let code = Code::generate(&[1; 32]);
        let moved = code.with_new_room(&[2; 32]).unwrap();
        assert_eq!(moved.split().unwrap().1, code.split().unwrap().1);
        assert_ne!(moved.split().unwrap().0, code.split().unwrap().0);
        let (own, _) = Code::parse("Seven blue herons wade", false).unwrap();
        assert!(own.with_new_room(&[2; 32]).is_none());
    }

    #[test]
    fn words_off_the_list_are_named() {
        let (code, _) = Code::parse("48213 acid krane otter", false).unwrap();
        assert_eq!(code.unknown_words(), ["krane"]);
        let (own, _) = Code::parse("Seven blue herons wade", false).unwrap();
        assert!(own.unknown_words().is_empty());
        assert_eq!((code.word_count(), own.word_count()), (Some(WORDS_IN_CODE), None));
        assert_eq!(Code::parse("48213 acid crane", false).unwrap().0.word_count(), Some(2));
    }

    #[test]
    fn debug_never_shows_the_code() {
        assert_eq!(format!("{:?}", Code::generate(&[7; 32])), "Code(..)");
    }

    proptest! {
        #[test]
        fn every_generated_code_reads_back(seed: [u8; 32]) {
            let code = Code::generate(&seed);
            prop_assert!(code.is_generated());
            prop_assert_eq!(code.unknown_words(), Vec::<String>::new());
            let shouted = code.reveal().to_uppercase().replace('-', "  ");
            prop_assert_eq!(Code::parse(&shouted, false).unwrap(), (code, None));
        }
    }
}

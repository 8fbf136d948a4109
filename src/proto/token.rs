//! What a person shows to a relay that is not open to everybody.

use std::fmt;

use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq};
use zeroize::Zeroizing;

use crate::{Error, Kind, Result};

/// A token: 16 to 256 printable characters of ASCII, none of them blank. It goes into a header of HTTP as it
/// is, so nothing else may be in it. Wiped from memory when dropped; its `Debug` is redacted.
#[derive(Clone)]
pub struct Token(Zeroizing<String>);

impl Token {
    /// Reads one.
    ///
    /// # Errors
    /// [`Kind::Usage`], with what is wrong about it, and never with the text itself.
    pub fn parse(text: &str) -> Result<Token> {
        let wrong = |what: String| {
            Error::new(Kind::Usage, what)
                .hint("A token has 16 to 256 printable ASCII characters; openssl rand -hex 24 makes one.")
        };
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(wrong("the token has characters that are blank or not printable ASCII".to_owned()));
        }
        if text.len() < BYTES_MIN {
            return Err(wrong(format!("the token is shorter than {BYTES_MIN} characters")));
        }
        if text.len() > BYTES_MAX {
            return Err(wrong(format!("the token is longer than {BYTES_MAX} characters")));
        }
        Ok(Token(Zeroizing::new(text.to_owned())))
    }

    /// The token as text, to be shown to the relay. Nothing else may write it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What a relay keeps of it.
    #[doc(hidden)]
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest(Zeroizing::new(Sha256::digest(self.0.as_bytes()).into()))
    }
}

/// The SHA-256 of a token. All have one length, so that comparing two of them takes one time.
#[derive(Clone)]
pub struct Digest(Zeroizing<[u8; 32]>);

impl Digest {
    /// Its bytes, for whoever looks for two that are the same.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl ConstantTimeEq for Digest {
    fn ct_eq(&self, other: &Digest) -> Choice {
        self.0.as_slice().ct_eq(other.0.as_slice())
    }
}

impl PartialEq for Token {
    fn eq(&self, other: &Token) -> bool {
        self.digest().ct_eq(&other.digest()).into()
    }
}

impl Eq for Token {}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest(..)")
    }
}

/// Fewer characters could be guessed.
pub const BYTES_MIN: usize = 16;

/// More than any generator makes, and little beside the 8 KiB that a request may have.
pub const BYTES_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_have_a_length_and_nothing_that_a_header_could_not_bear() {
        let (shortest, longest) = ("x".repeat(BYTES_MIN), "~".repeat(BYTES_MAX));
        for good in [shortest.as_str(), longest.as_str(), "!#$%&'*+-.^_`|~:;,=/?@\"\\()[]{}<>"] {
            assert_eq!(Token::parse(good).unwrap().reveal(), good);
        }
        let (too_short, too_long) = ("x".repeat(BYTES_MIN - 1), "x".repeat(BYTES_MAX + 1));
        for bad in [
            "",
            too_short.as_str(),
            too_long.as_str(),
            "0123456789abcdef\r\nX-Evil: 1",
            "0123456789abcdef\n",
            "0123456789 abcdef",
            "0123456789\tabcdef",
            "0123456789abcdef\0",
            "0123456789abcdef\u{7f}",
            "0123456789abcdeä",
        ] {
            let error = Token::parse(bad).unwrap_err();
            assert!(error.kind() == Kind::Usage && error.hint_text().is_some());
            assert!(bad.is_empty() || !format!("{error} {error:?}").contains(bad), "{error}");
        }
    }

    #[test]
    fn debug_shows_no_token() {
        let token = Token::parse("0123456789abcdef").unwrap();
        assert_eq!(format!("{token:?} {:?}", token.digest()), "Token(..) Digest(..)");
    }
}

//! The tokens that a relay knows: a file, a line each.
//!
//! ```text
//! # who       token
//! anna        4c1b0f0f6d3e4a0f9f5c7be1
//! build-host  correct-horse-battery-staple
//! ```
//!
//! What is kept of a token is its SHA-256, and what is shown is compared with all of them, always in the same time.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use subtle::{ConditionallySelectable as _, ConstantTimeEq as _};

use super::files;
use super::http::Credentials;
use super::visitor::Standing;
use crate::proto::token::{Digest, Token};
use crate::{Error, Kind, Result};

/// The tokens in force.
#[derive(Debug)]
pub struct Tokens {
    path: PathBuf,
    known: RwLock<Arc<Known>>,
}

/// What somebody's credentials are worth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pass {
    /// What they allow.
    pub standing: Standing,
    /// Whose token was shown, for the log.
    pub token_name: Option<Arc<str>>,
}

/// What was shown is worth nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unknown;

#[derive(Debug)]
struct Known(Vec<(Digest, Arc<str>)>);

impl Tokens {
    /// Reads the file.
    ///
    /// # Errors
    /// [`Kind::Usage`]: it cannot be read, or a line of it is wrong. The error names the line, and never what is in it.
    pub fn read(path: &Path) -> Result<Tokens> {
        let known = load(path)?;
        Ok(Tokens { path: path.to_owned(), known: RwLock::new(Arc::new(known)) })
    }

    /// Reads the file again. Who has a seat keeps it.
    ///
    /// # Errors
    /// As [`Tokens::read`]; then the tokens from before stay in force.
    pub fn read_again(&self) -> Result<()> {
        let known = Arc::new(load(&self.path)?);
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = known;
        Ok(())
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.known().0.len()
    }

    /// What these credentials are worth.
    ///
    /// # Errors
    /// [`Unknown`]: a token that is not in the file, or something that is no token.
    pub fn judge(&self, credentials: &Credentials) -> Result<Pass, Unknown> {
        match credentials {
            Credentials::None => Ok(Pass { standing: Standing::Guest, token_name: None }),
            Credentials::Unusable => Err(Unknown),
            Credentials::Token(token) => {
                let name = self.known().name_of(token).ok_or(Unknown)?;
                Ok(Pass { standing: Standing::Member, token_name: Some(name) })
            }
        }
    }

    fn known(&self) -> Arc<Known> {
        // Nothing panics while it holds the lock.
        Arc::clone(&self.known.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Pass {
    /// What everybody has at a relay that knows no tokens.
    pub const OPEN: Pass = Pass { standing: Standing::Open, token_name: None };
}

impl Known {
    /// Whose token this is. It takes as long whether it is the first, the last or none.
    fn name_of(&self, token: &Token) -> Option<Arc<str>> {
        let shown = token.digest();
        // Counted from one: zero is nobody.
        let mut found = 0_u32;
        for (number, (digest, _)) in (1_u32..).zip(&self.0) {
            found.conditional_assign(&number, digest.ct_eq(&shown));
        }
        let index = usize::try_from(found.checked_sub(1)?).ok()?;
        self.0.get(index).map(|(_, name)| Arc::clone(name))
    }
}

fn load(path: &Path) -> Result<Known> {
    let shown = crate::term::clean::clean(path.as_os_str().as_encoded_bytes());
    let file = files::read(path, FILE_BYTES_MAX).map_err(|error| {
        Error::new(Kind::Usage, format!("cannot read the token file {shown}")).caused_by(error)
    })?;
    if file.others_may_read {
        tracing::warn!(file = %shown, "other users of this machine can read the token file: chmod o-r");
    }
    parse(&file.bytes).map_err(|Fault { line, what }| {
        let place = line.map_or_else(String::new, |line| format!(", line {line}"));
        Error::new(Kind::Usage, format!("the token file {shown}{place}: {what}"))
            .hint("A line is a name and a token with blanks between: anna 4c1b0f0f6d3e4a0f9f5c7be1")
    })
}

/// What is wrong with a file of tokens, and where.
#[derive(Debug, PartialEq, Eq)]
struct Fault {
    line: Option<usize>,
    what: String,
}

fn parse(bytes: &[u8]) -> Result<Known, Fault> {
    let mut known: Vec<(Digest, Arc<str>)> = Vec::new();
    let mut names = BTreeMap::new();
    let mut lines = Vec::new();
    for (line, text) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
        let fault = |what: String| Fault { line: Some(line), what };
        let mut words = words(text);
        let Some(name) = words.next() else { continue };
        let (Some(token), None) = (words.next(), words.next()) else {
            return Err(fault("there must be a name and a token, and nothing else".to_owned()));
        };
        let name = name_of(name).ok_or_else(|| fault(format!("the name is not {NAMES}")))?;
        let token = std::str::from_utf8(token).map_err(|_| fault("the token is not ASCII".to_owned()))?;
        let digest = Token::parse(token).map_err(|error| fault(error.to_string()))?.digest();
        if let Some(before) = names.insert(name.to_owned(), line) {
            return Err(fault(format!("the name stands in line {before} already")));
        }
        if known.len() == TOKENS_MAX {
            return Err(fault(format!("there are more than {TOKENS_MAX} tokens")));
        }
        known.push((digest, name.into()));
        lines.push(line);
    }
    let mut places = BTreeMap::new();
    for ((digest, _), line) in known.iter().zip(lines) {
        if let Some(before) = places.insert(digest.as_bytes(), line) {
            return Err(Fault {
                line: Some(line),
                what: format!("the token stands in line {before} already"),
            });
        }
    }
    if known.is_empty() {
        return Err(Fault {
            line: None,
            what: "there is no token in it, so nobody could use the relay".to_owned(),
        });
    }
    Ok(Known(known))
}

/// The words of a line. `#` in front of one begins a comment; within one it is a character like others.
fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty())
        .take_while(|word| !word.starts_with(b"#"))
}

fn name_of(word: &[u8]) -> Option<&str> {
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte);
    let good = word.len() <= NAME_BYTES_MAX && word.iter().all(allowed);
    std::str::from_utf8(word).ok().filter(|_| good)
}

/// As many people and machines as one relay can have; a look at all of them takes some hundred microseconds.
const TOKENS_MAX: usize = 10_000;

/// All of them with comments.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Names go to the log, one a line.
const NAME_BYTES_MAX: usize = 64;

const NAMES: &str = "1 to 64 characters of A-Z a-z 0-9 . _ -";

#[cfg(test)]
mod tests;

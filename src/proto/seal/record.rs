//! The two ends of a stream of records: [`Sealer`] and [`Opener`] count alike and change keys at the same
//! records.

use std::fmt;

use super::cipher::{Cipher, Key, Tag};
use super::schedule::next_key;
use super::{Mode, RECORD_MAX, RECORD_MIN, TAG_BYTES};
use crate::error::{Error, Kind};
use crate::proto::limits::FRAME_BYTES_MAX;

/// Seals the records that this end sends on one lane, and can open again what it sealed: so what may have to
/// be said once more is kept as it went out, without a copy.
pub struct Sealer {
    chain: Chain,
    /// What sealed the records before the key changed last.
    previous: Option<Cipher>,
}

/// Opens the records that the other end sends on one lane, in the order they were sealed. The first that does
/// not open is the last it looks at.
pub struct Opener {
    chain: Chain,
    poisoned: bool,
}

/// Why a record cannot be sealed: always a fault of the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SealError {
    /// There is nothing to seal.
    Empty,
    /// More than [`FRAME_BYTES_MAX`] bytes.
    TooLong,
    /// The numbers are used up; no lane lives that long.
    Exhausted,
}

/// Why a record does not open. The lane it came on is of no use any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// Shorter than [`RECORD_MIN`] bytes.
    TooShort,
    /// Longer than [`RECORD_MAX`] bytes.
    TooLong,
    /// Not the next record that the other end sealed on this lane.
    Forged,
    /// An earlier record did not open.
    Poisoned,
    /// The numbers are used up; no lane lives that long.
    Exhausted,
}

impl Sealer {
    pub(super) fn new(mode: Mode, key: Key) -> Sealer {
        Sealer { chain: Chain::new(mode, key), previous: None }
    }

    /// The number that the next record gets, for [`Sealer::reopen`].
    #[must_use]
    pub fn next_number(&self) -> u64 {
        self.chain.next
    }

    /// Seals `content` in place and gives the tag, which goes on the wire right behind it.
    ///
    /// # Errors
    /// When `content` is empty or longer than [`FRAME_BYTES_MAX`]. No number is used then.
    pub fn seal(&mut self, content: &mut [u8]) -> Result<[u8; TAG_BYTES], SealError> {
        match content.len() {
            0 => return Err(SealError::Empty),
            length if length > FRAME_BYTES_MAX => return Err(SealError::TooLong),
            _ => {}
        }
        let (number, replaced) = self.chain.advance().ok_or(SealError::Exhausted)?;
        if replaced.is_some() {
            self.previous = replaced;
        }
        #[cfg(any(test, feature = "sim"))]
        super::witness::seals(&self.chain.key, number, content);
        self.chain.cipher.seal(number, content).map_err(|_| SealError::TooLong)
    }

    /// Seals everything in `buffer` from `start` on, in place, and appends the tag. Reserve [`TAG_BYTES`]
    /// more than the content takes, or the buffer moves.
    ///
    /// # Errors
    /// As [`Sealer::seal`]; nothing from `start` on counts as empty.
    pub fn seal_in_place(&mut self, buffer: &mut Vec<u8>, start: usize) -> Result<(), SealError> {
        let tag = self.seal(buffer.get_mut(start..).unwrap_or_default())?;
        buffer.extend_from_slice(&tag);
        Ok(())
    }

    /// Opens in place what was sealed here as record `number`, in any order, and gives its content, a part of
    /// `record`. Reaches back over one change of keys.
    ///
    /// # Errors
    /// When it is not that record, or one from before the key that was replaced last.
    pub fn reopen<'a>(&self, number: u64, record: &'a mut [u8]) -> Result<&'a mut [u8], OpenError> {
        let generation = |number: u64| number / self.chain.records_per_key;
        // The key changes only when the next record is sealed, so it is the last one that tells which key
        // this is.
        let current = generation(self.chain.next.saturating_sub(1));
        let cipher = match current.checked_sub(generation(number)) {
            Some(0) => &self.chain.cipher,
            Some(1) => self.previous.as_ref().ok_or(OpenError::Forged)?,
            _ => return Err(OpenError::Forged),
        };
        open(cipher, number, record)
    }
}

impl Opener {
    pub(super) fn new(mode: Mode, key: Key) -> Opener {
        Opener { chain: Chain::new(mode, key), poisoned: false }
    }

    /// Opens the next record in place and gives its content, a part of `record`.
    ///
    /// # Errors
    /// When it is not the next record sealed at the other end. Then, and ever after, nothing opens.
    pub fn open_in_place<'a>(&mut self, record: &'a mut [u8]) -> Result<&'a mut [u8], OpenError> {
        if self.poisoned {
            return Err(OpenError::Poisoned);
        }
        let opened = self.chain.open(record);
        self.poisoned = opened.is_err();
        opened
    }
}

/// One direction's keys and numbers.
struct Chain {
    mode: Mode,
    key: Key,
    cipher: Cipher,
    /// The number of the next record.
    next: u64,
    /// How many records one key seals.
    records_per_key: u64,
}

impl Chain {
    fn new(mode: Mode, key: Key) -> Chain {
        let cipher = Cipher::new(mode, &key);
        Chain { mode, key, cipher, next: 0, records_per_key: RECORDS_PER_KEY }
    }

    /// Takes the next number, and changes the key where that number begins a new one: then the cipher before
    /// it comes along. `None` when all numbers are taken.
    fn advance(&mut self) -> Option<(u64, Option<Cipher>)> {
        let number = self.next;
        self.next = number.checked_add(1)?;
        if number == 0 || !number.is_multiple_of(self.records_per_key) {
            return Some((number, None));
        }
        // The old key is wiped as it is replaced.
        self.key = next_key(&self.key);
        let cipher = Cipher::new(self.mode, &self.key);
        Some((number, Some(std::mem::replace(&mut self.cipher, cipher))))
    }

    fn open<'a>(&mut self, record: &'a mut [u8]) -> Result<&'a mut [u8], OpenError> {
        check_length(record)?;
        let (number, _) = self.advance().ok_or(OpenError::Exhausted)?;
        open(&self.cipher, number, record)
    }
}

/// Opens record `number` in place.
fn open<'a>(cipher: &Cipher, number: u64, record: &'a mut [u8]) -> Result<&'a mut [u8], OpenError> {
    check_length(record)?;
    let (content, tag) = record.split_last_chunk_mut::<TAG_BYTES>().ok_or(OpenError::TooShort)?;
    let tag: &Tag = tag;
    cipher.open(number, content, tag).map_err(|_| OpenError::Forged)?;
    Ok(content)
}

fn check_length(record: &[u8]) -> Result<(), OpenError> {
    match record.len() {
        length if length < RECORD_MIN => Err(OpenError::TooShort),
        length if length > RECORD_MAX => Err(OpenError::TooLong),
        _ => Ok(()),
    }
}

/// Records sealed with one key. Of the greatest length they are 2^36 bytes, well below the 2^38 at which
/// confidence in the ciphers starts to thin, and the key changes so rarely that it costs nothing.
const RECORDS_PER_KEY: u64 = 1 << 18;

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealer({:?}, next {})", self.chain.mode, self.chain.next)
    }
}

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Opener({:?}, next {}, poisoned {})", self.chain.mode, self.chain.next, self.poisoned)
    }
}

impl fmt::Display for SealError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SealError::Empty => "an empty record cannot be sealed",
            SealError::TooLong => "the record is too long to be sealed",
            SealError::Exhausted => "no record numbers are left on this lane",
        })
    }
}

impl std::error::Error for SealError {}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            OpenError::TooShort => "a record arrived cut short",
            OpenError::TooLong => "a record arrived that is longer than any",
            OpenError::Forged => "a record arrived that the other side did not seal next",
            OpenError::Poisoned => "an earlier record on this lane was not genuine",
            OpenError::Exhausted => "no record numbers are left on this lane",
        })
    }
}

impl std::error::Error for OpenError {}

impl From<SealError> for Error {
    fn from(error: SealError) -> Error {
        Error::new(Kind::Internal, error.to_string())
    }
}

impl From<OpenError> for Error {
    fn from(error: OpenError) -> Error {
        let kind = match error {
            OpenError::Exhausted => Kind::Internal,
            OpenError::TooShort | OpenError::TooLong | OpenError::Forged | OpenError::Poisoned => {
                Kind::Authentication
            }
        };
        Error::new(kind, error.to_string())
            .hint("Something between the two sides changes what passes; try another relay or network.")
    }
}

#[cfg(test)]
mod tests;

//! Frames: what a record holds once it is opened.
//!
//! ```text
//! frame   = magic 'p' | version 1 | header (postcard) | payload (raw bytes, data frames only)
//! header  = Data [piece…]  |  Control seq body  |  KeepAlive  |  Received frames  |  Packed codec length [piece…]
//! piece   = Bytes entry offset length   the next `length` bytes of the payload, to stand at `offset` of that file
//!         | Zeros entry offset length   as many zeros, without payload: a hole
//!         | Same entry offset length value   a chunk the receiver holds, by its BLAKE3 value
//! ```
//!
//! The payload of `Packed` unpacks to `length` bytes, and those are what its pieces say.
//!
//! Enums only ever grow at their end, so an older program sees an unknown variant as an error and never as
//! something else. Data frames stand on their own and may overtake; control frames carry a number and are
//! processed in order and once. Everything here is bounded by [`super::limits`], whoever wrote it.

mod block;
mod control;
mod failure;

use serde::{Deserialize, Serialize};

pub use block::{Block, PackedBlock};
pub use control::{Control, FileEnd, Get, Outcome, Run, Verdict};
pub use failure::{CancelReason, Cancelled, Failure, Reason, WireFailure, bounded_text};

use super::compress::Codec;
use super::limits::{
    FRAME_BYTES_MAX, FRAME_COST_MIN, NAMED_BYTES_MAX, NAMED_PER_COST, PACKED_PER_COST, PAYLOAD_BYTES_MAX,
    PIECES_MAX,
};
use crate::error::{Error, Kind};

/// The first two bytes of every frame: a mark and the version of this format.
pub const MAGIC: [u8; 2] = [b'p', 1];

/// An opened frame, borrowing from the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// File contents.
    Data(Data<'a>),
    /// File contents, packed. Only to who can unpack them.
    Packed(PackedData<'a>),
    /// One message of the session's conversation.
    Control {
        /// Its number in its direction, from 0.
        seq: u64,
        /// What it says.
        control: Control<'a>,
    },
    /// Nothing but a sign of life.
    KeepAlive,
    /// How much has come on this lane. The first record of every connection, and from time to time later:
    /// what it counts need not be kept any longer.
    Received {
        /// Data and control frames taken from this lane since the session began, over all its connections.
        frames: u64,
    },
}

/// What is said of a connection and not in the session: it is neither counted nor said again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aside {
    /// See [`Frame::KeepAlive`].
    KeepAlive,
    /// See [`Frame::Received`].
    Received {
        /// How many frames have come.
        frames: u64,
    },
}

/// File contents: pieces, and the bytes of those that have some, one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Data<'a> {
    /// At most [`PIECES_MAX`].
    pub pieces: Vec<Piece>,
    /// Exactly as long as the `Bytes` pieces together.
    pub payload: &'a [u8],
}

/// File contents as in [`Data`], where the payload has yet to be unpacked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackedData<'a> {
    /// How it is packed.
    pub codec: Codec,
    /// Exactly as much as the `Bytes` pieces together, in bytes: so long the payload is once it is unpacked.
    pub length: u32,
    /// At most [`PIECES_MAX`].
    pub pieces: Vec<Piece>,
    /// Shorter than that.
    pub payload: &'a [u8],
}

/// A stretch of one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Piece {
    /// `length` bytes of the payload.
    Bytes {
        /// The file's number in the manifest.
        entry: u64,
        /// Where in the file, in bytes.
        offset: u64,
        /// How many bytes.
        length: u32,
    },
    /// A hole.
    Zeros {
        /// The file's number in the manifest.
        entry: u64,
        /// Where in the file, in bytes.
        offset: u64,
        /// How many zeros; of everything a frame names without carrying it at most [`NAMED_BYTES_MAX`].
        length: u32,
    },
    /// A chunk that the receiver said it holds, by its value: it reads its own and compares.
    Same {
        /// The file's number in the manifest.
        entry: u64,
        /// Where in the file, in bytes: where a chunk begins.
        offset: u64,
        /// How long this chunk is, in bytes.
        length: u32,
        /// Its value, see [`super::chunk::ChunkValue`]; of a file of one chunk its root.
        value: [u8; 32],
    },
}

/// Why bytes are no frame. Whoever gets one ends the transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// Does not begin with [`MAGIC`].
    Magic,
    /// Longer than any frame.
    TooLong,
    /// The header is not one, or something trails it.
    Header,
    /// More pieces, items or text than allowed.
    TooMany,
    /// The pieces do not add up to the payload, or reach beyond what a file can be.
    Pieces,
}

#[derive(Serialize, Deserialize)]
enum Header<'a> {
    Data(Vec<Piece>),
    Control {
        seq: u64,
        #[serde(borrow)]
        control: Control<'a>,
    },
    KeepAlive,
    Received {
        frames: u64,
    },
    Packed {
        codec: Codec,
        length: u32,
        pieces: Vec<Piece>,
    },
}

impl<'a> Frame<'a> {
    /// Reads a frame, checking every bound.
    ///
    /// # Errors
    /// [`FrameError`]; nothing of the frame may be used then.
    pub fn decode(bytes: &'a [u8]) -> Result<Frame<'a>, FrameError> {
        if bytes.len() > FRAME_BYTES_MAX {
            return Err(FrameError::TooLong);
        }
        let header = bytes.strip_prefix(&MAGIC).ok_or(FrameError::Magic)?;
        let (header, rest) = postcard::take_from_bytes(header).map_err(|_| FrameError::Header)?;
        match header {
            Header::Data(pieces) => Ok(Frame::Data(Data::checked(pieces, rest)?)),
            Header::Packed { codec, length, pieces } => {
                Ok(Frame::Packed(PackedData::checked(codec, length, pieces, rest)?))
            }
            Header::Control { .. } | Header::KeepAlive | Header::Received { .. } if !rest.is_empty() => {
                Err(FrameError::Header)
            }
            Header::Control { seq, control } => {
                control.check()?;
                Ok(Frame::Control { seq, control })
            }
            Header::KeepAlive => Ok(Frame::KeepAlive),
            Header::Received { frames } => Ok(Frame::Received { frames }),
        }
    }
}

impl Aside {
    /// Tells by its first bytes whether a frame is for the session (`None`), without reading all of it.
    #[must_use]
    pub fn peek(frame: &[u8]) -> Option<Aside> {
        match frame.strip_prefix(&MAGIC)?.first()? {
            &KEEP_ALIVE | &RECEIVED => {}
            _ => return None,
        }
        match Frame::decode(frame) {
            Ok(Frame::KeepAlive) => Some(Aside::KeepAlive),
            Ok(Frame::Received { frames }) => Some(Aside::Received { frames }),
            _ => None,
        }
    }

    /// Its bytes.
    ///
    /// # Errors
    /// Kind `Internal`: never in practice; the type is that of the encoder.
    pub fn encode(self) -> Result<Vec<u8>, Error> {
        let encoded = match self {
            Aside::KeepAlive => encode_keep_alive(),
            Aside::Received { frames } => encode_received(frames),
        };
        encoded.map_err(|error| Error::new(Kind::Internal, "a frame could not be written").caused_by(error))
    }
}

/// The numbers on the wire of the variants of [`Header`] that hold neither data nor control.
const KEEP_ALIVE: u8 = 2;
const RECEIVED: u8 = 3;

/// The bytes of a control frame.
///
/// # Errors
/// [`FrameError::TooLong`], when it would be longer than a frame may be; the caller splits its lists well
/// below that.
pub fn encode_control(seq: u64, control: Control<'_>) -> Result<Vec<u8>, FrameError> {
    let bytes = encode(&Header::Control { seq, control })?;
    if bytes.len() > FRAME_BYTES_MAX { Err(FrameError::TooLong) } else { Ok(bytes) }
}

/// The bytes of a sign of life.
///
/// # Errors
/// Never in practice; the type is that of the encoder.
pub fn encode_keep_alive() -> Result<Vec<u8>, FrameError> {
    encode(&Header::KeepAlive)
}

/// The bytes of what tells how much has come on a lane.
///
/// # Errors
/// Never in practice; the type is that of the encoder.
pub fn encode_received(frames: u64) -> Result<Vec<u8>, FrameError> {
    encode(&Header::Received { frames })
}

/// What a data frame of `frame_bytes` that names `pieces` counts for in the window. `packed`: how long its
/// payload is once it is unpacked, if it has to be.
#[must_use]
pub fn cost(frame_bytes: usize, pieces: &[Piece], packed: Option<u32>) -> u64 {
    let unpacked = packed.map_or(0, |length| u64::from(length) / PACKED_PER_COST);
    (frame_bytes as u64).max(FRAME_COST_MIN) + named(pieces) / NAMED_PER_COST + unpacked
}

/// The bytes of all pieces that are named and not carried: they take no room, but the receiver hashes them.
/// Cannot overflow: a frame has few pieces of 32 bits each.
fn named(pieces: &[Piece]) -> u64 {
    pieces
        .iter()
        .map(|piece| match piece {
            Piece::Zeros { length, .. } | Piece::Same { length, .. } => u64::from(*length),
            Piece::Bytes { .. } => 0,
        })
        .sum()
}

impl Piece {
    /// How many bytes it names that the receiver is believed to hold.
    #[must_use]
    pub fn held_bytes(&self) -> u64 {
        if let Piece::Same { length, .. } = self { u64::from(*length) } else { 0 }
    }

    /// The file's number, the offset and the length.
    #[must_use]
    pub fn place(&self) -> (u64, u64, u32) {
        match *self {
            Piece::Bytes { entry, offset, length }
            | Piece::Zeros { entry, offset, length }
            | Piece::Same { entry, offset, length, .. } => (entry, offset, length),
        }
    }
}

impl<'a> Data<'a> {
    fn checked(pieces: Vec<Piece>, payload: &'a [u8]) -> Result<Data<'a>, FrameError> {
        check(&pieces, payload.len())?;
        Ok(Data { pieces, payload })
    }
}

impl<'a> PackedData<'a> {
    fn checked(
        codec: Codec,
        length: u32,
        pieces: Vec<Piece>,
        payload: &'a [u8],
    ) -> Result<PackedData<'a>, FrameError> {
        let bytes = length as usize;
        // A packed payload must be shorter than its content; otherwise it has to be sent plain.
        if payload.is_empty() || payload.len() >= bytes || bytes > PAYLOAD_BYTES_MAX {
            return Err(FrameError::Pieces);
        }
        check(&pieces, bytes)?;
        Ok(PackedData { codec, length, pieces, payload })
    }
}

/// Checks the pieces of a frame whose payload is so long, once it is unpacked.
fn check(pieces: &[Piece], payload_bytes: usize) -> Result<(), FrameError> {
    if pieces.len() > PIECES_MAX {
        return Err(FrameError::TooMany);
    }
    let mut in_payload = 0;
    for piece in pieces {
        let (_, offset, length) = piece.place();
        let is_sound =
            length > 0 && offset.checked_add(u64::from(length)).is_some_and(|end| end <= FILE_BYTES_MAX);
        match piece {
            Piece::Bytes { .. } => in_payload += length as usize,
            Piece::Zeros { .. } | Piece::Same { .. } => {}
        }
        if !is_sound {
            return Err(FrameError::Pieces);
        }
    }
    if pieces.is_empty() || in_payload != payload_bytes || named(pieces) > u64::from(NAMED_BYTES_MAX) {
        return Err(FrameError::Pieces);
    }
    Ok(())
}

impl std::fmt::Display for FrameError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            FrameError::Magic => "a frame of an unknown format",
            FrameError::TooLong => "a frame that is too long",
            FrameError::Header => "a frame that cannot be read",
            FrameError::TooMany => "a frame with more in it than allowed",
            FrameError::Pieces => "a data frame whose pieces do not fit its contents",
        })
    }
}

impl std::error::Error for FrameError {}

fn encode(header: &Header<'_>) -> Result<Vec<u8>, FrameError> {
    postcard::to_extend(header, MAGIC.to_vec()).map_err(|_| FrameError::Header)
}

/// No file is longer: the largest offset the systems can express.
const FILE_BYTES_MAX: u64 = i64::MAX as u64;

#[cfg(test)]
mod tests;

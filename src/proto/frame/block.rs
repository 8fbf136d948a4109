//! Data frames in the making: filled, packed, and given their header, in one buffer.

use super::{FrameError, Header, Piece, cost, encode, named};
use crate::proto::compress::{Codec, Packer};
use crate::proto::limits::{
    HEADER_BYTES_MAX, NAMED_BYTES_MAX, NAMED_PER_COST, PAYLOAD_BYTES_MAX, PIECE_HEADER_BYTES_MAX, PIECES_MAX,
    SAME_HEADER_BYTES_MAX,
};
use crate::proto::seal::TAG_BYTES;

/// A data frame being filled: file bytes go where they will be sealed, behind room for the header, and are
/// never moved.
#[derive(Debug)]
pub struct Block {
    buffer: Vec<u8>,
    pieces: Vec<Piece>,
    // What the pieces take in the header at most.
    header_bytes: usize,
    // How it is packed, and how long the payload was before. Nothing is added after that.
    packed: Option<(Codec, u32)>,
    /// Which run of blocks it belongs to: those that hold parts of one chunk, which go one after the other.
    /// Blocks come in the order of their runs.
    pub run: u64,
}

/// A complete frame in its buffer: `buffer[start..]` is the frame.
#[derive(Debug)]
pub struct PackedBlock {
    /// Room, then the frame.
    pub buffer: Vec<u8>,
    /// Where the frame begins.
    pub start: usize,
    /// What it counts for in the window: 0 for a control frame.
    pub cost: u64,
    /// As of the [`Block`]; 0 for a control frame.
    pub run: u64,
}

impl Block {
    /// An empty one, with room for a header, `payload_bytes` of payload (at most [`PAYLOAD_BYTES_MAX`]) and
    /// the tag.
    #[must_use]
    pub fn new(payload_bytes: usize) -> Block {
        let mut buffer =
            Vec::with_capacity(HEADER_BYTES_MAX + payload_bytes.min(PAYLOAD_BYTES_MAX) + TAG_BYTES);
        buffer.resize(HEADER_BYTES_MAX, 0);
        Block { buffer, pieces: Vec::new(), header_bytes: HEADER_BYTES_OVERHEAD, packed: None, run: 0 }
    }

    /// Whether it holds nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// How many bytes of payload still fit; 0 as well when no further piece does.
    #[must_use]
    pub fn room(&self) -> usize {
        if self.takes(PIECE_HEADER_BYTES_MAX) { PAYLOAD_BYTES_MAX - self.payload_bytes() } else { 0 }
    }

    /// Bytes of payload so far.
    #[must_use]
    pub fn payload_bytes(&self) -> usize {
        self.buffer.len() - self.room_bytes()
    }

    /// Adds a piece of at most `max` bytes (cut to [`Block::room`]) and lets `fill` write it: it gets the
    /// room and says how many bytes of it are good. Nothing is added when it says 0 or fails. Returns the
    /// bytes added, for hashing.
    ///
    /// # Errors
    /// Whatever `fill` fails with.
    pub fn piece<E>(
        &mut self,
        entry: u64,
        offset: u64,
        max: usize,
        fill: impl FnOnce(&mut [u8]) -> Result<usize, E>,
    ) -> Result<&[u8], E> {
        let begin = self.buffer.len();
        let max = max.min(self.room());
        self.buffer.resize(begin + max, 0);
        let filled = fill(&mut self.buffer[begin..]);
        let length = *filled.as_ref().unwrap_or(&0);
        self.buffer.truncate(begin + length.min(max));
        filled?;
        let added = self.buffer.len() - begin;
        if let (true, Ok(length)) = (added > 0, u32::try_from(added)) {
            self.add(Piece::Bytes { entry, offset, length });
        }
        Ok(&self.buffer[begin..])
    }

    /// Adds a hole of `length` bytes, at most [`NAMED_BYTES_MAX`]. Returns false when it does not fit any
    /// more; in an empty block it does.
    #[must_use]
    pub fn zeros(&mut self, entry: u64, offset: u64, length: u32) -> bool {
        let fits = self.takes(PIECE_HEADER_BYTES_MAX) && self.may_name(length);
        if fits {
            self.add(Piece::Zeros { entry, offset, length });
        }
        fits
    }

    /// Adds the value of a chunk of `length` bytes, at most [`NAMED_BYTES_MAX`]. Returns false when it does
    /// not fit any more; in an empty block it does.
    #[must_use]
    pub fn same(&mut self, entry: u64, offset: u64, length: u32, value: [u8; 32]) -> bool {
        let fits = self.takes(SAME_HEADER_BYTES_MAX) && self.may_name(length);
        if fits {
            self.add(Piece::Same { entry, offset, length, value });
        }
        fits
    }

    /// Whether another piece with a header of so many bytes fits.
    fn takes(&self, header_bytes: usize) -> bool {
        self.packed.is_none()
            && self.pieces.len() < PIECES_MAX
            && self.header_bytes + header_bytes <= HEADER_BYTES_MAX
    }

    fn may_name(&self, length: u32) -> bool {
        named(&self.pieces) + u64::from(length) <= u64::from(NAMED_BYTES_MAX)
    }

    fn add(&mut self, piece: Piece) {
        self.header_bytes +=
            if let Piece::Same { .. } = piece { SAME_HEADER_BYTES_MAX } else { PIECE_HEADER_BYTES_MAX };
        self.pieces.push(piece);
    }

    /// The pieces so far.
    #[must_use]
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// The payload so far.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        self.buffer.get(self.room_bytes()..).unwrap_or_default()
    }

    /// How long the payload is where it came from, in bytes, however it is packed.
    #[must_use]
    pub fn content_bytes(&self) -> usize {
        self.packed.map_or(self.payload_bytes(), |(_, length)| length as usize)
    }

    /// Packs the payload, if that makes it shorter, for good: nothing can be added any more. Returns whether
    /// it did.
    pub fn compress(&mut self, packer: &mut Packer) -> bool {
        let (None, Ok(length)) = (self.packed, u32::try_from(self.payload_bytes())) else { return false };
        let codec = packer.codec();
        let room_bytes = self.header_bytes;
        let Some(packed) = packer.pack(self.payload()) else { return false };
        // As large as what it holds: it is kept until the other side has counted it.
        let mut buffer = Vec::with_capacity(room_bytes + packed.len() + TAG_BYTES);
        buffer.resize(room_bytes, 0);
        buffer.extend_from_slice(packed);
        self.buffer = buffer;
        self.packed = Some((codec, length));
        true
    }

    /// Where the payload begins: behind the room for the header.
    fn room_bytes(&self) -> usize {
        if self.packed.is_some() { self.header_bytes } else { HEADER_BYTES_MAX }
    }

    /// Writes the header into its room, right before the payload.
    ///
    /// # Errors
    /// [`FrameError::TooMany`], if the header had no room; the limits are such that it always has.
    pub fn pack(self) -> Result<PackedBlock, FrameError> {
        let room_bytes = self.room_bytes();
        let Block { mut buffer, pieces, packed, run, .. } = self;
        let named_cost = named(&pieces) / NAMED_PER_COST;
        let header = encode(&match packed {
            None => Header::Data(pieces),
            Some((codec, length)) => Header::Packed { codec, length, pieces },
        })?;
        let start = room_bytes.checked_sub(header.len()).ok_or(FrameError::TooMany)?;
        buffer[start..room_bytes].copy_from_slice(&header);
        let cost = named_cost + cost(buffer.len() - start, &[], packed.map(|(_, length)| length));
        Ok(PackedBlock { buffer, start, cost, run })
    }
}

impl PackedBlock {
    /// Whether it is a data frame, which may be left out once the session is over.
    #[must_use]
    pub fn is_data(&self) -> bool {
        self.cost > 0
    }
}

/// What a data frame's header takes beside its pieces at most: mark, variant and count, and where it is
/// packed the codec and the length.
const HEADER_BYTES_OVERHEAD: usize = 12;

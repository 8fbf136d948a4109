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
//! Enums only ever grow at their end, so an older program sees an unknown variant as an error and never as something
//! else. Data frames stand on their own and may overtake; control frames carry a number and are processed in order and once.
//! Everything here is bounded by [`super::limits`], whoever wrote it.

use serde::{Deserialize, Serialize};

use super::compress::{Codec, Packer};
use super::limits::{
    FRAME_BYTES_MAX, FRAME_COST_MIN, HEADER_BYTES_MAX, LANES_MAX, LIST_MAX, NAMED_BYTES_MAX, NAMED_PER_COST,
    PACKED_PER_COST, PAYLOAD_BYTES_MAX, PIECE_HEADER_BYTES_MAX, PIECES_MAX, SAME_HEADER_BYTES_MAX,
    TEXT_BYTES_MAX,
};
use super::manifest::Item;
use super::seal::TAG_BYTES;
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
    /// How much has come on this lane. The first record of every connection, and from time to time later: what it counts need not be
    /// kept any longer.
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

/// The session's conversation. S→R: the sender says it; R→S: the receiver; both: either.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Control<'a> {
    /// S→R: the first thing said: how this transfer is cut.
    Begin {
        /// The chunk size in bytes, see [`super::chunk::ChunkSize`].
        chunk_bytes: u32,
    },
    /// S→R: the next items of the manifest.
    Manifest(#[serde(borrow)] Vec<Item<'a>>),
    /// S→R: the manifest is complete; how many items it had.
    ManifestEnd {
        /// As many as were sent.
        items: u64,
    },
    /// R→S: the person accepted. `window` bytes of frames may be sent from now on.
    Accept {
        /// The first credit, see [`Control::Credit`].
        window: u64,
    },
    /// R→S: what to do about the next items, in the manifest's order.
    Plan(Vec<Verdict>),
    /// S→R: these files are complete.
    Ended(Vec<FileEnd>),
    /// S→R: this file will not be completed.
    Dropped {
        /// Its number in the manifest.
        entry: u64,
        /// Why.
        #[serde(borrow)]
        failure: WireFailure<'a>,
    },
    /// R→S: so much may be sent in all, counted by [`cost`] from the beginning of the session.
    Credit {
        /// Bytes, never less than before.
        total: u64,
    },
    /// R→S: the end of these items: delivered, verified and durable, or not.
    Outcomes(#[serde(borrow)] Vec<Outcome<'a>>),
    /// R→S: every item has its outcome and everything delivered is durable. The only thing that lets a sender succeed.
    Complete {
        /// Files, links and directories delivered.
        delivered: u64,
        /// Those that were not.
        failed: u64,
    },
    /// S→R: `Complete` arrived.
    Receipt,
    /// Both: this side ends the transfer now.
    Cancel(#[serde(borrow)] Cancelled<'a>),
    /// R→S: what to say of these files: some chunks as bytes, of others the values. Each is answered by those pieces and `Ended`, or
    /// by `Dropped`; for one file the next comes after the answer to the one before.
    Get(Vec<Get>),
    /// S→R: this lane is wanted from now on, or no more.
    Lane {
        /// Its number, from 1.
        lane: u8,
        /// Whether both sides dial its room, or let go of its connection for good.
        up: bool,
    },
    /// R→S: this lane has no connection any more, and gets none before the sender wants it again. What it said there and the receiver has not
    /// taken it says on other lanes.
    LaneTaken {
        /// Its number, from 1.
        lane: u8,
        /// How many of its frames were taken, over all its connections.
        frames: u64,
    },
}

/// What the receiver wants of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// Send its contents.
    Send,
    /// Nothing needs to be sent; its outcome follows.
    Nothing,
    /// Something stands there that may be the same: say the values of all its chunks, in the session's chunk size.
    Compare,
    /// A `Get` or an outcome follows, maybe only when a person has answered.
    Wait,
}

/// What the receiver wants to be told of one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Get {
    /// Its number in the manifest.
    pub entry: u64,
    /// In what chunks `send` and `compare` count: a part file keeps the size it was begun with.
    pub chunk_bytes: u32,
    /// Chunks to be sent, first.
    pub send: Vec<Run>,
    /// Chunks to be named by their values, after those.
    pub compare: Vec<Run>,
}

/// Neighbouring chunks of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// The first of them, from 0.
    pub first: u64,
    /// How many, at least 1.
    pub count: u64,
}

/// The end of a file's contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEnd {
    /// The file's number in the manifest.
    pub entry: u64,
    /// How long it was in the end, in bytes.
    pub size: u64,
    /// BLAKE3 of the whole: what `b3sum` prints.
    pub root: [u8; 32],
}

/// The end of an item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome<'a> {
    /// Its number in the manifest.
    pub entry: u64,
    /// `None`: delivered.
    #[serde(borrow)]
    pub failure: Option<WireFailure<'a>>,
}

/// Why one entry was not delivered, on the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireFailure<'a> {
    /// The kind of reason.
    pub reason: Reason,
    /// Details for people, at most 512 bytes; may be empty.
    pub text: &'a str,
}

/// Why one entry was not delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The kind of reason.
    pub reason: Reason,
    /// Details for people; may be empty. From the other side: clean it before it reaches a terminal.
    pub text: String,
}

/// Kinds of reasons why one entry is not delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reason {
    /// The sender cannot read it.
    Unreadable,
    /// A FIFO, socket or device: never opened, never sent.
    Special,
    /// It changed while it was sent.
    Changed,
    /// It was gone when its turn came.
    Vanished,
    /// Its name or path cannot travel: too long, or kept for part files.
    NameUnusable,
    /// Its name cannot exist on the receiving system.
    NameUnfit,
    /// A link that points, or may point, outside the output directory.
    LinkOutside,
    /// Something stands there already, and is left alone.
    Exists,
    /// The receiving file system takes its name for that of another entry.
    Collides,
    /// The directory it belongs to could not be made.
    NoDirectory,
    /// The receiver cannot write it.
    Unwritable,
    /// What arrived is not what was sent.
    Corrupt,
    /// A directory stands where a file or link should be.
    DirectoryThere,
}

/// Why a side ends the transfer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cancelled<'a> {
    /// The kind of reason.
    pub reason: CancelReason,
    /// Details for people, at most 512 bytes; may be empty.
    pub text: &'a str,
}

/// Kinds of reasons for a side to end the transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CancelReason {
    /// The person answered no.
    Declined,
    /// The person interrupted it.
    Interrupted,
    /// The strings to compare were not the same, or a record was altered on the way.
    Untrusted,
    /// The disk: full, read-only, gone.
    Disk,
    /// The other side broke the protocol.
    Protocol,
    /// A defect.
    Internal,
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
            // The variants of `Header` that hold neither data nor control.
            2 | 3 => {}
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

/// The bytes of a control frame.
///
/// # Errors
/// [`FrameError::TooLong`], when it would be longer than a frame may be; the caller splits its lists well below that.
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

/// Cuts a text for people to what may travel, between characters.
#[must_use]
pub fn bounded_text(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(TEXT_BYTES_MAX));
    text
}

/// What a data frame of `frame_bytes` that names `pieces` counts for in the window. `packed`: how long its payload is once it is unpacked, if it has
/// to be.
#[must_use]
pub fn cost(frame_bytes: usize, pieces: &[Piece], packed: Option<u32>) -> u64 {
    let unpacked = packed.map_or(0, |length| u64::from(length) / PACKED_PER_COST);
    (frame_bytes as u64).max(FRAME_COST_MIN) + named(pieces) / NAMED_PER_COST + unpacked
}

/// The bytes of all pieces that are named and not carried: they take no room, but the receiver hashes them. Cannot overflow: a frame has
/// few pieces of 32 bits each.
fn named(pieces: &[Piece]) -> u64 {
    pieces
        .iter()
        .map(|piece| match piece {
            Piece::Zeros { length, .. } | Piece::Same { length, .. } => u64::from(*length),
            Piece::Bytes { .. } => 0,
        })
        .sum()
}

/// A data frame being filled: file bytes go where they will be sealed, behind room for the header, and are never moved.
#[derive(Debug)]
pub struct Block {
    buffer: Vec<u8>,
    pieces: Vec<Piece>,
    // What the pieces take in the header at most.
    header_bytes: usize,
    // How it is packed, and how long the payload was before. Nothing is added after that.
    packed: Option<(Codec, u32)>,
    /// Which run of blocks it belongs to: those that hold parts of one chunk, which go one after the other. Blocks come in the order of their runs.
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
    /// An empty one, with room for a header, `payload_bytes` of payload (at most [`PAYLOAD_BYTES_MAX`]) and the tag.
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

    /// Adds a piece of at most `max` bytes (cut to [`Block::room`]) and lets `fill` write it: it gets the room and says how many
    /// bytes of it are good. Nothing is added when it says 0 or fails. Returns the bytes added, for hashing.
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

    /// Adds a hole of `length` bytes, at most [`NAMED_BYTES_MAX`]. Returns false when it does not fit any more; in an empty block it does.
    #[must_use]
    pub fn zeros(&mut self, entry: u64, offset: u64, length: u32) -> bool {
        let fits = self.takes(PIECE_HEADER_BYTES_MAX) && self.may_name(length);
        if fits {
            self.add(Piece::Zeros { entry, offset, length });
        }
        fits
    }

    /// Adds the value of a chunk of `length` bytes, at most [`NAMED_BYTES_MAX`]. Returns false when it does not fit any more; in an empty
    /// block it does.
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

    /// Packs the payload, if that makes it shorter, for good: nothing can be added any more. Returns whether it did.
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
        // What gains nothing is not packed; so nobody says more about it than it is.
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

impl Control<'_> {
    fn check(&self) -> Result<(), FrameError> {
        let fits = match self {
            Control::Manifest(items) => {
                items.len() <= LIST_MAX
                    && items
                        .iter()
                        .all(|item| !matches!(item, Item::Unsent { failure, .. } if !failure.is_bounded()))
            }
            Control::Plan(verdicts) => verdicts.len() <= LIST_MAX,
            Control::Ended(ends) => ends.len() <= LIST_MAX,
            Control::Dropped { failure, .. } => failure.is_bounded(),
            Control::Outcomes(outcomes) => {
                outcomes.len() <= LIST_MAX
                    && outcomes
                        .iter()
                        .all(|outcome| outcome.failure.as_ref().is_none_or(WireFailure::is_bounded))
            }
            Control::Cancel(cancelled) => cancelled.text.len() <= TEXT_BYTES_MAX,
            Control::Get(gets) => {
                let runs: usize = gets.iter().map(|get| get.send.len() + get.compare.len()).sum();
                gets.len() <= LIST_MAX && runs <= LIST_MAX
            }
            Control::Lane { lane, .. } | Control::LaneTaken { lane, .. } => (1..LANES_MAX).contains(lane),
            Control::Begin { .. }
            | Control::ManifestEnd { .. }
            | Control::Accept { .. }
            | Control::Credit { .. }
            | Control::Complete { .. }
            | Control::Receipt => true,
        };
        if fits { Ok(()) } else { Err(FrameError::TooMany) }
    }
}

impl WireFailure<'_> {
    fn is_bounded(&self) -> bool {
        self.text.len() <= TEXT_BYTES_MAX
    }
}

impl Failure {
    /// A reason with details, cut to what may travel.
    #[must_use]
    pub fn new(reason: Reason, text: impl Into<String>) -> Failure {
        Failure { reason, text: bounded_text(text.into()) }
    }

    /// The form on the wire.
    #[must_use]
    pub fn as_wire(&self) -> WireFailure<'_> {
        WireFailure { reason: self.reason, text: &self.text }
    }
}

impl From<&WireFailure<'_>> for Failure {
    fn from(wire: &WireFailure<'_>) -> Failure {
        Failure::new(wire.reason, wire.text)
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.reason {
            Reason::Unreadable => "cannot be read",
            Reason::Special => "is a device, FIFO or socket and is not sent",
            Reason::Changed => "changed while it was sent",
            Reason::Vanished => "was gone when its turn came",
            Reason::NameUnusable => "has a name that cannot travel",
            Reason::NameUnfit => "cannot exist under this name on the receiving system",
            Reason::LinkOutside => "is a link that may lead outside the output directory",
            Reason::Exists => "exists already and was left as it is",
            Reason::Collides => "has a name that the receiving file system takes for another one",
            Reason::NoDirectory => "has no directory to be put in",
            Reason::Unwritable => "cannot be written",
            Reason::Corrupt => "arrived damaged",
            Reason::DirectoryThere => "cannot be written where a directory stands",
        })?;
        if self.text.is_empty() { Ok(()) } else { write!(f, ": {}", self.text) }
    }
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

/// What a data frame's header takes beside its pieces at most: mark, variant and count, and where it is packed the codec and the length.
const HEADER_BYTES_OVERHEAD: usize = 12;

/// No file is longer: the largest offset the systems can express.
const FILE_BYTES_MAX: u64 = i64::MAX as u64;

#[cfg(test)]
#[path = "frame_tests.rs"]
mod tests;

//! Packing what data frames carry: one frame at a time, so that each can be unpacked on its own, whatever
//! came before it or was lost.
//!
//! Whoever packs takes as much memory and time as it likes; whoever unpacks is told by the frame how long it
//! will be, and neither writes a byte more nor believes a byte less. Both keep what they work with, so that a
//! frame costs no allocation but that of what comes out.

mod deflate;
mod zstd;

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::handshake::Capabilities;
use super::limits::PAYLOAD_BYTES_MAX;
use deflate::{Deflater, Inflater};
use zstd::{ZstdPacker, ZstdUnpacker};

/// How the payload of a frame is packed. Grows at its end only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Codec {
    /// One zstd frame (RFC 8878), without a dictionary.
    Zstd,
    /// Raw deflate (RFC 1951).
    Deflate,
}

/// A payload as it came: packed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packed {
    /// How.
    pub codec: Codec,
    /// How long it claims to be once it is unpacked, in bytes: at most [`PAYLOAD_BYTES_MAX`].
    pub length: u32,
    /// What was carried.
    pub bytes: Bytes,
}

/// What was packed is not what its frame says: it cannot be unpacked, or is longer or shorter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lie;

/// Packs payloads, one after the other.
pub struct Packer {
    way: Way,
    // What came out last.
    packed: Vec<u8>,
}

enum Way {
    Zstd(ZstdPacker),
    Deflate(Deflater),
}

/// Unpacks payloads, one after the other, whatever they are packed with. What it needs is made when the first
/// one comes.
#[derive(Default)]
pub struct Unpacker {
    zstd: Option<ZstdUnpacker>,
    deflate: Option<Inflater>,
    // Given back: the next one goes there.
    spare: Vec<u8>,
}

impl Codec {
    /// The better one of those that both sides have, if there is any.
    #[must_use]
    pub fn best(both_can: Capabilities) -> Option<Codec> {
        [Codec::Zstd, Codec::Deflate].into_iter().find(|codec| codec.is_among(both_can))
    }

    /// Whether who can do this can unpack it.
    #[must_use]
    pub fn is_among(self, capabilities: Capabilities) -> bool {
        capabilities.has(match self {
            Codec::Zstd => Capabilities::ZSTD,
            Codec::Deflate => Capabilities::DEFLATE,
        })
    }
}

impl Packer {
    /// One that packs like this.
    #[must_use]
    pub fn new(codec: Codec) -> Packer {
        let way = match codec {
            Codec::Zstd => Way::Zstd(ZstdPacker::new()),
            Codec::Deflate => Way::Deflate(Deflater::new()),
        };
        Packer { way, packed: Vec::new() }
    }

    /// How it packs.
    #[must_use]
    pub fn codec(&self) -> Codec {
        match self.way {
            Way::Zstd(_) => Codec::Zstd,
            Way::Deflate(_) => Codec::Deflate,
        }
    }

    /// Packs a payload. `None` where that does not make it worth unpacking: see `GAIN_MIN`.
    pub fn pack(&mut self, payload: &[u8]) -> Option<&[u8]> {
        let room = payload.len() - payload.len() / GAIN_MIN;
        // Whoever needs more room than there is has gained too little, and stops right there.
        if self.packed.len() < room {
            self.packed.resize(PAYLOAD_BYTES_MAX.max(room), 0);
        }
        let room = self.packed.get_mut(..room)?;
        let length = match &mut self.way {
            Way::Zstd(zstd) => zstd.pack(payload, room),
            Way::Deflate(deflate) => deflate.pack(payload, room),
        }?;
        self.packed.get(..length).filter(|packed| !packed.is_empty() && packed.len() < payload.len())
    }
}

impl Unpacker {
    /// Unpacks a payload. Give the bytes back with [`Unpacker::reuse`].
    ///
    /// # Errors
    /// [`Lie`], after no more work than for an honest one of the length it claims.
    pub fn unpack(&mut self, packed: &Packed) -> Result<Vec<u8>, Lie> {
        let length = usize::try_from(packed.length).map_err(|_| Lie)?;
        if length > PAYLOAD_BYTES_MAX {
            return Err(Lie);
        }
        let mut payload = std::mem::take(&mut self.spare);
        payload.clear();
        let outcome = match packed.codec {
            Codec::Zstd => {
                self.zstd.get_or_insert_with(ZstdUnpacker::new).unpack(&packed.bytes, &mut payload, length)
            }
            Codec::Deflate => {
                self.deflate.get_or_insert_with(Inflater::new).unpack(&packed.bytes, &mut payload, length)
            }
        };
        outcome.filter(|()| payload.len() == length).map(|()| payload).ok_or(Lie)
    }

    /// Returns an unpacked buffer for reuse, unless part of it is still referenced.
    pub fn reuse(&mut self, payload: Bytes) {
        if payload.is_unique() {
            self.spare = payload.into();
        }
    }
}

impl fmt::Debug for Packer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Packer").field(&self.codec()).finish()
    }
}

impl fmt::Debug for Unpacker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Unpacker")
    }
}

impl fmt::Display for Lie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("packed contents that do not unpack to what they claim to be")
    }
}

impl std::error::Error for Lie {}

/// One part of so many a payload has to become shorter by, or it goes as it is: less is not worth the other
/// side's unpacking.
const GAIN_MIN: usize = 16;

#[cfg(test)]
mod tests;

//! What one client has said and the other has not been told yet: one buffer, re-framed in place.
//!
//! ```text
//!  bytes: │ told │ ready (whole fragments) │ 4 │ ◀ read here ▶ │
//!                start                   end   end + headroom
//! ```
//!
//! Every fragment is finished when it is stored, so the end of `ready` always is a place between two frames.

use super::decoder::{Control, Decoder, Piece, unmask};
use super::header::{OUR_HEADER_BYTES_MAX, Violation, our_header_bytes, write_our_header};
use crate::relay::limits::{BUFFER_START, EARLY_BYTES_MAX, FRAGMENT_ROOM};

/// See the module's page.
#[derive(Debug, Default)]
pub struct Store {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    /// Some of `ready` was told, so the other side's stream may stand within a frame.
    midway: bool,
}

/// How large a store may be while it collects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// Grows with what is said: nobody listens yet.
    Waiting,
    /// As large as it gets: it is emptied as fast as it fills.
    Forwarding,
}

impl Store {
    /// Where to read to, or `None` when the store is full. The bytes read are then given to [`Store::absorb`].
    pub fn space(&mut self, size: Size) -> Option<&mut [u8]> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
        let from = self.end + OUR_HEADER_BYTES_MAX;
        let wanted = match size {
            Size::Forwarding => FRAGMENT_ROOM,
            Size::Waiting => (from + READ_MIN).next_power_of_two().clamp(BUFFER_START, EARLY_BYTES_MAX),
        };
        if self.bytes.len() < wanted {
            // To the byte: the allocator's doubling would keep twice as much for every waiting side.
            self.bytes.reserve_exact(wanted - self.bytes.len());
            self.bytes.resize(wanted, 0);
        }
        self.bytes.get_mut(from..).filter(|space| space.len() >= READ_MIN)
    }

    /// Re-frames the `read` bytes that were read to [`Store::space`]. Control frames are given to `control`; after a close
    /// the rest is dropped, as nothing may follow it.
    ///
    /// # Errors
    /// The rule that the client broke. What came before it is stored.
    pub fn absorb(
        &mut self,
        read: usize,
        decoder: &mut Decoder,
        mut control: impl FnMut(Control),
    ) -> Result<(), Violation> {
        let mut from = self.end + OUR_HEADER_BYTES_MAX;
        let end = (from + read).min(self.bytes.len());
        while from < end {
            match decoder.next(&self.bytes[from..end])? {
                Piece::Nothing(skip) => from += skip,
                Piece::Control(skip, frame) => {
                    from += skip;
                    let closes = matches!(frame, Control::Close(_));
                    control(frame);
                    if closes {
                        return Ok(());
                    }
                }
                Piece::Data { skip, payload, mask, opcode, last } => {
                    from += skip;
                    unmask(&mut self.bytes[from..from + payload], mask);
                    let at = self.place(from, payload);
                    write_our_header(&mut self.bytes[at..], last, opcode, payload);
                    from += payload;
                }
            }
        }
        Ok(())
    }

    /// What to tell the other side.
    #[must_use]
    pub fn ready(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// So much of it was told.
    pub fn consume(&mut self, bytes: usize) {
        self.start = self.start.saturating_add(bytes).min(self.end);
        self.midway = self.start < self.end;
    }

    /// Whether the other side's stream stands between two frames.
    #[must_use]
    pub fn is_between_frames(&self) -> bool {
        !self.midway
    }

    /// Brings a fragment of the payload at `from` behind what is ready, and returns where its header goes.
    fn place(&mut self, from: usize, payload: usize) -> usize {
        let header = our_header_bytes(payload);
        if self.start == self.end {
            // Nothing to be behind of: the payload stays where it is.
            self.start = from - header;
            self.end = from + payload;
            return self.start;
        }
        let at = self.end;
        if at + header != from {
            self.bytes.copy_within(from..from + payload, at + header);
        }
        self.end = at + header + payload;
        at
    }
}

/// Less space than this is not worth a read; the store counts as full.
const READ_MIN: usize = 256;

#[cfg(test)]
mod tests;

//! A client's WebSocket: messages to masked frames, and the relay's fragments back to messages. The relay's half is the shipping one.

use bytes::BytesMut;

use crate::proto::liveness::Heard;
use crate::proto::seal::RECORD_MAX;

/// What a client has read.
#[derive(Debug, PartialEq, Eq)]
pub enum Said {
    /// A whole message.
    Message(BytesMut),
    /// The relay asks whether somebody is there.
    Ping,
    /// The relay says goodbye, with this code.
    Close(u16),
    /// No client can read that.
    Nonsense,
}

/// Collects frames until a message is whole.
#[derive(Debug, Default)]
pub struct Collector {
    header: Vec<u8>,
    // Of the frame that was begun: its first byte and what is still missing.
    frame: Option<(u8, usize)>,
    control: Vec<u8>,
    message: BytesMut,
    heard: Heard,
}

/// Appends a message as a client says it. The mask is none: what it hides from proxies is not simulated.
pub fn frame(to: &mut Vec<u8>, opcode: u8, payload: &[u8]) {
    to.push(FIN | opcode);
    match payload.len() {
        short if short < 126 => to.push(MASKED | u8::try_from(short).unwrap_or(0)),
        long => match u16::try_from(long) {
            Ok(long) => {
                to.push(MASKED | LENGTH_16);
                to.extend_from_slice(&long.to_be_bytes());
            }
            Err(_) => {
                to.push(MASKED | LENGTH_64);
                to.extend_from_slice(&(long as u64).to_be_bytes());
            }
        },
    }
    to.extend_from_slice(&[0; 4]);
    to.extend_from_slice(payload);
}

impl Collector {
    /// What has come of messages.
    pub fn heard(&self) -> Heard {
        self.heard
    }

    /// Takes bytes until something is complete. Returns how many it took, and what that was.
    pub fn read(&mut self, bytes: &[u8]) -> (usize, Option<Said>) {
        let mut taken = 0;
        loop {
            let Some((first, left)) = self.frame else {
                let Some(byte) = bytes.get(taken) else { return (taken, None) };
                self.header.push(*byte);
                taken += 1;
                self.frame = frame_begun(&self.header);
                if self.frame.is_some() {
                    self.header.clear();
                }
                continue;
            };
            let now = left.min(bytes.len() - taken);
            let payload = &bytes[taken..taken + now];
            taken += now;
            let is_control = first & 8 != 0;
            if is_control {
                self.control.extend_from_slice(payload);
            } else {
                self.message.extend_from_slice(payload);
                self.heard.bytes += payload.len() as u64;
            }
            // How long a frame will be is known before it comes: nobody waits for one that is too long.
            if self.message.len().saturating_add(left - now) > MESSAGE_BYTES_MAX {
                return (taken, Some(Said::Nonsense));
            }
            if now < left {
                self.frame = Some((first, left - now));
                return (taken, None);
            }
            self.frame = None;
            if let Some(said) = self.complete(first) {
                return (taken, Some(said));
            }
        }
    }

    fn complete(&mut self, first: u8) -> Option<Said> {
        match first & 15 {
            CONTINUATION | BINARY if first & FIN == 0 => None,
            CONTINUATION | BINARY => {
                self.heard.whole_bytes = self.heard.bytes;
                Some(Said::Message(std::mem::take(&mut self.message)))
            }
            PING => {
                self.control.clear();
                Some(Said::Ping)
            }
            PONG => {
                self.control.clear();
                None
            }
            CLOSE => {
                let body = std::mem::take(&mut self.control);
                let code = body.first_chunk().map_or(CODE_NONE, |code| u16::from_be_bytes(*code));
                Some(Said::Close(code))
            }
            _ => Some(Said::Nonsense),
        }
    }
}

/// The first byte and the length, once the header is whole.
fn frame_begun(header: &[u8]) -> Option<(u8, usize)> {
    let (&first, rest) = header.split_first()?;
    let (&short, rest) = rest.split_first()?;
    let length = match short & !MASKED {
        LENGTH_16 => usize::from(u16::from_be_bytes(*rest.first_chunk()?)),
        LENGTH_64 => usize::try_from(u64::from_be_bytes(*rest.first_chunk()?)).unwrap_or(usize::MAX),
        short => usize::from(short),
    };
    Some((first, length))
}

const FIN: u8 = 0x80;
const MASKED: u8 = 0x80;
/// The length follows in 16 bits, or in 64.
const LENGTH_16: u8 = 0x7e;
const LENGTH_64: u8 = 0x7f;
const CONTINUATION: u8 = 0;
/// A message.
pub const BINARY: u8 = 2;
/// Goodbye.
pub const CLOSE: u8 = 8;
const PING: u8 = 9;
/// The answer to a ping.
pub const PONG: u8 = 10;

/// RFC 6455, section 7.1.5: no code was given.
const CODE_NONE: u16 = 1005;

/// As of `net::ws`: no client of ours takes a longer message.
const MESSAGE_BYTES_MAX: usize = RECORD_MAX;

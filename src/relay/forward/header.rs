//! The header of a frame: a client's, checked as it comes in byte by byte, and ours.

use std::fmt;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opcode {
    /// More of the message that was begun.
    Continuation,
    /// The beginning of a binary message.
    Binary,
    /// The end of the connection.
    Close,
    /// Asks for a pong.
    Ping,
    /// Answers a ping.
    Pong,
}

/// A client's frame header, complete and within the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Whether it ends its message.
    pub last: bool,
    /// What it is.
    pub opcode: Opcode,
    /// How long the payload claims to be. Nothing is ever allocated by it.
    pub payload_bytes: u64,
    /// What the payload is masked with.
    pub mask: [u8; 4],
}

/// How a client broke the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Violation {
    /// Clients must mask.
    Unmasked,
    /// A reserved bit is set, though no extension was agreed.
    ReservedBits,
    /// An opcode that does not exist.
    UnknownOpcode,
    /// A text message: p2pc speaks binary only.
    Text,
    /// A control frame in pieces, or longer than 125 bytes.
    LargeControl,
    /// A length written longer than need be, or beyond 2^63.
    Length,
    /// A continuation of nothing.
    StrayContinuation,
    /// A new message before the end of the one begun.
    Interleaved,
    /// A close frame whose body is one byte, or whose code is none.
    CloseBody,
}

impl Violation {
    /// The close code that tells the client.
    #[must_use]
    pub fn code(self) -> u16 {
        match self {
            Violation::Text => CODE_UNSUPPORTED,
            _ => CODE_PROTOCOL,
        }
    }

    /// The close reason that tells the client.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Violation::Unmasked => "frames of a client must be masked",
            Violation::ReservedBits => "reserved bits must be zero",
            Violation::UnknownOpcode => "unknown opcode",
            Violation::Text => "only binary messages are forwarded",
            Violation::LargeControl => "control frames are whole and at most 125 bytes long",
            Violation::Length => "bad frame length",
            Violation::StrayContinuation => "continuation without a message",
            Violation::Interleaved => "a message began before the last one ended",
            Violation::CloseBody => "bad close frame",
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}

impl std::error::Error for Violation {}

/// Collects a client's header. Any rule is applied as soon as its bytes are here.
#[derive(Debug, Default)]
pub struct HeaderReader {
    bytes: [u8; CLIENT_HEADER_BYTES_MAX],
    have: u8,
}

impl HeaderReader {
    /// Takes header bytes from the front of `input` and returns how many, and the header once it is complete.
    ///
    /// # Errors
    /// The rule that the header breaks.
    pub fn read(&mut self, input: &[u8]) -> Result<(usize, Option<Header>), Violation> {
        let mut taken = self.fill(input, 2);
        if self.have < 2 {
            return Ok((taken, None));
        }
        let (last, opcode, length) = first_two(self.bytes[0], self.bytes[1])?;
        let length_bytes = match length {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let whole = 2 + length_bytes + 4;
        taken += self.fill(&input[taken..], whole);
        if usize::from(self.have) < whole {
            return Ok((taken, None));
        }
        let payload_bytes = match length_bytes {
            0 => u64::from(length),
            _ => long_length(&self.bytes[2..2 + length_bytes])?,
        };
        let mut mask = [0; 4];
        mask.copy_from_slice(&self.bytes[whole - 4..whole]);
        self.have = 0;
        Ok((taken, Some(Header { last, opcode, payload_bytes, mask })))
    }

    fn fill(&mut self, input: &[u8], until: usize) -> usize {
        let have = usize::from(self.have);
        let taken = until.saturating_sub(have).min(input.len());
        self.bytes[have..have + taken].copy_from_slice(&input[..taken]);
        // At most 14.
        self.have += taken as u8;
        taken
    }
}

/// How many bytes our header for this much payload takes.
#[must_use]
pub fn our_header_bytes(payload_bytes: usize) -> usize {
    if payload_bytes < 126 { 2 } else { OUR_HEADER_BYTES_MAX }
}

/// Writes our header for a payload below 64 KiB to the front of `to`, which has room for [`our_header_bytes`].
pub fn write_our_header(to: &mut [u8], last: bool, opcode: Opcode, payload_bytes: usize) {
    debug_assert!(payload_bytes <= usize::from(u16::MAX));
    let fin = if last { FIN } else { 0 };
    to[0] = fin | bits(opcode);
    if payload_bytes < 126 {
        to[1] = payload_bytes as u8;
    } else {
        to[1] = 126;
        to[2..4].copy_from_slice(&(payload_bytes as u16).to_be_bytes());
    }
}

fn first_two(first: u8, second: u8) -> Result<(bool, Opcode, u8), Violation> {
    let (last, length) = (first & FIN != 0, second & !MASKED);
    if first & RESERVED != 0 {
        return Err(Violation::ReservedBits);
    }
    let opcode = match first & OPCODE {
        0x0 => Opcode::Continuation,
        0x1 => return Err(Violation::Text),
        0x2 => Opcode::Binary,
        0x8 => Opcode::Close,
        0x9 => Opcode::Ping,
        0xA => Opcode::Pong,
        _ => return Err(Violation::UnknownOpcode),
    };
    if second & MASKED == 0 {
        return Err(Violation::Unmasked);
    }
    let control = matches!(opcode, Opcode::Close | Opcode::Ping | Opcode::Pong);
    if control && (!last || usize::from(length) > CONTROL_BYTES_MAX) {
        return Err(Violation::LargeControl);
    }
    Ok((last, opcode, length))
}

fn long_length(bytes: &[u8]) -> Result<u64, Violation> {
    let value = bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte));
    let shortest = if bytes.len() == 2 { 126 } else { 1 << 16 };
    if value < shortest || value > i64::MAX as u64 {
        return Err(Violation::Length);
    }
    Ok(value)
}

fn bits(opcode: Opcode) -> u8 {
    match opcode {
        Opcode::Continuation => 0x0,
        Opcode::Binary => 0x2,
        Opcode::Close => 0x8,
        Opcode::Ping => 0x9,
        Opcode::Pong => 0xA,
    }
}

/// The payload of a control frame.
pub const CONTROL_BYTES_MAX: usize = 125;
/// Our header for a payload below 64 KiB: we do not mask.
pub const OUR_HEADER_BYTES_MAX: usize = 4;
/// The end of the usual kind.
pub const CODE_NORMAL: u16 = 1000;
/// The relay ends.
pub const CODE_GOING_AWAY: u16 = 1001;
/// The client broke RFC 6455.
pub const CODE_PROTOCOL: u16 = 1002;
/// A kind of message that is not spoken here.
pub const CODE_UNSUPPORTED: u16 = 1003;
/// The relay's own rules ended it.
pub const CODE_POLICY: u16 = 1008;

const CLIENT_HEADER_BYTES_MAX: usize = 14;
const FIN: u8 = 0x80;
const RESERVED: u8 = 0x70;
const OPCODE: u8 = 0x0F;
const MASKED: u8 = 0x80;

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(bytes: &[u8]) -> Result<Header, Violation> {
        let mut reader = HeaderReader::default();
        for (at, byte) in bytes.iter().enumerate() {
            let (taken, header) = reader.read(&[*byte])?;
            assert_eq!(taken, 1);
            if let Some(header) = header {
                assert_eq!(at + 1, bytes.len());
                return Ok(header);
            }
        }
        panic!("incomplete");
    }

    #[test]
    fn golden_headers_of_every_length() {
        let mask = [1, 2, 3, 4];
        let short = Header { last: true, opcode: Opcode::Binary, payload_bytes: 5, mask };
        assert_eq!(read_all(&[0x82, 0x85, 1, 2, 3, 4]), Ok(short));
        let medium = Header { last: false, opcode: Opcode::Binary, payload_bytes: 126, mask };
        assert_eq!(read_all(&[0x02, 0xFE, 0, 126, 1, 2, 3, 4]), Ok(medium));
        let payload_bytes = i64::MAX as u64;
        let longest = Header { last: true, opcode: Opcode::Continuation, payload_bytes, mask };
        let bytes = [0x80, 0xFF, 0x7F, 255, 255, 255, 255, 255, 255, 255, 1, 2, 3, 4];
        assert_eq!(read_all(&bytes), Ok(longest));
    }

    #[test]
    fn every_broken_rule_has_its_name() {
        let broken: [(&[u8], Violation); 12] = [
            (&[0x82, 0x05], Violation::Unmasked),
            (&[0xC2, 0x85], Violation::ReservedBits),
            (&[0x92, 0x85], Violation::ReservedBits),
            (&[0x83, 0x85], Violation::UnknownOpcode),
            (&[0x8B, 0x85], Violation::UnknownOpcode),
            (&[0x81, 0x85], Violation::Text),
            (&[0x09, 0x85], Violation::LargeControl),
            (&[0x89, 0xFE], Violation::LargeControl),
            (&[0x88, 0xFF], Violation::LargeControl),
            (&[0x82, 0xFE, 0, 125, 0, 0, 0, 0], Violation::Length),
            (&[0x82, 0xFF, 0, 0, 0, 0, 0, 0, 255, 255, 0, 0, 0, 0], Violation::Length),
            (&[0x82, 0xFF, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], Violation::Length),
        ];
        for (bytes, violation) in broken {
            assert_eq!(read_all(bytes), Err(violation), "{bytes:x?}");
        }
    }

    #[test]
    fn golden_headers_of_ours() {
        let ours = |last, opcode, payload_bytes| {
            let mut bytes = [0; OUR_HEADER_BYTES_MAX];
            write_our_header(&mut bytes, last, opcode, payload_bytes);
            bytes[..our_header_bytes(payload_bytes)].to_vec()
        };
        assert_eq!(ours(true, Opcode::Binary, 0), [0x82, 0]);
        assert_eq!(ours(false, Opcode::Binary, 125), [0x02, 125]);
        assert_eq!(ours(false, Opcode::Continuation, 126), [0x00, 126, 0, 126]);
        assert_eq!(ours(true, Opcode::Continuation, 65535), [0x80, 126, 255, 255]);
        assert_eq!(ours(true, Opcode::Ping, 0), [0x89, 0]);
    }
}

//! The reader of a client's frames: pure, incremental, whatever pieces the bytes come in.

use super::header::{CONTROL_BYTES_MAX, Header, HeaderReader, Opcode, Violation};

/// Where in the stream of one client we are.
#[derive(Debug, Default)]
pub struct Decoder {
    header: HeaderReader,
    at: At,
    /// A message has begun and not ended: what follows must continue it.
    open: bool,
    /// Some of the open message was handed on: what follows goes out as a continuation.
    begun: bool,
}

/// The next piece of the input.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece {
    /// This many bytes belonged to headers and control frames.
    Nothing(usize),
    /// This many bytes were a header or a control frame, and the latter is complete.
    Control(usize, Control),
    /// After `skip` bytes of header come `payload` bytes of a message.
    Data {
        /// Bytes that are no payload.
        skip: usize,
        /// Bytes of payload, to be unmasked.
        payload: usize,
        /// What they are masked with, turned so that its first byte meets the payload's first.
        mask: [u8; 4],
        /// How they leave.
        opcode: Opcode,
        /// Whether they end their message.
        last: bool,
    },
}

/// A complete control frame.
#[derive(Debug, PartialEq, Eq)]
pub enum Control {
    /// To be answered with this.
    Ping(ControlBody),
    /// A sign of life.
    Pong,
    /// The client says goodbye, with this code or with none.
    Close(Option<u16>),
}

/// What a control frame carries: at most 125 bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ControlBody {
    bytes: [u8; CONTROL_BYTES_MAX],
    len: u8,
}

#[derive(Debug, Default)]
enum At {
    #[default]
    Header,
    Data {
        left: u64,
        mask: [u8; 4],
        last: bool,
    },
    Control {
        opcode: Opcode,
        left: u8,
        mask: [u8; 4],
        body: ControlBody,
    },
}

impl Decoder {
    /// What the front of `input` is. To be called again with what follows it, until `input` is empty.
    ///
    /// # Errors
    /// The rule that the client broke. The stream makes no sense after it.
    pub fn next(&mut self, input: &[u8]) -> Result<Piece, Violation> {
        let mut skip = 0;
        if matches!(self.at, At::Header) {
            let (taken, header) = self.header.read(input)?;
            skip = taken;
            let Some(header) = header else {
                return Ok(Piece::Nothing(taken));
            };
            self.begin(&header)?;
        }
        match self.at {
            At::Control { .. } => self.control(skip, &input[skip..]),
            _ => Ok(self.data(skip, input.len() - skip)),
        }
    }

    fn begin(&mut self, header: &Header) -> Result<(), Violation> {
        let Header { last, opcode, payload_bytes, mask } = *header;
        match opcode {
            Opcode::Continuation if !self.open => return Err(Violation::StrayContinuation),
            Opcode::Binary if self.open => return Err(Violation::Interleaved),
            Opcode::Continuation | Opcode::Binary => {
                self.open = true;
                self.at = At::Data { left: payload_bytes, mask, last };
            }
            // The header's rules hold a control frame's length below 126.
            _ => self.at = At::Control { opcode, left: payload_bytes as u8, mask, body: ControlBody::default() },
        }
        Ok(())
    }

    fn data(&mut self, skip: usize, available: usize) -> Piece {
        let At::Data { left, mask, last: frame_last } = &mut self.at else {
            return Piece::Nothing(skip);
        };
        let payload = usize::try_from(*left).unwrap_or(usize::MAX).min(available);
        *left -= payload as u64;
        let (ends_frame, turned) = (*left == 0, *mask);
        mask.rotate_left(payload % 4);
        let last = *frame_last && ends_frame;
        if ends_frame {
            self.at = At::Header;
        }
        if payload == 0 && !last {
            return Piece::Nothing(skip);
        }
        let opcode = if self.begun { Opcode::Continuation } else { Opcode::Binary };
        self.begun = !last;
        self.open &= !last;
        Piece::Data { skip, payload, mask: turned, opcode, last }
    }

    fn control(&mut self, skip: usize, input: &[u8]) -> Result<Piece, Violation> {
        let At::Control { opcode, left, mask, body } = &mut self.at else {
            return Ok(Piece::Nothing(skip));
        };
        let taken = usize::from(*left).min(input.len());
        for byte in &input[..taken] {
            body.push(byte ^ mask[usize::from(body.len) % 4]);
        }
        // At most 125.
        *left -= taken as u8;
        if *left > 0 {
            return Ok(Piece::Nothing(skip + taken));
        }
        let control = match opcode {
            Opcode::Ping => Control::Ping(*body),
            Opcode::Close => Control::Close(close_code(body.as_slice())?),
            _ => Control::Pong,
        };
        self.at = At::Header;
        Ok(Piece::Control(skip + taken, control))
    }
}

impl ControlBody {
    /// The bytes.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    fn push(&mut self, byte: u8) {
        if let Some(free) = self.bytes.get_mut(usize::from(self.len)) {
            *free = byte;
            self.len += 1;
        }
    }
}

impl Default for ControlBody {
    fn default() -> Self {
        ControlBody { bytes: [0; CONTROL_BYTES_MAX], len: 0 }
    }
}

impl std::fmt::Debug for ControlBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ControlBody({} bytes)", self.len)
    }
}

/// Unmasks in place. Eight bytes a step, which the compiler widens to what the machine has.
pub fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    let [a, b, c, d] = mask;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, rest) = payload.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
}

/// The code in a close frame's body. The reason is for people and ours to ignore.
fn close_code(body: &[u8]) -> Result<Option<u16>, Violation> {
    match body {
        [] => Ok(None),
        [high, low, ..] => match u16::from_be_bytes([*high, *low]) {
            // What RFC 6455 (and its registry) lets an endpoint send.
            code @ (1000..=1003 | 1007..=1014 | 3000..=4999) => Ok(Some(code)),
            _ => Err(Violation::CloseBody),
        },
        [_] => Err(Violation::CloseBody),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unmasking_is_the_definition_at_every_length() {
        let mask = [0x5A, 0x01, 0xFF, 0x80];
        for length in 0..70 {
            let plain: Vec<u8> = (0..length).map(|at| (at * 7) as u8).collect();
            let mut bytes: Vec<u8> = plain.iter().enumerate().map(|(at, byte)| byte ^ mask[at % 4]).collect();
            unmask(&mut bytes, mask);
            assert_eq!(bytes, plain);
        }
    }

    #[test]
    fn messages_may_not_interleave() {
        let mut decoder = Decoder::default();
        assert_eq!(decoder.next(&[0x80, 0x80, 0, 0, 0, 0]), Err(Violation::StrayContinuation));
        let mut decoder = Decoder::default();
        let begun = decoder.next(&[0x02, 0x81, 0, 0, 0, 0, 9]);
        assert!(matches!(begun, Ok(Piece::Data { last: false, opcode: Opcode::Binary, .. })));
        assert_eq!(decoder.next(&[0x82, 0x81, 0, 0, 0, 0, 9]), Err(Violation::Interleaved));
    }

    #[test]
    fn control_frames_come_between_fragments() {
        let mut decoder = Decoder::default();
        decoder.next(&[0x02, 0x81, 0, 0, 0, 0, 9]).unwrap();
        let ping = decoder.next(&[0x89, 0x82, 1, 1, 1, 1, b'h' ^ 1, b'i' ^ 1]).unwrap();
        let Piece::Control(8, Control::Ping(body)) = ping else { panic!("{ping:?}") };
        assert_eq!(body.as_slice(), b"hi");
        let end = decoder.next(&[0x80, 0x80, 0, 0, 0, 0]).unwrap();
        assert!(matches!(end, Piece::Data { payload: 0, opcode: Opcode::Continuation, last: true, .. }));
    }

    #[test]
    fn close_codes_are_checked() {
        for (body, expected) in [
            (&[][..], Ok(None)),
            (&[3, 232], Ok(Some(1000))),
            (&[3, 232, b'o', b'k'], Ok(Some(1000))),
            (&[3], Err(Violation::CloseBody)),
            (&[3, 237], Err(Violation::CloseBody)),
            (&[0, 1], Err(Violation::CloseBody)),
        ] {
            assert_eq!(close_code(body), expected);
        }
    }
}

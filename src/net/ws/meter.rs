//! Counts the payload of data frames, and of whole messages, in a stream of WebSocket frames, however it is cut.

use super::MESSAGE_BYTES_MAX;
use crate::proto::liveness::Heard;

/// Follows the frames; knows nothing of what is in them.
#[derive(Debug)]
pub(super) struct Meter {
    /// The header read so far.
    header: [u8; HEADER_BYTES_MAX],
    header_len: usize,
    /// What is still to come of the current frame's payload.
    payload_left: u64,
    /// Whether that payload is data and not a ping, a pong or a close.
    is_data: bool,
    /// Whether that frame is the last of its message.
    is_last: bool,
    /// A message was promised that is longer than any may be.
    is_too_long: bool,
    heard: Heard,
}

impl Meter {
    pub(super) fn new() -> Meter {
        Meter {
            header: [0; HEADER_BYTES_MAX],
            header_len: 0,
            payload_left: 0,
            is_data: false,
            is_last: false,
            is_too_long: false,
            heard: Heard::default(),
        }
    }

    /// Takes the next bytes of the stream; returns what has come so far in all.
    pub(super) fn feed(&mut self, mut bytes: &[u8]) -> Heard {
        while !bytes.is_empty() {
            if self.payload_left > 0 {
                let taken = usize::try_from(self.payload_left).unwrap_or(usize::MAX).min(bytes.len());
                self.payload_left -= taken as u64;
                self.heard.bytes += if self.is_data { taken as u64 } else { 0 };
                self.end_message();
                bytes = &bytes[taken..];
            } else {
                self.header[self.header_len] = bytes[0];
                self.header_len += 1;
                bytes = &bytes[1..];
                if self.header_len == self.header_needed() {
                    self.begin_payload();
                }
            }
        }
        self.heard
    }

    /// Whether a message was promised that is longer than any may be, in one piece or in all of them together.
    pub(super) fn is_too_long(&self) -> bool {
        self.is_too_long
    }

    /// RFC 6455, section 5.2: two bytes, then as the second says.
    fn header_needed(&self) -> usize {
        if self.header_len < 2 {
            return 2;
        }
        let length_bytes = match self.header[1] & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let mask_bytes = if self.header[1] & 0x80 == 0 { 0 } else { 4 };
        2 + length_bytes + mask_bytes
    }

    fn begin_payload(&mut self) {
        let big_endian = |bytes: &[u8]| bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte));
        self.payload_left = match self.header[1] & 0x7f {
            126 => big_endian(&self.header[2..4]),
            127 => big_endian(&self.header[2..10]),
            short => u64::from(short),
        };
        // Opcodes from 8 on are control frames.
        self.is_data = self.header[0] & 0x0f < 8;
        self.is_last = self.header[0] & 0x80 != 0;
        self.header_len = 0;
        let message_bytes = (self.heard.bytes - self.heard.whole_bytes).saturating_add(self.payload_left);
        self.is_too_long |= self.is_data && message_bytes > MESSAGE_BYTES_MAX as u64;
        self.end_message();
    }

    /// Where nothing more of the last frame of a message is to come, the message is whole.
    fn end_message(&mut self) {
        if self.is_data && self.is_last && self.payload_left == 0 {
            self.heard.whole_bytes = self.heard.bytes;
        }
    }
}

/// Two bytes, eight of length, four of mask.
const HEADER_BYTES_MAX: usize = 14;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frame(is_last: bool, opcode: u8, length: usize) -> Vec<u8> {
        let mut bytes = vec![u8::from(is_last) << 7 | opcode];
        match length {
            0..=125 => bytes.push(length as u8),
            126..=0xffff => {
                bytes.push(126);
                bytes.extend_from_slice(&(length as u16).to_be_bytes());
            }
            _ => {
                bytes.push(127);
                bytes.extend_from_slice(&(length as u64).to_be_bytes());
            }
        }
        bytes.resize(bytes.len() + length, 0x5a);
        bytes
    }

    #[test]
    fn only_data_counts_in_every_length_form() {
        let mut meter = Meter::new();
        let mut bytes = |opcode, length| meter.feed(&frame(true, opcode, length)).bytes;
        assert_eq!(bytes(0x9, 125), 0);
        assert_eq!(bytes(0x2, 125), 125);
        assert_eq!(bytes(0xa, 3), 125);
        assert_eq!(bytes(0x0, 126), 251);
        assert_eq!(bytes(0x2, 70_000), 70_251);
        assert_eq!(bytes(0x2, 0), 70_251);
        assert_eq!(bytes(0x8, 2), 70_251);
    }

    #[test]
    fn a_message_is_whole_when_its_last_byte_is_there() {
        let mut meter = Meter::new();
        let mut whole = |bytes: &[u8]| meter.feed(bytes).whole_bytes;
        assert_eq!(whole(&frame(true, 0x2, 10)[..11]), 0);
        assert_eq!(whole(&[0]), 10);
        assert_eq!(whole(&frame(false, 0x2, 200)), 10);
        // A ping in between ends nothing, and neither does a piece that is not the last.
        assert_eq!(whole(&frame(true, 0x9, 5)), 10);
        assert_eq!(whole(&frame(false, 0x0, 30)), 10);
        assert_eq!(whole(&frame(true, 0x0, 1)), 241);
        // The last piece may be empty.
        assert_eq!(whole(&frame(false, 0x2, 9)), 241);
        assert_eq!(whole(&frame(true, 0x0, 0)), 250);
    }

    #[test]
    fn what_is_too_long_is_known_before_it_comes() {
        let half = frame(false, 0x2, MESSAGE_BYTES_MAX / 2);
        let header = |first: u8, bytes: usize| [&[first, 127][..], &(bytes as u64).to_be_bytes()].concat();
        for (piece, is_too_long) in [(MESSAGE_BYTES_MAX / 2, false), (MESSAGE_BYTES_MAX / 2 + 1, true)] {
            let mut meter = Meter::new();
            meter.feed(&half);
            // A ping is another matter.
            meter.feed(&frame(true, 0x9, 125));
            meter.feed(&header(0x80, piece));
            assert_eq!(meter.is_too_long(), is_too_long, "{piece}");
        }
        let mut meter = Meter::new();
        meter.feed(&header(0x82, 1 << 40));
        assert!(meter.is_too_long());
    }

    proptest! {
        #[test]
        fn cuts_change_nothing(
            frames in prop::collection::vec((any::<bool>(), 0u8..=10, 0usize..300), 0..8),
            cuts in prop::collection::vec(1usize..50, 1..20),
        ) {
            let bytes: Vec<u8> =
                frames.iter().flat_map(|(is_last, opcode, length)| frame(*is_last, *opcode, *length)).collect();
            let mut expected = Heard::default();
            for (is_last, _, length) in frames.iter().filter(|(_, opcode, _)| *opcode < 8) {
                expected.bytes += *length as u64;
                if *is_last {
                    expected.whole_bytes = expected.bytes;
                }
            }
            let (mut meter, mut counted, mut rest) = (Meter::new(), Heard::default(), &bytes[..]);
            for cut in cuts.iter().cycle() {
                let (now, later) = rest.split_at(rest.len().min(*cut));
                counted = meter.feed(now);
                rest = later;
                if rest.is_empty() {
                    break;
                }
            }
            prop_assert_eq!(counted, expected);
        }

        #[test]
        fn garbage_is_followed_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            Meter::new().feed(&bytes);
        }
    }
}

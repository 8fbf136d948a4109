//! Counts the payload of data frames in a stream of WebSocket frames, however it is cut.

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
}

impl Meter {
    pub(super) fn new() -> Meter {
        Meter { header: [0; HEADER_BYTES_MAX], header_len: 0, payload_left: 0, is_data: false }
    }

    /// Takes the next bytes of the stream; returns how many of them are payload of data frames.
    pub(super) fn feed(&mut self, mut bytes: &[u8]) -> u64 {
        let mut data_bytes = 0;
        while !bytes.is_empty() {
            if self.payload_left > 0 {
                let available = bytes.len() as u64;
                let taken = self.payload_left.min(available);
                self.payload_left -= taken;
                data_bytes += if self.is_data { taken } else { 0 };
                // No longer than `bytes` itself, so the cast loses nothing.
                bytes = &bytes[taken as usize..];
            } else {
                self.header[self.header_len] = bytes[0];
                self.header_len += 1;
                bytes = &bytes[1..];
                if self.header_len == self.header_needed() {
                    self.begin_payload();
                }
            }
        }
        data_bytes
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
        self.header_len = 0;
    }
}

/// Two bytes, eight of length, four of mask.
const HEADER_BYTES_MAX: usize = 14;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frame(opcode: u8, length: usize) -> Vec<u8> {
        let mut bytes = vec![0x80 | opcode];
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
        assert_eq!(meter.feed(&frame(0x9, 125)), 0);
        assert_eq!(meter.feed(&frame(0x2, 125)), 125);
        assert_eq!(meter.feed(&frame(0xa, 3)), 0);
        assert_eq!(meter.feed(&frame(0x0, 126)), 126);
        assert_eq!(meter.feed(&frame(0x2, 70_000)), 70_000);
        assert_eq!(meter.feed(&frame(0x2, 0)), 0);
        assert_eq!(meter.feed(&frame(0x8, 2)), 0);
    }

    proptest! {
        #[test]
        fn cuts_change_nothing(
            frames in prop::collection::vec((0u8..=10, 0usize..300), 0..8),
            cuts in prop::collection::vec(1usize..50, 1..20),
        ) {
            let bytes: Vec<u8> = frames.iter().flat_map(|(opcode, length)| frame(*opcode, *length)).collect();
            let expected: usize = frames.iter().filter(|(opcode, _)| *opcode < 8).map(|(_, length)| length).sum();
            let (mut meter, mut counted, mut rest) = (Meter::new(), 0, &bytes[..]);
            for cut in cuts.iter().cycle() {
                let (now, later) = rest.split_at(rest.len().min(*cut));
                counted += meter.feed(now);
                rest = later;
                if rest.is_empty() {
                    break;
                }
            }
            prop_assert_eq!(counted, expected as u64);
        }

        #[test]
        fn garbage_is_followed_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            Meter::new().feed(&bytes);
        }
    }
}

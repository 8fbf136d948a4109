//! What is not worth packing, by a look at it: files that begin like those that are compressed already, and
//! bytes that look like chance.
//!
//! Both cost less than a microsecond for a block, and packing one in vain some hundred; where they are wrong
//! a block goes as it is.

use crate::proto::frame::{Block, Piece};

/// Looks at blocks, one after the other.
#[derive(Debug, Default)]
pub(super) struct Sniff {
    // The file that was begun last, and whether it is compressed. Those of many blocks come one after the
    // other.
    current: Option<(u64, bool)>,
}

impl Sniff {
    /// Whether packing it is worth trying.
    pub(super) fn is_promising(&mut self, block: &Block) -> bool {
        let payload = block.payload();
        let (mut at, mut compressed) = (0, 0);
        for piece in block.pieces() {
            let &Piece::Bytes { entry, offset, length } = piece else { continue };
            let bytes = payload.get(at..).unwrap_or_default();
            if offset == 0 {
                self.current = Some((entry, is_compressed(bytes)));
            }
            if self.current == Some((entry, true)) {
                compressed += length as usize;
            }
            at += length as usize;
        }
        // Files that share a block go together, so most of them decide.
        compressed * 2 <= payload.len() && !looks_random(payload)
    }
}

/// Whether a file that begins like this is compressed, or encrypted.
fn is_compressed(bytes: &[u8]) -> bool {
    let begins = |mark: &[u8]| bytes.starts_with(mark);
    let has = |mark: &[u8], at: usize| bytes.get(at..).is_some_and(|bytes| bytes.starts_with(mark));
    MARKS.iter().any(|mark| begins(mark)) || (begins(b"RIFF") && has(b"WEBP", 8)) || has(b"ftyp", 4)
}

/// Whether the bytes are spread as evenly as those of chance: judged by how often two of a sample are the
/// same.
fn looks_random(payload: &[u8]) -> bool {
    if payload.len() < SAMPLE_BYTES {
        return false;
    }
    let mut counts = [0_u32; 256];
    let slices = SAMPLE_BYTES / SLICE_BYTES;
    for slice in 0..slices {
        let begin = (payload.len() - SLICE_BYTES) / (slices - 1) * slice;
        for byte in payload.get(begin..begin + SLICE_BYTES).unwrap_or_default() {
            if let Some(count) = counts.get_mut(usize::from(*byte)) {
                *count += 1;
            }
        }
    }
    let pairs: u32 = counts.iter().map(|count| count * count).sum();
    pairs < PAIRS_OF_CHANCE / 4 * 5
}

/// How the formats begin that leave nothing to be gained: archives, pictures, sound, films, fonts.
const MARKS: &[&[u8]] = &[
    b"\x1f\x8b",            // gzip
    b"\x28\xb5\x2f\xfd",    // zstd
    b"\xfd7zXZ\0",          // xz
    b"BZh",                 // bzip2
    b"PK\x03\x04",          // zip, and what is one: office documents, packages
    b"7z\xbc\xaf\x27\x1c",  // 7-Zip
    b"Rar!\x1a\x07",        // RAR
    b"\x04\x22\x4d\x18",    // lz4
    b"\x89PNG\r\n",         // PNG
    b"\xff\xd8\xff",        // JPEG
    b"GIF8",                // GIF
    b"\x1a\x45\xdf\xa3",    // Matroska, WebM
    b"OggS",                // Ogg
    b"fLaC",                // FLAC
    b"ID3",                 // MP3
    b"wOF2",                // web fonts
    b"\xed\xab\xee\xdb",    // RPM
    b"age-encryption.org/", // age
];

/// Bytes looked at, in slices from the whole of the payload.
const SAMPLE_BYTES: usize = 1024;

const SLICE_BYTES: usize = 128;

/// The squares of how often each value comes among so many bytes of chance, summed up: `n + n (n - 1) / 256`.
const PAIRS_OF_CHANCE: u32 = 1024 + 1024 * 1023 / 256;

#[cfg(test)]
mod tests {
    use super::*;

    fn block(files: &[&[u8]]) -> Block {
        let mut block = Block::new(files.iter().map(|file| file.len()).sum());
        for (entry, file) in (0..).zip(files) {
            add(&mut block, entry, 0, file);
        }
        block
    }

    fn add(block: &mut Block, entry: u64, offset: u64, bytes: &[u8]) {
        let fill = |room: &mut [u8]| {
            room.copy_from_slice(bytes);
            Ok::<_, ()>(bytes.len())
        };
        assert_eq!(block.piece(entry, offset, bytes.len(), fill), Ok(bytes));
    }

    fn noise(bytes: usize) -> Vec<u8> {
        let mut noise = vec![0; bytes];
        blake3::Hasher::new().finalize_xof().fill(&mut noise);
        noise
    }

    #[test]
    fn text_programs_and_little_things_are_worth_a_try() {
        let text = include_bytes!("sniff.rs").as_slice();
        let program = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let base64: Vec<u8> = noise(5000)
            .iter()
            .map(|byte| {
                b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"[usize::from(byte & 63)]
            })
            .collect();
        for promising in [text, &program[..200_000], &base64, b"", b"p2pc", &[0; 10_000]] {
            assert!(Sniff::default().is_promising(&block(&[promising])));
        }
    }

    #[test]
    fn chance_is_not() {
        let noise = noise(1 << 18);
        for bytes in [SAMPLE_BYTES, SAMPLE_BYTES + 1, 5000, 1 << 18] {
            assert!(!Sniff::default().is_promising(&block(&[&noise[..bytes]])), "{bytes}");
        }
    }

    #[test]
    fn a_file_that_begins_compressed_is_so_to_its_end() {
        let text = [b'a'; 3000];
        let mut sniff = Sniff::default();
        for begin in MARKS.iter().copied().chain([&b"RIFF\0\0\0\0WEBP"[..], b"\0\0\0\x18ftypmp42"]) {
            assert!(!sniff.is_promising(&block(&[&[begin, &text[..]].concat()])), "{begin:?}");
            let mut later = Block::new(3000);
            add(&mut later, 0, 3000, &text);
            assert!(!sniff.is_promising(&later), "{begin:?}");
            let mut other = Block::new(3000);
            add(&mut other, 1, 3000, &text);
            assert!(sniff.is_promising(&other), "{begin:?}");
        }
        assert!(sniff.is_promising(&block(&[b"RIFF\0\0\0\0WAVE"])));
    }

    #[test]
    fn most_of_those_that_share_a_block_decide() {
        let picture = [b"\xff\xd8\xff", &[7; 500][..]].concat();
        let text = [b'a'; 400];
        assert!(!Sniff::default().is_promising(&block(&[&text, &picture])));
        assert!(Sniff::default().is_promising(&block(&[&text, &picture, &text])));
    }
}

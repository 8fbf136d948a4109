//! Frames, manifests and the names in them: whatever comes is refused, or means one thing and stays within its bounds.

use bytes::Bytes;
use p2pc::proto::chunk::ChunkSize;
use p2pc::proto::compress::{Codec, Packed, Unpacker};
use p2pc::proto::frame::{Control, Frame, cost, encode_control, encode_keep_alive, encode_received};
use p2pc::proto::limits::{
    DEPTH_MAX, FRAME_COST_MAX, FRAME_COST_MIN, LIST_MAX, PATH_BYTES_MAX, PAYLOAD_BYTES_MAX, PIECES_MAX,
};
use p2pc::proto::manifest::{EntryKind, Item, Nesting};
use p2pc::proto::path::{Name, RelPath, System, link_stays_inside};
use p2pc::proto::runs::Runs;

/// The bytes of one frame.
pub fn frame(bytes: &[u8]) {
    match Frame::decode(bytes) {
        Err(_) => {}
        Ok(Frame::Data(data)) => {
            assert!(!data.pieces.is_empty() && data.pieces.len() <= PIECES_MAX);
            let carried: u64 = data
                .pieces
                .iter()
                .filter(|piece| matches!(piece, p2pc::proto::frame::Piece::Bytes { .. }))
                .map(|piece| u64::from(piece.place().2))
                .sum();
            assert_eq!(carried, data.payload.len() as u64);
            for piece in &data.pieces {
                let (_, offset, length) = piece.place();
                assert!(length > 0 && offset.checked_add(u64::from(length)).is_some());
            }
            let cost = cost(bytes.len(), &data.pieces, None);
            assert!((FRAME_COST_MIN..=FRAME_COST_MAX).contains(&cost), "{cost}");
        }
        Ok(Frame::Packed(data)) => {
            assert!(!data.pieces.is_empty() && data.pieces.len() <= PIECES_MAX);
            let length = data.length as usize;
            assert!(data.payload.len() < length && length <= PAYLOAD_BYTES_MAX);
            let payload = Bytes::copy_from_slice(data.payload);
            let packed = Packed { codec: data.codec, length: data.length, bytes: payload };
            if let Ok(payload) = Unpacker::default().unpack(&packed) {
                assert_eq!(payload.len(), length);
            }
            let cost = cost(bytes.len(), &data.pieces, Some(data.length));
            assert!((FRAME_COST_MIN..=FRAME_COST_MAX).contains(&cost), "{cost}");
        }
        Ok(Frame::Control { seq, control }) => {
            // What we say again means the same, whatever detours the varints took.
            let again = encode_control(seq, control.clone()).expect("it came in a frame");
            assert!(again.len() <= bytes.len());
            assert_eq!(Frame::decode(&again), Ok(Frame::Control { seq, control: control.clone() }));
            if let Control::Get(gets) = &control {
                for get in gets {
                    let _ = ChunkSize::new(u64::from(get.chunk_bytes));
                    runs(get.send.clone(), get.entry);
                    runs(get.compare.clone(), u64::MAX);
                }
            }
        }
        Ok(Frame::KeepAlive) => assert_eq!(encode_keep_alive().as_deref(), Ok(bytes)),
        Ok(Frame::Received { frames }) => {
            let again = encode_received(frames).expect("a number");
            assert_eq!(Frame::decode(&again), Ok(Frame::Received { frames }));
        }
    }
}

/// Runs of somebody else: in order, below the end, and never more work than there are runs.
fn runs(runs: Vec<p2pc::proto::frame::Run>, end: u64) {
    let count = runs.len();
    let Some(runs) = Runs::checked(runs, end) else { return };
    assert!(runs.len() == count && count <= LIST_MAX && runs.chunks() <= end);
    let missing = runs.missing(end);
    assert_eq!(missing.union(&runs), Some(Runs::all(end)));
    let size = ChunkSize::MIN;
    let bytes = end.saturating_mul(u64::from(size.bytes()));
    assert!(runs.bytes(bytes, size) <= bytes);
}

/// A list of items: names stay components, paths stay below, nesting stays bounded.
pub fn manifest(bytes: &[u8]) {
    let mut rest = bytes;
    let mut nesting = Nesting::new();
    while let Ok((item, later)) = postcard::take_from_bytes::<Item<'_>>(rest) {
        rest = later;
        let Ok(entry) = nesting.place(&item) else { return };
        path(&entry.path);
        if let EntryKind::Link { target, .. } = &entry.kind {
            let inside = entry.path.split().map(|(parent, _)| parent).unwrap_or_default();
            for system in [System::Unix, System::Apple, System::Windows] {
                if link_stays_inside(&inside, target, system) {
                    stays(&inside, target);
                }
            }
        }
        // What is kept of it says the same again.
        assert_eq!(entry.item(), item);
    }
    if let Ok(name) = Name::new(bytes) {
        sound(&name);
    }
}

fn path(path: &RelPath) {
    assert!(path.as_bytes().len() <= PATH_BYTES_MAX && path.depth() <= DEPTH_MAX);
    path.names().for_each(|name| sound(&name));
}

fn sound(name: &Name) {
    let bytes = name.as_bytes();
    assert!(!bytes.is_empty() && bytes.len() <= 255 && bytes != b"." && bytes != b"..");
    assert!(!bytes.contains(&b'/') && !bytes.contains(&0));
    for system in [System::Unix, System::Apple, System::Windows] {
        let unfit = name.unfit(system);
        if system == System::Windows && unfit.is_none() {
            let text = std::str::from_utf8(bytes).expect("Windows has Unicode names");
            assert!(!text.contains(['\\', ':', '<', '>', '"', '|', '?', '*']) && !text.ends_with(['.', ' ']));
        }
    }
    // The names of its part file and journal are kept for us: no entry can bear them.
    assert!(Name::new(name.part_file().as_bytes()).is_err());
}

/// Where a link leads, followed by hand: never above the output directory.
fn stays(inside: &RelPath, target: &[u8]) {
    let mut depth = inside.depth();
    for part in target.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => depth = depth.checked_sub(1).expect("a link that climbs out"),
            _ => depth += 1,
        }
    }
    assert!(!target.starts_with(b"/") && !target.is_empty());
}

/// A packed payload: how, how long it claims to be, and its bytes. Another after it finds the unpacker as it was.
pub fn packed(bytes: &[u8]) {
    let Some(([codec, low, high, most], bytes)) = bytes.split_first_chunk() else { return };
    let codec = if codec & 1 == 0 { Codec::Zstd } else { Codec::Deflate };
    // Up to somewhat more than any payload.
    let length = u32::from_le_bytes([*low, *high, most % 5, 0]);
    let mut unpacker = Unpacker::default();
    let packed = Packed { codec, length, bytes: Bytes::copy_from_slice(bytes) };
    let first = unpacker.unpack(&packed);
    if let Ok(payload) = &first {
        assert!(payload.len() == length as usize && payload.len() <= PAYLOAD_BYTES_MAX);
    }
    let honest = [0x28, 0xb5, 0x2f, 0xfd, 0x60, 0x2c, 0, 0x63, 9, 0, b'p'];
    let honest = Packed { codec: Codec::Zstd, length: 300, bytes: Bytes::copy_from_slice(&honest) };
    assert_eq!(unpacker.unpack(&honest), Ok(vec![b'p'; 300]));
    assert_eq!(unpacker.unpack(&packed), first, "it depends on what came before");
}

//! Golden bytes of every frame, the bounds, and what hostile bytes do.

use bytes::Bytes;

use super::*;
use crate::proto::compress::{Packed, Packer, Unpacker};
use crate::proto::limits::{HEADER_BYTES_MAX, LANES_MAX, LIST_MAX, TEXT_BYTES_MAX};
use crate::proto::manifest::{Item, Meta};
use proptest::prelude::*;

const META: Meta = Meta { mode: Some(0o644), mtime_s: 1_700_000_000, mtime_ns: 5 };

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Every frame with its bytes: one line each, name and hexadecimal. `docs/protocol.md` shows the same, held
/// equal by a test.
const VECTORS: &str = include_str!("../../../tests/vectors/frames.txt");

/// The golden bytes of one frame, in hexadecimal.
fn golden(name: &str) -> &'static str {
    let mut lines = VECTORS.lines().filter(|line| !line.starts_with('#'));
    lines.find_map(|line| line.strip_prefix(name)?.strip_prefix('\t')).unwrap()
}

/// One of each control frame.
fn controls() -> Vec<Control<'static>> {
    let failure = WireFailure { reason: Reason::Special, text: "fifo" };
    vec![
        Control::Begin { chunk_bytes: 1 << 20 },
        Control::Manifest(vec![
            Item::Directory { name: b"d" },
            Item::File { name: b"f", size: Some(300), meta: META, holes: 0 },
            Item::File {
                name: b"-",
                size: None,
                meta: Meta { mode: None, mtime_s: -1, mtime_ns: 0 },
                holes: 0,
            },
            Item::Link { name: b"l", target: b"f", meta: META },
            Item::Unsent { name: b"p", failure: failure.clone() },
            Item::DirectoryEnd { meta: META },
        ]),
        Control::ManifestEnd { items: 6 },
        Control::Accept { window: 16 << 20 },
        Control::Plan(vec![Verdict::Nothing, Verdict::Send]),
        Control::Ended(vec![FileEnd { entry: 1, size: 300, root: [0xab; 32] }]),
        Control::Dropped { entry: 2, failure: failure.clone() },
        Control::Credit { total: 1 << 20 },
        Control::Outcomes(vec![
            Outcome { entry: 1, failure: None },
            Outcome { entry: 4, failure: Some(failure) },
        ]),
        Control::Complete { delivered: 3, failed: 1 },
        Control::Receipt,
        Control::Cancel(Cancelled { reason: CancelReason::Interrupted, text: "" }),
        Control::Get(vec![Get {
            entry: 1,
            chunk_bytes: 1 << 20,
            send: vec![Run { first: 3, count: 2 }],
            compare: vec![Run { first: 0, count: 3 }, Run { first: 300, count: 1 }],
        }]),
        Control::Lane { lane: 3, up: true },
        Control::LaneTaken { lane: 3, frames: 300 },
        Control::Text,
    ]
}

/// The name of a control frame in the vectors. Exhaustive on purpose: whoever adds one comes by here, and
/// then adds it above, to the vectors and to the page.
fn name(control: &Control<'_>) -> &'static str {
    match control {
        Control::Begin { .. } => "Begin",
        Control::Manifest(_) => "Manifest",
        Control::ManifestEnd { .. } => "ManifestEnd",
        Control::Accept { .. } => "Accept",
        Control::Plan(_) => "Plan",
        Control::Ended(_) => "Ended",
        Control::Dropped { .. } => "Dropped",
        Control::Credit { .. } => "Credit",
        Control::Outcomes(_) => "Outcomes",
        Control::Complete { .. } => "Complete",
        Control::Receipt => "Receipt",
        Control::Cancel(_) => "Cancel",
        Control::Get(_) => "Get",
        Control::Lane { .. } => "Lane",
        Control::LaneTaken { .. } => "LaneTaken",
        Control::Text => "Text",
    }
}

#[test]
fn every_control_frame_has_its_golden_bytes() {
    for control in controls() {
        let name = name(&control);
        let encoded = encode_control(7, control.clone()).unwrap();
        assert_eq!(hex(&encoded), golden(name), "{name}");
        assert_eq!(Frame::decode(&encoded), Ok(Frame::Control { seq: 7, control }), "{name}");
    }
    assert_eq!(hex(&encode_keep_alive().unwrap()), golden("KeepAlive"));
    assert_eq!(Frame::decode(&encode_keep_alive().unwrap()), Ok(Frame::KeepAlive));
    assert_eq!(hex(&encode_received(300).unwrap()), golden("Received"));
    assert_eq!(Frame::decode(&encode_received(300).unwrap()), Ok(Frame::Received { frames: 300 }));
}

#[test]
fn lanes_that_no_session_has_are_refused() {
    for lane in [0, LANES_MAX, u8::MAX] {
        for control in [Control::Lane { lane, up: true }, Control::LaneTaken { lane, frames: 0 }] {
            let encoded = encode_control(0, control).unwrap();
            assert_eq!(Frame::decode(&encoded), Err(FrameError::TooMany), "{lane}");
        }
    }
}

#[test]
fn chunks_named_by_their_values_are_charged_and_bounded() {
    let mut block = Block::new(0);
    assert!(block.same(1, 1 << 20, 1 << 20, [0xab; 32]));
    let packed = block.pack().unwrap();
    let frame = &packed.buffer[packed.start..];
    assert_eq!(hex(frame), golden("Same"));
    assert_eq!(block_pieces(frame)[0].held_bytes(), 1 << 20);
    assert_eq!(packed.cost, FRAME_COST_MIN + (1 << 20) / NAMED_PER_COST);
    // As many as fit by their headers, and then by what they name.
    let mut block = Block::new(0);
    let small = std::iter::from_fn(|| block.same(0, 0, 1, [0; 32]).then_some(())).count();
    assert_eq!(small, (HEADER_BYTES_MAX - 12) / crate::proto::limits::SAME_HEADER_BYTES_MAX);
    assert!(block.pack().is_ok());
    let mut block = Block::new(0);
    let big = std::iter::from_fn(|| block.same(u64::MAX, 1 << 62, 4 << 20, [0; 32]).then_some(())).count();
    assert_eq!(big, 8);
    assert!(block.pack().unwrap().cost <= crate::proto::limits::FRAME_COST_MAX);
}

#[test]
fn no_vector_is_without_its_frame() {
    let vectors = VECTORS.lines().filter(|line| !line.starts_with('#')).count();
    // Besides the control frames: data, a chunk by its value, the sign of life, what was received, and data
    // packed in two ways.
    assert_eq!(vectors, controls().len() + 6);
}

#[test]
fn a_data_frame_has_its_golden_bytes() {
    let mut block = Block::new(16);
    let fill = |bytes: &'static [u8]| {
        move |room: &mut [u8]| {
            room[..bytes.len()].copy_from_slice(bytes);
            Ok::<_, ()>(bytes.len())
        }
    };
    assert_eq!(block.piece(1, 0, 5, fill(b"hello")), Ok(&b"hello"[..]));
    assert!(block.zeros(2, 4096, 300));
    assert_eq!(block.piece(3, 200, 9, fill(b"p2pc")), Ok(&b"p2pc"[..]));
    assert_eq!(block.piece(4, 0, 9, fill(b"")), Ok(&b""[..]));
    let packed = block.pack().unwrap();
    let bytes = &packed.buffer[packed.start..];
    assert_eq!(hex(bytes), golden("Data"));
    assert_eq!(cost(bytes.len(), block_pieces(bytes).as_slice(), None), FRAME_COST_MIN + 300 / 64);
    let pieces = vec![
        Piece::Bytes { entry: 1, offset: 0, length: 5 },
        Piece::Zeros { entry: 2, offset: 4096, length: 300 },
        Piece::Bytes { entry: 3, offset: 200, length: 4 },
    ];
    assert_eq!(Frame::decode(bytes), Ok(Frame::Data(Data { pieces, payload: b"hellop2pc" })));
}

fn unhex(hex: &str) -> Vec<u8> {
    (0..hex.len() / 2).map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap()).collect()
}

#[test]
fn packed_data_frames_have_their_golden_bytes() {
    // The bytes behind the header were made by hand and by another library: packers may get better, what they
    // mean stays.
    for (name, codec) in [("PackedZstd", Codec::Zstd), ("PackedDeflate", Codec::Deflate)] {
        let bytes = unhex(golden(name));
        let Ok(Frame::Packed(data)) = Frame::decode(&bytes) else { panic!("{name}") };
        let pieces = vec![Piece::Bytes { entry: 1, offset: 0, length: 300 }];
        assert_eq!((data.codec, data.length, &data.pieces), (codec, 300, &pieces));
        let header = encode(&Header::Packed { codec, length: 300, pieces }).unwrap();
        assert_eq!([&header[..], data.payload].concat(), bytes);
        let payload = Packed { codec, length: 300, bytes: Bytes::copy_from_slice(data.payload) };
        assert_eq!(Unpacker::default().unpack(&payload), Ok(vec![b'p'; 300]));
    }
}

/// A block of two files with a hole between them.
fn two_files(bytes: usize, fill: impl Fn(usize) -> u8) -> Block {
    let mut block = Block::new(bytes);
    let mut part = |entry, length| {
        block
            .piece(entry, 4096, length, |room| {
                room.iter_mut().enumerate().for_each(|(at, byte)| *byte = fill(at));
                Ok::<_, ()>(room.len())
            })
            .map(|_| ())
            .unwrap();
    };
    part(1, bytes / 2);
    part(3, bytes - bytes / 2);
    assert!(block.zeros(2, 0, 4096));
    block
}

#[test]
fn a_block_is_packed_where_that_makes_it_smaller() {
    for codec in [Codec::Zstd, Codec::Deflate] {
        let mut packer = Packer::new(codec);
        let mut block = two_files(PAYLOAD_BYTES_MAX, |at| b"the quick brown fox"[at * at % 19]);
        let (plain, pieces) = (block.payload().to_vec(), block.pieces().to_vec());
        assert!(block.compress(&mut packer) && !block.compress(&mut packer));
        assert_eq!((block.room(), block.content_bytes(), block.pieces()), (0, plain.len(), &pieces[..]));
        assert!(!block.zeros(9, 0, 1), "it is packed for good");
        let framed = block.pack().unwrap();
        let frame = &framed.buffer[framed.start..];
        assert!(frame.len() < PAYLOAD_BYTES_MAX / 10 && framed.buffer.capacity() < PAYLOAD_BYTES_MAX / 5);
        assert_eq!(framed.cost, cost(frame.len(), &pieces, Some(1 << 18)));
        let Ok(Frame::Packed(data)) = Frame::decode(frame) else { panic!("{codec:?}") };
        assert_eq!((data.codec, data.pieces), (codec, pieces));
        let packed = Packed { codec, length: data.length, bytes: Bytes::copy_from_slice(data.payload) };
        assert_eq!(Unpacker::default().unpack(&packed), Ok(plain));

        let mut block = Block::new(32);
        let noise = blake3::hash(b"noise");
        block
            .piece(1, 0, 32, |room| {
                room.copy_from_slice(noise.as_bytes());
                Ok::<_, ()>(32)
            })
            .unwrap();
        let plain = block.payload().to_vec();
        assert!(!block.compress(&mut packer));
        assert_eq!(block.payload(), plain);
        assert!(matches!(Frame::decode(&bytes_of(block)), Ok(Frame::Data(data)) if data.payload == plain));
    }
}

fn bytes_of(block: Block) -> Vec<u8> {
    let framed = block.pack().unwrap();
    framed.buffer[framed.start..].to_vec()
}

#[test]
fn a_block_full_of_pieces_is_packed_too() {
    let mut block = Block::new(PAYLOAD_BYTES_MAX);
    while block.room() > 0 {
        block
            .piece(u64::MAX, u64::MAX >> 2, PAYLOAD_BYTES_MAX / PIECES_MAX, |room| Ok::<_, ()>(room.len()))
            .unwrap();
    }
    assert!(block.compress(&mut Packer::new(Codec::Zstd)));
    assert!(
        matches!(Frame::decode(&bytes_of(block)), Ok(Frame::Packed(data)) if data.pieces.len() == PIECES_MAX)
    );
}

#[test]
fn packed_frames_that_contradict_themselves_are_refused() {
    for broken in [
        // An unknown codec; nothing packed.
        "70010402ac0201000100ac0228b5",
        "70010400ac0201000100ac02",
        // As long as what it unpacks to; nothing to unpack to; pieces of more, and of less, than that; no
        // piece.
        "70010400020100010002ffff",
        "70010400000101010001ff",
        "70010400ac0201000100ad02ff",
        "70010400ac0201000100ab02ff",
        "70010400ac0200ff",
        // More than a payload may be.
        "700104008180100100010081801028b5",
    ] {
        let error = if broken.starts_with("70010402") { FrameError::Header } else { FrameError::Pieces };
        assert_eq!(Frame::decode(&unhex(broken)), Err(error), "{broken}");
    }
}

#[test]
fn a_full_block_fits_a_frame() {
    let mut block = Block::new(PAYLOAD_BYTES_MAX);
    while block.room() > 0 {
        let share = (PAYLOAD_BYTES_MAX / PIECES_MAX).min(block.room());
        block.piece(u64::MAX, u64::MAX >> 2, share, |room| Ok::<_, ()>(room.len())).unwrap();
    }
    assert_eq!((block.pieces().len(), block.payload_bytes()), (PIECES_MAX, PAYLOAD_BYTES_MAX));
    assert!(!block.zeros(0, 0, 1));
    let packed = block.pack().unwrap();
    assert!(packed.buffer.len() - packed.start <= FRAME_BYTES_MAX);
    assert!(Frame::decode(&packed.buffer[packed.start..]).is_ok());
}

#[test]
fn what_is_said_aside_is_told_by_its_number() {
    for (aside, number) in [(Aside::KeepAlive, KEEP_ALIVE), (Aside::Received { frames: 300 }, RECEIVED)] {
        let bytes = aside.encode().unwrap();
        assert_eq!((bytes[MAGIC.len()], Aside::peek(&bytes)), (number, Some(aside)));
    }
    assert_eq!(Aside::peek(&encode_control(0, Control::Receipt).unwrap()), None);
}

#[test]
fn broken_frames_are_told_apart() {
    let good = golden("Plan");
    let bytes = |hex: &str| -> Vec<u8> {
        (0..hex.len() / 2).map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap()).collect()
    };
    assert!(Frame::decode(&bytes(good)).is_ok());
    for (broken, error) in [
        (String::new(), FrameError::Magic),
        ("70".into(), FrameError::Magic),
        (good.replacen("7001", "7002", 1), FrameError::Magic),
        (good.replacen("7001", "7101", 1), FrameError::Magic),
        (format!("{good}00"), FrameError::Header),
        (good[..good.len() - 2].to_string(), FrameError::Header),
        ("700103".into(), FrameError::Header),
        ("7001010763".into(), FrameError::Header),
        // A list that claims four thousand million verdicts in five bytes.
        ("7001010704ffffffff0f".into(), FrameError::Header),
        // A keepalive with something behind it.
        ("70010200".into(), FrameError::Header),
        // No piece; a piece without length; more payload than pieces; less.
        ("70010000".into(), FrameError::Pieces),
        ("70010001000100 00".replace(' ', ""), FrameError::Pieces),
        ("7001000100010001ffff".into(), FrameError::Pieces),
        ("7001000100010002ff".into(), FrameError::Pieces),
        // An offset at the end of 64 bits.
        ("700100010001ffffffffffffffffff0101ff".into(), FrameError::Pieces),
        // A hole of more than 32 MiB.
        ("70010001010100 81808010".replace(' ', ""), FrameError::Pieces),
    ] {
        assert_eq!(Frame::decode(&bytes(&broken)), Err(error), "{broken}");
    }
    assert_eq!(Frame::decode(&vec![b'p'; FRAME_BYTES_MAX + 1]), Err(FrameError::TooLong));
}

#[test]
fn lists_and_texts_are_bounded() {
    let long = "x".repeat(TEXT_BYTES_MAX + 1);
    let failure = WireFailure { reason: Reason::Changed, text: &long };
    for control in [
        Control::Plan(vec![Verdict::Send; LIST_MAX + 1]),
        Control::Manifest(vec![Item::Directory { name: b"d" }; LIST_MAX + 1]),
        Control::Manifest(vec![Item::Unsent { name: b"d", failure: failure.clone() }]),
        Control::Dropped { entry: 0, failure: failure.clone() },
        Control::Outcomes(vec![Outcome { entry: 0, failure: Some(failure.clone()) }]),
        Control::Cancel(Cancelled { reason: CancelReason::Disk, text: &long }),
    ] {
        let bytes = encode_control(0, control).unwrap();
        assert_eq!(Frame::decode(&bytes), Err(FrameError::TooMany));
    }
    let cut = Failure::new(Reason::Changed, "ä".repeat(TEXT_BYTES_MAX));
    assert!(cut.text.len() <= TEXT_BYTES_MAX && cut.text.chars().all(|c| c == 'ä'));
}

proptest! {
    #[test]
    fn no_bytes_make_decoding_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        let _ = Frame::decode(&bytes);
        let mut framed = MAGIC.to_vec();
        framed.extend(&bytes);
        if let Ok(Frame::Control { seq, control }) = Frame::decode(&framed) {
            // What decodes says the same once it is encoded again (postcard accepts longer varints than it
            // writes).
            let again = encode_control(seq, control.clone()).unwrap();
            prop_assert_eq!(Frame::decode(&again), Ok(Frame::Control { seq, control }));
        }
    }
}

fn block_pieces(frame: &[u8]) -> Vec<Piece> {
    match Frame::decode(frame) {
        Ok(Frame::Data(data)) => data.pieces,
        other => panic!("no data frame: {other:?}"),
    }
}

#[test]
fn holes_are_charged_and_bounded() {
    let mut block = Block::new(0);
    assert!(block.zeros(0, 0, NAMED_BYTES_MAX - 1));
    assert!(block.zeros(0, 1 << 40, 1));
    assert!(!block.zeros(0, 1 << 41, 1));
    let packed = block.pack().unwrap();
    let frame = &packed.buffer[packed.start..];
    let cost = cost(frame.len(), &block_pieces(frame), None);
    assert_eq!(cost, FRAME_COST_MIN + u64::from(NAMED_BYTES_MAX) / NAMED_PER_COST);
    assert!(cost <= crate::proto::limits::FRAME_COST_MAX);
    let too_many = [0x70, 1, 0, 2, 1, 0, 0, 0x80, 0x80, 0x80, 0x10, 1, 0, 0, 1];
    assert_eq!(Frame::decode(&too_many), Err(FrameError::Pieces));
}

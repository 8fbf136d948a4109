//! What is packed comes back, by our own decoder and by others; what lies is told so, and costs no more than
//! the truth.

use proptest::prelude::*;
use ruzstd::decoding::FrameDecoder;

use super::*;

const CODECS: [Codec; 2] = [Codec::Zstd, Codec::Deflate];

fn pack(codec: Codec, payload: &[u8]) -> Option<Packed> {
    let bytes = Bytes::copy_from_slice(Packer::new(codec).pack(payload)?);
    Some(Packed { codec, length: u32::try_from(payload.len()).unwrap(), bytes })
}

/// Unpacks by a decoder that does not ship.
fn unpack_elsewhere(packed: &Packed) -> Vec<u8> {
    match packed.codec {
        Codec::Zstd => {
            let mut payload = Vec::with_capacity(packed.length as usize);
            FrameDecoder::new().decode_all_to_vec(&packed.bytes, &mut payload).unwrap();
            payload
        }
        // The same crate by another way in: there is no second one without C here.
        Codec::Deflate => miniz_oxide::inflate::decompress_to_vec(&packed.bytes).unwrap(),
    }
}

/// Text as people and programs write it.
fn text(bytes: usize) -> Vec<u8> {
    let line = |at: usize| format!("{at}: the quick brown fox {} jumps over {:x}\n", at % 7, at * at);
    (0..).flat_map(|at| line(at).into_bytes()).take(bytes).collect()
}

/// Bytes without any pattern, the same every time.
fn noise(bytes: usize) -> Vec<u8> {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"noise");
    let mut noise = vec![0; bytes];
    hasher.finalize_xof().fill(&mut noise);
    noise
}

#[test]
fn text_becomes_a_fraction_and_comes_back() {
    for codec in CODECS {
        let mut unpacker = Unpacker::default();
        for bytes in [64, 1000, 100_000, PAYLOAD_BYTES_MAX] {
            let payload = text(bytes);
            let packed = pack(codec, &payload).unwrap();
            if bytes > 10_000 {
                assert!(packed.bytes.len() < bytes / 3, "{codec:?}: {} of {bytes}", packed.bytes.len());
            }
            let unpacked = unpacker.unpack(&packed).unwrap();
            assert!(unpacked == payload && unpack_elsewhere(&packed) == payload);
            unpacker.reuse(unpacked.into());
        }
    }
}

#[test]
fn what_gains_nothing_stays_as_it_is() {
    for codec in CODECS {
        for payload in [noise(PAYLOAD_BYTES_MAX), noise(100), b"p2pc".to_vec(), vec![7], Vec::new()] {
            assert_eq!(pack(codec, &payload), None, "{codec:?}: {} bytes", payload.len());
        }
        // A packer that gave up halfway is none the worse for it.
        let mut packer = Packer::new(codec);
        let payload = text(50_000);
        let alone = packer.pack(&payload).unwrap().to_vec();
        assert_eq!(packer.pack(&noise(50_000)), None);
        assert_eq!(packer.pack(&payload), Some(&alone[..]));
    }
}

#[test]
fn a_frame_that_lies_about_its_length_is_found_out() {
    for codec in CODECS {
        let payload = text(5000);
        let honest = pack(codec, &payload).unwrap();
        let mut unpacker = Unpacker::default();
        for length in [0, 1, 4999, 5001, 262_144, 262_145, u32::MAX] {
            assert_eq!(unpacker.unpack(&Packed { length, ..honest.clone() }), Err(Lie), "{codec:?} {length}");
        }
        for cut in 0..honest.bytes.len() {
            let packed = Packed { bytes: honest.bytes.slice(..cut), ..honest.clone() };
            assert_eq!(unpacker.unpack(&packed), Err(Lie), "{codec:?} cut to {cut}");
        }
        let trailed = [&honest.bytes[..], b"!"].concat();
        assert_eq!(unpacker.unpack(&Packed { bytes: trailed.into(), ..honest.clone() }), Err(Lie));
        assert_eq!(unpacker.unpack(&honest), Ok(payload));
    }
}

#[test]
fn a_bomb_takes_no_more_room_than_it_claims() {
    let zeros = vec![0; 100 * PAYLOAD_BYTES_MAX];
    for codec in CODECS {
        let bytes = match codec {
            Codec::Zstd => zrip::compress(&zeros, 1).unwrap(),
            Codec::Deflate => miniz_oxide::deflate::compress_to_vec(&zeros, 9),
        };
        assert!(bytes.len() < zeros.len() / 500);
        let mut unpacker = Unpacker::default();
        let packed = Packed { codec, length: 262_144, bytes: bytes.into() };
        assert_eq!(unpacker.unpack(&packed), Err(Lie));
    }
}

#[test]
fn the_better_one_of_those_both_have_is_used() {
    let (zstd, deflate) = (Capabilities::ZSTD, Capabilities::DEFLATE);
    assert_eq!(Codec::best(zstd | deflate | Capabilities::LANES), Some(Codec::Zstd));
    assert_eq!(Codec::best(zstd), Some(Codec::Zstd));
    assert_eq!(Codec::best(deflate), Some(Codec::Deflate));
    assert_eq!(Codec::best(Capabilities::LANES), None);
}

/// Stretches of noise, of text and of one byte: what files are made of.
fn payloads() -> impl Strategy<Value = Vec<u8>> {
    let stretch = (0..3, 1..40_000_usize, any::<u8>()).prop_map(|(kind, bytes, byte)| match kind {
        0 => noise(bytes),
        1 => text(bytes),
        _ => vec![byte; bytes],
    });
    proptest::collection::vec(stretch, 1..8).prop_map(|stretches| {
        let mut payload = stretches.concat();
        payload.truncate(PAYLOAD_BYTES_MAX);
        payload
    })
}

fn codecs() -> impl Strategy<Value = Codec> {
    prop_oneof![Just(Codec::Zstd), Just(Codec::Deflate)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn whatever_is_packed_comes_back(codec in codecs(), payload in payloads()) {
        if let Some(packed) = pack(codec, &payload) {
            prop_assert!(packed.bytes.len() < payload.len());
            prop_assert!(unpack_elsewhere(&packed) == payload);
            prop_assert!(Unpacker::default().unpack(&packed).as_ref() == Ok(&payload));
        }
    }

    #[test]
    fn no_bytes_make_unpacking_panic_or_exceed_its_length(
        codec in codecs(),
        payload in payloads(),
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..20),
        length in 0..=u32::try_from(PAYLOAD_BYTES_MAX).unwrap(),
    ) {
        let Some(packed) = pack(codec, &payload) else { return Ok(()) };
        let mut bytes = packed.bytes.to_vec();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let mut unpacker = Unpacker::default();
        for length in [packed.length, length] {
            let changed = Packed { length, bytes: bytes.clone().into(), ..packed.clone() };
            if let Ok(payload) = unpacker.unpack(&changed) {
                prop_assert_eq!(payload.len(), length as usize);
                unpacker.reuse(payload.into());
            }
        }
        // Whatever that left behind: an honest one is unpacked.
        prop_assert!(unpacker.unpack(&packed).as_ref() == Ok(&payload));
    }
}

//! What a relay may try with records, and what comes of it.

use proptest::prelude::*;
use zeroize::Zeroizing;

use super::*;
use crate::proto::kdf::hex;
use crate::proto::role::Role;
use crate::proto::seal::{LaneContext, SessionSecret};

const MODES: [Mode; 3] = [Mode::Aes256Gcm, Mode::ChaCha20Poly1305, Mode::Tagged];

fn lane(mode: Mode, role: Role, lane: u8) -> (Sealer, Opener) {
    let context = LaneContext { mode, lane, role, sender_nonce: [1; 32], receiver_nonce: [2; 32] };
    SessionSecret::new(Zeroizing::new([7; 32])).lane(&context)
}

/// What the sender seals with, and what the receiver opens that with.
fn forth(mode: Mode) -> (Sealer, Opener) {
    (lane(mode, Role::Send, 0).0, lane(mode, Role::Receive, 0).1)
}

fn sealed(sealer: &mut Sealer, content: &[u8]) -> Vec<u8> {
    let mut record = content.to_vec();
    sealer.seal_in_place(&mut record, 0).unwrap();
    record
}

fn opened(opener: &mut Opener, record: &[u8]) -> Result<Vec<u8>, OpenError> {
    opener.open_in_place(&mut record.to_vec()).map(|content| content.to_vec())
}

#[test]
fn records_open_in_order_in_both_directions() {
    for mode in MODES {
        let (mut forth, mut from_receiver) = lane(mode, Role::Send, 0);
        let (mut back, mut from_sender) = lane(mode, Role::Receive, 0);
        for number in 0..5_u8 {
            assert_eq!(opened(&mut from_sender, &sealed(&mut forth, &[number])), Ok(vec![number]));
            assert_eq!(opened(&mut from_receiver, &sealed(&mut back, &[number, 1])), Ok(vec![number, 1]));
        }
    }
}

#[test]
fn what_stands_before_the_start_is_left_alone() {
    let (mut sealer, mut opener) = forth(Mode::Aes256Gcm);
    let mut buffer = b"headcontent".to_vec();
    sealer.seal_in_place(&mut buffer, 4).unwrap();
    assert_eq!(&buffer[..4], b"head");
    assert_eq!(buffer.len(), 11 + TAG_BYTES);
    assert_eq!(opened(&mut opener, &buffer[4..]), Ok(b"content".to_vec()));
    assert_eq!(sealer.seal_in_place(&mut buffer, 99), Err(SealError::Empty));
}

#[test]
fn any_flipped_bit_is_seen() {
    for mode in MODES {
        let record = sealed(&mut forth(mode).0, b"content");
        for bit in 0..record.len() * 8 {
            let mut flipped = record.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(opened(&mut forth(mode).1, &flipped), Err(OpenError::Forged), "{mode:?} {bit}");
        }
    }
}

#[test]
fn any_cut_and_any_addition_is_seen() {
    for mode in MODES {
        let record = sealed(&mut forth(mode).0, b"content");
        for length in 0..record.len() {
            let expected = if length < RECORD_MIN { OpenError::TooShort } else { OpenError::Forged };
            assert_eq!(opened(&mut forth(mode).1, &record[..length]), Err(expected), "{mode:?} {length}");
        }
        let longer = [record.as_slice(), &[0]].concat();
        assert_eq!(opened(&mut forth(mode).1, &longer), Err(OpenError::Forged));
    }
}

#[test]
fn dropped_repeated_and_reordered_records_do_not_open() {
    for mode in MODES {
        let (mut sealer, _) = forth(mode);
        let records: Vec<_> = (0..3_u8).map(|number| sealed(&mut sealer, &[number; 9])).collect();
        for order in [&[1][..], &[0, 0], &[0, 2], &[1, 0], &[0, 1, 0]] {
            let mut opener = forth(mode).1;
            let outcomes: Vec<_> = order.iter().map(|&at| opened(&mut opener, &records[at])).collect();
            assert!(outcomes.contains(&Err(OpenError::Forged)), "{mode:?} {order:?}");
            assert!(outcomes.last().is_some_and(Result::is_err), "{mode:?} {order:?}");
        }
    }
}

#[test]
fn records_of_another_direction_lane_mode_or_connection_do_not_open() {
    for mode in MODES {
        let record = sealed(&mut forth(mode).0, b"content");
        let mut strangers = vec![
            lane(mode, Role::Send, 0).1,
            lane(mode, Role::Receive, 1).1,
            SessionSecret::new(Zeroizing::new([7; 32]))
                .lane(&LaneContext {
                    mode,
                    lane: 0,
                    role: Role::Receive,
                    sender_nonce: [1; 32],
                    receiver_nonce: [3; 32],
                })
                .1,
        ];
        strangers.extend(MODES.into_iter().filter(|&other| other != mode).map(|other| forth(other).1));
        for mut stranger in strangers {
            assert_eq!(opened(&mut stranger, &record), Err(OpenError::Forged), "{stranger:?}");
        }
    }
}

#[test]
fn nothing_opens_after_a_failure() {
    for mode in MODES {
        let (mut sealer, mut opener) = forth(mode);
        let record = sealed(&mut sealer, b"content");
        assert_eq!(opened(&mut opener, &[0; 5]), Err(OpenError::TooShort));
        assert_eq!(opened(&mut opener, &record), Err(OpenError::Poisoned));
    }
}

#[test]
fn lengths_are_bounded_on_both_sides() {
    for mode in MODES {
        let (mut sealer, mut opener) = forth(mode);
        assert_eq!(sealer.seal(&mut []), Err(SealError::Empty));
        assert_eq!(sealer.seal(&mut vec![0; FRAME_BYTES_MAX + 1]), Err(SealError::TooLong));
        // Neither refusal used a number.
        let record = sealed(&mut sealer, &vec![5; FRAME_BYTES_MAX]);
        assert_eq!(record.len(), RECORD_MAX);
        assert_eq!(opened(&mut opener, &record), Ok(vec![5; FRAME_BYTES_MAX]));
        assert_eq!(opened(&mut opener, &vec![0; RECORD_MAX + 1]), Err(OpenError::TooLong));
    }
}

#[test]
fn both_ends_change_keys_at_the_same_record() {
    for mode in MODES {
        let (mut sealer, mut opener) = forth(mode);
        (sealer.chain.records_per_key, opener.chain.records_per_key) = (3, 3);
        let first = *sealer.chain.key;
        for number in 0..10_u8 {
            assert_eq!(*sealer.chain.key == first, number <= 3, "{number}");
            assert_eq!(opened(&mut opener, &sealed(&mut sealer, &[number])), Ok(vec![number]));
        }
        assert_eq!(*sealer.chain.key, *opener.chain.key);

        // A side that changes at another record is not understood from there on.
        let (mut sealer, mut opener) = forth(mode);
        sealer.chain.records_per_key = 2;
        for expected in [Ok(vec![1]), Ok(vec![1]), Err(OpenError::Forged)] {
            assert_eq!(opened(&mut opener, &sealed(&mut sealer, &[1])), expected);
        }
    }
}

#[test]
fn the_last_number_is_the_end() {
    let (mut sealer, mut opener) = forth(Mode::ChaCha20Poly1305);
    (sealer.chain.next, opener.chain.next) = (u64::MAX - 1, u64::MAX - 1);
    let record = sealed(&mut sealer, b"last");
    assert_eq!(opened(&mut opener, &record), Ok(b"last".to_vec()));
    assert_eq!(sealer.seal(&mut [1]), Err(SealError::Exhausted));
    assert_eq!(sealer.seal(&mut [1]), Err(SealError::Exhausted));
    assert_eq!(opened(&mut opener, &record), Err(OpenError::Exhausted));
}

#[test]
fn records_are_the_golden_ones() {
    for (mode, first, second) in GOLDEN {
        let mut sealer = forth(mode).0;
        assert_eq!(hex(&sealed(&mut sealer, b"first")), first, "{mode:?}");
        assert_eq!(hex(&sealed(&mut sealer, b"second")), second, "{mode:?}");
    }
}

/// Made by `tests/vectors/seal.py`, which uses other implementations.
const GOLDEN: [(Mode, &str, &str); 3] = [
    (
        Mode::Aes256Gcm,
        "4c308f02f48a24808cd11bc3a33ad592224f2f93cb",
        "fa6e3246b92169051fd739167ddb554f4b8656a08cb4",
    ),
    (
        Mode::ChaCha20Poly1305,
        "cc4dc8ce4f64527ed0f9d0f92dc4f48dd63f15b8f2",
        "43134f0b69e09aea31df48190b28b307c4bc063eaf14",
    ),
    (
        Mode::Tagged,
        "66697273748117fa5a560f70ec1b7bd199c753bdd2",
        "7365636f6e64a2d011c2e73666221998518c656eae9a",
    ),
];

proptest! {
    #[test]
    fn whatever_arrives_instead_is_refused_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        for mode in MODES {
            prop_assert!(opened(&mut forth(mode).1, &bytes).is_err());
        }
    }

    #[test]
    fn any_stream_comes_out_as_it_went_in(
        contents in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..400), 1..12),
        per_key in 1..5_u64,
    ) {
        for mode in MODES {
            let (mut sealer, mut opener) = forth(mode);
            (sealer.chain.records_per_key, opener.chain.records_per_key) = (per_key, per_key);
            for content in &contents {
                let record = sealed(&mut sealer, content);
                prop_assert_eq!(opened(&mut opener, &record), Ok(content.clone()));
            }
        }
    }
}

#[test]
fn a_sealer_opens_again_what_it_sealed_over_one_change_of_keys() {
    for mode in MODES {
        let (mut sealer, mut opener) = forth(mode);
        (sealer.chain.records_per_key, opener.chain.records_per_key) = (3, 3);
        let mut records = Vec::new();
        for number in 0..7_u8 {
            assert_eq!(sealer.next_number(), u64::from(number));
            records.push(sealed(&mut sealer, &[number, 1, 2]));
        }
        // The seventh record has the third key: the first is gone.
        for (number, record) in (0..7_u8).zip(&records) {
            let mut record = record.clone();
            let again = sealer.reopen(number.into(), &mut record).map(|content| content.to_vec());
            let expected = if number < 3 { Err(OpenError::Forged) } else { Ok(vec![number, 1, 2]) };
            assert_eq!(again, expected, "{mode:?} {number}");
        }
        // Nothing of that changed what comes next.
        for (number, record) in (0..7_u8).zip(&records) {
            assert_eq!(opened(&mut opener, record), Ok(vec![number, 1, 2]));
        }
        assert_eq!(opened(&mut opener, &sealed(&mut sealer, b"next")), Ok(b"next".to_vec()));
    }
}

#[test]
fn a_sealer_opens_nothing_but_its_own_record_of_that_number() {
    for mode in MODES {
        let mut sealer = forth(mode).0;
        let mut record = sealed(&mut sealer, b"content");
        let mut theirs = sealed(&mut lane(mode, Role::Receive, 0).0, b"content");
        assert_eq!(sealer.reopen(0, &mut theirs), Err(OpenError::Forged));
        for number in [1, 1 << 18, u64::MAX] {
            assert_eq!(sealer.reopen(number, &mut record.clone()), Err(OpenError::Forged), "{mode:?}");
        }
        assert_eq!(sealer.reopen(0, &mut []), Err(OpenError::TooShort));
        assert_eq!(sealer.reopen(0, &mut vec![0; RECORD_MAX + 1]), Err(OpenError::TooLong));
        assert_eq!(sealer.reopen(0, &mut record).unwrap(), b"content");
    }
}

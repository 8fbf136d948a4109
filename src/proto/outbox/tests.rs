//! Everything said arrives once and in order, whenever connections end and whatever of it was counted.

use proptest::prelude::*;
use zeroize::Zeroizing;

use super::*;
use crate::error::Kind;
use crate::proto::frame::Aside;
use crate::proto::role::Role;
use crate::proto::seal::{LaneContext, Mode, Opener, SessionSecret};

/// Keys of the `connection`-th connection.
fn keys(mode: Mode, connection: u8) -> (Sealer, Opener) {
    let secret = SessionSecret::new(Zeroizing::new([7; 32]));
    let context = |role| LaneContext {
        mode,
        lane: 0,
        role,
        sender_nonce: [connection; 32],
        receiver_nonce: [connection ^ 0xff; 32],
    };
    (secret.lane(&context(Role::Send)).0, secret.lane(&context(Role::Receive)).1)
}

fn frame(number: usize, length: usize, is_data: bool) -> PackedBlock {
    let mut buffer = vec![0xee; 3];
    buffer.extend((number as u64).to_le_bytes());
    buffer.resize(3 + 8 + length, number as u8);
    PackedBlock { buffer, start: 3, cost: if is_data { 4096 } else { 0 }, run: 0 }
}

fn control(number: usize) -> PackedBlock {
    frame(number, 10, false)
}

/// Everything that waits, sealed; as the other side opens it.
fn opened(outbox: &mut Outbox, opener: &mut Opener) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    while let Some(record) = outbox.seal_next().unwrap() {
        frames.push(opener.open_in_place(&mut record.to_vec()).unwrap().to_vec());
    }
    frames
}

fn bytes(frames: impl IntoIterator<Item = PackedBlock>) -> Vec<Vec<u8>> {
    frames.into_iter().map(|frame| frame.buffer[frame.start..].to_vec()).collect()
}

#[test]
fn what_was_not_counted_is_said_again_before_anything_new() {
    let (sealer, mut opener) = keys(Mode::Aes256Gcm, 1);
    let mut outbox = Outbox::new(sealer);
    (0..4).for_each(|number| outbox.say(control(number)).unwrap());
    assert_eq!(opened(&mut outbox, &mut opener), bytes((0..4).map(control)));
    outbox.acknowledge(1).unwrap();
    outbox.disconnect().unwrap();
    outbox.say(control(4)).unwrap();
    assert!(outbox.seal_next().unwrap().is_none(), "there is no connection");
    // The other side got one more than it had told of.
    let (sealer, mut opener) = keys(Mode::Aes256Gcm, 2);
    outbox.connect(sealer, 2).unwrap();
    assert_eq!(opened(&mut outbox, &mut opener), bytes((2..5).map(control)));
    // And once more, over a connection that ends before anything is counted.
    let (sealer, mut opener) = keys(Mode::Aes256Gcm, 3);
    outbox.connect(sealer, 2).unwrap();
    assert_eq!(opened(&mut outbox, &mut opener), bytes((2..5).map(control)));
    outbox.acknowledge(5).unwrap();
    assert_eq!((outbox.kept.len(), outbox.control_bytes), (0, 0));
}

#[test]
fn a_claim_that_cannot_be_true_ends_the_lane() {
    let mut outbox = Outbox::new(keys(Mode::Tagged, 1).0);
    (0..3).for_each(|number| outbox.say(control(number)).unwrap());
    outbox.seal_next().unwrap();
    outbox.seal_next().unwrap();
    assert_eq!(outbox.acknowledge(3).unwrap_err().kind(), Kind::Protocol, "the third has not gone out");
    assert_eq!(outbox.acknowledge(u64::MAX).unwrap_err().kind(), Kind::Protocol);
    outbox.acknowledge(1).unwrap();
    assert_eq!(outbox.acknowledge(0).unwrap_err().kind(), Kind::Protocol, "less than before");
    outbox.acknowledge(1).unwrap();
    outbox.disconnect().unwrap();
    for claim in [0, 3, u64::MAX] {
        assert_eq!(outbox.connect(keys(Mode::Tagged, 2).0, claim).unwrap_err().kind(), Kind::Protocol);
    }
    outbox.connect(keys(Mode::Tagged, 2).0, 1).unwrap();
    // It is about to be said again: it may have come before, but then the first claim would have had it.
    assert_eq!(outbox.acknowledge(2).unwrap_err().kind(), Kind::Protocol);
}

#[test]
fn who_speaks_and_does_not_listen_is_cut_off() {
    let mut outbox = Outbox::new(keys(Mode::Aes256Gcm, 1).0);
    let mut said = 0;
    let error = loop {
        // Whether it goes out makes no difference.
        if said % 2 == 0 {
            outbox.seal_next().unwrap();
        }
        match outbox.say(control(said)) {
            Ok(()) => said += 1,
            Err(error) => break error,
        }
        assert!(said * 10 <= CONTROL_BYTES_QUEUED_MAX, "no bound");
    };
    assert_eq!(error.kind(), Kind::Protocol);
    assert!(said * FRAME_OVERHEAD <= CONTROL_BYTES_QUEUED_MAX, "tiny frames are no way around it");
}

#[test]
fn data_stops_when_nothing_is_counted_and_goes_on_when_something_is() {
    let mut outbox = Outbox::new(keys(Mode::Aes256Gcm, 1).0);
    let mut said = 0;
    while outbox.has_room() {
        outbox.say(frame(said, 200_000, true)).unwrap();
        outbox.seal_next().unwrap();
        said += 1;
    }
    assert!((DATA_BYTES_MAX..DATA_BYTES_MAX + 300_000).contains(&(outbox.data_bytes as u64)));
    outbox.say(control(said)).unwrap();
    outbox.acknowledge(2).unwrap();
    assert!(outbox.has_room());
    // Few wait to be sealed in any case.
    for _ in 0..DATA_FRAMES_QUEUED {
        assert!(outbox.has_room());
        outbox.say(frame(0, 1, true)).unwrap();
    }
    assert!(!outbox.has_room());
    outbox.leave_out_data();
    assert!(outbox.seal_next().unwrap().is_some(), "the control frame");
    assert!(outbox.seal_next().unwrap().is_none());
}

#[test]
fn what_is_said_aside_is_not_kept() {
    let (sealer, mut opener) = keys(Mode::ChaCha20Poly1305, 1);
    let mut outbox = Outbox::new(sealer);
    outbox.say(control(0)).unwrap();
    let aside = outbox.seal_aside(Aside::KeepAlive.encode().unwrap()).unwrap().unwrap();
    let aside = opener.open_in_place(&mut aside.to_vec()).unwrap().to_vec();
    assert_eq!(Aside::peek(&aside), Some(Aside::KeepAlive));
    assert_eq!(opened(&mut outbox, &mut opener).len(), 1);
    outbox.disconnect().unwrap();
    assert!(outbox.seal_aside(vec![1]).unwrap().is_none());
    let (sealer, mut opener) = keys(Mode::ChaCha20Poly1305, 2);
    outbox.connect(sealer, 0).unwrap();
    assert_eq!(opened(&mut outbox, &mut opener), bytes([control(0)]));
}

#[test]
fn an_almost_empty_buffer_is_not_kept_whole() {
    let mut buffer = Vec::with_capacity(1000);
    buffer.extend([5; 100]);
    let small = lean(buffer, 90);
    assert_eq!(small.as_ref(), &[5; 10]);
    assert!(small.try_into_mut().unwrap().capacity() < 100);
    let full = vec![6; 1000];
    let at = full.as_ptr();
    assert_eq!(lean(full, 0).as_ptr(), at, "a full one stays where it is");
}

/// What may happen.
#[derive(Clone, Copy, Debug)]
enum Step {
    Say {
        length: usize,
        is_data: bool,
    },
    Aside,
    /// The next frames go out.
    Seal(usize),
    /// The next records arrive.
    Arrive(usize),
    /// The other side says how much has come.
    Count,
    /// The connection ends; what is under way is gone.
    Cut,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..600_usize, any::<bool>()).prop_map(|(length, is_data)| Step::Say { length, is_data }),
        1 => Just(Step::Aside),
        4 => (1..5_usize).prop_map(Step::Seal),
        4 => (1..5_usize).prop_map(Step::Arrive),
        2 => Just(Step::Count),
        1 => Just(Step::Cut),
    ]
}

proptest! {
    #[test]
    fn every_frame_arrives_once_and_in_order(
        steps in prop::collection::vec(step(), 0..120),
        mode in prop_oneof![Just(Mode::Aes256Gcm), Just(Mode::ChaCha20Poly1305), Just(Mode::Tagged)],
    ) {
        let mut connections = 0;
        let (sealer, mut opener) = keys(mode, connections);
        let mut outbox = Outbox::new(sealer);
        let (mut said, mut arrived, mut under_way) = (Vec::new(), Vec::new(), VecDeque::new());
        // In the end the rest goes out over a last connection.
        for step in steps.into_iter().chain([Step::Cut, Step::Seal(1000), Step::Arrive(1000), Step::Count]) {
            match step {
                Step::Say { length, is_data } => {
                    let frame = frame(said.len(), length, is_data);
                    said.push(frame.buffer[frame.start..].to_vec());
                    outbox.say(frame).unwrap();
                }
                Step::Aside => {
                    under_way.extend(outbox.seal_aside(Aside::KeepAlive.encode().unwrap()).unwrap());
                }
                Step::Seal(count) => {
                    for _ in 0..count {
                        under_way.extend(outbox.seal_next().unwrap());
                    }
                }
                Step::Arrive(count) => {
                    for record in under_way.drain(..count.min(under_way.len())) {
                        let frame = opener.open_in_place(&mut record.to_vec()).unwrap().to_vec();
                        arrived.extend(Aside::peek(&frame).is_none().then_some(frame));
                    }
                }
                Step::Count => outbox.acknowledge(arrived.len() as u64).unwrap(),
                Step::Cut => {
                    connections += 1;
                    under_way.clear();
                    let (sealer, next) = keys(mode, connections);
                    opener = next;
                    outbox.connect(sealer, arrived.len() as u64).unwrap();
                }
            }
            prop_assert_eq!(&arrived[..], &said[..arrived.len()]);
            let waiting = outbox.queued.iter().map(|frame| (frame.is_data(), frame_weight(frame)));
            let kept = outbox.kept.iter().map(|kept| (kept.cost > 0, kept.weight()));
            let (data, control): (Vec<_>, Vec<_>) = waiting.chain(kept).partition(|(is_data, _)| *is_data);
            let sum = |frames: Vec<(bool, usize)>| frames.into_iter().map(|(_, weight)| weight).sum::<usize>();
            prop_assert_eq!((outbox.data_bytes, outbox.control_bytes), (sum(data), sum(control)));
            prop_assert_eq!(outbox.data_queued, outbox.queued.iter().filter(|frame| frame.is_data()).count());
        }
        prop_assert_eq!(arrived, said);
        prop_assert_eq!((outbox.kept.len(), outbox.queued.len(), outbox.data_bytes), (0, 0, 0));
    }
}

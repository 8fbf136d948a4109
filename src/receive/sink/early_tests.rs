//! Streams whose pieces overtake each other.

use std::sync::{Arc, Mutex};

use super::early::PIECES_EARLY_MAX;
use super::tests::Feeder;
use super::*;
use crate::disk::memory::MemoryDisk;
use crate::proto::frame::Reason;
use crate::proto::manifest::{Item, Meta, Nesting};

const META: Meta = Meta { mode: Some(0o644), mtime_s: 0, mtime_ns: 0 };

/// Bytes that are still there when who wrote them is gone.
#[derive(Clone, Default)]
struct Out(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Out {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Offsets and lengths of the pieces of a frame, what it costs, and what is paid for then.
type Step = (&'static [(u64, u32)], u64, &'static [u64]);

#[test]
fn a_stream_that_comes_in_any_order_goes_out_in_its_own() {
    let out = Out::default();
    let mut sink = StreamSink::new(out.clone(), ChunkSize::MIN, Stop::new());
    let mut feeder = Feeder::new(MemoryDisk::new());
    let item = Item::File { name: b"f", size: None, meta: META, holes: 0 };
    let entry = Nesting::new().place(&item).unwrap();
    let mut events = [Vec::new(), Vec::new()];
    sink.handle(Job::Prepare(entry.clone()), &mut events[0]).unwrap();
    feeder.sink.handle(Job::Prepare(entry), &mut events[1]).unwrap();
    let frame = |places: &[(u64, u32)], cost| {
        let pieces =
            places.iter().map(|(offset, length)| Piece::Bytes { entry: 0, offset: *offset, length: *length });
        let bytes: Vec<u8> = places
            .iter()
            .flat_map(|(offset, length)| (*offset..offset + u64::from(*length)).map(|at| at as u8))
            .collect();
        Job::Write { pieces: pieces.collect(), payload: bytes.into(), cost }
    };
    let costs = |events: &mut Vec<SinkEvent>| -> Vec<u64> {
        events
            .drain(..)
            .filter_map(|event| if let SinkEvent::Taken { cost } = event { Some(cost) } else { None })
            .collect()
    };
    // What waits is paid for when it has its turn.
    let steps: [Step; 5] = [
        (&[(6, 2)], 1, &[]),
        (&[(2, 2), (10, 5)], 2, &[]),
        (&[(0, 2)], 3, &[3]),
        (&[(4, 2)], 4, &[1, 4]),
        (&[(8, 2)], 5, &[2, 5]),
    ];
    for (places, cost, paid) in steps {
        sink.handle(frame(places, cost), &mut events[0]).unwrap();
        feeder.sink.handle(frame(places, cost), &mut events[1]).unwrap();
        for events in &mut events {
            let costs = costs(events);
            assert_eq!(costs, paid);
        }
    }
    let whole: Vec<u8> = (0..15).collect();
    let end = FileEnd { entry: 0, size: 15, root: *blake3::hash(&whole).as_bytes() };
    sink.handle(Job::Finish(end), &mut events[0]).unwrap();
    feeder.sink.handle(Job::Finish(end), &mut events[1]).unwrap();
    feeder.sink.commit(&mut events[1]).unwrap();
    for events in &events {
        assert!(events.contains(&SinkEvent::Resolved { entry: 0, failure: None }), "{events:?}");
    }
    assert_eq!(*out.0.lock().unwrap(), whole);
}

#[test]
fn what_waits_of_a_stream_that_is_given_up_is_paid_for() {
    let mut feeder = Feeder::new(MemoryDisk::new());
    let item = Item::File { name: b"f", size: None, meta: META, holes: 0 };
    let mut events = Vec::new();
    feeder.sink.handle(Job::Prepare(Nesting::new().place(&item).unwrap()), &mut events).unwrap();
    let pieces = vec![Piece::Bytes { entry: 0, offset: 7, length: 1 }];
    feeder
        .sink
        .handle(Job::Write { pieces, payload: Bytes::from_static(b"x"), cost: 9 }, &mut events)
        .unwrap();
    assert!(!events.contains(&SinkEvent::Taken { cost: 9 }));
    let failure = Failure::new(Reason::Changed, "");
    feeder.sink.handle(Job::Drop { entry: 0, failure }, &mut events).unwrap();
    assert!(events.contains(&SinkEvent::Taken { cost: 9 }));
}

/// The frames of a hostile sender: entries, offsets and lengths of the pieces.
fn pieces(places: &[(u64, u64, u32)]) -> Job {
    let bytes: u32 = places.iter().map(|(_, _, length)| length).sum();
    let piece = |&(entry, offset, length): &(u64, u64, u32)| Piece::Bytes { entry, offset, length };
    Job::Write {
        pieces: places.iter().map(piece).collect(),
        payload: vec![0; bytes as usize].into(),
        cost: 1,
    }
}

/// A sink for files and one for a stream, and the first `count` streams announced to them.
fn streams(count: usize) -> (Feeder, StreamSink<Out>) {
    let mut feeder = Feeder::new(MemoryDisk::new());
    let mut stream = StreamSink::new(Out::default(), ChunkSize::MIN, Stop::new());
    let mut nesting = Nesting::new();
    for at in 0..count {
        let name = format!("f{at:05}");
        let item = Item::File { name: name.as_bytes(), size: None, meta: META, holes: 0 };
        let entry = nesting.place(&item).unwrap();
        feeder.sink.handle(Job::Prepare(entry.clone()), &mut Vec::new()).unwrap();
        stream.handle(Job::Prepare(entry), &mut Vec::new()).unwrap();
    }
    (feeder, stream)
}

/// What a frame costs comes back with the piece of it that was put aside last. If that had its turn before
/// another one, that would hold the whole payload in memory, and be paid for.
#[test]
fn what_waits_of_a_frame_has_its_turn_in_the_order_it_came_in() {
    for places in [&[(0, 1 << 30, 1), (0, 1, 9)][..], &[(0, 5, 1), (0, 5, 1)]] {
        let (mut feeder, mut stream) = streams(1);
        let error = feeder.sink.handle(pieces(places), &mut Vec::new()).unwrap_err();
        assert_eq!(error.kind(), Kind::Protocol);
        let error = stream.handle(pieces(places), &mut Vec::new()).unwrap_err();
        assert_eq!(error.kind(), Kind::Protocol);
    }
    let (mut feeder, _) = streams(2);
    let error = feeder.sink.handle(pieces(&[(0, 5, 1), (1, 9, 9)]), &mut Vec::new()).unwrap_err();
    assert_eq!(error.kind(), Kind::Protocol);
}

#[test]
fn pieces_that_wait_are_counted_over_all_streams() {
    let (mut feeder, _) = streams(3);
    let mut put = |at: usize| {
        let place = (at as u64 % 3, 1 + at as u64, 1);
        feeder.sink.handle(pieces(&[place]), &mut Vec::new())
    };
    (0..PIECES_EARLY_MAX).for_each(|at| put(at).unwrap());
    assert_eq!(put(PIECES_EARLY_MAX).unwrap_err().kind(), Kind::Protocol);
    // Those that have had their turn, or never will have it, do not count.
    let (mut feeder, _) = streams(2);
    for round in 0..PIECES_EARLY_MAX as u64 {
        feeder.sink.handle(pieces(&[(0, 2 * round + 1, 1)]), &mut Vec::new()).unwrap();
        feeder.sink.handle(pieces(&[(0, 2 * round, 1)]), &mut Vec::new()).unwrap();
    }
    feeder.sink.handle(pieces(&[(1, 7, 1)]), &mut Vec::new()).unwrap();
    assert_eq!(feeder.sink.early, 1);
    let failure = Failure::new(Reason::Changed, "");
    feeder.sink.handle(Job::Drop { entry: 1, failure }, &mut Vec::new()).unwrap();
    assert_eq!(feeder.sink.early, 0);
}

#[test]
fn a_stream_that_ends_before_what_came_of_it_is_corrupt_and_paid_for() {
    let (mut feeder, _) = streams(1);
    feeder.sink.handle(pieces(&[(0, 0, 1), (0, 7, 1)]), &mut Vec::new()).unwrap();
    let mut events = Vec::new();
    let end = FileEnd { entry: 0, size: 1, root: *blake3::hash(&[0]).as_bytes() };
    feeder.sink.handle(Job::Finish(end), &mut events).unwrap();
    assert!(events.contains(&SinkEvent::Taken { cost: 1 }), "{events:?}");
    assert!(
        events.iter().any(|event| matches!(event, SinkEvent::Resolved { failure: Some(_), .. })),
        "{events:?}"
    );
}

//! Streams whose pieces overtake each other.

use std::sync::{Arc, Mutex};

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

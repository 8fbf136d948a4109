//! The session machines: any schedule delivers everything, and what no honest side says ends the session in order.

use bytes::BytesMut;
use p2pc::Kind;
use p2pc::events::{Event, Question};
use p2pc::proto::compress::{Codec, Packer};
use p2pc::proto::frame::{
    Block, CancelReason, Cancelled, Control, FileEnd, Frame, Outcome, Reason, Verdict, WireFailure,
    encode_control, encode_keep_alive,
};
use p2pc::proto::handshake::Capabilities;
use p2pc::proto::limits::{ITEMS_OPEN_MAX, RECEIPT_MS, SHOWN_BYTES_MAX, WINDOW_BYTES};
use p2pc::proto::manifest::{Entry, EntryKind, Item};
use p2pc::proto::path::RelPath;
use p2pc::receive::machine::{self as receiving, Receiver};
use p2pc::receive::sink::{Job, SinkEvent};
use p2pc::send::machine::{self as sending, Sender};
use p2pc::send::source::{ReadEnd, SourceEvent};

use crate::world::{Dice, META, Tree, World};

#[test]
fn any_schedule_delivers_everything() {
    for seed in 0..300 {
        let mut dice = Dice::new(seed);
        let tree = Tree::random(&mut dice, 60);
        let contents = tree.contents.clone();
        let failing =
            tree.entries.iter().filter(|e| matches!(e.kind, EntryKind::Unsent { .. })).count() as u64;
        let counted = tree.entries.iter().filter(|e| e.tag().is_some()).count() as u64;
        let mut world = World::new(tree);
        assert!(world.run(&mut dice), "seed {seed} stalled");
        let (sent, received) = (world.sent.unwrap().unwrap(), world.received.unwrap().unwrap());
        assert_eq!((sent.delivered, sent.failed), (counted - failing, failing), "seed {seed}");
        assert_eq!(
            (received.delivered, received.failed, received.bytes),
            (sent.delivered, sent.failed, sent.bytes)
        );
        assert_eq!(world.sink.arrived, contents, "seed {seed}");
        assert_eq!(world.receiver.progress().entries_done, counted);
    }
}

#[test]
fn lanes_that_come_and_go_deliver_everything() {
    for seed in 0..200 {
        let mut dice = Dice::new(seed);
        let mut tree = Tree::random(&mut dice, 40);
        for at in 0..dice.roll(3) {
            tree.file(&format!("large{at}"), vec![at as u8; 2_000_000]);
        }
        let contents = tree.contents.clone();
        let mut world = World::new(tree);
        let yes = receiving::Beginning { yes: true, ..receiving::Beginning::default() };
        world.receiver = Receiver::new(yes);
        world.lanes = 2 + dice.roll(15) as u8;
        if seed % 4 == 0
            && let Some(path) = contents.keys().next()
        {
            world.vanishes(path.clone(), 0);
        }
        assert!(world.run(&mut dice), "seed {seed} stalled");
        let (sent, received) = (world.sent.unwrap().unwrap(), world.received.unwrap().unwrap());
        assert_eq!((sent.delivered, sent.failed), (received.delivered, received.failed), "seed {seed}");
        for (path, bytes) in &world.sink.arrived {
            assert!(contents[path] == *bytes, "seed {seed} {path:?}");
        }
        let missing = contents.len() - world.sink.arrived.len();
        assert!(missing <= usize::from(seed % 4 == 0), "seed {seed}");
    }
}

#[test]
fn entries_that_fail_do_not_stop_the_others() {
    for seed in 0..25 {
        let mut dice = Dice::new(seed);
        let mut tree = Tree::default();
        for at in 0..6 {
            tree.file(&format!("f{at}"), vec![at; 600_000]);
        }
        let path = |at: usize| tree.entries[at].path.clone();
        let (vanishing, unwritable) = (path(1), path(4));
        let mut world = World::new(tree);
        world.vanishes(vanishing.clone(), 0);
        world.sink.unwritable.push(unwritable.clone());
        assert!(world.run(&mut dice), "seed {seed} stalled");
        for report in [world.sent.unwrap().unwrap(), world.received.unwrap().unwrap()] {
            let failures: Vec<_> = report
                .failures
                .iter()
                .map(|end| (end.path.clone(), end.failure.as_ref().unwrap().reason))
                .collect();
            assert_eq!((report.delivered, report.failed), (4, 2));
            assert!(failures.contains(&(vanishing.clone(), Reason::Vanished)));
            assert!(failures.contains(&(unwritable.clone(), Reason::Unwritable)));
        }
    }
}

#[test]
fn more_items_than_the_window_stream_through() {
    let mut tree = Tree::default();
    tree.add(&Item::Directory { name: b"d" });
    for at in 0..ITEMS_OPEN_MAX + 5000 {
        tree.file(&format!("f{at}"), Vec::new());
    }
    tree.add(&Item::DirectoryEnd { meta: META });
    let mut world = World::new(tree);
    assert!(world.run(&mut Dice::new(1)));
    assert_eq!(world.received.unwrap().unwrap().delivered, ITEMS_OPEN_MAX as u64 + 5001);
}

#[test]
fn nothing_touches_the_disk_before_the_person_accepts() {
    let mut tree = Tree::default();
    tree.file("a", vec![1; 10]);
    let mut world = World::new(tree);
    world.receiver = Receiver::new(receiving::Beginning::default());
    assert!(!world.run(&mut Dice::new(3)));
    let Some(Question::Accept(offer)) = world.questions.pop_front() else { panic!("not asked") };
    assert_eq!((offer.files, offer.bytes, offer.names.len()), (1, 10, 1));
    assert!(world.sink.arrived.is_empty());
    assert!(!world.receiver_events.iter().any(|event| matches!(event, Event::Accepted)));
    world.receiver.accepted(true, 0);
    assert!(world.run(&mut Dice::new(3)));
    assert!(world.sent.unwrap().is_ok());
}

#[test]
fn an_empty_offer_ends_once_it_is_accepted() {
    let mut world = World::new(Tree::default());
    world.receiver = Receiver::new(receiving::Beginning::default());
    assert!(!world.run(&mut Dice::new(3)));
    world.receiver.accepted(true, 0);
    assert!(world.run(&mut Dice::new(3)));
    assert!(world.sent.unwrap().is_ok() && world.received.unwrap().is_ok());
}

#[test]
fn declining_ends_both_sides() {
    let mut tree = Tree::default();
    tree.file("a", vec![1; 10]);
    let mut world = World::new(tree);
    world.receiver = Receiver::new(receiving::Beginning::default());
    assert!(!world.run(&mut Dice::new(3)));
    world.receiver.accepted(false, 0);
    assert!(world.run(&mut Dice::new(3)));
    assert_eq!(world.sent.unwrap().unwrap_err().kind(), Kind::Refused);
    assert_eq!(world.received.unwrap().unwrap_err().kind(), Kind::Refused);
    assert!(world.sink.arrived.is_empty());
}

#[test]
fn strings_are_compared_before_anything_is_said() {
    let verify = Some("otter crane".to_string());
    for same in [true, false] {
        let mut tree = Tree::default();
        tree.file("a", vec![1; 10]);
        let mut world = World::new(tree);
        world.sender = Sender::new(sending::Beginning {
            verify: verify.clone(),
            must_confirm: true,
            ..Default::default()
        });
        world.receiver = Receiver::new(receiving::Beginning {
            verify: verify.clone(),
            must_confirm: true,
            yes: true,
            both_can: Capabilities::ZSTD,
            limit: None,
        });
        assert!(!world.run(&mut Dice::new(5)));
        assert!(!world.receiver_events.iter().any(|event| matches!(event, Event::Offer(_))));
        assert_eq!(world.questions.len(), 2);
        // The receiver confirms first: nothing may happen before the sender does too.
        world.receiver.verified(true, 0);
        assert!(!world.run(&mut Dice::new(5)));
        world.sender.verified(same);
        assert!(world.run(&mut Dice::new(5)));
        let kind =
            |result: Option<p2pc::Result<_>>| result.unwrap().map(|_| ()).map_err(|error| error.kind());
        let expected = if same { Ok(()) } else { Err(Kind::Authentication) };
        assert_eq!((kind(world.sent), kind(world.received)), (expected, expected));
    }
}

#[test]
fn an_interruption_reaches_the_other_side() {
    for sender_interrupts in [true, false] {
        let mut tree = Tree::default();
        tree.file("a", vec![1; 10]);
        let mut world = World::new(tree);
        world.receiver = Receiver::new(receiving::Beginning::default());
        assert!(!world.run(&mut Dice::new(7)));
        let interrupted = p2pc::Error::new(Kind::Interrupted, "interrupted");
        if sender_interrupts {
            world.sender.fail(interrupted);
        } else {
            world.receiver.fail(interrupted);
        }
        assert!(world.run(&mut Dice::new(7)));
        let kinds = (world.sent.unwrap().unwrap_err().kind(), world.received.unwrap().unwrap_err().kind());
        let expected = if sender_interrupts {
            (Kind::Interrupted, Kind::Refused)
        } else {
            (Kind::Refused, Kind::Interrupted)
        };
        assert_eq!(kinds, expected);
    }
}

/// A receiver that accepts at once, and what it did about the frames it was told.
pub struct Victim {
    pub receiver: Receiver,
    seq: u64,
    pub jobs: Vec<Job>,
    /// The lanes that it goes to, or lets go of.
    lanes: Vec<(u8, bool)>,
    pub result: Option<p2pc::Result<p2pc::events::Report>>,
}

impl Victim {
    pub fn new() -> Victim {
        let receiver = Receiver::new(receiving::Beginning {
            yes: true,
            both_can: Capabilities::NONE,
            ..receiving::Beginning::default()
        });
        let mut victim = Victim { receiver, seq: 0, jobs: Vec::new(), lanes: Vec::new(), result: None };
        victim.hears(Control::Begin { chunk_bytes: 1 << 20 });
        victim
    }

    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Victim {
        self.receiver.frame(BytesMut::from(bytes), 0);
        while let Some(effect) = self.receiver.poll() {
            match effect {
                receiving::Effect::Job(job) => self.jobs.push(job),
                receiving::Effect::Lane { lane, up } => self.lanes.push((lane, up)),
                receiving::Effect::Done(result) => self.result = Some(result),
                _ => {}
            }
        }
        self
    }

    pub fn hears(&mut self, control: Control<'_>) -> &mut Victim {
        let bytes = encode_control(self.seq, control).unwrap();
        self.seq += 1;
        self.bytes(&bytes)
    }

    /// One that can have lanes, and has one, or lets go of it.
    fn with_lane(size: Option<u64>) -> Victim {
        let mut victim = Victim::expecting_of(size);
        let yes = receiving::Beginning { yes: true, ..receiving::Beginning::default() };
        (victim.receiver, victim.seq) = (Receiver::new(yes), 0);
        victim.hears(Control::Begin { chunk_bytes: 1 << 20 });
        victim.hears(Control::Manifest(vec![Item::File { name: b"f", size, meta: META, holes: 0 }]));
        victim.sink(SinkEvent::Planned { entry: 0, verdict: Verdict::Send });
        victim.hears(Control::Lane { lane: 1, up: true });
        victim
    }

    fn beside(&mut self, bytes: &[u8]) -> &mut Victim {
        self.receiver.frame_beside(BytesMut::from(bytes), 0);
        self.bytes(&encode_keep_alive().unwrap())
    }

    pub fn data(&mut self, entry: u64, offset: u64, contents: &[u8]) -> &mut Victim {
        let bytes = data(entry, offset, contents);
        self.bytes(&bytes)
    }

    pub fn sink(&mut self, event: SinkEvent) -> &mut Victim {
        self.receiver.sink(event, 0);
        self.bytes(&encode_keep_alive().unwrap())
    }

    /// One that offers, and whose person has yet to answer.
    fn asking() -> Victim {
        let mut victim = Victim::new();
        let beginning = receiving::Beginning::default();
        (victim.receiver, victim.seq) = (Receiver::new(beginning), 0);
        victim.hears(Control::Begin { chunk_bytes: 1 << 20 });
        victim.hears(Control::Manifest(vec![Item::File { name: b"f", size: Some(1), meta: META, holes: 0 }]));
        victim
    }

    /// One file of 10 bytes, planned and expected.
    pub fn expecting() -> Victim {
        Victim::expecting_of(Some(10))
    }

    pub fn expecting_of(size: Option<u64>) -> Victim {
        let mut victim = Victim::new();
        victim.hears(Control::Manifest(vec![Item::File { name: b"f", size, meta: META, holes: 0 }]));
        victim.sink(SinkEvent::Planned { entry: 0, verdict: Verdict::Send });
        victim
    }

    pub fn broke(&self) -> bool {
        matches!(&self.result, Some(Err(error)) if error.kind() == Kind::Protocol)
    }
}

pub fn data(entry: u64, offset: u64, contents: &[u8]) -> Vec<u8> {
    let mut block = Block::new(contents.len());
    let fill = |room: &mut [u8]| {
        room.copy_from_slice(contents);
        Ok::<_, ()>(room.len())
    };
    block.piece(entry, offset, contents.len(), fill).unwrap();
    let packed = block.pack().unwrap();
    packed.buffer[packed.start..].to_vec()
}

/// What it is, to whom it is told, and how.
type Lie<'l> = (&'static str, Victim, &'l dyn Fn(&mut Victim));

#[test]
fn lies_about_lanes_are_found_out() {
    let end = |size| Control::Ended(vec![FileEnd { entry: 0, size, root: [0; 32] }]);
    let lane = |up| Control::Lane { lane: 1, up };
    let gone = || WireFailure { reason: Reason::Vanished, text: "" };
    let lies: [Lie<'_>; 10] = [
        ("where there can be none", Victim::expecting(), &|v| {
            v.hears(lane(true));
        }),
        ("twice", Victim::with_lane(Some(10)), &|v| {
            v.hears(lane(true));
        }),
        ("the first", Victim::with_lane(Some(10)), &|v| {
            v.hears(Control::Lane { lane: 0, up: true });
        }),
        ("the seventeenth", Victim::with_lane(Some(10)), &|v| {
            v.hears(Control::Lane { lane: 16, up: true });
        }),
        ("control on it", Victim::with_lane(Some(10)), &|v| {
            let bytes = encode_control(0, Control::Receipt).unwrap();
            v.beside(&bytes);
        }),
        ("garbage on it", Victim::with_lane(Some(10)), &|v| {
            v.beside(b"garbage");
        }),
        ("more than was asked for", Victim::with_lane(Some(10)), &|v| {
            v.data(0, 0, b"1234567890").beside(&data(0, 0, b"x"));
        }),
        ("more after the end", Victim::with_lane(Some(10)), &|v| {
            v.hears(end(10)).beside(&data(0, 0, b"1234567890")).beside(&data(0, 0, b"x"));
        }),
        ("two ends", Victim::with_lane(Some(10)), &|v| {
            v.hears(end(10)).hears(end(10));
        }),
        ("an end and none", Victim::with_lane(Some(10)), &|v| {
            v.hears(end(10)).hears(Control::Dropped { entry: 0, failure: gone() });
        }),
    ];
    for (lie, mut victim, tells) in lies {
        assert!(victim.result.is_none(), "{lie}: {:?}", victim.result);
        tells(&mut victim);
        assert!(victim.broke(), "{lie}: {:?}", victim.result);
    }
}

#[test]
fn an_end_waits_for_what_comes_on_other_lanes() {
    for size in [Some(10), None] {
        let mut victim = Victim::with_lane(size);
        let finishes = |victim: &Victim| victim.jobs.iter().any(|job| matches!(job, Job::Finish(_)));
        victim.beside(&data(0, 5, b"67890"));
        victim.hears(Control::Ended(vec![FileEnd { entry: 0, size: 10, root: [0; 32] }]));
        assert!(!finishes(&victim));
        victim.data(0, 0, b"12345");
        assert!(finishes(&victim) && victim.result.is_none());
    }
    // What was dropped is dropped at once, and what comes of it later is passed over.
    let mut victim = Victim::with_lane(Some(10));
    let failure = WireFailure { reason: Reason::Vanished, text: "" };
    victim.hears(Control::Dropped { entry: 0, failure });
    assert!(victim.jobs.iter().any(|job| matches!(job, Job::Drop { .. })));
    assert!(victim.beside(&data(0, 5, b"67890")).result.is_none());
    assert_eq!(victim.receiver.progress().bytes_done, 0);
}

#[test]
fn nobody_comes_to_a_lane_before_the_person_has_agreed() {
    let mut victim = Victim::asking();
    for (lane, up) in [(1, true), (2, true), (3, true), (2, false)] {
        victim.hears(Control::Lane { lane, up });
    }
    assert_eq!(victim.lanes, [(2, false)]);
    victim.receiver.lane_taken(2, 0);
    victim.receiver.accepted(true, 0);
    victim.bytes(&encode_keep_alive().unwrap());
    assert_eq!(victim.lanes, [(2, false), (1, true), (3, true)]);
    assert!(victim.result.is_none());
}

#[test]
fn a_lane_that_crosses_its_end_is_passed_over() {
    let mut victim = Victim::with_lane(Some(10));
    victim.receiver.lane_taken(1, 7);
    victim.hears(Control::Lane { lane: 1, up: false });
    victim.hears(Control::Lane { lane: 1, up: true });
    assert!(victim.result.is_none());
}

#[test]
fn a_lying_sender_is_found_out() {
    let end = |size| Control::Ended(vec![FileEnd { entry: 0, size, root: [0; 32] }]);
    let file = |name: &'static [u8]| {
        Control::Manifest(vec![Item::File { name, size: Some(10), meta: META, holes: 0 }])
    };
    let gone = WireFailure { reason: Reason::Vanished, text: "" };
    let lies: Vec<(&str, Victim)> = vec![
        ("garbage", {
            let mut v = Victim::new();
            v.bytes(b"garbage");
            v
        }),
        ("an empty frame", {
            let mut v = Victim::new();
            v.bytes(b"");
            v
        }),
        ("a path that climbs", {
            let mut v = Victim::new();
            v.hears(file(b".."));
            v
        }),
        ("an absolute path", {
            let mut v = Victim::new();
            v.hears(file(b"/etc/passwd"));
            v
        }),
        ("a NUL", {
            let mut v = Victim::new();
            v.hears(file(b"a\0b"));
            v
        }),
        ("a name of a part file", {
            let mut v = Victim::new();
            v.hears(file(b".p2pc-00.part"));
            v
        }),
        ("an end of no directory", {
            let mut v = Victim::new();
            v.hears(Control::Manifest(vec![Item::DirectoryEnd { meta: META }]));
            v
        }),
        ("data before the plan", {
            let mut v = Victim::new();
            v.hears(file(b"f")).data(0, 0, b"x");
            v
        }),
        ("data of nothing", {
            let mut v = Victim::new();
            v.data(7, 0, b"x");
            v
        }),
        ("data beyond the size", {
            let mut v = Victim::expecting();
            v.data(0, 0, b"12345678901");
            v
        }),
        ("data with a gap", {
            let mut v = Victim::expecting_of(None);
            v.data(0, 1, b"x");
            v
        }),
        ("data twice", {
            let mut v = Victim::expecting_of(None);
            v.data(0, 0, b"x").data(0, 0, b"x");
            v
        }),
        ("an early end", {
            let mut v = Victim::expecting();
            v.data(0, 0, b"x").hears(end(1));
            v
        }),
        ("an end beyond the data", {
            let mut v = Victim::expecting_of(None);
            v.data(0, 0, b"x").hears(end(10));
            v
        }),
        ("an end of what was not asked for", {
            let mut v = Victim::new();
            v.hears(file(b"f")).hears(end(0));
            v
        }),
        ("dropping what was not asked for", {
            let mut v = Victim::new();
            v.hears(Control::Dropped { entry: 3, failure: gone });
            v
        }),
        ("a manifest that ends early", {
            let mut v = Victim::new();
            v.hears(Control::Manifest(vec![Item::Directory { name: b"d" }]))
                .hears(Control::ManifestEnd { items: 1 });
            v
        }),
        ("a manifest that miscounts", {
            let mut v = Victim::new();
            v.hears(Control::ManifestEnd { items: 1 });
            v
        }),
        ("a manifest after its end", {
            let mut v = Victim::new();
            v.hears(file(b"f")).hears(Control::ManifestEnd { items: 1 }).hears(file(b"g"));
            v
        }),
        ("a receipt of nothing", {
            let mut v = Victim::new();
            v.hears(Control::Receipt);
            v
        }),
        ("what only a receiver says", {
            let mut v = Victim::new();
            v.hears(Control::Accept { window: 1 });
            v
        }),
        ("beginning twice", {
            let mut v = Victim::new();
            v.hears(Control::Begin { chunk_bytes: 1 << 20 });
            v
        }),
        ("beginning with a wrong chunk size", {
            let mut v = Victim::new();
            v.receiver = Receiver::new(receiving::Beginning::default());
            v.seq = 0;
            v.hears(Control::Begin { chunk_bytes: 1000 });
            v
        }),
        ("no beginning", {
            let mut v = Victim::new();
            v.receiver = Receiver::new(receiving::Beginning::default());
            v.seq = 0;
            v.hears(file(b"f"));
            v
        }),
        ("a control frame twice", {
            let mut v = Victim::new();
            v.hears(file(b"f"));
            v.seq = 1;
            v.hears(file(b"g"));
            v
        }),
        ("a control frame lost", {
            let mut v = Victim::new();
            v.seq = 2;
            v.hears(file(b"f"));
            v
        }),
    ];
    for (lie, victim) in &lies {
        assert!(victim.broke(), "{lie}: {:?}", victim.result);
        let wrote = victim.jobs.iter().any(|job| matches!(job, Job::Finish(_)));
        assert!(!wrote, "{lie}");
    }
}

#[test]
fn a_sender_that_floods_is_stopped_at_the_window() {
    let mut victim = Victim::new();
    victim.hears(Control::Manifest(vec![Item::File { name: b"f", size: None, meta: META, holes: 0 }]));
    victim.sink(SinkEvent::Planned { entry: 0, verdict: Verdict::Send });
    let mut offset = 0;
    while victim.result.is_none() {
        victim.data(0, offset, &vec![0; 100_000]);
        offset += 100_000;
        assert!(offset <= WINDOW_BYTES + 100_000, "nothing stops it");
    }
    assert!(victim.broke());
    let mut victim = Victim::new();
    let mut items = 0;
    while victim.result.is_none() {
        victim.hears(Control::Manifest(vec![
            Item::Directory { name: b"d" },
            Item::DirectoryEnd { meta: META },
        ]));
        items += 2;
        assert!(items <= ITEMS_OPEN_MAX + 2, "nothing stops it");
    }
    assert!(victim.broke());
}

#[test]
fn data_of_what_the_receiver_gave_up_is_ignored() {
    let mut victim = Victim::expecting();
    let failure = Some(p2pc::proto::frame::Failure::new(Reason::Unwritable, ""));
    victim.sink(SinkEvent::Resolved { entry: 0, failure });
    victim.data(0, 0, b"1234567890").hears(Control::Ended(vec![FileEnd {
        entry: 0,
        size: 10,
        root: [0; 32],
    }]));
    assert!(victim.result.is_none());
}

#[test]
fn without_a_receipt_the_receiver_ends_by_what_it_knows() {
    let mut victim = Victim::new();
    victim.hears(Control::ManifestEnd { items: 0 });
    assert!(victim.result.is_none());
    victim.receiver.tick(RECEIPT_MS - 1);
    victim.bytes(&encode_keep_alive().unwrap());
    assert!(victim.result.is_none());
    victim.receiver.tick(RECEIPT_MS);
    victim.bytes(&encode_keep_alive().unwrap());
    assert!(matches!(&victim.result, Some(Ok(report)) if report.failed == 0));
}

#[test]
fn once_everything_is_committed_nothing_makes_it_a_failure() {
    let interrupted = Control::Cancel(Cancelled { reason: CancelReason::Interrupted, text: "" });
    for end in ["cancelled", "garbage", "lost", "interrupted here"] {
        let mut victim = Victim::new();
        victim.hears(Control::ManifestEnd { items: 0 });
        match end {
            "cancelled" => drop(victim.hears(interrupted.clone())),
            "garbage" => drop(victim.bytes(b"garbage")),
            "lost" => victim.receiver.connection_lost(p2pc::Error::new(Kind::ConnectionLost, "")),
            _ => victim.receiver.fail(p2pc::Error::new(Kind::Interrupted, "")),
        }
        victim.bytes(&encode_keep_alive().unwrap());
        assert!(matches!(victim.result, Some(Ok(_))), "{end}: {:?}", victim.result);
    }
}

#[test]
fn a_stream_is_counted_by_its_end() {
    let mut victim = Victim::new();
    victim.hears(Control::Manifest(vec![Item::File { name: b"-", size: None, meta: META, holes: 0 }]));
    victim.hears(Control::ManifestEnd { items: 1 });
    victim.sink(SinkEvent::Planned { entry: 0, verdict: Verdict::Send });
    assert!(!victim.receiver.progress().complete);
    victim.data(0, 0, b"12345").hears(Control::Ended(vec![FileEnd { entry: 0, size: 5, root: [0; 32] }]));
    let progress = victim.receiver.progress();
    assert_eq!((progress.complete, progress.bytes_total, progress.bytes_done), (true, 5, 5));
    victim.sink(SinkEvent::Resolved { entry: 0, failure: None }).hears(Control::Receipt);
    assert!(matches!(victim.result, Some(Ok(report)) if report.bytes == 5));
}

/// A sender that offered one file of one byte, and what it said.
pub fn offering() -> (Sender, u64) {
    let mut sender = Sender::new(sending::Beginning::default());
    let kind = EntryKind::File { size: Some(1), meta: META, holes: 0 };
    let name = p2pc::proto::path::Name::new(b"f").unwrap();
    sender.entry(Entry { id: 0, path: RelPath::root().join(&name).unwrap(), kind });
    sender.walk_ended();
    (sender, 0)
}

pub fn tell(
    sender: &mut Sender,
    seq: &mut u64,
    control: Control<'_>,
) -> Option<p2pc::Result<p2pc::events::Report>> {
    sender.frame(&encode_control(*seq, control).unwrap());
    *seq += 1;
    std::iter::from_fn(|| sender.poll()).find_map(|effect| match effect {
        sending::Effect::Done(result) => Some(result),
        _ => None,
    })
}

#[test]
fn a_lying_receiver_is_found_out() {
    let accept = || Control::Accept { window: WINDOW_BYTES };
    let delivered = || Control::Outcomes(vec![Outcome { entry: 0, failure: None }]);
    let failed = || {
        let failure = Some(WireFailure { reason: Reason::Exists, text: "" });
        Control::Outcomes(vec![Outcome { entry: 0, failure }])
    };
    let plan = |verdict| Control::Plan(vec![verdict]);
    let complete = |delivered, failed| Control::Complete { delivered, failed };
    let lies: Vec<(&str, Vec<Control<'_>>)> = vec![
        ("success at once", vec![complete(1, 0)]),
        ("success without any outcome", vec![accept(), plan(Verdict::Send), complete(1, 0)]),
        ("delivered before it was sent", vec![accept(), plan(Verdict::Send), delivered()]),
        ("an outcome before the plan", vec![accept(), delivered()]),
        ("delivered without being sent", vec![accept(), plan(Verdict::Nothing), delivered()]),
        ("an outcome twice", vec![accept(), plan(Verdict::Nothing), failed(), failed()]),
        ("a wrong count", vec![accept(), plan(Verdict::Nothing), failed(), complete(1, 0)]),
        ("a plan before accepting", vec![plan(Verdict::Send)]),
        ("accepting twice", vec![accept(), accept()]),
        ("a plan of what was not offered", vec![accept(), plan(Verdict::Send), plan(Verdict::Send)]),
        ("credit taken back", vec![accept(), Control::Credit { total: 1 }]),
        ("credit without a bound", vec![accept(), Control::Credit { total: u64::MAX }]),
        ("a window without a bound", vec![Control::Accept { window: u64::MAX }]),
        ("what only a sender says", vec![Control::Receipt]),
        ("a lane that nobody asked for", vec![accept(), Control::LaneTaken { lane: 1, frames: 0 }]),
        ("a lane that there cannot be", vec![accept(), Control::LaneTaken { lane: 16, frames: 0 }]),
    ];
    for (lie, controls) in lies {
        let (mut sender, mut seq) = offering();
        let result = controls.into_iter().find_map(|control| tell(&mut sender, &mut seq, control));
        assert!(matches!(&result, Some(Err(error)) if error.kind() == Kind::Protocol), "{lie}: {result:?}");
    }
    let (mut sender, _) = offering();
    sender.frame(&data(0, 0, b"x"));
    let done =
        std::iter::from_fn(|| sender.poll()).any(|effect| matches!(effect, sending::Effect::Done(Err(_))));
    assert!(done, "a receiver that sends data");
}

#[test]
fn only_the_statement_of_the_receiver_is_success() {
    let (mut sender, mut seq) = offering();
    assert!(tell(&mut sender, &mut seq, Control::Accept { window: WINDOW_BYTES }).is_none());
    assert!(tell(&mut sender, &mut seq, Control::Plan(vec![Verdict::Send])).is_none());
    sender.source(SourceEvent::Ended(ReadEnd { entry: 0, size: 1, root: Some([0; 32]) }));
    sender.idle();
    assert!(
        tell(&mut sender, &mut seq, Control::Outcomes(vec![Outcome { entry: 0, failure: None }])).is_none()
    );
    let result = tell(&mut sender, &mut seq, Control::Complete { delivered: 1, failed: 0 });
    assert!(matches!(result, Some(Ok(report)) if report.delivered == 1));
}

#[test]
fn what_the_other_side_says_at_the_end_decides_the_kind_of_error() {
    for (reason, kind) in [
        (CancelReason::Declined, Kind::Refused),
        (CancelReason::Interrupted, Kind::Refused),
        (CancelReason::Disk, Kind::Refused),
        (CancelReason::Untrusted, Kind::Authentication),
        (CancelReason::Protocol, Kind::Protocol),
    ] {
        let (mut sender, mut seq) = offering();
        let result = tell(&mut sender, &mut seq, Control::Cancel(Cancelled { reason, text: "why" }));
        assert!(matches!(&result, Some(Err(error)) if error.kind() == kind), "{reason:?}");
    }
    assert!(Frame::decode(b"p").is_err());
}

#[test]
fn packed_data_comes_only_as_the_receiver_can_unpack_it() {
    let packed = |codec| {
        let mut block = Block::new(1000);
        block.piece(0, 0, 1000, |room| Ok::<_, ()>(room.len())).unwrap();
        assert!(block.compress(&mut Packer::new(codec)));
        let framed = block.pack().unwrap();
        framed.buffer[framed.start..].to_vec()
    };
    for (can, codec, is_taken) in [
        (Capabilities::ZSTD, Codec::Zstd, true),
        (Capabilities::DEFLATE, Codec::Deflate, true),
        (Capabilities::DEFLATE, Codec::Zstd, false),
        (Capabilities::ZSTD | Capabilities::LANES, Codec::Deflate, false),
        (Capabilities::NONE, Codec::Zstd, false),
    ] {
        let mut victim = Victim::new();
        let beginning = receiving::Beginning { yes: true, both_can: can, ..Default::default() };
        (victim.receiver, victim.seq) = (Receiver::new(beginning), 0);
        victim.hears(Control::Begin { chunk_bytes: 1 << 20 });
        let file = Item::File { name: b"f", size: Some(1000), meta: META, holes: 0 };
        victim.hears(Control::Manifest(vec![file]));
        victim.sink(SinkEvent::Planned { entry: 0, verdict: Verdict::Send });
        victim.bytes(&packed(codec));
        let jobs = victim.jobs.iter().filter(|job| matches!(job, Job::WritePacked { .. })).count();
        assert_eq!((jobs == 1, victim.broke()), (is_taken, !is_taken), "{can:?} {codec:?}");
    }
}

#[test]
fn a_text_is_one_short_file_and_said_before_it() {
    let file = |size| Item::File { name: b"text.txt", size, meta: META, holes: 0 };
    let offered = |items| Control::Manifest(items);
    let begin = || Control::Begin { chunk_bytes: 1 << 20 };
    let most = SHOWN_BYTES_MAX;
    for (what, said, can, breaks) in [
        (
            "as it should be",
            vec![begin(), Control::Text, offered(vec![file(Some(most))])],
            Capabilities::TEXT,
            false,
        ),
        ("twice", vec![begin(), Control::Text, Control::Text], Capabilities::TEXT, true),
        ("too late", vec![begin(), offered(vec![file(Some(5))]), Control::Text], Capabilities::TEXT, true),
        ("too early", vec![Control::Text], Capabilities::TEXT, true),
        (
            "too long",
            vec![begin(), Control::Text, offered(vec![file(Some(most + 1))])],
            Capabilities::TEXT,
            true,
        ),
        (
            "who knows how long",
            vec![begin(), Control::Text, offered(vec![file(None)])],
            Capabilities::TEXT,
            true,
        ),
        (
            "two",
            vec![begin(), Control::Text, offered(vec![file(Some(5)), file(Some(5))])],
            Capabilities::TEXT,
            true,
        ),
        (
            "no file",
            vec![begin(), Control::Text, offered(vec![Item::Directory { name: b"d" }])],
            Capabilities::TEXT,
            true,
        ),
        ("to who cannot show it", vec![begin(), Control::Text], Capabilities::LANES, true),
    ] {
        let mut victim = Victim::new();
        let beginning = receiving::Beginning { yes: true, both_can: can, ..Default::default() };
        (victim.receiver, victim.seq) = (Receiver::new(beginning), 0);
        for control in said {
            victim.hears(control);
        }
        assert_eq!(victim.broke(), breaks, "{what}");
        assert!(breaks || victim.receiver.is_text(), "{what}");
    }
}

//! What is there already: both session machines, joined in memory, compare, resume, ask and give up; and the
//! lies about it.

use std::collections::BTreeMap;

use p2pc::events::Resolution;
use p2pc::proto::chunk::ChunkSize;
use p2pc::proto::frame::{Block, Control, Failure, FileEnd, Get, Outcome, Reason, Run, Verdict, WireFailure};
use p2pc::proto::limits::{GETS_MAX, RECEIPT_MS, WINDOW_BYTES};
use p2pc::proto::manifest::{Entry, EntryKind, Item};
use p2pc::proto::path::{Name, RelPath};
use p2pc::proto::runs::Runs;
use p2pc::receive::sink::{Job, SinkEvent};
use p2pc::send::machine::{self as sending, Sender};
use p2pc::send::source::{ReadEnd, SourceEvent};
use p2pc::{Error, Kind};

use crate::session::{Lie, Victim, are_found_out, offering, tell};
use crate::world::{Dice, META, Tree, World, renamed};

const CHUNK: usize = 512 << 10;

/// A world in which much is there already: the same, something else of the same size or another, parts that
/// lie about some chunks.
struct Case {
    world: World,
    contents: BTreeMap<RelPath, Vec<u8>>,
    existing: BTreeMap<RelPath, Vec<u8>>,
}

impl Case {
    fn random(dice: &mut Dice) -> Case {
        let mut tree = Tree::random(dice, 20);
        // Two of several chunks, which is what takes the time.
        for name in ["x", "y"] {
            if dice.roll(3) == 0 {
                tree.file(name, vec![1; CHUNK * dice.roll(4) as usize + dice.roll(2000) as usize]);
            }
        }
        let contents = tree.contents.clone();
        let mut world = World::new(tree);
        for (path, file) in &contents {
            let mut other = file.clone();
            match dice.roll(6) {
                0 => drop(world.sink.arrived.insert(path.clone(), other)),
                1 => {
                    for _ in 0..=dice.roll(2) {
                        let at = dice.roll(other.len().max(1) as u64) as usize;
                        other.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1);
                    }
                    world.sink.arrived.insert(path.clone(), other);
                }
                2 => drop(world.sink.arrived.insert(path.clone(), vec![2; dice.roll(3000) as usize])),
                3 if file.len() > CHUNK => {
                    let mut held = Runs::new();
                    let chunks = file.len().div_ceil(CHUNK);
                    (0..chunks as u64).filter(|_| dice.roll(2) == 0).for_each(|index| held.insert(index));
                    if dice.roll(2) == 0 {
                        other[CHUNK..].iter_mut().take(1).for_each(|byte| *byte ^= 1);
                    }
                    (0..chunks).filter(|index| !held.contains(*index as u64)).for_each(|index| {
                        other[index * CHUNK..].iter_mut().take(CHUNK).for_each(|byte| *byte = 0);
                    });
                    world.sink.parts.insert(path.clone(), (ChunkSize::MIN, other, held));
                }
                _ => {}
            }
        }
        let existing = world.sink.arrived.clone();
        Case { world, contents, existing }
    }

    /// What must stand there in the end, where nothing failed but what was to be left alone.
    fn expected(&self) -> BTreeMap<RelPath, Vec<u8>> {
        let mut expected = self.existing.clone();
        for (path, file) in &self.contents {
            match self.world.sink.decided.get(path) {
                Some(Resolution::Skip) => None,
                Some(Resolution::Rename) => expected.insert(renamed(path), file.clone()),
                Some(_) | None => expected.insert(path.clone(), file.clone()),
            };
        }
        expected
    }
}

#[test]
fn whatever_is_there_already_ends_as_it_should() {
    let (mut held, mut decided) = (0, 0);
    for seed in 0..80 {
        let mut dice = Dice::new(seed);
        let mut case = Case::random(&mut dice);
        assert!(case.world.run(&mut dice), "seed {seed} stalled");
        assert_eq!(case.world.sink.arrived, case.expected(), "seed {seed}");
        let sent = case.world.sent.as_ref().unwrap().as_ref().unwrap();
        let received = case.world.received.as_ref().unwrap().as_ref().unwrap();
        assert_eq!(
            (sent.delivered, sent.failed, sent.bytes, sent.held),
            (received.delivered, received.failed, received.bytes, received.held),
            "seed {seed}"
        );
        assert!(sent.held <= sent.bytes);
        let skipped = case.world.sink.decided.values().filter(|it| **it == Resolution::Skip).count() as u64;
        if skipped == 0 {
            let progress = case.world.receiver.progress();
            assert_eq!(progress.bytes_done, progress.bytes_total, "seed {seed}");
        }
        held += sent.held;
        decided += case.world.sink.decided.len();
    }
    assert!(held > 1 << 20 && decided > 40, "{held} bytes held, {decided} decisions: too few to tell");
}

#[test]
fn files_given_up_and_files_that_vanish_at_any_time_fail_alone() {
    for seed in 0..60 {
        let mut dice = Dice::new(1000 + seed);
        let mut case = Case::random(&mut dice);
        let mut hurt = Vec::new();
        for path in case.contents.keys() {
            match dice.roll(5) {
                0 => case.world.sink.unwritable.push(path.clone()),
                1 => case.world.vanishes(path.clone(), dice.roll(2) as u32),
                _ => continue,
            }
            hurt.push(path.clone());
        }
        assert!(case.world.run(&mut dice), "seed {seed} stalled");
        let sent = case.world.sent.as_ref().unwrap().as_ref().unwrap();
        let received = case.world.received.as_ref().unwrap().as_ref().unwrap();
        assert_eq!(
            (sent.delivered, sent.failed, sent.bytes, sent.held),
            (received.delivered, received.failed, received.bytes, received.held),
            "seed {seed}"
        );
        // What was hurt is as it should be, or as it was.
        let expected = case.expected();
        for (path, there) in &case.world.sink.arrived {
            let is_old = hurt.contains(path) && case.existing.get(path) == Some(there);
            assert!(expected.get(path) == Some(there) || is_old, "seed {seed}: {path:?}");
        }
        for path in case.contents.keys().filter(|path| !hurt.contains(path)) {
            assert_eq!(case.world.sink.arrived.get(path), expected.get(path), "seed {seed}: {path:?}");
        }
    }
}

#[test]
fn when_the_connection_is_gone_each_side_ends_by_what_it_knows() {
    let (mut both, mut neither, mut one) = (0, 0, 0);
    for seed in 0..100 {
        let mut dice = Dice::new(2000 + seed);
        let mut case = Case::random(&mut dice);
        // Most of the ends are near the end.
        let steps = if seed % 4 == 0 { 50 } else { 100_000 };
        let steps = dice.roll(steps);
        let mut copy = Dice::new(seed);
        if !case.world.run_for(&mut copy, steps) {
            case.world.lose();
        }
        let is_complete = case.world.sink.arrived == case.expected();
        let sent = case.world.sent.as_ref().unwrap();
        let received = case.world.received.as_ref().unwrap();
        for result in [sent, received] {
            match result {
                Ok(_) => assert!(is_complete, "seed {seed}: success without everything"),
                Err(error) => assert_eq!(error.kind(), Kind::ConnectionLost),
            }
        }
        match (sent, received) {
            (Ok(sent), Ok(received)) => {
                assert_eq!((sent.delivered, sent.failed), (received.delivered, received.failed));
                both += 1;
            }
            (Err(_), Err(_)) => neither += 1,
            _ => one += 1,
        }
    }
    assert!(both > 0 && neither > 0, "{both} {neither} {one}");
}

fn accept() -> Control<'static> {
    Control::Accept { window: WINDOW_BYTES }
}

fn delivered() -> Control<'static> {
    Control::Outcomes(vec![Outcome { entry: 0, failure: None }])
}

fn failed() -> Control<'static> {
    let failure = Some(WireFailure { reason: Reason::Exists, text: "" });
    Control::Outcomes(vec![Outcome { entry: 0, failure }])
}

fn plan(verdict: Verdict) -> Control<'static> {
    Control::Plan(vec![verdict])
}

fn runs(list: &[(u64, u64)]) -> Vec<Run> {
    list.iter().map(|&(first, count)| Run { first, count }).collect()
}

fn want(entry: u64, send: &[(u64, u64)], compare: &[(u64, u64)]) -> Get {
    Get { entry, chunk_bytes: CHUNK as u32, send: runs(send), compare: runs(compare) }
}

fn get(send: &[(u64, u64)], compare: &[(u64, u64)]) -> Control<'static> {
    Control::Get(vec![want(0, send, compare)])
}

/// A sender that offered one file.
fn offering_of(size: Option<u64>) -> Sender {
    let mut sender = Sender::new(sending::Beginning { chunk: ChunkSize::MIN, ..Default::default() });
    let kind = EntryKind::File { size, meta: META, holes: 0 };
    let path = RelPath::root().join(&Name::new(b"f").unwrap()).unwrap();
    sender.entry(Entry { id: 0, path, kind });
    sender.walk_ended();
    sender
}

/// What the sender came to, hearing this; after each fetch the reader says that it is done.
fn hears(mut sender: Sender, controls: &[Control<'_>]) -> (Sender, Option<p2pc::Result<()>>) {
    for (seq, control) in controls.iter().enumerate() {
        let bytes = p2pc::proto::frame::encode_control(seq as u64, control.clone()).unwrap();
        sender.frame(&bytes);
        while let Some(effect) = sender.poll() {
            match effect {
                sending::Effect::Done(result) => return (sender, Some(result.map(drop))),
                sending::Effect::Fetch(fetch) => {
                    let root = Some([7; 32]);
                    let end = ReadEnd { entry: 0, size: fetch.size.unwrap_or(5), root };
                    sender.source(SourceEvent::Ended(end));
                }
                _ => {}
            }
        }
    }
    (sender, None)
}

#[test]
fn a_receiver_that_asks_for_what_it_may_not_is_found_out() {
    let size = Some(3 * CHUNK as u64 + 1);
    let bad_size = |chunk_bytes| Control::Get(vec![Get { chunk_bytes, ..want(0, &[(0, 4)], &[]) }]);
    let wait = || vec![accept(), plan(Verdict::Wait)];
    let first = |control| [wait(), vec![control]].concat();
    let again = |control| vec![accept(), plan(Verdict::Compare), control];
    let lies: Vec<(&str, Option<u64>, Vec<Control<'_>>)> = vec![
        ("before the plan", size, vec![accept(), get(&[], &[])]),
        ("before accepting", size, vec![get(&[], &[])]),
        ("what was not offered", size, first(Control::Get(vec![want(1, &[], &[])]))),
        ("what has its outcome", size, [wait(), vec![failed(), get(&[], &[])]].concat()),
        ("what was planned as nothing", size, vec![accept(), plan(Verdict::Nothing), get(&[], &[])]),
        ("chunks of no size", size, first(bad_size(0))),
        ("chunks of a wrong size", size, first(bad_size(CHUNK as u32 + 1))),
        ("overlapping runs", size, first(get(&[(0, 2), (1, 3)], &[]))),
        ("touching runs", size, first(get(&[(0, 2), (2, 2)], &[]))),
        ("runs out of order", size, first(get(&[(2, 2), (0, 1)], &[(1, 1)]))),
        ("an empty run", size, first(get(&[(0, 4), (5, 0)], &[]))),
        ("a chunk in both", size, first(get(&[(0, 2)], &[(1, 3)]))),
        ("a hole in the first", size, first(get(&[(0, 2)], &[(3, 1)]))),
        ("runs beyond the end", size, first(get(&[(0, 5)], &[]))),
        ("runs beyond all", size, first(get(&[(0, 4), (u64::MAX, 2)], &[]))),
        ("again beyond the end", size, again(get(&[(4, 1)], &[]))),
        ("chunks of a stream", None, first(get(&[(0, 1)], &[]))),
        ("comparing a stream", None, vec![accept(), plan(Verdict::Compare)]),
        ("a stream again", None, vec![accept(), plan(Verdict::Send), get(&[], &[])]),
        ("too often", size, [again(get(&[(1, 1)], &[])), vec![get(&[], &[]); GETS_MAX as usize]].concat()),
        ("delivered while it waits", size, [wait(), vec![delivered()]].concat()),
        ("delivered without an end", Some(0), [wait(), vec![delivered()]].concat()),
    ];
    for (lie, size, controls) in lies {
        let (_, result) = hears(offering_of(size), &controls);
        assert!(matches!(&result, Some(Err(error)) if error.kind() == Kind::Protocol), "{lie}: {result:?}");
    }
    // As often as it may.
    let often = [again(get(&[(1, 1)], &[])), vec![get(&[], &[]); GETS_MAX as usize - 1]].concat();
    assert!(hears(offering_of(size), &often).1.is_none());
}

#[test]
fn asking_while_the_reader_is_at_it_or_after_it_dropped_the_file_is_found_out() {
    for drop_it in [false, true] {
        for control in [get(&[(0, 1)], &[]), delivered()] {
            let (mut sender, mut seq) = offering();
            assert!(tell(&mut sender, &mut seq, accept()).is_none());
            assert!(tell(&mut sender, &mut seq, plan(Verdict::Compare)).is_none());
            if drop_it {
                sender.source(SourceEvent::Dropped { entry: 0, failure: Failure::new(Reason::Changed, "") });
            }
            let result = tell(&mut sender, &mut seq, control);
            assert!(matches!(result, Some(Err(error)) if error.kind() == Kind::Protocol));
        }
    }
}

#[test]
fn a_file_that_is_another_one_when_it_is_read_again_is_dropped() {
    let size = Some(2 * CHUNK as u64);
    let (mut sender, result) = hears(offering_of(size), &[accept(), plan(Verdict::Send)]);
    assert!(result.is_none());
    let again = p2pc::proto::frame::encode_control(2, get(&[], &[])).unwrap();
    sender.frame(&again);
    while sender.poll().is_some() {}
    let end = ReadEnd { entry: 0, size: 2 * CHUNK as u64, root: Some([8; 32]) };
    sender.source(SourceEvent::Ended(end));
    sender.idle();
    let said: Vec<_> = std::iter::from_fn(|| sender.poll())
        .filter_map(|effect| if let sending::Effect::Frame(frame) = effect { Some(frame) } else { None })
        .map(|packed| packed.buffer[packed.start..].to_vec())
        .collect();
    let is_dropped = |bytes: &Vec<u8>| {
        use p2pc::proto::frame::Frame;
        matches!(Frame::decode(bytes), Ok(Frame::Control { control: Control::Dropped { entry: 0, .. }, .. }))
    };
    assert!(said.iter().any(is_dropped));
}

#[test]
fn what_the_receiver_gives_up_is_read_no_further() {
    let abandons = |sender: &mut Sender| {
        std::iter::from_fn(|| sender.poll()).any(|effect| matches!(effect, sending::Effect::Abandon(0)))
    };
    for is_read in [false, true] {
        let (mut sender, _) = offering();
        let mut hear = |seq, control| {
            sender.frame(&p2pc::proto::frame::encode_control(seq, control).unwrap());
        };
        hear(0, accept());
        hear(1, plan(Verdict::Send));
        if is_read {
            sender.source(SourceEvent::Ended(ReadEnd { entry: 0, size: 1, root: Some([0; 32]) }));
        }
        sender.frame(&p2pc::proto::frame::encode_control(2, failed()).unwrap());
        assert_eq!(abandons(&mut sender), !is_read);
        while sender.poll().is_some() {}
        // What the reader has said meanwhile changes nothing.
        sender.source(SourceEvent::Ended(ReadEnd { entry: 0, size: 1, root: None }));
        assert!(std::iter::from_fn(|| sender.poll()).next().is_none());
    }
}

/// A sender that has every outcome, and not `Complete`.
fn knowing() -> Sender {
    let (mut sender, mut seq) = offering();
    assert!(tell(&mut sender, &mut seq, accept()).is_none());
    assert!(tell(&mut sender, &mut seq, plan(Verdict::Send)).is_none());
    sender.source(SourceEvent::Ended(ReadEnd { entry: 0, size: 1, root: Some([0; 32]) }));
    sender.idle();
    assert!(tell(&mut sender, &mut seq, delivered()).is_none());
    sender
}

fn done(sender: &mut Sender) -> Option<p2pc::Result<u64>> {
    std::iter::from_fn(|| sender.poll()).find_map(|effect| match effect {
        sending::Effect::Done(result) => Some(result.map(|report| report.delivered)),
        _ => None,
    })
}

#[test]
fn a_sender_that_has_every_outcome_waits_a_bounded_time_and_then_knows_enough() {
    let mut sender = knowing();
    for now_ms in [1000, 1000 + RECEIPT_MS - 1] {
        sender.tick(now_ms);
        assert!(done(&mut sender).is_none());
    }
    sender.tick(1000 + RECEIPT_MS);
    assert_eq!(done(&mut sender).unwrap().unwrap(), 1);
    for kind in [Kind::ConnectionLost, Kind::Interrupted, Kind::Authentication] {
        let mut sender = knowing();
        sender.fail(Error::new(kind, ""));
        assert_eq!(done(&mut sender).unwrap().unwrap(), 1);
    }
    let mut sender = knowing();
    sender.connection_lost(Error::new(Kind::ConnectionLost, ""));
    assert_eq!(done(&mut sender).unwrap().unwrap(), 1);
    // One that contradicts itself is not believed the rest either.
    let mut sender = knowing();
    sender.frame(b"garbage");
    assert_eq!(done(&mut sender).unwrap().unwrap_err().kind(), Kind::Protocol);
    // Without every outcome nothing is known, however long it takes.
    let (mut sender, mut seq) = offering();
    assert!(tell(&mut sender, &mut seq, accept()).is_none());
    assert!(tell(&mut sender, &mut seq, plan(Verdict::Send)).is_none());
    sender.tick(0);
    sender.tick(10 * RECEIPT_MS);
    assert!(done(&mut sender).is_none());
    sender.connection_lost(Error::new(Kind::ConnectionLost, ""));
    assert_eq!(done(&mut sender).unwrap().unwrap_err().kind(), Kind::ConnectionLost);
}

#[test]
fn nothing_is_complete_before_it_is_accepted() {
    let mut sender = Sender::new(sending::Beginning::default());
    sender.walk_ended();
    let (_, result) = hears(sender, &[Control::Complete { delivered: 0, failed: 0 }]);
    assert!(matches!(result, Some(Err(error)) if error.kind() == Kind::Protocol));
}

fn same(entry: u64, offset: u64, length: u32) -> Vec<u8> {
    let mut block = Block::new(0);
    assert!(block.same(entry, offset, length, [1; 32]));
    let packed = block.pack().unwrap();
    packed.buffer[packed.start..].to_vec()
}

/// One file of 10 bytes or a stream, and how it was planned.
fn planned(size: Option<u64>, verdict: Verdict) -> Victim {
    let mut victim = Victim::new();
    victim.hears(Control::Manifest(vec![Item::File { name: b"f", size, meta: META, holes: 0 }]));
    victim.sink(SinkEvent::Planned { entry: 0, verdict });
    victim
}

#[test]
fn a_sender_that_says_what_nobody_asked_for_is_found_out() {
    let end = || Control::Ended(vec![FileEnd { entry: 0, size: 10, root: [0; 32] }]);
    let gone = || Control::Dropped { entry: 0, failure: WireFailure { reason: Reason::Vanished, text: "" } };
    let wants = |v: &mut Victim, get| assert!(v.sink(SinkEvent::Get(get)).result.is_none());
    let lies: [Lie<'_>; 15] = [
        ("a value where bytes were wanted", planned(Some(10), Verdict::Send), &|v| {
            v.bytes(&same(0, 0, 10));
        }),
        ("a value of a stream", planned(None, Verdict::Send), &|v| {
            v.bytes(&same(0, 0, 10));
        }),
        ("a value beyond the end", planned(Some(10), Verdict::Compare), &|v| {
            v.bytes(&same(0, 0, 11));
        }),
        ("a value of nothing", planned(Some(10), Verdict::Compare), &|v| {
            v.bytes(&same(1, 0, 10));
        }),
        ("a value before it was asked for", planned(Some(10), Verdict::Wait), &|v| {
            v.bytes(&same(0, 0, 10));
        }),
        ("a value where only bytes were asked for", planned(Some(10), Verdict::Wait), &|v| {
            wants(v, want(0, &[(0, 1)], &[]));
            v.bytes(&same(0, 0, 10));
        }),
        ("data of what needs nothing", planned(Some(10), Verdict::Nothing), &|v| {
            v.data(0, 0, b"x");
        }),
        ("data after the end", planned(Some(10), Verdict::Compare), &|v| {
            v.hears(end()).data(0, 0, b"x");
        }),
        ("an end before it was asked for", planned(Some(10), Verdict::Wait), &|v| {
            v.hears(end());
        }),
        ("ended twice", planned(Some(10), Verdict::Compare), &|v| {
            v.hears(end()).hears(end());
        }),
        ("ended and dropped", planned(Some(10), Verdict::Compare), &|v| {
            v.hears(end()).hears(gone());
        }),
        ("dropped twice", planned(Some(10), Verdict::Compare), &|v| {
            v.hears(gone()).hears(gone());
        }),
        ("dropped before it was asked for", planned(Some(10), Verdict::Wait), &|v| {
            v.hears(gone());
        }),
        ("ended twice after it was asked for again", planned(Some(10), Verdict::Compare), &|v| {
            v.hears(end());
            wants(v, want(0, &[(0, 1)], &[]));
            v.hears(end()).hears(end());
        }),
        ("what only a receiver says", Victim::new(), &|v| {
            v.hears(get(&[], &[]));
        }),
    ];
    are_found_out(lies);
    // And what an honest one says.
    let mut honest = planned(Some(10), Verdict::Compare);
    honest.bytes(&same(0, 0, 10)).hears(end());
    wants(&mut honest, want(0, &[(0, 1)], &[]));
    honest.data(0, 0, b"0123456789").hears(end());
    assert!(honest.result.is_none());
    assert_eq!(honest.jobs.iter().filter(|job| matches!(job, Job::Finish(_))).count(), 2);
}

#[test]
fn a_sink_that_asks_out_of_turn_is_a_defect_of_ours() {
    let mut victim = planned(Some(10), Verdict::Send);
    victim.sink(SinkEvent::Get(want(0, &[], &[])));
    assert!(matches!(&victim.result, Some(Err(error)) if error.kind() == Kind::Internal));
}

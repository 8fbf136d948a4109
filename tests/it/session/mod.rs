//! The session machines: any schedule delivers everything, and what no honest side says ends the session in
//! order.

mod lanes;
mod lying_receiver;
mod lying_sender;
mod offers;
mod victim;

use p2pc::Kind;
use p2pc::events::{Event, Question};
use p2pc::proto::frame::Reason;
use p2pc::proto::handshake::Capabilities;
use p2pc::proto::limits::ITEMS_OPEN_MAX;
use p2pc::proto::manifest::{EntryKind, Item};
use p2pc::receive::machine::{self as receiving, Receiver};
use p2pc::send::machine::{self as sending, Sender};

use crate::world::{Dice, META, Tree, World};

pub use victim::{Lie, Victim, are_found_out, offering, tell};

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

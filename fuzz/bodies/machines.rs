//! Both session machines against a peer and surroundings that do anything: they end with one verdict or go on, and what they say
//! is always something that can be read.

use bytes::BytesMut;
use p2pc::events::{Decision, Resolution};
use p2pc::proto::frame::{Block, Control, Failure, Frame, Reason, Verdict, encode_control};
use p2pc::proto::handshake::Capabilities;
use p2pc::proto::manifest::{Entry, EntryKind, Item, Meta, Nesting};
use p2pc::receive::machine::{self as receiving, Receiver};
use p2pc::receive::sink::{Job, SinkEvent};
use p2pc::send::machine::{self as sending, Sender};
use p2pc::send::source::{Fetch, ReadEnd, SourceEvent};

use super::Script;

const META: Meta = Meta { mode: Some(0o644), mtime_s: 1, mtime_ns: 2 };

/// A frame of the other side: any bytes, or a control frame with any contents and the right number.
fn frame_of(script: &mut Script<'_>, seq: &mut u64) -> Vec<u8> {
    if script.byte().is_multiple_of(4) {
        return script.stretch().to_vec();
    }
    let body = script.stretch();
    match postcard::take_from_bytes::<Control<'_>>(body) {
        Ok((control, _)) => {
            let frame = encode_control(*seq, control).unwrap_or_default();
            *seq += 1;
            frame
        }
        Err(_) => body.to_vec(),
    }
}

fn readable(packed: &p2pc::proto::frame::PackedBlock) {
    let bytes = &packed.buffer[packed.start..];
    assert!(Frame::decode(bytes).is_ok(), "it said what nobody can read");
}

/// The sending machine.
pub fn sender(bytes: &[u8]) {
    let mut script = Script(bytes);
    let must_confirm = script.byte() & 1 == 1;
    let verify = must_confirm.then(|| "123 456 789".to_owned());
    let mut machine =
        Sender::new(sending::Beginning { verify, must_confirm, ..sending::Beginning::default() });
    let (mut nesting, mut seq, mut now_ms) = (Nesting::new(), 0, 0);
    let mut fetches: Vec<Fetch> = Vec::new();
    let mut is_done = false;
    loop {
        while let Some(effect) = machine.poll() {
            assert!(!is_done, "it went on after its end");
            match effect {
                sending::Effect::Frame(packed) => readable(&packed),
                sending::Effect::Fetch(fetch) => fetches.push(fetch),
                sending::Effect::Done(_) => is_done = true,
                sending::Effect::Abandon(_)
                | sending::Effect::Event(_)
                | sending::Effect::Ask(_)
                | sending::Effect::LaneTaken { .. } => {}
            }
        }
        if script.is_over() {
            return;
        }
        match script.byte() % 9 {
            0 if machine.wants_entries() => {
                let size = (script.byte() & 1 == 0).then(|| script.number());
                let name = [b'a' + script.byte() % 26];
                let item = match script.byte() % 4 {
                    0 => Item::Directory { name: &name },
                    1 if !nesting.is_balanced() => Item::DirectoryEnd { meta: META },
                    _ => Item::File { name: &name, size, meta: META, holes: 0 },
                };
                if let Ok(entry) = nesting.place(&item) {
                    machine.entry(entry);
                }
            }
            1 if machine.wants_entries() && script.byte().is_multiple_of(8) => machine.walk_ended(),
            2 if machine.wants_data() && !fetches.is_empty() => {
                let at = usize::from(script.byte()) % fetches.len();
                let entry = fetches[at].entry;
                let event = match script.byte() % 4 {
                    0 => SourceEvent::Dropped { entry, failure: Failure::new(Reason::Changed, "") },
                    1 => {
                        let root = (script.byte() & 1 == 0).then_some([script.byte() & 1; 32]);
                        SourceEvent::Ended(ReadEnd { entry, size: script.number(), root })
                    }
                    _ => {
                        let mut block = Block::new(8);
                        let added = block.piece(entry, 0, 8, |room| Ok::<_, ()>(room.len())).map(<[u8]>::len);
                        assert_eq!(added, Ok(8));
                        SourceEvent::Block(block)
                    }
                };
                if !matches!(event, SourceEvent::Block(_)) {
                    fetches.swap_remove(at);
                }
                machine.source(event);
            }
            3 => machine.idle(),
            4 => {
                now_ms += u64::from(script.byte()) * 1000;
                machine.tick(now_ms);
            }
            5 => machine.verified(script.byte() & 1 == 0),
            _ => machine.frame(&frame_of(&mut script, &mut seq)),
        }
    }
}

/// The receiving machine, over a sink that takes everything, fails things, or asks.
pub fn receiver(bytes: &[u8]) {
    let mut script = Script(bytes);
    let flags = script.byte();
    let must_confirm = flags & 1 == 1;
    let verify = must_confirm.then(|| "123 456 789".to_owned());
    let mut machine = Receiver::new(receiving::Beginning {
        verify,
        must_confirm,
        yes: flags & 2 == 0,
        limit: None,
        both_can: if flags & 4 != 0 { Capabilities::ALL } else { Capabilities::ZSTD },
    });
    let (mut seq, mut now_ms, mut is_done) = (0, 0, false);
    let mut prepared: Vec<Entry> = Vec::new();
    let mut open: Vec<u64> = Vec::new();
    loop {
        while let Some(effect) = machine.poll() {
            assert!(!is_done, "it went on after its end");
            match effect {
                receiving::Effect::Frame(packed) => readable(&packed),
                receiving::Effect::Job(Job::Prepare(entry)) => prepared.push(entry),
                receiving::Effect::Job(Job::Write { cost, .. } | Job::WritePacked { cost, .. }) => {
                    machine.sink(SinkEvent::Taken { cost }, now_ms);
                }
                receiving::Effect::Job(Job::Finish(end)) => {
                    open.retain(|entry| *entry != end.entry);
                    machine.sink(SinkEvent::Resolved { entry: end.entry, failure: None }, now_ms);
                }
                receiving::Effect::Job(Job::Drop { entry, failure }) => {
                    open.retain(|open| *open != entry);
                    machine.sink(SinkEvent::Resolved { entry, failure: Some(failure) }, now_ms);
                }
                receiving::Effect::Done(_) => is_done = true,
                _ => {}
            }
        }
        if script.is_over() {
            return;
        }
        match script.byte() % 9 {
            0 if !prepared.is_empty() => {
                let entry = prepared.remove(0);
                let is_file = matches!(entry.kind, EntryKind::File { .. });
                let verdict = if is_file { Verdict::Send } else { Verdict::Nothing };
                machine.sink(SinkEvent::Planned { entry: entry.id, verdict }, now_ms);
                if is_file {
                    open.push(entry.id);
                } else {
                    machine.sink(SinkEvent::Resolved { entry: entry.id, failure: None }, now_ms);
                }
            }
            1 if !open.is_empty() => {
                let entry = open.swap_remove(usize::from(script.byte()) % open.len());
                let failure = Some(Failure::new(Reason::Unwritable, ""));
                machine.sink(SinkEvent::Resolved { entry, failure }, now_ms);
            }
            2 => machine.idle(),
            3 => {
                now_ms += u64::from(script.byte()) * 1000;
                machine.tick(now_ms);
            }
            4 => machine.accepted(script.byte() & 3 != 0, now_ms),
            5 => machine.verified(script.byte() & 3 != 0, now_ms),
            6 => machine.decided(Decision { resolution: Resolution::Skip, for_all: script.byte() & 1 == 0 }),
            _ => machine.frame(BytesMut::from(&frame_of(&mut script, &mut seq)[..]), now_ms),
        }
    }
}

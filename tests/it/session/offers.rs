//! What may be offered, to a receiver that can take it.

use p2pc::proto::compress::{Codec, Packer};
use p2pc::proto::frame::{Block, Control, Verdict};
use p2pc::proto::handshake::Capabilities;
use p2pc::proto::limits::SHOWN_BYTES_MAX;
use p2pc::proto::manifest::Item;
use p2pc::receive::machine::{self as receiving, Receiver};
use p2pc::receive::sink::{Job, SinkEvent};

use super::victim::Victim;
use crate::world::META;

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

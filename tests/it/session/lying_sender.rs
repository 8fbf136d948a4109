//! A sender that does not keep to the protocol, or ends at an odd time.

use p2pc::Kind;
use p2pc::proto::frame::{
    CancelReason, Cancelled, Control, FileEnd, Reason, Verdict, WireFailure, encode_keep_alive,
};
use p2pc::proto::limits::{ITEMS_OPEN_MAX, RECEIPT_MS, WINDOW_BYTES};
use p2pc::proto::manifest::Item;
use p2pc::receive::sink::{Job, SinkEvent};

use super::victim::{Lie, Victim, are_found_out};
use crate::world::META;

#[test]
fn a_lying_sender_is_found_out() {
    let end = |size| Control::Ended(vec![FileEnd { entry: 0, size, root: [0; 32] }]);
    let file = |name: &'static [u8]| {
        Control::Manifest(vec![Item::File { name, size: Some(10), meta: META, holes: 0 }])
    };
    let gone = || WireFailure { reason: Reason::Vanished, text: "" };
    let contents: [Lie<'_>; 16] = [
        ("garbage", Victim::new(), &|v| {
            v.bytes(b"garbage");
        }),
        ("an empty frame", Victim::new(), &|v| {
            v.bytes(b"");
        }),
        ("a path that climbs", Victim::new(), &|v| {
            v.hears(file(b".."));
        }),
        ("an absolute path", Victim::new(), &|v| {
            v.hears(file(b"/etc/passwd"));
        }),
        ("a NUL", Victim::new(), &|v| {
            v.hears(file(b"a\0b"));
        }),
        ("a name of a part file", Victim::new(), &|v| {
            v.hears(file(b".p2pc-00.part"));
        }),
        ("an end of no directory", Victim::new(), &|v| {
            v.hears(Control::Manifest(vec![Item::DirectoryEnd { meta: META }]));
        }),
        ("data before the plan", Victim::new(), &|v| {
            v.hears(file(b"f")).data(0, 0, b"x");
        }),
        ("data of nothing", Victim::new(), &|v| {
            v.data(7, 0, b"x");
        }),
        ("data beyond the size", Victim::expecting(), &|v| {
            v.data(0, 0, b"12345678901");
        }),
        ("data with a gap", Victim::expecting_of(None), &|v| {
            v.data(0, 1, b"x");
        }),
        ("data twice", Victim::expecting_of(None), &|v| {
            v.data(0, 0, b"x").data(0, 0, b"x");
        }),
        ("an early end", Victim::expecting(), &|v| {
            v.data(0, 0, b"x").hears(end(1));
        }),
        ("an end beyond the data", Victim::expecting_of(None), &|v| {
            v.data(0, 0, b"x").hears(end(10));
        }),
        ("an end of what was not asked for", Victim::new(), &|v| {
            v.hears(file(b"f")).hears(end(0));
        }),
        ("dropping what was not asked for", Victim::new(), &|v| {
            v.hears(Control::Dropped { entry: 3, failure: gone() });
        }),
    ];
    let order: [Lie<'_>; 10] = [
        ("a manifest that ends early", Victim::new(), &|v| {
            v.hears(Control::Manifest(vec![Item::Directory { name: b"d" }]))
                .hears(Control::ManifestEnd { items: 1 });
        }),
        ("a manifest that miscounts", Victim::new(), &|v| {
            v.hears(Control::ManifestEnd { items: 1 });
        }),
        ("a manifest after its end", Victim::new(), &|v| {
            v.hears(file(b"f")).hears(Control::ManifestEnd { items: 1 }).hears(file(b"g"));
        }),
        ("a receipt of nothing", Victim::new(), &|v| {
            v.hears(Control::Receipt);
        }),
        ("what only a receiver says", Victim::new(), &|v| {
            v.hears(Control::Accept { window: 1 });
        }),
        ("beginning twice", Victim::new(), &|v| {
            v.hears(Control::Begin { chunk_bytes: 1 << 20 });
        }),
        ("beginning with a wrong chunk size", Victim::unbegun(), &|v| {
            v.hears(Control::Begin { chunk_bytes: 1000 });
        }),
        ("no beginning", Victim::unbegun(), &|v| {
            v.hears(file(b"f"));
        }),
        ("a control frame twice", Victim::new(), &|v| {
            v.hears(file(b"f"));
            v.seq = 1;
            v.hears(file(b"g"));
        }),
        ("a control frame lost", Victim::new(), &|v| {
            v.seq = 2;
            v.hears(file(b"f"));
        }),
    ];
    for (lie, victim) in are_found_out(contents.into_iter().chain(order)) {
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

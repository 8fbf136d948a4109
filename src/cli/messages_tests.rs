//! The messages as people see them.

use super::*;
use crate::Kind;
use crate::events::{EntryEnd, Report};
use crate::proto::frame::{Failure, Reason};
use crate::proto::manifest::KindTag;
use crate::proto::path::{Name, RelPath};

fn at(names: &str) -> RelPath {
    names
        .split('/')
        .fold(RelPath::root(), |path, name| path.join(&Name::new(name.as_bytes()).unwrap()).unwrap())
}

fn relays(urls: &[&str]) -> Vec<RelayUrl> {
    urls.iter().map(|url| url.parse().unwrap()).collect()
}

fn failed(path: &str, reason: Reason, text: &str) -> EntryEnd {
    EntryEnd { path: at(path), kind: KindTag::File, bytes: 0, failure: Some(Failure::new(reason, text)) }
}

#[test]
fn an_error_and_its_hint() {
    let told = error(
        Style::PLAIN,
        &Error::new(Kind::Disk, "cannot open a\x1b[2J").caused_by("denied").hint("Try again."),
    );
    assert_eq!(told, "p2pc: cannot open a\\x1b[2J: denied\nhint: Try again.");
}

#[test]
fn the_senders_invitation_works_as_printed() {
    let relays = relays(&["relay.example:8443"]);
    let invite = Invite {
        from: Side::Send,
        code: "48213-acid-crane-otter",
        relays: &relays,
        embedded: false,
        options: &["--no-encrypt"],
        private_ca: true,
        again: Some("p2pc send --code 48213-acid-crane-otter@relay.example:8443 a"),
        lacks_token: false,
    };
    assert_eq!(invite.code_line(), "48213-acid-crane-otter@relay.example:8443");
    assert_eq!(
        invite.after(Style::PLAIN, false),
        "On the other machine, run\n\n    p2pc receive 48213-acid-crane-otter@relay.example:8443 --no-encrypt\n\n\
         The other side needs --ca with the same certificate authority.\n\
         Should this side be interrupted, it goes on with\n\n    \
         p2pc send --code 48213-acid-crane-otter@relay.example:8443 a\n\n\
         Waiting for the other side. Ctrl-C ends it."
    );
}

#[test]
fn the_receivers_invitation_names_every_address() {
    let relays = relays(&["ws://192.168.1.7:9000", "ws://[2001:db8::1]:9000"]);
    let invite = Invite {
        from: Side::Receive,
        code: "my own code",
        relays: &relays,
        embedded: true,
        options: &[],
        private_ca: false,
        again: None,
        lacks_token: false,
    };
    let text = invite.after(Style::PLAIN, false);
    assert!(
        text.contains("\n    p2pc send --code \"my own code@ws://192.168.1.7:9000\" PATH...\n"),
        "{text}"
    );
    assert!(
        text.contains("\n    p2pc send --code \"my own code@ws://[2001:db8::1]:9000\" PATH...\n"),
        "{text}"
    );
    assert!(text.contains("This machine is the relay"));
}

#[test]
fn a_slip_in_a_code_is_pointed_at() {
    let doubt = |words: Option<usize>, unknown: &[&str]| Doubt {
        words,
        unknown: unknown.iter().map(ToString::to_string).collect(),
    };
    let told = doubted(&doubt(None, &["ottr"]), false);
    assert!(told.starts_with("note: `ottr` (otter?) is not a word that p2pc makes codes of."), "{told}");
    assert!(
        doubted(&doubt(None, &["xyzxyz", "b\x1b"]), false)
            .starts_with("note: `xyzxyz`, `b\\x1b` are not words")
    );
    assert_eq!(
        doubted_question(&doubt(None, &["krane"])),
        "Not a word that p2pc makes codes of: `krane` (crane?). Use it anyway? [y/N] "
    );
    assert_eq!(
        doubted(&doubt(Some(2), &[]), false),
        "note: this code has two words, and those that p2pc makes have three. If that is a slip, end this with Ctrl-C."
    );
    assert_eq!(
        doubted_question(&doubt(Some(1), &[])),
        "This code has one word, and those that p2pc makes have three. Use it anyway? [y/N] "
    );
    // A log is kept, and may be read by others; a code of one's own may be but one word.
    for words in [None, Some(1)] {
        let told = doubted(&doubt(words, &["secretsecret"]), true);
        assert!(told.contains("one of its words is none that") && !told.contains("secretsecret"), "{told}");
    }
}

#[test]
fn offers_are_counted_and_named() {
    let mut offered = Offer {
        files: 3,
        streams: 0,
        directories: 2,
        bytes: 1_288_490_189,
        names: vec![at("photos"), at("evil\u{202e}gpj")],
        complete: false,
        text: false,
    };
    assert_eq!(
        offer(&offered),
        "Offered: at least 3 files, 2 directories, 1.2 GiB: photos, evil\\u{202e}gpj"
    );
    offered = Offer {
        files: 1,
        streams: 0,
        directories: 0,
        bytes: 0,
        names: vec![at("a")],
        complete: true,
        text: false,
    };
    assert_eq!(offer(&offered), "Offered: 1 file, 0 B: a");
    offered.complete = false;
    assert_eq!(offer(&offered), "Offered: at least 1 file, size unknown: a");
    offered.files = 0;
    assert_eq!(offer(&offered), "Offered: at least 1 directory: a");
}

#[test]
fn an_offer_says_when_it_does_not_name_everything() {
    let names: Vec<_> = ["a", "b", "c", "d", "e"].map(at).into();
    let mut offered =
        Offer { files: 5, streams: 0, directories: 0, bytes: 5, names, complete: true, text: false };
    assert_eq!(offer(&offered), "Offered: 5 files, 5 B: a, b, c, d, e");
    offered.files = 6;
    assert_eq!(offer(&offered), "Offered: 6 files, 5 B: a, b, c, d, e, …");
}

#[test]
fn the_question_says_where() {
    assert_eq!(accept_question(Path::new("-")), "Receive into standard output? [y/N] ");
    assert_eq!(accept_question(Path::new(".")), "Receive into this directory? [y/N] ");
    assert_eq!(accept_question(Path::new("in\nbox")), "Receive into in\\nbox? [y/N] ");
}

#[test]
fn the_end_is_told() {
    let report = Report {
        delivered: 2,
        bytes: 20 << 20,
        failed: 3,
        failures: vec![failed("d/fifo", Reason::Special, ""), failed("x", Reason::Unwritable, "disk\r full")],
        held: 0,
        sent: 20 << 20,
        carried: 20 << 20,
        unwritten: 1,
        excluded: 0,
        elapsed: Duration::from_secs(10),
    };
    let took = Duration::from_secs(10);
    let none = Offer::default();
    assert_eq!(
        summary(Side::Send, &none, &report, took, None),
        "Sent 2 of 5 entries, 20.0 MiB in 10 s (2.0 MiB/s)."
    );
    assert_eq!(
        summary(Side::Receive, &none, &Report::default(), Duration::ZERO, Some(Path::new("in"))),
        "Received 0 files, 0 B in 0 s, into in."
    );
    let told = summary(Side::Receive, &none, &report, took, Some(Path::new(".")));
    assert!(told.ends_with(", into this directory."), "{told}");
    assert_eq!(
        failures(Side::Receive, &report),
        "3 entries were not delivered:\n  d/fifo: a FIFO, socket or device; those are never sent\n  \
         x: the receiver cannot write it (disk\\r full)\n  and 1 more\n\
         hint for x and what is like it: Look who may write there (ls -ld), or receive into another directory with \
         --out, and have it sent again."
    );
}

#[test]
fn what_was_left_out_is_told() {
    let mut report = Report { delivered: 1, bytes: 5, excluded: 1234, ..Report::default() };
    let told = |report: &Report| summary(Side::Send, &Offer::default(), report, Duration::ZERO, None);
    assert_eq!(
        told(&report),
        "Sent 1 entry, 5 B in 0 s; 1,234 entries were left out (--exclude, --gitignore)."
    );
    (report.delivered, report.bytes, report.excluded) = (0, 0, 1);
    assert_eq!(told(&report), "Nothing was left to send: 1 entry was left out (--exclude, --gitignore).");
    report.failed = 1;
    assert!(told(&report).starts_with("Sent 0 of 1 entry"));
}

#[test]
fn what_compression_has_gained_is_told() {
    let (sent, carried) = (1 << 30, 283 << 20);
    let elapsed = Duration::from_secs(4);
    let mut report = Report { delivered: 1, bytes: sent, sent, carried, elapsed, ..Report::default() };
    let told = "Sent 1 entry, 1.0 GiB in 4 s (256 MiB/s, compressed to 283 MiB).";
    let none = Offer::default();
    assert_eq!(summary(Side::Send, &none, &report, elapsed, None), told);
    report.carried = sent - sent / 30;
    assert_eq!(
        summary(Side::Receive, &none, &report, elapsed, None),
        "Received 1 entry, 1.0 GiB in 4 s (256 MiB/s)."
    );
}

#[test]
fn what_was_there_already_is_told_and_makes_nothing_faster() {
    let mut report = Report { delivered: 3, bytes: 1 << 30, held: 922 << 20, ..Report::default() };
    let (none, took) = (Offer::default(), Duration::from_secs(2));
    assert_eq!(
        summary(Side::Receive, &none, &report, took, None),
        "Received 3 entries, 1.0 GiB in 2 s (922 MiB were there already, 51.0 MiB/s)."
    );
    report.held = report.bytes;
    assert_eq!(
        summary(Side::Send, &none, &report, took, None),
        "Sent 3 entries, 1.0 GiB in 2 s (1.0 GiB were there already)."
    );
}

#[test]
fn a_lost_connection_is_told() {
    assert_eq!(
        disconnected("timed out\x1b", Duration::from_secs(600)),
        "Connection lost (timed out\\x1b); looking for the other side for 10 min."
    );
    assert_eq!(
        kept_both(&at("d/a\u{202e}"), &Name::new(b"a (1)").unwrap()),
        "note: d/a\\u{202e} is there already; the new one is called a (1)"
    );
}

#[test]
fn what_goes_on_is_a_command_to_copy() {
    assert_eq!(
        going_on(true, "p2pc receive x", false),
        "What has arrived is kept. With the same code it goes on, once both sides run:\n\n    p2pc receive x\n"
    );
    assert!(going_on(false, "p2pc receive x", false).contains("(--no-resume)"));
}

#[test]
fn wrong_guesses_count_down() {
    assert!(wrong_guess(2).contains("2 more wrong tries end this transfer"));
    assert!(wrong_guess(1).contains("1 more wrong try ends this transfer"));
}

#[test]
fn a_name_cannot_act_in_a_line_of_its_own() {
    let entry = EntryEnd { path: at("a\x1b[A"), kind: KindTag::Link, bytes: 0, failure: None };
    assert_eq!(delivered(&entry), "a\\x1b[A  (link)");
}

#[test]
fn a_token_that_is_not_shown_is_asked_for_again() {
    assert!(going_on(true, "p2pc receive x", true).ends_with(GIVE_TOKEN));
    let relays = relays(&["relay.example"]);
    let invite = Invite {
        from: Side::Send,
        code: "48213-acid-crane-otter",
        relays: &relays,
        embedded: false,
        options: &[],
        private_ca: false,
        again: Some("p2pc send a"),
        lacks_token: true,
    };
    assert!(invite.after(Style::PLAIN, false).contains(&format!("p2pc send a\n\n{GIVE_TOKEN}\n")));
}

#[test]
fn a_token_that_anybody_on_the_way_can_read_is_warned_of() {
    let relay = "ws://203.0.113.7".parse().unwrap();
    assert!(!plain_relay(&relay, false).contains("token"));
    assert!(plain_relay(&relay, true).contains("warning: your token"));
}

#[test]
fn a_text_does_nothing_to_a_terminal_and_is_itself_in_a_pipe() {
    let text = "one\ttwo\r\n\x1b[2Jthree\u{202e}\n\n";
    assert_eq!(shown_text(text, true), "one\ttwo\n\\x1b[2Jthree\\u{202e}\n");
    assert_eq!(shown_text(text, false), &text[..text.len() - 1]);
    assert_eq!(shown_text("x", true), "x");
}

#[test]
fn who_is_offered_a_text_is_asked_whether_to_see_it() {
    let offered = Offer { files: 1, bytes: 5, text: true, ..Offer::default() };
    assert_eq!(offer(&offered), "Offered: a text of 5 bytes");
    assert_eq!(question(&offered, Path::new("in")), "Show it? [y/N] ");
    assert_eq!(question(&offered, Path::new("-")), "Receive into standard output? [y/N] ");
    assert_eq!(question(&Offer::default(), Path::new("in")), "Receive into in? [y/N] ");
}

#[test]
fn what_is_all_of_the_offer_is_told_as_it_was_offered() {
    let mut report = Report { delivered: 1, bytes: 5 << 20, ..Report::default() };
    let took = Duration::from_millis(412);
    let told =
        |offer: &Offer, report: &Report| summary(Side::Receive, offer, report, took, Some(Path::new("in")));
    let mut offered = Offer {
        files: 1,
        bytes: 5 << 20,
        names: vec![at("thesis\u{202e}.pdf")],
        complete: true,
        ..Offer::default()
    };
    assert_eq!(told(&offered, &report), "Received thesis\\u{202e}.pdf, 5.0 MiB in 0.4 s, into in.");
    (offered.files, offered.directories, report.delivered) = (6, 2, 8);
    assert_eq!(told(&offered, &report), "Received 6 files, 2 directories, 5.0 MiB in 0.4 s, into in.");
    // The last word on the offer has not come, or not all of it has arrived.
    offered.files = 5;
    assert!(told(&offered, &report).starts_with("Received 8 entries, "));
    (offered.files, report.failed) = (6, 1);
    assert!(told(&offered, &report).starts_with("Received 8 of 9 entries, "));
    offered = Offer { directories: 2, complete: true, ..Offer::default() };
    report = Report { delivered: 2, ..Report::default() };
    assert!(told(&offered, &report).starts_with("Received 2 directories, 0 B in "));
}

#[test]
fn a_text_has_a_size_and_no_rate() {
    let offered = Offer { files: 1, bytes: 12, text: true, ..Offer::default() };
    let mut report = Report { delivered: 1, bytes: 12, ..Report::default() };
    let took = Duration::from_secs(3);
    assert_eq!(summary(Side::Send, &offered, &report, took, None), "Sent a text of 12 bytes.");
    assert_eq!(summary(Side::Receive, &offered, &report, took, None), "Received a text of 12 bytes.");
    (report.delivered, report.failed, report.bytes) = (0, 1, 0);
    assert!(summary(Side::Send, &offered, &report, took, None).starts_with("Sent 0 of 1 entry, 0 B"));
    assert_eq!(sending(&offered), "Sending a text of 12 bytes");
}

#[test]
fn what_is_short_has_no_rate() {
    let report = Report { delivered: 1, bytes: 50 << 20, ..Report::default() };
    let told = |milliseconds| {
        summary(Side::Send, &Offer::default(), &report, Duration::from_millis(milliseconds), None)
    };
    assert_eq!(told(7), "Sent 1 entry, 50.0 MiB in 7 ms.");
    assert_eq!(told(950), "Sent 1 entry, 50.0 MiB in 0.9 s.");
    assert_eq!(told(1000), "Sent 1 entry, 50.0 MiB in 1 s (50.0 MiB/s).");
}

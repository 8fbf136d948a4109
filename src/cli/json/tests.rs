//! The page and the code say the same, and what is read is what was meant.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{PipeReader, Read as _};

use serde_json::Value;

use super::*;
use crate::Kind;
use crate::events::{EntryEnd, Offer};
use crate::proto::code::Code;
use crate::proto::frame::{Failure, Reason};
use crate::proto::manifest::KindTag;
use crate::proto::path::{Name, RelPath};
use crate::proto::seal::Mode;

const PAGE: &str = include_str!("../../../docs/json.md");

/// The rows of the page's table behind a mark, as cells.
fn table(mark: &str) -> Vec<Vec<&'static str>> {
    let (_, rest) = PAGE.split_once(&format!("<!-- {mark} -->\n")).unwrap();
    let rows = rest.lines().take_while(|line| line.starts_with('|')).skip(2);
    rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect()).collect()
}

/// What stands in backticks.
fn named(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

fn path(name: &[u8]) -> RelPath {
    RelPath::root().join(&Name::new(name).unwrap()).unwrap()
}

fn invitation(again: Option<&str>) -> Invitation {
    Invitation { code: "c".into(), command: "p2pc receive c".into(), again: again.map(str::to_owned) }
}

/// Every line there is, each with all that it may have, and with as little as it may.
fn all_lines() -> Vec<String> {
    let relay: crate::RelayUrl = "relay.example".parse().unwrap();
    let code = || Code::parse("48213-acid-crane-otter", false).unwrap().0;
    let name = Name::new(b"x").unwrap();
    let end = |name: &[u8], failure| EntryEnd { path: path(name), kind: KindTag::File, bytes: 1, failure };
    let second = Duration::from_millis(1500);
    let ready = || Event::CodeReady { code: code(), relays: vec![relay.clone()], embedded: true };
    let renamed = |path: &str| Event::Renamed { path: path.into(), name: name.clone() };
    #[cfg(unix)]
    let strange = {
        use std::os::unix::ffi::OsStrExt as _;
        Event::Renamed { path: std::ffi::OsStr::from_bytes(b"\xff").into(), name: name.clone() }
    };
    #[cfg(not(unix))]
    let strange = renamed("x");
    let events = [
        Event::Waiting { code: code(), relay: relay.clone() },
        renamed("a/x"),
        strange,
        Event::RelayLost { what: "reset".into() },
        Event::RelayBusy { what: "full".into(), again: second },
        Event::RelayBack,
        Event::WrongGuess { left: 2 },
        Event::Paired { cipher: Mode::Aes256Gcm, encryption_kept: false },
        Event::Verify("123 456 789".into()),
        Event::Offer(Offer { names: vec![path(b"a\"\n")], ..Offer::default() }),
        Event::Accepted,
        Event::Text("hello".into()),
        Event::Lanes(4),
        Event::Disconnected { what: "reset".into(), retry: second },
        Event::Reconnected,
        Event::Restarted,
        Event::KeptBoth { path: path(b"x"), name: name.clone() },
        Event::KeptBoth { path: path(b"\xff"), name: name.clone() },
        Event::Entry(end(b"x", None)),
        Event::Entry(end(b"x", Some(Failure::new(Reason::Exists, "")))),
        Event::Entry(end(b"caf\xe9", Some(Failure::new(Reason::Changed, "since")))),
    ];
    let mut lines: Vec<Object> =
        events.iter().map(|event| lines::event(begun, event, None).unwrap()).collect();
    for again in [None, Some("p2pc send --code c x")] {
        lines.push(lines::event(begun, &ready(), Some(&invitation(again))).unwrap());
    }
    lines.push(lines::progress(begun, &Progress::default(), None, None));
    lines.push(lines::progress(begun, &Progress::default(), Some(7), Some(second)));
    let warnings = [
        Warning::PlainRelay,
        Warning::TokenWithheld,
        Warning::TokenWanted,
        Warning::UnknownWords,
        Warning::WordCount,
    ];
    for warning in warnings {
        lines.push(lines::warning(begun, warning, "note"));
    }
    lines.push(lines::left_out(begun, 3));
    for excluded in [0, 1] {
        lines.push(lines::summary(begun, &Report { elapsed: second, excluded, ..Report::default() }, 0));
    }
    let error = || Error::new(Kind::Disk, "full");
    lines.push(lines::error(begun, &error(), 7));
    lines.push(lines::error(begun, &error().hint("Make room."), 7));
    lines.into_iter().map(Object::end).collect()
}

#[test]
fn the_page_lists_every_event_with_its_fields() {
    let mut seen: BTreeMap<String, Vec<BTreeSet<String>>> = BTreeMap::new();
    for line in all_lines() {
        let Value::Object(object) = serde_json::from_str(&line).unwrap() else { panic!("{line}") };
        let event = object["event"].as_str().unwrap().to_owned();
        let common = ["time", "event"];
        let fields = object.keys().filter(|key| !common.contains(&key.as_str())).cloned().collect();
        seen.entry(event).or_default().push(fields);
    }
    let mut told = BTreeSet::new();
    for row in table("json events") {
        let event = named(row[0])[0];
        told.insert(event.to_owned());
        let lines = seen.get(event).unwrap_or_else(|| panic!("{event} does not exist"));
        let (maybe, always): (Vec<&str>, Vec<&str>) =
            named(row[1]).into_iter().partition(|field| field.ends_with('?'));
        let always: BTreeSet<String> = always.into_iter().map(str::to_owned).collect();
        let maybe: BTreeSet<String> =
            maybe.into_iter().map(|field| field.trim_end_matches('?').to_owned()).collect();
        let (mut in_all, mut in_any) = (lines[0].clone(), BTreeSet::new());
        for line in lines {
            in_all = in_all.intersection(line).cloned().collect();
            in_any.extend(line.iter().cloned());
        }
        assert_eq!(in_all, always, "{event}");
        assert_eq!(in_any.difference(&in_all).cloned().collect::<BTreeSet<_>>(), maybe, "{event}");
    }
    assert_eq!(told, seen.into_keys().collect());
}

/// The fields of each line stand in the table, and in the order of the program.
#[test]
fn the_example_of_the_page_is_one_that_the_program_could_print() {
    let (_, rest) = PAGE.split_once("<!-- json example -->\n```json\n").unwrap();
    let (example, _) = rest.split_once("```").unwrap();
    let rows = table("json events");
    for line in example.lines() {
        let Value::Object(object) = serde_json::from_str(line).unwrap() else { panic!("{line}") };
        let event = object["event"].as_str().unwrap();
        let row = rows.iter().find(|row| named(row[0])[0] == event).unwrap_or_else(|| panic!("{event}"));
        let always = named(row[1]).into_iter().filter(|field| !field.ends_with('?'));
        let expected: Vec<&str> = ["time", "event"].into_iter().chain(always).collect();
        let keys = line.split("\":").filter_map(|before| before.rsplit('"').next());
        let in_line: Vec<&str> = keys.take(expected.len()).collect();
        assert_eq!(in_line, expected, "{line}");
        assert_eq!(object.len(), expected.len(), "{line}");
    }
    assert_eq!(serde_json::from_str::<Value>(example.lines().last().unwrap()).unwrap()["event"], "summary");
}

#[test]
fn the_page_lists_every_reason_and_kind() {
    let reasons = [
        Reason::Unreadable,
        Reason::Special,
        Reason::Changed,
        Reason::Vanished,
        Reason::NameUnusable,
        Reason::NameUnfit,
        Reason::LinkOutside,
        Reason::Exists,
        Reason::Collides,
        Reason::NoDirectory,
        Reason::Unwritable,
        Reason::Corrupt,
        Reason::DirectoryThere,
        Reason::Missing,
        Reason::OnlyOne,
    ];
    let told: Vec<_> = table("json reasons").iter().map(|row| named(row[0])[0]).collect();
    assert_eq!(told, reasons.map(lines::reason));
    let kinds = [
        Kind::Internal,
        Kind::Usage,
        Kind::NobodyCame,
        Kind::Authentication,
        Kind::Relay,
        Kind::ConnectionLost,
        Kind::Disk,
        Kind::Refused,
        Kind::Incomplete,
        Kind::Protocol,
        Kind::Interrupted,
    ];
    let told: Vec<_> = table("json kinds").iter().map(|row| (named(row[0])[0], row[1])).collect();
    for ((told, status), kind) in told.iter().zip(kinds) {
        assert_eq!(
            (*told, status.split(',').next()),
            (lines::kind_of_error(kind), Some(&*kind.exit_status().to_string()))
        );
    }
    assert_eq!(told.len(), kinds.len());
}

/// What `tell` makes of a reader that reads at last.
fn told(tell: impl FnOnce(&Events)) -> Vec<Value> {
    let (mut reader, writer) = io::pipe().unwrap();
    let events = Events::on(writer, Cancel::new()).unwrap();
    let read = |reader: &mut PipeReader| {
        let mut seen = String::new();
        reader.read_to_string(&mut seen).map(|_| seen)
    };
    let seen = std::thread::scope(|scope| {
        tell(&events);
        let seen = scope.spawn(|| read(&mut reader));
        drop(events);
        seen.join().unwrap().unwrap()
    });
    seen.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_name_that_is_no_text_loses_nothing() {
    let name = b"caf\xe9\n\"\x1b";
    let end = EntryEnd { path: path(name), kind: KindTag::File, bytes: 0, failure: None };
    let line = &told(|events| events.event(&Event::Entry(end), None))[0];
    assert_eq!(line["path"], "caf\u{fffd}\n\"\u{1b}");
    assert_eq!(data_encoding::BASE64.decode(line["path_base64"].as_str().unwrap().as_bytes()).unwrap(), name);
}

#[test]
fn progress_comes_seldom_and_the_last_of_it_before_the_end() {
    let at = |bytes_done| Event::Progress(Progress { bytes_done, bytes_total: 100, ..Progress::default() });
    let lines = told(|events| {
        (0..100).for_each(|done| events.event(&at(done), None));
        events.event(&at(100), None);
        events.summary(&Report::default(), 0);
    });
    let events: Vec<_> = lines.iter().map(|line| line["event"].as_str().unwrap()).collect();
    assert_eq!(events.last(), Some(&"summary"));
    let (first, last) = (&lines[0]["bytes_done"], &lines[lines.len() - 2]["bytes_done"]);
    assert_eq!((first.as_u64(), last.as_u64()), (Some(0), Some(100)));
    // The clock may go on for a second meanwhile, on a busy machine; not for fifty.
    assert!(lines.len() < 50, "{}", lines.len());
}

#[test]
fn who_does_not_read_misses_entries_and_never_the_end() {
    let end = |name: &[u8]| EntryEnd { path: path(name), kind: KindTag::File, bytes: 0, failure: None };
    let entries = 2 * crate::term::queue::PASSING_BYTES_MAX / 200;
    let lines = told(|events| {
        (0..entries).for_each(|_| events.event(&Event::Entry(end(&[b'x'; 200])), None));
        events.summary(&Report::default(), 0);
    });
    let count = |event: &str| lines.iter().filter(|line| line["event"] == event).count();
    let left_out: u64 = lines.iter().filter_map(|line| line["events"].as_u64()).sum();
    assert!(left_out > 0);
    assert_eq!(count("entry") as u64 + left_out, entries as u64);
    assert_eq!(lines.last().unwrap()["event"], "summary");
}

#[test]
fn a_reader_that_has_gone_ends_the_transfer() {
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    let cancel = Cancel::new();
    let events = Events::on(writer, cancel.clone()).unwrap();
    events.event(&Event::Accepted, None);
    smol::block_on(cancel.cancelled());
    assert!(events.is_closed());
}

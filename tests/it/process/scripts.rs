//! What scripts get: events as JSON, and runs without a terminal, a home or an open standard input.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use rustix::process::Signal;
use serde_json::Value;

use super::program::{Ended, Program, binary, p2pc, typed};
use super::scene::{Halfway, Scene};
use super::{CODE, Relay, small_file, with_code};

/// The events of a program that has ended, each held to the page; the last one is the end, and the only one.
fn events(ended: &Ended) -> Vec<Value> {
    let page = page();
    let text = std::str::from_utf8(&ended.stdout).unwrap();
    let events: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for event in &events {
        let fields = event.as_object().unwrap();
        let name = fields["event"].as_str().unwrap();
        let (always, maybe) = page.get(name).unwrap_or_else(|| panic!("{name} is not on the page"));
        let seen: BTreeSet<&str> =
            fields.keys().map(String::as_str).filter(|field| !["time", "event"].contains(field)).collect();
        let known: BTreeSet<&str> = always.iter().chain(maybe).map(String::as_str).collect();
        assert!(seen.is_subset(&known), "{event}");
        assert!(always.iter().all(|field| seen.contains(field.as_str())), "{event}");
        assert!(fields["time"].as_str().unwrap().ends_with('Z'), "{event}");
    }
    let ends = ["summary", "error"];
    let at: Vec<usize> =
        (0..events.len()).filter(|at| ends.contains(&events[*at]["event"].as_str().unwrap())).collect();
    assert_eq!(at, [events.len() - 1], "{text}");
    events
}

/// The fields of every event of the page: those that are always there, and those that may be.
fn page() -> BTreeMap<String, (Vec<String>, Vec<String>)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/json.md");
    let page = std::fs::read_to_string(path).unwrap();
    let (_, rest) = page.split_once("<!-- json events -->\n").unwrap();
    let named =
        |cell: &str| -> Vec<String> { cell.split('`').skip(1).step_by(2).map(str::to_owned).collect() };
    let row = |row: &str| {
        let cells: Vec<&str> = row.trim_matches('|').split('|').collect();
        let (maybe, always) = named(cells[1]).into_iter().partition(|field| field.ends_with('?'));
        let maybe = Vec::into_iter(maybe).map(|field: String| field.trim_end_matches('?').to_owned());
        (named(cells[0]).remove(0), (always, maybe.collect()))
    };
    rest.lines().take_while(|line| line.starts_with('|')).skip(2).map(row).collect()
}

fn find<'e>(events: &'e [Value], name: &str) -> &'e Value {
    events.iter().find(|event| event["event"] == name).unwrap_or_else(|| panic!("no {name}: {events:?}"))
}

#[test]
fn a_program_reads_the_code_and_the_outcome() {
    let dir = tempfile::tempdir().unwrap();
    let (relay, file, out) = (Relay::start(), small_file(dir.path()), dir.path().join("out"));
    let mut sender = Program::start(p2pc("send").args(["--json", "--relay", &relay.url]).arg(&file));
    let ready: Value = loop {
        let event: Value = serde_json::from_str(&sender.prints()).unwrap();
        if event["event"] == "code_ready" {
            break event;
        }
    };
    let code = ready["code"].as_str().unwrap();
    assert!(code.ends_with(&format!("@{}", relay.url)), "{code}");
    assert!(ready["command"].as_str().unwrap().starts_with("p2pc receive "), "{ready}");
    assert!(ready["again"].as_str().unwrap().starts_with("p2pc send --code "), "{ready}");
    assert_eq!(
        (&ready["relays"][0], &ready["embedded"]),
        (&Value::from(relay.url.clone()), &Value::from(false))
    );
    let received = Program::start(p2pc("receive").args(["--json", "--yes", code, "-o"]).arg(&out)).exits(0);
    let sent = sender.exits(0);
    for (side, last) in [(&sent, "code_ready"), (&received, "waiting")] {
        assert_eq!(side.stderr, "", "nothing is wrong");
        let events = events(side);
        find(&events, last);
        find(&events, "paired");
        find(&events, "accepted");
        assert_eq!(find(&events, "offer")["names"][0], "small");
        let entry = find(&events, "entry");
        assert_eq!(
            (&entry["path"], &entry["kind"], &entry["bytes"]),
            (&"small".into(), &"file".into(), &5.into())
        );
        assert_eq!(entry["delivered"], true);
        let progress = events.iter().rfind(|event| event["event"] == "progress").unwrap();
        assert_eq!((&progress["bytes_done"], &progress["complete"]), (&5.into(), &true.into()));
        let summary = find(&events, "summary");
        assert_eq!((&summary["delivered"], &summary["exit_status"]), (&1.into(), &0.into()));
    }
}

#[test]
fn what_was_not_delivered_has_a_reason_and_the_end_a_status() {
    let dir = tempfile::tempdir().unwrap();
    let (relay, file, out) = (Relay::start(), small_file(dir.path()), dir.path().join("out"));
    std::fs::create_dir(&out).unwrap();
    std::fs::write(out.join("small"), b"mine").unwrap();
    let sender = Program::start(relay.send().arg("--json").arg(&file));
    let received = Program::start(relay.receive(&out).arg("--json")).exits(9);
    for side in [sender.exits(9), received] {
        let events = events(&side);
        let entry = find(&events, "entry");
        assert_eq!((&entry["delivered"], &entry["reason"]), (&false.into(), &"exists".into()));
        let summary = find(&events, "summary");
        assert_eq!((&summary["failed"], &summary["exit_status"]), (&1.into(), &9.into()));
        // A log has the short of it, and what the events say is not said again.
        assert_eq!(side.stderr, "p2pc: 1 entry was not delivered\n");
    }
}

#[test]
fn what_is_left_out_is_counted_in_the_summary() {
    let dir = tempfile::tempdir().unwrap();
    let (relay, tree, out) = (Relay::start(), dir.path().join("tree"), dir.path().join("out"));
    std::fs::create_dir(&tree).unwrap();
    for name in ["a", "b", "c"] {
        std::fs::write(tree.join(name), name).unwrap();
    }
    let sender = Program::start(relay.send().args(["--json", "--exclude", "*"]).arg(&tree));
    let received = Program::start(relay.receive(&out).arg("--json")).exits(0);
    let sent = events(&sender.exits(0));
    assert_eq!(
        (&find(&sent, "summary")["excluded"], &find(&sent, "summary")["delivered"]),
        (&3.into(), &1.into())
    );
    assert!(find(&events(&received), "summary").get("excluded").is_none(), "a receiver does not know");
    // And for people; also where nothing at all is left, which is as they wanted it.
    let list = dir.path().join("list");
    std::fs::write(&list, format!("{}/a\n{0}/b\n", tree.display())).unwrap();
    let (sent, received) =
        relay.carries(relay.send().args(["--exclude", "[ab]", "--files-from"]).arg(&list), &out, 0);
    assert!(received.stderr.contains("Received"), "{}", received.stderr);
    let top = "Sent ";
    assert!(
        sent.stderr.contains(top) && sent.stderr.contains("; 2 entries were left out"),
        "{}",
        sent.stderr
    );
    std::fs::write(dir.path().join("x.log"), "x").unwrap();
    let line = "echo x.log | p2pc send --lanes 1 --files-from - --exclude '*.log'";
    let mut command = typed(line);
    command.current_dir(dir.path()).env("P2PC_CODE", format!("{CODE}@{}", relay.url));
    let (sent, _) = relay.carries(&mut command, &out, 0);
    assert!(sent.stderr.contains("Nothing was left to send: 1 entry was left out"), "{}", sent.stderr);
}

#[cfg(target_os = "linux")]
#[test]
fn a_name_that_is_no_text_arrives_with_its_bytes() {
    use std::os::unix::ffi::OsStrExt as _;
    let dir = tempfile::tempdir().unwrap();
    let (relay, tree, out) = (Relay::start(), dir.path().join("tree"), dir.path().join("out"));
    std::fs::create_dir(&tree).unwrap();
    std::fs::write(tree.join(std::ffi::OsStr::from_bytes(b"caf\xe9\n")), b"x").unwrap();
    let sender = Program::start(relay.send().arg(&tree));
    let received = Program::start(relay.receive(&out).arg("--json")).exits(0);
    sender.exits(0);
    let events = events(&received);
    let entry = find(&events, "entry");
    assert_eq!(entry["path"], "tree/caf\u{fffd}\n");
    assert_eq!(entry["path_base64"], "dHJlZS9jYWbpCg==");
}

#[test]
fn a_connection_that_is_lost_and_found_is_told() {
    let mut scene = Scene::with_file(8 << 20);
    let Halfway { line, sender, receiver } = scene.halfway_with(2 << 20, &["--json"], &["--json"]);
    scene.relay = scene.relay.restart();
    line.release();
    for side in [sender.exits(0), receiver.exits(0)] {
        let events = events(&side);
        assert_eq!(find(&events, "disconnected")["retry_s"], 600.0);
        find(&events, "reconnected");
    }
    scene.is_equal();
}

#[test]
fn every_end_is_told_with_its_status() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let unreachable = format!("ws://{gone}");
    let code = format!("{CODE}@{unreachable}");
    for (line, status, kind) in [
        (&["--yes", "--json", &code][..], 5, "relay"),
        (&["--json", &code], 2, "usage"),
        (&["--yes", "--json", "--bogus"], 2, "usage"),
        (&["--yes", "--json", "--out", "/dev/null", &code], 7, "disk"),
    ] {
        let ended = Program::start(p2pc("receive").args(line)).exits(status);
        let events = events(&ended);
        let error = find(&events, "error");
        assert_eq!((&error["kind"], &error["exit_status"]), (&kind.into(), &status.into()));
        let said = ended.stderr.replace("p2pc: ", "");
        assert!(said.starts_with(error["message"].as_str().unwrap()), "{said} {error}");
    }
    let dir = tempfile::tempdir().unwrap();
    let (relay, file) = (Relay::start(), small_file(dir.path()));
    let mut sender = Program::start(p2pc("send").args(["--json", "--relay", &relay.url]).arg(file));
    while !sender.prints().contains("code_ready") {}
    sender.signal(Signal::TERM);
    let ended = sender.exits(143);
    let events = events(&ended);
    assert_eq!(find(&events, "error")["kind"], "interrupted");
    assert_eq!(find(&events, "error")["exit_status"], 143);
}

/// Neither a home nor a terminal nor anything on standard input: a job of cron's, or less.
#[test]
fn nothing_is_needed_of_the_surroundings() {
    let dir = tempfile::tempdir().unwrap();
    let (relay, out) = (Relay::start(), dir.path().join("out"));
    small_file(dir.path());
    let code = format!("{CODE}@{}", relay.url);
    let bare = |command: &str| {
        let line = format!("exec env -i P2PC_CODE={code} {} {command} <&-", binary());
        Program::start(typed(&line).current_dir(dir.path()))
    };
    let sender = bare("send --lanes 1 --quiet small -");
    let receiver = bare("receive --yes --quiet --out out");
    for side in [sender.exits(0), receiver.exits(0)] {
        assert_eq!((side.stderr.as_str(), side.stdout.as_slice()), ("", &b""[..]));
    }
    assert_eq!(std::fs::read(out.join("small")).unwrap(), b"hello");
    assert_eq!(std::fs::read(out.join("stdin")).unwrap(), b"", "what is closed is at its end");
    // Without --yes there is nobody to ask, and nothing is dialled.
    let ended = bare("receive --out out").exits(2);
    assert!(ended.stderr.contains("--yes"), "{}", ended.stderr);
    // With all three closed it still does what it is told.
    std::fs::remove_dir_all(&out).unwrap();
    let sender = bare("send --lanes 1 small");
    let receiver = bare("receive --yes --out out >&- 2>&-");
    receiver.exits(0);
    sender.exits(0);
    assert_eq!(std::fs::read(out.join("small")).unwrap(), b"hello");
}

#[test]
fn a_program_that_stops_reading_ends_the_transfer_quietly() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let dir = tempfile::tempdir().unwrap();
    let (relay, file) = (Relay::start(), small_file(dir.path()));
    let mut command = with_code(p2pc("send"), &relay.url);
    let ended = Program::start(command.arg("--json").arg(file).stdout(writer)).exits(141);
    assert_eq!(ended.stderr, "");
}

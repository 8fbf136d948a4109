//! What people see of a transfer, and how they answer.

use std::io::{PipeReader, Read as _};

use super::*;
use crate::cli::words::{self, Typed};
use crate::events::{Decision, EntryEnd, Report, Resolution, Version};
use crate::proto::code::Code;
use crate::proto::frame::{Failure, Reason};
use crate::proto::manifest::KindTag;
use crate::proto::path::{Name, RelPath};
use crate::term::queue::PASSING_BYTES_MAX;
use crate::term::screen::Screen;
use crate::term::writer::Writer;
use crate::{Error, Kind};

fn console(volume: Volume, queue: Arc<Queue>, tty: Option<Tty>) -> Console {
    let setting = Setting {
        side: Side::Receive,
        volume,
        json: false,
        verify: false,
        out: Some(".".into()),
        resumes: true,
        invite_options: Vec::new(),
        private_ca: false,
        showing: Showing::None,
    };
    Console::new(setting, Line::new("p2pc receive"), queue, tty, Cancel::new())
}

/// Writes what the console says into a pipe, until it is dropped.
fn writer() -> (Writer, PipeReader) {
    let (reader, err) = io::pipe().unwrap();
    let out = err.try_clone().unwrap();
    (Writer::start(Screen::on(err, out, messages::left_out)).unwrap(), reader)
}

fn entry(name: &str) -> EntryEnd {
    let path = RelPath::root().join(&Name::new(name.as_bytes()).unwrap()).unwrap();
    EntryEnd { path, kind: KindTag::File, bytes: 1, failure: None }
}

/// Everything that `tell` makes a console say where there is no terminal.
fn told(volume: Volume, words: &[&str], tell: impl FnOnce(&Console)) -> String {
    let (writer, mut pipe) = writer();
    let mut console = console(volume, writer.queue(), None);
    let words: Vec<_> = words.iter().map(|word| (*word).into()).collect();
    match words::read(&words) {
        Ok(Typed::Send(_, line)) => (console.line, console.setting.side) = (line, Side::Send),
        Ok(Typed::Receive(args, line)) => {
            console.line = line;
            console.setting.out = args.out.map(|out| out.path());
        }
        _ => {}
    }
    tell(&console);
    drop((console, writer));
    let mut seen = String::new();
    pipe.read_to_string(&mut seen).unwrap();
    seen
}

const LOST: Duration = Duration::from_secs(600);

fn disconnected() -> Event {
    Event::Disconnected { what: "reset".into(), retry: LOST }
}

#[test]
fn where_there_is_no_terminal_a_lost_connection_takes_two_lines() {
    let lose_and_find = |console: &Console| {
        console.event(disconnected());
        console.paint();
        console.event(Event::Reconnected);
    };
    let lines = format!("{}\n{}\n", messages::disconnected("reset", LOST), messages::RECONNECTED);
    assert_eq!(told(Volume::Normal, &[], lose_and_find), lines);
    assert_eq!(told(Volume::Verbose, &[], lose_and_find), lines);
    assert_eq!(told(Volume::Quiet, &[], lose_and_find), "");
}

#[test]
fn on_a_terminal_the_status_line_counts_down_and_goes_on() {
    let (reader, err) = io::pipe().unwrap();
    let screen = Screen::on(err, io::sink(), messages::left_out).with_status();
    let writer = Writer::start(screen).unwrap();
    let console = console(Volume::Normal, writer.queue(), None);
    let (seen, mut reader) = (&mut Vec::new(), reader);
    let mut sees = |text: &str| {
        let mut byte = [0];
        while !seen.ends_with(text.as_bytes()) {
            reader.read_exact(&mut byte).unwrap();
            seen.push(byte[0]);
        }
        std::mem::take(seen)
    };
    // Nothing has moved yet, and still it is told.
    console.event(disconnected());
    sees("connection lost (9:5");
    console.event(Event::Accepted);
    console.event(Event::Progress(Progress { bytes_done: 7, ..Progress::default() }));
    console.event(Event::Reconnected);
    while {
        console.paint();
        writer.queue().line("next");
        !String::from_utf8(sees("next")).unwrap().contains("\r7 B")
    } {}
}

#[test]
fn who_is_not_asked_to_compare_is_told_who_is() {
    let said = told(Volume::Normal, &["receive", "-o", "in"], |console| {
        let status = || console.state().status(Side::Receive, None).unwrap_or_default();
        console.event(Event::Paired { cipher: crate::proto::seal::Mode::Aes256Gcm, encryption_kept: false });
        console.event(Event::Verify("13-07".into()));
        assert!(status().starts_with("waiting for the other side to compare  0:00"), "{}", status());
        console.event(Event::Offer(Offer::default()));
        assert!(status().starts_with("waiting for the list"), "{}", status());
    });
    assert!(
        said.ends_with(
            "Verification: 13-07\nThe other side asks whether this is what it shows: tell them.\n"
        )
    );
}

#[test]
fn a_side_that_came_anew_is_told_of() {
    let told = told(Volume::Normal, &[], |console| {
        console.event(Event::Accepted);
        console.event(disconnected());
        console.event(Event::Restarted);
        assert!(console.state().lost.is_none());
        console.event(Event::Accepted);
    });
    assert_eq!(told.matches("Offered").count(), 1, "{told}");
    assert!(told.ends_with(&format!("{}\n", messages::RESTARTED)), "{told}");
}

#[test]
fn names_that_were_found_for_both_are_told() {
    let kept = || Event::KeptBoth { path: entry("a").path, name: Name::new(b"a (1)").unwrap() };
    assert!(told(Volume::Normal, &[], |console| console.event(kept())).ends_with("is called a (1)\n"));
    assert_eq!(told(Volume::Quiet, &[], |console| console.event(kept())), "");
}

fn lost_for_good() -> Error {
    Error::new(Kind::ConnectionLost, "lost")
}

#[test]
fn an_end_that_can_be_mended_says_how_to_go_on() {
    let line = ["receive", "-o", "in", "48213-acid-crane-otter@r.example"];
    let goes_on = "What has arrived is kept. With the same code it goes on, once both sides run:\n\n    \
                   p2pc receive --out in 48213-acid-crane-otter@r.example\n\n";
    for kind in [Kind::ConnectionLost, Kind::Disk, Kind::Interrupted, Kind::Refused] {
        let said = told(Volume::Normal, &line, |console| {
            console.event(Event::Accepted);
            console.fail(&Error::new(kind, "x"));
        });
        assert!(said.ends_with(&format!("p2pc: x\n{goes_on}")), "{said}");
    }
    // Of a stream nothing is kept, and nobody can go on with it.
    let said = told(Volume::Normal, &line, |console| {
        console.event(Event::Offer(Offer { streams: 1, ..Offer::default() }));
        console.event(Event::Accepted);
        console.fail(&Error::new(Kind::ConnectionLost, "x"));
    });
    assert!(said.ends_with("p2pc: x\n"), "{said}");
}

#[test]
fn what_was_not_delivered_is_sent_again_and_does_not_go_on() {
    let line = ["receive", "-o", "in", "48213-acid-crane-otter@r.example"];
    let failed = EntryEnd { failure: Some(Failure::new(Reason::Unwritable, "")), ..entry("a") };
    let said = told(Volume::Normal, &line, |console| {
        console.event(Event::Accepted);
        let report = Report { failed: 1, unwritten: 1, failures: vec![failed], ..Report::default() };
        assert_eq!(console.conclude(&report), Some(Kind::Disk));
    });
    assert!(said.contains("and have it sent again"), "{said}");
    assert!(!said.contains("same code"), "both sides have ended: {said}");
}

#[test]
fn the_time_of_a_question_is_not_in_the_rate() {
    let said = told(Volume::Normal, &["receive", "-o", "in"], |console| {
        console.event(Event::Accepted);
        let mut state = console.state();
        state.pauses.begin(Duration::ZERO, 0);
        state.pauses.end(Duration::from_secs(58), 0);
        drop(state);
        let elapsed = Duration::from_secs(60);
        console.conclude(&Report { delivered: 1, bytes: 2 << 20, elapsed, ..Report::default() });
    });
    assert!(said.contains("2.0 MiB in 2 s (1.0 MiB/s)"), "{said}");
}

#[test]
fn a_sender_says_what_goes_once_it_goes() {
    let offer = || Offer { files: 2, bytes: 7, complete: true, ..Offer::default() };
    let said = told(Volume::Normal, &["send", "a"], |console| {
        console.event(Event::Offer(offer()));
        console.event(Event::Accepted);
    });
    assert_eq!(said, "Sending 2 files, 7 B\n");
}

#[test]
fn what_a_disk_did_not_take_is_the_receivers_trouble() {
    let report = Report { failed: 2, unwritten: 1, ..Report::default() };
    for (words, trouble) in [
        (&["receive", "-o", "in"][..], Kind::Disk),
        (&["receive", "-o", "-"], Kind::Incomplete),
        (&["send", "a"], Kind::Incomplete),
    ] {
        told(Volume::Normal, words, |console| assert_eq!(console.conclude(&report), Some(trouble)));
    }
    told(Volume::Normal, &[], |console| assert_eq!(console.conclude(&Report::default()), None));
}

#[test]
fn an_end_that_nothing_mends_or_that_lost_nothing_says_no_more() {
    let line = ["receive", "48213-acid-crane-otter@r.example"];
    let after = |volume, line: &[&str], accepted: bool, kind| {
        let said = told(volume, line, |console| {
            if accepted {
                console.event(Event::Accepted);
            }
            console.fail(&Error::new(kind, "x"));
        });
        assert!(said.ends_with("p2pc: x\n"), "{said}");
    };
    after(Volume::Normal, &line, false, Kind::ConnectionLost);
    after(Volume::Normal, &line, true, Kind::Protocol);
    after(Volume::Quiet, &line, true, Kind::ConnectionLost);
    after(Volume::Normal, &["send", "a", "-"], true, Kind::ConnectionLost);
    after(Volume::Normal, &["receive", "-o", "-"], true, Kind::ConnectionLost);
}

#[test]
fn the_code_that_was_made_here_goes_on() {
    let (code, _) = Code::parse("48213-acid-crane-otter", false).unwrap();
    let relays = vec!["ws://10.0.0.5:41234".parse().unwrap()];
    let made = |embedded| Event::CodeReady { code: code.clone(), relays: relays.clone(), embedded };
    for (embedded, command) in [
        (true, "p2pc send --code 48213-acid-crane-otter --listen :41234 a\n"),
        (false, "p2pc send --code 48213-acid-crane-otter@ws://10.0.0.5:41234 a\n"),
    ] {
        let said = told(Volume::Normal, &["send", "a"], |console| {
            console.event(made(embedded));
            console.event(Event::Accepted);
            console.fail(&lost_for_good());
        });
        assert_eq!(said.matches(command).count(), 2, "{said}");
    }
    let said = told(Volume::Normal, &["send", "-"], |console| console.event(made(true)));
    assert!(!said.contains("p2pc send"), "{said}");
    let said = told(Volume::Quiet, &["send", "a"], |console| console.event(made(true)));
    assert_eq!(said, "48213-acid-crane-otter@ws://10.0.0.5:41234\n");
}

#[test]
fn nothing_waits_for_a_pipe_that_nobody_reads_and_no_warning_is_lost() {
    let (writer, mut pipe) = writer();
    let console = console(Volume::Verbose, writer.queue(), None);
    let name = "x".repeat(200);
    let entry = entry(&name);
    console.event(Event::WrongGuess { left: 2 });
    // More than the pipe, the writer and the queue hold together.
    for _ in 0..3 * PASSING_BYTES_MAX / name.len() {
        console.event(Event::Entry(entry.clone()));
    }
    console.event(Event::WrongGuess { left: 1 });
    console.conclude(&Report { failed: 1, failures: vec![entry], ..Report::default() });
    let seen = std::thread::spawn(move || {
        let mut seen = String::new();
        pipe.read_to_string(&mut seen).map(|_| seen)
    });
    drop((console, writer));
    let seen = seen.join().unwrap().unwrap();
    assert!(seen.starts_with(&messages::wrong_guess(2)));
    let (_, end) = seen.split_once("… ").unwrap();
    let (_, end) = end.split_once(" lines left out\n").unwrap();
    assert!(end.starts_with(&messages::wrong_guess(1)) && end.contains("1 entry was not delivered"), "{end}");
}

#[test]
fn a_reader_that_is_slow_gets_every_line() {
    let (writer, mut pipe) = writer();
    let console = console(Volume::Verbose, writer.queue(), None);
    let entry = entry("name");
    for _ in 0..10_000 {
        console.event(Event::Entry(entry.clone()));
    }
    let seen = std::thread::spawn(move || {
        let mut seen = String::new();
        pipe.read_to_string(&mut seen).map(|_| seen)
    });
    drop((console, writer));
    assert_eq!(seen.join().unwrap().unwrap(), "name  1 B\n".repeat(10_000));
}

#[test]
fn a_code_that_nobody_can_read_ends_the_transfer() {
    let (reader, out) = io::pipe().unwrap();
    drop(reader);
    let writer = Writer::start(Screen::on(io::sink(), out, messages::left_out)).unwrap();
    let console = console(Volume::Normal, writer.queue(), None);
    let (code, _) = Code::parse("48213-acid-crane-otter", false).unwrap();
    console.event(Event::CodeReady { code, relays: Vec::new(), embedded: false });
    smol::block_on(console.cancel.cancelled());
    assert!(console.stdout_closed(&Error::new(Kind::Interrupted, "interrupted")));
}

#[test]
fn a_reader_that_went_away_is_told_from_other_trouble() {
    let error = |kind| Error::new(Kind::Disk, "cannot write").caused_by(io::Error::from(kind));
    let (writer, _pipe) = writer();
    let mut console = console(Volume::Quiet, writer.queue(), None);
    assert!(!console.stdout_closed(&error(io::ErrorKind::BrokenPipe)), "entries go into a directory");
    console.setting.out = Some("-".into());
    assert!(console.stdout_closed(&error(io::ErrorKind::BrokenPipe)));
    assert!(!console.stdout_closed(&error(io::ErrorKind::StorageFull)));
}

fn conflict(name: &str) -> Conflict {
    let version = |mtime_s| Version { size: Some(1), mtime_s, target: None };
    Conflict { path: entry(name).path, ours: version(0), theirs: version(1) }
}

#[test]
fn without_a_terminal_nobody_agrees() {
    let (writer, _pipe) = writer();
    let console = console(Volume::Quiet, writer.queue(), None);
    smol::block_on(async {
        assert!(!console.ask(Question::Accept(Offer::default())).await);
        assert!(!console.ask(Question::Verify("x".into())).await);
        let left_alone = Decision { resolution: Resolution::Skip, for_all: true };
        assert_eq!(console.decide(conflict("a")).await, left_alone);
    });
}

#[cfg(unix)]
mod at_a_terminal {
    use futures_lite::future::or;

    use super::*;
    use crate::term::tty::testing::pair;

    fn offer(files: u64) -> Offer {
        Offer { files, ..Offer::default() }
    }

    #[test]
    fn an_offer_grows_above_the_question_until_it_is_answered() {
        let (tty, mut person) = pair();
        let console = console(Volume::Quiet, person.queue(), Some(tty));
        std::thread::scope(|scope| {
            let asked = scope.spawn(|| smol::block_on(console.ask(Question::Accept(offer(1)))));
            person.sees("at least 1 file, size unknown");
            person.sees("[y/N] ");
            console.event(Event::Offer(offer(7)));
            person.sees("at least 7 files, size unknown");
            person.types("perhaps\n");
            person.sees("  n  no, or Enter alone");
            person.sees("at least 7 files, size unknown");
            person.sees("[y/N] ");
            person.types("y\n");
            assert!(asked.join().unwrap());
        });
        person.sees("y\x1b[K\r\n");
        console.event(Event::Offer(offer(9)));
        console.tty.as_ref().unwrap().line("end");
        assert_eq!(person.sees("end"), "end", "the offer is left alone once it is answered");
    }

    #[test]
    fn enter_alone_is_no() {
        let (tty, mut person) = pair();
        let console = console(Volume::Quiet, person.queue(), Some(tty));
        std::thread::scope(|scope| {
            let asked = scope.spawn(|| smol::block_on(console.ask(Question::Verify("13-07".into()))));
            person.sees("13-07");
            person.sees("[y/N] ");
            person.types("\n");
            assert!(!asked.join().unwrap());
        });
    }

    #[test]
    fn a_question_that_is_given_up_leaves_the_line() {
        let (tty, mut person) = pair();
        let console = console(Volume::Quiet, person.queue(), Some(tty));
        let asked = async {
            console.ask(Question::Accept(offer(1))).await;
            panic!("nobody answered");
        };
        let given_up = smol::unblock(move || {
            person.sees("[y/N] ");
            person
        });
        let mut person = smol::block_on(or(asked, given_up));
        person.sees("\r\n");
        assert!(!console.state().offer_shown);
    }

    #[test]
    fn conflicts_are_put_one_after_the_other() {
        let (tty, mut person) = pair();
        let console = console(Volume::Quiet, person.queue(), Some(tty));
        let answers = [
            ("o\n", Resolution::Overwrite, false),
            ("\n", Resolution::Skip, false),
            ("R\n", Resolution::Rename, true),
        ];
        let names = ["first", "second", "third"];
        std::thread::scope(|scope| {
            let asked = scope.spawn(|| {
                names.map(|name| {
                    let decision = smol::block_on(console.decide(conflict(name)));
                    (decision.resolution, decision.for_all)
                })
            });
            for (name, (keys, ..)) in names.iter().zip(answers) {
                let shown = person.sees("Enter skips, ?] \x1b[K");
                assert!(
                    shown.contains(&format!("{name} is there already, and differs (times in UTC):")),
                    "{shown}"
                );
                assert!(shown.contains("offered  1 B  1970-01-01 00:00:01  newer"), "{shown}");
                // What is no answer is explained and asked again.
                person.types("both\n");
                assert!(person.sees("Enter skips, ?] \x1b[K").contains("  r  rename: both are kept"));
                person.types("?\n");
                assert!(person.sees("Enter skips, ?] \x1b[K").contains("  O, S or R  the same"));
                person.types(keys);
            }
            assert_eq!(asked.join().unwrap(), answers.map(|(_, resolution, for_all)| (resolution, for_all)));
        });
    }

    #[test]
    fn notes_and_progress_leave_a_question_whole() {
        let (tty, mut person) = pair();
        let console = console(Volume::Verbose, person.queue(), Some(tty));
        console.event(Event::Accepted);
        std::thread::scope(|scope| {
            let asked = scope.spawn(|| smol::block_on(console.decide(conflict("a"))));
            person.sees("Enter skips, ?] \x1b[K");
            person.types("o");
            person.sees("?] o\x1b[K");
            console.event(Event::Progress(Progress { bytes_done: 7, ..Progress::default() }));
            console.event(Event::KeptBoth { path: entry("b").path, name: Name::new(b"b (1)").unwrap() });
            let shown = person.sees("?] o\x1b[K");
            let (note, question) = shown.split_once("is called b (1)\r\n\r").unwrap();
            assert!(note.ends_with("\x1b[Jnote: b is there already; the new one "), "{shown:?}");
            assert!(
                question.starts_with("a is there already, and differs (times in UTC):\x1b[K\r\n  there"),
                "{shown:?}"
            );
            assert!(!shown.contains("7 B"), "no status line meanwhile: {shown:?}");
            person.types("\n");
            assert_eq!(asked.join().unwrap().resolution, Resolution::Overwrite);
        });
    }

    #[test]
    fn while_a_question_stands_the_time_does_not_count() {
        let (tty, mut person) = pair();
        let console = console(Volume::Quiet, person.queue(), Some(tty));
        console.event(Event::Accepted);
        std::thread::scope(|scope| {
            let asked = scope.spawn(|| smol::block_on(console.decide(conflict("a"))));
            person.sees("Enter skips, ?] ");
            person.types("s\n");
            asked.join().unwrap();
        });
        assert!(!console.state().pauses.total().is_zero());
    }

    #[test]
    fn a_terminal_that_ends_leaves_everything_alone() {
        let (tty, mut person) = pair();
        let console = console(Volume::Normal, person.queue(), Some(tty));
        std::thread::scope(|scope| {
            let asked = scope.spawn(|| smol::block_on(console.decide(conflict("a"))));
            person.sees("Enter skips, ?] \x1b[K");
            person.types("\x04");
            let decision = asked.join().unwrap();
            assert_eq!((decision.resolution, decision.for_all), (Resolution::Skip, true));
        });
    }
}

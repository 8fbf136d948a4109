//! Exit statuses that scripts rely on, one story each, up to the moment when data moves.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;

use std::collections::BTreeSet;
use std::path::Path;

use p2pc::net::dial::{DialOptions, Dialer, RoomRequest};
use p2pc::proto::role::Role;
use rustix::process::Signal;

use super::hostile::say;
use super::program::{Program, p2pc};
use super::scene::{Halfway, Scene};
use super::{CODE, Relay, small_file, with_code};

/// Every status of the table on troubleshooting, from a real process; but for a defect of p2pc itself, of which none is known.
#[test]
fn the_table_of_statuses_is_true() {
    let dir = tempfile::tempdir().unwrap();
    let (file, out) = (small_file(dir.path()), dir.path().join("out"));
    let mut seen = BTreeSet::from([1]);
    let mut ended = |program: Program, status: i32| {
        seen.insert(status);
        program.exits(status)
    };
    let relay = Relay::start();
    let code = format!("{CODE}@{}", relay.url);

    let sender = Program::start(relay.send().arg(&file));
    ended(Program::start(&mut relay.receive(&out)), 0);
    ended(sender, 0);

    ended(Program::start(&mut p2pc("send")), 2);
    ended(Program::start(relay.send().args(["--wait", "1s"]).arg(&file)), 3);

    let mut maker = Program::start(p2pc("send").args(["--relay", &relay.url]).arg(&file));
    let wrong = format!("{}-wrong-wrong-wrong@{}", &maker.prints()[..5], relay.url);
    ended(Program::start(p2pc("receive").args(["--yes", &wrong])), 4);
    maker.says("somebody came with a wrong code");
    for (signal, status) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129)] {
        let mut waiting = Program::start(p2pc("send").args(["--relay", &relay.url]).arg(&file));
        waiting.prints();
        waiting.signal(signal);
        ended(waiting, status);
    }
    maker.signal(Signal::TERM);
    maker.exits(143);

    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    ended(Program::start(with_code(p2pc("receive"), &format!("ws://{gone}")).arg("--yes")), 5);
    ended(Program::start(relay.receive(&file).env("P2PC_CODE", &code)), 7);

    std::fs::write(out.join("small"), b"mine").unwrap();
    let sender = Program::start(relay.send().arg(&file));
    ended(Program::start(&mut relay.receive(&out)), 9);
    ended(sender, 9);

    let scene = Scene::with_file(8 << 20);
    let no_retry = &["--retry", "0"];
    let Halfway { line, sender, receiver } = scene.halfway_with(2 << 20, no_retry, no_retry);
    scene.relay.program.signal(Signal::KILL);
    line.release();
    ended(sender, 6);
    ended(receiver, 6);

    let scene = Scene::with_file(8 << 20);
    let Halfway { line, sender, receiver } = scene.halfway(2 << 20);
    receiver.signal(Signal::TERM);
    ended(receiver, 143);
    line.release();
    ended(sender, 8);

    ended(of_another_version(&relay, &dir.path().join("other")), 10);

    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/troubleshooting.md");
    let page = std::fs::read_to_string(page).unwrap();
    let (_, rest) = page.split_once("<!-- exit status -->\n").unwrap();
    let rows = rest.lines().take_while(|line| line.starts_with('|')).skip(2);
    let told = rows.flat_map(|row| row.split('|').nth(1).unwrap().split(','));
    let told: BTreeSet<i32> = told.map(|status| status.trim().parse().unwrap()).collect();
    assert_eq!(seen, told);
}

/// A receiver that meets a sender of the protocol's next version.
fn of_another_version(relay: &Relay, out: &Path) -> Program {
    let receiver = Program::start(&mut relay.receive(out));
    let seat = RoomRequest { room: CODE[..5].to_owned(), role: Role::Send, fresh: false };
    let dialer = Dialer::new(&DialOptions::default()).unwrap();
    smol::block_on(async {
        let mut connection = dialer.room(&relay.url.parse().unwrap(), &seat).await.unwrap();
        say(&mut connection, b"p2pc\x02\x00".to_vec()).await.unwrap();
        // Until it leaves.
        while connection.reader.next().await.is_ok() {}
    });
    receiver
}

#[test]
fn a_code_without_any_relay_is_wrong_usage() {
    let ended = Program::start(p2pc("receive").args(["--yes", CODE])).exits(2);
    assert!(
        ended.stderr.contains("no relay is known") && ended.stderr.contains("hint: "),
        "{}",
        ended.stderr
    );
}

#[test]
fn without_a_terminal_and_yes_nothing_is_dialled() {
    // Nobody listens there: a dial would end with 5.
    let ended = Program::start(&mut with_code(p2pc("receive"), "ws://127.0.0.1:1")).exits(2);
    assert!(ended.stderr.contains("--yes"), "{}", ended.stderr);
}

#[test]
fn whoever_waits_in_vain_says_that_nobody_came() {
    let dir = tempfile::tempdir().unwrap();
    let (relay, file) = (Relay::start(), small_file(dir.path()));
    let sender = Program::start(relay.send().args(["--wait", "1s"]).arg(file));
    let elsewhere = Relay::start();
    let receiver = Program::start(elsewhere.receive(&dir.path().join("out")).args(["--wait", "1s"]));
    for side in [sender, receiver] {
        let ended = side.exits(3);
        assert!(ended.stderr.contains("did not come in time"), "{}", ended.stderr);
    }
    assert!(!dir.path().join("out").exists());
}

#[test]
fn a_wrong_code_ends_its_taker_and_the_third_ends_the_maker() {
    let dir = tempfile::tempdir().unwrap();
    let (relay, file) = (Relay::start(), small_file(dir.path()));
    let mut maker = Program::start(p2pc("send").args(["--relay", &relay.url]).arg(file));
    let wrong = format!("{}-wrong-wrong-wrong@{}", &maker.prints()[..5], relay.url);
    for warning in ["2 more wrong tries", "1 more wrong try ", "burnt"] {
        let taker = Program::start(p2pc("receive").args(["--yes", &wrong]).current_dir(dir.path()));
        assert!(taker.exits(4).stderr.contains("the code is wrong"));
        maker.says(warning);
    }
    maker.exits(4);
}

#[test]
fn after_a_wrong_code_the_right_one_is_still_good() {
    let dir = tempfile::tempdir().unwrap();
    let (relay, file, out) = (Relay::start(), small_file(dir.path()), dir.path().join("out"));
    let mut maker = Program::start(p2pc("send").args(["--relay", &relay.url]).arg(file));
    let right = maker.prints();
    let wrong = format!("{}-wrong-wrong-wrong@{}", &right[..5], relay.url);
    Program::start(p2pc("receive").args(["--yes", &wrong])).exits(4);
    maker.says("somebody came with a wrong code");
    Program::start(p2pc("receive").args(["--yes", &right, "-o"]).arg(&out)).exits(0);
    maker.exits(0);
    assert_eq!(std::fs::read(out.join("small")).unwrap(), b"hello");
}

#[test]
fn a_relay_that_is_not_there_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("ws://{gone}");
    let sender = Program::start(with_code(p2pc("send"), &url).arg(small_file(dir.path())));
    let receiver = Program::start(with_code(p2pc("receive"), &url).arg("--yes"));
    for side in [sender, receiver] {
        let ended = side.exits(5);
        assert!(
            ended.stderr.contains(&gone.to_string()) && ended.stderr.contains("hint: "),
            "{}",
            ended.stderr
        );
    }
}

#[test]
fn what_answers_and_is_no_relay_is_told_apart() {
    let answers = [
        ("200 OK\r\ncontent-length: 0", "is no p2pc relay"),
        ("404 Not Found\r\ncontent-length: 0", "has no rooms"),
        ("302 Found\r\nlocation: https://elsewhere.example/\r\ncontent-length: 0", "sends us elsewhere"),
    ];
    for (answer, said) in answers {
        let url = answering(answer);
        let ended = Program::start(with_code(p2pc("receive"), &url).arg("--yes")).exits(5);
        assert!(ended.stderr.contains(said) && ended.stderr.contains("hint: "), "{}", ended.stderr);
    }
}

/// A web server for one request.
fn answering(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let mut stream = listener.accept().unwrap().0;
        let mut request = Vec::new();
        let mut byte = [0];
        while !request.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte).unwrap();
            request.push(byte[0]);
        }
        write!(stream, "HTTP/1.1 {answer}\r\n\r\n").unwrap();
    });
    url
}

#[test]
fn a_place_that_is_no_directory_fails_before_the_other_side_is_troubled() {
    let dir = tempfile::tempdir().unwrap();
    let file = small_file(dir.path());
    for out in [file.clone(), file.join("below")] {
        // Nobody listens there: a dial would end with 5.
        let mut command = with_code(p2pc("receive"), "ws://127.0.0.1:1");
        let ended = Program::start(command.arg("--yes").arg("--out").arg(out)).exits(7);
        assert!(ended.stderr.contains("small"), "{}", ended.stderr);
    }
}

#[test]
fn a_directory_that_cannot_be_made_ends_both_sides() {
    let dir = tempfile::tempdir().unwrap();
    let (relay, file) = (Relay::start(), small_file(dir.path()));
    let closed = dir.path().join("closed");
    std::fs::create_dir(&closed).unwrap();
    std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o500)).unwrap();
    // Nothing is closed to root, except what is no file system for files.
    let is_root = rustix::process::geteuid().is_root();
    let out = if is_root { "/proc/p2pc".into() } else { closed.join("out") };
    let sender = Program::start(relay.send().arg(file));
    let receiver = Program::start(&mut relay.receive(&out));
    receiver.exits(7);
    let said = sender.exits(8).stderr;
    assert!(said.contains("the other side"), "{said}");
}

#[test]
fn what_exists_is_left_alone_and_both_sides_say_so() {
    let dir = tempfile::tempdir().unwrap();
    let (relay, file, out) = (Relay::start(), small_file(dir.path()), dir.path().join("out"));
    std::fs::create_dir(&out).unwrap();
    std::fs::write(out.join("small"), b"mine").unwrap();
    let other = dir.path().join("other");
    std::fs::write(&other, b"arrives").unwrap();
    let (sent, received) = relay.carries(relay.send().args([&file, &other]), &out, 9);
    for side in [sent, received] {
        assert!(side.stderr.contains("1 entry was not delivered:\n  small: "), "{}", side.stderr);
    }
    assert_eq!(std::fs::read(out.join("small")).unwrap(), b"mine");
    assert_eq!(std::fs::read(out.join("other")).unwrap(), b"arrives");
}

#[test]
fn a_path_that_is_not_there_ends_the_sender_before_it_dials() {
    let ended = Program::start(with_code(p2pc("send"), "ws://127.0.0.1:1").arg("/nowhere/at/all")).exits(2);
    assert!(ended.stderr.contains("/nowhere/at/all"), "{}", ended.stderr);
}

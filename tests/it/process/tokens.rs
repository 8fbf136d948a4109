//! A relay that is not open to everybody, its files that change, and what becomes of a token.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use p2pc::net::Connection;
use p2pc::net::dial::{DialOptions, Dialer, RoomRequest};
use p2pc::proto::role::Role;
use rustix::process::Signal;

use super::program::{Ended, Program, p2pc};
use super::scene::Scene;
use super::tls::vector;
use super::wire::{Wire, find};
use super::{BACK, LOST, Relay, small_file, with_code};
use crate::cutting::{Line, Way};

const ANNA: &str = "anna-has-4c1b0f0f6d3e";
const BEN: &str = "ben-has-9f5c7be10a2d";

/// A relay that knows tokens, which stand in a file.
struct Guarded {
    dir: tempfile::TempDir,
    relay: Relay,
    file: PathBuf,
    out: PathBuf,
}

impl Guarded {
    fn start() -> Guarded {
        let dir = tempfile::tempdir().unwrap();
        let tokens = dir.path().join("tokens");
        std::fs::write(&tokens, format!("# who\nanna {ANNA}\nben {BEN}\n")).unwrap();
        let relay = guarded(&tokens, "127.0.0.1:0");
        let (file, out) = (small_file(dir.path()), dir.path().join("out"));
        Guarded { dir, relay, file, out }
    }

    fn tokens(&self) -> PathBuf {
        self.dir.path().join("tokens")
    }

    fn send(&self, token: Option<&str>) -> Command {
        let mut command = self.relay.send();
        command.arg(&self.file);
        with_token(command, token)
    }

    fn receive(&self, token: Option<&str>) -> Command {
        with_token(self.relay.receive(&self.out), token)
    }

    fn has_arrived(&self) {
        assert_eq!(std::fs::read(self.out.join("small")).unwrap(), b"hello");
        std::fs::remove_dir_all(&self.out).unwrap();
    }

    /// What the relay said, once it has ended.
    fn ends(self) -> Ended {
        self.relay.program.signal(Signal::TERM);
        let Relay { program, .. } = self.relay;
        program.exits(143)
    }
}

fn guarded(tokens: &Path, address: &str) -> Relay {
    Relay::with(&["--listen", address, "--token-file", tokens.to_str().unwrap()])
}

fn with_token(mut command: Command, token: Option<&str>) -> Command {
    if let Some(token) = token {
        command.env("P2PC_TOKEN", token);
    }
    command
}

/// Nothing that anybody printed shows a token.
fn shows_none(said: &[&Ended]) {
    for said in said {
        for token in [ANNA, BEN] {
            let printed = String::from_utf8_lossy(&said.stdout);
            assert!(!said.stderr.contains(token) && !printed.contains(token), "{}", said.stderr);
        }
    }
}

#[test]
fn one_of_two_sides_needs_a_token_and_either_may_come_first() {
    let guarded = Guarded::start();
    let mut said = Vec::new();
    for (sender, receiver) in [(Some(ANNA), None), (None, Some(BEN)), (Some(ANNA), Some(BEN))] {
        for receiver_first in [false, true] {
            let (mut send, mut receive) = (guarded.send(sender), guarded.receive(receiver));
            let (first, second) =
                if receiver_first { (&mut receive, &mut send) } else { (&mut send, &mut receive) };
            let mut first = Program::start(first);
            first.says("Waiting for the other side");
            let second = Program::start(second);
            said.extend([first.exits(0), second.exits(0)]);
            guarded.has_arrived();
        }
    }
    let relay = guarded.ends();
    assert!(relay.stderr.contains("anna") && relay.stderr.contains("ben"), "{}", relay.stderr);
    shows_none(&said.iter().chain([&relay]).collect::<Vec<_>>());
}

#[test]
fn a_token_that_is_not_known_ends_it_at_once() {
    let guarded = Guarded::start();
    let wrong = "carl-has-0123456789ab";
    for mut command in [guarded.send(Some(wrong)), guarded.receive(Some(wrong))] {
        let said = Program::start(&mut command).exits(5).stderr;
        assert!(said.contains("does not know your token") && !said.contains(wrong), "{said}");
    }
    // What is no token is not even dialled with.
    let said = Program::start(guarded.send(None).args(["--token", "short-secret"])).exits(2).stderr;
    assert!(said.contains("--token: the token is shorter") && !said.contains("short-secret"), "{said}");
    assert!(!guarded.ends().stderr.contains("carl"));
}

#[test]
fn two_guests_do_not_meet() {
    let guarded = Guarded::start();
    let mut sender = Program::start(&mut guarded.send(None));
    sender.says("Waiting for the other side");
    // Who waits alone is told for what, before anybody comes.
    let said = sender.says(AWAITS);
    assert!(said.contains("--token, P2PC_TOKEN"), "{said}");
    // Who has no time to wait for somebody else in the room learns why at once, and everybody else what they wait for.
    let said = Program::start(guarded.receive(None).args(["--wait", "4s"])).exits(5).stderr;
    assert!(said.contains("409: one of the two sides has to show a token"), "{said}");
    assert!(said.contains(KEPT_OUT) && said.contains("hint: Give it with --token, in P2PC_TOKEN"), "{said}");
    let mut second = Program::start(&mut guarded.receive(None));
    let said = second.says(KEPT_OUT);
    assert!(said.contains("has to show a token") && said.contains("--token"), "{said}");
    second.signal(Signal::TERM);
    second.exits(143);
    // Who came first waits on for one that has a token.
    let receiver = Program::start(&mut guarded.receive(Some(BEN)));
    shows_none(&[&sender.exits(0), &receiver.exits(0)]);
    guarded.has_arrived();
}

#[test]
fn who_waits_without_a_token_in_vain_learns_that_one_was_missing() {
    let guarded = Guarded::start();
    for (mut command, json) in [(guarded.send(None), false), (guarded.receive(None), true)] {
        command.args(["--wait", "1s"]);
        if json {
            command.arg("--json");
        }
        let ended = Program::start(&mut command).exits(3);
        let said = if json { String::from_utf8(ended.stdout).unwrap() } else { ended.stderr };
        assert!(said.contains("did not come in time, or came without a token: the relay ws://"), "{said}");
        assert!(said.contains("Give one with --token, in P2PC_TOKEN or in the configuration"), "{said}");
        assert_eq!(said.matches(AWAITS).count(), 1, "{said}");
        assert_eq!(said.contains(r#""reason":"token_wanted""#), json, "{said}");
    }
    // With a token it is somebody who was missing; and where there are none, nobody speaks of them.
    let said = Program::start(guarded.send(Some(ANNA)).args(["--wait", "1s"])).exits(3).stderr;
    assert!(!said.contains("without a token") && !said.contains(AWAITS), "{said}");
    let open = Relay::start();
    let said = Program::start(open.send().arg(&guarded.file).args(["--wait", "1s"])).exits(3).stderr;
    assert!(!said.contains("token"), "{said}");
}

#[test]
fn who_meets_somebody_with_a_token_is_not_asked_for_one() {
    let guarded = Guarded::start();
    let mut sender = Program::start(&mut guarded.send(Some(ANNA)));
    sender.says("Waiting for the other side");
    let receiver = Program::start(&mut guarded.receive(None)).exits(0);
    assert!(!receiver.stderr.contains(AWAITS), "{}", receiver.stderr);
    sender.exits(0);
    guarded.has_arrived();
}

/// Somebody who knows the room and nothing else, and sits in it as the sender.
struct Stranger(Connection);

impl Stranger {
    fn sits_at(relay: &Relay) -> Stranger {
        let room = super::CODE.split('-').next().unwrap().to_owned();
        let seat = RoomRequest { room, role: Role::Send, fresh: false };
        let dialer = Dialer::new(&DialOptions::default()).unwrap();
        Stranger(smol::block_on(dialer.room(&relay.url.parse().unwrap(), &seat)).unwrap())
    }

    fn leaves(mut self) {
        smol::block_on(async {
            self.0.writer.close(1000, "").await.unwrap();
            while self.0.reader.next().await.is_ok() {}
        });
    }
}

#[test]
fn a_stranger_in_the_room_ends_nobodys_wait() {
    let guarded = Guarded::start();
    // Before the receiver comes for the first time, and while it comes again.
    for comes_back in [false, true] {
        let line = Line::to(guarded.relay.address());
        let mut receive = with_code(p2pc("receive"), &line.url);
        receive.arg("--yes").arg("--out").arg(&guarded.out);
        let (mut receiver, stranger);
        if comes_back {
            receiver = Program::start(&mut receive);
            receiver.says("Waiting for the other side");
            line.refuse(true);
            line.cut();
            receiver.says("trying again");
            stranger = Stranger::sits_at(&guarded.relay);
            line.refuse(false);
        } else {
            stranger = Stranger::sits_at(&guarded.relay);
            receiver = Program::start(&mut receive);
        }
        let said = receiver.says(KEPT_OUT);
        assert!(said.contains("has to show a token"), "{said}");
        stranger.leaves();
        let sender = Program::start(&mut guarded.send(Some(ANNA)));
        shows_none(&[&sender.exits(0), &receiver.exits(0)]);
        guarded.has_arrived();
    }
}

#[test]
fn a_stranger_in_the_room_ends_nobodys_session() {
    let scene = Scene::with_file(SIZE);
    let tokens = scene.dir.path().join("tokens");
    std::fs::write(&tokens, format!("anna {ANNA}\n")).unwrap();
    let mut scene = Scene { relay: guarded(&tokens, "127.0.0.1:0"), ..scene };
    let lines = [(); 2].map(|()| Line::to(scene.relay.address()));
    lines[0].hold_after(SIZE as u64 / 2);
    let mut sender = Program::start(&mut with_token(scene.sends(&lines[0].url), Some(ANNA)));
    let mut receive = with_code(p2pc("receive"), &lines[1].url);
    let mut receiver = Program::start(receive.arg("--yes").arg("--out").arg(&scene.out));
    lines[0].wait_held();
    for line in &lines {
        line.refuse(true);
        line.cut();
        line.release();
    }
    for side in [&mut sender, &mut receiver] {
        side.says(LOST);
    }
    // Where the receiver looks for a sender that was started again.
    let stranger = Stranger::sits_at(&scene.relay);
    lines[1].refuse(false);
    scene.relay.program.says("no_token");
    lines[0].refuse(false);
    for side in [&mut sender, &mut receiver] {
        side.says(BACK);
    }
    shows_none(&[&sender.exits(0), &receiver.exits(0)]);
    scene.is_equal();
    stranger.leaves();
}

#[test]
fn the_other_side_sees_nothing_of_a_token() {
    let guarded = Guarded::start();
    let wire = Wire::to(guarded.relay.address(), |_| {});
    let mut sender = Program::start(&mut guarded.send(Some(ANNA)));
    sender.says("Waiting for the other side");
    let mut receive = with_code(p2pc("receive"), &wire.url);
    let receiver = Program::start(receive.arg("--yes").arg("--out").arg(&guarded.out));
    shows_none(&[&sender.exits(0), &receiver.exits(0)]);
    guarded.has_arrived();
    let passed = wire.passed();
    assert!(find(&passed, b"101 Switching").is_some());
    for secret in [ANNA, "anna", "Authorization", "Bearer"] {
        assert!(find(&passed, secret.as_bytes()).is_none(), "{secret}");
    }
}

#[test]
fn a_token_behind_an_option_is_in_no_command_that_is_printed() {
    let guarded = Guarded::start();
    let mut command = p2pc("send");
    command.args(["--relay", &guarded.relay.url, "--token", ANNA]).arg(&guarded.file);
    let mut sender = Program::start(command.env("P2PC_TOKEN", "another-token-that-is-wrong"));
    let code = sender.prints();
    let goes_on = sender.says("p2pc send ");
    assert!(goes_on.contains("--code") && goes_on.contains("--relay"), "{goes_on}");
    sender.says("give it again, with --token or in P2PC_TOKEN");
    let receiver = Program::start(p2pc("receive").arg(code).arg("--yes").arg("--out").arg(&guarded.out));
    shows_none(&[&sender.exits(0), &receiver.exits(0)]);
    guarded.has_arrived();
}

#[test]
fn a_code_that_names_another_relay_does_not_get_the_token_of_the_environment() {
    let guarded = Guarded::start();
    let stranger = Line::to(guarded.relay.address());
    let code = format!("{}@{}", super::CODE, stranger.url);
    let mut command = p2pc("receive");
    command.arg(code).arg("--yes").arg("--out").arg(&guarded.out);
    command.env("P2PC_TOKEN", ANNA).env("P2PC_RELAY", &guarded.relay.url);
    let mut receiver = Program::start(&mut command);
    receiver.says("P2PC_TOKEN is not shown to ws://127.0.0.1:");
    let sender = Program::start(&mut guarded.send(Some(BEN)));
    receiver.exits(0);
    sender.exits(0);
    assert!(stranger.passed(Way::Up) > 0);
    // Nobody but the sender has shown one.
    let log = guarded.ends().stderr;
    assert!(log.contains("ben") && !log.contains("anna"), "{log}");
}

#[test]
fn all_lanes_and_whoever_comes_back_show_the_token() {
    let scene = Scene::with_file(SIZE);
    let tokens = scene.dir.path().join("tokens");
    std::fs::write(&tokens, format!("anna {ANNA}\n")).unwrap();
    let relay = guarded(&tokens, "127.0.0.1:0");
    let scene = Scene { relay, ..scene };
    let line = Line::to(scene.relay.address());
    // The receiver, so that what the sender says passes the line and is held up there. Slowly: on a busy machine all of it could pass
    // before the lanes are there.
    let mut sender = Program::start(scene.sends_over("4", &line.url).args(["--verbose", "--limit", "3M"]));
    let mut receive = with_token(scene.receives(&[]), Some(ANNA));
    let mut receiver = Program::start(&mut receive);
    sender.says("4 lanes");
    line.hold_after(SIZE as u64 / 2);
    line.wait_held();
    let address = scene.relay.address().to_string();
    scene.relay.program.signal(Signal::KILL);
    let Relay { program, .. } = scene.relay;
    program.was_killed();
    let scene = Scene { relay: guarded(&tokens, &address), ..scene };
    line.release();
    for side in [&mut sender, &mut receiver] {
        side.says(LOST);
        side.says(BACK);
    }
    shows_none(&[&sender.exits(0), &receiver.exits(0)]);
    scene.is_equal();
}

#[test]
fn a_token_that_is_taken_away_opens_nothing_more_and_ends_no_session() {
    let scene = Scene::with_file(SIZE);
    let tokens = scene.dir.path().join("tokens");
    std::fs::write(&tokens, format!("anna {ANNA}\n")).unwrap();
    let mut relay = guarded(&tokens, "127.0.0.1:0");
    let line = Line::to(relay.address());
    line.hold_after(SIZE as u64 / 2);
    let sender = Program::start(&mut with_token(scene.sends(&line.url), Some(ANNA)));
    let mut receive = with_code(p2pc("receive"), &relay.url);
    let receiver = Program::start(receive.arg("--yes").arg("--out").arg(&scene.out));
    line.wait_held();
    // A broken file changes nothing.
    std::fs::write(&tokens, format!("ben {BEN}\nanna\n")).unwrap();
    relay.program.signal(Signal::HUP);
    let said = relay.program.says("the new token file cannot be used");
    assert!(said.contains("line 2"), "{said}");
    assert_eq!(status(&relay, ANNA), 101);
    std::fs::write(&tokens, format!("ben {BEN}\n")).unwrap();
    relay.program.signal(Signal::HUP);
    relay.program.says("the token file was read again");
    assert_eq!((status(&relay, ANNA), status(&relay, BEN)), (401, 101));
    line.release();
    sender.exits(0);
    receiver.exits(0);
    scene.is_equal();
}

/// What a request for a seat with this token is answered with.
fn status(relay: &Relay, token: &str) -> u16 {
    let mut stream = TcpStream::connect(relay.address()).unwrap();
    let request = format!(
        "GET /v1/room/{token}?role=send HTTP/1.1\r\nHost: relay\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: p2pc.v1\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Authorization: Bearer {token}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut head = [0; 12];
    stream.read_exact(&mut head).unwrap();
    std::str::from_utf8(&head[9..]).unwrap().parse().unwrap()
}

#[test]
fn a_relay_reads_its_certificate_again_and_ends_no_session() {
    let scene = Scene::with_file(SIZE);
    let (cert, key) = (scene.dir.path().join("cert.pem"), scene.dir.path().join("key.pem"));
    let put = |path: &Path, from: &str| std::fs::copy(vector(from), path).unwrap();
    put(&cert, "p256.pem");
    put(&key, "p256.pem");
    let paths = [cert.to_str().unwrap(), key.to_str().unwrap()];
    let relay = Relay::with(&["--listen", "127.0.0.1:0", "--cert", paths[0], "--key", paths[1]]);
    let scene = Scene { relay, ..scene };
    let line = Line::to(scene.relay.address());
    let url = line.url.replace("ws://", "wss://");
    line.hold_after(SIZE as u64 / 2);
    let ca = vector("ca.pem");
    let sender = Program::start(scene.sends(&url).args(["--ca", &ca]));
    let receiver = Program::start(&mut scene.receives(&["--ca", &ca]));
    line.wait_held();
    let Scene { mut relay, out, source, .. } = scene;
    // A certificate that nobody trusts for this name: whoever comes now can tell which one it is.
    put(&cert, "other-name.pem");
    relay.program.signal(Signal::HUP);
    relay.program.says("the new certificate cannot be used, the old one stays");
    assert!(!comes(&relay, &ca).contains("other.example"));
    put(&key, "other-name.pem");
    relay.program.signal(Signal::HUP);
    relay.program.says("another certificate is in force");
    assert!(comes(&relay, &ca).contains("other.example"));
    std::fs::write(&cert, "oops").unwrap();
    // Nobody says so this time.
    relay.program.says("the new certificate cannot be used, the old one stays");
    assert!(comes(&relay, &ca).contains("other.example"));
    line.release();
    sender.exits(0);
    receiver.exits(0);
    assert!(std::fs::read(out.join("data")).unwrap() == std::fs::read(source).unwrap());
}

/// What somebody hears who comes now, and waits for nobody.
fn comes(relay: &Relay, ca: &str) -> String {
    let mut command = p2pc("receive");
    command.args([
        "--relay",
        &relay.url,
        "--ca",
        ca,
        "--yes",
        "--wait",
        "1s",
        "--code",
        "10000-acid-crane-otter",
    ]);
    let (status, said) = Program::start(&mut command).ends();
    assert!(matches!(status, Some(3 | 5)), "{}", said.stderr);
    said.stderr
}

#[test]
fn a_relay_that_was_started_with_nohup_reads_again_too() {
    let guarded = Guarded::start();
    let line = format!(
        "trap '' HUP; exec p2pc relay --listen 127.0.0.1:0 --token-file {}",
        guarded.tokens().to_str().unwrap()
    );
    let mut program = Program::start(&mut super::program::typed(&line));
    program.prints();
    program.signal(Signal::HUP);
    program.says("the token file was read again");
    program.signal(Signal::TERM);
    program.exits(143);
}

#[test]
fn a_token_file_that_is_wrong_keeps_a_relay_from_starting() {
    let dir = tempfile::tempdir().unwrap();
    let tokens = dir.path().join("tokens");
    std::fs::write(&tokens, format!("anna {ANNA}\nben too-short\n")).unwrap();
    let line = ["--listen", "127.0.0.1:0", "--token-file", tokens.to_str().unwrap()];
    let said = Program::start(p2pc("relay").args(line)).exits(2).stderr;
    assert!(said.contains("line 2: the token is shorter") && !said.contains("too-short"), "{said}");
}

#[test]
fn a_token_file_that_everybody_can_read_is_warned_of() {
    use std::os::unix::fs::PermissionsExt as _;
    let guarded = Guarded::start();
    for (mode, is_warned_of) in [(0o644, true), (0o640, false)] {
        std::fs::set_permissions(guarded.tokens(), std::fs::Permissions::from_mode(mode)).unwrap();
        let relay = self::guarded(&guarded.tokens(), "127.0.0.1:0");
        relay.program.signal(Signal::TERM);
        let said = relay.program.exits(143).stderr;
        assert_eq!(said.contains("other users of this machine can read"), is_warned_of, "{said}");
    }
}

/// In the line that tells who waits for another in the room.
const KEPT_OUT: &str = "wants a token from one of the two sides, and neither shows one";

/// In the line that tells who waits alone.
const AWAITS: &str = "wants a token from one of the two sides, and this one shows none";

const SIZE: usize = 12 << 20;

//! A relay at its limits, as people meet it: they wait for as long as it says, or learn why they need not.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use rustix::process::Signal;

use super::program::{Program, p2pc, typed};
use super::scene::{Halfway, Scene};
use super::tls::vector;
use super::{BACK, CODE, LOST, Relay, small_file};

/// A code for another room than that of the others.
const OTHER: &str = "59324-acid-crane-otter";

fn with_limits(limits: &[&str]) -> Relay {
    Relay::with(&[&["--listen", "127.0.0.1:0"], limits].concat())
}

#[test]
fn who_finds_a_relay_full_waits_for_its_turn() {
    let dir = tempfile::tempdir().unwrap();
    let (relay, file) = (with_limits(&["--max-waiting", "1"]), small_file(dir.path()));
    let mut first = Program::start(relay.send().arg(&file));
    first.says("Waiting for the other side");
    let mut second = Program::start(
        p2pc("send").args(["--relay", &relay.url, "--code", OTHER, "--lanes", "1"]).arg(&file),
    );
    let said = second.says("trying again in 1");
    assert!(said.contains("503") && said.contains("the relay is full"), "{said}");
    Program::start(&mut relay.receive(&dir.path().join("one"))).exits(0);
    first.exits(0);
    // The place is free now, and the one that was told to come again does.
    second.says("Waiting for the other side");
    let mut receiver = p2pc("receive");
    receiver.args(["--yes", "--relay", &relay.url, "--code", OTHER, "--out"]).arg(dir.path().join("two"));
    Program::start(&mut receiver).exits(0);
    second.exits(0);
}

#[test]
fn who_has_no_time_to_wait_for_a_place_learns_why_there_is_none() {
    let dir = tempfile::tempdir().unwrap();
    let (relay, file) = (with_limits(&["--max-waiting", "1"]), small_file(dir.path()));
    let mut first = Program::start(relay.send().arg(&file));
    first.says("Waiting for the other side");
    let mut command = p2pc("send");
    command.args(["--relay", &relay.url, "--code", OTHER, "--wait", "5s"]).arg(&file);
    let said = Program::start(&mut command).exits(5).stderr;
    assert!(said.contains("the relay is full") && said.contains("hint: "), "{said}");
}

#[test]
fn whose_address_opens_rooms_too_often_learns_so_where_waiting_is_too_long() {
    let dir = tempfile::tempdir().unwrap();
    // The next one in a minute.
    let (relay, file) = (with_limits(&["--address-rooms", "1"]), small_file(dir.path()));
    let mut first = Program::start(relay.send().arg(&file));
    first.says("Waiting for the other side");
    let mut command = p2pc("send");
    command.args(["--relay", &relay.url, "--code", OTHER, "--wait", "20s"]).arg(&file);
    let said = Program::start(&mut command).exits(5).stderr;
    assert!(said.contains("429") && said.contains("opens rooms in this relay too often"), "{said}");
    Program::start(&mut relay.receive(&dir.path().join("one"))).exits(0);
    first.exits(0);
}

/// Such a relay says nothing at all, not even TLS: it only ends the connection.
#[test]
fn whose_address_connects_too_often_comes_again_and_gets_in() {
    let dir = tempfile::tempdir().unwrap();
    let file = small_file(dir.path());
    for certificate in [None, Some(vector("p256.pem"))] {
        let tls: Vec<&str> = certificate.iter().flat_map(|pem| ["--cert", pem.as_str()]).collect();
        // One a second comes free; the first minute's are taken by others of this address.
        let relay = with_limits(&[&["--address-arrivals", "60"], &tls[..]].concat());
        let ca = vector("ca.pem");
        take_all(&relay, 60);
        let mut sender = Program::start(relay.send().args(["--ca", &ca]).arg(&file));
        let said = sender.says("ends it without an answer");
        assert!(said.contains("trying again in ") && !said.contains("ws://HOST"), "{said}");
        sender.says("Waiting for the other side");
        let out = dir.path().join(if tls.is_empty() { "plain" } else { "tls" });
        Program::start(relay.receive(&out).args(["--ca", &ca])).exits(0);
        sender.exits(0);
    }
}

#[test]
fn who_is_never_answered_learns_both_reasons() {
    let dir = tempfile::tempdir().unwrap();
    let file = small_file(dir.path());
    let hangs_up = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = hangs_up.local_addr().unwrap();
    std::thread::spawn(move || hangs_up.incoming().for_each(drop));
    for scheme in ["ws", "wss"] {
        let mut command = p2pc("send");
        command.args(["--relay", &format!("{scheme}://{address}"), "--wait", "2s"]).arg(&file);
        let said = Program::start(&mut command).exits(5).stderr;
        assert!(said.contains("takes the connection and ends it without an answer"), "{said}");
        assert!(said.contains("hint: Either too many connections came from this address"), "{said}");
        assert!(said.contains("or no relay runs there"), "{said}");
    }
    // Nobody is there: that does not pass by itself.
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut command = p2pc("send");
    command.args(["--relay", &format!("ws://{gone}")]).arg(&file);
    let said = Program::start(&mut command).exits(5).stderr;
    assert!(said.contains("cannot connect to the relay") && !said.contains("trying again"), "{said}");
}

/// Connects until the relay ends connections without a word.
fn take_all(relay: &Relay, arrivals: usize) {
    let mut closed = 0;
    // It was asked to be well by nobody yet, and gets another one each second.
    for _ in 0..arrivals * 2 {
        let mut stream = TcpStream::connect(relay.address()).unwrap();
        let _ = stream.write_all(b"GET / HTTP/1.1\r\n\r\n");
        let mut byte = [0];
        // With TLS it is an alert that comes.
        closed += usize::from(!stream.read(&mut byte).is_ok_and(|read| read > 0));
        if closed > 3 {
            return;
        }
    }
    panic!("nobody is turned away");
}

#[test]
fn a_side_that_waits_for_longer_than_the_relay_lets_it_is_told_so() {
    let dir = tempfile::tempdir().unwrap();
    let (relay, file) = (with_limits(&["--wait-time", "1s"]), small_file(dir.path()));
    let said = Program::start(relay.send().arg(&file)).exits(3).stderr;
    assert!(said.contains("in the time that the relay lets anybody wait"), "{said}");
}

#[test]
fn without_lanes_beside_the_first_a_transfer_goes_on_with_one() {
    let dir = tempfile::tempdir().unwrap();
    let relay = with_limits(&["--max-sessions", "1"]);
    let file = dir.path().join("file");
    std::fs::write(&file, vec![7; 4 << 20]).unwrap();
    let mut send = p2pc("send");
    send.args(["--relay", &relay.url, "--code", CODE, "--lanes", "4"]).arg(&file);
    relay.carries(&mut send, &dir.path().join("out"), 0);
}

/// Gives everybody who comes the same answer, for as long as it lives.
struct Refusing {
    address: SocketAddr,
    stops: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Refusing {
    fn at(address: &str, answer: &'static str) -> Refusing {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let stops = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stops);
        let thread = std::thread::spawn(move || {
            for connection in listener.incoming() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                // One of the programs may be ending.
                let _ = connection.and_then(|mut connection| {
                    let mut request = [0; 4096];
                    // All of it comes at once, and what it asks for is the same each time.
                    let _ = connection.read(&mut request)?;
                    connection.write_all(answer.as_bytes())
                });
            }
        });
        Refusing { address, stops, thread: Some(thread) }
    }

    fn url(&self) -> String {
        format!("ws://{}", self.address)
    }
}

impl Drop for Refusing {
    fn drop(&mut self) {
        self.stops.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[test]
fn two_that_lost_each_other_come_again_when_a_full_relay_says() {
    let scene = Scene::with_file(4 << 20);
    let Halfway { line, mut sender, mut receiver } = scene.halfway(1 << 20);
    let address = scene.relay.address().to_string();
    scene.relay.program.signal(Signal::KILL);
    let full = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 5\r\n\r\nfull\n";
    let Scene { dir, relay, source, out } = scene;
    relay.program.was_killed();
    let refusing = Refusing::at(&address, full);
    line.release();
    for side in [&mut sender, &mut receiver] {
        side.says(LOST);
        let said = side.says("trying again in 2 s");
        assert!(said.contains("503: full"), "{said}");
    }
    drop(refusing);
    let scene = Scene { dir, relay: Relay::with(&["--listen", &address]), source, out };
    for side in [&mut sender, &mut receiver] {
        side.says(BACK);
    }
    sender.exits(0);
    receiver.exits(0);
    scene.is_equal();
}

#[test]
fn who_lacks_a_token_gives_up_at_once_and_hears_how_to_show_one() {
    let dir = tempfile::tempdir().unwrap();
    let refusing = Refusing::at("127.0.0.1:0", "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n");
    let mut command = p2pc("send");
    command.args(["--relay", &refusing.url(), "--code", CODE]).arg(small_file(dir.path()));
    let said = Program::start(&mut command).exits(5).stderr;
    assert!(said.contains("401") && said.contains("--token") && said.contains("P2PC_TOKEN"), "{said}");
}

#[test]
fn a_refusal_that_says_nothing_of_coming_again_is_final() {
    let dir = tempfile::tempdir().unwrap();
    let refusing = Refusing::at("127.0.0.1:0", "HTTP/1.1 429 Too Many\r\nContent-Length: 0\r\n\r\n");
    let mut command = p2pc("send");
    command.args(["--relay", &refusing.url(), "--code", CODE]).arg(small_file(dir.path()));
    let said = Program::start(&mut command).exits(5).stderr;
    assert!(said.contains("cannot take us now"), "{said}");
}

#[cfg(target_os = "linux")]
#[test]
fn near_the_limit_of_descriptors_new_ones_are_refused_and_old_ones_stay() {
    let dir = tempfile::tempdir().unwrap();
    // 64 stay free, 64 are for those who are told so, 33 are the relay's own.
    let mut program = Program::start(&mut typed("ulimit -n 201 && exec p2pc relay --listen 127.0.0.1:0"));
    let url = program.prints().strip_prefix("listening on ").unwrap().to_owned();
    let relay = Relay { program, url };
    let mut waiting = Program::start(relay.send().arg(small_file(dir.path())));
    waiting.says("Waiting for the other side");
    let asks = |connection: &mut TcpStream| {
        let request = "GET /v1/room/r?role=send HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
            Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
            Sec-WebSocket-Protocol: p2pc.v1\r\n\r\n";
        connection.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        answer
    };
    // All but one place are taken by who waits and by who says nothing.
    let mut silent: Vec<_> = (0..39).map(|_| TcpStream::connect(relay.address()).unwrap()).collect();
    let answer = asks(&mut TcpStream::connect(relay.address()).unwrap());
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("\r\nRetry-After: "), "{answer}");
    silent.truncate(1);
    Program::start(&mut relay.receive(&dir.path().join("out"))).exits(0);
    waiting.exits(0);
}

//! Several relays behind a real nginx and a real `HAProxy` of Debian, with the configurations that ship in `dist/`.
//!
//! They run where `P2PC_SYSTEM_TESTS=1` says that both are installed (`make test-system` does).

mod front;
mod load;

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;

use super::program::{Program, p2pc};
use super::tls::vector;
use super::{CODE, LOST, Relay, small_file};
use crate::skipped::skipped;
use front::Front;
use load::{Load, wait_moving};

#[test]
fn fifty_transfers_through_nginx_while_a_relay_drains_and_one_is_killed() {
    if skipped("fifty_transfers_through_nginx_while_a_relay_drains_and_one_is_killed") {
        return;
    }
    let mut relays = Behind::three();
    let front = Front::nginx(&addresses(&relays));
    let load = Load { transfers: 50, at_once: 6, large: 4 };
    load.carry(&front.url(), |transfers| {
        transfers.wait_done(5);
        wait_moving(relays[0].metrics);
        relays[0].relay.program.signal(Signal::TERM);
        // What it carries it may finish; whoever comes goes elsewhere.
        relays[0].relay.program.says("the relay drains");
        transfers.wait_done(15);
        // Who comes back to it and who has just gone elsewhere would not meet for a minute: nobody looks for anybody now.
        transfers.while_nobody_pairs(|| {
            let drained = relays.remove(0).relay;
            let address = drained.address().to_string();
            drained.program.exits(143);
            relays.insert(0, Behind::at(&address));
        });
        transfers.wait_done(25);
        wait_moving(relays[1].metrics);
        // A first pairing does not survive the loss of its relay; everything after it does.
        transfers.while_nobody_pairs(|| {
            let killed = relays.remove(1).relay.program;
            killed.signal(Signal::KILL);
            killed.was_killed();
        });
    });
}

#[test]
fn transfers_through_haproxy_while_a_relay_is_killed() {
    if skipped("transfers_through_haproxy_while_a_relay_is_killed") {
        return;
    }
    let mut relays = Behind::three();
    let front = Front::haproxy(&addresses(&relays));
    let load = Load { transfers: 16, at_once: 4, large: 4 };
    load.carry(&front.url(), |transfers| {
        transfers.wait_done(3);
        wait_moving(relays[0].metrics);
        relays[0].relay.program.signal(Signal::TERM);
        relays[0].relay.program.says("the relay drains");
        transfers.wait_done(7);
        wait_moving(relays[2].metrics);
        transfers.while_nobody_pairs(|| {
            let killed = relays.remove(2).relay.program;
            killed.signal(Signal::KILL);
            killed.was_killed();
        });
    });
}

#[test]
fn who_finds_no_relay_behind_nginx_waits_until_one_is_there() {
    if skipped("who_finds_no_relay_behind_nginx_waits_until_one_is_there") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let Behind { relay, .. } = Behind::at(ANYWHERE);
    let (address, front) = (relay.address().to_string(), Front::nginx(&[relay.address()]));
    relay.program.signal(Signal::KILL);
    relay.program.was_killed();
    let mut sender = Program::start(through(&front, "send").arg(small_file(dir.path())));
    let said = sender.says("trying again in");
    assert!(said.contains("502"), "{said}");
    let _back = Behind::at(&address);
    let out = dir.path().join("out");
    Program::start(through(&front, "receive").arg("--yes").arg("--out").arg(&out)).exits(0);
    sender.exits(0);
    assert_eq!(std::fs::read(out.join("small")).unwrap(), b"hello");
}

#[test]
fn the_script_and_what_it_fetches_come_from_one_relay() {
    if skipped("the_script_and_what_it_fetches_come_from_one_relay") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let relays: Vec<_> = (0..3)
        .map(|number| {
            let shelf = dir.path().join(number.to_string());
            std::fs::create_dir(&shelf).unwrap();
            for target in TARGETS {
                std::fs::write(shelf.join(target), format!("{target} of relay {number}")).unwrap();
            }
            Behind::with(ANYWHERE, &["--dl-dir", shelf.to_str().unwrap()])
        })
        .collect();
    for front in [Front::nginx(&addresses(&relays)), Front::haproxy(&addresses(&relays))] {
        let script = fetched(&front, "/install.sh");
        let lines = script.lines().filter_map(|line| line.trim().split_once(") echo "));
        let announced: Vec<_> = lines.filter(|(target, _)| TARGETS.contains(target)).collect();
        assert_eq!(announced.len(), TARGETS.len(), "{script}");
        let of_relay = |(target, sum): &(&str, &str)| {
            let sum = sum.trim_end_matches(" ;;");
            fetched(&front, &format!("/dl/{target}?sha256={sum}"))
                .split_once(" of relay ")
                .unwrap()
                .1
                .to_owned()
        };
        let from: Vec<_> = announced.iter().map(of_relay).collect();
        assert!(from.iter().all(|one| *one == from[0]), "{from:?}");
    }
}

/// What curl gets, and that it is something.
fn fetched(front: &Front, path: &str) -> String {
    let url = format!("{}{path}", front.url().replacen("wss", "https", 1));
    let output =
        Command::new("curl").args(["-sS", "-f", "--cacert", &vector("ca.pem"), &url]).output().unwrap();
    assert!(output.status.success(), "{path}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// nginx takes a connection for dead on which nothing has passed for 60 s; the relay's pings keep it alive. `P2PC_PATIENCE` is how long the
/// sender waits for the other side, in seconds.
#[test]
fn a_long_wait_behind_nginx_with_its_usual_timeouts() {
    if skipped("a_long_wait_behind_nginx_with_its_usual_timeouts") {
        return;
    }
    let patience = std::env::var("P2PC_PATIENCE").map_or(75, |seconds| seconds.parse().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let Behind { relay, .. } = Behind::at(ANYWHERE);
    let front = Front::nginx(&[relay.address()]);
    let mut sender = Program::start(through(&front, "send").arg(small_file(dir.path())));
    sender.says("Waiting for the other side");
    std::thread::sleep(Duration::from_secs(patience));
    let out = dir.path().join("out");
    Program::start(through(&front, "receive").arg("--yes").arg("--out").arg(&out)).exits(0);
    let said = sender.exits(0).stderr;
    assert!(!said.contains(LOST), "{said}");
    assert_eq!(std::fs::read(out.join("small")).unwrap(), b"hello");
    relay.program.signal(Signal::INT);
    // Who waits gives its seat up once in a while, by itself; nobody took it away.
    let log = relay.program.exits(130).stderr;
    assert!(!log.contains("reason=lost"), "{log}");
}

fn through(front: &Front, subcommand: &str) -> Command {
    let mut command = p2pc(subcommand);
    command.args(["--relay", &front.url(), "--ca", &vector("ca.pem"), "--code", CODE]);
    command
}

/// A relay as it stands behind another server, and where its measurements are.
struct Behind {
    relay: Relay,
    metrics: SocketAddr,
}

impl Behind {
    /// To its limits everybody here is one address, so it has none for addresses.
    fn at(address: &str) -> Behind {
        Behind::with(address, &[])
    }

    fn with(address: &str, more: &[&str]) -> Behind {
        let unlimited = ["--address-connections", "--address-arrivals", "--address-joins", "--address-rooms"]
            .map(|limit| [limit, "0"]);
        let options = ["--listen", address, "--trust-proxy", "127.0.0.1", "--metrics", ANYWHERE];
        let mut relay = Relay::with(&[&options[..], unlimited.as_flattened(), more].concat());
        let said = relay.program.says("measurements are at");
        let metrics = said.split_once("addresses=").unwrap().1.split_whitespace().next().unwrap();
        Behind { metrics: metrics.parse().unwrap(), relay }
    }

    fn three() -> Vec<Behind> {
        (0..3).map(|_| Behind::at(ANYWHERE)).collect()
    }
}

fn addresses(relays: &[Behind]) -> Vec<SocketAddr> {
    relays.iter().map(|behind| behind.relay.address()).collect()
}

/// All that a relay may hand out.
const TARGETS: [&str; 5] = [
    "aarch64-apple-darwin",
    "aarch64-unknown-linux-musl",
    "x86_64-apple-darwin",
    "x86_64-pc-windows-gnu",
    "x86_64-unknown-linux-musl",
];

const ANYWHERE: &str = "127.0.0.1:0";

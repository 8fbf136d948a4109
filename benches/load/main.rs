//! What a relay holds and moves: a real one in a process of its own, and a crowd of clients that cost next to nothing. `make load` runs it; the
//! table goes to `docs/relay.md`, which says what its lines mean.
//!
//! Processors are shared with the crowd, so rates are given for a second of the relay's own processor time, which the system tells.

#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for people who watch it")]

mod client;
mod crowd;
#[allow(dead_code, reason = "it has more to tell than is asked here")]
#[path = "../transfers/machine.rs"]
mod machine;
mod measure;
mod server;
mod table;

use std::env;
use std::fs;
use std::io::{self, Error};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use measure::Setting;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use table::Figures;

fn main() -> ExitCode {
    match load() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn load() -> io::Result<()> {
    let program =
        PathBuf::from(env::var_os("P2PC_BINARY").ok_or_else(|| Error::other("P2PC_BINARY is not set"))?);
    let (rooms, sessions) = (number("ROOMS", 10_000)?, number("SESSIONS", 1000)?);
    let time = Duration::from_secs(number("TIME", 8)? as u64);
    raise_descriptors()?;
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let plain = Setting { program: program.clone(), tls: None };
    let tls = measure::with_tls(&program, repository);
    let [plain, tls] = [plain, tls].map(|setting| figures(&setting, rooms, sessions, time));
    let (plain, tls) = (plain?, tls?);

    let page = repository.join(PAGE);
    let text = fs::read_to_string(&page)?;
    let measured = machine::today(&version(&program)?)?;
    let filled = table::fill(&text, &measured, &plain, &tls);
    fs::write(page, filled.ok_or_else(|| Error::other(format!("{PAGE} has no place for the table")))?)
}

fn figures(setting: &Setting, rooms: usize, sessions: usize, time: Duration) -> io::Result<Figures> {
    println!("{}", if setting.tls.is_some() { "wss" } else { "ws" });
    let waiting = measure::waiting(setting, rooms, true)?;
    println!(
        "  {} waiting: {:.1} KiB each, {:.0} came in a second",
        waiting.rooms, waiting.kib_per_room, waiting.joins_per_second
    );
    let [idle, one, many] = [0, 1, sessions].map(|sessions| {
        let moving = measure::moving(setting, sessions, time)?;
        println!(
            "  {} moving: {:.2} GB/s, {:.2} GB per processor second, 1 KiB there and back: {:.2?} ms",
            moving.sessions,
            moving.bytes_per_second / 1e9,
            moving.bytes_per_cpu_second / 1e9,
            moving.small_ms
        );
        Ok::<_, Error>(moving)
    });
    Ok(Figures { waiting, idle: idle?, one: one?, many: many? })
}

fn number(name: &str, usual: usize) -> io::Result<usize> {
    match env::var(name).ok().filter(|value| !value.is_empty()) {
        None => Ok(usual),
        Some(value) => value.parse().map_err(|_| Error::other(format!("{name}={value} is no number"))),
    }
}

/// As many descriptors as the system lets us have, for us and for the relay, which inherits that.
fn raise_descriptors() -> io::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    Ok(setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })?)
}

fn version(program: &Path) -> io::Result<String> {
    let said = Command::new(program).arg("--version").output()?.stdout;
    Ok(String::from_utf8_lossy(&said).trim().to_owned())
}

const PAGE: &str = "docs/relay.md";

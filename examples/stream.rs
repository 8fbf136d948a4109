//! Streams in place of files: what one program prints here becomes what another one reads there, in constant memory.
//!
//! `cargo run --example stream -- send relay.example.org tar -c DIRECTORY`
//! `cargo run --example stream -- receive CODE@relay.example.org tar -x`
//!
//! Any `Read` and any `Write` will do: files, sockets, pipes, something that is made on the way.

#![allow(clippy::print_stderr, reason = "standard output is the programs' own")]

use std::process::{Child, Command, Stdio};

use p2pc::transfer::Notice;
use p2pc::{Error, Event, Kind, ReceiveOptions, RelayUrl, Report, Result, SendOptions};

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [what, with, program, arguments @ ..] = words.as_slice() else { return Err(usage()) };
    let mut command = Command::new(program);
    command.args(arguments);
    let report = match what.as_str() {
        "send" => send(&with.parse()?, &mut command, |code| eprintln!("{code}"))?,
        "receive" => receive(with, &mut command)?,
        _ => return Err(usage()),
    };
    eprintln!("{} bytes in {:.1?}", report.bytes, report.elapsed);
    Ok(())
}

fn usage() -> Error {
    Error::new(Kind::Usage, "usage: stream send RELAY PROGRAM... | stream receive CODE@RELAY PROGRAM...")
}

/// Sends what a program prints; `show` gets the code for the other side.
///
/// # Errors
/// As `p2pc::send`; or the program failed.
pub fn send(relay: &RelayUrl, command: &mut Command, show: impl Fn(String)) -> Result<Report> {
    let mut child =
        command.stdout(Stdio::piped()).spawn().map_err(|error| broken("cannot start the program", error))?;
    let Some(output) = child.stdout.take() else {
        return Err(Error::new(Kind::Internal, "it has no output"));
    };
    let mut transfer = SendOptions::from_reader("stream", output).relay(relay.clone()).start().blocking();
    for notice in transfer.by_ref() {
        if let Notice::Event(Event::CodeReady { code, relays, .. }) = notice {
            show(format!("{}@{}", code.reveal(), relays[0]));
        }
    }
    conclude(transfer.finish(), child)
}

/// Has a program read what is sent.
///
/// # Errors
/// As `p2pc::receive`; or the program failed.
pub fn receive(code: &str, command: &mut Command) -> Result<Report> {
    let mut child =
        command.stdin(Stdio::piped()).spawn().map_err(|error| broken("cannot start the program", error))?;
    let Some(input) = child.stdin.take() else { return Err(Error::new(Kind::Internal, "it has no input")) };
    let options = ReceiveOptions::with_code(code, "-")?.writer(input).yes();
    conclude(options.start().blocking().finish(), child)
}

/// That a program has closed its output does not say that it is whole, and that it was given everything not that it took it. By now the transfer has let go of
/// its end, so the program ends too.
fn conclude(ended: Result<Report>, mut child: Child) -> Result<Report> {
    let status = child.wait().map_err(|error| broken("cannot wait for the program", error))?;
    match ended? {
        report if report.failed > 0 => Err(Error::new(Kind::Incomplete, "the stream is not whole")),
        report if status.success() => Ok(report),
        _ => Err(Error::new(Kind::Incomplete, format!("the program failed: {status}"))),
    }
}

fn broken(what: &str, error: std::io::Error) -> Error {
    Error::new(Kind::Internal, what).caused_by(error)
}

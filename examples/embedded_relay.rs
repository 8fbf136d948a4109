//! A program with a relay in it: whoever it gives a code to needs nothing but this one address.
//!
//! `cargo run --example embedded_relay -- 127.0.0.1:8080 PATH...`
//!
//! `p2pc send` without a relay does the same for one transfer. A relay of one's own stays for the next ones, has limits and tokens, and
//! serves others too.

#![allow(clippy::print_stdout, reason = "the example shows the code")]

use std::path::PathBuf;
use std::time::Duration;

use p2pc::transfer::Notice;
use p2pc::{Error, Event, Kind, ListenAddr, RelayOptions, RelayUrl, Report, Result, SendOptions, blocking};

fn main() -> Result<()> {
    let mut words = std::env::args_os().skip(1);
    let listen = words.next().and_then(|word| word.into_string().ok());
    let listen = listen.ok_or_else(|| Error::new(Kind::Usage, "usage: embedded_relay ADDR:PORT PATH..."))?;

    let relay = start(listen.parse()?)?;
    let report = send(&relay, words.map(PathBuf::from), |command| println!("{command}"))?;
    println!("{} entries have arrived", report.delivered);
    // Others may be at it still: they have a minute.
    relay.drain()
}

/// Once this returns, clients may come.
///
/// # Errors
/// The address is taken.
pub fn start(listen: ListenAddr) -> Result<blocking::Relay> {
    blocking::Relay::start(RelayOptions::new(listen).drain(Duration::from_secs(60)))
}

/// Sends over it; `show` gets the command for the other side.
///
/// # Errors
/// As `p2pc::send`.
pub fn send(
    relay: &blocking::Relay,
    paths: impl IntoIterator<Item = PathBuf>,
    show: impl Fn(String),
) -> Result<Report> {
    let mut transfer =
        SendOptions::new(paths).relay(RelayUrl::plain(relay.addresses()[0])).start().blocking();
    for notice in transfer.by_ref() {
        if let Notice::Event(Event::CodeReady { code, relays, .. }) = notice {
            show(format!("p2pc receive {}@{}", code.reveal(), relays[0]));
        }
    }
    transfer.finish()
}

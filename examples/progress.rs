//! A progress bar of one's own: `cargo run --example progress -- relay.example.org PATH...`
//!
//! The transfer is a loop over what happens; no callbacks, no executor.

#![allow(clippy::print_stdout, reason = "the example draws on the terminal")]

use std::io::Write as _;
use std::path::PathBuf;

use p2pc::events::{Event, Progress};
use p2pc::transfer::Notice;
use p2pc::{Error, Kind, RelayUrl, Report, Result, SendOptions};

fn main() -> Result<()> {
    let mut words = std::env::args_os().skip(1);
    let relay = words.next().and_then(|word| word.into_string().ok());
    let relay = relay.ok_or_else(|| Error::new(Kind::Usage, "usage: progress RELAY PATH..."))?;
    let report = send(SendOptions::new(words.map(PathBuf::from)).relay(relay.parse::<RelayUrl>()?))?;
    println!("{} of {} entries arrived", report.delivered, report.delivered + report.failed);
    Ok(())
}

/// Sends, and draws how far it is.
///
/// # Errors
/// As `p2pc::send`.
pub fn send(options: SendOptions) -> Result<Report> {
    let mut transfer = options.start().blocking();
    for notice in transfer.by_ref() {
        match notice {
            Notice::Event(Event::CodeReady { code, relays, .. }) => {
                println!("p2pc receive {}@{}", code.reveal(), relays[0]);
            }
            Notice::Event(Event::Progress(now)) => print!("\r{}", bar(&now)),
            Notice::Event(Event::Disconnected { .. }) => {
                print!("\r{:<40}", "connection lost, looking for it");
            }
            _ => continue,
        }
        // A bar has no line end, and standard output waits for one.
        let _ = std::io::stdout().flush();
    }
    println!();
    transfer.finish()
}

/// Twenty characters for the whole. The total grows while directories are still walked, so it may seem to go back.
fn bar(now: &Progress) -> String {
    let done = (now.bytes_done * 20).checked_div(now.bytes_total).unwrap_or(0).min(20);
    let at_least = if now.complete { ' ' } else { '+' };
    let bar: String = (0..20).map(|at| if at < done { '#' } else { '.' }).collect();
    format!("[{bar}] {:>9} of {}{at_least} KiB", now.bytes_done / 1024, now.bytes_total / 1024)
}

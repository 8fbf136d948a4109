//! Sends files and directories: `cargo run --example send -- relay.example.org PATH...`
//!
//! It prints the code and then every entry with its outcome. Ctrl-C would end it without a word to the other side; a program
//! that wants to end in order keeps a clone of the `Cancel` and cancels that.

#![allow(clippy::print_stdout, reason = "the example shows what a program can show")]

use std::path::PathBuf;

use futures_lite::future::block_on;
use p2pc::events::{Answer, Event, Question};
use p2pc::{Cancel, Error, Handler, Kind, RelayUrl, Result, SendOptions, clean};

fn main() -> Result<()> {
    let mut words = std::env::args_os().skip(1);
    let relay = words.next().and_then(|word| word.into_string().ok());
    let relay = relay.ok_or_else(|| Error::new(Kind::Usage, "usage: send RELAY PATH..."))?;
    let options = options(relay.parse()?, words.map(PathBuf::from));

    let report = block_on(p2pc::send(options, &Printer, Cancel::new()))?;
    // A report with failures is no error: the rest has arrived.
    println!("{} delivered, {} not, in {:.1?}", report.delivered, report.failed, report.elapsed);
    Ok(())
}

/// Without a `code` one is made and told to the handler; without a relay an embedded one would be run.
pub fn options(relay: RelayUrl, paths: impl IntoIterator<Item = PathBuf>) -> SendOptions {
    SendOptions::new(paths).relay(relay)
}

/// Prints what happens.
pub struct Printer;

impl Handler for Printer {
    fn event(&self, event: Event) {
        match event {
            // A code does not show itself by accident: it has to be revealed.
            Event::CodeReady { code, relays, .. } => println!("{}@{}", code.reveal(), relays[0]),
            Event::Entry(end) => match end.failure {
                None => println!("  {}", clean(end.path.as_bytes())),
                // The other side says why, and it may say anything: nothing of it may act on a terminal.
                Some(failure) => {
                    println!("! {}: {}", clean(end.path.as_bytes()), clean(failure.to_string().as_bytes()));
                }
            },
            // Progress several times a second, and what later versions may tell.
            _ => {}
        }
    }

    /// A sender is asked only where a side wants to compare the string (`SendOptions::verify`). Nobody looks here: no.
    fn ask(&self, _: Question) -> Answer<'_> {
        Box::pin(std::future::ready(false))
    }
}

//! Receives into a directory: `cargo run --example receive -- relay.example.org CODE DIRECTORY`
//!
//! It shows what is offered and asks before anything is written.

#![allow(clippy::print_stdout, reason = "the example talks with a person")]

use std::path::PathBuf;

use futures_lite::future::block_on;
use p2pc::events::{Answer, Event, Question};
use p2pc::{Cancel, Code, Error, Handler, Kind, ReceiveOptions, RelayUrl, Result, clean};

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [relay, code, directory] = words.as_slice() else {
        return Err(Error::new(Kind::Usage, "usage: receive RELAY CODE DIRECTORY"));
    };
    // `false`: a code that somebody thought up must not be a weak one. What follows an @ in it names the relay.
    let (code, _relay) = Code::parse(code, false)?;

    let report = block_on(p2pc::receive(options(relay.parse()?, code, directory), &Person, Cancel::new()))?;
    println!("{} arrived, {} did not; {} bytes", report.delivered, report.failed, report.bytes);
    Ok(())
}

/// With `options.yes` nobody would be asked.
pub fn options(relay: RelayUrl, code: Code, directory: impl Into<PathBuf>) -> ReceiveOptions {
    ReceiveOptions::new(Some(code), directory).relay(relay)
}

/// Prints what arrives, and asks on the terminal.
pub struct Person;

impl Handler for Person {
    fn event(&self, event: Event) {
        if let Event::Entry(end) = event {
            // Names come from the other side: nothing in them may act on a terminal.
            let path = clean(end.path.as_bytes());
            match end.failure {
                None => println!("  {path}"),
                Some(failure) => println!("! {path}: {}", clean(failure.to_string().as_bytes())),
            }
        }
    }

    fn ask(&self, question: Question) -> Answer<'_> {
        match question {
            Question::Accept(offer) => {
                println!("{} files, {} bytes. Take them? [y/n]", offer.files, offer.bytes);
            }
            Question::Verify(string) => println!("Does the other side show {string}? [y/n]"),
            // What a later version asks is not for us to agree to.
            _ => return Box::pin(std::future::ready(false)),
        }
        // The transfer goes on meanwhile (it keeps the connection alive), so the waiting is done on a thread of its own.
        Box::pin(smol::unblock(|| {
            let mut line = String::new();
            std::io::stdin().read_line(&mut line).is_ok() && line.trim() == "y"
        }))
    }
}

//! A step of a pipeline: waits for data, works on it, sends the result on.
//!
//! `cargo run --example pipeline -- relay.example.org CODE-OF-THE-INPUT CODE-OF-THE-RESULT DIRECTORY`
//!
//! Nobody watches, so nothing is asked, everything ends in bounded time, and whatever was interrupted goes on when the step is run again
//! with the same codes.

#![allow(clippy::print_stderr, reason = "a step of a pipeline writes to its log")]

use std::path::Path;
use std::time::Duration;

use p2pc::events::Silent;
use p2pc::{
    Cancel, Code, Error, Kind, OnConflict, ReceiveOptions, RelayUrl, Report, Result, SendOptions, blocking,
};

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [relay, input, result, directory] = words.as_slice() else {
        return Err(Error::new(Kind::Usage, "usage: pipeline RELAY CODE CODE DIRECTORY"));
    };
    let code = |text: &str| Ok::<_, Error>(Code::parse(text, false)?.0);
    step(&relay.parse()?, code(input)?, code(result)?, Path::new(directory))
}

/// How long a step waits for the one before it, and for the one behind it.
const PATIENCE: Duration = Duration::from_secs(3600);

/// Receives into `directory`/in, works, and sends `directory`/out.
///
/// # Errors
/// One of the transfers did not go through or was not complete, or the work failed.
pub fn step(relay: &RelayUrl, input: Code, result: Code, directory: &Path) -> Result<()> {
    let (incoming, outgoing) = (directory.join("in"), directory.join("out"));

    let options = ReceiveOptions::new(Some(input), &incoming).relay(relay.clone()).wait(PATIENCE).yes();
    // What an earlier run has left there is of the same step.
    let options = options.on_conflict(OnConflict::Overwrite);
    whole(&blocking::receive(options, &Silent::accepting(), Cancel::new())?)?;

    work(&incoming, &outgoing).map_err(|error| Error::new(Kind::Disk, "the work failed").caused_by(error))?;

    let options = SendOptions::new([&outgoing]).code(result).relay(relay.clone()).wait(PATIENCE);
    whole(&blocking::send(options, &Silent::accepting(), Cancel::new())?)
}

/// A report with failures is no error of the transfer; for a pipeline it is one.
fn whole(report: &Report) -> Result<()> {
    eprintln!("{} entries, {} bytes in {:.1?}", report.delivered, report.bytes, report.elapsed);
    match report.failed {
        0 => Ok(()),
        failed => Err(Error::new(Kind::Incomplete, format!("{failed} entries did not arrive"))),
    }
}

/// Counts the lines of every file: something has to be done.
fn work(incoming: &Path, outgoing: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(outgoing)?;
    let mut lines = 0;
    for entry in std::fs::read_dir(incoming)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            lines += std::fs::read(entry.path())?.iter().filter(|byte| **byte == b'\n').count();
        }
    }
    std::fs::write(outgoing.join("lines.txt"), format!("{lines}\n"))
}

//! Several transfers at once, as tasks of tokio: `cargo run --example tokio -- DIRECTORY CODE@RELAY...`
//!
//! Nothing here is special to tokio: a transfer has a thread of its own for its sockets and clocks, and is a stream for whatever executor there is.

#![allow(clippy::print_stdout, reason = "the example shows what arrives")]

use std::path::Path;

use futures_lite::StreamExt as _;
use p2pc::transfer::Notice;
use p2pc::{Error, Event, Kind, ReceiveOptions, Report, Result};

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [directory, codes @ ..] = words.as_slice() else {
        return Err(Error::new(Kind::Usage, "usage: tokio DIRECTORY CODE@RELAY..."));
    };
    let runtime = tokio::runtime::Runtime::new()
        .map_err(|error| Error::new(Kind::Internal, "cannot start tokio").caused_by(error))?;
    let reports = runtime.block_on(receive_all(codes, Path::new(directory)))?;
    println!("{} entries arrived", reports.iter().map(|report| report.delivered).sum::<u64>());
    Ok(())
}

/// Receives with all of these codes at once, each into a directory with its number.
///
/// # Errors
/// Whatever ended one of them; the others are cancelled then.
pub async fn receive_all(codes: &[String], directory: &Path) -> Result<Vec<Report>> {
    let mut tasks = tokio::task::JoinSet::new();
    for (number, code) in codes.iter().enumerate() {
        let options = ReceiveOptions::with_code(code, directory.join(number.to_string()))?.yes();
        tasks.spawn(receive(options));
    }
    let mut reports = Vec::new();
    while let Some(ended) = tasks.join_next().await {
        let ended = ended.map_err(|error| Error::new(Kind::Internal, "a task failed").caused_by(error))?;
        reports.push(ended?);
    }
    Ok(reports)
}

/// One of them. Where nobody wants to know what happens meanwhile, `options.start().await` is all of it.
async fn receive(options: ReceiveOptions) -> Result<Report> {
    let mut transfer = options.start();
    while let Some(notice) = transfer.next().await {
        if let Notice::Event(Event::Entry(end)) = notice {
            println!("{}", p2pc::clean(end.path.as_bytes()));
        }
    }
    transfer.await
}

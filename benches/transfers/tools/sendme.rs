//! sendme (Rust, QUIC): no relay here, the receiver dials the sender. The sender hashes everything before it prints its ticket, so that its time is
//! not in these figures, and it goes on offering when the receiver is done.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Job, Relay, Shape, Tool, installed};
use crate::place::{Host, Place};
use crate::process::Process;

/// The program.
pub struct Sendme(PathBuf);

impl Sendme {
    /// If it is installed.
    pub fn find() -> Option<Sendme> {
        installed("sendme").map(Sendme)
    }
}

impl Tool for Sendme {
    fn name(&self) -> String {
        "sendme".to_owned()
    }

    fn variant(&self) -> String {
        "direct QUIC".to_owned()
    }

    fn shape(&self) -> Shape {
        Shape::SenderStays
    }

    fn cannot(&self, place: &Place, _source: &Path) -> Option<&'static str> {
        place.is_far().then_some("there is no way from one end to the other")
    }

    fn relay(&self, _job: &Job<'_>) -> io::Result<Relay> {
        Ok(Relay::default())
    }

    fn send(&self, job: &Job<'_>, _relay: &Relay) -> io::Result<(Process, String)> {
        let mut command = job.place.command(Host::Sender, &self.0);
        // It keeps its store where it is started.
        command
            .current_dir(job.scratch)
            .arg("send")
            .args(OFFLINE)
            .args(["--ticket-type", "addresses"])
            .arg(job.source);
        let mut process = job.start("sender", command)?;
        let ticket = process.says(|line| Some(line.trim().strip_prefix("sendme receive ")?.to_owned()))?;
        Ok((process, ticket))
    }

    fn receive(&self, job: &Job<'_>, _relay: &Relay, told: &str) -> Command {
        let mut command = job.place.command(Host::Receiver, &self.0);
        command.current_dir(job.out).arg("receive").args(OFFLINE).arg(told);
        command
    }
}

/// Neither the public relays nor any name service: addresses are in the ticket.
const OFFLINE: [&str; 3] = ["--relay", "disabled", "--no-progress"];

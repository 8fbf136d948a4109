//! The floor, in the part of this program that plays it.

use std::env;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Job, Relay, Tool};
use crate::place::{Host, Place};
use crate::process::Process;

/// Three processes of this very program.
pub struct Floor {
    program: PathBuf,
}

impl Floor {
    /// The program that runs now.
    pub fn new() -> io::Result<Floor> {
        Ok(Floor { program: env::current_exe()? })
    }

    fn command(&self, job: &Job<'_>, host: Host, part: &str) -> Command {
        let mut command = job.place.command(host, &self.program);
        command.args(["floor", part]);
        command
    }
}

impl Tool for Floor {
    fn name(&self) -> String {
        "floor".to_owned()
    }

    fn cannot(&self, place: &Place, source: &Path) -> Option<&'static str> {
        if source.is_dir() {
            return Some("carries one file");
        }
        place.is_far().then_some("listens on loopback only")
    }

    fn relay(&self, job: &Job<'_>) -> io::Result<Relay> {
        let mut process = job.start("relay", self.command(job, Host::Relay, "relay"))?;
        let address = process.says(|line| line.strip_prefix("listening on ").map(str::to_owned))?;
        Ok(Relay { processes: vec![process], addresses: vec![address] })
    }

    fn send(&self, job: &Job<'_>, relay: &Relay) -> io::Result<(Process, String)> {
        let mut command = self.command(job, Host::Sender, "send");
        command.arg(job.source).arg(relay.address());
        Ok((job.start("sender", command)?, String::new()))
    }

    fn receive(&self, job: &Job<'_>, relay: &Relay, _told: &str) -> Command {
        let mut command = self.command(job, Host::Receiver, "receive");
        command.arg(job.out.join("received")).arg(relay.address());
        command
    }
}

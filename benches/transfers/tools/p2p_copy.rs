//! p2p-copy (Python): one WebSocket relay, AES-GCM when asked for, zstd for files whose beginning can be compressed.

use std::io;
use std::path::PathBuf;
use std::process::Command;

use super::{Job, Relay, Tool, installed};
use crate::place::Host;
use crate::process::Process;

/// The program.
pub struct P2pCopy(PathBuf);

impl P2pCopy {
    /// If it is installed.
    pub fn find() -> Option<P2pCopy> {
        installed("p2p-copy").map(P2pCopy)
    }
}

impl Tool for P2pCopy {
    fn name(&self) -> String {
        "p2p-copy".to_owned()
    }

    fn variant(&self) -> String {
        "--encrypt".to_owned()
    }

    fn relay(&self, job: &Job<'_>) -> io::Result<Relay> {
        let ip = job.place.relay().to_string();
        let mut command = job.place.command(Host::Relay, &self.0);
        command.args(["run-relay-server", &ip, "0", "--no-tls"]);
        let mut process = job.start("relay", command)?;
        let address =
            process.says(|line| Some(line.split_once("server listening on ")?.1.trim().to_owned()))?;
        Ok(Relay { processes: vec![process], addresses: vec![format!("ws://{address}")] })
    }

    fn send(&self, job: &Job<'_>, relay: &Relay) -> io::Result<(Process, String)> {
        let mut command = job.place.command(Host::Sender, &self.0);
        command.args(["send", relay.address(), CODE]).arg(job.source).arg("--encrypt");
        let mut process = job.start("sender", command)?;
        // It says nothing while it waits.
        let port = relay.address().rsplit(':').next().and_then(|port| port.parse().ok());
        process.dials(port.unwrap_or_default())?;
        Ok((process, CODE.to_owned()))
    }

    fn receive(&self, job: &Job<'_>, relay: &Relay, told: &str) -> Command {
        let mut command = job.place.command(Host::Receiver, &self.0);
        command.args(["receive", relay.address(), told, "--encrypt", "--out"]).arg(job.out);
        command
    }

    fn can_be_led(&self) -> bool {
        true
    }
}

/// Its users choose the code themselves.
const CODE: &str = "acid-crane-otter";

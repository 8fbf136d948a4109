//! The two implementations of Magic Wormhole, in Python and in Rust, with the same two servers: a mailbox, where both meet, and a transit relay, through
//! which the content goes. Direct connections are switched off: they are not what is compared, and on one machine always there.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Job, Relay, Tool, installed, wormhole_code};
use crate::place::{Host, Place};
use crate::process::Process;

/// magic-wormhole (Python).
pub struct MagicWormhole {
    program: PathBuf,
    servers: PathBuf,
}

/// magic-wormhole.rs (Rust).
pub struct WormholeRs {
    program: PathBuf,
    servers: PathBuf,
}

impl MagicWormhole {
    /// If it is installed, and its servers.
    pub fn find() -> Option<MagicWormhole> {
        Some(MagicWormhole { program: installed("wormhole")?, servers: installed("twist")? })
    }

    fn command(&self, job: &Job<'_>, host: Host, relay: &Relay, words: &[&str]) -> Command {
        let mut command = job.place.command(host, &self.program);
        if let [mailbox, transit] = relay.addresses.as_slice() {
            command.args(["--relay-url", mailbox, "--transit-helper", &format!("tcp:{transit}")]);
        }
        command.args(words).args(["--hide-progress", "--no-listen"]);
        command
    }
}

impl Tool for MagicWormhole {
    fn name(&self) -> String {
        "magic-wormhole".to_owned()
    }

    fn relay(&self, job: &Job<'_>) -> io::Result<Relay> {
        servers(&self.servers, job)
    }

    fn can_be_led(&self) -> bool {
        true
    }

    fn send(&self, job: &Job<'_>, relay: &Relay) -> io::Result<(Process, String)> {
        sends(job, self.command(job, Host::Sender, relay, &["send", "--no-qr"]))
    }

    fn receive(&self, job: &Job<'_>, relay: &Relay, told: &str) -> Command {
        let mut command = self.command(job, Host::Receiver, relay, &["receive", "--accept-file"]);
        command.arg("--output-file").arg(job.out).arg(told);
        command
    }
}

impl WormholeRs {
    /// If it is installed, and the servers, which are not part of it.
    pub fn find() -> Option<WormholeRs> {
        Some(WormholeRs { program: installed("wormhole-rs")?, servers: installed("twist")? })
    }

    fn command(&self, job: &Job<'_>, host: Host, relay: &Relay, words: &[&str]) -> Command {
        let mut command = job.place.command(host, &self.program);
        command.args(words).arg("--force-relay");
        if let [mailbox, transit] = relay.addresses.as_slice() {
            command.args(["--rendezvous-server", mailbox, "--relay-server", &format!("tcp://{transit}")]);
        }
        command
    }
}

impl Tool for WormholeRs {
    fn name(&self) -> String {
        "wormhole-rs".to_owned()
    }

    fn cannot(&self, _place: &Place, source: &Path) -> Option<&'static str> {
        source.is_dir().then_some("leaves a directory packed in a tar file")
    }

    fn relay(&self, job: &Job<'_>) -> io::Result<Relay> {
        servers(&self.servers, job)
    }

    fn can_be_led(&self) -> bool {
        true
    }

    fn send(&self, job: &Job<'_>, relay: &Relay) -> io::Result<(Process, String)> {
        sends(job, self.command(job, Host::Sender, relay, &["send", "--no-qr"]))
    }

    fn receive(&self, job: &Job<'_>, relay: &Relay, told: &str) -> Command {
        let mut command = self.command(job, Host::Receiver, relay, &["receive", "--noconfirm"]);
        command.arg("--out-dir").arg(job.out).arg(told);
        command
    }
}

/// Starts what sends, and waits for its code.
fn sends(job: &Job<'_>, mut command: Command) -> io::Result<(Process, String)> {
    command.arg(job.source);
    let mut process = job.start("sender", command)?;
    let code = process.says(wormhole_code)?;
    Ok((process, code))
}

/// The transit relay comes first: that is the process whose figures count. The mailbox sees a few messages.
fn servers(program: &Path, job: &Job<'_>) -> io::Result<Relay> {
    let ip = job.place.relay();
    let mut relay = Relay::default();
    for (service, options) in
        [("transitrelay", [].as_slice()), ("wormhole-mailbox", &["--channel-db", ":memory:"])]
    {
        let mut command = job.place.command(Host::Relay, program);
        command.args([service, "--port", &format!("tcp:0:interface={ip}")]).args(options);
        let mut process = job.start(service, command)?;
        let port = process.says(port_of)?;
        relay.processes.push(process);
        relay.addresses.push(format!("{ip}:{port}"));
    }
    relay.addresses.reverse();
    if let Some(mailbox) = relay.addresses.first_mut() {
        *mailbox = format!("ws://{mailbox}/v1");
    }
    Ok(relay)
}

/// The port in the line that says where a server has begun to listen.
fn port_of(line: &str) -> Option<u16> {
    let (_, rest) = line.split_once(" starting on ")?;
    let end = rest.find(|c: char| !c.is_ascii_digit())?;
    rest.get(..end)?.parse().ok()
}

//! p2pc itself, with a relay in a process of its own.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::rc::Rc;

use super::{Job, Relay, Tool};
use crate::certificate;
use crate::place::Host;
use crate::process::Process;

/// The program, and what it can do.
pub struct Program {
    path: PathBuf,
    help: String,
}

impl Program {
    /// Asks it for its options: an older one has fewer.
    pub fn at(path: PathBuf) -> io::Result<Program> {
        let output = Command::new(&path).args(["send", "--help"]).output();
        let output = output.map_err(|error| io::Error::other(format!("{}: {error}", path.display())))?;
        let help = String::from_utf8_lossy(&output.stdout).into_owned();
        Ok(Program { path, help })
    }

    /// What it calls itself.
    pub fn version(&self) -> io::Result<String> {
        let output = Command::new(&self.path).arg("--version").output()?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Whether `send` takes that option.
    pub fn has(&self, option: &str) -> bool {
        self.help.split([' ', ',', '\n']).any(|word| word == option)
    }

    /// How large it is on a disk.
    pub fn bytes(&self) -> io::Result<u64> {
        Ok(fs::metadata(&self.path)?.len())
    }
}

/// One way to run it.
pub struct P2pc {
    program: Rc<Program>,
    is_tls: bool,
    /// What the sender is told besides.
    send: Vec<String>,
    /// What both are told besides.
    both: Vec<String>,
}

impl P2pc {
    /// As it runs where nobody says anything, through a relay over ws.
    pub fn new(program: &Rc<Program>) -> P2pc {
        P2pc { program: Rc::clone(program), is_tls: false, send: Vec::new(), both: Vec::new() }
    }

    /// Through a relay over wss, with a certificate of our own.
    pub fn tls(mut self) -> P2pc {
        self.is_tls = true;
        self
    }

    /// The sender is told this, too.
    pub fn send(mut self, options: &[&str]) -> P2pc {
        self.send.extend(options.iter().map(|&option| option.to_owned()));
        self
    }

    /// Both are told this, too.
    pub fn both(mut self, option: &str) -> P2pc {
        self.both.push(option.to_owned());
        self
    }

    fn command(&self, job: &Job<'_>, host: Host, subcommand: &str) -> Command {
        let mut command = job.place.command(host, &self.program.path);
        command.args([subcommand, "--quiet"]);
        for name in ["P2PC_RELAY", "P2PC_CODE", "HTTPS_PROXY", "ALL_PROXY", "https_proxy", "all_proxy"] {
            command.env_remove(name);
        }
        if host != Host::Relay {
            command.args(&self.both);
            if self.is_tls {
                command.arg("--ca").arg(job.scratch.join(certificate::AUTHORITY));
            }
        }
        command
    }
}

impl Tool for P2pc {
    fn name(&self) -> String {
        "p2pc".to_owned()
    }

    fn variant(&self) -> String {
        let mut words = vec![if self.is_tls { "wss" } else { "ws" }];
        words.extend(self.send.iter().chain(&self.both).map(String::as_str));
        words.join(" ")
    }

    fn relay(&self, job: &Job<'_>) -> io::Result<Relay> {
        let listen = SocketAddr::new(job.place.relay(), 0).to_string();
        let mut command = self.command(job, Host::Relay, "relay");
        command.args(["--listen", &listen]);
        if self.is_tls {
            certificate::make(job.scratch, job.place.relay())?;
            command.arg("--cert").arg(job.scratch.join(certificate::CHAIN));
        }
        let mut process = job.start("relay", command)?;
        let address = process
            .says(|line| line.split_whitespace().find(|word| word.contains("://")).map(str::to_owned))?;
        Ok(Relay { processes: vec![process], addresses: vec![address] })
    }

    fn send(&self, job: &Job<'_>, relay: &Relay) -> io::Result<(Process, String)> {
        let mut command = self.command(job, Host::Sender, "send");
        command.args(["--relay", relay.address()]).args(&self.send).arg(job.source);
        let mut process = job.start("sender", command)?;
        let code = process.says(|line| line.contains('@').then(|| line.trim().to_owned()))?;
        Ok((process, code))
    }

    fn receive(&self, job: &Job<'_>, _relay: &Relay, told: &str) -> Command {
        let mut command = self.command(job, Host::Receiver, "receive");
        command.args(["--yes", "--out"]).arg(job.out).arg(told);
        command
    }

    fn can_be_led(&self) -> bool {
        true
    }
}

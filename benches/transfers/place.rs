//! Where the three programs run: on loopback, or on the hosts of an emulated wide-area network. Such a network is a script
//! (`WAN=scripts/wan.sh`, or another one) that knows `up KEY=VALUE...`, `on snd|rly|rcv COMMAND...` and `down`, and joins three hosts, in which the
//! sender and the receiver reach the relay at one address.

use std::env;
use std::ffi::OsStr;
use std::io::{self, Error};
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// One of the three.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Host {
    /// Where the content is.
    Sender,
    /// Between both.
    Relay,
    /// Where the content goes.
    Receiver,
}

/// A network to carry things over. A wide-area one goes away when it is dropped.
pub enum Place {
    /// This machine.
    Loopback,
    /// An emulated network.
    Wan(Wan),
}

/// An emulated network that is up.
pub struct Wan {
    script: PathBuf,
    relay: IpAddr,
}

impl Wan {
    /// Puts it up, with the congestion control that most machines use.
    pub fn up(script: &std::path::Path, relay: IpAddr, settings: &[&str]) -> io::Result<Wan> {
        let wan = Wan { script: script.to_owned(), relay };
        wan.tell("up", settings)?;
        Ok(wan)
    }

    fn tell(&self, word: &str, settings: &[&str]) -> io::Result<()> {
        // Shell scripts need not be executable.
        let mut command = Command::new("bash");
        command
            .arg(&self.script)
            .arg(word)
            .args(settings)
            .env("CC", "cubic")
            .env("P2PC_LINK", env::current_exe()?);
        // What it leaves running in the background must not hold our outputs.
        let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status()?;
        if status.success() {
            return Ok(());
        }
        Err(Error::other(format!("{} {word}: {status}", self.script.display())))
    }
}

impl Drop for Wan {
    fn drop(&mut self) {
        // If it cannot be taken down there is nothing else that could be done here.
        let _ = self.tell("down", &[]);
    }
}

impl Place {
    /// The command that runs a program on that host. It must become the program, so that what is watched is the program.
    pub fn command(&self, host: Host, program: impl AsRef<OsStr>) -> Command {
        match self {
            Place::Loopback => Command::new(program),
            Place::Wan(wan) => {
                let name = match host {
                    Host::Sender => "snd",
                    Host::Relay => "rly",
                    Host::Receiver => "rcv",
                };
                let mut command = Command::new("bash");
                command.arg(&wan.script).args(["on", name]).arg(program);
                command
            }
        }
    }

    /// Where relays listen.
    pub fn relay(&self) -> IpAddr {
        match self {
            Place::Loopback => Ipv4Addr::LOCALHOST.into(),
            Place::Wan(wan) => wan.relay,
        }
    }
}

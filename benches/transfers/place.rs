//! Where the three programs run: on loopback, or on the hosts of an emulated wide-area network. Such a network is a script
//! (`WAN=scripts/wan.sh`, or another one) that knows `up KEY=VALUE...`, `on snd|rly|rcv COMMAND...` and `down`, and joins three hosts, in which the
//! sender and the receiver reach the relay at one address. Where nobody gives a script, the shaping proxy of `benches/shaper` stands between both and
//! the relay, which needs no root and is an approximation.

use std::env;
use std::ffi::OsStr;
use std::io::{self, Error};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::link::Settings;
use crate::proxy::Line;
use crate::tcp::Manners;
use crate::tools::Relay;

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
    /// This machine, with a proxy before the relay that is as slow and far away as a network.
    Shaped(Manners),
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
    /// A proxy with the settings of a link.
    pub fn shaped(settings: &[&str]) -> io::Result<Place> {
        let words: Vec<String> = settings.iter().map(|&word| word.to_owned()).collect();
        let link = Settings::parse(&words)?;
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a positive whole number of bytes"
        )]
        let rate = (link.rate_mbit > 0.0).then_some((link.rate_mbit * BYTES_PER_MBIT) as u64);
        Ok(Place::Shaped(Manners { delay: link.delay, rate, queue: link.queue, lost: link.loss, seed: 1 }))
    }

    /// Whether the ends are away from each other, and see nothing but the relay.
    pub fn is_far(&self) -> bool {
        !matches!(self, Place::Loopback)
    }

    /// What results from here have to be marked with.
    pub fn remark(&self) -> &'static str {
        match self {
            Place::Loopback | Place::Wan(_) => "",
            Place::Shaped(_) => ", approximate (a shaping proxy)",
        }
    }

    /// Puts what lies between the ends and a relay between them, where that is a proxy. Each address has a line of its own: of the tools with two,
    /// the content goes over one.
    pub fn lead(&self, relay: &mut Relay) -> io::Result<()> {
        if let Place::Shaped(manners) = self {
            let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
            relay.addresses =
                relay.led(&mut |target| Ok(Line::open(any, target, *manners, |_| {})?.address))?;
        }
        Ok(())
    }

    /// The command that runs a program on that host. It must become the program, so that what is watched is the program.
    pub fn command(&self, host: Host, program: impl AsRef<OsStr>) -> Command {
        match self {
            Place::Loopback | Place::Shaped(_) => Command::new(program),
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
            Place::Loopback | Place::Shaped(_) => Ipv4Addr::LOCALHOST.into(),
            Place::Wan(wan) => wan.relay,
        }
    }
}

/// A million bits.
const BYTES_PER_MBIT: f64 = 1e6 / 8.0;

//! The tools that are compared. Each is an adapter of a few lines: how its relay is started, how its sender, what its receiver has to be told.
//! A tool that is not installed is left out, and that is said.

mod floor;
mod p2p_copy;
mod p2pc;
mod scp;
mod sendme;
mod wormhole;

use std::env;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

pub use floor::Floor;
pub use p2p_copy::P2pCopy;
pub use p2pc::{P2pc, Program};
pub use scp::Scp;
pub use sendme::Sendme;
pub use wormhole::{MagicWormhole, WormholeRs};

use crate::place::Place;
use crate::process::Process;

/// What is carried in one run, and where it may be put.
pub struct Job<'a> {
    /// Where the programs run.
    pub place: &'a Place,
    /// A file or a directory.
    pub source: &'a Path,
    /// An empty directory.
    pub out: &'a Path,
    /// A directory for everything else: logs, keys, certificates.
    pub scratch: &'a Path,
}

impl Job<'_> {
    /// Starts a program and keeps what it says under that name.
    pub fn start(&self, name: &str, command: Command) -> io::Result<Process> {
        Process::start(command, &self.scratch.join(name))
    }
}

/// What stands between sender and receiver.
#[derive(Default)]
pub struct Relay {
    /// Its processes.
    pub processes: Vec<Process>,
    /// Where they listen, as the tool writes it.
    pub addresses: Vec<String>,
}

impl Relay {
    /// The first address.
    pub fn address(&self) -> &str {
        self.addresses.first().map_or("", String::as_str)
    }

    /// What those are told who shall reach it over something else: `via` opens a way to each address, and says where that begins.
    pub fn led(&self, via: &mut dyn FnMut(SocketAddr) -> io::Result<SocketAddr>) -> io::Result<Vec<String>> {
        let led = |address: &String| {
            let host =
                address.rsplit("://").next().and_then(|rest| rest.split('/').next()).unwrap_or_default();
            let target = host.parse().map_err(|_| io::Error::other(format!("{address} names no port")))?;
            Ok(address.replace(host, &via(target)?.to_string()))
        };
        self.addresses.iter().map(led).collect()
    }
}

/// Which processes carry the content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A sender that ends when it is done, a receiver, and perhaps a relay.
    Both,
    /// The sender goes on offering, so only the receiver's end counts.
    SenderStays,
    /// One command sends; what receives has been there, and takes the relay's place in the adapter.
    Push,
}

/// One tool, with its options.
pub trait Tool {
    /// What tables call it.
    fn name(&self) -> String;

    /// Its options, as tables name them.
    fn variant(&self) -> String {
        String::new()
    }

    /// Which processes it has.
    fn shape(&self) -> Shape {
        Shape::Both
    }

    /// Why it cannot do this, if it cannot.
    fn cannot(&self, _place: &Place, _source: &Path) -> Option<&'static str> {
        None
    }

    /// Starts what stands between, and waits until it listens.
    fn relay(&self, job: &Job<'_>) -> io::Result<Relay>;

    /// Starts the sender, and waits until it can be met. Says what the receiver has to be told.
    fn send(&self, job: &Job<'_>, relay: &Relay) -> io::Result<(Process, String)>;

    /// What the person at the other end types.
    fn receive(&self, job: &Job<'_>, relay: &Relay, told: &str) -> Command;

    /// Whether both its ends meet wherever they are told to, which may be a proxy before the relay.
    fn can_be_led(&self) -> bool {
        false
    }
}

/// The program of that name: in `PEERS`, a list of directories like `PATH`, or in `PATH`.
pub fn installed(name: &str) -> Option<PathBuf> {
    let lists = ["PEERS", "PATH"].into_iter().filter_map(env::var_os);
    let directories = lists.flat_map(|list| env::split_paths(&list).collect::<Vec<_>>());
    let directories = directories.filter(|directory| !directory.as_os_str().is_empty());
    // sshd is nobody's command, so it is in few users' PATH.
    directories
        .map(|directory| directory.join(name))
        .chain([Path::new("/usr/sbin").join(name)])
        .find(|path| path.is_file())
}

/// The first word of a line that looks like a wormhole's code: a number and words, joined by dashes.
fn wormhole_code(line: &str) -> Option<String> {
    let is_code = |word: &&str| {
        let mut parts = word.split('-');
        let number =
            parts.next().is_some_and(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()));
        let words: Vec<&str> = parts.collect();
        number
            && words.len() >= 2
            && words.iter().all(|word| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase()))
    };
    line.split_whitespace().find(is_code).map(str::to_owned)
}

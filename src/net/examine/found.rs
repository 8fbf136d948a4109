//! What can be found on the way to a relay, and where the way can end.

use std::net::SocketAddr;
use std::time::Duration;

use crate::Error;
use crate::net::tls::Certificate;

/// A step of the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Which proxy, if any.
    Proxy,
    /// From the name to addresses: the relay's, or the proxy's.
    Name,
    /// A connection to one of them.
    Connection,
    /// Through the proxy.
    Tunnel,
    /// TLS with the relay.
    Tls,
    /// An answer over HTTP.
    Answer,
    /// Both seats of a room.
    Room,
    /// From one seat to the other and back.
    RoundTrip,
    /// As much as goes.
    Speed,
}

/// What was found at a step that went well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// The proxy on the way, without its password.
    Proxy(Option<String>),
    /// What the name stands for. Not told where the address itself was given.
    Name {
        /// As it was looked up.
        name: String,
        /// At least one.
        addresses: Vec<SocketAddr>,
        /// How long that took.
        took: Duration,
    },
    /// Somebody answers.
    Connection {
        /// Who.
        to: SocketAddr,
        /// How long that took: a way there and back.
        took: Duration,
    },
    /// The proxy lets us through.
    Tunnel {
        /// How long that took.
        took: Duration,
    },
    /// The relay has shown a certificate that is trusted.
    Tls {
        /// What it says, if that is understood.
        certificate: Option<Certificate>,
        /// How long that took.
        took: Duration,
    },
    /// An answer, whatever it was.
    Answer {
        /// By how many seconds this machine's clock is ahead of the other one, if that said what time it is.
        ahead_s: Option<i64>,
    },
    /// Two sides can meet.
    Room {
        /// Whether they have shown a token.
        with_token: bool,
    },
    /// What one side says, the other hears.
    RoundTrip {
        /// To the relay and back: half of what it takes from one seat to the other and back.
        median: Duration,
        /// The longest.
        worst: Duration,
    },
    /// How fast it goes to the relay and back at the same time.
    Speed {
        /// Of what two sides say to each other.
        bytes_per_second: u64,
    },
}

/// Where the way ends.
#[derive(Debug)]
pub struct Trouble {
    /// The step that failed.
    pub step: Step,
    /// Why.
    pub error: Error,
    /// The certificate that the relay has shown, if it came so far.
    pub certificate: Option<Certificate>,
    /// The status of the answer, if that was the trouble.
    pub status: Option<u16>,
}

impl Trouble {
    /// What makes an error of this step its trouble.
    pub(super) fn at(step: Step) -> impl Fn(Error) -> Trouble {
        move |error| Trouble { step, error, certificate: None, status: None }
    }
}

impl Step {
    /// Who says nothing when nothing comes at this step, and what that means.
    pub(super) fn silence(self) -> (&'static str, &'static str) {
        match self {
            Step::Proxy | Step::Name => {
                ("a name server", "Check that this machine is online. Behind a proxy, set HTTPS_PROXY.")
            }
            Step::Connection => (
                "the port",
                "A firewall on the way drops the connection, or the host is down. Behind a proxy, set HTTPS_PROXY.",
            ),
            Step::Tunnel => {
                ("the proxy", "It takes the connection and does not answer: check its address and scheme.")
            }
            Step::Tls | Step::Answer => (
                "the other side",
                "Something takes the connection and says nothing: a firewall that looks into it, or no relay at all.",
            ),
            Step::Room => {
                ("the relay", "A server or proxy between may hold WebSockets back: ask who runs it.")
            }
            Step::RoundTrip | Step::Speed => (
                "the other seat",
                "Two sides can meet there, and what one says does not arrive: a server between may hold it back.",
            ),
        }
    }
}

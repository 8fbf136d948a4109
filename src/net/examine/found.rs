//! What can be found on the way to a relay, and where the way can end.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use crate::net::dial::DialError;
use crate::net::tls::Certificate;
use crate::{Error, Kind};

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
    /// In which way, as far as that says more than the error.
    pub cause: Cause,
    /// Why, for people.
    pub error: Error,
    /// It was the proxy that could not be found or connected to.
    pub at_proxy: bool,
    /// The certificate that the relay has shown, if it came so far.
    pub certificate: Option<Certificate>,
}

/// In which way a step failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// An answer, and none that lets us in.
    Refused {
        /// The status of HTTP.
        status: u16,
        /// When we may ask again, if it says so.
        again: Option<Duration>,
    },
    /// The connection was ended without an answer.
    HungUp,
    /// Nothing came.
    Silence,
    /// See the error.
    Other,
}

impl Trouble {
    /// What makes an error of this step its trouble.
    pub(super) fn at(step: Step) -> impl Fn(Error) -> Trouble {
        move |error| Trouble::of(step, error.into())
    }

    /// This step failed.
    pub(super) fn of(step: Step, error: DialError) -> Trouble {
        let cause = match &error {
            DialError::Refused { status, again, .. } => Cause::Refused { status: *status, again: *again },
            DialError::HungUp(_) => Cause::HungUp,
            DialError::RoomTaken(_) | DialError::Failed(_) => Cause::Other,
        };
        Trouble { step, cause, error: error.into(), at_proxy: false, certificate: None }
    }

    /// Nothing came at this step within this time.
    pub(super) fn silent(step: Step, waited: Duration) -> Trouble {
        let (who, meaning) = step.silence();
        let what = format!("no answer from {who} within {} s", waited.as_secs());
        let error = Error::new(Kind::Relay, what).hint(meaning);
        Trouble { cause: Cause::Silence, ..Trouble::at(step)(error) }
    }

    /// This step failed after some time; nobody answering is the same whoever was not patient enough, we or the system.
    pub(super) fn unless_silent(
        step: Step,
        waited: Duration,
        error: io::Error,
        explained: impl Fn(io::Error) -> Error,
    ) -> Trouble {
        if error.kind() == io::ErrorKind::TimedOut {
            return Trouble::silent(step, waited);
        }
        Trouble::at(step)(explained(error))
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

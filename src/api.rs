//! The two calls that make a transfer: everything between the options and the report.
//!
//! A slice knows how to run a session; here it is decided where the session takes place. Without a relay, the
//! side that makes the code runs an embedded one for this session only, and the other side dials this
//! machine.

pub mod blocking;
mod options;
pub mod transfer;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use futures_lite::future;

use crate::error::{Error, Kind, Result};
use crate::events::{Cancel, Event, Handler, Report};
use crate::net::dial::{AtRelay, DialOptions, Dialer};
use crate::net::link::{Ended, decline};
use crate::net::pair::{Origin, Paired, Pairing, WrongGuesses, derive, random};
use crate::net::{ListenAddr, RelayUrl, local_addresses};
use crate::proto::code::{Code, Derived};
use crate::proto::handshake::{Capabilities, Options};
use crate::proto::role::Role;
use crate::receive::{Destination, ReceiveOptions, SumFile, Terms};
use crate::relay::{Limits, Relay, RelayOptions, Rooms};
use crate::send::source::{Roots, Walk};
use crate::send::{Cut, SendOptions};

/// Sends files and directories to the other side and returns once it has stated the outcome of every entry.
///
/// Dropping the future abandons the transfer without a word to the other side; `cancel` ends it in order.
///
/// # Errors
/// [`Error`] with the [`Kind`] that says whose fault it was. A report with failed entries is no error.
pub async fn send(options: SendOptions, handler: &dyn Handler, cancel: Cancel) -> Result<Report> {
    let roots = options.roots()?;
    if let Some(input) = &options.input {
        input.claim()?;
    }
    for renamed in roots.renamed() {
        handler.event(Event::Renamed { path: renamed.path.clone(), name: renamed.name.clone() });
    }
    let meeting = Meeting {
        role: Role::Send,
        code: options.code,
        listen: options.listen,
        dial: options.dial,
        asks: Options { no_encrypt: options.no_encrypt, verify: options.verify },
        capabilities: options.capabilities,
        wait: options.wait,
        retry: options.retry,
    };
    let SendOptions { chunk_size: chunk, compress, lanes, limit, .. } = options;
    let cut = Cut { chunk, compress, lanes, limit };
    meeting.hold(handler, &cancel, Sending { roots, cut }).await
}

/// Receives what the other side sends and returns once every entry has its outcome.
///
/// Dropping the future abandons the transfer without a word to the other side; `cancel` ends it in order.
///
/// # Errors
/// [`Error`] with the [`Kind`] that says whose fault it was. A report with failed entries is no error.
pub async fn receive(options: ReceiveOptions, handler: &dyn Handler, cancel: Cancel) -> Result<Report> {
    let destination = options.destination()?;
    let rules = options.rules();
    let sums = options.checksums.as_ref().map(|sums| SumFile::check(sums, &options.out)).transpose()?;
    if sums.is_some() && is_stream(&destination) {
        return Err(Error::new(
            Kind::Usage,
            "checksums are for files, and what is received goes to a stream",
        )
        .hint("Receive into a directory, or let another program sum what comes out."));
    }
    if let Some(outlet) = &options.writer {
        outlet.claim()?;
    }
    let terms = Terms { destination, sums, rules, yes: options.yes, limit: options.limit };
    let meeting = Meeting {
        role: Role::Receive,
        code: options.code,
        listen: options.listen,
        dial: options.dial,
        asks: Options { no_encrypt: options.no_encrypt, verify: options.verify },
        capabilities: options.capabilities,
        wait: options.wait,
        retry: options.retry,
    };
    meeting.hold(handler, &cancel, Receiving(terms)).await
}

/// What one side does in a session, which may begin more than once: the other side may be started again.
trait Part {
    /// Runs a session to its end. `was_accepted`: it is not the first one, and the person of one before had
    /// accepted.
    async fn session<'p>(&self, paired: Paired<'p>, was_accepted: bool) -> Result<Ended<'p>>;
}

struct Sending {
    roots: Roots,
    cut: Cut,
}

struct Receiving(Terms);

impl Part for Sending {
    async fn session<'p>(&self, paired: Paired<'p>, was_accepted: bool) -> Result<Ended<'p>> {
        // Before the other side accepts nothing is read.
        if was_accepted && self.roots.has_input() {
            let error = Error::new(
                Kind::ConnectionLost,
                "the receiver was started again, and the stream that is sent cannot be read once more",
            );
            return Err(decline(paired, error.hint(ONCE_ONLY)).await);
        }
        crate::send::run(paired, Walk::of(self.roots.clone()), self.cut).await
    }
}

impl Part for Receiving {
    async fn session<'p>(&self, paired: Paired<'p>, was_accepted: bool) -> Result<Ended<'p>> {
        if was_accepted && is_stream(&self.0.destination) {
            let error = Error::new(
                Kind::ConnectionLost,
                "the sender was started again, and what went into a stream cannot be taken back",
            );
            return Err(decline(paired, error.hint(ONCE_ONLY)).await);
        }
        let terms = Terms { yes: self.0.yes || was_accepted, ..self.0.clone() };
        crate::receive::run(paired, terms).await
    }
}

fn is_stream(output: &Destination) -> bool {
    matches!(output, Destination::Stream(_))
}

/// What helps where a stream was cut in the middle.
const ONCE_ONLY: &str = "Run both commands again, from the beginning.";

/// Where and how the two sides find each other.
struct Meeting {
    role: Role,
    code: Option<Code>,
    listen: Option<ListenAddr>,
    dial: DialOptions,
    asks: Options,
    capabilities: Capabilities,
    wait: Option<Duration>,
    retry: Duration,
}

/// Where two sides meet, and by which code.
struct Place {
    relay: RelayUrl,
    code: Code,
    /// What follows from the code, where that is known already.
    derived: Option<Derived>,
    origin: Origin,
}

impl Meeting {
    /// Pairs and runs the session, beside an embedded relay if there is no other.
    async fn hold(self, handler: &dyn Handler, cancel: &Cancel, part: impl Part) -> Result<Report> {
        let made = self.code.is_none();
        let code = match &self.code {
            Some(code) => code.clone(),
            None => Code::generate(&*random()?),
        };
        let Some(relay) = self.dial.relay.clone() else {
            return self.hold_here(code, made, handler, cancel, part).await;
        };
        if self.listen.is_some() {
            return Err(Error::new(
                Kind::Usage,
                "an address to listen on makes no sense with a relay elsewhere",
            )
            .hint("Leave out either --listen or the relay."));
        }
        if !relay.tls() && !relay.is_private() {
            handler.event(Event::PlainRelay(relay.clone()));
        }
        let origin = if made { Origin::Made } else { Origin::Given };
        let place = Place { relay, code, derived: None, origin };
        self.hold_at(place, None, (handler, cancel), part).await
    }

    /// Pairs at a relay, and again whenever the other side was started again. `rooms` are those of an
    /// embedded relay.
    async fn hold_at(
        self,
        place: Place,
        rooms: Option<&Rooms>,
        (handler, cancel): (&dyn Handler, &Cancel),
        part: impl Part,
    ) -> Result<Report> {
        let Place { relay, code, derived, origin } = place;
        let dialer = Dialer::new(&self.dial)?;
        let mut seats = AtRelay::new(&dialer, relay.clone());
        let derived = match derived {
            Some(derived) => derived,
            None if code.is_generated() => derive(&code).await?,
            // The way to the relay takes as long, or longer.
            None => seats.beside(derive(&code)).await?,
        };
        let Meeting { role, asks: options, capabilities, wait, retry, .. } = self;
        let guesses = WrongGuesses::default();
        let mut pairing = Pairing {
            seats: &seats,
            relay,
            role,
            code,
            derived,
            origin,
            options,
            capabilities,
            wait,
            retry,
            guesses,
            handler,
            cancel,
        };
        sessions(pairing.pair().await?, rooms, &part).await
    }

    /// Runs a relay of this session's own beside it.
    async fn hold_here(
        mut self,
        code: Code,
        made: bool,
        handler: &dyn Handler,
        cancel: &Cancel,
        part: impl Part,
    ) -> Result<Report> {
        // With an address to listen on, a receiver goes on that was the relay for the code before.
        if self.role == Role::Receive && !made && self.listen.is_none() {
            return Err(Error::new(Kind::Usage, "the code says nothing of a relay, and none is given").hint(
                "Type the code with what follows its @, or give the relay with --relay or P2PC_RELAY.",
            ));
        }
        // A relay of one's own asks for none.
        self.dial.token = None;
        let derived = derive(&code).await?;
        let listen = self.listen.unwrap_or_else(|| ListenAddr::everywhere(0));
        let rooms = Rooms::default();
        rooms.admit(&derived.room)?;
        let options = RelayOptions {
            listen: vec![listen],
            only_rooms: Some(rooms.clone()),
            limits: Limits::embedded(),
            ..RelayOptions::default()
        };
        let relay = Relay::bind(options).await?;
        let Some(bound) = relay.addresses().first().copied() else {
            return Err(Error::new(Kind::Internal, "the embedded relay listens nowhere"));
        };
        let origin = Origin::Embedded { relays: reachable_at(bound), made };
        let stop = Cancel::new();
        let running = relay.run(stop.clone());
        let holding = async {
            let place = Place { relay: own_url(bound), code, derived: Some(derived), origin };
            let result = self.hold_at(place, Some(&rooms), (handler, cancel), part).await;
            stop.cancel();
            result
        };
        let (served, result) = future::zip(running, holding).await;
        served.and(result)
    }
}

/// One session after another, until one of them ends for another reason than that the other side was started
/// again.
async fn sessions(mut paired: Paired<'_>, rooms: Option<&Rooms>, part: &impl Part) -> Result<Report> {
    let mut was_accepted = false;
    loop {
        let names: Vec<String> = paired.reunion.rooms().collect();
        if let Some(rooms) = rooms {
            names.iter().try_for_each(|name| rooms.admit(name))?;
        }
        // On the heap: a session holds a lot, and its future shall be easy to carry around.
        let ended = Box::pin(part.session(paired, was_accepted)).await;
        if let Some(rooms) = rooms {
            for name in &names {
                rooms.dismiss(name);
            }
        }
        match ended? {
            Ended::Done(report) => return Ok(report),
            Ended::Restarted { paired: next, accepted: before } => {
                paired = *next;
                was_accepted |= before;
            }
        }
    }
}

/// How this process dials its own relay.
fn own_url(bound: SocketAddr) -> RelayUrl {
    let ip = match bound.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    RelayUrl::plain(SocketAddr::new(ip, bound.port()))
}

/// How the other side may dial it.
fn reachable_at(bound: SocketAddr) -> Vec<RelayUrl> {
    if !bound.ip().is_unspecified() {
        return vec![RelayUrl::plain(bound)];
    }
    local_addresses(bound.port()).into_iter().map(RelayUrl::plain).collect()
}

#[cfg(test)]
mod reunion_tests;
#[cfg(test)]
mod tests;

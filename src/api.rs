//! The two calls that make a transfer: everything between the options and the report.
//!
//! A slice knows how to run a session; here it is decided where the session takes place. Without a relay, the side that makes the code
//! runs an embedded one for this session only, and the other side dials this machine.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use futures_lite::future;

use crate::error::{Error, Kind, Result};
use crate::events::{Cancel, Event, Handler, Report};
use crate::net::dial::{DialOptions, Dialer};
use crate::net::pair::{Origin, Paired, Pairing, derive, random};
use crate::net::{ListenAddr, RelayUrl, local_addresses};
use crate::proto::code::{Code, Derived};
use crate::proto::handshake::Options;
use crate::proto::role::Role;
use crate::receive::ReceiveOptions;
use crate::relay::{Relay, RelayOptions};
use crate::send::SendOptions;

/// Sends files and directories to the other side and returns once it has stated the outcome of every entry.
///
/// Dropping the future abandons the transfer without a word to the other side; `cancel` ends it in order.
///
/// # Errors
/// [`Error`] with the [`Kind`] that says whose fault it was. A report with failed entries is no error.
pub async fn send(options: SendOptions, handler: &dyn Handler, cancel: Cancel) -> Result<Report> {
    let walk = crate::send::source::Walk::new(&options.paths)?;
    for renamed in walk.roots().renamed() {
        handler.event(Event::Renamed { path: renamed.path.clone(), name: renamed.name.clone() });
    }
    let meeting = Meeting {
        role: Role::Send,
        code: options.code,
        listen: options.listen,
        dial: options.dial,
        asks: Options { no_encrypt: options.no_encrypt, verify: options.verify },
        wait: options.wait,
    };
    let chunk = options.chunk_size;
    let stop = cancel.clone();
    meeting
        .hold(handler, &cancel, async |paired| crate::send::run(paired, walk, chunk, handler, stop).await)
        .await
}

/// Receives what the other side sends and returns once every entry has its outcome.
///
/// Dropping the future abandons the transfer without a word to the other side; `cancel` ends it in order.
///
/// # Errors
/// [`Error`] with the [`Kind`] that says whose fault it was. A report with failed entries is no error.
pub async fn receive(options: ReceiveOptions, handler: &dyn Handler, cancel: Cancel) -> Result<Report> {
    let output = crate::receive::Destination::check(&options.out)?;
    let meeting = Meeting {
        role: Role::Receive,
        code: options.code,
        listen: options.listen,
        dial: options.dial,
        asks: Options { no_encrypt: options.no_encrypt, verify: options.verify },
        wait: options.wait,
    };
    let stop = cancel.clone();
    let yes = options.yes;
    meeting
        .hold(handler, &cancel, async |paired| crate::receive::run(paired, output, yes, handler, stop).await)
        .await
}

/// Where and how the two sides find each other.
struct Meeting {
    role: Role,
    code: Option<Code>,
    listen: Option<ListenAddr>,
    dial: DialOptions,
    asks: Options,
    wait: Option<Duration>,
}

impl Meeting {
    /// Pairs and runs the session, beside an embedded relay if there is no other.
    async fn hold(
        self,
        handler: &dyn Handler,
        cancel: &Cancel,
        session: impl AsyncFnOnce(Paired) -> Result<Report>,
    ) -> Result<Report> {
        let made = self.code.is_none();
        let code = match &self.code {
            Some(code) => code.clone(),
            None => Code::generate(&*random()?),
        };
        let Some(relay) = self.dial.relay.clone() else {
            return self.hold_here(code, made, handler, cancel, session).await;
        };
        let derived = derive(&code).await?;
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
        self.hold_at(relay, (code, derived), origin, handler, cancel, session).await
    }

    async fn hold_at(
        self,
        relay: RelayUrl,
        (code, derived): (Code, Derived),
        origin: Origin,
        handler: &dyn Handler,
        cancel: &Cancel,
        session: impl AsyncFnOnce(Paired) -> Result<Report>,
    ) -> Result<Report> {
        let dialer = Dialer::new(&self.dial)?;
        let Meeting { role, asks: options, wait, .. } = self;
        let pairing =
            Pairing { dialer: &dialer, relay, role, code, derived, origin, options, wait, handler, cancel };
        session(pairing.pair().await?).await
    }

    /// Runs a relay of this session's own beside it.
    async fn hold_here(
        self,
        code: Code,
        made: bool,
        handler: &dyn Handler,
        cancel: &Cancel,
        session: impl AsyncFnOnce(Paired) -> Result<Report>,
    ) -> Result<Report> {
        // With an address to listen on, a receiver goes on that was the relay for the code before.
        if self.role == Role::Receive && !made && self.listen.is_none() {
            return Err(Error::new(Kind::Usage, "the code says nothing of a relay, and none is given").hint(
                "Type the code with what follows its @, or give the relay with --relay or P2PC_RELAY.",
            ));
        }
        let derived = derive(&code).await?;
        let listen = self.listen.unwrap_or_else(|| ListenAddr::everywhere(0));
        let options = RelayOptions { listen: vec![listen], tls: None, only_room: Some(derived.room.clone()) };
        let relay = Relay::bind(options).await?;
        let Some(bound) = relay.addresses().first().copied() else {
            return Err(Error::new(Kind::Internal, "the embedded relay listens nowhere"));
        };
        let origin = Origin::Embedded { relays: reachable_at(bound), made };
        let stop = Cancel::new();
        let running = relay.run(stop.clone());
        let holding = async {
            let result =
                self.hold_at(own_url(bound), (code, derived), origin, handler, cancel, session).await;
            stop.cancel();
            result
        };
        let (served, result) = future::zip(running, holding).await;
        served.and(result)
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
mod tests;

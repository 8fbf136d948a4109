//! What a relay is to be. Its limits are in [`Limits`].

use std::path::PathBuf;
use std::time::Duration;

use super::address::Network;
use super::limits::{DRAIN_MS, Limits};
use super::room::Rooms;
use crate::net::ListenAddr;

/// What a relay is to be.
#[derive(Clone, Debug)]
#[non_exhaustive]
#[must_use = "options do nothing by themselves: bind a relay with them"]
pub struct RelayOptions {
    /// Where to listen, at least one.
    pub listen: Vec<ListenAddr>,
    /// With these, it speaks TLS on every address; without, something in front of it should.
    pub tls: Option<TlsFiles>,
    /// Serve these rooms and no others: the relay that runs within one side of a session, whose limits should be [`Limits::embedded`].
    #[doc(hidden)]
    pub only_rooms: Option<Rooms>,
    /// How much of everything.
    pub limits: Limits,
    /// The file of tokens. With it, a room forwards once one of its sides has shown one.
    pub tokens: Option<PathBuf>,
    /// Servers in front of the relay that are believed when they say whom they speak for.
    pub trusted_proxies: Vec<Network>,
    /// How long running sessions may go on once the relay is to end.
    pub drain: Duration,
    /// Where measurements are given out, for Prometheus.
    pub metrics: Option<ListenAddr>,
    /// How much of addresses is in the log.
    pub log_addresses: LogAddresses,
    /// What is handed out besides rooms: the client, and a page about it. `None` hands out nothing.
    pub front: Option<Front>,
}

impl Default for RelayOptions {
    /// Listens nowhere yet, limits for 1 GiB of memory, everything else off.
    fn default() -> RelayOptions {
        RelayOptions {
            listen: Vec::new(),
            tls: None,
            only_rooms: None,
            limits: Limits::default(),
            tokens: None,
            trusted_proxies: Vec::new(),
            drain: Duration::from_millis(DRAIN_MS),
            metrics: None,
            log_addresses: LogAddresses::default(),
            front: None,
        }
    }
}

/// Where a relay's certificate is.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TlsFiles {
    /// The chain, PEM, the relay's own certificate first.
    pub cert: PathBuf,
    /// The private key, PEM; `None` when the certificate's file holds it too.
    pub key: Option<PathBuf>,
}

impl TlsFiles {
    /// A certificate in this file with its chain, and its private key in the same file or in another.
    pub fn new(cert: impl Into<PathBuf>, key: Option<PathBuf>) -> TlsFiles {
        TlsFiles { cert: cert.into(), key }
    }
}

/// How much of clients' addresses is in the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum LogAddresses {
    /// Nothing.
    Off,
    /// The network: 24 bits of IPv4, 48 bits of IPv6.
    #[default]
    Short,
    /// All of it.
    Full,
}

/// How the relay hands out the client.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Front {
    /// Under which address others reach this relay, such as `https://relay.example.org`; `None`: what they ask for with `Host`.
    pub public_url: Option<String>,
    /// A directory with binaries for other targets than the relay's own.
    pub dl_dir: Option<PathBuf>,
}

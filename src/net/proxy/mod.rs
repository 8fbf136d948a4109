//! Which proxy a relay is reached through, and the way through it.
//!
//! | variable | used for | |
//! | --- | --- | --- |
//! | `HTTPS_PROXY` | `wss://` | before `ALL_PROXY` |
//! | `ALL_PROXY` | `wss://` and `ws://` | |
//! | `NO_PROXY` | neither | names, addresses, networks, as curl reads it |
//!
//! The lower-case spelling of each is read too and comes first; an empty value is as good as none. `HTTP_PROXY` is not
//! read: it is meant for plain web pages, and proxies found there rarely let a WebSocket pass. Every HTTP proxy is asked
//! for a tunnel with CONNECT, also for `ws://`. This machine itself (loopback) is never reached through a proxy.

mod connect;
mod no_proxy;
mod socks;
mod url;

use std::env;
use std::fmt;
use std::io;
use std::time::Duration;

use super::tcp::{self, BoxedIo, ConnectError, within};
use super::tls::{self, Trust, Unshaken};
use super::url::{Host, RelayUrl};
use crate::{Error, Kind, Result};
use no_proxy::NoProxy;
pub(super) use url::ProxyUrl;
use url::Scheme;

/// The variables as they are set, read once, so that the rest of the program does not depend on the environment.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ProxyEnv {
    /// `https_proxy` or `HTTPS_PROXY`.
    pub https_proxy: Option<String>,
    /// `all_proxy` or `ALL_PROXY`.
    pub all_proxy: Option<String>,
    /// `no_proxy` or `NO_PROXY`.
    pub no_proxy: Option<String>,
}

impl ProxyEnv {
    /// What the environment of this process says. Values that are not text count as not set.
    #[must_use]
    pub fn from_env() -> ProxyEnv {
        ProxyEnv {
            https_proxy: variable("https_proxy"),
            all_proxy: variable("all_proxy"),
            no_proxy: variable("no_proxy"),
        }
    }

    /// The proxy on the way to `relay` as people may see it, without its password. `None` where there is none, or one that cannot be
    /// understood.
    #[must_use]
    pub fn on_the_way_to(&self, relay: &RelayUrl) -> Option<String> {
        Some(Proxies::parse(self).ok()?.choose(relay)?.to_string())
    }
}

/// Redacted: proxies' addresses may hold a password.
impl fmt::Debug for ProxyEnv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |value: &Option<String>| value.as_ref().map(|_| "..");
        f.debug_struct("ProxyEnv")
            .field("https_proxy", &shown(&self.https_proxy))
            .field("all_proxy", &shown(&self.all_proxy))
            .field("no_proxy", &self.no_proxy)
            .finish()
    }
}

/// The proxies of [`ProxyEnv`], parsed.
#[derive(Debug)]
pub(super) struct Proxies {
    https: Option<ProxyUrl>,
    all: Option<ProxyUrl>,
    exempt: NoProxy,
}

impl Proxies {
    pub(super) fn parse(env: &ProxyEnv) -> Result<Proxies> {
        let parse = |name: &str, value: &Option<String>| match value.as_deref().map(str::trim) {
            None | Some("") => Ok(None),
            Some(text) => ProxyUrl::parse(name, text).map(Some),
        };
        Ok(Proxies {
            https: parse("HTTPS_PROXY", &env.https_proxy)?,
            all: parse("ALL_PROXY", &env.all_proxy)?,
            exempt: NoProxy::parse(env.no_proxy.as_deref().unwrap_or_default()),
        })
    }

    /// The proxy on the way to `relay`, if there is to be one.
    pub(super) fn choose(&self, relay: &RelayUrl) -> Option<&ProxyUrl> {
        if relay.host().is_loopback() || self.exempt.matches(relay.host(), relay.port()) {
            return None;
        }
        let for_scheme = if relay.tls() { self.https.as_ref() } else { None };
        for_scheme.or(self.all.as_ref())
    }
}

/// Opens a stream to `host` through `proxy`. Cancel safe.
pub(super) async fn tunnel(proxy: &ProxyUrl, trust: &Trust, host: &Host, port: u16) -> Result<BoxedIo> {
    let stream = tcp::connect(proxy.host(), proxy.port()).await.map_err(|error| unreachable(proxy, error))?;
    through(stream, proxy, trust, host, port).await
}

/// Opens a stream to `host` on a connection to `proxy`. Cancel safe.
pub(super) async fn through(
    mut stream: BoxedIo,
    proxy: &ProxyUrl,
    trust: &Trust,
    host: &Host,
    port: u16,
) -> Result<BoxedIo> {
    if proxy.scheme() == Scheme::Https {
        let shaken = tls::connect(stream, trust.config()?, proxy.host(), &format!("the proxy {proxy}")).await;
        stream = shaken.map_err(|error| match error {
            Unshaken::HungUp(error) => {
                Error::new(Kind::Relay, format!("the proxy {proxy} ends the TLS handshake"))
                    .hint("Check its address and scheme: http:// if it is reached without TLS.")
                    .caused_by(error)
            }
            Unshaken::Failed(error) => error,
        })?;
    }
    let outcome = within(TUNNEL_TIMEOUT, async {
        match proxy.scheme() {
            Scheme::Http | Scheme::Https => connect::open(&mut stream, proxy.credentials(), host, port).await,
            Scheme::Socks5 => socks::open(&mut stream, proxy.credentials(), host, port).await,
        }
    });
    match outcome.await {
        Ok(()) => Ok(stream),
        Err(refusal) => Err(refusal.into_error(proxy, host, port)),
    }
}

/// What stands between us and the relay at the proxy.
#[derive(Debug)]
enum Refusal {
    /// The connection to the proxy failed, ended or took too long.
    Io(io::Error),
    /// What it said is not the protocol its address promises.
    Garbage,
    /// It wants other credentials; its own words.
    Credentials(String),
    /// It does not let us; its own words.
    Forbidden(String),
    /// It cannot get there; its own words.
    Unreachable(String),
    /// Something else; its own words.
    Other(String),
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Refusal {
        Refusal::Io(error)
    }
}

impl Refusal {
    fn into_error(self, proxy: &ProxyUrl, host: &Host, port: u16) -> Error {
        let relay = |what: String| Error::new(Kind::Relay, what);
        match self {
            Refusal::Io(error) => relay(format!("the proxy {proxy} does not open a tunnel to {host}:{port}"))
                .hint("Check that its address and scheme are right.")
                .caused_by(error),
            Refusal::Garbage => relay(format!("the proxy {proxy} does not answer like one"))
                .hint("Check its address and scheme: http://, https:// or socks5://."),
            Refusal::Credentials(said) if proxy.credentials().is_some() => {
                relay(format!("the proxy {proxy} does not accept the user name and password ({said})"))
                    .hint("Characters such as @, : and / in them must be percent-encoded.")
            }
            Refusal::Credentials(said) => {
                relay(format!("the proxy {proxy} wants a user name and password ({said})"))
                    .hint("Write them into the variable: http://USER:PASSWORD@HOST:PORT.")
            }
            Refusal::Forbidden(said) => relay(format!(
                "the proxy {proxy} does not allow {host}:{port} ({said})"
            ))
            .hint("Many proxies allow port 443 only: use a relay on that port, or ask who runs the proxy."),
            Refusal::Unreachable(said) => relay(format!(
                "the proxy {proxy} cannot reach {host}:{port} ({said})"
            ))
            .hint(
                "Check the relay's address; the proxy must be able to find its name. NO_PROXY exempts hosts.",
            ),
            Refusal::Other(said) => {
                relay(format!("the proxy {proxy} does not open a tunnel to {host}:{port} ({said})"))
            }
        }
    }
}

/// Why there is no connection to the proxy, as a sentence.
pub(super) fn unreachable(proxy: &ProxyUrl, error: ConnectError) -> Error {
    let hint = "Check HTTPS_PROXY and ALL_PROXY; NO_PROXY exempts hosts.";
    match error {
        ConnectError::Resolve(error) => {
            Error::new(Kind::Relay, format!("cannot find the address of the proxy {proxy}"))
                .hint(hint)
                .caused_by(error)
        }
        ConnectError::Connect(error) => {
            Error::new(Kind::Relay, format!("cannot connect to the proxy {proxy}"))
                .hint(hint)
                .caused_by(error)
        }
    }
}

fn variable(lower_case: &str) -> Option<String> {
    [lower_case.to_owned(), lower_case.to_ascii_uppercase()]
        .into_iter()
        .filter_map(|name| env::var(name).ok())
        .find(|value| !value.is_empty())
}

/// The proxy connects on our behalf, over several addresses perhaps, before it answers.
const TUNNEL_TIMEOUT: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(env: &ProxyEnv, relay: &str) -> Option<String> {
        Proxies::parse(env).unwrap().choose(&relay.parse().unwrap()).map(ToString::to_string)
    }

    #[test]
    fn the_variables_have_the_documented_order() {
        let env = ProxyEnv {
            https_proxy: Some("http://a:1".into()),
            all_proxy: Some("socks5://b:2".into()),
            no_proxy: Some("near.example".into()),
        };
        assert_eq!(chosen(&env, "relay.example").as_deref(), Some("http://a:1"));
        assert_eq!(chosen(&env, "ws://relay.example").as_deref(), Some("socks5://b:2"));
        assert_eq!(chosen(&env, "x.near.example"), None);
        let only_https = ProxyEnv { all_proxy: None, ..env.clone() };
        assert_eq!(chosen(&only_https, "ws://relay.example"), None);
        let only_all = ProxyEnv { https_proxy: Some(String::new()), ..env };
        assert_eq!(chosen(&only_all, "relay.example").as_deref(), Some("socks5://b:2"));
    }

    #[test]
    fn loopback_never_goes_by_proxy() {
        let env = ProxyEnv { all_proxy: Some("http://a:1".into()), ..ProxyEnv::default() };
        for relay in
            ["localhost", "ws://127.0.0.1:9", "ws://[::1]:9", "wss://127.3.2.1", "[::ffff:127.0.0.1]"]
        {
            assert_eq!(chosen(&env, relay), None, "{relay}");
        }
        assert!(chosen(&env, "192.168.0.1").is_some());
    }

    #[test]
    fn passwords_are_not_shown() {
        let text = "http://me:hush@a:1";
        let env = ProxyEnv { all_proxy: Some(text.into()), ..ProxyEnv::default() };
        let shown = format!("{env:?} {:?}", Proxies::parse(&env).unwrap());
        assert!(!shown.contains("hush") && !chosen(&env, "relay.example").unwrap().contains("hush"));
    }
}

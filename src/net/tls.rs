//! TLS of the hop to the relay: which cryptography, which roots, which certificate, and what its errors mean.
//!
//! The content has its own end-to-end encryption; this layer keeps the hop from being watched or diverted. Everything
//! that leaves this module towards a person is a sentence with a hint.

mod certificate;
mod pem;
mod witness;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_rustls::TlsConnector;
use rustls::client::danger::ServerCertVerifier;
use rustls::client::{ClientConfig, Resumption};
use rustls::crypto::CryptoProvider;
use rustls::server::{ProducesTickets, ResolvesServerCert, ServerConfig, ServerSessionMemoryCache};
use rustls::sign::SingleCertAndKey;
use rustls::{AlertDescription, CertificateError, RootCertStore};
use rustls_pki_types::ServerName;

use super::buffered::Buffered;
use super::portable;
use super::tcp::{BoxedIo, is_hanging_up, within};
use super::url::Host;
use crate::proto::seal::is_fast;
use crate::{Error, Kind, Result};
pub use certificate::Certificate;
pub use pem::PemPair;
use pem::read_certificates;
pub(super) use witness::Witness;

/// The cryptography of this machine: graviola where the processor can run it (it would panic elsewhere), else
/// a portable one. Nothing from outside chooses between the two.
#[must_use]
pub fn provider() -> Arc<CryptoProvider> {
    if is_fast() { Arc::new(rustls_graviola::default_provider()) } else { portable::provider() }
}

/// What a client trusts: the system's roots, the bundled ones, and those of `ca` (a PEM file), where it is given.
///
/// # Errors
/// When `ca` cannot be read or holds no certificate. A system without readable roots is no error: the bundled ones stay.
pub fn client_config(ca: Option<&Path>) -> Result<Arc<ClientConfig>> {
    client_config_with(provider(), ca)
}

/// What a relay shows: the certificate chain in `cert`, leaf first, and its private key in `key`, both PEM. Without `key`
/// the file `cert` holds both.
///
/// # Errors
/// When a file cannot be read, lacks what it should hold, the key is of a kind this machine cannot sign with, or
/// key and certificate do not belong together.
pub fn server_config(cert: &Path, key: Option<&Path>) -> Result<Arc<ServerConfig>> {
    server_config_with(provider(), cert, key)
}

/// [`client_config`] over a provider of the caller's choice: how the tests force the portable one.
pub(super) fn client_config_with(
    provider: Arc<CryptoProvider>,
    ca: Option<&Path>,
) -> Result<Arc<ClientConfig>> {
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(internal)?
        .with_root_certificates(roots(ca)?)
        .with_no_client_auth();
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.resumption = Resumption::in_memory_sessions(CLIENT_SESSIONS_MAX);
    Ok(Arc::new(config))
}

/// Whose certificates a client believes.
fn roots(ca: Option<&Path>) -> Result<RootCertStore> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = ca {
        for certificate in read_certificates(path)? {
            roots.add(certificate).map_err(|error| {
                Error::new(Kind::Usage, format!("a certificate in {} cannot be trusted", path.display()))
                    .caused_by(error)
            })?;
        }
    }
    Ok(roots)
}

/// [`server_config`] over a provider of the caller's choice.
pub(super) fn server_config_with(
    provider: Arc<CryptoProvider>,
    cert: &Path,
    key: Option<&Path>,
) -> Result<Arc<ServerConfig>> {
    let certified = PemPair::read(cert, key)?.certified(&provider)?;
    serving(provider, Arc::new(SingleCertAndKey::from(certified)))
}

/// What a relay shows that may get another certificate while it runs: `resolver` says which it is at the moment.
///
/// # Errors
/// Kind `Internal`, if the cryptography of this machine had no suite.
pub fn server_config_resolved_by(resolver: Arc<dyn ResolvesServerCert>) -> Result<Arc<ServerConfig>> {
    serving(provider(), resolver)
}

fn serving(
    provider: Arc<CryptoProvider>,
    resolver: Arc<dyn ResolvesServerCert>,
) -> Result<Arc<ServerConfig>> {
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(internal)?
        .with_no_client_auth()
        .with_cert_resolver(resolver);
    config.alpn_protocols = vec![ALPN.to_vec()];
    // A client that comes back, or adds a lane, needs no certificate and no signature. What it shows for that, it keeps itself; where the
    // cryptography for that is not at hand, the relay remembers some.
    match ticketer() {
        Some(ticketer) => config.ticketer = ticketer,
        None => config.session_storage = ServerSessionMemoryCache::new(SERVER_SESSIONS_MAX),
    }
    Ok(Arc::new(config))
}

/// What seals the tickets of sessions, if this machine can; with keys of its own, changed every few hours.
fn ticketer() -> Option<Arc<dyn ProducesTickets>> {
    if is_fast() { rustls_graviola::Ticketer::new().ok() } else { None }
}

/// What a client trusts, read when it is first needed: a system has hundreds of roots, and a `ws://` relay needs none.
#[derive(Debug)]
pub(super) struct Trust {
    ca: Option<PathBuf>,
    // One for all connections of a process: it remembers the sessions that can be resumed.
    config: OnceLock<Arc<ClientConfig>>,
}

impl Trust {
    /// Trusts the authorities in `ca` besides the public ones.
    ///
    /// # Errors
    /// When `ca` cannot be used: that is known at once.
    pub(super) fn new(ca: Option<&Path>) -> Result<Trust> {
        let trust = Trust { ca: ca.map(Path::to_owned), config: OnceLock::new() };
        if ca.is_some() {
            trust.config()?;
        }
        Ok(trust)
    }

    /// The same for all connections.
    pub(super) fn config(&self) -> Result<&Arc<ClientConfig>> {
        match self.config.get() {
            Some(config) => Ok(config),
            None => {
                let config = client_config(self.ca.as_deref())?;
                Ok(self.config.get_or_init(|| config))
            }
        }
    }

    /// The same trust, with somebody who looks at the certificate that is shown, for one connection.
    pub(super) fn witnessed(&self) -> Result<(Arc<ClientConfig>, Arc<Witness>)> {
        let provider = provider();
        let witness = Arc::new(Witness::new(roots(self.ca.as_deref())?, Arc::clone(&provider))?);
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(internal)?
            // The witness asks the very verifier that stands here otherwise.
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(&witness) as Arc<dyn ServerCertVerifier>)
            .with_no_client_auth();
        config.alpn_protocols = vec![ALPN.to_vec()];
        Ok((Arc::new(config), witness))
    }
}

/// Why there is no TLS.
#[derive(Debug)]
pub(super) enum Unshaken {
    /// The other end ended the connection without a word about why.
    HungUp(io::Error),
    /// Anything else, as a sentence.
    Failed(Error),
}

/// Speaks TLS over `stream` with `host`; errors call it `who`. Not cancel safe, but nothing stays open.
pub(super) async fn connect(
    stream: BoxedIo,
    config: &Arc<ClientConfig>,
    host: &Host,
    who: &str,
) -> Result<BoxedIo, Unshaken> {
    let name = match host {
        Host::Address(address) => ServerName::IpAddress((*address).into()),
        Host::Name(name) => ServerName::try_from(name.clone()).map_err(|error| {
            let what = format!("{who} has a name that no certificate can bear");
            Unshaken::Failed(Error::new(Kind::Usage, what).caused_by(error))
        })?,
    };
    let handshake = TlsConnector::from(Arc::clone(config)).connect(name, stream);
    let stream = within(HANDSHAKE_TIMEOUT, handshake).await.map_err(|error| match error {
        error if is_hanging_up(&error) => Unshaken::HungUp(error),
        error => Unshaken::Failed(explain(error, who)),
    })?;
    Ok(Box::new(Buffered::new(HEAD_BUFFER_BYTES, stream)))
}

/// A failed TLS handshake with `who` ("the relay HOST", "the proxy HOST") as a sentence.
fn explain(error: io::Error, who: &str) -> Error {
    let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) else {
        return Error::new(Kind::Relay, format!("the TLS handshake with {who} failed")).caused_by(error);
    };
    match tls {
        rustls::Error::InvalidCertificate(reason) => explain_certificate(reason, who),
        rustls::Error::InvalidMessage(_) => no_tls(format!("{who} does not speak TLS")),
        rustls::Error::AlertReceived(AlertDescription::UnrecognisedName) => {
            Error::new(Kind::Relay, format!("{who} does not serve this host name"))
                .hint("Use the name that stands in its certificate.")
        }
        rustls::Error::AlertReceived(
            AlertDescription::HandshakeFailure | AlertDescription::ProtocolVersion,
        ) => Error::new(Kind::Relay, format!("{who} offers only TLS that is too old"))
            .hint("It needs TLS 1.3, or TLS 1.2 with ECDHE and an AEAD cipher."),
        _ => Error::new(Kind::Relay, format!("the TLS handshake with {who} failed")).caused_by(error),
    }
}

fn explain_certificate(reason: &CertificateError, who: &str) -> Error {
    match reason {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            Error::new(Kind::Relay, format!("the certificate of {who} has expired"))
                .hint("It must be renewed there. If it is not old, check the clock of this machine.")
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            Error::new(Kind::Relay, format!("the certificate of {who} is not valid yet"))
                .hint("Check the clock of this machine.")
        }
        // A bad signature is what a self-signed certificate gives when another one of the same name is trusted.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => Error::new(
            Kind::Relay,
            format!("the certificate of {who} was issued by nobody this machine trusts"),
        )
        .hint("If it comes from a certificate authority of your own, name that with --ca FILE."),
        CertificateError::NotValidForName => {
            Error::new(Kind::Relay, format!("the certificate of {who} is for another name"))
                .hint("Use the name that stands in the certificate.")
        }
        CertificateError::NotValidForNameContext { presented, .. } => {
            Error::new(Kind::Relay, format!("the certificate of {who} is for another name"))
                .hint(format!("It is for {}. Use that name.", shown_names(presented)))
        }
        CertificateError::Revoked => {
            Error::new(Kind::Relay, format!("the certificate of {who} was revoked by its issuer"))
        }
        CertificateError::Other(other) if is_authority(other) => Error::new(
            Kind::Relay,
            format!("the certificate of {who} is marked as that of an authority"),
        )
        .hint("Make it anew as an ordinary one: openssl req -x509 with -addext basicConstraints=CA:FALSE."),
        other => Error::new(Kind::Relay, format!("the certificate of {who} cannot be accepted"))
            .caused_by(rustls::Error::InvalidCertificate(other.clone())),
    }
}

/// What a certificate made with one command often is: openssl marks self-signed ones so.
fn is_authority(error: &rustls::OtherError) -> bool {
    matches!(error.0.downcast_ref::<webpki::Error>(), Some(webpki::Error::CaUsedAsEndEntity))
}

/// The name itself, without the library's words about its kind: `DnsName("localhost")`.
fn bare_name(presented: &str) -> &str {
    let quoted = presented.split_once('"').and_then(|(_, rest)| rest.rsplit_once('"'));
    quoted.map_or(presented, |(name, _)| name)
}

/// Names from a stranger's certificate: a few, and none that could steer a terminal.
fn shown_names(presented: &[String]) -> String {
    let clean =
        |name: &str| name.chars().filter(|c| !c.is_control()).take(NAME_CHARS_SHOWN).collect::<String>();
    let names: Vec<String> = presented.iter().take(NAMES_SHOWN).map(|name| clean(bare_name(name))).collect();
    if names.is_empty() { "no name at all".to_owned() } else { names.join(", ") }
}

fn no_tls(what: String) -> Error {
    Error::new(Kind::Relay, what).hint("If it is a plain relay, write its address as ws://HOST:PORT.")
}

/// Only a provider without any usable suite could cause it, and ours have some.
fn internal(error: rustls::Error) -> Error {
    Error::new(Kind::Internal, "cannot set up TLS").caused_by(error)
}

/// Said to load balancers and proxies that would otherwise pick HTTP/2, which has no upgrade.
const ALPN: &[u8] = b"http/1.1";
/// One process talks to a relay and perhaps a proxy, and keeps eight tickets for each: as many as lanes are added at a time.
const CLIENT_SESSIONS_MAX: usize = 32;
/// Some hundred bytes each.
const SERVER_SESSIONS_MAX: usize = 4096;
/// Two round trips and some computing, on a slow link.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(15);
/// For what is read line by line before the WebSocket begins; larger reads go past it.
const HEAD_BUFFER_BYTES: usize = 4 << 10;
/// Enough to see what the certificate is for; some list hundreds.
const NAMES_SHOWN: usize = 4;
/// Names in certificates have no bound of their own.
const NAME_CHARS_SHOWN: usize = 100;

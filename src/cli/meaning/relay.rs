//! What `p2pc relay …` means.

use std::time::Duration;

use crate::cli::log::Form;
use crate::net::ListenAddr;
use crate::relay::address::Network;
use crate::relay::args::RelayArgs;
use crate::relay::{Front, Limits, LogAddresses, RelayOptions, TlsFiles};
use crate::term::word::Word;
use crate::{Error, Kind, Result};

use super::{parsed, text, value, values};

/// What running a relay needs: options for the library, and how to log.
pub struct Relaying {
    /// For the library.
    pub options: RelayOptions,
    /// How the log is written.
    pub log: Form,
    /// Nothing but errors is logged.
    pub quiet: bool,
}

/// What `p2pc relay …` means. `passed`: there are sockets to listen on that somebody else has opened.
///
/// # Errors
///
/// [`Kind::Usage`].
pub fn relay(args: &RelayArgs, passed: bool) -> Result<Relaying> {
    let tls = tls(args)?;
    let listen = listen(args, tls.is_some(), passed)?;
    let trusted_proxies = args
        .trust_proxy
        .iter()
        .filter_map(|word| value(Some(word), "--trust-proxy", parsed::<Network>).transpose())
        .collect::<Result<_>>()?;
    let log_addresses = value(args.log_addresses.as_ref(), "--log-addresses", values::log_addresses)?;
    let defaults = RelayOptions::default();
    let options = RelayOptions {
        listen,
        tls,
        limits: limits(args)?,
        tokens: args.token_file.as_ref().map(Word::path),
        trusted_proxies,
        drain: value(args.drain.as_ref(), "--drain", values::time_or_none)?.unwrap_or(defaults.drain),
        metrics: value(args.metrics.as_ref(), "--metrics", parsed::<ListenAddr>)?,
        log_addresses: log_addresses.unwrap_or(LogAddresses::default()),
        front: front(args)?,
        ..defaults
    };
    let log = value(args.log.as_ref(), "--log", values::log_form)?.unwrap_or_default();
    Ok(Relaying { options, log, quiet: args.quiet })
}

fn tls(args: &RelayArgs) -> Result<Option<TlsFiles>> {
    match (&args.cert, &args.key) {
        (Some(cert), key) => Ok(Some(TlsFiles { cert: cert.path(), key: key.as_ref().map(Word::path) })),
        (None, Some(_)) => Err(Error::new(Kind::Usage, "--key is given without --cert")
            .hint("Give the certificate chain that belongs to the key with --cert.")),
        (None, None) => Ok(None),
    }
}

fn listen(args: &RelayArgs, tls: bool, passed: bool) -> Result<Vec<ListenAddr>> {
    let mut listen = Vec::new();
    for word in &args.listen {
        listen.extend(value(Some(word), "--listen", parsed::<ListenAddr>)?);
    }
    if listen.is_empty() && !passed {
        if !tls {
            return Err(Error::new(Kind::Usage, "neither --listen nor --cert is given").hint(
                "For wss:// on port 443 give --cert and --key. For ws:// behind a web server say where: \
                 --listen 127.0.0.1:8080.",
            ));
        }
        listen.push(ListenAddr::everywhere(PORT_DEFAULT));
    }
    Ok(listen)
}

fn limits(args: &RelayArgs) -> Result<Limits> {
    let mut limits = Limits::default();
    let counts = [
        (&mut limits.connections, &args.max_connections, "--max-connections"),
        (&mut limits.waiting, &args.max_waiting, "--max-waiting"),
        (&mut limits.sessions, &args.max_sessions, "--max-sessions"),
        (&mut limits.rooms, &args.max_rooms, "--max-rooms"),
        (&mut limits.guest_waiting, &args.guest_waiting, "--guest-waiting"),
    ];
    for (limit, word, option) in counts {
        set(limit, value(word.as_ref(), option, values::count)?);
    }
    let of_an_address = [
        (&mut limits.address_connections, &args.address_connections, "--address-connections"),
        (&mut limits.address_arrivals, &args.address_arrivals, "--address-arrivals"),
        (&mut limits.address_joins, &args.address_joins, "--address-joins"),
        (&mut limits.address_rooms, &args.address_rooms, "--address-rooms"),
    ];
    for (limit, word, option) in of_an_address {
        set(limit, value(word.as_ref(), option, values::count_or_none)?);
    }
    let times: [(&mut Duration, _, _); 5] = [
        (&mut limits.wait, &args.wait_time, "--wait-time"),
        (&mut limits.handshake, &args.handshake_time, "--handshake-time"),
        (&mut limits.header, &args.header_time, "--header-time"),
        (&mut limits.idle, &args.idle_time, "--idle-time"),
        (&mut limits.guest_wait, &args.guest_wait_time, "--guest-wait-time"),
    ];
    for (limit, word, option) in times {
        set(limit, value(word.as_ref(), option, values::time)?);
    }
    limits.session_bytes = value(args.session_bytes.as_ref(), "--session-bytes", values::size)?;
    limits.session_rate = value(args.session_rate.as_ref(), "--session-rate", values::rate)?;
    limits.total_rate = value(args.total_rate.as_ref(), "--total-rate", values::rate)?;
    Ok(limits)
}

fn set<T>(limit: &mut T, wanted: Option<T>) {
    if let Some(wanted) = wanted {
        *limit = wanted;
    }
}

fn front(args: &RelayArgs) -> Result<Option<Front>> {
    let given = [("--public-url", args.public_url.is_some()), ("--dl-dir", args.dl_dir.is_some())];
    if args.no_dl {
        return match given.iter().find(|(_, given)| *given) {
            Some((option, _)) => {
                Err(Error::new(Kind::Usage, format!("--no-dl and {option} contradict each other"))
                    .hint("Leave one of them out."))
            }
            None => Ok(None),
        };
    }
    let public_url = args.public_url.as_ref().map(|word| text(word, "--public-url")).transpose()?;
    Ok(Some(Front {
        public_url: public_url.map(str::to_owned),
        dl_dir: args.dl_dir.as_ref().map(Word::path),
    }))
}

/// What `wss://` means without a port.
const PORT_DEFAULT: u16 = 443;

//! A relay's address, parsed once at the edge.
//!
//! ```text
//! relay.example            wss, port 443           wss://relay.example/team   behind a path prefix
//! relay.example:8443       wss, port 8443          ws://192.168.1.7:9000      plain, port 9000
//! [2001:db8::1]            wss, port 443           ws://localhost             plain, port 80
//! ```
//!
//! What is not needed to reach a relay (user names, queries, fragments) is refused instead of being ignored, so
//! that nobody believes it has an effect. There is never a fallback from wss to ws.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use crate::{Error, Kind, Result};

/// Where a relay is, and whether the hop to it is encrypted. Its `Display` is the shortest text that parses back.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RelayUrl {
    tls: bool,
    host: Host,
    port: u16,
    prefix: String,
}

/// The host part of an address. Its `Display` has brackets around IPv6 literals, as URLs want them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// A DNS name, in lower case.
    Name(String),
    /// An address literal.
    Address(IpAddr),
}

impl RelayUrl {
    /// The plain (`ws://`) address of a relay that listens at `address`: what an embedded relay prints.
    #[must_use]
    pub fn plain(address: SocketAddr) -> RelayUrl {
        RelayUrl {
            tls: false,
            host: Host::Address(address.ip()),
            port: address.port(),
            prefix: String::new(),
        }
    }

    /// Whether the hop is encrypted (`wss`).
    #[must_use]
    pub fn tls(&self) -> bool {
        self.tls
    }

    /// The host.
    #[must_use]
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The port; never 0 in a parsed address.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What stands before `/v1/…` in the request path: empty, or `/` and more without a slash at its end.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Host and port as an HTTP `Host` header has them: the port is left out where it is the scheme's own.
    #[must_use]
    pub fn host_header(&self) -> String {
        if self.port == default_port(self.tls) {
            self.host.to_string()
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// Whether the host is loopback, private or link-local by its spelling (an address literal or "localhost"), so
    /// that a plain hop to it stays on networks of one's own. Shared carrier addresses (100.64.0.0/10) do not count.
    #[must_use]
    pub fn is_private(&self) -> bool {
        match &self.host {
            Host::Name(name) => name == "localhost" || name.ends_with(".localhost"),
            Host::Address(address) => is_private_address(*address),
        }
    }
}

impl Host {
    /// Reads a name, an IPv4 literal, or an IPv6 literal in brackets.
    pub(super) fn parse(text: &str) -> Result<Host> {
        if let Some(inner) = text.strip_prefix('[') {
            let inner =
                inner.strip_suffix(']').ok_or_else(|| bad(text, "has a bracket that is not closed"))?;
            let address: Ipv6Addr = inner.parse().map_err(|_| {
                bad(text, "is not an IPv6 address").hint("Zone names such as %eth0 are not supported.")
            })?;
            return Ok(Host::Address(address.into()));
        }
        if let Ok(address) = text.parse::<Ipv4Addr>() {
            return Ok(Host::Address(address.into()));
        }
        check_name(text)?;
        Ok(Host::Name(text.to_ascii_lowercase()))
    }

    /// Whether this is this very machine: such connections never go through a proxy.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        match self {
            Host::Name(name) => name == "localhost" || name.ends_with(".localhost"),
            Host::Address(address) => address.to_canonical().is_loopback(),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Name(name) => f.write_str(name),
            Host::Address(IpAddr::V4(address)) => address.fmt(f),
            Host::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

impl fmt::Display for RelayUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "" } else { "ws://" };
        write!(f, "{scheme}{}{}", self.host_header(), self.prefix)
    }
}

impl FromStr for RelayUrl {
    type Err = Error;

    fn from_str(text: &str) -> Result<RelayUrl> {
        check_characters(text)?;
        if text.starts_with(['/', '.', '~']) {
            return Err(bad(text, "is a path, and not that of a relay").hint(FORMS));
        }
        let (tls, rest) = split_scheme(text)?;
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        if authority.contains('@') {
            return Err(
                bad(text, "has a user name in it").hint("Relays take no user names; write only the host.")
            );
        }
        let read = split_port(authority).and_then(|(host, port)| Ok((Host::parse(host)?, port)));
        let (host, port) = read.map_err(|error| {
            // A password with a slash in it: what seems to be the host is its beginning.
            if path.contains('@') { bad(text, "has a user name in it").hint(FORMS) } else { error }
        })?;
        Ok(RelayUrl {
            tls,
            host,
            port: port.unwrap_or(default_port(tls)),
            prefix: path.trim_end_matches('/').to_owned(),
        })
    }
}

/// Splits `host:port` without judging the host; brackets keep an IPv6 literal together.
pub(super) fn split_port(authority: &str) -> Result<(&str, Option<u16>)> {
    let host_end = match authority.rfind(']') {
        Some(bracket) => bracket + 1,
        None => authority.find(':').unwrap_or(authority.len()),
    };
    let (host, rest) = authority.split_at(host_end);
    if !authority.starts_with('[') && rest.matches(':').count() > 1 {
        return Err(bad(authority, "has more than one colon")
            .hint("An IPv6 address needs brackets, for example [2001:db8::1]:443."));
    }
    match rest.strip_prefix(':') {
        None if rest.is_empty() => Ok((host, None)),
        None => Err(bad(authority, "has text after the bracket that is not a port")),
        Some(digits) => match parse_port(digits) {
            Some(port) if port > 0 => Ok((host, Some(port))),
            _ => Err(bad(authority, "has a port that is not a number from 1 to 65535")
                .hint("Leave it out where the relay has the usual one: 443, or 80 behind ws://.")),
        },
    }
}

/// A port as digits only: `u16::from_str` would also take a plus sign.
pub(super) fn parse_port(digits: &str) -> Option<u16> {
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok()
}

fn default_port(tls: bool) -> u16 {
    if tls { 443 } else { 80 }
}

fn split_scheme(text: &str) -> Result<(bool, &str)> {
    let Some((scheme, rest)) = text.split_once("://") else {
        return Ok((true, text));
    };
    match scheme.to_ascii_lowercase().as_str() {
        "wss" => Ok((true, rest)),
        "ws" => Ok((false, rest)),
        // Not even as a hint: a password may stand before the @.
        "https" | "http" if rest.contains('@') => {
            Err(bad(text, "has a scheme p2pc does not speak").hint(FORMS))
        }
        "https" => {
            Err(bad(text, "has a scheme p2pc does not speak").hint(format!("Write wss://{rest} instead.")))
        }
        "http" => {
            Err(bad(text, "has a scheme p2pc does not speak").hint(format!("Write ws://{rest} instead.")))
        }
        _ => Err(bad(text, "has a scheme p2pc does not speak").hint(FORMS)),
    }
}

/// What may stand in an address at all, so that it can be printed and put into a request as it is.
fn check_characters(text: &str) -> Result<()> {
    if text.is_empty() {
        return Err(Error::new(Kind::Usage, "the relay's address is empty").hint("Write HOST or HOST:PORT."));
    }
    if text.len() > URL_BYTES_MAX {
        return Err(Error::new(
            Kind::Usage,
            format!("the relay's address is longer than {URL_BYTES_MAX} bytes"),
        ));
    }
    if !text.is_ascii() {
        return Err(bad(text, "has letters outside ASCII")
            .hint("Write an international name in its ASCII form, which begins with xn--."));
    }
    if text.contains(['?', '#']) {
        return Err(bad(text, "has a query or a fragment").hint("Leave out everything from the ? or # on."));
    }
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@%/[]".contains(&byte);
    if !text.bytes().all(allowed) {
        return Err(bad(text, "has a character that no address has").hint(FORMS));
    }
    Ok(())
}

/// The rules of DNS for names, and one of our own: what looks like a broken IPv4 address is not a name.
fn check_name(text: &str) -> Result<()> {
    if text.is_empty() {
        return Err(Error::new(Kind::Usage, "the relay's address has no host").hint(FORMS));
    }
    let label_is_good = |label: &str| {
        (1..=LABEL_BYTES_MAX).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if text.len() > NAME_BYTES_MAX || !text.split('.').all(label_is_good) {
        return Err(bad(text, "is not a host name").hint(FORMS));
    }
    let last_label = text.rsplit('.').next().unwrap_or(text);
    if last_label.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(bad(text, "is neither a host name nor an IPv4 address").hint(FORMS));
    }
    Ok(())
}

fn is_private_address(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_private() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

/// Escaped, because the text may come from a code that a stranger wrote. What stands before an @ may be a password, or a code,
/// and is not repeated.
fn bad(text: &str, why: &str) -> Error {
    let (hidden, text) = text.rsplit_once('@').map_or(("", text), |(_, host)| ("...@", host));
    Error::new(Kind::Usage, format!("the address \"{hidden}{}\" {why}", text.escape_debug()))
}

/// What can be written instead.
const FORMS: &str = "A relay is HOST, HOST:PORT, wss://HOST or ws://HOST.";
/// Longer than any address people pass around, short enough to print.
const URL_BYTES_MAX: usize = 1024;
/// RFC 1035, section 2.3.4.
const NAME_BYTES_MAX: usize = 253;
/// RFC 1035, section 2.3.4.
const LABEL_BYTES_MAX: usize = 63;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parsed(text: &str) -> RelayUrl {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn every_form_means_what_the_help_says() {
        for (text, tls, host, port, prefix, shown) in [
            ("relay.example", true, "relay.example", 443, "", "relay.example"),
            ("Relay.Example:8443", true, "relay.example", 8443, "", "relay.example:8443"),
            ("wss://relay.example:443/", true, "relay.example", 443, "", "relay.example"),
            ("ws://relay.example:80", false, "relay.example", 80, "", "ws://relay.example"),
            ("ws://relay.example:443", false, "relay.example", 443, "", "ws://relay.example:443"),
            ("relay.example/a/b//", true, "relay.example", 443, "/a/b", "relay.example/a/b"),
            ("[2001:db8::1]", true, "[2001:db8::1]", 443, "", "[2001:db8::1]"),
            ("ws://[::1]:9000/x", false, "[::1]", 9000, "/x", "ws://[::1]:9000/x"),
            ("WS://10.0.0.1", false, "10.0.0.1", 80, "", "ws://10.0.0.1"),
        ] {
            let url = parsed(text);
            assert_eq!((url.tls(), url.port(), url.prefix()), (tls, port, prefix), "{text}");
            assert_eq!(url.host().to_string(), host);
            assert_eq!(url.to_string(), shown);
        }
    }

    #[test]
    fn what_may_be_a_password_is_not_repeated() {
        for text in [
            "me:secret@host",
            "wss://me:sec/ret@host",
            "https://secret@host",
            "http://secret@host/x",
            "ftp://secret@host",
            "secret@höst",
            "secret@host?x",
            "secret @host",
            "me:1:secret@host",
            "/secret@host",
        ] {
            let error = text.parse::<RelayUrl>().unwrap_err();
            let said = format!("{error} {}", error.hint_text().unwrap_or_default());
            assert!(!said.contains("sec") && !said.contains("ret@"), "{text}: {said}");
        }
        let error = "me:secret@host".parse::<RelayUrl>().unwrap_err().to_string();
        assert_eq!(error, "the address \"...@host\" has a user name in it");
    }

    #[test]
    fn what_has_no_effect_is_refused() {
        for text in [
            "",
            "ws://",
            "wss:///x",
            "host:",
            "host:0",
            "host:65536",
            "host:+1",
            "a:1:2",
            "::1",
            "[::1",
            "[::1]x",
            "[fe80::1%eth0]",
            "https://host",
            "http://host",
            "ftp://host",
            "user@host",
            "user:pw@host",
            "host?x",
            "host#x",
            "ho st",
            "host\n",
            "h\u{f6}st",
            "-a.example",
            "a..b",
            "host.",
            "1.2.3",
            "1.2.3.256",
            "a\\b",
        ] {
            assert_eq!(text.parse::<RelayUrl>().unwrap_err().kind(), Kind::Usage, "{text:?}");
        }
        assert!("a".repeat(URL_BYTES_MAX + 1).parse::<RelayUrl>().is_err());
    }

    #[test]
    fn hints_say_what_to_write() {
        let hint =
            |text: &str| text.parse::<RelayUrl>().unwrap_err().hint_text().unwrap_or_default().to_owned();
        assert!(hint("https://h/x").contains("wss://h/x"));
        assert!(hint("2001:db8::1").contains("brackets"));
        assert!(hint("h\u{f6}st").contains("xn--"));
        assert!(hint("host:99999").contains("443"));
        for text in
            ["./notes.txt", "/etc/passwd", "~/notes.txt", "ws://", "a..b", "1.2.3", "a b", "ftp://host"]
        {
            assert_eq!(hint(text), FORMS, "{text}");
        }
        let path = "./notes.txt".parse::<RelayUrl>().unwrap_err().to_string();
        assert!(path.ends_with("is a path, and not that of a relay"), "{path}");
    }

    #[test]
    fn private_is_what_stays_on_ones_own_networks() {
        for text in [
            "localhost",
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.0.1",
            "169.254.1.1",
            "[::1]",
            "[fe80::1]",
            "[fd00::1]",
            "[fc00::1]",
            "[::ffff:10.0.0.1]",
        ] {
            assert!(parsed(text).is_private(), "{text}");
        }
        for text in
            ["localhost.example", "172.32.0.1", "100.64.0.1", "8.8.8.8", "[2001:db8::1]", "10.example"]
        {
            assert!(!parsed(text).is_private(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics_and_all_that_parses_comes_back(text in "(wss?://)?[a-z0-9.:\\[\\]@/%-]{0,40}") {
            if let Ok(url) = text.parse::<RelayUrl>() {
                prop_assert_eq!(&url.to_string().parse::<RelayUrl>().unwrap(), &url);
            }
        }

        #[test]
        fn any_address_comes_back(tls: bool, address: IpAddr, port in 1u16.., prefix in "(/[a-z0-9]{1,5}){0,3}") {
            let url = RelayUrl { tls, host: Host::Address(address), port, prefix };
            prop_assert_eq!(url.to_string().parse::<RelayUrl>().unwrap(), url);
        }

        #[test]
        fn any_text_is_judged_without_panic(text in "\\PC{0,60}") {
            let _ = text.parse::<RelayUrl>();
        }
    }
}

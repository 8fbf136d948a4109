//! Under which address others reach this relay. It goes into a script that people run, so nothing gets in that is not exactly that.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::term::clean::clean;
use crate::{Error, Kind, Result};

/// The address of a relay's pages, such as `https://relay.example.org` or `http://127.0.0.1:8080/p2pc`. Made of nothing but letters, digits and
/// `-._~:/[]`, so it can stand in a shell's single quotes, in HTML and in a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl {
    secure: bool,
    /// `host[:port]`
    authority: String,
    /// Empty, or with a slash in front and none behind.
    path: String,
}

impl PublicUrl {
    /// Reads what stands behind `--public-url`.
    ///
    /// # Errors
    /// Kind `Usage`.
    pub fn parse(text: &str) -> Result<PublicUrl> {
        let bad = || {
            Error::new(
                Kind::Usage,
                format!("\"{}\" is no address of a relay's pages", clean(text.as_bytes())),
            )
            .hint("Write https://HOST, https://HOST:PORT or http://…, as a browser would need it.")
        };
        let (secure, rest) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
            (Some(rest), _) => (true, rest),
            (None, Some(rest)) => (false, rest),
            (None, None) => return Err(bad()),
        };
        let (authority, path) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
        let path = path.trim_end_matches('/');
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
        let is_path = path.len() <= PATH_BYTES_MAX && path.bytes().all(plain) && !path.contains("//");
        if !is_authority(authority) || !is_path {
            return Err(bad());
        }
        Ok(PublicUrl { secure, authority: authority.to_ascii_lowercase(), path: path.to_owned() })
    }

    /// What a request's `Host` says, if it is well-formed.
    #[must_use]
    pub fn of_host(host: &str, secure: bool) -> Option<PublicUrl> {
        let authority = is_authority(host).then(|| host.to_ascii_lowercase())?;
        Some(PublicUrl { secure, authority, path: String::new() })
    }

    /// As a browser needs it, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}://{}{}", if self.secure { "https" } else { "http" }, self.authority, self.path)
    }

    /// As `--relay` takes it.
    #[must_use]
    pub fn relay(&self) -> String {
        match (self.secure, self.path.is_empty()) {
            (true, true) => self.authority.clone(),
            (true, false) => format!("wss://{}{}", self.authority, self.path),
            (false, _) => format!("ws://{}{}", self.authority, self.path),
        }
    }
}

/// `host[:port]`: a name, an IPv4 address, or an IPv6 address in brackets.
fn is_authority(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let Some((host, port)) = rest.split_once(']') else { return false };
            if host.parse::<Ipv6Addr>().is_err() {
                return false;
            }
            match port.strip_prefix(':') {
                None if port.is_empty() => return true,
                None => return false,
                Some(port) => return is_port(port),
            }
        }
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    is_name(host) && port.is_none_or(is_port)
}

/// RFC 1123: labels of letters, digits and dashes. One that is all digits and dots has to be an IPv4 address.
fn is_name(host: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let is_numeric = host.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    host.len() <= HOST_BYTES_MAX
        && host.split('.').all(is_label)
        && (!is_numeric || host.parse::<Ipv4Addr>().is_ok())
}

fn is_port(port: &str) -> bool {
    (1..=5).contains(&port.len())
        && port.bytes().all(|byte| byte.is_ascii_digit())
        && port.parse::<u16>().is_ok_and(|port| port != 0)
}

/// RFC 1035.
const HOST_BYTES_MAX: usize = 253;
/// Longer than anybody's.
const PATH_BYTES_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_hosts_and_nothing_else() {
        for good in ["relay.example.org", "RELAY", "127.0.0.1:8080", "[::1]", "[2001:db8::1]:443", "a-b.c:1"]
        {
            assert!(PublicUrl::of_host(good, true).is_some(), "{good}");
        }
        let long = "a.".repeat(200);
        for bad in [
            "",
            ":80",
            "a:",
            "a:0",
            "a:65536",
            "a:+1",
            "a b",
            "a'b",
            "a\"",
            "$(id)",
            "`id`",
            "a;b",
            "a/b",
            "a\\b",
            "a\nb",
            "ä.org",
            "-a",
            "a-",
            "a..b",
            ".a",
            "a.",
            "1.2.3",
            "1.2.3.4.5",
            "[::1",
            "::1",
            "[::1]x",
            "[::1]:",
            "[fe80::1%25eth0]",
            "u@a",
            "a_b",
            "%41",
            "<b>",
            long.as_str(),
        ] {
            assert_eq!(PublicUrl::of_host(bad, true), None, "{bad:?}");
        }
    }

    #[test]
    fn addresses_are_said_as_each_needs_them() {
        for (text, url, relay) in [
            ("https://Relay.Example.org", "https://relay.example.org", "relay.example.org"),
            ("https://relay.example.org:8443/", "https://relay.example.org:8443", "relay.example.org:8443"),
            ("http://127.0.0.1:80", "http://127.0.0.1:80", "ws://127.0.0.1:80"),
            ("https://example.org/p2pc/", "https://example.org/p2pc", "wss://example.org/p2pc"),
        ] {
            let parsed = PublicUrl::parse(text).unwrap();
            assert_eq!((parsed.url().as_str(), parsed.relay().as_str()), (url, relay));
            assert!(parsed.relay().parse::<crate::net::RelayUrl>().is_ok(), "{relay}");
        }
        for bad in [
            "",
            "relay.example.org",
            "ftp://a",
            "https://",
            "https://a/'b",
            "https://a/?b",
            "https://a//b",
            "https://a b",
        ] {
            assert_eq!(PublicUrl::parse(bad).unwrap_err().kind(), Kind::Usage, "{bad}");
        }
    }
}

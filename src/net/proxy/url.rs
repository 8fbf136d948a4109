//! A proxy's address as the environment has it.

use std::fmt;

use zeroize::Zeroizing;

use super::super::url::{Host, split_port};
use crate::{Error, Kind, Result};

/// How a proxy is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    Http,
    Https,
    /// `socks5` and `socks5h` alike: the proxy always resolves the name, since this machine may not be able to.
    Socks5,
}

/// A user name and a password, decoded.
pub(super) struct Credentials {
    pub(super) user: Zeroizing<Vec<u8>>,
    pub(super) password: Zeroizing<Vec<u8>>,
}

/// Redacted.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(..)")
    }
}

/// `[http|https|socks5|socks5h://][USER[:PASSWORD]@]HOST[:PORT]`. Its `Display` is without the credentials.
#[derive(Debug)]
pub(in super::super) struct ProxyUrl {
    scheme: Scheme,
    host: Host,
    port: u16,
    credentials: Option<Credentials>,
}

impl ProxyUrl {
    /// `variable` is where `text` comes from; errors name it and not the text, which may hold a password.
    pub(super) fn parse(variable: &str, text: &str) -> Result<ProxyUrl> {
        let bad = |why: &str| {
            Error::new(Kind::Usage, format!("{variable} is not a proxy's address: {why}"))
                .hint("Write http://HOST:PORT, https://HOST:PORT or socks5://HOST:PORT, with USER:PASSWORD@ if need be.")
        };
        let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
        let (scheme, default_port) = match scheme.to_ascii_lowercase().as_str() {
            "http" => (Scheme::Http, 80),
            "https" => (Scheme::Https, 443),
            "socks5" | "socks5h" => (Scheme::Socks5, 1080),
            _ => return Err(bad("its scheme is not http, https, socks5 or socks5h")),
        };
        let (userinfo, address) = match rest.rsplit_once('@') {
            Some((userinfo, address)) => (Some(userinfo), address),
            None => (None, rest),
        };
        let address = address.strip_suffix('/').unwrap_or(address);
        let (host, port) =
            split_port(address).map_err(|_| bad("its port is not a number from 1 to 65535"))?;
        Ok(ProxyUrl {
            scheme,
            host: Host::parse(host).map_err(|_| bad("its host is no host name and no address"))?,
            port: port.unwrap_or(default_port),
            credentials: userinfo
                .map(|text| {
                    parse_credentials(text).ok_or_else(|| bad("its user name or password is malformed"))
                })
                .transpose()?,
        })
    }

    pub(super) fn scheme(&self) -> Scheme {
        self.scheme
    }

    pub(in super::super) fn host(&self) -> &Host {
        &self.host
    }

    pub(in super::super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn credentials(&self) -> Option<&Credentials> {
        self.credentials.as_ref()
    }
}

impl fmt::Display for ProxyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
            Scheme::Socks5 => "socks5",
        };
        write!(f, "{scheme}://{}:{}", self.host, self.port)
    }
}

fn parse_credentials(userinfo: &str) -> Option<Credentials> {
    let (user, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
    let credentials = Credentials { user: percent_decode(user)?, password: percent_decode(password)? };
    let fits = |text: &[u8]| text.len() <= CREDENTIAL_BYTES_MAX;
    (fits(&credentials.user) && fits(&credentials.password)).then_some(credentials)
}

/// RFC 3986, section 2.1. `None` for a percent sign without two hexadecimal digits.
fn percent_decode(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    // As large as it can become, so that it never moves and leaves a copy behind.
    let mut decoded = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let value =
            if byte == b'%' { hex_digit(bytes.next()?)? << 4 | hex_digit(bytes.next()?)? } else { byte };
        decoded.push(value);
    }
    Some(decoded)
}

fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

/// RFC 1929 has one byte for each length.
const CREDENTIAL_BYTES_MAX: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_form_is_read_and_shown_without_its_password() {
        for (text, shown) in [
            ("http://proxy.example:3128", "http://proxy.example:3128"),
            ("proxy.example:3128", "http://proxy.example:3128"),
            ("http://proxy.example/", "http://proxy.example:80"),
            ("HTTPS://proxy.example", "https://proxy.example:443"),
            ("socks5h://me:pass@[::1]", "socks5://[::1]:1080"),
            ("socks5://p@ss:w@rd@10.0.0.1:9", "socks5://10.0.0.1:9"),
        ] {
            assert_eq!(ProxyUrl::parse("V", text).unwrap().to_string(), shown);
        }
    }

    #[test]
    fn credentials_are_decoded() {
        let url = ProxyUrl::parse("V", "http://a%40b:p%3a%2F%25:x@h:1").unwrap();
        let credentials = url.credentials().unwrap();
        assert_eq!((&credentials.user[..], &credentials.password[..]), (&b"a@b"[..], &b"p:/%:x"[..]));
        let user_only = ProxyUrl::parse("V", "http://me@h").unwrap();
        assert_eq!(&user_only.credentials().unwrap().password[..], b"");
    }

    #[test]
    fn errors_name_the_variable_and_never_the_password() {
        for text in [
            "ftp://h",
            "socks4://h",
            "http://me:hush@",
            "http://me:hush%2@h",
            "http://me:hush@h:0",
            "http://h/x",
        ] {
            let error = ProxyUrl::parse("ALL_PROXY", text).unwrap_err();
            let shown = format!("{error} {error:?}");
            assert!(shown.contains("ALL_PROXY") && !shown.contains("hush"), "{shown}");
        }
        assert!(ProxyUrl::parse("V", &format!("http://{}@h", "u".repeat(256))).is_err());
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "\\PC{0,60}") {
            let _ = ProxyUrl::parse("V", &text);
        }
    }
}

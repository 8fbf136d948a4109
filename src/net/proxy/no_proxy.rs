//! `NO_PROXY`: which hosts are reached without a proxy, read as curl reads it.
//!
//! A list, separated by commas or spaces, of: `*` (all), a name (it and all names below it, with or without a leading
//! dot or `*.`), an address, or a network such as `10.0.0.0/8`. A name or an address may end in `:PORT`, then only that port is
//! meant. What is none of these is passed over: the list is shared with other programs.

use std::net::IpAddr;

use super::super::url::{Host, parse_port};

/// The list, parsed.
#[derive(Debug, Default)]
pub(super) struct NoProxy(Vec<Rule>);

#[derive(Debug)]
enum Rule {
    All,
    Name { name: String, port: Option<u16> },
    Address { address: IpAddr, port: Option<u16> },
    Network { base: IpAddr, bits: u32 },
}

impl NoProxy {
    pub(super) fn parse(text: &str) -> NoProxy {
        let entries = text.split(|c: char| c == ',' || c.is_whitespace()).filter(|entry| !entry.is_empty());
        NoProxy(entries.take(RULES_MAX).filter_map(parse_rule).collect())
    }

    pub(super) fn matches(&self, host: &Host, port: u16) -> bool {
        self.0.iter().any(|rule| rule.matches(host, port))
    }
}

impl Rule {
    fn matches(&self, host: &Host, port: u16) -> bool {
        let port_fits = |wanted: &Option<u16>| wanted.is_none_or(|wanted| wanted == port);
        match (self, host) {
            (Rule::All, _) => true,
            (Rule::Name { name, port }, Host::Name(host)) => port_fits(port) && is_below(host, name),
            (Rule::Address { address, port }, Host::Address(host)) => {
                port_fits(port) && address.to_canonical() == host.to_canonical()
            }
            (Rule::Network { base, bits }, Host::Address(host)) => {
                in_network(host.to_canonical(), *base, *bits)
            }
            _ => false,
        }
    }
}

fn parse_rule(entry: &str) -> Option<Rule> {
    if entry == "*" {
        return Some(Rule::All);
    }
    if let Some((base, bits)) = entry.split_once('/') {
        let base: IpAddr = base.parse().ok()?;
        let bits: u32 = bits.parse().ok()?;
        let width = if base.is_ipv4() { 32 } else { 128 };
        return (bits <= width).then_some(Rule::Network { base, bits });
    }
    if let Ok(address) = entry.parse() {
        // An IPv6 address without brackets, whose last group is not a port.
        return Some(Rule::Address { address, port: None });
    }
    let (host, port) = match entry.rsplit_once(':') {
        Some((host, digits)) => (host, Some(parse_port(digits)?)),
        None => (entry, None),
    };
    let host = host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(host);
    if let Ok(address) = host.parse() {
        return Some(Rule::Address { address, port });
    }
    let name = host.strip_prefix("*.").or_else(|| host.strip_prefix('.')).unwrap_or(host);
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    (!name.is_empty()).then_some(Rule::Name { name, port })
}

/// Whether `host` is `name` or ends in a dot and `name`.
fn is_below(host: &str, name: &str) -> bool {
    host.strip_suffix(name).is_some_and(|front| front.is_empty() || front.ends_with('.'))
}

fn in_network(address: IpAddr, base: IpAddr, bits: u32) -> bool {
    match (address, base) {
        (IpAddr::V4(address), IpAddr::V4(base)) => {
            (address.to_bits() ^ base.to_bits()).checked_shr(32 - bits).unwrap_or(0) == 0
        }
        (IpAddr::V6(address), IpAddr::V6(base)) => {
            (address.to_bits() ^ base.to_bits()).checked_shr(128 - bits).unwrap_or(0) == 0
        }
        _ => false,
    }
}

/// Lists are written by hand; the longest in use have dozens.
const RULES_MAX: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn exempt(list: &str, authority: &str) -> bool {
        let relay: super::super::RelayUrl = authority.parse().unwrap();
        NoProxy::parse(list).matches(relay.host(), relay.port())
    }

    #[test]
    fn rules_mean_what_they_mean_to_curl() {
        for (list, host, expected) in [
            ("example.com", "example.com", true),
            ("example.com", "a.b.example.com", true),
            (".example.com", "example.com", true),
            ("*.example.com", "a.example.com", true),
            ("example.com", "notexample.com", false),
            ("example.com", "example.com.evil", false),
            ("EXAMPLE.com.", "Example.COM", true),
            ("a, example.com", "example.com", true),
            ("a example.com", "example.com", true),
            ("*", "8.8.8.8", true),
            ("example.com:443", "example.com", true),
            ("example.com:443", "example.com:8443", false),
            ("10.0.0.1", "10.0.0.1", true),
            ("10.0.0.1", "10.0.0.10", false),
            ("10.0.0.1:8080", "10.0.0.1:8080", true),
            ("10.0.0.0/8", "10.200.3.4", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("0.0.0.0/0", "8.8.8.8", true),
            ("10.0.0.1/32", "10.0.0.1", true),
            ("2001:db8::/32", "[2001:db8:ffff::1]", true),
            ("2001:db8::/32", "[2001:db9::1]", false),
            ("2001:db8::1", "[2001:db8::1]", true),
            ("[2001:db8::1]:443", "[2001:db8::1]", true),
            ("10.0.0.0/8", "[::ffff:10.0.0.1]", true),
            ("10.0.0.0/8", "ten.example", false),
            ("", "example.com", false),
            ("10.0.0.0/33,x:y,/,.,:", "example.com", false),
        ] {
            assert_eq!(exempt(list, host), expected, "{list} {host}");
        }
    }

    proptest! {
        #[test]
        fn no_list_panics(list in "\\PC{0,80}", host in "[a-z.]{0,5}[a-z]", address: IpAddr, bits in 0u32..=128) {
            let rules = NoProxy::parse(&list);
            let _ = (rules.matches(&Host::Name(host), 1), rules.matches(&Host::Address(address), 1));
            let network = NoProxy::parse(&format!("{address}/{bits}"));
            prop_assert_eq!(network.matches(&Host::Address(address), 1), address.is_ipv6() || bits <= 32);
        }
    }
}

//! Networks of addresses, as they are written in options; and who speaks through a server that is in one of them.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use crate::{Error, Kind, Result};

/// A network: an address, and how many of its first bits count. `10.0.0.0/8`, `2001:db8::/32`, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// The bits behind the prefix are zero.
    first: IpAddr,
    prefix: u8,
}

impl Network {
    /// The network of so many first bits around `address`; `None` when an address has not that many.
    #[must_use]
    pub fn around(address: IpAddr, prefix: u8) -> Option<Network> {
        let address = address.to_canonical();
        let first = match address {
            IpAddr::V4(v4) => {
                let mask = u32::MAX.checked_shl(32_u32.checked_sub(prefix.into())?).unwrap_or(0);
                IpAddr::V4((v4.to_bits() & mask).into())
            }
            IpAddr::V6(v6) => {
                let mask = u128::MAX.checked_shl(128_u32.checked_sub(prefix.into())?).unwrap_or(0);
                IpAddr::V6((v6.to_bits() & mask).into())
            }
        };
        Some(Network { first, prefix })
    }

    /// Whether the address is in it. An IPv4 address within IPv6 counts as IPv4.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.first.is_ipv4() && Network::around(address, self.prefix) == Some(*self)
    }
}

impl FromStr for Network {
    type Err = Error;

    fn from_str(text: &str) -> Result<Network> {
        let bad = || {
            Error::new(
                Kind::Usage,
                format!("\"{}\" is not a network", crate::term::clean::clean(text.as_bytes())),
            )
            .hint("Write an address, or one with the number of bits that count: 10.0.0.0/8, 2001:db8::/32.")
        };
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| bad())?;
        let whole = if address.to_canonical().is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                digits.parse().map_err(|_| bad())?
            }
            Some(_) => return Err(bad()),
            None => whole,
        };
        Network::around(address, prefix).ok_or_else(bad)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.prefix)
    }
}

/// Whose connection from `peer` is. Each server on the way adds whom it speaks for at the end of `X-Forwarded-For`, so the list is read
/// from there, for as long as whoever wrote the entry is in one of the networks that are `trusted`: what stands in front of the first that
/// is not, anybody may have written. An entry that is not an address ends it, too: then it is the last server we know.
#[must_use]
pub fn client_address(peer: IpAddr, forwarded_for: &[u8], trusted: &[Network]) -> IpAddr {
    let mut client = peer.to_canonical();
    for entry in forwarded_for.rsplit(|byte| *byte == b',') {
        if !trusted.iter().any(|network| network.contains(client)) {
            break;
        }
        let address =
            std::str::from_utf8(entry.trim_ascii()).ok().and_then(|text| text.parse::<IpAddr>().ok());
        let Some(address) = address else { break };
        client = address.to_canonical();
    }
    client
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn networks_are_read_and_told_apart() {
        let net: Network = "10.1.2.3/8".parse().unwrap();
        assert_eq!(net.to_string(), "10.0.0.0/8");
        assert!(net.contains("10.255.0.1".parse().unwrap()));
        assert!(net.contains("::ffff:10.0.0.1".parse().unwrap()));
        assert!(!net.contains("11.0.0.1".parse().unwrap()));
        assert!(!net.contains("::1".parse().unwrap()));
        let all: Network = "0.0.0.0/0".parse().unwrap();
        assert!(all.contains("255.255.255.255".parse().unwrap()));
        assert!(!all.contains("::1".parse().unwrap()));
        let one: Network = "::1".parse().unwrap();
        assert_eq!(one.to_string(), "::1/128");
        assert!(one.contains("::1".parse().unwrap()) && !one.contains("::2".parse().unwrap()));
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for bad in ["", "/8", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/+8", "10.0.0/8", "host/8"] {
            assert_eq!(bad.parse::<Network>().unwrap_err().kind(), Kind::Usage, "{bad}");
        }
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn trusted() -> Vec<Network> {
        ["10.0.0.0/8", "fd00::/8"].map(|text| text.parse().unwrap()).to_vec()
    }

    fn client(peer: &str, forwarded_for: &str) -> IpAddr {
        client_address(ip(peer), forwarded_for.as_bytes(), &trusted())
    }

    #[test]
    fn the_last_that_is_no_server_of_ours_is_the_client() {
        assert_eq!(client("10.0.0.1", "203.0.113.7"), ip("203.0.113.7"));
        assert_eq!(client("10.0.0.1", "203.0.113.7, 10.0.0.2,\t10.0.0.3 "), ip("203.0.113.7"));
        assert_eq!(client("::ffff:10.0.0.1", "2001:db8::7, fd00::1"), ip("2001:db8::7"));
        assert_eq!(client("10.0.0.1", "::ffff:203.0.113.7"), ip("203.0.113.7"));
        // Whatever the client wrote itself stands in front of what the server added.
        assert_eq!(client("10.0.0.1", "1.1.1.1, 203.0.113.7"), ip("203.0.113.7"));
        // All of them are ours: it comes from the first.
        assert_eq!(client("10.0.0.1", "10.0.0.9, 10.0.0.2"), ip("10.0.0.9"));
        assert_eq!(client("10.0.0.1", ""), ip("10.0.0.1"));
    }

    #[test]
    fn nobody_else_is_believed() {
        assert_eq!(client("203.0.113.7", "198.51.100.1"), ip("203.0.113.7"));
        assert_eq!(client("203.0.113.7", "198.51.100.1, 10.0.0.1"), ip("203.0.113.7"));
        assert_eq!(client_address(ip("10.0.0.1"), b"198.51.100.1", &[]), ip("10.0.0.1"));
    }

    #[test]
    fn what_is_no_address_ends_the_list() {
        for bad in [
            "unknown",
            "_hidden",
            "203.0.113.7:1234",
            "[2001:db8::7]",
            "[2001:db8::7]:443",
            "fe80::1%eth0",
            "203.0.113.07x",
            "0x7f.1",
            "3405803783",
            "\u{e4}",
            "\"203.0.113.7\"",
            "",
            " ",
        ] {
            assert_eq!(client("10.0.0.1", bad), ip("10.0.0.1"), "{bad}");
            assert_eq!(client("10.0.0.1", &format!("{bad}, 10.0.0.2")), ip("10.0.0.2"), "{bad}");
            assert_eq!(
                client("10.0.0.1", &format!("198.51.100.1, {bad}, 10.0.0.2")),
                ip("10.0.0.2"),
                "{bad}"
            );
            assert_eq!(client("10.0.0.1", &format!("{bad}, 203.0.113.7")), ip("203.0.113.7"), "{bad}");
        }
        assert_eq!(client_address(ip("10.0.0.1"), b"\xff\xfe, 10.0.0.2", &trusted()), ip("10.0.0.2"));
        let many = "10.0.0.2,".repeat(10_000);
        assert_eq!(client("10.0.0.1", &format!("203.0.113.7,{many}10.0.0.3")), ip("203.0.113.7"));
        assert_eq!(client("10.0.0.1", &many), ip("10.0.0.1"));
    }

    fn address() -> impl Strategy<Value = IpAddr> {
        prop_oneof![
            (0_u8..4).prop_map(|last| IpAddr::from([10, 0, 0, last])),
            any::<[u8; 4]>().prop_map(IpAddr::from),
            any::<[u8; 16]>().prop_map(IpAddr::from),
        ]
    }

    proptest! {
        #[test]
        fn what_a_client_writes_in_front_changes_nothing(
            peer in address(),
            honest in address(),
            forged in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            let trusted = trusted();
            let is_ours = |address| trusted.iter().any(|network: &Network| network.contains(address));
            // A server adds the address that it sees behind whatever was there.
            let list = [forged.as_slice(), b", ", honest.to_string().as_bytes()].concat();
            let found = client_address(peer, &list, &trusted);
            if !is_ours(peer) {
                prop_assert_eq!(found, peer.to_canonical());
            } else if !is_ours(honest) {
                prop_assert_eq!(found, honest.to_canonical());
            }
        }

        #[test]
        fn any_bytes_give_an_address_that_was_named(
            peer in address(),
            list in proptest::collection::vec(any::<u8>(), 0..500),
        ) {
            let found = client_address(peer, &list, &trusted());
            let named = list.split(|byte| *byte == b',').filter_map(|entry| {
                std::str::from_utf8(entry).ok()?.trim().parse::<IpAddr>().ok()
            });
            prop_assert!(found == peer.to_canonical() || named.map(|ip| ip.to_canonical()).any(|ip| ip == found));
        }
    }
}

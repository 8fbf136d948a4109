//! Who a client is to the log: never what it is about.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use super::address::Network;
use super::options::LogAddresses;

/// Who a client is.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Where it comes from.
    pub address: IpAddr,
    /// Whose token it has shown, if it has.
    pub token_name: Option<Arc<str>>,
}

impl Caller {
    /// Its address as the log may have it.
    #[must_use]
    pub fn shown(&self, how: LogAddresses) -> Option<Shown> {
        let address = self.address.to_canonical();
        let kept = if address.is_ipv4() { V4_BITS } else { V6_BITS };
        match how {
            LogAddresses::Off => None,
            LogAddresses::Short => Network::around(address, kept).map(Shown::Network),
            LogAddresses::Full => Some(Shown::Address(address)),
        }
    }
}

/// An address, or the network it is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// All of it.
    Address(IpAddr),
    /// Its first bits.
    Network(Network),
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Shown::Address(address) => address.fmt(f),
            Shown::Network(network) => network.fmt(f),
        }
    }
}

/// A network of IPv4 that is told of.
const V4_BITS: u8 = 24;

/// A network of IPv6 that is told of: what a site gets of its provider.
const V6_BITS: u8 = 48;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_shown_as_far_as_they_may() {
        let cases = [
            ("192.0.2.77", "192.0.2.0/24", "192.0.2.77"),
            ("::ffff:192.0.2.77", "192.0.2.0/24", "192.0.2.77"),
            ("2001:db8:1:2:3::4", "2001:db8:1::/48", "2001:db8:1:2:3::4"),
        ];
        for (address, short, full) in cases {
            let caller = Caller { address: address.parse().unwrap(), token_name: None };
            let shown = |how| caller.shown(how).map(|shown| shown.to_string());
            assert_eq!(shown(LogAddresses::Off), None);
            assert_eq!(shown(LogAddresses::Short).as_deref(), Some(short));
            assert_eq!(shown(LogAddresses::Full).as_deref(), Some(full));
        }
    }
}

//! Places for those who fetch a binary: so many in all, so many of these for one address, and so many for one site of IPv6.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::relay::gate::Source;
use crate::relay::http::{self, Answer};

/// Who fetches at the moment.
#[derive(Clone, Debug, Default)]
pub struct Places(Arc<Mutex<Fetching>>);

#[derive(Debug, Default)]
struct Fetching {
    all: usize,
    /// Of each address, and of each site that addresses are in.
    of: BTreeMap<Source, usize>,
}

/// One of the places, for as long as this lives.
#[derive(Debug)]
pub struct Place {
    places: Places,
    source: Source,
}

impl Places {
    /// One more for this address.
    ///
    /// # Errors
    /// An answer that says that there is none.
    pub fn take(&self, source: Source) -> Result<Place, Answer> {
        let mut fetching = self.lock();
        if fetching.all >= FETCHING_MAX {
            return Err(http::BUSY);
        }
        let most = [ADDRESS_FETCHING_MAX, SITE_FETCHING_MAX];
        let is_full = |(payer, most)| fetching.of.get(&payer).is_some_and(|of_this| *of_this >= most);
        if source.payers().zip(most).any(is_full) {
            return Err(http::ADDRESS_BUSY);
        }
        fetching.all += 1;
        for payer in source.payers() {
            *fetching.of.entry(payer).or_default() += 1;
        }
        Ok(Place { places: self.clone(), source })
    }

    fn lock(&self) -> MutexGuard<'_, Fetching> {
        // Nothing panics while it holds the lock, and if it did the counts would still be whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut fetching = self.places.lock();
        fetching.all = fetching.all.saturating_sub(1);
        for payer in self.source.payers() {
            if let Some(of_this) = fetching.of.get_mut(&payer) {
                *of_this = of_this.saturating_sub(1);
                if *of_this == 0 {
                    fetching.of.remove(&payer);
                }
            }
        }
    }
}

/// How many fetch a binary at a time: each holds one piece of it in memory, and takes from what sessions have of the line.
pub const FETCHING_MAX: usize = 32;

/// How many of one address: an office sets up some machines at a time, and nobody keeps all the others waiting.
pub const ADDRESS_FETCHING_MAX: usize = 8;

/// How many of one site, which may have 65,536 addresses: half of all.
const SITE_FETCHING_MAX: usize = 16;

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    use super::*;

    fn address(last: u8) -> Source {
        Source::of(IpAddr::V4(Ipv4Addr::new(10, 0, 0, last)))
    }

    #[test]
    fn one_address_leaves_places_for_others() {
        let places = Places::default();
        let mut taken: Vec<_> = (0..ADDRESS_FETCHING_MAX).map(|_| places.take(address(1)).unwrap()).collect();
        assert_eq!(places.take(address(1)).unwrap_err(), http::ADDRESS_BUSY);
        assert!(places.take(address(2)).is_ok());
        taken.pop();
        assert!(places.take(address(1)).is_ok());
    }

    #[test]
    fn one_site_leaves_places_for_others_however_many_addresses_it_has() {
        let places = Places::default();
        let of_site =
            |site, network| Source::of(IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, site, network, 0, 0, 0, 1)));
        let taken: Vec<_> = (0..100).map_while(|network| places.take(of_site(1, network)).ok()).collect();
        assert_eq!(taken.len(), SITE_FETCHING_MAX);
        assert_eq!(places.take(of_site(1, 200)).unwrap_err(), http::ADDRESS_BUSY);
        assert!(places.take(of_site(2, 1)).is_ok());
    }

    #[test]
    fn there_are_only_so_many_and_they_come_back() {
        let places = Places::default();
        let addresses = (0..=u8::MAX).map(address);
        let taken: Vec<_> = addresses.map_while(|address| places.take(address).ok()).collect();
        assert_eq!(taken.len(), FETCHING_MAX);
        assert_eq!(places.take(address(u8::MAX)).unwrap_err(), http::BUSY);
        drop(taken);
        assert!(places.take(address(1)).is_ok());
        let fetching = places.lock();
        assert!(fetching.of.is_empty() && fetching.all == 0, "who fetches nothing any more is remembered");
    }
}

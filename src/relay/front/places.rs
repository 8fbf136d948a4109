//! Places for those who fetch a binary: so many in all, and so many of these for one address.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::relay::gate::Source;
use crate::relay::http::{self, Answer};

/// Who fetches at the moment.
#[derive(Clone, Debug, Default)]
pub struct Places(Arc<Mutex<BTreeMap<Source, usize>>>);

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
        if fetching.values().sum::<usize>() >= FETCHING_MAX {
            return Err(http::BUSY);
        }
        let of_this = fetching.entry(source).or_default();
        if *of_this >= ADDRESS_FETCHING_MAX {
            return Err(http::ADDRESS_BUSY);
        }
        *of_this += 1;
        Ok(Place { places: self.clone(), source })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Source, usize>> {
        // Nothing panics while it holds the lock, and if it did the counts would still be whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut fetching = self.places.lock();
        if let Some(of_this) = fetching.get_mut(&self.source) {
            *of_this = of_this.saturating_sub(1);
            if *of_this == 0 {
                fetching.remove(&self.source);
            }
        }
    }
}

/// How many fetch a binary at a time: each holds one piece of it in memory, and takes from what sessions have of the line.
pub const FETCHING_MAX: usize = 32;

/// How many of one address: an office sets up some machines at a time, and nobody keeps all the others waiting.
pub const ADDRESS_FETCHING_MAX: usize = 8;

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

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
    fn there_are_only_so_many_and_they_come_back() {
        let places = Places::default();
        let addresses = (0..=u8::MAX).map(address);
        let taken: Vec<_> = addresses.map_while(|address| places.take(address).ok()).collect();
        assert_eq!(taken.len(), FETCHING_MAX);
        assert_eq!(places.take(address(u8::MAX)).unwrap_err(), http::BUSY);
        drop(taken);
        assert!(places.take(address(1)).is_ok());
        assert!(places.lock().is_empty(), "who fetches nothing any more is remembered");
    }
}

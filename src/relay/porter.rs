//! The driver of the gate: who comes is counted until it has left, and whoever is one too many still hears why, while not too many do.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::address::Network;
use super::exchange::Clock;
use super::gate::{Gate, Source};
use super::limits::{Limits, TURNED_AWAY_MAX, TURNED_AWAY_OF_ADDRESS_MAX};
use super::refusal::Refusal;

/// What stands before every door of one relay.
pub struct Porter {
    state: Mutex<State>,
    trusted: Vec<Network>,
    clock: Clock,
}

struct State {
    gate: Gate,
    /// Whose connections are only there to be told why they cannot stay; `None`: those of one that speaks for others.
    turned_away: Vec<Option<Source>>,
}

/// Somebody who has connected. It is counted for as long as this lives.
#[derive(Debug)]
pub struct Arrival {
    /// Who it is, as far as that can be seen from outside.
    pub peer: IpAddr,
    /// Why it cannot stay, if it cannot.
    pub refusal: Option<Refusal>,
    /// That it is here, and (where that is known) from which address.
    stays: [Option<Stay>; 2],
}

/// Something that was counted, and is until it is dropped.
struct Stay {
    porter: Arc<Porter>,
    of: Of,
}

#[derive(Clone, Copy, Debug)]
enum Of {
    All,
    Address(Source),
    TurnedAway(Option<Source>),
}

impl Porter {
    /// One for a relay that nobody has come to. The descriptors allow `connections_max`; whom `trusted` speak for has an address of its own.
    #[must_use]
    pub fn new(limits: &Limits, connections_max: usize, trusted: Vec<Network>, clock: Clock) -> Porter {
        let gate = Gate::new(limits, limits.connections.min(connections_max));
        Porter { state: Mutex::new(State { gate, turned_away: Vec::new() }), trusted, clock }
    }

    /// Somebody has connected. Who cannot stay may have come [to be told so](Arrival::refusal).
    ///
    /// # Errors
    /// Why it is just closed: it connects too often, or is one of so many that cannot stay that nobody has time to tell it so.
    pub fn receive(self: &Arc<Self>, peer: IpAddr) -> Result<Arrival, Refusal> {
        let speaks_for_others = self.trusted.iter().any(|network| network.contains(peer));
        let source = (!speaks_for_others).then(|| Source::of(peer));
        let now_ms = (self.clock)();
        let mut state = self.lock();
        if let Some(source) = source {
            state.gate.arrive(source, now_ms)?;
        }
        let mut let_in = state.gate.connect();
        if let (Ok(()), Some(source)) = (let_in, source) {
            let_in = state.gate.count(source, now_ms);
            if let_in.is_err() {
                // It must not take the place of one that may stay.
                state.gate.disconnect();
            }
        }
        let Err(refusal) = let_in else {
            drop(state);
            let stays = [Some(self.stay(Of::All)), source.map(|source| self.stay(Of::Address(source)))];
            return Ok(Arrival { peer, refusal: None, stays });
        };
        if !state.has_time_for(source) {
            return Err(refusal);
        }
        state.turned_away.push(source);
        drop(state);
        Ok(Arrival { peer, refusal: Some(refusal), stays: [Some(self.stay(Of::TurnedAway(source))), None] })
    }

    /// Somebody turns out to come from `address`, and is counted there if it was not before.
    ///
    /// # Errors
    /// It cannot stay.
    pub fn place(self: &Arc<Self>, arrival: &mut Arrival, address: IpAddr) -> Result<(), Refusal> {
        if let Some(refusal) = arrival.refusal {
            return Err(refusal);
        }
        if arrival.stays[1].is_none() {
            let (source, now_ms) = (Source::of(address), (self.clock)());
            let mut state = self.lock();
            state.gate.arrive(source, now_ms)?;
            state.gate.count(source, now_ms)?;
            drop(state);
            arrival.stays[1] = Some(self.stay(Of::Address(source)));
        }
        Ok(())
    }

    /// `address` asks for a seat; `opens`: in a room in which nobody is, or may be.
    ///
    /// # Errors
    /// It does so too often.
    pub fn ask(&self, address: IpAddr, opens: bool) -> Result<(), Refusal> {
        self.lock().gate.ask(Source::of(address), opens, (self.clock)())
    }

    fn stay(self: &Arc<Self>, of: Of) -> Stay {
        Stay { porter: Arc::clone(self), of }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock, and if it did the counts would still be whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether one more that cannot stay can be told so.
    fn has_time_for(&self, source: Option<Source>) -> bool {
        let same = || self.turned_away.iter().filter(|other| **other == source).count();
        self.turned_away.len() < TURNED_AWAY_MAX && (source.is_none() || same() < TURNED_AWAY_OF_ADDRESS_MAX)
    }
}

impl Drop for Stay {
    fn drop(&mut self) {
        let mut state = self.porter.lock();
        match self.of {
            Of::All => state.gate.disconnect(),
            Of::Address(source) => state.gate.uncount(source, (self.porter.clock)()),
            Of::TurnedAway(source) => {
                if let Some(at) = state.turned_away.iter().position(|other| *other == source) {
                    state.turned_away.swap_remove(at);
                }
            }
        }
    }
}

impl std::fmt::Debug for Stay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.of.fmt(f)
    }
}

impl std::fmt::Debug for Porter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Porter").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const ANNA: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
    const BEN: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));
    const PROXY: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn porter(connections: usize, of_an_address: u32) -> Arc<Porter> {
        let limits = Limits {
            address_connections: Some(of_an_address),
            // Without rates nobody is remembered who is not here.
            address_arrivals: None,
            address_joins: None,
            address_rooms: None,
            ..Limits::default()
        };
        let trusted = vec![Network::around(PROXY, 32).unwrap()];
        Arc::new(Porter::new(&limits, connections, trusted, Box::new(|| 0)))
    }

    #[test]
    fn who_has_left_is_not_counted() {
        let porter = porter(2, 9);
        let here: Vec<_> = [ANNA, BEN].map(|peer| porter.receive(peer).unwrap()).into();
        assert!(here.iter().all(|arrival| arrival.refusal.is_none()));
        assert_eq!(porter.receive(ANNA).unwrap().refusal, Some(Refusal::TooManyConnections));
        drop(here);
        assert_eq!(porter.receive(ANNA).unwrap().refusal, None);
        assert_eq!(porter.lock().gate.connections(), 0);
        assert_eq!(porter.lock().gate.addresses(), 0);
    }

    /// As many as there may be, of as many addresses.
    fn strangers() -> impl Iterator<Item = IpAddr> {
        (0..).map(|number: u32| IpAddr::V4(Ipv4Addr::from_bits(number)))
    }

    #[test]
    fn whoever_is_one_too_many_is_told_so_unless_they_are_too_many() {
        let porter = porter(1, 9);
        let stays = porter.receive(ANNA).unwrap();
        let told: Vec<_> =
            strangers().take(TURNED_AWAY_MAX).map(|peer| porter.receive(peer).unwrap()).collect();
        assert!(told.iter().all(|arrival| arrival.refusal == Some(Refusal::TooManyConnections)));
        assert_eq!(porter.receive(BEN).unwrap_err(), Refusal::TooManyConnections);
        drop(told);
        assert!(porter.receive(BEN).is_ok());
        assert_eq!(porter.lock().gate.connections(), 1);
        drop(stays);
    }

    #[test]
    fn one_address_does_not_keep_others_from_being_told() {
        let porter = porter(2, 1);
        let _stays = [ANNA, BEN].map(|peer| porter.receive(peer).unwrap());
        let mut told: Vec<_> =
            (0..TURNED_AWAY_OF_ADDRESS_MAX).map(|_| porter.receive(ANNA).unwrap()).collect();
        assert_eq!(porter.receive(ANNA).unwrap_err(), Refusal::TooManyConnections);
        assert!(porter.receive(BEN).is_ok());
        told.pop();
        assert!(porter.receive(ANNA).is_ok());
        // Whoever speaks for others has as many as there are.
        let left = TURNED_AWAY_MAX - told.len();
        let proxied: Vec<_> = (0..left).map(|_| porter.receive(PROXY).unwrap()).collect();
        assert_eq!(porter.receive(PROXY).unwrap_err(), Refusal::TooManyConnections);
        drop((told, proxied));
        assert!(porter.lock().turned_away.is_empty());
    }

    #[test]
    fn who_is_closed_is_closed_for_its_own_reason() {
        let porter = porter(9, 0);
        let told: Vec<_> = (0..TURNED_AWAY_OF_ADDRESS_MAX).map(|_| porter.receive(ANNA).unwrap()).collect();
        assert_eq!(porter.receive(ANNA).unwrap_err(), Refusal::AddressConnections);
        assert_eq!(porter.lock().gate.connections(), 0);
        drop(told);
    }

    #[test]
    fn who_connects_too_often_is_closed_and_a_proxy_is_not() {
        let limits = Limits { address_arrivals: Some(3), ..Limits::default() };
        let trusted = vec![Network::around(PROXY, 32).unwrap()];
        let porter = Arc::new(Porter::new(&limits, 100, trusted, Box::new(|| 0)));
        let refused = Refusal::AddressArrivals { again_s: 20 };
        for _ in 0..3 {
            // Also if nobody stays.
            assert_eq!(porter.receive(ANNA).unwrap().refusal, None);
        }
        assert_eq!(porter.receive(ANNA).unwrap_err(), refused);
        let mut all: Vec<_> = (0..9).map(|_| porter.receive(PROXY).unwrap()).collect();
        // Whom it speaks for is counted with what it has done itself.
        assert_eq!(porter.place(&mut all[0], ANNA), Err(refused));
        for arrival in &mut all[1..4] {
            assert_eq!(porter.place(arrival, BEN), Ok(()));
        }
        assert_eq!(porter.place(&mut all[4], BEN), Err(refused));
        assert_eq!(porter.place(&mut all[1], BEN), Ok(()), "it was counted before");
    }

    #[test]
    fn one_address_does_not_take_the_places_of_others() {
        let porter = porter(3, 1);
        let _stays = porter.receive(ANNA).unwrap();
        let told: Vec<_> = (0..2).map(|_| porter.receive(ANNA).unwrap()).collect();
        assert!(told.iter().all(|arrival| arrival.refusal == Some(Refusal::AddressConnections)));
        for _ in 0..2 {
            assert_eq!(porter.receive(BEN).unwrap().refusal, None);
        }
    }

    #[test]
    fn whom_a_proxy_speaks_for_is_counted_once_it_is_known() {
        let porter = porter(9, 1);
        let mut all: Vec<_> = (0..3).map(|_| porter.receive(PROXY).unwrap()).collect();
        assert_eq!(porter.place(&mut all[0], ANNA), Ok(()));
        assert_eq!(porter.place(&mut all[0], ANNA), Ok(()));
        assert_eq!(porter.place(&mut all[1], ANNA), Err(Refusal::AddressConnections));
        assert_eq!(porter.place(&mut all[2], BEN), Ok(()));
        drop(all);
        assert_eq!(porter.lock().gate.addresses(), 0);
    }
}

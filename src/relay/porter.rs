//! The driver of the gate: who comes is counted until it has left, and whoever is one too many still hears why, while not too many do.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::address::Network;
use super::exchange::Clock;
use super::gate::{Gate, Source};
use super::limits::{Limits, TURNED_AWAY_MAX};
use super::refusal::Refusal;

/// What stands before every door of one relay.
pub struct Porter {
    state: Mutex<State>,
    trusted: Vec<Network>,
    clock: Clock,
}

struct State {
    gate: Gate,
    /// Connections that are only there to be told why they cannot stay.
    turned_away: usize,
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
    TurnedAway,
}

impl Porter {
    /// One for a relay that nobody has come to. The descriptors allow `connections_max`; whom `trusted` speak for has an address of its own.
    #[must_use]
    pub fn new(limits: &Limits, connections_max: usize, trusted: Vec<Network>, clock: Clock) -> Porter {
        let gate = Gate::new(limits, limits.connections.min(connections_max));
        Porter { state: Mutex::new(State { gate, turned_away: 0 }), trusted, clock }
    }

    /// Somebody has connected. `None`: it is one of so many that nobody has time to tell it so.
    pub fn receive(self: &Arc<Self>, peer: IpAddr) -> Option<Arrival> {
        let mut state = self.lock();
        let mut stays = [None, None];
        let let_in = state.gate.connect();
        if let_in.is_ok() {
            stays[0] = Some(self.stay(Of::All));
        }
        let speaks_for_others = self.trusted.iter().any(|network| network.contains(peer));
        let counted = match let_in {
            Ok(()) if !speaks_for_others => {
                let source = Source::of(peer);
                state
                    .gate
                    .count(source, (self.clock)())
                    .map(|()| stays[1] = Some(self.stay(Of::Address(source))))
            }
            other => other,
        };
        let Err(refusal) = counted else {
            return Some(Arrival { peer, refusal: None, stays });
        };
        let has_time = state.turned_away < TURNED_AWAY_MAX;
        state.turned_away += usize::from(has_time);
        drop(state);
        // It must not take the place of one that may stay.
        drop(stays);
        has_time.then(|| Arrival {
            peer,
            refusal: Some(refusal),
            stays: [Some(self.stay(Of::TurnedAway)), None],
        })
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
            let source = Source::of(address);
            self.lock().gate.count(source, (self.clock)())?;
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

impl Drop for Stay {
    fn drop(&mut self) {
        let mut state = self.porter.lock();
        match self.of {
            Of::All => state.gate.disconnect(),
            Of::Address(source) => state.gate.uncount(source, (self.porter.clock)()),
            Of::TurnedAway => state.turned_away = state.turned_away.saturating_sub(1),
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
        let limits = Limits { address_connections: Some(of_an_address), ..Limits::default() };
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

    #[test]
    fn whoever_is_one_too_many_istold_so_unless_they_are_too_many() {
        let porter = porter(1, 9);
        let stays = porter.receive(ANNA).unwrap();
        let told: Vec<_> = (0..TURNED_AWAY_MAX).map(|_| porter.receive(BEN).unwrap()).collect();
        assert!(told.iter().all(|arrival| arrival.refusal == Some(Refusal::TooManyConnections)));
        assert!(porter.receive(BEN).is_none());
        drop(told);
        assert!(porter.receive(BEN).is_some());
        assert_eq!(porter.lock().gate.connections(), 1);
        drop(stays);
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

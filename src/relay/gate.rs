//! Who may come in, and how often: the pure machine that counts connections, and what each address asks for.
//!
//! It knows no socket and no clock. An address is one IPv4 address or one IPv6 network of 64 bits, since that is what one customer has. What it asks
//! for is taken from buckets that hold a minute's worth and fill evenly. Whoever has many such networks mostly has them in one of 48 bits, a site:
//! that may have some times what an address may, and what each of its addresses does counts for it, too.
//!
//! The table is bounded: whoever has full buckets and no connection is no different from somebody who was never here, and is not in it.

mod bucket;

use std::collections::{BTreeMap, BTreeSet};
// Addresses alone: what `std::net` has beside them would be a socket.
use core::net::IpAddr;

use super::limits::{ADDRESSES_MAX, Limits, MINUTE_MS, SITE_ADDRESSES};
use super::refusal::Refusal;
use bucket::{Bucket, Rate};

/// What counts as one address. Opaque, so that it cannot be mistaken for one that somebody has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Source(u128);

/// The machine. See the module's page.
#[derive(Debug)]
pub struct Gate {
    connections_max: usize,
    address_connections: Option<u32>,
    rates: Each<Option<Rate>>,
    connections: usize,
    sources: BTreeMap<Source, Account>,
    /// When each of them will have full buckets: exactly one entry each, equal to its `full_ms`.
    full: BTreeSet<(u64, Source)>,
}

/// What is known of one address, or of one site.
#[derive(Clone, Copy, Debug, Default)]
struct Account {
    connections: u32,
    buckets: Each<Bucket>,
    full_ms: u64,
}

/// What an address does that there is a rate of.
#[derive(Clone, Copy, Debug)]
enum Wish {
    Arrival,
    Seat,
    Room,
}

/// One of something for each [`Wish`].
#[derive(Clone, Copy, Debug, Default)]
struct Each<T> {
    arrivals: T,
    joins: T,
    rooms: T,
}

impl Source {
    /// The one that this address belongs to. An IPv4 address within IPv6 counts as IPv4.
    #[must_use]
    pub fn of(address: IpAddr) -> Source {
        match address.to_canonical() {
            // No network of 64 bits looks like this: its last 64 bits are zero.
            IpAddr::V4(v4) => Source(u128::from(v4.to_bits()) | V4),
            IpAddr::V6(v6) => Source(v6.to_bits() & NETWORK),
        }
    }

    /// Who is charged for what it does: itself, and the site it is in.
    pub(super) fn payers(self) -> impl Iterator<Item = Source> {
        let is_network = self.0 & !NETWORK == 0;
        let site = is_network.then_some(Source(self.0 & SITE_NETWORK | SITE));
        [Some(self), site].into_iter().flatten()
    }

    /// As how many addresses it counts.
    fn addresses(self) -> u32 {
        if self.0 & !NETWORK == SITE { SITE_ADDRESSES } else { 1 }
    }
}

impl Gate {
    /// One with nobody in it, for at most `connections_max` connections and what else `limits` say.
    #[must_use]
    pub fn new(limits: &Limits, connections_max: usize) -> Gate {
        let rate = |limit: Option<u32>| limit.map(Rate::a_minute);
        Gate {
            connections_max,
            address_connections: limits.address_connections,
            rates: Each {
                arrivals: rate(limits.address_arrivals),
                joins: rate(limits.address_joins),
                rooms: rate(limits.address_rooms),
            },
            connections: 0,
            sources: BTreeMap::new(),
            full: BTreeSet::new(),
        }
    }

    /// Somebody has connected. Who is let in must be told to have [left](Self::disconnect) once.
    ///
    /// # Errors
    /// There are too many already.
    pub fn connect(&mut self) -> Result<(), Refusal> {
        if self.connections >= self.connections_max {
            return Err(Refusal::TooManyConnections);
        }
        self.connections += 1;
        Ok(())
    }

    /// One of those who were let in has left.
    pub fn disconnect(&mut self) {
        self.connections = self.connections.saturating_sub(1);
    }

    /// This address has connected, whether it is let in or not.
    ///
    /// # Errors
    /// It does so too often.
    pub fn arrive(&mut self, source: Source, now_ms: u64) -> Result<(), Refusal> {
        self.charge(source, Wish::Arrival, now_ms).map_err(|again_s| Refusal::AddressArrivals { again_s })
    }

    /// One who was let in belongs to this address. Who is counted must be told to have [gone](Self::uncount) once.
    ///
    /// # Errors
    /// This address has too many connections already.
    pub fn count(&mut self, source: Source, now_ms: u64) -> Result<(), Refusal> {
        let is_full = |payer: Source| {
            let most = self.address_connections.map(|most| most.saturating_mul(payer.addresses()));
            most.is_some_and(|most| self.account(payer).connections >= most)
        };
        if source.payers().any(is_full) {
            return Err(Refusal::AddressConnections);
        }
        for payer in source.payers() {
            let mut account = self.account(payer);
            account.connections = account.connections.saturating_add(1);
            self.keep(payer, account, now_ms);
        }
        Ok(())
    }

    /// One that was counted is gone.
    pub fn uncount(&mut self, source: Source, now_ms: u64) {
        for payer in source.payers() {
            let mut account = self.account(payer);
            account.connections = account.connections.saturating_sub(1);
            self.keep(payer, account, now_ms);
        }
    }

    /// This address asks for a seat; `opens`: in a room in which nobody is, or may be. Who is refused a new room has asked for a seat all the
    /// same: that refusal says that nobody is in the room, and whoever looks for rooms in which somebody is must not learn it for nothing.
    ///
    /// # Errors
    /// It does so too often. Of seats nothing is said that depends on the room.
    pub fn ask(&mut self, source: Source, opens: bool, now_ms: u64) -> Result<(), Refusal> {
        self.charge(source, Wish::Seat, now_ms).map_err(|again_s| Refusal::AddressJoins { again_s })?;
        if opens {
            self.charge(source, Wish::Room, now_ms).map_err(|again_s| Refusal::AddressRooms { again_s })?;
        }
        Ok(())
    }

    /// How many connections there are.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections
    }

    /// How many addresses and sites are remembered.
    #[must_use]
    pub fn addresses(&self) -> usize {
        self.sources.len()
    }

    /// Takes one out of the address's bucket and its site's. What the address has too little of itself, its site does not pay for.
    ///
    /// # Errors
    /// In how many seconds there will be one.
    fn charge(&mut self, source: Source, wish: Wish, now_ms: u64) -> Result<(), u64> {
        let Some(rate) = self.rates.of(wish) else { return Ok(()) };
        for payer in source.payers() {
            let mut account = self.account(payer);
            account.buckets.of_mut(wish).take(rate, payer.addresses(), now_ms)?;
            self.keep(payer, account, now_ms);
        }
        Ok(())
    }

    fn account(&self, source: Source) -> Account {
        self.sources.get(&source).copied().unwrap_or_default()
    }

    fn keep(&mut self, source: Source, mut account: Account, now_ms: u64) {
        if let Some(before) = self.sources.remove(&source) {
            self.full.remove(&(before.full_ms, source));
        }
        let full_ms =
            |wish: Wish| self.rates.of(wish).map_or(0, |rate| account.buckets.of(wish).full_ms(rate));
        account.full_ms = match account.connections {
            0 => [Wish::Arrival, Wish::Seat, Wish::Room].map(full_ms).into_iter().fold(0, u64::max),
            _ => NEVER,
        };
        self.forget_full(now_ms);
        if account.full_ms > now_ms {
            self.make_room();
            self.full.insert((account.full_ms, source));
            self.sources.insert(source, account);
        }
    }

    /// Forgets those whose buckets are full again.
    fn forget_full(&mut self, now_ms: u64) {
        while let Some(&(full_ms, source)) = self.full.first()
            && full_ms <= now_ms
        {
            self.full.pop_first();
            self.sources.remove(&source);
        }
    }

    /// Forgets whoever is nearest to that, where there are as many as may be. Those who have a connection are never forgotten, or they would be
    /// let have more than they may: there are no more of them than two for each connection.
    fn make_room(&mut self) {
        while self.sources.len() >= ADDRESSES_MAX
            && let Some(&(full_ms, source)) = self.full.first()
            && full_ms != NEVER
        {
            self.full.pop_first();
            self.sources.remove(&source);
        }
    }
}

impl<T: Copy> Each<T> {
    fn of(&self, wish: Wish) -> T {
        match wish {
            Wish::Arrival => self.arrivals,
            Wish::Seat => self.joins,
            Wish::Room => self.rooms,
        }
    }

    fn of_mut(&mut self, wish: Wish) -> &mut T {
        match wish {
            Wish::Arrival => &mut self.arrivals,
            Wish::Seat => &mut self.joins,
            Wish::Room => &mut self.rooms,
        }
    }
}

/// What tells IPv4 from IPv6. No network of 64 bits ends so.
const V4: u128 = 1 << 32;

/// The first 64 of 128 bits.
const NETWORK: u128 = u128::MAX << 64;

/// What tells a site from a network and from an address.
const SITE: u128 = 1 << 33;

/// The first 48 of 128 bits.
const SITE_NETWORK: u128 = u128::MAX << 80;

/// It is not over before its connections are.
const NEVER: u64 = u64::MAX;

// All of them have the same time to come back in whole units.
const _: () = assert!(MINUTE_MS.is_multiple_of(SITE_ADDRESSES as u64));

#[cfg(test)]
mod tests;

//! Who may come in, and how often: the pure machine that counts connections, and what each address asks for.
//!
//! It knows no socket and no clock. An address is one IPv4 address or one IPv6 network of 64 bits, since that is what one customer has. What it asks
//! for is taken from buckets that hold a minute's worth and fill evenly. The table is bounded: whoever has full buckets and no connection is no
//! different from somebody who was never here, and is not in it.

use std::collections::{BTreeMap, BTreeSet};
// Addresses alone: what `std::net` has beside them would be a socket.
use core::net::IpAddr;

use super::limits::{ADDRESSES_MAX, Limits, MINUTE_MS};
use super::refusal::Refusal;

/// What counts as one address. Opaque, so that it cannot be mistaken for one that somebody has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Source(u128);

/// The machine. See the module's page.
#[derive(Debug)]
pub struct Gate {
    connections_max: usize,
    address_connections: Option<u32>,
    joins: Option<Rate>,
    rooms: Option<Rate>,
    connections: usize,
    sources: BTreeMap<Source, Account>,
    /// When each of them will have full buckets: exactly one entry each, equal to its `full_ms`.
    full: BTreeSet<(u64, Source)>,
}

/// What is known of one address.
#[derive(Clone, Copy, Debug, Default)]
struct Account {
    connections: u32,
    joins: Bucket,
    rooms: Bucket,
    full_ms: u64,
}

/// So many a minute.
#[derive(Clone, Copy, Debug)]
struct Rate(u64);

/// How much was taken and has not come back yet, by the time at which all of it will be back, in units of a minute through the rate: so one taken is
/// [`MINUTE_MS`] of them, and a millisecond gives back as many as the rate. Whole numbers, whatever the rate is.
#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    /// What is missing, in those units, at `at_ms`.
    missing: u64,
    at_ms: u64,
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
}

impl Gate {
    /// One with nobody in it, for at most `connections_max` connections and what else `limits` say.
    #[must_use]
    pub fn new(limits: &Limits, connections_max: usize) -> Gate {
        let rate = |limit: Option<u32>| limit.map(|a_minute| Rate(a_minute.into()));
        Gate {
            connections_max,
            address_connections: limits.address_connections,
            joins: rate(limits.address_joins),
            rooms: rate(limits.address_rooms),
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

    /// One who was let in belongs to this address. Who is counted must be told to have [gone](Self::uncount) once.
    ///
    /// # Errors
    /// This address has too many connections already.
    pub fn count(&mut self, source: Source, now_ms: u64) -> Result<(), Refusal> {
        let mut account = self.account(source);
        if self.address_connections.is_some_and(|most| account.connections >= most) {
            return Err(Refusal::AddressConnections);
        }
        account.connections = account.connections.saturating_add(1);
        self.keep(source, account, now_ms);
        Ok(())
    }

    /// One that was counted is gone.
    pub fn uncount(&mut self, source: Source, now_ms: u64) {
        // One that was forgotten meanwhile is not counted any more.
        if let Some(mut account) = self.sources.get(&source).copied() {
            account.connections = account.connections.saturating_sub(1);
            self.keep(source, account, now_ms);
        }
    }

    /// This address asks for a seat; `opens`: in a room in which nobody is, or may be. Who is refused a new room has asked for a seat all the
    /// same: that refusal says that nobody is in the room, and whoever looks for rooms in which somebody is must not learn it for nothing.
    ///
    /// # Errors
    /// It does so too often. Of seats nothing is said that depends on the room.
    pub fn ask(&mut self, source: Source, opens: bool, now_ms: u64) -> Result<(), Refusal> {
        let mut account = self.account(source);
        if let Some(rate) = self.joins {
            account.joins.take(rate, now_ms).map_err(|again_s| Refusal::AddressJoins { again_s })?;
        }
        let opened = match self.rooms.filter(|_| opens) {
            Some(rate) => {
                account.rooms.take(rate, now_ms).map_err(|again_s| Refusal::AddressRooms { again_s })
            }
            None => Ok(()),
        };
        self.keep(source, account, now_ms);
        opened
    }

    /// How many connections there are.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections
    }

    /// How many addresses are remembered.
    #[must_use]
    pub fn addresses(&self) -> usize {
        self.sources.len()
    }

    fn account(&self, source: Source) -> Account {
        self.sources.get(&source).copied().unwrap_or_default()
    }

    fn keep(&mut self, source: Source, mut account: Account, now_ms: u64) {
        if let Some(before) = self.sources.remove(&source) {
            self.full.remove(&(before.full_ms, source));
        }
        let full = |rate: Option<Rate>, bucket: Bucket| rate.map_or(0, |rate| bucket.full_ms(rate));
        account.full_ms = match account.connections {
            0 => full(self.joins, account.joins).max(full(self.rooms, account.rooms)),
            // It is not over before they are.
            _ => u64::MAX,
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

    /// Forgets whoever is nearest to that, where there are as many as may be.
    fn make_room(&mut self) {
        while self.sources.len() >= ADDRESSES_MAX
            && let Some((_, source)) = self.full.pop_first()
        {
            self.sources.remove(&source);
        }
    }
}

impl Rate {
    /// A minute's worth, in a bucket's units; a rate of nothing gives nothing.
    fn capacity(self) -> u64 {
        self.0 * MINUTE_MS
    }
}

impl Bucket {
    /// Takes one.
    ///
    /// # Errors
    /// In how many seconds there will be one.
    fn take(&mut self, rate: Rate, now_ms: u64) -> Result<(), u64> {
        let back = now_ms.saturating_sub(self.at_ms).saturating_mul(rate.0);
        let missing = self.missing.saturating_sub(back);
        let then = missing + MINUTE_MS;
        let over = then.saturating_sub(rate.capacity());
        if over > 0 {
            return Err(over.div_ceil(rate.0.max(1)).div_ceil(1000));
        }
        *self = Bucket { missing: then, at_ms: self.at_ms.max(now_ms) };
        Ok(())
    }

    /// When everything will be back.
    fn full_ms(self, rate: Rate) -> u64 {
        self.at_ms.saturating_add(self.missing.div_ceil(rate.0.max(1)))
    }
}

/// What tells IPv4 from IPv6. No network of 64 bits ends so.
const V4: u128 = 1 << 32;

/// The first 64 of 128 bits.
const NETWORK: u128 = u128::MAX << 64;

#[cfg(test)]
mod tests;

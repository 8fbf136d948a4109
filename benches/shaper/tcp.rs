//! How TCP would fare on the emulated line: pure, the time comes in as an argument.

use std::collections::VecDeque;
use std::time::Duration;

/// What a line is like, in each direction.
#[derive(Clone, Copy, Debug)]
pub struct Manners {
    /// From one end to the other.
    pub delay: Duration,
    /// Bytes a second; `None` for as many as there are.
    pub rate: Option<u64>,
    /// So long bytes may wait for the line before no more are taken.
    pub queue: Duration,
    /// What share of the packets gets lost, from 0 to 1.
    pub lost: f64,
    /// Which ones.
    pub seed: u64,
}

/// One direction of a line, for all connections over it.
#[derive(Debug)]
pub struct Wire {
    manners: Manners,
    free: Duration,
    dice: u64,
}

/// One direction of one connection: what its sender's TCP would let out.
#[derive(Debug)]
pub struct Flow {
    round_trip: Duration,
    window: u64,
    /// Above it the window grows by one packet a round trip, below it by all that is acknowledged.
    threshold: u64,
    /// When what is under way will be acknowledged, and how much of it.
    under_way: VecDeque<(Duration, u64)>,
    bytes_under_way: u64,
    /// The last bytes arrive then; nothing overtakes them.
    arrived: Duration,
    /// A loss before then is part of the last one.
    recovered: Duration,
}

impl Wire {
    /// Idle.
    pub fn new(manners: Manners) -> Wire {
        Wire { manners, free: Duration::ZERO, dice: manners.seed.wrapping_mul(GOLDEN) | 1 }
    }

    /// When the line takes more, if it does not now.
    pub fn full_until(&self, now: Duration) -> Option<Duration> {
        let until = self.free.saturating_sub(self.manners.queue);
        (until > now).then_some(until)
    }

    /// Puts bytes on the line; returns when they are at its other end, and whether a packet of them was lost on the way.
    fn carry(&mut self, bytes: u64, now: Duration) -> (Duration, bool) {
        let time = match self.manners.rate {
            Some(rate) => Duration::from_secs_f64(bytes as f64 / rate as f64),
            None => Duration::ZERO,
        };
        self.free = self.free.max(now) + time;
        let lost = (0..bytes.div_ceil(PACKET)).filter(|_| self.is_lost()).count() > 0;
        (self.free + self.manners.delay, lost)
    }

    fn is_lost(&mut self) -> bool {
        // xorshift64*: small, and the same everywhere.
        self.dice ^= self.dice >> 12;
        self.dice ^= self.dice << 25;
        self.dice ^= self.dice >> 27;
        (self.dice.wrapping_mul(GOLDEN) >> 32) as f64 / 2f64.powi(32) < self.manners.lost
    }
}

impl Flow {
    /// Nothing was said on it yet. `opened`: when its first byte can leave.
    pub fn new(manners: Manners, opened: Duration) -> Flow {
        Flow {
            round_trip: manners.delay * 2,
            window: WINDOW_START,
            threshold: u64::MAX,
            under_way: VecDeque::new(),
            bytes_under_way: 0,
            arrived: Duration::ZERO,
            recovered: opened,
        }
    }

    /// How many bytes may go out now; if none, when it is to be asked again.
    pub fn room(&mut self, now: Duration) -> Result<u64, Duration> {
        while let Some((at, bytes)) = self.under_way.front().copied()
            && at <= now
        {
            self.under_way.pop_front();
            self.bytes_under_way -= bytes;
            let grown = if self.window < self.threshold { bytes } else { PACKET * bytes / self.window };
            self.window = (self.window + grown).min(WINDOW_MAX);
        }
        match (self.window.saturating_sub(self.bytes_under_way), self.under_way.front()) {
            (0, Some((at, _))) => Err(*at),
            (room, _) => Ok(room.max(1)),
        }
    }

    /// Sends bytes over the wire; returns when the other end gets them.
    pub fn send(&mut self, wire: &mut Wire, bytes: u64, now: Duration) -> Duration {
        let (mut at, is_lost) = wire.carry(bytes, now);
        if is_lost {
            // What was lost comes a round trip later, and all behind it waits for it.
            at += self.round_trip;
            if now >= self.recovered {
                self.window = (self.window / 2).max(2 * PACKET);
                self.threshold = self.window;
                self.recovered = now + self.round_trip;
            }
        }
        self.arrived = self.arrived.max(at);
        self.under_way.push_back((self.arrived + self.round_trip / 2, bytes));
        self.bytes_under_way += bytes;
        self.arrived
    }
}

/// What a packet carries.
const PACKET: u64 = 1448;

/// RFC 6928: ten packets.
const WINDOW_START: u64 = 10 * PACKET;

/// What systems give a connection at most, more or less.
const WINDOW_MAX: u64 = 6 << 20;

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

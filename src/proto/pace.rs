//! Limits of the rate: when a side that was given one may say more, and how much may be on its way to it.
//!
//! A limit counts what goes over the wire: sealed records, compressed or not, names and all. Pure: the time
//! comes in as an argument, counted from any fixed moment.
//!
//! The two sides hold to it by different means. A sender has its records wait for their turn ([`Pace`]),
//! whatever lane they go on. A receiver cannot make anybody wait but by credit ([`Ration`]), and so holds any
//! sender to the limit, also one that knows of none.

use std::num::NonZeroU64;
use std::time::Duration;

use super::limits::{FRAME_COST_MAX, FRAME_COST_MIN, PAYLOAD_BYTES_MAX, WINDOW_BYTES};

/// So many bytes a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rate(NonZeroU64);

impl Rate {
    /// The slowest one: a frame of the smallest size takes a second, and what keeps a session alive still
    /// gets through.
    pub const MIN: Rate = Rate(NonZeroU64::new(1000).unwrap());

    /// The fastest one: no machine is near it, and no sum of it overflows.
    pub const MAX: Rate = Rate(NonZeroU64::new(1_000_000_000_000).unwrap());

    /// `None` when it is below [`Rate::MIN`] or above [`Rate::MAX`].
    #[must_use]
    pub fn new(bytes_per_second: u64) -> Option<Rate> {
        let rate = Rate(NonZeroU64::new(bytes_per_second)?);
        (Rate::MIN..=Rate::MAX).contains(&rate).then_some(rate)
    }

    /// Bytes a second.
    #[must_use]
    pub fn bytes_per_second(self) -> u64 {
        self.0.get()
    }

    /// What file bytes of one data frame a sender should keep to at this rate: so few that each second's average is right.
    #[doc(hidden)]
    #[must_use]
    pub fn block_bytes(self) -> usize {
        block_bytes(self.bytes_per_second() / BLOCKS_PER_SECOND)
    }

    /// How long so many bytes take.
    fn time(self, bytes: u64) -> Duration {
        let nanos = u128::from(bytes) * NANOS_PER_SECOND / u128::from(self.bytes_per_second());
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

/// What file bytes of one data frame a sender should keep to in this window. What there is beside the largest
/// frame may be under way at a time, and several frames shall share it: then a receiver that gives credit bit
/// by bit gets data bit by bit. Smaller ones than any frame costs would leave a part of the window unused.
#[must_use]
pub fn block_bytes_in(window_bytes: u64) -> usize {
    let ahead_bytes = window_bytes.saturating_sub(FRAME_COST_MAX);
    block_bytes((ahead_bytes / BLOCKS_PER_WINDOW).max(FRAME_COST_MIN))
}

/// A power of two not above `bytes`, so that blocks of all sizes are aligned alike.
fn block_bytes(bytes: u64) -> usize {
    let bytes = usize::try_from(bytes).unwrap_or(PAYLOAD_BYTES_MAX).clamp(BLOCK_BYTES_MIN, PAYLOAD_BYTES_MAX);
    1 << bytes.ilog2()
}

/// When each of many records may go out, so that all of them together keep to a rate.
///
/// Whoever has one asks for its turn, once, and lets it go when that has come. Turns are given in the order
/// they are asked for, one behind the other, so nobody who shares the line gets more of it than another who
/// always has something to say.
#[derive(Clone, Debug)]
pub struct Pace {
    rate: Rate,
    /// When everything that has a turn is out.
    free: Duration,
}

/// The time that the line is kept for something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// When it may go out, all at once. In the past where others were late.
    pub begin: Duration,
    /// When the line has had the time for it.
    pub end: Duration,
}

impl Pace {
    /// Nothing was said yet.
    #[must_use]
    pub fn new(rate: Rate) -> Pace {
        Pace { rate, free: Duration::ZERO }
    }

    /// Reserves the next slot. A caller up to `LATE_MAX` late keeps its place; idle time is not saved up.
    pub fn turn(&mut self, bytes: u64, now: Duration) -> Turn {
        let is_late = now.saturating_sub(self.free) <= LATE_MAX;
        let begin = if is_late { self.free } else { now };
        self.free = begin.saturating_add(self.rate.time(bytes));
        Turn { begin, end: self.free }
    }
}

/// How much credit a receiver gives, so that what comes keeps to a rate.
///
/// Only data needs credit; names are counted but not held back. There is always credit for one frame of the
/// largest size, plus what time has earned. The initial window counts as credit in advance.
#[derive(Clone, Debug)]
pub struct Ration {
    rate: Rate,
    /// What was earned and has not come yet; below zero, what came and is not earned yet. In thousandths of a
    /// byte.
    level: i64,
    /// When that was so.
    then_ms: Option<u64>,
}

impl Ration {
    /// Nothing has come yet.
    #[must_use]
    pub fn new(rate: Rate) -> Ration {
        Ration { rate, level: 0, then_ms: None }
    }

    /// The window to begin with: what comes in half a second may be under way, for lines that take so long
    /// there and back.
    #[must_use]
    pub fn window_bytes(&self) -> u64 {
        FRAME_COST_MAX + self.ahead_bytes()
    }

    /// Credit is given in steps of at least so many bytes, or now and then.
    #[must_use]
    pub fn step_bytes(&self) -> u64 {
        self.ahead_bytes() / BLOCKS_PER_WINDOW
    }

    /// So many bytes have come.
    pub fn came(&mut self, bytes: u64) {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        self.level = self.level.saturating_sub(bytes.saturating_mul(THOUSANDTHS));
    }

    /// So many bytes have come that need no credit: names, mostly. Nothing of ours keeps a sender from saying
    /// them, so they take some seconds from the contents at most, which would else wait for as long as all
    /// names of a large tree take.
    pub fn came_uncredited(&mut self, bytes: u64) {
        let floor = signed(self.rate.bytes_per_second()).saturating_mul(UNCREDITED_MS).saturating_neg();
        let floor = floor.min(self.level);
        self.came(bytes);
        self.level = self.level.max(floor);
    }

    /// All the credit that may have been given by now, where the frames that have come cost `charged`.
    pub fn credit(&mut self, charged: u64, now_ms: u64) -> u64 {
        let elapsed_ms = now_ms.saturating_sub(*self.then_ms.get_or_insert(now_ms));
        self.then_ms = Some(now_ms);
        // Bytes a second are thousandths of a byte a millisecond.
        let earned = signed(self.rate.bytes_per_second()).saturating_mul(signed(elapsed_ms));
        let most = signed(self.ahead_bytes()).saturating_mul(THOUSANDTHS);
        self.level = self.level.saturating_add(earned).min(most);
        charged.saturating_add(FRAME_COST_MAX).saturating_add_signed(self.level / THOUSANDTHS)
    }

    fn ahead_bytes(&self) -> u64 {
        (self.rate.bytes_per_second() / 2).min(WINDOW_BYTES - FRAME_COST_MAX)
    }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Blocks per second a limited sender aims for, so that a one-second average is right to within one block.
const BLOCKS_PER_SECOND: u64 = 20;

/// See [`block_bytes_in`].
const BLOCKS_PER_WINDOW: u64 = 8;

/// Smaller ones would be mostly overhead.
const BLOCK_BYTES_MIN: usize = 1 << 10;

/// How late somebody may be whose turn it is without losing it: a busy machine lets a thread wait so long.
const LATE_MAX: Duration = Duration::from_millis(100);

/// How far behind a receiver is at most by what needs no credit, in milliseconds.
const UNCREDITED_MS: i64 = 3_000;

const NANOS_PER_SECOND: u128 = 1_000_000_000;

const THOUSANDTHS: i64 = 1000;

#[cfg(test)]
mod tests;

//! What a pair may say: so many bytes, and so many a second.
//!
//! Whoever is over the rate is not read for a while, so that the speaker waits and nothing of it here. Each read is charged when it has come, to the pair
//! and to all pairs together, and the next one waits until the line has had the time for it. Of many that share a rate each has one read charged at
//! a time, behind those of the others: so they share it evenly.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use smol::Timer;

use super::limits::{Limits, REST_MAX_MS};
use crate::net::throttle::Throttle;

/// What every pair is allowed.
#[derive(Clone, Debug)]
pub struct Tariff {
    limits: Limits,
    /// One line for all.
    all: Option<Throttle>,
}

/// What is left of it to one pair.
#[derive(Debug, Default)]
pub struct Allowance {
    left_bytes: Option<u64>,
    lines: Vec<Throttle>,
    rest: Option<Timer>,
}

/// The pair has said all it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spent;

impl Tariff {
    /// As whoever runs the relay wants it.
    #[must_use]
    pub fn new(limits: &Limits) -> Tariff {
        Tariff { limits: limits.clone(), all: limits.total_rate.map(Throttle::new) }
    }

    /// For a pair that begins.
    #[must_use]
    pub fn allowance(&self) -> Allowance {
        let own = self.limits.session_rate.map(Throttle::new);
        let lines = own.into_iter().chain(self.all.clone()).collect();
        Allowance { left_bytes: self.limits.session_bytes, lines, rest: None }
    }
}

impl Allowance {
    /// Whether the pair may be read; if not yet, the task is woken when it may.
    pub fn poll_may_read(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(rest) = &mut self.rest {
            if Pin::new(rest).poll(cx).is_pending() {
                return Poll::Pending;
            }
            self.rest = None;
        }
        Poll::Ready(())
    }

    /// So many bytes were read.
    ///
    /// # Errors
    /// They were the last ones.
    pub fn spend(&mut self, bytes: u64) -> Result<(), Spent> {
        if bytes == 0 {
            return Ok(());
        }
        let now = Instant::now();
        let charged = usize::try_from(bytes).unwrap_or(usize::MAX);
        // Every line is charged, and the slowest one decides.
        if let Some(until) = self.lines.iter().map(|line| line.charge(charged)).max()
            && until > now
        {
            let latest = now + Duration::from_millis(REST_MAX_MS);
            self.rest = Some(Timer::at(until.min(latest)));
        }
        match &mut self.left_bytes {
            None => Ok(()),
            Some(left) => {
                *left = left.saturating_sub(bytes);
                if *left == 0 { Err(Spent) } else { Ok(()) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_lite::future::poll_fn;

    use super::*;
    use crate::proto::pace::Rate;

    fn taken(tariff: &Tariff, pieces: u64, piece: u64) -> Duration {
        let mut allowance = tariff.allowance();
        let began = Instant::now();
        smol::block_on(async {
            for _ in 0..pieces {
                poll_fn(|cx| allowance.poll_may_read(cx)).await;
                allowance.spend(piece).unwrap();
            }
            poll_fn(|cx| allowance.poll_may_read(cx)).await;
        });
        began.elapsed()
    }

    #[test]
    fn a_pair_has_its_rate_and_no_limit_costs_nothing() {
        let rate = Rate::new(1_000_000);
        let limits = Limits { session_rate: rate, ..Limits::default() };
        // Never faster; and of a machine that is busy the best of some tries counts.
        let took: Vec<_> = (0..5).map(|_| taken(&Tariff::new(&limits), 10, 20_000).as_millis()).collect();
        assert!(took.iter().all(|took| *took >= 195) && took.iter().any(|took| *took < 300), "{took:?}");
        let mut free = Tariff::new(&Limits::default()).allowance();
        free.spend(u64::MAX).unwrap();
        assert!(free.rest.is_none());
    }

    #[test]
    fn pairs_share_one_line_evenly() {
        let limits = Limits { total_rate: Rate::new(1_000_000), ..Limits::default() };
        let tariff = Tariff::new(&limits);
        let began = Instant::now();
        let pairs: Vec<_> = (0..4)
            .map(|_| {
                let tariff = tariff.clone();
                std::thread::spawn(move || taken(&tariff, 5, 10_000))
            })
            .collect();
        let took: Vec<_> = pairs.into_iter().map(|pair| pair.join().unwrap().as_millis()).collect();
        // 200 kB at 1 MB/s for all of them; nobody was through long before the others.
        assert!(began.elapsed() >= Duration::from_millis(195), "{took:?}");
        assert!(took.iter().all(|took| *took >= 140), "{took:?}");
    }

    #[test]
    fn bytes_come_to_an_end() {
        let limits = Limits { session_bytes: Some(1000), ..Limits::default() };
        let mut allowance = Tariff::new(&limits).allowance();
        assert_eq!(allowance.spend(999), Ok(()));
        assert_eq!(allowance.spend(0), Ok(()));
        assert_eq!(allowance.spend(1), Err(Spent));
    }
}

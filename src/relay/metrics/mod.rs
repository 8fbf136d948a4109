//! What is counted of a relay's life. Counters are told as things end, or of a moving pair once a second: never for a byte.

pub mod process;
pub mod server;
pub mod text;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use super::reasons::{Ended, Reason, Refused};
use crate::proto::role::Role;

/// The counters of one relay.
#[derive(Debug)]
pub struct Metrics {
    started: SystemTime,
    /// Connections there are, whatever they want.
    pub connections: Gauge,
    /// Connections there ever were.
    pub accepted: Counter,
    /// Pairs there ever were.
    pub sessions: Counter,
    /// Who got no seat.
    pub refusals: Counters<Refused>,
    /// How pairs ended.
    pub ends: Counters<Ended>,
    /// How long pairs lived.
    pub session_time: Histogram,
    /// How long one side waited, for the other or in vain.
    pub waiting_time: Histogram,
    /// TLS that did not come about.
    pub tls_failures: Counter,
    heard: [Counter; 2],
}

impl Metrics {
    /// Begins to count.
    #[must_use]
    pub fn new() -> Metrics {
        Metrics {
            started: SystemTime::now(),
            connections: Gauge::default(),
            accepted: Counter::default(),
            sessions: Counter::default(),
            refusals: Counters::new(),
            ends: Counters::new(),
            session_time: Histogram::new(SESSION_SECONDS),
            waiting_time: Histogram::new(WAITING_SECONDS),
            tls_failures: Counter::default(),
            heard: [Counter::default(), Counter::default()],
        }
    }

    /// What was heard of the clients of one role in all.
    #[must_use]
    pub fn heard(&self, role: Role) -> &Counter {
        let [of_senders, of_receivers] = &self.heard;
        match role {
            Role::Send => of_senders,
            Role::Receive => of_receivers,
        }
    }
}

impl Default for Metrics {
    fn default() -> Metrics {
        Metrics::new()
    }
}

/// Only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// So many more.
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// So many by now.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How many there are of something.
#[derive(Debug, Default)]
pub struct Gauge(AtomicU64);

impl Gauge {
    /// One more, until what is returned is dropped.
    #[must_use]
    pub fn enter(&self) -> Entered<'_> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Entered(self)
    }

    /// So many now.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// One that a [`Gauge`] counts.
#[derive(Debug)]
pub struct Entered<'g>(&'g Gauge);

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A counter for each reason.
#[derive(Debug)]
pub struct Counters<R> {
    counters: Vec<Counter>,
    reasons: std::marker::PhantomData<R>,
}

impl<R: Reason> Counters<R> {
    fn new() -> Counters<R> {
        let counters = R::ALL.iter().map(|_| Counter::default()).collect();
        Counters { counters, reasons: std::marker::PhantomData }
    }

    /// Once more.
    pub fn add(&self, reason: R) {
        if let Some(counter) = self.counters.get(reason.place()) {
            counter.add(1);
        }
    }

    /// Every word, and how often.
    pub fn each(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        R::ALL.iter().map(|reason| reason.word()).zip(self.counters.iter().map(Counter::get))
    }
}

/// How often something took how long.
#[derive(Debug)]
pub struct Histogram {
    bounds_s: &'static [u64],
    /// One for each bound, and one for what took longer.
    buckets: Vec<Counter>,
    sum_ms: Counter,
}

impl Histogram {
    fn new(bounds_s: &'static [u64]) -> Histogram {
        let buckets = (0..=bounds_s.len()).map(|_| Counter::default()).collect();
        Histogram { bounds_s, buckets, sum_ms: Counter::default() }
    }

    /// It took so long.
    pub fn observe(&self, time: Duration) {
        let place = self.bounds_s.partition_point(|bound_s| Duration::from_secs(*bound_s) < time);
        if let Some(bucket) = self.buckets.get(place) {
            bucket.add(1);
        }
        self.sum_ms.add(u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
    }
}

/// A file takes seconds, a disk's contents hours.
const SESSION_SECONDS: &[u64] = &[1, 10, 60, 300, 1800, 7200, 43_200];

/// The other person types the code, or comes tomorrow.
const WAITING_SECONDS: &[u64] = &[1, 10, 60, 300, 1800, 7200, 43_200];

//! What is told of a relay's life: each thing that ends is a line of the log and a number of the measurements.
//!
//! Lines have addresses, durations, bytes and reasons. They never have a room, a token or a code, since none of those comes here.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::caller::Caller;
use super::metrics::Metrics;
use super::options::LogAddresses;
use super::quota::Quota;
use super::reasons::{Ended, Reason, Refused};
use crate::proto::role::Role;

/// The log and the measurements of one relay.
#[derive(Debug)]
pub struct Records {
    /// The counters.
    pub metrics: Metrics,
    addresses: LogAddresses,
    since: Instant,
    lines: Mutex<Lines>,
}

/// A pair that has ended.
#[derive(Debug)]
pub struct Session<'c> {
    /// The one that sends.
    pub sender: Side<'c>,
    /// The one that receives.
    pub receiver: Side<'c>,
    /// Since the two were joined.
    pub lived: Duration,
    /// Whose end was the first, and why it ended.
    pub first: Option<(Role, Ended)>,
}

/// One of two.
#[derive(Debug)]
pub struct Side<'c> {
    /// Who it is.
    pub caller: &'c Caller,
    /// What was heard of it, with its framing.
    pub bytes: u64,
}

/// How many lines of each kind there may be.
#[derive(Debug)]
struct Lines {
    refusals: Quota,
    waits: Quota,
    sessions: Quota,
    troubles: Quota,
}

impl Records {
    /// Nothing has happened yet.
    #[must_use]
    pub fn new(addresses: LogAddresses) -> Records {
        let lines = Lines {
            refusals: Quota::new(REFUSALS_PER_SECOND),
            waits: Quota::new(ENDS_PER_SECOND),
            sessions: Quota::new(ENDS_PER_SECOND),
            troubles: Quota::new(TROUBLES_PER_SECOND),
        };
        Records { metrics: Metrics::new(), addresses, since: Instant::now(), lines: Mutex::new(lines) }
    }

    /// Somebody got no seat.
    pub fn refused(&self, reason: Refused, caller: &Caller) {
        self.metrics.refusals.add(reason);
        if self.may(|lines| &mut lines.refusals) {
            let address = caller.shown(self.addresses).map(tracing::field::display);
            tracing::info!(event = "refusal", reason = reason.word(), address, "somebody was refused");
        }
    }

    /// Somebody came whom somebody waited for.
    pub fn met(&self, waited: Duration) {
        self.metrics.waiting_time.observe(waited);
    }

    /// Somebody waited in vain.
    pub fn left(&self, role: Role, caller: &Caller, waited: Duration, reason: Ended) {
        self.metrics.waiting_time.observe(waited);
        if self.may(|lines| &mut lines.waits) {
            let address = caller.shown(self.addresses).map(tracing::field::display);
            let (role, seconds) = (role.as_str(), seconds(waited));
            let reason = reason.word();
            tracing::info!(event = "wait", role, seconds, reason, address, "somebody waited in vain");
        }
    }

    /// Two sides were joined.
    pub fn joined(&self) {
        self.metrics.sessions.add(1);
    }

    /// So much more was heard of a client.
    pub fn heard(&self, role: Role, bytes: u64) {
        self.metrics.heard(role).add(bytes);
    }

    /// A pair has ended.
    pub fn session(&self, session: &Session<'_>) {
        let Session { sender, receiver, lived, first } = session;
        // A relay that ends, ends both.
        let by = first.filter(|(_, reason)| *reason != Ended::GoingAway).map(|(role, _)| role.as_str());
        let reason = first.map_or(Ended::Left, |(_, reason)| reason);
        self.metrics.session_time.observe(*lived);
        self.metrics.ends.add(reason);
        if self.may(|lines| &mut lines.sessions) {
            tracing::info!(
                event = "session",
                seconds = seconds(*lived),
                sender_bytes = sender.bytes,
                receiver_bytes = receiver.bytes,
                reason = reason.word(),
                by,
                sender = sender.caller.shown(self.addresses).map(tracing::field::display),
                receiver = receiver.caller.shown(self.addresses).map(tracing::field::display),
                sender_token = sender.caller.token_name.as_deref(),
                receiver_token = receiver.caller.token_name.as_deref(),
                "a session has ended"
            );
        }
    }

    /// The system gave no socket for a connection.
    pub fn not_accepted(&self, error: &std::io::Error) {
        if self.may(|lines| &mut lines.troubles) {
            tracing::warn!(event = "trouble", %error, "cannot accept");
        }
    }

    /// Says how many lines were left out, if some were. To be called now and then.
    pub fn settle(&self) {
        self.settle_at(self.now_ms());
    }

    /// The same at the end: no second is waited for.
    pub fn conclude(&self) {
        self.settle_at(u64::MAX);
    }

    fn settle_at(&self, now_ms: u64) {
        let mut lines = self.lines();
        let Lines { refusals, waits, sessions, troubles } = &mut *lines;
        let kinds = [("refusal", refusals), ("wait", waits), ("session", sessions), ("trouble", troubles)];
        let left_out = kinds.map(|(kind, quota)| (kind, quota.settle(now_ms)));
        drop(lines);
        for (kind, count) in left_out {
            if let Some(count) = count {
                tracing::info!(event = "left_out", of = kind, count, "lines were left out");
            }
        }
    }

    fn may(&self, kind: impl Fn(&mut Lines) -> &mut Quota) -> bool {
        let now_ms = self.now_ms();
        self.settle();
        kind(&mut self.lines()).take(now_ms)
    }

    fn lines(&self) -> std::sync::MutexGuard<'_, Lines> {
        // Nothing panics while it holds the lock.
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

impl Default for Records {
    fn default() -> Records {
        Records::new(LogAddresses::default())
    }
}

/// To the millisecond: more says nothing.
fn seconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e3).round() / 1e3
}

/// What one sees of an attack in ten lines, one sees in ten thousand.
const REFUSALS_PER_SECOND: u32 = 10;

/// Of what honest clients do as well: a busy relay ends a few dozen sessions a second.
const ENDS_PER_SECOND: u32 = 100;

/// The same trouble again and again.
const TROUBLES_PER_SECOND: u32 = 1;

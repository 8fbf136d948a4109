//! When to say that this side lives, and when to believe that the other does not.
//!
//! Liveness is bytes moving, not whole records: a record that takes long on a slow line keeps its connection alive while it
//! trickles in. Only bytes of the other side count; the relay's pings say nothing about it.

use super::limits::{DEAD_MS, KEEPALIVE_MS};

/// The clockwork of one connection. All times are milliseconds since one arbitrary moment.
#[derive(Debug)]
pub struct Liveness {
    last_sent_ms: u64,
    last_heard_ms: u64,
    heard_bytes: u64,
}

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Nothing before this time.
    Nothing {
        /// When to ask again.
        until_ms: u64,
    },
    /// Send a sign of life.
    KeepAlive,
    /// The other side is gone.
    Dead,
}

impl Liveness {
    /// A connection that came to life now.
    #[must_use]
    pub fn new(now_ms: u64) -> Liveness {
        Liveness { last_sent_ms: now_ms, last_heard_ms: now_ms, heard_bytes: 0 }
    }

    /// Something was sent.
    pub fn sent(&mut self, now_ms: u64) {
        self.last_sent_ms = now_ms;
    }

    /// What is due now, given how many bytes have come from the other side in all.
    pub fn poll(&mut self, now_ms: u64, heard_bytes: u64) -> Due {
        if heard_bytes != self.heard_bytes {
            self.heard_bytes = heard_bytes;
            self.last_heard_ms = now_ms;
        }
        if now_ms.saturating_sub(self.last_heard_ms) >= DEAD_MS {
            return Due::Dead;
        }
        if now_ms.saturating_sub(self.last_sent_ms) >= KEEPALIVE_MS {
            self.last_sent_ms = now_ms;
            return Due::KeepAlive;
        }
        Due::Nothing { until_ms: (self.last_sent_ms + KEEPALIVE_MS).min(self.last_heard_ms + DEAD_MS) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_connection_is_kept_alive_and_a_silent_one_dies() {
        let mut liveness = Liveness::new(1000);
        assert_eq!(liveness.poll(1000, 0), Due::Nothing { until_ms: 16_000 });
        assert_eq!(liveness.poll(16_000, 0), Due::KeepAlive);
        assert_eq!(liveness.poll(16_000, 0), Due::Nothing { until_ms: 31_000 });
        assert_eq!(liveness.poll(31_000, 0), Due::KeepAlive);
        assert_eq!(liveness.poll(45_999, 0), Due::Nothing { until_ms: 46_000 });
        assert_eq!(liveness.poll(46_000, 0), Due::Dead);
    }

    #[test]
    fn a_single_byte_is_a_sign_of_life() {
        let mut liveness = Liveness::new(0);
        liveness.sent(40_000);
        assert_eq!(liveness.poll(44_999, 1), Due::Nothing { until_ms: 55_000 });
        assert_eq!(liveness.poll(55_000, 1), Due::KeepAlive);
        assert_eq!(liveness.poll(89_998, 2), Due::KeepAlive);
        assert_eq!(liveness.poll(134_998, 2), Due::Dead);
    }
}

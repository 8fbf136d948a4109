//! When to believe that the other side is gone.
//!
//! Liveness is bytes moving, not whole records: a record that takes long on a slow line keeps its connection alive while it
//! trickles in. Only bytes of the other side count; the relay's pings say nothing about it. Each side sends a keepalive
//! after [`KEEPALIVE_MS`](super::limits::KEEPALIVE_MS) without anything else to say, so silence means something.

use super::limits::DEAD_MS;

/// Watches what comes from the other side. All times are milliseconds since one arbitrary moment.
#[derive(Debug)]
pub struct Liveness {
    last_heard_ms: u64,
    heard_bytes: u64,
}

/// What is believed of the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Belief {
    /// It lives; nothing can change that before this time.
    Alive {
        /// When to ask again.
        until_ms: u64,
    },
    /// It is gone.
    Dead,
}

impl Liveness {
    /// A connection that came to life now.
    #[must_use]
    pub fn new(now_ms: u64) -> Liveness {
        Liveness { last_heard_ms: now_ms, heard_bytes: 0 }
    }

    /// What to believe now, given how many bytes have come from the other side in all.
    pub fn poll(&mut self, now_ms: u64, heard_bytes: u64) -> Belief {
        if heard_bytes != self.heard_bytes {
            self.heard_bytes = heard_bytes;
            self.last_heard_ms = now_ms;
        }
        let until_ms = self.last_heard_ms + DEAD_MS;
        if now_ms >= until_ms { Belief::Dead } else { Belief::Alive { until_ms } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_kills_and_a_single_byte_saves() {
        let mut liveness = Liveness::new(1000);
        assert_eq!(liveness.poll(1000, 0), Belief::Alive { until_ms: 46_000 });
        assert_eq!(liveness.poll(45_999, 1), Belief::Alive { until_ms: 90_999 });
        assert_eq!(liveness.poll(90_998, 1), Belief::Alive { until_ms: 90_999 });
        assert_eq!(liveness.poll(90_999, 1), Belief::Dead);
    }
}

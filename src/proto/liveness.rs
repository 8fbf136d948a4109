//! When to believe that the other side is gone.
//!
//! Liveness is bytes moving, not whole messages: one that takes long on a slow line keeps its connection
//! alive while it comes. Only bytes of the other side count; the relay's pings say nothing about it. Each
//! side sends a keepalive after [`KEEPALIVE_MS`](super::limits::KEEPALIVE_MS) without anything else to say,
//! so silence means something.
//!
//! But a message that was begun has to come to its end: one bit of a frame's header that was turned on the
//! way promises more than will ever be said, and then every keepalive would pass for a part of that message.
//! So one that is slower than any line that a transfer makes sense on is none.

use super::limits::{DEAD_MS, MESSAGE_BYTES_PER_S};

/// What has come from the other side so far, in bytes of messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// All of them.
    pub bytes: u64,
    /// Those of messages that are whole.
    pub whole_bytes: u64,
}

/// Watches what comes from the other side. All times are milliseconds since one arbitrary moment.
#[derive(Debug)]
pub struct Liveness {
    heard: Heard,
    heard_ms: u64,
    /// When the message under way began; any time, where there is none.
    began_ms: u64,
}

/// What is believed of the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Belief {
    /// It lives; nothing can change that before this time.
    Alive {
        /// When to ask again.
        until_ms: u64,
    },
    /// It is gone, or of no use.
    Dead(Death),
}

/// Why the other side is believed to be gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Death {
    /// Nothing comes.
    Silent,
    /// What comes belongs to a message that comes to no end.
    Endless,
}

impl Liveness {
    /// A connection that came to life now.
    #[must_use]
    pub fn new(now_ms: u64) -> Liveness {
        Liveness { heard: Heard::default(), heard_ms: now_ms, began_ms: now_ms }
    }

    /// What to believe now, given what has come from the other side in all. To be asked several times in
    /// [`DEAD_MS`]: what happens in between is taken for as late as it may have been.
    pub fn poll(&mut self, now_ms: u64, heard: Heard) -> Belief {
        let before = std::mem::replace(&mut self.heard, heard);
        if heard.bytes != before.bytes {
            self.heard_ms = now_ms;
        }
        if before.under_way() == 0 || heard.whole_bytes != before.whole_bytes {
            self.began_ms = now_ms;
        }
        let silent_ms = self.heard_ms.saturating_add(DEAD_MS);
        let endless_ms = match heard.under_way() {
            0 => u64::MAX,
            bytes => self.began_ms.saturating_add(allowed_ms(bytes)),
        };
        if now_ms >= silent_ms {
            Belief::Dead(Death::Silent)
        } else if now_ms >= endless_ms {
            Belief::Dead(Death::Endless)
        } else {
            Belief::Alive { until_ms: silent_ms.min(endless_ms) }
        }
    }
}

impl Heard {
    /// Those of the message that has yet to become whole.
    fn under_way(self) -> u64 {
        self.bytes.saturating_sub(self.whole_bytes)
    }
}

/// How long a message may have taken by the time that so much of it is there.
fn allowed_ms(bytes: u64) -> u64 {
    DEAD_MS.saturating_add(bytes.saturating_mul(1000) / MESSAGE_BYTES_PER_S)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::seal::RECORD_MAX;

    fn whole(bytes: u64) -> Heard {
        Heard { bytes, whole_bytes: bytes }
    }

    /// When it is believed to be dead, if it says `bytes` every `every_ms` and no message ever becomes whole.
    fn dies(bytes: u64, every_ms: u64) -> Option<u64> {
        let mut liveness = Liveness::new(0);
        liveness.poll(0, whole(1000));
        (0..20 * 60).map(|second| second * 1000).find(|now_ms| {
            let heard = Heard { bytes: 1000 + (1 + now_ms / every_ms) * bytes, whole_bytes: 1000 };
            liveness.poll(*now_ms, heard) == Belief::Dead(Death::Endless)
        })
    }

    #[test]
    fn silence_kills_and_a_single_byte_saves() {
        let mut liveness = Liveness::new(1000);
        assert_eq!(liveness.poll(1000, whole(0)), Belief::Alive { until_ms: 46_000 });
        assert_eq!(liveness.poll(45_999, whole(1)), Belief::Alive { until_ms: 90_999 });
        assert_eq!(liveness.poll(90_998, whole(1)), Belief::Alive { until_ms: 90_999 });
        assert_eq!(liveness.poll(90_999, whole(1)), Belief::Dead(Death::Silent));
        // Also one of a message that has only begun.
        let mut liveness = Liveness::new(0);
        let begun = Heard { bytes: 1, whole_bytes: 0 };
        assert!(matches!(liveness.poll(44_999, begun), Belief::Alive { .. }));
        assert!(matches!(liveness.poll(89_998, begun), Belief::Alive { .. }));
        assert_eq!(liveness.poll(90_000, begun), Belief::Dead(Death::Silent));
    }

    #[test]
    fn a_message_that_never_ends_is_no_life() {
        // Keepalives that pass for parts of one message.
        assert_eq!(dies(19, 15_000), Some(46_000));
        // What is more has more time, and not for ever.
        assert_eq!(dies(MESSAGE_BYTES_PER_S / 2, 1000), Some(91_000));
        assert_eq!(dies(MESSAGE_BYTES_PER_S, 1000), None);
    }

    #[test]
    fn the_longest_message_may_come_as_slowly_as_lines_are() {
        let longest = RECORD_MAX as u64;
        let mut liveness = Liveness::new(0);
        let mut now_ms = 0;
        for bytes in (0..longest).step_by(MESSAGE_BYTES_PER_S as usize) {
            let belief = liveness.poll(now_ms, Heard { bytes, whole_bytes: 0 });
            assert!(matches!(belief, Belief::Alive { .. }), "{bytes} bytes");
            now_ms += 1000;
        }
        assert!(matches!(liveness.poll(now_ms, whole(longest)), Belief::Alive { .. }));
        // So no message holds a connection for longer than this, whatever is promised.
        assert!((34 * 60_000..36 * 60_000).contains(&allowed_ms(longest)), "{}", allowed_ms(longest));
    }

    #[test]
    fn each_message_has_its_own_time() {
        let mut liveness = Liveness::new(0);
        for second in 1..600 {
            // Always in the middle of one, as on a line that is never idle.
            let heard = Heard { bytes: second * 40 + 7, whole_bytes: second / 30 * 30 * 40 };
            assert!(matches!(liveness.poll(second * 1000, heard), Belief::Alive { .. }), "{second}");
        }
    }
}

//! Counting what comes on a lane, and when to tell the other side: only then may it forget what it said.

use super::limits::{RECEIVED_BYTES, RECEIVED_FRAMES, RECEIVED_MS};
use crate::defects::{self, Defect};

/// How many data and control frames have come on a lane, over all its connections. All times are milliseconds
/// since one arbitrary moment.
#[derive(Debug, Default)]
pub struct Inbox {
    taken: u64,
    told: u64,
    // Of the frames that the other side was not told of yet.
    untold_bytes: u64,
    untold_since_ms: u64,
}

/// When to tell the other side how much has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// There is nothing to tell.
    Never,
    /// At this time, unless more comes before.
    At {
        /// The time.
        ms: u64,
    },
    /// At once.
    Now,
}

impl Inbox {
    /// A frame was taken. Returns whether that changed when to tell of it.
    pub fn took(&mut self, bytes: usize, now_ms: u64) -> bool {
        let was_due = self.due(now_ms);
        if self.taken == self.told {
            self.untold_since_ms = now_ms;
        }
        self.taken += 1;
        self.untold_bytes = self.untold_bytes.saturating_add(bytes as u64);
        self.due(now_ms) != was_due
    }

    /// How many have come.
    #[must_use]
    pub fn taken(&self) -> u64 {
        self.taken
    }

    /// When to tell.
    #[must_use]
    pub fn due(&self, now_ms: u64) -> Due {
        let due_ms = self.untold_since_ms.saturating_add(RECEIVED_MS);
        if self.taken == self.told {
            Due::Never
        } else if self.taken - self.told >= RECEIVED_FRAMES
            || self.untold_bytes >= RECEIVED_BYTES
            || now_ms >= due_ms
        {
            Due::Now
        } else {
            Due::At { ms: due_ms }
        }
    }

    /// How many have come. The caller tells the other side now.
    pub fn tell(&mut self) -> u64 {
        if defects::has(Defect::CountedBeforeHandedOver) {
            self.taken += 1;
        }
        self.told = self.taken;
        self.untold_bytes = 0;
        self.taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_told_of_within_a_second() {
        let mut inbox = Inbox::default();
        assert_eq!(inbox.due(5), Due::Never);
        assert!(inbox.took(10, 5), "a new time to tell");
        assert!(!inbox.took(10, 900), "the same time");
        assert_eq!(inbox.due(1004), Due::At { ms: 1005 });
        assert_eq!(inbox.due(1005), Due::Now);
        assert_eq!(inbox.tell(), 2);
        assert_eq!(inbox.due(9999), Due::Never);
        assert!(inbox.took(1, 2000));
        assert_eq!(inbox.due(2000), Due::At { ms: 3000 });
    }

    #[test]
    fn many_frames_and_many_bytes_are_told_of_at_once() {
        let mut inbox = Inbox::default();
        for _ in 1..RECEIVED_FRAMES {
            inbox.took(1, 0);
            assert_eq!(inbox.due(0), Due::At { ms: RECEIVED_MS });
        }
        assert!(inbox.took(1, 0));
        assert_eq!(inbox.due(0), Due::Now);
        assert_eq!(inbox.tell(), RECEIVED_FRAMES);
        assert!(inbox.took(usize::try_from(RECEIVED_BYTES).unwrap(), 0));
        assert_eq!(inbox.due(0), Due::Now);
        assert_eq!(inbox.tell(), RECEIVED_FRAMES + 1);
    }
}

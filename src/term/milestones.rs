//! When a log is told how far it is: seldom enough for a mail of cron's, often enough to see that it lives.

use std::time::Duration;

/// What was told last.
#[derive(Clone, Debug, Default)]
pub struct Milestones {
    told: Duration,
    tenths: u64,
}

impl Milestones {
    /// Begins to count at `now` (a time since any fixed start).
    #[must_use]
    pub fn from(now: Duration) -> Milestones {
        Milestones { told: now, tenths: 0 }
    }

    /// Whether to tell now. Of what takes no longer than [`APART_MIN`] nothing is told, then every tenth once, and something at least
    /// every [`APART_MAX`].
    pub fn is_due(&mut self, now: Duration, percent: Option<u64>) -> bool {
        let (since, tenths) = (now.saturating_sub(self.told), percent.unwrap_or(0) / 10);
        let is_due = since >= APART_MAX || (since >= APART_MIN && tenths > self.tenths);
        if is_due {
            (self.told, self.tenths) = (now, tenths);
        }
        is_due
    }
}

const APART_MIN: Duration = Duration::from_secs(30);
const APART_MAX: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests {
    use super::*;

    fn told(percent: impl Fn(u64) -> Option<u64>, until: u64) -> Vec<u64> {
        let mut milestones = Milestones::from(Duration::ZERO);
        let is_due = |second: &u64| milestones.is_due(Duration::from_secs(*second), percent(*second));
        (0..=until).filter(is_due).collect()
    }

    #[test]
    fn what_is_short_tells_nothing_and_what_is_long_little() {
        assert_eq!(told(|second| Some(second * 4), 25), [0; 0]);
        assert_eq!(told(Some, 100), [30, 60, 90]);
        assert_eq!(told(|second| Some(second / 10), 450), [100, 200, 300, 400]);
        assert_eq!(told(|_| None, 1300), [600, 1200], "a stream has no share");
        assert_eq!(told(|_| Some(7), 1300), [600, 1200], "what stands still");
    }
}

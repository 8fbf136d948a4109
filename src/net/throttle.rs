//! One limit of the rate for all lanes of a side.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use crate::proto::pace::{Pace, Rate, Turn};

/// Gives turns to whoever shares a limit, see [`Pace`]. Cheap to clone; all clones are one.
#[derive(Clone, Debug)]
pub struct Throttle(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    pace: Mutex<Pace>,
    started: Instant,
}

impl Throttle {
    /// A limit that nobody has used yet.
    #[must_use]
    pub fn new(rate: Rate) -> Throttle {
        Throttle(Arc::new(Shared { pace: Mutex::new(Pace::new(rate)), started: Instant::now() }))
    }

    /// When so many bytes may go out. To be asked once for them, by whoever then waits for it.
    #[must_use]
    pub fn turn(&self, bytes: usize) -> Instant {
        self.0.started + self.take(bytes).begin
    }

    /// Counts so many bytes that go out without a turn. Returns when the line has had the time for them.
    #[must_use]
    pub fn charge(&self, bytes: usize) -> Instant {
        self.0.started + self.take(bytes).end
    }

    fn take(&self, bytes: usize) -> Turn {
        let Shared { pace, started } = &*self.0;
        // Nothing panics while it holds the lock.
        let mut pace = pace.lock().unwrap_or_else(PoisonError::into_inner);
        pace.turn(bytes as u64, started.elapsed())
    }
}

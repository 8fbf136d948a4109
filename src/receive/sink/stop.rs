//! Stopping the sink from outside, whatever it is at.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Error, Kind, Result};

/// Tells a sink that its person has cancelled. Clones are the same one.
///
/// The sink looks at it between all that takes long, so that its queue need not be worked off first, and gives nothing a final name
/// afterwards.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// One that is not set yet.
    #[must_use]
    pub fn new() -> Stop {
        Stop::default()
    }

    /// Sets it, for good.
    pub fn stop(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether it was set.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// The end of the transfer, once it was set.
    pub(super) fn check(&self) -> Result<()> {
        if self.is_set() { Err(Error::new(Kind::Interrupted, "interrupted")) } else { Ok(()) }
    }

    /// Does something about `length` zeros in steps of at most [`ZEROS_STEP_BYTES`], as long as it is not set: a few bytes from the
    /// network can announce many of them.
    pub(super) fn zeros(&self, length: u32, mut step: impl FnMut(u64) -> Result<()>) -> Result<()> {
        let mut left = u64::from(length);
        while left > 0 {
            self.check()?;
            let now = left.min(ZEROS_STEP_BYTES);
            step(now)?;
            left -= now;
        }
        Ok(())
    }
}

/// Zeros that are hashed or written without looking up: a few hundredths of a second, which a person takes for at once.
const ZEROS_STEP_BYTES: u64 = 16 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_are_taken_in_steps_until_it_is_set() {
        let stop = Stop::new();
        let mut steps = Vec::new();
        let length = 2 * ZEROS_STEP_BYTES + 1;
        stop.zeros(u32::try_from(length).unwrap(), |now| {
            steps.push(now);
            Ok(())
        })
        .unwrap();
        assert_eq!(steps, [ZEROS_STEP_BYTES, ZEROS_STEP_BYTES, 1]);
        let mut taken = 0;
        let error = stop.zeros(u32::MAX, |now| {
            taken += now;
            stop.stop();
            Ok(())
        });
        assert_eq!(error.unwrap_err().kind(), Kind::Interrupted);
        assert_eq!(taken, ZEROS_STEP_BYTES);
    }
}

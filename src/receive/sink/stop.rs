//! Stopping the sink from outside, whatever it is at.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Error, Result};

/// Tells a sink that its person has cancelled. Clones are the same one.
///
/// The sink looks at it between all that takes long, so that its queue need not be worked off first, and
/// gives nothing a final name afterwards.
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
        if self.is_set() { Err(Error::interrupted()) } else { Ok(()) }
    }
}

/// Zeros that are hashed or written without looking up: a few hundredths of a second, which a person takes
/// for at once.
pub(super) const ZEROS_STEP_BYTES: u64 = 16 << 20;

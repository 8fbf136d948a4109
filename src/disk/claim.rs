//! Who has a stream that stands in the place of a file.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Error, Kind, Result};

/// Whether a transfer has a stream already. Clones of the options share the stream: a second transfer would read, or write, the rest, and take it
/// for the whole.
#[derive(Clone, Default)]
pub(crate) struct Claim(Arc<AtomicBool>);

impl Claim {
    /// Takes the stream for one transfer, which may go on with it after a lost connection.
    ///
    /// # Errors
    /// Kind `Usage`: another one has it, or had it.
    pub(crate) fn take(&self) -> Result<()> {
        if !self.0.swap(true, Ordering::Relaxed) {
            return Ok(());
        }
        Err(Error::new(Kind::Usage, "the stream was already used by another transfer")
            .hint("It can be used only once: give each transfer a stream of its own."))
    }
}

//! What `-` reads: standard input, or what a program has to give in its place.

use std::fmt;
use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};

use crate::disk::Claim;
use crate::error::Result;

/// A stream of bytes. Clones share it: what one of them has read no other reads.
#[derive(Clone)]
pub struct Input {
    stream: Arc<Mutex<dyn Read + Send>>,
    claim: Claim,
}

impl Input {
    /// This stream.
    pub fn new(reader: impl Read + Send + 'static) -> Input {
        Input { stream: Arc::new(Mutex::new(reader)), claim: Claim::default() }
    }

    /// Takes it for one transfer.
    ///
    /// # Errors
    /// Kind `Usage`: another one has it, or had it.
    pub fn claim(&self) -> Result<()> {
        self.claim.take()
    }
}

impl Default for Input {
    /// Standard input.
    fn default() -> Input {
        Input::new(io::stdin())
    }
}

impl Read for Input {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        self.stream.lock().unwrap_or_else(PoisonError::into_inner).read(room)
    }
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Input")
    }
}

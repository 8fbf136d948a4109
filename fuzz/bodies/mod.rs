//! What is fuzzed, without the fuzzer: each body takes any bytes and stops where something is not as it must be.
//!
//! The fuzz targets (`fuzz_targets/`) feed them what libFuzzer makes up; `tests/it/corpora.rs` feeds them, in every run of the tests, what it
//! has found interesting so far (`corpus/`).

#![allow(dead_code, reason = "each fuzz target uses one of them")]

mod journal;
mod lane;
mod machines;
mod relay;
mod wire;

pub use journal::journal;
pub use lane::{handshake, rejoin};
pub use machines::{receiver, sender};
pub use relay::{relay, switchboard};
pub use wire::{frame, manifest, packed};

/// Reads decisions out of the fuzzer's bytes; zeros when there are no more.
pub struct Script<'a>(pub &'a [u8]);

impl<'a> Script<'a> {
    pub fn is_over(&self) -> bool {
        self.0.is_empty()
    }

    pub fn byte(&mut self) -> u8 {
        let Some((&byte, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        byte
    }

    pub fn number(&mut self) -> u64 {
        let bytes: [u8; 8] = std::array::from_fn(|_| self.byte());
        // Small numbers are the interesting ones, and sometimes the huge ones.
        u64::from_le_bytes(bytes) >> (bytes[0] % 64)
    }

    /// A stretch with its length before it.
    pub fn stretch(&mut self) -> &'a [u8] {
        let length = usize::from(self.byte()) << (self.byte() % 6);
        let (now, later) = self.0.split_at(length.min(self.0.len()));
        self.0 = later;
        now
    }
}

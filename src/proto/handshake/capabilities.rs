//! What a side can do beyond the first version of the protocol.

use std::ops::{BitAnd, BitOr};

/// What a side says it can do, one bit each. Something is done only where both can; what this program does
/// not know means nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities(u64);

impl Capabilities {
    /// Nothing beyond the first version.
    pub const NONE: Capabilities = Capabilities(0);
    /// More lanes than one.
    pub const LANES: Capabilities = Capabilities(1 << 1);
    /// Data frames packed with zstd.
    pub const ZSTD: Capabilities = Capabilities(1 << 2);
    /// Data frames packed with deflate.
    pub const DEFLATE: Capabilities = Capabilities(1 << 3);
    /// A text for the person in place of files.
    pub const TEXT: Capabilities = Capabilities(1 << 4);
    /// What this program can.
    pub const ALL: Capabilities = Capabilities(Capabilities::KNOWN);

    /// Everything that has a meaning to this program, known by name here and able to do or not.
    const KNOWN: u64 =
        Capabilities::LANES.0 | Capabilities::ZSTD.0 | Capabilities::DEFLATE.0 | Capabilities::TEXT.0;

    /// Whether all of `what` is among it.
    #[must_use]
    pub fn has(self, what: Capabilities) -> bool {
        self.0 & what.0 == what.0
    }

    /// As bits of a hello, where others stand beside them.
    pub(super) fn bits(self) -> u64 {
        self.0
    }

    /// Those among the bits of a hello.
    pub(super) fn of(bits: u64) -> Capabilities {
        Capabilities(bits & Capabilities::KNOWN)
    }
}

impl Default for Capabilities {
    /// What this program can.
    fn default() -> Self {
        Capabilities::ALL
    }
}

impl BitAnd for Capabilities {
    type Output = Capabilities;

    fn bitand(self, other: Capabilities) -> Capabilities {
        Capabilities(self.0 & other.0)
    }
}

impl BitOr for Capabilities {
    type Output = Capabilities;

    fn bitor(self, other: Capabilities) -> Capabilities {
        Capabilities(self.0 | other.0)
    }
}

//! What a limit of the rate means for the sender besides its data: the manifest waits, too.
//!
//! Control frames take no turns, so that a session stays alive and can be ended; they wait only for the turns
//! of the data that stands before them on their lane. But names can be as much as contents, so no more of
//! them are walked to than the line has had time for.

use std::time::Instant;

use futures_lite::future;
use smol::Timer;

use crate::net::throttle::Throttle;
use crate::proto::frame::PackedBlock;
use crate::proto::pace::Rate;

/// See the module.
pub(super) struct Limit {
    /// What the lanes share.
    pub(super) throttle: Throttle,
    /// What payload a block should have at most.
    pub(super) block_bytes: usize,
    /// What the entries take that were walked to and not said yet.
    pub(super) gathered_bytes: usize,
    // When the line has had the time for what was said.
    said_until: Instant,
}

impl Limit {
    pub(super) fn new(rate: Rate) -> Limit {
        Limit {
            throttle: Throttle::new(rate),
            block_bytes: rate.block_bytes(),
            gathered_bytes: 0,
            said_until: Instant::now(),
        }
    }

    /// A frame is said. Of data the lanes take care.
    pub(super) fn said(&mut self, frame: &PackedBlock) {
        if !frame.is_data() {
            self.said_until = self.throttle.charge(frame.buffer.len().saturating_sub(frame.start));
            self.gathered_bytes = 0;
        }
    }

    /// Whether as much was walked to as should be said at once.
    pub(super) fn has_gathered(&self) -> bool {
        self.gathered_bytes >= self.block_bytes
    }

    /// Resolves when the walk may go on. Cancel safe.
    pub(super) async fn may_walk(&self) {
        if self.has_gathered() {
            // They are said next, since nothing else is at hand.
            return future::pending().await;
        }
        if self.said_until > Instant::now() {
            Timer::at(self.said_until).await;
        }
    }
}

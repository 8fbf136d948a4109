//! Credit: how much data the sender may have sent by now.
//!
//! What the sink has taken from its queue frees the window for more, and under a limit credit also has to be
//! earned by waiting.

use crate::error::Result;
use crate::proto::conversation::broken;
use crate::proto::limits::WINDOW_BYTES;
use crate::proto::pace::{Rate, Ration};

/// The credit of one session. All numbers count from its beginning, in bytes of frames.
#[derive(Debug)]
pub(super) struct Credit {
    // What the data that came costs.
    charged: u64,
    // What of it the sink has taken.
    taken: u64,
    // What the sender was told that it may send; 0 until it was accepted.
    granted: u64,
    window_bytes: u64,
    ration: Option<Ration>,
}

impl Credit {
    /// None yet. `limit`: no more than this is to come a second.
    pub(super) fn new(limit: Option<Rate>) -> Credit {
        let ration = limit.map(Ration::new);
        let window_bytes = ration.as_ref().map_or(WINDOW_BYTES, Ration::window_bytes);
        Credit { charged: 0, taken: 0, granted: 0, window_bytes, ration }
    }

    /// Grants the first window, and returns how large it is.
    pub(super) fn begin(&mut self) -> u64 {
        self.granted = self.window_bytes;
        self.window_bytes
    }

    /// A record came, with data that needs credit or something else. Under a limit both count.
    pub(super) fn came(&mut self, record_bytes: usize, is_credited: bool) {
        let Some(ration) = &mut self.ration else { return };
        if is_credited {
            ration.came(record_bytes as u64);
        } else {
            ration.came_uncredited(record_bytes as u64);
        }
    }

    /// Charges what a data frame costs.
    pub(super) fn charge(&mut self, cost: u64) -> Result<()> {
        self.charged += cost;
        if self.charged > self.granted {
            return Err(broken("more data than there was room for"));
        }
        Ok(())
    }

    /// The sink has taken a data frame from its queue.
    pub(super) fn taken(&mut self, cost: u64) {
        self.taken += cost;
    }

    /// The credit to be told to the sender, where that is a step more than it knows of.
    pub(super) fn next_step(&mut self, now_ms: u64) -> Option<u64> {
        let step = self.ration.as_ref().map_or(STEP_BYTES, Ration::step_bytes);
        self.grant(step.clamp(1, STEP_BYTES), now_ms)
    }

    /// The credit to be told to the sender, where that is more than it knows of.
    pub(super) fn next(&mut self, now_ms: u64) -> Option<u64> {
        self.grant(1, now_ms)
    }

    fn grant(&mut self, step: u64, now_ms: u64) -> Option<u64> {
        let room = self.taken + self.window_bytes;
        let total = match &mut self.ration {
            Some(ration) => ration.credit(self.charged, now_ms).min(room),
            None => room,
        };
        if total < self.granted.saturating_add(step) {
            return None;
        }
        self.granted = total;
        Some(total)
    }

    /// What came so far costs this.
    pub(super) fn charged(&self) -> u64 {
        self.charged
    }

    /// A defect that the simulator must find: what was charged since then is never given back.
    pub(super) fn lose_since(&mut self, charged: u64) {
        self.taken = self.taken.saturating_sub(self.charged - charged);
    }
}

/// Credit is given back in steps of this many bytes: seldom enough to cost nothing, a sixteenth of the
/// window.
const STEP_BYTES: u64 = WINDOW_BYTES / 16;

//! Which lane a data frame goes to.
//!
//! Frames that hold parts of one chunk are a run, and stay on the lane of its first, one after the other: so
//! the receiver hashes each chunk as it comes. A new run goes where the least is waiting. What a lane could
//! not deliver moves to others in its order, and whatever follows of a run that moved goes after it.

use std::collections::BTreeMap;

use super::outbox::Load;
use crate::defects::{self, Defect};

/// The lanes of the last run. Runs come one after the other, so there is nothing to remember of those before.
#[derive(Debug, Default)]
pub struct Spread {
    last: Option<(u64, u8)>,
}

impl Spread {
    /// The lane for the next frame, which belongs to this run. `lanes` are those that a new run may be put
    /// on, with what each has before it. `None` when it is a new run and there are none.
    pub fn lane(&mut self, run: u64, lanes: impl Iterator<Item = (u8, Load)>) -> Option<u8> {
        let lane = match self.last {
            Some((last, lane)) if last == run && !defects::has(Defect::RunTorn) => lane,
            _ => least(lanes)?,
        };
        self.last = Some((run, lane));
        Some(lane)
    }

    /// Begins to move the frames that `from` could not deliver.
    #[must_use]
    pub fn moving(&mut self, from: u8) -> Moving<'_> {
        Moving { spread: self, from, at: BTreeMap::new() }
    }
}

/// The move of what one lane could not deliver.
#[derive(Debug)]
pub struct Moving<'s> {
    spread: &'s mut Spread,
    from: u8,
    /// Where each run goes: at most as many as one lane keeps frames. The frames of one need not follow each
    /// other here, once others have moved between them.
    at: BTreeMap<u64, u8>,
}

impl Moving<'_> {
    /// The lane for the next frame that moves, as with [`Spread::lane`].
    pub fn lane(&mut self, run: u64, lanes: impl Iterator<Item = (u8, Load)>) -> Option<u8> {
        let lane = match self.at.get(&run) {
            Some(lane) => *lane,
            None => least(lanes)?,
        };
        self.at.insert(run, lane);
        // What is read of it later follows. Where it has moved on already, it did so with everything before.
        if let Some((last, on)) = &mut self.spread.last
            && (*last, *on) == (run, self.from)
            && !defects::has(Defect::RunLeftBehind)
        {
            *on = lane;
        }
        Some(lane)
    }
}

impl Drop for Moving<'_> {
    /// A run of which nothing had to move has been delivered so far, and goes on anywhere.
    fn drop(&mut self) {
        if !defects::has(Defect::RunLeftBehind) {
            self.spread.last.take_if(|(_, lane)| *lane == self.from);
        }
    }
}

/// The lane with the least before it.
fn least(lanes: impl Iterator<Item = (u8, Load)>) -> Option<u8> {
    lanes.min_by_key(|(lane, load)| (*load, *lane)).map(|(lane, _)| lane)
}

#[cfg(test)]
mod tests;

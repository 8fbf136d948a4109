//! Whether packing pays, found out while it goes on: a pure machine, times and sizes come in as arguments.
//!
//! There are two ways to go, packed and plain, and whichever carries more contents in a time is the right
//! one. That depends on the network, the processors, the disks at both ends and what is in the files, all of
//! which change, so nothing is computed from assumptions: the way that is taken is measured all the time, and
//! now and then the other one is tried for a moment.
//!
//! ```text
//!         ┌── the line waits for us, and plain has not been tried for a while ──┐
//!   Packed│                                                                     ▼Plain
//!         └◀──── packed was faster, or has not been tried for a while ──────────┘
//! ```
//!
//! While packed blocks wait for the line, packing costs no time at all, and nothing is tried. A trial costs
//! more the more the two ways differ, so each that came to nothing makes the pause before the next one twice
//! as long.

/// Which way contents go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Packed, as far as that makes them smaller.
    Packed,
    /// As they are.
    Plain,
}

/// What becomes of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    /// Its way.
    pub(super) way: Way,
    /// How often the way has changed by then: what went this way before says nothing about it now.
    pub(super) turn: u64,
}

/// The decision, and what it rests on. All times are microseconds since one arbitrary moment.
#[derive(Debug)]
pub(super) struct Policy {
    way: Way,
    turn: u64,
    turned_us: u64,
    gauge: Option<Gauge>,
    // How many measurements in a row say that packed would be faster.
    doubts: u32,
    // What each way carried when it was measured last, in bytes a second.
    packed: Option<u64>,
    plain: Option<u64>,
    // How long to stay with a way before the other one is tried.
    patience_packed_us: u64,
    patience_plain_us: u64,
    // Until then the line may seem fast only because it is filling.
    fills_until_us: u64,
}

/// A measurement: from when a block of this turn has left until enough others have.
#[derive(Clone, Copy, Debug)]
struct Gauge {
    begun_us: u64,
    bytes: u64,
    // How long the line has waited for us.
    late_us: u64,
}

impl Policy {
    /// Begins packed: most lines are slower than that, and on the others it is found out within a few
    /// milliseconds.
    pub(super) fn new() -> Policy {
        Policy {
            way: Way::Packed,
            turn: 0,
            turned_us: 0,
            gauge: None,
            doubts: 0,
            packed: None,
            plain: None,
            patience_packed_us: PATIENCE_PACKED_US,
            patience_plain_us: PATIENCE_PLAIN_US,
            fills_until_us: 0,
        }
    }

    /// Sets the round-trip time. While windows and buffers fill, a long link accepts data at any speed, so
    /// its waiting for us proves nothing.
    pub(super) fn answers_in(&mut self, answer_us: u64, now_us: u64) {
        self.fills_until_us = now_us.saturating_add((answer_us * FILLING_ANSWERS).min(FILLING_MAX_US));
    }

    /// What is to become of the next block.
    pub(super) fn choose(&self) -> Choice {
        Choice { way: self.way, turn: self.turn }
    }

    /// A block of so many bytes of contents goes to the line, which has waited for it so long.
    pub(super) fn leaves(&mut self, choice: Choice, bytes: usize, late_us: u64, now_us: u64) {
        if choice.turn != self.turn {
            return;
        }
        let Some(gauge) = &mut self.gauge else {
            // What was under way before this one went the other way.
            self.gauge = Some(Gauge { begun_us: now_us, bytes: 0, late_us: 0 });
            return;
        };
        gauge.bytes += bytes as u64;
        gauge.late_us += late_us;
        let gauge = *gauge;
        let rate = gauge.rate(now_us);
        let is_lost =
            gauge.elapsed_us(now_us) >= LOST_US && self.other().is_some_and(|other| rate < other / 2);
        let is_measured = gauge.bytes >= GAUGE_BYTES;
        if !is_measured && !is_lost {
            return;
        }
        self.gauge = Some(Gauge { begun_us: now_us, bytes: 0, late_us: 0 });
        match self.way {
            Way::Packed => self.measured_packed(rate, gauge.is_late(now_us), now_us),
            Way::Plain => self.measured_plain(rate, now_us),
        }
    }

    fn measured_packed(&mut self, rate: u64, is_late: bool, now_us: u64) {
        self.packed = Some(rate);
        // While packed blocks wait for the line, packing takes no time from anybody.
        if !is_late || now_us < self.fills_until_us {
            return;
        }
        match self.plain {
            Some(plain) if is_faster(plain, rate) => {
                if self.stayed_us(now_us) < HELD_US {
                    // The trial of packing came to nothing.
                    self.patience_plain_us = (self.patience_plain_us * 2).min(PATIENCE_MAX_US);
                }
                self.turn_to(Way::Plain, now_us);
            }
            Some(_) if self.stayed_us(now_us) < self.patience_packed_us => {}
            Some(_) | None => self.turn_to(Way::Plain, now_us),
        }
    }

    fn measured_plain(&mut self, rate: u64, now_us: u64) {
        self.plain = Some(rate);
        let is_slower = self.packed.is_some_and(|packed| is_faster(packed, rate));
        self.doubts = if is_slower { self.doubts + 1 } else { 0 };
        if self.doubts >= DOUBTS {
            if self.stayed_us(now_us) < HELD_US {
                // So did the trial of doing without.
                self.patience_packed_us = (self.patience_packed_us * 2).min(PATIENCE_MAX_US);
            } else {
                self.patience_packed_us = PATIENCE_PACKED_US;
            }
            self.patience_plain_us = PATIENCE_PLAIN_US;
            self.turn_to(Way::Packed, now_us);
        } else if self.stayed_us(now_us) >= self.patience_plain_us {
            self.turn_to(Way::Packed, now_us);
        }
    }

    fn stayed_us(&self, now_us: u64) -> u64 {
        now_us.saturating_sub(self.turned_us)
    }

    /// What the way that is not taken carried when it was.
    fn other(&self) -> Option<u64> {
        match self.way {
            Way::Packed => self.plain,
            Way::Plain => self.packed,
        }
    }

    fn turn_to(&mut self, way: Way, now_us: u64) {
        self.way = way;
        self.turn += 1;
        self.turned_us = now_us;
        self.gauge = None;
        self.doubts = 0;
    }
}

impl Gauge {
    fn elapsed_us(&self, now_us: u64) -> u64 {
        now_us.saturating_sub(self.begun_us).max(1)
    }

    fn rate(&self, now_us: u64) -> u64 {
        self.bytes.saturating_mul(1_000_000) / self.elapsed_us(now_us)
    }

    /// Whether the line has waited for us for a good part of the time.
    fn is_late(&self, now_us: u64) -> bool {
        self.late_us * LATE_SHARE >= self.elapsed_us(now_us)
    }
}

/// Whether it is worth turning from a rate to the other one: not for what may be chance.
fn is_faster(other: u64, rate: u64) -> bool {
    other > rate + rate / 10
}

/// How much a measurement takes: eight blocks, so that neither one slow block nor what happens to be ready
/// decides; some milliseconds of a fast line.
const GAUGE_BYTES: u64 = 2 << 20;

/// A way that is half as fast as the other need not be measured to the end after so long.
const LOST_US: u64 = 5_000;

/// So many measurements in a row must say that plain is slower: on a fast line one takes two milliseconds, in
/// which a process may have to wait for its turn.
const DOUBTS: u32 = 2;

/// The link counts as starved when it waited for packing at least 1/`LATE_SHARE` of the time.
const LATE_SHARE: u64 = 8;

/// In so many round trips a connection doubles its window from ten packets to some megabytes.
const FILLING_ANSWERS: u64 = 8;

/// Packing for so long on a line that turns out to be fast costs at most half of this.
const FILLING_MAX_US: u64 = 2_000_000;

/// How long packing goes on, where the line waits for it, before plain is tried again. Short at first: a
/// chance may have decided against it, and on a fast line packing costs half of the time.
const PATIENCE_PACKED_US: u64 = 30_000;

/// How long contents go plain before packing is tried again: a trial takes up to ten milliseconds, and this
/// much of them is little.
const PATIENCE_PLAIN_US: u64 = 300_000;

/// Whatever came of trials so far, one is made after this time: lines and contents change.
const PATIENCE_MAX_US: u64 = 10_000_000;

/// A way that was held for so long was not taken by chance.
const HELD_US: u64 = 1_000_000;

#[cfg(test)]
mod tests;

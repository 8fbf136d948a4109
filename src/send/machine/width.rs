//! How many lanes: one, and more while that makes the transfer faster.
//!
//! ```text
//! settle ──▶ measure ──▶ the network is not what is waited for: look again later
//!   ▲            │
//!   │            ├─ nothing to compare with, or faster than before: twice as many ─┐
//!   │            └─ no faster: back to what it was, and look again later           │
//!   └───────────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! A transfer that is large, to somebody far away, begins with several at once: to find out that it needs them would take longer than
//! many a transfer does.

use crate::proto::limits::LANES_MAX;

/// Decides which lanes beside the first there are.
#[derive(Debug)]
pub struct Width {
    /// As many as a person wants, whatever they bring.
    is_fixed: bool,
    /// How many there should be, the first included.
    target: u8,
    /// Those beside the first.
    lanes: Vec<Stage>,
    /// Whether anything may be opened.
    may: bool,
    steps: Vec<Step>,
    phase: Phase,
    /// What there was before the last change: how many lanes, and what they brought, in bytes a second.
    before: Option<(u8, u64)>,
    rest_ms: u64,
    /// Before this time none is asked for, since so many in a row came to nothing, or the relay refused.
    asks_at_ms: u64,
    failures: u32,
}

/// What is to be done about a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Ask for it.
    Open(u8),
    /// Put nothing new on it, and let go of it when what is on it was counted.
    Retire(u8),
}

/// What was seen since the last time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sample {
    /// What the other side has taken so far, in bytes.
    pub taken: u64,
    /// Whether data waits for lanes right now.
    pub waits: bool,
    /// How much there is still to send, in bytes, where that is known.
    pub left: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Free,
    Asked,
    Up,
    Retiring,
    /// We have lost it, and the receiver has yet to say what it took.
    Lost,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    /// What was changed has yet to show.
    Settling {
        until_ms: u64,
    },
    Measuring {
        since_ms: u64,
        taken: u64,
        samples: u32,
        waits: u32,
    },
    Resting {
        until_ms: u64,
    },
}

impl Width {
    /// `lanes`: exactly so many, or as many as help.
    #[must_use]
    pub fn new(lanes: Option<u8>) -> Width {
        let lanes = lanes.map(|lanes| lanes.clamp(1, LANES_MAX));
        Width {
            is_fixed: lanes.is_some(),
            target: lanes.unwrap_or(1),
            lanes: vec![Stage::Free; usize::from(LANES_MAX) - 1],
            may: false,
            steps: Vec::new(),
            phase: Phase::Resting { until_ms: u64::MAX },
            before: None,
            rest_ms: REST_MIN_MS,
            asks_at_ms: 0,
            failures: 0,
        }
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<Step> {
        self.steps.pop()
    }

    /// The receiver has accepted, so long after it could have heard the first word. `left`: what there is to send, as far as it is known.
    pub fn accepted(&mut self, now_ms: u64, answer_ms: u64, left: Option<u64>) {
        self.may = true;
        let is_far = answer_ms >= FAR_MS;
        if !self.is_fixed {
            let bytes = left.unwrap_or(0);
            self.target = match bytes {
                LARGE_BYTES.. if is_far => BEGIN_LARGE,
                MEDIUM_BYTES.. if is_far => BEGIN_MEDIUM,
                _ => 1,
            };
            // Where the answer is quick one connection does well, mostly.
            let look_ms = if is_far { SETTLE_MS } else { NEAR_MS };
            self.phase = Phase::Settling { until_ms: now_ms + look_ms };
        }
        self.fill(now_ms);
    }

    /// A lane has a connection.
    pub fn came(&mut self, lane: u8, now_ms: u64) {
        if let Some(stage) = self.stage(lane) {
            *stage = Stage::Up;
        }
        self.failures = 0;
        if let Phase::Settling { until_ms } = &mut self.phase {
            *until_ms = (*until_ms).max(now_ms + SETTLE_MS);
        }
    }

    /// A lane has none any more, or got none; `is_refused`: the relay does not want it. The receiver has yet to say what it took.
    pub fn lost(&mut self, lane: u8, is_refused: bool, now_ms: u64) {
        if is_refused {
            // We stay with what there is.
            self.asks_at_ms = now_ms + REFUSED_MS;
        }
        self.failed(now_ms);
        if let Some(stage) = self.stage(lane) {
            *stage = Stage::Lost;
        }
    }

    /// The receiver has let go of a lane.
    pub fn gone(&mut self, lane: u8, now_ms: u64) {
        let Some(stage) = self.stage(lane) else { return };
        // One that was wanted and ends without our having lost it was lost by the other side.
        if matches!(std::mem::replace(stage, Stage::Free), Stage::Asked | Stage::Up) {
            self.failed(now_ms);
        }
    }

    fn failed(&mut self, now_ms: u64) {
        let pause_ms = AGAIN_MS << self.failures.min(FAILURES_MAX);
        self.failures = self.failures.saturating_add(1);
        self.asks_at_ms = self.asks_at_ms.max(now_ms + pause_ms);
    }

    /// To be called several times a second, while the first lane has a connection.
    pub fn tick(&mut self, now_ms: u64, sample: Sample) {
        if !self.may {
            return;
        }
        if !self.is_fixed {
            self.judge(now_ms, sample);
        }
        self.fill(now_ms);
    }

    fn judge(&mut self, now_ms: u64, sample: Sample) {
        let Sample { taken, waits, left } = sample;
        match &mut self.phase {
            Phase::Settling { until_ms } | Phase::Resting { until_ms } => {
                if now_ms >= *until_ms {
                    self.phase = Phase::Measuring { since_ms: now_ms, taken, samples: 0, waits: 0 };
                }
            }
            Phase::Measuring { since_ms, taken: before, samples, waits: waited } => {
                *samples += 1;
                *waited += u32::from(waits);
                if now_ms < *since_ms + MEASURE_MS {
                    return;
                }
                let rate = (taken - *before).saturating_mul(1000) / (now_ms - *since_ms).max(1);
                let is_waited_for = *waited * 2 > *samples;
                let pays = left.is_none_or(|left| left > rate.saturating_mul(PAYS_MS) / 1000);
                self.decide(now_ms, rate, is_waited_for && pays);
            }
        }
    }

    /// What follows from what the lanes brought.
    fn decide(&mut self, now_ms: u64, rate: u64, is_waited_for: bool) {
        let may_grow = is_waited_for && (RATE_MIN..RATE_MAX).contains(&rate) && now_ms >= self.asks_at_ms;
        let before = self.before.take();
        if let Some((lanes, then)) = before
            && rate < then.saturating_add(then / GAIN)
        {
            if is_waited_for {
                self.target = lanes;
                self.trim();
            }
            self.rest(now_ms);
        } else if may_grow && self.target < LANES_MAX && self.is_complete() {
            self.before = Some((self.target, rate));
            self.target = self.target.saturating_mul(2).min(LANES_MAX);
            self.phase = Phase::Settling { until_ms: now_ms + SETTLE_MS };
            if before.is_some() {
                self.rest_ms = REST_MIN_MS;
            }
        } else {
            self.phase = Phase::Resting { until_ms: now_ms + LOOK_MS };
        }
    }

    fn rest(&mut self, now_ms: u64) {
        self.phase = Phase::Resting { until_ms: now_ms + self.rest_ms };
        self.rest_ms = (self.rest_ms * 2).min(REST_MAX_MS);
    }

    /// Whether all that are wanted are there.
    fn is_complete(&self) -> bool {
        self.count(Stage::Up) >= usize::from(self.target) - 1
    }

    fn count(&self, stage: Stage) -> usize {
        self.lanes.iter().filter(|other| **other == stage).count()
    }

    /// Asks for what is missing.
    fn fill(&mut self, now_ms: u64) {
        if now_ms < self.asks_at_ms {
            return;
        }
        let there = self.count(Stage::Up) + self.count(Stage::Asked);
        let missing = (usize::from(self.target) - 1).saturating_sub(there);
        let free = (1..LANES_MAX).zip(&mut self.lanes).filter(|(_, stage)| **stage == Stage::Free);
        let mut opened: Vec<Step> = Vec::new();
        for (lane, stage) in free.take(missing) {
            *stage = Stage::Asked;
            opened.push(Step::Open(lane));
        }
        self.steps.extend(opened.into_iter().rev());
    }

    /// Lets go of what is too much.
    fn trim(&mut self) {
        let there = self.count(Stage::Up) + self.count(Stage::Asked);
        let many = (there + 1).saturating_sub(usize::from(self.target));
        let up = (1..LANES_MAX).zip(&mut self.lanes).rev().filter(|(_, stage)| **stage == Stage::Up);
        let mut retired = Vec::new();
        for (lane, stage) in up.take(many) {
            *stage = Stage::Retiring;
            retired.push(Step::Retire(lane));
        }
        self.steps.extend(retired);
    }

    fn stage(&mut self, lane: u8) -> Option<&mut Stage> {
        usize::from(lane).checked_sub(1).and_then(|at| self.lanes.get_mut(at))
    }
}

/// Who answers later than this is far away, or was slow to decide; either way a trial costs little.
const FAR_MS: u64 = 20;

/// What one lane does well enough is not worth the dialling; what is large enough begins with several.
const MEDIUM_BYTES: u64 = 4 << 20;
const LARGE_BYTES: u64 = 32 << 20;
const BEGIN_MEDIUM: u8 = 4;
const BEGIN_LARGE: u8 = 8;

/// How long what was changed takes to show: a few round trips in which a new connection finds its pace.
const SETTLE_MS: u64 = 300;

/// How long is measured.
const MEASURE_MS: u64 = 300;

/// As [`SETTLE_MS`] where the answer was quick.
const NEAR_MS: u64 = 1000;

/// When to look again where it was not the network that was waited for.
const LOOK_MS: u64 = 500;

/// When to try again after a trial that brought nothing; longer every time.
const REST_MIN_MS: u64 = 5000;
const REST_MAX_MS: u64 = 60_000;

/// More lanes must bring a seventh more to be kept.
const GAIN: u64 = 7;

/// Slower lines are the reason themselves; on faster ones it is the processor.
const RATE_MIN: u64 = 192 << 10;
const RATE_MAX: u64 = 100 << 20;

/// More lanes are not worth it for what is left in so long.
const PAYS_MS: u64 = 1000;

/// When to ask again for a lane that was lost, or not to be had; longer every time.
const AGAIN_MS: u64 = 1000;

/// Doublings of that pause: to about a minute.
const FAILURES_MAX: u32 = 6;

/// How long a relay that refused is left alone.
const REFUSED_MS: u64 = 30_000;

#[cfg(test)]
mod tests {
    use super::*;

    /// A line where `lanes` lanes bring so many bytes a second, and a transfer over it that takes `ms`.
    fn runs(width: &mut Width, ms: u64, waits: bool, rate: impl Fn(u8) -> u64) -> (u8, u8) {
        let (mut up, mut taken, mut most): (Vec<u8>, _, _) = (Vec::new(), 0, 1);
        for now_ms in (0..ms).step_by(100) {
            while let Some(step) = width.poll() {
                match step {
                    Step::Open(lane) => {
                        assert!(!up.contains(&lane));
                        up.push(lane);
                        width.came(lane, now_ms);
                    }
                    Step::Retire(lane) => {
                        up.retain(|other| *other != lane);
                        width.gone(lane, now_ms);
                    }
                }
            }
            let lanes = up.len() as u8 + 1;
            most = most.max(lanes);
            taken += rate(lanes) / 10;
            width.tick(now_ms, Sample { taken, waits, left: None });
        }
        (up.len() as u8 + 1, most)
    }

    fn far(left: Option<u64>) -> Width {
        let mut width = Width::new(None);
        width.accepted(0, 100, left);
        width
    }

    #[test]
    fn lanes_are_added_while_each_brings_more() {
        let mut width = far(None);
        assert_eq!(runs(&mut width, 3000, true, |lanes| u64::from(lanes) << 20), (16, 16));
        // Up to where it brings nothing more.
        let mut width = far(None);
        let (lanes, most) = runs(&mut width, 5000, true, |lanes| u64::from(lanes.min(4)) << 20);
        assert_eq!((lanes, most), (4, 8));
    }

    #[test]
    fn what_brings_nothing_is_tried_less_and_less_often() {
        let mut width = far(None);
        let trials = std::cell::Cell::new(0);
        runs(&mut width, 600_000, true, |lanes| {
            trials.set(trials.get() + u32::from(lanes > 1));
            5 << 20
        });
        // Each trial takes a second at most.
        assert!((5..200).contains(&trials.get()), "{}", trials.get());
    }

    #[test]
    fn a_large_transfer_to_far_away_begins_with_several() {
        for (left, lanes) in [(1 << 20, 1), (5 << 20, 4), (64 << 20, 8)] {
            let mut width = far(Some(left));
            let opened = std::iter::from_fn(|| width.poll()).count();
            assert_eq!(opened, lanes - 1, "{left}");
        }
        let mut near = Width::new(None);
        near.accepted(0, 3, Some(1 << 40));
        assert_eq!(near.poll(), None);
    }

    #[test]
    fn where_something_else_is_waited_for_or_the_line_is_slow_there_is_one() {
        assert_eq!(runs(&mut far(None), 20_000, false, |lanes| u64::from(lanes) << 20), (1, 1));
        assert_eq!(runs(&mut far(None), 20_000, true, |_| 125_000), (1, 1));
        assert_eq!(runs(&mut far(None), 20_000, true, |_| 800 << 20), (1, 1));
    }

    #[test]
    fn as_many_as_are_wanted_come_back_after_a_pause() {
        let mut width = Width::new(Some(3));
        width.accepted(0, 0, None);
        assert_eq!(
            [width.poll(), width.poll(), width.poll()],
            [Some(Step::Open(1)), Some(Step::Open(2)), None]
        );
        (1..=2).for_each(|lane| width.came(lane, 100));
        width.lost(2, false, 200);
        width.gone(2, 300);
        width.tick(400, Sample::default());
        assert_eq!(width.poll(), None, "not at once");
        width.tick(200 + AGAIN_MS, Sample::default());
        assert_eq!(width.poll(), Some(Step::Open(2)));
        // It does not come: longer.
        width.gone(2, 2000);
        width.tick(2000 + AGAIN_MS, Sample::default());
        assert_eq!(width.poll(), None);
        width.tick(2000 + 2 * AGAIN_MS, Sample::default());
        assert_eq!(width.poll(), Some(Step::Open(2)));
    }

    #[test]
    fn a_relay_that_refuses_is_left_alone_for_a_while() {
        let mut width = Width::new(Some(3));
        width.accepted(0, 0, None);
        while width.poll().is_some() {}
        width.lost(1, true, 100);
        (1..=2).for_each(|lane| width.gone(lane, 200));
        for now_ms in (200..100 + REFUSED_MS).step_by(100) {
            width.tick(now_ms, Sample::default());
            assert_eq!(width.poll(), None);
        }
        width.tick(100 + REFUSED_MS, Sample::default());
        assert!(width.poll().is_some());
    }

    #[test]
    fn nothing_is_asked_for_before_the_receiver_has_accepted() {
        for lanes in [None, Some(16)] {
            let mut width = Width::new(lanes);
            width.tick(0, Sample { taken: 0, waits: true, left: None });
            assert_eq!(width.poll(), None);
        }
    }
}

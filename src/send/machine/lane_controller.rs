//! How many lanes: one, and more while that makes the transfer faster.
//!
//! ```text
//! settle ──▶ measure ──▶ the network is not what is waited for: look again later
//!   ▲            │
//!   │            ├─ nothing to compare with, or faster than before: twice as many ─┐
//!   │            └─ no faster: back to what it was, and later try half as many ────┤
//!   └───────────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! What was changed settles when every lane that was asked for has come or failed, within bounds. Half as
//! many that are as fast stay; where they are not, it is twice as many that are tried next, each time later.
//!
//! A transfer that is large, to somebody far away, begins with several at once: to find out that it needs
//! them would take longer than many a transfer does.

use std::collections::VecDeque;

use crate::proto::limits::LANES_MAX;

/// Decides which lanes beside the first there are.
#[derive(Debug)]
pub struct LaneController {
    /// As many as a person wants, whatever they bring.
    is_fixed: bool,
    /// How many there should be, the first included.
    target: u8,
    /// Those beside the first.
    lanes: Vec<Stage>,
    consent: Consent,
    steps: VecDeque<Step>,
    phase: Phase,
    /// What there was before the last change: how many lanes, and what they brought, in bytes a second.
    before: Option<(u8, u64)>,
    /// What is tried next.
    way: Way,
    /// Consecutive measurements below `RATE_MIN`: the link itself is the bottleneck.
    slow: u8,
    /// No more goes out a second, over however many.
    limit: Option<u64>,
    rest_ms: u64,
    /// No lane is requested before this time (backoff after failures or a refusal).
    asks_at_ms: u64,
    failures: u32,
}

/// What is to be done about a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Ask for it.
    Open(u8),
    /// Look for it no longer.
    Stop(u8),
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
    Up {
        since_ms: u64,
        /// It has held long enough that it was no failure.
        has_held: bool,
    },
    Retiring,
    /// We have lost it or look for it no longer, and the receiver has yet to say what it took.
    Lost,
}

impl Stage {
    fn is_up(self) -> bool {
        matches!(self, Stage::Up { .. })
    }
}

/// What the receiver says to what is offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Consent {
    /// Nothing yet. Lanes that were asked for ahead of its answer are looked for until this time.
    Awaited {
        until_ms: Option<u64>,
    },
    /// Nothing, for so long that it is a person who thinks: nothing is done ahead any more.
    Late,
    Given,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    More,
    Fewer,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    /// What was changed has yet to show: until this time, and until all that were asked for have come, but no
    /// longer than until the latest.
    Settling {
        until_ms: u64,
        latest_ms: u64,
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

impl LaneController {
    /// `lanes`: exactly so many, or as many as help. `limit`: no more goes out, in bytes a second.
    #[must_use]
    pub fn new(lanes: Option<u8>, limit: Option<u64>) -> LaneController {
        let lanes = lanes.map(|lanes| lanes.clamp(1, LANES_MAX));
        LaneController {
            is_fixed: lanes.is_some(),
            target: lanes.unwrap_or(1),
            lanes: vec![Stage::Free; usize::from(LANES_MAX) - 1],
            consent: Consent::Awaited { until_ms: None },
            steps: VecDeque::new(),
            phase: Phase::Resting { until_ms: u64::MAX },
            before: None,
            way: Way::More,
            slow: 0,
            limit,
            rest_ms: REST_MIN_MS,
            asks_at_ms: 0,
            failures: 0,
        }
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<Step> {
        self.steps.pop_front()
    }

    /// So many bytes are offered by now. Where that is much, and the receiver at least `answer_ms` away, its
    /// answer takes as long as a lane takes to come: so lanes are asked for ahead of it. A machine answers at
    /// once; when a person is asked, they are let go of before long.
    pub fn offered(&mut self, now_ms: u64, answer_ms: u64, bytes: u64) {
        let Consent::Awaited { until_ms } = &mut self.consent else { return };
        let target = if self.is_fixed && answer_ms >= FAR_MS { self.target } else { begin(answer_ms, bytes) };
        if target > 1 && self.limit.is_none() {
            until_ms.get_or_insert(now_ms + AHEAD_MS.max(2 * answer_ms));
            self.target = target;
            self.fill(now_ms);
        }
    }

    /// The receiver has accepted. `answer_ms`: how long a word to it and its answer take, without what people
    /// think. `left`: what there is to send, as far as it is known.
    pub fn accepted(&mut self, now_ms: u64, answer_ms: u64, left: Option<u64>) {
        self.consent = Consent::Given;
        let is_far = answer_ms >= FAR_MS;
        if !self.is_fixed {
            // What one lane cannot do is seen before more are dialled for what nobody may use.
            let wanted = if self.limit.is_some() { 1 } else { begin(answer_ms, left.unwrap_or(0)) };
            self.target = self.target.max(wanted);
            // Where the answer is quick one connection does well, mostly.
            self.settle(now_ms, if is_far { SETTLE_MS } else { NEAR_MS });
        }
        self.fill(now_ms);
    }

    /// A lane has a connection.
    pub fn came(&mut self, lane: u8, now_ms: u64) {
        if let Some(stage) = self.stage(lane)
            && *stage == Stage::Asked
        {
            *stage = Stage::Up { since_ms: now_ms, has_held: false };
        }
        match &mut self.phase {
            Phase::Settling { until_ms, .. } => *until_ms = (*until_ms).max(now_ms + SETTLE_MS),
            // What is measured is not what it was any more.
            Phase::Measuring { .. } => self.settle(now_ms, SETTLE_MS),
            Phase::Resting { .. } => {}
        }
    }

    /// A lane has none any more, or got none; `is_refused`: the relay does not want it. The receiver has yet
    /// to say what it took.
    pub fn lost(&mut self, lane: u8, is_refused: bool, now_ms: u64) {
        self.ended(lane, Stage::Lost, now_ms);
        if is_refused {
            // We stay with what there is.
            self.asks_at_ms = self.asks_at_ms.max(now_ms + REFUSED_MS);
        }
    }

    /// The receiver has let go of a lane. One that was wanted, and ends without our having lost it, was lost
    /// by the other side.
    pub fn gone(&mut self, lane: u8, now_ms: u64) {
        self.ended(lane, Stage::Free, now_ms);
    }

    /// A lane has ended. One that was wanted no more, or has ended before, is no failure; and all that end in
    /// one pause are one: it is the network that failed, not each of them.
    fn ended(&mut self, lane: u8, stage: Stage, now_ms: u64) {
        let Some(was) = self.stage(lane).map(|was| std::mem::replace(was, stage)) else { return };
        let is_failure = was == Stage::Asked || was.is_up();
        if !is_failure || now_ms < self.asks_at_ms {
            return;
        }
        self.asks_at_ms = now_ms + (AGAIN_MS << self.failures.min(FAILURES_MAX));
        self.failures = self.failures.saturating_add(1);
    }

    /// To be called several times a second. `sample`: what the lanes do, while the first has a connection;
    /// without one nothing is asked for, but the time for an answer runs all the same: seats at the relay are
    /// kept for nobody who has gone.
    pub fn tick(&mut self, now_ms: u64, sample: Option<Sample>) {
        if let Consent::Awaited { until_ms: Some(until_ms) } = self.consent
            && now_ms >= until_ms
        {
            self.consent = Consent::Late;
            self.let_go_of_all();
        }
        let Some(sample) = sample.filter(|_| self.consent == Consent::Given) else { return };
        self.hold(now_ms);
        if !self.is_fixed {
            self.judge(now_ms, sample);
        }
        self.fill(now_ms);
    }

    /// A lane that has held was no failure, so the next one is the first. Each says so once: those that hold
    /// shall not excuse one that never does.
    fn hold(&mut self, now_ms: u64) {
        for stage in &mut self.lanes {
            if let Stage::Up { since_ms, has_held } = stage
                && !*has_held
                && now_ms >= *since_ms + HELD_MS
            {
                *has_held = true;
                self.failures = 0;
            }
        }
    }

    fn judge(&mut self, now_ms: u64, sample: Sample) {
        let Sample { taken, waits, left } = sample;
        let measuring = Phase::Measuring { since_ms: now_ms, taken, samples: 0, waits: 0 };
        match &mut self.phase {
            Phase::Settling { until_ms, latest_ms } => {
                let is_settled = now_ms >= *until_ms && !self.lanes.contains(&Stage::Asked);
                if is_settled || now_ms >= *latest_ms {
                    self.phase = measuring;
                }
            }
            Phase::Resting { until_ms } => {
                if now_ms >= *until_ms {
                    self.phase = measuring;
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
                self.decide(now_ms, rate, is_waited_for, left);
            }
        }
    }

    /// What follows from what the lanes brought.
    fn decide(&mut self, now_ms: u64, rate: u64, is_waited_for: bool, left: Option<u64>) {
        let takes = |ms: u64| left.is_none_or(|left| left > rate.saturating_mul(ms) / 1000);
        let pays = is_waited_for && takes(PAYS_MS);
        let before = self.before.take();
        if let Some((lanes, then)) = before {
            let (is_good, other) = match self.way {
                Way::More => (rate >= then.saturating_add(then / GAIN), Way::Fewer),
                Way::Fewer => (rate >= then - then / LOSS, Way::More),
            };
            if !is_good {
                if pays {
                    self.target = lanes;
                    self.trim();
                    self.way = if lanes > 1 { other } else { Way::More };
                }
                return self.rest(now_ms);
            }
            self.rest_ms = REST_MIN_MS;
        }
        self.slow = if is_waited_for && rate < RATE_MIN { self.slow.saturating_add(1) } else { 0 };
        if self.slow >= SLOW_MANY {
            self.target = 1;
            self.trim();
        }
        if self.target == 1 && self.way == Way::Fewer {
            self.way = Way::More;
            return self.rest(now_ms);
        }
        let is_most = self.target >= LANES_MAX || !self.may_be_faster(rate);
        if self.way == Way::More && is_most && self.target > 1 && pays {
            self.way = Way::Fewer;
            return self.rest(now_ms);
        }
        let is_due = match self.way {
            Way::More => pays && !is_most && rate >= RATE_MIN && now_ms >= self.asks_at_ms,
            Way::Fewer => is_waited_for && takes(PAYS_FEWER_MS),
        };
        if is_due && self.is_complete() {
            self.before = Some((self.target, rate));
            self.target = match self.way {
                Way::More => self.target.saturating_mul(2).min(LANES_MAX),
                Way::Fewer => self.target / 2,
            };
            self.trim();
            self.settle(now_ms, SETTLE_MS);
        } else {
            self.phase = Phase::Resting { until_ms: now_ms + LOOK_MS };
        }
    }

    /// Whether more lanes than bring so much may bring more.
    fn may_be_faster(&self, rate: u64) -> bool {
        rate < RATE_MAX && self.limit.is_none_or(|limit| rate < limit - limit / LOSS)
    }

    fn settle(&mut self, now_ms: u64, ms: u64) {
        self.phase = Phase::Settling { until_ms: now_ms + ms, latest_ms: now_ms + ms.max(ARRIVE_MS) };
    }

    fn rest(&mut self, now_ms: u64) {
        self.phase = Phase::Resting { until_ms: now_ms + self.rest_ms };
        self.rest_ms = (self.rest_ms * 2).min(REST_MAX_MS);
    }

    /// Whether all that are wanted are there.
    fn is_complete(&self) -> bool {
        self.count(Stage::is_up) >= usize::from(self.target) - 1
    }

    fn count(&self, is: impl Fn(Stage) -> bool) -> usize {
        self.lanes.iter().filter(|stage| is(**stage)).count()
    }

    /// How many are wanted beside the first, and there or asked for.
    fn there(&self) -> usize {
        self.count(|stage| stage == Stage::Asked || stage.is_up())
    }

    /// Asks for what is missing.
    fn fill(&mut self, now_ms: u64) {
        if now_ms < self.asks_at_ms {
            return;
        }
        let missing = (usize::from(self.target) - 1).saturating_sub(self.there());
        let free = (1..LANES_MAX).zip(&mut self.lanes).filter(|(_, stage)| **stage == Stage::Free);
        for (lane, stage) in free.take(missing) {
            *stage = Stage::Asked;
            self.steps.push_back(Step::Open(lane));
        }
    }

    /// None beside the first, for now.
    fn let_go_of_all(&mut self) {
        let target = std::mem::replace(&mut self.target, 1);
        self.trim();
        if self.is_fixed {
            self.target = target;
        }
    }

    /// Lets go of what is too much: first of what is still looked for.
    fn trim(&mut self) {
        let many = (self.there() + 1).saturating_sub(usize::from(self.target));
        let (asked, up): (Vec<_>, Vec<_>) = (1..LANES_MAX)
            .zip(&mut self.lanes)
            .rev()
            .filter(|(_, stage)| **stage == Stage::Asked || stage.is_up())
            .partition(|(_, stage)| **stage == Stage::Asked);
        for (lane, stage) in asked.into_iter().chain(up).take(many) {
            let (next, step) = match *stage {
                Stage::Asked => (Stage::Lost, Step::Stop(lane)),
                _ => (Stage::Retiring, Step::Retire(lane)),
            };
            *stage = next;
            self.steps.push_back(step);
        }
    }

    fn stage(&mut self, lane: u8) -> Option<&mut Stage> {
        usize::from(lane).checked_sub(1).and_then(|at| self.lanes.get_mut(at))
    }
}

/// With how many lanes a transfer of so many bytes begins, to somebody so far away.
fn begin(answer_ms: u64, bytes: u64) -> u8 {
    match bytes {
        _ if answer_ms < FAR_MS => 1,
        LARGE_BYTES.. => BEGIN_LARGE,
        MEDIUM_BYTES.. => BEGIN_MEDIUM,
        _ => 1,
    }
}

/// Who answers later than this is far away.
const FAR_MS: u64 = 20;

/// What one lane does well enough is not worth the dialling; what is large enough begins with several.
const MEDIUM_BYTES: u64 = 4 << 20;
const LARGE_BYTES: u64 = 32 << 20;
const BEGIN_MEDIUM: u8 = 4;
const BEGIN_LARGE: u8 = 8;

/// How long a machine takes to answer at most, if it does not take longer to reach: its answer is looked at
/// again after that. And so long only do seats at the relay wait for a person.
const AHEAD_MS: u64 = 1000;

/// How long what was changed takes to show: a few round trips in which a new connection finds its pace.
const SETTLE_MS: u64 = 300;

/// How long a connection may take to come before what the others bring is measured without it: several round
/// trips of the longest, with TLS.
const ARRIVE_MS: u64 = 3000;

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

/// Fewer lanes may cost an eighth, and a rate that is short of the limit by so much is held by it.
const LOSS: u64 = 8;

/// Below `RATE_MIN` the link is the bottleneck, above `RATE_MAX` the CPU: more lanes help in neither case. In
/// bytes a second.
const RATE_MIN: u64 = 192 << 10;
const RATE_MAX: u64 = 100 << 20;

/// As often in a row a line must be slow to be a slow one: any may stand still for a moment.
const SLOW_MANY: u8 = 3;

/// More lanes are not worth it for what is left in so long.
const PAYS_MS: u64 = 1000;

/// Nor is it worth to find out whether fewer do: a trial that was wrong costs more than lanes that are not
/// needed.
const PAYS_FEWER_MS: u64 = 10_000;

/// When to ask again for a lane that was lost, or not to be had; longer every time.
const AGAIN_MS: u64 = 1000;

/// A connection that holds for so long was one; as for the first lane.
const HELD_MS: u64 = 5000;

/// Doublings of that pause: to about a minute.
const FAILURES_MAX: u32 = 6;

/// How long a relay that refused is left alone.
const REFUSED_MS: u64 = 30_000;

#[cfg(test)]
mod tests;

//! What is gathered for the next frames: many small statements share one.

use super::Receiver;
use crate::proto::frame::{Control, Failure, Get, Outcome, Verdict};
use crate::proto::limits::{CONTROL_BYTES_TARGET, LIST_MAX};

/// What is to be said, and was not yet. Each list goes out by itself when it is full, and all of them when
/// nothing else is at hand.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    verdicts: Vec<Verdict>,
    gets: Vec<Get>,
    // What the gets take of a list.
    gets_runs: usize,
    outcomes: Vec<(u64, Option<Failure>)>,
    // What the outcomes take of a frame.
    outcome_bytes: usize,
}

impl Gathered {
    /// Adds a verdict. Returns whether there are as many now as a frame takes.
    pub(super) fn verdict(&mut self, verdict: Verdict) -> bool {
        self.verdicts.push(verdict);
        self.verdicts.len() >= LIST_MAX
    }

    /// Whether one more get goes into the same frame.
    pub(super) fn has_room_for(&self, get: &Get) -> bool {
        self.gets_runs + runs(get) <= LIST_MAX
    }

    /// Adds a get.
    pub(super) fn get(&mut self, get: Get) {
        self.gets_runs += runs(&get);
        self.gets.push(get);
    }

    /// Adds an outcome. Returns whether there are as many now as a frame takes.
    pub(super) fn outcome(&mut self, entry: u64, failure: Option<Failure>) -> bool {
        self.outcome_bytes += OUTCOME_BYTES + failure.as_ref().map_or(0, |failure| failure.text.len());
        self.outcomes.push((entry, failure));
        self.outcome_bytes >= CONTROL_BYTES_TARGET || self.outcomes.len() >= LIST_MAX
    }
}

impl Receiver {
    /// Says what is wanted of items, in their order.
    pub(super) fn say_plan(&mut self) {
        let verdicts = std::mem::take(&mut self.gathered.verdicts);
        if !verdicts.is_empty() {
            self.say(Control::Plan(verdicts));
        }
    }

    /// What is wanted follows the plans of its items.
    pub(super) fn say_gets(&mut self) {
        let gets = std::mem::take(&mut self.gathered.gets);
        self.gathered.gets_runs = 0;
        if !gets.is_empty() {
            self.say_plan();
            self.say(Control::Get(gets));
        }
    }

    /// Outcomes follow the plans of their items, and what was wanted of them.
    pub(super) fn say_outcomes(&mut self) {
        let outcomes = std::mem::take(&mut self.gathered.outcomes);
        self.gathered.outcome_bytes = 0;
        if outcomes.is_empty() {
            return;
        }
        self.say_plan();
        self.say_gets();
        let wire = outcomes
            .iter()
            .map(|(entry, failure)| Outcome {
                entry: *entry,
                failure: failure.as_ref().map(Failure::as_wire),
            })
            .collect();
        self.say(Control::Outcomes(wire));
    }
}

/// What a get takes of a list, itself included.
fn runs(get: &Get) -> usize {
    1 + get.send.len() + get.compare.len()
}

/// What an outcome takes in a frame, in bytes, beside its text.
const OUTCOME_BYTES: usize = 12;

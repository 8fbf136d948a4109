//! Questions about what stands already where something should be.

use std::collections::VecDeque;

use super::Effect;
use crate::events::{Conflict, Decision, Resolution};
use crate::receive::sink::Job;

/// The conflicts that are not decided. The person is asked about one after the other, unless one answer was
/// for all.
#[derive(Debug, Default)]
pub(super) struct Conflicts {
    // The first of them was asked about.
    waiting: VecDeque<(u64, Conflict)>,
    for_all: Option<Resolution>,
}

impl Conflicts {
    /// Something stands in the place of an entry. Returns what is to be done about it now.
    pub(super) fn arose(&mut self, entry: u64, conflict: Conflict) -> Option<Effect> {
        if let Some(resolution) = self.for_all {
            return Some(Effect::Job(Job::Decide { entry, resolution }));
        }
        let ask = self.waiting.is_empty().then(|| Effect::Decide(conflict.clone()));
        self.waiting.push_back((entry, conflict));
        ask
    }

    /// The person's answer about the conflict that was asked last. Returns what follows: the answer for the
    /// sink, and the next question.
    pub(super) fn decided(&mut self, decision: Decision) -> Vec<Effect> {
        let Decision { resolution, for_all } = decision;
        if self.waiting.is_empty() {
            return Vec::new();
        }
        self.for_all = for_all.then_some(resolution);
        let count = if for_all { self.waiting.len() } else { 1 };
        let decided = self.waiting.drain(..count);
        let mut effects: Vec<_> =
            decided.map(|(entry, _)| Effect::Job(Job::Decide { entry, resolution })).collect();
        effects.extend(self.waiting.front().map(|(_, next)| Effect::Decide(next.clone())));
        effects
    }
}

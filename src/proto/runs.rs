//! Sets of chunks, as runs of neighbours: what is held of a file, what is missing, what is asked for.
//!
//! The number of runs is what such a set takes, not the number of chunks. What comes from the other side or
//! from a journal is bounded by [`RUNS_MAX`](super::limits::RUNS_MAX) where it is taken.

use super::chunk::ChunkSize;
use super::frame::Run;

/// A set of chunks of one file. Runs are in order and never touch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Runs(Vec<Run>);

impl Run {
    /// The chunk after the last of them. Saturates: such a run is refused by [`Runs::checked`].
    #[must_use]
    pub fn end(&self) -> u64 {
        self.first.saturating_add(self.count)
    }

    /// How many bytes these chunks are of a file of `size` bytes.
    #[must_use]
    pub fn bytes(&self, size: u64, chunk: ChunkSize) -> u64 {
        let offset = |chunks: u64| chunks.saturating_mul(u64::from(chunk.bytes())).min(size);
        offset(self.end()) - offset(self.first)
    }
}

impl Runs {
    /// None.
    #[must_use]
    pub fn new() -> Runs {
        Runs::default()
    }

    /// The first `count` chunks.
    #[must_use]
    pub fn all(count: u64) -> Runs {
        Runs(if count == 0 { Vec::new() } else { vec![Run { first: 0, count }] })
    }

    /// Takes over runs that somebody else wrote. `None` unless they are in order, none is empty, none touch
    /// or overlap, and all lie below `end`.
    #[must_use]
    pub fn checked(runs: Vec<Run>, end: u64) -> Option<Runs> {
        let mut free_from = 0;
        for (at, run) in runs.iter().enumerate() {
            let touches = at > 0 && run.first <= free_from;
            if run.count == 0 || touches || run.first.checked_add(run.count).is_none_or(|last| last > end) {
                return None;
            }
            free_from = run.end();
        }
        Some(Runs(runs))
    }

    /// The runs.
    #[must_use]
    pub fn as_slice(&self) -> &[Run] {
        &self.0
    }

    /// The runs.
    #[must_use]
    pub fn into_vec(self) -> Vec<Run> {
        self.0
    }

    /// How many runs.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no chunk in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many chunks.
    #[must_use]
    pub fn chunks(&self) -> u64 {
        self.0.iter().map(|run| run.count).sum()
    }

    /// How many bytes these chunks are of a file of `size` bytes.
    #[must_use]
    pub fn bytes(&self, size: u64, chunk: ChunkSize) -> u64 {
        self.0.iter().map(|run| run.bytes(size, chunk)).sum()
    }

    /// The chunks, one by one, in order.
    pub fn iter(&self) -> impl Iterator<Item = u64> + '_ {
        self.0.iter().flat_map(|run| run.first..run.end())
    }

    /// Whether a chunk is in it.
    #[must_use]
    pub fn contains(&self, chunk: u64) -> bool {
        let at = self.0.partition_point(|run| run.end() <= chunk);
        self.0.get(at).is_some_and(|run| run.first <= chunk)
    }

    /// Adds a chunk.
    pub fn insert(&mut self, chunk: u64) {
        let at = self.0.partition_point(|run| run.end() < chunk);
        // The first run that ends at this chunk or behind it.
        match self.0.get_mut(at) {
            Some(run) if run.first <= chunk && chunk < run.end() => {}
            Some(run) if run.end() == chunk => {
                run.count += 1;
                let end = run.end();
                if let Some(next) = self.0.get(at + 1).copied().filter(|next| next.first == end) {
                    self.0[at].count += next.count;
                    self.0.remove(at + 1);
                }
            }
            Some(run) if chunk.checked_add(1) == Some(run.first) => {
                run.first = chunk;
                run.count += 1;
            }
            _ => self.0.insert(at, Run { first: chunk, count: 1 }),
        }
    }

    /// Takes a chunk out.
    pub fn remove(&mut self, chunk: u64) {
        let at = self.0.partition_point(|run| run.end() <= chunk);
        let Some(run) = self.0.get_mut(at).filter(|run| run.first <= chunk) else { return };
        let after = Run { first: chunk + 1, count: run.end() - chunk - 1 };
        run.count = chunk - run.first;
        let is_empty = run.count == 0;
        if after.count > 0 {
            self.0.insert(at + 1, after);
        }
        if is_empty {
            self.0.remove(at);
        }
    }

    /// What is missing below `end`.
    #[must_use]
    pub fn missing(&self, end: u64) -> Runs {
        let mut missing = Vec::new();
        let mut from = 0;
        for run in &self.0 {
            if run.first >= end {
                break;
            }
            if run.first > from {
                missing.push(Run { first: from, count: run.first - from });
            }
            from = run.end();
        }
        if from < end {
            missing.push(Run { first: from, count: end - from });
        }
        Runs(missing)
    }

    /// Both together; `None` if they have a chunk in common.
    #[must_use]
    pub fn union(&self, other: &Runs) -> Option<Runs> {
        let mut both: Vec<Run> = self.0.iter().chain(&other.0).copied().collect();
        both.sort_unstable_by_key(|run| run.first);
        let mut union: Vec<Run> = Vec::with_capacity(both.len());
        for run in both {
            match union.last_mut() {
                Some(last) if run.first < last.end() => return None,
                Some(last) if run.first == last.end() => last.count += run.count,
                _ => union.push(run),
            }
        }
        Some(Runs(union))
    }

    /// Keeps the chunks below `end` only.
    pub fn cut(&mut self, end: u64) {
        self.0.retain(|run| run.first < end);
        if let Some(last) = self.0.last_mut() {
            last.count = last.count.min(end - last.first);
        }
    }

    /// Keeps the first `count` runs only.
    pub fn truncate(&mut self, count: usize) {
        self.0.truncate(count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        /// Against a plain set.
        #[test]
        fn it_agrees_with_a_set(steps in proptest::collection::vec((any::<bool>(), 0u64..24), 0..80), end in 0u64..30) {
            let mut runs = Runs::new();
            let mut set = BTreeSet::new();
            for (add, chunk) in steps {
                if add {
                    runs.insert(chunk);
                    set.insert(chunk);
                } else {
                    runs.remove(chunk);
                    set.remove(&chunk);
                }
                prop_assert_eq!(runs.iter().collect::<BTreeSet<_>>(), set.clone());
                prop_assert_eq!(runs.chunks(), set.len() as u64);
                prop_assert_eq!(runs.contains(chunk), add);
                prop_assert_eq!(Runs::checked(runs.as_slice().to_vec(), 24), Some(runs.clone()));
            }
            prop_assert_eq!(runs.union(&runs.missing(30)), Some(Runs::all(30)));
            prop_assert_eq!(runs.union(&runs).is_none(), !runs.is_empty());
            let missing: Vec<u64> = (0..end).filter(|chunk| !set.contains(chunk)).collect();
            prop_assert_eq!(runs.missing(end).iter().collect::<Vec<_>>(), missing);
            runs.cut(end);
            prop_assert_eq!(runs.iter().collect::<Vec<_>>(), set.range(..end).copied().collect::<Vec<_>>());
        }
    }

    #[test]
    fn runs_of_somebody_else_are_checked() {
        let run = |first, count| Run { first, count };
        assert_eq!(Runs::checked(vec![run(0, 2), run(3, 1)], 4).map(|runs| runs.chunks()), Some(3));
        for bad in [
            vec![run(0, 0)],
            vec![run(0, 5)],
            vec![run(0, 2), run(2, 1)],
            vec![run(2, 1), run(0, 1)],
            vec![run(1, u64::MAX)],
            vec![run(u64::MAX, 1)],
        ] {
            assert_eq!(Runs::checked(bad.clone(), 4), None, "{bad:?}");
        }
        assert_eq!(Runs::checked(Vec::new(), 0), Some(Runs::new()));
    }
}

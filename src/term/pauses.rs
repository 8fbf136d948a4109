//! How long a transfer stood still for the sake of a person.

use std::time::Duration;

/// Counts the time in which a question was open and nothing moved. Pure: the time comes in as an argument.
#[derive(Clone, Debug, Default)]
pub struct Pauses {
    /// While a question is open: until when it is counted, and how many bytes were done then.
    open: Option<(Duration, u64)>,
    total: Duration,
}

impl Pauses {
    /// A question is put at `now` (a time since any fixed start), with `bytes_done` done.
    pub fn begin(&mut self, now: Duration, bytes_done: u64) {
        self.open = Some((now, bytes_done));
    }

    /// Notes that `bytes_done` are done at `now`. What else moves meanwhile goes on.
    pub fn observe(&mut self, now: Duration, bytes_done: u64) {
        let Some((then, before)) = self.open else { return };
        if bytes_done == before {
            self.total = self.total.saturating_add(now.saturating_sub(then));
        }
        self.open = Some((now, bytes_done));
    }

    /// The question is answered, or given up.
    pub fn end(&mut self, now: Duration, bytes_done: u64) {
        self.observe(now, bytes_done);
        self.open = None;
    }

    /// All of it so far.
    #[must_use]
    pub fn total(&self) -> Duration {
        self.total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_still_while_a_question_is_open_counts() {
        let second = Duration::from_secs;
        let mut pauses = Pauses::default();
        pauses.observe(second(5), 10);
        pauses.begin(second(10), 10);
        pauses.observe(second(12), 10);
        pauses.observe(second(13), 20);
        pauses.end(second(17), 20);
        pauses.observe(second(30), 20);
        assert_eq!(pauses.total(), second(6));
    }
}

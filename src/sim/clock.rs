//! The virtual clock: what happens next, whoever it happens to. Waiting costs nothing.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// A clock and what is due on it. What is due at the same millisecond happens in the order it was put down.
#[derive(Debug)]
pub struct Clock<E> {
    now_ms: u64,
    due: BinaryHeap<Reverse<Due<E>>>,
    count: u64,
}

#[derive(Debug)]
struct Due<E> {
    at_ms: u64,
    count: u64,
    what: E,
}

impl<E> Clock<E> {
    /// A clock at the beginning of time, with nothing to do.
    pub fn new() -> Clock<E> {
        Clock { now_ms: 0, due: BinaryHeap::new(), count: 0 }
    }

    /// Milliseconds since the beginning.
    pub fn now_ms(&self) -> u64 {
        self.now_ms
    }

    /// Lets something happen at a time, or right away where that has passed.
    pub fn at(&mut self, at_ms: u64, what: E) {
        self.count += 1;
        let due = Due { at_ms: at_ms.max(self.now_ms), count: self.count, what };
        self.due.push(Reverse(due));
    }

    /// Lets something happen in a while.
    pub fn after(&mut self, delay_ms: u64, what: E) {
        self.at(self.now_ms.saturating_add(delay_ms), what);
    }

    /// Goes to what happens next.
    pub fn pop(&mut self) -> Option<E> {
        let Reverse(due) = self.due.pop()?;
        self.now_ms = due.at_ms;
        Some(due.what)
    }
}

impl<E> PartialEq for Due<E> {
    fn eq(&self, other: &Due<E>) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<E> Eq for Due<E> {}

impl<E> PartialOrd for Due<E> {
    fn partial_cmp(&self, other: &Due<E>) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> Ord for Due<E> {
    fn cmp(&self, other: &Due<E>) -> std::cmp::Ordering {
        (self.at_ms, self.count).cmp(&(other.at_ms, other.count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_first_comes_first_and_equals_keep_their_order() {
        let mut clock = Clock::new();
        clock.after(5, "c");
        clock.after(1, "a");
        clock.after(1, "b");
        assert_eq!((clock.pop(), clock.pop(), clock.now_ms()), (Some("a"), Some("b"), 1));
        clock.at(0, "late");
        assert_eq!((clock.pop(), clock.now_ms()), (Some("late"), 1));
        assert_eq!((clock.pop(), clock.pop(), clock.now_ms()), (Some("c"), None, 5));
    }
}

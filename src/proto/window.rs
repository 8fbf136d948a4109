//! The window of open items: what both sides remember of the manifest, bounded whatever its length.
//!
//! Items enter in order at the back. An item whose outcome is known waits until everything before it has its
//! outcome too, then leaves at the front. The sender adds nothing to a full window, the receiver refuses a
//! sender that does; because the sender learns every outcome after the receiver, an honest sender never
//! overfills the receiver's.

use std::collections::VecDeque;

use super::limits::{ITEM_BYTES_OPEN_MAX, ITEMS_OPEN_MAX};

/// Items by their number in the manifest, with what each side keeps of them.
#[derive(Debug)]
pub struct Window<T> {
    slots: VecDeque<Slot<T>>,
    first: u64,
    bytes: usize,
}

#[derive(Debug)]
struct Slot<T> {
    cost: usize,
    // `None` once resolved.
    kept: Option<T>,
}

/// Where an item stands.
#[derive(Debug, PartialEq, Eq)]
pub enum Standing<T> {
    /// Its outcome is not known.
    Open(T),
    /// Its outcome is known.
    Resolved,
    /// It was never in the manifest so far.
    Unknown,
}

impl<T> Window<T> {
    /// Nothing offered yet.
    #[must_use]
    pub fn new() -> Window<T> {
        Window { slots: VecDeque::new(), first: 0, bytes: 0 }
    }

    /// Whether another item may enter, whatever its size.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.slots.len() < ITEMS_OPEN_MAX && self.bytes < ITEM_BYTES_OPEN_MAX
    }

    /// Adds the next item. It gets the number [`Window::next_id`]. Returns false, and adds nothing, when the
    /// window is full.
    #[must_use]
    pub fn push(&mut self, cost: usize, kept: T) -> bool {
        let has_room = self.has_room();
        if has_room {
            self.bytes += cost;
            self.slots.push_back(Slot { cost, kept: Some(kept) });
        }
        has_room
    }

    /// The number of the next item.
    #[must_use]
    pub fn next_id(&self) -> u64 {
        self.first + self.slots.len() as u64
    }

    /// Whether every item has its outcome.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Looks an item up.
    pub fn get(&mut self, id: u64) -> Standing<&mut T> {
        if id < self.first {
            return Standing::Resolved;
        }
        let slot = usize::try_from(id - self.first).ok().and_then(|at| self.slots.get_mut(at));
        match slot {
            None => Standing::Unknown,
            Some(Slot { kept: None, .. }) => Standing::Resolved,
            Some(Slot { kept: Some(kept), .. }) => Standing::Open(kept),
        }
    }

    /// Takes an item out once its outcome is known.
    pub fn resolve(&mut self, id: u64) -> Standing<T> {
        if id < self.first {
            return Standing::Resolved;
        }
        let slot = usize::try_from(id - self.first).ok().and_then(|at| self.slots.get_mut(at));
        let standing = match slot {
            None => return Standing::Unknown,
            Some(slot) => slot.kept.take().map_or(Standing::Resolved, Standing::Open),
        };
        while self.slots.front().is_some_and(|slot| slot.kept.is_none()) {
            self.bytes -= self.slots.pop_front().map_or(0, |slot| slot.cost);
            self.first += 1;
        }
        standing
    }
}

impl<T> Default for Window<T> {
    fn default() -> Self {
        Window::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_full_window_takes_no_more_until_its_front_is_resolved() {
        let mut window = Window::new();
        while window.push(40, ()) {}
        assert_eq!(window.next_id(), ITEMS_OPEN_MAX as u64);
        assert_eq!(window.resolve(5), Standing::Open(()));
        assert!(!window.has_room());
        assert_eq!(window.resolve(0), Standing::Open(()));
        assert!(window.push(40, ()) && !window.push(40, ()));
        assert_eq!(window.resolve(0), Standing::Resolved);
        assert_eq!(window.resolve(5), Standing::Resolved);
        assert_eq!(window.resolve(u64::MAX), Standing::Unknown);
    }

    #[test]
    fn long_names_fill_it_too() {
        let mut window = Window::new();
        let mut count = 0;
        while window.push(8000, ()) {
            count += 1;
        }
        assert_eq!(count, ITEM_BYTES_OPEN_MAX / 8000 + 1);
    }

    proptest! {
        /// Against a plain set: an item is open exactly from its entry to its outcome.
        #[test]
        fn it_agrees_with_a_set(steps in proptest::collection::vec((any::<bool>(), 0u64..40), 0..200)) {
            let mut window = Window::new();
            let mut open = std::collections::BTreeSet::new();
            let mut next = 0;
            for (push, id) in steps {
                if push {
                    prop_assert_eq!(window.next_id(), next);
                    prop_assert!(window.push(1, next));
                    open.insert(next);
                    next += 1;
                } else {
                    let expected = if id >= next { Standing::Unknown }
                        else if open.remove(&id) { Standing::Open(id) } else { Standing::Resolved };
                    prop_assert_eq!(window.resolve(id), expected);
                }
                prop_assert_eq!(window.is_empty(), open.is_empty());
                prop_assert_eq!(window.bytes, (next - open.first().copied().unwrap_or(next)) as usize);
            }
        }
    }
}

//! What the receiver wants to be read: on its way from the session's thread to the reader's.
//!
//! A wish that the receiver has given up leaves the queue at once, so there are never more of them than open items, however slowly they
//! are read; and the one that is being read is read no further.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use smol::channel::Sender as Queue;

use super::source::{Fetch, Listener, SourceEvent};
use crate::proto::limits::PAYLOAD_BYTES_MAX;

/// The session's end of the queue. Once it is dropped nothing more is read.
pub(super) struct Wishes(Arc<Shared>);

/// The reader's end of it, and the way back.
pub(super) struct Reading {
    shared: Arc<Shared>,
    said: Queue<Vec<SourceEvent>>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    // How large the blocks should be; 0 while nobody has said.
    block_bytes: AtomicUsize,
}

#[derive(Default)]
struct State {
    // In the order they came, and where each item's is: of one item there is one at a time.
    waiting: BTreeMap<u64, Fetch>,
    places: HashMap<u64, u64>,
    count: u64,
    // What is being read, while it is still wanted.
    current: Option<u64>,
    is_over: bool,
}

impl Wishes {
    /// Both ends of an empty queue. What is read is said to `said`.
    pub(super) fn new(said: Queue<Vec<SourceEvent>>) -> (Wishes, Reading) {
        let shared = Arc::new(Shared::default());
        (Wishes(Arc::clone(&shared)), Reading { shared, said })
    }

    /// Wants what is read from now on in blocks of this payload at most.
    pub(super) fn in_blocks_of(&self, bytes: usize) {
        self.0.block_bytes.store(bytes, Ordering::Relaxed);
    }

    /// Wants these to be read. All at once, so that the reader is woken once.
    pub(super) fn wish(&self, fetches: impl IntoIterator<Item = Fetch>) {
        let mut state = self.0.lock();
        for fetch in fetches {
            let at = state.count;
            state.count += 1;
            state.places.insert(fetch.entry, at);
            state.waiting.insert(at, fetch);
        }
        drop(state);
        self.0.changed.notify_one();
    }

    /// Wants it no more.
    pub(super) fn give_up(&self, entry: u64) {
        let mut state = self.0.lock();
        if state.current == Some(entry) {
            state.current = None;
        }
        if let Some(at) = state.places.remove(&entry) {
            state.waiting.remove(&at);
        }
    }
}

impl Drop for Wishes {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        *state = State { is_over: true, ..State::default() };
        self.0.changed.notify_one();
    }
}

impl Reading {
    /// The next wish, if one is at hand.
    pub(super) fn try_next(&mut self) -> Option<Fetch> {
        self.shared.lock().take()
    }

    /// The next wish, whenever it comes; `None` when none will any more.
    pub(super) fn next(&mut self) -> Option<Fetch> {
        let mut state = self.shared.lock();
        loop {
            match state.take() {
                None if state.is_over => return None,
                None => {
                    state = self.shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
                fetch => return fetch,
            }
        }
    }
}

impl Listener for Reading {
    fn hear(&mut self, event: SourceEvent) -> ControlFlow<()> {
        self.hear_all(vec![event])
    }

    fn hear_all(&mut self, events: Vec<SourceEvent>) -> ControlFlow<()> {
        match self.said.send_blocking(events) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    }

    fn is_hungry(&self) -> bool {
        !self.said.is_full()
    }

    fn block_bytes(&self) -> usize {
        match self.shared.block_bytes.load(Ordering::Relaxed) {
            0 => PAYLOAD_BYTES_MAX,
            bytes => bytes,
        }
    }

    fn wants(&self, entry: u64) -> bool {
        self.shared.lock().current == Some(entry)
    }
}

impl Shared {
    /// Nothing that is done under this lock can leave it half done.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn take(&mut self) -> Option<Fetch> {
        let (_, fetch) = self.waiting.pop_first()?;
        self.places.remove(&fetch.entry);
        self.current = Some(fetch.entry);
        Some(fetch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::manifest::Meta;
    use crate::proto::path::RelPath;
    use crate::send::source::What;

    fn fetch(entry: u64) -> Fetch {
        Fetch { entry, path: RelPath::root(), size: None, meta: Meta::default(), what: What::All }
    }

    #[test]
    fn what_is_given_up_is_not_read_or_no_further() {
        let (said, _heard) = smol::channel::bounded(1);
        let (wishes, mut reading) = Wishes::new(said);
        wishes.wish((0..4).map(fetch));
        wishes.give_up(1);
        let next = |reading: &mut Reading| reading.try_next().map(|fetch| fetch.entry);
        assert_eq!(next(&mut reading), Some(0));
        assert!(reading.wants(0));
        assert_eq!(next(&mut reading), Some(2));
        wishes.give_up(0);
        assert!(reading.wants(2));
        wishes.give_up(2);
        assert!(!reading.wants(2));
        assert_eq!(next(&mut reading), Some(3));
        assert_eq!(next(&mut reading), None);
        let state = reading.shared.lock();
        assert!(state.waiting.is_empty() && state.places.is_empty());
    }

    #[test]
    fn the_end_of_the_session_ends_the_reading() {
        let (said, _heard) = smol::channel::bounded(1);
        let (wishes, mut reading) = Wishes::new(said);
        wishes.wish([fetch(0)]);
        let reader = std::thread::spawn(move || {
            assert!(reading.next().is_some());
            assert!(reading.next().is_none());
            assert!(!reading.wants(0));
        });
        // Whether the reader waits already or comes later, it ends: but only after the one that it was to read.
        while !wishes.0.lock().waiting.is_empty() {
            std::thread::yield_now();
        }
        drop(wishes);
        reader.join().unwrap();
    }
}

//! What the receiver wants to be read: on its way from the session's thread to the reader's.
//!
//! What the receiver has given up leaves the queue at once, so there is never more in it than open items,
//! however slowly they are read; and what is being read is read no further.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::packing::Unpacked;
use super::source::{Fetch, Listener, SourceEvent};
use crate::proto::limits::PAYLOAD_BYTES_MAX;

/// The session's end of the queue. Once it is dropped nothing more is read.
pub(super) struct FetchQueue(Arc<Shared>);

/// The reader's end of it, and the way back.
pub(super) struct FetchFeed {
    shared: Arc<Shared>,
    said: Unpacked,
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

impl FetchQueue {
    /// Both ends of an empty queue. What is read is said to `said`.
    pub(super) fn new(said: Unpacked) -> (FetchQueue, FetchFeed) {
        let shared = Arc::new(Shared::default());
        (FetchQueue(Arc::clone(&shared)), FetchFeed { shared, said })
    }

    /// Wants what is read from now on in blocks of this payload at most.
    pub(super) fn in_blocks_of(&self, bytes: usize) {
        self.0.block_bytes.store(bytes, Ordering::Relaxed);
    }

    /// Wants these to be read. All at once, so that the reader is woken once.
    pub(super) fn push(&self, fetches: impl IntoIterator<Item = Fetch>) {
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

impl Drop for FetchQueue {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        *state = State { is_over: true, ..State::default() };
        self.0.changed.notify_one();
    }
}

impl FetchFeed {
    /// The next fetch, if one is at hand.
    pub(super) fn try_next(&mut self) -> Option<Fetch> {
        self.shared.lock().take()
    }

    /// The next fetch, whenever it comes; `None` when none will any more.
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

impl Listener for FetchFeed {
    fn hear(&mut self, event: SourceEvent) -> ControlFlow<()> {
        self.hear_all(vec![event])
    }

    fn hear_all(&mut self, events: Vec<SourceEvent>) -> ControlFlow<()> {
        self.said.put(events)
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
    use crate::send::packing::{Compress, packing};
    use crate::send::source::What;

    fn fetch(entry: u64) -> Fetch {
        Fetch { entry, path: RelPath::root(), size: None, meta: Meta::default(), what: What::All }
    }

    #[test]
    fn what_is_given_up_is_not_read_or_no_further() {
        let (said, _heard) = packing(Compress::Off, None).unwrap();
        let (queue, mut feed) = FetchQueue::new(said);
        queue.push((0..4).map(fetch));
        queue.give_up(1);
        let next = |feed: &mut FetchFeed| feed.try_next().map(|fetch| fetch.entry);
        assert_eq!(next(&mut feed), Some(0));
        assert!(feed.wants(0));
        assert_eq!(next(&mut feed), Some(2));
        queue.give_up(0);
        assert!(feed.wants(2));
        queue.give_up(2);
        assert!(!feed.wants(2));
        assert_eq!(next(&mut feed), Some(3));
        assert_eq!(next(&mut feed), None);
        let state = feed.shared.lock();
        assert!(state.waiting.is_empty() && state.places.is_empty());
    }

    #[test]
    fn the_end_of_the_session_ends_the_reading() {
        let (said, _heard) = packing(Compress::Off, None).unwrap();
        let (queue, mut feed) = FetchQueue::new(said);
        queue.push([fetch(0)]);
        let reader = std::thread::spawn(move || {
            assert!(feed.next().is_some());
            assert!(feed.next().is_none());
            assert!(!feed.wants(0));
        });
        // Whether the reader waits already or comes later, it ends: but only after the one that it was to
        // read.
        while !queue.0.lock().waiting.is_empty() {
            std::thread::yield_now();
        }
        drop(queue);
        reader.join().unwrap();
    }
}

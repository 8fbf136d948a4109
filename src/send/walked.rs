//! What the walk finds, on its way to the session.
//!
//! Every entry is passed on as it is found, so that none waits for the next: a directory of a network that
//! hangs holds up nothing that was found before it. The session takes all there is whenever it wakes. A
//! session that is woken for every entry says a frame for every entry, but one that is busy wakes seldom, and
//! finds more.

use std::collections::VecDeque;

use smol::channel::{Receiver, Sender, bounded};

use crate::error::{Error, Result};
use crate::proto::manifest::Entry;

/// What the walker says. Its end is said too: a channel that closes without is a thread that died.
#[derive(Debug)]
pub(super) enum Walked {
    Entry(Entry),
    Failed(Error),
    /// So many things were not to be sent.
    End {
        left_out: u64,
    },
}

/// What was found, and what the manifest has no room for yet.
#[derive(Debug)]
pub(super) struct Found {
    walked: Receiver<Walked>,
    taken: VecDeque<Walked>,
}

impl Found {
    /// Nothing yet; and where to say what is.
    pub(super) fn new() -> (Sender<Walked>, Found) {
        let (walked_in, walked) = bounded(WALK_AHEAD);
        (walked_in, Found { walked, taken: VecDeque::new() })
    }

    /// Resolves when there is something; false when there will be nothing more. Cancel safe.
    pub(super) async fn some(&mut self) -> bool {
        if self.taken.is_empty() {
            let Ok(said) = self.walked.recv().await else { return false };
            self.taken.push_back(said);
            while self.taken.len() < TAKEN_TOGETHER_MAX
                && let Ok(said) = self.walked.try_recv()
            {
                self.taken.push_back(said);
            }
        }
        true
    }

    /// The next that was taken.
    pub(super) fn pop(&mut self) -> Option<Walked> {
        self.taken.pop_front()
    }
}

/// Looks for everything that is to be sent, until nobody listens any more; `left_out` tells of a walk how much it has passed over.
pub(super) fn walk_all<W: Iterator<Item = Result<Entry>>>(
    mut walk: W,
    left_out: impl Fn(&W) -> u64,
    tell: impl Fn(Walked) -> Option<()>,
) -> Option<()> {
    for entry in walk.by_ref() {
        match entry {
            Ok(entry) => tell(Walked::Entry(entry))?,
            Err(error) => return tell(Walked::Failed(error)),
        }
    }
    tell(Walked::End { left_out: left_out(&walk) })
}

/// Entries the walker may be ahead of the manifest, beside those that the session has taken.
const WALK_AHEAD: usize = 512;

/// What the session takes at once: enough for a frame, and soon said.
const TAKEN_TOGETHER_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use futures_lite::future::block_on;

    use super::*;
    use crate::error::Kind;
    use crate::proto::manifest::EntryKind;
    use crate::proto::path::RelPath;

    fn entry(id: u64) -> Entry {
        Entry { id, path: RelPath::root(), kind: EntryKind::Directory }
    }

    /// A walk on a thread of its own.
    fn walking(walk: impl Iterator<Item = Result<Entry>> + Send + 'static) -> Found {
        let (walked_in, found) = Found::new();
        std::thread::spawn(move || walk_all(walk, |_| 3, |said| walked_in.send_blocking(said).ok()));
        found
    }

    #[test]
    fn everything_that_is_found_is_told_once_in_order_and_before_the_end() {
        for (tail, end) in [(None, "End"), (Some(Err(Error::new(Kind::Internal, ""))), "Failed")] {
            let mut found = walking((0..2000).map(entry).map(Ok).chain(tail));
            let (mut ids, mut ends) = (Vec::new(), Vec::new());
            while block_on(found.some()) {
                assert!(found.taken.len() <= TAKEN_TOGETHER_MAX);
                while let Some(said) = found.pop() {
                    assert!(ends.is_empty());
                    match said {
                        Walked::Entry(entry) => ids.push(entry.id),
                        Walked::Failed(_) => ends.push("Failed"),
                        Walked::End { left_out } => ends.push(if left_out == 3 { "End" } else { "" }),
                    }
                }
            }
            assert_eq!((ids, ends), ((0..2000).collect(), vec![end]));
        }
    }

    #[test]
    fn what_was_found_does_not_wait_for_what_comes_next() {
        let (go, may_go_on) = std::sync::mpsc::channel::<()>();
        let stalled = std::iter::from_fn(move || may_go_on.recv().err().map(|_| Ok(entry(1))));
        let mut found = walking(std::iter::once(Ok(entry(0))).chain(stalled.take(1)));
        assert!(block_on(found.some()));
        assert!(matches!(found.pop(), Some(Walked::Entry(Entry { id: 0, .. }))));
        drop(go);
        assert!(block_on(found.some()));
        assert!(matches!(found.pop(), Some(Walked::Entry(Entry { id: 1, .. }))));
    }

    #[test]
    fn all_there_is_is_taken_at_once() {
        let (walked_in, mut found) = Found::new();
        let said = walk_all((0..3).map(entry).map(Ok), |_| 0, |said| walked_in.try_send(said).ok());
        assert!(said.is_some() && block_on(found.some()));
        assert_eq!(found.taken.len(), 4);
    }

    #[test]
    fn nothing_more_is_looked_for_when_nobody_listens() {
        let mut looked = 0;
        let walk = std::iter::from_fn(|| {
            looked += 1;
            Some(Ok(entry(looked)))
        });
        assert!(walk_all(walk, |_| 0, |_| None).is_none());
        assert_eq!(looked, 1);
    }
}

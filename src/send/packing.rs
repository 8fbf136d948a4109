//! Packing: between the thread that reads and the session, on threads of its own.
//!
//! ```text
//!            ┌──── block ───▶ workers ────┐
//! read ──────┤                            ├──▶ session
//!            └─ place in the queue, or what need not be packed ─┘
//! ```
//!
//! What is read keeps its order: each thing has its place in one queue, and what is being packed meanwhile
//! leaves its place when it is ready. What is not packed goes straight through, and where nothing is there
//! are no workers at all.

mod policy;
mod sniff;

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use smol::channel::{Receiver, Sender, bounded};

use super::source::SourceEvent;
use crate::error::Result;
use crate::net::link::spawn;
use crate::proto::compress::{Codec, Packer};
use crate::proto::frame::Block;
use policy::{Choice, Policy, Way};
use sniff::Sniff;

/// Whether what is sent is packed, where the other side can unpack it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Compress {
    /// Where that is faster.
    #[default]
    Auto,
    /// Whatever becomes smaller by it.
    On,
    /// Nothing.
    Off,
}

/// Where the reader puts what it has read.
pub(super) struct Unpacked {
    queue: Sender<Place>,
    workers: Option<Sender<Work>>,
    judge: Option<Judge>,
    sniff: Sniff,
}

/// Where the session gets it from, in the same order.
pub(super) struct Ready {
    queue: Receiver<Place>,
    // What stands first and is not ready yet.
    first: Option<Place>,
    judge: Option<Judge>,
    // Since when the session has nothing to say.
    idle_since: Option<Instant>,
}

/// What stands in the queue.
struct Place {
    // What was read, in its order, without the block that is being packed.
    events: Vec<SourceEvent>,
    // That block: it comes before the others.
    packing: Option<Receiver<Block>>,
    // What was decided about the block, if there is one.
    choice: Option<Choice>,
}

/// A block to be packed, and the way to its place.
struct Work {
    block: Block,
    place: Sender<Block>,
}

/// Decides what is packed, and learns from what comes of it. Both ends have it.
#[derive(Clone)]
struct Judge {
    policy: Arc<Mutex<Policy>>,
    begun: Instant,
}

/// Both ends of the queue, and what works between them. Everything ends when either end is dropped.
pub(super) fn packing(compress: Compress, codec: Option<Codec>) -> Result<(Unpacked, Ready)> {
    let codec = codec.filter(|_| compress != Compress::Off);
    let judge = codec.filter(|_| compress == Compress::Auto).map(|_| Judge::new());
    let threads = available_parallelism().map_or(1, usize::from).min(WORKERS_MAX);
    let ahead = if codec.is_some() { AHEAD + 2 * threads } else { AHEAD };
    let (queue_in, queue) = bounded(ahead);
    let workers = codec.map(|codec| start(codec, threads, ahead)).transpose()?;
    let unpacked = Unpacked { queue: queue_in, workers, judge: judge.clone(), sniff: Sniff::default() };
    Ok((unpacked, Ready { queue, first: None, judge, idle_since: None }))
}

/// Starts the threads that pack.
fn start(codec: Codec, threads: usize, ahead: usize) -> Result<Sender<Work>> {
    // What is packed has a place in the queue, or is about to take one: so there is always room for it.
    let (work_in, work) = bounded(ahead + 1);
    for _ in 0..threads {
        let work = work.clone();
        spawn("pack", move || pack_all(codec, &work))?;
    }
    Ok(work_in)
}

fn pack_all(codec: Codec, work: &Receiver<Work>) {
    let mut packer = Packer::new(codec);
    while let Ok(Work { mut block, place }) = work.recv_blocking() {
        block.compress(&mut packer);
        // A session that is over needs it no more.
        let _ = place.try_send(block);
    }
}

impl Unpacked {
    /// Takes what was read: a block or none, and what is told after it. `Break`: the session is over.
    pub(super) fn put(&mut self, mut events: Vec<SourceEvent>) -> ControlFlow<()> {
        let mut choice = None;
        let mut is_packed = false;
        if let (Some(SourceEvent::Block(block)), true) = (events.first(), self.workers.is_some()) {
            choice = self.judge.as_ref().map(Judge::choose);
            is_packed = match choice {
                None => true,
                Some(Choice { way: Way::Plain, .. }) => false,
                Some(Choice { way: Way::Packed, .. }) => self.sniff.is_promising(block),
            };
        }
        let packing = if is_packed { Some(self.pack(&mut events)?) } else { None };
        match self.queue.send_blocking(Place { events, packing, choice }) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    }

    /// Takes the leading block out of `events` and hands it to a worker. Returns the channel the packed block
    /// arrives on.
    fn pack(&self, events: &mut Vec<SourceEvent>) -> ControlFlow<(), Receiver<Block>> {
        let (place, packing) = bounded(1);
        let given = match (&self.workers, events.remove(0)) {
            (Some(workers), SourceEvent::Block(block)) => workers.send_blocking(Work { block, place }),
            // There is nothing to be packed.
            _ => return ControlFlow::Break(()),
        };
        if given.is_ok() { ControlFlow::Continue(packing) } else { ControlFlow::Break(()) }
    }

    /// Whether more would wait.
    pub(super) fn is_full(&self) -> bool {
        self.queue.is_full()
    }
}

impl Ready {
    /// How long a word to the other side and its answer take.
    pub(super) fn answers_in(&self, time: Duration) {
        if let Some(judge) = &self.judge {
            judge.lock().answers_in(micros(time), micros(judge.begun.elapsed()));
        }
    }

    /// What comes next; `None` when nothing will any more. Cancel safe.
    pub(super) async fn next(&mut self) -> Option<Vec<SourceEvent>> {
        if self.first.is_none() {
            if self.queue.is_empty() {
                self.idle_since.get_or_insert_with(Instant::now);
            }
            self.first = Some(self.queue.recv().await.ok()?);
        }
        let packed = match self.first.as_ref().and_then(|first| first.packing.as_ref()) {
            Some(packing) => {
                if packing.is_empty() {
                    self.idle_since.get_or_insert_with(Instant::now);
                }
                Some(packing.recv().await.ok()?)
            }
            None => None,
        };
        let Place { mut events, choice, .. } = self.first.take()?;
        events.splice(..0, packed.map(SourceEvent::Block));
        let idle_since = self.idle_since.take();
        if let (Some(judge), Some(choice), Some(SourceEvent::Block(block))) =
            (&self.judge, choice, events.first())
        {
            judge.leaves(choice, block, idle_since);
        }
        Some(events)
    }
}

impl Judge {
    fn new() -> Judge {
        Judge { policy: Arc::new(Mutex::new(Policy::new())), begun: Instant::now() }
    }

    fn choose(&self) -> Choice {
        self.lock().choose()
    }

    fn leaves(&self, choice: Choice, block: &Block, idle_since: Option<Instant>) {
        let late_us = idle_since.map_or(0, |since| micros(since.elapsed()));
        self.lock().leaves(choice, block.content_bytes(), late_us, micros(self.begun.elapsed()));
    }

    fn lock(&self) -> MutexGuard<'_, Policy> {
        // Nothing panics while it holds the lock.
        self.policy.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// Blocks that may be ready and wait for the lane: 1 MiB.
const AHEAD: usize = 4;

/// More threads than these pack faster than a session seals.
const WORKERS_MAX: usize = 4;

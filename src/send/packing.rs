//! Packing: between the thread that reads and the session, on threads of its own.
//!
//! ```text
//!            ┌──── block ───▶ workers ────┐
//! read ──────┤                            ├──▶ session
//!            └─ place in the queue, or what need not be packed ─┘
//! ```
//!
//! What is read keeps its order: each thing has its place in one queue, and what is being packed meanwhile leaves its place when it is
//! ready. What is not packed goes straight through, and where nothing is there are no workers at all.

use std::ops::ControlFlow;
use std::thread::available_parallelism;

use smol::channel::{Receiver, Sender, bounded};

use super::source::SourceEvent;
use crate::error::Result;
use crate::net::link::spawn;
use crate::proto::compress::{Codec, Packer};
use crate::proto::frame::Block;

/// Whether what is sent is packed, where the other side can unpack it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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
}

/// Where the session gets it from, in the same order.
pub(super) struct Ready {
    queue: Receiver<Place>,
    // What stands first and is not ready yet.
    first: Option<Receiver<Block>>,
}

/// What stands in the queue.
enum Place {
    Ready(SourceEvent),
    Packing(Receiver<Block>),
}

/// A block to be packed, and the way to its place.
struct Work {
    block: Block,
    place: Sender<Block>,
}

/// Both ends of the queue, and what works between them. Everything ends when either end is dropped.
pub(super) fn packing(compress: Compress, codec: Option<Codec>) -> Result<(Unpacked, Ready)> {
    let codec = codec.filter(|_| compress != Compress::Off);
    let threads = available_parallelism().map_or(1, usize::from).min(WORKERS_MAX);
    let (queue_in, queue) = bounded(if codec.is_some() { AHEAD + 2 * threads } else { AHEAD });
    let workers = match codec {
        Some(codec) => {
            // Bounded by the queue: nothing is to be packed that has no place in it.
            let (work_in, work) = bounded(AHEAD + 2 * threads + 1);
            for _ in 0..threads {
                let work = work.clone();
                spawn("pack", move || pack_all(codec, &work))?;
            }
            Some(work_in)
        }
        None => None,
    };
    Ok((Unpacked { queue: queue_in, workers }, Ready { queue, first: None }))
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
    /// Takes what was read. `Break`: the session is over.
    pub(super) fn put(&mut self, event: SourceEvent) -> ControlFlow<()> {
        let place = match (event, &self.workers) {
            (SourceEvent::Block(block), Some(workers)) => {
                let (place, ready) = bounded(1);
                if workers.send_blocking(Work { block, place }).is_err() {
                    return ControlFlow::Break(());
                }
                Place::Packing(ready)
            }
            (event, _) => Place::Ready(event),
        };
        match self.queue.send_blocking(place) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    }

    /// Whether more would wait.
    pub(super) fn is_full(&self) -> bool {
        self.queue.is_full()
    }
}

impl Ready {
    /// What comes next; `None` when nothing will any more. Cancel safe.
    pub(super) async fn next(&mut self) -> Option<SourceEvent> {
        loop {
            if let Some(first) = &self.first {
                let block = first.recv().await.ok()?;
                self.first = None;
                return Some(SourceEvent::Block(block));
            }
            match self.queue.recv().await.ok()? {
                Place::Ready(event) => return Some(event),
                Place::Packing(first) => self.first = Some(first),
            }
        }
    }
}

/// Blocks that may be ready and wait for the lane: 1 MiB.
const AHEAD: usize = 4;

/// More threads than these pack faster than a session seals.
const WORKERS_MAX: usize = 4;

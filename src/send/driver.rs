//! Drives the sending machine: a thread that walks, a thread that reads, one lane.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use futures_lite::future;
use smol::channel::{Receiver, bounded};

use super::LaneCount;
use super::limit::Limit;
use super::machine::width::{Sample, Step, Width};
use super::machine::{Beginning, Effect, Sender};
use super::packing::{Compress, Ready, Unpacked, packing};
use super::source::{Reader, SourceEvent, Walk};
use super::wishes::{Reading, Wishes};
use crate::error::{Error, Kind, Result};
use crate::events::{Event, Report};
use crate::net::lanes::Lanes;
use crate::net::link::{Asked, Drive, Ended, Happening, Link, drive, spawn};
use crate::net::pair::Paired;
use crate::proto::chunk::ChunkSize;
use crate::proto::compress::Codec;
use crate::proto::handshake::Capabilities;
use crate::proto::limits::PAYLOAD_BYTES_MAX;
use crate::proto::manifest::Entry;
use crate::proto::pace::Rate;

/// Sends what `walk` finds to the other side of an established session, as `cut` says, until that is done or the other side was
/// started again.
/// Dropping the future abandons the transfer without telling the other side; its cancellation ends it in order.
///
/// # Errors
/// Whatever ended the session before the receiver's statement that everything has its outcome.
pub async fn run(paired: Paired<'_>, walk: Walk, cut: Cut) -> Result<Ended<'_>> {
    let Cut { chunk, compress, lanes, limit } = cut;
    let lanes = match lanes {
        _ if !paired.both_can.has(Capabilities::LANES) => Some(1),
        LaneCount::Exactly(lanes) => Some(lanes),
        LaneCount::Auto => None,
    };
    let width = Width::new(lanes, limit.map(Rate::bytes_per_second));
    let beginning = Beginning { chunk, verify: paired.verify.clone(), must_confirm: paired.must_confirm };
    let packing = packing(compress, Codec::best(paired.both_can))?;
    let threads = Threads::start(walk, chunk, packing)?;
    let answered_ms = u64::try_from(paired.answered.as_millis()).unwrap_or(u64::MAX);
    let (link, upkeep) = Link::new(paired);
    let limit = limit.map(Limit::new);
    if let Some(limit) = &limit {
        link.lanes.first().hold_to(limit.throttle.clone());
    }
    let driver = Driver { machine: Sender::new(beginning), link, threads, width, answered_ms, limit };
    // On the heap: it is far larger than what it is part of.
    Box::pin(upkeep.beside(Box::pin(driver.run()))).await
}

/// What becomes of files on their way.
#[derive(Clone, Copy, Debug)]
pub struct Cut {
    /// In what chunks they are hashed.
    pub chunk: ChunkSize,
    /// Whether they are packed.
    pub compress: Compress,
    /// Over how many lanes they go.
    pub lanes: LaneCount,
    /// No more than this goes out a second.
    pub limit: Option<Rate>,
}

struct Driver<'h> {
    machine: Sender,
    link: Link<'h>,
    threads: Threads,
    width: Width,
    /// What the pairing has waited for the other side's machine.
    answered_ms: u64,
    limit: Option<Limit>,
}

/// The walker, the reader and what packs. They end when their channels do.
struct Threads {
    walked: Receiver<Walked>,
    /// What the walker has said, and the manifest has no room for yet.
    entries: VecDeque<Entry>,
    wishes: Wishes,
    read: Ready,
}

/// What the walker says. Its end is said too: a channel that closes without is a thread that died.
enum Walked {
    Entries(Vec<Entry>),
    Failed(Error),
    End,
}

enum Input {
    Happened(Happening),
    Walked(Walked),
    /// There is room for what was said before.
    Room,
    Read(Vec<SourceEvent>),
    ThreadDied,
}

impl<'h> Driver<'h> {
    /// Opens the lanes that are wanted, and lets go of those that are not.
    fn widen(&mut self) {
        while let Some(step) = self.width.poll() {
            match step {
                Step::Open(lane) => {
                    self.machine.lane(lane, true);
                    self.link.lanes.open(lane);
                }
                Step::Stop(lane) => self.let_go(lane),
                Step::Retire(lane) => self.link.lanes.retire(lane),
            }
        }
        for lane in self.link.lanes.retired() {
            self.let_go(lane);
        }
    }

    fn let_go(&mut self, lane: u8) {
        match self.link.lanes.let_go(lane) {
            Ok(_) => self.machine.lane(lane, false),
            Err(error) => self.machine.fail(error),
        }
    }

    /// Looks at how the lanes do.
    fn tick(&mut self) {
        let now_ms = self.link.now_ms();
        self.machine.tick(now_ms);
        if self.link.lanes.is_connected() {
            let Driver { machine, link, width, .. } = self;
            let (taken, left) = (machine.taken_bytes(), machine.left_bytes());
            width.tick(now_ms, Sample { taken, waits: !link.lanes.has_room(), left });
            self.widen();
        }
        self.link.show(self.machine.progress());
    }

    /// Puts into the manifest what was found, as far as it has room.
    fn announce(&mut self) {
        while self.machine.wants_entries()
            && !self.limit.as_ref().is_some_and(Limit::has_gathered)
            && let Some(entry) = self.threads.entries.pop_front()
        {
            if let Some(limit) = &mut self.limit {
                limit.gathered_bytes += entry.cost();
            }
            self.machine.entry(entry);
        }
    }

    async fn run(mut self) -> (Result<Ended<'h>>, Lanes) {
        let result = drive(&mut self).await;
        // The walk and the reading end with their channels; what they still have in hand is for nobody and harms nobody.
        (result, self.link.lanes)
    }
}

impl<'h> Drive<'h> for Driver<'h> {
    type Input = Input;

    fn carry_out(&mut self) -> Option<Result<Report>> {
        let mut fetches = Vec::new();
        while let Some(effect) = self.machine.poll() {
            match effect {
                Effect::Frame(frame) => {
                    if let Some(limit) = &mut self.limit {
                        limit.said(&frame);
                    }
                    if let Err(error) = self.link.lanes.send(frame) {
                        self.machine.fail(error);
                    }
                }
                Effect::Fetch(fetch) => {
                    let bytes = self.limit.as_ref().map_or(PAYLOAD_BYTES_MAX, |limit| limit.block_bytes);
                    self.threads.wishes.in_blocks_of(bytes.min(self.machine.block_bytes()));
                    fetches.push(fetch);
                }
                Effect::Abandon(entry) => {
                    self.threads.wishes.wish(fetches.drain(..));
                    self.threads.wishes.give_up(entry);
                }
                Effect::LaneTaken { lane, frames } => {
                    self.width.gone(lane, self.link.now_ms());
                    if let Err(error) = self.link.lanes.taken(lane, frames) {
                        self.machine.fail(error);
                    }
                }
                Effect::Event(event) => {
                    if matches!(event, Event::Accepted) {
                        let now_ms = self.link.now_ms();
                        // What is known by now, if not all: more only makes it longer.
                        let left = self.machine.progress().bytes_total;
                        // Until now a person may have thought; one of these two is a way there and back, and the other next to nothing.
                        let met_ms = self.link.lanes.first().met_ms().unwrap_or(0);
                        self.width.accepted(now_ms, self.answered_ms.saturating_add(met_ms), Some(left));
                        self.widen();
                    }
                    self.link.tell(event);
                }
                Effect::Ask(question) => self.link.ask(question),
                Effect::Done(result) => {
                    self.link.show(self.machine.progress());
                    return Some(result);
                }
            }
        }
        if !fetches.is_empty() {
            self.threads.wishes.wish(fetches);
        }
        None
    }

    fn idle(&mut self) {
        self.machine.idle();
    }

    fn link(&mut self) -> &mut Link<'h> {
        &mut self.link
    }

    async fn next(&mut self) -> Input {
        let wants_entries = self.machine.wants_entries();
        let wants_data = self.machine.wants_data() && self.link.lanes.has_room();
        let Threads { walked, entries, read, .. } = &mut self.threads;
        let limit = self.limit.as_ref();
        let entry = async {
            if !wants_entries {
                return future::pending().await;
            }
            if let Some(limit) = limit {
                limit.may_walk().await;
            }
            if !entries.is_empty() {
                return Input::Room;
            }
            walked.recv().await.map_or(Input::ThreadDied, Input::Walked)
        };
        let data = async {
            if !wants_data {
                return future::pending().await;
            }
            read.next().await.map_or(Input::ThreadDied, Input::Read)
        };
        let happened = async { Input::Happened(self.link.next().await) };
        future::or(happened, future::or(data, entry)).await
    }

    fn feed(&mut self, input: Input) {
        match input {
            Input::Walked(Walked::Entries(entries)) => {
                self.threads.entries.extend(entries);
                self.announce();
            }
            Input::Room => self.announce(),
            Input::Walked(Walked::End) => self.machine.walk_ended(),
            Input::ThreadDied => {
                self.machine
                    .fail(Error::new(Kind::Internal, "the walk or the reading of files ended by itself"));
            }
            Input::Read(events) => events.into_iter().for_each(|event| self.machine.source(event)),
            Input::Happened(Happening::Frame(Ok(bytes))) => self.machine.frame(&bytes),
            Input::Happened(Happening::Frame(Err(error))) if error.kind() == Kind::ConnectionLost => {
                self.machine.connection_lost(error);
            }
            Input::Walked(Walked::Failed(error))
            | Input::Happened(Happening::Frame(Err(error)) | Happening::FrameBeside(Err(error))) => {
                self.machine.fail(error);
            }
            Input::Happened(Happening::FrameBeside(Ok(_))) => self.machine.frame_beside(),
            Input::Happened(Happening::LaneUp(lane)) => self.width.came(lane, self.link.now_ms()),
            Input::Happened(Happening::LaneLost { lane, is_refused }) => {
                self.width.lost(lane, is_refused, self.link.now_ms());
                self.machine.lane(lane, false);
            }
            Input::Happened(Happening::Answer(Asked::Verify, same)) => self.machine.verified(same),
            Input::Happened(
                Happening::Answer(Asked::Accept, _)
                | Happening::Decided(_)
                | Happening::Drained
                | Happening::Restarted,
            ) => {}
            Input::Happened(Happening::Cancelled) => {
                self.machine.fail(Error::new(Kind::Interrupted, "interrupted"));
            }
            Input::Happened(Happening::Tick) => self.tick(),
        }
    }
}

impl Threads {
    fn start(walk: Walk, chunk: ChunkSize, (unpacked, read): (Unpacked, Ready)) -> Result<Threads> {
        let (walked_in, walked) = bounded(WALK_AHEAD / WALKED_TOGETHER_MAX);
        let (wishes, reading) = Wishes::new(unpacked);
        let reader = Reader::new(walk.roots().clone(), chunk);
        // Once the session is over nothing more is looked for.
        spawn("walk", move || {
            let _ = walk_all(walk, |said| walked_in.send_blocking(said).ok());
        })?;
        spawn("read", move || read_all(reader, reading))?;
        Ok(Threads { walked, entries: VecDeque::new(), wishes, read })
    }
}

/// Looks for everything that is to be sent, until nobody listens any more. What is found shortly after one another is told together,
/// because a session that is woken for every entry says a frame for every entry.
fn walk_all(walk: impl Iterator<Item = Result<Entry>>, tell: impl Fn(Walked) -> Option<()>) -> Option<()> {
    let mut found = Vec::new();
    let mut told = Instant::now();
    for entry in walk {
        match entry {
            Ok(entry) => found.push(entry),
            Err(error) => {
                tell(Walked::Entries(found))?;
                return tell(Walked::Failed(error));
            }
        }
        if found.len() >= WALKED_TOGETHER_MAX || told.elapsed() >= TELL_WITHIN {
            tell(Walked::Entries(std::mem::take(&mut found)))?;
            told = Instant::now();
        }
    }
    tell(Walked::Entries(found))?;
    tell(Walked::End)
}

/// Reads what is wanted until the session is over. What shares a block goes out when nothing else is waiting.
fn read_all(mut reader: Reader, mut reading: Reading) {
    loop {
        let next = match reading.try_next() {
            None if reader.flush(&mut reading).is_break() => return,
            None => reading.next(),
            next => next,
        };
        let Some(fetch) = next else { return };
        if reader.fetch(&fetch, &mut reading).is_break() {
            return;
        }
    }
}

/// Entries the walker may be ahead of the manifest, and some that it has in hand.
const WALK_AHEAD: usize = 512;

/// Entries that are told at once.
const WALKED_TOGETHER_MAX: usize = 64;

/// For so long an entry waits at most for others to be told with it, beside the one that is being looked at.
const TELL_WITHIN: Duration = Duration::from_micros(500);

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::proto::manifest::EntryKind;
    use crate::proto::path::RelPath;

    fn entry(id: u64) -> Entry {
        Entry { id, path: RelPath::root(), kind: EntryKind::Directory }
    }

    /// What is told of a walk: the numbers of each batch, or how it ended.
    fn told(walk: impl Iterator<Item = Result<Entry>>) -> Vec<Result<Vec<u64>, &'static str>> {
        let told = RefCell::new(Vec::new());
        let _ = walk_all(walk, |said| {
            told.borrow_mut().push(match said {
                Walked::Entries(entries) => Ok(entries.iter().map(|entry| entry.id).collect()),
                Walked::Failed(_) => Err("failed"),
                Walked::End => Err("end"),
            });
            Some(())
        });
        told.into_inner()
    }

    #[test]
    fn everything_that_is_found_is_told_once_in_order_and_before_the_end() {
        for (tail, end) in [(None, "end"), (Some(Err(Error::new(Kind::Internal, ""))), "failed")] {
            let mut told = told((0..200).map(entry).map(Ok).chain(tail));
            assert_eq!(told.pop(), Some(Err(end)));
            let batches: Vec<Vec<u64>> = told.into_iter().map(Result::unwrap).collect();
            assert!(batches.iter().all(|batch| batch.len() <= WALKED_TOGETHER_MAX));
            assert_eq!(batches.concat(), (0..200).collect::<Vec<_>>());
        }
    }

    #[test]
    fn what_was_found_long_ago_does_not_wait_for_more() {
        let slow = (0..3).map(|id| {
            let begun = Instant::now();
            while begun.elapsed() < TELL_WITHIN {
                std::hint::spin_loop();
            }
            Ok(entry(id))
        });
        assert_eq!(told(slow)[..3], [Ok(vec![0]), Ok(vec![1]), Ok(vec![2])]);
    }

    #[test]
    fn nothing_more_is_looked_for_when_nobody_listens() {
        let mut looked = 0;
        let walk = std::iter::from_fn(|| {
            looked += 1;
            Some(Ok(entry(looked)))
        });
        assert_eq!(walk_all(walk, |_| None), None);
        assert!(looked <= WALKED_TOGETHER_MAX as u64);
    }
}

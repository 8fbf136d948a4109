//! Drives the sending machine: a thread that walks, a thread that reads, one lane.

use std::time::Duration;

use futures_lite::future;

use super::LaneCount;
use super::fetch_queue::{FetchFeed, FetchQueue};
use super::limit::Limit;
use super::machine::lane_controller::{LaneController, Sample, Step};
use super::machine::{Beginning, Effect, Sender};
use super::packing::{Compress, Ready, Unpacked, packing};
use super::source::{Reader, SourceEvent, Walk};
use super::walked::{Found, Walked, walk_all};
use crate::error::{Error, Kind, Result};
use crate::events::{Event, Report};
use crate::net::lanes::Lanes;
use crate::net::link::{Asked, Drive, Ended, Happening, Link, drive, spawn};
use crate::net::pair::Paired;
use crate::proto::chunk::ChunkSize;
use crate::proto::compress::Codec;
use crate::proto::handshake::Capabilities;
use crate::proto::limits::PAYLOAD_BYTES_MAX;
use crate::proto::pace::Rate;
use crate::proto::time::millis;

/// Sends what `walk` finds to the other side of an established session, as `cut` says, until that is done or
/// the other side was started again. Dropping the future abandons the transfer without telling the other
/// side; its cancellation ends it in order.
///
/// # Errors
/// Whatever ended the session before the receiver's statement that everything has its outcome.
pub async fn run(paired: Paired<'_>, walk: Walk, cut: Cut) -> Result<Ended<'_>> {
    let text = walk.roots().is_text() && paired.both_can.has(Capabilities::TEXT);
    let walk = if text { walk.showing() } else { walk };
    let Cut { chunk, compress, lanes, limit } = cut;
    let lanes = match lanes {
        _ if !paired.both_can.has(Capabilities::LANES) => Some(1),
        LaneCount::Exactly(lanes) => Some(lanes),
        LaneCount::Auto => None,
    };
    let controller = LaneController::new(lanes, limit.map(Rate::bytes_per_second));
    let beginning =
        Beginning { chunk, verify: paired.verify.clone(), must_confirm: paired.must_confirm, text };
    let packing = packing(compress, Codec::best(paired.both_can))?;
    let threads = Threads::start(walk, chunk, packing)?;
    let answered_ms = millis(paired.answered);
    let known_ms = answered_ms.max(millis(paired.relay_answered));
    let (link, upkeep) = Link::new(paired);
    let limit = limit.map(Limit::new);
    if let Some(limit) = &limit {
        link.lanes.first().hold_to(limit.throttle.clone());
    }
    let driver =
        Driver { machine: Sender::new(beginning), link, threads, controller, answered_ms, known_ms, limit };
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
    controller: LaneController,
    /// What the pairing has waited for the other side's machine.
    answered_ms: u64,
    /// What is known of the way to it before it has said anything: it is at least as far away as that.
    known_ms: u64,
    limit: Option<Limit>,
}

/// The walker, the reader and what packs. They end when their channels do.
struct Threads {
    found: Found,
    queue: FetchQueue,
    read: Ready,
}

enum Input {
    Happened(Happening),
    /// There is something that was found, and room for it.
    Found,
    Read(Vec<SourceEvent>),
    ThreadDied,
}

impl<'h> Driver<'h> {
    /// Opens the lanes that are wanted, and lets go of those that are not.
    fn widen(&mut self) {
        while let Some(step) = self.controller.poll() {
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

    /// What there is to send, and that it is wanted, decides how many lanes there are at first.
    fn widen_after(&mut self, event: &Event) {
        let now_ms = self.link.now_ms();
        // What is known by now, if not all: more only makes it longer.
        let bytes = self.machine.progress().bytes_total;
        match event {
            Event::Offer(_) => self.controller.offered(now_ms, self.known_ms, bytes),
            Event::Accepted => {
                // Until now a person may have thought; one of these two is a way there and back, and the
                // other next to nothing.
                let met_ms = self.link.lanes.first().met_ms().unwrap_or(0);
                let answer_ms = self.answered_ms.saturating_add(met_ms);
                self.threads.read.answers_in(Duration::from_millis(answer_ms));
                self.controller.accepted(now_ms, answer_ms, Some(bytes));
            }
            _ => return,
        }
        self.widen();
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
        let Driver { machine, link, controller, .. } = self;
        let sample = link.lanes.is_connected().then(|| Sample {
            taken: machine.taken_bytes(),
            waits: !link.lanes.has_room(),
            left: machine.left_bytes(),
        });
        controller.tick(now_ms, sample);
        self.widen();
        self.link.show(self.machine.progress());
    }

    /// Puts into the manifest what was found, as far as it has room.
    fn announce(&mut self) {
        while self.machine.wants_entries()
            && !self.limit.as_ref().is_some_and(Limit::has_gathered)
            && let Some(said) = self.threads.found.pop()
        {
            match said {
                Walked::Entry(entry) => {
                    if let Some(limit) = &mut self.limit {
                        limit.gathered_bytes += entry.cost();
                    }
                    self.machine.entry(entry);
                }
                Walked::Failed(error) => self.machine.fail(error),
                Walked::End { left_out } => {
                    self.machine.left_out(left_out);
                    self.machine.walk_ended();
                }
            }
        }
    }

    async fn run(mut self) -> (Result<Ended<'h>>, Lanes) {
        let result = drive(&mut self).await;
        // The walk and the reading end with their channels; what they still have in hand is for nobody and
        // harms nobody.
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
                    self.threads.queue.in_blocks_of(bytes.min(self.machine.block_bytes()));
                    fetches.push(fetch);
                }
                Effect::Abandon(entry) => {
                    self.threads.queue.push(fetches.drain(..));
                    self.threads.queue.give_up(entry);
                }
                Effect::LaneTaken { lane, frames } => {
                    self.controller.gone(lane, self.link.now_ms());
                    if let Err(error) = self.link.lanes.taken(lane, frames) {
                        self.machine.fail(error);
                    }
                }
                Effect::Event(event) => {
                    self.widen_after(&event);
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
            self.threads.queue.push(fetches);
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
        let Threads { found, read, .. } = &mut self.threads;
        let limit = self.limit.as_ref();
        let entry = async {
            if !wants_entries {
                return future::pending().await;
            }
            if let Some(limit) = limit {
                limit.may_walk().await;
            }
            if found.some().await { Input::Found } else { Input::ThreadDied }
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
            Input::Found => self.announce(),
            Input::ThreadDied => {
                self.machine
                    .fail(Error::new(Kind::Internal, "the walk or the reading of files ended by itself"));
            }
            Input::Read(events) => events.into_iter().for_each(|event| self.machine.source(event)),
            Input::Happened(Happening::Frame(Ok(bytes))) => self.machine.frame(&bytes),
            Input::Happened(Happening::Frame(Err(error))) if error.kind() == Kind::ConnectionLost => {
                self.machine.connection_lost(error);
            }
            Input::Happened(Happening::Frame(Err(error)) | Happening::FrameBeside(Err(error))) => {
                self.machine.fail(error);
            }
            Input::Happened(Happening::FrameBeside(Ok(_))) => self.machine.frame_beside(),
            Input::Happened(Happening::LaneUp(lane)) => self.controller.came(lane, self.link.now_ms()),
            Input::Happened(Happening::LaneLost { lane, is_refused }) => {
                self.controller.lost(lane, is_refused, self.link.now_ms());
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
                self.machine.fail(Error::interrupted());
            }
            Input::Happened(Happening::Tick) => self.tick(),
        }
    }
}

impl Threads {
    fn start(walk: Walk, chunk: ChunkSize, (unpacked, read): (Unpacked, Ready)) -> Result<Threads> {
        let (walked_in, found) = Found::new();
        let (queue, feed) = FetchQueue::new(unpacked);
        let reader = Reader::new(walk.roots().clone(), chunk);
        // Once the session is over nothing more is looked for.
        spawn("walk", move || {
            let _ = walk_all(walk, Walk::left_out, |said| walked_in.send_blocking(said).ok());
        })?;
        spawn("read", move || read_all(reader, feed))?;
        Ok(Threads { found, queue, read })
    }
}

/// Reads what is wanted until the session is over. What shares a block goes out when nothing else is waiting.
fn read_all(mut reader: Reader, mut feed: FetchFeed) {
    loop {
        let next = match feed.try_next() {
            None if reader.flush(&mut feed).is_break() => return,
            None => feed.next(),
            next => next,
        };
        let Some(fetch) = next else { return };
        if reader.fetch(&fetch, &mut feed).is_break() {
            return;
        }
    }
}

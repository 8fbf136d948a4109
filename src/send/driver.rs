//! Drives the sending machine: a thread that walks, a thread that reads, one lane.

use futures_lite::future;
use smol::channel::{Receiver, bounded};

use super::LaneCount;
use super::machine::width::{Sample, Step, Width};
use super::machine::{Beginning, Effect, Sender};
use super::source::{Reader, SourceEvent, Walk};
use super::wishes::{Reading, Wishes};
use crate::error::{Error, Kind, Result};
use crate::events::{Event, Report};
use crate::net::lanes::Lanes;
use crate::net::link::{Asked, Drive, Ended, Happening, Link, drive, spawn};
use crate::net::pair::Paired;
use crate::proto::chunk::ChunkSize;
use crate::proto::handshake::Capabilities;
use crate::proto::manifest::Entry;

/// Sends what `walk` finds to the other side of an established session, until that is done or the other side was started again.
/// Dropping the future abandons the transfer without telling the other side; its cancellation ends it in order.
///
/// # Errors
/// Whatever ended the session before the receiver's statement that everything has its outcome.
pub async fn run(paired: Paired<'_>, walk: Walk, chunk: ChunkSize, lanes: LaneCount) -> Result<Ended<'_>> {
    let width = Width::new(match lanes {
        _ if !paired.both_can.has(Capabilities::LANES) => Some(1),
        LaneCount::Exactly(lanes) => Some(lanes),
        LaneCount::Auto => None,
    });
    let beginning = Beginning { chunk, verify: paired.verify.clone(), must_confirm: paired.must_confirm };
    let threads = Threads::start(walk, chunk)?;
    let (link, upkeep) = Link::new(paired);
    let driver = Driver { machine: Sender::new(beginning), link, threads, width };
    // On the heap: it is far larger than what it is part of.
    Box::pin(upkeep.beside(Box::pin(driver.run()))).await
}

struct Driver<'h> {
    machine: Sender,
    link: Link<'h>,
    threads: Threads,
    width: Width,
}

/// The walker and the reader. Both end when their channels do.
struct Threads {
    entries: Receiver<Walked>,
    wishes: Wishes,
    read: Receiver<SourceEvent>,
}

/// What the walker says. Its end is said too: a channel that closes without is a thread that died.
enum Walked {
    Entry(Result<Entry>),
    End,
}

enum Input {
    Happened(Happening),
    Walked(Walked),
    Read(SourceEvent),
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
                Step::Retire(lane) => self.link.lanes.retire(lane),
            }
        }
        for lane in self.link.lanes.retired() {
            match self.link.lanes.let_go(lane) {
                Ok(_) => self.machine.lane(lane, false),
                Err(error) => self.machine.fail(error),
            }
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

    async fn run(mut self) -> (Result<Ended<'h>>, Lanes) {
        let result = drive(&mut self).await;
        // The walk and the reading end with their channels; what they still have in hand is for nobody and harms nobody.
        (result, self.link.lanes)
    }
}

impl<'h> Drive<'h> for Driver<'h> {
    type Input = Input;

    fn carry_out(&mut self) -> Option<Result<Report>> {
        while let Some(effect) = self.machine.poll() {
            match effect {
                Effect::Frame(frame) => {
                    if let Err(error) = self.link.lanes.send(frame) {
                        self.machine.fail(error);
                    }
                }
                Effect::Fetch(fetch) => self.threads.wishes.wish(fetch),
                Effect::Abandon(entry) => self.threads.wishes.give_up(entry),
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
                        self.width.accepted(now_ms, now_ms, Some(left));
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
        let Threads { entries, read, .. } = &self.threads;
        let entry = async {
            if !wants_entries {
                return future::pending().await;
            }
            entries.recv().await.map_or(Input::ThreadDied, Input::Walked)
        };
        let data = async {
            if !wants_data {
                return future::pending().await;
            }
            read.recv().await.map_or(Input::ThreadDied, Input::Read)
        };
        let happened = async { Input::Happened(self.link.next().await) };
        future::or(happened, future::or(data, entry)).await
    }

    fn feed(&mut self, input: Input) {
        match input {
            Input::Walked(Walked::Entry(Ok(entry))) => self.machine.entry(entry),
            Input::Walked(Walked::End) => self.machine.walk_ended(),
            Input::ThreadDied => {
                self.machine
                    .fail(Error::new(Kind::Internal, "the walk or the reading of files ended by itself"));
            }
            Input::Read(event) => self.machine.source(event),
            Input::Happened(Happening::Frame(Ok(bytes))) => self.machine.frame(&bytes),
            Input::Happened(Happening::Frame(Err(error))) if error.kind() == Kind::ConnectionLost => {
                self.machine.connection_lost(error);
            }
            Input::Walked(Walked::Entry(Err(error)))
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
    fn start(walk: Walk, chunk: ChunkSize) -> Result<Threads> {
        let (entries_in, entries) = bounded(WALK_AHEAD);
        let (read_in, read) = bounded(READ_AHEAD);
        let (wishes, reading) = Wishes::new(read_in);
        let reader = Reader::new(walk.roots().clone(), chunk);
        spawn("walk", move || {
            // Once the session is over nothing more is looked for.
            for said in walk.map(Walked::Entry).chain([Walked::End]) {
                if entries_in.send_blocking(said).is_err() {
                    return;
                }
            }
        })?;
        spawn("read", move || read_all(reader, reading))?;
        Ok(Threads { entries, wishes, read })
    }
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

/// Entries the walker may be ahead of the manifest.
const WALK_AHEAD: usize = 512;

/// Blocks the reader may be ahead of the lane: 1 MiB.
const READ_AHEAD: usize = 4;

//! The sending session: a pure machine from the first frame to the receipt.
//!
//! ```text
//!   walker ──entry──▶ ┌─────────┐ ──Fetch──▶ reader
//!   reader ──block──▶ │ Sender  │ ──Frame──▶ lane
//!   lane ───frame───▶ └─────────┘ ──Event──▶ person
//! ```
//!
//! The driver feeds it what happened and carries out its [`Effect`]s in order. It owns no clock, no socket
//! and no file. Items of the manifest, and the ends of files, gather into frames until a frame is full or the
//! driver says that nothing else is at hand ([`Sender::idle`]).

pub mod lane_controller;
mod sending;

use std::collections::VecDeque;

use super::source::{Fetch, ReadEnd, SourceEvent};
use crate::defects::{self, Defect};
use crate::error::{Error, Kind, Result};
use crate::events::tally::Tally;
use crate::events::{Event, Progress, Question, Report};
use crate::proto::chunk::ChunkSize;
use crate::proto::conversation::{Conversation, broken, cancel_reason, cancelled_by_peer, strings_differ};
use crate::proto::frame::{
    Block, Cancelled, Control, Failure, FileEnd, Frame, Get, PackedBlock, Piece, Reason, Verdict,
    WireFailure, bounded_text,
};
use crate::proto::lanes::LaneSet;
use crate::proto::limits::{CONTROL_BYTES_TARGET, FRAME_COST_MAX, LIST_MAX, RECEIPT_MS, WINDOW_BYTES_MAX};
use crate::proto::manifest::{Entry, Item};
use crate::proto::pace::block_bytes_in;
use crate::proto::window::{Standing, Window};

use sending::Sending;

/// The sending side of one session.
#[derive(Debug)]
pub struct Sender {
    conversation: Conversation,
    effects: VecDeque<Effect>,
    tally: Tally,
    window: Window<Sending>,
    stage: Stage,
    chunk: ChunkSize,
    // Since everything has its outcome and only `Complete` is missing.
    ending_since_ms: Option<u64>,
    // The manifest.
    gathered: Vec<Entry>,
    gathered_bytes: usize,
    walk: Walking,
    // What the receiver said of it.
    accepted: bool,
    planned: u64,
    // Data.
    credit: u64,
    window_bytes: u64,
    spent: u64,
    in_flight: VecDeque<InFlight>,
    ends: Vec<FileEnd>,
    // Lanes requested and not yet reported closed by `LaneTaken`.
    lanes: LaneSet,
}

/// What the driver must do.
#[derive(Debug)]
pub enum Effect {
    /// Seal this and send it on the lane.
    Frame(PackedBlock),
    /// Read this file, or what is wanted of it.
    Fetch(Fetch),
    /// Stop reading this file, if it is not read to its end yet: the receiver has given it up.
    Abandon(u64),
    /// Tell the person.
    Event(Event),
    /// Ask the person whether both sides show this string; the answer goes to [`Sender::verified`].
    Ask(Question),
    /// The receiver has let go of this lane, and has taken so many of its frames: what is left is to be said
    /// on others.
    LaneTaken {
        /// Its number, from 1.
        lane: u8,
        /// So many.
        frames: u64,
    },
    /// Nothing more will come: let what was said reach the other side, close, and return this.
    Done(Result<Report>),
}

/// How a session begins.
#[derive(Clone, Debug, Default)]
pub struct Beginning {
    /// How the files are cut.
    pub chunk: ChunkSize,
    /// The string to compare, if either side asked for it.
    pub verify: Option<String>,
    /// Whether this side's person must confirm it before anything is sent.
    pub must_confirm: bool,
    /// What is offered is one text, and the receiver can show it.
    pub text: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Stage {
    Confirming,
    Running,
    Done,
}

#[derive(Debug, PartialEq, Eq)]
enum Walking {
    Going,
    // The walker has ended, the end is not said yet.
    Ended,
    Said,
}

/// A data frame the receiver may not have taken yet.
#[derive(Debug)]
struct InFlight {
    spent: u64,
    bytes: u64,
}

impl Sender {
    /// A session that was just established. The first effects are ready.
    #[must_use]
    pub fn new(beginning: Beginning) -> Sender {
        let mut sender = Sender {
            conversation: Conversation::default(),
            effects: VecDeque::new(),
            tally: Tally::default(),
            window: Window::new(),
            stage: Stage::Running,
            chunk: beginning.chunk,
            ending_since_ms: None,
            gathered: Vec::new(),
            gathered_bytes: 0,
            walk: Walking::Going,
            accepted: false,
            planned: 0,
            credit: 0,
            window_bytes: 0,
            spent: 0,
            in_flight: VecDeque::new(),
            ends: Vec::new(),
            lanes: LaneSet::default(),
        };
        sender.say(Control::Begin { chunk_bytes: beginning.chunk.bytes() });
        if beginning.text {
            sender.say(Control::Text);
            sender.tally.is_text();
        }
        if let Some(text) = beginning.verify {
            sender.tell(Event::Verify(text.clone()));
            if beginning.must_confirm {
                sender.stage = Stage::Confirming;
                sender.effects.push_back(Effect::Ask(Question::Verify(text)));
            }
        }
        sender
    }

    /// The next thing to do. Take them until there is none.
    pub fn poll(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// Whether the walker may go on.
    #[must_use]
    pub fn wants_entries(&self) -> bool {
        self.stage == Stage::Running && self.walk == Walking::Going && self.window.has_room()
    }

    /// Whether the receiver has credit for whatever the reader says next.
    #[must_use]
    pub fn wants_data(&self) -> bool {
        self.stage == Stage::Running
            && self.accepted
            && self.credit.saturating_sub(self.spent) >= FRAME_COST_MAX
    }

    /// What the receiver has taken so far, in bytes of frames.
    #[must_use]
    pub fn taken_bytes(&self) -> u64 {
        self.credit - self.window_bytes
    }

    /// What there is to send still, in bytes, where all of it is known.
    #[must_use]
    pub fn left_bytes(&self) -> Option<u64> {
        let Progress { bytes_done, bytes_total, complete, .. } = self.progress();
        complete.then(|| bytes_total.saturating_sub(*bytes_done))
    }

    /// How many file bytes one block should have at most, once the receiver has accepted: as suits its
    /// window.
    #[must_use]
    pub fn block_bytes(&self) -> usize {
        block_bytes_in(self.window_bytes)
    }

    /// How far it is.
    #[must_use]
    pub fn progress(&self) -> &Progress {
        self.tally.progress()
    }

    /// The person's answer to the comparison of the strings.
    pub fn verified(&mut self, same: bool) {
        if self.stage != Stage::Confirming {
            return;
        }
        self.stage = Stage::Running;
        if !same {
            self.fail(strings_differ());
        }
    }

    /// The walker found the next entry. Only when [`Sender::wants_entries`].
    pub fn entry(&mut self, entry: Entry) {
        if self.stage == Stage::Done {
            return;
        }
        let counted = self.tally.offered(&entry);
        let cost = entry.cost();
        let kept = Sending::new(&entry, counted);
        if entry.id != self.window.next_id() || !self.window.push(cost, kept) {
            return self.fail(Error::new(Kind::Internal, "the walk went on without room for its entries"));
        }
        self.gathered_bytes += cost;
        self.gathered.push(entry);
        if self.gathered_bytes >= CONTROL_BYTES_TARGET || self.gathered.len() >= LIST_MAX {
            self.say_manifest();
        }
    }

    /// So many things were not to be sent, for the report.
    pub fn left_out(&mut self, things: u64) {
        self.tally.left_out(things);
    }

    /// The walker is at its end.
    pub fn walk_ended(&mut self) {
        if self.walk == Walking::Going {
            self.walk = Walking::Ended;
            self.say_manifest();
        }
    }

    /// The reader said something. Only when [`Sender::wants_data`].
    pub fn source(&mut self, event: SourceEvent) {
        if self.stage == Stage::Done {
            return;
        }
        match event {
            SourceEvent::Block(block) => self.block(block),
            SourceEvent::Ended(end) => self.read(end),
            SourceEvent::Dropped { entry, failure } => self.dropped(entry, &failure),
        }
    }

    fn read(&mut self, end: ReadEnd) {
        // The receiver may have given it up meanwhile.
        let Standing::Open(item) = self.window.get(end.entry) else { return };
        let Some(root) = item.ended(end.root) else {
            return self.dropped(end.entry, &Failure::new(Reason::Changed, ""));
        };
        self.tally.measured(&mut item.counted, end.size);
        self.ends.push(FileEnd { entry: end.entry, size: end.size, root });
        if self.ends.len() >= ENDS_MAX {
            self.say_ends();
        }
    }

    fn dropped(&mut self, entry: u64, failure: &Failure) {
        let Standing::Open(item) = self.window.get(entry) else { return };
        item.dropped();
        self.say_ends();
        self.say(Control::Dropped { entry, failure: failure.as_wire() });
    }

    /// To be called several times a second: once everything has its outcome, the last words of the receiver
    /// are waited for a bounded time.
    pub fn tick(&mut self, now_ms: u64) {
        if self.stage != Stage::Running || !self.is_all_resolved() {
            return;
        }
        let since_ms = *self.ending_since_ms.get_or_insert(now_ms);
        if now_ms >= since_ms.saturating_add(RECEIPT_MS) {
            self.end_by_report();
        }
    }

    /// The connection is gone for good. The outcome of every entry is all there is to know: whoever has them
    /// all has succeeded.
    pub fn connection_lost(&mut self, error: Error) {
        let is_careless = self.accepted && defects::has(Defect::LostFinalAcknowledgement);
        if self.stage == Stage::Running && (is_careless || self.is_all_resolved()) {
            self.end_by_report();
        } else {
            self.done(Err(error));
        }
    }

    fn is_all_resolved(&self) -> bool {
        self.walk == Walking::Said && self.accepted && self.window.is_empty()
    }

    fn end_by_report(&mut self) {
        let report = self.tally.report().clone();
        self.done(Ok(report));
    }

    /// Asks for a lane beside the first, or tells that it is wanted no more; either way [`Effect::LaneTaken`]
    /// comes when it is over. Only where the receiver can have more lanes; it comes when it has accepted. A
    /// lane that is there already is not asked for again.
    pub fn lane(&mut self, lane: u8, up: bool) {
        if self.stage != Stage::Running || up == self.lanes.has(lane) {
            return;
        }
        self.lanes.insert(lane);
        self.say(Control::Lane { lane, up });
    }

    /// Whether this lane beside the first was asked for, and the receiver has not said yet that it is no
    /// more. For drivers that choose lanes at random, in tests and in the simulator.
    #[doc(hidden)]
    #[must_use]
    pub fn has_lane(&self, lane: u8) -> bool {
        self.lanes.has(lane)
    }

    /// A frame arrived on a lane beside the first, where the receiver has nothing to say.
    pub fn frame_beside(&mut self) {
        self.fail(broken("the receiver said something on the wrong lane"));
    }

    /// A frame arrived on lane 0: the opened bytes of a record.
    pub fn frame(&mut self, bytes: &[u8]) {
        if self.stage == Stage::Done {
            return;
        }
        let result = match Frame::decode(bytes) {
            Ok(Frame::Control { seq, control }) => {
                self.conversation.heard(seq).and_then(|()| self.control(control))
            }
            // What is counted there is the lane's.
            Ok(Frame::KeepAlive | Frame::Received { .. }) => Ok(()),
            Ok(Frame::Data(_) | Frame::Packed(_)) => Err(broken("the receiver sent data")),
            Err(error) => Err(broken(error)),
        };
        if let Err(error) = result {
            self.fail(error);
        }
    }

    /// Nothing else is at hand: what was gathered goes out.
    pub fn idle(&mut self) {
        if self.stage == Stage::Running {
            self.say_manifest();
            self.say_ends();
        }
    }

    /// Ends the session because of an error on this side, telling the other. Once every outcome is known,
    /// only the other side's contradicting itself makes it a failure.
    pub fn fail(&mut self, error: Error) {
        if self.stage == Stage::Done {
            return;
        }
        let is_contradiction = matches!(error.kind(), Kind::Protocol | Kind::Internal);
        let knows_all = self.stage == Stage::Running && self.is_all_resolved() && !is_contradiction;
        let text = bounded_text(error.to_string());
        let text = if error.kind() == Kind::Interrupted { "" } else { &text };
        self.say(Control::Cancel(Cancelled { reason: cancel_reason(&error), text }));
        if knows_all { self.end_by_report() } else { self.done(Err(error)) }
    }

    fn block(&mut self, block: Block) {
        let bytes = block.pieces().iter().map(|piece: &Piece| u64::from(piece.place().2)).sum();
        for piece in block.pieces() {
            if let Standing::Open(item) = self.window.get(piece.place().0) {
                self.tally.compared(&mut item.counted, piece.held_bytes());
            }
        }
        self.tally.carried(block.content_bytes(), block.payload_bytes());
        match block.pack() {
            Ok(packed) => {
                self.spent += packed.cost;
                self.in_flight.push_back(InFlight { spent: self.spent, bytes });
                self.effects.push_back(Effect::Frame(packed));
            }
            Err(error) => {
                self.fail(Error::new(Kind::Internal, "a data frame was built too long").caused_by(error));
            }
        }
    }

    fn control(&mut self, control: Control<'_>) -> Result<()> {
        match control {
            Control::Accept { window } if !self.accepted && window <= WINDOW_BYTES_MAX => {
                self.accepted = true;
                self.window_bytes = window;
                self.credit = window;
                self.tell(Event::Accepted);
                Ok(())
            }
            Control::Plan(verdicts) if self.accepted => {
                verdicts.into_iter().try_for_each(|verdict| self.plan(verdict))
            }
            Control::Credit { total }
                if self.accepted && total >= self.credit && total <= self.spent + self.window_bytes =>
            {
                self.credit = total;
                self.taken();
                Ok(())
            }
            Control::Outcomes(outcomes) if self.accepted => outcomes
                .into_iter()
                .try_for_each(|outcome| self.outcome(outcome.entry, outcome.failure.as_ref())),
            Control::Get(gets) if self.accepted => gets.iter().try_for_each(|get| self.get(get)),
            Control::Complete { delivered, failed } => self.complete(delivered, failed),
            Control::LaneTaken { lane, frames } if self.lanes.has(lane) => {
                self.lanes.remove(lane);
                self.effects.push_back(Effect::LaneTaken { lane, frames });
                Ok(())
            }
            Control::Cancel(cancelled) => {
                self.done(Err(cancelled_by_peer(&cancelled)));
                Ok(())
            }
            _ => Err(broken("the receiver said something that does not belong here")),
        }
    }

    fn plan(&mut self, verdict: Verdict) -> Result<()> {
        let id = self.planned;
        self.planned += 1;
        let chunk = self.chunk;
        let Standing::Open(item) = self.window.get(id) else {
            return Err(broken("the receiver planned what was not offered, or twice"));
        };
        self.effects.extend(item.plan(verdict, chunk)?.map(Effect::Fetch));
        Ok(())
    }

    /// The receiver says what it wants of one file, for the first time or again.
    fn get(&mut self, get: &Get) -> Result<()> {
        let Standing::Open(item) = self.window.get(get.entry) else {
            return Err(broken("the receiver asked for what was not offered, or has its outcome"));
        };
        let (fetch, is_again) = item.get(get)?;
        if is_again {
            self.tally.again(&mut item.counted, get);
        }
        self.effects.push_back(Effect::Fetch(fetch));
        Ok(())
    }

    fn outcome(&mut self, id: u64, failure: Option<&WireFailure<'_>>) -> Result<()> {
        if id >= self.planned {
            return Err(broken("an outcome of what was not planned"));
        }
        // A file cannot be delivered before its end was said; that it fails early is possible.
        match self.window.get(id) {
            Standing::Open(item) if failure.is_none() && !item.may_be_delivered() => {
                return Err(broken("the receiver delivered a file before its end"));
            }
            Standing::Open(_) => {}
            Standing::Resolved | Standing::Unknown => return Err(broken("a second outcome of one item")),
        }
        let Standing::Open(item) = self.window.resolve(id) else { return Ok(()) };
        if item.is_busy() {
            self.effects.push_back(Effect::Abandon(id));
        }
        if let Some(end) = self.tally.resolved(item.counted, failure.map(Failure::from)) {
            self.tell(Event::Entry(end));
        }
        Ok(())
    }

    fn complete(&mut self, delivered: u64, failed: u64) -> Result<()> {
        let report = self.tally.report();
        let agrees = self.is_all_resolved() && (delivered, failed) == (report.delivered, report.failed);
        if !agrees {
            return Err(broken("the receiver ended before everything had its outcome"));
        }
        let report = report.clone();
        // What it has not given back credit for is taken all the same: everything has its outcome.
        for frame in self.in_flight.drain(..) {
            self.tally.taken(frame.bytes);
        }
        self.say(Control::Receipt);
        self.done(Ok(report));
        Ok(())
    }

    /// Counts the data frames that the new credit shows to be taken: the receiver gives back what it took.
    fn taken(&mut self) {
        let taken = self.credit - self.window_bytes;
        while let Some(frame) = self.in_flight.front().filter(|frame| frame.spent <= taken) {
            self.tally.taken(frame.bytes);
            self.in_flight.pop_front();
        }
    }

    fn say_manifest(&mut self) {
        let entries = std::mem::take(&mut self.gathered);
        self.gathered_bytes = 0;
        if !entries.is_empty() {
            let items: Vec<Item<'_>> = entries.iter().map(Entry::item).collect();
            self.say(Control::Manifest(items));
            self.tell(Event::Offer(self.tally.offer().clone()));
        }
        if self.walk == Walking::Ended {
            self.walk = Walking::Said;
            self.tally.manifest_ended();
            self.say(Control::ManifestEnd { items: self.window.next_id() });
            self.tell(Event::Offer(self.tally.offer().clone()));
        }
    }

    fn say_ends(&mut self) {
        let ends = std::mem::take(&mut self.ends);
        if !ends.is_empty() {
            self.say(Control::Ended(ends));
        }
    }

    fn say(&mut self, control: Control<'_>) {
        match self.conversation.say(control) {
            Ok(packed) => self.effects.push_back(Effect::Frame(packed)),
            Err(error) => self.done(Err(error)),
        }
    }

    fn tell(&mut self, event: Event) {
        self.effects.push_back(Effect::Event(event));
    }

    fn done(&mut self, result: Result<Report>) {
        if self.stage != Stage::Done {
            self.stage = Stage::Done;
            self.effects.push_back(Effect::Done(result));
        }
    }
}

/// Ends of files in one frame: 512 of them take about 24 KiB.
const ENDS_MAX: usize = 512;

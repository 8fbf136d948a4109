//! The receiving session: a pure machine from the first frame to the receipt.
//!
//! ```text
//!   lane ──frame──▶ ┌──────────┐ ──Job────▶ sink
//!   sink ──event──▶ │ Receiver │ ──Frame──▶ lane
//!   person ─answer▶ └──────────┘ ──Event──▶ person
//! ```
//!
//! Nothing touches the disk before the person has accepted. From then on each item of the manifest becomes a
//! job of the sink; what the sink says becomes plans, credit and outcomes. When every item has its outcome
//! the machine says `Complete`, and waits for the receipt a bounded time: everything is on disk by then, so
//! that it is lost changes nothing here.

mod conflicts;
mod contents;
mod credit;
mod gathered;
mod lanes;
mod offer;
mod receiving;

use std::collections::{HashMap, VecDeque};

use bytes::BytesMut;

use super::sink::{Job, SinkEvent};
use crate::defects::{self, Defect};
use crate::error::{Error, Kind, Result};
use crate::events::tally::Tally;
use crate::events::{Conflict, Decision, Event, Progress, Question, Report};
use crate::proto::chunk::ChunkSize;
use crate::proto::conversation::{Conversation, broken, cancel_reason, cancelled_by_peer, strings_differ};
use crate::proto::frame::{
    Cancelled, Control, Failure, FileEnd, Frame, Get, PackedBlock, Verdict, bounded_text, cost,
};
use crate::proto::handshake::Capabilities;
use crate::proto::limits::RECEIPT_MS;
use crate::proto::manifest::{Entry, Nesting};
use crate::proto::pace::Rate;
use crate::proto::seal::TAG_BYTES;
use crate::proto::window::{Standing, Window};

use conflicts::Conflicts;
use credit::Credit;
use gathered::Gathered;
use lanes::Lanes;
use receiving::Receiving;

/// The receiving side of one session.
#[derive(Debug)]
pub struct Receiver {
    conversation: Conversation,
    effects: VecDeque<Effect>,
    tally: Tally,
    nesting: Nesting,
    both_can: Capabilities,
    window: Window<Receiving>,
    stage: Stage,
    // `None` until the sender has begun.
    chunk: Option<ChunkSize>,
    confirming: bool,
    accepting: Accepting,
    // Items that arrived before the person accepted, bounded by the window.
    held: Vec<Entry>,
    manifest_ended: bool,
    receipt_due_ms: Option<u64>,
    gathered: Gathered,
    // What is offered is one text, for the person.
    text: bool,
    conflicts: Conflicts,
    credit: Credit,
    lanes: Lanes,
    // Ends that were said before everything had come on other lanes: of open items.
    early_ends: HashMap<u64, FileEnd>,
}

/// What the driver must do.
#[derive(Debug)]
pub enum Effect {
    /// Seal this and send it on the lane.
    Frame(PackedBlock),
    /// The person accepted: open the output, for files cut like this. Comes once, before any job.
    Open(ChunkSize),
    /// Give this to the sink.
    Job(Job),
    /// Tell the person.
    Event(Event),
    /// Ask the person; the answer goes to [`Receiver::verified`] or [`Receiver::accepted`].
    Ask(Question),
    /// Ask the person about this; the answer goes to [`Receiver::decided`].
    Decide(Conflict),
    /// Come to the room of this lane, or let go of its connection for good; then [`Receiver::lane_taken`].
    Lane {
        /// Its number, from 1.
        lane: u8,
        /// Come, or let go.
        up: bool,
    },
    /// Nothing more will come: let what was said reach the other side, close, and return this.
    Done(Result<Report>),
}

/// How a session begins.
#[derive(Clone, Debug, Default)]
pub struct Beginning {
    /// The string to compare, if either side asked for it.
    pub verify: Option<String>,
    /// Whether this side's person must confirm it before anything is received.
    pub must_confirm: bool,
    /// Accept without asking.
    pub yes: bool,
    /// What both sides can do.
    pub both_can: Capabilities,
    /// No more than this is to come a second.
    pub limit: Option<Rate>,
}

#[derive(Debug, PartialEq, Eq)]
enum Stage {
    Running,
    // `Complete` is said, the receipt is awaited.
    Ending,
    Done,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Accepting {
    // Not asked yet: nothing was offered, or the strings are still being compared.
    NotAsked { yes: bool },
    Asked,
    Accepted,
}

impl Receiver {
    /// A session that was just established. The first effects are ready.
    #[must_use]
    pub fn new(beginning: Beginning) -> Receiver {
        let mut receiver = Receiver {
            conversation: Conversation::default(),
            effects: VecDeque::new(),
            tally: Tally::default(),
            nesting: Nesting::new(),
            both_can: beginning.both_can,
            window: Window::new(),
            stage: Stage::Running,
            chunk: None,
            confirming: false,
            accepting: Accepting::NotAsked { yes: beginning.yes },
            held: Vec::new(),
            manifest_ended: false,
            receipt_due_ms: None,
            gathered: Gathered::default(),
            text: false,
            conflicts: Conflicts::default(),
            credit: Credit::new(beginning.limit),
            lanes: Lanes::new(beginning.both_can.has(Capabilities::LANES)),
            early_ends: HashMap::new(),
        };
        if let Some(text) = beginning.verify {
            receiver.tell(Event::Verify(text.clone()));
            if beginning.must_confirm {
                receiver.confirming = true;
                receiver.effects.push_back(Effect::Ask(Question::Verify(text)));
            }
        }
        receiver
    }

    /// The next thing to do. Take them until there is none.
    pub fn poll(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// Whether what is offered is a text, which is shown and not written. Known before it is accepted.
    #[must_use]
    pub fn is_text(&self) -> bool {
        self.text
    }

    /// How far it is.
    #[must_use]
    pub fn progress(&self) -> &Progress {
        self.tally.progress()
    }

    /// The person's answer to the comparison of the strings.
    pub fn verified(&mut self, same: bool, now_ms: u64) {
        if self.stage != Stage::Running || !std::mem::take(&mut self.confirming) {
            return;
        }
        if same {
            self.ask_if_offered();
            self.complete_if_all_resolved(now_ms);
        } else {
            self.fail(strings_differ());
        }
    }

    /// The person's answer to the offer.
    pub fn accepted(&mut self, yes: bool, now_ms: u64) {
        if self.stage != Stage::Running || self.accepting != Accepting::Asked {
            return;
        }
        if yes {
            self.accept();
            // An empty manifest may have ended before the answer.
            self.complete_if_all_resolved(now_ms);
        } else {
            self.fail(Error::new(Kind::Refused, "declined: nothing was received"));
        }
    }

    /// A frame arrived on lane 0: the opened bytes of a record.
    pub fn frame(&mut self, bytes: BytesMut, now_ms: u64) {
        if self.stage == Stage::Done {
            return;
        }
        if let Err(error) = self.read(bytes, now_ms) {
            self.fail(error);
        }
    }

    /// A frame arrived on another lane.
    pub fn frame_beside(&mut self, bytes: BytesMut, now_ms: u64) {
        if self.stage == Stage::Done {
            return;
        }
        let charged = self.credit.charged();
        // Before a lane is there nothing comes on it.
        let result = match Frame::decode(&bytes) {
            Ok(Frame::Control { .. }) => Err(broken("something was said on the wrong lane")),
            Ok(_) => self.read(bytes, now_ms),
            Err(error) => Err(broken(error)),
        };
        if defects::has(Defect::LaneCreditLost) {
            self.credit.lose_since(charged);
        }
        if let Err(error) = result {
            self.fail(error);
        }
    }

    /// This lane has no connection any more, and so many of its frames were taken in all.
    pub fn lane_taken(&mut self, lane: u8, frames: u64) {
        if self.stage == Stage::Running && self.lanes.went(lane) {
            self.say(Control::LaneTaken { lane, frames });
        }
    }

    /// The sink said something.
    pub fn sink(&mut self, event: SinkEvent, now_ms: u64) {
        if self.stage == Stage::Done {
            return;
        }
        match event {
            SinkEvent::Planned { entry, verdict } => self.planned(entry, verdict),
            SinkEvent::Get(get) => self.get(get),
            SinkEvent::Conflict { entry, conflict } => {
                self.effects.extend(self.conflicts.arose(entry, conflict));
            }
            SinkEvent::KeptBoth { path, name } => self.tell(Event::KeptBoth { path, name }),
            SinkEvent::Taken { cost } => {
                self.credit.taken(cost);
                let total = self.credit.next_step(now_ms);
                self.say_credit(total);
            }
            SinkEvent::Resolved { entry, failure } => self.resolved(entry, failure, now_ms),
        }
    }

    /// Nothing else is at hand: what was gathered goes out.
    pub fn idle(&mut self) {
        if self.stage == Stage::Running {
            self.say_plan();
            self.say_gets();
            self.say_outcomes();
        }
    }

    /// To be called several times a second: gives small credit back now and then, so that the sender's person
    /// sees progress on a slow line, and ends the wait for the receipt.
    pub fn tick(&mut self, now_ms: u64) {
        if self.stage == Stage::Running && self.accepting == Accepting::Accepted {
            let total = self.credit.next(now_ms);
            self.say_credit(total);
        }
        if self.stage == Stage::Ending && self.receipt_due_ms.is_some_and(|due| now_ms >= due) {
            self.end_by_report();
        }
    }

    /// The connection is gone. Once everything is committed that is no failure of this side.
    pub fn connection_lost(&mut self, error: Error) {
        if self.stage == Stage::Ending { self.end_by_report() } else { self.done(Err(error)) }
    }

    /// Ends the session because of an error on this side, telling the other. Once everything is committed
    /// there is nothing to fail any more: whatever happens to the receipt, this side knows what it has.
    pub fn fail(&mut self, error: Error) {
        match self.stage {
            Stage::Done => return,
            Stage::Ending => return self.end_by_report(),
            Stage::Running => {}
        }
        let text = bounded_text(error.to_string());
        // What a person has decided is said by the reason alone.
        let is_said = matches!(error.kind(), Kind::Interrupted | Kind::Refused)
            && std::error::Error::source(&error).is_none();
        let text = if is_said { "" } else { &text };
        self.say(Control::Cancel(Cancelled { reason: cancel_reason(&error), text }));
        self.done(Err(error));
    }

    fn read(&mut self, mut bytes: BytesMut, now_ms: u64) -> Result<()> {
        let frame = Frame::decode(&bytes).map_err(broken)?;
        let is_credited = matches!(frame, Frame::Data(_) | Frame::Packed(_));
        self.credit.came(bytes.len() + TAG_BYTES, is_credited);
        let (pieces, payload_bytes, packed) = match frame {
            // What is counted there is the lane's.
            Frame::KeepAlive | Frame::Received { .. } => return Ok(()),
            Frame::Control { seq, control } => {
                self.conversation.heard(seq)?;
                return self.control(control, now_ms);
            }
            Frame::Data(data) => (data.pieces, data.payload.len(), None),
            Frame::Packed(data) if !data.codec.is_among(self.both_can) => {
                return Err(broken("it packs as this side did not say it can unpack"));
            }
            Frame::Packed(data) => (data.pieces, data.payload.len(), Some((data.codec, data.length))),
        };
        let cost = cost(bytes.len(), &pieces, packed.map(|(_, length)| length));
        let payload = bytes.split_off(bytes.len() - payload_bytes);
        self.data(pieces, payload, packed, cost)
    }

    fn control(&mut self, control: Control<'_>, now_ms: u64) -> Result<()> {
        match control {
            Control::Begin { chunk_bytes } if self.chunk.is_none() => {
                let chunk = ChunkSize::new(u64::from(chunk_bytes));
                self.chunk = Some(chunk.ok_or_else(|| broken("it cuts files in a size that is none"))?);
                Ok(())
            }
            _ if self.chunk.is_none() && !matches!(control, Control::Cancel(_)) => {
                Err(broken("the sender did not begin at the beginning"))
            }
            Control::Text if self.may_be_text() => {
                self.text = true;
                self.tally.is_text();
                Ok(())
            }
            Control::Manifest(items) if !self.manifest_ended => {
                items.iter().try_for_each(|item| self.item(item))?;
                self.offered();
                Ok(())
            }
            Control::ManifestEnd { items } if !self.manifest_ended => {
                if items != self.nesting.next_id() || !self.nesting.is_balanced() {
                    return Err(broken("the manifest ended too early"));
                }
                self.manifest_ended = true;
                self.tally.manifest_ended();
                self.offered();
                self.complete_if_all_resolved(now_ms);
                Ok(())
            }
            Control::Ended(ends) => ends.into_iter().try_for_each(|end| self.ended(end)),
            Control::Dropped { entry, failure } => self.dropped(entry, Failure::from(&failure)),
            Control::Lane { lane, up } => {
                // Nothing is dialled before the person has agreed.
                let is_early = self.accepting != Accepting::Accepted;
                let may = !up || !is_early;
                if self.lanes.wanted(lane, up, is_early)? && may && self.stage == Stage::Running {
                    self.effects.push_back(Effect::Lane { lane, up });
                }
                Ok(())
            }
            Control::Receipt | Control::Cancel(_) if self.stage == Stage::Ending => {
                self.end_by_report();
                Ok(())
            }
            Control::Cancel(cancelled) => {
                self.done(Err(cancelled_by_peer(&cancelled)));
                Ok(())
            }
            _ => Err(broken("the sender said something that does not belong here")),
        }
    }

    fn planned(&mut self, id: u64, verdict: Verdict) {
        if let Standing::Open(item) = self.window.get(id) {
            item.planned(verdict);
        }
        if self.gathered.verdict(verdict) {
            self.say_plan();
        }
    }

    /// The sink wants some chunks of a file, or the values of some.
    fn get(&mut self, get: Get) {
        let Standing::Open(item) = self.window.get(get.entry) else { return };
        match item.get(&get) {
            Some(true) => self.tally.again(&mut item.counted, &get),
            Some(false) => {}
            None => {
                return self.fail(Error::new(Kind::Internal, "the sink asked for a file at a wrong time"));
            }
        }
        if !self.gathered.has_room_for(&get) {
            self.say_gets();
        }
        self.gathered.get(get);
    }

    /// The person's answer about the conflict that was asked last.
    pub fn decided(&mut self, decision: Decision) {
        if self.stage == Stage::Running {
            self.effects.extend(self.conflicts.decided(decision));
        }
    }

    fn resolved(&mut self, id: u64, failure: Option<Failure>, now_ms: u64) {
        let Standing::Open(item) = self.window.resolve(id) else { return };
        self.early_ends.remove(&id);
        if let Some(end) = self.tally.resolved(item.counted, failure.clone()) {
            self.tell(Event::Entry(end));
        }
        if self.gathered.outcome(id, failure) {
            self.say_outcomes();
        }
        self.complete_if_all_resolved(now_ms);
    }

    fn complete_if_all_resolved(&mut self, now_ms: u64) {
        let is_complete =
            self.manifest_ended && self.accepting == Accepting::Accepted && self.window.is_empty();
        if self.stage != Stage::Running || !is_complete {
            return;
        }
        self.say_outcomes();
        let (delivered, failed) = (self.tally.report().delivered, self.tally.report().failed);
        self.say(Control::Complete { delivered, failed });
        self.stage = Stage::Ending;
        self.receipt_due_ms = Some(now_ms + RECEIPT_MS);
    }

    fn say_credit(&mut self, total: Option<u64>) {
        if let Some(total) = total {
            self.say(Control::Credit { total });
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

    fn end_by_report(&mut self) {
        let report = self.tally.report().clone();
        self.done(Ok(report));
    }

    fn done(&mut self, result: Result<Report>) {
        if self.stage != Stage::Done {
            self.stage = Stage::Done;
            self.effects.push_back(Effect::Done(result));
        }
    }
}

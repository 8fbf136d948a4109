//! Drives the receiving machine: the threads of the disk, one lane.

use futures_lite::future;

use super::destination::Held;
use super::disk::{CLEANING, Disk, LETTING_GO};
use super::machine::{Beginning, Effect, Receiver};
use super::sink::{Rules, SinkEvent};
use super::{Destination, SumFile};
use crate::error::{Error, Kind, Result};
use crate::events::{Event, Report};
use crate::net::lanes::Lanes;
use crate::net::link::{Asked, Drive, Ended, Happening, Link, drive};
use crate::net::pair::Paired;
use crate::proto::pace::Rate;

/// Runs the receiving side of an established session until it ends or the peer restarts. On restart the
/// destination is released before this returns. Dropping the future abandons the transfer silently;
/// cancelling ends it in order.
///
/// # Errors
/// Whatever ended the session before every entry had its outcome.
pub async fn run(paired: Paired<'_>, terms: Terms) -> Result<Ended<'_>> {
    let beginning = Beginning {
        verify: paired.verify.clone(),
        must_confirm: paired.must_confirm,
        yes: terms.yes,
        limit: terms.limit,
        both_can: paired.both_can,
    };
    let (link, upkeep) = Link::new(paired);
    let driver =
        Driver { machine: Receiver::new(beginning), link, terms: Some(terms), disk: None, held: None };
    // On the heap: it is far larger than what it is part of.
    Box::pin(upkeep.beside(Box::pin(driver.run()))).await
}

/// What becomes of what comes.
#[derive(Clone, Debug)]
pub struct Terms {
    /// Where it goes.
    pub destination: Destination,
    /// Where the checksums of what is delivered go.
    pub sums: Option<SumFile>,
    /// How what stands there already is treated.
    pub rules: Rules,
    /// Whether it is taken without asking.
    pub yes: bool,
    /// No more than this is asked for a second.
    pub limit: Option<Rate>,
}

struct Driver<'h> {
    machine: Receiver,
    link: Link<'h>,
    // Until the person accepts, the disk is not touched.
    terms: Option<Terms>,
    disk: Option<Disk>,
    // A text that is to be shown.
    held: Option<Held>,
}

enum Input {
    Happened(Happening),
    Sunk(Result<Vec<SinkEvent>>),
}

impl<'h> Driver<'h> {
    async fn run(mut self) -> (Result<Ended<'h>>, Lanes) {
        let mut result = drive(&mut self).await;
        if let Some(disk) = self.disk {
            match result {
                Ok(Ended::Done(_)) => {
                    if let Err(error) = disk.conclude(CLEANING).await {
                        result = Err(error);
                    }
                }
                Ok(Ended::Restarted { .. }) => disk.end(LETTING_GO).await,
                Err(_) => disk.end(CLEANING).await,
            }
        }
        (result, self.link.lanes)
    }

    /// Nothing more is taken from this lane.
    fn let_go(&mut self, lane: u8) {
        match self.link.lanes.let_go(lane) {
            Ok(frames) => self.machine.lane_taken(lane, frames),
            Err(error) => self.machine.fail(error),
        }
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
                Effect::Open(chunk) => {
                    let is_text = self.machine.is_text();
                    let terms = self.terms.take().map(|terms| match terms.destination {
                        Destination::Directory(_) if is_text => {
                            let held = self.held.insert(Held::default()).clone();
                            Terms { destination: Destination::Memory(held), sums: None, ..terms }
                        }
                        _ => terms,
                    });
                    match terms.map(|terms| Disk::start(terms, chunk)) {
                        Some(Ok(disk)) => self.disk = Some(disk),
                        Some(Err(error)) => self.machine.fail(error),
                        None => {}
                    }
                }
                Effect::Job(job) => {
                    if let Some(disk) = &self.disk {
                        disk.give(job);
                    }
                }
                Effect::Event(event) => self.link.tell(event),
                Effect::Ask(question) => self.link.ask(question),
                Effect::Lane { lane, up: true } => self.link.lanes.open(lane),
                Effect::Lane { lane, up: false } => self.let_go(lane),
                Effect::Decide(conflict) => self.link.decide(conflict),
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
        let Driver { link, disk, .. } = self;
        let happened = async { Input::Happened(link.next().await) };
        let sunk = async {
            let Some(disk) = disk else { return future::pending().await };
            Input::Sunk(disk.said().await)
        };
        // By turns: an endless stream of frames must not hold back the credit that keeps it flowing.
        future::race(happened, sunk).await
    }

    fn feed(&mut self, input: Input) {
        let now_ms = self.link.now_ms();
        match input {
            Input::Sunk(Ok(events)) => {
                for event in events {
                    if matches!(event, SinkEvent::Resolved { failure: None, .. })
                        && let Some(held) = self.held.take()
                    {
                        self.link.tell(Event::Text(held.take()));
                    }
                    self.machine.sink(event, now_ms);
                }
            }
            Input::Happened(Happening::Frame(Ok(bytes))) => self.machine.frame(bytes, now_ms),
            Input::Happened(Happening::Frame(Err(error))) if error.kind() == Kind::ConnectionLost => {
                self.machine.connection_lost(error);
            }
            Input::Happened(Happening::FrameBeside(Ok(bytes))) => self.machine.frame_beside(bytes, now_ms),
            Input::Happened(Happening::LaneLost { lane, .. }) => self.let_go(lane),
            Input::Sunk(Err(error))
            | Input::Happened(Happening::Frame(Err(error)) | Happening::FrameBeside(Err(error))) => {
                self.machine.fail(error);
            }
            Input::Happened(Happening::Answer(Asked::Verify, same)) => self.machine.verified(same, now_ms),
            Input::Happened(Happening::Answer(Asked::Accept, yes)) => self.machine.accepted(yes, now_ms),
            Input::Happened(Happening::Decided(decision)) => self.machine.decided(decision),
            Input::Happened(Happening::Drained | Happening::LaneUp(_) | Happening::Restarted) => {}
            Input::Happened(Happening::Cancelled) => {
                self.machine.fail(Error::interrupted());
            }
            Input::Happened(Happening::Tick) => {
                self.machine.tick(now_ms);
                self.link.show(self.machine.progress());
            }
        }
    }
}

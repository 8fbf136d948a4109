//! What both session drivers share: the lanes, the person and the clock.
//!
//! A driver waits for [`Link::next`] beside its own threads, feeds what comes to its machine, and carries out the machine's effects. The
//! link keeps the one open question, the cancellation and the steady tick that progress is shown by. A lost connection is its own affair: it
//! has the other side looked for ([`Upkeep`]), and the machine hears of it only when that was in vain.

use std::future::poll_fn;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use futures_lite::{StreamExt, future};
use smol::Timer;

use super::attempt::Session;
use super::lanes::{Lanes, News};
use super::pair::{Paired, deadline};
use super::reunion::{Found, GO_ON};
use super::upkeep::{Order, Orders, Upkeep, upkeep};
use super::ws::Closed;
use crate::error::{Error, Kind, Result};
use crate::events::{
    Answer, Cancel, Conflict, Deciding, Decision, Event, Handler, Progress, Question, Report,
};
use crate::proto::conversation::Conversation;
use crate::proto::frame::{CancelReason, Cancelled, Control, bounded_text};
use crate::proto::parting::SPENT;

/// The lanes, one person, one clock.
pub struct Link<'h> {
    /// Where frames go out.
    pub lanes: Lanes,
    orders: Orders<'h>,
    retry: Duration,
    looked: Option<Looked>,
    connected: Instant,
    // The other side was started again: this session is over.
    restarted: Option<Box<Paired<'h>>>,
    handler: &'h dyn Handler,
    cancel: &'h Cancel,
    cancelled: bool,
    question: Option<(Asked, Answer<'h>)>,
    deciding: Option<Deciding<'h>>,
    ticks: Timer,
    started: Instant,
    // Since the person accepted.
    moving_since: Option<Instant>,
    shown: Progress,
    lanes_shown: u8,
}

/// Something that happened to a session, whichever side it is.
pub enum Happening {
    /// A frame arrived on the first lane, or none will any more.
    Frame(Result<BytesMut>),
    /// A frame arrived on a lane beside it; or something came there that ends the session.
    FrameBeside(Result<BytesMut>),
    /// This lane beside the first has a connection.
    LaneUp(u8),
    /// It has none any more, or got none. [`Lanes::let_go`] was done.
    LaneLost {
        /// Its number.
        lane: u8,
        /// The relay does not want it.
        is_refused: bool,
    },
    /// The person answered.
    Answer(Asked, bool),
    /// The person decided about a conflict.
    Decided(Decision),
    /// The person cancelled. Comes once.
    Cancelled,
    /// A tenth of a second has passed.
    Tick,
    /// The lane has sent something: there may be room for more.
    Drained,
    /// The other side was started again, and `drive` ends this session. Nothing is to be done.
    Restarted,
}

/// How a session ended that did not fail.
pub enum Ended<'p> {
    /// Everything has its outcome.
    Done(Report),
    /// The other side was started again with the same code, and a new session with it is established.
    Restarted {
        /// The new one.
        paired: Box<Paired<'p>>,
        /// Whether the person had accepted what is offered.
        accepted: bool,
    },
}

/// The search before this one.
#[derive(Clone, Copy)]
struct Looked {
    /// What had passed on the lane when it began.
    passed: u64,
    until: Instant,
    /// How many connections in a row have come to nothing, before it.
    in_vain: u32,
}

/// What happened to the link itself, or to the session.
enum Raw<'h> {
    Happened(Happening),
    Lost(Error),
    Found(Result<Found<'h>>),
}

/// Which question was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Take what is offered?
    Accept,
    /// Do both sides show the same string?
    Verify,
}

impl<'h> Link<'h> {
    /// Takes over a session's lane. The second value moves its bytes: [`Upkeep::beside`] runs it beside the session.
    #[must_use]
    pub fn new(paired: Paired<'h>) -> (Link<'h>, Upkeep<'h>) {
        let Paired { lane, io, reunion, handler, cancel, .. } = paired;
        let retry = reunion.retry();
        let (lanes, crew) = Lanes::new(lane);
        let (orders, upkeep) = upkeep(io, crew, reunion);
        let link = Link {
            lanes,
            orders,
            retry,
            looked: None,
            connected: Instant::now(),
            restarted: None,
            handler,
            cancel,
            cancelled: false,
            question: None,
            deciding: None,
            ticks: Timer::interval(TICK),
            started: Instant::now(),
            moving_since: None,
            shown: Progress::default(),
            lanes_shown: 1,
        };
        (link, upkeep)
    }

    /// Milliseconds since this link began: the `now_ms` of the machines.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        crate::proto::time::millis(self.started.elapsed())
    }

    /// Puts a question to the person. Only one is open at a time; a new one takes the place of the old.
    pub fn ask(&mut self, question: Question) {
        let asked = match question {
            Question::Accept(_) => Asked::Accept,
            Question::Verify(_) => Asked::Verify,
        };
        self.question = Some((asked, self.handler.ask(question)));
    }

    /// Asks the person about a conflict. Only one is open at a time; a new one takes the place of the old.
    pub fn decide(&mut self, conflict: Conflict) {
        self.deciding = Some(self.handler.decide(conflict));
    }

    /// Tells the person what happened.
    pub fn tell(&mut self, event: Event) {
        if matches!(event, Event::Accepted) {
            self.moving_since = Some(Instant::now());
        }
        self.handler.event(event);
    }

    /// Shows progress, if there was any.
    pub fn show(&mut self, progress: &Progress) {
        if *progress != self.shown {
            self.shown = progress.clone();
            self.handler.event(Event::Progress(progress.clone()));
        }
    }

    /// The next thing that happens. Cancel safe.
    pub async fn next(&mut self) -> Happening {
        loop {
            // What is done about it is done at once, so nothing is lost when this is dropped while it waits.
            let happened = match self.wait().await {
                Raw::Happened(happening) => Some(happening),
                Raw::Lost(error) => self.lost(error),
                Raw::Found(found) => self.found(found),
            };
            let lanes = self.lanes.up();
            if std::mem::replace(&mut self.lanes_shown, lanes) != lanes {
                self.handler.event(Event::Lanes(lanes));
            }
            if let Some(happening) = happened {
                return happening;
            }
        }
    }

    async fn wait(&mut self) -> Raw<'h> {
        let Link { lanes, orders, cancel, cancelled, question, deciding, ticks, .. } = self;
        let moved = async {
            Raw::Happened(match lanes.next().await {
                News::First(Err(error)) if error.kind() == Kind::ConnectionLost => return Raw::Lost(error),
                News::First(frame) => Happening::Frame(frame),
                News::Beside(frame) => Happening::FrameBeside(frame),
                News::Up(lane) => Happening::LaneUp(lane),
                News::Lost { lane, is_refused } => Happening::LaneLost { lane, is_refused },
                News::Drained => Happening::Drained,
            })
        };
        let found = async { Raw::Found(orders.found().await) };
        let answer = async {
            let Some((asked, answer)) = question.as_mut() else { return future::pending().await };
            let (asked, yes) = (*asked, poll_fn(|cx| answer.as_mut().poll(cx)).await);
            *question = None;
            Happening::Answer(asked, yes)
        };
        let decision = async {
            let Some(answer) = deciding.as_mut() else { return future::pending().await };
            let decision = poll_fn(|cx| answer.as_mut().poll(cx)).await;
            *deciding = None;
            Happening::Decided(decision)
        };
        let cancel = async {
            if *cancelled {
                return future::pending().await;
            }
            cancel.cancelled().await;
            *cancelled = true;
            Happening::Cancelled
        };
        let tick = async {
            ticks.next().await;
            Raw::Happened(Happening::Tick)
        };
        // What the person says comes first: an endless stream of frames must not keep them from ending it.
        let said = async { Raw::Happened(future::or(cancel, future::or(answer, decision)).await) };
        future::or(said, future::or(found, future::or(moved, tick))).await
    }

    /// The connection is gone: another one is looked for, if the person wants that.
    fn lost(&mut self, error: Error) -> Option<Happening> {
        // On another connection the relay would count anew: that is not what its limit is for.
        if is_spent(&error) {
            return Some(Happening::Frame(Err(spent())));
        }
        if self.retry.is_zero() {
            return Some(Happening::Frame(Err(error.hint(GO_ON))));
        }
        let frames = match self.lanes.first_mut(false).detach() {
            Ok(frames) => frames,
            Err(error) => return Some(Happening::Frame(Err(error))),
        };
        let (until, in_vain) = self.looks();
        let retry = if in_vain == 0 { self.retry } else { until.saturating_duration_since(Instant::now()) };
        self.handler.event(Event::Disconnected { what: error.to_string(), retry });
        let session = if self.lanes.first().is_met() { Session::Met } else { Session::Unmet };
        self.orders.give(Order::Search { frames, session, until, in_vain });
        None
    }

    /// Until when to look now, and how many connections came to nothing before. One that carried nothing and did not hold either ends no
    /// search: whoever cuts each of them would keep both sides, and the relay, busy for ever.
    fn looks(&mut self) -> (Instant, u32) {
        let passed = self.lanes.first().passed();
        let before = self.looked.filter(|looked| looked.passed == passed && self.connected.elapsed() < HELD);
        let (until, in_vain) = match before {
            Some(looked) => (looked.until, looked.in_vain.saturating_add(1)),
            None => (deadline(self.retry), 0),
        };
        self.looked = Some(Looked { passed, until, in_vain });
        (until, in_vain)
    }

    /// The search is over.
    fn found(&mut self, found: Result<Found<'h>>) -> Option<Happening> {
        match found {
            Ok(Found::Lane(found)) => {
                let (connection, proven) = *found;
                match self.lanes.first_mut(true).attach(connection, proven) {
                    Ok(io) => {
                        self.connected = Instant::now();
                        self.orders.give(Order::Move(Box::new(io)));
                    }
                    Err(error) => return Some(Happening::Frame(Err(error))),
                }
                self.handler.event(Event::Reconnected);
                None
            }
            Ok(Found::Restarted(paired)) => {
                self.restarted = Some(paired);
                Some(Happening::Restarted)
            }
            Err(error) => Some(Happening::Frame(Err(error))),
        }
    }

    /// How the session ended, if it did because the other side was started again.
    fn superseded(&mut self) -> Option<Ended<'h>> {
        let paired = self.restarted.take()?;
        Some(Ended::Restarted { paired, accepted: self.moving_since.is_some() })
    }
}

/// Whether the relay has ended the connection because both sides have said as much as it lets them.
fn is_spent(error: &Error) -> bool {
    let closed = std::error::Error::source(error).and_then(|source| source.downcast_ref::<Closed>());
    closed.is_some_and(|closed| closed.is_for(SPENT))
}

fn spent() -> Error {
    Error::new(Kind::Relay, "the relay forwards no more for these two sides: its limit is reached")
        .hint("What has arrived stays: run the same commands again to go on, or use another relay.")
}

/// What differs between the two session drivers.
pub(crate) trait Drive<'h> {
    /// What may happen to this side.
    type Input;

    /// Carries out what the machine asks for; returns what the session came to, once it did.
    fn carry_out(&mut self) -> Option<Result<Report>>;

    /// Nothing else is at hand: the machine lets go of what it has gathered.
    fn idle(&mut self);

    /// The next thing that happens. Cancel safe.
    fn next(&mut self) -> impl Future<Output = Self::Input>;

    /// Tells the machine.
    fn feed(&mut self, input: Self::Input);

    /// The link of this side.
    fn link(&mut self) -> &mut Link<'h>;
}

/// Runs a session to its end.
pub(crate) async fn drive<'h>(driver: &mut impl Drive<'h>) -> Result<Ended<'h>> {
    loop {
        if let Some(result) = driver.carry_out() {
            return result.map(|report| Ended::Done(timed(driver, report)));
        }
        let input = match future::poll_once(driver.next()).await {
            Some(input) => input,
            None => {
                driver.idle();
                if let Some(result) = driver.carry_out() {
                    return result.map(|report| Ended::Done(timed(driver, report)));
                }
                driver.next().await
            }
        };
        if let Some(ended) = driver.link().superseded() {
            return Ok(ended);
        }
        driver.feed(input);
    }
}

/// Adds to a report how long it took since the person accepted.
fn timed<'h>(driver: &mut impl Drive<'h>, report: Report) -> Report {
    let since = driver.link().moving_since;
    Report { elapsed: since.map_or(Duration::ZERO, |since| since.elapsed()), ..report }
}

/// Ends a session before it has begun: tells the other side why, and gives the reason back.
pub async fn decline(paired: Paired<'_>, error: Error) -> Error {
    let (link, upkeep) = Link::new(paired);
    let text = bounded_text(error.to_string());
    let cancelled = Cancelled { reason: CancelReason::Interrupted, text: &text };
    if let Ok(frame) = Conversation::default().say(Control::Cancel(cancelled)) {
        // Where that fails the other side will notice that nobody is there.
        let _ = link.lanes.first().send(frame);
    }
    // All of the link, so that it gives no more orders: the upkeep ends when none can come.
    let over = async move {
        let link = link;
        (error, link.lanes)
    };
    upkeep.beside(over).await
}

/// Starts a thread for what may block: walking, reading, writing. It ends when its channels do.
pub(crate) fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<()> {
    let spawned = std::thread::Builder::new().name(name.into()).spawn(work);
    spawned.map(drop).map_err(|error| Error::new(Kind::Internal, "cannot start a thread").caused_by(error))
}

/// A connection that holds for so long was one, also if nobody had anything to say: as long as the longest pause between two.
const HELD: Duration = Duration::from_secs(5);

/// How often progress is looked at.
const TICK: Duration = Duration::from_millis(100);

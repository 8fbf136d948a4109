//! What both session drivers share: the lane, the person and the clock.
//!
//! A driver waits for [`Link::next`] beside its own threads, feeds what comes to its machine, and carries out the machine's effects. The
//! link keeps the one open question, the cancellation and the steady tick that progress is shown by.

use std::future::poll_fn;
use std::pin::pin;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use futures_lite::{StreamExt, future};
use futures_util::FutureExt;
use futures_util::future::FusedFuture;
use smol::Timer;

use super::lane::{Lane, LaneIo};
use crate::error::{Error, Kind, Result};
use crate::events::{
    Answer, Cancel, Conflict, Deciding, Decision, Event, Handler, Progress, Question, Report,
};

/// One lane, one person, one clock.
pub struct Link<'h> {
    /// Where frames go out.
    pub lane: Lane,
    handler: &'h dyn Handler,
    cancel: Cancel,
    cancelled: bool,
    question: Option<(Asked, Answer<'h>)>,
    deciding: Option<Deciding<'h>>,
    ticks: Timer,
    started: Instant,
    // Since the person accepted.
    moving_since: Option<Instant>,
    shown: Progress,
}

/// Something that happened to a session, whichever side it is.
pub enum Happening {
    /// A frame arrived, or none will any more.
    Frame(Result<BytesMut>),
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
    /// Takes over a lane.
    #[must_use]
    pub fn new(lane: Lane, handler: &'h dyn Handler, cancel: Cancel) -> Link<'h> {
        Link {
            lane,
            handler,
            cancel,
            cancelled: false,
            question: None,
            deciding: None,
            ticks: Timer::interval(TICK),
            started: Instant::now(),
            moving_since: None,
            shown: Progress::default(),
        }
    }

    /// Milliseconds since this link began: the `now_ms` of the machines.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
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

    /// Adds how long it took since the person accepted.
    #[must_use]
    pub fn timed(&self, report: Report) -> Report {
        Report { elapsed: self.moving_since.map_or(Duration::ZERO, |since| since.elapsed()), ..report }
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
        let Link { lane, cancel, cancelled, question, deciding, ticks, .. } = self;
        let frame = async { Happening::Frame(lane.next().await) };
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
            Happening::Tick
        };
        let drained = async {
            lane.drained().await;
            Happening::Drained
        };
        // What the person says comes first: an endless stream of frames must not keep them from ending it.
        let answer = future::or(answer, decision);
        future::or(cancel, future::or(answer, future::or(frame, future::or(drained, tick)))).await
    }
}

/// What differs between the two session drivers.
pub(crate) trait Drive {
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
}

/// Runs a session to its end.
pub(crate) async fn drive(driver: &mut impl Drive) -> Result<Report> {
    loop {
        if let Some(result) = driver.carry_out() {
            return result;
        }
        let input = match future::poll_once(driver.next()).await {
            Some(input) => input,
            None => {
                driver.idle();
                if let Some(result) = driver.carry_out() {
                    return result;
                }
                driver.next().await
            }
        };
        driver.feed(input);
    }
}

/// Starts a thread for what may block: walking, reading, writing. It ends when its channels do.
pub(crate) fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<()> {
    let spawned = std::thread::Builder::new().name(name.into()).spawn(work);
    spawned.map(drop).map_err(|error| Error::new(Kind::Internal, "cannot start a thread").caused_by(error))
}

/// Runs a session beside the bytes of its lane. When the session is over, what it said last still goes out, within a bounded time.
pub async fn beside<T>(io: LaneIo, session: impl Future<Output = (T, Lane)>) -> T {
    let mut io = pin!(io.run().fuse());
    let moving = async {
        io.as_mut().await;
        future::pending().await
    };
    let (result, lane) = future::or(moving, session).await;
    lane.finish();
    let late = async {
        Timer::after(CLOSING).await;
    };
    // A connection that was lost is over already.
    if !io.is_terminated() {
        future::or(io, late).await;
    }
    result
}

/// How often progress is looked at.
const TICK: Duration = Duration::from_millis(100);

/// How long the last words may take to go out before the connection is dropped: on a slow line some data is still before them. A
/// person who does not want to wait interrupts a second time.
const CLOSING: Duration = Duration::from_secs(20);

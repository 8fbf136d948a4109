//! A lane: two streams of frames, one each way, that survive the connections they run over.
//!
//! [`Lane`] is what a session holds: frames come out, each exactly once and in order, and frames to be sealed go in. [`LaneIo`] moves the
//! bytes of one connection; both run side by side, and reading never waits for writing. A connection keeps itself alive and notices
//! when the other side is gone. Then [`Lane::next`] says so once, and waits until [`Lane::attach`] brings a new one.
//!
//! What the session has taken is counted, and told to the other side; what it has not said is kept in the [`Outbox`], and said again.

mod io;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use bytes::BytesMut;
use futures_lite::future;
use smol::channel::{Receiver, Sender, bounded};

pub use io::LaneIo;

use super::throttle::Throttle;
use super::ws::Connection;
use crate::error::Result;
use crate::proto::frame::PackedBlock;
use crate::proto::inbox::Inbox;
use crate::proto::outbox::{Load, Outbox};
use crate::proto::rejoin::Proven;
use crate::proto::seal::{Opener, Sealer};

/// The session's end of a lane.
#[derive(Debug)]
pub struct Lane {
    shared: Arc<Shared>,
    /// From the connection there is. Closed when there is none.
    incoming: Receiver<Result<BytesMut>>,
    /// Wakes the one who writes on the connection there is. Closed when there is none.
    more: Sender<()>,
    drained: Receiver<()>,
}

/// What the lane and the mover of its bytes both work on.
#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    drained: Sender<()>,
    started: Instant,
    /// It is not the first, and so not what the session stands on.
    is_beside: bool,
}

#[derive(Debug)]
struct State {
    outbox: Outbox,
    inbox: Inbox,
    /// When the other side spoke first in this session: so it has it, too.
    met_ms: Option<u64>,
    /// Changes whenever a connection comes or goes: who moves the bytes of another one has nothing to say and to hear here.
    connection: u64,
    /// The session is over, and the lane ends with this connection.
    is_over: bool,
    /// What data waits for besides the socket.
    throttle: Option<Throttle>,
}

/// What one connection has of the lane, as long as it is the lane's.
#[derive(Clone, Debug)]
struct Part {
    shared: Arc<Shared>,
    number: u64,
}

/// Makes a lane of its first connection, whose other side is known from the pairing.
#[must_use]
pub fn lane(connection: Connection, sealer: Sealer, opener: Opener) -> (Lane, LaneIo) {
    let (drained_in, drained) = bounded(1);
    let (outbox, inbox) = (Outbox::new(sealer), Inbox::default());
    let state = State { outbox, inbox, met_ms: None, connection: 0, is_over: false, throttle: None };
    let shared =
        Shared { state: Mutex::new(state), drained: drained_in, started: Instant::now(), is_beside: false };
    let mut lane = Lane { shared: Arc::new(shared), incoming: bounded(1).1, more: bounded(1).0, drained };
    let io = lane.connect(connection, opener, false);
    (lane, io)
}

impl Lane {
    /// A lane beside this one, held to the same, which has no connection yet: [`Lane::attach`] brings it the first. What it drains is told by [`Lane::drained`] of either.
    #[must_use]
    pub fn beside(&self) -> Lane {
        let (outbox, inbox) = (Outbox::unconnected(), Inbox::default());
        let throttle = self.shared.lock().throttle.clone();
        let state = State { outbox, inbox, met_ms: None, connection: 0, is_over: false, throttle };
        let Shared { drained, started, .. } = &*self.shared;
        let shared =
            Shared { state: Mutex::new(state), drained: drained.clone(), started: *started, is_beside: true };
        let (incoming, more) = (bounded(1).1, bounded(1).0);
        Lane { shared: Arc::new(shared), incoming, more, drained: self.drained.clone() }
    }

    /// As [`Lane::next`], if that is at hand.
    #[must_use]
    pub fn try_next(&self) -> Option<Result<BytesMut>> {
        let next = self.incoming.try_recv().ok()?;
        if let Ok(frame) = &next
            && self.shared.took(frame.len())
        {
            self.wake();
        }
        Some(next)
    }

    /// The next frame, each exactly once and in order over all connections. Or why there will be none: of kind `ConnectionLost` when only
    /// this connection is gone or silent and another can take its place. Says so once, then waits. Cancel safe.
    ///
    /// # Errors
    /// Kind `ConnectionLost`, see above. `Authentication` when a record does not open, `Protocol` when the other side or the relay broke
    /// its rules: both end the lane. On a lane beside the first, what anybody on the way can bring about is a connection that is lost.
    pub async fn next(&self) -> Result<BytesMut> {
        match self.incoming.recv().await {
            Ok(Ok(frame)) => {
                if self.shared.took(frame.len()) {
                    self.wake();
                }
                Ok(frame)
            }
            Ok(Err(error)) => Err(error),
            // The reason was given before; whoever asks again waits.
            Err(_) => future::pending().await,
        }
    }

    /// Queues a frame. Data is to be queued only while [`Lane::has_room`]; of control frames the session's windows bound how
    /// many there are.
    ///
    /// # Errors
    /// Kind `Protocol`, when the other side makes us speak and does not listen. A connection that is gone says so by [`Lane::next`].
    pub fn send(&self, frame: PackedBlock) -> Result<()> {
        let outcome = self.shared.lock().outbox.say(frame);
        self.wake();
        outcome
    }

    /// From now on data goes out only when its turn has come.
    pub fn hold_to(&self, throttle: Throttle) {
        self.shared.lock().throttle = Some(throttle);
    }

    /// Whether another data frame should be queued.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.shared.lock().outbox.has_room()
    }

    /// How much data it has before it.
    #[must_use]
    pub fn load(&self) -> Load {
        self.shared.lock().outbox.load()
    }

    /// Whether the other side has counted everything that was said.
    #[must_use]
    pub fn is_counted(&self) -> bool {
        self.shared.lock().outbox.is_empty()
    }

    /// Lets go of the connection as [`Lane::detach`] does, and gives out what the other side has not taken: `frames` is what it has. The next
    /// connection goes on behind those.
    ///
    /// # Errors
    /// Kind `Protocol`, see [`Outbox::evacuate`].
    pub fn evacuate(&mut self, frames: u64) -> Result<VecDeque<PackedBlock>> {
        self.detach()?;
        self.shared.lock().outbox.evacuate(frames)
    }

    /// How many frames have certainly passed, in both directions together, over all connections. Never decreases.
    #[must_use]
    pub fn passed(&self) -> u64 {
        let state = self.shared.lock();
        state.inbox.taken().saturating_add(state.outbox.counted())
    }

    /// Resolves after a queued frame went out, or the other side has counted some. Cancel safe.
    pub async fn drained(&self) {
        if self.drained.recv().await.is_err() {
            future::pending::<()>().await;
        }
    }

    /// Whether the other side has spoken in this session. Before that it may not even know of it: the last message of a pairing may be lost,
    /// and who said that learns of it only by what comes after.
    #[must_use]
    pub fn is_met(&self) -> bool {
        self.met_ms().is_some()
    }

    /// When the other side spoke first in this session, in milliseconds since it began here. It does so at once, whatever people have to decide.
    #[must_use]
    pub fn met_ms(&self) -> Option<u64> {
        self.shared.lock().met_ms
    }

    /// Lets go of the connection, if there is one, for good: nothing that it still carries is taken. Returns how many frames have come,
    /// which stays so until the next connection is attached: what [`Unproven::prove`](crate::proto::rejoin::Unproven::prove) tells the
    /// other side on it.
    ///
    /// # Errors
    /// Kind `Protocol`, when what was said cannot be said again, see [`Outbox::disconnect`].
    pub fn detach(&mut self) -> Result<u64> {
        // What still waits there was not taken, and the other side will say it again.
        (self.incoming, self.more) = (bounded(1).1, bounded(1).0);
        let mut state = self.shared.lock();
        state.connection += 1;
        state.outbox.disconnect()?;
        Ok(state.inbox.tell())
    }

    /// Goes on over a connection whose other side has proven itself after [`Lane::detach`]: what it has not counted is said again.
    ///
    /// # Errors
    /// Kind `Protocol`, when the other side claims to have what was never said. That ends the lane.
    pub fn attach(&mut self, connection: Connection, proven: Proven) -> Result<LaneIo> {
        self.detach()?;
        let mut state = self.shared.lock();
        state.outbox.connect(proven.sealer, proven.frames)?;
        // Only who has the session proves itself.
        state.met_ms.get_or_insert(self.shared.now_ms());
        drop(state);
        Ok(self.connect(connection, proven.opener, true))
    }

    /// The session is over: what it said last goes out without the data that was to go before, then the connection closes.
    pub fn finish(self) {
        let mut state = self.shared.lock();
        state.outbox.leave_out_data();
        state.is_over = true;
        drop(state);
        self.more.close();
    }

    /// The byte mover of a new connection. `is_greeted`: both have said already how much has come.
    fn connect(&mut self, connection: Connection, opener: Opener, is_greeted: bool) -> LaneIo {
        let (incoming_in, incoming) = bounded(INCOMING_FRAMES);
        let (more_in, more) = bounded(1);
        (self.incoming, self.more) = (incoming, more_in);
        let mut state = self.shared.lock();
        state.connection += 1;
        let part = Part { shared: Arc::clone(&self.shared), number: state.connection };
        drop(state);
        LaneIo::new(connection, opener, part, is_greeted, incoming_in, more)
    }

    fn wake(&self) {
        // One notice is enough, however many frames there are.
        let _ = self.more.try_send(());
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a frame that the session has taken. Returns whether the writer should look when to tell of it.
    fn took(&self, bytes: usize) -> bool {
        let now_ms = self.now_ms();
        self.lock().inbox.took(bytes, now_ms)
    }

    fn now_ms(&self) -> u64 {
        crate::proto::time::millis(self.started.elapsed())
    }

    /// The first whole millisecond at which this has come.
    fn ms_at(&self, time: Instant) -> u64 {
        let micros = time.saturating_duration_since(self.started).as_micros();
        u64::try_from(micros.div_ceil(1000)).unwrap_or(u64::MAX)
    }
}

impl Part {
    /// The lane, unless it has let go of this connection.
    fn lock(&self) -> Option<MutexGuard<'_, State>> {
        let state = self.shared.lock();
        (state.connection == self.number).then_some(state)
    }
}

/// Opened frames waiting for the session: it always reads on, so a few are enough.
const INCOMING_FRAMES: usize = 4;

#[cfg(test)]
mod tests;

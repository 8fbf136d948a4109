//! A lane: one connection whose messages are sealed records.
//!
//! [`Lane`] is what a session holds: opened frames come out, frames to be sealed go in. [`LaneIo`] moves the bytes; both run side by
//! side, and reading never waits for writing. The lane keeps itself alive and notices when the other side is gone.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use futures_lite::future;
use smol::Timer;
use smol::channel::{Receiver, Sender, bounded};

use super::ws::{Alive, Closed, Connection, Reader, Writer};
use crate::error::{Error, Kind, Result};
use crate::proto::conversation::broken;
use crate::proto::frame::{PackedBlock, encode_keep_alive};
use crate::proto::limits::{CONTROL_BYTES_QUEUED_MAX, KEEPALIVE_MS};
use crate::proto::liveness::{Belief, Liveness};
use crate::proto::seal::{Opener, Sealer};

/// The session's end of a lane.
#[derive(Debug)]
pub struct Lane {
    incoming: Receiver<Result<BytesMut>>,
    outgoing: Arc<Outgoing>,
    drained: Receiver<()>,
}

/// The socket's end of a lane: run it beside the session.
#[derive(Debug)]
pub struct LaneIo {
    connection: Connection,
    sealer: Sealer,
    opener: Opener,
    incoming: Sender<Result<BytesMut>>,
    outgoing: Arc<Outgoing>,
    drained: Sender<()>,
    // Ends when the session lets go of the lane.
    more: Receiver<()>,
}

/// Frames that wait to be sealed. They get their numbers only then, so that some may still be left out.
#[derive(Debug)]
struct Outgoing {
    queue: Mutex<Queue>,
    more: Sender<()>,
}

#[derive(Debug, Default)]
struct Queue {
    frames: VecDeque<PackedBlock>,
    data_frames: usize,
    control_bytes: usize,
}

/// Makes a lane of a connection whose keys are known.
#[must_use]
pub fn lane(connection: Connection, sealer: Sealer, opener: Opener) -> (Lane, LaneIo) {
    let (incoming_in, incoming) = bounded(INCOMING_FRAMES);
    let (more_in, more) = bounded(1);
    let (drained_in, drained) = bounded(1);
    let outgoing = Arc::new(Outgoing { queue: Mutex::default(), more: more_in });
    let io = LaneIo {
        connection,
        sealer,
        opener,
        incoming: incoming_in,
        outgoing: Arc::clone(&outgoing),
        drained: drained_in,
        more,
    };
    (Lane { incoming, outgoing, drained }, io)
}

impl Lane {
    /// The next frame, or why there will be none. Cancel safe.
    ///
    /// # Errors
    /// Kind `ConnectionLost` when the connection is gone or silent, `Authentication` when a record does not open.
    pub async fn next(&self) -> Result<BytesMut> {
        match self.incoming.recv().await {
            Ok(frame) => frame,
            // The reason was given before; whoever asks again waits.
            Err(_) => future::pending().await,
        }
    }

    /// Queues a frame. Data is to be queued only while [`Lane::has_room`]; of control frames the session's windows bound how
    /// many there are.
    ///
    /// # Errors
    /// Kind `Protocol`, when the other side makes us speak and does not listen. A lane that is gone says so by [`Lane::next`].
    pub fn send(&self, frame: PackedBlock) -> Result<()> {
        let mut queue = self.outgoing.lock();
        if frame.is_data() {
            queue.data_frames += 1;
        } else {
            queue.control_bytes += frame.buffer.len();
        }
        let is_too_much = queue.control_bytes > CONTROL_BYTES_QUEUED_MAX;
        queue.frames.push_back(frame);
        drop(queue);
        // One notice is enough, however many frames there are.
        let _ = self.outgoing.more.try_send(());
        if is_too_much { Err(broken("it speaks and does not listen")) } else { Ok(()) }
    }

    /// Whether another data frame should be queued.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.outgoing.lock().data_frames < OUTGOING_FRAMES
    }

    /// Resolves after a queued frame went out. Cancel safe.
    pub async fn drained(&self) {
        if self.drained.recv().await.is_err() {
            future::pending::<()>().await;
        }
    }

    /// The session is over: what it said last goes out without the data that was to go before, then the connection closes.
    pub fn finish(self) {
        let mut queue = self.outgoing.lock();
        queue.frames.retain(|frame| !frame.is_data());
        drop(queue);
        self.outgoing.more.close();
    }
}

impl Outgoing {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        // Nothing panics while it holds the lock.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pop(&self) -> Option<PackedBlock> {
        let mut queue = self.lock();
        let frame = queue.frames.pop_front()?;
        if frame.is_data() {
            queue.data_frames = queue.data_frames.saturating_sub(1);
        } else {
            queue.control_bytes = queue.control_bytes.saturating_sub(frame.buffer.len());
        }
        Some(frame)
    }
}

impl LaneIo {
    /// Moves records both ways until the lane is finished or lost. Not to be run again after it was dropped halfway.
    pub async fn run(self) {
        let LaneIo { connection, sealer, opener, incoming, outgoing, drained, more } = self;
        let Connection { mut reader, writer, alive } = connection;
        let writing = write(writer, sealer, &outgoing, &more, &drained);
        let reading = async {
            let error = future::or(read(&mut reader, opener, &incoming), watch(&alive)).await;
            // The session may be gone already; then nobody needs to know.
            let _ = incoming.send(Err(error)).await;
            // Closing a socket with unread bytes in it resets it, and what was said last would be lost: so it is read to its end.
            while reader.next().await.is_ok() {}
        };
        future::zip(writing, reading).await;
    }
}

/// Opens records and hands them on until there are no more, or nobody to take them. Returns why.
async fn read(reader: &mut Reader, mut opener: Opener, incoming: &Sender<Result<BytesMut>>) -> Error {
    loop {
        let mut record = match reader.next().await {
            Ok(record) => record,
            Err(closed) => return ended(closed),
        };
        let frame_bytes = match opener.open_in_place(&mut record) {
            Ok(frame) => frame.len(),
            Err(error) => return error.into(),
        };
        record.truncate(frame_bytes);
        if incoming.send(Ok(record)).await.is_err() {
            return lost("the session is over");
        }
    }
}

/// Seals what is queued and sends it, with a sign of life when nothing was. Ends when the session has let go of the lane and
/// everything is out, or when the connection takes no more.
async fn write(
    mut writer: Writer,
    mut sealer: Sealer,
    outgoing: &Outgoing,
    more: &Receiver<()>,
    drained: &Sender<()>,
) {
    let mut is_over = false;
    loop {
        let packed = match outgoing.pop() {
            Some(packed) => packed,
            None if is_over => break,
            None => {
                if writer.flush().await.is_err() {
                    return;
                }
                let queued = async { more.recv().await.is_err() };
                let idle = async {
                    Timer::after(Duration::from_millis(KEEPALIVE_MS)).await;
                    let Ok(buffer) = encode_keep_alive() else { return true };
                    let mut queue = outgoing.lock();
                    queue.control_bytes += buffer.len();
                    queue.frames.push_back(PackedBlock { buffer, start: 0, cost: 0 });
                    false
                };
                is_over = future::or(queued, idle).await;
                continue;
            }
        };
        // One notice is enough, however many frames went out.
        let _ = drained.try_send(());
        let PackedBlock { mut buffer, start, .. } = packed;
        if sealer.seal_in_place(&mut buffer, start).is_err() {
            return;
        }
        if writer.send(Bytes::from(buffer).slice(start..)).await.is_err() {
            return;
        }
    }
    // The other side may have closed first; either way nothing more is to be said.
    let _ = writer.close(CLOSE_NORMAL, "").await;
}

/// Resolves when nothing has come from the other side for too long.
async fn watch(alive: &Alive) -> Error {
    let started = Instant::now();
    let now_ms = || u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    let mut liveness = Liveness::new(now_ms());
    loop {
        match liveness.poll(now_ms(), alive.bytes()) {
            Belief::Dead => return lost("nothing was heard from the other side for 45 seconds"),
            Belief::Alive { until_ms } => {
                let wait_ms = until_ms.saturating_sub(now_ms()).clamp(10, WATCH_MS);
                Timer::after(Duration::from_millis(wait_ms)).await;
            }
        }
    }
}

fn ended(closed: Closed) -> Error {
    let error = Error::from(closed);
    if error.kind() == Kind::ConnectionLost { error.hint("Run both commands again.") } else { error }
}

fn lost(what: &str) -> Error {
    Error::new(Kind::ConnectionLost, what).hint("Run both commands again.")
}

/// Opened frames waiting for the session: it always reads on, so a few are enough.
const INCOMING_FRAMES: usize = 4;

/// Data frames waiting to be sealed: enough that the socket never waits for the reader of files.
const OUTGOING_FRAMES: usize = 4;

/// RFC 6455, section 7.4.1: the purpose of the connection is fulfilled.
const CLOSE_NORMAL: u16 = 1000;

/// How often the bytes that came are looked at, in milliseconds: so much later than 45 s a dead connection may be noticed.
const WATCH_MS: u64 = 1000;

//! A lane: one connection whose messages are sealed records.
//!
//! [`Lane`] is what a session holds: opened frames come out, frames to be sealed go in. [`LaneIo`] moves the bytes; both run side by
//! side, and reading never waits for writing. The lane keeps itself alive and notices when the other side is gone.

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use futures_lite::future;
use smol::Timer;
use smol::channel::{Receiver, Sender, bounded, unbounded};

use super::ws::{Alive, Closed, Connection, Reader, Writer};
use crate::error::{Error, Kind, Result};
use crate::proto::frame::{PackedBlock, encode_keep_alive};
use crate::proto::limits::KEEPALIVE_MS;
use crate::proto::liveness::{Belief, Liveness};
use crate::proto::seal::{Opener, Sealer};

/// The session's end of a lane.
#[derive(Debug)]
pub struct Lane {
    incoming: Receiver<Result<BytesMut>>,
    outgoing: Sender<PackedBlock>,
    drained: Receiver<()>,
}

/// The socket's end of a lane: run it beside the session.
#[derive(Debug)]
pub struct LaneIo {
    connection: Connection,
    sealer: Sealer,
    opener: Opener,
    incoming: Sender<Result<BytesMut>>,
    outgoing: Receiver<PackedBlock>,
    drained: Sender<()>,
}

/// Makes a lane of a connection whose keys are known.
#[must_use]
pub fn lane(connection: Connection, sealer: Sealer, opener: Opener) -> (Lane, LaneIo) {
    let (incoming_in, incoming) = bounded(INCOMING_FRAMES);
    let (outgoing, outgoing_out) = unbounded();
    let (drained_in, drained) = bounded(1);
    let io = LaneIo {
        connection,
        sealer,
        opener,
        incoming: incoming_in,
        outgoing: outgoing_out,
        drained: drained_in,
    };
    (Lane { incoming, outgoing, drained }, io)
}

impl Lane {
    /// The next frame, or why there will be none. Cancel safe.
    ///
    /// # Errors
    /// Kind `ConnectionLost` when the connection is gone or silent, `Protocol` when a record does not open.
    pub async fn next(&self) -> Result<BytesMut> {
        match self.incoming.recv().await {
            Ok(frame) => frame,
            // The reason was given before; whoever asks again waits.
            Err(_) => future::pending().await,
        }
    }

    /// Queues a frame. What is queued is bounded by the session's windows and by the caller, who adds data only while
    /// [`Lane::has_room`].
    pub fn send(&self, frame: PackedBlock) {
        // A lane that is gone says so by `next`.
        let _ = self.outgoing.try_send(frame);
    }

    /// Whether another data frame should be queued.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.outgoing.len() < OUTGOING_FRAMES
    }

    /// Resolves after a queued frame went out. Cancel safe.
    pub async fn drained(&self) {
        if self.drained.recv().await.is_err() {
            future::pending::<()>().await;
        }
    }

    /// Nothing more will be queued: what is queued goes out, then the connection closes.
    pub fn finish(self) {
        self.outgoing.close();
    }
}

impl LaneIo {
    /// Moves records both ways until the lane is finished or lost. Not to be run again after it was dropped halfway.
    pub async fn run(self) {
        let LaneIo { connection, sealer, opener, incoming, outgoing, drained } = self;
        let Connection { reader, writer, alive } = connection;
        let writing = write(writer, sealer, outgoing, drained);
        let reading = async {
            let error = future::or(read(reader, opener, &incoming), watch(&alive)).await;
            // The session may be gone already; then nobody needs to know.
            let _ = incoming.send(Err(error)).await;
        };
        future::zip(writing, reading).await;
    }
}

/// Opens records and hands them on until there are no more. Returns why.
async fn read(mut reader: Reader, mut opener: Opener, incoming: &Sender<Result<BytesMut>>) -> Error {
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

/// Seals what is queued and sends it, with a sign of life when nothing was. Ends when the queue is closed and empty, or when the
/// connection takes no more.
async fn write(mut writer: Writer, mut sealer: Sealer, outgoing: Receiver<PackedBlock>, drained: Sender<()>) {
    loop {
        let queued = async { outgoing.recv().await.ok().map(Some) };
        let idle = async {
            Timer::after(Duration::from_millis(KEEPALIVE_MS)).await;
            Some(None)
        };
        let Some(next) = future::or(queued, idle).await else { break };
        // One notice is enough, however many frames went out.
        let _ = drained.try_send(());
        let packed = match next {
            Some(packed) => packed,
            None => match encode_keep_alive() {
                Ok(buffer) => PackedBlock { buffer, start: 0 },
                Err(_) => continue,
            },
        };
        let PackedBlock { mut buffer, start } = packed;
        if sealer.seal_in_place(&mut buffer, start).is_err() {
            return;
        }
        if writer.send(Bytes::from(buffer).slice(start..)).await.is_err() {
            return;
        }
        if outgoing.is_empty() && writer.flush().await.is_err() {
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

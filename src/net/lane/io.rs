//! The bytes of one connection of a lane, both ways.

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use futures_lite::future;
use smol::Timer;
use smol::channel::{Receiver, Sender};

use super::super::throttle::Throttle;
use super::super::ws::{Alive, Connection, Reader, Writer};
use super::{Part, State};
use crate::error::{Error, Kind, Result};
use crate::proto::conversation::broken;
use crate::proto::frame::Aside;
use crate::proto::inbox::Due;
use crate::proto::limits::KEEPALIVE_MS;
use crate::proto::liveness::{Belief, Death, Liveness};
use crate::proto::outbox::Outbox;
use crate::proto::seal::Opener;

/// The socket's end of a lane, for one connection: run it beside the session.
#[derive(Debug)]
pub struct LaneIo {
    connection: Connection,
    incoming: Incoming,
    outgoing: Outgoing,
}

/// What the reading half works on.
#[derive(Debug)]
struct Incoming {
    part: Part,
    opener: Opener,
    /// The other side has said how much it has.
    is_greeted: bool,
    frames: Sender<Result<BytesMut>>,
}

/// What the writing half works on.
#[derive(Debug)]
struct Outgoing {
    part: Part,
    /// We have said how much we have.
    is_greeted: bool,
    /// When something was said last.
    said_ms: u64,
    /// When the next data may go out, where a limit makes it wait.
    turn: Option<Instant>,
    /// Something is to be said. Closed when the session lets go of this connection.
    more: Receiver<()>,
}

/// What the writer does next.
enum Step {
    Say(Bytes),
    /// Nothing is to be said before this time, unless the session has something.
    Rest {
        until_ms: u64,
    },
    /// Everything is said.
    Close,
    /// This connection is not that of the lane any more.
    Gone,
}

/// Why the reader stops.
enum End {
    /// The connection is lost; another can take its place.
    Lost(Error),
    /// So is the lane.
    Failed(Error),
    /// Nobody takes what comes.
    Over,
}

/// The connection is of no use any more, in either direction.
struct Useless;

impl LaneIo {
    pub(super) fn new(
        connection: Connection,
        opener: Opener,
        part: Part,
        is_greeted: bool,
        frames: Sender<Result<BytesMut>>,
        more: Receiver<()>,
    ) -> LaneIo {
        let said_ms = part.shared.now_ms();
        let incoming = Incoming { part: part.clone(), opener, is_greeted, frames };
        LaneIo { connection, incoming, outgoing: Outgoing { part, is_greeted, said_ms, turn: None, more } }
    }

    /// Moves records both ways until the connection is lost or let go of, or everything is said after the end of the session and the
    /// other side has closed. Not to be run again after it was dropped halfway.
    pub async fn run(self) {
        let LaneIo { connection: Connection { mut reader, writer, alive, .. }, mut incoming, mut outgoing } =
            self;
        let frames = incoming.frames.clone();
        let part = outgoing.part.clone();
        let writing = outgoing.write(writer, &frames);
        let reading = async {
            match future::or(incoming.read(&mut reader), watch(&alive)).await {
                End::Lost(error) => {
                    // The session may be gone already; then nobody needs to know.
                    let _ = frames.send(Err(error)).await;
                    return Err(Useless);
                }
                End::Failed(error) => drop(frames.send(Err(error)).await),
                End::Over => {}
            }
            // Closing a socket with unread bytes in it resets it, and what was said last would be lost: so it is read to its end.
            while reader.next().await.is_ok() {}
            Ok(())
        };
        let let_go = async {
            frames.closed().await;
            if part.lock().is_some_and(|state| state.is_over) {
                return future::pending().await;
            }
            Err(Useless)
        };
        let moving = async { future::try_zip(writing, reading).await.map(drop) };
        let _: Result<(), Useless> = future::or(let_go, moving).await;
    }
}

impl Incoming {
    /// Opens records and hands frames on until there are no more, or nobody to take them.
    async fn read(&mut self, reader: &mut Reader) -> End {
        loop {
            let mut record = match reader.next().await {
                Ok(record) => record,
                Err(closed) => return self.failed(closed.into()),
            };
            let frame_bytes = match self.opener.open_in_place(&mut record) {
                Ok(frame) => frame.len(),
                Err(error) => return self.failed(error.into()),
            };
            record.truncate(frame_bytes);
            match Aside::peek(&record) {
                Some(Aside::Received { frames }) => {
                    if let Err(error) = self.received(frames) {
                        return End::Failed(error);
                    }
                }
                _ if !self.is_greeted => {
                    return End::Failed(broken("it does not say first how much has come"));
                }
                Some(Aside::KeepAlive) => {}
                None => {
                    if self.frames.send(Ok(record)).await.is_err() {
                        return End::Over;
                    }
                }
            }
        }
    }

    /// What has become of a connection by what anybody on the way can do. A lane beside the first is lost by it, whatever it was: who can
    /// cut it shall not end the session by garbling it.
    fn failed(&self, error: Error) -> End {
        if error.kind() == Kind::ConnectionLost {
            End::Lost(error.hint(AGAIN))
        } else if self.part.shared.is_beside {
            End::Lost(lost("a connection was garbled on the way").caused_by(error))
        } else {
            End::Failed(error)
        }
    }

    /// The other side has counted some of what we said.
    fn received(&mut self, frames: u64) -> Result<()> {
        self.is_greeted = true;
        let Some(mut state) = self.part.lock() else { return Ok(()) };
        state.met_ms.get_or_insert(self.part.shared.now_ms());
        state.outbox.acknowledge(frames)?;
        drop(state);
        // There may be room for more now.
        let _ = self.part.shared.drained.try_send(());
        Ok(())
    }
}

impl Outgoing {
    /// Seals what is to be said and sends it. Ends when the session has let go of the lane and everything is out, or when the
    /// connection takes no more: how that came about, the reader learns.
    async fn write(&mut self, mut writer: Writer, frames: &Sender<Result<BytesMut>>) -> Result<(), Useless> {
        loop {
            let sent = match self.step() {
                Ok(Step::Say(record)) => writer.send(record).await,
                Ok(Step::Rest { until_ms }) => match writer.flush().await {
                    Ok(()) => {
                        self.rest(until_ms).await;
                        Ok(())
                    }
                    Err(closed) => Err(closed),
                },
                // The other side may have closed first; either way nothing more is to be said.
                Ok(Step::Close) => {
                    let _ = writer.close(CLOSE_NORMAL, "").await;
                    return Ok(());
                }
                Ok(Step::Gone) => return Err(Useless),
                Err(error) => {
                    let _ = frames.send(Err(error)).await;
                    return Ok(());
                }
            };
            if sent.is_err() {
                return Ok(());
            }
        }
    }

    /// What to do next: how much has come is said before anything else.
    fn step(&mut self) -> Result<Step> {
        let now_ms = self.part.shared.now_ms();
        let Some(mut state) = self.part.lock() else { return Ok(Step::Gone) };
        let State { outbox, inbox, is_over, throttle, .. } = &mut *state;
        let due = if *is_over { Due::Never } else { inbox.due(now_ms) };
        let silent_until_ms = self.said_ms + KEEPALIVE_MS;
        let turn = throttle.as_ref().and_then(|throttle| turn(&mut self.turn, outbox, throttle));
        let held_until_ms =
            turn.map(|turn| self.part.shared.ms_at(turn)).filter(|until_ms| *until_ms > now_ms);
        let record = if !self.is_greeted || due == Due::Now {
            self.is_greeted = true;
            outbox.seal_aside(Aside::Received { frames: inbox.tell() }.encode()?)?
        } else if held_until_ms.is_none()
            && let Some(record) = outbox.seal_next()?
        {
            if turn.is_some() {
                self.turn = None;
            }
            // One notice is enough, however many frames went out.
            let _ = self.part.shared.drained.try_send(());
            Some(record)
        } else if now_ms >= silent_until_ms && !*is_over {
            outbox.seal_aside(Aside::KeepAlive.encode()?)?
        } else {
            None
        };
        Ok(match (record, due) {
            (Some(record), _) => {
                self.said_ms = now_ms;
                Step::Say(record)
            }
            (None, _) if *is_over => Step::Close,
            (None, due) => {
                let due_ms = if let Due::At { ms } = due { ms } else { u64::MAX };
                let until_ms = silent_until_ms.min(due_ms).min(held_until_ms.unwrap_or(u64::MAX));
                Step::Rest { until_ms }
            }
        })
    }

    /// Waits until there is something to say, but not beyond this time.
    async fn rest(&self, until_ms: u64) {
        let until_ms = until_ms.saturating_sub(self.part.shared.now_ms());
        let more = async {
            // Closed is no news twice: the end of the session is said by a step, and for the rest this whole connection ends.
            if self.more.recv().await.is_err() && !self.part.lock().is_some_and(|state| state.is_over) {
                future::pending::<()>().await;
            }
        };
        let time = async {
            Timer::after(Duration::from_millis(until_ms)).await;
        };
        future::or(more, time).await;
    }
}

/// When the next frame may go out, if it is data. A turn is asked for once; should the frame go by another way, the next one takes it.
fn turn(given: &mut Option<Instant>, outbox: &Outbox, throttle: &Throttle) -> Option<Instant> {
    let bytes = outbox.next_data_bytes()?;
    Some(*given.get_or_insert_with(|| throttle.turn(bytes)))
}

/// Resolves when nothing has come from the other side for too long, or nothing whole.
async fn watch(alive: &Alive) -> End {
    let started = Instant::now();
    let now_ms = || crate::proto::time::millis(started.elapsed());
    let mut liveness = Liveness::new(now_ms());
    loop {
        match liveness.poll(now_ms(), alive.heard()) {
            Belief::Dead(Death::Silent) => {
                return End::Lost(lost("nothing was heard from the other side for 45 seconds"));
            }
            Belief::Dead(Death::Endless) => {
                return End::Lost(lost("what comes from the other side comes to no end"));
            }
            Belief::Alive { until_ms } => {
                let wait_ms = until_ms.saturating_sub(now_ms()).clamp(10, WATCH_MS);
                Timer::after(Duration::from_millis(wait_ms)).await;
            }
        }
    }
}

fn lost(what: &str) -> Error {
    Error::new(Kind::ConnectionLost, what).hint(AGAIN)
}

const AGAIN: &str = "Run both commands again.";

/// RFC 6455, section 7.4.1: the purpose of the connection is fulfilled.
const CLOSE_NORMAL: u16 = 1000;

/// How often the bytes that came are looked at, in milliseconds: so much later than 45 s a dead connection may be noticed.
const WATCH_MS: u64 = 1000;

//! The lanes of a session: the first, which carries what is said, and those beside it, which help to carry data.
//!
//! [`Lanes`] is what a session holds. A lane beside the first is opened and let go of as the sender wants; while it is sought the others go on, and that
//! it is lost ends nothing but itself. `Crew` does the seeking and moves the bytes, beside the session.

mod crew;

use std::future::poll_fn;

use bytes::BytesMut;
use futures_lite::future;
use smol::channel::{Receiver, Sender, bounded, unbounded};

pub(super) use crew::Crew;
use crew::{Met, Task};

use super::lane::Lane;
use crate::error::{Kind, Result};
use crate::proto::frame::PackedBlock;
use crate::proto::limits::{LANES_MAX, WINDOW_BYTES};
use crate::proto::outbox::Load;
use crate::proto::spread::Spread;

/// All lanes of a session.
#[derive(Debug)]
pub struct Lanes {
    first: Lane,
    /// Whether the first has a connection.
    is_connected: bool,
    /// Those beside it, from number 1 on, as far as they were ever wanted.
    beside: Vec<Beside>,
    spread: Spread,
    /// Which lane is looked at first: each has its turn.
    turn: usize,
    tasks: Sender<Task>,
    met: Receiver<Met>,
    searches: u64,
}

#[derive(Debug)]
struct Beside {
    lane: Lane,
    stage: Stage,
}

/// How far a lane beside the first is.
#[derive(Debug)]
enum Stage {
    /// It is not wanted.
    Down,
    /// The other side is sought in its room. The search ends with the channel.
    Seeking { search: u64, _stop: Sender<()> },
    /// It has a connection.
    Up,
    /// It has one, and gets nothing new.
    Retiring,
    /// It has none any more; what the other side took of it is not settled.
    Lost,
}

/// What happened on the lanes.
#[derive(Debug)]
pub enum News {
    /// A frame came on the first, or none will any more, as [`Lane::next`] says.
    First(Result<BytesMut>),
    /// A frame came on another, or something that must not be.
    Beside(Result<BytesMut>),
    /// A lane beside the first has a connection.
    Up(u8),
    /// A lane beside the first has no connection any more, or got none.
    Lost {
        /// Its number.
        lane: u8,
        /// The relay does not want it.
        is_refused: bool,
    },
    /// Something was sent: there may be room for more.
    Drained,
}

impl Lanes {
    /// Those of a session that begins, and who works for them beside it.
    pub(super) fn new(first: Lane) -> (Lanes, Crew) {
        let (tasks, tasks_out) = unbounded();
        let (met_in, met) = unbounded();
        let lanes = Lanes {
            first,
            is_connected: true,
            beside: Vec::new(),
            spread: Spread::default(),
            turn: 0,
            tasks,
            met,
            searches: 0,
        };
        (lanes, Crew::new(tasks_out, met_in))
    }

    /// The first.
    #[must_use]
    pub fn first(&self) -> &Lane {
        &self.first
    }

    /// The first, to give it another connection; `is_connected`: there is one now.
    pub(super) fn first_mut(&mut self, is_connected: bool) -> &mut Lane {
        self.is_connected = is_connected;
        &mut self.first
    }

    /// Queues a frame: what is said on the first lane, data on the one that [`Spread`] chooses.
    ///
    /// # Errors
    /// As [`Lane::send`].
    pub fn send(&mut self, frame: PackedBlock) -> Result<()> {
        if !frame.is_data() {
            return self.first.send(frame);
        }
        let loads = loads(&self.first, self.is_connected, &self.beside);
        let lane = self.spread.lane(frame.run, loads);
        self.lane(lane.unwrap_or(0)).send(frame)
    }

    /// Whether more data should be queued: some lane has room, and all together do not hold more than one alone might.
    #[must_use]
    pub fn has_room(&self) -> bool {
        if self.beside.is_empty() {
            return self.first.has_room();
        }
        let all = std::iter::once(&self.first).chain(self.beside.iter().map(|beside| &beside.lane));
        let held: usize = all.map(Lane::load).map(|load| load.queued + load.under_way).sum();
        // A run stays on its lane, so a lane gets the next one when it has nothing else: what waits on a slow one, nobody else can take.
        (held as u64) < HELD_BYTES_MAX
            && loads(&self.first, self.is_connected, &self.beside).any(|(_, load)| load.queued == 0)
    }

    /// Seeks the other side in the room of this lane, from 1. One that is sought or there already stays as it is.
    pub fn open(&mut self, lane: u8) {
        while self.beside.len() < usize::from(lane.min(LANES_MAX - 1)) {
            self.beside.push(Beside { lane: self.first.beside(), stage: Stage::Down });
        }
        let Some(beside) = self.beside.get_mut(usize::from(lane).wrapping_sub(1)) else { return };
        if matches!(beside.stage, Stage::Seeking { .. } | Stage::Up | Stage::Retiring) {
            return;
        }
        // It has no connection, so this cannot fail.
        let frames = beside.lane.detach().unwrap_or_default();
        self.searches += 1;
        let (stop, stopped) = bounded(1);
        beside.stage = Stage::Seeking { search: self.searches, _stop: stop };
        // Whoever works for a session is there as long as it is.
        let _ = self.tasks.try_send(Task::Seek { lane, search: self.searches, frames, stopped });
    }

    /// Puts no new run on a lane beside the first.
    pub fn retire(&mut self, lane: u8) {
        let beside = self.beside.get_mut(usize::from(lane).wrapping_sub(1));
        if let Some(beside) = beside.filter(|beside| matches!(beside.stage, Stage::Up)) {
            beside.stage = Stage::Retiring;
        }
    }

    /// Those lanes that get nothing new, and on which everything was counted.
    #[must_use]
    pub fn retired(&self) -> Vec<u8> {
        let is_retired =
            |beside: &Beside| matches!(beside.stage, Stage::Retiring) && beside.lane.is_counted();
        (1..).zip(&self.beside).filter(|(_, beside)| is_retired(beside)).map(|(lane, _)| lane).collect()
    }

    /// Whether the first lane has a connection.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.is_connected
    }

    /// Lets go of the connection of a lane beside the first for good, or of the search for one. Returns how many frames of it were taken.
    ///
    /// # Errors
    /// As [`Lane::detach`].
    pub fn let_go(&mut self, lane: u8) -> Result<u64> {
        let Some(beside) = self.beside.get_mut(usize::from(lane).wrapping_sub(1)) else { return Ok(0) };
        beside.stage = Stage::Lost;
        beside.lane.detach()
    }

    /// The other side has let go of a lane beside the first, and has taken `frames` of it: the rest goes out on others.
    ///
    /// # Errors
    /// Kind `Protocol`, when that cannot be.
    pub fn taken(&mut self, lane: u8, frames: u64) -> Result<()> {
        let Some(beside) = self.beside.get_mut(usize::from(lane).wrapping_sub(1)) else { return Ok(()) };
        beside.stage = Stage::Down;
        let left = beside.lane.evacuate(frames)?;
        let mut moving = self.spread.moving(lane);
        for frame in left {
            let loads = loads(&self.first, self.is_connected, &self.beside);
            let to = moving.lane(frame.run, loads).unwrap_or(0);
            let to = usize::from(to).checked_sub(1).and_then(|at| self.beside.get(at));
            to.map_or(&self.first, |beside| &beside.lane).send(frame)?;
        }
        Ok(())
    }

    /// How many lanes have a connection, the first included whether it has or not.
    #[must_use]
    pub fn up(&self) -> u8 {
        let beside = self.beside.iter().filter(|beside| matches!(beside.stage, Stage::Up)).count();
        u8::try_from(beside + 1).unwrap_or(LANES_MAX)
    }

    /// The next thing that happens. Cancel safe.
    pub async fn next(&mut self) -> News {
        loop {
            self.turn = self.turn.wrapping_add(1);
            let news = match self.at_hand() {
                Some(news) => news,
                None => self.wait().await,
            };
            match news {
                Raw::Frame(0, frame) => return News::First(frame),
                Raw::Frame(lane, Err(error)) if error.kind() == Kind::ConnectionLost => {
                    if let Err(error) = self.let_go(lane) {
                        return News::Beside(Err(error));
                    }
                    return News::Lost { lane, is_refused: false };
                }
                Raw::Frame(_, frame) => return News::Beside(frame),
                Raw::Drained => return News::Drained,
                Raw::Met(met) => {
                    if let Some(news) = self.met(met) {
                        return news;
                    }
                }
            }
        }
    }

    /// A search has ended. `None` when nobody wants to know.
    fn met(&mut self, met: Met) -> Option<News> {
        let Met { lane, search, found } = met;
        let beside = self.beside.get_mut(usize::from(lane).wrapping_sub(1))?;
        if !matches!(beside.stage, Stage::Seeking { search: now, .. } if now == search) {
            return None;
        }
        let (connection, proven) = match found {
            Ok(found) => *found,
            Err(unmet) => {
                beside.stage = Stage::Lost;
                return Some(News::Lost { lane, is_refused: unmet.is_refused });
            }
        };
        match beside.lane.attach(connection, proven) {
            Ok(io) => {
                beside.stage = Stage::Up;
                let _ = self.tasks.try_send(Task::Move(Box::new(io)));
                Some(News::Up(lane))
            }
            Err(error) => Some(News::Beside(Err(error))),
        }
    }

    /// A frame that is there already, each lane in its turn.
    fn at_hand(&self) -> Option<Raw> {
        let lanes = self.beside.len() + 1;
        (0..lanes).find_map(|at| {
            let lane = u8::try_from((self.turn + at) % lanes).unwrap_or(0);
            self.lane(lane).try_next().map(|frame| Raw::Frame(lane, frame))
        })
    }

    async fn wait(&self) -> Raw {
        let frame = async {
            if self.beside.is_empty() {
                return Raw::Frame(0, self.first.next().await);
            }
            let lanes = (0..=self.beside.len()).map(|lane| u8::try_from(lane).unwrap_or(0));
            let mut waiting: Vec<_> = lanes.map(|lane| (lane, Box::pin(self.lane(lane).next()))).collect();
            poll_fn(move |cx| {
                let ready = waiting.iter_mut().find_map(|(lane, next)| match next.as_mut().poll(cx) {
                    std::task::Poll::Ready(frame) => Some(Raw::Frame(*lane, frame)),
                    std::task::Poll::Pending => None,
                });
                ready.map_or(std::task::Poll::Pending, std::task::Poll::Ready)
            })
            .await
        };
        let met = async {
            match self.met.recv().await {
                Ok(met) => Raw::Met(met),
                Err(_) => future::pending().await,
            }
        };
        let drained = async {
            self.first.drained().await;
            Raw::Drained
        };
        future::or(frame, future::or(met, drained)).await
    }

    fn lane(&self, number: u8) -> &Lane {
        let beside = usize::from(number).checked_sub(1).and_then(|at| self.beside.get(at));
        beside.map_or(&self.first, |beside| &beside.lane)
    }

    /// The session is over: what it said last goes out, and every connection closes.
    pub fn finish(self) {
        for Beside { lane, stage } in self.beside {
            if matches!(stage, Stage::Up | Stage::Retiring) {
                lane.finish();
            }
        }
        self.first.finish();
    }
}

/// The lanes that a new run may be put on, with what each has before it. The first is always one, unless it has no connection and another has.
fn loads<'a>(
    first: &'a Lane,
    is_connected: bool,
    beside: &'a [Beside],
) -> impl Iterator<Item = (u8, Load)> + 'a {
    let up = (1..).zip(beside).filter(|(_, beside)| matches!(beside.stage, Stage::Up));
    let has_others = beside.iter().any(|beside| matches!(beside.stage, Stage::Up));
    let first = (is_connected || !has_others).then(|| (0, first.load()));
    first.into_iter().chain(up.map(|(number, beside)| (number, beside.lane.load())))
}

/// What happened before it is looked at.
enum Raw {
    Frame(u8, Result<BytesMut>),
    Met(Met),
    Drained,
}

/// Data that all lanes together hold for the case that it must be said again. The other side's window keeps it far below; see
/// [`Outbox`](crate::proto::outbox::Outbox) for who has a wider one and counts nothing.
const HELD_BYTES_MAX: u64 = 2 * WINDOW_BYTES;

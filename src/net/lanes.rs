//! The lanes of a session: the first, which carries what is said, and those beside it, which help to carry data.
//!
//! [`Lanes`] is what a session holds. A lane beside the first is opened and let go of as the sender wants; while it is sought the others go on, and that
//! it is lost ends nothing but itself. How far each is and what goes where, [`proto::lanes`](crate::proto::lanes) decides; `Crew` does the seeking and moves
//! the bytes, beside the session.

mod crew;

use std::collections::{BTreeMap, VecDeque};
use std::future::poll_fn;

use bytes::BytesMut;
use futures_lite::future;
use smol::channel::{Receiver, Sender, bounded, unbounded};

pub(super) use crew::Crew;
use crew::{Met, Task};

use super::lane::Lane;
use crate::error::{Kind, Result};
use crate::proto::frame::PackedBlock;
use crate::proto::lanes;
use crate::proto::outbox::Load;

/// All lanes of a session.
#[derive(Debug)]
pub struct Lanes {
    all: lanes::Lanes<Lane>,
    /// The searches that go on. Each ends with its channel.
    stops: BTreeMap<u64, (lanes::Search, Sender<()>)>,
    /// Which lane is looked at first: each has its turn.
    turn: usize,
    tasks: Sender<Task>,
    met: Receiver<Met>,
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
        let all = lanes::Lanes::new(first);
        (Lanes { all, stops: BTreeMap::new(), turn: 0, tasks, met }, Crew::new(tasks_out, met_in))
    }

    /// The first.
    #[must_use]
    pub fn first(&self) -> &Lane {
        self.all.first()
    }

    /// The first, to give it another connection; `is_connected`: there is one now.
    pub(super) fn first_mut(&mut self, is_connected: bool) -> &mut Lane {
        self.all.first_mut(is_connected)
    }

    /// As [`lanes::Lanes::send`].
    ///
    /// # Errors
    /// As [`Lane::send`].
    pub fn send(&mut self, frame: PackedBlock) -> Result<()> {
        self.all.send(frame)
    }

    /// As [`lanes::Lanes::has_room`].
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.all.has_room()
    }

    /// Seeks the other side in the room of this lane, from 1. One that is sought or there already stays as it is.
    pub fn open(&mut self, lane: u8) {
        let Some(search) = self.all.open(lane) else { return };
        let (stop, stopped) = bounded(1);
        self.stops.insert(search.number, (search, stop));
        // Whoever works for a session is there as long as it is.
        let _ = self.tasks.try_send(Task::Seek { search, stopped });
    }

    /// As [`lanes::Lanes::retire`].
    pub fn retire(&mut self, lane: u8) {
        self.all.retire(lane);
    }

    /// As [`lanes::Lanes::retired`].
    #[must_use]
    pub fn retired(&self) -> Vec<u8> {
        self.all.retired()
    }

    /// As [`lanes::Lanes::is_connected`].
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.all.is_connected()
    }

    /// As [`lanes::Lanes::let_go`].
    ///
    /// # Errors
    /// As [`Lane::detach`].
    pub fn let_go(&mut self, lane: u8) -> Result<u64> {
        let frames = self.all.let_go(lane);
        self.stop_searches();
        frames
    }

    /// As [`lanes::Lanes::taken`].
    ///
    /// # Errors
    /// Kind `Protocol`, when that cannot be.
    pub fn taken(&mut self, lane: u8, frames: u64) -> Result<()> {
        let moved = self.all.taken(lane, frames);
        self.stop_searches();
        moved
    }

    /// Those for a lane that nobody wants any more end.
    fn stop_searches(&mut self) {
        self.stops.retain(|_, (search, _)| self.all.is_sought(search));
    }

    /// As [`lanes::Lanes::up`].
    #[must_use]
    pub fn up(&self) -> u8 {
        self.all.up()
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
    fn met(&mut self, Met { search, found }: Met) -> Option<News> {
        self.stops.remove(&search.number);
        let lane = search.lane;
        match found {
            Ok(found) => {
                let (connection, proven) = *found;
                match self.all.came(&search)?.attach(connection, proven) {
                    Ok(io) => {
                        let _ = self.tasks.try_send(Task::Move(Box::new(io)));
                        Some(News::Up(lane))
                    }
                    Err(error) => Some(News::Beside(Err(error))),
                }
            }
            Err(unmet) => {
                self.all.missed(&search).then_some(News::Lost { lane, is_refused: unmet.is_refused })
            }
        }
    }

    /// A frame that is there already, each lane in its turn.
    fn at_hand(&self) -> Option<Raw> {
        let lanes = self.all.count();
        (0..lanes).find_map(|at| {
            let lane = u8::try_from((self.turn + at) % lanes).unwrap_or(0);
            self.all.lane(lane).try_next().map(|frame| Raw::Frame(lane, frame))
        })
    }

    async fn wait(&self) -> Raw {
        let frame = async {
            if self.all.count() == 1 {
                return Raw::Frame(0, self.first().next().await);
            }
            let lanes = (0..self.all.count()).map(|lane| u8::try_from(lane).unwrap_or(0));
            let mut waiting: Vec<_> =
                lanes.map(|lane| (lane, Box::pin(self.all.lane(lane).next()))).collect();
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
            self.first().drained().await;
            Raw::Drained
        };
        future::or(frame, future::or(met, drained)).await
    }

    /// The session is over: what it said last goes out, and every connection closes.
    pub fn finish(self) {
        self.all.into_connected().for_each(Lane::finish);
    }
}

impl lanes::Lane for Lane {
    fn beside(&self) -> Lane {
        Lane::beside(self)
    }

    fn send(&mut self, frame: PackedBlock) -> Result<()> {
        Lane::send(self, frame)
    }

    fn has_room(&self) -> bool {
        Lane::has_room(self)
    }

    fn load(&self) -> Load {
        Lane::load(self)
    }

    fn is_counted(&self) -> bool {
        Lane::is_counted(self)
    }

    fn detach(&mut self) -> Result<u64> {
        Lane::detach(self)
    }

    fn evacuate(&mut self, frames: u64) -> Result<VecDeque<PackedBlock>> {
        Lane::evacuate(self, frames)
    }
}

/// What happened before it is looked at.
enum Raw {
    Frame(u8, Result<BytesMut>),
    Met(Met),
    Drained,
}

//! The lanes of a session, and whoever looks for the other side in the rooms of those beside the first.

use std::collections::BTreeMap;

use bytes::BytesMut;

use super::dice::Dice;
use super::lane::Lane;
use super::net::{ConnId, Net, Notice, Refused};
use super::seeker::{Found, Proof, Seeker};
use crate::error::{Error, Result};
use crate::proto::frame::PackedBlock;
use crate::proto::lanes::{self, Search};
use crate::proto::rejoin::Proven;
use crate::proto::role::Role;
use crate::proto::seal::{Mode, SessionSecret};

/// All of them.
#[derive(Debug)]
pub struct Lanes {
    all: lanes::Lanes<Lane>,
    sought: Vec<Sought>,
    // When each was sought last.
    sought_ms: BTreeMap<u8, u64>,
    role: Role,
    secret: SessionSecret,
    mode: Mode,
}

/// A search that goes on.
#[derive(Debug)]
struct Sought {
    search: Search,
    from_ms: u64,
    until_ms: u64,
    seeker: Seeker,
}

/// What happened to a lane beside the first.
#[derive(Debug)]
pub enum News {
    /// It has a connection.
    Up(u8),
    /// It has none any more, or got none.
    Lost {
        /// Its number.
        lane: u8,
        /// The relay does not want it.
        is_refused: bool,
    },
    /// Something that ends the session.
    Failed(Error),
}

impl Lanes {
    /// Those of a session that begins on this one.
    pub fn new(first: Lane, role: Role, secret: SessionSecret, mode: Mode) -> Lanes {
        let (all, sought) = (lanes::Lanes::new(first), Vec::new());
        Lanes { all, sought, sought_ms: BTreeMap::new(), role, secret, mode }
    }

    /// Queues a frame where it belongs.
    pub fn send(&mut self, frame: PackedBlock) -> Result<()> {
        self.all.send(frame)
    }

    /// Whether another data frame should be queued.
    pub fn has_room(&self) -> bool {
        self.all.has_room()
    }

    /// Whether the first has a connection.
    pub fn is_connected(&self) -> bool {
        self.all.is_connected()
    }

    /// The first lets go of its connection. Returns how it proves itself on the next one.
    pub fn detach_first(&mut self) -> Result<Proof> {
        let frames = lanes::Lane::detach(self.all.first_mut(false))?;
        Ok(self.proof(0, frames))
    }

    /// The first has another one.
    pub fn attach_first(&mut self, conn: ConnId, proven: Proven, net: &Net) -> Result<()> {
        self.all.first_mut(true).attach(conn, proven, net)
    }

    /// Looks for the other side in the room of this lane, unless somebody does or need not.
    pub fn open(&mut self, lane: u8, now_ms: u64) {
        let Some(search) = self.all.open(lane) else { return };
        let seeker = Seeker::new(self.role, self.proof(lane, search.frames), SEARCH_PAUSE_MAX_MS, None);
        let hasty = self.sought_ms.insert(lane, now_ms).is_some_and(|last_ms| now_ms < last_ms + HASTY_MS);
        let from_ms = now_ms + if hasty { REST_MS } else { 0 };
        self.sought.push(Sought { search, from_ms, until_ms: from_ms + PATIENCE_MS, seeker });
    }

    /// As the shipping ones.
    pub fn retire(&mut self, lane: u8) {
        self.all.retire(lane);
    }

    /// As the shipping ones.
    pub fn retired(&self) -> Vec<u8> {
        self.all.retired()
    }

    /// As the shipping ones.
    pub fn let_go(&mut self, lane: u8) -> Result<u64> {
        self.all.let_go(lane)
    }

    /// As the shipping ones.
    pub fn taken(&mut self, lane: u8, frames: u64) -> Result<()> {
        self.all.taken(lane, frames)
    }

    /// The lane whose connection this is.
    pub fn on(&self, conn: ConnId) -> Option<u8> {
        self.numbers().find(|lane| self.all.lane(*lane).is_on(conn))
    }

    /// The frame in a record that came on this lane, if it is the session's.
    pub fn record(&mut self, lane: u8, record: BytesMut, now_ms: u64) -> Result<Option<BytesMut>> {
        self.all.lane_mut(lane).open(record, now_ms)
    }

    /// Something happened to the connection of somebody who looks for a lane beside the first.
    pub fn notice(&mut self, conn: ConnId, notice: Notice, net: &mut Net, dice: &mut Dice) -> Option<News> {
        let at = self.sought.iter().position(|sought| sought.seeker.is_on(conn))?;
        let found = self.sought[at].seeker.notice(notice, net, dice);
        self.found(at, found, net)
    }

    /// Does what is due for those that are looked for.
    pub fn poll(&mut self, net: &mut Net, dice: &mut Dice) -> Vec<News> {
        self.leave(net);
        let now_ms = net.now_ms();
        let mut news = Vec::new();
        // From the last on: one whose search ends is taken out.
        for at in (0..self.sought.len()).rev() {
            let sought = &mut self.sought[at];
            if sought.from_ms > now_ms {
                continue;
            }
            if sought.until_ms <= now_ms {
                news.extend(self.missed(at, false, net));
                continue;
            }
            let found = sought.seeker.poll(net, dice);
            news.extend(self.found(at, found, net));
        }
        news
    }

    /// When there is something to do next.
    pub fn due_ms(&self) -> Option<u64> {
        let due = |sought: &Sought| {
            let due_ms = sought.seeker.due_ms().unwrap_or(sought.until_ms);
            due_ms.min(sought.until_ms).max(sought.from_ms)
        };
        self.sought.iter().map(due).min()
    }

    /// Says what there is to say on all of them. Once the session is over, true when all of it is out.
    pub fn pump(&mut self, net: &mut Net) -> Result<bool> {
        let mut is_out = true;
        for lane in self.numbers() {
            is_out &= self.all.lane_mut(lane).pump(net)?;
        }
        Ok(is_out)
    }

    /// Those whose other side must be taken for gone.
    pub fn dead(&mut self, net: &Net) -> Vec<u8> {
        self.numbers().filter(|lane| self.all.lane_mut(*lane).is_dead(net)).collect()
    }

    /// Tells the network of the connections and searches that were let go of.
    pub fn leave(&mut self, net: &mut Net) {
        self.each(|lane| lane.leave(net));
        let Lanes { all, sought, .. } = self;
        sought.retain_mut(|sought| {
            let goes_on = all.is_sought(&sought.search);
            if !goes_on {
                sought.seeker.give_up(net);
            }
            goes_on
        });
    }

    /// The session is over: data that waits is left out, and nobody is looked for.
    pub fn finish(&mut self, net: &mut Net) {
        self.sought.drain(..).for_each(|mut sought| sought.seeker.give_up(net));
        self.each(Lane::finish);
    }

    /// Says goodbye on all of them.
    pub fn close(&mut self, net: &mut Net) {
        self.each(|lane| lane.close(net));
    }

    /// Whatever is not out yet on this one is lost.
    pub fn drop_one(&mut self, lane: u8, net: &mut Net) {
        self.all.lane_mut(lane).drop(net);
    }

    /// The same of all.
    pub fn drop(&mut self, net: &mut Net) {
        self.each(|lane| lane.drop(net));
    }

    fn each(&mut self, mut what: impl FnMut(&mut Lane)) {
        self.numbers().for_each(|lane| what(self.all.lane_mut(lane)));
    }

    fn numbers(&self) -> impl Iterator<Item = u8> + use<> {
        (0..self.all.count()).map(|lane| u8::try_from(lane).unwrap_or(0))
    }

    fn proof(&self, lane: u8, frames: u64) -> Proof {
        Proof::Session { secret: self.secret.clone(), mode: self.mode, lane, frames }
    }

    fn found(&mut self, at: usize, found: Found, net: &mut Net) -> Option<News> {
        let lane = self.sought[at].search.lane;
        if !matches!(found, Found::Nothing) {
            net.trace.say(|| format!("{:?} lane {lane}: {found:?}", self.role));
        }
        match found {
            Found::NoSeat(Refused::Full) => self.missed(at, true, net),
            Found::Proven(proven, conn) => {
                let Sought { search, .. } = self.sought.remove(at);
                let came = self.all.came(&search)?.attach(conn, *proven, net);
                Some(came.map_or_else(News::Failed, |()| News::Up(lane)))
            }
            _ => None,
        }
    }

    fn missed(&mut self, at: usize, is_refused: bool, net: &mut Net) -> Option<News> {
        let Sought { search, mut seeker, .. } = self.sought.remove(at);
        seeker.give_up(net);
        self.all.missed(&search).then_some(News::Lost { lane: search.lane, is_refused })
    }
}

/// As in the crew of `net`: who seeks a lane again within this time rests before, here always as long.
const HASTY_MS: u64 = 1000;
const REST_MS: u64 = 50;

/// As in the reunion of `net`.
const PATIENCE_MS: u64 = 20_000;
pub const SEARCH_PAUSE_MAX_MS: u64 = 5000;

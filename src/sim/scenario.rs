//! What a run is about, drawn from its seed: what is sent, over what, and what goes wrong.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::breadth::Breadth;
use super::dice::Dice;
use super::endpoint::Command;
use super::hostile::{self, Act};
use super::link::Manner;
use super::net::Way;
use super::seeker::SharedCode;
use super::tree::{self, Thing, Tree};
use crate::proto::chunk::ChunkSize;
use crate::proto::handshake::Capabilities;
use crate::proto::limits::PAYLOAD_BYTES_MAX;
use crate::proto::manifest::Meta;
use crate::proto::pace::Rate;
use crate::proto::path::RelPath;
use crate::proto::role::Role;
use crate::receive::{OnConflict, Rules};

/// One run.
#[derive(Debug)]
pub struct Scenario {
    /// What is sent.
    pub tree: Tree,
    /// What the two people type.
    pub commands: [Command; 2],
    /// How their connections behave.
    pub manners: [Manner; 2],
    /// What goes wrong.
    pub blows: Vec<Blow>,
    /// What stands on the disk already.
    pub existing: BTreeMap<RelPath, Thing>,
    /// About how much is sent.
    bytes: u64,
}

/// Something that goes wrong.
#[derive(Clone, Debug)]
pub struct Blow {
    /// When so many things have moved.
    pub at_move: u64,
    /// What.
    pub strike: Strike,
}

/// What may go wrong.
#[derive(Clone, Copy, Debug)]
pub enum Strike {
    /// A connection breaks at some byte.
    Cut(Role),
    /// Whatever a side has open for its first lane breaks, the others do not.
    CutFirst(Role),
    /// The other way round.
    CutBeside(Role),
    /// These lanes beside the first, one bit each, are lost for good: they break, and the relay gives them no seat any more.
    RefuseLanes(u16),
    /// A connection falls silent at some byte.
    Mute {
        /// Whose.
        role: Role,
        /// From its client on.
        up: bool,
        /// To its client.
        down: bool,
    },
    /// A connection pauses in one direction.
    Stall {
        /// Whose.
        role: Role,
        /// Which direction.
        way: Way,
        /// How long.
        for_ms: u64,
    },
    /// A client's direction ends, the other does not.
    HalfClose(Role),
    /// A byte of the stream below the messages is another.
    FlipByte(Role, Way),
    /// A side's network is gone for a while, without a word.
    NetworkDown {
        /// Whose.
        role: Role,
        /// How long.
        for_ms: u64,
    },
    /// The relay dies and comes back.
    RelayRestarts {
        /// Its machine is gone, so nobody says that connections broke.
        is_silent: bool,
        /// For how long.
        down_ms: u64,
    },
    /// The relay ends in order and comes back.
    RelayShutsDown {
        /// For how long it is gone.
        down_ms: u64,
    },
    /// A process is killed.
    Kill {
        /// Whose.
        role: Role,
        /// With its machine: what was not synced is lost, and nobody says that connections broke.
        is_silent: bool,
        /// When its person starts it again, if ever.
        restart_ms: Option<u64>,
    },
    /// The receiver is killed in the middle of what it does with its disk.
    KillWithin {
        /// After so many changes and syncs from now on.
        changes: usize,
        /// With its machine.
        is_silent: bool,
        /// When its person starts it again, if ever.
        restart_ms: Option<u64>,
    },
    /// The receiver's machine loses its power when the journal of a file has just been made durable.
    PowerLostAtCheckpoint {
        /// When its person starts it again, if ever.
        restart_ms: Option<u64>,
    },
    /// The disk has only so much room.
    DiskFull {
        /// In all, in bytes.
        left: u64,
        /// When there is enough again, if within this run.
        freed_ms: Option<u64>,
    },
    /// The disk fails soon, and from then on.
    DiskBreaks,
    /// A person interrupts.
    Cancel(Role),
    /// The relay does this to a message.
    Hostile(Act),
    /// A stranger sits down in somebody's room, as this.
    Stranger(Role),
    /// A file changes.
    Change(usize),
    /// The largest file changes: the one that is most likely being read.
    ChangeLargest,
    /// A file goes away.
    Remove(usize),
}

impl Strike {
    /// Whether a transfer survives it by itself, given some minutes.
    pub fn passes(&self) -> bool {
        match self {
            Strike::Cut(_)
            | Strike::CutFirst(_)
            | Strike::CutBeside(_)
            | Strike::RefuseLanes(_)
            | Strike::Mute { .. }
            | Strike::HalfClose(_)
            | Strike::Change(_)
            | Strike::ChangeLargest
            | Strike::Remove(_) => true,
            Strike::Stall { for_ms, .. } | Strike::NetworkDown { for_ms, .. } => *for_ms <= PASSING_MS,
            Strike::RelayRestarts { down_ms, .. } | Strike::RelayShutsDown { down_ms } => {
                *down_ms <= PASSING_MS
            }
            _ => false,
        }
    }

    /// Whether a process may be killed by it.
    pub fn kills(&self) -> bool {
        matches!(self, Strike::Kill { .. } | Strike::KillWithin { .. } | Strike::PowerLostAtCheckpoint { .. })
    }

    /// Whether somebody in between has to listen for it.
    pub fn is_hostile(&self) -> bool {
        matches!(self, Strike::Hostile(_) | Strike::Stranger(_))
    }
}

/// What a run is likely to show. Where everything is left to chance, what needs several things at once comes up once in thousands of runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Theme {
    /// Whatever the dice say.
    Anything,
    /// Lanes come and go while there is much on them, and a chunk is many frames.
    BusyLanes,
    /// The power goes while a large file comes, of which the journal speaks already.
    Power,
    /// Nothing is encrypted, and somebody in between has a hand in it.
    Readable,
}

impl Theme {
    fn draw(dice: &mut Dice) -> Theme {
        match dice.roll(10) {
            0 => Theme::BusyLanes,
            1 => Theme::Power,
            2 => Theme::Readable,
            _ => Theme::Anything,
        }
    }

    /// Makes it likely. Whatever else was drawn stays.
    fn shape(self, scenario: &mut Scenario, dice: &mut Dice) {
        match self {
            Theme::Anything => {}
            Theme::BusyLanes => {
                // The word that a lane is gone comes back before the chunk has ended that was on it.
                for manner in &mut scenario.manners {
                    (manner.capacity, manner.latency_ms, manner.jitter_ms) =
                        (8 << 10, dice.roll(3), dice.roll(3));
                }
                for command in &mut scenario.commands {
                    command.can = command.can | Capabilities::LANES;
                    command.limit = None;
                }
                let [send, _] = &mut scenario.commands;
                send.breadth = Breadth::Fickle(1 + u8::try_from(dice.roll(3)).unwrap_or(0));
                send.block_bytes = dice.pick(&[4 << 10, 4 << 10, 16 << 10]);
                // What went to a lane that is gone comes after all when it is there again: it shall not always be.
                for strike in [Strike::ChangeLargest, Strike::RefuseLanes(u16::MAX)] {
                    let at_move = dice.between(60, 60 + scenario.bytes / 4096);
                    if dice.one_in(2) {
                        scenario.blows.push(Blow { at_move, strike });
                    }
                }
            }
            Theme::Readable => {
                scenario.commands.iter_mut().for_each(|command| command.no_encrypt = true);
                for _ in 0..3 {
                    let at_move = dice.between(60, 60 + scenario.bytes / 4096);
                    let strike = Strike::Hostile(dice.pick(hostile::ACTS));
                    scenario.blows.push(Blow { at_move, strike });
                }
            }
            Theme::Power => {
                for command in &mut scenario.commands {
                    command.chunk = ChunkSize::MIN;
                    command.haste = dice.pick(&[1000, 100_000]);
                    command.rules.resume = true;
                }
                let strike = Strike::PowerLostAtCheckpoint { restart_ms: restart_ms(dice) };
                scenario.blows.push(Blow { at_move: dice.wide(60 + scenario.bytes / 8192), strike });
            }
        }
    }
}

impl Scenario {
    /// Whether what stood there before may be replaced.
    pub fn replaces(&self) -> bool {
        matches!(self.commands[1].rules.on_conflict, OnConflict::Overwrite | OnConflict::Ask)
    }

    /// The first run of these dice.
    pub fn draw(dice: &mut Dice) -> Scenario {
        // Buffers of a few hundred bytes find what large ones hide, and take long: so little is sent through them.
        let theme = Theme::draw(dice);
        let is_narrow = theme == Theme::Anything && dice.one_in(4);
        let largest = match theme {
            _ if is_narrow => 0,
            // In small frames it takes long.
            Theme::BusyLanes => 1_200_000,
            _ => 2_500_000,
        };
        let has_large = matches!(theme, Theme::BusyLanes | Theme::Power);
        let tree = Tree::random(dice, largest, has_large);
        let existing = if dice.one_in(4) { existing(&tree, dice) } else { BTreeMap::new() };
        let strategies = [OnConflict::Skip, OnConflict::Overwrite, OnConflict::Rename, OnConflict::Ask];
        let on_conflict = dice.pick(&strategies);
        let made = dice.pick(&[[true, false], [true, false], [false, true], [false, false]]);
        let bytes = tree.bytes();
        let mut scenario = Scenario::with(tree, existing, on_conflict, made, bytes, is_narrow, dice);
        theme.shape(&mut scenario, dice);
        scenario
    }

    /// A later run of the same transfer, which goes on with what is there.
    pub fn again(&self, dice: &mut Dice) -> Scenario {
        let on_conflict = self.commands[1].rules.on_conflict;
        let is_narrow = self.manners[0].capacity < 4096;
        Scenario::with(
            Tree::default(),
            BTreeMap::new(),
            on_conflict,
            [true, false],
            self.bytes,
            is_narrow,
            dice,
        )
    }

    /// The last run, in which nothing goes wrong.
    pub fn calm(&self, dice: &mut Dice) -> Scenario {
        let mut calm = self.again(dice);
        calm.blows.clear();
        calm.manners = [Manner { capacity: 1 << 20, latency_ms: 1, jitter_ms: 0, pieces: 1 }; 2];
        calm.commands[1].turn_ms = 0;
        calm
    }

    fn with(
        tree: Tree,
        existing: BTreeMap<RelPath, Thing>,
        on_conflict: OnConflict,
        made: [bool; 2],
        bytes: u64,
        is_narrow: bool,
        dice: &mut Dice,
    ) -> Scenario {
        let code =
            SharedCode { room: dice.between(10_000, 99_999).to_string(), password: dice.bytes().to_vec() };
        let chunk = if dice.one_in(4) { ChunkSize::default() } else { ChunkSize::MIN };
        let retry_ms = if dice.one_in(8) { 0 } else { dice.pick(&[60_000, 600_000, 600_000]) };
        let command = Command {
            code,
            made: made[0],
            retry_ms,
            wait_ms: 600_000,
            chunk,
            yes: dice.roll(4) > 0,
            no_encrypt: dice.one_in(3),
            turn_ms: dice.pick(&[0, 3, 3, 50, 2000]),
            haste: dice.pick(&[1, 30, 1000, 100_000]),
            rules: Rules { on_conflict, resume: dice.roll(8) > 0, checksums: None },
            can: can(dice),
            breadth: Breadth::draw(dice),
            is_hasty: dice.one_in(2),
            block_bytes: dice.pick(&[PAYLOAD_BYTES_MAX, PAYLOAD_BYTES_MAX, 64 << 10, 16 << 10]),
            limit: if dice.one_in(8) { Rate::new(dice.between(100_000, 2_000_000)) } else { None },
        };
        let receive = Command { made: made[1], can: can(dice), ..command.clone() };
        let manners = [manner(dice, is_narrow), manner(dice, is_narrow)];
        let moves = 60 + bytes / if is_narrow { 64 } else { 8192 };
        let count = if dice.one_in(10) { 0 } else { dice.wide(7) };
        let is_hostile = dice.one_in(5);
        let blows = (0..count)
            .map(|_| Blow { at_move: dice.wide(moves * 2), strike: strike(dice, is_hostile, bytes) })
            .collect();
        Scenario { tree, existing, commands: [command, receive], manners, blows, bytes }
    }
}

/// Mostly everything, as this program can; what another one cannot is left out.
fn can(dice: &mut Dice) -> Capabilities {
    let each = [Capabilities::LANES, Capabilities::ZSTD, Capabilities::DEFLATE];
    if dice.roll(4) > 0 {
        return Capabilities::ALL;
    }
    each.into_iter().filter(|_| dice.one_in(2)).fold(Capabilities::NONE, |all, one| all | one)
}

/// What stands on the disk already: some of it the same, some of it not.
fn existing(tree: &Tree, dice: &mut Dice) -> BTreeMap<RelPath, Thing> {
    let mut existing = BTreeMap::new();
    for (path, thing) in tree.things() {
        let is_reachable =
            path.split().is_some_and(|(parent, _)| parent.is_root() || existing.contains_key(&parent));
        if !is_reachable || dice.one_in(2) {
            continue;
        }
        let meta = Meta { mode: Some(0o640), mtime_s: 77, mtime_ns: 0 };
        let there = match thing {
            Thing::Directory(_) => Thing::Directory(meta),
            Thing::Link(target) if dice.one_in(2) => Thing::Link(target),
            Thing::File(_, bytes) => match dice.roll(6) {
                0 => Thing::File(meta, bytes),
                1 => Thing::Link(b"elsewhere".to_vec()),
                2 => Thing::Directory(meta),
                3 => Thing::File(meta, Arc::new(tree::bytes(dice, 100))),
                _ => {
                    let mut other = bytes.to_vec();
                    if let Some(byte) = other.last_mut() {
                        *byte ^= 1;
                    }
                    Thing::File(meta, Arc::new(other))
                }
            },
            Thing::Link(_) => Thing::File(meta, Arc::new(b"no link".to_vec())),
        };
        existing.insert(path, there);
    }
    existing
}

fn manner(dice: &mut Dice, is_narrow: bool) -> Manner {
    let capacity =
        if is_narrow { dice.length(2000).max(16) } else { dice.pick(&[8 << 10, 64 << 10, 1 << 20]) };
    Manner {
        capacity,
        latency_ms: if is_narrow { dice.roll(3) } else { dice.wide(200) },
        jitter_ms: dice.roll(30),
        pieces: dice.pick(&[1, 1, 4]),
    }
}

fn strike(dice: &mut Dice, is_hostile: bool, bytes: u64) -> Strike {
    let role = dice.pick(&[Role::Send, Role::Receive]);
    let way = dice.pick(&[Way::Up, Way::Down]);
    if is_hostile && dice.one_in(2) {
        return Strike::Hostile(dice.pick(hostile::ACTS));
    }
    match dice.roll(39) {
        32 => Strike::CutFirst(role),
        33..=34 => Strike::CutBeside(role),
        35..=36 => Strike::RefuseLanes(dice.pick(&[u16::MAX, 0b10, 0b110])),
        37..=38 => Strike::ChangeLargest,
        0..=5 => Strike::Cut(role),
        6..=8 => {
            let (up, down) = dice.pick(&[(true, true), (true, false), (false, true)]);
            Strike::Mute { role, up, down }
        }
        9..=10 => Strike::Stall { role, way, for_ms: dice.wide(120_000) },
        11 => Strike::HalfClose(role),
        12 => Strike::FlipByte(role, way),
        13..=14 => Strike::NetworkDown { role, for_ms: dice.wide(900_000) },
        15..=17 => Strike::RelayRestarts { is_silent: dice.one_in(3), down_ms: down_ms(dice) },
        18 => Strike::RelayShutsDown { down_ms: down_ms(dice) },
        19..=21 => Strike::Kill { role, is_silent: dice.one_in(3), restart_ms: restart_ms(dice) },
        22..=24 => {
            let changes = dice.index(12);
            Strike::KillWithin { changes, is_silent: dice.one_in(2), restart_ms: restart_ms(dice) }
        }
        25 => {
            let freed_ms = dice.one_in(2).then(|| dice.wide(100_000));
            Strike::DiskFull { left: dice.wide(bytes + (200 << 10)), freed_ms }
        }
        26 => Strike::DiskBreaks,
        27 => Strike::Cancel(role),
        28 => Strike::Stranger(role),
        29..=30 => Strike::Change(dice.index(64)),
        _ => Strike::Remove(dice.index(64)),
    }
}

/// Most people start their command again.
fn restart_ms(dice: &mut Dice) -> Option<u64> {
    (dice.roll(5) > 0).then(|| dice.wide(300_000))
}

/// Mostly shorter than anybody's patience.
fn down_ms(dice: &mut Dice) -> u64 {
    if dice.one_in(8) { dice.wide(2_000_000) } else { dice.wide(60_000) }
}

/// What lasts no longer is nothing to give up for.
const PASSING_MS: u64 = 60_000;

//! One side: a process that pairs, runs its session over whatever connections there are, looks for the other side when there is none,
//! and ends; or is killed, and maybe started again by its person.

mod pairing;
mod session;

use std::collections::BTreeMap;

use super::breadth::Breadth;
use super::dice::Dice;
use super::net::{ConnId, Ended, Net, Notice};
use super::party::Places;
use super::seeker::{Proof, SharedCode};
use super::world::Happening;
use crate::error::{Error, Kind, Result};
use crate::events::{Decision, Report, Resolution};
use crate::proto::chunk::ChunkSize;
use crate::proto::handshake::{Capabilities, Guesses};
use crate::proto::pace::Rate;
use crate::proto::path::{Name, RelPath};
use crate::proto::role::Role;
use crate::receive::Rules;
use pairing::Pairing;
use session::Session;

/// What the person typed.
#[derive(Clone, Debug)]
pub struct Command {
    /// The code.
    pub code: SharedCode,
    /// Whether it was made here.
    pub made: bool,
    /// How long a lost connection is looked for.
    pub retry_ms: u64,
    /// How long the other side is waited for.
    pub wait_ms: u64,
    /// How files are cut.
    pub chunk: ChunkSize,
    /// Accept without asking.
    pub yes: bool,
    /// Ask for no encryption.
    pub no_encrypt: bool,
    /// How slow the disk is: the longest turn, in milliseconds.
    pub turn_ms: u64,
    /// How many milliseconds pass for the disk in one of ours: its checkpoints come by time and volume, and a run has little of either.
    pub haste: u64,
    /// How what stands there is treated.
    pub rules: Rules,
    /// What this side's program can do.
    pub can: Capabilities,
    /// How many lanes the sender wants.
    pub breadth: Breadth,
    /// Whether it asks for them ahead of the answer to what it offers, as for much to somebody far away.
    pub is_hasty: bool,
    /// How many bytes of files the sender puts into one frame at most.
    pub block_bytes: usize,
    /// No more than this is to come to the receiver in a second.
    pub limit: Option<Rate>,
}

/// One side.
#[derive(Debug)]
pub struct End {
    role: Role,
    /// What the person typed last.
    pub command: Command,
    /// Which process this is: the one started first is 1.
    pub life: u32,
    /// What the process that ended last came to. `None`: it was killed, or none has ended.
    pub outcome: Option<Result<Report>>,
    /// What was delivered under another name, by the path it should have.
    pub kept_both: BTreeMap<RelPath, Name>,
    stage: Stage,
    dice: Dice,
    goes_at_ms: u64,
    has_moved: bool,
    // Wrong guesses at the code, as long as this process lives.
    guesses: Guesses,
}

#[derive(Debug)]
enum Stage {
    Off,
    Pairing(Box<Pairing>),
    Session(Box<Session>),
}

impl End {
    /// A side whose person has not started anything yet.
    pub fn new(role: Role, command: Command, dice: Dice) -> End {
        End {
            role,
            command,
            life: 0,
            outcome: None,
            kept_both: BTreeMap::new(),
            stage: Stage::Off,
            dice,
            goes_at_ms: u64::MAX,
            has_moved: false,
            guesses: Guesses::new(),
        }
    }

    /// Whether a process runs.
    pub fn is_running(&self) -> bool {
        !matches!(self.stage, Stage::Off)
    }

    /// The person starts the command.
    pub fn start(&mut self, net: &mut Net, places: &Places) {
        if self.is_running() {
            return;
        }
        self.life += 1;
        self.outcome = None;
        net.trace.say(|| format!("{:?} starts (process {})", self.role, self.life));
        self.guesses = Guesses::new();
        self.stage = Stage::Pairing(Box::new(Pairing::new(self.role, self.proof(false), net.now_ms())));
        self.goes_at_ms = u64::MAX;
        net.clock.after(0, Happening::Tick(self.role, self.life));
        self.go(net, places);
    }

    /// The process is killed, or its machine is off: nothing of it says goodbye or cleans up.
    pub fn die(&mut self, net: &mut Net, is_silent: bool, places: &mut Places) {
        net.trace.say(|| format!("{:?} dies{}", self.role, if is_silent { " with its machine" } else { "" }));
        net.abandon_all(self.role, is_silent);
        if self.role == Role::Receive {
            places.disk = places.disk.kill();
            if is_silent {
                places.disk = places.disk.crash(&mut |sides| self.dice.roll(sides));
            }
        }
        self.stage = Stage::Off;
        self.outcome = None;
    }

    /// The person interrupts it.
    pub fn cancel(&mut self, net: &mut Net, places: &Places) {
        net.trace.say(|| format!("{:?} is interrupted", self.role));
        match &mut self.stage {
            Stage::Off => {}
            Stage::Pairing(_) => self.over(Err(Error::interrupted()), net),
            Stage::Session(session) => {
                session.party.fail(Error::interrupted());
                self.settle(net, places);
            }
        }
    }

    /// Something happened to one of its connections.
    pub fn notice(&mut self, id: ConnId, notice: Notice, net: &mut Net, places: &Places) {
        self.has_moved = true;
        match &mut self.stage {
            Stage::Off => {}
            Stage::Pairing(pairing) => {
                if pairing.seeker.is_on(id) {
                    let found = pairing.seeker.notice(notice, net, &mut self.dice);
                    self.pairing_found(found, net);
                }
            }
            Stage::Session(_) => self.session_notice(id, notice, net),
        }
        self.settle(net, places);
    }

    /// A tenth of a second has passed, or a second where nothing goes on.
    pub fn tick(&mut self, net: &mut Net, places: &Places) {
        let now_ms = net.now_ms();
        match &mut self.stage {
            Stage::Off => return,
            Stage::Pairing(pairing) => {
                if now_ms >= pairing.since_ms + self.command.wait_ms {
                    self.over(Err(Error::new(Kind::NobodyCame, "the other side did not come in time")), net);
                    return;
                }
            }
            Stage::Session(session) => {
                session.party.tick(&mut session.lanes, now_ms, &mut self.dice);
                let wakes = session.closing.is_none() && session.party.wake();
                if wakes {
                    net.clock.after(0, Happening::Turn(self.role, self.life));
                }
                for lane in session.lanes.dead(net) {
                    self.connection_ended(lane, Ended::Lost, net);
                }
            }
        }
        self.go(net, places);
        if self.is_running() {
            let wait_ms = if std::mem::take(&mut self.has_moved) { TICK_MS } else { SLOW_TICK_MS };
            net.clock.after(wait_ms, Happening::Tick(self.role, self.life));
        }
    }

    /// Something is due, or more is at hand.
    pub fn go(&mut self, net: &mut Net, places: &Places) {
        let now_ms = net.now_ms();
        if self.goes_at_ms <= now_ms {
            self.goes_at_ms = u64::MAX;
        }
        match &mut self.stage {
            Stage::Off => {}
            Stage::Pairing(pairing) => {
                let found = pairing.seeker.poll(net, &mut self.dice);
                self.pairing_found(found, net);
            }
            Stage::Session(_) => self.look(net),
        }
        self.settle(net, places);
    }

    /// The disk thread takes a turn.
    pub fn turn(&mut self, net: &mut Net, places: &Places) {
        self.has_moved = true;
        net.moves += 1;
        let now_ms = net.now_ms() * self.command.haste;
        if let Stage::Session(session) = &mut self.stage
            && session.closing.is_none()
            && let Some(after) = session.party.turn(now_ms)
        {
            if after.goes_on {
                self.wants_turn(net);
            }
            if after.saves {
                let delay_ms = self.dice.roll(self.command.turn_ms * 4 + 1);
                net.clock.after(delay_ms, Happening::Save(self.role, self.life));
            }
        }
        self.settle(net, places);
    }

    /// A checkpoint is carried out.
    pub fn save(&mut self, net: &mut Net, places: &Places) {
        net.moves += 1;
        if let Stage::Session(session) = &mut self.stage
            && session.closing.is_none()
            && session.party.save()
        {
            self.wants_turn(net);
        }
        self.settle(net, places);
    }

    /// The person has decided about a conflict.
    pub fn decide(&mut self, net: &mut Net, places: &Places) {
        let resolution = self.dice.pick(&[Resolution::Overwrite, Resolution::Skip, Resolution::Rename]);
        let decision = Decision { resolution, for_all: self.dice.one_in(4) };
        if let Stage::Session(session) = &mut self.stage {
            session.party.decided(decision);
        }
        self.settle(net, places);
    }

    /// The person has answered the question.
    pub fn answer(&mut self, yes: bool, net: &mut Net, places: &Places) {
        let now_ms = net.now_ms();
        if let Stage::Session(session) = &mut self.stage {
            session.party.answered(yes, now_ms);
        }
        self.settle(net, places);
    }

    /// Puts down when a seeker has something to do.
    fn schedule(&mut self, net: &mut Net) {
        let due_ms = match &self.stage {
            Stage::Off => None,
            Stage::Pairing(pairing) => pairing.seeker.due_ms(),
            Stage::Session(session) => session.due_ms(),
        };
        if let Some(due_ms) = due_ms {
            self.goes_after(due_ms.saturating_sub(net.now_ms()), net);
        }
    }

    fn goes_after(&mut self, delay_ms: u64, net: &mut Net) {
        let at_ms = net.now_ms() + delay_ms;
        if at_ms < self.goes_at_ms {
            self.goes_at_ms = at_ms;
            net.clock.at(at_ms, Happening::Go(self.role, self.life));
        }
    }

    fn wants_turn(&mut self, net: &mut Net) {
        let delay_ms = self.dice.roll(self.command.turn_ms + 1);
        net.clock.after(delay_ms, Happening::Turn(self.role, self.life));
    }

    fn over(&mut self, result: Result<Report>, net: &mut Net) {
        net.trace.say(|| format!("{:?} ends: {result:?}", self.role));
        self.stage = Stage::Off;
        self.outcome = Some(result);
        net.abandon_all(self.role, false);
    }

    fn proof(&self, in_session: bool) -> Proof {
        Proof::Code {
            code: self.command.code.clone(),
            made: self.command.made,
            in_session,
            no_encrypt: self.command.no_encrypt,
            can: self.command.can,
        }
    }
}

const TICK_MS: u64 = 100;

/// How often one looks up to whom nothing happens: it changes nothing but the time a run takes.
const SLOW_TICK_MS: u64 = 1000;

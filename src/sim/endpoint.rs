//! One side: a process that pairs, runs its session over whatever connections there are, looks for the other side when there is none,
//! and ends; or is killed, and maybe started again by its person.

use std::collections::BTreeMap;

use bytes::BytesMut;

use super::dice::Dice;
use super::lane::Lane;
use super::net::{ConnId, Ended, Net, Notice, Refused};
use super::party::{Party, Places, Wish};
use super::seeker::{Found, Proof, Seeker, SharedCode};
use super::world::Happening;
use crate::error::{Error, Kind, Result};
use crate::events::{Decision, Event, Report, Resolution};
use crate::proto::chunk::ChunkSize;
use crate::proto::handshake::{Established, Fault, Guesses, GuessesLeft};
use crate::proto::path::{Name, RelPath};
use crate::proto::role::Role;
use crate::proto::seal::{Mode, SessionSecret};
use crate::receive::Rules;

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

/// Before there is a session.
#[derive(Debug)]
struct Pairing {
    seeker: Seeker,
    since_ms: u64,
    // Since when no seat could be had; and whether one was ever had.
    unseated_since_ms: Option<u64>,
    has_sat: bool,
}

#[derive(Debug)]
struct Session {
    party: Party,
    lane: Lane,
    secret: SessionSecret,
    mode: Mode,
    search: Option<Search>,
    // Once the session is over: what it came to, and until when its last words may take.
    closing: Option<(Result<Report>, u64)>,
}

/// Looking for the other side of a session whose connection is lost.
#[derive(Debug)]
struct Search {
    lane: Seeker,
    code: Option<Seeker>,
    until_ms: u64,
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
        let seeker = Seeker::new(self.role, self.proof(false), PAIRING_PAUSE_MAX_MS, None);
        self.stage = Stage::Pairing(Box::new(Pairing {
            seeker,
            since_ms: net.now_ms(),
            unseated_since_ms: None,
            has_sat: false,
        }));
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
            Stage::Pairing(_) => self.over(Err(Error::new(Kind::Interrupted, "interrupted")), net),
            Stage::Session(session) => {
                session.party.fail(Error::new(Kind::Interrupted, "interrupted"));
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
            Stage::Session(session) if session.lane.is_on(id) => match notice {
                Notice::Message(record) => self.record(record, net),
                Notice::Ended(ended) => self.connection_ended(ended, net),
                Notice::Seated | Notice::NotSeated(_) | Notice::Clear => {}
            },
            Stage::Session(session) => {
                let Some(search) = &mut session.search else { return };
                let seekers = [Some(&mut search.lane), search.code.as_mut()];
                let on = seekers.into_iter().flatten().find(|seeker| seeker.is_on(id));
                let found = on.map(|seeker| seeker.notice(notice, net, &mut self.dice));
                if let Some(found) = found {
                    self.search_found(found, net);
                }
            }
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
                session.party.tick(now_ms);
                let wakes = session.closing.is_none() && session.party.wake();
                if wakes {
                    net.clock.after(0, Happening::Turn(self.role, self.life));
                }
                if session.lane.is_dead(net) {
                    self.connection_ended(Ended::Lost, net);
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
            Stage::Session(session) => {
                if let Some(search) = &mut session.search {
                    if now_ms >= search.until_ms {
                        self.search_ends(net);
                    } else {
                        let found = search.lane.poll(net, &mut self.dice);
                        self.search_found(found, net);
                        if let Stage::Session(session) = &mut self.stage
                            && let Some(code) =
                                session.search.as_mut().and_then(|search| search.code.as_mut())
                        {
                            let found = code.poll(net, &mut self.dice);
                            self.search_found(found, net);
                        }
                    }
                }
            }
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

    fn record(&mut self, record: BytesMut, net: &mut Net) {
        let now_ms = net.now_ms();
        let Stage::Session(session) = &mut self.stage else { return };
        if session.closing.is_some() {
            return;
        }
        net.moves += 1;
        match session.lane.open(record, now_ms) {
            Ok(Some(frame)) => session.party.frame(frame, now_ms),
            Ok(None) => {}
            Err(error) => session.party.fail(error),
        }
    }

    /// Does everything that can be done now, and puts down when there is more.
    fn settle(&mut self, net: &mut Net, places: &Places) {
        if self.role == Role::Receive && places.is_stopped() {
            return;
        }
        let mut wishes = Vec::new();
        let mut left = self.dice.between(1, 8);
        while let Stage::Session(session) = &mut self.stage {
            session.party.carry_out(&mut session.lane, places, &mut wishes);
            for wish in wishes.drain(..) {
                match wish {
                    Wish::Turn => {
                        let delay_ms = self.dice.roll(self.command.turn_ms + 1);
                        net.clock.after(delay_ms, Happening::Turn(self.role, self.life));
                    }
                    Wish::Answer => {
                        let delay_ms = self.dice.wide(60_000);
                        net.clock.after(delay_ms, Happening::Answered(self.role, self.life));
                    }
                    Wish::Decide => {
                        let delay_ms = self.dice.wide(20_000);
                        net.clock.after(delay_ms, Happening::Decided(self.role, self.life));
                    }
                    Wish::Told(event) => {
                        if !matches!(event, Event::Offer(_)) {
                            net.trace.say(|| format!("{:?}: {event:?}", self.role));
                        }
                        if let Event::KeptBoth { path, name } = event {
                            self.kept_both.insert(path, name);
                        }
                    }
                    Wish::Done(result) => {
                        net.trace.say(|| format!("{:?} is done: {result:?}", self.role));
                        session.lane.finish();
                        session.party.end();
                        if let Some(mut search) = session.search.take() {
                            search.give_up(net);
                        }
                        net.done
                            .push((self.role, result.as_ref().ok().map(|report| report.failures.clone())));
                        session.closing = Some((result, net.now_ms() + CLOSING_MS));
                    }
                }
            }
            if self.role == Role::Receive && places.is_stopped() {
                return;
            }
            let is_out = match session.lane.pump(net) {
                Ok(is_out) => is_out,
                Err(error) => {
                    session.party.fail(error);
                    session.lane.drop(net);
                    continue;
                }
            };
            if let Some((_, until_ms)) = &session.closing {
                if is_out || net.now_ms() >= *until_ms {
                    if is_out {
                        session.lane.close(net);
                    } else {
                        session.lane.drop(net);
                    }
                    if let Some((result, _)) = session.closing.take() {
                        self.over(result, net);
                    }
                }
                break;
            }
            if left == 0 {
                let delay_ms = self.dice.roll(3);
                self.goes_after(delay_ms, net);
                break;
            }
            left -= 1;
            if session.party.feed(&session.lane, places, &mut self.dice) {
                self.has_moved = true;
                continue;
            }
            session.party.idle();
            session.party.carry_out(&mut session.lane, places, &mut wishes);
            if wishes.is_empty() {
                if let Err(error) = session.lane.pump(net) {
                    session.party.fail(error);
                    continue;
                }
                break;
            }
        }
        self.schedule(net);
    }

    /// Puts down when a seeker has something to do.
    fn schedule(&mut self, net: &mut Net) {
        let due_ms = match &self.stage {
            Stage::Off => None,
            Stage::Pairing(pairing) => pairing.seeker.due_ms(),
            Stage::Session(session) => session.search.as_ref().map(Search::due_ms),
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

    fn pairing_found(&mut self, found: Found, net: &mut Net) {
        let now_ms = net.now_ms();
        let Stage::Pairing(pairing) = &mut self.stage else { return };
        if !matches!(found, Found::Nothing) {
            net.trace.say(|| format!("{:?} pairing: {found:?}", self.role));
        }
        let result = match found {
            Found::Nothing | Found::Failed | Found::Proven(..) => {
                if pairing.seeker.is_seated() || !matches!(found, Found::Nothing) {
                    pairing.has_sat = true;
                    pairing.unseated_since_ms = None;
                }
                return;
            }
            Found::Paired(established, conn) => {
                return self.establish(&established, conn, net, self.command.yes);
            }
            Found::NoSeat(refused) => {
                let since_ms = *pairing.unseated_since_ms.get_or_insert(now_ms);
                let patience_ms = match refused {
                    Refused::Taken => GHOST_MS,
                    _ if pairing.has_sat => RELAY_LOST_MS,
                    Refused::Unreachable | Refused::Full => 0,
                };
                if now_ms < since_ms + patience_ms {
                    return;
                }
                Err(Error::new(Kind::Relay, format!("no seat: {refused:?}")))
            }
            Found::GuessedWrong => match self.guesses.count_wrong() {
                GuessesLeft::Left(_) => return,
                GuessesLeft::Burnt => Err(Error::new(Kind::Authentication, "the code is burnt")),
            },
            Found::Unanswered => Err(Error::new(Kind::Authentication, "the code is wrong")),
            Found::Fault(fault) => {
                let is_pure_taker = !self.command.made && self.role == Role::Receive;
                if !is_pure_taker || matches!(fault, Fault::WrongCode | Fault::Malformed(_)) {
                    return;
                }
                Err(fault.into())
            }
        };
        self.over(result, net);
    }

    /// Both sides know each other: a session begins.
    fn establish(&mut self, established: &Established, conn: ConnId, net: &mut Net, yes: bool) {
        let (sealer, opener) = established.first_lane();
        let lane = Lane::new(conn, sealer, opener, net);
        let party = match self.role {
            Role::Send => Party::sending(self.command.chunk),
            Role::Receive => Party::receiving(yes, self.command.rules),
        };
        self.stage = Stage::Session(Box::new(Session {
            party,
            lane,
            secret: established.secret.clone(),
            mode: established.mode,
            search: None,
            closing: None,
        }));
    }

    fn connection_ended(&mut self, ended: Ended, net: &mut Net) {
        let now_ms = net.now_ms();
        net.trace.say(|| format!("{:?} has lost its connection: {ended:?}", self.role));
        let proof = self.proof(true);
        let Stage::Session(session) = &mut self.stage else { return };
        if session.closing.is_some() {
            session.lane.drop(net);
            return;
        }
        if ended == Ended::Broken {
            session.lane.drop(net);
            session.party.fail(Error::new(Kind::Protocol, "the relay broke the WebSocket protocol"));
            return;
        }
        match session.lane.detach(net) {
            Ok(frames) if self.command.retry_ms > 0 => {
                let (secret, mode) = (session.secret.clone(), session.mode);
                let lane = Proof::Session { secret, mode, frames };
                let lane = Seeker::new(self.role, lane, SEARCH_PAUSE_MAX_MS, Some((now_ms, &mut self.dice)));
                let code = (!self.guesses.is_burnt()).then(|| {
                    Seeker::new(self.role, proof, SEARCH_PAUSE_MAX_MS, Some((now_ms, &mut self.dice)))
                });
                session.search = Some(Search { lane, code, until_ms: now_ms + self.command.retry_ms });
                self.goes_after(0, net);
            }
            Ok(_) => session.party.connection_lost(lost()),
            Err(error) => session.party.fail(error),
        }
    }

    fn search_found(&mut self, found: Found, net: &mut Net) {
        let Stage::Session(session) = &mut self.stage else { return };
        let Some(search) = &mut session.search else { return };
        if !matches!(found, Found::Nothing) {
            net.trace.say(|| format!("{:?} search: {found:?}", self.role));
        }
        match found {
            Found::Nothing | Found::Failed | Found::NoSeat(_) | Found::Fault(_) => {}
            Found::GuessedWrong | Found::Unanswered => {
                if self.guesses.count_wrong() == GuessesLeft::Burnt
                    && let Some(mut code) = search.code.take()
                {
                    code.give_up(net);
                }
            }
            Found::Proven(proven, conn) => {
                search.give_up_but(conn, net);
                session.search = None;
                if let Err(error) = session.lane.attach(conn, *proven, net) {
                    session.party.fail(error);
                }
            }
            Found::Paired(established, conn) => {
                search.give_up_but(conn, net);
                session.party.end();
                self.establish(&established, conn, net, true);
            }
        }
    }

    fn search_ends(&mut self, net: &mut Net) {
        let Stage::Session(session) = &mut self.stage else { return };
        if let Some(mut search) = session.search.take() {
            search.give_up(net);
            session.party.connection_lost(lost());
        }
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
        }
    }
}

impl Search {
    fn due_ms(&self) -> u64 {
        let seekers = [Some(&self.lane), self.code.as_ref()];
        let due = seekers.into_iter().flatten().filter_map(Seeker::due_ms).min();
        due.unwrap_or(self.until_ms).min(self.until_ms)
    }

    fn give_up(&mut self, net: &mut Net) {
        self.lane.give_up(net);
        if let Some(code) = &mut self.code {
            code.give_up(net);
        }
    }

    fn give_up_but(&mut self, conn: ConnId, net: &mut Net) {
        let seekers = [Some(&mut self.lane), self.code.as_mut()];
        for seeker in seekers.into_iter().flatten().filter(|seeker| !seeker.is_on(conn)) {
            seeker.give_up(net);
        }
    }
}

fn lost() -> Error {
    Error::new(Kind::ConnectionLost, "the connection was lost and did not come back")
}

const TICK_MS: u64 = 100;

/// How often one looks up to whom nothing happens: it changes nothing but the time a run takes.
const SLOW_TICK_MS: u64 = 1000;

/// As in `net::link`.
const CLOSING_MS: u64 = 20_000;

/// As in `net::pair`.
const PAIRING_PAUSE_MAX_MS: u64 = 2000;
const GHOST_MS: u64 = 60_000;
const RELAY_LOST_MS: u64 = 600_000;

/// As in the reunion of `net`.
const SEARCH_PAUSE_MAX_MS: u64 = 5000;

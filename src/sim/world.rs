//! The whole: two people's processes, the relay and the network between them, on one clock.

use std::io::ErrorKind;

use super::dice::Dice;
use super::endpoint::{Command, End};
use super::net::{ConnId, Net, Refused, Way};
use super::oracle::{self, Existing};
use super::party::Places;
use super::scenario::{Blow, Strike};
use crate::error::Result;
use crate::events::Report;
use crate::proto::role::Role;
use crate::relay::switchboard::Reason;

/// What may be due.
#[derive(Debug)]
pub enum Happening {
    /// A request for a seat reaches the relay.
    Dial(ConnId),
    /// Its answer reaches the client.
    Answer(ConnId, std::result::Result<(), Refused>),
    /// Bytes, or an end, arrive.
    Arrive(ConnId, Way),
    /// A reader has made room for a writer.
    Room(ConnId, Way),
    /// The relay looks at a connection.
    Serve(ConnId),
    /// The relay joins two.
    Pair(ConnId, ConnId),
    /// The relay asks whether somebody is there.
    Ping(ConnId),
    /// The relay ends a connection.
    Dismiss(ConnId, Reason),
    /// The relay looks at its seats.
    RelayTicks,
    /// The relay is there again.
    RelayStarts,
    /// A process looks at the time.
    Tick(Role, u32),
    /// A process has something to do.
    Go(Role, u32),
    /// A disk thread takes a turn.
    Turn(Role, u32),
    /// A checkpoint is carried out.
    Save(Role, u32),
    /// A person has answered.
    Answered(Role, u32),
    /// A person has decided about a conflict.
    Decided(Role, u32),
    /// A person starts a process.
    Start(Role),
    /// A disk has room again.
    Freed,
}

/// See the module's page.
#[derive(Debug)]
pub struct World<'p> {
    /// Everything between them.
    pub net: Net,
    /// The sender and the receiver.
    pub ends: [End; 2],
    /// What they work on.
    pub places: &'p mut Places,
    /// What stood on the disk before.
    pub existing: Existing,
    /// How often a process was killed.
    pub deaths: u64,
    blows: Vec<Blow>,
    // How the receiver dies once its disk has done so much.
    stops: Option<(bool, Option<u64>)>,
    // When the receiver is started again that dies with its machine once a checkpoint was carried out.
    stops_at_checkpoint: Option<Option<u64>>,
    // A promise that was found broken.
    broken: Option<String>,
    starts_due: u32,
    dice: Dice,
    moves_due: u64,
}

/// How a run of the world ended.
#[derive(Debug)]
pub struct Ended {
    /// What the sender's last process came to; `None` where it was killed.
    pub sent: Option<Result<Report>>,
    /// What the receiver's did.
    pub received: Option<Result<Report>>,
}

impl<'p> World<'p> {
    /// Two people about to start their commands. `blows` in the order of the moves they come at.
    pub fn new(
        net: Net,
        commands: [Command; 2],
        places: &'p mut Places,
        existing: Existing,
        mut blows: Vec<Blow>,
        mut dice: Dice,
    ) -> World<'p> {
        blows.sort_by_key(|blow| std::cmp::Reverse(blow.at_move));
        let [send, receive] = commands;
        let ends = [End::new(Role::Send, send, dice.fork()), End::new(Role::Receive, receive, dice.fork())];
        let moves_due = blows.last().map_or(u64::MAX, |blow| blow.at_move);
        World {
            net,
            ends,
            places,
            existing,
            deaths: 0,
            blows,
            stops: None,
            stops_at_checkpoint: None,
            broken: None,
            starts_due: 0,
            dice,
            moves_due,
        }
    }

    /// Lets it go until both processes have ended and nobody starts one any more.
    ///
    /// # Errors
    /// What went wrong in a way that no fault excuses.
    pub fn run(&mut self) -> std::result::Result<Ended, String> {
        for role in [Role::Send, Role::Receive] {
            let delay_ms = self.dice.wide(5000);
            self.start_after(role, delay_ms);
        }
        let mut steps = 0u64;
        while let Some(happening) = self.net.clock.pop() {
            steps += 1;
            let now_ms = self.net.now_ms();
            self.net.trace.at(now_ms);
            if now_ms > TIME_MAX_MS || steps > STEPS_MAX {
                return Err(format!("somebody hangs: {now_ms} ms, {steps} steps"));
            }
            self.happen(happening);
            self.stop();
            self.deliver();
            while self.net.moves >= self.moves_due {
                if let Some(blow) = self.blows.pop() {
                    self.strike(blow.strike);
                }
                self.moves_due = self.blows.last().map_or(u64::MAX, |blow| blow.at_move);
                self.deliver();
            }
            self.check_success()?;
            if let Some(broken) = self.broken.take() {
                return Err(broken);
            }
            if self.starts_due == 0 && !self.ends.iter().any(End::is_running) {
                break;
            }
        }
        let [send, receive] = &mut self.ends;
        Ok(Ended { sent: send.outcome.take(), received: receive.outcome.take() })
    }

    fn happen(&mut self, happening: Happening) {
        let World { net, ends, places, .. } = self;
        match happening {
            Happening::Dial(id) => net.knocked(id),
            Happening::Answer(id, answer) => net.answered(id, answer),
            Happening::Arrive(id, way) => net.arrived(id, way),
            Happening::Room(id, way) => net.has_room(id, way),
            Happening::Serve(id) => net.serve(id),
            Happening::Pair(one, two) => net.pair(one, two),
            Happening::Ping(id) => net.ping(id),
            Happening::Dismiss(id, reason) => net.dismiss(id, reason),
            Happening::RelayTicks => net.relay_ticks(),
            Happening::RelayStarts => net.relay_starts(),
            Happening::Tick(role, life) if ends[role as usize].life == life => {
                ends[role as usize].tick(net, places);
            }
            Happening::Go(role, life) if ends[role as usize].life == life => {
                ends[role as usize].go(net, places);
            }
            Happening::Turn(role, life) if ends[role as usize].life == life => {
                ends[role as usize].turn(net, places);
            }
            Happening::Answered(role, life) if ends[role as usize].life == life => {
                ends[role as usize].answer(true, net, places);
            }
            Happening::Save(role, life) if ends[role as usize].life == life => {
                let before = places.disk.changes();
                ends[role as usize].save(net, places);
                if places.disk.changes() > before
                    && let Some(restart_ms) = self.stops_at_checkpoint.take()
                {
                    self.kill(role, true, restart_ms);
                }
            }
            Happening::Decided(role, life) if ends[role as usize].life == life => {
                ends[role as usize].decide(net, places);
            }
            // Of a process that is no more.
            Happening::Tick(..)
            | Happening::Go(..)
            | Happening::Turn(..)
            | Happening::Save(..)
            | Happening::Answered(..)
            | Happening::Decided(..) => {}
            Happening::Start(role) => {
                self.starts_due -= 1;
                ends[role as usize].start(net, places);
            }
            Happening::Freed => places.disk.set_capacity(None),
        }
    }

    /// Tells the clients what came for them.
    fn deliver(&mut self) {
        while let Some((owner, id, notice)) = self.net.notices.pop_front() {
            self.ends[owner as usize].notice(id, notice, &mut self.net, self.places);
        }
    }

    fn start_after(&mut self, role: Role, delay_ms: u64) {
        self.starts_due += 1;
        self.net.clock.after(delay_ms, Happening::Start(role));
    }

    fn strike(&mut self, strike: Strike) {
        self.net.trace.say(|| format!("strike: {strike:?}"));
        let World { net, ends, places, dice, .. } = self;
        match strike {
            Strike::Cut(role) => {
                if let Some(id) = net.one_of(role, dice) {
                    net.cut(id);
                }
            }
            Strike::Mute { role, up, down } => {
                if let Some(id) = net.one_of(role, dice) {
                    net.mute(id, up, down);
                }
            }
            Strike::Stall { role, way, for_ms } => {
                if let Some(id) = net.one_of(role, dice) {
                    net.stall(id, way, for_ms);
                }
            }
            Strike::HalfClose(role) => {
                if let Some(id) = net.one_of(role, dice) {
                    net.half_close(id);
                }
            }
            Strike::FlipByte(role, way) => {
                if let Some(id) = net.one_of(role, dice) {
                    net.flip(id, way);
                }
            }
            Strike::CutFirst(role) => net.cut_lanes(role, true),
            Strike::CutBeside(role) => net.cut_lanes(role, false),
            Strike::RefuseLanes(lanes) => net.refuse_lanes(lanes),
            Strike::NetworkDown { role, for_ms } => net.network_down(role, for_ms),
            Strike::RelayRestarts { is_silent, down_ms } => {
                net.relay_dies(is_silent);
                net.clock.after(down_ms, Happening::RelayStarts);
            }
            Strike::RelayShutsDown { down_ms } => {
                net.relay_shuts_down();
                net.clock.after(down_ms, Happening::RelayStarts);
            }
            Strike::Kill { role, is_silent, restart_ms } => {
                self.kill(role, is_silent, restart_ms);
            }
            Strike::KillWithin { changes, is_silent, restart_ms } => {
                if ends[Role::Receive as usize].is_running() && self.stops.is_none() {
                    let at = places.disk.changes() + changes;
                    places.disk.stop_after(at);
                    places.stops_at = Some(at);
                    self.stops = Some((is_silent, restart_ms));
                }
            }
            Strike::PowerLostAtCheckpoint { restart_ms } => self.stops_at_checkpoint = Some(restart_ms),
            Strike::Cancel(role) => ends[role as usize].cancel(net, places),
            Strike::Hostile(act) => net.hostile.plan(act),
            Strike::Stranger(role) => net.stranger(role, dice),
            Strike::Change(file) => places.tree.change(file, dice),
            Strike::ChangeLargest => places.tree.change(places.tree.largest(), dice),
            Strike::Remove(file) => places.tree.remove(file),
            Strike::DiskFull { left, freed_ms } => {
                places.disk.set_capacity(Some(left));
                if let Some(freed_ms) = freed_ms {
                    net.clock.after(freed_ms, Happening::Freed);
                }
            }
            Strike::DiskBreaks => places
                .disk
                .fail_from(places.disk.changes() + dice.index(20), ErrorKind::StaleNetworkFileHandle),
        }
    }

    fn kill(&mut self, role: Role, is_silent: bool, restart_ms: Option<u64>) {
        let World { net, ends, places, .. } = self;
        if role == Role::Receive {
            (self.stops, places.stops_at) = (None, None);
        }
        if ends[role as usize].is_running() {
            self.deaths += 1;
            ends[role as usize].die(net, is_silent, places);
            if role == Role::Receive && self.broken.is_none() {
                self.broken = oracle::journals_are_honest(&places.tree, &places.disk).err();
            }
            // Whoever runs the command again gives the code that is known by now.
            ends[role as usize].command.made = false;
            if let Some(restart_ms) = restart_ms {
                self.start_after(role, restart_ms);
            }
        }
    }

    /// The receiver dies in the middle of whatever it does with its disk, once that has done as much as it was to do.
    fn stop(&mut self) {
        if let Some((is_silent, restart_ms)) = self.stops
            && self.places.is_stopped()
        {
            self.kill(Role::Receive, is_silent, restart_ms);
        }
    }

    /// Whoever says that something was delivered must be right at that moment, even if the receiver's machine stops right then.
    fn check_success(&mut self) -> std::result::Result<(), String> {
        for (role, undelivered) in std::mem::take(&mut self.net.done) {
            if let Some(undelivered) = undelivered {
                let kept_both = &self.ends[Role::Receive as usize].kept_both;
                let left = self.places.disk.crash(&mut |sides| self.dice.roll(sides));
                oracle::is_delivered(&self.places.tree, &self.existing, &undelivered, kept_both, &left)
                    .map_err(|what| format!("{role:?} has succeeded, but after a crash {what}"))?;
            }
        }
        Ok(())
    }
}

/// Nobody waits that long, whatever happens: each wait of a process has a bound, and so has the number of processes.
const TIME_MAX_MS: u64 = 8 * 60 * 60 * 1000;

/// No run takes that many steps; one that does goes round in a circle.
const STEPS_MAX: u64 = 3_000_000;

//! How many lanes a sender wants: the shipping decision, fed with what is true or invented; or mere whim.

use super::dice::Dice;
use super::endpoint::Command;
use super::lanes::Lanes;
use crate::proto::limits::LANES_MAX;
use crate::send::machine::Sender;
use crate::send::machine::lane_controller::{LaneController, Sample, Step};

/// What a sender goes by.
#[derive(Clone, Copy, Debug)]
pub enum Breadth {
    /// So many, as a person asked for.
    Exactly(u8),
    /// The shipping decision about a large transfer to somebody far away, over a network that does what the
    /// dice say.
    Auto,
    /// Lanes up to this number come and go at any time, and with anything on them.
    Fickle(u8),
}

impl Breadth {
    /// One of these.
    pub fn draw(dice: &mut Dice) -> Breadth {
        match dice.roll(6) {
            0 => Breadth::Exactly(1),
            1..=2 => Breadth::Exactly(2 + u8::try_from(dice.roll(4)).unwrap_or(0)),
            3 => Breadth::Auto,
            4 => Breadth::Fickle(1 + u8::try_from(dice.roll(4)).unwrap_or(0)),
            _ if dice.one_in(8) => Breadth::Exactly(LANES_MAX),
            _ => Breadth::Exactly(2),
        }
    }
}

/// A sender's decision, and what it does about it: as its driver.
#[derive(Debug)]
pub struct Wide {
    breadth: Breadth,
    controller: LaneController,
    is_hasty: bool,
    // Whether lanes may be asked for.
    has_begun: bool,
    // What an invented network has taken.
    invented: u64,
}

impl Wide {
    /// Before anything is decided; `can`: whether both sides can have more lanes than one.
    pub fn new(command: &Command, can: bool) -> Wide {
        let breadth = if can { command.breadth } else { Breadth::Exactly(1) };
        let lanes = match breadth {
            Breadth::Exactly(lanes) => Some(lanes),
            Breadth::Auto => None,
            Breadth::Fickle(_) => Some(1),
        };
        let controller = LaneController::new(lanes, None);
        Wide { breadth, controller, is_hasty: command.is_hasty, has_begun: false, invented: 0 }
    }

    /// Something is offered. Whoever is hasty asks for lanes at once, and lets go of them when the answer
    /// takes longer than a machine's: the receiver gets there only when its person has accepted.
    pub fn offered(&mut self, machine: &mut Sender, lanes: &mut Lanes, now_ms: u64) {
        if self.is_hasty {
            self.has_begun = true;
            self.controller.offered(now_ms, ANSWER_MS, BYTES);
            self.widen(machine, lanes, now_ms);
        }
    }

    /// The receiver has accepted.
    pub fn accepted(&mut self, machine: &mut Sender, lanes: &mut Lanes, now_ms: u64) {
        self.has_begun = true;
        self.controller.accepted(now_ms, ANSWER_MS, Some(BYTES));
        self.widen(machine, lanes, now_ms);
    }

    /// A lane has a connection.
    pub fn came(&mut self, lane: u8, now_ms: u64) {
        self.controller.came(lane, now_ms);
    }

    /// It has none any more, or got none.
    pub fn lost(&mut self, machine: &mut Sender, lane: u8, is_refused: bool, now_ms: u64) {
        self.controller.lost(lane, is_refused, now_ms);
        machine.lane(lane, false);
    }

    /// The receiver has let go of it.
    pub fn gone(&mut self, lane: u8, now_ms: u64) {
        self.controller.gone(lane, now_ms);
    }

    /// A tenth of a second has passed.
    pub fn tick(&mut self, machine: &mut Sender, lanes: &mut Lanes, now_ms: u64, dice: &mut Dice) {
        let sample = lanes.is_connected().then(|| {
            self.invented += dice.wide(MOST_TAKEN);
            Sample { taken: self.invented, waits: dice.roll(4) > 0, left: None }
        });
        self.controller.tick(now_ms, sample);
        self.widen(machine, lanes, now_ms);
    }

    /// Something else happened: who is fickle may want a lane, or no more.
    pub fn whim(&mut self, machine: &mut Sender, lanes: &mut Lanes, now_ms: u64, dice: &mut Dice) {
        let Breadth::Fickle(most) = self.breadth else { return };
        if !self.has_begun || !dice.one_in(WHIMS) {
            return;
        }
        let lane = u8::try_from(dice.between(1, most.into())).unwrap_or(1);
        if !machine.has_lane(lane) {
            open(machine, lanes, lane, now_ms);
        } else if dice.one_in(3) {
            lanes.retire(lane);
        } else {
            let_go(machine, lanes, lane);
        }
    }

    /// Opens the lanes that are wanted, and lets go of those that are not.
    fn widen(&mut self, machine: &mut Sender, lanes: &mut Lanes, now_ms: u64) {
        while let Some(step) = self.controller.poll() {
            match step {
                Step::Open(lane) => open(machine, lanes, lane, now_ms),
                Step::Stop(lane) => let_go(machine, lanes, lane),
                Step::Retire(lane) => lanes.retire(lane),
            }
        }
        for lane in lanes.retired() {
            let_go(machine, lanes, lane);
        }
    }
}

fn open(machine: &mut Sender, lanes: &mut Lanes, lane: u8, now_ms: u64) {
    machine.lane(lane, true);
    lanes.open(lane, now_ms);
}

fn let_go(machine: &mut Sender, lanes: &mut Lanes, lane: u8) {
    match lanes.let_go(lane) {
        Ok(_) => machine.lane(lane, false),
        Err(error) => machine.fail(error),
    }
}

/// An answer that takes so long is far away, and so much is worth many lanes.
const ANSWER_MS: u64 = 100;
const BYTES: u64 = 64 << 20;

/// What an invented network takes between two looks at it, at most.
const MOST_TAKEN: u64 = 8 << 20;

/// Of so many things that happen to one who is fickle, one makes it change its mind.
const WHIMS: u64 = 24;

//! One run: a transfer with faults, what must be true of it, and the transfer after it, which must go through.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::dice::Dice;
use super::hostile::Hostile;
use super::net::Net;
use super::oracle::{self, Existing};
use super::party::Places;
use super::scenario::Scenario;
use super::trace::Trace;
use super::tree::Thing;
use super::world::World;
use crate::disk::memory::{MemoryDir, MemoryDisk};
use crate::disk::{Dir, DiskError, File};
use crate::proto::manifest::Meta;
use crate::proto::path::RelPath;
use crate::proto::seal::witness;
use crate::receive::OnConflict;

/// What a run that kept its promises came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Both sides succeeded in spite of whatever happened.
    pub at_once: bool,
    /// How many processes were killed.
    pub deaths: u64,
    /// Virtual milliseconds.
    pub took_ms: u64,
    /// How often a lane beside the first came up on a side, and how often one was lost or did not come.
    pub lanes: [u64; 2],
}

/// A promise that was not kept.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The seed of the run.
    pub seed: u64,
    /// What is wrong.
    pub what: String,
    /// What happened until then, if somebody wanted to know.
    pub trace: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.trace {
            writeln!(f, "{line}")?;
        }
        let Failure { seed, what, .. } = self;
        write!(f, "seed {seed}: {what}\n  the whole story: make sim SEED={seed} RUNS=1 TRACE=1")
    }
}

/// Runs what follows from a seed.
///
/// # Errors
/// A promise was not kept.
pub fn run(seed: u64, is_traced: bool) -> Result<Outcome, Failure> {
    witness::watch();
    let mut story = Story::new(seed, is_traced);
    let outcome = story.tell();
    let outcome = if witness::has_seen_reuse() {
        Err("one number of one key has sealed two different records".to_owned())
    } else {
        outcome
    };
    outcome.map_err(|what| Failure { seed, what, trace: story.trace })
}

pub(super) struct Story {
    dice: Dice,
    is_traced: bool,
    trace: Vec<String>,
    existing: Existing,
    took_ms: u64,
    deaths: u64,
    lanes: [u64; 2],
}

impl Story {
    pub(super) fn new(seed: u64, is_traced: bool) -> Story {
        let dice = Dice::new(seed);
        Story {
            dice,
            is_traced,
            trace: Vec::new(),
            existing: Existing::default(),
            took_ms: 0,
            deaths: 0,
            lanes: [0; 2],
        }
    }

    /// What was told.
    #[cfg(test)]
    pub(super) fn lines(&self) -> &[String] {
        &self.trace
    }

    pub(super) fn tell(&mut self) -> Result<Outcome, String> {
        let first = Scenario::draw(&mut self.dice);
        let disk = MemoryDisk::new();
        if self.dice.roll(3) == 0 {
            // Hardly any descriptors.
            disk.set_files_max(0);
        }
        put(&first.existing, &disk)?;
        self.existing = Arc::new(first.existing.clone());
        let mut places = Places { tree: first.tree.clone(), disk, stops_at: None };
        let mut at_once = self.round(&first, &mut places)?;
        let mut runs = self.dice.roll(3);
        let mut is_over = at_once;
        while !is_over && runs > 0 {
            runs -= 1;
            self.next_day(&mut places);
            let again = first.again(&mut self.dice);
            is_over = self.round(&again, &mut places)?;
        }
        if !is_over {
            self.next_day(&mut places);
            let calm = first.calm(&mut self.dice);
            if !self.round(&calm, &mut places)? {
                return Err("the last run, in which nothing went wrong, did not go through".to_owned());
            }
        }
        at_once &= first.blows.is_empty() || self.deaths == 0;
        Ok(Outcome { at_once, deaths: self.deaths, took_ms: self.took_ms, lanes: self.lanes })
    }

    /// The next day: there is room again, the disk works, and somebody may have worked on the files.
    fn next_day(&mut self, places: &mut Places) {
        places.disk.set_capacity(None);
        places.disk = places.disk.crash(&mut |_| 1);
        places.stops_at = None;
        if self.dice.one_in(4) {
            let file = places.tree.largest();
            places.tree.change(file, &mut self.dice);
        }
    }

    /// One transfer, and what must be true after it. Returns whether both sides say that it went through.
    fn round(&mut self, scenario: &Scenario, places: &mut Places) -> Result<bool, String> {
        let mut trace = Trace::new(self.is_traced);
        trace.say(|| format!("a run of {scenario:?}"));
        let is_hostile = scenario.blows.iter().any(|blow| blow.strike.is_hostile());
        let net = Net::new(scenario.manners, self.dice.fork(), Hostile::new(is_hostile), trace);
        let existing = Arc::clone(&self.existing);
        let begun = places.disk.changes();
        let blows = scenario.blows.clone();
        let mut world = World::new(net, scenario.commands.clone(), places, existing, blows, self.dice.fork());
        let ended = world.run();
        let kept_both = std::mem::take(&mut world.ends[1].kept_both);
        let World { net, places: world_places, .. } = &mut world;
        net.trace.say(|| format!("the disk did: {}", changes(&world_places.disk, begun)));
        self.trace.append(&mut world.net.trace.take());
        self.took_ms += world.net.now_ms();
        self.deaths += world.deaths;
        self.lanes = std::array::from_fn(|which| self.lanes[which] + world.net.lanes[which]);
        let ended = ended?;
        oracle::is_sound(&places.tree, &self.existing, &places.disk)?;
        oracle::has_reason(&ended, scenario)?;
        if !scenario.replaces() {
            oracle::is_untouched(&self.existing, &places.disk)?;
        }
        let (Some(Ok(sent)), Some(Ok(received))) = (&ended.sent, &ended.received) else { return Ok(false) };
        if (sent.delivered, sent.failed) != (received.delivered, received.failed) {
            return Err(format!("both sides tell different things: {ended:?}"));
        }
        oracle::is_delivered(&places.tree, &self.existing, &received.failures, &kept_both, &places.disk)?;
        let strategy = scenario.commands[1].rules.on_conflict;
        // Whoever answers otherwise than the last time leaves what would have become something else.
        if strategy != OnConflict::Ask {
            oracle::is_tidy(&places.tree, &received.failures, &places.disk)?;
        }
        oracle::has_excuse(&places.tree, &received.failures, &scenario.blows, strategy)?;
        Ok(true)
    }
}

/// What was done to a disk since, in order.
fn changes(disk: &MemoryDisk, since: usize) -> String {
    let ops = disk.ops();
    let told = ops.iter().skip(if ops.len() < since { 0 } else { since });
    told.map(|op| format!("{} {}", op.verb, op.name)).collect::<Vec<_>>().join(", ")
}

/// Puts what stands there before onto the disk.
fn put(existing: &BTreeMap<RelPath, Thing>, disk: &MemoryDisk) -> Result<(), String> {
    for (path, thing) in existing {
        put_one(path, thing, disk).map_err(|error| format!("cannot begin: {error}"))?;
    }
    // From the inside out: what is put into a directory must not change its time.
    for (path, thing) in existing.iter().rev() {
        if let Thing::Directory(meta) = thing {
            let dir = open(path, disk).and_then(|dir| dir.set_meta(meta));
            dir.map_err(|error| format!("cannot begin: {error}"))?;
        }
    }
    disk.settle();
    Ok(())
}

fn put_one(path: &RelPath, thing: &Thing, disk: &MemoryDisk) -> Result<(), DiskError> {
    let Some((parent, name)) = path.split() else { return Ok(()) };
    let dir = open(&parent, disk)?;
    match thing {
        Thing::Directory(_) => dir.create_dir(&name),
        Thing::Link(target) => dir.symlink(&name, target, &Meta::default()),
        Thing::File(meta, bytes) => {
            let file = dir.create_file(&name)?;
            file.write_at(bytes, 0)?;
            file.set_meta(meta)
        }
    }
}

fn open(path: &RelPath, disk: &MemoryDisk) -> Result<MemoryDir, DiskError> {
    path.names().try_fold(disk.root(), |dir, name| dir.open_dir(&name))
}

//! What is run for each workload: the content, the network, and the cases that take turns.

use std::io;
use std::rc::Rc;

use crate::data::Set;
use crate::run::{self, Sample};
use crate::tools::{Floor, Job, MagicWormhole, P2pCopy, P2pc, Program, Scp, Sendme, Tool, WormholeRs};

/// What one workload is made of.
pub struct Plan {
    /// What is carried.
    pub set: Set,
    /// The settings of the wide-area network, if it goes over one.
    pub wan: Option<&'static [&'static str]>,
    /// Whether it is received on the disk.
    pub is_on_disk: bool,
    /// Whether a run of its own counts what goes over the network.
    pub is_counted: bool,
    /// What takes turns.
    pub cases: Vec<Case>,
    /// What is not there to be measured, and why.
    pub missing: Vec<String>,
}

/// One tool with its options, and what it is made to do.
pub struct Case {
    /// The tool.
    pub tool: Box<dyn Tool>,
    /// What is timed.
    pub task: Task,
}

/// What is timed of a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// All of it.
    Whole,
    /// What is left after both were killed at nine tenths.
    Rest,
}

impl Case {
    /// Its options, as tables name them.
    pub fn variant(&self) -> String {
        let variant = self.tool.variant();
        if self.task == Task::Rest { format!("{variant}, the rest") } else { variant }
    }

    /// Runs it once.
    pub fn run(&self, job: &Job<'_>) -> io::Result<Sample> {
        match self.task {
            Task::Whole => run::whole(&*self.tool, job),
            Task::Rest => run::rest(&*self.tool, job),
        }
    }
}

impl Plan {
    /// The plan of that workload. None if this p2pc has not what it is about.
    pub fn of(workload: &str, program: &Rc<Program>) -> io::Result<Option<Plan>> {
        let ours = Ours(program);
        let mut plan = match workload {
            "random" => Plan::of_all(Set::Random, ours.transports())?,
            "text" => Plan { is_counted: true, ..Plan::of_all(Set::Text, ours.compressions())? },
            "binary" => Plan { is_counted: true, ..Plan::of_some(Set::Binary, ours.compressions()) },
            "mix" => Plan { is_counted: true, ..Plan::of_some(Set::Mix, ours.compressions()) },
            "small" => Plan::of_all(Set::Small, ours.plain())?,
            "files" => Plan::of_all(Set::Files, ours.plain())?,
            "small-disk" => Plan { is_on_disk: true, ..Plan::of_all(Set::Small, ours.plain())? },
            "files-disk" => Plan { is_on_disk: true, ..Plan::of_all(Set::Files, ours.plain())? },
            "latency" => Plan::of_all(Set::Tiny, ours.transports())?,
            "resume" => Plan::ours(Set::Random, ours.resumed()),
            "lanes" if program.has("--lanes") => {
                Plan::ours(Set::Random, ours.each("--lanes", &["1", "2", "4", "8", "16"]))
            }
            "chunks" => {
                Plan::ours(Set::Random, ours.each("--chunk-size", &["512KiB", "1MiB", "2MiB", "4MiB"]))
            }
            "wan" => {
                Plan { wan: Some(SLIGHT_LOSS), ..Plan::of_all(Set::Random64, ours.few_and_many_lanes())? }
            }
            "wan-loss" => Plan { wan: Some(LOSS), ..Plan::of_all(Set::Random64, ours.few_and_many_lanes())? },
            "wan-files" => Plan { wan: Some(SLIGHT_LOSS), ..Plan::of_all(Set::Files1000, ours.plain())? },
            "wan-text" => Plan { wan: Some(SLIGHT_LOSS), ..Plan::of_some(Set::Text64, ours.compressions()) },
            "wan-latency" => Plan { wan: Some(SLIGHT_LOSS), ..Plan::of_all(Set::Tiny, ours.transports())? },
            "wan-resume" => Plan { wan: Some(SLIGHT_LOSS), ..Plan::ours(Set::Random, ours.resumed()) },
            _ => return Ok(None),
        };
        if plan.is_counted && !program.has("--compress") {
            plan.missing.push("p2pc --compress off|auto|on: this p2pc has no such option".to_owned());
        }
        Ok(Some(plan))
    }

    fn ours(set: Set, cases: Vec<Case>) -> Plan {
        Plan { set, wan: None, is_on_disk: false, is_counted: false, cases, missing: Vec::new() }
    }

    /// With those peers that compress.
    fn of_some(set: Set, ours: Vec<Case>) -> Plan {
        let mut plan = Plan::ours(set, ours);
        plan.add("p2p-copy", P2pCopy::find());
        plan
    }

    /// With the floor and every peer.
    fn of_all(set: Set, ours: Vec<Case>) -> io::Result<Plan> {
        let mut plan = Plan::ours(set, vec![Case { tool: Box::new(Floor::new()?), task: Task::Whole }]);
        plan.cases.extend(ours);
        plan.add("p2p-copy", P2pCopy::find());
        plan.add("magic-wormhole (wormhole, and twist with both servers)", MagicWormhole::find());
        plan.add("wormhole-rs", WormholeRs::find());
        plan.add("sendme", Sendme::find());
        plan.add("scp and sshd", Scp::find());
        Ok(plan)
    }

    fn add(&mut self, name: &str, tool: Option<impl Tool + 'static>) {
        match tool {
            Some(tool) => self.cases.push(Case { tool: Box::new(tool), task: Task::Whole }),
            None => self.missing.push(format!("{name}: not installed")),
        }
    }
}

/// The cases of p2pc itself.
struct Ours<'a>(&'a Rc<Program>);

impl Ours<'_> {
    fn usual(&self) -> P2pc {
        P2pc::new(self.0)
    }

    fn plain(&self) -> Vec<Case> {
        whole([self.usual()])
    }

    fn transports(&self) -> Vec<Case> {
        whole([self.usual(), self.usual().both("--no-encrypt"), self.usual().tls()])
    }

    fn compressions(&self) -> Vec<Case> {
        if !self.0.has("--compress") {
            return self.plain();
        }
        whole(["off", "auto", "on"].map(|how| self.usual().send(&["--compress", how])))
    }

    fn each(&self, option: &str, values: &[&str]) -> Vec<Case> {
        whole(values.iter().map(|value| self.usual().send(&[option, value])))
    }

    /// As many as it takes by itself, and what that is between.
    fn few_and_many_lanes(&self) -> Vec<Case> {
        let mut cases = self.plain();
        if self.0.has("--lanes") {
            cases.extend(self.each("--lanes", &["1", "16"]));
        }
        cases
    }

    fn resumed(&self) -> Vec<Case> {
        let cases = [Task::Whole, Task::Rest].map(|task| Case { tool: Box::new(self.usual()), task });
        cases.into()
    }
}

fn whole(tools: impl IntoIterator<Item = P2pc>) -> Vec<Case> {
    tools.into_iter().map(|tool| Case { tool: Box::new(tool), task: Task::Whole }).collect()
}

/// A connection across a continent: both ends 50 ms from the relay and back, so 100 ms from each other, and hardly a packet lost.
const SLIGHT_LOSS: &[&str] = &["delay_ms=25", "rate_mbit=200", "loss=0.01"];

/// The same on a bad day.
const LOSS: &[&str] = &["delay_ms=25", "rate_mbit=200", "loss=0.1"];

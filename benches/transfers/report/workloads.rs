//! What can be measured: the names that `BENCH=` takes, and what the page says about each.

/// What is carried, and how it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Workload {
    /// What it is called in `BENCH=` and in the results.
    pub name: &'static str,
    /// The heading of its table and of its part of the plot.
    pub title: &'static str,
    /// The unit its table is read in.
    pub unit: Unit,
    /// Whether it is measured when nobody says what to measure.
    pub is_usual: bool,
    /// Whether it has a part in the plot.
    pub is_plotted: bool,
    /// What one turn of all its cases takes on average of three, in seconds, with every tool, on two cores: only to say beforehand how long one will wait.
    pub seconds: u32,
}

/// What a table shows first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Seconds, and megabytes a second.
    Rate,
    /// Seconds, and what part they are of those of the first row: of the content, some was there already.
    Share,
    /// Milliseconds: too little is carried to speak of a rate.
    Latency,
}

/// All of them, in the order of the page.
pub const WORKLOADS: &[Workload] = &[
    usual("random", 35, "One large file of random bytes"),
    usual("text", 25, "One large file of text"),
    usual("binary", 8, "One large file of machine code"),
    usual("mix", 12, "A directory of text, machine code and random bytes"),
    usual("small", 20, "10,000 files of 4 KiB"),
    usual("files", 25, "10,000 real files"),
    on_wish("small-disk", 20, "10,000 files of 4 KiB, received on a disk"),
    on_wish("files-disk", 25, "10,000 real files, received on a disk"),
    Workload { unit: Unit::Latency, is_plotted: false, ..usual("latency", 4, "One file of 1 KiB") },
    Workload {
        unit: Unit::Share,
        is_plotted: false,
        ..usual("resume", 5, "The rest of a file that was cut at 90 %")
    },
    Workload { is_plotted: false, ..on_wish("lanes", 9, "Lanes, on loopback") },
    Workload { is_plotted: false, ..on_wish("chunks", 6, "Sizes of chunks") },
    on_wish("wan", 35, "64 MiB of random bytes over a wide-area network, 0.01 % loss"),
    on_wish("wan-loss", 75, "64 MiB of random bytes over a wide-area network, 0.1 % loss"),
    on_wish("wan-files", 8, "1,000 real files over a wide-area network"),
    on_wish("wan-text", 10, "64 MiB of text over a wide-area network"),
    Workload {
        unit: Unit::Latency,
        is_plotted: false,
        ..on_wish("wan-latency", 7, "One file of 1 KiB over a wide-area network")
    },
    Workload {
        unit: Unit::Share,
        is_plotted: false,
        ..on_wish("wan-resume", 60, "The rest of a file that was cut at 90 %, over a wide-area network")
    },
];

const fn usual(name: &'static str, seconds: u32, title: &'static str) -> Workload {
    Workload { name, title, unit: Unit::Rate, is_usual: true, is_plotted: true, seconds }
}

/// What takes long, or needs what not every machine has.
const fn on_wish(name: &'static str, seconds: u32, title: &'static str) -> Workload {
    Workload { is_usual: false, ..usual(name, seconds, title) }
}

/// How many minutes so many turns of these take, about.
pub fn minutes(workloads: &[&Workload], runs: usize) -> usize {
    let seconds: usize = workloads.iter().map(|workload| workload.seconds as usize * runs).sum();
    seconds.div_ceil(60)
}

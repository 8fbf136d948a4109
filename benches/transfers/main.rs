//! Measures p2pc against the floor and against other tools, on this machine, as its users see it: real processes, started in the order in which people start
//! them. `make bench` runs it; `docs/benchmarks.md` says what is measured and how, and holds the results.
//!
//! ```text
//! transfers            what BENCH, RUNS, TOOLS, MB, DATA, DISK, WAN, RESULTS, RESUME say; then the results, the tables and the plot are written
//! transfers data       makes all data sets
//! transfers report     writes tables and plot from the results that are there
//! transfers floor …    plays one of the three processes of the floor
//! transfers link …     emulates one link of a wide-area network, for scripts/wan.sh
//! ```

#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for people who watch it")]

mod certificate;
mod counting;
mod data;
mod first_byte;
mod floor;
mod ledger;
mod link;
mod machine;
mod place;
mod plan;
mod process;
#[path = "../shaper/proxy.rs"]
mod proxy;
mod report;
mod rooms;
mod run;
#[path = "../shaper/tcp.rs"]
mod tcp;
mod tools;
mod wanted;

use std::env;
use std::fs;
use std::io::{self, Error};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Instant;

use data::{Data, Set};
use ledger::Ledger;
use place::{Place, Wan};
use plan::{Case, Plan};
use report::results::{Results, Row};
use report::stats::{self, Spread};
use report::workloads::{Workload, minutes};
use report::{plot, tables};
use rooms::Rooms;
use run::Sample;
use tools::{Job, Program};
use wanted::Wanted;

fn main() -> ExitCode {
    // Cargo says `--bench` to every program that it runs as one.
    let arguments: Vec<String> = env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let done = match arguments.split_first() {
        None => bench(),
        Some((word, rest)) if word == "floor" => floor::run(rest),
        Some((word, rest)) if word == "link" => link::run(rest),
        Some((word, _)) if word == "data" => make_data(),
        Some((word, _)) if word == "report" => {
            read_results(&repository(RESULTS)).and_then(|results| publish(&results))
        }
        Some((word, _)) => Err(Error::other(format!("{word} is not known here"))),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn bench() -> io::Result<()> {
    let wanted = Wanted::read()?;
    let program = Rc::new(Program::at(wanted.program.clone())?);
    let measured = machine::today(&program.version()?)?;
    println!("{measured}: {}, {} bytes, {} runs", wanted.program.display(), program.bytes()?, wanted.runs);
    machine::has_room(&wanted.data, wanted.mib * 4)?;
    let data = Data::at(wanted.data.clone(), wanted.mib)?;
    let to = wanted.results.clone().unwrap_or_else(|| repository(RESULTS));
    let mut results = read_results(&to)?;
    let mut ledger = Ledger::open(&wanted.data, &wanted.program, &wanted.circumstances())?;
    let is_left =
        |workload: &&&Workload| !(wanted.resumes && ledger.has(workload.name, &of(&results, workload)));
    let left: Vec<&Workload> = wanted.workloads.iter().filter(is_left).copied().collect();
    println!(
        "{} of {} workloads: about {} minutes with every tool on two cores",
        left.len(),
        wanted.workloads.len(),
        minutes(&left, wanted.runs)
    );
    let mut hall = Hall { passing: Rooms::passing(&wanted.data), lasting: Rooms::lasting(&wanted.disk) };
    let mut failures = 0;
    for (at, workload) in left.iter().enumerate() {
        println!("\n{}: {}", workload.name, workload.title);
        let Some(plan) = Plan::of(workload.name, &program)? else {
            println!("  skipped: this p2pc has not what it is about");
            continue;
        };
        let began = Instant::now();
        match measure(workload, plan, &wanted, &data, &measured, &mut hall) {
            Ok((rows, failed)) => {
                failures += failed;
                results.replace(workload.name, rows);
                // After each, so that an interruption loses one of them at most.
                fs::write(&to, results.text())?;
                if wanted.results.is_none() {
                    publish(&results)?;
                }
                // Where something failed there is something left to do.
                if failed == 0 {
                    ledger.note(workload.name, &of(&results, workload))?;
                }
                println!("\n{}", tables::table(workload, &results));
            }
            Err(error) => println!("  skipped: {error}"),
        }
        let (took, rest) = (began.elapsed().as_secs_f64(), left.get(at + 1..).unwrap_or_default());
        println!("took {took:.0} s; about {} minutes to go", minutes(rest, wanted.runs));
    }
    if failures == 0 { Ok(()) } else { Err(Error::other(format!("{failures} cases failed"))) }
}

/// What is known of one workload, as the file has it.
fn of(results: &Results, workload: &Workload) -> String {
    Results { rows: results.of(workload.name).cloned().collect() }.text()
}

/// Where runs receive: in memory, and on the disk.
struct Hall {
    passing: Rooms,
    lasting: Rooms,
}

/// All cases of one workload, taking turns: what disturbs one of them disturbs its neighbours. Says how many cases failed.
fn measure(
    workload: &Workload,
    plan: Plan,
    wanted: &Wanted,
    data: &Data,
    measured: &str,
    hall: &mut Hall,
) -> io::Result<(Vec<Row>, usize)> {
    let source = data.get(plan.set)?;
    let place = place_of(&plan, wanted)?;
    let measured = format!("{measured}{}", place.remark());
    for missing in &plan.missing {
        println!("  skipped {missing}");
    }
    let (is_possible, mut failed) = (|case: &Case| is_possible(case, wanted, &place, &source), 0);
    let mut cases: Vec<(Case, Vec<Sample>)> =
        plan.cases.into_iter().filter(is_possible).map(|case| (case, Vec::new())).collect();
    let rooms = if plan.is_on_disk { &mut hall.lasting } else { &mut hall.passing };
    let (files, bytes) = data::measure(&source)?;
    let mut carry = Carry { place: &place, source: &source, files, bytes, rooms };
    for turn in 1..=wanted.runs {
        for (case, samples) in &mut cases {
            // What failed once is not tried again: some wait for minutes before they give up. And what is that slow is so every time.
            if samples.len() + 1 < turn || samples.first().is_some_and(|first| first.seconds > SLOW_SECONDS) {
                continue;
            }
            match carry.once(|job| case.run(job)) {
                Ok(sample) => {
                    println!("  {turn}/{} {:<40} {:>8.3} s", wanted.runs, title(case), sample.seconds);
                    samples.push(sample);
                }
                Err(error) => {
                    println!("  {turn}/{} {:<40} failed: {error}", wanted.runs, title(case));
                    failed += 1;
                }
            }
        }
    }
    let mut rows = Vec::new();
    for (case, samples) in &cases {
        let wire_bytes = if plan.is_counted && !samples.is_empty() {
            carry.once(|job| run::counted(&*case.tool, job))?
        } else {
            None
        };
        rows.extend(row(workload, case, samples, bytes, &measured).map(|row| Row { wire_bytes, ..row }));
    }
    Ok((rows, failed))
}

/// Where the programs of that workload run. A network is up from then on.
fn place_of(plan: &Plan, wanted: &Wanted) -> io::Result<Place> {
    match (plan.wan, &wanted.wan) {
        (None, _) => Ok(Place::Loopback),
        (Some(settings), Some(script)) => Ok(Place::Wan(Wan::up(script, wanted.wan_relay, settings)?)),
        (Some(settings), None) => {
            println!("  without WAN=SCRIPT (see docs/benchmarks.md) a shaping proxy stands in: approximate");
            Place::shaped(settings)
        }
    }
}

/// Where one workload is carried, from where, and what it is.
struct Carry<'a> {
    place: &'a Place,
    source: &'a Path,
    files: u64,
    bytes: u64,
    rooms: &'a mut Rooms,
}

impl Carry<'_> {
    /// With an empty directory to receive in and one for everything else.
    fn once<T>(&mut self, what: impl FnOnce(&Job<'_>) -> io::Result<T>) -> io::Result<T> {
        let room = self.rooms.fresh(self.files, self.bytes)?;
        let done =
            what(&Job { place: self.place, source: self.source, out: &room.out, scratch: &room.scratch });
        self.rooms.leave(room)?;
        done
    }
}

/// Whether it is wanted, and can be done here. Says so if not.
fn is_possible(case: &Case, wanted: &Wanted, place: &Place, source: &Path) -> bool {
    if !wanted.wants(&case.tool.name()) {
        return false;
    }
    let reason = case.tool.cannot(place, source);
    if let Some(reason) = reason {
        println!("  skipped {}: {reason}", title(case));
    }
    reason.is_none()
}

fn title(case: &Case) -> String {
    [case.tool.name(), case.variant()].join(" ").trim_end().to_owned()
}

/// What is kept of all runs of one case. None if there was no good one.
fn row(workload: &Workload, case: &Case, samples: &[Sample], bytes: u64, measured: &str) -> Option<Row> {
    let seconds: Vec<f64> = samples.iter().map(|sample| sample.seconds).collect();
    let of_part = |part: fn(&Sample) -> [Option<f64>; 3]| {
        [0, 1, 2].map(|at: usize| {
            stats::median(
                &samples.iter().filter_map(|sample| part(sample).get(at).copied()?).collect::<Vec<_>>(),
            )
        })
    };
    let first_bytes: Vec<f64> = samples.iter().filter_map(|sample| sample.first_byte).collect();
    Some(Row {
        workload: workload.name.to_owned(),
        tool: case.tool.name(),
        variant: case.variant(),
        measured: measured.to_owned(),
        runs: samples.len(),
        bytes,
        seconds: Spread::of(&seconds)?,
        first_byte: stats::median(&first_bytes),
        cpu: of_part(|sample| sample.cpu),
        memory_kib: of_part(|sample| sample.memory_kib),
        wire_bytes: None,
    })
}

fn make_data() -> io::Result<()> {
    let wanted = Wanted::read()?;
    machine::has_room(&wanted.data, wanted.mib * 4)?;
    let data = Data::at(wanted.data, wanted.mib)?;
    for set in Set::ALL {
        let path = data.get(set)?;
        let (files, bytes) = data::measure(&path)?;
        println!("{}: {files} files, {bytes} bytes", path.display());
    }
    Ok(())
}

fn read_results(path: &Path) -> io::Result<Results> {
    match fs::read_to_string(path) {
        Ok(text) => {
            Results::parse(&text).map_err(|error| Error::other(format!("{}: {error}", path.display())))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Results::default()),
        Err(error) => Err(error),
    }
}

/// Writes the tables and the plot of the page.
fn publish(results: &Results) -> io::Result<()> {
    let page = repository(PAGE);
    let filled = tables::fill(&fs::read_to_string(&page)?, results).map_err(Error::other)?;
    fs::write(page, filled)?;
    fs::write(repository(PLOT), plot::svg(results))
}

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// What takes longer runs once. It is ten times as long as what it is compared with, and nobody asks for its second digit.
const SLOW_SECONDS: f64 = 30.0;

const RESULTS: &str = "benches/results.tsv";
const PAGE: &str = "docs/benchmarks.md";
const PLOT: &str = "docs/benchmarks.svg";

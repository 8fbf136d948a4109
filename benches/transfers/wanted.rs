//! What was asked for, in the environment: `make bench BENCH="random small" RUNS=9`.

use std::env;
use std::io::{self, Error};
use std::net::IpAddr;
use std::path::PathBuf;

use crate::report::workloads::{WORKLOADS, Workload};

/// Everything that can be asked for.
pub struct Wanted {
    /// `BENCH`: names of workloads, or `all`.
    pub workloads: Vec<&'static Workload>,
    /// `RUNS`: how often each.
    pub runs: usize,
    /// `TOOLS`: only these, by name.
    tools: Vec<String>,
    /// `MB`: the size of the largest file in MiB.
    pub mib: u64,
    /// `DATA`: where the sets are made, kept, and received.
    pub data: PathBuf,
    /// `DISK`: a directory on the disk that the workloads on a disk are received on.
    pub disk: PathBuf,
    /// `RESUME`: goes on where an earlier call stopped, instead of measuring everything anew.
    pub resumes: bool,
    /// `WAN`: the script of an emulated wide-area network; without one, or with the word `shaper`, a proxy stands in.
    pub wan: Option<PathBuf>,
    /// `WAN_RELAY`: the address that both its ends know the relay by.
    pub wan_relay: IpAddr,
    /// `RESULTS`: another file for the results; then the page stays as it is.
    pub results: Option<PathBuf>,
    /// `P2PC_BINARY`: what is measured.
    pub program: PathBuf,
}

impl Wanted {
    /// What the environment says.
    pub fn read() -> io::Result<Wanted> {
        let bench = text("BENCH");
        let known = |name: &str| {
            let found = WORKLOADS.iter().find(|workload| workload.name == name);
            found.ok_or_else(|| Error::other(format!("BENCH={name}: there are {}", names())))
        };
        let workloads = match bench.as_deref() {
            None => WORKLOADS.iter().filter(|workload| workload.is_usual).collect(),
            Some("all") => WORKLOADS.iter().collect(),
            Some(chosen) => words(chosen).map(known).collect::<io::Result<_>>()?,
        };
        let kept = if PathBuf::from(SHARED_MEMORY).is_dir() {
            PathBuf::from(SHARED_MEMORY)
        } else {
            env::temp_dir()
        };
        Ok(Wanted {
            workloads,
            runs: number("RUNS", 5)?,
            tools: text("TOOLS").map(|tools| words(&tools).map(str::to_owned).collect()).unwrap_or_default(),
            mib: number("MB", 1024)?,
            data: text("DATA").map_or_else(|| kept.join("p2pc-bench"), PathBuf::from),
            disk: text("DISK").map_or_else(env::temp_dir, PathBuf::from),
            resumes: text("RESUME").is_some_and(|word| word != "0"),
            wan: text("WAN").filter(|word| word != SHAPER).map(PathBuf::from),
            wan_relay: number("WAN_RELAY", IpAddr::from([10, 77, 9, 9]))?,
            results: text("RESULTS").map(PathBuf::from),
            program: text("P2PC_BINARY")
                .map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_p2pc")), PathBuf::from),
        })
    }

    /// What results depend on besides the workload, the machine and the program.
    pub fn circumstances(&self) -> String {
        format!("{} runs, {} MiB, tools {:?}, network {:?}", self.runs, self.mib, self.tools, self.wan)
    }

    /// Whether that tool is wanted: all are, if none is named.
    pub fn wants(&self, tool: &str) -> bool {
        self.tools.is_empty() || self.tools.iter().any(|name| name == tool)
    }
}

fn text(name: &str) -> Option<String> {
    env::var(name).ok().filter(|text| !text.is_empty())
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split([' ', ',']).filter(|word| !word.is_empty())
}

fn number<T: std::str::FromStr>(name: &str, otherwise: T) -> io::Result<T> {
    let wrong = |text: &String| Error::other(format!("{name}={text} cannot be read"));
    text(name).map_or(Ok(otherwise), |text| text.parse().map_err(|_| wrong(&text)))
}

fn names() -> String {
    WORKLOADS.iter().map(|workload| workload.name).collect::<Vec<_>>().join(", ")
}

/// What `WAN` says where the proxy is wanted.
const SHAPER: &str = "shaper";

/// A file system in memory: what is measured there is not the disk.
const SHARED_MEMORY: &str = "/dev/shm";

//! Programs that are watched: when they end, what they took of the processors, and how much memory at most. All of it from `/proc`: a
//! process that has ended and was not waited for yet still tells its times there.

use std::fs::{self, File};
use std::io::{self, Error};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

/// A program that runs, or has run. Whoever drops it ends it.
pub struct Process {
    child: Child,
    /// What it says, on both outputs.
    log: PathBuf,
    ended: Option<Ended>,
    exit: Receiver<Ended>,
    peak_kib: Option<f64>,
}

/// How a program ended.
#[derive(Clone, Copy)]
pub struct Ended {
    /// When.
    pub at: Instant,
    /// What it had taken by then, with the children it had waited for, in seconds.
    cpu: Option<f64>,
}

impl Process {
    /// Starts a program; what it says goes to a file of that name.
    pub fn start(mut command: Command, log: &Path) -> io::Result<Process> {
        let said = File::create(log)?;
        command.stdin(Stdio::null()).stdout(said.try_clone()?).stderr(said);
        // Python keeps what it says to itself for long, otherwise.
        command.env("PYTHONUNBUFFERED", "1");
        let program = command.get_program().to_owned();
        let name = |error| Error::other(format!("{}: {error}", program.display()));
        let child = command.spawn().map_err(name)?;
        let pid = Pid::from_child(&child);
        let (tell, exit) = mpsc::channel();
        thread::spawn(move || {
            // Waits without taking the process away, so that its figures can be read at leisure.
            let waited = waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT);
            let at = Instant::now();
            if waited.is_ok() {
                // Nobody may be there to hear it: then the process was given up.
                let _ = tell.send(Ended { at, cpu: cpu_seconds(pid) });
            }
        });
        Ok(Process { child, log: log.to_owned(), ended: None, exit, peak_kib: None })
    }

    /// The process's number.
    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// What it has taken of the processors until now, or until its end.
    pub fn cpu(&self) -> Option<f64> {
        self.ended.map_or_else(|| cpu_seconds(self.pid()), |ended| ended.cpu)
    }

    /// The most memory it had, as far as somebody looked.
    pub fn peak_kib(&self) -> Option<f64> {
        self.peak_kib
    }

    /// Looks how much memory it has had until now. The system keeps the maximum, but only as long as the process runs.
    pub fn look(&mut self) {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid().as_raw_nonzero()));
        if let Some(peak) = status.ok().and_then(|status| field(&status, "VmHWM:")) {
            self.peak_kib = Some(peak);
        }
    }

    /// Waits until the program has said something that `find` is looking for.
    pub fn says<T>(&mut self, find: impl Fn(&str) -> Option<T>) -> io::Result<T> {
        let began = Instant::now();
        while began.elapsed() < WORD_PATIENCE {
            let text = self.said();
            if let Some(found) = text.lines().find_map(&find) {
                return Ok(found);
            }
            if self.has_ended() {
                return Err(self.failure("ended early"));
            }
            thread::sleep(LOOK_PAUSE);
        }
        Err(self.failure("did not say what was waited for"))
    }

    /// Waits until it holds a connection to that port, for programs that say nothing.
    pub fn dials(&mut self, port: u16) -> io::Result<()> {
        let began = Instant::now();
        while began.elapsed() < WORD_PATIENCE {
            let table = fs::read_to_string(format!("/proc/{}/net/tcp", self.pid().as_raw_nonzero()))?;
            if table.lines().any(|line| is_established_to(line, port)) {
                return Ok(());
            }
            if self.has_ended() {
                return Err(self.failure("ended early"));
            }
            thread::sleep(LOOK_PAUSE);
        }
        Err(self.failure("did not connect"))
    }

    /// Whether it has come to its end.
    pub fn has_ended(&mut self) -> bool {
        self.wait_for(Duration::ZERO).is_some()
    }

    /// Waits until it has no children any more, so that all of their time is in its own.
    pub fn wait_for_children(&self) {
        let began = Instant::now();
        let pid = self.pid().as_raw_nonzero();
        let children = || fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        while children().is_ok_and(|children| !children.is_empty()) && began.elapsed() < WORD_PATIENCE {
            thread::sleep(LOOK_PAUSE);
        }
    }

    /// When it ended, if it has; and that it went well.
    fn success(&mut self) -> io::Result<Option<Instant>> {
        let Some(ended) = self.wait_for(Duration::ZERO) else {
            return Ok(None);
        };
        let status = self.child.wait()?;
        if status.success() { Ok(Some(ended.at)) } else { Err(self.failure(&status.to_string())) }
    }

    fn wait_for(&mut self, patience: Duration) -> Option<Ended> {
        if self.ended.is_none() {
            self.ended = match self.exit.recv_timeout(patience) {
                Ok(ended) => Some(ended),
                Err(RecvTimeoutError::Timeout) => None,
                // The thread could not wait: then nothing is known but that it is over.
                Err(RecvTimeoutError::Disconnected) => Some(Ended { at: Instant::now(), cpu: None }),
            };
        }
        self.ended
    }

    /// That it went wrong, with the last that it said.
    pub fn failure(&self, what: &str) -> Error {
        let said = self.said();
        let lines: Vec<&str> = said.lines().collect();
        let last = lines.iter().rev().take(LAST_LINES).rev().copied().collect::<Vec<_>>().join(" / ");
        Error::other(format!("{what}: {last}"))
    }

    fn said(&self) -> String {
        fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// Ends it, and forgets what it says.
    pub fn end(&mut self) -> io::Result<()> {
        self.child.kill()?;
        self.child.wait().map(|_| ())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself, which is as good.
        let _ = self.end();
    }
}

/// Waits until all of them have ended, well, and looks at the memory of these and of others meanwhile. Returns when the last one ended.
pub fn wait_for_all(ending: &mut [&mut Process], others: &mut [Process]) -> io::Result<Instant> {
    let began = Instant::now();
    while began.elapsed() < RUN_PATIENCE {
        for process in ending.iter_mut().map(|process| &mut **process).chain(others.iter_mut()) {
            process.look();
        }
        let mut ends = Vec::new();
        for process in ending.iter_mut() {
            ends.extend(process.success()?);
        }
        if ends.len() == ending.len() {
            return Ok(ends.into_iter().max().unwrap_or(began));
        }
        if let Some(running) = ending.iter_mut().find(|process| process.ended.is_none()) {
            running.wait_for(LOOK_PAUSE);
        }
    }
    let running = ending.iter().find(|process| process.ended.is_none());
    Err(running.map_or_else(|| Error::other("nobody"), |process| process.failure("did not come to an end")))
}

/// User and system time of a process and of the children it has waited for. Ticks of 10 ms: enough for what runs for seconds.
fn cpu_seconds(pid: Pid) -> Option<f64> {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
    // The name, in brackets, may hold anything. Behind it, the state is field 3, and the times are 14 to 17.
    let (_, fields) = stat.rsplit_once(')')?;
    let ticks = fields.split_whitespace().skip(11).take(4).map(|field| field.parse::<f64>().ok());
    Some(ticks.sum::<Option<f64>>()? / TICKS_PER_SECOND)
}

/// The number behind a name in a table such as `/proc/PID/status`.
fn field(table: &str, name: &str) -> Option<f64> {
    let line = table.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Whether a line of `/proc/net/tcp` is an established connection to that port: number, local, remote as `ADDRESS:PORT`, state 01.
fn is_established_to(line: &str, port: u16) -> bool {
    let mut fields = line.split_whitespace().skip(2);
    let remote = fields.next().and_then(|remote| remote.rsplit(':').next());
    remote == Some(&format!("{port:04X}")) && fields.next() == Some("01")
}

/// The unit of `/proc/PID/stat`, the same on every architecture that p2pc ships for.
const TICKS_PER_SECOND: f64 = 100.0;

/// How often somebody looks. Short against what is measured by looking (memory), and seldom enough to cost nothing.
const LOOK_PAUSE: Duration = Duration::from_millis(10);

/// A Python program with all its imports is up in this time, on a busy machine too; so is a sender that hashes everything first.
const WORD_PATIENCE: Duration = Duration::from_secs(120);

/// No run takes longer, or something hangs.
const RUN_PATIENCE: Duration = Duration::from_secs(600);

/// As many lines tell what went wrong.
const LAST_LINES: usize = 4;

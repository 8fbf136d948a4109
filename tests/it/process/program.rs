//! One process of the real binary, and what is seen of it: its lines are the events that tests wait for.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

/// A subcommand in surroundings that are the same wherever the tests run: nobody's environment, and no terminal.
pub fn p2pc(subcommand: &str) -> Command {
    prepared(&[&binary(), subcommand], Stdio::null())
}

/// The program: the one that was built with the tests, unless `P2PC_BINARY` names another build of it.
pub fn binary() -> String {
    std::env::var("P2PC_BINARY").unwrap_or_else(|_| env!("CARGO_BIN_EXE_p2pc").to_owned())
}

/// A line as a person would type it into a shell that finds `p2pc`.
pub fn typed(line: &str) -> Command {
    with_p2pc_in_path(prepared(&["sh", "-c", line], Stdio::null()))
}

fn with_p2pc_in_path(mut command: Command) -> Command {
    let directory = Path::new(&binary()).parent().unwrap().to_path_buf();
    let others = std::env::var_os("PATH").unwrap();
    let path = std::env::join_paths(std::iter::once(directory).chain(std::env::split_paths(&others)));
    command.env("PATH", path.unwrap());
    command
}

/// `setsid` replaces itself by the program, so that the process is the program's.
fn prepared(line: &[&str], stdin: Stdio) -> Command {
    let mut command = Command::new("setsid");
    command.args(line).stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
    for name in
        ["P2PC_CODE", "P2PC_RELAY", "P2PC_TOKEN", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]
    {
        command.env_remove(name);
    }
    command
}

/// A running process. It is killed when a test ends without having waited for its end.
pub struct Program {
    child: Child,
    /// Standard input, where the command was given a pipe.
    pub stdin: Option<ChildStdin>,
    stdout: Stream,
    stderr: Stream,
}

/// What a process left behind.
pub struct Ended {
    pub stdout: Vec<u8>,
    pub stderr: String,
}

impl Program {
    pub fn start(command: &mut Command) -> Program {
        let mut child = command.spawn().unwrap();
        let stdin = child.stdin.take();
        let stdout = Stream::of(child.stdout.take());
        let stderr = Stream::of(child.stderr.take());
        Program { child, stdin, stdout, stderr }
    }

    /// The next line of standard output, without its end.
    pub fn prints(&mut self) -> String {
        self.stdout.line(|_| true)
    }

    /// Waits for the line on standard error that has `text` in it.
    pub fn says(&mut self, text: &str) -> String {
        self.stderr.line(|line| line.contains(text))
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// The most memory that it ever had, in bytes; `None` once it has ended.
    #[cfg(target_os = "linux")]
    pub fn peak_memory(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        Some(line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024)
    }

    /// How many descriptors it may have.
    #[cfg(target_os = "linux")]
    pub fn descriptors_max(&self) -> u64 {
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", self.child.id())).unwrap();
        let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    }

    /// Waits for its end, which has to come with `status`, and never by a panic.
    pub fn exits(self, status: i32) -> Ended {
        let (ended, said) = self.ends();
        assert_eq!(ended, Some(status), "{}", said.stderr);
        said
    }

    /// Waits for its end, which never comes by a panic. Without a status it was killed.
    pub fn ends(mut self) -> (Option<i32>, Ended) {
        let is_over = self.stdout.rest(PATIENCE) && self.stderr.rest(PATIENCE);
        self.stderr.rest(Duration::ZERO);
        let stderr = String::from_utf8_lossy(&self.stderr.heard).into_owned();
        assert!(is_over, "it does not end: {stderr}");
        let status = self.child.wait().unwrap().code();
        assert!(!stderr.contains("panicked"), "{stderr}");
        (status, Ended { stdout: std::mem::take(&mut self.stdout.heard), stderr })
    }

    /// Waits for the end of one that was killed.
    pub fn was_killed(self) {
        let (status, said) = self.ends();
        assert_eq!(status, None, "{}", said.stderr);
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One output of a process, read as it comes on a thread of its own, so that no process ever waits for us.
struct Stream {
    lines: Receiver<Vec<u8>>,
    heard: Vec<u8>,
}

impl Stream {
    fn of(pipe: Option<impl Read + Send + 'static>) -> Stream {
        let (said, lines) = channel();
        std::thread::spawn(move || {
            let Some(pipe) = pipe else { return };
            let mut pipe = BufReader::new(pipe);
            loop {
                let mut line = Vec::new();
                match pipe.read_until(b'\n', &mut line) {
                    Ok(1..) if said.send(line).is_ok() => {}
                    _ => return,
                }
            }
        });
        Stream { lines, heard: Vec::new() }
    }

    fn line(&mut self, wanted: impl Fn(&str) -> bool) -> String {
        loop {
            let Ok(line) = self.lines.recv_timeout(PATIENCE) else {
                panic!("not said: {}", String::from_utf8_lossy(&self.heard));
            };
            self.heard.extend_from_slice(&line);
            let line = String::from_utf8_lossy(&line);
            if wanted(&line) {
                return line.trim_end_matches('\n').to_owned();
            }
        }
    }

    /// Everything up to its end. False when that does not come while nothing else comes either.
    fn rest(&mut self, patience: Duration) -> bool {
        loop {
            match self.lines.recv_timeout(patience) {
                Ok(line) => self.heard.extend_from_slice(&line),
                Err(RecvTimeoutError::Disconnected) => return true,
                Err(RecvTimeoutError::Timeout) => return false,
            }
        }
    }
}

/// A terminal with a person in front of it, for one program. Its standard output and error go elsewhere: what is seen
/// here was written to the controlling terminal.
pub struct Terminal {
    screen: File,
    keys: Receiver<u8>,
    program_side: String,
}

impl Terminal {
    pub fn new() -> Terminal {
        let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&terminal).unwrap();
        unlockpt(&terminal).unwrap();
        let program_side = ptsname(&terminal, Vec::new()).unwrap().into_string().unwrap();
        let screen = File::from(terminal);
        let (shown, keys) = channel();
        let mut reading = screen.try_clone().unwrap();
        std::thread::spawn(move || {
            let mut bytes = [0; 256];
            loop {
                let Ok(length @ 1..) = reading.read(&mut bytes) else { return };
                let told = bytes[..length].iter().try_for_each(|byte| match shown.send(*byte) {
                    Ok(()) => ControlFlow::Continue(()),
                    Err(_) => ControlFlow::Break(()),
                });
                if told.is_break() {
                    return;
                }
            }
        });
        Terminal { screen, keys, program_side }
    }

    /// A subcommand in the foreground of this terminal.
    pub fn p2pc(&self, subcommand: &str) -> Command {
        prepared(&["--ctty", &binary(), subcommand], self.stdin())
    }

    /// A line as a person types it into a shell here.
    pub fn typed(&self, line: &str) -> Command {
        with_p2pc_in_path(prepared(&["--ctty", "sh", "-c", line], self.stdin()))
    }

    fn stdin(&self) -> Stdio {
        File::options().read(true).write(true).open(&self.program_side).unwrap().into()
    }

    /// Waits until the screen has shown `text`, and returns what it showed up to there.
    pub fn sees(&mut self, text: &str) -> String {
        let mut seen = Vec::new();
        while !seen.ends_with(text.as_bytes()) {
            let Ok(byte) = self.keys.recv_timeout(PATIENCE) else {
                panic!("no {text:?} in {:?}", String::from_utf8_lossy(&seen));
            };
            seen.push(byte);
        }
        String::from_utf8_lossy(&seen).into_owned()
    }

    pub fn types(&mut self, keys: &str) {
        self.screen.write_all(keys.as_bytes()).unwrap();
    }
}

/// Far more than anything takes here, even on a busy machine: only what hangs is ended by it.
pub const PATIENCE: Duration = Duration::from_secs(60);

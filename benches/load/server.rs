//! The relay that is measured: a process of its own, so that what it takes is told by the system and nobody else's is with it.

use std::fs;
use std::io::{self, BufRead as _, BufReader, Error};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A running relay; it ends with the value.
pub struct Server {
    child: Child,
    pub address: SocketAddr,
}

impl Server {
    /// Starts one on a port of the system's choice, with no limits of its own: what the machine can do is looked for. `cert`: with TLS.
    pub fn start(program: &Path, cert: Option<&Path>) -> io::Result<Server> {
        let mut command = Command::new(program);
        command.args(["relay", "--listen", "127.0.0.1:0", "--quiet"]);
        for limit in ["--address-connections", "--address-arrivals", "--address-joins", "--address-rooms"] {
            command.args([limit, "0"]);
        }
        for limit in ["--max-connections", "--max-waiting", "--max-sessions", "--max-rooms"] {
            command.args([limit, "1000000"]);
        }
        if let Some(cert) = cert {
            command.arg("--cert").arg(cert);
        }
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        if let Some(address) = line.trim().rsplit('/').next().and_then(|address| address.parse().ok()) {
            return Ok(Server { child, address });
        }
        // It has said why itself, on its way out.
        let _ = child.kill();
        child.wait()?;
        Err(Error::other(format!("{} does not listen", program.display())))
    }

    /// What it has taken of the processors, in seconds.
    pub fn cpu(&self) -> io::Result<f64> {
        let stat = self.look("stat")?;
        let (_, fields) = stat.rsplit_once(')').ok_or_else(|| Error::other("no times"))?;
        let ticks = |at: usize| fields.split_whitespace().nth(at).and_then(|field| field.parse::<f64>().ok());
        let (user, system) = ticks(11).zip(ticks(12)).ok_or_else(|| Error::other("no times"))?;
        Ok((user + system) / TICKS_PER_SECOND)
    }

    /// The memory it has now, in KiB.
    pub fn memory_kib(&self) -> io::Result<f64> {
        self.memory("VmRSS:")
    }

    /// The most it ever had, in KiB.
    pub fn peak_kib(&self) -> io::Result<f64> {
        self.memory("VmHWM:")
    }

    fn memory(&self, name: &str) -> io::Result<f64> {
        let status = self.look("status")?;
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
        kib.ok_or_else(|| Error::other(format!("no {name}")))
    }

    fn look(&self, what: &str) -> io::Result<String> {
        fs::read_to_string(format!("/proc/{}/{what}", self.child.id()))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The unit of `/proc/PID/stat`, the same on every architecture that p2pc ships for.
const TICKS_PER_SECOND: f64 = 100.0;

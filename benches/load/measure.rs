//! What is measured, each with a relay of its own.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::client::Dial;
use super::crowd::{Crowd, Probe, percentile};
use super::server::Server;

/// Where the relay is, and how one speaks with it.
#[derive(Clone, Debug)]
pub struct Setting {
    pub program: PathBuf,
    /// The certificate with its key, and the authority to be trusted.
    pub tls: Option<(PathBuf, PathBuf)>,
}

/// A relay in which one side waits in each of many rooms.
#[derive(Clone, Copy, Debug)]
pub struct Waiting {
    pub rooms: f64,
    pub joins_per_second: f64,
    /// Of the relay's processor time, in seconds.
    pub cpu_per_join: f64,
    /// Once everybody has been asked whether it is there.
    pub memory_kib: f64,
    pub kib_per_room: f64,
}

/// A relay through which many pairs move all they can.
#[derive(Clone, Copy, Debug)]
pub struct Moving {
    pub sessions: f64,
    pub memory_kib: f64,
    pub kib_per_session: f64,
    pub bytes_per_second: f64,
    pub bytes_per_cpu_second: f64,
    /// A small message there and back through the relay, in milliseconds: half of them, and all but one of a hundred.
    pub small_ms: [f64; 2],
    /// The same at the same time without the relay.
    pub direct_ms: [f64; 2],
}

impl Setting {
    fn start(&self) -> io::Result<(Server, Dial)> {
        let paths = self.tls.as_ref();
        let server = Server::start(&self.program, paths.map(|(cert, _)| cert.as_path()))?;
        let dial = Dial::new(server.address, paths.map(|(_, authority)| authority.as_path()))?;
        Ok((server, dial))
    }
}

/// Opens so many rooms and leaves them waiting. `pings`: until each has answered one of the relay, which takes ten seconds.
pub fn waiting(setting: &Setting, rooms: usize, pings: bool) -> io::Result<Waiting> {
    let (server, dial) = setting.start()?;
    let crowd = Crowd::gather(1);
    let (empty_kib, began) = (server.memory_kib()?, Instant::now());
    let lines = crowd.join(&dial, rooms, "send")?;
    let (seconds, cpu) = (began.elapsed().as_secs_f64(), server.cpu()?);
    let here = crowd.wait(lines);
    // One answer each, or one and a ping.
    here.until(rooms as u64 * if pings { 2 } else { 1 }, PATIENCE)?;
    here.are_well()?;
    let memory_kib = server.peak_kib()?;
    Ok(Waiting {
        rooms: rooms as f64,
        joins_per_second: rooms as f64 / seconds,
        cpu_per_join: cpu / rooms as f64,
        memory_kib,
        kib_per_room: (memory_kib - empty_kib) / rooms as f64,
    })
}

/// Lets so many pairs move all they can for a time, while small messages of one more are timed. No pairs: only that.
pub fn moving(setting: &Setting, sessions: usize, time: Duration) -> io::Result<Moving> {
    let (server, dial) = setting.start()?;
    let crowd = Crowd::gather(thread::available_parallelism()?.get());
    let empty_kib = server.memory_kib()?;
    let senders = crowd.join(&dial, sessions, "send")?;
    let receivers = crowd.join(&dial, sessions, "receive")?;
    let probes = [Probe::through(&dial)?, Probe::direct()?];
    let hearing = crowd.listen(receivers);
    let speaking = crowd.speak(senders);
    hearing.until(sessions as u64 * WARM_BYTES, PATIENCE)?;

    let stop = Arc::new(AtomicBool::new(false));
    let probes = probes.map(|probe| probe.start(&stop));
    let (began, bytes, cpu) = (Instant::now(), hearing.count(), server.cpu()?);
    thread::sleep(time);
    let (seconds, cpu) = (began.elapsed().as_secs_f64(), server.cpu()? - cpu);
    let bytes = (hearing.count() - bytes) as f64;
    stop.store(true, Ordering::Relaxed);
    let times = probes.map(|probe| probe.join().map_err(|_| io::Error::other("a probe panicked")));
    hearing.are_well()?;
    speaking.are_well()?;
    let memory_kib = server.peak_kib()?;
    let [small_ms, direct_ms] =
        times.map(|times| times.flatten().map(|times| [percentile(&times, 50), percentile(&times, 99)]));
    Ok(Moving {
        sessions: sessions as f64,
        memory_kib,
        kib_per_session: (memory_kib - empty_kib) / sessions as f64,
        bytes_per_second: bytes / seconds,
        bytes_per_cpu_second: bytes / cpu,
        small_ms: small_ms?,
        direct_ms: direct_ms?,
    })
}

/// The certificate that the tests have for this machine, in the repository.
pub fn with_tls(program: &Path, repository: &Path) -> Setting {
    let directory = repository.join("tests/vectors/tls");
    Setting { program: program.into(), tls: Some((directory.join("p256.pem"), directory.join("ca.pem"))) }
}

/// So much has come to each on average before the clock runs: by then every buffer has the size it stays at.
const WARM_BYTES: u64 = 1 << 20;

/// No step takes longer, or something hangs. A ping comes after ten seconds, and the connection would end after 45.
const PATIENCE: Duration = Duration::from_secs(60);

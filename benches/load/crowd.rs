//! Many clients at once, on few threads: those that wait, those that move all they can, and one pair that looks at the clock.

use std::io::{self, Error};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use futures_lite::future::or;
use futures_lite::{AsyncReadExt as _, AsyncWriteExt as _, StreamExt as _};
use futures_util::stream::FuturesUnordered;
use smol::channel::{Sender, unbounded};
use smol::net::{TcpListener, TcpStream};
use smol::{Executor, Task};

use super::client::{Dial, Line, PING, hear, message, told};

/// The threads on which the clients live.
pub struct Crowd {
    executor: Arc<Executor<'static>>,
    _stop: Sender<()>,
}

/// Clients that do what they do until the value is dropped.
pub struct Busy {
    _tasks: Vec<Task<()>>,
    counted: Arc<AtomicU64>,
    failed: Arc<AtomicUsize>,
}

impl Crowd {
    pub fn gather(threads: usize) -> Crowd {
        let (stop, stopped) = unbounded::<()>();
        let executor = Arc::new(Executor::new());
        for _ in 0..threads {
            let (executor, stopped) = (Arc::clone(&executor), stopped.clone());
            // Nothing is ever sent: it ends when the crowd is gone.
            thread::spawn(move || smol::block_on(executor.run(stopped.recv())));
        }
        Crowd { executor, _stop: stop }
    }

    /// Takes one seat in each of so many rooms, some at a time.
    pub fn join(&self, dial: &Dial, rooms: usize, role: &'static str) -> io::Result<Vec<Line>> {
        let (executor, dial) = (Arc::clone(&self.executor), dial.clone());
        let all = self.executor.spawn(async move {
            let join = |room: usize| {
                let dial = dial.clone();
                executor.spawn(async move { dial.join(&format!("room-{room}"), role).await })
            };
            let mut joining: FuturesUnordered<_> = (0..rooms.min(AT_ONCE)).map(join).collect();
            let (mut lines, mut next) = (Vec::with_capacity(rooms), joining.len());
            while let Some(line) = joining.next().await {
                lines.push(line?);
                if next < rooms {
                    joining.push(join(next));
                    next += 1;
                }
            }
            Ok(lines)
        });
        smol::block_on(all)
    }

    /// Lets them wait as senders do: they say their first words, and ask whether the relay has heard them. Its answer is counted, and
    /// then every ping of its own, which they answer.
    pub fn wait(&self, lines: Vec<Line>) -> Busy {
        self.occupy(lines, |mut line, counted| async move {
            line.write_all(&message(FIRST_WORDS)).await?;
            line.write_all(&PING).await?;
            line.flush().await?;
            loop {
                hear(&mut line, &mut [0; FIRST_WORDS]).await?;
                counted.fetch_add(1, Ordering::Relaxed);
            }
        })
    }

    /// Makes them say as much as is taken from them.
    pub fn speak(&self, lines: Vec<Line>) -> Busy {
        let frame: Arc<[u8]> = message(MESSAGE).into();
        self.occupy(lines, move |mut line, _| {
            let frame = Arc::clone(&frame);
            async move {
                loop {
                    line.write_all(&frame).await?;
                }
            }
        })
    }

    /// Makes them say so many bytes a second each, and no more.
    #[allow(
        dead_code,
        reason = "tests of what others do to an honest pair have one that is no load of its own"
    )]
    pub fn speak_at(&self, lines: Vec<Line>, bytes_per_second: f64) -> Busy {
        let frame: Arc<[u8]> = message(PACED).into();
        self.occupy(lines, move |mut line, _| {
            let frame = Arc::clone(&frame);
            async move {
                let (began, mut said) = (Instant::now(), 0.0);
                loop {
                    line.write_all(&frame).await?;
                    line.flush().await?;
                    said += PACED as f64;
                    smol::Timer::at(began + Duration::from_secs_f64(said / bytes_per_second)).await;
                }
            }
        })
    }

    /// Makes them take whatever comes; the bytes are counted. The first word is theirs, since a relay wants one of both.
    pub fn listen(&self, lines: Vec<Line>) -> Busy {
        self.occupy(lines, |mut line, counted| async move {
            line.write_all(&message(1)).await?;
            line.flush().await?;
            let mut space = vec![0; 128 * 1024];
            loop {
                let read = line.read(&mut space).await?;
                if read == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                counted.fetch_add(read as u64, Ordering::Relaxed);
            }
        })
    }

    fn occupy<F>(&self, lines: Vec<Line>, what: impl Fn(Line, Arc<AtomicU64>) -> F) -> Busy
    where
        F: Future<Output = io::Result<()>> + Send + 'static,
    {
        let (counted, failed) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicUsize::new(0)));
        let task = |line| {
            let (work, failed) = (what(line, Arc::clone(&counted)), Arc::clone(&failed));
            self.executor.spawn(async move {
                if work.await.is_err() {
                    failed.fetch_add(1, Ordering::Relaxed);
                }
            })
        };
        let tasks = lines.into_iter().map(task).collect();
        Busy { _tasks: tasks, counted, failed }
    }
}

impl Busy {
    /// What was counted of all of them.
    pub fn count(&self) -> u64 {
        self.counted.load(Ordering::Relaxed)
    }

    /// Waits until so much was counted.
    pub fn until(&self, count: u64, patience: Duration) -> io::Result<()> {
        let began = Instant::now();
        while self.count() < count {
            self.are_well()?;
            if began.elapsed() > patience {
                return Err(Error::other(format!("{} instead of {count} in {patience:?}", self.count())));
            }
            thread::sleep(LOOK_PAUSE);
        }
        Ok(())
    }

    /// None of them was thrown out.
    pub fn are_well(&self) -> io::Result<()> {
        match self.failed.load(Ordering::Relaxed) {
            0 => Ok(()),
            failed => Err(Error::other(format!("{failed} connections were lost"))),
        }
    }
}

/// A pair whose small messages are timed, there and back.
pub struct Probe {
    there: Line,
    back: Line,
    frame: Vec<u8>,
}

impl Probe {
    /// Through a relay.
    pub fn through(dial: &Dial) -> io::Result<Probe> {
        smol::block_on(async {
            let there = dial.join("probe", "send").await?;
            let back = dial.join("probe", "receive").await?;
            Ok(Probe { there, back, frame: message(SMALL) })
        })
    }

    /// Without one: what this machine makes of it.
    pub fn direct() -> io::Result<Probe> {
        smol::block_on(async {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
            let there = TcpStream::connect(listener.local_addr()?).await?;
            let (back, _) = listener.accept().await?;
            for end in [&there, &back] {
                end.set_nodelay(true)?;
            }
            Ok(Probe { there: Box::new(there), back: Box::new(back), frame: told(SMALL) })
        })
    }

    /// Times one after the other until told to stop, on a thread of its own.
    pub fn start(self, stop: &Arc<AtomicBool>) -> Timing {
        let (stop, Probe { there, back, frame }) = (Arc::clone(stop), self);
        thread::spawn(move || {
            let (echo, ask) = (echo(back, &frame), ask(there, &frame, &stop));
            let mut times = smol::block_on(or(echo, ask))?;
            times.sort_unstable();
            Ok(times)
        })
    }
}

/// Comes to be the times that were measured, the shortest first.
pub type Timing = JoinHandle<io::Result<Vec<Duration>>>;

async fn ask(mut line: Line, frame: &[u8], stop: &AtomicBool) -> io::Result<Vec<Duration>> {
    let (mut times, mut space) = (Vec::new(), [0; SMALL]);
    while !stop.load(Ordering::Relaxed) {
        let began = Instant::now();
        line.write_all(frame).await?;
        line.flush().await?;
        hear_small(&mut line, &mut space).await?;
        times.push(began.elapsed());
        smol::Timer::after(BETWEEN).await;
    }
    Ok(times)
}

async fn echo<T>(mut line: Line, frame: &[u8]) -> io::Result<T> {
    let mut space = [0; SMALL];
    loop {
        hear_small(&mut line, &mut space).await?;
        line.write_all(frame).await?;
        line.flush().await?;
    }
}

async fn hear_small(line: &mut Line, space: &mut [u8; SMALL]) -> io::Result<()> {
    let mut heard = 0;
    while heard < SMALL {
        heard += hear(line, space).await?;
    }
    Ok(())
}

/// The time within which so many of a hundred were done, in milliseconds.
pub fn percentile(sorted: &[Duration], percent: usize) -> f64 {
    let at = sorted.len().saturating_sub(1) * percent / 100;
    sorted.get(at).map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
}

/// As many ask for a seat at once: fewer than wait at the relay's door, where the system would turn the next one away.
const AT_ONCE: usize = 64;

/// As long as what a sender says while it waits.
const FIRST_WORDS: usize = 200;

/// About what a lane says at once.
const MESSAGE: usize = 256 * 1024;

/// What is said at once of a rate.
const PACED: usize = 64 * 1024;

/// The message that is timed.
pub const SMALL: usize = 1024;

/// Between two that are timed: they shall not be a load of their own.
const BETWEEN: Duration = Duration::from_millis(1);

/// How often counters are looked at.
const LOOK_PAUSE: Duration = Duration::from_millis(20);

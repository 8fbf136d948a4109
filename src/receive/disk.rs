//! The threads of the disk: one puts what arrives where it belongs, the other makes it durable from time to time.
//!
//! ```text
//! driver ──Job──▶ disk ──Checkpoint──▶ journal
//!        ◀─event─      ◀─Checkpointed─
//! ```
//!
//! Writing never waits for the syncs of a checkpoint. What waits for the disk is bounded by the windows of the session, and there is one
//! checkpoint at a time.

use std::time::{Duration, Instant};

use futures_lite::future;
use smol::Timer;
use smol::channel::{Receiver as Out, Sender as Queue, unbounded};

use super::Destination;
use super::sink::{Checkpoint, Checkpointed, Job, Output, Rules, SinkEvent, Stop};
use crate::error::{Error, Kind, Result};
use crate::net::link::spawn;
use crate::proto::chunk::ChunkSize;

/// A running output.
pub(super) struct Disk {
    jobs: Queue<Job>,
    events: Out<Result<Vec<SinkEvent>>>,
    stop: Stop,
}

/// What the thread of the disk works on.
struct Work {
    output: Box<dyn Output>,
    jobs: Out<Job>,
    begun: Instant,
    checkpoints: Queue<Checkpoint>,
    done: Out<Checkpointed>,
    is_saving: bool,
}

/// What the thread of the disk is woken by.
enum Wake {
    Job(Job),
    Saved(Checkpointed),
    Idle,
    Over,
}

impl Disk {
    pub(super) fn start(destination: Destination, rules: Rules, chunk: ChunkSize) -> Result<Disk> {
        let (jobs, jobs_out) = unbounded::<Job>();
        let (events_in, events) = unbounded();
        let (checkpoints, to_save) = unbounded::<Checkpoint>();
        let (saved, done) = unbounded();
        let stop = Stop::new();
        let stopped = stop.clone();
        let work = move || {
            let output = match destination.open(chunk, rules, stopped) {
                Ok(output) => output,
                // Whoever is not listening any more has its own reason.
                Err(error) => return drop(events_in.try_send(Err(error))),
            };
            let begun = Instant::now();
            let work = Work { output, jobs: jobs_out, begun, checkpoints, done, is_saving: false };
            work.run(|said| events_in.try_send(said).is_ok());
        };
        spawn("disk", work)?;
        spawn("journal", move || {
            while let Ok(checkpoint) = to_save.recv_blocking() {
                let _ = saved.try_send(checkpoint.run());
            }
        })?;
        Ok(Disk { jobs, events, stop })
    }

    /// Queues a job.
    pub(super) fn give(&self, job: Job) {
        // A disk thread that has ended has said why.
        let _ = self.jobs.try_send(job);
    }

    /// What it says next. Cancel safe.
    pub(super) async fn said(&self) -> Result<Vec<SinkEvent>> {
        self.events
            .recv()
            .await
            .unwrap_or_else(|_| Err(Error::new(Kind::Internal, "the writing of files ended by itself")))
    }

    /// Lets the thread end and waits until it has made durable what the next session can go on with; not for ever, because a disk or a
    /// reader of standard output that takes nothing any more must not keep a person from leaving.
    pub(super) async fn end(self, patience: Duration) {
        // Whatever is still queued is for nothing: what has no outcome by now gets no final name.
        self.stop.stop();
        self.jobs.close();
        let ended = async { while self.events.recv().await.is_ok() {} };
        let late = async {
            Timer::after(patience).await;
        };
        future::or(ended, late).await;
    }
}

impl Work {
    /// Works until there is nothing more to do or nobody listens.
    fn run(mut self, mut tell: impl FnMut(Result<Vec<SinkEvent>>) -> bool) {
        loop {
            let mut said = Vec::new();
            let result = self.step(&mut said);
            let is_over = !matches!(result, Ok(true));
            let is_heard = said.is_empty() || tell(Ok(said));
            if let Err(error) = result {
                tell(Err(error));
            }
            if is_over || !is_heard {
                break;
            }
        }
        // What is being made durable counts, and the output must know when it cleans up.
        let Work { mut output, checkpoints, done, .. } = self;
        drop(checkpoints);
        while let Ok(saved) = done.recv_blocking() {
            // Its data is not claimed then.
            let _ = output.checkpointed(saved);
        }
        drop(output);
    }

    /// Does the next thing; false when there will be none.
    fn step(&mut self, said: &mut Vec<SinkEvent>) -> Result<bool> {
        while let Ok(saved) = self.done.try_recv() {
            self.saved(saved)?;
        }
        if !self.is_saving
            && let Some(checkpoint) = self.output.checkpoint(self.now_ms())?
        {
            self.is_saving = self.checkpoints.try_send(checkpoint).is_ok();
        }
        if self.work_off(said)? {
            return Ok(true);
        }
        self.output.commit(said)?;
        if !said.is_empty() {
            return Ok(true);
        }
        match future::block_on(self.wake()) {
            Wake::Job(job) => self.output.handle(job, said)?,
            Wake::Saved(saved) => self.saved(saved)?,
            Wake::Idle => {}
            Wake::Over => return Ok(false),
        }
        Ok(true)
    }

    /// Does the jobs at hand, as long as nobody waits for what is said of them; false if there were none.
    fn work_off(&mut self, said: &mut Vec<SinkEvent>) -> Result<bool> {
        let begun = Instant::now();
        let mut is_any = false;
        while let Ok(job) = self.jobs.try_recv() {
            is_any = true;
            self.output.handle(job, said)?;
            if said.len() >= SAID_TOGETHER_MAX || begun.elapsed() >= SAID_WITHIN {
                break;
            }
        }
        Ok(is_any)
    }

    async fn wake(&self) -> Wake {
        let job = async { self.jobs.recv().await.map_or(Wake::Over, Wake::Job) };
        let saved = async {
            match self.done.recv().await {
                Ok(saved) => Wake::Saved(saved),
                // The thread beside has ended, and cannot have.
                Err(_) => future::pending().await,
            }
        };
        let idle = async {
            Timer::after(LOOK_AGAIN).await;
            Wake::Idle
        };
        future::or(job, future::or(saved, idle)).await
    }

    fn saved(&mut self, saved: Checkpointed) -> Result<()> {
        self.is_saving = false;
        self.output.checkpointed(saved)
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// How long the disk may take to clean up at the end: a few syncs of a slow one.
pub(super) const CLEANING: Duration = Duration::from_secs(10);

/// How long it may take where another session is to go on with what it lets go of, and would find it locked: a slow disk with much
/// to write yet, and less than the other side waits for a sign of life.
pub(super) const LETTING_GO: Duration = Duration::from_secs(40);

/// While nothing comes it is looked this often whether something that came should be made durable.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// What is said of several jobs is told at once: every telling wakes the session, which answers with a frame. Of small files there are
/// thousands of jobs a second, and the work of one is less than that of telling it.
const SAID_TOGETHER_MAX: usize = 256;

/// For so long what was said waits at most for more to be said with it, beside the one job that is being done.
const SAID_WITHIN: Duration = Duration::from_millis(1);

//! The threads of the disk: one puts what arrives where it belongs, one makes it durable from time to time,
//! one lets the system begin to write.
//!
//! ```text
//! driver ──Job──▶ disk ──Checkpoint──▶ journal
//!        ◀─event─      ◀─Checkpointed─
//!                      ──WriteAhead──▶ ahead
//! ```
//!
//! Writing never waits for the syncs of a checkpoint. What waits for the disk is bounded by the windows of
//! the session, and there is one checkpoint at a time. To write ahead takes as long as the disk has something
//! to do for any program, so no checkpoint waits for that, and neither does the end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_lite::future;
use smol::Timer;
use smol::channel::{Receiver as Out, Sender as Queue, unbounded};

use super::checksums::{SumFile, Writing};
use super::driver::Terms;
use super::sink::{Checkpoint, Checkpointed, Job, Output, SinkEvent, Stop};
use crate::disk::WriteAhead;
use crate::error::{Error, Kind, Result};
use crate::net::link::spawn;
use crate::proto::chunk::ChunkSize;
use crate::proto::time::millis;

/// A running output.
pub(super) struct Disk {
    jobs: Queue<Job>,
    events: Out<Result<Vec<SinkEvent>>>,
    stop: Stop,
    /// Set before the end of a transfer that went through: only then the checksums get their name, and what
    /// came of that is said here.
    is_done: Arc<AtomicBool>,
    summed: Option<Out<Result<()>>>,
}

/// What the thread of the disk works on.
struct Work {
    output: Box<dyn Output>,
    jobs: Out<Job>,
    begun: Instant,
    journal: Beside<Checkpoint, Checkpointed>,
    ahead: Beside<WriteAhead, ()>,
    sums: Option<Writing>,
}

/// A thread that does one thing at a time for another.
struct Beside<T, R> {
    tasks: Queue<T>,
    done: Out<R>,
    is_busy: bool,
}

/// What the thread of the disk is woken by.
enum Wake {
    Job(Job),
    Saved(Checkpointed),
    Idle,
    Over,
}

impl Disk {
    pub(super) fn start(terms: Terms, chunk: ChunkSize) -> Result<Disk> {
        let Terms { destination, sums, rules, .. } = terms;
        let (jobs, jobs_out) = unbounded::<Job>();
        let (events_in, events) = unbounded();
        let journal = Beside::start("journal", Checkpoint::run)?;
        let ahead = Beside::start("ahead", |write: WriteAhead| write())?;
        let stop = Stop::new();
        let stopped = stop.clone();
        let (is_done, (summed_in, summed)) = (Arc::new(AtomicBool::new(false)), unbounded());
        let summed = sums.is_some().then_some(summed);
        let went_through = Arc::clone(&is_done);
        let work = move || {
            let opened = destination.open(chunk, rules, stopped);
            let (output, sums) =
                match opened.and_then(|output| Ok((output, sums.map(SumFile::begin).transpose()?))) {
                    Ok(opened) => opened,
                    // Whoever is not listening any more has its own reason.
                    Err(error) => return drop(events_in.try_send(Err(error))),
                };
            let begun = Instant::now();
            let work = Work { output, jobs: jobs_out, begun, journal, ahead, sums };
            let sums = work.run(|said| events_in.try_send(said).is_ok());
            if let Some(sums) = sums.filter(|_| went_through.load(Ordering::SeqCst)) {
                let _ = summed_in.try_send(sums.commit());
            }
        };
        spawn("disk", work)?;
        Ok(Disk { jobs, events, stop, is_done, summed })
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

    /// As [`Disk::end`] after a transfer that went through: the checksums get their name, if there are any.
    pub(super) async fn conclude(self, patience: Duration) -> Result<()> {
        self.is_done.store(true, Ordering::SeqCst);
        let summed = self.summed.clone();
        self.end(patience).await;
        let Some(summed) = summed else { return Ok(()) };
        // The thread says it as its last word; one that could not begin has said why already.
        let said = async { summed.recv().await.unwrap_or(Ok(())) };
        let late = async {
            Timer::after(patience).await;
            Err(Error::new(Kind::Disk, "the checksums were not written in time"))
        };
        future::or(said, late).await
    }

    /// Lets the thread end and waits until it has made durable what the next session can go on with; not for
    /// ever, because a disk or a reader of standard output that takes nothing any more must not keep a person
    /// from leaving.
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

impl<T: Send + 'static, R: Send + 'static> Beside<T, R> {
    fn start(name: &'static str, work: fn(T) -> R) -> Result<Beside<T, R>> {
        let (tasks, todo) = unbounded();
        let (done_in, done) = unbounded();
        spawn(name, move || {
            while let Ok(task) = todo.recv_blocking() {
                let _ = done_in.try_send(work(task));
            }
        })?;
        Ok(Beside { tasks, done, is_busy: false })
    }

    fn give(&mut self, task: T) {
        self.is_busy = self.tasks.try_send(task).is_ok();
    }

    /// What came of its task, if that is done.
    fn try_done(&mut self) -> Option<R> {
        let done = self.done.try_recv().ok()?;
        self.is_busy = false;
        Some(done)
    }
}

impl Work {
    /// Works until there is nothing more to do or nobody listens. Returns the checksums, without their name.
    fn run(mut self, mut tell: impl FnMut(Result<Vec<SinkEvent>>) -> bool) -> Option<Writing> {
        loop {
            let mut said = Vec::new();
            let result = self.step(&mut said).and_then(|goes_on| self.sum().map(|()| goes_on));
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
        let Work { mut output, journal: Beside { tasks, done, .. }, sums, .. } = self;
        drop(tasks);
        while let Ok(saved) = done.recv_blocking() {
            // Its data is not claimed then.
            let _ = output.checkpointed(saved);
        }
        drop(output);
        sums
    }

    /// Writes down the checksums of what was delivered, before that is told.
    fn sum(&mut self) -> Result<()> {
        let Some(sums) = &mut self.sums else { return Ok(()) };
        self.output.summed().iter().try_for_each(|summed| sums.add(summed))
    }

    /// Does the next thing; false when there will be none.
    fn step(&mut self, said: &mut Vec<SinkEvent>) -> Result<bool> {
        while let Some(saved) = self.journal.try_done() {
            self.output.checkpointed(saved)?;
        }
        if !self.journal.is_busy
            && let Some(checkpoint) = self.output.checkpoint(self.now_ms())?
        {
            self.journal.give(checkpoint);
        }
        let _ = self.ahead.try_done();
        if !self.ahead.is_busy
            && let Some(write) = self.output.write_ahead()
        {
            self.ahead.give(write);
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
            match self.journal.done.recv().await {
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
        self.journal.is_busy = false;
        self.output.checkpointed(saved)
    }

    fn now_ms(&self) -> u64 {
        millis(self.begun.elapsed())
    }
}

/// How long the disk may take to clean up at the end: a few syncs of a slow one.
pub(super) const CLEANING: Duration = Duration::from_secs(10);

/// How long it may take where another session is to go on with what it lets go of, and would find it locked:
/// a slow disk with much to write yet, and less than the other side waits for a sign of life.
pub(super) const LETTING_GO: Duration = Duration::from_secs(40);

/// While nothing comes it is looked this often whether something that came should be made durable.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// What is said of several jobs is told at once: every telling wakes the session, which answers with a frame.
/// Of small files there are thousands of jobs a second, and the work of one is less than that of telling it.
const SAID_TOGETHER_MAX: usize = 256;

/// For so long what was said waits at most for more to be said with it, beside the one job that is being
/// done.
const SAID_WITHIN: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::memory::{MemoryDir, MemoryDisk};
    use crate::proto::frame::Piece;
    use crate::proto::manifest::{Item, Meta, Nesting};
    use crate::receive::sink::{Rules, Sink};

    /// A sink whose writing ahead takes as long as the test wants.
    struct Slow {
        sink: Sink<MemoryDir>,
        write: Option<WriteAhead>,
        saved: Queue<()>,
    }

    impl Output for Slow {
        fn handle(&mut self, job: Job, events: &mut Vec<SinkEvent>) -> Result<()> {
            self.sink.handle(job, events)
        }

        fn commit(&mut self, events: &mut Vec<SinkEvent>) -> Result<()> {
            self.sink.commit(events)
        }

        fn checkpoint(&mut self, now_ms: u64) -> Result<Option<Checkpoint>> {
            self.sink.checkpoint(now_ms)
        }

        fn write_ahead(&mut self) -> Option<WriteAhead> {
            self.write.take()
        }

        fn checkpointed(&mut self, done: Checkpointed) -> Result<()> {
            let _ = self.saved.try_send(());
            self.sink.checkpointed(done)
        }
    }

    /// What another program keeps the disk busy with is no reason to lose what came.
    #[test]
    fn neither_checkpoints_nor_the_end_wait_for_what_is_written_ahead() {
        let (saved_in, saved) = unbounded();
        let (begun_in, begun) = unbounded();
        let (release, released) = unbounded::<()>();
        let write = move || {
            let _ = begun_in.try_send(());
            let _ = released.recv_blocking();
        };
        let sink = Sink::new(MemoryDisk::new().root(), ChunkSize::MIN, Rules::default(), Stop::new());
        let output = Box::new(Slow { sink, write: Some(Box::new(write)), saved: saved_in });
        let (jobs_in, jobs) = unbounded();
        let journal = Beside::start("journal", Checkpoint::run).unwrap();
        let ahead = Beside::start("ahead", |write: WriteAhead| write()).unwrap();
        let work = Work { output, jobs, begun: Instant::now(), journal, ahead, sums: None };
        let (over_in, over) = unbounded();
        std::thread::spawn(move || {
            work.run(|_| true);
            let _ = over_in.try_send(());
        });
        let soon = |event: Out<()>| {
            smol::block_on(future::or(async { event.recv().await.is_ok() }, async {
                Timer::after(Duration::from_secs(20)).await;
                false
            }))
        };
        assert!(soon(begun));
        let (chunk, count) = (ChunkSize::MIN.bytes(), 64);
        let meta = Meta { mode: None, mtime_s: 0, mtime_ns: 0 };
        let item = Item::File { name: b"f", size: Some(u64::from(chunk) * (count + 1)), meta, holes: 0 };
        jobs_in.try_send(Job::Prepare(Nesting::new().place(&item).unwrap())).unwrap();
        for at in 0..count {
            let pieces = vec![Piece::Bytes { entry: 0, offset: at * u64::from(chunk), length: chunk }];
            let payload = vec![7; chunk as usize].into();
            jobs_in.try_send(Job::Write { pieces, payload, cost: 1 }).unwrap();
        }
        assert!(soon(saved), "a checkpoint");
        jobs_in.close();
        assert!(soon(over), "the end");
        drop(release);
    }
}

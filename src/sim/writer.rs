//! The threads of the receiver's disk: the shipping sink, one job after the other, each in its own time; and checkpoints beside it, which are carried
//! out later than they were begun.

use std::collections::VecDeque;

use crate::disk::memory::{MemoryDir, MemoryDisk};
use crate::error::Result;
use crate::proto::chunk::ChunkSize;
use crate::receive::Rules;
use crate::receive::sink::{Checkpoint, Checkpointed, Job, Output, Sink, SinkEvent, Stop};

/// A sink and what waits for it.
#[derive(Debug)]
pub struct Writer {
    sink: Sink<MemoryDir>,
    jobs: VecDeque<Job>,
    stop: Stop,
    // What the thread beside has before it, or behind it.
    saving: Saving,
    is_scheduled: bool,
    has_failed: bool,
}

#[derive(Debug)]
enum Saving {
    Nothing,
    Begun(Checkpoint),
    Done(Checkpointed),
}

/// What comes after a turn.
#[derive(Clone, Copy, Debug, Default)]
pub struct After {
    /// The thread takes another turn at once.
    pub goes_on: bool,
    /// The thread beside has got something to do.
    pub saves: bool,
}

impl Writer {
    /// Opens the output directory.
    pub fn open(disk: &MemoryDisk, chunk: ChunkSize, rules: Rules) -> Writer {
        let stop = Stop::new();
        let sink = Sink::new(disk.root(), chunk, rules, stop.clone());
        let jobs = VecDeque::new();
        Writer { sink, jobs, stop, saving: Saving::Nothing, is_scheduled: false, has_failed: false }
    }

    /// Puts a job into the queue. Returns whether the thread is to be woken.
    pub fn push(&mut self, job: Job) -> bool {
        self.jobs.push_back(job);
        self.wakes()
    }

    /// Whether a turn is to be scheduled; it counts as that.
    pub fn wakes(&mut self) -> bool {
        !self.has_failed && !std::mem::replace(&mut self.is_scheduled, true)
    }

    /// One turn of the thread.
    pub fn turn(&mut self, said: &mut Vec<SinkEvent>, now_ms: u64) -> (Result<()>, After) {
        self.is_scheduled = false;
        if self.has_failed {
            return (Ok(()), After::default());
        }
        let mut after = After::default();
        let result = self.step(said, now_ms, &mut after);
        self.has_failed = result.is_err();
        after.goes_on &= !self.has_failed;
        self.is_scheduled = after.goes_on;
        (result, after)
    }

    fn step(&mut self, said: &mut Vec<SinkEvent>, now_ms: u64, after: &mut After) -> Result<()> {
        if let Saving::Done(done) = self.take_if_done() {
            self.sink.checkpointed(done)?;
        }
        if matches!(self.saving, Saving::Nothing)
            && let Some(checkpoint) = self.sink.checkpoint(now_ms)?
        {
            self.saving = Saving::Begun(checkpoint);
            after.saves = true;
        }
        match self.jobs.pop_front() {
            Some(job) => {
                after.goes_on = true;
                self.sink.handle(job, said)
            }
            None => {
                self.sink.commit(said)?;
                after.goes_on = !said.is_empty();
                Ok(())
            }
        }
    }

    /// The thread beside carries out what it has got. Returns whether the first one is to be woken.
    pub fn save(&mut self) -> bool {
        self.saving = match std::mem::replace(&mut self.saving, Saving::Nothing) {
            Saving::Begun(checkpoint) => Saving::Done(checkpoint.run()),
            // Asked twice: once for a session that is no more.
            saving => saving,
        };
        self.wakes()
    }

    /// The session is over: what has no outcome by now gets no final name, and the sink makes durable what the next one can go on with.
    pub fn end(mut self) {
        self.stop.stop();
        self.save();
        if let Saving::Done(done) = self.take_if_done() {
            // Its data is not claimed where it could not be made durable.
            let _ = self.sink.checkpointed(done);
        }
    }

    fn take_if_done(&mut self) -> Saving {
        match self.saving {
            Saving::Done(_) => std::mem::replace(&mut self.saving, Saving::Nothing),
            _ => Saving::Nothing,
        }
    }
}

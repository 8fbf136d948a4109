//! The relay's own threads, so that it neither needs nor disturbs those of a program that embeds it.

use std::future::Future;
use std::sync::{Arc, Weak};
use std::thread::{Builder, JoinHandle};

use async_executor::{Executor, Task};
use smol::channel::{Receiver, Sender, bounded};

use crate::{Error, Kind, Result};

/// Threads that run tasks until they are stopped. Dropping it lets the threads end by themselves.
pub struct Crew {
    executor: Arc<Executor<'static>>,
    threads: Vec<JoinHandle<()>>,
    stop: Sender<()>,
}

/// For tasks that start tasks. It is weak, as a task that owned its own executor would never be dropped.
#[derive(Clone)]
pub struct Handle {
    executor: Weak<Executor<'static>>,
}

impl Crew {
    /// Starts this many threads.
    ///
    /// # Errors
    /// The system has no thread for us.
    pub fn start(threads: usize) -> Result<Crew> {
        let executor = Arc::new(Executor::new());
        let (stop, stopped) = bounded(1);
        let mut crew = Crew { executor, threads: Vec::new(), stop };
        for _ in 0..threads.max(1) {
            crew.hire(stopped.clone())?;
        }
        Ok(crew)
    }

    /// Starts a task. It ends when its handle is dropped.
    pub fn spawn<T: Send + 'static>(&self, task: impl Future<Output = T> + Send + 'static) -> Task<T> {
        self.executor.spawn(task)
    }

    /// For tasks that start tasks.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle { executor: Arc::downgrade(&self.executor) }
    }

    /// Stops the threads, waits for them, and drops whatever tasks are left.
    pub async fn stop(mut self) {
        self.stop.close();
        let threads = std::mem::take(&mut self.threads);
        smol::unblock(move || {
            for thread in threads {
                // A thread that panicked has said so itself.
                let _ = thread.join();
            }
        })
        .await;
    }

    fn hire(&mut self, stopped: Receiver<()>) -> Result<()> {
        let executor = Arc::clone(&self.executor);
        let work = move || {
            // Nothing is ever sent: it resolves when the crew is stopped or dropped.
            let _ = smol::block_on(executor.run(stopped.recv()));
        };
        let thread = Builder::new().name("p2pc-relay".into()).spawn(work).map_err(|error| {
            Error::new(Kind::Internal, "cannot start a thread for the relay").caused_by(error)
        })?;
        self.threads.push(thread);
        Ok(())
    }
}

impl Handle {
    /// Starts a task that runs until it is done, or the crew is gone.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        if let Some(executor) = self.executor.upgrade() {
            executor.spawn(task).detach();
        }
    }
}

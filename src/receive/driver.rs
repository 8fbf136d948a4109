//! Drives the receiving machine: a thread for the disk, one lane.

use std::time::Duration;

use futures_lite::future;
use smol::Timer;
use smol::channel::{Receiver as Out, Sender as Queue, unbounded};

use super::Destination;
use super::machine::{Beginning, Effect, Receiver};
use super::sink::{Job, SinkEvent, Stop};
use crate::error::{Error, Kind, Result};
use crate::events::Report;
use crate::net::lane::Lane;
use crate::net::link::{Asked, Drive, Ended, Happening, Link, drive, spawn};
use crate::net::pair::Paired;
use crate::proto::chunk::ChunkSize;

/// Receives into `destination` from the other side of an established session, until that is done or the other side was started again: then
/// the destination is let go of before this returns. Dropping the future abandons the transfer without telling the other side; its cancellation
/// ends it in order.
///
/// # Errors
/// Whatever ended the session before every entry had its outcome.
pub async fn run(paired: Paired<'_>, destination: Destination, yes: bool) -> Result<Ended<'_>> {
    let beginning = Beginning { verify: paired.verify.clone(), must_confirm: paired.must_confirm, yes };
    let (link, upkeep) = Link::new(paired);
    let driver =
        Driver { machine: Receiver::new(beginning), link, destination: Some(destination), disk: None };
    upkeep.beside(driver.run()).await
}

struct Driver<'h> {
    machine: Receiver,
    link: Link<'h>,
    // Until the person accepts, the disk is not touched.
    destination: Option<Destination>,
    disk: Option<Disk>,
}

/// The thread of the disk. What waits in its queue is bounded by the windows of the session.
struct Disk {
    jobs: Queue<Job>,
    events: Out<Result<Vec<SinkEvent>>>,
    stop: Stop,
}

enum Input {
    Happened(Happening),
    Sunk(Result<Vec<SinkEvent>>),
}

impl<'h> Driver<'h> {
    async fn run(mut self) -> (Result<Ended<'h>>, Lane) {
        let result = drive(&mut self).await;
        if let Some(disk) = self.disk {
            disk.end().await;
        }
        (result, self.link.lane)
    }
}

impl<'h> Drive<'h> for Driver<'h> {
    type Input = Input;

    fn carry_out(&mut self) -> Option<Result<Report>> {
        while let Some(effect) = self.machine.poll() {
            match effect {
                Effect::Frame(frame) => {
                    if let Err(error) = self.link.lane.send(frame) {
                        self.machine.fail(error);
                    }
                }
                Effect::Open(chunk) => match self.destination.take().map(|place| Disk::start(place, chunk)) {
                    Some(Ok(disk)) => self.disk = Some(disk),
                    Some(Err(error)) => self.machine.fail(error),
                    None => {}
                },
                Effect::Job(job) => {
                    if let Some(disk) = &self.disk {
                        // A disk thread that has ended has said why.
                        let _ = disk.jobs.try_send(job);
                    }
                }
                Effect::Event(event) => self.link.tell(event),
                Effect::Ask(question) => self.link.ask(question),
                Effect::Decide(conflict) => self.link.decide(conflict),
                Effect::Done(result) => {
                    self.link.show(self.machine.progress());
                    return Some(result);
                }
            }
        }
        None
    }

    fn idle(&mut self) {
        self.machine.idle();
    }

    fn link(&mut self) -> &mut Link<'h> {
        &mut self.link
    }

    async fn next(&mut self) -> Input {
        let Driver { link, disk, .. } = self;
        let happened = async { Input::Happened(link.next().await) };
        let sunk =
            async {
                let Some(disk) = disk else { return future::pending().await };
                Input::Sunk(disk.events.recv().await.unwrap_or_else(|_| {
                    Err(Error::new(Kind::Internal, "the writing of files ended by itself"))
                }))
            };
        // By turns: an endless stream of frames must not hold back the credit that keeps it flowing.
        future::race(happened, sunk).await
    }

    fn feed(&mut self, input: Input) {
        let now_ms = self.link.now_ms();
        match input {
            Input::Sunk(Ok(events)) => events.into_iter().for_each(|event| self.machine.sink(event, now_ms)),
            Input::Happened(Happening::Frame(Ok(bytes))) => self.machine.frame(bytes, now_ms),
            Input::Happened(Happening::Frame(Err(error))) if error.kind() == Kind::ConnectionLost => {
                self.machine.connection_lost(error);
            }
            Input::Sunk(Err(error)) | Input::Happened(Happening::Frame(Err(error))) => {
                self.machine.fail(error);
            }
            Input::Happened(Happening::Answer(Asked::Verify, same)) => self.machine.verified(same, now_ms),
            Input::Happened(Happening::Answer(Asked::Accept, yes)) => self.machine.accepted(yes, now_ms),
            Input::Happened(Happening::Decided(decision)) => self.machine.decided(decision),
            Input::Happened(Happening::Drained | Happening::Restarted) => {}
            Input::Happened(Happening::Cancelled) => {
                self.machine.fail(Error::new(Kind::Interrupted, "interrupted"));
            }
            Input::Happened(Happening::Tick) => {
                self.machine.tick(now_ms);
                self.link.show(self.machine.progress());
            }
        }
    }
}

impl Disk {
    fn start(destination: Destination, chunk: ChunkSize) -> Result<Disk> {
        let (jobs, jobs_out) = unbounded::<Job>();
        let (events_in, events) = unbounded();
        let stop = Stop::new();
        let stopped = stop.clone();
        let work = move || {
            let mut output = match destination.open(chunk, stopped) {
                Ok(output) => output,
                // Whoever is not listening any more has its own reason.
                Err(error) => return drop(events_in.try_send(Err(error))),
            };
            loop {
                let mut said = Vec::new();
                let result = match jobs_out.try_recv() {
                    Ok(job) => output.handle(job, &mut said),
                    Err(_) => match output.commit(&mut said) {
                        Ok(()) if said.is_empty() => match jobs_out.recv_blocking() {
                            Ok(job) => output.handle(job, &mut said),
                            Err(_) => return,
                        },
                        result => result,
                    },
                };
                let ended = result.is_err();
                let told = said.is_empty() || events_in.try_send(Ok(said)).is_ok();
                if let Err(error) = result {
                    let _ = events_in.try_send(Err(error));
                }
                if ended || !told {
                    return;
                }
            }
        };
        spawn("disk", work)?;
        Ok(Disk { jobs, events, stop })
    }

    /// Lets the thread end and waits until it has cleaned up behind itself; not for ever, because a disk or a reader of standard
    /// output that takes nothing any more must not keep a person from leaving.
    async fn end(self) {
        // Whatever is still queued is for nothing: what has no outcome by now gets no final name.
        self.stop.stop();
        self.jobs.close();
        let ended = async { while self.events.recv().await.is_ok() {} };
        let late = async {
            Timer::after(CLEANING).await;
        };
        future::or(ended, late).await;
    }
}

/// How long the disk may take to clean up at the end: a few syncs of a slow one.
const CLEANING: Duration = Duration::from_secs(10);

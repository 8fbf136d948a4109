//! Who works for the lanes beside the first: seeks the other side in their rooms, and moves the bytes of their connections.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::time::{Duration, Instant};

use futures_lite::{StreamExt, future};
use futures_util::stream::FuturesUnordered;
use smol::Timer;
use smol::channel::{Receiver, Sender};

use super::super::lane::LaneIo;
use super::super::pause::Pause;
use super::super::reunion::{Reunion, Unmet};
use super::super::ws::Connection;
use crate::proto::lanes::Search;
use crate::proto::rejoin::Proven;

/// What is to be done.
#[derive(Debug)]
pub(super) enum Task {
    /// Look for the other side in this lane's room, until the channel closes.
    Seek { search: Search, stopped: Receiver<()> },
    /// Move the bytes of this connection until it ends or the lane lets go of it.
    Move(Box<LaneIo>),
}

/// What a search came to.
#[derive(Debug)]
pub(super) struct Met {
    pub(super) search: Search,
    pub(super) found: Result<Box<(Connection, Proven)>, Unmet>,
}

/// Works beside the session.
#[derive(Debug)]
pub(in crate::net) struct Crew {
    tasks: Receiver<Task>,
    met: Sender<Met>,
}

impl Crew {
    pub(super) fn new(tasks: Receiver<Task>, met: Sender<Met>) -> Crew {
        Crew { tasks, met }
    }

    /// Does what it is told until the session is over and all of its connections are closed.
    pub(in crate::net) async fn work(&self, reunion: &Reunion<'_>) {
        let mut at_work: FuturesUnordered<Pin<Box<dyn Future<Output = ()> + Send + '_>>> =
            FuturesUnordered::new();
        let mut haste = Haste::default();
        loop {
            let done = async {
                if at_work.next().await.is_none() {
                    future::pending::<()>().await;
                }
                None
            };
            match future::or(async { Some(self.tasks.recv().await) }, done).await {
                None => {}
                Some(Ok(Task::Seek { search, stopped })) => {
                    let rest = haste.rest(search.lane, Instant::now());
                    at_work.push(Box::pin(self.seek(reunion, search, stopped, rest)));
                }
                Some(Ok(Task::Move(io))) => at_work.push(Box::pin(io.run())),
                // The session is over, and its last words are on their way.
                Some(Err(_)) => break,
            }
        }
        while at_work.next().await.is_some() {}
    }

    async fn seek(&self, reunion: &Reunion<'_>, search: Search, stopped: Receiver<()>, rest: Duration) {
        let seeking = async {
            if !rest.is_zero() {
                Timer::after(rest).await;
            }
            Some(reunion.beside(search.lane, search.frames).await)
        };
        let over = async {
            // Nothing is ever said: it closes.
            let _ = stopped.recv().await;
            None
        };
        if let Some(found) = future::or(over, seeking).await {
            let _ = self.met.try_send(Met { search, found: found.map(Box::new) });
        }
    }
}

/// Lanes that are wanted again at once, and how long they have to wait for that. Otherwise a sender that asks for lanes and lets go of them all the time has
/// the receiver dial as fast as it can speak.
#[derive(Debug)]
struct Haste {
    /// When each was sought last.
    sought: BTreeMap<u8, Instant>,
    pause: Pause,
    rested: Option<Instant>,
}

impl Default for Haste {
    fn default() -> Haste {
        Haste { sought: BTreeMap::new(), pause: Pause::up_to(REST_MAX), rested: None }
    }
}

impl Haste {
    /// How long to wait before this lane is sought now.
    fn rest(&mut self, lane: u8, now: Instant) -> Duration {
        let last = self.sought.insert(lane, now);
        if last.is_none_or(|last| now.saturating_duration_since(last) >= HASTY) {
            return Duration::ZERO;
        }
        if let Some(rested) = self.rested.replace(now) {
            self.pause.after(now.saturating_duration_since(rested));
        }
        // Without random numbers no lane comes anyhow.
        self.pause.due().unwrap_or(REST_MAX)
    }
}

/// Who seeks a lane again within this time is in haste: a sender that means it rests as long after a failure.
const HASTY: Duration = Duration::from_secs(1);

/// The longest wait before a search: as that between two attempts of one.
const REST_MAX: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_that_come_and_go_all_the_time_wait_longer_and_longer() {
        let (mut haste, now) = (Haste::default(), Instant::now());
        let at = |ms| now + Duration::from_millis(ms);
        for lane in 1..=15 {
            assert_eq!(haste.rest(lane, now), Duration::ZERO, "all of them at once, the first time");
        }
        let mut rests: Duration = (1..=10).map(|turn| haste.rest(1 + (turn % 2) as u8, at(turn))).sum();
        assert!(rests >= Duration::from_secs(8), "{rests:?}");
        // Going on like that brings one search in seconds, whichever lanes it is.
        rests = (1..=10).map(|turn| haste.rest(turn as u8, at(500 + turn))).sum();
        assert!(rests >= Duration::from_secs(25), "{rests:?}");
        assert_eq!(haste.rest(15, at(1000)), Duration::ZERO);
        // And is forgiven.
        haste.rest(1, at(9500));
        assert!(haste.rest(1, at(9600)) <= Duration::from_millis(50));
    }
}

//! Who works for the lanes beside the first: seeks the other side in their rooms, and moves the bytes of their connections.

use std::pin::Pin;

use futures_lite::{StreamExt, future};
use futures_util::stream::FuturesUnordered;
use smol::channel::{Receiver, Sender};

use super::super::lane::LaneIo;
use super::super::reunion::{Reunion, Unmet};
use super::super::ws::Connection;
use crate::proto::rejoin::Proven;

/// What is to be done.
#[derive(Debug)]
pub(super) enum Task {
    /// Look for the other side in this lane's room, until the channel closes.
    Seek {
        lane: u8,
        search: u64,
        /// How many frames have come on the lane.
        frames: u64,
        stopped: Receiver<()>,
    },
    /// Move the bytes of this connection until it ends or the lane lets go of it.
    Move(Box<LaneIo>),
}

/// What a search came to.
#[derive(Debug)]
pub(super) struct Met {
    pub(super) lane: u8,
    pub(super) search: u64,
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
        loop {
            let done = async {
                if at_work.next().await.is_none() {
                    future::pending::<()>().await;
                }
                None
            };
            match future::or(async { Some(self.tasks.recv().await) }, done).await {
                None => {}
                Some(Ok(Task::Seek { lane, search, frames, stopped })) => {
                    at_work.push(Box::pin(self.seek(reunion, (lane, search), frames, stopped)));
                }
                Some(Ok(Task::Move(io))) => at_work.push(Box::pin(io.run())),
                // The session is over, and its last words are on their way.
                Some(Err(_)) => break,
            }
        }
        while at_work.next().await.is_some() {}
    }

    async fn seek(
        &self,
        reunion: &Reunion<'_>,
        (lane, search): (u8, u64),
        frames: u64,
        stopped: Receiver<()>,
    ) {
        let seeking = async { Some(reunion.beside(lane, frames).await) };
        let over = async {
            // Nothing is ever said: it closes.
            let _ = stopped.recv().await;
            None
        };
        if let Some(found) = future::or(over, seeking).await {
            let _ = self.met.try_send(Met { lane, search, found: found.map(Box::new) });
        }
    }
}

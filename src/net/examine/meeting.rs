//! Two seats of one room, both ours: what one says, the other has to hear, and how long that takes, and how fast it goes.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_lite::future;
use smol::Timer;

use super::pace::Pace;
use crate::Result;
use crate::net::pair::random;
use crate::net::ws::{Closed, Connection};

/// The two.
pub(super) struct Meeting {
    pub(super) one: Connection,
    pub(super) other: Connection,
}

/// How long words took to the relay and back: half of what it takes from one seat to the other and back.
pub(super) struct Trips {
    pub(super) median: Duration,
    pub(super) worst: Duration,
}

/// Why nothing is known.
pub(super) enum Unheard {
    Closed(Closed),
    /// What came is not what was said.
    Changed,
}

impl From<Closed> for Unheard {
    fn from(closed: Closed) -> Unheard {
        Unheard::Closed(closed)
    }
}

impl Meeting {
    /// Says a word to and fro some times; fewer on a slow way, so that it takes seconds at most once the first is back.
    pub(super) async fn trips(&mut self) -> Result<Result<Trips, Unheard>> {
        let word = Bytes::copy_from_slice(&*random()?);
        let begun = Instant::now();
        let mut times = Vec::with_capacity(ROUND_TRIPS);
        while times.is_empty() || times.len() < ROUND_TRIPS && begun.elapsed() < ROUND_TRIPS_TIME {
            let since = Instant::now();
            match self.there_and_back(&word).await {
                Ok(back) if back == word => times.push(since.elapsed() / 2),
                Ok(_) => return Ok(Err(Unheard::Changed)),
                Err(closed) => return Ok(Err(closed.into())),
            }
        }
        times.sort_unstable();
        Ok(Ok(Trips {
            median: times.get(times.len() / 2).copied().unwrap_or_default(),
            worst: times.last().copied().unwrap_or_default(),
        }))
    }

    async fn there_and_back(&mut self, word: &Bytes) -> Result<Bytes, Closed> {
        self.one.writer.send(word.clone()).await?;
        self.one.writer.flush().await?;
        let heard = self.other.reader.next().await?;
        self.other.writer.send(heard.freeze()).await?;
        self.other.writer.flush().await?;
        Ok(self.one.reader.next().await?.freeze())
    }

    /// One side says as much as goes, until it is known how fast the other hears it: in bytes a second.
    pub(super) async fn speed(&mut self, median: Duration) -> Result<u64, Closed> {
        let Meeting { one, other } = self;
        let block = Bytes::from(vec![0x5a; BLOCK_BYTES]);
        let mut pace = Pace::new(median * 2);
        let alive = other.alive.clone();
        let before = alive.heard().bytes;
        let begun = Instant::now();
        let talking = async {
            for _ in 0..SPEED_BYTES / BLOCK_BYTES {
                one.writer.send(block.clone()).await?;
            }
            one.writer.flush().await?;
            future::pending::<Result<(), Closed>>().await
        };
        let hearing = async {
            let mut heard = 0;
            while heard < SPEED_BYTES {
                heard += other.reader.next().await?.len();
            }
            Ok(())
        };
        let watching = async {
            while begun.elapsed() < SPEED_TIME {
                Timer::after(pace.stretch()).await;
                if pace.mark(begun.elapsed(), alive.heard().bytes - before) {
                    break;
                }
            }
            Ok(())
        };
        match future::or(future::or(hearing, talking), watching).await {
            // A relay may count what a pair says, and say goodbye: that is its right, and enough was heard by then.
            Ok(()) | Err(Closed::Clean { .. }) => {}
            Err(closed) => return Err(closed),
        }
        // The rest of a fast line, which is through before a stretch is over.
        pace.mark(begun.elapsed(), alive.heard().bytes - before);
        Ok(pace.bytes_per_second())
    }

    /// The relay forgets the room at once; if it does not answer that, it does so a little later.
    pub(super) async fn end(mut self) {
        let goodbye = future::zip(self.one.writer.close(NORMAL, ""), self.other.writer.close(NORMAL, ""));
        let late = async {
            Timer::after(GOODBYE).await;
            None
        };
        let _ = future::or(async { Some(goodbye.await) }, late).await;
    }
}

/// Enough for a median that one hiccup does not move.
const ROUND_TRIPS: usize = 9;
/// On a way of a second, so many as fit.
const ROUND_TRIPS_TIME: Duration = Duration::from_secs(3);
/// One of the relay's fragments.
const BLOCK_BYTES: usize = 64 << 10;
/// What is sent at most to see how fast it goes. A line of 200 Mbit/s comes to it in the time there is, and mostly is known long before.
const SPEED_BYTES: usize = 64 << 20;
/// A connection has found its pace by then, and nobody has begun to wonder.
const SPEED_TIME: Duration = Duration::from_secs(3);
/// RFC 6455, section 7.4.1: nothing is wrong.
const NORMAL: u16 = 1000;
/// A way there, on a slow link.
const GOODBYE: Duration = Duration::from_secs(1);

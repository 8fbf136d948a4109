//! What goes on beside a session: the bytes of its connection, or the search for another one.
//!
//! The session's end ([`Link`](super::link::Link)) gives an order whenever that changes. At its own end it gives none any more: then what was
//! said last still goes out, where there is a connection.

use std::pin::pin;
use std::time::{Duration, Instant};

use futures_lite::future;
use futures_util::FutureExt;
use smol::Timer;
use smol::channel::{Receiver, RecvError, Sender, bounded};

use super::attempt::Session;
use super::lane::LaneIo;
use super::lanes::{Crew, Lanes};
use super::reunion::{Found, Reunion};
use crate::error::Result;

/// What is to be done beside the session from now on, instead of what was done before.
pub(super) enum Order {
    /// Move the bytes of this connection.
    Move(Box<LaneIo>),
    /// Look for the other side until then.
    Search {
        /// How many frames have come on the lane.
        frames: u64,
        /// What is known of the other side.
        session: Session,
        /// When to give up.
        until: Instant,
        /// How many connections in a row have come to nothing.
        in_vain: u32,
    },
}

/// The session's end of the upkeep.
pub(super) struct Orders<'p> {
    orders: Sender<Order>,
    found: Receiver<Result<Found<'p>>>,
}

/// The other end of it, to be run beside the session.
pub struct Upkeep<'p> {
    orders: Receiver<Order>,
    found: Sender<Result<Found<'p>>>,
    crew: Crew,
    reunion: Reunion<'p>,
}

/// Begins with the bytes of a session's first connection.
pub(super) fn upkeep(io: LaneIo, crew: Crew, reunion: Reunion<'_>) -> (Orders<'_>, Upkeep<'_>) {
    let (orders_in, orders) = bounded(ORDERS);
    let (found_in, found) = bounded(1);
    let ours = Orders { orders: orders_in, found };
    ours.give(Order::Move(Box::new(io)));
    (ours, Upkeep { orders, found: found_in, crew, reunion })
}

impl<'p> Orders<'p> {
    /// Gives an order; the one before it is carried out no further.
    pub(super) fn give(&self, order: Order) {
        // There is room: an order is given only when what the last one was for has ended.
        let _ = self.orders.try_send(order);
    }

    /// What a search came to. Cancel safe.
    pub(super) async fn found(&self) -> Result<Found<'p>> {
        match self.found.recv().await {
            Ok(found) => found,
            Err(RecvError) => future::pending().await,
        }
    }
}

impl<'p> Upkeep<'p> {
    /// Runs a session beside this. When the session is over, what it said last still goes out, within a bounded time.
    pub async fn beside<T>(self, session: impl Future<Output = (T, Lanes)>) -> T {
        let mut crew = pin!(self.crew.work(&self.reunion).fuse());
        let mut upkeep = pin!(self.run().fuse());
        let keeping = async {
            future::zip(upkeep.as_mut(), crew.as_mut()).await;
            future::pending().await
        };
        let (result, lanes) = future::or(keeping, session).await;
        lanes.finish();
        let late = async {
            Timer::after(CLOSING).await;
        };
        // Nothing that counts is said on the lanes beside the first: they close meanwhile, or end with it.
        let closing = async {
            crew.await;
            future::pending::<()>().await;
        };
        future::or(upkeep, future::or(closing, late)).await;
        result
    }

    /// Carries orders out until none will come any more, and the connection, if there is one, has ended.
    async fn run(&self) {
        let mut order = self.orders.recv().await;
        while let Ok(now) = order {
            order = match now {
                Order::Move(io) => self.moving(io).await,
                Order::Search { frames, session, until, in_vain } => {
                    // On the heap: it is large, and seldom needed.
                    let search = Box::pin(self.reunion.search(frames, session, until, in_vain));
                    self.searching(search).await
                }
            };
        }
    }

    async fn moving(&self, io: Box<LaneIo>) -> Result<Order, RecvError> {
        let next = async {
            match self.orders.recv().await {
                Ok(order) => Ok(order),
                // The session is over, and its last words are on their way.
                Err(RecvError) => future::pending().await,
            }
        };
        let moving = async {
            io.run().await;
            self.orders.recv().await
        };
        future::or(next, moving).await
    }

    async fn searching(&self, search: impl Future<Output = Result<Found<'p>>>) -> Result<Order, RecvError> {
        let searching = async {
            // A session that is over does not want to know.
            let _ = self.found.send(search.await).await;
            self.orders.recv().await
        };
        // A session that ends meanwhile has nobody to say anything to.
        future::or(self.orders.recv(), searching).await
    }
}

/// Orders under way: the last one, and the one that takes its place.
const ORDERS: usize = 2;

/// How long the last words may take to go out before the connection is dropped: on a slow line some data is still before them. A
/// person who does not want to wait interrupts a second time.
const CLOSING: Duration = Duration::from_secs(20);

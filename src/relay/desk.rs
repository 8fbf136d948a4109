//! Where the orders for one connection's task lie until it takes them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use super::conn::Conn;
use super::switchboard::Reason;

/// One connection's orders. Bounded by what it is made of: one of each kind.
#[derive(Debug)]
pub struct Desk<S> {
    orders: Mutex<Orders<S>>,
}

/// What a connection's task is to do. They are taken in this sequence: whoever was paired is joined with its partner even
/// if one of the two has left since, so that what it said before still arrives.
#[derive(Debug)]
pub enum Order<S> {
    /// Hand the connection over to the newcomer with this desk.
    Meet(Arc<Desk<S>>),
    /// Here is the partner's connection.
    Partner(Box<Conn<S>>),
    /// Ask the client whether it is there.
    Ping,
    /// End.
    Close(Reason),
}

#[derive(Debug)]
struct Orders<S> {
    meet: Option<Arc<Desk<S>>>,
    partner: Option<Box<Conn<S>>>,
    ping: bool,
    close: Option<Reason>,
    waker: Option<Waker>,
}

impl<S> Desk<S> {
    /// Lays an order down and wakes the task.
    pub fn post(&self, order: Order<S>) {
        let mut orders = self.lock();
        match order {
            Order::Meet(newcomer) => orders.meet = Some(newcomer),
            Order::Partner(conn) => orders.partner = Some(conn),
            Order::Ping => orders.ping = true,
            Order::Close(reason) => orders.close = Some(reason),
        }
        let waker = orders.waker.take();
        drop(orders);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Takes the next order.
    pub fn poll(&self, cx: &mut Context<'_>) -> Poll<Order<S>> {
        let mut orders = self.lock();
        if let Some(order) = orders.take() {
            return Poll::Ready(order);
        }
        match &mut orders.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    /// The newcomer to hand over to, if there is one: for a connection that has just left its seat.
    pub fn take_newcomer(&self) -> Option<Arc<Desk<S>>> {
        self.lock().meet.take()
    }

    fn lock(&self) -> MutexGuard<'_, Orders<S>> {
        // Nothing panics while it holds the lock, and if it did the orders would still be whole.
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S> Orders<S> {
    fn take(&mut self) -> Option<Order<S>> {
        if let Some(newcomer) = self.meet.take() {
            return Some(Order::Meet(newcomer));
        }
        if let Some(conn) = self.partner.take() {
            return Some(Order::Partner(conn));
        }
        if std::mem::take(&mut self.ping) {
            return Some(Order::Ping);
        }
        self.close.take().map(Order::Close)
    }
}

impl<S> Default for Desk<S> {
    fn default() -> Self {
        let orders = Orders { meet: None, partner: None, ping: false, close: None, waker: None };
        Desk { orders: Mutex::new(orders) }
    }
}

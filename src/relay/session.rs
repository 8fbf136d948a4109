//! A connection's life after the upgrade: it waits for its partner, both are forwarded, both are seen off.
//!
//! Each connection begins with a task of its own. When two are paired, the one that waited hands its connection to the
//! newcomer's task, which then owns both: no lock and no channel between the two sockets.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_lite::future::{or, poll_fn, zip};
use futures_lite::{AsyncRead, AsyncWrite};
use smol::Timer;

use super::conn::Conn;
use super::desk::{Desk, Order};
use super::exchange::Exchange;
use super::forward::store::{Size, Store};
use super::limits::{FAREWELL_MS, MOVES_MAX};

/// Sees a connection through to its end, or to its partner's task. `paired` says that the partner was there before.
pub async fn attend<S>(mut conn: Box<Conn<S>>, paired: bool, exchange: Arc<Exchange<S>>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    match poll_fn(|cx| poll_wait(&mut conn, paired, &exchange, cx)).await {
        Waited::Partner(partner) => run_pair(partner, conn, &exchange).await,
        Waited::Newcomer(newcomer) => newcomer.post(Order::Partner(conn)),
        Waited::Over => {
            exchange.leave(conn.seat);
            // Somebody may have come in this very moment: then what was said before is theirs.
            match conn.desk.take_newcomer() {
                Some(newcomer) => newcomer.post(Order::Partner(conn)),
                None => see_off(conn, Store::default()).await,
            }
        }
    }
}

enum Waited<S> {
    Partner(Box<Conn<S>>),
    Newcomer(Arc<Desk<S>>),
    Over,
}

fn poll_wait<S>(
    conn: &mut Conn<S>,
    paired: bool,
    exchange: &Exchange<S>,
    cx: &mut Context<'_>,
) -> Poll<Waited<S>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    while let Poll::Ready(order) = conn.desk.poll(cx) {
        match order {
            Order::Meet(newcomer) => return Poll::Ready(Waited::Newcomer(newcomer)),
            Order::Partner(partner) => return Poll::Ready(Waited::Partner(partner)),
            Order::Ping => conn.outbox.ping(),
            Order::Close(reason) => conn.dismiss(reason),
        }
    }
    for _ in 0..MOVES_MAX {
        let told = conn.poll_tell(cx, &mut Store::default());
        let heard = conn.poll_hear(cx, Size::Waiting, exchange);
        // The partner of one that is paired is only a few instructions away, and has a right to what was said here.
        if conn.is_over() && !paired {
            return Poll::Ready(Waited::Over);
        }
        if told.is_pending() && heard.is_pending() {
            return Poll::Pending;
        }
    }
    cx.waker().wake_by_ref();
    Poll::Pending
}

async fn run_pair<S>(mut one: Box<Conn<S>>, mut two: Box<Conn<S>>, exchange: &Exchange<S>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    poll_fn(|cx| poll_pair(&mut one, &mut two, exchange, cx)).await;
    exchange.leave(one.seat);
    exchange.leave(two.seat);
    let (from_one, from_two) = (std::mem::take(&mut one.store), std::mem::take(&mut two.store));
    zip(see_off(one, from_two), see_off(two, from_one)).await;
    tracing::info!("a pair has ended");
}

/// Forwards both ways until one of the two is over.
fn poll_pair<S>(
    one: &mut Conn<S>,
    two: &mut Conn<S>,
    exchange: &Exchange<S>,
    cx: &mut Context<'_>,
) -> Poll<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    obey(one, exchange, cx);
    obey(two, exchange, cx);
    for _ in 0..MOVES_MAX {
        let there = poll_forward(one, two, exchange, cx);
        let back = poll_forward(two, one, exchange, cx);
        if one.is_over() || two.is_over() {
            return Poll::Ready(());
        }
        if there.is_pending() && back.is_pending() {
            return Poll::Pending;
        }
    }
    cx.waker().wake_by_ref();
    Poll::Pending
}

fn obey<S>(conn: &mut Conn<S>, exchange: &Exchange<S>, cx: &mut Context<'_>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    while let Poll::Ready(order) = conn.desk.poll(cx) {
        match order {
            Order::Ping => conn.ping(exchange),
            Order::Close(reason) => conn.dismiss(reason),
            // Nobody is paired twice.
            Order::Meet(_) | Order::Partner(_) => {}
        }
    }
}

/// One move of one direction. The speaker is read only when the listener has taken everything: that is the backpressure.
fn poll_forward<S>(
    from: &mut Conn<S>,
    to: &mut Conn<S>,
    exchange: &Exchange<S>,
    cx: &mut Context<'_>,
) -> Poll<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let told = to.poll_tell(cx, &mut from.store);
    if !from.store.ready().is_empty() {
        return told;
    }
    match from.poll_hear(cx, Size::Forwarding, exchange) {
        Poll::Ready(()) => Poll::Ready(()),
        Poll::Pending => told,
    }
}

/// Delivers what is left for a client and says goodbye to it, within the time for that.
async fn see_off<S>(mut conn: Box<Conn<S>>, mut rest: Store)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let parting = conn.parting();
    conn.outbox.close(parting);
    let late = async {
        Timer::after(Duration::from_millis(FAREWELL_MS)).await;
    };
    or(poll_fn(|cx| conn.poll_farewell(cx, &mut rest)), late).await;
}

//! A connection's life after the upgrade: it waits for its partner, both are forwarded, both are seen off.
//!
//! Each connection begins with a task of its own. When two are paired, the one that waited hands its connection to the
//! newcomer's task, which then owns both: no lock and no channel between the two sockets.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_lite::future::{or, poll_fn, zip};
use smol::Timer;

use super::allowance::Allowance;
use super::conn::Conn;
use super::desk::{Desk, Order};
use super::exchange::Exchange;
use super::forward::store::{Size, Store};
use super::limits::{FAREWELL_MS, FRAGMENT_ROOM, GOODBYE_MS, MOVES_MAX, QUIET_MS};
use super::reasons::Ended;
use super::records::{Session, Side};
use super::socket::Line;
use super::switchboard::Reason;
use crate::proto::role::Role;

/// Sees a connection through to its end, or to its partner's task. `paired` says that the partner was there before.
pub async fn attend<S>(mut conn: Box<Conn<S>>, paired: bool, exchange: Arc<Exchange<S>>)
where
    S: Line,
{
    match poll_fn(|cx| poll_wait(&mut conn, paired, &exchange, cx)).await {
        Waited::Partner(partner) => run_pair(partner, conn, &exchange).await,
        Waited::Newcomer(newcomer) => {
            exchange.records.met(since(conn.since_ms, &exchange));
            newcomer.post(Order::Partner(conn));
        }
        Waited::Over => {
            exchange.leaves(conn.seat);
            // Somebody may have come in this very moment: then what was said before is theirs.
            match conn.desk.take_newcomer() {
                Some(newcomer) => {
                    exchange.records.met(since(conn.since_ms, &exchange));
                    newcomer.post(Order::Partner(conn));
                }
                None => {
                    let waited = since(conn.since_ms, &exchange);
                    conn.heard_bytes(&exchange);
                    let reason = conn.why().unwrap_or(Ended::Left);
                    exchange.records.left(conn.role, &conn.caller, waited, reason);
                    let patience_ms = if conn.is_sent_home() { GOODBYE_MS } else { FAREWELL_MS };
                    // What it said is for nobody any more.
                    conn.store = Store::default();
                    see_off(conn, Store::default(), patience_ms, &exchange).await;
                }
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
    S: Line,
{
    while let Poll::Ready(order) = conn.desk.poll(cx) {
        match order {
            Order::Meet(newcomer) => return Poll::Ready(Waited::Newcomer(newcomer)),
            Order::Partner(partner) => return Poll::Ready(Waited::Partner(partner)),
            Order::Ping => conn.ping_alone(),
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
    S: Line,
{
    let joined_ms = exchange.now_ms();
    exchange.records.joined();
    let mut allowance = exchange.tariff.allowance();
    // What was said before they met is of the pair as well.
    let early = one.store.ready().len().saturating_add(two.store.ready().len());
    spend(&mut allowance, early as u64, &mut one, &mut two);
    one.widen();
    two.widen();
    poll_fn(|cx| poll_pair(&mut one, &mut two, exchange, (&mut allowance, Until::OneIsOver), cx)).await;
    if one.is_sent_home() != two.is_sent_home() {
        // The end of the relay is told to one after the other, and we were woken in between.
        exchange.catch_up();
        poll_fn(|cx| {
            obey(&mut one, exchange, cx);
            obey(&mut two, exchange, cx);
            Poll::Ready(())
        })
        .await;
    }
    if one.is_sent_home() && two.is_sent_home() {
        or(hear_out(&mut one, &mut two, exchange, &mut allowance), pause(FAREWELL_MS)).await;
    }
    exchange.leaves(one.seat);
    exchange.leaves(two.seat);
    record(&mut one, &mut two, since(joined_ms, exchange), exchange);
    let (from_one, from_two) = (std::mem::take(&mut one.store), std::mem::take(&mut two.store));
    zip(see_off(one, from_two, FAREWELL_MS, exchange), see_off(two, from_one, FAREWELL_MS, exchange)).await;
}

/// The two have said so much more, which may be all they may.
fn spend<S>(allowance: &mut Allowance, bytes: u64, one: &mut Conn<S>, two: &mut Conn<S>)
where
    S: Line,
{
    if allowance.spend(bytes).is_err() {
        one.dismiss(Reason::Spent);
        two.dismiss(Reason::Spent);
    }
}

/// Puts the pair on record.
fn record<S>(one: &mut Conn<S>, two: &mut Conn<S>, lived: Duration, exchange: &Exchange<S>)
where
    S: Line,
{
    let (sender, receiver) = if one.role == Role::Send { (one, two) } else { (two, one) };
    let first = [&*sender, &*receiver].into_iter().find_map(|conn| Some((conn.role, conn.why()?)));
    let bytes = (sender.heard_bytes(exchange), receiver.heard_bytes(exchange));
    let sender = Side { caller: &sender.caller, bytes: bytes.0 };
    let receiver = Side { caller: &receiver.caller, bytes: bytes.1 };
    exchange.records.session(&Session { sender, receiver, lived, first });
}

/// Forwards until both have been quiet for a while: what they said before the end may still be on its way through their sockets.
async fn hear_out<S>(one: &mut Conn<S>, two: &mut Conn<S>, exchange: &Exchange<S>, allowance: &mut Allowance)
where
    S: Line,
{
    loop {
        poll_fn(|cx| poll_pair(one, two, exchange, (allowance, Until::AllIsSaid), cx)).await;
        let still_here = one.is_sent_home() && two.is_sent_home();
        let more = async {
            poll_fn(|cx| poll_pair(one, two, exchange, (allowance, Until::SomethingMoves), cx)).await;
            true
        };
        let quiet = async {
            pause(QUIET_MS).await;
            false
        };
        if !still_here || !or(more, quiet).await {
            return;
        }
    }
}

/// How long a pair is forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Until {
    /// Until one of the two ends, or is to end.
    OneIsOver,
    /// The relay ends, and both with it: until everything that either has said is with the other. It lies in the sockets
    /// still, where nobody tells what came before the end from what came after: a moment of quiet is taken for it.
    AllIsSaid,
    /// Until the quiet is over.
    SomethingMoves,
}

/// Forwards both ways, as far as it is allowed.
fn poll_pair<S>(
    one: &mut Conn<S>,
    two: &mut Conn<S>,
    exchange: &Exchange<S>,
    (allowance, until): (&mut Allowance, Until),
    cx: &mut Context<'_>,
) -> Poll<()>
where
    S: Line,
{
    obey(one, exchange, cx);
    obey(two, exchange, cx);
    for _ in 0..MOVES_MAX {
        // Both, or neither: where one says all that is allowed, the other's word and its signs of life come through as well.
        let may_read = allowance.poll_may_read(cx).is_ready();
        let before = one.heard().saturating_add(two.heard());
        let there = poll_forward(one, two, exchange, may_read, cx);
        let back = poll_forward(two, one, exchange, may_read, cx);
        let heard = one.heard().saturating_add(two.heard()).saturating_sub(before);
        spend(allowance, heard, one, two);
        let is_quiet = there.is_pending() && back.is_pending();
        let is_done = match until {
            Until::OneIsOver => one.is_over() || two.is_over(),
            _ if !one.is_sent_home() || !two.is_sent_home() => true,
            Until::AllIsSaid => is_quiet && one.store.ready().is_empty() && two.store.ready().is_empty(),
            Until::SomethingMoves => !is_quiet,
        };
        if is_done {
            return Poll::Ready(());
        }
        if is_quiet {
            return Poll::Pending;
        }
    }
    cx.waker().wake_by_ref();
    Poll::Pending
}

fn obey<S>(conn: &mut Conn<S>, exchange: &Exchange<S>, cx: &mut Context<'_>)
where
    S: Line,
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

/// One move of one direction. The speaker is read only when the listener has taken everything: that is the backpressure. And only if it `may_read`.
fn poll_forward<S>(
    from: &mut Conn<S>,
    to: &mut Conn<S>,
    exchange: &Exchange<S>,
    may_read: bool,
    cx: &mut Context<'_>,
) -> Poll<()>
where
    S: Line,
{
    let told = to.poll_tell(cx, &mut from.store);
    if !from.store.ready().is_empty() || !may_read {
        return told;
    }
    // TLS gives 16 KiB at a time: several are told at once.
    let mut moved = told;
    while from.store.ready().len() < FRAGMENT_ROOM / 2
        && from.poll_hear(cx, Size::Forwarding, exchange).is_ready()
    {
        moved = Poll::Ready(());
    }
    moved
}

/// Delivers what is left for a client and says goodbye to it, within the time for that. Its seat is free already; it counts until it is gone.
async fn see_off<S>(mut conn: Box<Conn<S>>, mut rest: Store, patience_ms: u64, exchange: &Exchange<S>)
where
    S: Line,
{
    let (seat, parting) = (conn.seat, conn.parting());
    conn.outbox.close(parting);
    conn.let_go();
    or(poll_fn(|cx| conn.poll_farewell(cx, &mut rest)), pause(patience_ms)).await;
    drop((conn, rest));
    exchange.left(seat);
}

fn since<S>(then_ms: u64, exchange: &Exchange<S>) -> Duration {
    Duration::from_millis(exchange.now_ms().saturating_sub(then_ms))
}

async fn pause(ms: u64) {
    Timer::after(Duration::from_millis(ms)).await;
}

#[cfg(test)]
mod tests;

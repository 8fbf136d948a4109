//! One client's connection after the upgrade: what it says is collected, what it is told is written, nothing waits here.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::caller::Caller;
use super::desk::Desk;
use super::exchange::{Exchange, Place};
use super::forward::decoder::{Control, Decoder};
use super::forward::header::{CODE_GOING_AWAY, CODE_NORMAL, CODE_POLICY, Violation};
use super::forward::outbox::{Outbox, Parting};
use super::forward::store::{Size, Store};
use super::limits::{HEARD_STEP_MS, MOVES_MAX, TLS_EARLY_BYTES_MAX, TLS_PONG_BYTES_MAX};
use super::porter::Arrival;
use super::reasons::Ended;
use super::socket::Line;
use super::switchboard::{Reason, SeatId};
use crate::proto::parting::{IDLE, SPENT, WAITED_TOO_LONG};
use crate::proto::role::Role;

/// A client in its seat.
#[derive(Debug)]
pub struct Conn<S> {
    /// Its seat.
    pub seat: SeatId,
    /// As what it sits there.
    pub role: Role,
    /// Who it is, for the log.
    pub caller: Caller,
    /// Counts it for as long as it is here.
    _arrival: Arrival,
    /// When it took its seat.
    pub since_ms: u64,
    /// Its orders.
    pub desk: Arc<Desk<S>>,
    /// What it said and its partner has not been told yet.
    pub store: Store,
    /// What the relay itself says to it.
    pub outbox: Outbox,
    stream: S,
    decoder: Decoder,
    ended: Option<Ending>,
    dismissed: Option<Reason>,
    ear: Ear,
    unflushed: bool,
    /// When the switchboard was told last that it spoke; 0: never.
    spoke_ms: u64,
    /// The switchboard believes that we do not listen to it.
    held: bool,
    heard_ms: u64,
    /// What was heard of it, and how much of that has been counted already.
    heard_bytes: u64,
    counted_bytes: u64,
}

/// Whether a client can be told anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ear {
    /// It can.
    Open,
    /// The goodbye was said, and our direction of the stream has ended.
    Closed,
    /// Writing failed. What the client said before may still be on its way.
    Deaf,
}

/// How a client ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// Its stream ended or broke.
    Gone,
    /// It said goodbye, with this code or with none.
    Closed(Option<u16>),
    /// It broke the protocol.
    Broke(Violation),
}

impl<S: Line> Conn<S> {
    /// A client that has just been given its seat. `answer` accepts the upgrade; `said` is what came behind the request.
    pub fn new(
        mut stream: S,
        arrival: Arrival,
        place: Place<S>,
        caller: Caller,
        answer: Vec<u8>,
        said: &[u8],
        exchange: &Exchange<S>,
    ) -> Conn<S> {
        stream.read_at_most(TLS_EARLY_BYTES_MAX);
        let mut conn = Conn {
            seat: place.seat,
            role: place.role,
            _arrival: arrival,
            caller,
            since_ms: exchange.now_ms(),
            desk: place.desk,
            store: Store::default(),
            outbox: Outbox::starting_with(answer),
            stream,
            decoder: Decoder::default(),
            ended: None,
            dismissed: None,
            ear: Ear::Open,
            unflushed: false,
            spoke_ms: 0,
            held: false,
            heard_ms: 0,
            heard_bytes: 0,
            counted_bytes: 0,
        };
        conn.take_in(said, exchange);
        conn
    }

    /// It has a partner, and is read for it.
    pub fn widen(&mut self) {
        self.stream.widen();
    }

    /// It ends, and what it still says is for nobody: it is not kept.
    pub fn let_go(&mut self) {
        self.stream.read_at_most(usize::MAX);
    }

    /// Asks whether it is there, while it waits alone; and lets it answer.
    pub fn ping_alone(&mut self) {
        self.outbox.ping();
        self.stream.allow(TLS_PONG_BYTES_MAX);
    }

    /// Whether there is no more to come from it, for whatever reason.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.ended.is_some() || self.dismissed.is_some()
    }

    /// Whether it ends only because the relay does. It has done nothing wrong, so what it said before is heard out.
    #[must_use]
    pub fn is_sent_home(&self) -> bool {
        self.ended.is_none() && self.dismissed == Some(Reason::GoingAway)
    }

    /// The switchboard wants it to end.
    pub fn dismiss(&mut self, reason: Reason) {
        self.dismissed.get_or_insert(reason);
    }

    /// The switchboard wants to know whether it is there; and is told if we do not listen at the moment. Pings come more
    /// often than anybody is judged by silence, so this is early enough.
    pub fn ping(&mut self, exchange: &Exchange<S>) {
        self.outbox.ping();
        if !self.held && !self.store.ready().is_empty() {
            self.held = true;
            exchange.held(self.seat, true);
        }
    }

    /// Reads once, if there is space. `Ready` when something happened.
    pub fn poll_hear(&mut self, cx: &mut Context<'_>, size: Size, exchange: &Exchange<S>) -> Poll<()> {
        if self.ended.is_some() {
            return Poll::Pending;
        }
        let Some(space) = self.store.space(size) else {
            return Poll::Pending;
        };
        if std::mem::take(&mut self.held) {
            exchange.held(self.seat, false);
        }
        match Pin::new(&mut self.stream).poll_read(cx, space) {
            Poll::Ready(Ok(read)) if read > 0 => self.absorb(read, exchange),
            // Whoever cannot be told anything is only heard out.
            Poll::Pending if self.ear != Ear::Deaf => return Poll::Pending,
            _ => self.ended = Some(Ending::Gone),
        }
        Poll::Ready(())
    }

    /// Writes until there is nothing to say or the client takes no more: the relay's own words where two frames meet, and
    /// what its partner said. `Ready` when something was written.
    pub fn poll_tell(&mut self, cx: &mut Context<'_>, other: &mut Store) -> Poll<()> {
        let mut moved = Poll::Pending;
        while self.ear == Ear::Open {
            let mut ours = self.outbox.unfinished();
            if ours.is_empty() && other.is_between_frames() {
                ours = self.outbox.next(other.ready().is_empty());
            }
            let (bytes, is_ours) = if ours.is_empty() { (other.ready(), false) } else { (ours, true) };
            if bytes.is_empty() {
                break;
            }
            match Pin::new(&mut self.stream).poll_write(cx, bytes) {
                // Not flushed now: TLS may find room for what it has kept, and give up its place among those that wait for room, while
                // nobody comes back with what it did not take.
                Poll::Pending => return moved,
                Poll::Ready(Ok(written)) if written > 0 => {
                    self.unflushed = true;
                    if is_ours {
                        self.outbox.consume(written);
                    } else {
                        other.consume(written);
                    }
                }
                Poll::Ready(_) => self.ear = Ear::Deaf,
            }
            moved = Poll::Ready(());
        }
        self.flush(cx);
        if self.ear == Ear::Deaf {
            other.consume(usize::MAX);
        }
        moved
    }

    /// Says `rest` and goodbye, and waits until the client has left: closing a socket while the client still talks would
    /// destroy what it has not read yet. What it says now is for nobody. The caller bounds the time.
    pub fn poll_farewell(&mut self, cx: &mut Context<'_>, rest: &mut Store) -> Poll<()> {
        let mut scratch = [0; 1024];
        for _ in 0..MOVES_MAX {
            let told = self.poll_tell(cx, rest);
            if self.outbox.is_closed() && !self.unflushed && self.ear == Ear::Open {
                match Pin::new(&mut self.stream).poll_close(cx) {
                    Poll::Ready(_) => self.ear = Ear::Closed,
                    Poll::Pending => {}
                }
            }
            let gone = self.ended == Some(Ending::Gone);
            if gone && self.ear != Ear::Open {
                return Poll::Ready(());
            }
            let heard =
                if gone { Poll::Pending } else { Pin::new(&mut self.stream).poll_read(cx, &mut scratch) };
            match heard {
                Poll::Ready(Ok(read)) if read > 0 => {}
                Poll::Ready(_) => self.ended = Some(Ending::Gone),
                Poll::Pending if self.ear == Ear::Deaf => return Poll::Ready(()),
                Poll::Pending if told.is_pending() => return Poll::Pending,
                Poll::Pending => {}
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Why it is over, unless it is so only because its partner is.
    #[must_use]
    pub fn why(&self) -> Option<Ended> {
        match (self.dismissed, self.ended) {
            (Some(Reason::Yielded), _) => Some(Ended::Yielded),
            (Some(Reason::Silent), _) => Some(Ended::Silent),
            (Some(Reason::Wordless), _) => Some(Ended::Wordless),
            (Some(Reason::WaitedTooLong), _) => Some(Ended::WaitedTooLong),
            (Some(Reason::Idle), _) => Some(Ended::Idle),
            (Some(Reason::Spent), _) => Some(Ended::Spent),
            (Some(Reason::GoingAway), _) => Some(Ended::GoingAway),
            (Some(Reason::PartnerLeft) | None, Some(Ending::Gone)) => Some(Ended::Lost),
            (Some(Reason::PartnerLeft) | None, Some(Ending::Closed(_))) => Some(Ended::Left),
            (Some(Reason::PartnerLeft) | None, Some(Ending::Broke(_))) => Some(Ended::Protocol),
            (Some(Reason::PartnerLeft) | None, None) => None,
        }
    }

    /// What was heard of it so far, in bytes.
    #[must_use]
    pub fn heard(&self) -> u64 {
        self.heard_bytes
    }

    /// What was heard of it in all. All of it has been counted then.
    pub fn heard_bytes(&mut self, exchange: &Exchange<S>) -> u64 {
        self.count(exchange);
        self.heard_bytes
    }

    /// How to say goodbye to it: an answer to its own end, or why the relay ends it, or that its partner left.
    #[must_use]
    pub fn parting(&self) -> Parting {
        match (self.ended, self.dismissed) {
            (Some(Ending::Broke(violation)), _) => {
                Parting { code: violation.code(), reason: violation.reason() }
            }
            (Some(Ending::Closed(code)), _) => Parting { code: code.unwrap_or(CODE_NORMAL), reason: "" },
            (Some(Ending::Gone), _) => Parting { code: CODE_NORMAL, reason: "" },
            (None, Some(Reason::GoingAway)) => {
                Parting { code: CODE_GOING_AWAY, reason: "the relay is going away" }
            }
            (None, Some(Reason::Yielded)) => {
                Parting { code: CODE_POLICY, reason: "silent, and somebody else asked for this place" }
            }
            (None, Some(Reason::Silent)) => Parting { code: CODE_POLICY, reason: "silent for too long" },
            (None, Some(Reason::Wordless)) => {
                Parting { code: CODE_POLICY, reason: "said nothing to the other side in 30 s" }
            }
            (None, Some(Reason::WaitedTooLong)) => Parting { code: CODE_POLICY, reason: WAITED_TOO_LONG },
            (None, Some(Reason::Idle)) => Parting { code: CODE_POLICY, reason: IDLE },
            (None, Some(Reason::Spent)) => Parting { code: CODE_POLICY, reason: SPENT },
            (None, Some(Reason::PartnerLeft) | None) => {
                Parting { code: CODE_NORMAL, reason: "the other side has left" }
            }
        }
    }

    fn flush(&mut self, cx: &mut Context<'_>) {
        if self.unflushed
            && self.ear == Ear::Open
            && let Poll::Ready(flushed) = Pin::new(&mut self.stream).poll_flush(cx)
        {
            self.unflushed = false;
            if flushed.is_err() {
                self.ear = Ear::Deaf;
            }
        }
    }

    fn take_in(&mut self, mut said: &[u8], exchange: &Exchange<S>) {
        while !said.is_empty()
            && self.ended.is_none()
            && let Some(space) = self.store.space(Size::Waiting)
        {
            let taken = said.len().min(space.len());
            space[..taken].copy_from_slice(&said[..taken]);
            said = &said[taken..];
            self.absorb(taken, exchange);
        }
    }

    fn absorb(&mut self, read: usize, exchange: &Exchange<S>) {
        self.heard_bytes = self.heard_bytes.saturating_add(read as u64);
        let Conn { store, decoder, outbox, ended, .. } = self;
        let absorbed = store.absorb(read, decoder, |control| match control {
            Control::Ping(body) => outbox.pong(body),
            Control::Pong => {}
            Control::Close(code) => *ended = Some(Ending::Closed(code)),
        });
        if let Err(violation) = absorbed {
            tracing::debug!(%violation, "a client broke the protocol");
            *ended = Some(Ending::Broke(violation));
        }
        self.report(exchange);
    }

    /// Tells the switchboard that it was heard or spoke, each at most once a step.
    fn report(&mut self, exchange: &Exchange<S>) {
        let now_ms = exchange.now_ms().max(1);
        let is_due = |told_ms: u64| told_ms == 0 || now_ms >= told_ms.saturating_add(HEARD_STEP_MS);
        // Only what is for the partner is ever stored, and nothing was taken from it since.
        if is_due(self.spoke_ms) && !self.store.ready().is_empty() {
            (self.spoke_ms, self.heard_ms) = (now_ms, now_ms);
            exchange.spoke(self.seat);
            self.count(exchange);
        } else if is_due(self.heard_ms) {
            self.heard_ms = now_ms;
            exchange.heard(self.seat);
            self.count(exchange);
        }
    }

    /// Tells the measurements what was heard since the last time.
    fn count(&mut self, exchange: &Exchange<S>) {
        let more = self.heard_bytes.saturating_sub(self.counted_bytes);
        self.counted_bytes = self.heard_bytes;
        exchange.records.heard(self.role, more);
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::net::Ipv4Addr;
    use std::task::Waker;

    use futures_lite::future::poll_fn;
    use futures_lite::{AsyncRead, AsyncWrite};

    use super::*;
    use crate::relay::limits::Limits;
    use crate::relay::porter::Porter;
    use crate::relay::room::RoomName;
    use crate::relay::visitor::{Standing, Visitor};

    /// As TLS does it: it keeps one write back while there is no room below, and finds room whenever it is flushed.
    #[derive(Default)]
    struct Keeping {
        kept: bool,
        waits: Option<Waker>,
    }

    impl Line for Keeping {
        fn read_at_most(&mut self, _bytes: usize) {}

        fn allow(&mut self, _bytes: usize) {}

        fn widen(&mut self) {}
    }

    impl AsyncRead for Keeping {
        fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut [u8]) -> Poll<io::Result<usize>> {
            Poll::Pending
        }
    }

    impl AsyncWrite for Keeping {
        fn poll_write(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            if std::mem::replace(&mut self.kept, true) {
                self.waits = Some(cx.waker().clone());
                return Poll::Pending;
            }
            Poll::Ready(Ok(bytes.len().min(10)))
        }

        fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.kept = false;
            self.waits = None;
            Poll::Ready(Ok(()))
        }

        fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[test]
    fn who_was_told_to_wait_for_room_stays_in_the_queue() {
        let limits = Limits::default();
        let exchange = Exchange::new(&limits, Box::new(|| 1));
        let address = Ipv4Addr::LOCALHOST.into();
        let porter = Arc::new(Porter::new(&limits, 1, Vec::new(), Box::new(|| 1)));
        let arrival = porter.receive(address).unwrap();
        let visitor = Visitor { address, standing: Standing::Open };
        let room = RoomName::parse("r").unwrap();
        let place = exchange.join(visitor, room, Role::Send, false).unwrap();
        let caller = Caller { address, token_name: None };
        let answer = b"HTTP/1.1 101 and much more than ten bytes".to_vec();
        let mut conn = Conn::new(Keeping::default(), arrival, place, caller, answer, &[], &exchange);
        smol::block_on(poll_fn(|cx| {
            assert!(conn.poll_tell(cx, &mut Store::default()).is_ready());
            Poll::Ready(())
        }));
        assert!(!conn.outbox.unfinished().is_empty(), "not all was taken");
        assert!(conn.stream.waits.is_some(), "nobody would come back with the rest");
    }
}

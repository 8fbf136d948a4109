//! Lanes over the real relay, in memory, with connections that are cut at any byte.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_lite::{AsyncRead, AsyncWrite};

use super::*;
use crate::error::Kind;
use crate::events::Cancel;
use crate::proto::frame::Aside;
use crate::proto::handshake::{Capabilities, Established, Handshake, Options, Params};
use crate::proto::limits::{FRAME_BYTES_MAX, RECEIVED_FRAMES};
use crate::proto::rejoin::{Rejoin, Unproven};
use crate::proto::role::Role;
use crate::proto::seal::{Ciphers, LaneContext};
use crate::relay::stage::Stage;

/// A stream that ends after so many bytes of both directions, in the middle of whatever is under way.
struct Cut<S> {
    stream: Option<S>,
    left: usize,
}

impl<S> Cut<S> {
    fn spend(&mut self, bytes: usize) {
        self.left -= bytes;
        if self.left == 0 {
            self.stream = None;
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Cut<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let room = buffer.len().min(self.left);
        let Some(stream) = &mut self.stream else { return Poll::Ready(Ok(0)) };
        let read = Pin::new(stream).poll_read(cx, &mut buffer[..room]);
        if let Poll::Ready(Ok(bytes)) = read {
            self.spend(bytes);
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Cut<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let room = bytes.len().min(self.left);
        let Some(stream) = &mut self.stream else {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        };
        let written = Pin::new(stream).poll_write(cx, &bytes[..room]);
        if let Poll::Ready(Ok(bytes)) = written {
            self.spend(bytes);
        }
        written
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream = None;
        Poll::Ready(Ok(()))
    }
}

/// What both sides come to when they pair.
fn established() -> [Box<Established>; 2] {
    let start = |role, made, seed: u8| {
        Handshake::new(&Params {
            room: "r",
            password: b"acid-crane-otter",
            role,
            made,
            options: Options::default(),
            in_session: false,
            capabilities: Capabilities::NONE,
            ciphers: Ciphers::CHACHA20_POLY1305,
            app: "1.2.3",
            nonce: [seed; 32],
            pake_seed: &[seed + 100; 32],
        })
    };
    let (mut sender, offer) = start(Role::Send, true, 1);
    let (mut receiver, answer) = start(Role::Receive, false, 2);
    sender.handle(&answer).unwrap();
    let confirmed = receiver.handle(&offer).unwrap().send.unwrap();
    let step = sender.handle(&confirmed).unwrap();
    let receives = receiver.handle(&step.send.unwrap()).unwrap().established.unwrap();
    [step.established.unwrap(), receives]
}

/// One side of a session that only talks.
struct Side<'a> {
    stage: &'a Stage,
    established: Box<Established>,
    /// Bytes that a connection of this side may carry, one after the other; those behind have no end.
    cuts: RefCell<Vec<usize>>,
    capacity: usize,
    connections: RefCell<u8>,
}

impl<'a> Side<'a> {
    fn new(stage: &'a Stage, established: Box<Established>, cuts: &[usize], capacity: usize) -> Side<'a> {
        let cuts = RefCell::new(cuts.iter().rev().copied().collect());
        // The nonces of the two sides are never the same.
        let first = if established.ours.role == Role::Send { 10 } else { 130 };
        Side { stage, established, cuts, capacity, connections: RefCell::new(first) }
    }

    /// A seat in a room, as soon as its ghost has left it.
    async fn seat(&self, room: &str) -> Connection {
        let query = format!("{room}?role={}", self.established.ours.role.as_str());
        let left = self.cuts.borrow_mut().pop().unwrap_or(usize::MAX);
        loop {
            if let Ok(stream) = self.stage.upgrade(&query, self.capacity).await {
                return Connection::over(Cut { stream: Some(stream), left }).await;
            }
            future::yield_now().await;
        }
    }

    async fn lane(&self) -> (Lane, LaneIo) {
        let (sealer, opener) = self.established.first_lane();
        lane(self.seat("code").await, sealer, opener)
    }

    /// Comes back once, if the other side is there.
    async fn meet(&self, frames: u64) -> Option<(Connection, Proven)> {
        let nonce = {
            *self.connections.borrow_mut() += 1;
            [*self.connections.borrow(); 32]
        };
        let Established { secret, mode, ours, .. } = &*self.established;
        let (rejoin, first) = Rejoin::new(secret.clone(), *mode, 0, ours.role, nonce);
        let mut connection = self.seat(&secret.lane_room(0)).await;
        let theirs = exchange(&mut connection, first).await?;
        let mut unproven: Unproven = rejoin.handle(&theirs).unwrap();
        let proof = unproven.prove(frames).unwrap();
        let mut theirs = exchange(&mut connection, proof).await?;
        Some((connection, unproven.handle(&mut theirs).unwrap()))
    }

    async fn again(&self, lane: &mut Lane) -> LaneIo {
        let frames = lane.detach().unwrap();
        loop {
            if let Some((connection, proven)) = self.meet(frames).await {
                return lane.attach(connection, proven).unwrap();
            }
        }
    }

    /// Says everything and hears what comes, coming back as often as it takes, until somebody else ends it.
    async fn talk(&self, frames: &[(usize, bool)], heard: impl Fn(&[u8])) {
        let (mut lane, mut io) = self.lane().await;
        let mut unsaid = frames.iter().enumerate();
        loop {
            let mut talking = async || {
                loop {
                    while lane.has_room()
                        && let Some((number, (length, is_data))) = unsaid.next()
                    {
                        lane.send(frame(number, *length, *is_data)).unwrap();
                    }
                    let next = async { Some(lane.next().await) };
                    let drained = async {
                        lane.drained().await;
                        None
                    };
                    match future::or(next, drained).await {
                        Some(Ok(frame)) => heard(&frame),
                        Some(Err(error)) => return error,
                        None => {}
                    }
                }
            };
            let moving = async {
                io.run().await;
                future::pending().await
            };
            let error = future::or(moving, talking()).await;
            assert_eq!(error.kind(), Kind::ConnectionLost, "{error}");
            io = self.again(&mut lane).await;
        }
    }
}

async fn exchange(connection: &mut Connection, message: Vec<u8>) -> Option<BytesMut> {
    connection.writer.send(message.into()).await.ok()?;
    connection.writer.flush().await.ok()?;
    connection.reader.next().await.ok()
}

/// A frame of that many bytes, which says which one it is.
fn frame(number: usize, length: usize, is_data: bool) -> PackedBlock {
    let mut buffer = b"p\x01".to_vec();
    buffer.push(u8::from(!is_data));
    buffer.extend((number as u32).to_le_bytes());
    buffer.resize(length.max(7), number as u8);
    PackedBlock { buffer, start: 0, cost: if is_data { 4096 } else { 0 }, run: 0 }
}

/// Both sides talk until each has heard everything; then what each heard is compared.
fn conversation(said: &[Vec<(usize, bool)>; 2], cuts: &[&[usize]; 2], capacity: usize) {
    let stage = Stage::new(None);
    let [sends, receives] = established();
    let heard = [RefCell::new(Vec::new()), RefCell::new(Vec::new())];
    let done = Cancel::new();
    let hear = |side: usize, bytes: &[u8]| {
        heard[side].borrow_mut().push(Bytes::copy_from_slice(bytes));
        if heard[0].borrow().len() >= said[1].len() && heard[1].borrow().len() >= said[0].len() {
            done.cancel();
        }
    };
    stage.run(async {
        let one = Side::new(&stage, sends, cuts[0], capacity);
        let other = Side::new(&stage, receives, cuts[1], capacity);
        let talking = future::zip(
            one.talk(&said[0], |bytes| hear(0, bytes)),
            other.talk(&said[1], |bytes| hear(1, bytes)),
        );
        future::or(done.cancelled(), async {
            talking.await;
        })
        .await;
    });
    for (heard, said) in heard.iter().zip(said.iter().rev()) {
        let said = said.iter().enumerate();
        let said: Vec<_> = said.map(|(at, (length, is_data))| frame(at, *length, *is_data).buffer).collect();
        assert!(*heard.borrow() == said, "{cuts:?}");
    }
}

fn small(count: usize) -> Vec<(usize, bool)> {
    (0..count).map(|at| (7 + at % 5, at % 2 == 0)).collect()
}

#[test]
fn a_connection_that_ends_at_any_byte_loses_nothing() {
    let said = [small(6), small(5)];
    for at in 1..700 {
        conversation(&said, &[&[at], &[]], 4096);
    }
}

#[test]
fn connections_that_end_again_and_again_lose_nothing() {
    let said = [small(200), small(150)];
    for at in 0..60 {
        // Lengths that have nothing in common, on both sides, shorter than a reconnection takes among them.
        let one: Vec<usize> = (0..20).map(|turn| 1 + (at * 97 + turn * 331) % 1500).collect();
        let other: Vec<usize> = (0..20).map(|turn| 1 + (at * 53 + turn * 229) % 1900).collect();
        conversation(&said, &[&one, &other], 300);
    }
}

#[test]
fn both_directions_full_at_once_go_on_over_cut_connections() {
    let large: Vec<(usize, bool)> = (0..24).map(|at| (FRAME_BYTES_MAX, at % 3 != 0)).collect();
    let said = [large.clone(), large];
    conversation(&said, &[&[], &[]], 2000);
    let million = 1_000_000;
    conversation(&said, &[&[million, 2 * million, 400_000], &[3 * million, million]], 2000);
}

/// Two lanes on their first connections, and what else there is to do with them.
fn with_lanes<F: Future<Output = ()>>(story: impl FnOnce(&'static Stage, [Side<'static>; 2]) -> F) {
    let stage: &'static Stage = Box::leak(Box::new(Stage::new(None)));
    let sides = established().map(|established| Side::new(stage, established, &[], 4096));
    stage.run(story(stage, sides));
}

/// What `story` comes to while the connections carry bytes.
async fn beside<T>(ios: [LaneIo; 2], story: impl Future<Output = T>) -> T {
    let [one, other] = ios;
    let moving = async {
        future::zip(one.run(), other.run()).await;
        future::pending().await
    };
    future::or(story, moving).await
}

#[test]
fn what_was_counted_is_forgotten_while_the_connection_lives() {
    with_lanes(async |_, [one, other]| {
        let (speaks, speaks_io) = one.lane().await;
        let (hears, hears_io) = other.lane().await;
        beside([speaks_io, hears_io], async {
            for number in 0..RECEIVED_FRAMES as usize {
                speaks.send(frame(number, 10, false)).unwrap();
                assert_eq!(hears.next().await.unwrap()[..], frame(number, 10, false).buffer);
            }
            // Nothing can be less than what was counted, once something was.
            while speaks.shared.lock().outbox.acknowledge(0).is_ok() {
                speaks.drained().await;
            }
            let outbox = format!("{:?}", speaks.shared.lock().outbox);
            assert!(outbox.contains("kept: [], counted: 64"), "{outbox}");
        })
        .await;
    });
}

#[test]
fn what_was_not_taken_from_a_connection_that_is_let_go_comes_again() {
    with_lanes(async |stage, [one, other]| {
        let (mut speaks, speaks_io) = one.lane().await;
        let (mut hears, hears_io) = other.lane().await;
        for number in 0..3 {
            speaks.send(frame(number, 10, false)).unwrap();
        }
        beside([speaks_io, hears_io], async {
            assert_eq!(hears.next().await.unwrap()[..], frame(0, 10, false).buffer);
            // The others wait there as well.
            stage.settle().await;
            assert_eq!(hears.incoming.len(), 2);
        })
        .await;
        assert_eq!(hears.detach().unwrap(), 1);
        assert!(future::poll_once(hears.next()).await.is_none());
        let ios = future::zip(one.again(&mut speaks), other.again(&mut hears)).await;
        beside([ios.0, ios.1], async {
            for number in 1..3 {
                assert_eq!(hears.next().await.unwrap()[..], frame(number, 10, false).buffer);
            }
        })
        .await;
    });
}

#[test]
fn a_connection_that_was_let_go_ends_and_touches_nothing() {
    with_lanes(async |_, [one, other]| {
        let (mut speaks, speaks_io) = one.lane().await;
        let (hears, hears_io) = other.lane().await;
        speaks.detach().unwrap();
        speaks.send(frame(0, 10, false)).unwrap();
        // It ends by itself, the other side's with it, and nothing was said.
        future::zip(speaks_io.run(), hears_io.run()).await;
        assert_eq!(hears.next().await.unwrap_err().kind(), Kind::ConnectionLost);
        assert!(future::poll_once(hears.next()).await.is_none(), "said once");
    });
}

/// What a lane comes to whose other side says these frames first, sealed.
fn comes_to(frames: &'static [Vec<u8>], is_cut: bool) -> Kind {
    let mut kind = None;
    with_lanes(async |_, [one, other]| {
        let (hears, io) = other.lane().await;
        let mut connection = one.seat("code").await;
        let (mut sealer, _) = one.established.first_lane();
        for frame in frames {
            let mut record = frame.clone();
            sealer.seal_in_place(&mut record, 0).unwrap();
            record.truncate(record.len() - usize::from(is_cut));
            connection.writer.send(record.into()).await.unwrap();
        }
        connection.writer.flush().await.unwrap();
        let moving = async {
            io.run().await;
            future::pending().await
        };
        let failing = async {
            loop {
                if let Err(error) = hears.next().await {
                    return error.kind();
                }
            }
        };
        // The reader of this end drives nothing that matters here.
        kind = Some(future::or(failing, moving).await);
    });
    kind.unwrap()
}

#[test]
fn what_breaks_the_rules_ends_the_lane() {
    let leak = |frames: Vec<Vec<u8>>| -> &'static [Vec<u8>] { Box::leak(frames.into_boxed_slice()) };
    let received = |frames| Aside::Received { frames }.encode().unwrap();
    let keep_alive = Aside::KeepAlive.encode().unwrap();
    assert_eq!(comes_to(leak(vec![received(0)]), true), Kind::Authentication);
    assert_eq!(comes_to(leak(vec![received(1)]), false), Kind::Protocol, "nothing was said yet");
    assert_eq!(comes_to(leak(vec![keep_alive]), false), Kind::Protocol, "not how much has come");
    assert_eq!(comes_to(leak(vec![frame(0, 10, false).buffer]), false), Kind::Protocol);
}

#[test]
fn a_claim_of_what_was_never_said_is_found_out_at_the_new_connection() {
    with_lanes(async |_, [one, other]| {
        let (mut speaks, _) = one.lane().await;
        let (mut hears, _) = other.lane().await;
        assert_eq!((speaks.detach().unwrap(), hears.detach().unwrap()), (0, 0));
        let (speaks_met, _) = future::zip(one.meet(0), other.meet(1)).await;
        let (connection, proven) = speaks_met.unwrap();
        assert_eq!(speaks.attach(connection, proven).unwrap_err().kind(), Kind::Protocol);
    });
}

#[test]
fn the_keys_of_every_connection_are_its_own() {
    let [sends, _] = established();
    let record = |nonce| {
        let context = LaneContext {
            mode: sends.mode,
            lane: 0,
            role: Role::Send,
            sender_nonce: [nonce; 32],
            receiver_nonce: [2; 32],
        };
        let mut record = vec![0; 32];
        sends.secret.lane(&context).0.seal_in_place(&mut record, 0).unwrap();
        record
    };
    assert_ne!(record(1), record(3));
}

#[test]
fn what_is_garbled_on_a_lane_beside_the_first_is_that_lane_lost_and_no_more() {
    for is_beside in [false, true] {
        with_lanes(async |_, [one, other]| {
            let (first, _io) = one.lane().await;
            let (_hears, _hears_io) = other.lane().await;
            let mut lane = if is_beside { first.beside() } else { first };
            let (io, garbling) = future::zip(one.again(&mut lane), other.meet(0)).await;
            let (mut connection, _) = garbling.unwrap();
            connection.writer.send(Bytes::from_static(&[7; 100])).await.unwrap();
            connection.writer.flush().await.unwrap();
            let moving = async {
                io.run().await;
                future::pending().await
            };
            let kind = future::or(async { lane.next().await.unwrap_err().kind() }, moving).await;
            assert_eq!(kind, if is_beside { Kind::ConnectionLost } else { Kind::Authentication });
        });
    }
}

#[test]
fn when_the_other_side_spoke_first_stays_what_it_was() {
    with_lanes(async |stage, [one, other]| {
        let (speaks, speaks_io) = one.lane().await;
        let (hears, hears_io) = other.lane().await;
        assert_eq!(speaks.met_ms(), None);
        beside([speaks_io, hears_io], async {
            // It has nothing to say, and whoever decides there may take as long as they like.
            stage.settle().await;
            let met_ms = speaks.met_ms();
            assert!(met_ms.is_some());
            let began = Instant::now();
            while began.elapsed().as_millis() < 2 {
                std::hint::spin_loop();
            }
            for number in 0..RECEIVED_FRAMES as usize {
                speaks.send(frame(number, 10, false)).unwrap();
                hears.next().await.unwrap();
            }
            stage.settle().await;
            assert_eq!(speaks.met_ms(), met_ms);
        })
        .await;
    });
}

//! For tests: a relay without sockets, on a clock that the test moves.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_executor::LocalExecutor;
use async_tungstenite::WebSocketStream;
use async_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use async_tungstenite::tungstenite::{Bytes, Message, protocol};
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use futures_util::StreamExt;

use super::door::{House, serve};
use super::exchange::Exchange;
use super::limits::Limits;
use super::pipe::{Pipe, pipe};
use super::porter::Porter;
use super::room::Rooms;
use crate::events::Cancel;

/// Where everybody comes from.
const PEER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

pub type Client = WebSocketStream<Pipe>;

/// A relay without sockets.
pub struct Stage {
    executor: LocalExecutor<'static>,
    pub house: Arc<House<Pipe>>,
    now_ms: Arc<AtomicU64>,
}

impl Stage {
    pub fn new(only_room: Option<&str>) -> Stage {
        Stage::with_limits(only_room, Limits::default())
    }

    pub fn with_patience(only_room: Option<&str>, patience: Duration) -> Stage {
        Stage::with(only_room, Limits { header: patience, ..Limits::default() })
    }

    pub fn with_limits(only_room: Option<&str>, limits: Limits) -> Stage {
        // Nobody is slow here: the machine that runs the tests may be.
        Stage::with(only_room, Limits { header: Duration::from_secs(600), ..limits })
    }

    fn with(only_room: Option<&str>, limits: Limits) -> Stage {
        let now_ms = Arc::new(AtomicU64::new(1));
        let clock = Arc::clone(&now_ms);
        let clock = move || clock.load(Ordering::Relaxed);
        let porter = Porter::new(&limits, usize::MAX, Vec::new(), Box::new(clock.clone()));
        let exchange = Arc::new(Exchange::new(&limits, Box::new(clock)));
        let only_rooms = only_room.map(|room| {
            let rooms = Rooms::default();
            rooms.admit(room).unwrap();
            rooms
        });
        let house = House {
            exchange,
            only_rooms,
            limits,
            porter: Arc::new(porter),
            tokens: None,
            trusted_proxies: Vec::new(),
            front: None,
            draining: Cancel::new(),
            closing: Cancel::new(),
        };
        let house = Arc::new(house);
        Stage { executor: LocalExecutor::new(), house, now_ms }
    }

    pub fn run<T>(&self, story: impl Future<Output = T>) -> T {
        smol::block_on(self.executor.run(story))
    }

    pub fn connect(&self, capacity: usize) -> Pipe {
        let (client, server) = pipe(capacity);
        self.executor.spawn(self.receive(server)).detach();
        client
    }

    fn receive(&self, server: Pipe) -> impl Future<Output = ()> + 'static {
        let arrival = self.house.porter.receive(PEER).unwrap();
        serve(server, arrival, Arc::clone(&self.house))
    }

    /// Serves whoever comes through this door, for as long as it is polled.
    pub async fn serve(&self, door: smol::channel::Receiver<Pipe>) {
        while let Ok(server) = door.recv().await {
            self.executor.spawn(self.receive(server)).detach();
        }
    }

    /// A pipe on a seat, or the status and the text it was refused with.
    pub async fn upgrade(&self, query: &str, capacity: usize) -> Result<Pipe, (u16, String)> {
        upgrade(self.connect(capacity), query).await
    }

    /// A client on a seat, or the status and the text it was refused with.
    pub async fn try_join(&self, query: &str, capacity: usize) -> Result<Client, (u16, String)> {
        let stream = self.upgrade(query, capacity).await?;
        Ok(Client::from_raw_socket(stream, protocol::Role::Client, None).await)
    }

    pub async fn join(&self, query: &str) -> Client {
        self.try_join(query, 5).await.unwrap()
    }

    pub async fn pair(&self) -> (Client, Client) {
        (self.join("r?role=send").await, self.join("r?role=receive").await)
    }

    /// Lets time pass, in steps as small as the driver's.
    pub async fn pass(&self, ms: u64) {
        for _ in 0..ms / 1000 {
            self.now_ms.fetch_add(1000, Ordering::Relaxed);
            self.house.exchange.tick();
            self.settle().await;
        }
    }

    /// Lets every task do what it can.
    pub async fn settle(&self) {
        for _ in 0..100 {
            smol::future::yield_now().await;
        }
    }
}

/// The upgrade by hand: a client library takes a server that speaks byte by byte for an attacker.
pub async fn upgrade(mut stream: Pipe, query: &str) -> Result<Pipe, (u16, String)> {
    let request = format!(
        "GET /v1/room/{query} HTTP/1.1\r\nHost: relay\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Protocol: p2pc.v1\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).await.unwrap();
        head.extend(byte);
    }
    let head = String::from_utf8(head).unwrap();
    let status: u16 = head["HTTP/1.1 ".len()..][..3].parse().unwrap();
    if status == 101 {
        assert!(head.contains("Sec-WebSocket-Protocol: p2pc.v1\r\n"), "{head}");
        return Ok(stream);
    }
    let mut body = String::new();
    stream.close().await.unwrap();
    stream.read_to_string(&mut body).await.unwrap();
    Err((status, body))
}

pub fn binary(bytes: &[u8]) -> Message {
    Message::Binary(Bytes::copy_from_slice(bytes))
}

pub async fn expect_binary(client: &mut Client, expected: &[u8]) {
    loop {
        match client.next().await.unwrap().unwrap() {
            Message::Binary(bytes) => return assert!(bytes == expected, "{} bytes", bytes.len()),
            Message::Ping(_) | Message::Pong(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

pub async fn expect_close(client: &mut Client, code: CloseCode, reason: &str) {
    loop {
        match client.next().await.unwrap() {
            Ok(Message::Close(Some(frame))) => {
                assert_eq!((frame.code, frame.reason.as_str()), (code, reason));
                break;
            }
            Ok(Message::Ping(_) | Message::Pong(_)) => {}
            other => panic!("{other:?}"),
        }
    }
    // The answer to the close is written, and the relay's end of the stream is read.
    while let Some(Ok(_)) = client.next().await {}
}

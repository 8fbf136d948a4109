//! The relay over loopback: its own sockets, threads and TLS, against the clients of a WebSocket library.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use async_tungstenite::tungstenite::client::IntoClientRequest;
use async_tungstenite::tungstenite::http::HeaderValue;
use async_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use async_tungstenite::tungstenite::{Bytes, Error, Message};
use async_tungstenite::{WebSocketStream, client_async};
use futures_lite::future::zip;
use futures_lite::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use futures_rustls::TlsConnector;
use futures_util::{SinkExt, StreamExt};
use p2pc::events::Cancel;
use p2pc::net::dial::{DialError, DialOptions, Dialer, Role, RoomRequest};
use p2pc::net::tls::client_config;
use p2pc::relay::{Relay, RelayOptions, Rooms, TlsFiles};
use rustls_pki_types::ServerName;
use smol::net::TcpStream;

/// A relay that runs until the story is told, and ends in order.
fn with_relay<T, F: Future<Output = T>>(
    options: RelayOptions,
    story: impl FnOnce(Vec<SocketAddr>) -> F,
) -> T {
    smol::block_on(async {
        let relay = Relay::bind(options).await.unwrap();
        let (cancel, addresses) = (Cancel::new(), relay.addresses().to_vec());
        let told = async {
            let outcome = story(addresses).await;
            cancel.cancel();
            outcome
        };
        let (outcome, ended) = zip(told, relay.run(cancel.clone())).await;
        ended.unwrap();
        outcome
    })
}

pub fn plain() -> RelayOptions {
    RelayOptions::new("127.0.0.1:0".parse().unwrap())
}

async fn upgrade<S>(stream: S, query: &str) -> Result<WebSocketStream<S>, Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut request = format!("ws://relay/v1/room/{query}").into_client_request()?;
    request.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static("p2pc.v1"));
    Ok(client_async(request, stream).await?.0)
}

pub async fn join(address: SocketAddr, query: &str) -> Result<WebSocketStream<TcpStream>, Error> {
    upgrade(TcpStream::connect(address).await?, query).await
}

pub async fn next_binary<S: AsyncRead + AsyncWrite + Unpin>(client: &mut WebSocketStream<S>) -> Bytes {
    loop {
        match client.next().await.unwrap().unwrap() {
            Message::Binary(bytes) => return bytes,
            Message::Ping(_) | Message::Pong(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

pub async fn next_close<S: AsyncRead + AsyncWrite + Unpin>(client: &mut WebSocketStream<S>) -> CloseCode {
    loop {
        match client.next().await.unwrap().unwrap() {
            Message::Close(Some(frame)) => {
                // Answers the close and reads the end of the stream.
                while let Some(Ok(_)) = client.next().await {}
                return frame.code;
            }
            Message::Ping(_) | Message::Pong(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

/// So many messages of 1 MiB, none like the other; the hash of all.
async fn say(mut to: impl SinkExt<Message, Error = Error> + Unpin, seed: u8, mib: u8) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    for round in 0..mib {
        let mut message = vec![seed; 1 << 20];
        message.iter_mut().step_by(4096).for_each(|byte| *byte = round);
        hasher.update(&message);
        to.send(Message::Binary(message.into())).await.unwrap();
    }
    hasher.finalize()
}

async fn hear(mut from: impl StreamExt<Item = Result<Message, Error>> + Unpin, mib: u8) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    let mut left = usize::from(mib) << 20;
    while left > 0 {
        if let Message::Binary(bytes) = from.next().await.unwrap().unwrap() {
            left -= bytes.len();
            hasher.update(&bytes);
        }
    }
    hasher.finalize()
}

#[test]
fn a_hundred_mebibytes_pass_both_ways_at_once() {
    with_relay(plain(), |addresses| async move {
        let sender = join(addresses[0], "r?role=send").await.unwrap();
        let receiver = join(addresses[0], "r?role=receive").await.unwrap();
        let (to_relay, from_relay) = StreamExt::split(sender);
        let (back, there) = StreamExt::split(receiver);
        let ((said, heard), (answered, understood)) =
            zip(zip(say(to_relay, 1, 100), hear(there, 100)), zip(say(back, 2, 100), hear(from_relay, 100)))
                .await;
        assert_eq!((said, answered), (heard, understood));
        assert_ne!(said, answered);
    });
}

#[test]
fn the_first_words_wait_for_the_partner_and_a_goodbye_reaches_it() {
    with_relay(plain(), |addresses| async move {
        let mut sender = join(addresses[0], "r?role=send&new=1").await.unwrap();
        sender.send(Message::binary("hello")).await.unwrap();
        let mut receiver = join(addresses[0], "r?role=receive").await.unwrap();
        assert_eq!(next_binary(&mut receiver).await, "hello");
        sender.send(Message::binary("last")).await.unwrap();
        sender.close(None).await.unwrap();
        assert_eq!(next_binary(&mut receiver).await, "last");
        assert_eq!(next_close(&mut receiver).await, CloseCode::Normal);
    });
}

#[test]
fn a_second_of_the_same_role_gets_a_conflict() {
    with_relay(plain(), |addresses| async move {
        let _first = join(addresses[0], "r?role=receive").await.unwrap();
        for query in ["r?role=receive", "r?role=send&new=1"] {
            let Err(Error::Http(response)) = join(addresses[0], query).await else { panic!("let in") };
            assert_eq!(response.status(), 409);
            let body = response.into_body().unwrap();
            assert!(body.starts_with(b"this room") && body.ends_with(b"\n"));
        }
        let mut other = join(addresses[0], "r?role=send").await.unwrap();
        other.close(None).await.unwrap();
    });
}

#[test]
fn text_is_refused() {
    with_relay(plain(), |addresses| async move {
        let mut sender = join(addresses[0], "r?role=send").await.unwrap();
        let mut receiver = join(addresses[0], "r?role=receive").await.unwrap();
        sender.send(Message::text("hello")).await.unwrap();
        assert_eq!(next_close(&mut sender).await, CloseCode::Unsupported);
        assert_eq!(next_close(&mut receiver).await, CloseCode::Normal);
    });
}

#[test]
fn an_abrupt_end_is_told_to_the_other_side() {
    with_relay(plain(), |addresses| async move {
        let sender = join(addresses[0], "r?role=send").await.unwrap();
        let mut receiver = join(addresses[0], "r?role=receive").await.unwrap();
        drop(sender);
        assert_eq!(next_close(&mut receiver).await, CloseCode::Normal);
    });
}

#[test]
fn a_relay_that_ends_says_so_to_everybody() {
    smol::block_on(async {
        let relay = Relay::bind(plain()).await.unwrap();
        let (cancel, address) = (Cancel::new(), relay.addresses()[0]);
        let story = async {
            let mut waiting = join(address, "other?role=send").await.unwrap();
            let mut sender = join(address, "r?role=send").await.unwrap();
            let mut receiver = join(address, "r?role=receive").await.unwrap();
            cancel.cancel();
            for client in [&mut waiting, &mut sender, &mut receiver] {
                assert_eq!(next_close(client).await, CloseCode::Away);
            }
        };
        let ((), ended) = zip(story, relay.run(cancel.clone())).await;
        ended.unwrap();
        assert!(TcpStream::connect(address).await.is_err());
    });
}

#[test]
fn what_was_said_before_a_relay_ends_still_arrives() {
    smol::block_on(async {
        let relay = Relay::bind(plain()).await.unwrap();
        let (cancel, address) = (Cancel::new(), relay.addresses()[0]);
        let story = async {
            let mut sender = join(address, "r?role=send").await.unwrap();
            let mut receiver = join(address, "r?role=receive").await.unwrap();
            // More than the relay holds: the rest lies in the sockets when it is told to end.
            let long = vec![7; 1 << 20];
            sender.send(Message::binary(long.clone())).await.unwrap();
            sender.send(Message::binary("last")).await.unwrap();
            cancel.cancel();
            assert_eq!(next_binary(&mut receiver).await, long);
            assert_eq!(next_binary(&mut receiver).await, "last");
            zip(next_close(&mut sender), next_close(&mut receiver)).await
        };
        let (closed, ended) = zip(story, relay.run(cancel.clone())).await;
        ended.unwrap();
        assert_eq!(closed, (CloseCode::Away, CloseCode::Away));
    });
}

#[test]
fn an_embedded_relay_knows_the_rooms_of_its_session() {
    let rooms = Rooms::default();
    rooms.admit("mine").unwrap();
    let mut options = plain();
    options.only_rooms = Some(rooms.clone());
    with_relay(options, |addresses| async move {
        let Err(Error::Http(response)) = join(addresses[0], "yours?role=send").await else {
            panic!("let in")
        };
        assert_eq!(response.status(), 404);
        join(addresses[0], "mine?role=send").await.unwrap();
        rooms.admit("yours").unwrap();
        join(addresses[0], "yours?role=send").await.unwrap();
    });
}

#[test]
fn every_interface_means_both_protocols() {
    let options = RelayOptions::new(":0".parse().unwrap());
    with_relay(options, |addresses| async move {
        for address in addresses {
            let loopback = if address.is_ipv6() { "::1" } else { "127.0.0.1" };
            let address = SocketAddr::new(loopback.parse().unwrap(), address.port());
            assert_eq!(get(address, "/healthz").await, "ok\n");
        }
    });
}

#[test]
fn ordinary_requests_get_one_line() {
    with_relay(plain(), |addresses| async move {
        assert!(get(addresses[0], "/").await.starts_with("p2pc relay"));
        assert!(get(addresses[0], "/nothing").await.contains("/v1/room/ROOM"));
        assert!(get(addresses[0], "/v1/room/r?role=send").await.contains("Upgrade"));
    });
}

/// The body of an ordinary answer.
pub async fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: relay\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}

#[test]
fn over_tls_the_same_holds() {
    // For `localhost`, signed by itself until 2120, with its key in the same file. Made for this test alone.
    let cert = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/localhost.pem");
    let options = plain().tls(TlsFiles::new(&cert, None));
    with_relay(options, |addresses| async move {
        let config = client_config(Some(&cert)).unwrap();
        let sender = join_tls(addresses[0], Arc::clone(&config), "r?role=send").await;
        let mut receiver = join_tls(addresses[0], config, "r?role=receive").await;
        let (to_relay, mut from_relay) = StreamExt::split(sender);
        // Not optimized, the portable ciphers take so long for as much that the relay would ask whether anybody is still there.
        let mib = if cfg!(feature = "portable") { 10 } else { 100 };
        let (said, heard) = zip(say(to_relay, 3, mib), hear(&mut receiver, mib)).await;
        assert_eq!(said, heard);
        receiver.send(Message::binary("got it")).await.unwrap();
        receiver.close(None).await.unwrap();
        assert_eq!(from_relay.next().await.unwrap().unwrap(), Message::binary("got it"));
        assert!(matches!(from_relay.next().await, Some(Ok(Message::Close(_)))));
    });
}

async fn join_tls(
    address: SocketAddr,
    config: Arc<rustls::ClientConfig>,
    query: &str,
) -> WebSocketStream<futures_rustls::client::TlsStream<TcpStream>> {
    let tcp = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    upgrade(TlsConnector::from(config).connect(name, tcp).await.unwrap(), query).await.unwrap()
}

#[test]
fn our_own_dialler_and_the_relay_understand_each_other() {
    with_relay(plain(), |addresses| async move {
        let relay = format!("ws://{}", addresses[0]).parse().unwrap();
        let dialer = Dialer::new(&DialOptions::default()).unwrap();
        let seat = |role, fresh| RoomRequest { room: "48213".into(), role, fresh };
        let mut sender = dialer.room(&relay, &seat(Role::Send, true)).await.unwrap();
        sender.writer.send(Bytes::from_static(b"early")).await.unwrap();
        sender.writer.flush().await.unwrap();
        let taken = dialer.room(&relay, &seat(Role::Send, false)).await;
        let Err(DialError::RoomTaken(body)) = taken else { panic!("let in") };
        assert!(body.starts_with("this room already has a sender"), "{body}");
        let mut receiver = dialer.room(&relay, &seat(Role::Receive, false)).await.unwrap();
        assert_eq!(receiver.reader.next().await.unwrap(), &b"early"[..]);
        receiver.writer.close(1000, "done").await.unwrap();
        assert!(sender.reader.next().await.is_err());
    });
}

#[test]
fn a_relay_says_what_it_cannot_do() {
    smol::block_on(async {
        let nowhere = Relay::bind(RelayOptions::default()).await.unwrap_err();
        assert_eq!(nowhere.kind(), p2pc::Kind::Usage);
        let taken = Relay::bind(plain()).await.unwrap();
        let again = RelayOptions::new(taken.addresses()[0].into());
        let error = Relay::bind(again).await.unwrap_err();
        assert!(error.to_string().starts_with("cannot listen on 127.0.0.1:") && error.hint_text().is_some());
    });
}

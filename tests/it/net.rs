//! Dialling, end to end on loopback: a relay of a few lines, proxies that behave and that do not, TLS.

use std::future::Future;
use std::net::SocketAddr;

use futures_lite::future;
use futures_lite::io::{AsyncReadExt, AsyncWriteExt};
use futures_rustls::TlsAcceptor;
use futures_rustls::rustls::HandshakeKind;
use p2pc::net::dial::{AtRelay, DialError, DialOptions, Dialer, Role, RoomRequest, Seats};
use p2pc::net::{Connection, RelayUrl, listen, tls};
use p2pc::{Error, Kind};
use smol::net::{TcpListener, TcpStream};

use crate::relay_stub::{echo_once, read_head};
use crate::vectors;

fn seat() -> RoomRequest {
    RoomRequest { room: "48213".into(), role: Role::Send, fresh: true }
}

fn listener() -> (TcpListener, SocketAddr) {
    let listener = listen(&"127.0.0.1:0".parse().unwrap()).unwrap().remove(0);
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// Serves the one connection that comes with `serve` while `client` runs.
fn served<T, S, SF, C, CF>(serve: S, client: C) -> T
where
    S: FnOnce(TcpStream) -> SF,
    SF: Future<Output = ()>,
    C: FnOnce(SocketAddr) -> CF,
    CF: Future<Output = T>,
{
    let (listener, address) = listener();
    smol::block_on(async {
        let server = async {
            serve(listener.accept().await.unwrap().0).await;
            future::pending().await
        };
        future::or(client(address), server).await
    })
}

async fn dial(relay: &str, options: &DialOptions) -> Result<Connection, DialError> {
    Dialer::new(options).unwrap().room(&relay.parse().unwrap(), &seat()).await
}

async fn greet(mut connection: Connection) {
    connection.writer.send("hello".into()).await.unwrap();
    connection.writer.flush().await.unwrap();
    assert_eq!(&connection.reader.next().await.unwrap()[..], b"hello");
    connection.writer.close(1000, "done").await.unwrap();
    while connection.reader.next().await.is_ok() {}
}

fn shown(error: DialError) -> String {
    let error = Error::from(error);
    assert_eq!(error.kind(), Kind::Relay, "{error}");
    format!("{error} | {}", error.hint_text().unwrap_or_default())
}

#[test]
fn a_plain_relay_is_reached_and_asked_for_the_seat() {
    served(
        |stream| async {
            let request = echo_once(stream).await;
            assert!(request.starts_with("GET /team/v1/room/48213?role=send&new=1 HTTP/1.1\r\n"), "{request}");
            assert!(request.contains("Host: 127.0.0.1:"), "{request}");
        },
        |address| async move {
            greet(dial(&format!("ws://{address}/team/"), &DialOptions::default()).await.unwrap()).await;
        },
    );
}

/// What a server that answers the upgrade with `answer` makes of the dial.
fn answered(answer: &'static [u8]) -> DialError {
    served(
        move |mut stream| async move {
            read_head(&mut stream).await;
            let (head, body) = answer.split_at(answer.len() / 2);
            stream.write_all(head).await.unwrap();
            stream.write_all(body).await.unwrap();
        },
        |address| async move { dial(&format!("ws://{address}"), &DialOptions::default()).await.unwrap_err() },
    )
}

#[test]
fn refusals_come_with_the_relays_own_words() {
    match answered(b"HTTP/1.1 409 Conflict\r\nContent-Length: 15\r\n\r\nseat is taken\n\n") {
        DialError::RoomTaken(body) => assert_eq!(body, "seat is taken"),
        other => panic!("{other}"),
    }
    match answered(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 8\r\n\r\n\x1b[2Jbad\n") {
        DialError::Refused { status: 400, body, .. } => assert_eq!(body, "[2Jbad"),
        other => panic!("{other}"),
    }
}

#[test]
fn what_is_no_relay_is_said_clearly() {
    for (answer, expected) in [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>".as_slice(), "is no p2pc relay (200)"),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 6\r\n\r\n<html>", "no rooms at this address (404)"),
        (b"HTTP/1.1 301 Moved\r\nLocation: https://x.example/\r\n\r\n", "301: go to https://x.example/"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "does not answer like a p2pc relay | If it speaks TLS, write wss://"),
        (b"HTTP/1.1 101 X\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n", "something else than a WebSocket"),
        (
            b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n",
            "answer is to another request",
        ),
    ] {
        let said = shown(answered(answer));
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
fn a_relay_that_is_not_there_is_a_relay_error() {
    let closed = listener().1;
    let said = shown(smol::block_on(dial(&format!("ws://{closed}"), &DialOptions::default())).unwrap_err());
    assert!(
        said.contains(&format!("cannot connect to the relay ws://{closed}")) && said.contains("refused"),
        "{said}"
    );
}

fn trusting(ca: &str) -> DialOptions {
    let mut options = DialOptions::default();
    options.ca = Some(vectors::tls(ca));
    options
}

/// Dials a relay with the certificate `leaf` by the name `host`.
fn over_tls(leaf: &'static str, host: &'static str, options: DialOptions) -> Result<(), DialError> {
    served(
        move |stream| async move {
            let config = tls::server_config(&vectors::tls(leaf), None).unwrap();
            if let Ok(stream) = TlsAcceptor::from(config).accept(stream).await {
                echo_once(stream).await;
            }
        },
        move |address| async move {
            let connection = dial(&format!("wss://{host}:{}", address.port()), &options).await?;
            greet(connection).await;
            Ok(())
        },
    )
}

#[test]
fn a_private_authority_is_trusted_when_named() {
    over_tls("p256.pem", "127.0.0.1", trusting("ca.pem")).unwrap();
    over_tls("ed25519.pem", "127.0.0.1", trusting("ca.pem")).unwrap();
    over_tls("self-signed.pem", "127.0.0.1", trusting("self-signed.pem")).unwrap();
}

#[test]
fn certificates_that_do_not_fit_are_told_apart() {
    let said = shown(over_tls("p256.pem", "127.0.0.1", DialOptions::default()).unwrap_err());
    assert!(said.contains("nobody this machine trusts") && said.contains("--ca"), "{said}");
    let said = shown(over_tls("other-name.pem", "127.0.0.1", trusting("ca.pem")).unwrap_err());
    assert!(said.contains("for another name") && said.contains("other.example"), "{said}");
    let said = shown(over_tls("expired.pem", "127.0.0.1", trusting("ca.pem")).unwrap_err());
    assert!(said.contains("has expired"), "{said}");
    let options = trusting("self-signed-ca.pem");
    let said = shown(over_tls("self-signed-ca.pem", "127.0.0.1", options).unwrap_err());
    assert!(said.contains("marked as that of an authority") && said.contains("CA:FALSE"), "{said}");
}

#[test]
fn wss_to_a_plain_relay_says_so() {
    let said = served(
        |mut stream| async move {
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
            let mut sink = Vec::new();
            let _ = stream.read_to_end(&mut sink).await;
        },
        |address| async move { shown(dial(&address.to_string(), &DialOptions::default()).await.unwrap_err()) },
    );
    assert!(said.contains("does not speak TLS") && said.contains("ws://"), "{said}");
}

fn usage_error<T: std::fmt::Debug>(outcome: Result<T, Error>) -> String {
    let error = outcome.unwrap_err();
    assert_eq!(error.kind(), Kind::Usage);
    error.to_string()
}

#[test]
fn certificate_files_that_cannot_be_used_are_usage_errors() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let empty = write("empty.pem", "no PEM here\n");
    let broken = write("broken.pem", "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n");
    let missing = directory.path().join("missing.pem");
    let leaf = vectors::tls("p256.pem");
    for (path, expected) in
        [(&empty, "holds no certificate"), (&broken, "not a proper PEM"), (&missing, "cannot read")]
    {
        let (client, server) =
            (usage_error(tls::client_config(Some(path))), usage_error(tls::server_config(path, None)));
        assert!(client.contains(expected) && server.contains(expected), "{client} {server}");
    }
    assert!(usage_error(tls::server_config(&vectors::tls("ca.pem"), None)).contains("holds no private key"));
    assert!(
        usage_error(tls::server_config(&leaf, Some(&vectors::tls("expired.pem"))))
            .contains("does not belong")
    );
    assert!(tls::server_config(&leaf, Some(&leaf)).is_ok());
}

/// A relay's name that only the proxy could resolve.
const FAR: &str = "ws://relay.test:8080";

fn by(proxy: String) -> DialOptions {
    let mut options = DialOptions::default();
    options.proxies.all_proxy = Some(proxy);
    options
}

/// A proxy that answers CONNECT with `answer`; if that is a success, it is the relay as well.
fn through_connect(userinfo: &'static str, answer: &'static str) -> Result<String, DialError> {
    let (asked_sender, asked) = smol::channel::unbounded();
    served(
        move |mut stream| async move {
            asked_sender.send(read_head(&mut stream).await).await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
            if answer.starts_with("HTTP/1.0 200") {
                echo_once(stream).await;
            }
        },
        move |address| async move {
            greet(dial(FAR, &by(format!("http://{userinfo}{address}"))).await?).await;
            Ok(asked.recv().await.unwrap())
        },
    )
}

#[test]
fn an_http_proxy_opens_a_tunnel() {
    let asked = through_connect("", "HTTP/1.0 200 OK\r\nVia: x\r\n\r\n").unwrap();
    assert!(asked.starts_with("CONNECT relay.test:8080 HTTP/1.1\r\nHost: relay.test:8080\r\n"), "{asked}");
    assert!(!asked.contains("Proxy-Authorization"));
    let asked = through_connect("me:p%40ss@", "HTTP/1.0 200 OK\r\n\r\n").unwrap();
    assert!(asked.contains("Proxy-Authorization: Basic bWU6cEBzcw==\r\n"), "{asked}");
}

#[test]
fn an_http_proxy_that_refuses_is_named_without_its_password() {
    let flood: &'static str = format!("HTTP/1.1 200 OK\r\nX: {}", "y".repeat(20_000)).leak();
    for (userinfo, answer, expected) in [
        (
            "",
            "HTTP/1.1 407 Auth Required\r\n\r\n",
            "wants a user name and password (407 Auth Required) | Write them",
        ),
        ("me:hush@", "HTTP/1.1 407 Auth Required\r\n\r\n", "does not accept the user name and password (407"),
        ("me:hush@", "HTTP/1.1 403 Filtered\r\n\r\n", "does not allow relay.test:8080 (403 Filtered)"),
        ("me:hush@", "HTTP/1.1 401 Unauthorized\r\n\r\n", "does not accept the user name and password (401"),
        ("", "HTTP/1.1 502 Bad Gateway\r\n\r\n", "cannot reach relay.test:8080 (502 Bad Gateway)"),
        ("", "\x05\x00garbage", "does not answer like one"),
        ("", flood, "does not answer like one"),
    ] {
        let said = shown(through_connect(userinfo, answer).unwrap_err());
        assert!(said.contains("the proxy http://127.0.0.1:") && said.contains(expected), "{said}");
        assert!(!said.contains("hush"), "{said}");
    }
}

#[test]
fn a_proxy_that_is_not_there_or_hangs_up_is_named() {
    let closed = listener().1;
    let said = shown(smol::block_on(dial(FAR, &by(format!("http://{closed}")))).unwrap_err());
    assert!(said.contains(&format!("cannot connect to the proxy http://{closed}")), "{said}");
    let said = served(
        |stream| async move { drop(stream) },
        |address| async move { shown(dial(FAR, &by(format!("socks5://{address}"))).await.unwrap_err()) },
    );
    assert!(said.contains("does not open a tunnel to relay.test:8080"), "{said}");
}

#[test]
fn a_proxy_is_spoken_to_over_tls_where_its_address_says_so() {
    served(
        |stream| async move {
            let config = tls::server_config(&vectors::tls("p256.pem"), None).unwrap();
            let mut stream = TlsAcceptor::from(config).accept(stream).await.unwrap();
            read_head(&mut stream).await;
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            stream.flush().await.unwrap();
            // TLS to the relay inside of TLS to the proxy.
            let config = tls::server_config(&vectors::tls("p256.pem"), None).unwrap();
            echo_once(TlsAcceptor::from(config).accept(stream).await.unwrap()).await;
        },
        |address| async move {
            let mut options = trusting("ca.pem");
            options.proxies.https_proxy = Some(format!("https://{address}"));
            greet(dial("relay.test:8443", &options).await.unwrap()).await;
        },
    );
}

/// A SOCKS5 proxy that plays `script`: what it must read, what it then says. After it, it is the relay.
fn through_socks(
    userinfo: &'static str,
    relay: &'static str,
    script: Vec<(&'static [u8], &'static [u8])>,
) -> Result<(), DialError> {
    served(
        |mut stream| async move {
            let mut last = 0;
            for (expected, answer) in script {
                let mut read = vec![0; expected.len()];
                stream.read_exact(&mut read).await.unwrap();
                assert_eq!(read, expected);
                stream.write_all(answer).await.unwrap();
                last = answer[1];
            }
            if last == 0 {
                echo_once(stream).await;
            }
        },
        |address| async move {
            greet(dial(relay, &by(format!("socks5h://{userinfo}{address}"))).await?).await;
            Ok(())
        },
    )
}

const ASK_FAR: &[u8] = b"\x05\x01\x00\x03\x0arelay.test\x1f\x90";

#[test]
fn a_socks_proxy_resolves_the_name_itself() {
    let granted = b"\x05\x00\x00\x01\x7f\x00\x00\x01\x12\x34".as_slice();
    through_socks("", FAR, vec![(b"\x05\x01\x00", b"\x05\x00"), (ASK_FAR, granted)]).unwrap();
    let by_name = b"\x05\x00\x00\x03\x04host\x12\x34".as_slice();
    let script = vec![
        (b"\x05\x02\x00\x02".as_slice(), b"\x05\x02".as_slice()),
        (b"\x01\x02me\x04p@ss", b"\x01\x00"),
        (ASK_FAR, by_name),
    ];
    through_socks("me:p%40ss@", FAR, script).unwrap();
    let v6 = b"\x05\x01\x00\x04\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x50"
        .as_slice();
    let bound_v6 =
        b"\x05\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
            .as_slice();
    through_socks("", "ws://[2001:db8::1]", vec![(b"\x05\x01\x00", b"\x05\x00"), (v6, bound_v6)]).unwrap();
}

#[test]
fn a_socks_proxy_that_refuses_is_named_without_its_password() {
    let greeting = (b"\x05\x01\x00".as_slice(), b"\x05\x00".as_slice());
    for (userinfo, script, expected) in [
        ("", vec![(greeting.0, b"\x05\xff".as_slice())], "wants a user name and password"),
        (
            "me:hush@",
            vec![
                (b"\x05\x02\x00\x02".as_slice(), b"\x05\x02".as_slice()),
                (b"\x01\x02me\x04hush", b"\x01\x01"),
            ],
            "does not accept the user name and password",
        ),
        ("", vec![greeting, (ASK_FAR, b"\x05\x02\x00\x01")], "does not allow relay.test:8080"),
        (
            "",
            vec![greeting, (ASK_FAR, b"\x05\x04\x00\x01")],
            "cannot reach relay.test:8080 (host unreachable)",
        ),
        ("", vec![greeting, (ASK_FAR, b"\x05\x05\x00\x01")], "(connection refused)"),
        ("", vec![greeting, (ASK_FAR, b"\x05\x63\x00\x01")], "(reply 99)"),
        ("", vec![(greeting.0, b"HTTP/1.1 400 Bad Request\r\n\r\n")], "does not answer like one"),
        ("", vec![(greeting.0, b"\x05\x02")], "does not answer like one"),
        ("", vec![greeting, (ASK_FAR, b"\x05\x00\x00\x09")], "does not answer like one"),
    ] {
        let outcome = through_socks_refused(userinfo, script);
        assert!(outcome.contains("the proxy socks5://127.0.0.1:") && outcome.contains(expected), "{outcome}");
        assert!(!outcome.contains("hush"), "{outcome}");
    }
}

fn through_socks_refused(userinfo: &'static str, script: Vec<(&'static [u8], &'static [u8])>) -> String {
    served(
        |mut stream| async move {
            for (expected, answer) in script {
                let mut read = vec![0; expected.len()];
                stream.read_exact(&mut read).await.unwrap();
                assert_eq!(read, expected);
                stream.write_all(answer).await.unwrap();
            }
        },
        |address| async move {
            shown(dial(FAR, &by(format!("socks5h://{userinfo}{address}"))).await.unwrap_err())
        },
    )
}

#[test]
fn loopback_and_exempt_relays_are_dialled_straight_past_a_dead_proxy() {
    let dead = listener().1;
    served(
        |stream| async {
            echo_once(stream).await;
        },
        |address| async move {
            greet(dial(&format!("ws://{address}"), &by(format!("http://{dead}"))).await.unwrap()).await;
        },
    );
}

#[test]
fn malformed_proxies_and_authorities_are_usage_errors_before_any_dial() {
    let error = Dialer::new(&by("ftp://me:hush@proxy".into())).unwrap_err();
    assert!(error.kind() == Kind::Usage && !format!("{error:?}").contains("hush"), "{error}");
    assert_eq!(Dialer::new(&trusting("missing.pem")).unwrap_err().kind(), Kind::Usage);
    assert!(!format!("{:?}", by("http://me:hush@proxy".into())).contains("hush"));
}

#[test]
fn a_room_that_would_change_the_request_is_not_asked_for() {
    let request = RoomRequest { room: "x HTTP/1.1\r\nEvil: 1".into(), ..seat() };
    // The check comes before a byte is sent, but after the connection: so somebody must listen.
    let (open, address) = listener();
    let reachable: RelayUrl = format!("ws://{address}").parse().unwrap();
    let outcome = smol::block_on(Dialer::new(&DialOptions::default()).unwrap().room(&reachable, &request));
    assert!(matches!(outcome, Err(DialError::Failed(error)) if error.kind() == Kind::Internal));
    drop(open);
}

#[test]
fn the_way_to_the_relay_is_gone_beside_other_work() {
    let (came_in, came) = smol::channel::bounded(1);
    served(
        |stream| async move {
            came_in.send(()).await.unwrap();
            echo_once(stream).await;
        },
        |address| async move {
            let dialer = Dialer::new(&DialOptions::default()).unwrap();
            let mut relay = AtRelay::new(&dialer, format!("ws://{address}").parse().unwrap());
            // Work that ends only when the relay was reached; the seat is taken on that connection, the only one there is.
            relay.beside(came.recv()).await.unwrap();
            greet(relay.seat(seat()).await.unwrap()).await;
        },
    );
}

/// A proxy or a relay that was started again let go of it while the key was being made.
#[test]
fn a_way_that_ended_meanwhile_is_gone_once_more() {
    let (listener, address) = listener();
    let (gone_in, gone) = smol::channel::bounded(1);
    smol::block_on(async {
        let server = async {
            drop(listener.accept().await.unwrap());
            gone_in.send(()).await.unwrap();
            echo_once(listener.accept().await.unwrap().0).await;
            future::pending::<()>().await;
        };
        let client = async {
            let dialer = Dialer::new(&DialOptions::default()).unwrap();
            let mut relay = AtRelay::new(&dialer, format!("ws://{address}").parse().unwrap());
            relay.beside(gone.recv()).await.unwrap();
            greet(relay.seat(seat()).await.unwrap()).await;
        };
        future::or(client, server).await;
    });
}

#[test]
fn a_way_that_leads_nowhere_is_told_of_when_the_seat_is_taken() {
    let (listener, address) = listener();
    drop(listener);
    smol::block_on(async {
        let dialer = Dialer::new(&DialOptions::default()).unwrap();
        let mut relay = AtRelay::new(&dialer, format!("ws://{address}").parse().unwrap());
        relay.beside(smol::future::yield_now()).await;
        assert!(
            shown(relay.seat(seat()).await.unwrap_err()).starts_with("cannot connect to the relay ws://")
        );
    });
}

#[test]
fn a_further_connection_resumes_the_session_of_tls() {
    let (listener, address) = listener();
    let options = trusting("ca.pem");
    let acceptor = TlsAcceptor::from(tls::server_config(&vectors::tls("p256.pem"), None).unwrap());
    smol::block_on(async {
        let dialer = Dialer::new(&options).unwrap();
        for kind in [HandshakeKind::Full, HandshakeKind::Resumed, HandshakeKind::Resumed] {
            let server = async {
                let stream = acceptor.accept(listener.accept().await.unwrap().0).await.unwrap();
                assert_eq!(stream.get_ref().1.handshake_kind(), Some(kind));
                echo_once(stream).await;
            };
            let client = async {
                let relay = format!("wss://127.0.0.1:{}", address.port()).parse().unwrap();
                greet(dialer.room(&relay, &seat()).await.unwrap()).await;
            };
            future::zip(server, client).await;
        }
    });
}

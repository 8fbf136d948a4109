//! A relay as whoever runs it sees it: how it drains, and what its measurements say.

mod exposition;

use std::net::SocketAddr;
use std::time::Duration;

use async_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use async_tungstenite::tungstenite::{Error, Message};
use futures_lite::future::zip;
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use p2pc::events::Cancel;
use p2pc::relay::{Relay, RelayOptions};
use smol::net::TcpStream;

use super::relay::{join, next_binary, next_close, plain};
use exposition::Exposition;

/// A relay that is told to drain, or to end, by the story. The story ends before the relay does, or after.
fn with_relay<F: Future<Output = ()>>(
    options: RelayOptions,
    story: impl FnOnce(SocketAddr, Vec<SocketAddr>, Cancel, Cancel) -> F,
) {
    smol::block_on(async {
        let relay = Relay::bind(options).await.unwrap();
        let (drain, cancel) = (Cancel::new(), Cancel::new());
        let told = story(relay.addresses()[0], relay.metrics_addresses(), drain.clone(), cancel.clone());
        let ((), ended) = zip(told, relay.run_draining(drain, cancel)).await;
        ended.unwrap();
    });
}

fn draining(patience: Duration) -> RelayOptions {
    plain().drain(patience)
}

/// Longer than any test.
const LONG: Duration = Duration::from_secs(3600);

/// The whole answer to an ordinary request.
async fn ask(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

async fn get(address: SocketAddr, path: &str) -> String {
    ask(address, &format!("GET {path} HTTP/1.1\r\nHost: relay\r\n\r\n")).await
}

#[test]
fn a_relay_that_drains_lets_pairs_finish_and_nobody_in() {
    with_relay(draining(LONG), |address, _, drain, _| async move {
        let mut waiting = join(address, "other?role=send").await.unwrap();
        let mut sender = join(address, "r?role=send").await.unwrap();
        let mut receiver = join(address, "r?role=receive").await.unwrap();
        assert!(get(address, "/healthz").await.starts_with("HTTP/1.1 200 OK\r\n"));
        drain.cancel();
        assert_eq!(next_close(&mut waiting).await, CloseCode::Away);
        let health = get(address, "/healthz").await;
        assert!(health.starts_with("HTTP/1.1 503 ") && health.contains("\r\nRetry-After: "), "{health}");
        let Err(Error::Http(refused)) = join(address, "other?role=receive").await else { panic!("let in") };
        assert_eq!(refused.status(), 503);
        assert!(refused.headers().contains_key("Retry-After"));
        // The pair goes on as if nothing were, and the relay ends with it.
        sender.send(Message::binary("still here")).await.unwrap();
        assert_eq!(next_binary(&mut receiver).await, "still here");
        receiver.close(None).await.unwrap();
        assert_eq!(next_close(&mut sender).await, CloseCode::Normal);
    });
}

#[test]
fn when_the_time_to_drain_is_over_pairs_are_told_to_meet_elsewhere() {
    with_relay(draining(Duration::from_millis(1)), |address, _, drain, _| async move {
        let mut sender = join(address, "r?role=send").await.unwrap();
        let mut receiver = join(address, "r?role=receive").await.unwrap();
        drain.cancel();
        assert_eq!(next_close(&mut sender).await, CloseCode::Away);
        assert_eq!(next_close(&mut receiver).await, CloseCode::Away);
    });
}

#[test]
fn a_relay_without_sessions_drains_at_once_and_one_that_drains_can_be_ended() {
    with_relay(draining(LONG), |_, _, drain, _| async move { drain.cancel() });
    with_relay(draining(LONG), |address, _, drain, cancel| async move {
        let mut sender = join(address, "r?role=send").await.unwrap();
        let _receiver = join(address, "r?role=receive").await.unwrap();
        drain.cancel();
        while get(address, "/healthz").await.starts_with("HTTP/1.1 200") {}
        cancel.cancel();
        assert_eq!(next_close(&mut sender).await, CloseCode::Away);
    });
}

fn measured() -> RelayOptions {
    plain().metrics("127.0.0.1:0".parse().unwrap())
}

async fn measurements(address: SocketAddr) -> Exposition {
    let answer = get(address, "/metrics").await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(head.contains("\r\nContent-Type: text/plain; version=0.0.4"), "{head}");
    assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", body.len())), "{head}");
    Exposition::parse(body)
}

/// Waits until a value is what it should be: what ends is counted a moment later.
async fn reaches(address: SocketAddr, sample: &str, value: &str) {
    while measurements(address).await.value(sample) != value {}
}

#[test]
fn measurements_follow_a_session_and_a_refusal() {
    with_relay(measured(), |address, metrics, _, cancel| async move {
        let at = metrics[0];
        let before = measurements(at).await;
        for sample in
            ["p2pc_relay_rooms{state=\"waiting\"}", "p2pc_relay_sessions_total", "p2pc_relay_draining"]
        {
            assert_eq!(before.value(sample), "0", "{sample}");
        }
        let mut sender = join(address, "r?role=send").await.unwrap();
        assert_eq!(measurements(at).await.value("p2pc_relay_rooms{state=\"waiting\"}"), "1");
        assert!(join(address, "r?role=send").await.is_err());
        reaches(at, "p2pc_relay_refusals_total{reason=\"taken\"}", "1").await;
        get(address, "/nothing").await;
        reaches(at, "p2pc_relay_refusals_total{reason=\"not_found\"}", "1").await;
        let mut receiver = join(address, "r?role=receive").await.unwrap();
        let now = measurements(at).await;
        assert_eq!(now.value("p2pc_relay_rooms{state=\"waiting\"}"), "0");
        assert_eq!(now.value("p2pc_relay_rooms{state=\"joined\"}"), "1");
        sender.send(Message::binary(vec![7; 1000])).await.unwrap();
        next_binary(&mut receiver).await;
        receiver.close(None).await.unwrap();
        next_close(&mut sender).await;
        drop((sender, receiver));
        reaches(at, "p2pc_relay_sessions_closed_total{reason=\"left\"}", "1").await;
        reaches(at, "p2pc_relay_connections", "0").await;
        let after = measurements(at).await;
        // The message with its header and mask, and a goodbye.
        assert_eq!(after.value("p2pc_relay_bytes_total{from=\"sender\"}"), "1008");
        assert_eq!(after.value("p2pc_relay_bytes_total{from=\"receiver\"}"), "6");
        for (sample, value) in [
            ("p2pc_relay_rooms{state=\"joined\"}", "0"),
            ("p2pc_relay_sessions_total", "1"),
            ("p2pc_relay_connections_total", "4"),
            ("p2pc_relay_session_seconds_count", "1"),
            ("p2pc_relay_waiting_seconds_count", "1"),
            ("p2pc_relay_session_seconds_bucket{le=\"+Inf\"}", "1"),
        ] {
            assert_eq!(after.value(sample), value, "{sample}");
        }
        cancel.cancel();
    });
}

#[test]
fn broken_tls_is_counted() {
    let cert = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/localhost.pem");
    let options = measured().tls(p2pc::relay::TlsFiles::new(cert, None));
    with_relay(options, |address, metrics, _, cancel| async move {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        reaches(metrics[0], "p2pc_relay_tls_failures_total", "1").await;
        cancel.cancel();
    });
}

#[test]
fn only_measurements_are_given_out_there_and_to_a_few_at_once() {
    with_relay(measured(), |_, metrics, _, cancel| async move {
        let at = metrics[0];
        assert!(get(at, "/").await.starts_with("HTTP/1.1 404 "));
        assert!(get(at, "/v1/room/r").await.starts_with("HTTP/1.1 404 "));
        assert!(ask(at, "POST /metrics HTTP/1.1\r\n\r\n").await.starts_with("HTTP/1.1 405 "));
        assert!(ask(at, "nonsense\r\n\r\n").await.starts_with("HTTP/1.1 400 "));
        // Eight that say nothing, and one more: that one is closed at once.
        let mut silent = Vec::new();
        for _ in 0..8 {
            silent.push(TcpStream::connect(at).await.unwrap());
        }
        let mut over = TcpStream::connect(at).await.unwrap();
        assert_eq!(over.read(&mut [0]).await.unwrap(), 0);
        drop(silent);
        // When they have gone there is room again.
        loop {
            let mut stream = TcpStream::connect(at).await.unwrap();
            let _ = stream.write_all(b"GET /metrics HTTP/1.1\r\n\r\n").await;
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer).await;
            if answer.starts_with(b"HTTP/1.1 200 OK") {
                break;
            }
        }
        cancel.cancel();
    });
}

#[test]
fn the_measurements_in_the_page_are_those_that_are_given_out() {
    with_relay(measured(), |_, metrics, _, cancel| async move {
        let real = measurements(metrics[0]).await;
        let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/relay.md")).unwrap();
        let (_, table) = page.split_once("<!-- metrics -->\n").unwrap();
        let rows = table.lines().skip_while(|line| line.is_empty()).take_while(|line| line.starts_with('|'));
        let told: Vec<(String, String)> = rows
            .skip(2)
            .map(|row| {
                let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
                (cells[0].trim_matches('`').to_owned(), cells[1].to_owned())
            })
            .collect();
        if cfg!(target_os = "linux") {
            assert_eq!(told, real.families());
        } else {
            assert!(real.families().iter().all(|family| told.contains(family)));
        }
        let (_, words) = page.split_once("<!-- reasons -->\n").unwrap();
        let words = words.split("\n\n").next().unwrap();
        let words: std::collections::BTreeSet<&str> = words.split('`').skip(1).step_by(2).collect();
        assert_eq!(words, real.label_values("reason"));
        cancel.cancel();
    });
}

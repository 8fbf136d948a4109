//! The shaping proxy of `benches/` keeps its word; and over it, how often the two sides wait for each other before the first data.

#[path = "../../benches/shaper/proxy.rs"]
mod proxy;
#[path = "../../benches/shaper/tcp.rs"]
mod tcp;

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use futures_lite::future;
use p2pc::events::{Answer, Event, Handler, Question};
use p2pc::net::dial::DialOptions;
use p2pc::{Cancel, Code, ReceiveOptions, Relay, RelayOptions, SendOptions};

use proxy::Line;
use tcp::{Flow, Manners, Wire};

const ANY_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

fn manners(delay_ms: u64) -> Manners {
    Manners {
        delay: Duration::from_millis(delay_ms),
        rate: None,
        queue: Duration::from_millis(100),
        lost: 0.0,
        seed: 1,
    }
}

/// How long a flow takes for so many bytes, by its own clock.
fn takes(manners: Manners, bytes: u64) -> Duration {
    let (mut wire, mut flow) = (Wire::new(manners), Flow::new(manners, Duration::ZERO));
    let (mut now, mut left, mut arrived) = (Duration::ZERO, bytes, Duration::ZERO);
    while left > 0 {
        if let Some(until) = wire.full_until(now) {
            now = until;
        }
        match flow.room(now) {
            Ok(room) => {
                let bytes = room.min(left).min(64 << 10);
                arrived = flow.send(&mut wire, bytes, now);
                left -= bytes;
            }
            Err(until) => now = until,
        }
    }
    arrived
}

#[test]
fn a_flow_begins_slowly_and_then_fills_the_line() {
    let line = Manners { rate: Some(25_000_000), ..manners(25) };
    assert_eq!(takes(line, 1000), Duration::from_micros(25_040));
    // 10 + 20 + 40 + 80 packets take four round trips, the last of them one way.
    let slow = takes(line, 150 * 1448).as_millis();
    assert!((175..195).contains(&slow), "{slow}");
    let full = takes(line, 100_000_000).as_secs_f64();
    assert!((4.0..4.6).contains(&full), "{full}");
}

#[test]
fn losses_cost_a_single_flow_most_of_a_long_line() {
    let line = |lost| Manners { rate: Some(25_000_000), lost, ..manners(25) };
    let bytes = 32 << 20;
    let [none, few, many] = [0.0, 0.0003, 0.003].map(|lost| takes(line(lost), bytes).as_secs_f64());
    assert!(none * 1.5 < few && few * 1.5 < many, "{none} {few} {many}");
    assert_eq!(takes(line(0.003), bytes), takes(line(0.003), bytes), "the same seed");
    // Mathis and others: packets and square roots.
    let expected = bytes as f64 / (1448.0 / 0.05 * 1.22 / 0.003f64.sqrt());
    assert!((expected * 0.5..expected * 2.0).contains(&many), "{many} instead of {expected}");
}

#[test]
fn bytes_come_through_whole_and_late_and_no_faster_than_the_line() {
    let echo = TcpListener::bind(ANY_PORT).unwrap();
    let goal = echo.local_addr().unwrap();
    std::thread::spawn(move || {
        let (stream, _) = echo.accept().unwrap();
        std::io::copy(&mut &stream, &mut &stream).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
    });
    let line = Manners { rate: Some(2_000_000), ..manners(20) };
    let line = Line::open(ANY_PORT, goal, line, |_| {}).unwrap();
    let began = Instant::now();
    let stream = TcpStream::connect(line.address).unwrap();
    let sent: Vec<u8> = (0..400_000u32).map(|at| (at % 251) as u8).collect();
    let writing = {
        let (mut stream, sent) = (stream.try_clone().unwrap(), sent.clone());
        std::thread::spawn(move || {
            stream.write_all(&sent).unwrap();
            stream.shutdown(std::net::Shutdown::Write).unwrap();
        })
    };
    let mut came = Vec::new();
    (&stream).read_to_end(&mut came).unwrap();
    writing.join().unwrap();
    assert!(came == sent);
    // A round trip to connect, one there and back, and a fifth of a second of line.
    assert!(began.elapsed() >= Duration::from_millis(80 + 200), "{:?}", began.elapsed());
}

/// Bytes a second out of a line, once its flow has filled it.
fn measured_rate(manners: Manners, bytes: usize) -> f64 {
    let source = TcpListener::bind(ANY_PORT).unwrap();
    let line = Line::open(ANY_PORT, source.local_addr().unwrap(), manners, |_| {}).unwrap();
    std::thread::spawn(move || source.accept().unwrap().0.write_all(&vec![7; bytes]).unwrap());
    let mut stream = TcpStream::connect(line.address).unwrap();
    let (mut buffer, mut came, mut full_from) = (vec![0; 64 << 10], 0, None);
    loop {
        match stream.read(&mut buffer).unwrap() {
            0 => break,
            read => came += read,
        }
        if came > bytes / 4 {
            full_from.get_or_insert((Instant::now(), came));
        }
    }
    assert_eq!(came, bytes);
    let (began, before) = full_from.unwrap();
    (came - before) as f64 / began.elapsed().as_secs_f64()
}

/// The shortest of some round trips over a line whose connection stands.
fn measured_round_trip(manners: Manners) -> Duration {
    let echo = TcpListener::bind(ANY_PORT).unwrap();
    let line = Line::open(ANY_PORT, echo.local_addr().unwrap(), manners, |_| {}).unwrap();
    std::thread::spawn(move || {
        let (stream, _) = echo.accept().unwrap();
        stream.set_nodelay(true).unwrap();
        std::io::copy(&mut &stream, &mut &stream).unwrap();
    });
    let mut stream = TcpStream::connect(line.address).unwrap();
    stream.set_nodelay(true).unwrap();
    let round_trips = (0..8).map(|_| {
        let began = Instant::now();
        stream.write_all(b"?").unwrap();
        stream.read_exact(&mut [0]).unwrap();
        began.elapsed()
    });
    round_trips.min().unwrap()
}

#[test]
fn the_proxy_is_as_fast_and_as_far_as_it_is_told_to_be() {
    let delay = Duration::from_millis(20);
    let round_trip = measured_round_trip(Manners { rate: Some(25_000_000), delay, ..manners(0) });
    assert!(round_trip >= delay * 2, "{round_trip:?}");
    assert!(round_trip < delay * 2 + Duration::from_millis(5), "{round_trip:?}");
    for rate in [5_000_000, 25_000_000] {
        let line = Manners { rate: Some(rate), ..manners(5) };
        // Never faster; and of a machine that is busy the best of some tries counts.
        let shares = (0..5).map(|_| measured_rate(line, rate as usize / 2) / rate as f64);
        let mut tried = Vec::new();
        for share in shares {
            assert!(share < 1.1, "{share} of {rate}");
            tried.push(share);
            if share > 0.95 {
                break;
            }
        }
        assert!(tried.last().is_some_and(|share| *share > 0.95), "{tried:?} of {rate}");
    }
}

/// Says yes to nothing, because nothing is asked.
struct Silent(smol::channel::Sender<()>);

impl Handler for Silent {
    fn event(&self, event: Event) {
        if let Event::CodeReady { .. } | Event::Waiting { .. } = event {
            let _ = self.0.try_send(());
        }
    }

    fn ask(&self, _: Question) -> Answer<'_> {
        Box::pin(future::ready(false))
    }
}

/// From the second side's start until file contents are there, in times that something takes from one machine to the next.
fn hops_before_data(directory: &Path) -> f64 {
    let delay = Duration::from_millis(HOP_MS);
    let source = directory.join("data");
    std::fs::write(&source, crate::cutting::Chance::new(5).bytes(DATA_BYTES)).unwrap();
    let (first_in, first) = smol::channel::bounded(1);
    smol::block_on(async {
        let relay = Relay::bind(RelayOptions { listen: vec![ANY_PORT.into()], ..RelayOptions::default() });
        let relay = relay.await.unwrap();
        let goal = relay.addresses()[0];
        let stop = Cancel::new();
        let running = relay.run(stop.clone());
        // When how much came to the receiver.
        let (came_in, came) = std::sync::mpsc::channel();
        let came_in = move |bytes| came_in.send((Instant::now(), bytes)).unwrap_or_default();
        let legs = [
            Line::open(ANY_PORT, goal, manners(HOP_MS), |_| {}).unwrap(),
            Line::open(ANY_PORT, goal, manners(HOP_MS), came_in).unwrap(),
        ];
        let dial = |leg: &Line| DialOptions {
            relay: Some(format!("ws://{}", leg.address).parse().unwrap()),
            ..DialOptions::default()
        };
        let (sender, receiver) = (Silent(first_in.clone()), Silent(first_in));
        let code = Code::parse("48213-acid-crane-otter", false).unwrap().0;
        let sending =
            SendOptions { dial: dial(&legs[0]), code: Some(code.clone()), ..SendOptions::new([source]) };
        let out = directory.join("out");
        let receiving =
            ReceiveOptions { dial: dial(&legs[1]), yes: true, ..ReceiveOptions::new(Some(code), out) };
        let sending = p2pc::send(sending, &sender, Cancel::new());
        let receiving = async {
            first.recv().await.unwrap();
            let began = Instant::now();
            p2pc::receive(receiving, &receiver, Cancel::new()).await.unwrap();
            let mut total = 0;
            let data = came.try_iter().find(|(_, bytes)| {
                total += bytes;
                total >= DATA_BYTES / 2
            });
            data.unwrap().0.duration_since(began).as_secs_f64() / delay.as_secs_f64()
        };
        let both = async {
            let (sent, hops) = future::zip(sending, receiving).await;
            sent.unwrap();
            stop.cancel();
            hops
        };
        Box::pin(future::zip(running, both)).await.1
    })
}

#[test]
fn the_first_data_waits_for_two_round_trips_to_the_relay_and_two_between_the_peers() {
    // Of a machine that is busy the best of some tries counts.
    let hops = (0..5).map(|_| hops_before_data(tempfile::tempdir().unwrap().path()));
    let mut tried = Vec::new();
    for hops in hops {
        // To connect and to upgrade: four hops. What the peers say to each other goes over both legs: eight.
        assert!(hops >= 12.0, "{hops}: the line is not as long as it should be");
        if hops < 13.0 {
            return;
        }
        tried.push(hops);
    }
    panic!("{tried:?} hops instead of 12");
}

/// How long something takes from one machine to the next. Long enough that what the machines do themselves is little beside it.
const HOP_MS: u64 = 80;

/// Fewer than what TCP sends at first.
const DATA_BYTES: usize = 10_000;

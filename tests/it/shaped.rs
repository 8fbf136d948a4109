//! The shaping proxy of `benches/` keeps its word; and over it, how often the two sides wait for each other
//! before the first data.

#[path = "../../benches/shaper/proxy.rs"]
mod proxy;
#[path = "../../benches/shaper/tcp.rs"]
mod tcp;

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use futures_lite::future;
use p2pc::events::{Answer, Event, Handler, Question};
use p2pc::net::dial::DialOptions;
use p2pc::relay::TlsFiles;
use p2pc::{Cancel, Code, ReceiveOptions, Relay, RelayOptions, SendOptions};

use crate::cutting::Chance;
use crate::vectors;
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

/// Somebody at one of the ends.
struct Person {
    waits: smol::channel::Sender<()>,
    thinks: Duration,
    /// The most lanes that there were.
    lanes: AtomicU8,
}

impl Person {
    fn new(waits: smol::channel::Sender<()>) -> Person {
        Person { waits, thinks: Duration::ZERO, lanes: AtomicU8::new(1) }
    }
}

impl Handler for Person {
    fn event(&self, event: Event) {
        match event {
            Event::CodeReady { .. } | Event::Waiting { .. } => drop(self.waits.try_send(())),
            Event::Lanes(lanes) => drop(self.lanes.fetch_max(lanes, Ordering::Relaxed)),
            _ => {}
        }
    }

    fn ask(&self, _: Question) -> Answer<'_> {
        Box::pin(async {
            smol::Timer::after(self.thinks).await;
            true
        })
    }
}

/// Two sides, each behind its own line to a relay.
struct Ends {
    legs: [Line; 2],
    is_tls: bool,
}

impl Ends {
    /// `came`: what is told of what comes to the receiver.
    async fn new(
        is_tls: bool,
        manners: Manners,
        came: impl Fn(usize) + Send + Sync + 'static,
    ) -> (Ends, Relay) {
        let mut options = RelayOptions::new(ANY_PORT.into());
        options.tls = is_tls.then(|| TlsFiles::new(vectors::tls("p256.pem"), None));
        let relay = Relay::bind(options).await.unwrap();
        let goal = relay.addresses()[0];
        let legs = [
            Line::open(ANY_PORT, goal, manners, |_| {}).unwrap(),
            Line::open(ANY_PORT, goal, manners, came).unwrap(),
        ];
        (Ends { legs, is_tls }, relay)
    }

    fn dial(&self, leg: usize) -> DialOptions {
        let scheme = if self.is_tls { "wss" } else { "ws" };
        let url = format!("{scheme}://{}", self.legs[leg].address);
        let mut options = DialOptions::default();
        options.relay = Some(url.parse().unwrap());
        options.ca = self.is_tls.then(|| vectors::tls("ca.pem"));
        options
    }

    fn sends(&self, source: PathBuf) -> SendOptions {
        let mut options = SendOptions::new([source]).code(code());
        options.dial = self.dial(0);
        options
    }

    fn receives(&self, out: PathBuf) -> ReceiveOptions {
        let mut options = ReceiveOptions::new(Some(code()), out);
        options.dial = self.dial(1);
        options
    }
}

fn code() -> Code {
    Code::parse("48213-acid-crane-otter", false).unwrap().0
}

/// From the second side's start until file contents are there, in times that something takes from one machine
/// to the next.
fn hops_before_data(is_tls: bool) -> f64 {
    let directory = tempfile::tempdir().unwrap();
    let source = directory.path().join("data");
    std::fs::write(&source, Chance::new(5).bytes(DATA_BYTES)).unwrap();
    smol::block_on(async {
        // When how much came to the receiver.
        let (came_in, came) = std::sync::mpsc::channel();
        let came_in = move |bytes| came_in.send((Instant::now(), bytes)).unwrap_or_default();
        let (ends, relay) = Ends::new(is_tls, manners(HOP_MS), came_in).await;
        let (first_in, first) = smol::channel::bounded(1);
        let (sender, receiver) = (Person::new(first_in.clone()), Person::new(first_in));
        let sending = p2pc::send(ends.sends(source), &sender, Cancel::new());
        let receiving = ends.receives(directory.path().join("out")).yes();
        let receiving = async {
            first.recv().await.unwrap();
            let began = Instant::now();
            p2pc::receive(receiving, &receiver, Cancel::new()).await.unwrap();
            let mut total = 0;
            let data = came.try_iter().find(|(_, bytes)| {
                total += bytes;
                total >= DATA_BYTES / 2
            });
            data.unwrap().0.duration_since(began).as_secs_f64() / Duration::from_millis(HOP_MS).as_secs_f64()
        };
        let stop = Cancel::new();
        let running = relay.run(stop.clone());
        let both = async {
            let (sent, hops) = Box::pin(future::zip(sending, receiving)).await;
            sent.unwrap();
            stop.cancel();
            hops
        };
        Box::pin(future::zip(running, both)).await.1
    })
}

/// That there are `least` hops before the first data, and no more.
fn has_hops(is_tls: bool, least: f64) {
    // Of a machine that is busy the best of some tries counts.
    let mut tried = Vec::new();
    for hops in (0..5).map(|_| hops_before_data(is_tls)) {
        assert!(hops >= least, "{hops}: the line is not as long as it should be");
        if hops < least + 1.0 {
            return;
        }
        tried.push(hops);
    }
    panic!("{tried:?} hops instead of {least}");
}

#[test]
fn the_first_data_waits_for_two_round_trips_to_the_relay_and_two_between_the_peers() {
    // To connect and to upgrade: four hops. What the peers say to each other goes over both legs: eight.
    has_hops(false, 12.0);
}

#[test]
fn tls_adds_one_round_trip_to_the_relay() {
    has_hops(true, 14.0);
}

/// The most lanes that a transfer has whose receiver's person is asked.
fn lanes_after_a_thought(manners: Manners) -> u8 {
    let directory = tempfile::tempdir().unwrap();
    let (source, out) = (directory.path().join("data"), directory.path().join("out"));
    let bytes = Chance::new(5).bytes(MANY_BYTES);
    std::fs::write(&source, &bytes).unwrap();
    let lanes = smol::block_on(async {
        let (ends, relay) = Ends::new(false, manners, |_| {}).await;
        let (first_in, first) = smol::channel::bounded(1);
        let sender = Person::new(first_in.clone());
        let receiver = Person { thinks: THINKS, ..Person::new(first_in) };
        let sending = p2pc::send(ends.sends(source), &sender, Cancel::new());
        let receiving = async {
            first.recv().await.unwrap();
            p2pc::receive(ends.receives(out.clone()), &receiver, Cancel::new()).await.unwrap();
        };
        let stop = Cancel::new();
        let running = relay.run(stop.clone());
        let both = async {
            Box::pin(future::zip(sending, receiving)).await.0.unwrap();
            stop.cancel();
        };
        Box::pin(future::zip(running, both)).await.0.unwrap();
        sender.lanes.load(Ordering::Relaxed)
    });
    assert!(std::fs::read(out.join("data")).unwrap() == bytes);
    lanes
}

#[test]
fn how_long_a_person_thinks_says_nothing_of_how_far_away_they_are() {
    let line = |delay_ms| Manners { rate: Some(MANY_BYTES as u64), ..manners(delay_ms) };
    assert_eq!(lanes_after_a_thought(line(0)), 1);
    assert_eq!(lanes_after_a_thought(line(15)), 4);
}

/// How long something takes from one machine to the next. Long enough that what the machines do themselves is
/// little beside it.
const HOP_MS: u64 = 80;

/// Fewer than what TCP sends at first.
const DATA_BYTES: usize = 10_000;

/// So many that, to somebody far away, there are several lanes from the beginning. They take a second, in
/// which nobody yet knows what lanes bring.
const MANY_BYTES: usize = 5 << 20;

/// Far longer than any way there and back, and than anything is done ahead of an answer.
const THINKS: Duration = Duration::from_millis(1500);

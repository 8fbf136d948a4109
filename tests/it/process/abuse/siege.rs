//! A relay that several attackers are at, with an honest pair in it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::super::Relay;
use super::super::program::PATIENCE;
use super::super::scene::until;
use super::super::tls::vector;
use super::raw::Raw;
use crate::load::client::Dial;
use crate::load::crowd::{Busy, Crowd};
use crate::relay::get;

/// What the attackers share.
pub struct Siege {
    pub address: SocketAddr,
    over: AtomicBool,
    tickets: AtomicU64,
    acts: AtomicU64,
    seats: AtomicU64,
    kept: Mutex<Vec<Raw>>,
}

/// Attacks a relay with these options, on several threads again and again, until that has had its effect `acts` times and for a while longer.
/// How often an address connects is not limited unless they say so: whatever else is attacked would hardly be reached.
pub fn withstands(options: &[&str], acts: u64, attack: impl Fn(&Siege, u8) + Sync) -> Siege {
    let unlimited: &[&str] = if options.contains(&ARRIVALS) { &[] } else { &[ARRIVALS, "0"] };
    let relay = Relay::with(&[&["--listen", "127.0.0.1:0"], unlimited, options].concat());
    let siege = Siege {
        address: relay.address(),
        over: AtomicBool::new(false),
        tickets: AtomicU64::new(0),
        acts: AtomicU64::new(0),
        seats: AtomicU64::new(0),
        kept: Mutex::default(),
    };
    let honest = Honest::pair(siege.address, relay.url.starts_with("wss://"));
    let (before, memory) = (honest.rate(), relay.program.peak_memory().unwrap());
    let during = std::thread::scope(|scope| {
        for number in 0..ATTACKERS {
            let (siege, attack) = (&siege, &attack);
            scope.spawn(move || {
                let _ends = Ends(siege);
                while !siege.is_over() {
                    attack(siege, number);
                }
            });
        }
        let _ends = Ends(&siege);
        siege.wait_for(acts);
        honest.rate()
    });
    let grown = relay.program.peak_memory().unwrap() - memory;
    println!("{during:.0} instead of {before:.0} bytes a second, {grown} bytes more memory");
    assert!(during > before / 2.0, "{during} instead of {before} bytes a second");
    honest.heard.are_well().unwrap();
    assert!(grown < MEMORY_MAX, "it took {grown} bytes more");
    // Its attackers have gone, and it is as it was.
    siege.kept.lock().unwrap().clear();
    if relay.url.starts_with("ws://") {
        until("it is not well", || smol::block_on(get(siege.address, "/healthz")) == "ok\n");
    }
    drop(honest);
    super::ends_well(relay.program);
    siege
}

impl Siege {
    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// A number that nobody else has.
    pub fn ticket(&self) -> u64 {
        self.tickets.fetch_add(1, Ordering::Relaxed)
    }

    /// How often it had its effect.
    fn acts(&self) -> u64 {
        self.acts.load(Ordering::Relaxed)
    }

    pub fn count_many(&self, acts: usize) {
        self.acts.fetch_add(acts as u64, Ordering::Relaxed);
    }

    /// Counts one that went as it has to. One that is cut off by the end of the siege does not count.
    pub fn count_if(&self, went_as_expected: bool) {
        assert!(went_as_expected || self.is_over(), "the relay answered otherwise");
        self.count_many(1);
    }

    /// Somebody got a seat.
    pub fn note_seat(&self) {
        self.seats.fetch_add(1, Ordering::Relaxed);
    }

    pub fn seats(&self) -> u64 {
        self.seats.load(Ordering::Relaxed)
    }

    /// Keeps connections open until the siege is over.
    pub fn keep(&self, connections: Vec<Raw>) {
        self.kept.lock().unwrap().extend(connections);
    }

    fn wait_for(&self, acts: u64) {
        let began = Instant::now();
        while self.acts() < acts {
            assert!(!self.is_over(), "an attacker has failed");
            assert!(began.elapsed() < PATIENCE, "only {} of {acts}", self.acts());
            breathe(5);
        }
    }
}

/// What is slow on purpose: so many milliseconds between two of an attacker's acts, or two looks at them.
pub fn breathe(ms: u64) {
    std::thread::sleep(Duration::from_millis(ms));
}

/// Whoever ends, ends it for all: nobody shall attack for ever because somebody else has failed.
struct Ends<'s>(&'s Siege);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.over.store(true, Ordering::Relaxed);
    }
}

/// A pair that says so much a second as leaves the machine idle, if nobody else is there.
struct Honest {
    heard: Busy,
    _said: Busy,
    _crowd: Crowd,
}

impl Honest {
    fn pair(address: SocketAddr, tls: bool) -> Honest {
        let crowd = Crowd::gather(1);
        let authority = tls.then(|| PathBuf::from(vector("ca.pem")));
        let dial = Dial::new(address, authority.as_deref()).unwrap();
        let senders = crowd.join(&dial, 1, "send").unwrap();
        let receivers = crowd.join(&dial, 1, "receive").unwrap();
        let heard = crowd.listen(receivers);
        let said = crowd.speak_at(senders, PACE);
        heard.until(1, PATIENCE).unwrap();
        Honest { heard, _said: said, _crowd: crowd }
    }

    /// What comes through now, in bytes a second.
    fn rate(&self) -> f64 {
        let (began, count) = (Instant::now(), self.heard.count());
        std::thread::sleep(MEASURED);
        (self.heard.count() - count) as f64 / began.elapsed().as_secs_f64()
    }
}

/// How often an address connects.
pub const ARRIVALS: &str = "--address-arrivals";

const ATTACKERS: u8 = 4;

/// 160 Mbit/s: more than most lines carry.
const PACE: f64 = 20e6;

/// How long a rate is measured.
const MEASURED: Duration = Duration::from_millis(1000);

/// What a relay may take for all attackers together, whatever they do: some buffers for each of their connections.
const MEMORY_MAX: u64 = 48 << 20;

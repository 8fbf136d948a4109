//! The relay's limits, each beside its reason. Times are milliseconds on the relay's own clock.

use std::time::Duration;

use crate::proto::limits::KEEPALIVE_MS;
use crate::proto::pace::Rate;

/// What whoever runs a relay can choose. The defaults suit a machine with 1 GiB of memory: begin with them, and change fields.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Connections of all kinds. Beside this, some file descriptors are always kept free.
    pub connections: usize,
    /// Rooms in which one side waits: about 5 KiB each, 16 KiB with TLS; 12 and 31 KiB if it says all it can.
    pub waiting: usize,
    /// Rooms in which two sides are joined: about 150 KiB each, 300 KiB with TLS, and 504 KiB if neither
    /// reads what the other says. Every lane of a transfer is one.
    pub sessions: usize,
    /// Rooms in all.
    pub rooms: usize,
    /// Connections of one address at a time; `None`: any number. Several people may be behind one address, each with 16 lanes.
    pub address_connections: Option<u32>,
    /// Connections that one address begins in a minute; `None`: any number. One over it is closed before TLS, which costs a relay more than
    /// anything else that a stranger can ask for: some 0.2 ms each. Four times the seats, so that who asks again and again gets an answer.
    pub address_arrivals: Option<u32>,
    /// Seats that one address asks for in a minute; `None`: any number. Who walks the 90,000 rooms of generated codes to burn them is slowed
    /// down by it: whatever the answer is, each costs a seat, so one address is through them in two and a half hours, and needs three more seats
    /// wherever somebody waits.
    pub address_joins: Option<u32>,
    /// Rooms that one address opens in a minute; `None`: any number.
    pub address_rooms: Option<u32>,
    /// How long a side waits for the other.
    pub wait: Duration,
    /// The time for TLS.
    pub handshake: Duration,
    /// The time for the request with its headers.
    pub header: Duration,
    /// How long a pair lives in which nobody says anything to the other. Honest sides do so several times a minute.
    pub idle: Duration,
    /// What one pair may say in all, both directions together.
    pub session_bytes: Option<u64>,
    /// The rate of one pair, both directions together.
    pub session_rate: Option<Rate>,
    /// The rate of all pairs together.
    pub total_rate: Option<Rate>,
    /// With tokens: rooms in which a side without one waits.
    pub guest_waiting: usize,
    /// With tokens: how long a side without one waits.
    pub guest_wait: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections: 15_000,
            waiting: 10_000,
            sessions: 1300,
            rooms: 12_000,
            address_connections: Some(256),
            address_arrivals: Some(2400),
            address_joins: Some(600),
            address_rooms: Some(240),
            wait: Duration::from_secs(24 * 3600),
            handshake: Duration::from_millis(HANDSHAKE_MS),
            header: Duration::from_millis(HANDSHAKE_MS),
            idle: Duration::from_secs(5 * 60),
            session_bytes: None,
            session_rate: None,
            total_rate: None,
            guest_waiting: 1000,
            guest_wait: Duration::from_secs(10 * 60),
        }
    }
}

impl Limits {
    /// Those of the relay that runs within one side of a session. Its two sides may have one address, and come back with all their lanes
    /// several times a minute; a neighbour who walks the 90,000 rooms of generated codes needs six hours from one address.
    ///
    /// The side that it runs in has files open in the same process: connections leave half of a usual 1024 descriptors to it.
    #[doc(hidden)]
    #[must_use]
    pub fn embedded() -> Limits {
        Limits {
            connections: 512,
            address_connections: Some(64),
            address_arrivals: Some(480),
            address_joins: Some(240),
            // The rooms of its lanes are the session's own, and all others are refused.
            address_rooms: None,
            ..Limits::default()
        }
    }
}

/// How long running sessions may go on once the relay is to end, where nobody says otherwise: half of a service manager's patience.
pub const DRAIN_MS: u64 = 30_000;

/// The request before the upgrade, all headers together. A browser behind a proxy that adds its own stays well below.
pub const HEAD_BYTES_MAX: usize = 8 * 1024;

/// How many headers a request may have: proxies add a dozen.
pub const HEADERS_MAX: usize = 64;

/// The length of a room's name: a code's is 5 digits, one derived from keys is a hash in text.
pub const ROOM_BYTES_MAX: usize = 128;

/// The time for TLS, and again for the whole request: a slow link needs 2 s, somebody who wants to hold sockets gets no more.
pub const HANDSHAKE_MS: u64 = 10_000;

/// What waits in the relay for the other side to come, with its framing. The first words of a session are below 1 KiB;
/// beyond this the relay stops reading, so that the speaker waits and not the memory. What comes with the request must fit.
pub const EARLY_BYTES_MAX: usize = 4 * 1024;

/// The buffer of one direction of a running pair, so also the largest fragment: the relay's own frames never wait for
/// more than this. Its payloads stay below 65,536 bytes, which keeps their headers at four.
pub const FRAGMENT_ROOM: usize = 64 * 1024;

/// What is read ahead below TLS of a running pair, which asks for 4 KiB at a time: one fragment. It grows with what comes.
pub const TLS_BUFFER_MAX: usize = FRAGMENT_ROOM;

/// The same until the two are paired: as much as TLS asks for.
pub const TLS_EARLY_BUFFER_MAX: usize = 4 * 1024;

/// What a client may say before TLS is there: two messages of 1 or 2 KiB, and what comes behind them in the same breath. The library
/// would collect 64 KiB of a message that never ends.
pub const TLS_HANDSHAKE_BYTES_MAX: usize = 16 * 1024;

/// What a client may say behind that before it has its seat: the request, and its first words, and all of that in a record of the longest kind, which
/// TLS opens only when it is whole.
pub const TLS_HEAD_BYTES_MAX: usize = 17 * 1024;

/// What a client may say in its seat before it has a partner: its first words, in records of TLS. The rest waits in its own socket, since
/// TLS keeps a record of up to 16 KiB in memory until it is whole, and again until it is taken.
pub const TLS_EARLY_BYTES_MAX: usize = EARLY_BYTES_MAX + 1024;

/// What it may say after each ping, whatever it has said before: its answer, and a ping of its own.
pub const TLS_PONG_BYTES_MAX: usize = 512;

/// How much of a request is read at a time. Whatever of the client's first words comes with it is less.
pub const HEAD_STEP: usize = 1024;

/// The first buffer of a waiting side. Most say a few hundred bytes and wait; ten thousand of them must stay small.
pub const BUFFER_START: usize = 1024;

/// How often every seat is pinged, waiting or not. Below the 60 s after which nginx takes a quiet connection for dead, and
/// below [`YIELD_MS`], so that a living seat is never silent for long enough to lose its place.
pub const PING_MS: u64 = 10_000;

/// A seat that has been silent for this long yields to a newcomer of its role: the newcomer probably is its owner, back
/// on another network.
pub const YIELD_MS: u64 = 15_000;

/// A seat that is not read, because its partner takes nothing more, yields when that partner has been silent for this long. Not sooner: of a
/// slow pair that does well the partner may be held up as long, and say no more than that it lives, and even that may be lost once.
pub const HELD_YIELD_MS: u64 = 40_000;

/// A seat that has been silent for this long is closed: four pings went unanswered.
pub const DEAD_MS: u64 = 45_000;

/// Once paired, a side has this long to begin its first message. An honest one says its first words as soon as it has its
/// seat; one that only holds the seat would keep both people out of their room for as long as it answers pings. A handshake
/// over a very slow link takes a tenth of this.
pub const FIRST_WORD_MS: u64 = 30_000;

/// How many addresses are remembered: some megabytes. Each is forgotten within a minute after it has done nothing any more. Where more have
/// connections, those are remembered.
pub const ADDRESSES_MAX: usize = 65_536;

/// As many addresses as a site of IPv6, a network of 48 bits, counts for all together. One household has one of 56 or 64 bits, so several may be
/// in one of 48 and each have all it may; whoever rents one of 48 has 65,536 addresses, and not their rates.
pub const SITE_ADDRESSES: u32 = 16;

/// How many connections that cannot stay are told so at a time; more are just closed. Each takes some seconds at most, and 20 KiB with TLS.
pub const TURNED_AWAY_MAX: usize = 64;

/// How many of those may be of one address: whoever has too many connections must not keep others from hearing why they have none.
pub const TURNED_AWAY_OF_ADDRESS_MAX: usize = 8;

/// File descriptors that connections never take: for reading certificates and tokens, and for whatever a system library wants.
pub const DESCRIPTORS_FREE: usize = 64;

/// File descriptors that the relay itself has open, beside its listening sockets: the standard streams, the poller and its wakers, measurements.
pub const DESCRIPTORS_OWN: usize = 32;

/// Whatever the system says, one session with all its lanes has a place: an embedded relay serves no more.
pub const CONNECTIONS_LEAST: usize = 34;

/// What an address may do is counted by the minute.
pub const MINUTE_MS: u64 = 60_000;

/// How exactly the switchboard knows when a seat was last heard, and when it spoke. Once a second keeps it off the data path.
pub const HEARD_STEP_MS: u64 = 1000;

/// How long both sides of a pair must have been quiet before the relay, which ends, takes it that nothing is under way any more, in
/// milliseconds: a busy machine moves bytes between two sockets within this, and nobody minds it at the end.
pub const QUIET_MS: u64 = 200;

/// How often the clock is looked at, at least: a newcomer may bring a deadline that nobody was waiting for.
pub const LOOK_MS: u64 = 1000;

/// When one side ends: the time to deliver what was said before and to say goodbye.
pub const FAREWELL_MS: u64 = 5000;

/// When the relay itself ends and nothing is left to deliver: the time for a goodbye to somebody who waits alone. A client
/// answers it within a round trip.
pub const GOODBYE_MS: u64 = 1000;

/// When the relay itself ends: the time for all connections together. Pairs first hear out and deliver what was said
/// before, and then still have the time for a goodbye.
pub const SHUTDOWN_MS: u64 = FAREWELL_MS + GOODBYE_MS;

/// The pause after the system refused a new socket (mostly: too many open files), so that the relay does not spin until
/// some are closed.
pub const ACCEPT_PAUSE_MS: u64 = 100;

/// The longest time that a pair over its rate is not read. Below half of [`YIELD_MS`]: nothing is heard of its two sides meanwhile, not even that
/// they live. Where more share a rate than can have a buffer each in this time, it is exceeded.
pub const REST_MAX_MS: u64 = 5_000;

/// How many buffers one task moves before it lets others run. Where more pairs move all they can than there are processors, everybody else waits
/// for so much of each: half of all small messages beside 1000 such pairs took 450 ms with 8, and take 40 ms with 2. It costs something, as buffers
/// that are still in the cache are cheaper: 2.1 GB a processor second instead of 2.5.
pub const MOVES_MAX: usize = 2;

const _: () = assert!(PING_MS < YIELD_MS && YIELD_MS < DEAD_MS);
// No word that came with the request is lost.
const _: () = assert!(2 * HEAD_STEP <= EARLY_BYTES_MAX);
// Two signs of life of a client and some seconds; a seat that is closed in any case need not yield.
const _: () = assert!(2 * KEEPALIVE_MS < HELD_YIELD_MS && HELD_YIELD_MS < DEAD_MS);

/// A time in milliseconds, as the machines count.
#[must_use]
pub fn in_ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
// Nobody is taken for dead because it was not read.
const _: () = assert!(2 * REST_MAX_MS < YIELD_MS);

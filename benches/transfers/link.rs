//! One link of an emulated wide-area network: every frame that comes out of one network namespace goes into the other, after a
//! delay, at a limited rate behind a queue of limited length, if it is not lost. `scripts/wan.sh` builds a network of two of them.
//!
//! ```text
//! transfers link NAMESPACE NAMESPACE [delay_ms=25] [rate_mbit=0] [loss=0] [queue_ms=100] [seed=1]
//!
//! host ══ veth ══ NAMESPACE ── packet socket ── read, stamped ── queue ── written when due ── packet socket ── NAMESPACE ══ veth ══ host
//! ```
//!
//! Each of the two namespaces holds nothing but the far end of a veth pair. Linux can delay and lose packets itself (netem), but many kernels come without
//! it; this needs root, and nothing else.

use std::fs::File;
use std::io::{self, Error, Read};
use std::os::fd::AsFd;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

/// Runs a link until it is killed.
pub fn run(arguments: &[String]) -> io::Result<()> {
    let (namespaces, settings) =
        arguments.split_at_checked(2).ok_or_else(|| Error::other("link takes two namespaces"))?;
    let settings = Settings::parse(settings)?;
    let mut ends = Vec::new();
    for namespace in namespaces {
        ends.push(Arc::new(End::open(namespace)?));
    }
    let [left, right] = ends.as_slice() else {
        return Err(Error::other("a link has two ends"));
    };
    println!("ready");
    let there = direction(left, right, &settings, 0);
    let back = direction(right, left, &settings, 1);
    // Both go on until something breaks.
    for thread in [there, back] {
        thread.join().map_err(|_| Error::other("a direction panicked"))??;
    }
    Ok(())
}

/// What a link does to what passes.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    pub delay: Duration,
    /// Bits a microsecond; 0 is as fast as they come.
    pub rate_mbit: f64,
    /// From 0 to 1.
    pub loss: f64,
    pub queue: Duration,
    seed: u64,
}

impl Settings {
    /// From words such as `loss=0.1`.
    pub fn parse(words: &[String]) -> io::Result<Settings> {
        let wrong = |word: &str| Error::other(format!("{word} is no setting of a link"));
        let queue = Duration::from_millis(100);
        let mut settings =
            Settings { delay: Duration::from_millis(25), rate_mbit: 0.0, loss: 0.0, queue, seed: 1 };
        for word in words {
            let (key, value) = word.split_once('=').ok_or_else(|| wrong(word))?;
            let value: f64 = value.parse().map_err(|_| wrong(word))?;
            let time = || Duration::try_from_secs_f64(value / 1e3).map_err(|_| wrong(word));
            match key {
                "delay_ms" => settings.delay = time()?,
                "queue_ms" => settings.queue = time()?,
                "rate_mbit" => settings.rate_mbit = value,
                "loss" => settings.loss = value / 100.0,
                "seed" => settings.seed = value.to_bits(),
                _ => return Err(wrong(word)),
            }
        }
        Ok(settings)
    }

    /// How long the link is busy with a packet of so many bytes.
    pub fn busy(&self, bytes: usize) -> Duration {
        if self.rate_mbit > 0.0 {
            Duration::from_secs_f64(bytes as f64 * 8.0 / 1e6 / self.rate_mbit)
        } else {
            Duration::ZERO
        }
    }
}

/// One end: a socket that hears and says every frame of its namespace.
struct End {
    socket: Socket,
    /// The interface. Known from the first frame that comes out of it, since only the kernel can write such an address down.
    address: OnceLock<SockAddr>,
}

impl End {
    fn open(namespace: &str) -> io::Result<End> {
        let at = File::open(format!("/run/netns/{namespace}"))?;
        let own = File::open("/proc/thread-self/ns/net")?;
        move_into_link_name_space(at.as_fd(), Some(LinkNameSpaceType::Network))?;
        // A socket stays in the namespace that it was made in.
        let socket = Socket::new(Domain::from(PACKET), Type::RAW, Some(Protocol::from(EVERY_PROTOCOL)));
        move_into_link_name_space(own.as_fd(), Some(LinkNameSpaceType::Network))?;
        let socket = socket?;
        socket.set_recv_buffer_size(SOCKET_BUFFER_BYTES)?;
        Ok(End { socket, address: OnceLock::new() })
    }

    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.address.get().is_none() {
            let address = self.socket.peek_sender()?;
            self.address.get_or_init(|| address);
        }
        (&self.socket).read(buffer)
    }

    /// What cannot be said is lost, as on any network.
    fn say(&self, frame: &[u8]) {
        if let Some(address) = self.address.get() {
            let _ = self.socket.send_to(frame, address);
        }
    }
}

/// A frame under way.
struct Due {
    at: Instant,
    frame: Vec<u8>,
}

fn direction(
    from: &Arc<End>,
    to: &Arc<End>,
    settings: &Settings,
    number: u64,
) -> thread::JoinHandle<io::Result<()>> {
    let (sender, receiver) = sync_channel(FRAMES_UNDER_WAY_MAX);
    let (from, to, settings) = (Arc::clone(from), Arc::clone(to), *settings);
    thread::spawn(move || deliver(&to, &receiver));
    let chance = Chance(
        settings.seed.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15),
    );
    thread::spawn(move || take_in(&from, &settings, chance, &sender))
}

fn take_in(from: &End, settings: &Settings, mut chance: Chance, queue: &SyncSender<Due>) -> io::Result<()> {
    let mut buffer = vec![0; FRAME_BYTES_MAX];
    let mut free_at = Instant::now();
    loop {
        let read = from.read(&mut buffer)?;
        let Some(frame) = buffer.get(..read) else { continue };
        let now = Instant::now();
        let start = free_at.max(now);
        if chance.is(settings.loss) || start - now > settings.queue {
            continue;
        }
        free_at = start + settings.busy(frame.len().saturating_sub(ETHERNET_BYTES));
        let mut frame = frame.to_vec();
        write_checksum(&mut frame);
        // A full queue is a lost packet, too.
        let _ = queue.try_send(Due { at: free_at + settings.delay, frame });
    }
}

fn deliver(to: &End, queue: &Receiver<Due>) {
    for due in queue {
        thread::sleep(due.at.saturating_duration_since(Instant::now()));
        to.say(&due.frame);
    }
}

/// The kernel leaves the sum of TCP and UDP to the interface, and a virtual one leaves it out: what comes out of a packet socket has to be summed before
/// it can go in elsewhere. Anything but IPv4 is left as it is.
pub fn write_checksum(frame: &mut [u8]) {
    let Some((ethernet, packet)) = frame.split_at_mut_checked(ETHERNET_BYTES) else { return };
    if !ethernet.ends_with(&[0x08, 0x00]) {
        return;
    }
    let Some(&[first, _, high, low, _, _, _, _, _, protocol, ..]) = packet.get(..20) else { return };
    let (header, length) = (usize::from(first & 0x0f) * 4, usize::from(u16::from_be_bytes([high, low])));
    let at = match protocol {
        TCP => 16,
        UDP => 6,
        _ => return,
    };
    let addresses = packet.get(12..20).map(sum).unwrap_or_default();
    let Some(segment) = packet.get_mut(header..length) else { return };
    let Some(place) = segment.get_mut(at..at + 2) else { return };
    place.fill(0);
    let mut total = addresses + u64::from(protocol) + segment.len() as u64 + sum(segment);
    while total > 0xffff {
        total = (total & 0xffff) + (total >> 16);
    }
    let checksum = !u16::try_from(total).unwrap_or_default();
    if let Some(place) = segment.get_mut(at..at + 2) {
        // 0 would say that there is none.
        place.copy_from_slice(&if checksum == 0 { 0xffff } else { checksum }.to_be_bytes());
    }
}

/// The sum of 16-bit words, as the internet's checksum adds them.
fn sum(bytes: &[u8]) -> u64 {
    let word = |pair: &[u8]| match *pair {
        [high, low] => u64::from(u16::from_be_bytes([high, low])),
        [high] => u64::from(high) << 8,
        _ => 0,
    };
    bytes.chunks(2).map(word).sum()
}

/// Xorshift: the same losses for the same seed and the same packets.
struct Chance(u64);

impl Chance {
    fn is(&mut self, share: f64) -> bool {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        share > 0.0 && ((self.0 >> 11) as f64) / ((1_u64 << 53) as f64) < share
    }
}

/// `AF_PACKET`, and `ETH_P_ALL` as it goes over a network.
const PACKET: i32 = 17;
const EVERY_PROTOCOL: i32 = 0x0300;

const TCP: u8 = 6;
const UDP: u8 = 17;
const ETHERNET_BYTES: usize = 14;

/// More than any frame of the interfaces that `scripts/wan.sh` makes.
const FRAME_BYTES_MAX: usize = 4096;

/// What may come while this program does not run; the system gives less if it allows less.
const SOCKET_BUFFER_BYTES: usize = 4 * 1024 * 1024;

/// 100 MB of the largest frames: more than any rate and delay of use here has under way.
const FRAMES_UNDER_WAY_MAX: usize = 65_536;

//! A line to a relay that fails as real ones do: a forwarder that counts what passes, and cuts, stalls or holds it.
//!
//! What happens to each connection is drawn from a seed. What has passed is an event that tests wait for, in place of time.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From who dials to the relay.
    Up,
    /// From the relay to who dials.
    Down,
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Both sides are told that nothing more comes.
    Close,
    /// Both sides are told that the connection is broken, and what is under way is lost.
    Reset,
    /// Who would hear what follows is told that nothing more comes; the other way stays open.
    Half,
    /// Nobody is told: nothing passes any more.
    Silence,
}

/// What becomes of one connection.
#[derive(Clone, Copy, Debug)]
pub enum Fate {
    /// Nothing: it lasts as long as both sides want.
    Lasts,
    /// It is cut after so many bytes, of one way or (`None`) of both together.
    Cut { after: u64, of: Option<Way>, how: Cut },
}

/// The line. Its connections end with the value.
pub struct Line {
    /// To be dialled in place of the relay.
    pub url: String,
    shared: Arc<Shared>,
}

impl Line {
    /// One without faults of its own.
    pub fn to(relay: SocketAddr) -> Line {
        Line::with(relay, |_| Fate::Lasts)
    }

    /// One on which every connection is cut after a length that `seed` decides.
    pub fn cutting(relay: SocketAddr, seed: u64, lengths: Range<u64>) -> Line {
        let mut chance = Chance::new(seed);
        Line::with(relay, move |number| {
            // Some end in the middle of the first words; not the first, since a first pairing does not survive that.
            let is_short = number > 0 && chance.below(8) == 0;
            let after = chance.within(if is_short { 0..2000 } else { lengths.clone() });
            let how = [Cut::Close, Cut::Close, Cut::Reset, Cut::Half][chance.below(4) as usize];
            Fate::Cut { after, of: None, how }
        })
    }

    /// One that asks for the fate of each connection, counted from 0.
    pub fn with(relay: SocketAddr, mut fate: impl FnMut(u64) -> Fate + Send + 'static) -> Line {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared { address, state: Mutex::default(), changed: Condvar::new() });
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || {
            for (number, near) in listener.incoming().enumerate() {
                let Ok(near) = near else { return };
                if !accepting.connect(near, relay, || fate(number as u64)) {
                    return;
                }
            }
        });
        Line { url: format!("ws://{address}"), shared }
    }

    /// How many bytes went one way, over all connections.
    pub fn passed(&self, way: Way) -> u64 {
        self.shared.state().passed[way as usize]
    }

    /// How many connections were cut.
    pub fn cuts(&self) -> u64 {
        self.shared.state().cuts
    }

    /// Waits until a connection was cut; from then on none is.
    pub fn cut_once(&self) {
        self.shared.wait(|state| state.cuts > 0);
        self.shared.change(|state| state.is_mended = true);
    }

    /// Waits until so many bytes went one way in all.
    pub fn wait_passed(&self, way: Way, bytes: u64) {
        self.shared.wait(|state| state.passed[way as usize] >= bytes);
    }

    /// From now on no more than so many bytes go up in all. The connections stay.
    pub fn hold_after(&self, bytes: u64) {
        self.shared.change(|state| state.held_after = Some(bytes));
    }

    /// Waits until everything that may go up has gone, and more wants to.
    pub fn wait_held(&self) {
        self.shared.wait(|state| state.is_held);
    }

    /// Everything may go up again.
    pub fn release(&self) {
        self.shared.change(|state| {
            state.held_after = None;
            state.is_held = false;
        });
    }

    /// Whoever dials from now on (`true`) is hung up on, as by a relay that is not there.
    pub fn refuse(&self, refuses: bool) {
        self.shared.change(|state| state.refuses = refuses);
    }

    /// While it is stalled (`true`) nothing passes, neither way, not even the end of a connection; dialling seems to work.
    pub fn stall(&self, stalls: bool) {
        self.shared.change(|state| state.stalls = stalls);
    }

    /// Cuts every connection that there is.
    pub fn cut(&self) {
        self.shared.cut_all();
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.shared.change(|state| state.over = true);
        self.shared.cut_all();
        // The listener ends with the next that dials.
        let _ = TcpStream::connect(self.shared.address);
    }
}

struct Shared {
    address: SocketAddr,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    passed: [u64; 2],
    cuts: u64,
    held_after: Option<u64>,
    is_held: bool,
    refuses: bool,
    stalls: bool,
    is_mended: bool,
    over: bool,
    links: Vec<Arc<Link>>,
}

/// One connection.
struct Link {
    near: TcpStream,
    far: TcpStream,
    life: Mutex<Life>,
}

struct Life {
    fate: Fate,
    passed: [u64; 2],
    /// How it was cut, and what way the last byte went.
    end: Option<(Cut, Way)>,
    /// Ways on which something may still come.
    open: u8,
}

/// What may be done with what one side said.
enum Leave {
    /// So much of it passes.
    Pass(usize),
    /// So much of it passes, and then the connection is cut.
    Last(usize, Cut),
    /// It was cut.
    Nothing,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.changed.notify_all();
    }

    fn wait(&self, reached: impl Fn(&State) -> bool) {
        let waited = self.changed.wait_timeout_while(self.state(), PATIENCE, |state| !reached(state));
        let (state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        assert!(!timeout.timed_out(), "only {:?} bytes have passed", state.passed);
    }

    /// Forwards one connection from now on. False when the line is no more.
    fn connect(self: &Arc<Shared>, near: TcpStream, relay: SocketAddr, fate: impl FnOnce() -> Fate) -> bool {
        if self.state().over {
            return false;
        }
        if self.state().refuses {
            return true;
        }
        let Ok(far) = TcpStream::connect(relay) else { return true };
        let life = Mutex::new(Life { fate: fate(), passed: [0; 2], end: None, open: 2 });
        let link = Arc::new(Link { near, far, life });
        self.change(|state| state.links.push(Arc::clone(&link)));
        for way in [Way::Up, Way::Down] {
            let (shared, link) = (Arc::clone(self), Arc::clone(&link));
            std::thread::spawn(move || {
                shared.pump(&link, way);
                shared.forget(&link);
            });
        }
        true
    }

    /// One way of a connection is over. Once both are, its sockets are given up; silence is kept.
    fn forget(&self, link: &Arc<Link>) {
        let mut life = link.life();
        life.open -= 1;
        let is_over = life.open == 0 && !matches!(life.end, Some((Cut::Silence, _)));
        drop(life);
        if is_over {
            self.change(|state| state.links.retain(|other| !Arc::ptr_eq(other, link)));
        }
    }

    /// Forwards one way of a connection until it ends.
    fn pump(&self, link: &Link, way: Way) {
        let (mut from, mut to) = match way {
            Way::Up => (&link.near, &link.far),
            Way::Down => (&link.far, &link.near),
        };
        let mut buffer = vec![0; 1 << 16];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            let mut said = &buffer[..length];
            while !said.is_empty() {
                let (passes, cut) = match self.leave(link, way, said.len()) {
                    Leave::Pass(length) => (length, None),
                    Leave::Last(length, cut) => (length, Some(cut)),
                    Leave::Nothing => return,
                };
                if to.write_all(&said[..passes]).is_err() {
                    return link.end(Cut::Close, way);
                }
                said = &said[passes..];
                if let Some(cut) = cut {
                    self.change(|state| state.cuts += 1);
                    return link.end(cut, way);
                }
            }
        }
        let stalled = self.changed.wait_while(self.state(), |state| state.stalls && !state.over);
        drop(stalled);
        if link.life().end.is_none_or(|(cut, _)| cut == Cut::Half) {
            let _ = to.shutdown(Shutdown::Write);
        }
    }

    /// How much of `length` bytes may pass now; waits while it is nothing.
    fn leave(&self, link: &Link, way: Way, length: usize) -> Leave {
        let mut state = self.state();
        loop {
            let mut life = link.life();
            let is_cut = life.end.is_some_and(|(cut, cut_way)| cut != Cut::Half || cut_way == way);
            if is_cut || state.over {
                return Leave::Nothing;
            }
            let held_after = state.held_after.filter(|_| way == Way::Up);
            let open = held_after.map_or(u64::MAX, |held| held.saturating_sub(state.passed[way as usize]));
            if open > 0 && !state.stalls {
                let (left, cut) = if state.is_mended { (u64::MAX, None) } else { life.left(way) };
                let passes = (length as u64).min(open).min(left);
                life.passed[way as usize] += passes;
                state.passed[way as usize] += passes;
                self.changed.notify_all();
                return match cut {
                    Some(cut) if passes == left => {
                        life.end = Some((cut, way));
                        Leave::Last(passes as usize, cut)
                    }
                    _ => Leave::Pass(passes as usize),
                };
            }
            drop(life);
            state.is_held |= open == 0;
            self.changed.notify_all();
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn cut_all(&self) {
        let links = std::mem::take(&mut self.state().links);
        for link in links {
            if link.life().end.replace((Cut::Close, Way::Up)).is_none() {
                self.state().cuts += 1;
            }
            link.end(Cut::Close, Way::Up);
        }
        self.changed.notify_all();
    }
}

impl Link {
    fn life(&self) -> MutexGuard<'_, Life> {
        self.life.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the connection while something goes `way`.
    fn end(&self, how: Cut, way: Way) {
        let both = [&self.near, &self.far];
        match how {
            Cut::Close => both.map(|stream| stream.shutdown(Shutdown::Both)),
            Cut::Reset => both.map(|stream| {
                // A socket that is closed without lingering is reset. The other pump gives it up once it stops reading.
                socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO))?;
                stream.shutdown(Shutdown::Read)
            }),
            Cut::Half => {
                let deaf = if way == Way::Up { &self.far } else { &self.near };
                [deaf.shutdown(Shutdown::Write), Ok(())]
            }
            Cut::Silence => [Ok(()), Ok(())],
        }
        .into_iter()
        .for_each(drop);
    }
}

impl Life {
    /// How many more bytes may go `way`, and how it ends then.
    fn left(&self, way: Way) -> (u64, Option<Cut>) {
        match self.fate {
            _ if self.end.is_some() => (u64::MAX, None),
            Fate::Lasts => (u64::MAX, None),
            Fate::Cut { of: Some(of), .. } if of != way => (u64::MAX, None),
            Fate::Cut { after, of, how } => {
                let passed = of.map_or(self.passed.iter().sum(), |of| self.passed[of as usize]);
                (after.saturating_sub(passed), Some(how))
            }
        }
    }
}

/// Chance that can be had again: splitmix64.
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Chance {
        Chance(seed)
    }

    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.draw() % bound
    }

    pub fn within(&mut self, range: Range<u64>) -> u64 {
        range.start + self.below(range.end - range.start)
    }

    /// Bytes that nothing can make smaller.
    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(length + 8);
        while bytes.len() < length {
            bytes.extend(self.draw().to_le_bytes());
        }
        bytes.truncate(length);
        bytes
    }
}

/// Far more than anything takes here, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

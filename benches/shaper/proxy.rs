//! The proxy: takes connections, and carries each to its goal as the line would.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::tcp::{Flow, Manners, Wire};

/// A line to one address. It runs until the process ends.
pub struct Line {
    /// Where it begins.
    pub address: SocketAddr,
}

/// One direction of the line.
#[derive(Clone)]
struct Way(Arc<Shared>);

struct Shared {
    wire: Mutex<Wire>,
    manners: Manners,
    started: Instant,
    /// Told of what arrives.
    arrived: Box<dyn Fn(usize) + Send + Sync>,
}

impl Line {
    /// Opens a line from `address` to `goal`. `came_back` is told how many bytes just arrived from there.
    pub fn open(
        address: SocketAddr,
        goal: SocketAddr,
        manners: Manners,
        came_back: impl Fn(usize) + Send + Sync + 'static,
    ) -> io::Result<Line> {
        let listener = TcpListener::bind(address)?;
        let address = listener.local_addr()?;
        let (there, back) = (Way::new(manners, 1, |_| {}), Way::new(manners, 2, came_back));
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (there, back) = (there.clone(), back.clone());
                thread::spawn(move || carry(&client, goal, there, back));
            }
        });
        Ok(Line { address })
    }
}

/// Both directions of one connection. To connect takes a round trip, which the client does not see: its first bytes wait for it.
fn carry(client: &TcpStream, goal: SocketAddr, there: Way, back: Way) {
    let opened = there.now() + there.0.manners.delay * 2;
    let Ok(server) = TcpStream::connect(goal) else { return };
    for stream in [client, &server] {
        let _ = stream.set_nodelay(true);
    }
    let halves = (client.try_clone(), server.try_clone(), client.try_clone(), server.try_clone());
    let (Ok(client_in), Ok(server_out), Ok(client_out), Ok(server_in)) = halves else { return };
    thread::spawn(move || there.run(client_in, server_out, opened));
    back.run(server_in, client_out, Duration::ZERO);
}

impl Way {
    fn new(manners: Manners, number: u64, arrived: impl Fn(usize) + Send + Sync + 'static) -> Way {
        let manners = Manners { seed: manners.seed.wrapping_add(number), ..manners };
        let wire = Mutex::new(Wire::new(manners));
        Way(Arc::new(Shared { wire, manners, started: Instant::now(), arrived: Box::new(arrived) }))
    }

    fn now(&self) -> Duration {
        self.0.started.elapsed()
    }

    fn wait(&self, until: Duration) {
        thread::sleep(until.saturating_sub(self.now()));
    }

    /// Reads when the flow may send, and has a thread of its own write when that would arrive.
    fn run(&self, mut from: TcpStream, to: TcpStream, opened: Duration) {
        let (sent, due) = channel();
        let this = self.clone();
        let writer = thread::spawn(move || this.deliver(to, due));
        let mut flow = Flow::new(self.0.manners, opened);
        let mut buffer = vec![0; READ_BYTES];
        loop {
            let room = loop {
                match flow.room(self.now()) {
                    Ok(room) => break room,
                    Err(until) => self.wait(until),
                }
            };
            let full_until =
                self.0.wire.lock().unwrap_or_else(PoisonError::into_inner).full_until(self.now());
            if let Some(until) = full_until {
                self.wait(until);
                continue;
            }
            let length = usize::try_from(room).unwrap_or(READ_BYTES).min(READ_BYTES);
            match from.read(&mut buffer[..length]) {
                Ok(read @ 1..) => buffer.truncate(read),
                _ => break,
            }
            let now = self.now().max(opened);
            let mut wire = self.0.wire.lock().unwrap_or_else(PoisonError::into_inner);
            let at = flow.send(&mut wire, buffer.len() as u64, now);
            drop(wire);
            if sent.send((at, std::mem::replace(&mut buffer, vec![0; READ_BYTES]))).is_err() {
                break;
            }
        }
        drop(sent);
        let _ = writer.join();
    }

    fn deliver(&self, mut to: TcpStream, due: Receiver<(Duration, Vec<u8>)>) {
        for (at, bytes) in due {
            self.wait(at);
            (self.0.arrived)(bytes.len());
            if to.write_all(&bytes).is_err() {
                // Whoever still says something to the other side learns of it, too.
                let _ = to.shutdown(Shutdown::Both);
                return;
            }
        }
        let _ = to.shutdown(Shutdown::Write);
    }
}

/// What is read at a time: one fragment of the relay.
const READ_BYTES: usize = 64 << 10;

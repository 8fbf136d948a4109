//! Counts what goes over the network: a proxy that forwards whatever comes to one address, and adds up what the dialling side says. It stands in the way of
//! a run of its own, never of one that is timed.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

/// A proxy that listens, for as long as the program runs.
pub struct Counter {
    /// Where it listens.
    pub address: SocketAddr,
    said: Arc<AtomicU64>,
}

impl Counter {
    /// Listens on loopback, and dials `target` for whoever comes.
    pub fn before(target: SocketAddr) -> io::Result<Counter> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let said = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&said);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                // Whoever cannot be joined is dropped, and says so itself.
                let _ = join(client, target, &counted);
            }
        });
        Ok(Counter { address, said })
    }

    /// The bytes that those who dialled have said until now.
    pub fn bytes(&self) -> u64 {
        self.said.load(Ordering::Relaxed)
    }
}

fn join(client: TcpStream, target: SocketAddr, said: &Arc<AtomicU64>) -> io::Result<()> {
    let server = TcpStream::connect(target)?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (answers, answered) = (server.try_clone()?, client.try_clone()?);
    let said = Arc::clone(said);
    thread::spawn(move || forward(client, server, &said));
    thread::spawn(move || forward(answers, answered, &AtomicU64::new(0)));
    Ok(())
}

fn forward(mut from: TcpStream, mut to: TcpStream, said: &AtomicU64) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(read) = from.read(&mut buffer) {
        match buffer.get(..read) {
            Some(bytes) if read > 0 && to.write_all(bytes).is_ok() => {
                said.fetch_add(read as u64, Ordering::Relaxed);
            }
            _ => break,
        }
    }
    // The other direction may have closed it already.
    let _ = to.shutdown(Shutdown::Write);
}

//! Between two programs: a forwarder that keeps what passes, or changes it.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};

/// Forwards one connection to a relay.
pub struct Wire {
    /// To be dialled in place of the relay.
    pub url: String,
    passed: Receiver<Vec<u8>>,
}

impl Wire {
    /// What comes from the relay passes through `change`, in the pieces in which the system gives it.
    pub fn to(relay: SocketAddr, change: impl Fn(&mut [u8]) + Send + 'static) -> Wire {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("ws://{}", listener.local_addr().unwrap());
        let (keep, passed) = channel();
        std::thread::spawn(move || {
            let near = listener.accept().unwrap().0;
            let far = TcpStream::connect(relay).unwrap();
            let (near_out, far_out) = (near.try_clone().unwrap(), far.try_clone().unwrap());
            std::thread::spawn(move || pump(near, far_out, None, |_| {}));
            pump(far, near_out, Some(keep), change);
        });
        Wire { url, passed }
    }

    /// Everything that the relay said, once the connection has ended.
    pub fn passed(self) -> Vec<u8> {
        self.passed.iter().flatten().collect()
    }
}

fn pump(mut from: TcpStream, mut to: TcpStream, keep: Option<Sender<Vec<u8>>>, change: impl Fn(&mut [u8])) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        let piece = &mut buffer[..length];
        change(piece);
        if let Some(keep) = &keep {
            let _ = keep.send(piece.to_vec());
        }
        if to.write_all(piece).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

/// Where `needle` stands.
pub fn find(hay: &[u8], needle: &[u8]) -> Option<usize> {
    hay.windows(needle.len()).position(|window| window == needle)
}

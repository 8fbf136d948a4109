//! For tests: a connection in memory that holds only a few bytes, so that every read and write is cut somewhere.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use futures_lite::{AsyncRead, AsyncWrite};

use super::socket::Line;

/// One end. Dropping it ends both directions.
#[derive(Debug)]
pub struct Pipe {
    incoming: Arc<Mutex<Way>>,
    outgoing: Arc<Mutex<Way>>,
}

#[derive(Debug)]
struct Way {
    bytes: VecDeque<u8>,
    capacity: usize,
    write_ended: bool,
    read_ended: bool,
    wakers: Vec<Waker>,
}

impl Way {
    fn new(capacity: usize) -> Arc<Mutex<Way>> {
        let bytes = VecDeque::new();
        Arc::new(Mutex::new(Way {
            bytes,
            capacity,
            write_ended: false,
            read_ended: false,
            wakers: Vec::new(),
        }))
    }

    fn wake(&mut self) {
        self.wakers.drain(..).for_each(Waker::wake);
    }
}

/// Two ends; each direction holds at most `capacity` bytes.
pub fn pipe(capacity: usize) -> (Pipe, Pipe) {
    let (one, two) = (Way::new(capacity), Way::new(capacity));
    (Pipe { incoming: one.clone(), outgoing: two.clone() }, Pipe { incoming: two, outgoing: one })
}

impl Pipe {
    /// From now on each direction takes nothing beyond so many bytes.
    pub fn narrow(&self, capacity: usize) {
        for way in [&self.incoming, &self.outgoing] {
            way.lock().unwrap().capacity = capacity;
        }
    }
}

impl Line for Pipe {
    fn read_at_most(&mut self, _bytes: usize) {}

    fn allow(&mut self, _bytes: usize) {}

    fn widen(&mut self) {}
}

impl AsyncRead for Pipe {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut way = self.incoming.lock().unwrap();
        let taken = buf.len().min(way.bytes.len());
        if taken == 0 && !way.write_ended {
            way.wakers.push(cx.waker().clone());
            return Poll::Pending;
        }
        buf.iter_mut().zip(way.bytes.drain(..taken)).for_each(|(to, byte)| *to = byte);
        way.wake();
        Poll::Ready(Ok(taken))
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let mut way = self.outgoing.lock().unwrap();
        if way.read_ended || way.write_ended {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let taken = buf.len().min(way.capacity.saturating_sub(way.bytes.len()));
        if taken == 0 {
            way.wakers.push(cx.waker().clone());
            return Poll::Pending;
        }
        way.bytes.extend(&buf[..taken]);
        way.wake();
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut way = self.outgoing.lock().unwrap();
        way.write_ended = true;
        way.wake();
        Poll::Ready(Ok(()))
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        for way in [&self.incoming, &self.outgoing] {
            let mut way = way.lock().unwrap();
            (way.write_ended, way.read_ended) = (true, true);
            way.wake();
        }
    }
}

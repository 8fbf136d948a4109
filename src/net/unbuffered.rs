//! A socket that has nothing to flush.
//!
//! What is written to a TCP socket is with the system at once. A flush of it still does something: the library gives up its place among those
//! that wait for room to write, since it takes a flush for the end of a write. Who has just been told to wait for room, and flushes what went
//! out before, would then wait for ever.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_lite::io::{AsyncRead, AsyncWrite};

/// See the module.
#[derive(Debug)]
pub struct Unbuffered<S>(S);

impl<S> Unbuffered<S> {
    /// `socket`, which keeps nothing back of what is written to it.
    #[must_use]
    pub fn new(socket: S) -> Unbuffered<S> {
        Unbuffered(socket)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Unbuffered<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_read(cx, into)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Unbuffered<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, slices)
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_close(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::time::Duration;

    use futures_lite::future::{self, block_on};
    use smol::Timer;
    use smol::net::TcpStream;

    use super::*;

    /// Fills the socket, flushes, and only then lets the other side read.
    #[test]
    fn who_waits_for_room_and_flushes_is_woken_when_there_is_room() {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let near = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut far, _) = listener.accept().unwrap();
        let mut near = Unbuffered::new(TcpStream::try_from(near).unwrap());
        let (go, may_read) = std::sync::mpsc::channel();
        let reading = std::thread::spawn(move || {
            may_read.recv().unwrap();
            while far.read(&mut [0; 64 << 10]).unwrap() > 0 {}
        });
        let mut is_full = false;
        let woken = future::poll_fn(|cx| {
            if is_full {
                return Poll::Ready(true);
            }
            while Pin::new(&mut near).poll_write(cx, &[0; 64 << 10]).is_ready() {}
            assert!(Pin::new(&mut near).poll_flush(cx).is_ready());
            is_full = true;
            go.send(()).unwrap();
            Poll::Pending
        });
        let late = async {
            Timer::after(Duration::from_secs(10)).await;
            false
        };
        assert!(block_on(future::or(late, woken)));
        drop(near);
        reading.join().unwrap();
    }
}

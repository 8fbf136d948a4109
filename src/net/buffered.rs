//! A stream with a buffer for what is read, and none for what is written.
//!
//! Below TLS it turns many small reads into few system calls: rustls asks for 4 KiB at a time. Above it lets a layer read
//! exactly what is its own, such as the head of an HTTP response. Unlike the usual buffered reader it passes vectored
//! writes on, without which TLS would need a system call for every 16 KiB record. And its buffer is as large as what comes
//! needs: a relay has thousands of streams on which next to nothing does.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_lite::io::{AsyncBufRead, AsyncRead, AsyncWrite};

/// See the module.
#[derive(Debug)]
pub struct Buffered<S> {
    stream: S,
    buffer: Vec<u8>,
    capacity: usize,
    /// How many bytes may still come.
    left: usize,
    /// What is read and not yet taken is `buffer[start..end]`.
    start: usize,
    end: usize,
}

impl<S> Buffered<S> {
    /// Reads up to `capacity` bytes ahead. They are taken from memory only when as much comes.
    #[must_use]
    pub fn new(capacity: usize, stream: S) -> Buffered<S> {
        Buffered { stream, buffer: Vec::new(), capacity, left: usize::MAX, start: 0, end: 0 }
    }

    /// Reads so many bytes from now on, and no more: the rest waits where it is, and nobody is woken for it. Whoever raises this reads again.
    /// `usize::MAX`: any number.
    pub fn read_at_most(&mut self, bytes: usize) {
        self.left = bytes;
    }

    /// Reads so many at least, whatever is left of an earlier number.
    pub fn allow(&mut self, bytes: usize) {
        self.left = self.left.max(bytes);
    }

    /// Reads up to `capacity` bytes ahead from now on. What was read already stays.
    pub fn set_capacity(&mut self, capacity: usize) {
        self.capacity = capacity;
    }

    /// Makes the buffer twice as large if the last read filled it: then there probably is more.
    fn grow_if_filled(&mut self) {
        let length = self.buffer.len();
        if self.end == length && length < self.capacity {
            let wanted = (length * 2).max(BUFFER_START).min(self.capacity);
            // What was in it has been taken: nothing is to be copied.
            self.buffer = vec![0; wanted];
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Buffered<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        if self.start == self.end && into.len() >= self.capacity && self.left == usize::MAX {
            // A copy would gain nothing.
            return Pin::new(&mut self.stream).poll_read(cx, into);
        }
        let available = ready!(self.as_mut().poll_fill_buf(cx))?;
        let length = available.len().min(into.len());
        into[..length].copy_from_slice(&available[..length]);
        self.consume(length);
        Poll::Ready(Ok(length))
    }
}

impl<S: AsyncRead + Unpin> AsyncBufRead for Buffered<S> {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        if this.start == this.end {
            this.grow_if_filled();
            let most = this.buffer.len().min(this.left);
            if most == 0 && !this.buffer.is_empty() {
                return Poll::Pending;
            }
            let length = ready!(Pin::new(&mut this.stream).poll_read(cx, &mut this.buffer[..most]))?;
            if this.left != usize::MAX {
                this.left -= length.min(this.left);
            }
            (this.start, this.end) = (0, length);
        }
        Poll::Ready(Ok(&this.buffer[this.start..this.end]))
    }

    fn consume(mut self: Pin<&mut Self>, amount: usize) {
        self.start = self.end.min(self.start + amount);
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Buffered<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(cx)
    }
}

/// The first buffer. The handshake of TLS fits, more or less.
const BUFFER_START: usize = 2 << 10;

#[cfg(test)]
mod tests {
    use super::*;
    use futures_lite::future::block_on;
    use futures_lite::io::{AsyncReadExt, Cursor};
    use proptest::prelude::*;

    #[test]
    fn a_buffer_is_as_large_as_what_comes_needs() {
        let mut stream = Buffered::new(64 << 10, Cursor::new(vec![7; 1000]));
        assert!(stream.buffer.is_empty(), "nothing was read yet");
        block_on(stream.read_to_end(&mut Vec::new())).unwrap();
        assert_eq!(stream.buffer.len(), BUFFER_START);
        let mut stream = Buffered::new(64 << 10, Cursor::new(vec![7; 1 << 20]));
        // As rustls reads.
        block_on(async { while stream.read(&mut [0; 4096]).await.unwrap() > 0 {} });
        assert_eq!(stream.buffer.len(), 64 << 10);
    }

    #[test]
    fn what_is_more_than_may_be_read_waits() {
        let poll = |stream: &mut Buffered<Cursor<Vec<u8>>>, heard: &mut [u8]| {
            let mut cx = Context::from_waker(std::task::Waker::noop());
            let mut read = 0;
            while let Poll::Ready(length) = Pin::new(&mut *stream).poll_read(&mut cx, &mut heard[read..])
                && let 1.. = *length.as_ref().unwrap()
            {
                read += length.unwrap();
            }
            read
        };
        for capacity in [1, 500, 64 << 10] {
            let mut stream = Buffered::new(capacity, Cursor::new(vec![7; 3000]));
            let mut heard = vec![0; 100_000];
            stream.read_at_most(1500);
            assert_eq!(poll(&mut stream, &mut heard), 1500, "{capacity}");
            stream.allow(100);
            stream.allow(20);
            assert_eq!(poll(&mut stream, &mut heard), 100, "{capacity}");
            stream.read_at_most(usize::MAX);
            assert_eq!(poll(&mut stream, &mut heard), 1400, "{capacity}");
        }
    }

    #[test]
    fn a_buffer_grows_only_once_it_may() {
        let mut stream = Buffered::new(4 << 10, Cursor::new(vec![7; 1 << 20]));
        for _ in 0..50 {
            block_on(stream.read_exact(&mut [0; 4000])).unwrap();
        }
        assert!(stream.buffer.len() <= 4 << 10);
        stream.set_capacity(64 << 10);
        for _ in 0..50 {
            block_on(stream.read_exact(&mut [0; 4000])).unwrap();
        }
        assert_eq!(stream.buffer.len(), 64 << 10);
    }

    proptest! {
        #[test]
        fn every_byte_comes_once_whatever_is_asked_for(
            bytes in prop::collection::vec(any::<u8>(), 0..20_000),
            capacity in prop_oneof![1usize..40, 1usize..10_000],
            asked in prop_oneof![
                prop::collection::vec(1usize..60, 1..10),
                prop::collection::vec(1usize..12_000, 1..10),
            ],
        ) {
            let mut stream = Buffered::new(capacity, Cursor::new(bytes.clone()));
            let (mut came, mut asked) = (Vec::new(), asked.iter().cycle());
            block_on(async {
                loop {
                    let mut part = vec![0; *asked.next().unwrap()];
                    let length = stream.read(&mut part).await.unwrap();
                    if length == 0 {
                        break;
                    }
                    came.extend_from_slice(&part[..length]);
                }
            });
            prop_assert_eq!(came, bytes);
        }
    }
}

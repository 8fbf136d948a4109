//! What stands between the WebSocket and the stream below it: it counts what comes, stops where too much is promised, and keeps a failed write from
//! hiding what has already arrived.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_lite::io::{AsyncRead, AsyncWrite};

use super::Alive;
use super::meter::Meter;

/// Any stream.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// See above. After the first failed write everything written is dropped: the reader, who also answers pings, must go
/// on to the end of what was sent to us, and the writer asks [`Tap::check_write`].
pub(super) struct Tap {
    stream: Box<dyn Duplex>,
    meter: Meter,
    alive: Alive,
    write_error: Option<io::Error>,
}

impl Tap {
    pub(super) fn new(stream: Box<dyn Duplex>, alive: Alive) -> Tap {
        Tap { stream, meter: Meter::new(), alive, write_error: None }
    }

    /// The error that ended the writing direction, if there was one.
    pub(super) fn check_write(&self) -> io::Result<()> {
        match &self.write_error {
            Some(error) => Err(io::Error::new(error.kind(), error.to_string())),
            None => Ok(()),
        }
    }
}

/// A message was promised that is longer than any may be: nothing more is read.
#[derive(Debug)]
pub(super) struct TooLong;

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a message that is too long was begun")
    }
}

impl std::error::Error for TooLong {}

impl AsyncRead for Tap {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        // What came before that was handed on.
        if self.meter.is_too_long() {
            return Poll::Ready(Err(io::Error::other(TooLong)));
        }
        let length = ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        let heard = self.meter.feed(&buffer[..length]);
        self.alive.set(heard);
        Poll::Ready(Ok(length))
    }
}

impl AsyncWrite for Tap {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.write_error.is_none() {
            let outcome = match ready!(Pin::new(&mut self.stream).poll_write(cx, bytes)) {
                Ok(0) if !bytes.is_empty() => Err(io::Error::from(io::ErrorKind::WriteZero)),
                other => other,
            };
            match outcome {
                Ok(length) => return Poll::Ready(Ok(length)),
                Err(error) => self.write_error = Some(error),
            }
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.write_error.is_none()
            && let Err(error) = ready!(Pin::new(&mut self.stream).poll_flush(cx))
        {
            self.write_error = Some(error);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(cx)
    }
}

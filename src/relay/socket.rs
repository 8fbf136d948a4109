//! A client's socket: plain TCP, or TLS over it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_lite::{AsyncRead, AsyncWrite};
use futures_rustls::server::TlsStream;
use smol::net::TcpStream;

use super::limits::TLS_BUFFER_MAX;
use crate::net::{Buffered, Unbuffered};

/// What a client is connected by: read sparingly, until there is somebody who listens.
pub trait Line: AsyncRead + AsyncWrite + Unpin {
    /// From now on so many bytes are read ahead of whoever takes them, and the rest waits where it is. `usize::MAX`: any number.
    fn read_at_most(&mut self, bytes: usize);

    /// So many at least.
    fn allow(&mut self, bytes: usize);

    /// The two are paired: as much may be read ahead as moves them best.
    fn widen(&mut self);
}

/// One type for both, so that either kind can be paired with either.
#[derive(Debug)]
pub enum Socket {
    /// Somebody else does TLS in front of us, or nobody.
    Plain(Unbuffered<TcpStream>),
    /// We do.
    Tls(Box<TlsStream<Buffered<Unbuffered<TcpStream>>>>),
}

impl Socket {
    /// What is read ahead. Without TLS there is nothing: the system keeps what nobody has space for.
    fn ahead(&mut self) -> Option<&mut Buffered<Unbuffered<TcpStream>>> {
        match self {
            Socket::Plain(_) => None,
            Socket::Tls(stream) => Some(stream.get_mut().0),
        }
    }
}

impl Line for Socket {
    fn read_at_most(&mut self, bytes: usize) {
        if let Some(ahead) = self.ahead() {
            ahead.read_at_most(bytes);
        }
    }

    fn allow(&mut self, bytes: usize) {
        if let Some(ahead) = self.ahead() {
            ahead.allow(bytes);
        }
    }

    fn widen(&mut self) {
        if let Some(ahead) = self.ahead() {
            ahead.read_at_most(usize::MAX);
            ahead.set_capacity(TLS_BUFFER_MAX);
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Socket::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Socket::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Socket::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Socket::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Socket::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Socket::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Socket::Plain(stream) => Pin::new(stream).poll_close(cx),
            Socket::Tls(stream) => Pin::new(stream).poll_close(cx),
        }
    }
}

//! The writing half.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_tungstenite::WebSocketStream;
use async_tungstenite::tungstenite::protocol::CloseFrame;
use async_tungstenite::tungstenite::{Error as WsError, Message};
use bytes::Bytes;
use futures_util::Sink;

use super::super::tcp::within;
use super::tap::Tap;
use super::{Closed, MESSAGE_BYTES_MAX, Shared, closed};

/// The writing half of a connection.
#[derive(Debug)]
pub struct Writer {
    shared: Shared,
}

impl Writer {
    pub(super) fn new(shared: Shared) -> Writer {
        Writer { shared }
    }

    /// Waits until the messages before this one have left, then takes it. A large message begins to leave at once; small
    /// ones may wait for [`Writer::flush`], so flush when there is nothing more to send. Cancel safe: when dropped before
    /// its end, the message was not taken.
    ///
    /// # Errors
    /// The connection has ended; the reader learns how. Or the message is longer than [`MESSAGE_BYTES_MAX`].
    pub async fn send(&mut self, message: Bytes) -> Result<(), Closed> {
        if message.len() > MESSAGE_BYTES_MAX {
            return Err(Closed::Broken("a message to send is too long".to_owned()));
        }
        self.put(Message::Binary(message)).await
    }

    /// Waits until everything taken so far is with the system. Cancel safe.
    ///
    /// # Errors
    /// The connection has ended; the reader learns how.
    pub async fn flush(&mut self) -> Result<(), Closed> {
        poll_fn(|cx| poll_flush(&mut self.shared.lock(), cx)).await
    }

    /// Says goodbye: everything taken so far goes out, then a close frame with `code` and `reason` (cut to what fits). Waits
    /// at most [`CLOSE_TIMEOUT`]. Nothing can be sent after it. Then await [`Reader::next`](super::Reader::next) until it
    /// ends before dropping the connection: a socket dropped with unread bytes is reset, and what is still under way to
    /// the other side may be lost with it.
    ///
    /// # Errors
    /// The connection ended before, or does not take the frame in time.
    pub async fn close(&mut self, code: u16, reason: &str) -> Result<(), Closed> {
        let reason = &reason[..reason.floor_char_boundary(REASON_BYTES_MAX)];
        let frame = CloseFrame { code: code.into(), reason: reason.into() };
        within(CLOSE_TIMEOUT, async {
            self.put(Message::Close(Some(frame))).await?;
            self.flush().await
        })
        .await
    }

    async fn put(&mut self, message: Message) -> Result<(), Closed> {
        let mut message = Some(message);
        poll_fn(|cx| poll_put(&mut self.shared.lock(), cx, &mut message)).await
    }
}

impl From<io::Error> for Closed {
    fn from(error: io::Error) -> Closed {
        Closed::Lost(error)
    }
}

fn poll_put(
    socket: &mut WebSocketStream<Tap>,
    cx: &mut Context<'_>,
    message: &mut Option<Message>,
) -> Poll<Result<(), Closed>> {
    loop {
        ready!(Pin::new(&mut *socket).poll_ready(cx)).map_err(closed)?;
        socket.get_ref().check_write()?;
        let Some(next) = message.take() else {
            return Poll::Ready(Ok(()));
        };
        match Pin::new(&mut *socket).start_send(next) {
            Ok(()) => {}
            // Pongs of the reader fill the buffer: they go first, then the same message again.
            Err(WsError::WriteBufferFull(returned)) => {
                *message = Some(*returned);
                ready!(poll_flush(socket, cx))?;
                continue;
            }
            Err(error) => return Poll::Ready(Err(closed(error))),
        }
        return Poll::Ready(socket.get_ref().check_write().map_err(Closed::Lost));
    }
}

fn poll_flush(socket: &mut WebSocketStream<Tap>, cx: &mut Context<'_>) -> Poll<Result<(), Closed>> {
    ready!(Pin::new(&mut *socket).poll_flush(cx)).map_err(closed)?;
    Poll::Ready(socket.get_ref().check_write().map_err(Closed::Lost))
}

/// A goodbye that does not leave within it never will; nobody should wait longer at the end of a program.
pub const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
/// RFC 6455, section 5.5: 125 bytes of a control frame, less two for the code.
const REASON_BYTES_MAX: usize = 123;

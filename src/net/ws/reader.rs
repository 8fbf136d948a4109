//! The reading half.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use async_tungstenite::WebSocketStream;
use async_tungstenite::tungstenite::Message;
use bytes::{Bytes, BytesMut};
use futures_lite::Stream;

use super::tap::Tap;
use super::{Closed, Shared, already_closed, closed};

/// The reading half of a connection. It also answers pings, so keep awaiting [`Reader::next`].
#[derive(Debug)]
pub struct Reader {
    shared: Shared,
    ended: bool,
}

impl Reader {
    pub(super) fn new(shared: Shared) -> Reader {
        Reader { shared, ended: false }
    }

    /// The next whole message, or how the connection ended; after that, [`Closed::Lost`] for ever. What was sent before
    /// an end comes before it. Cancel safe.
    ///
    /// # Errors
    /// The end of the connection, in order or not.
    pub async fn next(&mut self) -> Result<BytesMut, Closed> {
        if self.ended {
            return Err(already_closed());
        }
        let message = poll_fn(|cx| poll_message(&mut self.shared.lock(), cx)).await;
        self.ended = message.is_err();
        message
    }
}

fn poll_message(socket: &mut WebSocketStream<Tap>, cx: &mut Context<'_>) -> Poll<Result<BytesMut, Closed>> {
    loop {
        match ready!(Pin::new(&mut *socket).poll_next(cx)) {
            Some(Ok(Message::Binary(bytes))) => return Poll::Ready(Ok(exclusive(bytes))),
            Some(Ok(Message::Text(_))) => {
                return Poll::Ready(Err(Closed::Broken("a text message came".to_owned())));
            }
            Some(Ok(Message::Close(frame))) => {
                // One more poll sends the answer as far as the network takes it; nothing more is to come.
                let _ = Pin::new(&mut *socket).poll_next(cx);
                let (code, reason) = frame.map_or((NO_STATUS, String::new()), |frame| {
                    (frame.code.into(), frame.reason.to_string())
                });
                let reason = reason.chars().filter(|c| !c.is_control()).collect();
                return Poll::Ready(Err(Closed::Clean { code, reason }));
            }
            // The library has answered it already.
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
            Some(Err(error)) => return Poll::Ready(Err(closed(error))),
            None => return Poll::Ready(Err(already_closed())),
        }
    }
}

/// The message as bytes to open in place: without a copy where it came in fragments and so has memory of its own.
fn exclusive(bytes: Bytes) -> BytesMut {
    bytes.try_into_mut().unwrap_or_else(|shared| BytesMut::from(&shared[..]))
}

/// RFC 6455, section 7.4.1: what a close frame without a code means.
const NO_STATUS: u16 = 1005;

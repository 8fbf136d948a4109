//! One connection in a relay's room: whole binary messages both ways.
//!
//! The two halves share a WebSocket under a lock that is held only while a call to the system runs, never while waiting. So
//! a writer that waits for the network never stops the reader, and the reader answers the relay's pings while the writer is
//! blocked or idle, as long as somebody awaits [`Reader::next`].

mod meter;
mod reader;
mod tap;
mod writer;

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_tungstenite::WebSocketStream;
use async_tungstenite::tungstenite::Error as WsError;
use async_tungstenite::tungstenite::error::ProtocolError;
use async_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use futures_lite::io::{AsyncRead, AsyncWrite};

pub use reader::Reader;
pub use writer::Writer;

use crate::proto::liveness::Heard;
use crate::proto::seal::RECORD_MAX;
use crate::{Error, Kind};
use tap::{Tap, TooLong};

/// The largest message: the largest record. What is said before there are records is far shorter.
pub const MESSAGE_BYTES_MAX: usize = RECORD_MAX;

/// An upgraded connection. The halves can be used from two tasks at once.
#[derive(Debug)]
pub struct Connection {
    /// What comes.
    pub reader: Reader,
    /// What goes.
    pub writer: Writer,
    /// Whether the other side still says anything.
    pub alive: Alive,
    /// How long the relay took to answer the request for this seat: a way there and back, whatever people do. Zero where that was not measured.
    pub answered: Duration,
    /// The relay joins this side only with one that has shown a token, as it has shown none.
    pub awaits_token: bool,
}

/// A counter of the bytes that came from the other side, readable from any task.
///
/// Only the payload of data messages counts, byte by byte as it arrives, also in the middle of a long message. Pings and
/// pongs of the relay do not count: they only tell that the relay lives. To judge liveness, show [`Alive::heard`] now and
/// then to [`Liveness`](crate::proto::liveness::Liveness). It grows only while [`Reader::next`] is awaited, so a side must keep reading.
#[derive(Clone, Debug, Default)]
pub struct Alive(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    bytes: AtomicU64,
    whole_bytes: AtomicU64,
}

impl Alive {
    /// What has come so far; never less than before.
    #[must_use]
    pub fn heard(&self) -> Heard {
        // In this order, so that there is never more in whole messages than in all.
        let whole_bytes = self.0.whole_bytes.load(Ordering::Acquire);
        Heard { bytes: self.0.bytes.load(Ordering::Relaxed), whole_bytes }
    }

    fn set(&self, heard: Heard) {
        self.0.bytes.store(heard.bytes, Ordering::Relaxed);
        self.0.whole_bytes.store(heard.whole_bytes, Ordering::Release);
    }
}

/// How a connection ended.
#[derive(Debug)]
pub enum Closed {
    /// With a close frame: the relay's or, passed on by it, the other side's.
    Clean {
        /// The status code; 1005 where the frame had none.
        code: u16,
        /// The reason, free of control characters.
        reason: String,
    },
    /// By the network: reset, timed out, or ended without a close frame.
    Lost(io::Error),
    /// By a message that breaks the rules: a text message, one over [`MESSAGE_BYTES_MAX`], a malformed frame.
    Broken(String),
}

impl Closed {
    /// Whether the relay closed it for this reason, one of [`parting`](crate::proto::parting).
    #[must_use]
    pub fn is_for(&self, why: &str) -> bool {
        matches!(self, Closed::Clean { code: POLICY, reason } if reason == why)
    }
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Closed::Clean { code, reason } if reason.is_empty() => write!(f, "closed with code {code}"),
            Closed::Clean { reason, .. } => write!(f, "closed: {reason}"),
            Closed::Lost(error) => write!(f, "connection lost: {error}"),
            Closed::Broken(what) => write!(f, "the relay broke the WebSocket protocol: {what}"),
        }
    }
}

impl std::error::Error for Closed {}

impl From<Closed> for Error {
    fn from(closed: Closed) -> Error {
        match closed {
            Closed::Clean { .. } => {
                Error::new(Kind::ConnectionLost, "the relay ended the connection").caused_by(closed)
            }
            Closed::Lost(error) => {
                Error::new(Kind::ConnectionLost, "the connection to the relay was lost").caused_by(error)
            }
            Closed::Broken(_) => Error::new(Kind::Protocol, closed.to_string()),
        }
    }
}

impl Connection {
    /// A client's connection over a stream on which the upgrade is done.
    pub async fn over(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Connection {
        let alive = Alive::default();
        let tap = Tap::new(Box::new(stream), alive.clone());
        let socket = WebSocketStream::from_raw_socket(tap, Role::Client, Some(config())).await;
        let shared = Shared(Arc::new(Mutex::new(socket)));
        let (reader, writer) = (Reader::new(shared.clone()), Writer::new(shared));
        Connection { reader, writer, alive, answered: Duration::ZERO, awaits_token: false }
    }
}

/// The WebSocket both halves work on.
#[derive(Clone)]
struct Shared(Arc<Mutex<WebSocketStream<Tap>>>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, WebSocketStream<Tap>> {
        // A panic in the other half leaves the socket in some valid state: it is not repaired, but it can be closed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shared")
    }
}

/// The library's error as the end of the connection.
fn closed(error: WsError) -> Closed {
    match error {
        WsError::Io(error) => match error.get_ref().and_then(|error| error.downcast_ref::<TooLong>()) {
            Some(too_long) => Closed::Broken(too_long.to_string()),
            None => Closed::Lost(error),
        },
        WsError::Protocol(ProtocolError::ResetWithoutClosingHandshake) => {
            Closed::Lost(io::Error::new(io::ErrorKind::UnexpectedEof, "it ended without a goodbye"))
        }
        WsError::ConnectionClosed
        | WsError::AlreadyClosed
        | WsError::Protocol(ProtocolError::SendAfterClosing) => already_closed(),
        other => Closed::Broken(other.to_string()),
    }
}

/// What every use after the end gets; the reader has the details.
fn already_closed() -> Closed {
    Closed::Lost(io::Error::new(io::ErrorKind::NotConnected, "the connection has ended"))
}

fn config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(WRITE_BUFFER_BYTES)
        .max_write_buffer_size(WRITE_BUFFER_BYTES + MESSAGE_BYTES_MAX + PONGS_BYTES_MAX)
        .max_message_size(Some(MESSAGE_BYTES_MAX))
        .max_frame_size(Some(MESSAGE_BYTES_MAX))
}

/// RFC 6455, section 7.4.1: a message violates the policy.
const POLICY: u16 = 1008;
/// One fragment of the relay; larger ones would only be zeroed more often than filled.
const READ_BUFFER_BYTES: usize = 64 << 10;
/// Below it messages wait for [`Writer::flush`] and go out together; anything larger goes out at once.
const WRITE_BUFFER_BYTES: usize = 16 << 10;
/// Pongs that wait behind a blocked writer. Beyond that only the newest is kept, which the protocol allows.
const PONGS_BYTES_MAX: usize = 16 << 10;

#[cfg(test)]
mod tests;

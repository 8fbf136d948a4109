//! The HTTP upgrade to a WebSocket in one of the relay's rooms.
//!
//! ```text
//! GET {prefix}/v1/room/ROOM?role=send|receive[&new=1] HTTP/1.1      subprotocol p2pc.v1
//! [Authorization: Bearer TOKEN]
//! 101 Switching Protocols                                           from here on WebSocket frames
//! [P2PC-Awaits: token]                                              joined only with somebody who has shown one
//! 409, 4xx, 5xx with one line that says what to do                  a refusal; with Retry-After one that may pass
//! ```
//!
//! It is spoken here and not by the WebSocket library, because that one drops the body of a refusal that does not come
//! in the same packet as its head, and takes no `Connection` header with more than one word.

use std::io;
use std::time::Duration;

use futures_lite::io::AsyncWriteExt;

use async_tungstenite::tungstenite::handshake::client::generate_key;
use async_tungstenite::tungstenite::handshake::derive_accept_key;

use zeroize::Zeroizing;

use super::dial::{DialError, Role, RoomRequest, Token, hung_up};
use super::http::{self, Head, HeadError};
use super::tcp::{BoxedIo, is_hanging_up};
use super::url::RelayUrl;
use crate::{Error, Kind};

/// What is known of a seat from the answer that gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seated {
    /// The relay joins it only with somebody who has shown a token.
    pub(super) awaits_token: bool,
}

/// Asks for the room; on success the stream carries WebSocket frames. Not cancel safe.
pub(super) async fn upgrade(
    stream: &mut BoxedIo,
    relay: &RelayUrl,
    request: &RoomRequest,
    token: Option<&Token>,
) -> Result<Seated, DialError> {
    let key = generate_key();
    let failed = |error: io::Error| unanswered(relay, error);
    stream.write_all(request_text(relay, request, &key, token)?.as_bytes()).await.map_err(failed)?;
    stream.flush().await.map_err(failed)?;
    let head = http::read_head(stream).await.map_err(|error| match error {
        HeadError::Io(error) => failed(error),
        HeadError::NotHttp => Error::new(Kind::Relay, format!("{relay} does not answer like a p2pc relay"))
            .hint(not_http_hint(relay))
            .into(),
    })?;
    let again = head.header("retry-after").and_then(|text| text.trim().parse().ok()).map(Duration::from_secs);
    match head.status {
        SWITCHING_PROTOCOLS => {
            check(&head, &key, relay)?;
            Ok(Seated { awaits_token: head.has_token("p2pc-awaits", "token") })
        }
        CONFLICT if again.is_none() => Err(DialError::RoomTaken(http::first_body_line(stream, &head).await)),
        status => {
            let body = match head.header("location") {
                Some(target) => format!("go to {}", http::printable(target.as_bytes())),
                None => http::first_body_line(stream, &head).await,
            };
            Err(DialError::Refused { status, body, again, relay: relay.clone() })
        }
    }
}

/// There is no answer, for this reason.
pub(super) fn unanswered(relay: &RelayUrl, error: io::Error) -> DialError {
    if is_hanging_up(&error) {
        return hung_up(relay, error);
    }
    Error::new(Kind::Relay, format!("the relay {relay} did not answer the request")).caused_by(error).into()
}

fn request_text(
    relay: &RelayUrl,
    request: &RoomRequest,
    key: &str,
    token: Option<&Token>,
) -> Result<Zeroizing<String>, Error> {
    let room = &request.room;
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if !(1..=ROOM_BYTES_MAX).contains(&room.len()) || !room.bytes().all(allowed) {
        return Err(Error::new(Kind::Internal, "the room's name cannot be put into a request"));
    }
    let role = match request.role {
        Role::Send => "send",
        Role::Receive => "receive",
    };
    let fresh = if request.fresh { "&new=1" } else { "" };
    let (prefix, host) = (relay.prefix(), relay.host_header());
    let secret = token.map_or("", Token::reveal);
    // One buffer from the beginning: one that grows leaves copies of the token behind.
    let mut text =
        Zeroizing::new(String::with_capacity(REQUEST_ROOM + prefix.len() + host.len() + secret.len()));
    let head = format!(
        "GET {prefix}/v1/room/{room}?role={role}{fresh} HTTP/1.1\r\n\
         Host: {host}\r\n\
         User-Agent: p2pc/{}\r\n\
         Connection: Upgrade\r\n\
         Upgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Protocol: {SUBPROTOCOL}\r\n\
         Sec-WebSocket-Key: {key}\r\n",
        env!("CARGO_PKG_VERSION"),
    );
    text.push_str(&head);
    if token.is_some() {
        for part in ["Authorization: Bearer ", secret, "\r\n"] {
            text.push_str(part);
        }
    }
    text.push_str("\r\n");
    Ok(text)
}

/// RFC 6455, section 4.1: what makes a 101 an answer to this very request.
fn check(head: &Head, key: &str, relay: &RelayUrl) -> Result<(), Error> {
    let strange = |what: &str| {
        Error::new(Kind::Relay, format!("{relay} does not answer like a p2pc relay: {what}"))
            .hint("Check the address. A proxy in between may also have meddled with the connection.")
    };
    if !head.has_token("upgrade", "websocket") || !head.has_token("connection", "upgrade") {
        return Err(strange("it upgrades to something else than a WebSocket"));
    }
    if head.header("sec-websocket-accept").map(str::trim) != Some(derive_accept_key(key.as_bytes()).as_str())
    {
        return Err(strange("its answer is to another request"));
    }
    if head.header("sec-websocket-protocol").map(str::trim) != Some(SUBPROTOCOL) {
        return Err(strange("it does not speak p2pc.v1"));
    }
    if head.header("sec-websocket-extensions").is_some() {
        return Err(strange("it uses an extension nobody asked for"));
    }
    Ok(())
}

fn not_http_hint(relay: &RelayUrl) -> String {
    if relay.tls() {
        "Check host and port.".to_owned()
    } else {
        format!("If it speaks TLS, write wss://{}.", relay.host_header())
    }
}

/// What both ends and the relay speak on the socket.
pub(super) const SUBPROTOCOL: &str = "p2pc.v1";
/// A request without the relay's own address and the token.
const REQUEST_ROOM: usize = 512;
/// What the relay accepts.
const ROOM_BYTES_MAX: usize = 128;
const SWITCHING_PROTOCOLS: u16 = 101;
const CONFLICT: u16 = 409;

#[cfg(test)]
mod tests {
    use super::*;

    fn text(token: Option<&Token>) -> String {
        let relay = "wss://relay.example/prefix".parse().unwrap();
        let request = RoomRequest { room: "48213".into(), role: Role::Send, fresh: true };
        request_text(&relay, &request, "KEY", token).unwrap().to_string()
    }

    #[test]
    fn a_token_is_one_header_and_nothing_else_changes() {
        let token = Token::parse("0123456789abcdef").unwrap();
        let (with, without) = (text(Some(&token)), text(None));
        assert_eq!(with.matches("0123456789abcdef").count(), 1);
        assert_eq!(with.replace("Authorization: Bearer 0123456789abcdef\r\n", ""), without);
        assert!(!without.contains("Authorization") && without.ends_with("\r\n\r\n"));
        assert!(with.len() < REQUEST_ROOM);
    }
}

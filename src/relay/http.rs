//! The request before the upgrade, and every answer to it: pure, from bytes to a parsed request to bytes.
//!
//! ```text
//! GET /v1/room/ROOM?role=send|receive[&new=1] HTTP/1.1      101, or one line that says what to do:
//! Upgrade: websocket                                        400 bad role, room, key, subprotocol
//! Connection: Upgrade                                       401 a token that is not known
//! Sec-WebSocket-Version: 13                                 404 no such path, or not this relay's room
//! Sec-WebSocket-Key: …                                      405 not GET    409 the seat is taken, or no token is in the room
//! Sec-WebSocket-Protocol: p2pc.v1                           426 not a WebSocket request
//! [Authorization: Bearer …]                                 429 too much of one address, 503 of all: try later
//!                                                           431 more than 8 KiB of headers
//! ```

use async_tungstenite::tungstenite::handshake::derive_accept_key;
use httparse::{EMPTY_HEADER, Request, Status};

use super::limits::HEADERS_MAX;
use super::reasons::Refused;
use super::refusal::Refusal;
use super::room::RoomName;
use crate::proto::role::Role;
use crate::proto::token::Token;

/// A whole request.
#[derive(Debug, PartialEq, Eq)]
pub struct Heard {
    /// What is asked for.
    pub asked: Asked,
    /// What the client shows for it.
    pub credentials: Credentials,
    /// For whom it asks, if one is to believe it: all values of `X-Forwarded-For`, with commas between.
    pub forwarded_for: Vec<u8>,
    /// How it wants to be answered.
    pub reader: Reader,
    /// How many bytes the request took.
    pub taken: usize,
}

/// Who reads an ordinary answer.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Reader {
    /// It asked with `HEAD`: for everything but the content.
    pub head_only: bool,
    /// A browser.
    pub wants_html: bool,
    /// Whom it asks, by its own word. Not looked at yet.
    pub host: Option<String>,
    /// Who passed the request on says that it came over TLS.
    pub https_in_front: bool,
}

/// What a client shows in `Authorization`.
#[derive(Debug, PartialEq, Eq)]
pub enum Credentials {
    /// Nothing.
    None,
    /// A token, whoever knows it.
    Token(Token),
    /// The header, but more than once, or not with `Bearer` and something that could be a token.
    Unusable,
}

/// What a client asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum Asked {
    /// What is this?
    Index,
    /// The script that installs the client.
    Script,
    /// The client, for this target.
    Binary {
        /// Which.
        target: String,
        /// What its SHA-256 has to be, in hexadecimal digits, if that is said.
        sum: Option<String>,
    },
    /// Is it well?
    Health,
    /// A seat, over WebSocket.
    Room(RoomRequest),
}

/// A well-formed request for a seat.
#[derive(Debug, PartialEq, Eq)]
pub struct RoomRequest {
    /// Where.
    pub room: RoomName,
    /// As what.
    pub role: Role,
    /// Only if nobody is there.
    pub fresh: bool,
    /// The answer to the client's key.
    accept: String,
}

/// An ordinary HTTP answer of one line, after which the connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Code and phrase.
    status: &'static str,
    /// Further headers, each with its line end.
    headers: &'static str,
    /// When to come again, in seconds.
    again_s: Option<u64>,
    /// One line for people.
    body: &'static str,
    /// Why there is no seat, where the status does not say it.
    refused: Option<Refused>,
}

/// Reads a request from the front of `bytes`. `Ok(None)`: it is not complete yet.
///
/// # Errors
/// The answer to a request that asks for nothing we have.
pub fn parse(bytes: &[u8]) -> Result<Option<Heard>, Answer> {
    let mut headers = [EMPTY_HEADER; HEADERS_MAX];
    let mut request = Request::new(&mut headers);
    let taken = match request.parse(bytes) {
        Ok(Status::Complete(taken)) => taken,
        Ok(Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(TOO_LARGE),
        Err(_) => return Err(NOT_HTTP),
    };
    let head_only = request.method == Some("HEAD");
    if request.method != Some("GET") && !head_only {
        return Err(NOT_GET);
    }
    let target = request.path.unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let asked = match path {
        "/" => Asked::Index,
        "/healthz" => Asked::Health,
        "/install.sh" => Asked::Script,
        _ => match (path.strip_prefix("/dl/"), path.strip_prefix("/v1/room/")) {
            (Some(target), _) => {
                let sum = one_value(query, "sha256").map_err(|Repeated| BAD_SUM)?.map(str::to_owned);
                Asked::Binary { target: target.to_owned(), sum }
            }
            (None, Some(_)) if head_only => return Err(NOT_GET),
            (None, Some(room)) => Asked::Room(room_request(room, query, &request)?),
            (None, None) => return Err(NOT_FOUND),
        },
    };
    let (credentials, forwarded_for) = (credentials(&request), forwarded_for(&request));
    let reader = Reader {
        head_only,
        wants_html: names(&request, "Accept").any(|kind| kind.split(';').next() == Some("text/html")),
        host: header(&request, "Host").map(str::to_owned),
        https_in_front: header(&request, "X-Forwarded-Proto")
            .is_some_and(|proto| proto.eq_ignore_ascii_case("https")),
    };
    Ok(Some(Heard { asked, credentials, forwarded_for, reader, taken }))
}

/// Nothing is refused for its credentials here: a relay that knows no tokens does not look at them.
fn credentials(request: &Request<'_, '_>) -> Credentials {
    let mut values = raw_values(request, "Authorization");
    let Some(first) = values.next() else { return Credentials::None };
    let token = std::str::from_utf8(first).ok().and_then(|value| {
        let (scheme, token) = value.trim().split_once(' ')?;
        Token::parse(token.trim_start()).ok().filter(|_| scheme.eq_ignore_ascii_case("Bearer"))
    });
    match token {
        Some(token) if values.next().is_none() => Credentials::Token(token),
        _ => Credentials::Unusable,
    }
}

/// Bytes, not text: what somebody wrote into the beginning must not hide what a server added behind it.
fn forwarded_for(request: &Request<'_, '_>) -> Vec<u8> {
    raw_values(request, "X-Forwarded-For").collect::<Vec<_>>().join(&b',')
}

impl RoomRequest {
    /// The answer that turns the connection into a WebSocket. `awaits_token`: who gets it is told that only somebody with a token is joined
    /// with it.
    #[must_use]
    pub fn accept(&self, awaits_token: bool) -> Vec<u8> {
        let awaits = if awaits_token { AWAITS_TOKEN } else { "" };
        format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {}\r\nSec-WebSocket-Protocol: {SUBPROTOCOL}\r\n{awaits}\r\n",
            self.accept
        )
        .into_bytes()
    }
}

impl Answer {
    /// The answer to somebody who gets no seat.
    #[must_use]
    pub fn refusing(refusal: Refusal, role: Role) -> Answer {
        let answer = match (refusal, role) {
            (Refusal::Taken, Role::Send) => SENDER_TAKEN,
            (Refusal::Taken, Role::Receive) => RECEIVER_TAKEN,
            (Refusal::RoomOccupied, _) => OCCUPIED,
            (Refusal::NoToken, _) => NO_TOKEN,
            (Refusal::TooManyRooms | Refusal::TooManyWaiting | Refusal::TooManySessions, _) => FULL,
            (Refusal::TooManyConnections, _) => CONNECTIONS,
            (Refusal::TooManyGuests, _) => GUESTS,
            (Refusal::AddressConnections, _) => ADDRESS_CONNECTIONS,
            (Refusal::AddressArrivals { .. }, _) => ADDRESS_ARRIVALS,
            (Refusal::AddressJoins { .. }, _) => ADDRESS_JOINS,
            (Refusal::AddressRooms { .. }, _) => ADDRESS_ROOMS,
            (Refusal::GoingAway, _) => GOING_AWAY,
        };
        Answer { again_s: refusal.again_s(), refused: Some(refusal.into()), ..answer }
    }

    /// Why it refuses, if it does: for the log and the measurements.
    #[must_use]
    pub fn refused(self) -> Option<Refused> {
        self.refused.or_else(|| match self.status.get(..3)? {
            "401" => Some(Refused::UnknownToken),
            "404" => Some(Refused::NotFound),
            "408" => Some(Refused::TooSlow),
            "431" => Some(Refused::TooLarge),
            // Of these, 503 is for who asks whether the relay is well.
            "200" | "503" => None,
            _ => Some(Refused::BadRequest),
        })
    }

    /// As it goes over the wire, at a time as [`http_date`](crate::proto::date::http_date) writes it.
    #[must_use]
    pub fn to_bytes(self, head_only: bool, date: &str) -> Vec<u8> {
        let Answer { status, headers, again_s, body, .. } = self;
        let again = again_s.map(|seconds| format!("Retry-After: {seconds}\r\n")).unwrap_or_default();
        let shown = if head_only { String::new() } else { format!("{body}\n") };
        format!(
            "HTTP/1.1 {status}\r\nDate: {date}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\n\
             Cache-Control: no-store\r\nConnection: close\r\n{headers}{again}\r\n{shown}",
            body.len() + 1
        )
        .into_bytes()
    }
}

fn room_request(room: &str, query: &str, request: &Request<'_, '_>) -> Result<RoomRequest, Answer> {
    let room = RoomName::parse(room).ok_or(BAD_ROOM)?;
    let role = one_value(query, "role").ok().flatten().and_then(Role::parse).ok_or(BAD_ROLE)?;
    let fresh = match one_value(query, "new") {
        Ok(None) => false,
        Ok(Some("1")) => true,
        _ => return Err(BAD_NEW),
    };
    // HTTP/1.0 knows no upgrade.
    let upgrades = request.version == Some(1)
        && lists(request, "Upgrade", "websocket")
        && lists(request, "Connection", "upgrade");
    if !upgrades {
        return Err(NO_UPGRADE);
    }
    if header(request, "Sec-WebSocket-Version") != Some("13") {
        return Err(BAD_VERSION);
    }
    if !names(request, "Sec-WebSocket-Protocol").any(|name| name == SUBPROTOCOL) {
        return Err(NO_SUBPROTOCOL);
    }
    let key = header(request, "Sec-WebSocket-Key").filter(|key| is_key(key)).ok_or(BAD_KEY)?;
    Ok(RoomRequest { room, role, fresh, accept: derive_accept_key(key.as_bytes()) })
}

/// The value of a query's parameter, if it is there. Parameters that are not known are for later versions.
fn one_value<'q>(query: &'q str, name: &str) -> Result<Option<&'q str>, Repeated> {
    let mut values = query.split('&').filter_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    let first = values.next();
    if values.next().is_some() { Err(Repeated) } else { Ok(first) }
}

/// A parameter is there more than once: nobody can say which is meant.
struct Repeated;

/// The value of a header that may be there only once.
fn header<'r>(request: &Request<'_, 'r>, name: &str) -> Option<&'r str> {
    let mut values = values(request, name);
    let first = values.next();
    if values.next().is_some() { None } else { first }
}

fn lists(request: &Request<'_, '_>, name: &str, token: &str) -> bool {
    names(request, name).any(|listed| listed.eq_ignore_ascii_case(token))
}

fn names<'r>(request: &Request<'_, 'r>, name: &str) -> impl Iterator<Item = &'r str> {
    values(request, name).flat_map(|value| value.split(',')).map(str::trim)
}

fn values<'r>(request: &Request<'_, 'r>, name: &str) -> impl Iterator<Item = &'r str> {
    raw_values(request, name).filter_map(|value| std::str::from_utf8(value).ok()).map(str::trim)
}

fn raw_values<'r>(request: &Request<'_, 'r>, name: &str) -> impl Iterator<Item = &'r [u8]> {
    let named = move |header: &&httparse::Header<'r>| header.name.eq_ignore_ascii_case(name);
    request.headers.iter().filter(named).map(|header| header.value)
}

/// Sixteen bytes in base64: 22 characters and two of padding.
fn is_key(key: &str) -> bool {
    let digit = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/';
    key.len() == 24 && key.strip_suffix("==").is_some_and(|digits| digits.bytes().all(digit))
}

/// Said to who sits alone without a token where one is wanted.
const AWAITS_TOKEN: &str = "P2PC-Awaits: token\r\n";

/// What is spoken here.
pub const SUBPROTOCOL: &str = "p2pc.v1";

/// `GET /`.
pub const INDEX: Answer =
    ok("p2pc relay: send files with `p2pc send --relay` and the address of this server");
/// A target that nothing is here for.
pub const NO_BINARY: Answer = answer(
    "404 Not Found",
    "there is no p2pc for this target here: /install.sh lists what there is, and it can be built from source",
);
/// Nothing says under which address this relay is reached.
pub const BAD_HOST: Answer =
    answer("400 Bad Request", "the Host header is no host: whoever runs this relay can set --public-url");
/// Not the one that was asked for, by its SHA-256: of several relays one may have it, or it was replaced meanwhile.
pub const OTHER_BINARY: Answer =
    answer("404 Not Found", "this relay has another p2pc for this target: fetch /install.sh again");
/// As many fetch a binary as may.
pub const BUSY: Answer = Answer {
    again_s: Some(BUSY_AGAIN_S),
    refused: Some(Refused::Downloads),
    ..answer("503 Service Unavailable", "too many fetch p2pc at the moment: try again in 10 seconds")
};
/// As many at this address fetch a binary as may.
pub const ADDRESS_BUSY: Answer = Answer {
    again_s: Some(BUSY_AGAIN_S),
    refused: Some(Refused::AddressDownloads),
    ..answer("429 Too Many Requests", "too many at your address fetch p2pc: try again in 10 seconds")
};
/// `GET /healthz`.
pub const HEALTHY: Answer = ok("ok");
/// `GET /healthz` of a relay that is about to end.
pub const UNHEALTHY: Answer =
    Answer { again_s: Some(2), ..answer("503 Service Unavailable", "the relay is going away") };
/// A room that the embedded relay does not serve.
pub const OTHER_ROOM: Answer =
    answer("404 Not Found", "this relay serves one session only, and not this one: check the code");
/// A token that the relay does not know, or something that is none.
pub const UNKNOWN_TOKEN: Answer = Answer {
    headers: "WWW-Authenticate: Bearer\r\n",
    ..answer(
        "401 Unauthorized",
        "this relay does not know your token: check --token or P2PC_TOKEN, or ask who runs it",
    )
};
/// More than the limit for headers, or too many.
pub const TOO_LARGE: Answer =
    answer("431 Request Header Fields Too Large", "the request is larger than 8 KiB: send fewer headers");
/// The request took too long.
pub const TOO_SLOW: Answer = answer("408 Request Timeout", "the request took too long: try again");

const NOT_HTTP: Answer =
    answer("400 Bad Request", "this is no HTTP request: use `p2pc`, or a WebSocket client");
const NOT_GET: Answer = Answer {
    headers: "Allow: GET, HEAD\r\n",
    ..answer("405 Method Not Allowed", "only GET is understood here")
};
/// A path that is not there.
pub const NOT_FOUND: Answer = answer("404 Not Found", "no such path: rooms are at /v1/room/ROOM");
const BAD_ROOM: Answer =
    answer("400 Bad Request", "bad room: use 1 to 128 characters of A-Z, a-z, 0-9, _ and -");
const BAD_ROLE: Answer = answer("400 Bad Request", "bad role: say role=send or role=receive, once");
const BAD_NEW: Answer = answer("400 Bad Request", "bad parameter: say new=1 once, or not at all");
const BAD_SUM: Answer = answer("400 Bad Request", "bad parameter: say sha256=… once, or not at all");
const BAD_KEY: Answer = answer("400 Bad Request", "bad Sec-WebSocket-Key: send 16 bytes in base64");
const NO_SUBPROTOCOL: Answer =
    answer("400 Bad Request", "unknown subprotocol: offer p2pc.v1 in Sec-WebSocket-Protocol");
const NO_UPGRADE: Answer = Answer {
    headers: "Upgrade: websocket\r\n",
    ..answer(
        "426 Upgrade Required",
        "rooms are for WebSocket: a proxy on the way must pass Upgrade and Connection",
    )
};
const BAD_VERSION: Answer = Answer {
    headers: "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
    ..answer("426 Upgrade Required", "only version 13 of WebSocket is understood here")
};
const SENDER_TAKEN: Answer = answer(
    "409 Conflict",
    "this room already has a sender: use another code, or try again in 15 seconds if it was you",
);
const RECEIVER_TAKEN: Answer = answer(
    "409 Conflict",
    "this room already has a receiver: use another code, or try again in 15 seconds if it was you",
);
const OCCUPIED: Answer = answer("409 Conflict", "this room is in use: take another number");
// Not 401: that is about who asks, and this about who is there already. Not 503: a balancer would look for a place at another relay.
const NO_TOKEN: Answer = answer(
    "409 Conflict",
    "one of the two sides has to show a token of this relay: use --token or P2PC_TOKEN",
);
const FULL: Answer =
    answer("503 Service Unavailable", "the relay is full: try again later, or use another relay");
const CONNECTIONS: Answer = answer(
    "503 Service Unavailable",
    "the relay has no connection left: try again later, or use another relay",
);
const GUESTS: Answer = answer(
    "503 Service Unavailable",
    "too many wait here without a token: show one with --token or P2PC_TOKEN, or try again later",
);
const GOING_AWAY: Answer =
    answer("503 Service Unavailable", "the relay is going away: try again in a moment");
const ADDRESS_CONNECTIONS: Answer = answer(
    "429 Too Many Requests",
    "your address has too many connections to this relay: close some, or try again later",
);
const ADDRESS_ARRIVALS: Answer =
    answer("429 Too Many Requests", "your address connects to this relay too often: try again later");
const ADDRESS_JOINS: Answer =
    answer("429 Too Many Requests", "your address asks this relay for seats too often: try again later");
const ADDRESS_ROOMS: Answer =
    answer("429 Too Many Requests", "your address opens rooms in this relay too often: try again later");

/// In how many seconds a place for those who fetch is free again: on an ordinary line a binary takes as long.
const BUSY_AGAIN_S: u64 = 10;

const fn ok(body: &'static str) -> Answer {
    answer("200 OK", body)
}

const fn answer(status: &'static str, body: &'static str) -> Answer {
    Answer { status, headers: "", again_s: None, body, refused: None }
}

#[cfg(test)]
mod tests;

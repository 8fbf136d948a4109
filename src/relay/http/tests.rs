//! Requests and their answers.

use super::*;

const GOOD: &str = "GET /v1/room/48213?role=send HTTP/1.1\r\nHost: relay\r\nUpgrade: WebSocket\r\n\
    Connection: keep-alive, Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Protocol: other, p2pc.v1\r\n\r\n";

fn asked(request: &str) -> Result<Asked, Answer> {
    parse(request.as_bytes()).map(|parsed| parsed.unwrap().asked)
}

#[test]
fn a_good_request_is_accepted_with_golden_bytes() {
    let Ok(Asked::Room(request)) = asked(GOOD) else { panic!() };
    assert_eq!((request.role, request.fresh), (Role::Send, false));
    assert_eq!(Some(&request.room), RoomName::parse("48213").as_ref());
    let expected = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: p2pc.v1\r\n\r\n";
    assert_eq!(String::from_utf8(request.accept(false)).unwrap(), expected);
    let told = expected.replace("p2pc.v1\r\n", "p2pc.v1\r\nP2PC-Awaits: token\r\n");
    assert_eq!(String::from_utf8(request.accept(true)).unwrap(), told);
}

#[test]
fn a_request_comes_in_any_pieces() {
    for cut in 0..GOOD.len() {
        assert_eq!(parse(&GOOD.as_bytes()[..cut]), Ok(None), "{cut}");
    }
    let behind = format!("{GOOD}behind");
    let heard = parse(behind.as_bytes()).unwrap().unwrap();
    assert_eq!(heard.taken, GOOD.len());
}

/// What stands in a request with these headers beside the others.
fn with_headers(headers: &str) -> Heard {
    parse(GOOD.replace("Host: relay\r\n", headers).as_bytes()).unwrap().unwrap()
}

#[test]
fn a_token_is_shown_once_and_as_bearer() {
    let token = "0123456789/abc-def+~==";
    for line in ["Authorization: Bearer ", "authorization:bearer ", "AUTHORIZATION: BEARER   "] {
        let heard = with_headers(&format!("{line}{token} \r\n"));
        assert_eq!(heard.credentials, Credentials::Token(Token::parse(token).unwrap()), "{line}");
    }
    assert_eq!(with_headers("").credentials, Credentials::None);
    assert_eq!(
        with_headers("Proxy-Authorization: Bearer 0123456789abcdef\r\n").credentials,
        Credentials::None
    );
    let long = "x".repeat(257);
    for bad in ["", "Bearer", "Bearer ", "Basic 0123456789abcdef", "Bearer0123456789abcdef", token] {
        let heard = with_headers(&format!("Authorization: {bad}\r\n"));
        assert_eq!(heard.credentials, Credentials::Unusable, "{bad}");
    }
    for bad in
        ["Bearer short", "Bearer 0123456789abcdef more", "Bearer 0123456789äbcdef", &format!("Bearer {long}")]
    {
        let heard = with_headers(&format!("Authorization: {bad}\r\n"));
        assert_eq!(heard.credentials, Credentials::Unusable, "{bad}");
    }
    let twice = "Authorization: Bearer 0123456789abcdef\r\n".repeat(2);
    assert_eq!(with_headers(&twice).credentials, Credentials::Unusable);
}

#[test]
fn all_that_servers_say_of_whom_they_speak_for_is_kept_in_order() {
    let heard = with_headers("X-Forwarded-For: 1.1.1.1, x\r\nA: b\r\nx-forwarded-for: \u{e4}, 2.2.2.2\r\n");
    assert_eq!(heard.forwarded_for, "1.1.1.1, x,\u{e4}, 2.2.2.2".as_bytes());
    assert!(with_headers("").forwarded_for.is_empty());
}

#[test]
fn the_query_is_read_strictly_where_it_matters() {
    let fresh = |query: &str| match asked(&GOOD.replace("role=send", query)) {
        Ok(Asked::Room(request)) => Ok((request.role, request.fresh)),
        Ok(_) => panic!(),
        Err(answer) => Err(answer),
    };
    assert_eq!(fresh("role=receive"), Ok((Role::Receive, false)));
    assert_eq!(fresh("new=1&role=send"), Ok((Role::Send, true)));
    assert_eq!(fresh("role=send&later=9"), Ok((Role::Send, false)));
    for bad in ["", "role=", "role=both", "role=send&role=send", "Role=send", "xrole=send"] {
        assert_eq!(fresh(bad), Err(BAD_ROLE), "{bad}");
    }
    for bad in ["role=send&new=0", "role=send&new=1&new=1", "role=send&new="] {
        assert_eq!(fresh(bad), Err(BAD_NEW), "{bad}");
    }
}

#[test]
fn each_refusal_says_what_to_do() {
    let long = "x".repeat(129);
    for (from, to, expected) in [
        ("48213", "", BAD_ROOM),
        ("48213", "a/b", BAD_ROOM),
        ("48213", "%2e%2e", BAD_ROOM),
        ("48213", long.as_str(), BAD_ROOM),
        ("/v1/room", "/v2/room", NOT_FOUND),
        ("/v1/room", "/prefix/v1/room", NOT_FOUND),
        ("/v1/room/48213", "*", NOT_FOUND),
        ("GET", "POST", NOT_GET),
        ("GET", "G\u{7f}T", NOT_HTTP),
        ("GET", "\u{16}\u{3}\u{1}", NOT_HTTP),
        ("HTTP/1.1", "HTTP/1.0", NO_UPGRADE),
        ("HTTP/1.1", "HTTP/9", NOT_HTTP),
        ("Upgrade: WebSocket\r\n", "", NO_UPGRADE),
        ("keep-alive, Upgrade", "close", NO_UPGRADE),
        ("Version: 13", "Version: 8", BAD_VERSION),
        ("p2pc.v1", "p2pc.v9", NO_SUBPROTOCOL),
        ("dGhl", "!!!!", BAD_KEY),
        ("Sec-WebSocket-Key", "Other", BAD_KEY),
        ("Host: relay\r\n", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", BAD_KEY),
    ] {
        assert_eq!(asked(&GOOD.replacen(from, to, 1)), Err(expected), "{from:?} -> {to:?}");
    }
}

#[test]
fn too_many_headers_are_too_large() {
    let many = GOOD.replace("Host: relay\r\n", &"A: b\r\n".repeat(HEADERS_MAX));
    assert_eq!(asked(&many), Err(TOO_LARGE));
}

#[test]
fn ordinary_pages_need_no_upgrade() {
    assert_eq!(asked("GET / HTTP/1.0\r\n\r\n"), Ok(Asked::Index));
    assert_eq!(asked("GET /healthz?x HTTP/1.1\r\nHost: a\r\n\r\n"), Ok(Asked::Health));
}

#[test]
fn golden_bytes_of_an_answer() {
    let bytes = Answer::refusing(Refusal::RoomOccupied, Role::Send).to_bytes(false, DATE);
    let expected = "HTTP/1.1 409 Conflict\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 45\r\n\
        Cache-Control: no-store\r\nConnection: close\r\n\r\nthis room is in use: take another number\n";
    let expected = expected.replace("45", &"this room is in use: take another number\n".len().to_string());
    assert_eq!(String::from_utf8(bytes).unwrap(), expected);
}

#[test]
fn every_answer_is_one_line() {
    let refusals = refusals()
        .into_iter()
        .flat_map(|refusal| [Role::Send, Role::Receive].map(|role| Answer::refusing(refusal, role)));
    for answer in [INDEX, OTHER_ROOM, UNKNOWN_TOKEN, TOO_LARGE, TOO_SLOW].into_iter().chain(refusals) {
        let text = String::from_utf8(answer.to_bytes(false, DATE)).unwrap();
        let (_, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(body.ends_with('\n') && body.matches('\n').count() == 1 && body.len() < 120, "{body}");
    }
}

#[test]
fn that_no_token_is_in_a_room_is_final_for_nobody_and_sends_nobody_to_another_relay() {
    let text = Answer::refusing(Refusal::NoToken, Role::Receive).to_bytes(false, DATE);
    let text = String::from_utf8(text).unwrap();
    assert!(text.starts_with("HTTP/1.1 409 ") && text.contains("\r\nRetry-After: 5\r\n"), "{text}");
    let unknown = String::from_utf8(UNKNOWN_TOKEN.to_bytes(false, DATE)).unwrap();
    assert!(unknown.starts_with("HTTP/1.1 401 ") && !unknown.contains("Retry-After"), "{unknown}");
}

fn refusals() -> [Refusal; 13] {
    [
        Refusal::Taken,
        Refusal::RoomOccupied,
        Refusal::NoToken,
        Refusal::TooManyRooms,
        Refusal::TooManyWaiting,
        Refusal::TooManySessions,
        Refusal::TooManyGuests,
        Refusal::TooManyConnections,
        Refusal::AddressConnections,
        Refusal::AddressArrivals { again_s: 7 },
        Refusal::AddressJoins { again_s: 7 },
        Refusal::AddressRooms { again_s: 7 },
        Refusal::GoingAway,
    ]
}

#[test]
fn who_may_come_again_later_is_told_when() {
    for refusal in refusals() {
        let text = String::from_utf8(Answer::refusing(refusal, Role::Send).to_bytes(false, DATE)).unwrap();
        let is_for_later = text.starts_with("HTTP/1.1 429 ")
            || text.starts_with("HTTP/1.1 503 ")
            || refusal == Refusal::NoToken;
        let again = text.lines().find_map(|line| line.strip_prefix("Retry-After: "));
        assert_eq!(again.is_some(), is_for_later, "{text}");
        if matches!(
            refusal,
            Refusal::AddressArrivals { .. } | Refusal::AddressJoins { .. } | Refusal::AddressRooms { .. }
        ) {
            assert_eq!(again, Some("7"));
        }
    }
}

const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

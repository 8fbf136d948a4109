//! What the log of a relay says, in both forms, and what it never says.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use rustix::process::Signal;

use super::{CODE, Relay, small_file};
use crate::relay::join;

const TOKEN: &str = "a-token-that-nobody-shall-read";

/// What nothing may be found of: the room and the words of the code, the file's name, rooms of strangers, tokens known and not known.
const SECRETS: [&str; 8] = ["48213", "acid", "crane", "otter", "small", "elsewhere", TOKEN, "another-token"];

/// A relay's whole life, with everything that is logged; its log.
fn life(options: &[&str]) -> String {
    assert!(CODE.contains(SECRETS[0]));
    let dir = tempfile::tempdir().unwrap();
    let (file, out) = (small_file(dir.path()), dir.path().join("out"));
    let relay = Relay::with(&[&["--listen", "127.0.0.1:0", "--drain", "1m"], options].concat());
    let address = relay.address();
    relay.carries(relay.send().arg(file), &out, 0);
    // Somebody who waits and goes, one whom nobody waits for, and one who asks for nothing that is here.
    smol::block_on(async {
        let _waiting = join(address, "elsewhere?role=send").await.unwrap();
        assert!(join(address, "elsewhere?role=send").await.is_err());
    });
    ask(address, "/elsewhere\x1b[2J");
    let mut relay = relay;
    relay.program.says("waited in vain");
    relay.program.signal(Signal::TERM);
    relay.program.exits(143).stderr
}

/// Asks for a path, and hears the answer out.
fn ask(address: SocketAddr, path: &str) {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: relay\r\n\r\n").unwrap();
    stream.read_to_string(&mut String::new()).unwrap();
}

#[test]
fn every_line_of_json_is_an_object_with_an_event() {
    let log = life(&["--log", "json", "--log-addresses", "full"]);
    let records: Vec<_> = log.lines().map(parse).collect();
    for record in &records {
        assert!(record["time"].ends_with("Z\"") && record["level"].starts_with('"'), "{log}");
    }
    let all = |event: &str| -> Vec<&BTreeMap<String, String>> {
        let event = format!("\"{event}\"");
        records.iter().filter(|record| record["event"] == event).collect()
    };
    for event in ["start", "drain", "stop"] {
        assert_eq!(all(event).len(), 1, "{event} in {log}");
    }
    // Each lane is a session; the first lane of a transfer carries the most.
    let sessions = all("session");
    assert!(!sessions.is_empty());
    for session in sessions {
        let bytes: u64 = session["sender_bytes"].parse().unwrap();
        let _: u64 = session["receiver_bytes"].parse().unwrap();
        let seconds: f64 = session["seconds"].parse().unwrap();
        assert!(bytes > 100 && (0.0..3600.0).contains(&seconds), "{session:?}");
        assert_eq!(session["sender"], "\"127.0.0.1\"");
        assert_eq!(session["receiver"], "\"127.0.0.1\"");
        assert_eq!(session["reason"], "\"left\"", "{log}");
    }
    let waits = all("wait");
    assert_eq!((waits.len(), waits[0]["role"].as_str()), (1, "\"send\""), "{log}");
    assert_eq!(waits[0]["reason"], "\"lost\"");
    let mut refused: Vec<_> = all("refusal").iter().map(|record| record["reason"].clone()).collect();
    refused.sort();
    assert_eq!(refused, ["\"bad_request\"", "\"taken\""], "{log}");
}

#[test]
fn no_log_ever_names_rooms_codes_files_or_tokens() {
    let dir = tempfile::tempdir().unwrap();
    let tokens = dir.path().join("tokens");
    std::fs::write(&tokens, format!("anna {TOKEN}\n")).unwrap();
    for form in ["text", "json"] {
        let mut logs = vec![life(&["--log", form, "--log-addresses", "full"])];
        let mut relay = Relay::with(&[
            "--listen",
            "127.0.0.1:0",
            "--log",
            form,
            "--token-file",
            tokens.to_str().unwrap(),
        ]);
        for token in [TOKEN, "another-token-altogether"] {
            let mut stream = TcpStream::connect(relay.address()).unwrap();
            write!(
                stream,
                "GET /v1/room/elsewhere?role=send HTTP/1.1\r\nHost: r\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                 Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                 Sec-WebSocket-Protocol: p2pc.v1\r\nAuthorization: Bearer {token}\r\n\r\n"
            )
            .unwrap();
            stream.read_exact(&mut [0; 12]).unwrap();
        }
        relay.program.says("waited in vain");
        relay.program.signal(Signal::INT);
        logs.push(relay.program.exits(130).stderr);
        assert!(logs[1].contains("unknown_token"), "{}", logs[1]);
        for log in logs {
            for secret in SECRETS {
                assert!(!log.contains(secret), "{secret} in {log}");
            }
        }
    }
}

#[test]
fn addresses_are_in_the_log_as_far_as_one_wants() {
    for (how, shown) in [("off", None), ("short", Some("127.0.0.0/24")), ("full", Some("127.0.0.1"))] {
        let mut relay = Relay::with(&["--listen", "127.0.0.1:0", "--log-addresses", how]);
        ask(relay.address(), "/nothing");
        let line = relay.program.says("somebody was refused");
        match shown {
            Some(shown) => assert!(line.ends_with(&format!(" address={shown}")), "{line}"),
            None => assert!(!line.contains("127.0.0"), "{line}"),
        }
    }
}

#[test]
fn a_flood_of_refusals_is_counted_and_does_not_fill_the_log() {
    let relay = Relay::with(&["--listen", "127.0.0.1:0", "--log", "json"]);
    let begun = std::time::Instant::now();
    for _ in 0..FLOOD {
        ask(relay.address(), "/nothing");
    }
    let seconds = begun.elapsed().as_secs();
    relay.program.signal(Signal::INT);
    let log = relay.program.exits(130).stderr;
    let records: Vec<_> = log.lines().map(parse).collect();
    let written = records.iter().filter(|record| record["event"] == "\"refusal\"").count() as u64;
    let left_out = records.iter().filter(|record| record["event"] == "\"left_out\"");
    let left_out: u64 = left_out.map(|record| record["count"].parse::<u64>().unwrap()).sum();
    assert_eq!(written + left_out, FLOOD, "{log}");
    assert!(written <= 10 * (seconds + 2), "{written} lines in {seconds} s");
}

const FLOOD: u64 = 300;

#[test]
fn a_quiet_relay_says_nothing() {
    let relay = Relay::with(&["--listen", "127.0.0.1:0", "--quiet"]);
    ask(relay.address(), "/nothing");
    relay.program.signal(Signal::INT);
    assert_eq!(relay.program.exits(130).stderr, "");
}

/// The members of an object without others in it, values as they are written.
fn parse(line: &str) -> BTreeMap<String, String> {
    let mut rest = line.strip_prefix('{').and_then(|line| line.strip_suffix('}')).expect(line);
    let mut members = BTreeMap::new();
    while !rest.is_empty() {
        let name = value(&mut rest, line);
        rest = rest.strip_prefix(':').expect(line);
        let of = value(&mut rest, line);
        let name = name.trim_matches('"').to_owned();
        assert!(members.insert(name, of).is_none(), "twice in {line}");
        rest = rest.strip_prefix(',').unwrap_or(rest);
    }
    members
}

/// A string, a number, `true`, `false` or `null` from the front.
fn value(rest: &mut &str, line: &str) -> String {
    let end = if rest.starts_with('"') {
        let mut escaped = false;
        let end = rest.char_indices().skip(1).find(|(_, c)| {
            assert!(!c.is_control(), "{line}");
            let ends = *c == '"' && !escaped;
            escaped = *c == '\\' && !escaped;
            ends
        });
        end.expect(line).0 + 1
    } else {
        let end = rest.find([',', ':']).unwrap_or(rest.len());
        let word = &rest[..end];
        assert!(["true", "false", "null"].contains(&word) || word.parse::<f64>().is_ok(), "{line}");
        end
    };
    let (value, after) = rest.split_at(end);
    *rest = after;
    value.to_owned()
}

//! Holds the pages to the code: whoever changes one of them without the other is told here.
//!
//! What is compared stands in the pages behind a comment such as `<!-- limits -->`, so that everything around it may be written for people.

mod code;
mod figures;
mod links;
mod messages;
pub mod page;
mod site;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use p2pc::Kind;
use p2pc::proto::frame::encode_keep_alive;
use p2pc::proto::handshake::{Capabilities, Established, Handshake, Options, Params, Reason, Role, refusal};
use p2pc::proto::limits;
use p2pc::proto::rejoin::Rejoin;
use p2pc::proto::seal::{Ciphers, Mode, Sealer};

/// Every kind of error. `Kind` may grow: what is missing here is caught by the count of its variants in the source.
const KINDS: &[Kind] = &[
    Kind::Internal,
    Kind::Usage,
    Kind::NobodyCame,
    Kind::Authentication,
    Kind::Relay,
    Kind::ConnectionLost,
    Kind::Disk,
    Kind::Refused,
    Kind::Incomplete,
    Kind::Protocol,
    Kind::Interrupted,
];

#[test]
fn every_exit_status_is_in_the_page() {
    assert_eq!(KINDS.len(), variants("src/error.rs", "Kind").len(), "a kind is missing in this test");
    let mut known: Vec<u16> = KINDS.iter().map(|kind| kind.exit_status().into()).collect();
    // Success, and what the shell's users expect of SIGTERM and SIGHUP.
    known.extend([0, 143, 129]);
    known.sort_unstable();
    let rows = table("docs/troubleshooting.md", "exit status");
    let mut told: Vec<u16> =
        rows.iter().flat_map(|row| row[0].split(", ").map(|status| status.parse().unwrap())).collect();
    told.sort_unstable();
    assert_eq!(told, known);
}

#[test]
fn the_limits_of_a_relay_are_those_of_the_page_and_of_the_help() {
    let limits = p2pc::relay::Limits::default();
    let count = |count: Option<u32>| count.unwrap().to_string();
    let time = |time: std::time::Duration| match time.as_secs() {
        hours if hours % 3600 == 0 => format!("{}h", hours / 3600),
        minutes if minutes % 60 == 0 => format!("{}m", minutes / 60),
        seconds => format!("{seconds}s"),
    };
    let open = (limits.session_bytes, limits.session_rate, limits.total_rate);
    assert_eq!(open, (None, None, None));
    let real = [
        ("--max-connections", limits.connections.to_string()),
        ("--max-waiting", limits.waiting.to_string()),
        ("--max-sessions", limits.sessions.to_string()),
        ("--max-rooms", limits.rooms.to_string()),
        ("--address-connections", count(limits.address_connections)),
        ("--address-arrivals", count(limits.address_arrivals)),
        ("--address-joins", count(limits.address_joins)),
        ("--address-rooms", count(limits.address_rooms)),
        ("--wait-time", time(limits.wait)),
        ("--handshake-time", time(limits.handshake)),
        ("--header-time", time(limits.header)),
        ("--idle-time", time(limits.idle)),
        ("--session-bytes", "none".to_owned()),
        ("--session-rate", "none".to_owned()),
        ("--total-rate", "none".to_owned()),
        ("--guest-waiting", limits.guest_waiting.to_string()),
        ("--guest-wait-time", time(limits.guest_wait)),
    ];
    let rows = table("docs/relay.md", "relay limits");
    let option = |cell: &str| cell.trim_matches('`').split(' ').next().unwrap_or_default().to_owned();
    let told: Vec<(String, String)> = rows
        .iter()
        .map(|row| (option(&row[0]), row[1].split(", ").next().unwrap_or_default().to_owned()))
        .collect();
    assert_eq!(told, real.each_ref().map(|(option, value)| ((*option).to_owned(), value.clone())));
    // One line, whatever breaks it where.
    let help = read(&below("src/cli/help/relay.txt")).split_whitespace().collect::<Vec<_>>().join(" ");
    for (option, value) in real {
        let (_, about) = help.split_once(&format!("{option} ")).unwrap();
        let (_, default) = about.split_once("(default").unwrap();
        let default = default.split(')').next().unwrap_or_default().trim_start_matches([':', ' ']);
        let expected = if value == "none" { "any" } else { &value };
        assert!(default.starts_with(expected), "{option}: {default}, not {value}");
    }
}

#[test]
fn the_changelog_knows_this_version() {
    let heading = format!("## [{}]", env!("CARGO_PKG_VERSION"));
    assert!(read(&below("CHANGELOG.md")).lines().any(|line| line.starts_with(&heading)), "{heading}");
}

#[test]
fn the_frames_in_the_page_are_the_golden_ones() {
    let golden = read(&below("tests/vectors/frames.txt"));
    let golden: BTreeMap<String, String> = golden
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('\t'))
        .map(|(name, bytes)| (name.to_owned(), bytes.to_owned()))
        .collect();
    assert_eq!(vectors("frames"), golden);
}

#[test]
fn the_pairing_in_the_page_is_a_real_one() {
    let Pairing { messages, sends, receives } = pairing();
    let record = |(mut sealer, _): (Sealer, _)| {
        let mut record = encode_keep_alive().unwrap();
        sealer.seal_in_place(&mut record, 0).unwrap();
        record
    };
    let mut real = messages;
    real.push(("Refuse WrongCode", refusal(Reason::WrongCode)));
    real.push(("sender record 0", record(sends.first_lane())));
    real.push(("receiver record 0", record(receives.first_lane())));
    assert_eq!(vectors("pairing"), in_hex(real));
}

#[test]
fn the_reconnection_in_the_page_is_a_real_one() {
    let secret = pairing().sends.secret;
    let rejoin = |role, nonce| Rejoin::new(secret.clone(), Mode::Aes256Gcm, 0, role, [nonce; 32]);
    let (sender, sender_rejoin) = rejoin(Role::Send, 0x03);
    let (receiver, receiver_rejoin) = rejoin(Role::Receive, 0x04);
    let mut sender = sender.handle(&receiver_rejoin).unwrap();
    let mut receiver = receiver.handle(&sender_rejoin).unwrap();
    let mut real = in_hex(vec![
        ("sender Rejoin", sender_rejoin),
        ("receiver Rejoin", receiver_rejoin),
        ("sender record 0", sender.prove(300).unwrap()),
        ("receiver record 0", receiver.prove(7).unwrap()),
    ]);
    real.insert("room".to_owned(), secret.lane_room(0));
    assert_eq!(vectors("reconnection"), real);
}

/// The pairing of the page: what both say, and what they come to.
struct Pairing {
    messages: Vec<(&'static str, Vec<u8>)>,
    sends: Box<Established>,
    receives: Box<Established>,
}

fn pairing() -> Pairing {
    let ciphers = Ciphers::AES_256_GCM.with(Ciphers::CHACHA20_POLY1305);
    let params = |role, made, nonce, pake_seed| Params {
        room: "48213",
        password: b"acid-crane-otter",
        role,
        made,
        options: Options::default(),
        in_session: false,
        capabilities: Capabilities::NONE,
        ciphers,
        app: "1.2.3",
        nonce: [nonce; 32],
        pake_seed,
    };
    let (mut sender, sender_first) = Handshake::new(&params(Role::Send, true, 0x01, &[0x65; 32]));
    let (mut receiver, receiver_first) = Handshake::new(&params(Role::Receive, false, 0x02, &[0x66; 32]));
    assert!(sender.handle(&receiver_first).unwrap().send.is_none());
    let receiver_confirm = receiver.handle(&sender_first).unwrap().send.unwrap();
    let step = sender.handle(&receiver_confirm).unwrap();
    let sender_confirm = step.send.unwrap();
    let receives = receiver.handle(&sender_confirm).unwrap().established.unwrap();
    let messages = vec![
        ("sender First", sender_first),
        ("receiver First", receiver_first),
        ("receiver Confirm", receiver_confirm),
        ("sender Confirm", sender_confirm),
    ];
    Pairing { messages, sends: step.established.unwrap(), receives }
}

fn in_hex(named: Vec<(&str, Vec<u8>)>) -> BTreeMap<String, String> {
    named.into_iter().map(|(name, bytes)| (name.to_owned(), hex(&bytes))).collect()
}

#[test]
fn the_variants_in_the_page_are_those_of_the_code() {
    let page = read(&below("docs/protocol.md"));
    let marks = page.lines().filter_map(|line| line.strip_prefix("<!-- enum ")?.strip_suffix(" -->"));
    let marks: Vec<&str> = marks.collect();
    assert_eq!(marks.len(), 6);
    for mark in marks {
        let (name, source) = mark.split_once(' ').unwrap();
        let told: Vec<String> = table("docs/protocol.md", &format!("enum {mark}"))
            .iter()
            .enumerate()
            .map(|(at, row)| {
                assert_eq!(row[0], at.to_string(), "{mark}");
                row[1].split('`').nth(1).unwrap().to_owned()
            })
            .collect();
        assert_eq!(told, variants(source, name), "{mark}");
    }
}

/// The limits by their names in the source.
macro_rules! limits {
    ($($name:ident)*) => {
        [$((stringify!($name).to_owned(), u64::try_from(limits::$name).unwrap())),*]
    };
}

#[test]
fn the_limits_in_the_page_are_those_of_the_code() {
    let known = limits![
        NAME_BYTES_MAX PATH_BYTES_MAX LINK_BYTES_MAX PAYLOAD_BYTES_MAX HEADER_BYTES_MAX FRAME_BYTES_MAX PIECES_MAX
        PIECE_HEADER_BYTES_MAX SAME_HEADER_BYTES_MAX NAMED_BYTES_MAX NAMED_PER_COST LANES_MAX PACKED_PER_COST WINDOW_BYTES FRAME_COST_MIN FRAME_COST_MAX
        WINDOW_BYTES_MAX CONTROL_BYTES_QUEUED_MAX ITEMS_OPEN_MAX ITEM_BYTES_OPEN_MAX
        ITEM_BYTES_OVERHEAD DEPTH_MAX CONTROL_BYTES_TARGET LIST_MAX RUNS_MAX GETS_MAX RECEIVED_FRAMES RECEIVED_BYTES RECEIVED_MS TEXT_BYTES_MAX SHOWN_BYTES_MAX KEEPALIVE_MS DEAD_MS
        MESSAGE_BYTES_PER_S RECEIPT_MS
    ];
    let source = read(&below("src/proto/limits.rs"));
    let declared = source.lines().filter_map(|line| line.strip_prefix("pub const ")?.split(':').next());
    assert!(
        declared.eq(known.iter().map(|(name, _)| name)),
        "a limit is missing in this test, or out of order"
    );
    let told: Vec<(String, u64)> = table("docs/protocol.md", "limits")
        .into_iter()
        .map(|row| (row[0].trim_matches('`').to_owned(), row[1].parse().unwrap()))
        .collect();
    assert_eq!(told, known);
}

#[test]
fn the_tests_and_files_that_the_pages_name_exist() {
    let mut code = String::new();
    for directory in ["src", "tests"] {
        add_code(&below(directory), &mut code);
    }
    let mut named = 0;
    for page in ["docs/threat-model.md", "docs/ARCHITECTURE.md", "docs/protocol.md"] {
        let text = read(&below(page));
        // Every second piece stands between backticks; blocks of code have three, and count as nothing and something.
        for word in text.split('`').skip(1).step_by(2) {
            let is_test =
                word.matches('_').count() >= 2 && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
            if is_test {
                assert!(
                    code.contains(&format!("fn {word}(")),
                    "{page} names a test that is not there: {word}"
                );
                named += 1;
            }
            let is_file = ["src/", "tests/", "scripts/"].iter().any(|root| word.starts_with(root));
            if is_file && !word.contains(['*', ' ', '\n']) {
                assert!(below(word).exists(), "{page} names a file that is not there: {word}");
            }
        }
    }
    assert!(named > 50, "the threat model names its tests differently now");
}

fn add_code(directory: &Path, code: &mut String) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            add_code(&path, code);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            code.push_str(&read(&path));
        }
    }
}

/// The rows of the table behind a mark, without its head: the cells of each, trimmed.
fn table(page: &str, mark: &str) -> Vec<Vec<String>> {
    let text = read(&below(page));
    let (_, rest) = text.split_once(&format!("<!-- {mark} -->\n")).unwrap();
    let rows = rest.lines().skip_while(|line| line.is_empty()).take_while(|line| line.starts_with('|'));
    let cells = |row: &str| row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
    rows.skip(2).map(cells).collect()
}

/// The vectors behind a mark in the protocol's page: a name, two spaces, and bytes, over as many indented lines as it takes.
fn vectors(mark: &str) -> BTreeMap<String, String> {
    let text = read(&below("docs/protocol.md"));
    let (_, rest) = text.split_once(&format!("<!-- vectors {mark} -->\n```text\n")).unwrap();
    let (block, _) = rest.split_once("```").unwrap();
    let mut found = BTreeMap::new();
    let mut name = String::new();
    for line in block.lines() {
        let bytes = if line.starts_with(' ') {
            line
        } else {
            let (begun, bytes) = line.split_once("  ").unwrap();
            begun.clone_into(&mut name);
            bytes
        };
        found.entry(name.clone()).or_insert_with(String::new).push_str(&bytes.replace(' ', ""));
    }
    found
}

/// The variants of a public enum, in order, read from its source.
fn variants(source: &str, name: &str) -> Vec<String> {
    let text = read(&below(source));
    let begin =
        text.find(&format!("pub enum {name} {{")).or_else(|| text.find(&format!("pub enum {name}<'a> {{")));
    let body = text[begin.unwrap()..].split("\n}").next().unwrap();
    let variant = |line: &str| {
        let line = line.strip_prefix("    ")?;
        let end = line.find(|c: char| !c.is_alphanumeric()).unwrap_or(line.len());
        line.starts_with(|c: char| c.is_ascii_uppercase()).then(|| line[..end].to_owned())
    };
    body.lines().filter_map(variant).collect()
}

/// Every page of the repository.
fn pages() -> Vec<PathBuf> {
    let in_directory = |directory: &str| {
        let entries = fs::read_dir(below(directory)).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.extension().is_some_and(|extension| extension == "md")).collect::<Vec<_>>()
    };
    let pages = [in_directory("."), in_directory("docs")].concat();
    assert!(pages.len() >= 5, "the pages are not where they were");
    pages
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn below(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

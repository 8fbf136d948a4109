//! A sender that knows the code and means harm, against the real receiver: it ends with an error that is typed, nothing stands
//! outside the output directory, and nobody's terminal is written on.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use p2pc::Code;
use p2pc::net::Connection;
use p2pc::net::dial::{DialOptions, Dialer, RoomRequest};
use p2pc::proto::frame::{
    Block, CancelReason, Cancelled, Control, FileEnd, Frame, Outcome, Reason, Verdict, WireFailure,
    encode_control, encode_received,
};
use p2pc::proto::handshake::{Capabilities, Established, Handshake, Options, Params};
use p2pc::proto::limits::{
    FRAME_BYTES_MAX, FRAME_COST_MAX, FRAME_COST_MIN, ITEMS_OPEN_MAX, LIST_MAX, NAMED_BYTES_MAX, WINDOW_BYTES,
};
use p2pc::proto::manifest::{Item, Meta};
use p2pc::proto::role::Role;
use p2pc::proto::seal::{Ciphers, Opener, Sealer};
use rustix::process::Signal;

use super::program::{Ended, Program, Terminal};
use super::{CODE, Relay, names, with_code};

const META: Meta = Meta { mode: Some(0o644), mtime_s: 1, mtime_ns: 0 };

/// The other end of a session, which says what it likes.
struct Attacker {
    connection: Connection,
    sealer: Sealer,
    opener: Opener,
    seq: u64,
}

impl Attacker {
    /// Pairs with whoever waits in the room, and begins as every sender does.
    fn pair(relay: &str) -> Attacker {
        let code = Code::parse(CODE, false).unwrap().0.derive().unwrap();
        let dialer = Dialer::new(&DialOptions::default()).unwrap();
        let seat = RoomRequest { room: code.room.clone(), role: Role::Send, fresh: false };
        let (connection, established) = smol::block_on(async {
            let mut connection = dialer.room(&relay.parse().unwrap(), &seat).await.unwrap();
            let (mut handshake, first) = Handshake::new(&Params {
                room: &code.room,
                password: &code.password,
                role: Role::Send,
                made: false,
                options: Options::default(),
                in_session: false,
                capabilities: Capabilities::NONE,
                ciphers: Ciphers::here(),
                app: "attacker",
                nonce: [7; 32],
                pake_seed: &[9; 32],
            });
            say(&mut connection, first).await.unwrap();
            loop {
                let message = connection.reader.next().await.unwrap();
                let step = handshake.handle(&message).unwrap();
                if let Some(reply) = step.send {
                    say(&mut connection, reply).await.unwrap();
                }
                if let Some(established) = step.established {
                    return (connection, established);
                }
            }
        });
        let (sealer, opener) = Established::first_lane(&established);
        let mut attacker = Attacker { connection, sealer, opener, seq: 0 };
        attacker.frame(encode_received(0).unwrap());
        attacker.says(Control::Begin { chunk_bytes: 1 << 20 });
        attacker
    }

    fn says(&mut self, control: Control<'_>) -> bool {
        self.seq += 1;
        self.frame(encode_control(self.seq - 1, control).unwrap())
    }

    /// Whether the connection still takes it.
    fn frame(&mut self, mut frame: Vec<u8>) -> bool {
        self.sealer.seal_in_place(&mut frame, 0).unwrap();
        smol::block_on(say(&mut self.connection, frame)).is_ok()
    }

    fn data(&mut self, entry: u64, content: &[u8]) -> bool {
        let mut block = Block::new(content.len());
        let fill = |room: &mut [u8]| (&mut *room).write(content);
        block.piece(entry, 0, content.len(), fill).unwrap();
        self.block(block)
    }

    fn block(&mut self, block: Block) -> bool {
        let packed = block.pack().unwrap();
        self.frame(packed.buffer[packed.start..].to_vec())
    }

    /// What the receiver says next, as `pick` has it; `None` once it has gone.
    fn hears<T>(&mut self, pick: impl Fn(Control<'_>) -> Option<T>) -> Option<T> {
        loop {
            let mut record = smol::block_on(self.connection.reader.next()).ok()?;
            let frame = self.opener.open_in_place(&mut record).unwrap();
            if let Frame::Control { control, .. } = Frame::decode(frame).unwrap()
                && let Some(picked) = pick(control)
            {
                return Some(picked);
            }
        }
    }

    /// The receiver says that the protocol is broken.
    fn is_stopped(&mut self) {
        let reason = self.hears(|control| match control {
            Control::Cancel(cancelled) => Some(cancelled.reason),
            _ => None,
        });
        assert_eq!(reason, Some(CancelReason::Protocol));
    }

    /// Offers these and then keeps to the protocol to the end: whatever is asked for is five bytes long.
    fn delivers(mut self, items: Vec<Item<'_>>) {
        let (mut planned, count) = (0, items.len() as u64);
        self.says(Control::Manifest(items));
        self.says(Control::ManifestEnd { items: count });
        loop {
            enum Heard {
                Plan(Vec<Verdict>),
                Complete,
            }
            let heard = self.hears(|control| match control {
                Control::Plan(verdicts) => Some(Heard::Plan(verdicts)),
                Control::Complete { .. } => Some(Heard::Complete),
                _ => None,
            });
            match heard.unwrap() {
                Heard::Complete => break,
                Heard::Plan(verdicts) => {
                    for verdict in verdicts {
                        if verdict == Verdict::Send {
                            self.data(planned, b"hello");
                            let root = *blake3::hash(b"hello").as_bytes();
                            self.says(Control::Ended(vec![FileEnd { entry: planned, size: 5, root }]));
                        }
                        planned += 1;
                    }
                }
            }
        }
        self.says(Control::Receipt);
        // The end of the connection is the receiver's.
        self.hears(|_| None::<()>);
    }
}

pub async fn say(connection: &mut Connection, message: Vec<u8>) -> Result<(), p2pc::net::Closed> {
    connection.writer.send(message.into()).await?;
    connection.writer.flush().await
}

/// A receiver with an attacker at the other end, and a directory beside the one it writes to.
struct Scene {
    _relay: Relay,
    _dir: tempfile::TempDir,
    outside: PathBuf,
    out: PathBuf,
    receiver: Program,
    attacker: Attacker,
}

impl Scene {
    fn begin() -> Scene {
        Scene::with(|relay, out| Program::start(relay.receive(out).arg("--verbose")))
    }

    fn with(receiver: impl FnOnce(&Relay, &Path) -> Program) -> Scene {
        let dir = tempfile::tempdir().unwrap();
        let (relay, out, outside) = (Relay::start(), dir.path().join("out"), dir.path().join("outside"));
        std::fs::create_dir(&outside).unwrap();
        let receiver = receiver(&relay, &out);
        let attacker = Attacker::pair(&relay.url);
        Scene { _relay: relay, _dir: dir, outside, out, receiver, attacker }
    }

    /// The receiver ends with `status`. Nothing got a name in its directory, nothing was written beside it, and nothing acted on its terminal.
    fn ends(self, status: i32) -> Ended {
        let Scene { receiver, outside, out, attacker, .. } = self;
        // It may hang up now, or have ended before.
        drop(attacker);
        let ended = receiver.exits(status);
        assert_eq!(names(&outside), [""; 0]);
        let arrived = if out.exists() { names(&out) } else { Vec::new() };
        assert!(arrived.iter().all(|name| name.to_string_lossy().starts_with(".p2pc-")), "{arrived:?}");
        let beside = names(out.parent().unwrap());
        assert!(beside.iter().all(|name| name == "out" || name == "outside"), "{beside:?}");
        let acts = ended.stderr.chars().find(|c| c.is_control() && *c != '\n');
        assert_eq!(acts, None, "{:?}", ended.stderr);
        ended
    }
}

fn file(name: &[u8]) -> Item<'_> {
    Item::File { name, size: Some(5), meta: META, holes: 0 }
}

#[test]
fn names_that_lead_elsewhere_break_the_protocol() {
    let long = vec![b'a'; 256];
    let bad: [&[u8]; 8] = [b"..", b".", b"", b"/tmp/p2pc", b"../outside/x", b"a\0b", &long, b".p2pc-0.part"];
    for name in bad {
        for item in [file(name), Item::Directory { name }, Item::Link { name, target: b"x", meta: META }] {
            let mut scene = Scene::begin();
            scene.attacker.says(Control::Manifest(vec![item]));
            scene.attacker.hears(|_| None::<()>);
            let ended = scene.ends(10);
            assert!(ended.stderr.contains("the other side"), "{}", ended.stderr);
        }
    }
}

#[test]
fn a_link_is_never_a_way_to_somewhere_else() {
    for directory in ["a", "b"] {
        let scene = Scene::begin();
        let Scene { attacker, outside, out, .. } = scene;
        let absolute = outside.to_str().unwrap().as_bytes();
        let name = directory.as_bytes();
        attacker.delivers(vec![
            Item::Directory { name: b"real" },
            Item::DirectoryEnd { meta: META },
            // One that leads away, and one that stays and is used as a directory all the same.
            Item::Link { name: b"a", target: absolute, meta: META },
            Item::Link { name: b"b", target: b"real", meta: META },
            Item::Directory { name },
            file(b"inside"),
            Item::DirectoryEnd { meta: META },
        ]);
        let ended = scene.receiver.exits(9);
        assert!(ended.stderr.contains("the link may point outside"), "{}", ended.stderr);
        assert!(names(&outside).is_empty() && names(&out.join("real")).is_empty());
        assert!(!out.join("a").is_symlink());
    }
}

#[test]
fn a_name_is_taken_once() {
    let scene = Scene::begin();
    let Scene { attacker, out, .. } = scene;
    attacker.delivers(vec![
        Item::Link { name: b"a", target: b"b", meta: META },
        file(b"a"),
        file(b"c"),
        file(b"c"),
        Item::Directory { name: b"c" },
        file(b"d"),
        Item::DirectoryEnd { meta: META },
    ]);
    let ended = scene.receiver.exits(9);
    assert!(ended.stderr.contains("3 entries were not delivered"), "{}", ended.stderr);
    assert_eq!(names(&out), ["a", "c"]);
    assert!(out.join("a").is_symlink() && !out.join("b").exists());
    assert!(out.join("c").is_dir(), "the first of the name that can be had");
}

#[test]
fn frames_that_no_honest_sender_makes_end_the_session() {
    let bomb = || {
        // A manifest that says to hold 2^40 items.
        let mut bytes = encode_control(1, Control::Manifest(vec![])).unwrap();
        bytes.pop();
        bytes.extend([0x80, 0x80, 0x80, 0x80, 0x80, 0x40]);
        bytes
    };
    let frames: [(&str, Vec<u8>); 4] = [
        ("garbage", b"garbage".to_vec()),
        ("half a frame", b"p".to_vec()),
        ("more than there is", bomb()),
        ("too many", {
            let items = (0..=LIST_MAX).map(|_| Item::DirectoryEnd { meta: META });
            encode_control(1, Control::Manifest(items.collect())).unwrap()
        }),
    ];
    for (what, frame) in frames {
        let mut scene = Scene::begin();
        scene.attacker.frame(frame);
        scene.attacker.hears(|_| None::<()>);
        let ended = scene.ends(10);
        assert!(ended.stderr.contains("the other side"), "{what}: {}", ended.stderr);
    }
}

#[test]
fn data_that_nobody_asked_for_ends_the_session() {
    let mut scene = Scene::begin();
    scene.attacker.data(7, b"unwanted");
    scene.attacker.is_stopped();
    scene.ends(10);
}

#[test]
fn what_is_no_record_ends_the_session() {
    for length in [0, 100, FRAME_BYTES_MAX] {
        let mut scene = Scene::begin();
        smol::block_on(say(&mut scene.attacker.connection, vec![0; length])).unwrap();
        while smol::block_on(scene.attacker.connection.reader.next()).is_ok() {}
        scene.ends(4);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_bomb_of_a_manifest_is_stopped_at_the_window() {
    let mut person = Terminal::new();
    let mut scene = Scene::with(|relay, out| {
        let mut command = with_code(person.p2pc("receive"), &relay.url);
        Program::start(command.arg("--out").arg(out))
    });
    let directories = |count: usize| {
        let pair = [Item::Directory { name: b"d" }, Item::DirectoryEnd { meta: META }];
        Control::Manifest(pair.into_iter().cycle().take(count).collect())
    };
    let mut told = 2;
    scene.attacker.says(directories(2));
    // Nobody answers: nothing that is offered comes to an end.
    person.sees("[y/N] ");
    while told < ITEMS_OPEN_MAX {
        scene.attacker.says(directories(1024));
        told += 1024;
    }
    scene.attacker.is_stopped();
    if let Some(peak) = scene.receiver.peak_memory() {
        assert!(peak < 64 << 20, "{peak} bytes");
    }
    assert!(!scene.out.exists());
    scene.ends(10);
}

#[test]
fn a_flood_of_data_is_stopped_at_the_window() {
    let mut scene = Scene::begin();
    scene.attacker.says(Control::Manifest(vec![Item::File { name: b"f", size: None, meta: META, holes: 0 }]));
    scene.attacker.hears(|control| matches!(control, Control::Plan(_)).then_some(()));
    // Far more than the window. The disk takes some of it meanwhile, but hashes holes more slowly than anybody names them.
    for frame in 0..4 * WINDOW_BYTES / FRAME_COST_MIN {
        if !scene.attacker.block(holes(frame)) {
            break;
        }
    }
    scene.attacker.is_stopped();
    scene.ends(10);
}

#[test]
fn a_file_of_endless_holes_can_be_interrupted() {
    let mut scene = Scene::begin();
    scene.attacker.says(Control::Manifest(vec![Item::File {
        name: b"f",
        size: Some(1 << 62),
        meta: META,
        holes: 1 << 62,
    }]));
    scene.attacker.hears(|control| matches!(control, Control::Plan(_)).then_some(()));
    // As many as the window takes.
    for frame in 0..WINDOW_BYTES / FRAME_COST_MAX {
        scene.attacker.block(holes(frame));
    }
    scene.receiver.signal(Signal::INT);
    scene.attacker.hears(|control| matches!(control, Control::Cancel(_)).then_some(()));
    scene.ends(130);
}

/// The `frame`-th frame of one hole, as large as it may be.
fn holes(frame: u64) -> Block {
    let mut block = Block::new(0);
    assert!(block.zeros(0, frame * u64::from(NAMED_BYTES_MAX), NAMED_BYTES_MAX));
    block
}

#[test]
fn nothing_that_comes_from_the_other_side_acts_on_the_terminal() {
    let scene = Scene::begin();
    let Scene { attacker, .. } = scene;
    let failure = WireFailure { reason: Reason::Unreadable, text: "\x1b[31mred\x07\r" };
    attacker.delivers(vec![file(b"\x1b]0;owned\x07"), Item::Unsent { name: b"\x1b[2J", failure }]);
    let ended = scene.receiver.exits(9);
    assert!(!ended.stderr.bytes().any(|byte| byte < b' ' && byte != b'\n'), "{:?}", ended.stderr);
    assert!(ended.stderr.contains(r"\x1b") || ended.stderr.contains(r"\u{1b}"), "{:?}", ended.stderr);
    // Nor the last words.
    let mut scene = Scene::begin();
    scene
        .attacker
        .says(Control::Cancel(Cancelled { reason: CancelReason::Disk, text: "\x1b[2Jgone\n\nhint: rm" }));
    let ended = scene.ends(8);
    assert!(ended.stderr.contains("gone") && !ended.stderr.contains("\nhint: rm"), "{:?}", ended.stderr);
}

#[test]
fn damaged_content_never_gets_its_name() {
    let mut scene = Scene::begin();
    scene.attacker.says(Control::Manifest(vec![file(b"f")]));
    scene.attacker.says(Control::ManifestEnd { items: 1 });
    scene.attacker.hears(|control| matches!(control, Control::Plan(_)).then_some(()));
    scene.attacker.data(0, b"hello");
    let root = *blake3::hash(b"other").as_bytes();
    scene.attacker.says(Control::Ended(vec![FileEnd { entry: 0, size: 5, root }]));
    let corrupt = scene.attacker.hears(|control| match control {
        Control::Outcomes(outcomes) => Some(matches!(
            outcomes[..],
            [Outcome { entry: 0, failure: Some(WireFailure { reason: Reason::Corrupt, .. }) }]
        )),
        _ => None,
    });
    assert_eq!(corrupt, Some(true));
    scene.attacker.says(Control::Receipt);
    scene.ends(9);
}

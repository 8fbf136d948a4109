//! What a receiver finds beside the place of a file: a part file and a journal, whoever left them there.

use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};

use p2pc::disk::create_output;
use p2pc::proto::chunk::{ChunkSize, chunk_count};
use p2pc::proto::frame::Verdict;
use p2pc::proto::manifest::{Entry, EntryKind, Meta};
use p2pc::proto::path::{Name, RelPath};
use p2pc::proto::runs::Runs;
use p2pc::receive::Rules;
use p2pc::receive::sink::{Job, Output, Sink, SinkEvent, Stop};

use super::Script;

const META: Meta = Meta { mode: Some(0o644), mtime_s: 1, mtime_ns: 2 };

/// A journal of any bytes, or one that begins well, or whose slots are sound: what is asked for after it makes sense in any case, and
/// nothing that stood there gets a final name.
pub fn journal(bytes: &[u8]) {
    static TIMES: AtomicU64 = AtomicU64::new(0);
    let mut script = Script(bytes);
    let name = Name::new(b"f").expect("a name");
    let here = format!("p2pc-journal-{}-{}", std::process::id(), TIMES.fetch_add(1, Ordering::Relaxed));
    let out = std::env::temp_dir().join(here);
    let root = create_output(&out).expect("a directory");
    let beside = |name: &Name| out.join(std::str::from_utf8(name.as_bytes()).expect("digits"));
    let size = (u64::from(script.byte()) << 14) | u64::from(script.byte());
    let (flags, part_bytes) = (script.byte(), u64::from(script.byte()) << 13);
    let part = fs::File::create(beside(&name.part_file())).expect("a part file");
    part.set_len(part_bytes).expect("room for nothing");
    fs::write(beside(&name.journal_file()), journal_of(&mut script, flags, size)).expect("a journal");

    let path = RelPath::root().join(&name).expect("a path");
    let entry = Entry { id: 0, path, kind: EntryKind::File { size: Some(size), meta: META, holes: 0 } };
    let mut sink = Sink::new(root, ChunkSize::default(), Rules::default(), Stop::new());
    let mut events = Vec::new();
    sink.handle(Job::Prepare(entry), &mut events).expect("no journal ends a transfer");
    let asked: Vec<_> = events
        .iter()
        .filter_map(|event| if let SinkEvent::Get(get) = event { Some(get) } else { None })
        .collect();
    match events.first() {
        Some(SinkEvent::Planned { entry: 0, verdict: Verdict::Send }) => assert!(asked.is_empty()),
        Some(SinkEvent::Planned { entry: 0, verdict: Verdict::Wait }) => {
            let [get] = asked.as_slice() else { panic!("{events:?}") };
            let chunk = ChunkSize::new(u64::from(get.chunk_bytes)).expect("a chunk size");
            let count = chunk_count(size, chunk);
            let send = Runs::checked(get.send.clone(), count).expect("sound runs");
            let compare = Runs::checked(get.compare.clone(), count).expect("sound runs");
            assert_eq!(send.union(&compare), Some(Runs::all(count)), "each chunk once");
        }
        other => panic!("{other:?}"),
    }
    drop(sink);
    assert!(!out.join("f").exists());
    let _ = fs::remove_dir_all(&out);
}

/// Section 6 of the protocol, as far as the flags want it to be sound.
fn journal_of(script: &mut Script<'_>, flags: u8, size: u64) -> Vec<u8> {
    if flags & 1 == 0 {
        return script.0.to_vec();
    }
    let chunk_bytes = (1u32 << 19) << (flags >> 4 & 3);
    let mut journal = b"p2pcj\x01".to_vec();
    journal.extend_from_slice(&chunk_bytes.to_le_bytes());
    let check = blake3::hash(&journal);
    journal.extend_from_slice(&check.as_bytes()[..6]);
    let mut index = 0u64;
    while !script.is_over() {
        let value = [script.byte(); 32];
        let mut slot = value.to_vec();
        let begin = index * u64::from(chunk_bytes);
        let length = size.saturating_sub(begin).min(u64::from(chunk_bytes));
        let mut checked = index.to_le_bytes().to_vec();
        checked.extend_from_slice(&length.to_le_bytes());
        checked.extend_from_slice(&value);
        let check = if script.byte() & 1 == 0 { blake3::hash(&checked) } else { blake3::hash(b"") };
        slot.extend_from_slice(&check.as_bytes()[..8]);
        journal.extend_from_slice(&slot);
        index += 1;
    }
    journal
}

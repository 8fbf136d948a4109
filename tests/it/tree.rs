//! Walk, reader and sink together: whatever tree is sent, the same one arrives.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{Seek, SeekFrom, Write};
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use p2pc::proto::chunk::{ChunkSize, chunk_count};
use p2pc::proto::frame::FileEnd;
use p2pc::proto::frame::{Frame, Verdict};
use p2pc::proto::manifest::{Entry, EntryKind, Nesting};
use p2pc::proto::runs::Runs;
use p2pc::receive::sink::{Job, Output, Rules, Sink, SinkEvent, Stop};
use p2pc::send::source::{Fetch, ReadEnd, Reader, SourceEvent, Walk, What};
use proptest::prelude::*;

use crate::rig::quickly_synced;

/// A tree to be made: what stands in a directory, by name.
#[derive(Clone, Debug)]
enum Node {
    File { content: Vec<u8>, hole: u32, mode: u32, time: u64 },
    Link { target: String },
    Directory { children: BTreeMap<Vec<u8>, Node>, mode: u32, time: u64 },
}

/// What can be seen of one thing.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    mode: u32,
    time: (i64, i64),
    what: Vec<u8>,
}

fn node() -> impl Strategy<Value = Node> {
    let name = prop_oneof!["[a-c]{1,3}".prop_map(String::into_bytes), proptest::collection::vec(1u8.., 1..6)]
        .prop_filter("a name", |name| p2pc::proto::path::Name::new(name).is_ok());
    let content = prop_oneof![
        9 => proptest::collection::vec(any::<u8>(), 0..2000),
        1 => (250_000usize..1_200_000, any::<u8>()).prop_map(|(length, byte)| vec![byte; length]),
    ];
    let hole = prop_oneof![9 => Just(0u32), 1 => 100_000u32..3_000_000];
    let leaf = prop_oneof![
        5 => (content, hole, 0o400u32..0o777, 0u64..2_000_000_000)
            .prop_map(|(content, hole, mode, time)| Node::File { content, hole, mode: mode | 0o400, time }),
        1 => "[a-c]{1,3}(/[a-c]{1,2})?".prop_map(|target| Node::Link { target }),
    ];
    leaf.prop_recursive(5, 60, 12, move |inner| {
        (proptest::collection::btree_map(name.clone(), inner, 0..12), 0u32..0o100, 0u64..2_000_000_000)
            .prop_map(|(children, mode, time)| Node::Directory { children, mode: mode | 0o700, time })
    })
}

fn make(path: &Path, node: &Node) {
    let (mode, time) = match node {
        Node::Link { target } => return symlink(target, path).unwrap(),
        Node::File { content, hole, mode, time } => {
            let mut file = std::fs::File::create(path).unwrap();
            file.seek(SeekFrom::Start(u64::from(*hole))).unwrap();
            file.write_all(content).unwrap();
            file.set_len(u64::from(*hole) * 2 + content.len() as u64).unwrap();
            (*mode, *time)
        }
        Node::Directory { children, mode, time } => {
            std::fs::create_dir(path).unwrap();
            for (name, child) in children {
                make(&path.join(OsStr::from_bytes(name)), child);
            }
            (*mode, *time)
        }
    };
    let time = UNIX_EPOCH + Duration::new(time, 123_456_789);
    std::fs::File::open(path).unwrap().set_modified(time).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

fn look(path: &Path, name: PathBuf, seen: &mut BTreeMap<PathBuf, Seen>) {
    let meta = std::fs::symlink_metadata(path).unwrap();
    let mut time = (meta.mtime(), meta.mtime_nsec());
    let what = if meta.is_symlink() {
        std::fs::read_link(path).unwrap().into_os_string().into_encoded_bytes()
    } else if meta.is_dir() {
        for child in std::fs::read_dir(path).unwrap().map(Result::unwrap) {
            look(&child.path(), name.join(child.file_name()), seen);
        }
        // Of directories to the second only: it shows that it was set.
        time.1 = 0;
        Vec::new()
    } else {
        blake3::hash(&std::fs::read(path).unwrap()).as_bytes().to_vec()
    };
    seen.insert(name, Seen { mode: meta.mode() & 0o170_777, time, what });
}

/// A transfer without anything between the two sides.
struct Transfer {
    reader: Reader,
    sink: Sink<p2pc::disk::Native>,
    events: Vec<SinkEvent>,
    open: BTreeMap<u64, Entry>,
    resolved: usize,
    failed: usize,
}

impl Transfer {
    /// Sends everything. Returns how many items failed.
    fn run(paths: &[PathBuf], out: &Path) -> usize {
        let walk = Walk::new(paths).unwrap();
        let mut transfer = Transfer {
            reader: Reader::new(walk.roots().clone(), ChunkSize::MIN),
            sink: Sink::new(
                p2pc::disk::create_output(out).unwrap(),
                ChunkSize::MIN,
                Rules::default(),
                Stop::new(),
            ),
            events: Vec::new(),
            open: BTreeMap::new(),
            resolved: 0,
            failed: 0,
        };
        let (mut nesting, mut count) = (Nesting::new(), 0);
        for entry in walk {
            let entry = entry.unwrap();
            count += 1;
            // As it would come over the wire.
            let placed = nesting.place(&entry.item()).unwrap();
            assert_eq!(placed, entry);
            transfer.open.insert(entry.id, entry);
            transfer.sink.handle(Job::Prepare(placed), &mut transfer.events).unwrap();
            transfer.settle();
        }
        let Transfer { reader, sink, events, .. } = &mut transfer;
        let _ = reader.flush(&mut |event| {
            sink.handle(job(event), events).unwrap();
            ControlFlow::Continue(())
        });
        transfer.sink.commit(&mut transfer.events).unwrap();
        transfer.settle();
        assert_eq!(transfer.resolved, count);
        transfer.failed
    }

    /// Reads what the sink wants and counts what it has brought to an end.
    fn settle(&mut self) {
        for event in std::mem::take(&mut self.events) {
            match event {
                SinkEvent::Planned { entry, verdict: verdict @ (Verdict::Send | Verdict::Compare) } => {
                    let entry = self.open.remove(&entry).unwrap();
                    let EntryKind::File { size, meta, .. } = entry.kind else { panic!("not a file") };
                    let what = if verdict == Verdict::Send {
                        What::All
                    } else {
                        let compare = Runs::all(chunk_count(size.unwrap(), ChunkSize::MIN));
                        What::Chunks { chunk: ChunkSize::MIN, send: Runs::new(), compare }
                    };
                    let fetch = Fetch { entry: entry.id, path: entry.path, size, meta, what };
                    let Transfer { reader, sink, events, .. } = self;
                    let _ = reader.fetch(&fetch, &mut |event| {
                        sink.handle(job(event), events).unwrap();
                        ControlFlow::Continue(())
                    });
                }
                SinkEvent::Resolved { failure, .. } => {
                    self.resolved += 1;
                    self.failed += usize::from(failure.is_some());
                }
                _ => {}
            }
        }
    }
}

/// What the session makes of the reader's events, and what arrives of them.
fn job(event: SourceEvent) -> Job {
    match event {
        SourceEvent::Ended(ReadEnd { entry, size, root }) => {
            Job::Finish(FileEnd { entry, size, root: root.unwrap() })
        }
        SourceEvent::Dropped { entry, failure } => Job::Drop { entry, failure },
        SourceEvent::Block(block) => {
            let packed = block.pack().unwrap();
            let Ok(Frame::Data(data)) = Frame::decode(&packed.buffer[packed.start..]) else {
                panic!("no data frame")
            };
            Job::Write { payload: Bytes::copy_from_slice(data.payload), pieces: data.pieces, cost: 1 }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn any_tree_arrives_as_it_is(tree in node()) {
        let temp = tempfile::tempdir().unwrap();
        let (source, out) = (temp.path().join("top"), temp.path().join("out"));
        let tree = match tree {
            // A link as argument would be followed.
            Node::Link { .. } => Node::Directory { children: BTreeMap::from([(b"l".to_vec(), tree)]), mode: 0o755, time: 1 },
            other => other,
        };
        make(&source, &tree);
        prop_assert_eq!(Transfer::run(std::slice::from_ref(&source), &out), 0);
        let (mut sent, mut arrived) = (BTreeMap::new(), BTreeMap::new());
        look(&source, PathBuf::new(), &mut sent);
        look(&out.join("top"), PathBuf::new(), &mut arrived);
        prop_assert_eq!(sent, arrived);
        prop_assert_eq!(std::fs::read_dir(&out).unwrap().count(), 1);
    }
}

/// More files than one commit takes, twice: the second time everything is there and stays.
#[test]
fn thousands_of_small_files_arrive_once() {
    let temp = quickly_synced();
    let source = temp.path().join("top");
    for directory in 0..25 {
        let path = source.join(directory.to_string());
        std::fs::create_dir_all(&path).unwrap();
        for file in 0..100 {
            std::fs::write(path.join(file.to_string()), [7; 4096]).unwrap();
        }
    }
    let out = temp.path().join("out");
    assert_eq!(Transfer::run(std::slice::from_ref(&source), &out), 0);
    let (mut sent, mut arrived) = (BTreeMap::new(), BTreeMap::new());
    look(&source, PathBuf::new(), &mut sent);
    look(&out.join("top"), PathBuf::new(), &mut arrived);
    assert_eq!(sent, arrived);
    assert_eq!(Transfer::run(std::slice::from_ref(&source), &out), 0);
}

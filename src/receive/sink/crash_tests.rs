//! Every change and sync of one transfer in turn is the last that happens: the process is killed there, or
//! the power goes. The next session on what is left must complete it, and no final name may ever have meant
//! anything wrong.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::LazyLock;

use super::*;
use crate::disk::Kind as DiskKind;
use crate::disk::memory::{MemoryDir, MemoryDisk, Spelling};
use crate::proto::chunk::{ChunkHasher, chunk_count, chunk_length};
use crate::proto::frame::Run;
use crate::proto::manifest::{Item, Meta, Nesting};
use crate::proto::path::Name;
use crate::receive::OnConflict;

const RULES: Rules = Rules { on_conflict: OnConflict::Overwrite, resume: true, checksums: None };
const META: Meta = Meta { mode: Some(0o640), mtime_s: 77, mtime_ns: 5 };
const CHUNK: usize = 512 * 1024;

/// What is sent: big enough for several chunks, small files beside it, directories in directories, a link,
/// and files that take the place of others, one of which differs in a single chunk.
static SOURCE: LazyLock<Vec<(&str, Thing)>> = LazyLock::new(|| {
    let mut changed = old("changed");
    changed[CHUNK + 9] ^= 1;
    vec![
        ("big", Thing::File(bytes(3, 4 * CHUNK + 1000))),
        ("changed", Thing::File(changed)),
        ("d", Thing::Directory),
        ("d/deep", Thing::Directory),
        ("d/deep/empty", Thing::File(Vec::new())),
        ("d/deep/link", Thing::Link("../small")),
        ("d/deep", Thing::End),
        ("d/small", Thing::File(bytes(5, 3000))),
        ("d", Thing::End),
        ("same", Thing::File(old("same"))),
        ("shorter", Thing::File(bytes(7, 400))),
    ]
});

/// Their roots, worked out once.
static ROOTS: LazyLock<BTreeMap<&str, [u8; 32]>> = LazyLock::new(|| {
    let files = SOURCE.iter().filter_map(|(at, thing)| match thing {
        Thing::File(bytes) => Some((*at, *blake3::hash(bytes).as_bytes())),
        _ => None,
    });
    files.collect()
});

/// What stands in the output directory before.
static OLD: LazyLock<BTreeMap<&str, Vec<u8>>> =
    LazyLock::new(|| ["changed", "same", "shorter"].map(|name| (name, old(name))).into());

#[derive(Clone, Debug, PartialEq, Eq)]
enum Thing {
    File(Vec<u8>),
    Directory,
    End,
    Link(&'static str),
}

fn old(name: &str) -> Vec<u8> {
    match name {
        "changed" => bytes(11, 2 * CHUNK + 77),
        "same" => bytes(13, CHUNK + 5),
        _ => bytes(17, 9000),
    }
}

fn bytes(seed: u8, count: usize) -> Vec<u8> {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&[seed]);
    let mut bytes = vec![0; count];
    hasher.finalize_xof().fill(&mut bytes);
    bytes
}

fn path(text: &str) -> RelPath {
    text.split('/')
        .fold(RelPath::root(), |path, name| path.join(&Name::new(name.as_bytes()).unwrap()).unwrap())
}

/// Dice from a seed (xorshift).
fn dice(seed: u64) -> impl FnMut(u64) -> u64 {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    move |sides| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) % sides
    }
}

/// The disk before the transfer.
fn before(syncs_whole: bool) -> MemoryDisk {
    let disk = MemoryDisk::with(Spelling::Exact, syncs_whole);
    for (name, bytes) in &*OLD {
        let file = disk.root().create_file(&Name::new(name.as_bytes()).unwrap()).unwrap();
        crate::disk::File::write_at(&file, bytes, 0).unwrap();
    }
    disk.settle();
    disk
}

/// A sender and the driver of the receiver, both on one thread.
struct Session {
    sink: Sink<MemoryDir>,
    events: Vec<SinkEvent>,
    queue: VecDeque<SinkEvent>,
    files: HashMap<u64, &'static [u8]>,
    paths: HashMap<u64, &'static str>,
    /// What was told to be delivered.
    delivered: Vec<&'static str>,
    failures: Vec<(&'static str, Failure)>,
    /// Chunks that the receiver had from an earlier session.
    held: u64,
    /// How often parts of the big file were asked for.
    gets: u32,
    now_ms: u64,
    /// As if so many files came at once that none can be kept open.
    is_crowded: bool,
}

impl Session {
    fn new(disk: &MemoryDisk, is_crowded: bool) -> Session {
        Session {
            is_crowded,
            sink: Sink::new(disk.root(), ChunkSize::MIN, RULES, Stop::new()),
            events: Vec::new(),
            queue: VecDeque::new(),
            files: HashMap::new(),
            paths: HashMap::new(),
            delivered: Vec::new(),
            failures: Vec::new(),
            held: 0,
            gets: 0,
            now_ms: 0,
        }
    }

    /// Sends everything, as far as the disk lets it.
    fn run(&mut self) -> Result<()> {
        let mut nesting = Nesting::new();
        for (at, thing) in &*SOURCE {
            let name = at.rsplit('/').next().unwrap().as_bytes();
            let item = match thing {
                Thing::File(bytes) => {
                    Item::File { name, size: Some(bytes.len() as u64), meta: META, holes: 0 }
                }
                Thing::Directory => Item::Directory { name },
                Thing::End => Item::DirectoryEnd { meta: META },
                Thing::Link(target) => Item::Link { name, target: target.as_bytes(), meta: META },
            };
            let entry = nesting.place(&item).unwrap();
            self.paths.insert(entry.id, at);
            if let Thing::File(bytes) = thing {
                self.files.insert(entry.id, bytes);
            }
            self.job(Job::Prepare(entry))?;
            self.answer()?;
        }
        while self.delivered.len() + self.failures.len() < self.paths.len() {
            let told = self.delivered.len() + self.failures.len();
            self.sink.commit(&mut self.events)?;
            self.answer()?;
            assert!(self.delivered.len() + self.failures.len() > told, "it does not end");
        }
        Ok(())
    }

    fn job(&mut self, job: Job) -> Result<()> {
        self.sink.handle(job, &mut self.events)?;
        // Always time for a checkpoint, so that there are as many as there can be.
        for _ in 0..2 {
            self.now_ms += 10_000;
            if let Some(checkpoint) = self.sink.checkpoint(self.now_ms)? {
                self.sink.checkpointed(checkpoint.run())?;
            }
        }
        if self.is_crowded {
            for entry in std::mem::take(&mut self.sink.open) {
                self.sink.put_away(entry)?;
            }
        }
        Ok(())
    }

    /// Does what the receiver asks for until it asks for nothing more.
    fn answer(&mut self) -> Result<()> {
        self.queue.extend(self.events.drain(..));
        while let Some(event) = self.queue.pop_front() {
            match event {
                SinkEvent::Planned { entry, verdict: Verdict::Send } => {
                    self.send(entry, ChunkSize::MIN, None)?;
                }
                SinkEvent::Planned { entry, verdict: Verdict::Compare } => {
                    let count = chunk_count(self.files[&entry].len() as u64, ChunkSize::MIN);
                    self.compare(entry, ChunkSize::MIN, &[Run { first: 0, count }])?;
                    self.finish(entry)?;
                }
                SinkEvent::Get(get) => {
                    let chunk = ChunkSize::new(u64::from(get.chunk_bytes)).unwrap();
                    let whole = get.send.is_empty() && get.compare.is_empty();
                    if self.paths[&get.entry] == "big" {
                        self.gets += 1;
                        self.held += get.compare.iter().map(|run| run.count).sum::<u64>();
                    }
                    if whole {
                        self.send(get.entry, chunk, None)?;
                    } else {
                        self.send(get.entry, chunk, Some(&get.send))?;
                        self.compare(get.entry, chunk, &get.compare)?;
                        self.finish(get.entry)?;
                    }
                }
                told => self.note(told),
            }
            self.queue.extend(self.events.drain(..));
        }
        Ok(())
    }

    fn note(&mut self, told: SinkEvent) {
        if let SinkEvent::Resolved { entry, failure } = told {
            let path = self.paths[&entry];
            match failure {
                None => self.delivered.push(path),
                Some(failure) => self.failures.push((path, failure)),
            }
        }
    }

    fn send(&mut self, entry: u64, chunk: ChunkSize, runs: Option<&[Run]>) -> Result<()> {
        let bytes = self.files[&entry];
        let all = [Run { first: 0, count: chunk_count(bytes.len() as u64, chunk) }];
        for (at, part) in chunks(bytes, chunk, runs.unwrap_or(&all)) {
            for (number, payload) in part.chunks(PAYLOAD).enumerate() {
                let offset = at + (number * PAYLOAD) as u64;
                let piece = Piece::Bytes { entry, offset, length: u32::try_from(payload.len()).unwrap() };
                let payload = Bytes::copy_from_slice(payload);
                self.job(Job::Write { pieces: vec![piece], payload, cost: 4096 })?;
            }
        }
        if runs.is_none() { self.finish(entry) } else { Ok(()) }
    }

    fn compare(&mut self, entry: u64, chunk: ChunkSize, runs: &[Run]) -> Result<()> {
        let bytes = self.files[&entry];
        for (offset, part) in chunks(bytes, chunk, runs) {
            let mut hasher = ChunkHasher::new(offset);
            hasher.update(part);
            let value = hasher.finish(part.len() == bytes.len()).0;
            let length = u32::try_from(part.len()).unwrap();
            let pieces = vec![Piece::Same { entry, offset, length, value }];
            self.job(Job::Write { pieces, payload: Bytes::new(), cost: 4096 })?;
        }
        Ok(())
    }

    fn finish(&mut self, entry: u64) -> Result<()> {
        let bytes = self.files[&entry];
        let (size, root) = (bytes.len() as u64, ROOTS[self.paths[&entry]]);
        self.job(Job::Finish(FileEnd { entry, size, root }))
    }
}

/// The bytes of some chunks, with their offsets.
fn chunks<'a>(bytes: &'a [u8], chunk: ChunkSize, runs: &[Run]) -> Vec<(u64, &'a [u8])> {
    let indices = runs.iter().flat_map(|run| run.first..run.first + run.count);
    let found = indices.map(|index| {
        let offset = index * u64::from(chunk.bytes());
        let length = chunk_length(bytes.len() as u64, chunk, index) as usize;
        (offset, &bytes[offset as usize..offset as usize + length])
    });
    found.filter(|(_, part)| !part.is_empty()).collect()
}

type Finals = BTreeMap<String, (DiskKind, Vec<u8>)>;

/// What final names mean now. Part files and journals are left out.
fn finals(disk: &MemoryDisk) -> Finals {
    let tree = disk.tree().into_iter().filter(|(path, _)| !path.contains(".p2pc-"));
    tree.map(|(at, kind)| {
        let contents = disk.contents(&path(&at)).unwrap_or_default();
        (at, (kind, contents))
    })
    .collect()
}

/// What they must mean in the end.
static EXPECTED: LazyLock<Finals> = LazyLock::new(|| {
    let things = SOURCE.iter().filter_map(|(at, thing)| {
        let there = match thing {
            Thing::File(bytes) => (DiskKind::File, bytes.clone()),
            Thing::Directory => (DiskKind::Directory, Vec::new()),
            Thing::Link(target) => (DiskKind::Link, target.as_bytes().to_vec()),
            Thing::End => return None,
        };
        Some(((*at).to_owned(), there))
    });
    things.collect()
});

/// Nothing under a final name is anything but what stood there before or what was sent, and what was told to
/// be delivered is.
fn check_left(disk: &MemoryDisk, delivered: &[&str], what: &str) {
    let left = finals(disk);
    for (at, there) in &left {
        let is_old = OLD.get(at.as_str()) == Some(&there.1);
        assert!(is_old || EXPECTED.get(at) == Some(there), "{what}: {at} is wrong");
    }
    for at in OLD.keys() {
        assert!(left.contains_key(*at), "{what}: {at} is gone");
    }
    for at in delivered {
        assert!(left.get(*at) == EXPECTED.get(*at), "{what}: {at} was told to be delivered");
    }
}

/// Sends it all on what is left, and says how many chunks that disk held.
fn complete(disk: &MemoryDisk, what: &str) -> u64 {
    let mut session = Session::new(disk, false);
    session.run().unwrap_or_else(|error| panic!("{what}: {error}"));
    assert!(session.failures.is_empty(), "{what}: {:?}", session.failures);
    assert!(session.gets <= 1, "{what}: the journal claimed what was not on the disk");
    let held = session.held;
    drop(session);
    assert!(finals(disk) == *EXPECTED, "{what}: it ends wrong");
    let names: Vec<String> = disk.tree().into_iter().map(|(path, _)| path).collect();
    assert_eq!(names.len(), EXPECTED.len(), "{what}: {names:?}");
    // And it would be there after a power loss now, with its modes.
    let safe = disk.crash(&mut |_| 0);
    assert!(finals(&safe) == *EXPECTED, "{what}: it does not last");
    for at in ["d", "d/deep"] {
        let (dir, name) = path(at).split().unwrap();
        let dir = Dirs::new(safe.root()).get(&dir).unwrap().clone();
        assert_eq!(dir.stat(&name).unwrap().meta, META, "{what}: {at}");
    }
    held
}

/// Lets one transfer go as far as `count` changes, and returns what it said to be delivered by then.
fn interrupted(disk: &MemoryDisk, count: usize, is_crowded: bool) -> (Vec<&'static str>, bool) {
    disk.stop_after(count);
    let mut session = Session::new(disk, is_crowded);
    let result = session.run();
    let is_whole = result.is_ok();
    assert!(is_whole || disk.changes() >= count, "it failed before: {result:?}");
    // What was told before the end was told.
    let left = session.queue.drain(..).chain(session.events.drain(..)).collect::<Vec<_>>();
    for event in left {
        session.note(event);
    }
    // Nothing is tidied up behind it: the disk has stopped.
    (std::mem::take(&mut session.delivered), is_whole)
}

/// Interrupts a transfer after every operation, and goes on with what `leave` makes of the disk: all the ways
/// it may be left.
fn every_operation_may_be_the_last(
    (syncs_whole, is_crowded): (bool, bool),
    leave: impl Fn(&MemoryDisk, u64) -> Vec<MemoryDisk>,
) {
    let start = before(syncs_whole).changes();
    let mut held = 0;
    for count in start.. {
        let disk = before(syncs_whole);
        let (delivered, is_whole) = interrupted(&disk, count, is_crowded);
        if is_whole {
            assert!(count > start + 40, "only {} operations", count - start);
            break;
        }
        for (way, left) in leave(&disk, count as u64).iter().enumerate() {
            let what = format!("after {count} operations, way {way}");
            check_left(left, &delivered, &what);
            held += complete(left, &what);
        }
    }
    assert!(held > 0, "nothing was ever resumed");
}

#[test]
fn killed_after_every_operation() {
    every_operation_may_be_the_last((true, false), |disk, _| vec![disk.kill()]);
}

#[test]
fn without_power_after_every_operation() {
    every_operation_may_be_the_last((true, false), powerless);
}

#[test]
fn killed_after_every_operation_while_many_files_come() {
    every_operation_may_be_the_last((true, true), |disk, _| vec![disk.kill()]);
}

#[test]
fn without_power_after_every_operation_while_many_files_come() {
    every_operation_may_be_the_last((true, true), powerless);
}

#[test]
fn without_power_after_every_operation_where_each_file_is_synced() {
    every_operation_may_be_the_last((false, false), powerless);
}

/// Once with everything lost that may be, and then as the dice fall.
fn powerless(disk: &MemoryDisk, seed: u64) -> Vec<MemoryDisk> {
    let mut left = vec![disk.crash(&mut |_| 0)];
    left.extend((1..=SEEDS).map(|number| disk.crash(&mut dice(number * 1000 + seed))));
    left
}

/// How often the dice are thrown for every operation.
const SEEDS: u64 = 2;

/// Bytes in one frame.
const PAYLOAD: usize = 256 * 1024;

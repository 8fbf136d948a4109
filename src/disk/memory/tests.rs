use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::disk::{Access, Dir, Fault, File, Stat};
use crate::proto::manifest::Meta;
use crate::proto::path::Name;

fn name(text: &str) -> Name {
    Name::new(text.as_bytes()).unwrap()
}

fn path(text: &str) -> RelPath {
    text.split('/').fold(RelPath::root(), |path, part| path.join(&name(part)).unwrap())
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

fn lose_all(_: u64) -> u64 {
    0
}

fn lose_nothing(sides: u64) -> u64 {
    1 % sides
}

fn stat(disk: &MemoryDisk, text: &str) -> Stat {
    disk.root().stat(&name(text)).unwrap()
}

/// What is done to a small disk of few files, each known by its contents' first creator.
#[derive(Clone, Debug)]
enum Act {
    Create(usize),
    Write { file: usize, at: usize, count: usize, byte: u8 },
    Resize { file: usize, length: usize },
    Rename(usize, usize),
    Replace(usize, usize),
    Remove(usize),
    Sync(usize),
    SyncData(usize),
    SyncDir,
}

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

fn act() -> impl Strategy<Value = Act> {
    let file = 0..NAMES.len();
    prop_oneof![
        3 => file.clone().prop_map(Act::Create),
        6 => (file.clone(), 0..9000_usize, 1..6000_usize, 1..=255_u8)
            .prop_map(|(file, at, count, byte)| Act::Write { file, at, count, byte }),
        2 => (file.clone(), 0..12_000_usize).prop_map(|(file, length)| Act::Resize { file, length }),
        2 => (file.clone(), file.clone()).prop_map(|(from, to)| Act::Rename(from, to)),
        1 => (file.clone(), file.clone()).prop_map(|(from, to)| Act::Replace(from, to)),
        1 => file.clone().prop_map(Act::Remove),
        1 => file.clone().prop_map(Act::Sync),
        1 => file.prop_map(Act::SyncData),
        1 => Just(Act::SyncDir),
    ]
}

/// The same disk, told in the simplest way: everything every file and the directory have been since they were synced.
#[derive(Default)]
struct Reference {
    files: Vec<Vec<Vec<u8>>>,
    names: Vec<BTreeMap<usize, usize>>,
}

impl Reference {
    fn now(&self) -> BTreeMap<usize, usize> {
        self.names.last().cloned().unwrap_or_default()
    }

    fn change(&mut self, name: usize, change: impl FnOnce(&mut Vec<u8>)) {
        let versions = &mut self.files[self.names.last().unwrap()[&name]];
        let mut bytes = versions.last().unwrap().clone();
        change(&mut bytes);
        versions.push(bytes);
    }

    fn name(&mut self, change: impl FnOnce(&mut BTreeMap<usize, usize>)) {
        let mut names = self.now();
        change(&mut names);
        self.names.push(names);
    }

    /// Does what the disk did.
    fn follow(&mut self, act: &Act) {
        match *act {
            Act::Create(name) => {
                let id = self.files.len();
                self.files.push(vec![Vec::new()]);
                self.name(|names| _ = names.insert(name, id));
            }
            Act::Write { file, at, count, byte } => self.change(file, |bytes| {
                bytes.resize(bytes.len().max(at + count), 0);
                bytes[at..at + count].fill(byte);
            }),
            Act::Resize { file, length } => self.change(file, |bytes| bytes.resize(length, 0)),
            Act::Rename(from, to) | Act::Replace(from, to) => self.name(|names| {
                let id = names.remove(&from).unwrap();
                names.insert(to, id);
            }),
            Act::Remove(name) => self.name(|names| _ = names.remove(&name)),
            Act::Sync(name) | Act::SyncData(name) => {
                let versions = &mut self.files[self.names.last().unwrap()[&name]];
                versions.drain(..versions.len() - 1);
            }
            Act::SyncDir => drop(self.names.drain(..self.names.len() - 1)),
        }
    }

    /// Which files may have lost their last name.
    fn may_be_gone(&self, id: usize) -> bool {
        !self.names.iter().all(|names| names.values().any(|named| *named == id))
    }
}

fn perform(disk: &MemoryDisk, act: &Act) -> crate::disk::Result<()> {
    let root = disk.root();
    let open = |file: usize| root.open_file(&name(NAMES[file]), Access::ReadWrite);
    match *act {
        Act::Create(file) => root.create_file(&name(NAMES[file])).map(drop),
        Act::Write { file, at, count, byte } => open(file)?.write_at(&vec![byte; count], at as u64),
        Act::Resize { file, length } => open(file)?.set_len(length as u64),
        Act::Rename(from, to) => root.rename(&name(NAMES[from]), &name(NAMES[to])),
        Act::Replace(from, to) => root.replace(&name(NAMES[from]), &name(NAMES[to])),
        Act::Remove(file) => root.remove_file(&name(NAMES[file])),
        Act::Sync(file) => open(file)?.sync(),
        Act::SyncData(file) => open(file)?.sync_data(),
        Act::SyncDir => root.sync(),
    }
}

/// Every file by its name: its inode and its contents.
fn found(disk: &MemoryDisk) -> BTreeMap<usize, (usize, Vec<u8>)> {
    let names = NAMES.iter().enumerate();
    let there = names.filter_map(|(number, text)| {
        let bytes = disk.contents(&path(text))?;
        let world = disk.world();
        let node = world.find(&path(text), false)?;
        // The root is number 0. What the disk itself says is not told apart: numbers come again.
        let id = world.nodes().iter().position(|other| std::ptr::eq(other, node))? - 1;
        Some((number, (id, bytes)))
    });
    there.collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn a_crash_leaves_what_was_synced_and_nothing_that_never_was(acts in vec(act(), 1..40), seed: u64) {
        let disk = MemoryDisk::new();
        let mut reference = Reference { names: vec![BTreeMap::new()], ..Reference::default() };
        for act in &acts {
            if perform(&disk, act).is_ok() {
                reference.follow(act);
            }
        }
        let exactly = |pick: fn(&Vec<Vec<u8>>) -> Option<&Vec<u8>>, names: &BTreeMap<usize, usize>| {
            let named = names.iter().map(|(name, id)| (*name, (*id, pick(&reference.files[*id]).unwrap().clone())));
            named.collect::<BTreeMap<_, _>>()
        };
        prop_assert_eq!(found(&disk), exactly(|versions| versions.last(), &reference.now()));
        prop_assert_eq!(
            found(&disk.crash(&mut lose_nothing)),
            exactly(|versions| versions.last(), &reference.now())
        );
        prop_assert_eq!(
            found(&disk.crash(&mut lose_all)),
            exactly(|versions| versions.first(), &reference.names[0])
        );
        let left = found(&disk.crash(&mut dice(seed)));
        for name in 0..NAMES.len() {
            let id = left.get(&name).map(|(id, _)| id);
            prop_assert!(reference.names.iter().any(|names| names.get(&name) == id), "{name} means {id:?}");
        }
        let ids: BTreeSet<_> = left.values().map(|(id, _)| *id).collect();
        prop_assert_eq!(ids.len(), left.len(), "a file has two names");
        for id in 0..reference.files.len() {
            prop_assert!(ids.contains(&id) || reference.may_be_gone(id), "{id} has lost its name");
        }
        for (id, bytes) in left.values() {
            let versions = &reference.files[*id];
            let lengths = || versions.iter().map(Vec::len);
            prop_assert!((lengths().min().unwrap()..=lengths().max().unwrap()).contains(&bytes.len()));
            for (at, byte) in bytes.iter().enumerate() {
                let was = versions.iter().any(|version| version.get(at).copied().unwrap_or(0) == *byte);
                prop_assert!(was, "byte {at} of {id} is {byte}");
            }
        }
        // What is left is durable: the next crash takes nothing.
        let again = disk.crash(&mut dice(seed)).crash(&mut lose_all);
        prop_assert_eq!(found(&again), left);
    }
}

#[test]
fn an_unsynced_write_is_lost_whole_torn_or_there() {
    let disk = MemoryDisk::new();
    let file = disk.root().create_file(&name("f")).unwrap();
    disk.settle();
    file.write_at(&[7; 5000], 100).unwrap();
    let mut seen = BTreeSet::new();
    let mut boundaries = [false; 2];
    for with_later_op in [true, false] {
        if with_later_op {
            // The write is not the last thing that happened: sectors are whole.
            disk.root().sync().unwrap();
        } else {
            file.write_at(&[7; 5000], 100).unwrap();
        }
        for seed in 0..300 {
            let bytes = disk.crash(&mut dice(seed)).contents(&path("f")).unwrap();
            let there: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at] == 7).collect();
            seen.insert(match there.len() {
                0 if bytes.is_empty() => "lost",
                0 => "only its length",
                5000 => "there",
                count if there[count - 1] - there[0] + 1 == count => "torn",
                _ => "torn inside",
            });
            for at in 101..bytes.len().min(5100) {
                let is_boundary = (bytes[at - 1] == 7) != (bytes[at] == 7);
                boundaries[usize::from(with_later_op)] |= is_boundary && at % 512 != 0;
            }
        }
    }
    assert_eq!(seen.len(), 5, "{seen:?}");
    assert_eq!(boundaries, [true, false]);
}

#[test]
fn syncing_a_file_does_not_make_its_name_durable_nor_its_data_its_mode() {
    let disk = MemoryDisk::new();
    let root = disk.root();
    root.create_dir(&name("d")).unwrap();
    let dir = root.open_dir(&name("d")).unwrap();
    let file = dir.create_file(&name("f")).unwrap();
    file.write_at(b"data", 0).unwrap();
    file.sync().unwrap();
    dir.sync().unwrap();
    assert!(disk.crash(&mut lose_all).tree().is_empty());
    root.sync().unwrap();
    file.set_meta(&Meta { mode: Some(0o640), mtime_s: 5, mtime_ns: 6 }).unwrap();
    file.write_at(b"more", 4).unwrap();
    file.sync_data().unwrap();
    let left = disk.crash(&mut lose_all);
    assert_eq!(left.contents(&path("d/f")).unwrap(), b"datamore");
    let there = left.root().open_dir(&name("d")).unwrap().stat(&name("f")).unwrap();
    assert_eq!(there.meta.mode, Some(0o600));
    assert!(stat(&left, "d").is_unfinished);
    assert!(!disk.is_durable(&path("d/f")));
    file.sync().unwrap();
    assert!(disk.is_durable(&path("d/f")));
}

#[test]
fn a_replaced_file_stays_until_the_directory_is_synced() {
    let disk = MemoryDisk::new();
    let root = disk.root();
    root.create_file(&name("f")).unwrap().write_at(b"old", 0).unwrap();
    disk.settle();
    let part = root.create_file(&name("part")).unwrap();
    part.write_at(b"new", 0).unwrap();
    part.sync().unwrap();
    root.replace(&name("part"), &name("f")).unwrap();
    assert_eq!(disk.contents(&path("f")).unwrap(), b"new");
    assert_eq!(disk.crash(&mut lose_all).contents(&path("f")).unwrap(), b"old");
    root.sync().unwrap();
    assert_eq!(disk.crash(&mut lose_all).contents(&path("f")).unwrap(), b"new");
    assert_eq!(disk.tree().len(), 1);
}

#[test]
fn a_dead_process_holds_no_lock_and_changes_nothing() {
    let disk = MemoryDisk::new();
    let file = disk.root().create_file(&name("f")).unwrap();
    file.write_at(b"left", 0).unwrap();
    assert!(file.try_lock().unwrap());
    let other = disk.beside();
    let rival = other.root().open_file(&name("f"), Access::ReadWrite).unwrap();
    assert!(!rival.try_lock().unwrap());
    let next = disk.kill();
    assert!(rival.try_lock().unwrap());
    assert_eq!(file.write_at(b"ghost", 0).unwrap_err().fault(), Fault::Broken);
    assert!(disk.root().remove_file(&name("f")).unwrap_err().is_fatal());
    assert!(file.try_lock().is_err());
    assert_eq!(next.contents(&path("f")).unwrap(), b"left");
    let found = next.root().open_file(&name("f"), Access::ReadWrite).unwrap();
    assert!(!found.try_lock().unwrap());
    drop(rival);
    assert!(found.try_lock().unwrap());
}

#[test]
fn a_full_disk_takes_what_fits_until_there_is_room() {
    let disk = MemoryDisk::new();
    let root = disk.root();
    assert_eq!(root.available().unwrap(), None);
    // The root, a file, and two pages of it.
    disk.set_capacity(Some(4 * 4096));
    let file = root.create_file(&name("f")).unwrap();
    assert_eq!(root.available().unwrap(), Some(2 * 4096));
    file.set_len(1 << 40).unwrap();
    assert_eq!(file.write_at(&[1; 3 * 4096], 0).unwrap_err().fault(), Fault::Full);
    assert_eq!(file.stat().unwrap().allocated, Some(2 * 4096));
    file.write_at(&[2; 4096], 4096).unwrap();
    for result in [root.create_dir(&name("d")), root.create_file(&name("g")).map(drop)] {
        assert_eq!(result.unwrap_err().fault(), Fault::Full);
    }
    let left = disk.crash(&mut lose_nothing);
    assert_eq!(left.root().available().unwrap(), Some(0));
    root.remove_file(&name("f")).unwrap();
    assert_eq!(root.available().unwrap(), Some(3 * 4096));
    root.create_dir(&name("d")).unwrap();
}

#[test]
fn holes_are_known() {
    let disk = MemoryDisk::new();
    let file = disk.root().create_file(&name("f")).unwrap();
    file.write_at(&[1; 4096], 3 * 4096).unwrap();
    file.set_len(10 * 4096).unwrap();
    let mut at = 0;
    let stretches = std::iter::from_fn(|| {
        let stretch = (at < 10 * 4096).then(|| file.stretch(at, 10 * 4096).unwrap())?;
        at = stretch.end;
        Some((stretch.is_hole, stretch.end / 4096))
    });
    assert_eq!(stretches.collect::<Vec<_>>(), [(true, 3), (false, 4), (true, 10)]);
}

#[test]
fn nothing_happens_after_the_last_operation() {
    let disk = MemoryDisk::new();
    disk.stop_after(2);
    let root = disk.root();
    let file = root.create_file(&name("f")).unwrap();
    file.write_at(b"last", 0).unwrap();
    assert!(file.sync().unwrap_err().is_fatal());
    assert!(root.stat(&name("f")).unwrap_err().is_fatal());
    assert_eq!(disk.changes(), 2);
    let next = disk.kill();
    assert_eq!(next.contents(&path("f")).unwrap(), b"last");
    next.root().open_file(&name("f"), Access::ReadWrite).unwrap().sync().unwrap();
}

/// As on ext4: whoever goes by the number alone takes another file for the one it was.
#[test]
fn a_number_is_given_out_again_once_nothing_leads_to_its_file() {
    let disk = MemoryDisk::new();
    let number = |text: &str| disk.root().stat(&name(text)).unwrap().id;
    let open = disk.root().create_file(&name("a")).unwrap();
    let first = number("a");
    disk.root().remove_file(&name("a")).unwrap();
    drop(disk.root().create_file(&name("b")).unwrap());
    assert_ne!(number("b"), first);
    drop(open);
    drop(disk.root().create_file(&name("c")).unwrap());
    assert_eq!(number("c"), first);
    disk.root().create_file(&name("d")).unwrap();
    assert!(number("d") != number("b") && number("d") != first);
}

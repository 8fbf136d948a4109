//! A disk in memory, for tests and the simulator: it can take names for one another, fail on request, fill up, and lose what was
//! not synced.
//!
//! It records every change and sync in the order they came. What was written counts as durable once its file (or the whole disk) was
//! synced after the write, and a name once its directory was. What [`MemoryDisk::crash`] leaves of the rest is up to the dice.
//!
//! Handles belong to the process that opened them. [`MemoryDisk::kill`] ends it: what it wrote stays, its locks are gone, and what is
//! still done with its handles comes to nothing.

mod contents;
mod crash;
mod handles;
mod names;
#[cfg(test)]
mod tests;
mod world;

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use handles::{MemoryDir, MemoryFile};

use super::Kind;
use crate::proto::path::RelPath;
use world::{Hook, ROOT, World};

/// The whole disk, as one process has it. Clones are the same disk and the same process.
#[derive(Clone, Debug)]
pub struct MemoryDisk {
    world: Arc<Mutex<World>>,
    process: Arc<Process>,
}

/// Whose handles they are.
#[derive(Debug, Default)]
struct Process(AtomicBool);

impl Process {
    const DEAD: &str = "the process that opened it is dead";

    fn is_dead(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// One change or sync, with the last name of what it was done to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Op {
    /// `create`, `mkdir`, `write`, `length`, `meta`, `symlink`, `rename`, `replace`, `remove`, `sync`, `sync-data`, `sync-dir` or
    /// `sync-all`.
    pub verb: &'static str,
    /// The name; of a rename, the new one. Empty for the root and for the whole.
    pub name: String,
}

/// When two spellings are one name to this disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spelling {
    /// Never.
    Exact,
    /// When they differ in case or in Unicode normalisation only.
    Folded,
}

impl Default for MemoryDisk {
    fn default() -> MemoryDisk {
        MemoryDisk::new()
    }
}

impl MemoryDisk {
    /// An empty disk that tells all spellings apart and can sync as a whole.
    #[must_use]
    pub fn new() -> MemoryDisk {
        MemoryDisk::with(Spelling::Exact, true)
    }

    /// An empty disk.
    #[must_use]
    pub fn with(spelling: Spelling, syncs_whole: bool) -> MemoryDisk {
        MemoryDisk::of(World::new(spelling, syncs_whole))
    }

    fn of(world: World) -> MemoryDisk {
        MemoryDisk { world: Arc::new(Mutex::new(world)), process: Arc::default() }
    }

    /// Its topmost directory.
    #[must_use]
    pub fn root(&self) -> MemoryDir {
        MemoryDir::new(self.clone(), ROOT)
    }

    /// This disk as another process has it, which runs beside this one.
    #[must_use]
    pub fn beside(&self) -> MemoryDisk {
        MemoryDisk { world: Arc::clone(&self.world), process: Arc::default() }
    }

    /// Ends the process: its locks are gone, and whatever is done with its handles from now on fails. Everything it wrote is
    /// there. Returns the disk as the next process has it; [`MemoryDisk::stop_after`] is over.
    #[must_use]
    pub fn kill(&self) -> MemoryDisk {
        self.process.0.store(true, Ordering::Relaxed);
        self.world().faults.stop_after = None;
        self.beside()
    }

    /// What is left on the disk if the power goes now. `dice(n)` gives a number below n: if that is always 0,
    /// everything is lost that may be, and if it is always 1, nothing. What was asked for with
    /// `fail_on`, `fail_from`, `when` and `stop_after` is over; the capacity stays. Handles to this disk do not reach the
    /// other one.
    #[must_use]
    pub fn crash(&self, dice: &mut impl FnMut(u64) -> u64) -> MemoryDisk {
        MemoryDisk::of(self.world().after_crash(dice))
    }

    /// Makes everything durable, unrecorded: for what stands on the disk before the story begins.
    pub fn settle(&self) {
        self.world().sync_all();
    }

    /// Limits the room for contents and for the things themselves, each of which takes a page of 4 KiB. `None`: no limit.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.world().set_capacity(bytes);
    }

    /// How many handles there are to it, of all processes; and something more.
    #[must_use]
    pub fn descriptors(&self) -> usize {
        Arc::strong_count(&self.world)
    }

    /// Lets nothing more be opened while there are so many [`MemoryDisk::descriptors`].
    pub fn set_descriptors(&self, most: Option<usize>) {
        self.world().descriptors_max = most;
    }

    /// What [`Dir::files_max`](super::Dir::files_max) says from now on.
    pub fn set_files_max(&self, most: usize) {
        self.world().files_max = most;
    }

    /// Every change and sync so far.
    #[must_use]
    pub fn ops(&self) -> Vec<Op> {
        self.world().ops.clone()
    }

    /// How many changes and syncs there were so far.
    #[must_use]
    pub fn changes(&self) -> usize {
        self.world().ops.len()
    }

    /// How many directories were opened so far.
    #[must_use]
    pub fn opens(&self) -> usize {
        self.world().opens
    }

    /// Lets every operation `verb` on `name` fail from now on. Beside those of [`Op`] there are `open` and `read`, of files, and `enter`, of
    /// directories.
    pub fn fail_on(&self, verb: &'static str, name: &str, kind: io::ErrorKind) {
        self.world().faults.named.push((verb, name.to_owned(), kind));
    }

    /// Lets the change or sync number `nth` (from 0, from the beginning) and all later ones fail.
    pub fn fail_from(&self, nth: usize, kind: io::ErrorKind) {
        self.world().faults.from = Some((nth, kind));
    }

    /// Lets the first `count` changes and syncs (from the beginning) happen, and nothing after them: every operation fails then,
    /// also one that would only look.
    pub fn stop_after(&self, count: usize) {
        self.world().faults.stop_after = Some(count);
    }

    /// Calls `hook` at every operation `verb` from now on. It must leave this disk alone.
    pub fn when(&self, verb: &'static str, hook: impl Fn() + Send + 'static) {
        self.world().faults.hooks.push(Hook(verb, Box::new(hook)));
    }

    /// Everything on the disk, as paths and kinds, sorted.
    #[must_use]
    pub fn tree(&self) -> Vec<(String, Kind)> {
        let world = self.world();
        let mut found = Vec::new();
        let mut open = vec![(ROOT, String::new())];
        while let Some((id, path)) = open.pop() {
            for (name, child) in world.nodes().get(id).into_iter().flat_map(|node| node.names.entries()) {
                let path = format!("{path}{}", String::from_utf8_lossy(name));
                found.extend(world.nodes().get(*child).map(|node| (path.clone(), node.kind)));
                open.push((*child, format!("{path}/")));
            }
        }
        found.sort();
        found
    }

    /// The contents of a file, or the target of a link.
    #[must_use]
    pub fn contents(&self, path: &RelPath) -> Option<Vec<u8>> {
        self.world().find(path, false).map(|node| node.contents.bytes())
    }

    /// Whether what stands under this path would be there, whole, after a crash now.
    #[must_use]
    pub fn is_durable(&self, path: &RelPath) -> bool {
        self.world().find(path, true).is_some_and(world::Node::is_durable)
    }

    /// Puts something there that we would not make: a device.
    pub fn put_device(&self, name: &str) {
        // The root is there, so this cannot fail.
        let _ = self.world().put(ROOT, name.as_bytes(), Kind::Other, b"");
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

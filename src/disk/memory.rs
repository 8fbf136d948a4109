//! A disk in memory for tests: it can take names for one another, fail on request, and knows what is durable.
//!
//! It records every change and sync in the order they came. What was written counts as durable once its file (or the whole disk) was
//! synced after the write, and a name once its directory was.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::{Access, Dir, DiskError, Fault, File, FileId, FileSystem, Kind, Result, Stat, Stretch};
use crate::proto::manifest::Meta;
use crate::proto::path::{Name, RelPath};

/// The whole disk. Clones are the same disk.
#[derive(Clone, Debug)]
pub struct MemoryDisk(Arc<Mutex<World>>);

/// A directory of it.
#[derive(Clone, Debug)]
pub struct MemoryDir {
    disk: MemoryDisk,
    id: u64,
}

/// A file of it.
#[derive(Clone, Debug)]
pub struct MemoryFile {
    disk: MemoryDisk,
    id: u64,
    handle: Arc<()>,
}

/// One change or sync, with the last name of what it was done to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Op {
    /// `create`, `mkdir`, `write`, `length`, `meta`, `symlink`, `rename`, `remove`, `sync`, `sync-dir` or `sync-all`.
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

#[derive(Debug)]
struct World {
    nodes: HashMap<u64, Node>,
    next: u64,
    clock: i64,
    spelling: Spelling,
    syncs_whole: bool,
    ops: Vec<Op>,
    opens: usize,
    failures: Vec<(&'static str, String, io::ErrorKind)>,
    fail_from: Option<(usize, io::ErrorKind)>,
    hooks: Vec<Hook>,
}

/// What happens elsewhere when an operation of this verb comes.
struct Hook(&'static str, Box<dyn Fn() + Send>);

impl std::fmt::Debug for Hook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Hook").field(&self.0).finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct Node {
    kind: Kind,
    name: String,
    meta: Meta,
    changed: i64,
    links: u64,
    bytes: Vec<u8>,
    // By folded name: the name as it was given, and the node.
    entries: BTreeMap<Vec<u8>, (Vec<u8>, u64)>,
    durable_entries: BTreeMap<Vec<u8>, (Vec<u8>, u64)>,
    is_durable: bool,
    is_unfinished: bool,
    // Who locked it, while that handle is open.
    lock: Weak<()>,
}

impl MemoryDisk {
    /// An empty disk that tells all spellings apart and can sync as a whole.
    pub fn new() -> MemoryDisk {
        MemoryDisk::with(Spelling::Exact, true)
    }

    /// An empty disk.
    pub fn with(spelling: Spelling, syncs_whole: bool) -> MemoryDisk {
        let mut world = World {
            nodes: HashMap::new(),
            next: 0,
            clock: 0,
            spelling,
            syncs_whole,
            ops: Vec::new(),
            opens: 0,
            failures: Vec::new(),
            fail_from: None,
            hooks: Vec::new(),
        };
        world.add(Kind::Directory, "", Vec::new());
        MemoryDisk(Arc::new(Mutex::new(world)))
    }

    /// Its topmost directory.
    pub fn root(&self) -> MemoryDir {
        MemoryDir { disk: self.clone(), id: 0 }
    }

    /// Every change and sync so far.
    pub fn ops(&self) -> Vec<Op> {
        self.world().ops.clone()
    }

    /// How many directories were opened so far.
    pub fn opens(&self) -> usize {
        self.world().opens
    }

    /// Lets every operation `verb` on `name` fail from now on.
    pub fn fail_on(&self, verb: &'static str, name: &str, kind: io::ErrorKind) {
        self.world().failures.push((verb, name.to_owned(), kind));
    }

    /// Lets the change or sync number `nth` (from 0, from the beginning) and all later ones fail.
    pub fn fail_from(&self, nth: usize, kind: io::ErrorKind) {
        self.world().fail_from = Some((nth, kind));
    }

    /// Calls `hook` at every operation `verb` from now on. It must leave this disk alone.
    pub fn when(&self, verb: &'static str, hook: impl Fn() + Send + 'static) {
        self.world().hooks.push(Hook(verb, Box::new(hook)));
    }

    /// Everything on the disk, as paths and kinds, sorted.
    pub fn tree(&self) -> Vec<(String, Kind)> {
        let world = self.world();
        let mut found = Vec::new();
        let mut open = vec![(0, String::new())];
        while let Some((id, path)) = open.pop() {
            for (name, child) in world.nodes[&id].entries.values() {
                let path = format!("{path}{}", String::from_utf8_lossy(name));
                found.push((path.clone(), world.nodes[child].kind));
                open.push((*child, format!("{path}/")));
            }
        }
        found.sort();
        found
    }

    /// The contents of a file.
    pub fn contents(&self, path: &RelPath) -> Option<Vec<u8>> {
        let world = self.world();
        world.find(path, false).map(|id| world.nodes[&id].bytes.clone())
    }

    /// Whether what stands under this path would be there, whole, after a crash now.
    pub fn is_durable(&self, path: &RelPath) -> bool {
        let world = self.world();
        world.find(path, true).is_some_and(|id| world.nodes[&id].is_durable)
    }

    /// Puts something there that we would not make: a device.
    pub fn put_device(&self, name: &str) {
        let mut world = self.world();
        let id = world.add(Kind::Other, name, Vec::new());
        world.link(0, name.as_bytes(), id);
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn node<T>(&self, id: u64, read: impl FnOnce(&mut Node) -> T) -> Result<T> {
        self.world()
            .nodes
            .get_mut(&id)
            .map(read)
            .ok_or_else(|| io::ErrorKind::NotFound.into())
            .map_err(DiskError::new)
    }
}

impl World {
    fn add(&mut self, kind: Kind, name: &str, bytes: Vec<u8>) -> u64 {
        let id = self.next;
        self.next += 1;
        self.clock += 1;
        let node = Node {
            kind,
            name: name.to_owned(),
            meta: Meta { mode: Some(0o600), mtime_s: self.clock, mtime_ns: 0 },
            changed: self.clock,
            links: 1,
            bytes,
            entries: BTreeMap::new(),
            durable_entries: BTreeMap::new(),
            // Links and directories come with their name; only what is changed about them later has to be synced.
            is_durable: kind != Kind::File,
            is_unfinished: false,
            lock: Weak::new(),
        };
        self.nodes.insert(id, node);
        id
    }

    fn fold(&self, name: &[u8]) -> Vec<u8> {
        use unicode_normalization::UnicodeNormalization;
        match self.spelling {
            Spelling::Exact => name.to_vec(),
            Spelling::Folded => {
                String::from_utf8_lossy(name).to_lowercase().nfd().collect::<String>().into_bytes()
            }
        }
    }

    fn lookup(&self, dir: u64, name: &[u8]) -> Option<u64> {
        self.nodes.get(&dir)?.entries.get(&self.fold(name)).map(|(_, id)| *id)
    }

    fn link(&mut self, dir: u64, name: &[u8], id: u64) {
        let folded = self.fold(name);
        if let Some(dir) = self.nodes.get_mut(&dir) {
            dir.entries.insert(folded, (name.to_vec(), id));
        }
    }

    fn find(&self, path: &RelPath, durable: bool) -> Option<u64> {
        path.names().try_fold(0, |dir, name| {
            let node = self.nodes.get(&dir)?;
            let entries = if durable { &node.durable_entries } else { &node.entries };
            entries.get(&self.fold(name.as_bytes())).map(|(_, id)| *id)
        })
    }

    fn act(&mut self, verb: &'static str, name: &str) -> Result<()> {
        let nth = self.ops.len();
        self.ops.push(Op { verb, name: name.to_owned() });
        self.clock += 1;
        self.hooks.iter().filter(|hook| hook.0 == verb).for_each(|hook| hook.1());
        let named = self
            .failures
            .iter()
            .find(|failure| failure.0 == verb && failure.1 == name)
            .map(|failure| failure.2);
        let later = self.fail_from.filter(|(from, _)| nth >= *from).map(|(_, kind)| kind);
        named.or(later).map_or(Ok(()), |kind| Err(DiskError::new(kind.into())))
    }

    fn changed(&mut self, id: u64, change: impl FnOnce(&mut Node)) {
        let clock = self.clock;
        if let Some(node) = self.nodes.get_mut(&id) {
            change(node);
            node.changed = clock;
            node.is_durable = false;
        }
    }

    fn sync(&mut self, id: u64) {
        if let Some(node) = self.nodes.get_mut(&id) {
            node.durable_entries = node.entries.clone();
            node.is_durable = true;
        }
    }
}

impl MemoryDir {
    fn create(&self, verb: &'static str, kind: Kind, name: &Name, bytes: &[u8]) -> Result<u64> {
        let mut world = self.disk.world();
        let shown = String::from_utf8_lossy(name.as_bytes()).into_owned();
        world.act(verb, &shown)?;
        if world.lookup(self.id, name.as_bytes()).is_some() {
            return Err(DiskError::new(io::ErrorKind::AlreadyExists.into()));
        }
        let id = world.add(kind, &shown, bytes.to_vec());
        world.link(self.id, name.as_bytes(), id);
        Ok(id)
    }

    fn find(&self, name: &Name) -> Result<u64> {
        let found = self.disk.world().lookup(self.id, name.as_bytes());
        found.ok_or_else(|| DiskError::new(io::ErrorKind::NotFound.into()))
    }

    fn stat_of(&self, id: u64) -> Result<Stat> {
        self.disk.node(id, |node| Stat {
            kind: node.kind,
            meta: node.meta,
            changed: Some((node.changed, 0)),
            size: node.bytes.len() as u64,
            allocated: None,
            id: Some(FileId { device: 0, inode: id }),
            links: Some(node.links),
            is_ours: true,
            is_unfinished: node.is_unfinished,
        })
    }
}

impl Dir for MemoryDir {
    type File = MemoryFile;
    type Names = std::vec::IntoIter<Result<Box<[u8]>>>;

    fn open_dir(&self, name: &Name) -> Result<MemoryDir> {
        let id = self.find(name)?;
        self.disk.world().opens += 1;
        if self.stat_of(id)?.kind == Kind::Directory {
            Ok(MemoryDir { disk: self.disk.clone(), id })
        } else {
            Err(DiskError::of(Fault::NotDirectory, "not a directory"))
        }
    }

    fn create_dir(&self, name: &Name) -> Result<()> {
        let id = self.create("mkdir", Kind::Directory, name, b"")?;
        self.disk.node(id, |node| node.is_unfinished = true)
    }

    fn create_file(&self, name: &Name) -> Result<MemoryFile> {
        let id = self.create("create", Kind::File, name, b"")?;
        Ok(MemoryFile { disk: self.disk.clone(), id, handle: Arc::new(()) })
    }

    fn open_file(&self, name: &Name, _access: Access) -> Result<MemoryFile> {
        let id = self.find(name)?;
        if self.stat_of(id)?.kind == Kind::File {
            Ok(MemoryFile { disk: self.disk.clone(), id, handle: Arc::new(()) })
        } else {
            Err(DiskError::of(Fault::NotFile, "not a file"))
        }
    }

    fn stat(&self, name: &Name) -> Result<Stat> {
        self.stat_of(self.find(name)?)
    }

    fn stat_self(&self) -> Result<Stat> {
        self.stat_of(self.id)
    }

    fn read_link(&self, name: &Name) -> Result<Box<[u8]>> {
        let id = self.find(name)?;
        self.disk.node(id, |node| node.bytes.clone().into())
    }

    fn rename(&self, from: &Name, to: &Name) -> Result<()> {
        let mut world = self.disk.world();
        let shown = String::from_utf8_lossy(to.as_bytes()).into_owned();
        world.act("rename", &shown)?;
        if world.lookup(self.id, to.as_bytes()).is_some() {
            return Err(DiskError::new(io::ErrorKind::AlreadyExists.into()));
        }
        let folded = world.fold(from.as_bytes());
        let moved = world.nodes.get_mut(&self.id).and_then(|dir| dir.entries.remove(&folded));
        let Some((_, id)) = moved else {
            return Err(DiskError::new(io::ErrorKind::NotFound.into()));
        };
        if let Some(node) = world.nodes.get_mut(&id) {
            node.name = shown;
        }
        world.link(self.id, to.as_bytes(), id);
        Ok(())
    }

    fn replace(&self, from: &Name, to: &Name) -> Result<()> {
        match self.stat(to) {
            Ok(stat) if stat.kind == Kind::Directory => {
                return Err(DiskError::of(Fault::NotFile, "a directory stands there"));
            }
            Ok(_) => {
                let mut world = self.disk.world();
                let folded = world.fold(to.as_bytes());
                let gone = world.nodes.get_mut(&self.id).and_then(|dir| dir.entries.remove(&folded));
                if let Some((_, id)) = gone {
                    world.changed(id, |node| node.links = 0);
                }
            }
            Err(_) => {}
        }
        self.rename(from, to)
    }

    fn symlink(&self, name: &Name, target: &[u8], meta: &Meta) -> Result<()> {
        let id = self.create("symlink", Kind::Link, name, target)?;
        // Its time is set before anybody else sees it, so that it goes with the name.
        self.disk.node(id, |node| node.meta = *meta)
    }

    fn remove_file(&self, name: &Name) -> Result<()> {
        let mut world = self.disk.world();
        world.act("remove", &String::from_utf8_lossy(name.as_bytes()))?;
        let folded = world.fold(name.as_bytes());
        let removed = world.nodes.get_mut(&self.id).and_then(|dir| dir.entries.remove(&folded));
        let (_, id) = removed.ok_or_else(|| DiskError::new(io::ErrorKind::NotFound.into()))?;
        world.changed(id, |node| node.links = 0);
        Ok(())
    }

    fn set_meta(&self, meta: &Meta) -> Result<()> {
        set_meta(&self.disk, self.id, meta)
    }

    fn names(&self) -> Result<Self::Names> {
        let names: Vec<_> = self
            .disk
            .node(self.id, |node| node.entries.values().map(|(name, _)| Ok(name.clone().into())).collect())?;
        Ok(names.into_iter())
    }

    fn sync(&self) -> Result<()> {
        let name = self.disk.node(self.id, |node| node.name.clone())?;
        let mut world = self.disk.world();
        world.act("sync-dir", &name)?;
        world.sync(self.id);
        Ok(())
    }

    fn file_system(&self) -> FileSystem {
        FileSystem { id: 0, syncs_whole: self.disk.world().syncs_whole }
    }

    fn available(&self) -> Result<Option<u64>> {
        Ok(None)
    }

    fn sync_file_system(&self) -> Result<()> {
        let mut world = self.disk.world();
        world.act("sync-all", "")?;
        let ids: Vec<u64> = world.nodes.keys().copied().collect();
        for id in ids {
            world.sync(id);
        }
        Ok(())
    }
}

impl File for MemoryFile {
    fn stat(&self) -> Result<Stat> {
        MemoryDir { disk: self.disk.clone(), id: 0 }.stat_of(self.id)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize> {
        self.disk.node(self.id, |node| {
            let from = usize::try_from(offset).unwrap_or(usize::MAX).min(node.bytes.len());
            let count = buffer.len().min(node.bytes.len() - from);
            buffer[..count].copy_from_slice(&node.bytes[from..from + count]);
            count
        })
    }

    fn stretch(&self, _offset: u64, size: u64) -> Result<Stretch> {
        Ok(Stretch { is_hole: false, end: size })
    }

    fn will_read_all(&self) {}

    fn write_at(&self, bytes: &[u8], offset: u64) -> Result<()> {
        self.change("write", |node| {
            let from = usize::try_from(offset).unwrap_or(usize::MAX);
            node.bytes.resize(node.bytes.len().max(from + bytes.len()), 0);
            node.bytes[from..from + bytes.len()].copy_from_slice(bytes);
        })?;
        let mut world = self.disk.world();
        let clock = world.clock;
        world.changed(self.id, |node| node.meta.mtime_s = clock);
        Ok(())
    }

    fn set_len(&self, length: u64) -> Result<()> {
        self.change("length", |node| node.bytes.resize(usize::try_from(length).unwrap_or(usize::MAX), 0))
    }

    fn set_meta(&self, meta: &Meta) -> Result<()> {
        set_meta(&self.disk, self.id, meta)
    }

    fn sync(&self) -> Result<()> {
        let name = self.disk.node(self.id, |node| node.name.clone())?;
        let mut world = self.disk.world();
        world.act("sync", &name)?;
        world.sync(self.id);
        Ok(())
    }

    fn sync_data(&self) -> Result<()> {
        self.sync()
    }

    fn try_lock(&self) -> Result<bool> {
        self.disk.node(self.id, |node| {
            let is_free = node.lock.upgrade().is_none_or(|holder| Arc::ptr_eq(&holder, &self.handle));
            if is_free {
                node.lock = Arc::downgrade(&self.handle);
            }
            is_free
        })
    }
}

impl MemoryFile {
    fn change(&self, verb: &'static str, change: impl FnOnce(&mut Node)) -> Result<()> {
        let name = self.disk.node(self.id, |node| node.name.clone())?;
        let mut world = self.disk.world();
        world.act(verb, &name)?;
        world.changed(self.id, change);
        Ok(())
    }
}

fn set_meta(disk: &MemoryDisk, id: u64, meta: &Meta) -> Result<()> {
    let name = disk.node(id, |node| node.name.clone())?;
    let mut world = disk.world();
    world.act("meta", &name)?;
    world.changed(id, |node| node.is_unfinished = false);
    world.changed(id, |node| node.meta = Meta { mode: meta.permissions().or(Some(0o644)), ..*meta });
    Ok(())
}

//! Everything there is on a disk, behind its handles.

use std::io;
use std::sync::{Arc, Weak};

use super::contents::{Contents, PAGE_BYTES};
use super::names::Names;
use super::{Op, Process, Spelling};
use crate::disk::{DiskError, Fault, FileId, Kind, Result, Stat};
use crate::proto::manifest::Meta;
use crate::proto::path::RelPath;

/// The disk itself.
#[derive(Debug)]
pub(super) struct World {
    nodes: Vec<Node>,
    /// Those that have lost their names, and whose numbers nobody has yet.
    nameless: Vec<usize>,
    clock: i64,
    pub(super) spelling: Spelling,
    pub(super) syncs_whole: bool,
    capacity: Option<u64>,
    used: u64,
    /// Every change and sync so far.
    pub(super) ops: Vec<Op>,
    /// How many directories were opened.
    pub(super) opens: usize,
    last_written: Option<usize>,
    /// How many handles there may be.
    pub(super) descriptors_max: Option<usize>,
    /// How many files may be kept open.
    pub(super) files_max: usize,
    /// What is to go wrong.
    pub(super) faults: Faults,
}

/// What is to go wrong, and what is to happen meanwhile.
#[derive(Debug, Default)]
pub(super) struct Faults {
    /// Verb and name of operations that fail.
    pub(super) named: Vec<(&'static str, String, io::ErrorKind)>,
    /// The operation from which on all fail.
    pub(super) from: Option<(usize, io::ErrorKind)>,
    /// How many operations are done before nothing happens any more.
    pub(super) stop_after: Option<usize>,
    /// What is called at an operation of some verb.
    pub(super) hooks: Vec<Hook>,
}

/// What happens elsewhere when an operation of this verb comes.
pub(super) struct Hook(pub(super) &'static str, pub(super) Box<dyn Fn() + Send>);

impl std::fmt::Debug for Hook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Hook").field(&self.0).finish_non_exhaustive()
    }
}

/// A file, directory, link or device.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) kind: Kind,
    /// Its last name.
    pub(super) name: String,
    /// The bytes of a file, or the target of a link.
    pub(super) contents: Contents,
    /// What stands in a directory.
    pub(super) names: Names,
    pub(super) attributes: Attributes,
    /// What the attributes were when they were last made durable.
    pub(super) durable: Attributes,
    changed: i64,
    links: u64,
    /// Its number to those who ask. Once nothing leads to it any more it is the next one's.
    inode: u64,
    /// What every handle to it has.
    pub(super) open: Arc<()>,
    /// Who locked it, while that handle is open and its process alive.
    pub(super) lock: Option<(Weak<()>, Arc<Process>)>,
}

/// What is kept of a thing beside its contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Attributes {
    pub(super) meta: Meta,
    pub(super) is_unfinished: bool,
}

impl Node {
    /// A directory is durable without its names: each of them has to be looked for in it.
    pub(super) fn is_durable(&self) -> bool {
        self.contents.is_synced() && self.attributes == self.durable
    }

    pub(super) fn sync(&mut self) {
        self.contents.sync();
        self.names.sync();
        self.durable = self.attributes;
    }

    pub(super) fn stat(&self) -> Stat {
        Stat {
            kind: self.kind,
            meta: self.attributes.meta,
            changed: Some((self.changed, 0)),
            size: self.contents.length(),
            allocated: Some(self.contents.pages() * PAGE_BYTES as u64),
            id: Some(FileId { device: 0, inode: self.inode }),
            links: Some(self.links),
            is_ours: true,
            is_unfinished: self.attributes.is_unfinished,
        }
    }

    fn cost(&self) -> u64 {
        if self.links == 0 { 0 } else { NODE_BYTES + self.contents.pages() * PAGE_BYTES as u64 }
    }
}

impl World {
    pub(super) fn new(spelling: Spelling, syncs_whole: bool) -> World {
        let mut world = World {
            nodes: Vec::new(),
            nameless: Vec::new(),
            clock: 0,
            spelling,
            syncs_whole,
            capacity: None,
            used: 0,
            ops: Vec::new(),
            opens: 0,
            last_written: None,
            descriptors_max: None,
            files_max: usize::MAX,
            faults: Faults::default(),
        };
        world.add(Kind::Directory, "", b"");
        world
    }

    /// A disk like this one with other things on it, all durable. What cannot be reached from the root is gone.
    pub(super) fn with_nodes(&self, mut nodes: Vec<Node>) -> World {
        let mut links = vec![0; nodes.len()];
        let mut open = vec![ROOT];
        while let Some(id) = open.pop() {
            if let Some(links) = links.get_mut(id) {
                *links += 1;
            }
            open.extend(nodes.get(id).into_iter().flat_map(|node| node.names.entries()).map(|entry| entry.1));
        }
        for (inode, (node, links)) in (0..).zip(nodes.iter_mut().zip(links)) {
            node.links = links;
            // What had lost its name may have it again, and its number have been given out.
            node.inode = inode;
            node.open = Arc::default();
            if links == 0 {
                (node.contents, node.names) = (Contents::default(), Names::default());
            }
        }
        let used = nodes.iter().map(Node::cost).sum();
        World {
            nodes,
            clock: self.clock,
            capacity: self.capacity,
            files_max: self.files_max,
            used,
            ..World::new(self.spelling, self.syncs_whole)
        }
    }

    pub(super) fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// What was written to, if that was the last that happened.
    pub(super) fn last_written(&self) -> Option<usize> {
        self.last_written
    }

    pub(super) fn node(&self, id: usize) -> Result<&Node> {
        self.nodes.get(id).ok_or_else(|| DiskError::new(io::ErrorKind::NotFound.into()))
    }

    pub(super) fn node_mut(&mut self, id: usize) -> Result<&mut Node> {
        self.nodes.get_mut(id).ok_or_else(|| DiskError::new(io::ErrorKind::NotFound.into()))
    }

    pub(super) fn sync_all(&mut self) {
        self.nodes.iter_mut().for_each(Node::sync);
    }

    /// Limits the room, or lifts the limit.
    pub(super) fn set_capacity(&mut self, bytes: Option<u64>) {
        self.capacity = bytes;
    }

    /// Bytes that are left, if there is a limit.
    pub(super) fn room(&self) -> Option<u64> {
        self.capacity.map(|capacity| capacity.saturating_sub(self.used))
    }

    /// The number of the next thing. Those of what is gone, name and handle, are given out again at once, as
    /// ext4 does.
    fn next_inode(&mut self) -> u64 {
        let is_gone = |node: &Node| node.links == 0 && Arc::strong_count(&node.open) == 1;
        let free = self.nameless.iter().position(|id| self.nodes.get(*id).is_some_and(is_gone));
        let free = free.map(|at| self.nameless.swap_remove(at)).and_then(|id| self.nodes.get(id));
        free.map_or(self.nodes.len() as u64, |node| node.inode)
    }

    /// A new thing without a name yet.
    pub(super) fn add(&mut self, kind: Kind, name: &str, bytes: &[u8]) -> usize {
        let inode = self.next_inode();
        self.clock += 1;
        let meta = Meta { mode: Some(0o600), mtime_s: self.clock, mtime_ns: 0 };
        let attributes = Attributes { meta, is_unfinished: false };
        let node = Node {
            kind,
            name: name.to_owned(),
            contents: Contents::of(bytes),
            names: Names::default(),
            // They come with the name; only what is changed about them later has to be synced.
            attributes,
            durable: attributes,
            changed: self.clock,
            links: 1,
            inode,
            open: Arc::default(),
            lock: None,
        };
        self.used += node.cost();
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    /// A new thing under a name that is free.
    pub(super) fn create(
        &mut self,
        verb: &'static str,
        dir: usize,
        name: &[u8],
        kind: Kind,
        bytes: &[u8],
    ) -> Result<usize> {
        let shown = String::from_utf8_lossy(name).into_owned();
        self.act(verb, &shown)?;
        let key = self.fold(name);
        if self.node(dir)?.names.get(&key).is_some() {
            return Err(DiskError::new(io::ErrorKind::AlreadyExists.into()));
        }
        if self.room().is_some_and(|room| room < NODE_BYTES) {
            return Err(DiskError::new(io::ErrorKind::StorageFull.into()));
        }
        self.put(dir, name, kind, bytes)
    }

    /// What a new thing is like from its first moment on, so that it comes with the name.
    pub(super) fn born(&mut self, id: usize, set: impl FnOnce(&mut Attributes)) -> Result<()> {
        let node = self.node_mut(id)?;
        set(&mut node.attributes);
        node.durable = node.attributes;
        Ok(())
    }

    /// Puts a new thing under a name, whatever that meant before.
    pub(super) fn put(&mut self, dir: usize, name: &[u8], kind: Kind, bytes: &[u8]) -> Result<usize> {
        let key = self.fold(name);
        let id = self.add(kind, &String::from_utf8_lossy(name), bytes);
        self.node_mut(dir)?.names.set([(key, Some((name.to_vec(), id)))]);
        Ok(id)
    }

    /// Moves a name, over whatever stands under the other one.
    pub(super) fn rename(&mut self, dir: usize, from: &[u8], to: &[u8]) -> Result<()> {
        let (from, to_key) = (self.fold(from), self.fold(to));
        let id = self.lookup(dir, &from)?;
        let replaced = self.node(dir)?.names.get(&to_key).filter(|replaced| *replaced != id);
        self.node_mut(dir)?.names.set([(from, None), (to_key, Some((to.to_vec(), id)))]);
        self.change(id, |node| node.name = String::from_utf8_lossy(to).into_owned())?;
        replaced.map_or(Ok(()), |replaced| self.lose(replaced))
    }

    /// Takes a name away.
    pub(super) fn remove(&mut self, dir: usize, name: &[u8]) -> Result<()> {
        let key = self.fold(name);
        let id = self.lookup(dir, &key)?;
        if self.node(id)?.kind == Kind::Directory {
            return Err(DiskError::new(io::ErrorKind::IsADirectory.into()));
        }
        self.node_mut(dir)?.names.set([(key, None)]);
        self.lose(id)
    }

    /// A thing has lost its name.
    fn lose(&mut self, id: usize) -> Result<()> {
        self.nameless.push(id);
        self.change(id, |node| node.links = 0)
    }

    /// Writes as much as there is room for.
    pub(super) fn write(&mut self, id: usize, bytes: &[u8], offset: u64) -> Result<()> {
        let room = self.room().map_or(u64::MAX, |room| room / PAGE_BYTES as u64);
        let clock = self.clock;
        let mut done = 0;
        self.change(id, |node| {
            done = node.contents.write(offset, bytes, room);
            node.attributes.meta.mtime_s = clock;
        })?;
        self.last_written = Some(id);
        if done < bytes.len() {
            return Err(DiskError::new(io::ErrorKind::StorageFull.into()));
        }
        Ok(())
    }

    /// Changes a thing, and keeps account of what it takes.
    pub(super) fn change(&mut self, id: usize, change: impl FnOnce(&mut Node)) -> Result<()> {
        let clock = self.clock;
        let node = self.node_mut(id)?;
        let before = node.cost();
        change(node);
        node.changed = clock;
        let after = node.cost();
        self.used = (self.used + after).saturating_sub(before);
        Ok(())
    }

    /// What a folded name in a directory means.
    pub(super) fn lookup(&self, dir: usize, key: &[u8]) -> Result<usize> {
        let found = self.node(dir)?.names.get(key);
        found.ok_or_else(|| DiskError::new(io::ErrorKind::NotFound.into()))
    }

    /// What stands under a path, now or after a crash that loses everything it may.
    pub(super) fn find(&self, path: &RelPath, durable: bool) -> Option<&Node> {
        let id = path.names().try_fold(ROOT, |dir, name| {
            let names = &self.nodes.get(dir)?.names;
            let key = self.fold(name.as_bytes());
            if durable { names.get_durable(&key) } else { names.get(&key) }
        })?;
        self.nodes.get(id)
    }

    /// One spelling for all that this disk takes for the same.
    pub(super) fn fold(&self, name: &[u8]) -> Vec<u8> {
        use unicode_normalization::UnicodeNormalization;
        match self.spelling {
            Spelling::Exact => name.to_vec(),
            Spelling::Folded => {
                String::from_utf8_lossy(name).to_lowercase().nfd().collect::<String>().into_bytes()
            }
        }
    }

    /// A change or sync comes: it is recorded, and fails if it is to.
    pub(super) fn act(&mut self, verb: &'static str, name: &str) -> Result<()> {
        let nth = self.ops.len();
        self.ops.push(Op { verb, name: name.to_owned() });
        self.clock += 1;
        self.last_written = None;
        self.faults.hooks.iter().filter(|hook| hook.0 == verb).for_each(|hook| hook.1());
        self.look(verb, name)?;
        let later = self.faults.from.filter(|(from, _)| nth >= *from);
        later.map_or(Ok(()), |(_, kind)| Err(DiskError::new(kind.into())))
    }

    /// Something is looked at, which is not recorded: it fails if it is to.
    pub(super) fn look(&self, verb: &'static str, name: &str) -> Result<()> {
        let mut named = self.faults.named.iter();
        let found = named.find(|(failing, of, _)| *failing == verb && of == name);
        found.map_or(Ok(()), |(_, _, kind)| Err(DiskError::new((*kind).into())))
    }

    /// Fails once everything that was to happen has.
    pub(super) fn check_running(&self) -> Result<()> {
        match self.faults.stop_after {
            Some(last) if self.ops.len() >= last => {
                Err(DiskError::of(Fault::Broken, "nothing reaches this disk any more"))
            }
            _ => Ok(()),
        }
    }
}

/// The number of the topmost directory.
pub(super) const ROOT: usize = 0;

/// What a file, directory or link takes beside its contents.
const NODE_BYTES: u64 = PAGE_BYTES as u64;

//! What is sent: a small tree of files, as cheap to make as it is to look through.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::dice::Dice;
use crate::proto::manifest::Meta;
use crate::proto::path::{Name, RelPath};

/// A tree in the order of the walk, and the files in it.
#[derive(Clone, Default)]
pub struct Tree {
    /// Names and nesting.
    pub shapes: Vec<Shape>,
    /// What the names of files stand for.
    pub files: Vec<SourceFile>,
    places: BTreeMap<RelPath, usize>,
    // What has ever stood at each path, in order.
    history: BTreeMap<RelPath, Vec<Thing>>,
}

/// One step of the walk.
#[derive(Clone, Debug)]
pub enum Shape {
    /// A directory begins.
    Begin {
        /// Its name.
        name: Vec<u8>,
    },
    /// The one begun last ends.
    End {
        /// Its mode and time.
        meta: Meta,
    },
    /// A file.
    File {
        /// Its name.
        name: Vec<u8>,
        /// Which one, in [`Tree::files`].
        file: usize,
    },
    /// A link.
    Link {
        /// Its name.
        name: Vec<u8>,
        /// Where it points.
        target: Vec<u8>,
        /// Its time.
        meta: Meta,
    },
    /// Something that is never sent.
    Special {
        /// Its name.
        name: Vec<u8>,
    },
}

/// A file of the sender, as it is now.
#[derive(Clone)]
pub struct SourceFile {
    /// Its bytes, zeros in its holes.
    pub contents: Arc<Vec<u8>>,
    /// Where it has holes: from, to.
    pub holes: Vec<(u64, u64)>,
    /// Mode and time.
    pub meta: Meta,
    /// Grows whenever anything about it changes.
    pub version: u64,
    /// Removed.
    pub is_gone: bool,
    /// Not readable.
    pub is_locked: bool,
}

/// What stands at a path once everything has arrived.
#[derive(Clone, PartialEq, Eq)]
pub enum Thing {
    /// A directory with this mode and time.
    Directory(Meta),
    /// A file.
    File(Meta, Arc<Vec<u8>>),
    /// A link to this.
    Link(Vec<u8>),
}

impl fmt::Debug for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.things()).finish()
    }
}

impl fmt::Debug for SourceFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes, version {}", self.contents.len(), self.version)
    }
}

impl fmt::Debug for Thing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mode = |meta: &Meta| meta.mode.unwrap_or_default();
        match self {
            Thing::Directory(meta) => write!(f, "a directory {:o} of {}", mode(meta), meta.mtime_s),
            Thing::File(meta, bytes) => {
                let hash = blake3::hash(bytes).to_hex();
                write!(f, "{} bytes {:.8} {:o} of {}", bytes.len(), hash, mode(meta), meta.mtime_s)
            }
            Thing::Link(target) => write!(f, "a link to {}", String::from_utf8_lossy(target)),
        }
    }
}

impl SourceFile {
    /// Bytes of its holes.
    pub fn hole_bytes(&self) -> u64 {
        self.holes.iter().map(|(from, to)| to - from).sum()
    }

    /// Becomes another one: some bytes differ, or its length does.
    fn change(&mut self, dice: &mut Dice) {
        let mut contents = self.contents.to_vec();
        match dice.roll(4) {
            0 => contents.truncate(dice.index(contents.len() + 1)),
            1 => contents.extend(bytes(dice, 700)),
            _ if contents.is_empty() => contents.push(1),
            _ => {
                let at = dice.index(contents.len());
                contents[at] ^= 0xff;
            }
        }
        self.contents = Arc::new(contents);
        self.holes.clear();
        self.version += 1;
        self.meta.mtime_s += 1;
    }
}

impl Tree {
    /// A tree of a few files, now and then with one of several chunks; or always.
    pub fn random(dice: &mut Dice, largest: u64, has_large: bool) -> Tree {
        let mut tree = Tree::default();
        let mut path = vec![RelPath::root()];
        let count = dice.wide(24);
        let large_at =
            if largest > 0 && (has_large || dice.roll(3) > 0) { dice.roll(count) } else { u64::MAX };
        for at in 0..count {
            let name = format!("n{at}").into_bytes();
            let meta = meta(dice);
            match dice.roll(12) {
                _ if at == large_at => {
                    let length = dice.between(400 << 10, largest);
                    tree.add_file(&path, name, large(dice, length), meta, dice);
                }
                0 | 1 if path.len() < 4 => {
                    path.push(joined(&path, &name));
                    tree.shapes.push(Shape::Begin { name });
                }
                2 if path.len() > 1 => {
                    path.pop();
                    tree.shapes.push(Shape::End { meta });
                }
                3 => {
                    tree.shapes.push(Shape::Link { name, target: b"n0".to_vec(), meta });
                }
                4 if dice.one_in(3) => tree.shapes.push(Shape::Special { name }),
                _ => {
                    let length = if dice.one_in(5) { 0 } else { dice.wide(6000) };
                    let contents = bytes(dice, length);
                    tree.add_file(&path, name, contents, meta, dice);
                }
            }
        }
        while path.len() > 1 {
            path.pop();
            let meta = meta(dice);
            tree.shapes.push(Shape::End { meta });
        }
        tree.remember();
        tree
    }

    /// A file becomes another one.
    pub fn change(&mut self, file: usize, dice: &mut Dice) {
        let count = self.files.len();
        if let Some(file) = self.files.get_mut(file % count.max(1)) {
            file.change(dice);
            self.remember();
        }
    }

    /// The largest file.
    pub fn largest(&self) -> usize {
        let largest = self.files.iter().enumerate().max_by_key(|(_, file)| file.contents.len());
        largest.map_or(0, |(at, _)| at)
    }

    /// A file goes away.
    pub fn remove(&mut self, file: usize) {
        let count = self.files.len();
        if let Some(file) = self.files.get_mut(file % count.max(1)) {
            file.is_gone = true;
        }
    }

    fn remember(&mut self) {
        for (path, thing) in self.things() {
            let versions = self.history.entry(path).or_default();
            if versions.last() != Some(&thing) {
                versions.push(thing);
            }
        }
    }

    /// What has ever stood at a path.
    pub fn versions(&self, path: &RelPath) -> &[Thing] {
        self.history.get(path).map_or(&[], Vec::as_slice)
    }

    /// The paths of all files there have ever been.
    pub fn files_ever(&self) -> impl Iterator<Item = &RelPath> {
        self.places.keys()
    }

    /// Whether a file was longer than this and is not any more.
    pub fn has_shrunk(&self, path: &RelPath, bytes: u64) -> bool {
        let length = |thing: &Thing| match thing {
            Thing::File(_, contents) => contents.len() as u64,
            _ => 0,
        };
        let versions = self.versions(path);
        versions.iter().any(|version| length(version) > bytes)
            && versions.last().is_some_and(|now| length(now) <= bytes)
    }

    /// The paths of files that have gone away.
    pub fn gone(&self) -> impl Iterator<Item = &RelPath> {
        self.places.iter().filter(|(_, file)| self.files[**file].is_gone).map(|(path, _)| path)
    }

    fn add_file(
        &mut self,
        path: &[RelPath],
        name: Vec<u8>,
        mut contents: Vec<u8>,
        meta: Meta,
        dice: &mut Dice,
    ) {
        let mut holes = Vec::new();
        if contents.len() > 5000 && dice.one_in(4) {
            let from = dice.index(contents.len());
            let to = from + dice.length(contents.len() - from);
            contents[from..to].fill(0);
            holes.push((from as u64, to as u64));
        }
        self.places.insert(joined(path, &name), self.files.len());
        self.shapes.push(Shape::File { name, file: self.files.len() });
        let contents = Arc::new(contents);
        let file = SourceFile { contents, holes, meta, version: 0, is_gone: false, is_locked: false };
        self.files.push(file);
    }

    /// The file at a path.
    pub fn find(&self, path: &RelPath) -> Option<usize> {
        self.places.get(path).copied()
    }

    /// Bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.contents.len() as u64).sum()
    }

    /// What the walk would find now, by path; what is never sent left out.
    pub fn things(&self) -> BTreeMap<RelPath, Thing> {
        let mut things = BTreeMap::new();
        let mut path = vec![RelPath::root()];
        for shape in &self.shapes {
            match shape {
                Shape::Begin { name } => path.push(joined(&path, name)),
                Shape::End { meta } => {
                    if let Some(path) = path.pop() {
                        things.insert(path, Thing::Directory(*meta));
                    }
                }
                Shape::File { name, file } => {
                    let file = &self.files[*file];
                    if !file.is_gone {
                        things
                            .insert(joined(&path, name), Thing::File(file.meta, Arc::clone(&file.contents)));
                    }
                }
                Shape::Link { name, target, .. } => {
                    things.insert(joined(&path, name), Thing::Link(target.clone()));
                }
                Shape::Special { .. } => {}
            }
        }
        things
    }
}

fn joined(path: &[RelPath], name: &[u8]) -> RelPath {
    let parent = path.last().cloned().unwrap_or_default();
    Name::new(name).and_then(|name| parent.join(&name)).unwrap_or_default()
}

fn meta(dice: &mut Dice) -> Meta {
    let mode = Some(dice.pick(&[0o644, 0o600, 0o755, 0o444, 0o500]));
    Meta { mode, mtime_s: i64::try_from(dice.roll(2_000_000_000)).unwrap_or(0), mtime_ns: 5 }
}

/// Random bytes, as many as that.
pub fn bytes(dice: &mut Dice, count: u64) -> Vec<u8> {
    let count = usize::try_from(count).unwrap_or(0);
    let mut bytes = Vec::with_capacity(count + 8);
    while bytes.len() < count {
        bytes.extend_from_slice(&dice.next().to_le_bytes());
    }
    bytes.truncate(count);
    bytes
}

/// Many bytes at little cost: a few random ones over and over, each time a little different, so that no two stretches are the same.
fn large(dice: &mut Dice, count: u64) -> Vec<u8> {
    let pattern = bytes(dice, 4096);
    let count = usize::try_from(count).unwrap_or(0);
    let mut large = Vec::with_capacity(count + pattern.len());
    let mut round = 0u64;
    while large.len() < count {
        large.extend_from_slice(&round.to_le_bytes());
        large.extend_from_slice(&pattern);
        round += 1;
    }
    large.truncate(count);
    large
}

//! Handles to directories below a root, found by path and kept within a bound.
//!
//! A file's directory is usually that of the file before it, so its handle is at hand. Where it is not, it is
//! opened one name at a time from the nearest one above that is, links not followed. However deep a tree is,
//! at most [`HANDLES_MAX`] handles are open, or as many as [there is room for](descriptors::for_directories);
//! and where the system has no descriptor left, ours are given back and it is asked again.
//!
//! Who writes ([`Dirs::many`]) is not led astray meanwhile: a path that has come to mean another directory
//! since it was first opened is an error, when it is opened again and when it is looked at ([`Dirs::check`]).

use std::collections::{HashMap, HashSet};

use super::descriptors::{self, HANDLES_FEW, HANDLES_MAX};
use super::{Dir, DiskError, Fault, FileId, Kind, Result};
use crate::proto::path::RelPath;

/// Directories below one root.
#[derive(Debug)]
pub struct Dirs<D> {
    /// Never opened again. The sync that commits goes through it, and an error of the file system is told
    /// once to each opening: one that was opened later would not be told what happened before.
    root: D,
    /// The one asked for last, which is mostly the one asked for next. Not among the others.
    current: Option<(RelPath, Kept<D>)>,
    open: HashMap<RelPath, Kept<D>>,
    handles_max: usize,
    clock: u64,
    /// Which directory each path meant when it was first opened, until it is forgotten. `None`: nobody minds.
    known: Option<HashMap<RelPath, FileId>>,
}

#[derive(Debug)]
struct Kept<D> {
    dir: D,
    used: u64,
}

impl<D: Dir> Dirs<D> {
    /// Everything below `root`.
    #[must_use]
    pub fn new(root: D) -> Dirs<D> {
        Dirs { root, current: None, open: HashMap::new(), handles_max: HANDLES_MAX, clock: 0, known: None }
    }

    /// As [`Dirs::new`], for who goes to and fro between many directories, and writes into them: each is to
    /// be [forgotten](Dirs::forget) in the end.
    #[must_use]
    pub fn many(root: D) -> Dirs<D> {
        Dirs { handles_max: descriptors::for_directories(), known: Some(HashMap::new()), ..Dirs::new(root) }
    }

    /// The handle to a directory; the empty path is the root.
    ///
    /// # Errors
    /// Whatever opening a directory on the way fails with, in particular where one became a link.
    pub fn get(&mut self, path: &RelPath) -> Result<&D> {
        if path.is_root() {
            return Ok(&self.root);
        }
        if self.current.as_ref().is_none_or(|(current, _)| current != path) {
            if let Some((current, kept)) = self.current.take() {
                self.open.insert(current, kept);
            }
            if !self.open.contains_key(path) {
                self.open_from_nearest(path)?;
            }
            self.current = self.open.remove_entry(path);
        }
        self.clock += 1;
        match &mut self.current {
            Some((_, kept)) => {
                kept.used = self.clock;
                Ok(&kept.dir)
            }
            None => Err(super::DiskError::of(super::Fault::Missing, "the directory was not opened")),
        }
    }

    /// Does something in a directory that takes a descriptor. Where there is none left, it is done again with
    /// those of the other handles.
    ///
    /// # Errors
    /// As [`Dirs::get`], and whatever it fails with.
    pub fn open<T>(&mut self, path: &RelPath, what: impl Fn(&D) -> Result<T>) -> Result<T> {
        match self.get(path).and_then(&what) {
            Err(error) if error.fault() == Fault::Exhausted && self.give_back(path) => {
                self.get(path).and_then(&what)
            }
            done => done,
        }
    }

    /// Closes the handle to a directory, if it is open. What it was is of no interest any more.
    pub fn forget(&mut self, path: &RelPath) {
        self.current.take_if(|(current, _)| current == path);
        self.open.remove(path);
        if let Some(known) = &mut self.known {
            known.remove(path);
        }
    }

    /// Looks whether a path still leads, over real directories, to the one that was opened there. `checked`
    /// are those it is known of, and those it is found of are added.
    ///
    /// # Errors
    /// [`Fault::NotDirectory`] or [`Fault::Missing`], when it does not; or whatever looking fails with.
    pub fn check(&mut self, path: &RelPath, checked: &mut HashSet<RelPath>) -> Result<()> {
        let mut unchecked = Vec::new();
        let mut at = path.clone();
        while !checked.contains(&at)
            && let Some((parent, name)) = at.split()
        {
            unchecked.push((at, parent.clone(), name));
            at = parent;
        }
        // From above: what is found of one holds only as long as it does of those above it.
        while let Some((path, parent, name)) = unchecked.pop() {
            let known = self.known.as_ref().and_then(|known| known.get(&path)).copied();
            // Where the storage is not this machine's own, a directory may get another number once nobody has
            // it open.
            let is_held = self.open.contains_key(&path)
                || self.current.as_ref().is_some_and(|(current, _)| *current == path);
            let parent = self.get(&parent)?;
            let there = parent.stat(&name)?;
            let is_known = is_held || parent.file_system().syncs_whole;
            if there.kind != Kind::Directory || (is_known && is_another(known, there.id)) {
                return Err(swapped());
            }
            checked.insert(path);
        }
        Ok(())
    }

    fn open_from_nearest(&mut self, path: &RelPath) -> Result<()> {
        let mut missing = Vec::new();
        let mut at = path.clone();
        while !self.open.contains_key(&at) {
            let Some((parent, name)) = at.split() else { break };
            missing.push((at, name));
            at = parent;
        }
        // The one it starts from counts as used, so that making room for the next does not close it.
        self.clock += 1;
        if let Some(kept) = self.open.get_mut(&at) {
            kept.used = self.clock;
        }
        while let Some((path, name)) = missing.pop() {
            self.make_room();
            let opened = self.above(&at).open_dir(&name);
            let dir = match opened {
                Err(error) if error.fault() == Fault::Exhausted && self.give_back(&at) => {
                    self.above(&at).open_dir(&name)?
                }
                opened => opened?,
            };
            self.recognise(&path, &dir)?;
            self.clock += 1;
            self.open.insert(path.clone(), Kept { dir, used: self.clock });
            at = path;
        }
        Ok(())
    }

    fn above(&self, path: &RelPath) -> &D {
        self.open.get(path).map_or(&self.root, |kept| &kept.dir)
    }

    /// A directory was opened: it must be the one that was there before.
    fn recognise(&mut self, path: &RelPath, dir: &D) -> Result<()> {
        let Some(known) = &mut self.known else { return Ok(()) };
        let Some(id) = dir.id() else { return Ok(()) };
        let before = known.insert(path.clone(), id);
        // Where the storage is not this machine's own, a directory may get another number once nobody has it
        // open.
        if is_another(before, Some(id)) && dir.file_system().syncs_whole {
            // Still the one that is waited for.
            known.extend(before.map(|before| (path.clone(), before)));
            return Err(swapped());
        }
        Ok(())
    }

    /// Closes all handles but this one, since there are fewer descriptors than was thought. False if there
    /// were none.
    fn give_back(&mut self, but: &RelPath) -> bool {
        let before = self.open.len();
        self.handles_max = (before / 2).max(HANDLES_FEW);
        self.open.retain(|path, _| path == but);
        self.open.len() < before
    }

    /// Closes the half of the handles that was not used for longest, all at once: to find the one each time
    /// takes as long as all of them.
    fn make_room(&mut self) {
        if self.open.len() < self.handles_max {
            return;
        }
        let mut used: Vec<u64> = self.open.values().map(|kept| kept.used).collect();
        let (_, middle, _) = used.select_nth_unstable(self.open.len() / 2);
        let middle = *middle;
        self.open.retain(|_, kept| kept.used >= middle);
    }
}

/// Whether these are two. What the system does not tell is taken for the same.
fn is_another(one: Option<FileId>, other: Option<FileId>) -> bool {
    one.zip(other).is_some_and(|(one, other)| one != other)
}

fn swapped() -> DiskError {
    DiskError::of(Fault::NotDirectory, "something else was put in the place of its directory meanwhile")
}

#[cfg(test)]
mod tests {
    use super::super::memory::{MemoryDisk, Spelling};
    use super::*;
    use crate::proto::path::Name;

    fn path(text: &str) -> RelPath {
        text.split('/')
            .fold(RelPath::root(), |path, name| path.join(&Name::new(name.as_bytes()).unwrap()).unwrap())
    }

    /// Somebody else in the program may have taken what was left.
    #[test]
    fn handles_are_given_back_when_the_system_has_no_descriptor_left() {
        let disk = MemoryDisk::new();
        let mut dirs = Dirs::many(disk.root());
        let names: Vec<Name> = (0..40u8).map(|number| Name::new(&[b'd', b'0' + number]).unwrap()).collect();
        let paths: Vec<RelPath> = names.iter().map(|name| RelPath::root().join(name).unwrap()).collect();
        for name in &names {
            dirs.get(&RelPath::root()).unwrap().create_dir(name).unwrap();
        }
        for path in &paths[..30] {
            dirs.get(path).unwrap();
        }
        // What is open stays open, and one more is not to be had.
        disk.set_descriptors(Some(disk.descriptors()));
        for path in paths[30..].iter().chain(&paths) {
            dirs.get(path).unwrap();
            assert!(dirs.open.len() <= HANDLES_FEW);
        }
        // The same for a file, whose directory must stay at hand.
        disk.set_descriptors(Some(disk.descriptors()));
        let file = Name::new(b"f").unwrap();
        let first = dirs.open(&paths[39], |dir| dir.create_file(&file)).unwrap();
        assert!(dirs.open.is_empty() && dirs.current.is_some());
        // Where nothing is left to be given back it fails.
        disk.set_descriptors(Some(disk.descriptors()));
        let failed = dirs.open(&paths[39], |dir| dir.open_file(&file, crate::disk::Access::Read));
        assert_eq!(failed.map(drop).unwrap_err().fault(), Fault::Exhausted);
        drop(first);
    }

    #[test]
    fn a_path_that_means_another_directory_is_noticed() {
        let disk = MemoryDisk::new();
        let [d, other] = [b"d", b"o"].map(|name| Name::new(name).unwrap());
        disk.root().create_dir(&d).unwrap();
        disk.root().open_dir(&d).unwrap().create_dir(&d).unwrap();
        let mut dirs = Dirs::many(disk.root());
        let check =
            |dirs: &mut Dirs<_>| dirs.check(&path("d/d"), &mut HashSet::new()).map_err(|error| error.fault());
        dirs.get(&path("d/d")).unwrap();
        assert_eq!(check(&mut dirs), Ok(()));
        disk.root().rename(&d, &other).unwrap();
        assert_eq!(check(&mut dirs), Err(Fault::Missing));
        disk.root().symlink(&d, b"o", &crate::proto::manifest::Meta::default()).unwrap();
        assert_eq!(check(&mut dirs), Err(Fault::NotDirectory));
        disk.root().remove_file(&d).unwrap();
        disk.root().create_dir(&d).unwrap();
        disk.root().open_dir(&d).unwrap().create_dir(&d).unwrap();
        assert_eq!(check(&mut dirs), Err(Fault::NotDirectory));
        // Nor is it opened again, however often it is tried, until nobody waits for the first one any more.
        (dirs.open, dirs.current) = (HashMap::new(), None);
        for _ in 0..2 {
            assert_eq!(dirs.get(&path("d/d")).map(drop).unwrap_err().fault(), Fault::NotDirectory);
        }
        for gone in ["d/d", "d"] {
            dirs.forget(&path(gone));
        }
        assert!(dirs.get(&path("d/d")).is_ok());
    }

    /// On storage of somebody else a directory may get another number once nobody has it open; what is open keeps its own.
    #[test]
    fn where_numbers_do_not_last_only_what_is_open_is_told_by_them() {
        let disk = MemoryDisk::with(Spelling::Exact, false);
        let [d, other] = [b"d", b"o"].map(|name| Name::new(name).unwrap());
        let root = disk.root();
        root.create_dir(&d).unwrap();
        let mut dirs = Dirs::many(disk.root());
        dirs.get(&path("d")).unwrap();
        let check =
            |dirs: &mut Dirs<_>| dirs.check(&path("d"), &mut HashSet::new()).map_err(|error| error.fault());
        assert_eq!(check(&mut dirs), Ok(()));
        root.rename(&d, &other).unwrap();
        root.create_dir(&d).unwrap();
        assert_eq!(check(&mut dirs), Err(Fault::NotDirectory));
        (dirs.open, dirs.current) = (HashMap::new(), None);
        assert_eq!(check(&mut dirs), Ok(()));
        assert!(dirs.get(&path("d")).is_ok());
        // A link is no directory, whatever its number.
        (dirs.open, dirs.current) = (HashMap::new(), None);
        root.rename(&d, &Name::new(b"p").unwrap()).unwrap();
        root.symlink(&d, b"o", &crate::proto::manifest::Meta::default()).unwrap();
        assert_eq!(check(&mut dirs), Err(Fault::NotDirectory));
    }

    #[test]
    fn a_deep_tree_keeps_few_handles() {
        let disk = MemoryDisk::new();
        let name = Name::new(b"d").unwrap();
        let mut dirs = Dirs::new(disk.root());
        let mut path = RelPath::root();
        let mut paths = Vec::new();
        for _ in 0..2000 {
            dirs.get(&path).unwrap().create_dir(&name).unwrap();
            path = path.join(&name).unwrap();
            paths.push(path.clone());
        }
        // Up again, as directories end: each one is found again.
        for path in paths.iter().rev() {
            dirs.get(path).unwrap();
            assert!(dirs.open.len() < HANDLES_MAX);
        }
        assert!(disk.opens() < 200_000, "{}", disk.opens());
    }
}

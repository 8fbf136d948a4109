//! Handles to directories below a root, found by path and kept within a bound.
//!
//! A file's directory is usually that of the file before it, so its handle is at hand. Where it is not, it is opened one name
//! at a time from the nearest one above that is, links not followed. However deep a tree is, at most [`HANDLES_MAX`] handles are open.

use std::collections::HashMap;

use super::{Dir, Result};
use crate::proto::path::RelPath;

/// Directories below one root.
#[derive(Debug)]
pub struct Dirs<D> {
    /// Never opened again. The sync that commits goes through it, and an error of the file system is told once to each opening: one that
    /// was opened later would not be told what happened before.
    root: D,
    /// The one asked for last, which is mostly the one asked for next. Not among the others.
    current: Option<(RelPath, Kept<D>)>,
    open: HashMap<RelPath, Kept<D>>,
    handles_max: usize,
    clock: u64,
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
        Dirs { root, current: None, open: HashMap::new(), handles_max: HANDLES_MAX, clock: 0 }
    }

    /// As [`Dirs::new`], for who goes to and fro between many directories.
    #[must_use]
    pub fn many(root: D) -> Dirs<D> {
        Dirs { handles_max: handles_many(), ..Dirs::new(root) }
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

    /// Closes the handle to a directory, if it is open.
    pub fn forget(&mut self, path: &RelPath) {
        self.current.take_if(|(current, _)| current == path);
        self.open.remove(path);
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
            let parent = self.open.get(&at).map_or(&self.root, |kept| &kept.dir);
            let dir = parent.open_dir(&name)?;
            self.clock += 1;
            self.open.insert(path.clone(), Kept { dir, used: self.clock });
            at = path;
        }
        Ok(())
    }

    /// Closes the half of the handles that was not used for longest, all at once: to find the one each time takes as long as all of them.
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

/// Handles kept open at once: deeper than nearly every tree, and together with the files far below the 256 descriptors that the
/// stingiest system allows.
pub const HANDLES_MAX: usize = 64;

/// As many where somebody comes back to each of the directories of a thousand small files, if there are descriptors for them.
#[cfg(target_os = "linux")]
const HANDLES_MANY: usize = 384;

/// What files, lanes and the program around us need beside the handles.
#[cfg(target_os = "linux")]
const OTHER_DESCRIPTORS: u64 = 160;

/// Half of what is left of the descriptors: somebody may have asked for few, or use many themselves.
#[cfg(target_os = "linux")]
fn handles_many() -> usize {
    let allowed = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let left = allowed.unwrap_or(u64::MAX).saturating_sub(OTHER_DESCRIPTORS);
    usize::try_from(left / 2).unwrap_or(HANDLES_MANY).clamp(HANDLES_MAX / 4, HANDLES_MANY)
}

/// Other systems allow 256 descriptors, mostly.
#[cfg(not(target_os = "linux"))]
fn handles_many() -> usize {
    HANDLES_MAX
}

#[cfg(test)]
mod tests {
    use super::super::memory::MemoryDisk;
    use super::*;
    use crate::proto::path::Name;

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

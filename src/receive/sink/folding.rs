//! Names that the disk will take for one another, found out before the second one is sent.
//!
//! Two names of one directory that differ only in case are two files for most disks and one for some. What is
//! only on its way stands under neither name yet, so the disk cannot be asked for it; and the rename that
//! would tell comes when all of the second one has been sent. So the names that were announced are remembered
//! as such a disk would keep them, and where two become one the directory is tried out: once, with a part
//! file. Names that differ in their normalisation only are still found by the rename.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use crate::disk::{Dir, File};
use crate::proto::path::{Name, RelPath};

use super::Sink;

/// What was announced, and what is known of the disk.
#[derive(Debug, Default)]
pub(super) struct Folding {
    hashing: RandomState,
    /// Hashes of a directory with a name in small letters, and of the name as it is: a fixed cost each. A
    /// clash costs one name that could have been sent, and only on such a disk; the key is random.
    names: HashMap<u64, u64>,
    /// The directory that was tried out last, and whether it takes names for one another.
    tried: Option<(RelPath, bool)>,
}

impl Folding {
    /// A name is to be there.
    pub(super) fn note(&mut self, dir: &RelPath, name: &Name) {
        if self.names.len() >= NAMES_MAX {
            self.names.clear();
        }
        self.names.insert(self.key(dir, name), self.hashing.hash_one(name.as_bytes()));
    }

    /// Whether another name was noted there that differs only in case.
    fn has_like(&self, dir: &RelPath, name: &Name) -> bool {
        let noted = self.names.get(&self.key(dir, name));
        noted.is_some_and(|noted| *noted != self.hashing.hash_one(name.as_bytes()))
    }

    fn key(&self, dir: &RelPath, name: &Name) -> u64 {
        let small = match std::str::from_utf8(name.as_bytes()) {
            Ok(text) if !text.is_ascii() => text.to_lowercase().into_bytes(),
            _ => name.as_bytes().to_ascii_lowercase(),
        };
        self.hashing.hash_one((dir.as_bytes(), small))
    }
}

impl<D: Dir + 'static> Sink<D> {
    /// Whether the disk takes a name for that of something else that is to stand there. It stays the second
    /// one's failure if the first one fails in the end: then the next session delivers it.
    pub(super) fn collides(&mut self, dir: &RelPath, name: &Name) -> bool {
        if !self.folding.has_like(dir, name) {
            return false;
        }
        if let Some((tried, folds)) = &self.folding.tried
            && tried == dir
        {
            return *folds;
        }
        let folds = self.folds(dir, name);
        self.folding.tried = Some((dir.clone(), folds));
        folds
    }

    /// Tries out whether a directory tells cases apart. Where that cannot be found out the rename will.
    fn folds(&mut self, dir: &RelPath, name: &Name) -> bool {
        let (small, capitals) = (name.part_file(), name.part_file_in_capitals());
        // One that stands there already, of an interrupted transfer, does as well.
        let made = self.dirs.open(dir, |dir| dir.create_file(&small)).ok();
        // Another receiver of that name finds it locked, as any part file, or has taken it by now.
        let own = made.as_ref().filter(|made| made.try_lock().unwrap_or_default());
        let own = own.and_then(|made| made.stat().ok()).map(|stat| stat.id);
        let Ok(dir) = self.dirs.get(dir) else { return false };
        let [one, other] = [&small, &capitals].map(|name| dir.stat(name).ok().and_then(|stat| stat.id));
        if own.is_some_and(|own| own == one) {
            // Where it cannot be removed it is what an interrupted transfer leaves.
            let _ = dir.remove_file(&small);
        }
        drop(made);
        one.is_some() && one == other
    }
}

/// Names remembered: what fits into a table of 4 MiB. Who announces more in one transfer finds some
/// collisions later.
const NAMES_MAX: usize = 7 << 15;

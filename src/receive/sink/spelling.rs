//! Telling what has exactly our name from what the disk merely takes for it.
//!
//! On a disk that does not tell cases or normalisations apart, `README` is there when only `readme` is. Only
//! the listing of the directory says how a name is really spelt. It is read once and remembered, so that
//! receiving a tree over itself does not read a directory again for every name in it.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

use crate::disk::dirs::Dirs;
use crate::disk::{Dir, Result};
use crate::proto::path::{Name, RelPath};

/// What a few directories were seen to hold.
#[derive(Debug, Default)]
pub(super) struct Spellings {
    hashing: RandomState,
    // The one read last at the end.
    seen: Vec<Listing>,
}

#[derive(Debug)]
struct Listing {
    path: RelPath,
    // Hashes instead of names: a fixed cost each. A clash could only let a collision pass for an existing
    // entry, and the key is random.
    names: HashSet<u64>,
}

impl Spellings {
    /// Whether `name` stands in the directory spelt exactly so. What was remembered counts only if it says
    /// yes.
    pub(super) fn has<D: Dir>(&mut self, dirs: &mut Dirs<D>, path: &RelPath, name: &Name) -> Result<bool> {
        let wanted = self.hashing.hash_one(name.as_bytes());
        if self.seen.iter().any(|listing| listing.path == *path && listing.names.contains(&wanted)) {
            return Ok(true);
        }
        self.seen.retain(|listing| listing.path != *path);
        let mut listing = Listing { path: path.clone(), names: HashSet::new() };
        let mut found = false;
        for there in dirs.open(path, Dir::names)? {
            let there = there?;
            found = found || *there == *name.as_bytes();
            if listing.names.len() < NAMES_MAX {
                listing.names.insert(self.hashing.hash_one(&*there));
            }
        }
        let mut names =
            self.seen.iter().map(|listing| listing.names.len()).sum::<usize>() + listing.names.len();
        while self.seen.len() >= LISTINGS_MAX || (names > NAMES_MAX && !self.seen.is_empty()) {
            names -= self.seen.remove(0).names.len();
        }
        self.seen.push(listing);
        Ok(found)
    }
}

/// Directories remembered: one for each level of most trees.
const LISTINGS_MAX: usize = 8;

/// Names remembered of all of them together: what fits into a table of 9 MiB. Of a bigger directory the rest
/// is read again when asked for.
const NAMES_MAX: usize = 7 << 17;

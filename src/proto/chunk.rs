//! Chunks: the aligned pieces of a file that are hashed on their own, and how a file's root follows from
//! them.
//!
//! BLAKE3 (O'Connor, Aumasson, Neves, Wilcox-O'Hearn, 2020, section 5) hashes a file as a binary tree over
//! blocks of 1 KiB. A chunk here is a power of two of such blocks at an aligned offset, so it is a whole
//! subtree, and its chaining value can be had without the rest of the file. The values of all chunks merge
//! into the root, which is exactly what `b3sum` prints. A file of one chunk has no subtree: it is its own
//! root.

mod hasher;
mod wide;

use std::collections::BTreeMap;

use blake3::hazmat::{Mode, merge_subtrees_non_root, merge_subtrees_root};

pub use hasher::{ChunkHasher, FileHasher};

/// The unit of hashing, in bytes: a power of two from 512 KiB to 4 MiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkSize(u32);

/// The chaining value of one chunk's subtree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkValue(pub [u8; 32]);

/// The BLAKE3 hash of a whole file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Root(pub [u8; 32]);

impl ChunkSize {
    /// The smallest, 512 KiB.
    pub const MIN: ChunkSize = ChunkSize(512 << 10);
    /// The largest, 4 MiB.
    pub const MAX: ChunkSize = ChunkSize(4 << 20);

    /// Checks a size in bytes; `None` if it is no power of two from 512 KiB to 4 MiB.
    #[must_use]
    pub fn new(bytes: u64) -> Option<ChunkSize> {
        let fits =
            bytes.is_power_of_two() && (u64::from(Self::MIN.0)..=u64::from(Self::MAX.0)).contains(&bytes);
        fits.then_some(()).and_then(|()| u32::try_from(bytes).ok()).map(ChunkSize)
    }

    /// The size in bytes.
    #[must_use]
    pub fn bytes(self) -> u32 {
        self.0
    }
}

impl Default for ChunkSize {
    /// 1 MiB.
    fn default() -> Self {
        ChunkSize(1 << 20)
    }
}

/// How many chunks a file of `size` bytes has. An empty file has one, which is empty.
#[must_use]
pub fn chunk_count(size: u64, chunk: ChunkSize) -> u64 {
    size.div_ceil(u64::from(chunk.bytes())).max(1)
}

/// How long the chunk number `index` of a file of `size` bytes is; 0 beyond its end.
#[must_use]
pub fn chunk_length(size: u64, chunk: ChunkSize, index: u64) -> u32 {
    let begin = index.saturating_mul(u64::from(chunk.bytes()));
    u32::try_from(size.saturating_sub(begin)).unwrap_or(u32::MAX).min(chunk.bytes())
}

/// A file's root from the values of its chunks, in whatever order they are known.
///
/// Subtrees that lie side by side are merged as soon as both are there, so what this takes follows from the
/// number of gaps, not from the size of the file: at most 64 subtrees for each run of known chunks.
#[derive(Debug)]
pub struct Subtrees {
    chunks: u64,
    // By the chunks they hold, first and end. As in BLAKE3 itself a left subtree is the largest power of two
    // of chunks, and the right one is what is left.
    known: BTreeMap<(u64, u64), [u8; 32]>,
}

impl Subtrees {
    /// Nothing known of a file of so many chunks, at least one.
    #[must_use]
    pub fn new(chunks: u64) -> Subtrees {
        Subtrees { chunks: chunks.max(1), known: BTreeMap::new() }
    }

    /// Learns the value of a chunk. Each chunk is to be given once; one beyond the end is passed over.
    pub fn insert(&mut self, index: u64, value: ChunkValue) {
        if index >= self.chunks {
            return;
        }
        // `first..end` are the chunks of the subtree at hand.
        let (mut first, mut end, mut value) = (index, index + 1, value.0);
        while let Some((left_first, middle, right_end)) = self.parent(first, end) {
            let sibling = if first == left_first { (middle, right_end) } else { (left_first, middle) };
            let Some(other) = self.known.remove(&sibling) else { break };
            let (left, right) = if first == left_first { (value, other) } else { (other, value) };
            let is_root = left_first == 0 && right_end == self.chunks;
            value = if is_root {
                *merge_subtrees_root(&left, &right, Mode::Hash).as_bytes()
            } else {
                merge_subtrees_non_root(&left, &right, Mode::Hash)
            };
            (first, end) = (left_first, right_end);
        }
        self.known.insert((first, end), value);
    }

    /// The root, once every chunk is known. Of a file of one chunk that is its value.
    #[must_use]
    pub fn root(&self) -> Option<Root> {
        self.known.get(&(0, self.chunks)).copied().map(Root)
    }

    /// The subtree that holds `first..end` and its sibling: where it begins, where its two halves meet, where
    /// it ends. `None` for the whole.
    fn parent(&self, first: u64, end: u64) -> Option<(u64, u64, u64)> {
        let (mut low, mut high) = (0, self.chunks);
        if (first, end) == (low, high) {
            return None;
        }
        // From the top down, as BLAKE3 divides: the left half is the largest power of two that leaves
        // something to the right.
        loop {
            let half = (high - low).next_power_of_two() / 2;
            let middle = low + half;
            if (first, end) == (low, middle) || (first, end) == (middle, high) {
                return Some((low, middle, high));
            }
            (low, high) = if first < middle { (low, middle) } else { (middle, high) };
            if high - low <= 1 {
                return None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use blake3::Hasher;
    use proptest::prelude::*;

    const MIB: u64 = 1 << 20;

    fn bytes(length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        Hasher::new().update(b"chunk test").finalize_xof().fill(&mut bytes);
        bytes
    }

    fn root(chunk: ChunkSize, parts: &[&[u8]]) -> (Root, Vec<ChunkValue>) {
        let mut values = Vec::new();
        let mut hasher = FileHasher::new(chunk);
        for part in parts {
            hasher.update(part, |index, value| {
                assert_eq!(index, values.len() as u64);
                values.push(value);
            });
        }
        (hasher.finish(), values)
    }

    #[test]
    fn the_root_is_what_b3sum_prints() {
        let all = bytes(10 << 20);
        for chunk in [ChunkSize::MIN, ChunkSize::default(), ChunkSize::MAX] {
            let chunk_len = usize::try_from(chunk.bytes()).unwrap();
            for base in [0, 1, 1023, 1024, 1025, chunk_len, 2 * chunk_len, 3 * chunk_len, 10 << 20] {
                for length in [base.saturating_sub(1), base, base + 1] {
                    let file = &all[..length.min(all.len())];
                    assert_eq!(root(chunk, &[file]).0.0, *blake3::hash(file).as_bytes(), "{length}");
                }
            }
        }
    }

    #[test]
    fn an_empty_file_is_one_empty_chunk() {
        assert_eq!(chunk_count(0, ChunkSize::MIN), 1);
        assert_eq!(chunk_length(0, ChunkSize::MIN, 0), 0);
        assert_eq!(chunk_length(MIB + 1, ChunkSize::MIN, 2), 1);
        assert_eq!(chunk_length(MIB + 1, ChunkSize::MIN, 3), 0);
        let mut subtrees = Subtrees::new(1);
        assert_eq!(subtrees.root(), None);
        subtrees.insert(0, ChunkHasher::new(0).finish(true));
        assert_eq!(subtrees.root().map(|root| root.0), Some(*blake3::hash(b"").as_bytes()));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        /// Chunks in any order give what `b3sum` prints, and what is remembered follows from the gaps.
        #[test]
        fn the_root_comes_of_chunks_in_any_order(length in 1usize..6_000_000, seed in any::<u64>()) {
            let file = bytes(length);
            let chunk = ChunkSize::MIN;
            let count = chunk_count(length as u64, chunk);
            let mut order: Vec<u64> = (0..count).collect();
            order.sort_by_key(|index| (index + 1).wrapping_mul(seed | 1).rotate_left(17));
            let mut subtrees = Subtrees::new(count);
            for index in order {
                prop_assert_eq!(subtrees.root(), None);
                let from = usize::try_from(index * u64::from(chunk.bytes())).unwrap();
                let mut hasher = ChunkHasher::new(from as u64);
                hasher.update(&file[from..from + chunk_length(length as u64, chunk, index) as usize]);
                subtrees.insert(index, hasher.finish(count == 1));
            }
            prop_assert_eq!(subtrees.root().map(|root| root.0), Some(*blake3::hash(&file).as_bytes()));
            prop_assert_eq!(subtrees.known.len(), 1);
        }
    }

    #[test]
    fn zeros_hash_as_zeros() {
        let mut hasher = FileHasher::new(ChunkSize::MIN);
        hasher.update(b"x", |_, _| {});
        hasher.update_zeros(3 * MIB, |_, _| {});
        let mut file = vec![0; 3 * 1024 * 1024 + 1];
        file[0] = b'x';
        assert_eq!(hasher.length(), file.len() as u64);
        assert_eq!(hasher.finish().0, *blake3::hash(&file).as_bytes());
    }

    #[test]
    fn a_chunk_value_depends_on_its_place() {
        let file = vec![7; 2 << 20];
        let (_, values) = root(ChunkSize::MIN, &[&file]);
        assert_eq!(values.len(), 3);
        assert_ne!(values[0], values[1]);
    }

    #[test]
    fn sizes_are_powers_of_two_in_range() {
        for good in [MIB / 2, MIB, 2 * MIB, 4 * MIB] {
            assert_eq!(ChunkSize::new(good).map(|size| u64::from(size.bytes())), Some(good));
        }
        for bad in [0, 1, MIB / 4, MIB + 1, 3 * MIB, 8 * MIB, 1 << 40] {
            assert_eq!(ChunkSize::new(bad), None);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        #[test]
        fn any_split_gives_the_same_root(cuts in proptest::collection::vec(0usize..3_000_000, 0..6)) {
            let file = bytes(3_000_000);
            let mut cuts = cuts;
            cuts.sort_unstable();
            let mut parts = Vec::new();
            let mut from = 0;
            for cut in cuts {
                parts.push(&file[from..cut]);
                from = cut;
            }
            parts.push(&file[from..]);
            let (split, values) = root(ChunkSize::MIN, &parts);
            prop_assert_eq!(split.0, *blake3::hash(&file).as_bytes());
            prop_assert_eq!(values, root(ChunkSize::MIN, &[&file]).1);
        }
    }
}

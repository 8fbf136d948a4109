//! Hashing as contents pass: one chunk, or a whole file in order.

use blake3::Hasher;
use blake3::hazmat::{HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root};

use super::{ChunkSize, ChunkValue, Root, wide};

/// Hashes one file in order, giving the value of each chunk as it is left behind and the root at the end.
/// Holds a few KiB whatever the size of the file.
#[derive(Debug)]
pub struct FileHasher {
    chunk_bytes: u64,
    current: ChunkHasher,
    length: u64,
    chunks: Peaks,
}

/// The hash of one chunk, wherever in its file and in whatever order it comes.
#[derive(Debug)]
pub struct ChunkHasher {
    offset: u64,
    length: u64,
    // Whole leaves; and the last one of them apart, as long as nothing has come after it.
    leaves: Peaks,
    last: Option<[u8; 32]>,
    // The leaf at hand, and how much of it has come.
    hasher: Hasher,
    within: usize,
    leaf_bytes: usize,
}

/// Neighbouring subtrees of one size, from the left on, merged as far as they go.
#[derive(Debug, Default)]
struct Peaks {
    // Biggest first: as many as the number of subtrees has bits set, at most 64.
    stack: Vec<[u8; 32]>,
    count: u64,
}

impl FileHasher {
    /// Starts at the beginning of a file.
    #[must_use]
    pub fn new(chunk: ChunkSize) -> FileHasher {
        let (current, chunks) = (ChunkHasher::new(0), Peaks::default());
        FileHasher { chunk_bytes: u64::from(chunk.bytes()), current, length: 0, chunks }
    }

    /// Takes the next bytes of the file and calls `value` for each chunk that ended before the last of them.
    /// The last chunk gets no value before [`FileHasher::finish`], because only the end tells whether it is
    /// the root.
    pub fn update(&mut self, mut bytes: &[u8], mut value: impl FnMut(u64, ChunkValue)) {
        while !bytes.is_empty() {
            if self.current.length() == self.chunk_bytes {
                let ended = self.current.value(false);
                value(self.chunks.count, ChunkValue(ended));
                self.chunks.push(ended);
                self.current = ChunkHasher::new(self.length);
            }
            let room = usize::try_from(self.chunk_bytes - self.current.length()).unwrap_or(usize::MAX);
            let (now, later) = bytes.split_at(bytes.len().min(room));
            self.current.update(now);
            self.length += now.len() as u64;
            bytes = later;
        }
    }

    /// Takes `count` zeros, as if they had been given to [`FileHasher::update`].
    pub fn update_zeros(&mut self, mut count: u64, mut value: impl FnMut(u64, ChunkValue)) {
        while count > 0 {
            let now = count.min(ZEROS.len() as u64);
            self.update(&ZEROS[..usize::try_from(now).unwrap_or(ZEROS.len())], &mut value);
            count -= now;
        }
    }

    /// How many bytes were taken.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The root: what `b3sum` prints for the file.
    #[must_use]
    pub fn finish(self) -> Root {
        self.root()
    }

    /// The root of what was taken so far.
    #[must_use]
    pub fn root(&self) -> Root {
        let is_whole = self.chunks.stack.is_empty();
        Root(self.chunks.with(self.current.value(is_whole), true))
    }
}

impl ChunkHasher {
    /// Begins the chunk that starts at `offset` of its file, a multiple of the chunk size.
    #[must_use]
    pub fn new(offset: u64) -> ChunkHasher {
        // Where nothing is gained by cutting it the chunk is one leaf.
        let leaf_bytes = if wide::is_here() { wide::HALF_BYTES } else { usize::MAX };
        let (leaves, last) = (Peaks::default(), None);
        ChunkHasher { offset, length: 0, leaves, last, hasher: Hasher::new(), within: 0, leaf_bytes }
    }

    /// Takes the next bytes of the chunk, which must not go beyond its end.
    pub fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.within == self.leaf_bytes {
                self.last = Some(self.hasher.finalize_non_root());
                self.within = 0;
            }
            if let Some(last) = self.last.take() {
                self.leaves.push(last);
            }
            let is_wide = self.within == 0 && self.leaf_bytes == wide::HALF_BYTES;
            let pair = bytes.split_first_chunk().filter(|_| is_wide);
            if let Some((pair, later)) = pair
                && let Some([left, right]) = wide::halves(pair, self.offset + self.length)
            {
                self.leaves.push(left);
                self.last = Some(right);
                self.length += pair.len() as u64;
                bytes = later;
                continue;
            }
            if self.within == 0 {
                // Not reset: that keeps where it began.
                self.hasher = Hasher::new();
                self.hasher.set_input_offset(self.offset + self.length);
            }
            let (now, later) = bytes.split_at(bytes.len().min(self.leaf_bytes - self.within));
            self.hasher.update(now);
            self.within += now.len();
            self.length += now.len() as u64;
            bytes = later;
        }
    }

    /// Takes `count` zeros.
    pub fn update_zeros(&mut self, mut count: u64) {
        while count > 0 {
            let now = count.min(ZEROS.len() as u64);
            self.update(&ZEROS[..usize::try_from(now).unwrap_or(ZEROS.len())]);
            count -= now;
        }
    }

    /// How many bytes were taken.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The chunk's value: that of its subtree, or, where it `is_whole`, i.e. its file has no other chunk, the
    /// file's root.
    #[must_use]
    pub fn finish(self, is_whole: bool) -> ChunkValue {
        ChunkValue(self.value(is_whole))
    }

    fn value(&self, is_whole: bool) -> [u8; 32] {
        let last = match self.last {
            Some(last) => last,
            None if is_whole && self.leaves.stack.is_empty() => return *self.hasher.finalize().as_bytes(),
            None => self.hasher.finalize_non_root(),
        };
        self.leaves.with(last, is_whole)
    }
}

impl Peaks {
    /// Adds a subtree that another one will follow. Two of one size are merged only then, so that the root is
    /// never merged as if it were an inner node.
    fn push(&mut self, value: [u8; 32]) {
        let mut right = value;
        self.count += 1;
        let mut count = self.count;
        while count.is_multiple_of(2) {
            if let Some(left) = self.stack.pop() {
                right = merge_subtrees_non_root(&left, &right, Mode::Hash);
            }
            count /= 2;
        }
        self.stack.push(right);
    }

    /// The value of all of them and a `last` one after them, no longer than they are; of that alone if there
    /// are none.
    fn with(&self, last: [u8; 32], is_root: bool) -> [u8; 32] {
        let (mut right, mut left) = (last, self.stack.as_slice());
        // From the smallest subtree to the biggest; only the very last merge is the root.
        while let Some((smallest, bigger)) = left.split_last() {
            right = if is_root && bigger.is_empty() {
                *merge_subtrees_root(smallest, &right, Mode::Hash).as_bytes()
            } else {
                merge_subtrees_non_root(smallest, &right, Mode::Hash)
            };
            left = bigger;
        }
        right
    }
}

static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A hasher that cuts into leaves of this size.
    fn cutting(offset: u64, leaf_bytes: usize) -> ChunkHasher {
        ChunkHasher { leaf_bytes, ..ChunkHasher::new(offset) }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        /// Whole blocks, parts of them, and what is left: as hash of the chunk and as root, with and without
        /// leaves.
        #[test]
        fn a_chunk_is_hashed_alike_however_it_comes(
            length in prop_oneof![1usize..(1 << 20), (1usize..=8).prop_map(|leaves| leaves << 17)],
            cuts in prop::collection::vec(prop_oneof![Just(256 << 10), Just(128 << 10), 1usize..600_000], 1..20),
            offset in (0u64..1 << 40).prop_map(|chunk| chunk << 22),
            leaf_bytes in prop_oneof![Just(wide::HALF_BYTES), Just(usize::MAX)],
        ) {
            let mut bytes = vec![0; length];
            Hasher::new().update(&offset.to_le_bytes()).finalize_xof().fill(&mut bytes);
            let (mut part, mut whole) = (cutting(offset, leaf_bytes), cutting(0, leaf_bytes));
            let mut rest = bytes.as_slice();
            for cut in cuts.iter().cycle() {
                let (now, later) = rest.split_at(rest.len().min(*cut));
                part.update(now);
                whole.update(now);
                rest = later;
                if rest.is_empty() {
                    break;
                }
            }
            prop_assert_eq!(part.length(), length as u64);
            let mut hasher = Hasher::new();
            let expected = hasher.set_input_offset(offset).update(&bytes).finalize_non_root();
            prop_assert_eq!(part.finish(false), ChunkValue(expected));
            prop_assert_eq!(whole.finish(true), ChunkValue(*blake3::hash(&bytes).as_bytes()));
        }
    }
}

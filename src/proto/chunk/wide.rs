//! BLAKE3 over a whole block of contents, sixteen of its 1 KiB chunks at a time, where the processor has
//! AVX-512.
//!
//! The `blake3` crate in pure Rust goes eight abreast at most, and hashing is what both ends of a transfer do
//! most. Sixteen abreast it takes less than half as long. Only whole halves of a block are done here; what is
//! left, and every other processor, is the crate's, which the tests hold this to.
//!
//! ```text
//! chunks  0 … 15 │ 16 … 31 │ …      a vector holds one word of sixteen values
//!            └─ parents ─┘           even values are left children, odd ones right
//!                  └ … ┘             until sixteen are left, of which the crate makes two
//! ```

#![allow(clippy::inline_always, reason = "vectors pass in registers only where everything is one function")]
#![cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "there only the tests run it"))]
#![allow(clippy::many_single_char_names, reason = "sixteen vectors of no other name than their place")]

use blake3::hazmat::{Mode, merge_subtrees_non_root};
use fearless_simd::prelude::*;
use fearless_simd::{u8x64, u32x16};

use crate::proto::limits::PAYLOAD_BYTES_MAX;

/// What is hashed at once: the payload of a full block.
const PAIR_BYTES: usize = PAYLOAD_BYTES_MAX;

/// Half of that: a subtree, wherever its beginning is a multiple of its length.
pub(super) const HALF_BYTES: usize = PAIR_BYTES / 2;

/// Chaining value of a subtree.
type Value = [u8; 32];

/// One word of each of sixteen chunks.
type Words<S> = u32x16<S>;

/// Sixteen chunks of BLAKE3, in blocks.
type Group = [[[u8; BLOCK_BYTES]; BLOCKS]; LANES];

/// Whether this is worth it: where this processor can, unless this is not optimised, which the crate is in
/// any case.
#[cfg(target_arch = "x86_64")]
pub(super) fn is_here() -> bool {
    !cfg!(debug_assertions) && fearless_simd::Level::new().as_avx512().is_some()
}

/// Whether this is worth it.
#[cfg(not(target_arch = "x86_64"))]
pub(super) fn is_here() -> bool {
    false
}

/// The values of both halves of `pair`, which begins at `offset` of its file, a multiple of a half. `None`
/// where the processor cannot.
#[cfg(target_arch = "x86_64")]
pub(super) fn halves(pair: &[u8; PAIR_BYTES], offset: u64) -> Option<[Value; 2]> {
    Some(halves_with(fearless_simd::Level::new().as_avx512()?, pair, offset))
}

/// The values of both halves of `pair`, which begins at `offset` of its file, a multiple of a half. `None`
/// where the processor cannot.
#[cfg(not(target_arch = "x86_64"))]
pub(super) fn halves(_pair: &[u8; PAIR_BYTES], _offset: u64) -> Option<[Value; 2]> {
    None
}

fn halves_with<S: Simd>(simd: S, pair: &[u8; PAIR_BYTES], offset: u64) -> [Value; 2] {
    let groups = pair.as_chunks().0.as_chunks().0.as_chunks().0;
    let words = subtrees(simd, groups, offset / CHUNK_BYTES).map(<[u32; LANES]>::from);
    let mut values = [Value::default(); LANES];
    for (lane, value) in values.iter_mut().enumerate() {
        for (bytes, word) in value.as_chunks_mut().0.iter_mut().zip(&words) {
            *bytes = word[lane].to_le_bytes();
        }
    }
    let (left, right) = values.split_at(LANES / 2);
    [merged(left), merged(right)]
}

/// The value of the subtree above these, which are as many as a power of two.
fn merged(values: &[Value]) -> Value {
    match values {
        [] => Value::default(),
        [value] => *value,
        _ => {
            let (left, right) = values.split_at(values.len() / 2);
            merge_subtrees_non_root(&merged(left), &merged(right), Mode::Hash)
        }
    }
}

/// The values of the sixteen subtrees that these groups, as many as a power of two, consist of.
fn subtrees<S: Simd>(simd: S, groups: &[Group], first: u64) -> [Words<S>; 8] {
    if let [group] = groups {
        return simd.vectorize(
            #[inline(always)]
            || chunks(simd, group, first),
        );
    }
    let (left, right) = groups.split_at(groups.len() / 2);
    let middle = first + (left.len() * LANES) as u64;
    let (left, right) = (subtrees(simd, left, first), subtrees(simd, right, middle));
    simd.vectorize(
        #[inline(always)]
        || parents(simd, left, right),
    )
}

/// The values of sixteen chunks, of which the first is number `first` of its file.
#[inline(always)]
fn chunks<S: Simd>(simd: S, group: &Group, first: u64) -> [Words<S>; 8] {
    let (mut low, mut high) = ([0; LANES], [0; LANES]);
    for ((low, high), number) in low.iter_mut().zip(&mut high).zip(first..) {
        let [a, b, c, d, e, f, g, h] = number.to_le_bytes();
        (*low, *high) = (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]));
    }
    let number = [low.simd_into(simd), high.simd_into(simd)];
    let mut values = start(simd);
    for block in 0..BLOCKS {
        let flags = match block {
            0 => CHUNK_START,
            block if block == BLOCKS - 1 => CHUNK_END,
            _ => 0,
        };
        values = compress(simd, values, message(simd, group, block), number, flags);
    }
    values
}

/// The values of the parents of neighbours: those of `left` and then those of `right`.
#[inline(always)]
fn parents<S: Simd>(simd: S, left: [Words<S>; 8], right: [Words<S>; 8]) -> [Words<S>; 8] {
    let [a, b, c, d, e, f, g, h] = left;
    let [i, j, k, l, m, n, o, p] = right;
    let message = [
        a.unzip_low(i),
        b.unzip_low(j),
        c.unzip_low(k),
        d.unzip_low(l),
        e.unzip_low(m),
        f.unzip_low(n),
        g.unzip_low(o),
        h.unzip_low(p),
        a.unzip_high(i),
        b.unzip_high(j),
        c.unzip_high(k),
        d.unzip_high(l),
        e.unzip_high(m),
        f.unzip_high(n),
        g.unzip_high(o),
        h.unzip_high(p),
    ];
    compress(simd, start(simd), message, [Words::splat(simd, 0); 2], PARENT)
}

/// Block number `block` of each chunk: first a vector for each chunk, then one for each word.
#[inline(always)]
fn message<S: Simd>(simd: S, group: &Group, block: usize) -> [Words<S>; 16] {
    // Spelled out, here and below: where it is optimised for size, a loop would keep the vectors in memory.
    let row = |lane: usize| -> Words<S> { u8x64::from_slice(simd, &group[lane][block]).bitcast() };
    let rows = [
        row(0),
        row(1),
        row(2),
        row(3),
        row(4),
        row(5),
        row(6),
        row(7),
        row(8),
        row(9),
        row(10),
        row(11),
        row(12),
        row(13),
        row(14),
        row(15),
    ];
    shuffled(shuffled(shuffled(shuffled(rows))))
}

/// A perfect shuffle of the vectors as if they were one; four of them transpose.
#[inline(always)]
fn shuffled<S: Simd>(rows: [Words<S>; 16]) -> [Words<S>; 16] {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = rows;
    [
        a.zip_low(i),
        a.zip_high(i),
        b.zip_low(j),
        b.zip_high(j),
        c.zip_low(k),
        c.zip_high(k),
        d.zip_low(l),
        d.zip_high(l),
        e.zip_low(m),
        e.zip_high(m),
        f.zip_low(n),
        f.zip_high(n),
        g.zip_low(o),
        g.zip_high(o),
        h.zip_low(p),
        h.zip_high(p),
    ]
}

/// The compression function (section 2.2 of the paper), sixteen times at once.
#[inline(always)]
fn compress<S: Simd>(
    simd: S,
    values: [Words<S>; 8],
    message: [Words<S>; 16],
    number: [Words<S>; 2],
    flags: u32,
) -> [Words<S>; 8] {
    let ([a, b, c, d, e, f, g, h], [low, high], m) = (values, number, message);
    let [i, j, k, l, ..] = start(simd);
    let length = Words::splat(simd, BLOCK_LENGTH);
    let mut v = [a, b, c, d, e, f, g, h, i, j, k, l, low, high, length, Words::splat(simd, flags)];
    for at in &SCHEDULE {
        mix(&mut v, [0, 4, 8, 12], m[at[0]], m[at[1]]);
        mix(&mut v, [1, 5, 9, 13], m[at[2]], m[at[3]]);
        mix(&mut v, [2, 6, 10, 14], m[at[4]], m[at[5]]);
        mix(&mut v, [3, 7, 11, 15], m[at[6]], m[at[7]]);
        mix(&mut v, [0, 5, 10, 15], m[at[8]], m[at[9]]);
        mix(&mut v, [1, 6, 11, 12], m[at[10]], m[at[11]]);
        mix(&mut v, [2, 7, 8, 13], m[at[12]], m[at[13]]);
        mix(&mut v, [3, 4, 9, 14], m[at[14]], m[at[15]]);
    }
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = v;
    [a ^ i, b ^ j, c ^ k, d ^ l, e ^ m, f ^ n, g ^ o, h ^ p]
}

/// Its function G.
#[inline(always)]
fn mix<S: Simd>(v: &mut [Words<S>; 16], [a, b, c, d]: [usize; 4], x: Words<S>, y: Words<S>) {
    v[a] = v[a] + v[b] + x;
    v[d] = rotated::<16, S>(v[d] ^ v[a]);
    v[c] += v[d];
    v[b] = rotated::<12, S>(v[b] ^ v[c]);
    v[a] = v[a] + v[b] + y;
    v[d] = rotated::<8, S>(v[d] ^ v[a]);
    v[c] += v[d];
    v[b] = rotated::<7, S>(v[b] ^ v[c]);
}

/// To the right.
#[inline(always)]
fn rotated<const BITS: u32, S: Simd>(words: Words<S>) -> Words<S> {
    (words >> BITS) | (words << (u32::BITS - BITS))
}

/// The initial values: the first digits of the square roots of the first primes.
#[inline(always)]
fn start<S: Simd>(simd: S) -> [Words<S>; 8] {
    [
        Words::splat(simd, 0x6A09_E667),
        Words::splat(simd, 0xBB67_AE85),
        Words::splat(simd, 0x3C6E_F372),
        Words::splat(simd, 0xA54F_F53A),
        Words::splat(simd, 0x510E_527F),
        Words::splat(simd, 0x9B05_688C),
        Words::splat(simd, 0x1F83_D9AB),
        Words::splat(simd, 0x5BE0_CD19),
    ]
}

/// Which word of the message goes where in each round: the permutation of the paper, none to six times over.
const SCHEDULE: [[usize; 16]; 7] = [
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
    [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8],
    [3, 4, 10, 12, 13, 2, 7, 14, 6, 5, 9, 0, 11, 15, 8, 1],
    [10, 7, 12, 9, 14, 3, 13, 15, 4, 0, 11, 2, 5, 8, 1, 6],
    [12, 13, 9, 11, 15, 10, 14, 8, 7, 2, 5, 3, 0, 1, 6, 4],
    [9, 14, 11, 5, 8, 12, 15, 1, 13, 3, 0, 10, 2, 6, 4, 7],
    [11, 15, 5, 0, 1, 9, 8, 6, 14, 10, 2, 12, 3, 4, 7, 13],
];

/// How many chunks are hashed at once.
const LANES: usize = 16;

// Section 2 of the paper.
const BLOCK_BYTES: usize = 64;
const BLOCK_LENGTH: u32 = 64;
const BLOCKS: usize = 16;
const CHUNK_BYTES: u64 = (BLOCK_BYTES * BLOCKS) as u64;
const CHUNK_START: u32 = 1;
const CHUNK_END: u32 = 2;
const PARENT: u32 = 4;

const _: () = assert!(HALF_BYTES.is_power_of_two() && HALF_BYTES >= size_of::<Group>());

#[cfg(test)]
mod tests {
    use super::*;
    use blake3::Hasher;
    use blake3::hazmat::HasherExt;
    use fearless_simd::{Level, dispatch};
    use proptest::prelude::*;

    fn expected(half: &[u8], offset: u64) -> Value {
        let mut hasher = Hasher::new();
        hasher.set_input_offset(offset).update(half).finalize_non_root()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(8))]
        /// With whatever vectors there are: the ones that ship go only where they are worth it.
        #[test]
        fn the_values_are_those_of_the_crate(seed: u64, number in prop_oneof![0u64..9, 0u64..(1 << 45)]) {
            let mut pair = vec![0; PAIR_BYTES];
            Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut pair);
            let pair = pair.first_chunk().unwrap();
            let offset = number * HALF_BYTES as u64;
            let (left, right) = pair.split_at(HALF_BYTES);
            let expected = [expected(left, offset), expected(right, offset + HALF_BYTES as u64)];
            prop_assert_eq!(dispatch!(Level::new(), simd => halves_with(simd, pair, offset)), expected);
            prop_assert_eq!(dispatch!(Level::baseline(), simd => halves_with(simd, pair, offset)), expected);
            prop_assert!(halves(pair, offset).is_none_or(|values| values == expected));
            prop_assert!(!is_here() || halves(pair, offset).is_some());
        }
    }
}

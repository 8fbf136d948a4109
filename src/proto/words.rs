//! The words generated codes are made of: 2048 short English ones, so that each carries 11 bits.
//!
//! The list is made by `tests/vectors/words.py`, which says by which rules. No two words share their first
//! four letters, differ in fewer than two places, or sound alike. Two versions of p2pc may carry different
//! lists: a code is compared as text, and the list only serves to draw one and to warn of a word that looks
//! mistyped.

/// How many words there are. A power of two, so that 11 random bits choose one without bias.
pub const WORDS: usize = 1 << WORD_BITS;

/// How many bits one word carries.
const WORD_BITS: u32 = 11;

/// The word for the lowest 11 bits of `bits`.
#[must_use]
pub fn word(bits: u16) -> &'static str {
    LIST[usize::from(bits) % WORDS]
}

/// Whether a word, in lower case, is on the list.
#[must_use]
pub fn contains(word: &str) -> bool {
    LIST.binary_search(&word).is_ok()
}

/// The words that begin so, in alphabetical order; all of them where nothing is given.
#[must_use]
pub fn starting_with(start: &str) -> &'static [&'static str] {
    let from = LIST.partition_point(|word| *word < start);
    let after = LIST.get(from..).unwrap_or_default();
    after.get(..after.partition_point(|word| word.starts_with(start))).unwrap_or_default()
}

/// The list in alphabetical order, taken apart by the compiler: a list of another length does not build.
static LIST: [&str; WORDS] = split_lines(include_str!("words.txt"));

#[allow(clippy::large_stack_arrays, reason = "only the compiler runs this")]
const fn split_lines(text: &'static str) -> [&'static str; WORDS] {
    let mut words = [""; WORDS];
    let mut rest = text;
    let mut filled = 0;
    while filled < WORDS {
        let mut end = 0;
        while rest.as_bytes()[end] != b'\n' {
            end += 1;
        }
        (words[filled], rest) = rest.split_at(end);
        (_, rest) = rest.split_at(1);
        filled += 1;
    }
    assert!(rest.is_empty(), "words.txt has more than 2048 lines");
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_word_is_three_to_seven_lower_case_letters() {
        for word in LIST {
            assert!((3..=7).contains(&word.len()), "{word}");
            assert!(word.bytes().all(|byte| byte.is_ascii_lowercase()), "{word}");
        }
    }

    #[test]
    fn words_are_found_by_their_beginning() {
        assert_eq!(starting_with("").len(), WORDS);
        assert_eq!(starting_with("zzz"), [""; 0]);
        for start in ["a", "ab", "cr", "z"] {
            let slow: Vec<_> = LIST.iter().filter(|word| word.starts_with(start)).collect();
            assert_eq!(starting_with(start).iter().collect::<Vec<_>>(), slow, "{start}");
        }
        // Four letters are enough.
        assert!(LIST.iter().all(|word| word.len() < 4 || starting_with(&word[..4]).len() == 1));
    }

    #[test]
    fn the_list_is_sorted_without_repetition() {
        assert!(LIST.is_sorted_by(|left, right| left < right));
        assert!(LIST.iter().all(|word| contains(word)));
        assert!(!contains("") && !contains("Acid") && !contains("qqqq"));
    }

    #[test]
    fn four_letters_tell_every_word() {
        let fronts: HashSet<_> = LIST.iter().map(|word| &word[..word.len().min(4)]).collect();
        assert_eq!(fronts.len(), WORDS);
    }

    #[test]
    fn one_slip_never_turns_a_word_into_another() {
        for (at, left) in LIST.iter().enumerate() {
            for right in &LIST[at + 1..] {
                assert!(!one_edit_apart(left.as_bytes(), right.as_bytes()), "{left} {right}");
            }
        }
    }

    #[test]
    fn bits_beyond_the_eleventh_do_not_matter() {
        assert_eq!(word(0), LIST[0]);
        assert_eq!(word(2047), LIST[2047]);
        assert_eq!(word(2048 + 5), LIST[5]);
    }

    fn one_edit_apart(left: &[u8], right: &[u8]) -> bool {
        let front = left.iter().zip(right).take_while(|(l, r)| l == r).count();
        let (left, right) = (&left[front..], &right[front..]);
        let tail = left.iter().rev().zip(right.iter().rev()).take_while(|(l, r)| l == r).count();
        left.len().max(right.len()) - tail <= 1
    }
}

//! What somebody probably meant to type.

/// The candidate nearest to `typed`, if it is near enough to be meant: a third of its letters may be wrong, or it was
/// cut short. Capital letters count as small ones.
pub fn nearest<'a>(typed: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let typed: Vec<char> = typed.to_lowercase().chars().take(LENGTH_MAX).collect();
    let cut_short = |candidate: &[char]| typed.len() > CUT_SHORT_MIN && candidate.starts_with(&typed);
    candidates
        .into_iter()
        .filter_map(|candidate| {
            let letters: Vec<char> = candidate.chars().collect();
            let distance = if cut_short(&letters) { 1 } else { distance(&typed, &letters) };
            (distance <= letters.len() / 3).then_some((distance, candidate))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// How many letters must be put in, taken out, exchanged, or swapped with their neighbour.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before = vec![0; b.len() + 1];
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for (i, &from) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, &to) in b.iter().enumerate() {
            let exchanged = above[j] + usize::from(from != to);
            let mut least = exchanged.min(above[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && from == b[j - 1] && a[i - 1] == to {
                least = least.min(before[j - 1] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}

/// No option is longer; it bounds the work for a word of any length.
const LENGTH_MAX: usize = 32;
/// Two dashes and a letter fit too many options to guess from.
const CUT_SHORT_MIN: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_found() {
        let options = ["--wait", "--verify", "--verbose", "--chunk-size", "--relay"];
        for (typed, meant) in [
            ("--wiat", Some("--wait")),
            ("--verfy", Some("--verify")),
            ("--chunksize", Some("--chunk-size")),
            ("--chunk", Some("--chunk-size")),
            ("--realy", Some("--relay")),
            ("--json", None),
            ("", None),
            ("--v", None),
        ] {
            assert_eq!(nearest(typed, options), meant, "{typed}");
        }
    }

    #[test]
    fn distances() {
        let distance =
            |a: &str, b: &str| distance(&a.chars().collect::<Vec<_>>(), &b.chars().collect::<Vec<_>>());
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", "abc"), 0);
        assert_eq!(distance("ab", "ba"), 1);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}

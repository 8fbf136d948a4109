//! What a person types or pastes for a code, and what Tab makes of its beginning.

use zeroize::Zeroizing;

use crate::proto::code::WORDS_IN_CODE;
use crate::proto::words;
use crate::term::edit::Completion;

/// A code as it was pasted, and what stood around it.
#[derive(Debug)]
pub struct Pasted {
    /// What is to be read as the code.
    pub code: Zeroizing<String>,
    /// Options of a command that was pasted whole: the command that asks cannot take them any more.
    pub options: Vec<String>,
}

/// Takes away what is not the code: blanks, quotes, and the command that the sender's screen shows around it. A code of one's own may
/// have quotes of its own, so they are taken from nothing but a generated one.
pub fn unpacked(line: &str) -> Pasted {
    let line = line.trim();
    let command = line.strip_prefix("$ ").unwrap_or(line).trim_start();
    let Some(rest) = command.strip_prefix("p2pc receive ") else {
        return Pasted { code: without_quotes(line), options: Vec::new() };
    };
    let mut pasted = Pasted { code: Zeroizing::new(String::with_capacity(rest.len())), options: Vec::new() };
    for word in shell_words(rest) {
        if word.starts_with('-') {
            pasted.options.push(word.to_string());
        } else if pasted.code.is_empty() {
            pasted.code.push_str(&word);
        }
    }
    pasted
}

/// What Tab makes of a code that has begun: the rest of a word, and the dash to the next.
pub fn complete(text: &str) -> Completion {
    let nothing = Completion::default();
    let Some((before, begun)) = text.rsplit_once(SEPARATORS) else { return nothing };
    let mut earlier = before.split(SEPARATORS).map(str::trim).filter(|word| !word.is_empty());
    let is_room = |room: &str| room.bytes().all(|byte| byte.is_ascii_digit());
    if begun.is_empty() || text.contains('@') || !earlier.next().is_some_and(is_room) {
        return nothing;
    }
    let words_before = earlier.count();
    // Capitals are read as small letters, and stand as they were typed.
    let begun = begun.to_ascii_lowercase();
    match words::starting_with(&begun) {
        [] => nothing,
        [word] => {
            let dash = if words_before + 1 < WORDS_IN_CODE { "-" } else { "" };
            Completion { append: format!("{}{dash}", &word[begun.len()..]), candidates: Vec::new() }
        }
        words => {
            let append = common(words).get(begun.len()..).unwrap_or_default().to_owned();
            Completion { append, candidates: words.to_vec() }
        }
    }
}

/// What all of them begin with.
fn common(words: &[&'static str]) -> &'static str {
    let (Some(first), Some(last)) = (words.first(), words.last()) else { return "" };
    // They are in order: what the first and the last have in common, all have.
    let length = first.bytes().zip(last.bytes()).take_while(|(one, other)| one == other).count();
    first.get(..length).unwrap_or_default()
}

fn without_quotes(text: &str) -> Zeroizing<String> {
    let inner = QUOTES.iter().find_map(|quote| text.strip_prefix(*quote)?.strip_suffix(*quote));
    let generated = |inner: &&str| {
        let digits = inner.trim().bytes().take_while(u8::is_ascii_digit).count();
        inner.trim().get(digits..).is_some_and(|rest| digits > 0 && rest.starts_with(SEPARATORS))
    };
    Zeroizing::new(inner.filter(generated).unwrap_or(text).trim().to_owned())
}

/// Words as a shell takes them, as far as [`quoted`](crate::cli::quote::quoted) writes them.
fn shell_words(text: &str) -> Vec<Zeroizing<String>> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let mut word = Zeroizing::new(String::with_capacity(rest.len()));
        while let Some(letter) = rest.chars().next().filter(|letter| !letter.is_whitespace()) {
            rest = &rest[letter.len_utf8()..];
            if matches!(letter, '"' | '\'') {
                let (inner, after) = rest.split_once(letter).unwrap_or((rest, ""));
                word.push_str(inner);
                rest = after;
            } else if letter == '\\' {
                word.extend(rest.chars().next());
                rest = rest.get(rest.chars().next().map_or(0, char::len_utf8)..).unwrap_or_default();
            } else {
                word.push(letter);
            }
        }
        words.push(word);
        rest = rest.trim_start();
    }
    words
}

const QUOTES: [&str; 3] = ["\"", "'", "`"];
const SEPARATORS: [char; 3] = ['-', ' ', '_'];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn code(line: &str) -> String {
        unpacked(line).code.to_string()
    }

    #[test]
    fn what_stands_around_a_code_is_taken_away() {
        const CODE: &str = "48213-acid-crane-otter@ws://[fd00::2]:42605";
        for line in [
            CODE.to_owned(),
            format!("  {CODE}\t"),
            format!("\"{CODE}\""),
            format!("`{CODE}`"),
            format!("p2pc receive \"{CODE}\""),
            format!("    p2pc receive {CODE}"),
            format!("$ p2pc receive --verify '{CODE}' --no-encrypt"),
        ] {
            assert_eq!(code(&line), CODE, "{line}");
        }
        assert_eq!(unpacked("p2pc receive 1-a --verify -y").options, ["--verify", "-y"]);
        assert_eq!(code("p2pc receive 'it'\\''s my own'@relay"), "it's my own@relay");
    }

    #[test]
    fn a_code_of_ones_own_keeps_its_quotes() {
        assert_eq!(code("'seven blue herons'"), "'seven blue herons'");
        assert_eq!(code("\"48213-acid"), "\"48213-acid");
        assert_eq!(code("p2pc received it"), "p2pc received it");
    }

    #[test]
    fn tab_completes_words_behind_the_room() {
        let append = |text| complete(text).append;
        assert_eq!(append("48213-aci"), "d-");
        assert_eq!(append("48213 ACI"), "d-");
        assert_eq!(append("48213_acid_crane_ott"), "er");
        assert_eq!(append("48213-acid"), "-");
        for text in ["aci", "48213", "48213-", "48213-zzz", "48213-acid@r.ac", "my own-aci", "p2pc aci"] {
            assert_eq!(complete(text), Completion::default(), "{text}");
        }
    }

    #[test]
    fn tab_goes_on_as_far_as_there_is_no_doubt() {
        let Completion { append, candidates } = complete("48213-a");
        assert!(append.is_empty() && candidates.len() > 10);
        assert!(candidates.iter().all(|word| word.starts_with('a')));
        assert_eq!(common(&["crane", "crash"]), "cra");
        assert_eq!(common(&[]), "");
    }

    proptest! {
        #[test]
        fn every_text_is_taken(text: String) {
            unpacked(&text);
            unpacked(&format!("p2pc receive {text}"));
            complete(&text);
        }

        #[test]
        fn a_completion_leads_to_words(start in "[a-z]{1,4}") {
            let Completion { append, .. } = complete(&format!("1-{start}"));
            let whole = format!("{start}{append}");
            let word = whole.trim_end_matches('-');
            prop_assert!(append.is_empty() || !words::starting_with(word).is_empty());
            prop_assert!(!append.ends_with('-') || words::contains(word));
        }
    }
}

//! What a person types or pastes for a code, and what Tab makes of its beginning.

use argh::{FlagInfo, FlagInfoKind};
use zeroize::Zeroizing;

use crate::cli::topic::Topic;
use crate::proto::code::WORDS_IN_CODE;
use crate::proto::words;
use crate::term::edit::Completion;

/// A code as it was pasted, and what stood around it.
#[derive(Debug)]
pub struct Pasted {
    /// What is to be read as the code.
    pub code: Zeroizing<String>,
    /// Options of a command that was pasted whole: the command that asks cannot take them any more. Without their values: one may be a token.
    pub options: Vec<String>,
    /// More than one word may be the code: none is taken, as each guess counts at the other side.
    pub is_unclear: bool,
}

/// Takes away what is not the code: blanks, quotes, and the command that the sender's screen shows around it. A code of one's own may
/// have quotes of its own, so they are taken from nothing but a generated one.
pub fn unpacked(line: &str) -> Pasted {
    let line = line.trim();
    let command = line.strip_prefix("$ ").unwrap_or(line).trim_start();
    let Some(rest) = command.strip_prefix("p2pc receive ") else {
        return Pasted { code: without_quotes(line), options: Vec::new(), is_unclear: false };
    };
    let info = Topic::Receive.info();
    let flags = info.as_ref().map_or(&[][..], |info| info.flags);
    let (mut codes, mut options, mut are_over) = (Vec::new(), Vec::new(), false);
    let mut words = shell_words(rest).into_iter();
    while let Some(word) = words.next() {
        if are_over || !word.starts_with('-') || word.len() == 1 {
            codes.push(word);
        } else if *word == "--" {
            are_over = true;
        } else {
            let Asked { names, value } = asked(flags, &word);
            let value = match value {
                Value::None => None,
                Value::Attached(value) => Some(value),
                Value::Next => words.next(),
            };
            match value {
                Some(code) if names == [CODE] => codes.push(code),
                _ => options.extend(names),
            }
        }
    }
    let code = whole_code(&codes);
    Pasted { is_unclear: code.is_none(), code: code.unwrap_or_default(), options }
}

/// One word with options in it.
struct Asked {
    names: Vec<String>,
    value: Value,
}

/// The value of the last of them.
enum Value {
    None,
    Attached(Zeroizing<String>),
    Next,
}

/// What a word that begins with a dash asks for, read as the command line reads it.
fn asked(flags: &[FlagInfo<'_>], word: &str) -> Asked {
    let takes_value = |flag: &FlagInfo<'_>| matches!(flag.kind, FlagInfoKind::Option { .. });
    if word.starts_with("--") {
        let (name, attached) = word.split_once('=').map_or((word, None), |(name, value)| (name, Some(value)));
        let value = match attached {
            Some(value) => Value::Attached(Zeroizing::new(value.to_owned())),
            None if flags.iter().any(|flag| flag.long == name && takes_value(flag)) => Value::Next,
            None => Value::None,
        };
        return Asked { names: vec![name.to_owned()], value };
    }
    let mut names = Vec::new();
    for (at, letter) in word.char_indices().skip(1) {
        names.push(format!("-{letter}"));
        let rest = word.get(at + letter.len_utf8()..).unwrap_or_default();
        match flags.iter().find(|flag| flag.short == Some(letter)) {
            Some(flag) if takes_value(flag) && rest.is_empty() => return Asked { names, value: Value::Next },
            Some(flag) if !takes_value(flag) => {}
            // What follows is a value, or nobody knows what.
            _ => break,
        }
    }
    Asked { names, value: Value::None }
}

/// The one code among the words of a command; its own words may stand apart, as they are spoken. `None`: there may be two.
fn whole_code(words: &[Zeroizing<String>]) -> Option<Zeroizing<String>> {
    let mut code = Zeroizing::new(String::with_capacity(words.iter().map(|word| word.len() + 1).sum()));
    for word in words {
        if !code.is_empty() {
            code.push('-');
        }
        code.push_str(word);
    }
    let is_spoken = || {
        let begins = words.first().is_some_and(|room| room.len() == 5 && is_digits(room));
        // A relay ends a code: what stands behind it is something else.
        let relay_is_last = words.iter().rev().skip(1).all(|word| !word.contains('@'));
        begins && relay_is_last && words.len() <= WORDS_IN_CODE + 1
    };
    (words.len() < 2 || is_spoken()).then_some(code)
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
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

/// The option whose value is the code.
const CODE: &str = "--code";
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
    fn the_value_of_an_option_is_not_the_code() {
        const CODE: &str = "48213-acid-crane-otter@ws://[fd00::2]:42605";
        let info = Topic::Receive.info().unwrap();
        let with_value = info.flags.iter().filter(|flag| matches!(flag.kind, FlagInfoKind::Option { .. }));
        for name in with_value.map(|flag| flag.long).filter(|name| *name != super::CODE) {
            for line in [
                format!("p2pc receive {name} zebra-x-y {CODE}"),
                format!("p2pc receive {CODE} {name} zebra-x-y"),
                format!("p2pc receive {name}=zebra-x-y --code {CODE}"),
                format!("p2pc receive --code={CODE} {name} 'zebra-x-y'"),
            ] {
                let pasted = unpacked(&line);
                assert_eq!(*pasted.code, CODE, "{line}");
                // A value may be a token: it is not in the note.
                assert_eq!(pasted.options, [name], "{line}");
            }
        }
        for line in [
            format!("p2pc receive -o zebra-x-y {CODE}"),
            format!("p2pc receive -ozebra-x-y {CODE}"),
            format!("p2pc receive -yo zebra-x-y {CODE}"),
            format!("p2pc receive -o zebra-x-y -- {CODE}"),
        ] {
            let pasted = unpacked(&line);
            assert_eq!(*pasted.code, CODE, "{line}");
            assert!(pasted.options.iter().all(|option| option.len() == 2), "{:?}", pasted.options);
        }
    }

    #[test]
    fn of_two_words_none_is_guessed_to_be_the_code() {
        for line in [
            "p2pc receive zebra-x-y 48213-acid-crane-otter@relay",
            "p2pc receive 48213-acid-crane-otter@relay downloads",
            "p2pc receive 48213 acid crane otter@relay downloads",
            "p2pc receive --code 48213-acid-crane-otter 48213-acid-crane-otter",
            "p2pc receive --unknown zebra 48213-acid-crane-otter",
        ] {
            let pasted = unpacked(line);
            assert!(pasted.is_unclear && pasted.code.is_empty(), "{line}");
        }
        assert_eq!(code("p2pc receive 48213 acid crane otter@relay -y"), "48213-acid-crane-otter@relay");
        assert!(!unpacked("p2pc receive --verify").is_unclear);
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

//! Whether a code of one's own is easily guessed.
//!
//! A relay that wants in pays one Argon2id, a tenth of a second, for each guess, without being seen. So a
//! code has to hold out against some 2^36 guesses. No estimate knows how a person thought of a phrase: this
//! one catches what is surely weak, and errs towards asking for more.

use std::fmt;

use zeroize::Zeroizing;

/// Why a code is weak. Its text completes "the code is easily guessed: …".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Weakness {
    /// A password that everybody tries first, perhaps with digits around it.
    Common,
    /// It consists of very few different characters.
    FewCharacters,
    /// It repeats one short piece.
    Repeats,
    /// Only digits, and not many: a date, a telephone number.
    Digits,
    /// It runs along the alphabet or the keyboard.
    Sequence,
    /// Too few unpredictable characters or words.
    Predictable,
}

impl fmt::Display for Weakness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Weakness::Common => "it is a common password",
            Weakness::FewCharacters => "it has too few different characters",
            Weakness::Repeats => "it repeats one short piece",
            Weakness::Digits => "it is a short number",
            Weakness::Sequence => "it follows the alphabet or the keyboard",
            Weakness::Predictable => "it has too few words or unpredictable characters",
        })
    }
}

/// The first reason found why `text` is weak, the most telling one first.
pub(super) fn weakness(text: &str) -> Option<Weakness> {
    // Sized first, like every copy below: a buffer that grew would leave pieces of the code in freed memory.
    let mut lower = Zeroizing::new(Vec::with_capacity(text.len()));
    lower.extend(text.chars().flat_map(char::to_lowercase));
    if is_common(&lower) {
        Some(Weakness::Common)
    } else if distinct(&lower) < DISTINCT_MIN {
        Some(Weakness::FewCharacters)
    } else if repeats(&lower) {
        Some(Weakness::Repeats)
    } else if is_short_number(&lower) {
        Some(Weakness::Digits)
    } else if estimate(text) >= DECIBITS_MIN {
        None
    } else if predicted(&lower) * 2 >= lower.len() {
        Some(Weakness::Sequence)
    } else {
        Some(Weakness::Predictable)
    }
}

/// Whether the letters that are left without digits and punctuation at both ends, and with look-alikes read
/// as letters, are on the list of common passwords.
fn is_common(lower: &[char]) -> bool {
    let plain = text_of(lower.iter().copied().filter(|char| char.is_alphanumeric()), lower.len());
    let core = plain.trim_matches(char::is_numeric);
    let letters = text_of(core.chars().map(look_alike).filter(|char| char.is_alphabetic()), lower.len());
    let all = text_of(lower.iter().copied().map(look_alike), lower.len());
    let all = all.trim_matches(|char: char| !char.is_alphabetic());
    COMMON.split_whitespace().any(|common| *plain == common || *letters == common || all == common)
}

fn text_of(chars: impl Iterator<Item = char>, count_max: usize) -> Zeroizing<String> {
    const UTF8_BYTES_MAX: usize = 4;
    let mut text = Zeroizing::new(String::with_capacity(count_max * UTF8_BYTES_MAX));
    text.extend(chars);
    text
}

/// The letter that a digit or a sign is commonly written for.
fn look_alike(char: char) -> char {
    match char {
        '0' => 'o',
        '1' | '!' => 'i',
        '3' => 'e',
        '4' => 'a',
        '5' | '$' => 's',
        '7' => 't',
        other => other,
    }
}

fn distinct(chars: &[char]) -> usize {
    let mut sorted = Zeroizing::new(chars.to_vec());
    sorted.sort_unstable();
    sorted.dedup();
    sorted.len()
}

/// Whether the text is one piece shorter than [`super::parse::CHARS_MIN`] over and over.
fn repeats(chars: &[char]) -> bool {
    (1..super::parse::CHARS_MIN)
        .any(|period| period * 2 <= chars.len() && chars.iter().zip(&chars[period..]).all(|(a, b)| a == b))
}

/// Whether there are digits and what stands between them, but no letters, and few digits.
fn is_short_number(chars: &[char]) -> bool {
    let digits = chars.iter().filter(|char| char.is_numeric()).count();
    let letters = chars.iter().filter(|char| char.is_alphabetic()).count();
    letters == 0 && digits * 2 >= chars.len() && digits < DIGITS_MIN
}

/// How many characters follow from the one before: the same, its neighbour in the alphabet, or on the
/// keyboard.
fn predicted(lower: &[char]) -> usize {
    lower.windows(2).filter(|pair| follows(pair[0], pair[1])).count()
}

fn follows(before: char, after: char) -> bool {
    u32::from(before).abs_diff(u32::from(after)) <= 1
        || KEYBOARDS.iter().any(|row| {
            let at = |wanted| row.chars().position(|key| key == wanted);
            matches!((at(before), at(after)), (Some(left), Some(right)) if left.abs_diff(right) == 1)
        })
}

/// A rough entropy in tenths of a bit.
///
/// The first letter of a word counts fully. Those after it count half where the word has a vowel and so may
/// be a word of some language, and fully where it cannot be one. What a predictable step adds is next to
/// nothing.
fn estimate(text: &str) -> u32 {
    let mut total: u32 = 0;
    let mut before: Option<char> = None;
    for run in text.split_inclusive(|char: char| !char.is_alphabetic()) {
        let word_like = run.chars().filter(|char| char.is_alphabetic()).count() > 2
            && run.chars().any(|char| !char.is_ascii() || "aeiouyAEIOUY".contains(char));
        for (at, char) in run.chars().enumerate() {
            let lower = char.to_lowercase().next().unwrap_or(char);
            let gain = match before {
                Some(last) if follows(last.to_lowercase().next().unwrap_or(last), lower) => 5,
                _ if char.is_numeric() => DIGIT_DECIBITS,
                // People put spaces and dashes where they belong.
                _ if char.is_whitespace() || char == '-' => 0,
                _ if !char.is_alphabetic() => SIGN_DECIBITS,
                _ if word_like && at > 0 => WORD_DECIBITS,
                _ => LETTER_DECIBITS,
            };
            let case_change = before.is_some_and(|last| last.is_lowercase() && char.is_uppercase());
            total = total.saturating_add(gain + if case_change { CASE_DECIBITS } else { 0 });
            before = Some(char);
        }
    }
    total
}

/// 36 bits: at a tenth of a second each, a hundred cores need two years for half of the guesses.
const DECIBITS_MIN: u32 = 360;

/// One of 26.
const LETTER_DECIBITS: u32 = 47;

/// What a further letter of a word of a language adds, on the generous side.
const WORD_DECIBITS: u32 = 25;

/// One of ten.
const DIGIT_DECIBITS: u32 = 33;

/// One of 32.
const SIGN_DECIBITS: u32 = 50;

/// A capital where none is expected.
const CASE_DECIBITS: u32 = 15;

/// Fewer different characters than this are a pattern, however often they come.
const DISTINCT_MIN: usize = 5;

/// Numbers shorter than this are dates, telephone and account numbers.
const DIGITS_MIN: usize = 16;

/// Rows of keyboards, along which fingers slide.
const KEYBOARDS: [&str; 8] = [
    "1234567890",
    "qwertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "qwertzuiopü",
    "yxcvbnm",
    "azertyuiop",
    "qsdfghjklm",
];

/// What is tried first, letters only and in lower case.
const COMMON: &str = "password passwort passwords passw passwd motdepasse contrasena senha parola wachtwoord heslo
    qwerty qwertyuiop qwertz qwertzuiop azerty azertyuiop asdfgh asdfghjkl zxcvbn zxcvbnm yxcvbnm qazwsx qazwsxedc
    abc abcd abcdef abcdefg abcdefgh letmein letmeinnow welcome welcomehome willkommen bienvenue admin administrator
    root rootroot toor superuser sysadmin guest default changeme changeit secret topsecret geheim test testtest testing
    testpassword master masterkey login loginlogin iloveyou ilovey loveyou iloveu ichliebedich jetaime teamo sunshine princess
    princesse dragon monkey football baseball basketball soccer hockey superman batman spiderman pokemon starwars
    startrek skywalker matrix shadow michael michelle jennifer jessica jordan ashley daniel charlie thomas andrew joshua
    robert william christopher elizabeth nicole hannah amanda samantha trustno trustnoone whatever freedom computer internet
    samsung google facebook linkedin twitter youtube microsoft windows android iphone apple mercedes ferrari porsche
    corvette mustang harley chelsea arsenal liverpool barcelona realmadrid juventus flower butterfly chocolate cheese
    cookie pepper ginger summer winter spring autumn january february march april june july august september october
    november december monday tuesday wednesday thursday friday saturday sunday america canada england germany deutschland
    france london berlin hello hellohello helloworld hellokitty goodbye killer hunter ranger buster tigger maverick phoenix
    diamond silver golden purple orange yellow lovely lovelove forever family friends blessed jesus jesuschrist angel
    babygirl sweetheart darling nothing something anything letsgo fuckyou fuckoff asshole bullshit access accessdenied enter opensesame
    sesame passphrase passcode pincode mypassword mypass yourpassword thepassword nopassword newpassword
    oldpassword passwordpassword transfer filetransfer sendfile sendfiles croc wormhole magicwormhole correcthorsebatterystaple
    correct horse battery staple";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weak_codes_are_named_for_what_they_are() {
        for (text, expected) in [
            ("Passw0rd", Weakness::Common),
            ("Passwort2024!", Weakness::Common),
            ("password123", Weakness::Common),
            ("123iloveyou", Weakness::Common),
            ("$unshine99", Weakness::Common),
            ("correct horse battery staple", Weakness::Common),
            ("aaaaaaaaaaaaaaaaaaa", Weakness::FewCharacters),
            ("abababababababababab", Weakness::FewCharacters),
            ("xK9#mxK9#mxK9#m", Weakness::Repeats),
            ("31.12.1999", Weakness::Digits),
            ("0049 151 2345678", Weakness::Digits),
            ("abcdefghijklmnop", Weakness::Sequence),
            ("zyxwvutsrqponm", Weakness::Sequence),
            ("qwertyuiop[]", Weakness::Common),
            ("asdfghjkl;'asdf", Weakness::Sequence),
            ("elephant", Weakness::Predictable),
            ("Elephants7", Weakness::Predictable),
            ("blue elephant", Weakness::Predictable),
            ("dog 123456789", Weakness::Sequence),
        ] {
            assert_eq!(weakness(text), Some(expected), "{text:?}");
        }
    }

    #[test]
    fn strong_enough_codes_pass() {
        for text in [
            "acid crane otter",
            "Seven blue herons wade",
            "xK9#mQ2p",
            "xkqzvgnwpt",
            "4f9c1e77b02a6d35",
            "8301 5520 9172 4468 03",
            "Der Fluß fließt übers Wehr",
            "これは私だけの合言葉です長い",
        ] {
            assert_eq!(weakness(text), None, "{text:?}: {}", estimate(text));
        }
    }

    #[test]
    fn the_longest_text_is_estimated_without_overflow() {
        assert!(estimate(&"xK9#".repeat(64)) > DECIBITS_MIN);
    }
}

//! Names from the other side, made harmless before a terminal sees them.
//!
//! A name may hold anything but `/` and NUL: escape sequences that rewrite the screen, a carriage return that hides
//! what stood before it, marks that turn the direction of the text so that `exe.txt` reads otherwise. All of it is
//! shown as an escape instead, so that what a person reads is what there is.

use std::fmt::Write as _;

use unicode_width::UnicodeWidthChar as _;

/// `bytes` as one line of text without any character that acts instead of showing itself.
///
/// Text stays as it is; control characters, invisible and direction-changing ones appear as `\n`, `\u{202e}` and the
/// like, bytes that are not UTF-8 as `\xff`. A backslash stays a backslash: the result is for reading, not for
/// parsing.
#[must_use]
pub fn clean(bytes: &[u8]) -> String {
    let mut shown = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            push(&mut shown, character);
        }
        for byte in chunk.invalid() {
            // Writing to a string cannot fail.
            let _ = write!(shown, "\\x{byte:02x}");
        }
    }
    shown
}

/// `clean`, cut in the middle to at most `columns_max` columns: the ends of a name tell most.
#[must_use]
pub fn clean_short(bytes: &[u8], columns_max: usize) -> String {
    let shown = clean(bytes);
    if columns_of(&shown) <= columns_max {
        return shown;
    }
    let kept = columns_max.saturating_sub(1);
    let head = cut(&shown, kept.div_ceil(2));
    let mut left = kept - columns_of(head);
    let mut tail = shown.len();
    for (at, letter) in shown.char_indices().rev() {
        if width(letter) > left {
            break;
        }
        left -= width(letter);
        tail = at;
    }
    // A mark without its letter would stand over the dots.
    let tail = shown[tail..].trim_start_matches(|letter| width(letter) == 0);
    format!("{head}…{tail}")
}

/// As much of `text` as surely fits into so many columns of a terminal.
#[must_use]
pub fn cut(text: &str, columns: usize) -> &str {
    let mut left = columns;
    for (at, letter) in text.char_indices() {
        let width = width(letter);
        if width > left {
            return &text[..at];
        }
        left -= width;
    }
    text
}

/// How many columns a text takes at most. Emphasis takes none.
#[must_use]
pub fn columns_of(text: &str) -> usize {
    let mut columns = 0;
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        if letter == '\x1b' {
            letters.by_ref().find(|letter| *letter == 'm');
        } else {
            columns += width(letter);
        }
    }
    columns
}

/// How many columns a character takes at most, whatever stands beside it: what is joined to one sign takes fewer.
fn width(letter: char) -> usize {
    match letter {
        // Makes a sign of two columns of the narrow one before it.
        '\u{fe0f}' => 1,
        _ => letter.width().unwrap_or(0),
    }
}

fn push(shown: &mut String, character: char) {
    match character {
        '\n' => shown.push_str("\\n"),
        '\r' => shown.push_str("\\r"),
        '\t' => shown.push_str("\\t"),
        '\0'..='\x1f' | '\x7f' => {
            let _ = write!(shown, "\\x{:02x}", u32::from(character));
        }
        _ if acts(character) => {
            let _ = write!(shown, "\\u{{{:x}}}", u32::from(character));
        }
        _ => shown.push(character),
    }
}

/// Whether a character does something to its surroundings, or nothing at all that can be seen.
pub(super) fn acts(character: char) -> bool {
    matches!(character,
        '\0'..='\x1f' | '\x7f'      // controls
        | '\u{80}'..='\u{9f}'          // C1 controls: an 8-bit terminal obeys them
        | '\u{ad}'                   // soft hyphen
        | '\u{61c}'                  // Arabic letter mark
        | '\u{180e}'                 // Mongolian vowel separator
        | '\u{200b}'..='\u{200f}'    // zero width, direction marks
        | '\u{2028}'..='\u{202e}'    // line and paragraph separators, embeddings, overrides
        | '\u{2060}'..='\u{206f}'    // word joiner, isolates
        | '\u{feff}'                 // byte order mark
        | '\u{fff9}'..='\u{fffb}'    // interlinear annotation
        | '\u{e0000}'..='\u{e007f}'  // tags
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ordinary_names_stay() {
        for name in ["a b.txt", "köln/東京.dat", "👩\u{fe0f}x", "C:\\temp", ""] {
            assert_eq!(clean(name.as_bytes()), name);
        }
    }

    #[test]
    fn what_acts_is_escaped() {
        let cases: [(&[u8], &str); 10] = [
            (b"\x1b[31mred", "\\x1b[31mred"),
            (b"\x1b]0;title\x07", "\\x1b]0;title\\x07"),
            (b"a\rb\nc\td", "a\\rb\\nc\\td"),
            (b"a\x7fb\0", "a\\x7fb\\x00"),
            ("\u{9b}31m".as_bytes(), "\\u{9b}31m"),
            ("evil\u{202e}txt.exe".as_bytes(), "evil\\u{202e}txt.exe"),
            ("\u{2066}x\u{2069}".as_bytes(), "\\u{2066}x\\u{2069}"),
            ("\u{feff}x\u{200b}".as_bytes(), "\\u{feff}x\\u{200b}"),
            (b"caf\xe9", "caf\\xe9"),
            (b"\xff\xfe\x9b2J", "\\xff\\xfe\\x9b2J"),
        ];
        for (name, shown) in cases {
            assert_eq!(clean(name), shown);
        }
    }

    #[test]
    fn a_long_name_keeps_its_ends() {
        assert_eq!(clean_short(b"abcdefghij.tar", 9), "abcd….tar");
        assert_eq!(clean_short(b"abc", 3), "abc");
        assert_eq!(clean_short(b"abcd", 1), "…");
        assert_eq!(clean_short(b"abcd", 0).chars().count(), 1);
    }

    #[test]
    fn a_text_is_cut_to_columns() {
        for (text, columns, kept) in
            [("abc", 3, "abc"), ("abc", 2, "ab"), ("東京", 3, "東"), ("東京", 0, ""), ("", 9, "")]
        {
            assert_eq!(cut(text, columns), kept);
        }
    }

    #[test]
    fn columns_are_those_of_the_terminal() {
        for (text, columns) in [
            ("abc", 3),
            ("köln", 4),
            ("東京", 4),
            ("e\u{301}", 1),
            ("😀", 2),
            ("❤\u{fe0f}", 2),
            ("한글", 4),
            ("", 0),
        ] {
            assert_eq!(columns_of(text), columns, "{text}");
        }
        assert_eq!(clean_short("東京の写真とても長い名前.jpg".as_bytes(), 15), "東京の…名前.jpg");
        assert_eq!(clean_short("aaaae\u{301}\u{301}b".as_bytes(), 4), "aa…b");
    }

    proptest! {
        #[test]
        fn a_short_name_fits(name: String, columns in 1usize..40) {
            prop_assert!(columns_of(&clean_short(name.as_bytes(), columns)) <= columns);
        }

        #[test]
        fn nothing_shown_acts(bytes: Vec<u8>) {
            let shown = clean(&bytes);
            prop_assert!(!shown.chars().any(|character| character.is_control() || acts(character)));
            prop_assert!(shown.len() <= 4 * bytes.len() + 8 * bytes.len());
        }
    }
}

//! Words as a shell takes them.

use std::ffi::OsStr;

use crate::term::clean::clean;

/// A word as a shell takes it. Double quotes mean the same to every shell, Windows' too, as long as nothing in them
/// is special; an IPv6 address needs them, since brackets are a pattern. What a terminal would obey, or is no text,
/// takes the escapes of `$'…'`.
pub fn quoted(word: &OsStr) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./:@%+,=".contains(c);
    let bytes = word.as_encoded_bytes();
    match word.to_str().filter(|text| clean(bytes) == **text) {
        None => escaped(bytes),
        Some(text) if !text.is_empty() && text.chars().all(plain) => text.to_owned(),
        Some(text) if text.contains(['"', '$', '`', '\\', '!']) => {
            format!("'{}'", text.replace('\'', r"'\''"))
        }
        Some(text) => format!("\"{text}\""),
    }
}

fn escaped(bytes: &[u8]) -> String {
    let mut text = String::from("$'");
    for chunk in bytes.utf8_chunks() {
        for letter in chunk.valid().chars() {
            let mut utf8 = [0; 4];
            let spelled = letter.encode_utf8(&mut utf8);
            match letter {
                '\'' | '\\' => text.extend(['\\', letter]),
                _ if clean(spelled.as_bytes()) == *spelled => text.push(letter),
                _ => push_bytes(&mut text, spelled.as_bytes()),
            }
        }
        push_bytes(&mut text, chunk.invalid());
    }
    text.push('\'');
    text
}

/// In octal, which ends after three digits in every shell.
fn push_bytes(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        text.push_str(&format!("\\{byte:03o}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_for_a_shell() {
        for (word, shown) in [
            ("48213-acid-crane-otter@relay", "48213-acid-crane-otter@relay"),
            ("a b", "\"a b\""),
            ("it's", "\"it's\""),
            ("$HOME's", r"'$HOME'\''s'"),
            ("a\\b", "'a\\b'"),
            ("", "\"\""),
            ("a\nb's", r"$'a\012b\'s'"),
            ("evil\u{202e}gpj", r"$'evil\342\200\256gpj'"),
        ] {
            assert_eq!(quoted(OsStr::new(word)), shown);
        }
    }

    #[cfg(unix)]
    #[test]
    fn words_that_are_no_text() {
        use std::os::unix::ffi::OsStrExt as _;
        assert_eq!(quoted(OsStr::from_bytes(b"caf\xe9 \x1b[2J")), r"$'caf\351 \033[2J'");
    }
}

//! Which characters the terminal can show.

use std::borrow::Cow;
use std::ffi::OsString;

/// Whether the environment says that text is UTF-8. Windows knows by itself.
#[must_use]
pub fn utf8() -> bool {
    cfg!(windows) || names_utf8(|name| std::env::var_os(name))
}

/// The first variable that is set decides, as for every other program.
fn names_utf8(variable: impl Fn(&str) -> Option<OsString>) -> bool {
    let set = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().filter_map(variable).find(|value| !value.is_empty());
    let name = set.unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    name.ends_with("utf-8") || name.ends_with("utf8") || name.contains("utf-8@") || name.contains("utf8@")
}

/// The text for a terminal that shows nothing but ASCII: everything else as an escape.
#[must_use]
pub fn ascii(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() * 2);
    for letter in text.chars() {
        match letter {
            '…' => shown.push_str("..."),
            _ if letter.is_ascii() => shown.push(letter),
            _ => shown.extend(letter.escape_unicode()),
        }
    }
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_variable_that_is_set_decides() {
        for (set, is_utf8) in [
            (&[("LANG", "en_US.UTF-8")][..], true),
            (&[("LANG", "de_DE.utf8@euro")], true),
            (&[("LANG", "en_US.UTF-8"), ("LC_ALL", "C")], false),
            (&[("LANG", "en_US.UTF-8"), ("LC_ALL", "")], true),
            (&[("LC_CTYPE", "C.UTF-8"), ("LANG", "C")], true),
            (&[], false),
        ] {
            let variable =
                |name: &str| set.iter().find(|(set, _)| *set == name).map(|(_, value)| value.into());
            assert_eq!(names_utf8(variable), is_utf8, "{set:?}");
        }
    }

    #[test]
    fn what_is_not_ascii_is_escaped() {
        assert_eq!(ascii("a … b"), "a ... b");
        assert_eq!(ascii("köln/東"), "k\\u{f6}ln/\\u{6771}");
    }
}

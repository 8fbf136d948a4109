//! Text in lines that fit the terminal, since a terminal itself breaks in the middle of words.

use super::clean::{columns_of, cut};

/// `text` with line breaks in place of spaces, so that its lines fit into so many columns.
///
/// A word that is too long stays whole, and so does a command, whose line is indented by [`COMMAND_INDENT`]: the terminal breaks it, and
/// gives it back in one piece when it is copied. It is indented by less where that makes it fit. A line that is indented by less is an
/// item of a list, and goes on below itself.
#[must_use]
pub fn wrap(text: &str, columns: usize) -> String {
    // As long as the text: one that grew would leave pieces of a code in freed memory.
    let mut wrapped = String::with_capacity(text.len() + text.len() / 4);
    for (at, line) in text.split('\n').enumerate() {
        if at > 0 {
            wrapped.push('\n');
        }
        let (indent, rest) = indented(line);
        if indent >= COMMAND_INDENT {
            wrapped.extend(std::iter::repeat_n(' ', indent.min(columns.saturating_sub(columns_of(rest)))));
            wrapped.push_str(rest);
        } else {
            wrap_words(&mut wrapped, indent, rest, columns);
        }
    }
    wrapped
}

/// `text` as rows of at most so many columns. Words that are too long are broken, so that the rows can be
/// counted; an item of a list goes on below itself.
#[must_use]
pub fn rows(text: &str, columns: usize) -> Vec<String> {
    let mut rows = Vec::new();
    for line in text.split('\n') {
        let (indent, rest) = indented(line);
        let mut wrapped = String::with_capacity(line.len());
        wrap_words(&mut wrapped, indent, rest, columns);
        for line in wrapped.split('\n') {
            let mut rest = line;
            while cut(rest, columns) != rest && !cut(rest, columns).is_empty() {
                let (row, after) = rest.split_at(cut(rest, columns).len());
                rows.push(row.to_owned());
                rest = after;
            }
            rows.push(rest.to_owned());
        }
    }
    rows
}

/// By how much a line is indented, and what stands behind that.
fn indented(line: &str) -> (usize, &str) {
    let rest = line.trim_start_matches(' ');
    (line.len() - rest.len(), rest)
}

/// The first line indented by `indent`, and the others by a little more, if there is any.
fn wrap_words(wrapped: &mut String, indent: usize, line: &str, columns: usize) {
    let hanging = if indent == 0 || indent + HANGING + WORDS_MIN > columns { 0 } else { indent + HANGING };
    wrapped.extend(std::iter::repeat_n(' ', indent));
    let mut used = indent;
    let mut is_first = true;
    for word in line.split(' ') {
        let width = columns_of(word);
        if !is_first && used > hanging && used + 1 + width > columns {
            wrapped.push('\n');
            wrapped.extend(std::iter::repeat_n(' ', hanging));
            used = hanging;
        } else if !is_first {
            wrapped.push(' ');
            used += 1;
        }
        wrapped.push_str(word);
        used += width;
        is_first = false;
    }
}

/// A line that is indented by so much, or more, is a command to copy.
pub const COMMAND_INDENT: usize = 4;
/// How much further an item of a list goes in from its second line on.
const HANGING: usize = 2;
/// Where there is less room than that for words, none is spent on indenting them.
const WORDS_MIN: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_between_words() {
        assert_eq!(wrap("one two three", 7), "one two\nthree");
        assert_eq!(wrap("one two\nthree four", 8), "one two\nthree\nfour");
        assert_eq!(wrap("see https://relay.example/x now", 6), "see\nhttps://relay.example/x\nnow");
        assert_eq!(wrap("a  b", 80), "a  b");
        assert_eq!(wrap("", 80), "");
    }

    #[test]
    fn emphasis_takes_no_columns() {
        assert_eq!(wrap("\x1b[1;31mp2pc:\x1b[0m no", 8), "\x1b[1;31mp2pc:\x1b[0m no");
    }

    #[test]
    fn a_command_stays_in_one_piece() {
        let command = "Run\n\n    p2pc receive x\n";
        assert_eq!(wrap(command, 80), command);
        assert_eq!(wrap(command, 16), "Run\n\n  p2pc receive x\n", "as far in as it fits");
        assert_eq!(wrap(command, 5), "Run\n\np2pc receive x\n");
        assert_eq!(wrap("    \x1b[1mp2pc receive x\x1b[0m", 14), "\x1b[1mp2pc receive x\x1b[0m");
    }

    #[test]
    fn an_item_of_a_list_goes_on_below_itself() {
        let item = "  name: the sender cannot read it";
        assert_eq!(wrap(item, 22), "  name: the sender\n    cannot read it");
        assert_eq!(rows(item, 22), ["  name: the sender", "    cannot read it"]);
        assert_eq!(rows(item, 12), ["  name: the", "sender", "cannot read", "it"], "no room to go in");
    }

    #[test]
    fn rows_fit_whatever_the_words_are() {
        assert_eq!(rows("Offered: 0123456789", 8), ["Offered:", "01234567", "89"]);
        assert_eq!(rows("a", 8), ["a"]);
        assert_eq!(rows("  there  1.2 MiB  2024", 21), ["  there  1.2 MiB ", "    2024"]);
        assert_eq!(rows("東京", 1).len(), 1, "no width holds it");
    }
}

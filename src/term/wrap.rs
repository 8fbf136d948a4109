//! Text in lines that fit the terminal, since a terminal itself breaks in the middle of words.

use super::clean::{columns_of, cut};

/// `text` with line breaks in place of spaces, so that its lines fit into so many columns.
///
/// An indented line is left alone: it is a command to copy, or one item of a list. So is a word that is too long.
#[must_use]
pub fn wrap(text: &str, columns: usize) -> String {
    // As long as the text: one that grew would leave pieces of a code in freed memory.
    let mut wrapped = String::with_capacity(text.len());
    for (at, line) in text.split('\n').enumerate() {
        if at > 0 {
            wrapped.push('\n');
        }
        wrap_line(&mut wrapped, line, columns);
    }
    wrapped
}

/// `text` as rows of at most so many columns. Words that are too long are broken, so that the rows can be
/// counted; an indented line goes on indented.
#[must_use]
pub fn rows(text: &str, columns: usize) -> Vec<String> {
    let mut rows = Vec::new();
    for line in text.split('\n') {
        let indent = &line[..line.len() - line.trim_start_matches(' ').len()];
        let indent = if indent.len() + INDENTED_MIN < columns { indent } else { "" };
        let mut wrapped = String::with_capacity(line.len());
        wrap_words(&mut wrapped, &line[indent.len()..], columns.saturating_sub(indent.len()));
        for line in wrapped.split('\n') {
            let mut rest = line;
            let room = columns.saturating_sub(indent.len());
            while cut(rest, room) != rest && !cut(rest, room).is_empty() {
                let (row, after) = rest.split_at(cut(rest, room).len());
                rows.push(format!("{indent}{row}"));
                rest = after;
            }
            rows.push(format!("{indent}{rest}"));
        }
    }
    rows
}

/// Narrower than that no line is indented.
const INDENTED_MIN: usize = 8;

fn wrap_line(wrapped: &mut String, line: &str, columns: usize) {
    if line.starts_with(' ') {
        wrapped.push_str(line);
        return;
    }
    wrap_words(wrapped, line, columns);
}

fn wrap_words(wrapped: &mut String, line: &str, columns: usize) {
    let mut used = 0;
    for (at, word) in line.split(' ').enumerate() {
        let width = columns_of(word);
        if used > 0 && used + 1 + width > columns {
            wrapped.push('\n');
            used = 0;
        } else if at > 0 {
            wrapped.push(' ');
            used += 1;
        }
        wrapped.push_str(word);
        used += width;
    }
}

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
        assert_eq!(wrap("Run\n\n    p2pc receive x\n", 5), "Run\n\n    p2pc receive x\n");
    }

    #[test]
    fn rows_fit_whatever_the_words_are() {
        assert_eq!(rows("Offered: 0123456789", 8), ["Offered:", "01234567", "89"]);
        assert_eq!(rows("a", 8), ["a"]);
        assert_eq!(rows("  there  1.2 MiB  2024", 18), ["  there  1.2 MiB ", "  2024"]);
        assert_eq!(rows("東京", 1).len(), 1, "no width holds it");
    }
}

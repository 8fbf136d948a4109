//! A help text, taken apart.
//!
//! The texts are written by hand, for people, in a form that is easy to keep: pieces with an empty line between them. A piece is a
//! paragraph; or `Usage: …`; or a title that ends in a colon, with items or commands below it, indented by two. An item is a
//! head and, two spaces or more behind it, what it means; that goes on in lines that are indented further than any head is.

/// A help text.
#[derive(Debug)]
pub struct Page {
    /// Its pieces in order.
    pub pieces: Vec<Piece>,
}

/// A piece of a help text.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece {
    /// Sentences.
    Paragraph(String),
    /// How to call it.
    Usage(Vec<Item>),
    /// Options, arguments, variables and the like.
    Items {
        /// What they are, without the colon.
        title: String,
        /// What holds for all of them.
        about: Option<String>,
        /// They themselves.
        items: Vec<Item>,
    },
    /// Whole commands.
    Commands {
        /// What they are, without the colon.
        title: String,
        /// One a line.
        lines: Vec<String>,
    },
}

/// Something, and what it means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// `-o, --out DIR`, or another name.
    pub head: String,
    /// What it means; may be empty.
    pub text: String,
}

/// The head of an item that is an option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flag {
    /// The letter.
    pub short: Option<char>,
    /// With its two dashes.
    pub long: String,
    /// What stands for its value, if it takes one.
    pub value: Option<String>,
}

impl Page {
    /// Takes a help text apart.
    #[must_use]
    pub fn parse(text: &str) -> Page {
        let pieces = text.split("\n\n").filter_map(|piece| parse(piece.trim_matches('\n')));
        Page { pieces: pieces.collect() }
    }

    /// Every option, with what it means.
    pub fn flags(&self) -> impl Iterator<Item = (Flag, &str)> {
        let items = self.pieces.iter().filter_map(|piece| match piece {
            Piece::Items { items, .. } => Some(items),
            _ => None,
        });
        items.flatten().filter_map(|item| Some((item.flag()?, item.text.as_str())))
    }
}

impl Item {
    fn parse(line: &str) -> Item {
        let line = line.trim();
        let (head, text) = line.split_once("  ").unwrap_or((line, ""));
        Item { head: head.to_owned(), text: text.trim_start().to_owned() }
    }

    /// The option that this is about, if it is about one.
    #[must_use]
    pub fn flag(&self) -> Option<Flag> {
        let (short, rest) = match self.head.split_once(", ") {
            Some((short, rest)) => (short.strip_prefix('-')?.chars().next(), rest),
            None => (None, self.head.as_str()),
        };
        let (long, value) = match rest.split_once(' ') {
            Some((long, value)) => (long, Some(value.to_owned())),
            None => (rest, None),
        };
        long.starts_with("--").then(|| Flag { short, long: long.to_owned(), value })
    }
}

fn parse(piece: &str) -> Option<Piece> {
    let lines: Vec<&str> = piece.lines().collect();
    if let Some(usage) = piece.strip_prefix(USAGE) {
        return Some(Piece::Usage(usage.lines().map(Item::parse).collect()));
    }
    // A title may take more than one line.
    let titled = lines.iter().take_while(|line| !line.starts_with(' ')).count();
    let (title, below) = lines.split_at(titled);
    let title = title.join(" ");
    if below.is_empty() {
        return (!title.is_empty()).then_some(Piece::Paragraph(title));
    }
    let title = title.trim_end_matches(':');
    if title == COMMANDS {
        let lines = below.iter().map(|line| line.trim().to_owned()).collect();
        return Some(Piece::Commands { title: title.to_owned(), lines });
    }
    let (title, about) = match title.split_once(" (") {
        Some((title, about)) => (title, Some(about.trim_end_matches(')').to_owned())),
        None => (title, None),
    };
    Some(Piece::Items { title: title.to_owned(), about, items: items(below) })
}

fn items(lines: &[&str]) -> Vec<Item> {
    let mut items: Vec<Item> = Vec::new();
    for line in lines {
        let indented = line.len() - line.trim_start().len();
        match items.last_mut().filter(|_| indented > HEAD_INDENT_MAX) {
            Some(item) => {
                if !item.text.is_empty() {
                    item.text.push(' ');
                }
                item.text.push_str(line.trim());
            }
            None => items.push(Item::parse(line)),
        }
    }
    items
}

const USAGE: &str = "Usage: ";
const COMMANDS: &str = "Examples";
/// An option without a letter stands below one with a letter and a comma.
const HEAD_INDENT_MAX: usize = 6;

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "Sends\nthings.\n\nUsage: p2pc x A\n       p2pc y          does it\n\nFiles (of any\nkind):\n  -o, --out DIR  \
                        write\n                 there\n      --yes      at once\n  PATH...\n                 what\n\nExamples:\n  p2pc x\n";

    #[test]
    fn a_text_comes_apart_into_what_it_is_made_of() {
        let item = |head: &str, text: &str| Item { head: head.into(), text: text.into() };
        let page = Page::parse(TEXT);
        assert_eq!(
            page.pieces,
            [
                Piece::Paragraph("Sends things.".into()),
                Piece::Usage(vec![item("p2pc x A", ""), item("p2pc y", "does it")]),
                Piece::Items {
                    title: "Files".into(),
                    about: Some("of any kind".into()),
                    items: vec![
                        item("-o, --out DIR", "write there"),
                        item("--yes", "at once"),
                        item("PATH...", "what")
                    ],
                },
                Piece::Commands { title: "Examples".into(), lines: vec!["p2pc x".into()] },
            ]
        );
        let flags: Vec<(Flag, &str)> = page.flags().collect();
        let out = Flag { short: Some('o'), long: "--out".into(), value: Some("DIR".into()) };
        let yes = Flag { short: None, long: "--yes".into(), value: None };
        assert_eq!(flags, [(out, "write there"), (yes, "at once")]);
    }
}

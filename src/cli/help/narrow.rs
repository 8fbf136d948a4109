//! Help for a terminal that is narrower than the texts are written for.
//!
//! What an item means stands below it then, and sentences break where the terminal's lines end. What is to be typed stays in one piece.

use crate::term::wrap::wrap;

use super::guide::{self as tasks, parse};
use super::page::{Item, Page, Piece};

/// A help text in so many columns.
#[must_use]
pub fn page(text: &str, columns: usize) -> String {
    let pieces = Page::parse(text).pieces;
    let pieces: Vec<String> = pieces.iter().map(|piece| lines(piece, columns).join("\n")).collect();
    pieces.join("\n\n")
}

/// A guide in so many columns.
#[must_use]
pub fn guide(text: &str, columns: usize) -> String {
    let piece = |(at, piece): (usize, &tasks::Piece)| match piece {
        tasks::Piece::Heading(heading) => indented(heading, 0, columns).join("\n"),
        tasks::Piece::Paragraph(paragraph) => indented(paragraph, usize::from(at != 0), columns).join("\n"),
        tasks::Piece::Commands(commands) => {
            commands.iter().map(|command| format!("  {command}")).collect::<Vec<_>>().join("\n")
        }
    };
    parse(text).iter().enumerate().map(piece).collect::<Vec<_>>().join("\n\n")
}

fn lines(piece: &Piece, columns: usize) -> Vec<String> {
    match piece {
        Piece::Paragraph(text) => indented(text, 0, columns),
        Piece::Usage(usages) => {
            let below = usages.iter().flat_map(|usage| item(usage, columns));
            [String::from("Usage:")].into_iter().chain(below).collect()
        }
        Piece::Items { title, about, items } => {
            let about = about.as_ref().map_or_else(String::new, |about| format!(" ({about})"));
            let mut lines = indented(&format!("{title}{about}:"), 0, columns);
            lines.extend(items.iter().flat_map(|one| item(one, columns)));
            lines
        }
        Piece::Commands { title, lines } => {
            let below = lines.iter().map(|line| format!("  {line}"));
            [format!("{title}:")].into_iter().chain(below).collect()
        }
    }
}

fn item(item: &Item, columns: usize) -> Vec<String> {
    let mut lines = vec![format!("  {}", item.head)];
    if !item.text.is_empty() {
        lines.extend(indented(&item.text, ITEM_INDENT, columns));
    }
    lines
}

/// Sentences, each line indented by so much, in so many columns.
#[must_use]
pub fn indented(text: &str, indent: usize, columns: usize) -> Vec<String> {
    let room = columns.saturating_sub(indent).max(ROOM_MIN);
    wrap(text, room).lines().map(|row| format!("{:indent$}{row}", "")).collect()
}

/// Deep enough to tell what an item means from the next one.
const ITEM_INDENT: usize = 6;
/// Below that no text is readable, wherever it breaks.
const ROOM_MIN: usize = 10;

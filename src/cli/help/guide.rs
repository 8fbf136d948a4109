//! What `p2pc help` says about a subcommand by task, taken apart.
//!
//! Pieces with an empty line between them: what stands at the margin is a heading, what is indented by two a paragraph, and what is indented
//! further is to be typed. The first piece is no heading; it says what this is.

/// A piece of a guide.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece {
    /// A task.
    Heading(String),
    /// Sentences.
    Paragraph(String),
    /// What to type, one a line.
    Commands(Vec<String>),
}

/// Takes a guide apart.
#[must_use]
pub fn parse(text: &str) -> Vec<Piece> {
    let pieces = text.split("\n\n").filter(|piece| !piece.trim().is_empty()).enumerate();
    pieces.map(|(at, piece)| parse_piece(at == 0, piece.trim_matches('\n'))).collect()
}

fn parse_piece(first: bool, piece: &str) -> Piece {
    let lines = piece.lines().map(|line| line.trim().to_owned());
    match piece.len() - piece.trim_start().len() {
        0 if !first => Piece::Heading(lines.collect::<Vec<_>>().join(" ")),
        0..=2 => Piece::Paragraph(lines.collect::<Vec<_>>().join(" ")),
        _ => Piece::Commands(lines.collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guide_comes_apart() {
        assert_eq!(
            parse("What\nit is.\n\nTo do it\n\n  Say\n  this:\n\n    p2pc x\n    p2pc y\n"),
            [
                Piece::Paragraph("What it is.".into()),
                Piece::Heading("To do it".into()),
                Piece::Paragraph("Say this:".into()),
                Piece::Commands(vec!["p2pc x".into(), "p2pc y".into()]),
            ]
        );
    }
}

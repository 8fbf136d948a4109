//! The reference in `docs/`, drawn from the help texts.

use crate::cli::topic::Topic;

use super::guide;
use super::page::{Item, Page, Piece};

/// The page with every subcommand and option.
#[must_use]
pub fn reference() -> String {
    let mut text = String::from(
        "# Commands and options\n\n<!-- Drawn from `p2pc --help` and its kin by `make generated`. Change src/cli/help, not this. -->\n\n\
         Every subcommand with its options, as `--help` shows them, and with recipes, as `p2pc help SUBCOMMAND` shows them.\n",
    );
    for topic in Topic::ALL {
        text.push_str(&format!("\n## {}\n", topic.command()));
        for piece in Page::parse(topic.help()).pieces {
            text.push('\n');
            text.push_str(&draw(&piece));
        }
        if let Some(guide) = topic.guide() {
            text.push_str(&format!("\n### {} by task\n", topic.command()));
            for piece in guide::parse(guide) {
                text.push('\n');
                text.push_str(&draw_guide(&piece));
            }
        }
    }
    text
}

fn draw(piece: &Piece) -> String {
    match piece {
        Piece::Paragraph(paragraph) => format!("{}\n", prose(paragraph)),
        Piece::Usage(usages) => {
            let heads: Vec<String> = usages.iter().map(|usage| usage.head.clone()).collect();
            block("text", &heads)
        }
        Piece::Items { title, about, items } => {
            let about = about.as_ref().map_or_else(String::new, |about| format!(" ({})", prose(about)));
            let rows: String = items.iter().map(row).collect();
            format!("**{title}**{about}:\n\n| | |\n| --- | --- |\n{rows}")
        }
        Piece::Commands { title, lines } => format!("**{title}**:\n\n{}", block("sh", lines)),
    }
}

fn draw_guide(piece: &guide::Piece) -> String {
    match piece {
        guide::Piece::Heading(heading) => format!("**{}**\n", prose(heading)),
        guide::Piece::Paragraph(paragraph) => format!("{}\n", prose(paragraph)),
        guide::Piece::Commands(lines) => block("sh", lines),
    }
}

fn row(item: &Item) -> String {
    let code = |text: &str| format!("`{}`", text.replace('|', "\\|"));
    let head = match item.flag() {
        Some(flag) => {
            let short = flag.short.map_or_else(String::new, |short| format!("`-{short}`, "));
            let value = flag.value.map_or_else(String::new, |value| format!(" {value}"));
            format!("{short}{}", code(&format!("{}{value}", flag.long)))
        }
        None => code(&item.head),
    };
    format!("| {head} | {} |\n", prose(&item.text).replace('|', "\\|"))
}

fn block(language: &str, lines: &[String]) -> String {
    format!("```{language}\n{}\n```\n", lines.join("\n"))
}

/// Sentences with nothing in them that would be taken for markup, but what stands between backticks.
fn prose(sentences: &str) -> String {
    let plain = |piece: &str| {
        let special = |letter: char| matches!(letter, '*' | '_' | '<' | '>' | '[' | ']' | '\\');
        piece
            .chars()
            .flat_map(|letter| special(letter).then_some('\\').into_iter().chain([letter]))
            .collect::<String>()
    };
    let pieces = sentences.split('`').enumerate();
    let pieces = pieces.map(|(at, piece)| if at % 2 == 1 { piece.to_owned() } else { plain(piece) });
    pieces.collect::<Vec<_>>().join("`")
}

//! Man pages, drawn from the help texts.

use crate::cli::topic::Topic;

use super::guide;
use super::page::{Item, Page, Piece};

/// What a page is called: `p2pc-send`.
#[must_use]
pub fn name(topic: Topic) -> String {
    topic.command().replace(' ', "-")
}

/// The page about `topic`, of section 1.
#[must_use]
pub fn page(topic: Topic) -> String {
    let mut page = Roff(String::new());
    page.line(&format!(".\\\" Drawn from `{} --help` by `make generated`.", topic.command()));
    let title = escaped(&name(topic).to_uppercase());
    page.line(&format!(".TH {title} 1 \"{DATE}\" \"p2pc {}\" \"p2pc\"", env!("CARGO_PKG_VERSION")));
    page.section("Name");
    page.line(&format!("{} \\- {}", escaped(&name(topic)), text(topic.about())));
    let pieces = Page::parse(topic.help()).pieces;
    pieces.iter().filter(|piece| matches!(piece, Piece::Usage(_))).for_each(|piece| page.piece(piece));
    page.section("Description");
    // What stands before the first title opens the page; what stands behind one stays below it, as notes.
    let mut titled = false;
    for piece in pieces.iter().filter(|piece| !matches!(piece, Piece::Usage(_))) {
        match piece {
            Piece::Paragraph(_) if titled => {
                page.section("Notes");
                titled = false;
            }
            Piece::Paragraph(_) => {}
            _ => titled = true,
        }
        page.piece(piece);
    }
    if let Some(guide) = topic.guide() {
        page.section("By task");
        for piece in &guide::parse(guide) {
            page.guide(piece);
        }
    }
    page.section("See also");
    let others: Vec<String> = Topic::ALL
        .into_iter()
        .filter(|other| *other != topic)
        .map(|other| format!("\\fB{}\\fR(1)", escaped(&name(other))))
        .collect();
    page.line(&others.join(", "));
    page.0
}

struct Roff(String);

impl Roff {
    fn line(&mut self, line: &str) {
        self.0.push_str(line);
        self.0.push('\n');
    }

    fn section(&mut self, title: &str) {
        self.line(&format!(".SH {}", escaped(&title.to_uppercase())));
    }

    fn piece(&mut self, piece: &Piece) {
        match piece {
            Piece::Paragraph(paragraph) => {
                self.paragraph();
                self.line(&text(paragraph));
            }
            Piece::Usage(usages) => {
                self.section("Synopsis");
                self.line(".nf");
                for usage in usages {
                    self.line(&format!("\\fB{}\\fR", escaped(&usage.head)));
                }
                self.line(".fi");
            }
            Piece::Items { title, about, items } => {
                self.section(title);
                if let Some(about) = about {
                    self.line(&format!("{}.", text(&capital(about))));
                }
                for item in items {
                    self.item(item);
                }
            }
            Piece::Commands { title, lines } => {
                self.section(title);
                self.commands(lines);
            }
        }
    }

    fn item(&mut self, item: &Item) {
        self.line(".TP");
        let Some(flag) = item.flag() else {
            self.line(&format!("\\fB{}\\fR", escaped(&item.head)));
            self.line(&text(&item.text));
            return;
        };
        let mut head = flag.short.map_or_else(String::new, |short| format!("\\fB\\-{short}\\fR, "));
        head.push_str(&format!("\\fB{}\\fR", escaped(&flag.long)));
        if let Some(value) = flag.value {
            head.push_str(&format!(" \\fI{}\\fR", escaped(&value)));
        }
        self.line(&head);
        self.line(&text(&item.text));
    }

    fn guide(&mut self, piece: &guide::Piece) {
        match piece {
            guide::Piece::Heading(heading) => self.line(&format!(".SS {}", text(heading))),
            guide::Piece::Paragraph(paragraph) => {
                self.paragraph();
                self.line(&text(paragraph));
            }
            guide::Piece::Commands(lines) => {
                self.paragraph();
                self.commands(lines);
            }
        }
    }

    /// Begins a paragraph, which right behind a heading has begun already.
    fn paragraph(&mut self) {
        let last = self.0.lines().next_back().unwrap_or_default();
        if !last.starts_with(".SH") && !last.starts_with(".SS") {
            self.line(".PP");
        }
    }

    fn commands(&mut self, lines: &[String]) {
        self.line(".RS 4");
        self.line(".nf");
        for line in lines {
            self.line(&escaped(line));
        }
        self.line(".fi");
        self.line(".RE");
    }
}

/// Sentences: what stands between backticks is set off by its type instead.
fn text(sentences: &str) -> String {
    let pieces = sentences.split('`').map(escaped).enumerate();
    let set_off = pieces.map(|(at, piece)| if at % 2 == 1 { format!("\\fB{piece}\\fR") } else { piece });
    set_off.collect()
}

/// Letters that mean something to roff, so that they do not. A dash that is typed has to be one that can be copied.
fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    if text.starts_with(['.', '\'']) { format!("\\&{text}") } else { text }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// When the texts were last gone through as a whole. The day on which they are drawn would change them every time.
const DATE: &str = "2026-11-23";

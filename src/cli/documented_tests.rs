//! The commands that the pages show mean something: they are read as if somebody had typed them.

use std::ffi::OsString;
use std::path::Path;

use super::meaning::{self, CodeSource, Environment};
use super::words::{self, Typed};
use crate::Result;

#[path = "../../tests/it/docs/page.rs"]
#[expect(dead_code, reason = "which line a block begins at is for those who look at blocks")]
mod page;

#[test]
fn every_command_in_the_pages_means_something() {
    let (mut read, mut wrong) = (0, Vec::new());
    for (name, text) in pages() {
        let in_blocks = page::blocks(&text).into_iter().flat_map(|block| block.commands());
        let in_blocks = in_blocks.map(|line| (line, true));
        // What stands within a sentence may be a part of a command; with an option it has to be one that there is.
        let in_prose = page::spans(&text).into_iter().filter(|span| span.contains(" -"));
        let in_prose = in_prose.map(|line| (line, false));
        for (line, whole) in in_blocks.chain(in_prose).filter(|(line, _)| !line.contains(['…', '[', '{'])) {
            for arguments in arguments(&line) {
                if let Err(error) = understand(&arguments, whole) {
                    let hint = error.hint_text().unwrap_or_default();
                    wrong.push(format!("{name}: {line}\n{error}\n{hint}"));
                }
                read += 1;
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert!(read > 15, "the pages show {read} commands: are they still found?");
}

/// As far as the command line can be understood without doing anything.
fn understand(arguments: &[String], whole: bool) -> Result<()> {
    let words: Vec<OsString> = arguments.iter().map(|word| filled_in(word).into()).collect();
    // Where most people are: at a terminal, with a relay and a code.
    let environment = Environment {
        relay: (!arguments.iter().any(|word| word == "--listen")).then(|| "relay.example.com".into()),
        terminal: true,
        ..Environment::default()
    };
    let typed = words::read(&words)?;
    if !whole {
        return Ok(());
    }
    match typed {
        Typed::Send(args, _) => meaning::send(&args, &environment).map(drop),
        Typed::Receive(args, _) => {
            let (source, receiving) = meaning::receive(&args, &environment)?;
            let code = match source {
                CodeSource::Given(text) => Some(meaning::read_code(&text, args.allow_weak_code)?),
                CodeSource::Prompt => Some(meaning::read_code(CODE, false)?),
                CodeSource::New => None,
            };
            receiving.with(code).map(drop)
        }
        Typed::Relay(args) => {
            // What is said of one option alone still needs an address.
            let passed = args.listen.is_empty();
            meaning::relay(&args, passed).map(drop)
        }
        _ => Ok(()),
    }
}

/// Puts a real code, or a subcommand, where the page says that one is to stand.
fn filled_in(word: &str) -> String {
    match word.strip_prefix("CODE") {
        Some(relay) if relay.is_empty() || relay.starts_with('@') => format!("{CODE}{relay}"),
        _ if word == "SUBCOMMAND" => "send".to_owned(),
        _ => word.to_owned(),
    }
}

const CODE: &str = "48213-acid-crane-otter";

fn pages() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let docs = std::fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let pages = docs.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    let pages = pages.chain([root.join("README.md")]);
    pages.map(|path| (path.display().to_string(), std::fs::read_to_string(&path).unwrap())).collect()
}

/// The arguments of each `p2pc` in a line for a shell, as that would split them.
fn arguments(line: &str) -> Vec<Vec<String>> {
    let simple = split(line);
    let called = simple.into_iter().map(|words| {
        let words = words.into_iter().skip_while(|word| is_assignment(word) || word == "exec");
        words.collect::<Vec<_>>()
    });
    called
        .filter(|words| words.first().is_some_and(|word| word == "p2pc"))
        .map(|words| words[1..].to_vec())
        .collect()
}

/// The simple commands of a line and their words, without comments and redirections. As much of a shell as pages need.
fn split(line: &str) -> Vec<Vec<String>> {
    let mut commands = vec![Vec::new()];
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = line.chars();
    let end = |word: &mut Option<String>, commands: &mut Vec<Vec<String>>| {
        if let (Some(word), Some(command)) = (word.take(), commands.last_mut()) {
            command.push(word);
        }
    };
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(mark), _) if c == mark => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, '\\') => word.get_or_insert_default().extend(chars.next()),
            (None, '#') if word.is_none() => break,
            (None, ' ' | '\t') => end(&mut word, &mut commands),
            (None, '|' | '&' | ';' | '(' | ')' | '\n') => {
                end(&mut word, &mut commands);
                commands.push(Vec::new());
            }
            // Within quotes, or nothing special.
            _ => word.get_or_insert_default().push(c),
        }
    }
    end(&mut word, &mut commands);
    for command in &mut commands {
        command.retain(|word| !word.starts_with(['>', '<']) && !word.starts_with("2>"));
    }
    commands
}

fn is_assignment(word: &str) -> bool {
    let name = word.split('=').next().unwrap_or_default();
    word.contains('=') && name.chars().all(|c| c.is_ascii_uppercase() || c == '_' || c.is_ascii_digit())
}

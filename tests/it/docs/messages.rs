//! Troubleshooting goes by what people read: each message of the page is one of the source, and each error that the source
//! can end with is in the page, below its exit status.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use p2pc::Kind;

use super::{KINDS, below, read};

/// What stands in a message for names and numbers.
const ANY: char = '…';

#[test]
fn every_message_of_the_page_is_one_of_the_source() {
    let source: Vec<String> = sources().iter().flat_map(|path| literals(&shipped(path))).collect();
    for (status, messages) in told() {
        for message in messages {
            for piece in
                message.split(ANY).map(|piece| piece.trim_matches(|c: char| !c.is_alphanumeric() && c != '-'))
            {
                let known = piece.is_empty() || source.iter().any(|literal| literal.contains(piece));
                assert!(known, "{PAGE}, status {status}: nothing says {piece:?} ({message})");
            }
        }
    }
}

#[test]
fn every_error_is_in_the_page_below_its_status() {
    let told = told();
    let mut missing = Vec::new();
    for path in sources() {
        for (kind, message) in errors(&shipped(&path)) {
            // A defect has no remedy, and its own section says so.
            if kind == "Internal" || kind == "Interrupted" {
                continue;
            }
            let status = KINDS.iter().find(|known| format!("{known:?}") == kind).unwrap().exit_status();
            let is_there = told.get(&status).is_some_and(|rows| rows.iter().any(|row| fits(&message, row)));
            if !is_there {
                missing.push(format!(
                    "{status}: | `{message}` |   ({})",
                    path.strip_prefix(below("")).unwrap().display()
                ));
            }
        }
    }
    // What is said by tables of their own, and may end with one of several statuses.
    for table in TABLES {
        for message in arms(&shipped(&below(table))) {
            if !told.values().flatten().any(|row| fits(&message, row)) {
                missing.push(format!("?: | `{message}` |   ({table})"));
            }
        }
    }
    missing.sort();
    missing.dedup();
    assert!(missing.is_empty(), "{PAGE} lacks these rows, below their exit status:\n{}", missing.join("\n"));
}

#[test]
fn every_status_of_an_error_has_a_section() {
    let told = told();
    for kind in KINDS.iter().filter(|kind| !matches!(kind, Kind::Internal | Kind::Interrupted)) {
        assert!(told.contains_key(&kind.exit_status()), "{kind:?}");
    }
}

const PAGE: &str = "docs/troubleshooting.md";

/// Where messages are the arms of a `match`.
const TABLES: [&str; 3] =
    ["src/proto/handshake/fault.rs", "src/proto/conversation.rs", "src/proto/code/parse.rs"];

/// The messages of the page, by the exit status of their section.
fn told() -> BTreeMap<u8, Vec<String>> {
    let mut told = BTreeMap::<u8, Vec<String>>::new();
    let mut status = None;
    for line in read(&below(PAGE)).lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            status = heading.split(':').next().and_then(|number| number.parse().ok());
        }
        let (Some(status), Some(row)) = (status, line.strip_prefix("| `")) else { continue };
        let fence = if row.starts_with('`') { "`` |" } else { "` |" };
        let (message, _) = row.split_once(fence).unwrap();
        told.entry(status).or_default().push(message.trim_start_matches('`').to_owned());
    }
    told
}

/// Whether a row of the page is about a message of the source. Where that has a gap the row may have words, and a row that ends in a
/// gap leaves out how the message ends.
fn fits(message: &str, row: &str) -> bool {
    if row.strip_suffix(ANY).is_some_and(|begin| message.starts_with(begin)) {
        return true;
    }
    let mut pieces = message.split(ANY);
    let Some(mut rest) = pieces.next().and_then(|first| row.strip_prefix(first)) else { return false };
    for piece in pieces {
        let Some(at) = rest.find(piece) else { return false };
        rest = &rest[at + piece.len()..];
    }
    rest.is_empty() || message.ends_with(ANY)
}

/// Every file that ships.
fn sources() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut directories = vec![below("src")];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            if name == "tests" || name.ends_with("_tests") || name == "sim" || name == "defects" {
                continue;
            }
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found
}

/// A file without its tests, and with strings over several lines in one.
fn shipped(path: &Path) -> String {
    let text = read(path);
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let mut joined = String::new();
    let mut lines = text.split("\\\n");
    joined.push_str(lines.next().unwrap());
    for line in lines {
        joined.push_str(line.trim_start());
    }
    joined
}

/// `Error::new(Kind::…, "…")`, with and without `format!`: the kind and the message, with `…` for what is put in.
fn errors(source: &str) -> Vec<(String, String)> {
    let calls = source.match_indices("Error::new(").filter_map(|(at, call)| {
        let arguments = source[at + call.len()..].trim_start().trim_start_matches("crate::");
        let kind = ["Kind::", "error::Kind::", "ErrorKind::"]
            .iter()
            .find_map(|path| arguments.strip_prefix(path))?;
        let (kind, rest) = kind.split_once(',')?;
        let message = rest.trim_start();
        let message = message.strip_prefix("format!(").unwrap_or(message).trim_start();
        Some((kind.to_owned(), first_literal(message)?))
    });
    let disk = source.match_indices(".into_error(format!(").filter_map(|(at, call)| {
        Some(("Disk".to_owned(), first_literal(source[at + call.len()..].trim_start())?))
    });
    calls.chain(disk).collect()
}

/// The messages that a `match` gives, each a clause: hints are sentences, with a capital letter.
fn arms(source: &str) -> Vec<String> {
    let begins = ["=> \"", "write_str(\"", "write!(f, \""];
    let found =
        begins.iter().flat_map(|begin| source.match_indices(begin).map(|(at, begin)| at + begin.len() - 1));
    let messages = found.filter_map(|at| first_literal(&source[at..]));
    messages
        .filter(|message| message.contains(' ') && message.starts_with(|c: char| c.is_lowercase()))
        .collect()
}

/// A string that begins here, with `…` for what is put in.
fn first_literal(text: &str) -> Option<String> {
    let text = text.strip_prefix('"')?;
    let mut message = String::new();
    let mut chars = text.chars();
    loop {
        match chars.next()? {
            '"' => return Some(message),
            '\\' => message.extend(chars.next()),
            '{' => {
                message.push(ANY);
                chars.by_ref().find(|c| *c == '}')?;
            }
            c => message.push(c),
        }
    }
}

/// Every string in a source.
fn literals(source: &str) -> Vec<String> {
    source.match_indices('"').filter_map(|(at, _)| first_literal(&source[at..])).collect()
}

#[test]
fn messages_with_gaps_are_recognized() {
    assert!(fits("cannot read …", "cannot read …"));
    assert!(fits("the relay … … (…)", "the relay … wants a token (…)"));
    assert!(fits("the proxy … does not allow …:… (…)", "the proxy … does not allow …"));
    assert!(!fits("cannot read …", "cannot write …"));
    assert!(!fits("nothing to send: no PATH is given", "nothing to send"));
    assert!(!fits("the room is taken (…)", "the room is free"));
}

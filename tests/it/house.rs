//! Holds the house to its plan: who may import whom, what the pure parts may know, and what must not be left
//! lying about.
//!
//! The tests read the source as text. That is crude, and enough: a path to another module has to be written
//! down somewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// What each top-level module may import, itself aside: `main → cli → api → slices → {proto, net, disk,
/// term}`. What is not listed does not exist: a new top-level module is a decision, and takes its place here.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("main", &["cli"]),
    ("cli", &["api", "send", "receive", "relay", "proto", "net", "disk", "term", "error", "events"]),
    ("api", &["send", "receive", "relay", "proto", "net", "disk", "error", "events"]),
    ("send", &["proto", "net", "disk", "term", "error", "events", "defects"]),
    ("receive", &["proto", "net", "disk", "term", "error", "events", "defects"]),
    ("relay", &["proto", "net", "disk", "term", "error", "events", "defects"]),
    ("net", &["proto", "error", "events"]),
    ("disk", &["proto", "error"]),
    ("term", &["proto", "error"]),
    ("events", &["proto", "net", "error"]),
    ("proto", &["error", "defects"]),
    ("error", &[]),
    // In what ships it is a function that says no.
    ("defects", &[]),
    // The simulator stands beside everything that ships, and nothing that ships knows it.
    ("sim", &["send", "receive", "relay", "proto", "disk", "error", "events"]),
];

/// The parts that know no socket, no file, no clock and no randomness, so that they run in a simulator as
/// they ship.
const PURE: &[&str] = &[
    "proto/",
    "send/machine",
    "send/packing/",
    "receive/machine",
    "relay/switchboard",
    "relay/forward/",
    "relay/gate",
    "relay/http",
    "relay/quota",
    "relay/reasons",
    "relay/refusal",
    "relay/metrics/text",
];

/// What brings in one of those.
const IMPURE: &[&str] = &[
    "std::net",
    "std::fs",
    "std::env",
    "std::process",
    "std::thread",
    "Instant",
    "SystemTime",
    "smol",
    "async_io",
    "futures_lite::io",
    "getrandom",
    "OsRng",
    "thread_rng",
    "rustix",
    "cap_std",
    "socket2",
];

/// What says that something is not finished.
const UNFINISHED: &[&str] = &["TODO", "FIXME", "XXX", "todo!", "unimplemented!", "dbg!"];

#[test]
fn imports_go_one_way() {
    let allowed: BTreeMap<&str, &[&str]> = MAY_IMPORT.iter().copied().collect();
    let mut wrong = Vec::new();
    for file in sources() {
        // The root declares and re-exports everything; it has no code.
        if file.module == ["lib"] {
            continue;
        }
        let top = file.module[0].as_str();
        let Some(allowed) = allowed.get(top) else {
            wrong.push(format!("{}: the module {top} has no place in the house", file.name));
            continue;
        };
        for import in imports(&file, &root_names()) {
            if import != top && !allowed.contains(&import.as_str()) {
                wrong.push(format!("{}: {top} must not import {import}", file.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_pure_parts_know_no_world() {
    let pure = |file: &Source| PURE.iter().any(|part| file.name.starts_with(part));
    let mut wrong = Vec::new();
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    for file in sources().into_iter().filter(pure) {
        seen.extend(PURE.iter().filter(|part| file.name.starts_with(**part)));
        for word in IMPURE.iter().filter(|word| has_word(&file.code, word)) {
            wrong.push(format!("{}: {word}", file.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(seen.len(), PURE.len(), "a pure part has moved: found only {seen:?}");
}

#[test]
fn machines_import_nothing_but_what_is_pure() {
    let machine = |file: &Source| file.name.contains("/machine") || file.name.contains("/switchboard");
    let mut seen = BTreeSet::new();
    for file in sources().into_iter().filter(machine) {
        let slice = file.module[0].clone();
        seen.insert(slice.clone());
        let allowed = ["proto", "error", "events", "defects", slice.as_str()];
        for import in imports(&file, &root_names()) {
            assert!(allowed.contains(&import.as_str()), "{}: {import}", file.name);
        }
    }
    assert!(seen.iter().eq(["receive", "relay", "send"]), "a machine has moved: found only {seen:?}");
}

#[test]
fn no_unsafe_code_can_come_in() {
    let root = fs::read_to_string(below("src/lib.rs")).unwrap();
    assert!(root.contains("#![forbid(unsafe_code)]"));
    let manifest = fs::read_to_string(below("Cargo.toml")).unwrap();
    assert!(manifest.contains("unsafe_code = \"forbid\""));
}

#[test]
fn nothing_unfinished_is_left() {
    for file in sources() {
        for word in UNFINISHED {
            assert!(!has_word(&file.text, word), "{}: {word}", file.name);
        }
    }
}

#[test]
fn imports_are_found_however_they_are_written() {
    let found = |module: &str, code: &str| -> Vec<String> {
        let module = module.split('/').map(str::to_owned).collect();
        let source = Source { name: String::new(), module, text: String::new(), code: shipped(code) };
        let root = BTreeMap::from([("Error".to_owned(), "error".to_owned())]);
        imports(&source, &root).into_iter().collect()
    };
    assert_eq!(found("send/driver", "use crate::net::lane::Lane;"), ["net"]);
    assert_eq!(
        found("send/driver", "use crate::{Error, net::{self, x::Y}, proto};"),
        ["error", "net", "proto"]
    );
    assert_eq!(found("send/driver", "fn f() -> crate::disk::Dir {}"), ["disk"]);
    assert_eq!(found("send/driver", "use super::super::receive::machine;"), ["receive"]);
    assert_eq!(found("send", "use super::receive;"), ["receive"]);
    assert_eq!(found("main", "p2pc::cli::main()"), ["cli"]);
    assert_eq!(found("send/driver", "// crate::receive\nuse super::source; pub(crate) fn f() {}"), [""; 0]);
    assert_eq!(found("send", "#[cfg(test)]\nmod tests {\n use crate::relay::Relay;\n}"), [""; 0]);
    assert_eq!(found("send", "#[cfg(test)]\nmod pipe;\nuse crate::relay::Relay;"), ["relay"]);
}

/// One file of the source.
struct Source {
    /// Below `src`, with slashes.
    name: String,
    /// Its module path from the crate's root: `["send", "machine"]`.
    module: Vec<String>,
    /// All of it.
    text: String,
    /// What ships: without comments and tests.
    code: String,
}

/// Every file in `src` that is not all test.
fn sources() -> Vec<Source> {
    let src = below("src");
    let mut files = Vec::new();
    collect(&src, &mut files);
    let source = |path: PathBuf| {
        let name = path.strip_prefix(&src).unwrap().to_str().unwrap().replace('\\', "/");
        let mut module: Vec<String> = name.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
        if module.last().is_some_and(|last| last == "mod") {
            module.pop();
        }
        let text = fs::read_to_string(path).unwrap();
        let code = shipped(&text);
        Source { name, module, text, code }
    };
    let is_test = |source: &Source| source.module.last().is_some_and(|last| last.ends_with("tests"));
    let sources: Vec<_> = files.into_iter().map(source).filter(|source| !is_test(source)).collect();
    assert!(sources.len() > 30, "the source is not where it was");
    sources
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// The text without comments, and without the module of tests that ends a file.
fn shipped(text: &str) -> String {
    let mut code = String::new();
    let mut lines = text.lines().map(|line| line.split("//").next().unwrap_or_default());
    while let Some(line) = lines.next() {
        if line.trim() == "#[cfg(test)]" {
            let item = lines.by_ref().find(|line| !line.trim_start().starts_with("#[")).unwrap_or_default();
            if item.trim_end().ends_with('{') && item.contains("mod ") {
                break;
            }
            continue;
        }
        code.push_str(line);
        code.push('\n');
    }
    code
}

/// The types that the crate's root re-exports, each with the module it lives in. Functions and modules share
/// their names there (`send`), and are told apart by what follows; in this house nobody imports the
/// functions.
fn root_names() -> BTreeMap<String, String> {
    let root = shipped(&fs::read_to_string(below("src/lib.rs")).unwrap());
    let exports = root.lines().filter_map(|line| line.strip_prefix("pub use ")?.strip_suffix(';'));
    let names = exports.flat_map(|path| {
        let home = path.split("::").next().unwrap_or_default();
        let names = path.rsplit("::").next().unwrap_or_default().trim_matches(['{', '}']);
        names.split(", ").map(move |name| (name.to_owned(), home.to_owned())).collect::<Vec<_>>()
    });
    names.filter(|(name, _)| name.starts_with(char::is_uppercase)).collect()
}

/// The top-level modules that a file names, by whatever path.
fn imports(file: &Source, root_names: &BTreeMap<String, String>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let root = if file.module == ["main"] { "p2pc::" } else { "crate::" };
    for (at, _) in file.code.match_indices(root) {
        let before = file.code[..at].chars().next_back();
        if !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
            found.extend(first_names(&file.code[at + root.len()..], root_names));
        }
    }
    // As many times `super` as the module is deep leads to the root as well.
    let climb = "super::".repeat(file.module.len());
    for (at, _) in file.code.match_indices(&climb) {
        let names = first_names(&file.code[at + climb.len()..], root_names).into_iter();
        found.extend(names.filter(|name| MAY_IMPORT.iter().any(|(top, _)| top == name)));
    }
    found
}

/// The first name of a path, or of each path in a group. Names that the root re-exports count for the module
/// they live in.
fn first_names(rest: &str, root_names: &BTreeMap<String, String>) -> Vec<String> {
    let name_of = |text: &str| -> Option<String> {
        let text = text.trim_start();
        let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
        let name = &text[..end];
        let home = root_names.get(name).map_or(name, String::as_str);
        (!home.is_empty()).then(|| home.to_owned())
    };
    let Some(group) = rest.strip_prefix('{') else {
        return name_of(rest).into_iter().collect();
    };
    let mut depth = 0;
    let mut names: Vec<_> = name_of(group).into_iter().collect();
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => names.extend(name_of(&group[at + 1..])),
            _ => {}
        }
    }
    names
}

/// Whether `word` stands in `text` with no letter, digit or `_` on either side.
fn has_word(text: &str, word: &str) -> bool {
    let part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    text.match_indices(word)
        .any(|(at, _)| !part(text[..at].chars().next_back()) && !part(text[at + word.len()..].chars().next()))
}

fn below(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

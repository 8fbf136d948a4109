//! What is drawn from the help texts: man pages, completions and the reference stand in the repository as the program would draw them now, and
//! say the same as `--help`.
//!
//! `make generated` draws them anew.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use p2pc::cli::generated;

/// The subcommands; nothing stands for the program itself.
const TOPICS: [&str; 7] = ["", "send", "receive", "relay", "doctor", "config", "completions"];

#[test]
fn what_is_drawn_from_the_help_is_up_to_date() {
    let mut differences = Vec::new();
    for (path, text) in generated() {
        let file = below(&path);
        if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, &text).unwrap();
        }
        if fs::read_to_string(&file).unwrap_or_default() != text {
            differences.push(path);
        }
    }
    assert!(differences.is_empty(), "`make generated` draws these anew: {differences:?}");
}

#[test]
fn nothing_is_left_of_what_is_no_longer_drawn() {
    let drawn: Vec<PathBuf> = generated().iter().map(|(path, _)| below(path)).collect();
    for directory in ["dist/man", "dist/completions/bash", "dist/completions/zsh", "dist/completions/fish"] {
        for entry in fs::read_dir(below(directory)).unwrap() {
            let path = entry.unwrap().path();
            assert!(drawn.contains(&path), "{} is drawn from nothing", path.display());
        }
    }
}

/// Not how they were drawn but what they say is compared here: every option with every word about it, read back from each of the three.
#[test]
fn help_man_pages_and_reference_say_the_same() {
    let reference = fs::read_to_string(below("docs/commands.md")).unwrap();
    let mut options = 0;
    let mut differences = Vec::new();
    for topic in TOPICS {
        let help = options_of_help(&run(&[topic, "--help"]));
        let page = if topic.is_empty() { "p2pc".to_owned() } else { format!("p2pc-{topic}") };
        let man = options_of_man(&fs::read_to_string(below(&format!("dist/man/{page}.1"))).unwrap());
        let docs = options_of_reference(&reference, &page.replace('-', " "));
        assert!(help.len() >= 2, "{topic}: {help:?}");
        options += help.len();
        for (other, told) in [("man page", man), ("reference", docs)] {
            // In order, and each once.
            let names: BTreeSet<&String> = help.keys().chain(told.keys()).collect();
            for name in names.into_iter().filter(|name| help.get(*name) != told.get(*name)) {
                let (here, there) = (help.get(name), told.get(name));
                differences.push(format!("{page} {name}: {here:?} in the help, {there:?} in the {other}"));
            }
        }
    }
    println!(
        "{} differences between --help, man pages and docs/commands.md, in {options} options",
        differences.len()
    );
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn the_program_prints_the_completions_that_are_packed() {
    for (shell, file) in [("bash", "bash/p2pc"), ("zsh", "zsh/_p2pc"), ("fish", "fish/p2pc.fish")] {
        let packed = fs::read_to_string(below(&format!("dist/completions/{file}"))).unwrap();
        assert_eq!(run(&["completions", shell]), packed);
    }
}

/// What is said of each option, by its head, in single blanks.
type Options = BTreeMap<String, String>;

fn options_of_help(text: &str) -> Options {
    let mut found = Options::new();
    let mut head = None;
    for line in text.lines() {
        let words = line.trim_start();
        let indent = line.len() - words.len();
        if (1..=6).contains(&indent) && words.starts_with('-') {
            let (name, about) = words.split_once("  ").unwrap_or((words, ""));
            head = Some(name.to_owned());
            found.insert(name.to_owned(), plain(about));
        } else if let Some(about) = head.as_ref().filter(|_| indent > 6).and_then(|head| found.get_mut(head))
        {
            *about = plain(&format!("{about} {words}"));
        } else {
            head = None;
        }
    }
    found
}

fn options_of_man(text: &str) -> Options {
    let text =
        ["\\fB", "\\fI", "\\fR", "\\&"].iter().fold(text.to_owned(), |text, mark| text.replace(mark, ""));
    let text = text.replace("\\-", "-").replace("\\e", "\\");
    let items = text.split("\n.TP\n").skip(1).filter_map(|item| {
        let (head, about) = item.split_once('\n')?;
        Some((head.to_owned(), plain(about.split("\n.").next()?)))
    });
    items.filter(|(head, _)| head.starts_with('-')).collect()
}

fn options_of_reference(text: &str, command: &str) -> Options {
    let (_, part) = text.split_once(&format!("\n## {command}\n")).unwrap();
    let part = part.split("\n## ").next().unwrap();
    let rows =
        part.lines().filter_map(|line| line.strip_prefix("| `-")?.strip_suffix(" |")?.split_once(" | "));
    rows.map(|(head, about)| {
        let unescaped = about.replace("\\|", "|").replace('\\', "");
        (format!("-{}", head.replace('`', "")), plain(&unescaped))
    })
    .collect()
}

/// Words alone: what sets some of them off is of each form its own.
fn plain(text: &str) -> String {
    text.replace('`', "").split_whitespace().collect::<Vec<_>>().join(" ")
}

fn run(words: &[&str]) -> String {
    let words = words.iter().filter(|word| !word.is_empty());
    let output = Command::new(env!("CARGO_BIN_EXE_p2pc")).args(words).output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

fn below(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

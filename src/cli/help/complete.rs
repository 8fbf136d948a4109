//! What makes a shell complete subcommands, options and their values, drawn from the help texts.
//!
//! Codes are never completed: they are secrets, and a shell keeps a history. Tokens are neither.

mod bash;
mod fish;
mod zsh;

use crate::cli::topic::Topic;

use super::page::{Flag, Page};

/// A shell that completes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shell {
    /// bash
    Bash,
    /// zsh
    Zsh,
    /// fish
    Fish,
}

impl Shell {
    /// Every shell.
    pub const ALL: [Shell; 3] = [Shell::Bash, Shell::Zsh, Shell::Fish];

    /// What it is called.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Shell::Bash => "bash",
            Shell::Zsh => "zsh",
            Shell::Fish => "fish",
        }
    }

    /// Where its completions of p2pc are looked for, below `dist/completions`.
    #[must_use]
    pub fn file(self) -> &'static str {
        match self {
            Shell::Bash => "bash/p2pc",
            Shell::Zsh => "zsh/_p2pc",
            Shell::Fish => "fish/p2pc.fish",
        }
    }

    /// The script.
    #[must_use]
    pub fn completions(self) -> String {
        match self {
            Shell::Bash => bash::script(),
            Shell::Zsh => zsh::script(),
            Shell::Fish => fish::script(),
        }
    }
}

/// What can stand somewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Value {
    /// Any file or directory.
    File,
    /// A directory.
    Directory,
    /// One of these.
    Words(&'static [&'static str]),
    /// What nobody can guess, or should not see.
    Free,
}

/// What can stand behind an option.
fn value(flag: &Flag) -> Value {
    let words = WORDS.iter().find(|(long, _)| *long == flag.long);
    match (words, flag.value.as_deref()) {
        (Some((_, words)), _) => Value::Words(words),
        (None, Some("PEM" | "FILE")) => Value::File,
        (None, Some("DIR")) => Value::Directory,
        _ => Value::Free,
    }
}

/// What can stand where there is no option.
fn argument(topic: Topic) -> Value {
    match topic {
        Topic::Send => Value::File,
        Topic::Config => Value::Words(&["path"]),
        Topic::Completions => Value::Words(&["bash", "zsh", "fish"]),
        Topic::Program | Topic::Receive | Topic::Relay | Topic::Doctor => Value::Free,
    }
}

/// Every option of a subcommand, with what a line has room for of what it means.
fn flags(topic: Topic) -> Vec<(Flag, String)> {
    Page::parse(topic.help()).flags().map(|(flag, text)| (flag, brief(text))).collect()
}

/// The first clause.
fn brief(text: &str) -> String {
    let ends = ["; ", ": ", " (", ". ", ", such"];
    let end = ends.iter().filter_map(|end| text.find(end)).min().unwrap_or(text.len());
    text[..end].trim_end_matches([',', '.']).replace('`', "")
}

/// The subcommands with what each does, and `help`.
fn subcommands() -> Vec<(&'static str, &'static str)> {
    let each = Topic::subcommands().map(|topic| (topic.name(), topic.about()));
    each.chain([("help", "how things are done, by task")]).collect()
}

/// Values of options that are one of a few words. Where a number could stand as well, the words are those that are not one.
const WORDS: &[(&str, &[&str])] = &[
    ("--compress", &["auto", "on", "off"]),
    ("--lanes", &["auto", "1", "2", "4", "8", "16"]),
    ("--chunk-size", &["512KiB", "1MiB", "2MiB", "4MiB"]),
    ("--on-conflict", &["ask", "skip", "overwrite", "rename"]),
    ("--log", &["text", "json"]),
    ("--log-addresses", &["off", "short", "full"]),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::values;

    #[test]
    fn the_words_that_are_offered_are_taken() {
        for (long, words) in WORDS {
            for word in *words {
                let taken = match *long {
                    "--compress" => values::compress(word).is_ok(),
                    "--lanes" => values::lanes(word).is_ok(),
                    "--chunk-size" => values::chunk_size(word).is_ok(),
                    "--on-conflict" => values::on_conflict(word).is_ok(),
                    "--log" => values::log_form(word).is_ok(),
                    "--log-addresses" => values::log_addresses(word).is_ok(),
                    other => panic!("{other} is not checked"),
                };
                assert!(taken, "{long} {word}");
            }
            let known =
                Topic::subcommands().any(|topic| flags(topic).iter().any(|(flag, _)| flag.long == *long));
            assert!(known, "{long} does not exist");
        }
    }

    #[test]
    fn the_first_clause_is_shown() {
        assert_eq!(brief("meet at this relay: HOST[:PORT], or"), "meet at this relay");
        assert_eq!(brief("text or json (default text)"), "text or json");
        assert_eq!(brief("use `x`"), "use x");
    }

    #[test]
    fn nothing_completes_a_secret() {
        for topic in Topic::subcommands() {
            for (flag, _) in flags(topic) {
                if matches!(flag.value.as_deref(), Some("CODE" | "TOKEN")) {
                    assert_eq!(value(&flag), Value::Free, "{}", flag.long);
                }
            }
        }
        assert_eq!(argument(Topic::Receive), Value::Free);
    }
}

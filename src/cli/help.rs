//! The help texts, and what is made of them.
//!
//! They are written by hand, because a text for people has an order and examples that no list of options has. They are also the one place where an
//! option is explained: `--help` prints them, and the man pages, the completions of shells and the reference in `docs/` are drawn from
//! them. Tests hold that they name exactly the options that there are, and that what was drawn is up to date.

mod complete;
mod guide;
mod markdown;
mod narrow;
mod page;
mod roff;

use std::io::IsTerminal as _;

use argh::{ArgsInfo, FromArgs};

use crate::term::word::Word;
use crate::{Error, Kind, Result};

use super::suggest::nearest;
use super::topic::Topic;

pub use complete::Shell;
pub use narrow::indented as hanging;

/// print what makes a shell complete p2pc's options
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "completions")]
pub struct CompletionsArgs {
    /// bash, zsh or fish
    #[argh(positional, arg_name = "SHELL")]
    pub shell: Vec<Word>,
}

/// What `--help` prints about `topic`, without a line end.
#[must_use]
pub fn options(topic: Topic) -> String {
    match columns().filter(|columns| *columns < COLUMNS) {
        None => topic.help().to_owned(),
        Some(columns) => narrow::page(topic.help(), columns),
    }
}

/// What `p2pc help` prints about `topic`, without a line end: how things are done, or at least the options.
#[must_use]
pub fn guide(topic: Topic) -> String {
    let Some(guide) = topic.guide() else { return options(topic) };
    match columns().filter(|columns| *columns < COLUMNS) {
        None => guide.to_owned(),
        Some(columns) => narrow::guide(guide, columns),
    }
}

/// What makes the shell that was asked for complete, without a line end.
///
/// # Errors
///
/// [`Kind::Usage`]: none, more than one, or one that we know nothing of.
pub fn completions(args: &CompletionsArgs) -> Result<String> {
    let names = Shell::ALL.map(Shell::name);
    let hint =
        "The shells are bash, zsh and fish; `p2pc completions --help` says where their completions go.";
    let [word] = args.shell.as_slice() else {
        let what = if args.shell.is_empty() { "no shell is named" } else { "more than one shell is named" };
        return Err(Error::new(Kind::Usage, what).hint(hint));
    };
    let asked = word.os().to_string_lossy();
    if let Some(shell) = Shell::ALL.into_iter().find(|shell| shell.name() == asked) {
        return Ok(shell.completions().trim_end().to_owned());
    }
    let error = Error::new(Kind::Usage, format!("there are no completions for {asked}"));
    Err(match nearest(&asked, names) {
        Some(name) => error.hint(format!("Did you mean {name}? {hint}")),
        None => error.hint(hint),
    })
}

/// Everything that is drawn from the help texts, each with its place in the repository: man pages, completions and the reference. Only what keeps them up to date
/// calls it.
#[must_use]
pub fn generated() -> Vec<(String, String)> {
    let man = Topic::ALL.map(|topic| (format!("dist/man/{}.1", roff::name(topic)), roff::page(topic)));
    let shells = Shell::ALL.map(|shell| (format!("dist/completions/{}", shell.file()), shell.completions()));
    let reference = ("docs/commands.md".to_owned(), markdown::reference());
    man.into_iter().chain(shells).chain([reference]).collect()
}

/// How wide the terminal is that standard output goes to, if it goes to one that says so.
#[must_use]
pub fn columns() -> Option<usize> {
    let out = std::io::stdout();
    if out.is_terminal() { columns_of(&out) } else { None }
}

#[cfg(unix)]
fn columns_of(out: &std::io::Stdout) -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(out).ok()?;
    Some(size.ws_col.into()).filter(|columns| *columns > 0)
}

#[cfg(not(unix))]
fn columns_of(_: &std::io::Stdout) -> Option<usize> {
    None
}

/// What the texts are written for.
const COLUMNS: usize = 80;

#[cfg(test)]
mod tests {
    use argh::{FlagInfoKind, Optionality};

    use super::page::{Flag, Page};
    use super::*;
    use crate::term::clean;

    #[test]
    fn the_texts_explain_exactly_the_options_that_there_are() {
        for topic in Topic::subcommands() {
            let info = topic.info().unwrap();
            let mut real: Vec<Flag> = info
                .flags
                .iter()
                .filter(|flag| flag.long != "--help")
                .map(|flag| {
                    assert_ne!(
                        flag.optionality,
                        Optionality::Required,
                        "{} has a default or a prompt",
                        flag.long
                    );
                    let value = match flag.kind {
                        FlagInfoKind::Switch => None,
                        FlagInfoKind::Option { arg_name } => Some(arg_name.to_owned()),
                    };
                    Flag { short: flag.short, long: flag.long.to_owned(), value }
                })
                .collect();
            for (short, long) in [('h', "--help"), ('V', "--version")] {
                real.push(Flag { short: Some(short), long: long.to_owned(), value: None });
            }
            let mut told: Vec<Flag> = Page::parse(topic.help()).flags().map(|(flag, _)| flag).collect();
            for flags in [&mut real, &mut told] {
                flags.sort_by(|a, b| a.long.cmp(&b.long));
            }
            assert_eq!(told, real, "{}", topic.command());
        }
    }

    #[test]
    fn texts_fit_a_terminal() {
        for topic in Topic::ALL {
            for line in topic.help().lines().chain(topic.guide().unwrap_or_default().lines()) {
                assert!(line.chars().count() < COLUMNS, "{line}");
                assert_eq!(line, line.trim_end());
            }
        }
    }

    #[test]
    fn in_a_narrow_terminal_nothing_is_lost_and_only_commands_are_long() {
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        for topic in Topic::ALL {
            let narrow = narrow::page(topic.help(), 40);
            assert_eq!(words(&narrow), words(topic.help()));
            let guide = narrow::guide(topic.guide().unwrap_or_default(), 40);
            assert_eq!(words(&guide), words(topic.guide().unwrap_or_default()));
            for line in narrow.lines().chain(guide.lines()) {
                let is_one_word = line.split_whitespace().count() == 1;
                assert!(clean::columns_of(line) <= 40 || line.starts_with("  ") || is_one_word, "{line}");
            }
        }
    }

    #[test]
    fn every_subcommand_is_in_the_help_of_the_program() {
        for topic in Topic::subcommands() {
            assert!(Topic::Program.help().contains(topic.command()), "{}", topic.command());
        }
    }
}

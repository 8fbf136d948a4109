//! From the words of the command line to one typed command, with argh behind.
//!
//! argh alone refuses `--opt=value`, `-oVALUE`, `-h` and paths that are not UTF-8, has no suggestions, and says the
//! rest tersely. So the words are split here first, by the options that argh itself declares, and argh gets them in
//! the one form that it cannot misread. Nothing here looks at what a value means.

use std::ffi::{OsStr, OsString};

use argh::{ArgsInfo, CommandInfoWithArgs, FlagInfo, FlagInfoKind, FromArgs, Optionality};

use crate::receive::args::ReceiveArgs;
use crate::relay::args::RelayArgs;
use crate::send::args::SendArgs;
use crate::term::clean::clean;
use crate::term::word::{Word, from_units, units};
use crate::{Error, Kind, Result};

use super::config::ConfigArgs;
use super::doctor::DoctorArgs;
use super::help::CompletionsArgs;
use super::line::Line;
use super::suggest::nearest;
use super::topic::Topic;
use super::values::{self, joined};

/// What was typed.
#[derive(Debug)]
pub enum Typed {
    /// `--help`: the options of one subcommand, or the whole.
    Help(Topic),
    /// `p2pc help …`: how things are done.
    Guide(Topic),
    /// The version.
    Version,
    /// `p2pc send …`
    Send(SendArgs, Line),
    /// `p2pc receive …`
    Receive(ReceiveArgs, Line),
    /// `p2pc relay …`
    Relay(Box<RelayArgs>),
    /// `p2pc doctor …`
    Doctor(DoctorArgs),
    /// `p2pc config …`
    Config(ConfigArgs),
    /// `p2pc completions …`
    Completions(CompletionsArgs),
}

/// Reads the words after the program's name.
///
/// # Errors
///
/// [`Kind::Usage`], always with a hint.
pub fn read(words: &[OsString]) -> Result<Typed> {
    let Some((first, rest)) = words.split_first() else {
        return Err(Error::new(Kind::Usage, "no subcommand given").hint(subcommands_hint()));
    };
    match first.to_str() {
        Some("-h" | "--help") => return Ok(Typed::Help(Topic::Program)),
        Some("-V" | "--version") => return Ok(Typed::Version),
        Some("help") => return help_about(rest),
        _ => {}
    }
    let topic = Topic::named(first).ok_or_else(|| unknown_subcommand(first))?;
    match topic {
        Topic::Send => command(topic, rest, Typed::Send),
        Topic::Receive => command(topic, rest, Typed::Receive),
        Topic::Relay => command(topic, rest, |args, _| Typed::Relay(Box::new(args))),
        Topic::Doctor => command(topic, rest, |args, _| Typed::Doctor(args)),
        Topic::Config => command(topic, rest, |args, _| Typed::Config(args)),
        Topic::Completions => command(topic, rest, |args, _| Typed::Completions(args)),
        Topic::Program => Ok(Typed::Help(topic)),
    }
}

/// Whether whoever typed this wants to hear of it as JSON: asked where it could not be read as a whole.
#[must_use]
pub fn asks_for_json(words: &[OsString]) -> bool {
    let of_transfer = words.first().is_some_and(|word| word == "send" || word == "receive");
    of_transfer && words.iter().take_while(|word| *word != "--").any(|word| word == "--json")
}

fn help_about(rest: &[OsString]) -> Result<Typed> {
    match rest.first() {
        None => Ok(Typed::Help(Topic::Program)),
        Some(name) if name == "-h" || name == "--help" => Ok(Typed::Help(Topic::Program)),
        Some(name) => {
            let topic = Topic::named(name).ok_or_else(|| unknown_subcommand(name))?;
            match rest.get(1) {
                None => Ok(Typed::Guide(topic)),
                Some(more) => Err(Error::new(Kind::Usage, format!("unexpected argument {}", shown(more)))
                    .hint(help_hint(topic))),
            }
        }
    }
}

fn command<T: FromArgs + ArgsInfo>(
    topic: Topic,
    rest: &[OsString],
    typed: fn(T, Line) -> Typed,
) -> Result<Typed> {
    let before_separator = || rest.iter().take_while(|word| *word != "--");
    if before_separator().any(|word| word == "-h" || word == "--help") {
        return Ok(Typed::Help(topic));
    }
    if before_separator().any(|word| word == "-V" || word == "--version") {
        return Ok(Typed::Version);
    }
    let info = T::get_args_info();
    let line = Line::new(topic.command());
    let mut split = Split { topic, info: &info, options: Vec::new(), positionals: Vec::new(), line };
    split.all(rest)?;
    let coded: Vec<&str> = split.options.iter().chain(&split.positionals).map(String::as_str).collect();
    let names: Vec<&str> = topic.command().split(' ').collect();
    T::from_args(&names, &coded).map(|args| typed(args, split.line)).map_err(|exit| {
        let first = exit.output.lines().next().unwrap_or("cannot read the arguments").to_owned();
        Error::new(Kind::Usage, first).hint(help_hint(topic))
    })
}

/// The words of one subcommand, sorted into what argh takes.
struct Split<'a> {
    topic: Topic,
    info: &'a CommandInfoWithArgs,
    options: Vec<String>,
    positionals: Vec<String>,
    /// The same once more, for people.
    line: Line,
}

impl Split<'_> {
    fn all(&mut self, words: &[OsString]) -> Result<()> {
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let spelled = units(word);
            match spelled.as_slice() {
                [DASH, DASH] => {
                    for word in words.by_ref() {
                        self.positional(word)?;
                    }
                }
                [DASH, DASH, ..] => self.long(word, &spelled, &mut words)?,
                [DASH, _, ..] => self.short(word, &mut words)?,
                _ => self.positional(word)?,
            }
        }
        Ok(())
    }

    fn positional(&mut self, word: &OsStr) -> Result<()> {
        if self.info.positionals.is_empty() {
            let error = self.usage(format!("unexpected argument {}", shown(word)));
            return Err(match self.apart(word) {
                Some((option, whole)) => {
                    error.hint(format!("A number and its unit are one word: {option} {whole}"))
                }
                None => error,
            });
        }
        self.positionals.push(Word::encode(word));
        self.line.push_positional(word);
        Ok(())
    }

    /// The option before a word that may be the unit of its number, and both as one word.
    fn apart(&self, unit: &OsStr) -> Option<(&str, String)> {
        let [.., option, number] = self.options.as_slice() else { return None };
        let number: Word = number.parse().ok()?;
        let whole = joined(number.text()?, unit.to_str()?, |whole| {
            values::size(whole).is_ok() || values::rate(whole).is_ok() || values::time(whole).is_ok()
        })?;
        Some((option, whole))
    }

    /// `--name`, `--name value` or `--name=value`.
    fn long(
        &mut self,
        word: &OsStr,
        spelled: &[u16],
        rest: &mut std::slice::Iter<'_, OsString>,
    ) -> Result<()> {
        let (name, attached) = match spelled.iter().position(|unit| *unit == EQUALS) {
            Some(at) => (from_units(&spelled[..at]), Some(from_units(&spelled[at + 1..]))),
            None => (word.to_owned(), None),
        };
        let Some(flag) = self.info.flags.iter().find(|flag| name == flag.long) else {
            return Err(self.unknown(&name));
        };
        match (&flag.kind, attached) {
            (FlagInfoKind::Switch, None) => self.push(flag, None),
            (FlagInfoKind::Switch, Some(_)) => Err(self.usage(format!("{} takes no value", flag.long))),
            (FlagInfoKind::Option { .. }, Some(value)) => self.push(flag, Some(value.as_os_str())),
            (FlagInfoKind::Option { .. }, None) => {
                let value = self.next_value(flag, rest)?;
                self.push(flag, Some(value))
            }
        }
    }

    /// `-o VALUE`, `-oVALUE`, `-o=VALUE`, or switches in one word: `-qy`.
    fn short(&mut self, word: &OsStr, rest: &mut std::slice::Iter<'_, OsString>) -> Result<()> {
        let spelled = units(word);
        self.one_dash_too_few(word)?;
        for (at, &unit) in spelled.iter().enumerate().skip(1) {
            let letter = char::from_u32(unit.into()).unwrap_or(char::REPLACEMENT_CHARACTER);
            let Some(flag) = self.info.flags.iter().find(|flag| flag.short == Some(letter)) else {
                // What is attached to it may be a code.
                return Err(self.unknown(OsStr::new(&format!("-{letter}"))));
            };
            if matches!(flag.kind, FlagInfoKind::Switch) {
                self.push(flag, None)?;
                continue;
            }
            let attached = match &spelled[at + 1..] {
                [] => return self.next_value(flag, rest).and_then(|value| self.push(flag, Some(value))),
                [EQUALS, value @ ..] | value => from_units(value),
            };
            return self.push(flag, Some(&attached));
        }
        Ok(())
    }

    /// The word after an option. One that is itself an option is a forgotten value far more often than a value.
    fn next_value<'w>(
        &self,
        flag: &FlagInfo<'_>,
        rest: &mut std::slice::Iter<'w, OsString>,
    ) -> Result<&'w OsStr> {
        let is_option = |word: &&OsString| self.info.flags.iter().any(|flag| *word == flag.long);
        match rest.next() {
            Some(word) if !is_option(&word) => Ok(word),
            Some(word) => Err(self
                .usage(format!("{} needs a value, but {} follows", flag.long, shown(word)))
                .hint(format!("To mean it as the value, write {}={}", flag.long, shown(word)))),
            None => Err(self.usage(format!("{} needs a value", flag.long))),
        }
    }

    fn push(&mut self, flag: &FlagInfo<'_>, value: Option<&OsStr>) -> Result<()> {
        let repeatable = flag.optionality == Optionality::Repeating || value.is_none();
        if !repeatable && self.options.iter().any(|option| option == flag.long) {
            return Err(self.usage(format!("{} is given twice", flag.long)));
        }
        self.take_back(flag.long);
        self.options.push(flag.long.to_owned());
        self.options.extend(value.map(Word::encode));
        self.line.push_option(flag.long, value);
        Ok(())
    }

    /// Of `--verify` and `--no-verify` the later is meant, as with most programs.
    fn take_back(&mut self, long: &str) {
        let name = long.trim_start_matches('-');
        let opposite =
            name.strip_prefix("no-").map_or_else(|| format!("--no-{name}"), |name| format!("--{name}"));
        self.options.retain(|option| *option != opposite);
    }

    /// `-out dir` would be the directory `ut`.
    fn one_dash_too_few(&self, word: &OsStr) -> Result<()> {
        let Some(meant) = self.info.flags.iter().find(|flag| word == OsStr::new(&flag.long[1..])) else {
            return Ok(());
        };
        Err(self.usage(format!("unknown option {}", shown(word))).hint(format!(
            "Did you mean {}? {}",
            meant.long,
            help_hint(self.topic)
        )))
    }

    fn unknown(&self, name: &OsStr) -> Error {
        let error = self.usage(format!("unknown option {}", shown(name)));
        if let Some(other) = self.elsewhere(name) {
            return error.hint(format!(
                "It is an option of `{}`. {}",
                other.command(),
                help_hint(self.topic)
            ));
        }
        let known = self.info.flags.iter().map(|flag| flag.long).chain(["--help", "--version"]);
        match nearest(&name.to_string_lossy(), known) {
            Some(option) => error.hint(format!("Did you mean {option}? {}", help_hint(self.topic))),
            None if units(name).first() == Some(&DASH) && self.topic == Topic::Send => error
                .hint(format!("A path that begins with a dash goes after `--`. {}", help_hint(self.topic))),
            None => error,
        }
    }

    /// Which other subcommand has an option. Whoever sends or receives does not mean a relay's.
    fn elsewhere(&self, name: &OsStr) -> Option<Topic> {
        let name = name.to_str()?;
        let other = match self.topic {
            Topic::Send => Topic::Receive,
            Topic::Receive => Topic::Send,
            _ => return None,
        };
        let short = name.chars().nth(1);
        let is_it = |flag: &FlagInfo<'_>| flag.long == name || (flag.short.is_some() && flag.short == short);
        other.info()?.flags.iter().any(is_it).then_some(other)
    }

    fn usage(&self, what: String) -> Error {
        Error::new(Kind::Usage, what).hint(help_hint(self.topic))
    }
}

fn unknown_subcommand(word: &OsStr) -> Error {
    let error = |what: &str| Error::new(Kind::Usage, what);
    let text = word.to_string_lossy();
    if is_like_a_code(&text) {
        return error("no subcommand given, but a code").hint("`p2pc receive CODE` takes it.");
    }
    if text.starts_with('-') {
        return error(&format!("unknown option {}", shown(word)))
            .hint("Options go behind the subcommand: `p2pc send --wait 10m PATH`. `p2pc --help` explains.");
    }
    let error = error(&format!("unknown subcommand {}", shown(word)));
    match nearest(&text, Topic::subcommands().map(Topic::name).chain(["help"])) {
        Some(name) => error.hint(format!("Did you mean `p2pc {name}`? {}", subcommands_hint())),
        None => error.hint(subcommands_hint()),
    }
}

/// Whether it begins as a generated code does. It is a secret then, and not repeated.
pub(super) fn is_like_a_code(text: &str) -> bool {
    text.split_once('-')
        .is_some_and(|(room, _)| room.len() == 5 && room.bytes().all(|byte| byte.is_ascii_digit()))
}

/// All of them by name.
fn subcommands_hint() -> String {
    let names: Vec<&str> = Topic::subcommands().map(Topic::name).collect();
    let (last, others) = names.split_last().map_or(("", &[][..]), |(last, others)| (*last, others));
    format!("The subcommands are {} and {last}; `p2pc --help` explains them.", others.join(", "))
}

fn shown(word: &OsStr) -> String {
    clean(word.as_encoded_bytes())
}

fn help_hint(topic: Topic) -> String {
    format!("`{} --help` lists the options.", topic.command())
}

const DASH: u16 = b'-' as u16;
const EQUALS: u16 = b'=' as u16;

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(line: &[&str]) -> Result<Typed> {
        read(&line.iter().map(OsString::from).collect::<Vec<_>>())
    }

    fn send(line: &[&str]) -> SendArgs {
        match typed(&[&["send"], line].concat()).unwrap() {
            Typed::Send(args, _) => args,
            other => panic!("{other:?}"),
        }
    }

    fn receive(line: &[&str]) -> ReceiveArgs {
        match typed(&[&["receive"], line].concat()).unwrap() {
            Typed::Receive(args, _) => args,
            other => panic!("{other:?}"),
        }
    }

    fn text(word: Option<&Word>) -> &str {
        word.and_then(Word::text).unwrap()
    }

    fn error(line: &[&str]) -> (String, String) {
        let error = typed(line).unwrap_err();
        assert_eq!(error.kind(), Kind::Usage);
        (error.to_string(), error.hint_text().unwrap().to_owned())
    }

    #[test]
    fn values_attached_and_apart() {
        for line in [["-o", "dir"].as_slice(), &["-odir"], &["-o=dir"], &["--out", "dir"], &["--out=dir"]] {
            assert_eq!(text(receive(line).out.as_ref()), "dir");
        }
        assert_eq!(text(send(&["--code=a=b", "x"]).code.as_ref()), "a=b");
        assert_eq!(text(send(&["--code=", "x"]).code.as_ref()), "");
        assert_eq!(text(send(&["--code", "-x", "y"]).code.as_ref()), "-x");
    }

    #[test]
    fn switches_in_one_word() {
        let args = receive(&["-qyo", "d"]);
        assert!(args.quiet && args.yes && !args.verbose);
        assert_eq!(text(args.out.as_ref()), "d");
    }

    #[test]
    fn options_stand_anywhere_until_the_separator() {
        let args = send(&["a", "--verify", "-", "--", "--quiet", "-h"]);
        let paths: Vec<_> = args.paths.iter().map(|path| path.text().unwrap()).collect();
        assert_eq!(paths, ["a", "-", "--quiet", "-h"]);
        assert!(args.verify && !args.quiet);
    }

    #[test]
    fn listen_may_come_again_and_nothing_else() {
        let Typed::Relay(args) = typed(&["relay", "--listen", ":1", "--listen=:2"]).unwrap() else {
            panic!()
        };
        assert_eq!(args.listen.len(), 2);
        assert_eq!(error(&["send", "--wait", "1m", "--wait", "2m", "x"]).0, "--wait is given twice");
        assert!(send(&["-v", "-v", "x"]).verbose);
    }

    #[test]
    fn help_and_version_are_found_everywhere() {
        for line in [["send", "x", "-h"].as_slice(), &["send", "--help", "--bogus"]] {
            assert!(matches!(typed(line).unwrap(), Typed::Help(Topic::Send)));
        }
        assert!(matches!(typed(&["help", "send"]).unwrap(), Typed::Guide(Topic::Send)));
        assert!(matches!(typed(&["-h"]).unwrap(), Typed::Help(Topic::Program)));
        assert!(matches!(typed(&["help"]).unwrap(), Typed::Help(Topic::Program)));
        assert!(matches!(typed(&["relay", "-V"]).unwrap(), Typed::Version));
    }

    #[test]
    fn mistakes_name_the_word_and_say_what_to_do() {
        assert!(error(&["send", "--wat", "1m", "x"]).1.starts_with("Did you mean --wait?"));
        for line in [["send", "-o", "x"].as_slice(), &["send", "-ox"], &["send", "--out=x"], &["send", "-y"]]
        {
            assert!(error(line).1.starts_with("It is an option of `p2pc receive`."), "{line:?}");
        }
        assert!(error(&["receive", "--chunk-size", "1MiB"]).1.starts_with("It is an option of `p2pc send`."));
        assert_eq!(error(&["send", "--wait"]).0, "--wait needs a value");
        assert_eq!(
            error(&["send", "--wait", "--verify", "x"]).0,
            "--wait needs a value, but --verify follows"
        );
        assert_eq!(error(&["send", "--verify=yes", "x"]).0, "--verify takes no value");
        assert_eq!(error(&["send", "-zx"]).0, "unknown option -z");
        let (what, hint) = error(&["relay", "--session-bytes", "10", "GB"]);
        assert_eq!(what, "unexpected argument GB");
        assert_eq!(hint, "A number and its unit are one word: --session-bytes 10GB");
        assert_eq!(error(&["relay", "x\x1b[2J"]).0, "unexpected argument x\\x1b[2J");
        assert!(error(&["recieve"]).1.starts_with("Did you mean `p2pc receive`?"));
        assert_eq!(error(&[]).0, "no subcommand given");
    }

    #[test]
    fn the_nearest_one_is_suggested_in_every_form() {
        for (line, meant) in [
            (["recieve"].as_slice(), "`p2pc receive`"),
            (&["Send", "x"], "`p2pc send`"),
            (&["help", "snd"], "`p2pc send`"),
            (&["help", "relaly"], "`p2pc relay`"),
            (&["send", "-relay", "x"], "--relay"),
            (&["send", "--releay=x", "y"], "--relay"),
            (&["send", "--releay", "x", "y"], "--relay"),
            (&["receive", "-out", "x"], "--out"),
            (&["receive", "-yes"], "--yes"),
            (&["send", "--Verify", "x"], "--verify"),
            (&["relay", "--lisen", ":1"], "--listen"),
            (&["relay", "--max-conections=5"], "--max-connections"),
        ] {
            let hint = error(line).1;
            assert!(hint.starts_with(&format!("Did you mean {meant}? ")), "{line:?}: {hint}");
        }
        assert_eq!(text(receive(&["-o=ut"]).out.as_ref()), "ut");
    }

    #[test]
    fn what_comes_before_the_subcommand_is_told_from_it() {
        assert_eq!(error(&["--relay", "x", "send"]).0, "unknown option --relay");
        let (what, hint) = error(&["48213-acid-crane-otter"]);
        assert!(!format!("{what} {hint}").contains("acid") && hint.contains("`p2pc receive CODE`"));
    }

    #[cfg(unix)]
    #[test]
    fn paths_that_are_not_utf8_pass() {
        use std::os::unix::ffi::OsStrExt as _;
        let name = OsStr::from_bytes(b"caf\xe9");
        let mut attached = OsString::from("--ca=");
        attached.push(name);
        let words = ["send".into(), attached, name.to_owned()];
        let Typed::Send(args, _) = read(&words).unwrap() else { panic!() };
        assert_eq!(args.paths[0].os(), name);
        assert_eq!(args.ca.unwrap().os(), name);
    }
}

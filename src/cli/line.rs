//! The command that goes on after a crash: what was typed, with what nobody knew then.
//!
//! Where this side made the code, that is the code, and the port that its own relay got. Everything else is what was
//! typed, so no option is forgotten, nor one that is added some day.

use std::ffi::OsStr;
use std::fmt;

use zeroize::Zeroizing;

use crate::net::{ListenAddr, RelayUrl};
use crate::term::word::Word;

use super::quote::quoted;

/// A subcommand with its options by their long names. Its `Debug` is redacted: a code may be in it.
#[derive(Clone)]
pub struct Line {
    command: &'static str,
    options: Vec<(String, Option<Word>)>,
    positionals: Vec<Word>,
    /// There was a token, which is never written down.
    lacks_token: bool,
}

/// What this side found out when it made the code, or became the relay.
#[derive(Clone, Copy, Debug)]
pub struct Found<'a> {
    /// The code, with the relay if that is another machine.
    pub code: &'a str,
    /// Where this machine can be reached, if it is the relay.
    pub listening: Option<&'a RelayUrl>,
    /// Whether the relay is to be named outside of the code as well, if it was.
    pub named: bool,
}

impl Line {
    /// Nothing but the subcommand, as in `p2pc send`.
    #[must_use]
    pub fn new(command: &'static str) -> Line {
        Line { command, options: Vec::new(), positionals: Vec::new(), lacks_token: false }
    }

    /// Adds an option, with its value if it has one. A token is left out: other than a code, nobody is to see it.
    pub fn push_option(&mut self, long: &str, value: Option<&OsStr>) {
        if long == TOKEN {
            self.lacks_token = true;
            return;
        }
        self.options.push((long.to_owned(), value.map(|value| Word::from(value.to_owned()))));
    }

    /// Adds an argument.
    pub fn push_positional(&mut self, word: &OsStr) {
        self.positionals.push(Word::from(word.to_owned()));
    }

    /// Whether another process can go on with it: standard input and output cannot be rewound.
    #[must_use]
    pub fn can_go_on(&self) -> bool {
        self.positionals.iter().all(|word| word.os() != "-")
            && ["--out", "--files-from", "--text"]
                .iter()
                .all(|option| self.value(option).is_none_or(|value| value.os() != "-"))
    }

    /// Whether a token has to be given again, since it is in none of the commands.
    #[must_use]
    pub fn lacks_token(&self) -> bool {
        self.lacks_token
    }

    /// The command as it was typed.
    #[must_use]
    pub fn typed(&self) -> Zeroizing<String> {
        shell(self.command, &self.options, &self.positionals)
    }

    /// The command that goes on with what was found out.
    #[must_use]
    pub fn with(&self, found: &Found<'_>) -> Zeroizing<String> {
        let mut options = vec![("--code".to_owned(), Some(word(found.code)))];
        // The code says the relay now; without `--new-code` a receiver's arguments were the code.
        let replaced = ["--code", "--new-code", if found.named { "--code" } else { "--relay" }];
        options.extend(self.options.iter().filter(|(long, _)| !replaced.contains(&long.as_str())).cloned());
        if let Some(relay) = found.listening {
            let listen = self.listen(relay.port());
            options.retain(|(long, _)| long != "--listen");
            options.insert(1, ("--listen".to_owned(), Some(word(&listen.to_string()))));
        }
        let paths: &[Word] = if self.command == SEND { &self.positionals } else { &[] };
        let whole = shell(self.command, &options, paths);
        if whole.chars().count() <= COLUMNS_MAX || paths.is_empty() {
            return whole;
        }
        let mut short = shell(self.command, &options, &[]);
        short.push_str(" PATH...");
        short
    }

    /// The address that was asked for, with the port that it got.
    fn listen(&self, port: u16) -> ListenAddr {
        let asked =
            self.value("--listen").and_then(Word::text).and_then(|text| text.parse::<ListenAddr>().ok());
        match asked.and_then(|asked| asked.address()) {
            Some(address) => std::net::SocketAddr::new(address, port).into(),
            None => ListenAddr::everywhere(port),
        }
    }

    fn value(&self, option: &str) -> Option<&Word> {
        self.options.iter().find(|(long, _)| long == option)?.1.as_ref()
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").field("command", &self.command).finish_non_exhaustive()
    }
}

fn shell(command: &str, options: &[(String, Option<Word>)], positionals: &[Word]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::from(command));
    for (long, value) in options {
        text.push(' ');
        text.push_str(long);
        if let Some(value) = value {
            // A value that begins with a dash would be taken for an option.
            let dashed = value.os().as_encoded_bytes().starts_with(b"-");
            text.push(if dashed { '=' } else { ' ' });
            text.push_str(&quoted(value.os()));
        }
    }
    if positionals.iter().any(|word| word.os().as_encoded_bytes().starts_with(b"-")) {
        text.push_str(" --");
    }
    for word in positionals {
        text.push(' ');
        text.push_str(&quoted(word.os()));
    }
    text
}

fn word(text: &str) -> Word {
    Word::from(std::ffi::OsString::from(text))
}

const SEND: &str = "p2pc send";
const TOKEN: &str = "--token";

/// Some lines of a terminal. A command with more paths than that is in the shell's history, and hides the code here.
const COLUMNS_MAX: usize = 320;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::words::{self, Typed};

    const MADE: Found<'_> =
        Found { code: "48213-acid-crane-otter@relay.example", listening: None, named: false };

    fn line(words: &[&str]) -> Line {
        let words: Vec<_> = words.iter().map(|word| (*word).into()).collect();
        match words::read(&words).unwrap() {
            Typed::Send(_, line) | Typed::Receive(_, line) => line,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_sender_goes_on_with_the_code_it_made() {
        let line = line(&["send", "-v", "--relay=relay.example", "thesis.pdf", "my photos/"]);
        assert_eq!(
            *line.with(&MADE),
            "p2pc send --code 48213-acid-crane-otter@relay.example --verbose thesis.pdf \"my photos/\""
        );
        assert_eq!(*line.typed(), "p2pc send --verbose --relay relay.example thesis.pdf \"my photos/\"");
    }

    #[test]
    fn a_relay_of_ones_own_listens_where_it_did() {
        let relay: RelayUrl = "ws://192.168.1.7:41234".parse().unwrap();
        let found = Found { code: "48213-acid-crane-otter", listening: Some(&relay), named: false };
        for (typed, goes_on) in [
            (&["send", "a"][..], "send --code 48213-acid-crane-otter --listen :41234 a"),
            (&["send", "--listen", ":0", "a"], "send --code 48213-acid-crane-otter --listen :41234 a"),
            (
                &["send", "a", "--listen=127.0.0.1:0"],
                "send --code 48213-acid-crane-otter --listen 127.0.0.1:41234 a",
            ),
            (
                &["receive", "--new-code", "-yo", "in"],
                "receive --code 48213-acid-crane-otter --listen :41234 --yes --out in",
            ),
        ] {
            assert_eq!(*line(typed).with(&found), format!("p2pc {goes_on}"));
        }
    }

    #[test]
    fn a_receiver_goes_on_as_it_began() {
        let code = "48213-acid-crane-otter@relay.example";
        assert_eq!(*line(&["receive", "-o", "in", code]).typed(), format!("p2pc receive --out in {code}"));
        assert_eq!(
            *line(&["receive", "--new-code", "--relay", "relay.example"]).with(&MADE),
            "p2pc receive --code 48213-acid-crane-otter@relay.example"
        );
    }

    #[test]
    fn a_token_is_in_no_command_and_the_relay_it_is_for_stays() {
        let line = line(&["send", "--token=0123456789abcdef", "--relay=relay.example", "a"]);
        assert!(line.lacks_token());
        assert_eq!(*line.typed(), "p2pc send --relay relay.example a");
        assert_eq!(
            *line.with(&Found { named: true, ..MADE }),
            "p2pc send --code 48213-acid-crane-otter@relay.example --relay relay.example a"
        );
        assert!(!format!("{line:?}").contains("0123"));
    }

    #[test]
    fn what_begins_with_a_dash_stays_what_it_was() {
        assert_eq!(*line(&["send", "--code=-xy", "--", "-a", "b"]).typed(), "p2pc send --code=-xy -- -a b");
    }

    #[test]
    fn streams_cannot_go_on() {
        assert!(!line(&["send", "a", "-"]).can_go_on());
        assert!(!line(&["receive", "-o-"]).can_go_on() && !line(&["send", "--files-from=-"]).can_go_on());
        assert!(line(&["send", "./-"]).can_go_on() && line(&["receive", "-o", "in"]).can_go_on());
    }

    #[test]
    fn many_paths_do_not_hide_the_code() {
        let names: Vec<String> = (0..100).map(|number| format!("file-{number}")).collect();
        let words: Vec<&str> = ["send"].into_iter().chain(names.iter().map(String::as_str)).collect();
        assert_eq!(
            *line(&words).with(&MADE),
            "p2pc send --code 48213-acid-crane-otter@relay.example PATH..."
        );
    }

    #[test]
    fn debug_shows_no_word() {
        assert_eq!(
            format!("{:?}", line(&["receive", "48213-acid"])),
            "Line { command: \"p2pc receive\", .. }"
        );
    }
}

//! From what was typed to what it means: options of the library, and how to talk to the person.
//!
//! Everything that can be wrong about a command line is found here, before anything is dialled or opened. The
//! environment comes in as a value.

use std::ffi::OsString;
use std::path::PathBuf;

use zeroize::Zeroizing;

use crate::net::dial::{DialOptions, Token};
use crate::net::pair::RETRY;
use crate::net::proxy::ProxyEnv;
use crate::net::{ListenAddr, RelayUrl};
use crate::proto::code::Code;
use crate::proto::handshake::Capabilities;
use crate::send::args::SendArgs;
use crate::send::{Exclude, Pattern, SendOptions};
use crate::term::word::Word;
use crate::{Error, Kind, Result};

use super::config::Settings;
use super::console::{Setting, Showing, Volume};
use super::messages::Side;
use super::values;
use super::words::is_like_a_code;

mod doctor;
mod receive;
mod relay;

pub use doctor::{Examining, doctor};
pub use receive::{CodeSource, receive};
pub use relay::{Relaying, relay};

/// What the process was started with besides its arguments.
#[derive(Default)]
pub struct Environment {
    /// `P2PC_RELAY`
    pub relay: Option<OsString>,
    /// `P2PC_CODE`
    pub code: Option<OsString>,
    /// `P2PC_TOKEN`
    pub token: Option<OsString>,
    /// The relay of the configuration file.
    pub relay_of_file: Option<String>,
    /// The token of the configuration file.
    pub token_of_file: Option<Zeroizing<String>>,
    /// `HTTPS_PROXY` and its kin.
    pub proxies: ProxyEnv,
    /// Whether there is a controlling terminal.
    pub terminal: bool,
}

impl Environment {
    /// The environment of this process, with its configuration file. An empty variable counts as none.
    pub fn of_process(terminal: bool, settings: &Settings) -> Environment {
        let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        Environment {
            relay: variable("P2PC_RELAY"),
            code: variable("P2PC_CODE"),
            token: variable("P2PC_TOKEN"),
            relay_of_file: settings.relay().map(str::to_owned),
            token_of_file: settings.token().map(|token| Zeroizing::new(token.to_owned())),
            proxies: ProxyEnv::from_env(),
            terminal,
        }
    }
}

/// What a transfer needs: options for the library, and the setting of the console.
pub struct Job<Options> {
    /// For the library.
    pub options: Options,
    /// For the console.
    pub setting: Setting,
}

/// What `p2pc send …` means.
///
/// # Errors
///
/// [`Kind::Usage`].
pub fn send(args: &SendArgs, environment: &Environment) -> Result<Job<SendOptions>> {
    let paths = sources(args)?;
    let volume = volume(args.quiet, args.verbose, args.json)?;
    let text = match (&args.code, &environment.code) {
        (Some(word), _) => Some(text(word, "--code")?.to_owned()),
        (None, Some(value)) => Some(text(&value.clone().into(), "P2PC_CODE")?.to_owned()),
        (None, None) => None,
    };
    let (code, in_code) = match text.map(Zeroizing::new) {
        Some(text) => read_code(&text, args.allow_weak_code).map(|(code, relay)| (Some(code), relay))?,
        None => (None, None),
    };
    let relay = value(args.relay.as_ref(), "--relay", relay_url)?;
    let relay = choose_relay(in_code, relay, environment)?;
    let listen = value(args.listen.as_ref(), "--listen", parsed)?;
    check_listen(listen.as_ref(), relay.as_ref())?;
    let token = value(args.token.as_ref(), "--token", Token::parse)?;
    let (token, showing) = choose_token(token, relay.as_ref(), args.relay.as_ref(), environment)?;
    let options = SendOptions {
        input: None,
        paths,
        name: args.name.as_ref().map(|word| word.os().to_owned()),
        // Who runs this reads it: the list may be long, and nothing is opened here.
        list: None,
        text: value(args.text.as_ref(), "--text", |text| Ok(text.to_owned()))?,
        exclude: exclude(args)?,
        code,
        dial: dial(args.ca.as_ref(), relay, token, environment),
        listen,
        no_encrypt: args.no_encrypt,
        verify: args.verify,
        chunk_size: measured(args.chunk_size.as_ref(), "--chunk-size", &args.paths, values::chunk_size)?
            .unwrap_or_default(),
        compress: value(args.compress.as_ref(), "--compress", values::compress)?.unwrap_or_default(),
        limit: measured(args.limit.as_ref(), "--limit", &args.paths, values::rate)?,
        wait: measured(args.wait.as_ref(), "--wait", &args.paths, values::time)?,
        retry: measured(args.retry.as_ref(), "--retry", &args.paths, values::time_or_none)?.unwrap_or(RETRY),
        lanes: value(args.lanes.as_ref(), "--lanes", values::lanes)?.unwrap_or_default(),
        capabilities: Capabilities::default(),
    };
    // Last, so that it hides no mistake.
    need_terminal_to_verify(args.verify, environment)?;
    let invite_options = invite_options(args.no_encrypt, args.verify, args.allow_weak_code);
    let private_ca = args.ca.is_some();
    let verify = args.verify;
    let side = Side::Send;
    let json = args.json;
    let setting =
        Setting { side, volume, json, verify, out: None, resumes: true, invite_options, private_ca, showing };
    Ok(Job { options, setting })
}

/// Reads a code with the relay it may name.
///
/// # Errors
///
/// [`Kind::Usage`].
pub fn read_code(text: &str, allow_weak: bool) -> Result<(Code, Option<RelayUrl>)> {
    let (code, relay) = Code::parse(text, allow_weak)?;
    let relay = relay.map(|relay| relay.parse()).transpose()?;
    Ok((code, relay))
}

fn sources(args: &SendArgs) -> Result<Vec<PathBuf>> {
    let words = &args.paths;
    if args.text.is_some() {
        return text_alone(args);
    }
    if args.files_from.is_some() {
        return listed(args);
    }
    if args.null {
        return Err(Error::new(Kind::Usage, "--null is about the list of --files-from, and there is none")
            .hint("Give the list with --files-from, or leave --null out."));
    }
    if words.is_empty() {
        return Err(Error::new(Kind::Usage, "nothing to send: no PATH is given")
            .hint("`p2pc send PATH...` sends files and directories; `-` is standard input."));
    }
    if words.iter().any(|word| word.os().is_empty()) {
        return Err(Error::new(Kind::Usage, "one of the paths is empty")
            .hint("Look for a variable in the command that has no value."));
    }
    if words.iter().filter(|word| word.os() == "-").count() > 1 {
        return Err(Error::new(Kind::Usage, "standard input (`-`) is given twice")
            .hint("It can be read only once. A file of that name is `./-`."));
    }
    Ok(words.iter().map(Word::path).collect())
}

/// Where a text is sent, nothing else is.
fn text_alone(args: &SendArgs) -> Result<Vec<PathBuf>> {
    let others = [
        ("a PATH", !args.paths.is_empty()),
        ("--files-from", args.files_from.is_some()),
        ("--null", args.null),
        ("--name", args.name.is_some()),
        ("--exclude", !args.exclude.is_empty()),
        ("--gitignore", args.gitignore),
    ];
    match others.iter().find(|(_, is_given)| *is_given) {
        None => Ok(Vec::new()),
        Some((other, _)) => Err(Error::new(
            Kind::Usage,
            format!("--text sends a text and no files, and {other} is given as well"),
        )
        .hint("Leave one of them out. A text with blanks in it goes in quotes.")),
    }
}

/// Where a list says what to send, nothing else does.
fn listed(args: &SendArgs) -> Result<Vec<PathBuf>> {
    let other = if args.paths.is_empty() { "--name" } else { "a PATH" };
    if !args.paths.is_empty() || args.name.is_some() {
        return Err(Error::new(
            Kind::Usage,
            format!("--files-from says what to send, and {other} is given as well"),
        )
        .hint("Leave one of them out."));
    }
    Ok(Vec::new())
}

fn exclude(args: &SendArgs) -> Result<Exclude> {
    let pattern = |word: &Word| {
        Pattern::parse(word.os().as_encoded_bytes()).ok_or_else(|| {
            Error::new(Kind::Usage, "--exclude: the pattern matches nothing")
                .hint("It is one as in a .gitignore: *.log, /build, cache/. Quote it, so that the shell leaves it alone.")
        })
    };
    let patterns = args.exclude.iter().map(pattern).collect::<Result<Vec<_>>>()?;
    Ok(Exclude::new(patterns, args.gitignore))
}

/// The relay: after the `@`, then `--relay`, then the environment, then the file.
fn choose_relay(
    in_code: Option<RelayUrl>,
    option: Option<RelayUrl>,
    environment: &Environment,
) -> Result<Option<RelayUrl>> {
    match (in_code, option) {
        (Some(in_code), Some(option)) if in_code != option => Err(Error::new(
            Kind::Usage,
            format!("two relays are named: {in_code} in the code, {option} with --relay"),
        )
        .hint("Leave one of them out.")),
        (Some(relay), _) | (None, Some(relay)) => Ok(Some(relay)),
        (None, None) => {
            let word = environment.relay.clone().map(Word::from);
            let relay = value(word.as_ref(), "P2PC_RELAY", relay_url)?;
            let of_file = || environment.relay_of_file.as_deref().map(relay_url).transpose();
            relay.map_or_else(of_file, |relay| Ok(Some(relay)))
        }
    }
}

fn check_listen(listen: Option<&ListenAddr>, relay: Option<&RelayUrl>) -> Result<()> {
    match (listen, relay) {
        (Some(_), Some(relay)) => Err(Error::new(
            Kind::Usage,
            format!("--listen is for when this machine is the relay, but {relay} is"),
        )
        .hint("Leave out --listen, or the relay (--relay, P2PC_RELAY, or what follows the @ in the code).")),
        _ => Ok(()),
    }
}

fn dial(
    ca: Option<&Word>,
    relay: Option<RelayUrl>,
    token: Option<Token>,
    environment: &Environment,
) -> DialOptions {
    DialOptions { ca: ca.map(Word::path), relay, proxies: environment.proxies.clone(), token }
}

/// The token for `relay`. What stands in the environment is meant for the relay that stands there too, or else for the one behind `--relay`, or else
/// for that of the file; what stands in the file is for the relay there alone. Whoever made a code could otherwise collect tokens by naming a relay of their own in it.
fn choose_token(
    option: Option<Token>,
    relay: Option<&RelayUrl>,
    named: Option<&Word>,
    environment: &Environment,
) -> Result<(Option<Token>, Showing)> {
    if let Some(token) = option {
        return match relay {
            Some(_) => Ok((Some(token), Showing::Shown)),
            None => Err(Error::new(Kind::Usage, "--token is for a relay elsewhere, and none is named").hint(
                "Name it with --relay or P2PC_RELAY. Without one this machine is the relay, and asks for no token.",
            )),
        };
    }
    let Some(relay) = relay else { return Ok((None, Showing::None)) };
    let is_it = |text: &str| text.parse::<RelayUrl>().is_ok_and(|meant| meant == *relay);
    let of_file = environment.relay_of_file.as_deref();
    if let Some(held) = &environment.token {
        let meant = environment.relay.clone().map(Word::from);
        let meant = meant.as_ref().or(named).map_or(of_file, Word::text);
        if meant.is_some_and(is_it) {
            let held = Word::from(held.clone());
            return Ok((value(Some(&held), "P2PC_TOKEN", Token::parse)?, Showing::Shown));
        }
    }
    match &environment.token_of_file {
        Some(held) if of_file.is_some_and(is_it) => Ok((Some(Token::parse(held)?), Showing::Shown)),
        _ if environment.token.is_some() => Ok((None, Showing::Withheld(relay.clone()))),
        // That a relay is not the one of the file is nothing to tell: its token is for that one.
        _ => Ok((None, Showing::None)),
    }
}

/// Whoever asks for JSON reads that, unless people are to be told as well.
fn volume(quiet: bool, verbose: bool, json: bool) -> Result<Volume> {
    match (quiet, verbose) {
        (true, true) => {
            Err(Error::new(Kind::Usage, "--quiet and --verbose contradict each other").hint("Leave one out."))
        }
        (true, false) => Ok(Volume::Quiet),
        (false, false) if json => Ok(Volume::Quiet),
        (false, true) => Ok(Volume::Verbose),
        (false, false) => Ok(Volume::Normal),
    }
}

fn need_terminal_to_verify(verify: bool, environment: &Environment) -> Result<()> {
    if verify && !environment.terminal {
        return Err(Error::new(Kind::Usage, "--verify needs a terminal: a person has to compare")
            .hint("Run it in a terminal, or give --no-verify."));
    }
    Ok(())
}

/// What the printed command needs so that it means the same on the other side, and both people compare.
fn invite_options(no_encrypt: bool, verify: bool, allow_weak_code: bool) -> Vec<&'static str> {
    let wanted = [("--no-encrypt", no_encrypt), ("--verify", verify), ("--allow-weak-code", allow_weak_code)];
    wanted.into_iter().filter(|(_, wanted)| *wanted).map(|(option, _)| option).collect()
}

/// The value of an option, read by `read`, whose complaint is put behind the option's name.
fn value<T>(word: Option<&Word>, option: &str, read: impl Fn(&str) -> Result<T>) -> Result<Option<T>> {
    let Some(word) = word else { return Ok(None) };
    read(text(word, option)?).map(Some).map_err(|error| {
        let hint = error.hint_text().unwrap_or("`--help` behind the subcommand explains the option.");
        Error::new(Kind::Usage, format!("{option}: {error}")).hint(hint)
    })
}

/// The same of a number with a unit, which may have come apart: then the unit is among `others`, which were to be something else.
fn measured<T>(
    word: Option<&Word>,
    option: &str,
    others: &[Word],
    read: impl Fn(&str) -> Result<T>,
) -> Result<Option<T>> {
    value(word, option, |number| {
        read(number).map_err(|error| {
            let apart = others
                .iter()
                .filter_map(Word::text)
                .find_map(|unit| Some((unit, values::joined(number, unit, |whole| read(whole).is_ok())?)));
            let Some((unit, whole)) = apart else { return error };
            Error::new(Kind::Usage, format!("\"{number}\" and \"{unit}\" stand apart"))
                .hint(format!("A number and its unit are one word: {option} {whole}"))
        })
    })
}

/// A relay's address. What is a code in its place would be asked for at name servers, in the clear.
pub(super) fn relay_url(text: &str) -> Result<RelayUrl> {
    if is_like_a_code(text) {
        return Err(Error::new(Kind::Usage, "a relay was to be named, and that is a code")
            .hint("What stands behind the @ of a code is its relay. `p2pc receive CODE` takes the whole."));
    }
    parsed(text)
}

fn parsed<T: std::str::FromStr<Err = Error>>(text: &str) -> Result<T> {
    text.parse()
}

fn text<'a>(word: &'a Word, what: &str) -> Result<&'a str> {
    word.text().ok_or_else(|| {
        Error::new(Kind::Usage, format!("{what} is not UTF-8"))
            .hint("Only paths may be other bytes than text.")
    })
}

#[cfg(test)]
#[path = "meaning_tests.rs"]
mod tests;

//! What `p2pc receive …` means: first what stands in the command, then, once it is there, what the code says.

use std::path::PathBuf;

use zeroize::Zeroizing;

use crate::cli::console::{Setting, Volume};
use crate::cli::messages::Side;
use crate::net::dial::Token;
use crate::net::pair::RETRY;
use crate::net::{ListenAddr, RelayUrl};
use crate::proto::code::Code;
use crate::proto::handshake::Capabilities;
use crate::receive::args::ReceiveArgs;
use crate::receive::{Checksums, OnConflict, ReceiveOptions};
use crate::term::word::Word;
use crate::{Error, Kind, Result};

use super::{
    Environment, Job, check_listen, choose_relay, choose_token, dial, invite_options, measured,
    need_terminal_to_verify, parsed, relay_url, text, value, values, volume,
};

/// Where the receiver's code comes from.
pub enum CodeSource {
    /// This side makes it.
    New,
    /// It was typed, or stands in the environment.
    Given(Zeroizing<String>),
    /// The person is asked.
    Prompt,
}

/// Everything about a receiver but what its code says: which relay, if any.
pub struct Receiving<'a> {
    args: &'a ReceiveArgs,
    environment: &'a Environment,
    volume: Volume,
    relay: Option<RelayUrl>,
    listen: Option<ListenAddr>,
    token: Option<Token>,
    options: ReceiveOptions,
}

/// What `p2pc receive …` means, and where its code comes from. Asks nobody yet.
///
/// # Errors
///
/// [`Kind::Usage`]: everything that is wrong with the command, whether or not there is a terminal.
pub fn receive<'a>(
    args: &'a ReceiveArgs,
    environment: &'a Environment,
) -> Result<(CodeSource, Receiving<'a>)> {
    let volume = volume(args.quiet, args.verbose, args.json)?;
    let relay = value(args.relay.as_ref(), "--relay", relay_url)?;
    let listen = value(args.listen.as_ref(), "--listen", parsed::<ListenAddr>)?;
    let token = value(args.token.as_ref(), "--token", Token::parse)?;
    let out = args.out.as_ref().map_or_else(|| PathBuf::from("."), Word::path);
    if out.as_os_str().is_empty() {
        return Err(Error::new(Kind::Usage, "--out is empty").hint("The current directory is `.`."));
    }
    if args.json && out.as_os_str() == "-" {
        return Err(Error::new(Kind::Usage, "--json and --out - both want standard output")
            .hint("Receive into a directory, or leave --json out."));
    }
    let options = ReceiveOptions {
        writer: None,
        code: None,
        out,
        listen: None,
        dial: dial(args.ca.as_ref(), None, None, environment),
        yes: args.yes,
        no_encrypt: args.no_encrypt,
        verify: args.verify,
        limit: measured(args.limit.as_ref(), "--limit", &args.words, values::rate)?,
        wait: measured(args.wait.as_ref(), "--wait", &args.words, values::time)?,
        retry: measured(args.retry.as_ref(), "--retry", &args.words, values::time_or_none)?.unwrap_or(RETRY),
        on_conflict: on_conflict(args.on_conflict.as_ref(), environment)?,
        resume: !args.no_resume,
        checksums: checksums(args)?,
        capabilities: Capabilities::default(),
    };
    let source = source_of_code(args, environment)?;
    Ok((source, Receiving { args, environment, volume, relay, listen, token, options }))
}

impl Receiving<'_> {
    /// The whole with this code; `None` makes one.
    ///
    /// # Errors
    ///
    /// [`Kind::Usage`]: what does not go with what the code says; and in the end, so that it hides nothing else, that there is no
    /// terminal where one is needed.
    pub fn with(self, code: Option<(Code, Option<RelayUrl>)>) -> Result<Job<ReceiveOptions>> {
        let Receiving { args, environment, volume, relay, listen, token, mut options } = self;
        let (code, in_code) = code.map_or((None, None), |(code, relay)| (Some(code), relay));
        let relay = choose_relay(in_code, relay, environment)?;
        check_listen(listen.as_ref(), relay.as_ref())?;
        if code.is_some() && relay.is_none() && listen.is_none() {
            return Err(Error::new(Kind::Usage, "no relay is known").hint(
                "Type the code with its relay, as `p2pc send` printed it: CODE@RELAY. Or give --relay, or set \
                 P2PC_RELAY.",
            ));
        }
        let (token, showing) = choose_token(token, relay.as_ref(), args.relay.as_ref(), environment)?;
        if !args.yes && !environment.terminal {
            return Err(Error::new(
                Kind::Usage,
                "there is no terminal to ask whether to take what is offered",
            )
            .hint("Give --yes to take whatever comes."));
        }
        need_terminal_to_verify(args.verify, environment)?;
        (options.code, options.listen) = (code, listen);
        (options.dial.relay, options.dial.token) = (relay, token);
        let setting = Setting {
            side: Side::Receive,
            volume,
            json: args.json,
            verify: args.verify,
            out: Some(options.out.clone()),
            resumes: options.resume,
            invite_options: invite_options(args.no_encrypt, args.verify, false),
            private_ca: args.ca.is_some(),
            showing,
        };
        Ok(Job { options, setting })
    }
}

/// Where the code comes from: the arguments, then the environment, then the person.
fn source_of_code(args: &ReceiveArgs, environment: &Environment) -> Result<CodeSource> {
    if args.qr && !args.new_code {
        return Err(Error::new(Kind::Usage, "--qr shows a code that is made here, and here none is made")
            .hint("Give --new-code as well, or leave --qr out."));
    }
    let spoken = spoken_code(&args.words)?;
    let option = args.code.as_ref().map(|word| text(word, "--code")).transpose()?;
    if spoken.is_some() && option.is_some() {
        return Err(Error::new(Kind::Usage, "the code is given twice, as CODE and with --code")
            .hint("Leave one of them out."));
    }
    let given = spoken.or(option.map(|text| Zeroizing::new(text.to_owned())));
    if args.new_code {
        return match given {
            Some(_) => Err(Error::new(Kind::Usage, "--new-code makes a code, and one is given as well")
                .hint("Leave one of them out.")),
            None => Ok(CodeSource::New),
        };
    }
    if let Some(given) = given {
        return Ok(CodeSource::Given(given));
    }
    if let Some(value) = &environment.code {
        let word = Word::from(value.clone());
        return Ok(CodeSource::Given(Zeroizing::new(text(&word, "P2PC_CODE")?.to_owned())));
    }
    if args.listen.is_some() {
        return Err(Error::new(
            Kind::Usage,
            "--listen needs --new-code, or the code that it once made: else this machine is not the relay",
        )
        .hint("`p2pc receive --help` explains both."));
    }
    if environment.terminal {
        return Ok(CodeSource::Prompt);
    }
    Err(Error::new(Kind::Usage, "no code is given, and there is no terminal to ask for it")
        .hint("Give the code that `p2pc send` printed as CODE or in P2PC_CODE, or make one with --new-code."))
}

/// The words of a generated code may come as separate arguments, as it is spoken. Nothing else may: a second word is
/// far more often a directory, and taking it into the code would cost one of three guesses.
fn spoken_code(words: &[Word]) -> Result<Option<Zeroizing<String>>> {
    let [first, rest @ ..] = words else { return Ok(None) };
    let mut code = Zeroizing::new(text(first, "CODE")?.to_owned());
    let is_room = code.len() == ROOM_DIGITS && code.bytes().all(|byte| byte.is_ascii_digit());
    if !rest.is_empty() && !is_room {
        return Err(Error::new(Kind::Usage, "more than one CODE is given")
            .hint("The directory to write into goes behind --out; a code with spaces goes in quotes."));
    }
    for word in rest {
        code.push('-');
        code.push_str(text(word, "CODE")?);
    }
    Ok(Some(code))
}

fn checksums(args: &ReceiveArgs) -> Result<Option<Checksums>> {
    let with = value(args.checksums_with.as_ref(), "--checksums-with", values::algorithm)?;
    let Some(file) = &args.checksums else {
        return match with {
            None => Ok(None),
            Some(_) => Err(Error::new(Kind::Usage, "--checksums-with says how, and no --checksums where")
                .hint("Give the file with --checksums FILE.")),
        };
    };
    let name = file.os();
    if name == "-" || name.is_empty() {
        return Err(
            Error::new(Kind::Usage, "--checksums needs a file").hint("A file of the name - is `./-`.")
        );
    }
    if args.out.as_ref().is_some_and(|out| out.os() == "-") {
        return Err(Error::new(Kind::Usage, "--checksums is for files, and --out - has none")
            .hint("Receive into a directory, or let another program sum what comes out."));
    }
    Ok(Some(Checksums { file: file.path(), with: with.unwrap_or_default() }))
}

/// Where nobody can be asked, asking means to leave alone what is there.
fn on_conflict(word: Option<&Word>, environment: &Environment) -> Result<OnConflict> {
    let wanted = value(word, "--on-conflict", values::on_conflict)?.unwrap_or(OnConflict::Ask);
    Ok(match wanted {
        OnConflict::Ask if !environment.terminal => OnConflict::Skip,
        wanted => wanted,
    })
}

/// The room of a generated code.
const ROOM_DIGITS: usize = 5;

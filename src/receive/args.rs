//! What may be typed after `p2pc receive`. What it means is worked out in `cli::meaning`.

use argh::{ArgsInfo, FromArgs};

use crate::term::word::Word;

/// receive what the other side sends
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "receive")]
pub struct ReceiveArgs {
    /// the code, like the argument
    #[argh(option, arg_name = "CODE")]
    pub code: Option<Word>,
    /// the directory to write into; made if missing; `-` is standard output
    #[argh(option, short = 'o', arg_name = "DIR")]
    pub out: Option<Word>,
    /// take what is offered without asking
    #[argh(switch, short = 'y')]
    pub yes: bool,
    /// what to do where something else stands already
    #[argh(option, arg_name = "HOW")]
    pub on_conflict: Option<Word>,
    /// go on with nothing that was interrupted, and keep nothing to go on with
    #[argh(switch)]
    pub no_resume: bool,
    /// write checksums of what is received to this file
    #[argh(option, arg_name = "FILE")]
    pub checksums: Option<Word>,
    /// what those are: sha256 or blake3
    #[argh(option, arg_name = "HASH")]
    pub checksums_with: Option<Word>,
    /// the relay: `HOST[:PORT]`, `wss://…` or `ws://…`
    #[argh(option, arg_name = "RELAY")]
    pub relay: Option<Word>,
    /// what the relay asks for; better in `P2PC_TOKEN`
    #[argh(option, arg_name = "TOKEN")]
    pub token: Option<Word>,
    /// make the code here and give it to the sender
    #[argh(switch)]
    pub new_code: bool,
    /// with --new-code: show the code as a QR code too
    #[argh(switch)]
    pub qr: bool,
    /// let the relay read the content, if the other side asks for it too
    #[argh(switch)]
    pub no_encrypt: bool,
    /// at most so many bytes a second: 10M, 1.5MiB, 200k, 100Mbit
    #[argh(option, arg_name = "RATE")]
    pub limit: Option<Word>,
    /// show a string that both people compare before any data
    #[argh(switch)]
    pub verify: bool,
    /// take back `verify = true` of the configuration
    #[argh(switch)]
    pub no_verify: bool,
    /// give up when the other side has not come in this time
    #[argh(option, arg_name = "TIME")]
    pub wait: Option<Word>,
    /// look this long for a lost connection
    #[argh(option, arg_name = "TIME")]
    pub retry: Option<Word>,
    /// where the embedded relay listens (with --new-code, or to go on with its code)
    #[argh(option, arg_name = "ADDR:PORT")]
    pub listen: Option<Word>,
    /// take a code of your own that is easy to guess
    #[argh(switch)]
    pub allow_weak_code: bool,
    /// print nothing but errors and questions
    #[argh(switch, short = 'q')]
    pub quiet: bool,
    /// take back `quiet = true` of the configuration
    #[argh(switch)]
    pub no_quiet: bool,
    /// say what happens on standard output, as JSON
    #[argh(switch)]
    pub json: bool,
    /// print one line for each file
    #[argh(switch, short = 'v')]
    pub verbose: bool,
    /// take back `verbose = true` of the configuration
    #[argh(switch)]
    pub no_verbose: bool,
    /// also trust the certificate authorities in this file
    #[argh(option, arg_name = "PEM")]
    pub ca: Option<Word>,
    /// the code, with or without @RELAY
    #[argh(positional, arg_name = "CODE")]
    pub words: Vec<Word>,
}

//! What may be typed after `p2pc send`. What it means is worked out in `cli::meaning`.

use argh::{ArgsInfo, FromArgs};

use crate::term::word::Word;

/// send files and directories
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "send")]
pub struct SendArgs {
    /// the code to use instead of a new one, with or without @RELAY
    #[argh(option, arg_name = "CODE")]
    pub code: Option<Word>,
    /// what standard input, or the only PATH, is called at the other end
    #[argh(option, arg_name = "NAME")]
    pub name: Option<Word>,
    /// send this text in place of files; `-` reads it from standard input
    #[argh(option, arg_name = "TEXT")]
    pub text: Option<Word>,
    /// leave out what this pattern matches; may come again
    #[argh(option, arg_name = "GLOB")]
    pub exclude: Vec<Word>,
    /// leave out what .gitignore and .ignore files say
    #[argh(switch)]
    pub gitignore: bool,
    /// send exactly the paths in this file; `-` is standard input
    #[argh(option, arg_name = "FILE")]
    pub files_from: Option<Word>,
    /// the paths in that file end with a zero byte, not with a line
    #[argh(switch, short = '0')]
    pub null: bool,
    /// the relay: `HOST[:PORT]`, `wss://…` or `ws://…`
    #[argh(option, arg_name = "RELAY")]
    pub relay: Option<Word>,
    /// what the relay asks for; better in `P2PC_TOKEN`
    #[argh(option, arg_name = "TOKEN")]
    pub token: Option<Word>,
    /// let the relay read the content, if the other side asks for it too
    #[argh(switch)]
    pub no_encrypt: bool,
    /// unit of hashing: 512KiB, 1MiB, 2MiB or 4MiB
    #[argh(option, arg_name = "SIZE")]
    pub chunk_size: Option<Word>,
    /// compress what is sent: auto, on or off
    #[argh(option, arg_name = "WHEN")]
    pub compress: Option<Word>,
    /// at most so many bytes a second: 10M, 1.5MiB, 200k, 100Mbit
    #[argh(option, arg_name = "RATE")]
    pub limit: Option<Word>,
    /// connections at once: auto, or 1 to 16
    #[argh(option, arg_name = "N")]
    pub lanes: Option<Word>,
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
    /// where the embedded relay listens
    #[argh(option, arg_name = "ADDR:PORT")]
    pub listen: Option<Word>,
    /// show the code as a QR code too
    #[argh(switch)]
    pub qr: bool,
    /// take a code of your own that is easy to guess
    #[argh(switch)]
    pub allow_weak_code: bool,
    /// print nothing but the code and errors
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
    /// files and directories; `-` is standard input
    #[argh(positional, arg_name = "PATH")]
    pub paths: Vec<Word>,
}

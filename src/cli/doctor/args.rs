//! What may be typed after `p2pc doctor`.

use argh::{ArgsInfo, FromArgs};

use crate::term::word::Word;

/// find out what is in the way to a relay
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "doctor")]
pub struct DoctorArgs {
    /// what the relay asks for; better in `P2PC_TOKEN`
    #[argh(option, arg_name = "TOKEN")]
    pub token: Option<Word>,
    /// also trust the certificate authorities in this file
    #[argh(option, arg_name = "PEM")]
    pub ca: Option<Word>,
    /// how long each step may take
    #[argh(option, arg_name = "TIME")]
    pub wait: Option<Word>,
    /// one JSON object a line
    #[argh(switch)]
    pub json: bool,
    /// the relay
    #[argh(positional, arg_name = "RELAY")]
    pub relay: Vec<Word>,
}

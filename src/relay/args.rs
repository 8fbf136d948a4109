//! What may be typed after `p2pc relay`. What it means is worked out in `cli::meaning`.

use argh::{ArgsInfo, FromArgs};

use crate::term::word::Word;

/// run a relay
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "relay")]
pub struct RelayArgs {
    /// where to listen; again for more
    #[argh(option, arg_name = "ADDR:PORT")]
    pub listen: Vec<Word>,
    /// the certificate chain, and the key too where one file holds both
    #[argh(option, arg_name = "PEM")]
    pub cert: Option<Word>,
    /// the private key of the certificate
    #[argh(option, arg_name = "PEM")]
    pub key: Option<Word>,
    /// log nothing but errors
    #[argh(switch, short = 'q')]
    pub quiet: bool,
}

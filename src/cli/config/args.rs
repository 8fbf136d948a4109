//! What may be typed after `p2pc config`.

use argh::{ArgsInfo, FromArgs};

use crate::term::word::Word;

/// show which settings are in force, and where each comes from
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "config")]
pub struct ConfigArgs {
    /// one JSON object a line
    #[argh(switch)]
    pub json: bool,
    /// nothing, or path
    #[argh(positional, arg_name = "path")]
    pub words: Vec<Word>,
}

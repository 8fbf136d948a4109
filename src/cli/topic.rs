//! The subcommands: what each is called, what it takes, and what help there is about it.

use std::ffi::OsStr;

use argh::{ArgsInfo, CommandInfoWithArgs};

use crate::receive::args::ReceiveArgs;
use crate::relay::args::RelayArgs;
use crate::send::args::SendArgs;

use super::config::ConfigArgs;
use super::doctor::DoctorArgs;
use super::help::CompletionsArgs;

/// What help can be about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    /// The program.
    Program,
    /// `send`
    Send,
    /// `receive`
    Receive,
    /// `relay`
    Relay,
    /// `doctor`
    Doctor,
    /// `config`
    Config,
    /// `completions`
    Completions,
}

impl Topic {
    /// Everything there is help about, in the order in which it is told.
    pub const ALL: [Topic; 7] = [
        Topic::Program,
        Topic::Send,
        Topic::Receive,
        Topic::Relay,
        Topic::Doctor,
        Topic::Config,
        Topic::Completions,
    ];

    /// Every subcommand.
    pub fn subcommands() -> impl Iterator<Item = Topic> {
        Topic::ALL.into_iter().filter(|topic| *topic != Topic::Program)
    }

    /// The command whose `--help` this is.
    #[must_use]
    pub fn command(self) -> &'static str {
        match self {
            Topic::Program => "p2pc",
            Topic::Send => "p2pc send",
            Topic::Receive => "p2pc receive",
            Topic::Relay => "p2pc relay",
            Topic::Doctor => "p2pc doctor",
            Topic::Config => "p2pc config",
            Topic::Completions => "p2pc completions",
        }
    }

    /// The word behind the program's name; that of the program is its own.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.command().rsplit(' ').next().unwrap_or_default()
    }

    /// The subcommand of this name.
    #[must_use]
    pub fn named(name: &OsStr) -> Option<Topic> {
        Topic::subcommands().find(|topic| name == topic.name())
    }

    /// What it takes, as argh has it. The program itself takes nothing but a subcommand.
    #[must_use]
    pub fn info(self) -> Option<CommandInfoWithArgs> {
        match self {
            Topic::Program => None,
            Topic::Send => Some(SendArgs::get_args_info()),
            Topic::Receive => Some(ReceiveArgs::get_args_info()),
            Topic::Relay => Some(RelayArgs::get_args_info()),
            Topic::Doctor => Some(DoctorArgs::get_args_info()),
            Topic::Config => Some(ConfigArgs::get_args_info()),
            Topic::Completions => Some(CompletionsArgs::get_args_info()),
        }
    }

    /// What it does, in a few words.
    #[must_use]
    pub fn about(self) -> &'static str {
        self.info().map_or("send files and directories to another machine", |info| info.description)
    }

    /// What `--help` says, without a line end.
    #[must_use]
    pub fn help(self) -> &'static str {
        match self {
            Topic::Program => include_str!("help/program.txt"),
            Topic::Send => include_str!("help/send.txt"),
            Topic::Receive => include_str!("help/receive.txt"),
            Topic::Relay => include_str!("help/relay.txt"),
            Topic::Doctor => include_str!("help/doctor.txt"),
            Topic::Config => include_str!("help/config.txt"),
            Topic::Completions => include_str!("help/completions.txt"),
        }
        .trim_end()
    }

    /// What `p2pc help` says about it by task, without a line end, where that is more than its options.
    #[must_use]
    pub fn guide(self) -> Option<&'static str> {
        match self {
            Topic::Send => Some(include_str!("help/guides/send.txt").trim_end()),
            Topic::Receive => Some(include_str!("help/guides/receive.txt").trim_end()),
            Topic::Relay => Some(include_str!("help/guides/relay.txt").trim_end()),
            Topic::Program | Topic::Doctor | Topic::Config | Topic::Completions => None,
        }
    }
}

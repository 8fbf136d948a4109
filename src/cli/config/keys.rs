//! What a configuration file can say. Every key but `token` is an option without its dashes.

use std::path::Path;

use crate::cli::meaning::relay_url;
use crate::cli::topic::Topic;
use crate::cli::values;
use crate::net::dial::Token;
use crate::{Error, Kind, Result};

/// A key.
pub struct Key {
    /// As it stands in the file.
    pub name: &'static str,
    /// What its values look like.
    pub form: Form,
    /// One of them, as it stands in the file.
    pub example: &'static str,
    /// What holds where nobody says anything.
    pub default: &'static str,
}

/// What values look like.
pub enum Form {
    /// Text that this accepts.
    Text(fn(&str) -> Result<()>),
    /// The same, or a number.
    Number(fn(&str) -> Result<()>),
    /// A file or directory.
    Path,
    /// `true` or `false`.
    Switch,
}

/// The relay.
pub const RELAY: &str = "relay";
/// What it asks for.
pub const TOKEN: &str = "token";
/// Less is said.
pub const QUIET: &str = "quiet";
/// More is said.
pub const VERBOSE: &str = "verbose";

/// Every key, in the order in which they are shown.
pub const KEYS: &[Key] = &[
    Key {
        name: RELAY,
        form: Form::Text(|text| relay_url(text).map(drop)),
        example: "\"relay.example.com\"",
        default: "none",
    },
    Key {
        name: TOKEN,
        form: Form::Text(|text| Token::parse(text).map(drop)),
        example: "\"what that relay asks for\"",
        default: "none",
    },
    Key { name: "ca", form: Form::Path, example: "\"~/authorities.pem\"", default: "none" },
    Key {
        name: "wait",
        form: Form::Number(|text| values::time(text).map(drop)),
        example: "\"10m\"",
        default: "as long as it takes",
    },
    Key {
        name: "retry",
        form: Form::Number(|text| values::time_or_none(text).map(drop)),
        example: "\"30m\"",
        default: "10m",
    },
    Key {
        name: "limit",
        form: Form::Number(|text| values::rate(text).map(drop)),
        example: "\"5M\"",
        default: "none",
    },
    Key { name: "verify", form: Form::Switch, example: "true", default: "false" },
    Key { name: QUIET, form: Form::Switch, example: "true", default: "false" },
    Key { name: VERBOSE, form: Form::Switch, example: "true", default: "false" },
    Key {
        name: "compress",
        form: Form::Text(|text| values::compress(text).map(drop)),
        example: "\"on\"",
        default: "auto",
    },
    Key {
        name: "lanes",
        form: Form::Number(|text| values::lanes(text).map(drop)),
        example: "4",
        default: "auto",
    },
    Key {
        name: "chunk-size",
        form: Form::Number(|text| values::chunk_size(text).map(drop)),
        example: "\"2MiB\"",
        default: "1MiB",
    },
    Key { name: "out", form: Form::Path, example: "\"~/Downloads\"", default: "." },
    Key {
        name: "on-conflict",
        form: Form::Text(|text| values::on_conflict(text).map(drop)),
        example: "\"rename\"",
        default: "ask, or skip without a terminal",
    },
];

/// The subcommands that have sections. A relay is a service: what it does is in its unit, not in somebody's home.
pub const SECTIONS: [Topic; 2] = [Topic::Send, Topic::Receive];

/// Why a file cannot say that which can be typed.
const REFUSED: &[(&str, &str)] = &[
    ("code", "A code is a secret of one transfer: give it at the prompt, in P2PC_CODE or behind --code."),
    ("yes", "It would take whatever comes, from then on: give --yes where you mean it."),
    ("no-encrypt", "It would open every transfer to the relay: give --no-encrypt where you mean it."),
    ("allow-weak-code", "Give --allow-weak-code with the code that it is for."),
    ("new-code", "Give --new-code where you mean it."),
    ("listen", "Whether this machine is the relay differs from transfer to transfer: give --listen."),
    ("no-resume", "Give --no-resume where you mean it."),
];

/// The key of this name.
pub fn key(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

/// A line that says something with it.
pub fn example(key: &Key) -> String {
    format!("{} = {}", key.name, key.example)
}

/// Why there is no such key, though one could think so.
pub fn refusal(name: &str) -> Option<&'static str> {
    REFUSED.iter().find(|(refused, _)| *refused == name).map(|(_, why)| *why)
}

/// Whether a subcommand can be told this. Relay and token are for all alike.
pub fn has(topic: Topic, key: &str) -> bool {
    let is_option = |info: argh::CommandInfoWithArgs| {
        info.flags.iter().any(|flag| flag.long.strip_prefix("--") == Some(key))
    };
    key != RELAY && key != TOKEN && topic.info().is_some_and(is_option)
}

/// A path as a file can say it: it has to mean the same wherever a command is run.
pub fn path(text: &str, home: Option<&Path>) -> Result<String> {
    let below = if text == "~" { Some("") } else { text.strip_prefix("~/") };
    let path = match (below, home) {
        (Some(below), Some(home)) => home.join(below),
        (Some(_), None) => {
            return Err(
                Error::new(Kind::Usage, "~ means nothing where HOME is not set").hint("Begin it with /.")
            );
        }
        (None, _) => Path::new(text).to_owned(),
    };
    let absolute = if path.is_absolute() { path.into_os_string().into_string().ok() } else { None };
    absolute.ok_or_else(|| {
        Error::new(
            Kind::Usage,
            format!("\"{}\" is not a whole path", crate::term::clean::clean(text.as_bytes())),
        )
        .hint("Begin it with / or ~/, so that it means the same wherever you are.")
    })
}

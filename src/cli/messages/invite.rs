//! What the maker of a code tells the other side, and itself for later.

use std::ffi::OsStr;

use crate::cli::quote::quoted;
use crate::net::RelayUrl;
use crate::term::clean::clean;
use crate::term::style::Style;

use super::{Side, WAITING};

/// What stands above the code.
pub const GIVE_CODE: &str = "Give this code to the other side:\n";

/// A code for phones.
pub fn qr(lines: &str) -> String {
    format!("The same code for a phone's camera:\n\n{lines}\n")
}

/// `--qr` on a terminal that shows no blocks.
pub const QR_NOT_UTF8: &str = "note: no QR code is shown: this terminal is not set to UTF-8 (LANG). The code above is all that would be in it.";

/// `--qr` on a narrow terminal; `None`: the code is too long for any.
pub fn qr_too_wide(columns: Option<usize>) -> String {
    let why = match columns {
        Some(columns) => format!("this terminal has fewer than {columns} columns"),
        None => "the code is too long for one".to_owned(),
    };
    format!("note: no QR code is shown: {why}. The code above is all that would be in it.")
}

/// What stands behind a command that was typed with a token.
pub const GIVE_TOKEN: &str = "The token is not shown here: give it again, with --token or in P2PC_TOKEN.";

/// What the maker of a code tells the other side.
#[derive(Clone, Debug)]
pub struct Invite<'a> {
    /// Who invites.
    pub from: Side,
    /// The code, without a relay.
    pub code: &'a str,
    /// Where the other side finds the relay, best first.
    pub relays: &'a [RelayUrl],
    /// Whether this process is the relay.
    pub embedded: bool,
    /// The options that the other side must give as well.
    pub options: &'a [&'static str],
    /// Whether it must be told of a certificate authority, too.
    pub private_ca: bool,
    /// The command that goes on with this side's part after a crash, if there is one.
    pub again: Option<&'a str>,
    /// Whether a token is to be added to that command.
    pub lacks_token: bool,
}

impl Invite<'_> {
    /// The one line for standard output: what `receive` or `--code` takes.
    pub fn code_line(&self) -> String {
        self.relays.first().map_or_else(|| self.code.to_owned(), |relay| self.addressed(relay))
    }

    /// What stands below that line: the commands that work as printed. `has_status`: another line says what is waited for.
    pub fn after(&self, style: Style, has_status: bool) -> String {
        let mut text = String::from(match self.relays.len() {
            0 | 1 => "On the other machine, run\n",
            _ => "On the other machine, run the first of these that can reach this one\n",
        });
        for relay in self.relays.iter().take(RELAYS_SHOWN_MAX) {
            text.push_str(&format!("\n    {}", style.strong(&self.command(relay))));
        }
        text.push_str("\n\n");
        if self.private_ca {
            text.push_str("The other side needs --ca with the same certificate authority.\n");
        }
        if self.embedded {
            text.push_str(
                "This machine is the relay, so the other one must be able to connect to it. \
                 If it cannot, name a relay that both reach: --relay HOST.\n",
            );
        }
        if let Some(again) = self.again {
            text.push_str(&format!("Should this side be interrupted, it goes on with\n\n    {again}\n\n"));
            if self.lacks_token {
                text.push_str(GIVE_TOKEN);
                text.push('\n');
            }
        }
        // A status line says so by itself.
        if has_status {
            text.truncate(text.trim_end().len());
            text.push('\n');
        } else {
            text.push_str(WAITING);
        }
        text
    }

    /// What a sender says that was given the code: the other side may have started already, or not.
    pub fn waiting(&self, style: Style, has_status: bool) -> String {
        let command = self.best_command();
        let mut text = format!("Waiting for the other side to run\n\n    {}\n", style.strong(&command));
        if self.private_ca {
            text.push_str("\nThe other side needs --ca with the same certificate authority.");
        }
        text.push_str(if has_status { "" } else { "\nCtrl-C ends it." });
        text
    }

    /// What the other side runs, by the best way to the relay.
    pub fn best_command(&self) -> String {
        self.relays.first().map_or_else(String::new, |relay| self.command(relay))
    }

    fn command(&self, relay: &RelayUrl) -> String {
        let code = quoted(OsStr::new(&self.addressed(relay)));
        let mut command = match self.from {
            Side::Send => format!("p2pc receive {code}"),
            Side::Receive => format!("p2pc send --code {code}"),
        };
        for option in self.options {
            command.push(' ');
            command.push_str(option);
        }
        if self.from == Side::Receive {
            command.push_str(" PATH...");
        }
        command
    }

    fn addressed(&self, relay: &RelayUrl) -> String {
        addressed(self.code, relay)
    }
}

/// The code with the relay behind it.
pub fn addressed(code: &str, relay: &RelayUrl) -> String {
    format!("{}@{}", clean(code.as_bytes()), clean(relay.to_string().as_bytes()))
}

/// More addresses than anybody tries one after the other.
const RELAYS_SHOWN_MAX: usize = 6;

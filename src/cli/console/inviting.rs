//! The code, for the other side and for a restart of this one.

use std::io::{self, IsTerminal as _};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use zeroize::Zeroizing;

use crate::cli::json::Invitation;
use crate::cli::line::Found;
use crate::cli::messages::{self, Invite, Side};
use crate::net::RelayUrl;
use crate::term::style::Style;
use crate::term::{locale, qr, screen};

use super::{Console, Setting, Showing, Volume};

impl Console {
    /// What the maker of a code tells a program.
    pub fn invitation(&self, code: &str, relays: &[RelayUrl], embedded: bool) -> Invitation {
        let again = self.line.can_go_on().then(|| self.command_with(code, relays, embedded));
        let invite = Invite {
            from: self.setting.side,
            code,
            relays,
            embedded,
            options: &self.setting.invite_options,
            private_ca: self.setting.private_ca,
            again: None,
            lacks_token: false,
        };
        Invitation {
            code: invite.code_line(),
            command: invite.best_command(),
            again: again.map(|again| again.as_str().to_owned()),
        }
    }

    /// Shows the code as a QR code, where that was asked for and nothing else shows the code.
    pub fn show_qr(&self, code_line: &str) {
        if self.qr {
            self.queue.line(self.qr(code_line));
        }
    }

    /// Who was given the code may still have to tell the other side; a receiver got it from there.
    pub(super) fn await_other(&self, code: &str, relay: &RelayUrl) {
        let Setting { side, ref invite_options, private_ca, .. } = self.setting;
        let relays = std::slice::from_ref(relay);
        let invite = Invite {
            from: side,
            code,
            relays,
            embedded: false,
            options: invite_options,
            private_ca,
            again: None,
            lacks_token: false,
        };
        match side {
            // A code that was given is not repeated where it would be kept.
            Side::Send if io::stderr().is_terminal() => {
                self.notice(invite.waiting(self.style, self.queue.has_status()));
            }
            Side::Receive if self.queue.has_status() => {}
            Side::Send | Side::Receive => self.notice(messages::WAITING),
        }
        if self.qr {
            self.queue.line(self.qr(&invite.code_line()));
        }
    }

    /// A code for a phone, or why there is none.
    fn qr(&self, code: &str) -> String {
        if !locale::utf8() {
            return messages::QR_NOT_UTF8.to_owned();
        }
        match qr::lines(code, screen::columns(), self.style.is_on()) {
            Ok(lines) => messages::qr(&lines),
            Err(columns) => messages::qr_too_wide(columns),
        }
    }

    pub(super) fn invite(&self, code: &str, relays: &[RelayUrl], embedded: bool) {
        let Setting { side, ref invite_options, private_ca, .. } = self.setting;
        let again = self.line.can_go_on().then(|| self.command_with(code, relays, embedded));
        let invite = Invite {
            from: side,
            code,
            relays,
            embedded,
            options: invite_options,
            private_ca,
            again: again.as_deref().map(String::as_str),
            lacks_token: self.line.lacks_token(),
        };
        // A code that goes elsewhere leaves nothing for the heading to stand above.
        let is_seen = self.stdout_is_data() || io::stdout().is_terminal();
        if is_seen {
            self.notice(messages::GIVE_CODE);
        }
        let code_line = invite.code_line();
        let after = (self.setting.volume != Volume::Quiet).then(|| {
            let gap = if is_seen { "\n" } else { "" };
            format!("{gap}{}", invite.after(self.style, self.queue.has_status()))
        });
        let qr = self.qr.then(|| self.qr(&code_line));
        let after =
            [after, qr].into_iter().flatten().reduce(|text, qr| format!("{}\n\n{qr}", text.trim_end()));
        if self.stdout_is_data() {
            self.queue.line(self.style.strong(&code_line));
            if let Some(after) = after {
                self.queue.line(after);
            }
            return;
        }
        // A script that reads it is no terminal, and gets the code and nothing else.
        self.print(Style::for_stdout().strong(&code_line), after);
        self.state().again = again;
    }

    /// Writes to standard output, with `after` for people behind it. Where nobody reads that, the transfer ends.
    pub(super) fn print(&self, line: String, after: Option<String>) {
        let (closed, cancel) = (Arc::clone(&self.stdout_closed), self.cancel.clone());
        let unread = move || {
            closed.store(true, Ordering::SeqCst);
            cancel.cancel();
        };
        self.queue.print(line, after, Box::new(unread));
    }

    /// The command that goes on where this process ends.
    fn command_with(&self, code: &str, relays: &[RelayUrl], embedded: bool) -> Zeroizing<String> {
        let relay = relays.first();
        // A token in the environment is for a relay that is named outside of the code.
        let named = self.setting.showing == Showing::Shown;
        match relay {
            Some(relay) if !embedded => {
                let code = Zeroizing::new(messages::addressed(code, relay));
                self.line.with(&Found { code: &code, listening: None, named })
            }
            listening => self.line.with(&Found { code, listening, named }),
        }
    }
}

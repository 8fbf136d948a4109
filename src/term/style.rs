//! The little colour there is.

use std::io::IsTerminal as _;

/// Whether to emphasise. Decided once, for standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    on: bool,
}

impl Style {
    /// No emphasis at all.
    pub const PLAIN: Style = Style { on: false };

    /// The same for standard output.
    #[must_use]
    pub fn for_stdout() -> Style {
        Style { on: Style::wanted() && std::io::stdout().is_terminal() }
    }

    /// What suits standard error: a terminal that understands escapes, and no `NO_COLOR` in the environment.
    #[must_use]
    pub fn for_stderr() -> Style {
        Style { on: Style::wanted() && std::io::stderr().is_terminal() }
    }

    fn wanted() -> bool {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        // An old Windows console shows escapes as they are, and asking it to stop needs unsafe code.
        cfg!(unix) && !unwanted && !dumb()
    }

    /// Whether there is any.
    #[must_use]
    pub fn is_on(self) -> bool {
        self.on
    }

    /// What should be seen first.
    #[must_use]
    pub fn strong(self, text: &str) -> String {
        self.wrap("1", text)
    }

    /// What went wrong.
    #[must_use]
    pub fn alarm(self, text: &str) -> String {
        self.wrap("1;31", text)
    }

    fn wrap(self, code: &str, text: &str) -> String {
        if self.on { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// Whether the terminal says that it obeys no escape sequences.
pub(super) fn dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|term| term == "dumb")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_is_plain() {
        assert_eq!(Style::PLAIN.strong("x") + &Style::PLAIN.alarm("y"), "xy");
        assert_eq!(Style { on: true }.strong("x"), "\x1b[1mx\x1b[0m");
    }
}

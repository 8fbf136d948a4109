//! The questions to the person, one at a time, and what their answers mean.

use crate::cli::messages;
use crate::events::{Conflict, Decision, Offer, Resolution};
use crate::term::tty::Tty;

use super::Console;

impl Console {
    /// Whether to take what is offered. Where nobody can be asked, nobody agrees.
    pub(super) async fn ask_accept(&self, offer: Offer) -> bool {
        let (Some(tty), Some(out)) = (&self.tty, &self.setting.out) else { return false };
        let asking = Asking::begin(self, tty);
        let question = messages::question(&offer, out);
        self.show(offer);
        asking
            .until_answered(&question, yes_or_no, || {
                tty.about(&messages::offer(&self.state().offer));
            })
            .await
    }

    pub(super) async fn ask_verify(&self, string: String) -> bool {
        let Some(tty) = &self.tty else { return false };
        let shown = messages::verify(&string);
        Asking::begin(self, tty)
            .until_answered(messages::VERIFY_QUESTION, yes_or_no, || tty.line(&shown))
            .await
    }

    /// What to do about something that is there already.
    pub(super) async fn ask_decision(&self, conflict: Conflict) -> Decision {
        let Some(tty) = &self.tty else { return SKIP_ALL };
        let shown = messages::conflict(&conflict);
        Asking::begin(self, tty)
            .until_answered(messages::CONFLICT_QUESTION, decision, || tty.line(&shown))
            .await
    }
}

/// While it lives, a question stands on the terminal and there is no status line. The transfer may end before the
/// answer, so the end is in `drop`.
struct Asking<'a> {
    console: &'a Console,
    tty: &'a Tty,
    answered: bool,
}

impl<'a> Asking<'a> {
    fn begin(console: &'a Console, tty: &'a Tty) -> Asking<'a> {
        console.queue.hold();
        Asking { console, tty, answered: false }
    }

    /// Asks again after what `read` takes for no answer; `above` writes what the question is about.
    async fn until_answered<A>(
        mut self,
        question: &str,
        read: fn(Option<&str>) -> Option<A>,
        above: impl Fn(),
    ) -> A {
        loop {
            above();
            if let Some(answer) = read(self.tty.ask(question).await.as_deref()) {
                self.answered = true;
                return answer;
            }
        }
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.console.state().offer_shown = false;
        if !self.answered {
            // The cursor still stands behind the question.
            self.tty.line("");
        }
        self.console.queue.release();
    }
}

/// What a line means: Enter alone and the end of the input mean no; `None` means ask again.
fn yes_or_no(line: Option<&str>) -> Option<bool> {
    let Some(line) = line else { return Some(false) };
    match line.trim().to_lowercase().as_str() {
        "y" | "yes" => Some(true),
        "" | "n" | "no" => Some(false),
        _ => None,
    }
}

/// The same for a conflict: Enter alone leaves this one alone, and the end of the input all that follow too.
fn decision(line: Option<&str>) -> Option<Decision> {
    let Some(line) = line.map(str::trim) else { return Some(SKIP_ALL) };
    let (word, for_all) = match line.strip_suffix(" all") {
        Some(word) => (word.trim_end(), true),
        None => (line, matches!(line, "O" | "S" | "R")),
    };
    let resolution = match word.to_lowercase().as_str() {
        "o" | "overwrite" => Resolution::Overwrite,
        "" if !for_all => Resolution::Skip,
        "s" | "skip" => Resolution::Skip,
        "r" | "rename" => Resolution::Rename,
        _ => return None,
    };
    Some(Decision { resolution, for_all })
}

/// Where nobody answers.
const SKIP_ALL: Decision = Decision { resolution: Resolution::Skip, for_all: true };

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_yes_is_yes() {
        let answer = |line: &str| yes_or_no(Some(line));
        assert_eq!(["y", "Y", " yes ", "YES"].map(answer), [Some(true); 4]);
        assert_eq!(["", "n", "No", "\t"].map(answer), [Some(false); 4]);
        assert_eq!(["yy", "ja", "48213-acid"].map(answer), [None; 3]);
        assert_eq!(yes_or_no(None), Some(false));
    }

    #[test]
    fn capitals_and_all_hold_for_all() {
        let answer =
            |line: &str| decision(Some(line)).map(|decision| (decision.resolution, decision.for_all));
        for (lines, resolution, for_all) in [
            (["o", " o\t", "overwrite", "Overwrite"], Resolution::Overwrite, false),
            (["O", "o all", "O all", "overwrite all"], Resolution::Overwrite, true),
            (["", "s", "skip", "SKIP"], Resolution::Skip, false),
            (["S", "s all", "skip  all", " S "], Resolution::Skip, true),
            (["r", "rename", "Rename", " r"], Resolution::Rename, false),
            (["R", "r all", "rename all", "R "], Resolution::Rename, true),
        ] {
            assert_eq!(lines.map(answer), [Some((resolution, for_all)); 4]);
        }
        assert_eq!(["y", "all", " all", "oo", "os", "O s"].map(answer), [None; 6]);
        assert_eq!(decision(None), Some(SKIP_ALL));
    }
}

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
        let choices = messages::accept_choices(&offer);
        self.show(offer);
        let about = || messages::offer(&self.state().offer);
        asking.until_answered(about, &question, yes_or_no, choices).await
    }

    pub(super) async fn ask_verify(&self, string: String) -> bool {
        let Some(tty) = &self.tty else { return false };
        let about = || messages::verify(&string);
        let asking = Asking::begin(self, tty);
        asking.until_answered(about, messages::VERIFY_QUESTION, yes_or_no, messages::VERIFY_CHOICES).await
    }

    /// What to do about something that is there already.
    pub(super) async fn ask_decision(&self, conflict: Conflict) -> Decision {
        let Some(tty) = &self.tty else { return SKIP_ALL };
        let about = || messages::conflict(&conflict);
        let asking = Asking::begin(self, tty);
        let choices = messages::CONFLICT_CHOICES;
        asking.until_answered(about, messages::CONFLICT_QUESTION, decision, choices).await
    }
}

/// While it lives, a question stands on the terminal and there is no status line. The transfer may end before the
/// answer, so the end is in `drop`.
struct Asking<'a> {
    console: &'a Console,
    tty: &'a Tty,
}

impl<'a> Asking<'a> {
    fn begin(console: &'a Console, tty: &'a Tty) -> Asking<'a> {
        console.queue.hold();
        console.state().begin_pause(console.started.elapsed());
        Asking { console, tty }
    }

    /// Asks below the lines of what it is about. After what `read` takes for no answer it says what the `choices` are and asks again.
    async fn until_answered<A>(
        self,
        about: impl Fn() -> String,
        question: &str,
        read: fn(Option<&str>) -> Option<A>,
        choices: &str,
    ) -> A {
        loop {
            if let Some(answer) = read(self.tty.ask_about(&about(), question).await.as_deref()) {
                return answer;
            }
            self.tty.line(choices);
        }
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        let mut state = self.console.state();
        state.offer_shown = false;
        state.end_pause(self.console.started.elapsed());
        drop(state);
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

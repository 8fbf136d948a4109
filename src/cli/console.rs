//! The person at the terminal, as the handler of a transfer.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use smol::Timer;

use crate::events::{Answer, Cancel, Event, Handler, Offer, Progress, Question, Report};
use crate::net::RelayUrl;
use crate::term::meter::Meter;
use crate::term::screen::{Screen, write_stdout};
use crate::term::style::Style;
use crate::term::tty::Tty;

use super::messages::{self, Invite, Side};

/// How much to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Volume {
    /// The code, questions, warnings and errors.
    Quiet,
    /// That, notices and progress.
    Normal,
    /// That, and a line for each entry.
    Verbose,
}

/// What the handler must know besides the events.
#[derive(Debug)]
pub struct Setting {
    /// Which end this is.
    pub side: Side,
    /// How much to print.
    pub volume: Volume,
    /// Where the entries go, on the receiving side.
    pub out: Option<PathBuf>,
    /// What the other side's command needs besides the code.
    pub invite_options: Vec<&'static str>,
    /// Whether the relay's certificate is from an authority that the other side must be told of, too.
    pub private_ca: bool,
}

/// Prints events on standard error, the code on standard output, and asks on the controlling terminal.
#[derive(Debug)]
pub struct Console {
    setting: Setting,
    style: Style,
    screen: Screen,
    tty: Option<Tty>,
    cancel: Cancel,
    started: Instant,
    state: Mutex<State>,
    stdout_closed: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    meter: Meter,
    progress: Option<Progress>,
    /// The latest.
    offer: Offer,
    /// Whether the person has seen one.
    offer_seen: bool,
    /// The accept question stands on the terminal.
    asking: bool,
}

impl Console {
    /// A console; `cancel` is pulled where nobody reads the code.
    pub fn new(setting: Setting, tty: Option<Tty>, cancel: Cancel) -> Console {
        Console {
            style: Style::for_stderr(),
            screen: Screen::new(setting.volume != Volume::Quiet),
            setting,
            tty,
            cancel,
            started: Instant::now(),
            state: Mutex::default(),
            stdout_closed: AtomicBool::new(false),
        }
    }

    /// Keeps the status line true while nothing arrives. Never ends by itself.
    pub async fn keep_painting<T>(&self) -> T {
        loop {
            Timer::after(REPAINT).await;
            self.paint();
        }
    }

    /// Takes the status line away and tells the end.
    pub fn conclude(&self, report: &Report) {
        self.screen.clear();
        if report.failed > 0 {
            self.screen.line(&messages::failures(report));
        }
        self.notice(&messages::summary(self.setting.side, report, self.setting.out.as_deref()));
    }

    /// Takes the status line away.
    pub fn finish(&self) {
        self.screen.clear();
    }

    /// Whether nobody reads standard output any more.
    pub fn stdout_closed(&self) -> bool {
        self.stdout_closed.load(Ordering::SeqCst)
    }

    fn invite(&self, code: &str, relays: &[RelayUrl], embedded: bool) {
        let Setting { side, ref invite_options, private_ca, .. } = self.setting;
        let invite = Invite { from: side, code, relays, embedded, options: invite_options, private_ca };
        self.notice(messages::GIVE_CODE);
        if write_stdout(&invite.code_line()).is_err() {
            self.stdout_closed.store(true, Ordering::SeqCst);
            self.cancel.cancel();
            return;
        }
        self.notice(&invite.after(self.style));
    }

    fn offered(&self, offer: Offer) {
        let mut state = self.state();
        if let Some(tty) = self.tty.as_ref().filter(|_| state.asking) {
            tty.replace_above(&messages::offer(&offer));
        }
        state.offer = offer;
    }

    /// Whoever was asked has seen the offer; with `--yes` nobody was.
    fn accepted(&self) {
        let state = self.state();
        if self.setting.side == Side::Receive && !state.offer_seen {
            self.notice(&messages::offer(&state.offer));
        }
    }

    fn progressed(&self, progress: Progress) {
        let mut state = self.state();
        state.meter.observe(self.started.elapsed(), progress.bytes_done);
        state.progress = Some(progress);
        drop(state);
        self.paint();
    }

    fn paint(&self) {
        if !self.screen.has_status() {
            return;
        }
        let mut state = self.state();
        let Some(progress) = state.progress.clone() else { return };
        state.meter.observe(self.started.elapsed(), progress.bytes_done);
        let line = messages::status(&progress, &state.meter);
        drop(state);
        self.screen.paint(&line);
    }

    /// Whether to take what is offered. Where nobody can be asked, nobody agrees.
    async fn ask_accept(&self, offer: Offer) -> bool {
        let (Some(tty), Some(out)) = (&self.tty, &self.setting.out) else { return false };
        let asking = Asking::begin(self, tty, offer);
        let question = messages::accept_question(out);
        loop {
            tty.line_cut(&messages::offer(&self.state().offer));
            if let Some(answer) = yes_or_no(tty.ask(&question).await) {
                asking.answered();
                return answer;
            }
        }
    }

    async fn ask_verify(&self, string: String) -> bool {
        let Some(tty) = &self.tty else { return false };
        self.screen.hold();
        let question = messages::verify_question(&string);
        let answer = loop {
            if let Some(answer) = yes_or_no(tty.ask(&question).await) {
                break answer;
            }
        };
        self.screen.release();
        answer
    }

    fn notice(&self, text: &str) {
        if self.setting.volume != Volume::Quiet {
            self.screen.line(text);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Handler for Console {
    fn event(&self, event: Event) {
        match event {
            Event::CodeReady { code, relays, embedded } => self.invite(code.reveal(), &relays, embedded),
            Event::Waiting => self.notice(messages::WAITING),
            Event::PlainRelay(relay) => self.notice(&messages::plain_relay(&relay)),
            // Somebody may be trying to get in: that is no matter of taste, so quiet does not hide it.
            Event::WrongGuess { left } => self.screen.line(&messages::wrong_guess(left)),
            Event::Paired { cipher, encryption_kept } => {
                self.notice(messages::paired(self.setting.side));
                if encryption_kept {
                    self.notice(messages::ENCRYPTION_KEPT);
                }
                if cipher == crate::proto::seal::Mode::Tagged {
                    self.screen.line(messages::READABLE);
                }
            }
            Event::Verify(string) => self.screen.line(&messages::verify(&string)),
            Event::Offer(offer) => self.offered(offer),
            Event::Accepted => self.accepted(),
            Event::Progress(progress) => self.progressed(progress),
            Event::Entry(entry) if self.setting.volume == Volume::Verbose => match entry.failure {
                None => self.screen.line(&messages::delivered(&entry)),
                Some(_) => self.screen.line(&messages::undelivered(&entry)),
            },
            Event::Entry(_) => {}
        }
    }

    fn ask(&self, question: Question) -> Answer<'_> {
        match question {
            Question::Accept(offer) => Box::pin(self.ask_accept(offer)),
            Question::Verify(string) => Box::pin(self.ask_verify(string)),
        }
    }
}

/// While it lives, the accept question stands on the terminal: offers refresh the line above it, and there is no
/// status line. The transfer may end before the answer, so the end is in `drop`.
struct Asking<'a> {
    console: &'a Console,
    tty: &'a Tty,
    answered: bool,
}

impl<'a> Asking<'a> {
    fn begin(console: &'a Console, tty: &'a Tty, offer: Offer) -> Asking<'a> {
        console.screen.hold();
        let mut state = console.state();
        state.offer = offer;
        state.offer_seen = true;
        state.asking = true;
        Asking { console, tty, answered: false }
    }

    fn answered(mut self) {
        self.answered = true;
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.console.state().asking = false;
        if !self.answered {
            // The cursor still stands behind the question.
            self.tty.line("");
        }
        self.console.screen.release();
    }
}

/// What a line means: Enter alone and the end of the input mean no; `None` means ask again.
fn yes_or_no(line: Option<String>) -> Option<bool> {
    let Some(line) = line else { return Some(false) };
    match line.trim().to_lowercase().as_str() {
        "y" | "yes" => Some(true),
        "" | "n" | "no" => Some(false),
        _ => None,
    }
}

/// Often enough for a stall to show, seldom enough to cost nothing.
const REPAINT: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_yes_is_yes() {
        let answer = |line: &str| yes_or_no(Some(line.into()));
        assert_eq!(["y", "Y", " yes ", "YES"].map(answer), [Some(true); 4]);
        assert_eq!(["", "n", "No", "\t"].map(answer), [Some(false); 4]);
        assert_eq!(["yy", "ja", "48213-acid"].map(answer), [None; 3]);
        assert_eq!(yes_or_no(None), Some(false));
    }

    #[test]
    fn without_a_terminal_nobody_agrees() {
        let setting = Setting {
            side: Side::Receive,
            volume: Volume::Quiet,
            out: Some(".".into()),
            invite_options: Vec::new(),
            private_ca: false,
        };
        let console = Console::new(setting, None, Cancel::new());
        smol::block_on(async {
            assert!(!console.ask(Question::Accept(Offer::default())).await);
            assert!(!console.ask(Question::Verify("x".into())).await);
        });
    }
}

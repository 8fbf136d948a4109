//! The person at the terminal, as the handler of a transfer.
//!
//! Nothing here waits for a reader: what is to be printed is put into a [`Queue`].

mod asking;
mod connection;
mod ending;
mod inviting;
mod phase;
mod state;

use std::io::{self, IsTerminal as _};
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use smol::Timer;

use crate::events::{Answer, Cancel, Conflict, Deciding, Event, Handler, Offer, Progress, Question};
use crate::net::RelayUrl;
use crate::term::queue::Queue;
use crate::term::style::Style;
use crate::term::tty::Tty;

use super::code::Doubt;
use super::line::Line;
use super::messages::{self, Side};
use phase::Phase;
use state::State;

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
    /// Standard output is a program's.
    pub json: bool,
    /// Whether this side's person is asked to compare the string.
    pub verify: bool,
    /// Where the entries go, on the receiving side.
    pub out: Option<PathBuf>,
    /// Whether what arrived in part is kept for the next time.
    pub resumes: bool,
    /// What the other side's command needs besides the code.
    pub invite_options: Vec<&'static str>,
    /// Whether the relay's certificate is from an authority that the other side must be told of, too.
    pub private_ca: bool,
    /// What the relay is shown.
    pub showing: Showing,
}

/// What becomes of this side's token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Showing {
    /// There is none, or no relay that is shown one.
    None,
    /// The relay is shown it.
    Shown,
    /// There is one in the environment, and it is not meant for this relay.
    Withheld(RelayUrl),
}

/// Prints events on standard error, the code on standard output, and asks on the controlling terminal.
#[derive(Debug)]
pub struct Console {
    setting: Setting,
    line: Line,
    style: Style,
    queue: Arc<Queue>,
    tty: Option<Tty>,
    cancel: Cancel,
    started: Instant,
    state: Mutex<State>,
    stdout_closed: Arc<AtomicBool>,
    /// The code is shown for phones too.
    qr: bool,
}

impl Console {
    /// A console for the command `line`; `cancel` is pulled where nobody reads the code.
    pub fn new(setting: Setting, line: Line, queue: Arc<Queue>, tty: Option<Tty>, cancel: Cancel) -> Console {
        Console {
            style: Style::for_stderr(),
            setting,
            line,
            queue,
            tty,
            cancel,
            started: Instant::now(),
            state: Mutex::new(State::new()),
            stdout_closed: Arc::default(),
            qr: false,
        }
    }

    /// The same, which shows codes for phones too if `qr`.
    pub fn with_qr(self, qr: bool) -> Console {
        Console { qr, ..self }
    }

    /// Keeps the status line true while nothing arrives. Never ends by itself.
    pub async fn keep_painting<T>(&self) -> T {
        loop {
            Timer::after(REPAINT).await;
            self.paint();
        }
    }

    /// Points at what may be mistyped in a code that nobody was asked about.
    pub fn doubt(&self, doubt: &Doubt) {
        self.notice(messages::doubted(doubt, !io::stderr().is_terminal()));
    }

    /// Tells, before anything is dialled, that the relay is not shown the token.
    pub fn tell_of_token(&self) {
        if let Showing::Withheld(relay) = &self.setting.showing {
            self.notice(messages::token_withheld(relay));
        }
    }

    /// The relay that is not shown the token in the environment, if there is one.
    pub fn withholds_token_from(&self) -> Option<&RelayUrl> {
        match &self.setting.showing {
            Showing::Withheld(relay) => Some(relay),
            Showing::None | Showing::Shown => None,
        }
    }

    /// Whether the relay is shown a token.
    pub fn shows_token(&self) -> bool {
        self.setting.showing == Showing::Shown
    }

    fn offered(&self, offer: Offer) {
        let mut state = self.state();
        let shown = self.tty.as_ref().filter(|_| state.offer_shown);
        if let Some(tty) = shown {
            tty.replace_about(&messages::offer(&offer));
        }
        state.offer = offer;
        // The other side has compared.
        let is_compared = matches!(state.phase, Phase::Unverified) && self.setting.side == Side::Receive;
        drop(state);
        if is_compared {
            self.enter(Phase::Undecided);
        }
    }

    /// From here on the offer stands above the question, and grows there.
    fn show(&self, offer: Offer) {
        let mut state = self.state();
        state.offer = offer;
        state.offer_seen = true;
        state.offer_shown = true;
    }

    /// Whoever was asked has seen the offer; with `--yes` nobody was.
    fn accepted(&self) {
        self.enter(Phase::Moving);
        let mut state = self.state();
        state.accepted = true;
        if !state.offer_seen {
            state.offer_seen = true;
            self.notice(match self.setting.side {
                Side::Send => messages::sending(&state.offer),
                Side::Receive => messages::offer(&state.offer),
            });
        }
    }

    fn progressed(&self, progress: Progress) {
        let mut state = self.state();
        state.observe(self.started.elapsed(), &progress);
        state.progress = Some(progress);
        drop(state);
        self.paint();
    }

    fn notice(&self, text: impl Into<String>) {
        if self.setting.volume != Volume::Quiet {
            self.queue.line(text);
        }
    }

    /// A notice that may come as often as somebody else likes, and so is not kept at any price.
    fn pass(&self, text: impl Into<String>) {
        if self.setting.volume != Volume::Quiet {
            self.queue.passing_line(text);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Handler for Console {
    fn event(&self, event: Event) {
        match event {
            Event::CodeReady { code, relays, embedded } => {
                self.waits_at(relays.first(), embedded);
                self.invite(code.reveal(), &relays, embedded);
            }
            Event::Waiting { code, relay } => {
                self.waits_at(Some(&relay), false);
                self.await_other(code.reveal(), &relay);
            }
            Event::RelayLost { what } => self.relay_lost(&what),
            Event::RelayBusy { what, again } => self.relay_busy(&what, again),
            Event::RelayBack => {
                self.enter(Phase::Waiting);
                self.pass(messages::RELAY_BACK);
            }
            Event::Renamed { path, name } => self.notice(messages::renamed(&path, &name)),
            Event::PlainRelay(relay) => {
                let text = messages::plain_relay(&relay, self.setting.showing == Showing::Shown);
                // Who reads a token uses the relay in this person's name.
                if self.setting.showing == Showing::Shown { self.queue.line(text) } else { self.notice(text) }
            }
            Event::TokenWanted(relay) => self.notice(messages::token_wanted(&relay)),
            // Somebody may be trying to get in: that is no matter of taste, so quiet does not hide it.
            Event::WrongGuess { left } => self.queue.line(messages::wrong_guess(left)),
            Event::Paired { cipher, encryption_kept } => self.paired(cipher, encryption_kept),
            // The question that follows shows it. A person who is not asked reads it out to the one who is.
            Event::Verify(_) if self.setting.verify => {}
            Event::Verify(string) => {
                self.queue.line(messages::verify_there(&string));
                self.enter(Phase::Unverified);
                self.paint();
            }
            Event::Offer(offer) => self.offered(offer),
            Event::Accepted => self.accepted(),
            Event::Progress(progress) => self.progressed(progress),
            Event::Entry(entry) if self.setting.volume == Volume::Verbose => match entry.failure {
                None => self.queue.passing_line(messages::delivered(&entry)),
                Some(_) => self.queue.passing_line(messages::undelivered(&entry)),
            },
            Event::Disconnected { what, retry } => self.disconnected(&what, retry),
            Event::Reconnected => self.reconnected(),
            Event::Restarted => {
                self.reconnected();
                self.notice(messages::RESTARTED);
            }
            // As many as there are entries.
            Event::KeptBoth { path, name } => self.pass(messages::kept_both(&path, &name)),
            Event::Lanes(lanes) => self.lanes(lanes),
            // In place of the file that it is not; a program has it already.
            Event::Text(_) if self.setting.json => {}
            Event::Text(text) => self.print(messages::shown_text(&text, io::stdout().is_terminal()), None),
            Event::Entry(_) => {}
        }
    }

    fn ask(&self, question: Question) -> Answer<'_> {
        match question {
            Question::Accept(offer) => Box::pin(self.ask_accept(offer)),
            Question::Verify(string) => Box::pin(self.ask_verify(string)),
        }
    }

    fn decide(&self, conflict: Conflict) -> Deciding<'_> {
        Box::pin(self.ask_decision(conflict))
    }
}

/// Often enough for a stall to show, seldom enough to cost nothing.
const REPAINT: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests;

//! The person at the terminal, as the handler of a transfer.
//!
//! Nothing here waits for a reader: what is to be printed is put into a [`Queue`].

mod asking;
mod phase;

use std::io::{self, IsTerminal as _};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use smol::Timer;
use zeroize::Zeroizing;

use crate::events::{Answer, Cancel, Conflict, Deciding, Event, Handler, Offer, Progress, Question, Report};
use crate::net::RelayUrl;
use crate::proto::role::Role;
use crate::proto::seal::Mode;
use crate::term::meter::Meter;
use crate::term::milestones::Milestones;
use crate::term::queue::Queue;
use crate::term::style::Style;
use crate::term::tty::Tty;
use crate::term::{locale, qr, screen};
use crate::{Error, Kind};

use super::code::Doubt;
use super::json::Invitation;
use super::line::{Found, Line};
use super::messages::{self, Invite, Side, Way};
use phase::Phase;

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

#[derive(Debug)]
struct State {
    phase: Phase,
    /// When that began.
    since: Instant,
    /// How long the other side is waited for.
    wait: Option<Duration>,
    /// Until when the relay wants to be left alone.
    busy: Option<Instant>,
    way: Way,
    meter: Meter,
    /// The same of what is compared instead of sent.
    compared: Meter,
    milestones: Milestones,
    progress: Option<Progress>,
    /// The latest.
    offer: Offer,
    /// Whether the person has seen one.
    offer_seen: bool,
    /// Whether it stands on the terminal now, above the question.
    offer_shown: bool,
    /// The person on the receiving side agreed.
    accepted: bool,
    /// Until when a lost connection is looked for.
    lost: Option<Instant>,
    /// The command that goes on with the code that was made here.
    again: Option<Zeroizing<String>>,
}

impl State {
    fn new() -> State {
        State {
            phase: Phase::default(),
            since: Instant::now(),
            wait: None,
            busy: None,
            way: Way::default(),
            meter: Meter::default(),
            compared: Meter::default(),
            milestones: Milestones::default(),
            progress: None,
            offer: Offer::default(),
            offer_seen: false,
            offer_shown: false,
            accepted: false,
            lost: None,
            again: None,
        }
    }
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

    /// Takes the status line away and tells the end. Returns what it came to, if not everything was delivered.
    pub fn conclude(&self, report: &Report) -> Option<Kind> {
        self.queue.clear();
        if report.failed > 0 {
            // A program has an event for each.
            let is_listed = self.setting.json && self.setting.volume == Volume::Quiet;
            self.queue.line(if is_listed {
                messages::failures_counted(self.style, report)
            } else {
                messages::failures(self.setting.side, report)
            });
        }
        // A text goes nowhere but before the person.
        let out = self.setting.out.as_deref().filter(|_| !self.state().offer.text);
        self.notice(messages::summary(self.setting.side, report, out));
        self.notice(messages::way(&self.state().way));
        let trouble = match self.setting.side {
            Side::Send => report.shortfall(Role::Send),
            // What does not fit into a stream is no trouble of a disk.
            Side::Receive if self.stdout_is_data() => report.shortfall(Role::Send),
            Side::Receive => report.shortfall(Role::Receive),
        };
        if let Some(kind) = trouble {
            self.tell_how_to_go_on(kind);
        }
        trouble
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

    /// Takes the status line away and tells why there is no report.
    pub fn fail(&self, error: &Error) {
        self.queue.clear();
        self.queue.line(messages::error(self.style, error));
        self.tell_how_to_go_on(error.kind());
    }

    /// After an end that the same command can mend, once something may have arrived.
    fn tell_how_to_go_on(&self, kind: Kind) {
        let mendable = [Kind::ConnectionLost, Kind::Disk, Kind::Refused, Kind::Interrupted];
        let mut state = self.state();
        let is_once_only = state.offer.streams > 0 || !self.line.can_go_on();
        if !state.accepted || !mendable.contains(&kind) || is_once_only {
            return;
        }
        let again = state.again.take().unwrap_or_else(|| self.line.typed());
        drop(state);
        self.notice(messages::going_on(self.setting.resumes, &again, self.line.lacks_token()));
    }

    /// Takes the status line away.
    pub fn finish(&self) {
        self.queue.clear();
    }

    /// Whether `error` came of nobody reading standard output any more.
    pub fn stdout_closed(&self, error: &Error) -> bool {
        self.stdout_closed.load(Ordering::SeqCst) || (self.stdout_is_data() && is_broken_pipe(error))
    }

    /// Whether the file that is received goes to standard output.
    fn stdout_is_data(&self) -> bool {
        self.setting.out.as_deref().is_some_and(|out| out.as_os_str() == "-")
    }

    /// Who was given the code may still have to tell the other side; a receiver got it from there.
    fn await_other(&self, code: &str, relay: &RelayUrl) {
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

    fn invite(&self, code: &str, relays: &[RelayUrl], embedded: bool) {
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
    fn print(&self, line: String, after: Option<String>) {
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

    fn offered(&self, offer: Offer) {
        let mut state = self.state();
        let shown = self.tty.as_ref().filter(|_| state.offer_shown);
        if let (Some(tty), Some(out)) = (shown, &self.setting.out) {
            tty.replace_about(&messages::offer(&offer), &messages::question(&offer, out));
        }
        state.offer = offer;
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
        if self.setting.side == Side::Receive && !state.offer_seen {
            state.offer_seen = true;
            self.notice(messages::offer(&state.offer));
        }
    }

    fn disconnected(&self, what: &str, retry: Duration) {
        let mut state = self.state();
        state.lost = Instant::now().checked_add(retry);
        state.way.losses = state.way.losses.saturating_add(1);
        drop(state);
        if self.tells_of_connections() {
            self.queue.passing_line(messages::disconnected(what, retry));
        }
        self.paint();
    }

    fn reconnected(&self) {
        let mut state = self.state();
        (state.lost, state.busy) = (None, None);
        // The time without a connection says nothing about the network.
        state.restart_meters();
        drop(state);
        if self.tells_of_connections() {
            self.queue.passing_line(messages::RECONNECTED);
        }
        self.paint();
    }

    /// The status line tells it, where there is one. A connection may come and go for as long as it likes, so its lines
    /// are not kept at any price.
    fn tells_of_connections(&self) -> bool {
        match self.setting.volume {
            Volume::Quiet => false,
            Volume::Normal => !self.queue.has_status(),
            Volume::Verbose => true,
        }
    }

    fn progressed(&self, progress: Progress) {
        let mut state = self.state();
        state.observe(self.started.elapsed(), &progress);
        state.progress = Some(progress);
        drop(state);
        self.paint();
    }

    /// The relay wants to be left alone for a while.
    fn relay_busy(&self, what: &str, again: Duration) {
        self.state().busy = Instant::now().checked_add(again);
        // A relay may come and go for as long as it likes, so its lines are not kept at any price.
        self.pass(messages::relay_busy(what, again));
        self.paint();
    }

    fn relay_lost(&self, what: &str) {
        self.enter(Phase::Away);
        self.pass(messages::relay_lost(what));
        self.paint();
    }

    fn waits_at(&self, relay: Option<&RelayUrl>, embedded: bool) {
        self.state().way.at(relay, embedded);
        self.enter(Phase::Waiting);
    }

    fn paired(&self, cipher: Mode, encryption_kept: bool) {
        self.state().way.cipher = Some(cipher);
        self.notice(messages::paired(self.setting.side, self.queue.has_status()));
        if encryption_kept {
            self.notice(messages::ENCRYPTION_KEPT);
        }
        if cipher == Mode::Tagged {
            self.queue.line(messages::READABLE);
        }
        self.enter(Phase::Undecided);
        self.paint();
    }

    fn lanes(&self, lanes: u8) {
        let mut state = self.state();
        state.way.lanes = state.way.lanes.max(lanes);
        drop(state);
        if self.setting.volume == Volume::Verbose {
            self.queue.passing_line(messages::lanes(lanes));
        }
    }

    fn notice(&self, text: impl Into<String>) {
        if self.setting.volume != Volume::Quiet {
            self.queue.line(text);
        }
    }

    /// A notice that may come as often as somebody else likes.
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
            // Somebody may be trying to get in: that is no matter of taste, so quiet does not hide it.
            Event::WrongGuess { left } => self.queue.line(messages::wrong_guess(left)),
            Event::Paired { cipher, encryption_kept } => self.paired(cipher, encryption_kept),
            // The question that follows shows it. A person who is not asked reads it out to the one who is.
            Event::Verify(_) if self.setting.verify => {}
            Event::Verify(string) => self.queue.line(messages::verify(&string)),
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

fn is_broken_pipe(error: &Error) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        if error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe) {
            return true;
        }
        cause = error.source();
    }
    false
}

/// Often enough for a stall to show, seldom enough to cost nothing.
const REPAINT: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests;

//! The person at the terminal, as the handler of a transfer.
//!
//! Nothing here waits for a reader: what is to be printed is put into a [`Queue`].

use std::io::{self, IsTerminal as _};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use smol::Timer;

use crate::Error;
use crate::events::{Answer, Cancel, Event, Handler, Offer, Progress, Question, Report};
use crate::net::RelayUrl;
use crate::proto::code::Code;
use crate::term::meter::Meter;
use crate::term::queue::Queue;
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
    /// Whether this side's person is asked to compare the string.
    pub verify: bool,
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
    queue: Arc<Queue>,
    tty: Option<Tty>,
    cancel: Cancel,
    started: Instant,
    state: Mutex<State>,
    stdout_closed: Arc<AtomicBool>,
}

#[derive(Debug, Default)]
struct State {
    meter: Meter,
    progress: Option<Progress>,
    /// The latest.
    offer: Offer,
    /// Whether the person has seen one.
    offer_seen: bool,
    /// Whether it stands on the terminal now, above the question.
    offer_shown: bool,
    /// The person on the receiving side agreed.
    accepted: bool,
}

impl Console {
    /// A console; `cancel` is pulled where nobody reads the code.
    pub fn new(setting: Setting, queue: Arc<Queue>, tty: Option<Tty>, cancel: Cancel) -> Console {
        Console {
            style: Style::for_stderr(),
            setting,
            queue,
            tty,
            cancel,
            started: Instant::now(),
            state: Mutex::default(),
            stdout_closed: Arc::default(),
        }
    }

    /// Keeps the status line true while nothing arrives. Never ends by itself.
    pub async fn keep_painting<T>(&self) -> T {
        loop {
            Timer::after(REPAINT).await;
            self.paint();
        }
    }

    /// Points at what may be mistyped in a code that nobody was asked about.
    pub fn doubt(&self, code: &Code) {
        let unknown = code.unknown_words();
        if !unknown.is_empty() {
            self.notice(messages::unknown_words(&unknown));
        }
    }

    /// Takes the status line away and tells the end.
    pub fn conclude(&self, report: &Report) {
        self.queue.clear();
        if report.failed > 0 {
            self.queue.line(messages::failures(report));
        }
        self.notice(messages::summary(self.setting.side, report, self.setting.out.as_deref()));
    }

    /// Takes the status line away and tells why there is no report.
    pub fn fail(&self, error: &Error) {
        self.queue.clear();
        self.queue.line(messages::error(self.style, error));
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
        let invite =
            Invite { from: side, code, relays, embedded: false, options: invite_options, private_ca };
        match side {
            Side::Send => self.notice(invite.waiting(self.style)),
            Side::Receive => self.notice(messages::WAITING),
        }
    }

    fn invite(&self, code: &str, relays: &[RelayUrl], embedded: bool) {
        let Setting { side, ref invite_options, private_ca, .. } = self.setting;
        let invite = Invite { from: side, code, relays, embedded, options: invite_options, private_ca };
        // A code that goes elsewhere leaves nothing for the heading to stand above.
        if self.stdout_is_data() || io::stdout().is_terminal() {
            self.notice(messages::GIVE_CODE);
        }
        let after = (self.setting.volume != Volume::Quiet).then(|| invite.after(self.style));
        if self.stdout_is_data() {
            self.queue.line(invite.code_line());
            if let Some(after) = after {
                self.queue.line(after);
            }
            return;
        }
        let (closed, cancel) = (Arc::clone(&self.stdout_closed), self.cancel.clone());
        let unread = move || {
            closed.store(true, Ordering::SeqCst);
            cancel.cancel();
        };
        self.queue.print(invite.code_line(), after, Box::new(unread));
    }

    fn offered(&self, offer: Offer) {
        let mut state = self.state();
        let shown = self.tty.as_ref().filter(|_| state.offer_shown);
        if let (Some(tty), Some(out)) = (shown, &self.setting.out) {
            tty.replace_about(&messages::offer(&offer), &messages::accept_question(out));
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
        let mut state = self.state();
        state.accepted = true;
        // The time that the person took says nothing about the network.
        state.meter = Meter::default();
        if self.setting.side == Side::Receive && !state.offer_seen {
            self.notice(messages::offer(&state.offer));
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
        if self.setting.volume == Volume::Quiet || !self.queue.has_status() {
            return;
        }
        let mut state = self.state();
        // Until the other person has agreed nothing moves, and a line above says so.
        let Some(progress) = state.progress.clone().filter(|_| state.accepted) else { return };
        state.meter.observe(self.started.elapsed(), progress.bytes_done);
        let line = messages::status(&progress, &state.meter);
        drop(state);
        self.queue.paint(line);
    }

    /// Whether to take what is offered. Where nobody can be asked, nobody agrees.
    async fn ask_accept(&self, offer: Offer) -> bool {
        let (Some(tty), Some(out)) = (&self.tty, &self.setting.out) else { return false };
        let asking = Asking::begin(self, tty);
        self.show(offer);
        asking
            .until_answered(&messages::accept_question(out), || {
                tty.about(&messages::offer(&self.state().offer));
            })
            .await
    }

    async fn ask_verify(&self, string: String) -> bool {
        let Some(tty) = &self.tty else { return false };
        let shown = messages::verify(&string);
        Asking::begin(self, tty).until_answered(messages::VERIFY_QUESTION, || tty.line(&shown)).await
    }

    fn notice(&self, text: impl Into<String>) {
        if self.setting.volume != Volume::Quiet {
            self.queue.line(text);
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
            Event::Waiting { code, relay } => self.await_other(code.reveal(), &relay),
            // A relay may come and go for as long as it likes, so these two are not kept at any price.
            Event::RelayLost { what } => self.queue.passing_line(messages::relay_lost(&what)),
            Event::RelayBack if self.setting.volume != Volume::Quiet => {
                self.queue.passing_line(messages::RELAY_BACK);
            }
            Event::Renamed { path, name } => self.queue.line(messages::renamed(&path, &name)),
            Event::PlainRelay(relay) => self.notice(messages::plain_relay(&relay)),
            // Somebody may be trying to get in: that is no matter of taste, so quiet does not hide it.
            Event::WrongGuess { left } => self.queue.line(messages::wrong_guess(left)),
            Event::Paired { cipher, encryption_kept } => {
                self.notice(messages::paired(self.setting.side));
                if encryption_kept {
                    self.notice(messages::ENCRYPTION_KEPT);
                }
                if cipher == crate::proto::seal::Mode::Tagged {
                    self.queue.line(messages::READABLE);
                }
            }
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
            Event::RelayBack
            | Event::Disconnected { .. }
            | Event::Reconnected
            | Event::Restarted
            | Event::KeptBoth { .. }
            | Event::Entry(_) => {}
        }
    }

    fn ask(&self, question: Question) -> Answer<'_> {
        match question {
            Question::Accept(offer) => Box::pin(self.ask_accept(offer)),
            Question::Verify(string) => Box::pin(self.ask_verify(string)),
        }
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

    /// Asks again after what is no answer; `above` writes what the question is about.
    async fn until_answered(mut self, question: &str, above: impl Fn()) -> bool {
        loop {
            above();
            if let Some(answer) = yes_or_no(self.tty.ask(question).await) {
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
    use std::io::{PipeReader, Read as _};

    use super::*;
    use crate::Kind;
    use crate::events::EntryEnd;
    use crate::proto::manifest::KindTag;
    use crate::proto::path::{Name, RelPath};
    use crate::term::queue::PASSING_BYTES_MAX;
    use crate::term::screen::Screen;
    use crate::term::writer::Writer;

    #[test]
    fn only_yes_is_yes() {
        let answer = |line: &str| yes_or_no(Some(line.into()));
        assert_eq!(["y", "Y", " yes ", "YES"].map(answer), [Some(true); 4]);
        assert_eq!(["", "n", "No", "\t"].map(answer), [Some(false); 4]);
        assert_eq!(["yy", "ja", "48213-acid"].map(answer), [None; 3]);
        assert_eq!(yes_or_no(None), Some(false));
    }

    fn console(volume: Volume, queue: Arc<Queue>, tty: Option<Tty>) -> Console {
        let setting = Setting {
            side: Side::Receive,
            volume,
            verify: false,
            out: Some(".".into()),
            invite_options: Vec::new(),
            private_ca: false,
        };
        Console::new(setting, queue, tty, Cancel::new())
    }

    /// Writes what the console says into a pipe, until it is dropped.
    fn writer() -> (Writer, PipeReader) {
        let (reader, err) = io::pipe().unwrap();
        let out = err.try_clone().unwrap();
        (Writer::start(Screen::on(err, out, messages::left_out)).unwrap(), reader)
    }

    fn entry(name: &str) -> EntryEnd {
        let path = RelPath::root().join(&Name::new(name.as_bytes()).unwrap()).unwrap();
        EntryEnd { path, kind: KindTag::File, bytes: 1, failure: None }
    }

    #[test]
    fn nothing_waits_for_a_pipe_that_nobody_reads_and_no_warning_is_lost() {
        let (writer, mut pipe) = writer();
        let console = console(Volume::Verbose, writer.queue(), None);
        let name = "x".repeat(200);
        let entry = entry(&name);
        console.event(Event::WrongGuess { left: 2 });
        // More than the pipe, the writer and the queue hold together.
        for _ in 0..3 * PASSING_BYTES_MAX / name.len() {
            console.event(Event::Entry(entry.clone()));
        }
        console.event(Event::WrongGuess { left: 1 });
        console.conclude(&Report { failed: 1, failures: vec![entry], ..Report::default() });
        let seen = std::thread::spawn(move || {
            let mut seen = String::new();
            pipe.read_to_string(&mut seen).map(|_| seen)
        });
        drop((console, writer));
        let seen = seen.join().unwrap().unwrap();
        assert!(seen.starts_with(&messages::wrong_guess(2)));
        let (_, end) = seen.split_once("… ").unwrap();
        let (_, end) = end.split_once(" lines left out\n").unwrap();
        assert!(
            end.starts_with(&messages::wrong_guess(1)) && end.contains("1 entry was not delivered"),
            "{end}"
        );
    }

    #[test]
    fn a_reader_that_is_slow_gets_every_line() {
        let (writer, mut pipe) = writer();
        let console = console(Volume::Verbose, writer.queue(), None);
        let entry = entry("name");
        for _ in 0..10_000 {
            console.event(Event::Entry(entry.clone()));
        }
        let seen = std::thread::spawn(move || {
            let mut seen = String::new();
            pipe.read_to_string(&mut seen).map(|_| seen)
        });
        drop((console, writer));
        assert_eq!(seen.join().unwrap().unwrap(), "name  1 B\n".repeat(10_000));
    }

    #[test]
    fn a_code_that_nobody_can_read_ends_the_transfer() {
        let (reader, out) = io::pipe().unwrap();
        drop(reader);
        let writer = Writer::start(Screen::on(io::sink(), out, messages::left_out)).unwrap();
        let console = console(Volume::Normal, writer.queue(), None);
        let (code, _) = Code::parse("48213-acid-crane-otter", false).unwrap();
        console.event(Event::CodeReady { code, relays: Vec::new(), embedded: false });
        smol::block_on(console.cancel.cancelled());
        assert!(console.stdout_closed(&Error::new(Kind::Interrupted, "interrupted")));
    }

    #[test]
    fn a_reader_that_went_away_is_told_from_other_trouble() {
        let error = |kind| Error::new(Kind::Disk, "cannot write").caused_by(io::Error::from(kind));
        let (writer, _pipe) = writer();
        let mut console = console(Volume::Quiet, writer.queue(), None);
        assert!(!console.stdout_closed(&error(io::ErrorKind::BrokenPipe)), "entries go into a directory");
        console.setting.out = Some("-".into());
        assert!(console.stdout_closed(&error(io::ErrorKind::BrokenPipe)));
        assert!(!console.stdout_closed(&error(io::ErrorKind::StorageFull)));
    }

    #[test]
    fn without_a_terminal_nobody_agrees() {
        let (writer, _pipe) = writer();
        let console = console(Volume::Quiet, writer.queue(), None);
        smol::block_on(async {
            assert!(!console.ask(Question::Accept(Offer::default())).await);
            assert!(!console.ask(Question::Verify("x".into())).await);
        });
    }

    #[cfg(unix)]
    mod at_a_terminal {
        use futures_lite::future::or;

        use super::*;
        use crate::term::tty::testing::pair;

        fn offer(files: u64) -> Offer {
            Offer { files, ..Offer::default() }
        }

        #[test]
        fn an_offer_grows_above_the_question_until_it_is_answered() {
            let (tty, mut person) = pair();
            let console = console(Volume::Quiet, person.queue(), Some(tty));
            std::thread::scope(|scope| {
                let asked = scope.spawn(|| smol::block_on(console.ask(Question::Accept(offer(1)))));
                person.sees("at least 1 file, size unknown");
                person.sees("[y/N] ");
                console.event(Event::Offer(offer(7)));
                person.sees("at least 7 files, size unknown");
                person.types("perhaps\n");
                person.sees("at least 7 files, size unknown");
                person.sees("[y/N] ");
                person.types("y\n");
                assert!(asked.join().unwrap());
            });
            person.sees("y\r\n");
            console.event(Event::Offer(offer(9)));
            console.tty.as_ref().unwrap().line("end");
            assert_eq!(person.sees("end"), "end", "the offer is left alone once it is answered");
        }

        #[test]
        fn enter_alone_is_no() {
            let (tty, mut person) = pair();
            let console = console(Volume::Quiet, person.queue(), Some(tty));
            std::thread::scope(|scope| {
                let asked = scope.spawn(|| smol::block_on(console.ask(Question::Verify("13-07".into()))));
                person.sees("13-07");
                person.sees("[y/N] ");
                person.types("\n");
                assert!(!asked.join().unwrap());
            });
        }

        #[test]
        fn a_question_that_is_given_up_leaves_the_line() {
            let (tty, mut person) = pair();
            let console = console(Volume::Quiet, person.queue(), Some(tty));
            let asked = async {
                console.ask(Question::Accept(offer(1))).await;
                panic!("nobody answered");
            };
            let given_up = smol::unblock(move || {
                person.sees("[y/N] ");
                person
            });
            let mut person = smol::block_on(or(asked, given_up));
            person.sees("\r\n");
            assert!(!console.state().offer_shown);
        }
    }
}

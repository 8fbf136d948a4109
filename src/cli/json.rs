//! `--json`: what happens, for programs, as `docs/json.md` promises it. One object a line on standard output.
//!
//! A transfer does not wait for whoever reads that: the lines go through a [`Queue`] and a thread of their own, like those for people.

mod lines;

use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::events::{Cancel, Event, Offer, Progress, Report};
use crate::term::json::Object;
use crate::term::meter::Meter;
use crate::term::queue::Queue;
use crate::term::screen::Screen;
use crate::term::writer::Writer;
use crate::{Error, Kind, Result};

use super::log::utc;

pub use lines::Invitation;

/// Says on standard output what happens. Dropping it waits until everything is out, as long as somebody reads.
#[derive(Debug)]
pub struct Events {
    queue: Arc<Queue>,
    broken: Arc<OnceLock<io::ErrorKind>>,
    started: Instant,
    state: Mutex<State>,
    _writer: Writer,
}

#[derive(Debug, Default)]
struct State {
    meter: Meter,
    /// The latest that was not said, and when one was said last.
    progress: Option<Progress>,
    said: Option<Instant>,
    /// The same of offers.
    offer: Option<Offer>,
    offered: Option<Instant>,
}

/// Something that is no event of the library, and that a person is told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Warning {
    /// The hop to the relay can be read.
    PlainRelay,
    /// The token in the environment is not for this relay.
    TokenWithheld,
    /// The relay wants a token from one of the two sides, and this one shows none.
    TokenWanted,
    /// The code has words that are not on the list.
    UnknownWords,
    /// The code has more or fewer words than those that p2pc makes.
    WordCount,
}

impl Events {
    /// Begins to write on standard output. Once that cannot be, or nobody reads it, `cancel` is pulled.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn start(cancel: Cancel) -> Result<Events> {
        Events::on(io::stdout(), cancel)
    }

    fn on(out: impl Write + Send + 'static, cancel: Cancel) -> Result<Events> {
        let broken = Arc::new(OnceLock::new());
        let out = Watched { out, broken: Arc::clone(&broken), cancel };
        // The stream of this screen that takes whole lines, and leaves out what has no room, is here standard output.
        let writer = super::start_writer_on(Screen::on(out, io::sink(), left_out))?;
        let queue = writer.queue();
        Ok(Events { queue, broken, started: Instant::now(), state: Mutex::default(), _writer: writer })
    }

    /// Whether nobody reads any more.
    pub fn is_closed(&self) -> bool {
        self.broken.get() == Some(&io::ErrorKind::BrokenPipe)
    }

    /// What keeps the lines from being written, where that is not the reader: a full disk, say.
    pub fn trouble(&self) -> Option<Error> {
        let kind = self.broken.get().filter(|kind| **kind != io::ErrorKind::BrokenPipe)?;
        Some(Error::new(Kind::Disk, "cannot write to standard output").caused_by(io::Error::from(*kind)))
    }

    /// Says an event of the library. `invitation`: what goes with a code that is ready.
    pub fn event(&self, event: &Event, invitation: Option<&Invitation>) {
        match event {
            Event::Progress(progress) => return self.progressed(progress),
            Event::Offer(offer) => return self.offered(offer),
            Event::Accepted | Event::Reconnected | Event::Restarted => {
                // The time before says nothing about the network.
                self.state().meter = Meter::default();
                self.say_offer();
            }
            _ => {}
        }
        let Some(object) = lines::event(begun, event, invitation) else { return };
        // As many as there are entries, or as a connection likes.
        if matches!(
            event,
            Event::Entry(_)
                | Event::KeptBoth { .. }
                | Event::Disconnected { .. }
                | Event::Reconnected
                | Event::RelayLost { .. }
                | Event::RelayBusy { .. }
                | Event::RelayBack
                | Event::Lanes(_)
        ) {
            self.queue.passing_line(object.end());
        } else {
            self.queue.line(object.end());
        }
    }

    /// Says what a person is warned of.
    pub fn warning(&self, warning: Warning, message: &str) {
        self.queue.line(lines::warning(begun, warning, message).end());
    }

    /// The last line, of a transfer that ended in order.
    pub fn summary(&self, report: &Report, exit_status: u8) {
        self.say_progress();
        self.queue.line(lines::summary(begun, report, exit_status).end());
    }

    /// The last line, of one that did not.
    pub fn error(&self, error: &Error, exit_status: u8) {
        self.queue.line(lines::error(begun, error, exit_status).end());
    }

    fn offered(&self, offer: &Offer) {
        let mut state = self.state();
        let is_due = offer.complete || state.offered.is_none_or(|said| said.elapsed() >= PROGRESS_EVERY);
        state.offer = Some(offer.clone());
        drop(state);
        if is_due {
            self.say_offer();
        }
    }

    /// Says the latest, if it was not said.
    fn say_offer(&self) {
        let mut state = self.state();
        let Some(offer) = state.offer.take() else { return };
        state.offered = Some(Instant::now());
        drop(state);
        self.queue.passing_line(lines::offer(begun, &offer).end());
    }

    fn progressed(&self, progress: &Progress) {
        let mut state = self.state();
        state.meter.observe(self.started.elapsed(), progress.bytes_done);
        if state.progress.as_ref() != Some(progress) {
            state.progress = Some(progress.clone());
        }
        let is_due = state.said.is_none_or(|said| said.elapsed() >= PROGRESS_EVERY);
        drop(state);
        if is_due {
            self.say_progress();
        }
    }

    /// Says the latest, if it was not said.
    fn say_progress(&self) {
        let mut state = self.state();
        let Some(progress) = state.progress.take() else { return };
        state.said = Some(Instant::now());
        let rate = state.meter.bytes_per_second();
        let left = progress.bytes_total.saturating_sub(progress.bytes_done);
        let left = state.meter.time_left(left).filter(|_| progress.complete);
        drop(state);
        self.queue.passing_line(lines::progress(begun, &progress, rate, left).end());
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The whole of what is said where a command line is wrong, without a line's end.
pub fn only_error(error: &Error, exit_status: u8) -> String {
    lines::error(begun, error, exit_status).end()
}

/// A line with what every one has.
fn begun(event: &str) -> Object {
    let mut object = Object::new();
    object.text("time", &utc(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()));
    object.text("event", event);
    object
}

/// Stands for events that came faster than they were read.
fn left_out(events: u64) -> String {
    lines::left_out(begun, events).end()
}

/// Standard output, with somebody who wants to know when nobody reads it.
struct Watched<W> {
    out: W,
    broken: Arc<OnceLock<io::ErrorKind>>,
    cancel: Cancel,
}

impl<W: Write> Watched<W> {
    fn watch<T>(&self, done: io::Result<T>) -> io::Result<T> {
        if let Err(error) = &done {
            let _ = self.broken.set(error.kind());
            self.cancel.cancel();
        }
        done
    }
}

impl<W: Write> Write for Watched<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Whole lines come here, and each is out before the next is begun.
        let written = self.out.write_all(bytes).and_then(|()| self.out.flush());
        self.watch(written.map(|()| bytes.len()))
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = self.out.flush();
        self.watch(flushed)
    }
}

/// As often as a program or its person looks, and seldom enough for a log.
const PROGRESS_EVERY: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;

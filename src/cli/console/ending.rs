//! The end of a transfer, and how to go on where it was none.

use std::io;
use std::sync::atomic::Ordering;

use crate::cli::messages::{self, Side};
use crate::events::Report;
use crate::proto::role::Role;
use crate::{Error, Kind};

use super::{Console, Volume};

impl Console {
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
        let state = self.state();
        let took = report.elapsed.saturating_sub(state.pauses.total());
        let out = self.setting.out.as_deref();
        self.notice(messages::summary(self.setting.side, &state.offer, report, took, out));
        self.notice(messages::way(&state.way));
        match self.setting.side {
            Side::Send => report.shortfall(Role::Send),
            // What does not fit into a stream is no trouble of a disk.
            Side::Receive if self.stdout_is_data() => report.shortfall(Role::Send),
            Side::Receive => report.shortfall(Role::Receive),
        }
    }

    /// Takes the status line away and tells why there is no report.
    pub fn fail(&self, error: &Error) {
        self.queue.clear();
        self.queue.line(messages::error(self.style, error));
        self.tell_how_to_go_on(error.kind());
    }

    /// After a transfer that broke off, and that the same command can finish, once something may have arrived.
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
    pub(super) fn stdout_is_data(&self) -> bool {
        self.setting.out.as_deref().is_some_and(|out| out.as_os_str() == "-")
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

//! The way to the other side: found, lost and found again.

use std::time::{Duration, Instant};

use crate::cli::messages;
use crate::net::RelayUrl;
use crate::proto::seal::Mode;

use super::phase::Phase;
use super::{Console, Volume};

impl Console {
    pub(super) fn waits_at(&self, relay: Option<&RelayUrl>, embedded: bool) {
        self.state().way.at(relay, embedded);
        self.enter(Phase::Waiting);
    }

    pub(super) fn paired(&self, cipher: Mode, encryption_kept: bool) {
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

    /// The relay wants to be left alone for a while.
    pub(super) fn relay_busy(&self, what: &str, again: Duration) {
        self.state().busy = Instant::now().checked_add(again);
        self.pass(messages::relay_busy(what, again));
        self.paint();
    }

    pub(super) fn relay_lost(&self, what: &str) {
        self.enter(Phase::Away);
        self.pass(messages::relay_lost(what));
        self.paint();
    }

    pub(super) fn disconnected(&self, what: &str, retry: Duration) {
        let mut state = self.state();
        state.lost = Instant::now().checked_add(retry);
        state.way.losses = state.way.losses.saturating_add(1);
        drop(state);
        if self.tells_of_connections() {
            self.queue.passing_line(messages::disconnected(what, retry));
        }
        self.paint();
    }

    pub(super) fn reconnected(&self) {
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

    pub(super) fn lanes(&self, lanes: u8) {
        let mut state = self.state();
        state.way.lanes = state.way.lanes.max(lanes);
        drop(state);
        if self.setting.volume == Volume::Verbose {
            self.queue.passing_line(messages::lanes(lanes));
        }
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
}

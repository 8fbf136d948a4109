//! What is happening, for the status line of a terminal and the milestones of a log.

use std::time::{Duration, Instant};

use crate::cli::messages::{self, Way};
use crate::events::Progress;
use crate::net::RelayUrl;
use crate::net::dial::DialOptions;
use crate::term::meter::Meter;
use crate::term::milestones::Milestones;
use crate::term::pauses::Pauses;

use super::state::State;
use super::{Console, Volume};

/// How far two sides have come with each other.
#[derive(Clone, Debug, Default)]
pub(super) enum Phase {
    /// Nothing is known yet.
    #[default]
    Beginning,
    /// The relay is dialled.
    Reaching(RelayUrl),
    /// The other side is awaited.
    Waiting,
    /// The relay cannot be reached meanwhile.
    Away,
    /// Both are there; somebody has yet to agree.
    Undecided,
    /// Data moves, or should.
    Moving,
}

impl Console {
    /// Before anything is dialled: which relay it will be, and how long the other side is waited for.
    pub fn begin(&self, dial: &DialOptions, wait: Option<Duration>) {
        let mut state = self.state();
        state.wait = wait;
        let Some(relay) = &dial.relay else { return };
        state.way.relay = Some(relay.to_string());
        state.way.tls = relay.tls();
        state.way.proxy = dial.proxies.on_the_way_to(relay);
        drop(state);
        self.enter(Phase::Reaching(relay.clone()));
    }

    /// From here on something else is happening.
    pub(super) fn enter(&self, phase: Phase) {
        let mut state = self.state();
        state.since = Instant::now();
        state.busy = None;
        if matches!(phase, Phase::Moving) {
            // The time that the person took says nothing about the network.
            state.restart_meters();
            state.milestones = Milestones::from(self.started.elapsed());
            state.pauses = Pauses::default();
        }
        state.phase = phase;
    }

    pub(super) fn paint(&self) {
        if self.setting.volume == Volume::Quiet {
            return;
        }
        let now = self.started.elapsed();
        let mut state = self.state();
        let progress = state.progress.clone().filter(|_| matches!(state.phase, Phase::Moving));
        if let Some(progress) = &progress {
            state.observe(now, progress);
        }
        if !self.queue.has_status() {
            return self.log(state, progress, now);
        }
        let text = state.status(self.setting.side, progress.as_ref());
        drop(state);
        if let Some(text) = text {
            self.queue.paint(text);
        }
    }

    /// Where no status line can be, a line now and then.
    fn log(&self, mut state: std::sync::MutexGuard<'_, State>, progress: Option<Progress>, now: Duration) {
        let Some(progress) = progress.filter(|_| state.lost.is_none()) else { return };
        if !state.milestones.is_due(now, messages::percent(&progress)) {
            return;
        }
        let text = messages::status(self.setting.side, &progress, &state.meter, state.compares());
        drop(state);
        self.queue.passing_line(text.lines().next().unwrap_or_default().trim_start());
    }
}

impl State {
    pub(super) fn observe(&mut self, now: Duration, progress: &Progress) {
        self.meter.observe(now, progress.bytes_done);
        self.compared.observe(now, progress.bytes_held);
        self.pauses.observe(now, progress.bytes_done);
    }

    /// A question is put to the person.
    pub(super) fn begin_pause(&mut self, now: Duration) {
        self.pauses.begin(now, self.bytes_done());
    }

    /// It is answered, or given up. The time that it took says nothing about the network.
    pub(super) fn end_pause(&mut self, now: Duration) {
        self.pauses.end(now, self.bytes_done());
        self.restart_meters();
    }

    fn bytes_done(&self) -> u64 {
        self.progress.as_ref().map_or(0, |progress| progress.bytes_done)
    }

    pub(super) fn restart_meters(&mut self) {
        self.meter = Meter::default();
        self.compared = Meter::default();
    }

    /// Whether most of what is done now is to compare what is there already.
    fn compares(&self) -> bool {
        let [done, compared] =
            [&self.meter, &self.compared].map(|meter| meter.bytes_per_second().unwrap_or(0));
        compared > done / 2
    }

    fn status(&self, side: messages::Side, progress: Option<&Progress>) -> Option<String> {
        let since = self.since.elapsed();
        let left = |until: Instant| until.saturating_duration_since(Instant::now());
        let busy = self.busy.map(left).filter(|busy| !busy.is_zero());
        if let Some(until) = self.lost {
            return Some(messages::looking(left(until), busy));
        }
        match (&self.phase, busy) {
            (Phase::Moving, _) => {
                progress.map(|progress| messages::status(side, progress, &self.meter, self.compares()))
            }
            (_, Some(busy)) => Some(messages::relay_full(busy)),
            (Phase::Beginning, None) => None,
            (Phase::Reaching(relay), None) => Some(messages::reaching(relay, since)),
            (Phase::Waiting, None) => {
                Some(messages::waiting(since, self.wait.map(|wait| wait.saturating_sub(since))))
            }
            (Phase::Away, None) => Some(messages::relay_away(since)),
            (Phase::Undecided, None) => Some(messages::undecided(side, since)),
        }
    }
}

impl Way {
    /// How the relay that this side found itself at is to be named.
    pub(super) fn at(&mut self, relay: Option<&RelayUrl>, embedded: bool) {
        let Some(relay) = relay else { return };
        self.relay = (!embedded).then(|| relay.to_string());
        self.tls = relay.tls();
    }
}

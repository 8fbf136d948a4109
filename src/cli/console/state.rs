//! What is known of a transfer while it runs.

use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use crate::cli::messages::Way;
use crate::events::{Offer, Progress};
use crate::term::meter::Meter;
use crate::term::milestones::Milestones;
use crate::term::pauses::Pauses;

use super::phase::Phase;

/// All that changes.
#[derive(Debug)]
pub(super) struct State {
    pub(super) phase: Phase,
    /// When that began.
    pub(super) since: Instant,
    /// How long the other side is waited for.
    pub(super) wait: Option<Duration>,
    /// Until when the relay wants to be left alone.
    pub(super) busy: Option<Instant>,
    pub(super) way: Way,
    pub(super) meter: Meter,
    /// The same of what is compared instead of sent.
    pub(super) compared: Meter,
    pub(super) milestones: Milestones,
    /// The time that questions took once data moved.
    pub(super) pauses: Pauses,
    pub(super) progress: Option<Progress>,
    /// The latest.
    pub(super) offer: Offer,
    /// Whether the person has seen one.
    pub(super) offer_seen: bool,
    /// Whether it stands on the terminal now, above the question.
    pub(super) offer_shown: bool,
    /// The person on the receiving side agreed.
    pub(super) accepted: bool,
    /// Until when a lost connection is looked for.
    pub(super) lost: Option<Instant>,
    /// The command that goes on with the code that was made here.
    pub(super) again: Option<Zeroizing<String>>,
}

impl State {
    pub(super) fn new() -> State {
        State {
            phase: Phase::default(),
            since: Instant::now(),
            wait: None,
            busy: None,
            way: Way::default(),
            meter: Meter::default(),
            compared: Meter::default(),
            milestones: Milestones::default(),
            pauses: Pauses::default(),
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

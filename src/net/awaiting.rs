//! For what a side waits in its seat: for the other one, or, where the relay wants a token and this side shows none, for another one that shows it.
//!
//! Nobody who comes without one is let in to it, so a person who is not told waits for nothing. Whoever is in the room can only be waited for:
//! a stranger may have come without a token, and the right side still come with one.

use std::time::Instant;

use super::pair::Pairing;
use super::ws::Connection;
use crate::error::{Error, Kind};
use crate::events::Event;

/// What is known of it.
#[derive(Debug)]
pub(super) struct Awaiting {
    /// Only somebody with a token is let in to the seat taken last.
    token: bool,
    is_told: bool,
}

impl Awaiting {
    /// It has its first seat, and says so if that needs a token.
    pub(super) fn begin(connection: &Connection, pairing: &Pairing<'_>) -> Awaiting {
        let mut awaiting = Awaiting { token: false, is_told: false };
        awaiting.goes_on(connection, pairing);
        awaiting
    }

    /// It has another seat. What was said once is not said again.
    pub(super) fn goes_on(&mut self, connection: &Connection, pairing: &Pairing<'_>) {
        self.token = connection.awaits_token;
        if self.token && !std::mem::replace(&mut self.is_told, true) {
            pairing.handler.event(Event::TokenWanted(pairing.relay.clone()));
        }
    }

    /// The `error` that ends the waiting, in other words where a token is what was missing and the time is over.
    pub(super) fn in_vain(&self, error: Error, until: Option<Instant>, pairing: &Pairing<'_>) -> Error {
        let is_late = until.is_some_and(|until| until <= Instant::now());
        if !(self.token && is_late && error.kind() == Kind::NobodyCame) {
            return error;
        }
        let relay = &pairing.relay;
        let what = format!(
            "the other side did not come in time, or came without a token: the relay {relay} wants one from one of the two"
        );
        Error::new(Kind::NobodyCame, what)
            .hint("Give one with --token, in P2PC_TOKEN or in the configuration, on either side.")
    }
}

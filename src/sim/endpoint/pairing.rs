//! Before there is a session: somebody is looked for in the code's room.

use super::{End, Stage};
use crate::error::{Error, Kind};
use crate::proto::handshake::{Fault, GuessesLeft};
use crate::proto::role::Role;
use crate::sim::net::{Net, Refused};
use crate::sim::seeker::{Found, Proof, Seeker};

/// Before there is a session.
#[derive(Debug)]
pub(super) struct Pairing {
    pub(super) seeker: Seeker,
    pub(super) since_ms: u64,
    // Since when no seat could be had; and whether one was ever had.
    unseated_since_ms: Option<u64>,
    has_sat: bool,
}

impl Pairing {
    pub(super) fn new(role: Role, proof: Proof, now_ms: u64) -> Pairing {
        let seeker = Seeker::new(role, proof, PAIRING_PAUSE_MAX_MS, None);
        Pairing { seeker, since_ms: now_ms, unseated_since_ms: None, has_sat: false }
    }
}

impl End {
    pub(super) fn pairing_found(&mut self, found: Found, net: &mut Net) {
        let now_ms = net.now_ms();
        let Stage::Pairing(pairing) = &mut self.stage else { return };
        if !matches!(found, Found::Nothing) {
            net.trace.say(|| format!("{:?} pairing: {found:?}", self.role));
        }
        let result = match found {
            Found::Nothing | Found::Failed | Found::Proven(..) => {
                if pairing.seeker.is_seated() || !matches!(found, Found::Nothing) {
                    pairing.has_sat = true;
                    pairing.unseated_since_ms = None;
                }
                return;
            }
            Found::Paired(established, conn) => {
                return self.establish(&established, conn, net, self.command.yes);
            }
            Found::NoSeat(refused) => {
                let since_ms = *pairing.unseated_since_ms.get_or_insert(now_ms);
                let patience_ms = match refused {
                    Refused::Taken => GHOST_MS,
                    _ if pairing.has_sat => RELAY_LOST_MS,
                    Refused::Unreachable | Refused::Full => 0,
                };
                if now_ms < since_ms + patience_ms {
                    return;
                }
                Err(Error::new(Kind::Relay, format!("no seat: {refused:?}")))
            }
            Found::GuessedWrong => match self.guesses.count_wrong() {
                GuessesLeft::Left(_) => return,
                GuessesLeft::Burnt => Err(Error::new(Kind::Authentication, "the code is burnt")),
            },
            Found::Unanswered => Err(Error::new(Kind::Authentication, "the code is wrong")),
            Found::Fault(fault) => {
                let is_pure_taker = !self.command.made && self.role == Role::Receive;
                if !is_pure_taker || matches!(fault, Fault::WrongCode | Fault::Malformed(_)) {
                    return;
                }
                Err(fault.into())
            }
        };
        self.over(result, net);
    }
}

/// As in `net::pair`.
const PAIRING_PAUSE_MAX_MS: u64 = 2000;
const GHOST_MS: u64 = 60_000;
const RELAY_LOST_MS: u64 = 600_000;

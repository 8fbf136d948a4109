//! What `p2pc doctor …` means.

use std::time::Duration;

use crate::cli::console::Showing;
use crate::cli::doctor::{DoctorArgs, Origin};
use crate::net::RelayUrl;
use crate::net::dial::{DialOptions, Token};
use crate::{Error, Kind, Result};

use super::{Environment, choose_relay, choose_token, dial, relay_url, value, values};

/// What is to be examined, and how.
pub struct Examining {
    /// The relay, if one is known.
    pub relay: Option<RelayUrl>,
    /// Where it was found.
    pub origin: Origin,
    /// How to reach it.
    pub dial: DialOptions,
    /// How long each step may take.
    pub patience: Duration,
    /// What becomes of the token.
    pub showing: Showing,
}

/// What `p2pc doctor …` means.
///
/// # Errors
///
/// [`Kind::Usage`].
pub fn doctor(args: &DoctorArgs, environment: &Environment) -> Result<Examining> {
    let word = match args.relay.as_slice() {
        [] => None,
        [word] => Some(word),
        _ => {
            return Err(Error::new(Kind::Usage, "more than one RELAY is given")
                .hint("They are examined one at a time: p2pc doctor relay.example.com."));
        }
    };
    let typed = value(word, "RELAY", relay_url)?;
    let origin = match (&typed, &environment.relay) {
        (Some(_), _) => Origin::Typed,
        (None, Some(_)) => Origin::Environment,
        (None, None) => Origin::File,
    };
    let relay = match typed {
        Some(relay) => Some(relay),
        None => choose_relay(None, None, environment)?,
    };
    let token = value(args.token.as_ref(), "--token", Token::parse)?;
    let (token, showing) = choose_token(token, relay.as_ref(), word, environment)?;
    let dial = dial(args.ca.as_ref(), relay.clone(), token, environment);
    let patience = value(args.wait.as_ref(), "--wait", values::time)?.unwrap_or(PATIENCE);
    Ok(Examining { relay, origin, dial, patience, showing })
}

/// Longer than any step takes that a person would want to wait for in a transfer.
const PATIENCE: Duration = Duration::from_secs(10);

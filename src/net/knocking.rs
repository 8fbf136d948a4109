//! Whether a side that has never had a seat asks a relay that gives it none again, and when. Nothing has worked yet, so what may be a slip of its
//! person is said at once, and what may pass is waited for, but not for long.
//!
//! | what it meets | asks again |
//! | --- | --- |
//! | an answer that says when (409, 429, 503) | then, for as long as its person waits |
//! | 502, 503 and 504 of a server in front of relays | every 3 s, for a minute |
//! | an end without an answer | after 1, 2, 4, 8 and 8 s, each cut by up to half |
//! | anything else: nobody listens, no such name, a bad certificate, another refusal | never |

use std::time::Duration;

use super::dial::DialError;
use super::pause::Pause;

/// The asking of one side, from the first time.
#[derive(Debug)]
pub(super) struct Knocking {
    hung_up: u32,
    pause: Pause,
}

impl Knocking {
    /// It has not asked yet.
    pub(super) fn new() -> Knocking {
        Knocking { hung_up: 0, pause: Pause::between(HUNG_UP_FIRST, HUNG_UP_LONGEST) }
    }

    /// After how long to ask again, since this was the answer `elapsed` after the first time. `None`: it is final. `drawn` is a random number.
    pub(super) fn again(&mut self, error: &DialError, elapsed: Duration, drawn: u16) -> Option<Duration> {
        match error {
            DialError::HungUp(_) => {
                self.hung_up += 1;
                (self.hung_up < HUNG_UP_TRIES).then(|| self.pause.advance(drawn))
            }
            _ => error.again().or_else(|| error.absent().filter(|_| elapsed < ABSENT)),
        }
    }
}

/// How often a relay may end the connection without an answer, over all. With the pauses that is a quarter of a minute: one whose limit is the
/// default has let some hundred more connections of this address in by then.
const HUNG_UP_TRIES: u32 = 6;

/// As soon as that there is a place again where others of this address have taken too many.
const HUNG_UP_FIRST: Duration = Duration::from_secs(1);

/// Nobody who sits before it takes it for dead meanwhile.
const HUNG_UP_LONGEST: Duration = Duration::from_secs(8);

/// How long a server in front of relays may find none of them before it is taken for one that never does: a restart takes less.
const ABSENT: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Error, Kind};

    const NOW: Duration = Duration::ZERO;

    fn refused(status: u16, again: Option<u64>) -> DialError {
        let relay = "relay.example".parse().unwrap();
        DialError::Refused { status, body: String::new(), again: again.map(Duration::from_secs), relay }
    }

    fn error() -> Error {
        Error::new(Kind::Relay, "no")
    }

    #[test]
    fn an_end_without_an_answer_is_final_after_some() {
        let mut knocking = Knocking::new();
        let mut again = || knocking.again(&DialError::HungUp(error()), NOW, 0);
        for seconds in [1, 2, 4, 8, 8] {
            assert_eq!(again(), Some(Duration::from_secs(seconds)));
        }
        assert_eq!((again(), again()), (None, None));
    }

    #[test]
    fn what_says_when_is_asked_then_for_as_long_as_it_takes() {
        for status in [409, 429, 503] {
            let again = Knocking::new().again(&refused(status, Some(7)), ABSENT * 9, 0);
            assert_eq!(again, Some(Duration::from_secs(7)), "{status}");
        }
    }

    #[test]
    fn a_server_without_relays_has_a_minute() {
        for status in [502, 503, 504] {
            let mut knocking = Knocking::new();
            assert_eq!(knocking.again(&refused(status, None), NOW, 0), Some(Duration::from_secs(3)));
            assert_eq!(knocking.again(&refused(status, None), ABSENT, 0), None);
        }
    }

    #[test]
    fn what_does_not_pass_is_final() {
        for status in [200, 302, 400, 401, 404, 426, 500] {
            assert_eq!(Knocking::new().again(&refused(status, None), NOW, 0), None, "{status}");
        }
        assert_eq!(Knocking::new().again(&refused(401, Some(7)), NOW, 0), None);
        assert_eq!(Knocking::new().again(&DialError::Failed(error()), NOW, 0), None);
    }
}

//! What is said of each step, and at the end. Functions from values to text, and nothing else.

use std::time::Duration;

use crate::cli::console::Showing;
use crate::net::RelayUrl;
use crate::net::examine::{Found, Step, Trouble};
use crate::term::calendar::Moment;
use crate::term::clean::clean;
use crate::term::human;

use super::Origin;

/// How it stands with one check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As it should be.
    Fine,
    /// Not as it should be, and not in the way.
    Odd,
    /// In the way.
    Wrong,
}

impl Verdict {
    /// In one word, which scripts may rely on.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Fine => "ok",
            Verdict::Odd => "note",
            Verdict::Wrong => "wrong",
        }
    }
}

/// What is said of one check.
#[derive(Debug, PartialEq, Eq)]
pub struct Told {
    /// Its name, which scripts may rely on.
    pub check: &'static str,
    /// How it stands.
    pub verdict: Verdict,
    /// The rest, for people.
    pub text: String,
}

impl Told {
    /// Something that is as it should be.
    #[must_use]
    pub fn new(check: &'static str, text: String) -> Told {
        Told { check, verdict: Verdict::Fine, text }
    }
}

/// Which relay it is about.
#[must_use]
pub fn relay(relay: &RelayUrl, origin: Origin) -> Told {
    let from = match origin {
        Origin::Typed => "",
        Origin::Environment => ", from P2PC_RELAY",
        Origin::File => ", from the configuration (`p2pc config`)",
    };
    let scheme = if relay.tls() { "wss" } else { "ws, not encrypted on the way there" };
    Told::new(
        "relay",
        format!("{}:{} ({scheme}){from}", clean(relay.host().to_string().as_bytes()), relay.port()),
    )
}

/// Whether it is shown a token.
#[must_use]
pub fn token(showing: &Showing) -> Told {
    match showing {
        Showing::None => Told::new("token", "none".to_owned()),
        Showing::Shown => Told::new("token", "is shown to this relay".to_owned()),
        Showing::Withheld(_) => Told {
            check: "token",
            verdict: Verdict::Odd,
            text: "P2PC_TOKEN is not shown: it is for the relay in P2PC_RELAY, and this is another one"
                .to_owned(),
        },
    }
}

/// A step that went well. `tls`: the relay is reached over TLS.
#[must_use]
pub fn found(found: &Found, tls: bool) -> Told {
    match found {
        Found::Proxy(None) => Told::new("proxy", "none is used".to_owned()),
        Found::Proxy(Some(proxy)) => Told::new("proxy", clean(proxy.as_bytes())),
        Found::Name { name, addresses, took } => {
            let shown: Vec<String> =
                addresses.iter().take(ADDRESSES_SHOWN).map(|address| address.ip().to_string()).collect();
            let more = if addresses.len() > ADDRESSES_SHOWN { " and others" } else { "" };
            Told::new(
                "name",
                format!("{} is {}{more} ({})", clean(name.as_bytes()), shown.join(", "), ms(*took)),
            )
        }
        Found::Connection { to, took } => Told::new("connection", format!("{to} answers ({})", ms(*took))),
        Found::Tunnel { took } => Told::new("tunnel", format!("the proxy lets us through ({})", ms(*took))),
        Found::Tls { certificate, took } => {
            let about = certificate.as_ref().map_or_else(String::new, |certificate| {
                format!("issued by {}, valid until {}, ", certificate.issuer, date(certificate.ends))
            });
            Told::new("TLS", format!("the certificate is trusted: {about}{}", ms(*took)))
        }
        Found::Answer { ahead_s } => clock(*ahead_s, tls),
        Found::Room { with_token } => {
            let token = if *with_token { ", with the token" } else { "" };
            Told::new("room", format!("two sides can meet there{token}"))
        }
        Found::RoundTrip { median, worst } => {
            Told::new("round trip", format!("{} to the relay and back, at worst {}", ms(*median), ms(*worst)))
        }
        Found::Speed { bytes_per_second } => {
            let verdict =
                if *bytes_per_second < SLOW_BYTES_PER_SECOND { Verdict::Odd } else { Verdict::Fine };
            let text = format!("{} there, and as fast back", human::rate(*bytes_per_second));
            Told { check: "speed", verdict, text }
        }
    }
}

/// By how much the clocks differ. Certificates are what it matters for.
fn clock(ahead_s: Option<i64>, tls: bool) -> Told {
    let Some(ahead_s) = ahead_s else {
        return Told::new("clock", "the other side does not say what time it is".to_owned());
    };
    let off = Duration::from_secs(ahead_s.unsigned_abs());
    if off <= CLOCK_OFF_MAX {
        return Told::new("clock", "as at the relay".to_owned());
    }
    let direction = if ahead_s > 0 { "ahead of" } else { "behind" };
    let text = format!("{} {direction} the relay's", human::duration(off));
    Told { check: "clock", verdict: if tls { Verdict::Odd } else { Verdict::Fine }, text }
}

/// The step where the way ends.
#[must_use]
pub fn trouble(trouble: &Trouble) -> Told {
    let check = match trouble.step {
        Step::Proxy => "proxy",
        Step::Name => "name",
        Step::Connection => "connection",
        Step::Tunnel => "tunnel",
        Step::Tls => "TLS",
        Step::Answer => "answer",
        Step::Room => "room",
        Step::RoundTrip => "round trip",
        Step::Speed => "speed",
    };
    Told { check, verdict: Verdict::Wrong, text: clean(trouble.error.to_string().as_bytes()) }
}

/// A day, of seconds since 1970.
#[must_use]
pub fn date(seconds: u64) -> String {
    Moment::new(i64::try_from(seconds).unwrap_or(i64::MAX)).date()
}

fn ms(time: Duration) -> String {
    let tenths = time.as_micros() / 100;
    if tenths < 100 { format!("{}.{} ms", tenths / 10, tenths % 10) } else { format!("{} ms", tenths / 10) }
}

/// A megabit: people wait by the hour for what else takes minutes, and want to know that nothing else is wrong.
const SLOW_BYTES_PER_SECOND: u64 = 125_000;

/// A name with more of them is spread over a network of servers.
const ADDRESSES_SHOWN: usize = 4;

/// More than two clocks that nobody looks after differ, and less than what makes a new certificate look wrong.
const CLOCK_OFF_MAX: Duration = Duration::from_secs(300);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_that_differ_by_much_are_noted_where_it_matters() {
        assert_eq!(clock(Some(-200), true).verdict, Verdict::Fine);
        let ahead = clock(Some(7200), true);
        assert_eq!((ahead.verdict, ahead.text.as_str()), (Verdict::Odd, "2 h 0 min ahead of the relay's"));
        assert_eq!(clock(Some(-7200), true).text, "2 h 0 min behind the relay's");
        assert_eq!(clock(Some(7200), false).verdict, Verdict::Fine);
        assert_eq!(clock(None, true).verdict, Verdict::Fine);
    }

    #[test]
    fn times_are_short() {
        for (micros, shown) in [(40, "0.0 ms"), (1234, "1.2 ms"), (9990, "9.9 ms"), (23456, "23 ms")] {
            assert_eq!(ms(Duration::from_micros(micros)), shown);
        }
    }
}

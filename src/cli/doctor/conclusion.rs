//! The sentence at the end: what is in the way, and what to do. Functions from values to text, and nothing else.
//!
//! docs/troubleshooting.md has the same by what stands behind "In the way:".

use crate::cli::console::Showing;
use crate::net::examine::{Cause, Step, Trouble};
use crate::net::tls::Certificate;
use crate::term::clean::clean;
use crate::term::human;

use super::told::{Verdict, date};

/// The end of a way on which there was no trouble, and what is odd all the same: the clock, or so many bytes a second.
#[must_use]
pub fn open(clock_is_off: bool, slow: Option<u64>) -> (Verdict, String) {
    if clock_is_off {
        return (Verdict::Odd, CLOCK_IS_OFF.to_owned());
    }
    let Some(bytes_per_second) = slow else { return (Verdict::Fine, NOTHING_IN_THE_WAY.to_owned()) };
    let hours = (GIGABYTE / bytes_per_second.max(1)).div_ceil(3600);
    let took = human::count(hours, "hour", "hours");
    (Verdict::Odd, format!("Nothing is in the way, but the line is slow: a gigabyte takes about {took}."))
}

/// The end where there was some. `now`: this machine's clock, in seconds since 1970.
#[must_use]
pub fn blocked(trouble: &Trouble, showing: &Showing, now: u64) -> String {
    let certificate = trouble.certificate.as_ref().filter(|_| trouble.step == Step::Tls);
    let is_current = certificate.is_none_or(|certificate| certificate.is_valid_at(now));
    let mut text = format!("In the way: {}.", place(trouble, certificate.is_some(), is_current));
    let mut add = |sentence: &str| {
        text.push(' ');
        text.push_str(sentence);
    };
    match trouble.cause {
        Cause::Refused { status: status @ (401 | 409), .. } => {
            add(about_token(status, showing));
            return text;
        }
        Cause::Refused { status: 200..=399, .. } => add(PORTAL),
        Cause::Refused { status: 404, .. } => add(EMBEDDED),
        Cause::Refused { status: 502..=504, again: None } => {
            add("A server in front of relays answers, and none of them. Ask who runs it.");
            return text;
        }
        Cause::Refused { again: Some(again), .. } => {
            add(&format!("It wants to be asked again in {}.", human::duration(again)));
            return text;
        }
        _ => {}
    }
    if let Some(hint) = trouble.error.hint_text() {
        add(&clean(hint.as_bytes()));
    }
    if let Some(certificate) = certificate {
        add(&shown_certificate(certificate, now));
        if is_current {
            add(BETWEEN);
        }
    }
    text
}

/// What it is that is in the way.
fn place(trouble: &Trouble, has_certificate: bool, is_current: bool) -> &'static str {
    match (trouble.step, trouble.cause) {
        (Step::Tls | Step::Answer | Step::Room, Cause::HungUp) => {
            "what ends the connection without an answer"
        }
        (Step::Tls | Step::Answer, Cause::Silence) => "what takes the connection and says nothing",
        (Step::Room, Cause::Silence) => "what keeps WebSockets back",
        (Step::Room, Cause::Refused { status, again }) => match status {
            200..=399 => "what answers in the relay's place",
            401 | 409 => "the token",
            426 => "what takes the upgrade to a WebSocket out of the request",
            429 => "how often this address asks the relay, or how many connections it has there",
            502 | 504 => "the web server before the relay",
            503 if again.is_none() => "the web server before the relay",
            503 => "the relay itself, for the moment",
            _ => "what answers there",
        },
        (Step::Proxy, _) => "what is set for the proxy, or for --ca",
        (Step::Name, _) if trouble.at_proxy => "the name of the proxy",
        (Step::Name, _) => "the name",
        (Step::Connection, _) if trouble.at_proxy => "the way to the proxy's port",
        (Step::Connection, _) => "the way to the relay's port",
        (Step::Tunnel, _) => "the proxy",
        (Step::Tls, _) if !is_current => "the certificate, or the clock of this machine",
        (Step::Tls, _) if has_certificate => "the certificate",
        (Step::Tls, _) => "TLS",
        (Step::Answer | Step::Room, _) => "what answers there",
        (Step::RoundTrip | Step::Speed, _) => "what passes the messages on",
    }
}

/// What to do about a token that is missing, or wrong. 401: what is shown is not known, or nothing is; 409: none of two seats has shown one.
fn about_token(status: u16, showing: &Showing) -> &'static str {
    match (showing, status) {
        (Showing::Shown, _) => {
            "The relay does not know the one that it is shown. That is the one behind --token, or else P2PC_TOKEN, or else of the \
             configuration (`p2pc config` shows which): compare it, letter by letter, with what you were given, or ask who runs the relay."
        }
        (Showing::Withheld(_), _) => {
            "The relay wants one, and P2PC_TOKEN is not shown to it: that is for the relay in P2PC_RELAY. If it is for this one, set \
             P2PC_RELAY to this one as well, or give it with --token."
        }
        (Showing::None, 401) => {
            "One is wanted there, and none is shown. Give the one you have from who runs the relay: with --token, in P2PC_TOKEN, or as \
             `token` in the configuration (`p2pc config path`)."
        }
        (Showing::None, _) => {
            "The relay wants one from one of the two sides, and none is shown here. Give yours with --token, in P2PC_TOKEN, or as `token` in \
             the configuration (`p2pc config path`). If you have none, the other side has to show one: then a transfer goes without one here."
        }
    }
}

fn shown_certificate(certificate: &Certificate, now: u64) -> String {
    let Certificate { issuer, begins, ends } = certificate;
    format!(
        "The certificate that came was issued by \"{issuer}\" and is valid from {} to {}; this machine's clock says {}.",
        date(*begins),
        date(*ends),
        date(now)
    )
}

/// What was typed is the name of a file as well.
pub const IS_A_FILE: &str = " There is a file of that name here: what is to be sent goes behind `p2pc send`.";

/// There is no relay to go to.
pub const NO_RELAY: &str = "No relay is named: give one (`p2pc doctor relay.example.com`), set P2PC_RELAY, or put one into the \
                            configuration. Without any, `p2pc send` is the relay itself, and the other machine must be able to connect to one of the \
                            addresses above.";

/// A transfer will go.
const NOTHING_IN_THE_WAY: &str = "Nothing is in the way.";

/// A transfer will go, for now.
const CLOCK_IS_OFF: &str = "Nothing is in the way yet, but set the clock of this machine: certificates that are valid seem to be none \
                            when it is wrong.";

/// Pages that a network shows before it lets anybody through.
const PORTAL: &str =
    "Perhaps that is this network's login page: open any page in a browser, log in, and try again.";

/// The one that a sender runs.
const EMBEDDED: &str = "A relay inside `p2pc send` has the room of its own code and no other: if it is one, nothing is in the way to it.";

/// A certificate that is good for somebody else.
const BETWEEN: &str = "If that issuer is not the relay's, something between opens the connection, as companies and hotels do: log in to \
                       the network, or ask its people for their authority.";

const GIGABYTE: u64 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use super::*;
    use crate::{Error, Kind};

    fn trouble(step: Step, cause: Cause) -> Trouble {
        let error = Error::new(Kind::Relay, "no").hint("Do this.");
        Trouble { step, cause, error, at_proxy: false, certificate: None }
    }

    fn refused(status: u16, again: Option<u64>) -> Trouble {
        trouble(Step::Room, Cause::Refused { status, again: again.map(Duration::from_secs) })
    }

    fn end(trouble: &Trouble) -> String {
        blocked(trouble, &Showing::None, 0)
    }

    #[test]
    fn a_certificate_is_shown_and_judged_by_the_clock() {
        let certificate = Certificate { issuer: "Company Proxy".into(), begins: 0, ends: 100 * 86400 };
        let trouble = Trouble { certificate: Some(certificate), ..trouble(Step::Tls, Cause::Other) };
        let text = blocked(&trouble, &Showing::None, 86400);
        assert_eq!(
            text,
            format!(
                "In the way: the certificate. Do this. The certificate that came was issued by \"Company Proxy\" and is valid from \
                 1970-01-01 to 1970-04-11; this machine's clock says 1970-01-02. {BETWEEN}"
            )
        );
        let late = blocked(&trouble, &Showing::None, 101 * 86400);
        assert!(
            late.starts_with("In the way: the certificate, or the clock of this machine. Do this."),
            "{late}"
        );
        assert!(!late.contains(BETWEEN), "{late}");
    }

    #[test]
    fn a_token_is_named_with_the_places_where_it_can_stand() {
        let withheld = Showing::Withheld("evil.example".parse().unwrap());
        for (showing, named) in
            [(Showing::None, "p2pc config path"), (Showing::Shown, "does not know"), (withheld, "P2PC_RELAY")]
        {
            for trouble in [refused(401, None), refused(409, Some(5))] {
                let text = blocked(&trouble, &showing, 0);
                assert!(text.starts_with("In the way: the token. ") && text.contains(named), "{text}");
                assert!(text.contains("--token") && text.contains("P2PC_TOKEN"), "{text}");
                assert!(!text.contains("asked again") && !text.contains("Do this"), "{text}");
            }
        }
        assert!(end(&refused(409, Some(5))).contains("from one of the two sides"));
    }

    #[test]
    fn each_refusal_has_a_name_of_its_own() {
        for (trouble, begins, has) in [
            (refused(200, None), "what answers in the relay's place. Perhaps", "login page"),
            (refused(302, None), "what answers in the relay's place. Perhaps", "Do this."),
            (refused(400, None), "what answers there. Do", "this."),
            (refused(404, None), "what answers there. A relay inside", "Do this."),
            (refused(426, None), "what takes the upgrade to a WebSocket out of the request. Do", "this."),
            (refused(429, Some(9)), "how often this address asks the relay", "again in 9 s."),
            (refused(503, Some(90)), "the relay itself, for the moment. It", "again in 1 min 30 s."),
            (refused(502, None), "the web server before the relay. A", "none of them"),
            (refused(503, None), "the web server before the relay. A", "none of them"),
            (refused(500, None), "what answers there. Do", "this."),
        ] {
            let text = end(&trouble);
            assert!(text.starts_with(&format!("In the way: {begins}")) && text.contains(has), "{text}");
        }
    }

    #[test]
    fn whoever_says_nothing_is_told_from_whoever_hangs_up() {
        for step in [Step::Tls, Step::Answer, Step::Room] {
            let text = end(&trouble(step, Cause::HungUp));
            assert_eq!(text, "In the way: what ends the connection without an answer. Do this.");
        }
        for (step, place) in [
            (Step::Tls, "what takes the connection and says nothing"),
            (Step::Answer, "what takes the connection and says nothing"),
            (Step::Room, "what keeps WebSockets back"),
            (Step::RoundTrip, "what passes the messages on"),
        ] {
            let text = end(&trouble(step, Cause::Silence));
            assert_eq!(text, format!("In the way: {place}. Do this."));
        }
    }

    #[test]
    fn the_proxy_is_named_where_it_is_what_was_dialled() {
        let name = trouble(Step::Name, Cause::Other);
        assert!(end(&name).starts_with("In the way: the name. "));
        assert!(end(&Trouble { at_proxy: true, ..name }).starts_with("In the way: the name of the proxy. "));
        let port = Trouble { at_proxy: true, ..trouble(Step::Connection, Cause::Silence) };
        assert!(end(&port).starts_with("In the way: the way to the proxy's port. "));
    }

    #[test]
    fn what_is_odd_is_said_and_a_clock_before_a_slow_line() {
        assert_eq!(open(false, None), (Verdict::Fine, NOTHING_IN_THE_WAY.to_owned()));
        let (verdict, text) = open(false, Some(50_000));
        assert_eq!(verdict, Verdict::Odd);
        assert!(text.ends_with("slow: a gigabyte takes about 6 hours."), "{text}");
        assert_eq!(open(true, Some(1)), (Verdict::Odd, CLOCK_IS_OFF.to_owned()));
        assert_eq!(open(false, Some(0)).0, Verdict::Odd);
    }

    /// The page for people lists all that can stand behind "In the way:", and nothing else.
    #[test]
    fn the_page_has_a_row_for_each_place() {
        let causes = [Cause::HungUp, Cause::Silence, Cause::Other].into_iter();
        let refusals = (200..600)
            .flat_map(|status| [None, Some(Duration::ZERO)].map(|again| Cause::Refused { status, again }));
        let steps = [
            Step::Proxy,
            Step::Name,
            Step::Connection,
            Step::Tunnel,
            Step::Tls,
            Step::Answer,
            Step::Room,
            Step::RoundTrip,
            Step::Speed,
        ];
        let mut places = BTreeSet::new();
        for cause in causes.chain(refusals) {
            for step in steps {
                for at_proxy in [false, true] {
                    let trouble = Trouble { at_proxy, ..trouble(step, cause) };
                    for (has_certificate, is_current) in [(false, true), (true, true), (true, false)] {
                        places.insert(place(&trouble, has_certificate, is_current));
                    }
                }
            }
        }
        let page = include_str!("../../../docs/troubleshooting.md");
        let (_, table) = page.split_once("<!-- doctor -->\n").unwrap();
        let rows = table.lines().take_while(|line| line.starts_with('|')).skip(2);
        let told: BTreeSet<&str> = rows.map(|row| row.split('`').nth(1).unwrap()).collect();
        assert_eq!(told, places);
    }
}

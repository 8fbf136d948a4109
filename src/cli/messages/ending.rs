//! What a transfer came to: counts, the way it went, and what was not delivered, with what helps.

use std::path::Path;
use std::time::Duration;

use crate::events::{EntryEnd, Offer, Report};
use crate::proto::frame::{Failure, Reason};
use crate::proto::manifest::KindTag;
use crate::proto::seal::Mode;
use crate::term::clean::{clean, clean_short};
use crate::term::human;

use super::{NAME_COLUMNS_MAX, Side, files_and_directories, place};

/// Over what a transfer went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Way {
    /// The relay, as it is dialled; `None` where this machine was it.
    pub relay: Option<String>,
    /// Whether the hop to it is TLS.
    pub tls: bool,
    /// The proxy on the way to it.
    pub proxy: Option<String>,
    /// The most lanes that were up at once.
    pub lanes: u8,
    /// What sealed the records.
    pub cipher: Option<Mode>,
    /// How often the connection was lost and found again.
    pub losses: u32,
}

/// The end of a transfer that ended in order. `took`: how long, without the time that a question stood open and nothing moved.
pub fn summary(side: Side, offer: &Offer, report: &Report, took: Duration, out: Option<&Path>) -> String {
    let done = match side {
        Side::Send => "Sent",
        Side::Receive => "Received",
    };
    if offer.text && report.failed == 0 {
        return format!("{done} a text of {}.", human::count(report.bytes, "byte", "bytes"));
    }
    let mut text = format!(
        "{done} {}, {} in {}",
        what(offer, report),
        human::bytes(report.bytes),
        human::duration(took)
    );
    let held = (report.held > 0).then(|| format!("{} were there already", human::bytes(report.held)));
    let rate = average(report.bytes.saturating_sub(report.held), took).map(human::rate);
    // What became smaller by a hair is not worth a word.
    let is_smaller = report.carried < report.sent - report.sent / 20;
    let carried = is_smaller.then(|| format!("compressed to {}", human::bytes(report.carried)));
    let aside: Vec<_> = held.into_iter().chain(rate).chain(carried).collect();
    if !aside.is_empty() {
        text.push_str(&format!(" ({})", aside.join(", ")));
    }
    if let Some(out) = out {
        text.push_str(&format!(", into {}", place(out)));
    }
    text.push('.');
    text
}

/// What was delivered, in the words of the offer where that is all of it.
fn what(offer: &Offer, report: &Report) -> String {
    let all = report.delivered.saturating_add(report.failed);
    if report.failed > 0 {
        return format!("{} of {}", report.delivered, human::count(all, "entry", "entries"));
    }
    let is_offer = offer.complete && offer.files.saturating_add(offer.directories) == all;
    match offer.names.as_slice() {
        _ if !is_offer => human::count(all, "entry", "entries"),
        [name] if all == 1 && offer.files == 1 => clean_short(name.as_bytes(), NAME_COLUMNS_MAX),
        _ => files_and_directories(offer),
    }
}

/// The way that it went, below that.
pub fn way(way: &Way) -> String {
    // The address of a relay without TLS says so itself.
    let mut parts = vec![match &way.relay {
        Some(relay) if way.tls => format!("relay {} (wss)", clean(relay.as_bytes())),
        Some(relay) => format!("relay {}", clean(relay.as_bytes())),
        None => "relay on this machine (ws)".to_owned(),
    }];
    parts.extend(way.proxy.as_ref().map(|proxy| format!("proxy {}", clean(proxy.as_bytes()))));
    parts.push(human::count(way.lanes.max(1).into(), "lane", "lanes"));
    parts.extend(way.cipher.map(|cipher| cipher.to_string()));
    if way.losses > 0 {
        parts.push(format!("connection lost {}", times(way.losses)));
    }
    format!("Way: {}.", parts.join(", "))
}

fn times(number: u32) -> String {
    match number {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        _ => human::count(number.into(), "time", "times"),
    }
}

/// Everything that was not delivered, as far as the report names it, and what helps.
pub fn failures(side: Side, report: &Report) -> String {
    let mut text = format!("{} not delivered:", human::count(report.failed, "entry was", "entries were"));
    for entry in &report.failures {
        text.push_str(&format!("\n  {}", undelivered(entry)));
    }
    let named = u64::try_from(report.failures.len()).unwrap_or(u64::MAX);
    if report.failed > named {
        text.push_str(&format!("\n  and {} more", report.failed - named));
    }
    let mut given = Vec::new();
    for failure in report.failures.iter().filter_map(|entry| entry.failure.as_ref()) {
        given.extend(advice(side, failure.reason).filter(|advice| !given.contains(advice)));
    }
    for advice in given {
        text.push_str(&format!("\nhint: {advice}"));
    }
    text
}

/// One line for an entry that was delivered.
pub fn delivered(entry: &EntryEnd) -> String {
    let name = clean(entry.path.as_bytes());
    match entry.kind {
        KindTag::File => format!("{name}  {}", human::bytes(entry.bytes)),
        KindTag::Directory => format!("{name}/"),
        KindTag::Link => format!("{name}  (link)"),
        KindTag::Other => name,
    }
}

/// One line for an entry that was not.
pub fn undelivered(entry: &EntryEnd) -> String {
    let name = clean(entry.path.as_bytes());
    match &entry.failure {
        Some(failure) => format!("{name}: {}", why(failure)),
        None => name,
    }
}

fn why(failure: &Failure) -> String {
    let reason = match failure.reason {
        Reason::Unreadable => "the sender cannot read it",
        Reason::Special => "a FIFO, socket or device; those are never sent",
        Reason::Changed => "it changed while it was sent",
        Reason::Vanished => "it was gone when its turn came",
        Reason::NameUnusable => "its name cannot be sent",
        Reason::NameUnfit => "its name cannot exist on the receiving system",
        Reason::LinkOutside => "the link may point outside the output directory",
        Reason::DirectoryThere => "a directory of that name is in the way",
        Reason::Exists => "something of that name is there already and was left alone",
        Reason::Collides => "the receiving file system takes its name for that of another entry",
        Reason::NoDirectory => "its directory could not be made",
        Reason::Unwritable => "the receiver cannot write it",
        Reason::Corrupt => "what arrived is not what was sent",
    };
    if failure.text.is_empty() {
        return reason.to_owned();
    }
    format!("{reason} ({})", clean(failure.text.as_bytes()))
}

/// What to do about it, at this end or at the other; what is mended is sent again, by both with a new code. Nothing helps against a
/// FIFO, and against a link that leads out nothing should.
fn advice(side: Side, reason: Reason) -> Option<&'static str> {
    let is_sender = side == Side::Send;
    match reason {
        Reason::Unreadable if is_sender => {
            Some("Make it readable and send it again: what has arrived is not sent twice.")
        }
        Reason::Unreadable => Some("The sender has to make it readable and send it again."),
        Reason::Changed | Reason::Vanished | Reason::Corrupt if is_sender => {
            Some("Send it again when nothing writes there: what has arrived is not sent twice.")
        }
        Reason::Changed | Reason::Vanished | Reason::Corrupt => Some(
            "The sender has to send it again when nothing writes there: what has arrived is not sent twice.",
        ),
        Reason::NameUnusable | Reason::NameUnfit | Reason::Collides if is_sender => {
            Some("Rename it and send it again: what has arrived is not sent twice.")
        }
        Reason::NameUnusable | Reason::NameUnfit | Reason::Collides => {
            Some("The sender has to rename it and send it again.")
        }
        Reason::Exists if is_sender => {
            Some("Send it again, to a receiver that takes it with --on-conflict overwrite or rename.")
        }
        Reason::Exists => Some(
            "To take it after all, have it sent again and receive it with --on-conflict overwrite, or rename \
             to keep both.",
        ),
        Reason::DirectoryThere | Reason::NoDirectory | Reason::Unwritable if is_sender => Some(
            "The receiver has to look at its disk: free space, and who may write there. Then send it again: \
             what has arrived is not sent twice.",
        ),
        Reason::DirectoryThere => {
            Some("Move the directory away, or receive into another one with --out, and have it sent again.")
        }
        Reason::NoDirectory | Reason::Unwritable => Some(
            "Look at the disk: free space (df), and who may write there (ls -ld). Then have it sent again: \
             what has arrived is not sent twice.",
        ),
        Reason::Special | Reason::LinkOutside => None,
    }
}

/// Under a second the quotient says more about how a connection begins than about the network.
fn average(bytes: u64, took: Duration) -> Option<u64> {
    let tenths = took.as_millis() / 100;
    u64::try_from(u128::from(bytes) * 10 / tenths.max(1)).ok().filter(|_| tenths >= 10 && bytes > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::path::{Name, RelPath};

    #[test]
    fn the_way_is_told_in_one_line() {
        let mut taken = Way { lanes: 1, cipher: Some(Mode::Aes256Gcm), ..Way::default() };
        assert_eq!(way(&taken), "Way: relay on this machine (ws), 1 lane, AES-256-GCM.");
        taken = Way {
            relay: Some("relay.example\x1b".into()),
            tls: true,
            proxy: Some("http://proxy:3128".into()),
            lanes: 4,
            losses: 2,
            ..taken
        };
        assert_eq!(
            way(&taken),
            "Way: relay relay.example\\x1b (wss), proxy http://proxy:3128, 4 lanes, AES-256-GCM, connection lost twice."
        );
    }

    #[test]
    fn what_helps_is_said_once_and_where_it_helps() {
        let path = RelPath::root().join(&Name::new(b"a").unwrap()).unwrap();
        let failed = |reason| EntryEnd {
            path: path.clone(),
            kind: KindTag::File,
            bytes: 0,
            failure: Some(Failure::new(reason, "")),
        };
        let failures_of = [Reason::Exists, Reason::Exists, Reason::Special].map(failed).into();
        let report = Report { failed: 3, failures: failures_of, ..Report::default() };
        let told = failures(Side::Receive, &report);
        assert!(told.ends_with("receive it with --on-conflict overwrite, or rename to keep both."), "{told}");
        assert_eq!(told.matches("hint:").count(), 1);
        assert!(failures(Side::Send, &report).contains("hint: Send it again, to a receiver that takes"));
    }
}

//! What a transfer came to: counts, and the way it went.

use std::path::Path;
use std::time::Duration;

use crate::events::{EntryEnd, Offer, Report};
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
    let excluded = (report.excluded > 0).then(|| {
        let were = human::count(report.excluded, "entry was", "entries were");
        format!("{were} left out (--exclude, --gitignore).")
    });
    if let Some(excluded) = excluded.as_ref().filter(|_| report.delivered == 0 && report.failed == 0) {
        return format!("Nothing was left to send: {excluded}");
    }
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
    match excluded {
        Some(excluded) => text.push_str(&format!("; {excluded}")),
        None => text.push('.'),
    }
    text
}

/// What was delivered, in the words of the offer where that is all of it.
fn what(offer: &Offer, report: &Report) -> String {
    let all = report.delivered.saturating_add(report.failed);
    if report.failed > 0 {
        return format!("{} of {}", report.delivered, human::count(all, "entry", "entries"));
    }
    // Where the last word on the offer came late, it is not all of it.
    let is_offer = offer.files.saturating_add(offer.directories) == all;
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

/// Under a second the quotient says more about how a connection begins than about the network.
fn average(bytes: u64, took: Duration) -> Option<u64> {
    let tenths = took.as_millis() / 100;
    u64::try_from(u128::from(bytes) * 10 / tenths.max(1)).ok().filter(|_| tenths >= 10 && bytes > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

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
}

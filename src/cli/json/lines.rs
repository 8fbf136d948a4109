//! From values to lines: the one place that knows the names of events and fields, which `docs/json.md` lists.

use std::time::Duration;

use data_encoding::BASE64;

use crate::events::{EntryEnd, Event, Offer, Progress, Report};
use crate::proto::frame::Reason;
use crate::proto::manifest::KindTag;
use crate::proto::seal::Mode;
use crate::term::json::Object;
use crate::{Error, Kind};

use super::Warning;

/// Begins a line of this event.
type Begin = fn(&str) -> Object;

/// What goes with a code that is ready.
#[derive(Clone, Debug)]
pub struct Invitation {
    /// The code with its best relay.
    pub code: String,
    /// What the other side runs.
    pub command: String,
    /// What goes on with this side's part after a crash, if anything does.
    pub again: Option<String>,
}

/// The line of an event; `None` for what is said in another way.
pub(super) fn event(begin: Begin, event: &Event, invitation: Option<&Invitation>) -> Option<Object> {
    let mut line;
    match event {
        Event::CodeReady { relays, embedded, .. } => {
            let invitation = invitation?;
            line = begin("code_ready");
            line.text("code", &invitation.code);
            line.list("relays", relays.iter().map(ToString::to_string));
            line.value("embedded", embedded);
            line.text("command", &invitation.command);
            if let Some(again) = &invitation.again {
                line.text("again", again);
            }
        }
        Event::Waiting { relay, .. } => {
            line = begin("waiting");
            line.text("relay", &relay.to_string());
        }
        Event::Renamed { path, name } => {
            line = begin("renamed");
            path_of(&mut line, path.as_os_str().as_encoded_bytes());
            line.text("name", &String::from_utf8_lossy(name.as_bytes()));
        }
        Event::RelayLost { what } => {
            line = begin("relay_lost");
            line.text("message", what);
        }
        Event::RelayBusy { what, again } => {
            line = begin("relay_busy");
            line.text("message", what);
            line.value("retry_s", seconds(*again));
        }
        Event::RelayBack => line = begin("relay_back"),
        Event::WrongGuess { left } => {
            line = begin("wrong_guess");
            line.value("left", left);
        }
        Event::Paired { cipher, encryption_kept } => {
            line = begin("paired");
            line.text("cipher", cipher_name(*cipher));
            line.value("encryption_kept", encryption_kept);
        }
        Event::Verify(string) => {
            line = begin("verify");
            line.text("string", string);
        }
        Event::Offer(offer) => line = self::offer(begin, offer),
        Event::Accepted => line = begin("accepted"),
        Event::Lanes(lanes) => {
            line = begin("lanes");
            line.value("lanes", lanes);
        }
        Event::Disconnected { what, retry } => {
            line = begin("disconnected");
            line.text("message", what);
            line.value("retry_s", seconds(*retry));
        }
        Event::Reconnected => line = begin("reconnected"),
        Event::Restarted => line = begin("restarted"),
        Event::KeptBoth { path, name } => {
            line = begin("kept_both");
            path_of(&mut line, path.as_bytes());
            line.text("name", &String::from_utf8_lossy(name.as_bytes()));
        }
        Event::Entry(end) => line = ended(begin, end),
        Event::Text(text) => {
            line = begin("text");
            line.text("text", text);
        }
        // A warning with the sentence that people read, and a line of its own that comes not too often.
        Event::PlainRelay(_) | Event::TokenWanted(_) | Event::Progress(_) => return None,
    }
    Some(line)
}

pub(super) fn offer(begin: Begin, offer: &Offer) -> Object {
    let mut line = begin("offer");
    line.value("files", offer.files);
    line.value("directories", offer.directories);
    line.value("streams", offer.streams);
    line.value("bytes", offer.bytes);
    line.list("names", offer.names.iter().map(|name| String::from_utf8_lossy(name.as_bytes())));
    line.value("complete", offer.complete);
    line.value("text", offer.text);
    line
}

fn ended(begin: Begin, end: &EntryEnd) -> Object {
    let mut line = begin("entry");
    path_of(&mut line, end.path.as_bytes());
    line.text("kind", kind_of_entry(end.kind));
    line.value("bytes", end.bytes);
    line.value("delivered", end.failure.is_none());
    if let Some(failure) = &end.failure {
        line.text("reason", reason(failure.reason));
        if !failure.text.is_empty() {
            line.text("message", &failure.text);
        }
    }
    line
}

pub(super) fn progress(
    begin: Begin,
    progress: &Progress,
    rate: Option<u64>,
    left: Option<Duration>,
) -> Object {
    let mut line = begin("progress");
    line.value("entries_done", progress.entries_done);
    line.value("entries_total", progress.entries_total);
    line.value("bytes_done", progress.bytes_done);
    line.value("bytes_total", progress.bytes_total);
    line.value("complete", progress.complete);
    line.optional("bytes_per_second", rate);
    line.optional("seconds_left", left.map(seconds));
    line
}

pub(super) fn warning(begin: Begin, warning: Warning, message: &str) -> Object {
    let mut line = begin("warning");
    line.text(
        "reason",
        match warning {
            Warning::PlainRelay => "plain_relay",
            Warning::TokenWithheld => "token_withheld",
            Warning::TokenWanted => "token_wanted",
            Warning::UnknownWords => "unknown_words",
            Warning::WordCount => "word_count",
        },
    );
    line.text("message", message);
    line
}

pub(super) fn left_out(begin: Begin, events: u64) -> Object {
    let mut line = begin("left_out");
    line.value("events", events);
    line
}

pub(super) fn summary(begin: Begin, report: &Report, exit_status: u8) -> Object {
    let mut line = begin("summary");
    line.value("delivered", report.delivered);
    line.value("failed", report.failed);
    line.value("bytes", report.bytes);
    line.value("held", report.held);
    line.value("sent", report.sent);
    line.value("carried", report.carried);
    if report.excluded > 0 {
        line.value("excluded", report.excluded);
    }
    line.value("elapsed_s", seconds(report.elapsed));
    line.value("exit_status", exit_status);
    line
}

pub(super) fn error(begin: Begin, error: &Error, exit_status: u8) -> Object {
    let mut line = begin("error");
    line.text("kind", kind_of_error(error.kind()));
    line.value("exit_status", exit_status);
    line.text("message", &error.to_string());
    if let Some(hint) = error.hint_text() {
        line.text("hint", hint);
    }
    line
}

/// A path, and its bytes where text cannot have them.
fn path_of(line: &mut Object, path: &[u8]) {
    line.text("path", &String::from_utf8_lossy(path));
    if std::str::from_utf8(path).is_err() {
        line.text("path_base64", &BASE64.encode(path));
    }
}

/// To the millisecond.
fn seconds(time: Duration) -> f64 {
    time.as_millis() as f64 / 1000.0
}

fn cipher_name(cipher: Mode) -> &'static str {
    match cipher {
        Mode::Aes256Gcm => "aes-256-gcm",
        Mode::ChaCha20Poly1305 => "chacha20-poly1305",
        Mode::Tagged => "none",
    }
}

fn kind_of_entry(kind: KindTag) -> &'static str {
    match kind {
        KindTag::File => "file",
        KindTag::Directory => "directory",
        KindTag::Link => "link",
        KindTag::Other => "other",
    }
}

pub(super) fn reason(reason: Reason) -> &'static str {
    match reason {
        Reason::Unreadable => "unreadable",
        Reason::Special => "special",
        Reason::Changed => "changed",
        Reason::Vanished => "vanished",
        Reason::NameUnusable => "name_unusable",
        Reason::NameUnfit => "name_unfit",
        Reason::LinkOutside => "link_outside",
        Reason::Exists => "exists",
        Reason::Collides => "collides",
        Reason::NoDirectory => "no_directory",
        Reason::Unwritable => "unwritable",
        Reason::Corrupt => "corrupt",
        Reason::DirectoryThere => "directory_there",
        Reason::Missing => "missing",
        Reason::OnlyOne => "only_one",
    }
}

pub(super) fn kind_of_error(kind: Kind) -> &'static str {
    match kind {
        Kind::Internal => "internal",
        Kind::Usage => "usage",
        Kind::NobodyCame => "nobody_came",
        Kind::Authentication => "authentication",
        Kind::Relay => "relay",
        Kind::ConnectionLost => "connection_lost",
        Kind::Disk => "disk",
        Kind::Refused => "refused",
        Kind::Incomplete => "incomplete",
        Kind::Protocol => "protocol",
        Kind::Interrupted => "interrupted",
    }
}

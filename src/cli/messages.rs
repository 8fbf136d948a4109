//! Every message to the person, in one place. Functions from values to text, and nothing else.
//!
//! Whatever comes from the other side passes through [`clean`] here, and so do codes and addresses.

use std::path::Path;
use std::time::Duration;

use crate::Error;
use crate::events::{OFFER_NAMES_MAX, Offer};
use crate::net::RelayUrl;
use crate::proto::code::WORDS_IN_CODE;
use crate::proto::path::{Name, RelPath};
use crate::proto::words;
use crate::term::clean::{clean, clean_short};
use crate::term::human;
use crate::term::style::Style;

use super::code::Doubt;
use super::suggest::nearest;

mod conflict;
mod ending;
mod invite;
mod status;
mod undelivered;

pub use conflict::{CONFLICT_CHOICES, CONFLICT_QUESTION, conflict};
pub use ending::{Way, delivered, summary, way};
pub use invite::{GIVE_CODE, GIVE_TOKEN, Invite, QR_NOT_UTF8, addressed, qr, qr_too_wide};
pub use status::{
    looking, milestone, percent, reaching, relay_away, relay_full, status, undecided, unverified, waiting,
};
pub use undelivered::{failures, failures_counted, undelivered};

/// Which end this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// `p2pc send`
    Send,
    /// `p2pc receive`
    Receive,
}

/// An error, with its hint below.
pub fn error(style: Style, error: &Error) -> String {
    let what = clean(error.to_string().as_bytes());
    let mut text = format!("{} {what}", style.alarm("p2pc:"));
    if let Some(hint) = error.hint_text() {
        text.push_str(&format!("\nhint: {}", clean(hint.as_bytes())));
    }
    text
}

/// What stands above the prompt for a code, where Tab completes.
pub const TYPE_CODE: &str = "Type or paste the code from the other side. Tab completes its words.";

/// A command was pasted where the code was asked for, with more words than one that may be it.
pub const UNCLEAR_CODE: &str = "More than one word there may be the code: type or paste only the code.";

/// A command was pasted where the code was asked for.
pub fn pasted_options(options: &[String]) -> String {
    let options: Vec<_> = options.iter().map(|option| clean(option.as_bytes())).collect();
    format!("note: of what was pasted only the code is taken, not {}", options.join(" "))
}

/// What may be a slip in a code that was given, where nobody was asked whether it is meant. `for_log`: where this may be kept, no word of a code
/// is shown.
pub fn doubted(doubt: &Doubt, for_log: bool) -> String {
    let unknown = match doubt.unknown.as_slice() {
        [] => None,
        [_] if for_log => Some("one of its words is none that p2pc makes codes of".to_owned()),
        words if for_log => Some(format!("{} of its words are none that p2pc makes codes of", words.len())),
        [word] => Some(format!(
            "{} is not a word that p2pc makes codes of",
            with_nearest(std::slice::from_ref(word))
        )),
        words => Some(format!("{} are not words that p2pc makes codes of", with_nearest(words))),
    };
    let counted = doubt.words.map(|words| format!("this code has {}", word_count(words)));
    let what = match (counted, unknown) {
        (Some(counted), Some(unknown)) => format!("{counted}, and {unknown}"),
        (counted, unknown) => counted.or(unknown).unwrap_or_default(),
    };
    format!("note: {what}. If that is a slip, end this with Ctrl-C.")
}

/// The same where somebody can be asked.
pub fn doubted_question(doubt: &Doubt) -> String {
    let counted =
        doubt.words.map(|words| format!("This code has {}. ", word_count(words))).unwrap_or_default();
    let unknown = match doubt.unknown.as_slice() {
        [] => String::new(),
        words => format!("Not a word that p2pc makes codes of: {}. ", with_nearest(words)),
    };
    format!("{counted}{unknown}Use it anyway? [y/N] ")
}

/// `two words, and those that p2pc makes have three`
fn word_count(words: usize) -> String {
    const NUMBERS: [&str; 6] = ["no", "one", "two", "three", "four", "five"];
    let spelled = |number: usize| NUMBERS.get(number).map_or_else(|| number.to_string(), ToString::to_string);
    let unit = if words == 1 { "word" } else { "words" };
    format!("{} {unit}, and those that p2pc makes have {}", spelled(words), spelled(WORDS_IN_CODE))
}

/// Words with those that may have been meant. They are shown and never put in: a code that was guessed here would be somebody's try.
fn with_nearest(words: &[String]) -> String {
    let shown = words.iter().map(|word| {
        let near = nearest(word, words::starting_with("").iter().copied());
        let meant = near.map(|near| format!(" ({near}?)")).unwrap_or_default();
        format!("`{}`{meant}", clean(word.as_bytes()))
    });
    shown.collect::<Vec<_>>().join(", ")
}

/// The taker of a code waits.
pub const WAITING: &str = "Waiting for the other side. Ctrl-C ends it.";

/// While this side waits, the relay is out of reach.
pub fn relay_lost(what: &str) -> String {
    format!("note: {}; trying again", clean(what.as_bytes()))
}

/// The relay has no place now.
pub fn relay_busy(what: &str, again: Duration) -> String {
    format!("note: {}; trying again in {} s", clean(what.as_bytes()), again.as_secs_f64().ceil())
}

/// The relay is back.
pub const RELAY_BACK: &str = "The relay is back. Waiting for the other side.";

/// An argument gets another name at the other end.
pub fn renamed(path: &Path, name: &Name) -> String {
    let path = clean(path.as_os_str().as_encoded_bytes());
    format!("note: {path} is called {} at the other end: another one has its name", clean(name.as_bytes()))
}

/// The hop to the relay is readable on the way.
pub fn plain_relay(relay: &RelayUrl, shows_token: bool) -> String {
    let relay = clean(relay.to_string().as_bytes());
    let note = format!("note: the hop to {relay} is not encrypted; the content is, end to end.");
    if shows_token {
        format!("{note}\nwarning: your token is not: whoever is on the way to the relay can read it.")
    } else {
        note
    }
}

/// Only somebody with a token comes in to this side.
pub fn token_wanted(relay: &RelayUrl) -> String {
    format!(
        "note: {} wants a token from one of the two sides, and this one shows none: the other side has to \
         (--token, P2PC_TOKEN), or start again with one.",
        clean(relay.to_string().as_bytes())
    )
}

/// The environment has a token, and it is not for this relay.
pub fn token_withheld(relay: &RelayUrl) -> String {
    format!(
        "note: P2PC_TOKEN is not shown to {}: it is for the relay in P2PC_RELAY, or else behind --relay, \
         or else in the configuration. Behind --token it is for any.",
        clean(relay.to_string().as_bytes())
    )
}

/// Somebody tried a wrong code.
pub fn wrong_guess(left: u8) -> String {
    if left == 0 {
        return "warning: somebody came with a wrong code for the third time. The code is burnt now; the other side is still \
                looked for, but cannot be started again with it."
            .to_owned();
    }
    let more = human::count(left.into(), "more wrong try ends", "more wrong tries end");
    format!(
        "warning: somebody came with a wrong code. {more} this transfer. If it was the right person, let them try \
         again."
    )
}

/// Both sides are there. A status line says itself what is waited for.
pub fn paired(side: Side, has_status: bool) -> &'static str {
    match side {
        Side::Send if !has_status => "Connected. Waiting for the other side to accept.",
        Side::Send | Side::Receive => "Connected.",
    }
}

/// One side asked for no encryption, the other did not.
pub const ENCRYPTION_KEPT: &str = "note: only one side gave --no-encrypt, so the transfer stays encrypted.";

/// Both sides asked for no encryption.
pub const READABLE: &str =
    "warning: both sides gave --no-encrypt: the relay can read the content (it cannot alter it).";

/// The string both people compare.
pub fn verify(string: &str) -> String {
    format!("Verification: {}", clean(string.as_bytes()))
}

/// The same where the other side's person is the one who is asked.
pub fn verify_there(string: &str) -> String {
    format!("{}\nThe other side asks whether this is what it shows: tell them.", verify(string))
}

/// Do both sides show the same?
pub const VERIFY_QUESTION: &str = "Does the other side show exactly the same? [y/N] ";

/// What the answers to that mean.
pub const VERIFY_CHOICES: &str = "  y  yes: both sides show the same, and the transfer begins
  n  no, or Enter alone: somebody may be in between, and the transfer ends";

/// What is offered so far: counts, bytes, first names. `…` stands for names that are not shown, and for nothing else.
pub fn offer(offer: &Offer) -> String {
    format!("Offered: {}", contents(offer))
}

/// The same for who sends it, once the other side has agreed.
pub fn sending(offer: &Offer) -> String {
    format!("Sending {}", contents(offer))
}

fn contents(offer: &Offer) -> String {
    let at_least = if offer.complete || offer.text { "" } else { "at least " };
    let mut text = format!("{at_least}{}", counts(offer));
    if offer.text {
        return text;
    }
    let names: Vec<_> =
        offer.names.iter().map(|name| clean_short(name.as_bytes(), NAME_COLUMNS_MAX)).collect();
    if !names.is_empty() {
        text.push_str(": ");
        text.push_str(&names.join(", "));
        let named = u64::try_from(names.len()).unwrap_or(u64::MAX);
        if names.len() >= OFFER_NAMES_MAX && offer.files.saturating_add(offer.directories) > named {
            text.push_str(", …");
        }
    }
    text
}

fn counts(offer: &Offer) -> String {
    if offer.text {
        return format!("a text of {}", human::count(offer.bytes, "byte", "bytes"));
    }
    if offer.files == 0 && !offer.complete {
        // A directory counts from its end on, and is named from its beginning.
        let named = u64::try_from(offer.names.len()).unwrap_or(u64::MAX);
        return human::count(offer.directories.max(named), "directory", "directories");
    }
    let bytes = match offer.bytes {
        // A stream, whose end will tell.
        0 if !offer.complete => "size unknown".to_owned(),
        bytes => human::bytes(bytes),
    };
    format!("{}, {bytes}", files_and_directories(offer))
}

fn files_and_directories(offer: &Offer) -> String {
    let files = human::count(offer.files, "file", "files");
    let directories = human::count(offer.directories, "directory", "directories");
    match (offer.files, offer.directories) {
        (_, 0) => files,
        (0, _) => directories,
        (..) => format!("{files}, {directories}"),
    }
}

/// Take it?
pub fn accept_question(out: &Path) -> String {
    format!("Receive into {}? [y/N] ", place(out))
}

/// The question about an offer.
pub fn question(offer: &Offer, out: &Path) -> String {
    if offer.text && out.as_os_str() != "-" { SHOW_QUESTION.to_owned() } else { accept_question(out) }
}

/// What the answers to that mean.
pub fn accept_choices(offer: &Offer) -> &'static str {
    if offer.text { SHOW_CHOICES } else { ACCEPT_CHOICES }
}

const ACCEPT_CHOICES: &str = "  y  yes: it is received
  n  no, or Enter alone: nothing is received, and the other side is told";

const SHOW_CHOICES: &str = "  y  yes: it is shown
  n  no, or Enter alone: it is not shown, and the other side is told";

/// Show it?
const SHOW_QUESTION: &str = "Show it? [y/N] ";

/// A text that was received, as standard output gets it: lines, of which the last has no end here. On a terminal nothing in it acts.
pub fn shown_text(text: &str, on_terminal: bool) -> String {
    let text = text.strip_suffix('\n').unwrap_or(text);
    if !on_terminal {
        return text.to_owned();
    }
    let clean_line = |line: &str| {
        let line = line.strip_suffix('\r').unwrap_or(line);
        line.split('\t').map(|part| clean(part.as_bytes())).collect::<Vec<_>>().join("\t")
    };
    text.split('\n').map(clean_line).collect::<Vec<_>>().join("\n")
}

/// Where no status line counts down, a line of its own.
pub fn disconnected(what: &str, retry: Duration) -> String {
    let (what, time) = (clean(what.as_bytes()), human::duration(retry));
    format!("Connection lost ({what}); looking for the other side for {time}.")
}

/// The connection is back.
pub const RECONNECTED: &str = "Connected again; the transfer goes on.";

/// The other side came anew with the same code.
pub const RESTARTED: &str = "The other side was started again; what was kept is not sent again.";

/// An entry lies beside the one that has its name.
pub fn kept_both(path: &RelPath, name: &Name) -> String {
    let (path, name) = (clean(path.as_bytes()), clean(name.as_bytes()));
    format!("note: {path} is there already; the new one is called {name}")
}

/// Over how many connections data goes now.
pub fn lanes(lanes: u8) -> String {
    if lanes == 1 { "one lane".to_owned() } else { format!("{lanes} lanes") }
}

/// Stands for lines that came faster than they were read.
pub fn left_out(lines: u64) -> String {
    format!("… {} left out", human::count(lines, "line", "lines"))
}

/// How to go on after an end that was none.
pub fn going_on(resumes: bool, command: &str, lacks_token: bool) -> String {
    let kept = if resumes {
        "What has arrived is kept."
    } else {
        "Whole files are kept; the others start afresh (--no-resume)."
    };
    let mut text = format!("{kept} With the same code it goes on, once both sides run:\n\n    {command}\n");
    if lacks_token {
        text.push('\n');
        text.push_str(GIVE_TOKEN);
    }
    text
}

/// One line for each address that a relay listens on.
pub fn listening(address: std::net::SocketAddr, tls: bool) -> String {
    format!("listening on {}://{address}", if tls { "wss" } else { "ws" })
}

/// The output directory.
fn place(out: &Path) -> String {
    match out.to_str() {
        Some(".") => "this directory".to_owned(),
        Some("-") => "standard output".to_owned(),
        _ => clean(out.as_os_str().as_encoded_bytes()),
    }
}

/// Five names and the counts fit into a few lines of a terminal.
const NAME_COLUMNS_MAX: usize = 40;

#[cfg(test)]
#[path = "messages_tests.rs"]
mod tests;

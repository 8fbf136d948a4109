//! What was not delivered: each entry with its reason, and what helps against each reason, where it can be done.

use crate::events::{EntryEnd, Report};
use crate::proto::frame::{Failure, Reason};
use crate::proto::manifest::KindTag;
use crate::term::clean::{clean, clean_short};
use crate::term::human;
use crate::term::style::Style;

use super::Side;

/// Everything that was not delivered, as far as the report names it, and what helps.
pub fn failures(side: Side, report: &Report) -> String {
    let mut text = format!("{}:", how_many(report));
    for entry in &report.failures {
        text.push_str(&format!("\n  {}", undelivered(entry)));
    }
    let unnamed = report.failed.saturating_sub(count(&report.failures));
    if unnamed > 0 {
        text.push_str(&format!("\n  and {unnamed} more"));
    }
    let remedies = remedies(side, &report.failures);
    let is_for_all = |entries: &[&EntryEnd]| entries.len() == report.failures.len();
    for (advice, entries) in &remedies {
        match entries.as_slice() {
            entries if is_for_all(entries) => text.push_str(&format!("\nhint: {advice}")),
            entries => text.push_str(&format!("\nhint for {}: {advice}", whom(entries, unnamed > 0))),
        }
    }
    text
}

/// How many entries were not delivered, where something else lists them.
pub fn failures_counted(style: Style, report: &Report) -> String {
    format!("{} {}", style.alarm("p2pc:"), how_many(report))
}

fn how_many(report: &Report) -> String {
    format!("{} not delivered", human::count(report.failed, "entry was", "entries were"))
}

/// One line for an entry that was not delivered.
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
        Reason::Missing => "there is no such path, though the list has it",
        Reason::NameUnusable => "its name cannot be sent",
        Reason::NameUnfit => "its name cannot exist on the receiving system",
        Reason::LinkOutside => "the link may point outside the output directory",
        Reason::DirectoryThere => "a directory of that name is in the way",
        Reason::Exists => "something of that name is there already and was left alone",
        Reason::Collides => "the receiving file system takes its name for that of another entry",
        Reason::NoDirectory => "its directory could not be made",
        Reason::Unwritable => "the receiver cannot write it",
        Reason::Corrupt => "what arrived is not what was sent",
        Reason::OnlyOne => "the receiver writes to standard output, which takes one file and nothing else",
    };
    if failure.text.is_empty() {
        return reason.to_owned();
    }
    format!("{reason} ({})", clean(failure.text.as_bytes()))
}

/// What helps, each with the entries that it helps.
fn remedies(side: Side, failed: &[EntryEnd]) -> Vec<(&'static str, Vec<&EntryEnd>)> {
    let mut remedies: Vec<(&'static str, Vec<&EntryEnd>)> = Vec::new();
    for entry in failed {
        let Some(advice) = entry.failure.as_ref().and_then(|failure| advice(side, entry.kind, failure))
        else {
            continue;
        };
        match remedies.iter_mut().find(|(given, _)| *given == advice) {
            Some((_, entries)) => entries.push(entry),
            None => remedies.push((advice, vec![entry])),
        }
    }
    remedies
}

/// The entries that a hint is for, in a few words. `has_more`: and perhaps some that nobody names.
fn whom(entries: &[&EntryEnd], has_more: bool) -> String {
    let name = |entry: &EntryEnd| clean_short(entry.path.as_bytes(), NAME_COLUMNS_MAX);
    match entries {
        [] => String::new(),
        [first, ..] if has_more => format!("{} and what is like it", name(first)),
        [only] => name(only),
        [first, second] => format!("{} and {}", name(first), name(second)),
        [first, others @ ..] => format!("{} and {} others", name(first), others.len()),
    }
}

/// What to do about it, at this end or at the other; what is mended is sent again, by both with a new code. Where the directory of an entry could not be made, that has a line and a remedy of its own;
/// a receiver cannot help against a FIFO.
fn advice(side: Side, kind: KindTag, failure: &Failure) -> Option<&'static str> {
    let (at_sender, at_receiver) = match failure.reason {
        Reason::Unreadable => (
            "Make it readable and send it again: what has arrived is not sent twice.",
            "The sender has to make it readable and send it again.",
        ),
        Reason::Special if side == Side::Receive => return None,
        Reason::Special => ("Leave it out with --exclude.", ""),
        Reason::Changed => (
            "Send it again when nothing writes to it: what has arrived is not sent twice.",
            "The sender has to send it again when nothing writes to it.",
        ),
        Reason::Vanished => (
            "If it is wanted, send it again when nothing is moved or removed there.",
            "If it is wanted, the sender has to send it again when nothing is moved or removed there.",
        ),
        Reason::Missing => (
            "Look at the list: its paths begin in the directory that p2pc runs in, unless they begin with a slash.",
            "The sender has to look at its list.",
        ),
        Reason::NameUnusable => (
            "Rename it and send it again: what has arrived is not sent twice.",
            "The sender has to rename it and send it again.",
        ),
        Reason::NameUnfit | Reason::Collides => (
            "Rename it and send it again: what has arrived is not sent twice.",
            "The sender has to rename it and send it again; or a disk takes it that can tell such names apart (--out).",
        ),
        Reason::LinkOutside => (
            "Send what it points to in place of the link.",
            "The sender can send what it points to in place of the link.",
        ),
        // What replaces a file replaces no directory, and no directory replaces a file.
        Reason::Exists if kind != KindTag::Directory && failure.text.is_empty() => (
            "Send it again, to a receiver that takes it with --on-conflict overwrite or rename.",
            "To take it after all, have it sent again and receive it with --on-conflict overwrite, or rename to keep both.",
        ),
        Reason::Exists | Reason::DirectoryThere => (
            "The receiver has to move away what stands there, or to take another directory. Then send it again: what has arrived is not sent twice.",
            "Move away what stands there, or receive into another directory with --out, and have it sent again.",
        ),
        Reason::NoDirectory if failure.text.is_empty() => return None,
        Reason::NoDirectory => (
            "Send it again when nothing moves or removes directories at the receiver.",
            "Have it sent again when nothing moves or removes directories there.",
        ),
        Reason::Unwritable => (
            "The receiver has to look who may write there, or to take another directory. Then send it again: what has arrived is not sent twice.",
            "Look who may write there (ls -ld), or receive into another directory with --out, and have it sent again.",
        ),
        Reason::Corrupt => (
            "Send it again. If this comes again, a disk or the memory of a machine is failing.",
            "Have it sent again. If this comes again, a disk or the memory of a machine is failing.",
        ),
        Reason::OnlyOne => (
            "Send it again to a receiver that writes into a directory; or send one archive: tar -c PATH | p2pc send -",
            "Have it sent again and receive into a directory with --out; or have one archive sent.",
        ),
    };
    Some(if side == Side::Send { at_sender } else { at_receiver })
}

fn count(entries: &[EntryEnd]) -> u64 {
    u64::try_from(entries.len()).unwrap_or(u64::MAX)
}

/// A hint is one line of a terminal or two.
const NAME_COLUMNS_MAX: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::path::{Name, RelPath};

    fn failed(name: &str, kind: KindTag, reason: Reason, text: &str) -> EntryEnd {
        let path = RelPath::root().join(&Name::new(name.as_bytes()).unwrap()).unwrap();
        EntryEnd { path, kind, bytes: 0, failure: Some(Failure::new(reason, text)) }
    }

    fn told(side: Side, entries: Vec<EntryEnd>, unnamed: u64) -> String {
        failures(side, &Report { failed: count(&entries) + unnamed, failures: entries, ..Report::default() })
    }

    fn hints(side: Side, entries: Vec<EntryEnd>) -> Vec<String> {
        told(side, entries, 0).lines().filter(|line| line.starts_with("hint")).map(str::to_owned).collect()
    }

    #[test]
    fn what_helps_against_everything_is_said_once() {
        let there = |name| failed(name, KindTag::File, Reason::Exists, "");
        let hint = "hint: To take it after all, have it sent again and receive it with --on-conflict overwrite, or rename to keep both.";
        assert_eq!(hints(Side::Receive, vec![there("a"), there("b")]), [hint]);
        assert!(hints(Side::Send, vec![there("a")])[0].starts_with("hint: Send it again, to a receiver"));
        // Also for those that are not named: of each reason the first is.
        assert!(told(Side::Receive, vec![there("a")], 7).ends_with(&format!("\n  and 7 more\n{hint}")));
    }

    #[test]
    fn each_reason_has_its_own_hint_with_those_it_is_for() {
        let entries = || {
            vec![
                failed("secret", KindTag::File, Reason::Unreadable, "EACCES"),
                failed("in-the-way", KindTag::File, Reason::DirectoryThere, ""),
                failed("pipe", KindTag::Other, Reason::Special, ""),
                failed("in-its-way", KindTag::Directory, Reason::Exists, ""),
                failed("c\x1b", KindTag::File, Reason::Exists, ""),
                failed("d", KindTag::File, Reason::Exists, ""),
                failed("e", KindTag::File, Reason::Exists, ""),
            ]
        };
        assert_eq!(
            hints(Side::Send, entries()),
            [
                "hint for secret: Make it readable and send it again: what has arrived is not sent twice.",
                "hint for in-the-way and in-its-way: The receiver has to move away what stands there, or to take another directory. Then send it again: what has arrived is not sent twice.",
                "hint for pipe: Leave it out with --exclude.",
                "hint for c\\x1b and 2 others: Send it again, to a receiver that takes it with --on-conflict overwrite or rename.",
            ]
        );
        let at_receiver = hints(Side::Receive, entries());
        assert_eq!(at_receiver.len(), 3, "{at_receiver:?}");
        assert!(at_receiver[0].starts_with("hint for secret: The sender has to"), "{at_receiver:?}");
        assert!(told(Side::Send, entries(), 1).contains("\nhint for pipe and what is like it: "));
    }

    /// Nothing that is in the way, or that is kept by somebody else, goes away by making room.
    #[test]
    fn no_hint_blames_what_is_not_at_fault() {
        let what = [
            Reason::Unreadable,
            Reason::Changed,
            Reason::Vanished,
            Reason::Missing,
            Reason::NameUnusable,
            Reason::NameUnfit,
            Reason::LinkOutside,
            Reason::Exists,
            Reason::Collides,
            Reason::Unwritable,
            Reason::Corrupt,
            Reason::DirectoryThere,
            Reason::OnlyOne,
        ];
        for reason in what {
            for (side, other) in [(Side::Send, "The sender has"), (Side::Receive, "The receiver has")] {
                let hints = hints(side, vec![failed("a", KindTag::File, reason, "")]);
                let [hint] = hints.as_slice() else { panic!("{reason:?}: {hints:?}") };
                assert!(!hint.contains("space") && !hint.contains(other), "{hint}");
            }
        }
        // What the whole disk lacks ends the transfer; and a directory that could not be made says itself why.
        assert!(hints(Side::Receive, vec![failed("a", KindTag::File, Reason::NoDirectory, "")]).is_empty());
    }
}

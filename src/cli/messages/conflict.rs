//! Two files of one name, side by side.

use crate::events::{Conflict, Version};
use crate::term::calendar::Moment;
use crate::term::clean::{clean, clean_short, columns_of};
use crate::term::human;

/// What stands there and what is offered: sizes or where they lead, times, and which is newer.
pub fn conflict(conflict: &Conflict) -> String {
    let Conflict { path, ours, theirs } = conflict;
    let [our_worth, their_worth] = worth(ours, theirs);
    let width = columns_of(&our_worth).max(columns_of(&their_worth));
    let row = |title: &str, worth: &str, version: &Version, other: &Version| {
        let newer = if version.mtime_s > other.mtime_s { "  newer" } else { "" };
        let gap = width - columns_of(worth);
        format!("  {title}  {worth}{:gap$}  {} UTC{newer}", "", Moment::new(version.mtime_s))
    };
    format!(
        "{} is there already, and differs:\n{}\n{}",
        clean(path.as_bytes()),
        row("there  ", &our_worth, ours, theirs),
        row("offered", &their_worth, theirs, ours)
    )
}

/// What to do about it?
pub const CONFLICT_QUESTION: &str =
    "Overwrite, skip or rename? [o/s/r, in capitals for all, Enter skips, ?] ";

/// What the answers to that mean.
pub const CONFLICT_CHOICES: &str = "  o  overwrite: the offered one takes the place of the one that is there
  s  skip: the one that is there stays, and the offered one is not received
  r  rename: both are kept, the offered one with a number behind its name
  O, S or R  the same for this one and all that follow";

/// Sizes as people read them, or to the byte where that hides the difference; of links where they lead.
fn worth(ours: &Version, theirs: &Version) -> [String; 2] {
    let rounded = [ours, theirs].map(|version| match (&version.target, version.size) {
        (Some(target), _) => format!("-> {}", clean_short(target, TARGET_COLUMNS_MAX)),
        (None, Some(size)) => human::bytes(size),
        (None, None) => "size unknown".to_owned(),
    });
    match (ours.size, theirs.size) {
        (Some(one), Some(other)) if one != other && rounded[0] == rounded[1] => {
            [one, other].map(human::exact_bytes)
        }
        _ => rounded,
    }
}

/// So that the time has room beside it.
const TARGET_COLUMNS_MAX: usize = 30;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::path::{Name, RelPath};

    fn shown(ours: (Option<u64>, i64), theirs: (Option<u64>, i64)) -> String {
        let version = |(size, mtime_s)| Version { size, mtime_s, target: None };
        let path = RelPath::root().join(&Name::new(b"a\x1b[2J.jpg").unwrap()).unwrap();
        conflict(&Conflict { path, ours: version(ours), theirs: version(theirs) })
    }

    #[test]
    fn both_stand_below_each_other_and_the_newer_is_pointed_at() {
        assert_eq!(
            shown((Some(1_288_490), 1_709_251_199), (Some(512), 951_782_400)),
            "a\\x1b[2J.jpg is there already, and differs:\n  \
             there    1.2 MiB  2024-02-29 23:59:59 UTC  newer\n  \
             offered  512 B    2000-02-29 00:00:00 UTC"
        );
        assert!(shown((Some(1), 0), (Some(1), 1)).ends_with("offered  1 B  1970-01-01 00:00:01 UTC  newer"));
        assert!(!shown((Some(1), 7), (Some(1), 7)).contains("newer"));
    }

    #[test]
    fn sizes_that_read_the_same_are_told_to_the_byte() {
        let told = shown((Some(1_258_292), 0), (Some(1_258_293), 0));
        assert!(told.contains("  1,258,292 B  ") && told.contains("  1,258,293 B  "), "{told}");
        assert!(shown((None, 0), (Some(9), 0)).contains("there    size unknown  1970"));
    }
    #[test]
    fn of_links_it_is_told_where_they_lead() {
        let link = |target: &[u8], mtime_s| Version { size: None, mtime_s, target: Some(target.into()) };
        let path = RelPath::root().join(&Name::new(b"l").unwrap()).unwrap();
        let told = |ours, theirs| conflict(&Conflict { path: path.clone(), ours, theirs });
        assert_eq!(
            told(link(b"../old\x1b[2J", 0), link("東京".as_bytes(), 1)),
            "l is there already, and differs:\n  \
             there    -> ../old\\x1b[2J  1970-01-01 00:00:00 UTC\n  \
             offered  -> 東京           1970-01-01 00:00:01 UTC  newer"
        );
        let file = Version { size: Some(9), mtime_s: 1, target: None };
        let told = told(link(&[b'x'; 4000], 0), file);
        assert!(told.lines().all(|line| columns_of(line) < 80), "{told}");
        assert!(told.contains("\n  offered  9 B   "), "{told}");
    }
}

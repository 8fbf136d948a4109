//! Two files of one name, side by side.

use crate::events::{Conflict, Version};
use crate::term::calendar::Moment;
use crate::term::clean::clean;
use crate::term::human;

/// What stands there and what is offered: sizes and times, and which is newer.
pub fn conflict(conflict: &Conflict) -> String {
    let Conflict { path, ours, theirs } = conflict;
    let [our_size, their_size] = sizes(ours.size, theirs.size);
    let width = our_size.len().max(their_size.len());
    let row = |title: &str, size: &str, version: &Version, other: &Version| {
        let newer = if version.mtime_s > other.mtime_s { "  newer" } else { "" };
        format!("  {title}  {size:width$}  {} UTC{newer}", Moment::new(version.mtime_s))
    };
    format!(
        "{} is there already, and differs:\n{}\n{}",
        clean(path.as_bytes()),
        row("there  ", &our_size, ours, theirs),
        row("offered", &their_size, theirs, ours)
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

/// As people read them, or to the byte where that hides the difference.
fn sizes(ours: Option<u64>, theirs: Option<u64>) -> [String; 2] {
    let rounded = [ours, theirs].map(|size| size.map_or_else(|| "size unknown".to_owned(), human::bytes));
    match (ours, theirs) {
        (Some(one), Some(other)) if one != other && rounded[0] == rounded[1] => {
            [one, other].map(human::exact_bytes)
        }
        _ => rounded,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::path::{Name, RelPath};

    fn shown(ours: (Option<u64>, i64), theirs: (Option<u64>, i64)) -> String {
        let version = |(size, mtime_s)| Version { size, mtime_s };
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
}

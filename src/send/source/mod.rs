//! The source: what the arguments mean, the walk that finds what is in them, and the reader that reads it.
//!
//! ```text
//! arguments → Roots → Walk  → Entry, Entry, …            one thread, as far ahead as the session lets it
//!                   → Reader → Block, Ended, Dropped, …  another one, file after file, or what of it the receiver wants
//! ```
//!
//! Both are synchronous and belong on threads of their own. Neither follows a link below an argument, and
//! neither ever opens anything but directories and regular files.

mod base;
mod contents;
mod exclude;
mod input;
mod list;
mod names;
mod pattern;
mod read;
mod roots;
#[cfg(all(test, unix))]
mod tests;
mod walk;

pub use exclude::Exclude;
pub use input::Input;
pub use list::{LIST_BYTES_MAX, PathList};
pub use pattern::Pattern;
pub use read::{Fetch, Listener, ReadEnd, Reader, SourceEvent, What};
pub use roots::{Renamed, Roots};
pub use walk::Walk;

//! The source: what the arguments mean, the walk that finds what is in them, and the reader that reads it.
//!
//! ```text
//! arguments → Roots → Walk  → Entry, Entry, …            one thread, as far ahead as the session lets it
//!                   → Reader → Block, Ended, Dropped, …  another one, file after file as the receiver wants them
//! ```
//!
//! Both are synchronous and belong on threads of their own. Neither follows a link below an argument, and neither ever opens
//! anything but directories and regular files.

mod base;
mod names;
mod read;
mod roots;
#[cfg(all(test, unix))]
mod tests;
mod walk;

pub use read::{Fetch, ReadEnd, Reader, SourceEvent, What};
pub use roots::{Renamed, Roots};
pub use walk::Walk;

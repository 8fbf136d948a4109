//! The configuration file: what a person wants every time, so that it need not be typed.
//!
//! It is read by the command line alone; the library never looks for it. It says less than the environment, which says less than what is typed. Its
//! token is for its relay and for no other. Codes are never in it.

mod apply;
mod args;
mod keys;
mod parse;
mod place;
mod shown;

use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::topic::Topic;
use crate::Result;

pub use args::ConfigArgs;
pub use shown::show;

/// What a file says. The default is what no file says.
#[derive(Default)]
pub struct Settings {
    path: PathBuf,
    entries: Vec<Entry>,
}

/// One setting.
struct Entry {
    /// For this subcommand alone, where it stands in its section.
    topic: Option<Topic>,
    key: &'static str,
    value: Zeroizing<String>,
    line: usize,
}

impl Entry {
    /// A switch that is off because of what stands in this line.
    fn off(topic: Option<Topic>, key: &'static str, line: usize) -> Entry {
        Entry { topic, key, value: Zeroizing::new("false".to_owned()), line }
    }
}

impl Settings {
    /// What the file says that this process is to read. None there says nothing.
    ///
    /// # Errors
    /// [`Kind::Usage`](crate::Kind::Usage): it cannot be read, is open to others though it must not be, or says what cannot be meant.
    pub fn of_process() -> Result<Settings> {
        place::of_process().map_or_else(|| Ok(Settings::default()), |place| place.read())
    }

    /// The relay.
    #[must_use]
    pub fn relay(&self) -> Option<&str> {
        self.get(None, keys::RELAY).map(|entry| entry.value.as_str())
    }

    /// The token, for [`Settings::relay`] and nobody else.
    #[must_use]
    pub fn token(&self) -> Option<&str> {
        self.get(None, keys::TOKEN).map(|entry| entry.value.as_str())
    }

    /// What holds for a subcommand: what stands in its section, or else what stands in none.
    fn get(&self, topic: Option<Topic>, key: &str) -> Option<&Entry> {
        let of = |topic: Option<Topic>| {
            self.entries.iter().find(move |entry| entry.key == key && entry.topic == topic)
        };
        topic.and_then(|topic| of(Some(topic))).or_else(|| of(None))
    }

    /// Where they stand.
    fn path(&self) -> &Path {
        &self.path
    }
}

/// Its values stay out of it: one of them may be a token.
impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings").field("path", &self.path).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

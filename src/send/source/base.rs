//! The directory an argument lies in, or is: opened once for all entries below it.

use std::path::{Path, PathBuf};

use crate::disk::dirs::Dirs;
use crate::disk::{Native, Result};

/// The base used last. Arguments come one after the other, so one is enough.
#[derive(Debug, Default)]
pub(super) struct Base {
    current: Option<(PathBuf, Dirs<Native>)>,
}

impl Base {
    /// The directories below `path`.
    pub(super) fn at(&mut self, path: &Path) -> Result<&mut Dirs<Native>> {
        let kept = self.current.take().filter(|(current, _)| current == path);
        let current = match kept {
            Some(current) => current,
            None => (path.to_owned(), Dirs::new(Native::open_path(path)?)),
        };
        Ok(&mut self.current.insert(current).1)
    }
}

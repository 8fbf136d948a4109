//! Files that were made once and are kept beside the tests.

use std::path::{Path, PathBuf};

/// A certificate or key: see `tests/vectors/tls`.
pub fn tls(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/tls").join(name)
}

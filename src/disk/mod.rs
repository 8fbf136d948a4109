//! The file system behind a trait.

//! Writes and renames.

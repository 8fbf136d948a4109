//! Walks and reads.

//! Entries.
/// What kind of entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KindTag {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Link,
}

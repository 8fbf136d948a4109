//! What a relay says when it closes a connection of its own accord, with code 1008, and what a client must
//! understand. Whoever is told one of these gains nothing by coming again at once.

/// It waited alone for as long as the relay lets anybody wait.
pub const WAITED_TOO_LONG: &str = "waited too long for the other side";

/// Neither of two said anything to the other for a long time.
pub const IDLE: &str = "nobody said anything for too long";

/// Two have said to each other as much as the relay lets a pair say.
pub const SPENT: &str = "this pair has said as much as it may";

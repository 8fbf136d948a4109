//! The simulator: whole transfers with everything that can go wrong, from one seed, on a clock that does not wait.
//!
//! ```text
//!                    ┌──────────── Net: pipes, WebSocket, faults ───────────┐
//!  End ── Party ── Lanes ── Seeker         Relay (switchboard, forward)     End ── Party ── Lanes ── Seeker
//!          │ Sender, Walker, Reader, Breadth                                        │ Receiver, Writer
//!          ▼                                                                        ▼
//!         Tree                            Oracle looks at both                     MemoryDisk
//! ```
//!
//! What ships runs here as it ships: the session machines, the sink, the handshake, the proofs of a session, the lanes with
//! their outboxes and inboxes and what decides about them, the records, the switchboard and the relay's framing. Modelled are only the drivers around them, which wait, and move bytes. A run follows from its
//! seed alone, so that whatever fails once fails again, with as many words as one likes. Some runs have a theme, see `scenario`.
//!
//! Each side's capabilities are drawn for itself, so that programs of other ages meet. What ships can do more than this: nobody compares a
//! short string (`--verify`), every file is of known size (no standard input, and nothing is received to standard output), only receivers have a
//! limit of their rate, a relay wants no token, and no two names differ in case only.

mod breadth;
mod clock;
mod dice;
mod endpoint;
mod hostile;
mod lane;
mod lanes;
mod link;
mod net;
mod oracle;
mod party;
mod relay;
mod run;
mod scenario;
mod seeker;
mod source;
#[cfg(test)]
mod tests;
mod trace;
mod tree;
mod world;
mod writer;
mod ws;

pub use run::{Failure, Outcome, run};

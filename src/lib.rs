//! p2pc sends files and directories from one machine to another when both can only dial out.
//!
//! Both sides share a short code and meet in a room of a relay, over WebSocket and TLS, on one port. The code never leaves the
//! machines in a form that can be tested: from it both sides work out a session that is encrypted end to end, and the relay
//! passes on what it can neither read nor alter.
//!
//! The program `p2pc` is a thin face of this crate. The same three things can be done from Rust:
//!
//! - [`send()`] with [`SendOptions`]: offers files and directories, returns once the other side has stated every entry's outcome;
//! - [`receive()`] with [`ReceiveOptions`]: takes them into a directory;
//! - [`Relay::bind`] with [`RelayOptions`], then [`Relay::run`]: the relay between them. Without any, the side that makes the code runs one
//!   of its own.
//!
//! Options are plain structs with a setter for everything: `SendOptions::new(["results"]).relay(relay).lanes(LaneCount::Exactly(4))`. There are
//! three ways to run them:
//!
//! - [`send()`] and [`receive()`] are futures. What happens meanwhile is told to a [`Handler`], which is also asked the few questions
//!   there are; a [`Cancel`] ends things in order.
//! - [`SendOptions::start`] and [`ReceiveOptions::start`] give a [`Transfer`]: a stream of what happens and is asked, and a report
//!   at its end.
//! - [`blocking`] has both without futures, and a relay that runs beside its program.
//!
//! The library never prints, never reads the environment behind its caller's back, and never exits. Its futures need no particular executor:
//! timers and sockets run on a thread of their own. Those of [`send()`] and [`receive()`] stay on the thread that polls them; a [`Transfer`] may
//! move between threads.
//!
//! ```no_run
//! use p2pc::{Event, SendOptions, transfer::Notice};
//!
//! # fn main() -> p2pc::Result<()> {
//! let mut transfer = SendOptions::new(["results"]).relay("relay.example.org".parse()?).start().blocking();
//! for notice in transfer.by_ref() {
//!     match notice {
//!         Notice::Event(Event::CodeReady { code, .. }) => println!("p2pc receive {}", code.reveal()),
//!         Notice::Event(Event::Progress(now)) => println!("{} of {} bytes", now.bytes_done, now.bytes_total),
//!         _ => {}
//!     }
//! }
//! let report = transfer.finish()?;
//! assert_eq!(report.failed, 0);
//! # Ok(())
//! # }
//! ```
//!
//! # What is promised
//!
//! Names that this page shows and what they lead to follow semantic versioning. Modules that it does not show are public for the
//! program, the tests and the benchmarks of this repository, and may change with any release.
//!
//! # Where things are
//!
//! `cli` → [`api`] → the slices [`mod@send`], [`mod@receive`], [`mod@relay`] → [`proto`], [`net`], `disk`, `term`. Slices do not know each other, and
//! nothing below knows a slice. What both ends must agree on is in [`proto`] and, like the session machines, knows no socket,
//! file, clock or randomness.

#![forbid(unsafe_code)]
#![cfg_attr(
    any(test, feature = "sim"),
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        clippy::cast_sign_loss,
        clippy::must_use_candidate,
        clippy::new_without_default,
        reason = "tests stop where something is wrong, count in small numbers, and are nobody's API"
    )
)]

pub mod api;
#[doc(hidden)]
pub mod cli;
#[doc(hidden)]
pub mod defects;
#[doc(hidden)]
pub mod disk;
pub mod error;
pub mod events;
pub mod net;
pub mod proto;
pub mod receive;
pub mod relay;
pub mod send;
#[cfg(any(test, feature = "sim"))]
#[doc(hidden)]
pub mod sim;
#[doc(hidden)]
pub mod term;

pub use api::transfer::Transfer;
pub use api::{blocking, receive, send, transfer};
pub use error::{Error, Kind, Result};
pub use events::{Cancel, Event, Handler, Question, Report};
pub use net::{ListenAddr, RelayUrl};
pub use proto::chunk::ChunkSize;
pub use proto::code::Code;
pub use proto::pace::Rate;
pub use proto::token::Token;
pub use receive::{Algorithm, Checksums, OnConflict, ReceiveOptions};
pub use relay::{Relay, RelayOptions};
pub use send::{Compress, Exclude, LaneCount, PathList, Pattern, SendOptions};
pub use term::clean::clean;

/// The blocks of code in the pages: `cargo test --doc` compiles them, and nothing else knows of this.
#[cfg(doctest)]
mod pages {
    #[doc = include_str!("../README.md")]
    struct Readme;
    #[doc = include_str!("../docs/library.md")]
    struct Library;
}

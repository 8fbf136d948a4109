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
//! What happens meanwhile is told to a [`Handler`], which is also asked the few questions there are; a [`Cancel`] ends things in
//! order. The library never prints, never reads the environment behind its caller's back, and never exits. Its futures need no
//! particular executor: timers and sockets run on a thread of their own.
//!
//! ```no_run
//! use p2pc::{Cancel, ReceiveOptions, SendOptions, events::Silent};
//!
//! # fn main() -> p2pc::Result<()> {
//! let relay = "relay.example.org".parse()?;
//! let mut options = SendOptions::new(["results".into()]);
//! options.dial.relay = Some(relay);
//! let report = futures_lite::future::block_on(p2pc::send(options, &Silent::accepting(), Cancel::new()))?;
//! assert_eq!(report.failed, 0);
//! # Ok(())
//! # }
//! ```
//!
//! # Where things are
//!
//! `cli` → `api` → the slices [`mod@send`], [`mod@receive`], [`mod@relay`] → [`proto`], [`net`], [`disk`], [`term`]. Slices do not know each other, and
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
pub mod cli;
pub mod defects;
pub mod disk;
pub mod error;
pub mod events;
pub mod net;
pub mod proto;
pub mod receive;
pub mod relay;
pub mod send;
#[cfg(any(test, feature = "sim"))]
pub mod sim;
pub mod term;

pub use api::{receive, send};
pub use error::{Error, Kind, Result};
pub use events::{Cancel, Event, Handler, Question, Report};
pub use net::RelayUrl;
pub use proto::code::Code;
pub use receive::ReceiveOptions;
pub use relay::{Relay, RelayOptions};
pub use send::{Compress, LaneCount, SendOptions};

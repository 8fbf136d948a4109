//! p2pc sends files and directories from one machine to another when both can only dial out.
//!
//! Both sides share a short code and meet in a room of a relay, over WebSocket and TLS, on one port. The code never leaves the
//! machines in a form that can be tested: from it both sides work out a session that is encrypted end to end, and the relay
//! passes on what it can neither read nor alter.
//!
//! The program `p2pc` is a thin face of this crate. The same three things can be done from Rust:
//!
//! | | options | with futures | as a stream or a loop | without futures |
//! | --- | --- | --- | --- | --- |
//! | offer files, directories, a stream or a text | [`SendOptions`] | [`send()`] | [`SendOptions::start`] | [`blocking::send`] |
//! | take them | [`ReceiveOptions`] | [`receive()`] | [`ReceiveOptions::start`] | [`blocking::receive`] |
//! | be the relay between them | [`RelayOptions`] | [`Relay::bind`], [`Relay::run`] | | [`blocking::Relay`] |
//!
//! Without any relay the side that makes the code is one itself, for this one transfer. Options have a setter for everything:
//! `SendOptions::new(["results"]).relay(relay).lanes(LaneCount::Exactly(4))`.
//!
//! ```no_run
//! use p2pc::{Event, SendOptions, transfer::Notice};
//!
//! # fn main() -> p2pc::Result<()> {
//! let mut transfer = SendOptions::new(["results"]).relay("relay.example.org".parse()?).start().blocking();
//! for notice in transfer.by_ref() {
//!     match notice {
//!         Notice::Event(Event::CodeReady { code, relays, .. }) => println!("p2pc receive {}@{}", code.reveal(), relays[0]),
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
//! And at the other end, in a program that has futures:
//!
//! ```no_run
//! # async fn fetch(code: &str) -> p2pc::Result<()> {
//! let report = p2pc::ReceiveOptions::with_code(code, "incoming")?.yes().start().await?;
//! println!("{} arrived, {} did not", report.delivered, report.failed);
//! # Ok(())
//! # }
//! ```
//!
//! # Three ways to run it
//!
//! - A [`Transfer`], from [`SendOptions::start`] or [`ReceiveOptions::start`], runs on a thread of its own. It is a `Stream` of what happens and is asked;
//!   awaited it gives the report; and [`Transfer::blocking`] makes an iterator of it.
//! - [`send()`] and [`receive()`] are futures. What happens meanwhile is told to a [`Handler`], which is also asked the few questions there are.
//! - [`blocking`] has both without futures, and a relay that runs beside its program.
//!
//! A [`Cancel`] ends each of them in order: the other side is told. Dropping a [`Transfer`] cancels it; dropping the future of [`send()`] or [`receive()`]
//! breaks off without a word. Either way what has arrived is kept, and the same transfer run again goes on with it.
//!
//! # What it does to its program
//!
//! It never prints, never exits, reads no terminal, installs no handlers of signals or panics, and keeps nothing between transfers: any number of them run in one
//! process at a time. Of the environment it reads what says where the system's certificates are (`SSL_CERT_FILE`, `SSL_CERT_DIR`), and proxies only where
//! [`ProxyEnv::from_env`] is called. A relay logs through `tracing`. Its futures need no particular executor, as timers and sockets run on
//! a thread of their own: tokio, smol, or a `block_on` will do. Those of [`send()`] and [`receive()`] stay on the thread that polls them; a [`Transfer`] may move between
//! threads.
//!
//! Errors are one type, [`Error`], whose [`Kind`] says whose fault it was. Entries that did not arrive are no error, as the rest did: [`Report::failed`] counts them.
//!
//! # Features
//!
//! | feature | |
//! | --- | --- |
//! | `cli`, on by default | the program. A library needs nothing of it: `p2pc = { version = "0.1", default-features = false }` |
//! | `sim`, `bugs`, `portable` | for the tests of the repository, and no part of what is promised |
//!
//! # What is promised
//!
//! What this documentation shows follows semantic versioning; that Rust's version stays what `rust-version` says is part of it, up to the next minor version. Modules that it does
//! not show are public for the program, the tests and the benchmarks of the repository, and may change with any release.

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

#[doc(hidden)]
pub mod api;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;
#[doc(hidden)]
pub mod defects;
#[doc(hidden)]
pub mod disk;
#[doc(hidden)]
pub mod error;
pub mod events;
#[doc(hidden)]
pub mod net;
#[doc(hidden)]
pub mod proto;
#[doc(hidden)]
pub mod receive;
pub mod relay;
#[doc(hidden)]
pub mod send;
#[cfg(any(test, feature = "sim"))]
#[doc(hidden)]
pub mod sim;
#[doc(hidden)]
pub mod term;

#[doc(inline)]
pub use api::transfer::Transfer;
#[doc(inline)]
pub use api::{blocking, receive, send, transfer};
#[doc(inline)]
pub use error::{Error, Kind, Result};
#[doc(inline)]
pub use events::{Cancel, Event, Handler, Question, Report};
#[doc(inline)]
pub use net::dial::DialOptions;
#[doc(inline)]
pub use net::proxy::ProxyEnv;
#[doc(inline)]
pub use net::{Host, ListenAddr, RelayUrl};
#[doc(inline)]
pub use proto::chunk::ChunkSize;
#[doc(inline)]
pub use proto::code::{Code, CodeError, Weakness};
#[doc(inline)]
pub use proto::pace::Rate;
#[doc(inline)]
pub use proto::token::Token;
#[doc(inline)]
pub use receive::{Algorithm, Checksums, OnConflict, ReceiveOptions};
#[doc(inline)]
pub use relay::{Relay, RelayOptions};
#[doc(inline)]
pub use send::{Compress, Exclude, LaneCount, PathList, Pattern, SendOptions};
#[doc(inline)]
pub use term::clean::clean;

/// The blocks of code in the pages: `cargo test --doc` compiles them, and nothing else knows of this.
#[cfg(doctest)]
mod pages {
    #[doc = include_str!("../README.md")]
    struct Readme;
    #[doc = include_str!("../docs/library.md")]
    struct Library;
}

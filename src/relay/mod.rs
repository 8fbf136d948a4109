//! The relay between two sides: bound with [`RelayOptions`], then run, here or in [`blocking`](crate::blocking::Relay).
//!
//! It glues the two sockets of a room together, and knows nothing of what passes:
//!
//! ```text
//!  socket ─▶ server ─▶ door (HTTP) ─▶ exchange ─▶ switchboard (pure: who sits where, who is alive)
//!                        │               │ orders
//!                        ▼               ▼
//!                      conn ◀───────── desk             forward (pure: frames in, fragments out, in place)
//!                        └─▶ session: wait, pair, forward, see off
//! ```
//!
//! Before the door stands the porter, with the `gate` (pure: who is here, and what each address asks for).
//!
//! The switchboard decides, the session moves bytes; they meet only on a connection's desk. A running pair is one task
//! that owns both sockets.

#[doc(hidden)]
pub mod address;
mod allowance;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod args;
mod caller;
mod certificate;
mod conn;
mod crew;
mod descriptors;
mod desk;
mod door;
mod exchange;
mod files;
#[doc(hidden)]
pub mod forward;
mod front;
#[doc(hidden)]
pub mod gate;
mod http;
#[doc(hidden)]
pub mod limits;
mod metrics;
#[doc(hidden)]
pub mod options;
#[cfg(test)]
pub(crate) mod pipe;
mod porter;
mod quota;
mod reasons;
mod records;
#[doc(hidden)]
pub mod refusal;
mod reload;
#[doc(hidden)]
pub mod room;
mod server;
mod session;
mod socket;
#[cfg(test)]
pub(crate) mod stage;
#[doc(hidden)]
pub mod switchboard;
mod tokens;
#[doc(hidden)]
pub mod visitor;

#[doc(inline)]
pub use address::Network;
#[doc(inline)]
pub use limits::Limits;
#[doc(inline)]
pub use options::{Front, LogAddresses, RelayOptions, TlsFiles};
pub use reload::Reload;
#[doc(hidden)]
pub use room::Rooms;
pub use server::Relay;

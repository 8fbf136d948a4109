//! The relaying slice: glues the two sockets of a room together, and knows nothing of what passes.
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

pub mod address;
mod allowance;
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
pub mod forward;
mod front;
pub mod gate;
mod http;
pub mod limits;
mod metrics;
pub mod options;
#[cfg(test)]
pub(crate) mod pipe;
mod porter;
mod quota;
mod reasons;
mod records;
pub mod refusal;
mod reload;
pub mod room;
mod server;
mod session;
mod socket;
#[cfg(test)]
pub(crate) mod stage;
pub mod switchboard;
mod tokens;
pub mod visitor;

pub use limits::Limits;
pub use options::{Front, LogAddresses, RelayOptions, TlsFiles};
pub use reload::Reload;
pub use room::Rooms;
pub use server::Relay;

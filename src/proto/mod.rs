//! What both ends must agree on. Nothing here knows a socket, a file, a clock or a source of randomness.
//!
//! From the code to a session: [`code`] → [`handshake`] → [`seal`]. Inside the session: [`frame`] and [`manifest`] are what is said,
//! [`conversation`], [`window`] and [`liveness`] the rules of saying it, [`path`], [`chunk`] and [`runs`] what is said about, [`limits`] how
//! much of it.

pub mod chunk;
pub mod code;
pub mod conversation;
pub mod frame;
pub mod handshake;
mod kdf;
pub mod limits;
pub mod liveness;
pub mod manifest;
pub mod path;
pub mod role;
pub mod runs;
pub mod seal;
pub mod window;
pub mod words;

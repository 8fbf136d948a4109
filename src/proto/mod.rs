//! What both ends must agree on. Nothing here knows a socket, a file, a clock or a source of randomness.
//!
//! From the code to a session: [`code`] → [`handshake`] → [`seal`], and back to it after a lost connection: [`rejoin`]. Inside the
//! session: [`frame`] and [`manifest`] are what is said, [`conversation`], [`window`] and [`liveness`] the rules of saying it, [`outbox`] and
//! [`inbox`] how none of it is lost with a connection, [`compress`] how it becomes less, [`lanes`] and [`spread`] which lane it goes to, [`pace`] how fast, [`path`], [`chunk`] and [`runs`] what is said
//! about, [`token`] what a relay may ask for, [`limits`] how
//! much of it.

pub mod chunk;
pub mod code;
pub mod compress;
pub mod conversation;
pub mod date;
pub mod frame;
pub mod handshake;
pub mod inbox;
mod kdf;
pub mod lanes;
pub mod limits;
pub mod liveness;
pub mod manifest;
pub mod outbox;
pub mod pace;
pub mod parting;
pub mod path;
pub mod rejoin;
pub mod role;
pub mod runs;
pub mod seal;
pub mod spread;
pub mod token;
pub mod window;
pub mod words;

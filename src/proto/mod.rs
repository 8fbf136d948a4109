//! What both ends must agree on. Nothing here knows a socket, a file, a clock or a source of randomness.

pub mod chunk;
pub mod code;
pub mod conversation;
pub mod frame;
pub mod handshake;
pub(crate) mod kdf;
pub mod limits;
pub mod liveness;
pub mod manifest;
pub mod path;
pub mod role;
pub mod seal;
pub mod window;
pub mod words;

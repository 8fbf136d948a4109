//! What both ends must agree on. Nothing here knows a socket, a file, a clock or a source of randomness.
//!
//! | modules | |
//! | --- | --- |
//! | [`code`], [`words`] | the code that two people share |
//! | [`handshake`], [`token`] | from the code to a session, and what a relay may ask for |
//! | [`seal`] | records, and the keys that seal them |
//! | [`rejoin`], [`parting`] | back to the session after a lost connection, and the end of one |
//! | [`frame`], [`manifest`] | what is said inside the session |
//! | [`path`], [`chunk`], [`runs`], [`date`], [`time`] | the names, pieces and times that it is said about |
//! | [`conversation`], [`window`], [`liveness`] | the rules of saying it |
//! | [`outbox`], [`inbox`] | how none of it is lost with a connection |
//! | [`compress`] | how it becomes less |
//! | [`lanes`], [`spread`], [`pace`] | which lane it goes to, and how fast |
//! | [`role`] | which side says it |
//! | [`limits`] | how much of it |

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
pub mod time;
pub mod token;
pub mod window;
pub mod words;

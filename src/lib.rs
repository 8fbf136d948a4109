#![doc = "p2pc sends files and directories from one machine to another when both can only dial out."]
#![forbid(unsafe_code)]
pub mod api;
pub mod cli;
pub mod disk;
pub mod error;
pub mod events;
pub mod net;
pub mod proto;
pub mod receive;
pub mod relay;
pub mod send;
pub mod term;

pub use error::{Error, Kind, Result};

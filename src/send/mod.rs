//! The sending slice.
pub mod args;
pub mod machine;
pub mod source;

use crate::net::dial::DialOptions;
use crate::proto::code::Code;
use std::path::PathBuf;
use std::time::Duration;

/// What to send and how.
#[derive(Clone, Debug)]
pub struct SendOptions {
    /// Files and directories, at least one. A link named here is followed; links inside directories are sent as links.
    pub paths: Vec<PathBuf>,
    /// The code, where the other side made it or both agreed on one; `None` makes one.
    pub code: Option<Code>,
    /// The relay; `None` takes the one from the code's side, or runs an embedded relay.
    pub dial: DialOptions,
    /// Port and address of the embedded relay, where one runs; default: every interface, any free port.
    pub listen: Option<crate::net::ListenAddr>,
    /// Accept a readable transfer, if the other side asks for it too.
    pub no_encrypt: bool,
    /// Show both people a string to compare before any data.
    pub verify: bool,
    /// Unit of hashing, see `proto::chunk::ChunkSize`.
    pub chunk_size: crate::proto::chunk::ChunkSize,
    /// How long to wait for the other side. `None`: as long as it takes.
    pub wait: Option<Duration>,
}

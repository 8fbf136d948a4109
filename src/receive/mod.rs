//! The receiving slice.
pub mod args;
pub mod machine;
pub mod sink;

use crate::net::dial::DialOptions;
use crate::proto::code::Code;
use std::path::PathBuf;
use std::time::Duration;

/// Where to put what comes and how.
#[derive(Clone, Debug)]
pub struct ReceiveOptions {
    /// The code; `None` makes one.
    pub code: Option<Code>,
    /// The output directory; made if missing.
    pub out: PathBuf,
    /// How to reach the relay.
    pub dial: DialOptions,
    /// Port and address of the embedded relay, where one runs; default: every interface, any free port.
    pub listen: Option<crate::net::ListenAddr>,
    /// Take whatever is offered without asking.
    pub yes: bool,
    /// Accept a readable transfer, if the other side asks for it too.
    pub no_encrypt: bool,
    /// Show both people a string to compare before any data.
    pub verify: bool,
    /// How long to wait for the other side. `None`: as long as it takes.
    pub wait: Option<Duration>,
}

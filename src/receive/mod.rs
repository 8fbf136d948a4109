//! The receiving slice: from the lane to the disk.
//!
//! [`machine`] decides what is wanted and what is said, [`sink`] writes on a thread of its own, the driver
//! joins both to a lane.

#[cfg(feature = "cli")]
pub mod args;
pub mod checksums;
mod destination;
mod disk;
mod driver;
pub mod machine;
pub mod sink;

use std::path::PathBuf;
use std::time::Duration;

pub use checksums::{Algorithm, Checksums, SumFile};
pub use destination::{Destination, Outlet};
pub use driver::{Terms, run};
pub use sink::Rules;

use crate::error::Result;
use crate::events::Resolution;
use crate::net::ListenAddr;
use crate::net::dial::DialOptions;
use crate::net::pair::RETRY;
use crate::proto::code::Code;
use crate::proto::handshake::Capabilities;
use crate::proto::pace::Rate;

/// Where to put what comes and how.
#[derive(Clone, Debug)]
#[non_exhaustive]
#[must_use = "options do nothing by themselves: start them, or give them to `receive`"]
pub struct ReceiveOptions {
    /// The code; `None` makes one.
    pub code: Option<Code>,
    /// The output directory, made if it is missing; `-` writes the one file that is sent to standard output.
    pub out: PathBuf,
    /// In place of `out`, which is not looked at then: the one file that is sent goes there.
    pub(crate) writer: Option<Outlet>,
    /// The relay and the way to it. Without a relay, and with a code made here or an address to listen on, an embedded one is run.
    pub dial: DialOptions,
    /// Where the embedded relay listens; `None`: on every interface, on any free port. Only where one is run.
    pub listen: Option<ListenAddr>,
    /// Take whatever is offered without asking.
    pub yes: bool,
    /// Accept that the relay can read the content, if the other side asks for it too.
    pub no_encrypt: bool,
    /// Show both people a string to compare before any data.
    pub verify: bool,
    /// No more than this is asked for a second, counted as it comes over the wire, over all connections
    /// together.
    pub limit: Option<Rate>,
    /// How long to wait for the other side. `None`: as long as it takes.
    pub wait: Option<Duration>,
    /// How long a lost connection is looked for before the transfer ends; zero: not at all.
    pub retry: Duration,
    /// What to do where something else stands already.
    pub on_conflict: OnConflict,
    /// Go on with what an interrupted transfer left, and keep what the next one can go on with. Without it
    /// every file starts afresh and no journal is kept.
    pub resume: bool,
    /// Where the checksums of what is delivered go; `None`: nowhere. Into a directory only.
    pub checksums: Option<Checksums>,
    /// What this side may do where the other can, too: all that it can, but in tests.
    #[doc(hidden)]
    pub capabilities: Capabilities,
}

/// What to do where something else stands already under the name of a file or link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnConflict {
    /// Ask the handler, one by one.
    Ask,
    /// The new one takes the place of the old, once it is whole.
    Overwrite,
    /// The old one stays.
    #[default]
    Skip,
    /// Both stay: the new one gets a number behind its name.
    Rename,
}

impl OnConflict {
    /// What becomes of every conflict; `None`: a person decides about each.
    pub(super) fn resolution(self) -> Option<Resolution> {
        match self {
            OnConflict::Ask => None,
            OnConflict::Overwrite => Some(Resolution::Overwrite),
            OnConflict::Skip => Some(Resolution::Skip),
            OnConflict::Rename => Some(Resolution::Rename),
        }
    }
}

impl ReceiveOptions {
    /// How what stands there already is treated.
    #[doc(hidden)]
    #[must_use]
    pub fn rules(&self) -> Rules {
        let checksums = self.checksums.as_ref().map(|checksums| checksums.with);
        Rules { on_conflict: self.on_conflict, resume: self.resume, checksums }
    }

    /// Where it goes, looked at and not touched.
    ///
    /// # Errors
    /// As [`Destination::check`].
    pub(crate) fn destination(&self) -> Result<Destination> {
        match &self.writer {
            Some(outlet) => Ok(Destination::Stream(outlet.clone())),
            None => Destination::check(&self.out),
        }
    }

    /// Receives into `out` with this code, asking first, encrypted.
    pub fn new(code: Option<Code>, out: impl Into<PathBuf>) -> ReceiveOptions {
        ReceiveOptions {
            code,
            out: out.into(),
            writer: None,
            dial: DialOptions::default(),
            listen: None,
            yes: false,
            no_encrypt: false,
            verify: false,
            limit: None,
            wait: None,
            retry: RETRY,
            on_conflict: OnConflict::default(),
            resume: true,
            checksums: None,
            capabilities: Capabilities::default(),
        }
    }
}

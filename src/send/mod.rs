//! The sending slice: what is offered, and how it gets onto the lane.
//!
//! [`source`] walks the paths and reads the files, [`machine`] decides what is said and when, the driver
//! joins both to a lane.

#[cfg(feature = "cli")]
pub mod args;
mod driver;
mod fetch_queue;
mod limit;
pub mod machine;
mod packing;
pub mod source;
mod walked;

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

pub use driver::{Cut, run};
pub use packing::Compress;
pub use source::{Exclude, Input, PathList, Pattern};

use source::Roots;

use crate::error::{Error, Kind, Result};
use crate::net::ListenAddr;
use crate::net::dial::DialOptions;
use crate::net::pair::RETRY;
use crate::proto::chunk::ChunkSize;
use crate::proto::code::Code;
use crate::proto::handshake::Capabilities;
use crate::proto::pace::Rate;

/// What to send and how.
#[derive(Clone, Debug)]
#[non_exhaustive]
#[must_use = "options do nothing by themselves: start them, or give them to `send`"]
pub struct SendOptions {
    /// Files and directories, at least one; `-` is standard input. A link named here is followed; links
    /// inside directories are sent as links.
    pub paths: Vec<PathBuf>,
    /// What standard input is called at the other end, or else the only path; `None`: `stdin`, and a path's
    /// own name.
    pub name: Option<OsString>,
    /// In place of `paths`, which are not looked at then: exactly these paths, each in its directories.
    pub list: Option<PathList>,
    /// In place of all of those: a text, which the other side shows to its person and does not write. At most
    /// 64 KiB.
    pub text: Option<String>,
    /// What `-` is in place of standard input.
    pub(crate) input: Option<Input>,
    /// What is left out of the directories that are sent, and of the list.
    pub exclude: Exclude,
    /// The code, where the other side made it or both agreed on one; `None` makes one.
    pub code: Option<Code>,
    /// The relay and the way to it. Without a relay an embedded one is run.
    pub dial: DialOptions,
    /// Where the embedded relay listens; `None`: on every interface, on any free port. Only where one is run.
    pub listen: Option<ListenAddr>,
    /// Accept that the relay can read the content, if the other side asks for it too.
    pub no_encrypt: bool,
    /// Show both people a string to compare before any data.
    pub verify: bool,
    /// The unit of hashing.
    pub chunk_size: ChunkSize,
    /// Whether it is packed on its way.
    pub compress: Compress,
    /// No more than this goes out a second, counted as it goes over the wire, over all connections together.
    pub limit: Option<Rate>,
    /// How long to wait for the other side. `None`: as long as it takes.
    pub wait: Option<Duration>,
    /// How long a lost connection is looked for before the transfer ends; zero: not at all.
    pub retry: Duration,
    /// How many lanes data goes over.
    pub lanes: LaneCount,
    /// What this side may do where the other can, too: all that it can, but in tests.
    #[doc(hidden)]
    pub capabilities: Capabilities,
}

/// How many lanes data goes over, where the other side can have more than one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum LaneCount {
    /// One, and more while that makes it faster.
    #[default]
    Auto,
    /// So many, from 1 to 16, if they can be had.
    Exactly(u8),
}

impl SendOptions {
    /// What there is to send, checked and named.
    ///
    /// # Errors
    /// Kind `Usage`, as [`Roots::named`], [`Roots::listed`] and [`Roots::text`]; or where a stream contradicts a text or a list.
    #[doc(hidden)]
    pub fn roots(&self) -> Result<Roots> {
        if self.input.is_some() && (self.text.is_some() || self.list.is_some()) {
            return Err(Error::new(Kind::Usage, "a stream is to be sent, and a text or a list in its place")
                .hint("Send each in a transfer of its own."));
        }
        let roots = match (&self.text, &self.list) {
            (Some(text), _) => Roots::text(text)?,
            (None, Some(list)) => Roots::listed(list)?,
            (None, None) => Roots::named(&self.paths, self.name.as_deref())?,
        };
        let roots = roots.without(self.exclude.clone());
        Ok(match &self.input {
            Some(input) => roots.reading(input.clone()),
            None => roots,
        })
    }

    /// Sends what `reader` gives as one file called `name`, in constant memory and of any length, as `tar c . | p2pc send - --name x.tar` does.
    ///
    /// It is read once, on a thread that may wait for it, and not before the other side has accepted. So a receiver that is started again in the
    /// middle ends it with an error; a lost connection does not. A read that never returns keeps its thread, whatever becomes of the transfer. An `AsyncRead`
    /// fits through [`BlockOn`](https://docs.rs/futures-lite/2/futures_lite/io/struct.BlockOn.html).
    ///
    /// Clones of the options share it, and the first transfer that begins has it: another one ends with [`Kind::Usage`]. A
    /// [`text`](SendOptions::text) or a [`list`](SendOptions::list) besides is refused in the same way.
    pub fn from_reader(name: impl Into<OsString>, reader: impl io::Read + Send + 'static) -> SendOptions {
        let (name, input) = (Some(name.into()), Some(Input::new(reader)));
        SendOptions { name, input, ..SendOptions::new(["-"]) }
    }

    /// Sends these paths, with a code made for the occasion and an embedded relay, encrypted.
    pub fn new(paths: impl IntoIterator<Item = impl Into<PathBuf>>) -> SendOptions {
        SendOptions {
            paths: paths.into_iter().map(Into::into).collect(),
            name: None,
            list: None,
            text: None,
            input: None,
            exclude: Exclude::default(),
            code: None,
            dial: DialOptions::default(),
            listen: None,
            no_encrypt: false,
            verify: false,
            chunk_size: ChunkSize::default(),
            compress: Compress::default(),
            limit: None,
            wait: None,
            retry: RETRY,
            lanes: LaneCount::Auto,
            capabilities: Capabilities::default(),
        }
    }
}

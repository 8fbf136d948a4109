//! Options one after the other: what every field of [`SendOptions`] and [`ReceiveOptions`] says can be said in a chain too.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use super::transfer::Transfer;
use crate::net::proxy::ProxyEnv;
use crate::net::{ListenAddr, RelayUrl};
use crate::proto::chunk::ChunkSize;
use crate::proto::code::Code;
use crate::proto::pace::Rate;
use crate::proto::token::Token;
use crate::receive::{Algorithm, Checksums, OnConflict, ReceiveOptions};
use crate::relay::{Front, Limits, RelayOptions, TlsFiles};
use crate::send::{Compress, Exclude, LaneCount, PathList, SendOptions};

/// What both sides can be told, in the same words.
macro_rules! of_both_sides {
    ($options:ident) => {
        impl $options {
            /// Meets the other side at this relay.
            #[must_use]
            pub fn relay(mut self, relay: RelayUrl) -> Self {
                self.dial.relay = Some(relay);
                self
            }

            /// Shows this token to the relay.
            #[must_use]
            pub fn token(mut self, token: Token) -> Self {
                self.dial.token = Some(token);
                self
            }

            /// Trusts the certificate authorities in this PEM file besides the public ones.
            #[must_use]
            pub fn ca(mut self, pem: impl Into<PathBuf>) -> Self {
                self.dial.ca = Some(pem.into());
                self
            }

            /// Reaches the relay through these proxies; [`ProxyEnv::from_env`] has those of the environment, which the library does not
            /// read by itself.
            #[must_use]
            pub fn proxies(mut self, proxies: ProxyEnv) -> Self {
                self.dial.proxies = proxies;
                self
            }

            /// Where the embedded relay listens, if one is run.
            #[must_use]
            pub fn listen(mut self, address: ListenAddr) -> Self {
                self.listen = Some(address);
                self
            }

            /// Lets the relay read the content, if the other side asks for that too. It can alter nothing even then.
            #[must_use]
            pub fn no_encrypt(mut self) -> Self {
                self.no_encrypt = true;
                self
            }

            /// Has both sides compare a string before any data moves: the handler is asked, or the transfer asks.
            #[must_use]
            pub fn verify(mut self) -> Self {
                self.verify = true;
                self
            }

            /// Moves no more than so many bytes a second over the wire.
            #[must_use]
            pub fn limit(mut self, rate: Rate) -> Self {
                self.limit = Some(rate);
                self
            }

            /// Gives up when the other side has not come in this time.
            #[must_use]
            pub fn wait(mut self, at_most: Duration) -> Self {
                self.wait = Some(at_most);
                self
            }

            /// How long a lost connection is looked for; zero gives up at once.
            #[must_use]
            pub fn retry(mut self, at_most: Duration) -> Self {
                self.retry = at_most;
                self
            }

            /// Begins the transfer, on a thread of its own, as a stream of what happens.
            #[must_use = "dropping it cancels it"]
            pub fn start(self) -> Transfer {
                Transfer::from(self)
            }
        }
    };
}

of_both_sides!(SendOptions);
of_both_sides!(ReceiveOptions);

impl SendOptions {
    /// Uses this code, which the other side made or both agreed on.
    #[must_use]
    pub fn code(mut self, code: Code) -> Self {
        self.code = Some(code);
        self
    }

    /// What standard input is called at the other end, or else the only path.
    #[must_use]
    pub fn name(mut self, name: impl Into<OsString>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sends exactly the paths of this list, in place of those that were given.
    #[must_use]
    pub fn list(mut self, paths: PathList) -> Self {
        self.list = Some(paths);
        self
    }

    /// Sends this text, in place of any path: the other side shows it and does not write it.
    #[must_use]
    pub fn text(mut self, text: impl Into<String>) -> Self {
        self.text = Some(text.into());
        self
    }

    /// Leaves this out of what is sent.
    #[must_use]
    pub fn exclude(mut self, what: Exclude) -> Self {
        self.exclude = what;
        self
    }

    /// The unit of hashing.
    #[must_use]
    pub fn chunk_size(mut self, size: ChunkSize) -> Self {
        self.chunk_size = size;
        self
    }

    /// Whether content is compressed on its way.
    #[must_use]
    pub fn compress(mut self, when: Compress) -> Self {
        self.compress = when;
        self
    }

    /// Over how many lanes data goes.
    #[must_use]
    pub fn lanes(mut self, lanes: LaneCount) -> Self {
        self.lanes = lanes;
        self
    }
}

impl ReceiveOptions {
    /// Takes whatever is offered: nobody is asked.
    #[must_use]
    pub fn yes(mut self) -> Self {
        self.yes = true;
        self
    }

    /// What to do where something else stands already.
    #[must_use]
    pub fn on_conflict(mut self, what: OnConflict) -> Self {
        self.on_conflict = what;
        self
    }

    /// Writes checksums of what is delivered to this file, once all of it is.
    #[must_use]
    pub fn checksums(mut self, file: impl Into<PathBuf>, with: Algorithm) -> Self {
        self.checksums = Some(Checksums { file: file.into(), with });
        self
    }

    /// Starts every file afresh, and keeps nothing that another transfer could go on with.
    #[must_use]
    pub fn no_resume(mut self) -> Self {
        self.resume = false;
        self
    }
}

impl RelayOptions {
    /// A relay that listens here, and speaks plain WebSocket.
    #[must_use]
    pub fn new(listen: ListenAddr) -> Self {
        RelayOptions { listen: vec![listen], ..RelayOptions::default() }
    }

    /// Listens here as well.
    #[must_use]
    pub fn listen(mut self, address: ListenAddr) -> Self {
        self.listen.push(address);
        self
    }

    /// Speaks TLS on every address.
    #[must_use]
    pub fn tls(mut self, files: TlsFiles) -> Self {
        self.tls = Some(files);
        self
    }

    /// Forwards only where one side has shown a token of this file.
    #[must_use]
    pub fn tokens(mut self, file: impl Into<PathBuf>) -> Self {
        self.tokens = Some(file.into());
        self
    }

    /// How much of everything.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// How long running sessions may go on once the relay is to end.
    #[must_use]
    pub fn drain(mut self, at_most: Duration) -> Self {
        self.drain = at_most;
        self
    }

    /// Gives out measurements here.
    #[must_use]
    pub fn metrics(mut self, address: ListenAddr) -> Self {
        self.metrics = Some(address);
        self
    }

    /// Hands out the client.
    #[must_use]
    pub fn front(mut self, front: Front) -> Self {
        self.front = Some(front);
        self
    }
}

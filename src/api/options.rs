//! Options one after the other: what every field of [`SendOptions`], [`ReceiveOptions`] and [`RelayOptions`] says can be said in a chain too.

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use super::transfer::Transfer;
use crate::error::Result;
use crate::net::pair::random;
use crate::net::proxy::ProxyEnv;
use crate::net::{ListenAddr, RelayUrl};
use crate::proto::chunk::ChunkSize;
use crate::proto::code::Code;
use crate::proto::pace::Rate;
use crate::proto::token::Token;
use crate::receive::{Algorithm, Checksums, OnConflict, Outlet, ReceiveOptions};
use crate::relay::{Front, Limits, LogAddresses, Network, RelayOptions, TlsFiles};
use crate::send::{Compress, Exclude, LaneCount, PathList, SendOptions};

/// What both sides can be told, in the same words.
macro_rules! of_both_sides {
    ($options:ident) => {
        impl $options {
            /// Meets the other side at this relay.
            pub fn relay(mut self, relay: RelayUrl) -> Self {
                self.dial.relay = Some(relay);
                self
            }

            /// Shows this token to the relay.
            pub fn token(mut self, token: Token) -> Self {
                self.dial.token = Some(token);
                self
            }

            /// Trusts the certificate authorities in this PEM file besides the public ones.
            pub fn ca(mut self, pem: impl Into<PathBuf>) -> Self {
                self.dial.ca = Some(pem.into());
                self
            }

            /// Reaches the relay through these proxies; [`ProxyEnv::from_env`] has those of the environment, which the library does not
            /// read by itself.
            pub fn proxies(mut self, proxies: ProxyEnv) -> Self {
                self.dial.proxies = proxies;
                self
            }

            /// Where the embedded relay listens, if one is run.
            pub fn listen(mut self, address: ListenAddr) -> Self {
                self.listen = Some(address);
                self
            }

            /// Lets the relay read the content, if the other side asks for that too. It can alter nothing even then.
            pub fn no_encrypt(mut self) -> Self {
                self.no_encrypt = true;
                self
            }

            /// Has both sides compare a string before any data moves: the handler is asked, or the transfer asks.
            pub fn verify(mut self) -> Self {
                self.verify = true;
                self
            }

            /// Moves no more than so many bytes a second over the wire.
            pub fn limit(mut self, rate: Rate) -> Self {
                self.limit = Some(rate);
                self
            }

            /// Gives up when the other side has not come in this time.
            pub fn wait(mut self, at_most: Duration) -> Self {
                self.wait = Some(at_most);
                self
            }

            /// How long a lost connection is looked for; zero gives up at once.
            pub fn retry(mut self, at_most: Duration) -> Self {
                self.retry = at_most;
                self
            }

            /// Begins the transfer, on a thread of its own, as a stream of what happens.
            pub fn start(self) -> Transfer {
                Transfer::from(self)
            }
        }
    };
}

of_both_sides!(SendOptions);
of_both_sides!(ReceiveOptions);

impl SendOptions {
    /// Uses this code, which the other side made or both agreed on. Without one it is made, and told with [`Event::CodeReady`](crate::Event::CodeReady).
    pub fn code(mut self, code: Code) -> Self {
        self.code = Some(code);
        self
    }

    /// What standard input is called at the other end, or else the only path.
    pub fn name(mut self, name: impl Into<OsString>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sends exactly the paths of this list, in place of those that were given.
    pub fn list(mut self, paths: PathList) -> Self {
        self.list = Some(paths);
        self
    }

    /// Sends this text, in place of any path: the other side shows it and does not write it.
    pub fn text(mut self, text: impl Into<String>) -> Self {
        self.text = Some(text.into());
        self
    }

    /// Leaves this out of what is sent.
    pub fn exclude(mut self, what: Exclude) -> Self {
        self.exclude = what;
        self
    }

    /// The unit of hashing.
    pub fn chunk_size(mut self, size: ChunkSize) -> Self {
        self.chunk_size = size;
        self
    }

    /// Whether content is compressed on its way.
    pub fn compress(mut self, when: Compress) -> Self {
        self.compress = when;
        self
    }

    /// Over how many lanes data goes.
    pub fn lanes(mut self, lanes: LaneCount) -> Self {
        self.lanes = lanes;
        self
    }
}

impl ReceiveOptions {
    /// Receives into `out` with what the other side's person has passed on: a code, and behind its @ the relay. Without one there, give it with
    /// [`relay`](ReceiveOptions::relay).
    ///
    /// # Errors
    /// [`Kind::Usage`](crate::Kind::Usage): that is no code, or an easily guessed one, or no relay; as [`Code::parse`].
    pub fn with_code(text: &str, out: impl Into<PathBuf>) -> Result<ReceiveOptions> {
        let (code, relay) = Code::parse(text, false)?;
        let options = ReceiveOptions::new(Some(code), out);
        Ok(match relay {
            Some(relay) => options.relay(relay.parse()?),
            None => options,
        })
    }

    /// Writes the one file, or the stream, that is sent to `writer`, in constant memory; `out` is not looked at then. Anything else that is sent is not
    /// delivered.
    ///
    /// It is written to on a thread that may wait for it, and dropped at the end. What was written is known to be right only when the report says that it
    /// was delivered. Nothing can be taken back: a sender that is started again in the middle ends it with an error, while a lost connection does not. An
    /// `AsyncWrite` fits through [`BlockOn`](https://docs.rs/futures-lite/2/futures_lite/io/struct.BlockOn.html).
    ///
    /// Clones of the options share it, and the first transfer that begins has it: another one ends with [`Kind::Usage`](crate::Kind::Usage).
    pub fn writer(mut self, writer: impl Write + Send + 'static) -> Self {
        self.writer = Some(Outlet::new(writer));
        self
    }

    /// Takes whatever is offered: nobody is asked.
    pub fn yes(mut self) -> Self {
        self.yes = true;
        self
    }

    /// What to do where something else stands already.
    pub fn on_conflict(mut self, what: OnConflict) -> Self {
        self.on_conflict = what;
        self
    }

    /// Writes checksums of what is delivered to this file, once all of it is.
    pub fn checksums(mut self, file: impl Into<PathBuf>, with: Algorithm) -> Self {
        self.checksums = Some(Checksums { file: file.into(), with });
        self
    }

    /// Starts every file afresh, and keeps nothing that another transfer could go on with.
    pub fn no_resume(mut self) -> Self {
        self.resume = false;
        self
    }
}

impl Code {
    /// A new code, from the system's random source: for two sides that one program starts, or for one that shows it before it is ready.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub fn random() -> Result<Code> {
        Ok(Code::generate(&*random()?))
    }
}

impl RelayOptions {
    /// A relay that listens here, and speaks plain WebSocket.
    pub fn new(listen: ListenAddr) -> Self {
        RelayOptions { listen: vec![listen], ..RelayOptions::default() }
    }

    /// Listens here as well.
    pub fn listen(mut self, address: ListenAddr) -> Self {
        self.listen.push(address);
        self
    }

    /// Speaks TLS on every address.
    pub fn tls(mut self, files: TlsFiles) -> Self {
        self.tls = Some(files);
        self
    }

    /// Forwards only where one side has shown a token of this file.
    pub fn tokens(mut self, file: impl Into<PathBuf>) -> Self {
        self.tokens = Some(file.into());
        self
    }

    /// How much of everything.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Believes these servers in front of it when they say whom they speak for.
    pub fn trusted_proxies(mut self, networks: impl IntoIterator<Item = Network>) -> Self {
        self.trusted_proxies = networks.into_iter().collect();
        self
    }

    /// How much of clients' addresses is in the log.
    pub fn log_addresses(mut self, how_much: LogAddresses) -> Self {
        self.log_addresses = how_much;
        self
    }

    /// How long running sessions may go on once the relay is to end.
    pub fn drain(mut self, at_most: Duration) -> Self {
        self.drain = at_most;
        self
    }

    /// Gives out measurements here.
    pub fn metrics(mut self, address: ListenAddr) -> Self {
        self.metrics = Some(address);
        self
    }

    /// Hands out the client.
    pub fn front(mut self, front: Front) -> Self {
        self.front = Some(front);
        self
    }
}

//! How both ends reach the relay, and how the relay is reached: addresses, proxies, TLS, WebSocket.
//!
//! Outwards, one direction of flow: [`RelayUrl`] → TCP, straight or through a [`proxy`] → [`tls`] → HTTP upgrade →
//! [`Connection`]. [`dial::Dialer`] walks it. Inwards, [`ListenAddr`] → [`listen()`] gives the relay its sockets.
//! Nothing here knows what the messages mean.

mod attempt;
mod awaiting;
mod buffered;
pub mod dial;
pub mod examine;
mod http;
mod knocking;
pub mod lane;
pub mod lanes;
pub mod link;
mod listen;
pub mod pair;
mod pause;
mod portable;
pub mod proxy;
pub mod reunion;
mod tcp;
pub mod throttle;
pub mod tls;
mod unbuffered;
mod upgrade;
pub mod upkeep;
mod url;
mod ws;

pub use buffered::Buffered;
pub use listen::{ListenAddr, listen, local_addresses};
pub use tcp::set_up;
pub use unbuffered::Unbuffered;
pub use url::{Host, RelayUrl};
pub use ws::{Alive, Closed, Connection, MESSAGE_BYTES_MAX, Reader, Writer};

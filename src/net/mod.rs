//! How both ends reach the relay, and how the relay is reached: addresses, TLS.

pub mod dial;
mod listen;
pub mod tls;
mod url;

pub use listen::{ListenAddr, listen, local_addresses};
pub use url::{Host, RelayUrl};

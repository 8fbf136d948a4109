//! The one integration-test binary.

mod net;
mod proxies;
mod relay_stub;

//! The one integration-test binary.

mod net;
mod relay_stub;

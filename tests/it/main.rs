//! The one integration-test binary: every test that needs more than one module.

mod cmd;
mod session;
#[cfg(unix)]
mod terminal;
mod world;

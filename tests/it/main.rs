//! The one integration-test binary: every test that needs more than one module.

mod cmd;
mod docs;
mod guesses;
mod hostile_relay;
mod house;
mod net;
mod proxies;
mod relay;
mod relay_stub;
mod rig;
mod session;
#[cfg(unix)]
mod terminal;
#[cfg(unix)]
mod tree;
mod world;

//! The one integration-test binary: every test that needs more than one module.

mod session;
mod world;

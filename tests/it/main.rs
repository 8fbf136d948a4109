//! The one integration-test binary: every test that needs more than one module.

mod docs;
mod house;
mod session;
mod world;

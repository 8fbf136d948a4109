//! The facade.

use crate::events::{Cancel, Handler, Report};
use crate::receive::ReceiveOptions;
use crate::send::SendOptions;
use crate::{Error, Kind, Result};

/// Sends.
///
/// # Errors
/// Always.
pub async fn send(_: SendOptions, _: &dyn Handler, _: Cancel) -> Result<Report> {
    Err(Error::new(Kind::Internal, "not there"))
}

/// Receives.
///
/// # Errors
/// Always.
pub async fn receive(_: ReceiveOptions, _: &dyn Handler, _: Cancel) -> Result<Report> {
    Err(Error::new(Kind::Internal, "not there"))
}

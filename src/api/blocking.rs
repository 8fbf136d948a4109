//! The same without futures: each call waits on its thread until it is done.

use std::net::SocketAddr;
use std::thread::JoinHandle;

use futures_lite::StreamExt as _;
use futures_lite::future::block_on;

use super::transfer::Notice;
use crate::error::{Error, Kind, Result};
use crate::events::{Cancel, Handler, Report};
use crate::receive::ReceiveOptions;
use crate::relay::RelayOptions;
use crate::send::SendOptions;

/// As [`crate::send()`]; another thread may cancel it.
///
/// # Errors
/// As [`crate::send()`].
pub fn send(options: SendOptions, handler: &dyn Handler, cancel: Cancel) -> Result<Report> {
    block_on(super::send(options, handler, cancel))
}

/// As [`crate::receive()`]; another thread may cancel it.
///
/// # Errors
/// As [`crate::receive()`].
pub fn receive(options: ReceiveOptions, handler: &dyn Handler, cancel: Cancel) -> Result<Report> {
    block_on(super::receive(options, handler, cancel))
}

/// A [`crate::Transfer`] as an iterator: each step waits until there is something to say.
///
/// Dropping it cancels it: the other side is told, but nobody waits for that.
#[derive(Debug)]
#[must_use = "dropping it cancels it"]
pub struct Transfer(super::transfer::Transfer);

impl Transfer {
    /// What cancels it, from another thread or between two steps.
    #[must_use]
    pub fn canceller(&self) -> Cancel {
        self.0.canceller()
    }

    /// Runs on to the end, passing over events and answering every question with no.
    ///
    /// # Errors
    /// As [`crate::Transfer::finish`].
    pub fn finish(self) -> Result<Report> {
        block_on(self.0.finish())
    }
}

impl From<super::transfer::Transfer> for Transfer {
    fn from(transfer: super::transfer::Transfer) -> Transfer {
        Transfer(transfer)
    }
}

impl Iterator for Transfer {
    type Item = Notice;

    fn next(&mut self) -> Option<Notice> {
        block_on(self.0.next())
    }
}

/// A relay that runs beside its program, on threads of its own.
///
/// Dropping it ends it in order, as [`Relay::stop`] does, but says nothing of what went wrong.
#[derive(Debug)]
pub struct Relay {
    addresses: Vec<SocketAddr>,
    drain: Cancel,
    stop: Cancel,
    thread: Option<JoinHandle<Result<()>>>,
}

impl Relay {
    /// Binds it and begins to serve: once this returns, clients may come.
    ///
    /// # Errors
    /// As [`crate::Relay::bind`]; or the system has no thread left.
    pub fn start(options: RelayOptions) -> Result<Relay> {
        let relay = block_on(crate::Relay::bind(options))?;
        let addresses = relay.addresses().to_vec();
        let (drain, stop) = (Cancel::new(), Cancel::new());
        let (drained, stopped) = (drain.clone(), stop.clone());
        let thread = std::thread::Builder::new().name("relay".to_owned());
        let thread = thread.spawn(move || block_on(relay.run_draining(drained, stopped)));
        let thread = thread.map_err(|error| {
            Error::new(Kind::Internal, "cannot start the relay's thread").caused_by(error)
        })?;
        Ok(Relay { addresses, drain, stop, thread: Some(thread) })
    }

    /// Where it really listens: with the ports that the system chose for port 0.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Takes in nobody any more, lets running sessions finish for as long as [`RelayOptions::drain`] says, and waits for that.
    ///
    /// # Errors
    /// As [`crate::Relay::run_draining`].
    pub fn drain(mut self) -> Result<()> {
        self.drain.cancel();
        self.join()
    }

    /// Tells every client that it is going away, and waits for its end: six seconds at most.
    ///
    /// # Errors
    /// As [`crate::Relay::run`].
    pub fn stop(mut self) -> Result<()> {
        self.end()
    }

    fn end(&mut self) -> Result<()> {
        self.stop.cancel();
        self.join()
    }

    fn join(&mut self) -> Result<()> {
        let Some(thread) = self.thread.take() else { return Ok(()) };
        thread.join().unwrap_or_else(|_| Err(Error::new(Kind::Internal, "the relay's thread failed")))
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.end();
    }
}

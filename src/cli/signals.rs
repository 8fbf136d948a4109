//! Signals: the first one ends the work in order, the second one at once. SIGHUP has a relay read its files again.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Once};

use async_signal::{Signal, Signals};
use smol::channel::Sender;
use smol::stream::StreamExt as _;

use crate::events::Cancel;
use crate::{Error, Kind, Result};

/// The signals that came. A thread of its own listens, so that a busy or blocked transfer cannot keep a second one
/// from being obeyed.
#[derive(Clone, Debug)]
pub struct Watch {
    status: Arc<AtomicU8>,
}

/// What two signals mean to a relay, other than to a transfer.
#[derive(Clone, Debug)]
pub struct RelaySignals {
    /// Cancelled by SIGTERM, if that is the first signal: whoever sends that one has time.
    pub drain: Cancel,
    /// SIGHUP says here that something is to be read again, whatever becomes of the terminal.
    pub hang_up: Sender<()>,
}

impl Watch {
    /// Cancels `cancel` at the first signal.
    ///
    /// # Errors
    ///
    /// [`Kind::Internal`] if the system gives no signals or no thread.
    pub fn start(cancel: &Cancel) -> Result<Watch> {
        Watch::listen(cancel, None)
    }

    /// The same for a relay, which SIGTERM lets drain, and SIGHUP never ends.
    ///
    /// # Errors
    ///
    /// As [`Watch::start`].
    pub fn start_relay(cancel: &Cancel, relay: RelaySignals) -> Result<Watch> {
        Watch::listen(cancel, Some(relay))
    }

    fn listen(cancel: &Cancel, relay: Option<RelaySignals>) -> Result<Watch> {
        PANICS.call_once(|| {
            let hook = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |info| {
                // The process may end behind this, with no destructor run.
                set_back();
                hook(info);
            }));
        });
        let cannot = |error| Error::new(Kind::Internal, "cannot listen to signals").caused_by(error);
        let mut signals = Signals::new(heeded(relay.is_some())).map_err(cannot)?;
        let status = Arc::new(AtomicU8::new(0));
        let watch = Watch { status: Arc::clone(&status) };
        let cancel = cancel.clone();
        let listen = async move {
            while let Some(Ok(signal)) = signals.next().await {
                if signal == Signal::Cont {
                    go_on();
                    continue;
                }
                if let (Signal::Hup, Some(relay)) = (signal, &relay) {
                    // Full: somebody has asked already, and was not heard yet.
                    let _ = relay.hang_up.try_send(());
                    continue;
                }
                if status.swap(exit_status(signal), Ordering::SeqCst) != 0 {
                    // Somebody asked twice: the orderly end takes too long for them. Part files stay as they are,
                    // and nothing that is already under its final name is incomplete.
                    set_back();
                    std::process::exit(exit_status(signal).into());
                }
                match (signal, &relay) {
                    (Signal::Term, Some(relay)) => relay.drain.cancel(),
                    _ => cancel.cancel(),
                }
            }
        };
        std::thread::Builder::new()
            .name("signals".into())
            .spawn(|| smol::block_on(listen))
            .map_err(cannot)?;
        Ok(watch)
    }

    /// The exit status that the first signal asks for, if one came.
    #[must_use]
    pub fn exit_status(&self) -> Option<u8> {
        Some(self.status.load(Ordering::SeqCst)).filter(|status| *status != 0)
    }
}

/// What an exit status of [`Watch::exit_status`] says happened.
#[must_use]
pub fn described(status: u8) -> &'static str {
    match status {
        HUNG_UP => "the terminal hung up",
        TERMINATED => "terminated",
        _ => "interrupted",
    }
}

/// A process that was stopped has the terminal again.
#[cfg(unix)]
fn go_on() {
    crate::term::raw::again_all();
}

#[cfg(not(unix))]
fn go_on() {}

/// The terminal is left as it was found.
#[cfg(unix)]
fn set_back() {
    crate::term::raw::end_all();
}

#[cfg(not(unix))]
fn set_back() {}

/// As shells count: 128 and the signal's number.
fn exit_status(signal: Signal) -> u8 {
    match signal {
        Signal::Hup => HUNG_UP,
        Signal::Term => TERMINATED,
        _ => INTERRUPTED,
    }
}

/// What we listen to. A signal that was being ignored when we started and would end us stays so: `nohup` and a shell's `&` ask for that.
fn heeded(hang_up_ends_nothing: bool) -> Vec<Signal> {
    let ignored = if hang_up_ends_nothing { ignored_mask() & !HANG_UP_BIT } else { ignored_mask() };
    let all: &[(Signal, u32)] = if cfg!(unix) {
        &[(Signal::Hup, 1), (Signal::Int, 2), (Signal::Term, 15), (Signal::Cont, 18)]
    } else {
        &[(Signal::Int, 2)]
    };
    let heeded = |number: u32| ignored & 1 << (number - 1) == 0;
    all.iter().filter(|(_, number)| heeded(*number)).map(|(signal, _)| *signal).collect()
}

/// The signals being ignored, one bit each, where the system tells without unsafe code: elsewhere none.
fn ignored_mask() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    parse_ignored(&status).unwrap_or(0)
}

fn parse_ignored(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
    u64::from_str_radix(line.trim(), 16).ok()
}

/// Whether a panic sets the terminal back.
static PANICS: Once = Once::new();

/// SIGHUP in the mask of ignored signals.
const HANG_UP_BIT: u64 = 1;

const HUNG_UP: u8 = 128 + 1;
const INTERRUPTED: u8 = 128 + 2;
const TERMINATED: u8 = 128 + 15;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mask_of_ignored_signals_is_read() {
        assert_eq!(parse_ignored("Name:\tx\nSigIgn:\t0000000000001001\n"), Some(0x1001));
        assert_eq!(parse_ignored("Name:\tx\n"), None);
        assert_eq!(parse_ignored("SigIgn: zz\n"), None);
    }

    #[test]
    fn statuses_are_those_of_shells() {
        let statuses = [Signal::Hup, Signal::Int, Signal::Term].map(exit_status);
        assert_eq!(statuses, [129, 130, 143]);
        assert_eq!(statuses.map(described), ["the terminal hung up", "interrupted", "terminated"]);
    }
}

//! What each system has its own way for.

use std::fs::File;
use std::io;

use crate::term::edit::Key;
#[cfg(unix)]
pub(super) use crate::term::raw::Raw;

#[cfg(unix)]
pub(super) fn open_pair() -> io::Result<(File, File)> {
    let terminal = File::options().read(true).write(true).open("/dev/tty")?;
    let input = terminal.try_clone()?;
    Ok((input, terminal))
}

#[cfg(windows)]
pub(super) fn open_pair() -> io::Result<(File, File)> {
    let input = File::options().read(true).write(true).open("CONIN$")?;
    let output = File::options().read(true).write(true).open("CONOUT$")?;
    Ok((input, output))
}

#[cfg(unix)]
pub(super) fn columns(output: &File) -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(output);
    size.ok().map(|size| size.ws_col.into()).filter(|columns| *columns > 0)
}

#[cfg(windows)]
pub(super) fn columns(_: &File) -> Option<usize> {
    None
}

/// Returns whether something was typed that may have been shown.
#[cfg(unix)]
pub(super) fn forget_typed_ahead(terminal: &File) -> bool {
    let is_typed = rustix::io::ioctl_fionread(terminal).is_ok_and(|bytes| bytes > 0);
    // Where it fails the answer may come early, from the same person.
    let _ = rustix::termios::tcflush(terminal, rustix::termios::QueueSelector::IFlush);
    is_typed
}

#[cfg(not(unix))]
pub(super) fn forget_typed_ahead(_: &File) -> bool {
    false
}

/// Does what the terminal does where it does not leave the keys to us: the signal goes to all of a pipeline.
#[cfg(unix)]
pub(super) fn send(key: Key) {
    use rustix::process::Signal;
    let signal = match key {
        Key::Interrupt => Signal::INT,
        Key::Quit => Signal::QUIT,
        Key::Suspend => Signal::TSTP,
    };
    // Nobody may forbid a process to signal its own group.
    let _ = rustix::process::kill_current_process_group(signal);
}

#[cfg(not(unix))]
pub(super) fn send(_: Key) {}

/// A terminal that is never left to us.
#[cfg(not(unix))]
#[derive(Debug)]
pub(in crate::term) struct Raw;

#[cfg(not(unix))]
impl Raw {
    pub(super) fn new(_: &File, _: impl Fn() + Send + Sync + 'static) -> io::Result<std::sync::Arc<Raw>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn enter(&self) -> bool {
        false
    }

    pub(super) fn leave(&self) {}

    pub(super) fn go_on(&self) {}

    pub(super) fn end(&self) {}
}

//! A terminal that leaves its keys to us, and gets its own ways back whatever happens.
//!
//! The modes belong to the terminal, not to the process: who ends without setting them back leaves a shell that shows nothing of what is
//! typed. So every [`Raw`] is known to [`end_all`], which whoever ends the process at once calls, and to [`again_all`], for a process
//! that was stopped and goes on.

use std::fs::File;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};

/// One terminal, for as long as a line is typed there.
#[derive(Debug)]
pub struct Raw {
    terminal: File,
    modes: Mutex<Modes>,
}

#[derive(Debug)]
enum Modes {
    /// The terminal's own.
    Own,
    /// Ours; these are to be set back.
    Ours(Box<Termios>),
    /// The terminal's own, for good.
    Over,
}

impl Raw {
    /// Changes nothing yet.
    ///
    /// # Errors
    ///
    /// When there are no descriptors left.
    pub fn new(terminal: &File) -> io::Result<Arc<Raw>> {
        let raw = Arc::new(Raw { terminal: terminal.try_clone()?, modes: Mutex::new(Modes::Own) });
        let mut known = lock(&KNOWN);
        known.retain(|raw| raw.strong_count() > 0);
        known.push(Arc::downgrade(&raw));
        Ok(raw)
    }

    /// From here on every key comes at once, is not shown, and sends no signal. Returns whether it is so.
    pub fn enter(&self) -> bool {
        let mut modes = lock(&self.modes);
        if let Modes::Own = *modes
            && let Ok(own) = tcgetattr(&self.terminal)
            && tcsetattr(&self.terminal, OptionalActions::Drain, &ours(&own)).is_ok()
        {
            *modes = Modes::Ours(Box::new(own));
        }
        matches!(*modes, Modes::Ours(_))
    }

    /// Sets the modes back, until [`Raw::enter`].
    pub fn leave(&self) {
        self.set_back(Modes::Own);
    }

    /// Sets the modes back. [`Raw::enter`] does nothing any more.
    pub fn end(&self) {
        self.set_back(Modes::Over);
    }

    fn set_back(&self, then: Modes) {
        let mut modes = lock(&self.modes);
        match std::mem::replace(&mut *modes, then) {
            // A terminal that hung up has no modes to set.
            Modes::Ours(own) => {
                let _ = tcsetattr(&self.terminal, OptionalActions::Drain, &own);
            }
            Modes::Own => {}
            Modes::Over => *modes = Modes::Over,
        }
    }

    /// Whoever had the terminal meanwhile may have changed it.
    fn again(&self) {
        if let Modes::Ours(own) = &*lock(&self.modes) {
            let _ = tcsetattr(&self.terminal, OptionalActions::Drain, &ours(own));
        }
    }
}

/// Sets every terminal back: the process ends now.
pub fn end_all() {
    for raw in known() {
        raw.end();
    }
}

/// The process was stopped, and goes on.
pub fn again_all() {
    for raw in known() {
        raw.again();
    }
}

fn ours(own: &Termios) -> Termios {
    let mut ours = own.clone();
    ours.local_modes -= LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG | LocalModes::IEXTEN;
    ours.special_codes[SpecialCodeIndex::VMIN] = 1;
    ours.special_codes[SpecialCodeIndex::VTIME] = 0;
    ours
}

fn known() -> Vec<Arc<Raw>> {
    lock(&KNOWN).iter().filter_map(Weak::upgrade).collect()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

static KNOWN: Mutex<Vec<Weak<Raw>>> = Mutex::new(Vec::new());

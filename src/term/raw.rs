//! A terminal that leaves its keys to us, and gets its own ways back however the process ends, unless it is killed.
//!
//! The modes belong to the terminal, not to the process: who ends without setting them back leaves a shell that shows nothing of what is
//! typed. So every [`Raw`] is known to [`end_all`], which whoever ends the process at once calls, and to [`again_all`], for a process
//! that was stopped and goes on.
//!
//! Nothing here waits for what is written to be out: where output is stopped, as with Ctrl-S, that may never be, and whoever ends the
//! process would wait too.

use std::fmt;
use std::fs::File;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError, Weak};
use std::time::Duration;

use rustix::termios::{
    Action, InputModes, LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcflow, tcgetattr, tcsetattr,
};

/// One terminal, for as long as a line is typed there.
pub struct Raw {
    terminal: File,
    modes: Mutex<Modes>,
    /// Shows again what stood there. Waits for nothing.
    show: Box<dyn Fn() + Send + Sync>,
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
    /// Changes nothing yet. `show` is called when the process was stopped while the keys were ours: it may wait for nothing.
    ///
    /// # Errors
    ///
    /// When there are no descriptors left.
    pub fn new(terminal: &File, show: impl Fn() + Send + Sync + 'static) -> io::Result<Arc<Raw>> {
        let (terminal, modes) = (terminal.try_clone()?, Mutex::new(Modes::Own));
        let raw = Arc::new(Raw { terminal, modes, show: Box::new(show) });
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
            && tcsetattr(&self.terminal, OptionalActions::Now, &ours(&own)).is_ok()
        {
            *modes = Modes::Ours(Box::new(own));
        }
        matches!(*modes, Modes::Ours(_))
    }

    /// Sets the modes back, until [`Raw::enter`].
    pub fn leave(&self) {
        self.set_back(&mut lock(&self.modes), Modes::Own);
    }

    /// Sets the modes back. [`Raw::enter`] does nothing any more.
    pub fn end(&self) {
        self.set_back(&mut lock(&self.modes), Modes::Over);
    }

    /// Lets output go on that was stopped, as the terminal does at a key that sends a signal.
    pub fn go_on(&self) {
        let stops = |own: &Termios| own.input_modes.contains(InputModes::IXON);
        if tcgetattr(&self.terminal).is_ok_and(|own| stops(&own)) {
            // What a key has stopped only goes on after it was stopped from here.
            let _ = tcflow(&self.terminal, Action::OOff);
            let _ = tcflow(&self.terminal, Action::OOn);
        }
    }

    fn set_back(&self, modes: &mut Modes, then: Modes) {
        match std::mem::replace(modes, then) {
            // A terminal that hung up has no modes to set.
            Modes::Ours(own) => {
                let _ = tcsetattr(&self.terminal, OptionalActions::Now, &own);
            }
            Modes::Own => {}
            Modes::Over => *modes = Modes::Over,
        }
    }

    /// Whoever had the terminal meanwhile may have changed it, and have written there.
    fn again(&self) {
        if let Modes::Ours(own) = &*lock(&self.modes) {
            let _ = tcsetattr(&self.terminal, OptionalActions::Now, &ours(own));
            (self.show)();
        }
    }
}

impl fmt::Debug for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Raw").finish_non_exhaustive()
    }
}

/// Sets every terminal back: the process ends now. Whoever calls this may be the one who holds what it takes, so it does not wait long.
pub fn end_all() {
    let known: Vec<_> =
        patient(&KNOWN).iter().flat_map(|known| known.iter().filter_map(Weak::upgrade)).collect();
    for raw in known {
        if let Some(mut modes) = patient(&raw.modes) {
            raw.set_back(&mut modes, Modes::Over);
        }
    }
}

/// The process was stopped, and goes on.
pub fn again_all() {
    let known: Vec<_> = lock(&KNOWN).iter().filter_map(Weak::upgrade).collect();
    for raw in known {
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

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The same, unless it is held for long.
fn patient<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    for _ in 0..TRIES {
        match mutex.try_lock() {
            Ok(guard) => return Some(guard),
            Err(TryLockError::Poisoned(poisoned)) => return Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => std::thread::sleep(BETWEEN_TRIES),
        }
    }
    None
}

/// Setting modes takes much less than all of these.
const TRIES: u32 = 20;
const BETWEEN_TRIES: Duration = Duration::from_millis(5);

static KNOWN: Mutex<Vec<Weak<Raw>>> = Mutex::new(Vec::new());

//! For tests and the simulator: remembers what was sealed under which key and number, so that one that seals
//! two things is found out.

use std::cell::RefCell;
use std::collections::HashMap;

thread_local! {
    static SEALED: RefCell<Sealed> = RefCell::default();
}

#[derive(Default)]
struct Sealed {
    is_on: bool,
    // By key and number: the hash of the content.
    seen: HashMap<([u8; 32], u64), [u8; 32]>,
    is_reused: bool,
}

/// Begins to watch what this thread seals, with nothing remembered.
pub fn watch() {
    SEALED.with_borrow_mut(|sealed| *sealed = Sealed { is_on: true, ..Sealed::default() });
}

/// Whether, since the beginning, one number under one key has sealed two different things.
#[must_use]
pub fn has_seen_reuse() -> bool {
    SEALED.with_borrow(|sealed| sealed.is_reused)
}

/// Something is being sealed.
pub(super) fn seals(key: &[u8; 32], number: u64, content: &[u8]) {
    SEALED.with_borrow_mut(|sealed| {
        if sealed.is_on {
            let hash = *blake3::hash(content).as_bytes();
            let before = sealed.seen.insert((*key, number), hash);
            sealed.is_reused |= before.is_some_and(|before| before != hash);
        }
    });
}

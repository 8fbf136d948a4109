//! The names in a directory, and what became of them since it was last synced.

use std::collections::BTreeMap;

/// Names by their folded spelling.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    entries: BTreeMap<Vec<u8>, Entry>,
    unsynced: Vec<Change>,
}

/// A name as it was given, and the number of what it means.
pub(super) type Entry = (Vec<u8>, usize);

/// One change that is not durable yet: of one name, or of two at once when it was a renaming.
pub(super) type Change = Vec<Changed>;

/// What a change did to one name.
#[derive(Clone, Debug)]
pub(super) struct Changed {
    /// The folded name.
    pub(super) key: Vec<u8>,
    before: Option<Entry>,
    after: Option<Entry>,
}

impl Names {
    pub(super) fn get(&self, key: &[u8]) -> Option<usize> {
        self.entries.get(key).map(|entry| entry.1)
    }

    /// What a name would mean after a crash that loses everything it may.
    pub(super) fn get_durable(&self, key: &[u8]) -> Option<usize> {
        match self.unsynced.iter().flatten().find(|changed| changed.key == key) {
            Some(changed) => changed.before.as_ref().map(|entry| entry.1),
            None => self.get(key),
        }
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    /// Sets what names mean, all in one step.
    pub(super) fn set(&mut self, names: impl IntoIterator<Item = (Vec<u8>, Option<Entry>)>) {
        let change = names
            .into_iter()
            .map(|(key, after)| {
                let before = put(&mut self.entries, &key, after.clone());
                Changed { key, before, after }
            })
            .collect();
        self.unsynced.push(change);
    }

    /// Everything is durable from here on.
    pub(super) fn sync(&mut self) {
        self.unsynced.clear();
    }

    /// Takes the last unsynced change back, and returns it.
    pub(super) fn take_back(&mut self) -> Option<Change> {
        let change = self.unsynced.pop()?;
        for changed in change.iter().rev() {
            put(&mut self.entries, &changed.key, changed.before.clone());
        }
        Some(change)
    }

    /// Does a change again that was taken back. It is durable then.
    pub(super) fn redo(&mut self, change: Change) {
        for changed in change {
            put(&mut self.entries, &changed.key, changed.after);
        }
    }
}

fn put(entries: &mut BTreeMap<Vec<u8>, Entry>, key: &[u8], entry: Option<Entry>) -> Option<Entry> {
    match entry {
        Some(entry) => entries.insert(key.to_vec(), entry),
        None => entries.remove(key),
    }
}

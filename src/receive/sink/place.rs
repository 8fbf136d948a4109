//! Announcing files and making directories: what is decided when an item arrives.

use crate::disk::{Dir, Fault, Kind, Stat};
use crate::error::Result;
use crate::proto::frame::{Failure, Reason, Verdict};
use crate::proto::manifest::Meta;
use crate::proto::path::{Name, RelPath, System};

use super::incoming::Incoming;
use super::tree::{Begun, Parent, Told};
use super::{Attempt, Refusal, Sink, SinkEvent, breach, fatal};

/// Where an item belongs.
#[derive(Debug)]
pub(super) struct Place {
    /// The directory that waits for it.
    pub(super) parent: Parent,
    /// The path of that directory.
    pub(super) dir: RelPath,
    /// What it is called there.
    pub(super) name: Name,
}

impl<D: Dir + 'static> Sink<D> {
    /// Decides what is wanted of a file. Nothing is made before its first bytes come.
    pub(super) fn announce_file(
        &mut self,
        id: u64,
        path: RelPath,
        size: Option<u64>,
        holes: u64,
        meta: Meta,
    ) -> Attempt<(Verdict, Option<SinkEvent>)> {
        let Place { parent, dir, name } = self.place_of(&path)?;
        // Whoever put something into a directory that this session made keeps it: the rename finds it.
        let there = if self.tree.is_new(parent) { None } else { self.stands(&path, &dir, &name)? };
        if let Some(there) = &there {
            self.check_in_the_way(&dir, &name, there)?;
        }
        if there.is_none() && self.collides(&dir, &name) {
            return Err(Refusal::Entry(Failure::new(Reason::Collides, "")));
        }
        if !self.taken.insert(path.clone()) {
            return Err(Refusal::Entry(Failure::new(Reason::Exists, "it was sent twice")));
        }
        let is_anothers = self.numbered.contains(&path);
        self.folding.note(&dir, &name);
        self.tree.wait_for_one(parent);
        let mut file = Incoming::new(path, Place { parent, dir, name }, size, meta);
        (file.there, file.holes) = (there.map(Box::new), holes);
        self.files.insert(id, file);
        let begun = if is_anothers { self.number_file(id) } else { self.begin_file(id) };
        if begun.is_err()
            && let Some(file) = self.forget(id)
        {
            self.release(&file.path, &file.dir, &file.name);
            self.tree.done(parent, &mut self.group.ready);
        }
        begun
    }

    /// Checks that what stands in the place of a file or link has exactly its name and is no directory.
    pub(super) fn check_in_the_way(&mut self, dir: &RelPath, name: &Name, there: &Stat) -> Attempt<()> {
        let failure = self.in_the_way(dir, name);
        match failure.reason {
            Reason::Collides => Err(Refusal::Entry(failure)),
            _ if there.kind == Kind::Directory => {
                Err(Refusal::Entry(Failure::new(Reason::DirectoryThere, "")))
            }
            _ => Ok(()),
        }
    }

    /// Makes or enters a directory. Returns its outcome where it is known at once.
    pub(super) fn begin_directory(&mut self, id: u64, path: RelPath) -> Result<Told> {
        match fatal(self.make_directory(&path))? {
            Ok(Begun::Entered) => {
                self.tree.begin(id, path, Begun::Entered);
                Ok(Told::Now(None))
            }
            Ok(begun) => {
                let parent_path = path.split().map(|(parent, _)| parent).unwrap_or_default();
                self.tree.begin(id, path, begun);
                // It waits for itself, so that its end cannot be told before its beginning is durable.
                self.tree.wait_for_one(Some(id));
                self.group.add_made(id, Some(id), parent_path);
                Ok(Told::Later)
            }
            Err(failure) => {
                self.tree.begin(id, path, Begun::Failed(failure.clone()));
                Ok(Told::Now(Some(failure)))
            }
        }
    }

    /// Makes a directory, or enters one that was there under exactly this name.
    fn make_directory(&mut self, path: &RelPath) -> Attempt<Begun> {
        let Place { dir: parent_path, name, .. } = self.place_of(path)?;
        let made = self.dirs.get(&parent_path).and_then(|dir| dir.create_dir(&name));
        match made {
            Ok(()) => {
                self.folding.note(&parent_path, &name);
                return Ok(Begun::Made);
            }
            Err(error) if error.fault() == Fault::Exists => {}
            Err(error) => return Err(self.refuse(error, path)),
        }
        let there = self.dirs.get(&parent_path).and_then(|dir| dir.stat(&name));
        let is_unfinished = match there {
            Ok(there) if there.kind == Kind::Directory => there.is_unfinished,
            Ok(_) => return Err(Refusal::Entry(self.in_the_way(&parent_path, &name))),
            Err(error) => return Err(self.refuse(error, path)),
        };
        match self.spellings.has(&mut self.dirs, &parent_path, &name) {
            Ok(true) => {}
            Ok(false) => return Err(Refusal::Entry(Failure::new(Reason::Collides, ""))),
            Err(error) => return Err(self.refuse(error, path)),
        }
        // Opened now, so that a directory nobody may enter fails by itself and not once for each file in it.
        match self.dirs.get(path).map(drop) {
            Ok(()) => Ok(if is_unfinished { Begun::Unfinished } else { Begun::Entered }),
            Err(error) => Err(self.refuse(error, path)),
        }
    }

    /// The directory an item belongs in and its name there, if both are possible.
    pub(super) fn place_of(&mut self, path: &RelPath) -> Attempt<Place> {
        let Some(name) = path.name() else {
            return Err(Refusal::Fatal(breach("an item without a name")));
        };
        let Ok(parent) = self.tree.innermost() else {
            return Err(Refusal::Entry(Failure::new(Reason::NoDirectory, "")));
        };
        let dir = self.tree.path(parent);
        match name.unfit(System::HERE) {
            Some(unfit) => Err(Refusal::Entry(Failure::new(Reason::NameUnfit, unfit.to_string()))),
            None => Ok(Place { parent, dir, name }),
        }
    }

    /// The failure of an entry whose name is taken: by something of the same name, or of another one that the
    /// disk takes for it.
    pub(super) fn in_the_way(&mut self, parent: &RelPath, name: &Name) -> Failure {
        match self.spellings.has(&mut self.dirs, parent, name) {
            Ok(false) => Failure::new(Reason::Collides, ""),
            // Where it cannot be told, the likelier.
            Ok(true) | Err(_) => Failure::new(Reason::Exists, ""),
        }
    }
}

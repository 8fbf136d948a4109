//! Announcing files, making directories and links: what is decided when an item arrives.

use crate::disk::{Dir, Fault, Kind};
use crate::error::Result;
use crate::proto::frame::{Failure, Reason};
use crate::proto::manifest::Meta;
use crate::proto::path::{Name, RelPath, System, link_stays_inside};

use super::part::Part;
use super::tree::{Begun, Parent, Told};
use super::{Attempt, Refusal, Sink, breach, fatal};

impl<D: Dir> Sink<D> {
    /// Decides whether a file is wanted. Nothing is made before its first bytes come.
    pub(super) fn announce_file(
        &mut self,
        id: u64,
        path: RelPath,
        size: Option<u64>,
        meta: Meta,
    ) -> Attempt<()> {
        let (parent, parent_path, name) = self.place_of(&path)?;
        let there = self.dirs.get(&parent_path).and_then(|dir| dir.stat(&name));
        match there {
            Ok(_) => return Err(Refusal::Entry(self.in_the_way(&parent_path, &name))),
            Err(error) if error.fault() == Fault::Missing => {}
            Err(error) => return Err(self.refuse(error, &path)),
        }
        if !self.taken.insert(path.clone()) {
            return Err(Refusal::Entry(Failure::new(Reason::Exists, "it was sent twice")));
        }
        self.tree.wait_for_one(parent);
        self.parts.insert(id, Part::new(path, parent, name.part_file(), size, meta));
        Ok(())
    }

    /// Makes a link; its outcome comes with the group.
    pub(super) fn place_link(&mut self, id: u64, path: &RelPath, target: &[u8], meta: &Meta) -> Attempt<()> {
        let (parent, parent_path, name) = self.place_of(path)?;
        if !link_stays_inside(&parent_path, target, System::HERE) {
            return Err(Refusal::Entry(Failure::new(Reason::LinkOutside, String::from_utf8_lossy(target))));
        }
        let made = self.dirs.get(&parent_path).and_then(|dir| dir.symlink(&name, target, meta));
        match made {
            Ok(()) => {
                self.tree.wait_for_one(parent);
                self.group.add_made(id, parent, parent_path);
                Ok(())
            }
            Err(error) if error.fault() == Fault::Exists => {
                Err(Refusal::Entry(self.in_the_way(&parent_path, &name)))
            }
            Err(error) => Err(self.refuse(error, path)),
        }
    }

    /// Makes or enters a directory. Returns its outcome where it is known at once.
    pub(super) fn begin_directory(&mut self, id: u64, path: RelPath) -> Result<Told> {
        match fatal(self.make_directory(&path))? {
            Ok(false) => {
                self.tree.begin(id, path, Begun::Entered);
                Ok(Told::Now(None))
            }
            Ok(true) => {
                let parent_path = path.split().map(|(parent, _)| parent).unwrap_or_default();
                self.tree.begin(id, path, Begun::Made);
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

    /// Whether it had to be made; false if it was there, under exactly this name, and can be entered.
    fn make_directory(&mut self, path: &RelPath) -> Attempt<bool> {
        let (_, parent_path, name) = self.place_of(path)?;
        let made = self.dirs.get(&parent_path).and_then(|dir| dir.create_dir(&name));
        match made {
            Ok(()) => return Ok(true),
            Err(error) if error.fault() == Fault::Exists => {}
            Err(error) => return Err(self.refuse(error, path)),
        }
        let there = self.dirs.get(&parent_path).and_then(|dir| dir.stat(&name));
        match there {
            Ok(there) if there.kind == Kind::Directory => {}
            Ok(_) => return Err(Refusal::Entry(self.in_the_way(&parent_path, &name))),
            Err(error) => return Err(self.refuse(error, path)),
        }
        match self.spellings.has(&mut self.dirs, &parent_path, &name) {
            Ok(true) => {}
            Ok(false) => return Err(Refusal::Entry(Failure::new(Reason::Collides, ""))),
            Err(error) => return Err(self.refuse(error, path)),
        }
        // Opened now, so that a directory nobody may enter fails by itself and not once for each file in it.
        match self.dirs.get(path).map(drop) {
            Ok(()) => Ok(false),
            Err(error) => Err(self.refuse(error, path)),
        }
    }

    /// The directory an item belongs in and its name there, if both are possible.
    fn place_of(&mut self, path: &RelPath) -> Attempt<(Parent, RelPath, Name)> {
        let Some((parent_path, name)) = path.split() else {
            return Err(Refusal::Fatal(breach("an item without a name")));
        };
        let Ok(parent) = self.tree.innermost() else {
            return Err(Refusal::Entry(Failure::new(Reason::NoDirectory, "")));
        };
        match name.unfit(System::HERE) {
            Some(unfit) => Err(Refusal::Entry(Failure::new(Reason::NameUnfit, unfit.to_string()))),
            None => Ok((parent, parent_path, name)),
        }
    }

    /// The failure of an entry whose name is taken: by something of the same name, or of another one that the disk takes for it.
    pub(super) fn in_the_way(&mut self, parent: &RelPath, name: &Name) -> Failure {
        match self.spellings.has(&mut self.dirs, parent, name) {
            Ok(false) => Failure::new(Reason::Collides, ""),
            // Where it cannot be told, the likelier.
            Ok(true) | Err(_) => Failure::new(Reason::Exists, ""),
        }
    }
}

//! Symbolic links: made when they are announced, told with the group.

use crate::disk::{Dir, Fault, Kind, Stat};
use crate::events::{Conflict, Resolution, Version};
use crate::proto::frame::{Failure, Reason};
use crate::proto::manifest::Meta;
use crate::proto::path::{Name, RelPath, System, link_stays_inside};

use super::conflict::replaceable;
use super::place::Place;
use super::tree::Parent;
use super::{Attempt, Refusal, Sink, SinkEvent};

/// A link to be made.
#[derive(Debug)]
pub(super) struct Link {
    path: RelPath,
    parent: Parent,
    target: Box<[u8]>,
    meta: Meta,
    /// What stands in its place.
    there: Option<Stat>,
}

impl<D: Dir + 'static> Sink<D> {
    /// Makes a link, or asks about what stands in its place.
    pub(super) fn place_link(
        &mut self,
        id: u64,
        path: RelPath,
        target: Box<[u8]>,
        meta: Meta,
    ) -> Attempt<Option<SinkEvent>> {
        let Place { parent, dir, name } = self.place_of(&path)?;
        if !link_stays_inside(&dir, &target, System::HERE) {
            return Err(Refusal::Entry(Failure::new(Reason::LinkOutside, String::from_utf8_lossy(&target))));
        }
        if self.numbered.contains(&path) {
            // A file has got its name as a numbered one: it gets a number of its own.
            let link = Link { path, parent, target, meta, there: None };
            return self.resolve_link(id, &link, Resolution::Rename);
        }
        let made = self.dirs.get(&dir).and_then(|dir| dir.symlink(&name, &target, &meta));
        match made {
            Ok(()) => {
                self.folding.note(&dir, &name);
                return Ok(self.made_link(id, parent, dir, None));
            }
            Err(error) if error.fault() == Fault::Exists => {}
            Err(error) => return Err(self.refuse(error, &path)),
        }
        let there = self.stands(&path, &dir, &name)?;
        if let Some(there) = &there {
            self.check_in_the_way(&dir, &name, there)?;
            if self.leads_there(&dir, &name, there, &target) {
                return Ok(self.made_link(id, parent, dir, None));
            }
        }
        let link = Link { path, parent, target, meta, there };
        if let Some(resolution) = self.rules.on_conflict.resolution() {
            return self.resolve_link(id, &link, resolution);
        }
        let ours = self.version(&dir, &name, link.there.as_ref());
        let target = Some(link.target.clone());
        let theirs = Version { size: None, mtime_s: link.meta.mtime_s, target };
        let conflict = Conflict { path: link.path.clone(), ours, theirs };
        self.tree.wait_for_one(link.parent);
        self.links.insert(id, link);
        Ok(Some(SinkEvent::Conflict { entry: id, conflict }))
    }

    /// The person has decided about a link.
    pub(super) fn decide_link(
        &mut self,
        id: u64,
        link: &Link,
        resolution: Resolution,
    ) -> Attempt<Option<SinkEvent>> {
        let resolved = self.resolve_link(id, link, resolution);
        self.tree.done(link.parent, &mut self.group.ready);
        resolved
    }

    fn resolve_link(&mut self, id: u64, link: &Link, resolution: Resolution) -> Attempt<Option<SinkEvent>> {
        let Some((dir, name)) = link.path.split() else { return Ok(None) };
        match resolution {
            Resolution::Skip => Err(Refusal::Entry(Failure::new(Reason::Exists, ""))),
            Resolution::Overwrite => {
                self.replace_by_link(link, &dir, &name)?;
                Ok(self.made_link(id, link.parent, dir, None))
            }
            Resolution::Rename => {
                let (free, last) = self.number(&link.path, &dir, &name)?;
                let last = last.filter(|(last, stat)| self.leads_there(&dir, last, stat, &link.target));
                let called = if let Some((last, _)) = last {
                    last
                } else {
                    let made =
                        self.dirs.get(&dir).and_then(|dir| dir.symlink(&free, &link.target, &link.meta));
                    made.map_err(|error| self.refuse(error, &link.path))?;
                    free.clone()
                };
                self.release(&link.path, &dir, &free);
                let event = SinkEvent::KeptBoth { path: link.path.clone(), name: called };
                Ok(self.made_link(id, link.parent, dir, Some(event)))
            }
        }
    }

    /// Makes the link under the name of a part file and lets it take the place of what stands there.
    fn replace_by_link(&mut self, link: &Link, dir: &RelPath, name: &Name) -> Attempt<()> {
        let part_name = name.part_file();
        if let Some(there) = &link.there {
            replaceable(there)?;
        }
        let left = self.stands(&link.path, dir, &part_name)?;
        if left.is_some_and(|left| left.kind == Kind::File) {
            // Of a file that was there at the sender before.
            self.remove_stale(&link.path, dir, name)?;
        }
        let replaced = self.dirs.get(dir).and_then(|dir| {
            // What a receiver that was killed right here left.
            if left.is_some_and(|left| left.is_ours && left.kind == Kind::Link) {
                dir.remove_file(&part_name)?;
            }
            dir.symlink(&part_name, &link.target, &link.meta)?;
            let now = dir.stat(name);
            let is_still = match (&link.there, &now) {
                (Some(there), Ok(now)) => there.is_unchanged(now),
                (None, Err(error)) => error.fault() == Fault::Missing,
                _ => false,
            };
            let replaced = if is_still { dir.replace(&part_name, name).map(|()| true) } else { Ok(false) };
            if !matches!(replaced, Ok(true)) {
                let _ = dir.remove_file(&part_name);
            }
            replaced
        });
        match replaced {
            Ok(true) => Ok(()),
            Ok(false) => {
                Err(Refusal::Entry(Failure::new(Reason::Exists, "what stands there changed meanwhile")))
            }
            Err(error) => Err(self.refuse(error, &link.path)),
        }
    }

    fn made_link(
        &mut self,
        id: u64,
        parent: Parent,
        dir: RelPath,
        event: Option<SinkEvent>,
    ) -> Option<SinkEvent> {
        self.tree.wait_for_one(parent);
        self.group.add_made(id, parent, dir);
        event
    }

    /// Whether what stands there is the same link.
    fn leads_there(&mut self, dir: &RelPath, name: &Name, there: &Stat, target: &[u8]) -> bool {
        there.kind == Kind::Link
            && self.dirs.get(dir).and_then(|dir| dir.read_link(name)).is_ok_and(|found| *found == *target)
    }
}

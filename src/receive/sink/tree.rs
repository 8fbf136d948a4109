//! The directories that are not finished yet: which ones the manifest stands in, and what each still waits
//! for.
//!
//! A directory is finished when it has ended in the manifest and everything in it has its outcome. Only then
//! may it get its mode and time: a file renamed into it later would change its time, and a read-only one
//! would take none.

use std::collections::HashMap;

use crate::proto::frame::Failure;
use crate::proto::manifest::Meta;
use crate::proto::path::RelPath;

/// The unfinished directories, by the number of the item that began them.
#[derive(Debug, Default)]
pub(super) struct Tree {
    nodes: HashMap<u64, Node>,
    open: Vec<u64>,
}

/// Where something belongs: a directory of the tree, or the output directory.
pub(super) type Parent = Option<u64>;

/// When the outcome of an item is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// It is known already.
    Now(Option<Failure>),
    /// With a group.
    Later,
}

/// A directory that can be finished: everything in it is done.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ready {
    /// The item that ended it.
    pub(super) entry: u64,
    pub(super) path: RelPath,
    /// What it gets; `None` if it existed and keeps its own.
    pub(super) meta: Option<Meta>,
}

#[derive(Debug)]
struct Node {
    path: RelPath,
    // The innermost directory on the way to it that this session did not make.
    stands_in: RelPath,
    parent: Parent,
    begun: Begun,
    /// What is in it, or the directory itself, without an outcome.
    pending: usize,
    end: Option<(u64, Meta)>,
}

/// What came of the beginning of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Begun {
    /// It was made, so there was nothing in it.
    Made,
    /// An interrupted transfer had made it, and left it unfinished.
    Unfinished,
    /// It existed and was entered.
    Entered,
    /// Neither was possible.
    Failed(Failure),
}

impl Tree {
    /// The innermost directory the manifest stands in; `Err` if it could not be made.
    pub(super) fn innermost(&self) -> Result<Parent, ()> {
        let innermost = self.open.last().copied();
        let is_made = innermost
            .and_then(|id| self.nodes.get(&id))
            .is_none_or(|node| !matches!(node.begun, Begun::Failed(_)));
        if is_made { Ok(innermost) } else { Err(()) }
    }

    /// Where that is.
    pub(super) fn path(&self, parent: Parent) -> RelPath {
        parent.and_then(|id| self.nodes.get(&id)).map(|node| node.path.clone()).unwrap_or_default()
    }

    /// The innermost directory on the way to it, or it itself, that this session did not make: the others are
    /// on the same file system.
    pub(super) fn stands_in(&self, parent: Parent) -> RelPath {
        parent.and_then(|id| self.nodes.get(&id)).map(|node| node.stands_in.clone()).unwrap_or_default()
    }

    /// Whether this session made it: then there was nothing in it.
    pub(super) fn is_new(&self, parent: Parent) -> bool {
        parent.and_then(|id| self.nodes.get(&id)).is_some_and(|node| node.begun == Begun::Made)
    }

    /// Begins a directory in the innermost one.
    pub(super) fn begin(&mut self, id: u64, path: RelPath, begun: Begun) {
        let parent = self.open.last().copied();
        if !matches!(begun, Begun::Failed(_)) {
            self.wait_for_one(parent);
        }
        let stands_in = if begun == Begun::Made { self.stands_in(parent) } else { path.clone() };
        self.nodes.insert(id, Node { path, stands_in, parent, begun, pending: 0, end: None });
        self.open.push(id);
    }

    /// Ends the innermost one. Its outcome comes with `ready`, at once if it could not be made; `None` if
    /// none is open.
    pub(super) fn end(&mut self, entry: u64, meta: Meta, ready: &mut Vec<Ready>) -> Option<Told> {
        let id = self.open.pop()?;
        let node = self.nodes.get_mut(&id)?;
        if let Begun::Failed(failure) = &node.begun {
            let failure = failure.clone();
            self.nodes.remove(&id);
            return Some(Told::Now(Some(failure)));
        }
        node.end = Some((entry, meta));
        self.collect(Some(id), ready);
        Some(Told::Later)
    }

    /// One more thing in `parent` has no outcome yet.
    pub(super) fn wait_for_one(&mut self, parent: Parent) {
        if let Some(node) = parent.and_then(|id| self.nodes.get_mut(&id)) {
            node.pending += 1;
        }
    }

    /// One thing in `parent` has its outcome. Directories that are finished by that are added to `ready`,
    /// inner ones first.
    pub(super) fn done(&mut self, parent: Parent, ready: &mut Vec<Ready>) {
        if let Some(node) = parent.and_then(|id| self.nodes.get_mut(&id)) {
            node.pending -= 1;
        }
        self.collect(parent, ready);
    }

    fn collect(&mut self, mut at: Parent, ready: &mut Vec<Ready>) {
        while let Some(id) = at {
            let Some((entry, meta)) =
                self.nodes.get(&id).and_then(|node| if node.pending == 0 { node.end } else { None })
            else {
                return;
            };
            let Some(node) = self.nodes.remove(&id) else { return };
            let meta = matches!(node.begun, Begun::Made | Begun::Unfinished).then_some(meta);
            ready.push(Ready { entry, path: node.path, meta });
            if let Some(parent) = node.parent.and_then(|id| self.nodes.get_mut(&id)) {
                parent.pending -= 1;
            }
            at = node.parent;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::path::Name;

    #[test]
    fn directories_finish_inside_out_and_only_when_nothing_is_missing() {
        let outer = RelPath::root().join(&Name::new(b"a").unwrap()).unwrap();
        let inner = outer.join(&Name::new(b"b").unwrap()).unwrap();
        let (mut tree, mut ready) = (Tree::default(), Vec::new());
        tree.begin(0, outer.clone(), Begun::Entered);
        tree.begin(1, inner.clone(), Begun::Made);
        let parent = tree.innermost().unwrap();
        tree.wait_for_one(parent);
        assert_eq!(tree.end(3, Meta::default(), &mut ready), Some(Told::Later));
        assert_eq!(tree.end(4, Meta::default(), &mut ready), Some(Told::Later));
        assert_eq!(tree.end(5, Meta::default(), &mut ready), None);
        assert!(ready.is_empty());
        tree.done(parent, &mut ready);
        let ready: Vec<_> = ready.into_iter().map(|ready| (ready.entry, ready.path, ready.meta)).collect();
        assert_eq!(ready, [(3, inner, Some(Meta::default())), (4, outer, None)]);
        assert!(tree.nodes.is_empty());
    }
}

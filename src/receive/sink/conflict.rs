//! What stands in the way: left alone, replaced, or joined by one with a number behind its name.

use crate::defects::{self, Defect};
use crate::disk::{Dir, Kind, Stat};
use crate::events::{Conflict, Resolution, Version};
use crate::proto::frame::{Failure, Get, Reason, Verdict};
use crate::proto::limits::NAME_BYTES_MAX;
use crate::proto::path::{Name, RelPath};
use crate::proto::runs::Runs;
use crate::receive::OnConflict;
use crate::receive::checksums::Algorithm;

use super::compare::{Basis, is_file};
use super::coverage::{Chunks, Coverage};
use super::incoming::Phase;
use super::{Attempt, Refusal, Sink, SinkEvent};

/// How what stood there before the session is treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Where something else stands already.
    pub on_conflict: OnConflict,
    /// Whether part files are gone on with and kept for the next session.
    pub resume: bool,
    /// How what is delivered is summed, if it is.
    pub checksums: Option<Algorithm>,
}

impl Default for Rules {
    fn default() -> Rules {
        Rules { on_conflict: OnConflict::default(), resume: true, checksums: None }
    }
}

impl<D: Dir + 'static> Sink<D> {
    /// What is wanted of a file that was announced, going by what stands in its place.
    pub(super) fn begin_file(&mut self, id: u64) -> Attempt<(Verdict, Option<SinkEvent>)> {
        let Some(file) = self.files.get_mut(&id) else { return Ok((Verdict::Nothing, None)) };
        if let Some(there) = &file.there {
            if is_file(there) && file.size == Some(there.size) {
                file.phase = Phase::Comparing;
                file.basis = Some(Box::new(Basis::new(file.name.clone(), **there)));
                return Ok((Verdict::Compare, None));
            }
            return match self.conflict(id)? {
                None => Ok((Verdict::Send, None)),
                then => Ok((Verdict::Wait, then)),
            };
        }
        Ok(match self.start(id)? {
            Some(get) => (Verdict::Wait, Some(SinkEvent::Get(get))),
            None => (Verdict::Send, None),
        })
    }

    /// What is wanted of a file whose name another one has got as a numbered one: it gets a number of its own.
    pub(super) fn number_file(&mut self, id: u64) -> Attempt<(Verdict, Option<SinkEvent>)> {
        Ok(match self.resolve(id, Resolution::Rename)? {
            Some(get) => (Verdict::Wait, Some(SinkEvent::Get(get))),
            None => (Verdict::Send, None),
        })
    }

    /// What stands there was compared, and is not the same.
    pub(super) fn differs(&mut self, id: u64) -> Attempt<Option<SinkEvent>> {
        let Some(file) = self.files.get(&id) else { return Ok(None) };
        let is_numbered = file.path.split().is_some_and(|(_, own)| own != file.name);
        let get = if is_numbered { Some(SinkEvent::Get(self.build(id)?)) } else { self.conflict(id)? };
        Ok(get.or_else(|| Some(SinkEvent::Get(self.all_of(id)))))
    }

    /// The person has decided about a file.
    pub(super) fn decide_file(&mut self, id: u64, resolution: Resolution) -> Attempt<Option<SinkEvent>> {
        if self.files.get(&id).is_none_or(|file| file.phase != Phase::Asking) {
            return Ok(None);
        }
        let get = self.resolve(id, resolution)?;
        Ok(Some(SinkEvent::Get(get.unwrap_or_else(|| self.all_of(id)))))
    }

    /// Goes by the strategy. `None`: all of the file is wanted.
    fn conflict(&mut self, id: u64) -> Attempt<Option<SinkEvent>> {
        let Some(mut resolution) = self.rules.on_conflict.resolution() else {
            let Some(file) = self.files.get_mut(&id) else { return Ok(None) };
            file.phase = Phase::Asking;
            let theirs = Version { size: file.size, mtime_s: file.meta.mtime_s, target: None };
            let (path, dir, name) = (file.path.clone(), file.dir.clone(), file.name.clone());
            let there = file.there.clone();
            let ours = self.version(&dir, &name, there.as_deref());
            let conflict = Conflict { path, ours, theirs };
            return Ok(Some(SinkEvent::Conflict { entry: id, conflict }));
        };
        if resolution == Resolution::Skip && defects::has(Defect::ReplacesWhatStands) {
            resolution = Resolution::Overwrite;
        }
        Ok(self.resolve(id, resolution)?.map(SinkEvent::Get))
    }

    fn resolve(&mut self, id: u64, resolution: Resolution) -> Attempt<Option<Get>> {
        let Some(file) = self.files.get_mut(&id) else { return Ok(None) };
        match resolution {
            Resolution::Skip => Err(Refusal::Entry(Failure::new(Reason::Exists, ""))),
            Resolution::Overwrite => {
                file.replaces = file.there.clone();
                if let Some(there) = &file.there {
                    replaceable(there)?;
                }
                self.start(id)
            }
            Resolution::Rename => {
                let (path, dir, name) = (file.path.clone(), file.dir.clone(), file.name.clone());
                let (free, last) = self.number(&path, &dir, &name)?;
                let Some(file) = self.files.get_mut(&id) else { return Ok(None) };
                file.name = free;
                // Most likely what an earlier run put there.
                let last = last.filter(|(_, stat)| is_file(stat) && file.size == Some(stat.size));
                let Some((last, stat)) = last else { return self.start(id) };
                file.basis = Some(Box::new(Basis::new(last, stat)));
                file.phase = Phase::Comparing;
                let chunks = Chunks::new(stat.size, self.chunk);
                let compare = Runs::all(chunks.count());
                file.coverage = Some(Box::new(Coverage::Chunks(chunks)));
                self.ask(id, Runs::new(), compare).map(Some)
            }
        }
    }

    /// Begins with the contents of a file, as little of them as will do. `None`: all of it is wanted.
    fn start(&mut self, id: u64) -> Attempt<Option<Get>> {
        let Some(file) = self.files.get_mut(&id) else { return Ok(None) };
        if file.coverage.is_some() {
            return self.build(id).map(Some);
        }
        let chunk = self.chunk;
        let (path, dir, name) = (file.path.clone(), file.dir.clone(), file.name.clone());
        let size = file.size.filter(|size| *size > u64::from(chunk.bytes()));
        if let Some(size) = size.filter(|_| self.rules.resume)
            && let Some(left) = self.find_part(&path, &dir, &name, size)?
        {
            let chunks = Chunks::new(size, left.chunk);
            let missing = left.claims.missing(chunks.count());
            if let Some(file) = self.files.get_mut(&id) {
                file.coverage = Some(Box::new(Coverage::Chunks(chunks)));
                file.part = Some(Box::new(left.part));
                file.phase = Phase::Resuming;
            }
            self.used(id).map_err(Refusal::Fatal)?;
            return self.ask(id, missing, left.claims).map(Some);
        }
        let Some(file) = self.files.get_mut(&id) else { return Ok(None) };
        let old = file.replaces.as_deref().filter(|old| is_file(old)).copied();
        if let (Some(size), Some(old)) = (file.size, old) {
            let common = size.min(old.size) / u64::from(chunk.bytes());
            if common > 0 {
                let chunks = Chunks::new(size, chunk);
                let compare = Runs::all(common);
                let send = compare.missing(chunks.count());
                file.basis = Some(Box::new(Basis::new(name, old)));
                file.coverage = Some(Box::new(Coverage::Chunks(chunks)));
                file.phase = Phase::Building;
                return self.ask(id, send, compare).map(Some);
            }
        }
        file.phase = Phase::Fresh;
        let bytes = file.size.unwrap_or(0).saturating_sub(file.holes);
        // A part file of no use makes room before anything is written.
        let stale = if size.is_some() { self.stale_bytes(&dir, &name) } else { 0 };
        self.owe(id, bytes.saturating_sub(stale))?;
        Ok(None)
    }

    /// All of a file, in order.
    fn all_of(&self, id: u64) -> Get {
        Get { entry: id, chunk_bytes: self.chunk.bytes(), send: Vec::new(), compare: Vec::new() }
    }

    /// The first number that is free behind a name, and what stands under the one before it.
    pub(super) fn number(
        &mut self,
        path: &RelPath,
        dir: &RelPath,
        name: &Name,
    ) -> Attempt<(Name, Option<(Name, Stat)>)> {
        let mut last = None;
        for number in 1..=NUMBERS_MAX {
            let Some(numbered) = numbered(name, number) else { break };
            let Ok(place) = dir.join(&numbered) else { break };
            match self.stands(path, dir, &numbered)? {
                Some(stat) => last = Some((numbered, stat)),
                None if !self.taken.contains(&place) && self.numbered.insert(place) => {
                    return Ok((numbered, last));
                }
                None => last = None,
            }
        }
        Err(Refusal::Entry(Failure::new(Reason::Exists, "and so do too many with a number behind its name")))
    }

    /// What is told of a thing that stands there.
    pub(super) fn version(&mut self, dir: &RelPath, name: &Name, there: Option<&Stat>) -> Version {
        let Some(there) = there else { return Version::default() };
        let is_link = there.kind == Kind::Link;
        // One that cannot be read is told without where it leads.
        let target = if is_link { self.dirs.get(dir).and_then(|dir| dir.read_link(name)).ok() } else { None };
        Version { size: is_file(there).then_some(there.size), mtime_s: there.meta.mtime_s, target }
    }

    /// The name is free for another entry.
    pub(super) fn release(&mut self, path: &RelPath, dir: &RelPath, name: &Name) {
        self.taken.remove(path);
        if !path.is_called(name) {
            self.release_name(dir, name);
        }
    }

    /// A number is free for another entry.
    pub(super) fn release_name(&mut self, dir: &RelPath, name: &Name) {
        if let Ok(place) = dir.join(name) {
            self.numbered.remove(&place);
        }
    }
}

/// Only what could have been sent is ever replaced.
pub(super) fn replaceable(there: &Stat) -> Attempt<()> {
    match there.kind {
        Kind::File | Kind::Link => Ok(()),
        Kind::Directory => Err(Refusal::Entry(Failure::new(Reason::DirectoryThere, ""))),
        Kind::Other => Err(Refusal::Entry(Failure::new(Reason::Exists, "it is neither a file nor a link"))),
    }
}

/// `stem (n).ext`, cut where it would be longer than a name may be. `None` if nothing of the stem would be
/// left.
fn numbered(name: &Name, number: u32) -> Option<Name> {
    let bytes = name.as_bytes();
    let dot = |bytes: &[u8]| bytes.iter().rposition(|byte| *byte == b'.').filter(|at| *at > 0);
    let mut at = dot(bytes).unwrap_or(bytes.len());
    // Of `a.tar.gz` both belong together.
    if let Some(inner) = bytes.get(..at).and_then(dot)
        && bytes.get(inner..at) == Some(b".tar")
    {
        at = inner;
    }
    let (mut stem, mut extension) = bytes.split_at_checked(at)?;
    let mark = format!(" ({number})");
    if extension.len() > EXTENSION_BYTES_MAX {
        (stem, extension) = (bytes, &[]);
    }
    let mut end = stem.len().min(NAME_BYTES_MAX.checked_sub(mark.len() + extension.len())?);
    // Not within a character.
    while end > 0 && end < stem.len() && stem.get(end).is_some_and(|byte| byte & 0xc0 == 0x80) {
        end -= 1;
    }
    let stem = stem.get(..end).filter(|stem| !stem.is_empty())?;
    Name::new(&[stem, mark.as_bytes(), extension].concat()).ok()
}

/// How far is counted to find a free name. Whoever has more of one name than that has another problem.
const NUMBERS_MAX: u32 = 1000;

/// What is longer is no extension.
const EXTENSION_BYTES_MAX: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_before_the_extension() {
        let numbered = |name: &[u8], number| numbered(&Name::new(name).unwrap(), number).unwrap();
        for (name, expected) in [
            (&b"photo.jpg"[..], &b"photo (1).jpg"[..]),
            (b"README", b"README (1)"),
            (b".profile", b".profile (1)"),
            (b"a.b.c", b"a.b (1).c"),
            (b"a.tar.gz", b"a (1).tar.gz"),
            (b".tar.gz", b".tar (1).gz"),
            (b"\xff.x", b"\xff (1).x"),
        ] {
            assert_eq!(numbered(name, 1).as_bytes(), expected);
        }
        let long = "\u{e9}".repeat(127);
        let cut = numbered(long.as_bytes(), 10);
        assert!(cut.as_bytes().len() <= NAME_BYTES_MAX && std::str::from_utf8(cut.as_bytes()).is_ok());
    }
}

//! What must be true whatever happened.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::scenario::{Blow, Scenario, Strike};
use super::tree::{Thing, Tree};
use super::world::Ended;
use crate::disk::memory::{MemoryDir, MemoryDisk};
use crate::disk::{Access, Dir, DiskError, File, Kind};
use crate::error::Kind as ErrorKind;
use crate::events::{EntryEnd, Report};
use crate::proto::chunk::{ChunkHasher, ChunkSize};
use crate::proto::frame::Reason;
use crate::proto::path::{Name, RelPath};
use crate::receive::OnConflict;

/// What is on a disk.
#[derive(Debug, Default)]
pub struct Seen {
    /// Under final names.
    pub things: BTreeMap<RelPath, Thing>,
    /// Part files and journals.
    pub leftovers: Vec<String>,
}

impl Seen {
    /// Looks through a disk.
    pub fn of(disk: &MemoryDisk) -> Seen {
        let mut seen = Seen::default();
        seen.look(&disk.root(), &RelPath::root());
        seen
    }

    fn look(&mut self, dir: &MemoryDir, path: &RelPath) {
        let names: Vec<Box<[u8]>> = dir.names().into_iter().flatten().flatten().collect();
        for name in names {
            let Ok(name) = Name::new(&name) else {
                self.leftovers.push(format!("{path:?}/{}", String::from_utf8_lossy(&name)));
                continue;
            };
            let (Ok(stat), Ok(path)) = (dir.stat(&name), path.join(&name)) else { continue };
            let thing = match stat.kind {
                Kind::File => Thing::File(stat.meta, Arc::new(read(dir, &name).unwrap_or_default())),
                Kind::Directory => {
                    if let Ok(inner) = dir.open_dir(&name) {
                        self.look(&inner, &path);
                    }
                    Thing::Directory(stat.meta)
                }
                _ => Thing::Link(dir.read_link(&name).unwrap_or_default().to_vec()),
            };
            self.things.insert(path, thing);
        }
    }
}

/// What stood on the receiver's disk before the first session.
pub type Existing = Arc<BTreeMap<RelPath, Thing>>;

/// Everything that is not among `undelivered` stands where it belongs, and is what was sent.
pub fn is_delivered(
    tree: &Tree,
    existing: &Existing,
    undelivered: &[EntryEnd],
    kept_both: &BTreeMap<RelPath, Name>,
    disk: &MemoryDisk,
) -> Result<(), String> {
    let seen = Seen::of(disk);
    for (path, now) in tree.things() {
        if undelivered.iter().any(|end| end.path == path) {
            continue;
        }
        let place = kept_both.get(&path).and_then(|name| path.split()?.0.join(name).ok());
        let place = place.unwrap_or_else(|| path.clone());
        let Some(there) = seen.things.get(&place) else { return Err(format!("{place:?} is missing")) };
        let is_sent = tree.versions(&path).contains(there);
        // What was the same already keeps its mode and time.
        let was_there = existing.get(&path).is_some_and(|before| before == there && is_alike(before, &now));
        let was_version = tree.versions(&path).iter().any(|version| is_alike(version, there));
        let was_there = was_there || existing.contains_key(&place) && was_version;
        if !is_sent && !was_there {
            return Err(format!("{place:?} is {there:?} instead of {now:?}"));
        }
    }
    Ok(())
}

/// Nothing is left of what was needed on the way, where nothing can be gone on with.
pub fn is_tidy(tree: &Tree, undelivered: &[EntryEnd], disk: &MemoryDisk) -> Result<(), String> {
    let seen = Seen::of(disk);
    let gone: Vec<RelPath> = tree.gone().cloned().collect();
    let unfinished = undelivered.iter().filter(|end| {
        let reason = end.failure.as_ref().map(|failure| failure.reason);
        matches!(reason, Some(Reason::Changed | Reason::Unreadable | Reason::Vanished | Reason::Exists))
    });
    // One that was large and is small: nobody looks for the journal of a small file.
    let shrunk = tree.files_ever().filter(|path| tree.has_shrunk(path, u64::from(ChunkSize::MIN.bytes())));
    let may_be: Vec<String> = unfinished
        .map(|end| &end.path)
        .chain(&gone)
        .chain(shrunk)
        .filter_map(crate::proto::path::RelPath::split)
        .flat_map(|(parent, name)| {
            // It may have been on its way to a number behind its name.
            let numbered = (1..=NUMBERS_MAX).filter_map(|number| {
                Name::new(&[name.as_bytes(), format!(" ({number})").as_bytes()].concat()).ok()
            });
            let names: Vec<Name> = numbered.chain([name.clone()]).collect();
            names.into_iter().flat_map(move |name| {
                [leftover(&parent, &name.part_file()), leftover(&parent, &name.journal_file())]
            })
        })
        .collect();
    match seen.leftovers.iter().find(|left| !may_be.contains(left)) {
        Some(left) => Err(format!("{left} is left over")),
        None => Ok(()),
    }
}

/// Nothing stands under a final name that is not entirely what somebody put there.
pub fn is_sound(tree: &Tree, existing: &Existing, disk: &MemoryDisk) -> Result<(), String> {
    for (path, thing) in Seen::of(disk).things {
        let original = unnumbered(&path);
        let versions =
            [Some(&path), original.as_ref()].into_iter().flatten().flat_map(|path| tree.versions(path));
        let is_known = versions.chain(existing.get(&path)).any(|version| is_alike(version, &thing));
        if !is_known {
            return Err(format!("{path:?} is nobody's: {thing:?}"));
        }
    }
    Ok(())
}

/// What stood there before is untouched, unless it was to be replaced.
pub fn is_untouched(existing: &Existing, disk: &MemoryDisk) -> Result<(), String> {
    let seen = Seen::of(disk);
    match existing.iter().find(|(path, before)| seen.things.get(path) != Some(before)) {
        Some((path, _)) => Err(format!("{path:?} stood there before, and is not any more")),
        None => Ok(()),
    }
}

/// What journals claim to be on the disk is there, also when the power has just gone.
pub fn journals_are_honest(tree: &Tree, disk: &MemoryDisk) -> Result<(), String> {
    for path in tree.files_ever() {
        let Some((parent, name)) = path.split() else { continue };
        let Ok(dir) = parent.names().try_fold(disk.root(), |dir, name| dir.open_dir(&name)) else { continue };
        let (Ok(journal), Ok(part)) = (read(&dir, &name.journal_file()), read(&dir, &name.part_file()))
        else {
            continue;
        };
        let Some(chunk_bytes) =
            journal.get(6..10).and_then(|size| Some(u32::from_le_bytes(*size.first_chunk()?)))
        else {
            continue;
        };
        let slots = journal.get(JOURNAL_HEADER_BYTES..).unwrap_or_default().chunks_exact(JOURNAL_SLOT_BYTES);
        for (index, slot) in slots.enumerate() {
            let from = index * chunk_bytes as usize;
            let chunk = part.get(from..part.len().min(from + chunk_bytes as usize)).unwrap_or_default();
            if claims(slot, index as u64, chunk.len() as u64) {
                let mut hasher = ChunkHasher::new(from as u64);
                hasher.update(chunk);
                if hasher.finish(false).0[..] != slot[..32] {
                    return Err(format!("the journal of {path:?} claims chunk {index}, which is not there"));
                }
            }
        }
    }
    Ok(())
}

/// Whether a slot of a journal claims a chunk of this length.
fn claims(slot: &[u8], index: u64, length: u64) -> bool {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&index.to_le_bytes()).update(&length.to_le_bytes()).update(&slot[..32]);
    hasher.finalize().as_bytes()[..8] == slot[32..]
}

fn read(dir: &MemoryDir, name: &Name) -> Result<Vec<u8>, DiskError> {
    let file = dir.open_file(name, Access::Read)?;
    let mut bytes = vec![0; usize::try_from(file.stat()?.size).unwrap_or(0)];
    file.read_at(&mut bytes, 0)?;
    Ok(bytes)
}

/// Whatever did not go through has a reason among what happened.
pub fn has_reason(ended: &Ended, scenario: &Scenario) -> Result<(), String> {
    let blows = &scenario.blows;
    // Such things pass, and the transfer goes on by itself, as long as both sides look for each other.
    let is_lost = |outcome: &Option<crate::Result<Report>>| matches!(outcome, Some(Err(error)) if error.kind() == ErrorKind::ConnectionLost);
    let is_passing = scenario.commands.iter().all(|command| command.retry_ms >= LONG_MS)
        && blows.iter().all(|blow| blow.strike.passes())
        && is_lost(&ended.sent)
        && is_lost(&ended.received);
    let had = |is: fn(&Strike) -> bool| blows.iter().any(|blow| is(&blow.strike));
    let is_hostile = had(|strike| strike.is_hostile() || matches!(strike, Strike::FlipByte(..)));
    let has_stranger = had(|strike| matches!(strike, Strike::Stranger(_)));
    let is_cancelled = had(|strike| matches!(strike, Strike::Cancel(_)));
    let has_bad_disk = had(|strike| matches!(strike, Strike::DiskFull { .. } | Strike::DiskBreaks));
    for (role, outcome) in [("sender", &ended.sent), ("receiver", &ended.received)] {
        let error = match outcome {
            Some(Ok(_)) => continue,
            Some(Err(error)) => error,
            None if had(Strike::kills) => continue,
            None => return Err(format!("the {role} came to nothing")),
        };
        let is_excused = !blows.is_empty()
            && match error.kind() {
                ErrorKind::ConnectionLost => !is_passing,
                // A seat whose owner is gone yields before anybody loses patience; only one that somebody else has does not, and where a hostile
                // relay has a say.
                ErrorKind::Relay => {
                    has_stranger || is_hostile || !error.to_string().contains("no seat: Taken")
                }
                ErrorKind::NobodyCame => true,
                // A connection that is lost while the code is checked cannot be told from a guess.
                ErrorKind::Authentication => is_hostile || error.to_string().starts_with("the code"),
                ErrorKind::Protocol => is_hostile,
                ErrorKind::Disk => has_bad_disk,
                ErrorKind::Refused => is_cancelled || has_bad_disk,
                ErrorKind::Interrupted => is_cancelled,
                _ => false,
            };
        if !is_excused {
            return Err(format!("the {role} has no reason to end with {error:?}"));
        }
    }
    Ok(())
}

/// Whatever was not delivered of a transfer that went through has a reason among what happened.
pub fn has_excuse(
    tree: &Tree,
    undelivered: &[EntryEnd],
    blows: &[Blow],
    strategy: OnConflict,
) -> Result<(), String> {
    let changes = blows
        .iter()
        .any(|blow| matches!(blow.strike, Strike::Change(_) | Strike::ChangeLargest | Strike::Remove(_)));
    for end in undelivered {
        let Some(failure) = &end.failure else { return Err(format!("{end:?} failed without a failure")) };
        let is_excused = match failure.reason {
            Reason::Special => !tree.things().contains_key(&end.path),
            Reason::Changed | Reason::Vanished => changes,
            Reason::Exists => matches!(strategy, OnConflict::Skip | OnConflict::Ask),
            Reason::DirectoryThere => true,
            _ => false,
        };
        if !is_excused {
            return Err(format!("there is no reason for {end:?}"));
        }
    }
    Ok(())
}

/// Whether two things are the same but for their modes and times: what is not finished, and what was there already, has its own.
fn is_alike(one: &Thing, other: &Thing) -> bool {
    match (one, other) {
        (Thing::File(_, one), Thing::File(_, other)) => one == other,
        (Thing::Directory(_), Thing::Directory(_)) => true,
        (one, other) => one == other,
    }
}

/// The path without the number behind its name, if it has one.
fn unnumbered(path: &RelPath) -> Option<RelPath> {
    let (parent, name) = path.split()?;
    let name = name.as_bytes().strip_suffix(b")")?;
    let at = name.windows(2).rposition(|two| two == b" (")?;
    parent.join(&Name::new(&name[..at]).ok()?).ok()
}

fn leftover(parent: &RelPath, name: &Name) -> String {
    format!("{parent:?}/{}", String::from_utf8_lossy(name.as_bytes()))
}

/// As `docs/protocol.md` has it, section 6.
const JOURNAL_HEADER_BYTES: usize = 16;
const JOURNAL_SLOT_BYTES: usize = 40;

/// Patience that lasts through whatever passes.
const LONG_MS: u64 = 600_000;

/// More numbers behind one name no story needs.
const NUMBERS_MAX: u32 = 4;

//! What is left out of a walk: by patterns that were given, and by those that stand in `.gitignore` and
//! `.ignore` files.
//!
//! The patterns that were given come first, then those of the innermost directory, and so on outwards; the
//! first place with a pattern that matches decides, and there the last such pattern. What is left out is not
//! entered, so nothing in it can be brought back.

use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use crate::disk::{Access, Dir, DiskError, Fault, File, Kind};
use crate::proto::frame::{Failure, Reason};
use crate::proto::path::Name;

use super::pattern::{Pattern, is_left_out};

/// What not to send, of what lies below the arguments. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Exclude {
    patterns: Arc<[Pattern]>,
    obeys_files: bool,
}

/// The patterns of one directory's files.
#[derive(Debug, Default)]
pub(super) struct Rules {
    patterns: Vec<Pattern>,
    /// How long their files are: what they take here is in proportion to it.
    pub(super) bytes: u64,
}

/// The rules of directories above an argument, outermost first, each with the way from there to the argument.
#[derive(Debug, Default)]
pub(super) struct Above(Vec<(Vec<u8>, Rules)>);

impl Exclude {
    /// Leaves out what these patterns match, relative to each argument; with `gitignore` also what the
    /// `.gitignore` and `.ignore` files say that stand in the directories walked, and in those above them
    /// that belong to the same git repository.
    #[must_use]
    pub fn new(patterns: Vec<Pattern>, gitignore: bool) -> Exclude {
        Exclude { patterns: patterns.into(), obeys_files: gitignore }
    }

    /// Whether files are to be asked.
    pub(super) fn obeys_files(&self) -> bool {
        self.obeys_files
    }

    /// Whether what stands at `path` below an argument is left out; `levels` are the rules of the directories
    /// it is in, the innermost first, each with how many bytes of `path` lead there.
    pub(super) fn has<'r>(
        &self,
        path: &[u8],
        is_directory: bool,
        levels: impl Iterator<Item = (usize, &'r Rules)>,
        above: &Above,
    ) -> bool {
        if let Some(says) = is_left_out(&self.patterns, path, is_directory) {
            return says;
        }
        for (length, rules) in levels.filter(|(_, rules)| !rules.patterns.is_empty()) {
            let rest = path.get(length..).unwrap_or_default();
            let rest = rest.strip_prefix(b"/").unwrap_or(rest);
            if let Some(says) = is_left_out(&rules.patterns, rest, is_directory) {
                return says;
            }
        }
        above.0.iter().rev().find_map(|(way, rules)| {
            let path = if way.is_empty() { path.to_vec() } else { [way, path].join(&b'/') };
            is_left_out(&rules.patterns, &path, is_directory)
        }) == Some(true)
    }
}

impl Rules {
    /// Those of a directory. A file that cannot be read is an error: what it would have held back must not be
    /// sent.
    pub(super) fn of<D: Dir>(dir: &D, room: u64) -> Result<Rules, Failure> {
        let mut rules = Rules::default();
        for name in RULE_FILES {
            let Ok(name) = Name::new(name.as_bytes()) else { continue };
            match dir.stat(&name) {
                Ok(stat) if stat.kind == Kind::File => {}
                // A link is not followed, as git does.
                Ok(_) => continue,
                Err(error) if error.fault() == Fault::Missing => continue,
                Err(error) => return Err(unread(&name, &error)),
            }
            let file = dir.open_file(&name, Access::Read).map_err(|error| unread(&name, &error))?;
            let mut text = Vec::new();
            let mut step = vec![0; 64 << 10];
            loop {
                let read =
                    file.read_at(&mut step, text.len() as u64).map_err(|error| unread(&name, &error))?;
                text.extend_from_slice(step.get(..read).unwrap_or_default());
                if text.len() as u64 > room {
                    return Err(too_long(&name));
                }
                if read == 0 {
                    break;
                }
            }
            if !rules.add(&text, room) {
                return Err(too_long(&name));
            }
        }
        Ok(rules)
    }

    /// Takes in what a file says, unless that takes more than `room` with what is there already.
    fn add(&mut self, text: &[u8], room: u64) -> bool {
        let bytes = self.bytes.saturating_add(held_bytes(text));
        if bytes > room {
            return false;
        }
        self.bytes = bytes;
        self.patterns.extend(Pattern::parse_all(text));
        true
    }
}

impl Above {
    /// Those of the directories above `base` up to the top of its git repository; none where it is in no
    /// repository. `with_own`: and, in any case, those of `base`, which nobody walks through.
    pub(super) fn of(base: &Path, with_own: bool) -> Result<Above, Failure> {
        let is_top = |directory: &Path| std::fs::symlink_metadata(directory.join(".git")).is_ok();
        let top = base.ancestors().find(|directory| is_top(directory));
        let Some(top) = top.or(with_own.then_some(base)) else {
            return Ok(Above::default());
        };
        let mut all = Vec::new();
        let mut left = RULES_BYTES_MAX;
        for directory in
            base.ancestors().skip(usize::from(!with_own)).take_while(|directory| directory.starts_with(top))
        {
            let mut rules = Rules::default();
            for name in RULE_FILES {
                let path = directory.join(name);
                let is_file = std::fs::symlink_metadata(&path).is_ok_and(|there| there.is_file());
                if !is_file {
                    continue;
                }
                let mut text = Vec::new();
                let read = std::fs::File::open(&path)
                    .and_then(|file| file.take(left.saturating_add(1)).read_to_end(&mut text));
                let shown = path.display();
                match read {
                    Err(error) => return Err(Failure::new(Reason::Unreadable, format!("{shown}: {error}"))),
                    Ok(_) if !rules.add(&text, left) => {
                        return Err(Failure::new(Reason::Unreadable, format!("{shown} is too long")));
                    }
                    Ok(_) => {}
                }
            }
            left = left.saturating_sub(rules.bytes);
            let way = base.strip_prefix(directory).unwrap_or(base);
            all.push((way.as_os_str().as_encoded_bytes().to_vec(), rules));
        }
        all.reverse();
        Ok(Above(all))
    }
}

/// What the rules of a file take in memory at most: a pattern for each line, in pieces, and the text itself.
fn held_bytes(text: &[u8]) -> u64 {
    let slashes = text.iter().filter(|byte| matches!(**byte, b'\n' | b'/')).count() + 1;
    text.len() as u64 + slashes as u64 * PIECE_BYTES
}

fn unread(name: &Name, error: &DiskError) -> Failure {
    Failure::new(Reason::Unreadable, format!("its {}: {error}", String::from_utf8_lossy(name.as_bytes())))
}

fn too_long(name: &Name) -> Failure {
    Failure::new(Reason::Unreadable, format!("its {} is too long", String::from_utf8_lossy(name.as_bytes())))
}

/// What is read in a directory; the later one has the last word.
const RULE_FILES: [&str; 2] = [".gitignore", ".ignore"];

/// What a pattern, or a piece of it between slashes, takes beside its text.
const PIECE_BYTES: u64 = 128;

/// Bytes of such rules that are held at once, of all directories within each other: a hundred times what
/// anybody writes.
pub(super) const RULES_BYTES_MAX: u64 = 4 << 20;

//! How many descriptors this process may have, and what of them is whose.
//!
//! Directories get a part, files that are kept open another one, and something stays for connections and for
//! the program around us.

/// Asks for as many as a receiver has a use for, where the system gives them for the asking. For processes of
/// our own: who uses the library decides for itself.
pub fn ask_for_more() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        let wanted = maximum.map_or(WANTED, |maximum| maximum.min(WANTED));
        if current.is_some_and(|current| current < wanted) {
            // Where it is refused, fewer do.
            let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum });
        }
    }
}

/// Directories kept open by who goes to and fro between many of them.
#[must_use]
pub fn for_directories() -> usize {
    directories_of(allowed())
}

/// Files kept open only so that they stay locked.
#[must_use]
pub fn for_files() -> usize {
    files_of(allowed())
}

/// Half of what is left: somebody may have asked for few, or use many themselves. Other systems than Linux
/// allow 256, mostly.
fn directories_of(allowed: usize) -> usize {
    let most = if cfg!(target_os = "linux") { HANDLES_MANY } else { HANDLES_MAX };
    (allowed.saturating_sub(OTHERS) / 2).clamp(HANDLES_FEW, most)
}

fn files_of(allowed: usize) -> usize {
    allowed.saturating_sub(OTHERS + directories_of(allowed))
}

#[cfg(unix)]
fn allowed() -> usize {
    let allowed = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    allowed.and_then(|allowed| usize::try_from(allowed).ok()).unwrap_or(usize::MAX)
}

/// There is no such limit here.
#[cfg(not(unix))]
fn allowed() -> usize {
    usize::MAX
}

/// Handles of directories kept open at once: deeper than nearly every tree, and together with the files far
/// below the 256 descriptors that the stingiest system allows.
pub const HANDLES_MAX: usize = 64;

/// So few do for any tree, where descriptors are scarce.
pub(super) const HANDLES_FEW: usize = HANDLES_MAX / 4;

/// As many where somebody comes back to each of the directories of a thousand small files, if there are
/// descriptors for them.
const HANDLES_MANY: usize = 384;

/// What lanes, files in use and the program around us need beside them.
const OTHERS: usize = 160;

/// What all of that comes to, with two groups of small files, and as much again for an embedded relay.
#[cfg(unix)]
const WANTED: u64 = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_goes_to_the_files() {
        for (allowed, files) in [(4096, 4096 - 160 - 384), (1024, 480), (256, 48), (64, 0), (0, 0)] {
            #[cfg(target_os = "linux")]
            assert_eq!(files_of(allowed), files, "{allowed}");
            assert!(directories_of(allowed) >= HANDLES_FEW && files_of(allowed) <= allowed);
        }
    }
}

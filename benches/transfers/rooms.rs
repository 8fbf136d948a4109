//! Where things are received: every run in a directory of its own.
//!
//! In memory it is gone when the run is over. On a disk it stays until the program ends: ext4 does not give an inode anew that
//! became free in the last minutes, so creating files soon after many were deleted costs a search of whole inode tables, and measures
//! what happened before and not the tool. If the disk gets full all of them go at once, and that is said.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::machine;

/// The directories that there are.
pub struct Rooms {
    below: PathBuf,
    /// Those that stay. None where nothing does.
    kept: Option<Vec<TempDir>>,
}

/// Two directories of one run.
pub struct Room {
    directory: Option<TempDir>,
    /// Empty, to receive in.
    pub out: PathBuf,
    /// For everything else.
    pub scratch: PathBuf,
}

impl Rooms {
    /// In memory.
    pub fn passing(below: &Path) -> Rooms {
        Rooms { below: below.to_owned(), kept: None }
    }

    /// On a disk.
    pub fn lasting(below: &Path) -> Rooms {
        Rooms { below: below.to_owned(), kept: Some(Vec::new()) }
    }

    /// One for a run that receives so many files and bytes.
    pub fn fresh(&mut self, files: u64, bytes: u64) -> io::Result<Room> {
        if let Some(kept) = self.kept.as_mut().filter(|kept| !kept.is_empty()) {
            let (files, mib) = (files * COPIES_MAX, bytes * COPIES_MAX / (1024 * 1024) + RESERVE_MIB);
            if !machine::holds(&self.below, files, mib)? {
                println!(
                    "  {} is nearly full: what was received there until now is removed",
                    self.below.display()
                );
                kept.clear();
                rustix::fs::sync();
            }
        }
        let directory = tempfile::Builder::new().prefix("p2pc-run.").tempdir_in(&self.below)?;
        let (out, scratch) = (directory.path().join("out"), directory.path().join("scratch"));
        fs::create_dir(&out)?;
        fs::create_dir(&scratch)?;
        Ok(Room { directory: Some(directory), out, scratch })
    }

    /// The run is over.
    pub fn leave(&mut self, mut room: Room) -> io::Result<()> {
        match (&mut self.kept, room.directory.take()) {
            (Some(kept), Some(directory)) => kept.push(directory),
            (None, Some(directory)) => directory.close()?,
            (_, None) => {}
        }
        Ok(())
    }
}

/// Some tools have everything on the disk twice while they work.
const COPIES_MAX: u64 = 3;

/// What is left to everybody else on that disk.
const RESERVE_MIB: u64 = 1024;

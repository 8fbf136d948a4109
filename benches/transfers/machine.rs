//! The machine that is measured on.

use std::fs;
use std::io::{self, Error};
use std::path::Path;
use std::process::Command;
use std::thread;

/// The day, the program and the machine, as every result is marked with them.
pub fn today(program: &str) -> io::Result<String> {
    let output = Command::new("date").args(["-u", "+%F"]).output()?;
    let day = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let processors = fs::read_to_string("/proc/cpuinfo")?;
    let model = processors.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("a processor without a name", |(_, model)| model.trim());
    let cores = thread::available_parallelism()?;
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let release = kernel.trim().split('-').next().unwrap_or_default();
    Ok(format!("{day}, {program}, {cores} cores of {model}, Linux {release}"))
}

/// Whether so many files and MiB can still be made there.
pub fn holds(directory: &Path, files: u64, mib: u64) -> io::Result<bool> {
    let system = rustix::fs::statvfs(directory)?;
    // Some file systems make inodes as they need them, and say that they have none.
    let has_inodes = system.f_files == 0 || system.f_favail >= files;
    Ok(has_inodes && system.f_bavail * system.f_frsize / (1024 * 1024) >= mib)
}

/// Whether what is made, and once more what is received, has room there. The first existing directory above counts.
pub fn has_room(directory: &Path, mib: u64) -> io::Result<()> {
    let existing = directory.ancestors().find(|path| path.is_dir());
    let existing = existing.ok_or_else(|| Error::other(format!("{} is nowhere", directory.display())))?;
    let system = rustix::fs::statvfs(existing)?;
    let free = system.f_bavail * system.f_frsize / (1024 * 1024);
    if free >= mib {
        return Ok(());
    }
    let (at, hint) = (directory.display(), "give another directory with DATA=, or a smaller size with MB=");
    Err(Error::other(format!("{at} has {free} MiB free, {mib} are needed: {hint}")))
}

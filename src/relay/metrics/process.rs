//! What the system tells of this process: on Linux, from `/proc`. Elsewhere, and where `/proc` is not mounted, little or nothing.

use std::fs;
use std::time::Duration;

/// What is known; `None` where the system does not tell.
#[derive(Clone, Copy, Debug, Default)]
pub struct Process {
    /// Resident memory.
    pub memory_bytes: Option<u64>,
    /// Open file descriptors.
    pub open_fds: Option<u64>,
    /// How many may be open.
    pub max_fds: Option<u64>,
    /// Processor time.
    pub cpu: Option<Duration>,
}

impl Process {
    /// Looks. With many descriptors this takes some milliseconds.
    #[must_use]
    pub fn look() -> Process {
        let memory_kib = fs::read_to_string("/proc/self/status").ok().and_then(|text| memory_kib(&text));
        // The directory that is being read is one of them.
        let open_fds = fs::read_dir("/proc/self/fd").ok().map(|open| open.count().saturating_sub(1));
        Process {
            memory_bytes: memory_kib.map(|kib| kib.saturating_mul(1024)),
            open_fds: open_fds.and_then(|open| u64::try_from(open).ok()),
            max_fds: fs::read_to_string("/proc/self/limits").ok().and_then(|text| max_fds(&text)),
            cpu: cpu(),
        }
    }
}

fn memory_kib(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse().ok()
}

fn max_fds(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(unix)]
fn cpu() -> Option<Duration> {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Some(Duration::new(u64::try_from(time.tv_sec).ok()?, u32::try_from(time.tv_nsec).ok()?))
}

#[cfg(not(unix))]
fn cpu() -> Option<Duration> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_writes_is_read() {
        assert_eq!(memory_kib("Name:\tp2pc\nVmRSS:\t    9876 kB\n"), Some(9876));
        assert_eq!(memory_kib("VmRSS: many kB"), None);
        let limits = "Limit                     Soft Limit           Hard Limit           Units     \n\
                      Max open files            1024                 1048576              files     \n";
        assert_eq!(max_fds(limits), Some(1024));
        assert_eq!(
            max_fds("Max open files            unlimited            unlimited            files     "),
            None
        );
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_has_memory_files_and_time() {
        let process = Process::look();
        assert!(process.memory_bytes.unwrap() > 100_000);
        assert!(process.open_fds.unwrap() > 2 && process.max_fds.unwrap() > process.open_fds.unwrap());
        assert!(process.cpu.is_some());
    }
}

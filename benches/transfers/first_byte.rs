//! When the first content is there: a thread that looks at what the receiver writes, until it has seen some. The end of a transfer says how fast
//! everything was; this says how long somebody looks at nothing.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Somebody who looks.
pub struct FirstByte {
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<Option<f64>>,
}

impl FirstByte {
    /// Looks from now on; the time counts from `began`. Only where one large file is carried: what else is written there is small beside it.
    pub fn of(source: &Path, out: &Path, began: Instant) -> Option<FirstByte> {
        let metadata = fs::metadata(source).ok().filter(fs::Metadata::is_file)?;
        if metadata.len() < SOURCE_BYTES_MIN {
            return None;
        }
        let is_over = Arc::new(AtomicBool::new(false));
        let (out, over) = (out.to_owned(), Arc::clone(&is_over));
        let thread = thread::spawn(move || {
            loop {
                let was_over = over.load(Ordering::Relaxed);
                if holds_content(&out) {
                    return Some(began.elapsed().as_secs_f64());
                }
                if was_over {
                    return None;
                }
                thread::sleep(PAUSE);
            }
        });
        Some(FirstByte { is_over, thread })
    }

    /// When it was there, in seconds. To be asked when the transfer is over.
    pub fn seen(self) -> Option<f64> {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.join().ok()?
    }
}

/// Whether more was written to a file there than the notes that a tool keeps beside it. What is only reserved does not count.
fn holds_content(directory: &Path) -> bool {
    let mut directories: Vec<PathBuf> = vec![directory.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).into_iter().flatten().filter_map(Result::ok) {
            match entry.metadata() {
                Ok(metadata) if metadata.is_dir() => directories.push(entry.path()),
                Ok(metadata) if metadata.blocks() * BLOCK_BYTES >= CONTENT_BYTES_MIN => return true,
                _ => {}
            }
        }
    }
    false
}

/// Less than this is a latency already.
const SOURCE_BYTES_MIN: u64 = 1024 * 1024;

/// More than a journal or an empty database, and no more than what any tool here writes at once.
const CONTENT_BYTES_MIN: u64 = 16 * 1024;

/// What `stat` counts in.
const BLOCK_BYTES: u64 = 512;

/// Fine beside the milliseconds that are measured, and it costs less than a hundredth of a core.
const PAUSE: Duration = Duration::from_micros(500);

//! What waits to be written, so that a transfer never waits for whoever reads.
//!
//! A terminal stopped with Ctrl-S, a pager that nobody scrolls, a pipe that nobody empties: a write to them returns
//! when they are read again, which may be never. A transfer that wrote by itself would stop with them, answer nobody
//! and lose its connection. So it puts here what it has to say and goes on; the thread of a
//! [`Writer`](super::writer::Writer) writes, in the same order, one stream or another.
//!
//! What waits is bounded. Of the status line and of what a question is about only the latest waits. Of lines that
//! pass by, one an entry, [`PASSING_BYTES_MAX`] wait, and one line stands for those that had no room. Everything else is
//! kept: a transfer has few such lines, however long it takes.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use zeroize::Zeroizing;

use super::tty::{Output, Part};

/// What is written. Some of it has the code in it, so all of it is overwritten once it is out.
pub type Text = Zeroizing<String>;

/// What to do if nobody reads standard output.
pub type Unread = Box<dyn FnOnce() + Send>;

/// One thing to write.
pub(super) enum Item {
    /// Whole lines on standard error, above the status line.
    Line(Text),
    /// Stands for so many lines that had no room.
    LeftOut(u64),
    /// One line on standard output; then, if somebody reads that, lines on standard error.
    Printed { line: Text, after: Option<Text>, unread: Unread },
    /// The status line.
    Paint(Text),
    /// No status line until [`Item::Release`].
    Hold,
    /// The status line may return.
    Release,
    /// The status line is over.
    Clear,
    /// Something on the controlling terminal.
    Terminal(Arc<Output>, Part),
}

/// Takes what is to be written, and returns at once. Shared by everybody who has something to say.
pub struct Queue {
    waiting: Mutex<Waiting>,
    /// Something was put in or taken out, or this is the end.
    changed: Condvar,
    /// How many items are out: tells a reader that is slow from one that does not read.
    written: AtomicU64,
    has_status: bool,
}

impl Queue {
    pub(super) fn new(has_status: bool) -> Queue {
        Queue { waiting: Mutex::default(), changed: Condvar::new(), written: AtomicU64::new(0), has_status }
    }

    /// Whether there is a status line to paint.
    #[must_use]
    pub fn has_status(&self) -> bool {
        self.has_status
    }

    /// A message that is never left out: one or more whole lines on standard error.
    pub fn line(&self, text: impl Into<String>) {
        self.put(Item::Line(Zeroizing::new(text.into())));
    }

    /// A line on standard error that may be left out when too many wait.
    pub fn passing_line(&self, text: impl Into<String>) {
        self.change(|waiting| waiting.put_passing(Zeroizing::new(text.into())));
    }

    /// One line for standard output, and `after` it lines for standard error. Where nobody reads the first, the others
    /// are not written, and `unread` is called instead.
    pub fn print(&self, line: String, after: Option<String>, unread: Unread) {
        self.put(Item::Printed { line: Zeroizing::new(line), after: after.map(Zeroizing::new), unread });
    }

    /// The status line from now on; one that was not painted yet is forgotten.
    pub fn paint(&self, text: String) {
        if self.has_status {
            self.change(|waiting| waiting.status = Some(Zeroizing::new(text)));
        }
    }

    /// Removes the status line until [`Queue::release`]: a question comes to the same terminal.
    pub fn hold(&self) {
        self.put(Item::Hold);
    }

    /// Lets the status line return.
    pub fn release(&self) {
        self.put(Item::Release);
    }

    /// Removes the status line until it is painted again.
    pub fn clear(&self) {
        self.change(|waiting| {
            waiting.status = None;
            waiting.items.push_back(Item::Clear);
        });
    }

    /// Something for the controlling terminal.
    pub(super) fn terminal(&self, terminal: &Arc<Output>, part: Part) {
        self.change(|waiting| {
            if part.ends_question() {
                waiting.about = None;
            }
            waiting.items.push_back(Item::Terminal(Arc::clone(terminal), part));
        });
    }

    /// A new text for what the question is about; one that was not shown yet is forgotten.
    pub(super) fn about(&self, terminal: &Arc<Output>, about: Text) {
        self.change(|waiting| waiting.about = Some((Arc::clone(terminal), Part::About(about))));
    }

    /// Keeps lines back until what this returns is dropped: something stands on the terminal that they would run into.
    pub(super) fn keep_lines(&self) -> KeptLines<'_> {
        self.change(|waiting| waiting.keeps = true);
        KeptLines { queue: self }
    }

    /// What waits, for the writing thread, which waits here when nothing does. `None` at the end.
    pub(super) fn take(&self) -> Option<VecDeque<Item>> {
        let mut waiting = self.lock();
        waiting.writing = false;
        self.changed.notify_all();
        loop {
            let items = waiting.take();
            if !items.is_empty() {
                waiting.writing = true;
                return Some(items);
            }
            if waiting.ended {
                return None;
            }
            waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Whether everything that was put is with the writing thread, and not all of it out.
    #[cfg(test)]
    pub(super) fn is_writing(&self) -> bool {
        let waiting = self.lock();
        waiting.writing && waiting.items.is_empty()
    }

    /// One of the items taken is out.
    pub(super) fn wrote(&self) {
        self.written.fetch_add(1, Ordering::Relaxed);
    }

    /// Waits until everything is out, or nothing was read for as long as `patience`. The writing thread then ends.
    pub(super) fn end(&self, patience: Duration) {
        let mut waiting = self.lock();
        waiting.ended = true;
        waiting.give_kept();
        self.changed.notify_all();
        while !waiting.is_over() {
            let written = self.written.load(Ordering::Relaxed);
            let waited = self.changed.wait_timeout_while(waiting, patience, |waiting| !waiting.is_over());
            waiting = waited.unwrap_or_else(PoisonError::into_inner).0;
            if self.written.load(Ordering::Relaxed) == written {
                return;
            }
        }
    }

    fn put(&self, item: Item) {
        self.change(|waiting| waiting.put(item));
    }

    fn change(&self, change: impl FnOnce(&mut Waiting)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Says nothing of what waits: the code may be in it.
impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").finish_non_exhaustive()
    }
}

/// While it lives, lines wait.
pub(super) struct KeptLines<'a> {
    queue: &'a Queue,
}

impl Drop for KeptLines<'_> {
    fn drop(&mut self) {
        self.queue.change(Waiting::give_kept);
    }
}

#[derive(Default)]
struct Waiting {
    items: VecDeque<Item>,
    /// How much of that are lines that pass by.
    passing_bytes: usize,
    /// The latest, if it is not painted.
    status: Option<Text>,
    /// The latest of what the question is about, if it does not stand there.
    about: Option<(Arc<Output>, Part)>,
    /// Lines are kept back, and here they are.
    keeps: bool,
    kept: VecDeque<Item>,
    /// What was taken is being written.
    writing: bool,
    ended: bool,
}

impl Waiting {
    fn put_passing(&mut self, text: Text) {
        let bytes = self.passing_bytes.saturating_add(text.len());
        let items = if self.keeps { &mut self.kept } else { &mut self.items };
        if bytes <= PASSING_BYTES_MAX {
            self.passing_bytes = bytes;
            items.push_back(Item::Line(text));
        } else if let Some(Item::LeftOut(lines)) = items.back_mut() {
            *lines += 1;
        } else {
            items.push_back(Item::LeftOut(1));
        }
    }

    fn put(&mut self, item: Item) {
        match item {
            Item::Line(_) | Item::LeftOut(_) | Item::Printed { .. } if self.keeps => {
                self.kept.push_back(item);
            }
            _ => self.items.push_back(item),
        }
    }

    /// Keeps no lines back any more.
    fn give_kept(&mut self) {
        self.keeps = false;
        self.items.append(&mut self.kept);
    }

    /// Everything at once: lines that find room again then stand together, with one line for all that were left out.
    /// What repaints a line comes when nothing else waits, so that it is not old when it is seen.
    fn take(&mut self) -> VecDeque<Item> {
        if self.items.is_empty() {
            let about = self.about.take().map(|(terminal, part)| Item::Terminal(terminal, part));
            return about.into_iter().chain(self.status.take().map(Item::Paint)).collect();
        }
        if self.kept.is_empty() {
            self.passing_bytes = 0;
        }
        std::mem::take(&mut self.items)
    }

    fn is_over(&self) -> bool {
        self.items.is_empty() && self.status.is_none() && self.about.is_none() && !self.writing
    }
}

/// Some forty thousand lines: who reads at all, if slowly, gets every one. As much again may be with the writing thread.
pub const PASSING_BYTES_MAX: usize = 4 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(queue: &Queue) -> Vec<String> {
        let items = queue.take().unwrap();
        let shown = items.into_iter().map(|item| match item {
            Item::Line(text) => text.to_string(),
            Item::LeftOut(lines) => format!("-{lines}"),
            Item::Paint(text) => format!("\r{}", *text),
            _ => "?".into(),
        });
        shown.collect()
    }

    #[test]
    fn lines_without_room_become_one_where_they_would_have_stood() {
        let queue = Queue::new(false);
        let long = "x".repeat(PASSING_BYTES_MAX);
        queue.passing_line(long.clone());
        queue.passing_line("a");
        queue.passing_line("b");
        queue.line("warning");
        queue.passing_line("c");
        assert_eq!(taken(&queue), [&long, "-2", "warning", "-1"]);
        queue.passing_line("d");
        assert_eq!(taken(&queue), ["d"], "there is room again");
    }

    #[test]
    fn messages_are_never_left_out() {
        let queue = Queue::new(false);
        queue.line("x".repeat(PASSING_BYTES_MAX + 1));
        queue.line("warning");
        assert_eq!(taken(&queue)[1], "warning");
    }

    #[test]
    fn only_the_latest_status_waits_and_it_waits_for_the_lines() {
        let queue = Queue::new(true);
        queue.paint("1%".into());
        queue.line("line");
        queue.paint("2%".into());
        assert_eq!(taken(&queue), ["line"]);
        assert_eq!(taken(&queue), ["\r2%"]);
        queue.paint("3%".into());
        queue.clear();
        assert_eq!(taken(&queue), ["?"], "only the clearing");
    }

    #[test]
    fn the_end_waits_for_nobody_who_does_not_read() {
        let queue = Queue::new(false);
        queue.line("never written");
        queue.end(Duration::from_millis(1));
        queue.take();
        queue.end(Duration::from_millis(1));
    }
}

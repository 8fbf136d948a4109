//! The one thread that writes what a transfer has to say, since writing may block and a transfer may not.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::queue::Queue;
use super::screen::Screen;

/// The writing thread. Dropping it waits until everything is out, as long as somebody reads.
#[derive(Debug)]
pub struct Writer {
    queue: Arc<Queue>,
}

impl Writer {
    /// Starts to write on `screen`.
    ///
    /// # Errors
    ///
    /// Whatever the system says when it gives no thread.
    pub fn start(mut screen: Screen) -> io::Result<Writer> {
        let queue = Arc::new(Queue::new(screen.has_status()));
        let writer = Writer { queue: Arc::clone(&queue) };
        let write = move || {
            while let Some(items) = queue.take() {
                for item in items {
                    screen.write(item);
                    queue.wrote();
                }
            }
        };
        std::thread::Builder::new().name("writer".into()).spawn(write)?;
        Ok(writer)
    }

    /// Where to put what is to be written.
    #[must_use]
    pub fn queue(&self) -> Arc<Queue> {
        Arc::clone(&self.queue)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue.end(UNREAD_MAX);
    }
}

/// Who has not read anything for so long does not read. The thread is then left behind in its write, which keeps nobody
/// from leaving: the process ends when `main` returns.
const UNREAD_MAX: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    fn left_out(_: u64) -> String {
        String::new()
    }

    #[test]
    fn streams_are_written_in_the_order_of_what_was_put() {
        let (mut reader, writer) = io::pipe().unwrap();
        let screen = Screen::on(writer.try_clone().unwrap(), writer, left_out);
        let writer = Writer::start(screen).unwrap();
        let queue = writer.queue();
        queue.line("above");
        queue.print("code".into(), Some("below".into()), Box::new(|| panic!("it is read")));
        queue.line("end");
        drop((queue, writer));
        let mut seen = String::new();
        reader.read_to_string(&mut seen).unwrap();
        assert_eq!(seen, "above\ncode\nbelow\nend\n");
    }

    #[test]
    fn a_line_that_nobody_reads_is_told_and_closed_pipes_are_quiet() {
        let (reader, closed) = io::pipe().unwrap();
        drop(reader);
        let (mut reader, err) = io::pipe().unwrap();
        let writer = Writer::start(Screen::on(err, closed.try_clone().unwrap(), left_out)).unwrap();
        let told = Arc::new(AtomicBool::new(false));
        let tell = Arc::clone(&told);
        let unread = Box::new(move || tell.store(true, Ordering::SeqCst));
        writer.queue().print("code".into(), Some("not written".into()), unread);
        drop(writer);
        assert!(told.load(Ordering::SeqCst));
        let mut seen = String::new();
        reader.read_to_string(&mut seen).unwrap();
        assert_eq!(seen, "");

        let writer = Writer::start(Screen::on(closed, io::sink(), left_out)).unwrap();
        writer.queue().line("nobody");
        drop(writer);
    }

    #[test]
    fn whoever_puts_lines_never_waits_for_a_pipe_that_is_full() {
        let (mut reader, writer) = io::pipe().unwrap();
        let out = writer.try_clone().unwrap();
        let writer = Writer::start(Screen::on(writer, out, |lines| format!("{lines} left out"))).unwrap();
        let queue = writer.queue();
        // More than a pipe, the thread and the queue hold together.
        let lines = 3 * (crate::term::queue::PASSING_BYTES_MAX / 1000);
        for _ in 0..lines {
            queue.passing_line("x".repeat(1000));
        }
        queue.print("code".into(), None, Box::new(|| {}));
        queue.line("warning");
        let seen = std::thread::spawn(move || {
            let mut seen = String::new();
            reader.read_to_string(&mut seen).map(|_| seen)
        });
        drop((queue, writer));
        let seen = seen.join().unwrap().unwrap();
        assert!(seen.ends_with(" left out\ncode\nwarning\n"), "{}", &seen[seen.len() - 100..]);
    }
}

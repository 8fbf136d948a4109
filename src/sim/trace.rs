//! What happened in a run, line by line, for whoever looks for the reason of a failure.

/// Collects lines, if somebody wants to read them.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    lines: Option<Vec<String>>,
    now_ms: u64,
}

impl Trace {
    /// One that keeps what it is told, or does not.
    pub fn new(is_on: bool) -> Trace {
        Trace { lines: is_on.then(Vec::new), now_ms: 0 }
    }

    /// The time that the following lines bear.
    pub fn at(&mut self, now_ms: u64) {
        self.now_ms = now_ms;
    }

    /// Adds a line. It is put together only if somebody will read it.
    pub fn say(&mut self, line: impl FnOnce() -> String) {
        if let Some(lines) = &mut self.lines {
            lines.push(format!("{:>9} ms  {}", self.now_ms, line()));
        }
    }

    /// The lines so far.
    pub fn take(&mut self) -> Vec<String> {
        self.lines.take().unwrap_or_default()
    }
}

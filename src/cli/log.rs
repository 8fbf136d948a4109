//! The relay's log: one line an event on standard error, with the time in UTC.
//!
//! A subscriber of our own, because all it does is print; it keeps no spans.

use std::fmt::{self, Write as _};
use std::io::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber, span};

use crate::term::calendar::Moment;

/// How the log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// For people.
    #[default]
    Text,
    /// One object a line.
    Json,
}

/// Prints events of this crate up to `max` from now on. Does nothing if the process has a subscriber already.
pub fn start(max: Level, form: Form) {
    let _ = tracing::subscriber::set_global_default(Log { max, form });
}

struct Log {
    max: Level,
    form: Form,
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event()
            && *metadata.level() <= self.max
            && metadata.target().starts_with(env!("CARGO_CRATE_NAME"))
    }

    fn event(&self, event: &Event<'_>) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut line = Line { text: format!("{} {}", utc(now), level(*event.metadata().level())) };
        event.record(&mut line);
        line.text.push('\n');
        // One write a line, so that lines of several threads do not mix. Nobody reads a closed log.
        let _ = std::io::stderr().lock().write_all(line.text.as_bytes());
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

struct Line {
    text: String,
}

impl Line {
    fn add(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        let value = crate::term::clean::clean(value.to_string().as_bytes());
        // Writing to a string cannot fail.
        let _ = match field.name() {
            "message" => write!(self.text, " {value}"),
            name => write!(self.text, " {name}={value}"),
        };
    }
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, format_args!("{value:?}"));
    }
}

fn level(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warn ",
        Level::INFO => "info ",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    }
}

/// `2026-11-22T13:18:56.042Z` for a time since 1970.
fn utc(since_1970: Duration) -> String {
    let moment = Moment::new(i64::try_from(since_1970.as_secs()).unwrap_or(i64::MAX));
    format!("{}T{}.{:03}Z", moment.date(), moment.time(), since_1970.subsec_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_utc() {
        let shown = utc(Duration::new(1_709_251_199, 42_000_000));
        assert_eq!(shown, "2024-02-29T23:59:59.042Z");
    }
}

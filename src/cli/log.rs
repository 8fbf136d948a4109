//! The relay's log: one line an event on standard error, with the time in UTC.
//!
//! A subscriber of our own, because all it does is print; it keeps no spans.

use std::fmt::{self, Write as _};
use std::io::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber, span};

use crate::term::calendar::Moment;
use crate::term::json::Object;

/// How the log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// For people.
    #[default]
    Text,
    /// One object a line.
    Json,
}

/// Every event has a name of one word, `event`, that does not change when its sentence does. People need only the sentence.
const EVENT: &str = "event";

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
        let mut line = line(self.form, now, *event.metadata().level(), |line| event.record(line));
        line.push('\n');
        // One write a line, so that lines of several threads do not mix. Nobody reads a closed log.
        let _ = std::io::stderr().lock().write_all(line.as_bytes());
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

/// One line, without its end. `record` visits it with the fields.
fn line(form: Form, now: Duration, severity: Level, record: impl FnOnce(&mut dyn Visit)) -> String {
    match form {
        Form::Text => {
            let mut line = TextLine { text: format!("{} {:5}", utc(now), level(severity)) };
            record(&mut line);
            line.text
        }
        Form::Json => {
            let mut line = JsonLine(Object::new());
            line.0.text("time", &utc(now));
            line.0.text("level", level(severity));
            record(&mut line);
            line.0.end()
        }
    }
}

/// The sentence, and the other fields as `name=value`.
struct TextLine {
    text: String,
}

impl Visit for TextLine {
    fn record_str(&mut self, field: &Field, value: &str) {
        let value = crate::term::clean::clean(value.as_bytes());
        // Writing to a string cannot fail.
        let _ = match field.name() {
            EVENT => Ok(()),
            "message" => write!(self.text, " {value}"),
            name => write!(self.text, " {name}={value}"),
        };
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

/// One object: numbers as numbers, everything else as text.
struct JsonLine(Object);

impl Visit for JsonLine {
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.value(field.name(), value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.value(field.name(), value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.0.value(field.name(), value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.value(field.name(), value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.text(field.name(), value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

fn level(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    }
}

/// `2026-11-22T13:18:56.042Z` for a time since 1970.
pub(super) fn utc(since_1970: Duration) -> String {
    let moment = Moment::new(i64::try_from(since_1970.as_secs()).unwrap_or(i64::MAX));
    format!("{}T{}.{:03}Z", moment.date(), moment.time(), since_1970.subsec_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_text_stays_in_its_line_in_both_forms() {
        struct Collect(std::sync::Mutex<Vec<[String; 2]>>);
        impl Subscriber for Collect {
            fn enabled(&self, _: &Metadata<'_>) -> bool {
                true
            }
            fn event(&self, event: &Event<'_>) {
                let lines = [Form::Text, Form::Json]
                    .map(|form| line(form, Duration::ZERO, Level::INFO, |line| event.record(line)));
                self.0.lock().unwrap().push(lines);
            }
            fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
                span::Id::from_u64(1)
            }
            fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
            fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
            fn enter(&self, _: &span::Id) {}
            fn exit(&self, _: &span::Id) {}
        }
        let collect = std::sync::Arc::new(Collect(std::sync::Mutex::new(Vec::new())));
        tracing::subscriber::with_default(std::sync::Arc::clone(&collect), || {
            let absent: Option<&str> = None;
            let evil = "a\"\n{\"level\":\"error\"}\x1b[2J";
            tracing::info!(
                event = "test",
                evil,
                absent,
                number = 7_u64,
                seconds = 0.25,
                yes = true,
                "it \"is\""
            );
        });
        let lines = collect.0.lock().unwrap().remove(0);
        assert_eq!(
            lines[0],
            "1970-01-01T00:00:00.000Z info  it \"is\" evil=a\"\\n{\"level\":\"error\"}\\x1b[2J number=7 seconds=0.25 yes=true"
        );
        assert_eq!(
            lines[1],
            "{\"time\":\"1970-01-01T00:00:00.000Z\",\"level\":\"info\",\"message\":\"it \\\"is\\\"\",\"event\":\"test\",\
             \"evil\":\"a\\\"\\u000a{\\\"level\\\":\\\"error\\\"}\\u001b[2J\",\"number\":7,\"seconds\":0.25,\"yes\":true}"
        );
    }

    #[test]
    fn times_are_utc() {
        let shown = utc(Duration::new(1_709_251_199, 42_000_000));
        assert_eq!(shown, "2024-02-29T23:59:59.042Z");
    }
}

//! The counters as text that Prometheus reads: its format 0.0.4.

use std::fmt::{Display, Write as _};
use std::time::UNIX_EPOCH;

use super::process::Process;
use super::{Counter, Histogram, Metrics};
use crate::proto::role::Role;

/// What the counters do not know, and is looked up when somebody asks.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// Rooms in which one side waits.
    pub waiting: usize,
    /// Rooms in which two sides are joined.
    pub joined: usize,
    /// The relay is about to end.
    pub drains: bool,
    /// What the system tells of this process.
    pub process: Process,
}

/// The page.
#[must_use]
pub fn page(metrics: &Metrics, now: &Now) -> String {
    let mut page = Page::default();
    page.gauge("p2pc_relay_build_info", "The version that runs.");
    page.sample("", &[("version", env!("CARGO_PKG_VERSION"))], 1);
    page.gauge("p2pc_relay_rooms", "Rooms in which one side waits, and in which two sides are joined.");
    page.sample("", &[("state", "waiting")], now.waiting);
    page.sample("", &[("state", "joined")], now.joined);
    page.gauge("p2pc_relay_connections", "Connections of all kinds.");
    page.sample("", &[], metrics.connections.get());
    page.gauge("p2pc_relay_draining", "1 once the relay is about to end.");
    page.sample("", &[], u8::from(now.drains));
    page.counter("p2pc_relay_connections_total", "Connections of all kinds since the start.");
    page.sample("", &[], metrics.accepted.get());
    page.counter("p2pc_relay_sessions_total", "Pairs since the start; each lane of a transfer is one.");
    page.sample("", &[], metrics.sessions.get());
    page.counter("p2pc_relay_bytes_total", "Bytes heard from clients in their rooms, with their framing.");
    page.sample("", &[("from", "sender")], metrics.heard(Role::Send).get());
    page.sample("", &[("from", "receiver")], metrics.heard(Role::Receive).get());
    page.counter(
        "p2pc_relay_refusals_total",
        "Connections that got no seat though they wanted one, or garbage.",
    );
    for (reason, count) in metrics.refusals.each() {
        page.sample("", &[("reason", reason)], count);
    }
    page.counter("p2pc_relay_sessions_closed_total", "Pairs that ended, by what ended them.");
    for (reason, count) in metrics.ends.each() {
        page.sample("", &[("reason", reason)], count);
    }
    page.counter("p2pc_relay_tls_failures_total", "Connections with which no TLS came about.");
    page.sample("", &[], metrics.tls_failures.get());
    page.histogram("p2pc_relay_session_seconds", "How long pairs lived.", &metrics.session_time);
    page.histogram(
        "p2pc_relay_waiting_seconds",
        "How long one side waited, also in vain.",
        &metrics.waiting_time,
    );
    let started = metrics.started.duration_since(UNIX_EPOCH).unwrap_or_default();
    page.gauge("process_start_time_seconds", "When the relay began, in seconds since 1970.");
    page.sample("", &[], started.as_secs_f64());
    page.process(&now.process);
    page.text
}

#[derive(Default)]
struct Page {
    text: String,
    name: &'static str,
}

impl Page {
    fn gauge(&mut self, name: &'static str, help: &str) {
        self.head(name, help, "gauge");
    }

    fn counter(&mut self, name: &'static str, help: &str) {
        self.head(name, help, "counter");
    }

    /// The values that follow are of this metric.
    fn head(&mut self, name: &'static str, help: &str, kind: &str) {
        self.name = name;
        // Writing to a string cannot fail, here and below.
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// Names and values of labels are all our own: nothing in them needs an escape.
    fn sample(&mut self, suffix: &str, labels: &[(&str, &str)], value: impl Display) {
        let _ = write!(self.text, "{}{suffix}", self.name);
        for (place, (label, of)) in labels.iter().enumerate() {
            let _ = write!(self.text, "{}{label}=\"{of}\"", if place == 0 { '{' } else { ',' });
        }
        let _ = writeln!(self.text, "{} {value}", if labels.is_empty() { "" } else { "}" });
    }

    fn histogram(&mut self, name: &'static str, help: &str, histogram: &Histogram) {
        self.head(name, help, "histogram");
        let mut bounds = histogram.bounds_s.iter();
        let mut so_far = 0;
        for bucket in histogram.buckets.iter().map(Counter::get) {
            so_far += bucket;
            let bound = bounds.next().map_or("+Inf".to_owned(), u64::to_string);
            self.sample("_bucket", &[("le", &bound)], so_far);
        }
        self.sample("_sum", &[], histogram.sum_ms.get() as f64 / 1e3);
        // Not counted by itself: it has to be what the last bucket says.
        self.sample("_count", &[], so_far);
    }

    /// What the system tells; what it does not tell is left out.
    fn process(&mut self, process: &Process) {
        let told = [
            (
                "process_resident_memory_bytes",
                "Memory that the process has at the moment.",
                process.memory_bytes,
            ),
            ("process_open_fds", "File descriptors that are open.", process.open_fds),
            ("process_max_fds", "File descriptors that may be open.", process.max_fds),
        ];
        for (name, help, value) in told {
            if let Some(value) = value {
                self.gauge(name, help);
                self.sample("", &[], value);
            }
        }
        if let Some(cpu) = process.cpu {
            self.counter("process_cpu_seconds_total", "Processor time that the process took.");
            self.sample("", &[], cpu.as_secs_f64());
        }
    }
}

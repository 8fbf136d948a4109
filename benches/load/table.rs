//! The table of the page: what a relay holds and moves, for each core and each GiB.

use super::measure::{Moving, Waiting};

/// Everything about one way of speaking with a relay.
#[derive(Clone, Copy, Debug)]
pub struct Figures {
    pub waiting: Waiting,
    /// Nobody but the pair that is timed.
    pub idle: Moving,
    /// One pair beside it.
    pub one: Moving,
    /// Many.
    pub many: Moving,
}

/// What a row says of one way.
type Cell = fn(&Figures) -> String;

/// The page with the table of these figures between its marks.
pub fn fill(page: &str, measured: &str, plain: &Figures, tls: &Figures) -> Option<String> {
    let (before, rest) = page.split_once(MARK)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{MARK}\n{}{END}{after}", table(measured, plain, tls)))
}

fn table(measured: &str, plain: &Figures, tls: &Figures) -> String {
    let mut text = format!("{measured}.\n\n| | ws | wss |\n| --- | ---: | ---: |\n");
    let (rooms, sessions) = (count(plain.waiting.rooms), count(plain.many.sessions));
    let rows: [(String, Cell); 13] = [
        ("**moving sessions per GiB**".into(), |f| count(GIB_KIB / f.many.kib_per_session)),
        ("**waiting rooms per GiB**".into(), |f| count(GIB_KIB / f.waiting.kib_per_room)),
        (format!("**Mbit/s per core**, {sessions} sessions"), |f| mbit(&f.many)),
        ("Mbit/s per core, one session".into(), |f| mbit(&f.one)),
        ("rooms opened a second, per core".into(), |f| count(1.0 / f.waiting.cpu_per_join)),
        (format!("memory with {rooms} waiting rooms"), |f| mib(f.waiting.memory_kib)),
        ("… of each".into(), |f| kib(f.waiting.kib_per_room)),
        (format!("memory with {sessions} moving sessions"), |f| mib(f.many.memory_kib)),
        ("… of each".into(), |f| kib(f.many.kib_per_session)),
        ("1 KiB there and back, nobody else: median, p99".into(), |f| times(f.idle.small_ms)),
        ("… without the relay".into(), |f| times(f.idle.direct_ms)),
        (format!("1 KiB there and back beside {sessions} sessions: median, p99"), |f| times(f.many.small_ms)),
        ("… at the same time without the relay".into(), |f| times(f.many.direct_ms)),
    ];
    for (name, cell) in rows {
        text += &format!("| {name} | {} | {} |\n", cell(plain), cell(tls));
    }
    text
}

fn mbit(moving: &Moving) -> String {
    count(moving.bytes_per_cpu_second * 8.0 / 1e6)
}

fn mib(kib: f64) -> String {
    format!("{:.0} MiB", kib / 1024.0)
}

fn kib(kib: f64) -> String {
    if kib < 10.0 { format!("{kib:.1} KiB") } else { format!("{kib:.0} KiB") }
}

fn times([median, p99]: [f64; 2]) -> String {
    format!("{}, {}", milliseconds(median), milliseconds(p99))
}

fn milliseconds(ms: f64) -> String {
    if ms < 10.0 { format!("{ms:.2} ms") } else { format!("{ms:.0} ms") }
}

/// Two digits, the rest zeros, and commas between thousands: nobody measures the third.
fn count(value: f64) -> String {
    let unit = 10_f64.powf((value.max(1.0).log10().floor() - 1.0).max(0.0));
    let digits = format!("{:.0}", (value / unit).round() * unit);
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().filter_map(|group| str::from_utf8(group).ok()).collect();
    groups.join(",")
}

const MARK: &str = "<!-- capacity -->";
const END: &str = "<!-- end -->";

/// A GiB in KiB.
const GIB_KIB: f64 = 1024.0 * 1024.0;

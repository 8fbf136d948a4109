//! The tables of the page. Each stands between two marks, and only what is between them is written; the text around is for people, by
//! people.

use super::results::{Results, Row};
use super::stats::plain;
use super::workloads::Unit::{self, Latency, Rate, Share};
use super::workloads::{WORKLOADS, Workload};

/// The page with the tables of these results. The error names a mark that has no end.
pub fn fill(page: &str, results: &Results) -> Result<String, String> {
    let mut filled = String::new();
    let mut rest = page;
    while let Some((before, after)) = rest.split_once(MARK) {
        let (name, after) = after.split_once(MARK_END).ok_or("a mark has no end")?;
        let (_, after) = after.split_once(END).ok_or_else(|| format!("the table of {name} has no end"))?;
        filled += &format!("{before}{MARK}{name}{MARK_END}\n{}{END}", section(name, results)?);
        rest = after;
    }
    Ok(filled + rest)
}

fn section(name: &str, results: &Results) -> Result<String, String> {
    let workload = WORKLOADS.iter().find(|workload| workload.name == name);
    Ok(table(workload.ok_or_else(|| format!("there is no workload {name}"))?, results))
}

/// The table of one workload: what nobody knows has no column.
pub fn table(workload: &Workload, results: &Results) -> String {
    let rows: Vec<&Row> = results.of(workload.name).collect();
    let Some(first) = rows.first() else {
        return "Not measured yet.\n".to_owned();
    };
    let floor = rows.iter().find(|row| row.tool == FLOOR).map(|row| row.rate());
    let runs = rows.iter().map(|row| row.runs).max().unwrap_or_default();
    let basis = Basis { floor, first: first.seconds.median, runs };
    let is_told = |column: &&Column| {
        column.units.contains(&workload.unit) && rows.iter().any(|row| (column.cell)(row, &basis).is_some())
    };
    let columns: Vec<&Column> = COLUMNS.iter().filter(is_told).collect();
    let mut text = format!("{}; {}, medians of {runs}.\n\n", first.measured, content(first.bytes));
    text += &line(columns.iter().map(|column| column.head.to_owned()));
    text += &line(columns.iter().map(|column| if column.is_number() { "---:" } else { "---" }.to_owned()));
    for row in &rows {
        text +=
            &line(columns.iter().map(|column| (column.cell)(row, &basis).unwrap_or_else(|| "–".to_owned())));
    }
    text
}

fn line(cells: impl Iterator<Item = String>) -> String {
    format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "))
}

fn content(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{bytes} bytes"),
        _ => format!("{} MB", plain(bytes as f64 / 1e6)),
    }
}

/// One column: its head, the tables it stands in, and what a row says there.
struct Column {
    head: &'static str,
    units: &'static [Unit],
    cell: fn(&Row, &Basis) -> Option<String>,
}

/// What the rows of a table are compared with.
struct Basis {
    /// The rate of the floor, if it was measured.
    floor: Option<f64>,
    /// The seconds of the first row.
    first: f64,
    /// How often most ran, which stands above the table.
    runs: usize,
}

impl Column {
    fn is_number(&self) -> bool {
        self.head != "tool"
    }
}

const COLUMNS: &[Column] = &[
    Column {
        head: "tool",
        units: &[Rate, Share, Latency],
        cell: |row, basis| Some(name(row) + &fewer_runs(row, basis)),
    },
    Column { head: "s", units: &[Rate, Share], cell: |row, _| Some(plain(row.seconds.median)) },
    Column { head: "from, to", units: &[Rate, Share], cell: |row, _| Some(ends(row, 1.0)) },
    Column { head: "ms", units: &[Latency], cell: |row, _| Some(plain(row.seconds.median * 1e3)) },
    Column { head: "from, to", units: &[Latency], cell: |row, _| Some(ends(row, 1e3)) },
    Column {
        head: "of the whole",
        units: &[Share],
        cell: |row, basis| Some(percent(row.seconds.median / basis.first)),
    },
    Column { head: "first byte ms", units: &[Rate], cell: |row, _| Some(plain(row.first_byte? * 1e3)) },
    Column { head: "MB/s", units: &[Rate], cell: |row, _| Some(plain(row.rate())) },
    Column {
        head: "of the floor",
        units: &[Rate],
        cell: |row, basis| Some(percent(row.rate() / basis.floor?)),
    },
    Column { head: "CPU s/GB sender", units: &[Rate], cell: |row, _| cpu_per_gb(row, row.cpu[0]) },
    Column { head: "relay", units: &[Rate], cell: |row, _| cpu_per_gb(row, row.cpu[1]) },
    Column { head: "receiver", units: &[Rate], cell: |row, _| cpu_per_gb(row, row.cpu[2]) },
    Column { head: "all", units: &[Rate], cell: |row, _| cpu_per_gb(row, total(&row.cpu)) },
    Column { head: "peak MiB sender / relay / receiver", units: &[Rate], cell: |row, _| memory(row) },
    Column { head: "gain", units: &[Rate], cell: |row, _| gain(row) },
];

/// A tool with its options, as tables and plot name it.
pub fn name(row: &Row) -> String {
    if row.variant.is_empty() { row.tool.clone() } else { format!("{}, {}", row.tool, row.variant) }
}

/// A tool that is slow, or failed now and then, ran less often than the others, and that must be seen.
fn fewer_runs(row: &Row, basis: &Basis) -> String {
    if row.runs == basis.runs { String::new() } else { format!(" ({} of {} runs)", row.runs, basis.runs) }
}

fn ends(row: &Row, factor: f64) -> String {
    format!("{}, {}", plain(row.seconds.min * factor), plain(row.seconds.max * factor))
}

fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

fn cpu_per_gb(row: &Row, seconds: Option<f64>) -> Option<String> {
    Some(plain(seconds? / (row.bytes as f64 / 1e9)))
}

/// The sum of what is known; nothing if nothing is.
fn total(cpu: &[Option<f64>; 3]) -> Option<f64> {
    let known: Vec<f64> = cpu.iter().flatten().copied().collect();
    (!known.is_empty()).then(|| known.iter().sum())
}

fn memory(row: &Row) -> Option<String> {
    row.memory_kib.iter().any(Option::is_some).then(|| {
        let mib =
            |kib: &Option<f64>| kib.map_or_else(|| "–".to_owned(), |kib| format!("{:.0}", kib / 1024.0));
        row.memory_kib.iter().map(mib).collect::<Vec<_>>().join(" / ")
    })
}

/// How many bytes of content a byte of the network carried.
fn gain(row: &Row) -> Option<String> {
    Some(format!("{:.2}", row.bytes as f64 / row.wire_bytes? as f64))
}

/// The tool that everything is compared with.
const FLOOR: &str = "floor";

const MARK: &str = "<!-- measured ";
const MARK_END: &str = " -->";
const END: &str = "<!-- end -->";

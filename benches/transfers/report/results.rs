//! The file of results: one line for each tool and variant in each workload, columns between tabs, so that a change shows as a change
//! of lines. What was measured today takes the place of what was measured before, and everything else stays.
//!
//! ```text
//! # p2pc benchmarks 2                                                     what it is, and the version of its columns
//! workload  tool  variant  date  runs  bytes  median  min  max  first    cpu×3  memory×3  wire
//! random    p2pc  ws       …     …     …      seconds …    …    seconds  s      KiB       bytes, `-` where not known
//! ```

use super::stats::Spread;

/// What one tool did with one workload.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The [`Workload`](super::workloads::Workload)'s name.
    pub workload: String,
    /// Who carried it.
    pub tool: String,
    /// With what options or over what transport.
    pub variant: String,
    /// Day, program and machine, as the page names them.
    pub measured: String,
    /// How many runs the medians are of.
    pub runs: usize,
    /// The content that was carried, once.
    pub bytes: u64,
    /// From the start of the receiving command to the end of both.
    pub seconds: Spread,
    /// From the same start until the receiver had written the first content.
    pub first_byte: Option<f64>,
    /// CPU seconds of sender, relay and receiver.
    pub cpu: [Option<f64>; 3],
    /// Peak memory of sender, relay and receiver in KiB.
    pub memory_kib: [Option<f64>; 3],
    /// What the sender gave to the network, if somebody counted.
    pub wire_bytes: Option<u64>,
}

impl Row {
    /// Megabytes of content a second.
    pub fn rate(&self) -> f64 {
        self.bytes as f64 / 1e6 / self.seconds.median
    }

    fn line(&self) -> String {
        let known = |value: &Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.2}"));
        let mut columns = vec![
            self.workload.clone(),
            self.tool.clone(),
            self.variant.clone(),
            self.measured.clone(),
            self.runs.to_string(),
            self.bytes.to_string(),
        ];
        let Spread { median, min, max } = self.seconds;
        columns.extend([median, min, max].map(|seconds| format!("{seconds:.4}")));
        columns.push(self.first_byte.map_or("-".to_owned(), |seconds| format!("{seconds:.4}")));
        columns.extend(self.cpu.iter().map(known));
        columns.extend(self.memory_kib.iter().map(known));
        columns.push(self.wire_bytes.map_or("-".to_owned(), |bytes| bytes.to_string()));
        columns.join("\t")
    }

    fn parse(line: &str) -> Option<Row> {
        let mut columns = line.split('\t');
        let mut next = || columns.next().map(str::to_owned);
        let (workload, tool, variant, measured) = (next()?, next()?, next()?, next()?);
        let (runs, bytes) = (next()?.parse().ok()?, next()?.parse().ok()?);
        let mut seconds = || next()?.parse().ok();
        let seconds = Spread { median: seconds()?, min: seconds()?, max: seconds()? };
        let mut known = || {
            let text = next()?;
            if text == "-" { Some(None) } else { text.parse().ok().map(Some) }
        };
        let first_byte = known()?;
        let cpu = [known()?, known()?, known()?];
        let memory_kib = [known()?, known()?, known()?];
        let wire = next()?;
        let wire_bytes = if wire == "-" { None } else { Some(wire.parse().ok()?) };
        let row = Row {
            workload,
            tool,
            variant,
            measured,
            runs,
            bytes,
            seconds,
            first_byte,
            cpu,
            memory_kib,
            wire_bytes,
        };
        columns.next().is_none().then_some(row)
    }
}

/// Everything that is known, in the order in which it is shown.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Results {
    /// One for each case.
    pub rows: Vec<Row>,
}

impl Results {
    /// Reads the file. The error names the line that is none.
    pub fn parse(text: &str) -> Result<Results, String> {
        let mut lines = text.lines().enumerate();
        if lines.next().map(|(_, line)| line) != Some(HEAD) {
            return Err(format!("the first line is not `{HEAD}`"));
        }
        let rows = lines.filter(|(_, line)| !line.starts_with('#') && !line.is_empty());
        let row =
            |(at, line)| Row::parse(line).ok_or_else(|| format!("line {} is no result: {line}", at + 1));
        Ok(Results { rows: rows.map(row).collect::<Result<_, _>>()? })
    }

    /// What the file holds.
    pub fn text(&self) -> String {
        let mut text = format!("{HEAD}\n# {COLUMNS}\n");
        for row in &self.rows {
            text += &row.line();
            text.push('\n');
        }
        text
    }

    /// Takes in what was measured of one workload. What was known of its cases before goes, also of those that were not measured
    /// again: a table compares only what was measured together.
    pub fn replace(&mut self, workload: &str, rows: Vec<Row>) {
        let at = self.rows.iter().position(|row| row.workload == workload).unwrap_or(self.rows.len());
        self.rows.retain(|row| row.workload != workload);
        let at = at.min(self.rows.len());
        self.rows.splice(at..at, rows);
    }

    /// What is known of one workload.
    pub fn of<'a>(&'a self, workload: &'a str) -> impl Iterator<Item = &'a Row> {
        self.rows.iter().filter(move |row| row.workload == workload)
    }
}

/// The first line.
const HEAD: &str = "# p2pc benchmarks 2";

/// The second, for whoever reads it.
const COLUMNS: &str = "workload tool variant measured runs bytes median_s min_s max_s first_byte_s cpu_s:sender,relay,receiver memory_kib:sender,relay,receiver wire_bytes";

//! What has been measured already, for a session that goes on after an interruption: beside the data sets, so that it goes away with
//! them. A workload counts as measured if the same program measured it in the same way, and the results still say what came of it.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The file with a line for each.
pub struct Ledger {
    path: PathBuf,
    /// What all lines of this session have in common: the program, and how it is measured.
    key: String,
    lines: Vec<String>,
}

impl Ledger {
    /// Opens the one in that directory, for measurements of `program` under these `circumstances`.
    pub fn open(directory: &Path, program: &Path, circumstances: &str) -> io::Result<Ledger> {
        let path = directory.join(NAME);
        let mut hasher = blake3::Hasher::new();
        hasher.update(&fs::read(program)?).update(circumstances.as_bytes());
        let key = hasher.finalize().to_hex().to_string();
        let lines = match fs::read_to_string(&path) {
            Ok(text) => text.lines().map(str::to_owned).collect(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        Ok(Ledger { path, key, lines })
    }

    /// Whether that workload was measured, with that result.
    pub fn has(&self, workload: &str, result: &str) -> bool {
        self.lines.contains(&self.line(workload, result))
    }

    /// That it was.
    pub fn note(&mut self, workload: &str, result: &str) -> io::Result<()> {
        let line = self.line(workload, result);
        let mut file = fs::OpenOptions::new().create(true).append(true).open(&self.path)?;
        writeln!(file, "{line}")?;
        self.lines.push(line);
        Ok(())
    }

    fn line(&self, workload: &str, result: &str) -> String {
        format!("{workload} {} {}", self.key, blake3::hash(result.as_bytes()).to_hex())
    }
}

const NAME: &str = "measured";

//! From figures to pages, and nothing else: no process, file or clock. So the tests of the program read these modules as well, and hold
//! the page to the results that lie beside it.
//!
//! ```text
//! samples ── stats ──▶ Row ── results ──▶ benches/results.tsv ──▶ tables ──▶ docs/benchmarks.md
//!                                                              └▶ plot   ──▶ docs/benchmarks.svg
//! ```

pub mod plot;
pub mod results;
pub mod stats;
pub mod tables;
pub mod workloads;

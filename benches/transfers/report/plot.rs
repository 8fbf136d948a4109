//! The plot of the page: one part for each workload, one bar for each tool, longer is faster; a line through the end of a bar reaches from the slowest
//! run to the fastest. Drawn as text, since that is what SVG is.

use super::results::{Results, Row};
use super::stats::plain;
use super::tables;
use super::workloads::{WORKLOADS, Workload};

/// The whole picture.
pub fn svg(results: &Results) -> String {
    let mut parts = String::new();
    let mut y = MARGIN;
    for workload in WORKLOADS.iter().filter(|workload| workload.is_plotted) {
        let rows: Vec<&Row> = results.of(workload.name).collect();
        if !rows.is_empty() {
            parts += &part(workload, &rows, y);
            y += HEAD_HEIGHT + BAR_STEP * rows.len() as f64 + PART_GAP;
        }
    }
    let height = y - PART_GAP + MARGIN;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" \
         role=\"img\" aria-labelledby=\"t\">\n<title id=\"t\">{TITLE}</title>\n<style>\n{STYLE}</style>\n\
         <rect class=\"page\" width=\"100%\" height=\"100%\"/>\n{parts}</svg>\n"
    )
}

fn part(workload: &Workload, rows: &[&Row], top: f64) -> String {
    let fastest =
        rows.iter().map(|row| row.bytes as f64 / 1e6 / row.seconds.min).fold(f64::MIN_POSITIVE, f64::max);
    let scale = (WIDTH - BARS_LEFT - FIGURE_WIDTH - MARGIN) / fastest;
    let mut text = format!(
        "<text x=\"{MARGIN}\" y=\"{:.1}\" class=\"title\">{}, MB/s</text>\n",
        top + 12.0,
        escaped(workload.title)
    );
    for (at, row) in rows.iter().enumerate() {
        text += &bar(row, top + HEAD_HEIGHT + BAR_STEP * at as f64, scale);
    }
    text
}

fn bar(row: &Row, top: f64, scale: f64) -> String {
    let rate = |seconds: f64| row.bytes as f64 / 1e6 / seconds;
    let length = rate(row.seconds.median) * scale;
    let (slowest, fastest) = (rate(row.seconds.max) * scale, rate(row.seconds.min) * scale);
    let (middle, base) = (top + BAR_HEIGHT / 2.0, top + BAR_HEIGHT - 3.0);
    let name = escaped(&tables::name(row));
    let whose = whose(&row.tool);
    format!(
        "<text x=\"{:.1}\" y=\"{base:.1}\" text-anchor=\"end\">{name}</text>\n\
         <rect x=\"{BARS_LEFT}\" y=\"{top:.1}\" width=\"{length:.1}\" height=\"{BAR_HEIGHT}\" class=\"{whose}\"/>\n\
         <path d=\"M{:.1} {middle:.1}H{:.1}\"/>\n\
         <text x=\"{:.1}\" y=\"{base:.1}\">{}</text>\n",
        BARS_LEFT - 8.0,
        BARS_LEFT + slowest,
        BARS_LEFT + fastest,
        BARS_LEFT + length.max(fastest) + 6.0,
        plain(row.rate()),
    )
}

/// The floor stands back, the house has its own colour, everybody else shares one.
fn whose(tool: &str) -> &'static str {
    match tool {
        "floor" => "floor",
        "p2pc" => "ours",
        _ => "other",
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

const TITLE: &str = "How fast p2pc and other tools are, in MB/s: the figures are in the tables of the page.";
/// By day and by night, as the drawings of the other pages.
const STYLE: &str = "\
text{font:12px ui-sans-serif,system-ui,sans-serif;fill:#1f2328}
.title{font-weight:600}
.page{fill:#ffffff}
path{stroke:#1f2328}
.floor{fill:#c8c8c8}
.ours{fill:#2a7f62}
.other{fill:#7a93b8}
@media (prefers-color-scheme:dark){
text{fill:#e6edf3}
.page{fill:#14181f}
path{stroke:#e6edf3}
.floor{fill:#4a525c}
.ours{fill:#2f9e77}
.other{fill:#5f7ba6}
}
";
const WIDTH: f64 = 860.0;
const MARGIN: f64 = 16.0;
/// Where the bars begin: the longest name stands left of it.
const BARS_LEFT: f64 = 290.0;
/// Room for the figure behind the longest bar.
const FIGURE_WIDTH: f64 = 60.0;
const HEAD_HEIGHT: f64 = 22.0;
const BAR_HEIGHT: f64 = 14.0;
const BAR_STEP: f64 = 19.0;
const PART_GAP: f64 = 18.0;

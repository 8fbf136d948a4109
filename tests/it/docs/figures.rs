//! Figures that a page repeats from the benchmarks, which are measured anew now and then.

use super::{below, read};

/// `UPDATE_SNAPSHOTS=1` writes them anew, as it does the files of `tests/cmd`.
#[test]
fn the_figures_of_the_page_on_tuning_are_those_of_the_benchmarks() {
    let page = read(&below("docs/tuning.md"));
    let (before, rest) = page.split_once("<!-- figures -->\n").unwrap();
    let mut lines: Vec<String> = rest.lines().map(str::to_owned).collect();
    let mut compared = 0;
    for line in lines.iter_mut().skip(2).take_while(|line| line.starts_with('|')) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [workload, tool, what, _] = cells.as_slice() else { panic!("{line}") };
        let measured = measured(workload.split('`').nth(1).unwrap(), tool, what);
        *line = format!("| {workload} | {tool} | {what} | {measured} |");
        compared += 1;
    }
    assert!(compared > 5, "the table is not where it was");
    let expected = format!("{before}<!-- figures -->\n{}\n", lines.join("\n"));
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(below("docs/tuning.md"), expected).unwrap();
        return;
    }
    assert!(page == expected, "docs/tuning.md should have:\n{expected}");
}

/// A cell of the benchmarks; a dash where it was not measured.
fn measured(workload: &str, tool: &str, what: &str) -> String {
    let page = read(&below("docs/benchmarks.md"));
    let (_, block) = page.split_once(&format!("<!-- measured {workload} -->\n")).unwrap();
    let (block, _) = block.split_once("<!-- end -->").unwrap();
    let cells =
        |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
    let mut rows = block.lines().filter(|line| line.starts_with('|')).map(cells);
    let at = rows.next().and_then(|head| head.iter().position(|title| title == what));
    let row = rows.find(|row| row[0] == tool);
    at.zip(row).map_or_else(|| "–".to_owned(), |(at, row)| row[at].clone())
}

#[test]
fn a_figure_is_found_by_its_names() {
    assert_ne!(measured("random", "floor", "MB/s"), "–");
    assert_eq!(measured("random", "nobody's", "MB/s"), "–");
}

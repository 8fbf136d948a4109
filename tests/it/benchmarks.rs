//! The program behind `make bench`: what it makes of its figures, how it watches processes, and that the page
//! says what the results say. Nothing is measured here.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use report::results::{Results, Row};
use report::stats::{Spread, median, plain};
use report::workloads::{Unit, WORKLOADS, Workload, minutes};
use report::{plot, tables};

#[path = "../../benches/transfers/report/mod.rs"]
mod report;

#[path = "../../benches/transfers/first_byte.rs"]
mod first_byte;

#[path = "../../benches/transfers/ledger.rs"]
mod ledger;

#[allow(dead_code, reason = "links need root; their parts do not")]
#[path = "../../benches/transfers/link.rs"]
mod link;

#[allow(dead_code, reason = "only what rooms need")]
#[path = "../../benches/transfers/machine.rs"]
mod machine;

#[allow(dead_code, reason = "the program waits in more ways than these tests do")]
#[path = "../../benches/transfers/process.rs"]
mod process;

#[path = "../../benches/transfers/rooms.rs"]
mod rooms;

use first_byte::FirstByte;
use ledger::Ledger;
use process::{Process, wait_for_all};
use rooms::Rooms;

#[test]
fn the_page_and_the_plot_are_those_of_the_results() {
    let results = Results::parse(&read("benches/results.tsv")).unwrap();
    let page = read("docs/benchmarks.md");
    assert!(tables::fill(&page, &results).unwrap() == page, "run `make bench-report`");
    assert!(plot::svg(&results) == read("docs/benchmarks.svg"), "run `make bench-report`");
}

#[test]
fn the_page_has_a_place_for_every_workload() {
    let page = read("docs/benchmarks.md");
    for workload in WORKLOADS {
        assert!(page.contains(&format!("<!-- measured {} -->", workload.name)), "{}", workload.name);
    }
    let results = Results::parse(&read("benches/results.tsv")).unwrap();
    for row in results.rows {
        assert!(WORKLOADS.iter().any(|workload| workload.name == row.workload), "{}", row.workload);
    }
}

#[test]
fn a_median_is_the_middle_one() {
    assert_eq!(median(&[]), None);
    assert_eq!(median(&[3.0]), Some(3.0));
    assert_eq!(median(&[9.0, 1.0, 2.0]), Some(2.0));
    assert_eq!(median(&[9.0, 1.0, 2.0, 4.0]), Some(3.0));
    assert_eq!(Spread::of(&[9.0, 1.0, 2.0]), Some(Spread { median: 2.0, min: 1.0, max: 9.0 }));
}

#[test]
fn figures_have_no_more_digits_than_they_can_bear() {
    let told = [0.0, 0.044, 0.996, 1.04, 9.94, 9.96, 99.4, 99.6, 895.4, 1234.0, 1_235_000.0].map(plain);
    assert_eq!(told, ["0.00", "0.04", "1.0", "1.0", "9.9", "10", "99", "100", "895", "1230", "1240000"]);
}

#[test]
fn results_are_read_as_they_were_written() {
    let results = Results { rows: vec![floor(), ours()] };
    assert_eq!(Results::parse(&results.text()), Ok(results));
}

#[test]
fn what_is_no_result_is_named() {
    assert!(Results::parse("").is_err());
    assert!(Results::parse("# something else\n").is_err());
    let text = Results { rows: vec![ours()] }.text();
    for broken in [
        text.replace("\tws\t", "\t"),
        text.replace("\t1.5000", "\tfast"),
        text.replace("\t5000", "\t5000\t1"),
    ] {
        assert_ne!(broken, text);
        let error = Results::parse(&broken).unwrap_err();
        assert!(error.starts_with("line 3"), "{error}");
    }
}

#[test]
fn a_new_measurement_takes_the_place_of_the_old_one() {
    let other = Row { workload: "text".to_owned(), ..ours() };
    let mut results = Results { rows: vec![floor(), ours(), other.clone()] };
    let again = Row { runs: 9, ..ours() };
    results.replace("random", vec![again.clone()]);
    assert_eq!(results.rows, [again.clone(), other.clone()]);
    let first = Row { workload: "small".to_owned(), ..ours() };
    results.replace("small", vec![first.clone()]);
    assert_eq!(results.rows, [again, other, first]);
}

#[test]
fn a_table_compares_with_the_floor_and_leaves_out_what_nobody_knows() {
    let table = tables::table(workload("random"), &Results { rows: vec![floor(), ours()] });
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(
        lines,
        [
            "today; 3.0 MB, medians of 3.",
            "",
            "| tool | s | from, to | first byte ms | MB/s | of the floor | CPU s/GB sender | receiver | all | peak MiB sender / relay / receiver | gain |",
            "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
            "| floor | 1.0 | 0.90, 1.2 | – | 3.0 | 100 % | – | – | – | – | – |",
            "| p2pc, ws | 1.5 | 1.4, 1.7 | 4.0 | 2.0 | 67 % | 300 | 100 | 400 | 20 / – / 30 | 600.00 |",
        ]
    );
    let table = tables::table(workload("random"), &Results { rows: vec![floor()] });
    assert_eq!(table.lines().nth(2), Some("| tool | s | from, to | MB/s | of the floor |"));
    assert_eq!(tables::table(workload("text"), &Results::default()), "Not measured yet.\n");
}

#[test]
fn a_table_says_who_ran_less_often_than_the_others() {
    let less = Row { runs: 2, ..ours() };
    for rows in [vec![floor(), less.clone()], vec![less, floor()]] {
        let table = tables::table(workload("random"), &Results { rows });
        assert!(table.contains("medians of 3") && table.contains("| floor | "), "{table}");
        assert!(table.contains("| p2pc, ws (2 of 3 runs) | "), "{table}");
    }
}

#[test]
fn how_long_it_will_take_is_the_sum_of_all_turns() {
    let [random, latency] = ["random", "latency"].map(workload);
    assert_eq!(minutes(&[], 3), 0);
    let seconds = (random.seconds + latency.seconds) as usize * 60;
    assert_eq!(minutes(&[random, latency], 60), seconds / 60);
    assert_eq!(minutes(&[latency], 1), 1, "nothing takes no time");
}

#[test]
fn a_table_of_latencies_speaks_of_milliseconds_only() {
    let latency = workload("latency");
    assert_eq!(latency.unit, Unit::Latency);
    let row = Row { workload: "latency".to_owned(), bytes: 1024, ..ours() };
    let table = tables::table(latency, &Results { rows: vec![row] });
    assert!(
        table
            .ends_with("| tool | ms | from, to |\n| --- | ---: | ---: |\n| p2pc, ws | 1500 | 1400, 1700 |\n"),
        "{table}"
    );
    assert!(table.starts_with("today; 1024 bytes"), "{table}");
}

#[test]
fn a_table_of_rests_compares_with_the_whole() {
    let rest = Row {
        seconds: Spread { median: 0.3, min: 0.3, max: 0.3 },
        variant: "ws, the rest".to_owned(),
        ..ours()
    };
    let rows = [ours(), rest].map(|row| Row { workload: "resume".to_owned(), ..row });
    let table = tables::table(workload("resume"), &Results { rows: rows.into() });
    assert!(
        table.ends_with(
            "| p2pc, ws | 1.5 | 1.4, 1.7 | 100 % |\n| p2pc, ws, the rest | 0.30 | 0.30, 0.30 | 20 % |\n"
        ),
        "{table}"
    );
}

#[test]
fn only_what_is_between_the_marks_is_written() {
    let results = Results { rows: vec![ours()] };
    let page = "before\n<!-- measured random -->\nold\n<!-- end -->\nbetween\n<!-- measured text --><!-- end -->after";
    let filled = tables::fill(page, &results).unwrap();
    assert!(filled.starts_with("before\n<!-- measured random -->\ntoday; "), "{filled}");
    assert!(
        filled
            .contains("<!-- end -->\nbetween\n<!-- measured text -->\nNot measured yet.\n<!-- end -->after"),
        "{filled}"
    );
    assert_eq!(tables::fill(&filled, &results).unwrap(), filled);
    assert!(tables::fill("<!-- measured random -->", &results).is_err());
    assert!(tables::fill("<!-- measured nothing --><!-- end -->", &results).is_err());
}

#[test]
fn the_plot_draws_a_bar_for_every_row_to_one_scale() {
    let strange = Row { tool: "a<b&c".to_owned(), ..ours() };
    let latency = Row { workload: "latency".to_owned(), ..ours() };
    let svg = plot::svg(&Results { rows: vec![floor(), ours(), strange, latency] });
    let attribute = |element: &str, name: &str| -> f64 {
        element.split(&format!("{name}=\"")).nth(1).unwrap().split('"').next().unwrap().parse().unwrap()
    };
    let bars: Vec<f64> = svg
        .lines()
        .filter(|line| line.starts_with("<rect") && !line.contains("class=\"page\""))
        .map(|bar| attribute(bar, "width"))
        .collect();
    assert_eq!(bars.len(), 3, "one for each row, none for latencies: {svg}");
    assert!((bars[1] / bars[0] - 2.0 / 3.0).abs() < 0.01, "{bars:?}");
    assert!(svg.contains("a&lt;b&amp;c") && !svg.contains("a<b"), "{svg}");
    let height = attribute(svg.lines().next().unwrap(), "height");
    assert!(
        svg.lines().filter(|line| line.contains(" y=\"")).all(|line| attribute(line, " y") < height),
        "{svg}"
    );
}

#[test]
fn a_process_is_heard_timed_and_measured() {
    let directory = tempfile::tempdir().unwrap();
    let script = "echo a word to find; i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done";
    let mut process = Process::start(shell(script), &directory.path().join("log")).unwrap();
    assert_eq!(process.says(|line| line.strip_prefix("a word to ").map(str::to_owned)).unwrap(), "find");
    wait_for_all(&mut [&mut process], &mut []).unwrap();
    assert!(process.has_ended());
    assert!(process.cpu().unwrap() > 0.0);
    assert!(process.peak_kib().unwrap() > 100.0);
}

#[test]
fn a_process_that_fails_says_why() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log");
    let mut process = Process::start(shell("echo no room >&2; exit 7"), &log).unwrap();
    let error = wait_for_all(&mut [&mut process], &mut []).unwrap_err().to_string();
    assert!(error.contains("7: no room"), "{error}");
    let error = process.says(|line| line.contains("never").then_some(())).unwrap_err().to_string();
    assert_eq!(error, "ended early: no room");
    let missing = Process::start(Command::new("/nonexistent/tool"), &log).err().unwrap().to_string();
    assert!(missing.starts_with("/nonexistent/tool: "), "{missing}");
}

#[test]
fn what_was_measured_is_left_out_until_something_is_another() {
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("program");
    fs::write(&program, "one").unwrap();
    let open = |how| Ledger::open(directory.path(), &program, how).unwrap();
    let mut ledger = open("3 runs");
    assert!(!ledger.has("random", "fast"));
    ledger.note("random", "fast").unwrap();
    for ledger in [ledger, open("3 runs")] {
        assert!(ledger.has("random", "fast"));
        assert!(!ledger.has("random", "faster") && !ledger.has("text", "fast"));
    }
    assert!(!open("5 runs").has("random", "fast"));
    fs::write(&program, "another").unwrap();
    assert!(!open("3 runs").has("random", "fast"));
}

#[test]
fn on_a_disk_what_was_received_stays_until_the_end() {
    let directory = tempfile::tempdir().unwrap();
    let use_one = |rooms: &mut Rooms| {
        let room = rooms.fresh(1, 1).unwrap();
        assert!(room.scratch.is_dir());
        fs::write(room.out.join("file"), "content").unwrap();
        let out = room.out.clone();
        rooms.leave(room).unwrap();
        out
    };
    let passed = use_one(&mut Rooms::passing(directory.path()));
    assert!(!passed.exists());
    let mut rooms = Rooms::lasting(directory.path());
    let (first, second) = (use_one(&mut rooms), use_one(&mut rooms));
    assert!(first != second && first.join("file").exists() && second.join("file").exists());
    // What would not fit beside them takes their place.
    let room = rooms.fresh(1, 1 << 60).unwrap();
    assert!(!first.exists() && !second.exists());
    rooms.leave(room).unwrap();
    drop(rooms);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn the_first_byte_is_content_and_no_note() {
    let directory = tempfile::tempdir().unwrap();
    let (source, out) = (directory.path().join("source"), directory.path().join("out"));
    fs::create_dir(&out).unwrap();
    fs::write(&source, vec![7; 2 << 20]).unwrap();
    let began = std::time::Instant::now();
    let look = || FirstByte::of(&source, &out, began).unwrap();
    fs::write(out.join("journal"), [7; 4096]).unwrap();
    fs::File::create(out.join("reserved")).unwrap().set_len(2 << 20).unwrap();
    assert_eq!(look().seen(), None);
    let looking = look();
    let before = began.elapsed().as_secs_f64();
    fs::write(out.join("part"), vec![7; 256 << 10]).unwrap();
    let seen = looking.seen().unwrap();
    assert!(seen >= before, "{seen} s is before {before} s, when nothing was written yet");
    fs::write(&source, "short").unwrap();
    assert!(FirstByte::of(&source, &out, began).is_none());
}

#[test]
fn a_link_is_as_slow_as_it_is_told_to_be() {
    let words = ["delay_ms=25", "rate_mbit=200", "loss=0.1"].map(str::to_owned);
    let settings = link::Settings::parse(&words).unwrap();
    assert_eq!(settings.delay, Duration::from_millis(25));
    assert_eq!(settings.busy(1500), Duration::from_micros(60));
    assert!((settings.loss - 0.001).abs() < 1e-9);
    for wrong in ["delay_ms", "delay_ms=-1", "loss=much", "speed=1"] {
        assert!(link::Settings::parse(&[wrong.to_owned()]).is_err(), "{wrong}");
    }
}

#[test]
fn a_link_sums_what_the_kernel_did_not() {
    // A UDP packet of an odd length from 10.77.1.2 to 10.77.1.1, summed by hand: the checksum is bytes 40 and
    // 41.
    let mut frame = vec![0; 12];
    frame.extend([0x08, 0x00]);
    frame.extend([0x45, 0, 0, 29, 0, 0, 0, 0, 64, 17, 0, 0, 10, 77, 1, 2, 10, 77, 1, 1]);
    frame.extend([0x30, 0x39, 0x00, 0x09, 0, 9, 0xab, 0xcd, 0x0a]);
    link::write_checksum(&mut frame);
    assert_eq!(frame[40..42], [0xae, 0xfd]);
    // What is no packet that it knows stays as it is.
    for length in 0..frame.len() {
        let mut short = frame[..length].to_vec();
        link::write_checksum(&mut short);
        assert_eq!(short, frame[..length]);
    }
}

fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    command
}

fn floor() -> Row {
    Row {
        workload: "random".to_owned(),
        tool: "floor".to_owned(),
        variant: String::new(),
        measured: "today".to_owned(),
        runs: 3,
        bytes: 3_000_000,
        seconds: Spread { median: 1.0, min: 0.9, max: 1.2 },
        first_byte: None,
        cpu: [None; 3],
        memory_kib: [None; 3],
        wire_bytes: None,
    }
}

fn ours() -> Row {
    Row {
        tool: "p2pc".to_owned(),
        variant: "ws".to_owned(),
        seconds: Spread { median: 1.5, min: 1.4, max: 1.7 },
        first_byte: Some(0.004),
        cpu: [Some(0.9), None, Some(0.3)],
        memory_kib: [Some(20.0 * 1024.0), None, Some(30.0 * 1024.0)],
        wire_bytes: Some(5000),
        ..floor()
    }
}

fn workload(name: &str) -> &'static Workload {
    WORKLOADS.iter().find(|workload| workload.name == name).unwrap()
}

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

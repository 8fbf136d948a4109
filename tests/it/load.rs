//! What `make load` measures, with fewer clients and for a moment: the memory of each room keeps its bound.

#[path = "../../benches/load/client.rs"]
pub mod client;
#[path = "../../benches/load/crowd.rs"]
pub mod crowd;
#[path = "../../benches/load/measure.rs"]
mod measure;
#[path = "../../benches/load/server.rs"]
mod server;
#[path = "../../benches/load/table.rs"]
mod table;

use std::path::Path;
use std::time::Duration;

use measure::{Moving, Setting, Waiting};
use table::Figures;

#[test]
fn a_waiting_room_takes_some_kilobytes() {
    for (setting, kib_max) in [(plain(), 12.0), (tls(), 24.0)] {
        let waiting = measure::waiting(&setting, 500, false).unwrap();
        assert!(waiting.kib_per_room < kib_max && waiting.joins_per_second > 0.0, "{waiting:?}");
    }
}

#[test]
fn a_moving_session_takes_two_buffers() {
    // Not optimized, the portable ciphers take so long that with more the relay would take somebody for dead.
    let pairs = if cfg!(feature = "portable") { 4 } else { 50 };
    for (setting, kib_max) in [(plain(), 256.0), (tls(), 512.0)] {
        let moving = measure::moving(&setting, pairs, Duration::from_millis(500)).unwrap();
        assert!(moving.kib_per_session < kib_max, "{moving:?}");
        assert!(moving.bytes_per_second > 0.0 && moving.small_ms[0] > 0.0, "{moving:?}");
    }
}

#[test]
fn the_table_goes_between_its_marks() {
    let page = std::fs::read_to_string(repository().join("docs/relay.md")).unwrap();
    let filled = table::fill(&page, "today", &figures(), &figures()).unwrap();
    assert_eq!(table::fill(&filled, "today", &figures(), &figures()), Some(filled.clone()));
    let rows = |page: &str| -> Vec<String> {
        let table = page.split("<!-- capacity -->").nth(1).unwrap().split("<!-- end -->").next().unwrap();
        table
            .lines()
            .filter_map(|line| Some(line.strip_prefix("| ")?.split(" |").next()?.to_owned()))
            .collect()
    };
    assert_eq!(rows(&page), rows(&filled), "run `make load`");
    assert!(filled.contains("| **moving sessions per GiB** | 7,900 | 7,900 |"), "{filled}");
    assert!(filled.contains("| **Mbit/s per core**, 1,000 sessions | 16,000 | 16,000 |"), "{filled}");
    assert_eq!(table::fill("no marks", "today", &figures(), &figures()), None);
}

fn figures() -> Figures {
    let moving = Moving {
        sessions: 1000.0,
        memory_kib: 130_000.0,
        kib_per_session: 132.4,
        bytes_per_second: 1.5e9,
        bytes_per_cpu_second: 2.0e9,
        small_ms: [0.1, 12.0],
        direct_ms: [0.03, 1.0],
    };
    let waiting = Waiting {
        rooms: 10_000.0,
        joins_per_second: 9000.0,
        cpu_per_join: 4e-5,
        memory_kib: 53_000.0,
        kib_per_room: 5.1,
    };
    Figures { waiting, idle: moving, one: moving, many: moving }
}

fn plain() -> Setting {
    Setting { program: env!("CARGO_BIN_EXE_p2pc").into(), tls: None }
}

fn tls() -> Setting {
    measure::with_tls(env!("CARGO_BIN_EXE_p2pc").as_ref(), repository())
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

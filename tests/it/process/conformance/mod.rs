//! The relay and a WebSocket library that is not ours: `websockets` of the Python Package Index, in an environment that `scripts/system-packages.sh` makes.
//!
//! It runs where `P2PC_SYSTEM_TESTS=1` says so (`make test-system` does); the cases are in `cases.py`, beside this.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::Relay;
use crate::skipped::skipped;

#[test]
fn every_edge_of_the_protocol_holds_for_another_library() {
    if skipped("every_edge_of_the_protocol_holds_for_another_library") {
        return;
    }
    let unlimited = ["--address-arrivals", "0", "--address-joins", "0", "--address-rooms", "0"];
    let relay = Relay::with(&[&["--listen", "127.0.0.1:0"], &unlimited[..]].concat());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/process/conformance/cases.py");
    let mut command = Command::new(environment().join("bin/python"));
    let output = command.arg("-u").arg(script).arg(relay.address().to_string()).output().unwrap();
    let (said, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    println!("{said}");
    assert!(output.status.success(), "{said}{error}");
    assert_eq!(said.lines().last(), Some(format!("{CASES} cases, 0 failed").as_str()));
}

/// Where the script puts it.
fn environment() -> PathBuf {
    let built = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    Path::new(env!("CARGO_MANIFEST_DIR")).join(built).join("websockets")
}

/// So many there are: none is lost by a mistake in how they are gathered.
const CASES: usize = 123;

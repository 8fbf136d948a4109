//! The program alone: in a directory with nothing else, as in an image made `FROM scratch`. Only root can lock it in there.
//!
//! It runs where `P2PC_SYSTEM_TESTS=1` says so (`make test-system` does); elsewhere it says that it was skipped.

use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use super::program::{Program, binary};
use super::tls::vector;
use super::{small_file, with_code};
use crate::skipped::skipped;

#[test]
fn a_relay_needs_nothing_but_itself_and_its_certificate() {
    if skipped("a_relay_needs_nothing_but_itself_and_its_certificate") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("root");
    std::fs::create_dir(&root).unwrap();
    for (from, name, mode) in [(binary(), "p2pc", 0o755), (vector("p256.pem"), "cert.pem", 0o644)] {
        std::fs::copy(from, root.join(name)).unwrap();
        set_permissions(root.join(name), Permissions::from_mode(mode)).unwrap();
    }
    for directory in [dir.path(), &root] {
        set_permissions(directory, Permissions::from_mode(0o755)).unwrap();
    }
    // Whoever: there is no list of users in there. `--kill-child`: it shall not outlive the test.
    let mut command = Command::new("unshare");
    command.args(["--mount", "--pid", "--fork", "--kill-child", "chroot", "--userspec=65532:65532"]);
    command.arg(&root).args([
        "/p2pc",
        "relay",
        "--listen",
        "127.0.0.1:0",
        "--cert",
        "/cert.pem",
        "--log",
        "json",
    ]);
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut relay = Program::start(&mut command);
    let url = relay.prints().strip_prefix("listening on ").unwrap().to_owned();
    assert!(url.starts_with("wss://"), "{url}");

    let (file, out, ca) = (small_file(dir.path()), dir.path().join("out"), vector("ca.pem"));
    let mut send = with_code(super::p2pc("send"), &url);
    let sender = Program::start(send.args(["--ca", &ca]).arg(file));
    let mut receive = with_code(super::p2pc("receive"), &url);
    Program::start(receive.args(["--ca", &ca, "--yes", "--out"]).arg(&out)).exits(0);
    sender.exits(0);
    assert_eq!(std::fs::read(out.join("small")).unwrap(), b"hello");
    assert!(relay.says("\"event\":\"session\"").contains("\"reason\":\"left\""));
}

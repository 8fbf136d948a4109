//! `wss://` from end to end, and every way in which a certificate does not fit.

use std::path::Path;

use super::program::Program;
use super::{Relay, small_file, with_code};
use crate::vectors;

pub(super) fn vector(name: &str) -> String {
    vectors::tls(name).into_os_string().into_string().unwrap()
}

/// One file holds both the certificate and its key.
pub(super) fn over_tls(certificate: &str) -> Relay {
    Relay::with(&["--listen", "127.0.0.1:0", "--cert", &vector(certificate)])
}

/// What the person of a receiver reads that trusts `ca` and dials `url`.
fn refused(url: &str, ca: Option<&str>) -> String {
    let mut command = with_code(super::p2pc("receive"), url);
    command.arg("--yes");
    if let Some(ca) = ca {
        command.args(["--ca", &vector(ca)]);
    }
    let said = Program::start(&mut command).exits(5).stderr;
    assert!(said.contains("hint: "), "{said}");
    said
}

#[test]
fn files_arrive_over_tls_with_an_authority_of_ones_own() {
    let dir = tempfile::tempdir().unwrap();
    let (relay, file) = (over_tls("p256.pem"), small_file(dir.path()));
    assert!(relay.url.starts_with("wss://"));
    let ca = vector("ca.pem");
    let out = dir.path().join("out");
    let sender = Program::start(relay.send().args(["--ca", &ca]).arg(file));
    let received = Program::start(relay.receive(&out).args(["--ca", &ca])).exits(0);
    let sent = sender.exits(0);
    for side in [sent, received] {
        assert!(!side.stderr.contains("not encrypted"), "{}", side.stderr);
    }
    assert_eq!(std::fs::read(out.join("small")).unwrap(), b"hello");
}

#[test]
fn whoever_makes_the_code_says_that_the_authority_is_needed() {
    let dir = tempfile::tempdir().unwrap();
    let relay = over_tls("p256.pem");
    let mut command = super::p2pc("send");
    command.args(["--relay", &relay.url, "--ca", &vector("ca.pem")]).arg(small_file(dir.path()));
    let mut sender = Program::start(&mut command);
    sender.says("--ca");
}

#[test]
fn certificates_that_do_not_fit_are_refused_and_told_apart() {
    let stranger = over_tls("p256.pem");
    assert!(refused(&stranger.url, None).contains("--ca"));
    let other = over_tls("other-name.pem");
    assert!(refused(&other.url, Some("ca.pem")).contains("name"));
    let old = over_tls("expired.pem");
    assert!(refused(&old.url, Some("ca.pem")).contains("expired"));
}

#[test]
fn tls_where_there_is_none_is_said_and_never_left_out() {
    let relay = Relay::start();
    let url = relay.url.replace("ws://", "wss://");
    let said = refused(&url, None);
    assert!(said.contains("ws://"), "{said}");
    // And the other way round.
    let relay = over_tls("p256.pem");
    refused(&relay.url.replace("wss://", "ws://"), None);
}

#[test]
fn a_relay_without_its_certificate_does_not_start() {
    for (cert, key) in [("missing.pem", None), ("ca.pem", None), ("p256.pem", Some("ed25519.pem"))] {
        let mut command = super::p2pc("relay");
        command.args(["--listen", "127.0.0.1:0", "--cert", &vector(cert)]);
        if let Some(key) = key {
            command.args(["--key", &vector(key)]);
        }
        let said = Program::start(&mut command).exits(2).stderr;
        assert!(said.contains(Path::new(cert).file_stem().unwrap().to_str().unwrap()), "{said}");
    }
}

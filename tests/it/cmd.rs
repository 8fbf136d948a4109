//! What the real binary prints: help, usage errors and their hints, as the files of `tests/cmd` have it.
//!
//! Each file is a command, and below it what must come out. `UPDATE_SNAPSHOTS=1 cargo test` writes them anew; then
//! read the difference.

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

#[test]
fn help() {
    check("help", &["--help"]);
    check("help-send", &["send", "--help"]);
    check("help-receive", &["receive", "-h"]);
    check("help-relay", &["relay", "--help"]);
    check("help-doctor", &["doctor", "--help"]);
    check("help-config", &["config", "--help"]);
    check("help-completions", &["completions", "--help"]);
    check("guide-send", &["help", "send"]);
    check("guide-receive", &["help", "receive"]);
    check("guide-relay", &["help", "relay"]);
}

#[test]
fn version() {
    let expected = concat!("p2pc ", env!("CARGO_PKG_VERSION"), "\n");
    for line in [["--version"].as_slice(), &["-V"], &["send", "--version"]] {
        let output = run(line);
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(0), expected));
        assert!(output.stderr.is_empty());
    }
}

#[test]
fn nothing_typed() {
    check("no-subcommand", &[] as &[&str]);
}

#[test]
fn unknown_words_get_suggestions() {
    check("unknown-subcommand", &["recieve", "48213-acid-crane-otter"]);
    check("unknown-help", &["help", "snd"]);
    check("unknown-config", &["config", "paht"]);
    check("code-for-config", &["config", "48213-acid-crane-otter"]);
    check("unknown-shell", &["completions", "bsh"]);
    check("one-dash", &["receive", "-out", "incoming"]);
    check("code-alone", &["48213-acid-crane-otter@relay.example"]);
    check("option-first", &["--relay", "relay.example", "send", "file"]);
    check("unknown-option", &["send", "--chunksize=1MiB", "file"]);
    check("unknown-option-late", &["send", "--yaml", "file"]);
    check("unknown-short", &["receive", "-x"]);
    check("option-of-receive", &["send", "-o", "directory", "file"]);
    check("option-of-send", &["receive", "--chunk-size=1MiB"]);
    check("option-of-receive-long", &["send", "--no-resume", "file"]);
}

#[test]
fn values_are_checked() {
    check("missing-value", &["send", "file", "--wait"]);
    check("bad-wait", &["send", "--wait=10", "file"]);
    check("bad-limit", &["send", "--limit=10Mb", "file"]);
    check("number-and-unit-apart", &["send", "--limit", "10", "MB", "file"]);
    check("time-and-unit-apart", &["receive", "48213-acid-crane-otter@r.example", "--wait", "5", "min"]);
    check("limit-per-second", &["send", "--limit=10MBps", "file"]);
    check("low-limit", &["receive", "--yes", "--limit=0", "48213-acid-crane-otter@r.example"]);
    check("bad-retry", &["send", "--retry=soon", "file"]);
    check(
        "bad-on-conflict",
        &["receive", "--yes", "--on-conflict", "replace", "48213-acid-crane-otter@r.example"],
    );
    check("bad-exclude", &["send", "--exclude", "# all", "file"]);
    check("bad-name", &["send", "--name", "a/b", "-"]);
    check("bad-chunk-size", &["send", "--chunk-size=3MiB", "file"]);
    check("switch-with-value", &["send", "--verify=yes", "file"]);
    check("bad-listen", &["relay", "--listen=4430"]);
    check("given-twice", &["receive", "--out=a", "-ob", "48213-acid-crane-otter"]);
}

#[test]
fn what_is_missing_is_named() {
    check("missing-path", &["send"]);
    check("missing-list", &["send", "--files-from", "/nowhere/list"]);
    check("endless-list", &["send", "--files-from", "/dev/zero"]);
    check("empty-list", &["send", "--files-from", "-"]);
    check("missing-listen", &["relay"]);
    check("missing-relay", &["receive", "--yes", "48213-acid-crane-otter"]);
    check("missing-code", &["receive", "--yes"]);
    check("missing-new-code", &["receive", "--yes", "--listen=:9000"]);
}

#[test]
fn what_is_no_code_is_told_from_what_lacks_a_part() {
    check("code-without-digits", &["receive", "--yes", "acid-crane-otter@relay.example"]);
    check("address-for-code", &["receive", "--yes", "http://127.0.0.1:8080"]);
    check("short-own-code", &["send", "--code", "hello", "file"]);
}

#[test]
fn contradictions_are_named() {
    check("qr-without-new-code", &["receive", "--yes", "--qr", "48213-acid-crane-otter@r.example"]);
    check("code-twice", &["receive", "--yes", "48213-acid-crane-otter", "--code", "48213-acid-crane-otter"]);
    check("two-relays", &["receive", "--yes", "48213-acid-crane-otter@a.example", "--relay=b.example"]);
    check("json-and-data", &["receive", "--yes", "--json", "-o-", "48213-acid-crane-otter@r.example"]);
    check("list-and-path", &["send", "--files-from", "list", "file"]);
    let code = "48213-acid-crane-otter@r.example";
    check("sums-of-a-stream", &["receive", "--yes", "-o-", "--checksums", "sums", code]);
    check("sums-nowhere", &["receive", "--yes", "--checksums-with=blake3", code]);
    check("bad-sums", &["receive", "--yes", "--checksums=sums", "--checksums-with=md5", code]);
    check("text-and-path", &["send", "--text", "hello", "file"]);
    check("empty-text", &["send", "--text", "-"]);
    check("null-without-list", &["send", "-0", "file"]);
    check("name-for-none", &["send", "--name", "x", "/", "/dev"]);
    check("two-arguments", &["receive", "--yes", "48213-acid-crane-otter@a.example", "incoming"]);
}

#[test]
fn without_a_terminal_there_is_nobody_to_ask() {
    check("receive-without-terminal", &["receive", "48213-acid-crane-otter@relay.example"]);
    check("verify-without-terminal", &["send", "--verify", "file"]);
    // What is wrong with the command is told first.
    check("bad-limit-without-terminal", &["receive", "--limit=fast", "48213-acid-crane-otter@relay.example"]);
    check("bad-lanes-without-terminal", &["send", "--verify", "--lanes=99", "file"]);
}

#[cfg(unix)]
#[test]
fn an_argument_that_is_not_utf8_is_an_argument() {
    use std::os::unix::ffi::OsStrExt as _;
    check("not-utf8-option", &[OsStr::new("relay"), OsStr::from_bytes(b"caf\xe9\x1b[2J")]);
    check("not-utf8-value", &[OsStr::new("send"), OsStr::from_bytes(b"--wait=\xff"), OsStr::new("file")]);
}

#[cfg(unix)]
#[test]
fn a_closed_pipe_ends_quietly() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = command(&["--help"]).stdout(writer).output().unwrap();
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""));
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let status = command(&["send"]).stderr(writer).status().unwrap();
    assert_eq!(status.code(), Some(2));
}

/// Compares one command with its file.
fn check<A: AsRef<OsStr>>(name: &str, line: &[A]) {
    let output = run(line);
    let stdout = dated(text(&output.stdout));
    let mut seen = String::from("$ p2pc");
    for word in line {
        let _ = write!(seen, " {}", shown(word.as_ref()));
    }
    let _ = write!(seen, "\n? {}\n", output.status.code().expect("no signal"));
    for (title, stream) in [("stdout", stdout.as_str()), ("stderr", text(&output.stderr))] {
        if !stream.is_empty() {
            let _ = write!(seen, "--- {title}\n{stream}");
        }
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cmd").join(name).with_extension("txt");
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(&file, &seen).expect("the snapshot can be written");
    }
    let expected = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(seen == expected, "{} differs. It printed\n{seen}\ninstead of\n{expected}", file.display());
}

/// The time of a JSON line is always another one.
fn dated(stdout: &str) -> String {
    match stdout.strip_prefix("{\"time\":\"").and_then(|rest| rest.split_once('"')) {
        Some((_, rest)) => format!("{{\"time\":\"…\"{rest}"),
        None => stdout.to_owned(),
    }
}

fn run<A: AsRef<OsStr>>(line: &[A]) -> Output {
    command(line).output().expect("the binary starts")
}

/// The binary with nothing in its environment, and without a controlling terminal on Unix.
fn command<A: AsRef<OsStr>>(line: &[A]) -> Command {
    let binary = OsString::from(env!("CARGO_BIN_EXE_p2pc"));
    let mut command = if cfg!(unix) {
        let mut command = Command::new("setsid");
        command.arg("--wait").arg(binary);
        command
    } else {
        Command::new(binary)
    };
    command.args(line).stdin(Stdio::null());
    // Nobody's settings.
    command.env("P2PC_CONFIG", if cfg!(unix) { "/dev/null" } else { "NUL" });
    for variable in ["P2PC_CODE", "P2PC_RELAY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"] {
        command.env_remove(variable);
    }
    command
}

fn shown(word: &OsStr) -> String {
    word.to_string_lossy().escape_debug().to_string()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("the output is UTF-8")
}

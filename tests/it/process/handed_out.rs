//! A relay hands out the client: the script, run by the shells and the fetchers that people have.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process_group};

use super::Relay;
use crate::skipped::skipped;

/// All that the script may need, beside something that fetches.
const TOOLS: [&str; 8] = ["uname", "mkdir", "rm", "chmod", "mv", "cut", "sha256sum", "cat"];

/// `GET path` as a program that knows no more of HTTP would say it.
fn get(relay: &Relay, path: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(relay.address()).unwrap();
    let host = relay.address();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let body = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    assert!(answer.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&answer[..body]));
    answer.split_off(body)
}

fn script(relay: &Relay) -> String {
    String::from_utf8(get(relay, "/install.sh")).unwrap()
}

/// A directory with nothing but what the script may need, and `more`.
fn tools(at: &Path, more: &[&str]) -> PathBuf {
    let tools = at.join("tools");
    std::fs::create_dir(&tools).unwrap();
    for tool in TOOLS.iter().chain(more) {
        symlink(found(tool), tools.join(tool)).unwrap();
    }
    tools
}

fn found(tool: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap();
    let found = std::env::split_paths(&path).map(|directory| directory.join(tool)).find(|path| path.exists());
    found.unwrap_or_else(|| panic!("{tool} is not installed"))
}

/// Runs what comes on standard input as `curl … | sh` does, with nothing in the environment but these.
fn run(shell: &str, script: &str, tools: &Path, more: &[(&str, &Path)]) -> Output {
    start(&mut Command::new(found(shell)), script, tools, more).wait_with_output().unwrap()
}

fn start(shell: &mut Command, script: &str, tools: &Path, more: &[(&str, &Path)]) -> Child {
    shell.env_clear().env("PATH", tools).envs(more.iter().copied());
    let piped = shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().unwrap();
    // A shell that has seen enough hangs up.
    let _ = child.stdin.take().unwrap().write_all(script.as_bytes());
    child
}

/// The script with another server to fetch from.
fn script_for(relay: &Relay, url: &str) -> String {
    let script = script(relay);
    let line = format!("\nurl='http://{}'\n", relay.address());
    assert_eq!(script.matches(&line).count(), 1, "{script}");
    script.replace(&line, &format!("\nurl='{url}'\n"))
}

/// Something of that name for the script to run.
fn make_tool(tools: &Path, name: &str, text: &str) {
    let path = tools.join(name);
    let _ = std::fs::remove_file(&path);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn program() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_p2pc"))
}

#[test]
fn pages_and_binaries_come_over_the_port_of_the_relay() {
    let relay = Relay::start();
    let page = String::from_utf8(get(&relay, "/")).unwrap();
    assert_eq!(page.lines().count(), 3, "{page}");
    assert!(page.contains(&format!("curl -fsSL http://{}/install.sh | sh", relay.address())), "{page}");
    let target = format!("{}-unknown-linux-musl", std::env::consts::ARCH);
    assert!(get(&relay, &format!("/dl/{target}")) == std::fs::read(program()).unwrap());
    assert!(script(&relay).contains(&target));
}

#[test]
fn the_script_installs_what_runs() {
    if skipped("the_script_installs_what_runs") {
        return;
    }
    let relay = Relay::start();
    let script = script(&relay);
    for (shell, fetcher) in [("dash", "curl"), ("dash", "wget"), ("bash", "curl")] {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().join("it's my home");
        std::fs::create_dir(&home).unwrap();
        let tools = tools(dir.path(), &[fetcher]);
        let output = run(shell, &script, &tools, &[("HOME", &home)]);
        assert!(output.status.success(), "{shell} {fetcher}: {}", said(&output));
        let installed = home.join(".local/bin/p2pc");
        assert!(std::fs::read(&installed).unwrap() == std::fs::read(program()).unwrap());
        assert_eq!(std::fs::metadata(&installed).unwrap().permissions().mode() & 0o777, 0o755);
        assert!(
            said(&output).contains("is not in PATH") && said(&output).contains("--relay ws://"),
            "{}",
            said(&output)
        );
        assert_eq!(std::fs::read_dir(home.join(".local/bin")).unwrap().count(), 1, "nothing else is left");
        // Once more, over what is there; and to another place.
        let prefix = dir.path().join("pre fix");
        for more in [&[("HOME", home.as_path())][..], &[("PREFIX", &prefix)]] {
            assert!(run(shell, &script, &tools, more).status.success());
        }
        assert!(prefix.join("bin/p2pc").exists());
    }
}

#[test]
fn over_tls_the_script_installs_too() {
    if skipped("over_tls_the_script_installs_too") {
        return;
    }
    let certificate = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/localhost.pem");
    let relay = Relay::with(&["--listen", "127.0.0.1:0", "--cert", certificate.to_str().unwrap()]);
    let url = format!("https://localhost:{}/install.sh", relay.address().port());
    let dir = tempfile::tempdir().unwrap();
    let tools = tools(dir.path(), &["curl"]);
    let mut curl = Command::new("curl");
    let fetched = curl.args(["-fsSL", &url]).env("CURL_CA_BUNDLE", &certificate).output().unwrap();
    assert!(fetched.status.success(), "{}", said(&fetched));
    let script = String::from_utf8(fetched.stdout).unwrap();
    let environment = [("PREFIX", dir.path()), ("CURL_CA_BUNDLE", &certificate)];
    let output = run("dash", &script, &tools, &environment);
    assert!(output.status.success(), "{}", said(&output));
    assert!(
        said(&output).contains(&format!("--relay localhost:{} ", relay.address().port())),
        "{}",
        said(&output)
    );
    assert!(dir.path().join("bin/p2pc").exists());
}

#[test]
fn what_is_not_what_was_announced_is_not_installed() {
    if skipped("what_is_not_what_was_announced_is_not_installed") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let shelf = dir.path().join("shelf");
    std::fs::create_dir(&shelf).unwrap();
    let target = shelf.join(format!("{}-unknown-linux-musl", std::env::consts::ARCH));
    std::fs::write(&target, "#!/bin/sh\necho p2pc 9\n").unwrap();
    let relay = Relay::with(&["--listen", "127.0.0.1:0", "--dl-dir", shelf.to_str().unwrap()]);
    let tools = tools(dir.path(), &["curl"]);
    let good = script(&relay);
    // Over the same file, which the relay holds open.
    std::fs::write(&target, "#!/bin/sh\necho evil 9\n").unwrap();
    let output = run("dash", &good, &tools, &[("PREFIX", dir.path())]);
    assert!(!output.status.success() && said(&output).contains("nothing was installed"), "{}", said(&output));
    assert_eq!(std::fs::read_dir(dir.path().join("bin")).unwrap().count(), 0);
    // A script that was cut off does nothing at all.
    let before = dir.path().join("before");
    for cut in [good.len() / 3, good.len() / 2, good.len() - "main \"$@\"\n".len()] {
        run("dash", &good[..cut], &tools, &[("PREFIX", &before)]);
        assert!(!before.exists());
    }
}

#[test]
fn a_machine_that_nothing_is_there_for_is_told_so() {
    if skipped("a_machine_that_nothing_is_there_for_is_told_so") {
        return;
    }
    let relay = Relay::start();
    let dir = tempfile::tempdir().unwrap();
    let tools = tools(dir.path(), &["curl"]);
    make_tool(&tools, "uname", "#!/bin/sh\n[ \"$1\" = -m ] && echo riscv64 || echo Linux\n");
    let output = run("dash", &script(&relay), &tools, &[("PREFIX", dir.path())]);
    assert!(said(&output).contains("no p2pc for riscv64-unknown-linux-musl"), "{}", said(&output));
    assert!(!output.status.success() && !dir.path().join("bin").exists());
}

#[test]
fn who_is_interrupted_finds_nothing_left() {
    if skipped("who_is_interrupted_finds_nothing_left") {
        return;
    }
    let relay = Relay::start();
    // It takes the request and never answers.
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let script = script_for(&relay, &format!("http://{}", silent.local_addr().unwrap()));
    let signals = [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129)];
    // wget goes on without its terminal, and the script leaves when it has finished.
    for (shell, fetcher, signals) in
        [("dash", "curl", &signals[..]), ("dash", "wget", &signals[..2]), ("bash", "curl", &signals[..])]
    {
        for &(signal, status) in signals {
            let dir = tempfile::tempdir().unwrap();
            let tools = tools(dir.path(), &[fetcher]);
            // As at a terminal: everything that was started together is interrupted together.
            let mut command = Command::new(found(shell));
            let child = start(command.process_group(0), &script, &tools, &[("PREFIX", dir.path())]);
            let _fetching = silent.accept().unwrap();
            let bin = dir.path().join("bin");
            assert_eq!(std::fs::read_dir(&bin).unwrap().count(), 1, "it works beside its place");
            kill_process_group(Pid::from_child(&child), signal).unwrap();
            let output = child.wait_with_output().unwrap();
            assert_eq!(output.status.code(), Some(status), "{shell} {fetcher}: {}", said(&output));
            assert_eq!(std::fs::read_dir(&bin).unwrap().count(), 0, "{shell} {fetcher} {signal:?}");
        }
    }
}

#[test]
fn where_it_cannot_go_it_says_so_and_leaves_nothing() {
    if skipped("where_it_cannot_go_it_says_so_and_leaves_nothing") {
        return;
    }
    let relay = Relay::start();
    let script = script(&relay);
    let dir = tempfile::tempdir().unwrap();
    let tools = tools(dir.path(), &["curl"]);
    let refused = |prefix: &Path, why: &str| {
        let output = run("dash", &script, &tools, &[("PREFIX", prefix), ("HOME", dir.path())]);
        assert!(!output.status.success() && said(&output).contains(why), "{}", said(&output));
    };
    refused(Path::new("some/where"), "some/where/bin is not below /");
    // What stands there is not moved into, and not moved away.
    let taken = dir.path().join("taken");
    std::fs::create_dir_all(taken.join("bin/p2pc")).unwrap();
    refused(&taken, "is a directory");
    assert_eq!(std::fs::read_dir(taken.join("bin/p2pc")).unwrap().count(), 0);
    assert_eq!(std::fs::read_dir(taken.join("bin")).unwrap().count(), 1);
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    refused(&file, "cannot make");
}

#[test]
fn where_no_program_may_run_it_says_that() {
    if skipped("where_no_program_may_run_it_says_that") {
        return;
    }
    let relay = Relay::start();
    let dir = tempfile::tempdir().unwrap();
    let tools = tools(dir.path(), &["curl"]);
    let prefix = dir.path().join("prefix");
    std::fs::create_dir(&prefix).unwrap();
    for shell in ["dash", "bash"] {
        // Its own mounts end with it.
        let mut command = Command::new(found("unshare"));
        let inside = format!(
            "{} -t tmpfs -o noexec none \"$PREFIX\" && {}; status=$?; {} \"$PREFIX/bin\" >&2; exit $status",
            found("mount").display(),
            found(shell).display(),
            found("ls").display(),
        );
        command.args(["--mount", "/bin/sh", "-c", &inside]);
        let output =
            start(&mut command, &script(&relay), &tools, &[("PREFIX", &prefix)]).wait_with_output().unwrap();
        let said = said(&output);
        assert!(!output.status.success() && said.contains("noexec"), "{shell}: {said}");
        assert!(said.lines().last().unwrap().contains("noexec"), "something is left: {said}");
    }
}

#[test]
fn what_is_asked_for_over_tls_comes_over_tls() {
    if skipped("what_is_asked_for_over_tls_comes_over_tls") {
        return;
    }
    let relay = Relay::start();
    for (url, allowed) in [("https://relay.example.org", "=https"), ("http://a.example", "=http,https")] {
        let dir = tempfile::tempdir().unwrap();
        let tools = tools(dir.path(), &["head"]);
        let asked = dir.path().join("asked");
        // It writes to its output alone, as one that may not write into hidden directories.
        let curl = format!("#!/bin/sh\necho \"$@\" >'{}'\ncat '{}'\n", asked.display(), program().display());
        make_tool(&tools, "curl", &curl);
        let output = run("dash", &script_for(&relay, url), &tools, &[("PREFIX", dir.path())]);
        assert!(output.status.success(), "{}", said(&output));
        let asked = std::fs::read_to_string(asked).unwrap();
        assert!(asked.contains(&format!("--proto {allowed} --tlsv1.2")), "{asked}");
        assert!(asked.contains(&format!("{url}/dl/")), "{asked}");
    }
}

#[test]
fn another_relay_than_the_one_of_the_script_hands_out_nothing() {
    if skipped("another_relay_than_the_one_of_the_script_hands_out_nothing") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let shelf = dir.path().join("shelf");
    std::fs::create_dir(&shelf).unwrap();
    std::fs::write(shelf.join(format!("{}-unknown-linux-musl", std::env::consts::ARCH)), "other").unwrap();
    let (relay, other) =
        (Relay::start(), Relay::with(&["--listen", "127.0.0.1:0", "--dl-dir", shelf.to_str().unwrap()]));
    let tools = tools(dir.path(), &["curl"]);
    let script = script_for(&relay, &format!("http://{}", other.address()));
    let output = run("dash", &script, &tools, &[("PREFIX", dir.path())]);
    assert!(said(&output).contains("404") && said(&output).contains("cannot fetch"), "{}", said(&output));
    assert_eq!(std::fs::read_dir(dir.path().join("bin")).unwrap().count(), 0);
}

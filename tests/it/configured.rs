//! The configuration file as the program finds it: where it is, who may read it, and what comes of it.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Output};

/// A home with a configuration in it.
struct Home(tempfile::TempDir);

impl Home {
    fn with(text: &str, mode: u32) -> Home {
        let home = Home(tempfile::tempdir().unwrap());
        fs::create_dir_all(home.file().parent().unwrap()).unwrap();
        fs::write(home.file(), text).unwrap();
        fs::set_permissions(home.file(), Permissions::from_mode(mode)).unwrap();
        home
    }

    fn file(&self) -> PathBuf {
        self.0.path().join(".config/p2pc/config.toml")
    }

    fn run(&self, words: &[&str], variables: &[(&str, &str)]) -> (Option<i32>, String, String) {
        let mut command = Command::new("setsid");
        command.arg("--wait").arg(env!("CARGO_BIN_EXE_p2pc")).args(words).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", self.0.path());
        let Output { status, stdout, stderr } = command.envs(variables.iter().copied()).output().unwrap();
        (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
    }
}

const TOKEN: &str = "relay = \"relay.example\"\ntoken = \"0123456789abcdef\"\n";

#[test]
fn the_settings_in_force_are_shown_with_where_they_come_from() {
    let home = Home::with(&format!("{TOKEN}[receive]\nout = \"~/in\"\n"), 0o600);
    let file = home.file().display().to_string();
    assert_eq!(home.run(&["config", "path"], &[]), (Some(0), format!("{file}\n"), String::new()));
    let (status, out, err) =
        home.run(&["config"], &[("P2PC_RELAY", "other.example"), ("HTTPS_PROXY", "http://me:hush@p:1")]);
    assert_eq!((status, err.as_str()), (Some(0), ""));
    let line = |name: &str| {
        let line = out.lines().find(|line| line.split(' ').next() == Some(name)).unwrap();
        line.split("  ")
            .map(str::trim)
            .filter(|cell| !cell.is_empty())
            .skip(1)
            .collect::<Vec<_>>()
            .join(" | ")
    };
    assert_eq!(line("relay"), "other.example | P2PC_RELAY");
    assert_eq!(line("token"), format!("(hidden) | {file}, line 2"));
    assert_eq!(line("out"), format!("{}/in | {file}, line 4", home.0.path().display()));
    assert_eq!(line("lanes"), "auto | default");
    assert!(!out.contains("0123456789abcdef") && !out.contains("hush"), "{out}");
    let (_, json, _) = home.run(&["config", "--json"], &[]);
    let expected =
        format!(r#"{{"name":"relay","value":"relay.example","source":"file","file":"{file}","line":1}}"#);
    assert_eq!(json.lines().next().unwrap(), expected);
}

#[test]
fn a_token_that_others_can_read_is_not_used() {
    for (mode, status) in [(0o600, 0), (0o400, 0), (0o640, 2), (0o604, 2)] {
        let (seen, _, err) = Home::with(TOKEN, mode).run(&["config"], &[]);
        assert_eq!(seen, Some(status), "{mode:o}: {err}");
        assert_eq!(err.contains("hint: Run: chmod 600 "), status == 2, "{err}");
    }
}

#[test]
fn a_file_that_others_can_write_is_not_used() {
    // Without a token others may read it.
    for (mode, status) in [(0o644, 0), (0o664, 2), (0o646, 2), (0o620, 2)] {
        let (seen, _, err) = Home::with("relay = \"r.example\"", mode).run(&["config"], &[]);
        assert_eq!(seen, Some(status), "{mode:o}: {err}");
        assert_eq!(err.contains("can be written by others"), status == 2, "{err}");
    }
}

#[test]
fn a_file_of_another_user_is_not_used() {
    let home = Home::with("relay = \"r.example\"\n", 0o644);
    let (us, other) = (rustix::process::geteuid().as_raw(), 65534);
    if us != 0 {
        println!("skipped: only root can give a file away");
        return;
    }
    std::os::unix::fs::chown(home.file(), Some(other), None).unwrap();
    let (status, _, err) = home.run(&["config"], &[]);
    assert_eq!(status, Some(2), "{err}");
    assert!(err.contains("belongs to another user\nhint: Use a file of your own"), "{err}");
    assert_eq!(home.run(&["send", "--listen", ":0", "x"], &[]).0, Some(2));
}

/// Whatever stands in the place of the file, nobody waits for it, and everybody is told the same.
#[test]
fn what_is_no_configuration_is_told_by_all_alike() {
    let home = Home::with("", 0o600);
    let file = home.file();
    let told = |what: &str| {
        for line in
            [&["config"][..], &["doctor"], &["send", "x"], &["receive", "--yes", "48213-acid-crane-otter"]]
        {
            let (status, out, err) = home.run(line, &[]);
            assert_eq!((status, out.as_str()), (Some(2), ""), "{line:?}: {err}");
            assert!(
                err.starts_with("p2pc: ") && err.contains(what) && err.contains("\nhint: "),
                "{line:?}: {err}"
            );
            assert_eq!(err.lines().count(), 2, "{err}");
        }
    };
    fs::write(&file, "# caf\u{e9}\n".repeat(10_000)).unwrap();
    told("is too long for a configuration");
    fs::write(&file, b"lanes = 2\n# caf\xe9\n").unwrap();
    told("config.toml, line 2: what stands there is not UTF-8");
    fs::write(&file, b"\xff\xfer\0").unwrap();
    told("config.toml, line 1: what stands there is not UTF-8");
    fs::write(&file, "relay = 5\n").unwrap();
    told("config.toml, line 1: relay: an integer is not text");
    fs::write(&file, "wait = \"1m\"\nwait = \"2m\"\n").unwrap();
    told("config.toml, line 2: duplicate key");
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    told("is not a file");
    fs::remove_dir(&file).unwrap();
    assert!(Command::new("mkfifo").arg(&file).status().unwrap().success());
    told("is not a file");
    fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink(&file, &file).unwrap();
    told("cannot read the configuration in ");
}

#[test]
fn what_a_file_turns_on_is_taken_back_for_once() {
    let home = Home::with("verify = true\n", 0o600);
    // Without a terminal nobody can compare: what is wanted is seen by that.
    let (status, _, err) =
        home.run(&["receive", "--yes", "--relay=ws://127.0.0.1:1", "48213-acid-crane-otter"], &[]);
    assert_eq!(status, Some(2), "{err}");
    assert!(err.contains("--verify needs a terminal") && err.contains("give --no-verify"), "{err}");
    let (status, _, err) = home
        .run(&["receive", "--yes", "--no-verify", "--relay=ws://127.0.0.1:1", "48213-acid-crane-otter"], &[]);
    assert_eq!(status, Some(5), "{err}");
}

#[test]
fn a_broken_file_ends_every_transfer_and_no_help() {
    let home = Home::with("relay = \"r.example\"\nlanse = 4\n", 0o644);
    for line in [&["send", "x"][..], &["receive", "--yes", "48213-acid-crane-otter"], &["config"]] {
        let (status, _, err) = home.run(line, &[]);
        assert_eq!(status, Some(2), "{err}");
        let expected =
            format!("p2pc: {}, line 2: unknown key lanse\nhint: Did you mean lanes? ", home.file().display());
        assert!(err.starts_with(&expected), "{err}");
    }
    assert_eq!(home.run(&["send", "--help"], &[]).0, Some(0));
    assert_eq!(home.run(&["config", "path"], &[]).0, Some(0));
    // A relay is a service, and reads no file of a person's.
    assert!(home.run(&["relay"], &[]).2.contains("neither --listen nor --cert"));
    assert_eq!(home.run(&["config"], &[("P2PC_CONFIG", "/dev/null")]).0, Some(0));
}

#[test]
fn a_file_that_was_named_has_to_be_there() {
    let home = Home::with("", 0o644);
    let absent = home.0.path().join("absent.toml");
    let (status, _, err) = home.run(&["config"], &[("P2PC_CONFIG", absent.to_str().unwrap())]);
    assert_eq!(status, Some(2), "{err}");
    assert!(err.contains("absent.toml: No such file"), "{err}");
    let directory = home.0.path().to_str().unwrap();
    assert_eq!(home.run(&["config"], &[("P2PC_CONFIG", directory)]).0, Some(2));
    // The one that nobody named need not be: its directory neither.
    let (status, out, _) = home.run(&["config"], &[("XDG_CONFIG_HOME", "/nonexistent")]);
    assert_eq!(status, Some(0));
    assert!(out.ends_with("There is no file /nonexistent/p2pc/config.toml.\n"), "{out}");
}

#[test]
fn the_relay_of_the_file_is_dialled() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let home = Home::with(&format!("relay = \"ws://{gone}\"\n"), 0o644);
    let (status, _, err) = home.run(&["receive", "--yes", "48213-acid-crane-otter"], &[]);
    assert_eq!(status, Some(5), "{err}");
    assert!(err.contains(&format!("cannot connect to the relay ws://{gone}")), "{err}");
    // What is typed says more.
    let (status, _, err) =
        home.run(&["receive", "--yes", "--relay", "nonsense://", "48213-acid-crane-otter"], &[]);
    assert_eq!(status, Some(2), "{err}");
}

#[test]
fn the_page_has_every_key() {
    let (_, json, _) = Home::with("", 0o644).run(&["config", "--json"], &[]);
    let keys: Vec<&str> = json.lines().map(|line| line.split('"').nth(3).unwrap()).collect();
    let page = include_str!("../../docs/configuration.md");
    let (_, table) = page.split_once("<!-- configuration keys -->\n").unwrap();
    let told = table.lines().skip(2).map_while(|line| line.strip_prefix("| `")?.split('`').next());
    assert!(told.eq(keys.iter().copied()), "{keys:?}");
}

#[test]
fn a_doctor_goes_to_the_relay_of_the_file() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let home = Home::with(&format!("relay = \"ws://{gone}\"\n"), 0o644);
    let (status, out, _) = home.run(&["doctor"], &[]);
    assert_eq!(status, Some(5), "{out}");
    assert!(out.lines().next().unwrap().contains("from the configuration"), "{out}");
}

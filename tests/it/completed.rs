//! Shells that complete p2pc's options: each is given a line, and asked what it makes of it.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A directory with a file and a directory in it whose names begin alike, and one with a blank.
fn place() -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("thing.pem"), "").unwrap();
    fs::create_dir(place.path().join("things")).unwrap();
    fs::write(place.path().join("two words"), "").unwrap();
    place
}

/// What is typed, and what is offered; of a long list the first.
const CASES: &[(&str, &[&str])] = &[
    ("p2pc se", &["send"]),
    ("p2pc help rec", &["receive"]),
    ("p2pc send --comp", &["--compress"]),
    ("p2pc send --compress a", &["auto"]),
    ("p2pc receive --on-conflict ", &["ask", "overwrite", "rename", "skip"]),
    ("p2pc receive --out th", &["things"]),
    ("p2pc receive -o th", &["things"]),
    ("p2pc send --ca th", &["thing.pem", "things"]),
    ("p2pc send th", &["thing.pem", "things"]),
    ("p2pc relay --log-addresses s", &["short"]),
    ("p2pc completions f", &["fish"]),
    // Codes and tokens stay in the head of who has them.
    ("p2pc receive --code ", &[]),
    ("p2pc receive th", &[]),
    ("p2pc send --token t", &[]),
];

#[cfg(unix)]
#[test]
fn bash_completes() {
    let script = below("dist/completions/bash/p2pc");
    // As readline splits and asks; what bash itself does with the answer is its own.
    let driver = r#"
        source "$1"
        set -f
        while IFS= read -r line; do
            COMP_WORDS=(${line//=/ = }); [[ $line == *' ' ]] && COMP_WORDS+=('')
            COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
            set +f; _p2pc; set -f
            printf '%s\n' "${COMPREPLY[@]}" | sort | paste -sd'|'
        done"#;
    let place = place();
    let mut cases = CASES.to_vec();
    cases.extend([
        ("p2pc send --compress=o", &["off", "on"][..]),
        ("p2pc receive --out=", &["things"]),
        ("p2pc send -- --comp", &[]),
        ("p2pc send tw", &["two words"]),
    ]);
    let lines: Vec<&str> = cases.iter().map(|(line, _)| *line).collect();
    let mut bash = Command::new("bash")
        .args(["--norc", "-c", driver, "bash"])
        .arg(script)
        .current_dir(place.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    bash.stdin.take().unwrap().write_all((lines.join("\n") + "\n").as_bytes()).unwrap();
    let output = bash.wait_with_output().unwrap();
    let offered = String::from_utf8(output.stdout).unwrap();
    let offered: Vec<&str> = offered.lines().collect();
    assert_eq!(offered.len(), cases.len(), "{offered:?}");
    for ((line, expected), offered) in cases.iter().zip(offered) {
        assert_eq!(offered, expected.join("|"), "{line}");
    }
}

mod shells {
    use super::*;
    use crate::skipped::skipped;

    #[test]
    fn fish_completes() {
        if skipped("fish_completes") {
            return;
        }
        let script = below("dist/completions/fish/p2pc.fish");
        let place = place();
        for (line, expected) in CASES {
            let output = Command::new("fish")
                .args(["--no-config", "-c", "source $argv[1]; complete -C $argv[2]"])
                .arg(&script)
                .arg(line)
                .current_dir(place.path())
                .output()
                .unwrap();
            let text = String::from_utf8(output.stdout).unwrap();
            let mut offered: Vec<&str> =
                text.lines().map(|line| line.split('\t').next().unwrap().trim_end_matches('/')).collect();
            offered.sort_unstable();
            assert_eq!(offered, *expected, "{line}");
        }
    }

    /// What zsh offers shows only at a terminal, so it gets one of its own make.
    #[test]
    fn zsh_completes() {
        if skipped("zsh_completes") {
            return;
        }
        let driver = r#"
            zmodload zsh/zpty
            zpty inner zsh -f -i
            ask() { zpty -w inner "$1" }
            ask "PS1= ; stty -echo columns 200; autoload -Uz compinit; compinit -u -D; source $1"
            # What is put around each match tells it from everything else that a shell prints.
            ask 'compadd() { local -a found; builtin compadd -O found "$@"; print -rl -- "<"${^found}">"; builtin compadd "$@" }'
            ask "ask-all() { _main_complete; print -r -- '<e''nd>' }; zle -C ask list-choices ask-all; bindkey '^T' ask"
            ask "cd $2; print -r -- '<re''ady>'"
            zpty -r -m inner seen '*<ready>*'
            shift 2
            for line; do
                zpty -w -n inner "$line"$'\x14'
                zpty -r -m inner seen '*<end>*'
                print -r -- "$seen" | tr -d '\r' | grep -o '<[^<>]*>' | grep -v '<end>' | tr -d '<>' | sort -u | paste -sd'|'
                zpty -w -n inner $'\x15'
            done
            zpty -d inner"#;
        let place = place();
        let mut command = Command::new("timeout");
        command.args(["60", "zsh", "-f", "-c", driver, "zsh"]).arg(below("dist/completions/zsh/_p2pc"));
        command.arg(place.path()).args(CASES.iter().map(|(line, _)| *line));
        let output = command.output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let offered: Vec<&str> = text.lines().collect();
        assert_eq!(offered.len(), CASES.len(), "{offered:?}");
        for ((line, expected), offered) in CASES.iter().zip(offered) {
            assert_eq!(offered, expected.join("|"), "{line}");
        }
    }

    #[test]
    fn man_pages_are_well_formed() {
        if skipped("man_pages_are_well_formed") {
            return;
        }
        for entry in fs::read_dir(below("dist/man")).unwrap() {
            let page = entry.unwrap().path();
            let output =
                Command::new("mandoc").args(["-T", "lint", "-W", "warning"]).arg(&page).output().unwrap();
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(output.status.success() && said.is_empty(), "{}: {said}", page.display());
            let output = Command::new("man")
                .args(["--warnings", "-l", "-Tutf8", "-Z"])
                .arg(&page)
                .env("LC_ALL", "C.UTF-8")
                .output()
                .unwrap();
            assert!(
                output.status.success() && output.stderr.is_empty(),
                "{}: {}",
                page.display(),
                String::from_utf8_lossy(&output.stderr)
            );
        }
    }
}

fn below(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

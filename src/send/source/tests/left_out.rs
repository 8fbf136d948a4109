//! What is left out, and what a list says.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use super::*;
use crate::send::{Exclude, PathList, Pattern};

fn write(top: &Path, files: &[&str]) {
    for file in files {
        let path = top.join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, b"x").unwrap();
    }
}

/// The paths of everything that is walked to, directories with a slash; what cannot be sent with a `!`.
fn walked(roots: Roots) -> Vec<String> {
    let shown = |entry: Entry| {
        let path = String::from_utf8_lossy(entry.path.as_bytes()).into_owned();
        match entry.kind {
            EntryKind::DirectoryEnd { .. } => None,
            EntryKind::Directory => Some(format!("{path}/")),
            EntryKind::Unsent { .. } => Some(format!("!{path}")),
            _ => Some(path),
        }
    };
    Walk::of(roots).filter_map(|entry| shown(entry.unwrap())).collect()
}

fn excluding(patterns: &[&str], gitignore: bool) -> Exclude {
    Exclude::new(
        patterns.iter().map(|pattern| Pattern::parse(pattern.as_bytes()).unwrap()).collect(),
        gitignore,
    )
}

#[test]
fn patterns_hold_below_each_argument_and_never_for_it() {
    let temp = tempfile::tempdir().unwrap();
    write(temp.path(), &["a/build/x", "a/src/build/y", "a/src/m.o", "a/src/keep.o", "a/z", "b.o"]);
    let paths = [temp.path().join("a"), temp.path().join("b.o")];
    let left = |patterns: &[&str]| walked(Roots::new(&paths).unwrap().without(excluding(patterns, false)));
    assert_eq!(
        left(&["*.o", "!keep.o", "/build"]),
        ["a/", "a/src/", "a/src/build/", "a/src/build/y", "a/src/keep.o", "a/z", "b.o"]
    );
    assert_eq!(left(&["build/", "src/*.o"]), ["a/", "a/src/", "a/z", "b.o"]);
    assert_eq!(left(&["a", "*"]), ["a/", "b.o"]);
}

#[test]
fn files_say_what_to_leave_out_and_the_innermost_has_the_last_word() {
    let temp = tempfile::tempdir().unwrap();
    let top = temp.path().join("t");
    write(&top, &["a.log", "in/a.log", "in/b.tmp", "in/deep/a.log", "in/deep/c", "out/d", "x.tmp"]);
    std::fs::write(top.join(".gitignore"), "*.log\n/out/\n").unwrap();
    std::fs::write(top.join(".ignore"), "*.tmp\n").unwrap();
    std::fs::write(top.join("in/.gitignore"), "!*.tmp\n/deep/c\n").unwrap();
    std::fs::write(top.join("in/deep/.ignore"), "!a.log\n").unwrap();
    let roots = |patterns: &[&str]| {
        Roots::new(std::slice::from_ref(&top)).unwrap().without(excluding(patterns, true))
    };
    let rest =
        ["t/in/", "t/in/.gitignore", "t/in/b.tmp", "t/in/deep/", "t/in/deep/.ignore", "t/in/deep/a.log"];
    let all = [&["t/", "t/.gitignore", "t/.ignore"][..], &rest].concat();
    assert_eq!(walked(roots(&[])), all);
    // What was asked for outright comes before any file.
    assert!(walked(roots(&["!*.log"])).contains(&"t/a.log".to_owned()));
}

#[test]
fn a_file_of_rules_that_cannot_be_read_holds_its_directory_back() {
    let temp = tempfile::tempdir().unwrap();
    write(temp.path(), &["t/secret", "t/in/x"]);
    let walk = || walked(Roots::new(&[temp.path().join("t")]).unwrap().without(excluding(&[], true)));
    let rules = |name: &str, text: &[u8]| std::fs::write(temp.path().join("t/in").join(name), text).unwrap();
    rules(".gitignore", &vec![b'a'; RULES_BYTES as usize + 1]);
    assert_eq!(walk(), ["t/", "!t/in", "t/secret"]);
    // Lines and pieces of them take more than their text.
    rules(".gitignore", &vec![b'\n'; RULES_BYTES as usize / 100]);
    assert_eq!(walk(), ["t/", "!t/in", "t/secret"]);
    // The two of a directory are held together.
    let most = vec![b'a'; RULES_BYTES as usize / 2];
    rules(".gitignore", &most);
    assert_eq!(walk(), ["t/", "t/in/", "t/in/.gitignore", "t/in/x", "t/secret"]);
    rules(".ignore", &most);
    assert_eq!(walk(), ["t/", "!t/in", "t/secret"]);
    // One without an end is not read to it.
    rules(".ignore", b"");
    std::fs::File::create(temp.path().join("t/in/.gitignore")).unwrap().set_len(1 << 40).unwrap();
    assert_eq!(walk(), ["t/", "!t/in", "t/secret"]);
}

#[test]
fn only_files_have_rules() {
    let temp = tempfile::tempdir().unwrap();
    write(temp.path(), &["rules", "t/.ignore/x", "t/in/x"]);
    std::fs::create_dir(temp.path().join(".git")).unwrap();
    std::fs::write(temp.path().join("rules"), "x\n").unwrap();
    for directory in ["", "t", "t/in"] {
        std::os::unix::fs::symlink(temp.path().join("rules"), temp.path().join(directory).join(".gitignore"))
            .unwrap();
    }
    let roots = Roots::new(&[temp.path().join("t")]).unwrap().without(excluding(&[], true));
    let all = ["t/", "t/.gitignore", "t/.ignore/", "t/.ignore/x", "t/in/", "t/in/.gitignore", "t/in/x"];
    assert_eq!(walked(roots), all);
}

#[test]
fn what_stands_above_counts_as_far_as_it_is_of_one_repository() {
    let temp = tempfile::tempdir().unwrap();
    write(temp.path(), &["t/repo/mid/in/a.x", "t/repo/mid/in/b.y", "t/repo/mid/in/c"]);
    let rules = |directory: &str, text: &[u8]| {
        std::fs::write(temp.path().join(directory).join(".gitignore"), text).unwrap();
    };
    let walk = || {
        let roots = Roots::new(&[temp.path().join("t/repo/mid/in")]).unwrap();
        walked(roots.without(excluding(&[], true)))
    };
    rules("t", b"c\n");
    rules("t/repo", b"*.x\n*.y\n");
    rules("t/repo/mid", b"!*.x\n");
    // Of no repository nothing above counts.
    assert_eq!(walk(), ["in/", "in/a.x", "in/b.y", "in/c"]);
    // The nearer one has the last word, and what is above the repository has none.
    std::fs::create_dir(temp.path().join("t/repo/.git")).unwrap();
    assert_eq!(walk(), ["in/", "in/a.x", "in/c"]);
    // Nor what is above one that the argument itself is.
    std::fs::create_dir(temp.path().join("t/repo/mid/in/.git")).unwrap();
    assert_eq!(walk(), ["in/", "in/.git/", "in/a.x", "in/b.y", "in/c"]);
    std::fs::remove_dir(temp.path().join("t/repo/mid/in/.git")).unwrap();
    // Those above are held together, too.
    let most = vec![b'a'; RULES_BYTES as usize / 2];
    rules("t/repo", &most);
    assert_eq!(walk().len(), 4);
    rules("t/repo/mid", &most);
    assert_eq!(walk(), ["!in"]);
}

#[test]
fn a_list_is_sent_as_it_stands() {
    let temp = tempfile::tempdir().unwrap();
    write(temp.path(), &["t/a/1", "t/a/2", "t/b/c/3", "t/b/c/4", "t/whole/5", "t/6"]);
    std::os::unix::fs::symlink("b", temp.path().join("t/link")).unwrap();
    let top = std::fs::canonicalize(temp.path()).unwrap();
    let prefix = top.to_str().unwrap();
    let list: String = ["t/a/2", "t/b/c/3", "t/whole", "t/gone", "t/link/c/3", "t/6/x", "t/a/2"]
        .map(|path| format!("{prefix}/{path}\n"))
        .concat();
    let roots = Roots::listed(&PathList::parse(list.as_bytes(), b'\n').unwrap()).unwrap();
    let below = |paths: Vec<String>| -> Vec<String> {
        let sent = |path: &String| {
            path.split_once("/t/")
                .map(|(head, rest)| format!("{}{rest}", if head.starts_with('!') { "!" } else { "" }))
        };
        paths.iter().filter_map(sent).filter(|path| !path.is_empty()).collect()
    };
    assert_eq!(
        below(walked(roots.clone())),
        ["!6", "a/", "a/2", "b/", "b/c/", "b/c/3", "!gone", "!link", "whole/"]
    );
    let less = roots.clone().without(excluding(&["/nowhere", "c", "2"], false));
    assert_eq!(below(walked(less)), ["!6", "a/", "b/", "!gone", "!link", "whole/"]);
    // What is not there may be left out as well, as git does with what it knows of and somebody has removed.
    let less = roots.without(excluding(&["gone", "a", "b", "6", "whole"], false));
    assert_eq!(below(walked(less)), ["!link"]);
}

#[test]
fn what_a_list_has_and_is_not_there_is_told_from_what_has_gone() {
    let temp = tempfile::tempdir().unwrap();
    write(temp.path(), &["t/a", "t/b"]);
    let top = std::fs::canonicalize(temp.path()).unwrap();
    let listed = |paths: &[&str]| {
        let lines: String = paths.iter().map(|path| format!("{}/{path}\n", top.display())).collect();
        Roots::listed(&PathList::parse(lines.as_bytes(), b'\n').unwrap())
    };
    let reasons: Vec<Reason> = Walk::of(listed(&["t/a", "t/never", "t/b/below"]).unwrap())
        .filter_map(|entry| match entry.unwrap().kind {
            EntryKind::Unsent { failure } => Some(failure.reason),
            _ => None,
        })
        .collect();
    assert_eq!(reasons, [Reason::Missing, Reason::Missing]);
    // One that is there is enough; none is a slip.
    let error = listed(&["t/never", "u/x"]).unwrap_err();
    assert_eq!(error.kind(), crate::Kind::Usage);
    let said = error.to_string();
    assert!(
        said.starts_with("there is no /")
            && said.ends_with("/t/never, nor anything else that is in the list")
    );
    assert!(listed(&["t/b/below"]).unwrap_err().to_string().ends_with("/t/b/below"));
}

#[test]
fn what_is_left_out_is_counted_and_a_directory_once() {
    let temp = tempfile::tempdir().unwrap();
    write(temp.path(), &["t/a.o", "t/b.o", "t/c", "t/cache/1", "t/cache/2"]);
    let mut walk =
        Walk::of(Roots::new(&[temp.path().join("t")]).unwrap().without(excluding(&["*.o", "cache/"], false)));
    assert_eq!(walk.by_ref().count(), 3, "t, c and the end of t");
    assert_eq!(walk.left_out(), 3);
}

/// The same trees, patterns and all, as git sees them.
#[test]
fn git_leaves_out_the_same() {
    let git = |directory: &Path, arguments: &[&str]| {
        let mut command = Command::new("git");
        command.arg("-C").arg(directory).args(["-c", "core.excludesFile="]).args(arguments);
        command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null").output()
    };
    if git(Path::new("/"), &["--version"]).is_err() {
        // There is nothing to compare with.
        return;
    }
    let (names, mut seed) = (["a", "b", "ab", "a.o", "b.log", "x-y"], 7u64);
    let mut draw = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % below
    };
    let parts = ["a", "b", "ab", "*", "?", "**", "*.o", "[ab]", "[!a]*", "x-y", "a*", "\\a", "[a-", "b.log"];
    for round in 0..60 {
        let temp = tempfile::tempdir().unwrap();
        let top = temp.path().join("t");
        for _ in 0..25 {
            let depth = 1 + draw(3);
            let path = (0..depth).map(|_| names[draw(names.len())]).collect::<Vec<_>>().join("/");
            let path = top.join(path);
            // Something may stand in the way: then it is another tree.
            if std::fs::create_dir_all(path.parent().unwrap()).is_ok() && !path.exists() {
                std::fs::write(path, b"x").unwrap();
            }
        }
        std::fs::create_dir_all(&top).unwrap();
        assert!(git(&top, &["init", "-q"]).unwrap().status.success());
        let mut told = String::new();
        for directory in ["", "a", "ab"].map(|name| top.join(name)).iter().filter(|path| path.is_dir()) {
            let mut rules = String::new();
            for _ in 0..=draw(4) {
                let pattern = (0..=draw(3)).map(|_| parts[draw(parts.len())]).collect::<Vec<_>>().join("/");
                let (before, after) = (["", "", "/", "!"][draw(4)], ["", "", "/"][draw(3)]);
                rules.push_str(&format!("{before}{pattern}{after}\n"));
            }
            std::fs::write(directory.join(".gitignore"), &rules).unwrap();
            told.push_str(&format!("{}:\n{rules}", directory.display()));
        }
        let seen = git(&top, &["ls-files", "-z", "--others", "--exclude-standard"]).unwrap();
        let seen: BTreeSet<String> = String::from_utf8(seen.stdout)
            .unwrap()
            .split('\0')
            .filter(|path| !path.is_empty())
            .map(str::to_owned)
            .collect();
        let roots = Roots::new(std::slice::from_ref(&top)).unwrap().without(excluding(&["/.git"], true));
        let ours: BTreeSet<String> = walked(roots)
            .iter()
            .filter(|path| !path.ends_with('/'))
            .map(|path| path.strip_prefix("t/").unwrap().to_owned())
            .collect();
        assert_eq!(ours, seen, "round {round}: {told}");
        // From below, what stands above counts as well, unless git would not have come here at all.
        let inner = top.join("ab");
        if inner.is_dir() && seen.iter().any(|path| path.starts_with("ab/")) {
            let roots = Roots::new(&[inner]).unwrap().without(excluding(&[], true));
            let ours: BTreeSet<String> =
                walked(roots).into_iter().filter(|path| !path.ends_with('/')).collect();
            let seen: BTreeSet<String> = seen.into_iter().filter(|path| path.starts_with("ab/")).collect();
            assert_eq!(ours, seen, "round {round}, from ab: {told}");
        }
    }
}

const RULES_BYTES: u64 = super::super::exclude::RULES_BYTES_MAX;

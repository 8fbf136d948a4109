//! Places that cannot be written to: the receiver ends with 7 and says why, the sender knows, and nothing half stands anywhere.

use std::os::unix::fs::{PermissionsExt as _, chown};
use std::process::Command;

#[cfg(target_os = "linux")]
use rustix::process::Signal;

use super::program::{Program, p2pc, typed};
use super::scene::{Halfway, Scene};
use super::{CODE, names, small_file};

#[test]
fn a_directory_in_the_place_of_a_file_is_left_and_the_rest_arrives() {
    let scene = Scene::new();
    std::fs::create_dir(&scene.source).unwrap();
    for name in ["a", "b", "c"] {
        std::fs::write(scene.source.join(name), name).unwrap();
    }
    std::fs::create_dir_all(scene.arrived().join("b/inside")).unwrap();
    for options in [&[][..], &["--on-conflict", "overwrite"], &["--on-conflict", "rename"]] {
        let sender = Program::start(&mut scene.sends(&scene.relay.url));
        let received = Program::start(&mut scene.receives(options)).exits(7);
        for side in [sender.exits(9), received] {
            assert!(side.stderr.contains("a directory of that name is in the way"), "{}", side.stderr);
            assert!(side.stderr.contains("1 entry was not delivered"), "{}", side.stderr);
        }
        assert_eq!(names(&scene.arrived()), ["a", "b", "c"]);
        assert_eq!(names(&scene.arrived().join("b")), ["inside"]);
    }
}

#[test]
fn a_directory_that_may_only_be_read_fails_alone() {
    let scene = Scene::new();
    for name in ["kept", "open"] {
        std::fs::create_dir_all(scene.source.join(name)).unwrap();
        std::fs::write(scene.source.join(name).join("file"), name).unwrap();
        std::fs::create_dir_all(scene.arrived().join(name)).unwrap();
    }
    // Root may write anywhere, so that somebody else receives then.
    for place in
        [scene.dir.path().to_owned(), scene.out.clone(), scene.arrived(), scene.arrived().join("open")]
    {
        std::fs::set_permissions(&place, std::fs::Permissions::from_mode(0o755)).unwrap();
        let _ = chown(place, Some(NOBODY), Some(NOBODY));
    }
    let kept = scene.arrived().join("kept");
    std::fs::set_permissions(&kept, std::fs::Permissions::from_mode(0o555)).unwrap();
    let sender = Program::start(&mut scene.sends(&scene.relay.url));
    let received = Program::start(&mut by_nobody(scene.receives(&[]))).exits(7);
    for side in [sender.exits(9), received] {
        assert!(side.stderr.contains("data/kept/file: the receiver cannot write it"), "{}", side.stderr);
    }
    assert_eq!(names(&kept), [""; 0]);
    assert_eq!(std::fs::read(scene.arrived().join("open/file")).unwrap(), b"open");
    // Once it may be written to, the same command finishes the job.
    std::fs::set_permissions(&kept, std::fs::Permissions::from_mode(0o755)).unwrap();
    let _ = chown(&kept, Some(NOBODY), Some(NOBODY));
    let sender = Program::start(&mut scene.sends(&scene.relay.url));
    Program::start(&mut by_nobody(scene.receives(&[]))).exits(0);
    sender.exits(0);
    assert_eq!(std::fs::read(kept.join("file")).unwrap(), b"kept");
}

/// The same command in the hands of somebody who may not write everywhere.
fn by_nobody(command: Command) -> Command {
    if !rustix::process::geteuid().is_root() {
        return command;
    }
    let nobody = NOBODY.to_string();
    let mut other = Command::new("setpriv");
    other.args(["--reuid", &nobody, "--regid", &nobody, "--clear-groups"]);
    other.arg(command.get_program()).args(command.get_args());
    other.stdin(std::process::Stdio::null());
    other.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    other
}

#[test]
fn an_output_directory_that_vanishes_is_noticed() {
    let scene = Scene::with_file(SIZE);
    let Halfway { line, sender, receiver } = scene.halfway(SIZE as u64 / 2);
    std::fs::remove_dir_all(&scene.out).unwrap();
    line.release();
    let (sent, received) = (sender.ends(), receiver.exits(7));
    assert!(matches!(sent.0, Some(8 | 9)), "{}", sent.1.stderr);
    assert!(received.stderr.contains("the output directory was removed"), "{}", received.stderr);
    assert!(!scene.out.exists());
    scene.carries(&[], 0);
    scene.is_equal();
}

#[test]
fn standard_output_without_room_ends_both_sides() {
    let scene = Scene::with_file(SIZE);
    let sender = Program::start(&mut scene.sends(&scene.relay.url));
    let mut command = scene.relay.receive("-".as_ref());
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let received = Program::start(command.stdout(full)).exits(7);
    assert!(received.stderr.contains("No space left on device"), "{}", received.stderr);
    assert!(sender.exits(8).stderr.contains("the other side"));
}

#[test]
fn a_limit_on_the_size_of_files_is_like_a_full_disk() {
    let scene = Scene::with_file(SIZE);
    let small = small_file(scene.dir.path());
    let sends = || {
        let mut command = scene.sends(&scene.relay.url);
        command.arg(&small);
        Program::start(&mut command)
    };
    let sender = sends();
    // In blocks of 512 bytes or 1024, as the shell has it.
    let limited = format!(
        "trap '' XFSZ; ulimit -f 6144; exec p2pc receive --yes --code {CODE} --relay {} --out '{}'",
        scene.relay.url,
        scene.out.display()
    );
    let received = Program::start(&mut typed(&limited)).exits(7);
    assert!(received.stderr.contains("File too large"), "{}", received.stderr);
    let (status, sent) = sender.ends();
    assert!(matches!(status, Some(8 | 9)), "{}", sent.stderr);
    assert!(!scene.arrived().exists());
    let sender = sends();
    Program::start(&mut scene.receives(&[])).exits(0);
    sender.exits(0);
    assert_eq!(names(&scene.out), ["data", "small"]);
    assert!(std::fs::read(scene.arrived()).unwrap() == std::fs::read(&scene.source).unwrap());
}

/// Beside those of the small files that wait for their commit there is no room for the handles of many directories.
#[test]
fn few_descriptors_do_for_many_directories() {
    let scene = Scene::new();
    for number in 0..120 {
        let dir = scene.source.join(format!("d{number}/e"));
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join("f"), b"x").unwrap();
    }
    let sender = Program::start(&mut scene.sends(&scene.relay.url));
    let limited = format!(
        "ulimit -n 40 && exec p2pc receive --yes --code {CODE} --relay {} --out '{}'",
        scene.relay.url,
        scene.out.display()
    );
    Program::start(&mut typed(&limited)).exits(0);
    sender.exits(0);
    assert_eq!(names(&scene.arrived()).len(), 120);
}

/// Files that wait for their names stay open, and so locked.
#[cfg(target_os = "linux")]
#[test]
fn a_receiver_asks_for_as_many_descriptors_as_it_has_a_use_for() {
    let scene = Scene::new();
    let few = format!(
        "ulimit -S -n 200 && exec p2pc receive --new-code --yes --relay {} --out '{}'",
        scene.relay.url,
        scene.out.display()
    );
    let mut receiver = Program::start(&mut typed(&few));
    receiver.prints();
    assert!(receiver.descriptors_max() > 200);
    receiver.signal(Signal::TERM);
    receiver.exits(143);
}

#[test]
fn an_output_directory_that_cannot_be_made_is_found_before_anybody_is_troubled() {
    let scene = Scene::new();
    let file = small_file(scene.dir.path());
    let mut command = p2pc("receive");
    command.args(["--yes", "--code", CODE, "--relay", &scene.relay.url, "--out"]).arg(file.join("out"));
    let said = Program::start(&mut command).exits(7).stderr;
    assert!(said.contains("Not a directory"), "{said}");
}

/// Nobody's number everywhere.
const NOBODY: u32 = 65_534;
const SIZE: usize = 12 << 20;

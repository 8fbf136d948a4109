//! What is printed where: the code on standard output, everything for people on standard error.

use super::program::{Program, p2pc};
use super::{CODE, Relay, small_file};

#[test]
fn quiet_prints_nothing_but_the_code() {
    let dir = tempfile::tempdir().unwrap();
    let (relay, file, out) = (Relay::start(), small_file(dir.path()), dir.path().join("out"));
    let mut sender = Program::start(p2pc("send").args(["-q", "--relay", &relay.url]).arg(file));
    let code = sender.prints();
    let mut command = p2pc("receive");
    let received = Program::start(command.args(["-qy", &code, "-o"]).arg(out)).exits(0);
    let sent = sender.exits(0);
    assert_eq!((sent.stderr.as_str(), received.stderr.as_str()), ("", ""));
    assert_eq!((sent.stdout, received.stdout), (format!("{code}\n").into_bytes(), Vec::new()));
}

#[test]
fn verbose_prints_one_line_for_each_entry() {
    let dir = tempfile::tempdir().unwrap();
    let (relay, tree, out) = (Relay::start(), dir.path().join("tree"), dir.path().join("out"));
    std::fs::create_dir(&tree).unwrap();
    for name in ["a", "b", "c"] {
        std::fs::write(tree.join(name), name).unwrap();
    }
    let sender = Program::start(relay.send().arg("-v").arg(&tree));
    let received = Program::start(relay.receive(&out).arg("-v")).exits(0);
    for side in [sender.exits(0), received] {
        for line in ["tree/a  1 B", "tree/b  1 B", "tree/c  1 B", "tree/"] {
            assert_eq!(
                side.stderr.lines().filter(|said| *said == line).count(),
                1,
                "{line}: {}",
                side.stderr
            );
        }
        assert!(side.stdout.is_empty());
    }
}

/// What is in the way, what cannot be read, what is no file, and what never was: each has what helps against it, at the side that can do it.
#[cfg(unix)]
#[test]
fn each_reason_has_its_own_hint_on_both_sides() {
    let dir = tempfile::tempdir().unwrap();
    let (relay, from, out) = (Relay::start(), dir.path().join("from"), dir.path().join("out"));
    for directory in [&from, &out.join("blocked")] {
        std::fs::create_dir_all(directory).unwrap();
    }
    for name in ["blocked", "there"] {
        std::fs::write(from.join(name), name).unwrap();
    }
    std::fs::write(out.join("there"), "older").unwrap();
    let listener = std::os::unix::net::UnixListener::bind(from.join("socket")).unwrap();
    let list = dir.path().join("list");
    std::fs::write(&list, "blocked\nthere\nsocket\nnever/was\n").unwrap();
    let sender = Program::start(relay.send().arg("--files-from").arg(&list).current_dir(&from));
    let receiver = Program::start(&mut relay.receive(&out));
    let (sent, received) = (sender.exits(9), receiver.exits(7));
    drop(listener);
    let hints = |said: &str| -> Vec<String> {
        let mut hints: Vec<String> =
            said.lines().filter(|line| line.starts_with("hint")).map(str::to_owned).collect();
        hints.sort();
        hints
    };
    let [blocked, never, socket, there] = &hints(&sent.stderr)[..] else { panic!("{}", sent.stderr) };
    assert!(
        blocked.starts_with("hint for blocked: The receiver has to move away what stands there"),
        "{blocked}"
    );
    assert!(never.starts_with("hint for never: Look at the list"), "{never}");
    assert!(socket.starts_with("hint for socket: Leave it out"), "{socket}");
    assert!(there.starts_with("hint for there: Send it again, to a receiver that"), "{there}");
    let [blocked, never, there] = &hints(&received.stderr)[..] else { panic!("{}", received.stderr) };
    assert!(blocked.starts_with("hint for blocked: Move away what stands there"), "{blocked}");
    assert!(never.starts_with("hint for never: The sender has to look at its list"), "{never}");
    assert!(there.starts_with("hint for there: To take it after all"), "{there}");
    for side in [sent, received] {
        assert!(
            side.stderr.contains("\n  never: there is no such path, though the list has it\n"),
            "{}",
            side.stderr
        );
        assert!(!side.stderr.contains("space"), "{}", side.stderr);
    }
    // Where nothing of a list is there, it is another place's.
    std::fs::write(&list, "never/was\nnor/this\n").unwrap();
    let ended = Program::start(relay.send().arg("--files-from").arg(&list).current_dir(&from)).exits(2);
    assert!(
        ended.stderr.contains("p2pc: there is no never/was, nor anything else that is in the list\n"),
        "{}",
        ended.stderr
    );
}

#[test]
fn the_end_says_how_much_and_where() {
    let dir = tempfile::tempdir().unwrap();
    let (relay, file, out) = (Relay::start(), small_file(dir.path()), dir.path().join("out"));
    let (sent, received) = relay.carries(relay.send().arg(file), &out, 0);
    assert!(sent.stderr.contains("Sent small, 5 B in "), "{}", sent.stderr);
    assert!(received.stderr.contains("1 file, 5 B: small"), "{}", received.stderr);
    let said: Vec<&str> = received.stderr.lines().collect();
    let [.., end, way] = said.as_slice() else { panic!("{said:?}") };
    assert!(end.starts_with("Received small, 5 B in ") && end.ends_with(&format!("into {}.", out.display())));
    assert!(way.starts_with("Way: "), "{way}");
    // Who was given the code passes it on to nobody.
    assert!(!received.stderr.contains(CODE), "{}", received.stderr);
}

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

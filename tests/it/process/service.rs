//! A relay under a service manager: sockets that are passed, and what the manager is told.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::process::{Command, Stdio};

use rustix::process::Signal;

use super::program::{PATIENCE, Program, binary, p2pc};
use crate::relay::join;

/// A relay that finds this as descriptor 3, as systemd passes sockets. `whose` is said to be the process they are for.
fn passed(descriptor: OwnedFd, whose: &str, options: &[&str]) -> Command {
    let script = format!("exec 3<&0 </dev/null; LISTEN_FDS=1 LISTEN_PID={whose} exec \"$0\" relay \"$@\"");
    let mut command = Command::new("sh");
    command.args(["-c", &script, &binary()]).args(options);
    command.stdin(descriptor).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

#[test]
fn a_socket_that_is_passed_is_listened_on() {
    for more in [&[][..], &["--listen", "127.0.0.1:0"]] {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let mut relay = Program::start(&mut passed(socket.into(), "$$", more));
        assert_eq!(relay.prints(), format!("listening on ws://{address}"));
        for _ in more.iter().skip(1) {
            assert!(relay.prints().starts_with("listening on ws://127.0.0.1:"));
        }
        smol::block_on(async {
            let _sender = join(address, "r?role=send").await.unwrap();
            let _receiver = join(address, "r?role=receive").await.unwrap();
        });
        relay.signal(Signal::TERM);
        relay.exits(143);
    }
}

#[test]
fn sockets_for_somebody_else_are_left_alone_and_others_are_refused() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let said = Program::start(&mut passed(socket.into(), "1", &[])).exits(2).stderr;
    assert!(said.contains("neither --listen nor --cert"), "{said}");
    let file = std::fs::File::open("/dev/null").unwrap();
    let said = Program::start(&mut passed(file.into(), "$$", &[])).exits(2).stderr;
    assert!(said.contains("LISTEN_FDS") && said.contains("hint: "), "{said}");
}

#[test]
fn a_service_manager_is_told_when_it_serves_and_when_it_ends() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notify");
    let name = format!("p2pc-test-{}", std::process::id());
    let by_name = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    let by_path = UnixDatagram::bind(&path).unwrap();
    for (socket, told) in [(by_path, path.into_os_string()), (by_name, format!("@{name}").into())] {
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut command = p2pc("relay");
        let relay = Program::start(command.args(["--listen", "127.0.0.1:0"]).env("NOTIFY_SOCKET", told));
        assert_eq!(hears(&socket), "READY=1");
        relay.signal(Signal::TERM);
        assert_eq!(hears(&socket), "STOPPING=1\nEXTEND_TIMEOUT_USEC=45000000");
        relay.exits(143);
    }
}

fn hears(socket: &UnixDatagram) -> String {
    let mut said = [0; 256];
    let length = socket.recv(&mut said).unwrap();
    String::from_utf8(said[..length].to_vec()).unwrap()
}

#[test]
fn nobody_to_tell_is_no_trouble() {
    let mut command = p2pc("relay");
    command.args(["--listen", "127.0.0.1:0"]).env("NOTIFY_SOCKET", "/nowhere/at/all");
    let mut relay = Program::start(&mut command);
    relay.prints();
    relay.signal(Signal::INT);
    relay.exits(130);
}

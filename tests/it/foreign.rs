//! Servers that are not ours, from Debian's packages: started on a port that is free, and ended with the test.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A running server.
pub struct Server<K> {
    child: Child,
    pub port: u16,
    /// What it needs for as long as it runs: its configuration.
    _keep: K,
}

impl<K> Server<K> {
    /// Starts it on a free port, and on another where somebody else was quicker to take that.
    pub fn start(command_for: impl Fn(u16) -> (Command, K)) -> Server<K> {
        let mut servers = (0..PORTS_MAX).filter_map(|_| {
            let port = free_port();
            let (mut command, keep) = command_for(port);
            let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            let mut server = Server { child: child.spawn().unwrap(), port, _keep: keep };
            server.comes_up().then_some(server)
        });
        servers.next().expect("the server ends on every port")
    }

    /// Waits until it accepts a connection: none of them says when it is ready. False when it ends instead.
    fn comes_up(&mut self) -> bool {
        let started = Instant::now();
        loop {
            // Who answers on the port of one that has ended is somebody else, so its end is looked for after the connection.
            let accepts = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok();
            if self.child.try_wait().unwrap().is_some() {
                return false;
            }
            if accepts {
                return true;
            }
            assert!(started.elapsed() < START_TIMEOUT, "the server does not listen");
            std::thread::yield_now();
        }
    }
}

impl<K> Drop for Server<K> {
    fn drop(&mut self) {
        // In order where that is possible: those with several processes end all of them then.
        #[cfg(unix)]
        let _ = rustix::process::kill_process(
            rustix::process::Pid::from_child(&self.child),
            rustix::process::Signal::TERM,
        );
        #[cfg(not(unix))]
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that was free a moment ago: none of them can choose one and say which.
pub fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

/// A port is lost to somebody else once in a while; this often in a row, the server itself does not work.
const PORTS_MAX: usize = 10;

/// Far more than any of them needs, even on a busy machine.
const START_TIMEOUT: Duration = Duration::from_secs(20);

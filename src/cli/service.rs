//! What a service manager such as systemd gives and is told: listening sockets that were opened for us, and where we are.
//!
//! Both by environment: `LISTEN_FDS` with `LISTEN_PID`, and `NOTIFY_SOCKET`. Where they are not set, nobody gives or asks anything.

use std::net::TcpListener;
use std::time::Duration;

use crate::Result;

/// The listening sockets that were passed to this process. To be called once, before there are threads.
///
/// # Errors
/// One of them is no listening TCP socket.
#[cfg(unix)]
pub fn sockets() -> Result<Vec<TcpListener>> {
    use crate::{Error, Kind};

    let mut passed = listenfd::ListenFd::from_env();
    let mut sockets = Vec::new();
    for place in 0..passed.len() {
        let socket = passed.take_tcp_listener(place).map_err(|error| {
            Error::new(Kind::Usage, "a socket that was passed in LISTEN_FDS is none that can be listened on")
                .hint("In a unit of systemd, say ListenStream= with a port.")
                .caused_by(error)
        })?;
        sockets.extend(socket);
    }
    Ok(sockets)
}

/// Nobody passes sockets here.
#[cfg(not(unix))]
pub fn sockets() -> Result<Vec<TcpListener>> {
    Ok(Vec::new())
}

/// Whoever started this process and wants to know how it fares.
#[derive(Debug)]
pub struct Manager {
    #[cfg(unix)]
    socket: Option<std::os::unix::net::UnixDatagram>,
}

impl Manager {
    /// The one that the environment names, if any.
    #[must_use]
    pub fn of_process() -> Manager {
        Manager {
            #[cfg(unix)]
            socket: std::env::var_os("NOTIFY_SOCKET").and_then(|name| connect(&name).ok()),
        }
    }

    /// It serves from now on.
    pub fn ready(&self) {
        self.tell("READY=1");
    }

    /// It reads its files again, and says [`Manager::ready`] when it has.
    pub fn reloading(&self) {
        #[cfg(unix)]
        {
            // By when it is known which of several requests this answers.
            let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
            let now_us = now.tv_sec * 1_000_000 + now.tv_nsec / 1000;
            self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={now_us}"));
        }
    }

    /// It ends, and may take so long.
    pub fn stopping(&self, within: Duration) {
        self.tell(&format!("STOPPING=1\nEXTEND_TIMEOUT_USEC={}", within.as_micros()));
    }

    /// A manager that does not listen is no reason to do anything else.
    fn tell(&self, state: &str) {
        #[cfg(unix)]
        if let Some(socket) = &self.socket {
            let _ = socket.send(state.as_bytes());
        }
        #[cfg(not(unix))]
        let _ = state;
    }
}

/// To a path, or with `@` in front to a name in the abstract space of Linux.
#[cfg(unix)]
fn connect(name: &std::ffi::OsStr) -> std::io::Result<std::os::unix::net::UnixDatagram> {
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::net::UnixDatagram;

    let socket = UnixDatagram::unbound()?;
    match name.as_bytes().strip_prefix(b"@") {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        Some(name) => {
            #[cfg(target_os = "android")]
            use std::os::android::net::SocketAddrExt as _;
            #[cfg(target_os = "linux")]
            use std::os::linux::net::SocketAddrExt as _;
            socket.connect_addr(&std::os::unix::net::SocketAddr::from_abstract_name(name)?)?;
        }
        _ => socket.connect(std::path::Path::new(name))?,
    }
    // Whoever does not read must not hold a relay up.
    socket.set_nonblocking(true)?;
    Ok(socket)
}

//! nginx or `HAProxy` as `dist/` configures it, with TLS, in front of relays of a test.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::super::tls::vector;
use crate::foreign::Server;

/// It ends with the value.
pub struct Front(Server<TempDir>);

impl Front {
    pub fn nginx(relays: &[SocketAddr]) -> Front {
        Front::start(|directory, port| {
            let shipped = Shipped::read("nginx.conf")
                .with("listen 443 ssl;", &format!("listen 127.0.0.1:{port} ssl;"))
                .with("/etc/nginx/p2pc/fullchain.pem", &vector("p256.pem"))
                .with("/etc/nginx/p2pc/key.pem", &vector("p256.pem"))
                .with_servers(relays, |_, address| format!("    server {address} max_fails=0;\n"));
            fs::write(directory.join("p2pc.conf"), shipped.0).unwrap();
            // What Debian's own file has around it; two workers, so that they have to agree.
            let paths: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
                .map(|name| format!("{name}_temp_path {name};"))
                .concat();
            let main = format!(
                "daemon off; user root; worker_processes 2; pid pid; error_log stderr;\n\
                 events {{ worker_connections 4096; }}\n\
                 http {{ access_log off; {paths} include p2pc.conf; }}\n"
            );
            let path = directory.join("nginx.conf");
            fs::write(&path, main).unwrap();
            let mut command = server("nginx");
            command.arg("-e").arg("stderr").arg("-p").arg(directory).arg("-c").arg(path);
            command
        })
    }

    pub fn haproxy(relays: &[SocketAddr]) -> Front {
        Front::start(|directory, port| {
            let shipped = Shipped::read("haproxy.cfg")
                // It starts only where the system would let it have all of them.
                .with("maxconn 20000", "maxconn 1000")
                .with("bind :443 ", &format!("bind 127.0.0.1:{port} "))
                .with("/etc/haproxy/p2pc.pem", &vector("p256.pem"))
                .with_servers(relays, |number, address| format!("    server relay{number} {address}\n"));
            let path = directory.join("haproxy.cfg");
            fs::write(&path, shipped.0).unwrap();
            let mut command = server("haproxy");
            command.arg("-db").arg("-f").arg(path);
            command
        })
    }

    pub fn url(&self) -> String {
        format!("wss://127.0.0.1:{}", self.0.port)
    }

    fn start(command_for: impl Fn(&Path, u16) -> Command) -> Front {
        Front(Server::start(|port| {
            let directory = TempDir::new().unwrap();
            (command_for(directory.path(), port), directory)
        }))
    }
}

/// A configuration of `dist/`, with what is of this machine put into it. What is not found would not be tested.
struct Shipped(String);

impl Shipped {
    fn read(name: &str) -> Shipped {
        Shipped(
            fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("dist").join(name)).unwrap(),
        )
    }

    fn with(self, from: &str, to: &str) -> Shipped {
        assert_eq!(self.0.matches(from).count(), 1, "{from}");
        Shipped(self.0.replace(from, to))
    }

    /// Other relays in place of those of the example.
    fn with_servers(self, relays: &[SocketAddr], line: impl Fn(usize, SocketAddr) -> String) -> Shipped {
        let is_server = |line: &str| line.trim_start().starts_with("server ") && line.contains(" 10.0.0.1");
        assert_eq!(self.0.lines().filter(|line| is_server(line)).count(), 3);
        let (before, _) = self.0.split_once(self.0.lines().find(|line| is_server(line)).unwrap()).unwrap();
        let after = self.0.lines().rev().take_while(|line| !is_server(line)).collect::<Vec<_>>();
        let servers: String =
            relays.iter().enumerate().map(|(number, address)| line(number, *address)).collect();
        let after: String = after.into_iter().rev().flat_map(|line| [line, "\n"]).collect();
        Shipped(format!("{before}{servers}{after}"))
    }
}

/// Debian keeps them where only root's shell looks.
fn server(name: &str) -> Command {
    let mut command = Command::new(name);
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{path}:/usr/sbin"));
    command
}

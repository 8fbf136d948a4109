//! scp, with an sshd of our own on a free port: no relay, and a connection that has to be let in. What users have where that is possible.

use std::fs;
use std::io::{self, Error};
use std::net::{IpAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Job, Relay, Shape, Tool, installed};
use crate::place::{Host, Place};
use crate::process::Process;

/// The programs.
pub struct Scp {
    client: PathBuf,
    server: PathBuf,
    keygen: PathBuf,
}

impl Scp {
    /// If they are installed.
    pub fn find() -> Option<Scp> {
        Some(Scp { client: installed("scp")?, server: installed("sshd")?, keygen: installed("ssh-keygen")? })
    }

    fn key(&self, at: &Path) -> io::Result<()> {
        if at.exists() {
            return Ok(());
        }
        let mut command = Command::new(&self.keygen);
        let status = command.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(at).status()?;
        if status.success() { Ok(()) } else { Err(Error::other("ssh-keygen failed")) }
    }
}

impl Tool for Scp {
    fn name(&self) -> String {
        "scp".to_owned()
    }

    fn variant(&self) -> String {
        "direct, aes128-gcm".to_owned()
    }

    fn shape(&self) -> Shape {
        Shape::Push
    }

    fn cannot(&self, place: &Place, _source: &Path) -> Option<&'static str> {
        place.is_far().then_some("there is no way from one end to the other")
    }

    fn relay(&self, job: &Job<'_>) -> io::Result<Relay> {
        let (host_key, user_key) = (job.scratch.join("ssh_host_key"), job.scratch.join("ssh_user_key"));
        self.key(&host_key)?;
        self.key(&user_key)?;
        // Where it runs as root it insists on this directory.
        let _ = fs::create_dir_all("/run/sshd");
        let port = free_port(job.place.relay())?;
        let config = job.scratch.join("sshd_config");
        let path = |path: &Path| path.display().to_string();
        let lines = [
            format!("ListenAddress {}:{port}", job.place.relay()),
            format!("HostKey {}", path(&host_key)),
            format!("AuthorizedKeysFile {}.pub", path(&user_key)),
            "PidFile none".to_owned(),
            "StrictModes no".to_owned(),
            "UsePAM no".to_owned(),
            "PasswordAuthentication no".to_owned(),
            "PermitRootLogin prohibit-password".to_owned(),
            "Subsystem sftp internal-sftp".to_owned(),
        ];
        fs::write(&config, lines.join("\n") + "\n")?;
        let mut command = job.place.command(Host::Receiver, &self.server);
        command.args(["-D", "-e", "-f"]).arg(&config);
        let mut process = job.start("sshd", command)?;
        process.says(|line| line.contains("Server listening").then_some(()))?;
        Ok(Relay { processes: vec![process], addresses: vec![port.to_string()] })
    }

    fn send(&self, _job: &Job<'_>, _relay: &Relay) -> io::Result<(Process, String)> {
        Err(Error::other("scp has no sender that waits"))
    }

    fn receive(&self, job: &Job<'_>, relay: &Relay, _told: &str) -> Command {
        let mut command = job.place.command(Host::Sender, &self.client);
        command.args(["-q", "-r", "-F", "none", "-P", relay.address(), "-c", "aes128-gcm@openssh.com", "-i"]);
        command.arg(job.scratch.join("ssh_user_key"));
        for option in [
            "StrictHostKeyChecking=no",
            "UserKnownHostsFile=/dev/null",
            "IdentitiesOnly=yes",
            "BatchMode=yes",
            "LogLevel=ERROR",
        ] {
            command.args(["-o", option]);
        }
        command.arg(job.source).arg(format!("{}:{}/", job.place.relay(), job.out.display()));
        command
    }
}

/// A port that is free now: sshd takes no other. Somebody else could take it before sshd does; then the run fails.
fn free_port(ip: IpAddr) -> io::Result<u16> {
    Ok(TcpListener::bind((ip, 0))?.local_addr()?.port())
}

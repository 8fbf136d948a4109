//! Where the configuration file is, and who may read and write it.

use std::ffi::OsString;
use std::fs::{self, File, Metadata};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::{Settings, parse};
use crate::{Error, Kind, Result};

/// A configuration file that there may be.
#[derive(Debug, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub path: PathBuf,
    /// Somebody named it: then it has to be there.
    pub named: bool,
    home: Option<PathBuf>,
}

/// What this process' environment says. A system without homes has no file.
pub fn of_process() -> Option<Place> {
    find(|name| std::env::var_os(name).filter(|value| !value.is_empty()))
}

fn find(variable: impl Fn(&str) -> Option<OsString>) -> Option<Place> {
    let home = variable(if cfg!(windows) { "USERPROFILE" } else { "HOME" }).map(PathBuf::from);
    if let Some(path) = variable("P2PC_CONFIG") {
        return Some(Place { path: path.into(), named: true, home });
    }
    let directory = if cfg!(windows) {
        variable("APPDATA").map(PathBuf::from)
    } else {
        // The XDG specification has relative ones ignored.
        let chosen = variable("XDG_CONFIG_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
        chosen.or_else(|| Some(home.as_ref()?.join(".config")))
    };
    Some(Place { path: directory?.join("p2pc").join("config.toml"), named: false, home })
}

impl Place {
    /// Reads what stands there; nothing does if it does not exist, unless it was named.
    ///
    /// # Errors
    ///
    /// [`Kind::Usage`].
    pub fn read(&self) -> Result<Settings> {
        let cannot = |error: std::io::Error| {
            Error::new(Kind::Usage, format!("cannot read the configuration in {}", self.path.display()))
                .hint("P2PC_CONFIG names another file; /dev/null is an empty one.")
                .caused_by(error)
        };
        let metadata = match fs::metadata(&self.path) {
            Err(error) if !self.named && is_absent(&error) => return Ok(Settings::default()),
            other => other.map_err(cannot)?,
        };
        // A pipe would have us wait for whoever writes into it.
        if metadata.is_dir() || is_pipe(&metadata) {
            return Err(self.wrong("is not a file").hint("P2PC_CONFIG names another one."));
        }
        let mut file = File::open(&self.path).map_err(cannot)?;
        let metadata = file.metadata().map_err(cannot)?;
        let mut text = Zeroizing::new(String::with_capacity(BYTES_MAX));
        file.by_ref().take(BYTES_MAX as u64 + 1).read_to_string(&mut text).map_err(cannot)?;
        if text.len() > BYTES_MAX {
            return Err(self.wrong("is too long for a configuration").hint("It can have 64 KiB."));
        }
        let settings = parse::parse(&self.path, &text, self.home.as_deref())?;
        self.check_owner(&metadata, settings.token().is_some())?;
        Ok(settings)
    }

    /// Who can write it decides where things go, and who can read a token can use it.
    #[cfg(unix)]
    fn check_owner(&self, metadata: &Metadata, has_token: bool) -> Result<()> {
        use std::os::unix::fs::MetadataExt as _;
        if !metadata.is_file() {
            return Ok(());
        }
        let mode = metadata.mode();
        let private = format!("chmod 600 {}", crate::cli::quote::quoted(self.path.as_os_str()));
        if mode & WRITABLE_BY_ALL != 0 {
            return Err(self
                .wrong(&format!("can be written by everybody (mode {:03o})", mode & 0o777))
                .hint(format!("Whoever writes it says which relay is used. Run: {private}")));
        }
        if has_token && mode & OPEN_TO_OTHERS != 0 {
            return Err(self
                .wrong(&format!("holds a token, and others can read it (mode {:03o})", mode & 0o777))
                .hint(format!("Run: {private}")));
        }
        let us = rustix::process::geteuid().as_raw();
        if metadata.uid() != us && metadata.uid() != ROOT {
            return Err(self
                .wrong("belongs to another user")
                .hint("Use a file of your own: P2PC_CONFIG names one."));
        }
        Ok(())
    }

    /// Below `%APPDATA%` files are their owner's.
    #[cfg(not(unix))]
    fn check_owner(&self, _: &Metadata, _: bool) -> Result<()> {
        Ok(())
    }

    fn wrong(&self, what: &str) -> Error {
        Error::new(Kind::Usage, format!("the configuration in {} {what}", self.path.display()))
    }
}

fn is_absent(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory)
}

#[cfg(unix)]
fn is_pipe(metadata: &Metadata) -> bool {
    use std::os::unix::fs::FileTypeExt as _;
    metadata.file_type().is_fifo()
}

#[cfg(not(unix))]
fn is_pipe(_: &Metadata) -> bool {
    false
}

/// Shown to people, also where nothing is there.
pub fn described(place: Option<&Place>) -> Result<&Path> {
    place.map(|place| place.path.as_path()).ok_or_else(|| {
        Error::new(Kind::Usage, "this system does not say where configurations are")
            .hint("Set HOME, or name a file in P2PC_CONFIG.")
    })
}

/// Some hundred times what all keys together take.
const BYTES_MAX: usize = 64 << 10;
#[cfg(unix)]
const WRITABLE_BY_ALL: u32 = 0o002;
#[cfg(unix)]
const OPEN_TO_OTHERS: u32 = 0o077;
#[cfg(unix)]
const ROOT: u32 = 0;

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_where_the_system_has_such_files() {
        let found = |set: &[(&str, &str)]| {
            let value = |name: &str| set.iter().find(|(set, _)| *set == name).map(|(_, value)| value.into());
            find(value).map(|place| (place.path, place.named))
        };
        let at = |path: &str, named| Some((PathBuf::from(path), named));
        assert_eq!(found(&[("HOME", "/h")]), at("/h/.config/p2pc/config.toml", false));
        assert_eq!(found(&[("HOME", "/h"), ("XDG_CONFIG_HOME", "/x")]), at("/x/p2pc/config.toml", false));
        assert_eq!(
            found(&[("HOME", "/h"), ("XDG_CONFIG_HOME", "x")]),
            at("/h/.config/p2pc/config.toml", false)
        );
        assert_eq!(found(&[("HOME", "/h"), ("P2PC_CONFIG", "mine.toml")]), at("mine.toml", true));
        assert_eq!(found(&[]), None);
    }
}

//! Where the configuration file is, and who may read and write it.

use std::ffi::OsString;
use std::fs::{self, File, Metadata};
use std::io::Read as _;
#[cfg(unix)]
use std::os::unix::fs::MetadataExt as _;
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
    // A relative one would have whoever wrote the current directory say what holds; the XDG specification has relative ones ignored, too.
    let whole = |name| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let home = whole(if cfg!(windows) { "USERPROFILE" } else { "HOME" });
    if let Some(path) = variable("P2PC_CONFIG") {
        return Some(Place { path: path.into(), named: true, home });
    }
    let directory = if cfg!(windows) {
        whole("APPDATA")
    } else {
        whole("XDG_CONFIG_HOME").or_else(|| Some(home.as_ref()?.join(".config")))
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
        self.check_writers(&metadata)?;
        let mut bytes = Zeroizing::new(Vec::with_capacity(BYTES_MAX + 1));
        file.by_ref().take(BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(cannot)?;
        if bytes.len() > BYTES_MAX {
            return Err(self.wrong("is too long for a configuration").hint("It can have 64 KiB."));
        }
        let text = std::str::from_utf8(&bytes)
            .map_err(|error| parse::not_text(&self.path, &bytes, error.valid_up_to()))?;
        let settings = parse::parse(&self.path, text, self.home.as_deref())?;
        if settings.token().is_some() {
            self.check_readers(&metadata)?;
        }
        Ok(settings)
    }

    /// Who can write it decides where things go: as with the configuration of ssh, that is its owner, who is us or root.
    #[cfg(unix)]
    fn check_writers(&self, metadata: &Metadata) -> Result<()> {
        let us = rustix::process::geteuid().as_raw();
        if metadata.is_file() && metadata.uid() != us && metadata.uid() != ROOT {
            return Err(self
                .wrong("belongs to another user")
                .hint("Use a file of your own: P2PC_CONFIG names one."));
        }
        self.check_mode(metadata, WRITABLE_BY_OTHERS, "can be written by others")
    }

    /// Who can read a token can use it: as with the keys of ssh, that is its owner.
    #[cfg(unix)]
    fn check_readers(&self, metadata: &Metadata) -> Result<()> {
        self.check_mode(metadata, OPEN_TO_OTHERS, "holds a token, and others can read it")
    }

    #[cfg(unix)]
    fn check_mode(&self, metadata: &Metadata, open: u32, what: &str) -> Result<()> {
        let mode = metadata.mode() & 0o777;
        // Devices, of which /dev/null is one, are everybody's.
        if !metadata.is_file() || mode & open == 0 {
            return Ok(());
        }
        let private = format!("chmod 600 {}", crate::cli::quote::quoted(self.path.as_os_str()));
        Err(self.wrong(&format!("{what} (mode {mode:03o})")).hint(format!("Run: {private}")))
    }

    /// Below `%APPDATA%` files are their owner's.
    #[cfg(not(unix))]
    fn check_writers(&self, _: &Metadata) -> Result<()> {
        Ok(())
    }

    /// As above.
    #[cfg(not(unix))]
    fn check_readers(&self, _: &Metadata) -> Result<()> {
        Ok(())
    }

    fn wrong(&self, what: &str) -> Error {
        Error::new(Kind::Usage, format!("the configuration in {} {what}", self.path.display()))
    }
}

/// Whether there is none for this user. A home that it may not look into is somebody else's: `HOME` often stays when a program is run as another one.
fn is_absent(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{NotADirectory, NotFound, PermissionDenied};
    matches!(error.kind(), NotFound | NotADirectory | PermissionDenied)
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
const WRITABLE_BY_OTHERS: u32 = 0o022;
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
        for nowhere in [&[][..], &[("HOME", "h")], &[("XDG_CONFIG_HOME", "x")], &[("APPDATA", "/a")]] {
            assert_eq!(found(nowhere), None, "{nowhere:?}");
        }
        assert_eq!(found(&[("XDG_CONFIG_HOME", "/x")]), at("/x/p2pc/config.toml", false));
    }
}

//! What a relay hands out besides rooms: what it is, the script that installs the client, and the client itself.
//!
//! ```text
//! GET /             three lines for a terminal, a page for a browser
//! GET /install.sh   picks the binary for the machine, fetches it, and checks it against the SHA-256 in the script
//! GET /dl/TARGET    a binary
//! ```
//!
//! So a second machine needs one command. Whoever runs it trusts this relay with more than its rooms: a relay cannot read what passes, but what it
//! hands out here runs on the machine that asked. Between the two stands TLS; the SHA-256 tells a torn or mixed-up file, not a dishonest relay.

mod address;
mod deliver;
mod pages;
mod shelf;

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

pub use address::PublicUrl;
pub use deliver::deliver;

use super::http::{self, Answer, Asked, Reader};
use super::options;
use crate::Result;
use shelf::{Binary, Shelf};

/// What one relay hands out.
#[derive(Debug)]
pub struct Front {
    public_url: Option<PublicUrl>,
    dl_dir: Option<PathBuf>,
    /// The relay itself speaks TLS.
    secure: bool,
    shelf: Mutex<Arc<Shelf>>,
    fetching: Arc<AtomicUsize>,
}

/// One answer, ready to be written.
#[derive(Debug)]
pub struct Handout {
    /// `Content-Type`.
    kind: &'static str,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Text(String),
    Binary { binary: Binary, name: &'static str, _place: Place },
}

/// One of the places for those who fetch a binary, for as long as it lives.
#[derive(Debug)]
struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Front {
    /// Reads what there is to hand out. Blocks on the disk. `secure`: the relay itself speaks TLS.
    ///
    /// # Errors
    /// Kind `Usage`: an address or a directory that is none.
    pub fn open(options: &options::Front, secure: bool) -> Result<Front> {
        let public_url = options.public_url.as_deref().map(PublicUrl::parse).transpose()?;
        let shelf = Mutex::new(Arc::new(Shelf::fill(options.dl_dir.as_deref())?));
        let dl_dir = options.dl_dir.clone();
        Ok(Front { public_url, dl_dir, secure, shelf, fetching: Arc::default() })
    }

    /// Reads the binaries again. Those that are being fetched stay what they were. Blocks on the disk.
    ///
    /// # Errors
    /// The directory cannot be read; what there was before stays.
    pub fn reload(&self) -> Result<()> {
        let shelf = Arc::new(Shelf::fill(self.dl_dir.as_deref())?);
        *self.shelf.lock().unwrap_or_else(PoisonError::into_inner) = shelf;
        Ok(())
    }

    /// What to answer to somebody who asks for something that is no seat; `None` when this is not for us. `trusted`: what stands in front of us is believed.
    ///
    /// # Errors
    /// An ordinary answer that says why not.
    pub fn hand_out(&self, asked: &Asked, reader: &Reader, trusted: bool) -> Result<Option<Handout>, Answer> {
        let shelf = Arc::clone(&self.shelf.lock().unwrap_or_else(PoisonError::into_inner));
        let text = |kind, text| Ok(Some(Handout { kind, content: Content::Text(text) }));
        match asked {
            Asked::Index if reader.wants_html => {
                text(HTML, pages::html(&self.address(reader, trusted)?, shelf.sums()))
            }
            Asked::Index => text(PLAIN, pages::plain(&self.address(reader, trusted)?)),
            Asked::Script => text(SCRIPT, pages::script(&self.address(reader, trusted)?, shelf.sums())),
            Asked::Binary(target) => {
                let binary = shelf.get(target).ok_or(http::NO_BINARY)?.clone();
                let place = self.place().ok_or(http::BUSY)?;
                let name = if target.contains("windows") { "p2pc.exe" } else { "p2pc" };
                let content = Content::Binary { binary, name, _place: place };
                Ok(Some(Handout { kind: BINARY, content }))
            }
            Asked::Health | Asked::Room(_) => Ok(None),
        }
    }

    fn address(&self, reader: &Reader, trusted: bool) -> Result<PublicUrl, Answer> {
        if let Some(public_url) = &self.public_url {
            return Ok(public_url.clone());
        }
        let secure = self.secure || (trusted && reader.https_in_front);
        reader.host.as_deref().and_then(|host| PublicUrl::of_host(host, secure)).ok_or(http::BAD_HOST)
    }

    fn place(&self) -> Option<Place> {
        let taken = Place(Arc::clone(&self.fetching));
        (self.fetching.fetch_add(1, Ordering::Relaxed) < FETCHING_MAX).then_some(taken)
    }
}

/// How many fetch a binary at a time: each holds one piece of it in memory, and takes from what sessions have of the line.
const FETCHING_MAX: usize = 32;

const HTML: &str = "text/html; charset=utf-8";
const PLAIN: &str = "text/plain; charset=utf-8";
const SCRIPT: &str = "text/x-shellscript; charset=utf-8";
const BINARY: &str = "application/octet-stream";

#[cfg(test)]
mod tests;

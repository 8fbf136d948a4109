//! What a relay hands out besides rooms: what it is, the script that installs the client, and the client itself.
//!
//! ```text
//! GET /             three lines for a terminal, a page for a browser
//! GET /install.sh   picks the binary for the machine, fetches it, and checks it against the SHA-256 in the script
//! GET /dl/TARGET    a binary; with ?sha256=… that one or none
//! ```
//!
//! So a second machine needs one command. Whoever runs it trusts this relay with more than its rooms: a relay cannot read what passes, but what it
//! hands out here runs on the machine that asked. Between the two stands TLS; the SHA-256 tells a torn or mixed-up file, not a dishonest relay.

mod address;
mod deliver;
mod pages;
mod places;
mod shelf;

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

pub use address::PublicUrl;
pub use deliver::deliver;

use super::gate::Source;
use super::http::{self, Answer, Asked, Reader};
use super::options;
use crate::Result;
use places::{Place, Places};
use shelf::{Binary, Shelf};

/// What one relay hands out.
#[derive(Debug)]
pub struct Front {
    public_url: Option<PublicUrl>,
    dl_dir: Option<PathBuf>,
    /// The relay itself speaks TLS.
    secure: bool,
    shelf: Mutex<Arc<Shelf>>,
    places: Places,
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
    /// Who asks for no more than its length needs no place.
    Binary {
        binary: Binary,
        name: &'static str,
        _place: Option<Place>,
    },
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
        Ok(Front { public_url, dl_dir, secure, shelf, places: Places::default() })
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

    /// What to answer to somebody at `address` who asks for something that is no seat; `None` when this is not for us. `trusted`: what stands in
    /// front of us is believed.
    ///
    /// # Errors
    /// An ordinary answer that says why not.
    pub fn hand_out(
        &self,
        asked: &Asked,
        reader: &Reader,
        address: IpAddr,
        trusted: bool,
    ) -> Result<Option<Handout>, Answer> {
        let shelf = Arc::clone(&self.shelf.lock().unwrap_or_else(PoisonError::into_inner));
        let text = |kind, text| Ok(Some(Handout { kind, content: Content::Text(text) }));
        match asked {
            Asked::Index if reader.wants_html => {
                text(HTML, pages::html(&self.address(reader, trusted)?, shelf.sums()))
            }
            Asked::Index => text(PLAIN, pages::plain(&self.address(reader, trusted)?)),
            Asked::Script => text(SCRIPT, pages::script(&self.address(reader, trusted)?, shelf.sums())),
            Asked::Binary { target, sum } => {
                let binary = shelf.get(target).ok_or(http::NO_BINARY)?.clone();
                if sum.as_ref().is_some_and(|sum| !sum.eq_ignore_ascii_case(&binary.sum)) {
                    return Err(http::OTHER_BINARY);
                }
                let place =
                    if reader.head_only { None } else { Some(self.places.take(Source::of(address))?) };
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
}

const HTML: &str = "text/html; charset=utf-8";
const PLAIN: &str = "text/plain; charset=utf-8";
const SCRIPT: &str = "text/x-shellscript; charset=utf-8";
const BINARY: &str = "application/octet-stream";

#[cfg(test)]
mod tests;

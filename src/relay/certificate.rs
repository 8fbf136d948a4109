//! The certificate of a relay, which changes every few weeks while the relay runs for a year.
//!
//! The files are read every few seconds and compared by their contents: they are small, and their sizes and times could lie. New
//! connections get what is in force at that moment; those that are there, and sessions of TLS that are resumed, have no use for it.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use sha2::{Digest as _, Sha256};

use super::options::TlsFiles;
use crate::net::tls::{self, PemPair};
use crate::{Error, Kind, Result};

/// The files, and what was in them last.
pub struct Certificate {
    files: TlsFiles,
    in_force: Arc<InForce>,
    /// What the last look came to, of use or not: each is told once.
    seen: [u8; 32],
}

/// What new connections get.
pub struct InForce(RwLock<Arc<CertifiedKey>>);

/// What a look at the files came to.
#[derive(Debug)]
pub enum Look {
    /// What is in them was looked at before.
    Unchanged,
    /// What is in them is in force now.
    Replaced,
    /// They are of no use, and what was in force is.
    Unusable(Error),
}

impl Certificate {
    /// Reads the files.
    ///
    /// # Errors
    /// Kind `Usage`: they are of no use.
    pub fn read(files: &TlsFiles) -> Result<Certificate> {
        let pair = PemPair::read(&files.cert, files.key.as_deref())?;
        let in_force = Arc::new(InForce(RwLock::new(Arc::new(certified(&pair)?))));
        Ok(Certificate { files: files.clone(), in_force, seen: pair.digest() })
    }

    /// For the configuration of TLS.
    #[must_use]
    pub fn in_force(&self) -> Arc<InForce> {
        Arc::clone(&self.in_force)
    }

    /// Looks at the files.
    pub fn look(&mut self) -> Look {
        let (seen, certified) = match read_again(&self.files) {
            Ok(pair) if pair.digest() == self.seen => return Look::Unchanged,
            Ok(pair) => (pair.digest(), certified(&pair)),
            Err(error) => (Sha256::digest(chain_of(&error)).into(), Err(error)),
        };
        if std::mem::replace(&mut self.seen, seen) == seen {
            return Look::Unchanged;
        }
        match certified {
            Ok(certified) => {
                *self.in_force.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(certified);
                Look::Replaced
            }
            Err(error) => Look::Unusable(error),
        }
    }

    /// The SHA-256 of the certificate in force, in hexadecimal, as `openssl x509 -fingerprint -sha256` shows it.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let certified = self.in_force.get();
        let digest = certified.cert.first().map(Sha256::digest).unwrap_or_default();
        digest.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":")
    }
}

impl InForce {
    fn get(&self) -> Arc<CertifiedKey> {
        // Nothing panics while it holds the lock.
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ResolvesServerCert for InForce {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.get())
    }
}

impl fmt::Debug for InForce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InForce(..)")
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate").field("files", &self.files).finish_non_exhaustive()
    }
}

fn certified(pair: &PemPair) -> Result<CertifiedKey> {
    pair.certified(&tls::provider())
}

/// What could be read once may be a pipe that nobody writes into again: whoever opens that waits for ever.
fn read_again(files: &TlsFiles) -> Result<PemPair> {
    for path in std::iter::once(&files.cert).chain(&files.key) {
        if std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
            return Err(Error::new(Kind::Usage, format!("{} is not a regular file", path.display())));
        }
    }
    PemPair::read(&files.cert, files.key.as_deref())
}

/// An error with all that caused it.
pub fn chain_of(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests;

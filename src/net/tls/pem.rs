//! Certificates and keys in PEM files.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use rustls::crypto::CryptoProvider;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::{Error, Kind, Result};

/// A relay's certificate chain and its private key, as they stand in their files. Wiped from memory when dropped.
pub struct PemPair {
    cert: Pem,
    /// `None`: it stands in the file of the certificate.
    key: Option<Pem>,
}

struct Pem {
    path: PathBuf,
    /// Zeroizing, because it may hold a private key.
    bytes: Zeroizing<Vec<u8>>,
}

impl PemPair {
    /// Reads both. Without `key` the file `cert` holds both. Whether they are of any use, [`PemPair::certified`] says.
    ///
    /// # Errors
    /// Kind `Usage`: a file cannot be read.
    pub fn read(cert: &Path, key: Option<&Path>) -> Result<PemPair> {
        Ok(PemPair { cert: Pem::read(cert)?, key: key.map(Pem::read).transpose()? })
    }

    /// A hash of all that stands in the files: whether they have changed.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        for pem in std::iter::once(&self.cert).chain(&self.key) {
            hash.update(Sha256::digest(&*pem.bytes));
        }
        hash.finalize().into()
    }

    /// What signs with it.
    ///
    /// # Errors
    /// Kind `Usage`: a file lacks what it should hold, the key is of a kind this machine cannot sign with, or key and certificate do
    /// not belong together.
    pub fn certified(&self, provider: &CryptoProvider) -> Result<CertifiedKey> {
        let (cert, key) = (&self.cert, self.key.as_ref().unwrap_or(&self.cert));
        let chain = cert.certificates()?;
        let signing_key = provider.key_provider.load_private_key(key.private_key()?).map_err(|error| {
            Error::new(Kind::Usage, format!("cannot sign with the private key in {}", key.path.display()))
                .hint(
                    "An ECDSA P-256 key works on every machine; RSA keys need a processor with AVX2 and AES.",
                )
                .caused_by(error)
        })?;
        let certified = CertifiedKey::new(chain, signing_key);
        match certified.keys_match() {
            Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => Ok(certified),
            Err(rustls::Error::InconsistentKeys(_)) => Err(Error::new(
                Kind::Usage,
                format!(
                    "the private key in {} does not belong to the first certificate in {}",
                    key.path.display(),
                    cert.path.display()
                ),
            )
            .hint("Put the relay's own certificate first, those of its issuers after it.")),
            Err(error) => Err(Error::new(
                Kind::Usage,
                format!("the first certificate in {} is damaged", cert.path.display()),
            )
            .caused_by(error)),
        }
    }
}

impl fmt::Debug for PemPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PemPair").field("cert", &self.cert.path).finish_non_exhaustive()
    }
}

impl Pem {
    fn read(path: &Path) -> Result<Pem> {
        let cannot = |error: io::Error| {
            Error::new(Kind::Usage, format!("cannot read {}", path.display())).caused_by(error)
        };
        let length = std::fs::metadata(path).map_err(cannot)?.len();
        if length > PEM_BYTES_MAX {
            return Err(Error::new(Kind::Usage, format!("{} is too large to be a PEM file", path.display())));
        }
        let bytes = std::fs::read(path).map(Zeroizing::new).map_err(cannot)?;
        Ok(Pem { path: path.to_owned(), bytes })
    }

    fn certificates(&self) -> Result<Vec<CertificateDer<'static>>> {
        let path = self.path.display();
        let certificates: Vec<CertificateDer<'static>> =
            CertificateDer::pem_slice_iter(&self.bytes).collect::<Result<_, _>>().map_err(|error| {
                Error::new(Kind::Usage, format!("{path} is not a proper PEM file")).caused_by(error)
            })?;
        if certificates.is_empty() {
            return Err(Error::new(Kind::Usage, format!("{path} holds no certificate"))
                .hint("A PEM certificate begins with -----BEGIN CERTIFICATE-----."));
        }
        Ok(certificates)
    }

    fn private_key(&self) -> Result<PrivateKeyDer<'static>> {
        let path = self.path.display();
        PrivateKeyDer::from_pem_slice(&self.bytes).map_err(|error| match error {
            rustls_pki_types::pem::Error::NoItemsFound => {
                Error::new(Kind::Usage, format!("{path} holds no private key")).hint(
                    "Name its file with --key, or put both into one. Keys with a passphrase cannot be used.",
                )
            }
            other => Error::new(Kind::Usage, format!("{path} is not a proper PEM file")).caused_by(other),
        })
    }
}

/// The certificates in a file.
pub(super) fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    Pem::read(path)?.certificates()
}

/// Bundles of all public authorities have some 250 KiB.
const PEM_BYTES_MAX: u64 = 4 << 20;

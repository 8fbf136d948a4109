//! The relay's own signature: ECDSA P-256 or Ed25519, from PKCS#8 or (P-256) SEC 1.

use std::fmt;
use std::sync::Arc;

use ed25519_dalek::Signer as _;
use p256::SecretKey;
use p256::ecdsa::signature::Signer as _;
use p256::pkcs8::{DecodePrivateKey, ObjectIdentifier, PrivateKeyInfoRef};
use rustls::crypto::KeyProvider;
use rustls::sign::{Signer, SigningKey, public_key_to_spki};
use rustls::{Error, SignatureAlgorithm, SignatureScheme};
use rustls_pki_types::{PrivateKeyDer, SubjectPublicKeyInfoDer, alg_id};

/// Loads private keys.
#[derive(Debug)]
pub(super) struct Keys;

impl KeyProvider for Keys {
    fn load_private_key(&self, key: PrivateKeyDer<'static>) -> Result<Arc<dyn SigningKey>, Error> {
        let loaded = match &key {
            PrivateKeyDer::Sec1(sec1) => SecretKey::from_sec1_der(sec1.secret_sec1_der()).ok().map(p256_key),
            PrivateKeyDer::Pkcs8(pkcs8) => from_pkcs8(pkcs8.secret_pkcs8_der()),
            _ => None,
        };
        loaded
            .ok_or_else(|| Error::General("only ECDSA P-256 and Ed25519 keys work on this processor".into()))
    }
}

fn from_pkcs8(der: &[u8]) -> Option<Arc<dyn SigningKey>> {
    if let Ok(secret) = SecretKey::from_pkcs8_der(der) {
        return Some(p256_key(secret));
    }
    let info = PrivateKeyInfoRef::try_from(der).ok()?;
    if info.algorithm.oid != ED25519_OID {
        return None;
    }
    // RFC 8410, section 7: the seed is an octet string inside the octet string.
    let seed = info.private_key.as_bytes().strip_prefix(&[0x04, 0x20])?;
    Some(Arc::new(Ed25519(Arc::new(ed25519_dalek::SigningKey::from_bytes(seed.try_into().ok()?)))))
}

fn p256_key(secret: SecretKey) -> Arc<dyn SigningKey> {
    Arc::new(P256(Arc::new(secret.into())))
}

#[derive(Clone)]
struct P256(Arc<p256::ecdsa::SigningKey>);

impl SigningKey for P256 {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        offered.contains(&self.scheme()).then(|| Box::new(self.clone()) as Box<dyn Signer>)
    }

    fn public_key(&self) -> Option<SubjectPublicKeyInfoDer<'_>> {
        let point = self.0.verifying_key().to_sec1_point(false);
        Some(public_key_to_spki(&alg_id::ECDSA_P256, point.as_bytes()))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ECDSA
    }
}

impl Signer for P256 {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let signature: p256::ecdsa::Signature =
            self.0.try_sign(message).map_err(|_| Error::General("signing failed".into()))?;
        Ok(signature.to_der().as_bytes().to_vec())
    }

    fn scheme(&self) -> SignatureScheme {
        SignatureScheme::ECDSA_NISTP256_SHA256
    }
}

#[derive(Clone)]
struct Ed25519(Arc<ed25519_dalek::SigningKey>);

impl SigningKey for Ed25519 {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        offered.contains(&self.scheme()).then(|| Box::new(self.clone()) as Box<dyn Signer>)
    }

    fn public_key(&self) -> Option<SubjectPublicKeyInfoDer<'_>> {
        Some(public_key_to_spki(&alg_id::ED25519, self.0.verifying_key().as_bytes()))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ED25519
    }
}

impl Signer for Ed25519 {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        Ok(self.0.sign(message).to_bytes().to_vec())
    }

    fn scheme(&self) -> SignatureScheme {
        SignatureScheme::ED25519
    }
}

impl fmt::Debug for P256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("P256").finish_non_exhaustive()
    }
}

impl fmt::Debug for Ed25519 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ed25519").finish_non_exhaustive()
    }
}

/// RFC 8410, section 3.
const ED25519_OID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

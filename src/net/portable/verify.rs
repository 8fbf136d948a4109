//! Verification of signatures in certificates and handshakes. Only public data is handled here.

use std::fmt;

use ::rsa::pkcs1::DecodeRsaPublicKey;
use ::rsa::signature::Verifier;
use ::rsa::traits::PublicKeyParts;
use ::rsa::{RsaPublicKey, pkcs1v15, pss};
use p256::ecdsa::signature::hazmat::PrehashVerifier;
use rustls::SignatureScheme;
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls_pki_types::{AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm, alg_id};
use sha2::{Digest, Sha256, Sha384, Sha512};

pub(super) static ALGORITHMS: WebPkiSupportedAlgorithms = WebPkiSupportedAlgorithms {
    all: &[
        P256_SHA256,
        P256_SHA384,
        P384_SHA256,
        P384_SHA384,
        ED25519,
        PSS_SHA256,
        PSS_SHA384,
        PSS_SHA512,
        PKCS1_SHA256,
        PKCS1_SHA384,
        PKCS1_SHA512,
    ],
    mapping: &[
        // TLS 1.3 takes the first of each line; TLS 1.2 leaves the curve open, so the other follows.
        (SignatureScheme::ECDSA_NISTP384_SHA384, &[P384_SHA384, P256_SHA384]),
        (SignatureScheme::ECDSA_NISTP256_SHA256, &[P256_SHA256, P384_SHA256]),
        (SignatureScheme::ED25519, &[ED25519]),
        (SignatureScheme::RSA_PSS_SHA512, &[PSS_SHA512]),
        (SignatureScheme::RSA_PSS_SHA384, &[PSS_SHA384]),
        (SignatureScheme::RSA_PSS_SHA256, &[PSS_SHA256]),
        (SignatureScheme::RSA_PKCS1_SHA512, &[PKCS1_SHA512]),
        (SignatureScheme::RSA_PKCS1_SHA384, &[PKCS1_SHA384]),
        (SignatureScheme::RSA_PKCS1_SHA256, &[PKCS1_SHA256]),
    ],
};

type Algorithm = &'static dyn SignatureVerificationAlgorithm;

static P256_SHA256: Algorithm = &Verification {
    key: alg_id::ECDSA_P256,
    signature: alg_id::ECDSA_SHA256,
    verify: |key, message, signature| p256(key, &Sha256::digest(message), signature),
};
static P256_SHA384: Algorithm = &Verification {
    key: alg_id::ECDSA_P256,
    signature: alg_id::ECDSA_SHA384,
    verify: |key, message, signature| p256(key, &Sha384::digest(message), signature),
};
static P384_SHA256: Algorithm = &Verification {
    key: alg_id::ECDSA_P384,
    signature: alg_id::ECDSA_SHA256,
    verify: |key, message, signature| p384(key, &Sha256::digest(message), signature),
};
static P384_SHA384: Algorithm = &Verification {
    key: alg_id::ECDSA_P384,
    signature: alg_id::ECDSA_SHA384,
    verify: |key, message, signature| p384(key, &Sha384::digest(message), signature),
};
static ED25519: Algorithm =
    &Verification { key: alg_id::ED25519, signature: alg_id::ED25519, verify: ed25519 };
static PSS_SHA256: Algorithm = &Verification {
    key: alg_id::RSA_ENCRYPTION,
    signature: alg_id::RSA_PSS_SHA256,
    verify: |key, message, signature| {
        pss(pss::VerifyingKey::<Sha256>::new(rsa_key(key)?), message, signature)
    },
};
static PSS_SHA384: Algorithm = &Verification {
    key: alg_id::RSA_ENCRYPTION,
    signature: alg_id::RSA_PSS_SHA384,
    verify: |key, message, signature| {
        pss(pss::VerifyingKey::<Sha384>::new(rsa_key(key)?), message, signature)
    },
};
static PSS_SHA512: Algorithm = &Verification {
    key: alg_id::RSA_ENCRYPTION,
    signature: alg_id::RSA_PSS_SHA512,
    verify: |key, message, signature| {
        pss(pss::VerifyingKey::<Sha512>::new(rsa_key(key)?), message, signature)
    },
};
static PKCS1_SHA256: Algorithm = &Verification {
    key: alg_id::RSA_ENCRYPTION,
    signature: alg_id::RSA_PKCS1_SHA256,
    verify: |key, message, signature| {
        pkcs1(pkcs1v15::VerifyingKey::<Sha256>::new(rsa_key(key)?), message, signature)
    },
};
static PKCS1_SHA384: Algorithm = &Verification {
    key: alg_id::RSA_ENCRYPTION,
    signature: alg_id::RSA_PKCS1_SHA384,
    verify: |key, message, signature| {
        pkcs1(pkcs1v15::VerifyingKey::<Sha384>::new(rsa_key(key)?), message, signature)
    },
};
static PKCS1_SHA512: Algorithm = &Verification {
    key: alg_id::RSA_ENCRYPTION,
    signature: alg_id::RSA_PKCS1_SHA512,
    verify: |key, message, signature| {
        pkcs1(pkcs1v15::VerifyingKey::<Sha512>::new(rsa_key(key)?), message, signature)
    },
};

/// One kind of key with one kind of signature.
struct Verification {
    key: AlgorithmIdentifier,
    signature: AlgorithmIdentifier,
    /// Key, message, signature; `Some` only for a good one.
    verify: fn(&[u8], &[u8], &[u8]) -> Option<()>,
}

impl SignatureVerificationAlgorithm for Verification {
    fn verify_signature(&self, key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), InvalidSignature> {
        (self.verify)(key, message, signature).ok_or(InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        self.key
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.signature
    }
}

impl fmt::Debug for Verification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verification").field("key", &self.key).field("signature", &self.signature).finish()
    }
}

fn p256(key: &[u8], digest: &[u8], signature: &[u8]) -> Option<()> {
    let signature = p256::ecdsa::Signature::from_der(signature).ok()?;
    p256::ecdsa::VerifyingKey::from_sec1_bytes(key).ok()?.verify_prehash(digest, &signature).ok()
}

fn p384(key: &[u8], digest: &[u8], signature: &[u8]) -> Option<()> {
    let signature = p384::ecdsa::Signature::from_der(signature).ok()?;
    p384::ecdsa::VerifyingKey::from_sec1_bytes(key).ok()?.verify_prehash(digest, &signature).ok()
}

fn ed25519(key: &[u8], message: &[u8], signature: &[u8]) -> Option<()> {
    let signature = ed25519_dalek::Signature::from_slice(signature).ok()?;
    // Strict: keys and points of small order would let one signature fit many messages.
    ed25519_dalek::VerifyingKey::from_bytes(key.try_into().ok()?)
        .ok()?
        .verify_strict(message, &signature)
        .ok()
}

fn pss<D>(key: pss::VerifyingKey<D>, message: &[u8], signature: &[u8]) -> Option<()>
where
    D: Digest,
    pss::VerifyingKey<D>: Verifier<pss::Signature>,
{
    key.verify(message, &signature.try_into().ok()?).ok()
}

fn pkcs1<D>(key: pkcs1v15::VerifyingKey<D>, message: &[u8], signature: &[u8]) -> Option<()>
where
    D: Digest,
    pkcs1v15::VerifyingKey<D>: Verifier<pkcs1v15::Signature>,
{
    key.verify(message, &signature.try_into().ok()?).ok()
}

/// A key of a size that is neither weak nor a way to keep us computing; the crate itself has the upper bound of 4096 bits.
fn rsa_key(der: &[u8]) -> Option<RsaPublicKey> {
    let key = RsaPublicKey::from_pkcs1_der(der).ok()?;
    (key.size() >= RSA_BYTES_MIN).then_some(key)
}

/// 2048 bits, the least that public authorities certify.
const RSA_BYTES_MIN: usize = 256;

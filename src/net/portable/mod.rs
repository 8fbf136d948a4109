//! TLS cryptography for processors that the fast provider cannot run on: old servers, small boards.
//!
//! A thin rustls provider over the RustCrypto crates. It offers what today's TLS needs and nothing more: X25519 and
//! P-256, the AEAD suites of TLS 1.3 and their ECDHE siblings of TLS 1.2; it verifies ECDSA, Ed25519 and RSA, and signs
//! with ECDSA P-256 and Ed25519. It never touches an RSA private key: the `rsa` crate's timing advisory is about those.

mod aead;
mod hash;
mod kx;
mod sign;
mod suites;
mod verify;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, GetRandomFailed, SecureRandom};

/// The whole provider.
pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(CryptoProvider {
        cipher_suites: suites::ALL.to_vec(),
        kx_groups: kx::ALL.to_vec(),
        signature_verification_algorithms: verify::ALGORITHMS,
        secure_random: &SystemRandom,
        key_provider: &sign::Keys,
    })
}

#[derive(Debug)]
struct SystemRandom;

impl SecureRandom for SystemRandom {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), GetRandomFailed> {
        getrandom::fill(buffer).map_err(|_| GetRandomFailed)
    }
}

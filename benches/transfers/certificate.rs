//! A certificate authority of our own, for wss on a machine that nobody has certified. ECDSA with P-256, which every TLS library verifies and
//! every provider of p2pc can sign with.

use std::fs;
use std::io::{self, Error};
use std::net::IpAddr;
use std::path::Path;

use data_encoding::BASE64;
use p256::ecdsa::signature::Signer;
use p256::ecdsa::{DerSignature, SigningKey};
use p256::pkcs8::EncodePrivateKey;
use rcgen::{
    BasicConstraints, CertificateParams, IsCa, Issuer, KeyIdMethod, PKCS_ECDSA_P256_SHA256, PublicKeyData,
    SerialNumber, SignatureAlgorithm,
};

/// Writes the authority, and a certificate with its key for the relay at that address.
pub fn make(directory: &Path, relay: IpAddr) -> io::Result<()> {
    let (key, authority_key) = (Key::new()?, Key::new()?);
    let mut authority = params(&[], 1)?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let pem = authority.self_signed(&authority_key).map_err(Error::other)?.pem();
    fs::write(directory.join(AUTHORITY), pem)?;
    let issuer = Issuer::new(authority, authority_key);
    let certificate = params(&[relay.to_string()], 2)?.signed_by(&key, &issuer).map_err(Error::other)?;
    fs::write(directory.join(CHAIN), certificate.pem() + &key.pem()?)
}

fn params(names: &[String], serial: u64) -> io::Result<CertificateParams> {
    let mut params = CertificateParams::new(names).map_err(Error::other)?;
    // What would be random or hashed otherwise: two certificates of one run need no more.
    params.serial_number = Some(SerialNumber::from(serial));
    params.key_identifier_method = KeyIdMethod::PreSpecified(serial.to_be_bytes().to_vec());
    Ok(params)
}

/// A key as rcgen takes it, which has no cryptography of its own here.
struct Key {
    private: SigningKey,
    public: Vec<u8>,
}

impl Key {
    fn new() -> io::Result<Key> {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).map_err(Error::other)?;
        let private = SigningKey::from_slice(&secret).map_err(Error::other)?;
        let public = private.verifying_key().to_sec1_point(false).as_bytes().to_vec();
        Ok(Key { private, public })
    }

    fn pem(&self) -> io::Result<String> {
        let der = self.private.to_pkcs8_der().map_err(Error::other)?;
        let text = BASE64.encode(der.as_bytes());
        Ok(format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n"))
    }
}

impl PublicKeyData for Key {
    fn der_bytes(&self) -> &[u8] {
        &self.public
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}

impl rcgen::SigningKey for Key {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        let signature: DerSignature =
            self.private.try_sign(message).map_err(|_| rcgen::Error::RemoteKeyError)?;
        Ok(signature.as_bytes().to_vec())
    }
}

/// What both ends are given with `--ca`.
pub const AUTHORITY: &str = "authority.pem";

/// What the relay is given with `--cert`.
pub const CHAIN: &str = "relay.pem";

//! The cipher suites. ChaCha20 comes first: where this provider runs there is often no AES in hardware.

use aes_gcm::{Aes128Gcm, Aes256Gcm};
use chacha20poly1305::ChaCha20Poly1305;
use rustls::crypto::tls12::PrfUsingHmac;
use rustls::crypto::tls13::HkdfUsingHmac;
use rustls::crypto::{CipherSuiteCommon, KeyExchangeAlgorithm};
use rustls::{CipherSuite, SignatureScheme, SupportedCipherSuite, Tls12CipherSuite, Tls13CipherSuite};

use super::aead::{Explicit, Implicit, RecordAead};
use super::hash::{HMAC_SHA256, HMAC_SHA384, SHA256, SHA384};

pub(super) static ALL: &[SupportedCipherSuite] = &[
    SupportedCipherSuite::Tls13(&TLS13_CHACHA20_POLY1305_SHA256),
    SupportedCipherSuite::Tls13(&TLS13_AES_256_GCM_SHA384),
    SupportedCipherSuite::Tls13(&TLS13_AES_128_GCM_SHA256),
    SupportedCipherSuite::Tls12(&TLS12_ECDSA_CHACHA20),
    SupportedCipherSuite::Tls12(&TLS12_RSA_CHACHA20),
    SupportedCipherSuite::Tls12(&TLS12_ECDSA_AES_256),
    SupportedCipherSuite::Tls12(&TLS12_RSA_AES_256),
    SupportedCipherSuite::Tls12(&TLS12_ECDSA_AES_128),
    SupportedCipherSuite::Tls12(&TLS12_RSA_AES_128),
];

static TLS13_CHACHA20_POLY1305_SHA256: Tls13CipherSuite = Tls13CipherSuite {
    common: with_sha256(CipherSuite::TLS13_CHACHA20_POLY1305_SHA256, u64::MAX),
    hkdf_provider: &HkdfUsingHmac(&HMAC_SHA256),
    aead_alg: &RecordAead::<ChaCha20Poly1305, Implicit>::NEW,
    quic: None,
};

static TLS13_AES_256_GCM_SHA384: Tls13CipherSuite = Tls13CipherSuite {
    common: with_sha384(CipherSuite::TLS13_AES_256_GCM_SHA384, GCM_RECORDS_MAX),
    hkdf_provider: &HkdfUsingHmac(&HMAC_SHA384),
    aead_alg: &RecordAead::<Aes256Gcm, Implicit>::NEW,
    quic: None,
};

static TLS13_AES_128_GCM_SHA256: Tls13CipherSuite = Tls13CipherSuite {
    common: with_sha256(CipherSuite::TLS13_AES_128_GCM_SHA256, GCM_RECORDS_MAX),
    hkdf_provider: &HkdfUsingHmac(&HMAC_SHA256),
    aead_alg: &RecordAead::<Aes128Gcm, Implicit>::NEW,
    quic: None,
};

static TLS12_ECDSA_CHACHA20: Tls12CipherSuite = Tls12CipherSuite {
    common: with_sha256(CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, u64::MAX),
    kx: KeyExchangeAlgorithm::ECDHE,
    sign: ECDSA,
    aead_alg: &RecordAead::<ChaCha20Poly1305, Implicit>::NEW,
    prf_provider: &PrfUsingHmac(&HMAC_SHA256),
};

static TLS12_RSA_CHACHA20: Tls12CipherSuite = Tls12CipherSuite {
    common: with_sha256(CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, u64::MAX),
    kx: KeyExchangeAlgorithm::ECDHE,
    sign: RSA,
    aead_alg: &RecordAead::<ChaCha20Poly1305, Implicit>::NEW,
    prf_provider: &PrfUsingHmac(&HMAC_SHA256),
};

static TLS12_ECDSA_AES_256: Tls12CipherSuite = Tls12CipherSuite {
    common: with_sha384(CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, GCM_RECORDS_MAX),
    kx: KeyExchangeAlgorithm::ECDHE,
    sign: ECDSA,
    aead_alg: &RecordAead::<Aes256Gcm, Explicit>::NEW,
    prf_provider: &PrfUsingHmac(&HMAC_SHA384),
};

static TLS12_RSA_AES_256: Tls12CipherSuite = Tls12CipherSuite {
    common: with_sha384(CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, GCM_RECORDS_MAX),
    kx: KeyExchangeAlgorithm::ECDHE,
    sign: RSA,
    aead_alg: &RecordAead::<Aes256Gcm, Explicit>::NEW,
    prf_provider: &PrfUsingHmac(&HMAC_SHA384),
};

static TLS12_ECDSA_AES_128: Tls12CipherSuite = Tls12CipherSuite {
    common: with_sha256(CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, GCM_RECORDS_MAX),
    kx: KeyExchangeAlgorithm::ECDHE,
    sign: ECDSA,
    aead_alg: &RecordAead::<Aes128Gcm, Explicit>::NEW,
    prf_provider: &PrfUsingHmac(&HMAC_SHA256),
};

static TLS12_RSA_AES_128: Tls12CipherSuite = Tls12CipherSuite {
    common: with_sha256(CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, GCM_RECORDS_MAX),
    kx: KeyExchangeAlgorithm::ECDHE,
    sign: RSA,
    aead_alg: &RecordAead::<Aes128Gcm, Explicit>::NEW,
    prf_provider: &PrfUsingHmac(&HMAC_SHA256),
};

const fn with_sha256(suite: CipherSuite, confidentiality_limit: u64) -> CipherSuiteCommon {
    CipherSuiteCommon { suite, hash_provider: &SHA256, confidentiality_limit }
}

const fn with_sha384(suite: CipherSuite, confidentiality_limit: u64) -> CipherSuiteCommon {
    CipherSuiteCommon { suite, hash_provider: &SHA384, confidentiality_limit }
}

/// RFC 8446, section 5.5: 2^24.5 full records under one key; rustls takes a new key before.
const GCM_RECORDS_MAX: u64 = 1 << 24;

static ECDSA: &[SignatureScheme] = &[
    SignatureScheme::ED25519,
    SignatureScheme::ECDSA_NISTP256_SHA256,
    SignatureScheme::ECDSA_NISTP384_SHA384,
];

static RSA: &[SignatureScheme] = &[
    SignatureScheme::RSA_PSS_SHA512,
    SignatureScheme::RSA_PSS_SHA384,
    SignatureScheme::RSA_PSS_SHA256,
    SignatureScheme::RSA_PKCS1_SHA512,
    SignatureScheme::RSA_PKCS1_SHA384,
    SignatureScheme::RSA_PKCS1_SHA256,
];

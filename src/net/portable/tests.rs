//! The portable provider against the fast one, and against itself: every suite, group, kind of key and direction.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::sync::Arc;

use p256::pkcs8::SubjectPublicKeyInfoRef;
use rustls::crypto::{CryptoProvider, SupportedKxGroup};
use rustls::{ClientConnection, ServerConnection, SignatureScheme, SupportedCipherSuite};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{PrivateKeyDer, ServerName};

use super::super::tls::{client_config_with, server_config_with};
use super::{kx, provider, suites, verify};

/// The fast provider, or where the processor cannot run it the portable one once more.
fn other() -> Arc<CryptoProvider> {
    if graviola::util::is_cpu_supported() {
        Arc::new(rustls_graviola::default_provider())
    } else {
        provider()
    }
}

#[test]
fn the_processor_chooses_and_the_feature_overrules_it() {
    let chosen = super::super::tls::provider();
    let is_portable = format!("{:?}", chosen.secure_random) == "SystemRandom";
    assert_eq!(is_portable, cfg!(feature = "portable") || !graviola::util::is_cpu_supported());
}

fn vector(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/tls").join(name)
}

struct Pair {
    client: ClientConnection,
    server: ServerConnection,
}

impl Pair {
    /// A client that speaks nothing but `suite` and `group`, and a server with the certificate `leaf`.
    fn new(
        client: &CryptoProvider,
        suite: SupportedCipherSuite,
        group: &'static dyn SupportedKxGroup,
        server: Arc<CryptoProvider>,
        leaf: &str,
        ca: &str,
    ) -> Pair {
        let only = CryptoProvider { cipher_suites: vec![suite], kx_groups: vec![group], ..client.clone() };
        let client_config = client_config_with(Arc::new(only), Some(&vector(ca))).unwrap();
        let server_config = server_config_with(server, &vector(leaf), None).unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        Pair {
            client: ClientConnection::new(client_config, name).unwrap(),
            server: ServerConnection::new(server_config).unwrap(),
        }
    }

    /// Carries bytes both ways until neither side has any; `meddle` may change those towards the server.
    fn run(&mut self, meddle: &mut dyn FnMut(&mut Vec<u8>)) -> Result<(), rustls::Error> {
        loop {
            let (mut up, mut down) = (Vec::new(), Vec::new());
            while self.client.wants_write() {
                self.client.write_tls(&mut up).unwrap();
            }
            meddle(&mut up);
            feed(&up, |input| self.server.read_tls(input).map(|_| ()), || Ok(()))?;
            self.server.process_new_packets()?;
            while self.server.wants_write() {
                self.server.write_tls(&mut down).unwrap();
            }
            feed(&down, |input| self.client.read_tls(input).map(|_| ()), || Ok(()))?;
            self.client.process_new_packets()?;
            if up.is_empty() && down.is_empty() {
                return Ok(());
            }
        }
    }
}

fn feed(
    mut bytes: &[u8],
    mut read: impl FnMut(&mut dyn Read) -> std::io::Result<()>,
    mut after: impl FnMut() -> Result<(), rustls::Error>,
) -> Result<(), rustls::Error> {
    while !bytes.is_empty() {
        read(&mut bytes).unwrap();
        after()?;
    }
    Ok(())
}

/// A handshake, then data both ways in records of several sizes.
fn talk(mut pair: Pair, suite: SupportedCipherSuite) {
    pair.run(&mut |_| {}).unwrap();
    assert_eq!(pair.client.negotiated_cipher_suite().unwrap().suite(), suite.suite());
    for length in [1, 15, 16, 17, 5000, 12_000] {
        let data: Vec<u8> = (0..length).map(|i| (i % 251) as u8).collect();
        pair.client.writer().write_all(&data).unwrap();
        pair.server.writer().write_all(&data).unwrap();
        pair.run(&mut |_| {}).unwrap();
        let (mut up, mut down) = (vec![0; length], vec![0; length]);
        pair.server.reader().read_exact(&mut up).unwrap();
        pair.client.reader().read_exact(&mut down).unwrap();
        assert!(up == data && down == data, "{suite:?} {length}");
    }
}

/// The certificate a suite needs. TLS 1.2 with RSA takes an RSA key, which only the fast provider can sign with.
fn leaf_for(suite: SupportedCipherSuite) -> (&'static str, &'static str) {
    let needs_rsa = format!("{:?}", suite.suite()).contains("ECDHE_RSA");
    if needs_rsa { ("rsa.pem", "ca-rsa.pem") } else { ("p256.pem", "ca.pem") }
}

#[test]
fn every_suite_and_group_talks_to_the_fast_provider_in_both_directions() {
    let (ours, theirs) = (provider(), other());
    for suite in suites::ALL {
        let (leaf, ca) = leaf_for(*suite);
        let their_suite =
            *theirs.cipher_suites.iter().find(|theirs| theirs.suite() == suite.suite()).unwrap();
        for group in kx::ALL {
            let their_group = *theirs.kx_groups.iter().find(|theirs| theirs.name() == group.name()).unwrap();
            if leaf == "p256.pem" || graviola::util::is_cpu_supported() {
                talk(Pair::new(&ours, *suite, *group, theirs.clone(), leaf, ca), *suite);
            }
            if leaf == "p256.pem" {
                talk(Pair::new(&theirs, their_suite, their_group, ours.clone(), leaf, ca), *suite);
                talk(Pair::new(&ours, *suite, *group, ours.clone(), leaf, ca), *suite);
            }
        }
    }
}

#[test]
fn every_kind_of_certificate_is_verified() {
    let (ours, theirs) = (provider(), other());
    let suite = suites::ALL[0];
    for (leaf, ca, portable_can_sign) in [
        ("p256.pem", "ca.pem", true),
        ("ed25519.pem", "ca.pem", true),
        ("p384.pem", "ca-p384.pem", false),
        ("rsa.pem", "ca-rsa.pem", false),
    ] {
        if portable_can_sign {
            talk(Pair::new(&ours, suite, kx::ALL[0], ours.clone(), leaf, ca), suite);
        } else {
            let refused = server_config_with(ours.clone(), &vector(leaf), None).unwrap_err();
            assert!(refused.hint_text().unwrap().contains("P-256"), "{refused}");
        }
        if portable_can_sign || graviola::util::is_cpu_supported() {
            talk(Pair::new(&ours, suite, kx::ALL[0], theirs.clone(), leaf, ca), suite);
        }
    }
}

#[test]
fn a_certificate_of_a_stranger_is_refused() {
    let mut pair = Pair::new(&provider(), suites::ALL[0], kx::ALL[0], other(), "p384.pem", "ca.pem");
    assert!(matches!(pair.run(&mut |_| {}), Err(rustls::Error::InvalidCertificate(_))));
}

#[test]
fn one_flipped_or_missing_byte_ends_the_connection() {
    for suite in suites::ALL.iter().filter(|suite| leaf_for(**suite).0 == "p256.pem") {
        for meddle in [
            |bytes: &mut Vec<u8>| bytes.iter_mut().last().into_iter().for_each(|byte| *byte ^= 1),
            // A record of three bytes: shorter than any tag.
            |bytes: &mut Vec<u8>| *bytes = vec![23, 3, 3, 0, 3, 1, 2, 3],
        ] {
            let mut pair = Pair::new(&provider(), *suite, kx::ALL[0], provider(), "p256.pem", "ca.pem");
            pair.run(&mut |_| {}).unwrap();
            pair.client.writer().write_all(b"hello").unwrap();
            let mut once = Some(meddle);
            let outcome = pair.run(&mut |bytes| {
                if let Some(meddle) = once.take() {
                    meddle(bytes);
                }
            });
            assert_eq!(outcome.unwrap_err(), rustls::Error::DecryptError, "{suite:?}");
        }
    }
}

#[test]
fn signatures_of_the_fast_provider_verify_and_damaged_ones_do_not() {
    let message = b"what is signed";
    let mut verified = Vec::new();
    for leaf in ["p256.pem", "p384.pem", "ed25519.pem", "rsa.pem"] {
        let key = PrivateKeyDer::from_pem_file(vector(leaf)).unwrap();
        let Ok(key) = other().key_provider.load_private_key(key) else {
            assert!(!graviola::util::is_cpu_supported(), "{leaf}");
            continue;
        };
        let spki = key.public_key().unwrap();
        let public = SubjectPublicKeyInfoRef::try_from(spki.as_ref()).unwrap().subject_public_key.raw_bytes();
        for (scheme, algorithms) in verify::ALGORITHMS.mapping {
            let Some(signer) = key.choose_scheme(&[*scheme]) else { continue };
            let mut signature = signer.sign(message).unwrap();
            assert!(algorithms[0].verify_signature(public, message, &signature).is_ok(), "{scheme:?}");
            assert!(algorithms[0].verify_signature(public, b"another", &signature).is_err());
            assert!(algorithms[0].verify_signature(&public[1..], message, &signature).is_err());
            assert!(algorithms[0].verify_signature(public, message, &signature[1..]).is_err());
            *signature.last_mut().unwrap() ^= 1;
            assert!(algorithms[0].verify_signature(public, message, &signature).is_err());
            verified.push(*scheme);
        }
    }
    if graviola::util::is_cpu_supported() {
        assert_eq!(verified.len(), verify::ALGORITHMS.mapping.len());
    }
}

#[test]
fn our_signatures_verify_and_keys_match_their_certificates() {
    for (leaf, scheme) in
        [("p256.pem", SignatureScheme::ECDSA_NISTP256_SHA256), ("ed25519.pem", SignatureScheme::ED25519)]
    {
        let key = PrivateKeyDer::from_pem_file(vector(leaf)).unwrap();
        let key = provider().key_provider.load_private_key(key).unwrap();
        let spki = key.public_key().unwrap();
        let public = SubjectPublicKeyInfoRef::try_from(spki.as_ref()).unwrap().subject_public_key.raw_bytes();
        let signature = key.choose_scheme(&[scheme]).unwrap().sign(b"message").unwrap();
        let theirs = other().signature_verification_algorithms;
        let algorithms = theirs.mapping.iter().find(|(theirs, _)| *theirs == scheme).unwrap().1;
        algorithms[0].verify_signature(public, b"message", &signature).unwrap();
        assert!(key.choose_scheme(&[SignatureScheme::RSA_PSS_SHA256]).is_none());
        assert!(!format!("{key:?}").contains("secret"));
    }
}

#[test]
fn shares_that_would_give_the_secret_away_are_refused() {
    let [x25519, p256] = kx::ALL else { panic!("two groups") };
    let p256_good = p256.start().unwrap().pub_key().to_vec();
    let compressed = [&[2], &p256_good[1..33]].concat();
    let off_curve = [&p256_good[..64], &[p256_good[64] ^ 1]].concat();
    for (group, share) in [
        (x25519, vec![0; 32]),
        (x25519, [vec![1], vec![0; 31]].concat()),
        (x25519, vec![9; 31]),
        (p256, compressed),
        (p256, off_curve),
        (p256, vec![0]),
        (p256, Vec::new()),
    ] {
        assert!(group.start().unwrap().complete(&share).is_err(), "{:?} {share:?}", group.name());
    }
}

#[test]
fn a_shared_secret_is_the_same_for_both_providers() {
    for group in kx::ALL {
        let theirs = other();
        let theirs = theirs.kx_groups.iter().find(|theirs| theirs.name() == group.name()).unwrap();
        let (a, b) = (group.start().unwrap(), theirs.start().unwrap());
        let (a_public, b_public) = (a.pub_key().to_vec(), b.pub_key().to_vec());
        let (a, b) = (a.complete(&b_public).unwrap(), b.complete(&a_public).unwrap());
        assert_eq!(a.secret_bytes(), b.secret_bytes());
    }
}

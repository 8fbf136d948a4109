//! One key of one cipher, by the fastest implementation that this processor can run.
//!
//! graviola is several times as fast but panics on processors without the instructions it is written in;
//! there, and on no other ground, the portable implementations stand in. Tests hold both to the same bytes.

use aes_gcm::Aes256Gcm;
use aes_gcm::aead::{AeadInOut as _, KeyInit as _};
use chacha20poly1305::ChaCha20Poly1305;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::{Mode, TAG_BYTES};
use crate::defects::{self, Defect};

/// The key of any of the ciphers.
pub(super) type Key = Zeroizing<[u8; 32]>;

/// A tag of any of the ciphers.
pub(super) type Tag = [u8; TAG_BYTES];

/// A cipher ready to seal and open. The large key schedules are boxed, so that moving one leaves no copy
/// behind.
pub(super) enum Cipher {
    FastAes(Box<graviola::aead::AesGcm>),
    FastChaCha(Box<graviola::aead::ChaCha20Poly1305>),
    PortableAes(Box<Aes256Gcm>),
    PortableChaCha(Box<ChaCha20Poly1305>),
    Tagged(Key),
}

/// The record is not what was sealed under this key and number. Deliberately says no more.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Forged;

/// The content is longer than the cipher can take at once. Records are far from it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLong;

/// Whether this processor can run the fast implementations, of records and of TLS. With the feature
/// `portable` nobody can: so every test there is can be run over the others, on a machine that needs none of
/// them.
#[must_use]
pub(crate) fn is_fast() -> bool {
    !cfg!(feature = "portable") && graviola::util::is_cpu_supported()
}

impl Cipher {
    pub(super) fn new(mode: Mode, key: &Key) -> Cipher {
        if is_fast() { Cipher::fast(mode, key) } else { Cipher::portable(mode, key) }
    }

    fn fast(mode: Mode, key: &Key) -> Cipher {
        match mode {
            Mode::Aes256Gcm => Cipher::FastAes(Box::new(graviola::aead::AesGcm::new(&**key))),
            Mode::ChaCha20Poly1305 => {
                Cipher::FastChaCha(Box::new(graviola::aead::ChaCha20Poly1305::new(**key)))
            }
            Mode::Tagged => Cipher::Tagged(key.clone()),
        }
    }

    fn portable(mode: Mode, key: &Key) -> Cipher {
        match mode {
            Mode::Aes256Gcm => Cipher::PortableAes(Box::new(Aes256Gcm::new((&**key).into()))),
            Mode::ChaCha20Poly1305 => {
                Cipher::PortableChaCha(Box::new(ChaCha20Poly1305::new((&**key).into())))
            }
            Mode::Tagged => Cipher::Tagged(key.clone()),
        }
    }

    /// Encrypts in place as record `number`. No number may be used twice with one key.
    pub(super) fn seal(&self, number: u64, content: &mut [u8]) -> Result<Tag, TooLong> {
        let nonce = nonce(number);
        let mut tag = [0; TAG_BYTES];
        match self {
            Cipher::FastAes(aes) => aes.encrypt(&nonce, &[], content, &mut tag),
            Cipher::FastChaCha(chacha) => chacha.encrypt(&nonce, &[], content, &mut tag),
            Cipher::PortableAes(aes) => {
                tag = aes
                    .encrypt_inout_detached(&nonce.into(), &[], content.into())
                    .map_err(|_| TooLong)?
                    .into();
            }
            Cipher::PortableChaCha(chacha) => {
                tag = chacha
                    .encrypt_inout_detached(&nonce.into(), &[], content.into())
                    .map_err(|_| TooLong)?
                    .into();
            }
            Cipher::Tagged(key) => tag = keyed_tag(key, number, content),
        }
        Ok(tag)
    }

    /// Decrypts in place what was sealed as record `number`. On failure nothing of `content` may be used.
    pub(super) fn open(&self, number: u64, content: &mut [u8], tag: &Tag) -> Result<(), Forged> {
        let nonce = nonce(number);
        match self {
            Cipher::FastAes(aes) => aes.decrypt(&nonce, &[], content, tag).map_err(|_| Forged),
            Cipher::FastChaCha(chacha) => chacha.decrypt(&nonce, &[], content, tag).map_err(|_| Forged),
            Cipher::PortableAes(aes) => {
                aes.decrypt_inout_detached(&nonce.into(), &[], content.into(), tag.into()).map_err(|_| Forged)
            }
            Cipher::PortableChaCha(chacha) => chacha
                .decrypt_inout_detached(&nonce.into(), &[], content.into(), tag.into())
                .map_err(|_| Forged),
            Cipher::Tagged(key) => {
                if defects::has(Defect::TagUnchecked) || keyed_tag(key, number, content).ct_eq(tag).into() {
                    Ok(())
                } else {
                    Err(Forged)
                }
            }
        }
    }
}

/// The nonce of a record is its number, big-endian in twelve bytes. Keys are per lane and direction, so no
/// more is needed to make it unique.
fn nonce(number: u64) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&number.to_be_bytes());
    nonce
}

/// Keyed BLAKE3 over number, length and content, the first half of its 32 bytes: as hard to forge as the tags
/// of the other ciphers, and records are of one shape in every mode.
fn keyed_tag(key: &Key, number: u64, content: &[u8]) -> Tag {
    let mut hasher = blake3::Hasher::new_keyed(key);
    hasher.update(&number.to_le_bytes());
    hasher.update(&(content.len() as u64).to_le_bytes());
    hasher.update(content);
    let mut tag = [0; TAG_BYTES];
    hasher.finalize_xof().fill(&mut tag);
    tag
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MODES: [Mode; 3] = [Mode::Aes256Gcm, Mode::ChaCha20Poly1305, Mode::Tagged];

    fn implementations(mode: Mode, key: [u8; 32]) -> Vec<Cipher> {
        let key = Zeroizing::new(key);
        let mut all = vec![Cipher::portable(mode, &key)];
        if graviola::util::is_cpu_supported() {
            all.push(Cipher::fast(mode, &key));
        }
        all
    }

    /// Test case 14 of the GCM specification: zero key, zero nonce, sixteen zeros.
    #[test]
    fn aes_256_gcm_is_that_of_its_specification() {
        for cipher in implementations(Mode::Aes256Gcm, [0; 32]) {
            let mut content = [0; 16];
            let tag = cipher.seal(0, &mut content).unwrap();
            assert_eq!(content, hex("cea7403d4d606b6e074ec5d3baf39d18").as_slice());
            assert_eq!(tag, hex("d0d1c8a799996bf0265b98b5d48ab919").as_slice());
        }
    }

    /// RFC 8439, section 2.8.2. Our records have no associated data, so the implementations are asked
    /// directly.
    #[test]
    fn chacha20_poly1305_is_that_of_rfc_8439() {
        let key: Vec<u8> = (0x80..=0x9f).collect();
        let nonce: [u8; 12] = hex("070000004041424344454647").try_into().unwrap();
        let header = hex("50515253c0c1c2c3c4c5c6c7");
        for cipher in implementations(Mode::ChaCha20Poly1305, key.try_into().unwrap()) {
            let mut content =
                *b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for \
                the future, sunscreen would be it.";
            let mut tag = [0; TAG_BYTES];
            match &cipher {
                Cipher::FastChaCha(fast) => fast.encrypt(&nonce, &header, &mut content, &mut tag),
                Cipher::PortableChaCha(portable) => {
                    let content = (&mut content[..]).into();
                    tag = portable.encrypt_inout_detached(&nonce.into(), &header, content).unwrap().into();
                }
                _ => panic!("not an implementation of this cipher"),
            }
            assert_eq!(&content[..16], hex("d31a8d34648e60db7b86afbc53ef7ec2").as_slice());
            assert_eq!(tag, hex("1ae10b594f09e26a7e902ecbd0600691").as_slice());
        }
    }

    #[test]
    fn both_implementations_give_the_same_bytes_at_every_small_length() {
        for mode in MODES {
            for length in 0..=300 {
                same_everywhere(mode, [0x5a; 32], 77, &vec![0xc3; length]);
            }
        }
    }

    #[test]
    fn the_processor_chooses_and_the_feature_overrules_it() {
        let is_fast = |mode| {
            let cipher = Cipher::new(mode, &Zeroizing::new([1; 32]));
            matches!(cipher, Cipher::FastAes(_) | Cipher::FastChaCha(_))
        };
        let expected = graviola::util::is_cpu_supported() && !cfg!(feature = "portable");
        assert_eq!(is_fast(Mode::Aes256Gcm), expected);
        assert_eq!(is_fast(Mode::ChaCha20Poly1305), expected);
    }

    #[test]
    fn what_is_tagged_stays_readable() {
        let cipher = Cipher::new(Mode::Tagged, &Zeroizing::new([1; 32]));
        let mut content = *b"readable";
        let _ = cipher.seal(0, &mut content).unwrap();
        assert_eq!(&content, b"readable");
    }

    #[test]
    fn another_number_does_not_open() {
        for mode in MODES {
            for cipher in implementations(mode, [9; 32]) {
                let mut content = *b"content";
                let tag = cipher.seal(4, &mut content).unwrap();
                assert_eq!(cipher.open(5, &mut content.clone(), &tag), Err(Forged));
                assert_eq!(cipher.open(4, &mut content, &tag), Ok(()));
            }
        }
    }

    proptest! {
        #[test]
        fn implementations_agree(
            key: [u8; 32],
            number: u64,
            content in proptest::collection::vec(any::<u8>(), 0..5000),
        ) {
            for mode in MODES {
                same_everywhere(mode, key, number, &content);
            }
        }
    }

    /// Seals with every implementation and opens with every other.
    fn same_everywhere(mode: Mode, key: [u8; 32], number: u64, content: &[u8]) {
        let all = implementations(mode, key);
        let sealed: Vec<_> = all
            .iter()
            .map(|cipher| {
                let mut sealed = content.to_vec();
                let tag = cipher.seal(number, &mut sealed).unwrap();
                (sealed, tag)
            })
            .collect();
        assert!(sealed.windows(2).all(|pair| pair[0] == pair[1]), "{mode:?} {}", content.len());
        for cipher in &all {
            let (mut opened, tag) = sealed[0].clone();
            assert_eq!(cipher.open(number, &mut opened, &tag), Ok(()));
            assert_eq!(opened, content);
        }
    }

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
    }
}

//! TLS records sealed with an AEAD cipher.
//!
//! ```text
//! TLS 1.3            ciphertext of (content, type), tag       nonce = iv xor sequence number
//! TLS 1.2, ChaCha20  ciphertext of content, tag               nonce = iv xor sequence number
//! TLS 1.2, AES-GCM   8 bytes of nonce, ciphertext, tag        nonce = 4 bytes of iv, those 8 bytes
//! ```

use std::marker::PhantomData;

use aes_gcm::aead::consts::{U12, U16};
use aes_gcm::aead::{AeadInOut, KeyInit, KeySizeUser};
use rustls::crypto::cipher::{
    AeadKey, InboundOpaqueMessage, InboundPlainMessage, Iv, KeyBlockShape, MessageDecrypter,
    MessageEncrypter, NONCE_LEN, Nonce, OutboundOpaqueMessage, OutboundPlainMessage, PrefixedPayload,
    Tls12AeadAlgorithm, Tls13AeadAlgorithm, UnsupportedOperationError, make_tls12_aad, make_tls13_aad,
};
use rustls::{ConnectionTrafficSecrets, ContentType, Error, ProtocolVersion};

/// A cipher with the nonces that TLS uses with it.
pub(super) trait Cipher:
    AeadInOut<NonceSize = U12, TagSize = U16> + KeyInit + Send + Sync + 'static
{
}

impl<C: AeadInOut<NonceSize = U12, TagSize = U16> + KeyInit + Send + Sync + 'static> Cipher for C {}

/// Where the TLS 1.2 nonce of a record comes from.
pub(super) trait NonceSource: Send + Sync + 'static {
    /// How many bytes of it travel in front of each record.
    const EXPLICIT_LEN: usize;
}

/// Counted on both sides, not sent: every TLS 1.3 suite, and ChaCha20.
pub(super) struct Implicit;

/// Sent with every record: AES-GCM in TLS 1.2.
pub(super) struct Explicit;

impl NonceSource for Implicit {
    const EXPLICIT_LEN: usize = 0;
}

impl NonceSource for Explicit {
    const EXPLICIT_LEN: usize = 8;
}

/// Makes the sealers and openers of one cipher.
pub(super) struct RecordAead<C, N>(PhantomData<fn() -> (C, N)>);

impl<C, N> RecordAead<C, N> {
    pub(super) const NEW: RecordAead<C, N> = RecordAead(PhantomData);
}

impl<C: Cipher> Tls13AeadAlgorithm for RecordAead<C, Implicit> {
    fn encrypter(&self, key: AeadKey, iv: Iv) -> Box<dyn MessageEncrypter> {
        Box::new(Tls13Record(Keyed::<C>::new(&key, iv)))
    }

    fn decrypter(&self, key: AeadKey, iv: Iv) -> Box<dyn MessageDecrypter> {
        Box::new(Tls13Record(Keyed::<C>::new(&key, iv)))
    }

    fn key_len(&self) -> usize {
        <C as KeySizeUser>::key_size()
    }

    fn extract_keys(&self, _: AeadKey, _: Iv) -> Result<ConnectionTrafficSecrets, UnsupportedOperationError> {
        Err(UnsupportedOperationError)
    }
}

impl<C: Cipher, N: NonceSource> Tls12AeadAlgorithm for RecordAead<C, N> {
    fn encrypter(&self, key: AeadKey, iv: &[u8], explicit: &[u8]) -> Box<dyn MessageEncrypter> {
        Box::new(Tls12Record::<C, N>(Keyed::new(&key, whole_iv(iv, explicit)), PhantomData))
    }

    fn decrypter(&self, key: AeadKey, iv: &[u8]) -> Box<dyn MessageDecrypter> {
        Box::new(Tls12Record::<C, N>(Keyed::new(&key, whole_iv(iv, &[])), PhantomData))
    }

    fn key_block_shape(&self) -> KeyBlockShape {
        KeyBlockShape {
            enc_key_len: <C as KeySizeUser>::key_size(),
            fixed_iv_len: NONCE_LEN - N::EXPLICIT_LEN,
            explicit_nonce_len: N::EXPLICIT_LEN,
        }
    }

    fn extract_keys(
        &self,
        _: AeadKey,
        _: &[u8],
        _: &[u8],
    ) -> Result<ConnectionTrafficSecrets, UnsupportedOperationError> {
        Err(UnsupportedOperationError)
    }
}

/// A cipher with its key, and the base of its nonces.
struct Keyed<C> {
    /// `None` for a key of the wrong length, which rustls never passes: then each record is refused.
    cipher: Option<C>,
    iv: Iv,
}

impl<C: Cipher> Keyed<C> {
    fn new(key: &AeadKey, iv: Iv) -> Keyed<C> {
        Keyed { cipher: C::new_from_slice(key.as_ref()).ok(), iv }
    }

    fn seal(&self, nonce: &Nonce, aad: &[u8], content: &mut [u8]) -> Result<[u8; TAG_LEN], Error> {
        let cipher = self.cipher.as_ref().ok_or(Error::EncryptError)?;
        let tag = cipher
            .encrypt_inout_detached((&nonce.0).into(), aad, content.into())
            .map_err(|_| Error::EncryptError)?;
        Ok(tag.into())
    }

    /// Opens the ciphertext followed by its tag in place; the content is what comes before the tag.
    fn open(&self, nonce: &Nonce, aad: &[u8], sealed: &mut [u8]) -> Result<(), Error> {
        let cipher = self.cipher.as_ref().ok_or(Error::DecryptError)?;
        let (content, tag) = sealed.split_last_chunk_mut::<TAG_LEN>().ok_or(Error::DecryptError)?;
        cipher
            .decrypt_inout_detached((&nonce.0).into(), aad, content.into(), (&*tag).into())
            .map_err(|_| Error::DecryptError)
    }
}

struct Tls13Record<C>(Keyed<C>);

impl<C: Cipher> MessageEncrypter for Tls13Record<C> {
    fn encrypt(
        &mut self,
        message: OutboundPlainMessage<'_>,
        seq: u64,
    ) -> Result<OutboundOpaqueMessage, Error> {
        let total = self.encrypted_payload_len(message.payload.len());
        let mut payload = PrefixedPayload::with_capacity(total);
        payload.extend_from_chunks(&message.payload);
        payload.extend_from_slice(&message.typ.to_array());
        let tag = self.0.seal(&Nonce::new(&self.0.iv, seq), &make_tls13_aad(total), payload.as_mut())?;
        payload.extend_from_slice(&tag);
        // RFC 8446, section 5.2: a sealed record says "application data, TLS 1.2" whatever it is.
        Ok(OutboundOpaqueMessage::new(ContentType::ApplicationData, ProtocolVersion::TLSv1_2, payload))
    }

    fn encrypted_payload_len(&self, payload_len: usize) -> usize {
        payload_len + 1 + TAG_LEN
    }
}

impl<C: Cipher> MessageDecrypter for Tls13Record<C> {
    fn decrypt<'a>(
        &mut self,
        mut message: InboundOpaqueMessage<'a>,
        seq: u64,
    ) -> Result<InboundPlainMessage<'a>, Error> {
        let sealed = &mut message.payload;
        let content_len = sealed.len().checked_sub(TAG_LEN).ok_or(Error::DecryptError)?;
        let aad = make_tls13_aad(sealed.len());
        self.0.open(&Nonce::new(&self.0.iv, seq), &aad, sealed)?;
        sealed.truncate(content_len);
        message.into_tls13_unpadded_message()
    }
}

struct Tls12Record<C, N>(Keyed<C>, PhantomData<fn() -> N>);

impl<C: Cipher, N: NonceSource> MessageEncrypter for Tls12Record<C, N> {
    fn encrypt(
        &mut self,
        message: OutboundPlainMessage<'_>,
        seq: u64,
    ) -> Result<OutboundOpaqueMessage, Error> {
        let nonce = Nonce::new(&self.0.iv, seq);
        let aad = make_tls12_aad(seq, message.typ, message.version, message.payload.len());
        let mut payload = PrefixedPayload::with_capacity(self.encrypted_payload_len(message.payload.len()));
        payload.extend_from_slice(&nonce.0[NONCE_LEN - N::EXPLICIT_LEN..]);
        payload.extend_from_chunks(&message.payload);
        let tag = self.0.seal(&nonce, &aad, &mut payload.as_mut()[N::EXPLICIT_LEN..])?;
        payload.extend_from_slice(&tag);
        Ok(OutboundOpaqueMessage::new(message.typ, message.version, payload))
    }

    fn encrypted_payload_len(&self, payload_len: usize) -> usize {
        N::EXPLICIT_LEN + payload_len + TAG_LEN
    }
}

impl<C: Cipher, N: NonceSource> MessageDecrypter for Tls12Record<C, N> {
    fn decrypt<'a>(
        &mut self,
        mut message: InboundOpaqueMessage<'a>,
        seq: u64,
    ) -> Result<InboundPlainMessage<'a>, Error> {
        let overhead = N::EXPLICIT_LEN + TAG_LEN;
        let content_len = message.payload.len().checked_sub(overhead).ok_or(Error::DecryptError)?;
        if content_len > CONTENT_LEN_MAX {
            return Err(Error::PeerSentOversizedRecord);
        }
        let (explicit, sealed) = message.payload.split_at_mut(N::EXPLICIT_LEN);
        let mut nonce = Nonce::new(&self.0.iv, seq);
        nonce.0[NONCE_LEN - N::EXPLICIT_LEN..].copy_from_slice(explicit);
        let aad = make_tls12_aad(seq, message.typ, message.version, content_len);
        self.0.open(&nonce, &aad, sealed)?;
        Ok(message.into_plain_message_range(N::EXPLICIT_LEN..N::EXPLICIT_LEN + content_len))
    }
}

/// The base of the nonces: what the key block has, then (AES-GCM) what it has for the explicit part. Our own records
/// count up from there; an opener reads that part from each record.
fn whole_iv(fixed: &[u8], explicit: &[u8]) -> Iv {
    let mut whole = [0; NONCE_LEN];
    for (to, from) in whole.iter_mut().zip(fixed.iter().chain(explicit)) {
        *to = *from;
    }
    Iv::from(whole)
}

const TAG_LEN: usize = 16;
/// RFC 5246, section 6.2.1.
const CONTENT_LEN_MAX: usize = 1 << 14;

//! SHA-256, SHA-384 and their HMACs in the shape rustls wants.

use std::marker::PhantomData;

use ::hmac::{EagerHash, Hmac, KeyInit, Mac};
use rustls::crypto::{hash, hmac};
use sha2::digest::{Digest, FixedOutput};
use sha2::{Sha256, Sha384};

pub(super) static SHA256: Hashing<Sha256> = Hashing(hash::HashAlgorithm::SHA256, PhantomData);
pub(super) static SHA384: Hashing<Sha384> = Hashing(hash::HashAlgorithm::SHA384, PhantomData);
pub(super) static HMAC_SHA256: Keyed<Sha256> = Keyed(PhantomData);
pub(super) static HMAC_SHA384: Keyed<Sha384> = Keyed(PhantomData);

pub(super) struct Hashing<D>(hash::HashAlgorithm, PhantomData<fn() -> D>);

impl<D: Digest + Clone + Send + Sync + 'static> hash::Hash for Hashing<D> {
    fn start(&self) -> Box<dyn hash::Context> {
        Box::new(Transcript(D::new()))
    }

    fn hash(&self, data: &[u8]) -> hash::Output {
        hash::Output::new(&D::digest(data))
    }

    fn output_len(&self) -> usize {
        <D as Digest>::output_size()
    }

    fn algorithm(&self) -> hash::HashAlgorithm {
        self.0
    }
}

struct Transcript<D>(D);

impl<D: Digest + Clone + Send + Sync + 'static> hash::Context for Transcript<D> {
    fn fork_finish(&self) -> hash::Output {
        hash::Output::new(&self.0.clone().finalize())
    }

    fn fork(&self) -> Box<dyn hash::Context> {
        Box::new(Transcript(self.0.clone()))
    }

    fn finish(self: Box<Self>) -> hash::Output {
        hash::Output::new(&self.0.finalize())
    }

    fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }
}

pub(super) struct Keyed<D>(PhantomData<fn() -> D>);

impl<D> hmac::Hmac for Keyed<D>
where
    D: EagerHash + Digest + 'static,
    Hmac<D>: Mac + KeyInit + FixedOutput + Clone + Send + Sync,
{
    fn with_key(&self, key: &[u8]) -> Box<dyn hmac::Key> {
        // HMAC takes keys of any length: longer ones than a block are hashed first.
        Box::new(Key::<D>(<Hmac<D> as KeyInit>::new_from_slice(key).ok()))
    }

    fn hash_output_len(&self) -> usize {
        <D as Digest>::output_size()
    }
}

struct Key<D: EagerHash>(Option<Hmac<D>>);

impl<D> hmac::Key for Key<D>
where
    D: EagerHash + Digest + 'static,
    Hmac<D>: Mac + FixedOutput + Clone + Send + Sync,
{
    fn sign_concat(&self, first: &[u8], middle: &[&[u8]], last: &[u8]) -> hmac::Tag {
        // An absent key cannot happen (see `with_key`); an empty tag matches nothing and fails the handshake.
        let Some(mut mac) = self.0.clone() else {
            return hmac::Tag::new(&[]);
        };
        Mac::update(&mut mac, first);
        for part in middle {
            Mac::update(&mut mac, part);
        }
        Mac::update(&mut mac, last);
        hmac::Tag::new(&mac.finalize_fixed())
    }

    fn tag_len(&self) -> usize {
        <D as Digest>::output_size()
    }
}

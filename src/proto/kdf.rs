//! Keys from keys: HKDF-SHA256 with a label for every use, a stream of bytes from a seed, and bytes as text.

use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::{Zeroize, Zeroizing};

/// One extracted key, from which others are expanded under distinct labels.
pub(crate) struct Kdf(Hkdf<Sha256>);

impl Kdf {
    /// Extracts from `secret`. `salt` need not be secret; it separates the uses of one secret.
    pub(crate) fn new(salt: &[u8], secret: &[u8]) -> Kdf {
        Kdf(Hkdf::new(Some(salt), secret))
    }

    /// Expands `N` bytes under `label`. A label stands for one use only, and is no prefix of another label.
    pub(crate) fn expand<const N: usize>(&self, label: &[u8]) -> Zeroizing<[u8; N]> {
        self.expand_with(label, &[])
    }

    /// Expands `N` bytes under `label` and a context of fixed length.
    pub(crate) fn expand_with<const N: usize>(&self, label: &[u8], context: &[u8]) -> Zeroizing<[u8; N]> {
        // This is the only way HKDF can fail, so that the result below carries nothing.
        const { assert!(N <= 255 * 32, "HKDF-SHA256 gives at most 255 blocks of 32 bytes") };
        let mut key = Zeroizing::new([0; N]);
        let outcome = self.0.expand_multi_info(&[label, context], &mut *key);
        debug_assert!(outcome.is_ok());
        key
    }
}

/// An endless stream of bytes that follows from a seed: how randomness comes into code that has no source of
/// its own.
pub(crate) struct SeedStream(blake3::OutputReader);

impl SeedStream {
    /// The stream of `seed` for one `purpose`: streams of different purposes are independent.
    pub(crate) fn new(purpose: &str, seed: &[u8; 32]) -> SeedStream {
        let mut hasher = blake3::Hasher::new_derive_key(purpose);
        hasher.update(seed);
        let stream = SeedStream(hasher.finalize_xof());
        hasher.zeroize();
        stream
    }

    /// The next bytes.
    pub(crate) fn fill(&mut self, out: &mut [u8]) {
        self.0.fill(out);
    }

    /// The next `N` bytes as an array.
    pub(crate) fn take<const N: usize>(&mut self) -> Zeroizing<[u8; N]> {
        let mut out = Zeroizing::new([0; N]);
        self.fill(&mut *out);
        out
    }
}

impl Drop for SeedStream {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// Bytes as lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |half: u8| char::from(DIGITS[usize::from(half & 15)]);
    bytes.iter().flat_map(|&byte| [digit(byte >> 4), digit(byte)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expands_as_rfc_5869_test_case_1_says() {
        let kdf = Kdf::new(&(0..=0x0c).collect::<Vec<u8>>(), &[0x0b; 22]);
        let info: Vec<u8> = (0xf0..=0xf9).collect();
        let okm = "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865";
        assert_eq!(hex(&*kdf.expand::<42>(&info)), okm);
        assert_eq!(hex(&*kdf.expand_with::<42>(&info[..3], &info[3..])), okm);
    }

    #[test]
    fn a_stream_follows_from_seed_and_purpose_only() {
        let bytes = |purpose, seed| SeedStream::new(purpose, &[seed; 32]).take::<40>();
        assert_eq!(bytes("a", 1), bytes("a", 1));
        assert_ne!(bytes("a", 1), bytes("b", 1));
        assert_ne!(bytes("a", 1), bytes("a", 2));
        let mut stream = SeedStream::new("a", &[1; 32]);
        let halves = [*stream.take::<20>(), *stream.take::<20>()].concat();
        assert_eq!(halves, *bytes("a", 1));
    }

    #[test]
    fn hex_has_two_digits_a_byte() {
        assert_eq!(hex(&[0x00, 0x0f, 0xa5, 0xff]), "000fa5ff");
    }
}

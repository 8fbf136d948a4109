//! Records: sealing and opening.
/// What seals the records of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// AES-256-GCM.
    Aes256Gcm,
    /// ChaCha20-Poly1305.
    ChaCha20Poly1305,
    /// Readable, but tagged with a keyed BLAKE3: both sides asked for no encryption.
    Tagged,
}

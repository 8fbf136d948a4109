//! Forwarding: WebSocket frames from one client become fragments for the other, in the buffer they were read into.
//!
//! ```text
//! from a client (RFC 6455, masked)                        to its partner (not masked)
//!  FIN op|1 len (2, 4, 10 bytes)|mask|payload …            FIN=0 Binary       ≤ 64 KiB
//!                                                          FIN=0 Continuation ≤ 64 KiB
//!                                                          FIN=1 Continuation ≤ 64 KiB
//! ```
//!
//! A message leaves as it comes: whatever part of it has been read is one fragment, so that the relay never waits for the
//! rest and never holds more than one buffer a direction, whatever length a header claims. Where two fragments meet, the
//! relay's own control frames go out. A client's header is longer than ours by the mask at least, so payloads move forward
//! or stay, and one buffer serves as input and output.
//!
//! [`decoder::Decoder`] reads the frames, [`store::Store`] holds what is to be forwarded, [`outbox::Outbox`] what the
//! relay itself says.

pub mod decoder;
pub mod header;
pub mod outbox;
pub mod store;

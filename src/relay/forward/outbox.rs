//! What the relay itself says to one client, between the fragments it forwards.

use super::decoder::ControlBody;
use super::header::{CONTROL_BYTES_MAX, Opcode, write_our_header};

/// The relay's own words to one client. Bounded by what it is made of: the answer to the upgrade, one ping, one pong, one
/// close. A second ping or pong replaces the first, as RFC 6455 allows.
#[derive(Debug, Default)]
pub struct Outbox {
    now: Vec<u8>,
    written: usize,
    ping: bool,
    pong: Option<ControlBody>,
    close: Option<Parting>,
    close_written: bool,
}

/// How to say goodbye.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parting {
    /// The close code.
    pub code: u16,
    /// For people: short, so that it fits a control frame.
    pub reason: &'static str,
}

impl Outbox {
    /// An outbox that says this first: the answer to the upgrade.
    #[must_use]
    pub fn starting_with(answer: Vec<u8>) -> Outbox {
        Outbox { now: answer, ..Outbox::default() }
    }

    /// Asks the client whether it is there.
    pub fn ping(&mut self) {
        self.ping = true;
    }

    /// Answers the client's ping.
    pub fn pong(&mut self, body: ControlBody) {
        self.pong = Some(body);
    }

    /// Says goodbye, after everything else. Nothing is said after it.
    pub fn close(&mut self, parting: Parting) {
        self.close.get_or_insert(parting);
    }

    /// What is half said: it must be finished before anything else is written.
    #[must_use]
    pub fn unfinished(&self) -> &[u8] {
        &self.now[self.written..]
    }

    /// What to say now that the stream is between two frames; empty if nothing. The goodbye only if `may_close`: once
    /// nothing is left to forward.
    pub fn next(&mut self, may_close: bool) -> &[u8] {
        if self.unfinished().is_empty() && !self.close_written {
            self.now.clear();
            self.written = 0;
            if let Some(body) = self.pong.take() {
                self.frame(Opcode::Pong, &[body.as_slice()]);
            }
            if std::mem::take(&mut self.ping) {
                self.frame(Opcode::Ping, &[]);
            }
            if may_close && let Some(Parting { code, reason }) = self.close {
                self.frame(Opcode::Close, &[&code.to_be_bytes(), reason.as_bytes()]);
                self.close_written = true;
            }
        }
        self.unfinished()
    }

    /// So much of it was written.
    pub fn consume(&mut self, bytes: usize) {
        self.written = self.written.saturating_add(bytes).min(self.now.len());
        if self.unfinished().is_empty() {
            // A waiting side speaks once in ten seconds: it need not keep a buffer for that.
            self.now = Vec::new();
            self.written = 0;
        }
    }

    /// The goodbye is out, and nothing is left.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.close_written && self.unfinished().is_empty()
    }

    fn frame(&mut self, opcode: Opcode, parts: &[&[u8]]) {
        let payload_bytes: usize = parts.iter().map(|part| part.len()).sum();
        debug_assert!(payload_bytes <= CONTROL_BYTES_MAX);
        let mut header = [0; 2];
        write_our_header(&mut header, true, opcode, payload_bytes);
        self.now.extend_from_slice(&header);
        for part in parts {
            self.now.extend_from_slice(part);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYE: Parting = Parting { code: 1000, reason: "bye" };

    #[test]
    fn golden_control_frames_in_their_order() {
        let mut outbox = Outbox::starting_with(b"HTTP".to_vec());
        outbox.close(BYE);
        outbox.ping();
        outbox.pong(ControlBody::default());
        assert_eq!(outbox.unfinished(), b"HTTP");
        outbox.consume(3);
        assert_eq!(outbox.next(true), b"P");
        outbox.consume(1);
        assert_eq!(outbox.next(false), [0x8A, 0, 0x89, 0]);
        outbox.consume(4);
        assert!(outbox.next(false).is_empty() && !outbox.is_closed());
        assert_eq!(outbox.next(true), [0x88, 5, 3, 232, b'b', b'y', b'e']);
        outbox.consume(7);
        assert!(outbox.is_closed());
        outbox.ping();
        assert!(outbox.next(true).is_empty());
    }

    #[test]
    fn the_first_goodbye_stands() {
        let mut outbox = Outbox::default();
        outbox.close(BYE);
        outbox.close(Parting { code: 1001, reason: "" });
        assert_eq!(outbox.next(true)[2..4], [3, 232]);
    }
}

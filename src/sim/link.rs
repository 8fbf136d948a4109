//! One direction of a connection: bytes that take their time, come in pieces, and may stop at any of them.

use std::collections::VecDeque;

use super::dice::Dice;

/// A stream of bytes from one end to the other. What was written arrives in order, later and in other pieces.
#[derive(Debug)]
pub struct Pipe {
    manner: Manner,
    // Written and not read; the first `arrived` of them can be read.
    bytes: Vec<u8>,
    head: usize,
    arrived: usize,
    // When further bytes arrive, and how many.
    under_way: VecDeque<(u64, usize)>,
    last_ms: u64,
    // What comes behind the bytes.
    ending: Option<(u64, Ending)>,
    // Bytes vanish, and nobody is told.
    is_mute: bool,
}

/// How a direction behaves.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    /// How many bytes it holds before the writer has to wait.
    pub capacity: usize,
    /// How long bytes take, in milliseconds.
    pub latency_ms: u64,
    /// How much longer they may take.
    pub jitter_ms: u64,
    /// Into how many pieces one write may fall.
    pub pieces: u64,
}

/// How a stream ends for its reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The writer has ended it.
    Finished,
    /// It broke.
    Reset,
}

impl Pipe {
    /// Nothing written yet.
    pub fn new(manner: Manner) -> Pipe {
        Pipe {
            manner,
            bytes: Vec::new(),
            head: 0,
            arrived: 0,
            under_way: VecDeque::new(),
            last_ms: 0,
            ending: None,
            is_mute: false,
        }
    }

    /// How many bytes may be written now.
    pub fn room(&self) -> usize {
        // Whoever writes into a connection that vanished has room until nothing is taken any more.
        if self.ending.is_some() && !self.is_mute {
            0
        } else {
            self.manner.capacity.saturating_sub(self.held())
        }
    }

    /// Whether what is written vanishes.
    pub fn is_mute(&self) -> bool {
        self.is_mute
    }

    /// Whether nobody can write any more.
    pub fn is_ended(&self) -> bool {
        self.ending.is_some()
    }

    /// Writes as much as there is room for. Returns how much, and puts the times at which something arrives into `arrivals`.
    pub fn write(&mut self, bytes: &[u8], now_ms: u64, dice: &mut Dice, arrivals: &mut Vec<u64>) -> usize {
        let taken = bytes.len().min(self.room());
        self.bytes.extend_from_slice(&bytes[..taken]);
        if self.is_mute {
            return taken;
        }
        let mut left = taken;
        let mut pieces = dice.between(1, self.manner.pieces);
        while left > 0 {
            let now = if pieces <= 1 { left } else { dice.length(left) };
            left -= now;
            pieces = pieces.saturating_sub(1);
            let delay_ms = self.manner.latency_ms + dice.roll(self.manner.jitter_ms + 1);
            self.last_ms = self.last_ms.max(now_ms + delay_ms);
            self.under_way.push_back((self.last_ms, now));
            arrivals.push(self.last_ms);
        }
        taken
    }

    /// Brings what has arrived by now.
    pub fn arrive(&mut self, now_ms: u64) {
        while let Some((_, count)) = self.under_way.pop_front_if(|(at_ms, _)| *at_ms <= now_ms) {
            self.arrived += count;
        }
    }

    /// What can be read.
    pub fn readable(&self) -> &[u8] {
        &self.bytes[self.head..self.head + self.arrived]
    }

    /// So much of it was read. Returns true if the writer had no room before.
    pub fn consume(&mut self, count: usize) -> bool {
        let was_full = self.held() >= self.manner.capacity;
        self.head += count;
        self.arrived -= count;
        if self.head == self.bytes.len() {
            self.bytes.clear();
            self.head = 0;
        } else if self.head > self.bytes.len() / 2 {
            self.bytes.drain(..self.head);
            self.head = 0;
        }
        was_full && count > 0
    }

    /// How long bytes take at least.
    pub fn latency_ms(&self) -> u64 {
        self.manner.latency_ms
    }

    /// How it ended, once everything that still arrives was read.
    pub fn ending(&self, now_ms: u64) -> Option<Ending> {
        let (at_ms, ending) = self.ending?;
        (self.arrived == 0 && self.under_way.is_empty() && at_ms <= now_ms).then_some(ending)
    }

    /// The writer ends it: the reader learns so after everything that was written. Returns when.
    pub fn finish(&mut self, now_ms: u64) -> Option<u64> {
        if self.ending.is_some() {
            return None;
        }
        let at_ms = self.last_ms.max(now_ms + self.manner.latency_ms);
        self.ending = Some((at_ms, Ending::Finished));
        (!self.is_mute).then_some(at_ms)
    }

    /// It breaks: of what is under way some bytes still arrive. Returns when the reader learns of it, if ever.
    pub fn cut(&mut self, now_ms: u64, dice: &mut Dice) -> Option<u64> {
        self.lose(dice);
        let at_ms = if self.is_mute { u64::MAX } else { self.last_ms.max(now_ms) };
        self.ending = Some((at_ms, Ending::Reset));
        (!self.is_mute).then_some(at_ms)
    }

    /// From some byte that is under way on nothing arrives any more, and nobody is told.
    pub fn mute(&mut self, dice: &mut Dice) {
        self.lose(dice);
        self.is_mute = true;
        if self.ending.is_some() {
            self.ending = Some((u64::MAX, Ending::Finished));
        }
    }

    /// Nothing arrives before this time. Returns the times at which something does.
    pub fn stall(&mut self, until_ms: u64) -> impl Iterator<Item = u64> {
        for (at_ms, _) in &mut self.under_way {
            *at_ms = (*at_ms).max(until_ms);
        }
        self.last_ms = self.last_ms.max(until_ms);
        if let Some((at_ms, _)) = &mut self.ending {
            *at_ms = (*at_ms).max(until_ms);
        }
        self.under_way.iter().map(|(at_ms, _)| *at_ms).chain(self.ending.map(|(at_ms, _)| at_ms))
    }

    /// Alters one byte that is under way or not read yet. Returns whether there was one.
    pub fn flip(&mut self, dice: &mut Dice) -> bool {
        let unread = &mut self.bytes[self.head..];
        if unread.is_empty() {
            return false;
        }
        let at = dice.index(unread.len());
        unread[at] ^= 1 << dice.roll(8);
        true
    }

    fn lose(&mut self, dice: &mut Dice) {
        let under_way: usize = self.under_way.iter().map(|(_, count)| count).sum();
        let mut kept = dice.index(under_way + 1);
        self.bytes.truncate(self.head + self.arrived + kept);
        self.under_way.retain_mut(|(_, count)| {
            *count = kept.min(*count);
            kept -= *count;
            *count > 0
        });
    }

    fn held(&self) -> usize {
        self.bytes.len() - self.head
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANNER: Manner = Manner { capacity: 100, latency_ms: 10, jitter_ms: 5, pieces: 4 };

    #[test]
    fn bytes_arrive_in_order_and_the_end_behind_them() {
        for seed in 0..200 {
            let mut dice = Dice::new(seed);
            let mut pipe = Pipe::new(MANNER);
            let sent: Vec<u8> = (0..250).map(|at| at as u8).collect();
            let (mut written, mut read, mut now_ms, mut arrivals) = (0, Vec::new(), 0, Vec::new());
            while read.len() < sent.len() {
                written += pipe.write(&sent[written..], now_ms, &mut dice, &mut arrivals);
                if written == sent.len() {
                    let _ = pipe.finish(now_ms);
                }
                assert_eq!(pipe.ending(u64::MAX), None);
                now_ms += 1;
                pipe.arrive(now_ms);
                let count = dice.index(pipe.readable().len() + 1);
                read.extend_from_slice(&pipe.readable()[..count]);
                pipe.consume(count);
            }
            assert_eq!(read, sent);
            assert_eq!(pipe.ending(now_ms + 100), Some(Ending::Finished));
        }
    }

    #[test]
    fn a_cut_leaves_a_prefix() {
        let mut lengths = std::collections::BTreeSet::new();
        for seed in 0..300 {
            let mut dice = Dice::new(seed);
            let mut pipe = Pipe::new(MANNER);
            let sent: Vec<u8> = (0..20).collect();
            pipe.write(&sent, 0, &mut dice, &mut Vec::new());
            let at_ms = pipe.cut(3, &mut dice).unwrap();
            pipe.arrive(at_ms);
            assert!(sent.starts_with(pipe.readable()));
            lengths.insert(pipe.readable().len());
            assert_eq!(pipe.room(), 0);
            let all = pipe.readable().len();
            pipe.consume(all);
            assert_eq!(pipe.ending(at_ms), Some(Ending::Reset));
        }
        assert_eq!(lengths.len(), 21, "every byte is a place to cut at");
    }
}

//! A relay that is not on our side: it alters, drops, repeats, reorders and swaps what passes. It knows no secret.

use std::collections::VecDeque;

use bytes::BytesMut;

use super::dice::Dice;
use super::trace::Trace;
use crate::proto::role::Role;

/// Somebody in between, and what they remember.
#[derive(Debug, Default)]
pub struct Hostile {
    is_listening: bool,
    // What passed lately, to each side.
    heard: [VecDeque<BytesMut>; 2],
    acts: VecDeque<Act>,
    kept_back: Option<(Role, BytesMut)>,
    /// How often they did something.
    pub done: u64,
}

/// One thing done to a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// One bit is another.
    Flip,
    /// It never arrives.
    Drop,
    /// An earlier one of the same direction comes too, maybe from an earlier connection.
    Replay,
    /// The next one comes first.
    Reorder,
    /// One of the other direction comes instead.
    Swap,
    /// Its end is missing.
    Truncate,
    /// Something stands behind it.
    Append,
}

/// All of them.
pub const ACTS: &[Act] =
    &[Act::Flip, Act::Drop, Act::Replay, Act::Reorder, Act::Swap, Act::Truncate, Act::Append];

impl Hostile {
    /// Somebody who listens from the beginning, if they are ever going to do something.
    pub fn new(is_listening: bool) -> Hostile {
        Hostile { is_listening, ..Hostile::default() }
    }

    /// This is done to the next message that passes.
    pub fn plan(&mut self, act: Act) {
        self.acts.push_back(act);
    }

    /// A message passes to one side: what arrives there.
    pub fn pass(&mut self, to: Role, message: BytesMut, dice: &mut Dice, trace: &mut Trace) -> Vec<BytesMut> {
        if !self.is_listening {
            return vec![message];
        }
        let mut passed = Vec::new();
        match self.acts.pop_front() {
            None => passed.push(message.clone()),
            Some(act) => {
                self.done += 1;
                trace.say(|| format!("hostile: {act:?} of {} bytes to {to:?}", message.len()));
                self.act(act, to, message.clone(), dice, &mut passed);
            }
        }
        if let Some((_, late)) = self.kept_back.take_if(|(whose, _)| *whose == to && !passed.is_empty()) {
            passed.push(late);
        }
        let heard = &mut self.heard[to as usize];
        heard.push_back(message);
        if heard.len() > REMEMBERED {
            heard.pop_front();
        }
        passed
    }

    /// What a stranger says who sits down opposite to somebody.
    pub fn junk(&mut self, dice: &mut Dice) -> Vec<u8> {
        let heard = &self.heard[dice.index(2)];
        if !heard.is_empty() && dice.one_in(2) {
            return heard[dice.index(heard.len())].to_vec();
        }
        let mut junk = b"p2pc\x01".to_vec();
        junk.push(dice.pick(&[0, 1, 2, 3, 4]));
        for _ in 0..dice.roll(5) {
            junk.extend_from_slice(&dice.bytes());
        }
        junk.truncate(dice.length(junk.len()));
        junk
    }

    fn act(
        &mut self,
        act: Act,
        to: Role,
        mut message: BytesMut,
        dice: &mut Dice,
        passed: &mut Vec<BytesMut>,
    ) {
        match act {
            Act::Flip => {
                if !message.is_empty() {
                    let at = dice.index(message.len());
                    message[at] ^= 1 << dice.roll(8);
                }
                passed.push(message);
            }
            Act::Drop => {}
            Act::Replay => {
                let heard = &self.heard[to as usize];
                passed.push(message);
                if !heard.is_empty() {
                    let old = heard[dice.index(heard.len())].clone();
                    passed.insert(dice.index(2), old);
                }
            }
            Act::Reorder => match self.kept_back.replace((to, message)) {
                Some((whose, kept)) if whose == to => passed.push(kept),
                _ => {}
            },
            Act::Swap => {
                let other = &self.heard[to.other() as usize];
                passed.push(if other.is_empty() { message } else { other[dice.index(other.len())].clone() });
            }
            Act::Truncate => {
                message.truncate(dice.index(message.len()));
                passed.push(message);
            }
            Act::Append => {
                message.extend_from_slice(&dice.bytes()[..dice.length(32)]);
                passed.push(message);
            }
        }
    }
}

/// Messages remembered of each direction: enough to reach into an earlier connection.
const REMEMBERED: usize = 24;

//! Contents of files, on their way from the lanes to the sink.

use bytes::BytesMut;

use super::receiving::Taken;
use super::{Effect, Receiver};
use crate::error::Result;
use crate::proto::compress::{Codec, Packed};
use crate::proto::conversation::broken;
use crate::proto::frame::{Failure, FileEnd, Piece};
use crate::proto::window::Standing;
use crate::receive::sink::Job;

impl Receiver {
    /// Contents came: they are checked against what was asked for, and go to the sink, with the ends that
    /// waited for them.
    pub(super) fn data(
        &mut self,
        pieces: Vec<Piece>,
        payload: BytesMut,
        packed: Option<(Codec, u32)>,
        cost: u64,
    ) -> Result<()> {
        self.credit.charge(cost)?;
        let order = self.lanes.order();
        let mut ends = Vec::new();
        for piece in &pieces {
            let (entry, _, length) = piece.place();
            match self.window.get(entry) {
                // The sink has given it up; the sender does not know yet.
                Standing::Resolved => continue,
                Standing::Unknown => return Err(broken("data of what was not offered")),
                Standing::Open(item) => {
                    match item.take(piece, order)? {
                        Taken::Part => {}
                        Taken::Last => ends.extend(self.early_ends.remove(&entry)),
                        Taken::Late => continue,
                    }
                    self.tally.compared(&mut item.counted, piece.held_bytes());
                }
            }
            self.tally.taken(u64::from(length));
        }
        let content_bytes = packed.map_or(payload.len(), |(_, length)| length as usize);
        self.tally.carried(content_bytes, payload.len());
        let bytes = payload.freeze();
        self.effects.push_back(Effect::Job(match packed {
            None => Job::Write { pieces, payload: bytes, cost },
            Some((codec, length)) => {
                Job::WritePacked { pieces, payload: Packed { codec, length, bytes }, cost }
            }
        }));
        self.effects.extend(ends.into_iter().map(|end| Effect::Job(Job::Finish(end))));
        Ok(())
    }

    /// The sender said the end of a file.
    pub(super) fn ended(&mut self, end: FileEnd) -> Result<()> {
        match self.window.get(end.entry) {
            Standing::Resolved => Ok(()),
            Standing::Unknown => Err(broken("the end of what was not offered")),
            Standing::Open(item) => {
                let is_all_there = item.ended(&end, self.lanes.order())?;
                self.tally.measured(&mut item.counted, end.size);
                if is_all_there {
                    self.effects.push_back(Effect::Job(Job::Finish(end)));
                } else {
                    self.early_ends.insert(end.entry, end);
                }
                Ok(())
            }
        }
    }

    /// The sender will not send a file to its end.
    pub(super) fn dropped(&mut self, entry: u64, failure: Failure) -> Result<()> {
        match self.window.get(entry) {
            Standing::Resolved => Ok(()),
            Standing::Unknown => Err(broken("the sender dropped what was not offered")),
            Standing::Open(item) => {
                item.dropped()?;
                self.effects.push_back(Effect::Job(Job::Drop { entry, failure }));
                Ok(())
            }
        }
    }
}

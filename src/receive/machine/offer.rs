//! What is offered, until the person has accepted it.

use super::receiving::Receiving;
use super::{Accepting, Effect, Receiver};
use crate::error::Result;
use crate::events::{Event, Offer, Question};
use crate::proto::conversation::broken;
use crate::proto::frame::Control;
use crate::proto::handshake::Capabilities;
use crate::proto::limits::SHOWN_BYTES_MAX;
use crate::proto::manifest::Item;
use crate::receive::sink::Job;

impl Receiver {
    /// Whether it may still be said that a text is offered.
    pub(super) fn may_be_text(&self) -> bool {
        let nothing_yet = self.window.next_id() == 0 && !self.manifest_ended && !self.text;
        nothing_yet && self.both_can.has(Capabilities::TEXT)
    }

    /// One item of the manifest. Before the person has accepted it is held back.
    pub(super) fn item(&mut self, item: &Item<'_>) -> Result<()> {
        let is_text = self.window.next_id() == 0
            && matches!(item, Item::File { size: Some(size), .. } if *size <= SHOWN_BYTES_MAX);
        if self.text && !is_text {
            return Err(broken("it offered something else than the text that it said it offers"));
        }
        let entry = self.nesting.place(item).map_err(|error| broken(format_args!("it offered {error}")))?;
        let kept = Receiving::new(&entry, self.tally.offered(&entry));
        if !self.window.push(entry.cost(), kept) {
            return Err(broken("more was offered than may be open"));
        }
        if self.accepting == Accepting::Accepted {
            self.effects.push_back(Effect::Job(Job::Prepare(entry)));
        } else {
            self.held.push(entry);
        }
        Ok(())
    }

    /// Shows what is offered by now, and asks as soon as there is something to ask about.
    pub(super) fn offered(&mut self) {
        let offer: Offer = self.tally.offer().clone();
        self.tell(Event::Offer(offer));
        self.ask_if_offered();
    }

    /// Asks the person, once there is something to ask about and the strings are compared.
    pub(super) fn ask_if_offered(&mut self) {
        let nothing_yet = self.window.next_id() == 0 && !self.manifest_ended;
        if self.confirming || nothing_yet {
            return;
        }
        match self.accepting {
            Accepting::NotAsked { yes: true } => self.accept(),
            Accepting::NotAsked { yes: false } => {
                self.accepting = Accepting::Asked;
                self.effects.push_back(Effect::Ask(Question::Accept(self.tally.offer().clone())));
            }
            Accepting::Asked | Accepting::Accepted => {}
        }
    }

    /// The person accepted: the disk is opened, and what was held back goes there.
    pub(super) fn accept(&mut self) {
        self.accepting = Accepting::Accepted;
        // Something was offered, so the sender has begun.
        self.effects.extend(self.chunk.map(Effect::Open));
        let window = self.credit.begin();
        self.say(Control::Accept { window });
        self.tell(Event::Accepted);
        self.effects.extend(self.lanes.up().map(|lane| Effect::Lane { lane, up: true }));
        let held = std::mem::take(&mut self.held);
        self.effects.extend(held.into_iter().map(|entry| Effect::Job(Job::Prepare(entry))));
    }
}

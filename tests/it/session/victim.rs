//! A receiver and a sender that a test tells whatever it wants, true or not.

use bytes::BytesMut;
use p2pc::Kind;
use p2pc::proto::frame::{Block, Control, Verdict, encode_control, encode_keep_alive};
use p2pc::proto::handshake::Capabilities;
use p2pc::proto::manifest::{Entry, EntryKind, Item};
use p2pc::proto::path::RelPath;
use p2pc::receive::machine::{self as receiving, Receiver};
use p2pc::receive::sink::{Job, SinkEvent};
use p2pc::send::machine::{self as sending, Sender};

use crate::world::META;

/// A receiver that accepts at once, and what it did about the frames it was told.
pub struct Victim {
    pub receiver: Receiver,
    pub seq: u64,
    pub jobs: Vec<Job>,
    /// The lanes that it goes to, or lets go of.
    pub lanes: Vec<(u8, bool)>,
    pub result: Option<p2pc::Result<p2pc::events::Report>>,
}

impl Victim {
    pub fn new() -> Victim {
        let receiver = Receiver::new(receiving::Beginning {
            yes: true,
            both_can: Capabilities::NONE,
            ..receiving::Beginning::default()
        });
        let mut victim = Victim { receiver, ..Victim::unbegun() };
        victim.hears(Control::Begin { chunk_bytes: 1 << 20 });
        victim
    }

    /// One that was told nothing yet.
    pub fn unbegun() -> Victim {
        let receiver = Receiver::new(receiving::Beginning::default());
        Victim { receiver, seq: 0, jobs: Vec::new(), lanes: Vec::new(), result: None }
    }

    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Victim {
        self.receiver.frame(BytesMut::from(bytes), 0);
        while let Some(effect) = self.receiver.poll() {
            match effect {
                receiving::Effect::Job(job) => self.jobs.push(job),
                receiving::Effect::Lane { lane, up } => self.lanes.push((lane, up)),
                receiving::Effect::Done(result) => self.result = Some(result),
                _ => {}
            }
        }
        self
    }

    pub fn hears(&mut self, control: Control<'_>) -> &mut Victim {
        let bytes = encode_control(self.seq, control).unwrap();
        self.seq += 1;
        self.bytes(&bytes)
    }

    /// One that can have lanes, and has one, or lets go of it.
    pub fn with_lane(size: Option<u64>) -> Victim {
        let mut victim = Victim::expecting_of(size);
        let yes = receiving::Beginning { yes: true, ..receiving::Beginning::default() };
        (victim.receiver, victim.seq) = (Receiver::new(yes), 0);
        victim.hears(Control::Begin { chunk_bytes: 1 << 20 });
        victim.hears(Control::Manifest(vec![Item::File { name: b"f", size, meta: META, holes: 0 }]));
        victim.sink(SinkEvent::Planned { entry: 0, verdict: Verdict::Send });
        victim.hears(Control::Lane { lane: 1, up: true });
        victim
    }

    pub fn beside(&mut self, bytes: &[u8]) -> &mut Victim {
        self.receiver.frame_beside(BytesMut::from(bytes), 0);
        self.bytes(&encode_keep_alive().unwrap())
    }

    pub fn data(&mut self, entry: u64, offset: u64, contents: &[u8]) -> &mut Victim {
        let bytes = data(entry, offset, contents);
        self.bytes(&bytes)
    }

    pub fn sink(&mut self, event: SinkEvent) -> &mut Victim {
        self.receiver.sink(event, 0);
        self.bytes(&encode_keep_alive().unwrap())
    }

    /// One that offers, and whose person has yet to answer.
    pub fn asking() -> Victim {
        let mut victim = Victim::new();
        let beginning = receiving::Beginning::default();
        (victim.receiver, victim.seq) = (Receiver::new(beginning), 0);
        victim.hears(Control::Begin { chunk_bytes: 1 << 20 });
        victim.hears(Control::Manifest(vec![Item::File { name: b"f", size: Some(1), meta: META, holes: 0 }]));
        victim
    }

    /// One file of 10 bytes, planned and expected.
    pub fn expecting() -> Victim {
        Victim::expecting_of(Some(10))
    }

    pub fn expecting_of(size: Option<u64>) -> Victim {
        let mut victim = Victim::new();
        victim.hears(Control::Manifest(vec![Item::File { name: b"f", size, meta: META, holes: 0 }]));
        victim.sink(SinkEvent::Planned { entry: 0, verdict: Verdict::Send });
        victim
    }

    pub fn broke(&self) -> bool {
        matches!(&self.result, Some(Err(error)) if error.kind() == Kind::Protocol)
    }
}

pub fn data(entry: u64, offset: u64, contents: &[u8]) -> Vec<u8> {
    let mut block = Block::new(contents.len());
    let fill = |room: &mut [u8]| {
        room.copy_from_slice(contents);
        Ok::<_, ()>(room.len())
    };
    block.piece(entry, offset, contents.len(), fill).unwrap();
    let packed = block.pack().unwrap();
    packed.buffer[packed.start..].to_vec()
}

/// What it is, to whom it is told, and how.
pub type Lie<'l> = (&'static str, Victim, &'l dyn Fn(&mut Victim));

/// Each of these lies ends the session as a breach of the protocol, and not before it is told.
pub fn are_found_out<'l>(lies: impl IntoIterator<Item = Lie<'l>>) -> Vec<(&'static str, Victim)> {
    let found_out = lies.into_iter().map(|(lie, mut victim, tells)| {
        assert!(victim.result.is_none(), "{lie}: {:?}", victim.result);
        tells(&mut victim);
        assert!(victim.broke(), "{lie}: {:?}", victim.result);
        (lie, victim)
    });
    found_out.collect()
}

/// A sender that offered one file of one byte, and what it said.
pub fn offering() -> (Sender, u64) {
    let mut sender = Sender::new(sending::Beginning::default());
    let kind = EntryKind::File { size: Some(1), meta: META, holes: 0 };
    let name = p2pc::proto::path::Name::new(b"f").unwrap();
    sender.entry(Entry { id: 0, path: RelPath::root().join(&name).unwrap(), kind });
    sender.walk_ended();
    (sender, 0)
}

pub fn tell(
    sender: &mut Sender,
    seq: &mut u64,
    control: Control<'_>,
) -> Option<p2pc::Result<p2pc::events::Report>> {
    sender.frame(&encode_control(*seq, control).unwrap());
    *seq += 1;
    std::iter::from_fn(|| sender.poll()).find_map(|effect| match effect {
        sending::Effect::Done(result) => Some(result),
        _ => None,
    })
}

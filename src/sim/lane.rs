//! One lane as the shipping one drives its connection: what comes is opened and counted, what goes is sealed and kept.

use std::collections::VecDeque;

use bytes::BytesMut;

use super::net::{ConnId, Net};
use crate::error::{Error, Kind, Result};
use crate::proto::conversation::broken;
use crate::proto::frame::{Frame, PackedBlock, encode_keep_alive, encode_received};
use crate::proto::inbox::{Due, Inbox};
use crate::proto::lanes;
use crate::proto::limits::KEEPALIVE_MS;
use crate::proto::liveness::{Belief, Liveness};
use crate::proto::outbox::{Load, Outbox};
use crate::proto::rejoin::Proven;
use crate::proto::seal::{Opener, Sealer};

/// Both directions of a lane, over all its connections.
#[derive(Debug)]
pub struct Lane {
    outbox: Outbox,
    inbox: Inbox,
    live: Option<Live>,
    is_over: bool,
    is_beside: bool,
    // Connections that were let go of, and of which the network does not know that yet.
    left: Vec<ConnId>,
}

/// The connection there is.
#[derive(Debug)]
struct Live {
    conn: ConnId,
    opener: Opener,
    has_greeted: bool,
    was_greeted: bool,
    liveness: Liveness,
    said_ms: u64,
}

impl Lane {
    /// A lane on its first connection, from the pairing.
    pub fn new(conn: ConnId, sealer: Sealer, opener: Opener, net: &Net) -> Lane {
        let mut lane = Lane { outbox: Outbox::new(sealer), is_beside: false, ..Lane::unconnected() };
        lane.connect(conn, opener, false, net);
        lane
    }

    /// A lane beside the first, without a connection.
    fn unconnected() -> Lane {
        let (outbox, inbox) = (Outbox::unconnected(), Inbox::default());
        Lane { outbox, inbox, live: None, is_over: false, is_beside: true, left: Vec::new() }
    }

    /// A new connection, whose other side has proven itself.
    pub fn attach(&mut self, conn: ConnId, proven: Proven, net: &Net) -> Result<()> {
        self.outbox.connect(proven.sealer, proven.frames)?;
        self.connect(conn, proven.opener, true, net);
        Ok(())
    }

    fn connect(&mut self, conn: ConnId, opener: Opener, is_greeted: bool, net: &Net) {
        let now_ms = net.now_ms();
        self.live = Some(Live {
            conn,
            opener,
            has_greeted: is_greeted,
            was_greeted: is_greeted,
            liveness: Liveness::new(now_ms),
            said_ms: now_ms,
        });
    }

    /// Whether this is the connection there is.
    pub fn is_on(&self, conn: ConnId) -> bool {
        self.live.as_ref().is_some_and(|live| live.conn == conn)
    }

    /// A record came on the connection there is. The frame in it, if it is the session's. One that does not open is a lost connection on a lane beside
    /// the first, whose loss ends nothing but itself.
    pub fn open(&mut self, mut record: BytesMut, now_ms: u64) -> Result<Option<BytesMut>> {
        let Some(live) = &mut self.live else { return Ok(None) };
        let length = match live.opener.open_in_place(&mut record) {
            Ok(frame) => frame.len(),
            Err(error) if self.is_beside => {
                return Err(Error::new(Kind::ConnectionLost, "garbled").caused_by(error));
            }
            Err(error) => return Err(error.into()),
        };
        record.truncate(length);
        match Frame::decode(&record) {
            Ok(Frame::Received { frames }) => {
                live.was_greeted = true;
                self.outbox.acknowledge(frames)?;
                Ok(None)
            }
            _ if !live.was_greeted => Err(broken("it does not say first how much has come")),
            Ok(Frame::KeepAlive) => Ok(None),
            _ => {
                self.inbox.took(record.len(), now_ms);
                Ok(Some(record))
            }
        }
    }

    /// Says what there is to say, as far as the connection takes it. Once the session is over, true when all of it is out.
    pub fn pump(&mut self, net: &mut Net) -> Result<bool> {
        self.leave(net);
        let now_ms = net.now_ms();
        let Some(live) = &mut self.live else { return Ok(true) };
        while net.is_clear(live.conn) {
            let due = if self.is_over { Due::Never } else { self.inbox.due(now_ms) };
            let record = if !live.has_greeted || due == Due::Now {
                live.has_greeted = true;
                let frame = encode_received(self.inbox.tell()).map_err(encoding)?;
                self.outbox.seal_aside(frame)?
            } else if let Some(record) = self.outbox.seal_next()? {
                Some(record)
            } else if now_ms >= live.said_ms + KEEPALIVE_MS && !self.is_over {
                self.outbox.seal_aside(encode_keep_alive().map_err(encoding)?)?
            } else {
                None
            };
            let Some(record) = record else { return Ok(true) };
            live.said_ms = now_ms;
            net.say(live.conn, &record);
        }
        Ok(false)
    }

    /// Whether the other side of the connection there is must be taken for gone.
    pub fn is_dead(&mut self, net: &Net) -> bool {
        let now_ms = net.now_ms();
        self.live
            .as_mut()
            .is_some_and(|live| matches!(live.liveness.poll(now_ms, net.heard(live.conn)), Belief::Dead(_)))
    }

    /// The session is over: data that waits is left out.
    pub fn finish(&mut self) {
        self.outbox.leave_out_data();
        self.is_over = true;
    }

    /// Tells the network which connections were let go of.
    pub fn leave(&mut self, net: &mut Net) {
        self.left.drain(..).for_each(|conn| net.drop(conn));
    }

    /// Says goodbye on the connection there is.
    pub fn close(&mut self, net: &mut Net) {
        if let Some(live) = self.live.take() {
            net.close(live.conn, CLOSE_NORMAL);
        }
    }

    /// Whatever is not out yet is lost.
    pub fn drop(&mut self, net: &mut Net) {
        if let Some(live) = self.live.take() {
            net.drop(live.conn);
        }
    }
}

impl lanes::Lane for Lane {
    fn beside(&self) -> Lane {
        Lane::unconnected()
    }

    fn send(&mut self, frame: PackedBlock) -> Result<()> {
        self.outbox.say(frame)
    }

    fn has_room(&self) -> bool {
        self.outbox.has_room()
    }

    fn load(&self) -> Load {
        self.outbox.load()
    }

    fn is_counted(&self) -> bool {
        self.outbox.is_empty()
    }

    fn detach(&mut self) -> Result<u64> {
        self.left.extend(self.live.take().map(|live| live.conn));
        self.outbox.disconnect()?;
        Ok(self.inbox.tell())
    }

    fn evacuate(&mut self, frames: u64) -> Result<VecDeque<PackedBlock>> {
        self.detach()?;
        self.outbox.evacuate(frames)
    }
}

fn encoding(error: crate::proto::frame::FrameError) -> Error {
    Error::new(Kind::Internal, "a frame could not be written").caused_by(error)
}

/// RFC 6455, section 7.4.1: the purpose of the connection is fulfilled.
const CLOSE_NORMAL: u16 = 1000;

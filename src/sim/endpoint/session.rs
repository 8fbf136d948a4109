//! In a session: over whatever connections there are, and looking for the other side when the first lane has none.

use bytes::BytesMut;

use super::{End, Stage};
use crate::error::{Error, Kind, Result};
use crate::events::{Event, Report};
use crate::proto::handshake::{Established, GuessesLeft};
use crate::proto::role::Role;
use crate::sim::lane::Lane;
use crate::sim::lanes::{Lanes, News, SEARCH_PAUSE_MAX_MS};
use crate::sim::net::{ConnId, Ended, Net, Notice};
use crate::sim::party::{Party, Places, Wish};
use crate::sim::seeker::{Found, Seeker};
use crate::sim::world::Happening;

#[derive(Debug)]
pub(super) struct Session {
    pub(super) party: Party,
    pub(super) lanes: Lanes,
    search: Option<Search>,
    // Once the session is over: what it came to, and until when its last words may take.
    pub(super) closing: Option<(Result<Report>, u64)>,
}

/// Looking for the other side of a session whose connection is lost.
#[derive(Debug)]
struct Search {
    lane: Seeker,
    code: Option<Seeker>,
    until_ms: u64,
}

impl Session {
    /// When somebody who is looked for has something to do.
    pub(super) fn due_ms(&self) -> Option<u64> {
        self.search.as_ref().map(Search::due_ms).into_iter().chain(self.lanes.due_ms()).min()
    }
}

impl End {
    /// Both sides know each other: a session begins.
    pub(super) fn establish(&mut self, established: &Established, conn: ConnId, net: &mut Net, yes: bool) {
        let (sealer, opener) = established.first_lane();
        let first = Lane::new(conn, sealer, opener, net);
        let lanes = Lanes::new(first, self.role, established.secret.clone(), established.mode);
        let party = match self.role {
            Role::Send => Party::sending(&self.command, established.both_can),
            Role::Receive => Party::receiving(&self.command, yes, established.both_can),
        };
        self.stage = Stage::Session(Box::new(Session { party, lanes, search: None, closing: None }));
    }

    /// Something happened to one of the session's connections.
    pub(super) fn session_notice(&mut self, id: ConnId, notice: Notice, net: &mut Net) {
        let Stage::Session(session) = &mut self.stage else { return };
        if let Some(lane) = session.lanes.on(id) {
            match notice {
                Notice::Message(record) => self.record(lane, record, net),
                Notice::Ended(ended) => self.connection_ended(lane, ended, net),
                Notice::Seated | Notice::NotSeated(_) | Notice::Clear => {}
            }
            return;
        }
        let seekers = session.search.as_mut().map(|search| [Some(&mut search.lane), search.code.as_mut()]);
        let on = seekers.into_iter().flatten().flatten().find(|seeker| seeker.is_on(id));
        if let Some(seeker) = on {
            let found = seeker.notice(notice, net, &mut self.dice);
            self.search_found(found, net);
        } else if let Some(news) = session.lanes.notice(id, notice, net, &mut self.dice) {
            self.lane(news, net);
        }
    }

    /// Does what is due for those that are looked for.
    pub(super) fn look(&mut self, net: &mut Net) {
        let Stage::Session(session) = &mut self.stage else { return };
        for news in session.lanes.poll(net, &mut self.dice) {
            self.lane(news, net);
        }
        let Stage::Session(session) = &mut self.stage else { return };
        let Some(search) = &mut session.search else { return };
        if net.now_ms() >= search.until_ms {
            self.search_ends(net);
            return;
        }
        let found = search.lane.poll(net, &mut self.dice);
        self.search_found(found, net);
        if let Stage::Session(session) = &mut self.stage
            && let Some(code) = session.search.as_mut().and_then(|search| search.code.as_mut())
        {
            let found = code.poll(net, &mut self.dice);
            self.search_found(found, net);
        }
    }

    fn record(&mut self, lane: u8, record: BytesMut, net: &mut Net) {
        let now_ms = net.now_ms();
        let Stage::Session(session) = &mut self.stage else { return };
        if session.closing.is_some() {
            return;
        }
        net.moves += 1;
        match session.lanes.record(lane, record, now_ms) {
            Ok(Some(frame)) => session.party.frame(lane, frame, now_ms),
            Ok(None) => {}
            Err(error) if lane > 0 && error.kind() == Kind::ConnectionLost => {
                self.connection_ended(lane, Ended::Broken, net);
            }
            Err(error) => session.party.fail(error),
        }
    }

    /// Something happened to a lane beside the first.
    fn lane(&mut self, news: News, net: &mut Net) {
        net.trace.say(|| format!("{:?}: {news:?}", self.role));
        match news {
            News::Up(_) => net.lanes[0] += 1,
            News::Lost { .. } => net.lanes[1] += 1,
            News::Failed(_) => {}
        }
        let Stage::Session(session) = &mut self.stage else { return };
        session.party.lane(news, &mut session.lanes, net.now_ms());
    }

    /// Does everything that can be done now, and puts down when there is more.
    pub(super) fn settle(&mut self, net: &mut Net, places: &Places) {
        if self.role == Role::Receive && places.is_stopped() {
            return;
        }
        let mut wishes = Vec::new();
        let mut left = self.dice.between(1, 8);
        while let Stage::Session(session) = &mut self.stage {
            session.party.carry_out(&mut session.lanes, places, net.now_ms(), &mut wishes);
            for wish in wishes.drain(..) {
                match wish {
                    Wish::Turn => {
                        let delay_ms = self.dice.roll(self.command.turn_ms + 1);
                        net.clock.after(delay_ms, Happening::Turn(self.role, self.life));
                    }
                    Wish::Answer => {
                        let delay_ms = self.dice.wide(60_000);
                        net.clock.after(delay_ms, Happening::Answered(self.role, self.life));
                    }
                    Wish::Decide => {
                        let delay_ms = self.dice.wide(20_000);
                        net.clock.after(delay_ms, Happening::Decided(self.role, self.life));
                    }
                    Wish::Told(event) => {
                        if !matches!(event, Event::Offer(_)) {
                            net.trace.say(|| format!("{:?}: {event:?}", self.role));
                        }
                        if let Event::KeptBoth { path, name } = event {
                            self.kept_both.insert(path, name);
                        }
                    }
                    Wish::Done(result) => {
                        net.trace.say(|| format!("{:?} is done: {result:?}", self.role));
                        session.lanes.finish(net);
                        session.party.end();
                        if let Some(mut search) = session.search.take() {
                            search.give_up(net);
                        }
                        net.done
                            .push((self.role, result.as_ref().ok().map(|report| report.failures.clone())));
                        session.closing = Some((result, net.now_ms() + CLOSING_MS));
                    }
                }
            }
            if self.role == Role::Receive && places.is_stopped() {
                return;
            }
            session.lanes.leave(net);
            let is_out = match session.lanes.pump(net) {
                Ok(is_out) => is_out,
                Err(error) => {
                    session.party.fail(error);
                    session.lanes.drop(net);
                    continue;
                }
            };
            if let Some((_, until_ms)) = &session.closing {
                if is_out || net.now_ms() >= *until_ms {
                    if is_out {
                        session.lanes.close(net);
                    } else {
                        session.lanes.drop(net);
                    }
                    if let Some((result, _)) = session.closing.take() {
                        self.over(result, net);
                    }
                }
                break;
            }
            if left == 0 {
                let delay_ms = self.dice.roll(3);
                self.goes_after(delay_ms, net);
                break;
            }
            left -= 1;
            if session.party.feed(&mut session.lanes, places, net.now_ms(), &mut self.dice) {
                self.has_moved = true;
                continue;
            }
            session.party.idle();
            session.party.carry_out(&mut session.lanes, places, net.now_ms(), &mut wishes);
            if wishes.is_empty() {
                session.lanes.leave(net);
                if let Err(error) = session.lanes.pump(net) {
                    session.party.fail(error);
                    continue;
                }
                break;
            }
        }
        self.schedule(net);
    }

    /// A lane has no connection any more.
    pub(super) fn connection_ended(&mut self, lane: u8, ended: Ended, net: &mut Net) {
        let now_ms = net.now_ms();
        net.trace.say(|| format!("{:?} has lost the connection of lane {lane}: {ended:?}", self.role));
        let proof = self.proof(true);
        let Stage::Session(session) = &mut self.stage else { return };
        if session.closing.is_some() {
            session.lanes.drop_one(lane, net);
            return;
        }
        if lane > 0 {
            // Whatever it was, it ends nothing but the lane.
            let news = match session.lanes.let_go(lane) {
                Ok(_) => News::Lost { lane, is_refused: false },
                Err(error) => News::Failed(error),
            };
            return self.lane(news, net);
        }
        if ended == Ended::Broken {
            session.lanes.drop_one(lane, net);
            session.party.fail(Error::new(Kind::Protocol, "the relay broke the WebSocket protocol"));
            return;
        }
        match session.lanes.detach_first() {
            Ok(lane) if self.command.retry_ms > 0 => {
                let lane = Seeker::new(self.role, lane, SEARCH_PAUSE_MAX_MS, Some((now_ms, &mut self.dice)));
                let code = (!self.guesses.is_burnt()).then(|| {
                    Seeker::new(self.role, proof, SEARCH_PAUSE_MAX_MS, Some((now_ms, &mut self.dice)))
                });
                session.search = Some(Search { lane, code, until_ms: now_ms + self.command.retry_ms });
                self.goes_after(0, net);
            }
            Ok(_) => session.party.connection_lost(lost()),
            Err(error) => session.party.fail(error),
        }
    }

    fn search_found(&mut self, found: Found, net: &mut Net) {
        let Stage::Session(session) = &mut self.stage else { return };
        let Some(search) = &mut session.search else { return };
        if !matches!(found, Found::Nothing) {
            net.trace.say(|| format!("{:?} search: {found:?}", self.role));
        }
        match found {
            Found::Nothing | Found::Failed | Found::NoSeat(_) | Found::Fault(_) => {}
            Found::GuessedWrong | Found::Unanswered => {
                if self.guesses.count_wrong() == GuessesLeft::Burnt
                    && let Some(mut code) = search.code.take()
                {
                    code.give_up(net);
                }
            }
            Found::Proven(proven, conn) => {
                search.give_up_but(conn, net);
                session.search = None;
                if let Err(error) = session.lanes.attach_first(conn, *proven, net) {
                    session.party.fail(error);
                }
            }
            Found::Paired(established, conn) => {
                search.give_up_but(conn, net);
                session.party.end();
                session.lanes.finish(net);
                session.lanes.close(net);
                self.establish(&established, conn, net, true);
            }
        }
    }

    fn search_ends(&mut self, net: &mut Net) {
        let Stage::Session(session) = &mut self.stage else { return };
        if let Some(mut search) = session.search.take() {
            search.give_up(net);
            session.party.connection_lost(lost());
        }
    }
}

impl Search {
    fn due_ms(&self) -> u64 {
        let seekers = [Some(&self.lane), self.code.as_ref()];
        let due = seekers.into_iter().flatten().filter_map(Seeker::due_ms).min();
        due.unwrap_or(self.until_ms).min(self.until_ms)
    }

    fn give_up(&mut self, net: &mut Net) {
        self.lane.give_up(net);
        if let Some(code) = &mut self.code {
            code.give_up(net);
        }
    }

    fn give_up_but(&mut self, conn: ConnId, net: &mut Net) {
        let seekers = [Some(&mut self.lane), self.code.as_mut()];
        for seeker in seekers.into_iter().flatten().filter(|seeker| !seeker.is_on(conn)) {
            seeker.give_up(net);
        }
    }
}

fn lost() -> Error {
    Error::new(Kind::ConnectionLost, "the connection was lost and did not come back")
}

/// As in `net::link`.
const CLOSING_MS: u64 = 20_000;

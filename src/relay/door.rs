//! From an accepted socket to a seat, or to a polite refusal: everything before the upgrade.

use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_lite::future::or;
use futures_lite::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use smol::Timer;
use zeroize::Zeroizing;

use super::address::{Network, client_address};
use super::caller::Caller;
use super::conn::Conn;
use super::exchange::{Exchange, Place};
use super::front::{self, Front, Handout};
use super::http::{self, Answer, Asked, Heard};
use super::limits::{FAREWELL_MS, HEAD_BYTES_MAX, HEAD_STEP, Limits};
use super::porter::{Arrival, Porter};
use super::room::Rooms;
use super::session::attend;
use super::socket::Line;
use super::tokens::{Pass, Tokens};
use super::visitor::{Standing, Visitor};
use crate::events::Cancel;
use crate::proto::date::http_date;
use crate::proto::role::Role;

/// What every connection to one relay meets.
#[derive(Debug)]
pub struct House<S> {
    /// Who sits where.
    pub exchange: Arc<Exchange<S>>,
    /// The only rooms there are, for the relay within one side of a session.
    pub only_rooms: Option<Rooms>,
    /// How much of everything.
    pub limits: Limits,
    /// Who is here, and how often who asks.
    pub porter: Arc<Porter>,
    /// Who may use it; `None`: everybody.
    pub tokens: Option<Arc<Tokens>>,
    /// The servers in front of it that are believed when they say whom they speak for.
    pub trusted_proxies: Vec<Network>,
    /// What it hands out besides rooms.
    pub front: Option<Arc<Front>>,
    /// The relay is about to end, and says so to whoever asks.
    pub draining: Cancel,
    /// The relay ends: whoever has no seat yet is let go at once.
    pub closing: Cancel,
}

/// Serves one connection to its end, or to its partner's task. Bounded in time until it has a seat.
pub async fn serve<S>(stream: S, arrival: Arrival, house: Arc<House<S>>)
where
    S: Line,
{
    let closing = async {
        house.closing.cancelled().await;
        None
    };
    if let Some((conn, paired)) = or(receive(stream, arrival, &house), closing).await {
        attend(conn, paired, Arc::clone(&house.exchange)).await;
    }
}

/// Hears what the client asks for. It gets a seat, and whether its partner is there already, or an ordinary answer.
async fn receive<S>(mut stream: S, mut arrival: Arrival, house: &House<S>) -> Option<(Box<Conn<S>>, bool)>
where
    S: Line,
{
    let late = async {
        Timer::after(house.limits.header).await;
        Ok(Err(http::TOO_SLOW))
    };
    // A stream that breaks off here has nobody left to answer to.
    let head = or(read_head(&mut stream), late).await.ok()?;
    let mut caller = Caller { address: arrival.peer, token_name: None };
    if let Ok((heard, _)) = &head {
        caller.address = client_address(arrival.peer, &heard.forwarded_for, &house.trusted_proxies);
    }
    let head_only = matches!(&head, Ok((heard, _)) if heard.reader.head_only);
    let handed =
        head.and_then(|(heard, said)| Ok((hand_out(house, &mut arrival, &caller, &heard)?, heard, said)));
    let head = match handed {
        Ok((Some(handout), ..)) => {
            stream.read_at_most(usize::MAX);
            // Whether it was fetched to its end is not ours to know.
            // On the heap: what it holds is not to have a place in every seat that waits.
            let _ = Box::pin(front::deliver(&mut stream, handout, head_only)).await;
            return None;
        }
        Ok((None, heard, said)) => Ok((heard, said)),
        Err(answer) => Err(answer),
    };
    let answer = match head.and_then(|(heard, said)| admit(house, &mut arrival, &mut caller, heard, said)) {
        Ok(Admitted { accept, place, said }) => {
            let paired = place.paired;
            let conn = Conn::new(stream, arrival, place, caller, accept, &said, &house.exchange);
            return Some((Box::new(conn), paired));
        }
        Err(answer) => answer,
    };
    if let Some(reason) = answer.refused() {
        house.exchange.records.refused(reason, &caller);
    }
    let late = async {
        Timer::after(Duration::from_millis(FAREWELL_MS)).await;
        Ok(())
    };
    // Whatever it still says is heard out, and not kept.
    stream.read_at_most(usize::MAX);
    // Whether it was read is not ours to know.
    let _ = or(say(&mut stream, answer, head_only), late).await;
    None
}

/// What is no seat and more than a line, from a relay that has it. It counts as a seat that is asked for, as it costs no less.
fn hand_out<S>(
    house: &House<S>,
    arrival: &mut Arrival,
    caller: &Caller,
    heard: &Heard,
) -> Result<Option<Handout>, Answer> {
    let Some(front) = &house.front else { return Ok(None) };
    if matches!(heard.asked, Asked::Health | Asked::Room(_)) {
        return Ok(None);
    }
    let trusted = house.trusted_proxies.iter().any(|network| network.contains(arrival.peer));
    let counted = house.porter.place(arrival, caller.address);
    let counted = counted.and_then(|()| house.porter.ask(caller.address, false));
    counted.map_err(|refusal| Answer::refusing(refusal, Role::Receive))?;
    front.hand_out(&heard.asked, &heard.reader, caller.address, trusted)
}

type Head = (Heard, Vec<u8>);

/// Who has a seat.
struct Admitted<S> {
    /// The answer that says so.
    accept: Vec<u8>,
    place: Place<S>,
    /// What came behind the request.
    said: Vec<u8>,
}

/// A seat, or an answer. Whose token the `caller` shows is known of it from here on.
fn admit<S>(
    house: &House<S>,
    arrival: &mut Arrival,
    caller: &mut Caller,
    heard: Heard,
    said: Vec<u8>,
) -> Result<Admitted<S>, Answer> {
    let request = match heard.asked {
        Asked::Index => return Err(http::INDEX),
        // Those who have them have handed them out by now.
        Asked::Script | Asked::Binary { .. } => return Err(http::NOT_FOUND),
        Asked::Health if house.draining.is_cancelled() => return Err(http::UNHEALTHY),
        Asked::Health => return Err(http::HEALTHY),
        Asked::Room(request) => request,
    };
    let refused = |refusal| Answer::refusing(refusal, request.role);
    let asked = house.porter.place(arrival, caller.address).and_then(|()| {
        let opens = request.fresh || !house.exchange.has(&request.room);
        house.porter.ask(caller.address, opens)
    });
    asked.map_err(refused)?;
    // Behind the porter as well: whoever looks for the one room of an embedded relay must not learn for nothing where it is not.
    if house.only_rooms.as_ref().is_some_and(|only| !only.has(&request.room)) {
        return Err(http::OTHER_ROOM);
    }
    // Behind the porter, so that nobody tries tokens faster than seats.
    let pass = match &house.tokens {
        Some(tokens) => tokens.judge(&heard.credentials).map_err(|_| http::UNKNOWN_TOKEN)?,
        None => Pass::OPEN,
    };
    caller.token_name = pass.token_name;
    let visitor = Visitor { address: caller.address, standing: pass.standing };
    let seated = house.exchange.join(visitor, request.room.clone(), request.role, request.fresh);
    let place = seated.map_err(refused)?;
    // Two of those are not joined, and a stranger may be the other: so this one waits on, and knows for what.
    let awaits_token = visitor.standing == Standing::Guest && !place.paired;
    Ok(Admitted { accept: request.accept(awaits_token), place, said })
}

/// Reads the request, and what came behind it in the same breath.
async fn read_head<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<Result<Head, Answer>> {
    // A token may be in it: it is read to where it stays, and one that grew would leave copies behind.
    let mut bytes = Zeroizing::new(vec![0; HEAD_BYTES_MAX]);
    let mut filled = 0;
    loop {
        let until = bytes.len().min(filled + HEAD_STEP);
        if until == filled {
            return Ok(Err(http::TOO_LARGE));
        }
        let read = stream.read(&mut bytes[filled..until]).await?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        filled += read;
        match http::parse(&bytes[..filled]) {
            Ok(None) => {}
            Ok(Some(heard)) => {
                let said = bytes[heard.taken..filled].to_vec();
                return Ok(Ok((heard, said)));
            }
            Err(answer) => return Ok(Err(answer)),
        }
    }
}

/// Writes the answer and hears the client out: a socket that is closed while the client still talks takes the answer
/// with it.
async fn say<S>(stream: &mut S, answer: Answer, head_only: bool) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    stream.write_all(&answer.to_bytes(head_only, &http_date(now.as_secs()))).await?;
    stream.flush().await?;
    stream.close().await?;
    let mut scratch = [0; 1024];
    while stream.read(&mut scratch).await? > 0 {}
    Ok(())
}

#[cfg(test)]
mod tests;

//! From an accepted socket to a seat, or to a polite refusal: everything before the upgrade.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_lite::future::or;
use futures_lite::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use smol::Timer;

use super::conn::Conn;
use super::exchange::{Exchange, Visitor};
use super::http::{self, Answer, Asked, RoomRequest};
use super::limits::{FAREWELL_MS, HEAD_BYTES_MAX, Limits};
use super::room::Rooms;
use super::session::attend;
use super::switchboard::Standing;
use crate::events::Cancel;

/// What every connection to one relay meets.
#[derive(Debug)]
pub struct House<S> {
    /// Who sits where.
    pub exchange: Arc<Exchange<S>>,
    /// The only rooms there are, for the relay within one side of a session.
    pub only_rooms: Option<Rooms>,
    /// How much of everything.
    pub limits: Limits,
    /// The relay ends: whoever has no seat yet is let go at once.
    pub closing: Cancel,
}

/// Serves one connection to its end, or to its partner's task. Bounded in time until it has a seat.
pub async fn serve<S>(stream: S, peer: IpAddr, house: Arc<House<S>>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let closing = async {
        house.closing.cancelled().await;
        None
    };
    if let Some((conn, paired)) = or(receive(stream, peer, &house), closing).await {
        attend(conn, paired, Arc::clone(&house.exchange)).await;
    }
}

/// Hears what the client asks for. It gets a seat, and whether its partner is there already, or an ordinary answer.
async fn receive<S>(mut stream: S, peer: IpAddr, house: &House<S>) -> Option<(Box<Conn<S>>, bool)>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let late = async {
        Timer::after(house.limits.header).await;
        Ok(Err(http::TOO_SLOW))
    };
    // A stream that breaks off here has nobody left to answer to.
    let head = or(read_head(&mut stream), late).await.ok()?;
    let refusal = match head.and_then(|(asked, said)| admit(house, peer, asked, said)) {
        Ok((request, place, said)) => {
            let paired = place.paired;
            let conn = Conn::new(stream, place, request.accept(), &said, &house.exchange);
            return Some((Box::new(conn), paired));
        }
        Err(refusal) => refusal,
    };
    tracing::debug!(status = refusal.status(), "answered without an upgrade");
    let late = async {
        Timer::after(Duration::from_millis(FAREWELL_MS)).await;
        Ok(())
    };
    // Whether it was read is not ours to know.
    let _ = or(say(&mut stream, refusal), late).await;
    None
}

type Head = (Asked, Vec<u8>);
type Admitted<S> = (RoomRequest, super::exchange::Place<S>, Vec<u8>);

fn admit<S>(house: &House<S>, peer: IpAddr, asked: Asked, said: Vec<u8>) -> Result<Admitted<S>, Answer> {
    let request = match asked {
        Asked::Index => return Err(http::INDEX),
        Asked::Health => return Err(http::HEALTHY),
        Asked::Room(request) => request,
    };
    if house.only_rooms.as_ref().is_some_and(|only| !only.has(&request.room)) {
        return Err(http::OTHER_ROOM);
    }
    let visitor = Visitor { address: peer, standing: Standing::Open };
    let place = house
        .exchange
        .join(visitor, request.room.clone(), request.role, request.fresh)
        .map_err(|refusal| Answer::refusing(refusal, request.role))?;
    Ok((request, place, said))
}

/// Reads the request, and what came behind it in the same breath.
async fn read_head<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<Result<Head, Answer>> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 1024];
    loop {
        let space = chunk.len().min(HEAD_BYTES_MAX - bytes.len());
        if space == 0 {
            return Ok(Err(http::TOO_LARGE));
        }
        let read = stream.read(&mut chunk[..space]).await?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        bytes.extend_from_slice(&chunk[..read]);
        match http::parse(&bytes) {
            Ok(None) => {}
            Ok(Some((asked, taken))) => return Ok(Ok((asked, bytes.split_off(taken)))),
            Err(answer) => return Ok(Err(answer)),
        }
    }
}

/// Writes the answer and hears the client out: a socket that is closed while the client still talks takes the answer
/// with it.
async fn say<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S, answer: Answer) -> io::Result<()> {
    stream.write_all(&answer.to_bytes()).await?;
    stream.flush().await?;
    stream.close().await?;
    let mut scratch = [0; 1024];
    while stream.read(&mut scratch).await? > 0 {}
    Ok(())
}

#[cfg(test)]
mod tests;

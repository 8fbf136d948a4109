//! Writing what is handed out.

use std::io;
use std::time::Duration;

use futures_lite::future::or;
use futures_lite::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use smol::Timer;

use super::{Content, Handout};

/// Writes it and hears the client out, as an end that is written while the client still talks may be lost. `head_only`: without the content. Who takes
/// nothing for half a minute is left, and so is who takes something all the time and little.
///
/// # Errors
/// The stream broke off, or the binary could not be read any more. Whoever fetches notices by the length.
pub async fn deliver<S>(stream: &mut S, handout: Handout, head_only: bool) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let most = time_for(handout.content.bytes());
    deliver_in(most, stream, handout, head_only).await
}

async fn deliver_in<S>(most: Duration, stream: &mut S, handout: Handout, head_only: bool) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    within(most, write(stream, handout, head_only)).await
}

/// How long somebody may take for so many bytes.
fn time_for(bytes: u64) -> Duration {
    Duration::from_millis(STALL_MS + bytes * 1000 / RATE_MIN)
}

async fn write<S>(stream: &mut S, handout: Handout, head_only: bool) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let Handout { kind, content } = handout;
    let bytes = content.bytes();
    let more = match &content {
        Content::Text(_) => String::new(),
        Content::Binary { binary, name, .. } => {
            let disposition = format!("Content-Disposition: attachment; filename=\"{name}\"\r\n");
            format!("{disposition}ETag: \"{}\"\r\n", binary.sum)
        }
    };
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {bytes}\r\nCache-Control: no-cache\r\n\
         Vary: Accept, Host\r\nX-Content-Type-Options: nosniff\r\n\
         Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'\r\nConnection: close\r\n{more}\r\n"
    );
    in_time(stream.write_all(head.as_bytes())).await?;
    match content {
        _ if head_only => {}
        Content::Text(text) => in_time(stream.write_all(text.as_bytes())).await?,
        Content::Binary { binary, .. } => {
            let mut offset = 0;
            let mut piece = vec![0; PIECE_BYTES];
            while offset < binary.bytes {
                let from = binary.clone();
                // The disk may be slow, and the threads here are for many.
                let (read, filled) = smol::unblock(move || {
                    let read = from.read_at(&mut piece, offset);
                    (read, piece)
                })
                .await;
                piece = filled;
                let read = read?.min(usize::try_from(binary.bytes - offset).unwrap_or(usize::MAX));
                in_time(stream.write_all(piece.get(..read).unwrap_or_default())).await?;
                offset += read as u64;
            }
        }
    }
    in_time(async {
        stream.flush().await?;
        stream.close().await?;
        let mut scratch = [0; 1024];
        while stream.read(&mut scratch).await? > 0 {}
        Ok(())
    })
    .await
}

impl Content {
    fn bytes(&self) -> u64 {
        match self {
            Content::Text(text) => text.len() as u64,
            Content::Binary { binary, .. } => binary.bytes,
        }
    }
}

async fn in_time<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    within(Duration::from_millis(STALL_MS), work).await
}

async fn within<T>(time: Duration, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let late = async {
        Timer::after(time).await;
        Err(io::ErrorKind::TimedOut.into())
    };
    or(work, late).await
}

/// What is read and written at a time.
const PIECE_BYTES: usize = 64 * 1024;

/// How long a client may take nothing. Within it one piece goes over a line of 20 kbit/s.
const STALL_MS: u64 = 30_000;

/// The least that a client takes in a second, on the whole: 64 kbit/s, as over ISDN. So a place is taken for ten minutes and not for an hour.
const RATE_MIN: u64 = 8 * 1000;

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::relay::pipe::pipe;

    #[test]
    fn nobody_takes_for_ever() {
        assert_eq!(time_for(0), Duration::from_secs(30));
        assert_eq!(time_for(8_000_000), Duration::from_secs(1030));
    }

    /// It takes something again and again, so it never takes nothing for too long.
    #[test]
    fn who_takes_little_all_the_time_is_left() {
        let (mut client, mut server) = pipe(16);
        let handout = Handout { kind: "text/plain", content: Content::Text("x".repeat(1 << 20)) };
        let started = Instant::now();
        let served = async {
            let most = Duration::from_millis(50);
            let ended = deliver_in(most, &mut server, handout, false).await;
            drop(server);
            ended.unwrap_err().kind()
        };
        let takes = async {
            let mut byte = [0; 1];
            while client.read(&mut byte).await.is_ok_and(|read| read > 0) {
                Timer::after(Duration::from_millis(1)).await;
            }
        };
        let (kind, ()) = smol::block_on(futures_lite::future::zip(served, takes));
        assert_eq!(kind, io::ErrorKind::TimedOut);
        assert!(started.elapsed() < Duration::from_millis(STALL_MS));
    }
}

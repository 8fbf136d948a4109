//! Writing what is handed out.

use std::io;
use std::time::Duration;

use futures_lite::future::or;
use futures_lite::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use smol::Timer;

use super::{Content, Handout};

/// Writes it and hears the client out, as an end that is written while the client still talks may be lost. `head_only`: without the content. Who takes
/// nothing for half a minute is left.
///
/// # Errors
/// The stream broke off, or the binary could not be read any more. Whoever fetches notices by the length.
pub async fn deliver<S>(stream: &mut S, handout: Handout, head_only: bool) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let Handout { kind, content } = handout;
    let (bytes, more) = match &content {
        Content::Text(text) => (text.len() as u64, String::new()),
        Content::Binary { binary, name, .. } => {
            let disposition = format!("Content-Disposition: attachment; filename=\"{name}\"\r\n");
            (binary.bytes, format!("{disposition}ETag: \"{}\"\r\n", binary.sum))
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

async fn in_time<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let late = async {
        Timer::after(Duration::from_millis(STALL_MS)).await;
        Err(io::ErrorKind::TimedOut.into())
    };
    or(work, late).await
}

/// What is read and written at a time.
const PIECE_BYTES: usize = 64 * 1024;

/// How long a client may take for one piece: a line of 20 kbit/s does it.
const STALL_MS: u64 = 30_000;

//! A listener of its own for whoever collects the measurements: `GET /metrics`, and nothing else.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_lite::future::or;
use futures_lite::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use httparse::{EMPTY_HEADER, Request, Status};
use smol::Timer;
use smol::net::TcpListener;

use crate::relay::crew;
use crate::relay::limits::{ACCEPT_PAUSE_MS, HEAD_BYTES_MAX, HEADERS_MAX};

/// Gives the page out for ever. `page` makes it, and may block.
pub async fn serve(listener: TcpListener, crew: crew::Handle, page: Arc<dyn Fn() -> String + Send + Sync>) {
    let open = Arc::new(AtomicUsize::new(0));
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            Timer::after(Duration::from_millis(ACCEPT_PAUSE_MS)).await;
            continue;
        };
        if open.fetch_add(1, Ordering::Relaxed) >= CONNECTIONS_MAX {
            open.fetch_sub(1, Ordering::Relaxed);
            continue;
        }
        let (open, page) = (Arc::clone(&open), Arc::clone(&page));
        crew.spawn(async move {
            let late = async {
                Timer::after(Duration::from_millis(ANSWER_MS)).await;
                Ok(())
            };
            // Whoever does not hear the answer asks again.
            let _ = or(answer(stream, page), late).await;
            open.fetch_sub(1, Ordering::Relaxed);
        });
    }
}

/// One request, one answer. Then it hears the client out: a socket that is closed while the client still talks takes the answer with it.
async fn answer<S>(mut stream: S, page: Arc<dyn Fn() -> String + Send + Sync>) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let answer = match asked(&mut stream).await? {
        Asked::Metrics => {
            let body = smol::unblock(move || page()).await;
            response("200 OK", "text/plain; version=0.0.4; charset=utf-8", &body)
        }
        Asked::Elsewhere => response("404 Not Found", PLAIN, "measurements are at /metrics\n"),
        Asked::Otherwise => {
            response("405 Method Not Allowed\r\nAllow: GET", PLAIN, "only GET is understood here\n")
        }
        Asked::Garbage => response("400 Bad Request", PLAIN, "this is no HTTP request\n"),
    };
    stream.write_all(answer.as_bytes()).await?;
    stream.flush().await?;
    stream.close().await?;
    let mut scratch = [0; 1024];
    while stream.read(&mut scratch).await? > 0 {}
    Ok(())
}

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Metrics,
    /// Another path.
    Elsewhere,
    /// Another method.
    Otherwise,
    /// It is no request, or larger than one may be.
    Garbage,
}

async fn asked<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<Asked> {
    let mut head = Vec::new();
    let mut chunk = [0; 1024];
    while head.len() < HEAD_BYTES_MAX {
        let read = stream.read(&mut chunk).await?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        head.extend_from_slice(chunk.get(..read).unwrap_or_default());
        if let Some(asked) = parse(&head) {
            return Ok(asked);
        }
    }
    Ok(Asked::Garbage)
}

/// What is asked for, once the request is complete.
fn parse(head: &[u8]) -> Option<Asked> {
    let mut headers = [EMPTY_HEADER; HEADERS_MAX];
    let mut request = Request::new(&mut headers);
    match request.parse(head) {
        Ok(Status::Partial) => return None,
        Ok(Status::Complete(_)) => {}
        Err(_) => return Some(Asked::Garbage),
    }
    let path = request.path.unwrap_or_default().split('?').next();
    Some(match (request.method, path) {
        (Some("GET"), Some("/metrics")) => Asked::Metrics,
        (Some("GET"), _) => Asked::Elsewhere,
        _ => Asked::Otherwise,
    })
}

fn response(status: &str, kind: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nCache-Control: no-store\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    )
}

const PLAIN: &str = "text/plain; charset=utf-8";

/// How many may ask at once: a collector or two, and a person who looks.
const CONNECTIONS_MAX: usize = 8;

/// The time for the request and the answer together: collectors give up after as long.
const ANSWER_MS: u64 = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_told_apart() {
        assert_eq!(parse(b"GET /metrics HTTP/1.1\r\nHost: x\r\n"), None);
        let cases: [(&[u8], Asked); 6] = [
            (b"GET /metrics HTTP/1.1\r\n\r\n", Asked::Metrics),
            (b"GET /metrics?a=b HTTP/1.0\r\n\r\n", Asked::Metrics),
            (b"GET / HTTP/1.1\r\n\r\n", Asked::Elsewhere),
            (b"GET /metrics/ HTTP/1.1\r\n\r\n", Asked::Elsewhere),
            (b"POST /metrics HTTP/1.1\r\n\r\n", Asked::Otherwise),
            (b"\x16\x03\x01\x02\x00", Asked::Garbage),
        ];
        for (head, asked) in cases {
            assert_eq!(parse(head), Some(asked), "{}", head.escape_ascii());
        }
    }
}

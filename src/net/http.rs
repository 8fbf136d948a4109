//! The head of an HTTP/1.1 response: all of HTTP that dialling needs, from a proxy and from the relay.

use std::io;

use futures_lite::io::{AsyncBufReadExt, AsyncReadExt};

use super::tcp::{BoxedIo, within};
use std::time::Duration;

/// A status line and headers.
#[derive(Debug)]
pub(super) struct Head {
    /// Three digits.
    pub(super) status: u16,
    /// The words after the status, made printable.
    pub(super) reason: String,
    headers: Vec<(String, String)>,
}

/// Why there is no response head.
#[derive(Debug)]
pub(super) enum HeadError {
    /// The connection failed, ended or took too long.
    Io(io::Error),
    /// The answer is not HTTP/1, or longer than [`HEAD_BYTES_MAX`].
    NotHttp,
}

impl Head {
    /// The value of a header, if it is there. Of several with one name, the first.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Whether a header's comma-separated list has `token`.
    pub(super) fn has_token(&self, name: &str, token: &str) -> bool {
        self.headers
            .iter()
            .filter(|(key, _)| key.eq_ignore_ascii_case(name))
            .flat_map(|(_, value)| value.split(','))
            .any(|item| item.trim().eq_ignore_ascii_case(token))
    }
}

impl From<io::Error> for HeadError {
    fn from(error: io::Error) -> HeadError {
        HeadError::Io(error)
    }
}

/// Reads one response head and not a byte of what follows. Not cancel safe.
pub(super) async fn read_head(stream: &mut BoxedIo) -> Result<Head, HeadError> {
    let mut head = Vec::new();
    loop {
        let available = stream.fill_buf().await?;
        if available.is_empty() {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "hung up without an answer").into());
        }
        let searched_from = head.len();
        let taken = available.len().min(HEAD_BYTES_MAX - searched_from);
        head.extend_from_slice(&available[..taken]);
        match parse(&head)? {
            Some((parsed, length)) => {
                stream.consume(length - searched_from);
                return Ok(parsed);
            }
            None if head.len() == HEAD_BYTES_MAX => return Err(HeadError::NotHttp),
            None => stream.consume(taken),
        }
    }
}

/// The first line of a response's body, made printable; empty where it is markup, does not come soon, or there is none.
pub(super) async fn first_body_line(stream: &mut BoxedIo, head: &Head) -> String {
    let mut body = Vec::new();
    let announced = head.header("content-length").and_then(|text| text.trim().parse::<u64>().ok());
    let limit = announced.unwrap_or(BODY_BYTES_MAX).min(BODY_BYTES_MAX);
    let reading = async {
        let mut limited = stream.take(limit);
        if head.has_token("transfer-encoding", "chunked") {
            let mut chunk_size = Vec::new();
            limited.read_until(b'\n', &mut chunk_size).await?;
        }
        limited.read_until(b'\n', &mut body).await
    };
    // Whatever came by then is shown; the status alone says enough.
    let _ = within(BODY_TIMEOUT, reading).await;
    let line = printable(&body);
    if line.starts_with('<') { String::new() } else { line }
}

/// Text of a stranger, cut to its first line, to what a terminal may be shown, and to a length.
pub(super) fn printable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let first_line = text.trim_start().lines().next().unwrap_or_default();
    first_line.chars().filter(|c| !c.is_control()).take(LINE_CHARS_MAX).collect::<String>().trim().to_owned()
}

/// Parses a head if it is complete; returns its length too. Parsing anew at each arrival costs little at these sizes.
fn parse(bytes: &[u8]) -> Result<Option<(Head, usize)>, HeadError> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut headers);
    let length = match response.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return Err(HeadError::NotHttp),
    };
    let head = Head {
        status: response.code.unwrap_or_default(),
        reason: printable(response.reason.unwrap_or_default().as_bytes()),
        headers: response
            .headers
            .iter()
            .map(|header| (header.name.to_owned(), String::from_utf8_lossy(header.value).into_owned()))
            .collect(),
    };
    Ok(Some((head, length)))
}

/// Proxies add pages of headers; more than this is not an answer but a flood.
const HEAD_BYTES_MAX: usize = 16 << 10;
/// As many as common servers accept.
const HEADERS_MAX: usize = 64;
/// One line is all that is shown.
const BODY_BYTES_MAX: u64 = 4 << 10;
/// The body follows its head at once, or it does not matter.
const BODY_TIMEOUT: Duration = Duration::from_secs(2);
/// Two lines of a terminal.
const LINE_CHARS_MAX: usize = 160;

#[cfg(test)]
mod tests {
    use super::*;
    use futures_lite::io::{BufReader, Cursor};

    fn stream(bytes: &[u8], buffer: usize) -> BoxedIo {
        Box::new(BufReader::with_capacity(buffer, Cursor::new(bytes.to_vec())))
    }

    #[test]
    fn a_head_is_read_to_the_byte_however_it_arrives() {
        let bytes = b"HTTP/1.1 409 Taken\x1b[2J\r\nConnection: keep-alive, Upgrade\r\n\r\nline one\nline two";
        for buffer in [1, 3, 1000] {
            smol::block_on(async {
                let mut stream = stream(bytes, buffer);
                let head = read_head(&mut stream).await.unwrap_or_else(|error| panic!("{error:?}"));
                assert_eq!(head.status, 409);
                assert!(head.has_token("connection", "upgrade") && !head.has_token("connection", "close"));
                assert_eq!(first_body_line(&mut stream, &head).await, "line one");
            });
        }
    }

    #[test]
    fn floods_garbage_and_silence_are_typed_errors() {
        smol::block_on(async {
            let flood = [b"HTTP/1.1 200 OK\r\nA: ".as_slice(), &vec![b'x'; 1 << 20]].concat();
            assert!(matches!(read_head(&mut stream(&flood, 4096)).await, Err(HeadError::NotHttp)));
            assert!(matches!(read_head(&mut stream(b"\x16\x03\x01", 64)).await, Err(HeadError::NotHttp)));
            assert!(matches!(read_head(&mut stream(b"HTTP/1.1 200", 64)).await, Err(HeadError::Io(_))));
        });
    }

    #[test]
    fn chunked_and_announced_bodies_show_their_first_line_and_markup_none() {
        for (bytes, expected) in [
            (
                b"HTTP/1.1 503 X\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfull\n\r\n0\r\n\r\n".as_slice(),
                "full",
            ),
            (b"HTTP/1.1 503 X\r\nContent-Length: 4\r\n\r\nfull and more".as_slice(), "full"),
            (b"HTTP/1.1 404 X\r\n\r\n<!doctype html>".as_slice(), ""),
            (b"HTTP/1.1 404 X\r\n\r\n\x1b]0;title\x07".as_slice(), "]0;title"),
        ] {
            smol::block_on(async {
                let mut stream = stream(bytes, 256);
                let head = read_head(&mut stream).await.unwrap_or_else(|error| panic!("{error:?}"));
                assert_eq!(first_body_line(&mut stream, &head).await, expected);
            });
        }
    }
}

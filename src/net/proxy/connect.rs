//! A tunnel through an HTTP proxy: `CONNECT host:port`, RFC 9110, section 9.3.6.

use data_encoding::BASE64;
use futures_lite::io::AsyncWriteExt;
use zeroize::Zeroizing;

use super::super::http::{self, HeadError};
use super::super::tcp::BoxedIo;
use super::super::url::Host;
use super::Refusal;
use super::url::Credentials;

pub(super) async fn open(
    stream: &mut BoxedIo,
    credentials: Option<&Credentials>,
    host: &Host,
    port: u16,
) -> Result<(), Refusal> {
    stream.write_all(&request(credentials, host, port)).await?;
    stream.flush().await?;
    let head = http::read_head(stream).await.map_err(|error| match error {
        HeadError::Io(error) => Refusal::Io(error),
        HeadError::NotHttp => Refusal::Garbage,
    })?;
    let said = format!("{} {}", head.status, head.reason).trim_end().to_owned();
    match head.status {
        200..=299 => Ok(()),
        407 => Err(Refusal::Credentials(said)),
        401 | 403 | 405 => Err(Refusal::Forbidden(said)),
        // Squid says 503 and 500, tinyproxy 500 and 502, for names that do not resolve and hosts that do not answer.
        404 | 500 | 502 | 503 | 504 => Err(Refusal::Unreachable(said)),
        _ => Err(Refusal::Other(said)),
    }
}

fn request(credentials: Option<&Credentials>, host: &Host, port: u16) -> Zeroizing<Vec<u8>> {
    // As large as it can become, so that it never moves and leaves a copy of the password behind.
    let mut request = Zeroizing::new(Vec::with_capacity(REQUEST_BYTES_MAX));
    request.extend_from_slice(
        format!(
            "CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\nUser-Agent: p2pc/{}\r\n",
            env!("CARGO_PKG_VERSION")
        )
        .as_bytes(),
    );
    if let Some(Credentials { user, password }) = credentials {
        let pair = Zeroizing::new([user, b":".as_slice(), password].concat());
        let encoded = Zeroizing::new(BASE64.encode(&pair));
        request.extend_from_slice(b"Proxy-Authorization: Basic ");
        request.extend_from_slice(encoded.as_bytes());
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"\r\n");
    request
}

/// Two names of 253 bytes, credentials of 255 each in base64, and the words around them.
const REQUEST_BYTES_MAX: usize = 2048;

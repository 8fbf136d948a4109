//! A client of a relay that costs next to nothing: what it says was masked before the clock runs, and it looks at no more bytes than it must.

use std::io::{self, Error};
use std::net::SocketAddr;
use std::path::Path;

use futures_lite::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use futures_rustls::TlsConnector;
use p2pc::net::tls::client_config;
use smol::net::TcpStream;

/// A connection to a relay, once it speaks WebSocket.
pub type Line = Box<dyn Stream>;

/// What a connection can do, with TLS or without.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// How to reach a relay.
#[derive(Clone)]
pub struct Dial {
    address: SocketAddr,
    tls: Option<TlsConnector>,
}

impl Dial {
    /// With TLS, where there is an authority to be trusted.
    pub fn new(address: SocketAddr, authority: Option<&Path>) -> io::Result<Dial> {
        let config = authority.map(|authority| client_config(Some(authority))).transpose();
        Ok(Dial { address, tls: config.map_err(Error::other)?.map(TlsConnector::from) })
    }

    /// Takes a seat: `role` in `room`.
    pub async fn join(&self, room: &str, role: &str) -> io::Result<Line> {
        let tcp = TcpStream::connect(self.address).await?;
        tcp.set_nodelay(true)?;
        let mut line: Line = match &self.tls {
            None => Box::new(tcp),
            Some(tls) => Box::new(tls.connect(self.address.ip().into(), tcp).await?),
        };
        let request = format!(
            "GET /v1/room/{room}?role={role} HTTP/1.1\r\nHost: relay\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: p2pc.v1\r\nSec-WebSocket-Key: {KEY}\r\n\r\n"
        );
        line.write_all(request.as_bytes()).await?;
        line.flush().await?;
        // Of this key the answer is known to the byte, and what comes behind it stays where it is.
        let mut answer = [0; ANSWER.len()];
        line.read_exact(&mut answer).await?;
        if answer == *ANSWER.as_bytes() {
            return Ok(line);
        }
        let said = String::from_utf8_lossy(&answer).into_owned();
        Err(Error::other(format!("no seat: {}", said.lines().next().unwrap_or_default())))
    }
}

/// A client's frame that is a whole binary message of so many bytes.
pub fn message(payload_bytes: usize) -> Vec<u8> {
    let mut frame = vec![0x82];
    match payload_bytes {
        0..126 => frame.push(0x80 | payload_bytes.to_le_bytes()[0]),
        126..0x1_0000 => {
            frame.push(0xFE);
            frame.extend_from_slice(&payload_bytes.to_be_bytes()[6..]);
        }
        _ => {
            frame.push(0xFF);
            frame.extend_from_slice(&payload_bytes.to_be_bytes());
        }
    }
    frame.extend_from_slice(&MASK);
    let plain = (0..=250_u8).cycle().take(payload_bytes);
    frame.extend(plain.zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

/// The same as a relay would say it.
pub fn told(payload_bytes: usize) -> Vec<u8> {
    let [.., high, low] = payload_bytes.to_be_bytes();
    let mut frame = vec![0x82, 126, high, low];
    frame.resize(4 + payload_bytes, 0);
    frame
}

/// Reads one of the relay's frames and answers it if it is a ping. Returns how much of a message it carried.
pub async fn hear(line: &mut Line, payload: &mut [u8]) -> io::Result<usize> {
    let mut head = [0; 2];
    line.read_exact(&mut head).await?;
    let length = match head[1] {
        126 => {
            let mut length = [0; 2];
            line.read_exact(&mut length).await?;
            usize::from(u16::from_be_bytes(length))
        }
        length => usize::from(length),
    };
    let space = payload.get_mut(..length).ok_or_else(|| Error::other("more than was said"))?;
    line.read_exact(space).await?;
    match head[0] & 0x0F {
        PINGS => {
            line.write_all(&PONG).await?;
            line.flush().await?;
            Ok(0)
        }
        CLOSES => Err(Error::other(format!("the relay ends it: {}", String::from_utf8_lossy(space)))),
        _ => Ok(length),
    }
}

/// A key of RFC 6455, section 1.3, and what follows from it.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ANSWER: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: p2pc.v1\r\n\r\n";

/// As good as any to a relay that undoes it, and it has to.
const MASK: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];

/// A client's ping, and its answer to one.
pub const PING: [u8; 6] = [0x89, 0x80, 0, 0, 0, 0];
const PONG: [u8; 6] = [0x8A, 0x80, 0, 0, 0, 0];

/// Opcodes of the relay's frames.
const CLOSES: u8 = 0x8;
const PINGS: u8 = 0x9;

//! A client that keeps to no rules.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use super::siege::Siege;

/// One connection to a relay under siege.
pub struct Raw {
    pub socket: TcpStream,
}

impl Raw {
    /// From an address of its own: 127.0.0.2 and up. The honest pair has 127.0.0.1.
    pub fn connect(siege: &Siege, number: u8) -> Raw {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let here = Ipv4Addr::new(127, 0, 0, 2 + number);
        socket.bind(&SocketAddr::from((here, 0)).into()).unwrap();
        socket.connect(&siege.address.into()).unwrap();
        let socket = TcpStream::from(socket);
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Raw { socket }
    }

    pub fn request(room: &str, role: &str) -> String {
        format!(
            "GET /v1/room/{room}?role={role} HTTP/1.1\r\nHost: relay\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: p2pc.v1\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
    }

    /// Asks for a seat, and says what the relay answered; `None`: nothing.
    pub fn knock(siege: &Siege, number: u8, room: &str, role: &str) -> (Option<u16>, Raw) {
        let mut one = Raw::connect(siege, number);
        let _ = one.socket.write_all(Raw::request(room, role).as_bytes());
        (one.head(), one)
    }

    /// A seat, if there is one.
    pub fn join(siege: &Siege, number: u8, room: &str, role: &str) -> Option<Raw> {
        let (status, one) = Raw::knock(siege, number, room, role);
        (status == Some(101)).then_some(one)
    }

    /// What the relay answers to whatever was said.
    pub fn status(mut self) -> Option<u16> {
        self.head()
    }

    fn head(&mut self) -> Option<u16> {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            if self.socket.read(&mut byte).ok()? == 0 {
                return None;
            }
            head.push(byte[0]);
        }
        String::from_utf8(head).ok()?.split(' ').nth(1)?.parse().ok()
    }
}

/// A masked frame below 126 bytes, with this first byte.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first, 0x80 | payload.len() as u8, 0, 0, 0, 0];
    frame.extend_from_slice(payload);
    frame
}

/// Longer than any limit of time that a relay has here.
const PATIENCE: Duration = Duration::from_secs(20);

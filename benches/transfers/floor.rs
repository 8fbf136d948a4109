//! The floor under every relayed transfer on a machine: read a file, TCP, forward, TCP, write a file, in three processes, with no
//! framing, no hashing and no encryption. Whatever does more is slower than this; how much slower is what the tables show.
//!
//! ```text
//! transfers floor relay                      listens, says where, joins the two that come
//! transfers floor send FILE ADDRESS
//! transfers floor receive FILE ADDRESS
//! ```

use std::fs::File;
use std::io::{self, Error, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};

/// Plays the part that the arguments name.
pub fn run(arguments: &[String]) -> io::Result<()> {
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["relay"] => relay(),
        ["send", file, address] => send(file, address),
        ["receive", file, address] => receive(file, address),
        _ => Err(Error::other("floor takes `relay`, `send FILE ADDRESS` or `receive FILE ADDRESS`")),
    }
}

fn relay() -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    println!("listening on {}", listener.local_addr()?);
    let (mut from, mut to) = (None, None);
    while from.is_none() || to.is_none() {
        let (mut stream, _) = listener.accept()?;
        let mut part = [0];
        stream.read_exact(&mut part)?;
        *(if part == SENDER { &mut from } else { &mut to }) = Some(stream);
    }
    match (from, to) {
        (Some(from), Some(to)) => pump(from, to),
        _ => Ok(()),
    }
}

fn send(file: &str, address: &str) -> io::Result<()> {
    let file = File::open(file)?;
    pump(file, dial(address, SENDER)?)
}

fn receive(file: &str, address: &str) -> io::Result<()> {
    let stream = dial(address, RECEIVER)?;
    pump(stream, File::create(file)?)
}

fn dial(address: &str, part: [u8; 1]) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(&part)?;
    Ok(stream)
}

/// Not `io::copy`: that would let the kernel splice, which nobody can who encrypts.
fn pump(mut from: impl Read, mut to: impl Write) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let read = from.read(&mut buffer)?;
        match buffer.get(..read) {
            Some(bytes) if read > 0 => to.write_all(bytes)?,
            _ => return Ok(()),
        }
    }
}

/// Larger ones fall out of the processor's cache, smaller ones cost more system calls.
const BUFFER_BYTES: usize = 256 * 1024;

/// What each says first.
const SENDER: [u8; 1] = *b"S";
const RECEIVER: [u8; 1] = *b"R";

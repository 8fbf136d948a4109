//! A tunnel through a SOCKS5 proxy: RFC 1928, with user name and password as in RFC 1929. Names go to the proxy as they are.
//!
//! ```text
//! 5, n, methods            →      ← 5, method
//! 1, n, user, n, password  →      ← 1, status              only where the proxy chose method 2
//! 5, 1, 0, address, port   →      ← 5, reply, 0, address, port
//! ```

use std::net::IpAddr;

use futures_lite::io::{AsyncReadExt, AsyncWriteExt};
use zeroize::Zeroizing;

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
    let methods: &[u8] =
        if credentials.is_some() { &[5, 2, NO_AUTH, USER_PASSWORD] } else { &[5, 1, NO_AUTH] };
    stream.write_all(methods).await?;
    stream.flush().await?;
    match read::<2>(stream).await? {
        [5, NO_AUTH] => {}
        [5, USER_PASSWORD] => match credentials {
            Some(credentials) => authenticate(stream, credentials).await?,
            None => return Err(Refusal::Garbage),
        },
        [5, NO_METHOD] => return Err(Refusal::Credentials("no acceptable method".to_owned())),
        _ => return Err(Refusal::Garbage),
    }
    stream.write_all(&request(host, port)).await?;
    stream.flush().await?;
    let [version, reply, _, address_type] = read::<4>(stream).await?;
    if version != 5 {
        return Err(Refusal::Garbage);
    }
    if reply != 0 {
        return Err(refusal(reply));
    }
    // The address it connects from is of no use to us, but stands before the tunnel's first byte.
    let address_len = match address_type {
        IPV4 => 4,
        IPV6 => 16,
        NAME => usize::from(read::<1>(stream).await?[0]),
        _ => return Err(Refusal::Garbage),
    };
    let mut bound = [0; ADDRESS_BYTES_MAX];
    stream.read_exact(&mut bound[..address_len + PORT_BYTES]).await?;
    Ok(())
}

async fn authenticate(stream: &mut BoxedIo, credentials: &Credentials) -> Result<(), Refusal> {
    let Credentials { user, password } = credentials;
    // The parser of the address holds both to 255 bytes.
    let length = |text: &[u8]| u8::try_from(text.len()).map_err(|_| Refusal::Garbage);
    let request = Zeroizing::new(
        [&[1, length(user)?], user.as_slice(), &[length(password)?], password.as_slice()].concat(),
    );
    stream.write_all(&request).await?;
    stream.flush().await?;
    match read::<2>(stream).await? {
        [_, 0] => Ok(()),
        _ => Err(Refusal::Credentials("authentication failed".to_owned())),
    }
}

fn request(host: &Host, port: u16) -> Vec<u8> {
    let mut request = vec![5, CONNECT, 0];
    match host {
        Host::Name(name) => {
            // Names have at most 253 bytes.
            request.extend([NAME, name.len() as u8]);
            request.extend_from_slice(name.as_bytes());
        }
        Host::Address(IpAddr::V4(address)) => {
            request.push(IPV4);
            request.extend_from_slice(&address.octets());
        }
        Host::Address(IpAddr::V6(address)) => {
            request.push(IPV6);
            request.extend_from_slice(&address.octets());
        }
    }
    request.extend_from_slice(&port.to_be_bytes());
    request
}

fn refusal(reply: u8) -> Refusal {
    match reply {
        1 => Refusal::Other("general failure".to_owned()),
        2 => Refusal::Forbidden("not allowed by its rules".to_owned()),
        3 => Refusal::Unreachable("network unreachable".to_owned()),
        4 => Refusal::Unreachable("host unreachable".to_owned()),
        5 => Refusal::Unreachable("connection refused".to_owned()),
        6 => Refusal::Unreachable("no answer in time".to_owned()),
        7 => Refusal::Other("it does not know CONNECT".to_owned()),
        8 => Refusal::Other("it does not know this kind of address".to_owned()),
        other => Refusal::Other(format!("reply {other}")),
    }
}

async fn read<const N: usize>(stream: &mut BoxedIo) -> Result<[u8; N], Refusal> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}

const NO_AUTH: u8 = 0;
const USER_PASSWORD: u8 = 2;
const NO_METHOD: u8 = 0xff;
const CONNECT: u8 = 1;
const IPV4: u8 = 1;
const NAME: u8 = 3;
const IPV6: u8 = 4;
const PORT_BYTES: usize = 2;
/// A name's length is one byte.
const ADDRESS_BYTES_MAX: usize = 255 + PORT_BYTES;

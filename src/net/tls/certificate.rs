//! What a certificate says of itself, for people who wonder why it is refused. Whether it may be trusted is decided elsewhere.
//!
//! ```text
//! SEQUENCE {                               the certificate
//!   SEQUENCE {                             what is signed
//!     [0] version, INTEGER, SEQUENCE       left out here: version, number, algorithm
//!     SEQUENCE { SET { SEQUENCE { OID, text } }… }     the issuer
//!     SEQUENCE { time, time }              from when to when
//! ```

use crate::net::http::printable;
use crate::proto::date::since_1970;

/// What a certificate says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// Who issued it: a name, with that of the organisation if it has one. Printable, whatever stands in it.
    pub issuer: String,
    /// From when on it is valid, in seconds since 1970.
    pub begins: u64,
    /// Until when.
    pub ends: u64,
}

impl Certificate {
    /// Whether its time has begun and is not over, by a clock in seconds since 1970.
    #[must_use]
    pub fn is_valid_at(&self, now: u64) -> bool {
        (self.begins..=self.ends).contains(&now)
    }

    /// Reads a certificate in DER as far as it is understood.
    #[must_use]
    pub fn read(der: &[u8]) -> Option<Certificate> {
        let mut signed = Der(Der(Der(der).expect(SEQUENCE)?).expect(SEQUENCE)?);
        if signed.0.first() == Some(&VERSION) {
            signed.next()?;
        }
        signed.expect(INTEGER)?;
        signed.expect(SEQUENCE)?;
        let issuer = name(signed.expect(SEQUENCE)?);
        let mut validity = Der(signed.expect(SEQUENCE)?);
        Some(Certificate { issuer, begins: time(validity.next()?)?, ends: time(validity.next()?)? })
    }
}

/// Values one after the other.
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    /// The next value, with what it is.
    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            // Certificates take kilobytes.
            0x81..=0x83 => {
                let (length, rest) = rest.split_at_checked(usize::from(first - 0x80))?;
                (length.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
            }
            _ => return None,
        };
        let (value, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, value))
    }

    fn expect(&mut self, wanted: u8) -> Option<&'a [u8]> {
        self.next().filter(|(tag, _)| *tag == wanted).map(|(_, value)| value)
    }
}

/// The common name, or else the organisation; both, if they differ.
fn name(issuer: &[u8]) -> String {
    let mut parts = Der(issuer);
    let (mut common, mut organisation) = (String::new(), String::new());
    while let Some((SET, part)) = parts.next() {
        let Some(part) = Der(part).expect(SEQUENCE) else { continue };
        let mut part = Der(part);
        let (Some(kind), Some((_, text))) = (part.expect(OID), part.next()) else { continue };
        match kind {
            COMMON_NAME => common = printable(text),
            ORGANISATION => organisation = printable(text),
            _ => {}
        }
    }
    match (common.is_empty(), organisation.is_empty()) {
        (false, false) if common != organisation => format!("{common} ({organisation})"),
        (true, false) => organisation,
        (true, true) => "nobody that has a name".to_owned(),
        _ => common,
    }
}

/// `YYMMDDHHMMSSZ` or `YYYYMMDDHHMMSSZ`.
fn time((tag, text): (u8, &[u8])) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let (year, rest) = match tag {
        UTC_TIME => {
            let (year, rest) = text.split_at_checked(2)?;
            let year: u64 = year.parse().ok()?;
            (if year < 50 { 2000 + year } else { 1900 + year }, rest)
        }
        GENERALIZED_TIME => {
            let (year, rest) = text.split_at_checked(4)?;
            (year.parse().ok()?, rest)
        }
        _ => return None,
    };
    let part = |at: usize| rest.get(at..at + 2)?.parse::<u64>().ok();
    since_1970([year, part(0)?, part(2)?], [part(4)?, part(6)?, part(8)?])
}

const INTEGER: u8 = 0x02;
const OID: u8 = 0x06;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const VERSION: u8 = 0xa0;
/// 2.5.4.3
const COMMON_NAME: &[u8] = &[0x55, 4, 3];
/// 2.5.4.10
const ORGANISATION: &[u8] = &[0x55, 4, 10];

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::net::tls::read_certificates;

    fn vector(name: &str) -> Vec<u8> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/tls").join(name);
        read_certificates(&path).unwrap().remove(0).to_vec()
    }

    #[test]
    fn issuers_and_times_are_read() {
        let certificate = Certificate::read(&vector("expired.pem")).unwrap();
        assert_eq!(certificate.issuer, "p2pc test ca");
        // 2020-01-01 and the day after.
        assert_eq!((certificate.begins, certificate.ends), (1_577_836_800, 1_577_923_200));
        let certificate = Certificate::read(&vector("p256.pem")).unwrap();
        // 2120-01-01, in the form for years from 2050 on.
        assert_eq!(certificate.ends, 4_733_510_400);
    }

    #[test]
    fn no_bytes_are_too_strange() {
        for name in ["p256.pem", "rsa.pem"] {
            let der = vector(name);
            for end in 0..der.len() {
                let _ = Certificate::read(&der[..end]);
            }
            for at in 0..der.len() {
                let mut der = der.clone();
                der[at] ^= 0xff;
                let _ = Certificate::read(&der);
            }
        }
    }
}

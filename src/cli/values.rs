//! Values of options that are nothing but a number with a unit, or one of a few words.

mod meant;

use std::time::Duration;

use crate::proto::chunk::ChunkSize;
use crate::proto::limits::LANES_MAX;
use crate::proto::pace::Rate;
use crate::receive::{Algorithm, OnConflict};
use crate::relay::LogAddresses;
use crate::send::{Compress, LaneCount};
use crate::term::clean::clean;
use crate::{Error, Kind, Result};

use super::log::Form;

pub use meant::joined;

/// A time such as `90s`, `10m`, `1h` or `1h30m`.
///
/// # Errors
///
/// [`Kind::Usage`].
pub fn time(text: &str) -> Result<Duration> {
    match seconds(text) {
        None => Err(unreadable(text, "a time").hint(suggested(
            meant::time(text),
            |way| seconds(way).is_some_and(|seconds| (1..=TIME_MAX_S).contains(&seconds)),
            "A time is a number and a unit: 90s, 10m, 1h or 1h30m.",
        ))),
        Some(0) => Err(Error::new(Kind::Usage, "the time is zero")
            .hint("It must be at least 1s. Leave the option out to wait as long as it takes.")),
        Some(seconds) if seconds > TIME_MAX_S => {
            Err(Error::new(Kind::Usage, "the time is too long").hint("It can be 8760h (a year) at most."))
        }
        Some(seconds) => Ok(Duration::from_secs(seconds)),
    }
}

/// The same, where zero means not at all.
///
/// # Errors
///
/// [`Kind::Usage`].
pub fn time_or_none(text: &str) -> Result<Duration> {
    if text == "0" || seconds(text) == Some(0) { Ok(Duration::ZERO) } else { time(text) }
}

/// A chunk size such as `1MiB`.
///
/// # Errors
///
/// [`Kind::Usage`].
pub fn chunk_size(text: &str) -> Result<ChunkSize> {
    let read = |text: &str| binary(text).and_then(ChunkSize::new);
    read(text).ok_or_else(|| {
        let forms = "It is 512KiB, 1MiB, 2MiB or 4MiB.";
        unreadable(text, "a chunk size").hint(suggested(
            meant::binary(text),
            |way| read(way).is_some(),
            forms,
        ))
    })
}

/// Whether what is sent is packed.
///
/// # Errors
///
/// [`Kind::Usage`].
pub fn compress(text: &str) -> Result<Compress> {
    match text {
        "auto" => Ok(Compress::Auto),
        "on" => Ok(Compress::On),
        "off" => Ok(Compress::Off),
        _ => Err(unreadable(text, "a way to compress").hint("It is auto, on or off.")),
    }
}

/// A rate such as `10M`, `1.5MiB`, `200k` (bytes a second) or `100Mbit` (bits a second).
///
/// # Errors
///
/// [`Kind::Usage`].
pub fn rate(text: &str) -> Result<Rate> {
    let Some(bytes) = amount(text.strip_suffix("/s").unwrap_or(text)) else {
        return Err(unreadable(text, "a rate").hint(suggested(
            meant::rate(text),
            |way| amount(way).and_then(Rate::new).is_some(),
            "It is bytes a second: 200k, 10M, 1G (thousands), 512KiB, 1.5MiB (of 1024); or bits: 100Mbit.",
        )));
    };
    Rate::new(bytes).ok_or_else(|| {
        let (what, hint) = if bytes < Rate::MIN.bytes_per_second() {
            ("the rate is too small", "It must be at least 1k, a thousand bytes a second.")
        } else {
            ("the rate is too large", "It can be 1000G at most. Leave the option out for no limit.")
        };
        Error::new(Kind::Usage, what).hint(hint)
    })
}

/// How many lanes: `auto`, or a number.
///
/// # Errors
///
/// [`Kind::Usage`].
pub fn lanes(text: &str) -> Result<LaneCount> {
    let number = text.parse().ok().filter(|lanes| (1..=LANES_MAX).contains(lanes));
    match number {
        None if text == "auto" => Ok(LaneCount::Auto),
        None => Err(unreadable(text, "a number of lanes").hint("It is auto, or a number from 1 to 16.")),
        Some(lanes) => Ok(LaneCount::Exactly(lanes)),
    }
}

/// What to do where something else stands already.
///
/// # Errors
///
/// [`Kind::Usage`].
pub fn on_conflict(text: &str) -> Result<OnConflict> {
    match text {
        "ask" => Ok(OnConflict::Ask),
        "overwrite" => Ok(OnConflict::Overwrite),
        "skip" => Ok(OnConflict::Skip),
        "rename" => Ok(OnConflict::Rename),
        _ => {
            Err(unreadable(text, "a way to settle a conflict").hint("It is ask, overwrite, skip or rename."))
        }
    }
}

/// How files are summed.
///
/// # Errors
///
/// [`Kind::Usage`].
pub fn algorithm(text: &str) -> Result<Algorithm> {
    match text {
        "sha256" => Ok(Algorithm::Sha256),
        "blake3" => Ok(Algorithm::Blake3),
        _ => Err(unreadable(text, "a kind of checksum")
            .hint("It is sha256, for `sha256sum -c`, or blake3, for `b3sum --check`.")),
    }
}

/// A number of things, at least one.
///
/// # Errors
///
/// [`Kind::Usage`].
pub fn count<T: TryFrom<u32>>(text: &str) -> Result<T> {
    whole(text).filter(|count| *count > 0).and_then(|count| T::try_from(count).ok()).ok_or_else(|| {
        unreadable(text, "a number of things").hint("It is a whole number from 1 to a billion.")
    })
}

/// The same, where zero means any number.
///
/// # Errors
///
/// [`Kind::Usage`].
pub fn count_or_none(text: &str) -> Result<Option<u32>> {
    if whole(text) == Some(0) { Ok(None) } else { count(text).map(Some) }
}

/// A size such as `10G` or `512MiB`.
///
/// # Errors
///
/// [`Kind::Usage`].
pub fn size(text: &str) -> Result<u64> {
    let read = |text: &str| {
        let bytes = if text.ends_with("bit") { None } else { amount(text) };
        bytes.filter(|bytes| *bytes > 0)
    };
    read(text).ok_or_else(|| {
        let forms = "It is bytes: 200k, 10M, 1G (thousands), 512KiB, 1.5GiB (of 1024).";
        unreadable(text, "a size").hint(suggested(meant::size(text), |way| read(way).is_some(), forms))
    })
}

/// How a log is written.
///
/// # Errors
///
/// [`Kind::Usage`].
pub fn log_form(text: &str) -> Result<Form> {
    match text {
        "text" => Ok(Form::Text),
        "json" => Ok(Form::Json),
        _ => Err(unreadable(text, "a form of log").hint("It is text or json.")),
    }
}

/// How much of addresses is logged.
///
/// # Errors
///
/// [`Kind::Usage`].
pub fn log_addresses(text: &str) -> Result<LogAddresses> {
    match text {
        "off" => Ok(LogAddresses::Off),
        "short" => Ok(LogAddresses::Short),
        "full" => Ok(LogAddresses::Full),
        _ => Err(unreadable(text, "a way to log addresses").hint("It is off, short or full.")),
    }
}

fn whole(text: &str) -> Option<u32> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|count| is_number && *count <= COUNT_MAX)
}

fn unreadable(text: &str, what: &str) -> Error {
    Error::new(Kind::Usage, format!("\"{}\" is not {what}", clean(text.as_bytes())))
}

/// The ways to write what was probably meant, as far as `is_one` takes them; where there are none, all the forms there are.
fn suggested(ways: Vec<String>, is_one: impl Fn(&str) -> bool, forms: &str) -> String {
    let ways: Vec<String> = ways.into_iter().filter(|way| is_one(way)).collect();
    match ways.as_slice() {
        [] => forms.to_owned(),
        [way] => format!("Write {way}."),
        [first, others @ ..] => format!("Write {first} or {}, whichever is meant.", others.join(" or ")),
    }
}

fn seconds(text: &str) -> Option<u64> {
    let mut seconds: u64 = 0;
    let mut finest = u64::MAX;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let number: u64 = rest[..digits].parse().ok()?;
        let unit = match rest[digits..].chars().next()? {
            'h' => 3600,
            'm' => 60,
            's' => 1,
            _ => return None,
        };
        // From large to small, each once: anything else is a slip of the keyboard.
        if unit >= finest {
            return None;
        }
        finest = unit;
        seconds = seconds.checked_add(number.checked_mul(unit)?)?;
        rest = &rest[digits + 1..];
    }
    (!text.is_empty()).then_some(seconds)
}

fn binary(text: &str) -> Option<u64> {
    let lower = text.to_ascii_lowercase();
    let (number, unit) = match (lower.strip_suffix("kib"), lower.strip_suffix("mib")) {
        (Some(number), _) => (number, 1 << 10),
        (None, number) => (number?, 1 << 20),
    };
    number.parse::<u64>().ok()?.checked_mul(unit)
}

/// Bytes: a number, perhaps with a fraction, and a unit. A small b alone could mean bits, so it is none.
fn amount(text: &str) -> Option<u64> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.').len();
    let (number, unit) = text.split_at_checked(digits)?;
    let (numerator, denominator) = match unit {
        "" | "B" => (1, 1),
        "k" | "K" | "kB" | "KB" => (1000, 1),
        "M" | "MB" => (1_000_000, 1),
        "G" | "GB" => (1_000_000_000, 1),
        "Ki" | "KiB" => (1 << 10, 1),
        "Mi" | "MiB" => (1 << 20, 1),
        "Gi" | "GiB" => (1 << 30, 1),
        "kbit" | "Kbit" => (1000, 8),
        "Mbit" => (1_000_000, 8),
        "Gbit" => (1_000_000_000, 8),
        _ => return None,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    if whole.is_empty() || fraction.is_empty() || fraction.len() > FRACTION_DIGITS_MAX {
        return None;
    }
    let scale = 10u128.pow(u32::try_from(fraction.len()).ok()?);
    let number = u128::from(whole.parse::<u64>().ok()?) * scale + u128::from(fraction.parse::<u64>().ok()?);
    u64::try_from(number.checked_mul(numerator)? / scale / denominator).ok()
}

/// More digits behind the point than anybody types.
const FRACTION_DIGITS_MAX: usize = 9;

/// More than any machine has of anything that is counted here.
const COUNT_MAX: u32 = 1_000_000_000;

/// Longer than anybody means, and far from where adding it to a clock could overflow.
const TIME_MAX_S: u64 = 365 * 24 * 3600;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        for (text, seconds) in
            [("90s", 90), ("10m", 600), ("1h", 3600), ("1h30m", 5400), ("8760h", TIME_MAX_S)]
        {
            assert_eq!(time(text).unwrap(), Duration::from_secs(seconds), "{text}");
        }
        for text in [
            "",
            "0",
            "0s",
            "10",
            "m",
            "10x",
            "1m1h",
            "1m1m",
            "-1m",
            "1.5h",
            "10 m",
            "99999999999999999999s",
            "8761h",
            "5124095576030432h",
            "1ü",
        ] {
            assert!(time(text).is_err(), "{text}");
        }
    }

    #[test]
    fn times_that_may_be_none() {
        for (text, seconds) in [("0", 0), ("0s", 0), ("0h0m0s", 0), ("10m", 600)] {
            assert_eq!(time_or_none(text).unwrap(), Duration::from_secs(seconds), "{text}");
        }
        for text in ["", "10", "00", "none", "8761h"] {
            assert!(time_or_none(text).is_err(), "{text}");
        }
    }

    #[test]
    fn rates() {
        for (text, bytes) in [
            ("200k", 200_000),
            ("200kB/s", 200_000),
            ("10M", 10_000_000),
            ("1.5MiB", 3 << 19),
            ("0.5G", 500_000_000),
            ("1Ki", 1024),
            ("1000", 1000),
            ("100Mbit", 12_500_000),
            ("1Gbit/s", 125_000_000),
            ("8kbit", 1000),
            ("1000G", 1_000_000_000_000),
        ] {
            assert_eq!(rate(text).unwrap().bytes_per_second(), bytes, "{text}");
        }
        for text in [
            "",
            "k",
            "10 M",
            "-1M",
            "1.M",
            ".5M",
            "1.2.3M",
            "1,5M",
            "10Mb",
            "10m",
            "10T",
            "10M/h",
            "/s",
            "1ü",
            "99999999999999999999M",
            "1.0000000001M",
        ] {
            assert!(rate(text).unwrap_err().to_string().contains("is not a rate"), "{text}");
        }
        for text in ["0", "999", "0.9k", "7kbit", "1001G", "18446744073709551615"] {
            assert!(rate(text).unwrap_err().to_string().contains("too "), "{text}");
        }
    }

    #[test]
    fn what_was_probably_meant_is_shown() {
        for (text, hint) in [
            ("10MBps", "Write 10MB."),
            ("10 MB", "Write 10MB."),
            ("10mib", "Write 10MiB."),
            ("10mbit/s", "Write 10Mbit."),
            ("1.5Mb", "Write 1.5MB or 1.5Mbit, whichever is meant."),
            ("10Mbps", "Write 10MB or 10Mbit, whichever is meant."),
            ("10m", "Write 10M or 10Mbit, whichever is meant."),
        ] {
            assert_eq!(rate(text).unwrap_err().hint_text(), Some(hint), "{text}");
        }
        for text in ["10T", "fast", "99999999999G9", "10M/h"] {
            assert!(rate(text).unwrap_err().hint_text().unwrap().starts_with("It is"), "{text}");
        }
        for (text, hint) in [
            ("5min", "Write 5m."),
            ("5 Minutes", "Write 5m."),
            ("2d", "Write 48h."),
            ("10", "Write 10s or 10m, whichever is meant."),
        ] {
            assert_eq!(time(text).unwrap_err().hint_text(), Some(hint), "{text}");
        }
        for text in ["0", "9999d", "4294967296d", "soon", "1m1m", "1ü"] {
            assert!(time(text).unwrap_err().hint_text().unwrap().starts_with("A time is"), "{text}");
        }
        for (text, hint) in
            [("1M", "Write 1MiB."), ("512", "Write 512KiB."), ("3 MB", "It is 512KiB, 1MiB, 2MiB or 4MiB.")]
        {
            assert_eq!(chunk_size(text).unwrap_err().hint_text(), Some(hint), "{text}");
        }
        assert_eq!(size("10gb").unwrap_err().hint_text(), Some("Write 10GB."));
        assert_eq!(size("10Gb").unwrap_err().hint_text(), Some("Write 10GB."));
    }

    #[test]
    fn a_number_and_its_unit_are_found_to_belong_together() {
        let of_rate = |number, unit| joined(number, unit, |whole| rate(whole).is_ok());
        assert_eq!(of_rate("10", "MB").as_deref(), Some("10MB"));
        assert_eq!(of_rate("10", "mbit").as_deref(), Some("10Mbit"));
        assert_eq!(of_rate("1.5", "MB/s").as_deref(), Some("1.5MB/s"));
        assert_eq!(joined("5", "min", |whole| time(whole).is_ok()).as_deref(), Some("5m"));
        assert_eq!(joined("1", "MiB", |whole| chunk_size(whole).is_ok()).as_deref(), Some("1MiB"));
        for (number, unit) in [("10", "file"), ("10", "10"), ("10M", "B"), ("10", ""), ("", "M")] {
            assert_eq!(of_rate(number, unit), None, "{number} {unit}");
        }
    }

    #[test]
    fn chunk_sizes() {
        for (text, bytes) in
            [("512KiB", 512 << 10), ("1MiB", 1 << 20), ("1024kib", 1 << 20), ("4mib", 4 << 20)]
        {
            assert_eq!(chunk_size(text).unwrap().bytes(), bytes, "{text}");
        }
        for text in ["", "1", "1MB", "1M", "256KiB", "3MiB", "8MiB", "MiB", "-1MiB", "17592186044417MiB"] {
            assert!(chunk_size(text).is_err(), "{text}");
        }
    }
}

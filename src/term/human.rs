//! Numbers as people read them.

use std::time::Duration;

/// `1 file`, `3 files`, `12,345 files`. `many` is the plural.
#[must_use]
pub fn count(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", thousands(number), if number == 1 { one } else { many })
}

/// `512 B`, `1.2 GiB`: three or four digits, binary units.
#[must_use]
pub fn bytes(number: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if number < 1024 {
        return format!("{number} B");
    }
    // Tenths of the unit, so that the whole way is in integers and 1023.99 KiB never reads "1024.0 KiB".
    let mut tenths = u128::from(number) * 10 / 1024;
    let mut unit = 0;
    while tenths >= 10 * 1024 && unit + 1 < UNITS.len() {
        tenths /= 1024;
        unit += 1;
    }
    if tenths >= 1000 {
        return format!("{} {}", tenths / 10, UNITS[unit]);
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

/// `1,258,291 B`: to the byte.
#[must_use]
pub fn exact_bytes(number: u64) -> String {
    format!("{} B", thousands(number))
}

/// `105 MiB/s`.
#[must_use]
pub fn rate(bytes_per_second: u64) -> String {
    format!("{}/s", bytes(bytes_per_second))
}

/// `34 ms`, `0.4 s`, `3 s`, `26 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`.
#[must_use]
pub fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0 if time.is_zero() => "0 s".to_owned(),
        // What is measured takes some time.
        0 if time.subsec_millis() < 100 => format!("{} ms", time.subsec_millis().max(1)),
        0..10 if time.subsec_millis() >= 100 => format!("{seconds}.{} s", time.subsec_millis() / 100),
        0..60 => format!("{seconds} s"),
        60..3600 if seconds.is_multiple_of(60) => format!("{} min", seconds / 60),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..86400 => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
        _ => format!("{} d {} h", seconds / 86400, seconds / 3600 % 24),
    }
}

/// `9:41`, `1:02:03`: for what counts down.
#[must_use]
pub fn countdown(time: Duration) -> String {
    let seconds = time.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes}:{seconds:02}"),
        _ => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts() {
        assert_eq!(count(0, "file", "files"), "0 files");
        assert_eq!(count(1, "directory", "directories"), "1 directory");
        assert_eq!(count(1_234_567, "file", "files"), "1,234,567 files");
    }

    #[test]
    fn sizes() {
        for (number, shown) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1024 * 1024 - 1, "1023 KiB"),
            (1_288_490_189, "1.2 GiB"),
            (u64::MAX, "15.9 EiB"),
        ] {
            assert_eq!(bytes(number), shown);
        }
        assert_eq!(rate(105 << 20), "105 MiB/s");
    }

    #[test]
    fn times() {
        for (milliseconds, shown) in [
            (0, "0 s"),
            (34, "34 ms"),
            (3000, "3 s"),
            (450, "0.4 s"),
            (26_900, "26 s"),
            (200_000, "3 min 20 s"),
            (600_000, "10 min"),
            (7_500_000, "2 h 5 min"),
            (273_600_000, "3 d 4 h"),
        ] {
            assert_eq!(duration(Duration::from_millis(milliseconds)), shown);
        }
        assert_eq!(duration(Duration::from_nanos(1)), "1 ms");
    }

    #[test]
    fn what_counts_down() {
        for (seconds, shown) in [(0, "0:00"), (59, "0:59"), (581, "9:41"), (3723, "1:02:03")] {
            assert_eq!(countdown(Duration::from_secs(seconds)), shown);
        }
    }
}

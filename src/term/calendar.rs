//! Times since 1970 as dates of the Gregorian calendar, in UTC: what the time was here takes a database of zones.

use std::fmt::{self, Write as _};

/// A second, as people write it: `2026-11-22 13:18:56` by `Display`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    days: i64,
    second: i64,
}

impl Moment {
    /// So many seconds since 1970, or before it.
    #[must_use]
    pub fn new(seconds: i64) -> Moment {
        Moment { days: seconds.div_euclid(DAY_S), second: seconds.rem_euclid(DAY_S) }
    }

    /// `2026-11-22`
    #[must_use]
    pub fn date(self) -> String {
        let (year, month, day) = civil(self.days);
        format!("{year:04}-{month:02}-{day:02}")
    }

    /// `13:18:56`
    #[must_use]
    pub fn time(self) -> String {
        let second = self.second;
        format!("{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60)
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.date())?;
        f.write_char(' ')?;
        f.write_str(&self.time())
    }
}

/// Year, month and day of a number of days since 1970.
fn civil(days: i64) -> (i64, i64, i64) {
    // 400 years are a whole number of weeks and of leap cycles; counting single years after that is short.
    const CYCLE_DAYS: i64 = 146_097;
    let mut year = 1970 + days.div_euclid(CYCLE_DAYS) * 400;
    let mut days = days.rem_euclid(CYCLE_DAYS);
    while days >= year_days(year) {
        days -= year_days(year);
        year += 1;
    }
    let february = year_days(year) - 337;
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    (year, month, days + 1)
}

fn year_days(year: i64) -> i64 {
    let leap = year % 4 == 0 && year % 100 != 0 || year % 400 == 0;
    365 + i64::from(leap)
}

const DAY_S: i64 = 24 * 3600;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        for (seconds, shown) in [
            (0, "1970-01-01 00:00:00"),
            (-1, "1969-12-31 23:59:59"),
            (-2_203_891_200, "1900-03-01 00:00:00"),
            (951_782_400, "2000-02-29 00:00:00"),
            (1_709_251_199, "2024-02-29 23:59:59"),
            (1_735_689_599, "2024-12-31 23:59:59"),
            (4_107_542_400, "2100-03-01 00:00:00"),
            (13_574_563_200, "2400-02-29 00:00:00"),
        ] {
            assert_eq!(Moment::new(seconds).to_string(), shown);
        }
    }

    #[test]
    fn any_number_has_a_date() {
        for seconds in [i64::MIN, i64::MAX] {
            assert!(!Moment::new(seconds).to_string().is_empty());
        }
    }
}

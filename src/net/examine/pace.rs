//! How fast a line is, from how much had come at which moment: a function of numbers, without a clock.
//!
//! A connection begins slowly, and two in a row, to the relay and back, find their pace one after the other: on an ordinary line they seem to have
//! found it before they have. So the first second tells nothing, and it goes on until several stretches in a row were equally fast, or until it
//! has taken enough of a person's time or traffic.

use std::time::Duration;

/// What has come so far.
#[derive(Debug)]
pub(super) struct Pace {
    /// How long a stretch is at least.
    stretch: Duration,
    /// The moments between the stretches, and what had come by then.
    marks: Vec<Mark>,
}

#[derive(Clone, Copy, Debug)]
struct Mark {
    at: Duration,
    bytes: u64,
}

impl Pace {
    /// Nothing has come. `round_trip`: from one end of what is measured to the other and back, in which everything comes in one heap at first.
    pub(super) fn new(round_trip: Duration) -> Pace {
        let stretch = round_trip.clamp(STRETCH_LEAST, STRETCH_MOST);
        Pace { stretch, marks: vec![Mark { at: Duration::ZERO, bytes: 0 }] }
    }

    /// When to look next, after so long.
    pub(super) fn stretch(&self) -> Duration {
        self.stretch
    }

    /// After so long so many bytes had come in all. Returns whether that is enough to know the pace.
    pub(super) fn mark(&mut self, at: Duration, bytes: u64) -> bool {
        self.marks.push(Mark { at, bytes });
        self.is_steady()
    }

    /// Bytes a second: of the stretches that were equally fast, or else of the second half of the time.
    pub(super) fn bytes_per_second(&self) -> u64 {
        let Some(last) = self.marks.last() else { return 0 };
        let from = if self.is_steady() {
            self.marks.iter().rev().nth(STEADY)
        } else {
            self.marks.iter().rev().find(|mark| mark.at <= last.at / 2)
        };
        from.map_or(0, |from| rate(*from, *last))
    }

    fn is_steady(&self) -> bool {
        let latest = self.marks.len().checked_sub(STEADY + 1).and_then(|from| self.marks.get(from..));
        let Some(latest) = latest.filter(|latest| latest.first().is_some_and(|from| from.at >= WARM_UP))
        else {
            return false;
        };
        let rates = latest.windows(2).map(|pair| match pair {
            [from, to] => rate(*from, *to),
            _ => 0,
        });
        let (least, most) =
            rates.fold((u64::MAX, 0), |(least, most), rate| (least.min(rate), most.max(rate)));
        least > 0 && most - least <= most / STEADY_WITHIN
    }
}

fn rate(from: Mark, to: Mark) -> u64 {
    let nanos = to.at.saturating_sub(from.at).as_nanos().max(1);
    let bytes = u128::from(to.bytes.saturating_sub(from.bytes));
    u64::try_from(bytes * 1_000_000_000 / nanos).unwrap_or(u64::MAX)
}

/// Two connections of 25 ms each way seem to be steady at two thirds of their pace until three quarters of this are over.
const WARM_UP: Duration = Duration::from_secs(1);
/// So many stretches in a row, equally fast, are no accident.
const STEADY: usize = 5;
/// Equally fast: the slowest is by no more than this part below the fastest.
const STEADY_WITHIN: u64 = 8;
/// What systems and networks pass on in heaps of some milliseconds evens out in it.
const STRETCH_LEAST: Duration = Duration::from_millis(100);
/// The time for all of it has room for some of them.
const STRETCH_MOST: Duration = Duration::from_millis(400);

#[cfg(test)]
mod tests {
    use super::*;

    /// What it makes of so many kilobytes in each stretch of 100 ms: after how many it has enough, and what it says.
    fn judged(kilobytes: &[u64]) -> (usize, u64) {
        let mut pace = Pace::new(Duration::from_millis(20));
        assert_eq!(pace.stretch(), STRETCH_LEAST);
        let mut all = 0;
        for (number, more) in (1..).zip(kilobytes) {
            all += more * 1000;
            if pace.mark(STRETCH_LEAST * number, all) {
                return (number as usize, pace.bytes_per_second());
            }
        }
        (kilobytes.len(), pace.bytes_per_second())
    }

    #[test]
    fn a_slow_beginning_does_not_count() {
        let grows = [10, 20, 40, 80, 160, 300, 300, 300, 300, 300, 300, 300];
        assert_eq!(judged(&[&grows[..], &[500; 9]].concat()), (17, 5_000_000));
        assert_eq!(judged(&[125; 20]), (15, 1_250_000));
    }

    #[test]
    fn a_line_that_never_becomes_steady_is_as_fast_as_in_the_second_half() {
        assert_eq!(judged(&[10, 20, 40, 100, 200, 100, 200, 100]), (8, 1_500_000));
        assert_eq!(judged(&[7]), (1, 70_000));
    }

    #[test]
    fn silence_is_no_pace() {
        assert_eq!(judged(&[0; 9]), (9, 0));
        assert_eq!(Pace::new(Duration::ZERO).bytes_per_second(), 0);
        // Nor is what comes in two heaps.
        assert_eq!(judged(&[300, 0, 0].repeat(9)).0, 27);
    }

    #[test]
    fn a_long_way_has_long_stretches() {
        assert_eq!(Pace::new(Duration::from_millis(250)).stretch(), Duration::from_millis(250));
        assert_eq!(Pace::new(Duration::from_secs(9)).stretch(), STRETCH_MOST);
    }
}

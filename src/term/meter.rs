//! How fast it goes, and how long it will take.

use std::time::Duration;

/// A smoothed rate. Pure: the time comes in as an argument.
#[derive(Clone, Debug, Default)]
pub struct Meter {
    last: Option<(Duration, u64)>,
    /// Bytes a second.
    rate: f64,
    /// How much of `rate` is measured: it grows from 0 to 1 over the first seconds.
    weight: f64,
    /// How long nothing was done, as far as it is measured.
    still: Duration,
}

impl Meter {
    /// Notes that `bytes_done` were done at `now` (a time since any fixed start).
    pub fn observe(&mut self, now: Duration, bytes_done: u64) {
        let Some((then, before)) = self.last else {
            self.last = Some((now, bytes_done));
            return;
        };
        let elapsed = now.saturating_sub(then);
        if elapsed < INTERVAL_MIN {
            return;
        }
        let seconds = elapsed.as_secs_f64();
        self.still = if bytes_done == before { self.still.saturating_add(elapsed) } else { Duration::ZERO };
        let fresh = bytes_done.saturating_sub(before) as f64 / seconds;
        let keep = (-seconds / SMOOTHING_S).exp();
        self.rate = self.rate * keep + fresh * (1.0 - keep);
        self.weight = self.weight * keep + (1.0 - keep);
        self.last = Some((now, bytes_done));
    }

    /// Bytes a second over the last seconds; `None` before the first measurement.
    #[must_use]
    pub fn bytes_per_second(&self) -> Option<u64> {
        if self.weight <= 0.0 {
            return None;
        }
        // Dividing by the weight removes the pull of the zero that the average began with.
        let rate = (self.rate / self.weight).round();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a quotient of counted bytes and time is not negative, and the cast saturates"
        )]
        Some(rate as u64)
    }

    /// For how long nothing was done, once that is so long that a rate says nothing any more.
    #[must_use]
    pub fn stalled(&self) -> Option<Duration> {
        Some(self.still).filter(|still| *still >= STALL)
    }

    /// How long `bytes_left` take at this rate; `None` while nobody can say.
    #[must_use]
    pub fn time_left(&self, bytes_left: u64) -> Option<Duration> {
        let rate = self.bytes_per_second().filter(|rate| *rate > 0)?;
        Some(Duration::from_secs(bytes_left.div_ceil(rate))).filter(|time| *time < TIME_LEFT_MAX)
    }
}

/// Shorter intervals measure the scheduler rather than the network.
const INTERVAL_MIN: Duration = Duration::from_millis(200);
/// What was measured this long ago counts a third: calm enough to read, quick enough to show a stall.
const SMOOTHING_S: f64 = 4.0;
/// Longer than a slow disk or a busy network pauses by itself.
const STALL: Duration = Duration::from_secs(5);
/// Beyond this the number says only that it stands still.
const TIME_LEFT_MAX: Duration = Duration::from_secs(30 * 24 * 3600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_rate_is_right_from_the_first_measurement() {
        let mut meter = Meter::default();
        assert_eq!(meter.bytes_per_second(), None);
        for step in 0..20u64 {
            meter.observe(Duration::from_millis(500 * step), 50_000 * step);
            if step > 0 {
                assert!(meter.bytes_per_second().unwrap().abs_diff(100_000) <= 1);
            }
        }
        assert_eq!(meter.time_left(1_000_000).unwrap().as_secs(), 10);
    }

    #[test]
    fn a_stall_shows_and_has_no_end() {
        let mut meter = Meter::default();
        meter.observe(Duration::ZERO, 0);
        meter.observe(Duration::from_secs(1), 1_000_000);
        meter.observe(Duration::from_secs(10), 1_000_000);
        assert!(meter.bytes_per_second().unwrap() < 200_000);
        meter.observe(Duration::from_secs(200), 1_000_000);
        assert_eq!(meter.time_left(1), None);
    }

    #[test]
    fn what_moves_again_is_stalled_no_more() {
        let mut meter = Meter::default();
        meter.observe(Duration::ZERO, 0);
        meter.observe(Duration::from_secs(1), 10);
        meter.observe(Duration::from_secs(4), 10);
        assert_eq!(meter.stalled(), None);
        meter.observe(Duration::from_secs(6), 10);
        assert_eq!(meter.stalled(), Some(Duration::from_secs(5)));
        meter.observe(Duration::from_secs(7), 11);
        assert_eq!(meter.stalled(), None);
    }

    #[test]
    fn counts_and_clocks_that_run_backwards_do_no_harm() {
        let mut meter = Meter::default();
        meter.observe(Duration::from_secs(5), 10);
        meter.observe(Duration::from_secs(4), 20);
        meter.observe(Duration::from_secs(6), 0);
        assert_eq!(meter.bytes_per_second(), Some(0));
        assert_eq!(meter.time_left(u64::MAX), None);
    }
}

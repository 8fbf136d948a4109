//! The pauses between attempts, so that neither two sides that lost each other nor a stranger who comes again and again make a relay busy.

use std::time::Duration;

use smol::Timer;

use super::pair::random;
use crate::error::Result;

/// Pauses that double from 50 ms to some seconds. Each is cut at random by up to half, so that two who lost each other at the same moment,
/// or thousands who lost one relay, do not come back in step.
#[derive(Clone, Copy, Debug)]
pub struct Pause {
    next: Duration,
    longest: Duration,
}

impl Pause {
    /// Pauses that grow to `longest`.
    #[must_use]
    pub fn up_to(longest: Duration) -> Pause {
        Pause { next: SHORTEST.min(longest), longest }
    }

    /// Times that grow from `first` to `longest`.
    #[must_use]
    pub fn between(first: Duration, longest: Duration) -> Pause {
        Pause { next: first.min(longest), longest }
    }

    /// Pauses that grow to `longest`, without the first ones: they were made already.
    #[must_use]
    pub fn after_some(longest: Duration, made: u32) -> Pause {
        let next = 2u32.checked_pow(made).and_then(|grown| SHORTEST.checked_mul(grown));
        Pause { next: next.unwrap_or(longest).min(longest), longest }
    }

    /// The pause that is due now, for a number drawn at random. The next one will be longer.
    pub fn advance(&mut self, drawn: u16) -> Duration {
        let pause = cut(self.next, drawn);
        self.next = (self.next * 2).min(self.longest);
        pause
    }

    /// What has held for so long was no failure to connect: the pauses begin anew.
    pub fn after(&mut self, held: Duration) {
        if held >= self.longest {
            *self = Pause::up_to(self.longest);
        }
    }

    /// As [`Pause::advance`], drawn now.
    ///
    /// # Errors
    /// When the system gives no random numbers.
    pub fn due(&mut self) -> Result<Duration> {
        Ok(self.advance(draw()?))
    }

    /// Rests. Cancel safe; a rest that was dropped counts.
    ///
    /// # Errors
    /// When the system gives no random numbers.
    pub async fn rest(&mut self) -> Result<()> {
        Timer::after(self.due()?).await;
        Ok(())
    }
}

/// A time that is longer by up to a quarter of it, at random: not before somebody wants us back, and not all at once.
///
/// # Errors
/// When the system gives no random numbers.
pub fn stretched(time: Duration) -> Result<Duration> {
    Ok(time.mul_f64(1.0 + 0.25 * f64::from(draw()?) / f64::from(u16::MAX)))
}

fn cut(time: Duration, drawn: u16) -> Duration {
    time.mul_f64(1.0 - 0.5 * f64::from(drawn) / f64::from(u16::MAX))
}

/// A number for [`Pause::advance`].
///
/// # Errors
/// When the system gives no random numbers.
pub(super) fn draw() -> Result<u16> {
    let drawn = random()?;
    Ok(u16::from_le_bytes([drawn[0], drawn[1]]))
}

/// The first pause: whoever is back at once is found at once.
const SHORTEST: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let mut pause = Pause::up_to(Duration::from_secs(5));
        let milliseconds: Vec<_> = (0..9).map(|_| pause.advance(0).as_millis()).collect();
        assert_eq!(milliseconds, [50, 100, 200, 400, 800, 1600, 3200, 5000, 5000]);
    }

    #[test]
    fn the_first_ones_may_be_left_out() {
        let next = |made| Pause::after_some(Duration::from_secs(5), made).next.as_millis();
        assert_eq!([0, 1, 6, 7, 31, 32, u32::MAX].map(next), [50, 100, 3200, 5000, 5000, 5000, 5000]);
    }

    #[test]
    fn each_is_cut_by_half_at_most() {
        let mut pause = Pause::up_to(Duration::from_millis(100));
        assert_eq!(pause.advance(u16::MAX), Duration::from_millis(25));
        assert_eq!(pause.advance(u16::MAX), Duration::from_millis(50));
        let third = pause.advance(u16::MAX / 2);
        assert!(third > Duration::from_millis(74) && third < Duration::from_millis(76), "{third:?}");
    }

    #[test]
    fn they_begin_anew_after_something_that_held() {
        let mut pause = Pause::up_to(Duration::from_secs(2));
        pause.advance(0);
        pause.after(Duration::from_secs(1));
        assert_eq!(pause.advance(0), Duration::from_millis(100));
        pause.after(Duration::from_secs(2));
        assert_eq!(pause.advance(0), Duration::from_millis(50));
    }
}

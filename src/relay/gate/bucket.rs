//! A bucket that holds a minute's worth and fills evenly.

use crate::relay::limits::MINUTE_MS;

/// So many a minute.
#[derive(Clone, Copy, Debug)]
pub struct Rate(u64);

/// How much was taken and has not come back yet, by the time at which all of it will be back, in units of a minute through the rate: so one taken is
/// [`MINUTE_MS`] of them, and a millisecond gives back as many as the rate. Whole numbers, whatever the rate is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bucket {
    /// What is missing, in those units, at `at_ms`.
    missing: u64,
    at_ms: u64,
}

impl Rate {
    /// So many.
    #[must_use]
    pub fn a_minute(times: u32) -> Rate {
        Rate(times.into())
    }

    /// A minute's worth, in a bucket's units; a rate of nothing gives nothing.
    fn capacity(self) -> u64 {
        self.0 * MINUTE_MS
    }
}

impl Bucket {
    /// Takes one, of which so many `addresses` have as many.
    ///
    /// # Errors
    /// In how many seconds there will be one.
    pub fn take(&mut self, rate: Rate, addresses: u32, now_ms: u64) -> Result<(), u64> {
        let back = now_ms.saturating_sub(self.at_ms).saturating_mul(rate.0);
        let missing = self.missing.saturating_sub(back);
        let then = missing + MINUTE_MS / u64::from(addresses);
        let over = then.saturating_sub(rate.capacity());
        if over > 0 {
            return Err(over.div_ceil(rate.0.max(1)).div_ceil(1000));
        }
        *self = Bucket { missing: then, at_ms: self.at_ms.max(now_ms) };
        Ok(())
    }

    /// When everything will be back.
    #[must_use]
    pub fn full_ms(self, rate: Rate) -> u64 {
        self.at_ms.saturating_add(self.missing.div_ceil(rate.0.max(1)))
    }
}

//! Numbers from a seed: everything that is left to chance in a run is left to these.

/// Dice that fall the same way whenever they are made of the same seed (`SplitMix64`: Steele, Lea, Flood 2014).
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// Dice of this seed.
    pub fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    /// Other dice, that fall independently of what these are used for from here on.
    pub fn fork(&mut self) -> Dice {
        Dice(self.next())
    }

    /// Any number.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `sides`; 0 if there is none.
    pub fn roll(&mut self, sides: u64) -> u64 {
        self.next().checked_rem(sides).unwrap_or(0)
    }

    /// A number from `low` to `high`, both possible.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.roll(high - low + 1)
    }

    /// A number from 1 to `high`, small ones as likely as great ones in every order of magnitude.
    pub fn wide(&mut self, high: u64) -> u64 {
        let bits = u64::from(64 - high.max(1).leading_zeros());
        let bound = 1u64.checked_shl(u32::try_from(self.between(1, bits)).unwrap_or(63)).unwrap_or(u64::MAX);
        self.between(bound / 2, bound - 1).clamp(1, high.max(1))
    }

    /// Below `end`, as an index.
    pub fn index(&mut self, end: usize) -> usize {
        usize::try_from(self.roll(end as u64)).unwrap_or(0)
    }

    /// As [`Dice::wide`], as a length.
    pub fn length(&mut self, high: usize) -> usize {
        usize::try_from(self.wide(high as u64)).unwrap_or(high)
    }

    /// True once in `times`.
    pub fn one_in(&mut self, times: u64) -> bool {
        self.roll(times) == 0
    }

    /// One of these.
    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.index(of.len())]
    }

    /// 32 bytes, for nonces and seeds.
    pub fn bytes(&mut self) -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes.as_chunks_mut::<8>().0.iter_mut().for_each(|eight| *eight = self.next().to_le_bytes());
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_fall_within_their_bounds_and_the_same_way_again() {
        let (mut one, mut two) = (Dice::new(7), Dice::new(7));
        for high in [1, 2, 3, 1000, u64::MAX / 2] {
            for _ in 0..1000 {
                let number = one.wide(high);
                assert!((1..=high).contains(&number), "{number} of {high}");
                assert_eq!(number, two.wide(high));
            }
        }
        assert_eq!(one.roll(0), 0);
        assert_ne!(one.bytes(), one.bytes());
    }
}

//! How many wrong guesses a code survives.

/// The wrong guesses at one code, over all connections of the side that made it.
///
/// Counts attempts to pair and nothing else: a session that is running already is not touched by what it
/// says.
#[derive(Debug, Default)]
pub struct Guesses {
    wrong: u8,
}

/// What a wrong guess leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GuessesLeft {
    /// The code stays good for this many more wrong guesses: 2 or 1.
    Left(u8),
    /// Nobody may pair with this code any more.
    Burnt,
}

/// The wrong guess that burns the code. Two leave room for typing errors; with 33 bits, three give a guesser
/// one chance in 2.8 thousand million.
pub const GUESSES_MAX: u8 = 3;

impl Guesses {
    /// None so far.
    #[must_use]
    pub fn new() -> Guesses {
        Guesses::default()
    }

    /// Counts one wrong guess.
    pub fn count_wrong(&mut self) -> GuessesLeft {
        self.wrong = self.wrong.saturating_add(1);
        match GUESSES_MAX.saturating_sub(self.wrong) {
            0 => GuessesLeft::Burnt,
            left => GuessesLeft::Left(left),
        }
    }

    /// Whether the code is burnt: no pairing may even be tried with it.
    #[must_use]
    pub fn is_burnt(&self) -> bool {
        self.wrong >= GUESSES_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_third_wrong_guess_burns_the_code_for_good() {
        let mut guesses = Guesses::new();
        assert_eq!(guesses.count_wrong(), GuessesLeft::Left(2));
        assert_eq!(guesses.count_wrong(), GuessesLeft::Left(1));
        assert!(!guesses.is_burnt());
        for _ in 0..300 {
            assert_eq!(guesses.count_wrong(), GuessesLeft::Burnt);
            assert!(guesses.is_burnt());
        }
    }
}

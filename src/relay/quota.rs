//! How many lines of one kind the log gets: whoever attacks a relay shall not fill its disk.

/// So many lines a second, and a count of what was left out.
#[derive(Debug)]
pub struct Quota {
    per_second: u32,
    second: u64,
    taken: u32,
    left_out: u64,
}

impl Quota {
    /// So many a second.
    #[must_use]
    pub fn new(per_second: u32) -> Quota {
        Quota { per_second, second: 0, taken: 0, left_out: 0 }
    }

    /// Whether one more line may be written now. If not, it is counted.
    pub fn take(&mut self, now_ms: u64) -> bool {
        let second = now_ms / 1000;
        if self.second != second {
            (self.second, self.taken) = (second, 0);
        }
        let may = self.taken < self.per_second;
        if may {
            self.taken += 1;
        } else {
            self.left_out += 1;
        }
        may
    }

    /// How many were left out and not told of, once the second they were left out in is over.
    pub fn settle(&mut self, now_ms: u64) -> Option<u64> {
        if self.left_out == 0 || self.second == now_ms / 1000 {
            return None;
        }
        Some(std::mem::take(&mut self.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_counted_and_told_once() {
        let mut quota = Quota::new(3);
        let written = (0..100).filter(|at| quota.take(at * 5)).count();
        assert_eq!((written, quota.settle(999)), (3, None));
        assert_eq!((quota.settle(1000), quota.settle(1000)), (Some(97), None));
        assert!(quota.take(1001));
        assert_eq!(quota.settle(5000), None);
    }
}

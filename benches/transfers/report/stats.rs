//! What is left of several runs: the middle one, and how far the others lay from it.

/// The middle of several measurements, and their ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// The median: a run that was disturbed does not move it.
    pub median: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
}

impl Spread {
    /// Of what was measured; nothing if nothing was.
    pub fn of(samples: &[f64]) -> Option<Spread> {
        let mut sorted = samples.to_vec();
        sorted.sort_by(f64::total_cmp);
        Some(Spread { median: median_of(&sorted)?, min: *sorted.first()?, max: *sorted.last()? })
    }
}

/// The median of what was measured; nothing if nothing was.
pub fn median(samples: &[f64]) -> Option<f64> {
    Spread::of(samples).map(|spread| spread.median)
}

fn median_of(sorted: &[f64]) -> Option<f64> {
    let middle = sorted.len() / 2;
    let upper = sorted.get(middle)?;
    if sorted.len() % 2 == 1 {
        return Some(*upper);
    }
    Some((sorted.get(middle.checked_sub(1)?)? + upper) / 2.0)
}

/// A figure with as many digits as a measurement on a machine that does other things too can bear: two, three from 100 on.
pub fn plain(value: f64) -> String {
    match value.abs() {
        size if size >= 99.5 => {
            // Above that the third digit is noise as well, and still easier to read than a power of ten.
            let digits = size.log10().floor() - 2.0;
            let step = 10_f64.powf(digits.max(0.0));
            format!("{:.0}", (value / step).round() * step)
        }
        size if size >= 9.95 => format!("{value:.0}"),
        size if size >= 0.995 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

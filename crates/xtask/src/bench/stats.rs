//! Medians and ratios.

use serde::Serialize;

/// The middle of some numbers, and how far they spread.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Spread {
    /// The middle one; of an even count the mean of the middle two.
    pub(crate) median: f64,
    /// The least.
    pub(crate) min: f64,
    /// The greatest.
    pub(crate) max: f64,
}

impl Spread {
    /// The spread of `numbers`; zeros when there are none.
    pub(crate) fn of(numbers: impl IntoIterator<Item = f64>) -> Self {
        let mut numbers: Vec<f64> = numbers.into_iter().collect();
        numbers.sort_by(f64::total_cmp);
        let (Some(&min), Some(&max)) = (numbers.first(), numbers.last()) else {
            return Self { median: 0.0, min: 0.0, max: 0.0 };
        };
        let (lower, upper) = (numbers[(numbers.len() - 1) / 2], numbers[numbers.len() / 2]);
        Self { median: f64::midpoint(lower, upper), min, max }
    }
}

/// Ratios round by round, so that a machine whose speed drifts still gives a meaningful one.
pub(crate) fn ratios(ours: &[f64], theirs: &[f64]) -> Spread {
    Spread::of(ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(Spread::of([3.0, 1.0, 2.0]), Spread { median: 2.0, min: 1.0, max: 3.0 });
        assert_eq!(Spread::of([4.0, 1.0, 2.0, 3.0]).median, 2.5);
        assert_eq!(Spread::of([]).median, 0.0);
    }

    /// A machine that halves its speed in the middle changes no ratio.
    #[test]
    fn drift_cancels_out() {
        let ratio = ratios(&[1.0, 2.0, 2.0], &[2.0, 4.0, 4.0]);
        assert_eq!(ratio, Spread { median: 0.5, min: 0.5, max: 0.5 });
    }
}

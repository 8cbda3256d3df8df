//! How numbers are distributed, in little space: a merging t-digest.
//!
//! Dunning and Ertl: "Computing extremely accurate quantiles using t-digests", 2019. Sorted values
//! are gathered into centroids whose weight may be π·n·√(q(1−q))/δ at quantile q: the bound that
//! their scale function k₁ implies, written without its arc sine, so that every operation is one
//! that IEEE 754 fixes and the same values give the same bytes on every machine.

use std::fmt::Write as _;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::scalar::exact;

/// δ: about so many centroids, at most twice as many.
const DELTA: f64 = 100.0;
/// Up to so many different numbers are kept as they are.
const FEW: usize = 128;

/// (π/δ)².
const BOUND: f64 = (std::f64::consts::PI / DELTA) * (std::f64::consts::PI / DELTA);

/// Numbers, summed up.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Digest {
    /// Means and weights, ascending.
    centroids: Vec<(f64, u64)>,
    range: Option<(f64, f64)>,
    sum: f64,
    /// Whether different numbers were gathered in one centroid.
    is_blurred: bool,
}

/// A centroid that is being gathered.
struct Open {
    first: f64,
    last: f64,
    weight: u64,
    /// What its numbers exceed the first by, in all.
    excess: f64,
}

impl Open {
    /// Rounding leaves the mean among the numbers.
    fn close(&self) -> (f64, u64) {
        let mean = self.first + self.excess / self.weight as f64;
        (mean.clamp(self.first, self.last), self.weight)
    }
}

impl Digest {
    /// Of finite numbers, ascending, and how often each came.
    pub fn of_sorted(points: impl IntoIterator<Item = (f64, u64)>) -> Self {
        let points: Vec<(f64, u64)> = points.into_iter().collect();
        let range = points.first().zip(points.last()).map(|(first, last)| (first.0, last.0));
        let sum = points.iter().map(|(mean, weight)| mean * *weight as f64).sum();
        let mut digest = Self { centroids: Vec::new(), range, sum, is_blurred: false };
        digest.gather(points);
        digest
    }

    /// Whether there are no numbers.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.range.is_none()
    }

    /// How many numbers there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.centroids.iter().map(|(_, weight)| weight).sum()
    }

    /// The least and the greatest number, exactly.
    #[must_use]
    pub const fn range(&self) -> Option<(f64, f64)> {
        self.range
    }

    /// Their mean.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        match self.count() {
            0 => None,
            count => Some(self.sum / count as f64),
        }
    }

    /// Adds what follows.
    pub fn merge(&mut self, next: &Self) {
        let Some((least, greatest)) = next.range else { return };
        let (ours, theirs) = (std::mem::take(&mut self.centroids), &next.centroids);
        self.range = Some(match self.range {
            None => (least, greatest),
            Some((low, high)) => (low.min(least), high.max(greatest)),
        });
        self.sum += next.sum;
        self.is_blurred |= next.is_blurred;
        let mut sorted = Vec::with_capacity(ours.len() + theirs.len());
        let (mut ours, mut theirs) = (ours.into_iter().peekable(), theirs.iter().peekable());
        loop {
            match (ours.peek(), theirs.peek()) {
                (Some(our), Some(their)) if our.0 <= their.0 => sorted.extend(ours.next()),
                (_, Some(_)) => sorted.extend(theirs.next().copied()),
                (Some(_), None) => sorted.extend(ours.next()),
                (None, None) => break,
            }
        }
        self.gather(sorted);
    }

    /// Gathers ascending points as far as the bound allows, unless they are few.
    fn gather(&mut self, mut sorted: Vec<(f64, u64)>) {
        sorted.dedup_by(|next, kept| {
            let is_same = next.0 == kept.0;
            kept.1 += if is_same { next.1 } else { 0 };
            is_same
        });
        if sorted.len() <= FEW {
            self.centroids = sorted;
            return;
        }
        let total = sorted.iter().map(|(_, weight)| *weight).sum::<u64>() as f64;
        // The square of what a centroid may weigh that begins or ends at a rank.
        let bound = |rank: u64| BOUND * (rank as f64) * (total - rank as f64);
        let mut points = sorted.into_iter();
        let Some((first, weight)) = points.next() else { return };
        let mut open = Open { first, last: first, weight, excess: 0.0 };
        let (mut before, mut allowed) = (0, bound(0));
        for (number, weight) in points {
            let together = (open.weight + weight) as f64;
            let square = together * together;
            if square <= allowed && square <= bound(before + open.weight + weight) {
                self.is_blurred = true;
                open.excess += (number - open.first) * weight as f64;
                open.weight += weight;
                open.last = number;
                continue;
            }
            self.centroids.push(open.close());
            before += open.weight;
            allowed = bound(before);
            open = Open { first: number, last: number, weight, excess: 0.0 };
        }
        self.centroids.push(open.close());
    }

    /// The number below which a part `q` of all numbers lies. While no two different numbers were
    /// gathered it is one of them.
    #[must_use]
    pub fn quantile(&self, q: f64) -> Option<f64> {
        let (least, greatest) = self.range?;
        let total = self.count() as f64;
        let rank = q.clamp(0.0, 1.0) * total;
        if !self.is_blurred {
            let mut below = 0.0;
            for (mean, weight) in &self.centroids {
                below += *weight as f64;
                if rank <= below {
                    return Some(*mean);
                }
            }
            return Some(greatest);
        }
        let mut left = (0.0, least);
        for right in self.points().chain([(total, greatest)]) {
            if rank <= right.0 {
                return Some(between(left, right, rank));
            }
            left = right;
        }
        Some(greatest)
    }

    /// How many numbers are `number` or less, about.
    #[must_use]
    pub fn rank(&self, number: f64) -> f64 {
        let Some((least, greatest)) = self.range else { return 0.0 };
        let total = self.count() as f64;
        if number < least {
            return 0.0;
        }
        if number >= greatest {
            return total;
        }
        if !self.is_blurred {
            let below = self.centroids.iter().take_while(|(mean, _)| *mean <= number);
            return below.map(|(_, weight)| *weight as f64).sum();
        }
        let mut left = (0.0, least);
        for right in self.points().chain([(total, greatest)]) {
            if number < right.1 {
                return between((left.1, left.0), (right.1, right.0), number);
            }
            left = right;
        }
        total
    }

    /// How many numbers lie in each of `bins` parts of the range that are equally wide, about.
    #[must_use]
    pub fn histogram(&self, bins: usize) -> Vec<u64> {
        let Some((least, greatest)) = self.range else { return Vec::new() };
        if least == greatest {
            return vec![self.count()];
        }
        let mut below = 0;
        let mut counts = Vec::with_capacity(bins);
        for bin in 1..=bins {
            let part = bin as f64 / bins as f64;
            let upto = match bin == bins {
                true => self.count(),
                // Not `greatest - least`, which may be infinite.
                false => {
                    (self.rank(least * (1.0 - part) + greatest * part).round() as u64).max(below)
                }
            };
            counts.push(upto - below);
            below = upto;
        }
        counts
    }

    /// How far the distributions are apart: the greatest difference between the parts of both that lie
    /// below any number (Kolmogorov and Smirnov), 0 to 1. None where one is empty.
    #[must_use]
    pub fn distance(&self, other: &Self) -> Option<f64> {
        let (ours, theirs) = (self.count() as f64, other.count() as f64);
        if ours == 0.0 || theirs == 0.0 {
            return None;
        }
        let numbers = self.centroids.iter().chain(&other.centroids).map(|(mean, _)| *mean);
        let apart = |number| (self.rank(number) / ours - other.rank(number) / theirs).abs();
        Some(numbers.map(apart).fold(0.0, f64::max))
    }

    /// The centroids as points of the distribution: how many numbers are below, and a number. What is
    /// heavier than the bound allows anywhere is one number that came often: a step.
    fn points(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        let total = self.count() as f64;
        let heavy = BOUND * total * total / 4.0;
        let mut below = 0.0;
        self.centroids.iter().flat_map(move |(mean, weight)| {
            let weight = *weight as f64;
            let (start, middle) = (below, below + weight / 2.0);
            below += weight;
            match weight * weight > heavy {
                true => [(start, *mean), (below, *mean)],
                false => [(middle, *mean); 2],
            }
        })
    }
}

/// What lies at `x` on the line from `left` to `right`.
fn between(left: (f64, f64), right: (f64, f64), x: f64) -> f64 {
    let width = right.0 - left.0;
    if width <= 0.0 || left.1 == right.1 {
        return right.1;
    }
    let part = ((x - left.0) / width).clamp(0.0, 1.0);
    left.1 * (1.0 - part) + right.1 * part
}

/// Numbers are written as text: readers of JSON round.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Json {
    min: String,
    max: String,
    sum: String,
    /// Means with their weights, `mean*weight`, blanks between; a weight of 1 is left out.
    centroids: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    blurred: bool,
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (min, max) = self.range.unwrap_or_default();
        let mut centroids = String::new();
        for (mean, weight) in &self.centroids {
            let blank = if centroids.is_empty() { "" } else { " " };
            let mean = exact(*mean);
            let _ = match weight {
                1 => write!(centroids, "{blank}{mean}"),
                weight => write!(centroids, "{blank}{mean}*{weight}"),
            };
        }
        let (min, max, sum) = (exact(min), exact(max), exact(self.sum));
        Json { min, max, sum, centroids, blurred: self.is_blurred }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Json { min, max, sum, centroids, blurred } = Json::deserialize(deserializer)?;
        let number = |text: &str| text.parse::<f64>().map_err(de::Error::custom);
        let centroid = |text: &str| match text.split_once('*') {
            None => Ok((number(text)?, 1)),
            Some((mean, weight)) => Ok((number(mean)?, weight.parse().map_err(de::Error::custom)?)),
        };
        let centroids: Vec<(f64, u64)> =
            centroids.split_ascii_whitespace().map(centroid).collect::<Result<_, _>>()?;
        let range = Some((number(&min)?, number(&max)?)).filter(|_| !centroids.is_empty());
        Ok(Self { centroids, range, sum: number(&sum)?, is_blurred: blurred })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(values: &[f64]) -> Digest {
        let mut values = values.to_vec();
        values.sort_by(f64::total_cmp);
        Digest::of_sorted(values.into_iter().map(|value| (value, 1)))
    }

    fn folded(parts: &[Vec<f64>]) -> Digest {
        let mut digest = Digest::default();
        parts.iter().for_each(|part| digest.merge(&of(part)));
        digest
    }

    #[test]
    fn few_numbers_are_kept_as_they_are() {
        let digest = of(&[3.0, 1.0, 2.0, 2.0, 10.0]);
        let quantiles = [0.0, 0.2, 0.5, 0.8, 1.0].map(|q| digest.quantile(q));
        assert_eq!(quantiles, [1.0, 1.0, 2.0, 3.0, 10.0].map(Some));
        assert_eq!((digest.mean(), digest.count(), digest.rank(2.5)), (Some(3.6), 5, 3.0));
        assert_eq!(digest.histogram(3), [4, 0, 1]);
        assert_eq!(of(&[7.0, 7.0]).histogram(3), [2]);
        assert_eq!(Digest::default().quantile(0.5), None);
        assert!(Digest::default().histogram(3).is_empty());
    }

    #[test]
    fn a_number_that_comes_often_is_a_step() {
        let mut numbers: Vec<f64> = (0..1000).map(f64::from).collect();
        numbers.extend([500.0; 500]);
        let digest = of(&numbers);
        assert!(digest.is_blurred);
        assert_eq!([0.34, 0.5, 0.66].map(|q| digest.quantile(q)), [Some(500.0); 3]);
        assert!(
            (digest.rank(499.9) - 500.0).abs() < 5.0 && (digest.rank(500.0) - 1001.0).abs() < 5.0
        );
    }

    #[test]
    fn distances_are_between_nothing_and_one() {
        let numbers = |from: i32, to: i32| of(&(from..to).map(f64::from).collect::<Vec<_>>());
        let (low, high) = (numbers(0, 10), numbers(10, 20));
        assert_eq!(low.distance(&low), Some(0.0));
        assert_eq!(low.distance(&high), Some(1.0));
        assert_eq!(numbers(0, 4).distance(&numbers(2, 6)), Some(0.5));
        assert_eq!(low.distance(&Digest::default()), None);
        let (many, more) = (numbers(0, 10_000), numbers(1000, 11_000));
        let distance = many.distance(&more).expect("both have numbers");
        assert!((distance - 0.1).abs() < 0.005, "{distance}");
    }

    #[test]
    fn the_widest_range_there_is_has_a_histogram() {
        let digest = of(&[f64::MIN, 0.0, f64::MAX]);
        assert_eq!(digest.histogram(2), [2, 1]);
        assert!(digest.quantile(0.3).is_some_and(f64::is_finite));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

        /// Where a quantile is said to be, it is, within π/δ of all ranks at the middle and less
        /// towards the ends; few centroids suffice.
        #[test]
        fn ranks_are_close_and_space_is_bounded(
            parts in prop::collection::vec(
                prop::collection::vec(prop_oneof![
                    -1e6_f64..1e6,
                    (0_i32..50).prop_map(f64::from),
                    (-20_f64..20.0).prop_map(|x| x * x * x),
                ], 1..3000),
                1..8,
            ),
        ) {
            let digest = folded(&parts);
            let mut all = parts.concat();
            all.sort_by(f64::total_cmp);
            let count = all.len() as f64;
            prop_assert_eq!(digest.count() as usize, all.len());
            prop_assert!(digest.centroids.len() <= 250, "{}", digest.centroids.len());
            for q in [0.0, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 1.0] {
                let found = digest.quantile(q).expect("a number");
                let below = all.partition_point(|value| *value < found) as f64;
                let upto = all.partition_point(|value| *value <= found) as f64;
                let slack = count * (0.001 + 0.035 * (q * (1.0 - q)).sqrt()) + 1.0;
                let rank = q * count;
                prop_assert!(below - slack <= rank && rank <= upto + slack, "{q}: {below} {upto}");
            }
            let (bins, total) = (digest.histogram(20), digest.count());
            prop_assert_eq!(bins.iter().sum::<u64>(), total);
            let json = serde_json::to_string(&digest).expect("JSON");
            prop_assert_eq!(serde_json::from_str::<Digest>(&json).expect("back"), digest);
        }
    }
}

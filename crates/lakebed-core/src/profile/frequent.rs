//! The values that come most often, with honest bounds.
//!
//! A merge of counters in the manner of "Mergeable Summaries" (Agarwal and others, 2012): whoever is
//! not listed came at most [`Frequent::unlisted`] times, and a listed value at most
//! [`FrequentValue::missed`] times more than it was counted.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Scalar;

/// At most so many values are listed.
const LISTED: usize = 64;

/// Values and how often they came, most frequent first, then by value.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Frequent {
    /// At most 64.
    pub values: Vec<FrequentValue>,
    /// A value that is not listed came at most so often; 0: all are listed.
    pub unlisted: u64,
}

/// A value and how often it came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FrequentValue {
    /// The value.
    pub value: Scalar,
    /// It came so often.
    pub count: u64,
    /// And at most so many times more; 0: the count is exact.
    #[serde(default, skip_serializing_if = "super::is_zero")]
    pub missed: u64,
}

impl Frequent {
    /// Different values, counted exactly, of more that came at most `unlisted` times each.
    #[must_use]
    pub fn of(values: impl IntoIterator<Item = (Scalar, u64)>, unlisted: u64) -> Self {
        let values =
            values.into_iter().map(|(value, count)| FrequentValue { value, count, missed: 0 });
        let mut all = Self { values: values.collect(), unlisted };
        all.shorten();
        all
    }

    /// How many values are listed at most.
    #[must_use]
    pub const fn capacity() -> usize {
        LISTED
    }

    /// Whether nothing was counted.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.values.is_empty() && self.unlisted == 0
    }

    /// Whether every value there is is listed, with its exact count.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.unlisted == 0
    }

    /// Adds what `other` has counted.
    pub fn merge(&mut self, other: &Self) {
        if other.is_empty() {
            return;
        }
        let mut theirs: BTreeMap<&Scalar, &FrequentValue> =
            other.values.iter().map(|value| (&value.value, value)).collect();
        for ours in &mut self.values {
            match theirs.remove(&ours.value) {
                Some(their) => {
                    ours.count += their.count;
                    ours.missed += their.missed;
                }
                None => ours.missed += other.unlisted,
            }
        }
        let unlisted = self.unlisted;
        let new = theirs
            .into_values()
            .map(|their| FrequentValue { missed: their.missed + unlisted, ..their.clone() });
        self.values.extend(new);
        self.unlisted += other.unlisted;
        self.shorten();
    }

    fn shorten(&mut self) {
        self.values
            .sort_unstable_by(|a, b| b.count.cmp(&a.count).then_with(|| a.value.cmp(&b.value)));
        if self.values.len() > LISTED {
            let dropped = self.values.drain(LISTED..).map(|value| value.count + value.missed);
            self.unlisted = dropped.fold(self.unlisted, u64::max);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn counted(values: &[u16]) -> BTreeMap<u16, u64> {
        let mut counts = BTreeMap::new();
        values.iter().for_each(|value| *counts.entry(*value).or_default() += 1);
        counts
    }

    proptest! {
        /// Whatever is said of a value is true, listed or not.
        #[test]
        fn bounds_hold(
            parts in prop::collection::vec(
                prop::collection::vec((0_u16..250).prop_map(|n| n * n / 200), 0..500), 1..6,
            ),
        ) {
            let mut frequent = Frequent::default();
            for part in &parts {
                let counts = counted(part).into_iter();
                frequent.merge(&Frequent::of(
                    counts.map(|(value, count)| (Scalar::Int(value.into()), count)), 0,
                ));
            }
            let truth = counted(&parts.concat());
            prop_assert!(frequent.values.len() <= LISTED);
            for (value, count) in &truth {
                let listed =
                    frequent.values.iter().find(|listed| listed.value == Scalar::Int((*value).into()));
                match listed {
                    Some(listed) => prop_assert!(
                        listed.count <= *count && *count <= listed.count + listed.missed
                    ),
                    None => prop_assert!(*count <= frequent.unlisted),
                }
            }
            if truth.len() <= LISTED {
                prop_assert!(frequent.is_complete());
                prop_assert_eq!(frequent.values.len(), truth.len());
            }
        }
    }
}

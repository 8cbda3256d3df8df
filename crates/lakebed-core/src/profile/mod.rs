//! What a version's accepted rows look like, column by column.
//!
//! A profile is a left fold: row groups in order, each of which is its slices in order. So the same
//! rows give the same bytes, however they arrived, and an append goes on where its parent's full
//! files end ([`Profile::full`]). Only operations that IEEE 754 fixes are used, so that it is also
//! the same on every machine. Reading values out of Arrow arrays is `lakebed-ingest`'s business.

mod digest;
mod distinct;
mod frequent;
mod scalar;
mod shown;

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

pub use digest::Digest;
pub use distinct::Distinct;
pub use frequent::{Frequent, FrequentValue};
pub use scalar::Scalar;
pub use shown::number_to_json;

use crate::document::{check_format, json_line};

/// The format this build writes. Older ones stay readable for ever.
const FORMAT: u32 = 1;

/// The object that a manifest names as its profile.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    format: u32,
    /// All rows.
    pub whole: TableProfile,
    /// The rows of full files, which an append shares and goes on from; none where those are all
    /// rows or none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub full: Option<TableProfile>,
}

impl Profile {
    /// A profile of `whole`, whose first rows are `full`.
    #[must_use]
    pub fn new(whole: TableProfile, full: TableProfile) -> Self {
        let is_part = full.rows > 0 && full.rows < whole.rows;
        Self { format: FORMAT, whole, full: is_part.then_some(full) }
    }

    /// What the first `rows` rows look like, where the profile knows it.
    #[must_use]
    pub fn first(&self, rows: u64) -> Option<TableProfile> {
        if rows == 0 {
            return Some(TableProfile::default());
        }
        let known = [Some(&self.whole), self.full.as_ref()];
        known.into_iter().flatten().find(|part| part.rows == rows).cloned()
    }

    /// The bytes that are stored.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        json_line(self)
    }

    /// Reads stored bytes.
    ///
    /// # Errors
    /// When they are not JSON of a profile, or of a format newer than this build.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        let profile: Self = serde_json::from_slice(bytes)?;
        check_format("profile format", profile.format, FORMAT)?;
        Ok(profile)
    }
}

/// Some rows of a table.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableProfile {
    /// How many.
    pub rows: u64,
    /// Their columns, by field id.
    pub columns: Vec<ColumnProfile>,
}

impl TableProfile {
    /// Adds rows that follow. A column that one of both lacks is null there.
    pub fn append(&mut self, next: &Self) {
        for column in &next.columns {
            let place = self.columns.binary_search_by_key(&column.id, |column| column.id);
            let place = place.unwrap_or_else(|place| {
                self.columns.insert(place, ColumnProfile::of_nulls(column.id, self.rows));
                place
            });
            self.columns[place].append(column);
        }
        for column in &mut self.columns {
            if next.column(column.id).is_none() {
                column.nulls += next.rows;
            }
        }
        self.rows += next.rows;
    }

    /// The column with that field id.
    #[must_use]
    pub fn column(&self, id: u32) -> Option<&ColumnProfile> {
        let place = self.columns.binary_search_by_key(&id, |column| column.id).ok()?;
        Some(&self.columns[place])
    }
}

/// Some values of a column.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnProfile {
    /// The field id, which survives a rename.
    pub id: u32,
    /// Rows without a value.
    pub nulls: u64,
    /// Floats that are no number. They are in no other figure but `nulls`' complement.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub nans: u64,
    /// Infinite floats: in `range`, `distinct` and `frequent`, but in no `digest`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub infinities: u64,
    /// How many different values there are; not told for nested types.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distinct: Option<Distinct>,
    /// The least and the greatest value; long texts are cut ([`Scalar::of_text`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<(Scalar, Scalar)>,
    /// How numbers, dates and times are distributed; for texts (in characters), bytes, lists and maps
    /// their lengths.
    #[serde(default, skip_serializing_if = "Digest::is_empty")]
    pub digest: Digest,
    /// The values that come most often.
    #[serde(default, skip_serializing_if = "Frequent::is_empty")]
    pub frequent: Frequent,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl ColumnProfile {
    /// So many rows without a value.
    #[must_use]
    pub fn of_nulls(id: u32, nulls: u64) -> Self {
        Self { id, nulls, ..Self::default() }
    }

    /// Adds values that follow.
    pub fn append(&mut self, next: &Self) {
        self.nulls += next.nulls;
        self.nans += next.nans;
        self.infinities += next.infinities;
        match (&mut self.distinct, &next.distinct) {
            (Some(ours), Some(theirs)) => ours.merge(theirs),
            (ours @ None, Some(theirs)) => *ours = Some(theirs.clone()),
            (_, None) => {}
        }
        if let Some((least, greatest)) = &next.range {
            self.widen(least);
            self.widen(greatest);
        }
        self.digest.merge(&next.digest);
        self.frequent.merge(&next.frequent);
    }

    /// Makes `range` hold `value`.
    pub fn widen(&mut self, value: &Scalar) {
        match &mut self.range {
            None => self.range = Some((value.clone(), value.clone())),
            Some((least, greatest)) => {
                if value.cmp(least) == Ordering::Less {
                    *least = value.clone();
                } else if value.cmp(greatest) == Ordering::Greater {
                    *greatest = value.clone();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn column(id: u32, values: &[i64]) -> ColumnProfile {
        let mut values = values.to_vec();
        values.sort_unstable();
        let mut column =
            ColumnProfile { distinct: Some(Distinct::default()), id, ..Default::default() };
        for value in &values {
            column.widen(&Scalar::Int((*value).into()));
            let hash = value.cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15);
            column.distinct.as_mut().expect("set above").add(hash);
        }
        column.digest = Digest::of_sorted(values.iter().map(|value| (*value as f64, 1)));
        let listed = values.iter().map(|value| (Scalar::Int((*value).into()), 1));
        let mut frequent = Frequent::default();
        listed.for_each(|value| frequent.merge(&Frequent::of([value], 0)));
        column.frequent = frequent;
        column
    }

    fn table(id: u32, values: &[i64]) -> TableProfile {
        TableProfile { rows: values.len() as u64, columns: vec![column(id, values)] }
    }

    proptest! {
        /// An append goes on from what was stored: no bit is lost on the way through JSON.
        #[test]
        fn a_fold_that_is_stored_half_way_ends_the_same(
            groups in prop::collection::vec(prop::collection::vec(-1000_i64..1000, 1..400), 1..6),
            cut in 0_usize..6,
        ) {
            let fold = |mut state: TableProfile, groups: &[Vec<i64>]| {
                groups.iter().for_each(|group| state.append(&table(1, group)));
                state
            };
            let (before, after) = groups.split_at(cut.min(groups.len()));
            let half = fold(TableProfile::default(), before);
            let stored = Profile::new(fold(half.clone(), after), half);
            let read = Profile::from_bytes(&stored.to_bytes()).expect("readable");
            prop_assert_eq!(&read, &stored);
            let rows = before.iter().map(|group| group.len() as u64).sum();
            let resumed = fold(read.first(rows).expect("known"), after);
            prop_assert_eq!(resumed, fold(TableProfile::default(), &groups));
        }
    }

    #[test]
    fn a_column_that_came_later_is_null_before_and_one_that_went_is_null_after() {
        let mut rows = table(1, &[5, 6]);
        rows.append(&table(2, &[7]));
        let (first, second) = (rows.column(1).expect("there"), rows.column(2).expect("there"));
        assert_eq!((rows.rows, first.nulls, second.nulls), (3, 1, 2));
        assert_eq!(second.range, Some((Scalar::Int(7), Scalar::Int(7))));
    }

    #[test]
    fn the_stored_form_is_readable() {
        let stored = Profile::new(table(1, &[3, 1, 1]), TableProfile::default());
        let text = String::from_utf8(stored.to_bytes()).expect("text");
        insta::assert_snapshot!(text, @r#"{"format":1,"whole":{"rows":3,"columns":[{"id":1,"nulls":0,"distinct":{"hashes":"9e3779b97f4a7c15 daa66d2c7ddf743f"},"range":[1,3],"digest":{"min":"1","max":"3","sum":"5","centroids":"1*2 3"},"frequent":{"values":[{"value":1,"count":2},{"value":3,"count":1}],"unlisted":0}}]}}"#);
        let newer = text.replace("\"format\":1", "\"format\":2");
        assert!(Profile::from_bytes(newer.as_bytes()).is_err());
    }
}

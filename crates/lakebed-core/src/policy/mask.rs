//! What a mask makes of a value: a closed list, and none that could fail on any value.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{DataType, LakeId};

/// What somebody sees in place of a value. The type stays, and null stays null.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mask {
    /// Null, whatever it was.
    Null,
    /// `***`, whatever the text was.
    Redact,
    /// A keyed digest: equal values of one type stay equal, in the whole lake, and nobody without
    /// the lake's key finds out which they are. 32 hex digits for texts; a long for whole numbers.
    Hash,
    /// `***` and a few characters of the text.
    Partial(Partial),
    /// The first day, or moment, of the unit it lies in.
    DateTrunc(DateUnit),
    /// The next multiple of this at or below the number; at least 1.
    Bucket(u64),
}

/// Which characters stay. Of a text that has no more than these, none does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Partial {
    /// So many at the beginning.
    KeepFirst(u16),
    /// So many at the end.
    KeepLast(u16),
}

/// What a date is cut to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DateUnit {
    /// The first of January.
    Year,
    /// The first day of January, April, July or October.
    Quarter,
    /// The first day of the month.
    Month,
    /// Midnight, UTC.
    Day,
}

impl Mask {
    /// Whether values of this type can be masked so.
    #[must_use]
    pub const fn fits(&self, data_type: &DataType) -> bool {
        match self {
            Self::Null => true,
            Self::Redact | Self::Partial(_) => matches!(data_type, DataType::String),
            Self::Hash => matches!(data_type, DataType::String | DataType::Long),
            Self::DateTrunc(DateUnit::Day) => {
                matches!(data_type, DataType::Timestamp | DataType::Timestamptz)
            }
            Self::DateTrunc(_) => {
                matches!(data_type, DataType::Date | DataType::Timestamp | DataType::Timestamptz)
            }
            Self::Bucket(_) => matches!(
                data_type,
                DataType::Int | DataType::Long | DataType::Decimal { .. } | DataType::Double
            ),
        }
    }

    /// The types it is for, in words.
    #[must_use]
    pub const fn types(&self) -> &'static str {
        match self {
            Self::Null => "columns of any type",
            Self::Redact | Self::Partial(_) => "columns of type string",
            Self::Hash => "columns of type string or long",
            Self::DateTrunc(DateUnit::Day) => "columns of type timestamp or timestamptz",
            Self::DateTrunc(_) => "columns of type date, timestamp or timestamptz",
            Self::Bucket(_) => "columns of type int, long, decimal or double",
        }
    }

    /// What is wrong with its own parameters, if something is.
    #[must_use]
    pub const fn flaw(&self) -> Option<&'static str> {
        match self {
            Self::Bucket(0) => Some("a bucket is at least 1 wide"),
            Self::Bucket(width) if *width > 1_000_000_000_000_000 => {
                Some("a bucket is at most 1,000,000,000,000,000 wide")
            }
            Self::Partial(Partial::KeepFirst(0) | Partial::KeepLast(0)) => {
                Some("a partial mask keeps at least one character; `redact` keeps none")
            }
            _ => None,
        }
    }
}

impl fmt::Display for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Redact => f.write_str("redact"),
            Self::Hash => f.write_str("hash"),
            Self::Partial(Partial::KeepFirst(count)) => write!(f, "partial(keep_first {count})"),
            Self::Partial(Partial::KeepLast(count)) => write!(f, "partial(keep_last {count})"),
            Self::DateTrunc(unit) => write!(f, "date_trunc({})", unit.as_str()),
            Self::Bucket(width) => write!(f, "bucket({width})"),
        }
    }
}

impl DateUnit {
    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Year => "year",
            Self::Quarter => "quarter",
            Self::Month => "month",
            Self::Day => "day",
        }
    }
}

/// The secret with which values are hashed. Shows itself to nobody.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct MaskKey([u8; 32]);

impl MaskKey {
    /// From 32 random bytes, for `lake` alone.
    #[must_use]
    pub fn new(random: [u8; 32], lake: LakeId) -> Self {
        let mut hasher = blake3::Hasher::new_keyed(&random);
        hasher.update(lake.to_string().as_bytes());
        Self(*hasher.finalize().as_bytes())
    }

    /// The keyed digest of some bytes.
    #[must_use]
    pub fn digest(&self, bytes: &[u8]) -> [u8; 32] {
        *blake3::keyed_hash(&self.0, bytes).as_bytes()
    }

    /// As 64 hex digits, for the record.
    #[must_use]
    pub fn to_hex(&self) -> String {
        blake3::Hash::from_bytes(self.0).to_hex().to_string()
    }
}

impl fmt::Debug for MaskKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MaskKey(…)")
    }
}

impl Serialize for MaskKey {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_hex())
    }
}

impl<'de> Deserialize<'de> for MaskKey {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'_, str>>::deserialize(deserializer)?;
        // The text is a secret: no error repeats it.
        let hash = blake3::Hash::from_hex(text.as_bytes());
        hash.map(|hash| Self(*hash.as_bytes()))
            .map_err(|_| serde::de::Error::custom("this is no key of 64 hex digits"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_have_one_text_and_say_what_they_fit() {
        for text in [
            r#""null""#,
            r#""redact""#,
            r#""hash""#,
            r#"{"partial":{"keep_last":4}}"#,
            r#"{"date_trunc":"month"}"#,
            r#"{"bucket":10}"#,
        ] {
            let mask: Mask = serde_json::from_str(text).expect(text);
            assert_eq!(serde_json::to_string(&mask).expect("a value"), text);
            assert_eq!(mask.flaw(), None);
            assert!(Mask::Null.fits(&DataType::Binary));
            assert_eq!(mask.fits(&DataType::Binary), mask == Mask::Null);
        }
        assert!(Mask::Bucket(0).flaw().is_some());
        assert!(Mask::Partial(Partial::KeepLast(0)).flaw().is_some());
    }

    #[test]
    fn a_key_is_not_printed_and_reads_back() {
        let lake: LakeId = "07070707070707070707070707070707".parse().expect("an id");
        let key = MaskKey::new([7; 32], lake);
        assert_eq!(format!("{key:?}"), "MaskKey(…)");
        let text = serde_json::to_string(&key).expect("a value");
        assert_eq!(serde_json::from_str::<MaskKey>(&text).expect("its own text"), key);
        let error = serde_json::from_str::<MaskKey>("\"abc\"").expect_err("too short").to_string();
        assert!(!error.contains("abc"), "{error}");
    }
}

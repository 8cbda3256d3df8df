//! One value of a column, of whatever flat type.

use std::cmp::Ordering;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Longer texts are cut here, in bytes.
const LONGEST: usize = 256;

/// A value. Which type it is of, the schema says.
#[derive(Debug, Clone)]
pub enum Scalar {
    /// Whole numbers; booleans (0, 1); dates (days) and times (microseconds) since their zero;
    /// decimals without their point.
    Int(i128),
    /// Floats, NaN excepted.
    Float(f64),
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
}

impl Scalar {
    /// `text`, cut at 256 bytes: what is cut sorts as the whole does.
    #[must_use]
    pub fn of_text(text: &str) -> Self {
        Self::Text(text[..text.floor_char_boundary(LONGEST)].to_owned())
    }

    /// `bytes`, cut at 256.
    #[must_use]
    pub fn of_bytes(bytes: &[u8]) -> Self {
        Self::Bytes(bytes[..bytes.len().min(LONGEST)].to_vec())
    }

    /// Whether a value of so many bytes is kept whole.
    #[must_use]
    pub const fn is_whole(bytes: usize) -> bool {
        bytes <= LONGEST
    }

    const fn rank(&self) -> u8 {
        match self {
            Self::Int(_) => 0,
            Self::Float(_) => 1,
            Self::Text(_) => 2,
            Self::Bytes(_) => 3,
        }
    }
}

impl Ord for Scalar {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => a.cmp(b),
            (Self::Float(a), Self::Float(b)) => a.total_cmp(b),
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            (Self::Bytes(a), Self::Bytes(b)) => a.cmp(b),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl PartialOrd for Scalar {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Scalar {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Scalar {}

/// Texts are JSON's, small whole numbers too; the rest is told apart by a name.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Json {
    Int(i64),
    Text(String),
    Large {
        int: String,
    },
    /// As text: JSON has no infinity, and its readers round.
    Float {
        float: String,
    },
    Bytes {
        hex: String,
    },
}

impl Serialize for Scalar {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Int(int) => match i64::try_from(*int) {
                Ok(small) => Json::Int(small),
                Err(_) => Json::Large { int: int.to_string() },
            },
            Self::Float(float) => Json::Float { float: exact(*float) },
            Self::Text(text) => Json::Text(text.clone()),
            Self::Bytes(bytes) => {
                Json::Bytes { hex: bytes.iter().map(|byte| format!("{byte:02x}")).collect() }
            }
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match Json::deserialize(deserializer)? {
            Json::Int(int) => Self::Int(int.into()),
            Json::Text(text) => Self::Text(text),
            Json::Large { int } => Self::Int(int.parse().map_err(de::Error::custom)?),
            Json::Float { float } => Self::Float(float.parse().map_err(de::Error::custom)?),
            Json::Bytes { hex } => {
                Self::Bytes(from_hex(&hex).ok_or_else(|| de::Error::custom("not hex"))?)
            }
        })
    }
}

/// A float as text that reads back as the same bits, without a page of zeroes.
pub(super) fn exact(float: f64) -> String {
    let text = format!("{float:?}");
    text.strip_suffix(".0").map_or_else(|| text.clone(), str::to_owned)
}

fn from_hex(hex: &str) -> Option<Vec<u8>> {
    let digits = hex.as_bytes();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let pairs = digits.chunks_exact(2);
    pairs.remainder().is_empty().then_some(())?;
    pairs.map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_survive_json() {
        let values = [
            Scalar::Int(-7),
            Scalar::Int(i128::MAX),
            Scalar::Float(0.1),
            Scalar::Float(f64::NEG_INFINITY),
            Scalar::Float(f64::from_bits(1)),
            Scalar::of_text("7"),
            Scalar::of_bytes(&[0, 255]),
        ];
        let json = serde_json::to_string(&values).expect("JSON");
        insta::assert_snapshot!(json, @r#"[-7,{"int":"170141183460469231731687303715884105727"},{"float":"0.1"},{"float":"-inf"},{"float":"5e-324"},"7",{"hex":"00ff"}]"#);
        let read: Vec<Scalar> = serde_json::from_str(&json).expect("values");
        assert_eq!(read, values);
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        let Scalar::Text(cut) = Scalar::of_text(&"ä".repeat(200)) else { panic!("no text") };
        assert_eq!(cut, "ä".repeat(128));
        let Scalar::Text(cut) = Scalar::of_text(&format!("x{}", "ä".repeat(200))) else {
            panic!("no text")
        };
        assert_eq!(cut.len(), 255);
    }
}

//! `lakebed.json`: what makes a folder or a bucket a lake.

use serde::{Deserialize, Serialize};

use crate::{LakeId, Timestamp};

/// The file at the root of every lake, created once, never changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LakeFile {
    /// The layout of the lake: always 1 so far.
    pub format: u32,
    /// Which lake this is.
    pub lake: LakeId,
    /// When it was created.
    pub created_at: Timestamp,
}

impl LakeFile {
    /// Where it is, below the root.
    pub const KEY: &'static str = "lakebed.json";

    /// A new lake's file.
    #[must_use]
    pub const fn new(lake: LakeId, created_at: Timestamp) -> Self {
        Self { format: 1, lake, created_at }
    }

    /// The bytes that are stored.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(self).expect("plain values always serialise");
        bytes.push(b'\n');
        bytes
    }

    /// Reads stored bytes.
    ///
    /// # Errors
    /// When they are not JSON of this shape, or of a layout newer than this build.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        let file: Self = serde_json::from_slice(bytes)?;
        match file.format {
            1 => Ok(file),
            newer => Err(serde::de::Error::custom(format_args!(
                "the lake has layout {newer}; this build knows up to 1"
            ))),
        }
    }
}

//! `lakebed.lock`: references and the version ids they resolved to.
//!
//! TOML, sorted by reference, one table an input, so that a diff shows exactly what moved.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::{DatasetName, DatasetRef, LakeId, VersionId};

/// Pinned inputs of a pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lock {
    /// The lake they come from.
    pub lake: LakeId,
    inputs: Vec<LockedInput>,
}

/// One pinned input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedInput {
    /// What was asked for.
    pub reference: DatasetRef,
    /// The version number it resolved to.
    pub version: u64,
    /// The version id it resolved to: this is what pins.
    pub version_id: VersionId,
}

impl LockedInput {
    /// The dataset.
    #[must_use]
    pub const fn dataset(&self) -> &DatasetName {
        &self.reference.dataset
    }
}

/// Why a text is no lock.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Not TOML, or not of this shape.
    #[error("not a lock file: {0}")]
    Shape(#[from] toml::de::Error),
    /// A newer format.
    #[error("lock format {0} is not known to this build, which knows up to 1")]
    Format(u32),
    /// The same reference twice.
    #[error("`{0}` is locked twice")]
    Duplicate(DatasetRef),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LockToml {
    format: u32,
    lake: LakeId,
    #[serde(default, rename = "input")]
    inputs: Vec<LockedInput>,
}

impl Lock {
    /// A lock of `inputs`, sorted; of equal references the last one counts.
    #[must_use]
    pub fn new(lake: LakeId, inputs: impl IntoIterator<Item = LockedInput>) -> Self {
        let by_text: std::collections::BTreeMap<String, LockedInput> =
            inputs.into_iter().map(|input| (input.reference.to_string(), input)).collect();
        Self { lake, inputs: by_text.into_values().collect() }
    }

    /// The inputs, sorted by reference.
    #[must_use]
    pub fn inputs(&self) -> &[LockedInput] {
        &self.inputs
    }

    /// The file's text.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let mut text = String::from(
            "# Written by `lakebed lock`. Keep it under version control; `lakebed fetch` brings these bytes.\n",
        );
        let _ = writeln!(text, "format = 1\nlake = \"{}\"", self.lake);
        for LockedInput { reference, version, version_id } in &self.inputs {
            let _ = write!(
                text,
                "\n[[input]]\nreference = \"{reference}\"\nversion = {version}\nversion_id = \"{version_id}\"\n"
            );
        }
        text
    }

    /// Reads a file's text.
    ///
    /// # Errors
    /// `LockError` says what is wrong and, for TOML, on which line.
    pub fn from_toml(text: &str) -> Result<Self, LockError> {
        let LockToml { format, lake, inputs } = toml::from_str(text)?;
        if format != 1 {
            return Err(LockError::Format(format));
        }
        let given = inputs.len();
        let mut seen = std::collections::HashSet::new();
        if let Some(twice) = inputs.iter().find(|input| !seen.insert(input.reference.to_string())) {
            return Err(LockError::Duplicate(twice.reference.clone()));
        }
        let lock = Self::new(lake, inputs);
        debug_assert_eq!(lock.inputs.len(), given);
        Ok(lock)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ObjectId;

    #[test]
    fn a_lock_reads_back_and_sorts() {
        let input = |text: &str, version| LockedInput {
            reference: text.parse().expect("a reference"),
            version,
            version_id: VersionId::new(ObjectId::of(text.as_bytes())),
        };
        let lock =
            Lock::new(LakeId::from_bytes([7; 16]), [input("b.b@latest", 2), input("a.a", 1)]);
        let text = lock.to_toml();
        insta::assert_snapshot!(text, @r#"
        # Written by `lakebed lock`. Keep it under version control; `lakebed fetch` brings these bytes.
        format = 1
        lake = "07070707070707070707070707070707"

        [[input]]
        reference = "a.a"
        version = 1
        version_id = "99c64c9ee32b28ec2814fcd24cdc26dfab1eca66ed812e41813afde74301713c"

        [[input]]
        reference = "b.b@latest"
        version = 2
        version_id = "15f8ac4148f0efc1f51882c0b703b50fdc5556974a0286abe465b2cad7688d81"
        "#);
        assert_eq!(Lock::from_toml(&text).expect("readable"), lock);
        assert!(Lock::from_toml(&format!("{text}\nmore = 1")).is_err());
        let twice = format!("{text}{}", &text[text.find("\n[[input]]").expect("an input")..]);
        assert!(matches!(Lock::from_toml(&twice), Err(LockError::Duplicate(_))));
    }
}

//! What one reader may see of one version of a dataset: the value that an engine gets.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Mask, MaskKey, Predicate};
use crate::TableSchema;

/// What a reader may see of a table. There is no default: whoever makes one has decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Restriction {
    /// All of it.
    Unrestricted,
    /// Some of it.
    Restricted(Sight),
}

/// What is to be seen where not all is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sight {
    /// Rows of which this is true are there, no others.
    pub rows: Predicate,
    /// Columns by field id; those that are not in it are not there.
    pub columns: BTreeMap<u32, ColumnSight>,
    /// The key of masks that hash; a mask that hashes without a key is null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mask_key: Option<MaskKey>,
}

/// How a column is seen that is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnSight {
    /// As it is.
    Raw,
    /// As the mask makes it.
    Masked(Mask),
}

impl ColumnSight {
    /// Both restrictions at once. Two masks that differ give null: neither may show what the other
    /// covers.
    #[must_use]
    pub fn meet(self, other: Self) -> Self {
        match (self, other) {
            (Self::Raw, other) | (other, Self::Raw) => other,
            (Self::Masked(one), Self::Masked(other)) if one == other => Self::Masked(one),
            _ => Self::Masked(Mask::Null),
        }
    }
}

impl Sight {
    /// All of a table of these columns, for somebody who counts as restricted.
    #[must_use]
    pub fn of_all(schema: &TableSchema) -> Self {
        let columns = schema.fields.iter().map(|field| (field.id, ColumnSight::Raw));
        Self { rows: Predicate::Constant(true), columns: columns.collect(), mask_key: None }
    }

    /// What both leave to be seen.
    #[must_use]
    pub fn meet(self, mut other: Self) -> Self {
        let mut columns = BTreeMap::new();
        for (field, sight) in self.columns {
            if let Some(too) = other.columns.remove(&field) {
                columns.insert(field, sight.meet(too));
            }
        }
        Self {
            rows: self.rows.and(other.rows),
            columns,
            mask_key: self.mask_key.or(other.mask_key),
        }
    }
}

impl Restriction {
    /// What both leave to be seen.
    #[must_use]
    pub fn meet(self, other: Self) -> Self {
        match (self, other) {
            (Self::Unrestricted, other) | (other, Self::Unrestricted) => other,
            (Self::Restricted(one), Self::Restricted(other)) => Self::Restricted(one.meet(other)),
        }
    }

    /// Whether something is not to be seen.
    #[must_use]
    pub const fn is_restricted(&self) -> bool {
        matches!(self, Self::Restricted(_))
    }

    /// The columns of a table that its reader may know of. One that is masked may be null.
    #[must_use]
    pub fn visible(&self, schema: &TableSchema) -> TableSchema {
        let mut visible = schema.clone();
        if let Self::Restricted(sight) = self {
            visible.fields.retain(|field| sight.columns.contains_key(&field.id));
            for field in &mut visible.fields {
                field.required &= sight.columns.get(&field.id) == Some(&ColumnSight::Raw);
            }
        }
        visible
    }
}

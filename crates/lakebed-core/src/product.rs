//! Products: datasets that are computed from others by a statement that was written down.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    DataType, DatasetRef, ObjectId, PrincipalName, StageName, VersionId,
    document::{check_format, json_line},
};

/// Counts up when the same statement over the same versions could have other rows: with every engine
/// that answers differently.
pub const BUILD_ENGINE: u32 = 1;

/// The format of [`Derivation`] that this build writes.
const FORMAT: u32 = 1;

/// What is declared of a product, besides its name and its contract.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Product {
    /// Who answers for it, and as whom it is built: they may read all that it is made of.
    pub owner: PrincipalName,
    /// What it is for.
    pub purpose: String,
    /// The query that makes it, over references.
    pub sql: String,
    /// References without a selector mean the heads of this stage.
    pub input_stage: StageName,
    /// The columns that its rows are ordered by, before all others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub order_by: Vec<String>,
    /// When its rows are computed.
    #[serde(default, skip_serializing_if = "Served::is_materialized")]
    pub served: Served,
    /// When it is built.
    #[serde(default, skip_serializing_if = "Refresh::is_manual")]
    pub refresh: Refresh,
    /// Questions about it that have a name, and an address of their own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub queries: BTreeMap<String, ProductQuery>,
}

/// A query over a product, for whoever may read the product: it is answered as they may see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProductQuery {
    /// What it answers.
    pub purpose: String,
    /// The query; it reads the product and nothing else.
    pub sql: String,
    /// Its parameters by name: `$name` in the query.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, QueryParameter>,
}

/// A parameter of a query.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueryParameter {
    /// The type of its values.
    #[serde(rename = "type")]
    pub data_type: DataType,
    /// What it means.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whether it has to be given.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub required: bool,
    /// Its value where it is not given; null where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
}

/// When the rows of a product are computed. Who reads it need not know which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Served {
    /// When it is built: its versions are files.
    #[default]
    Materialized,
    /// When they are asked for, of what its references mean then: its versions are what they are made
    /// of, until somebody needs files.
    Live,
}

impl Served {
    // The shape that `skip_serializing_if` asks for.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands in a reference")]
    const fn is_materialized(&self) -> bool {
        matches!(self, Self::Materialized)
    }
}

/// When a product is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refresh {
    /// When somebody asks for it.
    #[default]
    Manual,
    /// When an input has another head, while a server runs.
    OnChange,
    /// So many minutes after it was last looked at, while a server runs.
    EveryMinutes(u32),
}

impl Refresh {
    // The shape that `skip_serializing_if` asks for.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands in a reference")]
    const fn is_manual(&self) -> bool {
        matches!(self, Self::Manual)
    }
}

/// How a version was computed: the statement, and what its references meant. Everything that decides
/// about the rows, and nothing else: no clock, no person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Derivation {
    format: u32,
    /// The query.
    pub sql: String,
    /// The columns that its rows are ordered by, before all others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub order_by: Vec<String>,
    /// What its references meant, in the order of their first appearance.
    pub inputs: Vec<DerivedFrom>,
    /// The engine that computed it: [`BUILD_ENGINE`].
    pub engine: u32,
}

/// A reference of a statement, and what it meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DerivedFrom {
    /// As it stands in the statement.
    pub reference: DatasetRef,
    /// The version.
    pub version_id: VersionId,
}

impl Derivation {
    /// What `product` is, made of `inputs`, by this build.
    #[must_use]
    pub fn of(product: &Product, inputs: Vec<DerivedFrom>) -> Self {
        Self {
            format: FORMAT,
            sql: product.sql.clone(),
            order_by: product.order_by.clone(),
            inputs,
            engine: BUILD_ENGINE,
        }
    }

    /// The bytes that are stored.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        json_line(self)
    }

    /// Reads stored bytes.
    ///
    /// # Errors
    /// When they are not JSON of a derivation, or of a format newer than this build.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        let derivation: Self = serde_json::from_slice(bytes)?;
        check_format("format", derivation.format, FORMAT)?;
        Ok(derivation)
    }

    /// Its digest.
    #[must_use]
    pub fn digest(&self) -> ObjectId {
        ObjectId::of(&self.to_bytes())
    }
}

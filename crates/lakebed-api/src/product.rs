//! Products: datasets that are computed from others.

use std::collections::BTreeMap;

use lakebed_core::{DatasetName, DatasetRef, Product, Served, Timestamp, VersionId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    Head, Job, Notice, ResolvedInput, Snapshot, VersionSummary,
    schemas::{ProductSchema, ServedSchema},
};

/// The products that you may know of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProductList {
    /// By name.
    pub products: Vec<ProductSummary>,
}

/// A product and its newest version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProductSummary {
    /// Its name.
    #[schema(value_type = String, example = "sales.orders_a_day")]
    pub product: DatasetName,
    /// Who answers for it.
    #[schema(example = "alice")]
    pub owner: String,
    /// What it is for.
    pub purpose: String,
    /// `materialized` where its rows are those of the newest build, `live` where they are computed when
    /// they are asked for.
    #[schema(value_type = ServedSchema)]
    pub served: Served,
    /// Its newest version; none before the first build.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest: Option<VersionSummary>,
    /// The versions that its stages above `raw` have, and how they came there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub heads: Vec<Head>,
    /// What belongs to it: `self` and `builds`; once it has a version `dataset`, `versions`, `rows` and
    /// `openapi`, and `newest`, its newest version, for those who may read all of it.
    #[serde(default, skip_serializing_if = "Links::is_empty")]
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    pub links: Links,
}

/// Paths on this server, by what is there.
pub type Links = BTreeMap<String, String>;

/// A page of a product's rows as one JSON document.
///
/// A row is an object whose members are the columns; values are written as in [`crate::SqlResult`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RowsPage {
    /// Names the statement that answered, as the header `Lakebed-Statement-Id` does.
    pub statement_id: String,
    /// What was read.
    pub snapshot: Snapshot,
    /// The version.
    pub resolved: ResolvedInput,
    /// As of when the data is: when the version was committed.
    #[schema(value_type = String, format = DateTime)]
    pub as_of: Timestamp,
    /// Whether the product is declared with another statement or order by now, an input has another
    /// version, or the contract promises newer rows. Absent where it is not known to you: `false` is for
    /// those who may know of all that the product is made of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale: Option<bool>,
    /// The page after this one; absent where this is the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// The rows, in order.
    #[schema(value_type = Vec<BTreeMap<String, Object>>)]
    pub rows: Vec<serde_json::Map<String, serde_json::Value>>,
    /// How many rows.
    pub row_count: u64,
}

/// The builds of a product that you asked for and that became jobs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BuildList {
    /// The newest first.
    pub builds: Vec<Job>,
}

/// A product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProductAnswer {
    /// The snapshot this was read from.
    pub snapshot: Snapshot,
    /// What everybody sees who may know of it.
    #[serde(flatten)]
    pub summary: ProductSummary,
    /// As of when its data is: when its newest version was committed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub as_of: Option<Timestamp>,
    /// Why that is stale: `not-computed` where it is served live and cannot be computed now, `statement`
    /// where it is declared with another statement or order by now, `inputs` where one has another
    /// version, `contract` where it promises newer rows; nothing if it is not. Absent where that is not
    /// known to you: that it is not stale is for those who may know of all that it is made of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale: Option<Vec<String>>,
    /// That it ends, or has ended; absent if neither.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notice: Option<Notice>,
    /// How it is declared: for whoever may build it, or may read all that it is made of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<ProductSchema>)]
    pub declared: Option<Product>,
}

/// A build of a product.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BuildRequest {
    /// What the product's references mean: all of them, as a lock pins them; what they mean now if
    /// absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locked: Option<Vec<LockedReference>>,
}

/// A reference and the version that it means.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LockedReference {
    /// The reference, as the product's statement has it.
    #[schema(value_type = String, example = "sales.orders")]
    pub reference: DatasetRef,
    /// The version.
    #[schema(value_type = String)]
    pub version_id: VersionId,
}

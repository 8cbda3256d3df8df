//! Products: datasets that are computed from others.

use lakebed_core::{DatasetName, DatasetRef, Product, VersionId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Snapshot, VersionSummary, schemas::ProductSchema};

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
    /// Its newest version; none before the first build.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest: Option<VersionSummary>,
}

/// A product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProductAnswer {
    /// The snapshot this was read from.
    pub snapshot: Snapshot,
    /// What everybody sees who may know of it.
    #[serde(flatten)]
    pub summary: ProductSummary,
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

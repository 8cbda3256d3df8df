//! Datasets, as listings show them.

use lakebed_core::{DatasetKind, DatasetName, GateName, StageName, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Links, Notice, Snapshot, VersionSummary, schemas::DatasetKindSchema};

/// The datasets of a lake or of a namespace, sorted by name, all as of one snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DatasetList {
    /// What was read.
    pub snapshot: Snapshot,
    /// The datasets, sorted by name.
    pub datasets: Vec<DatasetSummary>,
}

/// One dataset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DatasetAnswer {
    /// The dataset.
    pub dataset: DatasetSummary,
    /// What belongs to it: `self`, `versions`; `newest`, the newest version, for those who may read all
    /// of it.
    #[serde(default, skip_serializing_if = "Links::is_empty")]
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    pub links: Links,
}

/// A dataset and where its heads are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DatasetSummary {
    /// Its name, `namespace.dataset`.
    #[schema(value_type = String, example = "sales.orders")]
    pub dataset: DatasetName,
    /// What its versions are made of.
    #[schema(value_type = DatasetKindSchema)]
    pub kind: DatasetKind,
    /// When its first version was committed, RFC 3339, UTC.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// Its newest version; none before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest: Option<VersionSummary>,
    /// Which version each stage has that has one, `raw` included. Sorted by stage.
    pub heads: Vec<Head>,
    /// That it ends, or has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notice: Option<Notice>,
}

/// The version a dataset has at a stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Head {
    /// The stage.
    #[schema(value_type = String, example = "product")]
    pub stage: StageName,
    /// The version number.
    #[schema(minimum = 1)]
    pub version: u64,
    /// Whoever made it or asked for it was needed to approve it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub self_approved: bool,
    /// The gates that it came through although they were closed, as somebody waived them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>)]
    pub waived: Vec<GateName>,
}

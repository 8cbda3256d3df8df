//! The schemas themselves, as OpenLineage publishes them (Apache-2.0, `schemas/LICENSE`), and which of them
//! a facet is held to.
//!
//! Nothing is ever fetched: what is not here is a custom facet.

use std::{collections::BTreeMap, sync::LazyLock};

use serde_json::Value;

/// The schema of events.
pub(crate) const EVENT: &str = "OpenLineage.json";

macro_rules! facets {
    ($($name:literal)+) => {
        const TEXTS: &[(&str, &str)] = &[
            (EVENT, include_str!("../schemas/OpenLineage.json")),
            $((concat!($name, ".json"), include_str!(concat!("../schemas/facets/", $name, ".json")))),+
        ];
    };
}

facets! {
    "BaseSubsetDatasetFacet"
    "CatalogDatasetFacet"
    "ColumnLineageDatasetFacet"
    "DataQualityAssertionsDatasetFacet"
    "DataQualityMetricsDatasetFacet"
    "DataQualityMetricsInputDatasetFacet"
    "DatasetTypeDatasetFacet"
    "DatasetVersionDatasetFacet"
    "DatasourceDatasetFacet"
    "DocumentationDatasetFacet"
    "DocumentationJobFacet"
    "EnvironmentVariablesRunFacet"
    "ErrorMessageRunFacet"
    "ExecutionParametersRunFacet"
    "ExternalQueryRunFacet"
    "ExtractionErrorRunFacet"
    "HierarchyDatasetFacet"
    "InputStatisticsInputDatasetFacet"
    "JobDependenciesRunFacet"
    "JobTypeJobFacet"
    "LifecycleStateChangeDatasetFacet"
    "LineageFacet"
    "NominalTimeRunFacet"
    "OutputStatisticsOutputDatasetFacet"
    "OwnershipDatasetFacet"
    "OwnershipJobFacet"
    "ParentRunFacet"
    "ProcessingEngineRunFacet"
    "SQLJobFacet"
    "SchemaDatasetFacet"
    "SourceCodeJobFacet"
    "SourceCodeLocationJobFacet"
    "StorageDatasetFacet"
    "SymlinksDatasetFacet"
    "TagsDatasetFacet"
    "TagsJobFacet"
    "TagsRunFacet"
    "TestRunFacet"
}

/// Every schema by the last part of its `$id`.
static DOCUMENTS: LazyLock<BTreeMap<&str, Value>> = LazyLock::new(|| {
    let read = |(name, text): &(&'static str, &str)| {
        (*name, serde_json::from_str(text).expect("the schemas are JSON: a test reads them all"))
    };
    TEXTS.iter().map(read).collect()
});

/// The document of this name, which may be the whole `$id`.
pub(crate) fn document(id: &str) -> Option<&'static Value> {
    DOCUMENTS.get(id.rsplit('/').next()?)
}

/// All of them.
#[cfg(test)]
pub(crate) fn all() -> impl Iterator<Item = &'static Value> {
    DOCUMENTS.values()
}

/// What has facets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    Run,
    Job,
    Dataset,
    Input,
    Output,
}

/// A facet's own schema, and the document that it stands in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FacetSchema {
    pub(crate) schema: &'static Value,
    pub(crate) document: &'static Value,
    /// The first number of its version: another one is another facet.
    pub(crate) model: &'static str,
}

static FACETS: LazyLock<BTreeMap<(Place, &str), FacetSchema>> = LazyLock::new(|| {
    let mut facets = BTreeMap::new();
    for (file, document) in DOCUMENTS.iter().filter(|(file, _)| **file != EVENT) {
        let Some(properties) = document["properties"].as_object() else { continue };
        for (key, property) in properties {
            for place in places(file) {
                let schema = match (*file, place) {
                    ("LineageFacet.json", Place::Job) => &document["$defs"]["LineageJobFacet"],
                    ("LineageFacet.json", _) => &document["$defs"]["LineageDatasetFacet"],
                    _ => property,
                };
                let facet = FacetSchema { schema, document, model: model_of(document) };
                facets.insert((*place, key.as_str()), facet);
            }
        }
    }
    facets
});

/// The schema of the facet called `key`, if it is one of the specification's.
pub(crate) fn facet(place: Place, key: &str) -> Option<FacetSchema> {
    FACETS.get(&(place, key)).copied()
}

/// Where the facets of a file stand; its name says so.
fn places(file: &str) -> &'static [Place] {
    match file {
        "LineageFacet.json" => &[Place::Job, Place::Dataset],
        "BaseSubsetDatasetFacet.json" => &[Place::Input, Place::Output],
        // Its schema says it is a facet of inputs; producers put it beside the dataset's own, too.
        "DataQualityAssertionsDatasetFacet.json" => &[Place::Input, Place::Dataset],
        _ if file.ends_with("RunFacet.json") => &[Place::Run],
        _ if file.ends_with("JobFacet.json") => &[Place::Job],
        _ if file.ends_with("InputDatasetFacet.json") => &[Place::Input],
        _ if file.ends_with("OutputDatasetFacet.json") => &[Place::Output],
        _ => &[Place::Dataset],
    }
}

/// The `1` of `https://openlineage.io/spec/facets/1-2-0/…`.
fn model_of(document: &'static Value) -> &'static str {
    document["$id"].as_str().and_then(model_in).unwrap_or_default()
}

/// The same of any schema's URL; none of one that is not the specification's.
pub(crate) fn model_in(url: &str) -> Option<&str> {
    url.strip_prefix("https://openlineage.io/spec/facets/")?.split('-').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_has_a_facet_with_a_place() {
        assert_eq!(DOCUMENTS.len(), TEXTS.len());
        let placed: std::collections::BTreeSet<&str> =
            FACETS.values().filter_map(|facet| facet.document["$id"].as_str()).collect();
        assert_eq!(placed.len() + 1, TEXTS.len(), "{placed:?}");
        assert!(FACETS.values().all(|facet| !facet.model.is_empty()));
    }
}

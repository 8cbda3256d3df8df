//! What happened in this lake, as an OpenLineage run event.
//!
//! The same of the same change, to the byte: told twice, it is one run.

use lakebed_core::{
    DatasetName, Event, LakeId, ObjectId, TableSchema, Timestamp, VersionId, lineage::Lineage,
};
use serde_json::{Map, Value, json};

use crate::read::namespace_of;

/// Who tells: this build.
const PRODUCER: &str = concat!("urn:lakebed:", env!("CARGO_PKG_VERSION"));
const SPEC: &str = "https://openlineage.io/spec/";

/// A change of the journal, and what is known of it.
#[derive(Debug, Clone)]
pub struct Told<'a> {
    /// The lake.
    pub lake: LakeId,
    /// The change; its time is when the run ended.
    pub event: &'a Event,
    /// When the run began, where that is known; the journal knows of a change once it is made.
    pub began_at: Option<Timestamp>,
    /// What was done: `ingest`, `build`, `run`, `promote`.
    pub deed: &'a str,
    /// To which stage, of a promotion.
    pub stage: Option<&'a str>,
    /// What was read.
    pub inputs: Vec<ToldInput>,
    /// What it was done to, at least one.
    pub outputs: Vec<ToldOutput<'a>>,
    /// The statement that made it.
    pub sql: Option<&'a str>,
    /// Why it failed; none where it did not.
    pub failure: Option<&'a str>,
}

/// A dataset that something was done to.
#[derive(Debug, Clone, Copy)]
pub struct ToldOutput<'a> {
    /// The dataset.
    pub dataset: &'a DatasetName,
    /// The version that there is now; none of what failed.
    pub built: Option<Built<'a>>,
    /// What the columns come from.
    pub lineage: Option<&'a Lineage>,
    /// Who answers for the dataset.
    pub owner: Option<&'a str>,
    /// What the dataset is, or is for.
    pub description: Option<&'a str>,
}

/// A version, as its manifest describes it.
#[derive(Debug, Clone, Copy)]
pub struct Built<'a> {
    /// Its id.
    pub version_id: VersionId,
    /// The columns; none of files.
    pub schema: Option<&'a TableSchema>,
    /// How large it is; none of what is in no files yet.
    pub counted: Option<Counted>,
}

/// How large a version is.
#[derive(Debug, Clone, Copy)]
pub struct Counted {
    /// Accepted rows; of files, their number.
    pub row_count: u64,
    /// Bytes of its table files, or of its files.
    pub size_bytes: u64,
    /// How many files it is made of.
    pub file_count: u64,
}

/// Something that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToldInput {
    /// A version of a dataset.
    Version(DatasetName, VersionId),
    /// A version of a dataset by its number, for those who may not know its digest.
    Numbered(DatasetName, u64),
    /// An original: the name it came with, and its bytes.
    Original(String, ObjectId),
}

/// The id of the run that an event of a lake is told as.
#[must_use]
pub fn run_id_of(lake: LakeId, seq: u64) -> String {
    uuid_of(ObjectId::of(format!("openlineage run {lake} {seq}").as_bytes()))
}

/// A UUID of version 8 (RFC 9562, section 5.8), made of the first bits of a digest.
fn uuid_of(digest: ObjectId) -> String {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest.as_bytes()[..16]);
    bytes[6] = 0x80 | (bytes[6] & 0x0f);
    bytes[8] = 0x80 | (bytes[8] & 0x3f);
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

/// The facet that says which version of a dataset it is, where its digest is not told: by its number.
#[must_use]
pub fn number_facet(number: u64) -> Value {
    version(&format!("v{number}"))
}

/// The facet that says which columns a dataset has.
#[must_use]
pub fn schema_facet(schema: &TableSchema) -> Value {
    facet("1-2-0/SchemaDatasetFacet", json!({ "fields": fields(schema) }))
}

/// The run events of a change: that it began, and how it ended.
#[must_use]
pub fn told(told: &Told<'_>) -> [Value; 2] {
    let ended_at = told.event.at;
    let began_at = told.began_at.map_or(ended_at, |began_at| began_at.min(ended_at));
    let nothing_yet = |output: &ToldOutput<'_>| {
        output_of(told.lake, &ToldOutput { built: None, lineage: None, ..*output })
    };
    let before = told.outputs.iter().map(nothing_yet).collect();
    let begun = Told { failure: None, ..told.clone() };
    let began = run_event(&begun, "START", began_at, before);
    let kind = if told.failure.is_some() { "FAIL" } else { "COMPLETE" };
    let after = told.outputs.iter().map(|output| output_of(told.lake, output)).collect();
    [began, run_event(told, kind, ended_at, after)]
}

fn run_event(told: &Told<'_>, kind: &str, at: Timestamp, outputs: Vec<Value>) -> Value {
    let namespace = namespace_of(told.lake);
    let stage = told.stage.map(|stage| format!(":{stage}")).unwrap_or_default();
    let datasets: Vec<String> =
        told.outputs.iter().map(|output| output.dataset.to_string()).collect();
    let inputs = told.inputs.iter().map(|read| input(&namespace, read));
    let name = match datasets[..] {
        [] => told.deed.to_owned(),
        _ => format!("{}:{}{stage}", told.deed, datasets.join(",")),
    };
    json!({
        "eventType": kind,
        "eventTime": at.to_string(),
        "run": { "runId": run_id_of(told.lake, told.event.seq), "facets": run_facets(told) },
        "job": {
            "namespace": &namespace,
            "name": name,
            "facets": job_facets(told),
        },
        "inputs": inputs.collect::<Vec<_>>(),
        "outputs": outputs,
        "producer": PRODUCER,
        "schemaURL": format!("{SPEC}2-0-2/OpenLineage.json#/$defs/RunEvent"),
    })
}

fn run_facets(told: &Told<'_>) -> Value {
    let mut facets = Map::new();
    let engine = json!({ "name": "lakebed", "version": env!("CARGO_PKG_VERSION") });
    facets.insert("processing_engine".to_owned(), facet("1-1-1/ProcessingEngineRunFacet", engine));
    if let Some(message) = told.failure {
        let error = json!({ "message": message, "programmingLanguage": "Rust" });
        facets.insert("errorMessage".to_owned(), facet("1-0-1/ErrorMessageRunFacet", error));
    }
    Value::Object(facets)
}

fn job_facets(told: &Told<'_>) -> Value {
    let mut facets = Map::new();
    let kind = json!({ "processingType": "BATCH", "integration": "LAKEBED", "jobType": told.deed });
    facets.insert("jobType".to_owned(), facet("2-0-4/JobTypeJobFacet", kind));
    if let Some(query) = told.sql {
        let sql = json!({ "query": query, "dialect": "datafusion" });
        facets.insert("sql".to_owned(), facet("1-1-0/SQLJobFacet", sql));
    }
    Value::Object(facets)
}

fn input(namespace: &str, read: &ToldInput) -> Value {
    let ours = |dataset: &DatasetName, version: Value| {
        json!({
            "namespace": namespace,
            "name": dataset.to_string(),
            "facets": { "version": version, "dataSource": data_source(namespace) },
        })
    };
    match read {
        ToldInput::Version(dataset, id) => ours(dataset, digest_facet(id.object())),
        ToldInput::Numbered(dataset, number) => ours(dataset, number_facet(*number)),
        ToldInput::Original(name, object) => json!({
            "namespace": format!("{namespace}/originals"),
            "name": name,
            "facets": { "version": digest_facet(*object) },
        }),
    }
}

/// Which version, or which object, as references write it.
fn digest_facet(id: ObjectId) -> Value {
    version(&format!("b3:{id}"))
}

fn version(word: &str) -> Value {
    facet("1-0-1/DatasetVersionDatasetFacet", json!({ "datasetVersion": word }))
}

fn output_of(lake: LakeId, told: &ToldOutput<'_>) -> Value {
    let namespace = &namespace_of(lake);
    let mut facets = Map::new();
    let mut own = Map::new();
    let mut add = |key: &str, value| facets.insert(key.to_owned(), value);
    add("dataSource", data_source(namespace));
    if let Some(built) = told.built {
        add("version", digest_facet(built.version_id.object()));
        if let Some(schema) = built.schema {
            add("schema", schema_facet(schema));
        }
        if let Some(Counted { row_count, size_bytes, file_count }) = built.counted {
            let statistics =
                json!({ "rowCount": row_count, "size": size_bytes, "fileCount": file_count });
            let statistics = facet("1-0-2/OutputStatisticsOutputDatasetFacet", statistics);
            own.insert("outputStatistics".to_owned(), statistics);
        }
    }
    if let Some(lineage) = told.lineage {
        add("columnLineage", lineage.to_openlineage(namespace, PRODUCER));
    }
    if let Some(owner) = told.owner {
        let owners = json!({ "owners": [{ "name": owner, "type": "OWNER" }] });
        add("ownership", facet("1-0-1/OwnershipDatasetFacet", owners));
    }
    if let Some(text) = told.description {
        let text = json!({ "description": text });
        add("documentation", facet("1-1-0/DocumentationDatasetFacet", text));
    }
    json!({
        "namespace": namespace,
        "name": told.dataset.to_string(),
        "facets": facets,
        "outputFacets": own,
    })
}

fn fields(schema: &TableSchema) -> Vec<Value> {
    let field = |(place, field): (usize, &lakebed_core::Field)| {
        json!({
            "name": field.name,
            "type": field.data_type.to_string(),
            "ordinal_position": place + 1,
        })
    };
    schema.fields.iter().enumerate().map(field).collect()
}

fn data_source(namespace: &str) -> Value {
    facet("1-0-1/DatasourceDatasetFacet", json!({ "name": namespace, "uri": namespace }))
}

/// A facet with who says it and where its schema is: `schema` is the version and the name of that.
fn facet(schema: &str, mut facet: Value) -> Value {
    let name = schema.rsplit('/').next().unwrap_or_default();
    facet["_producer"] = PRODUCER.into();
    facet["_schemaURL"] = format!("{SPEC}facets/{schema}.json#/$defs/{name}").into();
    facet
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_has_an_id_of_the_right_shape() {
        let id = uuid_of(ObjectId::of(b"x"));
        let lengths: Vec<usize> = id.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12], "{id}");
        assert_eq!(&id[14..15], "8");
        assert!("89ab".contains(&id[19..20]), "{id}");
    }
}

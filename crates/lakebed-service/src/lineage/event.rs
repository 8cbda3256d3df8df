//! How a version came to be, as an event of OpenLineage (`spec/OpenLineage.json`, version 2-0-2).

use std::collections::{BTreeMap, BTreeSet};

use lakebed_core::{
    DatasetName, DatasetRef, ObjectId, TablePart, TableSchema, VersionId,
    lineage::{ColumnOrigin, Lineage, OutputColumn},
};
use serde_json::{Value, json};

use super::{Columns, Sees};
use crate::{
    Ctx, Lake, Result, VersionRecord,
    reads::{Asked, Reading},
};

const EVENT: &str = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent";
const SCHEMA: &str =
    "https://openlineage.io/spec/facets/1-2-0/SchemaDatasetFacet.json#/$defs/SchemaDatasetFacet";
const VERSION: &str = "https://openlineage.io/spec/facets/1-0-1/DatasetVersionDatasetFacet.json#/$defs/DatasetVersionDatasetFacet";
const PRODUCER: &str = concat!("urn:lakebed:", env!("CARGO_PKG_VERSION"));

/// A version that another was computed from, and its columns for the asker.
struct Source {
    record: VersionRecord,
    columns: Columns,
}

impl Lake {
    /// The run that made a version: a `RunEvent` that it is complete, with what it read and wrote, as far
    /// as the asker may know of it. The same version is the same run.
    ///
    /// # Errors
    /// As [`Lake::lineage`].
    pub async fn openlineage(&self, ctx: &Ctx, reference: &DatasetRef) -> Result<Value> {
        let asked = Asked::Lineage { reference: reference.to_string() };
        let mut reading = Reading::begin(&self.inner.reads, ctx, asked)?;
        let answer = self.run_event(ctx, reference, &mut reading).await;
        reading.close(answer).await
    }

    async fn run_event(
        &self,
        ctx: &Ctx,
        reference: &DatasetRef,
        reading: &mut Reading,
    ) -> Result<Value> {
        let (resolution, _) = self.resolve_rows(ctx, std::slice::from_ref(reference)).await?;
        let found = resolution.versions.into_iter().next().expect("one reference was resolved");
        let version = found.version;
        let mut sees = Sees::of(self, ctx).await?;
        if sees.rights.reads(&version.dataset) {
            reading.about(|intent| intent.versions.push(super::whole(&version)));
        }
        reading.intend().await?;
        let catalog = &self.inner.catalog;
        let mut sources = Vec::new();
        for record in catalog.version_inputs(&version.dataset, version.number).await? {
            if sees.rights.discovers(&record.dataset) {
                let columns = sees.columns(&record).await?;
                sources.push(Source { record, columns });
            }
        }
        let computed = sees.columns(&version).await?;
        let namespace = format!("lakebed://{}", self.id());
        let mut output = self.dataset_of(&sees, &namespace, &version, &computed).await?;
        if let Some(lineage) = sees.lineage(&version).await? {
            let told = told(&lineage, &computed, &sources);
            output["facets"]["columnLineage"] = told.to_openlineage(&namespace, PRODUCER);
        }
        let mut inputs = Vec::new();
        for source in &sources {
            inputs.push(self.dataset_of(&sees, &namespace, &source.record, &source.columns).await?);
        }
        Ok(json!({
            "eventType": "COMPLETE",
            "eventTime": version.at.to_string(),
            "producer": PRODUCER,
            "schemaURL": EVENT,
            "run": { "runId": self.run_id(&version) },
            "job": { "namespace": namespace, "name": version.dataset.to_string() },
            "inputs": inputs,
            "outputs": [output],
        }))
    }

    /// Made of what is no secret: whoever may not read the version learns no digest by it.
    fn run_id(&self, version: &VersionRecord) -> String {
        let (lake, dataset, number) = (self.id(), &version.dataset, version.number);
        uuid_of(ObjectId::of(format!("{lake} {dataset} {number}").as_bytes()))
    }

    async fn dataset_of(
        &self,
        sees: &Sees<'_>,
        namespace: &str,
        version: &VersionRecord,
        columns: &Columns,
    ) -> Result<Value> {
        let manifest = self.inner.cache.manifest(&self.inner.store, version).await?;
        let is_readable = sees.rights.reads(&version.dataset);
        let told = match is_readable {
            true => format!("b3:{}", version.version_id),
            false => format!("v{}", version.number),
        };
        let mut facets = json!({
            "version": { "_producer": PRODUCER, "_schemaURL": VERSION, "datasetVersion": told },
        });
        let knows_columns = *columns != Columns::Some(BTreeSet::new());
        if let Some(schema) = manifest.schema.as_ref().filter(|_| knows_columns) {
            facets["schema"] = json!({
                "_producer": PRODUCER,
                "_schemaURL": SCHEMA,
                "fields": fields(schema, columns),
            });
        }
        Ok(json!({
            "namespace": namespace,
            "name": version.dataset.to_string(),
            "facets": facets,
        }))
    }
}

fn fields(schema: &TableSchema, columns: &Columns) -> Vec<Value> {
    let told = schema.fields.iter().filter(|field| columns.has(&field.name));
    told.map(|field| json!({ "name": field.name, "type": field.data_type.to_string() })).collect()
}

/// What of a lineage is for the asker.
fn told(lineage: &Lineage, computed: &Columns, sources: &[Source]) -> Lineage {
    let known: BTreeMap<(&DatasetName, VersionId), &Columns> = sources
        .iter()
        .map(|source| ((&source.record.dataset, source.record.version_id), &source.columns))
        .collect();
    let is_told = |origin: &ColumnOrigin| {
        let input = &origin.input;
        let columns = known.get(&(&input.dataset, input.version_id));
        columns.is_some_and(|columns| match input.part {
            TablePart::Rows => columns.has(&origin.column),
            TablePart::Quarantine => **columns == Columns::All,
        })
    };
    let outputs = lineage.outputs().iter().filter(|output| computed.has(&output.name));
    let outputs = outputs.map(|output| OutputColumn {
        name: output.name.clone(),
        direct: output
            .direct
            .iter()
            .filter(|(origin, _)| is_told(origin))
            .map(|(origin, kinds)| (origin.clone(), kinds.clone()))
            .collect(),
        conditional: output.conditional.iter().filter(|origin| is_told(origin)).cloned().collect(),
    });
    let indirect = lineage.indirect().iter().filter(|(origin, _)| is_told(origin));
    let indirect = indirect.map(|(origin, kinds)| (origin.clone(), kinds.clone()));
    Lineage::new([], outputs.collect(), indirect.collect())
}

/// A UUID of version 8 (RFC 9562, section 5.8): one's own bits.
fn uuid_of(digest: ObjectId) -> String {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest.as_bytes()[..16]);
    bytes[6] = 0x80 | (bytes[6] & 0x0f);
    bytes[8] = 0x80 | (bytes[8] & 0x3f);
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
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

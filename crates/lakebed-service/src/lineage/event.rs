//! How a version came to be, as an event of OpenLineage (`spec/OpenLineage.json`, version 2-0-2).

use std::collections::{BTreeMap, BTreeSet};

use lakebed_core::{
    DatasetName, DatasetRef, ObjectId, TablePart, TableSchema, VersionId,
    lineage::{ColumnOrigin, Lineage, OutputColumn},
};
use lakebed_openlineage::{
    DATASET_VERSION, PRODUCER, SCHEMA, facet, namespace_of, run_event_schema, uuid_of, version_word,
};
use serde_json::{Value, json};

use super::{Columns, Sees};
use crate::{
    Ctx, Lake, Result, VersionRecord,
    reads::{Asked, Reading},
};

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
        let found = self.resolve_rows(ctx, std::slice::from_ref(reference)).await?;
        let resolution = found.resolution;
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
        let namespace = namespace_of(self.id());
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
            "schemaURL": run_event_schema(),
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
            true => version_word(version.version_id.object()),
            false => format!("v{}", version.number),
        };
        let version_facet = facet(DATASET_VERSION, json!({ "datasetVersion": told }));
        let mut facets = json!({ "version": version_facet });
        let knows_columns = *columns != Columns::Some(BTreeSet::new());
        if let Some(schema) = manifest.schema.as_ref().filter(|_| knows_columns) {
            facets["schema"] = facet(SCHEMA, json!({ "fields": fields(schema, columns) }));
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
        // OpenLineage tells it once, of all columns.
        tells_of: BTreeSet::new(),
    });
    let indirect = lineage.indirect().iter().filter(|(origin, _)| is_told(origin));
    let indirect = indirect.map(|(origin, kinds)| (origin.clone(), kinds.clone()));
    Lineage::new([], outputs.collect(), indirect.collect())
}

//! How a version came to be, as an event of OpenLineage (`spec/OpenLineage.json`, version 2-0-2): what
//! `openlineage/tell.rs` tells of the same change, as far as the asker may know of it.

use std::collections::{BTreeMap, BTreeSet};

use lakebed_core::{
    DatasetName, DatasetRef, Declared, EndedRun, Event, EventBody, TablePart, TableSchema,
    VersionId,
    lineage::{ColumnOrigin, Lineage, OutputColumn},
};
use lakebed_govern::Rights;
use lakebed_openlineage::{ToldInput, number_facet, schema_facet, told};
use serde_json::Value;

use super::{Columns, Sees};
use crate::{
    Ctx, Error, Lake, Result, VersionRecord,
    event::reads_run,
    openlineage::Read,
    reads::{Asked, Reading},
};

/// More events than a program commits at once: three for each of its outputs, and that it ran.
const MOST_OF_A_RUN: u32 = 500;

/// A version that another was computed from, and its columns for the asker.
struct Source {
    record: VersionRecord,
    columns: Columns,
}

/// What is on record of how a version came to be.
struct Made {
    /// That it was committed.
    event: Event,
    /// That the program ran which made it, where one did.
    run: Option<Event>,
    read: Read,
}

impl Lake {
    /// The run that made a version: the `RunEvent` that it is complete, which those are told, too, who hear
    /// of everything that happens, with what it read and wrote as far as the asker may know of it. The same
    /// version is the same run.
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
        let in_force = self.in_force().await?;
        let made = self.made(&version).await?;
        if let Some(event) = &made.run
            && let EventBody::RunCommitted(run) = &event.body
            && reads_run(&sees.rights, EndedRun::Committed(run))
        {
            let [_, complete] = self.tell_run(event, run, &in_force.declared).await?;
            return Ok(complete);
        }
        self.version_event(&mut sees, &version, &made, &in_force.declared).await
    }

    async fn made(&self, version: &VersionRecord) -> Result<Made> {
        let read = self.try_read_version(version.manifest.id).await?;
        let limit = match read.manifest.program {
            Some(_) => MOST_OF_A_RUN,
            None => 1,
        };
        let before = version.seq.saturating_sub(1);
        let mut events = self.inner.catalog.events(before, limit).await?.into_iter();
        let event = events.next().ok_or_else(|| no_event(version))?;
        let run = events.find(|event| is_run_of(event, version));
        Ok(Made { event, run, read })
    }

    /// The event of one version alone. Of what a program made, the other outputs are left out, and so not
    /// in the name of the job.
    async fn version_event(
        &self,
        sees: &mut Sees<'_>,
        version: &VersionRecord,
        made: &Made,
        declared: &Declared,
    ) -> Result<Value> {
        let Made { event, run, read } = made;
        let EventBody::VersionCommitted(committed) = &event.body else {
            return Err(no_event(version));
        };
        let mut sources = Vec::new();
        let catalog = &self.inner.catalog;
        for record in catalog.version_inputs(&version.dataset, version.number).await? {
            if sees.rights.discovers(&record.dataset) {
                let columns = sees.columns(&record).await?;
                sources.push(Source { record, columns });
            }
        }
        let columns = sees.columns(version).await?;
        let rights = &sees.rights;
        let is_readable = rights.reads(&version.dataset);
        let lineage = read.lineage.as_ref();
        let lineage = lineage.map(|lineage| lineage_for(lineage, &columns, &sources));

        let mut about = self.version_told(event, committed, run.as_ref(), Some(read), declared);
        let inputs = std::mem::take(&mut about.inputs).into_iter();
        let inputs = inputs.filter_map(|input| input_for(input, rights, is_readable, &sources));
        about.inputs = inputs.collect();
        about.sql = about.sql.filter(|_| is_readable && reads_inputs(rights, read));
        for output in &mut about.outputs {
            output.built = output.built.filter(|_| is_readable);
            output.lineage = lineage.as_ref();
            // Whoever knows of a product knows what it is for; what a contract says is for readers.
            if !is_readable && !declared.products.contains_key(output.dataset) {
                (output.owner, output.description) = (None, None);
            }
        }
        let [_, mut complete] = told(&about);
        if !is_readable {
            let facets = &mut complete["outputs"][0]["facets"];
            facets["version"] = number_facet(version.number);
            if let Some(schema) = read.manifest.schema.as_ref().filter(|_| !columns.is_none()) {
                facets["schema"] = schema_facet(&visible(schema, &columns));
            }
        }
        Ok(complete)
    }
}

fn no_event(version: &VersionRecord) -> Error {
    let why = "no event committed this version".to_owned();
    Error::Corrupt { object: version.manifest.id, why }
}

/// Whether `event` says that a program ran which made `version`.
fn is_run_of(event: &Event, version: &VersionRecord) -> bool {
    let EventBody::RunCommitted(run) = &event.body else { return false };
    let mut outputs = run.outputs.iter();
    outputs.any(|output| output.dataset == version.dataset && output.number == version.number)
}

/// What was read, if the asker may know of it: originals, of what they may read all of; versions, by their
/// number where they may not.
fn input_for(
    input: ToldInput,
    rights: &Rights,
    is_readable: bool,
    sources: &[Source],
) -> Option<ToldInput> {
    match input {
        ToldInput::Version(dataset, id) => {
            let mut known = sources.iter().map(|source| &source.record);
            let record = known.find(|it| it.dataset == dataset && it.version_id == id)?;
            Some(match rights.reads(&dataset) {
                true => ToldInput::Version(dataset, id),
                false => ToldInput::Numbered(dataset, record.number),
            })
        }
        ToldInput::Original(..) => is_readable.then_some(input),
        ToldInput::Numbered(..) => Some(input),
    }
}

/// Whether everything may be read that the statement of a version names.
fn reads_inputs(rights: &Rights, read: &Read) -> bool {
    let mut inputs = read.derivation.iter().flat_map(|derivation| &derivation.inputs);
    inputs.all(|input| rights.reads(&input.reference.dataset))
}

fn visible(schema: &TableSchema, columns: &Columns) -> TableSchema {
    let fields = schema.fields.iter().filter(|field| columns.has(&field.name));
    TableSchema { fields: fields.cloned().collect(), ..TableSchema::default() }
}

/// What of a lineage is for the asker.
fn lineage_for(lineage: &Lineage, computed: &Columns, sources: &[Source]) -> Lineage {
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

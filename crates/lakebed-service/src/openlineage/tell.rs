//! What happened in the lake, told to others as OpenLineage events.
//!
//! Told from the journal, after publication: whoever does not listen holds nothing up. Every change of a
//! dataset's heads is a run that begins and ends: an ingest, a build, a promotion, what a program made of
//! all its inputs; and so is an ingest that was refused, and a build or a program that failed. In order, at
//! least once; the same change is the same run, so that hearing it twice is harmless. Who owns a dataset and what it is
//! for are told as they are declared now.

use std::{io, time::Duration};

use async_trait::async_trait;
use lakebed_core::{
    DatasetName, DatasetRef, Declared, Derivation, Event, EventBody, HeadMoved, IngestRefused,
    InputVersion, LockedInput, Manifest, ObjectId, RunCommitted, RunFailed, RunOutput, RunRecord,
    VersionCommitted, VersionId, lineage::Lineage,
};
use lakebed_openlineage::{Built, Counted, Told, ToldInput, ToldOutput, told};
use serde_json::Value;

use crate::{BUILD, Error, Lake, ResolvedVersion, Result, VersionRecord, lake::random_id};

/// What an ingest is called.
const INGEST: &str = "ingest";
/// What a program is called.
const RUN: &str = "run";

/// How many changes are looked at in one go.
const AT_ONCE: u32 = 100;
/// The most originals that are told of a version.
const MOST_ORIGINALS: usize = 1_000;
/// How often it is looked whether there is something to tell.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// The longest that a sink which does not listen is left alone.
const LONGEST_WAIT: Duration = Duration::from_secs(300);
/// How long telling one event may take before another server thinks that nobody does it.
const TURN: Duration = Duration::from_secs(60);

/// Somebody who is told what happens.
#[async_trait]
pub trait LineageSink: Send + Sync {
    /// What it is known by: how far it was told is remembered under this name.
    fn name(&self) -> &str;

    /// Takes one run event, as JSON on one line. It returns once the event is safe there, within less
    /// than a minute.
    ///
    /// # Errors
    /// When it was not taken: the same event is told again later, and none after it before.
    async fn tell(&self, event: &str) -> io::Result<()>;
}

/// Some run events, and how far they reach.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LineageToTell {
    /// Changes, and the run events that they are, in order.
    pub events: Vec<(u64, Value)>,
    /// The last change that was looked at; none where there was no change to look at.
    pub through: Option<u64>,
}

/// What the store has of a version.
pub(crate) struct Read {
    pub(crate) manifest: Manifest,
    pub(crate) derivation: Option<Derivation>,
    pub(crate) lineage: Option<Lineage>,
    file_count: u64,
    inputs: Vec<ToldInput>,
}

impl Lake {
    /// Tells `sink` everything that happens, for as long as it is polled: from where it was told last,
    /// or from the beginning. Any number of servers may do it at once: one of them does.
    pub async fn tell_lineage(&self, sink: &dyn LineageSink) {
        let mut wait = LOOK_EVERY;
        loop {
            tokio::time::sleep(wait).await;
            wait = match self.tell_some_lineage(sink).await {
                Ok(true) => Duration::ZERO,
                Ok(false) => LOOK_EVERY,
                Err(error) => {
                    tracing::warn!(sink = sink.name(), %error, "lineage could not be told");
                    (wait * 2).clamp(LOOK_EVERY, LONGEST_WAIT)
                }
            };
        }
    }

    /// Tells `sink` some of what it was not told yet, and says whether there was something.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the sink did not take an event; when catalog or store fail.
    pub async fn tell_some_lineage(&self, sink: &dyn LineageSink) -> Result<bool> {
        let (catalog, holder, turn) =
            (&self.inner.catalog, random_id()?, format!("lineage to {}", sink.name()));
        if catalog.take_lease(&turn, &holder, TURN).await?.is_none() {
            return Ok(false);
        }
        let after = catalog.lineage_told(sink.name()).await?;
        let to_tell = self.lineage_to_tell(after).await?;
        let (mut told, mut failure) = (to_tell.through, None);
        for (seq, event) in &to_tell.events {
            let is_mine = catalog.take_lease(&turn, &holder, TURN).await?.is_some();
            let taken = match is_mine {
                true => sink.tell(&event.to_string()).await,
                false => Err(io::Error::other("another server goes on with it")),
            };
            if let Err(source) = taken {
                told = seq.checked_sub(1);
                let message = format!("`{}` did not take event {seq}", sink.name());
                failure = Some(Error::Unavailable { message, source: source.into() });
                break;
            }
        }
        if let Some(told) = told {
            catalog.mark_lineage_told(sink.name(), told).await?;
        }
        if let Some(lease) = catalog.take_lease(&turn, &holder, TURN).await? {
            catalog.release_lease(&lease).await?;
        }
        match failure {
            Some(failure) => Err(failure),
            None => Ok(to_tell.through.is_some()),
        }
    }

    /// The run events of the changes after `after`, some at a time. For whoever runs the lake: nothing
    /// is left out.
    ///
    /// # Errors
    /// When the catalog or the store cannot be read. What is damaged is told with less, and logged.
    pub async fn lineage_to_tell(&self, after: u64) -> Result<LineageToTell> {
        let events = self.inner.catalog.events(after, AT_ONCE).await?;
        let Some(last) = events.last().map(|event| event.seq) else {
            return Ok(LineageToTell::default());
        };
        let in_force = self.in_force().await?;
        let declared = &in_force.declared;
        let mut run_events = Vec::new();
        for event in &events {
            let told = match &event.body {
                EventBody::VersionCommitted(version) => {
                    self.tell_version(event, version, declared).await?
                }
                EventBody::RunCommitted(run) => Some(self.tell_run(event, run, declared).await?),
                EventBody::RunFailed(run) => {
                    Some(self.tell_failed_run(event, run, declared).await?)
                }
                EventBody::HeadMoved(moved) => {
                    Some(self.tell_promotion(event, moved, declared).await?)
                }
                EventBody::IngestRefused(refused) => {
                    Some(self.tell_refusal(event, refused, declared))
                }
                _ => None,
            };
            run_events.extend(told.into_iter().flatten().map(|told| (event.seq, told)));
        }
        Ok(LineageToTell { events: run_events, through: Some(last) })
    }

    /// An ingest or a build; nothing of what a program made, which is told with its run.
    async fn tell_version(
        &self,
        event: &Event,
        version: &VersionCommitted,
        declared: &Declared,
    ) -> Result<Option<[Value; 2]>> {
        let read = self.read_version(version.version_id.object()).await?;
        let read = read.as_ref();
        if read.is_some_and(|read| read.manifest.program.is_some()) {
            return Ok(None);
        }
        Ok(Some(told(&self.version_told(event, version, None, read, declared))))
    }

    /// What is told of one version: by the event that committed it, or, of what a program made, by that
    /// of its `run`.
    pub(crate) fn version_told<'a>(
        &self,
        event: &'a Event,
        version: &'a VersionCommitted,
        run: Option<&'a Event>,
        read: Option<&'a Read>,
        declared: &'a Declared,
    ) -> Told<'a> {
        let derivation = read.and_then(|read| read.derivation.as_ref());
        let is_computed = derivation.is_some() || !version.derived_from.is_empty();
        let counts = (!version.live).then_some((version.row_count, version.size_bytes));
        Told {
            deed: match run {
                Some(_) => RUN,
                None if is_computed => BUILD,
                None => INGEST,
            },
            inputs: read.map(|read| read.inputs.clone()).unwrap_or_default(),
            outputs: vec![ToldOutput {
                built: Some(built(read, version.version_id, counts)),
                lineage: read.and_then(|read| read.lineage.as_ref()),
                ..output(&version.dataset, declared)
            }],
            sql: derivation.map(|derivation| derivation.sql.as_str()),
            ..self.about(run.unwrap_or(event))
        }
    }

    /// A program, with all that it read and all that came of it.
    pub(crate) async fn tell_run(
        &self,
        event: &Event,
        run: &RunCommitted,
        declared: &Declared,
    ) -> Result<[Value; 2]> {
        let record = self.read_run(run.record.id).await?;
        let made = |output: &RunOutput| DatasetRef::pinned(output.dataset.clone(), output.number);
        let references: Vec<DatasetRef> = run.outputs.iter().map(made).collect();
        let found = self.resolve_unasked(&references).await?.versions;
        let mut versions = Vec::with_capacity(found.len());
        for ResolvedVersion { version, .. } in found {
            let read = self.read_version(version.manifest.id).await?;
            versions.push((version, read));
        }
        Ok(told(&Told {
            began_at: record.map(|record| record.started_at),
            deed: RUN,
            inputs: run.inputs.iter().map(told_input).collect(),
            outputs: versions.iter().map(|version| of_version(version, declared)).collect(),
            ..self.about(event)
        }))
    }

    /// A program of which nothing came, with all that it read and all that it would have made. The owner's
    /// words may hold values, and are not told.
    async fn tell_failed_run(
        &self,
        event: &Event,
        run: &RunFailed,
        declared: &Declared,
    ) -> Result<[Value; 2]> {
        let record = self.read_run(run.record.id).await?;
        let failure = match run.exit_code {
            Some(code) => format!("the program ended with {code}"),
            None => "the run was given up".to_owned(),
        };
        Ok(told(&Told {
            began_at: record.map(|record| record.started_at),
            deed: RUN,
            inputs: run.inputs.iter().map(told_input).collect(),
            outputs: run.outputs.iter().map(|dataset| output(dataset, declared)).collect(),
            failure: Some(&failure),
            ..self.about(event)
        }))
    }

    async fn tell_promotion(
        &self,
        event: &Event,
        moved: &HeadMoved,
        declared: &Declared,
    ) -> Result<[Value; 2]> {
        let reference = DatasetRef::pinned(moved.dataset.clone(), moved.to);
        let found = self.resolve_unasked(&[reference]).await?.versions.into_iter().next();
        let version = match found {
            Some(ResolvedVersion { version, .. }) => {
                let read = self.read_version(version.manifest.id).await?;
                Some((version, read))
            }
            None => None,
        };
        let input = |(version, _): &(VersionRecord, Option<Read>)| {
            ToldInput::Version(moved.dataset.clone(), version.version_id)
        };
        let unknown = || output(&moved.dataset, declared);
        Ok(told(&Told {
            deed: "promote",
            stage: Some(moved.stage.as_str()),
            inputs: version.iter().map(input).collect(),
            outputs: vec![version.as_ref().map_or_else(unknown, |version| {
                // What its columns come from was told when it was made.
                ToldOutput { lineage: None, ..of_version(version, declared) }
            })],
            ..self.about(event)
        }))
    }

    fn tell_refusal(
        &self,
        event: &Event,
        refused: &IngestRefused,
        declared: &Declared,
    ) -> [Value; 2] {
        let original = |source: &lakebed_core::KeptSource| {
            ToldInput::Original(source.name.clone(), source.object.id)
        };
        let input =
            |input: &InputVersion| ToldInput::Version(input.dataset.clone(), input.version_id);
        let is_build = !refused.derived_from.is_empty();
        let product = declared.products.get(&refused.dataset).filter(|_| is_build);
        told(&Told {
            deed: if is_build { BUILD } else { INGEST },
            inputs: match is_build {
                true => refused.derived_from.iter().map(input).collect(),
                false => refused.sources.iter().take(MOST_ORIGINALS).map(original).collect(),
            },
            outputs: vec![output(&refused.dataset, declared)],
            sql: product.map(|product| product.sql.as_str()),
            failure: Some(&refused.message),
            ..self.about(event)
        })
    }

    /// What is known of every change.
    fn about<'a>(&self, event: &'a Event) -> Told<'a> {
        Told {
            lake: self.id(),
            event,
            began_at: None,
            deed: INGEST,
            stage: None,
            inputs: Vec::new(),
            outputs: Vec::new(),
            sql: None,
            failure: None,
        }
    }

    /// What the store has of the version with this manifest; nothing where it is damaged, which must
    /// not keep what came after it from being told.
    async fn read_version(&self, id: ObjectId) -> Result<Option<Read>> {
        damaged_is_none(self.try_read_version(id).await, id)
    }

    /// The same, where what is damaged is an error.
    pub(crate) async fn try_read_version(&self, id: ObjectId) -> Result<Read> {
        let manifest = self.read_named(id, "manifest", Manifest::from_bytes).await?;
        let derivation = match &manifest.derivation {
            Some(object) => {
                Some(self.read_named(object.id, "derivation", Derivation::from_bytes).await?)
            }
            None => None,
        };
        let lineage = match &manifest.lineage {
            Some(object) => Some(self.read_named(object.id, "lineage", Lineage::from_bytes).await?),
            None => None,
        };
        let mut inputs: Vec<ToldInput> = manifest
            .inputs
            .iter()
            .map(|input| ToldInput::Version(input.dataset.clone(), input.version_id))
            .collect();
        // What a program wrote is no input of it.
        if derivation.is_none() && manifest.program.is_none() {
            let sources = self.inner.cache.sources(&self.inner.store, &manifest.sources).await?;
            let sources = sources.into_iter().take(MOST_ORIGINALS);
            inputs.extend(sources.map(|source| ToldInput::Original(source.name, source.object.id)));
        }
        let file_count = match manifest.schema {
            Some(_) => manifest.tables.iter().map(|list| list.entry_count).sum(),
            None => manifest.row_count,
        };
        Ok(Read { manifest, derivation, lineage, file_count, inputs })
    }

    async fn read_run(&self, id: ObjectId) -> Result<Option<RunRecord>> {
        damaged_is_none(self.read_named(id, "run", RunRecord::from_bytes).await, id)
    }

    /// An object that an event named, verified and read.
    async fn read_named<T>(
        &self,
        id: ObjectId,
        what: &str,
        read: impl FnOnce(&[u8]) -> serde_json::Result<T>,
    ) -> Result<T> {
        let object = self.inner.catalog.find_object(id).await?.ok_or_else(|| Error::Corrupt {
            object: id,
            why: format!("no event names this {what}"),
        })?;
        let bytes = self.inner.store.get(&object).await?;
        read(&bytes).map_err(|error| crate::cache::unreadable(what, id, error))
    }
}

fn told_input(input: &LockedInput) -> ToldInput {
    ToldInput::Version(input.dataset().clone(), input.version_id)
}

/// What was read; nothing where it is damaged, which is logged.
fn damaged_is_none<T>(read: Result<T>, id: ObjectId) -> Result<Option<T>> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(error @ (Error::Corrupt { .. } | Error::Stopped { .. } | Error::NotFound { .. })) => {
            tracing::warn!(object = %id, %error, "lineage is told with less");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// A dataset, and who answers for it.
fn output<'a>(dataset: &'a DatasetName, declared: &'a Declared) -> ToldOutput<'a> {
    let product = declared.products.get(dataset);
    let contract = declared.contracts.get(dataset);
    let owner = contract.and_then(|contract| contract.owners.first());
    let description = contract.and_then(|contract| contract.description.as_deref());
    ToldOutput {
        dataset,
        built: None,
        lineage: None,
        owner: product.map(|product| product.owner.as_str()).or(owner.map(String::as_str)),
        description: product.map(|product| product.purpose.as_str()).or(description),
    }
}

/// A version on record, and who answers for its dataset.
fn of_version<'a>(
    (version, read): &'a (VersionRecord, Option<Read>),
    declared: &'a Declared,
) -> ToldOutput<'a> {
    let counts = version.counted().map(|rows| (rows, version.size_bytes));
    ToldOutput {
        built: Some(built(read.as_ref(), version.version_id, counts)),
        lineage: read.as_ref().and_then(|read| read.lineage.as_ref()),
        ..output(&version.dataset, declared)
    }
}

/// A version, with what the store has of it.
fn built(read: Option<&Read>, version_id: VersionId, counts: Option<(u64, u64)>) -> Built<'_> {
    let file_count = read.map_or(0, |read| read.file_count);
    Built {
        version_id,
        schema: read.and_then(|read| read.manifest.schema.as_ref()),
        counted: counts.map(|(row_count, size_bytes)| Counted {
            row_count,
            size_bytes,
            file_count,
        }),
    }
}

//! SQL: the engine names what it reads, the catalog is read once, the engine runs.

use futures::StreamExt as _;
use lakebed_core::{DatasetKind, DatasetRef, TablePart, TableRef};

use crate::{
    Age, Ctx, Error, Lake, ResolvedVersion, Result, Snapshot, Ticket, VersionRecord,
    access::restricted,
    cache::InForce,
    engine::{
        BoundTable, EngineError, ListedTable, Parameters, Prepared, QueryJob, QueryLimits,
        QueryStream, Restriction, StatementKind,
    },
    reads::{Asked, ReadVersion, Reading, without_key},
    resolve::RowsFound,
};

/// A statement and what it may use.
#[derive(Debug, Clone, Default)]
pub struct QueryRequest {
    /// The statement.
    pub sql: String,
    /// Values for its placeholders.
    pub parameters: Parameters,
    /// What it may use.
    pub limits: QueryLimits,
}

/// An answer, and what it was computed from (P5).
#[derive(Debug)]
pub struct QueryAnswer {
    /// The statement's id: 128 random bits in hex. Its receipt has the same.
    pub statement_id: String,
    /// The snapshot its references were resolved against.
    pub snapshot: Snapshot,
    /// What every reference resolved to, in order of appearance.
    pub resolved: Vec<ResolvedVersion>,
    /// How old the products among that are, as far as the asker may know; none where there are none.
    pub age: Option<Age>,
    /// The rows.
    pub stream: QueryStream,
}

/// See [`QueryAnswer`].
struct Answered {
    snapshot: Snapshot,
    resolved: Vec<ResolvedVersion>,
    age: Option<Age>,
    stream: QueryStream,
}

impl Lake {
    /// Answers one statement. Who asks what, and what it reads, is on record before this returns; what
    /// came of it follows when the stream ends (P12).
    ///
    /// # Errors
    /// [`Error::NotFound`] for a reference that means nothing or may not be discovered,
    /// [`Error::Forbidden`] for one that may not be read, [`Error::Engine`] for what the
    /// engine will not or cannot do; once rows have begun, errors come through the stream.
    #[tracing::instrument(level = "debug", name = "query", skip_all)]
    pub async fn query(&self, ctx: &Ctx, request: QueryRequest) -> Result<QueryAnswer> {
        let enter = || self.inner.statements.enter(ctx.actor());
        self.query_in_turn(ctx, request, enter, |_| Ok(())).await
    }

    /// The same at the place in the queue that `enter` gives; `on_wait` is told now and then how many
    /// are before it.
    pub(crate) async fn query_in_turn(
        &self,
        ctx: &Ctx,
        request: QueryRequest,
        enter: impl FnOnce() -> Result<Ticket> + Send,
        on_wait: impl FnMut(u64) -> Result<()> + Send,
    ) -> Result<QueryAnswer> {
        let asked =
            Asked::Statement { sql: request.sql.clone(), parameters: request.parameters.clone() };
        let mut reading = Reading::begin(&self.inner.reads, ctx, asked)?;
        match self.answer(ctx, request, &mut reading, enter, on_wait).await {
            Ok(Answered { snapshot, resolved, age, stream }) => Ok(QueryAnswer {
                statement_id: reading.id().to_owned(),
                snapshot,
                resolved,
                age,
                stream: reading.follow(stream),
            }),
            Err(error) => {
                reading.refused(&error).await;
                Err(error)
            }
        }
    }

    /// The answer, once it is on record what it is about to read. No row was asked for yet.
    async fn answer(
        &self,
        ctx: &Ctx,
        request: QueryRequest,
        reading: &mut Reading,
        enter: impl FnOnce() -> Result<Ticket> + Send,
        on_wait: impl FnMut(u64) -> Result<()> + Send,
    ) -> Result<Answered> {
        let prepared = self.inner.engine.prepare(&request.sql)?;
        let permit = enter()?.admitted(on_wait).await?;
        let mut references: Vec<DatasetRef> = Vec::new();
        for named in &prepared.references {
            if !references.contains(&named.reference) {
                references.push(named.reference.clone());
            }
        }
        let found = self.resolve_rows(ctx, &references).await?;
        let RowsFound { resolution, rights, in_force, known } = found;
        let age = self.age_of_all(&rights, &resolution.versions, &known).await?;
        let mut tables = Vec::with_capacity(prepared.references.len());
        for TableRef { reference, part } in &prepared.references {
            for resolved in resolution.versions.iter().filter(|r| r.reference == *reference) {
                tables.push(self.bind(ctx, resolved, *part, &in_force).await?);
            }
        }
        let is_restricted = tables.iter().any(|table| table.restriction.is_restricted());
        let now = self.inner.clock.now();
        reading.about(|intent| {
            intent.snapshot_seq = Some(resolution.snapshot.seq);
            intent.versions = tables.iter().map(on_record).collect();
            intent.policy = in_force.digest;
            intent.now = Some(now);
        });
        let job = QueryJob {
            sql: request.sql,
            parameters: request.parameters,
            tables,
            listing: self.listing(ctx, &prepared).await?,
            system: self.system_tables(ctx, &prepared.system).await?,
            limits: request.limits,
            now,
            fixed: None,
        };
        // Planning reads nothing, so it need not wait for the record.
        let planned =
            async { self.inner.engine.run(job, &self.inner.store).await.map_err(Error::from) };
        let (mut stream, ()) = futures::try_join!(planned, reading.intend())?;
        // The next one's turn comes when this one was read, or given up.
        stream.batches = stream
            .batches
            .map(move |batch| {
                let _held = &permit;
                batch.map_err(|error| if is_restricted { without_digests(error) } else { error })
            })
            .boxed();
        Ok(Answered { snapshot: resolution.snapshot, resolved: resolution.versions, age, stream })
    }

    /// The version, and what of it the asker may see. Rows that did not fit are there as they came,
    /// with all that a policy would keep: they are for those who may see all of the rest.
    pub(crate) async fn bind(
        &self,
        ctx: &Ctx,
        resolved: &ResolvedVersion,
        part: TablePart,
        in_force: &InForce,
    ) -> Result<BoundTable> {
        let mut table = self.bind_whole(resolved, part).await?;
        table.restriction = match part {
            TablePart::Rows => {
                let version = &resolved.version;
                match self.restriction(ctx, version, &table.schema, in_force).await? {
                    Restriction::Unrestricted => self.behind_barrier(ctx, &table).await?,
                    restricted => restricted,
                }
            }
            _ if resolved.is_readable => Restriction::Unrestricted,
            _ => return Err(restricted(&resolved.version.dataset)),
        };
        Ok(table)
    }

    /// The version, all of it: for a reference that [`Lake::resolve`] gave to whoever may read it so.
    pub(crate) async fn bind_whole(
        &self,
        resolved: &ResolvedVersion,
        part: TablePart,
    ) -> Result<BoundTable> {
        let version = &resolved.version;
        let (store, cache) = (&self.inner.store, &self.inner.cache);
        let manifest = cache.manifest(store, version).await?;
        let Some(schema) = manifest.schema.clone() else {
            return Err(no_table(&resolved.reference));
        };
        let (schema, files) = match part {
            TablePart::Rows => (schema, self.files_at_hand(version, &manifest).await?),
            TablePart::Quarantine => {
                let files = cache.tables(store, &manifest.quarantine).await?;
                (lakebed_ingest::quarantine_schema(), Some(files))
            }
        };
        let computed = match &files {
            Some(_) => None,
            None => Some(Box::new(self.computed_table(&manifest).await?)),
        };
        Ok(BoundTable {
            reference: resolved.reference.clone(),
            part,
            dataset: version.dataset.clone(),
            version: version.number,
            version_id: version.version_id,
            schema,
            files: files.unwrap_or_default(),
            computed,
            restriction: Restriction::Unrestricted,
        })
    }

    async fn listing(&self, ctx: &Ctx, prepared: &Prepared) -> Result<Vec<ListedTable>> {
        if prepared.kind != StatementKind::ShowTables {
            return Ok(Vec::new());
        }
        let (_, datasets) = self.datasets(ctx, None).await?;
        Ok(datasets
            .into_iter()
            .map(|dataset| ListedTable {
                kind: dataset.record.kind,
                newest: dataset.record.newest.as_ref().map(|version| version.number),
                row_count: dataset
                    .record
                    .newest
                    .as_ref()
                    .filter(|_| dataset.is_readable)
                    .and_then(VersionRecord::counted),
                dataset: dataset.record.name,
            })
            .collect())
    }
}

/// The version as it is put on record.
fn on_record(table: &BoundTable) -> ReadVersion {
    ReadVersion {
        reference: table.name().to_string(),
        dataset: table.dataset.clone(),
        version: table.version,
        version_id: table.version_id,
        restriction: without_key(&table.restriction),
    }
}

/// What is wrong with bytes names objects, and which of them are read depends on what is hidden: the
/// log has it, the answer has not.
fn without_digests(error: EngineError) -> EngineError {
    match error {
        EngineError::Store(source) => EngineError::Internal { source: Box::new(source) },
        other => other,
    }
}

pub(crate) fn no_table(reference: &DatasetRef) -> Error {
    Error::Invalid {
        code: "not-a-table",
        message: format!("`{reference}` is of kind `{}`: it has no rows", DatasetKind::Files),
        hint: Some(format!("`lakebed fetch {reference} --sources --into DIR` brings its files")),
    }
}

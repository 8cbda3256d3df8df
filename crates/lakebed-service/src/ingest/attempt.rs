//! One try at making a version: everything is written quietly, then published once.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _};
use lakebed_catalog::{Commit, FindingsRecord};
use lakebed_contract::Decision;
use lakebed_core::{
    ContractMeasured, DatasetKind, DatasetName, DatasetRef, Derivation, EventBody, FileEntry,
    IngestKey, IngestMode, IngestRefused, InputVersion, KeptSource, Manifest, ObjectId, Program,
    SchemaChange, SourceEntry, StoredObject, TablePart, TableSchema, Tally, VersionCommitted,
    VersionId, content_id_of_files, content_id_of_live, content_id_of_table,
    contract::{Contract, Finding, RULE_ENGINE},
    lineage::Lineage,
    profile::{Profile, TableProfile},
};
use lakebed_govern::Granted;
use lakebed_ingest::{Base, Decoded, Refusal, Rules, WrittenFile, unfit_columns};
use lakebed_store::Trust;

use crate::{
    Ctx, Error, IngestOutcome, IngestRequest, IngestStatus, Lake, Result, VersionRecord,
    contract::{Judged, RowsMeasured},
    engine::{BoundTable, Restriction},
    ingest::{
        lists::{ListWriter, Split, split_at_tail},
        promise::{Known, Promise},
        replay::key_reused,
        sources::{Sources, StagedSource, blocking},
        target::{Target, kind_of},
    },
    progress::Meter,
};

/// An ingest under way, over as many tries as it takes.
pub(crate) struct Attempt<'a> {
    lake: &'a Lake,
    ctx: &'a Ctx,
    request: &'a IngestRequest,
    meter: &'a Arc<Meter>,
    /// How the sources were computed, if they were: then they are no originals.
    computed: Option<&'a Computed>,
    /// Which program made the sources, if one did: they are its originals.
    ran: Option<&'a Ran>,
    /// What an earlier try decoded and stored, for as long as it still fits.
    work: Option<Work>,
}

/// How rows were computed.
pub(crate) struct Computed {
    /// The statement, and what it was over.
    pub(crate) derivation: Derivation,
    /// The versions it was over.
    pub(crate) inputs: Vec<InputVersion>,
    /// What each column is made of.
    pub(crate) lineage: Lineage,
    /// Whether they were not computed yet: the sources have their columns and no row.
    pub(crate) live: bool,
}

/// The program that made sources.
pub(crate) struct Ran {
    /// What is known of it, and what it read.
    pub(crate) program: Program,
    /// The versions it read.
    pub(crate) inputs: Vec<InputVersion>,
}

/// A version of which everything is stored but its events.
pub(crate) struct Prepared {
    /// What makes it a version.
    pub(crate) changes: Vec<EventBody>,
    /// Its number.
    pub(crate) number: u64,
    key: IngestKey,
    work: Work,
}

/// Decoded and stored, but in no version yet.
#[derive(Clone)]
struct Work {
    before: Before,
    /// What is promised, and what was found of it.
    judged: Option<(Promise, Judged)>,
    schema: Option<TableSchema>,
    changes: Vec<SchemaChange>,
    notes: Vec<String>,
    /// Full files shared with the parent, for an append.
    shared: Vec<FileEntry>,
    /// Files written now, in row order after `shared`.
    tables: Vec<FileEntry>,
    quarantine: Vec<FileEntry>,
    /// Of all rows; none when it is not known of those that are shared.
    profile: Option<Profile>,
    sources: Vec<SourceEntry>,
}

/// What is known of rows besides those of the sources.
struct Beside<'b> {
    /// What rules look up.
    known: &'b Known,
    /// What rows look like that stay where they are.
    profile: Option<TableProfile>,
}

/// What work was done against: where this differs, it has to be done again.
#[derive(Clone, PartialEq)]
struct Before {
    schema: Option<TableSchema>,
    /// The version it adds to.
    base: Option<VersionId>,
    /// The contract, and the versions that are looked into.
    beside: Option<ObjectId>,
}

impl<'a> Attempt<'a> {
    pub(crate) fn new(
        lake: &'a Lake,
        ctx: &'a Ctx,
        request: &'a IngestRequest,
        meter: &'a Arc<Meter>,
    ) -> Self {
        Self { lake, ctx, request, meter, computed: None, ran: None, work: None }
    }

    /// The same of sources that were computed.
    pub(crate) fn computed(mut self, computed: &'a Computed) -> Self {
        self.computed = Some(computed);
        self
    }

    /// The same of sources that a program made.
    pub(crate) fn ran(mut self, ran: &'a Ran) -> Self {
        self.ran = Some(ran);
        self
    }

    /// The newest version, when this ingest would only make it again.
    pub(crate) async fn is_unchanged(
        &self,
        target: &Target,
        sources: &Sources,
    ) -> Result<Option<VersionRecord>> {
        let (Some((newest, _)), Some(identities)) = (&target.newest, sources.identities()) else {
            return Ok(None);
        };
        let decodes = match kind_of(self.request) {
            DatasetKind::Files => vec![None; identities.len()],
            DatasetKind::Table => {
                let (local, options) = (sources.local(), self.request.options.clone());
                let (schema, promise) = (target.schema().cloned(), target.promise.clone());
                let resolved = blocking(move || {
                    let rules = promise.as_ref().map(|promise| promise.rules(&Known::default()));
                    let rules = rules.as_ref().map(|rules| rules as &dyn Rules);
                    let decodes = lakebed_ingest::resolve(&local, &options, rules, schema.as_ref());
                    Ok(decodes.ok().flatten())
                });
                match resolved.await? {
                    Some(decodes) => decodes.into_iter().map(Some).collect(),
                    None => return Ok(None),
                }
            }
        };
        let parts =
            identities.into_iter().zip(decodes).map(|((name, id), decode)| (name, id, decode));
        let key = self.key(target, &parts.collect::<Vec<_>>());
        Ok((key == newest.ingest_key).then(|| newest.clone()))
    }

    /// Writes a version on top of `target`.
    ///
    /// # Errors
    /// [`Error::Conflict`] when `target` moved: plan again.
    pub(crate) async fn make_version(
        &mut self,
        target: &Target,
        sources: &mut Sources,
    ) -> Result<IngestOutcome> {
        let prepared = self.prepare(target, sources).await?;
        self.commit(prepared).await
    }

    /// Writes everything of a version on top of `target`, and leaves its events to the caller.
    pub(crate) async fn prepare(&mut self, target: &Target, sources: &Sources) -> Result<Prepared> {
        self.refuse_what_is_in(target, sources).await?;
        let before = Before {
            schema: target.schema().cloned(),
            base: target.base(self.request.mode).map(|(version, _)| version.version_id),
            beside: target.key(),
        };
        let work = match self.work.take().filter(|work| work.before == before) {
            Some(work) => work,
            None => self.decode(target, sources, before).await?,
        };
        self.work = Some(work.clone());
        self.write_version(target, work).await
    }

    /// Appending what is in already is a mistake more often than not.
    async fn refuse_what_is_in(&self, target: &Target, sources: &Sources) -> Result<()> {
        let Some((_, manifest)) = target.base(self.request.mode) else { return Ok(()) };
        if manifest.live {
            return Err(Error::Invalid {
                code: "live",
                message: format!(
                    "`{}` is served live: its rows are computed, and none can be added",
                    self.request.dataset
                ),
                hint: Some("leave out `--append`, or add to what it is made of".to_owned()),
            });
        }
        // Rows of both kinds in one version: nobody could say any more what it was made of.
        if manifest.derivation.is_some() || manifest.program.is_some() {
            return Err(Error::Invalid {
                code: "computed",
                message: format!(
                    "a statement or a program made `{}`, and no rows are added to that",
                    self.request.dataset
                ),
                hint: Some(
                    "add to what it is made of and compute it again, or replace it".to_owned(),
                ),
            });
        }
        if self.request.again.is_some() {
            return Ok(());
        }
        let lake = &self.lake.inner;
        let parent = lake.cache.sources(&lake.store, &manifest.sources).await?;
        let ids: BTreeSet<ObjectId> = parent.iter().map(|source| source.object.id).collect();
        let names: BTreeSet<&str> = parent.iter().map(|source| source.name.as_str()).collect();
        for source in sources.staged() {
            if ids.contains(&source.staged.id()) {
                return Err(Error::Invalid {
                    code: "already-in",
                    message: format!("`{}` is in `{}` already", source.name, self.request.dataset),
                    hint: Some("add `--again` to append it once more".to_owned()),
                });
            }
            if manifest.kind == DatasetKind::Files && names.contains(source.name.as_str()) {
                return Err(Error::Invalid {
                    code: "name-taken",
                    message: format!(
                        "`{}` has another file named `{}`",
                        self.request.dataset, source.name
                    ),
                    hint: Some(
                        "leave out `--append` to replace all files, or rename it".to_owned(),
                    ),
                });
            }
        }
        Ok(())
    }

    async fn decode(&self, target: &Target, sources: &Sources, before: Before) -> Result<Work> {
        let staged = sources.staged();
        if kind_of(self.request) == DatasetKind::Files {
            return self.keep_files(staged, before).await;
        }
        let base = self.base_files(target).await?;
        let known = match &target.promise {
            Some(promise) if !self.is_live() => {
                self.lake.known_beside(promise, &base, before.schema.as_ref()).await?
            }
            _ => Known::default(),
        };
        let split = split_at_tail(base.clone());
        self.meter.begin("reading", Some(sources.size_bytes()));
        let out = tempfile::Builder::new()
            .prefix("ingest-")
            .tempdir_in(self.lake.inner.store.scratch_dir())
            .map_err(|error| Error::io(self.lake.inner.store.scratch_dir(), error))?;
        let shared = self.profile_of_shared(target, &split).await?;
        let beside = Beside { known: &known, profile: shared };
        let decoding = self.run_decoder(sources, target, beside, &split, out.path());
        // The originals become durable while they are decoded.
        let (decoded, kept) = tokio::join!(decoding, self.publish_sources(&staged));
        let (decoded, kept) = (decoded?, kept?);
        let decoded = match decoded {
            Ok(decoded) => decoded,
            Err(refusal) => return Err(self.refuse(refusal, &kept).await?),
        };
        self.meter.begin("writing", None);
        let mut decoded = decoded;
        if self.is_live() {
            self.check_fits(sources, &decoded).await?;
            decoded.tables.clear();
        }
        let tables = self.lake.publish_files(std::mem::take(&mut decoded.tables)).await?;
        let judged = match &target.promise {
            None => None,
            // What is not there yet is measured once somebody has to know.
            Some(_) if self.is_live() => None,
            Some(promise) => {
                let files: Vec<FileEntry> = split.full.iter().chain(&tables).cloned().collect();
                let judged = self.judge(promise, target, &known, (&base, files), &decoded).await?;
                if !judged.decision.is_accepted() {
                    let quarantine = std::mem::take(&mut decoded.quarantine);
                    let refusal = broken(&promise.contract, &judged.decision, quarantine);
                    return Err(self.refuse(refusal, &kept).await?);
                }
                Some((promise.clone(), judged))
            }
        };
        let contract = target.promise.as_ref().map(|promise| promise.digest);
        let sources = decoded
            .sources
            .iter()
            .zip(kept)
            .map(|(decoded, kept)| SourceEntry {
                name: kept.name,
                object: kept.object,
                decode: Some(decoded.decode.clone()),
                contract,
                accepted: decoded.accepted,
                quarantined: decoded.quarantined,
                skipped: decoded.skipped.clone(),
            })
            .collect();
        Ok(Work {
            before,
            judged,
            schema: Some(decoded.schema),
            changes: decoded.changes,
            notes: decoded.notes,
            shared: split.full,
            tables,
            quarantine: self.lake.publish_files(decoded.quarantine).await?,
            profile: decoded.profile.filter(|_| !self.is_live()),
            sources,
        })
    }

    fn is_live(&self) -> bool {
        self.computed.is_some_and(|computed| computed.live)
    }

    /// Refuses columns that would lose something on their way into the table's: of rows that are
    /// computed when they are asked for, none can be set aside.
    async fn check_fits(&self, sources: &Sources, decoded: &Decoded) -> Result<()> {
        let (local, schema) = (sources.local(), decoded.schema.clone());
        let unfit = blocking(move || {
            let unfit = local.iter().map(|source| unfit_columns(source, &schema));
            Ok(unfit.collect::<std::result::Result<Vec<_>, Refusal>>())
        });
        let unfit = unfit.await?.map_err(not_the_source)?.concat();
        match unfit.is_empty() {
            true => Ok(()),
            false => Err(Error::Invalid {
                code: Refusal::CONTRACT_UNFIT,
                message: format!(
                    "`{}` is served live, and its statement gives other columns than its table has: \
                     `{}`",
                    self.request.dataset,
                    unfit.join("`, `")
                ),
                hint: Some("cast them, or name them, in the statement".to_owned()),
            }),
        }
    }

    async fn keep_files(&self, staged: Vec<StagedSource>, before: Before) -> Result<Work> {
        let kept = self.publish_sources(&staged).await?;
        let sources = kept.into_iter().map(|kept| SourceEntry {
            name: kept.name,
            object: kept.object,
            decode: None,
            contract: None,
            accepted: Tally::default(),
            quarantined: Tally::default(),
            skipped: Vec::new(),
        });
        Ok(Work {
            before,
            judged: None,
            schema: None,
            changes: Vec::new(),
            notes: Vec::new(),
            shared: Vec::new(),
            tables: Vec::new(),
            quarantine: Vec::new(),
            profile: None,
            sources: sources.collect(),
        })
    }

    /// The table files of the version that this one adds to.
    async fn base_files(&self, target: &Target) -> Result<Vec<FileEntry>> {
        let lake = &self.lake.inner;
        match target.base(self.request.mode) {
            Some((_, manifest)) => lake.cache.tables(&lake.store, &manifest.tables).await,
            None => Ok(Vec::new()),
        }
    }

    /// Measures what is promised on the version that would be: `base` and what was decoded.
    async fn judge(
        &self,
        promise: &Promise,
        target: &Target,
        known: &Known,
        (base, files): (&[FileEntry], Vec<FileEntry>),
        decoded: &Decoded,
    ) -> Result<Judged> {
        let before = match target.base(self.request.mode) {
            None => BTreeMap::new(),
            Some((version, _)) => match self.found_before(promise, version).await? {
                Some(found) => found,
                None => self.lake.measure_before(promise, known, base, &decoded.schema).await?,
            },
        };
        let old = target.base(self.request.mode).map(|(version, _)| version);
        let sum = |of: fn(&lakebed_ingest::DecodedSource) -> u64| -> u64 {
            decoded.sources.iter().map(of).sum()
        };
        let accepted = sum(|source| source.accepted.rows) + old.map_or(0, |old| old.row_count);
        let quarantined =
            sum(|source| source.quarantined.rows) + old.map_or(0, |old| old.quarantined_count);
        let table = BoundTable {
            reference: DatasetRef::pinned(self.request.dataset.clone(), target.number() + 1),
            part: TablePart::Rows,
            dataset: self.request.dataset.clone(),
            version: target.number() + 1,
            version_id: VersionId::new(promise.digest),
            schema: decoded.schema.clone(),
            files,
            computed: None,
            restriction: Restriction::Unrestricted,
        };
        let rows = RowsMeasured { broken: &decoded.rules, before: &before, accepted, quarantined };
        self.lake.judge_version(promise, &table, rows).await
    }

    /// What was found of the same promise on `version`, by rule.
    async fn found_before(
        &self,
        promise: &Promise,
        version: &VersionRecord,
    ) -> Result<Option<BTreeMap<String, u64>>> {
        let lake = &self.lake.inner;
        let records = lake.catalog.newest_findings(&version.dataset, version.number).await?;
        let is_same = |record: &&FindingsRecord| {
            (record.contract, record.engine) == (promise.digest, RULE_ENGINE)
        };
        let Some(record) = records.iter().find(is_same) else { return Ok(None) };
        let findings = lake.cache.findings(&lake.store, &record.findings).await?;
        let count = |finding: &Finding| {
            let count = finding.measured.as_number()?.to_scaled(0)?;
            Some((finding.rule.clone(), u64::try_from(count).ok()?))
        };
        Ok(Some(findings.findings.iter().filter_map(count).collect()))
    }

    /// What the rows look like that stay where they are; none when nobody noted it.
    async fn profile_of_shared(
        &self,
        target: &Target,
        split: &Split,
    ) -> Result<Option<TableProfile>> {
        let Some((_, manifest)) = target.base(self.request.mode) else { return Ok(None) };
        let stored = self.lake.stored_profile(manifest).await?;
        Ok(stored.and_then(|profile| profile.first(split.start_row)))
    }

    async fn run_decoder(
        &self,
        sources: &Sources,
        target: &Target,
        Beside { known, profile }: Beside<'_>,
        split: &Split,
        out: &std::path::Path,
    ) -> Result<std::result::Result<Decoded, Refusal>> {
        let mut tail = Vec::new();
        for file in &split.tail {
            tail.push(self.lake.inner.store.copy_to_scratch(&file.object).await?);
        }
        let base = match self.request.mode {
            IngestMode::Append => {
                Some(Base { start_row: split.start_row, tail: tail.clone(), profile })
            }
            IngestMode::Replace => None,
        };
        let (local, mut options) = (sources.local(), self.request.options.clone());
        let (schema, out) = (target.schema().cloned(), out.to_owned());
        let meter = Arc::clone(self.meter);
        let (promise, known) = (target.promise.clone(), known.clone());
        let (is_computed, is_made) = (self.computed.is_some(), self.ran.is_some());
        if options.max_quarantined.is_none()
            && promise.as_ref().is_some_and(|promise| promise.contract.max_quarantined.is_some())
        {
            // The contract's own limit counts, and is judged with all else that it promises.
            options.max_quarantined = Some(1.0);
        }
        let decoded = blocking(move || {
            let rules = promise.as_ref().map(|promise| promise.rules(&known));
            let threads = std::thread::available_parallelism().map_or(2, usize::from);
            Ok(lakebed_ingest::decode(lakebed_ingest::Request {
                sources: &local,
                options: &options,
                schema: schema.as_ref(),
                by_name: is_computed,
                base: base.as_ref(),
                out: &out,
                progress: &*meter,
                rules: rules.as_ref().map(|rules| rules as &dyn Rules),
                threads,
                may_be_empty: is_computed || is_made,
            }))
        })
        .await;
        for path in tail {
            let _ = std::fs::remove_file(path);
        }
        decoded
    }

    /// Makes the originals durable, in order.
    async fn publish_sources(&self, staged: &[StagedSource]) -> Result<Vec<KeptSource>> {
        if self.computed.is_some() {
            // What was computed can be computed again.
            return Ok(Vec::new());
        }
        let lake = &self.lake.inner;
        let ids: Vec<ObjectId> = staged.iter().map(|source| source.staged.id()).collect();
        let named = self.lake.named(&ids).await?;
        let publish = |source: StagedSource| {
            let trust = match named.contains(&source.staged.id()) {
                true => Trust::Named,
                false => Trust::Unnamed,
            };
            async move {
                self.meter.check_cancelled()?;
                let object = lake.store.publish(&source.staged, trust).await?;
                Ok::<_, Error>(KeptSource { name: source.name, object })
            }
        };
        futures::stream::iter(staged.to_vec()).map(publish).buffered(8).try_collect().await
    }

    /// Puts on record that the sources are kept but make no version; gives the error that says so.
    async fn refuse(&self, refusal: Refusal, kept: &[KeptSource]) -> Result<Error> {
        if !refusal.is_about_the_source() {
            return Ok(not_the_source(refusal));
        }
        let lake = &self.lake.inner;
        let Refusal { code, message, hint, quarantine } = refusal;
        let quarantine = self.lake.publish_files(quarantine).await?;
        let rows = quarantine.iter().map(|file| file.object);
        let all = kept.iter().map(|source| source.object).chain(rows).collect();
        let objects = self.lake.unnamed(all).await?;
        let body = EventBody::IngestRefused(IngestRefused {
            dataset: self.request.dataset.clone(),
            sources: kept.to_vec(),
            derived_from: self.derived_from(),
            code: code.to_owned(),
            message: message.clone(),
            quarantine,
            objects,
        });
        let granted = self.granted().await?;
        let committed = lake.catalog.commit(self.commit_of(&granted, vec![body], None)).await?;
        let event = committed.events.last().map_or(0, |event| event.seq);
        lake.journal.publish_through(event).await?;
        Ok(Error::Refused { code, message, hint, event })
    }

    async fn write_version(&self, target: &Target, work: Work) -> Result<Prepared> {
        let lake = &self.lake.inner;
        let (manifest, mut objects) = self.write_lists(target, &work).await?;
        let stored = lake.store.put(Bytes::from(manifest.to_bytes()), Trust::Unnamed).await?;
        objects.push(stored);
        let mut measured = None;
        if let (true, Some(promise)) = (self.is_live(), &target.promise) {
            let contract = Bytes::from(promise.contract.to_json());
            objects.push(lake.store.put(contract, Trust::Unnamed).await?);
        }
        if let Some((promise, judged)) = &work.judged {
            let contract = Bytes::from(promise.contract.to_json());
            objects.push(lake.store.put(contract, Trust::Unnamed).await?);
            let findings = Bytes::from(judged.findings.to_bytes());
            measured = Some(lake.store.put(findings, Trust::Unnamed).await?);
        }
        objects.extend(work.sources.iter().map(|source| source.object));
        objects.extend(work.tables.iter().chain(&work.quarantine).map(|file| file.object));
        let named: Vec<ObjectId> = objects.iter().map(|object| object.id).collect();
        let objects = self.lake.unnamed(objects).await?;
        let shared = self.lake.shared(&self.request.dataset, &named, &objects).await?;

        let version = self.version_event(target, &work, &manifest, stored, objects, shared);
        let key = version.ingest_key;
        let mut changes = Vec::new();
        if !target.exists {
            let dataset = self.request.dataset.clone();
            changes.push(EventBody::DatasetCreated { dataset, kind: manifest.kind });
        }
        let number = version.number;
        changes.push(EventBody::VersionCommitted(version));
        if let (Some(findings), Some((promise, _))) = (measured, &work.judged) {
            changes.push(EventBody::ContractMeasured(ContractMeasured {
                dataset: self.request.dataset.clone(),
                number,
                contract: promise.digest,
                engine: RULE_ENGINE,
                findings,
                objects: self.lake.unnamed(vec![findings]).await?,
            }));
        }
        Ok(Prepared { changes, number, key, work })
    }

    async fn commit(&self, mut prepared: Prepared) -> Result<IngestOutcome> {
        let lake = &self.lake.inner;
        self.meter.check_cancelled()?;
        // It may have taken hours: what was allowed when it began need not be allowed now.
        let granted = self.granted().await?;
        // Last on purpose: before this line nothing is visible.
        lake.probe.at("before the catalog commit")?;
        let (changes, key) = (prepared.changes.clone(), self.ctx.idempotency_key.clone());
        let committed = lake.catalog.commit(self.commit_of(&granted, changes, key)).await?;
        lake.probe.at("after the catalog commit")?;
        let (seq, number) = self.committed_version(&committed.events, prepared.key)?;
        lake.journal.publish_through(seq).await?;
        prepared.number = number;
        let outcome = self.outcome(prepared).await?;
        Ok(match committed.replayed {
            true => IngestOutcome { status: IngestStatus::Unchanged, ..outcome },
            false => outcome,
        })
    }

    /// What a prepared version is now that its events are committed and published.
    pub(crate) async fn outcome(&self, prepared: Prepared) -> Result<IngestOutcome> {
        let Prepared { changes, number, key: _, work } = prepared;
        let made = changes.iter().find_map(|change| match change {
            EventBody::VersionCommitted(version) => Some(&version.objects),
            _ => None,
        });
        let new_bytes = made.into_iter().flatten().map(|object| object.size_bytes).sum();
        let rights = self.lake.rights(self.ctx).await?;
        Ok(IngestOutcome {
            status: IngestStatus::Committed,
            is_readable: rights.reads(&self.request.dataset),
            version: record_of(self.lake, &self.request.dataset, number).await?,
            changes: work.changes,
            notes: work.notes,
            sources: work.sources,
            findings: work.judged.map(|(_, judged)| judged.rules).unwrap_or_default(),
            new_bytes,
            sees_lake: rights.reads_everything(),
        })
    }

    /// Writes the lists; gives the manifest, and the objects that came to be.
    async fn write_lists(
        &self,
        target: &Target,
        work: &Work,
    ) -> Result<(Manifest, Vec<StoredObject>)> {
        let lake = &self.lake.inner;
        let empty = Manifest::empty(kind_of(self.request));
        let base = target.base(self.request.mode).map_or(&empty, |(_, manifest)| &**manifest);
        let mut writer = ListWriter { store: &lake.store, cache: &lake.cache, written: Vec::new() };
        let (full, tail) = self.cut_tail(work);
        let tables = writer.tables(&base.tables, &full, &tail).await?;
        let quarantine = writer.more_tables(&base.quarantine, &work.quarantine).await?;
        let sources = writer.more_sources(&base.sources, &work.sources).await?;
        let profile = match &work.profile {
            Some(profile) => Some(writer.put_profile(profile).await?),
            None => None,
        };
        let (derivation, lineage) = match self.computed {
            Some(computed) => (
                Some(writer.put_derivation(&computed.derivation).await?),
                Some(writer.put_lineage(&computed.lineage).await?),
            ),
            None => (None, None),
        };
        let program = match self.ran {
            Some(ran) => Some(writer.put_program(&ran.program).await?),
            None => None,
        };
        let rows = |files: &[FileEntry]| files.iter().map(|file| file.row_count).sum::<u64>();
        let live = self.computed.filter(|computed| computed.live);
        let content_id = match (&work.schema, live) {
            (Some(schema), Some(live)) => content_id_of_live(schema, live.derivation.digest()),
            (Some(schema), None) => content_id_of_table(schema, full.iter().chain(&tail)),
            (None, _) => {
                let all = lake.cache.sources(&lake.store, &sources).await?;
                content_id_of_files(&all)
            }
        };
        let row_count = match &work.schema {
            Some(_) => rows(&full) + rows(&tail),
            None => sources.iter().map(|list| list.entry_count).sum(),
        };
        let manifest = Manifest {
            parent: target.newest.as_ref().map(|(version, _)| version.version_id),
            content_id,
            schema: work.schema.clone(),
            row_count,
            quarantined_count: base.quarantined_count + rows(&work.quarantine),
            tables,
            quarantine,
            sources,
            profile,
            contract: match live {
                Some(_) => target.promise.as_ref().map(|promise| promise.digest),
                None => work.judged.as_ref().map(|(promise, _)| promise.digest),
            },
            inputs: self.inputs(target),
            derivation,
            lineage,
            program,
            live: live.is_some(),
            ..empty
        };
        Ok((manifest, writer.written))
    }

    /// The versions that decide what the new one is; sorted.
    fn inputs(&self, target: &Target) -> Vec<InputVersion> {
        let made_of = self.made_of().cloned();
        let mut inputs: Vec<InputVersion> = target.inputs().into_iter().chain(made_of).collect();
        inputs.sort();
        inputs.dedup();
        inputs
    }

    /// All files of the new version: the full ones, and the tail.
    fn cut_tail(&self, work: &Work) -> (Vec<FileEntry>, Vec<FileEntry>) {
        let all = work.shared.iter().chain(&work.tables).cloned().collect();
        let Split { full, tail, .. } = split_at_tail(all);
        (full, tail)
    }

    fn version_event(
        &self,
        target: &Target,
        work: &Work,
        manifest: &Manifest,
        stored: StoredObject,
        objects: Vec<StoredObject>,
        shared: Vec<ObjectId>,
    ) -> VersionCommitted {
        let parts = work
            .sources
            .iter()
            .map(|source| (source.name.clone(), source.object.id, source.decode.clone()));
        let files = work.shared.iter().chain(&work.tables).map(|file| file.object.size_bytes);
        let originals = work.sources.iter().map(|source| source.object.size_bytes);
        let before = target.base(self.request.mode).map_or(0, |(version, _)| version.size_bytes);
        let size_bytes = match manifest.kind {
            DatasetKind::Table => files.sum(),
            DatasetKind::Files => before + originals.sum::<u64>(),
        };
        VersionCommitted {
            dataset: self.request.dataset.clone(),
            number: target.number() + 1,
            version_id: VersionId::new(stored.id),
            parent: manifest.parent,
            content_id: manifest.content_id,
            ingest_key: self.key(target, &parts.collect::<Vec<_>>()),
            row_count: manifest.row_count,
            quarantined_count: manifest.quarantined_count,
            size_bytes,
            objects,
            shared,
            derived_from: self.derived_from(),
            live: manifest.live,
        }
    }

    /// The versions that it is computed from.
    fn made_of(&self) -> impl Iterator<Item = &InputVersion> {
        let computed = self.computed.iter().flat_map(|computed| &computed.inputs);
        computed.chain(self.ran.iter().flat_map(|ran| &ran.inputs))
    }

    /// The same, sorted.
    fn derived_from(&self) -> Vec<InputVersion> {
        self.made_of().cloned().collect::<BTreeSet<_>>().into_iter().collect()
    }

    fn key(
        &self,
        target: &Target,
        parts: &[(String, ObjectId, Option<lakebed_core::Decode>)],
    ) -> IngestKey {
        let IngestRequest { dataset, mode, again, .. } = self.request;
        if let Some(computed) = self.computed {
            let key = match computed.live {
                true => IngestKey::of_live,
                false => IngestKey::of_build,
            };
            return key(dataset, computed.derivation.digest(), target.key());
        }
        if let Some(ran) = self.ran {
            return IngestKey::of_run(dataset, ran.program.digest(), parts, target.key());
        }
        IngestKey::new(dataset, *mode, parts, target.key(), again.as_deref())
    }

    /// The proof that the asker may do this, still.
    async fn granted(&self) -> Result<Granted> {
        self.lake.authorize_ingest(self.ctx, &self.request.dataset).await
    }

    fn commit_of(
        &self,
        granted: &Granted,
        changes: Vec<EventBody>,
        idempotency_key: Option<String>,
    ) -> Commit {
        Commit {
            actor: granted.principal().to_string(),
            at: self.lake.inner.clock.now(),
            idempotency_key,
            changes,
        }
    }

    /// The version among committed events. An idempotency key brings back what it made first, and
    /// must not be used for something else.
    fn committed_version(
        &self,
        events: &[lakebed_core::Event],
        key: IngestKey,
    ) -> Result<(u64, u64)> {
        let found = events.iter().find_map(|event| match &event.body {
            EventBody::VersionCommitted(version) => Some((event.seq, version)),
            _ => None,
        });
        match found {
            Some((seq, version))
                if version.ingest_key == key && version.dataset == self.request.dataset =>
            {
                Ok((seq, version.number))
            }
            _ => Err(key_reused()),
        }
    }
}

impl Lake {
    /// Stores Parquet files that were written into scratch, in order.
    pub(crate) async fn publish_files(&self, files: Vec<WrittenFile>) -> Result<Vec<FileEntry>> {
        let lake = &self.inner;
        let publish = |file: WrittenFile| async move {
            let store = lake.store.clone();
            let path = file.path;
            let staged = blocking(move || Ok(store.adopt(path)?)).await?;
            let object = lake.store.publish(&staged, Trust::Unnamed).await?;
            let WrittenFile { row_count, footer_bytes, .. } = file;
            Ok::<_, Error>(FileEntry { object, row_count, footer_bytes })
        };
        futures::stream::iter(files).map(publish).buffered(4).try_collect().await
    }

    /// Those of `ids` that a committed event names.
    async fn named(&self, ids: &[ObjectId]) -> Result<BTreeSet<ObjectId>> {
        let named = self.inner.catalog.find_objects(ids).await?;
        Ok(named.into_iter().map(|object| object.id).collect())
    }

    /// Those of `objects` that no committed event names yet, sorted, without repetitions.
    pub(crate) async fn unnamed(&self, objects: Vec<StoredObject>) -> Result<Vec<StoredObject>> {
        let objects: BTreeSet<StoredObject> = objects.into_iter().collect();
        let ids: Vec<ObjectId> = objects.iter().map(|object| object.id).collect();
        let named = self.named(&ids).await?;
        Ok(objects.into_iter().filter(|object| !named.contains(&object.id)).collect())
    }

    /// Those of `named` that events of other datasets named, but none of this dataset, sorted.
    pub(crate) async fn shared(
        &self,
        dataset: &DatasetName,
        named: &[ObjectId],
        new: &[StoredObject],
    ) -> Result<Vec<ObjectId>> {
        let ours = self.inner.catalog.objects_of_dataset(dataset, named).await?;
        let new: BTreeSet<ObjectId> = new.iter().map(|object| object.id).collect();
        let named: BTreeSet<ObjectId> = named.iter().copied().collect();
        Ok(named.into_iter().filter(|id| !ours.contains(id) && !new.contains(id)).collect())
    }
}

/// The refusal of a version of which the contract asks more than it keeps.
fn broken(contract: &Contract, decision: &Decision, quarantine: Vec<WrittenFile>) -> Refusal {
    let (id, version) = (&contract.id, &contract.version);
    let message = format!("contract `{id}` {version}: {}", decision.refusals.join("; "));
    Refusal {
        code: Refusal::CONTRACT_BROKEN,
        message,
        hint: Some("correct the data where it is made, or the contract and apply it".to_owned()),
        quarantine,
    }
}

/// One version of a dataset that the asker has just made, or may make.
pub(crate) async fn record_of(
    lake: &Lake,
    dataset: &DatasetName,
    number: u64,
) -> Result<VersionRecord> {
    let reference = DatasetRef::pinned(dataset.clone(), number);
    let mut found = lake.resolve_unasked(&[reference]).await?;
    let resolved = found.versions.pop();
    resolved
        .map(|resolved| resolved.version)
        .ok_or_else(|| Error::Conflict { message: format!("`{dataset}` v{number} vanished") })
}

/// The caller went away, or the machine failed: nothing to hold against the source.
pub(crate) fn not_the_source(refusal: Refusal) -> Error {
    let Refusal { code, message, .. } = refusal;
    match code {
        Refusal::CANCELLED => Error::Cancelled,
        Refusal::IO_FAILED if message.contains("No space left") => Error::Full { message },
        Refusal::IO_FAILED => Error::Unavailable { source: message.clone().into(), message },
        _ => Error::Internal { source: message.into() },
    }
}

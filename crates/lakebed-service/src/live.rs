//! Products that are served live: their rows are computed when they are asked for.
//!
//! A live version is a statement and what its references meant; it is made when somebody asks for the
//! newest version of the product and something that it is made of means another version by then, and
//! costs no rows. It has a number and an id like every other: locks, receipts, lineage and policies take
//! it for what it is. Its rows are computed whenever they are read, below a barrier for whoever may not
//! see all that they are made of. Whatever needs files (a fetch, a promotion, a check of the contract)
//! has them written once, in the order and to the bytes of a build; from then on they are read.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use bytes::Bytes;
use lakebed_catalog::{Commit, NotFound, ResolveOutcome};
use lakebed_core::{
    DatasetName, DatasetRef, Declared, DecodeOptions, Derivation, EventBody, FileEntry, FormatName,
    Identity, ListRef, Manifest, ObjectId, Product, Selector, Served, StageName, TableList,
    TableRef, VersionMaterialised,
    policy::{Restriction, Sight},
};
use lakebed_govern::Rights;
use lakebed_ingest::{LocalSource, Request, WrittenFile};
use lakebed_store::Trust;
use tempfile::TempDir;

use crate::{
    BuildRequest, Ctx, Error, Lake, NoProgress, ResolvedVersion, Result, VersionRecord,
    access::check_queries,
    build::{ANSWER, Computation, NOT_COMPUTED},
    cache::InForce,
    engine::{BoundTable, ComputedTable, EngineError},
    ingest::{blocking, not_the_source},
    progress::Meter,
};

/// How often it is looked whether what a statement follows has moved again meanwhile.
const LOOKS: u32 = 4;
/// What requests of the lake itself are called.
const LIVE: &str = "live";

/// What to do where a statement does not fit what it is about.
const MEND: &str = "declare its statement anew, or mend what it is made of";

/// Who is told why something cannot be computed.
const TOLD_TO_READERS: &str = "whoever may read all that it is made of is told why";

/// So many live products may be made of each other, one below the other.
const MOST_DEEP: u32 = 8;
/// So many tables may be read for one of them.
const MOST_TABLES: u64 = 256;

/// How much is computed with a version.
#[derive(Debug, Clone, Copy)]
struct Weight {
    /// Live products below each other.
    depth: u32,
    /// Tables in all, each as often as it is named.
    tables: u64,
}

impl Weight {
    /// Counts what one more input takes.
    fn add(&mut self, input: Self) {
        self.depth = self.depth.max(input.depth + 1);
        self.tables = self.tables.saturating_add(input.tables);
    }
}

/// References and what they mean, for one asker.
pub(crate) struct FoundFor {
    pub(crate) found: lakebed_catalog::Resolution,
    pub(crate) rights: Rights,
    /// What decides about the asker.
    pub(crate) in_force: Arc<InForce>,
    /// What is declared, also where that decides nothing.
    pub(crate) known: Arc<InForce>,
}

impl Lake {
    /// What references mean, read before the asker's rights are: live products among them, as far as
    /// the asker may read them, are made of what their own references mean by then.
    ///
    /// # Errors
    /// When the catalog cannot be read; [`Error::Invalid`] where a live product cannot be computed.
    pub(crate) async fn find_for(&self, ctx: &Ctx, references: &[DatasetRef]) -> Result<FoundFor> {
        let stage = &self.inner.default_stage;
        let mut looks = 0;
        loop {
            let found = self.inner.catalog.resolve(references, stage).await?;
            let (rights, in_force) = self.rights_in_force(ctx).await?;
            // Nothing that is declared decides about owners, so it was not read for them.
            let known = match ctx.identity.is_owner() && !references.is_empty() {
                true => self.in_force().await?,
                false => Arc::clone(&in_force),
            };
            let followed = followed(references, &found.versions, stage, &known.declared);
            if looks == LOOKS || !self.follow(followed, &known, Some(&rights)).await? {
                return Ok(FoundFor { found, rights, in_force, known });
            }
            looks += 1;
        }
    }

    /// The same for the lake itself, where a bare name means the head of `stage`.
    pub(crate) async fn find_at(
        &self,
        references: &[DatasetRef],
        stage: &StageName,
    ) -> Result<lakebed_catalog::Resolution> {
        let mut looks = 0;
        loop {
            let found = self.inner.catalog.resolve(references, stage).await?;
            let in_force = self.in_force().await?;
            let followed = followed(references, &found.versions, stage, &in_force.declared);
            if looks == LOOKS || !self.follow(followed, &in_force, None).await? {
                return Ok(found);
            }
            looks += 1;
        }
    }

    /// Brings products up to date: those that somebody with these rights may read, or all of them for the
    /// lake itself. Whether any was behind.
    async fn follow(
        &self,
        followed: Vec<Followed<'_>>,
        in_force: &InForce,
        rights: Option<&Rights>,
    ) -> Result<bool> {
        let mut has_moved = false;
        for (name, product, newest) in followed {
            if rights.is_some_and(|rights| check_queries(rights, name).is_err()) {
                continue;
            }
            let moved = self.bring_up_to_date(name, product, newest, in_force).await;
            has_moved |= moved.map_err(|error| match rights {
                Some(rights) => told(error, name, self.sees_below(rights, product, in_force)),
                // Whoever asks is told as much as is theirs, above.
                None => told(error, name, true),
            })?;
        }
        Ok(has_moved)
    }

    /// Whether somebody may see all that a product is made of, as it is declared, also by way of other
    /// live ones. To build it does not take as much.
    pub(crate) fn sees_below(
        &self,
        rights: &Rights,
        product: &Product,
        in_force: &InForce,
    ) -> bool {
        let (mut seen, mut next) = (BTreeSet::new(), vec![product]);
        while let Some(product) = next.pop() {
            let Ok(prepared) = self.inner.engine.prepare(&product.sql) else { return false };
            for TableRef { reference, .. } in prepared.references {
                if !rights.reads(&reference.dataset) {
                    return false;
                }
                let below = in_force.declared.products.get(&reference.dataset);
                let below = below.filter(|below| below.served == Served::Live);
                next.extend(below.filter(|_| seen.insert(reference.dataset)));
            }
        }
        true
    }

    /// Makes the first version of every live product of which it can be made, so that it is there.
    /// Why another one cannot be made is told to whoever asks for it.
    pub(crate) async fn begin_live_products(&self) -> Result<()> {
        let in_force = self.in_force().await?;
        let products = in_force.declared.products.iter();
        for (name, product) in products.filter(|(_, product)| product.served == Served::Live) {
            let newest = self.inner.catalog.newest_state(name).await?;
            let newest = newest.and_then(|state| state.newest);
            if let Err(error) =
                self.bring_up_to_date(name, product, newest.as_ref(), &in_force).await
            {
                tracing::warn!(product = %name, %error, "cannot be computed yet");
            }
        }
        Ok(())
    }

    /// Makes a version of a live product, unless `newest` is what its references mean now. Whether it
    /// did.
    async fn bring_up_to_date(
        &self,
        name: &DatasetName,
        product: &Product,
        newest: Option<&VersionRecord>,
        in_force: &InForce,
    ) -> Result<bool> {
        if let Some(newest) = newest {
            let manifest = self.inner.cache.manifest(&self.inner.store, newest).await?;
            let contract = in_force.declared.contracts.get(name).map(|contract| contract.digest());
            // Products are made of products, a few deep.
            let meant = Box::pin(self.meant_by(name, product, None)).await?;
            let derivation = manifest.derivation.map(|derivation| derivation.id);
            if derivation == Some(meant.derivation.digest()) && manifest.contract == contract {
                // Nothing moved, and its rows are computed nevertheless: in the owner's name.
                if newest.live {
                    self.check_owner(name, product, meant.references(), in_force).await?;
                }
                return Ok(false);
            }
        }
        Box::pin(self.make_live(name, product)).await.map(|()| true)
    }

    /// As the product's owner, who needs the right to ingest into it.
    async fn make_live(&self, name: &DatasetName, product: &Product) -> Result<()> {
        let ctx = Ctx::new(Identity::of(product.owner.clone()), LIVE);
        self.authorize_ingest(&ctx, name).await.map_err(|error| match error {
            Error::Forbidden { .. } | Error::NotFound { .. } => Error::Invalid {
                code: "owner-may-not-ingest",
                message: format!("its owner `{}` may not `ingest` into it", product.owner),
                hint: Some("grant that to the owner, or declare another one".to_owned()),
            },
            error => error,
        })?;
        let request = BuildRequest { product: name.clone(), locked: None };
        let meter = Arc::new(Meter::new(Arc::new(NoProgress)));
        let (_, made) = self.build_until_made(&ctx, &request, &meter).await?;
        made.map(drop)
    }

    /// Refuses a live version that is made of too many others: all of them are computed with it.
    pub(crate) async fn check_depth(
        &self,
        name: &DatasetName,
        inputs: &[ResolvedVersion],
    ) -> Result<()> {
        let mut known = HashMap::new();
        let mut all = Weight { depth: 0, tables: 1 };
        for input in inputs {
            all.add(self.weigh(&input.version, &mut known).await?);
        }
        if all.depth <= MOST_DEEP && all.tables <= MOST_TABLES {
            return Ok(());
        }
        Err(Error::Invalid {
            code: "too-deep",
            message: format!(
                "`{name}` is served live, and made of products that are, {} deep and {} tables in all: \
                 {MOST_DEEP} and {MOST_TABLES} are the most",
                all.depth, all.tables
            ),
            hint: Some("let one in between be `served: materialized`".to_owned()),
        })
    }

    /// How much is computed with a version; each one is looked at once.
    async fn weigh(
        &self,
        version: &VersionRecord,
        known: &mut HashMap<ObjectId, Weight>,
    ) -> Result<Weight> {
        let id = version.version_id.object();
        if let Some(weight) = known.get(&id) {
            return Ok(*weight);
        }
        let mut weight = Weight { depth: 0, tables: 1 };
        if version.live {
            let manifest = self.inner.cache.manifest(&self.inner.store, version).await?;
            weight.depth = 1;
            for input in self.inputs_of(&*self.derivation_of(&manifest).await?).await? {
                weight.add(Box::pin(self.weigh(&input.version, known)).await?);
            }
        }
        known.insert(id, weight);
        Ok(weight)
    }

    /// What computes the rows of a live version.
    pub(crate) async fn computed_table(&self, manifest: &Manifest) -> Result<ComputedTable> {
        let Computation { derivation, tables, .. } = self.computation(manifest).await?;
        Ok(ComputedTable { sql: derivation.sql, tables })
    }

    async fn derivation_of(&self, manifest: &Manifest) -> Result<Arc<Derivation>> {
        match &manifest.derivation {
            Some(object) => self.inner.cache.derivation(&self.inner.store, object).await,
            None => Err(Error::Internal { source: "a live version without a derivation".into() }),
        }
    }

    /// What the references of a derivation meant.
    async fn inputs_of(&self, derivation: &Derivation) -> Result<Vec<ResolvedVersion>> {
        let pinned = derivation.inputs.iter().map(|input| DatasetRef {
            dataset: input.reference.dataset.clone(),
            selector: Selector::Digest(input.version_id.object().to_string()),
        });
        let found = self.resolve_unasked(&pinned.collect::<Vec<_>>()).await?;
        let mut inputs = found.versions;
        for (input, from) in inputs.iter_mut().zip(&derivation.inputs) {
            input.reference = from.reference.clone();
        }
        Ok(inputs)
    }

    async fn computation(&self, manifest: &Manifest) -> Result<Computation> {
        let derivation = self.derivation_of(manifest).await?;
        let inputs = self.inputs_of(&derivation).await?;
        let prepared = self.inner.engine.prepare(&derivation.sql)?;
        let tables = Box::pin(self.bind_all(&prepared, &inputs)).await?;
        let derivation = (*derivation).clone();
        Ok(Computation { derivation, inputs, tables, snapshot_seq: None, policy: None })
    }

    /// What is left of a live version for whoever is under no policy on it: below a barrier, unless they
    /// may see all that it is made of.
    pub(crate) async fn behind_barrier(
        &self,
        ctx: &Ctx,
        table: &BoundTable,
    ) -> Result<Restriction> {
        let Some(computed) = &table.computed else { return Ok(Restriction::Unrestricted) };
        if sees_all(&self.rights(ctx).await?, &computed.tables) {
            return Ok(Restriction::Unrestricted);
        }
        Ok(Restriction::Restricted(Sight::of_all(&table.schema)))
    }

    /// The files of a version, as far as its rows are in files: none of a live one that nobody needed
    /// in files yet.
    pub(crate) async fn files_at_hand(
        &self,
        version: &VersionRecord,
        manifest: &Manifest,
    ) -> Result<Option<Vec<FileEntry>>> {
        let (store, cache) = (&self.inner.store, &self.inner.cache);
        if !manifest.live {
            return cache.tables(store, &manifest.tables).await.map(Some);
        }
        match self.inner.catalog.materialised(&version.dataset, version.number).await? {
            Some(found) => cache.tables(store, &[found.tables]).await.map(Some),
            None => Ok(None),
        }
    }

    /// The version, with its rows counted: those of a live one are put into files, if they are in none.
    ///
    /// # Errors
    /// What the statement cannot compute, told to whoever may see all that it is made of.
    pub(crate) async fn in_files(
        &self,
        ctx: &Ctx,
        version: VersionRecord,
    ) -> Result<VersionRecord> {
        let version = self.counted(version).await?;
        if version.is_counted {
            return Ok(version);
        }
        let permit = self.inner.statements.enter(ctx.actor())?.admitted(|_| Ok(())).await?;
        self.materialise(ctx, &version).await?;
        drop(permit);
        let version = self.counted(version).await?;
        match version.is_counted {
            true => Ok(version),
            false => Err(Error::Internal { source: "files that were written are gone".into() }),
        }
    }

    /// The version, with its rows counted where they are in files.
    pub(crate) async fn counted(&self, version: VersionRecord) -> Result<VersionRecord> {
        if version.is_counted {
            return Ok(version);
        }
        let found = self.inner.catalog.materialised(&version.dataset, version.number).await?;
        let Some(found) = found else { return Ok(version) };
        let (row_count, size_bytes) = (found.tables.row_count, found.size_bytes);
        Ok(VersionRecord { row_count, size_bytes, is_counted: true, ..version })
    }

    async fn materialise(&self, ctx: &Ctx, version: &VersionRecord) -> Result<()> {
        let manifest = self.inner.cache.manifest(&self.inner.store, version).await?;
        let (_folder, written) = self.compute_files(Some(ctx), version, &manifest).await?;
        let files = self.publish_files(written).await?;
        let list = Bytes::from(TableList::new(files.clone()).to_bytes());
        let list = self.inner.store.put(list, Trust::Unnamed).await?;
        let named: Vec<ObjectId> =
            files.iter().map(|file| file.object.id).chain([list.id]).collect();
        let objects = files.iter().map(|file| file.object).chain([list]).collect();
        let objects = self.unnamed(objects).await?;
        let body = EventBody::VersionMaterialised(VersionMaterialised {
            dataset: version.dataset.clone(),
            number: version.number,
            tables: ListRef {
                object: list,
                entry_count: files.len() as u64,
                row_count: files.iter().map(|file| file.row_count).sum(),
            },
            size_bytes: files.iter().map(|file| file.object.size_bytes).sum(),
            shared: self.shared(&version.dataset, &named, &objects).await?,
            objects,
        });
        let commit = Commit {
            actor: version.actor.clone(),
            at: self.inner.clock.now(),
            idempotency_key: None,
            changes: vec![body],
        };
        self.inner.probe.at("before the catalog commit")?;
        match self.inner.catalog.commit(commit).await.map_err(Error::from) {
            Ok(committed) => {
                self.inner.probe.at("after the catalog commit")?;
                self.inner.journal.publish_through(committed.last_seq()).await
            }
            // Somebody was first, and wrote the same.
            Err(Error::Conflict { .. }) => {
                let newest = self.inner.catalog.journal_state().await?.last_seq;
                self.inner.journal.publish_through(newest).await
            }
            Err(error) => Err(error),
        }
    }

    /// Computes the rows of a live version into files of a folder: those that a build would write. If it
    /// cannot, why is told to `asker` as far as they may know, and else to nobody outside.
    pub(crate) async fn compute_files(
        &self,
        asker: Option<&Ctx>,
        version: &VersionRecord,
        manifest: &Manifest,
    ) -> Result<(TempDir, Vec<WrittenFile>)> {
        let scratch = self.inner.store.scratch_dir();
        let folder = tempfile::Builder::new()
            .prefix("live-")
            .tempdir_in(scratch)
            .map_err(|error| Error::io(scratch, error))?;
        let meter = Arc::new(Meter::new(Arc::new(NoProgress)));
        let _stop_workers = meter.cancel_on_drop();
        let what = self.computation(manifest).await?;
        let answer = folder.path().join(ANSWER);
        let owner = Ctx::new(Identity::of(owner_of(version)?), LIVE);
        if let Err(error) = self.compute(&owner, &what, &meter, answer.clone()).await {
            let is_told = match asker {
                Some(asker) => sees_all(&self.rights(asker).await?, &what.tables),
                None => false,
            };
            return Err(told(error, &version.dataset, is_told));
        }
        let options = DecodeOptions {
            format: Some(FormatName::Parquet),
            max_quarantined: Some(0.0),
            ..DecodeOptions::default()
        };
        let (schema, out) = (manifest.schema.clone(), folder.path().join("files"));
        std::fs::create_dir(&out).map_err(|error| Error::io(&out, error))?;
        let threads = std::thread::available_parallelism().map_or(2, usize::from);
        let decoded = blocking(move || {
            let source = LocalSource { name: ANSWER.to_owned(), path: answer };
            Ok(lakebed_ingest::decode(Request {
                sources: &[source],
                options: &options,
                schema: schema.as_ref(),
                by_name: false,
                base: None,
                out: &out,
                progress: &*meter,
                rules: None,
                threads,
                may_be_empty: true,
            }))
        });
        let decoded = decoded.await?.map_err(|refusal| match refusal.is_about_the_source() {
            false => not_the_source(refusal),
            true => Error::Invalid {
                code: refusal.code,
                message: format!("the rows of `{}` make no table", version.dataset),
                hint: None,
            },
        })?;
        Ok((folder, decoded.tables))
    }
}

/// A live product, and its newest version if there is one.
type Followed<'a> = (&'a DatasetName, &'a Product, Option<&'a VersionRecord>);

/// The live products that references follow to their newest version.
fn followed<'a>(
    references: &'a [DatasetRef],
    found: &'a [ResolveOutcome],
    stage: &StageName,
    declared: &'a Declared,
) -> Vec<Followed<'a>> {
    let mut followed: Vec<Followed<'a>> = Vec::new();
    for (reference, outcome) in references.iter().zip(found) {
        let name = &reference.dataset;
        let raw = StageName::raw();
        let follows = match &reference.selector {
            Selector::Default => *stage == raw,
            Selector::Stage(named) => *named == raw,
            Selector::Latest => true,
            Selector::Number(_) | Selector::Digest(_) | Selector::Date(_) | Selector::Time(_) => {
                false
            }
        };
        let Some(product) = declared.products.get(name).filter(|_| follows) else { continue };
        let newest = match outcome {
            Ok(resolved) => Some(&resolved.version),
            Err(NotFound::UnknownDataset { .. } | NotFound::NoVersionYet { .. }) => None,
            Err(_) => continue,
        };
        let is_new = followed.iter().all(|(before, ..)| *before != name);
        if product.served == Served::Live && is_new {
            followed.push((name, product, newest));
        }
    }
    followed
}

/// Whether somebody may see all of these tables, and of those that they are computed from.
pub(crate) fn sees_all(rights: &Rights, tables: &[BoundTable]) -> bool {
    tables.iter().all(|table| {
        let below = table.computed.as_ref();
        rights.reads(&table.dataset) && below.is_none_or(|below| sees_all(rights, &below.tables))
    })
}

/// Who made a version.
fn owner_of(version: &VersionRecord) -> Result<lakebed_core::PrincipalName> {
    version.actor.parse().map_err(|error: lakebed_core::PrincipalError| Error::Internal {
        source: format!("the actor of a version is none: {error}").into(),
    })
}

/// What is said of a live product that cannot be computed. Why is for whoever may see all that it is made
/// of.
fn told(error: Error, name: &DatasetName, is_told: bool) -> Error {
    match error {
        // They name objects and products, of which others need not know.
        Error::Corrupt { .. } | Error::Stopped { .. } if !is_told => {
            return Error::internal(error);
        }
        Error::Conflict { .. } if !is_told => {
            return Error::Conflict { message: format!("`{name}` moved again and again") };
        }
        Error::Engine(EngineError::Internal { .. }) => return error,
        Error::Engine(_)
        | Error::Invalid { .. }
        | Error::NotComputed { .. }
        | Error::NotFound { .. }
        | Error::Forbidden { .. }
        | Error::Refused { .. } => {}
        _ => return error,
    }
    let (why, hint) = match is_told {
        // Whoever asks wrote no statement whose words could be mended.
        true if matches!(error, Error::Engine(_)) => (error.to_string(), Some(MEND.to_owned())),
        true => (error.to_string(), error.hint()),
        false => (NOT_COMPUTED.to_owned(), Some(TOLD_TO_READERS.to_owned())),
    };
    Error::NotComputed {
        message: format!("`{name}` is served live, and cannot be computed now: {why}"),
        hint,
    }
}

/// The same error for those of whom it is not known what they may see.
pub(crate) fn without_reason(error: Error) -> Error {
    match error {
        Error::NotComputed { .. } => Error::NotComputed {
            message: format!("a live product cannot be computed now: {NOT_COMPUTED}"),
            hint: Some(TOLD_TO_READERS.to_owned()),
        },
        _ => error,
    }
}

//! Products: computed from other versions by the statement that is declared, as their owner.
//!
//! A build resolves what the statement names once, runs it in a fixed order, and makes a version of the
//! answer like an ingest makes one of a file: judged by the contract, written quietly, published
//! once. The same statement over the same versions is the same version: it is known by its key before
//! anything runs, and its rows are the same bytes wherever it is built.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use futures::StreamExt as _;
use lakebed_catalog::{Commit, DatasetRecord, ResolveOutcome, StageHead};
use lakebed_contract::{Level, check_version, classify};
use lakebed_core::{
    Action, DatasetName, DatasetRef, Declared, DecodeOptions, Derivation, DerivedFrom, EventBody,
    FormatName, Identity, IngestKey, IngestMode, IngestRefused, InputVersion, Ladder, LockedInput,
    ObjectId, Product, Selector, Served, StageName, TableRef, Target as Scope, Timestamp,
    lineage::Lineage,
};
use lakebed_govern::{CatalogPlan, ContractChange, PlanWarning, Rights};
use lakebed_ingest::{ComputedRows, QuarantineReader, Refusal};

use crate::{
    Ctx, Error, ImpactAnswer, IngestOutcome, IngestRequest, IngestStatus, Lake, ProgressSink,
    ResolvedVersion, Result, Seen, Snapshot, SourceInput, Ticket, VersionRecord,
    access::{self, check_reads, forbidden, no_dataset, restricted},
    cache::InForce,
    engine::{BoundTable, EngineError, FixedOrder, Parameters, Prepared, QueryJob, StatementKind},
    impact::is_unavailable,
    ingest::{Attempt, Computed, Sources, Target, blocking, key_reused, not_the_source, record_of},
    live::sees_all,
    progress::Meter,
    reads::{Asked, ReadVersion, Reading},
    resolve::{not_found, unbuilt},
    rows::check_queries,
};

/// The kind of jobs that build a product.
pub const BUILD: &str = "build";
/// How often a lost race is planned again.
const ATTEMPTS: u32 = 100;
/// What is said of a product whose owner lacks sight of what it is made of.
const OWNER_MAY_NOT_READ: &str = "owner-may-not-read";
/// What is said of a build that failed to those who may not know more.
pub(crate) const NOT_COMPUTED: &str = "the statement of this product could not be computed";
/// Rows of a refused answer are looked at for what they break, in files of so many bytes at most.
const MOST_LOOKED_AT: u64 = 16 << 20;
/// What the answer is called while it is read.
pub(crate) const ANSWER: &str = "answer";

/// Which product to build, and from what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildRequest {
    /// The product.
    pub product: DatasetName,
    /// What its references mean, where they were pinned: all of them, or none for what they mean now.
    pub locked: Option<Vec<LockedInput>>,
}

/// What a build did.
#[derive(Debug, Clone)]
pub struct BuildOutcome {
    /// The version, and whether it is new.
    pub made: IngestOutcome,
    /// What the statement's references meant, in the order of their appearance; those that the asker
    /// may not know of are left out.
    pub inputs: Vec<ResolvedVersion>,
}

/// A product as somebody may see it.
#[derive(Debug, Clone)]
pub struct SeenProduct {
    /// Its name.
    pub name: DatasetName,
    /// How it is declared.
    pub declared: Product,
    /// Whether all of that is for the asker: for whoever may build it, or read all that it is made of.
    /// If not, only its owner and purpose are.
    pub is_told: bool,
    /// Whether its rows may be asked for, as far as policies leave some.
    pub is_queried: bool,
    /// Its newest version; none before the first build.
    pub newest: Option<Seen<VersionRecord>>,
    /// The heads of its stages.
    pub heads: BTreeMap<StageName, StageHead>,
}

/// What a product would be made of now.
pub(crate) struct Meant {
    pub(crate) derivation: Derivation,
    /// The statement, and what it names.
    prepared: Prepared,
    references: Vec<DatasetRef>,
    inputs: Vec<ResolvedVersion>,
    snapshot: Snapshot,
}

impl Meant {
    /// What the statement names.
    pub(crate) fn references(&self) -> &[DatasetRef] {
        &self.references
    }
}

/// A product and the versions that it would be made of now.
pub(crate) struct Plan {
    product: Product,
    derivation: Derivation,
    inputs: Vec<ResolvedVersion>,
    tables: Vec<BoundTable>,
    snapshot: Snapshot,
    in_force: Arc<InForce>,
}

/// Rows that are to be computed: the same ones whenever that is done.
pub(crate) struct Computation {
    pub(crate) derivation: Derivation,
    pub(crate) inputs: Vec<ResolvedVersion>,
    pub(crate) tables: Vec<BoundTable>,
    /// The snapshot that was looked at, if it was one.
    pub(crate) snapshot_seq: Option<u64>,
    /// What was declared then.
    pub(crate) policy: Option<ObjectId>,
}

impl Computation {
    /// What the engine is asked for.
    fn job(&self, now: Timestamp) -> QueryJob {
        QueryJob {
            fixed: Some(FixedOrder { by: self.derivation.order_by.clone() }),
            ..QueryJob::over(self.tables.clone(), &self.derivation.sql, now)
        }
    }
}

impl Plan {
    fn computation(&self) -> Computation {
        Computation {
            derivation: self.derivation.clone(),
            inputs: self.inputs.clone(),
            tables: self.tables.clone(),
            snapshot_seq: Some(self.snapshot.seq),
            policy: self.in_force.digest,
        }
    }
}

/// Whether a build was made before.
enum Found {
    /// It was: this.
    Made(Box<IngestOutcome>),
    /// It was not, and the product is this by now.
    Not(Box<Target>),
}

impl Lake {
    /// The products that may be discovered, by name.
    ///
    /// # Errors
    /// When the catalog cannot be read.
    pub async fn products(&self, ctx: &Ctx) -> Result<(Snapshot, Vec<SeenProduct>)> {
        let (snapshot, datasets) = self.datasets(ctx, None).await?;
        let mut found: BTreeMap<DatasetName, Seen<DatasetRecord>> =
            datasets.into_iter().map(|seen| (seen.record.name.clone(), seen)).collect();
        let rights = self.rights(ctx).await?;
        let in_force = self.in_force().await?;
        let mut products = Vec::new();
        for (name, declared) in &in_force.declared.products {
            if rights.discovers(name) {
                let (newest, heads) = match found.remove(name) {
                    Some(Seen { record: DatasetRecord { newest, heads, .. }, is_readable }) => {
                        (newest.map(|record| Seen { record, is_readable }), heads)
                    }
                    None => (None, BTreeMap::new()),
                };
                products.push(SeenProduct {
                    name: name.clone(),
                    is_told: self.is_told(&rights, name, declared),
                    is_queried: rights.queries(name),
                    declared: declared.clone(),
                    newest,
                    heads,
                });
            }
        }
        Ok((snapshot, products))
    }

    /// One product.
    ///
    /// # Errors
    /// [`Error::NotFound`], also where it may not be discovered.
    pub async fn product(&self, ctx: &Ctx, name: &DatasetName) -> Result<(Snapshot, SeenProduct)> {
        let newest = DatasetRef { dataset: name.clone(), selector: Selector::Latest };
        // What cannot be computed now is still a product.
        if let Err(error) = self.find_for(ctx, &[newest]).await
            && matches!(error, Error::Unavailable { .. })
        {
            return Err(error);
        }
        let (snapshot, products) = self.products(ctx).await?;
        match products.into_iter().find(|product| product.name == *name) {
            Some(found) => Ok((snapshot, found)),
            None => Err(self.no_product(ctx, name).await?),
        }
    }

    /// Refuses products whose statements cannot be admitted, and those that are made of themselves.
    pub(crate) fn check_products(&self, declared: &Declared) -> Result<()> {
        let made_of = self.made_of(declared)?;
        for name in made_of.keys() {
            if reaches(&made_of, name, name) {
                let is_between = |between: &&&DatasetName| {
                    **between != *name
                        && reaches(&made_of, name, between)
                        && reaches(&made_of, between, name)
                };
                let between: Vec<String> =
                    made_of.keys().filter(is_between).map(|name| format!("`{name}`")).collect();
                let by_way_of = match between.is_empty() {
                    true => String::new(),
                    false => format!(", by way of {}", between.join(", ")),
                };
                return Err(Error::Invalid {
                    code: "invalid-product",
                    message: format!("product `{name}` is made of itself{by_way_of}"),
                    hint: Some("a product is made of what is there before it".to_owned()),
                });
            }
        }
        Ok(())
    }

    /// Which products that `plan` changes to what `after` says would be refused by a build of now, of those
    /// whose inputs the asker may read, all of them. What is made of a product that was never built is
    /// built after that.
    pub(crate) async fn check_computable(
        &self,
        ctx: &Ctx,
        plan: &CatalogPlan,
        after: &Declared,
    ) -> Result<Vec<PlanWarning>> {
        let rights = self.rights(ctx).await?;
        let made_of = self.made_of(after)?;
        let mut warnings = Vec::new();
        for change in &plan.products {
            let Some(product) = &change.after else { continue };
            // What changes with it is not there yet as it will be.
            let mut others = plan.products.iter().map(|other| &other.product);
            if others.any(|other| reaches(&made_of, &change.product, other)) {
                continue;
            }
            let references = references_of(&self.inner.engine.prepare(&product.sql)?);
            if !references.iter().all(|reference| rights.reads(&reference.dataset)) {
                continue;
            }
            let stage = &product.input_stage;
            let found = self.inner.catalog.resolve(&references, stage).await?.versions;
            let is_to_be_built = |(reference, found): (&DatasetRef, &ResolveOutcome)| {
                found.is_err() && after.products.contains_key(&reference.dataset)
            };
            if references.iter().zip(&found).any(is_to_be_built) {
                continue;
            }
            match self.analyse(product).await {
                Ok(_) => {}
                Err(error) if is_unavailable(&error) => return Err(error),
                Err(error) => {
                    let hint = error.hint().map(|hint| format!("; {hint}")).unwrap_or_default();
                    warnings.push(PlanWarning::NotComputed {
                        product: change.product.clone(),
                        why: format!("{error}{hint}"),
                    });
                }
            }
        }
        Ok(warnings)
    }

    /// Refuses a contract of a product that breaks what its consumers rely on, unless its version says
    /// so: `after` instead of `before`, by `plan`. What was promised of the newest version of a product
    /// outlives its declaration: who declares it anew is held to it.
    ///
    /// Those who would notice are named, as far as the asker may know of them.
    pub(crate) async fn check_promises(
        &self,
        ctx: &Ctx,
        plan: &CatalogPlan,
        after: &Declared,
    ) -> Result<()> {
        let is_product = |change: &&ContractChange| after.products.contains_key(&change.dataset);
        let mut changes: Vec<ContractChange> =
            plan.contracts.iter().filter(is_product).cloned().collect();
        for change in plan.products.iter().filter(|change| change.before.is_none()) {
            changes.extend(self.change_since_newest(&change.product, after).await?);
        }
        for change in &changes {
            let Some(why) = broken_promise(change) else { continue };
            let noticed = self.who_notices_promise(ctx, after, &change.dataset).await?;
            let readers = told_of(&noticed);
            return Err(Error::Invalid {
                code: "breaks-consumers",
                message: format!("the contract of `{}` {why}; {readers}", change.dataset),
                hint: Some(
                    "give it the next major version, and tell those who read it; or keep the promise"
                        .to_owned(),
                ),
            });
        }
        Ok(())
    }

    /// What the contract that `after` has for a dataset changes of the one that its newest version was
    /// made under; none where that promised nothing.
    async fn change_since_newest(
        &self,
        dataset: &DatasetName,
        after: &Declared,
    ) -> Result<Option<ContractChange>> {
        let lake = &self.inner;
        let Some(newest) = lake.catalog.newest(dataset).await? else { return Ok(None) };
        let manifest = lake.cache.manifest(&lake.store, &newest).await?;
        let Some(promised) = manifest.contract else { return Ok(None) };
        let before = lake.cache.contract(&lake.store, &lake.catalog, promised).await?;
        let after = after.contracts.get(dataset);
        let change = after.map(|after| classify(&before, after));
        let version_flaw = after
            .zip(change.as_ref())
            .and_then(|(after, change)| check_version(&before, after, change).err());
        Ok(Some(ContractChange {
            dataset: dataset.clone(),
            before: Some(before.version.clone()),
            after: after.map(|after| after.version.clone()),
            change,
            version_flaw,
        }))
    }

    /// What each declared product is made of.
    fn made_of<'a>(&self, declared: &'a Declared) -> Result<MadeOf<'a>> {
        let mut made_of = MadeOf::new();
        for (name, product) in &declared.products {
            let prepared = self.inner.engine.prepare(&product.sql).map_err(Error::from);
            let checked = prepared.and_then(|prepared| {
                check_statement(&prepared.kind, prepared.system.is_empty())?;
                Ok(prepared.references)
            });
            let references = checked.map_err(|error| Error::Invalid {
                code: "invalid-product",
                message: format!("product `{name}`: {error}"),
                hint: error.hint(),
            })?;
            check_queries(self.inner.engine.as_ref(), name, product)?;
            let inputs = references.into_iter().map(|table| table.reference.dataset);
            made_of.insert(name, inputs.collect());
        }
        Ok(made_of)
    }

    /// A statement names datasets and columns that some may not know of.
    pub(crate) fn is_told(&self, rights: &Rights, name: &DatasetName, product: &Product) -> bool {
        let reads_all = || match self.inner.engine.prepare(&product.sql) {
            Ok(prepared) => {
                prepared.references.iter().all(|table| rights.reads(&table.reference.dataset))
            }
            Err(_) => false,
        };
        rights.allows(Action::Ingest, &Scope::Dataset(name.clone())) || reads_all()
    }

    /// A place in the queue of those who build; it is that of statements.
    ///
    /// # Errors
    /// [`Error::Busy`] when too many wait already.
    pub fn admit_build(&self, ctx: &Ctx) -> Result<Ticket> {
        self.inner.statements.enter(ctx.actor())
    }

    /// Builds a product, or finds that its newest version is exactly what a build would make.
    ///
    /// Atomic, like an ingest. Needs the right to ingest into the product; its inputs are read as its
    /// owner, who must see all of them.
    ///
    /// # Errors
    /// [`Error::NotFound`] where there is no such product for the asker; [`Error::Invalid`] with
    /// `owner-may-not-read` and the like where it cannot be built as it is declared;
    /// [`Error::Engine`] for what the statement cannot compute; [`Error::Refused`] when its contract
    /// does not hold.
    pub async fn build(
        &self,
        ctx: &Ctx,
        request: BuildRequest,
        progress: Arc<dyn ProgressSink>,
    ) -> Result<BuildOutcome> {
        let ticket = self.admit_build(ctx)?;
        self.build_in_turn(ctx, ticket, request, progress).await
    }

    /// As [`Self::build`], once it is the ticket's turn.
    ///
    /// # Errors
    /// As [`Self::build`]; [`Error::Cancelled`] when `progress` says so before the commit.
    #[tracing::instrument(level = "debug", name = "build", skip_all)]
    pub async fn build_in_turn(
        &self,
        ctx: &Ctx,
        ticket: Ticket,
        request: BuildRequest,
        progress: Arc<dyn ProgressSink>,
    ) -> Result<BuildOutcome> {
        self.authorize_ingest(ctx, &request.product).await?;
        let meter = Arc::new(Meter::new(progress));
        let _stop_workers = meter.cancel_on_drop();
        let _permit = ticket.admitted(|before| meter.queued(before)).await?;
        let (plan, made) = match self.build_until_made(ctx, &request, &meter).await {
            Ok(built) => built,
            Err(error) => return Err(self.told_of_plan(ctx, &request, error).await?),
        };
        match made {
            Ok(made) => {
                Ok(BuildOutcome { made, inputs: self.seen_inputs(ctx, plan.inputs).await? })
            }
            Err(error) => {
                self.put_failure(ctx, &request.product, &plan, &error).await?;
                let told = self.told_to(ctx, &request.product, &plan, error).await?;
                Err(of_product(&request.product, told))
            }
        }
    }

    /// Plans and builds until nobody else was first; the last plan, and what came of it.
    pub(crate) async fn build_until_made(
        &self,
        ctx: &Ctx,
        request: &BuildRequest,
        meter: &Arc<Meter>,
    ) -> Result<(Plan, Result<IngestOutcome>)> {
        let product = &request.product;
        for _ in 0..ATTEMPTS {
            let plan = self.plan_build(ctx, request).await?;
            let made = match self.built_before(ctx, product, &plan).await? {
                Found::Made(made) => Ok(*made),
                Found::Not(target) => self.build_once(ctx, product, &plan, &target, meter).await,
            };
            match made {
                Err(Error::Conflict { .. }) => tracing::debug!(%product, "planning again"),
                made => return Ok((plan, made)),
            }
        }
        let message = format!("`{product}` moved {ATTEMPTS} times while this build was under way");
        Err(Error::Conflict { message })
    }

    /// What is declared of the product, and what its references mean.
    pub(crate) async fn plan_build(&self, ctx: &Ctx, request: &BuildRequest) -> Result<Plan> {
        let in_force = self.newest_in_force().await?.1.unwrap_or_default();
        let Some(product) = in_force.declared.products.get(&request.product) else {
            return Err(self.no_product(ctx, &request.product).await?);
        };
        let locked = request.locked.as_deref();
        let meant = self.meant_by(&request.product, product, locked).await;
        if locked.is_some() {
            // What a pin meant is no answer for whoever may only guess.
            self.check_pins(ctx, product).await?;
        }
        let Meant { derivation, prepared, references, inputs, snapshot } = meant?;
        if locked.is_some() {
            let ladder = in_force.declared.ladder();
            for input in &inputs {
                self.check_reached(&request.product, product, &ladder, input).await?;
            }
        }
        self.check_owner(&request.product, product, &references, &in_force).await?;
        if product.served == Served::Live {
            self.check_depth(&request.product, &inputs).await?;
        }
        let tables = self.bind_all(&prepared, &inputs).await?;
        let product = product.clone();
        Ok(Plan { product, derivation, inputs, tables, snapshot, in_force })
    }

    /// What the references of a product mean now, or by `locked`.
    pub(crate) async fn meant_by(
        &self,
        name: &DatasetName,
        product: &Product,
        locked: Option<&[LockedInput]>,
    ) -> Result<Meant> {
        let prepared = self.inner.engine.prepare(&product.sql)?;
        check_statement(&prepared.kind, prepared.system.is_empty())?;
        let references = references_of(&prepared);
        let pinned = match locked {
            None => references.clone(),
            Some(locked) => pinned(name, product, &references, locked)?,
        };
        let found = self.find_at(&pinned, &product.input_stage).await?;
        // Only what is missing asks what is declared.
        let known = match found.versions.iter().any(std::result::Result::is_err) {
            true => Some(self.in_force().await?),
            false => None,
        };
        let found = self.describe(&pinned, found, |reference, outcome| {
            let error = known.as_ref().and_then(|known| unbuilt(known, reference, outcome));
            error.map_or(Ok(()), Err)
        })?;
        let (snapshot, mut inputs) = (found.snapshot, found.versions);
        for (reference, input) in references.iter().zip(&mut inputs) {
            input.reference = reference.clone();
        }
        let from = inputs.iter().map(|input| DerivedFrom {
            reference: input.reference.clone(),
            version_id: input.version.version_id,
        });
        let derivation = Derivation::of(product, from.collect());
        Ok(Meant { derivation, prepared, references, inputs, snapshot })
    }

    /// Refuses whoever pins what they may not read all of, whatever they pin it to: which versions there
    /// are is data.
    async fn check_pins(&self, ctx: &Ctx, product: &Product) -> Result<()> {
        let rights = self.rights(ctx).await?;
        for TableRef { reference, .. } in self.inner.engine.prepare(&product.sql)?.references {
            check_reads(&rights, &reference.dataset).map_err(|refusal| match refusal {
                access::Refusal::Forbidden(denied) => forbidden(&denied),
                access::Refusal::Restricted(dataset) => restricted(&dataset),
                access::Refusal::Hidden(why) => not_found(&reference, &why),
            })?;
        }
        Ok(())
    }

    /// Refuses a pin that the reference can never have meant: a version of another number, or one that
    /// never came to the stage at which the product reads.
    async fn check_reached(
        &self,
        name: &DatasetName,
        product: &Product,
        ladder: &Ladder,
        input: &ResolvedVersion,
    ) -> Result<()> {
        let (reference, version) = (meant_reference(product, &input.reference), &input.version);
        let stage = match &reference.selector {
            Selector::Stage(stage) => stage,
            Selector::Number(number) if *number != version.number => {
                return Err(Error::Invalid {
                    code: "not-locked",
                    message: format!("the lock pins `{reference}` to v{}", version.number),
                    hint: Some(format!("`lakebed lock {reference}` pins what it means")),
                });
            }
            _ => return Ok(()),
        };
        let needed = ladder.position(stage);
        let catalog = &self.inner.catalog;
        let found = catalog.find_reached(&version.dataset, version.version_id).await?;
        let reached = found.iter().flat_map(|found| &found.reached);
        let highest = reached.filter_map(|stage| ladder.position(stage)).max().unwrap_or_default();
        match needed.is_some_and(|needed| highest >= needed) {
            true => Ok(()),
            false => Err(Error::Invalid {
                code: "stage-not-reached",
                message: format!(
                    "the lock pins `{}` to v{}, which never came to `{stage}`: `{name}` is made of \
                     what did",
                    input.reference, version.number
                ),
                hint: Some(format!("`lakebed lock {reference}` pins what it means")),
            }),
        }
    }

    /// The tables of a statement, all of each: `inputs` are what its references mean.
    pub(crate) async fn bind_all(
        &self,
        prepared: &Prepared,
        inputs: &[ResolvedVersion],
    ) -> Result<Vec<BoundTable>> {
        let mut tables = Vec::new();
        for TableRef { reference, part } in &prepared.references {
            for input in inputs.iter().filter(|input| input.reference == *reference) {
                tables.push(self.bind_whole(input, *part).await?);
            }
        }
        Ok(tables)
    }

    /// The error for whoever may ingest into something that is no product.
    pub(crate) async fn no_product(&self, ctx: &Ctx, dataset: &DatasetName) -> Result<Error> {
        Ok(match self.rights(ctx).await?.discovers(dataset) {
            false => no_dataset(dataset),
            true => Error::NotFound {
                message: format!("`{dataset}` is not declared as a product"),
                hint: Some("declare it in `catalog/products/`, and apply that".to_owned()),
            },
        })
    }

    /// The owner must see all of what the product is made of: what others do not see of it is kept
    /// from them where they read the product.
    pub(crate) async fn check_owner(
        &self,
        dataset: &DatasetName,
        product: &Product,
        references: &[DatasetRef],
        in_force: &InForce,
    ) -> Result<()> {
        let owner = Identity::of(product.owner.clone());
        let rights = Rights::of(&owner, &in_force.declared, self.inner.clock.now());
        let rights = match rights.is_restricted_somewhere() {
            true => rights.with_derivations(&self.inner.catalog.derivations().await?),
            false => rights,
        };
        let is_kept = |reference: &&DatasetRef| !rights.reads(&reference.dataset);
        match references.iter().find(is_kept) {
            None => Ok(()),
            Some(reference) => Err(Error::Invalid {
                code: OWNER_MAY_NOT_READ,
                message: format!(
                    "`{dataset}` cannot be built: its owner `{}` may not read all of `{}`",
                    product.owner, reference.dataset
                ),
                hint: Some("grant it to the owner, or declare another one".to_owned()),
            }),
        }
    }

    /// The version that this very build made before: the newest, or the one under the same key.
    async fn built_before(&self, ctx: &Ctx, product: &DatasetName, plan: &Plan) -> Result<Found> {
        if let Some(key) = &ctx.idempotency_key {
            let events = self.inner.catalog.find_commit(ctx.actor(), key).await?;
            let made = events.iter().find_map(|event| match &event.body {
                EventBody::VersionCommitted(version) => Some((event.seq, version)),
                _ => None,
            });
            match made {
                Some((seq, made)) if made.dataset == *product => {
                    self.inner.journal.publish_through(seq).await?;
                    let version = record_of(self, product, made.number).await?;
                    let outcome = self.unchanged(ctx, version).await?;
                    let outcome = IngestOutcome { status: IngestStatus::Committed, ..outcome };
                    return Ok(Found::Made(Box::new(outcome)));
                }
                None if events.is_empty() => {}
                _ => return Err(key_reused()),
            }
        }
        let request = ingest_of(product, PathBuf::new(), DecodeOptions::default());
        let target = self.ingest_target(ctx, &request).await?;
        match &target.newest {
            Some((newest, _)) if plan.is_made_by(product, newest, &target) => {
                let made = self.unchanged(ctx, newest.clone()).await?;
                Ok(Found::Made(Box::new(made)))
            }
            _ => Ok(Found::Not(Box::new(target))),
        }
    }

    /// Makes the version that comes after what `target` was before anything was computed: who else
    /// made one meanwhile was first.
    async fn build_once(
        &self,
        ctx: &Ctx,
        product: &DatasetName,
        plan: &Plan,
        target: &Target,
        meter: &Arc<Meter>,
    ) -> Result<IngestOutcome> {
        let folder = tempfile::Builder::new()
            .prefix("build-")
            .tempdir_in(self.inner.store.scratch_dir())
            .map_err(|error| Error::io(self.inner.store.scratch_dir(), error))?;
        let answer = folder.path().join(ANSWER);
        let lineage = match plan.product.served {
            Served::Materialized => {
                self.compute(ctx, &plan.computation(), meter, answer.clone()).await?
            }
            Served::Live => self.describe_rows(&plan.computation(), answer.clone()).await?,
        };
        let options =
            DecodeOptions { format: Some(FormatName::Parquet), ..DecodeOptions::default() };
        let mut request = ingest_of(product, answer, options);
        if target.promise.as_ref().is_none_or(|promise| promise.contract.max_quarantined.is_none())
        {
            // Nobody corrects a row of a product: it is its statement that is wrong.
            request.options.max_quarantined = Some(0.0);
        }
        let mut sources = Sources::identify(self, ctx, &request, meter).await?;
        sources.stage(self, meter).await?;
        let computed = Computed {
            derivation: plan.derivation.clone(),
            inputs: inputs_of(&plan.inputs),
            lineage,
            live: plan.product.served == Served::Live,
        };
        let mut attempt = Attempt::new(self, ctx, &request, meter).computed(&computed);
        match attempt.make_version(target, &mut sources).await {
            Err(Error::Refused { code, message, hint, event }) => {
                let rules = self.broken_rules(event, folder.path()).await;
                let message = format!("{}{rules}", of_the_answer(&message));
                let hint = refused_hint(code, hint, event);
                Err(of_product(product, Error::Refused { code, message, hint, event }))
            }
            made => made,
        }
    }

    /// The rules that a refused answer breaks, as its rows that were set aside say; nothing where none
    /// can be read. A place in `folder` is used.
    async fn broken_rules(&self, event: u64, folder: &Path) -> String {
        match self.count_rules(event, folder.join("refused")).await {
            Ok(rules) if rules.is_empty() => String::new(),
            Ok(rules) => {
                let rules: Vec<String> =
                    rules.iter().map(|(rule, rows)| format!("`{rule}` {rows}")).collect();
                format!("; by rule: {}", some_of(&rules))
            }
            Err(error) => {
                tracing::debug!(%error, event, "rows that were set aside could not be looked at");
                String::new()
            }
        }
    }

    async fn count_rules(&self, event: u64, path: PathBuf) -> Result<BTreeMap<String, u64>> {
        let events = self.inner.catalog.events(event.saturating_sub(1), 1).await?;
        let file = events.into_iter().find_map(|event| match event.body {
            EventBody::IngestRefused(refused) => refused.quarantine.into_iter().next(),
            _ => None,
        });
        let Some(file) = file.filter(|file| file.object.size_bytes <= MOST_LOOKED_AT) else {
            return Ok(BTreeMap::new());
        };
        let bytes = self.inner.store.get(&file.object).await?;
        let count = move || {
            std::fs::write(&path, &bytes).map_err(|error| Error::io(&path, error))?;
            let mut rules = BTreeMap::new();
            for row in QuarantineReader::open(&path).map_err(Error::internal)? {
                for reason in row.map_err(Error::internal)?.reasons {
                    if !reason.rule.is_empty() {
                        *rules.entry(reason.rule).or_default() += 1;
                    }
                }
            }
            Ok(rules)
        };
        blocking(count).await
    }

    /// Runs the statement and writes its rows to `answer`; says what its columns are made of. It is on
    /// record like everybody's.
    pub(crate) async fn compute(
        &self,
        ctx: &Ctx,
        what: &Computation,
        meter: &Arc<Meter>,
        answer: PathBuf,
    ) -> Result<Lineage> {
        meter.begin("computing", None);
        let (sql, parameters) = (what.derivation.sql.clone(), Parameters::default());
        let asked = Asked::Statement { sql, parameters };
        let mut reading = Reading::begin(&self.inner.reads, ctx, asked)?;
        let now = self.inner.clock.now();
        reading.about(|intent| {
            intent.snapshot_seq = what.snapshot_seq;
            intent.versions = what.inputs.iter().map(ReadVersion::whole).collect();
            intent.policy = what.policy;
            intent.now = Some(now);
        });
        let job = what.job(now);
        let run = meter.unless_cancelled(async {
            let described = self.inner.engine.lineage(job.clone()).await?;
            let stream = self.inner.engine.run(job, &self.inner.store).await?;
            Ok((described.lineage, stream))
        });
        let (lineage, stream) = match futures::try_join!(run, reading.intend()) {
            Ok(((lineage, stream), ())) => (lineage, reading.follow(stream)),
            Err(error) => {
                reading.refused(&error).await;
                return Err(error);
            }
        };
        let (schema, mut batches) = (stream.schema, stream.batches);
        let created = blocking(move || Ok(ComputedRows::create(&answer, schema))).await?;
        let mut rows = created.map_err(no_answer)?;
        // Rows may be long in coming: whoever does not wait for them any more ends the statement.
        let mut next =
            async || meter.unless_cancelled(async { Ok(batches.next().await.transpose()?) }).await;
        while let Some(batch) = next().await? {
            meter.add_rows(batch.num_rows() as u64);
            let written = blocking(move || {
                let written = rows.write(&batch);
                Ok(written.map(|()| rows))
            });
            rows = written.await?.map_err(not_the_source)?;
        }
        blocking(move || Ok(rows.finish())).await?.map_err(not_the_source)?;
        Ok(lineage)
    }

    /// Writes the columns that the rows would have to `answer`, and no row; says what they are made of.
    /// The statement is checked as if it were run.
    async fn describe_rows(&self, what: &Computation, answer: PathBuf) -> Result<Lineage> {
        let job = what.job(self.inner.clock.now());
        let lineage = self.inner.engine.lineage(job.clone()).await?.lineage;
        let schema = self.inner.engine.run(job, &self.inner.store).await?.schema;
        let written = blocking(move || {
            Ok(ComputedRows::create(&answer, schema).and_then(ComputedRows::finish))
        });
        written.await?.map_err(no_answer)?;
        Ok(lineage)
    }

    /// Puts on record that a build failed, where it is the statement or what it reads that is to blame:
    /// an event like that of an ingest that is refused, without a word of the data.
    async fn put_failure(
        &self,
        ctx: &Ctx,
        product: &DatasetName,
        plan: &Plan,
        error: &Error,
    ) -> Result<()> {
        let is_told = match error {
            Error::Engine(engine) => {
                !matches!(engine, EngineError::Internal { .. } | EngineError::Store(_))
            }
            Error::Invalid { .. } | Error::NotComputed { .. } => true,
            _ => false,
        };
        if !is_told {
            return Ok(());
        }
        let inputs: BTreeSet<InputVersion> = inputs_of(&plan.inputs).into_iter().collect();
        let body = EventBody::IngestRefused(IngestRefused {
            dataset: product.clone(),
            sources: Vec::new(),
            derived_from: inputs.into_iter().collect(),
            code: error.code().to_owned(),
            message: NOT_COMPUTED.to_owned(),
            quarantine: Vec::new(),
            objects: Vec::new(),
        });
        let granted = self.authorize_ingest(ctx, product).await?;
        let commit = Commit {
            actor: granted.principal().to_string(),
            at: self.inner.clock.now(),
            idempotency_key: None,
            changes: vec![body],
        };
        let committed = self.inner.catalog.commit(commit).await?;
        self.inner.journal.publish_through(committed.last_seq()).await
    }

    async fn seen_inputs(
        &self,
        ctx: &Ctx,
        mut inputs: Vec<ResolvedVersion>,
    ) -> Result<Vec<ResolvedVersion>> {
        let rights = self.rights(ctx).await?;
        inputs.retain(|input| rights.discovers(&input.version.dataset));
        for input in &mut inputs {
            input.is_readable = rights.reads(&input.version.dataset);
        }
        Ok(inputs)
    }

    /// What the asker is told of a build that could not even be planned: what is wrong with the inputs
    /// is for those who may read them, and that the owner may not read them for the owner, too.
    async fn told_of_plan(&self, ctx: &Ctx, request: &BuildRequest, error: Error) -> Result<Error> {
        match error {
            Error::Engine(EngineError::Internal { .. } | EngineError::Exhausted { .. }) => {
                return Ok(error);
            }
            Error::Engine(_)
            | Error::Invalid { .. }
            | Error::NotComputed { .. }
            | Error::NotFound { .. }
            | Error::Corrupt { .. }
            | Error::Stopped { .. }
            | Error::Conflict { .. } => {}
            _ => return Ok(error),
        }
        let in_force = self.in_force().await?;
        let Some(product) = in_force.declared.products.get(&request.product) else {
            return Ok(error);
        };
        let rights = self.rights(ctx).await?;
        let is_owner = error.code() == OWNER_MAY_NOT_READ && product.owner.as_str() == ctx.actor();
        if is_owner || self.sees_below(&rights, product, &in_force) {
            return Ok(of_product(&request.product, error));
        }
        Ok(match error {
            // Refused by name alone, before anything else was said.
            Error::NotFound { .. } if request.locked.is_some() => error,
            Error::Corrupt { .. } | Error::Stopped { .. } => Error::internal(error),
            Error::Conflict { .. } => {
                Error::Conflict { message: format!("`{}` moved again and again", request.product) }
            }
            _ => not_computed(&request.product),
        })
    }

    /// What the asker is told of an error: messages of the engine may hold values of inputs, and these
    /// are for those who may read them, however far below.
    async fn told_to(
        &self,
        ctx: &Ctx,
        product: &DatasetName,
        plan: &Plan,
        error: Error,
    ) -> Result<Error> {
        let Error::Engine(engine) = &error else { return Ok(error) };
        if matches!(engine, EngineError::Internal { .. } | EngineError::Exhausted { .. }) {
            return Ok(error);
        }
        match sees_all(&self.rights(ctx).await?, &plan.tables) {
            true => Ok(error),
            false => Ok(not_computed(product)),
        }
    }
}

/// What is said of a build that failed to those who may not know more.
fn not_computed(product: &DatasetName) -> Error {
    Error::Invalid {
        code: "build-failed",
        message: format!("`{product}` was not built: {NOT_COMPUTED}"),
        hint: Some("whoever may read all that it is made of is told why".to_owned()),
    }
}

/// What is wrong with an answer, which is no file: its rows have numbers, and lie on no line.
fn of_the_answer(message: &str) -> String {
    match message.contains(&format!(" of `{ANSWER}`")) {
        true => message
            .replace("the first on line ", "the first is row ")
            .replace(&format!(" of `{ANSWER}`"), " of the answer"),
        false => message.to_owned(),
    }
}

/// What to do about a refused answer: there is no source to mend, and no option to read it by.
fn refused_hint(code: &str, hint: Option<String>, event: u64) -> Option<String> {
    let hint = match code {
        Refusal::TOO_MANY_QUARANTINED | Refusal::ALL_QUARANTINED => format!(
            "`lakebed quarantine --event {event} --sample 3` shows such rows; correct the statement, or \
             let the contract take some (`maxQuarantined`)"
        ),
        Refusal::CRITICAL_RULE => format!(
            "`lakebed quarantine --event {event} --sample 3` shows such rows; correct the statement, or \
             make the rule an error and let the contract take some (`maxQuarantined`)"
        ),
        Refusal::CONTRACT_UNFIT => match hint {
            Some(hint) if !hint.contains("the file is kept") => hint,
            _ => "correct the contract, or the statement".to_owned(),
        },
        _ if hint.as_ref().is_some_and(|hint| hint.contains("where the file is made")) => {
            "cast it in the statement".to_owned()
        }
        _ => return hint,
    };
    Some(hint)
}

/// What went wrong, by the name of the product: several may be built at once.
fn of_product(product: &DatasetName, error: Error) -> Error {
    let of = |message: String| match message.contains(&format!("`{product}`")) {
        true => message,
        false => format!("`{product}` was not built: {message}"),
    };
    match error {
        Error::Engine(EngineError::Invalid { message, hint }) => {
            Error::Engine(EngineError::Invalid { message: of(message), hint })
        }
        Error::Engine(EngineError::NotAllowed { message, hint }) => {
            Error::Engine(EngineError::NotAllowed { message: of(message), hint })
        }
        Error::Engine(EngineError::Failed { message }) => {
            Error::Engine(EngineError::Failed { message: of(message) })
        }
        Error::Engine(EngineError::Exhausted { message }) => {
            Error::Engine(EngineError::Exhausted { message: of(message) })
        }
        Error::Invalid { code, message, hint } => {
            Error::Invalid { code, message: of(message), hint }
        }
        Error::Refused { code, message, hint, event } => {
            Error::Refused { code, message: of(message), hint, event }
        }
        Error::NotComputed { message, hint } => Error::NotComputed { message: of(message), hint },
        Error::NotFound { message, hint } => Error::NotFound { message: of(message), hint },
        other => other,
    }
}

/// What a statement refers to, without repetitions, in the order of first appearance.
pub(crate) fn references_of(prepared: &Prepared) -> Vec<DatasetRef> {
    let mut references: Vec<DatasetRef> = Vec::new();
    for TableRef { reference, .. } in &prepared.references {
        if !references.contains(reference) {
            references.push(reference.clone());
        }
    }
    references
}

/// Declared products, and the datasets that each names.
type MadeOf<'a> = BTreeMap<&'a DatasetName, BTreeSet<DatasetName>>;

/// Whether `product` is made of `input`, directly or by way of others.
fn reaches(made_of: &MadeOf<'_>, product: &DatasetName, input: &DatasetName) -> bool {
    let (mut seen, mut next) = (BTreeSet::new(), vec![product]);
    while let Some(name) = next.pop() {
        for found in made_of.get(name).into_iter().flatten() {
            if found == input {
                return true;
            }
            if seen.insert(found) {
                next.push(found);
            }
        }
    }
    false
}

/// What a change takes away that its version does not say.
fn broken_promise(change: &ContractChange) -> Option<String> {
    if change.after.is_none() {
        return Some("goes, and with it all that it promised".to_owned());
    }
    let flaw = change.version_flaw.as_ref()?;
    let breaking = change.change.as_ref().filter(|change| change.level == Level::Major)?;
    let reasons = breaking.reasons.iter().filter(|reason| reason.level == Level::Major);
    let reasons: Vec<String> =
        reasons.map(|reason| format!("`{}` {}", reason.element, reason.what)).collect();
    Some(format!("breaks a promise ({}): {flaw}", reasons.join("; ")))
}

/// Those who would notice, in a few words.
fn told_of(noticed: &ImpactAnswer) -> String {
    let ImpactAnswer { products, locks, readers, .. } = noticed;
    let products = products.iter().map(|found| format!("`{}`", found.product));
    let locks = locks.iter().map(|lock| format!("`{}` of `{}`", lock.name, lock.actor));
    let readers = readers.iter().flatten().map(|reader| format!("`{}`", reader.principal));
    let parts = [
        ("made of it are", products.collect::<Vec<_>>()),
        ("locks that name it are", locks.collect()),
        ("it was read in the last 90 days by", readers.collect()),
    ];
    let told = parts.iter().filter(|(_, names)| !names.is_empty());
    let told: Vec<String> =
        told.map(|(what, names)| format!("{what} {}", some_of(names))).collect();
    match told.is_empty() {
        true => "no product is made of it, but others may read it".to_owned(),
        false => told.join("; "),
    }
}

/// The first of these names.
fn some_of(names: &[String]) -> String {
    const MOST: usize = 10;
    match names.len().checked_sub(MOST) {
        None | Some(0) => names.join(", "),
        Some(more) => format!("{} and {more} more", names[..MOST].join(", ")),
    }
}

/// Products are made by one query over references.
pub(crate) fn check_statement(kind: &StatementKind, reads_no_system: bool) -> Result<()> {
    let why = match (kind, reads_no_system) {
        (StatementKind::Query, true) => return Ok(()),
        (StatementKind::Query, false) => "tables of the system are no input of a product",
        _ => "a product is made by a query",
    };
    Err(Error::Invalid {
        code: "invalid-product",
        message: why.to_owned(),
        hint: Some("write `SELECT … FROM namespace.dataset …`".to_owned()),
    })
}

/// What the references mean by a lock, which has to speak of all of them.
fn pinned(
    name: &DatasetName,
    product: &Product,
    references: &[DatasetRef],
    locked: &[LockedInput],
) -> Result<Vec<DatasetRef>> {
    let by_reference: BTreeMap<String, &LockedInput> =
        locked.iter().map(|input| (input.reference.to_string(), input)).collect();
    let pin = |reference: &DatasetRef| {
        // A lock that says at which stage is about what the product reads, whatever else it pins.
        let meant = meant_reference(product, reference);
        let input = by_reference.get(&meant.to_string());
        match input.or_else(|| by_reference.get(&reference.to_string())) {
            Some(input) => {
                let digest = input.version_id.object().to_string();
                let selector = Selector::Digest(digest);
                Ok(DatasetRef { dataset: reference.dataset.clone(), selector })
            }
            None => Err(Error::Invalid {
                code: "not-locked",
                message: format!("`{name}` reads `{meant}`, which the lock does not pin"),
                hint: Some(format!("`lakebed lock {meant}` adds it")),
            }),
        }
    };
    references.iter().map(pin).collect()
}

/// The same reference, which says at which stage a product reads what it names.
fn meant_reference(product: &Product, reference: &DatasetRef) -> DatasetRef {
    let mut meant = reference.clone();
    if meant.selector == Selector::Default && product.input_stage != StageName::raw() {
        meant.selector = Selector::Stage(product.input_stage.clone());
    }
    meant
}

fn inputs_of(inputs: &[ResolvedVersion]) -> Vec<InputVersion> {
    let input = |input: &ResolvedVersion| InputVersion {
        dataset: input.version.dataset.clone(),
        version_id: input.version.version_id,
    };
    inputs.iter().map(input).collect()
}

impl Plan {
    /// What a build of it is known by.
    pub(crate) fn key(&self, name: &DatasetName, target: &Target) -> IngestKey {
        IngestKey::of_build(name, self.derivation.digest(), target.key())
    }

    /// Whether `version` is what a build would make. Rows that are in files are as good as those that
    /// would be computed.
    fn is_made_by(&self, name: &DatasetName, version: &VersionRecord, target: &Target) -> bool {
        let live = IngestKey::of_live(name, self.derivation.digest(), target.key());
        version.ingest_key == self.key(name, target)
            || (self.product.served == Served::Live && version.ingest_key == live)
    }
}

/// The ingest of an answer.
pub(crate) fn ingest_of(
    product: &DatasetName,
    answer: PathBuf,
    options: DecodeOptions,
) -> IngestRequest {
    IngestRequest {
        dataset: product.clone(),
        mode: IngestMode::Replace,
        again: None,
        repairs: None,
        sources: vec![SourceInput::Path { name: ANSWER.to_owned(), path: answer }],
        options,
    }
}

/// An answer that cannot be written: columns that no file holds are for the statement to mend.
fn no_answer(refusal: Refusal) -> Error {
    match refusal.is_about_the_source() {
        false => not_the_source(refusal),
        true => Error::Invalid { code: refusal.code, message: refusal.message, hint: refusal.hint },
    }
}

//! Who would notice: the products, the registered locks and the readers of a dataset, or of one of its
//! columns.
//!
//! What the asker may not know of is left out, and so is what lies behind it: see `lineage`. Which product
//! reads what is told to those whom its statement is told, or who may query what it made.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use lakebed_core::{
    Action, DatasetName, Declared, Product, Target, Timestamp, VersionId,
    lineage::{Input, Lineage},
};
use lakebed_govern::Rights;

use crate::{
    Ctx, Error, Lake, Result, VersionRecord,
    build::references_of,
    engine::{EngineError, FixedOrder, QueryJob},
    lineage::{Columns, Direction, ExternalNode, Sees, no_column},
    reads::{Asked, ReadBody, ReadEnding, ReadIntent, StoredRead},
};

/// How far back readers are told.
pub(crate) const READ_DAYS: i64 = 90;
const DAY_MICROS: i64 = 86_400_000_000;

/// Who would notice a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImpactAnswer {
    /// The products, by name.
    pub products: Vec<ImpactProduct>,
    /// What people registered that they count on: all of it for whoever may `ingest` into the dataset, is
    /// its steward or may `audit` the lake; else the asker's own.
    pub locks: Vec<ImpactLock>,
    /// Whether that is all of them.
    pub all_locks: bool,
    /// Who read it in the last 90 days, the last one first; told to whoever may `audit` the lake.
    pub readers: Option<Vec<ImpactReader>>,
    /// What pipelines elsewhere say they made of it.
    pub external: Vec<ExternalNode>,
}

/// A product that would be another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImpactProduct {
    /// Its name.
    pub product: DatasetName,
    /// Who answers for it; none where it is declared no more.
    pub owner: Option<String>,
    /// How many steps it is away.
    pub steps: usize,
    /// Whether its statement reads it, as it is declared now.
    pub is_declared: bool,
    /// Its newest version that was built from it.
    pub built: Option<u64>,
    /// The columns that would change; nothing where no column was asked for.
    pub columns: BTreeSet<String>,
    /// Whether it would have other rows.
    pub other_rows: bool,
    /// Whether nothing is noted of its columns, as of what a program made: anything in it can change.
    pub anything: bool,
    /// Whether its statement cannot be computed any more of what is there now.
    pub is_broken: bool,
}

/// A lock that names a version of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImpactLock {
    /// Who registered it.
    pub actor: String,
    /// What they call it.
    pub name: String,
    /// When.
    pub at: Timestamp,
    /// Which versions it names.
    pub versions: Vec<u64>,
}

/// Somebody who read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImpactReader {
    /// Who.
    pub principal: String,
    /// How often.
    pub reads: u64,
    /// When they did last.
    pub last_at: Timestamp,
}

/// What of a dataset would be another.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Changed {
    All,
    Columns(BTreeSet<String>),
}

impl Changed {
    fn has(&self, column: &str) -> bool {
        match self {
            Self::All => true,
            Self::Columns(columns) => columns.contains(column),
        }
    }
}

/// What a change does to an answer.
#[derive(Debug, Default)]
struct Effect {
    columns: BTreeSet<String>,
    other_rows: bool,
    anything: bool,
}

impl Effect {
    fn is_none(&self) -> bool {
        self.columns.is_empty() && !self.other_rows && !self.anything
    }

    /// Other rows are other values in all columns.
    fn changed(&self, before: &Changed) -> Changed {
        match before {
            Changed::Columns(_) if !self.other_rows && !self.anything => {
                Changed::Columns(self.columns.clone())
            }
            _ => Changed::All,
        }
    }
}

/// Products as they are declared, and of which of them may be told.
#[derive(Clone, Copy)]
struct Declarations<'a> {
    declared: &'a Declared,
    knows: &'a (dyn Fn(&Rights, &DatasetName, &Product) -> bool + Sync),
}

/// A dataset that reads another.
struct Consumer {
    declared: Option<Product>,
    built: Option<VersionRecord>,
    /// What it is made of, as it is declared and as its newest version was made; none where nothing is
    /// noted, and so everything has to do with everything.
    lineages: Vec<Option<Arc<Lineage>>>,
    /// Whether it cannot be computed as it is declared.
    is_broken: bool,
}

impl Lake {
    /// Who would notice a change of `dataset`, or of one column of it.
    ///
    /// # Errors
    /// [`crate::Error::NotFound`], also where it may not be discovered, and for a column that is not there
    /// for the asker.
    pub async fn impact(
        &self,
        ctx: &Ctx,
        dataset: &DatasetName,
        column: Option<&str>,
    ) -> Result<ImpactAnswer> {
        let record = self.dataset(ctx, dataset).await?.record;
        let mut sees = Sees::of(self, ctx).await?;
        let in_force = self.in_force().await?;
        if let Some(column) = column {
            let is_there = match &record.newest {
                Some(newest) => sees.has(newest, column).await?,
                None => false,
            };
            if !is_there {
                return Err(no_column(dataset, column));
            }
        }
        let knows = |rights: &Rights, name: &DatasetName, product: &Product| {
            rights.discovers(name) && self.is_told(rights, name, product)
        };
        let declarations = Declarations { declared: &in_force.declared, knows: &knows };
        let noticed = self.who_notices(ctx, &mut sees, declarations, dataset, column).await?;
        let external = self.external(ctx, dataset, Direction::Down).await?;
        Ok(ImpactAnswer { external, ..noticed })
    }

    /// Who would notice that a promise about `dataset` is broken, once `after` is declared: its
    /// products are known to whoever declares them.
    ///
    /// # Errors
    /// When the catalog or the store cannot be read.
    pub(crate) async fn who_notices_promise(
        &self,
        ctx: &Ctx,
        after: &Declared,
        dataset: &DatasetName,
    ) -> Result<ImpactAnswer> {
        let mut sees = Sees::of(self, ctx).await?;
        let declarations = Declarations { declared: after, knows: &|_, _, _| true };
        self.who_notices(ctx, &mut sees, declarations, dataset, None).await
    }

    async fn who_notices(
        &self,
        ctx: &Ctx,
        sees: &mut Sees<'_>,
        declarations: Declarations<'_>,
        dataset: &DatasetName,
        column: Option<&str>,
    ) -> Result<ImpactAnswer> {
        let changed = match column {
            Some(column) => Changed::Columns(BTreeSet::from([column.to_owned()])),
            None => Changed::All,
        };
        let products = self.products_of(sees, declarations, dataset, changed).await?;
        let audits = sees.rights.allows(Action::Audit, &Target::Lake);
        let on = Target::Dataset(dataset.clone());
        let all_locks = audits
            || sees.rights.allows(Action::Ingest, &on)
            || sees.rights.allows(Action::Steward, &on);
        let locks = self.locks_of(ctx, dataset, all_locks).await?;
        let readers = match audits {
            true => Some(readers_of(&self.recent_reads().await?, dataset, column)),
            false => None,
        };
        Ok(ImpactAnswer { products, locks, all_locks, readers, external: Vec::new() })
    }

    async fn products_of(
        &self,
        sees: &mut Sees<'_>,
        declarations: Declarations<'_>,
        dataset: &DatasetName,
        changed: Changed,
    ) -> Result<Vec<ImpactProduct>> {
        let built_from = self.inner.catalog.derivations().await?;
        let is_about_columns = changed != Changed::All;
        let mut found: BTreeMap<DatasetName, ImpactProduct> = BTreeMap::new();
        let mut known: BTreeMap<DatasetName, Changed> = BTreeMap::new();
        let mut analysed = BTreeMap::new();
        let mut next = VecDeque::from([(dataset.clone(), changed, 0)]);
        while let Some((input, changed, steps)) = next.pop_front() {
            let consumers =
                self.consumers(sees, declarations, &built_from, &input, &mut analysed).await?;
            for (name, consumer) in consumers {
                let seen = match &consumer.built {
                    Some(built) => sees.columns(built).await?,
                    None => Columns::All,
                };
                let effect = effect(&consumer, &input, &changed, &seen);
                let is_told = !is_about_columns || !effect.is_none() || consumer.is_broken;
                if name == *dataset || !is_told {
                    continue;
                }
                let told = found.entry(name.clone()).or_insert_with(|| ImpactProduct {
                    product: name.clone(),
                    owner: consumer.declared.as_ref().map(|product| product.owner.to_string()),
                    steps: steps + 1,
                    is_declared: false,
                    built: None,
                    columns: BTreeSet::new(),
                    other_rows: false,
                    anything: false,
                    is_broken: false,
                });
                told.is_broken |= consumer.is_broken;
                told.is_declared |= consumer.declared.is_some();
                told.built = told.built.max(consumer.built.as_ref().map(|built| built.number));
                if is_about_columns {
                    told.columns.extend(effect.columns.iter().cloned());
                    told.other_rows |= effect.other_rows;
                    told.anything |= effect.anything;
                }
                let after = effect.changed(&changed);
                if is_more(&mut known, &name, &after) {
                    next.push_back((name, after, steps + 1));
                }
            }
        }
        Ok(found.into_values().collect())
    }

    /// What reads `input`, as far as that may be told. `analysed` are the lineages that are known already.
    async fn consumers(
        &self,
        sees: &Sees<'_>,
        Declarations { declared, knows }: Declarations<'_>,
        built_from: &[(DatasetName, DatasetName)],
        input: &DatasetName,
        analysed: &mut BTreeMap<DatasetName, Option<Arc<Lineage>>>,
    ) -> Result<BTreeMap<DatasetName, Consumer>> {
        let mut consumers: BTreeMap<DatasetName, Consumer> = BTreeMap::new();
        for (name, product) in &declared.products {
            if knows(&sees.rights, name, product) && self.reads_dataset(product, input) {
                // What cannot be computed shows nobody anything else: what was built of it may.
                let lineage = match analysed.get(name) {
                    Some(lineage) => lineage.clone(),
                    None => {
                        let lineage = self.declared_lineage(product).await?;
                        analysed.insert(name.clone(), lineage.clone());
                        lineage
                    }
                };
                consumers.insert(
                    name.clone(),
                    Consumer {
                        declared: Some(product.clone()),
                        built: None,
                        is_broken: lineage.is_none(),
                        lineages: lineage.into_iter().map(Some).collect(),
                    },
                );
            }
        }
        let of_input = built_from.iter().filter(|(_, from)| from == input);
        for (name, _) in of_input.filter(|(name, _)| sees.rights.queries(name)) {
            let Some(built) = self.newest_built_from(name, input).await? else { continue };
            let lineage = sees.lineage(&built).await?;
            let consumer = consumers.entry(name.clone()).or_insert_with(|| Consumer {
                declared: None,
                built: None,
                lineages: Vec::new(),
                is_broken: false,
            });
            consumer.lineages.push(lineage);
            consumer.built = Some(built);
        }
        Ok(consumers)
    }

    fn reads_dataset(&self, product: &Product, input: &DatasetName) -> bool {
        let prepared = self.inner.engine.prepare(&product.sql);
        prepared.is_ok_and(|prepared| {
            prepared.references.iter().any(|table| table.reference.dataset == *input)
        })
    }

    /// What a statement would be made of now; none where it cannot be computed of what is there. It is
    /// planned, and no row is read.
    pub(crate) async fn declared_lineage(&self, product: &Product) -> Result<Option<Arc<Lineage>>> {
        match self.analyse(product).await {
            Ok(lineage) => Ok(Some(Arc::new(lineage))),
            Err(error) if is_unavailable(&error) => Err(error),
            Err(error) => {
                tracing::debug!(%error, "a product cannot be computed");
                Ok(None)
            }
        }
    }

    /// What the columns of a product would be made of, if it were built now.
    ///
    /// # Errors
    /// As it would be refused.
    pub(crate) async fn analyse(&self, product: &Product) -> Result<Lineage> {
        let prepared = self.inner.engine.prepare(&product.sql)?;
        let references = references_of(&prepared);
        let found = self.resolve_at(&references, &product.input_stage).await?;
        let tables = self.bind_all(&prepared, &found.versions).await?;
        let job = QueryJob {
            fixed: Some(FixedOrder { by: product.order_by.clone() }),
            ..QueryJob::over(tables, &product.sql, self.inner.clock.now())
        };
        Ok(self.inner.engine.lineage(job).await?.lineage)
    }

    /// The newest version of `name`, if it was computed from any version of `input`.
    async fn newest_built_from(
        &self,
        name: &DatasetName,
        input: &DatasetName,
    ) -> Result<Option<VersionRecord>> {
        let catalog = &self.inner.catalog;
        let found = catalog.find_dataset(name).await?;
        let Some(newest) = found.and_then(|found| found.newest) else { return Ok(None) };
        let inputs = catalog.version_inputs(name, newest.number).await?;
        Ok(inputs.iter().any(|version| version.dataset == *input).then_some(newest))
    }

    async fn locks_of(
        &self,
        ctx: &Ctx,
        dataset: &DatasetName,
        all: bool,
    ) -> Result<Vec<ImpactLock>> {
        let mut told = Vec::new();
        for lock in self.inner.catalog.locks(None).await? {
            let ours = lock.inputs.iter().filter(|input| input.dataset == *dataset);
            let versions: Vec<u64> = ours.map(|input| input.version).collect();
            if !versions.is_empty() && (all || lock.actor == ctx.actor()) {
                told.push(ImpactLock { actor: lock.actor, name: lock.name, at: lock.at, versions });
            }
        }
        Ok(told)
    }

    /// The reads of the last 90 days that nobody was refused, with the columns that they read.
    pub(crate) async fn recent_reads(&self) -> Result<Vec<Read>> {
        let since = self.inner.clock.now().as_micros() - READ_DAYS * DAY_MICROS;
        let mut reads: Vec<Read> = Vec::new();
        let mut places: BTreeMap<String, usize> = BTreeMap::new();
        for StoredRead { at, read, principal, body, .. } in self.inner.reads.all().await? {
            if at.as_micros() < since {
                continue;
            }
            match body {
                // Looking at where data comes from is no use of it.
                ReadBody::Intent(intent) if !matches!(intent.asked, Asked::Lineage { .. }) => {
                    places.insert(read, reads.len());
                    reads.push(Read {
                        at,
                        principal,
                        intent: *intent,
                        columns: None,
                        is_refused: false,
                    });
                }
                ReadBody::Intent(_) => {}
                ReadBody::Outcome(outcome) => {
                    if let Some(place) = places.get(&read) {
                        reads[*place].is_refused = outcome.ending == ReadEnding::Denied;
                        let columns = outcome.columns.into_iter();
                        let columns = columns.map(|read| (read.reference, read.columns));
                        reads[*place].columns = Some(columns.collect());
                    }
                }
            }
        }
        reads.retain(|read| !read.is_refused);
        Ok(reads)
    }
}

/// Whether an error says nothing of the product, but that catalog, store or engine do not answer.
pub(crate) const fn is_unavailable(error: &Error) -> bool {
    !matches!(
        error,
        Error::NotFound { .. }
            | Error::Invalid { .. }
            | Error::NotComputed { .. }
            | Error::Refused { .. }
            | Error::Unfit { .. }
            | Error::Forbidden { .. }
            | Error::Engine(_)
    ) || matches!(error, Error::Engine(EngineError::Internal { .. }))
}

/// A read, as far as it is on record.
pub(crate) struct Read {
    pub(crate) at: Timestamp,
    principal: String,
    intent: ReadIntent,
    /// By reference; none while it is under way, and nothing for other reads than statements.
    columns: Option<Vec<(String, Vec<String>)>>,
    is_refused: bool,
}

impl Read {
    /// The datasets that it read.
    pub(crate) fn datasets(&self) -> impl Iterator<Item = &DatasetName> {
        self.intent.versions.iter().map(|version| &version.dataset)
    }

    /// Whether it read that dataset, and of it that column or all; what is not known counts.
    fn is_of(&self, dataset: &DatasetName, column: Option<&str>) -> bool {
        let mut versions = self.intent.versions.iter();
        versions.any(|version| {
            let is_known =
                |(reference, _): &&(String, Vec<String>)| *reference == version.reference;
            let columns = self.columns.as_ref().and_then(|columns| columns.iter().find(is_known));
            let reads = match (column, columns) {
                (Some(column), Some((_, columns))) => columns.iter().any(|read| read == column),
                _ => true,
            };
            version.dataset == *dataset && reads
        })
    }
}

fn readers_of(reads: &[Read], dataset: &DatasetName, column: Option<&str>) -> Vec<ImpactReader> {
    let mut readers: BTreeMap<&str, (u64, Timestamp)> = BTreeMap::new();
    for read in reads.iter().filter(|read| read.is_of(dataset, column)) {
        let reader = readers.entry(&read.principal).or_insert((0, read.at));
        *reader = (reader.0 + 1, reader.1.max(read.at));
    }
    let mut readers: Vec<ImpactReader> = readers
        .into_iter()
        .map(|(principal, (reads, last_at))| ImpactReader {
            principal: principal.to_owned(),
            reads,
            last_at,
        })
        .collect();
    readers.sort_by_key(|reader| std::cmp::Reverse(reader.last_at));
    readers
}

/// What a change of `input` does to what a consumer has, as far as the asker may see of it.
fn effect(consumer: &Consumer, input: &DatasetName, changed: &Changed, seen: &Columns) -> Effect {
    // Other rows are there for whoever reads any of them.
    let mut effect = Effect { other_rows: *changed == Changed::All, ..Effect::default() };
    for lineage in &consumer.lineages {
        let Some(lineage) = lineage else {
            effect.anything = true;
            continue;
        };
        let ids: BTreeSet<VersionId> =
            lineage.inputs().iter().filter(|i| i.dataset == *input).map(|i| i.version_id).collect();
        let is_input = |found: &Input| ids.contains(&found.version_id) && found.dataset == *input;
        for output in lineage.outputs().iter().filter(|output| seen.has(&output.name)) {
            let mut origins = output.origins();
            if origins.any(|origin| is_input(&origin.input) && changed.has(&origin.column)) {
                effect.columns.insert(output.name.clone());
            }
        }
        effect.other_rows |= lineage
            .indirect()
            .keys()
            .any(|origin| is_input(&origin.input) && changed.has(&origin.column));
    }
    effect
}

/// Notes what of a dataset would change, and says whether that is more than was known.
fn is_more(
    known: &mut BTreeMap<DatasetName, Changed>,
    name: &DatasetName,
    changed: &Changed,
) -> bool {
    let before = known.get(name).cloned();
    let after = match (&before, changed) {
        (Some(Changed::All), _) | (_, Changed::All) => Changed::All,
        (Some(Changed::Columns(known)), Changed::Columns(new)) => {
            Changed::Columns(known.union(new).cloned().collect())
        }
        (None, Changed::Columns(new)) => Changed::Columns(new.clone()),
    };
    let is_more = before.as_ref() != Some(&after);
    known.insert(name.clone(), after);
    is_more
}

//! As of when a product's data is, and whether it is stale.
//!
//! A version is as of its commit, and what reads several as of the oldest of them. It is stale when its
//! product is declared anew, when something that it was made of means another version now, or when its
//! contract promises rows that are newer. All of it tells of what it is made of: it is for those who may
//! see that, and only as far as they may. That nothing is stale is said to those alone who may know all
//! that decides it.

use std::collections::BTreeSet;

use lakebed_contract::freshness_finding;
use lakebed_core::{DatasetName, DatasetRef, Derivation, Manifest, Product, Served, Timestamp};
use lakebed_govern::Rights;

use crate::{Ctx, Lake, ResolvedVersion, Result, SeenProduct, VersionRecord, cache::InForce};

/// How old a version is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Age {
    /// When it was committed.
    pub as_of: Timestamp,
    /// Why it is stale, in order; nothing if it is not. None where the asker may not know.
    pub stale: Option<Vec<Staleness>>,
}

/// Why a version is stale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Staleness {
    /// It is served live, and cannot be computed now.
    NotComputed,
    /// Its product is declared with another statement, or another order, by now.
    Statement,
    /// An input has another version by now.
    Inputs,
    /// Its contract promises newer rows.
    Contract,
}

impl Staleness {
    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotComputed => "not-computed",
            Self::Statement => "statement",
            Self::Inputs => "inputs",
            Self::Contract => "contract",
        }
    }
}

impl Age {
    /// The age of a version that is `stale` for these reasons, which are all of them where that is known.
    fn of(version: &VersionRecord, stale: Vec<Staleness>, is_known: bool) -> Self {
        let stale = (is_known || !stale.is_empty()).then_some(stale);
        Self { as_of: version.at, stale }
    }

    /// The age of what is made of both: as of the older one, and stale where either is. Where it is not
    /// known of one of them, it is not known of both together, unless the other is stale.
    fn and(self, other: Self) -> Self {
        let as_of = self.as_of.min(other.as_of);
        let is_known = self.stale.is_some() && other.stale.is_some();
        let why = self.stale.into_iter().chain(other.stale).flatten();
        let why: BTreeSet<Staleness> = why.collect();
        let stale = (is_known || !why.is_empty()).then(|| why.into_iter().collect());
        Self { as_of, stale }
    }
}

impl Lake {
    /// The age of the products among what a statement reads; none where there are none.
    pub(crate) async fn age_of_all(
        &self,
        rights: &Rights,
        versions: &[ResolvedVersion],
        in_force: &InForce,
    ) -> Result<Option<Age>> {
        let products = &in_force.declared.products;
        let mut all: Option<Age> = None;
        for ResolvedVersion { version, .. } in versions {
            let Some(product) = products.get(&version.dataset) else { continue };
            let age = self.age_of(rights, &version.dataset, product, version).await?;
            all = Some(match all {
                Some(before) => before.and(age),
                None => age,
            });
        }
        Ok(all)
    }

    /// The age of the newest version of a product that [`Lake::product`] gave; none before the first.
    ///
    /// # Errors
    /// When the catalog or the store cannot be read.
    pub async fn age_of_product(&self, ctx: &Ctx, product: &SeenProduct) -> Result<Option<Age>> {
        let Some(newest) = &product.newest else { return Ok(None) };
        let rights = self.rights(ctx).await?;
        let (name, declared) = (&product.name, &product.declared);
        let (mut stale, is_known) = self.reasons(&rights, name, declared, &newest.record).await?;
        if declared.served == Served::Live {
            // Whoever asks for its rows has it made of what is now, or is told that this cannot be done.
            stale.retain(|why| !matches!(why, Staleness::Statement | Staleness::Inputs));
            if self.declared_lineage(declared).await?.is_none() {
                stale.insert(0, Staleness::NotComputed);
            }
        }
        Ok(Some(Age::of(&newest.record, stale, is_known)))
    }

    /// The age of `version`, as far as somebody with these rights may know it: why it is stale, of what
    /// they may know; that it is not, only where they may know of all its inputs and promises.
    pub(crate) async fn age_of(
        &self,
        rights: &Rights,
        name: &DatasetName,
        product: &Product,
        version: &VersionRecord,
    ) -> Result<Age> {
        let (stale, is_known) = self.reasons(rights, name, product, version).await?;
        Ok(Age::of(version, stale, is_known))
    }

    /// Why a version is stale, as far as it may be known; and whether that is all.
    async fn reasons(
        &self,
        rights: &Rights,
        name: &DatasetName,
        product: &Product,
        version: &VersionRecord,
    ) -> Result<(Vec<Staleness>, bool)> {
        let reads = rights.reads(name);
        if !reads && !self.is_told(rights, name, product) {
            return Ok((Vec::new(), false));
        }
        let manifest = self.inner.cache.manifest(&self.inner.store, version).await?;
        let (mut stale, mut is_known) = (Vec::new(), true);
        let derivation = match &manifest.derivation {
            Some(object) => Some(self.inner.cache.derivation(&self.inner.store, object).await?),
            None => None,
        };
        let derivation = derivation.as_deref();
        match (is_declared_anew(product, derivation), self.is_told(rights, name, product)) {
            (false, _) => {}
            (true, true) => stale.push(Staleness::Statement),
            // How it is declared is not for them.
            (true, false) => is_known = false,
        }
        if let Some(derivation) = derivation {
            is_known &=
                derivation.inputs.iter().all(|input| rights.discovers(&input.reference.dataset));
            let now = self.moved_inputs(rights, derivation, product).await?;
            is_known &= now.is_certain;
            if !now.moved.is_empty() {
                stale.push(Staleness::Inputs);
            }
        }
        // What was measured of the rows is for those who may see all of them.
        match reads {
            true => match self.is_late(version, &manifest).await? {
                Some(true) => stale.push(Staleness::Contract),
                Some(false) => {}
                None => is_known = false,
            },
            false => is_known &= !self.promises_freshness(&manifest).await?,
        }
        Ok((stale, is_known))
    }

    /// Whether the contract in force of a version says how new its rows are.
    async fn promises_freshness(&self, manifest: &Manifest) -> Result<bool> {
        let Some(contract) = manifest.contract else { return Ok(false) };
        let (cache, store) = (&self.inner.cache, &self.inner.store);
        let contract = cache.contract(store, &self.inner.catalog, contract).await?;
        Ok(!contract.freshness.is_empty())
    }

    /// Whether the contract in force of a version promises newer rows. Of one whose rows nobody has
    /// measured, only when it was made is known: none where that does not decide.
    async fn is_late(&self, version: &VersionRecord, manifest: &Manifest) -> Result<Option<bool>> {
        if let Some(report) = self.report_of(version, manifest).await? {
            return Ok(Some(report.freshness.iter().any(|finding| !finding.passed)));
        }
        let Some(contract) = manifest.contract.filter(|_| manifest.live) else {
            return Ok(Some(false));
        };
        let (cache, now) = (&self.inner.cache, self.inner.clock.now());
        let contract = cache.contract(&self.inner.store, &self.inner.catalog, contract).await?;
        let (of_rows, of_it): (Vec<_>, Vec<_>) =
            contract.freshness.iter().partition(|promise| promise.column.is_some());
        let is_late = |promise| !freshness_finding(promise, Some(version.at), now).passed;
        match of_it.into_iter().any(is_late) {
            true => Ok(Some(true)),
            false => Ok(of_rows.is_empty().then_some(false)),
        }
    }

    /// What the inputs of a derivation mean now, of those that mean another version than then. Inputs that
    /// may not be discovered count for nothing.
    pub(crate) async fn moved_inputs(
        &self,
        rights: &Rights,
        derivation: &Derivation,
        product: &Product,
    ) -> Result<Moved> {
        let inputs = derivation.inputs.iter();
        let known: Vec<_> =
            inputs.filter(|input| rights.discovers(&input.reference.dataset)).collect();
        let references: Vec<DatasetRef> =
            known.iter().map(|input| input.reference.clone()).collect();
        let stage = &product.input_stage;
        let found = self.inner.catalog.resolve(&references, stage).await?;
        let in_force = self.in_force().await?;
        let (mut moved, mut is_certain) = (Vec::new(), true);
        for (input, now) in known.into_iter().zip(found.versions) {
            let dataset = &input.reference.dataset;
            let below = in_force.declared.products.get(dataset);
            let now = match below.is_some_and(|below| below.served == Served::Live) {
                false => now,
                // What is live has moved when what it is made of has: whoever may read it finds out.
                true => {
                    let reference = std::slice::from_ref(&input.reference);
                    let found = match rights.queries(dataset) {
                        true => self.find_at(reference, stage).await.ok(),
                        false => None,
                    };
                    is_certain &= found.is_some();
                    found.and_then(|found| found.versions.into_iter().next()).unwrap_or(now)
                }
            };
            let now = now.ok().map(|now| now.version);
            moved.extend(now.filter(|now| now.version_id != input.version_id));
        }
        Ok(Moved { moved, is_certain })
    }
}

/// Inputs that mean another version now.
pub(crate) struct Moved {
    /// What they mean.
    pub(crate) moved: Vec<VersionRecord>,
    /// Whether these are all. Whether a live product has moved is not known to those who may not read it, nor
    /// where it cannot be computed.
    pub(crate) is_certain: bool,
}

/// Whether a version that was made like this is not what its product declares by now.
pub(crate) fn is_declared_anew(product: &Product, derivation: Option<&Derivation>) -> bool {
    derivation.is_none_or(|made| made.sql != product.sql || made.order_by != product.order_by)
}

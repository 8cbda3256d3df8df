//! Products that are built without being asked for, while a server runs: when something that they are
//! made of has another head, or every so many minutes.
//!
//! A refresh acts as the product's owner, who needs the right to ingest into it, and is a build like
//! any other. What is due has a word that is the same for the same inputs after the same version, on every
//! server: so it is built once, whoever sees it first, and what failed is tried again the next hour and
//! not at once.

use std::collections::BTreeMap;

use lakebed_core::{DatasetName, DecodeOptions, Identity, Product, Refresh, StageName, Timestamp};

use crate::{BuildRequest, Ctx, Error, Lake, Result, build::ingest_of};

/// A failed build is tried again when another of these begins.
const HOUR_MICROS: i64 = 3_600_000_000;
const MINUTE_MICROS: i64 = 60_000_000;

/// What was looked at, and when; empty at first.
#[derive(Debug, Default)]
pub struct Looked {
    /// The last event that was there.
    seq: Option<u64>,
    at: BTreeMap<DatasetName, Timestamp>,
}

impl Looked {
    /// Takes back that a product was looked at: nothing came of it, and it is due as it was.
    pub fn forget(&mut self, product: &DatasetName) {
        self.seq = None;
        self.at.remove(product);
    }
}

impl Lake {
    /// The builds that are due: each with its owner and a key.
    ///
    /// A product that cannot be planned, because an input is missing, is not due; why is in the log. It is
    /// looked at again when something happens, or an hour later, and at once where catalog or store did not answer.
    ///
    /// # Errors
    /// When the catalog cannot be read.
    pub async fn due_builds(&self, looked: &mut Looked) -> Result<Vec<(Ctx, BuildRequest)>> {
        let Some(in_force) = self.newest_in_force().await?.1 else { return Ok(Vec::new()) };
        let products = &in_force.declared.products;
        looked.at.retain(|name, _| products.contains_key(name));
        if products.values().all(|product| product.refresh == Refresh::Manual) {
            return Ok(Vec::new());
        }
        let now = self.inner.clock.now();
        let seq = self.inner.catalog.resolve(&[], &StageName::raw()).await?.snapshot.seq;
        let has_changed = looked.seq.replace(seq) != Some(seq);
        let mut due = Vec::new();
        for (name, product) in products {
            let has_passed = |wait: i64| {
                let passed = |at: &Timestamp| now.as_micros() - at.as_micros();
                looked.at.get(name).is_none_or(|at| passed(at) >= wait)
            };
            let is_time = match product.refresh {
                Refresh::Manual => false,
                // What failed is tried again, also where nothing happens.
                Refresh::OnChange => has_changed || has_passed(HOUR_MICROS),
                Refresh::EveryMinutes(minutes) => has_passed(i64::from(minutes) * MINUTE_MICROS),
            };
            if !is_time {
                continue;
            }
            looked.at.insert(name.clone(), now);
            match self.due_build(name, product).await {
                Ok(Some(build)) => due.push(build),
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(product = %name, %error, "cannot be refreshed");
                    if matches!(error, Error::Unavailable { .. }) {
                        looked.forget(name);
                    }
                }
            }
        }
        Ok(due)
    }

    /// The build of a product, unless its newest version is what it would make.
    async fn due_build(
        &self,
        name: &DatasetName,
        product: &Product,
    ) -> Result<Option<(Ctx, BuildRequest)>> {
        let request = BuildRequest { product: name.clone(), locked: None };
        let mut ctx = Ctx::new(Identity::of(product.owner.clone()), "refresh");
        let plan = self.plan_build(&ctx, &request).await?;
        let ingest = ingest_of(name, std::path::PathBuf::new(), DecodeOptions::default());
        let target = self.ingest_target(&ctx, &ingest).await?;
        let key = plan.key(name, &target);
        if target.newest.as_ref().is_some_and(|(newest, _)| newest.ingest_key == key) {
            return Ok(None);
        }
        let hour = self.inner.clock.now().as_micros() / HOUR_MICROS;
        // What was made of these inputs before may have given way to something else since.
        let since = target.newest.as_ref().map_or(0, |(newest, _)| newest.number);
        ctx.idempotency_key = Some(format!("refresh:{}:{since}:{hour}", key.digest()));
        Ok(Some((ctx, request)))
    }
}

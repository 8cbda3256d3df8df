//! What an ingest would do, without doing it.

use std::sync::Arc;

use lakebed_core::{Action, DatasetKind, Tally, Target};
use lakebed_ingest::{LocalSource, Refusal, Rules};

use crate::{
    Ctx, Error, IngestPlan, IngestRequest, Lake, NoProgress, PlannedSource, Result,
    ingest::{
        attempt::not_the_source,
        promise::Known,
        sources::{Sources, blocking, check_names},
        target::kind_of,
    },
    progress::Meter,
};

impl Lake {
    /// Says how `request` would be read, from the heads of its sources. Nothing is stored.
    ///
    /// # Errors
    /// As [`Lake::ingest`]; a refusal leaves no event.
    pub async fn plan_ingest(&self, ctx: &Ctx, request: IngestRequest) -> Result<IngestPlan> {
        let place = Target::Dataset(request.dataset.clone());
        self.authorize(ctx, Action::Ingest, &place).await?;
        check_names(&request)?;
        let meter = Arc::new(Meter::new(Arc::new(NoProgress)));
        let sources = Sources::identify(self, ctx, &request, &meter).await?;
        let target = self.ingest_target(ctx, &request).await?;
        let local = sources.local();
        if kind_of(&request) == DatasetKind::Files {
            let planned = |source: LocalSource| PlannedSource {
                name: source.name,
                decode: None,
                accepted: Tally::default(),
                quarantined: Tally::default(),
            };
            return Ok(IngestPlan {
                sources: local.into_iter().map(planned).collect(),
                schema: None,
                changes: Vec::new(),
                sample_columns: Vec::new(),
                sample: Vec::new(),
                notes: Vec::new(),
            });
        }
        let (options, schema) = (request.options, target.schema().cloned());
        let known = match &target.promise {
            Some(promise) => self.known_beside(promise, &[], None).await?,
            None => Known::default(),
        };
        let promise = target.promise;
        let out = self.inner.store.scratch_dir().to_owned();
        let plan = blocking(move || {
            let rules = promise.as_ref().map(|promise| promise.rules(&known));
            Ok(lakebed_ingest::plan(lakebed_ingest::Request {
                sources: &local,
                options: &options,
                schema: schema.as_ref(),
                by_name: false,
                base: None,
                out: &out,
                progress: &*meter,
                rules: rules.as_ref().map(|rules| rules as &dyn Rules),
                threads: std::thread::available_parallelism().map_or(2, usize::from),
                may_be_empty: false,
            }))
        })
        .await?
        .map_err(refused)?;
        Ok(IngestPlan {
            sources: plan.sources.into_iter().map(planned).collect(),
            sample_columns: plan.sample_columns,
            schema: Some(plan.schema),
            changes: plan.changes,
            sample: plan.sample,
            notes: plan.notes,
        })
    }
}

fn planned(source: lakebed_ingest::PlannedSource) -> PlannedSource {
    let lakebed_ingest::PlannedSource { name, decode, accepted, quarantined } = source;
    PlannedSource { name, decode: Some(decode), accepted, quarantined }
}

fn refused(refusal: Refusal) -> Error {
    if !refusal.is_about_the_source() {
        return not_the_source(refusal);
    }
    let Refusal { code, message, hint, .. } = refusal;
    Error::Invalid { code, message, hint }
}

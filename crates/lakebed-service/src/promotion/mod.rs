//! Promotions: planned from one state, and committed against it.
//!
//! Objects are read while no transaction is open; the commit then names the heads, the declaration,
//! the reviews and the notices that were read, and is refused when one of them changed. Nothing but
//! an [`ApprovedPlan`] moves a head.

mod facts;
mod notice;
mod review;

use std::{collections::BTreeSet, sync::Arc};

use bytes::Bytes;
use lakebed_catalog::{Commit, NotFound, PromotionState, ResolveOutcome, VersionState};
use lakebed_core::{
    Action, DatasetName, DatasetRef, EventBody, HeadMoved, Ladder, ObjectId, Selector, Stage,
    StageName, StoredObject, Target,
};
use lakebed_govern::{ApprovedPlan, PlannedPromotion, PromotionPlan, Requester, Rights, judge};
use lakebed_store::Trust;

use crate::{
    Ctx, Error, Lake, Result, Seen, VersionRecord, cache::InForce, ingest::key_reused,
    live::FoundFor, resolve::not_found,
};

pub use notice::DeprecateRequest;
pub use review::{ReviewAnswer, ReviewRequest};

/// What is to come to which stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromotionRequest {
    /// The versions, of a dataset each; together or not at all.
    pub references: Vec<DatasetRef>,
    /// The stage.
    pub to: StageName,
}

/// What promoting takes, or took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromotionAnswer {
    /// The stage.
    pub to: StageName,
    /// One per reference, in the order given.
    pub promotions: Vec<Seen<PlannedPromotion>>,
    /// Whether nothing holds them back.
    pub is_ready: bool,
    /// The last event that moved a head; none where none moved.
    pub event: Option<u64>,
}

/// Why somebody looks at what a promotion takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Look,
    Promote,
    Approve,
    Waive,
}

/// A plan, and everything it was made from.
struct Planned {
    plan: PromotionPlan,
    state: PromotionState,
    in_force: Arc<InForce>,
    stage: Stage,
    solo: bool,
    versions: Vec<VersionRecord>,
    rights: Rights,
}

impl Lake {
    /// What promoting would take: every gate, and every reason at once. For whoever may promote or
    /// approve, or read all of it.
    ///
    /// # Errors
    /// [`Error::NotFound`], also for datasets that may not be discovered; [`Error::Forbidden`];
    /// [`Error::Invalid`] for a stage that versions do not come to, or a dataset that is named twice.
    pub async fn plan_promotion(
        &self,
        ctx: &Ctx,
        request: &PromotionRequest,
    ) -> Result<PromotionAnswer> {
        Ok(self.planned(ctx, request, Purpose::Look).await?.answer(None))
    }

    /// Moves the heads of a stage, together or not at all. Takes `ingest` or `steward` on each dataset.
    /// What is head already stays, and is no event.
    ///
    /// # Errors
    /// As [`Lake::plan_promotion`]; [`Error::NotReady`] when something holds them back;
    /// [`Error::Conflict`] when a head, the declaration or what people said changed meanwhile.
    pub async fn promote(&self, ctx: &Ctx, request: &PromotionRequest) -> Result<PromotionAnswer> {
        let planned = self.planned(ctx, request, Purpose::Promote).await?;
        let approved = match planned.plan.clone().approve() {
            Ok(approved) => approved,
            Err(_) => return Err(planned.not_ready()),
        };
        let changes = self.changes(&planned, &approved).await?;
        if changes.is_empty() {
            return Ok(planned.answer(None));
        }
        let lake = &self.inner;
        lake.probe.at("before the catalog commit")?;
        self.check_token(ctx).await?;
        self.check_still(ctx, &planned, Purpose::Promote).await?;
        let commit = Commit {
            actor: ctx.actor().to_owned(),
            at: lake.clock.now(),
            idempotency_key: ctx.idempotency_key.clone(),
            changes: changes.clone(),
        };
        let committed = lake.catalog.commit(commit).await?;
        lake.probe.at("after the catalog commit")?;
        if !committed.events.iter().map(|event| &event.body).eq(&changes) {
            return Err(key_reused());
        }
        let event = committed.last_seq();
        lake.journal.publish_through(event).await?;
        Ok(planned.answer(Some(event)))
    }

    /// Reads everything that gates look at, and judges it.
    async fn planned(
        &self,
        ctx: &Ctx,
        request: &PromotionRequest,
        purpose: Purpose,
    ) -> Result<Planned> {
        let (versions, rights) = self.named_versions(ctx, &request.references, purpose).await?;
        let pairs: Vec<(DatasetName, u64)> =
            versions.iter().map(|version| (version.dataset.clone(), version.number)).collect();
        let state = self.inner.catalog.promotion_state(&pairs, &request.to).await?;
        // Nobody is shown what could be lost with the database.
        self.inner.journal.publish_through(state.last_seq).await?;
        let in_force = match state.declaration {
            None => Arc::default(),
            Some(found) => self.inner.cache.in_force(&self.inner.catalog, found).await?,
        };
        let ladder = in_force.declared.ladder();
        let stage = find_stage(&ladder, &request.to)?.clone();
        let mut facts = Vec::with_capacity(versions.len());
        for (version, state) in versions.iter().zip(&state.versions) {
            facts.push(self.promotion_facts(ctx, version, state, &stage, &in_force).await?);
        }
        let may_approve = |dataset: &&DatasetName| rights.allows(Action::Approve, &target(dataset));
        let datasets = versions.iter().map(|version| &version.dataset);
        let requester = Requester {
            principal: match purpose {
                Purpose::Look | Purpose::Promote => Some(ctx.identity.principal.clone()),
                // Whoever reviews leaves the asking to others.
                Purpose::Approve | Purpose::Waive => None,
            },
            may_approve: datasets.filter(may_approve).cloned().collect(),
        };
        let plan = judge(&ladder, &request.to, &requester, &facts);
        Ok(Planned { plan, state, in_force, stage, solo: ladder.solo, versions, rights })
    }

    /// The versions that references mean, if the asker may do with them what they are here for.
    async fn named_versions(
        &self,
        ctx: &Ctx,
        references: &[DatasetRef],
        purpose: Purpose,
    ) -> Result<(Vec<VersionRecord>, Rights)> {
        let FoundFor { found, rights, .. } = self.find_for(ctx, references).await?;
        let check = |reference: &DatasetRef, outcome: &ResolveOutcome| {
            check_purpose(ctx, &rights, purpose, reference, outcome)
        };
        let found = self.describe(references, found, check)?;
        let mut seen = BTreeSet::new();
        if let Some(twice) = references.iter().find(|named| !seen.insert(&named.dataset)) {
            return Err(Error::Invalid {
                code: "dataset-twice",
                message: format!("`{}` is named twice", twice.dataset),
                hint: Some("one version of each dataset comes to a stage".to_owned()),
            });
        }
        let versions = found.versions.into_iter().map(|resolved| resolved.version);
        Ok((versions.collect(), rights))
    }

    /// Asks again, right before something is committed, whether the asker may.
    async fn check_still(&self, ctx: &Ctx, planned: &Planned, purpose: Purpose) -> Result<()> {
        let rights = self.rights(ctx).await?;
        for version in &planned.versions {
            let reference = DatasetRef::pinned(version.dataset.clone(), version.number);
            if !is_for(&rights, purpose, &version.dataset) {
                return Err(not_for(ctx, &rights, purpose, &reference));
            }
        }
        Ok(())
    }

    /// The events of an approved plan, bound to what was read.
    async fn changes(&self, planned: &Planned, approved: &ApprovedPlan) -> Result<Vec<EventBody>> {
        let mut changes = Vec::new();
        let mut listed = BTreeSet::new();
        for (promotion, mut why) in approved.moves() {
            let place = planned.versions.iter().position(|version| {
                version.dataset == promotion.dataset && version.number == promotion.number
            });
            let Some(read) = place.and_then(|place| planned.state.versions.get(place)) else {
                return Err(Error::Internal { source: "a plan of something else".into() });
            };
            let VersionState { head, reviews, notice, .. } = read;
            why.declared = planned.state.declaration.map(|declaration| declaration.digest);
            why.replaces = head.map(|head| head.seq);
            why.last_review = reviews.last().map(|review| review.seq);
            why.last_notice = notice.as_ref().map(|notice| notice.seq);
            let mut objects = self.contract_object(&planned.in_force, &promotion.dataset).await?;
            objects.retain(|object| listed.insert(object.id));
            changes.push(EventBody::HeadMoved(HeadMoved {
                dataset: promotion.dataset.clone(),
                stage: approved.plan().to.clone(),
                from: promotion.from,
                to: promotion.number,
                promotion: Some(Box::new(why)),
                objects,
            }));
        }
        Ok(changes)
    }

    /// The contract in force, in the store: what is promised stays readable. Nothing where events
    /// name it already.
    async fn contract_object(
        &self,
        in_force: &InForce,
        dataset: &DatasetName,
    ) -> Result<Vec<StoredObject>> {
        let Some(contract) = in_force.declared.contracts.get(dataset) else {
            return Ok(Vec::new());
        };
        let id: ObjectId = contract.digest();
        if self.inner.catalog.find_object(id).await?.is_some() {
            return Ok(Vec::new());
        }
        let bytes = Bytes::from(contract.to_json());
        Ok(vec![self.inner.store.put(bytes, Trust::Unnamed).await?])
    }
}

impl Planned {
    fn answer(self, event: Option<u64>) -> PromotionAnswer {
        let Self { plan, rights, .. } = self;
        let is_ready = plan.is_ready();
        let seen =
            |record: PlannedPromotion| Seen { is_readable: rights.reads(&record.dataset), record };
        PromotionAnswer {
            to: plan.to,
            promotions: plan.promotions.into_iter().map(seen).collect(),
            is_ready,
            event,
        }
    }

    /// Everything that holds them back; of what the asker may not read, which gates do.
    fn not_ready(&self) -> Error {
        let held = self.plan.promotions.iter();
        let held: Vec<_> = held.filter(|one| one.is_change() && !one.is_ready()).collect();
        let mut reasons = Vec::new();
        for one in &held {
            let name = match self.plan.promotions.len() {
                1 => String::new(),
                _ => format!("{}@v{}: ", one.dataset, one.number),
            };
            let told = match self.rights.reads(&one.dataset) {
                true => one.reasons(),
                false => one.outline(),
            };
            reasons.extend(told.into_iter().map(|reason| format!("{name}{reason}")));
        }
        let names: Vec<String> =
            held.iter().map(|one| format!("`{}@v{}`", one.dataset, one.number)).collect();
        let message = format!("{} cannot come to `{}`", names.join(", "), self.plan.to);
        Error::NotReady { message, reasons }
    }
}

fn find_stage<'a>(ladder: &'a Ladder, to: &StageName) -> Result<&'a Stage> {
    let names: Vec<String> =
        ladder.stages.iter().skip(1).map(|stage| format!("`{}`", stage.name)).collect();
    let error = |code, message| Error::Invalid {
        code,
        message,
        hint: Some(format!("versions are promoted to {}", names.join(", "))),
    };
    match ladder.position(to) {
        None => Err(error("unknown-stage", format!("there is no stage `{to}`"))),
        Some(0) => Err(error("stage-is-raw", format!("every version enters at `{to}`"))),
        Some(position) => Ok(&ladder.stages[position]),
    }
}

pub(crate) fn target(dataset: &DatasetName) -> Target {
    Target::Dataset(dataset.clone())
}

/// Whether somebody may do that with a dataset. Consent to what one cannot see is none, so reviews
/// take sight of all of it.
fn is_for(rights: &Rights, purpose: Purpose, dataset: &DatasetName) -> bool {
    let may = |action| rights.allows(action, &target(dataset));
    let promotes = may(Action::Ingest) || may(Action::Steward);
    let reads = rights.reads(dataset);
    match purpose {
        Purpose::Look => promotes || may(Action::Approve) || reads,
        Purpose::Promote => promotes,
        Purpose::Approve => may(Action::Approve) && reads,
        Purpose::Waive => may(Action::Steward) && reads,
    }
}

fn check_purpose(
    ctx: &Ctx,
    rights: &Rights,
    purpose: Purpose,
    reference: &DatasetRef,
    outcome: &ResolveOutcome,
) -> Result<()> {
    let dataset = &reference.dataset;
    let is_there = !matches!(outcome, Err(NotFound::UnknownDataset { .. }));
    if !rights.discovers(dataset) || (is_there && !is_for(rights, purpose, dataset)) {
        return Err(not_for(ctx, rights, purpose, reference));
    }
    match &reference.selector {
        // Which digests there are is for readers alone.
        Selector::Digest(prefix) if is_there && !rights.reads(dataset) => {
            let (dataset, prefix) = (dataset.clone(), prefix.clone());
            Err(not_found(reference, &NotFound::NoSuchDigest { dataset, prefix }))
        }
        _ => Ok(()),
    }
}

fn not_for(ctx: &Ctx, rights: &Rights, purpose: Purpose, reference: &DatasetRef) -> Error {
    let dataset = reference.dataset.clone();
    if !rights.discovers(&dataset) {
        return not_found(reference, &NotFound::UnknownDataset { dataset });
    }
    let (verb, takes) = match purpose {
        Purpose::Look | Purpose::Promote => ("promote", "`ingest` or `steward`"),
        Purpose::Approve => ("approve promotions of", "`approve` and `read` of all of it"),
        Purpose::Waive => ("waive gates of", "`steward` and `read` of all of it"),
    };
    let actor = ctx.actor();
    Error::Forbidden {
        message: format!("`{actor}` may not {verb} `{dataset}`: that takes {takes}"),
    }
}

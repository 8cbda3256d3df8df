//! What people say of promotions: yes, no, or that a gate may be passed although it is closed.

use lakebed_catalog::{Commit, ReviewRecord};
use lakebed_core::{
    DatasetRef, EventBody, GateName, ObjectId, PromotionReviewed, ReviewVerdict, StageName,
};
use lakebed_govern::PlannedPromotion;

use super::{Planned, PromotionAnswer, PromotionRequest, Purpose, facts::owner_of};
use crate::{Ctx, Error, Lake, Result, Seen, VersionRecord, ingest::key_reused};

/// How long a reason may be, in bytes.
const MAX_REASON: usize = 255;

/// A word on a promotion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReviewRequest {
    /// What it is about.
    pub promotion: PromotionRequest,
    /// The word.
    pub verdict: ReviewVerdict,
    /// Why; a waiver needs it.
    pub reason: Option<String>,
    /// The evidence that was looked at, where one version is meant: if it is other by now, nothing is
    /// said.
    pub evidence: Option<ObjectId>,
}

/// What was said, and where the promotion stands then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReviewAnswer {
    /// What the promotion takes now, if somebody else asks for it.
    pub promotion: PromotionAnswer,
    /// The last event; none where all of it was said before.
    pub event: Option<u64>,
}

impl Lake {
    /// Says yes or no to promotions, or waives a gate of theirs; bound to what the gates found.
    ///
    /// # Errors
    /// As [`Lake::plan_promotion`]; [`Error::Forbidden`] without `approve` (a waiver: `steward`) and
    /// sight of all of the dataset, and for authors and services who would approve;
    /// [`Error::Invalid`] where the stage asks nobody, or the gate may not be waived;
    /// [`Error::Conflict`] when the evidence is other than was looked at.
    pub async fn review(&self, ctx: &Ctx, request: &ReviewRequest) -> Result<ReviewAnswer> {
        let purpose = match request.verdict {
            ReviewVerdict::Approved | ReviewVerdict::Rejected => Purpose::Approve,
            ReviewVerdict::Waived(_) => Purpose::Waive,
        };
        check_reason(request)?;
        let planned = self.planned(ctx, &request.promotion, purpose).await?;
        let changes = changes(ctx, &planned, request)?;
        let event = match changes.is_empty() {
            true => None,
            false => Some(self.say(ctx, &planned, purpose, changes).await?),
        };
        let promotion = self.planned(ctx, &request.promotion, purpose).await?.answer(None);
        Ok(ReviewAnswer { promotion, event })
    }

    async fn say(
        &self,
        ctx: &Ctx,
        planned: &Planned,
        purpose: Purpose,
        changes: Vec<EventBody>,
    ) -> Result<u64> {
        let lake = &self.inner;
        self.check_token(ctx).await?;
        self.check_still(ctx, planned, purpose).await?;
        let commit = Commit {
            actor: ctx.actor().to_owned(),
            at: lake.clock.now(),
            idempotency_key: ctx.idempotency_key.clone(),
            changes: changes.clone(),
        };
        let committed = lake.catalog.commit(commit).await?;
        if !committed.events.iter().map(|event| &event.body).eq(&changes) {
            return Err(key_reused());
        }
        lake.journal.publish_through(committed.last_seq()).await?;
        Ok(committed.last_seq())
    }

    /// What was said of a version, for any stage, the oldest first. For whoever may see what its
    /// promotion takes; evidence and reasons for those who may read all of it.
    ///
    /// # Errors
    /// As [`Lake::plan_promotion`].
    pub async fn reviews(
        &self,
        ctx: &Ctx,
        reference: &DatasetRef,
    ) -> Result<Seen<Vec<ReviewRecord>>> {
        let references = std::slice::from_ref(reference);
        let (versions, rights) = self.named_versions(ctx, references, Purpose::Look).await?;
        let Some(version) = versions.first() else {
            return Err(Error::Internal { source: "a reference resolved to nothing".into() });
        };
        let record = self.inner.catalog.reviews(&version.dataset, version.number).await?;
        Ok(Seen { record, is_readable: rights.reads(&version.dataset) })
    }
}

/// The events of a review; none for what was said before.
fn changes(ctx: &Ctx, planned: &Planned, request: &ReviewRequest) -> Result<Vec<EventBody>> {
    let to = &request.promotion.to;
    match request.verdict {
        ReviewVerdict::Approved => check_approves(ctx, planned)?,
        ReviewVerdict::Rejected => check_asks(planned)?,
        ReviewVerdict::Waived(gate) => check_waivable(planned, gate)?,
    }
    let mut changes = Vec::new();
    for (place, promotion) in planned.plan.promotions.iter().enumerate() {
        let Some(evidence) = promotion.evidence_of(request.verdict, to) else { continue };
        check_evidence(promotion, request, planned.plan.promotions.len())?;
        let said = &planned.state.versions[place].reviews;
        if is_said(ctx, said, request, evidence) {
            continue;
        }
        changes.push(EventBody::PromotionReviewed(PromotionReviewed {
            dataset: promotion.dataset.clone(),
            number: promotion.number,
            stage: to.clone(),
            verdict: request.verdict,
            evidence,
            reason: request.reason.clone(),
        }));
    }
    Ok(changes)
}

/// Whether the asker's last word is this one.
fn is_said(ctx: &Ctx, said: &[ReviewRecord], request: &ReviewRequest, evidence: ObjectId) -> bool {
    let is_alike = |review: &&ReviewRecord| match (review.verdict, request.verdict) {
        (ReviewVerdict::Waived(said), ReviewVerdict::Waived(meant)) => said == meant,
        (ReviewVerdict::Waived(_), _) | (_, ReviewVerdict::Waived(_)) => false,
        _ => true,
    };
    let mut theirs = said.iter().filter(|review| review.actor == ctx.actor());
    theirs.rfind(is_alike).is_some_and(|last| {
        last.verdict == request.verdict
            && last.evidence == evidence
            && last.reason == request.reason
    })
}

fn check_reason(request: &ReviewRequest) -> Result<()> {
    let error = |message: &str| Error::Invalid {
        code: "invalid-reason",
        message: message.to_owned(),
        hint: Some("say why in a sentence of at most 255 bytes".to_owned()),
    };
    match (&request.reason, request.verdict) {
        (None, ReviewVerdict::Waived(_)) => Err(error("a waiver says why")),
        (Some(reason), _) if reason.trim().is_empty() => Err(error("the reason says nothing")),
        (Some(reason), _) if reason.len() > MAX_REASON || reason.chars().any(char::is_control) => {
            Err(error("the reason is too long, or holds control characters"))
        }
        _ => Ok(()),
    }
}

fn check_evidence(
    promotion: &PlannedPromotion,
    request: &ReviewRequest,
    count: usize,
) -> Result<()> {
    match request.evidence {
        Some(looked_at) if count != 1 || looked_at != promotion.evidence => Err(Error::Conflict {
            message: format!(
                "the evidence of `{}@v{}` is other than was looked at",
                promotion.dataset, promotion.number
            ),
        }),
        _ => Ok(()),
    }
}

fn check_asks(planned: &Planned) -> Result<()> {
    match planned.stage.approvals() {
        0 => Err(no_approvals(&planned.stage.name)),
        _ => Ok(()),
    }
}

/// Approvals that could never count are refused, not recorded.
fn check_approves(ctx: &Ctx, planned: &Planned) -> Result<()> {
    check_asks(planned)?;
    if ctx.identity.principal.is_service() {
        let message = format!("`{}` is a service, and services approve nothing", ctx.actor());
        return Err(Error::Forbidden { message });
    }
    if planned.solo {
        return Ok(());
    }
    let owns = |version: &VersionRecord| {
        owner_of(&planned.in_force, version) == Some(&ctx.identity.principal)
    };
    for version in &planned.versions {
        let (verb, verbs) = match (version.actor == ctx.actor(), owns(version)) {
            (true, _) => ("made", "made"),
            (false, true) => ("owns", "own"),
            (false, false) => continue,
        };
        let VersionRecord { dataset, number, .. } = version;
        return Err(Error::Forbidden {
            message: format!(
                "`{}` {verb} `{dataset}@v{number}`, and nobody approves what they {verbs}",
                ctx.actor()
            ),
        });
    }
    Ok(())
}

fn no_approvals(stage: &StageName) -> Error {
    Error::Invalid {
        code: "no-approvals",
        message: format!("stage `{stage}` asks for no approvals"),
        hint: Some("`lakebed promote` needs none".to_owned()),
    }
}

fn check_waivable(planned: &Planned, gate: GateName) -> Result<()> {
    let stage = &planned.stage;
    let error = |code, message| Error::Invalid {
        code,
        message,
        hint: Some("`lakebed promote --dry-run` shows every gate".to_owned()),
    };
    if !stage.waivable.contains(&gate) {
        let message = format!("stage `{}` does not let `{gate}` be waived", stage.name);
        return Err(error("not-waivable", message));
    }
    let verdict = ReviewVerdict::Waived(gate);
    let is_closed = |one: &PlannedPromotion| one.evidence_of(verdict, &stage.name).is_some();
    match planned.plan.promotions.iter().any(is_closed) {
        true => Ok(()),
        false => Err(error("gate-holds", format!("`{gate}` holds: there is nothing to waive"))),
    }
}

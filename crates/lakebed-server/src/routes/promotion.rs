//! Promotions, what people say of them, and the end of datasets.
#![expect(unused_qualifications, reason = "utoipa's attribute spells out paths")]

use axum::{Json, extract::State};
use lakebed_api::{
    DeprecationRequest, NoticeAnswer, PromotionAnswer, PromotionRequest, RetirementRequest,
    ReviewAnswer, ReviewList, ReviewRequest, Verdict,
};
use lakebed_core::{GateName, ReviewVerdict, StageName};
use lakebed_service as service;
use serde::Deserialize;
use utoipa::IntoParams;

use super::problems::{Always, BadBody, BadRequest, Changes, NotFound};
use crate::{
    AppState,
    context::Context,
    convert,
    extract::{ApiJson, ApiQuery, parse_ref, parse_refs},
    problem::{Failure, Result},
};

/// How many versions come to a stage at once, at most.
const MOST: usize = 100;

/// Move heads up a stage, together or not at all, or say what that takes
///
/// Needs `ingest` or `steward` on each dataset; the dry run is also for whoever may `approve`, or read
/// all of it. Everything that holds them back is told at once, with 409 and `not-ready`; so is that
/// somebody was faster, with `conflict`. What is head already stays.
#[utoipa::path(post, path = "/v1/promotions", tag = "promotion",
    params(("idempotency-key" = Option<String>, Header,
        description = "The same key from the same actor is the same change; 1 to 200 characters")),
    request_body = PromotionRequest,
    responses(
        (status = 200, description = "What it takes, or took", body = PromotionAnswer),
        BadBody, NotFound, Changes, Always
    )
)]
pub(crate) async fn promote(
    State(state): State<AppState>,
    Context(ctx): Context,
    ApiJson(request): ApiJson<PromotionRequest>,
) -> Result<Json<PromotionAnswer>> {
    let asked = promotion(&request.refs, request.to)?;
    let answer = match request.dry_run {
        true => state.lake.plan_promotion(&ctx, &asked).await?,
        false => state.lake.promote(&ctx, &asked).await?,
    };
    Ok(Json(convert::promotion(answer)))
}

/// Say yes or no to promotions, or waive a gate of theirs
///
/// Needs `approve` (a waiver: `steward`), and sight of all of the dataset. It is bound to what the gates
/// found: when that changes, it counts for nothing. Approvals are by people who neither made the version
/// nor ask for its promotion.
#[utoipa::path(post, path = "/v1/reviews", tag = "promotion",
    params(("idempotency-key" = Option<String>, Header,
        description = "The same key from the same actor is the same change; 1 to 200 characters")),
    request_body = ReviewRequest,
    responses(
        (status = 200, description = "What was said, and where it stands", body = ReviewAnswer),
        BadBody, NotFound, Changes, Always
    )
)]
pub(crate) async fn review(
    State(state): State<AppState>,
    Context(ctx): Context,
    ApiJson(request): ApiJson<ReviewRequest>,
) -> Result<Json<ReviewAnswer>> {
    let asked = service::ReviewRequest {
        promotion: promotion(&request.refs, request.to)?,
        verdict: verdict(request.verdict, request.gate)?,
        reason: request.reason,
        evidence: request.evidence,
    };
    let service::ReviewAnswer { event, promotion } = state.lake.review(&ctx, &asked).await?;
    Ok(Json(ReviewAnswer { event, promotion: convert::promotion(promotion) }))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ReviewQuery {
    /// The reference, `namespace.dataset[@selector]`.
    #[serde(rename = "ref")]
    #[param(
        rename = "ref",
        example = "sales.orders@v3",
        pattern = "^[a-z][a-z0-9_]{0,62}\\.[a-z][a-z0-9_]{0,62}(@[0-9A-Za-z_:.+-]{1,64})?$"
    )]
    reference: String,
}

/// What was said of a version, for any stage, the oldest first
#[utoipa::path(get, path = "/v1/reviews", tag = "promotion", params(ReviewQuery), responses(
    (status = 200, description = "The words", body = ReviewList), BadRequest, NotFound, Always
))]
pub(crate) async fn list_reviews(
    State(state): State<AppState>,
    Context(ctx): Context,
    ApiQuery(query): ApiQuery<ReviewQuery>,
) -> Result<Json<ReviewList>> {
    let reference = parse_ref(&query.reference)?;
    let service::Seen { record, is_readable } = state.lake.reviews(&ctx, &reference).await?;
    let reviews = record.into_iter().map(|review| convert::review(review, is_readable));
    Ok(Json(ReviewList { reviews: reviews.collect() }))
}

/// Say that a dataset will end, and what to read instead
///
/// Needs `steward`. The last word holds. It is read as before.
#[utoipa::path(post, path = "/v1/deprecations", tag = "promotion",
    params(("idempotency-key" = Option<String>, Header,
        description = "The same key from the same actor is the same change; 1 to 200 characters")),
    request_body = DeprecationRequest,
    responses(
        (status = 200, description = "That it was said", body = NoticeAnswer),
        BadBody, NotFound, Changes, Always
    )
)]
pub(crate) async fn deprecate(
    State(state): State<AppState>,
    Context(ctx): Context,
    ApiJson(request): ApiJson<DeprecationRequest>,
) -> Result<Json<NoticeAnswer>> {
    let DeprecationRequest { dataset, sunset_at, successor } = request;
    let asked = service::DeprecateRequest { dataset, sunset_at, successor };
    Ok(Json(NoticeAnswer { event: state.lake.deprecate(&ctx, &asked).await? }))
}

/// End a dataset, from the day on that was said
///
/// Needs `steward`. It is read as before, and promoted no more.
#[utoipa::path(post, path = "/v1/retirements", tag = "promotion",
    params(("idempotency-key" = Option<String>, Header,
        description = "The same key from the same actor is the same change; 1 to 200 characters")),
    request_body = RetirementRequest,
    responses(
        (status = 200, description = "That it has ended", body = NoticeAnswer),
        BadBody, NotFound, Changes, Always
    )
)]
pub(crate) async fn retire(
    State(state): State<AppState>,
    Context(ctx): Context,
    ApiJson(request): ApiJson<RetirementRequest>,
) -> Result<Json<NoticeAnswer>> {
    Ok(Json(NoticeAnswer { event: state.lake.retire(&ctx, &request.dataset).await? }))
}

fn promotion(refs: &[String], to: StageName) -> Result<service::PromotionRequest> {
    match refs.len() {
        0 => Err(Failure::invalid("no-refs", "`refs` is empty: there is nothing to promote")),
        count if count > MOST => {
            let detail = format!("{count} references: {MOST} come to a stage at once at most");
            Err(Failure::invalid("too-many-refs", detail))
        }
        _ => Ok(service::PromotionRequest { references: parse_refs(refs)?, to }),
    }
}

fn verdict(verdict: Verdict, gate: Option<GateName>) -> Result<ReviewVerdict> {
    match (verdict, gate) {
        (Verdict::Approved, None) => Ok(ReviewVerdict::Approved),
        (Verdict::Rejected, None) => Ok(ReviewVerdict::Rejected),
        (Verdict::Waived, Some(gate)) => Ok(ReviewVerdict::Waived(gate)),
        (Verdict::Waived, None) => Err(Failure::invalid("no-gate", "`waived` needs a `gate`")),
        (_, Some(_)) => Err(Failure::invalid("strange-gate", "`gate` goes with `waived` alone")),
    }
}

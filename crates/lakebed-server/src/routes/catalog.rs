//! The declared catalog, and who may do what.
#![expect(unused_qualifications, reason = "utoipa's attribute spells out paths")]

use axum::{Json, extract::State};
use lakebed_api::{
    AccessExplanation, ActionExplained, AttributeChange, CatalogAnswer, CatalogApplied,
    CatalogApplyRequest, CatalogPlan, CatalogPlanRequest, ContractChange, ContractReason,
    GrantExplained, GroupChange, LadderChange, PolicyChange, PolicyExplained, ProductChange, Reach,
    ReviewedColumn, RightChange, SightChange, TaggedPart,
};
use lakebed_core::{DatasetName, PrincipalName, Standing, Target, policy::PolicyRule};
use lakebed_service::{ApplyCatalog, govern};
use serde::Deserialize;
use utoipa::IntoParams;

use super::problems::{Always, BadBody, BadRequest, Changes};
use crate::{
    AppState,
    context::Context,
    extract::{ApiJson, ApiQuery},
    problem::{Failure, Result},
};

/// What is declared now
///
/// For whoever may `admin` or `audit` the lake.
#[utoipa::path(get, path = "/v1/catalog", tag = "catalog", responses(
    (status = 200, description = "The catalog", body = CatalogAnswer), Always
))]
pub(crate) async fn get_catalog(
    State(state): State<AppState>,
    Context(ctx): Context,
) -> Result<Json<CatalogAnswer>> {
    let found = state.lake.declared_catalog(&ctx).await?;
    Ok(Json(CatalogAnswer {
        digest: found.declaration.map(|declaration| declaration.digest),
        event: found.declaration.map(|declaration| declaration.seq),
        declared: found.declared,
    }))
}

/// What applying a catalog would change: who would gain or lose what
///
/// For whoever may `admin` the lake. Changes nothing.
#[utoipa::path(post, path = "/v1/catalog/plan", tag = "catalog",
    request_body = CatalogPlanRequest,
    responses((status = 200, description = "The difference", body = CatalogPlan), BadBody, Always)
)]
pub(crate) async fn plan_catalog(
    State(state): State<AppState>,
    Context(ctx): Context,
    ApiJson(request): ApiJson<CatalogPlanRequest>,
) -> Result<Json<CatalogPlan>> {
    Ok(Json(plan(state.lake.plan_catalog(&ctx, &request.declared).await?)))
}

/// Declare a catalog, in place of the one it was planned against
///
/// For whoever may `admin` the lake. One event; the same catalog again is none. Refused with 409
/// when another was applied meanwhile.
#[utoipa::path(post, path = "/v1/catalog/apply", tag = "catalog",
    params(("idempotency-key" = Option<String>, Header,
        description = "The same key from the same actor is the same change; 1 to 200 characters")),
    request_body = CatalogApplyRequest,
    responses(
        (status = 200, description = "What it changed", body = CatalogApplied),
        BadBody, Changes, Always
    )
)]
pub(crate) async fn apply_catalog(
    State(state): State<AppState>,
    Context(ctx): Context,
    ApiJson(request): ApiJson<CatalogApplyRequest>,
) -> Result<Json<CatalogApplied>> {
    let CatalogApplyRequest { declared, expected, without_admin } = request;
    let apply = ApplyCatalog { declared, expected, without_admin };
    let applied = state.lake.apply_catalog(&ctx, apply).await?;
    Ok(Json(CatalogApplied { event: applied.event, plan: plan(applied.plan) }))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ExplainQuery {
    /// Where: `lake`, a namespace as in `crm.*`, or a dataset; the lake when unsaid.
    #[param(example = "crm.customers")]
    target: Option<String>,
    /// Who; the asker when unsaid. Others only for whoever may `admin` the target.
    principal: Option<String>,
}

/// Why somebody may do what they may, and why not more
///
/// Answers by names alone: it does not say whether there is such a dataset.
#[utoipa::path(get, path = "/v1/access/explain", tag = "catalog", params(ExplainQuery), responses(
    (status = 200, description = "The explanation", body = AccessExplanation), BadRequest, Always
))]
pub(crate) async fn explain_access(
    State(state): State<AppState>,
    Context(ctx): Context,
    ApiQuery(query): ApiQuery<ExplainQuery>,
) -> Result<Json<AccessExplanation>> {
    let target = query.target.as_deref().unwrap_or("lake").parse::<Target>();
    let target = target.map_err(|error| Failure::invalid("invalid-target", error.to_string()))?;
    let principal = query.principal.as_deref().map(str::parse::<PrincipalName>).transpose();
    let principal =
        principal.map_err(|error| Failure::invalid("invalid-principal", error.to_string()))?;
    let found = state.lake.explain_access(&ctx, principal, &target).await?;
    Ok(Json(explanation(found)))
}

fn plan(plan: govern::CatalogPlan) -> CatalogPlan {
    let groups = plan.groups.iter().cloned().map(|change| {
        let govern::GroupChange { group, joined, left } = change;
        GroupChange { group, joined, left }
    });
    let attributes = plan.attributes.iter().cloned().map(|change| {
        let govern::AttributeChange { principal, attribute, before, after } = change;
        AttributeChange { principal, attribute, before, after }
    });
    let rights = plan.rights.iter().cloned().map(|right| RightChange {
        is_gain: right.is_gain(),
        who: right.who,
        action: right.action,
        on: right.on,
        before: reach(right.before),
        after: reach(right.after),
    });
    let contracts = plan.contracts.iter().map(contract_change);
    let policies = plan.policies.iter().cloned().map(|change| {
        let govern::PolicyChange { before, after } = change;
        PolicyChange { before, after }
    });
    let products = plan.products.iter().cloned().map(|change| {
        let govern::ProductChange { product, before, after } = change;
        ProductChange { product, before, after }
    });
    let sights = plan.sights.iter().cloned().map(|sight| {
        let govern::SightChange { on, restriction, is_gain, who } = sight;
        SightChange { is_gain, who, on, restriction }
    });
    let column = |(dataset, column)| ReviewedColumn { dataset, column };
    CatalogPlan {
        contracts: contracts.collect(),
        ladder: plan.ladder.clone().map(ladder_change),
        policies: policies.collect(),
        products: products.collect(),
        sights: sights.collect(),
        warnings: plan.warnings.iter().map(ToString::to_string).collect(),
        reviewed_added: plan.reviewed_added.iter().cloned().map(column).collect(),
        reviewed_removed: plan.reviewed_removed.iter().cloned().map(column).collect(),
        before: plan.before,
        after: plan.after,
        is_change: !plan.is_empty(),
        loses_last_admin: plan.loses_last_admin,
        groups: groups.collect(),
        attributes: attributes.collect(),
        rights: rights.collect(),
        claimed_groups_added: plan.claimed_groups_added,
        claimed_groups_removed: plan.claimed_groups_removed,
        grants_added: plan.grants_added,
        grants_removed: plan.grants_removed,
    }
}

fn ladder_change(change: govern::LadderChange) -> LadderChange {
    LadderChange { before: change.before, after: change.after }
}

fn contract_change(change: &govern::ContractChange) -> ContractChange {
    let reasons = change.change.iter().flat_map(|change| &change.reasons);
    let reason = |reason: &govern::Reason| ContractReason {
        level: reason.level.to_string(),
        element: reason.element.clone(),
        what: reason.what.clone(),
        why: reason.why.to_owned(),
    };
    ContractChange {
        dataset: change.dataset.clone(),
        before: change.before.clone(),
        after: change.after.clone(),
        level: change.change.as_ref().map(|change| change.level.to_string()),
        reasons: reasons.map(reason).collect(),
        version_flaw: change.version_flaw.as_ref().map(ToString::to_string),
    }
}

const fn reach(reach: govern::Reach) -> Reach {
    match reach {
        govern::Reach::Never => Reach::Never,
        govern::Reach::Until(time) => Reach::Until(time),
        govern::Reach::Always => Reach::Always,
    }
}

fn explanation(found: govern::Explanation) -> AccessExplanation {
    let actions = found.actions.into_iter().map(|explained| ActionExplained {
        action: explained.action,
        is_allowed: explained.is_allowed,
        is_out_of_scope: explained.is_out_of_scope,
    });
    let grants = found.grants.into_iter().map(|explained| GrantExplained {
        grant: explained.grant,
        applies: explained.why_not.is_none(),
        why_not: explained.why_not.map(|why| why.as_str().to_owned()),
    });
    let tells = found.tells_policies;
    let tagged_part = |(dataset, tagged): (DatasetName, govern::Tagged)| TaggedPart {
        dataset,
        columns: match tagged {
            govern::Tagged::Whole => None,
            govern::Tagged::Columns(columns) => Some(columns),
        },
    };
    let policies = found.policies.into_iter().map(|explained| PolicyExplained {
        kind: match explained.policy.rule {
            PolicyRule::RowFilter(_) => "rows",
            PolicyRule::Mask { .. } => "mask",
            PolicyRule::Hide { .. } => "hide",
        }
        .to_owned(),
        restriction: tells.then(|| explained.policy.rule.to_string()),
        name: explained.policy.name,
        on: explained.policy.on,
        applies: explained.why_not.is_none(),
        why_not: explained.why_not.map(|why| why.as_str().to_owned()),
        tagged: match tells {
            true => explained.tagged.into_iter().map(tagged_part).collect(),
            false => Vec::new(),
        },
    });
    AccessExplanation {
        policies: policies.collect(),
        principal: found.principal,
        standing: match found.standing {
            Standing::Ordinary => "ordinary",
            Standing::FirstAdmin => "first-admin",
            Standing::Owner => "owner",
        }
        .to_owned(),
        groups: found.groups,
        attributes: found.attributes,
        target: found.target,
        actions: actions.collect(),
        grants: grants.collect(),
    }
}

//! Who asks, and API tokens to prove it.
#![expect(unused_qualifications, reason = "utoipa's attribute spells out paths")]

use axum::{
    Extension, Json,
    extract::State,
    response::{IntoResponse as _, Response},
};
use http::{StatusCode, header};
use lakebed_api::{NewToken, TokenList, TokenRequest, TokenSummary, WhoAmI};
use lakebed_core::{Standing, Timestamp};
use lakebed_service as service;
use serde::Deserialize;
use utoipa::IntoParams;

use super::problems::{Always, BadBody, BadRequest, Changes, NotFound};
use crate::{
    AppState,
    auth::{Caller, Credential},
    context::Context,
    extract::{ApiJson, ApiQuery, TokenPath},
    problem::Result,
};

/// Who asks, as their credential proves it
#[utoipa::path(get, path = "/v1/whoami", tag = "token", responses(
    (status = 200, description = "Who asks", body = WhoAmI), Always
))]
pub(crate) async fn whoami(Extension(caller): Extension<Caller>) -> Json<WhoAmI> {
    let identity = caller.identity.as_ref().clone();
    let mut answer = WhoAmI {
        principal: identity.principal,
        groups: identity.groups,
        attributes: identity.attributes,
        standing: match identity.standing {
            Standing::Ordinary => "ordinary",
            Standing::FirstAdmin => "first_admin",
            Standing::Owner => "owner",
        }
        .to_owned(),
        credential: "presence".to_owned(),
        token: None,
        issuer: None,
        expires_at: None,
        scope: identity.scope,
    };
    match caller.credential {
        Credential::Presence => {}
        Credential::Token(token) => {
            answer.credential = "token".to_owned();
            answer.token = Some(token.id);
            answer.expires_at = Some(token.expires_at);
        }
        Credential::Oidc { issuer, expires_at } => {
            answer.credential = "oidc".to_owned();
            answer.issuer = Some(issuer.to_string());
            answer.expires_at = Some(expires_at);
        }
    }
    Json(answer)
}

/// Make a token; its secret is in this answer and nowhere else
#[utoipa::path(post, path = "/v1/tokens", tag = "token", request_body = TokenRequest,
    params(("idempotency-key" = Option<String>, Header,
        description = "The same key is the same token, whose secret is told once: a second request \
            is refused")),
    responses(
        (status = 201, description = "The token", body = NewToken), BadBody, Changes, Always
    )
)]
pub(crate) async fn create_token(
    State(state): State<AppState>,
    Context(ctx): Context,
    ApiJson(request): ApiJson<TokenRequest>,
) -> Result<Response> {
    let TokenRequest { principal, label, days, scope, first_admin } = request;
    let request = service::TokenRequest { principal, label, days, scope, first_admin };
    let (secret, record) = state.lake.create_token(&ctx, request).await?;
    let answer = NewToken { secret: secret.reveal(), token: summary(record, state.lake.now()) };
    let no_store = [(header::CACHE_CONTROL, "no-store")];
    Ok((StatusCode::CREATED, no_store, Json(answer)).into_response())
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct TokenQuery {
    /// The tokens of everybody, which takes `admin`; the caller's own when unsaid.
    #[serde(default)]
    all: bool,
}

/// The caller's tokens, or everybody's, the newest first
#[utoipa::path(get, path = "/v1/tokens", tag = "token", params(TokenQuery), responses(
    (status = 200, description = "The tokens", body = TokenList), BadRequest, Always
))]
pub(crate) async fn list_tokens(
    State(state): State<AppState>,
    Context(ctx): Context,
    ApiQuery(query): ApiQuery<TokenQuery>,
) -> Result<Json<TokenList>> {
    let tokens = state.lake.tokens(&ctx, query.all).await?;
    let now = state.lake.now();
    Ok(Json(TokenList { tokens: tokens.into_iter().map(|token| summary(token, now)).collect() }))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct RevokeQuery {
    /// Every token that was made with it, or with one of those, as well.
    #[serde(default)]
    and_made_with_it: bool,
}

/// Take a token back: from this answer on it proves nothing, on any server
#[utoipa::path(delete, path = "/v1/tokens/{id}", tag = "token", params(
    ("id" = String, Path, description = "The token's public part, 16 lower-case hex digits"),
    RevokeQuery,
), responses(
    (status = 200, description = "The token, revoked", body = TokenSummary),
    BadRequest, NotFound, Changes, Always
))]
pub(crate) async fn revoke_token(
    State(state): State<AppState>,
    Context(ctx): Context,
    TokenPath(id): TokenPath,
    ApiQuery(query): ApiQuery<RevokeQuery>,
) -> Result<Json<TokenSummary>> {
    let token = state.lake.revoke_token(&ctx, id, query.and_made_with_it).await?;
    Ok(Json(summary(token, state.lake.now())))
}

fn summary(token: service::TokenRecord, now: Timestamp) -> TokenSummary {
    let state = match token.revoked_at {
        Some(_) => "revoked",
        None if now >= token.expires_at => "expired",
        None => "good",
    };
    TokenSummary {
        id: token.id,
        principal: token.principal,
        label: token.label,
        state: state.to_owned(),
        created_at: token.created_at,
        created_by: token.created_by,
        expires_at: token.expires_at,
        scope: token.scope,
        made_with: token.made_with,
        first_admin: token.first_admin,
        revoked_at: token.revoked_at,
    }
}

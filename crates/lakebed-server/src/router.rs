//! The resources and their description, from one list.

use std::sync::LazyLock;

use axum::{
    Router,
    middleware::from_fn_with_state,
    response::{IntoResponse, Response},
};
use http::header;
use lakebed_api::{Problem, media};
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::{
    Modify, OpenApi,
    openapi::{
        OpenApi as Document,
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    AppState,
    compress::compress,
    front::{caught, front, no_such_method, no_such_route},
    routes::{
        catalog, contract, dataset, diff, event, ingest, job, lake, lineage, object, openlineage,
        product, profile, promotion, receipt, resolve, row, run, sql, statement, token, upload,
        verify, version,
    },
};

/// The door: every resource under `/v1`, health, and `/openapi.json`.
///
/// Every error is `application/problem+json`, a panic in a handler too.
pub fn router(state: AppState) -> Router {
    let (router, _) = resources().split_for_parts();
    router
        .fallback(no_such_route)
        .method_not_allowed_fallback(no_such_method)
        .layer(CatchPanicLayer::custom(caught))
        .layer(from_fn_with_state(state.clone(), compress))
        .layer(from_fn_with_state(state.clone(), front))
        .with_state(state)
}

/// The OpenAPI 3.1 document of [`router`].
#[must_use]
pub fn openapi() -> Document {
    resources().split_for_parts().1
}

/// Each route is added together with its description: none can be missing from the document.
fn resources() -> OpenApiRouter<AppState> {
    OpenApiRouter::with_openapi(Api::openapi())
        .routes(routes!(lake::get_lake))
        .routes(routes!(lake::live))
        .routes(routes!(lake::ready))
        .routes(routes!(dataset::list_datasets))
        .routes(routes!(dataset::get_dataset))
        .routes(routes!(version::list_versions))
        .routes(routes!(version::get_version))
        .routes(routes!(profile::get_profile))
        .routes(routes!(resolve::resolve))
        .routes(routes!(diff::diff))
        .routes(routes!(object::get_object))
        .routes(routes!(upload::upload))
        .routes(routes!(upload::get_upload, upload::append_upload, upload::abort_upload))
        .routes(routes!(ingest::plan_ingest))
        .routes(routes!(ingest::ingest))
        .routes(routes!(product::list_products))
        .routes(routes!(product::get_product))
        .routes(routes!(product::build_product, product::list_builds))
        .routes(routes!(row::get_rows))
        .routes(routes!(row::query_product))
        .routes(routes!(row::describe_product))
        .routes(routes!(lineage::get_lineage))
        .routes(routes!(lineage::get_openlineage))
        .routes(routes!(lineage::get_impact))
        .routes(routes!(lineage::get_report))
        .routes(routes!(lineage::register_lock, lineage::remove_lock))
        .routes(routes!(job::list_jobs))
        .routes(routes!(job::get_job, job::cancel_job))
        .routes(routes!(job::job_events))
        .routes(routes!(sql::sql))
        .routes(routes!(receipt::get_receipt))
        .routes(routes!(receipt::replay))
        .routes(routes!(statement::create_statement))
        .routes(routes!(statement::get_statement, statement::delete_statement))
        .routes(routes!(statement::get_chunk))
        .routes(routes!(event::list_events))
        .routes(routes!(openlineage::receive_lineage))
        .routes(routes!(openlineage::list_lineage_events))
        .routes(routes!(verify::verify))
        .routes(routes!(contract::check_contract))
        .routes(routes!(run::begin_run, run::list_runs))
        .routes(routes!(run::get_run))
        .routes(routes!(run::get_run_log))
        .routes(routes!(run::hear_of_run))
        .routes(routes!(run::commit_run))
        .routes(routes!(run::abort_run))
        .routes(routes!(promotion::promote))
        .routes(routes!(promotion::review, promotion::list_reviews))
        .routes(routes!(promotion::deprecate))
        .routes(routes!(promotion::retire))
        .routes(routes!(catalog::get_catalog))
        .routes(routes!(catalog::plan_catalog))
        .routes(routes!(catalog::apply_catalog))
        .routes(routes!(catalog::explain_access))
        .routes(routes!(token::whoami))
        .routes(routes!(token::create_token, token::list_tokens))
        .routes(routes!(token::revoke_token))
        .routes(routes!(get_openapi))
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Lakebed",
        description = "An immutable data-lake catalog. Every error is a problem (RFC 9457) with a \
            stable `code`; every answer carries `x-request-id`, which a request may choose.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    components(schemas(Problem)),
    modifiers(&Bearer),
    security((), ("bearer" = [])),
    tags(
        (name = "lake", description = "The lake as a whole"),
        (name = "dataset", description = "Named series of versions"),
        (name = "version", description = "Immutable states of a dataset"),
        (name = "object", description = "Immutable bytes by their digest"),
        (name = "ingest", description = "Originals in, a version out"),
        (name = "product", description = "Datasets that are computed from others"),
        (name = "run", description = "Programs elsewhere that make versions"),
        (name = "job", description = "Long work that nobody has to wait for"),
        (name = "sql", description = "Statements over pinned versions"),
        (name = "receipt", description = "What answers were made of"),
        (name = "event", description = "What happened, in order"),
        (name = "lineage", description = "What pipelines elsewhere told"),
        (name = "promotion", description = "From raw data to products"),
        (name = "catalog", description = "Who may do what, as it is declared"),
        (name = "verification", description = "Reading everything again"),
        (name = "token", description = "Who asks, and API tokens to prove it"),
        (name = "health", description = "Whether it answers"),
    )
)]
struct Api;

/// How callers prove who they are.
struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut Document) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(
            "An API token of this lake, or a signed token (JWT) of an issuer that the server trusts. \
             A server that asks nobody ignores it.",
        ));
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("bearer", SecurityScheme::Http(scheme.build()));
    }
}

/// This document
#[utoipa::path(get, path = "/openapi.json", tag = "health", security(()), responses(
    (status = 200, description = "OpenAPI 3.1", body = Object)
))]
async fn get_openapi() -> Response {
    static DOCUMENT: LazyLock<String> = LazyLock::new(|| {
        openapi().to_pretty_json().expect("a document made of plain values always serialises")
    });
    ([(header::CONTENT_TYPE, media::JSON)], DOCUMENT.as_str()).into_response()
}

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
use utoipa::{OpenApi, openapi::OpenApi as Document};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    AppState,
    front::{caught, front, no_such_method, no_such_route},
    routes::{dataset, event, ingest, lake, object, resolve, sql, upload, verify, version},
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
        .routes(routes!(resolve::resolve))
        .routes(routes!(object::get_object))
        .routes(routes!(upload::upload))
        .routes(routes!(ingest::plan_ingest))
        .routes(routes!(ingest::ingest))
        .routes(routes!(sql::sql))
        .routes(routes!(event::list_events))
        .routes(routes!(verify::verify))
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
    tags(
        (name = "lake", description = "The lake as a whole"),
        (name = "dataset", description = "Named series of versions"),
        (name = "version", description = "Immutable states of a dataset"),
        (name = "object", description = "Immutable bytes by their digest"),
        (name = "ingest", description = "Originals in, a version out"),
        (name = "sql", description = "Statements over pinned versions"),
        (name = "event", description = "What happened, in order"),
        (name = "verification", description = "Reading everything again"),
        (name = "health", description = "Whether it answers"),
    )
)]
struct Api;

/// This document
#[utoipa::path(get, path = "/openapi.json", tag = "health", responses(
    (status = 200, description = "OpenAPI 3.1", body = Object)
))]
async fn get_openapi() -> Response {
    static DOCUMENT: LazyLock<String> = LazyLock::new(|| {
        openapi().to_pretty_json().expect("a document made of plain values always serialises")
    });
    ([(header::CONTENT_TYPE, media::JSON)], DOCUMENT.as_str()).into_response()
}

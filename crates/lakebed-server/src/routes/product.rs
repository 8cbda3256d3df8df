//! Products, and builds of them.

use axum::{Json, extract::State, response::Response};
use http::HeaderMap;
use lakebed_api::{
    BuildList, BuildRequest, IngestResponse, Job, Line, ProductAnswer, ProductList, ProductSummary,
};
use lakebed_core::{DatasetName, LockedInput, StageName};
use lakebed_service::{self as service, BUILD, NewJob};
use serde::{Deserialize, Serialize};

use super::{
    ingest::{accepted, prefers_a_job},
    problems::{Always, BadBody, BadRequest, Changes, NotAcceptable, NotFound, TooMany},
    row::notice_headers,
};
use crate::{
    Access, AppState,
    context::Context,
    convert,
    extract::{ApiJson, ApiQuery, DatasetPath, NoQuery},
    lines::{Reader, Telling, answer},
    links::of_product,
    problem::Result,
};

/// How many jobs are looked at.
const MOST_BUILDS: u32 = 1000;

/// The products that you may know of
#[utoipa::path(get, path = "/v1/products", tag = "product", responses(
    (status = 200, description = "By name", body = ProductList), BadRequest, Always
))]
pub(crate) async fn list_products(
    State(state): State<AppState>,
    Context(ctx): Context,
    ApiQuery(NoQuery {}): ApiQuery<NoQuery>,
) -> Result<Json<ProductList>> {
    let (_, products) = state.lake.products(&ctx).await?;
    Ok(Json(ProductList { products: products.into_iter().map(summary).collect() }))
}

/// A product: how it is declared, and its newest version
///
/// Of one that ends, or has ended, the answer carries `deprecation` and `sunset`, and a `link` of
/// `rel="successor-version"` to what comes after it, if you may know of that.
#[utoipa::path(get, path = "/v1/products/{namespace}/{name}", tag = "product", params(
    ("namespace" = String, Path, description = "The part before the dot"),
    ("name" = String, Path, description = "The part after it"),
), responses(
    (status = 200, description = "The product", body = ProductAnswer), BadRequest, NotFound, Always
))]
pub(crate) async fn get_product(
    State(state): State<AppState>,
    Context(ctx): Context,
    DatasetPath(name): DatasetPath,
    ApiQuery(NoQuery {}): ApiQuery<NoQuery>,
) -> Result<(HeaderMap, Json<ProductAnswer>)> {
    let (snapshot, found) = state.lake.product(&ctx, &name).await?;
    let declared = found.is_told.then(|| found.declared.clone());
    let age = state.lake.age_of_product(&ctx, &found).await?;
    let stale = age.as_ref().and_then(|age| age.stale.as_ref());
    let notice = state.lake.notice_of_product(&ctx, &name).await?;
    let answer = ProductAnswer {
        snapshot: convert::snapshot(snapshot),
        summary: summary(found),
        as_of: age.as_ref().map(|age| age.as_of),
        stale: stale.map(|why| why.iter().map(|why| why.as_str().to_owned()).collect()),
        notice: notice.clone().map(|notice| convert::notice(notice.record)),
        declared,
    };
    Ok((notice_headers(notice)?, Json(answer)))
}

/// Build a product
///
/// `application/json` waits; `application/x-ndjson` tells the progress line by line. Going away cancels
/// it. With `prefer: respond-async` it becomes a job that goes on by itself. Of the same versions the
/// same product is built but once.
#[utoipa::path(post, path = "/v1/products/{namespace}/{name}/builds", tag = "product",
    params(
        ("namespace" = String, Path, description = "The part before the dot"),
        ("name" = String, Path, description = "The part after it"),
        ("idempotency-key" = Option<String>, Header,
            description = "The same key from the same actor is the same change; 1 to 200 characters",
            pattern = "^[ -~]{1,200}$"),
        ("prefer" = Option<String>, Header, description = "`respond-async`: a job, please"),
    ),
    request_body = BuildRequest,
    responses(
        (status = 200, description = "What it did", content(
            (IngestResponse = "application/json"), (Line<IngestResponse> = "application/x-ndjson")
        )),
        (status = 202, description = "It is a job now", body = Job,
            headers(("location" = String, description = "The job"))),
        BadBody, NotFound, NotAcceptable, TooMany, Changes, Always
    )
)]
pub(crate) async fn build_product(
    State(state): State<AppState>,
    Context(ctx): Context,
    DatasetPath(product): DatasetPath,
    headers: HeaderMap,
    ApiJson(request): ApiJson<BuildRequest>,
) -> Result<Response> {
    let build = Build { product, request };
    state.lake.check_ingest(&ctx, &build.product).await?;
    if state.access == Access::Remote && prefers_a_job(&headers) {
        let request = serde_json::to_string(&build).expect("wire types always serialise");
        let new = NewJob { kind: BUILD.to_owned(), request };
        return accepted(state.jobs()?.submit(&ctx, new).await?);
    }
    let telling = Telling::of(&headers)?;
    let reader = Reader { access: state.access, request_id: ctx.request_id.clone() };
    answer(telling, reader, |progress| async move {
        let outcome = state.lake.build(&ctx, build.into_request(), progress).await?;
        Ok(convert::built(&state, outcome))
    })
    .await
}

/// The builds of a product that you asked for
///
/// Those that became jobs, the newest first; `links` lead to each as it goes on, and to its end.
#[utoipa::path(get, path = "/v1/products/{namespace}/{name}/builds", tag = "product",
    params(
        ("namespace" = String, Path, description = "The part before the dot"),
        ("name" = String, Path, description = "The part after it"),
    ),
    responses((status = 200, description = "The builds", body = BuildList), BadRequest, NotFound, Always)
)]
pub(crate) async fn list_builds(
    State(state): State<AppState>,
    Context(ctx): Context,
    DatasetPath(product): DatasetPath,
) -> Result<Json<BuildList>> {
    state.lake.product(&ctx, &product).await?;
    let jobs = match state.access {
        // Nothing goes on in a lake that nobody serves.
        Access::Local => Vec::new(),
        Access::Remote => state.jobs()?.list(&ctx, MOST_BUILDS).await?,
    };
    let is_of_product = |job: &service::JobStatus| {
        let build = || serde_json::from_str::<Build>(&job.record.request);
        job.record.kind == BUILD && build().is_ok_and(|build| build.product == product)
    };
    let builds = jobs.into_iter().filter(is_of_product).map(convert::job);
    Ok(Json(BuildList { builds: builds.collect::<Result<_>>()? }))
}

/// A build as a job keeps it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Build {
    product: DatasetName,
    request: BuildRequest,
}

impl From<service::BuildRequest> for Build {
    fn from(request: service::BuildRequest) -> Self {
        let locked = request.locked.map(|locked| {
            let reference = |input: LockedInput| lakebed_api::LockedReference {
                reference: input.reference,
                version_id: input.version_id,
            };
            locked.into_iter().map(reference).collect()
        });
        Self { product: request.product, request: BuildRequest { locked } }
    }
}

impl Build {
    pub(crate) fn into_request(self) -> service::BuildRequest {
        let locked = self.request.locked.map(|locked| {
            let input = |locked: lakebed_api::LockedReference| LockedInput {
                reference: locked.reference,
                // What pins is the id.
                version: 0,
                version_id: locked.version_id,
            };
            locked.into_iter().map(input).collect()
        });
        service::BuildRequest { product: self.product, locked }
    }
}

fn summary(mut product: service::SeenProduct) -> ProductSummary {
    // The newest is the head of `raw`, always.
    product.heads.remove(&StageName::raw());
    ProductSummary {
        links: of_product(&product),
        product: product.name,
        owner: product.declared.owner.to_string(),
        purpose: product.declared.purpose,
        served: product.declared.served,
        newest: product.newest.map(|newest| convert::version(newest.record, newest.is_readable)),
        heads: convert::heads(product.heads),
    }
}

//! Rows of products: pages of them, the queries that are declared with them, and their description.

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use lakebed_api::{
    RowsPage, SqlLimits, SqlResult,
    media::{self, SqlFormat},
};
use lakebed_core::DatasetName;
use lakebed_service::{self as service, Age, ProductNotice, RowsRequest, Staleness};
use url::form_urlencoded::Serializer;

use super::{
    problems::{Always, BadRequest, Changes, NotAcceptable, NotFound, RawBytes, TooMany},
    sql::{Written, coding, limits, respond, respond_rows},
};
use crate::{
    AppState,
    accept::negotiate,
    context::Context,
    convert,
    document::document,
    encode::{Int64, PageWords, Preamble},
    extract::{ApiQuery, DatasetPath, NoQuery, Pairs, QueryPath},
    lines::Reader,
    links::{dataset_path, product_path},
    metrics::StatementTally,
    problem::{Failure, Result},
};

/// Rows of a product
///
/// Every column that you may know of is a parameter, too: `column=value`, `column.ne=`, `.lt`, `.le`,
/// `.gt`, `.ge`, `.in=a,b`, `.null=true`; all conditions hold together, and values are of the column's
/// type. The product's own `openapi.json` lists them. You filter and sort what you see: a column that a
/// policy masks by its masked values. Floats that are no numbers are `NaN`, `Infinity` and `-Infinity`, as
/// in answers; `NaN` is equal to itself, and greater than every other.
///
/// A page is of one version, whatever is written meanwhile. `next`, and the header `link`, lead to the
/// one after it; pages further behind take longer, since the rows before them are sorted, too. Of a
/// product that ends, or has ended, the answer carries `deprecation` and `sunset`, and a second `link` to
/// what comes after it, if you may know of that.
#[utoipa::path(get, path = "/v1/products/{namespace}/{name}/rows", tag = "product",
    params(
        ("namespace" = String, Path, description = "The part before the dot"),
        ("name" = String, Path, description = "The part after it"),
        ("select" = Option<String>, Query, description = "These columns alone, in this order: `a,b`; \
            `\\,` is a comma in a name"),
        ("order" = Option<String>, Query, description = "Sorted by these columns first, by the others \
            from left to right then: `a,-b`, `-` downwards; null is less than every value"),
        ("limit" = Option<u32>, Query, description = "At most so many rows, 1 to 10,000; 100 when \
            unsaid", minimum = 1, maximum = 10_000),
        ("at" = Option<String>, Query, description = "The version, as after the `@` of a reference: \
            `2026-11-01`, `product`, `v12`"),
        ("version" = Option<u64>, Query, description = "The version, by its number", minimum = 1),
        ("cursor" = Option<String>, Query, description = "From where a page before this one ended"),
        ("int64" = Option<String>, Query, description = "`string` writes 64-bit integers of JSON and \
            NDJSON as strings; `number` is the default"),
    ),
    responses(
        (status = 200, description = "The rows",
            content(
                (RowsPage = "application/json"),
                (String = "application/x-ndjson"),
                (String = "text/csv"),
                (RawBytes = "application/vnd.apache.arrow.stream"),
                (RawBytes = "application/vnd.apache.parquet"),
            ),
            headers(
                ("link" = String, description = "`rel=\"next\"`: the page after this one; \
                    `rel=\"successor-version\"`: what is there to be read instead"),
                ("lakebed-version" = u64, description = "The version's number"),
                ("lakebed-as-of" = String, description = "When that was committed"),
                ("lakebed-stale" = String, description = "`true` where the product is declared with \
                    another statement or order by now, an input has another version, or the contract \
                    promises newer rows; `false` is for those who may know of all that the product is \
                    made of, and absent is unknown"),
                ("lakebed-stale-because" = String,
                    description = "`statement`, `inputs`, `contract`, or several"),
            )
        ),
        BadRequest, NotFound, NotAcceptable, TooMany, Changes, Always
    )
)]
pub(crate) async fn get_rows(
    State(state): State<AppState>,
    Context(ctx): Context,
    DatasetPath(product): DatasetPath,
    Pairs(query): Pairs,
    headers: HeaderMap,
) -> Result<Response> {
    let written = written(&state, &headers, &query)?;
    let request = RowsRequest {
        product: product.clone(),
        query: without_int64(&query),
        limits: limits(&state, SqlLimits::default())?,
    };
    let reader = Reader { access: state.access, request_id: ctx.request_id.clone() };
    let mut tally = StatementTally::begin(state.metrics.clone());
    let page = tally.counted(state.lake.rows(&ctx, request).await)?;
    let service::RowsPage { statement_id, snapshot, resolved, age, notice, stream, next } = page;
    let next = next.map(|cursor| next_path(&product, &query, &cursor));
    let own = own_headers(resolved.version.number, &age, notice, next.as_deref())?;
    let stale = age.stale.as_ref().map(|why| !why.is_empty());
    let preamble = Preamble {
        statement_id,
        snapshot: convert::snapshot(snapshot),
        resolved: vec![convert::input(&resolved)],
        page: Some(PageWords { as_of: age.as_of, stale, next }),
    };
    let mut response = respond_rows(preamble, stream, written, reader, tally).await?;
    response.headers_mut().extend(own);
    Ok(response)
}

/// Answer a query that is declared with a product
///
/// Its parameters are those that are declared; in the statement every value has exactly the type of its
/// parameter. It is answered as you may see the product.
#[utoipa::path(get, path = "/v1/products/{namespace}/{name}/queries/{query}", tag = "product",
    params(
        ("namespace" = String, Path, description = "The part before the dot"),
        ("name" = String, Path, description = "The part after it"),
        ("query" = String, Path, description = "The query"),
        ("int64" = Option<String>, Query, description = "`string` writes 64-bit integers of JSON and \
            NDJSON as strings; `number` is the default"),
    ),
    responses(
        (status = 200, description = "The rows",
            content(
                (SqlResult = "application/json"),
                (String = "application/x-ndjson"),
                (String = "text/csv"),
                (RawBytes = "application/vnd.apache.arrow.stream"),
                (RawBytes = "application/vnd.apache.parquet"),
            ),
            headers(
                ("lakebed-version" = u64, description = "The number of the version that was read"),
                ("lakebed-as-of" = String, description = "When that was committed"),
                ("lakebed-stale" = String, description = "As of rows"),
                ("lakebed-stale-because" = String, description = "As of rows"),
                ("link" = String, description = "`rel=\"successor-version\"`: as of rows"),
            )
        ),
        BadRequest, NotFound, NotAcceptable, TooMany, Changes, Always
    )
)]
pub(crate) async fn query_product(
    State(state): State<AppState>,
    Context(ctx): Context,
    DatasetPath(product): DatasetPath,
    QueryPath(query): QueryPath,
    Pairs(given): Pairs,
    headers: HeaderMap,
) -> Result<Response> {
    let written = written(&state, &headers, &given)?;
    let given = without_int64(&given);
    let limits = limits(&state, SqlLimits::default())?;
    let reader = Reader { access: state.access, request_id: ctx.request_id.clone() };
    let mut tally = StatementTally::begin(state.metrics.clone());
    let found = state.lake.query_of_product(&ctx, &product, &query, &given, limits).await;
    let found = tally.counted(found)?;
    let own = match (found.answer.resolved.first(), &found.answer.age) {
        (Some(read), Some(age)) => own_headers(read.version.number, age, found.notice, None)?,
        _ => HeaderMap::new(),
    };
    let mut response = respond(found.answer, written, reader, tally).await?;
    response.headers_mut().extend(own);
    Ok(response)
}

/// What can be asked of a product
///
/// An OpenAPI 3.1 document of its rows and queries: the columns of its newest version that you may know
/// of, each with its type and what its contract says it is, and the queries that have an answer for you.
#[utoipa::path(get, path = "/v1/products/{namespace}/{name}/openapi.json", tag = "product",
    params(
        ("namespace" = String, Path, description = "The part before the dot"),
        ("name" = String, Path, description = "The part after it"),
    ),
    responses(
        (status = 200, description = "OpenAPI 3.1", body = Object), BadRequest, NotFound, Always
    )
)]
pub(crate) async fn describe_product(
    State(state): State<AppState>,
    Context(ctx): Context,
    DatasetPath(product): DatasetPath,
    ApiQuery(NoQuery {}): ApiQuery<NoQuery>,
) -> Result<Response> {
    let shape = state.lake.product_shape(&ctx, &product).await?;
    let text = document(&product, &shape).to_string();
    let headers = [(header::CONTENT_TYPE, media::JSON), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, text).into_response())
}

fn written(state: &AppState, headers: &HeaderMap, query: &[(String, String)]) -> Result<Written> {
    let offered = SqlFormat::ALL.map(SqlFormat::media_type);
    let format = SqlFormat::ALL[negotiate(headers, &offered)?];
    let coding = coding(state, headers, format)?;
    let mut asked = query.iter().filter(|(name, _)| name == INT64).map(|(_, value)| value.as_str());
    let int64 = match (asked.next(), asked.next()) {
        (None | Some("number"), None) => Int64::Number,
        (Some("string"), None) => Int64::Text,
        _ => {
            let detail = "parameter `int64` is `number` or `string`";
            return Err(Failure::invalid("invalid-query", detail));
        }
    };
    Ok(Written { format, coding, int64 })
}

/// What says how an answer is written, and nothing about its rows.
const INT64: &str = "int64";

fn without_int64(query: &[(String, String)]) -> Vec<(String, String)> {
    query.iter().filter(|(name, _)| name != INT64).cloned().collect()
}

/// The same question, from `cursor` on.
fn next_path(product: &DatasetName, query: &[(String, String)], cursor: &str) -> String {
    let mut next = Serializer::new(String::new());
    next.extend_pairs(query.iter().filter(|(name, _)| name != "cursor"));
    next.append_pair("cursor", cursor);
    format!("{}/rows?{}", product_path(product), next.finish())
}

/// What is said of a product's version besides what is said of every answer.
fn own_headers(
    version: u64,
    age: &Age,
    notice: Option<ProductNotice>,
    next: Option<&str>,
) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    if let Some(next) = next {
        append(&mut headers, header::LINK, &format!("<{next}>; rel=\"next\""))?;
    }
    append(&mut headers, HeaderName::from_static(media::VERSION), &version.to_string())?;
    // Several of one name stay: links lead to the next page and to what comes after the product.
    for (name, value) in age_headers(age)?.iter().chain(&notice_headers(notice)?) {
        headers.append(name, value.clone());
    }
    Ok(headers)
}

/// That a product ends, or has ended, and where to go: RFC 9745, RFC 8594, RFC 5829.
pub(super) fn notice_headers(notice: Option<ProductNotice>) -> Result<HeaderMap> {
    let Some(ProductNotice { record, is_followed_by_product }) = notice else {
        return Ok(HeaderMap::new());
    };
    let successor = record.successor.as_ref().map(|successor| match is_followed_by_product {
        true => product_path(successor),
        false => dataset_path(successor),
    });
    let mut headers = convert::notice_headers(Some(&convert::notice(record)));
    if let Some(path) = successor {
        let link = format!("<{path}>; rel=\"successor-version\"");
        append(&mut headers, header::LINK, &link)?;
    }
    Ok(headers)
}

/// As of when rows are, and whether that is stale.
pub(super) fn age_headers(age: &Age) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    append(&mut headers, HeaderName::from_static(media::AS_OF), &age.as_of.to_string())?;
    if let Some(stale) = &age.stale {
        let is_stale = (!stale.is_empty()).to_string();
        append(&mut headers, HeaderName::from_static(media::STALE), &is_stale)?;
        if !stale.is_empty() {
            let why: Vec<_> = stale.iter().map(|why: &Staleness| why.as_str()).collect();
            append(&mut headers, HeaderName::from_static(media::STALE_BECAUSE), &why.join(", "))?;
        }
    }
    Ok(headers)
}

fn append(headers: &mut HeaderMap, name: HeaderName, value: &str) -> Result<()> {
    let value =
        HeaderValue::from_str(value).map_err(|error| Failure::internal(error.to_string()))?;
    headers.append(name, value);
    Ok(())
}

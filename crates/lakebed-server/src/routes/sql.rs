//! SQL: one statement in, one stream of rows out.
#![expect(unused_qualifications, reason = "utoipa's attribute spells out paths")]

use axum::{
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use lakebed_api::{
    ResolvedInput, SqlLimits, SqlParameters, SqlRequest, SqlResult, encode_resolved,
    format_snapshot,
    media::{self, SqlFormat},
};
use lakebed_service::{
    QueryAnswer, QueryRequest,
    engine::{Parameters, QueryLimits, QueryStream},
};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::{
    problems::{Always, BadBody, Changes, NotAcceptable, NotFound, RawBytes, TooMany},
    row::age_headers,
};
use crate::{
    Access, AppState,
    accept::negotiate,
    coding::Coding,
    context::Context,
    convert,
    encode::{AnswerBody, Int64, Preamble, compressed, encoder},
    extract::{ApiQuery, media_type, parse_json, read_body, text_body, unsupported},
    lines::Reader,
    metrics::StatementTally,
    problem::{Failure, Result},
};

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct SqlQuery {
    /// `string` writes 64-bit integers of JSON and NDJSON as strings, for readers whose numbers end
    /// at 2^53; `number` is the default.
    #[serde(default)]
    #[param(inline)]
    int64: Int64Query,
}

#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Int64Query {
    #[default]
    Number,
    String,
}

/// Answer one statement
///
/// The rows are streamed in the format that `accept` prefers, compressed (zstd, gzip) if
/// `accept-encoding` prefers that; a Parquet file is compressed by itself. Once they have begun, an
/// error cuts the body (a chunked body without its last chunk, a frame without its end); NDJSON tells
/// the reason in a last line `{"problem": …}`. Going away cancels the statement.
#[utoipa::path(post, path = "/v1/sql", tag = "sql", params(SqlQuery),
    request_body(content((SqlRequest = "application/json"), (String = "text/plain"))),
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
                ("lakebed-statement-id" = String, description = "Names the statement in the logs"),
                ("lakebed-snapshot" = String,
                    description = "What was read: `seq` and RFC 3339 time, a space between"),
                ("lakebed-resolved" = String,
                    description = "The versions that were read: a JSON list, in base64url"),
                ("lakebed-as-of" = String, description = "Of a statement that reads products: when \
                    the oldest version of one was committed"),
                ("lakebed-stale" = String, description = "Of a statement that reads products: `true` \
                    where one is declared with another statement or order by now, an input of one has \
                    another version, or its contract promises newer rows; absent for those who may not \
                    know what they are made of"),
                ("lakebed-stale-because" = String,
                    description = "`statement`, `inputs`, `contract`, or several"),
            )
        ),
        BadBody, NotFound, NotAcceptable, TooMany, Changes, Always
    )
)]
pub(crate) async fn sql(
    State(state): State<AppState>,
    Context(ctx): Context,
    ApiQuery(query): ApiQuery<SqlQuery>,
    request: Request,
) -> Result<Response> {
    let offered = SqlFormat::ALL.map(SqlFormat::media_type);
    let format = SqlFormat::ALL[negotiate(request.headers(), &offered)?];
    let coding = coding(&state, request.headers(), format)?;
    let written = Written { format, coding, int64: int64(query) };
    let request = query_request(&state, parse_body(request).await?)?;
    let reader = Reader { access: state.access, request_id: ctx.request_id.clone() };
    let mut tally = StatementTally::begin(state.metrics.clone());
    let answer = tally.counted(state.lake.query(&ctx, request).await)?;
    respond(answer, written, reader, tally).await
}

/// How an answer is written down.
pub(crate) struct Written {
    pub(crate) format: SqlFormat,
    pub(crate) coding: Coding,
    pub(crate) int64: Int64,
}

/// Which content coding the client likes best. In process none is of use; a Parquet file is
/// compressed by itself.
pub(crate) fn coding(state: &AppState, headers: &HeaderMap, format: SqlFormat) -> Result<Coding> {
    let coding = match (state.access, format) {
        (Access::Local, _) => Some(Coding::Identity),
        (Access::Remote, SqlFormat::Parquet) => Coding::of_compressed(headers),
        (Access::Remote, _) => Coding::preferred(headers),
    };
    coding.ok_or_else(|| {
        let detail = "no coding of the `accept-encoding` header is offered here";
        Failure::new(StatusCode::NOT_ACCEPTABLE, "not-acceptable", detail)
            .hint("take `zstd`, `gzip` or `identity`")
    })
}

/// JSON, or the bare statement.
async fn parse_body(request: Request) -> Result<SqlRequest> {
    let (parts, body) = request.into_parts();
    match media_type(&parts.headers).as_deref() {
        Some(media::JSON) => parse_json(&read_body(body).await?),
        Some(media::TEXT) => {
            Ok(SqlRequest { sql: text_body(body).await?, ..SqlRequest::default() })
        }
        _ => Err(unsupported(&format!("{} or {}", media::JSON, media::TEXT))),
    }
}

pub(crate) fn query_request(state: &AppState, request: SqlRequest) -> Result<QueryRequest> {
    let parameters = match request.params {
        SqlParameters::Positional(values) => Parameters::Positional(values),
        SqlParameters::Named(values) => Parameters::Named(values),
    };
    let limits = limits(state, request.limits)?;
    Ok(QueryRequest { sql: request.sql, parameters, limits })
}

/// A client of a server can ask for less than the server's limits, never for more.
pub(crate) fn limits(state: &AppState, asked: SqlLimits) -> Result<QueryLimits> {
    let SqlLimits { max_rows, max_bytes, timeout_ms, memory_bytes, spill_bytes } = asked;
    if [max_rows, max_bytes, timeout_ms, memory_bytes, spill_bytes].contains(&Some(0)) {
        let detail = "a limit is 0: leave it out to have the server's own";
        return Err(Failure::invalid("invalid-limit", detail));
    }
    let own = state.limits;
    let bounded = |asked: Option<u64>, own: u64| match (asked, state.access) {
        (None, _) => own,
        (Some(asked), Access::Local) => asked,
        (Some(asked), Access::Remote) => asked.min(own),
    };
    let optional = |asked: Option<u64>, own: Option<u64>| match own {
        None => asked,
        Some(own) => Some(bounded(asked, own)),
    };
    Ok(QueryLimits {
        max_rows: optional(max_rows, own.max_rows),
        max_bytes: optional(max_bytes, own.max_bytes),
        timeout_ms: optional(timeout_ms, own.timeout_ms),
        memory_bytes: bounded(memory_bytes, own.memory_bytes),
        spill_bytes: bounded(spill_bytes, own.spill_bytes),
    })
}

pub(crate) const fn int64(query: SqlQuery) -> Int64 {
    match query.int64 {
        Int64Query::Number => Int64::Number,
        Int64Query::String => Int64::Text,
    }
}

/// The status is decided once the first rows are encoded.
pub(crate) async fn respond(
    answer: QueryAnswer,
    written: Written,
    reader: Reader,
    tally: StatementTally,
) -> Result<Response> {
    let QueryAnswer { statement_id, snapshot, resolved, age, stream } = answer;
    let preamble = Preamble {
        statement_id,
        snapshot: convert::snapshot(snapshot),
        resolved: resolved.iter().map(convert::input).collect::<Vec<ResolvedInput>>(),
        page: None,
    };
    let mut response = respond_rows(preamble, stream, written, reader, tally).await?;
    if let Some(age) = &age {
        response.headers_mut().extend(age_headers(age)?);
    }
    Ok(response)
}

/// The same for rows of which it is known what to say.
pub(crate) async fn respond_rows(
    preamble: Preamble,
    stream: QueryStream,
    Written { format, coding, int64 }: Written,
    reader: Reader,
    tally: StatementTally,
) -> Result<Response> {
    let statement_id = preamble.statement_id.clone();
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type(format)));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    put(&mut headers, media::STATEMENT_ID, &statement_id)?;
    put(&mut headers, media::SNAPSHOT, &format_snapshot(&preamble.snapshot))?;
    put(&mut headers, media::RESOLVED, &encode_resolved(&preamble.resolved))?;
    if let Some(name) = coding.name() {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(name));
    }
    headers.insert(header::VARY, HeaderValue::from_static("accept, accept-encoding"));
    let encoder = encoder(format, &stream.schema, preamble, int64)?;
    let encoder =
        compressed(encoder, coding).map_err(|error| Failure::internal(error.to_string()))?;
    let body = AnswerBody::begin(encoder, stream, reader, statement_id, tally).await?;
    Ok((headers, body.into_body()).into_response())
}

const fn content_type(format: SqlFormat) -> &'static str {
    match format {
        SqlFormat::Csv => "text/csv; charset=utf-8; header=present",
        other => other.media_type(),
    }
}

fn put(headers: &mut HeaderMap, name: &'static str, value: &str) -> Result<()> {
    let value =
        HeaderValue::from_str(value).map_err(|error| Failure::internal(error.to_string()))?;
    headers.insert(HeaderName::from_static(name), value);
    Ok(())
}

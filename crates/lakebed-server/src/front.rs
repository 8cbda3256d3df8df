//! Around every request: its id, the check of its address, its line in the log, its problem's body.

use std::{
    any::Any,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Instant,
};

use axum::{
    body::Body,
    extract::{ConnectInfo, MatchedPath, Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use lakebed_api::media;
use tracing::Instrument as _;

use crate::{
    Access, AppState,
    admission::{Fault, bound_body, check_encoding, check_head},
    auth::{AuthError, Caller, Credential},
    class::Class,
    client_address::ClientAddress,
    context::RequestId,
    host::{check_loopback, check_origin},
    metrics::MeteredRequest,
    problem::{Failure, Result},
    rates::Who,
};

/// What everybody may ask: it says nothing of the lake.
const OPEN: [&str; 3] = ["/health/live", "/health/ready", "/openapi.json"];

/// The outermost layer: whatever happens inside leaves as an answer of this API.
pub(crate) async fn front(
    State(state): State<AppState>,
    mut request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let line = Line::of(&request);
    request.extensions_mut().insert(line.id.clone());
    if let Some(ConnectInfo(peer)) = request.extensions().get::<ConnectInfo<SocketAddr>>() {
        let client = state.trusted_proxies.client(peer.ip(), request.headers());
        request.extensions_mut().insert(client);
    }
    let span = tracing::info_span!(
        "request", request_id = %line.id.0, method = %line.method, route = line.route
    );
    let class = Class::of(&line.method, &line.route);
    let metered = state
        .metrics
        .clone()
        .map(|metrics| MeteredRequest::begin(metrics, &line.method, &line.route));
    let answer = async {
        let response = match admit(&state, request, class).await {
            Ok(admitted) => run(&state, admitted, class, next).await,
            Err(failure) => failure.into_response(),
        };
        finish(response, &state, &line, started, metered)
    };
    answer.instrument(span).await
}

/// A request that may be answered, and where its body tells why it ended early.
type Admitted = (Request, Fault);

/// Who asks, and whether they may, before anything is done for them.
async fn admit(state: &AppState, mut request: Request, class: Class) -> Result<Admitted> {
    check_encoding(request.headers(), class)?;
    if state.access == Access::Local {
        request.extensions_mut().insert(Caller::present(&state.identity));
        return Ok((request, Fault::default()));
    }
    check_head(request.uri(), request.headers(), &state.door)?;
    let address = client_address(&request);
    let caller = caller(state, request.uri(), request.headers(), address).await?;
    // Whoever watches over a server must not be told to come later.
    if !request.uri().path().starts_with("/health/") {
        state.rates.take(&who(caller.as_ref(), address), class)?;
    }
    if let Some(caller) = caller {
        request.extensions_mut().insert(caller);
    }
    bound_body(request, class, &state.door)
}

/// Who asks; nobody where everybody may ask.
async fn caller(
    state: &AppState,
    uri: &Uri,
    headers: &HeaderMap,
    address: IpAddr,
) -> Result<Option<Caller>> {
    let auth = &state.auth;
    // A probe of a server that asks nobody must not depend on the catalog.
    let is_open = OPEN.contains(&uri.path());
    let asks = auth.surely_asks() || (!is_open && auth.asks(&state.lake).await?);
    match asks {
        true => check_origin(uri, headers)?,
        false => check_loopback(uri, headers)?,
    }
    match (is_open, asks) {
        (true, _) => Ok(None),
        (false, false) => Ok(Some(Caller::present(&state.identity))),
        (false, true) => prove(state, headers, address).await.map(Some),
    }
}

/// A good credential is never held up by the failures of others at the same address; whoever fails
/// too often is told to come later.
async fn prove(state: &AppState, headers: &HeaderMap, address: IpAddr) -> Result<Caller> {
    let proved = state.auth.prove(&state.lake, headers).await;
    if let Err(AuthError::Refused(_)) = proved {
        state.rates.may_try(address)?;
        state.rates.failed(address);
    }
    Ok(proved?)
}

/// Who is counted: whoever proved who they are, else whoever is at that address.
fn who(caller: Option<&Caller>, address: IpAddr) -> Who {
    match caller {
        Some(Caller { identity, credential }) if *credential != Credential::Presence => {
            Who::Principal(identity.principal.as_str().into())
        }
        _ => Who::peer(address),
    }
}

/// From where the request came.
fn client_address(request: &Request) -> IpAddr {
    let client = request.extensions().get::<ClientAddress>();
    client.map_or(Ipv4Addr::UNSPECIFIED.into(), |client| client.0)
}

async fn run(state: &AppState, admitted: Admitted, class: Class, next: Next) -> Response {
    let (request, fault) = admitted;
    let running = next.run(request);
    let response = match (state.access, class) {
        (Access::Remote, Class::Read) => {
            let timely = tokio::time::timeout(state.door.read_timeout(), running).await;
            timely.unwrap_or_else(|_| overdue().into_response())
        }
        // Long work has limits of its own.
        _ => running.await,
    };
    match fault.get() {
        // The handler only knows that the body broke off.
        Some(why) if response.extensions().get::<Failure>().is_some() => {
            why.clone().into_response()
        }
        _ => response,
    }
}

fn overdue() -> Failure {
    let detail = "the answer was not ready in the time a read may take";
    Failure::new(StatusCode::SERVICE_UNAVAILABLE, "overdue", detail)
        .hint("the server is busy: ask again later")
        .retry_after(5)
}

fn finish(
    mut response: Response,
    state: &AppState,
    line: &Line,
    started: Instant,
    metered: Option<MeteredRequest>,
) -> Response {
    let failure = response.extensions_mut().remove::<Failure>();
    if let Some(failure) = &failure {
        let allow = response.headers_mut().remove(header::ALLOW);
        response = failure.respond(state.access, &line.id.0);
        response.headers_mut().extend(allow.map(|allow| (header::ALLOW, allow)));
        if line.method == Method::HEAD {
            *response.body_mut() = Body::empty();
        }
    }
    if let Ok(id) = HeaderValue::from_str(&line.id.0) {
        response.headers_mut().insert(HeaderName::from_static(media::REQUEST_ID), id);
    }
    let nosniff = HeaderValue::from_static("nosniff");
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, nosniff);
    line.log(response.status(), failure.as_ref(), started);
    let Some(metered) = metered else { return response };
    if let Some(failure) = &failure {
        metered.problem(failure.code());
    }
    metered.answer(response)
}

/// What the log says of a request: never its query string, its body or a value in it.
struct Line {
    id: RequestId,
    method: Method,
    /// The route's pattern, so that no name of a dataset is logged with it; `-` for none.
    route: String,
}

impl Line {
    fn of(request: &Request) -> Self {
        let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
        Self {
            id: RequestId::of(request.headers()),
            method: request.method().clone(),
            route: route.unwrap_or("-").to_owned(),
        }
    }

    fn log(&self, status: StatusCode, failure: Option<&Failure>, started: Instant) {
        let elapsed_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let Self { id: RequestId(request_id), method, route } = self;
        let status = status.as_u16();
        let code = failure.map_or("", Failure::code);
        let cause = failure.map_or("", Failure::cause);
        if status >= 500 {
            tracing::error!(
                request_id, %method, route, status, elapsed_ms, code, cause,
                "{method} {route} failed with {status} after {elapsed_ms} ms"
            );
        } else if status == 401 {
            tracing::info!(
                request_id, %method, route, status, elapsed_ms, code, reason = cause,
                "{method} {route} answered {status} after {elapsed_ms} ms: {cause}"
            );
        } else {
            tracing::info!(
                request_id, %method, route, status, elapsed_ms, code,
                "{method} {route} answered {status} after {elapsed_ms} ms"
            );
        }
    }
}

/// A handler panicked: the request fails, the server goes on.
pub(crate) fn caught(panic: Box<dyn Any + Send + 'static>) -> Response {
    let message = match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(panic) => panic.downcast::<&str>().map_or_else(|_| String::new(), |s| (*s).to_owned()),
    };
    Failure::internal(format!("panic: {message}")).into_response()
}

/// No route has this path.
pub(crate) async fn no_such_route() -> Failure {
    Failure::new(StatusCode::NOT_FOUND, "no-such-route", "there is nothing at this path")
        .hint("`/openapi.json` lists what there is")
}

/// The route has no such method; the `allow` header lists those it has.
pub(crate) async fn no_such_method() -> Failure {
    let detail = "this path does not take this method";
    Failure::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", detail)
        .hint("the `allow` header lists the methods it takes")
}

//! `lakebed serve`: the HTTP API of a lake, and the end of it.

use std::{
    net::{SocketAddr, ToSocketAddrs},
    sync::Arc,
    time::Duration,
};

use clap::{Args, ValueHint};
use futures::future::join_all;
use lakebed_server::{
    Access, AppState, Auth, LineageFile, LineageUrl, Metrics, Reach, Server, Tls, TlsError,
    TrustedProxies, ensure_loopback, operations, refresh_products, router,
};
use lakebed_service::{Jobs, Lake, LineageSink, OpenMode, WorkLimits};
use lakebed_web::{Fetcher, Hosts, Policy};
use serde_json::json;
use tokio::{net::TcpListener, sync::Notify, task::AbortHandle};

use crate::{
    app::App,
    config::{AuthMode, Secret, Setting, Settings},
    connect::{host_rules, open_lake},
    descriptors,
    output::{human, style},
    problem::{Exit, Problem, Result},
    signals,
};

/// How often the certificate's files are looked at.
const LOOK_AT_CERTIFICATE: Duration = Duration::from_secs(10);

/// Answer the HTTP API.
///
/// While the lake has no token and no declared catalog, callers from this machine are not asked who
/// they are and may do everything. From then on, with an issuer in lakebed.toml, with `--auth
/// required`, or on an address that other machines can reach, every caller is asked. The first start
/// that asks prints an admin token on stderr, once.
///
/// SIGTERM or ctrl-C stops in order: not ready from then on, no new connections, requests under way
/// end, those that take longer than `drain_seconds` are cut; the exit code is 0. The same signal again
/// ends it at once (130 or 143). SIGHUP reads the certificate again.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lakebed serve --lake ./lake
  lakebed serve --lake ./lake --metrics-listen 127.0.0.1:9464
  lakebed serve --lake ./lake --tls-cert server.pem --tls-key server.key
  lakebed serve --lake ./lake --listen 0.0.0.0:8080    # behind a proxy that speaks TLS
  lakebed --lake http://127.0.0.1:8080 ls    # elsewhere")]
pub(crate) struct ServeArgs {
    /// The address and port; port 0 is any that is free [default: 127.0.0.1:8080] [env: LAKEBED_LISTEN]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<String>,
    /// The address and port of `/metrics` and `/health/…`, for those who run the server
    /// [env: LAKEBED_METRICS_LISTEN]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) metrics_listen: Option<String>,
    /// The server's certificate chain (PEM) [env: LAKEBED_TLS_CERT]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) tls_cert: Option<String>,
    /// The key (PEM) of that certificate [env: LAKEBED_TLS_KEY]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) tls_key: Option<String>,
    /// Whether callers are asked who they are [default: auto] [env: LAKEBED_AUTH]
    #[arg(long, value_name = "WHEN")]
    pub(crate) auth: Option<AuthMode>,
    /// Begin a new lake when there is none
    #[arg(long)]
    create: bool,
}

pub(crate) async fn run(app: &App, args: ServeArgs) -> Result<Exit> {
    let listen = &app.settings.listen;
    let address = resolve(&listen.value)
        .map_err(|problem| problem.detail(format!("the address was set by {}", listen.origin)))?;
    let auth = auth_at(app, address)
        .map_err(|problem| problem.detail(format!("the address was set by {}", listen.origin)))?;
    let tls = tls(app)?;
    let sinks = lineage_sinks(&app.settings)?;
    let proxies = trusted_proxies(&app.settings.trusted_proxies)?;
    let descriptors = descriptors::raise();
    let mode = if args.create { OpenMode::CreateIfMissing } else { OpenMode::Existing };
    let lake = open_lake(app, mode).await?;
    lake.limit_work(&work_limits(&app.settings));
    let (listener, bound) = bind(address).await?;
    introduce(app, &lake, &auth).await?;
    if tls.is_none() && ensure_loopback(bound).is_err() {
        app.terminal.warn(
            "tokens come in the clear: put a proxy that speaks TLS in front, or set tls_cert and tls_key",
        );
    }
    let limits = app.settings.limits.value.clone();
    let mut state = AppState::new(lake.clone(), Access::Remote)
        .with_auth(auth)
        .with_trusted_proxies(proxies)
        .with_limits(limits.of_statements())
        .with_door(limits.clone());
    let rules = host_rules(app);
    if !rules.is_empty() {
        state = state.with_fetcher(Fetcher::new(Policy::new(Hosts::Listed(rules))));
    }
    let operators = match &app.settings.metrics_listen {
        Some(listen) => Some(open_operators(app, listen, &mut state).await?),
        None => None,
    };
    let root = app.settings.lake()?.kind();
    tracing::info!(
        address = %bound,
        operators = operators.as_ref().map(|operators| tracing::field::display(operators.address)),
        lake = %lake.id(),
        root,
        tls = tls.is_some(),
        descriptors,
        version = env!("CARGO_PKG_VERSION"),
        "serving"
    );
    announce(app, bound, tls.is_some(), operators.as_ref())?;
    let jobs = state.jobs_of_server().cloned();
    let stop = async {
        signals::received().await;
        state.stop();
        // Whoever follows a job goes to another server, or comes back.
        jobs.iter().for_each(Jobs::begin_close);
        // Whoever says so twice does not want to wait.
        tokio::spawn(signals::end_now());
    };
    let tending = tokio::spawn({
        let lake = lake.clone();
        let jobs = jobs.clone();
        let refreshed = state.clone();
        async move {
            let jobs = async {
                match &jobs {
                    Some(jobs) => jobs.tend().await,
                    None => std::future::pending().await,
                }
            };
            let lineage = join_all(sinks.iter().map(|sink| lake.tell_lineage(sink.as_ref())));
            tokio::join!(lake.tend(), jobs, refresh_products(refreshed), lineage);
        }
    });
    let drain = Duration::from_secs(app.settings.drain_seconds.value);
    let mut server =
        Server::new(listener, router(state.clone())).with_limits(limits).with_drain(drain);
    if let Some(tls) = tls {
        tokio::spawn(keep_certificate(Arc::clone(&tls)));
        server = server.with_acceptor(tls);
    }
    server.run(stop).await.map_err(|error| cannot_listen(bound, &error))?;
    tending.abort();
    if let Some(jobs) = jobs
        && let Err(error) = jobs.close().await
    {
        tracing::warn!(%error, "could not hand the jobs over: others will notice by themselves");
    }
    lake.close().await;
    // Until now, so that a probe sees the end.
    drop(operators);
    tracing::info!("stopped");
    // Being told to stop is how a server ends: that is no failure.
    Ok(Exit::Ok)
}

/// The settings say how much at once; how much may wait for that is a matter of course.
fn work_limits(settings: &Settings) -> WorkLimits {
    let mut limits = WorkLimits::default();
    let at_once = |setting: &Setting<u64>| usize::try_from(setting.value).unwrap_or(usize::MAX);
    limits.ingests.at_once = at_once(&settings.ingests_at_once);
    limits.statements.at_once = at_once(&settings.statements_at_once);
    limits.uploads.total_bytes = settings.uploads_bytes.value;
    limits.uploads.principal_bytes = settings.uploads_principal_bytes.value;
    limits.results.result_bytes = settings.result_bytes.value;
    limits.results.total_bytes = settings.results_total_bytes.value;
    limits
}

/// Who is told what happens in the lake.
fn lineage_sinks(settings: &Settings) -> Result<Vec<Box<dyn LineageSink>>> {
    let mut sinks: Vec<Box<dyn LineageSink>> = Vec::new();
    if let Some(Setting { value, .. }) = &settings.openlineage_file {
        sinks.push(Box::new(LineageFile::new(value.clone())));
    }
    if let Some(Setting { value, origin }) = &settings.openlineage_url {
        let token = settings.openlineage_token.as_ref().map(Secret::reveal);
        let sink = LineageUrl::new(value, token).map_err(|error| {
            Problem::usage(format!("the `openlineage_url` set by {origin} is not usable: {error}"))
                .hint("as in `openlineage_url = \"https://marquez.example.org/api/v1/lineage\"`")
        })?;
        sinks.push(Box::new(sink));
    }
    Ok(sinks)
}

/// The operators' door; closed when dropped.
struct Operators {
    address: SocketAddr,
    server: AbortHandle,
}

impl Drop for Operators {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Opens the operators' door, and counts what `state` answers from now on.
async fn open_operators(
    app: &App,
    listen: &Setting<String>,
    state: &mut AppState,
) -> Result<Operators> {
    let (listener, address) = bind(resolve(&listen.value)?).await?;
    let metrics = Arc::new(Metrics::new(app.settings.lake()?.kind()));
    *state = state.clone().with_metrics(Arc::clone(&metrics));
    let reach = match ensure_loopback(address) {
        Ok(()) => Reach::Loopback,
        Err(_) => Reach::Network,
    };
    let server = Server::new(listener, operations(state.clone(), metrics, reach));
    let server = tokio::spawn(server.run(std::future::pending())).abort_handle();
    Ok(Operators { address, server })
}

/// The certificate and key of the settings: both, or none.
fn tls(app: &App) -> Result<Option<Arc<Tls>>> {
    let (cert, key) = match (&app.settings.tls_cert, &app.settings.tls_key) {
        (None, None) => return Ok(None),
        (Some(cert), Some(key)) => (cert, key),
        (Some(set), None) => return Err(half_of_tls("tls_cert", set, "tls_key")),
        (None, Some(set)) => return Err(half_of_tls("tls_key", set, "tls_cert")),
    };
    let tls = Tls::load(&cert.value, &key.value).map_err(|error| unusable(&error))?;
    Ok(Some(Arc::new(tls)))
}

fn half_of_tls(set: &str, setting: &Setting<std::path::PathBuf>, missing: &str) -> Problem {
    let origin = &setting.origin;
    Problem::usage(format!("`{set}` is set by {origin}, but `{missing}` is not"))
        .hint("TLS needs both; set neither for plain HTTP behind a proxy")
}

fn unusable(error: &TlsError) -> Problem {
    let problem = Problem::usage(error.to_string());
    match std::error::Error::source(error) {
        Some(cause) => problem.detail(cause.to_string()),
        None => problem,
    }
}

/// Shows new connections the certificate as it is now: its files are looked at, and SIGHUP says so.
async fn keep_certificate(tls: Arc<Tls>) {
    let told = Notify::new();
    let hangups = async {
        let mut hangups = signals::hangups();
        loop {
            hangups.next().await;
            told.notify_one();
        }
    };
    tokio::join!(tls.follow(LOOK_AT_CERTIFICATE, &told), hangups);
}

fn trusted_proxies(setting: &Setting<Vec<String>>) -> Result<TrustedProxies> {
    TrustedProxies::parse(&setting.value).map_err(|error| {
        Problem::usage(format!("the proxies set by {} are not usable: {error}", setting.origin))
            .hint("as in `trusted_proxies = [\"10.0.0.0/8\", \"::1\"]`")
    })
}

fn resolve(text: &str) -> Result<SocketAddr> {
    let mut addresses = text.to_socket_addrs().map_err(|_| {
        Problem::usage(format!("`{text}` is not an address to listen on"))
            .hint("as in `--listen 127.0.0.1:8080`")
    })?;
    addresses.next().ok_or_else(|| Problem::usage(format!("`{text}` has no address")))
}

async fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr)> {
    let failed = |error: std::io::Error| cannot_listen(address, &error);
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

/// How callers prove who they are at an address, as the settings say.
fn auth_at(app: &App, address: SocketAddr) -> Result<Auth> {
    let asks = app.settings.auth.value.asks(ensure_loopback(address).is_ok())?;
    Auth::new(asks, app.settings.oidc.clone()).map_err(|error| {
        Problem::new(Exit::Usage, "configuration", error.to_string())
            .hint("`lakebed config --reference` says what an issuer needs")
    })
}

/// The first start of a server that asks: somebody must be able to say who may do what.
///
/// To stderr and never to the log: whoever collects logs must not become the lake's admin.
async fn introduce(app: &App, lake: &Lake, auth: &Auth) -> Result<()> {
    if !auth.asks(lake).await? {
        return Ok(());
    }
    let Some((token, expires_at)) = lake.create_first_admin_token().await? else { return Ok(()) };
    app.terminal.tell_once(format_args!(
        "the lake's first admin token, good until {} UTC; it is not shown again:\n{}\n",
        human::time(expires_at),
        token.reveal(),
    ));
    Ok(())
}

fn cannot_listen(address: SocketAddr, error: &std::io::Error) -> Problem {
    let problem = Problem::new(
        Exit::Unavailable,
        "cannot-listen",
        format!("cannot listen on {address}: {}", error.kind()),
    );
    match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            problem.hint("another program has that port: choose one with `--listen 127.0.0.1:0`")
        }
        _ => problem.hint("choose another address with `--listen`"),
    }
}

/// The first line of stdout says where: whoever started it may read it and connect.
fn announce(
    app: &App,
    address: SocketAddr,
    tls: bool,
    operators: Option<&Operators>,
) -> Result<()> {
    let scheme = if tls { "https" } else { "http" };
    let url = format!("{scheme}://{address}");
    let metrics = operators.map(|operators| format!("http://{}/metrics", operators.address));
    if app.terminal.json {
        let line = json!({ "url": url, "metrics_url": metrics, "pid": std::process::id() });
        return app.terminal.print_json_line(&line);
    }
    let bold = style::BOLD;
    app.terminal.print(format_args!("listening on {bold}{url}{bold:#}\n"))?;
    app.terminal.note(format!("the API describes itself at {url}/openapi.json; ctrl-C stops"));
    if let Some(metrics) = metrics {
        app.terminal.note(format!("metrics at {metrics}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_and_a_port() {
        for good in ["127.0.0.1:0", "[::1]:8080", "0.0.0.0:8080", "192.0.2.1:80"] {
            assert!(resolve(good).is_ok(), "{good}");
        }
        for bad in ["", "127.0.0.1", "nonsense", "127.0.0.1:99999"] {
            assert_eq!(resolve(bad).expect_err(bad).exit, Exit::Usage);
        }
    }
}

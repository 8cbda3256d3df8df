//! `lakebed serve`: the HTTP API of a lake on this machine.

use std::net::{SocketAddr, ToSocketAddrs};

use clap::{Args, ValueHint};
use lakebed_server::{Access, AppState, router};
use lakebed_service::OpenMode;
use serde_json::json;
use tokio::net::TcpListener;

use crate::{
    app::App,
    connect::open_lake,
    output::style,
    problem::{Exit, Problem, Result},
    signals,
};

/// Answer the HTTP API.
///
/// Only on this machine: until there are tokens, everyone who reaches the port may read and write
/// everything. SIGTERM or ctrl-C lets running requests end, then stops.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lakebed serve --lake ./lake
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
    /// Begin a new lake when there is none
    #[arg(long)]
    create: bool,
}

pub(crate) async fn run(app: &App, args: ServeArgs) -> Result<Exit> {
    let listen = &app.settings.listen;
    let address = loopback(&listen.value)
        .map_err(|problem| problem.detail(format!("the address was set by {}", listen.origin)))?;
    let mode = if args.create { OpenMode::CreateIfMissing } else { OpenMode::Existing };
    let lake = open_lake(app, mode).await?;
    let listener =
        TcpListener::bind(address).await.map_err(|error| cannot_listen(address, &error))?;
    let bound = listener.local_addr().map_err(|error| cannot_listen(address, &error))?;
    announce(app, bound)?;
    let stop = async {
        signals::received().await;
        // Whoever says so twice does not want to wait.
        tokio::spawn(signals::end_now());
    };
    let router = router(AppState::new(lake.clone(), Access::Remote));
    lakebed_server::serve(listener, router, stop)
        .await
        .map_err(|error| cannot_listen(bound, &error))?;
    lake.close().await;
    // Being told to stop is how a server ends: that is no failure.
    Ok(Exit::Ok)
}

/// The address, if nobody but this machine can reach it.
fn loopback(text: &str) -> Result<SocketAddr> {
    let mut addresses = text.to_socket_addrs().map_err(|_| {
        Problem::usage(format!("`{text}` is not an address to listen on"))
            .hint("as in `--listen 127.0.0.1:8080`")
    })?;
    let all_loopback = addresses.clone().all(|address| address.ip().is_loopback());
    match addresses.next() {
        Some(address) if all_loopback => Ok(address),
        Some(_) => Err(Problem::refused(
            "off-loopback",
            format!("`{text}` can be reached from other machines, and there are no tokens yet"),
        )
        .hint("listen on 127.0.0.1, and put a proxy that checks who asks in front of it")),
        None => Err(Problem::usage(format!("`{text}` has no address"))),
    }
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
fn announce(app: &App, address: SocketAddr) -> Result<()> {
    let url = format!("http://{address}");
    if app.terminal.json {
        return app.terminal.print_json_line(&json!({ "url": url, "pid": std::process::id() }));
    }
    let bold = style::BOLD;
    app.terminal.print(format_args!("listening on {bold}{url}{bold:#}\n"))?;
    app.terminal.note(format!("the API describes itself at {url}/openapi.json; ctrl-C stops"));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_may_ask() {
        assert!(loopback("127.0.0.1:0").is_ok() && loopback("[::1]:8080").is_ok());
        for open in ["0.0.0.0:8080", "[::]:8080", "192.0.2.1:80"] {
            assert_eq!(loopback(open).expect_err(open).exit, Exit::Refused);
        }
        for bad in ["", "127.0.0.1", "nonsense", "127.0.0.1:99999"] {
            assert_eq!(loopback(bad).expect_err(bad).exit, Exit::Usage);
        }
    }
}

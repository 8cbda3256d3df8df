//! `lakebed ready`: whether a lake, or the server before it, can be asked.

use clap::Args;

use crate::{
    app::App,
    connect::Session,
    problem::{Exit, Result},
};

/// Ask whether a lake or its server is ready to answer.
///
/// Exit code 0 when it is, 7 when it is not or cannot be reached: for health checks of containers
/// and scripts that wait for a server.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lakebed --lake http://127.0.0.1:8080 ready
  until lakebed --quiet --lake http://127.0.0.1:8080 ready; do sleep 1; done")]
pub(crate) struct ReadyArgs {}

pub(crate) async fn run(app: &App, _: ReadyArgs) -> Result<Exit> {
    let session = Session::open(app).await?;
    let health = session.client.ready().await;
    session.close().await;
    let health = health?;
    match app.terminal.json {
        true => app.terminal.print_json(&health)?,
        false => app.terminal.print(format_args!("{}\n", health.status))?,
    }
    Ok(Exit::Ok)
}

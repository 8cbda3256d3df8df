//! `lakebed config`: the settings, and where each comes from.

use clap::Args;
use serde_json::json;

use crate::{
    app::App,
    config::{VARIABLES, environment},
    output::{Cell, Table, style},
    problem::{Exit, Result},
};

/// Print the settings and where each comes from.
///
/// Later ones win: built-in values, lakebed.toml (the nearest, from the current folder upwards),
/// LAKEBED_* variables, flags.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lakebed config
  LAKEBED_LAKE=./lake lakebed config --json

lakebed.toml:
  lake = \"./lake\"              # relative to this file
  catalog = \"sqlite:///…\"      # when it is not in the lake's folder
  color = \"auto\"               # auto, always, never
  log = \"off\"                  # off, error, warn, info, debug, trace; by module: lakebed_service=debug
  log_format = \"text\"          # text, json
  listen = \"127.0.0.1:8080\"    # for `lakebed serve`")]
pub(crate) struct ConfigArgs {}

pub(crate) fn run(app: &App) -> Result<Exit> {
    let rows = app.settings.rows();
    let variables = environment();
    let ours = variables.keys().filter(|name| name.starts_with("LAKEBED_"));
    for name in ours.filter(|name| !VARIABLES.contains(&name.as_str())) {
        app.terminal.note(format!("{name} is set but means nothing to lakebed"));
    }
    if app.terminal.json {
        let settings: serde_json::Map<String, serde_json::Value> = rows
            .into_iter()
            .map(|(name, value, origin)| {
                let origin = origin.map(ToString::to_string);
                (name.to_owned(), json!({ "value": value, "origin": origin }))
            })
            .collect();
        app.terminal.print_json(&settings)?;
        return Ok(Exit::Ok);
    }
    let mut table = Table::new(["setting", "value", "from"]);
    for (name, value, origin) in rows {
        let value = value.map_or_else(|| Cell::styled("(not set)", style::DIM), Cell::new);
        table.push([
            name.into(),
            value,
            origin.map(ToString::to_string).unwrap_or_default().into(),
        ]);
    }
    app.terminal.print_table(&table)?;
    Ok(Exit::Ok)
}

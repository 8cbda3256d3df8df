//! `lakebed config`: the settings, and where each comes from.

use clap::Args;
use serde_json::json;

use crate::{
    app::App,
    config::{SETTINGS, environment, reference, variables},
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
  lakebed config --reference > lakebed.toml    # every setting, commented out")]
pub(crate) struct ConfigArgs {
    /// Print every setting with its meaning, as a lakebed.toml
    #[arg(long)]
    reference: bool,
}

pub(crate) fn run(app: &App, args: &ConfigArgs) -> Result<Exit> {
    if args.reference {
        print_reference(app)?;
        return Ok(Exit::Ok);
    }
    let rows = app.settings.rows();
    let set = environment();
    let known: Vec<&str> = variables().collect();
    let ours = set.keys().filter(|name| name.starts_with("LAKEBED_"));
    for name in ours.filter(|name| !known.contains(&name.as_str())) {
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

fn print_reference(app: &App) -> Result<()> {
    if !app.terminal.json {
        return app.terminal.print(format_args!("{}", reference()));
    }
    let settings = SETTINGS.iter().map(|setting| {
        json!({
            "key": setting.key,
            "variables": setting.variables,
            "flag": setting.flag,
            "command": setting.command,
            "type": setting.kind_in_words(),
            "default": setting.default,
            "example": setting.example,
            "meaning": setting.meaning,
        })
    });
    app.terminal.print_json(&settings.collect::<Vec<_>>())
}

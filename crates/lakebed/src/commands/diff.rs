//! `lakebed diff`: two versions, side by side.

use std::fmt::Write as _;

use clap::Args;
use lakebed_api::{
    ChangedRow, ColumnChange, ColumnDiff, ColumnProfile, DiffAnswer, DiffRequest, RowDiff,
};
use lakebed_core::{DatasetRef, Selector};
use serde_json::Value;

use crate::{
    app::App,
    connect::Session,
    output::{
        Cell, Table, human,
        profile::{distinct, median, percent, value},
        style,
    },
    problem::{Exit, Problem, Result},
};

/// Distributions that are further apart are shown though nothing else changed.
const APART: f64 = 0.01;

/// Compare two versions: columns, distributions and, by a key, rows and cells.
///
/// Columns of one dataset are known by their field ids, those of two datasets by their names.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lakebed diff nyc.weather                         # the newest version with the one before
  lakebed diff nyc.weather v3 v4
  lakebed diff nyc.weather@v3 nyc.weather@v4       # the same
  lakebed diff nyc.weather v3 v4 --key origin,time_hour
  lakebed diff sales.orders@product sales.orders --check   # exit code 1 when they differ

With a key, every row is one of added, removed, changed or unchanged, and is counted; --show N says
how many are shown. A key that stands in several rows does not say which of them is which: equal rows
are unchanged, the others came or went.")]
pub(crate) struct DiffArgs {
    /// References, `namespace.name[@selector]`, or a dataset and selectors (`v3`)
    #[arg(value_name = "REF", num_args = 1..=3, required = true)]
    references: Vec<String>,
    /// The columns that say which rows are the same; the contract's primary key when unsaid
    #[arg(long, value_name = "COLUMN", value_delimiter = ',')]
    key: Vec<String>,
    /// At most so many rows of each kind are shown
    #[arg(long, default_value_t = 20, value_name = "N",
        value_parser = clap::value_parser!(u32).range(0..=1000))]
    show: u32,
    /// Exit code 1 when they differ
    #[arg(long)]
    check: bool,
}

pub(crate) async fn run(app: &App, args: DiffArgs) -> Result<Exit> {
    let session = Session::open(app).await?;
    let (from, to) = references(&session, &args.references).await?;
    let request = DiffRequest {
        from: from.to_string(),
        to: to.to_string(),
        key: args.key,
        show: Some(args.show),
    };
    let diff = session.client.diff(&request).await?;
    session.close().await;
    match app.terminal.json {
        true => app.terminal.print_json(&diff)?,
        false => report(app, &diff)?,
    }
    Ok(if args.check && !diff.is_same { Exit::No } else { Exit::Ok })
}

/// What was and what is, of one, two or three arguments.
async fn references(session: &Session, given: &[String]) -> Result<(DatasetRef, DatasetRef)> {
    let first: DatasetRef = given[0].parse().map_err(|error| invalid(&given[0], &error))?;
    // `v3` is short for a version of the first dataset.
    let other = |text: &String| {
        let reference = text.parse::<DatasetRef>();
        let short = format!("{}@{text}", first.dataset).parse::<DatasetRef>();
        reference.or_else(|error| short.map_err(|_| invalid(text, &error)))
    };
    match given {
        [_] => {
            let name = first.to_string();
            let newest = session.client.version(&name).await?.version.version.version;
            if newest == 1 {
                return Err(Problem::usage(format!("`{name}` is v1: there is no version before"))
                    .hint("name two versions, or two datasets"));
            }
            let before = DatasetRef::pinned(first.dataset.clone(), newest - 1);
            Ok((before, DatasetRef::pinned(first.dataset, newest)))
        }
        [_, to] => Ok((first.clone(), other(to)?)),
        [_, from, to] if first.selector == Selector::Default => Ok((other(from)?, other(to)?)),
        _ => Err(Problem::usage("three references: two are compared")
            .hint("name the dataset alone before two versions: `nyc.weather v3 v4`")),
    }
}

fn invalid(text: &str, error: &lakebed_core::RefError) -> Problem {
    Problem::usage(format!("`{text}`: {error}"))
        .hint("`lakebed diff nyc.weather v3 v4`, for example")
}

fn report(app: &App, diff: &DiffAnswer) -> Result<()> {
    let (bold, dim) = (style::BOLD, style::DIM);
    let (from, to) = (&diff.from, &diff.to);
    let mut text = match from.dataset == to.dataset {
        true => format!("{bold}{}{bold:#}  v{} → v{}\n", from.dataset, from.version, to.version),
        false => format!(
            "{bold}{}@v{}{bold:#} → {bold}{}@v{}{bold:#}\n",
            from.dataset, from.version, to.dataset, to.version
        ),
    };
    for (name, [before, after]) in
        [("rows", diff.row_counts), ("quarantined", diff.quarantined_counts)]
    {
        let _ = writeln!(text, "  {dim}{name:<11}{dim:#} {}", counts(before, after));
    }
    app.terminal.print(text)?;
    if diff.is_same {
        let good = style::GOOD;
        return app.terminal.print(format_args!("\n{good}the same data{good:#}, to the byte\n"));
    }
    let lines: Vec<&ColumnDiff> =
        diff.columns.iter().filter(|column| has_changed(column)).collect();
    if !lines.is_empty() {
        app.terminal.print("\n")?;
        app.terminal.print_table(&columns_table(&lines, diff.row_counts))?;
    }
    let same = diff.columns.len() - lines.len();
    match same {
        0 => {}
        1 => app.terminal.note("1 column looks the same"),
        same => app.terminal.note(format!("{} columns look the same", human::count(same as u64))),
    }
    match &diff.rows {
        Some(rows) => rows_report(app, rows),
        None => {
            app.terminal.hint("`--key COLUMN,…` compares rows and cells, too");
            Ok(())
        }
    }
}

fn counts(before: u64, after: u64) -> String {
    match before.cmp(&after) {
        std::cmp::Ordering::Equal => human::count(after),
        std::cmp::Ordering::Less => {
            let more = human::count(after - before);
            format!("{} → {} (+{more})", human::count(before), human::count(after))
        }
        std::cmp::Ordering::Greater => {
            let less = human::count(before - after);
            format!("{} → {} (−{less})", human::count(before), human::count(after))
        }
    }
}

/// Whether anything worth a line differs; that there are more rows is no change of a column.
fn has_changed(column: &ColumnDiff) -> bool {
    let (Some(before), Some(after)) = (&column.before, &column.after) else { return true };
    let figures =
        |column: &ColumnProfile| (column.min.clone(), column.max.clone(), column.distinct);
    !column.changes.is_empty()
        || column.distance.is_some_and(|distance| distance >= APART)
        || (before.null_count > 0) != (after.null_count > 0)
        || figures(before) != figures(after)
}

fn columns_table(columns: &[&ColumnDiff], [rows_before, rows_after]: [u64; 2]) -> Table {
    let titles = ["column", "change", "nulls", "distinct", "min", "median", "max", ">apart"];
    let mut table = Table::new(titles);
    for diff in columns {
        let sides = (diff.before.as_ref(), diff.after.as_ref());
        let field = |show: &dyn Fn(&ColumnProfile, u64) -> String| {
            let before = sides.0.map(|column| show(column, rows_before));
            let after = sides.1.map(|column| show(column, rows_after));
            moved(before, after)
        };
        let of_value = |found: Option<&Value>| found.map(value).unwrap_or_default();
        let name = moved(
            sides.0.map(|column| column.name.clone()),
            sides.1.map(|column| column.name.clone()),
        );
        table.push([
            Cell::styled(name, style::BOLD),
            change(diff).into(),
            field(&|column, rows| match column.null_count {
                0 => "0".to_owned(),
                nulls => percent(nulls, rows),
            })
            .into(),
            field(&|column, _| column.distinct.map(distinct).unwrap_or_default()).into(),
            field(&|column, _| of_value(column.min.as_ref())).into(),
            field(&|column, _| of_value(column.distribution.as_ref().and_then(median))).into(),
            field(&|column, _| of_value(column.max.as_ref())).into(),
            diff.distance.map(apart).unwrap_or_default().into(),
        ]);
    }
    table
}

/// One value where both are the same or one is missing, else both.
fn moved(before: Option<String>, after: Option<String>) -> String {
    match (before, after) {
        (Some(before), Some(after)) if before != after => format!("{before} → {after}"),
        (_, Some(one)) | (Some(one), None) => one,
        (None, None) => String::new(),
    }
}

fn change(diff: &ColumnDiff) -> String {
    let data_type =
        |column: &Option<ColumnProfile>| column.as_ref().map(|column| column.data_type.to_string());
    let word = |change: &ColumnChange| match change {
        ColumnChange::Added => {
            format!("added, {}", data_type(&diff.after).unwrap_or_default())
        }
        ColumnChange::Removed => {
            format!("removed, {}", data_type(&diff.before).unwrap_or_default())
        }
        ColumnChange::Renamed => "renamed".to_owned(),
        ColumnChange::Retyped => moved(data_type(&diff.before), data_type(&diff.after)),
    };
    diff.changes.iter().map(word).collect::<Vec<_>>().join(", ")
}

fn apart(distance: f64) -> String {
    match distance {
        distance if distance < 0.001 => "0".to_owned(),
        distance => format!("{distance:.3}"),
    }
}

fn rows_report(app: &App, rows: &RowDiff) -> Result<()> {
    let (bold, dim) = (style::BOLD, style::DIM);
    let mut text = format!("\n{bold}rows{bold:#} by {}: ", rows.key.join(", "));
    let parts = [
        (rows.added, "added"),
        (rows.removed, "removed"),
        (rows.changed, "changed"),
        (rows.unchanged, "unchanged"),
    ];
    let parts = parts.map(|(count, word)| format!("{} {word}", human::count(count)));
    let _ = writeln!(text, "{}", parts.join(", "));
    if !rows.cells.is_empty() {
        let cells = rows.cells.iter();
        let cells: Vec<String> =
            cells.map(|cell| format!("{} {}", cell.column, human::count(cell.count))).collect();
        let _ = writeln!(
            text,
            "  {dim}cells that differ{dim:#}  {}",
            crate::output::escaped(&cells.join(", "))
        );
    }
    app.terminal.print(text)?;
    for (what, shown, all) in
        [("added", &rows.added_rows, rows.added), ("removed", &rows.removed_rows, rows.removed)]
    {
        if !shown.is_empty() {
            title(app, what, shown.len(), all)?;
            app.terminal.print_table(&rows_table(&rows.columns, shown))?;
        }
    }
    if !rows.changed_rows.is_empty() {
        title(app, "changed", rows.changed_rows.len(), rows.changed)?;
        app.terminal.print_table(&changed_table(&rows.key, &rows.changed_rows))?;
    }
    if rows.repeated_keys > 0 {
        app.terminal.warn(format!(
            "{} in more than one row: of those rows, equal ones count as unchanged, the others as added or removed",
            match rows.repeated_keys {
                1 => "1 key stands".to_owned(),
                keys => format!("{} keys stand", human::count(keys)),
            }
        ));
    }
    if rows.null_keys > 0 {
        app.terminal.note(format!(
            "{} a key without a value",
            match rows.null_keys {
                1 => "1 row has".to_owned(),
                count => format!("{} rows have", human::count(count)),
            }
        ));
    }
    for (columns, what) in [
        (&rows.as_text, "compared as text, since the types differ"),
        (&rows.not_compared, "not compared: nested, or not in both versions"),
    ] {
        if !columns.is_empty() {
            app.terminal.note(format!("{}: {what}", columns.join(", ")));
        }
    }
    Ok(())
}

fn title(app: &App, what: &str, shown: usize, all: u64) -> Result<()> {
    let bold = style::BOLD;
    let part = match shown as u64 == all {
        true => String::new(),
        false => format!(" (the first {shown} of {})", human::count(all)),
    };
    app.terminal.print(format_args!("\n{bold}{what}{bold:#}{part}\n"))
}

fn rows_table(columns: &[String], rows: &[Vec<Value>]) -> Table {
    let mut table = Table::of(columns);
    for row in rows {
        table.push_row(row.iter().map(cell).collect());
    }
    table
}

/// A line for each cell that differs.
fn changed_table(key: &[String], rows: &[ChangedRow]) -> Table {
    let titles: Vec<String> = key
        .iter()
        .cloned()
        .chain(["column".to_owned(), "was".to_owned(), "is".to_owned()])
        .collect();
    let mut table = Table::of(&titles);
    for row in rows {
        for change in &row.cells {
            let mut cells: Vec<Cell> = row.key.iter().map(cell).collect();
            cells.push(Cell::new(&change.column));
            cells.push(cell(&change.before));
            cells.push(cell(&change.after));
            table.push_row(cells);
        }
    }
    table
}

/// A value with all its digits.
fn cell(value: &Value) -> Cell {
    match value {
        Value::Null => Cell::null(),
        Value::String(text) => Cell::new(text),
        other => Cell::new(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_shown_twice_and_what_does_not_once() {
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(moved(text("1"), text("1")), "1");
        assert_eq!(moved(text("1"), text("2")), "1 → 2");
        assert_eq!(moved(text("1"), None), "1");
        assert_eq!(counts(1000, 900), "1,000 → 900 (−100)");
    }
}

//! `lakebed lineage`: what a version was computed from, down to its originals, or what from it.

use std::{collections::BTreeSet, fmt::Write as _};

use clap::{Args, ValueEnum};
use lakebed_api::{ColumnEdge, ExternalNode, LineageAnswer, LineageEdge, Original, RowsEdge};
use lakebed_core::{DatasetRef, TablePart};

use crate::{
    app::App,
    connect::Session,
    output::{escaped, human, style},
    problem::{Exit, Problem, Result},
};

/// Show what a version was computed from, down to the original files, or what was computed from it.
///
/// What you may not know of is left out. What pipelines elsewhere told stands beside the dataset that
/// they told it of, with who told it. With a column, only what has to do with that column is shown, and how:
/// what it is made of, what decides about its rows, and all that it decides about.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lakebed lineage sales.orders_a_day
  lakebed lineage sales.orders_a_day@v3 --column total
  lakebed lineage sales.orders --down
  lakebed lineage sales.orders_a_day --format dot | dot -Tsvg > lineage.svg
  lakebed lineage sales.orders_a_day --format openlineage")]
pub(crate) struct LineageArgs {
    /// The reference, `namespace.name[@selector]`
    #[arg(value_name = "REF")]
    reference: DatasetRef,
    /// Only what has to do with this column
    #[arg(long, value_name = "COLUMN")]
    column: Option<String>,
    /// To what it was computed from; this is what is shown when nothing is said
    #[arg(long, conflicts_with = "down")]
    up: bool,
    /// To what was computed from it
    #[arg(long)]
    down: bool,
    /// As a tree, as JSON, for Graphviz, or as an event of OpenLineage
    #[arg(long, value_name = "FORMAT", default_value = "tree")]
    format: Format,
}

/// How it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Tree,
    Json,
    Dot,
    Openlineage,
}

pub(crate) async fn run(app: &App, args: LineageArgs) -> Result<Exit> {
    let dataset = &args.reference.dataset;
    let text = args.reference.to_string();
    let version = text.split_once('@').map(|(_, version)| version);
    if args.format == Format::Openlineage {
        if args.down || args.column.is_some() {
            let message = "an event of OpenLineage is about all that one version was made of";
            return Err(Problem::usage(message).hint("leave out `--down` and `--column`"));
        }
        let session = Session::open(app).await?;
        let event = session.client.openlineage(dataset, version).await?;
        session.close().await;
        app.terminal.print_json(&event)?;
        return Ok(Exit::Ok);
    }
    let direction = if args.down { "down" } else { "up" };
    let session = Session::open(app).await?;
    let column = args.column.as_deref();
    let answer = session.client.lineage(dataset, version, column, Some(direction)).await?;
    session.close().await;
    let format = if app.terminal.json { Format::Json } else { args.format };
    match format {
        Format::Json => app.terminal.print_json(&answer)?,
        Format::Dot => app.terminal.print(dot(&answer, args.down))?,
        Format::Tree | Format::Openlineage => app.terminal.print(tree(&answer, args.down))?,
    }
    if answer.is_cut {
        let count = human::counted(answer.versions.len() as u64, "version");
        app.terminal.warn(format!("there is more: these are {count}, at most 64 steps away"));
        app.terminal.hint("go on from one of them, or name a column");
    }
    Ok(Exit::Ok)
}

/// `sales.orders@v3`.
fn name(answer: &LineageAnswer, place: usize) -> String {
    let version = &answer.versions[place].version;
    format!("{}@v{}", version.dataset, version.version)
}

/// The versions, each below the one it is beside; what is there already is not unfolded again.
fn tree(answer: &LineageAnswer, is_down: bool) -> String {
    let mut tree = Tree { answer, is_down, text: String::new(), shown: BTreeSet::new() };
    tree.branch(0, None, "", "");
    tree.text
}

struct Tree<'a> {
    answer: &'a LineageAnswer,
    is_down: bool,
    text: String,
    shown: BTreeSet<usize>,
}

impl<'a> Tree<'a> {
    fn branch(&mut self, place: usize, edge: Option<&LineageEdge>, first: &str, rest: &str) {
        let (bold, dim) = (style::BOLD, style::DIM);
        let answer = self.answer;
        let is_new = self.shown.insert(place);
        let above = if is_new { String::new() } else { format!(" {dim}(above){dim:#}") };
        let name = name(answer, place);
        let _ = writeln!(self.text, "{first}{bold}{name}{bold:#}{above}");
        let beside: Vec<(usize, &LineageEdge)> = match is_new {
            true => self.beside(place),
            false => Vec::new(),
        };
        let version = &answer.versions[place];
        let originals: &[Original] = if is_new { &version.originals } else { &[] };
        let more = version.original_count.saturating_sub(version.originals.len() as u64);
        let external: &[ExternalNode] = if is_new { &version.external } else { &[] };
        let has_below = !beside.is_empty() || !originals.is_empty() || !external.is_empty();
        let bar = if has_below { "│ " } else { "  " };
        for line in edge.into_iter().flat_map(facts) {
            let _ = writeln!(self.text, "{rest}{bar}{dim}{line}{dim:#}");
        }
        let files = originals.len() + usize::from(is_new && more > 0);
        let count = beside.len() + external.len() + files;
        let mut number = 0;
        let mut twigs = || {
            number += 1;
            if number == count { ("└─ ", "   ") } else { ("├─ ", "│  ") }
        };
        for (other, edge) in beside {
            let (twig, below) = twigs();
            self.branch(other, Some(edge), &format!("{rest}{twig}"), &format!("{rest}{below}"));
        }
        for node in external {
            let (twig, _) = twigs();
            let _ = writeln!(self.text, "{rest}{twig}{}", elsewhere(node));
        }
        for original in originals {
            let (twig, _) = twigs();
            let _ = writeln!(self.text, "{rest}{twig}{}", file(original));
        }
        if is_new && more > 0 {
            let (twig, _) = twigs();
            let _ = writeln!(self.text, "{rest}{twig}and {} more", human::counted(more, "file"));
        }
    }

    /// What is one step further, and how.
    fn beside(&self, place: usize) -> Vec<(usize, &'a LineageEdge)> {
        let edges = self.answer.edges.iter();
        match self.is_down {
            true => edges.filter(|e| e.source == place).map(|e| (e.computed, e)).collect(),
            false => edges.filter(|e| e.computed == place).map(|e| (e.source, e)).collect(),
        }
    }
}

/// What lies elsewhere, and who says so.
fn elsewhere(node: &ExternalNode) -> String {
    let job = node.job.iter().map(|job| format!("{}, ", escaped(job)));
    let job: String = job.collect();
    format!("{}  ({job}told by {})", address(node), escaped(&node.told_by))
}

fn address(node: &ExternalNode) -> String {
    format!("{}/{}", escaped(&node.namespace), escaped(&node.name))
}

fn file(original: &Original) -> String {
    format!(
        "{}  b3:{}  {} accepted, {} quarantined",
        escaped(&original.name),
        original.object.short(),
        human::counted(original.accepted_rows, "row"),
        human::count(original.quarantined_rows),
    )
}

/// What is known of columns, a line each.
fn facts(edge: &LineageEdge) -> Vec<String> {
    let columns = edge.columns.iter().map(column_fact);
    columns.chain(edge.rows.iter().map(rows_fact)).collect()
}

fn column_fact(edge: &ColumnEdge) -> String {
    let mut how: Vec<String> = edge.direct.iter().map(word).collect();
    if edge.conditional {
        how.push("conditional".to_owned());
    }
    let (column, source) = (escaped(&edge.column), escaped(&edge.source));
    format!("{column} ← {source}{} ({})", part(edge.part), how.join(", "))
}

fn rows_fact(edge: &RowsEdge) -> String {
    let how: Vec<String> = edge.kinds.iter().map(word).collect();
    format!("rows ← {}{} ({})", escaped(&edge.source), part(edge.part), how.join(", "))
}

const fn part(part: TablePart) -> &'static str {
    match part {
        TablePart::Rows => "",
        TablePart::Quarantine => " of the quarantine",
    }
}

/// The word that JSON has for it.
fn word(kind: &impl serde::Serialize) -> String {
    let word = serde_json::to_value(kind).ok();
    word.as_ref().and_then(serde_json::Value::as_str).unwrap_or_default().to_owned()
}

/// For Graphviz; data flows from left to right.
fn dot(answer: &LineageAnswer, is_down: bool) -> String {
    let mut text = String::from("digraph lineage {\n  rankdir=LR;\n  node [shape=box];\n");
    for (place, version) in answer.versions.iter().enumerate() {
        let _ = writeln!(text, "  v{place} [label={}];", quoted(&[name(answer, place)]));
        for (number, original) in version.originals.iter().enumerate() {
            let label = quoted(std::slice::from_ref(&original.name));
            let _ = writeln!(text, "  f{place}_{number} [shape=note, label={label}];");
            let _ = writeln!(text, "  f{place}_{number} -> v{place};");
        }
        for (number, node) in version.external.iter().enumerate() {
            let label = quoted(&[address(node)]);
            let _ = writeln!(text, "  e{place}_{number} [style=dashed, label={label}];");
            let (from, to) = (format!("e{place}_{number}"), format!("v{place}"));
            let (from, to) = if is_down { (to, from) } else { (from, to) };
            let _ = writeln!(text, "  {from} -> {to} [style=dashed];");
        }
    }
    for edge in &answer.edges {
        let facts = facts(edge);
        let label = match facts.is_empty() {
            true => String::new(),
            false => format!(" [label={}]", quoted(&facts)),
        };
        let _ = writeln!(text, "  v{} -> v{}{label};", edge.source, edge.computed);
    }
    text.push_str("}\n");
    text
}

/// Lines as a quoted string of DOT: whatever stands in names stays within it.
fn quoted(lines: &[String]) -> String {
    let line = |line: &String| escaped(line).replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{}\"", lines.iter().map(line).collect::<Vec<_>>().join("\\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_within_their_quotes() {
        let told = |text: &str| quoted(&[text.to_owned()]);
        assert_eq!(told(r#"a" ]; evil ["#), r#""a\" ]; evil [""#);
        assert_eq!(told(r"a\"), r#""a\\""#);
        assert_eq!(told("a\nb"), r#""a\\nb""#);
        assert_eq!(quoted(&["a".to_owned(), "b".to_owned()]), r#""a\nb""#);
    }
}

//! Whether TPC-H's answers over HTTP are DuckDB's, cell by cell and in order.

use std::{collections::BTreeMap, fs, process::Stdio};

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{READER, World};
use crate::bench::{
    report,
    served::{output, request},
};

/// How far doubles may differ, as a part of their size: they are sums in another order.
const DOUBLES: f64 = 1e-9;

/// An answer as its reader wrote it down.
#[derive(Debug, Deserialize)]
struct Answer {
    query: String,
    types: Vec<String>,
    rows: Vec<Vec<Option<String>>>,
}

/// Asks for each; says how many agree, and where the others differ.
pub(super) fn beside_duckdb(world: &World<'_>) -> Result<Value> {
    report::heading("TPC-H over HTTP: are the answers DuckDB's?");
    let theirs =
        output(world.peers.duckdb_answers(&world.queries, &world.tables).stdin(Stdio::null()))?;
    let text = fs::read_to_string(&world.queries)?;
    let texts: BTreeMap<&str, &str> = queries(&text).collect();
    let token = world.lake.token(READER)?;
    let server = world.lake.serve()?;
    let mut connection = server.connect()?;
    let (mut same, mut all, mut differences) = (0, 0, BTreeMap::new());
    for line in theirs.lines() {
        let theirs: Answer = serde_json::from_str(line).context("no answer of DuckDB's")?;
        let sql = texts.get(theirs.query.as_str()).context("a query without a text")?;
        let fields = [("content-type", "text/plain"), ("accept", "application/json")];
        let request = request(&server, &token, "/v1/sql", &fields, sql.as_bytes());
        let found = connection.ask(&request).with_context(|| theirs.query.clone())?;
        let ours = read(&theirs.query, &serde_json::from_slice(&found)?)?;
        all += 1;
        match difference(&ours, &theirs) {
            None => same += 1,
            Some(difference) => {
                println!("  {}: {difference}", theirs.query);
                differences.insert(theirs.query, difference);
            }
        }
    }
    println!("  {:<44} {same:>8} of {all}   bar {}", "queries with the same answer", texts.len());
    Ok(json!({ "same": same, "all": texts.len(), "differences": differences }))
}

/// Name and text of each.
fn queries(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let parts = text.split("\n-- ").filter(|part| part.starts_with('Q'));
    parts.filter_map(|part| part.split_once('\n')).map(|(name, sql)| (name, sql.trim()))
}

/// Our answer in JSON.
fn read(query: &str, answer: &Value) -> Result<Answer> {
    ensure!(!answer["row_count"].is_null(), "{query} has no end");
    let list = |value: &Value| value.as_array().cloned().context("no list");
    let types = list(&answer["columns"])?;
    let types = types.iter().map(|column| column["type"].as_str().unwrap_or_default().to_owned());
    let text = |cell: &Value| match cell {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    };
    let rows = list(&answer["rows"])?;
    let rows = rows.iter().map(|row| Ok(list(row)?.iter().map(text).collect()));
    let rows = rows.collect::<Result<_>>()?;
    Ok(Answer { query: query.to_owned(), types: types.collect(), rows })
}

/// The first difference, if there is one.
fn difference(ours: &Answer, theirs: &Answer) -> Option<String> {
    if ours.types.len() != theirs.types.len() || ours.rows.len() != theirs.rows.len() {
        let shape = |answer: &Answer| format!("{}x{}", answer.rows.len(), answer.types.len());
        return Some(format!("{} instead of {} cells", shape(ours), shape(theirs)));
    }
    let rows = ours.rows.iter().zip(&theirs.rows).enumerate();
    let mut cells = rows.flat_map(|(row, (ours, theirs))| {
        ours.iter().zip(theirs).enumerate().map(move |(place, cells)| (row, place, cells))
    });
    let (row, place, (ours, theirs)) = cells.find(|(_, place, (our, their))| {
        !is_same(our.as_deref(), their.as_deref(), &ours.types[*place], &theirs.types[*place])
    })?;
    Some(format!("row {}, column {}: {ours:?} instead of {theirs:?}", row + 1, place + 1))
}

/// Doubles may differ a little, or by what a decimal beside one cannot hold; nothing else may.
fn is_same(ours: Option<&str>, theirs: Option<&str>, our_type: &str, their_type: &str) -> bool {
    let (Some(ours), Some(theirs)) = (ours, theirs) else { return ours == theirs };
    let is_double = |name: &str| matches!(name, "double" | "float" | "DOUBLE" | "FLOAT");
    if !is_double(our_type) && !is_double(their_type) {
        return match (plain_number(ours), plain_number(theirs)) {
            (Some(ours), Some(theirs)) => ours == theirs,
            _ => ours == theirs,
        };
    }
    let (Ok(our), Ok(their)) = (ours.parse::<f64>(), theirs.parse::<f64>()) else { return false };
    let last_digit = [(ours, our_type), (theirs, their_type)]
        .into_iter()
        .filter(|(_, name)| !is_double(name))
        .map(|(text, _)| {
            text.split_once('.').map_or(1.0, |(_, part)| 0.1_f64.powi(part.len() as i32))
        })
        .fold(0.0, f64::max);
    let most = match last_digit > 0.0 {
        true => last_digit,
        false => DOUBLES * our.abs().max(their.abs()),
    };
    (our - their).abs() <= most
}

/// A decimal number without the zeros at its ends; nothing for any other text.
fn plain_number(text: &str) -> Option<String> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_number(whole) || !is_number(part) {
        return None;
    }
    let (whole, part) = (whole.trim_start_matches('0'), part.trim_end_matches('0'));
    let sign = if digits.len() < text.len() && (whole, part) != ("", "") { "-" } else { "" };
    Some(format!("{sign}{whole}.{part}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_doubles_may_differ() {
        let same = |ours, theirs, our_type, their_type| {
            is_same(Some(ours), Some(theirs), our_type, their_type)
        };
        assert!(same("7", "7.00", "long", "DECIMAL(38,2)"));
        assert!(same("-0.50", "-0.5", "decimal(4,2)", "DECIMAL(4,1)"));
        assert!(!same("7.01", "7.00", "decimal(18,2)", "DECIMAL(38,2)"));
        assert!(!same("25-1", "25-10", "string", "VARCHAR"));
        assert!(!same("1e3", "1000", "string", "VARCHAR"));
        assert!(same("0.1", "0.10000000000000001", "double", "DOUBLE"));
        assert!(same("38273.129734", "38273.12973462168", "decimal(22,6)", "DOUBLE"));
        assert!(!same("38273.129731", "38273.12973462168", "decimal(22,6)", "DOUBLE"));
        assert!(!same("0.1", "0.1000001", "double", "DOUBLE"));
        assert!(is_same(None, None, "long", "BIGINT"));
        assert!(!is_same(None, Some("0"), "long", "BIGINT"));
    }

    #[test]
    fn a_difference_says_where() {
        let answer = |rows: &[&[&str]]| Answer {
            query: "Q1".to_owned(),
            types: vec!["long".to_owned(); 2],
            rows: rows
                .iter()
                .map(|row| row.iter().map(|cell| Some((*cell).into())).collect())
                .collect(),
        };
        let one = answer(&[&["1", "2"], &["3", "4"]]);
        assert_eq!(difference(&one, &answer(&[&["1", "2"], &["3", "4"]])), None);
        let found = difference(&one, &answer(&[&["1", "2"], &["3", "5"]])).expect("a difference");
        assert_eq!(found, "row 2, column 2: Some(\"4\") instead of Some(\"5\")");
        let found = difference(&one, &answer(&[&["1", "2"]])).expect("a difference");
        assert_eq!(found, "2x2 instead of 1x2 cells");
    }

    #[test]
    fn queries_have_names() {
        let found: Vec<_> =
            queries("-- About\n-- them.\n\n-- Q1\nselect 1;\n\n-- Q2\nselect 2;\n").collect();
        assert_eq!(found, [("Q1", "select 1;"), ("Q2", "select 2;")]);
    }
}

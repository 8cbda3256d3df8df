//! Non-interference (P7): two lakes that look the same to a reader give the same answers.
//!
//! [`Twins`] are two lakes equal in everything a reader may see and different in everything else:
//! rows that are dropped (how many, which, where), values behind masks, columns that are hidden, down
//! to their names, files. A statement is run on both; rows, errors with their hints, schemas,
//! `EXPLAIN` and the physical plan are compared. What does the comparing is proved by what it finds:
//! a plain view, a scan without a barrier, and one planted leak for every hazard that we know
//! (`leaks`).

#![allow(clippy::unwrap_used, reason = "tests may")]

pub(crate) mod dice;
mod generated;
mod generator;
mod lakes;
mod leaks;
mod live;
mod statements;
#[path = "../../../tests/query/world.rs"]
#[expect(dead_code, reason = "shared with the tests outside, which use more of it")]
pub(crate) mod world;

use std::{collections::BTreeSet, fmt};

use arrow::{array::RecordBatch, util::pretty::pretty_format_batches};
use futures::TryStreamExt as _;
use lakebed_service::engine::{EngineError, Parameters, QueryLimits, QueryStream};

use crate::plan::Provider;
use world::{Asked, World, show_error};

/// A statement and the values of its placeholders.
#[derive(Debug, Clone)]
struct Statement {
    sql: String,
    parameters: Vec<serde_json::Value>,
}

impl fmt::Display for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sql)?;
        match self.parameters.is_empty() {
            true => Ok(()),
            false => write!(f, "\nwith {:?}", self.parameters),
        }
    }
}

impl From<&str> for Statement {
    fn from(sql: &str) -> Self {
        Self { sql: sql.to_owned(), parameters: Vec::new() }
    }
}

/// Two lakes that look the same.
struct Twins {
    left: World,
    right: World,
}

impl Twins {
    /// Sixty rows to be seen. In one part, so that nothing depends on who is first.
    async fn new(provider: Provider) -> Self {
        Self::of(1, 60, provider).await
    }

    async fn of(parts: usize, count: usize, provider: Provider) -> Self {
        Self {
            left: lakes::left(parts, count, provider).await,
            right: lakes::right(parts, count, provider).await,
        }
    }

    /// How the two differ in all that a statement tells, if they do.
    async fn difference(&self, sql: &str) -> Option<String> {
        compared(&self.left, &self.right, &sql.into(), Asks::All).await.err()
    }
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
enum Asks {
    /// Columns, rows, errors.
    Answer,
    /// The same, and the physical plan that they came from.
    AnswerAndPlan,
    /// The same, and `EXPLAIN`.
    All,
    /// The physical plan and `EXPLAIN`, before anything runs.
    Plans,
}

/// What a statement tells.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Told {
    answer: String,
    plan: String,
    explained: String,
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n{}\n{}", self.answer, self.plan, self.explained)
    }
}

/// What both tell, or how they differ. The planner makes some choices by the order of a hash map,
/// another one every time: what is told differs if none of several tellings of one is one of the
/// other's.
async fn compared(
    one: &World,
    other: &World,
    statement: &Statement,
    asks: Asks,
) -> Result<Told, String> {
    const TELLINGS: usize = 12;
    let (mut left, mut right) = (BTreeSet::new(), BTreeSet::new());
    for _ in 0..TELLINGS {
        left.insert(told(one, statement, asks).await);
        right.insert(told(other, statement, asks).await);
        if let Some(both) = left.intersection(&right).next() {
            return Ok(both.clone());
        }
    }
    let (left, right) = (left.first().unwrap(), right.first().unwrap());
    Err(format!("{statement}\n--- left\n{left}\n--- right\n{right}\n"))
}

async fn told(world: &World, statement: &Statement, asks: Asks) -> Told {
    let mut told = Told::default();
    match start(world, statement).await {
        Err(error) => told.answer = show_error(&error),
        Ok((_, plan)) if matches!(asks, Asks::Plans) => told.plan = plan,
        Ok((stream, plan)) => {
            told.answer = answer(stream, is_ordered(&statement.sql)).await;
            if !matches!(asks, Asks::Answer) {
                told.plan = plan;
            }
        }
    }
    if matches!(asks, Asks::All | Asks::Plans) && is_query(&statement.sql) {
        let explain = Statement { sql: format!("EXPLAIN {}", statement.sql), ..statement.clone() };
        told.explained = match start(world, &explain).await {
            Ok((stream, _)) => answer(stream, true).await,
            Err(error) => show_error(&error),
        };
    }
    told
}

/// The rows to come, and the plan that they come from.
async fn start(world: &World, statement: &Statement) -> Result<(QueryStream, String), EngineError> {
    let parameters = Parameters::Positional(statement.parameters.clone());
    let job = world.job(&statement.sql, Asked { parameters, ..Asked::default() })?;
    world.engine.run_and_show(job, &world.store).await
}

/// The columns with their types, and the rows; sorted, unless the statement says in which order.
async fn answer(stream: QueryStream, is_ordered: bool) -> String {
    let columns: Vec<_> = stream.schema.fields().iter().map(|field| format!("{field:?}")).collect();
    let batches = match stream.batches.try_collect::<Vec<_>>().await {
        Ok(batches) => batches,
        Err(error) => return show_error(&error),
    };
    let text = pretty_format_batches(&batches).unwrap().to_string();
    let mut lines: Vec<&str> = text.lines().collect();
    if !is_ordered {
        lines.sort_unstable();
    }
    format!("{}\n{}", columns.join("\n"), lines.join("\n"))
}

fn is_query(sql: &str) -> bool {
    sql.starts_with("SELECT") || sql.starts_with("WITH")
}

/// Whether the statement says in which order its rows are: outside of all parentheses.
fn is_ordered(sql: &str) -> bool {
    let mut depth = 0;
    let outer: String = sql
        .chars()
        .filter(|char| {
            depth += i32::from(*char == '(') - i32::from(*char == ')');
            depth == 0
        })
        .collect();
    const ORDERED: [&str; 3] = ["EXPLAIN", "DESCRIBE", "SHOW"];
    outer.contains("ORDER BY") || ORDERED.iter().any(|word| sql.starts_with(word))
}

/// The statements of the corpus that tell the twins apart, at most so many.
async fn found(provider: Provider, most: usize) -> Vec<String> {
    let twins = Twins::new(provider).await;
    let mut found = Vec::new();
    for sql in statements::ALL {
        found.extend(twins.difference(sql).await);
        if found.len() >= most {
            break;
        }
    }
    found
}

/// P7: no statement of the corpus tells two lakes apart that look the same.
#[tokio::test(flavor = "multi_thread")]
async fn p7_lakes_that_look_the_same_answer_the_same() {
    let found = found(super::provider, 3).await;
    assert!(found.is_empty(), "{} leaks:\n{}", found.len(), found.join("\n"));
}

/// The same in several parts, but for which of several values a failing statement names first.
#[tokio::test(flavor = "multi_thread")]
async fn p7_parts_that_run_at_once_tell_nothing() {
    let twins = Twins::of(3, 60, super::provider).await;
    for sql in statements::ALL {
        if let Some(difference) = twins.difference(sql).await {
            let failed = difference.matches("\nfailed: ").count();
            assert_eq!(failed, 2, "{difference}");
            assert!(!difference.contains("HIDDEN"), "{difference}");
        }
    }
}

/// P7: plans are made of what a reader may know. They are the same over a lake of the same columns that
/// has neither files nor rows, and another row filter.
#[tokio::test(flavor = "multi_thread")]
async fn p7_plans_say_nothing_of_what_is_there() {
    for parts in [1, 3] {
        let provider = super::provider;
        let there = lakes::right(parts, 60, provider).await;
        let blank = lakes::blank(parts, provider).await;
        for sql in statements::ALL {
            let compared = compared(&there, &blank, &(*sql).into(), Asks::Plans).await;
            assert_eq!(compared.err(), None);
        }
    }
}

/// What `EXPLAIN` says to a restricted reader: the statement's own words down to the table, its own
/// conditions at most, and nothing below.
#[tokio::test(flavor = "multi_thread")]
async fn explain_ends_at_the_table() {
    let lake = lakes::right(1, 60, super::provider).await;
    let mut text = String::new();
    for sql in [
        "EXPLAIN SELECT count(*) FROM a.b",
        "EXPLAIN SELECT id FROM a.b WHERE amount > 3 AND salary > 2500 AND CAST(note AS INT) > 7",
        "EXPLAIN SELECT x.id, y.phone FROM a.b x JOIN a.\"b@v1\" y ON x.phone = y.phone \
         WHERE x.region = 'US' AND y.day IS NULL ORDER BY 1 LIMIT 3",
    ] {
        text += &format!("{sql}\n{}\n", lake.show(sql).await);
    }
    insta::assert_snapshot!(text, @r#"
    EXPLAIN SELECT count(*) FROM a.b
    +-----------------------------------------------------+
    | plan                                                |
    +-----------------------------------------------------+
    | Projection: count(Int64(1)) AS count(*)             |
    |   Aggregate: groupBy=[[]], aggr=[[count(Int64(1))]] |
    |     TableScan: a.b projection=[]                    |
    +-----------------------------------------------------+
    EXPLAIN SELECT id FROM a.b WHERE amount > 3 AND salary > 2500 AND CAST(note AS INT) > 7
    +-----------------------------------------------------------------------------------------------------+
    | plan                                                                                                |
    +-----------------------------------------------------------------------------------------------------+
    | Projection: a.b.id                                                                                  |
    |   Filter: a.b.amount > Int64(3) AND a.b.salary > Int64(2500) AND CAST(a.b.note AS Int32) > Int32(7) |
    |     TableScan: a.b projection=[id, amount, note, salary], partial_filters=[a.b.amount > Int64(3)]   |
    +-----------------------------------------------------------------------------------------------------+
    EXPLAIN SELECT x.id, y.phone FROM a.b x JOIN a."b@v1" y ON x.phone = y.phone WHERE x.region = 'US' AND y.day IS NULL ORDER BY 1 LIMIT 3
    +----------------------------------------------------------------------------------------------------------+
    | plan                                                                                                     |
    +----------------------------------------------------------------------------------------------------------+
    | Sort: x.id ASC NULLS LAST, fetch=3                                                                       |
    |   Projection: x.id, y.phone                                                                              |
    |     Inner Join: x.phone = y.phone                                                                        |
    |       SubqueryAlias: x                                                                                   |
    |         Projection: a.b.id, a.b.phone                                                                    |
    |           Filter: a.b.region = Utf8View("US")                                                            |
    |             TableScan: a.b projection=[id, region, phone], partial_filters=[a.b.region = Utf8View("US")] |
    |       SubqueryAlias: y                                                                                   |
    |         Projection: a.b@v1.phone                                                                         |
    |           Filter: a.b@v1.day IS NULL                                                                     |
    |             TableScan: a.b@v1 projection=[day, phone], partial_filters=[a.b@v1.day IS NULL]              |
    +----------------------------------------------------------------------------------------------------------+
    "#);
}

/// The corpus asks for something: most of its statements have an answer, and some have an error.
#[tokio::test(flavor = "multi_thread")]
async fn the_corpus_has_answers() {
    let twins = Twins::new(super::provider).await;
    let mut refused = Vec::new();
    for sql in statements::ALL {
        let told = told(&twins.right, &(*sql).into(), Asks::Answer).await;
        if !told.answer.starts_with("Field") {
            refused.push(format!("{sql}: {}", told.answer.lines().next().unwrap_or_default()));
        }
    }
    insta::assert_snapshot!(refused.join("\n"));
}

/// The harness finds what a plain view leaks: values in errors, divisions, statistics.
#[tokio::test(flavor = "multi_thread")]
async fn a_plain_view_leaks_and_is_found() {
    let found = found(leaks::view, 1_000).await;
    for by in ["CAST(note AS INT) >= 0", "10 / (amount - 5)"] {
        let all = found.iter().map(|leak| leak.lines().next().unwrap_or_default());
        let all = all.collect::<Vec<_>>().join("\n");
        assert!(found.iter().any(|leak| leak.contains(by)), "not found by {by}, but by\n{all}");
    }
}

/// Each planted leak is found.
#[tokio::test(flavor = "multi_thread")]
async fn every_planted_leak_is_found() {
    for (name, provider) in leaks::ALL {
        let found = found(*provider, 1).await;
        assert!(!found.is_empty(), "{name}: not found");
    }
}

/// Where batches end must not tell where rows were dropped: a conjunction whose left side is seldom
/// true evaluates its right side on few rows, or on a whole batch.
#[tokio::test(flavor = "multi_thread")]
async fn borders_of_batches_do_not_tell() {
    let twins = Twins::of(1, 9_000, super::provider).await;
    for sql in statements::BATCHES {
        assert_eq!(twins.difference(sql).await, None);
    }
}

/// Memory is counted by what is seen: limits are met at the same bytes, however much was dropped from
/// between the rows, and whatever masks cover.
#[tokio::test(flavor = "multi_thread")]
async fn limits_of_memory_do_not_tell() {
    let (few, many) = (lakes::long_texts(0).await, lakes::long_texts(90).await);
    limits_are_met_alike(&few, &many, 16).await;
}

/// A join of long texts under limits of memory, so many KiB apart, ends alike over both lakes.
async fn limits_are_met_alike(few: &World, many: &World, step: usize) {
    let sql = "SELECT x.id, x.note, x.words, y.nick FROM a.b x JOIN a.b y ON x.id = y.id + 1";
    let mut outcomes = BTreeSet::new();
    for kilobytes in (64..1_024).step_by(step) {
        let limits = QueryLimits { memory_bytes: kilobytes << 10, ..QueryLimits::default() };
        let outcome = async |lake: &World| {
            let rows = lake.rows(sql, Asked { limits, ..Asked::default() }).await;
            rows.map_err(|error| show_error(&error))
                .map(|rows| rows.iter().map(RecordBatch::num_rows).sum::<usize>())
        };
        let outcome_of_few = outcome(few).await;
        assert_eq!(outcome_of_few, outcome(many).await, "with {kilobytes} KiB");
        outcomes.insert(outcome_of_few.is_ok());
    }
    assert_eq!(outcomes.len(), 2, "some limits are met and some are not");
}

/// What answers may be long is counted in rows and values that are seen: with a byte less than the
/// answer has both break off, after the same rows, and with as many as it has neither does.
#[tokio::test(flavor = "multi_thread")]
async fn limits_of_answers_do_not_tell() {
    let twins = Twins::of(1, 9_000, super::provider).await;
    let sql = "SELECT * FROM a.b";
    let whole = twins.left.rows(sql, Asked::default()).await.unwrap();
    let bytes: u64 = whole.iter().map(crate::weight::weight).sum();
    let told = async |world: &World, limits: QueryLimits| {
        let (batches, error) = world.until_error(sql, Asked { limits, ..Asked::default() }).await;
        let rows = batches.iter().map(RecordBatch::num_rows).sum::<usize>();
        (rows, error.map(|error| show_error(&error)))
    };
    for (most, is_enough) in [(bytes, true), (bytes - 1, false), (bytes / 2, false), (1, false)] {
        let limits = QueryLimits { max_bytes: Some(most), ..QueryLimits::default() };
        let (left, right) = (told(&twins.left, limits).await, told(&twins.right, limits).await);
        assert_eq!(left, right, "{most} bytes");
        assert_eq!(left.1.is_none(), is_enough, "{most} of {bytes} bytes: {left:?}");
    }
    for most in [9_000, 8_999, 1] {
        let limits = QueryLimits { max_rows: Some(most), ..QueryLimits::default() };
        let (left, right) = (told(&twins.left, limits).await, told(&twins.right, limits).await);
        assert_eq!(left, right, "{most} rows");
        assert_eq!(left.1.is_none(), most == 9_000);
    }
}

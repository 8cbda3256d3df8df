//! Non-interference (P7): two lakes that look the same to a reader give the same answers.
//!
//! [`Twins`] are two lakes equal in everything a reader may see and different in everything else:
//! rows that are dropped (how many, which, where), values behind masks, columns that are hidden, down
//! to their names, files. A statement is run on both; rows, errors with their hints, schemas,
//! `EXPLAIN` and the physical plan are compared. What does the comparing is proved by what it finds:
//! a plain view, a scan without a barrier, and one planted leak for every hazard that we know
//! (`leaks`).

#![allow(clippy::unwrap_used, reason = "tests may")]

mod dice;
mod generator;
mod lakes;
mod leaks;
mod statements;
#[path = "../../../tests/query/world.rs"]
#[expect(dead_code, reason = "shared with the tests outside, which use more of it")]
mod world;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    sync::Arc,
};

use arrow::util::pretty::pretty_format_batches;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use lakebed_service::engine::Parameters;

use crate::plan::Provider;
use dice::Dice;
use world::{Asked, World, show_error};

/// How many statements are made in a run, and which.
const STATEMENTS: u64 = 10_000;
const SEED: u64 = 20_261_125;

/// A statement and the values of its placeholders.
#[derive(Debug, Clone)]
struct Statement {
    sql: String,
    parameters: Vec<serde_json::Value>,
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
    async fn difference(&self, statement: &Statement, asks: Asks) -> Option<String> {
        compared(&self.left, &self.right, statement, asks).await
    }
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
enum Asks {
    /// Columns, rows, errors.
    Answer,
    /// The same, and the physical plan that they came from.
    Plan,
    /// The same, and `EXPLAIN`.
    All,
}

/// The planner makes some choices by the order of a hash map, another one every time: what is told
/// differs if none of several tellings of one is one of the other's.
async fn compared(
    one: &World,
    other: &World,
    statement: &Statement,
    asks: Asks,
) -> Option<String> {
    const TELLINGS: usize = 12;
    let (mut left, mut right) = (BTreeSet::new(), BTreeSet::new());
    for _ in 0..TELLINGS {
        left.insert(told(one, statement, asks).await);
        right.insert(told(other, statement, asks).await);
        if left.intersection(&right).next().is_some() {
            return None;
        }
    }
    let (left, right) = (left.first()?, right.first()?);
    Some(format!("{}\n--- left\n{left}\n--- right\n{right}\n", statement.sql))
}

/// What a statement tells.
async fn told(world: &World, statement: &Statement, asks: Asks) -> String {
    let (answer, plan) = answer(world, statement).await;
    let mut told = answer;
    if !matches!(asks, Asks::Answer) {
        let _ = writeln!(told, "\n{plan}");
    }
    if matches!(asks, Asks::All) && !statement.sql.starts_with("EXPLAIN") {
        let explain = format!("EXPLAIN {}", statement.sql);
        let explain = Statement { sql: explain, ..statement.clone() };
        let _ = writeln!(told, "{}", self::answer(world, &explain).await.0);
    }
    told
}

/// The columns with their types, and the rows; sorted, unless the statement says in which order. And
/// the plan.
async fn answer(world: &World, statement: &Statement) -> (String, String) {
    let parameters = Parameters::Positional(statement.parameters.clone());
    let job = world.job(&statement.sql, Asked { parameters, ..Asked::default() });
    let started = match job {
        Ok(job) => world.engine.run_and_show(job, &world.store).await,
        Err(error) => Err(error),
    };
    let (stream, plan) = match started {
        Ok(started) => started,
        Err(error) => return (show_error(&error), String::new()),
    };
    let columns: Vec<_> = stream.schema.fields().iter().map(|field| format!("{field:?}")).collect();
    let batches = match stream.batches.try_collect::<Vec<_>>().await {
        Ok(batches) => batches,
        Err(error) => return (show_error(&error), plan),
    };
    let text = pretty_format_batches(&batches).unwrap().to_string();
    let mut lines: Vec<&str> = text.lines().collect();
    if !is_ordered(&statement.sql) {
        lines.sort_unstable();
    }
    (format!("{}\n{}", columns.join("\n"), lines.join("\n")), plan)
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
    outer.contains("ORDER BY") || sql.starts_with("EXPLAIN") || sql.starts_with("DESCRIBE")
}


#[tokio::test(flavor = "multi_thread")]
async fn zz_explore() {
    let count: u64 = std::env::var("ZZ_COUNT").unwrap().parse().unwrap();
    let from: u64 = std::env::var("ZZ_FROM").unwrap_or("0".into()).parse().unwrap();
    let provider = super::provider;
    let twins = Arc::new((Twins::new(provider).await, lakes::copy(1, 60).await, lakes::blank(1, provider).await));
    let began = std::time::Instant::now();
    let mut checks = stream::iter(from..from + count).map(|place| {
        let twins = Arc::clone(&twins);
        async move { tokio::spawn(async move {
            let (statement, _) = generator::statement(Dice::of(SEED, place), place);
            let asks = Asks::Plan;
            let t = std::time::Instant::now();
            let (one, plan1) = answer(&twins.0.left, &statement).await;
            let took = t.elapsed();
            let (two, plan2) = answer(&twins.0.right, &statement).await;
            let (three, _) = answer(&twins.1, &statement).await;
            let twin = if one != two || plan1 != plan2 { twins.0.difference(&statement, asks).await } else { None };
            (place, statement, one, two, three, twin, took)
        }).await.unwrap() }
    }).buffered(2);
    let mut shares: BTreeMap<String, u64> = BTreeMap::new();
    let mut errors: BTreeMap<String, u64> = BTreeMap::new();
    while let Some((place, statement, one, two, three, twin, took)) = checks.next().await {
        let outcome = if one.starts_with("Field") {
            if one.lines().filter(|l| l.starts_with('|')).count() > 1 { "rows" } else { "empty" }.to_owned()
        } else {
            let first = one.lines().next().unwrap().to_owned();
            println!("ERR {place} {} ## {}", one.replace("\n", " ~ "), statement.sql);
            first.split(':').next().unwrap().to_owned()
        };
        if took.as_millis() > 300 { println!("SLOW {place} {} {}", took.as_millis(), statement.sql); }
        *shares.entry(outcome).or_default() += 1;
        if let Some(twin) = twin { println!("TWIN {place}\n{twin}"); *errors.entry("twin".into()).or_default() += 1; }
        else if one != two { println!("FLAKY {place} {}", statement.sql); }
        if two != three { println!("COPY {place} {}\n--- governed\n{two}\n--- copy\n{three}\nENDCOPY", statement.sql); *errors.entry("copy".into()).or_default() += 1;}
    }
    println!("SHARES {shares:?} {errors:?} in {:?}", began.elapsed());
}

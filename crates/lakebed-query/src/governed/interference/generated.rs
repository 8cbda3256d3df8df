//! Generated statements by the thousand, on all lakes.
//!
//! Each statement is run on the [`Twins`], which must tell the same, down to the physical plan, and on
//! the copy of what is seen of them, which must have the same rows. Of some, the plans are compared
//! with those over a lake that holds nothing, and the whole is told by lakes that run in several parts.
//!
//! Nothing is normalised but what D-111 excepts: rows are sorted where the statement does not say in
//! which order they are, and in several parts doubles are compared to six digits. Plans of the copy are
//! compared without the conditions that tables took: those of masked columns reach only the copy.
//!
//! A copy is nobody's restricted table, so that the optimiser may turn a join round, and with it change
//! which of several values `any_value` picks, in which order doubles are added, or which conversion
//! fails first. Such an answer is asked for again from the same copy behind a barrier that lets
//! everything through, and there it must be the same to the last digit.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    ops::ControlFlow,
    sync::Arc,
};

use datafusion::sql::sqlparser::{
    ast::{Expr, TableFactor, Visit as _, Visitor},
    parser::Parser,
};
use futures::{StreamExt as _, stream};

use super::{
    Asks, Statement, Told, Twins, compared,
    dice::{Dice, shrunk},
    generator::{self, Role},
    lakes, leaks, told,
    world::World,
};
use crate::{dialect::LakebedDialect, functions::Functions, plan::Provider};

/// How many statements are made in a run, and which.
const STATEMENTS: u64 = 10_000;
const SEED: u64 = 20_261_125;

/// How many statements are at work at once.
const AT_ONCE: usize = 3;

/// Of one statement in so many, plans are compared with those over nothing, and the whole in parts.
const SAMPLED: u64 = 20;

/// How often a statement is run again to make it smaller.
const TRIES: usize = 150;

/// The lakes that a statement is run on.
struct Lakes {
    twins: Twins,
    copy: World,
    copy_behind_barrier: World,
    blank: World,
    /// Twins that run statements in several parts.
    in_parts: Twins,
}

impl Lakes {
    async fn new() -> Self {
        let provider = super::super::provider;
        Self {
            twins: Twins::new(provider).await,
            copy: lakes::copy(1, 60, lakes::Reader::Unrestricted).await,
            copy_behind_barrier: lakes::copy(1, 60, lakes::Reader::SeesAll).await,
            blank: lakes::blank(1, provider).await,
            in_parts: Twins::of(3, 60, provider).await,
        }
    }

    /// What the statement tells, or what is wrong with that.
    async fn check(&self, statement: &Statement, is_sampled: bool) -> Result<Checked, String> {
        let asks = if is_sampled { Asks::All } else { Asks::AnswerAndPlan };
        let told = compared(&self.twins.left, &self.twins.right, statement, asks).await?;
        let is_turned = self.check_copy(statement, &told).await?;
        let parts = match is_sampled {
            true => {
                compared(&self.twins.left, &self.blank, statement, Asks::Plans).await?;
                Some(self.check_parts(statement).await?)
            }
            false => None,
        };
        Ok(Checked { outcome: Outcome::of(&told.answer), is_turned, parts })
    }

    /// Whether it was the copy behind the barrier alone that told the same.
    async fn check_copy(&self, statement: &Statement, seen: &Told) -> Result<bool, String> {
        let copied = told(&self.copy, statement, Asks::Answer).await;
        let is_plan = statement.sql.starts_with("EXPLAIN");
        let is_same = |answer: &str| match is_plan {
            true => without_admitted(answer) == without_admitted(&seen.answer),
            false => answer == seen.answer,
        };
        if is_same(&copied.answer) {
            return Ok(false);
        }
        let behind = &self.copy_behind_barrier;
        if is_plan && is_same(&told(behind, statement, Asks::Answer).await.answer) {
            return Ok(true);
        }
        compared(&self.twins.left, behind, statement, Asks::Answer).await.map_err(
            |difference| format!("{difference}--- the copy without a barrier\n{}\n", copied.answer),
        )?;
        Ok(true)
    }

    /// Plans are the same in several parts, and so are rows of which no order decides.
    async fn check_parts(&self, statement: &Statement) -> Result<Parts, String> {
        let Twins { left, right } = &self.in_parts;
        compared(left, right, statement, Asks::Plans).await?;
        if is_decided_by_order(&statement.sql) {
            return Ok(Parts::PlansAlone);
        }
        let one = told(left, statement, Asks::Answer).await.answer;
        let other = told(right, statement, Asks::Answer).await.answer;
        // Which rows share a batch decides which value fails, and whether one is looked at.
        if !one.starts_with("Field") || !other.starts_with("Field") {
            return Ok(Parts::PlansAlone);
        }
        match rounded(&one) == rounded(&other) {
            true => Ok(Parts::Rows),
            false => Err(format!("in parts: {statement}\n--- left\n{one}\n--- right\n{other}\n")),
        }
    }
}

/// The lines of a plan without the conditions that a table was given to look at beside those above it:
/// what is masked in one lake is a column like others in the copy, and takes them there.
fn without_admitted(plan: &str) -> Vec<&str> {
    let line = |line| str::split(line, ", partial_filters=").next().unwrap_or_default();
    let lines = plan.lines().filter(|line| !line.starts_with('+'));
    lines.map(|whole| line(whole).trim_end_matches([' ', '|'])).collect()
}

/// Whether the order in which rows come may decide about more than the last digits of what the
/// statement answers: which row comes first, and how much of one is left where all is equal.
fn is_decided_by_order(sql: &str) -> bool {
    const WORDS: [&str; 11] = [
        "any_value",
        "first_value",
        "last_value",
        "nth_value",
        "_agg",
        "approx_",
        "corr(",
        "regr_",
        " OVER ",
        "DISTINCT ON",
        "LIMIT",
    ];
    WORDS.iter().any(|word| sql.contains(word))
}

/// The lines of an answer with six digits of each number that has a point.
fn rounded(answer: &str) -> Vec<String> {
    let is_of_number = |char: char| char.is_ascii_alphanumeric() || "+-.".contains(char);
    let word = |word: &str| match word.parse::<f64>() {
        Ok(number) if word.contains('.') && number.abs() < 1e-9 => "0".to_owned(),
        Ok(number) if word.contains('.') => format!("{number:.5e}"),
        _ => word.to_owned(),
    };
    let line = |line: &str| {
        let words = line.split(|char| !is_of_number(char)).filter(|word| !word.is_empty());
        words.map(word).collect::<Vec<_>>().join(" ")
    };
    let mut lines: Vec<_> =
        answer.lines().filter(|line| !line.starts_with('+')).map(line).collect();
    lines.sort_unstable();
    lines
}

/// What became of a statement that told nothing.
#[derive(Debug)]
struct Checked {
    outcome: Outcome,
    /// Whether the optimiser turned a plan round for the copy.
    is_turned: bool,
    /// What was compared of it in several parts, if it was in the sample.
    parts: Option<Parts>,
}

/// What can be compared of a statement that runs in several parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Parts {
    Rows,
    PlansAlone,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    Rows,
    NoRows,
    /// Where it ran.
    Failed,
    /// Before it ran.
    Refused,
}

impl Outcome {
    fn of(answer: &str) -> Self {
        let lines = answer.lines().filter(|line| line.starts_with('|')).count();
        match answer.split(':').next() {
            Some("failed" | "exhausted" | "internal") => Self::Failed,
            Some("invalid" | "not allowed") => Self::Refused,
            _ if lines > 1 => Self::Rows,
            _ => Self::NoRows,
        }
    }
}

fn statement(place: u64) -> (Statement, Vec<usize>) {
    generator::statement(Dice::of(SEED, place), place)
}

/// P7: statements by the thousand, made of everything there is, tell no two lakes apart, and nothing of
/// what is not in the copy.
#[tokio::test(flavor = "multi_thread")]
async fn p7_no_generated_statement_tells() {
    let lakes = Arc::new(Lakes::new().await);
    let mut checks = stream::iter(0..STATEMENTS)
        .map(|place| {
            let lakes = Arc::clone(&lakes);
            let check = async move {
                lakes.check(&statement(place).0, place.is_multiple_of(SAMPLED)).await
            };
            let check = tokio::spawn(check);
            async move { (place, check.await.unwrap()) }
        })
        .buffered(AT_ONCE);
    let mut outcomes: BTreeMap<Outcome, u64> = BTreeMap::new();
    let (mut turned, mut in_parts, mut answered) = (0, 0, Calls::default());
    while let Some((place, checked)) = checks.next().await {
        let Ok(Checked { outcome, is_turned, parts }) = checked else {
            panic!("{}", smallest(&lakes, place, checked.unwrap_err()).await);
        };
        *outcomes.entry(outcome).or_default() += 1;
        turned += u64::from(is_turned);
        in_parts += u64::from(parts == Some(Parts::Rows));
        let (Statement { sql, .. }, _) = statement(place);
        if outcome == Outcome::Rows && !sql.starts_with("EXPLAIN") {
            answered.add(&sql);
        }
    }
    println!("{STATEMENTS} statements of seed {SEED}: {outcomes:?}");
    println!("copies told by the barrier alone: {turned}; rows told in parts: {in_parts}");
    assert!(outcomes[&Outcome::Rows] * 100 > STATEMENTS * 73, "too few rows: {outcomes:?}");
    assert!(turned * 100 < STATEMENTS, "{turned} copies were told by the barrier alone");
    assert!(in_parts * SAMPLED * 3 > STATEMENTS, "{in_parts} statements were told in parts");
    assert_eq!(answered.fewer_than(10), [], "functions without answers");
}

/// The difference, and the smallest statement found that still makes one.
async fn smallest(lakes: &Lakes, place: u64, difference: String) -> String {
    let of = |tape: &[usize]| generator::statement(Dice::replay(tape.to_vec()), place).0;
    let differs = async |tape: &[usize]| lakes.check(&of(tape), true).await.is_err();
    let tape = shrunk(statement(place).1, TRIES, differs).await;
    let smaller = lakes.check(&of(&tape), true).await.err().unwrap_or_default();
    format!("statement {place} of seed {SEED}:\n{difference}\nsmaller:\n{smaller}")
}

/// Every function comes up often enough to be in statements of all shapes.
#[test]
fn every_function_comes_up() {
    let mut calls = Calls::default();
    for place in 0..STATEMENTS {
        calls.add(&statement(place).0.sql);
    }
    assert_eq!(calls.fewer_than(20), [], "functions that are seldom called");
}

/// In how many statements each function is called.
struct Calls {
    counts: BTreeMap<(Role, String), u64>,
    /// The first name by each other one.
    aliases: HashMap<String, String>,
}

impl Default for Calls {
    fn default() -> Self {
        let Functions { scalar, aggregate, window } = Functions::load();
        let mut aliases = HashMap::new();
        let mut add = |name: &str, others: &[String]| {
            aliases.extend(others.iter().map(|other| (other.clone(), name.to_owned())));
        };
        scalar.iter().for_each(|udf| add(udf.name(), udf.aliases()));
        aggregate.iter().for_each(|udf| add(udf.name(), udf.aliases()));
        window.iter().for_each(|udf| add(udf.name(), udf.aliases()));
        Self { counts: BTreeMap::new(), aliases }
    }
}

impl Calls {
    fn add(&mut self, sql: &str) {
        let parsed = Parser::parse_sql(&LakebedDialect, sql).unwrap();
        let mut called = Called::default();
        let _ = parsed.visit(&mut called);
        for (role, name) in called.0 {
            let name = self.aliases.get(&name).cloned().unwrap_or(name);
            *self.counts.entry((role, name)).or_default() += 1;
        }
    }

    /// The functions that fewer statements call, and how many do.
    fn fewer_than(&self, least: u64) -> Vec<(Role, &'static str, u64)> {
        let count = |(role, name): (Role, &'static str)| {
            let found = self.counts.get(&(role, name.to_owned()));
            (role, name, found.copied().unwrap_or_default())
        };
        generator::functions().into_iter().map(count).filter(|(.., count)| *count < least).collect()
    }
}

/// The functions that a statement calls.
#[derive(Default)]
struct Called(BTreeSet<(Role, String)>);

impl Called {
    fn add(&mut self, role: Role, name: &str) {
        self.0.insert((role, name.to_owned()));
    }
}

impl Visitor for Called {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if let Expr::Function(call) = expr {
            let name = call.name.to_string();
            let role = match call.over {
                Some(_) => Role::Window,
                None if name.starts_with("unnest") => Role::Rows,
                None if generator::functions().contains(&(Role::Aggregate, name.as_str())) => {
                    Role::Aggregate
                }
                None => Role::Scalar,
            };
            self.add(role, &call.name.to_string());
        }
        // What has a syntax of its own.
        let name = match expr {
            Expr::Ceil { .. } => "ceil",
            Expr::Floor { .. } => "floor",
            Expr::Overlay { .. } => "overlay",
            Expr::Substring { .. } => "substr",
            Expr::Struct { .. } => "struct",
            _ => return ControlFlow::Continue(()),
        };
        self.add(Role::Scalar, name);
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        match factor {
            TableFactor::Table { name, args: Some(_), .. } | TableFactor::Function { name, .. } => {
                self.add(Role::Rows, &name.to_string());
            }
            TableFactor::UNNEST { .. } => self.add(Role::Rows, "unnest"),
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// The first of so many generated statements that tells the twins of `provider` apart.
async fn found(provider: Provider, most: u64) -> Option<u64> {
    let twins = Twins::new(provider).await;
    for place in 0..most {
        let (statement, _) = statement(place);
        let told = compared(&twins.left, &twins.right, &statement, Asks::AnswerAndPlan).await;
        if told.is_err() {
            return Some(place);
        }
    }
    None
}

/// What is found without anybody thinking of it: a plain view, and most planted leaks, by a few dozen
/// statements each. The rest need a statement of the corpus.
#[tokio::test(flavor = "multi_thread")]
async fn generated_statements_find_planted_leaks() {
    const CORPUS_ALONE: [&str; 3] = ["Statistics", "RawConditions", "LimitBelow"];
    let planted = leaks::ALL.iter().filter(|(name, _)| !CORPUS_ALONE.contains(name));
    for (name, provider) in planted.chain(&[("View", leaks::view as Provider)]) {
        assert!(found(*provider, 60).await.is_some(), "{name}: not found");
    }
}

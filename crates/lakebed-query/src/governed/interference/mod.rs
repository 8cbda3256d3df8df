//! Non-interference (P7): two lakes that look the same to a reader give the same answers.
//!
//! [`Twins`] are two lakes equal in everything a reader may see and different in everything else:
//! rows that are dropped (how many, which, where), values behind masks, columns that are hidden, down
//! to their names. A statement is run on both; rows, errors with their hints, schemas, `EXPLAIN` and
//! the physical plan are compared. What does the comparing is proved by what it finds: a plain view,
//! a scan without a barrier, and one planted leak for every hazard that we know (`leaks`).

#![allow(clippy::unwrap_used, reason = "tests may")]

pub(crate) mod generator;
mod leaks;
mod statements;
#[path = "../../../tests/query/world.rs"]
#[expect(dead_code, reason = "shared with the tests outside, which use more of it")]
pub(crate) mod world;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    sync::Arc,
};

use arrow::{
    array::{
        ArrayRef, Date32Array, Decimal128Array, Float64Array, Int64Array, RecordBatch, StringArray,
    },
    util::pretty::pretty_format_batches,
};
use lakebed_core::{
    DataType, Field, TableSchema,
    policy::{
        ColumnSight, Comparison, DateUnit, Mask, MaskKey, Partial, Predicate, Restriction, Scalar,
        Sight,
    },
};
use lakebed_service::engine::QueryLimits;

use crate::plan::Provider;
use world::{Asked, World, show_error};

/// How many statements are made in a run, and which. Ten thousand take a quarter of an hour.
const STATEMENTS: u64 = 1_000;
const SEED: u64 = 20_261_125;

/// The table of all statements.
const TABLE: &str = "a.b";

/// Two lakes that look the same.
pub(super) struct Twins {
    left: World,
    right: World,
}

/// A row; the values of one column behind the other.
#[derive(Clone)]
struct Row {
    id: i64,
    region: Option<String>,
    amount: Option<i64>,
    price: i128,
    score: f64,
    day: i32,
    note: String,
    email: String,
    born: i32,
    salary: i64,
    ssn: Option<String>,
    phone: String,
    secret: String,
}

/// Numbers from a seed, the same on every run (SplitMix64).
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }

    pub(crate) fn one_of<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())].clone()
    }

    fn signed(&mut self, bound: i64) -> i64 {
        self.below(usize::try_from(2 * bound).unwrap()) as i64 - bound
    }
}

/// A row that the reader sees; what is behind masks is drawn from `behind`.
fn visible(id: i64, seen: &mut Dice, behind: &mut Dice) -> Row {
    let year = seen.one_of(&[0, 3_653, 7_305, 10_957]);
    Row {
        id,
        region: Some("EU".to_owned()),
        amount: seen.one_of(&[Some(1), Some(2), Some(7), Some(12), Some(-4), None]),
        price: i128::from(seen.signed(5_000)),
        score: seen.signed(64) as f64 / 8.0,
        day: 20_000 + i32::try_from(seen.signed(400)).unwrap(),
        note: seen.below(40).to_string(),
        email: format!("{:x}{:04}", behind.next(), seen.below(30)),
        born: year + i32::try_from(behind.below(365)).unwrap(),
        salary: i64::try_from(seen.below(5)).unwrap() * 1_000 + behind.below(1_000) as i64,
        ssn: behind.one_of(&[None, Some("078-05-1120".to_owned()), Some("1".to_owned())]),
        phone: format!("+49 {}", seen.below(8)),
        secret: format!("S{}", behind.next()),
    }
}

/// A row that the reader does not see, full of what breaks expressions.
fn hidden(behind: &mut Dice) -> Row {
    let texts = ["HIDDEN-777", "", "99999999999999999999", "(", "NaN", "2026-99-99", "%", "0"];
    Row {
        id: behind.one_of(&[0, -1, i64::MAX, i64::MIN, 5, 1_000_000]),
        region: behind.one_of(&[None, Some("US".to_owned()), Some("eu".to_owned())]),
        amount: behind.one_of(&[Some(5), Some(0), Some(i64::MAX), Some(i64::MIN), None]),
        price: behind.one_of(&[0, 999_999_999, -999_999_999, 500]),
        score: behind.one_of(&[f64::NAN, f64::INFINITY, 0.0, -0.0, f64::MAX]),
        day: behind.one_of(&[i32::MAX / 4, 0, -700_000, 20_000]),
        note: behind.one_of(&texts).to_owned(),
        email: behind.one_of(&texts).to_owned(),
        born: behind.one_of(&[0, 1, 40_000]),
        salary: behind.one_of(&[0, i64::MAX, i64::MIN, 777]),
        ssn: behind.one_of(&[None, Some("HIDDEN-1".to_owned())]),
        phone: behind.one_of(&texts).to_owned(),
        secret: behind.one_of(&texts).to_owned(),
    }
}

/// The columns, in order; the last but one is hidden and has another name and type in each lake.
fn schema(secret: (&str, DataType)) -> TableSchema {
    let columns = [
        ("id", DataType::Long),
        ("region", DataType::String),
        ("amount", DataType::Long),
        ("price", DataType::Decimal { precision: 9, scale: 2 }),
        ("score", DataType::Double),
        ("day", DataType::Date),
        ("note", DataType::String),
        ("email", DataType::String),
        ("born", DataType::Date),
        ("salary", DataType::Long),
        ("ssn", DataType::String),
        secret,
        ("phone", DataType::String),
    ];
    let fields = columns.into_iter().map(|(name, kind)| Field::optional(name, kind));
    TableSchema::first(fields.collect()).unwrap()
}

/// Rows where `region = 'EU'`; five columns masked, one hidden.
fn restriction() -> Restriction {
    let mut columns: BTreeMap<u32, ColumnSight> =
        (1..=13).filter(|id| *id != 12).map(|id| (id, ColumnSight::Raw)).collect();
    for (id, mask) in [
        (8, Mask::Partial(Partial::KeepLast(4))),
        (9, Mask::DateTrunc(DateUnit::Year)),
        (10, Mask::Bucket(1_000)),
        (11, Mask::Null),
        (13, Mask::Hash),
    ] {
        columns.insert(id, ColumnSight::Masked(mask));
    }
    let rows = Predicate::Compare {
        field: 2,
        comparison: Comparison::Equal,
        value: Scalar::Text("EU".to_owned()),
    };
    let lake = "07070707070707070707070707070707".parse().unwrap();
    Restriction::Restricted(Sight { rows, columns, mask_key: Some(MaskKey::new([7; 32], lake)) })
}

fn batch(schema: &TableSchema, rows: &[Row]) -> RecordBatch {
    let texts = |text: &dyn Fn(&Row) -> Option<String>| -> ArrayRef {
        Arc::new(rows.iter().map(text).collect::<StringArray>())
    };
    let longs = |number: &dyn Fn(&Row) -> Option<i64>| -> ArrayRef {
        Arc::new(rows.iter().map(number).collect::<Int64Array>())
    };
    let prices: Decimal128Array = rows.iter().map(|row| Some(row.price)).collect();
    let secret = match schema.fields[11].data_type {
        DataType::String => texts(&|row| Some(row.secret.clone())),
        _ => longs(&|row| Some(row.secret.len() as i64)),
    };
    let arrays: Vec<ArrayRef> = vec![
        longs(&|row| Some(row.id)),
        texts(&|row| row.region.clone()),
        longs(&|row| row.amount),
        Arc::new(prices.with_precision_and_scale(9, 2).unwrap()),
        Arc::new(Float64Array::from_iter_values(rows.iter().map(|row| row.score))),
        Arc::new(Date32Array::from_iter_values(rows.iter().map(|row| row.day))),
        texts(&|row| Some(row.note.clone())),
        texts(&|row| Some(row.email.clone())),
        Arc::new(Date32Array::from_iter_values(rows.iter().map(|row| row.born))),
        longs(&|row| Some(row.salary)),
        texts(&|row| row.ssn.clone()),
        secret,
        texts(&|row| Some(row.phone.clone())),
    ];
    RecordBatch::try_new(Arc::new(lakebed_ingest::arrow_schema(schema)), arrays).unwrap()
}

/// A lake with `count` rows to be seen and some that are not, which `behind` decides.
async fn lake(
    parts: usize,
    count: usize,
    secret: (&str, DataType),
    hidden_for_each: usize,
    behind_seed: u64,
    provider: Provider,
) -> World {
    let (mut seen, mut behind) = (Dice::new(1), Dice::new(behind_seed));
    let mut rows = Vec::new();
    for id in 0..count {
        for _ in 0..behind.below(hidden_for_each + 1) {
            rows.push(hidden(&mut behind));
        }
        rows.push(visible(1 + id as i64, &mut seen, &mut behind));
    }
    let schema = schema(secret);
    let middle = rows.len() / 2;
    let mut world = World::in_parts(parts);
    let files = [batch(&schema, &rows[..middle]), batch(&schema, &rows[middle..])];
    world.table(TABLE, &schema, &files).await;
    world.restrict(TABLE, restriction());
    world.engine = world.engine.with_provider(provider);
    world
}

impl Twins {
    /// Sixty rows to be seen. In one part, so that nothing depends on who is first.
    pub(super) async fn new(provider: Provider) -> Self {
        Self::of(1, 60, provider).await
    }

    async fn of(parts: usize, count: usize, provider: Provider) -> Self {
        Self {
            left: lake(parts, count, ("secret", DataType::String), 0, 2, provider).await,
            right: lake(parts, count, ("other_1", DataType::Long), 4, 3, provider).await,
        }
    }

    /// How the two differ in all that a statement tells, if they do.
    pub(super) async fn difference(&self, sql: &str) -> Option<String> {
        self.compared(sql, &Asks::All).await
    }

    /// The planner makes some choices by the order of a hash map, another one every time: what is
    /// told differs if none of several tellings of one is one of the other's.
    async fn compared(&self, sql: &str, asks: &Asks) -> Option<String> {
        const TELLINGS: usize = 12;
        let (mut left, mut right) = (BTreeSet::new(), BTreeSet::new());
        for _ in 0..TELLINGS {
            left.insert(told(&self.left, sql, asks).await);
            right.insert(told(&self.right, sql, asks).await);
            if left.intersection(&right).next().is_some() {
                return None;
            }
        }
        let (left, right) = (left.first()?, right.first()?);
        Some(format!("{sql}\n--- left\n{left}\n--- right\n{right}\n"))
    }

    /// What one of them says.
    pub(super) async fn answer(&self, sql: &str) -> String {
        told(&self.right, sql, &Asks::Answer).await
    }
}

/// What is asked for.
enum Asks {
    /// The answer: columns, rows, errors.
    Answer,
    /// The answer and the plans.
    All,
}

/// What a statement tells.
async fn told(world: &World, sql: &str, asks: &Asks) -> String {
    let mut told = String::new();
    let _ = writeln!(told, "{}", answer(world, sql).await);
    let has_plan = sql.starts_with("SELECT") || sql.starts_with("WITH");
    if has_plan && matches!(asks, Asks::All) {
        let _ = writeln!(told, "{}", answer(world, &format!("EXPLAIN {sql}")).await);
        let plan = match world.job(sql, Asked::default()) {
            Ok(job) => world.engine.plan_text(job, &world.store).await,
            Err(error) => Err(error),
        };
        let _ = writeln!(told, "{}", plan.unwrap_or_else(|error| show_error(&error)));
    }
    told
}

/// The columns with their types, and the rows; sorted, unless the statement says in which order.
async fn answer(world: &World, sql: &str) -> String {
    let stream = match world.stream(sql, Asked::default()).await {
        Ok(stream) => stream,
        Err(error) => return show_error(&error),
    };
    let columns: Vec<_> = stream.schema.fields().iter().map(|field| format!("{field:?}")).collect();
    let batches = match futures::TryStreamExt::try_collect::<Vec<_>>(stream.batches).await {
        Ok(batches) => batches,
        Err(error) => return show_error(&error),
    };
    let text = pretty_format_batches(&batches).unwrap().to_string();
    let mut lines: Vec<&str> = text.lines().collect();
    if !is_ordered(sql) {
        lines.sort_unstable();
    }
    format!("{}\n{}", columns.join("\n"), lines.join("\n"))
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

/// The corpus asks for something: most of its statements have an answer, and some have an error.
#[tokio::test(flavor = "multi_thread")]
async fn the_corpus_has_answers() {
    let twins = Twins::new(super::provider).await;
    let mut refused = Vec::new();
    for sql in statements::ALL {
        let answer = twins.answer(sql).await;
        if !answer.starts_with("Field") {
            refused.push(format!("{sql}: {}", answer.lines().next().unwrap_or_default()));
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

/// P7: statements by the thousand, made of everything that the grammar knows, tell no two lakes
/// apart.
#[tokio::test(flavor = "multi_thread")]
async fn p7_no_generated_statement_tells() {
    let (count, seed) = (STATEMENTS, SEED);
    let twins = Twins::new(super::provider).await;
    let mut dice = Dice::new(seed);
    let mut answered = 0;
    for place in 0..count {
        let sql = generator::statement(&mut dice);
        // Planning takes longer than answering: every eighth statement's plan is looked at.
        let asks = if place % 8 == 0 { Asks::All } else { Asks::Answer };
        if let Some(difference) = twins.compared(&sql, &asks).await {
            panic!("statement {place} of seed {seed}:\n{difference}");
        }
        if place % 8 == 0 {
            answered += u64::from(twins.answer(&sql).await.starts_with("Field"));
        }
    }
    assert!(answered * 16 > count, "only {answered} of every eighth of {count} had an answer");
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

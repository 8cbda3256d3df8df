//! Soundness: a column that is not told of has no part in an answer, so it can be changed at will.
//!
//! [`Lakes`] are a lake and, for each of its columns, another one that differs in the values of that
//! column alone. A statement is run over both; where an output column has other values (in whatever
//! order), its lineage has to tell of the changed column. What does the comparing is proved by what it
//! finds: whatever kind of origin is forgotten, some statement shows it.

#![allow(clippy::unwrap_used, reason = "tests may")]

use std::{collections::BTreeSet, sync::Arc};

use arrow::{
    array::RecordBatch,
    util::display::{ArrayFormatter, FormatOptions},
};
use lakebed_core::{
    DataType, Field, TableSchema,
    lineage::{Indirect, Lineage},
};
use lakebed_service::engine::{Described, Engine as _};
use serde_json::{Map, Value, json};

use super::grammar;
use crate::governed::interference::{
    dice::Dice,
    world::{Asked, World, schema},
};

/// How many statements are made in a run, and which.
const STATEMENTS: usize = 400;
const SEED: u64 = 20_261_126;
const ROWS: usize = 40;

/// A table and one of its columns.
type Named = (&'static str, String);

/// A lake, and others that differ in one column.
struct Lakes {
    lake: World,
    changed: Vec<(Named, World)>,
}

/// What a statement showed.
struct Shown {
    sql: String,
    lineage: Lineage,
    /// Of each column that was changed, which output columns changed with it.
    changed: Vec<(Named, BTreeSet<usize>)>,
}

/// What a lineage would be without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Forgotten {
    Nothing,
    Direct,
    Conditional,
    Rows(Indirect),
}

/// `a.b`, of which the grammar makes statements, and `a.n` with what is nested.
fn tables() -> [(&'static str, TableSchema); 2] {
    let element = Field::optional("element", DataType::Long);
    let point = vec![Field::optional("x", DataType::Long), Field::optional("y", DataType::Long)];
    let flat = [
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
        ("phone", DataType::String),
    ];
    let nested = [
        ("id", DataType::Long),
        ("tags", DataType::List(Box::new(element))),
        ("point", DataType::Struct(point)),
        ("kind", DataType::String),
    ];
    [("a.b", schema(&flat)), ("a.n", schema(&nested))]
}

/// Rows of a table, other ones with other dice.
fn rows(table: &TableSchema, mut dice: Dice) -> RecordBatch {
    let mut lines = String::new();
    for row in 0..ROWS {
        let mut line = Map::new();
        for field in &table.fields {
            line.insert(field.name.clone(), value(field, row, &mut dice));
        }
        lines += &Value::from(line).to_string();
    }
    let arrow = Arc::new(lakebed_ingest::arrow_schema(table));
    let reader = arrow::json::ReaderBuilder::new(arrow).build(lines.as_bytes());
    reader.unwrap().next().unwrap().unwrap()
}

/// Texts are numbers, so that most of what is computed of them can be.
fn value(field: &Field, row: usize, dice: &mut Dice) -> Value {
    if dice.below(9) == 0 && field.name != "id" {
        return Value::Null;
    }
    match &field.data_type {
        // Numbers that are unique, in another order each time.
        DataType::Long if field.name == "id" => (1 + row * 7 % ROWS + 40 * dice.below(2)).into(),
        DataType::Long => (dice.below(14) as i64 - 4).into(),
        DataType::String if field.name == "region" => dice.one_of(&["EU", "US", "7"]).into(),
        DataType::String => dice.below(14).to_string().into(),
        DataType::Decimal { .. } => format!("{}.25", dice.below(12)).into(),
        DataType::Double => (dice.below(64) as f64 / 8.0).into(),
        DataType::Date => {
            format!("2024-{:02}-{:02}", 1 + dice.below(12), 1 + dice.below(28)).into()
        }
        DataType::List(element) => (0..dice.below(4)).map(|_| value(element, row, dice)).collect(),
        DataType::Struct(fields) => json!({
            "x": value(&fields[0], row, dice),
            "y": value(&fields[1], row, dice),
        }),
        other => unreachable!("no column is {other}"),
    }
}

impl Lakes {
    async fn new() -> Self {
        let tables = tables();
        let of = |seed| tables.each_ref().map(|(_, schema)| rows(schema, Dice::new(seed)));
        let (first, second) = (of(1), of(2));
        let mut changed = Vec::new();
        for (place, (table, schema)) in tables.iter().enumerate() {
            for (column, field) in schema.fields.iter().enumerate() {
                let mut rows = first.clone();
                let mut columns = rows[place].columns().to_vec();
                columns[column] = Arc::clone(second[place].column(column));
                rows[place] = RecordBatch::try_new(first[place].schema(), columns).unwrap();
                assert_ne!(rows[place], first[place], "{table}.{}", field.name);
                changed.push(((*table, field.name.clone()), lake(&tables, &rows).await));
            }
        }
        Self { lake: lake(&tables, &first).await, changed }
    }

    /// What `sql` shows when each of the columns is changed that it names, and that may be noticed; none
    /// if it has no answer.
    async fn show(&self, sql: &str, told: Told) -> Option<Shown> {
        let before = answer(&self.lake, sql).await?;
        let job = self.lake.job(sql, Asked::default()).unwrap();
        let Described { lineage, .. } = self.lake.engine.lineage(job).await.unwrap();
        let mut changed = Vec::new();
        for (named, world) in &self.changed {
            let is_told =
                (0..before.len()).all(|output| tells(&lineage, output, named, Forgotten::Nothing));
            let is_named = sql.contains(named.0) && (sql.contains(&named.1) || sql.contains('*'));
            if !is_named || (is_told && told == Told::IsBelieved) {
                continue;
            }
            let Some(after) = answer(world, sql).await else { continue };
            let outputs = (0..before.len()).filter(|output| before[*output] != after[*output]);
            changed.push((named.clone(), outputs.collect()));
        }
        Some(Shown { sql: sql.to_owned(), lineage, changed })
    }
}

/// Whether columns are changed, too, that every output column is said to be made of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    IsTried,
    IsBelieved,
}

async fn lake(tables: &[(&str, TableSchema)], rows: &[RecordBatch]) -> World {
    let mut world = World::in_parts(1);
    for ((name, schema), rows) in tables.iter().zip(rows) {
        world.table(name, schema, std::slice::from_ref(rows)).await;
    }
    world
}

/// The values of each column, sorted; none if the statement fails.
async fn answer(world: &World, sql: &str) -> Option<Vec<Vec<String>>> {
    let stream = world.stream(sql, Asked::default()).await.ok()?;
    let mut columns = vec![Vec::new(); stream.schema.fields().len()];
    let batches: Vec<RecordBatch> =
        futures::TryStreamExt::try_collect(stream.batches).await.ok()?;
    let options = FormatOptions::new().with_null("null");
    for batch in &batches {
        for (array, values) in batch.columns().iter().zip(&mut columns) {
            let cells = ArrayFormatter::try_new(array, &options).unwrap();
            values.extend((0..batch.num_rows()).map(|row| cells.value(row).to_string()));
        }
    }
    columns.iter_mut().for_each(|values| values.sort_unstable());
    Some(columns)
}

/// Whether `lineage` tells that output column `output` may change with a column.
fn tells(lineage: &Lineage, output: usize, (table, column): &Named, without: Forgotten) -> bool {
    let is = |origin: &lakebed_core::lineage::ColumnOrigin| {
        origin.column == *column && origin.input.dataset.to_string() == *table
    };
    let output = &lineage.outputs()[output];
    let is_direct = without != Forgotten::Direct && output.direct.keys().any(is);
    let is_conditional = without != Forgotten::Conditional && output.conditional.iter().any(is);
    let mut rows = lineage.indirect().iter().filter(|(origin, _)| is(origin));
    let decides = rows.any(|(_, kinds)| kinds.iter().any(|kind| Forgotten::Rows(*kind) != without));
    is_direct || is_conditional || decides
}

/// The changes that were noticed and not told.
fn untold(shown: &Shown, without: Forgotten) -> Vec<String> {
    let Shown { sql, lineage, changed } = shown;
    let mut untold = Vec::new();
    for (named, outputs) in changed {
        for output in outputs.iter().filter(|output| !tells(lineage, **output, named, without)) {
            let name = &lineage.outputs()[*output].name;
            untold.push(format!("{sql}\n  `{name}` changes with {}.{}", named.0, named.1));
        }
    }
    untold
}

#[rustfmt::skip]
const CORPUS: &[&str] = &[
    "SELECT * FROM a.b",
    "SELECT * FROM a.n",
    "SELECT id, CASE WHEN region = 'EU' THEN amount WHEN score > 3 THEN salary ELSE 0 END AS x, note FROM a.b",
    "SELECT CASE region WHEN note THEN amount END AS x, CASE WHEN born < day THEN 1 END AS y FROM a.b",
    "SELECT coalesce(amount, salary, id) AS x, nvl(ssn, note) AS y, nullif(note, phone) AS z, nvl2(email, 1, 2) AS w FROM a.b",
    "SELECT amount + salary AS x, upper(note) || phone AS y, region LIKE 'E%' AS z, score BETWEEN 1 AND price AS w FROM a.b",
    "SELECT amount IN (salary, 3) AS x, CAST(note AS BIGINT) AS y, -score AS z, amount IS NULL AS w FROM a.b",
    "SELECT id, note FROM a.b WHERE amount > 3 AND (region = 'EU' OR score < 2)",
    "SELECT note FROM (SELECT note, CASE WHEN region = 'EU' THEN amount END AS x FROM a.b) t WHERE x > 2",
    "SELECT note, phone FROM a.b ORDER BY amount, id LIMIT 7",
    "SELECT note FROM (SELECT note, phone, id FROM a.b ORDER BY salary DESC, id LIMIT 9) t",
    "SELECT DISTINCT note, region FROM a.b",
    "SELECT DISTINCT ON (region) region, amount, note FROM a.b ORDER BY region, salary, id",
    "SELECT note FROM (SELECT DISTINCT note, region FROM a.b) t",
    "SELECT x.note, y.phone FROM a.b x JOIN a.b y ON x.amount = y.salary AND x.score < y.score",
    "SELECT x.note, y.phone FROM a.b x LEFT JOIN a.b y ON x.amount = y.salary AND y.region = 'EU'",
    "SELECT x.note, y.phone FROM a.b x RIGHT JOIN a.b y ON x.amount = y.salary AND y.region = 'EU'",
    "SELECT x.note, y.phone FROM a.b x FULL JOIN a.b y ON x.amount = y.salary AND x.region = 'US'",
    "SELECT x.note FROM a.b x LEFT SEMI JOIN a.b y ON x.amount = y.salary",
    "SELECT x.note FROM a.b x LEFT ANTI JOIN a.b y ON x.amount = y.salary",
    "SELECT y.note FROM a.b x RIGHT SEMI JOIN a.b y ON x.amount = y.salary",
    "SELECT y.note FROM a.b x RIGHT ANTI JOIN a.b y ON x.amount = y.salary",
    "SELECT id, x.note, y.kind FROM a.b x JOIN a.n y USING (id)",
    "SELECT id, x.note, y.kind FROM a.b x FULL JOIN a.n y USING (id)",
    "SELECT count(*) AS n, x.note FROM a.b x NATURAL JOIN a.n y GROUP BY x.note",
    "SELECT x.note, y.kind FROM a.b x, a.n y WHERE x.amount = y.point['x']",
    "SELECT count(*) AS n FROM a.b",
    "SELECT count(*) AS n FROM a.b GROUP BY region",
    "SELECT region, sum(amount) AS s, count(DISTINCT note) AS d, max(price) AS m FROM a.b GROUP BY region",
    "SELECT sum(amount) AS s FROM a.b GROUP BY upper(region)",
    "SELECT region FROM a.b GROUP BY region HAVING sum(amount) > 20",
    "SELECT sum(salary) FILTER (WHERE region = 'EU') AS s, max(note) AS m FROM a.b",
    "SELECT sum(CASE WHEN region = 'EU' THEN salary END) AS s, avg(score) AS a FROM a.b",
    "SELECT array_agg(note ORDER BY amount, id) AS notes, min(phone) AS p FROM a.b",
    "SELECT first_value(note ORDER BY salary, id) AS f, last_value(phone ORDER BY born, id) AS l FROM a.b",
    "SELECT region, note, grouping(region) AS g, sum(amount) AS s FROM a.b GROUP BY ROLLUP (region, note)",
    "SELECT note, count(*) AS n FROM a.b GROUP BY CUBE (region, note)",
    "SELECT region, sum(salary) AS s FROM a.b GROUP BY GROUPING SETS ((region), (note), ())",
    "SELECT max(s) AS most FROM (SELECT sum(amount) AS s FROM a.b GROUP BY region) t",
    "SELECT note, row_number() OVER (PARTITION BY region ORDER BY amount, id) AS n FROM a.b",
    "SELECT note, lag(phone) OVER (PARTITION BY region ORDER BY salary, id) AS p FROM a.b",
    "SELECT note, sum(amount) OVER (PARTITION BY region) AS s, rank() OVER (ORDER BY score) AS r FROM a.b",
    "SELECT sum(amount) FILTER (WHERE score > 2) OVER (PARTITION BY region) AS s, phone FROM a.b",
    "SELECT note FROM a.b QUALIFY row_number() OVER (PARTITION BY region ORDER BY score, id) = 1",
    "SELECT note FROM a.b QUALIFY first_value(amount) OVER (ORDER BY salary, id) = amount",
    "SELECT sum(sum(amount)) OVER (ORDER BY region) AS s FROM a.b GROUP BY region",
    "SELECT region AS x, note AS y FROM a.b UNION ALL SELECT email, phone FROM a.b WHERE amount > 2",
    "SELECT note AS x FROM a.b UNION SELECT kind FROM a.n",
    "SELECT note AS x FROM a.b INTERSECT SELECT kind FROM a.n",
    "SELECT note AS x FROM a.b EXCEPT SELECT kind FROM a.n",
    "WITH c AS (SELECT id, amount * 2 AS d, note FROM a.b) SELECT x.d, y.note FROM c x JOIN c y ON x.id = y.d",
    "WITH c AS (SELECT id AS x, region AS r FROM a.b), d AS (WITH e AS (SELECT r AS y FROM c) SELECT y AS z FROM e) SELECT z FROM d",
    "SELECT id, (SELECT max(amount) FROM a.b) AS m FROM a.n",
    "SELECT n.kind, (SELECT max(b.note) FROM a.b WHERE b.id = n.id) AS m FROM a.n",
    "SELECT n.kind, (SELECT sum(b.amount) FROM a.b WHERE b.amount = n.id) AS m FROM a.n",
    "SELECT note FROM a.b WHERE amount IN (SELECT point['x'] FROM a.n WHERE kind > '3')",
    "SELECT note FROM a.b WHERE amount NOT IN (SELECT salary FROM a.b WHERE region = 'EU' AND salary IS NOT NULL)",
    "SELECT note FROM a.b WHERE EXISTS (SELECT 1 FROM a.n WHERE n.id = b.amount AND n.kind < b.phone)",
    "SELECT note FROM a.b WHERE NOT EXISTS (SELECT 1 FROM a.n WHERE n.point['y'] = b.amount)",
    "SELECT note FROM a.b WHERE amount > (SELECT avg(salary) FROM a.b)",
    "SELECT b.note, t.kind FROM a.b, LATERAL (SELECT kind FROM a.n WHERE n.id = b.id) t",
    "SELECT id, unnest(tags) AS tag, kind FROM a.n",
    "SELECT kind FROM (SELECT kind, unnest(tags) AS tag FROM a.n) t WHERE tag > 3",
    "SELECT kind FROM (SELECT kind, unnest(tags) AS tag FROM a.n) t",
    "SELECT unnest(point), kind FROM a.n",
    "SELECT point['x'] AS x, tags[1] AS tag, kind FROM a.n",
    "SELECT struct(kind, id)['c0'] AS x, [id, point['y']] AS l FROM a.n",
    "SELECT s.n, b.note FROM generate_series(1, 30) AS s(n) JOIN a.b ON b.amount = s.n",
    "SELECT v.column1 AS x, b.note FROM (VALUES (1), (2)) v JOIN a.b ON b.amount = v.column1",
];

const EVERY_KIND: [Forgotten; 7] = [
    Forgotten::Direct,
    Forgotten::Conditional,
    Forgotten::Rows(Indirect::Filter),
    Forgotten::Rows(Indirect::Join),
    Forgotten::Rows(Indirect::GroupBy),
    Forgotten::Rows(Indirect::Sort),
    Forgotten::Rows(Indirect::Window),
];

/// Every statement of the corpus has an answer and a sound lineage; and none would have to be noticed
/// if the comparison noticed nothing.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_told_changes_nothing() {
    let lakes = Lakes::new().await;
    let (mut all, mut unanswered) = (Vec::new(), Vec::new());
    for sql in CORPUS {
        match lakes.show(sql, Told::IsTried).await {
            Some(shown) => all.push(shown),
            None => unanswered.push(*sql),
        }
    }
    assert!(unanswered.is_empty(), "{}", unanswered.join("\n"));
    let untold_of =
        |without| -> Vec<String> { all.iter().flat_map(|shown| untold(shown, without)).collect() };
    let found = untold_of(Forgotten::Nothing);
    assert!(found.is_empty(), "{}", found.join("\n"));
    for kind in EVERY_KIND {
        assert!(!untold_of(kind).is_empty(), "nothing shows that {kind:?} is told");
    }
}

/// The same of statements by the hundred, made of everything that the grammar knows.
#[tokio::test(flavor = "multi_thread")]
async fn no_generated_statement_changes_with_what_is_not_told() {
    let lakes = Lakes::new().await;
    let mut dice = Dice::new(SEED);
    let (mut answered, mut tried) = (0, 0);
    for place in 0..STATEMENTS {
        let sql = grammar::statement(&mut dice);
        let Some(shown) = lakes.show(&sql, Told::IsBelieved).await else { continue };
        answered += 1;
        tried += shown.changed.len();
        let found = untold(&shown, Forgotten::Nothing);
        assert!(found.is_empty(), "statement {place} of seed {SEED}:\n{}", found.join("\n"));
    }
    assert!(answered * 2 > STATEMENTS, "only {answered} of {STATEMENTS} had an answer");
    assert!(tried * 4 > STATEMENTS, "only {tried} changes were tried");
}

//! A restricted table is the table that holds what may be seen of it, and nothing else (P7).
//!
//! The copy is made here, row by row, by the definition of row filters
//! (`lakebed_core::policy::holds`) and by masks whose results are plain to see.

use std::{collections::BTreeMap, sync::Arc};

use arrow::{
    array::{
        ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int32Array, Int64Array,
        RecordBatch, StringArray,
    },
    datatypes::Field,
};
use lakebed_core::{
    DataType, TableSchema,
    policy::{
        ColumnSight, Comparison, DateUnit, Mask, Partial, Predicate, Restriction, Scalar, Sight,
        holds,
    },
};
use proptest::{collection, prelude::*, sample, test_runner::TestRunner};

use crate::world::{World, schema};

/// What a row holds, column by column.
type Row = Vec<Option<Scalar>>;

const COLUMNS: usize = 7;

fn table() -> TableSchema {
    schema(&[
        ("flag", DataType::Boolean),
        ("small", DataType::Int),
        ("large", DataType::Long),
        ("price", DataType::Decimal { precision: 7, scale: 2 }),
        ("ratio", DataType::Double),
        ("name", DataType::String),
        ("day", DataType::Date),
    ])
}

/// Values of a column, few enough to meet.
fn values(column: usize) -> Vec<Scalar> {
    let doubles = [0.0, -0.0, 0.1, 1.5, f64::NAN, f64::INFINITY];
    match column {
        0 => vec![Scalar::Boolean(true), Scalar::Boolean(false)],
        1 => [-3, 0, 7, i64::from(i32::MAX)].map(Scalar::Integer).to_vec(),
        2 => [i64::MIN, -10, 0, 25, i64::MAX].map(Scalar::Integer).to_vec(),
        3 => [-150, 0, 999, 9_999_999].map(Scalar::Decimal).to_vec(),
        4 => doubles.map(|double: f64| Scalar::Double(double.to_bits())).to_vec(),
        5 => ["", "EU", "EU-West", "a%b", "z"].map(|text| Scalar::Text(text.into())).to_vec(),
        _ => [-1, 0, 20_000].map(Scalar::Date).to_vec(),
    }
}

fn row() -> impl Strategy<Value = Row> {
    let cell = |column| {
        let values = values(column);
        prop::option::weighted(0.8, sample::select(values)).boxed()
    };
    (0..COLUMNS).map(cell).collect::<Vec<_>>()
}

fn predicate() -> impl Strategy<Value = Predicate> {
    let comparisons = vec![
        Comparison::Equal,
        Comparison::NotEqual,
        Comparison::Less,
        Comparison::LessOrEqual,
        Comparison::Greater,
        Comparison::GreaterOrEqual,
    ];
    let compare =
        (0..COLUMNS, sample::select(comparisons)).prop_flat_map(|(column, comparison)| {
            sample::select(values(column)).prop_map(move |value| {
                // Truths are equal or not; they have no order.
                let comparison = if column == 0 { Comparison::Equal } else { comparison };
                Predicate::Compare { field: column as u32 + 1, comparison, value }
            })
        });
    let is_in = (0..COLUMNS).prop_flat_map(|column| {
        collection::vec(sample::select(values(column)), 1..3)
            .prop_map(move |values| Predicate::In { field: column as u32 + 1, values })
    });
    let leaf = prop_oneof![
        4 => compare,
        2 => is_in,
        1 => (1..=COLUMNS as u32).prop_map(|field| Predicate::IsNull { field }),
        1 => sample::select(vec!["", "EU", "z"])
            .prop_map(|prefix| Predicate::StartsWith { field: 6, prefix: prefix.to_owned() }),
        1 => any::<bool>().prop_map(Predicate::Constant),
    ];
    leaf.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|inner| Predicate::Not(Box::new(inner))),
            collection::vec(inner.clone(), 2..3).prop_map(Predicate::And),
            collection::vec(inner, 2..3).prop_map(Predicate::Or),
        ]
    })
}

/// The first version of the table: two columns fewer, three narrower.
fn old_table() -> TableSchema {
    schema(&[
        ("flag", DataType::Boolean),
        ("small", DataType::Int),
        ("large", DataType::Int),
        ("price", DataType::Decimal { precision: 5, scale: 2 }),
        ("ratio", DataType::Float),
    ])
}

/// What there is of a row in a file of the first version, as it is read later.
fn in_old_file(mut row: Row) -> Row {
    row.iter_mut().skip(old_table().fields.len()).for_each(|cell| *cell = None);
    for (column, cell) in row.iter_mut().enumerate() {
        *cell = match (column, cell.take()) {
            (2, Some(Scalar::Integer(number))) => {
                i32::try_from(number).ok().map(|number| Scalar::Integer(number.into()))
            }
            (3, Some(Scalar::Decimal(number))) => {
                (number.abs() < 100_000).then_some(Scalar::Decimal(number))
            }
            (4, Some(Scalar::Double(bits))) => {
                let single = f64::from_bits(bits) as f32;
                Some(Scalar::Double(f64::from(single).to_bits()))
            }
            (_, cell) => cell,
        };
    }
    row
}

/// Rows in a file of the first version.
fn old_batch(rows: &[Row]) -> RecordBatch {
    let schema = Arc::new(lakebed_ingest::arrow_schema(&old_table()));
    let all = batch(rows);
    let narrow = |(place, field): (usize, &Arc<Field>)| {
        arrow::compute::cast(all.column(place), field.data_type()).unwrap()
    };
    let arrays = schema.fields().iter().enumerate().map(narrow).collect();
    RecordBatch::try_new(schema, arrays).unwrap()
}

fn batch(rows: &[Row]) -> RecordBatch {
    let cells = |column: usize| rows.iter().map(move |row| row[column].clone());
    let integers = |column| {
        cells(column).map(|cell| match cell {
            Some(Scalar::Integer(number)) => Some(number),
            _ => None,
        })
    };
    let decimals: Decimal128Array = cells(3)
        .map(|cell| match cell {
            Some(Scalar::Decimal(number)) => Some(number),
            _ => None,
        })
        .collect();
    let arrays: Vec<ArrayRef> = vec![
        Arc::new(BooleanArray::from_iter(cells(0).map(|cell| match cell {
            Some(Scalar::Boolean(value)) => Some(value),
            _ => None,
        }))),
        Arc::new(Int32Array::from_iter(integers(1).map(|n| n.map(|n| n as i32)))),
        Arc::new(Int64Array::from_iter(integers(2))),
        Arc::new(decimals.with_precision_and_scale(7, 2).unwrap()),
        Arc::new(Float64Array::from_iter(cells(4).map(|cell| match cell {
            Some(Scalar::Double(bits)) => Some(f64::from_bits(bits)),
            _ => None,
        }))),
        Arc::new(StringArray::from_iter(cells(5).map(|cell| match cell {
            Some(Scalar::Text(text)) => Some(text),
            _ => None,
        }))),
        Arc::new(Date32Array::from_iter(cells(6).map(|cell| match cell {
            Some(Scalar::Date(days)) => Some(days),
            _ => None,
        }))),
    ];
    RecordBatch::try_new(Arc::new(lakebed_ingest::arrow_schema(&table())), arrays).unwrap()
}

/// The row as it is seen: the third column in buckets of ten, the sixth redacted but for two
/// characters, the last cut to its year.
fn masked(mut row: Row) -> Row {
    row[2] = match row[2].take() {
        Some(Scalar::Integer(number)) => number.div_euclid(10).checked_mul(10).map(Scalar::Integer),
        other => other,
    };
    row[5] = match row[5].take() {
        Some(Scalar::Text(text)) if text.len() > 2 => {
            Some(Scalar::Text(format!("***{}", &text[text.len() - 2..])))
        }
        Some(Scalar::Text(_)) => Some(Scalar::Text("***".to_owned())),
        other => other,
    };
    row[6] = row[6].take().map(|day| match day {
        Scalar::Date(-1) => Scalar::Date(-365),
        Scalar::Date(20_000) => Scalar::Date(19_723),
        other => other,
    });
    row
}

fn restriction(rows: Predicate) -> Restriction {
    let mut columns: BTreeMap<u32, ColumnSight> =
        (1..=COLUMNS as u32).map(|id| (id, ColumnSight::Raw)).collect();
    columns.insert(3, ColumnSight::Masked(Mask::Bucket(10)));
    columns.insert(6, ColumnSight::Masked(Mask::Partial(Partial::KeepLast(2))));
    columns.insert(7, ColumnSight::Masked(Mask::DateTrunc(DateUnit::Year)));
    Restriction::Restricted(Sight { rows, columns, mask_key: None })
}

/// Whatever the filter and the rows: the governed table answers like the copy.
#[test]
fn a_restricted_table_is_the_copy_of_what_is_seen() {
    check_against_copies(0);
}

/// Rows of older files are what the newest schema makes of them: columns that came later are null, to
/// the filter as to everybody, and narrow numbers are wide.
#[test]
fn old_files_are_restricted_like_the_copy() {
    let newest = old_table().evolve(&table().fields).unwrap().0;
    assert_eq!(newest.fields, table().fields, "the columns are the same, down to their ids");
    check_against_copies(20);
}

/// Up to so many rows are in a file of the first version.
fn check_against_copies(most_old: usize) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(60) };
    let mut runner = TestRunner::new(config);
    let old = collection::vec(row().prop_map(in_old_file), 0..=most_old);
    let worlds = (predicate(), old, collection::vec(row(), 0..40));
    let statements = [
        "SELECT * FROM a.b",
        "SELECT count(*), min(large), max(name), count(day) FROM a.b",
        "SELECT name, small FROM a.b WHERE small > 0 AND NOT flag",
        "SELECT large FROM a.b WHERE large < 20 OR ratio IS NULL",
        "SELECT count(*) FROM a.b WHERE name LIKE '***%' AND price BETWEEN 0 AND 10",
        "SELECT small FROM a.b WHERE ratio = 0.1 OR price = 9.99 OR name IS NULL",
        "SELECT ratio, count(*) FROM a.b WHERE day IS NULL AND ratio < 2 GROUP BY ratio",
        // A planner makes less of these: the bare column, its negation, a constant.
        "SELECT small FROM a.b WHERE flag IN (true)",
        "SELECT small, flag FROM a.b WHERE small > 0 AND (flag IN (false) OR flag <> true)",
        "SELECT count(*) FROM a.b WHERE NOT flag IN (true) OR small BETWEEN 2 AND 1",
        "SELECT small FROM a.b WHERE small IN (NULL) OR small = 7 AND flag = true",
    ];
    runner
        .run(&worlds, |(predicate, old, rows)| {
            let mut world = runtime.block_on(async { World::new() });
            let seen: Vec<Row> = old
                .iter()
                .chain(&rows)
                .filter(|row| {
                    holds(&predicate, &|field| row[field as usize - 1].clone()) == Some(true)
                })
                .map(|row| masked(row.clone()))
                .collect();
            let files = match old.is_empty() {
                true => vec![batch(&rows)],
                false => vec![old_batch(&old), batch(&rows)],
            };
            runtime.block_on(world.table("a.b", &table(), &files));
            runtime.block_on(world.table("c.d", &table(), &[batch(&seen)]));
            world.restrict("a.b", restriction(predicate.clone()));
            for sql in statements {
                let told = |text: String| {
                    let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
                    lines.sort();
                    lines
                };
                let governed = told(runtime.block_on(world.show(sql)));
                let copy = runtime.block_on(world.show(&sql.replace("a.b", "c.d")));
                let copy = told(copy.replace("c.d", "a.b"));
                prop_assert_eq!(governed, copy, "{} under {:?}", sql, &predicate);
            }
            Ok(())
        })
        .unwrap();
}

/// P7: a NaN is larger than any number and in no statistics of a file. Whether its row is seen does not
/// depend on what the hidden rows beside it hold.
#[tokio::test(flavor = "multi_thread")]
async fn p7_a_row_with_nan_is_seen_whatever_is_beside_it() {
    let ratio = |value: f64| {
        let mut row: Row = vec![None; COLUMNS];
        row[4] = Some(Scalar::Double(value.to_bits()));
        row
    };
    let (field, value) = (5, Scalar::Double(1.0_f64.to_bits()));
    let filter = Predicate::Compare { field, comparison: Comparison::Greater, value };
    for hidden in [0.5, 1.0] {
        let mut world = World::new();
        world.table("a.b", &table(), &[batch(&[ratio(f64::NAN), ratio(hidden)])]).await;
        world.restrict("a.b", restriction(filter.clone()));
        let told = world.show("SELECT ratio FROM a.b WHERE ratio >= 2.0").await;
        assert!(told.contains("NaN"), "{hidden}\n{told}");
    }
}

/// Nothing is read of a table of which no row may be seen.
#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_may_be_seen_nothing_is_read() {
    let mut world = World::new();
    let rows = vec![vec![None; COLUMNS]; 3];
    world.table("a.b", &table(), &[batch(&rows)]).await;
    world.restrict("a.b", restriction(Predicate::Constant(false)));
    let before = world.calls();
    insta::assert_snapshot!(world.show("SELECT count(*) AS n FROM a.b").await, @r"
    +---+
    | n |
    +---+
    | 0 |
    +---+
    ");
    assert_eq!(world.calls(), before);
}

/// A table without a column that may be seen has rows all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_table_without_columns_can_be_counted() {
    let mut world = World::new();
    let rows = vec![vec![None; COLUMNS]; 3];
    world.table("a.b", &table(), &[batch(&rows)]).await;
    let sight = Sight { rows: Predicate::Constant(true), columns: BTreeMap::new(), mask_key: None };
    world.restrict("a.b", Restriction::Restricted(sight));
    for (sql, expected) in [
        ("SELECT count(*) AS n FROM a.b", "| 3 |"),
        ("SELECT small FROM a.b", "column `small` not found"),
    ] {
        let told = world.show(sql).await;
        assert!(told.contains(expected), "{sql}\n{told}");
    }
}

/// One engine answers many: who sees less, or other rows, is told what they would be told alone.
#[tokio::test(flavor = "multi_thread")]
async fn p7_no_answer_hangs_on_who_asked_before() {
    async fn world() -> World {
        let named = |name: &str| {
            let mut row: Row = vec![None; COLUMNS];
            row[5] = Some(Scalar::Text(name.into()));
            row
        };
        let mut world = World::new();
        world.table("a.b", &table(), &[batch(&["EU", "EU", "EU-West", "z"].map(named))]).await;
        world
    }
    let is = |text: &str| {
        let value = Scalar::Text(text.into());
        restriction(Predicate::Compare { field: 6, comparison: Comparison::Equal, value })
    };
    let nothing =
        Sight { rows: Predicate::Constant(true), columns: BTreeMap::new(), mask_key: None };
    let sights = [Restriction::Unrestricted, is("EU"), is("z"), Restriction::Restricted(nothing)];
    for sql in
        ["SELECT count(*) AS n FROM a.b", "SELECT name FROM a.b ORDER BY name", "SELECT * FROM a.b"]
    {
        let mut shared = world().await;
        for sight in sights.iter().chain(sights.iter().rev()) {
            let mut alone = world().await;
            alone.restrict("a.b", sight.clone());
            shared.restrict("a.b", sight.clone());
            assert_eq!(shared.show(sql).await, alone.show(sql).await, "{sql} {sight:?}");
        }
    }
}

//! Old files under a newer schema: columns that came later are null, narrower types are widened.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, Decimal128Array, Float32Array, Float64Array, Int32Array, Int64Array, RecordBatch,
    StringArray,
};
use lakebed_core::{
    DataType, Field, TableSchema,
    policy::{ColumnSight, Comparison, Mask, Predicate, Restriction, Scalar, Sight},
};

use crate::world::{World, schema};

fn batch(columns: &TableSchema, arrays: Vec<ArrayRef>) -> RecordBatch {
    RecordBatch::try_new(Arc::new(lakebed_ingest::arrow_schema(columns)), arrays).unwrap()
}

fn decimal(precision: u8) -> DataType {
    DataType::Decimal { precision, scale: 2 }
}

async fn lake() -> World {
    let old = schema(&[
        ("count", DataType::Int),
        ("ratio", DataType::Float),
        ("price", decimal(5)),
        ("name", DataType::String),
    ]);
    let new = old
        .evolve(
            &schema(&[
                ("name", DataType::String),
                ("count", DataType::Long),
                ("ratio", DataType::Double),
                ("price", decimal(20)),
                ("note", DataType::String),
                ("extra", DataType::Long),
            ])
            .fields,
        )
        .unwrap()
        .0;
    let decimals = |values: Vec<i128>, precision| {
        Arc::new(Decimal128Array::from(values).with_precision_and_scale(precision, 2).unwrap())
    };
    let first = batch(
        &old,
        vec![
            Arc::new(Int32Array::from(vec![Some(1), None, Some(3)])),
            Arc::new(Float32Array::from(vec![0.5, 1.5, 2.5])),
            decimals(vec![125, 250, 999], 5),
            Arc::new(StringArray::from(vec!["a", "b", "c"])),
        ],
    );
    let second = batch(
        &new,
        vec![
            Arc::new(Int64Array::from(vec![1 << 40])),
            Arc::new(Float64Array::from(vec![0.1])),
            decimals(vec![12_345_678_901_234_567_890], 20),
            Arc::new(StringArray::from(vec!["d"])),
            Arc::new(StringArray::from(vec!["later"])),
            Arc::new(Int64Array::from(vec![9])),
        ],
    );
    let mut world = World::new();
    world.table("a.b", &new, &[first, second]).await;
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn old_files_read_as_the_new_schema() {
    let world = lake().await;
    insta::assert_snapshot!(world.show("SELECT * FROM a.b ORDER BY name").await, @r"
        +---------------+-------+-----------------------+------+-------+-------+
        | count         | ratio | price                 | name | note  | extra |
        +---------------+-------+-----------------------+------+-------+-------+
        | 1             | 0.5   | 1.25                  | a    |       |       |
        |               | 1.5   | 2.50                  | b    |       |       |
        | 3             | 2.5   | 9.99                  | c    |       |       |
        | 1099511627776 | 0.1   | 123456789012345678.90 | d    | later | 9     |
        +---------------+-------+-----------------------+------+-------+-------+
    ");
    insta::assert_snapshot!(world.show("SELECT note, extra FROM a.b WHERE extra IS NULL").await, @r"
        +------+-------+
        | note | extra |
        +------+-------+
        |      |       |
        |      |       |
        |      |       |
        +------+-------+
    ");
}

/// Predicates are moved into the scan and compared with the old files' types there.
#[tokio::test(flavor = "multi_thread")]
async fn predicates_on_widened_and_missing_columns_hold() {
    let world = lake().await;
    for (predicate, names) in [
        ("count > 2", "c d"),
        ("count = 1099511627776", "d"),
        ("count IS NULL", "b"),
        ("ratio < 0.2", "d"),
        ("ratio = 1.5", "b"),
        ("price > 9.98", "c d"),
        ("price = 1.25", "a"),
        ("note = 'later'", "d"),
        ("note IS NULL AND count = 3", "c"),
        ("extra > 5 OR name = 'a'", "a d"),
    ] {
        let sql = format!(
            "SELECT string_agg(name, ' ' ORDER BY name) AS names FROM a.b WHERE {predicate}"
        );
        let shown = world.show(&sql).await;
        assert!(shown.contains(&format!("| {names} ")), "{predicate}: {shown}");
    }
}

/// A row filter asks what the newest schema says of old files: what came later is null there, so that
/// rows are seen where that makes the filter true, and nowhere else.
#[tokio::test(flavor = "multi_thread")]
async fn row_filters_on_widened_and_missing_columns_hold() {
    let mut world = lake().await;
    let [count, ratio, price, note, extra] = [1, 2, 3, 5, 6];
    let compare = |field, comparison, value| Predicate::Compare { field, comparison, value };
    let later = || Scalar::Text("later".to_owned());
    let not = |predicate| Predicate::Not(Box::new(predicate));
    let half = Scalar::Double(0.5_f64.to_bits());
    for (rows, names) in [
        // Columns that old files lack.
        (compare(note, Comparison::Equal, later()), "d"),
        (compare(note, Comparison::NotEqual, later()), ""),
        (not(compare(note, Comparison::Equal, later())), ""),
        (Predicate::In { field: note, values: vec![later()] }, "d"),
        (not(Predicate::In { field: extra, values: vec![Scalar::Integer(1)] }), "d"),
        (Predicate::IsNull { field: note }, "a b c"),
        (not(Predicate::IsNull { field: extra }), "d"),
        (Predicate::StartsWith { field: note, prefix: String::new() }, "d"),
        (not(Predicate::StartsWith { field: note, prefix: "x".to_owned() }), "d"),
        (compare(extra, Comparison::Less, Scalar::Integer(i64::MAX)), "d"),
        (
            Predicate::Or(vec![
                compare(extra, Comparison::Greater, Scalar::Integer(0)),
                compare(count, Comparison::Equal, Scalar::Integer(3)),
            ]),
            "c d",
        ),
        (
            Predicate::And(vec![
                not(compare(extra, Comparison::Equal, Scalar::Integer(0))),
                compare(count, Comparison::LessOrEqual, Scalar::Integer(3)),
            ]),
            "",
        ),
        // Columns that are narrower in old files.
        (compare(count, Comparison::Equal, Scalar::Integer(1 << 40)), "d"),
        (compare(count, Comparison::Less, Scalar::Integer(1 << 40)), "a c"),
        (not(compare(count, Comparison::Equal, Scalar::Integer(1))), "c d"),
        (Predicate::In { field: count, values: [1, 3].map(Scalar::Integer).to_vec() }, "a c"),
        (compare(ratio, Comparison::LessOrEqual, half), "a d"),
        (compare(price, Comparison::Greater, Scalar::Decimal(998)), "c d"),
    ] {
        let columns = (1..=6).map(|field| (field, ColumnSight::Raw)).collect();
        let sight = Sight { rows: rows.clone(), columns, mask_key: None };
        world.restrict("a.b", Restriction::Restricted(sight));
        let sql = "SELECT coalesce(string_agg(name, ' ' ORDER BY name), '') || '!' AS n FROM a.b";
        let shown = world.show(sql).await;
        assert!(shown.contains(&format!("| {names}! ")), "{rows:?}: {shown}");
    }
}

/// Old files lack the column of the filter, which is hidden, and those under masks: what is not there
/// is null behind a mask as well, and no name of it is told.
#[tokio::test(flavor = "multi_thread")]
async fn masked_and_hidden_columns_that_old_files_lack_tell_nothing() {
    let mut world = lake().await;
    let rows = Predicate::Or(vec![
        Predicate::IsNull { field: 6 },
        Predicate::Compare { field: 6, comparison: Comparison::Equal, value: Scalar::Integer(9) },
    ]);
    let columns = [
        (1, ColumnSight::Masked(Mask::Bucket(2))),
        (2, ColumnSight::Masked(Mask::Bucket(1))),
        (3, ColumnSight::Masked(Mask::Bucket(5))),
        (4, ColumnSight::Raw),
        (5, ColumnSight::Masked(Mask::Redact)),
    ];
    let sight = Sight { rows, columns: columns.into(), mask_key: None };
    world.restrict("a.b", Restriction::Restricted(sight));
    insta::assert_snapshot!(world.show("SELECT * FROM a.b ORDER BY name").await, @r"
    +---------------+-------+-----------------------+------+------+
    | count         | ratio | price                 | name | note |
    +---------------+-------+-----------------------+------+------+
    | 0             | 0.0   | 0.00                  | a    |      |
    |               | 1.0   | 0.00                  | b    |      |
    | 2             | 2.0   | 5.00                  | c    |      |
    | 1099511627776 | 0.0   | 123456789012345675.00 | d    | ***  |
    +---------------+-------+-----------------------+------+------+
    ");
    insta::assert_snapshot!(world.show("SELECT name FROM a.b WHERE note = 'later'").await, @r"
    ++
    ++
    ");
    insta::assert_snapshot!(world.show("SELECT name FROM a.b WHERE count = 3").await, @r"
    ++
    ++
    ");
    insta::assert_snapshot!(world.show("SELECT extra FROM a.b").await, @r"
    invalid: column `extra` not found
    hint: columns here: count, ratio, price, name, note
    ");
}

/// Types that are more than one word, as files hold them and as the engine answers.
#[tokio::test(flavor = "multi_thread")]
async fn nested_and_binary_types_are_read() {
    let element = Field::optional("element", DataType::String);
    let key = Field { required: true, ..Field::optional("key", DataType::String) };
    let value = Field::optional("value", DataType::Long);
    let inner = vec![Field::optional("x", DataType::Int), Field::optional("y", DataType::String)];
    let columns = schema(&[
        ("tags", DataType::List(Box::new(element))),
        ("counts", DataType::Map(Box::new(key), Box::new(value))),
        ("point", DataType::Struct(inner)),
        ("bytes", DataType::Binary),
        ("code", DataType::Fixed(2)),
        ("day", DataType::Date),
        ("clock", DataType::Time),
        ("at", DataType::Timestamptz),
    ]);
    let json = r#"{"tags": ["a", null], "counts": {"k": 7}, "point": {"x": 1, "y": "z"},
        "bytes": "00ff", "code": "6162", "day": "2026-01-02", "clock": "03:04:05",
        "at": "2026-01-02T03:04:05Z"}
        {"tags": null, "counts": null, "point": null, "bytes": null, "code": null, "day": null,
        "clock": null, "at": null}"#;
    let arrow = Arc::new(lakebed_ingest::arrow_schema(&columns));
    let mut rows = arrow::json::ReaderBuilder::new(arrow).build(json.as_bytes()).unwrap();
    let batch = rows.next().unwrap().unwrap();
    let mut world = World::new();
    world.table("a.b", &columns, &[batch]).await;
    insta::assert_snapshot!(world.show("SELECT * FROM a.b").await, @r"
        +-------+--------+--------------+-------+------+------------+----------+----------------------+
        | tags  | counts | point        | bytes | code | day        | clock    | at                   |
        +-------+--------+--------------+-------+------+------------+----------+----------------------+
        | [a, ] | {k: 7} | {x: 1, y: z} | 00ff  | 6162 | 2026-01-02 | 03:04:05 | 2026-01-02T03:04:05Z |
        |       |        |              |       |      |            |          |                      |
        +-------+--------+--------------+-------+------+------------+----------+----------------------+
    ");
    let sql = "SELECT tags[1] AS tag, counts['k'] AS k, point.y AS y, encode(bytes, 'hex') AS b, \
               date_part('hour', at) AS h FROM a.b WHERE point.x = 1";
    insta::assert_snapshot!(world.show(sql).await, @r"
        +-----+---+---+------+---+
        | tag | k | y | b    | h |
        +-----+---+---+------+---+
        | a   | 7 | z | 00ff | 3 |
        +-----+---+---+------+---+
    ");
    insta::assert_snapshot!(world.show("DESCRIBE a.b").await, @r"
        +--------+---------------------------+----------+
        | name   | type                      | nullable |
        +--------+---------------------------+----------+
        | tags   | list<string>              | true     |
        | counts | map<string, long>         | true     |
        | point  | struct<x: int, y: string> | true     |
        | bytes  | binary                    | true     |
        | code   | fixed[2]                  | true     |
        | day    | date                      | true     |
        | clock  | time                      | true     |
        | at     | timestamptz               | true     |
        +--------+---------------------------+----------+
    ");
}

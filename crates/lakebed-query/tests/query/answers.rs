//! Parameters, plain types, and answers without tables.

use arrow::datatypes::DataType;
use lakebed_service::engine::{Engine as _, Parameters};
use serde_json::{Value, json};

use crate::world::{Asked, World, schema};

fn positional(values: Value) -> Asked {
    Asked { parameters: serde_json::from_value(values).unwrap(), ..Asked::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_take_their_types_from_where_they_stand() {
    let world = World::new();
    let show = async |sql: &str, values: Value| world.show_with(sql, positional(values)).await;
    insta::assert_snapshot!(
        show(
            "SELECT a FROM generate_series(1, 9) t(a) WHERE a > $1 AND a < $2 ORDER BY a LIMIT $3",
            json!([3, 8, 2])
        )
        .await, @r"
        +---+
        | a |
        +---+
        | 4 |
        | 5 |
        +---+
    ");
    insta::assert_snapshot!(
        show("SELECT timestamp '2026-01-02 00:00:00' > $day AS later", json!({"day": "2026-01-01"})).await, @r"
        +-------+
        | later |
        +-------+
        | true  |
        +-------+
    ");
    insta::assert_snapshot!(
        show("SELECT $1 AS a, $2 AS b, $3 AS c, $1 || '!' AS d", json!(["x", null, 1.5])).await, @r"
        +---+---+-----+----+
        | a | b | c   | d  |
        +---+---+-----+----+
        | x |   | 1.5 | x! |
        +---+---+-----+----+
    ");
    insta::assert_snapshot!(
        show("SELECT $name || $name AS twice", json!({"name": "'; DROP TABLE x; --"})).await, @r"
        +----------------------------------------+
        | twice                                  |
        +----------------------------------------+
        | '; DROP TABLE x; --'; DROP TABLE x; -- |
        +----------------------------------------+
    ");
}

/// A value is a value wherever it stands: no position, no name, no clause.
#[tokio::test(flavor = "multi_thread")]
async fn parameters_are_never_more_than_values() {
    let world = World::new();
    let show = async |sql: &str, values: Value| world.show_with(sql, positional(values)).await;
    let sql = "SELECT a, -a AS b FROM generate_series(1, 2) t(a) ORDER BY $1, a";
    insta::assert_snapshot!(show(sql, json!([2])).await, @r"
        +---+----+
        | a | b  |
        +---+----+
        | 1 | -1 |
        | 2 | -2 |
        +---+----+
    ");
    let sql = "SELECT a FROM generate_series(1, 4) t(a) WHERE a IN ($1, $2) AND a > $3";
    insta::assert_snapshot!(show(sql, json!([2, 3, -1e3])).await, @r"
        +---+
        | a |
        +---+
        | 2 |
        | 3 |
        +---+
    ");
    let sql = "SELECT date_trunc($1, $2::timestamp) AS a, $3 IS NULL AS b, $4 AS c";
    let values = json!(["month", "2026-02-03 04:05:06", null, true]);
    insta::assert_snapshot!(show(sql, values).await, @r"
        +---------------------+------+------+
        | a                   | b    | c    |
        +---------------------+------+------+
        | 2026-02-01T00:00:00 | true | true |
        +---------------------+------+------+
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_and_placeholders_must_match() {
    let world = World::new();
    let show = async |sql: &str, values: Value| world.show_with(sql, positional(values)).await;
    insta::assert_snapshot!(show("SELECT $1, $2", json!([1])).await, @r"
        invalid: parameter `$2` has no value
        hint: give as many values as there are placeholders
    ");
    insta::assert_snapshot!(show("SELECT $1", json!([1, 2])).await, @"invalid: parameter `$2` is given, but the statement does not use it");
    insta::assert_snapshot!(show("SELECT $a", json!({"b": 1})).await, @r"
        invalid: parameter `$a` has no value
        hint: give a value by the name `a`
    ");
    insta::assert_snapshot!(show("SELECT $a", json!([])).await, @r"
        invalid: parameter `$a` has no value
        hint: give a value by the name `a`
    ");
    insta::assert_snapshot!(show("SELECT $a", json!([1])).await, @r"
        invalid: parameter `$a` has no value
        hint: the values are given by position: give them by name, or write `$1`, `$2` …
    ");
    insta::assert_snapshot!(show("SELECT $1", json!({"a": 1})).await, @r"
        invalid: parameter `$1` has no value
        hint: the values are given by name: give them by position, or write `$name`
    ");
    insta::assert_snapshot!(show("SELECT $1", json!([[1]])).await, @r"
        invalid: parameter `$1` is a list or an object
        hint: give null, true, false, a number or a text; one for each place: `IN ($1, $2)`
    ");
    insta::assert_snapshot!(show("SELECT (SELECT $1) + 1 AS a", json!([41])).await, @r"
        +----+
        | a  |
        +----+
        | 42 |
        +----+
    ");
    assert_eq!(Parameters::default(), Parameters::Positional(Vec::new()));
}

/// Wherever a value may stand a parameter may, and what cannot be meant is said in words.
#[tokio::test(flavor = "multi_thread")]
async fn parameters_stand_wherever_values_do() {
    let world = World::new();
    let series = "FROM generate_series(1, 5) t(a)";
    let mut text = String::new();
    for (sql, values) in [
        (format!("SELECT a {series} ORDER BY a LIMIT $1 OFFSET $2"), json!([2, 1])),
        (format!("SELECT a {series} ORDER BY a LIMIT $n OFFSET $n"), json!({"n": 1})),
        (format!("SELECT a {series} LIMIT $1"), json!([0])),
        (format!("SELECT count(*) AS n FROM (SELECT a {series} LIMIT $1)"), json!([null])),
        (format!("SELECT a {series} ORDER BY a LIMIT $1"), json!(["2"])),
        (format!("SELECT a {series} LIMIT $1"), json!(["two"])),
        (format!("SELECT a {series} LIMIT $1"), json!([-1])),
        (format!("SELECT a {series} LIMIT $1"), json!([1.5])),
        (format!("SELECT a {series} OFFSET $1"), json!([-1])),
        (format!("SELECT a {series} WHERE a IN ($1, $2) ORDER BY a"), json!([2, null])),
        (format!("SELECT a {series} WHERE a NOT IN ($1, $2)"), json!([2, null])),
        (format!("SELECT a {series} WHERE a IN ($1)"), json!([[2, 3]])),
        (format!("SELECT a {series} WHERE a BETWEEN $low AND $high"), json!({"low": 4, "high": 9})),
        (format!("SELECT a {series} WHERE $1"), json!([false])),
        (format!("SELECT a {series} WHERE a > $1"), json!(["x"])),
        (format!("EXPLAIN SELECT a {series} WHERE a > $1"), json!([3])),
        (format!("EXPLAIN SELECT a {series} WHERE a > $1"), json!([])),
        ("SELECT $1 AS a, $1 = 18446744073709551615 AS b".into(), json!([u64::MAX])),
        ("SELECT $1 AS a, $1 < 0 AS b".into(), json!([i64::MIN])),
        ("SELECT 0.1::decimal(3, 2) = $1 AS a".into(), json!(["0.10"])),
        (
            "SELECT '99999999999999999999.01'::decimal(38, 2) = $1 AS a, \
             '99999999999999999999.01'::decimal(38, 2) = $2 AS b"
                .into(),
            json!(["99999999999999999999.01", "99999999999999999999.02"]),
        ),
        ("SELECT date '2026-01-02' > $1 AS a, date $1 AS b".into(), json!(["2026-01-01"])),
        ("SELECT date '2026-01-02' > $1 AS a".into(), json!(["yesterday"])),
        ("SELECT date '2026-01-02' > $1 AS a".into(), json!([null])),
        ("SELECT date '2026-01-31' + INTERVAL $1 AS a".into(), json!(["1 month"])),
        ("SELECT date '2026-01-31' + INTERVAL $1 DAY AS a".into(), json!([2])),
        ("SELECT timestamp '2026-01-01 00:00:00' AT TIME ZONE $1 AS a".into(), json!(["+01:00"])),
        ("SELECT 'a_b' LIKE $1 ESCAPE $2 AS a".into(), json!(["a!_b", "!"])),
        ("SELECT CASE $1 WHEN 1 THEN 'one' ELSE $2 END AS a".into(), json!([1, "more"])),
        ("SELECT * FROM (VALUES ($1, $2)) AS v(a, b)".into(), json!([1, "x"])),
        ("SELECT sum(a) AS n FROM generate_series($1, $2) t(a)".into(), json!([1, 4])),
        ("SELECT [$1, $2] AS a, {'f': $1} AS b".into(), json!([1, 2])),
        ("SELECT $Name AS a".into(), json!({"Name": 1})),
        ("SELECT $Name AS a".into(), json!({"name": 1})),
        ("SELECT $1 AS a".into(), json!({"1": 1})),
        ("SELECT '$1' AS a, \"$2\" FROM (SELECT 1 AS \"$2\")".into(), json!([])),
        ("SELECT * FROM $1".into(), json!(["sales.orders"])),
        ("DESCRIBE $1".into(), json!(["sales.orders"])),
    ] {
        let shown = world.show_with(&sql, positional(values.clone())).await;
        text += &format!("{sql} with {values}\n    {}\n", shown.replace('\n', "\n    "));
    }
    insta::assert_snapshot!(text);
}

/// A value for which a statement has no place is a slip in every kind of statement.
#[tokio::test(flavor = "multi_thread")]
async fn statements_without_places_take_no_parameters() {
    let mut world = World::new();
    world.table("sales.orders", &schema(&[("id", lakebed_core::DataType::Long)]), &[]).await;
    for sql in ["SHOW TABLES", "DESCRIBE sales.orders", "SHOW COLUMNS FROM sales.orders"] {
        let shown = world.show_with(sql, positional(json!({"a": 1}))).await;
        assert_eq!(shown, "invalid: parameter `$a` is given, but the statement does not use it");
        assert!(world.show(sql).await.starts_with('+'), "{sql}");
    }
}

/// Views and dictionaries stay inside.
#[tokio::test(flavor = "multi_thread")]
async fn answers_have_plain_types_and_no_metadata() {
    let world = World::new();
    let sql = "SELECT CAST('a' AS varchar) AS t, [CAST('b' AS varchar)] AS l, \
               {'f': CAST('c' AS varchar)} AS s, encode('x', 'hex') AS e, md5('x') AS m";
    let stream = world.stream(sql, Asked::default()).await.unwrap();
    let types: Vec<_> =
        stream.schema.fields().iter().map(|field| field.data_type().to_string()).collect();
    assert!(types.iter().all(|name| !name.contains("View")), "{types:?}");
    assert_eq!(stream.schema.field(0).data_type(), &DataType::Utf8);
    assert!(stream.schema.metadata().is_empty());
    insta::assert_snapshot!(world.show(sql).await, @r"
        +---+-----+--------+----+----------------------------------+
        | t | l   | s      | e  | m                                |
        +---+-----+--------+----+----------------------------------+
        | a | [b] | {f: c} | 78 | 9dd4e461268c8034f5c8564e155c67a6 |
        +---+-----+--------+----+----------------------------------+
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_can_be_dropped_anywhere_and_its_streams_go_on() {
    let world = World::new();
    let stream = world.stream("SELECT 1 AS a", Asked::default()).await.unwrap();
    let other = lakebed_query::DataFusionEngine::new(Default::default()).unwrap();
    other.prepare("SELECT 1").unwrap();
    drop(other);
    drop(world);
    let rows: Vec<_> = futures::StreamExt::collect(stream.batches).await;
    assert_eq!(rows.len(), 1);
    assert!(rows[0].is_ok());
}

//! Parameters, plain types, and answers without tables.

use arrow::datatypes::DataType;
use lakebed_service::engine::{Engine as _, Parameters};
use serde_json::{Value, json};

use crate::world::{Asked, World};

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
        .await, @"");
    insta::assert_snapshot!(
        show("SELECT timestamp '2026-01-02 00:00:00' > $day AS later", json!({"day": "2026-01-01"})).await, @"");
    insta::assert_snapshot!(
        show("SELECT $1 AS a, $2 AS b, $3 AS c, $1 || '!' AS d", json!(["x", null, 1.5])).await, @"");
    insta::assert_snapshot!(
        show("SELECT $name || $name AS twice", json!({"name": "'; DROP TABLE x; --"})).await, @"");
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_and_placeholders_must_match() {
    let world = World::new();
    let show = async |sql: &str, values: Value| world.show_with(sql, positional(values)).await;
    insta::assert_snapshot!(show("SELECT $1, $2", json!([1])).await, @"");
    insta::assert_snapshot!(show("SELECT $1", json!([1, 2])).await, @"");
    insta::assert_snapshot!(show("SELECT $a", json!({"b": 1})).await, @"");
    insta::assert_snapshot!(show("SELECT $a", json!([1])).await, @"");
    insta::assert_snapshot!(show("SELECT $1", json!([[1]])).await, @"");
    insta::assert_snapshot!(show("SELECT (SELECT $1) + 1 AS a", json!([41])).await, @"");
    assert_eq!(Parameters::default(), Parameters::Positional(Vec::new()));
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
    insta::assert_snapshot!(world.show(sql).await, @"");
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

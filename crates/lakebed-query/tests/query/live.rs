//! Tables whose rows are computed when they are read.

use std::sync::Arc;

use arrow::array::{Int64Array, RecordBatch, StringArray};
use futures::TryStreamExt as _;
use lakebed_core::{DataType, TableSchema};

use crate::world::{Asked, World, schema};

/// What `p.q` is computed by.
const SQL: &str = "SELECT kind, count(*) AS n, sum(x) AS total, min(name) AS first FROM a.b \
     WHERE x % 7 <> 0 GROUP BY kind";

fn columns() -> TableSchema {
    schema(&[
        ("kind", DataType::Long),
        ("n", DataType::Long),
        ("total", DataType::Long),
        ("first", DataType::String),
    ])
}

/// `a.b`, and `p.q` of it.
async fn lake() -> World {
    lake_in(2).await
}

async fn lake_in(parts: usize) -> World {
    let mut world = World::in_parts(parts);
    let below =
        schema(&[("x", DataType::Long), ("kind", DataType::Long), ("name", DataType::String)]);
    let batch = |from: i64| {
        let rows = from..from + 1_000;
        RecordBatch::try_new(
            Arc::new(lakebed_ingest::arrow_schema(&below)),
            vec![
                Arc::new(Int64Array::from_iter_values(rows.clone())),
                Arc::new(Int64Array::from_iter_values(rows.clone().map(|x| x % 10))),
                Arc::new(StringArray::from_iter_values(rows.map(|x| format!("name {x}")))),
            ],
        )
        .unwrap()
    };
    world.table("a.b", &below, &[batch(0), batch(1_000), batch(2_000)]).await;
    world.compute("p.q", &columns(), SQL);
    world
}

/// Whoever reads it cannot tell it from the statement written in its place.
#[tokio::test(flavor = "multi_thread")]
async fn it_answers_as_its_statement_does() {
    let world = lake().await;
    for sql in [
        "SELECT * FROM {} t ORDER BY kind",
        "SELECT count(*) FROM {} t",
        "SELECT first, total FROM {} t WHERE kind BETWEEN 2 AND 4 AND total > 10 ORDER BY 1",
        "SELECT total FROM {} t ORDER BY total DESC LIMIT 3",
        "SELECT x.kind, y.n FROM {} x JOIN {} y ON x.kind = y.kind + 1 ORDER BY 1",
        "SELECT kind FROM {} t WHERE kind IN (SELECT kind FROM a.b WHERE x < 3) ORDER BY 1",
        "SELECT kind FROM {} t UNION ALL SELECT x FROM a.b WHERE x < 2 ORDER BY 1",
        "SELECT kind, sum(n) OVER (ORDER BY kind) AS s FROM {} t ORDER BY 1",
        "SELECT t.kind, b.name FROM {} t LEFT JOIN a.b b ON b.x = t.kind * 100 ORDER BY 1",
        "SELECT n / (kind - 3) FROM {} t WHERE kind <> 3 ORDER BY 1",
        "SELECT arrow_typeof(kind), arrow_typeof(first) FROM {} t LIMIT 1",
    ] {
        let of = |table: &str| sql.replace("{}", table);
        let (computed, written) = (of("p.q"), of(&format!("({SQL})")));
        assert_eq!(world.show(&computed).await, world.show(&written).await, "{sql}");
    }
}

/// Types that a file would be written with are those of the table, whatever the statement gives.
#[tokio::test(flavor = "multi_thread")]
async fn its_columns_have_the_types_of_the_table() {
    let mut world = lake().await;
    let wider = schema(&[("n", DataType::Decimal { precision: 20, scale: 0 })]);
    world.compute("p.wider", &wider, "SELECT count(*) AS n FROM a.b");
    let shown = world.show("SELECT n, arrow_typeof(n) AS t FROM p.wider").await;
    assert!(shown.contains("3000") && shown.contains("Decimal128(20, 0)"), "{shown}");
    let coerced = schema(&[("v", DataType::Double)]);
    let sql = "SELECT x AS v FROM a.b WHERE x < 1 UNION ALL SELECT 0.5 FROM a.b WHERE x < 1";
    world.compute("p.coerced", &coerced, sql);
    let shown = world.show("SELECT v FROM p.coerced WHERE v > 0.1").await;
    assert!(shown.contains("0.5") && !shown.contains("0.0"), "{shown}");
}

/// What is on record of a read is the table that was named, with the columns that were needed.
#[tokio::test(flavor = "multi_thread")]
async fn reads_are_of_the_table_that_is_named() {
    let mut world = lake().await;
    world.compute("p.top", &schema(&[("kind", DataType::Long)]), "SELECT kind FROM p.q");
    for (sql, table, columns) in [
        ("SELECT total FROM p.q WHERE kind = 1", "p.q", vec!["kind", "total"]),
        ("SELECT count(*) FROM p.top", "p.top", vec![]),
    ] {
        let stream = world.stream(sql, Asked::default()).await.unwrap();
        let [read] = stream.columns.as_slice() else { panic!("{:?}", stream.columns) };
        assert_eq!((read.reference.as_str(), read.columns.clone()), (table, own(&columns)));
        assert_eq!(stream.unstable, [] as [String; 0], "sums of longs are one sum");
    }
}

fn own(names: &[&str]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

/// Rows that may be others another time say so, also where that lies below.
#[tokio::test(flavor = "multi_thread")]
async fn rows_that_may_be_others_say_so() {
    let mut world = lake().await;
    let sums = schema(&[("s", DataType::Double)]);
    world.compute("p.sums", &sums, "SELECT sum(CAST(x AS DOUBLE)) AS s FROM a.b");
    world.compute("p.above", &sums, "SELECT s FROM p.sums");
    for table in ["p.sums", "p.above"] {
        let sql = format!("SELECT count(*) FROM {table}");
        let stream = world.stream(&sql, Asked::default()).await.unwrap();
        assert_eq!(stream.unstable, [format!("the rows of `{table}` are computed each time")]);
    }
}

/// However many parts there are, the last digit of a sum is that of one part.
#[tokio::test(flavor = "multi_thread")]
async fn sums_are_those_of_a_build() {
    let sums = schema(&[("s", DataType::Double), ("d", DataType::Double)]);
    let sql = "SELECT sum(1.0 / (x + 1)) AS s, stddev(x * 0.1) AS d FROM a.b";
    let mut shown = std::collections::BTreeSet::new();
    for parts in [1, 2, 3, 4] {
        let mut world = lake_in(parts).await;
        world.compute("p.sums", &sums, sql);
        for _ in 0..3 {
            shown.insert(world.show("SELECT s, d FROM p.sums WHERE s > 0").await);
        }
    }
    assert_eq!(shown.len(), 1, "{shown:?}");
}

/// Nothing is read before somebody asks, and a limit ends it early.
#[tokio::test(flavor = "multi_thread")]
async fn it_is_computed_when_rows_are_asked_for() {
    let mut world = lake().await;
    world.compute("p.all", &schema(&[("x", DataType::Long)]), "SELECT x FROM a.b");
    let before = world.calls();
    let stream = world.stream("SELECT * FROM p.all LIMIT 2", Asked::default()).await.unwrap();
    assert_eq!(world.calls(), before, "planned, not started");
    let rows: Vec<_> = stream.batches.try_collect().await.unwrap();
    assert_eq!(rows.iter().map(RecordBatch::num_rows).sum::<usize>(), 2);
    assert!(world.calls() > before);
}

/// A damaged file below is told as such, and never a row of it (P3).
#[tokio::test(flavor = "multi_thread")]
async fn p3_what_is_wrong_below_is_no_row() {
    let world = lake().await;
    let bad = world.files("a.b")[1].object;
    let path = world.path_of(bad.id);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[40] ^= 1;
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    std::fs::write(&path, bytes).unwrap();
    let told = world.show("SELECT sum(total) FROM p.q").await;
    assert!(told.contains(&bad.id.to_string()), "{told}");
}

/// Columns that share a name, or have none, are called as a table that was built calls them; conditions are
/// about those that they name.
#[tokio::test(flavor = "multi_thread")]
async fn columns_of_one_name_are_told_apart() {
    let mut world = lake().await;
    let columns =
        schema(&[("x", DataType::Long), ("x_2", DataType::Long), ("column_3", DataType::Long)]);
    let below = "FROM a.b l JOIN (SELECT x + 1 AS x FROM a.b) r ON r.x = l.x + 1";
    world.compute("p.pairs", &columns, &format!("SELECT l.x, r.x, l.kind AS \"\" {below}"));
    let built = format!("(SELECT l.x, r.x AS x_2, l.kind AS column_3 {below})");
    for asked in [
        "SELECT * FROM {} t WHERE x < 3 ORDER BY x",
        "SELECT x FROM {} t WHERE x_2 = 7",
        "SELECT x_2 FROM {} t WHERE x = 7",
        "SELECT count(*) FROM {} t WHERE column_3 = 2",
    ] {
        let of = |table: &str| asked.replace("{}", table);
        assert_eq!(world.show(&of("p.pairs")).await, world.show(&of(&built)).await, "{asked}");
    }
}

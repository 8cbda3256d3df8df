//! Versions side by side, by way of this engine: what came, went and changed is what a plain
//! comparison finds, whatever keys do.

use std::{collections::BTreeMap, num::NonZeroUsize, sync::Arc};

use arrow::util::pretty::pretty_format_batches;
use lakebed_core::{DecodeOptions, IngestMode};
use lakebed_query::{DataFusionEngine, EngineOptions};
use lakebed_service::{DiffAnswer, DiffRequest, Error, Result, RowDiff, engine::QueryLimits};
use lakebed_testkit::TestLake;

async fn lake() -> TestLake {
    let options = EngineOptions {
        target_partitions: NonZeroUsize::new(2).unwrap(),
        ..EngineOptions::default()
    };
    TestLake::with_engine(Arc::new(DataFusionEngine::new(options).unwrap())).await
}

fn request(from: &str, to: &str, key: &[&str]) -> DiffRequest {
    DiffRequest {
        from: from.parse().unwrap(),
        to: to.parse().unwrap(),
        key: key.iter().map(ToString::to_string).collect(),
        show: 20,
        limits: QueryLimits { memory_bytes: 256 << 20, ..QueryLimits::default() },
    }
}

async fn diff(test: &TestLake, from: &str, to: &str, key: &[&str]) -> Result<DiffAnswer> {
    test.lake.diff(&test.ctx(), request(from, to, key)).await
}

async fn rows(test: &TestLake, from: &str, to: &str, key: &[&str]) -> RowDiff {
    diff(test, from, to, key).await.unwrap().rows.expect("there is a key")
}

fn counts(rows: &RowDiff) -> String {
    let cells: Vec<String> =
        rows.cells.iter().map(|cell| format!("{} {}", cell.column, cell.count)).collect();
    format!(
        "+{} -{} ~{} ={}, {} repeated, {} null; cells [{}], text {:?}, not {:?}",
        rows.added,
        rows.removed,
        rows.changed,
        rows.unchanged,
        rows.repeated_keys,
        rows.null_keys,
        cells.join(", "),
        rows.as_text,
        rows.not_compared
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_and_cells_are_told_by_a_key() {
    let test = lake().await;
    let before = "id,name,price\n1,one,1.50\n2,two,2.50\n3,three,\n4,four,4.00\n";
    let after = "id,name,price\n4,four,4.25\n2,two,2.50\n3,THREE,3.00\n5,,5.00\n";
    test.ingest("a.b", "x.csv", before).await.unwrap();
    test.ingest("a.b", "x.csv", after).await.unwrap();
    let rows = rows(&test, "a.b@v1", "a.b", &["id"]).await;
    insta::assert_snapshot!(counts(&rows), @"+1 -1 ~2 =1, 0 repeated, 0 null; cells [name 1, price 2], text [], not []");
    let shown = [
        &rows.samples.added,
        &rows.samples.removed,
        &rows.samples.changed.0,
        &rows.samples.changed.1,
    ];
    let shown: Vec<String> = shown
        .map(|batch| pretty_format_batches(std::slice::from_ref(batch)).unwrap().to_string())
        .into();
    insta::assert_snapshot!(shown.join("\n"), @r"
    +----+------+-------+
    | id | name | price |
    +----+------+-------+
    | 5  |      | 5.00  |
    +----+------+-------+
    +----+------+-------+
    | id | name | price |
    +----+------+-------+
    | 1  | one  | 1.50  |
    +----+------+-------+
    +----+-------+-------+
    | id | name  | price |
    +----+-------+-------+
    | 3  | three |       |
    | 4  | four  | 4.00  |
    +----+-------+-------+
    +----+-------+-------+
    | id | name  | price |
    +----+-------+-------+
    | 3  | THREE | 3.00  |
    | 4  | four  | 4.25  |
    +----+-------+-------+
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_repeats_or_has_no_value_is_counted_and_said() {
    let test = lake().await;
    let before = "id,v\n1,a\n1,a\n1,b\n,x\n2,c\n3,d\n3,d\n";
    let after = "id,v\n1,a\n1,c\n,y\n2,c\n2,c\n";
    test.ingest("a.b", "x.csv", before).await.unwrap();
    test.ingest("a.b", "x.csv", after).await.unwrap();
    insta::assert_snapshot!(counts(&rows(&test, "a.b@v1", "a.b@v2", &["id"]).await), @"+2 -4 ~1 =2, 3 repeated, 2 null; cells [v 1], text [], not []");
    insta::assert_snapshot!(counts(&rows(&test, "a.b@v2", "a.b@v1", &["id"]).await), @"+4 -2 ~1 =2, 3 repeated, 2 null; cells [v 1], text [], not []");
    insta::assert_snapshot!(counts(&rows(&test, "a.b@v1", "a.b@v1", &["v", "id"]).await), @"+0 -0 ~0 =7, 2 repeated, 2 null; cells [], text [], not []");
}

/// Wider types hold the same values; where no type holds both, texts are compared, and it is said.
#[tokio::test(flavor = "multi_thread")]
async fn values_are_compared_across_types() {
    let test = lake().await;
    let typed = async |dataset: &str, text: &str, types: &[(&str, &str)]| {
        let types = types.iter().map(|(name, t)| ((*name).to_owned(), t.parse().unwrap()));
        let options = DecodeOptions { types: types.collect(), ..DecodeOptions::default() };
        test.ingest_with(dataset, "x.csv", text, IngestMode::Replace, options).await.unwrap();
    };
    let text = "id,n,f,d,t\n1,1,0.5,1.50,1\n2,2,NaN,2.50,2\n3,3,-inf,3.50,3\n";
    let narrow =
        [("id", "int"), ("n", "int"), ("f", "float"), ("d", "decimal(5,2)"), ("t", "long")];
    let wide =
        [("id", "long"), ("n", "long"), ("f", "double"), ("d", "decimal(9,2)"), ("t", "string")];
    typed("a.narrow", text, &narrow).await;
    typed("a.wide", text, &wide).await;
    insta::assert_snapshot!(counts(&rows(&test, "a.narrow", "a.wide", &["id"]).await), @r#"+0 -0 ~0 =3, 0 repeated, 0 null; cells [], text ["t"], not []"#);
    insta::assert_snapshot!(counts(&rows(&test, "a.wide", "a.narrow", &["t", "id"]).await), @r#"+0 -0 ~0 =3, 0 repeated, 0 null; cells [], text ["t"], not []"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_no_sql() {
    let test = lake().await;
    let text = |value: u32| format!("\"a \"\"b\"\"; DROP\",Select\n1,{value}\n");
    test.ingest("a.b", "x.csv", &text(1)).await.unwrap();
    test.ingest("a.b", "x.csv", &text(2)).await.unwrap();
    let rows = rows(&test, "a.b@v1", "a.b@v2", &["a \"b\"; DROP"]).await;
    insta::assert_snapshot!(counts(&rows), @"+0 -0 ~1 =0, 0 repeated, 0 null; cells [Select 1], text [], not []");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_none_is_refused_with_what_there_is() {
    let test = lake().await;
    test.ingest("a.b", "x.csv", "id,v\n1,a\n").await.unwrap();
    test.ingest("a.b", "x.csv", "id,v,more\n1,a,z\n").await.unwrap();
    let told = async |key: &[&str]| {
        let error = diff(&test, "a.b@v1", "a.b", key).await.unwrap_err();
        assert_eq!(error.code(), "invalid-key");
        format!("{error}{}", error.hint().map(|hint| format!("; {hint}")).unwrap_or_default())
    };
    insta::assert_snapshot!(told(&["nothing"]).await, @"there is no column `nothing` to be a key; both versions have `id`, `v`");
    insta::assert_snapshot!(told(&["more"]).await, @"`more` cannot be a key: it is nested, or not in both versions; both versions have `id`, `v`");
    insta::assert_snapshot!(told(&["id", "v", "id"]).await, @"the key names `id` twice");
    let answer = diff(&test, "a.b@v1", "a.b", &[]).await.unwrap();
    assert!(answer.rows.is_none());
    let changes: Vec<_> = answer.columns.iter().map(|column| &column.changes[..]).collect();
    assert_eq!(format!("{changes:?}"), "[[], [], [Added]]");
    let rows = rows(&test, "a.b@v1", "a.b", &["id"]).await;
    assert_eq!(rows.not_compared, ["more"]);
    let hidden = diff(&test, "a.b", "a.nothing", &[]).await.unwrap_err();
    assert!(matches!(hidden, Error::NotFound { .. }), "{hidden:?}");
}

/// A row: its key, none for no value, and one cell.
type Row = (Option<u32>, u32);

/// What a comparison finds that has all rows in memory: per key, equal rows are taken out; one row on
/// either side that is left is a change where the key stood once.
fn plain(before: &[Row], after: &[Row]) -> [u64; 5] {
    let mut keys: BTreeMap<Option<u32>, [Vec<u32>; 2]> = BTreeMap::new();
    for (side, rows) in [before, after].into_iter().enumerate() {
        rows.iter().for_each(|(key, cell)| keys.entry(*key).or_default()[side].push(*cell));
    }
    let [mut added, mut removed, mut changed, mut unchanged, mut repeated] = [0; 5];
    for [mut old, mut new] in keys.into_values() {
        let is_single = old.len() == 1 && new.len() == 1;
        repeated += u64::from(old.len() > 1 || new.len() > 1);
        old.retain(|cell| match new.iter().position(|other| other == cell) {
            None => true,
            Some(place) => {
                new.swap_remove(place);
                unchanged += 1;
                false
            }
        });
        match is_single && old.len() == 1 {
            true => changed += 1,
            false => {
                removed += old.len() as u64;
                added += new.len() as u64;
            }
        }
    }
    [added, removed, changed, unchanged, repeated]
}

/// Tables of more than a batch, with keys that repeat and lack values, in any order.
#[tokio::test(flavor = "multi_thread")]
async fn merging_finds_what_a_plain_comparison_finds() {
    let test = lake().await;
    let mut state = 7_u64;
    let mut random = |below: u64| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    for (count, keys, cells) in
        [(1, 1, 2), (50, 10, 3), (300, 1000, 2), (20_000, 30_000, 3), (20_000, 3, 9000)]
    {
        let mut table = || -> Vec<Row> {
            let row = |_| {
                let key = random(keys + 1) as u32;
                ((key > 0).then_some(key), random(cells) as u32)
            };
            (0..count).map(row).collect()
        };
        let (before, after) = (table(), table());
        let text = |rows: &[Row]| {
            let line = |(key, cell): &Row| {
                format!("{},{cell}\n", key.map_or_else(String::new, |key| key.to_string()))
            };
            format!("key,cell\n{}", rows.iter().map(line).collect::<String>())
        };
        let types = [("key", "long"), ("cell", "long")];
        let types = types.map(|(name, t)| (name.to_owned(), t.parse().unwrap()));
        let options = DecodeOptions { types: types.into(), ..DecodeOptions::default() };
        for (dataset, rows) in [("a.before", &before), ("a.after", &after)] {
            let mode = IngestMode::Replace;
            test.ingest_with(dataset, "x.csv", &text(rows), mode, options.clone()).await.unwrap();
        }
        let found = rows(&test, "a.before", "a.after", &["key"]).await;
        let RowDiff { added, removed, changed, unchanged, repeated_keys, .. } = found;
        let told = [added, removed, changed, unchanged, repeated_keys];
        assert_eq!(told, plain(&before, &after), "{count} rows, {keys} keys, {cells} cells");
        assert_eq!(removed + changed + unchanged, before.len() as u64);
        assert_eq!(found.samples.added.num_rows() as u64, added.min(20));
    }
}

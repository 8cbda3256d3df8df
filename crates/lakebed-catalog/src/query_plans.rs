//! The promise that resolving costs the same with one version and with a million, read from the
//! database's own query plans: every step is a search in an index, nothing is scanned or sorted.

use crate::{
    Catalog, dataset, declaration, derivation, findings, materialised, object, object_dataset,
    promotion,
    resolve::{self, Asked, By},
    statement::{Statement, Value},
    version,
};
use lakebed_core::LakeId;

async fn plan(catalog: &Catalog, sql: &str) -> Vec<String> {
    let mut connection = catalog.connection().await.expect("an open catalog");
    let mut explain = Statement::one_off("");
    explain.sql = format!("EXPLAIN QUERY PLAN {sql}").into();
    let rows = explain.fetch_all(&mut connection).await.expect("the statement is valid");
    rows.iter().map(|row| row.text("detail").expect("a step")).collect()
}

async fn catalog(folder: &tempfile::TempDir) -> Catalog {
    let path = folder.path().join("lakebed.db");
    Catalog::open_file(&path, LakeId::from_bytes([7; 16])).await.expect("a new catalog")
}

#[tokio::test]
async fn every_resolve_is_a_chain_of_index_seeks() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let catalog = catalog(&folder).await;
    for sql in [
        resolve::BY_NUMBER,
        resolve::BY_DIGEST,
        resolve::BY_STAGE,
        resolve::BY_TIME,
        version::HISTORY,
        dataset::NEWEST,
        dataset::ONE.datasets,
        dataset::ONE.heads,
        object::OF_SIZE,
        object_dataset::OF_OBJECT,
        declaration::NOW,
        findings::OF_VERSION,
        materialised::OF_VERSION,
        dataset::ONE.notices,
        promotion::REACHED,
        derivation::INPUTS,
        derivation::DERIVED,
    ] {
        let steps = plan(&catalog, sql).await;
        let is_seek = |step: &String| {
            step.starts_with("SEARCH ")
                || step.starts_with("CORRELATED SCALAR SUBQUERY")
                || step.starts_with("SCALAR SUBQUERY")
        };
        assert!(steps.iter().all(is_seek), "{sql}\n{steps:#?}");
    }
}

/// Which index each step uses: a bound that moved to another column would turn a seek into a walk
/// through a dataset's whole history.
#[tokio::test]
async fn the_bare_name_and_the_time_seek_by_their_whole_key() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let catalog = catalog(&folder).await;
    insta::assert_snapshot!(plan(&catalog, resolve::BY_STAGE).await.join("\n"), @r"
    SEARCH m USING INTEGER PRIMARY KEY (rowid=?)
    SEARCH d USING INDEX sqlite_autoindex_datasets_1 (namespace=? AND name=? AND rowid<?) LEFT-JOIN
    SEARCH v USING PRIMARY KEY (dataset_id=? AND number=?) LEFT-JOIN
    CORRELATED SCALAR SUBQUERY 3
    SEARCH h USING PRIMARY KEY (dataset_id=? AND stage=? AND seq<?)
    SEARCH o USING PRIMARY KEY (id=?) LEFT-JOIN
    SEARCH e USING INTEGER PRIMARY KEY (rowid=?) LEFT-JOIN
    CORRELATED SCALAR SUBQUERY 1
    SEARCH j USING INTEGER PRIMARY KEY (rowid=?)
    CORRELATED SCALAR SUBQUERY 2
    SEARCH n USING PRIMARY KEY (dataset_id=? AND stage=? AND seq<?)
    ");
    insta::assert_snapshot!(plan(&catalog, resolve::BY_TIME).await.join("\n"), @r"
    SEARCH m USING INTEGER PRIMARY KEY (rowid=?)
    SEARCH d USING INDEX sqlite_autoindex_datasets_1 (namespace=? AND name=? AND rowid<?) LEFT-JOIN
    SEARCH v USING PRIMARY KEY (dataset_id=? AND number=?) LEFT-JOIN
    CORRELATED SCALAR SUBQUERY 4
    SEARCH h USING PRIMARY KEY (dataset_id=? AND stage=? AND seq<?)
    CORRELATED SCALAR SUBQUERY 3
    SEARCH t USING COVERING INDEX events_by_time (at_micros<?)
    SEARCH o USING PRIMARY KEY (id=?) LEFT-JOIN
    SEARCH e USING INTEGER PRIMARY KEY (rowid=?) LEFT-JOIN
    CORRELATED SCALAR SUBQUERY 1
    SEARCH j USING INTEGER PRIMARY KEY (rowid=?)
    CORRELATED SCALAR SUBQUERY 2
    SEARCH n USING PRIMARY KEY (dataset_id=? AND stage=? AND seq<?)
    ");
    insta::assert_snapshot!(plan(&catalog, resolve::BY_DIGEST).await.join("\n"), @r"
    SEARCH m USING INTEGER PRIMARY KEY (rowid=?)
    SEARCH d USING INDEX sqlite_autoindex_datasets_1 (namespace=? AND name=? AND rowid<?) LEFT-JOIN
    SEARCH v USING INDEX sqlite_autoindex_versions_3 (dataset_id=? AND version_id>? AND version_id<?) LEFT-JOIN
    SEARCH o USING PRIMARY KEY (id=?) LEFT-JOIN
    SEARCH e USING INTEGER PRIMARY KEY (rowid=?) LEFT-JOIN
    CORRELATED SCALAR SUBQUERY 1
    SEARCH j USING INTEGER PRIMARY KEY (rowid=?)
    CORRELATED SCALAR SUBQUERY 2
    SEARCH n USING PRIMARY KEY (dataset_id=? AND stage=? AND seq<?)
    ");
}

/// Many at once are looked up as one is: nothing is walked through but what was asked.
#[tokio::test]
async fn many_references_seek_by_their_whole_keys() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let catalog = catalog(&folder).await;
    let dataset = "a.x".parse().expect("a name");
    let asked =
        [By::Head("raw"), By::Number(7)].map(|by| Asked { place: 0, dataset: &dataset, by });
    let statement = resolve::many(&asked);
    insta::assert_snapshot!(plan(&catalog, &statement.sql).await.join("\n"), @r"
    CO-ROUTINE asked
    SCAN 2 CONSTANT ROWS
    SEARCH m USING INTEGER PRIMARY KEY (rowid=?)
    SCAN a
    SEARCH d USING INDEX sqlite_autoindex_datasets_1 (namespace=? AND name=? AND rowid<?) LEFT-JOIN
    SEARCH v USING PRIMARY KEY (dataset_id=? AND number=?) LEFT-JOIN
    CORRELATED SCALAR SUBQUERY 4
    SEARCH h USING PRIMARY KEY (dataset_id=? AND stage=? AND seq<?)
    SEARCH o USING PRIMARY KEY (id=?) LEFT-JOIN
    SEARCH e USING INTEGER PRIMARY KEY (rowid=?) LEFT-JOIN
    CORRELATED SCALAR SUBQUERY 3
    SEARCH n USING PRIMARY KEY (dataset_id=? AND stage=? AND seq<?)
    ");
}

/// The same of PostgreSQL, which would rather scan a table that is small: told not to, it scans only
/// what it has no index for.
#[tokio::test]
async fn every_resolve_can_be_answered_from_indexes_on_a_server_too() {
    let Some(database) = lakebed_testkit::TestDatabase::create_schema() else { return };
    let url = format!("{}%20-cenable_seqscan%3Doff", database.url());
    let catalog = Catalog::open(&url, LakeId::from_bytes([7; 16])).await.expect("a new catalog");
    let (text, number, bytes) = (Value::from("x"), Value::from(1), Value::from(vec![1_u8]));
    for (sql, values) in [
        (resolve::BY_NUMBER, vec![&text, &text, &number]),
        (resolve::BY_DIGEST, vec![&text, &text, &bytes, &bytes]),
        (resolve::BY_STAGE, vec![&text, &text, &text]),
        (resolve::BY_TIME, vec![&text, &text, &text, &number]),
        (version::HISTORY, vec![&text, &text, &number, &number]),
        (dataset::NEWEST, vec![&text, &text]),
        (dataset::ONE.datasets, vec![&number, &text, &text]),
        (dataset::ONE.heads, vec![&number, &text, &text]),
        (object::OF_SIZE, vec![&number]),
    ] {
        let mut explain = Statement::one_off("EXPLAIN ");
        explain.push(sql);
        explain.values.extend(values.into_iter().cloned());
        let mut connection = catalog.connection().await.expect("an open catalog");
        let rows = explain.fetch_all(&mut connection).await.expect("the statement is valid");
        let steps: Vec<String> =
            rows.iter().map(|row| row.text("QUERY PLAN").expect("a step")).collect();
        let scans = steps.iter().filter(|step| step.contains("Seq Scan on "));
        assert!(scans.clone().all(|step| step.contains("Seq Scan on meta ")), "{sql}\n{steps:#?}");
    }
    catalog.close().await;
}

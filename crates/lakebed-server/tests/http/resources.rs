//! What can be looked at: lake, datasets, versions, references, events.

use lakebed_api::ResolveRequest;
use lakebed_client::ClientError;

use crate::support::Door;

const V1: &str = "id,price\n1,1.5\n2,2.5\n";
const V2: &str = "id,price\n1,1.5\n2,2.5\n3,3.5\n";

async fn with_orders(door: &Door) {
    door.test.ingest("sales.orders", "orders.csv", V1).await.unwrap();
    door.test.ingest("sales.orders", "orders.csv", V2).await.unwrap();
    door.test.ingest("crm.customers", "customers.csv", V1).await.unwrap();
}

#[tokio::test]
async fn the_lake_introduces_itself() {
    let door = Door::local().await;
    with_orders(&door).await;
    let info = door.client().lake().await.unwrap();
    assert_eq!(info.lake, door.test.lake.id());
    assert_eq!(info.dataset_count, 2);
    assert!(info.root.unwrap().contains(&door.test.place.root().to_string()));
    assert_eq!(door.client().ready().await.unwrap().status, "ready");
    assert_eq!(door.get("/health/live").await.json()["status"], "live");
}

/// A server keeps the paths of its machine to itself, in every answer.
#[tokio::test]
async fn no_path_of_the_machine_leaves_a_server() {
    let door = Door::remote().await;
    with_orders(&door).await;
    let root = door.test.root();
    for path in [
        "/v1/lake",
        "/v1/datasets",
        "/v1/versions?ref=sales.orders",
        "/v1/events",
        "/v1/datasets/sales/orders/versions",
        "/v1/versions?ref=sales.nothing",
    ] {
        let answer = door.get(path).await;
        assert!(!answer.text().contains(root.to_str().unwrap()), "{path}: {}", answer.text());
    }
}

#[tokio::test]
async fn datasets_are_listed_by_name() {
    let door = Door::remote().await;
    with_orders(&door).await;
    let client = door.client();
    let names = |list: lakebed_api::DatasetList| {
        let names = list.datasets.iter().map(|dataset| dataset.dataset.to_string());
        names.collect::<Vec<_>>()
    };
    let all = client.datasets(None).await.unwrap();
    assert_eq!(all.snapshot.seq, client.lake().await.unwrap().seq);
    assert_eq!(names(all), ["crm.customers", "sales.orders"]);
    assert_eq!(names(client.datasets(Some("sales")).await.unwrap()), ["sales.orders"]);
    assert!(names(client.datasets(Some("none")).await.unwrap()).is_empty());
    let orders = client.dataset(&"sales.orders".parse().unwrap()).await.unwrap();
    assert_eq!(orders.newest.unwrap().version, 2);
    assert!(orders.heads.iter().any(|head| head.stage.as_str() == "raw" && head.version == 2));
}

#[tokio::test]
async fn what_is_not_there_is_a_problem_with_a_hint() {
    let door = Door::remote().await;
    let error = door.client().dataset(&"sales.orders".parse().unwrap()).await.unwrap_err();
    let ClientError::Problem(problem) = error else { panic!("{error}") };
    assert_eq!((problem.status, problem.code.as_str()), (404, "not-found"));
    assert!(problem.detail.contains("sales.orders") && problem.hint.is_some(), "{problem:?}");
}

/// Reading on from `next_before` and `next_after` meets everything once.
#[tokio::test]
async fn pages_fit_together() {
    let door = Door::remote().await;
    with_orders(&door).await;
    door.test.append("sales.orders", "more.csv", "id,price\n9,9.5\n").await.unwrap();
    let (client, orders) = (door.client(), "sales.orders".parse().unwrap());
    let (mut numbers, mut before) = (Vec::new(), None);
    loop {
        let page = client.history(&orders, before, Some(1)).await.unwrap();
        numbers.extend(page.versions.iter().map(|version| version.version));
        before = page.next_before;
        if before.is_none() {
            break;
        }
    }
    assert_eq!(numbers, [3, 2, 1]);
    let all = client.history(&orders, None, None).await.unwrap();
    assert_eq!((all.versions.len(), all.next_before), (3, None));

    let (mut seqs, mut after) = (Vec::new(), Some(0));
    while let Some(seen) = after {
        let page = client.events(seen, Some(2)).await.unwrap();
        seqs.extend(page.events.iter().map(|event| event.seq));
        after = page.next_after;
    }
    let newest = client.lake().await.unwrap().seq;
    assert_eq!(seqs, (1..=newest).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_version_shows_schema_sources_and_files() {
    let door = Door::remote().await;
    with_orders(&door).await;
    let answer = door.client().version("sales.orders@v1").await.unwrap();
    assert_eq!((answer.version.version.version, answer.version.newest), (1, 2));
    let schema = answer.schema.unwrap();
    let names: Vec<_> = schema.fields.iter().map(|field| field.name.as_str()).collect();
    assert_eq!(names, ["id", "price"]);
    let sources = answer.version.sources.unwrap();
    assert_eq!(sources[0].file.name.as_deref(), Some("orders.csv"));
    assert_eq!(sources[0].accepted.rows, 2);
    let accounted = sources[0].accepted.bytes
        + sources[0].quarantined.bytes
        + sources[0].skipped.iter().map(|skipped| skipped.bytes).sum::<u64>();
    assert_eq!(accounted, sources[0].file.size_bytes, "P6 as the wire shows it");
    let files = answer.version.files.unwrap();
    assert_eq!(files.iter().map(|file| file.row_count.unwrap()).sum::<u64>(), 2);
}

#[tokio::test]
async fn references_resolve_together_or_not_at_all() {
    let door = Door::remote().await;
    with_orders(&door).await;
    let client = door.client();
    let refs = |texts: &[&str]| ResolveRequest {
        refs: texts.iter().map(|text| (*text).to_owned()).collect(),
        ..ResolveRequest::default()
    };
    let answer = client.resolve(&refs(&["sales.orders@v1", "crm.customers"])).await.unwrap();
    assert_eq!(answer.lake, door.test.lake.id());
    let found: Vec<_> = answer
        .versions
        .iter()
        .map(|found| (found.reference.to_string(), found.version.version, found.newest))
        .collect();
    assert_eq!(found, [("sales.orders@v1".to_owned(), 1, 2), ("crm.customers".to_owned(), 1, 1)]);
    assert!(answer.versions.iter().all(|found| found.files.is_none() && found.sources.is_none()));
    let error = client.resolve(&refs(&["sales.orders", "sales.orders@v9"])).await.unwrap_err();
    assert_eq!(error.code(), "not-found");
    assert!(error.to_string().contains("v9"), "{error}");
}

/// In process files are named where they lie; through a socket by this server's own paths.
#[tokio::test]
async fn files_are_named_where_the_reader_can_get_them() {
    let request =
        ResolveRequest { refs: vec!["sales.orders".to_owned()], files: true, ..Default::default() };
    let door = Door::local_in_folder().await;
    with_orders(&door).await;
    let answer = door.client().resolve(&request).await.unwrap();
    for file in answer.versions[0].files.as_ref().unwrap() {
        let path = url::Url::parse(&file.url).unwrap().to_file_path().unwrap();
        assert_eq!(std::fs::metadata(path).unwrap().len(), file.size_bytes);
    }
    let remote = Door::remote_in_folder().await;
    with_orders(&remote).await;
    let answer = remote.client().resolve(&request).await.unwrap();
    let found = &answer.versions[0];
    let sources = found.sources.as_ref().unwrap().iter().map(|source| &source.file);
    for file in found.files.as_ref().unwrap().iter().chain(sources) {
        assert_eq!(file.url, format!("/v1/objects/{}", file.object));
        let body = remote.get(&file.url).await.body;
        assert_eq!(lakebed_core::ObjectId::of(&body), file.object);
    }
}

//! OpenLineage: what others tell is kept once, and shown to those who may know of all that it names; what
//! happens here is told in order, whether anybody listens or not.

use std::{
    io,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use lakebed_core::{Declared, EventBody, ObjectId, lineage::LineageName};
use lakebed_service::{
    BuildRequest, Ctx, Error, Lake, LineageFilter, LineageSink, NoProgress, Result, SeenEvent,
    Sight,
};
use lakebed_testkit::TestLake;
use serde_json::{Value, json};

use crate::{
    builds::{Breaks, Broken, REFUSES},
    lineage::{PRODUCTS, World},
    promotions::{apply, ctx, promotion},
};

const PEOPLE: &str = r#"{"format":1,"grants":[
    {"to":"ann","may":["ingest"],"on":{"namespace":"sales"},"from_stage":"raw"},
    {"to":"bob","may":["discover"],"on":{"namespace":"sales"},"from_stage":"raw"},
    {"to":"eve","may":["read"],"on":{"namespace":"other"},"from_stage":"raw"},
    {"to":"loader","may":["ingest"],"on":"lake","from_stage":"raw"},
    {"to":"root","may":["admin"],"on":"lake","from_stage":"raw"},
    {"to":"auditor","may":["audit"],"on":"lake","from_stage":"raw"}]}"#;

const RUN: &str = "3f5e83fa-3480-44ff-99c5-ff943904e5e8";

/// A lake with datasets in two namespaces, and people who may do little.
async fn lake() -> TestLake {
    let test = TestLake::new().await;
    test.ingest("sales.orders", "o.csv", "id\n1\n").await.unwrap();
    test.ingest("crm.people", "p.csv", "id\n1\n").await.unwrap();
    let declared: Declared = serde_json::from_str(PEOPLE).unwrap();
    apply(&test, declared).await;
    test
}

fn ours(test: &TestLake, name: &str) -> Value {
    json!({ "namespace": format!("lakebed://{}", test.lake.id()), "name": name })
}

fn elsewhere(name: &str) -> Value {
    json!({ "namespace": "postgres://db:5432", "name": name })
}

fn run(inputs: Vec<Value>, outputs: Vec<Value>) -> Value {
    json!({
        "eventTime": "2026-01-02T03:04:05Z",
        "eventType": "COMPLETE",
        "producer": "https://example.org/p",
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
        "run": { "runId": RUN },
        "job": { "namespace": "dbt", "name": "model.orders" },
        "inputs": inputs,
        "outputs": outputs,
    })
}

async fn tell(test: &TestLake, who: &str, event: &Value) -> Result<ObjectId> {
    test.lake.receive_lineage(&ctx(who), Bytes::from(event.to_string())).await
}

/// How many events of lineage somebody sees.
async fn seen(test: &TestLake, who: &Ctx, filter: LineageFilter) -> usize {
    test.lake.lineage_events(who, &filter, None, 100).await.unwrap().events.len()
}

async fn recorded(test: &TestLake) -> usize {
    test.events(0, 1000).await.len()
}

#[tokio::test]
async fn an_event_is_kept_once_and_found() {
    let test = lake().await;
    let event = run(vec![elsewhere("raw.orders")], vec![ours(&test, "sales.orders")]);
    let before = recorded(&test).await;
    let told = tell(&test, "ann", &event).await.unwrap();
    assert_eq!(told, ObjectId::of(event.to_string().as_bytes()));
    for sender in ["ann", "loader"] {
        assert_eq!(tell(&test, sender, &event).await.unwrap(), told, "{sender}");
    }
    assert_eq!(recorded(&test).await, before + 1);
    let filters = [
        LineageFilter::default(),
        LineageFilter { dataset: Some("sales.orders".parse().unwrap()), ..Default::default() },
        LineageFilter { run: Some(RUN.to_owned()), ..Default::default() },
        LineageFilter {
            name: Some(LineageName {
                namespace: "postgres://db:5432".to_owned(),
                name: "raw.orders".to_owned(),
            }),
            dataset: Some("sales.orders".parse().unwrap()),
            run: Some(RUN.to_owned()),
        },
    ];
    for filter in filters {
        assert_eq!(seen(&test, &test.ctx(), filter.clone()).await, 1, "{filter:?}");
    }
    let other =
        LineageFilter { dataset: Some("crm.people".parse().unwrap()), ..Default::default() };
    assert_eq!(seen(&test, &test.ctx(), other).await, 0);
    let whole = test.lake.lineage_events(&test.ctx(), &LineageFilter::default(), None, 1).await;
    assert_eq!(whole.unwrap().events[0].received.told.id, told);
    // The bytes are there, as they came.
    let object = test.lake.catalog().find_object(told).await.unwrap().unwrap();
    assert_eq!(test.lake.store().get(&object).await.unwrap(), event.to_string());
}

#[tokio::test]
async fn what_is_not_as_the_schemas_say_leaves_nothing() {
    let test = lake().await;
    let before = recorded(&test).await;
    let mut event = run(vec![], vec![ours(&test, "sales.orders")]);
    event["run"]["runId"] = "7".into();
    let Error::Unfit { reasons, .. } = tell(&test, "ann", &event).await.unwrap_err() else {
        panic!("it was taken");
    };
    assert_eq!(reasons, ["/run/runId: it must be a UUID"]);
    let told = ObjectId::of(event.to_string().as_bytes());
    assert!(test.lake.catalog().find_object(told).await.unwrap().is_none());
    let broken = test.lake.receive_lineage(&ctx("ann"), Bytes::from_static(b"{")).await;
    assert_eq!(broken.unwrap_err().code(), "invalid-json");
    let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
    let deep = test.lake.receive_lineage(&ctx("ann"), Bytes::from(deep)).await;
    assert_eq!(deep.unwrap_err().code(), "invalid-json");
    assert_eq!(recorded(&test).await, before);
}

/// Whoever says that something was made must be allowed to make it; and what they are told when they may
/// not is the same of what is there and of what is not.
#[tokio::test]
async fn telling_takes_ingest() {
    let test = lake().await;
    let makes = |outputs| run(vec![elsewhere("x")], outputs);
    let mine = ours(&test, "sales.orders");
    tell(&test, "ann", &makes(vec![mine.clone(), elsewhere("copy")])).await.unwrap();
    let refused = |who: &'static str, event: Value| {
        let test = &test;
        async move {
            let error = tell(test, who, &event).await.unwrap_err();
            assert_eq!(error.code(), "forbidden", "{event}");
            error.to_string()
        }
    };
    let theirs = refused("ann", makes(vec![mine.clone(), ours(&test, "crm.people")])).await;
    let nobodys = refused("ann", makes(vec![mine.clone(), ours(&test, "zzz.nothing")])).await;
    assert_eq!(theirs, nobodys);
    refused("ann", makes(vec![elsewhere("copy")])).await;
    refused("ann", run(vec![mine.clone()], vec![])).await;
    refused("bob", makes(vec![mine.clone()])).await;
    // Nor is a version of it, or a part.
    for part in ["@v1", "@latest", "@v1!quarantine", "!quarantine"] {
        let people = ours(&test, &format!("crm.people{part}"));
        refused("ann", makes(vec![mine.clone(), people])).await;
        let orders = ours(&test, &format!("sales.orders{part}"));
        tell(&test, "ann", &makes(vec![orders])).await.unwrap();
    }
    // Another name for the same thing is no way round.
    let mut alias = elsewhere("alias");
    alias["facets"]["symlinks"] = json!({
        "_producer": "a:b", "_schemaURL": "a:c",
        "identifiers": [{ "namespace": mine["namespace"], "name": "crm.people", "type": "TABLE" }],
    });
    refused("ann", makes(vec![mine, alias])).await;
    tell(&test, "loader", &makes(vec![elsewhere("copy")])).await.unwrap();
    tell(&test, "loader", &makes(vec![ours(&test, "crm.people")])).await.unwrap();
}

/// P7: one dataset that somebody may not discover, named anywhere, and the event is not there for them.
#[tokio::test]
async fn events_that_name_what_is_hidden_are_left_out() {
    let test = lake().await;
    let orders = ours(&test, "sales.orders");
    let plain = run(vec![elsewhere("x")], vec![orders.clone()]);
    let edge = run(vec![ours(&test, "crm.people")], vec![orders.clone()]);
    let mut facet = run(vec![elsewhere("y")], vec![orders.clone()]);
    facet["outputs"][0]["facets"]["columnLineage"] = json!({
        "_producer": "a:b", "_schemaURL": "a:c",
        "fields": { "id": { "inputFields": [
            { "namespace": orders["namespace"], "name": "crm.people", "field": "id" },
        ] } },
    });
    let foreign = run(vec![elsewhere("x")], vec![elsewhere("y")]);
    for event in [&plain, &edge, &facet, &foreign] {
        tell(&test, "loader", event).await.unwrap();
    }
    let all = LineageFilter::default;
    assert_eq!(seen(&test, &test.ctx(), all()).await, 4);
    let bob = test.lake.lineage_events(&ctx("bob"), &all(), None, 100).await.unwrap();
    let [only] = &bob.events[..] else { panic!("{bob:?}") };
    assert_eq!(only.received.told.id, ObjectId::of(plain.to_string().as_bytes()));
    assert!(!only.is_whole);
    assert_eq!(seen(&test, &ctx("eve"), all()).await, 0);
    assert_eq!(seen(&test, &ctx("auditor"), all()).await, 4);
    assert_eq!(seen(&test, &ctx("root"), all()).await, 1);
    // The events of the lake tell no more.
    for (who, expected) in [("bob", 1), ("eve", 0), ("root", 1), ("auditor", 4)] {
        let events = test.lake.events(&ctx(who), 0, 1000).await.unwrap().events;
        let is_told = |seen: &&SeenEvent| matches!(seen.event.body, EventBody::LineageReceived(_));
        assert_eq!(events.iter().filter(is_told).count(), expected, "{who}");
    }
    let hidden = LineageFilter { dataset: Some("crm.people".parse().unwrap()), ..all() };
    assert_eq!(seen(&test, &ctx("bob"), hidden).await, 0);
}

/// P7: whoever names a version names its dataset.
#[tokio::test]
async fn p7_a_version_is_hidden_as_its_dataset_is() {
    let test = lake().await;
    let event = run(vec![ours(&test, "crm.people@v1")], vec![ours(&test, "sales.orders")]);
    tell(&test, "loader", &event).await.unwrap();
    for (who, expected) in [("bob", 0), ("eve", 0), ("auditor", 1)] {
        assert_eq!(seen(&test, &ctx(who), LineageFilter::default()).await, expected, "{who}");
    }
    let people = Some("crm.people".parse().unwrap());
    let of_people = LineageFilter { dataset: people, ..Default::default() };
    assert_eq!(seen(&test, &test.ctx(), of_people).await, 1);
}

#[tokio::test]
async fn pages_go_on_where_the_last_ended() {
    let test = lake().await;
    for number in 0..5 {
        let mut event = run(vec![], vec![ours(&test, "sales.orders")]);
        event["job"]["name"] = number.to_string().into();
        tell(&test, "ann", &event).await.unwrap();
    }
    let (mut before, mut jobs) = (None, Vec::new());
    loop {
        let all = LineageFilter::default();
        let page = test.lake.lineage_events(&ctx("bob"), &all, before, 2).await.unwrap();
        jobs.extend(page.events.into_iter().map(|seen| seen.received.job.unwrap().name));
        before = page.next_before;
        if before.is_none() {
            break;
        }
    }
    assert_eq!(jobs, ["4", "3", "2", "1", "0"]);
}

/// Two who tell the same at once: one event.
#[tokio::test]
async fn the_same_told_at_once_is_one_event() {
    let test = lake().await;
    let event = run(vec![], vec![ours(&test, "sales.orders")]);
    let before = recorded(&test).await;
    let told = futures::future::join_all((0..8).map(|_| tell(&test, "ann", &event))).await;
    assert!(told.iter().all(Result::is_ok), "{told:?}");
    assert_eq!(recorded(&test).await, before + 1);
}

/// Keeps what it is told; deaf as often as it is said.
#[derive(Default)]
struct Sink {
    heard: Mutex<Vec<Value>>,
    deaf: Mutex<usize>,
}

#[async_trait::async_trait]
impl LineageSink for Sink {
    fn name(&self) -> &'static str {
        "test"
    }

    async fn tell(&self, event: &str) -> io::Result<()> {
        let mut deaf = self.deaf.lock().unwrap();
        if *deaf > 0 {
            *deaf -= 1;
            return Err(io::Error::other("deaf"));
        }
        self.heard.lock().unwrap().push(serde_json::from_str(event).unwrap());
        Ok(())
    }
}

impl Sink {
    fn jobs(&self) -> Vec<String> {
        let heard = self.heard.lock().unwrap();
        let name = |event: &Value| {
            format!(
                "{} {}",
                event["eventType"].as_str().unwrap(),
                event["job"]["name"].as_str().unwrap()
            )
        };
        heard.iter().map(name).collect()
    }
}

#[tokio::test]
async fn what_happens_is_told_in_order_and_holds_to_the_schemas() {
    let test = TestLake::new().await;
    test.ingest("sales.orders", "o.csv", "id\n1\n2\n").await.unwrap();
    test.ingest("sales.orders", "torn.csv", "\"").await.unwrap_err();
    test.ingest("crm.people", "p.csv", "id\n1\n").await.unwrap();
    let sink = Sink::default();
    while test.lake.tell_some_lineage(&sink).await.unwrap() {}
    let expected = [
        "START ingest:sales.orders",
        "COMPLETE ingest:sales.orders",
        "START ingest:sales.orders",
        "FAIL ingest:sales.orders",
        "START ingest:crm.people",
        "COMPLETE ingest:crm.people",
    ];
    assert_eq!(sink.jobs(), expected);
    {
        let heard = sink.heard.lock().unwrap();
        for event in heard.iter() {
            assert_eq!(lakebed_openlineage::check(event), Vec::new(), "{event}");
        }
        let output = &heard[1]["outputs"][0];
        assert_eq!(output["outputFacets"]["outputStatistics"]["rowCount"], 2);
        assert_eq!(output["facets"]["schema"]["fields"][0]["name"], "id");
        assert_eq!(heard[1]["inputs"][0]["name"], "o.csv");
    }
    // Nothing is told twice, by another process either.
    let again = test.reopen().await.unwrap();
    assert!(!again.tell_some_lineage(&sink).await.unwrap());
    assert_eq!(sink.jobs().len(), 6);
    again.close().await;
    // What we tell could be told to us.
    let event = sink.heard.lock().unwrap()[0].to_string();
    test.lake.receive_lineage(&test.ctx(), Bytes::from(event)).await.unwrap();
}

/// Whoever does not listen holds nothing up, and hears the same later.
#[tokio::test]
async fn a_deaf_sink_is_told_again() {
    let test = TestLake::new().await;
    let sink = Sink { deaf: Mutex::new(2), ..Sink::default() };
    test.ingest("sales.orders", "o.csv", "id\n1\n").await.unwrap();
    for _ in 0..2 {
        let error = test.lake.tell_some_lineage(&sink).await.unwrap_err();
        assert_eq!(error.code(), "unavailable");
        test.ingest("sales.orders", "o.csv", &format!("id\n{}\n", recorded(&test).await))
            .await
            .unwrap();
    }
    assert!(test.lake.tell_some_lineage(&sink).await.unwrap());
    let told = ["START ingest:sales.orders", "COMPLETE ingest:sales.orders"];
    assert_eq!(sink.jobs(), [told; 3].concat());
    let versions = |event: &Value| event["run"]["runId"].as_str().unwrap().to_owned();
    let mut runs: Vec<String> = sink.heard.lock().unwrap().iter().map(versions).collect();
    runs.dedup();
    assert_eq!(runs.len(), 3);
}

/// What was told is an event like any other, of whoever told it.
#[tokio::test]
async fn it_is_an_event_of_the_journal() {
    let test = lake().await;
    tell(&test, "ann", &run(vec![], vec![ours(&test, "sales.orders")])).await.unwrap();
    let events = test.events(0, 1000).await;
    let last = &events.last().unwrap();
    assert_eq!(last.actor, "ann");
    assert!(matches!(last.body, EventBody::LineageReceived(_)));
}

/// A build is told to have begun and then how it ended, as one run: what it read, what came of it, column
/// by column.
#[tokio::test]
async fn builds_are_told_from_their_beginning() {
    let world = World::new().await;
    let test = &world.test;
    let sink = Sink::default();
    while test.lake.tell_some_lineage(&sink).await.unwrap() {}
    assert_eq!(
        sink.jobs(),
        [
            "START ingest:sales.orders",
            "COMPLETE ingest:sales.orders",
            "START ingest:sales.regions",
            "COMPLETE ingest:sales.regions",
            "START build:products.daily",
            "COMPLETE build:products.daily",
            "START build:products.best",
            "COMPLETE build:products.best",
        ]
    );
    let heard = std::mem::take(&mut *sink.heard.lock().unwrap());
    for event in &heard {
        assert_eq!(lakebed_openlineage::check(event), Vec::new(), "{event}");
    }
    let (began, ended) = (&heard[4], &heard[5]);
    assert_eq!(began["run"]["runId"], ended["run"]["runId"]);
    assert_ne!(ended["run"]["runId"], heard[7]["run"]["runId"]);
    assert_eq!(began["inputs"], ended["inputs"]);
    assert_eq!(began["job"], ended["job"]);
    assert_eq!(ended["job"]["facets"]["sql"]["query"], PRODUCTS[0].1);
    assert_eq!(ended["job"]["facets"]["jobType"]["jobType"], "build");
    let namespace = format!("lakebed://{}", test.lake.id());
    let version = |event: &Value| event["facets"]["version"]["datasetVersion"].clone();
    for (input, dataset) in ended["inputs"].as_array().unwrap().iter().zip(["orders", "regions"]) {
        let dataset = format!("sales.{dataset}");
        assert_eq!((&input["namespace"], &input["name"]), (&json!(namespace), &json!(dataset)));
        assert_eq!(version(input), format!("b3:{}", world.version_id(&dataset).await));
    }
    // Nothing is there when it begins.
    let [output, before] = [ended, began].map(|event| event["outputs"][0].clone());
    assert_eq!(
        (&before["name"], &before["facets"]["version"]),
        (&json!("products.daily"), &Value::Null)
    );
    assert_eq!(version(&output), format!("b3:{}", world.version_id("products.daily").await));
    assert_eq!(output["outputFacets"]["outputStatistics"]["rowCount"], 1);
    let told = &output["facets"]["columnLineage"];
    let origins = |column: &str| {
        let fields = told["fields"][column]["inputFields"].as_array().unwrap().clone();
        let field = |field: &Value| {
            format!("{}.{}", field["name"].as_str().unwrap(), field["field"].as_str().unwrap())
        };
        fields.iter().map(field).collect::<Vec<_>>()
    };
    assert_eq!(origins("total"), ["sales.orders.amount", "sales.orders.rate"]);
    assert_eq!(origins("area"), ["sales.regions.area"]);
    assert_eq!(told["dataset"][0]["field"], "flavour", "{told}");
}

/// The event of a version is what was told when it was made, to the byte: an ingest, a build, a program.
#[tokio::test]
async fn the_event_of_a_version_is_the_run_that_was_told() {
    let asked = async |lake: &Lake, who: &Ctx, reference: &str| {
        let event = lake.openlineage(who, &reference.parse().unwrap()).await.unwrap();
        assert_eq!(lakebed_openlineage::check(&event), Vec::new(), "{event}");
        event
    };
    let world = World::new().await;
    world.orders("1,10,2,a\n2,20,3,b\n").await;
    let sink = Sink::default();
    while world.test.lake.tell_some_lineage(&sink).await.unwrap() {}
    let heard = std::mem::take(&mut *sink.heard.lock().unwrap());
    for (place, reference) in [
        (1, "sales.orders@v1"),
        (3, "sales.regions"),
        (5, "products.daily"),
        (7, "products.best"),
        (9, "sales.orders"),
    ] {
        let event = asked(&world.test.lake, &ctx("carol"), reference).await;
        assert_eq!(event, heard[place], "{reference}");
    }
    // P7: whoever may not know of all of it is told of the same run, and less.
    for who in ["alice", "dora", "rita"] {
        let event = asked(&world.test.lake, &ctx(who), "products.daily").await;
        assert_eq!(event["run"], heard[5]["run"], "{who}");
        assert_eq!(event["job"]["name"], "build:products.daily");
        assert_eq!(event["job"]["facets"]["sql"], Value::Null, "{who}");
        let output = &event["outputs"][0];
        let is_readable = who != "rita";
        assert_eq!(output["outputFacets"]["outputStatistics"].is_object(), is_readable, "{who}");
        let version = output["facets"]["version"]["datasetVersion"].as_str().unwrap();
        assert_eq!((version == "v1", version.starts_with("b3:")), (!is_readable, is_readable));
        let inputs = event["inputs"].as_array().unwrap();
        assert_eq!(inputs.len(), if who == "alice" { 0 } else { 2 }, "{who}");
    }
    let rita = asked(&world.test.lake, &ctx("rita"), "sales.orders").await;
    assert_eq!((&rita["run"], &rita["inputs"]), (&heard[9]["run"], &json!([])));

    let test = crate::runs::lake().await;
    crate::runs::run(&test, crate::runs::SCORES, "weights").await.unwrap();
    let sink = Sink::default();
    while test.lake.tell_some_lineage(&sink).await.unwrap() {}
    let heard = std::mem::take(&mut *sink.heard.lock().unwrap());
    for reference in ["ml.scores", "ml.model"] {
        let event = asked(&test.lake, &test.ctx(), reference).await;
        assert_eq!(event, heard[5], "{reference}");
    }
}

/// A build that fails is told, too: that it began, and that it failed, without a word of the data.
#[tokio::test]
async fn builds_that_fail_are_told() {
    let world = World::new().await;
    world.orders("1,10,2,a\n2,20,3,b\n").await;
    let sink = Sink::default();
    let told = async || {
        while world.test.lake.tell_some_lineage(&sink).await.unwrap() {}
        std::mem::take(&mut *sink.heard.lock().unwrap())
    };
    let request = BuildRequest { product: "products.daily".parse().unwrap(), locked: None };
    let build = async |lake: &Lake, who: &Ctx| {
        lake.build(who, request.clone(), Arc::new(NoProgress)).await.unwrap_err()
    };
    told().await;
    let lake = world.test.reopen_with(Arc::new(Broken(Breaks::Rows))).await.unwrap();
    assert_eq!(build(&lake, &ctx("carol")).await.code(), "sql-failed");
    lake.close().await;
    world.declare(&PRODUCTS, REFUSES).await;
    assert_eq!(build(&world.test.lake, &ctx("carol")).await.code(), "contract-unfit");
    let heard = told().await;
    let kinds: Vec<&str> = heard.iter().map(|event| event["eventType"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["START", "FAIL", "START", "FAIL"]);
    for pair in heard.chunks(2) {
        let [began, failed] = pair else { panic!("{pair:?}") };
        for event in pair {
            assert_eq!(lakebed_openlineage::check(event), Vec::new(), "{event}");
            assert_eq!(event["job"]["name"], "build:products.daily");
            assert_eq!(event["inputs"][0]["name"], "sales.orders");
            assert_eq!(event["inputs"].as_array().unwrap().len(), 2);
            assert_eq!(event["outputs"][0]["facets"]["version"], Value::Null);
        }
        assert_eq!(began["run"]["runId"], failed["run"]["runId"]);
        assert!(failed["run"]["facets"]["errorMessage"]["message"].is_string());
    }
    assert!(!heard.iter().any(|event| event.to_string().contains("4711")), "a value of the data");
    // Who may not know what it is made of does not learn it by the event.
    let events = world.test.lake.events(&ctx("alice"), 0, 1000).await.unwrap().events;
    let refused = |seen: &&SeenEvent| matches!(seen.event.body, EventBody::IngestRefused(_));
    let seen: Vec<_> = events.iter().filter(refused).collect();
    assert_eq!(seen.len(), 2);
    assert!(seen.iter().all(|seen| seen.sight != Sight::Whole), "inputs are in the whole of it");
}

#[tokio::test]
async fn promotions_and_owners_are_told() {
    let test = crate::promotions::lake().await;
    let asked = promotion(&["sales.customers"], "validated");
    assert!(test.lake.promote(&ctx("dan"), &asked).await.unwrap().event.is_some());
    let sink = Sink::default();
    while test.lake.tell_some_lineage(&sink).await.unwrap() {}
    assert_eq!(sink.jobs().last().unwrap(), "COMPLETE promote:sales.customers:validated");
    let heard = sink.heard.lock().unwrap();
    let event = heard.last().unwrap();
    assert_eq!(lakebed_openlineage::check(event), Vec::new());
    assert_eq!(event["inputs"][0]["name"], "sales.customers");
    let facets = &event["outputs"][0]["facets"];
    assert_eq!(facets["ownership"]["owners"][0]["name"], "olga");
    assert_eq!(facets["version"], event["inputs"][0]["facets"]["version"]);
}

/// A program is one run, with all that it read and all that came of it, from when it began.
#[tokio::test]
async fn a_program_is_told_as_one_run() {
    let test = crate::runs::lake().await;
    crate::runs::run(&test, crate::runs::SCORES, "weights").await.unwrap();
    let sink = Sink::default();
    while test.lake.tell_some_lineage(&sink).await.unwrap() {}
    let job = "run:ml.scores,ml.model";
    assert_eq!(sink.jobs()[4..], [format!("START {job}"), format!("COMPLETE {job}")]);
    let heard = sink.heard.lock().unwrap();
    let [began, ended] = &heard[4..] else { panic!("{heard:?}") };
    for event in [began, ended] {
        assert_eq!(lakebed_openlineage::check(event), Vec::new(), "{event}");
        assert_eq!(event["inputs"].as_array().unwrap().len(), 1);
        assert_eq!(event["inputs"][0]["name"], "sales.orders");
    }
    assert_eq!(began["run"], ended["run"]);
    assert!(began["eventTime"].as_str() < ended["eventTime"].as_str(), "{began} {ended}");
    let outputs = ended["outputs"].as_array().unwrap();
    let rows = outputs.iter().map(|output| &output["outputFacets"]["outputStatistics"]["rowCount"]);
    assert_eq!(rows.collect::<Vec<_>>(), [&json!(2), &json!(1)]);
    assert!(outputs.iter().all(|output| output["facets"]["version"].is_object()), "{ended}");
}

/// So is one of which nothing came, without the words of its owner, which may hold values.
#[tokio::test]
async fn a_program_that_failed_is_told() {
    let test = crate::runs::lake().await;
    crate::runs::failed(&test, &test.ctx()).await;
    let sink = Sink::default();
    while test.lake.tell_some_lineage(&sink).await.unwrap() {}
    let job = "run:ml.scores,ml.model";
    assert_eq!(sink.jobs()[4..], [format!("START {job}"), format!("FAIL {job}")]);
    let heard = sink.heard.lock().unwrap();
    let ended = heard.last().unwrap();
    assert_eq!(lakebed_openlineage::check(ended), Vec::new(), "{ended}");
    assert_eq!(ended["inputs"][0]["name"], "sales.orders");
    let message = &ended["run"]["facets"]["errorMessage"]["message"];
    assert_eq!(message, "the program ended with 3");
    assert!(!ended.to_string().contains("it failed"), "{ended}");
}

//! Every example that OpenLineage publishes is taken or refused as its schema says; what is wrong is told by
//! its place; what we tell holds to the same schemas.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{collections::BTreeMap, fs, path::Path};

use lakebed_core::{
    DataType, DatasetName, Event, EventBody, Field, LakeId, ObjectId, StoredObject, TableSchema,
    Timestamp, VersionId, lineage::LineageKind,
};
use lakebed_openlineage::{
    Built, Counted, MAX_DATASETS, MAX_TEXT_BYTES, Told, ToldInput, ToldOutput, check, read,
    run_id_of, told,
};
use serde_json::{Value, json};

const LAKE: LakeId = LakeId::from_bytes([7; 16]);

fn stored() -> StoredObject {
    StoredObject { id: ObjectId::of(b"told"), size_bytes: 4, tree: None }
}

fn run() -> Value {
    json!({
        "eventTime": "2026-01-02T03:04:05.678+01:00",
        "eventType": "COMPLETE",
        "producer": "https://example.org/p",
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
        "run": { "runId": "F69A6E9B-9bac-3c9a-9cf6-eacb70ecc9a9" },
        "job": { "namespace": "n", "name": "j" },
        "inputs": [],
        "outputs": [],
    })
}

fn faults(event: &Value) -> Vec<String> {
    check(event).iter().map(ToString::to_string).collect()
}

/// The examples of facets as upstream keeps them: a folder for each facet, and in every file an object
/// with the facet under its key.
fn examples() -> BTreeMap<String, Value> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let mut examples = BTreeMap::new();
    for folder in fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()) {
        if !folder.is_dir() {
            continue;
        }
        for file in fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
            let name = format!(
                "{}/{}",
                folder.file_name().unwrap().to_str().unwrap(),
                file.file_name().unwrap().to_str().unwrap()
            );
            examples.insert(name, serde_json::from_slice(&fs::read(file).unwrap()).unwrap());
        }
    }
    examples
}

/// Where a facet of that folder stands in an event.
fn place_of(folder: &str, key: &str, facet: &Value) -> &'static str {
    match folder {
        "LineageFacet" if facet.get("entries").is_some() => "/job/facets",
        "LineageFacet" => "/outputs/0/facets",
        "BaseSubsetDatasetFacet" if facet.get("outputCondition").is_some() => {
            "/outputs/0/outputFacets"
        }
        "BaseSubsetDatasetFacet" => "/inputs/0/inputFacets",
        _ if folder.ends_with("RunFacet") => "/run/facets",
        _ if folder.ends_with("JobFacet") => "/job/facets",
        _ if folder.ends_with("InputDatasetFacet") => "/inputs/0/inputFacets",
        _ if folder.ends_with("OutputDatasetFacet") => "/outputs/0/outputFacets",
        _ if key == "dataQualityAssertions" => "/inputs/0/inputFacets",
        _ => "/outputs/0/facets",
    }
}

fn with_facet(pointer: &str, key: &str, facet: &Value) -> Value {
    let mut event = run();
    let dataset = json!({ "namespace": "n", "name": "d", "facets": {} });
    event["inputs"] = json!([dataset]);
    event["outputs"] = json!([dataset]);
    let (owner, facets) = pointer.rsplit_once('/').unwrap();
    event.pointer_mut(owner).unwrap()[facets] = json!({ key: facet });
    event
}

#[test]
fn published_facets_are_taken() {
    let examples = examples();
    assert!(examples.len() >= 40, "{}", examples.len());
    for (name, example) in &examples {
        let folder = name.split('/').next().unwrap();
        for (key, facet) in example.as_object().unwrap() {
            let event = with_facet(place_of(folder, key, facet), key, facet);
            assert_eq!(faults(&event), Vec::<String>::new(), "{name}");
        }
    }
}

/// The naive version takes whatever has a producer: every field of an example that its schema gives a type
/// is made a number of the wrong kind in turn.
#[test]
fn broken_facets_are_refused_at_their_place() {
    let mut refused = 0;
    for (name, example) in &examples() {
        let folder = name.split('/').next().unwrap();
        for (key, facet) in example.as_object().unwrap() {
            let pointer = place_of(folder, key, facet);
            let mut broken = facet.clone();
            broken.as_object_mut().unwrap().remove("_producer");
            let event = with_facet(pointer, key, &broken);
            let told = faults(&event);
            let expected = format!("{pointer}/{key}: `_producer` is missing");
            assert!(told.contains(&expected), "{name}: {told:?}");
            refused += 1;
        }
    }
    assert!(refused >= 40, "{refused}");
}

#[test]
fn the_published_event_is_one_of_a_run() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/example_full_event.json");
    let event: Value = serde_json::from_slice(&fs::read(root).unwrap()).unwrap();
    let received = read(&event, LAKE, stored()).unwrap();
    assert_eq!(received.kind, LineageKind::Run);
    assert_eq!(received.run.as_deref(), Some("f69a6e9b-9bac-3c9a-9cf6-eacb70ecc9a9"));
}

/// What openlineage-dbt 1.54 sent of `dbt-ol seed`, `run` and `test` with dbt-core 1.12 on PostgreSQL 15.
#[test]
fn events_of_dbt_are_taken() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/dbt.jsonl");
    let text = fs::read_to_string(path).unwrap();
    let mut edges = 0;
    for line in text.lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        assert_eq!(faults(&event), Vec::<String>::new(), "{line}");
        let received = read(&event, LAKE, stored()).unwrap();
        edges += received.inputs.len() + received.outputs.len();
    }
    assert_eq!((text.lines().count(), edges), (12, 8));
}

#[test]
fn what_is_wrong_is_told_by_its_place() {
    let change = |pointer: &str, value: Value| {
        let mut event = run();
        *event.pointer_mut(pointer).unwrap() = value;
        faults(&event)
    };
    assert_eq!(change("/run/runId", json!("7")), ["/run/runId: it must be a UUID"]);
    assert_eq!(
        change("/eventTime", json!("now")),
        ["/eventTime: it must be a time as RFC 3339 writes it"]
    );
    assert_eq!(change("/producer", json!("me")), ["/producer: it must be a URI with its scheme"]);
    assert_eq!(
        change("/eventType", json!("DONE")),
        [
            "/eventType: it must be `START` or `RUNNING` or `COMPLETE` or `ABORT` or `FAIL` or `OTHER`"
        ]
    );
    assert_eq!(change("/inputs", json!([{ "name": "x" }])), ["/inputs/0: `namespace` is missing"]);
    assert_eq!(change("/job", json!([])), ["/job: it must be an object"]);
    assert_eq!(faults(&json!(3)), ["the event: it must be an object"]);
    let mut nobody = run();
    nobody.as_object_mut().unwrap().remove("job");
    assert_eq!(faults(&nobody), ["the event: `job` is missing"]);
    // Without what tells the kinds apart, all three are told, and the nearest.
    let kinds = "it is none of the three kinds: a run event has `run` and `job`, a job event has `job`, \
                 a dataset event has `dataset`";
    nobody.as_object_mut().unwrap().remove("run");
    assert_eq!(
        faults(&nobody),
        [format!("the event: {kinds}; for a run event it lacks `run` and `job`")]
    );
    nobody.as_object_mut().unwrap().remove("eventType");
    nobody.as_object_mut().unwrap().remove("producer");
    assert_eq!(
        faults(&nobody),
        [
            format!("the event: {kinds}; for a job event it lacks `job`"),
            "the event: `producer` is missing".to_owned()
        ]
    );
    let facet = json!({ "_producer": "a:b", "_schemaURL": "a:c", "fields": [{ "type": "int" }] });
    assert_eq!(
        faults(&with_facet("/outputs/0/facets", "schema", &facet)),
        ["/outputs/0/facets/schema/fields/0: `name` is missing"]
    );
    let entries = json!({
        "_producer": "a:b", "_schemaURL": "a:c",
        "entries": [{ "type": "DATASET", "namespace": "n" }],
    });
    assert_eq!(
        faults(&with_facet("/job/facets", "lineage", &entries)),
        ["/job/facets/lineage/entries/0: `name` is missing"]
    );
}

/// RFC 3339 has four digits for a year, also once the offset is gone.
#[test]
fn a_time_that_cannot_be_written_in_utc_is_refused() {
    let at = |time: &str| {
        let mut event = run();
        event["eventTime"] = json!(time);
        faults(&event)
    };
    for time in ["9999-12-31T23:59:59Z", "0000-01-01T00:00:00Z", "9999-12-31T20:59:59-03:00"] {
        assert_eq!(at(time), Vec::<String>::new(), "{time}");
    }
    for time in ["9999-12-31T23:59:59-12:00", "0000-01-01T00:00:00+14:00", "9999-12-31T23:59:60Z"] {
        let expected = "/eventTime: it must be a time in the years 0000 to 9999, UTC";
        assert_eq!(at(time), [expected], "{time}");
    }
}

#[test]
fn facets_of_others_and_of_other_models_are_taken() {
    let custom = json!({ "_producer": "a:b", "_schemaURL": "https://example.org/f", "x": [1, 2] });
    assert!(faults(&with_facet("/run/facets", "acme_load", &custom)).is_empty());
    let newer = json!({
        "_producer": "a:b",
        "_schemaURL": "https://openlineage.io/spec/facets/9-0-0/SQLJobFacet.json",
        "statement": "SELECT 1",
    });
    assert!(faults(&with_facet("/job/facets", "sql", &newer)).is_empty());
    let deleted = json!({ "_producer": "a:b", "_schemaURL": "a:c", "_deleted": true });
    assert!(faults(&with_facet("/job/facets", "sql", &deleted)).is_empty());
    let known = json!({ "_producer": "a:b", "_schemaURL": "https://example.org/f" });
    assert_eq!(
        faults(&with_facet("/job/facets", "sql", &known)),
        ["/job/facets/sql: `query` is missing"]
    );
}

#[test]
fn events_are_bounded() {
    let mut many = run();
    let dataset = |number: usize| json!({ "namespace": "n", "name": number.to_string() });
    many["inputs"] = (0..=MAX_DATASETS).map(dataset).collect();
    assert_eq!(
        faults(&many),
        ["the event: it has 2001 inputs and outputs, and 2000 at most are kept"]
    );
    let mut long = run();
    long["job"]["name"] = "x".repeat(MAX_TEXT_BYTES + 1).into();
    assert_eq!(faults(&long), ["/job/name: it has 1001 bytes, and 1000 at most are kept"]);
    let mut nul = run();
    nul["outputs"] = json!([{ "namespace": "n", "name": "a\0b" }]);
    assert_eq!(faults(&nul), ["/outputs/0/name: it holds the character NUL"]);
}

#[test]
fn datasets_of_this_lake_are_found_wherever_they_are_named() {
    let ours = format!("lakebed://{LAKE}");
    let mut event = run();
    event["inputs"] = json!([
        { "namespace": ours, "name": "sales.orders" },
        { "namespace": format!("lakebed://{}", LakeId::from_bytes([8; 16])), "name": "a.b" },
        { "namespace": "postgres://db:5432", "name": "db.public.orders", "facets": { "symlinks": {
            "_producer": "a:b", "_schemaURL": "a:c",
            "identifiers": [{ "namespace": ours, "name": "sales.mirror", "type": "TABLE" }],
        } } },
        { "namespace": ours, "name": "no name of ours" },
    ]);
    event["outputs"] = json!([{ "namespace": "x", "name": "y", "facets": { "columnLineage": {
        "_producer": "a:b", "_schemaURL": "a:c",
        "fields": { "k": { "inputFields": [
            { "namespace": ours, "name": "people.secret!quarantine", "field": "k" },
        ] } },
    } } }]);
    let received = read(&event, LAKE, stored()).unwrap();
    let names = |names: &std::collections::BTreeSet<DatasetName>| {
        names.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let nodes: Vec<_> = received.inputs.iter().map(|node| names(&node.datasets)).collect();
    assert_eq!(
        nodes,
        [vec!["sales.orders".to_owned()], vec![], vec!["sales.mirror".to_owned()], vec![]]
    );
    assert!(received.outputs[0].datasets.is_empty());
    // What is named in a facet alone is named, too: that decides who may know of the event.
    assert_eq!(names(&received.datasets), ["people.secret", "sales.mirror", "sales.orders"]);
}

/// Whatever stands behind the name, and whether it means anything.
#[test]
fn versions_and_parts_are_of_their_dataset() {
    let orders: DatasetName = "sales.orders".parse().unwrap();
    let parts =
        ["@v1", "@latest", "@b3:0123", "@2026-01-01", "@v1!quarantine", "!quarantine@v1", "@"];
    for part in parts {
        let name = format!("sales.orders{part}");
        let named = json!([{ "namespace": format!("lakebed://{LAKE}"), "name": name }]);
        let mut event = run();
        (event["inputs"], event["outputs"]) = (named.clone(), named);
        let received = read(&event, LAKE, stored()).unwrap();
        let (input, output) = (&received.inputs[0], &received.outputs[0]);
        assert_eq!((&input.name.name, &output.name.name), (&name, &name), "as it was told");
        for datasets in [&input.datasets, &output.datasets, &received.datasets] {
            assert!(datasets.iter().eq([&orders]), "{name}: {datasets:?}");
        }
    }
}

#[test]
fn jobs_and_datasets_have_events_too() {
    let mut job = run();
    job.as_object_mut().unwrap().remove("run");
    let received = read(&job, LAKE, stored()).unwrap();
    assert_eq!((received.kind, received.event_type), (LineageKind::Job, None));
    let mut dataset = job.clone();
    dataset.as_object_mut().unwrap().remove("job");
    dataset["dataset"] = json!({ "namespace": "n", "name": "d" });
    let received = read(&dataset, LAKE, stored()).unwrap();
    assert_eq!(received.kind, LineageKind::Dataset);
    assert_eq!(received.outputs[0].name.name, "d");
}

#[test]
fn what_we_tell_holds_to_the_schemas() {
    let dataset: DatasetName = "sales.report".parse().unwrap();
    let event = Event {
        seq: 12,
        at: Timestamp::from_micros(1_700_000_000_000_000),
        actor: "local:ann".to_owned(),
        idempotency_key: None,
        body: EventBody::DatasetRetired { dataset: dataset.clone() },
    };
    let version = VersionId::new(ObjectId::of(b"v"));
    let mut schema = TableSchema::default();
    schema.fields.push(Field {
        id: 1,
        name: "day".to_owned(),
        required: false,
        data_type: DataType::Date,
    });
    let mut about = Told {
        lake: LAKE,
        event: &event,
        began_at: Some(Timestamp::from_micros(1_600_000_000_000_000)),
        deed: "build",
        stage: None,
        inputs: vec![
            ToldInput::Version("sales.orders".parse().unwrap(), version),
            ToldInput::Original("a b.csv".to_owned(), ObjectId::of(b"o")),
        ],
        outputs: vec![ToldOutput {
            dataset: &dataset,
            built: Some(Built {
                version_id: version,
                schema: Some(&schema),
                counted: Some(Counted { row_count: 3, size_bytes: 40, file_count: 1 }),
            }),
            lineage: None,
            owner: Some("local:ann"),
            description: Some("reports"),
        }],
        sql: Some("SELECT 1"),
        failure: None,
    };
    let [began, done] = told(&about);
    assert_eq!(faults(&began), Vec::<String>::new());
    assert_eq!(faults(&done), Vec::<String>::new());
    assert_eq!([&began, &done], told(&about).each_ref(), "told twice, it is one run");
    assert_eq!((&began["eventType"], &done["eventType"]), (&json!("START"), &json!("COMPLETE")));
    assert_eq!(began["eventTime"], "2020-09-13T12:26:40.000000Z");
    assert_eq!(done["eventTime"], "2023-11-14T22:13:20.000000Z");
    assert_eq!((&began["run"], &began["job"]), (&done["run"], &done["job"]));
    assert_eq!(began["outputs"][0]["facets"]["version"], Value::Null, "there is nothing yet");
    assert_eq!(done["job"]["name"], "build:sales.report");
    assert_eq!(done["outputs"][0]["facets"]["schema"]["fields"][0]["name"], "day");
    let received = read(&done, LAKE, stored()).unwrap();
    assert_eq!(received.outputs[0].datasets.len(), 1);
    about.failure = Some("no rows");
    about.outputs[0].built = None;
    // Whatever a program says of its clock, it began before it ended.
    about.began_at = Some(Timestamp::LAST);
    let [began, failed] = told(&about);
    assert_eq!((faults(&failed), &failed["eventType"]), (Vec::new(), &json!("FAIL")));
    assert_eq!(began["eventTime"], failed["eventTime"]);
    assert_ne!(run_id_of(LAKE, 1), run_id_of(LAKE, 2));
}

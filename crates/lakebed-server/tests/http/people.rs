//! What somebody may not discover does not exist, on any route: the answer is that of a thing that
//! is not there, word for word (P7, as far as grants go).
//!
//! The routes are read from the API's own description: one without a rule here fails the test.

use std::{collections::BTreeSet, sync::Arc};

use axum::body::Body;
use lakebed_core::{Declared, Identity, ObjectId, Standing};
use lakebed_server::{Access, AppState, Asks, Auth, router};
use lakebed_service::{ApplyCatalog, Detail};
use lakebed_testkit::TestLake;
use serde_json::json;

use crate::support::{Answer, Door};

/// What a probe names: something hidden, or something that is not there.
#[derive(Debug, Clone)]
struct Thing {
    namespace: String,
    name: String,
    /// Of a version, and of an object.
    digests: [ObjectId; 2],
}

impl Thing {
    fn dataset(&self) -> String {
        format!("{}.{}", self.namespace, self.name)
    }

    /// `text` with everything of this thing taken out.
    fn blank(&self, text: &str) -> String {
        let mut text = text.replace(&self.dataset(), "THING");
        for digest in self.digests {
            let digest = digest.to_string();
            text = text.replace(&digest, "DIGEST").replace(&digest[..12], "PREFIX");
        }
        text.replace(&self.namespace, "NAMESPACE").replace(&self.name, "NAME")
    }
}

/// One request that names a thing, or none.
struct Probe {
    method: &'static str,
    path: String,
    headers: Vec<String>,
    body: String,
}

/// An upload, a job and a statement that are not there.
const OTHERS: &str = "0123456789abcdef0123456789abcdef";

fn get(path: impl Into<String>) -> Probe {
    Probe { method: "GET", path: path.into(), headers: Vec::new(), body: String::new() }
}

fn post(path: &str, body: serde_json::Value) -> Probe {
    Probe {
        method: "POST",
        path: path.to_owned(),
        headers: vec!["content-type: application/json".to_owned()],
        body: body.to_string(),
    }
}

/// How each documented operation is asked about a thing. None for an operation that nobody thought
/// of here.
fn probes(operation: &str, thing: &Thing) -> Option<Vec<Probe>> {
    let dataset = thing.dataset();
    let Thing { namespace, name, digests: [version, object] } = thing;
    let prefix = &version.to_string()[..12];
    let selectors = [
        String::new(),
        "@latest".to_owned(),
        "@v1".to_owned(),
        "@v99".to_owned(),
        "@raw".to_owned(),
        "@product".to_owned(),
        format!("@b3:{prefix}"),
        "@2020-01-01".to_owned(),
        "@2999-01-01".to_owned(),
    ];
    let references = selectors.iter().map(|selector| format!("{dataset}{selector}"));
    let declared = json!({ "format": 1 });
    Some(match operation {
        "GET /health/live" => vec![get("/health/live")],
        "GET /health/ready" => vec![get("/health/ready")],
        "GET /openapi.json" => vec![],
        "GET /v1/lake" => vec![get("/v1/lake")],
        "GET /v1/datasets" => {
            vec![get("/v1/datasets"), get(format!("/v1/datasets?namespace={namespace}"))]
        }
        "GET /v1/datasets/{namespace}/{name}" => {
            vec![get(format!("/v1/datasets/{namespace}/{name}"))]
        }
        "GET /v1/datasets/{namespace}/{name}/versions" => vec![
            get(format!("/v1/datasets/{namespace}/{name}/versions")),
            get(format!("/v1/datasets/{namespace}/{name}/versions?before=2&limit=1")),
        ],
        "GET /v1/versions" => {
            references.map(|reference| get(format!("/v1/versions?ref={reference}"))).collect()
        }
        "GET /v1/profiles" => {
            references.map(|reference| get(format!("/v1/profiles?ref={reference}"))).collect()
        }
        "POST /v1/diffs" => references
            .flat_map(|reference| {
                [
                    post("/v1/diffs", json!({ "from": "hr.people", "to": &reference })),
                    post(
                        "/v1/diffs",
                        json!({ "from": &reference, "to": "hr.people", "key": ["id"] }),
                    ),
                ]
            })
            .collect(),
        "POST /v1/resolve" => references
            .flat_map(|reference| {
                [
                    post("/v1/resolve", json!({ "refs": [&reference] })),
                    post(
                        "/v1/resolve",
                        json!({ "refs": ["hr.people", &reference], "files": true }),
                    ),
                ]
            })
            .collect(),
        "GET /v1/objects/{digest}" => {
            let path = format!("/v1/objects/{object}");
            let with = |header: String| Probe { headers: vec![header], ..get(&path) };
            vec![
                get(&path),
                get(format!("/v1/objects/{version}")),
                Probe { method: "HEAD", ..get(&path) },
                with("range: bytes=0-3".to_owned()),
                with(format!("if-none-match: \"b3:{object}\"")),
                with("if-none-match: *".to_owned()),
            ]
        }
        "POST /v1/uploads" => vec![Probe {
            method: "POST",
            headers: vec!["content-type: application/octet-stream".to_owned()],
            body: "a\n1\n".to_owned(),
            ..get("/v1/uploads?name=a.csv")
        }],
        // Uploads and jobs are their owner's alone; that of another is like none.
        "GET /v1/uploads/{id}" => vec![get(format!("/v1/uploads/{OTHERS}"))],
        "PATCH /v1/uploads/{id}" => vec![Probe {
            method: "PATCH",
            headers: vec![
                "content-type: application/partial-upload".to_owned(),
                "upload-offset: 0".to_owned(),
            ],
            body: "a\n".to_owned(),
            ..get(format!("/v1/uploads/{OTHERS}"))
        }],
        "DELETE /v1/uploads/{id}" => {
            vec![Probe { method: "DELETE", ..get(format!("/v1/uploads/{OTHERS}")) }]
        }
        "GET /v1/jobs" => vec![get("/v1/jobs")],
        "GET /v1/jobs/{id}" => vec![get(format!("/v1/jobs/{OTHERS}"))],
        "GET /v1/jobs/{id}/events" => vec![get(format!("/v1/jobs/{OTHERS}/events"))],
        "DELETE /v1/jobs/{id}" => {
            vec![Probe { method: "DELETE", ..get(format!("/v1/jobs/{OTHERS}")) }]
        }
        "POST /v1/ingest-plans" | "POST /v1/ingests" => {
            let path = operation.strip_prefix("POST ").unwrap();
            let source = |digest: &ObjectId| json!([{ "name": "a.csv", "upload": digest }]);
            let ask = json!({ "dataset": dataset, "sources": source(object) });
            vec![
                post(path, ask.clone()),
                Probe {
                    headers: vec![
                        "content-type: application/json".to_owned(),
                        "prefer: respond-async".to_owned(),
                    ],
                    ..post(path, ask)
                },
                post(
                    path,
                    json!({ "dataset": dataset, "sources": source(object), "mode": "append",
                            "options": { "format": "files" } }),
                ),
                post(path, json!({ "dataset": "hr.people", "sources": source(object) })),
                post(
                    path,
                    json!({ "dataset": dataset,
                            "sources": [{ "name": "a.csv", "url": "https://192.0.2.1/a.csv" }] }),
                ),
            ]
        }
        "POST /v1/sql" => references
            .flat_map(|reference| {
                let sql = |sql: String| post("/v1/sql", json!({ "sql": sql }));
                [
                    sql(format!("SELECT 1 FROM {reference}")),
                    sql(format!("SELECT 1 FROM hr.people {reference}")),
                    sql(format!("EXPLAIN 1 FROM {reference}")),
                ]
            })
            .collect(),
        "GET /v1/receipts/{id}" => vec![get("/v1/receipts/0123456789abcdef0123456789abcdef")],
        "POST /v1/receipts/{id}/replay" => {
            vec![post("/v1/receipts/0123456789abcdef0123456789abcdef/replay", json!({}))]
        }
        "POST /v1/statements" => references
            .flat_map(|reference| {
                let sql = |sql: String| post("/v1/statements", json!({ "sql": sql }));
                [
                    sql(format!("SELECT 1 FROM {reference}")),
                    sql(format!("SELECT 1 FROM hr.people {reference}")),
                ]
            })
            .collect(),
        // Like jobs: what is one's own is nobody else's business, and `statements.rs` has the rest.
        "GET /v1/statements/{id}" => vec![
            get(format!("/v1/statements/{OTHERS}")),
            get(format!("/v1/statements/{OTHERS}?wait_ms=10")),
        ],
        "DELETE /v1/statements/{id}" => {
            vec![Probe { method: "DELETE", ..get(format!("/v1/statements/{OTHERS}")) }]
        }
        "GET /v1/statements/{id}/chunks/{number}" => {
            vec![get(format!("/v1/statements/{OTHERS}/chunks/0"))]
        }
        "GET /v1/products" => vec![get("/v1/products")],
        "GET /v1/products/{namespace}/{name}" => {
            vec![get(format!("/v1/products/{namespace}/{name}"))]
        }
        "GET /v1/products/{namespace}/{name}/rows" => {
            let path = format!("/v1/products/{namespace}/{name}/rows");
            let cursor = format!("1-0-{}", "0".repeat(32));
            let asked = ["", "?limit=1", "?id=1", "?select=id", "?version=1", "?at=raw", "?at=no@"];
            let mut probes: Vec<_> = asked.map(|asked| get(format!("{path}{asked}"))).into();
            probes.push(get(format!("{path}?cursor={cursor}")));
            probes.push(get(format!("{path}?at=b3:{prefix}")));
            probes
        }
        "GET /v1/products/{namespace}/{name}/queries/{query}" => vec![
            get(format!("/v1/products/{namespace}/{name}/queries/all")),
            get(format!("/v1/products/{namespace}/{name}/queries/none?a=1")),
        ],
        "GET /v1/products/{namespace}/{name}/openapi.json" => {
            vec![get(format!("/v1/products/{namespace}/{name}/openapi.json"))]
        }
        "GET /v1/products/{namespace}/{name}/builds" => {
            vec![get(format!("/v1/products/{namespace}/{name}/builds"))]
        }
        "POST /v1/products/{namespace}/{name}/builds" => {
            let path = format!("/v1/products/{namespace}/{name}/builds");
            let pinned = json!([{ "reference": dataset, "version_id": version }]);
            vec![
                post(&path, json!({})),
                post(&path, json!({ "locked": pinned })),
                Probe {
                    headers: vec![
                        "content-type: application/json".to_owned(),
                        "prefer: respond-async".to_owned(),
                    ],
                    ..post(&path, json!({}))
                },
            ]
        }
        "POST /v1/runs" => references
            .flat_map(|reference| {
                let run = |inputs: &[serde_json::Value], outputs: &[&str]| {
                    post("/v1/runs", json!({ "inputs": inputs, "outputs": outputs }))
                };
                let (people, other) = (json!({ "ref": "hr.people" }), json!({ "ref": reference }));
                let pinned = json!({ "ref": dataset, "version_id": version });
                [
                    run(std::slice::from_ref(&other), &["hr.people"]),
                    run(&[people.clone(), other], &[]),
                    run(&[pinned], &["hr.people"]),
                    run(&[people], &[&dataset]),
                ]
            })
            .collect(),
        // Like jobs: those of others are not there, and `runs.rs` has the rest.
        "GET /v1/runs" => vec![get("/v1/runs"), get("/v1/runs?limit=1")],
        "GET /v1/runs/{id}" => vec![get(format!("/v1/runs/{OTHERS}"))],
        "GET /v1/runs/{id}/log" => vec![get(format!("/v1/runs/{OTHERS}/log"))],
        "POST /v1/runs/{id}/heartbeat" => {
            vec![post(&format!("/v1/runs/{OTHERS}/heartbeat"), json!({}))]
        }
        "POST /v1/runs/{id}/abort" => vec![post(&format!("/v1/runs/{OTHERS}/abort"), json!({}))],
        "POST /v1/runs/{id}/commit" => {
            let source = json!([{ "name": "a.csv", "upload": object }]);
            let outputs = json!([{ "dataset": dataset, "sources": source }]);
            vec![post(&format!("/v1/runs/{OTHERS}/commit"), json!({ "outputs": outputs }))]
        }
        "GET /v1/datasets/{namespace}/{name}/lineage" => selectors
            .iter()
            .map(|selector| selector.trim_start_matches('@'))
            .flat_map(|version| {
                let path = format!("/v1/datasets/{namespace}/{name}/lineage");
                match version {
                    "" => vec![get(&path), get(format!("{path}?direction=down&column=id"))],
                    _ => vec![get(format!("{path}?version={version}"))],
                }
            })
            .collect(),
        "GET /v1/datasets/{namespace}/{name}/openlineage" => vec![
            get(format!("/v1/datasets/{namespace}/{name}/openlineage")),
            get(format!("/v1/datasets/{namespace}/{name}/openlineage?version=b3:{prefix}")),
        ],
        "GET /v1/datasets/{namespace}/{name}/impact" => vec![
            get(format!("/v1/datasets/{namespace}/{name}/impact")),
            get(format!("/v1/datasets/{namespace}/{name}/impact?column=id")),
            get(format!("/v1/datasets/{namespace}/{name}/impact?column=nothing")),
        ],
        "GET /v1/report" => vec![get("/v1/report")],
        "PUT /v1/locks/{name}" => {
            let pinned = json!([{ "reference": dataset, "version_id": version }]);
            vec![Probe { method: "PUT", ..post("/v1/locks/x", json!({ "inputs": pinned })) }]
        }
        "DELETE /v1/locks/{name}" => {
            vec![Probe { method: "DELETE", ..get("/v1/locks/x") }]
        }
        "GET /v1/events" => vec![get("/v1/events"), get("/v1/events?after=1&limit=1000")],
        "POST /api/v1/lineage" => {
            let about = |outputs: serde_json::Value| {
                json!({ "eventTime": "2026-01-01T00:00:00Z", "producer": "a:b", "schemaURL": "a:c",
                        "job": { "namespace": "n", "name": &dataset }, "outputs": outputs })
            };
            let named = json!([{ "namespace": "lakebed", "name": dataset }]);
            vec![
                post("/api/v1/lineage", about(named)),
                post("/api/v1/lineage", about(json!([]))),
                post("/api/v1/lineage", about(json!(dataset))),
            ]
        }
        "GET /v1/lineage/events" => vec![
            get("/v1/lineage/events"),
            get(format!("/v1/lineage/events?dataset={dataset}")),
            get(format!("/v1/lineage/events?dataset={dataset}&namespace=lakebed")),
        ],
        "POST /v1/verifications" => references
            .map(|reference| post("/v1/verifications", json!({ "refs": [reference] })))
            .chain([post("/v1/verifications", json!({}))])
            .collect(),
        "POST /v1/contract-checks" => references
            .map(|reference| post("/v1/contract-checks", json!({ "ref": reference })))
            .collect(),
        "POST /v1/promotions" => references
            .flat_map(|reference| {
                ["validated", "product", "gold"].into_iter().flat_map(move |to| {
                    let body = json!({ "refs": [&reference], "to": to });
                    let dry =
                        json!({ "refs": ["hr.people", &reference], "to": to, "dry_run": true });
                    [post("/v1/promotions", body), post("/v1/promotions", dry)]
                })
            })
            .collect(),
        "POST /v1/reviews" => references
            .flat_map(|reference| {
                let said = |verdict, gate: Option<&str>| {
                    let refs = [&reference];
                    post(
                        "/v1/reviews",
                        json!({ "refs": refs, "to": "product", "verdict": verdict, "gate": gate,
                                "reason": "so" }),
                    )
                };
                [said("approved", None), said("rejected", None), said("waived", Some("fresh"))]
            })
            .collect(),
        "GET /v1/reviews" => {
            references.map(|reference| get(format!("/v1/reviews?ref={reference}"))).collect()
        }
        "POST /v1/deprecations" => vec![
            post(
                "/v1/deprecations",
                json!({ "dataset": &dataset, "sunset_at": "2099-01-01T00:00:00Z" }),
            ),
            post(
                "/v1/deprecations",
                json!({ "dataset": "hr.people", "sunset_at": "2099-01-01T00:00:00Z",
                        "successor": &dataset }),
            ),
        ],
        "POST /v1/retirements" => vec![post("/v1/retirements", json!({ "dataset": &dataset }))],
        "GET /v1/catalog" => vec![get("/v1/catalog")],
        "POST /v1/catalog/plan" => {
            vec![post("/v1/catalog/plan", json!({ "declared": declared }))]
        }
        "POST /v1/catalog/apply" => {
            vec![post("/v1/catalog/apply", json!({ "declared": declared }))]
        }
        "GET /v1/access/explain" => vec![
            get(format!("/v1/access/explain?target={dataset}")),
            get(format!("/v1/access/explain?target={namespace}.*")),
            get(format!("/v1/access/explain?target={dataset}&principal=alice")),
        ],
        "GET /v1/whoami" => vec![get("/v1/whoami")],
        "GET /v1/tokens" => vec![get("/v1/tokens"), get("/v1/tokens?all=true")],
        "POST /v1/tokens" => {
            let scope = json!([{ "may": ["read"], "on": { "dataset": dataset } }]);
            vec![post("/v1/tokens", json!({ "principal": "zed", "scope": scope }))]
        }
        "DELETE /v1/tokens/{id}" => {
            vec![Probe { method: "DELETE", ..get("/v1/tokens/0123456789abcdef") }]
        }
        _ => return None,
    })
}

fn operations() -> Vec<String> {
    let document = serde_json::to_value(lakebed_server::openapi()).unwrap();
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            operations.push(format!("{} {path}", method.to_uppercase()));
        }
    }
    operations
}

const GRANTS: &str = r#"{"format": 1, "grants": [
    {"to": "hr-reader", "may": ["read"], "on": {"namespace": "hr"}, "from_stage": "raw"},
    {"to": "hr-producer", "may": ["ingest"], "on": {"namespace": "hr"}, "from_stage": "raw"},
    {"to": "hr-steward", "may": ["read", "steward", "approve"], "on": {"namespace": "hr"}, "from_stage": "raw"},
    {"to": "hr-guest", "may": ["discover"], "on": {"namespace": "hr"}, "from_stage": "raw"},
    {"to": "root", "may": ["admin"], "on": "lake", "from_stage": "raw"},
    {"to": "auditor", "may": ["audit"], "on": "lake", "from_stage": "raw"}
]}"#;

/// A lake with things of two namespaces, which have bytes in common.
struct World {
    test: Arc<TestLake>,
    hidden: Thing,
    absent: Thing,
    /// What must be in no answer to those who may not discover `crm`.
    secrets: BTreeSet<String>,
}

impl World {
    async fn new() -> Self {
        Self::behind(Door::remote().await).await
    }

    async fn behind(door: Door) -> Self {
        let test = door.test;
        let rows = "id,mail\n1,ann@example.com\n2,bob@example.com\n";
        test.ingest("crm.customers", "c.csv", rows).await.unwrap();
        test.ingest("crm.customers", "c.csv", &format!("{rows}3,eve@example.com\n")).await.unwrap();
        test.ingest("hr.people", "p.csv", "id\n1\n").await.unwrap();
        test.ingest("hr.people", "p.csv", "id\n1\n2\n").await.unwrap();
        test.ingest("crm.customers", "torn.csv", "\"").await.unwrap_err();
        let declared: Declared = serde_json::from_str(GRANTS).unwrap();
        let apply = ApplyCatalog { declared, expected: None, without_admin: false };
        test.lake.apply_catalog(&test.ctx(), apply).await.unwrap();
        let references = ["crm.customers@v1", "crm.customers@v2"];
        let references = references.map(|text| text.parse().unwrap());
        let found = test.lake.resolve(&test.ctx(), &references, Detail::Full).await.unwrap();
        let mut secrets = BTreeSet::from(["crm".to_owned(), "customers".to_owned()]);
        for version in &found.versions {
            let detail = version.detail.as_ref().unwrap();
            secrets.insert(version.version.version_id.to_string());
            secrets.insert(version.version.content_id.to_string());
            secrets.extend(detail.tables.iter().map(|file| file.object.id.to_string()));
            secrets.extend(detail.sources.iter().map(|file| file.object.id.to_string()));
        }
        let first = &found.versions[0];
        let source = first.detail.as_ref().unwrap().sources[0].object.id;
        let hidden = Thing {
            namespace: "crm".to_owned(),
            name: "customers".to_owned(),
            digests: [first.version.version_id.object(), source],
        };
        let absent = Thing {
            namespace: "zzz".to_owned(),
            name: "nosuchset".to_owned(),
            digests: [ObjectId::of(b"no version"), ObjectId::of(b"no object")],
        };
        Self { test, hidden, absent, secrets }
    }

    fn door(&self, identity: Identity) -> axum::Router {
        let state = AppState::new(self.test.lake.clone(), Access::Remote);
        let unasked = Auth::new(Asks::Never, Vec::new()).unwrap();
        router(state.with_identity(identity).with_auth(unasked))
    }
}

async fn ask(router: &axum::Router, probe: &Probe) -> Answer {
    let headers: Vec<&str> = probe.headers.iter().map(String::as_str).collect();
    crate::support::call(
        router,
        probe.method,
        &probe.path,
        &headers,
        Body::from(probe.body.clone()),
    )
    .await
}

/// Status, header fields and body, without what is new in every answer and without the thing.
fn seen(answer: &Answer, thing: &Thing) -> String {
    let mut fields: Vec<String> = answer
        .headers
        .iter()
        .filter(|(name, _)| !matches!(name.as_str(), "x-request-id" | "lakebed-statement-id"))
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect();
    fields.sort();
    let id = answer.header("x-request-id").to_owned();
    let body = String::from_utf8_lossy(&answer.body).replace(&id, "ID");
    let all = format!("{}\n{}\n\n{body}", answer.status, fields.join("\n"));
    // Its length follows the length of the names in it.
    let all = all.lines().filter(|line| !line.starts_with("content-length: "));
    thing.blank(&all.collect::<Vec<_>>().join("\n"))
}

fn somebody(name: &str) -> Identity {
    Identity::of(name.parse().unwrap())
}

/// P7: on every route, what is hidden answers like what is not there, to somebody without grants and
/// to those with all kinds of grants elsewhere.
#[tokio::test]
async fn what_is_hidden_is_not_there() {
    let world = World::new().await;
    let mut asked = 0;
    for name in ["nobody", "hr-reader", "hr-producer", "hr-steward", "hr-guest"] {
        let router = world.door(somebody(name));
        for operation in operations() {
            let hidden = probes(&operation, &world.hidden)
                .unwrap_or_else(|| panic!("`{operation}` has no rule: who may see what there?"));
            let absent = probes(&operation, &world.absent).unwrap();
            for (of_hidden, of_absent) in hidden.iter().zip(&absent) {
                let answer = ask(&router, of_hidden).await;
                let other = ask(&router, of_absent).await;
                let told = format!("{name}: {operation} {} {}", of_hidden.path, of_hidden.body);
                let shown = seen(&answer, &world.hidden);
                assert_eq!(shown, seen(&other, &world.absent), "{told}");
                for secret in &world.secrets {
                    assert!(!shown.contains(secret), "{told} tells `{secret}`:\n{shown}");
                }
                assert!(answer.status.as_u16() < 500, "{told}\n{shown}");
                asked += 1;
            }
        }
    }
    assert!(asked > 300, "{asked}");
}

/// The comparison above compares something: the owner gets another answer for what is there.
#[tokio::test]
async fn the_owner_tells_them_apart() {
    let world = World::new().await;
    let router = world.door(Identity::owner("local:root".parse().unwrap()));
    for operation in [
        "GET /v1/datasets",
        "GET /v1/datasets/{namespace}/{name}",
        "GET /v1/datasets/{namespace}/{name}/versions",
        "GET /v1/versions",
        "POST /v1/resolve",
        "GET /v1/objects/{digest}",
        "POST /v1/sql",
        "POST /v1/verifications",
    ] {
        let mut differ = false;
        let hidden = probes(operation, &world.hidden).unwrap();
        for (of_hidden, of_absent) in hidden.iter().zip(probes(operation, &world.absent).unwrap()) {
            let answer = seen(&ask(&router, of_hidden).await, &world.hidden);
            differ |= answer != seen(&ask(&router, &of_absent).await, &world.absent);
        }
        assert!(differ, "{operation}");
    }
}

/// Those who may see something do: nothing above passes because everything is refused.
#[tokio::test]
async fn a_reader_reads_what_is_theirs() {
    let world = World::new().await;
    let router = world.door(somebody("hr-reader"));
    let list = ask(&router, &get("/v1/datasets")).await.json();
    let names: Vec<_> =
        list["datasets"].as_array().unwrap().iter().map(|d| &d["dataset"]).collect();
    assert_eq!(names, ["hr.people"]);
    assert_eq!(ask(&router, &get("/v1/lake")).await.json()["dataset_count"], 1);
    let version = ask(&router, &get("/v1/versions?ref=hr.people")).await.json();
    assert_eq!(version["version"]["row_count"], 2);
    let url = version["version"]["files"][0]["url"].as_str().unwrap().to_owned();
    assert_eq!(ask(&router, &get(url)).await.status, 200);
    let events = ask(&router, &get("/v1/events")).await.json();
    let events = events["events"].as_array().unwrap();
    assert_eq!(events.len(), 3, "created, and two versions: {events:?}");
    assert!(events.iter().all(|event| event["dataset"] == "hr.people"));
    assert!(events.iter().all(|event| event.get("objects").is_none()), "what the lake had before");
    assert!(events[1]["version_id"].is_string());
    let sql = post("/v1/sql", json!({ "sql": "SELECT 1 FROM hr.people" }));
    assert_eq!(ask(&router, &sql).await.status, 200);
    let verify = post("/v1/verifications", json!({ "refs": ["hr.people"] }));
    assert_eq!(ask(&router, &verify).await.json()["findings"], json!([]));
}

/// Whoever may only discover sees names, numbers and times; digests and counts are data.
#[tokio::test]
async fn digests_are_data() {
    let world = World::new().await;
    let router = world.door(somebody("hr-guest"));
    let list = ask(&router, &get("/v1/datasets")).await.json();
    let dataset = &list["datasets"][0];
    assert_eq!(dataset["newest"]["version"], 2);
    let page = ask(&router, &get("/v1/datasets/hr/people/versions")).await.json();
    let events = ask(&router, &get("/v1/events")).await.json();
    for told in [&list, &page, &events] {
        for member in [
            "version_id",
            "parent",
            "content_id",
            "row_count",
            "quarantined_count",
            "size_bytes",
            "objects",
            "ingest_key",
            "sources",
            "message",
            "idempotency_key",
        ] {
            assert!(!told.to_string().contains(member), "{member}: {told}");
        }
    }
    assert_eq!(events["events"][2]["number"], 2);
    for path in ["/v1/versions?ref=hr.people", "/v1/versions?ref=hr.people@b3:12345678"] {
        assert_eq!(ask(&router, &get(path)).await.code(), (403, "forbidden".to_owned()), "{path}");
    }
    // There is no such dataset, and they may know that.
    let answer = ask(&router, &get("/v1/versions?ref=hr.nothing")).await;
    assert_eq!(answer.code(), (404, "not-found".to_owned()));
}

/// A producer learns what became of what it sent, and nothing of what was there.
#[tokio::test]
async fn a_producer_writes_blind() {
    let world = World::new().await;
    let router = world.door(somebody("hr-producer"));
    let upload = Probe {
        method: "POST",
        // Bytes that `crm` has already: answered like new ones.
        body: "id,mail\n1,ann@example.com\n2,bob@example.com\n".to_owned(),
        ..get("/v1/uploads?name=new.csv")
    };
    let uploaded = ask(&router, &upload).await.json();
    let ingest = post(
        "/v1/ingests",
        json!({ "dataset": "hr.mails",
                "sources": [{ "name": "new.csv", "upload": uploaded["upload"] }] }),
    );
    let outcome = ask(&router, &ingest).await.json();
    assert_eq!(outcome["status"], "committed");
    assert_eq!(outcome["version"]["version"], 1);
    assert!(outcome.get("new_bytes").is_none(), "whether others have the bytes: {outcome}");
    for member in ["version_id", "content_id", "row_count", "size_bytes"] {
        assert!(outcome["version"].get(member).is_none(), "{member}: {outcome}");
    }
    // A reader of `hr` gets the bytes by their digest, though `crm` had them first.
    let digest = uploaded["upload"].as_str().unwrap();
    let reader = world.door(somebody("hr-reader"));
    assert_eq!(ask(&reader, &get(format!("/v1/objects/{digest}"))).await.status, 200);
    assert_eq!(ask(&router, &get(format!("/v1/objects/{digest}"))).await.status, 404);
}

/// `admin` and `audit` see no data: not even names, but for those in events and verifications.
#[tokio::test]
async fn offices_see_no_data() {
    let world = World::new().await;
    for name in ["root", "auditor"] {
        let router = world.door(somebody(name));
        assert_eq!(
            ask(&router, &get("/v1/datasets")).await.json()["datasets"],
            json!([]),
            "{name}"
        );
        for path in ["/v1/datasets/hr/people", "/v1/versions?ref=hr.people"] {
            assert_eq!(ask(&router, &get(path)).await.status, 404, "{name} {path}");
        }
        let report = ask(&router, &post("/v1/verifications", json!({}))).await.json();
        assert_eq!(report["findings"], json!([]));
        assert_eq!(ask(&router, &get("/v1/catalog")).await.json()["declared"]["format"], 1);
    }
    let auditor = world.door(somebody("auditor"));
    let events = ask(&auditor, &get("/v1/events")).await.json();
    assert!(events["events"].as_array().unwrap().iter().any(|e| e["dataset"] == "crm.customers"));
    for secret in world.secrets.iter().filter(|secret| secret.len() == 64) {
        assert!(!events.to_string().contains(secret), "{events}");
    }
    let root = world.door(somebody("root"));
    let events = ask(&root, &get("/v1/events")).await.json();
    let kinds: BTreeSet<_> =
        events["events"].as_array().unwrap().iter().map(|e| e["type"].to_string()).collect();
    assert_eq!(kinds, BTreeSet::from(["\"catalog_applied\"".to_owned()]));
    let plan = json!({ "declared": { "format": 1 } });
    assert_eq!(ask(&auditor, &post("/v1/catalog/plan", plan.clone())).await.status, 403);
    assert_eq!(ask(&root, &post("/v1/catalog/plan", plan)).await.status, 200);
}

/// Damage is told to those in office by dataset and version, without a digest.
#[tokio::test]
async fn verification_names_damage_but_no_digest_to_those_in_office() {
    let mut world = World::behind(Door::remote_in_folder().await).await;
    Arc::get_mut(&mut world.test).unwrap().damaged();
    let object = world.hidden.digests[1];
    std::fs::remove_file(world.test.lake.store().local_path(object).unwrap()).unwrap();
    let report = async |identity| {
        let router = world.door(identity);
        ask(&router, &post("/v1/verifications", json!({}))).await.json()
    };
    let told = report(somebody("auditor")).await;
    assert_eq!(told["findings"][0]["dataset"], "crm.customers");
    assert!(!told.to_string().contains(&object.to_string()), "{told}");
    let told = report(Identity::owner("local:root".parse().unwrap())).await;
    assert!(told.to_string().contains(&object.to_string()), "{told}");
}

/// The first admin may declare something, and see nothing.
#[tokio::test]
async fn the_first_admin_declares_and_sees_nothing() {
    let world = World::new().await;
    let first = Identity { standing: Standing::FirstAdmin, ..somebody("admin") };
    let router = world.door(first);
    assert_eq!(ask(&router, &get("/v1/versions?ref=hr.people")).await.status, 404);
    let declared = json!({ "format": 1, "grants": [
        { "to": "alice", "may": ["read"], "on": "lake", "from_stage": "raw" },
        { "to": "root", "may": ["admin"], "on": "lake", "from_stage": "raw" }] });
    let plan =
        ask(&router, &post("/v1/catalog/plan", json!({ "declared": declared }))).await.json();
    let apply = json!({ "declared": declared, "expected": plan["before"] });
    let applied = ask(&router, &post("/v1/catalog/apply", apply.clone())).await.json();
    assert!(applied["event"].is_u64(), "{applied}");
    let again = ask(&router, &post("/v1/catalog/apply", apply)).await.json();
    assert!(again.get("event").is_none(), "applying the same is nothing: {again}");
    let alice = world.door(somebody("alice"));
    assert_eq!(ask(&alice, &get("/v1/versions?ref=crm.customers")).await.status, 200);
    let stale = json!({ "declared": { "format": 1 }, "expected": plan["before"] });
    let answer = ask(&router, &post("/v1/catalog/apply", stale)).await;
    assert_eq!(answer.code(), (409, "conflict".to_owned()));
    let last = json!({ "declared": { "format": 1 }, "expected": plan["after"] });
    let answer = ask(&router, &post("/v1/catalog/apply", last)).await;
    assert_eq!(answer.code(), (400, "no-admin-left".to_owned()));
    let forced =
        json!({ "declared": { "format": 1 }, "expected": plan["after"], "without_admin": true });
    assert_eq!(ask(&router, &post("/v1/catalog/apply", forced)).await.status, 200);
    assert_eq!(ask(&alice, &get("/v1/versions?ref=crm.customers")).await.status, 404, "at once");
}

/// An explanation is that of the decision; others' only for whoever may admin.
#[tokio::test]
async fn access_is_explained() {
    let world = World::new().await;
    let reader = world.door(somebody("hr-reader"));
    let told = ask(&reader, &get("/v1/access/explain?target=hr.people")).await.json();
    assert_eq!(told["principal"], "hr-reader");
    assert_eq!(told["grants"].as_array().unwrap().len(), 1, "not those of others: {told}");
    let allowed: Vec<_> = told["actions"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|action| action["is_allowed"] == true)
        .map(|action| &action["action"])
        .collect();
    assert_eq!(allowed, ["discover", "read"]);
    let path = "/v1/access/explain?target=hr.people&principal=hr-guest";
    assert_eq!(ask(&reader, &get(path)).await.status, 403);
    let told = ask(&world.door(somebody("root")), &get(path)).await.json();
    assert_eq!(told["grants"].as_array().unwrap().len(), 6);
    assert_eq!(told["grants"][0]["applies"], true);
    assert_eq!(told["grants"][0]["grant"]["to"], "hr-guest");
    assert_eq!(told["grants"][4]["why_not"], "to-others");
}

/// A lake whose `crm.customers` holds these rows, three of its readers under a policy; `hr.people` is
/// nobody's secret.
async fn under_a_policy(rows: [&str; 2]) -> World {
    let test = Door::remote().await.test;
    for rows in rows {
        test.ingest("crm.customers", "c.csv", rows).await.unwrap();
    }
    test.ingest("hr.people", "p.csv", "id\n1\n").await.unwrap();
    let declared = json!({ "format": 1, "grants": [
        { "to": "reader", "may": ["read"], "on": { "namespace": "crm" }, "from_stage": "raw" },
        { "to": "producer", "may": ["read", "ingest"], "on": { "namespace": "crm" },
          "from_stage": "raw" },
        { "to": "wide", "may": ["read"], "on": "lake", "from_stage": "raw" },
        { "to": "free", "may": ["read"], "on": "lake", "from_stage": "raw" },
        { "to": "auditor", "may": ["audit", "admin"], "on": "lake", "from_stage": "raw" },
    ], "policies": [
        { "name": "eu", "on": { "dataset": "crm.customers" }, "row_filter": "region = 'EU'",
          "except": ["free"] },
        { "name": "mail", "on": { "tag": "pii.email" }, "mask": "hash", "except": ["free"] },
    ], "contracts": { "crm.customers": {
        "id": "c", "version": "1.0.0", "status": "active", "object": "customers",
        "columns": [{ "name": "id" }, { "name": "region" }, { "name": "mail", "tags": ["pii.email"] }],
    }}});
    let declared: Declared = serde_json::from_value(declared).unwrap();
    let apply = ApplyCatalog { declared, expected: None, without_admin: false };
    test.lake.apply_catalog(&test.ctx(), apply).await.unwrap();
    let references = ["crm.customers@v1".parse().unwrap()];
    let found = test.lake.resolve(&test.ctx(), &references, Detail::Full).await.unwrap();
    let version = &found.versions[0];
    let source = version.detail.as_ref().unwrap().sources[0].object.id;
    let hidden = Thing {
        namespace: "crm".to_owned(),
        name: "customers".to_owned(),
        digests: [version.version.version_id.object(), source],
    };
    World { test, absent: hidden.clone(), hidden, secrets: BTreeSet::new() }
}

/// P7: two lakes that differ in what a policy keeps from its readers answer them the same, on every
/// route: same status, header fields and body.
#[tokio::test]
async fn p7_policies_hold_on_every_route() {
    const SEEN: &str = "id,region,mail\n1,EU,ann@example.com\n";
    let one = under_a_policy([SEEN, &format!("{SEEN}2,US,bob@example.com\n")]).await;
    let more = "2,US,eve@example.org\n3,US,mallory@example.org\n4,,x\n";
    let moved = format!("id,region,mail\n{more}1,EU,ann@example.com\n");
    let other = under_a_policy([&format!("{SEEN}{more}"), &moved]).await;
    let told = async |world: &World, name: &str, operation: &str| {
        let router = world.door(somebody(name));
        let mut told = Vec::new();
        // A job has an id of its own, and what it tells is what the same request tells at once.
        let is_job = |probe: &Probe| {
            probe.headers.iter().any(|line| line.contains("async"))
                || probe.path == "/v1/statements"
        };
        for probe in probes(operation, &world.hidden).unwrap() {
            if is_job(&probe) {
                continue;
            }
            let answer = ask(&router, &probe).await;
            let lake = world.test.lake.id().to_string();
            let mut shown = seen(&answer, &world.hidden).replace(&lake, "LAKE");
            if let Some(id) = answer.headers.get("lakebed-statement-id") {
                shown = shown.replace(id.to_str().unwrap(), "STATEMENT");
            }
            // Made of the lake's id and the version's name.
            const RUN: &str = "\"runId\":\"";
            if let Some(run) = shown.find(RUN).map(|place| place + RUN.len()) {
                shown.replace_range(run..run + 36, "RUN");
            }
            let asked = world.hidden.blank(&format!("{} {}", probe.path, probe.body));
            told.push(format!("{asked}\n{shown}"));
        }
        told
    };
    let mut differ = 0;
    for operation in operations() {
        for name in ["reader", "producer", "wide"] {
            let (left, right) =
                (told(&one, name, &operation).await, told(&other, name, &operation).await);
            for (left, right) in left.iter().zip(&right) {
                assert_eq!(left, right, "{name}: {operation}");
                assert!(!left.contains("\n500 "), "{name}: {operation} {left}");
            }
        }
        // Whoever is not under the policy is told what differs: the comparison compares something.
        let (left, right) =
            (told(&one, "free", &operation).await, told(&other, "free", &operation).await);
        differ += usize::from(left != right);
    }
    assert!(differ >= 6, "only {differ} routes tell anything");
}

/// Rows are there all the same; who is kept from a part of them is told numbers and no digests.
#[tokio::test]
async fn whoever_is_under_a_policy_asks_by_sql() {
    let world = under_a_policy(["id,region,mail\n1,EU,a@x\n", "id,region,mail\n2,US,b@x\n"]).await;
    let sql = post("/v1/sql", json!({ "sql": "SELECT 1 FROM crm.customers" }));
    let answer = ask(&world.door(somebody("reader")), &sql).await;
    assert_eq!(answer.status, 200);
    let resolved = answer.json()["resolved"][0].clone();
    assert_eq!(resolved["version"], 2);
    assert!(resolved.get("version_id").is_none(), "{resolved}");
    let free = ask(&world.door(somebody("free")), &sql).await.json();
    assert!(free["resolved"][0]["version_id"].is_string());
    let resolve = post("/v1/resolve", json!({ "refs": ["crm.customers"] }));
    let answer = ask(&world.door(somebody("reader")), &resolve).await;
    assert_eq!(answer.code(), (403, "forbidden".to_owned()));
    assert!(String::from_utf8_lossy(&answer.body).contains("its rows are there in SQL"));
    // The key of hashes is in the lake's journal, and on no route.
    let events = ask(&world.door(somebody("auditor")), &get("/v1/events")).await.json();
    let applied = events["events"].as_array().unwrap().iter().find(|e| e["declared"].is_object());
    let applied = applied.expect("whoever may admin sees what was applied");
    assert!(applied.get("mask_key").is_none(), "{applied}");
    assert!(applied["known_fields"].is_object());
}

//! Promotions over HTTP: planned, refused with every reason, reviewed, done; and the end of datasets.

use lakebed_core::{Declared, Identity};
use lakebed_server::{Access, AppState, Asks, Auth};
use lakebed_service::ApplyCatalog;
use serde_json::{Value, json};

use crate::support::{Door, is};

const GRANTS: &str = r#"[
    {"to": "dan", "may": ["read", "ingest"], "on": "lake", "from_stage": "raw"},
    {"to": "sam", "may": ["read", "steward"], "on": "lake", "from_stage": "raw"},
    {"to": "amy", "may": ["read", "approve"], "on": "lake", "from_stage": "raw"},
    {"to": "ian", "may": ["ingest"], "on": "lake", "from_stage": "raw"},
    {"to": "gus", "may": ["discover"], "on": "lake", "from_stage": "raw"}]"#;

const STAGES: &str = r#"{"stages": [{"name": "raw"},
    {"name": "validated", "gates": ["quarantine"], "waivable": ["quarantine"]},
    {"name": "product", "gates": ["integrity", "approvals(1)"]}]}"#;

/// A dataset with a good and a bad version.
async fn door() -> Door {
    let door = Door::remote().await;
    door.test.ingest("sales.orders", "o.csv", "id\n1\n2\n").await.unwrap();
    let rows: String = (0..60).map(|id| format!("{id}\n")).collect();
    door.test.ingest("sales.orders", "o.csv", &format!("id\n{rows}x\n")).await.unwrap();
    let text = format!(r#"{{"format": 1, "grants": {GRANTS}, "stages": {STAGES}}}"#);
    let declared: Declared = serde_json::from_str(&text).unwrap();
    let apply = ApplyCatalog { declared, expected: None, without_admin: true };
    door.test.lake.apply_catalog(&door.test.ctx(), apply).await.unwrap();
    door
}

/// The same lake, asked by somebody who owns nothing.
fn somebody(door: &Door, name: &str) -> Door {
    let state = AppState::new(door.lake.clone(), Access::Remote);
    let unasked = Auth::new(Asks::Never, Vec::new()).unwrap();
    door.with_state(state.with_identity(Identity::of(name.parse().unwrap())).with_auth(unasked))
}

fn asked(reference: &str, to: &str) -> Value {
    json!({ "refs": [reference], "to": to })
}

#[tokio::test]
async fn a_version_comes_to_the_end_through_its_gates() {
    let door = door().await;
    let (dan, sam, amy) = (somebody(&door, "dan"), somebody(&door, "sam"), somebody(&door, "amy"));
    let mut dry = asked("sales.orders", "validated");
    dry["dry_run"] = true.into();
    let plan = dan.post("/v1/promotions", dry).await.json();
    assert_eq!(plan["is_ready"], false);
    let gate = &plan["promotions"][0]["gates"][0];
    assert_eq!((&gate["gate"], &gate["holds"]), (&"quarantine".into(), &false.into()));
    let refused = dan.post("/v1/promotions", asked("sales.orders", "validated")).await;
    assert_eq!(refused.code(), is(409, "not-ready"));
    let reasons = refused.problem().reasons;
    assert_eq!(reasons.len(), 1, "{reasons:?}");
    assert!(reasons[0].starts_with("quarantine: 1 of 61 rows"), "{reasons:?}");

    let mut waiver = asked("sales.orders", "validated");
    waiver["verdict"] = "waived".into();
    waiver["gate"] = "quarantine".into();
    assert_eq!(sam.post("/v1/reviews", waiver.clone()).await.code(), is(400, "invalid-reason"));
    waiver["reason"] = "a test row".into();
    assert_eq!(dan.post("/v1/reviews", waiver.clone()).await.code(), is(403, "forbidden"));
    let said = sam.post("/v1/reviews", waiver.clone()).await.json();
    assert!(said["event"].is_u64(), "{said}");
    assert!(sam.post("/v1/reviews", waiver).await.json().get("event").is_none(), "said before");
    let moved = dan.post("/v1/promotions", asked("sales.orders", "validated")).await.json();
    assert!(moved["event"].is_u64(), "{moved}");
    assert_eq!(moved["promotions"][0]["gates"][0]["waiver"]["by"], "sam");

    let mut yes = asked("sales.orders@validated", "product");
    yes["verdict"] = "approved".into();
    yes["evidence"] = "0".repeat(64).into();
    assert_eq!(amy.post("/v1/reviews", yes.clone()).await.code(), is(409, "conflict"));
    yes.as_object_mut().unwrap().remove("evidence");
    amy.post("/v1/reviews", yes).await.json();
    let moved = dan.post("/v1/promotions", asked("sales.orders@validated", "product")).await.json();
    assert_eq!(moved["promotions"][0]["approvals"][0]["by"], "amy");
    let again = dan.post("/v1/promotions", asked("sales.orders@validated", "product")).await.json();
    assert!(again.get("event").is_none(), "{again}");

    let reviews = dan.get("/v1/reviews?ref=sales.orders@product").await.json();
    let told: Vec<_> =
        reviews["reviews"].as_array().unwrap().iter().map(|r| &r["verdict"]).collect();
    assert_eq!(told, ["waived", "approved"]);
    let version = dan.get("/v1/versions?ref=sales.orders@product").await.json();
    assert_eq!(version["stages"], json!(["product", "raw", "validated"]));
    let page = dan.get("/v1/datasets/sales/orders/versions").await.json();
    assert_eq!(page["heads"][0], json!({ "stage": "product", "version": 2 }));
    let mut back = asked("sales.orders@v1", "validated");
    back["dry_run"] = true.into();
    assert_eq!(dan.post("/v1/promotions", back).await.json()["promotions"][0]["goes_back"], true);
}

/// What was found, and digests of it, are for those who may read all of the dataset.
#[tokio::test]
async fn what_gates_found_is_data() {
    let door = door().await;
    let mut dry = asked("sales.orders", "validated");
    dry["dry_run"] = true.into();
    let plan = somebody(&door, "ian").post("/v1/promotions", dry.clone()).await;
    let told = plan.text().to_owned();
    for member in ["found", "evidence", "version_id", "contract", "61"] {
        assert!(!told.contains(member), "{member}: {told}");
    }
    let refused =
        somebody(&door, "ian").post("/v1/promotions", asked("sales.orders", "validated")).await;
    assert_eq!(refused.problem().reasons, ["quarantine: it is closed"]);
    for path in ["/v1/promotions", "/v1/reviews"] {
        let mut body = asked("sales.orders", "validated");
        if path == "/v1/reviews" {
            body["verdict"] = "approved".into();
        }
        assert_eq!(
            somebody(&door, "gus").post(path, body).await.code(),
            is(403, "forbidden"),
            "{path}"
        );
    }
    somebody(&door, "dan")
        .post("/v1/promotions", asked("sales.orders@v1", "validated"))
        .await
        .json();
    let events = somebody(&door, "gus").get("/v1/events").await.json();
    let moved = events["events"].as_array().unwrap().last().unwrap().clone();
    assert_eq!((&moved["type"], &moved["to"]), (&"head_moved".into(), &1.into()));
    assert!(moved.get("promotion").is_none(), "{moved}");
}

#[tokio::test]
async fn requests_that_cannot_be_meant_are_refused() {
    let dan = somebody(&door().await, "dan");
    let empty = dan.post("/v1/promotions", json!({ "refs": [], "to": "product" })).await;
    assert_eq!(empty.code(), is(400, "no-refs"));
    let many =
        dan.post("/v1/promotions", json!({ "refs": vec!["a.b"; 101], "to": "product" })).await;
    assert_eq!(many.code(), is(400, "too-many-refs"));
    let stage = dan.post("/v1/promotions", asked("sales.orders", "gold")).await;
    assert_eq!(stage.code(), is(400, "unknown-stage"));
    let mut review = asked("sales.orders", "product");
    review["verdict"] = "waived".into();
    assert_eq!(dan.post("/v1/reviews", review.clone()).await.code(), is(400, "no-gate"));
    review["verdict"] = "approved".into();
    review["gate"] = "fresh".into();
    assert_eq!(dan.post("/v1/reviews", review).await.code(), is(400, "strange-gate"));
}

/// Answers about a dataset that ends say when, in the fields that HTTP has for it.
#[tokio::test]
async fn the_end_of_a_dataset_is_told_ahead() {
    let door = door().await;
    let sam = somebody(&door, "sam");
    door.test.ingest("sales.sales", "s.csv", "id\n1\n").await.unwrap();
    let ends = json!({ "dataset": "sales.orders", "sunset_at": "2099-01-01T00:00:00Z",
                       "successor": "sales.sales" });
    assert!(sam.post("/v1/deprecations", ends.clone()).await.json()["event"].is_u64());
    assert_eq!(sam.post("/v1/deprecations", ends).await.json(), json!({}));
    for path in ["/v1/datasets/sales/orders", "/v1/versions?ref=sales.orders"] {
        let answer = sam.get(path).await;
        assert!(answer.header("deprecation").starts_with('@'), "{path}");
        assert_eq!(answer.header("sunset"), "Thu, 01 Jan 2099 00:00:00 GMT", "{path}");
    }
    let told = sam.get("/v1/datasets/sales/orders").await.json();
    assert_eq!(told["dataset"]["notice"]["successor"], "sales.sales");
    let early = sam.post("/v1/retirements", json!({ "dataset": "sales.orders" })).await;
    assert_eq!(early.code(), is(400, "not-yet-sunset"));
}

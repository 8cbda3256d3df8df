//! Statements that take long: accepted, waited for, fetched in chunks, ended, and taken over from the
//! dead. And above all: what came of one is told to who asked for it, for as long as nothing has
//! changed that decides what they may see (P7).

use std::{collections::BTreeMap, time::Duration};

use arrow::{ipc::reader::StreamReader, record_batch::RecordBatch};
use axum::body::Body;
use bytes::Bytes;
use http::StatusCode;
use lakebed_api::{
    JobState, SqlResult, Statement, StatementResult, decode_resolved, media, media::SqlFormat,
};
use lakebed_core::{Identity, ObjectId, ScopeEntry, Target, TokenScope};
use lakebed_server::{Access, AppState, Asks, Auth};
use lakebed_service::{
    AdmissionLimits, ApplyCatalog, Ctx, JobTimes, QueryAnswer, QueryRequest, ResultLimits,
    TokenRequest, WorkLimits, engine::QueryLimits,
};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Value, json};

use crate::support::{Answer, Door, batch_of, is};

/// More rows than one chunk has.
const LONG: &str = "ROWS 600000";

async fn ask_with(door: &Door, body: Value, headers: &[&str]) -> Answer {
    let headers = [&["content-type: application/json"], headers].concat();
    door.call("POST", "/v1/statements", &headers, body.to_string()).await
}

async fn ask(door: &Door, sql: &str) -> Answer {
    ask_with(door, json!({ "sql": sql, "wait_ms": 30_000 }), &[]).await
}

fn told(answer: &Answer) -> Statement {
    assert!(answer.status.is_success(), "{}", answer.text());
    serde_json::from_slice(&answer.body).unwrap()
}

fn result(answer: &Answer) -> StatementResult {
    let statement = told(answer);
    assert_eq!(statement.state, JobState::Done, "{statement:?}");
    statement.result.unwrap()
}

/// A statement that is done.
async fn done(door: &Door, sql: &str) -> Statement {
    let answer = ask(door, sql).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let statement = told(&answer);
    assert!(statement.result.is_some(), "{statement:?}");
    statement
}

fn path_of(id: &str) -> String {
    format!("/v1/statements/{id}")
}

async fn get(door: &Door, id: &str) -> Answer {
    door.get(&path_of(id)).await
}

async fn delete(door: &Door, id: &str) -> Answer {
    door.call("DELETE", &path_of(id), &[], Body::empty()).await
}

async fn chunk(door: &Door, id: &str, number: usize, accept: &str) -> Answer {
    let path = format!("{}/chunks/{number}", path_of(id));
    door.call("GET", &path, &[&format!("accept: {accept}")], Body::empty()).await
}

async fn ended(door: &Door, id: &str) -> Statement {
    for _ in 0..40 {
        let statement = told(&door.get(&format!("{}?wait_ms=500", path_of(id))).await);
        if statement.state.is_final() {
            return statement;
        }
    }
    panic!("statement {id} does not end");
}

/// How many results wait beside the lake.
async fn waiting(door: &Door) -> usize {
    door.lake.store().waiting_results().await.unwrap().len()
}

fn limit(door: &Door, results: ResultLimits) {
    door.lake.limit_work(&WorkLimits { results, ..WorkLimits::default() });
}

/// The only place of a lake that does one statement at a time: nothing else runs while it is held.
async fn hold(door: &Door) -> QueryAnswer {
    let one = AdmissionLimits { at_once: 1, queued: 100, queued_per_principal: 2 };
    door.lake.limit_work(&WorkLimits { statements: one, ..WorkLimits::default() });
    let ctx = Ctx::new(Identity::owner("holder".parse().unwrap()), "r0");
    let request = QueryRequest { sql: "STUCK".to_owned(), ..QueryRequest::default() };
    door.lake.query(&ctx, request).await.unwrap()
}

/// A door for somebody who is not asked who they are.
fn door_of(door: &Door, identity: Identity) -> Door {
    let state = AppState::new(door.lake.clone(), Access::Remote)
        .with_auth(Auth::new(Asks::Never, Vec::new()).unwrap())
        .with_identity(identity);
    door.with_state(state)
}

fn alice() -> Identity {
    Identity::of("alice".parse().unwrap())
}

async fn apply(door: &Door, declared: Value) {
    let declared = serde_json::from_value(declared).unwrap();
    let current = door.lake.declared_catalog(&door.test.ctx()).await.unwrap();
    let expected = current.declaration.map(|declaration| declaration.digest);
    let apply = ApplyCatalog { declared, expected, without_admin: true };
    door.lake.apply_catalog(&door.test.ctx(), apply).await.unwrap();
}

fn grants(until: Option<&str>) -> Value {
    let mut grant = json!({ "to": "alice", "may": ["read"], "on": { "namespace": "crm" },
                            "from_stage": "raw" });
    if let Some(until) = until {
        grant["until"] = until.into();
    }
    json!({ "format": 1, "grants": [grant] })
}

/// A lake with `crm.customers`, which alice may read.
async fn crm() -> Door {
    let door = Door::remote().await;
    door.test.ingest("crm.customers", "c.csv", "id,region\n1,EU\n2,US\n").await.unwrap();
    apply(&door, grants(None)).await;
    door
}

/// What is told of a statement to who must not be told what came of it.
async fn is_withheld(door: &Door, id: &str, why: &str) {
    let answer = get(door, id).await;
    assert_eq!(answer.code(), is(410, "statement-outdated"), "{why}: {}", answer.text());
    let hint = answer.problem().hint;
    assert_eq!(hint.as_deref(), Some("run it again"), "{why}");
    assert!(!answer.text().contains("crm"), "{why}: {}", answer.text());
    for format in SqlFormat::ALL {
        let answer = chunk(door, id, 0, format.media_type()).await;
        assert_eq!(answer.code(), is(410, "statement-outdated"), "{why}");
        assert!(answer.headers.keys().all(|name| !name.as_str().starts_with("lakebed-")), "{why}");
    }
    let job = door.get(&format!("/v1/jobs/{id}")).await.json();
    for member in ["result", "progress", "outcome", "request"] {
        assert!(job.get(member).is_none(), "{why}: {job}");
    }
}

/// P7: rows that somebody could see then are not handed out when they may not be seen any more.
#[tokio::test]
async fn p7_another_catalog_outdates_what_was_computed_under_this_one() {
    let door = crm().await;
    let hers = door_of(&door, alice());
    let id = done(&hers, "ROWS 10 crm.customers").await.id;
    let failed = told(&ask(&hers, "FAIL 1 crm.customers").await);
    assert_eq!(failed.problem.unwrap().code, "sql-failed");
    assert_eq!(chunk(&hers, &id, 0, media::CSV).await.status, 200, "she may, now");
    let mut under_policy = grants(None);
    under_policy["policies"] = json!([{ "name": "eu", "on": { "dataset": "crm.customers" },
                                        "row_filter": "region = 'EU'" }]);
    apply(&door, under_policy).await;
    is_withheld(&hers, &id, "a policy").await;
    // Why one failed may tell a value of a row.
    assert_eq!(get(&hers, &failed.id).await.code(), is(410, "statement-outdated"));
    let job = hers.get(&format!("/v1/jobs/{}", failed.id)).await;
    assert!(!job.text().contains("division"), "{}", job.text());
    // Run again, it is told again.
    let again = done(&hers, "ROWS 10 crm.customers").await.id;
    assert_eq!(chunk(&hers, &again, 0, media::CSV).await.status, 200);
    // What held once more is not what held then: hardly anybody could say what happened between.
    apply(&door, grants(None)).await;
    is_withheld(&hers, &id, "as it was").await;
    apply(&door, json!({ "format": 1 })).await;
    is_withheld(&hers, &again, "no right at all").await;
    // Her statement it is all the same: she may have it forgotten, and learns nothing by that.
    let forgotten = told(&delete(&hers, &again).await);
    assert_eq!((forgotten.state, forgotten.result), (JobState::Done, None));
    assert_eq!(get(&hers, &again).await.code(), is(410, "statement-expired"));
}

/// P7: a grant that has ended is as if it were not there, for what was computed before, too.
#[tokio::test]
async fn p7_a_grant_that_ends_ends_what_it_gave() {
    let door = crm().await;
    apply(&door, grants(Some("2026-01-01T01:00:00Z"))).await;
    let hers = door_of(&door, alice());
    let id = done(&hers, "ROWS 10 crm.customers").await.id;
    assert_eq!(chunk(&hers, &id, 0, media::CSV).await.status, 200);
    let end = "2026-01-01T01:00:01Z".parse().unwrap();
    limit(&door, ResultLimits { kept: Duration::from_secs(86_400), ..ResultLimits::default() });
    while door.lake.now() <= end {}
    is_withheld(&hers, &id, "her grant has ended").await;
}

/// P7: a policy means columns of old versions by their newest names, too (D-113): when these change, it
/// may be about another column than it was.
#[tokio::test]
async fn p7_other_columns_outdate_what_policies_left() {
    let door = crm().await;
    let mut declared = grants(None);
    let bob = json!({ "to": "bob", "may": ["read"], "on": "lake", "from_stage": "raw" });
    declared["grants"].as_array_mut().unwrap().push(bob);
    declared["policies"] = json!([{ "name": "eu", "on": { "dataset": "crm.customers" },
                                    "row_filter": "region = 'EU'", "except": ["bob"] }]);
    apply(&door, declared).await;
    let hers = door_of(&door, alice());
    let his = door_of(&door, Identity::of("bob".parse().unwrap()));
    let (id, his_id) = (
        done(&hers, "ROWS 10 crm.customers@v1").await.id,
        done(&his, "ROWS 10 crm.customers@v1").await.id,
    );
    door.test.ingest("crm.customers", "c.csv", "id,region\n1,EU\n3,US\n").await.unwrap();
    door.test.ingest("hr.people", "p.csv", "id\n1\n").await.unwrap();
    assert_eq!(
        chunk(&hers, &id, 0, media::CSV).await.status,
        200,
        "other rows are no other columns"
    );
    door.test.ingest("crm.customers", "c.csv", "id,region,mail\n1,EU,a@x\n").await.unwrap();
    is_withheld(&hers, &id, "another column").await;
    assert_eq!(chunk(&his, &his_id, 0, media::CSV).await.status, 200, "no policy is about him");
}

/// P7: policies and grants go by groups and attributes, and a token by its scope: whoever comes with
/// others is, for this, somebody else.
#[tokio::test]
async fn p7_a_result_is_for_who_asked_as_they_were() {
    let door = crm().await;
    let attribute = |region: &str| Identity {
        attributes: BTreeMap::from([(
            "region".parse().unwrap(),
            serde_json::from_value(json!(region)).unwrap(),
        )]),
        ..alice()
    };
    let group = |name: &str| Identity { groups: [name.parse().unwrap()].into(), ..alice() };
    let scoped = |action| {
        let entry = ScopeEntry { may: [action].into(), on: Target::Lake };
        alice().with_scope(TokenScope(vec![entry]))
    };
    for (then, now) in [
        (attribute("EU"), attribute("US")),
        (attribute("EU"), alice()),
        (group("analysts"), group("guests")),
        (group("analysts"), alice()),
        (scoped(lakebed_core::Action::Read), alice()),
        (Identity::owner("alice".parse().unwrap()), alice()),
    ] {
        let was = door_of(&door, then.clone());
        let id = done(&was, "ROWS 10 crm.customers").await.id;
        assert_eq!(chunk(&was, &id, 0, media::CSV).await.status, 200);
        is_withheld(&door_of(&door, now.clone()), &id, &format!("{then:?} is now {now:?}")).await;
        assert_eq!(chunk(&was, &id, 0, media::CSV).await.status, 200, "who asked still may");
    }
    // What was asked for with a larger scope is not there for a smaller one.
    let id = done(&door_of(&door, alice()), "ROWS 10 crm.customers").await.id;
    let narrow = door_of(&door, scoped(lakebed_core::Action::Discover));
    assert_eq!(get(&narrow, &id).await.code(), is(404, "not-found"));
    assert_eq!(chunk(&narrow, &id, 0, media::CSV).await.code(), is(404, "not-found"));
}

/// P7: whoever takes a token back takes back what was asked for with it, also from who holds another.
#[tokio::test]
async fn p7_a_token_that_was_taken_back_takes_its_results_along() {
    let door = crm().await;
    let owner = door.test.ctx();
    let mut tokens = Vec::new();
    for _ in 0..2 {
        let request =
            TokenRequest { principal: Some("alice".parse().unwrap()), ..TokenRequest::default() };
        tokens.push(door.lake.create_token(&owner, request).await.unwrap());
    }
    let asking = door.asking(Asks::Always, Vec::new());
    let bearer = |number: usize| format!("authorization: Bearer {}", tokens[number].0.reveal());
    let body = json!({ "sql": "ROWS 10 crm.customers", "wait_ms": 30_000 });
    let id = told(&ask_with(&asking, body, &[&bearer(0)]).await).id;
    let path = format!("{}/chunks/0", path_of(&id));
    let fetch =
        async |number: usize| asking.call("GET", &path, &[&bearer(number)], Body::empty()).await;
    assert_eq!(fetch(0).await.status, 200);
    assert_eq!(fetch(1).await.status, 200, "both are hers, and good for the same");
    door.lake.revoke_token(&owner, tokens[0].1.id, false).await.unwrap();
    assert_eq!(fetch(0).await.code(), is(401, "unauthorized"));
    assert_eq!(fetch(1).await.code(), is(410, "statement-outdated"));
}

/// A statement that waits when its token is taken back is never run; one that runs ends.
#[tokio::test]
async fn a_statement_of_a_revoked_token_reads_nothing() {
    let door = crm().await;
    let owner = door.test.ctx();
    let principal = Some("alice".parse().unwrap());
    let request = TokenRequest { principal, ..TokenRequest::default() };
    let (secret, token) = door.lake.create_token(&owner, request).await.unwrap();
    let asking = door.asking(Asks::Always, Vec::new());
    let bearer = format!("authorization: Bearer {}", secret.reveal());
    let place = hold(&door).await;
    let body = json!({ "sql": "ROWS 10 crm.customers", "wait_ms": 0 });
    let id = told(&ask_with(&asking, body, &[&bearer]).await).id;
    door.lake.revoke_token(&owner, token.id, false).await.unwrap();
    drop(place);
    let jobs = door_of(&door, alice());
    for _ in 0..400 {
        let job = jobs.get(&format!("/v1/jobs/{id}")).await.json();
        if job["state"] == "failed" {
            assert_eq!(job["problem"]["code"], "statement-failed");
            assert_eq!(waiting(&door).await, 0);
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("it does not end");
}

/// What is declared meanwhile ends a statement whose rows nobody would get.
#[tokio::test]
async fn a_statement_that_outlives_its_rights_fails() {
    let door = crm().await;
    let hers = door_of(&door, alice());
    let body = json!({ "sql": "ENDLESS crm.customers", "wait_ms": 0 });
    let id = told(&ask_with(&hers, body, &[]).await).id;
    while waiting(&door).await == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    apply(&door, json!({ "format": 1 })).await;
    for _ in 0..400 {
        let job = hers.get(&format!("/v1/jobs/{id}")).await.json();
        if job["state"] == "failed" {
            assert_eq!(get(&hers, &id).await.code(), is(410, "statement-outdated"));
            assert_eq!(waiting(&door).await, 0, "nothing is left of it");
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("it goes on");
}

/// P7: what is told of a statement does not depend on what its reader may not see.
#[tokio::test]
async fn p7_two_lakes_that_look_the_same_tell_the_same() {
    const SEEN: &str = "id,region\n1,EU\n";
    let mut told = Vec::new();
    for hidden in ["2,US\n", "2,US\n3,US\n4,\n"] {
        let door = Door::remote().await;
        door.test.ingest("crm.customers", "c.csv", &format!("{SEEN}{hidden}")).await.unwrap();
        let mut declared = grants(None);
        declared["policies"] = json!([{ "name": "eu", "on": { "dataset": "crm.customers" },
                                        "row_filter": "region = 'EU'" }]);
        apply(&door, declared).await;
        let hers = door_of(&door, alice());
        let answer = ask(&hers, "ROWS 10 crm.customers").await;
        let statement = told_without_names(&answer);
        let id = serde_json::from_slice::<Value>(&answer.body).unwrap()["id"].clone();
        let rows = chunk(&hers, id.as_str().unwrap(), 0, media::JSON).await;
        let resolved = decode_resolved(rows.header(media::RESOLVED)).unwrap();
        assert!(resolved[0].version_id.is_none(), "digests are data: {resolved:?}");
        let mut fields: Vec<String> = rows
            .headers
            .iter()
            .filter(|(name, _)| !["x-request-id", "lakebed-statement-id"].contains(&name.as_str()))
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        fields.sort();
        told.push((statement, fields, without_names(&rows.body)));
    }
    assert_eq!(told[0], told[1]);
}

fn told_without_names(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.text());
    without_names(&answer.body)
}

/// Without what is another each time.
fn without_names(body: &[u8]) -> Value {
    let text = String::from_utf8(body.to_vec()).unwrap();
    let mut value: Value = serde_json::from_str(&text).unwrap();
    let id = value["id"].as_str().unwrap_or("none").to_owned();
    for member in ["id", "created_at", "updated_at", "expires_at", "statement_id"] {
        value.as_object_mut().unwrap().remove(member);
    }
    if let Some(result) = value["result"].as_object_mut() {
        result.remove("statement_id");
    }
    serde_json::from_str(&value.to_string().replace(&id, "ID")).unwrap()
}

/// For everybody else there is no such statement, and it is nothing else either.
#[tokio::test]
async fn a_statement_is_its_owners_alone() {
    let door = Door::remote().await;
    let id = done(&door, "ROWS 10").await.id;
    let mallory = door.of("mallory");
    let nobodys = get(&mallory, "0123456789abcdef").await.problem().detail;
    for (method, path) in [
        ("GET", path_of(&id)),
        ("GET", path_of(&id) + "?wait_ms=1000"),
        ("GET", path_of(&id) + "/chunks/0"),
        ("GET", path_of(&id) + "/chunks/99"),
        ("DELETE", path_of(&id)),
    ] {
        let answer = mallory.call(method, &path, &[], Body::empty()).await;
        assert_eq!(
            (answer.code(), answer.problem().detail),
            (is(404, "not-found"), nobodys.clone()),
            "{method} {path}"
        );
    }
    assert_eq!(get(&mallory, "..%2f").await.code(), is(400, "invalid-id"));
    assert_eq!(chunk(&door, &id, 0, media::CSV).await.status, 200, "nobody ended it");
    // An ingest is a job, and no statement.
    let uploaded = door.call("POST", "/v1/uploads?name=a.csv", &[], "id\n1\n").await.json();
    let ingest = json!({ "dataset": "a.b",
                         "sources": [{ "name": "a.csv", "upload": uploaded["upload"] }] });
    let headers = ["content-type: application/json", "prefer: respond-async"];
    let job = door.call("POST", "/v1/ingests", &headers, ingest.to_string()).await;
    let job: Value = serde_json::from_slice(&job.body).unwrap();
    let of_job = get(&door, job["id"].as_str().unwrap()).await;
    assert_eq!((of_job.code(), of_job.problem().detail), (is(404, "not-found"), nobodys));
}

/// Chunks are neither objects nor uploads, under whatever name somebody tries them.
#[tokio::test]
async fn chunks_are_reached_as_chunks_alone() {
    let door = Door::remote().await;
    let id = done(&door, "ROWS 10").await.id;
    let store = door.lake.store();
    let listed = store.waiting_results().await.unwrap();
    assert_eq!(listed.iter().map(|found| found.result.as_str()).collect::<Vec<_>>(), [id.as_str()]);
    assert!(store.waiting_uploads().await.unwrap().is_empty());
    let arrow = chunk(&door, &id, 0, media::ARROW).await.body;
    for digest in [ObjectId::of(&arrow), waiting_digest(&door, &id).await] {
        let object = door.get(&format!("/v1/objects/{digest}")).await;
        assert_eq!(object.code(), is(404, "not-found"));
        let ingest = json!({ "dataset": "a.b", "options": { "format": "files" },
                             "sources": [{ "name": "a", "upload": digest }] });
        assert_eq!(door.post("/v1/ingests", ingest).await.code(), is(404, "not-found"));
    }
    assert_eq!(door.get(&format!("/v1/uploads/{id}")).await.code(), is(404, "not-found"));
    door.lake.sweep_uploads().await.unwrap();
    assert_eq!(
        chunk(&door, &id, 0, media::CSV).await.status,
        200,
        "no upload that was left behind"
    );
    // Nothing that is told of it is a name of bytes.
    let told = get(&door, &id).await;
    let digest = waiting_digest(&door, &id).await.to_string();
    assert!(!told.text().contains(&digest), "{}", told.text());
}

/// What the only chunk of a statement hashes to, as its job has it.
async fn waiting_digest(door: &Door, id: &str) -> ObjectId {
    let principal = "anonymous@loopback";
    let job = door.lake.catalog().find_job(principal, id).await.unwrap().unwrap();
    let outcome: Value = serde_json::from_str(&job.outcome.unwrap()).unwrap();
    outcome["kept"]["chunks"][0][2].as_str().unwrap().parse().unwrap()
}

fn arrow_rows(bodies: &[Bytes]) -> RecordBatch {
    let batches: Vec<RecordBatch> = bodies
        .iter()
        .flat_map(|body| StreamReader::try_new(&body[..], None).unwrap())
        .map(Result::unwrap)
        .collect();
    arrow::compute::concat_batches(&batches[0].schema(), &batches).unwrap()
}

/// One chunk after the other is the answer, in every format.
#[tokio::test]
async fn chunks_are_the_answer_in_every_format() {
    let door = Door::remote().await;
    let answer = ask(&door, LONG).await;
    assert_eq!(answer.status, StatusCode::OK);
    let statement = told(&answer);
    assert_eq!(answer.header("location"), path_of(&statement.id));
    assert!(statement.expires_at.unwrap() > statement.updated_at);
    let answered = statement.result.clone().unwrap();
    assert_eq!(answered.row_count, 600_000);
    assert_eq!(answered.columns.len(), 2);
    let row_counts: Vec<u64> = answered.chunks.iter().map(|chunk| chunk.row_count).collect();
    assert!(row_counts.len() > 1 && row_counts.iter().sum::<u64>() == 600_000, "{row_counts:?}");
    let (mut arrow, mut parquet, mut rows, mut lines) = (vec![], vec![], 0, 0);
    for (number, link) in answered.chunks.iter().enumerate() {
        assert_eq!(link.url, format!("{}/chunks/{number}", path_of(&statement.id)));
        assert!(link.size_bytes > 0);
        arrow.push(chunk(&door, &statement.id, number, media::ARROW).await.body);
        let file = chunk(&door, &statement.id, number, media::PARQUET).await.body;
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
        parquet.extend(reader.map(Result::unwrap));
        let json = chunk(&door, &statement.id, number, media::JSON).await;
        let json: SqlResult = serde_json::from_value(json.json()).unwrap();
        assert_eq!(json.row_count, link.row_count);
        assert_eq!(json.rows[0][0], json!(rows), "rows go on where the last chunk ended");
        assert_eq!((&json.resolved, &json.snapshot), (&answered.resolved, &answered.snapshot));
        assert_eq!(json.statement_id, answered.statement_id);
        rows += json.row_count;
        let csv = chunk(&door, &statement.id, number, media::CSV).await;
        assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8; header=present");
        assert_eq!(csv.header("cache-control"), "no-store");
        assert_eq!(csv.header(media::STATEMENT_ID), answered.statement_id);
        assert_eq!(csv.text().lines().next(), Some("n,name"));
        lines += csv.text().lines().count() - 1;
    }
    assert_eq!(arrow_rows(&arrow), batch_of(0..600_000));
    let parquet = arrow::compute::concat_batches(&parquet[0].schema(), &parquet).unwrap();
    assert_eq!(parquet, batch_of(0..600_000));
    assert_eq!((rows, lines), (600_000, 600_000));
    let path = format!("{}/chunks/0?int64=string", path_of(&statement.id));
    let text = door.call("GET", &path, &["accept: application/x-ndjson"], Body::empty()).await;
    assert!(text.text().starts_with("{\"n\":\"0\",\"name\":\"row 0\"}\n"));
}

/// Every type comes back as it went in, from a chunk as from `/v1/sql`.
#[tokio::test]
async fn chunks_lose_no_type() {
    let door = Door::remote().await;
    let id = done(&door, "TYPES").await.id;
    for format in [media::NDJSON, media::CSV] {
        let direct = door.sql("TYPES", format).await;
        assert_eq!(chunk(&door, &id, 0, format).await.text(), direct.text());
    }
    let direct = door.sql("TYPES", media::ARROW).await.body;
    let fetched = chunk(&door, &id, 0, media::ARROW).await.body;
    assert_eq!(arrow_rows(&[fetched]), arrow_rows(&[direct]));
    let twice = done(&door, "TWICE").await.id;
    assert_eq!(chunk(&door, &twice, 0, media::NDJSON).await.code(), is(422, "not-encodable"));
    assert_eq!(chunk(&door, &twice, 0, media::CSV).await.text(), "a,a\r\n1,1\r\n");
}

#[tokio::test]
async fn no_rows_are_one_chunk() {
    let door = Door::remote().await;
    let statement = done(&door, "ROWS 0").await;
    let answered = statement.result.unwrap();
    assert_eq!((answered.row_count, answered.chunks.len()), (0, 1));
    assert_eq!(chunk(&door, &statement.id, 0, media::CSV).await.text(), "n,name\r\n");
}

#[tokio::test]
async fn what_takes_longer_is_waited_for_and_polled() {
    let door = Door::remote().await;
    let place = hold(&door).await;
    let body = json!({ "sql": "ROWS 10", "wait_ms": 0 });
    let accepted = ask_with(&door, body, &[]).await;
    assert_eq!(accepted.status, StatusCode::ACCEPTED, "{}", accepted.text());
    let statement = told(&accepted);
    assert_eq!(accepted.header("location"), path_of(&statement.id));
    assert_eq!(statement.state, JobState::Queued);
    assert_eq!((statement.result, statement.expires_at), (None, None));
    let polled = told(&door.get(&format!("{}?wait_ms=500", path_of(&statement.id))).await);
    let progress = polled.progress.unwrap();
    assert_eq!((progress.phase.as_str(), progress.queued_before), ("queued", Some(0)));
    let early = chunk(&door, &statement.id, 0, media::CSV).await;
    assert_eq!(early.code(), is(409, "statement-not-done"));
    drop(place);
    let ended = ended(&door, &statement.id).await;
    assert_eq!((ended.state, ended.result.unwrap().row_count), (JobState::Done, 10));
    for wait in ["30001", "-1", "soon"] {
        let answer = door.get(&format!("{}?wait_ms={wait}", path_of(&statement.id))).await;
        assert_eq!(answer.status, 400, "{wait}");
    }
    let body = json!({ "sql": "ROWS 10", "wait_ms": 30_001 });
    assert_eq!(ask_with(&door, body, &[]).await.code(), is(400, "invalid-wait"));
    // A bare statement, waited for as long as nobody says.
    let bare = door.call("POST", "/v1/statements", &["content-type: text/plain"], "ROWS 3").await;
    assert_eq!(result(&bare).row_count, 3);
}

/// How many rows there are so far is told while it goes on.
#[tokio::test]
async fn progress_counts_rows() {
    let door = Door::remote().await;
    let body = json!({ "sql": "PAUSED 12000", "wait_ms": 0 });
    let id = told(&ask_with(&door, body, &[]).await).id;
    for _ in 0..100 {
        let statement = told(&door.get(&format!("{}?wait_ms=50", path_of(&id))).await);
        let rows = statement.progress.map_or(0, |progress| progress.rows_done);
        if statement.state == JobState::Running && rows >= 5000 {
            assert_eq!(told(&delete(&door, &id).await).state, JobState::Cancelled);
            return;
        }
    }
    panic!("no progress is told");
}

#[tokio::test]
async fn the_same_key_is_the_same_statement() {
    let door = Door::remote().await;
    let key = ["idempotency-key: k1"];
    let body = |sql: &str, wait: u64| json!({ "sql": sql, "wait_ms": wait });
    let first = told(&ask_with(&door, body("ROWS 10", 30_000), &key).await);
    assert_eq!(first.idempotency_key.as_deref(), Some("k1"));
    for wait in [0, 1000] {
        let again = told(&ask_with(&door, body("ROWS 10", wait), &key).await);
        assert_eq!((&again.id, &again.result), (&first.id, &first.result));
    }
    assert_ne!(told(&ask_with(&door, body("ROWS 10", 0), &[]).await).id, first.id);
    let other = ask_with(&door, body("ROWS 11", 0), &key).await;
    assert_eq!(other.code(), is(400, "idempotency-key-reused"));
    let limited = json!({ "sql": "ROWS 10", "limits": { "max_rows": 3 } });
    assert_eq!(ask_with(&door, limited, &key).await.code(), is(400, "idempotency-key-reused"));
    // The key of somebody else is another key.
    assert_ne!(told(&ask_with(&door.of("bob"), body("ROWS 11", 0), &key).await).id, first.id);
    // What was forgotten is not run again behind its owner's back.
    delete(&door, &first.id).await;
    let gone = ask_with(&door, body("ROWS 10", 0), &key).await;
    assert_eq!(gone.code(), is(410, "statement-expired"));
    let bad = ask_with(&door, body("ROWS 10", 0), &["idempotency-key: "]).await;
    assert_eq!(bad.code(), is(400, "invalid-idempotency-key"));
}

/// What cannot be meant, or may not be asked, is refused at once; what fails later says why.
#[tokio::test]
async fn a_statement_that_cannot_be_answered_says_why() {
    let door = Door::remote().await;
    assert_eq!(ask(&door, "INVALID").await.code(), is(400, "sql-invalid"));
    assert_eq!(ask(&door, "ROWS 1 no.such").await.code(), is(404, "not-found"));
    let limits = json!({ "sql": "ROWS 1", "limits": { "max_rows": 0 } });
    assert_eq!(ask_with(&door, limits, &[]).await.code(), is(400, "invalid-limit"));
    let jobs = door.get("/v1/jobs").await.json();
    assert_eq!(jobs["jobs"], json!([]), "none of them is a job");
    for sql in ["FAIL", "BREAK 5000", "BREAK 600000"] {
        let failed = told(&ask(&door, sql).await);
        assert_eq!(failed.state, JobState::Failed);
        let problem = failed.problem.unwrap();
        assert_eq!((problem.status, problem.code.as_str()), (422, "sql-failed"));
        assert_eq!(
            (problem.instance, problem.detail.as_str()),
            (failed.id.clone(), "division by zero")
        );
        assert_eq!(
            chunk(&door, &failed.id, 0, media::CSV).await.code(),
            is(409, "statement-not-done")
        );
    }
    assert_eq!(waiting(&door).await, 0, "nothing is left of what failed");
    let nothing = door.call("POST", "/v1/statements", &[], "ROWS 1").await;
    assert_eq!(nothing.code(), is(415, "unsupported-media-type"));
}

#[tokio::test]
async fn chunks_that_are_not_there_are_said_so() {
    let door = Door::remote().await;
    let id = done(&door, "ROWS 10").await.id;
    assert_eq!(chunk(&door, &id, 1, media::CSV).await.code(), is(404, "not-found"));
    for number in ["-1", "+0", "x", "", "1e1", "99999999999999999999"] {
        let answer = door.get(&format!("{}/chunks/{number}", path_of(&id))).await;
        assert!([400, 404].contains(&answer.status.as_u16()), "{number}: {}", answer.status);
        assert!(number.is_empty() || answer.code() == is(400, "invalid-chunk"), "{number}");
    }
    assert_eq!(chunk(&door, &id, 0, "text/html").await.code(), is(406, "not-acceptable"));
}

/// P3: a chunk that is not what was written is an error before anything of it is sent.
#[tokio::test]
async fn p3_a_damaged_chunk_is_an_error() {
    let door = Door::remote_in_folder().await;
    let id = done(&door, LONG).await.id;
    let folder = door.test.root().join("tmp/results").join(&id);
    let mut files: Vec<_> =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let whole = std::fs::read(&files[0]).unwrap();
    let mut flipped = whole.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    for damage in [flipped, whole[..middle].to_vec(), Vec::new()] {
        std::fs::remove_file(&files[0]).unwrap();
        std::fs::write(&files[0], damage).unwrap();
        for format in SqlFormat::ALL {
            let answer = chunk(&door, &id, 0, format.media_type()).await;
            assert_eq!(answer.code(), is(500, "result-damaged"), "{format:?}");
            assert_eq!(answer.problem().hint.as_deref(), Some("run the statement again"));
        }
    }
    std::fs::remove_file(&files[0]).unwrap();
    assert_eq!(chunk(&door, &id, 0, media::CSV).await.code(), is(500, "result-damaged"));
    assert_eq!(chunk(&door, &id, 1, media::CSV).await.status, 200, "the others are whole");
}

#[tokio::test]
async fn a_cancelled_statement_leaves_nothing() {
    let door = Door::remote().await;
    // It never gives a row, it gives many, it waits for its turn.
    for sql in ["STUCK", "ENDLESS", "QUEUED"] {
        let place = if sql == "QUEUED" { Some(hold(&door).await) } else { None };
        let body = json!({ "sql": sql, "wait_ms": 200 });
        let accepted = ask_with(&door, body, &[]).await;
        assert_eq!(accepted.status, StatusCode::ACCEPTED, "{sql}: {}", accepted.text());
        let id = told(&accepted).id;
        let cancelled = told(&delete(&door, &id).await);
        assert_eq!((cancelled.state, cancelled.cancel_asked), (JobState::Cancelled, true), "{sql}");
        assert!(place.is_some() || door.engine.dropped.load(std::sync::atomic::Ordering::SeqCst));
        assert_eq!(told(&delete(&door, &id).await).state, JobState::Cancelled, "once more");
        assert_eq!(told(&get(&door, &id).await).state, JobState::Cancelled);
        drop(place);
    }
    assert_eq!(waiting(&door).await, 0);
    // A job it is, too.
    let id = told(&ask_with(&door, json!({ "sql": "STUCK", "wait_ms": 0 }), &[]).await).id;
    let job = door.call("DELETE", &format!("/v1/jobs/{id}"), &[], Body::empty()).await.json();
    assert_eq!((&job["kind"], &job["state"]), (&json!("statement"), &json!("cancelled")));
}

/// What is done is forgotten when its owner says so, at once and everywhere.
#[tokio::test]
async fn a_result_is_forgotten_when_its_owner_says_so() {
    let door = Door::remote().await;
    let id = done(&door, "ROWS 10").await.id;
    let other = door.another().await;
    assert_eq!(chunk(&other, &id, 0, media::CSV).await.status, 200);
    let deleted = told(&delete(&other, &id).await);
    assert_eq!((deleted.state, deleted.expires_at), (JobState::Done, None));
    assert_eq!(waiting(&door).await, 0);
    assert_eq!(get(&door, &id).await.code(), is(410, "statement-expired"));
    assert_eq!(chunk(&door, &id, 0, media::CSV).await.code(), is(410, "statement-expired"));
    assert_eq!(told(&delete(&door, &id).await).state, JobState::Done, "once more");
}

/// A result waits for its time; then it is not to be had, whether or not it is swept.
#[tokio::test]
async fn a_result_expires_and_is_swept() {
    let door = Door::remote().await;
    let statement = done(&door, "ROWS 10").await;
    let failed = told(&ask(&door, "FAIL").await);
    let stuck =
        told(&ask_with(&door, json!({ "sql": "PAUSED 600000", "wait_ms": 0 }), &[]).await).id;
    let store = door.lake.store().clone();
    store.keep_chunk("0123abcd", "001-00", 0, Bytes::from_static(b"nobody's")).await.unwrap();
    let state = AppState::new(door.lake.clone(), Access::Remote);
    let jobs = state.jobs_of_server().unwrap().clone();
    // Tending looks once at its beginning; how long that takes is not what is tested.
    let swept = async |result: &str| {
        let is_there = async || {
            let waiting = store.waiting_results().await.unwrap();
            waiting.iter().any(|found| found.result == result)
        };
        let gone = async {
            while is_there().await {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::select! {
            () = jobs.tend() => {}
            gone = tokio::time::timeout(Duration::from_secs(20), gone) => gone.expect("it is swept"),
        }
    };
    let fresh = door.with_state(AppState::new(door.lake.clone(), Access::Remote));
    swept("0123abcd").await;
    assert_eq!(
        chunk(&door, &statement.id, 0, media::CSV).await.status,
        200,
        "its time is not over"
    );
    while door.lake.now() <= failed.expires_at.unwrap() {}
    for id in [&statement.id, &failed.id] {
        assert_eq!(get(&door, id).await.code(), is(410, "statement-expired"));
    }
    assert_eq!(
        chunk(&fresh, &statement.id, 0, media::CSV).await.code(),
        is(410, "statement-expired")
    );
    swept(&statement.id).await;
    let job = door.get(&format!("/v1/jobs/{}", statement.id)).await.json();
    assert_eq!((&job["state"], &job["kind"]), (&json!("done"), &json!("statement")));
    assert_eq!(told(&get(&door, &stuck).await).state, JobState::Running, "what goes on goes on");
    delete(&door, &stuck).await;
}

#[tokio::test]
async fn a_result_has_a_limit() {
    let door = Door::remote().await;
    limit(&door, ResultLimits { result_bytes: 100_000, ..ResultLimits::default() });
    let failed = told(&ask(&door, "ENDLESS").await);
    let problem = failed.problem.unwrap();
    assert_eq!((problem.status, problem.code.as_str()), (422, "result-too-large"));
    assert!(problem.hint.unwrap().contains("`POST /v1/sql` streams any number of rows"));
    assert_eq!(waiting(&door).await, 0);
    // There is room for two of these in all, and for one of each principal.
    let bob = door.of("bob");
    let one = done(&bob, "ROWS 5000").await.result.unwrap().chunks[0].size_bytes;
    limit(&door, ResultLimits { total_bytes: 2 * one, ..ResultLimits::default() });
    let full = told(&ask(&bob, "ROWS 1").await).problem.unwrap();
    assert_eq!((full.status, full.code.as_str()), (429, "too-many-results"));
    let mine = done(&door, "ROWS 5000").await.id;
    let full = told(&ask(&door.of("carol"), "ROWS 1").await).problem.unwrap();
    assert_eq!((full.status, full.code.as_str()), (507, "no-room"));
    delete(&door, &mine).await;
    done(&door.of("carol"), "ROWS 1").await;
}

/// The limits of the server hold for what it does later, too; a client can lower them.
#[tokio::test]
async fn the_servers_limits_hold() {
    let limits = QueryLimits { max_rows: Some(100), ..QueryLimits::default() };
    let door = Door::with(Access::Remote, limits).await;
    let seen = || door.engine.limits.lock().unwrap().take().unwrap().max_rows;
    done(&door, "ROWS 1").await;
    assert_eq!(seen(), Some(100));
    for (asked, held) in [(7, 7), (1000, 100)] {
        let body = json!({ "sql": "ROWS 1", "limits": { "max_rows": asked }, "wait_ms": 30_000 });
        result(&ask_with(&door, body, &[]).await);
        assert_eq!(seen(), Some(held));
    }
}

#[tokio::test]
async fn a_full_queue_is_429() {
    let door = Door::remote().await;
    let place = hold(&door).await;
    let body = json!({ "sql": "ROWS 1", "wait_ms": 0 });
    let mut ids = Vec::new();
    for _ in 0..2 {
        ids.push(told(&ask_with(&door, body.clone(), &[]).await).id);
    }
    let full = ask_with(&door, body, &[]).await;
    assert_eq!((full.code(), full.header("retry-after")), (is(429, "busy"), "5"));
    drop(place);
    for id in ids {
        assert_eq!(ended(&door, &id).await.state, JobState::Done);
    }
}

/// Among the jobs, statements are jobs.
#[tokio::test]
async fn statements_are_listed_as_jobs() {
    let door = Door::remote().await;
    let answered = done(&door, "ROWS 10").await.id;
    let failed = told(&ask(&door, "FAIL").await).id;
    let list = door.client().jobs(None).await.unwrap().jobs;
    let shown: BTreeMap<_, _> = list.iter().map(|job| (job.id.clone(), job)).collect();
    assert_eq!(shown.len(), 2);
    let job = shown[&answered];
    assert_eq!((job.kind.as_str(), job.state, &job.result), ("statement", JobState::Done, &None));
    let job = shown[&failed];
    let problem = job.problem.as_ref().unwrap();
    assert_eq!((job.state, problem.code.as_str()), (JobState::Failed, "statement-failed"));
    assert!(problem.detail.contains(&path_of(&failed)), "{problem:?}");
    let events = door.get(&format!("/v1/jobs/{answered}/events")).await;
    assert!(events.text().contains("event: job\n"));
    assert!(!events.text().contains("chunks"), "{}", events.text());
}

/// Nothing goes on in a lake that nobody serves.
#[tokio::test]
async fn a_lake_in_its_own_process_has_no_statements() {
    let door = Door::local().await;
    let answer = ask(&door, "ROWS 1").await;
    assert_eq!(answer.code(), is(400, "needs-a-server"));
    assert!(answer.problem().hint.unwrap().contains("/v1/sql"));
}

const TIMES: JobTimes =
    JobTimes { beat: Duration::from_millis(50), dead_after: Duration::from_millis(500) };

/// A server that dies leaves its statements to the others: they begin anew, and what it left goes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_server_takes_over_what_a_dead_one_left() {
    let dead = Door::remote().await;
    // Its statement never gets its turn, and nobody keeps it alive: as good as dead.
    let place = hold(&dead).await;
    let state = AppState::new(dead.lake.clone(), Access::Remote).with_job_times(TIMES);
    let dead = dead.with_state(state);
    let body = json!({ "sql": "ROWS 10", "wait_ms": 0 });
    let key = ["idempotency-key: k1"];
    let id = told(&ask_with(&dead, body.clone(), &key).await).id;
    let left = Bytes::from_static(b"what it had written");
    dead.lake.store().keep_chunk(&id, "001-00", 7, left).await.unwrap();

    let other = dead.another_with_its_engine().await;
    let state = AppState::new(other.lake.clone(), Access::Remote).with_job_times(TIMES);
    let jobs = state.jobs_of_server().unwrap().clone();
    let tending = tokio::spawn(async move { jobs.tend().await });
    let other = other.with_state(state);
    assert_eq!(ended(&other, &id).await.result.unwrap().row_count, 10);
    let job = other.get(&format!("/v1/jobs/{id}")).await.json();
    assert_eq!(job["attempt"], 2);
    let store = other.lake.store();
    let all = store.waiting_results().await.unwrap()[0].size_bytes;
    let kept = ended(&other, &id).await.result.unwrap().chunks[0].size_bytes;
    assert_eq!(all, kept, "what the dead one had written is gone");
    assert_eq!(told(&ask_with(&other, body, &key).await).id, id);

    // The dead one was only asleep, and does its work, too: it harms nothing.
    let rows = chunk(&other, &id, 0, media::CSV).await;
    drop(place);
    tokio::time::sleep(Duration::from_millis(300)).await;
    for door in [&other, &dead] {
        assert_eq!(chunk(door, &id, 0, media::CSV).await.text(), rows.text());
    }
    tending.abort();
    delete(&other, &id).await;
    assert_eq!(waiting(&other).await, 0, "both runs are forgotten");
}

/// A server that is told to stop gives its statements back, and whoever comes next runs them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stops_hands_its_statements_over() {
    let door = Door::remote().await;
    let _place = hold(&door).await;
    let state = AppState::new(door.lake.clone(), Access::Remote);
    let jobs = state.jobs_of_server().unwrap().clone();
    let door = door.with_state(state);
    let body = json!({ "sql": "ROWS 10", "wait_ms": 0 });
    let id = told(&ask_with(&door, body.clone(), &[]).await).id;
    jobs.close().await.unwrap();
    assert_eq!(ask_with(&door, body, &[]).await.code(), is(503, "unavailable"));

    let next = door.another_with_its_engine().await;
    let state = AppState::new(next.lake.clone(), Access::Remote);
    let jobs = state.jobs_of_server().unwrap().clone();
    let next = next.with_state(state);
    let tending = tokio::spawn(async move { jobs.tend().await });
    assert_eq!(ended(&next, &id).await.result.unwrap().row_count, 10);
    tending.abort();
}

//! Jobs: accepted, followed, found again, cancelled, fair, and taken over from the dead.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures::stream;
use http::StatusCode;
use lakebed_api::{IngestRequest, IngestSource, Job, JobState, Uploaded};
use lakebed_client::ClientError;
use lakebed_core::Identity;
use lakebed_server::{Access, AppState, Asks, Auth};
use lakebed_service::{
    AdmissionLimits, ApplyCatalog, Ctx, JobTimes, Ticket, TokenRequest, WorkLimits,
};

use crate::support::{Answer, Door, is};

const CSV: &str = "id,price\n1,1.5\n2,2.5\n";
const JOB: [&str; 2] = ["content-type: application/json", "prefer: wait=1, respond-async"];

async fn upload(door: &Door, text: &str) -> IngestRequest {
    let parts = stream::iter([Ok::<_, std::io::Error>(Bytes::copy_from_slice(text.as_bytes()))]);
    let uploaded = door.client().upload("orders.csv", parts, None).await.unwrap();
    IngestRequest {
        dataset: "sales.orders".to_owned(),
        sources: vec![IngestSource::upload("orders.csv", uploaded.upload)],
        ..IngestRequest::default()
    }
}

async fn submit(door: &Door, request: &IngestRequest, headers: &[&str]) -> Answer {
    let body = serde_json::to_string(request).unwrap();
    door.call("POST", "/v1/ingests", &[&JOB, headers].concat(), body).await
}

fn job(answer: &Answer) -> Job {
    assert!(answer.status.is_success(), "{}", answer.text());
    serde_json::from_slice(&answer.body).unwrap()
}

/// The only place of a lake that does one ingest at a time: nothing else runs while it is held.
fn hold(door: &Door) -> Ticket {
    let one = AdmissionLimits { at_once: 1, queued: 100, queued_per_principal: 2 };
    door.lake.limit_work(&WorkLimits { ingests: one, ..WorkLimits::default() });
    let ctx = Ctx::new(Identity::owner("holder".parse().unwrap()), "r0");
    door.lake.admit_ingest(&ctx).unwrap()
}

async fn ended(door: &Door, id: &str) -> Job {
    for _ in 0..400 {
        let job = job(&door.get(&format!("/v1/jobs/{id}")).await);
        if job.state.is_final() {
            return job;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("job {id} does not end");
}

#[tokio::test]
async fn an_ingest_becomes_a_job() {
    let door = Door::remote().await;
    let accepted = submit(&door, &upload(&door, CSV).await, &[]).await;
    assert_eq!(accepted.status, StatusCode::ACCEPTED, "{}", accepted.text());
    assert_eq!(accepted.header("preference-applied"), "respond-async");
    let id = job(&accepted).id;
    assert_eq!(accepted.header("location"), format!("/v1/jobs/{id}"));
    let done = door.client().follow_ingest(&id, |_| {}).await.unwrap();
    assert_eq!((done.version.version, done.version.row_count), (1, Some(2)));
    let job = job(&door.get(&format!("/v1/jobs/{id}")).await);
    assert_eq!((job.state, job.kind.as_str(), job.attempt), (JobState::Done, "ingest", 1));
    assert_eq!(job.result.unwrap(), done);
    let listed = door.client().jobs(None).await.unwrap().jobs;
    assert_eq!(listed.iter().map(|job| job.id.as_str()).collect::<Vec<_>>(), [id.as_str()]);
}

/// Each event is the whole job; the last one is told whatever was seen before.
#[tokio::test]
async fn events_are_told_until_the_job_is_final() {
    let door = Door::remote().await;
    let place = hold(&door);
    let id = job(&submit(&door, &upload(&door, CSV).await, &[]).await).id;
    let mut phases = Vec::new();
    let client = door.client();
    let following = client.follow_ingest(&id, |progress| {
        phases.push((progress.phase, progress.queued_before));
    });
    let release = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        drop(place);
    };
    let (followed, ()) = tokio::join!(following, release);
    followed.unwrap();
    assert_eq!(phases.first(), Some(&("queued".to_owned(), Some(0))), "{phases:?}");
    let path = format!("/v1/jobs/{id}/events");
    let events = door.get(&path).await;
    assert_eq!(events.header("content-type"), "text/event-stream");
    let revision = job(&door.get(&format!("/v1/jobs/{id}")).await).revision;
    let last = format!("id: {revision}\n");
    assert!(events.text().contains("event: job\n") && events.text().contains(&last));
    let seen = format!("last-event-id: {revision}");
    let again = door.call("GET", &path, &[&seen], Body::empty()).await;
    assert!(again.text().contains(&last), "{}", again.text());
    let nobody = door.get("/v1/jobs/0123456789abcdef/events").await;
    assert_eq!(nobody.code(), is(404, "not-found"));
}

#[tokio::test]
async fn the_same_key_is_the_same_job() {
    let door = Door::remote().await;
    let request = upload(&door, CSV).await;
    let key = ["idempotency-key: k1"];
    let first = job(&submit(&door, &request, &key).await);
    for _ in 0..3 {
        assert_eq!(job(&submit(&door, &request, &key).await).id, first.id);
    }
    ended(&door, &first.id).await;
    assert_eq!(job(&submit(&door, &request, &key).await).state, JobState::Done);
    let other = IngestRequest { dataset: "sales.other".to_owned(), ..request.clone() };
    let reused = submit(&door, &other, &key).await;
    assert_eq!(reused.code(), is(400, "idempotency-key-reused"));
    // The same request, waited for, is found done, though the upload is gone.
    let waited = door.client().ingest(&request, Some("k1"), |_| {}).await.unwrap();
    assert_eq!(waited.version.version, 1);
    let error = door.client().ingest(&request, None, |_| {}).await.unwrap_err();
    assert_eq!(error.code(), "not-found", "without its key it is another request");
}

#[tokio::test]
async fn a_job_that_cannot_be_done_says_why() {
    let door = Door::remote().await;
    let id = job(&submit(&door, &upload(&door, "").await, &[]).await).id;
    let error = door.client().follow_ingest(&id, |_| {}).await.unwrap_err();
    let ClientError::Problem(problem) = error else { panic!("{error}") };
    assert_eq!((problem.status, problem.instance.as_str()), (422, id.as_str()));
    assert!(problem.event.is_some(), "the sources are kept: {problem:?}");
    assert_eq!(ended(&door, &id).await.state, JobState::Failed);
    // What cannot be meant is no job at all.
    let none = IngestRequest { sources: Vec::new(), ..upload(&door, CSV).await };
    assert_eq!(submit(&door, &none, &[]).await.code(), is(400, "no-sources"));
}

#[tokio::test]
async fn a_cancelled_job_leaves_nothing() {
    let door = Door::remote().await;
    let place = hold(&door);
    let request = upload(&door, CSV).await;
    let id = job(&submit(&door, &request, &[]).await).id;
    let path = format!("/v1/jobs/{id}");
    let cancelled = job(&door.call("DELETE", &path, &[], Body::empty()).await);
    assert_eq!((cancelled.state, cancelled.cancel_asked), (JobState::Cancelled, true));
    drop(place);
    let error = door.client().follow_ingest(&id, |_| {}).await.unwrap_err();
    assert_eq!(error.code(), "cancelled");
    assert!(door.client().datasets(None).await.unwrap().datasets.is_empty());
    // The upload is still there, and ending what has ended changes nothing.
    let again = job(&submit(&door, &request, &[]).await).id;
    assert_eq!(ended(&door, &again).await.state, JobState::Done);
    let path = format!("/v1/jobs/{again}");
    let done = job(&door.call("DELETE", &path, &[], Body::empty()).await);
    assert_eq!(done.state, JobState::Done);
}

#[tokio::test]
async fn a_full_queue_is_429_and_says_when_to_come_back() {
    let door = Door::remote().await;
    let place = hold(&door);
    let mut ids = Vec::new();
    for number in 0..2 {
        let request = upload(&door, &format!("id\n{number}\n")).await;
        ids.push(job(&submit(&door, &request, &[]).await).id);
    }
    let request = upload(&door, CSV).await;
    let full = submit(&door, &request, &[]).await;
    assert_eq!(full.code(), is(429, "busy"));
    assert_eq!(full.header("retry-after"), "5");
    let body = serde_json::to_string(&request).unwrap();
    let waiting = door.call("POST", "/v1/ingests", &JOB[..1], body).await;
    assert_eq!(waiting.code(), is(429, "busy"), "for those who wait, too");
    drop(place);
    for id in ids {
        assert_eq!(ended(&door, &id).await.state, JobState::Done);
    }
}

#[tokio::test]
async fn a_job_is_its_owners_alone() {
    let door = Door::remote().await;
    let id = job(&submit(&door, &upload(&door, CSV).await, &[]).await).id;
    ended(&door, &id).await;
    let mallory = door.of("mallory");
    let path = format!("/v1/jobs/{id}");
    let nobodys = mallory.get("/v1/jobs/0123456789abcdef").await.problem().detail;
    for (method, path) in
        [("GET", path.clone()), ("DELETE", path.clone()), ("GET", path + "/events")]
    {
        let answer = mallory.call(method, &path, &[], Body::empty()).await;
        assert_eq!(
            (answer.code(), answer.problem().detail),
            (is(404, "not-found"), nobodys.clone())
        );
    }
    assert!(mallory.client().jobs(None).await.unwrap().jobs.is_empty());
    assert_eq!(mallory.get("/v1/jobs/..%2f").await.code(), is(400, "invalid-id"));
}

/// Whoever takes a token back takes back what was asked for with it.
#[tokio::test]
async fn a_job_of_a_revoked_token_makes_nothing() {
    let door = Door::remote().await;
    let owner = Ctx::new(Identity::owner("root".parse().unwrap()), "r0");
    let grants = r#"{"format": 1, "grants": [
        {"to": "alice", "may": ["ingest"], "on": "lake", "from_stage": "raw"}]}"#;
    let declared = serde_json::from_str(grants).unwrap();
    let apply = ApplyCatalog { declared, expected: None, without_admin: true };
    door.lake.apply_catalog(&owner, apply).await.unwrap();
    let principal = Some("alice".parse().unwrap());
    let request = TokenRequest { principal, ..TokenRequest::default() };
    let (secret, token) = door.lake.create_token(&owner, request).await.unwrap();
    let asking = door.asking(Asks::Always, Vec::new());
    let bearer = format!("authorization: Bearer {}", secret.reveal());
    let headers = ["content-type: application/octet-stream", bearer.as_str()];
    let uploaded = asking.call("POST", "/v1/uploads?name=a.csv", &headers, CSV).await;
    let uploaded: Uploaded = serde_json::from_slice(&uploaded.body).unwrap();
    let request = IngestRequest {
        dataset: "sales.orders".to_owned(),
        sources: vec![IngestSource::upload("a.csv", uploaded.upload)],
        ..IngestRequest::default()
    };
    let place = hold(&door);
    let id = job(&submit(&asking, &request, &[&bearer]).await).id;
    door.lake.revoke_token(&owner, token.id, false).await.unwrap();
    drop(place);
    let unasked = AppState::new(door.lake.clone(), Access::Remote)
        .with_auth(Auth::new(Asks::Never, Vec::new()).unwrap())
        .with_identity(Identity::owner("alice".parse().unwrap()));
    let alice = door.with_state(unasked);
    let ended = ended(&alice, &id).await;
    assert_eq!(ended.state, JobState::Failed);
    assert_eq!(ended.problem.unwrap().code, "forbidden");
    assert!(alice.client().datasets(None).await.unwrap().datasets.is_empty());
}

/// One principal with many jobs does not starve another.
#[tokio::test]
async fn principals_take_turns() {
    let door = Door::remote().await;
    let place = hold(&door);
    let many = AdmissionLimits { at_once: 1, queued: 1000, queued_per_principal: 1000 };
    door.lake.limit_work(&WorkLimits { ingests: many, ..WorkLimits::default() });
    let bob = door.of("bob");
    for number in 0..30 {
        let mut request = upload(&door, &format!("id\n{number}\n")).await;
        request.dataset = format!("alice.d{number}");
        submit(&door, &request, &[]).await;
    }
    let mut request = upload(&bob, CSV).await;
    request.dataset = "bob.one".to_owned();
    let id = job(&submit(&bob, &request, &[]).await).id;
    drop(place);
    ended(&bob, &id).await;
    let done = door.client().jobs(None).await.unwrap().jobs;
    let done = done.iter().filter(|job| job.state == JobState::Done).count();
    assert!(done < 10, "{done} of the other's 30 came first");
    for job in door.client().jobs(None).await.unwrap().jobs {
        ended(&door, &job.id).await;
    }
}

/// A server that dies leaves its jobs to the others: every one is done once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_server_takes_over_what_a_dead_one_left() {
    let times =
        JobTimes { beat: Duration::from_millis(50), dead_after: Duration::from_millis(500) };
    let dead = Door::remote().await;
    // Its jobs never get their turn, and nobody keeps it alive: as good as dead.
    let place = hold(&dead);
    let mut request = upload(&dead, CSV).await;
    request.mode = lakebed_core::IngestMode::Append;
    let state = AppState::new(dead.lake.clone(), Access::Remote).with_job_times(times);
    let dead = dead.with_state(state);
    let id = job(&submit(&dead, &request, &["idempotency-key: k1"]).await).id;

    let other = dead.another().await;
    let state = AppState::new(other.lake.clone(), Access::Remote).with_job_times(times);
    let jobs = state.jobs_of_server().unwrap().clone();
    let tending = tokio::spawn(async move { jobs.tend().await });
    let other = other.with_state(state);
    let followed = other.client().follow_ingest(&id, |_| {}).await.unwrap();
    assert_eq!((followed.version.version, followed.version.row_count), (1, Some(2)));
    assert_eq!(ended(&other, &id).await.attempt, 2);

    // The dead one was only asleep, and does its work, too: it finds it done.
    drop(place);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let history = other.client().history(&"sales.orders".parse().unwrap(), None, None).await;
    assert_eq!(history.unwrap().versions.len(), 1);
    assert_eq!(ended(&dead, &id).await.result, Some(followed));
    tending.abort();
}

/// A server that is told to stop gives its jobs back, and whoever comes next goes on with them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stops_hands_its_jobs_over() {
    let door = Door::remote().await;
    let _place = hold(&door);
    let state = AppState::new(door.lake.clone(), Access::Remote);
    let jobs = state.jobs_of_server().unwrap().clone();
    let door = door.with_state(state);
    let request = upload(&door, CSV).await;
    let id = job(&submit(&door, &request, &[]).await).id;
    jobs.close().await.unwrap();
    let refused = submit(&door, &IngestRequest { dataset: "a.b".to_owned(), ..request }, &[]).await;
    assert_eq!(refused.code(), is(503, "unavailable"));

    let next = door.another().await;
    let state = AppState::new(next.lake.clone(), Access::Remote);
    let jobs = state.jobs_of_server().unwrap().clone();
    let next = next.with_state(state);
    let tending = tokio::spawn(async move { jobs.tend().await });
    assert_eq!(ended(&next, &id).await.state, JobState::Done);
    tending.abort();
}

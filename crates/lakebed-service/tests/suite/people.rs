//! Who may do what, in the use cases: what is hidden, what is refused, and when.

use std::{collections::BTreeSet, sync::Arc};

use async_trait::async_trait;
use futures::TryStreamExt as _;
use lakebed_core::{Action, Declared, DecodeOptions, Identity, IngestMode, ScopeEntry, TokenScope};
use lakebed_service::{
    AbortRun, AppliedCatalog, ApplyCatalog, BeginRun, Ctx, Detail, Error, JobOutcome, JobQueue,
    JobRun, JobRunner, JobRunners, JobTimes, Jobs, NewJob, NoProgress, QueryRequest, Result,
    RunInput, RunStanding, ShownToken, TokenRecord, TokenRequest,
};
use lakebed_testkit::{TestLake, request_of};

use crate::lineage::World;

fn ctx(name: &str) -> Ctx {
    Ctx::new(Identity::of(name.parse().expect("a principal")), "request-1")
}

fn declared(grants: &str) -> Declared {
    serde_json::from_str(&format!(r#"{{"format":1,"grants":[{grants}]}}"#)).expect("a catalog")
}

fn grant(to: &str, may: &str, on: &str) -> String {
    format!(r#"{{"to":"{to}","may":["{may}"],"on":{on},"from_stage":"raw"}}"#)
}

async fn apply(test: &TestLake, declared: Declared) -> Result<AppliedCatalog> {
    let expected = test.lake.declared_catalog(&test.ctx()).await?.declaration;
    let expected = expected.map(|declaration| declaration.digest);
    let request = ApplyCatalog { declared, expected, without_admin: true };
    test.lake.apply_catalog(&test.ctx(), request).await
}

async fn reads(test: &TestLake, who: &Ctx, reference: &str) -> Result<u64> {
    let references = [reference.parse().expect("a reference")];
    let found = test.lake.resolve(who, &references, Detail::None).await?;
    Ok(found.versions[0].version.number)
}

const CRM: &str = r#"{"namespace":"crm"}"#;

/// A right holds from the apply on, and is gone from the apply on.
#[tokio::test]
async fn rights_come_and_go_with_the_catalog() {
    let test = TestLake::new().await;
    test.ingest("crm.customers", "c.csv", "id\n1\n").await.unwrap();
    let alice = ctx("alice");
    let missing = reads(&test, &alice, "crm.nothing").await.unwrap_err().to_string();
    let hidden = reads(&test, &alice, "crm.customers").await.unwrap_err();
    assert_eq!(hidden.to_string().replace("customers", "nothing"), missing);
    assert_eq!(hidden.code(), "not-found");
    apply(&test, declared(&grant("alice", "read", CRM))).await.unwrap();
    assert_eq!(reads(&test, &alice, "crm.customers").await.unwrap(), 1);
    apply(&test, declared(&grant("alice", "discover", CRM))).await.unwrap();
    let error = reads(&test, &alice, "crm.customers").await.unwrap_err();
    assert!(matches!(error, Error::Forbidden { .. }), "{error:?}");
    apply(&test, Declared::default()).await.unwrap();
    assert_eq!(reads(&test, &alice, "crm.customers").await.unwrap_err().code(), "not-found");
}

/// The scope of a credential narrows what its holder may do.
#[tokio::test]
async fn a_token_does_no_more_than_its_scope() {
    let test = TestLake::new().await;
    test.ingest("crm.customers", "c.csv", "id\n1\n").await.unwrap();
    test.ingest("hr.people", "p.csv", "id\n1\n").await.unwrap();
    apply(&test, declared(&grant("alice", "read", r#""lake""#))).await.unwrap();
    let on = "crm.*".parse().expect("a target");
    let scope = TokenScope(vec![ScopeEntry { may: [Action::Read].into(), on }]);
    let mut scoped = ctx("alice");
    scoped.identity.scope = Some(scope);
    assert_eq!(reads(&test, &scoped, "crm.customers").await.unwrap(), 1);
    assert_eq!(reads(&test, &scoped, "hr.people").await.unwrap_err().code(), "not-found");
    assert_eq!(reads(&test, &ctx("alice"), "hr.people").await.unwrap(), 1);
    let (_, seen) = test.lake.datasets(&scoped, None).await.unwrap();
    assert_eq!(seen.len(), 1);
    // An owner's credential with a scope is no owner's any more.
    let mut owner = test.ctx();
    owner.identity.scope = scoped.identity.scope.clone();
    assert_eq!(reads(&test, &owner, "hr.people").await.unwrap_err().code(), "not-found");
}

/// Nobody ingests into what is not theirs, whether it exists or not.
#[tokio::test]
async fn ingesting_takes_a_grant() {
    let test = TestLake::new().await;
    test.ingest("crm.customers", "c.csv", "id\n1\n").await.unwrap();
    apply(&test, declared(&grant("bob", "ingest", CRM))).await.unwrap();
    let path = test.file("new.csv", "id\n1\n2\n");
    let ingest = async |who: &Ctx, dataset: &str| {
        let options = DecodeOptions::default();
        let request = request_of(dataset, "new.csv", &path, IngestMode::Replace, options);
        let planned = test.lake.plan_ingest(who, request.clone()).await.map(drop);
        let ingested = test.lake.ingest(who, request, Arc::new(NoProgress)).await;
        assert_eq!(planned.is_ok(), ingested.is_ok());
        ingested
    };
    let told = async |dataset| {
        let error = ingest(&ctx("alice"), dataset).await.unwrap_err();
        error.to_string().replace(dataset, "it")
    };
    assert_eq!(told("crm.customers").await, told("crm.nothing").await);
    let outcome = ingest(&ctx("bob"), "crm.customers").await.unwrap();
    assert!(!outcome.is_readable && !outcome.sees_lake);
    assert_eq!(outcome.version.actor, "bob");
    assert!(ingest(&ctx("bob"), "hr.people").await.is_err());
    let bytes = Box::pin(futures::stream::iter([Ok(bytes::Bytes::from("a\n1\n"))]));
    let error = test.lake.upload(&ctx("alice"), bytes).await.unwrap_err();
    assert!(matches!(error, Error::Forbidden { .. }), "{error:?}");
}

/// A grant that ends while an ingest runs ends the ingest: the clock moves a second a question.
#[tokio::test]
async fn what_was_allowed_at_the_start_must_be_allowed_at_the_end() {
    let test = TestLake::new().await;
    test.ingest("crm.customers", "c.csv", "id\n1\n").await.unwrap();
    let path = test.file("new.csv", "id\n1\n2\n");
    let (mut refused, mut last) = (0, 0);
    // Wherever the end falls, there is either no version or one that was allowed when committed.
    for seconds in 1..40 {
        let seen = test.lake.events(&test.ctx(), last, 100).await.unwrap();
        let newest = &seen.events.last().expect("an event").event;
        last = newest.seq - 1;
        let micros = newest.at.as_micros() + seconds * 1_000_000;
        let until = lakebed_core::Timestamp::from_micros(micros);
        let text = format!(
            r#"{{"to":"bob","may":["ingest"],"on":{CRM},"from_stage":"raw","until":"{until}"}}"#
        );
        let dataset = format!("crm.t{seconds}");
        apply(&test, declared(&text)).await.unwrap();
        let request =
            request_of(&dataset, "new.csv", &path, IngestMode::Replace, DecodeOptions::default());
        let outcome = test.lake.ingest(&ctx("bob"), request, Arc::new(NoProgress)).await;
        let name = dataset.parse().expect("a name");
        let exists = test.lake.dataset(&test.ctx(), &name).await.is_ok();
        assert_eq!(outcome.is_ok(), exists, "{outcome:?}");
        refused += u32::from(!exists);
    }
    assert!(refused < 39, "every end came too soon");
    assert!(refused > 0, "no end fell into an ingest");
}

/// The same catalog again is no event; another one than was planned against is refused.
#[tokio::test]
async fn applying_is_idempotent_and_replaces_what_was_seen() {
    let test = TestLake::new().await;
    let first = declared(&grant("root", "admin", r#""lake""#));
    let applied = apply(&test, first.clone()).await.unwrap();
    assert_eq!(applied.event, Some(1));
    assert_eq!(apply(&test, first.clone()).await.unwrap().event, None);
    let stale = ApplyCatalog {
        declared: declared(&grant("eve", "admin", r#""lake""#)),
        expected: None,
        without_admin: false,
    };
    let error = test.lake.apply_catalog(&test.ctx(), stale.clone()).await.unwrap_err();
    assert!(matches!(error, Error::Conflict { .. }), "{error:?}");
    let error = test.lake.apply_catalog(&ctx("eve"), stale).await.unwrap_err();
    assert!(matches!(error, Error::Forbidden { .. }), "{error:?}");
    let alone = ApplyCatalog {
        declared: Declared::default(),
        expected: Some(first.digest()),
        without_admin: false,
    };
    let error = test.lake.apply_catalog(&ctx("root"), alone.clone()).await.unwrap_err();
    assert_eq!(error.code(), "no-admin-left");
    let forced = ApplyCatalog { without_admin: true, ..alone };
    assert_eq!(test.lake.apply_catalog(&ctx("root"), forced).await.unwrap().event, Some(2));
}

/// A value that no YAML of ours would give is refused with what is wrong with it.
#[tokio::test]
async fn a_catalog_that_cannot_be_meant_is_refused() {
    let test = TestLake::new().await;
    let error = apply(&test, declared(&grant("group:nobody", "read", CRM))).await.unwrap_err();
    assert_eq!(error.code(), "invalid-catalog");
    assert!(error.to_string().contains("there is no group `nobody`"), "{error}");
}

/// Sixteen who apply at once: each against what it saw, so that one of them wins.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_sixteen_who_apply_at_once_one_wins() {
    let test = Arc::new(TestLake::new().await);
    let applying = (0..16).map(|number| {
        let test = Arc::clone(&test);
        tokio::spawn(async move {
            let declared = declared(&grant(&format!("p{number}"), "admin", r#""lake""#));
            let request = ApplyCatalog { declared, expected: None, without_admin: false };
            test.lake.apply_catalog(&test.ctx(), request).await.is_ok()
        })
    });
    let mut won = 0;
    for applied in futures::future::join_all(applying).await {
        won += u32::from(applied.expect("no panic"));
    }
    assert_eq!(won, 1);
}

/// Any number of events that may not be seen lie between two that may: every page ends somewhere.
#[tokio::test]
async fn events_are_paged_over_what_is_hidden() {
    let test = TestLake::new().await;
    for number in 0..4 {
        test.ingest("hr.people", "p.csv", &format!("id\n{number}\n")).await.unwrap();
        test.ingest("crm.customers", "c.csv", &format!("id\n{number}\n")).await.unwrap();
    }
    apply(&test, declared(&grant("alice", "read", CRM))).await.unwrap();
    let (mut after, mut numbers) = (0, Vec::new());
    loop {
        let page = test.lake.events(&ctx("alice"), after, 2).await.unwrap();
        assert!(page.events.len() <= 2);
        numbers.extend(page.events.iter().map(|seen| seen.event.seq));
        match page.next_after {
            Some(next) => after = next,
            None => break,
        }
    }
    assert_eq!(numbers, [3, 4, 6, 8, 10]);
    let all = test.lake.events(&ctx("alice"), 0, 1000).await.unwrap();
    assert_eq!(all.events.len(), 5);
    assert!(test.lake.events(&ctx("nobody"), 0, 1000).await.unwrap().events.is_empty());
}

/// The same asker, with a credential of this scope.
fn scoped(asker: &Ctx, may: &str, on: &str) -> Ctx {
    let entry = ScopeEntry { may: [may.parse().unwrap()].into(), on: on.parse().unwrap() };
    let mut asker = asker.clone();
    asker.identity.scope = Some(TokenScope(vec![entry]));
    asker
}

/// The same asker, with a credential that is good for nothing.
fn useless(asker: &Ctx) -> Ctx {
    let mut asker = asker.clone();
    asker.identity.scope = Some(TokenScope(Vec::new()));
    asker
}

/// A token with a scope is listed and revoked with itself, and with what made it; it has no power over the
/// other tokens of its holder.
#[tokio::test]
async fn p7_a_scope_holds_for_tokens() {
    let test = TestLake::new().await;
    let alice = ctx("alice");
    let shown = |asker: &Ctx, record: &TokenRecord| {
        let token = ShownToken { id: record.id, expires_at: record.expires_at };
        let mut asker = asker.clone();
        (asker.token, asker.identity.scope) = (Some(token), record.scope.clone());
        asker
    };
    let make = async |asker: &Ctx, scope: Option<TokenScope>| {
        let request = TokenRequest { scope, ..TokenRequest::default() };
        test.lake.create_token(asker, request).await.unwrap().1
    };
    let other = make(&alice, None).await;
    let narrow = make(&alice, Some(TokenScope(Vec::new()))).await;
    let narrow_asks = shown(&alice, &narrow);
    let child = make(&narrow_asks, None).await;
    let grandchild = make(&shown(&alice, &child), None).await;
    let listed = async |asker: &Ctx| {
        let tokens = test.lake.tokens(asker, false).await.unwrap();
        tokens.into_iter().map(|token| token.id).collect::<BTreeSet<_>>()
    };
    assert_eq!(listed(&narrow_asks).await, [narrow.id, child.id, grandchild.id].into());
    assert_eq!(listed(&shown(&alice, &child)).await, [child.id, grandchild.id].into());
    assert_eq!(listed(&shown(&alice, &other)).await.len(), 4);
    let revoke = async |asker: &Ctx, id| test.lake.revoke_token(asker, id, false).await;
    let hidden = revoke(&narrow_asks, other.id).await.unwrap_err().to_string();
    let stranger = revoke(&ctx("bob"), other.id).await.unwrap_err().to_string();
    assert_eq!(hidden, stranger);
    assert!(revoke(&shown(&alice, &child), narrow.id).await.is_err(), "it made it");
    assert!(revoke(&narrow_asks, grandchild.id).await.unwrap().revoked_at.is_some());
    assert!(revoke(&narrow_asks, narrow.id).await.unwrap().revoked_at.is_some());
    assert!(revoke(&alice, other.id).await.unwrap().revoked_at.is_some());
}

/// A credential with a scope has the receipts of what it could have asked, and no others.
#[tokio::test]
async fn p7_a_scope_holds_for_receipts() {
    let world = World::new().await;
    let lake = &world.test.lake;
    let carol = ctx("carol");
    let asks = async |asker: &Ctx, sql: &str| {
        let request = QueryRequest { sql: sql.to_owned(), ..QueryRequest::default() };
        let answer = lake.query(asker, request).await.unwrap();
        answer.stream.batches.try_collect::<Vec<_>>().await.unwrap();
        answer.statement_id
    };
    let (sales, products) =
        (asks(&carol, "sales.orders").await, asks(&carol, "products.daily").await);
    let reads_sales = scoped(&carol, "read", "sales.*");
    assert!(lake.receipt(&reads_sales, &sales).await.is_ok());
    let hidden = lake.receipt(&reads_sales, &products).await.unwrap_err().to_string();
    let missing = lake.receipt(&reads_sales, "0123").await.unwrap_err().to_string();
    assert_eq!(hidden.replace(&products, "0123"), missing);
    for asker in [useless(&carol), scoped(&carol, "ingest", "sales.*")] {
        assert!(lake.receipt(&asker, &sales).await.is_err());
    }
    let own = asks(&reads_sales, "sales.orders").await;
    for asker in [&reads_sales, &carol, &scoped(&carol, "read", "lake")] {
        assert!(lake.receipt(asker, &own).await.is_ok());
    }
}

/// Runs are for credentials that are good for all that they read and make.
#[tokio::test]
async fn p7_a_scope_holds_for_runs() {
    let world = World::new().await;
    let lake = &world.test.lake;
    let carol = ctx("carol");
    let input = RunInput { reference: "sales.orders".parse().unwrap(), version_id: None };
    let outputs = vec!["ml.model".parse().unwrap()];
    let begin = BeginRun { inputs: vec![input], outputs, ..BeginRun::default() };
    let run = lake.begin_run(&carol, begin).await.unwrap().run;
    let why = AbortRun::default();
    for asker in [useless(&carol), scoped(&carol, "read", "lake"), scoped(&carol, "ingest", "lake")]
    {
        let missing = lake.run(&asker, "0123").await.unwrap_err().to_string();
        assert_eq!(lake.run(&asker, &run).await.unwrap_err().to_string(), missing);
        assert_eq!(
            lake.abort_run(&asker, &run, why.clone()).await.unwrap_err().to_string(),
            missing
        );
        assert_eq!(lake.hear_of_run(&asker, &run).await.unwrap_err().to_string(), missing);
        assert_eq!(lake.runs(&asker, 10).await.unwrap(), []);
    }
    let mut enough = scoped(&carol, "read", "sales.*");
    let makes = ScopeEntry { may: [Action::Ingest].into(), on: "ml.*".parse().unwrap() };
    enough.identity.scope.as_mut().unwrap().0.push(makes);
    assert_eq!(lake.runs(&enough, 10).await.unwrap().len(), 1);
    assert_eq!(lake.abort_run(&enough, &run, why).await.unwrap().standing, RunStanding::Aborted);
}

/// Does nothing, and says so.
#[derive(Debug)]
struct Idle;

#[async_trait]
impl JobRunner for Idle {
    fn queue(&self) -> JobQueue {
        JobQueue::Statements
    }

    async fn run(&self, _: JobRun) -> JobOutcome {
        JobOutcome::Done("done".to_owned())
    }

    fn lost(&self, why: &str) -> String {
        why.to_owned()
    }
}

/// A job is for credentials that are good for as much as that with which it was asked for.
#[tokio::test]
async fn p7_a_scope_holds_for_jobs() {
    let test = TestLake::new().await;
    let runners = JobRunners::from([("idle", Arc::new(Idle) as Arc<dyn JobRunner>)]);
    let jobs = Jobs::new(test.lake.clone(), runners, JobTimes::default()).unwrap();
    let alice = ctx("alice");
    let new = || NewJob { kind: "idle".to_owned(), request: "x".to_owned() };
    let (reads, narrow) =
        (scoped(&alice, "read", "crm.*"), scoped(&alice, "read", "crm.customers"));
    let mut keyed = alice.clone();
    keyed.idempotency_key = Some("k".to_owned());
    let full = jobs.submit(&keyed, new()).await.unwrap().record.id;
    let own = jobs.submit(&reads, new()).await.unwrap().record.id;
    let ids = async |asker: &Ctx| {
        let listed = jobs.list(asker, 10).await.unwrap();
        listed.into_iter().map(|job| job.record.id).collect::<BTreeSet<_>>()
    };
    assert_eq!(ids(&alice).await, [full.clone(), own.clone()].into());
    assert_eq!(ids(&reads).await, [own.clone()].into());
    assert_eq!(ids(&narrow).await, [].into());
    let missing = jobs.get(&reads, "0123").await.unwrap_err().to_string();
    assert_eq!(jobs.get(&reads, &full).await.unwrap_err().to_string(), missing);
    assert_eq!(jobs.cancel(&reads, &full).await.unwrap_err().to_string(), missing);
    assert!(jobs.get(&narrow, &own).await.is_err() && jobs.get(&reads, &own).await.is_ok());
    let mut reused = reads.clone();
    reused.idempotency_key = Some("k".to_owned());
    assert!(jobs.submit(&reused, new()).await.is_err(), "another one's job");
}

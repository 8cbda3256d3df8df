//! Who may do what, in the use cases: what is hidden, what is refused, and when.

use std::sync::Arc;

use lakebed_core::{Declared, DecodeOptions, Identity, IngestMode, ScopeEntry, TokenScope};
use lakebed_service::{AppliedCatalog, ApplyCatalog, Ctx, Detail, Error, NoProgress, Result};
use lakebed_testkit::{TestLake, request_of};

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
    let scope = TokenScope(vec![ScopeEntry { may: [lakebed_core::Action::Read].into(), on }]);
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

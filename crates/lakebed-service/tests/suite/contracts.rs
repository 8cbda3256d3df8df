//! Contracts at ingest: what is set aside, what is refused, what is kept of it.

use std::sync::Arc;

use insta::assert_snapshot;
use lakebed_core::{DatasetName, Declared, DecodeOptions, EventBody, Identity, IngestMode};
use lakebed_ingest::QuarantineReader;
use lakebed_service::{ApplyCatalog, Ctx, Detail, Error, IngestOutcome, NoProgress, VerifyReport};
use lakebed_testkit::{TestLake, request_of};

/// Declares a contract with these columns for each dataset.
async fn promise(test: &TestLake, contracts: &[(&str, &str)]) {
    let mut declared = Declared::default();
    for (dataset, columns) in contracts {
        let dataset: DatasetName = dataset.parse().unwrap();
        let text = format!(
            "apiVersion: v3.1.0\nkind: DataContract\nid: {dataset}\nversion: 1.0.0\nstatus: active\n\
             schema:\n- name: {}\n  properties:\n{columns}",
            dataset.name()
        );
        let read = lakebed_contract::read_contract("c.yaml", &text, None);
        declared.contracts.insert(dataset, read.expect("a contract").contract);
    }
    let expected = test.lake.declared_catalog(&test.ctx()).await.unwrap().declaration;
    let expected = expected.map(|declaration| declaration.digest);
    let request = ApplyCatalog { declared, expected, without_admin: true };
    test.lake.apply_catalog(&test.ctx(), request).await.unwrap();
}

fn told(outcome: &IngestOutcome) -> String {
    let version = &outcome.version;
    let mut lines = vec![format!(
        "{:?} v{} rows {} quarantined {}",
        outcome.status, version.number, version.row_count, version.quarantined_count
    )];
    for found in &outcome.findings {
        let finding = &found.finding;
        let first =
            found.first.as_ref().map_or(String::new(), |(name, line)| format!(", {name}:{line}"));
        let verdict = if finding.passed { "holds" } else { "broken" };
        lines.push(format!("{} {}: {}{first}", finding.rule, verdict, finding.measured));
    }
    lines.join("\n")
}

/// Line, raw text and reasons of every row in a version's quarantine.
async fn quarantine(test: &TestLake, reference: &str) -> String {
    let references = [reference.parse().unwrap()];
    let found = test.lake.resolve(&test.ctx(), &references, Detail::Full).await.unwrap();
    let detail = found.versions.into_iter().next().unwrap().detail.unwrap();
    let mut lines = Vec::new();
    for file in detail.quarantine {
        let path = test.lake.store().copy_to_scratch(&file.object).await.unwrap();
        for row in QuarantineReader::open(&path).unwrap() {
            let row = row.unwrap();
            let reason = |r: &lakebed_core::Reason| format!("{} {}", r.code.as_str(), r.rule);
            let reasons: Vec<String> = row.reasons.iter().map(reason).collect();
            let raw = String::from_utf8(row.raw).unwrap();
            lines.push(format!("{} {:?}: {}", row.line, raw, reasons.join(", ")));
        }
    }
    lines.join("\n")
}

async fn verify(test: &TestLake) -> VerifyReport {
    test.lake.verify(&test.ctx(), &[], Arc::new(NoProgress)).await.unwrap()
}

const ORDERS: &str = "  \
  - { name: id, logicalType: integer, primaryKey: true }
  - { name: price, logicalType: number, required: true, logicalTypeOptions: { minimum: 0 } }
  - name: state
    logicalType: string
    quality:
    - { metric: invalidValues, arguments: { validValues: [new, paid] }, mustBe: 0, severity: warning }
";

#[tokio::test]
async fn rows_that_break_a_contract_are_set_aside_from_the_next_version_on() {
    let test = TestLake::new().await;
    let text = "id,price,state\n1,9.50,new\n2,-1,paid\n1,3,paid\n4,,new\n5,2,lost\n,1,new\n";
    let before = test.ingest("sales.orders", "o.csv", text).await.unwrap();
    assert_snapshot!(told(&before), @"Committed v1 rows 6 quarantined 0");
    promise(&test, &[("sales.orders", ORDERS)]).await;
    // The same file under a contract is another version: rows are judged now.
    let after = test.ingest("sales.orders", "o.csv", text).await.unwrap();
    assert_snapshot!(told(&after), @"
    Committed v2 rows 2 quarantined 4
    id.primaryKey broken: 1, o.csv:7
    price.required broken: 1, o.csv:5
    price.minimum broken: 1, o.csv:3
    primaryKey broken: 1, o.csv:4
    state.invalidValues broken: 1, o.csv:6
    ");
    assert_snapshot!(quarantine(&test, "sales.orders").await, @r#"
    3 "2,-1,paid\n": constraint-error price.minimum
    4 "1,3,paid\n": primary-key primaryKey
    5 "4,,new\n": constraint-error price.required
    7 ",1,new\n": primary-key id.primaryKey
    "#);
    let again = test.ingest("sales.orders", "o.csv", text).await.unwrap();
    assert_snapshot!(told(&again), @"Unchanged v2 rows 2 quarantined 4");
    assert_eq!(verify(&test).await.findings, []);
}

/// One more row with a key that is in already, whatever file it came in.
#[tokio::test]
async fn keys_are_unique_across_appends() {
    let test = TestLake::new().await;
    promise(&test, &[("sales.orders", ORDERS)]).await;
    test.append("sales.orders", "1.csv", "id,price,state\n1,1,new\n2,2,new\n").await.unwrap();
    let second = test.append("sales.orders", "2.csv", "id,price,state\n3,1,odd\n2,5,new\n").await;
    assert_snapshot!(told(&second.unwrap()), @"
    Committed v2 rows 3 quarantined 1
    id.primaryKey holds: 0
    price.required holds: 0
    price.minimum holds: 0
    primaryKey broken: 1, 2.csv:3
    state.invalidValues broken: 1, 2.csv:2
    ");
    assert_eq!(verify(&test).await.findings, []);
    // Under another contract what was there is measured, too.
    let unique = "  - { name: id, logicalType: integer }\n  - { name: price, logicalType: number, unique: true }\n  - { name: state }\n";
    promise(&test, &[("sales.orders", unique)]).await;
    let third = test.append("sales.orders", "3.csv", "id,price,state\n9,7,x\n9,2,x\n").await;
    assert_snapshot!(told(&third.unwrap()), @"
    Committed v3 rows 4 quarantined 2
    price.unique broken: 2, 3.csv:3
    ");
    assert_eq!(verify(&test).await.findings, []);
}

#[tokio::test]
async fn relationships_are_looked_up_and_cited() {
    let test = TestLake::new().await;
    let orders = "  - { name: id, logicalType: integer }\n  - { name: customer, logicalType: integer, relationships: [{ to: customers.id }] }\n";
    promise(&test, &[("sales.orders", orders)]).await;
    let error = test.ingest("sales.orders", "o.csv", "id,customer\n1,7\n").await.unwrap_err();
    assert_snapshot!(error, @"the contract of `sales.orders`, `customer.relationship`: there is no version of `sales.customers` to find values in");
    let known =
        test.ingest("sales.customers", "c.csv", "id,name\n7,seven\n8,eight\n").await.unwrap();
    let text = "id,customer\n1,7\n2,9\n3,\n4,8\n";
    let made = test.ingest("sales.orders", "o.csv", text).await.unwrap();
    assert_snapshot!(told(&made), @"
    Committed v1 rows 3 quarantined 1
    customer.relationship broken: 1, o.csv:3
    ");
    assert_snapshot!(quarantine(&test, "sales.orders").await, @r#"3 "2,9\n": foreign-key customer.relationship"#);
    let references = ["sales.orders".parse().unwrap()];
    let found = test.lake.resolve(&test.ctx(), &references, Detail::Full).await.unwrap();
    let detail = found.versions.into_iter().next().unwrap().detail.unwrap();
    assert_eq!(detail.manifest.inputs[0].version_id, known.version.version_id);
    assert_eq!(verify(&test).await.findings, []);
    // Once the customer is there, the same file is another version.
    test.ingest("sales.customers", "c.csv", "id,name\n7,seven\n8,eight\n9,nine\n").await.unwrap();
    let made = test.ingest("sales.orders", "o.csv", text).await.unwrap();
    assert_snapshot!(told(&made), @"
    Committed v2 rows 4 quarantined 0
    customer.relationship holds: 0
    ");
}

#[tokio::test]
async fn what_is_critical_refuses_the_version_and_keeps_its_rows() {
    let test = TestLake::new().await;
    let columns = "  - { name: id, logicalType: integer }\n  quality:\n  - { metric: rowCount, mustBeGreaterThan: 2, severity: critical }\n  customProperties:\n  - { property: maxQuarantined, value: 30% }\n";
    promise(&test, &[("a.few", columns), ("a.bad", columns)]).await;
    let error = test.ingest("a.few", "f.csv", "id\n1\n2\n").await.unwrap_err();
    assert_snapshot!(error, @"contract `a.few` 1.0.0: `rowCount` must be more than 2, measured: 2");
    let error = test.ingest("a.bad", "b.csv", "id\n1\n2\n3\nx\ny\n").await.unwrap_err();
    assert_snapshot!(error, @"contract `a.bad` 1.0.0: 2 of 5 rows were quarantined, the contract allows 30 %");
    let Error::Refused { event, .. } = error else { panic!("{error:?}") };
    let events = test.events(event - 1, 1).await;
    let EventBody::IngestRefused(refused) = &events[0].body else { panic!("{events:?}") };
    assert_eq!(refused.quarantine.iter().map(|file| file.row_count).sum::<u64>(), 2);
    assert_eq!(verify(&test).await.findings, []);
}

#[tokio::test]
async fn columns_that_are_not_as_promised_refuse_the_file() {
    let test = TestLake::new().await;
    promise(&test, &[("sales.orders", ORDERS)]).await;
    let error =
        test.ingest("sales.orders", "o.csv", "id,prize,state\n1,1,new\n").await.unwrap_err();
    assert_snapshot!(error, @"contract `sales.orders` 1.0.0 does not fit the columns of the data, 1 flaw: `price`: the table has no column `price`");
}

/// An idempotency key brings back a version that was made under a contract.
#[tokio::test]
async fn a_key_brings_back_what_was_made_under_a_contract() {
    let test = TestLake::new().await;
    promise(&test, &[("sales.orders", ORDERS)]).await;
    let mut ctx = test.ctx();
    ctx.idempotency_key = Some("k1".to_owned());
    let path = test.file("o.csv", "id,price,state\n1,1,new\n1,2,new\n");
    let request =
        request_of("sales.orders", "o.csv", &path, IngestMode::Replace, DecodeOptions::default());
    let first = test.lake.ingest(&ctx, request.clone(), Arc::new(NoProgress)).await.unwrap();
    test.ingest("sales.orders", "p.csv", "id,price,state\n1,1,new\n").await.unwrap();
    let again = test.lake.ingest(&ctx, request, Arc::new(NoProgress)).await.unwrap();
    assert_eq!(first.version.version_id, again.version.version_id);
}

/// A contract that comes later is measured on versions that were there before, once.
#[tokio::test]
async fn old_versions_are_measured_once() {
    let test = TestLake::new().await;
    test.ingest("sales.orders", "o.csv", "id,price,state\n1,-1,new\n1,2,odd\n,3,new\n")
        .await
        .unwrap();
    let reference = "sales.orders@v1".parse().unwrap();
    let error = test.lake.check_version(&test.ctx(), &reference).await.unwrap_err();
    assert_eq!(error.code(), "no-contract");
    promise(&test, &[("sales.orders", ORDERS)]).await;
    let report = test.lake.check_version(&test.ctx(), &reference).await.unwrap();
    let findings = report.findings.findings.iter();
    let told: Vec<String> =
        findings.map(|finding| format!("{}: {}", finding.rule, finding.measured)).collect();
    assert_snapshot!(told.join("\n"), @"
    id.primaryKey: 1
    price.required: 0
    price.minimum: 1
    primaryKey: 1
    state.invalidValues: 1
    ");
    let seq = test.events(0, 100).await.len();
    test.lake.check_version(&test.ctx(), &reference).await.unwrap();
    assert_eq!(test.events(0, 100).await.len(), seq, "a fact is not measured again");
    assert_eq!(verify(&test).await.findings, []);
}

/// A contract is a declaration: the type it says becomes the column's, where every row is new.
#[tokio::test]
async fn a_contract_retypes_what_was_guessed() {
    let test = TestLake::new().await;
    let first = test.ingest("a.days", "d.csv", "day,n\n2026-01-01,1\nsoon,2\n").await.unwrap();
    promise(&test, &[("a.days", "  - { name: day, logicalType: date }\n  - { name: n }\n")]).await;
    let error = test.append("a.days", "e.csv", "day,n\n2026-01-03,3\n").await.unwrap_err();
    assert_eq!(error.code(), "schema-mismatch");
    let made = test.ingest("a.days", "d.csv", "day,n\n2026-01-01,1\nsoon,2\n").await.unwrap();
    assert_snapshot!(made.changes[0], @"column `day` is date, was string");
    assert_snapshot!(quarantine(&test, "a.days").await, @r#"3 "soon,2\n": type-error type date"#);
    let schema = async |reference: &str| {
        let references = [reference.parse().unwrap()];
        let found = test.lake.resolve(&test.ctx(), &references, Detail::Full).await.unwrap();
        found.versions.into_iter().next().unwrap().detail.unwrap().manifest.schema.unwrap()
    };
    let (old, new) = (schema("a.days@v1").await, schema("a.days@v2").await);
    assert_eq!(old.fields[0].id, new.fields[0].id, "it is the same column");
    let again = test.ingest("a.days", "d.csv", "day,n\n2026-01-01,1\nsoon,2\n").await.unwrap();
    assert_snapshot!(told(&again), @"Unchanged v2 rows 1 quarantined 1");
    assert_eq!(first.version.number + 1, again.version.number);
    assert_eq!(verify(&test).await.findings, []);
}

/// P7: what is quarantined is for those who may read; who may only ingest learns nothing by asking for
/// a repair, or for the plan of one.
#[tokio::test]
async fn p7_a_repair_tells_nothing_to_those_who_may_not_read() {
    let test = TestLake::new().await;
    test.ingest("a.clean", "c.csv", "id\n1\n").await.unwrap();
    test.ingest("a.bad", "b.csv", "id,n\n1,1\n2\n").await.unwrap();
    let grant =
        r#"{"format":1,"grants":[{"to":"bob","may":["ingest"],"on":"lake","from_stage":"raw"}]}"#;
    let declared: Declared = serde_json::from_str(grant).unwrap();
    let apply = ApplyCatalog { declared, expected: None, without_admin: true };
    test.lake.apply_catalog(&test.ctx(), apply).await.unwrap();
    let bob = Ctx::new(Identity::of("bob".parse().unwrap()), "request-1");
    let path = test.file("r.csv", "id,n\n2,2\n");
    for dataset in ["a.clean", "a.bad"] {
        for reference in [dataset.to_owned(), format!("{dataset}@v1"), format!("{dataset}@v9")] {
            let mut request =
                request_of(dataset, "r.csv", &path, IngestMode::Append, DecodeOptions::default());
            request.repairs = Some(reference.parse().unwrap());
            let planned = test.lake.plan_ingest(&bob, request.clone()).await.unwrap_err();
            assert!(matches!(planned, Error::Forbidden { .. }), "{reference}: {planned:?}");
            let made = test.lake.ingest(&bob, request, Arc::new(NoProgress)).await.unwrap_err();
            assert_eq!(made.to_string(), planned.to_string(), "{reference}");
        }
    }
}

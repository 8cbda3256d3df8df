//! From raw data to products: what promoting takes, who may, and what is left when things happen
//! meanwhile.

use std::sync::{Arc, Mutex};

use insta::assert_snapshot;
use lakebed_core::{
    DatasetName, Declared, DecodeOptions, EventBody, GateName, Identity, IngestMode, ReviewVerdict,
    Timestamp,
};
use lakebed_service::{
    ApplyCatalog, Ctx, DeprecateRequest, Detail, Error, Lake, NoProbe, NoProgress, Probe,
    PromotionAnswer, PromotionRequest, Result, ReviewRequest,
};
use lakebed_testkit::{TestLake, fault::FaultBackend, request_of};

use crate::cut_off::{self, Change};

pub(crate) fn ctx(name: &str) -> Ctx {
    Ctx::new(Identity::of(name.parse().expect("a principal")), "request-1")
}

/// What everybody in these tests may do on everything.
const PEOPLE: &[(&str, &[&str])] = &[
    ("dan", &["read", "ingest"]),
    ("dora", &["read", "ingest"]),
    ("sam", &["read", "steward"]),
    ("amy", &["read", "approve"]),
    ("abe", &["read", "approve", "ingest"]),
    ("svc:bot", &["read", "ingest", "approve"]),
    ("rob", &["read"]),
    ("ian", &["ingest"]),
];

/// Three rungs: the usual names, few gates.
pub(crate) const LADDER: &str = r#"{"stages":[{"name":"raw"},
    {"name":"validated","gates":["contract","quarantine"],"waivable":["quarantine"]},
    {"name":"product","gates":["integrity","owner","contract","compatible","lineage","quarantine","approvals(1)"],
     "waivable":["quarantine"]}]}"#;

/// A catalog with a contract of that version for each dataset, and this ladder.
pub(crate) fn catalog(datasets: &[&str], version: &str, ladder: &str) -> Declared {
    let grant = |(to, may): &(&str, &[&str])| {
        format!(r#"{{"to":"{to}","may":["{}"],"on":"lake","from_stage":"raw"}}"#, may.join("\",\""))
    };
    let grants: Vec<String> = PEOPLE.iter().map(grant).collect();
    let text = format!(r#"{{"format":1,"grants":[{}],"stages":{ladder}}}"#, grants.join(","));
    let mut declared: Declared = serde_json::from_str(&text).expect("a catalog");
    for dataset in datasets {
        let dataset: DatasetName = dataset.parse().expect("a name");
        declared.contracts.insert(dataset.clone(), contract(&dataset, version));
    }
    declared
}

fn contract(dataset: &DatasetName, version: &str) -> lakebed_core::contract::Contract {
    let (name, customers) = (dataset.name(), "relationships: [{ to: customers.id }]");
    let second = match name {
        "orders" => format!("- {{ name: customer, logicalType: integer, {customers} }}"),
        _ => "- { name: name, logicalType: string }".to_owned(),
    };
    let text = format!(
        "apiVersion: v3.1.0\nkind: DataContract\nid: {dataset}\nversion: {version}\nstatus: active\n\
         team:\n- {{ username: olga, role: owner }}\n\
         schema:\n- name: {name}\n  properties:\n  - {{ name: id, logicalType: integer }}\n  {second}\n"
    );
    lakebed_contract::read_contract("c.yaml", &text, None).expect("a contract").contract
}

pub(crate) async fn apply(test: &TestLake, declared: Declared) {
    let expected = test.lake.declared_catalog(&test.ctx()).await.unwrap().declaration;
    let expected = expected.map(|declaration| declaration.digest);
    let request = ApplyCatalog { declared, expected, without_admin: true };
    test.lake.apply_catalog(&test.ctx(), request).await.unwrap();
}

const CUSTOMERS: &str = "sales.customers";
const ORDERS: &str = "sales.orders";

/// A lake with two datasets under contract, both of which dan made.
pub(crate) async fn lake() -> TestLake {
    let test = TestLake::new().await;
    apply(&test, catalog(&[CUSTOMERS, ORDERS], "1.0.0", LADDER)).await;
    ingest(&test, "dan", CUSTOMERS, "id,name\n1,one\n2,two\n").await;
    ingest(&test, "dan", ORDERS, "id,customer\n1,1\n2,2\n").await;
    test
}

pub(crate) async fn ingest(test: &TestLake, who: &str, dataset: &str, text: &str) {
    let path = test.file("data.csv", text);
    let options = DecodeOptions { max_quarantined: Some(0.9), ..DecodeOptions::default() };
    let request = request_of(dataset, "data.csv", &path, IngestMode::Replace, options);
    test.lake.ingest(&ctx(who), request, Arc::new(NoProgress)).await.unwrap();
}

pub(crate) fn promotion(references: &[&str], to: &str) -> PromotionRequest {
    PromotionRequest {
        references: references.iter().map(|text| text.parse().expect("a reference")).collect(),
        to: to.parse().expect("a stage"),
    }
}

async fn promote(lake: &Lake, who: &str, reference: &str, to: &str) -> Result<PromotionAnswer> {
    lake.promote(&ctx(who), &promotion(&[reference], to)).await
}

pub(crate) async fn say(
    lake: &Lake,
    who: &str,
    references: &[&str],
    to: &str,
    verdict: ReviewVerdict,
) -> Result<Option<u64>> {
    let request = ReviewRequest {
        promotion: promotion(references, to),
        verdict,
        reason: Some("we looked at it".to_owned()),
        evidence: None,
    };
    Ok(lake.review(&ctx(who), &request).await?.event)
}

/// What holds it back, as `who` is told.
async fn reasons(lake: &Lake, who: &str, reference: &str, to: &str) -> String {
    match promote(lake, who, reference, to).await {
        Ok(_) => "nothing".to_owned(),
        Err(Error::NotReady { message, reasons }) => format!("{message}\n{}", reasons.join("\n")),
        Err(error) => format!("{}: {error}", error.code()),
    }
}

async fn heads(lake: &Lake, test: &TestLake) -> String {
    let (_, datasets) = lake.datasets(&test.ctx(), None).await.unwrap();
    let told = datasets.into_iter().map(|seen| {
        let heads = seen.record.heads.into_iter();
        let heads: Vec<String> =
            heads.map(|(stage, head)| format!("{stage} v{}", head.number)).collect();
        format!("{}: {}", seen.record.name, heads.join(", "))
    });
    told.collect::<Vec<_>>().join("\n")
}

const YES: ReviewVerdict = ReviewVerdict::Approved;
const NO: ReviewVerdict = ReviewVerdict::Rejected;

/// P8: a version climbs rung by rung, through every gate, with the consent of somebody else.
#[tokio::test]
async fn p8_a_product_has_passed_its_gates() {
    let test = lake().await;
    let lake = &test.lake;
    assert_snapshot!(reasons(lake, "dan", ORDERS, "product").await, @"
    `sales.orders@v1` cannot come to `product`
    `validated` comes before `product`: promote it to `validated` first
    lineage: never at `product`: `sales.customers@v1`
    approvals(1): 0 of 1 given
    ");
    promote(lake, "dan", ORDERS, "validated").await.unwrap();
    promote(lake, "dan", CUSTOMERS, "validated").await.unwrap();
    assert_snapshot!(heads(lake, &test).await, @"
    sales.customers: raw v1, validated v1
    sales.orders: raw v1, validated v1
    ");
    let both = ["sales.customers", "sales.orders"];
    say(lake, "amy", &both, "product", YES).await.unwrap();
    let answer = lake.promote(&ctx("dora"), &promotion(&both, "product")).await.unwrap();
    assert!(answer.is_ready && answer.event.is_some());
    let again = lake.promote(&ctx("dora"), &promotion(&both, "product")).await.unwrap();
    assert_eq!(again.event, None, "promoting twice is promoting once");
    let product = ["sales.orders@product".parse().unwrap()];
    let found = lake.resolve(&ctx("rob"), &product, Detail::None).await.unwrap();
    assert_eq!(found.versions[0].version.number, 1);
    let events = test.events(0, 100).await;
    let moved = events.iter().rev().find_map(|event| match &event.body {
        EventBody::HeadMoved(moved) => moved.promotion.clone(),
        _ => None,
    });
    let moved = moved.expect("a promotion");
    let gates: Vec<String> =
        moved.gates.iter().map(|gate| format!("{}: {}", gate.gate, gate.found)).collect();
    assert_snapshot!(gates.join("\n"), @"
    integrity: every byte was read again and is what its name says
    owner: `olga`
    contract: `sales.orders` 1.0.0 holds, 1 rule
    compatible: it is the first to come here
    lineage: 1 input at `product` or beyond
    quarantine: 0 of 2 rows were set aside, the usual limit is 1 %
    approvals(1): 1 of 1 given by `amy`
    ");
    assert_eq!(moved.approvals[0].by, "amy");
}

/// Whoever made it or asks for it approves nothing, be they owner of the lake; nor do services.
#[tokio::test]
async fn nobody_approves_their_own() {
    let test = lake().await;
    let lake = &test.lake;
    ingest(&test, "abe", CUSTOMERS, "id,name\n1,one\n").await;
    promote(lake, "abe", CUSTOMERS, "validated").await.unwrap();
    let own = say(lake, "abe", &[CUSTOMERS], "product", YES).await.unwrap_err();
    assert_snapshot!(own, @"`abe` made `sales.customers@v2`, and nobody approves what they made");
    let bot = say(lake, "svc:bot", &[CUSTOMERS], "product", YES).await.unwrap_err();
    assert_snapshot!(bot, @"`svc:bot` is a service, and services approve nothing");
    for stranger in ["rob", "dan", "sam"] {
        let error = say(lake, stranger, &[CUSTOMERS], "product", YES).await.unwrap_err();
        assert_eq!(error.code(), "forbidden", "{stranger}");
    }
    // The owner of the lake asks: their own approval is none.
    let yes = ReviewRequest {
        promotion: promotion(&[CUSTOMERS], "product"),
        verdict: YES,
        reason: None,
        evidence: None,
    };
    lake.review(&test.ctx(), &yes).await.unwrap();
    let error = lake.promote(&test.ctx(), &yes.promotion).await.unwrap_err();
    let Error::NotReady { reasons, .. } = error else { panic!("{error:?}") };
    assert_snapshot!(reasons.join("\n"), @"approvals(1): 0 of 1 given; `local:test` made it or asks for it");
    // For somebody else it is one.
    promote(lake, "dan", CUSTOMERS, "product").await.unwrap();
}

/// In a lake of one person their own consent counts, and the promotion says so.
#[tokio::test]
async fn a_lake_of_one_says_self_approved() {
    let test = lake().await;
    let solo = LADDER.replacen('{', r#"{"solo":true,"#, 1);
    apply(&test, catalog(&[CUSTOMERS, ORDERS], "1.0.0", &solo)).await;
    let lake = &test.lake;
    promote(lake, "abe", CUSTOMERS, "validated").await.unwrap();
    let told = reasons(lake, "dan", CUSTOMERS, "product").await;
    assert_snapshot!(told, @"
    `sales.customers@v1` cannot come to `product`
    approvals(1): 0 of 1 given
    ");
    let answer = promote(lake, "abe", CUSTOMERS, "product").await.unwrap();
    assert!(answer.promotions[0].record.self_approved);
    let event = test.events(answer.event.unwrap() - 1, 1).await.remove(0);
    let EventBody::HeadMoved(moved) = event.body else { panic!("{event:?}") };
    assert!(moved.promotion.unwrap().self_approved);
    // So does the head, to whoever looks at the dataset.
    let seen = lake.dataset(&ctx("dan"), &CUSTOMERS.parse().unwrap()).await.unwrap();
    let own = seen.record.heads.iter().filter(|(_, head)| head.is_self_approved);
    let own: Vec<_> = own.map(|(stage, head)| format!("{stage} v{}", head.number)).collect();
    assert_eq!(own, ["product v1"]);
}

/// Approvals are of what was found; when that changes they are void.
#[tokio::test]
async fn other_evidence_voids_what_was_approved() {
    let test = lake().await;
    let lake = &test.lake;
    promote(lake, "dan", CUSTOMERS, "validated").await.unwrap();
    say(lake, "amy", &[CUSTOMERS], "product", YES).await.unwrap();
    assert_eq!(say(lake, "amy", &[CUSTOMERS], "product", YES).await.unwrap(), None, "said before");
    apply(&test, catalog(&[CUSTOMERS, ORDERS], "1.0.1", LADDER)).await;
    assert_snapshot!(reasons(lake, "dan", CUSTOMERS, "product").await, @"
    `sales.customers@v1` cannot come to `product`
    approvals(1): 0 of 1 given; `amy`'s word is about other evidence
    ");
    let plan = lake.plan_promotion(&ctx("amy"), &promotion(&[CUSTOMERS], "product")).await.unwrap();
    let evidence = plan.promotions[0].record.evidence;
    apply(&test, catalog(&[CUSTOMERS, ORDERS], "1.0.2", LADDER)).await;
    let mut stale = ReviewRequest {
        promotion: promotion(&[CUSTOMERS], "product"),
        verdict: YES,
        reason: None,
        evidence: Some(evidence),
    };
    let error = lake.review(&ctx("amy"), &stale).await.unwrap_err();
    assert_snapshot!(error, @"the evidence of `sales.customers@v1` is other than was looked at");
    stale.evidence = None;
    lake.review(&ctx("amy"), &stale).await.unwrap();
    say(lake, "abe", &[CUSTOMERS], "product", NO).await.unwrap();
    assert_snapshot!(reasons(lake, "dan", CUSTOMERS, "product").await, @"
    `sales.customers@v1` cannot come to `product`
    approvals(1): `abe` says no: we looked at it
    ");
    say(lake, "abe", &[CUSTOMERS], "product", YES).await.unwrap();
    promote(lake, "dan", CUSTOMERS, "product").await.unwrap();
}

/// P8: what a stage lets be waived is waived openly, by a steward, for just what was found.
#[tokio::test]
async fn p8_waivers_are_open() {
    let test = lake().await;
    let lake = &test.lake;
    ingest(&test, "dan", CUSTOMERS, "id,name\n1,one\nx,two\n").await;
    assert_snapshot!(reasons(lake, "dan", CUSTOMERS, "validated").await, @"
    `sales.customers@v2` cannot come to `validated`
    quarantine: 1 of 2 rows were set aside, the usual limit is 1 %
    ");
    let waived = |gate| ReviewVerdict::Waived(gate);
    let quarantine = waived(GateName::Quarantine);
    let error = say(lake, "dan", &[CUSTOMERS], "validated", quarantine).await.unwrap_err();
    assert_snapshot!(error, @"`dan` may not waive gates of `sales.customers`: that takes `steward` and `read` of all of it");
    let contract = waived(GateName::Contract);
    let error = say(lake, "sam", &[CUSTOMERS], "validated", contract).await.unwrap_err();
    assert_snapshot!(error, @"stage `validated` does not let `contract` be waived");
    let error = say(lake, "sam", &["sales.customers@v1"], "validated", quarantine).await;
    assert_snapshot!(error.unwrap_err(), @"`quarantine` holds: there is nothing to waive");
    say(lake, "sam", &[CUSTOMERS], "validated", quarantine).await.unwrap();
    let answer = promote(lake, "dan", CUSTOMERS, "validated").await.unwrap();
    let gate = &answer.promotions[0].record.gates[1];
    assert!(!gate.holds);
    assert_eq!(gate.waiver.as_ref().map(|waiver| waiver.by.as_str()), Some("sam"));
    // It was for one row of this version, and for this stage.
    ingest(&test, "dan", CUSTOMERS, "id,name\n1,one\nx,two\ny,three\n").await;
    assert!(promote(lake, "dan", CUSTOMERS, "validated").await.is_err());
    assert!(reasons(lake, "dan", "sales.customers@v2", "product").await.contains("quarantine"));
}

/// Going back is promoting an older version, through the same gates.
#[tokio::test]
async fn going_back_is_promoting() {
    let test = lake().await;
    let lake = &test.lake;
    promote(lake, "dan", CUSTOMERS, "validated").await.unwrap();
    ingest(&test, "dan", CUSTOMERS, "id,name\n1,one\n").await;
    promote(lake, "dan", CUSTOMERS, "validated").await.unwrap();
    let back = promote(lake, "dora", "sales.customers@v1", "validated").await.unwrap();
    assert!(back.promotions[0].record.goes_back());
    assert_snapshot!(heads(lake, &test).await, @"
    sales.customers: raw v2, validated v1
    sales.orders: raw v1
    ");
    // The contract moved on by a major step that its version does not tell: nothing comes to `product`.
    say(lake, "amy", &["sales.customers@v1"], "product", YES).await.unwrap();
    promote(lake, "dan", "sales.customers@v1", "product").await.unwrap();
    let mut narrower = catalog(&[CUSTOMERS, ORDERS], "1.0.1", LADDER);
    let name: DatasetName = CUSTOMERS.parse().unwrap();
    narrower.contracts.get_mut(&name).unwrap().columns.pop();
    apply(&test, narrower).await;
    assert_snapshot!(reasons(lake, "dan", "sales.customers@v2", "product").await, @"
    `sales.customers@v2` cannot come to `product`
    compatible: from 1.0.0 of v1 to 1.0.1: the change is major: version `1.0.1` should be `2.0.0` or later
    approvals(1): 0 of 1 given
    ");
}

/// P7: what may not be discovered is not there; what may not be read is told by its gates alone.
#[tokio::test]
async fn p7_promotions_hide_what_is_hidden() {
    let test = lake().await;
    let lake = &test.lake;
    let told = async |who: &str, reference: &str| {
        let request = promotion(&[reference], "validated");
        let planned = lake.plan_promotion(&ctx(who), &request).await.unwrap_err().to_string();
        let promoted = lake.promote(&ctx(who), &request).await.unwrap_err().to_string();
        let said = say(lake, who, &[reference], "product", YES).await.unwrap_err().to_string();
        let reviews = lake.reviews(&ctx(who), &reference.parse().unwrap()).await.unwrap_err();
        let all = [planned, promoted, said, reviews.to_string()].join("\n");
        all.replace(reference.split('@').next().unwrap(), "it")
    };
    for selector in ["", "@v1", "@v9", "@product", "@b3:00000000"] {
        let (there, missing) = (format!("{ORDERS}{selector}"), format!("sales.nothing{selector}"));
        assert_eq!(told("eve", &there).await, told("eve", &missing).await, "{selector}");
    }
    ingest(&test, "dan", CUSTOMERS, "id,name\n1,one\nx,two\n").await;
    assert_snapshot!(reasons(lake, "ian", CUSTOMERS, "validated").await, @"
    `sales.customers@v2` cannot come to `validated`
    quarantine: it is closed
    ");
    let plan = lake.plan_promotion(&ctx("ian"), &promotion(&[ORDERS], "validated")).await.unwrap();
    assert!(!plan.promotions[0].is_readable);
    let error = promote(lake, "rob", ORDERS, "validated").await.unwrap_err();
    assert_snapshot!(error, @"`rob` may not promote `sales.orders`: that takes `ingest` or `steward`");
}

#[tokio::test]
async fn what_cannot_be_meant_is_refused() {
    let test = lake().await;
    let lake = &test.lake;
    assert_snapshot!(reasons(lake, "dan", ORDERS, "gold").await, @"unknown-stage: there is no stage `gold`");
    assert_snapshot!(reasons(lake, "dan", ORDERS, "raw").await, @"stage-is-raw: every version enters at `raw`");
    let twice = promotion(&["sales.orders@v1", ORDERS], "validated");
    let error = lake.promote(&ctx("dan"), &twice).await.unwrap_err();
    assert_snapshot!(error, @"`sales.orders` is named twice");
    let error = say(lake, "amy", &[ORDERS], "validated", YES).await.unwrap_err();
    assert_snapshot!(error, @"stage `validated` asks for no approvals");
    // Together or not at all.
    ingest(&test, "dan", CUSTOMERS, "id,name\n1,one\nx,two\n").await;
    let both = promotion(&[ORDERS, CUSTOMERS], "validated");
    let error = lake.promote(&ctx("dan"), &both).await.unwrap_err();
    let Error::NotReady { reasons, .. } = error else { panic!("{error:?}") };
    assert_snapshot!(reasons.join("\n"), @"sales.customers@v2: quarantine: 1 of 2 rows were set aside, the usual limit is 1 %");
    assert_snapshot!(heads(lake, &test).await, @"
    sales.customers: raw v2
    sales.orders: raw v1
    ");
}

/// P3: what is damaged comes nowhere.
#[tokio::test]
async fn p3_damaged_bytes_are_not_promoted() {
    let test = lake().await;
    promote(&test.lake, "dan", CUSTOMERS, "validated").await.unwrap();
    say(&test.lake, "amy", &[CUSTOMERS], "product", YES).await.unwrap();
    let references = [CUSTOMERS.parse().unwrap()];
    let found = test.lake.resolve(&test.ctx(), &references, Detail::Full).await.unwrap();
    let file = found.versions[0].detail.as_ref().unwrap().tables[0].object.id;
    let flip = |backend| {
        let wrapped = FaultBackend::new(backend);
        wrapped.flip_bit(file, 100);
        Arc::new(wrapped) as _
    };
    let lake = test.failing(flip, Arc::new(NoProbe)).await.unwrap();
    let told = reasons(&lake, "dan", CUSTOMERS, "product").await;
    lake.close().await;
    assert_snapshot!(told.replace(&file.to_string(), "…"), @"
    `sales.customers@v1` cannot come to `product`
    integrity: table file: object `…` is corrupt: its bytes hash to `0a453d7f865617242f5d3cf7b676504baadac7df31b569a4f7796d9cfb215c1b`
    contract: what is damaged is not measured
    approvals(1): 0 of 1 given; `amy`'s word is about other evidence
    ");
    promote(&test.lake, "dan", CUSTOMERS, "product").await.unwrap();
}

#[tokio::test]
async fn datasets_end_with_notice() {
    let test = lake().await;
    let lake = &test.lake;
    let dataset: DatasetName = CUSTOMERS.parse().unwrap();
    let sunset_at: Timestamp = "2026-02-01T00:00:00Z".parse().unwrap();
    let mut request = DeprecateRequest { dataset: dataset.clone(), sunset_at, successor: None };
    let error = lake.deprecate(&ctx("dan"), &request).await.unwrap_err();
    assert_snapshot!(error, @"`dan` may not steward `sales.customers`");
    assert_eq!(lake.retire(&ctx("eve"), &dataset).await.unwrap_err().code(), "not-found");
    let error = lake.retire(&ctx("sam"), &dataset).await.unwrap_err();
    assert_snapshot!(error, @"nobody was told that `sales.customers` ends");
    request.successor = Some("sales.nothing".parse().unwrap());
    assert_eq!(lake.deprecate(&ctx("sam"), &request).await.unwrap_err().code(), "not-found");
    request.successor = Some(ORDERS.parse().unwrap());
    lake.deprecate(&ctx("sam"), &request).await.unwrap().expect("an event");
    assert_eq!(lake.deprecate(&ctx("sam"), &request).await.unwrap(), None);
    let error = lake.retire(&ctx("sam"), &dataset).await.unwrap_err();
    assert_snapshot!(error, @"`sales.customers` was said to end at 2026-02-01T00:00:00.000000Z");
    let seen = lake.dataset(&ctx("rob"), &dataset).await.unwrap().record.notice.unwrap();
    assert_eq!((seen.sunset_at, seen.successor), (Some(sunset_at), request.successor.clone()));
    // The clock stands at New Year, and moves a second a question.
    request.sunset_at = "2026-01-01T00:10:00Z".parse().unwrap();
    lake.deprecate(&ctx("sam"), &request).await.unwrap().expect("an event");
    while lake.retire(&ctx("sam"), &dataset).await.is_err() {}
    assert_eq!(lake.retire(&ctx("sam"), &dataset).await.unwrap(), None, "it has ended");
    assert_snapshot!(reasons(lake, "dan", CUSTOMERS, "validated").await, @"
    `sales.customers@v1` cannot come to `validated`
    `sales.customers` is retired
    ");
    let seen = lake.dataset(&ctx("rob"), &dataset).await.unwrap().record;
    assert!(seen.newest.is_some() && seen.notice.unwrap().sunset_at.is_none());
}

/// Something that happens right before something else is committed.
pub(crate) struct Meanwhile(Mutex<Option<Box<dyn FnOnce() + Send>>>);

impl Meanwhile {
    /// `happens`, once.
    pub(crate) fn once<F: Future<Output = ()> + Send>(
        happens: impl FnOnce() -> F + Send + 'static,
    ) -> Arc<Self> {
        let handle = tokio::runtime::Handle::current();
        let happens = move || tokio::task::block_in_place(|| handle.block_on(happens()));
        Arc::new(Self(Mutex::new(Some(Box::new(happens)))))
    }
}

impl std::fmt::Debug for Meanwhile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Meanwhile")
    }
}

impl Probe for Meanwhile {
    fn at(&self, point: &'static str) -> Result<()> {
        if point == "before the catalog commit"
            && let Some(happens) = self.0.lock().unwrap().take()
        {
            happens();
        }
        Ok(())
    }
}

/// What becomes of a promotion of `sales.customers` to `product`, all gates of which are open, when
/// `happens` does right before it is committed.
async fn meanwhile<F: Future<Output = ()> + Send>(
    happens: impl FnOnce(Arc<TestLake>) -> F + Send + 'static,
) -> (Arc<TestLake>, Result<PromotionAnswer>) {
    let test = Arc::new(lake().await);
    ingest(&test, "dan", CUSTOMERS, "id,name\n1,one\n").await;
    for reference in ["sales.customers@v1", "sales.customers@v2"] {
        promote(&test.lake, "dan", reference, "validated").await.unwrap();
        say(&test.lake, "amy", &[reference], "product", YES).await.unwrap();
    }
    let other = Arc::clone(&test);
    let probe = Meanwhile::once(move || happens(other));
    let second = test.failing(|backend| backend, probe).await.unwrap();
    let outcome = promote(&second, "dora", "sales.customers@v2", "product").await;
    second.close().await;
    (test, outcome)
}

/// Of two promoters one wins, and the other is told.
#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_promote_at_once_one_wins() {
    let (test, outcome) = meanwhile(|test| async move {
        promote(&test.lake, "dan", "sales.customers@v1", "product").await.unwrap();
    })
    .await;
    assert_snapshot!(outcome.unwrap_err(), @"head `sales.customers@product` moved: expected none, found `v1`");
    assert_snapshot!(heads(&test.lake, &test).await, @"
    sales.customers: product v1, raw v2, validated v2
    sales.orders: raw v1
    ");
}

/// A promotion is committed against just what it was planned from.
#[tokio::test(flavor = "multi_thread")]
async fn what_changes_meanwhile_stops_a_promotion() {
    let (_, outcome) = meanwhile(|test| async move {
        apply(&test, catalog(&[CUSTOMERS, ORDERS], "1.0.1", LADDER)).await;
    })
    .await;
    assert!(outcome.unwrap_err().to_string().starts_with("declared catalog moved"));
    let (_, outcome) = meanwhile(|test| async move {
        say(&test.lake, "amy", &["sales.customers@v2"], "product", NO).await.unwrap();
    })
    .await;
    assert!(outcome.unwrap_err().to_string().starts_with("reviews of `sales.customers@v2`"));
    let (_, outcome) = meanwhile(|test| async move {
        let request = DeprecateRequest {
            dataset: CUSTOMERS.parse().unwrap(),
            sunset_at: "2027-01-01T00:00:00Z".parse().unwrap(),
            successor: None,
        };
        test.lake.deprecate(&ctx("sam"), &request).await.unwrap();
    })
    .await;
    assert!(outcome.unwrap_err().to_string().starts_with("notice on `sales.customers`"));
    // There and back again is not the same.
    let (_, outcome) = meanwhile(|test| async move {
        for reference in ["sales.customers@v1", "sales.customers@v2", "sales.customers@v1"] {
            let _ = promote(&test.lake, "dan", reference, "validated").await.unwrap();
        }
    })
    .await;
    assert!(outcome.is_ok(), "another stage is another head: {outcome:?}");
    let (_, outcome) = meanwhile(|test| async move {
        let mut declared = catalog(&[CUSTOMERS, ORDERS], "1.0.0", LADDER);
        declared.grants.retain(|grant| grant.to.to_string() != "dora");
        apply(&test, declared).await;
    })
    .await;
    assert_eq!(outcome.unwrap_err().code(), "not-found", "dora may nothing any more");
}

/// A promotion that everybody consents to.
struct Promoting;

impl Change for Promoting {
    type World = TestLake;

    async fn world(&self) -> TestLake {
        let test = lake().await;
        promote(&test.lake, "dan", CUSTOMERS, "validated").await.unwrap();
        say(&test.lake, "amy", &[CUSTOMERS], "product", YES).await.unwrap();
        test
    }

    fn lake(world: &TestLake) -> &TestLake {
        world
    }

    async fn make(&self, _: &TestLake, lake: &Lake) -> Result<String> {
        let answer = promote(lake, "dan", CUSTOMERS, "product").await?;
        Ok(answer.to.to_string())
    }

    async fn check(&self, test: &TestLake, lake: &Lake, made: &str, what: &str) {
        let seen = heads(lake, test).await;
        let is_new = seen.contains(&format!("{made} v1"));
        assert!(is_new || !seen.contains(made), "{what}: {seen}");
        let again = promote(lake, "dan", CUSTOMERS, made).await.unwrap();
        assert_eq!(again.event.is_none(), is_new, "{what}: {again:?}");
        assert!(heads(lake, test).await.contains(&format!("{made} v1")), "{what}");
    }
}

/// P4: whatever dies when, the head is the old one or the new one, and asking again makes it new.
#[tokio::test(flavor = "multi_thread")]
async fn p4_cut_off_anywhere_a_head_is_old_or_new() {
    let (writes, points) = cut_off::everywhere(&Promoting).await;
    assert!(!writes.is_empty() && points.len() >= 4, "{writes:?} {points:?}");
}

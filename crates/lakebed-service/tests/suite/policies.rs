//! Policies, in the use cases: what the engine is told, what is refused, and since when (P7).

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures::{StreamExt as _, stream};
use lakebed_core::{
    Declared, Identity,
    policy::{ColumnSight, Mask, Predicate, Restriction},
};
use lakebed_service::{
    AppliedCatalog, ApplyCatalog, Ctx, Detail, QueryRequest, Result,
    engine::{Described, Engine, EngineError, Prepared, QueryJob, QueryStream, StatementKind},
};
use lakebed_store::Store;
use lakebed_testkit::{NoEngine, TestLake};

/// Takes every statement for the name of what it reads, and remembers what it was told.
#[derive(Debug, Default)]
struct Remembers(Mutex<Vec<QueryJob>>);

#[async_trait]
impl Engine for Remembers {
    fn prepare(&self, sql: &str) -> Result<Prepared, EngineError> {
        let references = vec![sql.parse().expect("a reference")];
        Ok(Prepared {
            kind: StatementKind::Query,
            references,
            system: Vec::new(),
            placeholders: Vec::new(),
        })
    }

    async fn run(&self, job: QueryJob, _: &Store) -> Result<QueryStream, EngineError> {
        self.0.lock().unwrap().push(job);
        let schema = Arc::new(arrow::datatypes::Schema::empty());
        let batches = stream::empty().boxed();
        Ok(QueryStream { schema, batches, columns: Vec::new(), unstable: Vec::new() })
    }

    async fn lineage(&self, job: QueryJob) -> Result<Described, EngineError> {
        NoEngine.lineage(job).await
    }
}

struct World {
    test: TestLake,
    engine: Arc<Remembers>,
}

const GRANTS: &str = r#""grants":[
    {"to":"alice","may":["read"],"on":{"namespace":"crm"},"from_stage":"raw"},
    {"to":"carol","may":["read"],"on":"lake","from_stage":"raw"},
    {"to":"nightly","may":["read","ingest"],"on":{"namespace":"crm"},"from_stage":"raw"}]"#;

const REGION: &str = r#"{"name":"own-region","on":{"dataset":"crm.customers"},
    "row_filter":"region = 'EU'","except":["carol"]}"#;
const MAIL: &str = r#"{"name":"mask-mail","on":{"dataset":"crm.customers"},"columns":["mail"],
    "mask":"hash","except":["carol"]}"#;

const TAGGED: &str =
    r#"{"name":"mask-tagged","on":{"tag":"pii.email"},"mask":"redact","except":["carol"]}"#;
/// Columns of a contract.
const PLAIN: &str = r#"{"name":"id"},{"name":"region"},{"name":"mail"}"#;
const WITH_TAG: &str = r#"{"name":"id"},{"name":"region"},{"name":"mail","tags":["pii.email"]}"#;

impl World {
    async fn new() -> Self {
        let engine = Arc::new(Remembers::default());
        let test = TestLake::with_engine(Arc::clone(&engine) as Arc<dyn Engine>).await;
        Self { test, engine }
    }

    async fn ingest(&self, rows: &str) {
        self.test.ingest("crm.customers", "c.csv", rows).await.unwrap();
    }

    async fn apply(&self, policies: &[&str], reviewed: &str) -> Result<()> {
        self.declare(policies, &format!(r#","reviewed":{{{reviewed}}}"#)).await.map(drop)
    }

    /// Policies, and a contract of `crm.customers` with these columns.
    async fn promise(&self, policies: &[&str], columns: &str) -> Result<AppliedCatalog> {
        let contract = format!(
            r#","contracts":{{"crm.customers":{{"id":"c","version":"1.0.0","status":"active",
            "object":"customers","columns":[{columns}]}}}}"#
        );
        self.declare(policies, &contract).await
    }

    async fn declare(&self, policies: &[&str], more: &str) -> Result<AppliedCatalog> {
        let policies = policies.join(",");
        let text = format!(r#"{{"format":1,{GRANTS},"policies":[{policies}]{more}}}"#);
        let declared: Declared = serde_json::from_str(&text).unwrap();
        let expected = self.test.lake.declared_catalog(&self.test.ctx()).await?.declaration;
        let expected = expected.map(|declaration| declaration.digest);
        let request = ApplyCatalog { declared, expected, without_admin: true };
        self.test.lake.apply_catalog(&self.test.ctx(), request).await
    }

    async fn is_free(&self, who: &str, reference: &str) -> bool {
        let found = self.restriction(&ctx(who), reference).await.unwrap();
        found == Restriction::Unrestricted
    }

    /// What the engine is told that `who` may see.
    async fn restriction(&self, who: &Ctx, reference: &str) -> Result<Restriction> {
        let request = QueryRequest { sql: reference.to_owned(), ..QueryRequest::default() };
        self.test.lake.query(who, request).await?;
        let mut jobs = self.engine.0.lock().unwrap();
        Ok(jobs.pop().expect("a job").tables.pop().expect("a table").restriction)
    }

    /// The ids of the columns that `who` sees as they are, and of those that are masked.
    async fn columns(&self, who: &str, reference: &str) -> (Vec<u32>, Vec<u32>) {
        let Restriction::Restricted(sight) = self.restriction(&ctx(who), reference).await.unwrap()
        else {
            panic!("`{who}` is not restricted");
        };
        let is_raw = |sight: &ColumnSight| *sight == ColumnSight::Raw;
        let (raw, masked): (Vec<_>, Vec<_>) =
            sight.columns.into_iter().partition(|(_, sight)| is_raw(sight));
        let ids =
            |columns: Vec<(u32, ColumnSight)>| columns.into_iter().map(|(id, _)| id).collect();
        (ids(raw), ids(masked))
    }
}

fn ctx(name: &str) -> Ctx {
    Ctx::new(Identity::of(name.parse().expect("a principal")), "request-1")
}

/// From the apply on, for everybody but those excepted, in every version; and gone with it.
#[tokio::test]
async fn policies_come_and_go_with_the_catalog() {
    let world = World::new().await;
    world.ingest("id,region,mail\n1,EU,a@x\n").await;
    world.ingest("id,region,mail\n1,EU,a@x\n2,US,b@x\n").await;
    world.apply(&[], "").await.unwrap();
    let free = Restriction::Unrestricted;
    assert_eq!(world.restriction(&ctx("alice"), "crm.customers").await.unwrap(), free);
    world.apply(&[REGION, MAIL], "").await.unwrap();
    for reference in ["crm.customers", "crm.customers@v1", "crm.customers@2999-01-01"] {
        let found = world.restriction(&ctx("alice"), reference).await.unwrap();
        let Restriction::Restricted(sight) = found else { panic!("{reference}") };
        assert!(matches!(sight.rows, Predicate::Compare { field: 2, .. }), "{:?}", sight.rows);
        assert_eq!(sight.columns[&3], ColumnSight::Masked(Mask::Hash));
        assert!(sight.mask_key.is_some());
        let carol = world.restriction(&ctx("carol"), reference).await.unwrap();
        assert_eq!(carol, free, "she is excepted");
        let owner = world.restriction(&world.test.ctx(), reference).await.unwrap();
        assert_eq!(owner, free, "the lake is theirs");
    }
    world.apply(&[], "").await.unwrap();
    assert_eq!(world.restriction(&ctx("alice"), "crm.customers").await.unwrap(), free);
}

/// Digests are data: whoever is kept from a part of a table gets no file, digest or count of it.
#[tokio::test]
async fn whoever_is_restricted_gets_rows_and_no_digests() {
    let world = World::new().await;
    world.ingest("id,region,mail\n1,EU,a@x\n").await;
    world.apply(&[REGION], "").await.unwrap();
    let (lake, alice) = (&world.test.lake, ctx("alice"));
    let reference = ["crm.customers".parse().unwrap()];
    let found = lake.resolve(&world.test.ctx(), &reference, Detail::Full).await.unwrap();
    let version = &found.versions[0];
    let source = version.detail.as_ref().unwrap().sources[0].object.id;
    for detail in [Detail::None, Detail::Full] {
        let error = lake.resolve(&alice, &reference, detail).await.unwrap_err();
        assert_eq!(error.code(), "forbidden");
        assert!(lake.resolve(&ctx("carol"), &reference, detail).await.is_ok());
    }
    assert_eq!(lake.find_object(&alice, source).await.unwrap_err().code(), "not-found");
    assert!(lake.find_object(&ctx("carol"), source).await.is_ok());
    let dataset = "crm.customers".parse().unwrap();
    assert!(!lake.dataset(&alice, &dataset).await.unwrap().is_readable);
    assert!(!lake.history(&alice, &dataset, None, 9).await.unwrap().is_readable);
    let (_, datasets) = lake.datasets(&alice, None).await.unwrap();
    assert!(datasets.iter().all(|dataset| !dataset.is_readable));
    let events = lake.events(&alice, 0, 100).await.unwrap().events;
    assert!(!events.is_empty());
    assert!(events.iter().all(|event| event.sight == lakebed_service::Sight::Outline));
    // By its name a version is there, by its digest it is not; nor is any other.
    let digest = version.version.version_id.to_string();
    let by = |digest: &str| format!("crm.customers@b3:{}", &digest[..16]);
    assert!(world.restriction(&ctx("carol"), &by(&digest)).await.is_ok());
    let there = world.restriction(&alice, &by(&digest)).await.unwrap_err().to_string();
    let absent = world.restriction(&alice, &by(&"0".repeat(64))).await.unwrap_err().to_string();
    assert_eq!(there.replace(&digest[..16], ""), absent.replace(&"0".repeat(16), ""));
    let request = QueryRequest { sql: "crm.customers".to_owned(), ..QueryRequest::default() };
    let answer = lake.query(&alice, request.clone()).await.unwrap();
    assert!(!answer.resolved[0].is_readable);
    assert!(lake.query(&ctx("carol"), request).await.unwrap().resolved[0].is_readable);
    // Who makes versions is told as little of them.
    let outcome = {
        let path = world.test.file("c.csv", "id,region,mail\n1,EU,a@x\n7,US,c@x\n");
        let options = lakebed_core::DecodeOptions::default();
        let mode = lakebed_core::IngestMode::Replace;
        let request = lakebed_testkit::request_of("crm.customers", "c.csv", &path, mode, options);
        let progress = Arc::new(lakebed_service::NoProgress);
        lake.ingest(&ctx("nightly"), request, progress).await.unwrap()
    };
    assert!(!outcome.is_readable && !outcome.sees_lake);
}

/// A column that comes later is hidden from the restricted, whatever is applied, until it is
/// reviewed: a rename that nobody declared is such a column.
#[tokio::test]
async fn new_columns_are_hidden_until_somebody_has_looked() {
    let world = World::new().await;
    world.ingest("id,region,mail\n1,EU,a@x\n").await;
    world.apply(&[REGION, MAIL], "").await.unwrap();
    assert_eq!(world.columns("alice", "crm.customers").await, (vec![1, 2], vec![3]));
    world.ingest("id,region,mail,e_mail\n1,EU,,a@x\n").await;
    assert_eq!(world.columns("alice", "crm.customers").await, (vec![1, 2], vec![3]));
    let other = r#"{"name":"x","on":{"dataset":"crm.orders"},"columns":["a"],"hide":true}"#;
    world.apply(&[REGION, MAIL, other], "").await.unwrap();
    assert_eq!(world.columns("alice", "crm.customers").await, (vec![1, 2], vec![3]));
    world.apply(&[REGION, MAIL], r#""crm.customers":["e_mail"]"#).await.unwrap();
    assert_eq!(world.columns("alice", "crm.customers").await, (vec![1, 2, 4], vec![3]));
    assert_eq!(world.columns("alice", "crm.customers@v1").await, (vec![1, 2], vec![3]));
}

/// Of a table that was named before it was there the first columns are known; of one that appears in
/// a namespace none is, also after another apply.
#[tokio::test]
async fn a_table_that_comes_after_its_policies_is_covered() {
    let world = World::new().await;
    world.apply(&[REGION], "").await.unwrap();
    world.ingest("id,region\n1,EU\n").await;
    world.ingest("id,region,mail\n1,EU,a@x\n").await;
    assert_eq!(world.columns("alice", "crm.customers").await, (vec![1, 2], vec![]));
    world.apply(&[REGION, MAIL], "").await.unwrap();
    assert_eq!(world.columns("alice", "crm.customers").await, (vec![1, 2], vec![]));
    let all = r#"{"name":"all","on":{"namespace":"crm"},"columns":["mail"],"hide":true}"#;
    world.apply(&[all], "").await.unwrap();
    world.test.ingest("crm.orders", "o.csv", "id,mail\n1,a@x\n").await.unwrap();
    assert_eq!(world.columns("alice", "crm.orders").await, (vec![], vec![]));
    world.apply(&[all, REGION], "").await.unwrap();
    assert_eq!(world.columns("alice", "crm.orders").await, (vec![], vec![]));
    world.apply(&[all], r#""crm.orders":["id","mail"]"#).await.unwrap();
    assert_eq!(world.columns("alice", "crm.orders").await, (vec![1], vec![]));
}

/// A policy that does not fit a table that is there is refused, by plan and by apply.
#[tokio::test]
async fn a_policy_that_does_not_fit_is_refused() {
    let world = World::new().await;
    world.ingest("id,region,mail\n1,EU,a@x\n").await;
    let bad = r#"{"name":"bad","on":{"dataset":"crm.customers"},"row_filter":"id = 'x'"}"#;
    let error = world.apply(&[REGION, bad], "").await.unwrap_err();
    assert_eq!(error.code(), "policy-misfit");
    insta::assert_snapshot!(error.to_string(), @"policy `bad`: the row filter does not fit `crm.customers`: `id` is long, and 'x' is no long");
    let absent =
        r#"{"name":"gone","on":{"dataset":"crm.customers"},"columns":["emial"],"hide":true}"#;
    let error = world.apply(&[absent], "").await.unwrap_err();
    insta::assert_snapshot!(error.to_string(), @"policy `gone`: `crm.customers` has no column `emial`");
}

/// The key of masks that hash is made once, kept, and in the journal: a rebuilt lake hashes alike.
#[tokio::test]
async fn the_key_of_hashes_is_kept() {
    let world = World::new().await;
    world.ingest("id,region,mail\n1,EU,a@x\n").await;
    let key = async || match world.restriction(&ctx("alice"), "crm.customers").await.unwrap() {
        Restriction::Restricted(sight) => sight.mask_key,
        Restriction::Unrestricted => None,
    };
    world.apply(&[REGION], "").await.unwrap();
    assert_eq!(key().await, None, "nothing hashes");
    world.apply(&[REGION, MAIL], "").await.unwrap();
    let first = key().await;
    assert!(first.is_some());
    world.apply(&[], "").await.unwrap();
    world.apply(&[MAIL], "").await.unwrap();
    assert_eq!(key().await, first);
    let hex = first.unwrap().to_hex();
    let events = serde_json::to_string(&world.test.events(0, 100).await).unwrap();
    assert!(events.contains(&hex), "the journal has it");
}

/// Explaining names a policy to those it restricts; what it says is for whoever may admin.
#[tokio::test]
async fn a_policy_is_explained() {
    let world = World::new().await;
    world.apply(&[REGION, MAIL], "").await.unwrap();
    let target = "crm.customers".parse().unwrap();
    let alice = world.test.lake.explain_access(&ctx("alice"), None, &target).await.unwrap();
    assert_eq!(alice.policies.len(), 2);
    assert!(alice.policies.iter().all(|explained| explained.why_not.is_none()));
    assert!(!alice.tells_policies);
    let wider = "lake".parse().unwrap();
    let alice = world.test.lake.explain_access(&ctx("alice"), None, &wider).await.unwrap();
    assert!(alice.policies.is_empty(), "what lies within may be none of her business");
    let carol = Some("carol".parse().unwrap());
    let told = world.test.lake.explain_access(&world.test.ctx(), carol, &target).await.unwrap();
    assert!(told.tells_policies);
    let spared = Some(lakebed_service::govern::WhySpared::Excepted);
    assert!(told.policies.iter().all(|explained| explained.why_not == spared));
}

/// A policy on a tag holds where a contract has the tag, in every version, and nowhere else; it comes and
/// goes with either of them.
#[tokio::test]
async fn tags_of_contracts_bind_policies() {
    let world = World::new().await;
    world.ingest("id,region,mail\n1,EU,a@x\n").await;
    world.ingest("id,region,mail\n1,EU,a@x\n2,US,b@x\n").await;
    world.test.ingest("crm.orders", "o.csv", "id,mail\n1,a@x\n").await.unwrap();
    let applied = world.promise(&[TAGGED], PLAIN).await.unwrap();
    let warnings: Vec<_> = applied.plan.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        ["policy `mask-tagged` does nothing: no contract has the tag `pii.email`"]
    );
    assert!(world.is_free("alice", "crm.customers").await);
    let applied = world.promise(&[TAGGED], WITH_TAG).await.unwrap();
    assert_eq!(applied.plan.warnings, []);
    let [sight] = &applied.plan.sights[..] else { panic!("{:?}", applied.plan.sights) };
    assert_eq!((sight.is_gain, sight.on.to_string().as_str()), (false, "crm.customers"));
    for reference in ["crm.customers", "crm.customers@v1"] {
        assert_eq!(world.columns("alice", reference).await, (vec![1, 2], vec![3]));
        assert!(world.is_free("carol", reference).await, "she is excepted");
    }
    assert!(world.is_free("alice", "crm.orders").await, "it has no contract");
    let digests = async |who: &str| {
        let reference = ["crm.customers".parse().unwrap()];
        world.test.lake.resolve(&ctx(who), &reference, Detail::Full).await.is_ok()
    };
    assert!(!digests("alice").await && digests("carol").await);
    let applied = world.promise(&[TAGGED], PLAIN).await.unwrap();
    assert!(applied.plan.sights.iter().all(|sight| sight.is_gain), "{:?}", applied.plan.sights);
    assert_eq!(applied.plan.sights.len(), 1);
    assert!(world.is_free("alice", "crm.customers").await && digests("alice").await);
}

/// A contract that brings a tag puts its dataset under the policies on it: what is there by then is
/// known, what comes later waits for somebody to look.
#[tokio::test]
async fn a_tag_puts_a_dataset_under_its_policies() {
    let world = World::new().await;
    world.promise(&[TAGGED], PLAIN).await.unwrap();
    world.ingest("id,region,mail\n1,EU,a@x\n").await;
    world.ingest("id,region,mail,note\n1,EU,a@x,hi\n").await;
    assert!(world.is_free("alice", "crm.customers").await);
    world.promise(&[TAGGED], WITH_TAG).await.unwrap();
    assert_eq!(world.columns("alice", "crm.customers").await, (vec![1, 2, 4], vec![3]));
    world.ingest("id,region,mail,note,e_mail\n1,EU,,hi,a@x\n").await;
    assert_eq!(world.columns("alice", "crm.customers").await, (vec![1, 2, 4], vec![3]));
    world.promise(&[TAGGED, REGION], WITH_TAG).await.unwrap();
    assert_eq!(world.columns("alice", "crm.customers").await, (vec![1, 2, 4], vec![3]));
}

/// Of a dataset that comes after its contract, what the contract lists is expected, and nothing else;
/// also after another apply.
#[tokio::test]
async fn a_contract_that_was_there_first_says_what_to_expect() {
    let world = World::new().await;
    world.promise(&[TAGGED], WITH_TAG).await.unwrap();
    world.ingest("id,region,mail,e_mail\n1,EU,a@x,a@x\n").await;
    assert_eq!(world.columns("alice", "crm.customers").await, (vec![1, 2], vec![3]));
    let more = format!(r#"{WITH_TAG},{{"name":"e_mail"}}"#);
    world.promise(&[TAGGED], &more).await.unwrap();
    assert_eq!(world.columns("alice", "crm.customers").await, (vec![1, 2], vec![3]));
}

/// A contract has to say the new name before the data does: between the two nobody sees the column, nor
/// afterwards under either of its names.
#[tokio::test]
async fn a_rename_uncovers_nothing_at_any_time() {
    let world = World::new().await;
    world.ingest("id,region,mail\n1,EU,a@x\n").await;
    world.promise(&[TAGGED], WITH_TAG).await.unwrap();
    let renamed = WITH_TAG.replace("mail\",", "contact\",");
    let applied = world.promise(&[TAGGED], &renamed).await.unwrap();
    let warnings: Vec<_> = applied.plan.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        [
            "`crm.customers` has no column `contact`, which its contract tags `pii.email`: until it has, \
          those that the contract does not list are taken for it"
        ]
    );
    assert_eq!(world.columns("alice", "crm.customers").await, (vec![1, 2], vec![3]));
    let path = world.test.file("d.csv", "id,region,contact\n2,US,b@x\n");
    let options = lakebed_core::DecodeOptions {
        evolve: vec!["rename mail=contact".parse().unwrap()],
        ..Default::default()
    };
    let mode = lakebed_core::IngestMode::Replace;
    let request = lakebed_testkit::request_of("crm.customers", "d.csv", &path, mode, options);
    let progress = Arc::new(lakebed_service::NoProgress);
    world.test.lake.ingest(&world.test.ctx(), request, progress).await.unwrap();
    for reference in ["crm.customers@v1", "crm.customers@v2"] {
        assert_eq!(world.columns("alice", reference).await, (vec![1, 2], vec![3]), "{reference}");
    }
    world.promise(&[TAGGED, REGION], &renamed).await.unwrap();
    assert_eq!(world.columns("alice", "crm.customers@v1").await, (vec![1, 2], vec![3]));
}

/// What does not fit a table that carries the tag is refused when it is news: the policy, or the tag.
#[tokio::test]
async fn a_tag_that_does_not_fit_is_refused() {
    let world = World::new().await;
    world.ingest("id,mail\n1,a@x\n").await;
    let own = r#"{"name":"own","on":{"tag":"pii.email"},"row_filter":"region = 'EU'"}"#;
    world.promise(&[TAGGED, own], r#"{"name":"id"},{"name":"mail"}"#).await.unwrap();
    let on_id = r#"{"name":"id","tags":["pii.email"]},{"name":"mail"}"#;
    let error = world.promise(&[TAGGED], on_id).await.unwrap_err();
    assert_eq!(error.code(), "policy-misfit");
    insta::assert_snapshot!(error.to_string(), @"policy `mask-tagged`: `crm.customers.id` is long; `redact` is for columns of type string");
    let on_mail = r#"{"name":"id"},{"name":"mail","tags":["pii.email"]}"#;
    let error = world.promise(&[TAGGED, own], on_mail).await.unwrap_err();
    insta::assert_snapshot!(error.to_string(), @"policy `own`: `crm.customers` has no column `region`");
    // Of a dataset that is not there nothing can be told; when it comes it shows no row.
    let other = format!(
        r#","contracts":{{"crm.orders":{{"id":"o","version":"1.0.0","status":"active",
        "object":"orders","columns":[{on_mail}]}}}}"#
    );
    world.declare(&[TAGGED, own], &other).await.unwrap();
    world.test.ingest("crm.orders", "o.csv", "id,mail\n1,a@x\n").await.unwrap();
    let found = world.restriction(&ctx("alice"), "crm.orders").await.unwrap();
    let Restriction::Restricted(sight) = found else { panic!("it carries the tag") };
    assert_eq!(sight.rows, Predicate::Constant(false));
    // It was fit for what there was when it was declared, and is left alone.
    let more = r#"{"name":"more","on":{"dataset":"crm.orders"},"columns":["id"],"hide":true}"#;
    world.declare(&[TAGGED, own, more], &other).await.unwrap();
}

/// Explaining tells those whom a policy on a tag restricts that it does, and whoever may admin why; to
/// those who may not know of the dataset it tells nothing.
#[tokio::test]
async fn a_tag_is_explained() {
    let world = World::new().await;
    world.promise(&[TAGGED, REGION], WITH_TAG).await.unwrap();
    let lake = &world.test.lake;
    let names = |told: &lakebed_service::govern::Explanation| {
        let names = told.policies.iter().map(|explained| explained.policy.name.to_string());
        names.collect::<Vec<_>>()
    };
    let [customers, orders, namespace] =
        ["crm.customers", "crm.orders", "crm.*"].map(|target| target.parse().unwrap());
    let alice = lake.explain_access(&ctx("alice"), None, &customers).await.unwrap();
    assert_eq!(names(&alice), ["mask-tagged", "own-region"]);
    let alice = lake.explain_access(&ctx("alice"), None, &orders).await.unwrap();
    assert!(names(&alice).is_empty(), "it carries no tag");
    let alice = lake.explain_access(&ctx("alice"), None, &namespace).await.unwrap();
    assert!(names(&alice).is_empty(), "what lies within may be none of her business");
    let mallory = lake.explain_access(&ctx("mallory"), None, &customers).await.unwrap();
    assert!(names(&mallory).is_empty(), "she may not know that it exists");
    let alice = Some("alice".parse().unwrap());
    for target in [customers, namespace] {
        let ctx = world.test.ctx();
        let told = lake.explain_access(&ctx, alice.clone(), &target).await.unwrap();
        let tagged = told.policies.iter().find(|told| told.policy.name.as_str() == "mask-tagged");
        let carrying = &tagged.expect("it is about a part").tagged;
        let columns = lakebed_service::govern::Tagged::Columns(["mail".to_owned()].into());
        assert_eq!(carrying[&"crm.customers".parse().unwrap()], columns);
    }
}

/// Nobody knows what a program makes of what it reads: whoever is kept from a part of that sees nothing
/// of what came of it, from the apply on, and does not learn of the run.
#[tokio::test]
async fn p7_what_a_program_made_of_hidden_rows_is_hidden() {
    use lakebed_service::{BeginRun, CommitRun, NoProgress, RunInput, RunOutputs, SourceInput};
    let world = World::new().await;
    let lake = &world.test.lake;
    world.ingest("id,region,mail\n1,EU,a@x\n").await;
    world.test.ingest("crm.plain", "p.csv", "id\n1\n").await.unwrap();
    world.test.ingest("crm.scores", "s.csv", "id,score\n1,1\n").await.unwrap();
    world.apply(&[], "").await.unwrap();
    let input = |name: &str| RunInput { reference: name.parse().unwrap(), version_id: None };
    let begin = |name: &str| BeginRun { inputs: vec![input(name)], ..BeginRun::default() };
    let make = async |from: &str, to: &str, rows: &str| {
        let run = lake.begin_run(&world.test.ctx(), begin(from)).await.unwrap().run;
        let path = world.test.file("made.csv", rows);
        let source = SourceInput::Path { name: "made.csv".to_owned(), path };
        let output = RunOutputs {
            dataset: to.parse().unwrap(),
            sources: vec![source],
            options: Default::default(),
        };
        let made = CommitRun { outputs: vec![output], started_at: None, ended_at: None, log: None };
        lake.commit_run(&world.test.ctx(), &run, made, Arc::new(NoProgress)).await.unwrap();
        run
    };
    let run = make("crm.customers", "crm.scores", "id,score\n1,2\n").await;
    make("crm.scores", "crm.report", "id,rank\n1,1\n").await;
    let harmless = make("crm.plain", "crm.other", "id,rank\n1,1\n").await;
    assert!(world.is_free("alice", "crm.scores").await);
    lake.run(&ctx("alice"), &run).await.unwrap();

    world.apply(&[REGION], "").await.unwrap();
    assert!(world.is_free("alice", "crm.scores@v1").await, "no program made it");
    assert!(world.is_free("alice", "crm.other").await, "of nothing that is hidden");
    for name in ["crm.scores", "crm.scores@v2", "crm.report"] {
        let error = world.restriction(&ctx("alice"), name).await.unwrap_err();
        assert_eq!(error.code(), "forbidden", "{name}");
        let references = [name.parse().unwrap()];
        let error = lake.resolve(&ctx("alice"), &references, Detail::None).await.unwrap_err();
        assert_eq!(error.code(), "forbidden", "digests are data: {name}");
        assert!(world.is_free("carol", name).await, "{name}");
    }
    for (who, expected) in [("alice", "not-found"), ("nightly", "not-found")] {
        let error = lake.run(&ctx(who), &run).await.unwrap_err();
        assert_eq!(error.code(), expected, "{who}");
        let runs = lake.runs(&ctx(who), 10).await.unwrap();
        let runs: Vec<&str> = runs.iter().map(|seen| seen.run.as_str()).collect();
        assert_eq!(runs, [&harmless], "{who}");
        let events = lake.events(&ctx(who), 0, 1000).await.unwrap().events;
        let told = events.iter().filter(|seen| seen.event.body.type_name() == "run_committed");
        assert_eq!(told.count(), 1, "{who}");
    }
    assert_eq!(lake.runs(&ctx("carol"), 10).await.unwrap().len(), 3);
    // Nor can they run one themselves.
    let error = lake.begin_run(&ctx("nightly"), begin("crm.customers")).await.unwrap_err();
    assert_eq!(error.code(), "forbidden");
    // A right that is lost meanwhile is lost when the run is to be committed.
    world.apply(&[], "").await.unwrap();
    let begun = lake.begin_run(&ctx("nightly"), begin("crm.customers")).await.unwrap().run;
    world.apply(&[REGION], "").await.unwrap();
    let path = world.test.file("made.csv", "id,score\n1,3\n");
    let output = RunOutputs {
        dataset: "crm.scores".parse().unwrap(),
        sources: vec![SourceInput::Path { name: "made.csv".to_owned(), path }],
        options: Default::default(),
    };
    let made = CommitRun { outputs: vec![output], started_at: None, ended_at: None, log: None };
    let late = lake.commit_run(&ctx("nightly"), &begun, made, Arc::new(NoProgress)).await;
    assert_eq!(late.unwrap_err().code(), "forbidden");
}

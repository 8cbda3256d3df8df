//! Lineage, impact, locks and the report: what they tell, and what they keep from whom (P7).

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use arrow::{
    array::{ArrayRef, Int64Array},
    datatypes::{DataType, Field, Schema},
    record_batch::RecordBatch,
};
use async_trait::async_trait;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use lakebed_core::{
    DatasetName, Declared, DecodeOptions, EventBody, FormatName, Identity, LockedInput, Product,
    Refresh, TablePart,
    lineage::{ColumnOrigin, Direct, Indirect, Input, Lineage, OutputColumn},
};
use lakebed_service::{
    ApplyCatalog, BeginRun, BuildRequest, CommitRun, Ctx, Detail, Direction, Error, ImpactAnswer,
    IngestStatus, LineageAnswer, LineageRequest, Looked, NoProgress, QueryRequest, Result,
    RunInput, RunOutputs, SeenEvent, Sight, SourceInput,
    engine::{Described, Engine, EngineError, Prepared, QueryJob, QueryStream, StatementKind},
};
use lakebed_store::Store;
use lakebed_testkit::TestLake;

/// Takes `total = a.b.x + a.b.y; n = | a.b.z | a.c` for a statement: columns, what they are made of, what
/// decides about rows, and of what rows alone are read. Every answer is one row.
#[derive(Debug)]
pub(crate) struct Toy;

/// A column of a dataset.
type Origin = (DatasetName, String);

struct Parsed {
    outputs: Vec<(String, Vec<Origin>)>,
    rows: Vec<Origin>,
    read: Vec<DatasetName>,
}

fn origins(text: &str) -> Vec<Origin> {
    let words = text.split('+').map(str::trim).filter(|word| !word.is_empty());
    let origin = |word: &str| {
        let (dataset, column) = word.rsplit_once('.').expect("a column");
        (dataset.parse().expect("a dataset"), column.to_owned())
    };
    words.map(origin).collect()
}

fn parsed(sql: &str) -> Parsed {
    let mut parts = sql.split('|');
    let mut part = || parts.next().unwrap_or_default();
    let (columns, rows, read) = (part(), part(), part());
    let output = |text: &str| {
        let (name, made_of) = text.split_once('=').expect("a column and what it is made of");
        (name.trim().to_owned(), origins(made_of))
    };
    let read = read.split_whitespace().map(|dataset| dataset.parse().expect("a dataset")).collect();
    Parsed { outputs: columns.split(';').map(output).collect(), rows: origins(rows), read }
}

#[async_trait]
impl Engine for Toy {
    fn prepare(&self, sql: &str) -> Result<Prepared, EngineError> {
        if !sql.contains('=') {
            let references = vec![sql.parse().expect("a reference")];
            return Ok(Prepared {
                kind: StatementKind::Query,
                references,
                system: Vec::new(),
                placeholders: Default::default(),
            });
        }
        let Parsed { outputs, rows, read } = parsed(sql);
        let made_of = outputs.iter().flat_map(|(_, origins)| origins).chain(&rows);
        let names = made_of.map(|(dataset, _)| dataset).chain(&read);
        let names: BTreeSet<&DatasetName> = names.collect();
        let references = names.iter().map(|name| name.to_string().parse().expect("a reference"));
        let references = references.collect();
        Ok(Prepared {
            kind: StatementKind::Query,
            references,
            system: Vec::new(),
            placeholders: Default::default(),
        })
    }

    async fn run(&self, job: QueryJob, _: &Store) -> Result<QueryStream, EngineError> {
        if !job.sql.contains('=') {
            let schema = Arc::new(Schema::empty());
            let batches = stream::empty().boxed();
            return Ok(QueryStream { schema, batches, columns: Vec::new(), unstable: Vec::new() });
        }
        let names = parsed(&job.sql).outputs.into_iter().map(|(name, _)| name);
        let fields: Vec<Field> =
            names.map(|name| Field::new(name, DataType::Int64, true)).collect();
        let column = |_: &Field| Arc::new(Int64Array::from(vec![1])) as ArrayRef;
        let columns = fields.iter().map(column).collect();
        let schema = Arc::new(Schema::new(fields));
        let batch = RecordBatch::try_new(Arc::clone(&schema), columns).expect("a row");
        let batches = stream::iter([Ok(batch)]).boxed();
        Ok(QueryStream { schema, batches, columns: Vec::new(), unstable: Vec::new() })
    }

    async fn lineage(&self, job: QueryJob) -> Result<Described, EngineError> {
        let Parsed { outputs, rows, read } = parsed(&job.sql);
        let input = |dataset: &DatasetName| {
            let table = job.tables.iter().find(|table| table.dataset == *dataset);
            let version_id = table.expect("it is bound").version_id;
            Input { dataset: dataset.clone(), version_id, part: TablePart::Rows }
        };
        let origin = |(dataset, column): &Origin| ColumnOrigin {
            input: input(dataset),
            column: column.clone(),
        };
        let fields = outputs.iter().map(|(name, _)| Field::new(name, DataType::Int64, true));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let outputs = outputs.iter().map(|(name, made_of)| {
            let kind = match made_of.len() {
                1 => Direct::Identity,
                _ => Direct::Transformation,
            };
            let direct = made_of.iter().map(|of| (origin(of), BTreeSet::from([kind])));
            let (name, direct) = (name.clone(), direct.collect());
            OutputColumn { name, direct, conditional: BTreeSet::new(), tells_of: BTreeSet::new() }
        });
        let filter = |of: &Origin| (origin(of), BTreeSet::from([Indirect::Filter]));
        let indirect: BTreeMap<_, _> = rows.iter().map(filter).collect();
        let lineage = Lineage::new(read.iter().map(input), outputs.collect(), indirect);
        Ok(Described { schema, lineage })
    }
}

const GRANTS: &str = r#""grants":[
    {"to":"carol","may":["read","ingest"],"on":"lake","from_stage":"raw"},
    {"to":"audrey","may":["audit"],"on":"lake","from_stage":"raw"},
    {"to":"audrey","may":["discover"],"on":"lake","from_stage":"raw"},
    {"to":"adam","may":["admin"],"on":"lake","from_stage":"raw"},
    {"to":"alice","may":["read"],"on":{"namespace":"products"},"from_stage":"raw"},
    {"to":"bob","may":["read"],"on":{"namespace":"sales"},"from_stage":"raw"},
    {"to":"dora","may":["read"],"on":{"namespace":"products"},"from_stage":"raw"},
    {"to":"dora","may":["discover"],"on":{"namespace":"sales"},"from_stage":"raw"},
    {"to":"rita","may":["read"],"on":"lake","from_stage":"raw"}]"#;

/// `rita` may read everything, but for one column.
const POLICY: &str = r#""policies":[{"name":"no-rate","on":{"dataset":"sales.orders"},
    "columns":["rate"],"hide":true,"except":["carol","bob","audrey","alice","dora"]}]"#;

pub(crate) const PRODUCTS: [(&str, &str); 2] = [
    (
        "products.daily",
        "total = sales.orders.amount + sales.orders.rate; area = sales.regions.area | sales.orders.flavour",
    ),
    ("products.best", "best = products.daily.total; place = products.daily.area"),
];

pub(crate) struct World {
    pub(crate) test: TestLake,
}

impl World {
    /// `sales.orders` and `sales.regions`, `products.daily` of both, `products.best` of that.
    pub(crate) async fn new() -> Self {
        let world = Self { test: TestLake::with_engine(Arc::new(Toy)).await };
        world.orders("1,10,2,a\n").await;
        world.test.ingest("sales.regions", "regions.csv", "id,area\n1,7\n").await.unwrap();
        world.declare(&PRODUCTS, "").await;
        for (name, _) in PRODUCTS {
            world.build(name).await;
        }
        world
    }

    pub(crate) async fn orders(&self, rows: &str) {
        let text = format!("id,amount,rate,flavour\n{rows}");
        self.test.ingest("sales.orders", "orders.csv", &text).await.unwrap();
    }

    pub(crate) async fn declare(&self, products: &[(&str, &str)], more: &str) {
        let declared = declared(products, more);
        let owner = self.test.ctx();
        let expected = self.test.lake.declared_catalog(&owner).await.unwrap().declaration;
        let expected = expected.map(|declaration| declaration.digest);
        let request = ApplyCatalog { declared, expected, without_admin: true };
        self.test.lake.apply_catalog(&owner, request).await.unwrap();
    }

    /// A program of carol's that read `from` and wrote a file, which becomes a version of `to`.
    async fn run(&self, from: &str, to: &str, file: &str, bytes: &str) -> String {
        let (lake, carol) = (&self.test.lake, ctx("carol"));
        let input = RunInput { reference: from.parse().unwrap(), version_id: None };
        let begin = BeginRun { inputs: vec![input], ..BeginRun::default() };
        let run = lake.begin_run(&carol, begin).await.unwrap().run;
        let path = self.test.file(file, bytes);
        let format = (!file.ends_with(".csv")).then_some(FormatName::Files);
        let output = RunOutputs {
            dataset: to.parse().unwrap(),
            sources: vec![SourceInput::Path { name: file.to_owned(), path }],
            options: DecodeOptions { format, ..DecodeOptions::default() },
        };
        let made = CommitRun { outputs: vec![output], started_at: None, ended_at: None, log: None };
        lake.commit_run(&carol, &run, made, Arc::new(NoProgress)).await.unwrap();
        run
    }

    /// A model of the orders, and what it says of them.
    async fn train(&self) -> [String; 2] {
        [
            self.run("sales.orders", "products.model", "model.pkl", "weights").await,
            self.run("products.model", "products.scores", "s.csv", "id,score\n1,7\n").await,
        ]
    }

    pub(crate) async fn build(&self, name: &str) {
        let request = BuildRequest { product: name.parse().unwrap(), locked: None };
        self.test.lake.build(&ctx("carol"), request, Arc::new(NoProgress)).await.unwrap();
    }

    async fn lineage(
        &self,
        who: &str,
        reference: &str,
        column: Option<&str>,
        direction: Direction,
    ) -> Result<LineageAnswer> {
        let request = LineageRequest {
            reference: reference.parse().unwrap(),
            column: column.map(str::to_owned),
            direction,
        };
        self.test.lake.lineage(&ctx(who), &request).await
    }

    async fn impact(&self, who: &str, dataset: &str, column: Option<&str>) -> Result<ImpactAnswer> {
        self.test.lake.impact(&ctx(who), &dataset.parse().unwrap(), column).await
    }

    pub(crate) async fn event(&self, who: &str, reference: &str) -> String {
        let (asker, reference) = (ctx(who), reference.parse().unwrap());
        self.test.lake.openlineage(&asker, &reference).await.unwrap().to_string()
    }

    pub(crate) async fn version_id(&self, reference: &str) -> String {
        let (owner, reference) = (self.test.ctx(), reference.parse().unwrap());
        let found = self.test.lake.resolve(&owner, &[reference], Detail::None).await.unwrap();
        found.versions[0].version.version_id.to_string()
    }

    /// What impact tells of products, a line each.
    async fn products(&self, who: &str, dataset: &str, column: Option<&str>) -> String {
        let answer = self.impact(who, dataset, column).await.unwrap();
        let line = |found: &lakebed_service::ImpactProduct| {
            let columns: Vec<&str> = found.columns.iter().map(String::as_str).collect();
            let marks = [(found.anything, " anything"), (found.is_broken, " broken")];
            let marks: String =
                marks.iter().filter(|(is_so, _)| *is_so).map(|(_, mark)| *mark).collect();
            format!(
                "{} +{} declared={} built={:?} [{}] rows={}{marks}",
                found.product,
                found.steps,
                found.is_declared,
                found.built,
                columns.join(" "),
                found.other_rows
            )
        };
        answer.products.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    async fn lock(&self, who: &str, name: &str, references: &[&str]) -> Result<Option<u64>> {
        let asker = ctx(who);
        let refs: Vec<_> = references.iter().map(|text| text.parse().unwrap()).collect();
        let found = self.test.lake.resolve(&self.test.ctx(), &refs, Detail::None).await?;
        let input = |found: lakebed_service::ResolvedVersion| LockedInput {
            reference: found.reference,
            version: found.version.number,
            version_id: found.version.version_id,
        };
        let inputs: Vec<LockedInput> = found.versions.into_iter().map(input).collect();
        self.test.lake.register_lock(&asker, name, &inputs).await
    }

    async fn locks(&self, who: &str, dataset: &str) -> String {
        let answer = self.impact(who, dataset, None).await.unwrap();
        let line = |lock: &lakebed_service::ImpactLock| {
            format!("{} {} {:?}", lock.actor, lock.name, lock.versions)
        };
        let locks = answer.locks.iter().map(line).collect::<Vec<_>>().join("\n");
        format!("{locks}{}", if answer.all_locks { "" } else { " and maybe others" })
    }
}

fn declared(products: &[(&str, &str)], more: &str) -> Declared {
    let product = |(name, sql): &(&str, &str)| {
        format!(r#""{name}":{{"owner":"carol","purpose":"x","sql":"{sql}","input_stage":"raw"}}"#)
    };
    let products: Vec<String> = products.iter().map(product).collect();
    let products = products.join(",");
    let text = format!(r#"{{"format":1,{GRANTS},{POLICY},"products":{{{products}}}{more}}}"#);
    serde_json::from_str(&text).unwrap()
}

pub(crate) fn ctx(name: &str) -> Ctx {
    Ctx::new(Identity::of(name.parse().expect("a principal")), "request-1")
}

/// Versions with columns and originals, then edges.
fn shown(answer: &LineageAnswer) -> String {
    let name = |place: usize| {
        let record = &answer.versions[place].record;
        format!("{}@v{}", record.dataset, record.number)
    };
    let mut lines = Vec::new();
    for (place, version) in answer.versions.iter().enumerate() {
        let columns: Vec<&str> = version.columns.iter().map(String::as_str).collect();
        let originals: Vec<&str> = version.originals.iter().map(|o| o.name.as_str()).collect();
        let seen = if version.is_readable { "" } else { " (restricted)" };
        lines.push(format!("{}{seen} {columns:?} {originals:?}", name(place)));
    }
    for edge in &answer.edges {
        lines.push(format!("{} <- {}", name(edge.computed), name(edge.source)));
        for column in &edge.columns {
            lines.push(format!("  {} <- {} {:?}", column.column, column.source, column.direct));
        }
        for rows in &edge.rows {
            lines.push(format!("  rows <- {} {:?}", rows.source, rows.kinds));
        }
    }
    if answer.is_cut {
        lines.push("cut".to_owned());
    }
    lines.join("\n")
}

#[tokio::test]
async fn a_product_is_walked_up_to_its_originals_and_down_again() {
    let world = World::new().await;
    let up = world.lineage("carol", "products.best", None, Direction::Up).await.unwrap();
    insta::assert_snapshot!(shown(&up), @r#"
    products.best@v1 [] []
    products.daily@v1 [] []
    sales.orders@v1 [] ["orders.csv"]
    sales.regions@v1 [] ["regions.csv"]
    products.best@v1 <- products.daily@v1
    products.daily@v1 <- sales.orders@v1
    products.daily@v1 <- sales.regions@v1
    "#);
    let down = world.lineage("carol", "sales.orders@v1", None, Direction::Down).await.unwrap();
    insta::assert_snapshot!(shown(&down), @r#"
    sales.orders@v1 [] []
    products.daily@v1 [] []
    products.best@v1 [] []
    products.daily@v1 <- sales.orders@v1
    products.best@v1 <- products.daily@v1
    "#);
    // What was built from the version before is not what was built from this one.
    world.orders("1,10,2,a\n2,20,3,b\n").await;
    let down = world.lineage("carol", "sales.orders", None, Direction::Down).await.unwrap();
    insta::assert_snapshot!(shown(&down), @r#"
    sales.orders@v2 [] []
    "#);
}

#[tokio::test]
async fn a_column_is_followed_from_version_to_version() {
    let world = World::new().await;
    let up = world.lineage("carol", "products.best", Some("best"), Direction::Up).await.unwrap();
    insta::assert_snapshot!(shown(&up), @r#"
    products.best@v1 ["best"] []
    products.daily@v1 ["total"] []
    sales.orders@v1 ["amount", "flavour", "rate"] ["orders.csv"]
    sales.regions@v1 [] ["regions.csv"]
    products.best@v1 <- products.daily@v1
      best <- total {Identity}
    products.daily@v1 <- sales.orders@v1
      total <- amount {Transformation}
      total <- rate {Transformation}
      rows <- flavour {Filter}
    products.daily@v1 <- sales.regions@v1
    "#);
    let down = world.lineage("carol", "sales.orders", Some("rate"), Direction::Down).await.unwrap();
    insta::assert_snapshot!(shown(&down), @r#"
    sales.orders@v1 ["rate"] []
    products.daily@v1 ["total"] []
    products.best@v1 ["best"] []
    products.daily@v1 <- sales.orders@v1
      total <- rate {Transformation}
    products.best@v1 <- products.daily@v1
      best <- total {Identity}
    "#);
    let rows =
        world.lineage("carol", "sales.orders", Some("flavour"), Direction::Down).await.unwrap();
    insta::assert_snapshot!(shown(&rows), @r#"
    sales.orders@v1 ["flavour"] []
    products.daily@v1 ["area", "total"] []
    products.best@v1 ["best", "place"] []
    products.daily@v1 <- sales.orders@v1
      rows <- flavour {Filter}
    products.best@v1 <- products.daily@v1
      best <- total {Identity}
      place <- area {Identity}
    "#);
    let error = world.lineage("carol", "products.best", Some("none"), Direction::Up).await;
    assert!(matches!(error, Err(Error::NotFound { .. })));
}

/// What decides about rows leads on: down to all that reads them, as impact tells, if they are but counted;
/// up from a column that is made of none.
#[tokio::test]
async fn rows_lead_on_where_columns_end() {
    let world = World::new().await;
    let products = [
        ("products.p1", "i = sales.orders.id | sales.orders.flavour"),
        ("products.p2", "j = products.p1.i"),
        ("products.p3", "n = | | products.p2"),
        (
            "products.p4",
            "n = products.p3.n; g = sales.orders.amount | products.p3.n + sales.orders.id",
        ),
    ];
    world.declare(&[&PRODUCTS[..], &products[..]].concat(), "").await;
    for (name, _) in products {
        world.build(name).await;
    }
    let down =
        world.lineage("carol", "sales.orders", Some("flavour"), Direction::Down).await.unwrap();
    insta::assert_snapshot!(shown(&down), @r#"
    sales.orders@v1 ["flavour"] []
    products.daily@v1 ["area", "total"] []
    products.p1@v1 ["i"] []
    products.best@v1 ["best", "place"] []
    products.p2@v1 ["j"] []
    products.p3@v1 ["n"] []
    products.p4@v1 ["g", "n"] []
    products.daily@v1 <- sales.orders@v1
      rows <- flavour {Filter}
    products.p1@v1 <- sales.orders@v1
      rows <- flavour {Filter}
    products.best@v1 <- products.daily@v1
      best <- total {Identity}
      place <- area {Identity}
    products.p2@v1 <- products.p1@v1
      j <- i {Identity}
    products.p3@v1 <- products.p2@v1
    products.p4@v1 <- products.p3@v1
      n <- n {Identity}
      rows <- n {Filter}
    "#);
    let walked: BTreeSet<&DatasetName> =
        down.versions[1..].iter().map(|version| &version.record.dataset).collect();
    let impact = world.impact("carol", "sales.orders", Some("flavour")).await.unwrap();
    let noticed: BTreeSet<&DatasetName> =
        impact.products.iter().map(|found| &found.product).collect();
    assert_eq!(walked, noticed);
    let up = world.lineage("carol", "products.p3", Some("n"), Direction::Up).await.unwrap();
    insta::assert_snapshot!(shown(&up), @r#"
    products.p3@v1 ["n"] []
    products.p2@v1 [] []
    products.p1@v1 [] []
    sales.orders@v1 ["flavour"] ["orders.csv"]
    products.p3@v1 <- products.p2@v1
    products.p2@v1 <- products.p1@v1
    products.p1@v1 <- sales.orders@v1
      rows <- flavour {Filter}
    "#);
    let up = world.lineage("carol", "products.p4", Some("n"), Direction::Up).await.unwrap();
    insta::assert_snapshot!(shown(&up), @r#"
    products.p4@v1 ["n"] []
    products.p3@v1 ["n"] []
    sales.orders@v1 ["flavour", "id"] ["orders.csv"]
    products.p2@v1 [] []
    products.p1@v1 [] []
    products.p4@v1 <- products.p3@v1
      n <- n {Identity}
      rows <- n {Filter}
    products.p4@v1 <- sales.orders@v1
      rows <- id {Filter}
    products.p3@v1 <- products.p2@v1
    products.p2@v1 <- products.p1@v1
    products.p1@v1 <- sales.orders@v1
      rows <- flavour {Filter}
    "#);
    // P7: that leads nobody to what they may not know of.
    let up = world.lineage("alice", "products.p4", Some("n"), Direction::Up).await.unwrap();
    assert_eq!(up.versions.len(), 4, "{}", shown(&up));
    keeps_out(&shown(&up), &["sales", "orders", "flavour"]);
    let down =
        world.lineage("bob", "sales.orders", Some("flavour"), Direction::Down).await.unwrap();
    assert_eq!(down.versions.len(), 1, "{}", shown(&down));
    let down =
        world.lineage("rita", "sales.orders", Some("flavour"), Direction::Down).await.unwrap();
    keeps_out(&shown(&down), &["rate", "total"]);
}

/// Nobody knows which columns a program made of which: each may be of all, also by way of files.
#[tokio::test]
async fn what_a_program_made_is_followed() {
    let world = World::new().await;
    world.train().await;
    let up = world.lineage("carol", "products.scores", Some("score"), Direction::Up).await.unwrap();
    insta::assert_snapshot!(shown(&up), @r#"
    products.scores@v1 ["score"] ["s.csv"]
    products.model@v1 [] ["model.pkl"]
    sales.orders@v1 ["amount", "flavour", "id", "rate"] ["orders.csv"]
    products.scores@v1 <- products.model@v1
    products.model@v1 <- sales.orders@v1
    "#);
    let down = world.lineage("carol", "sales.orders", Some("rate"), Direction::Down).await.unwrap();
    insta::assert_snapshot!(shown(&down), @r#"
    sales.orders@v1 ["rate"] []
    products.daily@v1 ["total"] []
    products.model@v1 [] []
    products.best@v1 ["best"] []
    products.scores@v1 ["id", "score"] []
    products.daily@v1 <- sales.orders@v1
      total <- rate {Transformation}
    products.model@v1 <- sales.orders@v1
    products.best@v1 <- products.daily@v1
      best <- total {Identity}
    products.scores@v1 <- products.model@v1
    "#);
    insta::assert_snapshot!(world.products("carol", "sales.orders", Some("rate")).await, @"
    products.best +2 declared=true built=Some(1) [best] rows=false
    products.daily +1 declared=true built=Some(1) [total] rows=false
    products.model +1 declared=false built=Some(1) [] rows=false anything
    products.scores +2 declared=false built=Some(1) [] rows=true anything
    ");
    insta::assert_snapshot!(world.products("carol", "products.model", None).await, @"products.scores +1 declared=false built=Some(1) [] rows=false");
    let event = world.event("carol", "products.scores").await;
    assert!(event.contains("products.model"), "{event}");

    let told = world.test.lake.lineage_to_tell(0).await.unwrap().events;
    let of = |name: &str| {
        let found = told.iter().find(|(_, event)| event["outputs"][0]["name"] == name);
        let event = &found.unwrap().1;
        assert_eq!(lakebed_openlineage::check(event), Vec::new(), "{event}");
        let inputs = event["inputs"].as_array().unwrap().iter().map(|input| &input["name"]);
        format!("{} <- {:?}", event["job"]["name"], inputs.collect::<Vec<_>>())
    };
    insta::assert_snapshot!(of("products.model"), @r#""run:products.model" <- [String("sales.orders")]"#);
    insta::assert_snapshot!(of("products.scores"), @r#""run:products.scores" <- [String("products.model")]"#);
}

/// P7: whoever may not know of what a program read learns of it from nothing that came of it.
#[tokio::test]
async fn p7_what_a_program_read_is_not_named() {
    let world = World::new().await;
    let [run, _] = world.train().await;
    let (lake, alice) = (&world.test.lake, ctx("alice"));
    let keeps = |what: &str, text: String| {
        for hidden in ["sales", "orders", "amount", "rate", "flavour"] {
            assert!(!text.contains(hidden), "{what} tells of `{hidden}`: {text}");
        }
    };
    for column in [None, Some("score")] {
        let up = world.lineage("alice", "products.scores", column, Direction::Up).await.unwrap();
        assert_eq!(up.versions.len(), 2, "{}", shown(&up));
        keeps("lineage", shown(&up));
    }
    for name in ["products.model", "products.scores"] {
        keeps("openlineage", world.event("alice", name).await);
        keeps("impact", format!("{:?}", world.impact("alice", name, None).await.unwrap()));
    }
    keeps("runs", format!("{:?}", lake.runs(&alice, 10).await.unwrap()));
    let events = lake.events(&alice, 0, 1000).await.unwrap().events;
    let of_runs =
        events.iter().filter(|seen| matches!(seen.event.body, EventBody::RunCommitted(_)));
    keeps("events", format!("{:?}", of_runs.collect::<Vec<_>>()));
    assert_eq!(lake.run(&alice, &run).await.unwrap_err().code(), "not-found");
    let reference = "products.model".parse().unwrap();
    let resolved = async |who: &Ctx| {
        let found = lake.resolve(who, std::slice::from_ref(&reference), Detail::Full).await;
        found.unwrap().versions.remove(0)
    };
    keeps("resolve", format!("{:?}", resolved(&alice).await));
    let manifest = resolved(&ctx("carol")).await;
    let program = manifest.detail.unwrap().manifest.program.unwrap().id;
    for id in [manifest.version.version_id.object(), program] {
        assert!(lake.find_object(&ctx("carol"), id).await.is_ok());
        assert!(lake.find_object(&alice, id).await.is_err(), "a document names what it read");
    }
    // And the other way round: bob may not know of what was made.
    for column in [None, Some("rate")] {
        let down = world.lineage("bob", "sales.orders", column, Direction::Down).await.unwrap();
        assert_eq!(down.versions.len(), 1, "{}", shown(&down));
        assert_eq!(world.products("bob", "sales.orders", column).await, "");
    }
    // Dora knows that there are orders, and nothing of what is in them.
    let up = world.lineage("dora", "products.model", None, Direction::Up).await.unwrap();
    insta::assert_snapshot!(shown(&up), @r#"
    products.model@v1 [] ["model.pkl"]
    sales.orders@v1 (restricted) [] []
    products.model@v1 <- sales.orders@v1
    "#);
    let up = world.lineage("dora", "products.scores", Some("score"), Direction::Up).await.unwrap();
    insta::assert_snapshot!(shown(&up), @r#"
    products.scores@v1 ["score"] ["s.csv"]
    products.model@v1 [] ["model.pkl"]
    sales.orders@v1 (restricted) [] []
    products.scores@v1 <- products.model@v1
    products.model@v1 <- sales.orders@v1
    "#);
    // Rita is kept from a column, so nothing that may be made of it is hers.
    let column = world.lineage("rita", "products.scores", Some("score"), Direction::Up).await;
    assert!(column.is_err(), "{column:?}");
    let down =
        world.lineage("rita", "sales.orders", Some("amount"), Direction::Down).await.unwrap();
    keeps_out(&shown(&down), &["products.model", "products.scores"]);
}

#[track_caller]
fn keeps_out(text: &str, hidden: &[&str]) {
    assert!(hidden.iter().all(|hidden| !text.contains(hidden)), "{text}");
}

/// P7: whoever may not discover a dataset learns its name from none of these.
#[tokio::test]
async fn p7_what_may_not_be_discovered_is_not_named() {
    let world = World::new().await;
    world.lock("carol", "train", &["sales.orders", "products.daily"]).await.unwrap();
    world.test.lake.report(&world.test.ctx()).await.unwrap();
    let keeps = |what: &str, text: String| {
        for hidden in ["sales", "orders", "regions", "amount", "rate", "flavour"] {
            assert!(!text.contains(hidden), "{what} tells of `{hidden}`: {text}");
        }
    };
    for column in [None, Some("total"), Some("area")] {
        let up = world.lineage("alice", "products.daily", column, Direction::Up).await.unwrap();
        keeps("lineage", shown(&up));
        assert_eq!(up.versions.len(), 1);
    }
    let up = world.lineage("alice", "products.best", Some("best"), Direction::Up).await.unwrap();
    keeps("lineage", shown(&up));
    assert_eq!(up.versions.len(), 2);
    keeps("openlineage", world.event("alice", "products.daily").await);
    // A newer version of what is hidden makes nothing stale for them.
    world.orders("1,10,2,a\n2,20,3,b\n").await;
    keeps("report", format!("{:?}", world.test.lake.report(&ctx("alice")).await.unwrap()));
    let report = world.test.lake.report(&ctx("alice")).await.unwrap();
    assert!(!format!("{report:?}").contains("Stale"), "{report:?}");
    keeps("impact", format!("{:?}", world.impact("alice", "products.daily", None).await.unwrap()));
    for reference in ["sales.orders", "sales.nothing"] {
        let lineage = world.lineage("alice", reference, None, Direction::Down).await.unwrap_err();
        let impact = world.impact("alice", reference, Some("rate")).await.unwrap_err();
        assert_eq!(
            (lineage.to_string(), impact.to_string()),
            (
                format!("dataset `{reference}` does not exist"),
                format!("there is no dataset `{reference}`")
            )
        );
    }
}

/// P7: an event that somebody registered a lock names datasets to those alone who may know of all.
#[tokio::test]
async fn p7_locks_of_others_are_no_news() {
    let world = World::new().await;
    world.lock("carol", "train", &["sales.orders"]).await.unwrap();
    let sight = async |who: &str| {
        let seen = world.test.lake.events(&ctx(who), 0, 1000).await.unwrap();
        let of_lock = |seen: &&SeenEvent| matches!(seen.event.body, EventBody::LockRegistered(_));
        seen.events.iter().find(of_lock).map(|seen| seen.sight)
    };
    assert_eq!(sight("audrey").await, Some(Sight::Whole));
    assert_eq!(sight("adam").await, Some(Sight::Outline));
    for who in ["alice", "bob", "carol", "rita"] {
        assert_eq!(sight(who).await, None, "{who}");
    }
}

/// P7: nor from the objects in which it is written down, nor from what is told of a version.
#[tokio::test]
async fn p7_documents_of_what_was_computed_are_for_those_who_may_read_all_of_it() {
    let world = World::new().await;
    let lake = &world.test.lake;
    let reference = "products.daily".parse().unwrap();
    let resolved = async |who: &Ctx| {
        let found =
            lake.resolve(who, std::slice::from_ref(&reference), Detail::Full).await.unwrap();
        found.versions.into_iter().next().unwrap()
    };
    let (alice, carol) = (ctx("alice"), ctx("carol"));
    let found = resolved(&carol).await;
    let manifest = found.detail.unwrap().manifest;
    assert_eq!(manifest.inputs.len(), 2);
    let documents = [
        found.version.version_id.object(),
        manifest.derivation.unwrap().id,
        manifest.lineage.unwrap().id,
    ];
    for id in documents {
        assert!(lake.find_object(&carol, id).await.is_ok());
        let refused = lake.find_object(&alice, id).await;
        assert!(matches!(refused, Err(Error::NotFound { .. })), "{refused:?}");
    }
    let detail = resolved(&alice).await.detail.unwrap();
    assert_eq!(detail.manifest.inputs, []);
    for file in detail.tables {
        assert!(lake.find_object(&alice, file.object.id).await.is_ok(), "rows are theirs");
    }
}

/// P7: and so it is the other way round, for those who may not know of what was made.
#[tokio::test]
async fn p7_what_was_made_in_secret_is_not_named() {
    let world = World::new().await;
    for column in [None, Some("rate"), Some("flavour")] {
        let down = world.lineage("bob", "sales.orders", column, Direction::Down).await.unwrap();
        assert_eq!(down.versions.len(), 1, "{}", shown(&down));
        assert_eq!(world.products("bob", "sales.orders", column).await, "");
    }
}

/// P7: whoever knows that a dataset is there, and may not read it, learns which version and when: no
/// column, no digest, no original.
#[tokio::test]
async fn p7_of_what_may_be_discovered_only_the_outline_is_told() {
    let world = World::new().await;
    let up = world.lineage("dora", "products.daily", None, Direction::Up).await.unwrap();
    insta::assert_snapshot!(shown(&up), @r#"
    products.daily@v1 [] []
    sales.orders@v1 (restricted) [] []
    sales.regions@v1 (restricted) [] []
    products.daily@v1 <- sales.orders@v1
    products.daily@v1 <- sales.regions@v1
    "#);
    let up = world.lineage("dora", "products.daily", Some("total"), Direction::Up).await.unwrap();
    insta::assert_snapshot!(shown(&up), @r#"
    products.daily@v1 ["total"] []
    sales.orders@v1 (restricted) [] []
    sales.regions@v1 (restricted) [] []
    products.daily@v1 <- sales.orders@v1
    products.daily@v1 <- sales.regions@v1
    "#);
    let event = world.event("dora", "products.daily").await;
    assert!(event.contains("sales.orders") && !event.contains("amount"), "{event}");
    let id = world.version_id("sales.orders").await;
    assert!(!event.contains(&id), "{event}");
    // Versions of it are not walked from.
    assert!(world.lineage("dora", "sales.orders", None, Direction::Down).await.is_err());
}

/// P7: a column that a policy hides is not named, and asking for it is asking for one that is not there.
#[tokio::test]
async fn p7_hidden_columns_are_not_there() {
    let world = World::new().await;
    let up = world.lineage("rita", "products.best", None, Direction::Up).await.unwrap();
    insta::assert_snapshot!(shown(&up), @r#"
    products.best@v1 (restricted) [] []
    products.daily@v1 (restricted) [] []
    sales.orders@v1 (restricted) [] []
    sales.regions@v1 [] ["regions.csv"]
    products.best@v1 <- products.daily@v1
    products.daily@v1 <- sales.orders@v1
    products.daily@v1 <- sales.regions@v1
    "#);
    let down = world.lineage("rita", "sales.orders", Some("amount"), Direction::Down).await;
    // `total` is made of a hidden column, and so hidden itself.
    insta::assert_snapshot!(shown(&down.unwrap()), @r#"
    sales.orders@v1 (restricted) ["amount"] []
    "#);
    let area = world.lineage("rita", "products.best", Some("place"), Direction::Up).await.unwrap();
    insta::assert_snapshot!(shown(&area), @r#"
    products.best@v1 (restricted) ["place"] []
    products.daily@v1 (restricted) ["area"] []
    sales.orders@v1 (restricted) ["flavour"] []
    sales.regions@v1 ["area"] ["regions.csv"]
    products.best@v1 <- products.daily@v1
      place <- area {Identity}
    products.daily@v1 <- sales.orders@v1
      rows <- flavour {Filter}
    products.daily@v1 <- sales.regions@v1
      area <- area {Identity}
    "#);
    let event = world.event("rita", "products.daily").await;
    assert!(!event.contains("rate") && !event.contains("total"), "{event}");
    assert_eq!(world.products("rita", "sales.orders", Some("amount")).await, "");
    let report = format!("{:?}", world.test.lake.report(&ctx("rita")).await.unwrap());
    assert!(!report.contains("rate") && !report.contains("total"), "{report}");
    for (dataset, hidden) in [("sales.orders", "rate"), ("products.daily", "total")] {
        for direction in [Direction::Up, Direction::Down] {
            let told = async |column| {
                world
                    .lineage("rita", dataset, Some(column), direction)
                    .await
                    .unwrap_err()
                    .to_string()
            };
            assert_eq!(told(hidden).await.replace(hidden, "nope"), told("nope").await);
        }
        let told = async |column| {
            world.impact("rita", dataset, Some(column)).await.unwrap_err().to_string()
        };
        assert_eq!(told(hidden).await.replace(hidden, "nope"), told("nope").await);
    }
}

#[tokio::test]
async fn impact_names_who_would_notice() {
    let world = World::new().await;
    insta::assert_snapshot!(world.products("carol", "sales.orders", None).await, @r#"
    products.best +2 declared=true built=Some(1) [] rows=false
    products.daily +1 declared=true built=Some(1) [] rows=false
    "#);
    insta::assert_snapshot!(world.products("carol", "sales.orders", Some("rate")).await, @r#"
    products.best +2 declared=true built=Some(1) [best] rows=false
    products.daily +1 declared=true built=Some(1) [total] rows=false
    "#);
    insta::assert_snapshot!(world.products("carol", "sales.orders", Some("flavour")).await, @r#"
    products.best +2 declared=true built=Some(1) [best place] rows=true
    products.daily +1 declared=true built=Some(1) [] rows=true
    "#);
    insta::assert_snapshot!(world.products("carol", "sales.orders", Some("id")).await, @"");
    insta::assert_snapshot!(world.products("carol", "sales.regions", Some("area")).await, @r#"
    products.best +2 declared=true built=Some(1) [place] rows=false
    products.daily +1 declared=true built=Some(1) [area] rows=false
    "#);
    // What is declared and not built counts, and so does what was built and is declared no more.
    world.declare(&[PRODUCTS[1], ("products.new", "n = sales.regions.id")], "").await;
    insta::assert_snapshot!(world.products("carol", "sales.regions", None).await, @r#"
    products.best +2 declared=true built=Some(1) [] rows=false
    products.daily +1 declared=false built=Some(1) [] rows=false
    products.new +1 declared=true built=None [] rows=false
    "#);
    insta::assert_snapshot!(world.products("carol", "sales.regions", Some("id")).await, @r#"
    products.new +1 declared=true built=None [n] rows=false
    "#);
}

#[tokio::test]
async fn readers_are_told_to_auditors_alone() {
    let world = World::new().await;
    let request = QueryRequest { sql: "sales.orders".to_owned(), ..QueryRequest::default() };
    let answer = world.test.lake.query(&ctx("bob"), request).await.unwrap();
    let _: Vec<_> = answer.stream.batches.try_collect().await.unwrap();
    let readers = async |who: &str| world.impact(who, "sales.orders", None).await.unwrap().readers;
    assert_eq!(readers("carol").await, None);
    assert_eq!(readers("bob").await, None);
    let told = readers("audrey").await.unwrap();
    let told: Vec<_> = told.iter().map(|r| (r.principal.as_str(), r.reads)).collect();
    // Builds read, too.
    assert_eq!(told, [("bob", 1), ("carol", 1)]);
}

#[tokio::test]
async fn locks_are_registered_replaced_and_removed() {
    let world = World::new().await;
    assert!(world.lock("bob", "train", &["sales.orders"]).await.unwrap().is_some());
    assert_eq!(world.lock("bob", "train", &["sales.orders"]).await.unwrap(), None, "the same");
    assert!(world.lock("rita", "train", &["sales.regions"]).await.unwrap().is_some());
    insta::assert_snapshot!(world.locks("carol", "sales.orders").await, @"bob train [1]");
    insta::assert_snapshot!(world.locks("audrey", "sales.orders").await, @"bob train [1]");
    insta::assert_snapshot!(world.locks("bob", "sales.orders").await, @"bob train [1] and maybe others");
    insta::assert_snapshot!(world.locks("bob", "sales.regions").await, @" and maybe others");
    world.orders("1,10,2,a\n2,20,3,b\n").await;
    assert!(world.lock("bob", "train", &["sales.orders"]).await.unwrap().is_some());
    insta::assert_snapshot!(world.locks("carol", "sales.orders").await, @"bob train [2]");
    let lake = &world.test.lake;
    assert!(lake.remove_lock(&ctx("rita"), "other").await.unwrap().is_none());
    assert!(lake.remove_lock(&ctx("bob"), "train").await.unwrap().is_some());
    assert!(lake.remove_lock(&ctx("bob"), "train").await.unwrap().is_none());
    insta::assert_snapshot!(world.locks("carol", "sales.orders").await, @"");
    insta::assert_snapshot!(world.locks("carol", "sales.regions").await, @"rita train [1]");
    // Nobody counts on what they may not read, and nobody learns by it whether it is there.
    for who in ["alice", "rita"] {
        assert!(world.lock(who, "x", &["sales.orders"]).await.is_err(), "{who}");
    }
    for name in ["", "a b", "a/b", &"x".repeat(64)] {
        let refused = world.lock("carol", name, &["sales.orders"]).await;
        assert!(matches!(refused, Err(Error::Invalid { .. })), "{name}");
    }
    assert!(world.test.lake.register_lock(&ctx("carol"), "none", &[]).await.is_err());
}

/// Whoever breaks a promise is told who counts on it: the products they declare, and of locks and readers
/// what they may know.
#[tokio::test]
async fn a_broken_promise_names_who_counts_on_it() {
    let world = World::new().await;
    let contract = |columns: &str| {
        format!(
            r#","contracts":{{"products.daily":{{"id":"d","version":"1.0.0","status":"active",
            "object":"daily","columns":[{columns}]}}}}"#
        )
    };
    world.declare(&PRODUCTS, &contract(r#"{"name":"total"},{"name":"area"}"#)).await;
    let told = async |who: &Ctx| {
        let narrower = declared(&PRODUCTS, &contract(r#"{"name":"total"}"#));
        let error = world.test.lake.plan_catalog(who, &narrower).await.unwrap_err();
        assert_eq!(error.code(), "breaks-consumers");
        let told = error.to_string();
        told[told.find("made of it are").expect("who notices")..].to_owned()
    };
    world.lock("alice", "train", &["products.daily"]).await.unwrap();
    let query = QueryRequest { sql: "products.daily".to_owned(), ..QueryRequest::default() };
    drop(world.test.lake.query(&ctx("dora"), query).await.unwrap());
    insta::assert_snapshot!(told(&world.test.ctx()).await, @"made of it are `products.best`; locks that name it are `train` of `alice`; it was read in the last 90 days by `dora`, `carol`");
    // `adam` may declare things, and knows neither locks nor readers of others.
    insta::assert_snapshot!(told(&ctx("adam")).await, @"made of it are `products.best`");
    // What is registered no more is counted on by nobody.
    world.test.lake.remove_lock(&ctx("alice"), "train").await.unwrap();
    insta::assert_snapshot!(told(&world.test.ctx()).await, @"made of it are `products.best`; it was read in the last 90 days by `dora`, `carol`");
}

#[tokio::test]
async fn the_report_says_what_needs_somebody() {
    let world = World::new().await;
    let contract = r#","contracts":{"sales.regions":{"id":"r","version":"1.0.0","status":"active",
        "object":"regions","description":"Areas","owners":["carol"],"columns":[
        {"name":"id","description":"Which"},{"name":"area"}]}}"#;
    world.declare(&PRODUCTS, contract).await;
    let told = async |who: &str| {
        let report = world.test.lake.report(&ctx(who)).await.unwrap();
        let line = |found: &lakebed_service::ReportFinding| {
            format!("{} {}: {}", found.dataset, found.kind.as_str(), found.detail)
        };
        let lines: Vec<String> = report.findings.iter().map(line).collect();
        format!("{} {}\n{}", report.dataset_count, report.knows_reads, lines.join("\n"))
    };
    insta::assert_snapshot!(told("carol").await, @r#"
    4 false
    products.best undocumented: it has a purpose, but no contract that describes columns
    products.daily undocumented: it has a purpose, but no contract that describes columns
    sales.orders ownerless: no contract names an owner
    sales.orders undocumented: there is no contract
    sales.regions undocumented: the contract does not describe `area`
    "#);
    world.orders("1,10,2,a\n2,20,3,b\n").await;
    insta::assert_snapshot!(told("carol").await, @r#"
    4 false
    products.best undocumented: it has a purpose, but no contract that describes columns
    products.daily undocumented: it has a purpose, but no contract that describes columns
    products.daily stale: `sales.orders` is v2 by now
    sales.orders ownerless: no contract names an owner
    sales.orders undocumented: there is no contract
    sales.regions undocumented: the contract does not describe `area`
    "#);
    let owner = world.test.lake.report(&world.test.ctx()).await.unwrap();
    assert!(owner.knows_reads);
    let unread = owner.findings.iter().filter(|found| found.kind.as_str() == "unread");
    let unread: Vec<String> = unread.map(|found| found.dataset.to_string()).collect();
    // What builds read is read.
    assert_eq!(unread, ["products.best"]);
}

/// A product that follows its inputs is due when they move, once; and again when nothing came of it.
#[tokio::test]
async fn what_moved_is_due_until_something_comes_of_it() {
    let world = World::new().await;
    let (owner, lake) = (world.test.ctx(), &world.test.lake);
    let daily: DatasetName = "products.daily".parse().unwrap();
    let declare = async |change: &dyn Fn(&mut Product)| {
        let before = lake.declared_catalog(&owner).await.unwrap();
        let mut declared = before.declared;
        change(declared.products.get_mut(&daily).unwrap());
        let expected = before.declaration.map(|declaration| declaration.digest);
        let request = ApplyCatalog { declared, expected, without_admin: true };
        lake.apply_catalog(&owner, request).await.unwrap();
    };
    declare(&|product| product.refresh = Refresh::OnChange).await;
    let mut looked = Looked::default();
    let due = async |looked: &mut Looked| lake.due_builds(looked).await.unwrap();
    assert!(due(&mut looked).await.is_empty(), "it is what it would be");
    world.orders("1,10,2,a\n2,20,2,b\n").await;
    let [(by, build)] = due(&mut looked).await.try_into().unwrap();
    assert_eq!((by.actor(), &build.product), ("carol", &daily));
    assert!(due(&mut looked).await.is_empty(), "it was said");
    looked.forget(&daily);
    let [(again, _)] = due(&mut looked).await.try_into().unwrap();
    assert_eq!(again.idempotency_key, by.idempotency_key, "the same build");
    lake.build(&by, build, Arc::new(NoProgress)).await.unwrap();
    looked.forget(&daily);
    assert!(due(&mut looked).await.is_empty(), "it was built");
    // What was made before, and gave way to something else, is made again within the hour.
    let sql = lake.declared_catalog(&owner).await.unwrap().declared.products[&daily].sql.clone();
    for sql in [sql.replace(" + ", " + sales.orders.amount + "), sql] {
        declare(&|product| product.sql.clone_from(&sql)).await;
        let [(then, build)] = due(&mut looked).await.try_into().unwrap();
        assert_ne!(then.idempotency_key, by.idempotency_key);
        let outcome = lake.build(&then, build, Arc::new(NoProgress)).await.unwrap();
        assert_eq!(outcome.made.status, IngestStatus::Committed);
    }
    assert!(due(&mut looked).await.is_empty(), "it is what it was");
}

//! A product that is served live answers like one that is built, and tells no more.
//!
//! Asked of a real engine. `shop.fresh` is served live and `shop.built` is built, both by the same
//! statement: who asks the one or the other is told the same.

use std::{os::unix::fs::PermissionsExt as _, sync::Arc};

use axum::Router;
use futures::future::join_all;
use lakebed_core::{Declared, DecodeOptions, Identity, IngestMode, ObjectId};
use lakebed_query::{DataFusionEngine, EngineOptions};
use lakebed_server::{Access, AppState, Asks, Auth, router};
use lakebed_service::ApplyCatalog;
use lakebed_testkit::{TestBackend, TestLake, TestPlace};
use serde_json::{Value, json};

use crate::support::{Answer, call, is};

/// The product keeps the prices below 100: rows 4, 5 and 6 are in no answer. Rows 3 and 8 are not
/// of the EU.
const NOTES: &str = "\
id,region,price,note,tag
1,EU,10,17,1
2,EU,20,28,2
3,US,50,39,USONLY-three
4,EU,,HIDDEN-four,HIDDEN-tag
5,EU,100,HIDDEN-five,HIDDEN-tag
6,US,100,HIDDEN-six,HIDDEN-tag
7,EU,30,,7
8,,40,40,USONLY-eight
";

const SQL: &str = "SELECT id, region, price, note, tag FROM raw.notes WHERE price < 100";

/// Bob may not read what products are made of, nor hal, who may build them; dora may read a part of it.
const GRANTS: &str = r#"[
    {"to": "carol", "may": ["read", "ingest"], "on": "lake", "from_stage": "raw"},
    {"to": "alice", "may": ["read"], "on": "lake", "from_stage": "raw"},
    {"to": "bob", "may": ["read"], "on": {"namespace": "shop"}, "from_stage": "raw"},
    {"to": "dora", "may": ["read"], "on": "lake", "from_stage": "raw"},
    {"to": "gus", "may": ["discover"], "on": {"namespace": "shop"}, "from_stage": "raw"},
    {"to": "hal", "may": ["read", "ingest"], "on": {"namespace": "shop"}, "from_stage": "raw"},
    {"to": "ada", "may": ["audit"], "on": "lake", "from_stage": "raw"}]"#;

struct World {
    test: TestLake,
}

fn product(name: &str, served: &str, sql: &str) -> Value {
    json!({
        "owner": "carol",
        "purpose": "What is cheap",
        "sql": sql,
        "input_stage": "raw",
        "order_by": ["region", "id"],
        "served": served,
        "queries": { "of_region": {
            "purpose": "What one region has",
            "sql": format!("SELECT id, price FROM {name} WHERE region = $region ORDER BY id"),
            "parameters": { "region": { "type": "string", "required": true } },
        }},
    })
}

fn live(sql: &str) -> Value {
    json!({ "shop.fresh": product("shop.fresh", "live", sql) })
}

/// The same statement, served both ways.
fn both(sql: &str) -> Value {
    let mut products = live(sql);
    products["shop.built"] = product("shop.built", "materialized", sql);
    products
}

/// Dora sees rows of the EU, and of notes the last digit.
fn policies() -> Value {
    let (on, except) = (json!({ "dataset": "raw.notes" }), json!(["carol", "alice", "bob"]));
    json!([
        { "name": "eu", "on": on, "row_filter": "region = 'EU'", "except": except },
        { "name": "note", "on": on, "columns": ["note"], "mask": { "partial": { "keep_last": 1 } },
          "except": except },
    ])
}

impl World {
    async fn new(products: Value) -> Self {
        Self::in_place(TestPlace::new(), products).await
    }

    async fn in_place(place: TestPlace, products: Value) -> Self {
        let options =
            EngineOptions { target_partitions: 2.try_into().unwrap(), ..EngineOptions::default() };
        let engine = DataFusionEngine::new(options).unwrap();
        let world = Self { test: TestLake::in_place(place, Arc::new(engine)).await };
        world.ingest(NOTES).await;
        let codes = "region,label\nEU,Europe\nUS,America\n";
        world.test.ingest("shop.codes", "codes.csv", codes).await.unwrap();
        let is_built = products.get("shop.built").is_some();
        world.apply(products).await;
        if is_built {
            world.build("shop/built").await;
        }
        world
    }

    async fn ingest(&self, rows: &str) {
        let types = json!({ "types": {
            "id": "long", "region": "string", "price": "long", "note": "string", "tag": "string",
        }});
        let options: DecodeOptions = serde_json::from_value(types).unwrap();
        let mode = IngestMode::Replace;
        self.test.ingest_with("raw.notes", "notes.csv", rows, mode, options).await.unwrap();
    }

    async fn apply(&self, products: Value) {
        let grants: Value = serde_json::from_str(GRANTS).unwrap();
        let declared = json!({
            "format": 1, "grants": grants, "products": products, "policies": policies(),
            "stages": { "stages": [
                { "name": "raw" }, { "name": "validated", "gates": ["integrity"] },
            ]},
        });
        let declared: Declared = serde_json::from_value(declared).unwrap();
        let before = self.test.lake.declared_catalog(&self.test.ctx()).await.unwrap().declaration;
        let expected = before.map(|declaration| declaration.digest);
        let apply = ApplyCatalog { declared, expected, without_admin: true };
        self.test.lake.apply_catalog(&self.test.ctx(), apply).await.unwrap();
    }

    async fn build(&self, product: &str) {
        let path = format!("/v1/products/{product}/builds");
        self.post("carol", &path, json!({})).await.json();
    }

    fn door(&self, name: &str) -> Router {
        let unasked = Auth::new(Asks::Never, Vec::new()).unwrap();
        let identity = Identity::of(name.parse().unwrap());
        let state = AppState::new(self.test.lake.clone(), Access::Remote).with_identity(identity);
        router(state.with_auth(unasked))
    }

    async fn get(&self, name: &str, path: &str) -> Answer {
        call(&self.door(name), "GET", path, &[], "").await
    }

    async fn post(&self, name: &str, path: &str, body: Value) -> Answer {
        let headers = ["content-type: application/json"];
        call(&self.door(name), "POST", path, &headers, body.to_string()).await
    }

    /// An answer in CSV.
    async fn sql(&self, name: &str, sql: &str) -> Answer {
        let headers = ["content-type: text/plain", "accept: text/csv"];
        call(&self.door(name), "POST", "/v1/sql", &headers, sql.to_owned()).await
    }

    /// The lines of an answer, without its head.
    async fn lines(&self, name: &str, sql: &str) -> Vec<String> {
        let answer = self.sql(name, sql).await;
        assert_eq!(answer.status, 200, "{sql}: {}", answer.text());
        answer.text().lines().skip(1).map(str::to_owned).collect()
    }

    async fn files(&self, name: &str, reference: &str) -> Answer {
        self.post(name, "/v1/resolve", json!({ "refs": [reference], "files": true })).await
    }

    /// What happened to a dataset that is of this kind.
    async fn happened(&self, kind: &str, dataset: &str) -> Vec<Value> {
        let events = serde_json::to_value(self.test.events(0, 1000).await).unwrap();
        let events = events.as_array().unwrap().iter();
        let of_it = events.filter(|event| event["type"] == kind && event["dataset"] == dataset);
        of_it.cloned().collect()
    }

    async fn version_count(&self, dataset: &str) -> usize {
        self.happened("version_committed", dataset).await.len()
    }
}

/// What differs from version to version, and from lake to lake, is left out.
fn same(value: &mut Value) {
    const VARYING: [&str; 16] = [
        "as_of",
        "at",
        "committed_at",
        "content_id",
        "derivation",
        "elapsed_us",
        "ingest_key",
        "instance",
        "lake",
        "live",
        "seq",
        "served",
        "size_bytes",
        "snapshot",
        "statement_id",
        "version_id",
    ];
    match value {
        Value::Object(members) => {
            members.retain(|name, _| !VARYING.contains(&name.as_str()));
            // Rows of a version that is in no files are counted by whoever asks for them.
            if members.contains_key("quarantined_count") {
                members.remove("row_count");
            }
            members.values_mut().for_each(same);
        }
        Value::Array(parts) => parts.iter_mut().for_each(same),
        _ => {}
    }
}

fn told(answer: &Answer) -> (u16, Value) {
    let text = answer.text().replace("fresh", "built");
    let mut body = serde_json::from_str(&text).unwrap_or(Value::String(text));
    same(&mut body);
    // A cursor names its version.
    if let Some(Value::String(next)) = body.get_mut("next") {
        next.truncate(next.rfind('-').unwrap());
    }
    (answer.status.as_u16(), body)
}

/// Whoever asks for rows, queries, descriptions and links is told the same, and so are those who
/// see a part.
#[tokio::test(flavor = "multi_thread")]
async fn no_consumer_can_tell_how_a_product_is_served() {
    let world = World::new(both(SQL)).await;
    let paths = [
        "",
        "/rows",
        "/rows?price.ge=20&order=-price&select=id,price,note",
        "/rows?note.null=true",
        "/rows?tag.in=1,2&int64=string",
        "/rows?limit=2",
        "/rows?limit=2&version=1&order=-id",
        "/rows?nope=1",
        "/rows?price=cheap",
        "/rows?version=9",
        "/queries/of_region?region=EU",
        "/queries/of_region",
        "/openapi.json",
    ];
    let statements = [
        "SELECT p.id, c.label FROM shop.fresh AS p JOIN shop.codes AS c ON p.region = c.region \
         ORDER BY p.id",
        "SELECT region, sum(price) AS total FROM shop.fresh GROUP BY region ORDER BY region",
        "SELECT * FROM shop.\"fresh@v1\" ORDER BY id",
        "SELECT * FROM shop.fresh WHERE id = 99",
        "DESCRIBE shop.fresh",
        "SHOW COLUMNS FROM shop.fresh",
        "SELECT nope FROM shop.fresh",
    ];
    for who in ["carol", "alice", "bob", "dora", "gus", "stranger"] {
        for path in paths {
            let ask = async |product: &str| {
                told(&world.get(who, &format!("/v1/products/shop/{product}{path}")).await)
            };
            assert_eq!(ask("fresh").await, ask("built").await, "{who}: {path}");
        }
        for statement in statements {
            let ask = async |sql: &str| {
                let answer = world.post(who, "/v1/sql", json!({ "sql": sql })).await;
                told(&answer)
            };
            let built = ask(&statement.replace("fresh", "built")).await;
            assert_eq!(ask(statement).await, built, "{who}: {statement}");
        }
        let resolve = async |reference: &str| {
            told(&world.post(who, "/v1/resolve", json!({ "refs": [reference] })).await)
        };
        assert_eq!(resolve("shop.fresh").await, resolve("shop.built").await, "{who}");
    }
    let tables = world.lines("bob", "SHOW TABLES").await;
    assert!(["built", "fresh"].iter().all(|name| tables.iter().any(|line| line.contains(name))));
    // Pages too, to the end.
    for who in ["alice", "bob", "dora"] {
        let pages = async |product: &str| {
            let mut all = Vec::new();
            let mut next = Some(format!("/v1/products/shop/{product}/rows?limit=2&order=-price"));
            while let Some(path) = next {
                let page = world.get(who, &path).await.json();
                next = page["next"].as_str().map(str::to_owned);
                all.extend(page["rows"].as_array().unwrap().clone());
                assert!(all.len() <= 5, "it never ends");
            }
            all
        };
        let fresh = pages("fresh").await;
        assert_eq!(fresh.len(), if who == "dora" { 3 } else { 5 });
        assert_eq!(fresh, pages("built").await, "{who}");
    }
}

/// P5: what moves below is seen by the next reader, as another version; what was begun stays.
#[tokio::test(flavor = "multi_thread")]
async fn the_next_read_sees_what_moved() {
    let world = World::new(live(SQL)).await;
    let rows = "/v1/products/shop/fresh/rows?order=id";
    let first = world.get("bob", &format!("{rows}&limit=2")).await;
    // Whether it is stale is for those who may know what it is made of.
    assert_eq!((first.header("lakebed-version"), first.header("lakebed-stale")), ("1", ""));
    let first = first.json();
    let old = world.get("alice", rows).await;
    assert_eq!(old.header("lakebed-stale"), "false");
    let old = old.json()["rows"].clone();

    world.ingest(&NOTES.replace("1,EU,10,", "0,EU,5,").replace("7,EU,30,", "7,EU,300,")).await;
    assert_eq!(world.version_count("shop.fresh").await, 1, "nobody asked");
    let next = world.get("bob", first["next"].as_str().unwrap()).await;
    assert_eq!(next.header("lakebed-version"), "1");
    let ids: Vec<_> =
        next.json()["rows"].as_array().unwrap().iter().map(|r| r["id"].clone()).collect();
    assert_eq!(ids, [3, 7], "pages go on over what they began with");

    let second = world.get("bob", rows).await;
    assert_eq!(second.header("lakebed-version"), "2");
    let ids: Vec<_> =
        second.json()["rows"].as_array().unwrap().iter().map(|r| r["id"].clone()).collect();
    assert_eq!(ids, [0, 2, 3, 8]);
    let pinned = world.get("alice", &format!("{rows}&version=1")).await;
    assert_eq!(pinned.header("lakebed-version"), "1");
    assert_eq!(pinned.json()["rows"], old);
    let counts =
        "SELECT (SELECT count(*) FROM shop.fresh), (SELECT sum(id) FROM shop.\"fresh@v1\")";
    assert_eq!(world.lines("bob", counts).await, ["4,21"]);
    let product = world.get("bob", "/v1/products/shop/fresh").await.json();
    assert_eq!(product["newest"]["version"], 2);
}

/// However many ask, and however often: one version for what the references mean.
#[tokio::test(flavor = "multi_thread")]
async fn what_did_not_move_makes_no_version() {
    let world = World::new(live(SQL)).await;
    let doors: Vec<_> = ["alice", "bob", "dora", "carol"].map(|who| world.door(who)).into();
    for round in 1..=3 {
        if round > 1 {
            world.ingest(&NOTES.replace("2,EU,20", &format!("2,EU,2{round}"))).await;
        }
        let asked = (0..24).map(|place| {
            let door = &doors[place % doors.len()];
            async move {
                let answer = match place % 3 {
                    0 => call(door, "GET", "/v1/products/shop/fresh/rows", &[], "").await,
                    1 => {
                        let body = json!({ "sql": "SELECT count(*) FROM shop.fresh" }).to_string();
                        let headers = ["content-type: application/json"];
                        call(door, "POST", "/v1/sql", &headers, body).await
                    }
                    _ => call(door, "GET", "/v1/products/shop/fresh", &[], "").await,
                };
                assert_eq!(answer.status, 200, "{}", answer.text());
            }
        });
        join_all(asked).await;
        assert_eq!(world.version_count("shop.fresh").await, round);
        let answer = world.get("bob", "/v1/products/shop/fresh/rows").await;
        assert_eq!(answer.header("lakebed-version"), round.to_string());
    }
    // The same rows again are what they were.
    world.ingest(&NOTES.replace("2,EU,20", "2,EU,23")).await;
    world.get("bob", "/v1/products/shop/fresh/rows").await.json();
    assert_eq!(world.version_count("shop.fresh").await, 3);
}

/// Statements that fail, or answer otherwise, as soon as they meet a row that is not theirs.
const CURIOUS: [&str; 46] = [
    "SELECT * FROM shop.fresh ORDER BY id",
    "SELECT count(*) FROM shop.fresh",
    "SELECT count(note), count(DISTINCT tag) FROM shop.fresh",
    "SELECT min(price), max(price), sum(price), avg(price) FROM shop.fresh",
    "SELECT min(note), max(note), min(tag), max(tag) FROM shop.fresh",
    "SELECT approx_distinct(note), approx_median(price) FROM shop.fresh",
    "SELECT id, 10 / (price - 100) AS q FROM shop.fresh ORDER BY id",
    "SELECT id FROM shop.fresh WHERE 10 / (price - 100) > -1 ORDER BY id",
    "SELECT id FROM shop.fresh WHERE 10 / (price - 100) > 0",
    "SELECT id FROM shop.fresh WHERE price = 100 OR 10 / (price - 100) < 0 ORDER BY id",
    "SELECT id FROM shop.fresh WHERE price >= 100",
    "SELECT id FROM shop.fresh WHERE price IS NULL",
    "SELECT CAST(note AS BIGINT) AS n FROM shop.fresh ORDER BY n",
    "SELECT note::INT + 1 AS n FROM shop.fresh ORDER BY n",
    "SELECT CAST(tag AS INT) AS n FROM shop.fresh ORDER BY n",
    "SELECT TRY_CAST(note AS INT) AS n FROM shop.fresh ORDER BY n",
    "SELECT id FROM shop.fresh WHERE CAST(note AS INT) > 0 ORDER BY id",
    "SELECT id FROM shop.fresh WHERE CAST(tag AS INT) > 0 ORDER BY id",
    "SELECT id FROM shop.fresh WHERE price < 100 AND CAST(note AS INT) > 20 ORDER BY id",
    "SELECT id FROM shop.fresh WHERE note LIKE 'HIDDEN%'",
    "SELECT id FROM shop.fresh WHERE tag LIKE 'USONLY%' ORDER BY id",
    "SELECT id FROM shop.fresh WHERE note > 'A'",
    "SELECT id FROM shop.fresh WHERE id IN (4, 5, 6)",
    "SELECT id FROM shop.fresh WHERE 1 / (price - 50) > 0",
    "SELECT 10 / (price - 50) AS q FROM shop.fresh ORDER BY q",
    "SELECT sum(10 / (price - 100)) FROM shop.fresh",
    "SELECT max(CAST(note AS INT)) FROM shop.fresh",
    "SELECT region, count(*) FROM shop.fresh GROUP BY region ORDER BY region",
    "SELECT price, count(*) FROM shop.fresh GROUP BY price HAVING 1 / (price - 100) = 0 \
     ORDER BY price",
    "SELECT id, lag(note) OVER (ORDER BY id) AS b, lead(note) OVER (ORDER BY id) AS a \
     FROM shop.fresh ORDER BY id",
    "SELECT id, row_number() OVER (ORDER BY price DESC) AS n FROM shop.fresh ORDER BY id",
    "SELECT id, sum(10 / (price - 100)) OVER (ORDER BY id) AS n FROM shop.fresh ORDER BY id",
    "SELECT a.id, b.id AS other FROM shop.fresh AS a JOIN shop.fresh AS b ON a.price < b.price \
     ORDER BY 1, 2",
    "SELECT p.id, c.label FROM shop.codes AS c LEFT JOIN shop.fresh AS p ON p.region = c.region \
     AND 10 / (p.price - 100) < 1 ORDER BY 1, 2",
    "SELECT id FROM shop.fresh WHERE price = (SELECT max(price) FROM shop.fresh)",
    "SELECT id FROM shop.fresh AS p WHERE EXISTS (SELECT 1 FROM shop.codes AS c WHERE \
     c.region = p.region AND 10 / (p.price - 100) < 1) ORDER BY id",
    "SELECT (SELECT count(*) FROM shop.fresh WHERE 10 / (price - 100) > 0) AS n",
    "SELECT id FROM (SELECT id, 10 / (price - 100) AS q FROM shop.fresh) AS x WHERE q < 1 \
     ORDER BY id",
    "WITH x AS (SELECT CAST(note AS INT) AS n FROM shop.fresh) SELECT sum(n) FROM x",
    "SELECT id FROM shop.fresh ORDER BY 10 / (price - 100), id",
    "SELECT id FROM shop.fresh ORDER BY price DESC LIMIT 1",
    "SELECT id FROM shop.fresh ORDER BY id LIMIT 2 OFFSET 3",
    "SELECT count(*) FROM (SELECT 1 FROM shop.fresh LIMIT 100) AS x",
    "SELECT string_agg(note, ',' ORDER BY id) AS notes FROM shop.fresh",
    "SELECT id FROM shop.fresh UNION SELECT CAST(note AS BIGINT) FROM shop.fresh ORDER BY 1",
    "SELECT CASE WHEN price < 100 THEN id ELSE CAST(note AS BIGINT) END AS c FROM shop.fresh \
     ORDER BY c",
];

/// Asks of the product that is live, and of the one that is built.
async fn compare(world: &World, who: &str) {
    for sql in CURIOUS {
        let fresh = world.sql(who, sql).await;
        assert!(!fresh.text().contains("HIDDEN"), "{who}: {sql}: {}", fresh.text());
        let is_theirs = who != "dora" || !fresh.text().contains("USONLY");
        assert!(is_theirs, "{who}: {sql}: {}", fresh.text());
        let built = world.sql(who, &sql.replace("fresh", "built")).await;
        assert_eq!(told_of(&fresh), told_of(&built), "{who}: {sql}");
    }
}

/// P7: no statement over the product meets a row that the product does not have.
#[tokio::test(flavor = "multi_thread")]
async fn p7_what_a_live_product_drops_is_dropped_for_every_statement() {
    let world = World::new(both(SQL)).await;
    compare(&world, "bob").await;
    compare(&world, "dora").await;
}

/// P7: nor where the rows are dropped further down, by a product that bob may not know of.
#[tokio::test(flavor = "multi_thread")]
async fn p7_what_is_dropped_further_down_is_dropped() {
    let mut products = both(SQL);
    products["deep.cheap"] = product("deep.cheap", "live", SQL);
    let sql = "SELECT * FROM deep.cheap";
    products["shop.fresh"] = product("shop.fresh", "live", sql);
    let world = World::new(products).await;
    compare(&world, "bob").await;
    compare(&world, "dora").await;
}

/// Whoever may read all that it is made of is told what the product is, too, and not what it drops.
#[tokio::test(flavor = "multi_thread")]
async fn who_sees_all_is_told_what_a_build_would_tell() {
    let world = World::new(both(SQL)).await;
    let mut different = Vec::new();
    for sql in CURIOUS {
        let fresh = told_of(&world.sql("alice", sql).await);
        let built = told_of(&world.sql("alice", &sql.replace("fresh", "built")).await);
        if fresh != built {
            different.push(format!("{sql}: {fresh:?}, built {built:?}"));
        }
    }
    assert!(different.is_empty(), "{different:#?}");
}

/// The rows, or what went wrong and how that is said.
fn told_of(answer: &Answer) -> (u16, String) {
    if answer.status == 200 {
        return (200, answer.text().replace("fresh", "built"));
    }
    let problem = answer.problem();
    // Which of the bad values is met first hangs on the order of rows.
    let said =
        format!("{}: {}", problem.code, problem.detail.replace("USONLY-three", "USONLY-eight"));
    (problem.status, said.replace("fresh", "built"))
}

/// P7: a plan says nothing of what is below.
#[tokio::test(flavor = "multi_thread")]
async fn p7_plans_end_at_the_product() {
    let world = World::new(both(SQL)).await;
    for sql in [
        "EXPLAIN SELECT id FROM shop.fresh WHERE price > 10",
        "EXPLAIN SELECT count(*) FROM shop.fresh",
        "EXPLAIN SELECT id FROM shop.fresh WHERE 10 / (price - 100) > 0 LIMIT 1",
        "EXPLAIN SELECT note FROM shop.fresh ORDER BY price",
    ] {
        for who in ["bob", "dora"] {
            let fresh = world.sql(who, sql).await;
            assert_eq!(fresh.status, 200, "{sql}: {}", fresh.text());
            for word in ["raw", "notes", "HIDDEN", "< Int64(100)", "_rows"] {
                assert!(!fresh.text().contains(word), "{who}: {sql}: {}", fresh.text());
            }
        }
        let fresh = world.sql("dora", sql).await;
        let built = world.sql("dora", &sql.replace("fresh", "built")).await;
        assert_eq!(told_of(&fresh), told_of(&built), "{sql}");
    }
}

/// P7: how much memory a statement takes is told by what its reader may see.
#[tokio::test(flavor = "multi_thread")]
async fn p7_rows_that_are_dropped_take_no_memory_of_the_reader() {
    let few = World::new(live(SQL)).await;
    let many = World::new(live(SQL)).await;
    let mut rows = NOTES.to_owned();
    for id in 100..30_100 {
        rows += &format!("{id},EU,100,HIDDEN-{id:040},HIDDEN-tag\n");
    }
    many.ingest(&rows).await;
    // Far from what a join of so few rows takes: near it, how its parts take turns decides.
    for memory_bytes in [1_000, 4_000, 100_000, 1_000_000, 20_000_000] {
        for sql in [
            "SELECT id, note FROM shop.fresh ORDER BY note DESC, id",
            "SELECT note, count(*) FROM shop.fresh GROUP BY note ORDER BY note",
            "SELECT a.id FROM shop.fresh AS a JOIN shop.fresh AS b ON a.note = b.note ORDER BY 1",
            "SELECT array_agg(note ORDER BY id) AS notes FROM shop.fresh",
        ] {
            let body = json!({ "sql": sql, "limits": { "memory_bytes": memory_bytes } });
            let mut answers = Vec::new();
            for world in [&few, &many] {
                let answer = world.post("bob", "/v1/sql", body.clone()).await;
                assert!(!answer.text().contains("HIDDEN"), "{}", answer.text());
                let mut value: Value = serde_json::from_slice(&answer.body).unwrap();
                same(&mut value);
                for member in ["resolved", "elapsed_ms"] {
                    value.as_object_mut().unwrap().remove(member);
                }
                answers.push((answer.status, value));
            }
            assert_eq!(answers[0], answers[1], "{sql} within {memory_bytes} bytes");
        }
    }
}

/// P7: why a live product cannot be computed is for those who may read what it is made of.
#[tokio::test(flavor = "multi_thread")]
async fn p7_a_failure_below_says_nothing_of_values() {
    for (sql, word) in [
        ("SELECT id, region, CAST(note AS BIGINT) AS n FROM raw.notes", "HIDDEN"),
        ("SELECT id, region, 10 / (price - 100) AS n FROM raw.notes", "division"),
    ] {
        let world = World::new(live(sql)).await;
        for asked in ["SELECT * FROM shop.fresh", "SELECT sum(n) FROM shop.fresh WHERE id < 3"] {
            let bob = world.sql("bob", asked).await;
            assert!(!bob.status.is_success(), "{asked}");
            assert!(
                !bob.text().contains("HIDDEN") && !bob.text().contains("division"),
                "{}",
                bob.text()
            );
            assert!(!bob.text().contains("raw"), "{}", bob.text());
        }
        let everything = "SELECT * FROM shop.fresh";
        for who in ["alice", "carol"] {
            let answer = world.sql(who, everything).await;
            assert!(!answer.status.is_success());
            assert!(answer.text().contains(word), "{who}: {}", answer.text());
        }
        // The same of whoever wants files.
        let bob = world.files("bob", "shop.fresh").await;
        assert_eq!(bob.code(), is(409, "live-failed"));
        assert!(
            !bob.text().contains("HIDDEN") && !bob.text().contains("division"),
            "{}",
            bob.text()
        );
        let alice = world.files("alice", "shop.fresh").await;
        assert_eq!(alice.code(), is(409, "live-failed"));
        assert!(alice.text().contains(word), "{}", alice.text());
        let rows = world.get("bob", "/v1/products/shop/fresh/rows").await;
        assert!(!rows.status.is_success() && !rows.text().contains("HIDDEN"), "{}", rows.text());
    }
}

/// P7: what is wrong below is for whoever may read all of it, by every door; to build takes no sight.
#[tokio::test(flavor = "multi_thread")]
async fn p7_why_it_fails_is_for_those_who_may_read_below() {
    let mut products = live("SELECT nope FROM raw.notes");
    products["shop.above"] =
        product("shop.above", "materialized", "SELECT id, region FROM shop.fresh");
    let world = World::new(products).await;
    let told = async |who: &str| {
        let refs = json!({ "refs": ["shop.fresh"] });
        let input = json!({ "ref": "shop.fresh" });
        let promotion = json!({ "refs": ["shop.fresh"], "to": "validated", "dry_run": true });
        let sides = json!({ "from": "shop.fresh", "to": "shop.fresh" });
        [
            world.sql(who, "SELECT * FROM shop.fresh").await,
            world.get(who, "/v1/products/shop/fresh/rows").await,
            world.get(who, "/v1/products/shop/fresh/openapi.json").await,
            world.get(who, "/v1/versions?ref=shop.fresh").await,
            world.get(who, "/v1/profiles?ref=shop.fresh").await,
            world.post(who, "/v1/resolve", refs).await,
            world.post(who, "/v1/diffs", sides).await,
            world.post(who, "/v1/promotions", promotion).await,
            world.post(who, "/v1/contract-checks", input.clone()).await,
            world.post(who, "/v1/runs", json!({ "inputs": [input] })).await,
            world.post(who, "/v1/products/shop/fresh/builds", json!({})).await,
            world.post(who, "/v1/products/shop/above/builds", json!({})).await,
        ]
    };
    for (place, answer) in told("hal").await.iter().enumerate() {
        let text = answer.text();
        assert!(!answer.status.is_success(), "{place}: {text}");
        for word in ["raw", "nope", "region", "price", "note", "carol"] {
            assert!(!text.contains(word), "{place}: {text}");
        }
    }
    let carol = told("carol").await;
    let knows = carol.iter().filter(|answer| answer.text().contains("`nope`")).count();
    let texts: Vec<_> = carol.iter().map(Answer::text).collect();
    assert!(knows >= 9, "{texts:?}");
    assert!(texts[11].contains("`shop.fresh`"), "whose statement it is: {}", texts[11]);
}

/// Columns that share a name are told apart as in a product that was built.
#[tokio::test(flavor = "multi_thread")]
async fn columns_of_one_name_are_those_of_a_build() {
    let sql =
        "SELECT x.region, x.id, y.id, x.price FROM raw.notes x JOIN raw.notes y ON y.id = x.id + 1";
    let world = World::new(both(sql)).await;
    for asked in ["DESCRIBE {}", "SELECT * FROM {} ORDER BY id", "SELECT id FROM {} WHERE id_2 = 3"]
    {
        let of = async |name: &str| world.lines("alice", &asked.replace("{}", name)).await;
        assert_eq!(of("shop.fresh").await, of("shop.built").await, "{asked}");
    }
    assert_eq!(world.lines("bob", "SELECT id, id_2 FROM shop.fresh WHERE id = 2").await, ["2,3"]);
}

/// P7: policies on what it is made of hold for its readers, or nothing of it is theirs.
#[tokio::test(flavor = "multi_thread")]
async fn p7_policies_below_hold_above() {
    let world = World::new(live(SQL)).await;
    let all = "SELECT id, region, note FROM shop.fresh ORDER BY id";
    assert_eq!(world.lines("dora", all).await, ["1,EU,***7", "2,EU,***8", "7,EU,"]);
    assert_eq!(world.lines("alice", all).await.len(), 5);
    assert_eq!(world.lines("bob", all).await.len(), 5);
    let found = world.get("dora", "/v1/products/shop/fresh/rows?note=17").await.json();
    assert_eq!(found["row_count"], 0, "by what is seen");

    // Masks follow a column under another name.
    let renamed = "SELECT id, region, note AS remark FROM raw.notes WHERE price < 100";
    world.apply(live(renamed)).await;
    let all = "SELECT id, remark FROM shop.fresh ORDER BY id";
    assert_eq!(world.lines("dora", all).await, ["1,***7", "2,***8", "7,"]);
    assert_eq!(world.lines("bob", all).await[0], "1,17");

    // Without the region nobody can say which rows are theirs.
    for sql in [
        "SELECT id, price FROM raw.notes WHERE price < 100",
        "SELECT max(id) AS id FROM raw.notes WHERE price < 100",
    ] {
        let mut products = live(sql);
        products["shop.fresh"]["order_by"] = json!(["id"]);
        let world = World::new(products).await;
        let all = world.sql("dora", "SELECT * FROM shop.fresh").await;
        assert_eq!(all.code(), is(403, "forbidden"), "{}", all.text());
        let rows = world.get("dora", "/v1/products/shop/fresh/rows").await;
        assert_eq!(rows.code(), is(403, "forbidden"), "{}", rows.text());
        assert!(!world.lines("bob", "SELECT * FROM shop.fresh").await.is_empty());
    }
}

/// P7: a column that was put beside a masked one, or that an order by it made, says what the mask keeps.
#[tokio::test(flavor = "multi_thread")]
async fn p7_what_tells_of_a_masked_column_is_hidden() {
    for made_by in [
        "g.value AS price FROM raw.notes n JOIN generate_series(1, 100) g ON CAST(g.value AS VARCHAR) = n.note",
        "g.value AS price FROM raw.notes n, generate_series(1, 100) g WHERE CAST(g.value AS VARCHAR) = n.note",
        "rank() OVER (PARTITION BY n.region ORDER BY n.note) AS price FROM raw.notes n",
        "count(*) OVER (PARTITION BY n.region, n.note) AS price FROM raw.notes n",
    ] {
        let sql = format!("SELECT n.id, n.region, {made_by}");
        let world = World::new(both(&sql)).await;
        for product in ["shop.fresh", "shop.built"] {
            let all = format!("SELECT * FROM {product}");
            let columns = async |who: &str| {
                let answer = world.sql(who, &all).await;
                answer.text().lines().next().unwrap_or_default().to_owned()
            };
            assert_eq!(columns("alice").await, "id,region,price", "{sql}");
            assert_eq!(columns("dora").await, "id,region", "{sql}");
            let by_it =
                world.sql("dora", &format!("SELECT id FROM {product} WHERE price = 17")).await;
            assert_eq!(by_it.status, 400, "{sql}: {}", by_it.text());
        }
    }
}

/// That a live product cannot be computed is no fault of whoever asks: what is on record stays described,
/// and no word that they never wrote is mended.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_computed_now_is_a_conflict() {
    let world = World::new(live("SELECT id, region, price FROM raw.notes")).await;
    let [rows, document, query] = ["rows", "openapi.json", "queries/of_region?region=EU"]
        .map(|below| format!("/v1/products/shop/fresh/{below}"));
    for path in [&rows, &document, &query] {
        assert_eq!(world.get("alice", path).await.status, 200, "{path}");
    }
    let before = world.get("bob", &document).await.json();
    world.apply(live("SELECT id, region, prize AS price FROM raw.notes")).await;
    for who in ["alice", "bob"] {
        for path in [&rows, &query] {
            let answer = world.get(who, path).await;
            assert_eq!(answer.code(), is(409, "live-failed"), "{who}: {path}");
            let problem = answer.problem();
            assert_eq!(problem.title, "not as things stand");
            let hint = problem.hint.unwrap_or_default();
            assert!(!hint.contains("did you mean") && !hint.contains("price"), "{who}: {hint}");
            assert_eq!(
                problem.detail.contains("prize"),
                who == "alice",
                "{who}: {}",
                problem.detail
            );
        }
        let pinned = world.get(who, &format!("{rows}?version=1")).await;
        assert_eq!(pinned.status, 200, "{who}: {}", pinned.text());
    }
    assert_eq!(world.get("bob", &document).await.json(), before);
}

/// Whoever may not read it moves nothing by asking.
#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_read_it_makes_no_version() {
    let world = World::new(both(SQL)).await;
    world.ingest(&NOTES.replace("1,EU,10", "1,EU,11")).await;
    let versions = world.version_count("shop.fresh").await;
    for (who, code) in [("gus", is(403, "forbidden")), ("stranger", is(404, "not-found"))] {
        for product in ["fresh", "built"] {
            let rows = world.get(who, &format!("/v1/products/shop/{product}/rows")).await;
            assert_eq!(rows.code(), code, "{who}: {product}");
            let sql = world.sql(who, &format!("SELECT * FROM shop.{product}")).await;
            assert_eq!(sql.code(), code, "{who}: {product}");
            let files = world.files(who, &format!("shop.{product}")).await;
            assert_eq!(files.code(), code, "{who}: {product}");
            let at = format!("/v1/products/shop/{product}");
            let itself = world.get(who, &at).await;
            assert_eq!(itself.status == 200, who == "gus", "{who}: {product}");
        }
    }
    assert_eq!(world.version_count("shop.fresh").await, versions);
    world.lines("bob", "SELECT count(*) FROM shop.fresh").await;
    assert_eq!(world.version_count("shop.fresh").await, versions + 1);
}

/// P12: a read is on record with the version that it saw, and can be answered again.
#[tokio::test(flavor = "multi_thread")]
async fn p12_what_was_read_live_is_answered_again() {
    let world = World::new(live(SQL)).await;
    let asked = "SELECT id, price, note FROM shop.fresh WHERE price > 10 ORDER BY id";
    let mut statements = Vec::new();
    for who in ["alice", "bob", "dora"] {
        let answer = world.sql(who, asked).await;
        assert_eq!(answer.status, 200);
        statements.push((who, answer.header("lakebed-statement-id").to_owned()));
    }
    world.ingest(&NOTES.replace("2,EU,20", "2,EU,21").replace("7,EU,30", "9,EU,31")).await;
    assert_eq!(world.lines("alice", asked).await[0], "2,21,28");
    for (who, id) in statements {
        let receipt = world.get(who, &format!("/v1/receipts/{id}")).await.json();
        let version = &receipt["versions"][0];
        assert_eq!((&version["dataset"], &version["version"]), (&json!("shop.fresh"), &json!(1)));
        let replay =
            world.post("ada", &format!("/v1/receipts/{id}/replay"), json!({})).await.json();
        assert_eq!(replay["verdict"], "equal", "{who}: {replay}");
    }
}

/// P3: files are those of a build, written once, and what was computed is what they hold.
#[tokio::test(flavor = "multi_thread")]
async fn p3_files_of_a_live_version_are_written_once() {
    let world = World::new(both(SQL)).await;
    let all = "SELECT * FROM shop.fresh ORDER BY id";
    let computed = world.lines("alice", all).await;
    let files = world.files("alice", "shop.fresh").await.json();
    let links = files["versions"][0]["files"].as_array().unwrap();
    let mut rows = 0;
    for link in links {
        // A bucket has addresses of its own.
        let path = format!("/v1/objects/{}", link["object"].as_str().unwrap());
        let bytes = world.get("alice", &path).await;
        assert_eq!(bytes.status, 200);
        assert_eq!(link["object"], ObjectId::of(&bytes.body).to_string());
        assert_eq!(link["size_bytes"], bytes.body.len());
        use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
        let read = ParquetRecordBatchReaderBuilder::try_new(bytes.body).unwrap().build().unwrap();
        rows += read.map(|batch| batch.unwrap().num_rows()).sum::<usize>();
    }
    assert_eq!(rows, computed.len());
    assert_eq!(files["versions"][0]["row_count"], rows);
    let built = world.files("alice", "shop.built").await.json();
    let objects = |answer: &Value| -> Vec<Value> {
        let links = answer["versions"][0]["files"].as_array().unwrap().iter();
        links.map(|link| link["object"].clone()).collect()
    };
    assert_eq!(objects(&files), objects(&built), "what a build writes");

    // From now on they are read.
    assert_eq!(world.lines("alice", all).await, computed);
    assert_eq!(world.lines("bob", all).await, computed);
    let again = world.files("carol", "shop.fresh").await.json();
    assert_eq!(objects(&again), objects(&files));
    assert_eq!(world.happened("version_materialised", "shop.fresh").await.len(), 1);
    assert_eq!(world.version_count("shop.fresh").await, 1);
    assert_eq!(world.files("dora", "shop.fresh").await.code(), is(403, "forbidden"));
    let object = objects(&files)[0].as_str().unwrap().to_owned();
    let bytes = world.get("dora", &format!("/v1/objects/{object}")).await;
    assert!(!bytes.status.is_success());

    // The next version has files of its own, however many want them at once.
    world.ingest(&NOTES.replace("1,EU,10", "1,EU,11")).await;
    let wanted = (0..8).map(|_| world.files("alice", "shop.fresh"));
    let wanted: Vec<_> =
        join_all(wanted).await.iter().map(|answer| objects(&answer.json())).collect();
    assert!(wanted.iter().all(|found| *found == wanted[0] && *found != objects(&files)));
    assert_eq!(world.happened("version_materialised", "shop.fresh").await.len(), 2);
}

/// Live products are made of live products: what moves at the bottom is seen at the top.
#[tokio::test(flavor = "multi_thread")]
async fn a_live_product_over_another_leads_to_the_original() {
    let mut products = live(SQL);
    let sql = "SELECT id, region, price * 2 AS twice FROM shop.fresh";
    products["shop.top"] = product("shop.top", "live", sql);
    let world = World::new(products).await;
    let total = "SELECT sum(twice) FROM shop.top";
    assert_eq!(world.lines("bob", total).await, ["300"]);
    assert_eq!(world.lines("dora", total).await, ["120"]);
    let lineage = world.get("alice", "/v1/datasets/shop/top/lineage?column=twice").await.json();
    let versions = lineage["versions"].as_array().unwrap();
    let names: Vec<_> = versions.iter().map(|version| &version["dataset"]).collect();
    assert_eq!(names, ["shop.top", "shop.fresh", "raw.notes"]);
    assert_eq!(versions[2]["columns"], json!(["price"]));
    let original = &versions[2]["originals"][0];
    assert_eq!(original["name"], "notes.csv");
    let at = format!("/v1/objects/{}", original["object"].as_str().unwrap());
    assert_eq!(world.get("alice", &at).await.text(), NOTES);

    world.ingest(&NOTES.replace("1,EU,10", "1,EU,15")).await;
    assert_eq!(world.lines("bob", total).await, ["310"]);
    assert_eq!(world.lines("bob", "SELECT sum(twice) FROM shop.\"top@v1\"").await, ["300"]);
    let counts = (world.version_count("shop.top").await, world.version_count("shop.fresh").await);
    assert_eq!(counts, (2, 2));
}

/// A live version comes to a stage like every other, and stays there when its inputs move.
#[tokio::test(flavor = "multi_thread")]
async fn a_promoted_live_version_stays() {
    let world = World::new(live(SQL)).await;
    let promote = json!({ "refs": ["shop.fresh"], "to": "validated" });
    let moved = world.post("carol", "/v1/promotions", promote).await.json();
    assert!(moved["event"].is_u64(), "{moved}");
    world.ingest(&NOTES.replace("1,EU,10", "1,EU,15")).await;
    let total = |name: &str| format!("SELECT sum(price) FROM shop.{name}");
    assert_eq!(world.lines("bob", &total("fresh")).await, ["155"]);
    assert_eq!(world.lines("bob", &total("\"fresh@validated\"")).await, ["150"]);
    let at = world.get("bob", "/v1/products/shop/fresh/rows?at=validated").await;
    assert_eq!(at.header("lakebed-version"), "1");
    let promoted = world.get("alice", "/v1/versions?ref=shop.fresh@validated").await.json();
    assert_eq!(promoted["version"]["version"], 1, "{promoted}");
    assert_eq!(promoted["version"]["row_count"], 5, "a gate looked at its files");
}

/// Rows that another look would find otherwise are no version.
#[tokio::test(flavor = "multi_thread")]
async fn what_tells_time_or_chance_is_not_live() {
    for (sql, word) in [
        ("SELECT id, region, now() AS seen FROM raw.notes", "`now`"),
        ("SELECT id, region, random() AS luck FROM raw.notes", "`random`"),
    ] {
        let world = World::new(live(sql)).await;
        assert_eq!(world.version_count("shop.fresh").await, 0);
        for asked in ["SELECT * FROM shop.fresh", "DESCRIBE shop.fresh"] {
            for who in ["carol", "alice"] {
                let refused = world.sql(who, asked).await;
                assert_eq!(refused.code(), is(409, "live-failed"), "{who}");
                assert!(refused.text().contains(word), "{who}: {}", refused.text());
            }
            let bob = world.sql("bob", asked).await;
            assert_eq!(bob.code(), is(409, "live-failed"));
            assert!(!bob.text().contains(word) && !bob.text().contains("raw"), "{}", bob.text());
        }
        // Before the first build there is nothing, either.
        for who in ["gus", "stranger"] {
            let refused = world.sql(who, "SELECT * FROM shop.fresh").await;
            assert_eq!(refused.code(), is(404, "not-found"), "{who}");
        }
        let product = world.get("bob", "/v1/products/shop/fresh").await.json();
        assert!(product.get("newest").is_none(), "{product}");
        assert_eq!(world.version_count("shop.fresh").await, 0);
    }
}

/// The same product, served one way and then the other: nobody asks otherwise, nothing is lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_product_changes_how_it_is_served() {
    let served = |served: &str| json!({ "shop.fresh": product("shop.fresh", served, SQL) });
    let world = World::new(served("materialized")).await;
    world.build("shop/fresh").await;
    let rows = "/v1/products/shop/fresh/rows?order=id";
    let ask = async |path: &str| told(&world.get("bob", path).await);
    let first = ask(rows).await;
    world.apply(served("live")).await;
    assert_eq!(ask(rows).await, first, "what was built is as good");
    assert_eq!(world.version_count("shop.fresh").await, 1);
    world.ingest(&NOTES.replace("1,EU,10", "1,EU,11")).await;
    let second = ask(rows).await;
    assert_eq!(
        (&second.1["resolved"]["version"], &second.1["rows"][0]["price"]),
        (&2.into(), &11.into())
    );
    world.apply(served("materialized")).await;
    assert_eq!(ask(rows).await, second, "it is served as it was made");
    world.build("shop/fresh").await;
    let built = ask(rows).await;
    assert_eq!(built.1["rows"], second.1["rows"]);
    for number in 1..=world.version_count("shop.fresh").await {
        let answer = ask(&format!("{rows}&version={number}")).await;
        assert_eq!(answer.1["rows"][0]["price"], if number == 1 { 10 } else { 11 }, "{answer:?}");
    }
}

/// Whoever asks first after something moved is told of the new version, whatever they ask.
#[tokio::test(flavor = "multi_thread")]
async fn a_bare_name_means_the_same_everywhere() {
    let world = World::new(live(SQL)).await;
    let asked = [
        "/v1/products/shop/fresh/rows",
        "/v1/products/shop/fresh",
        "/v1/products/shop/fresh/openapi.json",
        "/v1/products/shop/fresh/queries/of_region?region=EU",
        "/v1/versions?ref=shop.fresh",
        "/v1/profiles?ref=shop.fresh",
        "/v1/datasets/shop/fresh/lineage",
    ];
    let mut older = Vec::new();
    for (place, path) in asked.iter().enumerate() {
        world.ingest(&NOTES.replace("1,EU,10", &format!("1,EU,{}", 11 + place))).await;
        let versions = world.version_count("shop.fresh").await;
        let answer = world.get("alice", path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        if world.version_count("shop.fresh").await != versions + 1 {
            older.push(path);
        }
    }
    assert!(older.is_empty(), "asked first, they tell of an older version: {older:?}");
}

/// A product that is built of one that is live is stale as soon as what is below it moves.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_built_of_a_live_product_is_stale_when_it_moves() {
    let mut products = live(SQL);
    let sql = "SELECT id, region, price FROM shop.fresh";
    products["shop.built"] = product("shop.built", "materialized", sql);
    let world = World::new(products).await;
    let rows = "/v1/products/shop/built/rows";
    assert_eq!(world.get("alice", rows).await.header("lakebed-stale"), "false");
    world.ingest(&NOTES.replace("1,EU,10", "1,EU,11")).await;
    assert_eq!(world.get("alice", rows).await.header("lakebed-stale"), "true");
    world.build("shop/built").await;
    let built = world.get("alice", rows).await;
    assert_eq!(built.header("lakebed-stale"), "false");
    assert!(built.json()["rows"].as_array().unwrap().iter().any(|row| row["price"] == 11));
}

/// P7: profiles and diffs are of the product's rows, events tell nothing of how many they are.
#[tokio::test(flavor = "multi_thread")]
async fn p7_figures_are_those_of_what_a_reader_sees() {
    let world = World::new(both(SQL)).await;
    world.ingest(&NOTES.replace("1,EU,10", "1,EU,11")).await;
    world.build("shop/built").await;
    let profile = async |who: &str, product: &str| {
        told(&world.get(who, &format!("/v1/profiles?ref=shop.{product}")).await)
    };
    let diff = async |who: &str, product: &str| {
        let (from, to) = (format!("shop.{product}@v1"), format!("shop.{product}"));
        told(&world.post(who, "/v1/diffs", json!({ "from": from, "to": to, "key": ["id"] })).await)
    };
    for who in ["alice", "bob", "dora", "gus", "stranger"] {
        for ask in 0..2 {
            let (fresh, built) = match ask {
                0 => (profile(who, "fresh").await, profile(who, "built").await),
                _ => (diff(who, "fresh").await, diff(who, "built").await),
            };
            assert!(!fresh.1.to_string().contains("HIDDEN"), "{who}: {}", fresh.1);
            let (mut fresh, mut built) = (fresh, built);
            for side in [&mut fresh.1, &mut built.1] {
                side.as_object_mut()
                    .unwrap()
                    .retain(|name, _| !["is_stored", "links"].contains(&&**name));
            }
            assert_eq!(fresh, built, "{who}");
        }
    }
    world.files("alice", "shop.fresh").await.json();
    assert!(!world.happened("version_materialised", "shop.fresh").await.is_empty());
    for who in ["dora", "gus"] {
        let events = world.get(who, "/v1/events?limit=1000").await.json();
        let events = events["events"].as_array().unwrap().iter();
        for event in events.filter(|event| event["type"] == "version_materialised") {
            for member in ["row_count", "size_bytes", "objects", "object", "tables", "shared"] {
                assert!(!event.to_string().contains(member), "{who}: {event}");
            }
        }
        let version = world.get(who, "/v1/versions?ref=shop.fresh").await;
        assert!(!version.text().contains("row_count"), "{who}: {}", version.text());
    }
    let verified =
        world.post("alice", "/v1/verifications", json!({ "refs": ["shop.fresh"] })).await;
    assert_eq!(verified.json()["findings"], json!([]), "{}", verified.text());
}

/// A product is as good as its owner's rights: what they may not read any more makes no version.
#[tokio::test(flavor = "multi_thread")]
async fn an_owner_who_may_not_read_makes_no_version() {
    let world = World::new(live(SQL)).await;
    let rows = "/v1/products/shop/fresh/rows";
    world.get("bob", rows).await.json();
    let mut products = live(SQL);
    products["shop.fresh"]["owner"] = "gus".into();
    world.apply(products).await;
    // Also where nothing moved: its rows are computed in the owner's name.
    let unmoved = world.get("bob", rows).await;
    assert_eq!(unmoved.code(), world.sql("bob", "SELECT * FROM shop.fresh").await.code());
    let told = world.sql("alice", "SELECT * FROM shop.fresh").await;
    assert!(
        told.text().contains("its owner `gus` may not read all of `raw.notes`"),
        "{}",
        told.text()
    );
    world.ingest(&NOTES.replace("1,EU,10", "1,EU,11")).await;
    let refused = world.get("bob", rows).await;
    assert_eq!(refused.code(), is(409, "live-failed"));
    assert!(
        !refused.text().contains("raw") && !refused.text().contains("gus"),
        "{}",
        refused.text()
    );
    let pinned = world.get("bob", &format!("{rows}?version=1")).await.json();
    assert_eq!(pinned["row_count"], 5);
    assert_eq!(world.version_count("shop.fresh").await, 1);
}

/// P7: two lakes that look the same to a reader give the same answers, whatever is below.
#[tokio::test(flavor = "multi_thread")]
async fn p7_two_lakes_that_look_the_same_answer_the_same() {
    let mut lines = NOTES.lines();
    let mut rows = format!("{}\n", lines.next().unwrap());
    for line in lines {
        rows += line;
        rows += "\n";
        for id in 0..1_500 {
            rows += &format!("{id},US,100,HIDDEN-{id},HIDDEN-tag\n");
        }
    }
    let (few, many) = (World::new(live(SQL)).await, World::new(live(SQL)).await);
    many.ingest(&rows).await;
    many.ingest(&rows.replace(",US,100", ",EU,101")).await;
    let plans = CURIOUS.iter().step_by(4).map(|sql| format!("EXPLAIN {sql}"));
    let plans: Vec<_> = plans.collect();
    for who in ["bob", "dora"] {
        for sql in CURIOUS.into_iter().chain(plans.iter().map(String::as_str)) {
            let (few, many) = (few.sql(who, sql).await, many.sql(who, sql).await);
            assert_eq!(told_of(&few), told_of(&many), "{who}: {sql}");
        }
    }
}

/// P3: damage of what a live product is made of is an error; which is for those who may see that.
#[tokio::test(flavor = "multi_thread")]
async fn p3_damage_below_is_an_error() {
    let place = TestPlace::on(TestBackend::SqliteFolder);
    let mut world = World::in_place(place, live(SQL)).await;
    let input = world.files("alice", "raw.notes").await.json();
    let object = input["versions"][0]["files"][0]["object"].as_str().unwrap().to_owned();
    world.test.damaged();
    let path = world.test.root().join(object.parse::<ObjectId>().unwrap().key());
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[5] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let all = "SELECT * FROM shop.fresh";
    let alice = world.sql("alice", all).await;
    assert_eq!(alice.code(), is(500, "corrupt"), "{}", alice.text());
    for asked in [all, "SELECT sum(price) FROM shop.fresh"] {
        let bob = world.sql("bob", asked).await;
        assert!(!bob.status.is_success(), "{}", bob.text());
        assert!(!bob.text().contains(&object) && !bob.text().contains("raw"), "{}", bob.text());
    }
    for who in ["alice", "bob"] {
        let files = world.files(who, "shop.fresh").await;
        assert!(!files.status.is_success(), "{who}: {}", files.text());
        assert_eq!(files.text().contains(&object), who == "alice", "{who}: {}", files.text());
    }
}

/// P12: where the order of rows decides nothing, neither does the order that they are computed in.
#[tokio::test(flavor = "multi_thread")]
async fn p12_answers_in_any_order_are_equal() {
    let mut rows = NOTES.to_owned();
    for id in (100..20_000).rev() {
        rows += &format!("{id},EU,{},{id},1\n", id % 100);
    }
    let world = World::new(live(SQL)).await;
    world.ingest(&rows).await;
    for who in ["alice", "bob", "dora"] {
        for (sql, is_told) in [
            ("SELECT id, note FROM shop.fresh", true),
            ("SELECT region, count(*), max(note) FROM shop.fresh GROUP BY region", true),
            ("SELECT id FROM shop.fresh LIMIT 5", false),
            ("SELECT sum(CAST(price AS DOUBLE) / 3) FROM shop.fresh", false),
        ] {
            let answer = world.sql(who, sql).await;
            assert_eq!(answer.status, 200);
            let path = format!("/v1/receipts/{}/replay", answer.header("lakebed-statement-id"));
            for _ in 0..3 {
                let replay = world.post("ada", &path, json!({})).await.json();
                let verdict = replay["verdict"].as_str().unwrap();
                let may_be = verdict == "equal" || (!is_told && verdict == "cannot_tell");
                assert!(may_be, "{who}: {sql}: {replay}");
            }
        }
    }
}

//! A product is a service: its rows by filters and pages, its queries, its description, its links.
//!
//! Asked of a real engine: what is refused, and who sees what, is the engine's business too.

use std::{collections::BTreeSet, sync::Arc};

use axum::Router;
use lakebed_core::{Declared, DecodeOptions, Identity, IngestMode};
use lakebed_query::{DataFusionEngine, EngineOptions};
use lakebed_server::{Access, AppState, Asks, Auth, router};
use lakebed_service::{ApplyCatalog, Detail};
use lakebed_testkit::TestLake;
use serde_json::{Value, json};

use crate::support::{Answer, call, is};

const ROWS: &str = "/v1/products/shop/sales/rows";

/// Rows 3 and 4 are the same but for their hidden `secret`, rows 5 and 6 but for `mail`.
const SALES: &str = "\
id,region,amount,rate,day,sold_at,paid,mail,secret,limit,odd \"name\"; --
1,EU,10.50,0.5,2024-01-01,2024-01-01T08:00:00Z,true,ann@one.org,s-one,7,x
2,US,-0.05,1e300,2024-02-29,2024-01-01T10:00:00.000001Z,false,bob@one.org,s-two,8,\"it's, \"\"quoted\"\"\"
3,EU,,,,,,,s-three,,
3,EU,,,,,,,s-four,,
5,EU,9999999.99,-0.0,1969-12-31,1969-12-31T23:59:59Z,true,cid@one.org,s-five,9,\\
5,EU,9999999.99,-0.0,1969-12-31,1969-12-31T23:59:59Z,true,dan@two.org,s-six,9,\\
7,,1.00,2.25,2024-01-01,2024-01-01T08:00:00Z,false,eve@two.org,s-seven,7,' OR 1=1 --
";

const GRANTS: &str = r#"[
    {"to": "carol", "may": ["read", "ingest"], "on": "lake", "from_stage": "raw"},
    {"to": "alice", "may": ["read"], "on": "lake", "from_stage": "raw"},
    {"to": "bob", "may": ["read"], "on": {"namespace": "shop"}, "from_stage": "raw"},
    {"to": "gus", "may": ["discover"], "on": {"namespace": "shop"}, "from_stage": "raw"}]"#;

struct World {
    test: TestLake,
}

fn products() -> Value {
    json!({ "shop.sales": {
        "owner": "carol",
        "purpose": "What was sold",
        "sql": "SELECT * FROM raw.sales",
        "input_stage": "raw",
        "order_by": ["day"],
        "queries": {
            "by_region": {
                "purpose": "What one region buys",
                "sql": "SELECT region, count(*) AS sales FROM shop.sales \
                    WHERE region = $region AND id >= $least GROUP BY region",
                "parameters": {
                    "region": { "type": "string", "required": true },
                    "least": { "type": "long", "default": "0", "description": "The first id" },
                },
            },
            "secrets": { "purpose": "What bob may not see", "sql": "SELECT secret FROM shop.sales" },
        },
    }})
}

/// The product, of another statement.
fn product_of(statement: &str, served: &str) -> Value {
    let mut anew = products();
    let product = anew["shop.sales"].as_object_mut().unwrap();
    product.insert("sql".to_owned(), json!(statement));
    product.insert("served".to_owned(), json!(served));
    for of_the_old in ["queries", "order_by"] {
        product.remove(of_the_old);
    }
    anew
}

fn policies() -> Value {
    let on = json!({ "dataset": "shop.sales" });
    json!([
        { "name": "eu", "on": on, "row_filter": "region = 'EU'", "except": ["carol", "alice"] },
        { "name": "mail", "on": on, "columns": ["mail"], "mask": { "partial": { "keep_last": 7 } },
          "except": ["carol", "alice"] },
        { "name": "secret", "on": on, "columns": ["secret"], "hide": true,
          "except": ["carol", "alice"] },
    ])
}

impl World {
    /// Built, with policies that hold for bob.
    async fn new() -> Self {
        let options =
            EngineOptions { target_partitions: 2.try_into().unwrap(), ..EngineOptions::default() };
        let engine = DataFusionEngine::new(options).unwrap();
        let world = Self { test: TestLake::with_engine(Arc::new(engine)).await };
        world.ingest(SALES).await;
        world.apply(products(), json!([])).await.unwrap();
        world.build().await;
        world.apply(products(), policies()).await.unwrap();
        world
    }

    async fn ingest(&self, rows: &str) {
        let types = json!({ "types": {
            "id": "long", "region": "string", "amount": "decimal(9,2)", "rate": "double",
            "day": "date", "sold_at": "timestamptz", "paid": "boolean", "mail": "string",
            "secret": "string", "limit": "int", "odd \"name\"; --": "string",
        }});
        let options: DecodeOptions = serde_json::from_value(types).unwrap();
        let mode = IngestMode::Replace;
        self.test.ingest_with("raw.sales", "sales.csv", rows, mode, options).await.unwrap();
    }

    async fn apply(&self, products: Value, policies: Value) -> lakebed_service::Result<()> {
        self.apply_with(serde_json::from_str(GRANTS).unwrap(), products, policies).await
    }

    async fn apply_with(
        &self,
        grants: Value,
        products: Value,
        policies: Value,
    ) -> lakebed_service::Result<()> {
        let declared =
            json!({ "format": 1, "grants": grants, "products": products, "policies": policies });
        let declared: Declared = serde_json::from_value(declared).unwrap();
        let before = self.test.lake.declared_catalog(&self.test.ctx()).await.unwrap().declaration;
        let expected = before.map(|declaration| declaration.digest);
        let apply = ApplyCatalog { declared, expected, without_admin: true };
        self.test.lake.apply_catalog(&self.test.ctx(), apply).await.map(drop)
    }

    async fn build(&self) {
        let router = self.door("carol");
        let headers = ["content-type: application/json"];
        let built = call(&router, "POST", "/v1/products/shop/sales/builds", &headers, "{}").await;
        built.json();
    }

    /// The next version is that of another statement.
    async fn build_of(&self, statement: &str) {
        self.apply(product_of(statement, "materialized"), policies()).await.unwrap();
        self.build().await;
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

    async fn rows(&self, name: &str, query: &[(&str, &str)]) -> Answer {
        self.get(name, &path(query)).await
    }

    /// The `secret`s of the rows that alice finds, sorted: they tell all rows apart.
    async fn found(&self, query: &[(&str, &str)]) -> Vec<String> {
        let answer = self.rows("alice", query).await.json();
        let rows = answer["rows"].as_array().unwrap().iter();
        let mut found: Vec<_> =
            rows.map(|row| row["secret"].as_str().unwrap()[2..].into()).collect();
        found.sort();
        found
    }
}

fn path(query: &[(&str, &str)]) -> String {
    let mut text = url::form_urlencoded::Serializer::new(String::new());
    format!("{ROWS}?{}", text.extend_pairs(query).finish())
}

/// Every page, by following `next`, which the header tells too.
async fn pages(world: &World, name: &str, query: &[(&str, &str)]) -> Vec<Value> {
    let mut rows = Vec::new();
    let mut next = Some(path(query));
    while let Some(path) = next {
        let answer = world.get(name, &path).await;
        let page = answer.json();
        next = page["next"].as_str().map(str::to_owned);
        let link = next.as_ref().map(|next| format!("<{next}>; rel=\"next\"")).unwrap_or_default();
        assert_eq!(answer.header("link"), link);
        assert_eq!(page["row_count"], page["rows"].as_array().unwrap().len());
        rows.extend(page["rows"].as_array().unwrap().clone());
        assert!(rows.len() <= 7, "it never ends: {rows:?}");
    }
    rows
}

/// Whatever the order, nulls and equal rows: each row is in one page, and the order holds across them.
#[tokio::test(flavor = "multi_thread")]
async fn pages_cover_every_row_once() {
    let world = World::new().await;
    let orders = ["", "id", "-id", "-region,day", "amount", "-rate,mail", "mail,-secret", "limit"];
    for order in orders {
        let mut query = vec![("order", order)];
        query.retain(|(_, order)| !order.is_empty());
        let whole = world.rows("alice", &query).await.json()["rows"].clone();
        assert_eq!(whole.as_array().unwrap().len(), 7, "{order}");
        for limit in ["1", "2", "3", "6", "7"] {
            let mut query = query.clone();
            query.push(("limit", limit));
            let rows = pages(&world, "alice", &query).await;
            assert_eq!(Value::from(rows), whole, "by {order}, {limit} at a time");
        }
        // Rows that bob cannot tell apart are as many as there are.
        let rows = pages(&world, "bob", &[("select", "id,mail"), ("limit", "1")]).await;
        let mut ids: Vec<_> = rows.iter().map(|row| row["id"].as_u64().unwrap()).collect();
        ids.sort_unstable();
        assert_eq!(ids, [1, 3, 3, 5, 5]);
    }
    let first = |order| path(&[("order", order), ("limit", "1")]);
    let least = world.get("alice", &first("day")).await.json();
    assert_eq!(least["rows"][0]["day"], Value::Null, "null is least");
    let most = world.get("alice", &first("-day")).await.json();
    assert_eq!(most["rows"][0]["day"], "2024-02-29");
    // Where nobody says: as the product is kept.
    let kept = world.rows("alice", &[]).await.json();
    assert_eq!(kept["rows"][0]["secret"], "s-four");
}

/// Pages stay those of their version, whatever is built meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn pages_are_of_one_version() {
    let world = World::new().await;
    let first = world.rows("alice", &[("limit", "3")]).await;
    assert_eq!(first.header("lakebed-version"), "1");
    assert_eq!(first.header("lakebed-stale"), "false");
    let first = first.json();
    world.ingest(&SALES.replace("s-one", "s-new").replace("1,EU", "0,EU")).await;
    let stale = world.rows("alice", &[]).await;
    assert_eq!(stale.header("lakebed-stale"), "true");
    assert_eq!(stale.header("lakebed-stale-because"), "inputs");
    assert_eq!(stale.json()["stale"], true);
    let product = world.get("alice", "/v1/products/shop/sales").await.json();
    assert_eq!(product["stale"], json!(["inputs"]));
    world.build().await;
    let newest = world.rows("alice", &[]).await;
    assert_eq!((newest.header("lakebed-version"), newest.header("lakebed-stale")), ("2", "false"));
    let next = world.get("alice", first["next"].as_str().unwrap()).await;
    assert_eq!(next.header("lakebed-version"), "1");
    assert_eq!(next.json()["resolved"]["newest"], 2);
    for pin in [("version", "1"), ("at", "v1")] {
        let pinned = world.rows("alice", &[pin, ("secret", "s-new")]).await;
        assert_eq!(pinned.header("lakebed-version"), "1");
        assert_eq!(pinned.json()["row_count"], 0);
        let as_of = pinned.header("lakebed-as-of");
        assert!(as_of < newest.header("lakebed-as-of") && as_of.ends_with('Z'), "{as_of}");
    }
    assert_eq!(world.found(&[("secret", "s-new")]).await, ["new"]);
    // Who does not see what it is made of is not told when that moves.
    let bob = world.rows("bob", &[]).await;
    assert_eq!((bob.header("lakebed-stale"), bob.header("lakebed-version")), ("", "2"));
    assert_eq!(bob.json().get("stale"), None);
    let product = world.get("bob", "/v1/products/shop/sales").await.json();
    assert_eq!((product.get("stale"), &product["newest"]["version"]), (None, &json!(2)));
    assert_eq!(product["as_of"], newest.header("lakebed-as-of"));
}

/// What was made of another statement, or in another order, is stale wherever that is told. Whoever may
/// not know how a product is declared is told neither that nor that nothing is stale.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_declared_anew_is_stale() {
    let world = World::new().await;
    let told = async |who: &str| {
        let rows = world.rows(who, &[]).await;
        let product = world.get(who, "/v1/products/shop/sales").await.json();
        let report = world.get(who, "/v1/report").await.json();
        let is_stale = |found: &Value| found["dataset"] == "shop.sales" && found["kind"] == "stale";
        let is_reported = report["findings"].as_array().unwrap().iter().any(is_stale);
        let because = rows.header("lakebed-stale-because").to_owned();
        (rows.header("lakebed-stale").to_owned(), because, product["stale"].clone(), is_reported)
    };
    let is = |stale: &str, because: &str, why: Value, is_reported: bool| {
        (stale.to_owned(), because.to_owned(), why, is_reported)
    };
    let unknown = is("", "", Value::Null, false);
    assert_eq!(told("alice").await, is("false", "", json!([]), false));
    let mut anew = products();
    anew["shop.sales"]["sql"] = json!("SELECT * FROM raw.sales WHERE id > 1");
    world.apply(anew.clone(), policies()).await.unwrap();
    assert_eq!(told("alice").await, is("true", "statement", json!(["statement"]), true));
    assert_eq!(told("bob").await, unknown);
    world.ingest(&SALES.replace("s-two", "s-new")).await;
    let both = is("true", "statement, inputs", json!(["statement", "inputs"]), true);
    assert_eq!(told("alice").await, both);
    world.build().await;
    assert_eq!(told("alice").await, is("false", "", json!([]), false));
    anew["shop.sales"]["order_by"] = json!(["id"]);
    world.apply(anew.clone(), policies()).await.unwrap();
    assert_eq!(told("alice").await, is("true", "statement", json!(["statement"]), true));
    // She may read all of it, and know what it is made of by name: not how it is declared.
    let mut grants: Vec<Value> = serde_json::from_str(GRANTS).unwrap();
    for (may, namespace) in [("read", "shop"), ("discover", "raw")] {
        let on = json!({ "namespace": namespace });
        grants.push(json!({ "to": "dora", "may": [may], "on": on, "from_stage": "raw" }));
    }
    for products in [anew, products()] {
        world.apply_with(Value::from(grants.clone()), products, json!([])).await.unwrap();
        assert_eq!(told("dora").await, unknown);
    }
}

/// What a product is made of is all that decides what it holds: what its statement said before does not,
/// neither the order of columns, nor their types, nor those that were there.
#[tokio::test(flavor = "multi_thread")]
async fn equal_statements_make_equal_data_whatever_was_before() {
    let contents = async |statements: &[&str]| {
        let world = World::new().await;
        let mut contents = Vec::new();
        for (version, statement) in (2..).zip(statements) {
            world.build_of(statement).await;
            let references = [format!("shop.sales@v{version}").parse().unwrap()];
            let ctx = world.test.ctx();
            let found = world.test.lake.resolve(&ctx, &references, Detail::Full).await;
            let found = found.unwrap().versions.remove(0).detail.unwrap().manifest;
            let fields = found.schema.as_ref().unwrap().fields.iter();
            let fields: Vec<String> =
                fields.map(|field| format!("{} {}", field.name, field.data_type)).collect();
            contents.push((found.content_id, fields.join(", ")));
        }
        contents
    };
    let plain = "SELECT region, id, mail FROM raw.sales";
    let other = "SELECT 1 AS more, CAST(id AS INT) AS id, mail, region FROM raw.sales";
    let wide = "SELECT mail, CAST(id AS DECIMAL(30, 2)) AS id, region, secret FROM raw.sales";
    let there_and_back = contents(&[plain, other, wide, other, plain]).await;
    assert_eq!(there_and_back[0].1, "region string, id long, mail string");
    assert_eq!(there_and_back[1].1, "more long, id int, mail string, region string");
    assert_eq!(there_and_back[2].1, "mail string, id decimal(30,2), region string, secret string");
    assert_eq!(there_and_back[4], there_and_back[0]);
    assert_eq!(there_and_back[3], there_and_back[1]);
    let elsewhere = contents(&[wide, plain]).await;
    assert_eq!(elsewhere, [there_and_back[2].clone(), there_and_back[0].clone()]);
}

/// A mask stays where it is, however the columns around it come and go.
#[tokio::test(flavor = "multi_thread")]
async fn p7_columns_that_move_keep_their_policies() {
    let world = World::new().await;
    let statements = [
        "SELECT mail, secret, region, id FROM raw.sales",
        "SELECT region, id FROM raw.sales",
        "SELECT secret, id, mail AS other, region, mail FROM raw.sales",
    ];
    for (version, statement) in (2..).zip(statements) {
        world.build_of(statement).await;
        for at in 1..=version {
            let sql = format!("SELECT * FROM shop.sales@v{at}");
            let headers = ["content-type: text/plain", "accept: text/csv"];
            let answer = call(&world.door("bob"), "POST", "/v1/sql", &headers, sql).await;
            assert_eq!(answer.status, 200, "{}", answer.text());
            let text = answer.text();
            assert!(!text.contains("s-") && !text.contains("ann@"), "v{at} of {version}: {text}");
            assert!(text.contains("EU") && !text.contains("US"), "v{at} of {version}: {text}");
            let is_there = at != 3;
            assert_eq!(text.contains("mail"), is_there, "v{at} of {version}: {text}");
        }
    }
}

/// SQL says as of when the products are that it reads, as rows do: to those who may know.
#[tokio::test(flavor = "multi_thread")]
async fn sql_says_how_old_products_are() {
    let world = World::new().await;
    let sql = async |who: &str, sql: &'static str| {
        let headers = ["content-type: text/plain", "accept: text/csv"];
        let answer = call(&world.door(who), "POST", "/v1/sql", &headers, sql).await;
        assert_eq!(answer.status, 200, "{sql}");
        let words = ["as-of", "stale", "stale-because"];
        words.map(|word| answer.header(&format!("lakebed-{word}")).to_owned())
    };
    let count = "SELECT count(*) FROM shop.sales";
    let [as_of, stale, because] = sql("alice", count).await;
    assert!(as_of.ends_with('Z'), "{as_of}");
    assert_eq!((stale.as_str(), because.as_str()), ("false", ""));
    let nothing = ["", "", ""];
    assert_eq!(sql("alice", "SELECT count(*) FROM raw.sales").await, nothing, "no product");
    assert_eq!(sql("alice", "SELECT 1").await, nothing);
    world.ingest(&SALES.replace("s-one", "s-new")).await;
    let old = [as_of.as_str(), "true", "inputs"];
    assert_eq!(sql("alice", count).await, old);
    let joined = "SELECT count(*) FROM shop.sales AS s JOIN raw.sales AS r ON s.id = r.id";
    assert_eq!(sql("alice", joined).await, old);
    // Who does not see what it is made of is not told that it moves; that it is there, they see.
    assert_eq!(sql("bob", count).await, [as_of.as_str(), "", ""]);
    world.build().await;
    let [newer, stale, _] = sql("alice", count).await;
    assert!(newer > as_of && stale == "false", "{newer} {stale}");
    // Of two versions the older one counts.
    let both = "SELECT count(*) FROM shop.sales AS a JOIN shop.\"sales@v1\" AS b ON a.id = b.id";
    assert_eq!(sql("alice", both).await, [as_of.as_str(), "true", "inputs"]);
    // Whoever runs the lake is told like anybody.
    let headers = ["content-type: text/plain"];
    let owner = AppState::new(world.test.lake.clone(), Access::Local);
    let answer = call(&router(owner), "POST", "/v1/sql", &headers, count).await;
    assert_eq!(
        (answer.header("lakebed-as-of"), answer.header("lakebed-stale")),
        (newer.as_str(), "false")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_are_of_the_columns_type() {
    let world = World::new().await;
    let odd = "odd \"name\"; --";
    let all: &[&str] = &["five", "four", "one", "seven", "six", "three", "two"];
    type Pairs<'a> = &'a [(&'a str, &'a str)];
    let cases: &[(Pairs<'_>, &[&str])] = &[
        (&[], all),
        (&[("id", "1")], &["one"]),
        (&[("id.eq", "1")], &["one"]),
        (&[("id.ne", "5")], &["four", "one", "seven", "three", "two"]),
        (&[("id.gt", "2"), ("id.le", "5")], &["five", "four", "six", "three"]),
        (&[("id.ge", "5"), ("id.lt", "7")], &["five", "six"]),
        (&[("id.in", "1,7,99")], &["one", "seven"]),
        (&[("region.null", "true")], &["seven"]),
        (&[("region.null", "false"), ("id.gt", "2")], &["five", "four", "six", "three"]),
        (&[("region.ne", "EU")], &["two"]),
        (&[("amount", "10.5")], &["one"]),
        (&[("amount", "-0.05")], &["two"]),
        (&[("amount.gt", "10.5")], &["five", "six"]),
        (&[("amount.in", "1,-0.050")], &["seven", "two"]),
        (&[("rate", "1e300")], &["two"]),
        (&[("rate", "0.5")], &["one"]),
        (&[("rate.lt", "1")], &["five", "one", "six"]),
        (&[("rate.in", "2.25,0.5")], &["one", "seven"]),
        (&[("day", "2024-02-29")], &["two"]),
        (&[("day.lt", "1970-01-01")], &["five", "six"]),
        (&[("day.in", "2024-01-01,2024-02-29")], &["one", "seven", "two"]),
        (&[("sold_at", "2024-01-01T08:00:00Z")], &["one", "seven"]),
        (&[("sold_at", "2024-01-01T10:00:00+02:00")], &["one", "seven"]),
        (&[("sold_at.gt", "2024-01-01T10:00:00Z")], &["two"]),
        (&[("sold_at.in", "2024-01-01 10:00:00.000001Z,2020-01-01")], &["two"]),
        (&[("paid", "true")], &["five", "one", "six"]),
        (&[("paid.ne", "true")], &["seven", "two"]),
        (&[("limit.eq", "8")], &["two"]),
        (&[("limit.in", "8,9")], &["five", "six", "two"]),
        (&[("mail", "eve@two.org")], &["seven"]),
        (&[("mail.ge", "d")], &["seven", "six"]),
        // What looks like SQL is a value, or a name.
        (&[(odd, "' OR 1=1 --")], &["seven"]),
        (&[(odd, "it's, \"quoted\"")], &["two"]),
        (&[("odd \"name\"; --.in", "it's\\, \"quoted\",\\\\")], &["five", "six", "two"]),
        (&[("mail", "' OR ''='")], &[]),
        (&[("mail", "$1")], &[]),
        (&[("mail.in", "'),('")], &[]),
        (&[("order", "-odd \"name\"; --"), ("id", "1")], &["one"]),
    ];
    for (query, expected) in cases {
        assert_eq!(world.found(query).await, *expected, "{query:?}");
    }
}

/// Each is one clear refusal that names the parameter, and nothing of it reaches a statement.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_asked_is_refused() {
    let world = World::new().await;
    let long = vec!["1"; 1001].join(",");
    type Pairs<'a> = &'a [(&'a str, &'a str)];
    let cases: &[(Pairs<'_>, &str, &str)] = &[
        (&[("nope", "1")], "unknown-column", "`nope`"),
        (&[("ID", "1")], "unknown-column", "`ID`"),
        (&[("nope.lt", "1")], "unknown-column", "`nope.lt`"),
        (&[("id\"=1 OR \"id", "1")], "unknown-column", "id"),
        (&[("", "1")], "unknown-column", "``"),
        (&[("id.like", "1")], "invalid-query", "`like` is no comparison"),
        (&[("id", "one")], "invalid-value", "type `long`"),
        (&[("id", "1 OR 1=1")], "invalid-value", "type `long`"),
        (&[("id", "")], "invalid-value", "`id`"),
        (&[("id.in", "1,,2")], "invalid-value", "`id.in`"),
        (&[("id.in", "1\\2")], "invalid-query", "backslash"),
        (&[("id.in", &long)], "invalid-query", "1001 values"),
        (&[("amount", "1.234")], "invalid-value", "type `decimal(9,2)`"),
        (&[("day", "01.02.2024")], "invalid-value", "type `date`"),
        (&[("paid", "yes")], "invalid-value", "type `boolean`"),
        (&[("rate", "nan")], "invalid-value", "type `double`"),
        (&[("rate", "inf")], "invalid-value", "type `double`"),
        (&[("amount", "NaN")], "invalid-value", "type `decimal(9,2)`"),
        (&[("id.null", "1")], "invalid-query", "`id.null`"),
        (&[("id", "1"), ("id", "2")], "invalid-query", "twice"),
        (&[("select", "id,nope")], "unknown-column", "`nope`"),
        (&[("select", "id,id")], "invalid-query", "twice"),
        (&[("select", "*")], "unknown-column", "`*`"),
        (&[("select", "")], "unknown-column", "`select`"),
        (&[("select", "count(id)")], "unknown-column", "count(id)"),
        (&[("order", "id,-id")], "invalid-query", "twice"),
        (&[("order", "id DESC")], "unknown-column", "id DESC"),
        (&[("order", "1")], "unknown-column", "`1`"),
        (&[("order", "--id")], "unknown-column", "`-id`"),
        (&[("limit", "0")], "invalid-query", "1 to 10000"),
        (&[("limit", "10001")], "invalid-query", "1 to 10000"),
        (&[("limit", "1;")], "invalid-query", "`limit`"),
        (&[("version", "v1")], "invalid-query", "`version`"),
        (&[("version", "")], "invalid-query", "`version`"),
        (&[("version", "0")], "invalid-query", "`version`"),
        (&[("at", "1\"")], "invalid-query", "`at`"),
        (&[("at", "v1"), ("version", "1")], "invalid-query", "give one"),
        (&[("int64", "text")], "invalid-query", "`int64`"),
        (&[("cursor", "")], "invalid-cursor", "`cursor`"),
    ];
    for (query, code, word) in cases {
        let answer = world.rows("alice", query).await;
        assert_eq!(answer.code(), is(400, code), "{query:?}");
        let problem = answer.problem();
        assert!(problem.detail.contains(word), "{query:?}: {}", problem.detail);
    }
    assert_eq!(world.rows("alice", &[("version", "9")]).await.code(), is(404, "not-found"));
    assert_eq!(world.rows("gus", &[]).await.code(), is(403, "forbidden"));
    assert_eq!(world.rows("stranger", &[]).await.code(), is(404, "not-found"));
    let raw = world.get("alice", "/v1/products/raw/sales/rows").await;
    assert_eq!(raw.code(), is(404, "not-found"), "it is no product");
    // What is no text is not read as another one.
    for bytes in ["%FF", "%C3", "%c3%28", "a%80"] {
        let rows = world.get("alice", &format!("{ROWS}?region={bytes}")).await;
        assert_eq!(rows.code(), is(400, "invalid-query"), "{bytes}");
        let datasets = world.get("alice", &format!("/v1/datasets?namespace={bytes}")).await;
        assert_eq!(datasets.code(), is(400, "invalid-query"), "{bytes}");
    }
    let umlaut = world.get("alice", &format!("{ROWS}?region=%C3%BC%25FF%")).await;
    assert_eq!(umlaut.json()["row_count"], 0);
    // Whatever a route does not know is refused, as of rows.
    let product = "/v1/products/shop/sales";
    for path in ["/v1/products", product, &format!("{product}/openapi.json")] {
        assert_eq!(world.get("alice", path).await.status, 200, "{path}");
        let refused = world.get("alice", &format!("{path}?limit=1")).await;
        assert_eq!(refused.code(), is(400, "invalid-query"), "{path}");
    }
}

/// `raw.times` and the product of it, whose columns hold what is rare.
async fn with_times() -> World {
    let world = World::new().await;
    let rows = "\
id,ts,tz,d,f,id.eq
1,0001-01-01T00:00:00,0001-01-01T00:00:00Z,NaN,NaN,7
2,1969-12-31T23:59:59.999999,1969-12-31T23:59:59.999999Z,-Infinity,-Infinity,1
3,2300-01-01T00:00:00,2300-01-01T00:00:00Z,Infinity,Infinity,1
4,9999-12-31T23:59:59,9999-12-31T23:59:59Z,1.5,1.5,7
5,,,,,
";
    let types = json!({ "types": {
        "id": "long", "ts": "timestamp", "tz": "timestamptz", "d": "string", "f": "string",
        "id.eq": "long",
    }});
    let options: DecodeOptions = serde_json::from_value(types).unwrap();
    let mode = IngestMode::Replace;
    world.test.ingest_with("raw.times", "times.csv", rows, mode, options).await.unwrap();
    let mut products = products();
    products["shop.times"] = json!({
        "owner": "carol", "purpose": "What is rare", "input_stage": "raw",
        "sql": "SELECT id, ts, tz, CAST(d AS DOUBLE) AS d, CAST(f AS REAL) AS f, \"id.eq\", \
            CAST(CASE id WHEN 1 THEN '09:00:00' WHEN 2 THEN '17:30:00.5' END AS TIME) AS t FROM raw.times",
    });
    world.apply(products, policies()).await.unwrap();
    let headers = ["content-type: application/json"];
    let path = "/v1/products/shop/times/builds";
    call(&world.door("carol"), "POST", path, &headers, "{}").await.json();
    world
}

/// Columns hold more than nanoseconds can count, and floats that JSON has no number for.
#[tokio::test(flavor = "multi_thread")]
async fn filters_take_every_value_of_a_column() {
    let world = with_times().await;
    let cases: &[(&str, &str, &[u64])] = &[
        ("ts", "0001-01-01T00:00:00", &[1]),
        ("ts.ne", "0001-01-01T00:00:00", &[2, 3, 4]),
        ("ts.ge", "2300-01-01T00:00:00", &[3, 4]),
        ("ts.lt", "1969-12-31T23:59:59.999999", &[1]),
        ("ts.le", "9999-12-31T23:59:59", &[1, 2, 3, 4]),
        ("ts.gt", "1677-01-01T00:00:00", &[2, 3, 4]),
        ("ts.in", "9999-12-31T23:59:59,0001-01-01T00:00:00", &[1, 4]),
        ("tz", "0001-01-01T00:00:00Z", &[1]),
        ("tz", "2300-01-01T02:00:00+02:00", &[3]),
        ("tz.lt", "9999-12-31T00:00:00Z", &[1, 2, 3]),
        ("tz.ge", "2300-01-01", &[3, 4]),
        ("tz.in", "9999-12-31T23:59:59Z,1969-12-31T23:59:59.999999Z", &[2, 4]),
        // NaN is equal to itself, and greater than every other.
        ("d", "NaN", &[1]),
        ("d.ne", "NaN", &[2, 3, 4]),
        ("d.lt", "NaN", &[2, 3, 4]),
        ("d.ge", "NaN", &[1]),
        ("d.gt", "Infinity", &[1]),
        ("d.ge", "Infinity", &[1, 3]),
        ("d.lt", "Infinity", &[2, 4]),
        ("d", "-Infinity", &[2]),
        ("d.gt", "1", &[1, 3, 4]),
        ("d.in", "NaN,1.5,-Infinity", &[1, 2, 4]),
        ("t", "09:00", &[1]),
        ("t.ne", "09:00:00", &[2]),
        ("t.ge", "17:30:00.5", &[2]),
        ("t.lt", "17:30:00.5", &[1]),
        ("t.le", "17:30:00.5", &[1, 2]),
        ("t.gt", "09:00", &[2]),
        ("t.in", "17:30:00.5,09:00", &[1, 2]),
        ("f", "NaN", &[1]),
        ("f.gt", "1.5", &[1, 3]),
        ("f.in", "Infinity,NaN", &[1, 3]),
        // A column may be called like a comparison of another: then it is that column.
        ("id.eq", "7", &[1, 4]),
        ("id.eq.eq", "1", &[2, 3]),
        ("id", "1", &[1]),
    ];
    for (name, value, expected) in cases {
        let query = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs([("order", "id"), ("select", "id"), (name, value)])
            .finish();
        let answer = world.get("alice", &format!("/v1/products/shop/times/rows?{query}")).await;
        assert_eq!(answer.status, 200, "{name}={value}: {}", answer.text());
        let rows = answer.json()["rows"].clone();
        let found: Vec<_> =
            rows.as_array().unwrap().iter().map(|row| row["id"].as_u64().unwrap()).collect();
        assert_eq!(found, *expected, "{name}={value}");
    }
    let document = world.get("alice", "/v1/products/shop/times/openapi.json").await.json();
    let rows = &document["paths"]["/v1/products/shop/times/rows"]["get"];
    let names: Vec<_> = rows["parameters"].as_array().unwrap().iter().map(|p| &p["name"]).collect();
    let distinct: BTreeSet<_> = names.iter().map(|name| name.as_str().unwrap()).collect();
    assert_eq!(names.len(), distinct.len(), "each is there once: {names:?}");
    assert!(["id.eq", "id.eq.eq", "id.ne"].iter().all(|name| distinct.contains(name)));
}

/// A cursor of another question, of another version or of nobody is one refusal.
#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_is_of_one_question() {
    let world = World::new().await;
    let first = world.rows("alice", &[("limit", "1")]).await.json();
    let next = first["next"].as_str().unwrap().to_owned();
    let cursor = next.split("cursor=").nth(1).unwrap().to_owned();
    assert_eq!(world.get("alice", &next).await.json()["row_count"], 1);
    let longer = world.rows("alice", &[("cursor", &cursor)]).await.json();
    assert_eq!(longer["row_count"], 6, "how many are in a page is no part of the question");
    let digest = cursor.rsplit('-').next().unwrap();
    let refused: Vec<Vec<(&str, String)>> = vec![
        vec![("order", "id".into()), ("cursor", cursor.clone())],
        vec![("id.gt", "0".into()), ("cursor", cursor.clone())],
        vec![("version", "1".into()), ("cursor", cursor.clone())],
        vec![("cursor", cursor.to_uppercase())],
        vec![("cursor", format!("9-1-{digest}"))],
        vec![("cursor", format!("1-7fffffffffffffff-{digest}"))],
        vec![("cursor", format!("1-ffffffffffffffffff-{digest}"))],
        vec![("cursor", format!("1--1-{digest}"))],
        vec![("cursor", format!("1-1-{}", "0".repeat(32)))],
        vec![("cursor", format!("1-1-{}é", &digest[..30]))],
        vec![("cursor", "' OR 1=1".into())],
    ];
    for query in refused {
        let query: Vec<_> = query.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let answer = world.rows("alice", &query).await;
        assert_eq!(answer.code(), is(400, "invalid-cursor"), "{query:?}");
    }
    // Far behind the end is nothing, and no failure.
    let far = world.rows("alice", &[("cursor", &format!("1-10000000000-{digest}"))]).await.json();
    assert_eq!((&far["row_count"], far.get("next")), (&json!(0), None));
    // It grants nothing: what bob may not see he does not see with alice's.
    let theirs = world.get("bob", &next).await;
    assert_eq!(theirs.code(), is(400, "invalid-cursor"));
}

/// An order that is declared anew between two pages would repeat rows and miss others.
#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_is_of_one_order() {
    let world = World::new().await;
    let following = async |query: &[(&str, &str)]| {
        let page = world.rows("alice", query).await.json();
        page["next"].as_str().unwrap().to_owned()
    };
    let declared = following(&[("limit", "3"), ("version", "1")]).await;
    let asked = following(&[("limit", "3"), ("order", "id,secret,day")]).await;
    let order_by = |columns: &[&str]| {
        let mut products = products();
        products["shop.sales"]["order_by"] = json!(columns);
        products
    };
    world.apply(order_by(&["amount"]), policies()).await.unwrap();
    assert_eq!(world.get("alice", &declared).await.code(), is(400, "invalid-cursor"));
    // What decides about no row behind the columns that were asked for changes nothing.
    world.apply(order_by(&["id", "secret", "day"]), policies()).await.unwrap();
    assert_eq!(world.get("alice", &asked).await.json()["row_count"], 3);
    world.apply(products(), policies()).await.unwrap();
    assert_eq!(world.get("alice", &declared).await.json()["row_count"], 3);
}

/// P7: a filter, an order and a cursor see what their asker sees.
#[tokio::test(flavor = "multi_thread")]
async fn p7_what_is_hidden_decides_nothing() {
    let world = World::new().await;
    let rows = world.rows("bob", &[]).await.json();
    let ids: Vec<_> = rows["rows"].as_array().unwrap().iter().map(|row| &row["id"]).collect();
    assert_eq!(ids, [3, 3, 5, 5, 1], "rows of the EU, by day");
    assert_eq!(rows["rows"][4]["mail"], "***one.org");
    assert!(rows["resolved"].get("version_id").is_none());
    assert!(!rows.to_string().contains("secret"), "{rows}");
    // By what is seen: the raw value is found by nobody.
    let count =
        async |query: &[(&str, &str)]| world.rows("bob", query).await.json()["row_count"].clone();
    assert_eq!(count(&[("mail", "ann@one.org")]).await, 0);
    assert_eq!(count(&[("mail.lt", "b")]).await, 3, "`***` comes before every letter");
    assert_eq!(count(&[("mail", "***one.org")]).await, 2);
    assert_eq!(count(&[("mail.in", "***two.org,ann@one.org")]).await, 1);
    assert_eq!(count(&[("region.ne", "EU")]).await, 0);
    assert_eq!(count(&[("id", "2")]).await, 0);
    let ordered = world.rows("bob", &[("order", "-mail"), ("limit", "1")]).await.json();
    assert_eq!(ordered["rows"][0]["mail"], "***two.org");
    // A hidden column is one that is not there, in the same words.
    for query in [
        [("secret", "s-one")],
        [("secret.null", "false")],
        [("secret.like", "s")],
        [("select", "secret")],
        [("order", "-secret")],
    ] {
        let there = world.rows("bob", &query).await;
        let [(name, value)] = query;
        let other = |text: &str| text.replace("secret", "nosuch");
        let not_there = world.rows("bob", &[(&other(name), &other(value))]).await;
        assert_eq!(there.code(), is(400, "unknown-column"), "{query:?}");
        let words = |answer: &Answer| {
            let problem = answer.problem();
            format!("{} {:?}", other(&problem.detail), problem.hint)
        };
        assert_eq!(words(&there), words(&not_there), "{query:?}");
        assert!(!words(&there).contains("`secret`"));
    }
    let digest = "0".repeat(8);
    let by_digest = world.rows("bob", &[("at", &format!("b3:{digest}"))]).await;
    assert_eq!(by_digest.code(), is(404, "not-found"));
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_come_in_every_format() {
    let world = World::new().await;
    let asked = path(&[("select", "id,mail"), ("id.le", "2"), ("order", "id")]);
    let answers = async |accept: &str| {
        let accept = format!("accept: {accept}");
        let answer = call(&world.door("alice"), "GET", &asked, &[&accept], "").await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("lakebed-version"), "1", "{accept}");
        answer
    };
    let csv = answers("text/csv").await;
    assert_eq!(csv.text(), "id,mail\r\n1,ann@one.org\r\n2,bob@one.org\r\n");
    let lines = answers("application/x-ndjson").await;
    assert_eq!(
        lines.text(),
        "{\"id\":1,\"mail\":\"ann@one.org\"}\n{\"id\":2,\"mail\":\"bob@one.org\"}\n"
    );
    let arrow = answers("application/vnd.apache.arrow.stream").await;
    let read = arrow::ipc::reader::StreamReader::try_new(arrow.body.as_ref(), None).unwrap();
    assert_eq!(read.map(|batch| batch.unwrap().num_rows()).sum::<usize>(), 2);
    assert_eq!(answers("application/vnd.apache.parquet").await.body[..4], *b"PAR1");
    let json = answers("application/json").await.json();
    assert_eq!(
        json["rows"],
        json!([{"id": 1, "mail": "ann@one.org"}, {"id": 2, "mail": "bob@one.org"}])
    );
    let refused = call(&world.door("alice"), "GET", &asked, &["accept: text/html"], "").await;
    assert_eq!(refused.code(), is(406, "not-acceptable"));
    let long = world.rows("alice", &[("id", "1"), ("int64", "string")]).await.json();
    assert_eq!((&long["rows"][0]["id"], &long["rows"][0]["limit"]), (&json!("1"), &json!(7)));
    let next = world.rows("alice", &[("int64", "string"), ("limit", "1")]).await.json();
    assert!(next["next"].as_str().unwrap().contains("int64=string"));
}

#[tokio::test(flavor = "multi_thread")]
async fn declared_queries_are_endpoints() {
    let world = World::new().await;
    let at = |query: &str| format!("/v1/products/shop/sales/queries/{query}");
    let rows =
        async |who: &str, query: &str| world.get(who, &at(query)).await.json()["rows"].clone();
    assert_eq!(rows("alice", "by_region?region=EU").await, json!([["EU", 5]]));
    assert_eq!(rows("alice", "by_region?region=EU&least=4").await, json!([["EU", 2]]));
    assert_eq!(rows("alice", "by_region?region=US").await, json!([["US", 1]]));
    assert_eq!(rows("bob", "by_region?region=US").await, json!([]), "as they may see it");
    assert_eq!(rows("alice", "by_region?region=EU'--").await, json!([]));
    let answer = world.get("alice", &at("by_region?region=EU")).await;
    assert_eq!((answer.header("lakebed-version"), answer.header("lakebed-stale")), ("1", "false"));
    for (query, code) in [
        ("by_region", (400, "invalid-query")),
        ("by_region?region=EU&region=US", (400, "invalid-query")),
        ("by_region?region=EU&x=1", (400, "invalid-query")),
        ("by_region?region=EU&least=x", (400, "invalid-value")),
        ("nope", (404, "not-found")),
    ] {
        let answer = world.get("alice", &at(query)).await;
        assert_eq!(answer.code(), is(code.0, code.1), "{query}");
    }
    // Its statement names what bob may not know of.
    assert_eq!(rows("alice", "secrets").await.as_array().unwrap().len(), 7);
    let refused = world.get("bob", &at("secrets")).await;
    assert_eq!(refused.code(), is(403, "forbidden"));
    assert!(!refused.text().contains("`secret`"), "{}", refused.text());

    let with = |query: Value| {
        let mut products = products();
        products["shop.sales"]["queries"]["by_region"] = query;
        products
    };
    let declare = |sql: &str, parameters: Value| {
        with(json!({ "purpose": "x", "sql": sql, "parameters": parameters }))
    };
    let region = || json!({ "region": { "type": "string" } });
    for (products, word) in [
        (declare("SELECT 1 FROM raw.sales", json!({})), "it reads `raw.sales`"),
        (declare("DROP TABLE shop.sales", json!({})), "not allowed"),
        (declare("SELECT 1 FROM system.events", json!({})), "tables of the system"),
        (declare("SELECT 1 FROM shop.sales WHERE id = $id", region()), "`$id`"),
        (declare("SELECT 1 FROM shop.sales", region()), "`region`"),
        (
            declare("SELECT $a FROM shop.sales", json!({"a": {"type": "long", "default": "x"}})),
            "default",
        ),
        (declare("SELECT $a FROM shop.sales", json!({"a": {"type": "binary"}})), "`binary`"),
    ] {
        let refused = world.apply(products, policies()).await.unwrap_err().to_string();
        assert!(refused.contains("by_region") && refused.contains(word), "{word}: {refused}");
    }
}

/// P7: a value that a query has no answer to is blamed on no policy, and the engine's words for it may tell
/// of the statement. What a policy keeps is for no value.
#[tokio::test(flavor = "multi_thread")]
async fn p7_a_wrong_value_is_not_blamed_on_a_policy() {
    let world = World::new().await;
    let number = || json!({ "n": { "type": "long" } });
    let query = |sql: &str| json!({ "purpose": "x", "sql": sql, "parameters": number() });
    let mut products = products();
    let queries = &mut products["shop.sales"]["queries"];
    queries["some"] = query("SELECT id FROM shop.sales ORDER BY id LIMIT $n");
    queries["hidden"] = query("SELECT secret FROM shop.sales LIMIT $n");
    world.apply(products, policies()).await.unwrap();
    let ask = async |who: &str, query: &str| {
        world.get(who, &format!("/v1/products/shop/sales/queries/{query}")).await
    };
    for who in ["alice", "bob"] {
        let rows = ask(who, "some?n=3").await.json()["rows"].clone();
        assert_eq!(rows.as_array().unwrap().len(), 3, "{who}");
    }
    let hers = ask("alice", "some?n=-1").await;
    assert_eq!(hers.status, 400);
    assert!(hers.text().contains("LIMIT"), "{}", hers.text());
    let his = ask("bob", "some?n=-1").await;
    assert_eq!(his.code(), is(400, "invalid-value"));
    assert!(!his.text().contains("LIMIT") && !his.text().contains("policy"), "{}", his.text());
    for query in ["hidden?n=3", "hidden?n=-1"] {
        let refused = ask("bob", query).await;
        assert_eq!(refused.code(), is(403, "forbidden"), "{query}");
        assert!(!refused.text().contains("secret"), "{}", refused.text());
    }
}

/// A value has exactly the type of its parameter, wherever it stands in the statement.
#[tokio::test(flavor = "multi_thread")]
async fn values_of_declared_queries_have_their_types() {
    let world = World::new().await;
    let ask = async |sql: &str, parameters: Value, query: &str| {
        let mut products = products();
        products["shop.sales"]["queries"]["by_region"] =
            json!({ "purpose": "x", "sql": sql, "parameters": parameters });
        world.apply(products, policies()).await.unwrap();
        let path = format!("/v1/products/shop/sales/queries/by_region?{query}");
        let answer = world.get("alice", &path).await;
        assert_eq!(answer.status, 200, "{sql}: {}", answer.text());
        answer.json()["rows"].clone()
    };
    let less = "SELECT count(*) FROM shop.sales WHERE $lo < $hi";
    for (data_type, lo, hi) in [
        ("decimal(9,2)", "9.5", "10"),
        ("int", "9", "10"),
        ("double", "9.5", "10"),
        ("double", "Infinity", "NaN"),
        ("date", "2024-01-09", "2024-01-10"),
        ("time", "09:30", "10:00"),
        ("timestamp", "0099-01-01T00:00:00", "9999-01-01T00:00:00"),
        ("timestamptz", "2024-01-01T10:00:00%2B02:00", "2024-01-01T09:00:00Z"),
    ] {
        let parameters = || json!({ "lo": { "type": data_type }, "hi": { "type": data_type } });
        let rows = ask(less, parameters(), &format!("lo={lo}&hi={hi}")).await;
        assert_eq!(rows, json!([[7]]), "{data_type}: {lo} < {hi}");
        let rows = ask(less, parameters(), &format!("lo={hi}&hi={lo}")).await;
        assert_eq!(rows, json!([[0]]), "{data_type}: {hi} < {lo}");
    }
    let amounts = "SELECT amount * $rate FROM shop.sales WHERE id = 1";
    let rate = || json!({ "rate": { "type": "decimal(5,4)", "required": true } });
    assert_eq!(ask(amounts, rate(), "rate=0.25").await, json!([["2.625000"]]));
    let day = || json!({ "day": { "type": "date", "required": true } });
    let until = "SELECT count(*) FROM shop.sales WHERE day < $day + INTERVAL '1' DAY";
    assert_eq!(ask(until, day(), "day=2024-01-01").await, json!([[4]]));
    let since = "SELECT CAST(day - $day AS VARCHAR) FROM shop.sales WHERE id = 2";
    let rows = ask(since, day(), "day=2024-02-27").await;
    assert!(rows[0][0].as_str().unwrap().contains('2'), "{rows}");
    // Where it stands is told by bytes, and only where it stands for a value.
    let odd = "-- ä $day\n  SELECT 'ö $day' AS \"$day ü\", /* ß */ $day\r\n, $day = day\n\
        FROM shop.sales WHERE id = 1 AND region = $region LIMIT $rows";
    let parameters = json!({
        "day": { "type": "date" }, "region": { "type": "string" }, "rows": { "type": "int" },
    });
    let rows = ask(odd, parameters, "day=2024-01-01&region=EU&rows=1").await;
    assert_eq!(rows, json!([["ö $day", "2024-01-01", true]]));
    let bare = "SELECT CAST(TIMESTAMP $at + INTERVAL $days AS VARCHAR), date_trunc($unit, sold_at) \
        FROM shop.sales WHERE id = 1";
    let parameters = ["at", "days", "unit"]
        .map(|name| (name.to_owned(), json!({ "type": "string", "required": true })));
    let parameters = Value::Object(parameters.into_iter().collect());
    let query = "at=2024-01-01T00:00:00&days=2%20days&unit=year";
    let rows = ask(bare, parameters, query).await;
    assert_eq!(rows[0][1], "2024-01-01T00:00:00Z", "{rows}");
    // The same with a value and without one.
    let types = [
        ("boolean", "true", "Boolean"),
        ("int", "1", "Int32"),
        ("long", "1", "Int64"),
        ("float", "1.5", "Float32"),
        ("double", "1", "Float64"),
        ("decimal(9,2)", "1", "Decimal128(9, 2)"),
        ("date", "2024-01-01", "Date32"),
        ("time", "09:30", "Time64(µs)"),
        ("timestamp", "2024-01-01T00:00:00", "Timestamp(µs)"),
        ("timestamptz", "2024-01-01T00:00:00Z", "Timestamp(µs, \"UTC\")"),
    ];
    for (data_type, value, expected) in types {
        let sql = "SELECT arrow_typeof($x), $x IS NULL FROM shop.sales WHERE id = 1";
        let parameters = || json!({ "x": { "type": data_type } });
        let rows = ask(sql, parameters(), &format!("x={value}")).await;
        assert_eq!(rows, json!([[expected, false]]), "{data_type}");
        assert_eq!(ask(sql, parameters(), "").await, json!([[expected, true]]), "{data_type}");
    }
}

/// Times are times in whatever unit a function counts them: files that count in others do not make numbers of
/// them. What would lose digits is refused, served live or built.
#[tokio::test(flavor = "multi_thread")]
async fn times_stay_what_they_are() {
    let world = World::new().await;
    let whole = "SELECT to_timestamp_seconds(id) AS a, CAST('2024-01-01' AS TIMESTAMP(0)) AS b, \
        [to_timestamp_seconds(id)] AS c, named_struct('d', to_timestamp_seconds(id)) AS d, \
        to_timestamp_nanos(1000) AS e FROM raw.sales WHERE id = 1";
    let second = "1970-01-01T00:00:01Z";
    let expected = json!([{ "a": second, "b": "2024-01-01T00:00:00", "c": [second],
        "d": { "d": second }, "e": "1970-01-01T00:00:00.000001Z" }]);
    for served in ["live", "materialized"] {
        world.apply(product_of(whole, served), json!([])).await.unwrap();
        if served == "materialized" {
            world.build().await;
        }
        let answer = world.rows("alice", &[("a.ge", "1970-01-01T00:00:01")]).await;
        assert_eq!(answer.json()["rows"], expected, "{served}");
    }
    for lost in ["to_timestamp_nanos(id)", "[to_timestamp_nanos(id)]"] {
        let lost = format!("SELECT {lost} AS t FROM raw.sales");
        world.apply(product_of(&lost, "live"), json!([])).await.unwrap();
        let answer = world.rows("alice", &[]).await;
        assert_eq!(answer.code(), is(422, "sql-failed"), "{lost}");
        assert!(
            answer.text().contains("column `t` holds fractions of a microsecond"),
            "{}",
            answer.text()
        );
        world.apply(product_of(&lost, "materialized"), json!([])).await.unwrap();
        let headers = ["content-type: application/json"];
        let carol = world.door("carol");
        let built = call(&carol, "POST", "/v1/products/shop/sales/builds", &headers, "{}").await;
        assert!(
            built.text().contains("fractions of a microsecond")
                && built.text().contains("cast it in the statement"),
            "{}",
            built.text()
        );
    }
}

/// Whoever sees no column of a product is told how many rows there are, as SQL tells.
#[tokio::test(flavor = "multi_thread")]
async fn p7_rows_without_columns_are_rows() {
    let world = World::new().await;
    let on = json!({ "dataset": "shop.sales" });
    let hide = json!([{ "name": "all", "on": on, "columns": ["secret"], "hide": true,
        "except": ["carol", "alice"] }]);
    for served in ["live", "materialized"] {
        let products = product_of("SELECT secret FROM raw.sales", served);
        world.apply(products, hide.clone()).await.unwrap();
        if served == "materialized" {
            world.build().await;
        }
        let answer = world.rows("bob", &[("limit", "3")]).await.json();
        assert_eq!(answer["rows"], json!([{}, {}, {}]), "{served}");
        assert!(answer["next"].is_string(), "{served}");
    }
}

/// What decides whether a version is stale is what is declared and what its inputs mean, however it is
/// served, and whoever asked before. Where that is not known nothing is said.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_served_live_is_stale_where_it_is_pinned() {
    let world = World::new().await;
    let stale = async |who: &str, query: &[(&str, &str)]| {
        let rows = world.rows(who, query).await;
        (rows.header("lakebed-stale").to_owned(), rows.header("lakebed-stale-because").to_owned())
    };
    let is = |stale: &str, because: &str| (stale.to_owned(), because.to_owned());
    let live = |sql: &str| product_of(sql, "live");
    world.apply(live("SELECT id FROM raw.sales"), json!([])).await.unwrap();
    assert_eq!(stale("alice", &[]).await, is("false", ""));
    world.apply(live("SELECT id + 100 AS id FROM raw.sales"), json!([])).await.unwrap();
    for version in ["1", "2"] {
        assert_eq!(stale("alice", &[("version", version)]).await, is("true", "statement"));
    }
    let product = world.get("alice", "/v1/products/shop/sales").await.json();
    assert_eq!(product["stale"], json!([]), "whoever asks has it made anew");
    assert_eq!(stale("alice", &[]).await, is("false", ""));

    // Built of what is live: who may not read that cannot know whether it has moved.
    let mut both = live("SELECT id FROM raw.sales");
    both["shop.low"] = both["shop.sales"].clone();
    both["shop.sales"]["sql"] = json!("SELECT id FROM shop.low");
    both["shop.sales"]["served"] = json!("materialized");
    let mut grants: Vec<Value> = serde_json::from_str(GRANTS).unwrap();
    let dataset = json!({ "dataset": "shop.sales" });
    grants.push(
        json!({ "to": "dora", "may": ["read", "ingest"], "on": dataset, "from_stage": "raw" }),
    );
    grants.push(json!({ "to": "dora", "may": ["discover"], "on": "lake", "from_stage": "raw" }));
    world.apply_with(Value::from(grants), both.clone(), json!([])).await.unwrap();
    world.build().await;
    assert_eq!(stale("alice", &[]).await, is("false", ""));
    world.ingest(&SALES.replace("1,EU", "0,EU")).await;
    assert_eq!(stale("dora", &[]).await, is("", ""));
    assert_eq!(stale("alice", &[]).await, is("true", "inputs"));
    assert_eq!(stale("dora", &[]).await, is("true", "inputs"), "by now that is on record");
    world.build().await;
    let other = DecodeOptions::default();
    let mode = IngestMode::Replace;
    world.test.ingest_with("raw.other", "other.csv", "x\n1\n", mode, other).await.unwrap();
    both["shop.low"]["sql"] = json!("SELECT nope AS id FROM raw.other");
    world.apply(both, json!([])).await.unwrap();
    assert_eq!(stale("alice", &[]).await, is("", ""), "its input cannot be computed");
}

/// A version that no statement made is not what a product declares.
#[tokio::test(flavor = "multi_thread")]
async fn what_no_statement_made_is_stale() {
    let world = World::new().await;
    let (mode, options) = (IngestMode::Replace, DecodeOptions::default());
    world.test.ingest_with("shop.before", "z.csv", "z\n7\n", mode, options).await.unwrap();
    let mut products = product_of("SELECT id FROM raw.sales", "materialized");
    products["shop.before"] = products["shop.sales"].clone();
    world.apply(products, json!([])).await.unwrap();
    let rows = world.get("alice", "/v1/products/shop/before/rows").await;
    let told = (rows.header("lakebed-stale"), rows.header("lakebed-stale-because"));
    assert_eq!((told, rows.json()["rows"].clone()), (("true", "statement"), json!([{ "z": 7 }])));
}

/// Who may not know of all inputs is not told that none has moved: they would hear it for ever.
#[tokio::test(flavor = "multi_thread")]
async fn p7_that_nothing_is_stale_is_said_to_those_who_may_know() {
    let world = World::new().await;
    let grant = |to: &str, may: Value, on: Value| json!({ "to": to, "may": may, "on": on, "from_stage": "raw" });
    let shop = || json!({ "namespace": "shop" });
    let mut grants: Vec<Value> = serde_json::from_str(GRANTS).unwrap();
    // All of them may build it; inputs are known to nobody, by name, and whole.
    grants.push(grant("blind", json!(["read", "ingest"]), shop()));
    grants.push(grant("knows", json!(["read", "ingest"]), shop()));
    grants.push(grant("knows", json!(["discover"]), json!({ "namespace": "raw" })));
    world.apply_with(Value::from(grants), products(), json!([])).await.unwrap();
    let told = async |who: &str| {
        let rows = world.rows(who, &[]).await;
        let header = rows.header("lakebed-stale").to_owned();
        let because = rows.header("lakebed-stale-because").to_owned();
        assert_eq!(
            rows.json()["stale"].as_bool().map_or(String::new(), |stale| stale.to_string()),
            header
        );
        let product = world.get(who, "/v1/products/shop/sales").await.json();
        assert_eq!(product.get("stale").is_none(), header.is_empty(), "{who}: {product}");
        (header, because)
    };
    let is = |header: &str, because: &str| (header.to_owned(), because.to_owned());
    for who in ["alice", "knows"] {
        assert_eq!(told(who).await, is("false", ""), "{who}");
    }
    assert_eq!(told("blind").await, is("", ""));
    world.ingest(&SALES.replace("s-one", "s-new")).await;
    for who in ["alice", "knows"] {
        assert_eq!(told(who).await, is("true", "inputs"), "{who}");
    }
    assert_eq!(told("blind").await, is("", ""));
}

/// A product that was declared is there, and says how it comes to have rows; to nobody else.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_built_yet_says_so() {
    let world = World::new().await;
    let mut products = products();
    products["shop.later"] = products["shop.sales"].clone();
    products["shop.later"]["queries"] = json!({ "all": {
        "purpose": "x", "sql": "SELECT * FROM shop.later",
    }});
    world.apply(products, json!([])).await.unwrap();
    let below = ["rows", "rows?version=1", "openapi.json", "queries/all"];
    for (who, below) in ["alice", "bob", "gus"].iter().flat_map(|who| below.map(|at| (who, at))) {
        let answer = world.get(who, &format!("/v1/products/shop/later/{below}")).await;
        assert_eq!(answer.code(), is(404, "not-found"), "{who}: {below}");
        let problem = answer.problem();
        assert_eq!(problem.detail, "`shop.later` is declared, and was not built yet", "{below}");
        let hint = problem.hint.unwrap_or_default();
        assert!(hint.contains("`lakebed build shop.later`"), "{below}: {hint}");
    }
    let ask = async |who: &str, sql: &str| {
        let (door, headers) = (world.door(who), ["content-type: text/plain"]);
        call(&door, "POST", "/v1/sql", &headers, sql.to_owned()).await.problem()
    };
    let sql = "SELECT * FROM shop.later";
    for who in ["alice", "bob", "gus"] {
        let asked = ask(who, sql).await;
        let is_there = "`shop.later` is declared, and was not built yet";
        assert_eq!((asked.status, asked.detail.as_str()), (404, is_there), "{who}");
    }
    let (there, nothing) =
        (ask("stranger", sql).await, ask("stranger", "SELECT * FROM shop.nosuch").await);
    assert_eq!(there.detail.replace("later", "nosuch"), nothing.detail);
    assert_eq!((there.code, there.hint), (nothing.code, nothing.hint));
    // Others hear what they hear of one that is not there.
    for below in below {
        let words = async |name: &str| {
            let answer = world.get("stranger", &format!("/v1/products/shop/{name}/{below}")).await;
            let problem = answer.problem();
            (problem.status, problem.code, problem.detail.replace(name, "x"), problem.hint)
        };
        assert_eq!(words("later").await, words("nosuch").await, "{below}");
    }
}

/// Whoever reads a product that ends is told, and led to what comes after it: to what they may know of.
#[tokio::test(flavor = "multi_thread")]
async fn a_product_that_ends_leads_to_its_successor() {
    let world = with_times().await;
    let ends = async |dataset: &str, successor: &str| {
        let owner = router(AppState::new(world.test.lake.clone(), Access::Local));
        let asked = json!({
            "dataset": dataset, "sunset_at": "2099-01-01T00:00:00Z", "successor": successor,
        });
        let headers = ["content-type: application/json"];
        call(&owner, "POST", "/v1/deprecations", &headers, asked.to_string()).await.json();
    };
    ends("shop.sales", "shop.times").await;
    ends("shop.times", "raw.times").await;
    let links = |answer: &Answer| -> Vec<String> {
        let links = answer.headers.get_all("link").iter();
        links.map(|link| link.to_str().unwrap().to_owned()).collect()
    };
    let successor = "</v1/products/shop/times>; rel=\"successor-version\"";
    let page = world.rows("bob", &[("limit", "1")]).await;
    let next = format!("<{}>; rel=\"next\"", page.json()["next"].as_str().unwrap());
    assert_eq!(links(&page), [next.as_str(), successor], "one does not take the other's place");
    let query = "/v1/products/shop/sales/queries/by_region?region=EU";
    for path in ["/v1/products/shop/sales", query] {
        let answer = world.get("bob", path).await;
        assert_eq!(links(&answer), [successor], "{path}");
        assert!(answer.header("deprecation").starts_with('@'), "{path}");
        assert_eq!(answer.header("sunset"), "Thu, 01 Jan 2099 00:00:00 GMT", "{path}");
    }
    let product = world.get("bob", "/v1/products/shop/sales").await.json();
    assert_eq!(product["notice"]["successor"], "shop.times", "{product}");
    let document = world.get("bob", "/v1/products/shop/sales/openapi.json").await.json();
    for (path, item) in document["paths"].as_object().unwrap() {
        assert_eq!(item["get"]["deprecated"], true, "{path}");
        let link = &item["get"]["responses"]["200"]["headers"]["Link"];
        assert!(link.to_string().contains("shop.times"), "{path}: {link}");
    }
    // Bob may not know of what comes after that; alice may, and it is no product.
    let after = "</v1/datasets/raw/times>; rel=\"successor-version\"";
    let at = "/v1/products/shop/times";
    for below in ["", "/rows", "/openapi.json"] {
        let theirs = world.get("bob", &format!("{at}{below}")).await;
        assert!(links(&theirs).is_empty() && !theirs.text().contains("raw"), "{below}");
        let hers = world.get("alice", &format!("{at}{below}")).await;
        let expected: &[&str] = if below == "/openapi.json" { &[] } else { &[after] };
        assert_eq!(links(&hers), expected, "{below}");
    }
    let theirs = world.get("bob", at).await.json();
    assert!(theirs["notice"]["sunset_at"].is_string(), "that it ends they are told: {theirs}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_names_what_its_reader_may_ask() {
    let world = World::new().await;
    let at = "/v1/products/shop/sales/openapi.json";
    let document = world.get("alice", at).await.json();
    assert_eq!(
        (&document["openapi"], &document["info"]["title"]),
        (&json!("3.1.0"), &json!("shop.sales"))
    );
    let names = |document: &Value| -> BTreeSet<String> {
        let parameters = document["paths"][ROWS]["get"]["parameters"].as_array().unwrap().iter();
        parameters.map(|parameter| parameter["name"].as_str().unwrap().to_owned()).collect()
    };
    let row = &document["components"]["schemas"]["Row"]["properties"];
    assert_eq!(row["amount"], json!({ "type": ["string", "null"], "format": "decimal" }));
    assert_eq!(row["id"]["type"], json!(["integer", "string", "null"]));
    let query = &document["paths"]["/v1/products/shop/sales/queries/by_region"]["get"];
    let parameters = json!([
        { "name": "least", "in": "query", "description": "The first id", "required": false,
          "schema": { "type": "integer", "format": "int64", "default": 0 } },
        { "name": "region", "in": "query", "description": "region", "required": true,
          "schema": { "type": "string" } },
    ]);
    let (own, int64) = (2, &query["parameters"][2]);
    assert_eq!(Value::from(query["parameters"].as_array().unwrap()[..own].to_vec()), parameters);
    assert_eq!(
        (&int64["name"], &int64["schema"]["enum"]),
        (&json!("int64"), &json!(["number", "string"]))
    );
    let header =
        |path: &str| document["paths"][path]["get"]["responses"]["200"]["headers"]["Link"].clone();
    assert!(header(ROWS).is_object());
    assert_eq!(header("/v1/products/shop/sales/queries/by_region"), Value::Null, "it has one page");
    // Everything that it names can be asked.
    let values =
        [("day", "2024-01-01"), ("sold_at", "2024-01-01"), ("paid", "true"), ("version", "1")];
    for name in names(&document) {
        let column = name.split('.').next().unwrap();
        let value = match values.iter().find(|(of, _)| *of == column) {
            _ if name.ends_with(".null") => "true",
            Some((_, value)) => value,
            None if name == "at" => "v1",
            None if ["select", "order"].contains(&name.as_str()) => "id",
            None if name == "cursor" => continue,
            None if name == "int64" => "string",
            None => "1",
        };
        assert_eq!(world.rows("alice", &[(&name, value)]).await.status, 200, "{name}");
    }
    let theirs = world.get("bob", at).await.json();
    let hidden: BTreeSet<_> = names(&document).difference(&names(&theirs)).cloned().collect();
    assert!(hidden.iter().all(|name| name.starts_with("secret")) && hidden.len() > 5, "{hidden:?}");
    // A query that names what bob may not know of has no answer for him, so there is none.
    let paths: Vec<_> = theirs["paths"].as_object().unwrap().keys().collect();
    assert_eq!(paths, ["/v1/products/shop/sales/queries/by_region", ROWS]);
    assert!(!theirs.to_string().contains("secret"), "{theirs}");
    assert!(!theirs.to_string().contains("SELECT"));
    assert_eq!(world.get("stranger", at).await.code(), is(404, "not-found"));
    assert_eq!(world.get("gus", at).await.code(), is(403, "forbidden"));
    insta::assert_json_snapshot!(document);
}

/// Before the first build there is nothing to be led to but builds.
#[tokio::test(flavor = "multi_thread")]
async fn a_product_that_was_never_built_leads_to_no_rows() {
    let world = World::new().await;
    let mut products = products();
    products["shop.later"] = json!({
        "owner": "carol", "purpose": "What comes later", "input_stage": "raw",
        "sql": "SELECT id FROM raw.sales",
    });
    world.apply(products, json!([])).await.unwrap();
    let at = "/v1/products/shop/later";
    let linked = async || {
        let product = world.get("carol", at).await.json();
        let list = world.get("carol", "/v1/products").await.json();
        assert_eq!(list["products"][0]["product"], "shop.later");
        assert_eq!(list["products"][0]["links"], product["links"]);
        let mut names = Vec::new();
        for (name, path) in product["links"].as_object().unwrap() {
            let answer = world.get("carol", path.as_str().unwrap()).await;
            assert_eq!(answer.status, 200, "{name}: {path}");
            names.push(name.clone());
        }
        names.sort();
        names
    };
    assert_eq!(linked().await, ["builds", "self"]);
    let headers = ["content-type: application/json"];
    let built = call(&world.door("carol"), "POST", &format!("{at}/builds"), &headers, "{}").await;
    built.json();
    let all = ["builds", "dataset", "newest", "openapi", "rows", "self", "versions"];
    assert_eq!(linked().await, all);
    // Whoever may only know of it is led to nothing that is refused.
    let product = world.get("gus", at).await.json();
    let names: Vec<_> = product["links"].as_object().unwrap().keys().collect();
    assert_eq!(names, ["builds", "dataset", "self", "versions"]);
}

/// From a product to the bytes that came: every address is one that an answer gave.
#[tokio::test(flavor = "multi_thread")]
async fn links_lead_from_a_product_to_the_original() {
    let world = World::new().await;
    let list = world.get("alice", "/v1/products").await.json();
    let product = world.get("alice", list["products"][0]["links"]["self"].as_str().unwrap()).await;
    let product = product.json();
    let version = world.get("alice", product["links"]["newest"].as_str().unwrap()).await.json();
    let input = version["inputs"][0]["links"]["version"].as_str().unwrap();
    let input = world.get("alice", input).await.json();
    let original = input["version"]["sources"][0]["url"].as_str().unwrap();
    assert_eq!(world.get("alice", original).await.text(), SALES);
    for resource in [&product, &version, &input] {
        for (name, path) in resource["links"].as_object().unwrap() {
            let answer = world.get("alice", path.as_str().unwrap()).await;
            assert_eq!(answer.status, 200, "{name}: {path}");
            if name != "self"
                && let Some(links) = answer.json().get("links")
            {
                for (name, path) in links.as_object().unwrap() {
                    let answer = world.get("alice", path.as_str().unwrap()).await;
                    assert_eq!(answer.status, 200, "{name}: {path}");
                }
            }
        }
    }
    // Nobody is led to what is not for them.
    let theirs = world.get("bob", "/v1/products/shop/sales").await.json();
    assert!(theirs["links"].get("newest").is_none(), "{theirs}");
    for (name, path) in theirs["links"].as_object().unwrap() {
        let answer = world.get("bob", path.as_str().unwrap()).await;
        assert_eq!(answer.status, 200, "{name}: {path}");
    }
}

/// Builds that became jobs are told to whoever asked for them, with what came of them.
#[tokio::test(flavor = "multi_thread")]
async fn builds_are_listed_with_what_came_of_them() {
    let world = World::new().await;
    let builds = "/v1/products/shop/sales/builds";
    assert_eq!(world.get("carol", builds).await.json(), json!({ "builds": [] }));
    let door = world.door("carol");
    let headers = ["content-type: application/json", "prefer: respond-async"];
    let asked = call(&door, "POST", builds, &headers, "{}").await;
    assert_eq!(asked.status, 202, "{}", asked.text());
    let events = serde_json::from_str::<Value>(asked.text()).unwrap()["links"]["events"].clone();
    // They end with the job.
    call(&door, "GET", events.as_str().unwrap(), &[], "").await;
    let listed = call(&door, "GET", builds, &[], "").await.json();
    let job = &listed["builds"][0];
    assert_eq!((&job["kind"], &job["state"]), (&json!("build"), &json!("done")), "{job}");
    assert_eq!(job["result"]["status"], "unchanged", "what came of it is told");
    let itself = call(&door, "GET", job["links"]["self"].as_str().unwrap(), &[], "").await.json();
    assert_eq!(itself, *job);
    assert_eq!(world.get("alice", builds).await.json(), json!({ "builds": [] }));
    assert_eq!(world.get("stranger", builds).await.code(), is(404, "not-found"));
}

//! A client that others' generator makes of a product's OpenAPI document, calling a running server.
//!
//! `cargo xtask test` installs openapi-python-client and says where it is; a plain `cargo test` says that
//! it leaves this out.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use crate::{served::Served, world::World};

const GRANTS: &str = "\
grants:
  - { to: carol, may: [read, ingest], on: lake }
  - { to: alice, may: [read], on: { namespace: products } }
";

const ORDERS: &str = "\
order,region,amount,rate
1,EU,10,0.1
2,US,20,0.2
3,EU,30,0.3
4,APAC,50,0.7
5,US,,0.25
6,,5,
";

const BY_REGION: &str = "\
owner: carol
purpose: What every region orders
input_stage: raw
sql: |
  SELECT region, count(*) AS orders, sum(amount) AS amount, avg(rate) AS rate
  FROM sales.orders GROUP BY region
order_by: [region]
queries:
  above:
    purpose: Regions that order more than so much
    sql: SELECT region, amount FROM products.by_region WHERE amount > $least ORDER BY region
    parameters: { least: { type: long, required: true } }
";

/// What somebody writes who has the generated client, and nothing else.
const CALLS: &str = r#"
import datetime
import sys
from urllib.parse import parse_qs, urlsplit

from client import AuthenticatedClient
from client.api.default import query_above, rows
from client.models.problem import Problem

client = AuthenticatedClient(base_url=sys.argv[1], token=sys.argv[2], raise_on_unexpected_status=True)


def cursor_of(page):
    return parse_qs(urlsplit(page.next_).query)["cursor"][0]


# Every page of a filter on a typed column, one row each.
pages, more = [], {}
while True:
    page = rows.sync(client=client, amount_ge=20, order="-amount", limit=1, **more)
    pages.append(page)
    if not page.next_:
        break
    more = {"cursor": cursor_of(page)}
told = [(row.region, row.orders, row.amount, row.rate) for page in pages for row in page.rows]
assert told == [("APAC", 1, 50, 0.7), ("EU", 2, 40, 0.2), ("US", 2, 20, 0.225)], told
assert [page.row_count for page in pages] == [1, 1, 1]
assert {page.resolved.version for page in pages} == {1}
assert all(isinstance(page.as_of, datetime.datetime) for page in pages)

# Null is None, and can be asked for.
[nowhere] = rows.sync(client=client, region_null=True).rows
assert (nowhere.region, nowhere.amount, nowhere.rate) == (None, 5, None), nowhere

# A query that is declared, with its parameter.
answer = query_above.sync(client=client, least=20)
assert answer.rows == [["APAC", 50], ["EU", 40]], answer.rows
assert [column.name for column in answer.columns] == ["region", "amount"]

# What is wrong is a problem, read into its model.
problem = rows.sync(client=client, cursor="nonsense")
assert isinstance(problem, Problem) and problem.code == "invalid-cursor", problem
stranger = AuthenticatedClient(base_url=sys.argv[1], token="nobody")
problem = rows.sync(client=stranger)
assert isinstance(problem, Problem) and problem.status == 401, problem
print("all of it")
"#;

#[test]
fn a_generated_client_reads_a_product() {
    let Some(generator) = std::env::var_os("LAKEBED_TEST_OPENAPI_CLIENT").map(PathBuf::from) else {
        eprintln!("left out: openapi-python-client; `cargo xtask test` installs it");
        return;
    };
    let world = World::new();
    world.write("orders.csv", ORDERS);
    world.ok(&["ingest", "orders.csv", "--to", "sales.orders"]);
    world.write("catalog/grants.yaml", GRANTS);
    world.write("catalog/products/products/by_region.yaml", BY_REGION);
    world.ok(&["apply"]);
    world.ok(&["build", "products.by_region"]);
    let token = world.json(&["token", "create", "--for", "alice"]);
    let token = token["secret"].as_str().unwrap();
    let served = Served::start(&world, &["--auth", "required"]);
    let path = "/v1/products/products/by_region/openapi.json";
    let (status, document) = served.get_with(path, &format!("authorization: Bearer {token}\r\n"));
    assert_eq!(status, 200, "{document}");
    world.write("openapi.json", document);
    let mut generate = world.command_of(&generator);
    generate.args([
        "generate",
        "--path",
        "openapi.json",
        "--output-path",
        "client",
        "--meta",
        "none",
    ]);
    ran(&mut generate);
    world.write("calls.py", CALLS);
    let mut calls = world.command_of(beside(&generator, "python"));
    let told = ran(calls.args(["calls.py", &served.url, token]));
    assert_eq!(told, "all of it\n");
}

/// Another program of the same environment.
fn beside(program: &Path, name: &str) -> PathBuf {
    program.with_file_name(name)
}

/// What a command prints, which must succeed.
fn ran(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{told}\n{}", String::from_utf8_lossy(&output.stderr));
    told
}

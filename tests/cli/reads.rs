//! Reads on record, from outside: receipts, replays, and the tables that tell of them (P12).

use serde_json::Value;

use crate::world::World;

const GROUPS: &str = "\
groups:
  stewards: [carol]
principals:
  alice: { attributes: { region: EU } }
";

const GRANTS: &str = "\
grants:
  - { to: alice, may: [read], on: { namespace: crm } }
  - { to: group:stewards, may: [read], on: { namespace: crm } }
  - { to: ann, may: [audit], on: lake }
";

const POLICIES: &str = "\
policies:
  - { name: own-region, on: { dataset: crm.customers }, row_filter: region = principal.region, except: [group:stewards] }
  - { name: mask-email, on: { dataset: crm.customers }, columns: [email], mask: hash, except: [group:stewards] }
  - { name: no-salary, on: { dataset: crm.customers }, columns: [salary], hide: true, except: [group:stewards] }
";

const CUSTOMERS: &str = "\
id,region,email,salary
1,EU,ann@example.com,1000
2,US,bob@example.com,2000
3,EU,eve@example.org,3000
";

fn world() -> World {
    let world = World::new();
    world.write("customers.csv", CUSTOMERS);
    world.ok(&["ingest", "customers.csv", "--to", "crm.customers"]);
    world.write("catalog/groups.yaml", GROUPS);
    world.write("catalog/grants.yaml", GRANTS);
    world.write("catalog/policies/customers.yaml", POLICIES);
    world.ok(&["apply"]);
    world
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect(text)
}

fn receipt(world: &World, who: &str, sql: &str) -> Value {
    world.ok(&["sql", "--as", who, sql, "--receipt", "r.json"]);
    json(&world.read("r.json"))
}

fn verdict(world: &World, receipt: &str) -> (String, Option<i32>) {
    let ran = world.run(&["replay", "--as", "ann", receipt, "--json"]);
    (json(&ran.text())["verdict"].as_str().expect("a verdict").to_owned(), ran.code)
}

/// An answer can be had again for as long as its versions are there, whatever came since: other data,
/// other policies.
#[test]
fn an_answer_is_had_again_and_compared() {
    let world = world();
    let all = "SELECT * FROM crm.customers ORDER BY id";
    let mine = receipt(&world, "alice", all);
    assert_eq!(mine["principal"], "alice");
    assert_eq!(mine["outcome"]["row_count"], 2);
    assert_eq!(mine["versions"][0]["version"], 1);
    assert_eq!(mine["versions"][0]["version_id"], Value::Null, "a digest is data");
    let columns = &mine["outcome"]["columns"][0]["columns"];
    assert_eq!(columns, &serde_json::json!(["email", "id", "region"]), "no salary");
    assert_eq!(verdict(&world, "r.json"), ("equal".to_owned(), Some(0)));

    world.write("more.csv", format!("{CUSTOMERS}4,EU,new@example.com,4000\n"));
    world.ok(&["ingest", "more.csv", "--to", "crm.customers"]);
    world.write("catalog/policies/customers.yaml", "policies: []\n");
    world.ok(&["apply"]);
    assert_eq!(verdict(&world, "r.json"), ("equal".to_owned(), Some(0)));
    let id = mine["statement_id"].as_str().expect("an id").to_owned();
    assert_eq!(verdict(&world, &id), ("equal".to_owned(), Some(0)));

    // A receipt that somebody wrote is told from the one on record.
    let text = world.read("r.json");
    world.write("forged.json", text.replace("\"row_count\": 2", "\"row_count\": 3"));
    assert_eq!(verdict(&world, "forged.json"), ("different".to_owned(), Some(1)));
    world.write("forged.json", text.replace("ORDER BY id", "ORDER BY 1"));
    assert_eq!(verdict(&world, "forged.json"), ("different".to_owned(), Some(1)));
    world.write("forged.json", "{}");
    assert_eq!(world.run(&["replay", "--as", "ann", "forged.json"]).code, Some(2));

    // Nobody knows what random numbers come next, and of now() it is on record.
    receipt(&world, "alice", "SELECT id, random() AS r FROM crm.customers");
    assert_eq!(verdict(&world, "r.json"), ("cannot_tell".to_owned(), Some(1)));
    receipt(&world, "alice", "SELECT id, now() AS t FROM crm.customers");
    assert_eq!(verdict(&world, "r.json"), ("equal".to_owned(), Some(0)));
    receipt(&world, "carol", "SELECT sum(salary) FROM \"crm.customers@v1\" WHERE id > 1");
    assert_eq!(verdict(&world, "r.json"), ("equal".to_owned(), Some(0)));
}

/// Replays and other people's receipts are for those who may audit, who see no data thereby.
#[test]
fn receipts_of_others_take_the_right_to_audit() {
    let world = world();
    let theirs = receipt(&world, "carol", "SELECT salary FROM crm.customers");
    assert!(theirs["outcome"]["result"].is_string(), "whoever got the rows has their digest");
    assert!(theirs["versions"][0]["version_id"].is_string(), "she reads all of it");
    let id = theirs["statement_id"].as_str().expect("an id").to_owned();
    assert_eq!(world.run(&["receipt", "--as", "alice", &id]).code, Some(3));
    assert_eq!(world.run(&["replay", "--as", "alice", &id]).code, Some(7));
    assert_eq!(world.run(&["replay", "--as", "carol", &id]).code, Some(7), "her own, too");
    let seen = json(&world.ok(&["receipt", "--as", "ann", &id, "--json"]).text());
    assert_eq!(seen["sql"], "SELECT salary FROM crm.customers");
    assert_eq!(seen["versions"][0]["version_id"], Value::Null);
    assert_eq!(seen["outcome"]["result"], Value::Null);
    let told = world.ok(&["receipt", "--as", "ann", &id]).text();
    assert!(told.contains("crm.customers@v1") && told.contains("allowed"), "{told}");
    assert_eq!(world.run(&["sql", "--as", "ann", "SELECT * FROM crm.customers"]).code, Some(3));
}

/// `system` is for those who may audit; `information_schema` tells everybody what they may know.
#[test]
fn tables_of_the_system_tell_each_what_is_theirs() {
    let world = world();
    world.write("hr.csv", "id,pay\n1,10\n");
    world.ok(&["ingest", "hr.csv", "--to", "hr.pay"]);
    world.ok(&["sql", "--as", "alice", "SELECT id FROM crm.customers"]);
    assert_ne!(world.run(&["sql", "--as", "alice", "SELECT * FROM hr.pay"]).code, Some(0));

    let rows = |who: &str, sql: &str| {
        let ran = world.ok(&["sql", "--as", who, sql, "--format", "csv"]);
        ran.text().lines().skip(1).map(str::to_owned).collect::<Vec<_>>()
    };
    let queries = "SELECT principal, outcome, versions, columns, rows FROM system.queries \
                   WHERE principal = 'alice' ORDER BY seq";
    assert_eq!(
        rows("ann", queries),
        ["alice,allowed,crm.customers@v1,crm.customers: id,2", "alice,denied,\"\",\"\",0"]
    );
    for table in ["queries", "events", "versions"] {
        let sql = format!("SELECT * FROM system.{table}");
        assert!(!rows("ann", &sql).is_empty(), "{table}");
        let ran = world.run(&["sql", "--as", "alice", &sql]);
        assert_eq!(ran.code, Some(3), "{ran}");
    }
    let versions = "SELECT dataset, version, version_id, row_count FROM system.versions ORDER BY 1";
    assert_eq!(rows("ann", versions), ["customers,1,,", "pay,1,,"], "digests and counts are data");

    let tables = "SELECT table_schema, table_name FROM information_schema.tables";
    assert_eq!(rows("alice", tables), ["crm,customers"]);
    assert_eq!(rows("ann", tables), Vec::<String>::new());
    let columns = "SELECT column_name, data_type, is_nullable FROM information_schema.columns \
                   WHERE table_name = 'customers' ORDER BY ordinal_position";
    assert_eq!(rows("alice", columns), ["id,long,YES", "region,string,YES", "email,string,YES"]);
    assert_eq!(rows("carol", columns).len(), 4, "she sees the salary");
    let schemata = "SELECT schema_name FROM information_schema.schemata ORDER BY 1";
    assert_eq!(rows("alice", schemata), ["crm", "information_schema"]);
    assert_eq!(rows("ann", "DESCRIBE system.events").len(), 6);
    let ran = world.run(&["sql", "SELECT * FROM system.secrets"]);
    assert!(ran.stderr.contains("there is no table `system.secrets`"), "{ran}");
}

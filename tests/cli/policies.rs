//! Policies, from outside: declared, planned, applied, explained; and what `--as` sees.

use insta::assert_snapshot;

use crate::world::World;

const GROUPS: &str = "\
groups:
  analysts: [alice, bob]
  stewards: [carol]
  support: [bob]
principals:
  alice: { attributes: { region: EU } }
  bob: { attributes: { region: US } }
";

const GRANTS: &str = "\
grants:
  - { to: group:analysts, may: [read], on: { namespace: crm } }
  - { to: group:stewards, may: [read, steward], on: { namespace: crm } }
  - { to: dave, may: [read], on: { namespace: crm } }
";

const POLICIES: &str = "\
policies:
  - { name: own-region, on: { dataset: crm.customers }, row_filter: region = principal.region, except: [group:stewards] }
  - { name: mask-email, on: { dataset: crm.customers }, columns: [email], mask: { partial: { keep_last: 4 } }, except: [group:support, group:stewards] }
  - { name: mask-born, on: { dataset: crm.customers }, columns: [born], mask: { date_trunc: year }, except: [group:stewards] }
  - { name: no-salary, on: { dataset: crm.customers }, columns: [salary], hide: true, except: [group:stewards] }
";

const CUSTOMERS: &str = "\
id,region,email,born,salary
1,EU,ann@example.com,1990-05-06,1000
2,US,bob@example.com,1985-01-31,2000
3,EU,eve@example.org,2001-12-24,3000
";

fn world() -> World {
    let world = World::new();
    world.write("customers.csv", CUSTOMERS);
    world.ok(&["ingest", "customers.csv", "--to", "crm.customers"]);
    world.write("catalog/groups.yaml", GROUPS);
    world.write("catalog/grants.yaml", GRANTS);
    world.ok(&["apply"]);
    world
}

#[test]
fn policies_are_planned_applied_and_held() {
    let world = world();
    world.write("catalog/policies/customers.yaml", POLICIES);
    world.tell(1, &["plan"]);
    world.tell(0, &["apply"]);
    let all = "SELECT * FROM crm.customers ORDER BY id";
    for who in ["alice", "bob", "carol", "dave"] {
        world.tell(0, &["sql", "--as", who, all]);
    }
    world.tell(0, &["sql", "--as", "alice", "DESCRIBE crm.customers"]);
    world.tell(0, &["sql", "--as", "alice", "SELECT count(*) AS n FROM \"crm.customers@v1\""]);
    world.tell(4, &["sql", "--as", "alice", "SELECT salary FROM crm.customers"]);
    world.tell(0, &["access", "explain", "--as", "bob", "crm.customers"]);
    assert_snapshot!(world.told());
}

/// Whoever is kept from a part of a table gets no file, digest or count of it by any command.
#[test]
fn no_command_gives_files_or_digests_to_the_restricted() {
    let world = world();
    world.write("catalog/policies/customers.yaml", POLICIES);
    world.ok(&["apply"]);
    for arguments in [
        &["resolve", "crm.customers"][..],
        &["show", "crm.customers"],
        &["fetch", "crm.customers", "--into", "here"],
        &["lock", "crm.customers"],
        &["verify", "crm.customers"],
    ] {
        let arguments = [arguments, &["--as", "alice"]].concat();
        let ran = world.run(&arguments);
        assert_ne!(ran.code, Some(0), "{arguments:?}\n{ran}");
        assert!(ran.stderr.contains("a policy keeps parts of `crm.customers` from you"), "{ran}");
    }
    world.tell(0, &["history", "crm.customers", "--as", "alice"]);
    world.tell(0, &["ls", "--as", "alice"]);
    world.tell(0, &["sql", "--as", "alice", "SHOW TABLES"]);
    assert_snapshot!(world.told());
}

const CONTRACT: &str = "\
apiVersion: v3.1.0
kind: DataContract
id: customers
version: 1.0.0
status: active
schema:
  - name: customers
    properties:
      - { name: id, logicalType: integer }
      - { name: region, logicalType: string }
      - { name: email, logicalType: string, tags: [pii.email] }
      - { name: born, logicalType: date }
      - { name: salary, logicalType: integer }
";

const TAGGED: &str = "\
policies:
  - { name: mask-email, on: { tag: pii.email }, mask: { partial: { keep_last: 4 } }, except: [group:support, group:stewards] }
";

/// A contract's tags are what a policy is on: in old versions, under a new name, and as long as the
/// contract has them.
#[test]
fn a_tag_of_a_contract_binds_a_policy() {
    let world = world();
    world.write("catalog/policies/customers.yaml", TAGGED);
    world.tell(1, &["plan"]);
    world.write("catalog/datasets/crm/customers.odcs.yaml", CONTRACT);
    world.tell(1, &["plan"]);
    world.ok(&["apply"]);
    let all = "SELECT id, region, email FROM crm.customers ORDER BY id";
    for who in ["alice", "bob"] {
        world.tell(0, &["sql", "--as", who, all]);
        world.tell(0, &["access", "explain", "--as", who, "crm.customers"]);
    }
    // The contract has to say first what the data says then.
    let renamed = CONTRACT.replace("name: email", "name: contact").replace("1.0.0", "2.0.0");
    world.write("catalog/datasets/crm/customers.odcs.yaml", &renamed);
    world.tell(0, &["apply"]);
    world.tell(0, &["sql", "--as", "alice", all]);
    world.write("customers.csv", CUSTOMERS.replace("email", "contact"));
    let ingest = ["ingest", "customers.csv", "--to", "crm.customers", "--evolve"];
    world.ok(&[&ingest[..], &["rename email=contact"]].concat());
    for who in ["alice", "bob"] {
        let both = "SELECT a.email, b.contact FROM crm.\"customers@v1\" a JOIN crm.customers b USING (id) ORDER BY id";
        world.tell(0, &["sql", "--as", who, both]);
    }
    // Without the tag it is as if there were no policy, and the plan says for whom.
    let untagged = renamed.replace("pii.email", "mail").replace("2.0.0", "2.1.0");
    world.write("catalog/datasets/crm/customers.odcs.yaml", untagged);
    world.tell(1, &["plan"]);
    assert_snapshot!(world.told());
}

/// What does not fit the tables is refused before it holds, and says where.
#[test]
fn a_policy_that_does_not_fit_is_refused() {
    let world = world();
    let bad =
        POLICIES.replace("region = principal.region", "id = 'EU'").replace("[born]", "[bron]");
    world.write("catalog/policies/customers.yaml", bad);
    world.tell(4, &["plan"]);
    world.tell(4, &["apply"]);
    let broken = POLICIES.replace("region = principal.region", "lower(region) = 'eu'");
    world.write("catalog/policies/customers.yaml", broken);
    world.tell(4, &["apply"]);
    assert_snapshot!(world.told());
}

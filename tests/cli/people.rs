//! People, from outside: declared, applied, explained; and what `--as` may see.

use insta::assert_snapshot;

use crate::world::{Ran, World};

const GROUPS: &str = "\
groups:
  admins: [root]
  analysts: [alice, bob]
principals:
  alice: { attributes: { region: EU } }
";

const GRANTS: &str = "\
grants:
  - { to: group:admins, may: [admin], on: lake }
  - { to: group:analysts, may: [read], on: { namespace: nyc } }
  - { to: svc:nightly, may: [ingest], on: { dataset: hr.people } }
  - { to: guest, may: [discover], on: { namespace: hr }, until: 2999-12-31 }
";

/// `nyc.airlines` and `hr.people`, and a catalog that is applied.
fn world() -> World {
    let world = World::with_airlines();
    world.write("people.csv", "id,salary\n1,1000\n2,2000\n");
    world.ok(&["ingest", "people.csv", "--to", "hr.people"]);
    world.write("catalog/groups.yaml", GROUPS);
    world.write("catalog/grants.yaml", GRANTS);
    world.ok(&["apply", "catalog"]);
    world
}

#[test]
fn a_catalog_is_planned_applied_and_explained() {
    let world = World::with_airlines();
    world.write("catalog/groups.yaml", GROUPS);
    world.write("catalog/grants.yaml", GRANTS);
    world.write("catalog/README.md", "not a declaration");
    world.tell(1, &["plan"]);
    world.tell(0, &["apply"]);
    world.tell(0, &["apply"]);
    world.tell(0, &["plan"]);
    world.write("catalog/groups.yaml", GROUPS.replace("[alice, bob]", "[bob, carol]"));
    world.write("catalog/grants.yaml", GRANTS.replace(", until: 2999-12-31", ""));
    world.tell(1, &["plan", "catalog/"]);
    world.tell(0, &["apply", "catalog/"]);
    world.tell(0, &["log", "--after", "3"]);
    world.tell(0, &["access", "explain", "--as", "bob", "nyc.airlines"]);
    world.tell(0, &["access", "explain", "hr.*"]);
    assert_snapshot!(world.told());
}

#[test]
fn mistakes_in_a_catalog_are_told_by_line() {
    let world = World::with_airlines();
    world.write("catalog/groups.yaml", "groups:\n  analysts: [alice]\n");
    world.write(
        "catalog/grants.yaml",
        "grants:\n  - { to: group:anaylsts, may: [read, fly], on: lake, until: 2027-02-30 }\n",
    );
    world.tell(4, &["plan"]);
    world.write("catalog/grants.yaml", "grants:\n  - { to: alice, my: [read], on: lake }\n");
    world.tell(4, &["apply"]);
    world.write("catalog/quotas.yaml", "quotas: []\n");
    world.write("catalog/grants.yaml", "");
    world.tell(4, &["plan"]);
    world.tell(3, &["plan", "elsewhere"]);
    std::fs::create_dir(world.path("empty")).unwrap();
    world.tell(3, &["apply", "empty"]);
    assert_snapshot!(world.told());
}

/// Taking the last admin away by mistake is refused, and applying what somebody else has replaced.
#[test]
fn what_would_lock_everybody_out_is_refused() {
    let world = world();
    world.write("catalog/groups.yaml", GROUPS.replace("[root]", "[]"));
    world.tell(1, &["plan"]);
    world.tell(4, &["apply"]);
    world.tell(0, &["apply", "--without-admin"]);
    world.write("catalog/groups.yaml", GROUPS);
    world.tell(5, &["apply", "--expect", "none"]);
    world.tell(7, &["--as", "alice", "apply"]);
    assert_snapshot!(world.told());
}

#[test]
fn everybody_sees_what_is_theirs() {
    let world = world();
    for who in ["alice", "guest", "nobody"] {
        world.tell(0, &["--as", who, "ls"]);
        world.tell(0, &["log", "--as", who]);
    }
    world.tell(0, &["sql", "--as", "alice", "SHOW TABLES"]);
    world.tell(0, &["history", "hr.people", "--as", "guest"]);
    world.tell(7, &["sql", "--as", "guest", "SELECT * FROM hr.people"]);
    world.tell(0, &["--as", "svc:nightly", "ingest", "people.csv", "--to", "hr.people", "--again"]);
    world.tell(2, &["--lake", "http://127.0.0.1:9", "--as", "alice", "ls"]);
    world.tell(2, &["--as", "alice", "rebuild"]);
    assert_snapshot!(world.told());
}

/// What somebody may not discover answers like what is not there, in every command and in every
/// statement, suggestions and plans included (P7, as far as grants go).
#[test]
fn what_is_hidden_is_not_there() {
    let world = world();
    let seen = |ran: &Ran, thing: &str| {
        let text = format!("{}\n{}\n{:?}", ran.text(), ran.stderr, ran.code);
        let (namespace, name) = thing.split_once('.').unwrap();
        text.replace(thing, "THING").replace(namespace, "NAMESPACE").replace(name, "NAME")
    };
    let digest = world.json(&["resolve", "hr.people"])["versions"][0]["version_id"].to_string();
    let prefix = &digest[1..13];
    let mut commands = Vec::new();
    for reference in
        ["{}", "{}@v1", "{}@v9", "{}@latest", "{}@product", "{}@2020-01-01", "{}@b3:{#}"]
    {
        for command in ["show", "resolve", "lock", "verify", "history"] {
            commands.push(vec![command.to_owned(), reference.to_owned()]);
        }
        for sql in [
            "SELECT * FROM \"{r}\"",
            "SELECT count(*) FROM nyc.airlines a JOIN \"{r}\" b ON true",
            "EXPLAIN SELECT * FROM \"{r}\"",
            "EXPLAIN SELECT salary FROM \"{r}\" WHERE 1/0 = 1",
            "DESCRIBE \"{r}\"",
            "SHOW COLUMNS FROM \"{r}\"",
            "SELECT nosuchcolumn FROM \"{r}\"",
            "WITH x AS (SELECT * FROM \"{r}\") SELECT 1",
            "SELECT (SELECT max(id) FROM \"{r}\")",
        ] {
            let quoted = reference.replace("{}", "{n}\".\"{m}");
            commands.push(vec!["sql".to_owned(), sql.replace("{r}", &quoted)]);
        }
    }
    commands.push(vec!["ls".to_owned(), "{n}".to_owned()]);
    commands.push(vec!["sql".to_owned(), "SHOW TABLES".to_owned()]);
    let mut asked = 0;
    for command in &commands {
        let run = |thing: &str, prefix: &str| {
            let (namespace, name) = thing.split_once('.').unwrap();
            let fill = |word: &String| {
                word.replace("{}", thing)
                    .replace("{n}", namespace)
                    .replace("{m}", name)
                    .replace("{#}", prefix)
            };
            let words: Vec<String> = command.iter().map(fill).collect();
            let mut words: Vec<&str> = words.iter().map(String::as_str).collect();
            words.extend(["--as", "alice"]);
            // A note says how long it took.
            if words[0] == "sql" {
                words.push("--quiet");
            }
            let ran = world.run(&words);
            seen(&ran, thing).replace(prefix, "PREFIX")
        };
        let hidden = run("hr.people", prefix);
        assert_eq!(hidden, run("zz.nosuch", "0123456789ab"), "{command:?}");
        assert!(!hidden.contains("salary") || command[1].contains("salary"), "{hidden}");
        asked += 1;
    }
    assert!(asked > 90, "{asked}");
    // A name that is nearly a hidden one is not corrected to it.
    let ran = world.run(&["sql", "--as", "alice", "SELECT * FROM hr.peopel"]);
    assert!(!format!("{}{}", ran.text(), ran.stderr).contains("people"), "{ran}");
}

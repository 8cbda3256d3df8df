//! A catalog in PostgreSQL: what is wrong with an address is said, and its password never is.

use lakebed_testkit::TestDatabase;

use crate::world::World;

#[test]
fn no_command_shows_the_password_of_a_catalog() {
    let world = World::in_folder_with_airlines();
    let secret = "postgres://lake:hunter2@127.0.0.1:1/lake?sslmode=disable";
    for arguments in [&["config"][..], &["config", "--json"], &["-vvv", "ls"], &["ls", "--json"]] {
        let mut command = world.command(arguments);
        command.env("LAKEBED_CATALOG", secret);
        let ran = world.finish(command, b"");
        assert!(!ran.text().contains("hunter2") && !ran.stderr.contains("hunter2"), "{ran}");
    }
    let mut command = world.command(&["config"]);
    command.env("LAKEBED_CATALOG", secret);
    let ran = world.finish(command, b"");
    assert!(ran.text().contains("postgres://lake:…@127.0.0.1:1/lake?…"), "{ran}");
    world.refused(2, &["--catalog"]);
    world.write("x", "a\n1\n");
    for bad in ["postgres://lake:hunter2@h/lake?passwd=hunter2", "postgres://lake:hunter2@h:p/x"] {
        let ran = world.refused(4, &["--catalog", bad, "ingest", "x", "--to", "a.b"]);
        assert!(!ran.stderr.contains("hunter2"), "{ran}");
    }
}

#[test]
fn a_catalog_that_cannot_be_used_is_said_with_what_to_do() {
    let world = World::in_folder();
    world.write("x.csv", "a\n1\n");
    let ingest =
        |catalog: &str| world.refused(7, &["--catalog", catalog, "ingest", "x.csv", "--to", "a.b"]);
    let ran = ingest("postgres://lake:hunter2@127.0.0.1:1/lake");
    assert!(
        ran.stderr.contains("the catalog database at `127.0.0.1:1` cannot be reached"),
        "{ran}"
    );
    let Some(database) = TestDatabase::create() else { return };
    let absent = format!("{}/absent", database.url().rsplit_once('/').unwrap().0);
    let ran = ingest(&absent);
    assert!(ran.stderr.contains("there is no database `absent`"), "{ran}");
    assert!(ran.stderr.contains("hint: create it"), "{ran}");
    database.execute("CREATE TABLE theirs (x INTEGER)");
    let ran = world.refused(5, &["--catalog", &database.url(), "ingest", "x.csv", "--to", "a.b"]);
    assert!(ran.stderr.contains("it is another program's database"), "{ran}");
}

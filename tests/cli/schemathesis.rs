//! The API, tried by its own description: no failure of the server, no answer it does not describe.
//!
//! Schemathesis makes requests of `/openapi.json`, good and bad ones, from a fixed seed. `cargo xtask
//! test` installs it and says where it is; a plain `cargo test` says that it leaves this out.

use std::{
    ffi::OsString,
    process::{Command, Stdio},
};

use crate::{server::Server, world::World};

/// Every check but these. That whatever fits the description is accepted: no pattern says which words
/// are SQL, nor that a reference leads to anything. That nobody is let in unasked: our own tests know
/// who is. That a request is too long refuses what is wrong with it, too. And of parts of uploads, which need a header field: that a field which nobody describes is
/// a mistake; in HTTP it is none.
const CONFIG: &str = r#"
[checks]
positive_data_acceptance.enabled = false
ignored_auth.enabled = false
negative_data_rejection.expected-statuses = [
    400, 401, 403, 404, 405, 406, 409, 414, 415, 422, 428, 429, "5xx",
]

[[operations]]
include-name = "PATCH /v1/uploads/{id}"
checks.negative_data_rejection.enabled = false
"#;

#[test]
fn the_api_is_what_it_says_of_itself() {
    let Some(schemathesis) = Schemathesis::found() else { return };
    let world = World::with_airlines();
    // Nobody is asked who they are, whatever tokens the requests make.
    let server = start(&world, &["--auth", "none"]);
    let told = schemathesis.run(&world, &server, 25, &[]);
    assert!(told.contains("generated"), "it tried something: {told}");
    // What it sent has harmed nothing.
    world.ok(&["verify"]);
}

/// The same for somebody with a token and every grant there is.
#[test]
fn the_api_is_what_it_says_of_itself_to_those_it_knows() {
    let Some(schemathesis) = Schemathesis::found() else { return };
    let world = World::with_airlines();
    world.write(
        "declared/grants.yaml",
        "grants:\n  - { to: root, on: lake,\n      may: [discover, read, ingest, steward, approve, \
         audit, admin] }\n",
    );
    world.ok(&["apply", "declared"]);
    let token = world.json(&["token", "create", "--for", "root", "--lake-admin"]);
    let header = format!("Authorization: Bearer {}", token["secret"].as_str().unwrap());
    let server = start(&world, &["--auth", "required"]);
    let told = schemathesis.run(&world, &server, 5, &["--header", &header]);
    assert!(told.contains("generated"), "it tried something: {told}");
    world.ok(&["verify"]);
}

fn start(world: &World, arguments: &[&str]) -> Server {
    let serve = ["serve", "--listen", "127.0.0.1:0"];
    let mut command = world.command(&[&serve, arguments].concat());
    command.env("LAKEBED_LOG", "off");
    Server::start_command(command)
}

struct Schemathesis(OsString);

impl Schemathesis {
    fn found() -> Option<Self> {
        let program = std::env::var_os("LAKEBED_TEST_SCHEMATHESIS").map(Self);
        if program.is_none() {
            eprintln!("left out: Schemathesis; `cargo xtask test` installs it");
        }
        program
    }

    /// What it says of `server`, in which it finds no fault.
    fn run(&self, world: &World, server: &Server, examples: u32, arguments: &[&str]) -> String {
        world.write("schemathesis.toml", CONFIG);
        let ran = Command::new(&self.0)
            .args(["run", &format!("{}/openapi.json", server.url)])
            .args(["--phases", "examples,coverage,fuzzing"])
            .args(["--max-examples", &examples.to_string(), "--seed", "20261101"])
            .args(["--continue-on-failure", "--request-timeout", "30"])
            .args(["--suppress-health-check", "all", "--warnings", "off", "--no-color"])
            .args(arguments)
            .current_dir(world.path("."))
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&ran.stdout).into_owned();
        assert!(ran.status.success(), "{told}\n{}", String::from_utf8_lossy(&ran.stderr));
        told
    }
}

//! The API, tried by its own description: no failure of the server, no answer it does not describe.
//!
//! Schemathesis makes requests of `/openapi.json`, good and bad ones, from a fixed seed. `cargo xtask
//! test` installs it and says where it is; a plain `cargo test` says that it leaves this out.

use std::process::{Command, Stdio};

use crate::{server::Server, world::World};

/// What is checked of every answer. Left out is that whatever fits the description is accepted: no
/// pattern says which words are SQL, nor that a reference leads to anything.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
    response_headers_conformance,response_schema_conformance,negative_data_rejection,\
    missing_required_header,unsupported_method,allow_header_conformance";

#[test]
fn the_api_is_what_it_says_of_itself() {
    let Some(program) = std::env::var_os("LAKEBED_TEST_SCHEMATHESIS") else {
        eprintln!("left out: Schemathesis; `cargo xtask test` installs it");
        return;
    };
    let world = World::with_airlines();
    let server = Server::start_logging(&world, "off");
    let ran = Command::new(program)
        .args(["run", &format!("{}/openapi.json", server.url)])
        .args(["--checks", CHECKS, "--phases", "examples,coverage,fuzzing"])
        .args(["--max-examples", "25", "--seed", "20261101", "--continue-on-failure"])
        .args(["--request-timeout", "30", "--suppress-health-check", "all"])
        .args(["--warnings", "off", "--no-color"])
        .current_dir(world.path("."))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success(), "{told}\n{}", String::from_utf8_lossy(&ran.stderr));
    assert!(told.contains("generated"), "it tried something: {told}");
    // What it sent has harmed nothing.
    world.ok(&["verify"]);
}

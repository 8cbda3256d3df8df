//! The shipped binary, seen from outside: what it prints, where, and its exit status.

#![allow(clippy::unwrap_used, reason = "tests may")]

#[path = "cli/catalogs.rs"]
mod catalogs;
#[path = "cli/contract.rs"]
mod contract;
#[path = "cli/damage.rs"]
mod damage;
#[path = "cli/demo.rs"]
mod demo;
#[path = "cli/deployment.rs"]
mod deployment;
#[path = "cli/doctor.rs"]
mod doctor;
#[path = "cli/examples.rs"]
mod examples;
#[path = "cli/fetch.rs"]
mod fetch;
#[path = "cli/flow.rs"]
mod flow;
#[path = "cli/generated_client.rs"]
mod generated_client;
#[path = "cli/kill.rs"]
mod kill;
#[path = "cli/lineage.rs"]
mod lineage;
#[path = "cli/locks.rs"]
mod locks;
#[path = "cli/operations.rs"]
mod operations;
#[path = "cli/people.rs"]
mod people;
#[path = "cli/policies.rs"]
mod policies;
#[path = "cli/products.rs"]
mod products;
#[path = "cli/promotions.rs"]
mod promotions;
#[path = "cli/reads.rs"]
mod reads;
#[path = "cli/refusals.rs"]
mod refusals;
#[path = "cli/runs.rs"]
mod runs;
#[path = "cli/s3.rs"]
mod s3;
#[path = "cli/schemathesis.rs"]
mod schemathesis;
#[path = "cli/served.rs"]
mod served;
#[path = "cli/server.rs"]
mod server;
#[path = "cli/settings.rs"]
mod settings;
#[path = "cli/sql.rs"]
mod sql;
#[path = "cli/statements.rs"]
mod statements;
#[path = "cli/tokens.rs"]
mod tokens;
#[path = "cli/world.rs"]
mod world;

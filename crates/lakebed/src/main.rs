//! The lakebed command.
fn main() {}

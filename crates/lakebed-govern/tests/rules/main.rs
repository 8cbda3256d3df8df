//! The rules, proved from outside: laws of the decision, declared catalogs good and bad, plans.

mod catalogs;
mod laws;
mod plans;
mod world;

//! SQL over a pinned snapshot: a [`QueryJob`](lakebed_service::engine::QueryJob) in, an Arrow
//! stream out.
//!
//! The only crate with DataFusion. It never reads the catalog, opens no file of its own accord and
//! knows no network: what a statement may read is in its job, and the bytes come verified from the
//! store that is handed in.
//!
//! A statement walks through it once:
//!
//! | step | where |
//! |---|---|
//! | tokens, one statement, an allow-list over the tree, names of what it reads | `guard`, `statements` |
//! | names become tables as the reader may see them, parameters become values | `plan`, `using`, `times`, `governed`, `table`, `computed`, `parameters` |
//! | functions by allow-list, those that multiply bytes bounded | `functions` |
//! | one runtime per statement: memory, scratch, one object store | `session`, `objects`, `pushdown`, `yielding` |
//! | where the columns of the answer come from, if that is asked instead of its rows | `lineage` |
//! | planning and running on threads with deep stacks, with a deadline; rows and bytes are counted | `engine`, `drive`, `stacks`, `weight` |
//! | what went wrong, in words for its reader | `errors` |
//!
//! Invariants: no call to the store before the first batch is asked for; a table is only ever
//! reached through `governed::provider`; a byte that is not what its name says becomes an error
//! and never a row (P3).

// The tests outside and the proof within make their lakes by the same code.
#[cfg(test)]
extern crate self as lakebed_query;

mod answers;
mod computed;
mod dialect;
mod drive;
mod engine;
mod errors;
mod facts;
mod functions;
mod governed;
mod guard;
mod lineage;
mod memory;
mod objects;
mod orders;
mod output;
mod parameters;
mod plan;
mod plans;
mod pushdown;
mod session;
mod stacks;
mod statements;
mod statistics;
mod suggest;
mod table;
mod threads;
mod times;
mod using;
mod weight;
mod yielding;

pub use engine::{DataFusionEngine, EngineOptions};
pub use functions::{FunctionNames, function_names};

//! Threads with deep stacks.
//!
//! Parsers, planners and expressions recurse as deep as the statement is nested: two thousand
//! terms of `1 + 1 + …` overflow the 2 MiB that threads have by default. Stacks are reserved, not
//! committed, so a deep one costs address space alone.

use std::thread;

use crate::errors::{from_panic, internal};
use lakebed_service::engine::EngineError;

/// What [`crate::guard`]'s budgets need in the slowest build, with a margin.
pub(crate) const STACK_BYTES: usize = 64 << 20;

/// Runs `work` on a thread of its own and waits. A panic in it is an error.
pub(crate) fn on_deep_stack<T: Send>(
    work: impl FnOnce() -> Result<T, EngineError> + Send,
) -> Result<T, EngineError> {
    thread::scope(|scope| {
        thread::Builder::new()
            .name("lakebed-parse".to_owned())
            .stack_size(STACK_BYTES)
            .spawn_scoped(scope, work)
            .map_err(internal)?
            .join()
            .unwrap_or_else(|panic| Err(from_panic(&*panic)))
    })
}

/// What a panic said.
pub(crate) fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    format!("panic: {}", text.unwrap_or_else(|| "without a message".to_owned()))
}

//! Threads with deep stacks.
//!
//! Parsers, planners and expressions recurse as deep as the statement is nested: two thousand
//! terms of `1 + 1 + …` overflow the 2 MiB that threads have by default. Stacks are reserved, not
//! committed, so a deep one costs address space alone.

use std::{io, thread};

use tokio::runtime::{Builder, Handle, Runtime};

use crate::errors::{from_panic, internal};
use lakebed_service::engine::EngineError;

/// What [`crate::guard`]'s budgets need in the slowest build, with a margin.
const STACK_BYTES: usize = 64 << 20;

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

/// The engine's own threads: statements are planned and run here and nowhere else.
#[derive(Debug)]
pub(crate) struct EngineThreads {
    /// Taken when dropped.
    runtime: Option<Runtime>,
}

impl EngineThreads {
    /// As many workers as `count`; planning has further threads that come and go.
    pub(crate) fn start(count: usize) -> io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(count)
            .thread_name("lakebed-query")
            .thread_stack_size(STACK_BYTES)
            .enable_all()
            .build()?;
        Ok(Self { runtime: Some(runtime) })
    }

    /// Where to spawn.
    pub(crate) fn handle(&self) -> &Handle {
        self.runtime.as_ref().expect("the runtime is there until it is dropped").handle()
    }
}

impl Drop for EngineThreads {
    /// Does not wait: an engine may be dropped on a thread that must not block.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

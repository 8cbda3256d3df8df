//! The engine's own threads: statements are planned and run here and nowhere else.
//!
//! | threads | do |
//! |---|---|
//! | workers, one for each part of a statement | run plans; more of them than cores only take turns |
//! | helpers that come and go | plan, and read files |
//! | a clock | says when time is up, however busy the workers are |
//! | spare workers, once they are needed | run what the workers did not begin in time |
//!
//! A plan yields where [`crate::yielding`] says. One that compares for hours without an output holds
//! the workers that it is on: its own deadline passes all the same, and the statements after it run
//! on spare workers.

use std::{
    future::Future,
    io,
    pin::Pin,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use tokio::{
    runtime::{Builder, Handle, Runtime},
    sync::oneshot,
    task::AbortHandle,
    time::{Instant, timeout_at},
};

use crate::stacks::STACK_BYTES;

/// Statements wait so long for a worker before they run on a spare one. Workers that take turns begin
/// within milliseconds.
const PATIENCE: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug)]
pub(crate) struct EngineThreads {
    count: usize,
    workers: Owned,
    clock: Owned,
    spare: OnceLock<Owned>,
}

impl EngineThreads {
    /// With so many workers, but two at least: one reads what the other decodes.
    pub(crate) fn start(count: usize) -> io::Result<Self> {
        let count = count.max(2);
        let clock = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("lakebed-clock")
            .enable_time()
            .build()?;
        let workers = workers(count, "lakebed-query")?;
        Ok(Self { count, workers, clock: Owned(Some(clock)), spare: OnceLock::new() })
    }

    /// Where work may block, and stacks are deep.
    pub(crate) fn handle(&self) -> &Handle {
        self.workers.handle()
    }

    /// Runs `work`, and returns when it has begun. It ends early when what is returned is dropped.
    pub(crate) async fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) -> Running {
        let work: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(work);
        let waiting = Arc::new(Mutex::new(Some(work)));
        // A plan is as deep as its statement: it is the workers' to drop.
        let ours = Arc::downgrade(&waiting);
        let (begins, begun) = oneshot::channel::<()>();
        let task = self.handle().spawn(async move {
            let taken = take(&waiting);
            drop((waiting, begins));
            if let Some(work) = taken {
                work.await;
            }
        });
        let running = Running(task.abort_handle());
        if self.by(Instant::now() + PATIENCE, begun).await.is_some() {
            return running;
        }
        let Some(spare) = self.spare() else { return running };
        match ours.upgrade().and_then(|waiting| take(&waiting)) {
            Some(work) => Running(spare.spawn(work).abort_handle()),
            None => running,
        }
    }

    /// What `work` gives; nothing if it is not done by then.
    pub(crate) async fn by<T>(&self, at: Instant, work: impl Future<Output = T>) -> Option<T> {
        let in_time = {
            let _clock = self.clock.handle().enter();
            timeout_at(at, work)
        };
        in_time.await.ok()
    }

    /// Nothing if the system gives no more threads: then one waits for the workers.
    fn spare(&self) -> Option<&Handle> {
        if self.spare.get().is_none() {
            let _ = self.spare.set(workers(self.count, "lakebed-spare").ok()?);
        }
        self.spare.get().map(Owned::handle)
    }

    /// What is at work or waiting for its reader.
    pub(crate) fn alive_tasks(&self) -> usize {
        let all = std::iter::once(&self.workers).chain(self.spare.get());
        all.map(|threads| threads.handle().metrics().num_alive_tasks()).sum()
    }
}

/// Work that ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Running(AbortHandle);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Threads that are not waited for: an engine may be dropped on a thread that must not block.
#[derive(Debug)]
struct Owned(Option<Runtime>);

impl Owned {
    fn handle(&self) -> &Handle {
        self.0.as_ref().expect("it is there until it is dropped").handle()
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

fn workers(count: usize, name: &str) -> io::Result<Owned> {
    let runtime = Builder::new_multi_thread()
        .worker_threads(count)
        .thread_name(name)
        .thread_stack_size(STACK_BYTES)
        .enable_all()
        .build()?;
    Ok(Owned(Some(runtime)))
}

fn take<T>(waiting: &Mutex<Option<T>>) -> Option<T> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner).take()
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Holds every worker until what is returned is dropped, and says when they are held.
    async fn hold(threads: &EngineThreads) -> (Vec<Running>, Vec<mpsc::Sender<()>>) {
        let (mut running, mut holds) = (Vec::new(), Vec::new());
        for _ in 0..threads.count {
            let (hold, held) = mpsc::channel::<()>();
            running.push(
                threads
                    .spawn(async move {
                        let _ = held.recv();
                    })
                    .await,
            );
            holds.push(hold);
        }
        (running, holds)
    }

    #[tokio::test]
    async fn who_does_not_yield_holds_nobody_up() {
        let threads = EngineThreads::start(2).expect("threads");
        let held = hold(&threads).await;
        let (tell, told) = oneshot::channel();
        let next = threads.spawn(async move { tell.send("ran").expect("it is awaited") }).await;
        assert_eq!(told.await, Ok("ran"), "beside them");
        drop((held, next));
    }

    #[tokio::test]
    async fn time_passes_while_all_are_busy() {
        let threads = EngineThreads::start(2).expect("threads");
        let held = hold(&threads).await;
        let soon = Instant::now() + Duration::from_millis(20);
        assert_eq!(threads.by(soon, std::future::pending::<()>()).await, None);
        drop(held);
    }

    /// What is dropped before it began is not begun later.
    #[tokio::test]
    async fn what_nobody_waits_for_is_not_begun() {
        let threads = EngineThreads::start(2).expect("threads");
        let held = hold(&threads).await;
        let (tell, told) = oneshot::channel();
        let late = threads.spawn(async move { tell.send("ran").expect("it is awaited") });
        assert!(tokio::time::timeout(PATIENCE / 10, late).await.is_err(), "it waits for a worker");
        drop(held);
        assert!(told.await.is_err(), "and is gone");
    }
}

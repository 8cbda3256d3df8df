//! The threads of a decode: one feeds, some work, the caller's drives.
//!
//! ```text
//! feeder ── parts, numbered ──▶ workers ──▶ driver, which takes them in order
//!    ▲                             ▲            │
//!    └── a permit per part taken ──┼────────────┤
//!                                  └── columns to encode (first in line)
//! ```
//!
//! Memory is bounded by permits: so many parts exist that the driver has not taken. Columns to
//! encode go first, so that what is decoded leaves memory before more is decoded.

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    thread,
    time::Duration,
};

use crossbeam_channel::{
    Receiver, RecvTimeoutError, Sender, bounded, never, select_biased, unbounded,
};

use crate::{Progress, Refusal, writer::Encoded};

/// How often a driver that waits looks whether it was cancelled.
const PATIENCE: Duration = Duration::from_millis(50);

type Job<'e, T> = Box<dyn FnOnce() -> Event<T> + Send + 'e>;

enum Event<T> {
    Part(u64, T),
    Encoded(Encoded),
    /// The feeder has sent so many parts and will send no more.
    Fed(u64),
    Panicked,
}

/// The feeder's end.
pub(crate) struct Feeder<'e, T> {
    jobs: Sender<Job<'e, T>>,
    events: Sender<Event<T>>,
    permits: Receiver<()>,
    sent: u64,
}

/// The driver has gone; feeding on is pointless.
#[derive(Debug)]
pub(crate) struct Gone;

impl<'e, T: Send + 'e> Feeder<'e, T> {
    /// Sends a part that a worker makes.
    pub(crate) fn work(&mut self, make: impl FnOnce() -> T + Send + 'e) -> Result<(), Gone> {
        self.permits.recv().map_err(|_| Gone)?;
        let number = self.sent;
        self.sent += 1;
        self.jobs.send(Box::new(move || Event::Part(number, make()))).map_err(|_| Gone)
    }

    /// Sends a part that is made.
    pub(crate) fn send(&mut self, part: T) -> Result<(), Gone> {
        self.permits.recv().map_err(|_| Gone)?;
        let number = self.sent;
        self.sent += 1;
        self.events.send(Event::Part(number, part)).map_err(|_| Gone)
    }
}

/// The driver's end.
pub(crate) struct Engine<'e, T> {
    encodings: Sender<Job<'e, T>>,
    events: Receiver<Event<T>>,
    permits: Sender<()>,
    progress: &'e dyn Progress,
    waiting: BTreeMap<u64, T>,
    taken: u64,
    fed: Option<u64>,
    encoded: Vec<Encoded>,
}

impl<'e, T: Send + 'e> Engine<'e, T> {
    /// The next part in the feeder's order; none after the last.
    pub(crate) fn next(&mut self) -> Result<Option<T>, Refusal> {
        loop {
            if let Some(part) = self.waiting.remove(&self.taken) {
                self.taken += 1;
                // The feeder may have ended already, and need no more permits.
                let _ = self.permits.send(());
                return Ok(Some(part));
            }
            if self.fed == Some(self.taken) {
                return Ok(None);
            }
            self.pump()?;
        }
    }

    /// Hands a column to the workers; it comes back through [`Self::take_encoded`].
    pub(crate) fn encode(&self, job: impl FnOnce() -> Encoded + Send + 'e) -> Result<(), Refusal> {
        let job: Job<'e, T> = Box::new(move || Event::Encoded(job()));
        self.encodings.send(job).map_err(|_| Refusal::internal("no worker is left"))
    }

    /// Columns that were encoded since the last call and that `wanted` wants.
    pub(crate) fn take_encoded(&mut self, wanted: impl Fn(&Encoded) -> bool) -> Vec<Encoded> {
        self.encoded.extract_if(.., |encoded| wanted(encoded)).collect()
    }

    /// Waits for something to happen, and files it.
    pub(crate) fn pump(&mut self) -> Result<(), Refusal> {
        loop {
            if self.progress.cancelled() {
                return Err(Refusal::cancelled());
            }
            match self.events.recv_timeout(PATIENCE) {
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Refusal::internal("the workers are gone"));
                }
                Ok(Event::Panicked) => return Err(Refusal::internal("a thread panicked")),
                Ok(Event::Part(number, part)) => {
                    self.waiting.insert(number, part);
                    return Ok(());
                }
                Ok(Event::Fed(count)) => {
                    self.fed = Some(count);
                    return Ok(());
                }
                Ok(Event::Encoded(encoded)) => {
                    self.encoded.push(encoded);
                    return Ok(());
                }
            }
        }
    }
}

/// Runs `drive` on this thread, `feed` on another, and `threads` workers. When `drive` ends, for
/// whatever reason, the others end with it.
pub(crate) fn run<'e, T: Send + 'e, R>(
    threads: usize,
    progress: &'e dyn Progress,
    feed: impl FnOnce(&mut Feeder<'e, T>) -> Result<(), Gone> + Send + 'e,
    drive: impl FnOnce(&mut Engine<'e, T>) -> Result<R, Refusal>,
) -> Result<R, Refusal> {
    let threads = threads.max(1);
    let (jobs, jobs_out) = unbounded();
    let (encodings, encodings_out) = unbounded();
    let (events_in, events) = unbounded();
    let (permits, permits_out) = bounded(2 * threads + 1);
    for _ in 0..=2 * threads {
        permits.send(()).expect("the channel holds as many");
    }
    let feeder = Feeder { jobs, events: events_in.clone(), permits: permits_out, sent: 0 };
    thread::scope(|scope| {
        for _ in 0..threads {
            let (encodings, jobs, events) =
                (encodings_out.clone(), jobs_out.clone(), events_in.clone());
            scope.spawn(move || work(&encodings, &jobs, &events));
        }
        scope.spawn(move || feed_all(feeder, feed));
        drop((encodings_out, jobs_out, events_in));
        let waiting = BTreeMap::new();
        let mut engine = Engine {
            encodings,
            events,
            permits,
            progress,
            waiting,
            taken: 0,
            fed: None,
            encoded: Vec::new(),
        };
        drive(&mut engine)
    })
}

fn feed_all<'e, T: Send + 'e>(
    mut feeder: Feeder<'e, T>,
    feed: impl FnOnce(&mut Feeder<'e, T>) -> Result<(), Gone>,
) {
    let event = match catch_unwind(AssertUnwindSafe(|| feed(&mut feeder))) {
        Ok(Ok(())) => Event::Fed(feeder.sent),
        Ok(Err(Gone)) => return,
        Err(_) => Event::Panicked,
    };
    let _ = feeder.events.send(event);
}

fn work<T: Send>(
    encodings: &Receiver<Job<'_, T>>,
    jobs: &Receiver<Job<'_, T>>,
    events: &Sender<Event<T>>,
) {
    // An ended channel is replaced by one on which nothing ever comes; with both ended, so are we.
    let (mut encodings, mut jobs) = (Some(encodings.clone()), Some(jobs.clone()));
    while encodings.is_some() {
        let (first, second) = (encodings.clone(), jobs.clone());
        let job = select_biased! {
            recv(first.unwrap_or_else(never)) -> job => job.map_err(|_| encodings = None),
            recv(second.unwrap_or_else(never)) -> job => job.map_err(|_| jobs = None),
        };
        let Ok(job) = job else { continue };
        let event = catch_unwind(AssertUnwindSafe(job)).unwrap_or(Event::Panicked);
        if events.send(event).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NoProgress;

    fn squares(threads: usize) -> Result<Vec<u64>, Refusal> {
        let feed = |feeder: &mut Feeder<'static, u64>| {
            for number in 0..100_u64 {
                feeder.work(move || number * number)?;
            }
            Ok(())
        };
        run(threads, &NoProgress, feed, |engine| {
            let mut all = Vec::new();
            while let Some(square) = engine.next()? {
                all.push(square);
            }
            Ok(all)
        })
    }

    #[test]
    fn parts_come_in_the_order_they_were_fed() {
        let expected: Vec<u64> = (0..100).map(|number| number * number).collect();
        for threads in [1, 2, 7] {
            assert_eq!(squares(threads).expect("squares"), expected);
        }
    }

    #[test]
    fn a_driver_that_stops_early_stops_the_others() {
        let feed = |feeder: &mut Feeder<'static, u64>| loop {
            feeder.work(|| 1)?;
        };
        let result = run(2, &NoProgress, feed, |engine| engine.next());
        assert_eq!(result.expect("a part"), Some(1));
    }

    #[test]
    fn a_panic_is_an_internal_refusal() {
        let feed = |feeder: &mut Feeder<'static, u64>| feeder.work(|| panic!("on purpose"));
        let result = run(2, &NoProgress, feed, |engine| engine.next());
        assert_eq!(result.expect_err("a refusal").code, Refusal::INTERNAL);
    }
}

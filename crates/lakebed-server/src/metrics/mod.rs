//! Numbers for whoever runs a server, in the format of OpenMetrics.
//!
//! Labels are routes' patterns, methods, statuses and words of our own, so there are never more
//! series than the code has words: no dataset, principal, address or statement is a label. They are
//! told on a listener of their own ([`crate::operations`], D-55), never on the API's.
//!
//! What happens in the service and the store comes in through their observer traits, as plain
//! values: this crate alone knows the metrics library.

mod database;
mod process;
mod request;
mod statement;

use std::{
    hash::Hash,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use lakebed_service::{IngestEnded, Lake, Observer, SegmentOrigin};
use lakebed_store::Operation;
use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
        info::Info,
    },
    registry::{Registry, Unit},
};

use self::{database::DatabaseMetrics, process::Process, request::Requests, statement::Statements};
pub(crate) use self::{request::MeteredRequest, statement::StatementTally};

/// How long the catalog may take to say how far the journal is.
const PATIENCE: Duration = Duration::from_secs(2);

/// The media type of what [`Metrics::render`] gives.
pub(crate) const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Everything that is counted.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    backend: &'static str,
    requests: Requests,
    statements: Statements,
    ingests: Ingests,
    journal: JournalMetrics,
    store: StoreMetrics,
    database: DatabaseMetrics,
    /// Held from the first gauge that is set to the last that is told.
    page: Mutex<()>,
}

#[derive(Debug, Default)]
struct Ingests {
    ended: Family<Ended, Counter>,
    seconds: Timings<Ended>,
    source_bytes: Counter,
    new_bytes: Counter,
    rows: Family<Rows, Counter>,
}

#[derive(Debug, Default)]
struct JournalMetrics {
    last_seq: Gauge,
    journaled_seq: Gauge,
    lag: Gauge,
    segments: Family<Origin, Counter>,
    seconds: Timings<Origin>,
}

#[derive(Debug, Default)]
struct StoreMetrics {
    operations: Family<StoreOperation, Counter>,
    seconds: Timings<StoreOperation>,
    corrupt_reads: Counter,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ended {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Rows {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Origin {
    origin: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StoreOperation {
    backend: &'static str,
    operation: &'static str,
    outcome: &'static str,
}

/// How long things took, by labels.
#[derive(Debug)]
struct Timings<S>(Family<S, Histogram, fn() -> Histogram>);

impl<S: Clone + Hash + Eq> Default for Timings<S> {
    fn default() -> Self {
        Self(Family::new_with_constructor(seconds))
    }
}

impl<S: Clone + Hash + Eq> Timings<S> {
    fn observe(&self, labels: &S, elapsed: Duration) {
        self.0.get_or_create(labels).observe(elapsed.as_secs_f64());
    }
}

/// From a tenth of a millisecond to nearly two minutes.
fn seconds() -> Histogram {
    Histogram::new(exponential_buckets(0.0001, 4.0, 11))
}

impl Metrics {
    /// Counts from zero. `backend` is the kind of object store: `folder`, `s3` …
    #[must_use]
    pub fn new(backend: &'static str) -> Self {
        let mut registry = Registry::default();
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("lakebed_build", "Which build this is", build);
        registry.register_collector(Box::new(Process::new()));
        let mut metrics = Self {
            registry: Registry::default(),
            backend,
            requests: Requests::register(&mut registry),
            statements: Statements::register(&mut registry),
            ingests: Ingests::register(&mut registry),
            journal: JournalMetrics::register(&mut registry),
            store: StoreMetrics::register(&mut registry),
            database: DatabaseMetrics::register(&mut registry),
            page: Mutex::new(()),
        };
        metrics.registry = registry;
        metrics
    }

    /// Everything, as text. Asks the catalog how far the journal is; what it does not say in time is
    /// told as it last was. Numbers that belong together were true together, however many ask at once.
    pub(crate) async fn render(&self, lake: &Lake) -> String {
        let journal = tokio::time::timeout(PATIENCE, lake.journal_state()).await;
        let _page = self.page.lock().unwrap_or_else(PoisonError::into_inner);
        if let Ok(Ok(state)) = journal {
            let (last, journaled) = (state.last_seq, state.journaled_seq);
            self.journal.last_seq.set(gauge(last));
            self.journal.journaled_seq.set(gauge(journaled));
            self.journal.lag.set(gauge(last.saturating_sub(journaled)));
        }
        self.database.set(&lake.pool_state());
        let mut text = String::new();
        text::encode(&mut text, &self.registry).expect("a String takes everything");
        text
    }
}

fn gauge(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

impl Ingests {
    fn register(registry: &mut Registry) -> Self {
        let new = Self::default();
        let prefix = registry.sub_registry_with_prefix("lakebed_ingest");
        prefix.register("ended", "Ingests by how they ended", new.ended.clone());
        prefix.register_with_unit(
            "duration",
            "How long ingests took",
            Unit::Seconds,
            new.seconds.0.clone(),
        );
        prefix.register(
            "source_bytes",
            "Bytes of the sources of new versions",
            new.source_bytes.clone(),
        );
        prefix.register(
            "new_bytes",
            "Bytes that were not in the lake before",
            new.new_bytes.clone(),
        );
        prefix.register("rows", "Rows of the sources of new versions", new.rows.clone());
        new
    }
}

impl JournalMetrics {
    fn register(registry: &mut Registry) -> Self {
        let new = Self::default();
        let prefix = registry.sub_registry_with_prefix("lakebed_journal");
        prefix.register("last_seq", "The newest committed event", new.last_seq.clone());
        prefix.register(
            "journaled_seq",
            "The newest event that is in the journal, and so visible",
            new.journaled_seq.clone(),
        );
        prefix.register("lag_events", "Committed events that are not visible yet", new.lag.clone());
        prefix.register("segments", "Segments published, by who wrote them", new.segments.clone());
        prefix.register_with_unit(
            "segment_duration",
            "How long it took to publish a segment",
            Unit::Seconds,
            new.seconds.0.clone(),
        );
        new
    }
}

impl StoreMetrics {
    fn register(registry: &mut Registry) -> Self {
        let new = Self::default();
        let prefix = registry.sub_registry_with_prefix("lakebed_store");
        prefix.register("operations", "What the object store was asked", new.operations.clone());
        prefix.register_with_unit(
            "operation_duration",
            "How long the object store took",
            Unit::Seconds,
            new.seconds.0.clone(),
        );
        prefix.register(
            "corrupt_reads",
            "Objects read whose bytes are not what their name says",
            new.corrupt_reads.clone(),
        );
        new
    }
}

impl lakebed_store::Observer for Metrics {
    fn operation(&self, operation: Operation, is_done: bool, elapsed: Duration) {
        let labels = StoreOperation {
            backend: self.backend,
            operation: operation.name(),
            outcome: if is_done { "done" } else { "failed" },
        };
        self.store.operations.get_or_create(&labels).inc();
        self.store.seconds.observe(&labels, elapsed);
    }

    fn corrupt_read(&self) {
        self.store.corrupt_reads.inc();
    }
}

impl Observer for Metrics {
    fn ingest(&self, ended: &IngestEnded) {
        let labels = Ended { outcome: ended.ending.name() };
        let ingests = &self.ingests;
        ingests.ended.get_or_create(&labels).inc();
        ingests.seconds.observe(&labels, ended.elapsed);
        ingests.source_bytes.inc_by(ended.source_bytes);
        ingests.new_bytes.inc_by(ended.new_bytes);
        ingests.rows.get_or_create(&Rows { outcome: "accepted" }).inc_by(ended.accepted_rows);
        ingests.rows.get_or_create(&Rows { outcome: "quarantined" }).inc_by(ended.quarantined_rows);
    }

    fn segment(&self, origin: SegmentOrigin, elapsed: Duration) {
        let labels = Origin { origin: origin.name() };
        self.journal.segments.get_or_create(&labels).inc();
        self.journal.seconds.observe(&labels, elapsed);
    }
}

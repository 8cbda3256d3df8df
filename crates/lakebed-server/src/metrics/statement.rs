//! Statements: how they ended, how long they took, and what they answered.

use std::{sync::Arc, time::Instant};

use http::StatusCode;
use prometheus_client::{
    metrics::{counter::Counter, family::Family},
    registry::{Registry, Unit},
};

use super::{Ended, Metrics, Timings};
use crate::problem::{Failure, Result};

#[derive(Debug, Default)]
pub(super) struct Statements {
    ended: Family<Ended, Counter>,
    seconds: Timings<Ended>,
    rows: Counter,
    bytes: Counter,
}

impl Statements {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let new = Self::default();
        let prefix = registry.sub_registry_with_prefix("lakebed_statement");
        prefix.register("ended", "Statements by how they ended", new.ended.clone());
        prefix.register_with_unit(
            "duration",
            "From the statement to the last byte of its answer",
            Unit::Seconds,
            new.seconds.0.clone(),
        );
        prefix.register("rows", "Rows of answers", new.rows.clone());
        prefix.register("bytes", "Encoded bytes of answers", new.bytes.clone());
        new
    }
}

/// A statement under way; dropping it without an end is its cancelling. Counts nothing where nobody
/// measures.
#[derive(Debug)]
pub(crate) struct StatementTally {
    metrics: Option<Arc<Metrics>>,
    started: Instant,
    rows: u64,
    bytes: u64,
}

impl StatementTally {
    pub(crate) fn begin(metrics: Option<Arc<Metrics>>) -> Self {
        Self { metrics, started: Instant::now(), rows: 0, bytes: 0 }
    }

    pub(crate) const fn add_rows(&mut self, rows: usize) {
        self.rows += rows as u64;
    }

    pub(crate) const fn add_bytes(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
    }

    /// What was asked, counted as refused or failed where it is that.
    pub(crate) fn counted<T>(&mut self, asked: lakebed_service::Result<T>) -> Result<T> {
        asked.map_err(|error| {
            let failure = Failure::from(error);
            self.failed(failure.status());
            failure
        })
    }

    /// All rows were answered.
    pub(crate) fn answered(&mut self) {
        self.end("answered");
    }

    /// It was refused before it began, or broke off: whose fault it was decides the word.
    pub(crate) fn failed(&mut self, status: StatusCode) {
        self.end(if status.is_server_error() { "failed" } else { "refused" });
    }

    fn end(&mut self, outcome: &'static str) {
        let Some(metrics) = self.metrics.take() else { return };
        let statements = &metrics.statements;
        statements.ended.get_or_create(&Ended { outcome }).inc();
        statements.seconds.observe(&Ended { outcome }, self.started.elapsed());
        statements.rows.inc_by(self.rows);
        statements.bytes.inc_by(self.bytes);
    }
}

impl Drop for StatementTally {
    fn drop(&mut self) {
        self.end("cancelled");
    }
}

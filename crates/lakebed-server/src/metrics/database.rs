//! The database's connections, as they are when somebody asks.

use std::sync::atomic::{AtomicU64, Ordering};

use lakebed_service::PoolState;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::{Registry, Unit},
};

#[derive(Debug, Default)]
pub(super) struct DatabaseMetrics {
    connections: Family<Connections, Gauge>,
    most: Gauge,
    waits: Counter,
    waited: Counter<f64, AtomicU64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Connections {
    state: &'static str,
}

impl DatabaseMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let new = Self::default();
        let prefix = registry.sub_registry_with_prefix("lakebed_database");
        prefix.register("connections", "Connections that are open", new.connections.clone());
        prefix.register("connections_max", "Connections there may be", new.most.clone());
        prefix.register(
            "waits",
            "How often somebody waited for a connection or its transaction",
            new.waits.clone(),
        );
        prefix.register_with_unit(
            "waited",
            "How long they waited",
            Unit::Seconds,
            new.waited.clone(),
        );
        new
    }

    /// The catalog counts by itself; its numbers are told as they are.
    pub(super) fn set(&self, state: &PoolState) {
        let set = |name, count: u32| {
            self.connections.get_or_create(&Connections { state: name }).set(count.into());
        };
        set("in_use", state.in_use);
        set("idle", state.idle);
        self.most.set(state.most.into());
        self.waits.inner().store(state.waits, Ordering::Relaxed);
        self.waited.inner().store(state.waited.as_secs_f64().to_bits(), Ordering::Relaxed);
    }
}
